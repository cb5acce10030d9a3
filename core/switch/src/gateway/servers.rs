//! The servers of one provider in the order to try (RFC 3263 §4.2): which is in use, and which are in doubt since
//! calls had no luck with them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringtrip_sip::endpoint::Flow;

/// Where a provider is.
#[derive(Debug, Default)]
pub(super) struct Servers {
    flows: Vec<Flow>,
    /// Which of them is used now.
    at: usize,
    /// How many failed in a row since one worked.
    failed: usize,
    /// Servers that calls try last, and until when.
    doubts: Vec<(SocketAddr, Instant)>,
}

impl Servers {
    /// Takes a new answer of the resolver; true if it differs from the one before. The server in use stays in use.
    pub(super) fn set(&mut self, flows: Vec<Flow>) -> bool {
        if flows == self.flows {
            return false;
        }
        let used = self.current();
        self.at = flows.iter().position(|flow| Some(*flow) == used).unwrap_or(0);
        self.failed = 0;
        self.flows = flows;
        true
    }

    /// Is it not known where the provider is?
    pub(super) fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// The one in use.
    pub(super) fn current(&self) -> Option<Flow> {
        self.flows.get(self.at).copied()
    }

    /// Is this the one in use?
    pub(super) fn is_current(&self, server: SocketAddr) -> bool {
        self.current().is_some_and(|flow| flow.remote == server)
    }

    /// All of them.
    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.flows.iter().map(|flow| flow.remote)
    }

    /// The one in use failed: the next is used. True if that has not failed yet in this round.
    pub(super) fn advance(&mut self) -> bool {
        self.at = if self.flows.is_empty() { 0 } else { (self.at + 1) % self.flows.len() };
        self.failed += 1;
        let others = self.failed < self.flows.len();
        if !others {
            self.failed = 0;
        }
        others
    }

    /// The one in use works.
    pub(super) fn works(&mut self) {
        self.failed = 0;
    }

    /// Calls try this one last for so long. False if it is none of these.
    pub(super) fn doubt(&mut self, now: Instant, server: SocketAddr, time: Duration) -> bool {
        if !self.addresses().any(|known| known == server) {
            return false;
        }
        self.doubts.retain(|(other, until)| *other != server && *until > now);
        self.doubts.push((server, now + time));
        true
    }

    /// The order for a call: the one in use first, the others after it in their order, those in doubt last.
    pub(super) fn for_call(&self, now: Instant) -> Vec<Flow> {
        let Some((before, from)) = self.flows.split_at_checked(self.at) else { return Vec::new() };
        let doubted = |flow: &Flow| self.doubts.iter().any(|(at, until)| *at == flow.remote && *until > now);
        let (last, mut order): (Vec<Flow>, Vec<Flow>) = from.iter().chain(before).partition(|f| doubted(f));
        order.extend(last);
        order
    }
}
