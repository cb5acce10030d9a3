//! The networks around the exchange: loss, a far phone, an address that changes.

use std::net::SocketAddr;
use std::time::Duration;

use ringtrip_exchange::desk::DeskInput;
use ringtrip_exchange::post::{CallInput, GatewayInput, Post};
use ringtrip_sip::endpoint::{Flow, Transport};

use super::{World, topology};
use crate::net::NetworkConditions;
use crate::phone::Phone;

impl World {
    /// Sets the conditions of the network.
    pub fn network_conditions(&mut self, network_conditions: NetworkConditions) {
        self.network_conditions = network_conditions;
    }

    /// What is sent to this phone takes so much longer from now on.
    pub fn far(&mut self, phone: &str, time: Duration) {
        let addr = self.phone(phone).addr();
        self.far = Some((addr, time));
    }

    /// The exchange gets another address, as after a DHCP change, and notices. Nothing reaches the old one any more.
    pub fn readdress(&mut self, local: &str) {
        let local: SocketAddr = local.parse().expect("an address");
        self.local = Some(local);
        self.phones.iter_mut().for_each(|phone| phone.finds_exchange_at(local));
        let topology = topology();
        self.desk(DeskInput::Topology(topology.clone()));
        let servers: Vec<SocketAddr> = self.phones.iter().map(Phone::addr).collect();
        let way = |remote| Flow { transport: Transport::Udp, local, remote, connection: 0 };
        let ways: Vec<Flow> = servers.into_iter().map(way).collect();
        for gateway in self.gateways.keys() {
            let input = GatewayInput::Network { topology: topology.clone(), ways: ways.clone() };
            self.posts.push_back(Post::Gateway { gateway: gateway.clone(), input });
        }
        self.tell_calls(|| CallInput::Topology(topology.clone()));
    }
}
