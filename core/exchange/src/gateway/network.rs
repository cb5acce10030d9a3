//! Which address of ours a provider sees, and what follows when that changes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use ringtrip_sip::endpoint::{Flow, Transport};
use ringtrip_sip::nat::{self, Topology};

use super::{Gateway, Purpose, Registration, Resolve, Why};
use crate::post::Post;

impl Gateway {
    /// The networks around us, and the ways to our servers as the kernel takes them now. A provider that knows us under
    /// an address which is gone sends our calls there: a new one is registered at once, whatever was waited for.
    pub(super) fn network(
        &mut self,
        now: Instant,
        topology: Arc<Topology>,
        ways: Vec<Flow>,
        out: &mut Vec<Post>,
    ) {
        let before = self.contact();
        self.setup.topology = topology;
        self.ways = ways;
        if self.servers.is_empty() {
            // Its name did not resolve, or to what no address of ours reached. Both may be different now.
            if matches!(self.resolve, Resolve::Known { .. }) {
                self.ask_where(now, out);
            }
            return;
        }
        let mut servers = std::mem::take(&mut self.servers);
        servers.relocate(|flow| self.way_to(flow.transport, flow.remote));
        self.servers = servers;
        if self.contact() == before || matches!(self.registration, Registration::Off) {
            return;
        }
        if let Registration::Trying(asked) = self.registration {
            self.late.push((Purpose::Register, asked));
        }
        self.registration = Registration::Wait { until: now, why: Why::Due };
        self.timeout(now, out);
    }

    /// The way to a server; none where no address of ours reaches it.
    pub(super) fn way_to(&self, transport: Transport, remote: SocketAddr) -> Option<Flow> {
        let named = self.ways.iter().find(|way| way.transport == transport && way.remote == remote);
        let fits = |(t, at): &&(Transport, SocketAddr)| *t == transport && at.is_ipv4() == remote.is_ipv4();
        let local = match named {
            Some(way) => way.local,
            None => self.setup.locals.iter().find(fits)?.1,
        };
        nat::can_reach(local.ip(), remote.ip()).then_some(Flow { transport, local, remote, connection: 0 })
    }
}
