//! Our own address changes.

use std::sync::Arc;

use ringtrip_sip::nat::Topology;

use super::*;

impl Bench {
    /// The kernel sends from this address now, or from none.
    fn network(&mut self, local: Option<u8>, external: Option<&str>) {
        let way = |n: u8| Flow {
            transport: Transport::Udp,
            local: at(local.unwrap_or(0)),
            remote: at(n),
            connection: 0,
        };
        let ways = (1..=2).map(way).filter(|_| local.is_some()).collect();
        let external = external.iter().map(|ip| ip.parse().unwrap()).collect();
        let topology = Arc::new(Topology { external, ..Topology::direct() });
        self.on(GatewayInput::Network { topology, ways });
    }

    fn contact(&self) -> String {
        self.requests.last().and_then(|r| r.headers.text(&Name::Contact)).unwrap_or_default().to_owned()
    }
}

#[test]
fn a_new_address_is_registered_whatever_was_waited_for() {
    let mut bench = Bench::new(1, |_| {});
    let sent = bench.sent.len();
    bench.network(Some(100), None);
    assert_eq!(bench.sent.len(), sent, "nothing new");
    bench.network(Some(101), None);
    assert!(bench.contact().contains(&at(101).to_string()), "{}", bench.contact());
    bench.network(Some(101), Some("203.0.113.5"));
    assert!(bench.contact().contains("@203.0.113.5:"), "{}", bench.contact());
}

#[test]
fn a_provider_that_no_address_reached_is_looked_for_when_the_network_comes_up() {
    let mut bench = Bench::new(0, |_| {});
    let asked = bench.asked;
    bench.network(None, None);
    assert_eq!(bench.asked, asked + 1, "its name may resolve now");
    bench.network(None, None);
    assert_eq!(bench.asked, asked + 1, "the answer is awaited");
    bench.network(Some(101), None);
    bench.on(GatewayInput::Resolved { servers: vec![(Transport::Udp, at(1))], ttl: None });
    assert!(bench.contact().contains(&at(101).to_string()), "{}", bench.contact());
}
