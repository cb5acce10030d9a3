//! What the registrar and the network say, and what a gateway makes of it.

use super::*;

fn no_options(settings: &mut ringtrip_config::Gateway) {
    settings.options_interval = None;
}

fn static_one(settings: &mut ringtrip_config::Gateway) {
    settings.register = false;
}

#[test]
fn a_proxy_and_the_registrar_behind_it_both_ask() {
    let mut bench =
        Bench::new(1, |settings| settings.password = Some(ringtrip_config::Password("sesame".into())));
    let edge = "Digest realm=\"edge.example.com\", nonce=\"aaaa1111\", algorithm=MD5, qop=\"auth\"";
    let reg = "Digest realm=\"reg.example.com\", nonce=\"bbbb2222\", algorithm=MD5, qop=\"auth\"";
    let proofs = |bench: &Bench| {
        let last = bench.requests.iter().rev().find(|r| r.method == Method::Register).expect("a REGISTER");
        let get =
            |name| last.headers.text(&name).map(|v| (v.contains("nc=00000001"), v.contains("nc=00000002")));
        (get(Name::ProxyAuthorization), get(Name::Authorization))
    };
    bench.answers_with(bench.last(Method::Register, 1), 407, &[(Name::ProxyAuthenticate, edge)]);
    assert_eq!(proofs(&bench), (Some((true, false)), None));
    bench.answers_with(bench.last(Method::Register, 1), 401, &[(Name::WwwAuthenticate, reg)]);
    assert_eq!(proofs(&bench), (Some((false, true)), Some((true, false))));
    bench.answers_with(bench.last(Method::Register, 1), 200, &[(Name::Expires, "600")]);
    assert_eq!(bench.gateway.status().registered, Some(true));
    bench.wait(301 * SECOND);
    let (proxy, www) = proofs(&bench);
    assert!(proxy.is_some() && www.is_some(), "the refresh brings both");
}

#[test]
fn a_server_that_wants_to_be_left_alone_is() {
    let mut bench = Bench::new(2, no_options);
    let first = bench.last(Method::Register, 1);
    bench.answers_with(first, 503, &[(Name::RetryAfter, "120 (maintenance)")]);
    bench.uses(2);
    let second = bench.last(Method::Register, 2);
    bench.answers_with(second, 503, &[(Name::RetryAfter, "90;duration=60")]);
    bench.wait(89 * SECOND);
    assert_eq!((bench.count(Method::Register, 1), bench.count(Method::Register, 2)), (1, 1));
    bench.wait(2 * SECOND);
    assert_eq!(bench.count(Method::Register, 2), 2, "the one whose time is over first");
    bench.answers(bench.last(Method::Register, 2), 500);
    assert_eq!(bench.count(Method::Register, 1), 1, "the other still wants its rest");
    bench.wait(70 * SECOND);
    assert_eq!(bench.count(Method::Register, 2), 3);
    bench.answers(bench.last(Method::Register, 2), 500);
    bench.answers(bench.last(Method::Register, 1), 200);
    assert_eq!(bench.gateway.status().registered, Some(true));
}

#[test]
fn a_lone_server_is_not_asked_before_its_time() {
    let mut bench = Bench::new(1, |_| {});
    bench.answers_with(bench.last(Method::Register, 1), 503, &[(Name::RetryAfter, "1800")]);
    // That it answers OPTIONS ends no wait that it asked for.
    bench.answers(bench.last(Method::Options, 1), 200);
    bench.wait(1799 * SECOND);
    assert_eq!(bench.count(Method::Register, 1), 1);
    bench.wait(3 * SECOND);
    assert_eq!(bench.count(Method::Register, 1), 2);
}

#[test]
fn the_time_granted_is_that_of_our_contact_or_the_shortest() {
    let check = |contacts: &[&str], expires: Option<&str>, refresh: u64| {
        let mut bench = Bench::new(1, no_options);
        let mut lines: Vec<(Name, &str)> = contacts.iter().map(|c| (Name::Contact, *c)).collect();
        lines.extend(expires.map(|e| (Name::Expires, e)));
        bench.answers_with(bench.last(Method::Register, 1), 200, &lines);
        bench.wait(Duration::from_secs(refresh - 1));
        assert_eq!(bench.count(Method::Register, 1), 1, "{contacts:?}: too early");
        bench.wait(2 * SECOND);
        assert_eq!(bench.count(Method::Register, 1), 2, "{contacts:?}: too late");
    };
    let ours = "<sip:me@192.0.2.100:5060>;expires=240";
    check(&[ours], None, 120);
    check(&["<sip:me@198.51.100.1>;expires=60", ours], None, 120);
    check(&["<sip:me@198.51.100.1>;expires=60, <sip:me@198.51.100.2>;expires=180"], Some("3600"), 30);
    check(&["<sip:me@198.51.100.7:4711>;expires=180"], Some("3600"), 90);
    check(&["<sip:me@198.51.100.7>", "<sip:me@198.51.100.8>;expires=400"], Some("120"), 60);
    check(&[], Some("120"), 60);
}

#[test]
fn calls_pass_the_proxies_that_the_registrar_names() {
    let mut bench = Bench::new(1, no_options);
    let route = |bench: &mut Bench| {
        let mut out = Vec::new();
        let input = GatewayInput::Find { call: CallId(1 << 40), seq: 0, emergency: false };
        bench.gateway.on(bench.now, input, &mut out);
        let [Post::Call { input: CallInput::Found { found: Ok(found), .. }, .. }] = &out[..] else {
            panic!("{out:?}")
        };
        let Found::Sip(way) = &found[0] else { panic!("{found:?}") };
        way.routes.clone()
    };
    let served = "<sip:edge.example.com;lr>, <sip:core.example.com;lr>";
    bench.answers_with(
        bench.last(Method::Register, 1),
        200,
        &[(Name::ServiceRoute, served), (Name::Expires, "60")],
    );
    assert_eq!(route(&mut bench), ["<sip:edge.example.com;lr>", "<sip:core.example.com;lr>"]);
    let register = bench.requests.iter().find(|r| r.method == Method::Register).expect("a REGISTER");
    assert_eq!(register.headers.text(&Name::Supported), Some("path"));
    // Each registration says it anew.
    bench.wait(31 * SECOND);
    bench.answers(bench.last(Method::Register, 1), 200);
    assert_eq!(route(&mut bench), Vec::<String>::new());
}

#[test]
fn dns_is_asked_by_its_own_time_and_when_all_servers_fail() {
    let mut bench = Bench::new(1, |settings| {
        static_one(settings);
        no_options(settings);
    });
    let asked = |bench: &Bench| bench.asked;
    bench.resolves(&[1], 60);
    let before = asked(&bench);
    bench.wait(59 * SECOND);
    assert_eq!(asked(&bench), before);
    bench.wait(2 * SECOND);
    assert_eq!(asked(&bench), before + 1, "after the time that DNS has named");
    for (ttl, wait) in [(1, 30), (86_400, 300)] {
        bench.resolves(&[1], ttl);
        let before = asked(&bench);
        bench.wait(SECOND * wait - SECOND);
        assert_eq!(asked(&bench), before, "{ttl}: not before {wait} s");
        bench.wait(2 * SECOND);
        assert_eq!(asked(&bench), before + 1, "{ttl}: after {wait} s");
    }
    let mut bench = Bench::new(1, no_options);
    bench.resolves(&[1], 300);
    let before = asked(&bench);
    bench.wait(5 * SECOND);
    assert_eq!(asked(&bench), before + 1, "its only server is silent");
}

#[test]
fn a_new_server_is_registered_at_now() {
    let mut bench = Bench::new(1, no_options);
    for _ in 0..6 {
        bench.wait(60 * SECOND);
    }
    let before = bench.count(Method::Register, 1);
    bench.resolves(&[1, 2], 300);
    assert_eq!(bench.count(Method::Register, 2), 1, "it does not wait for the old one's next turn");
    assert_eq!(bench.count(Method::Register, 1), before);
    bench.answers(bench.last(Method::Register, 2), 200);
    assert_eq!(bench.gateway.status().registered, Some(true));
    // The one that we are registered at leaves DNS.
    bench.resolves(&[3], 300);
    assert_eq!(bench.count(Method::Register, 3), 1);
}

#[test]
fn a_living_server_is_registered_at_now() {
    let mut bench = Bench::new(1, |_| {});
    bench.wait(200 * SECOND);
    assert!(!bench.gateway.status().up);
    let registers = bench.count(Method::Register, 1);
    let options = bench.last(Method::Options, 1);
    bench.answers(options, 405);
    assert_eq!(bench.count(Method::Register, 1), registers + 1, "it answers OPTIONS: it is there");
    // A wrong password does not become right by that.
    bench.answers(bench.last(Method::Register, 1), 403);
    let registers = bench.count(Method::Register, 1);
    bench.wait(60 * SECOND);
    bench.answers(bench.last(Method::Options, 1), 200);
    assert_eq!(bench.count(Method::Register, 1), registers);
}

#[test]
fn a_failed_options_makes_no_wait_longer() {
    // With OPTIONS or without: REGISTER goes out at the same times.
    let times = |change: fn(&mut ringtrip_config::Gateway)| {
        let mut bench = Bench::new(1, change);
        let mut counts = Vec::new();
        for _ in 0..20 {
            bench.wait(20 * SECOND);
            counts.push(bench.count(Method::Register, 1));
        }
        *counts.last().expect("some")
    };
    let (with, without) = (times(|s| s.options_interval = Some(3 * SECOND)), times(no_options));
    assert!(with >= without && without >= 3, "{with} with OPTIONS, {without} without");
}

#[test]
fn one_that_never_answered_options_is_not_judged_by_it() {
    let mut bench = Bench::new(1, static_one);
    bench.wait(300 * SECOND);
    assert!(bench.gateway.status().up);
    assert_eq!(bench.way(false), Ok(vec![1]));
    // Once it has, silence says something, and it is asked sooner.
    bench.answers(bench.last(Method::Options, 1), 404);
    bench.wait(70 * SECOND);
    assert!(!bench.gateway.status().up);
    assert_eq!(bench.way(false), Err(Cause::Failure));
    let before = bench.count(Method::Options, 1);
    bench.wait(60 * SECOND);
    let probes = bench.count(Method::Options, 1) - before;
    assert!(probes >= 5, "{probes} probes in a minute");
    bench.answers(bench.last(Method::Options, 1), 404);
    assert!(bench.gateway.status().up);
}

#[test]
fn registered_but_deaf_to_options_is_up() {
    let mut bench = Bench::new(1, |_| {});
    bench.answers_with(bench.last(Method::Register, 1), 200, &[(Name::Expires, "7200")]);
    bench.wait(600 * SECOND);
    assert!(bench.gateway.status().up);
    assert_eq!(bench.gateway.status().registered, Some(true));
    assert_eq!(bench.count(Method::Register, 1), 1);
}

#[test]
fn a_call_is_the_proof() {
    let mut bench = Bench::new(1, static_one);
    bench.answers(bench.last(Method::Options, 1), 200);
    bench.wait(70 * SECOND);
    assert!(!bench.gateway.status().up);
    bench.on(GatewayInput::Alive { server: at(1), seen: None });
    assert!(bench.gateway.status().up, "whatever it answered to a call");
    // Where we must register, it is registered at at once.
    let mut bench = Bench::new(1, no_options);
    bench.wait(100 * SECOND);
    let before = bench.count(Method::Register, 1);
    bench.on(GatewayInput::Alive { server: at(1), seen: None });
    assert_eq!(bench.count(Method::Register, 1), before + 1);
}

#[test]
fn latency_is_not_the_age_of_the_question() {
    let mut bench = Bench::new(1, |settings| {
        static_one(settings);
        settings.answer_within = None;
    });
    bench.wait(Duration::from_millis(40));
    bench.answers(bench.last(Method::Options, 1), 200);
    assert_eq!(bench.gateway.status().latency_ms, Some(40.0));
    // The provider is away for 19.5 s; the copy after 19.5 s is answered.
    bench.wait(60 * SECOND);
    let options = bench.last(Method::Options, 1);
    bench.wait(Duration::from_millis(19_507));
    bench.answers(options, 200);
    let latency = bench.gateway.status().latency_ms.expect("measured");
    assert!(latency < 4_100.0, "{latency} ms");
}

#[test]
fn a_new_address_at_the_router_is_registered_at_once() {
    let via = |seen: &str| format!("SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bK1;{seen}");
    let mut bench = Bench::new(1, |_| {});
    let (a, b) = (via("received=203.0.113.5;rport=5060"), via("received=203.0.113.77;rport=5060"));
    bench.answers_with(bench.last(Method::Register, 1), 200, &[(Name::Via, &a), (Name::Expires, "3600")]);
    bench.answers_with(bench.last(Method::Options, 1), 200, &[(Name::Via, &a)]);
    bench.wait(61 * SECOND);
    bench.answers_with(bench.last(Method::Options, 1), 200, &[(Name::Via, &a)]);
    assert_eq!(bench.count(Method::Register, 1), 1);
    bench.wait(61 * SECOND);
    bench.answers_with(bench.last(Method::Options, 1), 200, &[(Name::Via, &b)]);
    assert_eq!(bench.count(Method::Register, 1), 2, "the router has another address");
    bench.answers_with(bench.last(Method::Register, 1), 200, &[(Name::Via, &b), (Name::Expires, "3600")]);
    bench.wait(61 * SECOND);
    bench.answers_with(bench.last(Method::Options, 1), 200, &[(Name::Via, &b)]);
    assert_eq!(bench.count(Method::Register, 1), 2, "once is enough");
    // A call sees it too; another port is another address.
    bench.on(GatewayInput::Alive { server: at(1), seen: Some("203.0.113.77:61000".parse().unwrap()) });
    assert_eq!(bench.count(Method::Register, 1), 3);
    // A router with a new port for each answer does not make us register for ever.
    for port in 61_001..61_020 {
        bench.answers(bench.last(Method::Register, 1), 200);
        bench.wait(SECOND);
        bench.on(GatewayInput::Alive {
            server: at(1),
            seen: Some(SocketAddr::from(([203, 0, 113, 77], port))),
        });
    }
    assert!(bench.count(Method::Register, 1) <= 4);
}
