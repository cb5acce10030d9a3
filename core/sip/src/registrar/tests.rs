use crate::lex;
use crate::message::Message;

use super::*;
use crate::screen::Abilities;

// Tests need some instant to count from; the machine itself never asks for one.
#[allow(clippy::disallowed_methods)]
fn start() -> Instant {
    Instant::now()
}

fn flow(transport: Transport, connection: u32) -> Flow {
    Flow {
        transport,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: "192.0.2.9:40000".parse().unwrap(),
        connection,
    }
}

struct Bench {
    registrar: Registrar,
    t0: Instant,
    changes: Vec<Change>,
    flow: Flow,
    symmetric: bool,
}

const AOR: Bytes = Bytes::from_static(b"101");

impl Bench {
    fn new() -> Bench {
        Bench {
            registrar: Registrar::new(Rules::default()),
            t0: start(),
            changes: Vec::new(),
            flow: flow(Transport::Udp, 0),
            symmetric: true,
        }
    }

    /// A REGISTER at `at` seconds with these lines; what the answer says.
    fn register(&mut self, at: u64, call_id: &str, cseq: u32, lines: &str) -> Response {
        let text = format!(
            "REGISTER sip:box SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:101@box>;tag=1\r\n\
             To: <sip:101@box>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        let Ok(parsed) = lex::message(text.clone().into(), &lex::Limits::default()) else { panic!("{text}") };
        let Message::Request(request) = parsed.message else { panic!("{text}") };
        let copy = request.clone();
        let now = self.t0 + Duration::from_secs(at);
        let (flow, symmetric) = (self.flow, self.symmetric);
        let request = match ValidRequest::read(request, &Abilities::default()) {
            Ok(request) => request,
            Err(refusal) => return refusal.answer(&copy).expect("an answer"),
        };
        let ask = Registration { aor: &AOR, request: &request, flow, symmetric, date: Some("now") };
        self.registrar.register(now, ask, &mut self.changes)
    }

    fn check(&mut self, at: u64, (call_id, cseq): (&str, u32), lines: &str, want: Result<&[&str], u16>) {
        let response = self.register(at, call_id, cseq, lines);
        let contacts: Vec<String> =
            response.headers.all(&Name::Contact).map(|c| String::from_utf8_lossy(c).into_owned()).collect();
        match want {
            Ok(want) => {
                assert_eq!(response.code, 200, "{lines}");
                assert_eq!(contacts, want, "{lines}");
                assert_eq!(response.headers.text(&Name::Date), Some("now"));
            }
            Err(code) => assert_eq!((response.code, contacts), (code, vec![]), "{lines}"),
        }
    }

    fn words(&mut self) -> Vec<String> {
        let word = |change| match change {
            Change::Registered { contact, expires, new, .. } => {
                format!("{}{} {expires}", if new { "+" } else { "=" }, String::from_utf8_lossy(&contact))
            }
            Change::Unregistered { contact, why, .. } => {
                format!("-{} {}", String::from_utf8_lossy(&contact), why.word())
            }
            Change::Unconnected { .. } => "unconnected".to_owned(),
            Change::Moved { from, to } => format!("{} to {}", from.remote, to.remote),
        };
        self.changes.drain(..).map(word).collect()
    }
}

#[test]
fn contacts_come_refresh_and_go() {
    let mut b = Bench::new();
    b.check(0, ("a", 1), "", Ok(&[]));
    b.check(0, ("a", 2), "Contact: <sip:p@1>\r\nExpires: 600\r\n", Ok(&["<sip:p@1>;expires=600"]));
    b.check(
        10,
        ("a", 3),
        "Contact: <sip:p@1>;expires=300\r\nExpires: 600\r\n",
        Ok(&["<sip:p@1>;expires=300"]),
    );
    b.check(20, ("b", 1), "Contact: <sip:p@2>\r\n", Ok(&["<sip:p@2>;expires=3600", "<sip:p@1>;expires=290"]));
    b.check(30, ("a", 4), "Contact: <sip:p@1>;expires=0\r\n", Ok(&["<sip:p@2>;expires=3590"]));
    assert_eq!(b.words(), ["+sip:p@1 600", "=sip:p@1 300", "+sip:p@2 3600", "-sip:p@1 removed"]);
    b.check(40, ("c", 1), "Contact: *\r\nExpires: 0\r\n", Ok(&[]));
    assert_eq!(b.words(), ["-sip:p@2 removed"]);
    assert!(b.registrar.is_empty());
}

#[test]
fn a_register_is_carried_out_wholly_or_not_at_all() {
    let mut b = Bench::new();
    b.check(0, ("a", 5), "Contact: <sip:p@1>\r\n", Ok(&["<sip:p@1>;expires=3600"]));
    b.check(1, ("a", 5), "Contact: <sip:p@1>\r\n", Err(500));
    b.check(1, ("a", 4), "Contact: <sip:p@2>, <sip:p@1>;expires=0\r\n", Err(500));
    b.check(1, ("a", 5), "Contact: *\r\nExpires: 0\r\n", Err(500));
    b.check(1, ("a", 6), "Contact: *\r\n", Err(400));
    b.check(1, ("a", 6), "Contact: *\r\nExpires: 10\r\n", Err(400));
    b.check(1, ("a", 6), "Contact: *, <sip:p@1>\r\nExpires: 0\r\n", Err(400));
    b.check(1, ("a", 6), "Contact: <sip:p@3>, <sip:p@4>;expires=5\r\n", Err(423));
    b.check(1, ("a", 6), "Contact: <urn:x:y>\r\n", Err(400));
    let many: String = (0..11).map(|i| format!("Contact: <sip:p@h{i}>\r\n")).collect();
    b.check(1, ("a", 6), &many, Err(403));
    assert_eq!(
        b.register(1, "a", 7, "Contact: <sip:p@3>;expires=59\r\n").headers.text(&Name::MinExpires),
        Some("60")
    );
    b.check(2, ("a", 8), "", Ok(&["<sip:p@1>;expires=3598"]));
    b.check(2, ("a", 9), "Contact: <sip:p@1>\r\nExpires: 99999999999\r\n", Ok(&["<sip:p@1>;expires=7200"]));
    b.check(2, ("a", 10), "Contact: <sip:p@1>\r\nExpires: soon\r\n", Ok(&["<sip:p@1>;expires=3600"]));
}

#[test]
fn an_instance_keeps_one_binding_however_often_it_moves() {
    let mut b = Bench::new();
    let phone =
        |host: &str, uuid: &str| format!("Contact: <sip:p@{host}>;+sip.instance=\"<urn:uuid:{uuid}>\"\r\n");
    let line =
        |host: &str, uuid: &str| format!("<sip:p@{host}>;+sip.instance=\"<urn:uuid:{uuid}>\";expires=3600");
    b.check(0, ("a", 1), &phone("1", "u1"), Ok(&[&line("1", "u1")]));
    b.check(0, ("z", 1), &phone("2", "u1"), Ok(&[&line("2", "u1")]));
    let (one, two) = (line("2", "u1"), line("3", "u2"));
    b.check(0, ("b", 1), &phone("3", "u2"), Ok(&[&one, &two]));
    assert_eq!(b.words(), ["+sip:p@1 3600", "-sip:p@1 replaced", "=sip:p@2 3600", "+sip:p@3 3600"]);
    let flows = "Contact: <sip:p@4>;+sip.instance=\"<urn:uuid:u2>\";reg-id=1\r\n";
    b.register(0, "b", 2, flows);
    assert_eq!(b.registrar.len(), 3, "another flow of the same phone");
}

#[test]
fn one_contact_too_many_pushes_the_oldest_out() {
    let mut b = Bench::new();
    for i in 0..12 {
        b.register(i, "a", 1 + i as u32, &format!("Contact: <sip:p@h{i}>\r\n"));
    }
    assert_eq!(b.registrar.len(), 10);
    let gone: Vec<String> = b.words().into_iter().filter(|w| w.starts_with('-')).collect();
    assert_eq!(gone, ["-sip:p@h0 replaced", "-sip:p@h1 replaced"]);
}

#[test]
fn torture_contacts_come_back_as_they_went_in() {
    let mut b = Bench::new();
    let nulls = "Contact: <sip:%00@host5.example.com>\r\nContact: <sip:%00%00@host5.example.com>\r\n";
    b.check(
        0,
        ("a", 1),
        nulls,
        Ok(&["<sip:%00@host5.example.com>;expires=3600", "<sip:%00%00@host5.example.com>;expires=3600"]),
    );
    let check = |lines: &str, want: &str| Bench::new().check(0, ("a", 1), lines, Ok(&[want]));
    check(
        "Contact: sip:+19725552222@gw1.example.net;unknownparam\r\n",
        "<sip:+19725552222@gw1.example.net>;unknownparam;expires=3600",
    );
    check(
        "Contact: <sip:+19725552222@gw1.example.net;unknownparam>\r\n",
        "<sip:+19725552222@gw1.example.net;unknownparam>;expires=3600",
    );
    check(
        "m: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>\r\n",
        "<sip:user@example.com?Route=%3Csip:sip.example.com%3E>;expires=3600",
    );
}

#[test]
fn those_who_stay_away_are_forgotten() {
    let mut b = Bench::new();
    let s = Duration::from_secs;
    b.register(0, "a", 1, "Contact: <sip:p@1>;expires=60, <sip:p@2>;expires=90\r\n");
    b.register(50, "a", 2, "Contact: <sip:p@1>;expires=60\r\n");
    b.words();
    assert_eq!(b.registrar.deadline(), Some(b.t0 + s(60)));
    b.registrar.expire(b.t0 + s(60), &mut b.changes);
    assert!(b.changes.is_empty(), "refreshed in time");
    assert_eq!(b.registrar.bindings(b.t0 + s(95), &AOR).len(), 1, "one that ended is not rung");
    b.registrar.expire(b.t0 + s(95), &mut b.changes);
    assert_eq!(b.words(), ["-sip:p@2 expired"]);
    b.registrar.expire(b.t0 + s(110), &mut b.changes);
    assert_eq!(b.words(), ["-sip:p@1 expired"]);
    assert_eq!((b.registrar.len(), b.registrar.deadline()), (0, None));
}

#[test]
fn a_binding_outlives_its_connection_unless_that_is_an_outbound_flow() {
    let mut b = Bench::new();
    b.flow = flow(Transport::Tcp, 4);
    b.register(0, "a", 1, "Contact: <sip:p@192.0.2.9:5062;transport=tcp>\r\n");
    b.register(0, "b", 1, "Contact: <sip:q@10.0.0.9>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"\r\n");
    b.flow = flow(Transport::Tcp, 5);
    b.register(0, "c", 1, "Contact: <sip:r@10.0.0.9>;reg-id=2;+sip.instance=\"<urn:uuid:1>\"\r\n");
    b.words();
    b.registrar.disconnected(flow(Transport::Tcp, 4), &mut b.changes);
    assert_eq!(b.words(), ["-sip:q@10.0.0.9 disconnected", "unconnected"]);
    let left: Vec<Flow> = b.registrar.bindings(b.t0, &AOR).iter().map(|b| b.flow).collect();
    let connections: Vec<u32> = left.iter().map(|flow| flow.connection).collect();
    assert_eq!(connections, [0, 5], "the first connects to its Contact");
    assert_eq!(left[0].remote, "192.0.2.9:5062".parse().unwrap());
}

#[test]
fn a_phone_that_sends_from_another_port_is_called_at_its_contact() {
    let mut b = Bench::new();
    let at = |b: &Bench| b.registrar.bindings(b.t0, &AOR)[0].flow.remote.to_string();
    b.flow = Flow { remote: "192.0.2.9:49200".parse().unwrap(), ..flow(Transport::Udp, 0) };
    b.symmetric = false;
    b.register(0, "a", 1, "Contact: <sip:p@192.0.2.9:5062>\r\n");
    assert_eq!(at(&b), "192.0.2.9:5062");
    b.symmetric = true;
    b.register(0, "a", 2, "Contact: <sip:p@192.0.2.9:5062>\r\n");
    assert_eq!(at(&b), "192.0.2.9:49200", "a router's port");
    b.symmetric = false;
    b.register(0, "a", 3, "Contact: <sip:p@192.0.2.9:5062>;expires=0\r\n");
    b.register(0, "a", 4, "Contact: <sip:p@10.0.0.9:5062>\r\n");
    assert_eq!(at(&b), "192.0.2.9:49200", "behind NAT");
}

#[test]
fn preference_orders_and_paths_are_kept() {
    let mut b = Bench::new();
    b.register(0, "a", 1, "Contact: <sip:p@1>;q=0.5, <sip:p@2>;q=0.9\r\nPath: <sip:edge;lr>\r\n");
    let response = b.register(1, "b", 1, "Contact: <sip:p@3>;q=0.5\r\n");
    assert_eq!(response.headers.get(&Name::Path), None);
    let found = b.registrar.bindings(b.t0, &AOR);
    let uris: Vec<Bytes> = found.iter().map(|b| b.uri()).collect();
    assert_eq!(uris, ["sip:p@2", "sip:p@3", "sip:p@1"]);
    assert_eq!(found[0].path, ["<sip:edge;lr>"]);
}

#[test]
fn the_store_gives_back_what_it_got() {
    let mut b = Bench::new();
    let s = Duration::from_secs;
    b.register(
        0,
        "a",
        9,
        "Contact: \"P\" <sip:p@1;x=y>;q=0.3;+sip.instance=\"<urn:uuid:1>\"\r\nUser-Agent: phone\r\n",
    );
    let records = b.registrar.export(b.t0 + s(600));
    assert_eq!((records.len(), records[0].left), (1, s(3000)));
    let mut again = Bench::new();
    again.registrar.import(again.t0, records.clone());
    assert_eq!(again.registrar.export(again.t0), records);
    assert_eq!(again.registrar.deadline(), Some(again.t0 + s(3000)));
    assert_eq!(again.register(1, "a", 9, "Contact: <sip:p@1>;+sip.instance=\"<urn:uuid:1>\"\r\n").code, 500);
}

#[test]
fn an_escaped_null_does_not_shorten_a_name() {
    let aor = |to: &'static str| NameAddr::read(&to.into()).expect("an address").uri.record();
    assert_eq!(aor("sip:null-%00-null@Example.com"), Some("sip:null-%00-null@example.com".into()));
    assert_ne!(aor("sip:null-%00-null@example.com"), aor("sip:null@example.com"));
    assert_eq!(aor("<sip:%61@b>"), aor("<sip:a@b;x=y>"));
}

/// The addresses that an extension's phones are reached at.
fn ways(b: &Bench) -> Vec<String> {
    let mut ways: Vec<String> =
        b.registrar.bindings(b.t0, &AOR).iter().map(|b| b.flow.remote.to_string()).collect();
    ways.sort();
    ways
}

const HOME: &str = "Contact: <sip:101@192.168.1.10:5060>\r\n";

/// Registers this Contact from this address.
fn from(b: &mut Bench, source: &str, call_id: &str, cseq: u32, lines: &str) {
    b.flow.remote = source.parse().unwrap();
    let response = b.register(0, call_id, cseq, lines);
    assert_eq!(response.code, 200, "{source} {call_id}");
}

#[test]
fn two_homes_with_the_same_private_address_are_two_phones() {
    let mut b = Bench::new();
    from(&mut b, "203.0.113.1:40000", "a", 1, HOME);
    from(&mut b, "198.51.100.2:5060", "b", 1, HOME);
    assert_eq!(ways(&b), ["198.51.100.2:5060", "203.0.113.1:40000"]);
    // Two phones behind one address of a carrier, too.
    from(&mut b, "198.51.100.2:7777", "c", 1, HOME);
    assert_eq!(ways(&b).len(), 3);
    // Each refreshes its own, and takes back its own.
    from(&mut b, "203.0.113.1:40000", "a", 2, HOME);
    assert_eq!(ways(&b).len(), 3);
    from(&mut b, "203.0.113.1:40000", "a", 3, &format!("{HOME}Expires: 0\r\n"));
    assert_eq!(ways(&b), ["198.51.100.2:5060", "198.51.100.2:7777"]);
}

#[test]
fn a_phone_whose_router_was_restarted_is_the_same_phone() {
    let mut b = Bench::new();
    from(&mut b, "203.0.113.1:40000", "a", 1, HOME);
    b.words();
    // Another port, another address: its Call-ID tells.
    from(&mut b, "203.0.113.1:51111", "a", 2, HOME);
    assert_eq!(ways(&b), ["203.0.113.1:51111"]);
    assert_eq!(b.words()[0], "203.0.113.1:40000 to 203.0.113.1:51111");
    from(&mut b, "198.51.100.9:1024", "a", 3, HOME);
    assert_eq!(ways(&b), ["198.51.100.9:1024"]);
    // In another network, with another private address.
    from(&mut b, "198.51.100.50:2048", "a", 4, "Contact: <sip:101@10.33.0.4:5060>\r\n");
    assert_eq!(ways(&b), ["198.51.100.50:2048"]);
    // The phone was restarted: it counts anew, from the same address.
    from(&mut b, "198.51.100.50:2048", "new", 1, "Contact: <sip:101@10.33.0.4:5060>\r\n");
    assert_eq!(ways(&b), ["198.51.100.50:2048"]);
}

#[test]
fn a_phone_that_names_its_instance_has_one_binding_for_each_of_its_flows() {
    let mut b = Bench::new();
    let with = |n: u32| {
        format!("Contact: <sip:101@192.168.1.10:5060>;+sip.instance=\"<urn:uuid:1>\";reg-id={n}\r\n")
    };
    from(&mut b, "203.0.113.1:40000", "a", 1, &with(1));
    from(&mut b, "203.0.113.77:1111", "b", 1, &with(1));
    assert_eq!(ways(&b), ["203.0.113.77:1111"], "moved");
    from(&mut b, "203.0.113.77:2222", "c", 1, &with(2));
    assert_eq!(ways(&b), ["203.0.113.77:1111", "203.0.113.77:2222"], "a second flow");
    let other = "Contact: <sip:101@192.168.1.10:5060>;+sip.instance=\"<urn:uuid:2>\";reg-id=1\r\n";
    from(&mut b, "203.0.113.77:1111", "d", 1, other);
    assert_eq!(ways(&b).len(), 3, "another phone");
}

#[test]
fn where_no_router_stands_the_contact_is_the_phone() {
    let mut b = Bench::new();
    let contact = "Contact: <sip:101@192.0.2.9:5060>\r\n";
    from(&mut b, "192.0.2.9:5060", "a", 1, contact);
    from(&mut b, "192.0.2.9:5060", "restarted", 1, contact);
    assert_eq!(ways(&b), ["192.0.2.9:5060"]);
    // Connections come from a port of their own.
    let mut b = Bench::new();
    b.flow.transport = Transport::Tcp;
    from(&mut b, "192.0.2.9:40001", "a", 1, contact);
    from(&mut b, "192.0.2.9:40002", "b", 1, contact);
    assert_eq!(ways(&b).len(), 1);
}

#[test]
fn one_phone_comes_back_once_from_the_store() {
    let mut b = Bench::new();
    from(&mut b, "203.0.113.1:40000", "a", 1, HOME);
    from(&mut b, "198.51.100.2:5060", "b", 1, HOME);
    let mut kept = b.registrar.export(b.t0);
    let old = Record { left: Duration::from_secs(5), ..kept[0].clone() };
    kept.push(old);
    let mut again = Bench::new();
    again.registrar.import(again.t0, kept);
    assert_eq!(ways(&again).len(), 2);
}
