//! Which worker has which endpoint, as the exchange's thread knows it: the order in which it speaks to the workers is
//! decided here.
//!
//! A port belongs to the worker in whose stretch it lies, its home. A bridge is where its members are: with their home, if
//! that is the same for all and none was ever handed over; otherwise with worker 0, to which they are handed. What was handed
//! over stays there until its call is closed: that is rare enough (transfers, conferences, a telephone that answers a call
//! from another worker's port), and going back would gain nothing for a call that stands.

use std::collections::HashMap;

use ringtrip_media::engine::{BridgeId, Endpoint, MediaCommand};
use ringtrip_model::ids::CallId;

/// What to tell a worker because of a command, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Hand this port's endpoint to worker 0.
    Give {
        /// Its home.
        worker: usize,
        /// The even port.
        port: u16,
    },
    /// This bridge is elsewhere from now on.
    Unbridge {
        /// Where it may have been.
        worker: usize,
        /// Which.
        bridge: BridgeId,
    },
    /// The command, and it goes to others too.
    Also {
        /// To whom.
        worker: usize,
    },
    /// The command. Always the last step.
    Send {
        /// To whom.
        worker: usize,
    },
}

/// Where everything is.
#[derive(Debug, Default)]
pub(super) struct Placement {
    ports: HashMap<u16, Port>,
    calls: HashMap<CallId, Call>,
}

#[derive(Debug, Clone, Copy)]
struct Port {
    home: usize,
    /// It is with worker 0 until its call is closed.
    is_handed_over: bool,
    call: CallId,
}

#[derive(Debug, Default)]
struct Call {
    /// Workers that know of the call, one bit each.
    workers: u64,
    /// Its bridge is with worker 0.
    is_gathered: bool,
    ports: Vec<u16>,
}

/// Where boards, conferences and what is gathered are.
const FIRST: usize = 0;

impl Placement {
    /// A call has these ports of a worker.
    pub fn open(&mut self, call: CallId, home: usize, ports: impl Iterator<Item = u16>) {
        let of = self.calls.entry(call).or_default();
        of.workers |= 1 << home;
        for port in ports {
            of.ports.push(port);
            self.ports.insert(port, Port { home, is_handed_over: false, call });
        }
    }

    /// Who must be told of a command.
    pub fn place(&mut self, command: &MediaCommand, step: &mut dyn FnMut(Step)) {
        let worker = match command {
            MediaCommand::Bridge { bridge, members } => self.bridge(*bridge, members, step),
            MediaCommand::Assign { endpoint: Endpoint::Rtp(port), call } => {
                // The others of that call may be anywhere.
                self.hand_over(*port, step);
                self.assign(*port, *call);
                self.home(*port)
            }
            MediaCommand::Unbridge { bridge: BridgeId::Call(call) } => {
                let workers = self.calls.get(call).map_or(0, |call| call.workers);
                last_of(workers, step)
            }
            MediaCommand::Close { call } => {
                let closed = self.calls.remove(call).unwrap_or_default();
                for port in closed.ports {
                    if self.ports.get(&port).is_some_and(|port| port.call == *call) {
                        self.ports.remove(&port);
                    }
                }
                last_of(closed.workers, step)
            }
            MediaCommand::Record { call, a, .. } => match self.calls.get(call) {
                Some(call) if call.is_gathered => FIRST,
                _ => self.home_of(a),
            },
            // Boards and conferences are with worker 0.
            others => others.rtp_port().map_or(FIRST, |port| self.home(port)),
        };
        step(Step::Send { worker });
    }

    fn home(&self, port: u16) -> usize {
        self.ports.get(&port).map_or(FIRST, |port| port.home)
    }

    fn home_of(&self, endpoint: &Endpoint) -> usize {
        endpoint.rtp_port().map_or(FIRST, |port| self.home(port))
    }

    /// The worker that this bridge is to be with.
    fn bridge(&mut self, bridge: BridgeId, members: &[Endpoint], step: &mut dyn FnMut(Step)) -> usize {
        let call = match bridge {
            BridgeId::Call(call) => Some(call),
            BridgeId::Conference(_) => None,
        };
        let was_gathered = call.is_none_or(|call| self.calls.get(&call).is_some_and(|call| call.is_gathered));
        let handed_over = |endpoint: &Endpoint| {
            endpoint.rtp_port().and_then(|port| self.ports.get(&port)).is_some_and(|port| port.is_handed_over)
        };
        let mut homes = members.iter().map(|member| self.home_of(member));
        let home = homes.next().unwrap_or(FIRST);
        let is_together = homes.all(|other| other == home) && !members.iter().any(handed_over);
        if is_together && !was_gathered {
            return home;
        }
        if let Some(call) = call {
            let of = self.calls.entry(call).or_default();
            let others = of.workers & !1;
            of.workers |= 1;
            if !std::mem::replace(&mut of.is_gathered, true) {
                each_of(others, |worker| step(Step::Unbridge { worker, bridge }));
            }
        }
        for port in members.iter().filter_map(Endpoint::rtp_port) {
            self.hand_over(port, step);
        }
        FIRST
    }

    /// Hands a port over, unless it is with worker 0 already.
    fn hand_over(&mut self, port: u16, step: &mut dyn FnMut(Step)) {
        let Some(of) = self.ports.get_mut(&port) else { return };
        if of.home == FIRST || std::mem::replace(&mut of.is_handed_over, true) {
            return;
        }
        let (worker, call) = (of.home, of.call);
        step(Step::Give { worker, port });
        // What is asked of that call must reach it there, too.
        self.calls.entry(call).or_default().workers |= 1;
    }

    /// A port is another call's from now on.
    fn assign(&mut self, port: u16, call: CallId) {
        let Some(of) = self.ports.get_mut(&port) else { return };
        let (before, home) = (std::mem::replace(&mut of.call, call), of.home);
        if before != call {
            if let Some(before) = self.calls.get_mut(&before) {
                before.ports.retain(|its| *its != port);
            }
            self.calls.entry(call).or_default().ports.push(port);
        }
        self.calls.entry(call).or_default().workers |= 1 | 1 << home;
    }
}

/// Each of these workers but the last, which is answered.
fn last_of(workers: u64, step: &mut dyn FnMut(Step)) -> usize {
    let mut last = None;
    each_of(workers, |worker| {
        if let Some(worker) = last.replace(worker) {
            step(Step::Also { worker });
        }
    });
    last.unwrap_or(FIRST)
}

fn each_of(workers: u64, mut what: impl FnMut(usize)) {
    (0..64).filter(|n| workers >> n & 1 == 1).for_each(&mut what);
}

#[cfg(test)]
mod tests {
    use ringtrip_model::ids::PortRef;

    use super::*;

    const ONE: CallId = CallId(1);
    const TWO: CallId = CallId(2);

    fn steps(placement: &mut Placement, command: MediaCommand) -> Vec<Step> {
        let mut steps = Vec::new();
        placement.place(&command, &mut |step| steps.push(step));
        steps
    }

    fn bridge(placement: &mut Placement, call: CallId, members: &[Endpoint]) -> Vec<Step> {
        let bridge = BridgeId::Call(call);
        steps(placement, MediaCommand::Bridge { bridge, members: members.to_vec() })
    }

    fn rtp(port: u16) -> Endpoint {
        Endpoint::Rtp(port)
    }

    fn telephone() -> Endpoint {
        Endpoint::Port(PortRef { board: "virtual".parse().expect("a name"), port: 0 })
    }

    /// Two calls, with workers 1 and 2.
    fn placement() -> Placement {
        let mut placement = Placement::default();
        placement.open(ONE, 1, [100, 102].into_iter());
        placement.open(TWO, 2, [200, 202].into_iter());
        placement
    }

    #[test]
    fn a_call_of_one_worker_stays_with_it() {
        let mut placement = placement();
        assert_eq!(bridge(&mut placement, ONE, &[rtp(100), rtp(102)]), [Step::Send { worker: 1 }]);
        let mute = MediaCommand::Mute { endpoint: rtp(200), on: true };
        assert_eq!(steps(&mut placement, mute), [Step::Send { worker: 2 }]);
        assert_eq!(steps(&mut placement, MediaCommand::Close { call: ONE }), [Step::Send { worker: 1 }]);
    }

    #[test]
    fn a_telephone_gathers_its_call_at_the_first_worker() {
        let mut placement = placement();
        bridge(&mut placement, ONE, &[rtp(100), rtp(102)]);
        let id = BridgeId::Call(ONE);
        assert_eq!(
            bridge(&mut placement, ONE, &[rtp(100), telephone()]),
            [
                Step::Unbridge { worker: 1, bridge: id },
                Step::Give { worker: 1, port: 100 },
                Step::Send { worker: 0 }
            ]
        );
        // Once more: it is there already. What is asked of it goes by its home.
        assert_eq!(bridge(&mut placement, ONE, &[rtp(100), telephone()]), [Step::Send { worker: 0 }]);
        let mute = MediaCommand::Mute { endpoint: rtp(100), on: true };
        assert_eq!(steps(&mut placement, mute), [Step::Send { worker: 1 }]);
        // Ports that never left are gathered too: this bridge is with the first worker for good.
        assert_eq!(
            bridge(&mut placement, ONE, &[rtp(102)]),
            [Step::Give { worker: 1, port: 102 }, Step::Send { worker: 0 }]
        );
        assert_eq!(
            steps(&mut placement, MediaCommand::Close { call: ONE }),
            [Step::Also { worker: 0 }, Step::Send { worker: 1 }]
        );
        assert!(placement.ports.len() == 2 && placement.calls.len() == 1, "{placement:?}");
    }

    #[test]
    fn a_transfer_between_workers_gathers_both() {
        let mut placement = placement();
        let assign = MediaCommand::Assign { endpoint: rtp(200), call: ONE };
        assert_eq!(
            steps(&mut placement, assign),
            [Step::Give { worker: 2, port: 200 }, Step::Send { worker: 2 }]
        );
        let gathered = bridge(&mut placement, ONE, &[rtp(100), rtp(200)]);
        assert_eq!(gathered.last(), Some(&Step::Send { worker: 0 }), "{gathered:?}");
        // The other call ends without the port; then this one, and everybody who had something of it is told.
        assert_eq!(
            steps(&mut placement, MediaCommand::Close { call: TWO }),
            [Step::Also { worker: 0 }, Step::Send { worker: 2 }]
        );
        let closed = steps(&mut placement, MediaCommand::Close { call: ONE });
        assert_eq!(closed, [Step::Also { worker: 0 }, Step::Also { worker: 1 }, Step::Send { worker: 2 }]);
        assert!(placement.ports.is_empty() && placement.calls.is_empty(), "{placement:?}");
    }

    #[test]
    fn a_port_that_is_leased_again_is_with_its_worker_again() {
        let mut placement = placement();
        bridge(&mut placement, ONE, &[rtp(100), telephone()]);
        steps(&mut placement, MediaCommand::Close { call: ONE });
        placement.open(TWO, 1, [100, 102].into_iter());
        assert_eq!(bridge(&mut placement, TWO, &[rtp(100), rtp(102)]), [Step::Send { worker: 1 }]);
    }

    #[test]
    fn conferences_are_with_the_first_worker() {
        let mut placement = placement();
        let join = MediaCommand::Bridge { bridge: BridgeId::Conference(7), members: vec![rtp(100)] };
        assert_eq!(
            steps(&mut placement, join),
            [Step::Give { worker: 1, port: 100 }, Step::Send { worker: 0 }]
        );
        let close = steps(&mut placement, MediaCommand::Close { call: ONE });
        assert_eq!(close, [Step::Also { worker: 0 }, Step::Send { worker: 1 }]);
    }
}
