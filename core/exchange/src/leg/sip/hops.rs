//! Where the requests of a leg go: the next hop of its dialog, and what waits while a name is resolved (RFC 3263).

use std::time::{Duration, Instant};

use ringtrip_sip::endpoint::Flow;
use ringtrip_sip::next_hop::{self, HostName, NextHop};

use crate::leg::sip::state::{Outgoing, Phase, Room, SipLeg, Waiting};
use crate::post::Post;

/// The resolver answers within two seconds, always; should its answer get lost, nobody waits for ever.
const RESOLVE_WAIT: Duration = Duration::from_secs(4);

impl SipLeg {
    /// Sends a request by this hop, once it is known where that is.
    pub(super) fn dispatch(&mut self, hop: NextHop, learned: Flow, request: Outgoing, room: &mut Room<'_>) {
        let name = match hop {
            NextHop::Flow(flow) => return room.out.push(request.by(flow)),
            NextHop::Name(name) => name,
        };
        if let Some((_, flow)) = self.hops.known.iter().find(|(known, _)| *known == name) {
            return room.out.push(request.by(*flow));
        }
        let asked = self.hops.waiting.iter().any(|waiting| waiting.name == name);
        let by = self.hops.now.map(|now| now + RESOLVE_WAIT);
        self.hops.waiting.push(Waiting { name: name.clone(), learned, by, request });
        if !asked {
            room.out.push(Post::Lookup { leg: self.id, name });
        }
    }

    /// DNS has answered. A name that leads nowhere, or to an address that is of no use from here, leaves the learned flow.
    pub(crate) fn located(&mut self, now: Instant, name: &HostName, flows: &[Flow], room: &mut Room<'_>) {
        self.hops.step(now);
        if let Some(flow) = flows.first() {
            self.talk.located(name, flow.remote);
        }
        let all = std::mem::take(&mut self.hops.waiting);
        let (found, left): (Vec<_>, Vec<_>) = all.into_iter().partition(|waiting| waiting.name == *name);
        self.hops.waiting = left;
        for Waiting { learned, request, .. } in found {
            let usable = |flow: &&Flow| !next_hop::is_unroutable(flow.remote.ip(), learned.remote.ip());
            let flow = flows.iter().find(usable).copied();
            let flow = flow.map(|flow| if is_same(&flow, &learned) { learned } else { flow });
            if let Some(flow) = flow
                && !self.hops.known.iter().any(|(known, _)| known == name)
            {
                self.hops.known.push((name.clone(), flow));
            }
            let to = flow.unwrap_or(learned);
            if let (Outgoing::Request(tx, _), Phase::Calling(calling)) = (&request, &self.phase)
                && calling.is(tx)
            {
                self.flow = to;
            }
            room.out.push(request.by(to));
        }
    }

    /// What has waited long enough goes by the learned flow.
    pub(super) fn lookup_timeout(&mut self, now: Instant, room: &mut Room<'_>) {
        while let Some(late) = self.hops.waiting.iter().position(|w| w.by.is_some_and(|by| by <= now)) {
            let Waiting { learned, request, .. } = self.hops.waiting.remove(late);
            room.out.push(request.by(learned));
        }
    }
}

fn is_same(one: &Flow, other: &Flow) -> bool {
    one.transport == other.transport && one.remote == other.remote
}
