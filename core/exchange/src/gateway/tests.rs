//! A gateway with two servers, in virtual time: whom it asks, when it gives up, and which server it holds to account.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringtrip_sip::Headers;
use ringtrip_sip::endpoint::{Flow, Lost, Transport};
use ringtrip_sip::message::{Method, Request, Response};
use ringtrip_sip::name::Name;

use super::{Gateway, GatewaySetup};
use crate::owner::{Ask, ClientTx, Owner, Told};
use crate::post::{CallInput, Doubt, GatewayInput, Post};
use crate::route::Found;
use ringtrip_model::ids::CallId;
use ringtrip_model::party::Cause;

struct Bench {
    now: Instant,
    gateway: Gateway,
    /// Every request that was sent: method, server, name.
    sent: Vec<(Method, SocketAddr, u32)>,
    /// The same, whole.
    requests: Vec<Request>,
    /// How often DNS was asked.
    asked: usize,
    /// The answer to the last call that asked for a way: its servers.
    way: Option<Result<Vec<u8>, Cause>>,
}

fn servers(found: &Found) -> Vec<u8> {
    let Found::Sip(way) = found else { panic!("a gateway has no {found:?}") };
    let last = |flow: &Flow| match flow.remote.ip() {
        std::net::IpAddr::V4(ip) => ip.octets()[3],
        std::net::IpAddr::V6(_) => 0,
    };
    way.flows.iter().map(last).collect()
}

/// The gateway's own name for a request of its.
fn owned(n: u32) -> ClientTx {
    ClientTx { owner: Owner::Gateway("gw1".parse().unwrap()), n }
}

const SECOND: Duration = Duration::from_secs(1);

fn at(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n], 5060))
}

impl Bench {
    fn new(servers: u8, change: impl FnOnce(&mut ringtrip_config::Gateway)) -> Bench {
        #[allow(clippy::disallowed_methods)] // Virtual time starts somewhere.
        let now = Instant::now();
        let mut settings =
            ringtrip_config::Gateway::new("gw1".parse().unwrap(), "provider.example".parse().unwrap(), "me");
        change(&mut settings);
        let locals = vec![(Transport::Udp, at(100))];
        let mut out = Vec::new();
        let gateway = Gateway::new(
            now,
            GatewaySetup {
                settings,
                contact_user: "me".to_owned(),
                locals,
                topology: std::sync::Arc::new(ringtrip_sip::nat::Topology::direct()),
            },
            [1; 32],
            &mut out,
        );
        let mut bench = Bench { now, gateway, sent: Vec::new(), requests: Vec::new(), asked: 0, way: None };
        let found = (1..=servers).map(|n| (Transport::Udp, at(n))).collect();
        bench.on(GatewayInput::Resolved { servers: found, ttl: None });
        bench
    }

    fn on(&mut self, input: GatewayInput) {
        let mut out = Vec::new();
        self.gateway.on(self.now, input, &mut out);
        for post in out {
            match post {
                Post::Sip(Ask::Send { tx, request, to }) => {
                    self.sent.push((request.method.clone(), to.remote, tx.n));
                    self.requests.push(*request);
                }
                Post::Resolve { .. } => self.asked += 1,
                Post::Call { input: CallInput::Found { found, .. }, .. } => {
                    self.way = Some(found.map(|found| found.iter().flat_map(servers).collect()));
                }
                _ => {}
            }
        }
    }

    /// Lets time pass, and with it every deadline.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.gateway.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.on(GatewayInput::Timeout);
        }
        self.now = until;
    }

    /// By which servers would a call go out, in which order?
    fn way(&mut self, emergency: bool) -> Result<Vec<u8>, Cause> {
        self.on(GatewayInput::Find { call: CallId(1 << 40), seq: 0, emergency });
        self.way.take().expect("every question is answered")
    }

    fn doubt(&mut self, server: u8, why: Doubt) {
        self.on(GatewayInput::Doubt { server: at(server), why });
    }

    /// How many requests of this method went to this server?
    fn count(&self, method: Method, server: u8) -> usize {
        self.sent.iter().filter(|(m, to, _)| *m == method && *to == at(server)).count()
    }

    /// The last request of this method to this server.
    #[track_caller]
    fn last(&self, method: Method, server: u8) -> u32 {
        let found = self.sent.iter().rev().find(|(m, to, _)| *m == method && *to == at(server));
        found.unwrap_or_else(|| panic!("no {method:?} to {server}: {:?}", self.sent)).2
    }

    fn fails(&mut self, n: u32) {
        let tx = owned(n);
        self.on(GatewayInput::Sip(Told::Failed { tx, why: Lost::Timeout }));
    }

    fn answers(&mut self, n: u32, code: u16) {
        self.answers_with(n, code, &[]);
    }

    fn answers_with(&mut self, n: u32, code: u16, lines: &[(Name, &str)]) {
        let tx = owned(n);
        let flow = Flow { transport: Transport::Udp, local: at(100), remote: at(1), connection: 0 };
        let mut headers = Headers::default();
        lines.iter().for_each(|(name, value)| headers.push(name.clone(), value.to_string()));
        let response = Response { code, reason: Bytes::new(), headers, body: Bytes::new() };
        self.on(GatewayInput::Sip(Told::Response { tx, response: response.into(), flow }));
    }

    fn resolves(&mut self, servers: &[u8], ttl: u32) {
        let servers = servers.iter().map(|n| (Transport::Udp, at(*n))).collect();
        self.on(GatewayInput::Resolved { servers, ttl: Some(SECOND * ttl) });
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

#[test]
fn a_silent_server_is_left_after_seconds_and_the_next_one_kept() {
    let mut bench = Bench::new(2, |_| {});
    let late = [bench.last(Method::Register, 1), bench.last(Method::Options, 1)];
    bench.wait(3 * SECOND);
    bench.uses(1);
    bench.wait(2 * SECOND);
    bench.uses(2);
    let (register, options) = (bench.last(Method::Register, 2), bench.last(Method::Options, 2));
    bench.answers(register, 200);
    bench.answers(options, 404);
    bench.wait(28 * SECOND);
    // What was given up ends in the endpoint at last: that is news of the first server.
    late.into_iter().for_each(|tx| bench.fails(tx));
    bench.uses(2);
    assert_eq!(bench.gateway.status().registered, Some(true));
    assert_eq!(bench.way(false), Ok(vec![2, 1]));
}

#[test]
fn off_waits_as_long_as_the_endpoint() {
    let mut bench = Bench::new(2, |settings| settings.answer_within = None);
    bench.wait(30 * SECOND);
    bench.uses(1);
    let register = bench.last(Method::Register, 1);
    bench.fails(register);
    bench.uses(2);
}

#[test]
fn one_dead_server_is_one_failure() {
    let mut bench = Bench::new(1, |_| {});
    bench.wait(5 * SECOND);
    assert!(!bench.gateway.status().up);
    assert_eq!(bench.way(false), Err(Cause::Failure));
    assert_eq!(bench.count(Method::Register, 1), 1);
    // The wait after one failure is 30 s and a bit, after two it would be a minute.
    bench.wait(33 * SECOND);
    assert_eq!(bench.count(Method::Register, 1), 2);
}

#[test]
fn a_slow_answer_still_registers() {
    let mut bench = Bench::new(1, |_| {});
    let register = bench.last(Method::Register, 1);
    bench.wait(6 * SECOND);
    assert_eq!(bench.gateway.status().registered, Some(false));
    bench.answers(register, 200);
    assert_eq!(bench.gateway.status().registered, Some(true));
    assert_eq!(bench.way(false), Ok(vec![1]));
    // The same answer from a server that was left for another says nothing.
    let mut bench = Bench::new(2, |_| {});
    let register = bench.last(Method::Register, 1);
    bench.wait(6 * SECOND);
    bench.answers(register, 200);
    bench.uses(2);
    assert_eq!(bench.gateway.status().registered, Some(false));
}

#[test]
fn calls_begin_with_the_good_server() {
    let still = |settings: &mut ringtrip_config::Gateway| {
        settings.register = false;
        settings.options_interval = None;
    };
    let mut bench = Bench::new(3, still);
    assert_eq!(bench.way(false), Ok(vec![1, 2, 3]));
    bench.doubt(1, Doubt::Silent);
    assert_eq!(bench.way(false), Ok(vec![2, 3, 1]));
    bench.doubt(2, Doubt::Unavailable { retry_after: Some(5 * SECOND) });
    assert_eq!(bench.way(false), Ok(vec![3, 1, 2]));
    bench.wait(6 * SECOND);
    assert_eq!(bench.way(false), Ok(vec![2, 3, 1]));
    bench.wait(60 * SECOND);
    assert_eq!(bench.way(false), Ok(vec![1, 2, 3]));
    // One that is none of its servers any more.
    bench.doubt(9, Doubt::Silent);
    assert_eq!(bench.way(false), Ok(vec![1, 2, 3]));
}

#[test]
fn a_call_without_luck_has_the_server_asked_at_once() {
    let mut bench = Bench::new(2, |settings| settings.options_interval = None);
    let register = bench.last(Method::Register, 1);
    bench.answers(register, 200);
    bench.wait(SECOND);
    bench.doubt(1, Doubt::Unavailable { retry_after: None });
    assert_eq!(bench.count(Method::Register, 1), 1, "a server that says 503 is there");
    bench.doubt(1, Doubt::Silent);
    assert_eq!(bench.count(Method::Register, 1), 2);
    bench.wait(5 * SECOND);
    bench.uses(2);
    let register = bench.last(Method::Register, 2);
    bench.answers(register, 200);
    assert_eq!(bench.gateway.status().registered, Some(true));
}

#[test]
fn a_call_for_help_tries_a_gateway_that_is_down() {
    let mut bench = Bench::new(1, |_| {});
    bench.wait(5 * SECOND);
    assert_eq!(bench.way(false), Err(Cause::Failure));
    assert_eq!(bench.way(true), Ok(vec![1]));
}

mod network;
mod registrar;
