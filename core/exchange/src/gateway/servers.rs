//! The servers of one provider in the order to try (RFC 3263 §4.2): which is in use, and which are in doubt since
//! calls had no luck with them, and which asked to be left alone for a time.

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
    /// Servers that are not asked before this time, as they wished (Retry-After).
    holds: Vec<(SocketAddr, Instant)>,
}

/// How an answer of the resolver differs from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Not at all.
    None,
    /// The same servers, or fewer of them.
    Order,
    /// There are new ones beside the one in use.
    More {
        /// The first of the new ones.
        first: usize,
    },
    /// The one in use is none of them.
    Others,
}

impl Servers {
    /// Takes a new answer of the resolver. The server in use stays in use while it is named.
    pub(super) fn set(&mut self, flows: Vec<Flow>) -> Change {
        if flows == self.flows {
            return Change::None;
        }
        let used = self.current();
        let stays = flows.iter().position(|flow| Some(*flow) == used);
        let new = flows.iter().position(|flow| !self.flows.contains(flow));
        self.at = stays.unwrap_or(0);
        self.failed = 0;
        self.flows = flows;
        match (stays, new) {
            (Some(_), None) => Change::Order,
            (Some(_), Some(at)) => Change::More { first: at },
            (None, _) => Change::Others,
        }
    }

    /// Our addresses on these ways changed.
    pub(super) fn relocate(&mut self, way: impl Fn(&Flow) -> Option<Flow>) {
        for flow in &mut self.flows {
            *flow = way(flow).unwrap_or(*flow);
        }
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

    /// The one in use failed: the next is used that did not ask to be left alone. True if that has not failed yet in this
    /// round.
    pub(super) fn advance(&mut self, now: Instant) -> bool {
        self.holds.retain(|(_, until)| *until > now);
        let n = self.flows.len();
        self.failed += 1;
        let free = (1..=n).map(|step| (self.at + step) % n).find(|at| self.held_until(*at).is_none());
        // All want to be left alone: the one that does so for the shortest time.
        let soonest = || (0..n).min_by_key(|at| self.held_until(*at)).unwrap_or(0);
        let others = self.failed < n && free.is_some_and(|at| at != self.at);
        self.at = free.unwrap_or_else(soonest);
        if !others {
            self.failed = 0;
        }
        others
    }

    /// A server said for how long it is not to be asked again.
    pub(super) fn hold(&mut self, server: SocketAddr, until: Instant) {
        self.holds.retain(|(other, _)| *other != server);
        self.holds.push((server, until));
    }

    /// Until when the one in use is not to be asked.
    pub(super) fn hold_of_current(&self, now: Instant) -> Option<Instant> {
        self.held_until(self.at).filter(|until| *until > now)
    }

    fn held_until(&self, at: usize) -> Option<Instant> {
        let server = self.flows.get(at)?.remote;
        self.holds.iter().find(|(held, _)| *held == server).map(|(_, until)| *until)
    }

    /// Uses this one from now on.
    pub(super) fn take(&mut self, at: usize) {
        self.at = at;
        self.failed = 0;
    }

    /// A server answered: it is in doubt no longer.
    pub(super) fn trust(&mut self, server: SocketAddr) {
        self.doubts.retain(|(other, _)| *other != server);
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
