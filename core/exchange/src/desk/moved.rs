//! Where phones have moved to. A call keeps the way that its messages took; a phone that registers anew from elsewhere in
//! the middle of it, because its router was restarted or it left the Wi-Fi, is not reached that way any more.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use ringtrip_sip::endpoint::{Flow, Transport};

/// Moves that are remembered, the latest. Each is a phone that moved while it was registered.
const MOST: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Moved {
    to: HashMap<SocketAddr, Flow>,
    order: VecDeque<SocketAddr>,
}

impl Moved {
    /// A phone that was at the first is at the second now.
    pub(super) fn note(&mut self, from: Flow, to: Flow) {
        if from.transport != Transport::Udp {
            return;
        }
        for flow in self.to.values_mut().filter(|flow| flow.remote == from.remote) {
            *flow = to;
        }
        if self.to.insert(from.remote, to).is_none() {
            self.order.push_back(from.remote);
        }
        self.here(to);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.to.remove(&oldest);
        }
    }

    /// Somebody is at this address: whoever was there before, this is the way to it.
    pub(super) fn here(&mut self, flow: Flow) {
        if self.to.remove(&flow.remote).is_some() {
            self.order.retain(|at| *at != flow.remote);
        }
    }

    /// The way to whoever was reached by this one.
    pub(super) fn now_at(&self, flow: Flow) -> Flow {
        match self.to.get(&flow.remote) {
            Some(to) if flow.transport == Transport::Udp => *to,
            _ => flow,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(port: u16) -> Flow {
        let at = |port| SocketAddr::from(([192, 0, 2, 1], port));
        Flow { transport: Transport::Udp, local: at(5060), remote: at(port), connection: 0 }
    }

    #[test]
    fn it_is_followed_however_often_it_moves() {
        let mut moved = Moved::default();
        assert_eq!(moved.now_at(flow(1)), flow(1));
        moved.note(flow(1), flow(2));
        moved.note(flow(2), flow(3));
        assert_eq!([moved.now_at(flow(1)), moved.now_at(flow(2))], [flow(3), flow(3)]);
        // It comes back.
        moved.note(flow(3), flow(1));
        assert_eq!([1, 2, 3].map(|at| moved.now_at(flow(at))), [flow(1); 3]);
        // The router gives its old port to another phone.
        moved.here(flow(2));
        assert_eq!(moved.now_at(flow(2)), flow(2));
    }

    #[test]
    fn strangers_fill_no_memory() {
        let mut moved = Moved::default();
        for port in 1..60_000 {
            moved.note(flow(port), flow(port + 1));
        }
        assert!(moved.to.len() <= MOST && moved.order.len() <= MOST, "{}", moved.to.len());
    }
}
