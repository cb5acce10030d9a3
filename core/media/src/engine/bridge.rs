//! Bridges: who hears whom. Two members are linked to each other; more are given a mixer.

use std::time::Instant;

use ringtrip_model::ids::BoardId;

use super::mixer::{Clock, LONGEST, Mixer};
use super::output::Output;
use super::rtp_endpoint::Link;
use super::{BridgeId, Endpoint, Engine};

impl Engine {
    /// These and no others are members from now on.
    pub(super) fn bridge(&mut self, now: Instant, id: BridgeId, mut members: Vec<Endpoint>) {
        let mut seen = Vec::with_capacity(members.len());
        members.retain(|member| {
            let is_new = !seen.contains(member);
            seen.push(member.clone());
            is_new
        });
        for member in &members {
            if self.bridge_of(member).is_some_and(|other| other != id) {
                self.leave(now, member);
            }
        }
        let old = std::mem::replace(self.bridges.entry(id).or_default(), members);
        for member in old {
            let stays = self.bridges.get(&id).is_some_and(|members| members.contains(&member));
            if !stays {
                self.unlink(&member, id);
            }
        }
        self.relink(now, id);
    }

    pub(super) fn unbridge(&mut self, id: BridgeId) {
        self.mixers.remove(&id);
        for member in self.bridges.remove(&id).unwrap_or_default() {
            self.unlink(&member, id);
        }
    }

    fn bridge_of(&self, endpoint: &Endpoint) -> Option<BridgeId> {
        match endpoint {
            Endpoint::Rtp(port) => self.rtp.get(usize::from(port / 2))?.as_ref()?.bridge,
            Endpoint::Port(port) => self.ports.get(port)?.bridge_id(),
        }
    }

    /// Takes an endpoint out of its bridge; the others there go on without it.
    pub(super) fn leave(&mut self, now: Instant, endpoint: &Endpoint) {
        let Some(id) = self.bridge_of(endpoint) else { return };
        if let Some(members) = self.bridges.get_mut(&id) {
            members.retain(|member| member != endpoint);
        }
        self.unlink(endpoint, id);
        self.relink(now, id);
    }

    fn unlink(&mut self, endpoint: &Endpoint, id: BridgeId) {
        match endpoint {
            Endpoint::Rtp(port) => {
                if let Some(endpoint) = self.rtp_mut(*port).filter(|endpoint| endpoint.bridge == Some(id)) {
                    endpoint.set_link(None, Link::Alone);
                }
            }
            Endpoint::Port(port) => {
                if let Some(port) = self.ports.get_mut(port)
                    && port.bridge_id() == Some(id)
                {
                    port.unlink();
                }
            }
        }
    }

    /// Links the members of a bridge as their number demands.
    pub(super) fn relink(&mut self, now: Instant, id: BridgeId) {
        let Some(members) = self.bridges.remove(&id) else { return };
        let link = |peer: &Endpoint| match peer {
            Endpoint::Rtp(port) => Link::Rtp(usize::from(port / 2)),
            Endpoint::Port(port) => Link::Port(port.clone()),
        };
        match members.as_slice() {
            [] => {}
            [one] => self.set_link(id, one, Link::Alone),
            [a, b] => {
                self.set_link(id, a, link(b));
                self.set_link(id, b, link(a));
            }
            members => {
                for member in members {
                    self.set_link(id, member, Link::Mixer(id));
                }
                let clock = self.clock_of(members);
                self.mixers.entry(id).or_insert_with(Mixer::new).set(members, clock);
                self.start_ticks(now);
            }
        }
        if members.len() < 3 {
            self.mixers.remove(&id);
        }
        if !members.is_empty() {
            self.bridges.insert(id, members);
        }
    }

    fn set_link(&mut self, id: BridgeId, endpoint: &Endpoint, link: Link) {
        match endpoint {
            Endpoint::Rtp(port) => {
                if let Some(endpoint) = self.rtp_mut(*port) {
                    endpoint.set_link(Some(id), link);
                }
            }
            Endpoint::Port(port) => self.port_mut(port).set_link(id, link),
        }
    }

    /// The board of the first telephone whose board runs is the clock.
    fn clock_of(&self, members: &[Endpoint]) -> Clock {
        let runs = |board: &BoardId| self.boards.iter().flatten().any(|running| running.id == *board);
        let boards = members.iter().filter_map(|member| match member {
            Endpoint::Port(port) => Some(&port.board),
            Endpoint::Rtp(_) => None,
        });
        boards.into_iter().find(|board| runs(board)).cloned().map_or(Clock::Ticks, Clock::Board)
    }

    /// A board has come or gone: mixers may have another clock.
    pub(super) fn set_clocks(&mut self, now: Instant) {
        let ids: Vec<BridgeId> = self.mixers.keys().copied().collect();
        for id in ids {
            let Some(members) = self.bridges.get(&id) else { continue };
            let clock = self.clock_of(members);
            if let Some(mixer) = self.mixers.get_mut(&id).filter(|mixer| mixer.clock != clock) {
                mixer.set(members, clock);
                self.start_ticks(now);
            }
        }
    }

    /// Mixes what has no board for a clock. Answers whether anything has.
    pub(super) fn mix_ticks(&mut self, now: Instant, out: &mut Output) -> bool {
        self.mix(now, &Clock::Ticks, LONGEST, out)
    }

    /// Mixes what has this clock. Answers whether anything has.
    pub(super) fn mix(&mut self, now: Instant, clock: &Clock, samples: usize, out: &mut Output) -> bool {
        let Engine { mixers, rtp, ports, .. } = self;
        let mut some = false;
        for mixer in mixers.values_mut().filter(|mixer| mixer.clock == *clock) {
            some = true;
            let mut heard: Vec<(u16, [i16; LONGEST])> = Vec::new();
            mixer.mix(
                samples,
                |member, sound| {
                    if let Endpoint::Rtp(port) = member
                        && let Some(Some(endpoint)) = rtp.get_mut(usize::from(port / 2))
                        && let Some(playout) = &mut endpoint.playout
                    {
                        playout.pull(now, sound);
                    }
                },
                |member, sound| match member {
                    Endpoint::Rtp(port) => {
                        let mut samples = [0; LONGEST];
                        samples[..sound.len()].copy_from_slice(sound);
                        heard.push((*port, samples));
                    }
                    Endpoint::Port(port) => {
                        if let Some(port) = ports.get_mut(port) {
                            port.queue(sound);
                        }
                    }
                },
            );
            for (port, sound) in heard {
                if let Some(Some(endpoint)) = rtp.get_mut(usize::from(port / 2)) {
                    endpoint.write_audio(now, &sound[..samples], out);
                }
            }
        }
        some
    }
}
