//! The network around the exchange: which address of ours a peer is shown, and who is notified when that changes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringtrip_config::{Config, External};
use ringtrip_exchange::desk::DeskInput;
use ringtrip_exchange::post::{CallInput, GatewayInput, Post};
use ringtrip_model::ids::GatewayId;
use ringtrip_sip::endpoint::{Flow, Transport};
use ringtrip_sip::nat::{self, Topology};

use super::apply::call_setup;
use super::directory::Directory;
use crate::net;

/// Watches the addresses and routes of this machine, for ever.
pub(super) async fn watch(dir: Directory) {
    net::watch(move |told| {
        let net = dir.0.net.borrow().clone();
        let changed = net.is_some_and(|net| net.look_at_interfaces());
        if changed || told {
            let config = dir.0.config.borrow().clone();
            dir.tell_network(dir.topology_of(&config));
        }
    })
    .await;
}

/// A name of dynamic DNS is asked for by its TTL, within these.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));

/// Asks for the name that our outside address has, by its TTL, for ever.
pub(super) async fn follow_external(dir: Directory) {
    let (mut asked, mut again) = (String::new(), Instant::now());
    loop {
        actix_rt::time::sleep(Duration::from_millis(500)).await;
        let external = dir.0.config.borrow().sip.external.clone();
        let name = match external {
            Some(External::Name(name)) => name,
            Some(External::Learned) => {
                asked.clear();
                continue;
            }
            Some(External::Address(_)) | None => {
                asked.clear();
                dir.0.external.borrow_mut().clear();
                continue;
            }
        };
        if name == asked && Instant::now() < again {
            continue;
        }
        match dir.0.dns.addresses_of(&name).await {
            Some((addresses, ttl)) => {
                let of = |v4: bool| addresses.iter().copied().find(|ip| ip.is_ipv4() == v4);
                dir.outside_is(of(true).into_iter().chain(of(false)).collect());
                again = Instant::now() + ttl.clamp(ASK_AGAIN.0, ASK_AGAIN.1);
            }
            None => {
                // What was known stays: a name server that is silent says nothing of our address.
                tracing::warn!(name, "sip.external does not resolve");
                again = Instant::now() + ASK_AGAIN.0;
            }
        }
        asked = name;
    }
}

impl Directory {
    /// Which address of ours a peer is shown.
    pub(super) fn topology(&self) -> Arc<Topology> {
        self.0.topology.borrow().clone()
    }

    /// What follows from the configuration and the interfaces that there are.
    pub(super) fn topology_of(&self, config: &Config) -> Topology {
        let interfaces = self.0.net.borrow().as_ref().map(|net| net.interfaces()).unwrap_or_default();
        let local_networks = match &config.sip.local_networks {
            Some(networks) => networks.clone(),
            None => nat::private_networks().into_iter().chain(interfaces.networks()).collect(),
        };
        let external = match &config.sip.external {
            Some(External::Address(ip)) => vec![*ip],
            Some(External::Name(_) | External::Learned) => self.0.external.borrow().clone(),
            None => Vec::new(),
        };
        Topology { local_networks, external }
    }

    /// The networks around us are these now; their users are notified of a change.
    pub(super) fn network_is(&self, topology: Topology) {
        if **self.0.topology.borrow() != topology {
            self.tell_network(topology);
        }
    }

    /// Our addresses, or the ways to our peers, may have changed: all who name an address of ours ask anew.
    fn tell_network(&self, topology: Topology) {
        let topology = Arc::new(topology);
        self.0.topology.replace(topology.clone());
        let config = self.0.config.borrow().clone();
        self.0.setup.replace(call_setup(&config, &self.0.ids, &self.0.agent, topology.clone()));
        self.to_desk(DeskInput::Topology(topology.clone()));
        let gateways: Vec<GatewayId> = self.0.servers.borrow().keys().cloned().collect();
        for gateway in gateways {
            self.tell_gateway_ways(&gateway);
        }
        let calls: Vec<_> = self.0.calls.borrow().keys().copied().collect();
        for call in calls {
            self.deliver(Post::Call { call, input: CallInput::Topology(topology.clone()) });
        }
    }

    /// A provider sees us at this address. If it is one of our own, no router stands between.
    pub(super) fn seen_as(&self, gateway: &GatewayId, seen: IpAddr) {
        let own = self.0.net.borrow().as_ref().is_some_and(|net| net.interfaces().have(seen));
        let others =
            self.0.external.borrow().iter().copied().filter(|ip| ip.is_ipv4() != seen.is_ipv4()).collect();
        let mut external: Vec<IpAddr> = others;
        if !own && !nat::is_private(seen) {
            tracing::info!(%gateway, %seen, "our address as seen from outside was learned");
            external.push(seen);
        }
        self.outside_is(external);
    }

    /// These are our addresses as seen from outside.
    fn outside_is(&self, external: Vec<IpAddr>) {
        self.0.external.replace(external);
        let config = self.0.config.borrow().clone();
        self.network_is(self.topology_of(&config));
    }

    /// A gateway's name resolved to these servers.
    pub(super) fn found_servers(&self, gateway: &GatewayId, servers: Vec<(Transport, SocketAddr)>) {
        self.0.servers.borrow_mut().insert(gateway.clone(), servers);
        self.tell_gateway_ways(gateway);
    }

    fn tell_gateway_ways(&self, gateway: &GatewayId) {
        let Some(net) = self.0.net.borrow().clone() else { return };
        let servers = self.0.servers.borrow().get(gateway).cloned().unwrap_or_default();
        let ways: Vec<Flow> = servers.into_iter().filter_map(|(t, at)| net.flow_to(t, at)).collect();
        let input = GatewayInput::Network { topology: self.topology(), ways };
        self.deliver(Post::Gateway { gateway: gateway.clone(), input });
    }
}
