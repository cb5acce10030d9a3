//! A gateway with two servers, in virtual time: whom it asks, when it gives up, and which server it holds to account.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringtrip_sip::Headers;
use ringtrip_sip::endpoint::{Ask, ClientTx, Flow, Lost, Told, Transport};
use ringtrip_sip::message::{Method, Response};

use super::{Gateway, GatewaySetup};
use crate::config;
use crate::post::{GatewayInput, Post};

struct Bench {
    now: Instant,
    gateway: Gateway,
    /// Every request that was sent: method, server, name.
    sent: Vec<(Method, SocketAddr, ClientTx)>,
}

fn at(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n], 5060))
}

impl Bench {
    fn new(servers: u8, change: impl FnOnce(&mut config::Gateway)) -> Bench {
        #[allow(clippy::disallowed_methods)] // Virtual time starts somewhere.
        let now = Instant::now();
        let mut settings =
            config::Gateway::new("gw1".parse().unwrap(), "provider.example".parse().unwrap(), "me");
        change(&mut settings);
        let locals = vec![(Transport::Udp, at(100))];
        let mut out = Vec::new();
        let gateway = Gateway::new(now, GatewaySetup { settings, locals, external: None }, 1, &mut out);
        let mut bench = Bench { now, gateway, sent: Vec::new() };
        let found = (1..=servers).map(|n| (Transport::Udp, at(n))).collect();
        bench.on(GatewayInput::Resolved(found));
        bench
    }

    fn on(&mut self, input: GatewayInput) {
        let mut out = Vec::new();
        self.gateway.on(self.now, input, &mut out);
        for post in out {
            if let Post::Sip(Ask::Send { tx, request, to }) = post {
                self.sent.push((request.method, to.remote, tx));
            }
        }
    }

    /// The last request of this method to this server.
    #[track_caller]
    fn last(&self, method: Method, server: u8) -> ClientTx {
        let found = self.sent.iter().rev().find(|(m, to, _)| *m == method && *to == at(server));
        found.unwrap_or_else(|| panic!("no {method:?} to {server}: {:?}", self.sent)).2
    }

    fn fails(&mut self, tx: ClientTx) {
        self.on(GatewayInput::Sip(Told::Failed { tx, why: Lost::Timeout }));
    }

    fn answers(&mut self, tx: ClientTx, code: u16) {
        let flow = Flow { transport: Transport::Udp, local: at(100), remote: at(1), connection: 0 };
        let response =
            Response { code, reason: Bytes::new(), headers: Headers::default(), body: Bytes::new() };
        self.on(GatewayInput::Sip(Told::Response { tx, response: response.into(), flow }));
    }

    #[track_caller]
    fn uses(&self, server: u8) {
        assert_eq!(self.gateway.status().server, Some(at(server)), "{:?}", self.sent);
    }
}

#[test]
fn two_requests_to_a_dead_server_cost_one_move() {
    let mut bench = Bench::new(2, |_| {});
    let (register, options) = (bench.last(Method::Register, 1), bench.last(Method::Options, 1));
    bench.now += Duration::from_secs(32);
    bench.fails(register);
    bench.uses(2);
    let second = bench.last(Method::Register, 2);
    // The OPTIONS went to the first server too: it says nothing of the second.
    bench.fails(options);
    bench.uses(2);
    bench.answers(second, 200);
    bench.uses(2);
    assert_eq!(bench.gateway.status().registered, Some(true));
}
