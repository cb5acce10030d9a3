//! What goes in and what comes out, in virtual time; and two endpoints on a bad network.

mod pair;

use std::time::Duration;

use super::*;
use crate::build;
use crate::lex;
use crate::message::Headers;
use crate::name::Name;

// Tests need some instant to count from; the machine itself never asks for one.
#[allow(clippy::disallowed_methods)]
pub(super) fn start() -> Instant {
    Instant::now()
}

pub(super) fn flow(transport: Transport) -> Flow {
    Flow {
        transport,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: "192.0.2.9:40000".parse().unwrap(),
        connection: u32::from(transport == Transport::Tcp),
    }
}

/// One thing that happens to the endpoint.
enum Step {
    /// These octets come.
    Recv(String),
    /// The exchange answers the last request told (or the one before the last, …) with this code.
    Answer(u16),
    /// The exchange sends a request of this method.
    Send(&'static str),
    /// The far end answers the last request of this method that we sent, with this To tag.
    Reply(&'static str, u16, &'static str),
    /// The exchange cancels its INVITE.
    Cancel,
    /// The exchange gives its INVITE up.
    Abandon,
    /// The exchange acknowledges the 2xx of this far end.
    Ack(&'static str),
    /// The way to the peer fails.
    Fail,
    /// Milliseconds pass.
    Wait(u64),
}
use Step::*;

struct Bench {
    endpoint: Endpoint,
    now: Instant,
    flow: Flow,
    told: Option<(ServerTx, Arc<ValidRequest>)>,
    sent: Vec<Request>,
    said: Vec<String>,
    octets: Vec<Transmit>,
}

const TX: ClientTx = ClientTx { owner: 7, n: 1 };

impl Bench {
    fn new(transport: Transport, config: EndpointConfig) -> Bench {
        Bench {
            endpoint: Endpoint::new(config, [1; 32]),
            now: start(),
            flow: flow(transport),
            told: None,
            sent: Vec::new(),
            said: Vec::new(),
            octets: Vec::new(),
        }
    }

    fn on(&mut self, input: Input) {
        let mut out = Vec::new();
        self.endpoint.on(self.now, input, &mut out);
        for output in out {
            let word = match output {
                Output::Transmit(transmit) => {
                    self.octets.push(transmit.clone());
                    match lex::message(transmit.bytes, &lex::Limits::default())
                        .expect("we send what we read")
                        .message
                    {
                        Message::Request(request) => {
                            let word = format!("{} >", request.method);
                            self.sent.push(request);
                            word
                        }
                        Message::Response(response) => response.code.to_string(),
                    }
                }
                Output::Told(Told::Request { tx, request, .. }) => {
                    let word = format!("told {}", request.method);
                    self.told = Some((tx, request));
                    word
                }
                Output::Told(Told::Ack { .. }) => "told ACK".into(),
                Output::Told(Told::Cancelled { .. }) => "told cancelled".into(),
                Output::Told(Told::Response { response, .. }) => format!("told {}", response.code),
                Output::Told(Told::Failed { why, .. }) => format!("told {why:?}"),
                Output::Told(Told::Unacknowledged { .. }) => "told unacknowledged".into(),
            };
            self.said.push(word);
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Recv(text) => {
                self.on(Input::Octets { flow: self.flow, bytes: Bytes::copy_from_slice(text.as_bytes()) });
            }
            Answer(code) => {
                let (tx, request) = self.told.clone().expect("a request was told");
                let response = build::tagged(&request, *code, "us");
                self.on(Input::Ask(Ask::Respond { tx, response }));
            }
            Send(method) => {
                let request = Box::new(outgoing(method, None));
                self.on(Input::Ask(Ask::Send { tx: TX, request, to: self.flow }));
            }
            Reply(method, code, tag) => {
                let is_it = |r: &&Request| r.method.as_bytes() == method.as_bytes();
                let request = self.sent.iter().rev().find(is_it).expect("it was sent");
                let bytes = build::tagged(request, *code, tag).write();
                self.on(Input::Octets { flow: self.flow, bytes });
            }
            Cancel => self.on(Input::Ask(Ask::Cancel { tx: TX, reason: None })),
            Abandon => self.on(Input::Ask(Ask::Abandon { tx: TX })),
            Ack(tag) => {
                let request = Box::new(outgoing("ACK", Some(tag)));
                self.on(Input::Ask(Ask::Ack { tx: TX, request, to: self.flow }));
            }
            Fail => self.on(Input::FlowFailed(self.flow)),
            Wait(ms) => {
                let end = self.now + Duration::from_millis(*ms);
                while let Some(due) = self.endpoint.deadline().filter(|due| *due <= end) {
                    self.now = due.max(self.now);
                    self.on(Input::Timeout);
                }
                self.now = end;
            }
        }
    }
}

/// A request of ours before it gets its Via.
pub(super) fn outgoing(method: &str, to_tag: Option<&str>) -> Request {
    let mut headers = Headers::default();
    headers.push(Name::From, "<sip:box@192.0.2.1>;tag=us");
    headers.push(Name::To, to_tag.map_or("<sip:a@far>".into(), |tag| format!("<sip:a@far>;tag={tag}")));
    headers.push(Name::CallId, "out-1");
    headers.push(Name::CSeq, format!("5 {method}"));
    headers.push(Name::Contact, "<sip:box@192.0.2.1>");
    let method = Method::read(&Bytes::copy_from_slice(method.as_bytes()));
    Request { method, uri: "sip:a@far".into(), headers, body: Bytes::new() }
}

/// A request as it comes: method, branch, To tag, further lines.
pub(super) fn incoming(method: &str, branch: &str, to_tag: &str, more: &str) -> String {
    let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
    format!(
        "{method} sip:101@box SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5062;rport{branch}\r\nMax-Forwards: 70\r\n\
         From: \"A\" <sip:a@far>;tag=them\r\nTo: <sip:101@box>{to_tag}\r\nCall-ID: in-1\r\nCSeq: 3 {method}\r\n\
         Contact: <sip:a@10.0.0.9:5062>\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

fn recv(method: &str) -> Step {
    Recv(incoming(method, ";branch=z9hG4bKone", "", ""))
}

fn run(what: &str, transport: Transport, steps: &[Step], want: &[&str]) -> Bench {
    let mut bench = Bench::new(transport, EndpointConfig::default());
    steps.iter().for_each(|step| bench.step(step));
    assert_eq!(bench.said, want, "{what}");
    bench
}

/// The same, and afterwards nothing must be left.
fn check(what: &str, transport: Transport, steps: &[Step], want: &[&str]) {
    let mut bench = run(what, transport, steps, want);
    bench.step(&Wait(20 * 60 * 1000));
    assert_eq!(bench.endpoint.held(), Held { servers: 0, clients: 0 }, "{what}: something is left");
    let e = &bench.endpoint;
    let maps = (e.by_key.len(), e.by_merge.len(), e.by_ack.len(), e.by_tx.len(), e.deadline());
    assert_eq!(maps, (0, 0, 0, 0, None), "{what}: a map remembers");
}

use Transport::{Tcp, Udp};

/// Seen: an INVITE from a forged address brought its owner eleven challenges (RFC 3261 §26.3.2.4).
#[test]
fn a_challenge_is_said_once_and_nothing_is_kept_of_it() {
    for method in ["INVITE", "REGISTER"] {
        let told = format!("told {method}");
        let steps = [recv(method), Answer(401), Wait(60_000), recv(method), Answer(401)];
        let bench = run("a copy is challenged anew", Udp, &steps, &[&told, "401", &told, "401"]);
        assert_eq!(bench.endpoint.held(), Held { servers: 0, clients: 0 });
    }
    check("its ACK finds nobody", Udp, &[recv("INVITE"), Answer(401), recv("ACK")], &["told INVITE", "401"]);
}

#[test]
fn an_invite_comes_in() {
    check(
        "INVITE again",
        Udp,
        &[recv("INVITE"), recv("INVITE"), Answer(486)],
        &["told INVITE", "100", "486"],
    );
    check("100 by itself", Udp, &[recv("INVITE"), Wait(200), Answer(603)], &["told INVITE", "100", "603"]);
    check(
        "refused, and the ACK stops it",
        Udp,
        &[recv("INVITE"), Answer(180), Answer(486), Wait(600), recv("ACK"), Wait(9000)],
        &["told INVITE", "180", "486", "486"],
    );
    let ack = || Recv(incoming("ACK", ";branch=z9hG4bKother", "us", ""));
    check(
        "answered on TCP: the 2xx goes out until its ACK, which has a branch of its own",
        Tcp,
        &[recv("INVITE"), Answer(200), Wait(1600), ack(), ack(), Wait(9000)],
        &["told INVITE", "200", "200", "200", "told ACK"],
    );
    let odd = || Recv(incoming("ACK", ";branch=z9hG4bKone", "us", ""));
    check(
        "an ACK with the branch of the INVITE (old phones)",
        Udp,
        &[recv("INVITE"), Answer(200), odd(), Wait(9000)],
        &["told INVITE", "200", "told ACK"],
    );
    let mut bench = run("never acknowledged", Udp, &[recv("INVITE"), Answer(200)], &["told INVITE", "200"]);
    bench.step(&Wait(40_000));
    assert_eq!(bench.said.iter().filter(|s| *s == "200").count(), 11);
    assert_eq!(bench.said.last().unwrap(), "told unacknowledged");
    let mut bench = run("nobody decides", Udp, &[recv("INVITE"), Answer(180)], &["told INVITE", "180"]);
    bench.step(&Wait(15 * 60 * 1000 + 1));
    assert_eq!(bench.said[2], "500");
}

#[test]
fn cancel_and_its_invite() {
    check(
        "cancelled",
        Udp,
        &[recv("INVITE"), Answer(180), recv("CANCEL"), recv("CANCEL"), Answer(487), recv("ACK")],
        &["told INVITE", "180", "200", "told cancelled", "200", "487"],
    );
    check("nothing to cancel", Udp, &[recv("CANCEL")], &["481"]);
    check(
        "too late: answered already",
        Udp,
        &[recv("INVITE"), Answer(200), recv("CANCEL"), Recv(incoming("ACK", ";branch=z9hG4bKx", "us", ""))],
        &["told INVITE", "200", "200", "told ACK"],
    );
    let bench = run(
        "tags",
        Udp,
        &[recv("INVITE"), Answer(180), recv("CANCEL")],
        &["told INVITE", "180", "200", "told cancelled"],
    );
    assert!(String::from_utf8_lossy(&bench.octets[1].bytes).contains("To: <sip:101@box>;tag=us\r\n"));
    check(
        "a BYE is not cancelled",
        Udp,
        &[recv("BYE"), recv("CANCEL"), Answer(200)],
        &["told BYE", "481", "200"],
    );
}

#[test]
fn an_abandoned_invite_is_not_repeated_and_ends_whatever_comes() {
    check(
        "nobody is there",
        Udp,
        &[Send("INVITE"), Wait(1000), Abandon, Wait(40_000)],
        &["INVITE >", "INVITE >", "told Timeout"],
    );
    check(
        "a late 100",
        Udp,
        &[
            Send("INVITE"),
            Abandon,
            Reply("INVITE", 100, ""),
            Reply("CANCEL", 200, "a"),
            Reply("INVITE", 487, "a"),
        ],
        &["INVITE >", "told 100", "CANCEL >", "ACK >", "told 487"],
    );
    check(
        "a late 200",
        Udp,
        &[Send("INVITE"), Abandon, Reply("INVITE", 200, "a"), Ack("a"), Reply("INVITE", 200, "a")],
        &["INVITE >", "told 200", "ACK >", "ACK >"],
    );
    check(
        "it has just rung",
        Udp,
        &[Send("INVITE"), Reply("INVITE", 180, "a"), Abandon],
        &["INVITE >", "told 180", "CANCEL >"],
    );
    check("no INVITE", Udp, &[Send("OPTIONS"), Abandon, Wait(500)], &["OPTIONS >"]);
    check(
        "no INVITE, answered late",
        Udp,
        &[Send("OPTIONS"), Abandon, Wait(500), Reply("OPTIONS", 200, "a")],
        &["OPTIONS >", "told 200"],
    );
}

#[test]
fn other_requests_come_in() {
    check(
        "BYE again",
        Udp,
        &[recv("BYE"), recv("BYE"), Answer(200), recv("BYE")],
        &["told BYE", "200", "200"],
    );
    check("late 100 (RFC 4320)", Udp, &[recv("BYE"), Wait(3500), Answer(200)], &["told BYE", "100", "200"]);
    check("no 1xx to a BYE", Udp, &[recv("BYE"), Answer(180), Answer(200)], &["told BYE", "200"]);
    check("stray ACK", Udp, &[recv("ACK")], &[]);
}

#[test]
fn rfc_2543_matches_without_a_branch() {
    let old = |method| Recv(incoming(method, "", "", ""));
    let ack = Recv(incoming("ACK", ";branch=7", "us", ""));
    check(
        "by headers",
        Udp,
        &[old("INVITE"), old("INVITE"), old("CANCEL"), Answer(487), old("ACK"), Wait(9000)],
        &["told INVITE", "100", "200", "told cancelled", "487"],
    );
    let invite = Recv(incoming("INVITE", ";branch=7", "", ""));
    check("a branch without cookie", Udp, &[invite, Answer(486), ack, Wait(9000)], &["told INVITE", "486"]);
}

#[test]
fn answers_of_its_own_hold_nothing() {
    let alone = |what: &str, text: String, code: &str, line: &str| {
        let bench = run(what, Udp, &[Recv(text)], &[code]);
        assert_eq!(bench.endpoint.held(), Held { servers: 0, clients: 0 }, "{what}");
        let text = String::from_utf8_lossy(&bench.octets[0].bytes).into_owned();
        assert!(text.contains(line) && text.contains("To: <sip:101@box>;tag="), "{what}: {text}");
        assert!(
            text.contains("rport=40000;received=192.0.2.9") || text.contains("received=192.0.2.9"),
            "{text}"
        );
        assert_eq!(bench.octets[0].flow.remote, bench.flow.remote);
    };
    let one = ";branch=z9hG4bKone";
    let allow = "Allow: ACK, CANCEL, INVITE, BYE, OPTIONS, REGISTER, PRACK, UPDATE, INFO, REFER\r\n";
    alone("a method we know and do not serve", incoming("PUBLISH", one, "", ""), "405", allow);
    alone("a method of tomorrow", incoming("FROBNICATE", one, "", ""), "501", allow);
    alone(
        "an extension",
        incoming("INVITE", one, "", "Require: x, 100rel, y\r\n"),
        "420",
        "Unsupported: x, y\r\n",
    );
    let last_hop = incoming("INVITE", one, "", "").replace("Forwards: 70", "Forwards: 0");
    alone("the last hop", last_hop, "483", "Too Many Hops");
    alone("options", incoming("OPTIONS", one, "", ""), "200", "Accept: application/sdp\r\n");
    alone("a cookie alone", incoming("OPTIONS", ";branch=z9hG4bK", "", ""), "400", "CSeq: 3 OPTIONS\r\n");
    alone("two From", incoming("BYE", one, "", "From: <sip:b@c>;tag=1\r\n"), "400", "Multiple From");
    alone("a torn line", incoming("BYE", one, "", "no colon here\r\n"), "400", "Call-ID: in-1");
    run("a torn ACK", Udp, &[Recv(incoming("ACK", one, "", "no colon here\r\n"))], &[]);
    run("noise", Udp, &[Recv("\r\n\r\n".into()), Recv("\0\0\0\0".into())], &[]);
}

#[test]
fn options_tell_nobody_who_exists() {
    let answer = |user: &str| {
        let text = incoming("OPTIONS", ";branch=z9hG4bKone", "", "").replace("101@", &format!("{user}@"));
        let bench = run("options", Udp, &[Recv(text)], &["200"]);
        String::from_utf8_lossy(&bench.octets[0].bytes).replace(&format!("{user}@"), "*@")
    };
    assert_eq!(answer("101"), answer("nobody"));
}

#[test]
fn merged_copies_are_loops_and_dialogs_are_not() {
    let other = || Recv(incoming("INVITE", ";branch=z9hG4bKtwo", "", ""));
    check(
        "by two ways",
        Udp,
        &[recv("INVITE"), other(), Answer(486), recv("ACK")],
        &["told INVITE", "482", "486"],
    );
    check(
        "credentials without a new CSeq (some phones)",
        Udp,
        &[recv("INVITE"), Answer(401), recv("ACK"), other(), Answer(486)],
        &["told INVITE", "401", "told INVITE", "486"],
    );
    let within = |branch| Recv(incoming("INFO", branch, "us", ""));
    check(
        "in a dialog",
        Udp,
        &[within(";branch=z9hG4bK1"), Answer(200), within(";branch=z9hG4bK2"), Answer(200)],
        &["told INFO", "200", "told INFO", "200"],
    );
}

#[test]
fn too_many_are_shed() {
    let mut bench = Bench::new(Udp, EndpointConfig { most: 1, ..EndpointConfig::default() });
    bench.step(&recv("INVITE"));
    let other = incoming("INVITE", ";branch=z9hG4bKtwo", "", "").replace("in-1", "in-2");
    bench.step(&Recv(other));
    assert_eq!(bench.said, ["told INVITE", "503"]);
    let text = String::from_utf8_lossy(&bench.octets[0].bytes).into_owned();
    let after: u32 = text.split("Retry-After: ").nth(1).unwrap().split('\r').next().unwrap().parse().unwrap();
    assert!((5..=15).contains(&after));
    assert_eq!(bench.endpoint.held().servers, 1);
}

#[test]
fn responses_find_their_way() {
    let back = |symmetric, via: &str| {
        let mut bench = Bench::new(Udp, EndpointConfig { symmetric, ..EndpointConfig::default() });
        bench
            .step(&Recv(incoming("OPTIONS", ";branch=z9hG4bK1", "", "").replace("10.0.0.9:5062;rport", via)));
        bench.octets.first().map(|t| t.flow.remote.to_string())
    };
    assert_eq!(back(true, "10.0.0.9:5062").as_deref(), Some("192.0.2.9:40000"));
    assert_eq!(back(false, "10.0.0.9:5062;rport").as_deref(), Some("192.0.2.9:40000"));
    assert_eq!(back(false, "10.0.0.9:5062").as_deref(), Some("192.0.2.9:5062"));
    assert_eq!(back(false, "far.example.com").as_deref(), Some("192.0.2.9:5060"));
    assert_eq!(back(false, "10.0.0.9;maddr=255.255.255.255"), None, "never to broadcast");
}

/// A phone that sends from 40000, and says in Via and Contact that it listens on this.
fn odd_port(via: &str, contact: &str, branch: &str) -> String {
    let contact =
        if contact.is_empty() { String::new() } else { format!("Contact: <sip:209@{contact}>\r\n") };
    format!(
        "REGISTER sip:box SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
         From: <sip:209@box>;tag=1\r\nTo: <sip:209@box>\r\nCall-ID: c-{branch}\r\nCSeq: 1 REGISTER\r\n{contact}\
         Content-Length: 0\r\n\r\n"
    )
}

#[test]
fn a_phone_without_rport_is_answered_where_it_listens() {
    // Where each request in turn is answered to.
    let backs = |requests: &[(&str, &str, &str)]| {
        let mut bench = Bench::new(Udp, EndpointConfig::default());
        let mut backs = Vec::new();
        for (via, contact, branch) in requests {
            bench.octets.clear();
            bench.step(&Recv(odd_port(via, contact, branch)));
            // A copy of one that waits is answered only when the exchange has.
            bench.step(&Answer(200));
            backs.extend(bench.octets.last().map(|t| t.flow.remote.port()));
        }
        backs
    };
    let cisco = ("192.0.2.9:5062", "192.0.2.9:5062");
    assert_eq!(backs(&[(cisco.0, cisco.1, "a"), (cisco.0, cisco.1, "b")]), [5062, 5062]);
    assert_eq!(backs(&[(cisco.0, cisco.1, "a"), (cisco.0, cisco.1, "a")]), [5062, 40000], "it heard nothing");
    let again =
        [(cisco.0, cisco.1, "a"), (cisco.0, cisco.1, "a"), (cisco.0, cisco.1, "b"), (cisco.0, "", "c")];
    assert_eq!(backs(&again), [5062, 40000, 40000, 40000], "and is remembered");
    let router = [("192.0.2.9:5060", "192.168.1.20:5060", "a"), ("192.0.2.9:5060", "", "b")];
    assert_eq!(backs(&router), [40000, 40000], "a router that leaves the private Contact");
    assert_eq!(backs(&[("192.0.2.9:5060", "192.0.2.9:40000", "a")]), [40000], "or writes its port there");
    assert_eq!(backs(&[("192.0.2.9:5060;rport", "192.0.2.9:5060", "a")]), [40000], "rport");
    assert_eq!(backs(&[("10.0.0.9:5060", "10.0.0.9:5060", "a")]), [40000], "behind NAT");
    assert_eq!(backs(&[("192.0.2.9", "192.0.2.9", "a")]), [5060], "no port is 5060");
}

#[test]
fn the_top_via_says_where_a_request_came_from() {
    let stamped = |via: &str| {
        let mut bench = Bench::new(Udp, EndpointConfig::default());
        let line = "SIP/2.0/UDP 10.0.0.9:5062;rport;branch=z9hG4bK1";
        bench.step(&Recv(incoming("OPTIONS", ";branch=z9hG4bK1", "", "").replace(line, via)));
        let text = String::from_utf8_lossy(&bench.octets[0].bytes).into_owned();
        text.lines().filter_map(|l| l.strip_prefix("Via: ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let b = "branch=z9hG4bK1";
    let check = |via: String, want: &[String]| assert_eq!(stamped(&via), want, "{via}");
    check(format!("SIP/2.0/UDP 192.0.2.9;{b}"), &[format!("SIP/2.0/UDP 192.0.2.9;{b}")]);
    let full = format!("SIP/2.0/UDP 192.0.2.9;{b};rport=40000;received=192.0.2.9");
    check(format!("SIP/2.0/UDP 192.0.2.9;rport;{b}"), std::slice::from_ref(&full));
    check(format!("SIP/2.0/UDP 192.0.2.9 ;{b};received=6.6.6.6;RPORT=1"), std::slice::from_ref(&full));
    let named = format!("SIP/2.0/UDP far.example.com:1;{b};x=\"a,b\";lr;received=192.0.2.9");
    check(format!("SIP/2.0/UDP far.example.com:1;{b};x=\"a,b\";lr"), std::slice::from_ref(&named));
    let two = format!("SIP/2.0/UDP 10.1.1.1;{b};received=192.0.2.9, SIP/2.0/TCP p2;branch=2");
    check(
        format!("SIP/2.0/UDP 10.1.1.1;{b},SIP/2.0/TCP p2;branch=2\r\nVia: SIP/2.0/TCP p3"),
        &[two, "SIP/2.0/TCP p3".to_owned()],
    );
}

#[test]
fn an_invite_goes_out() {
    check(
        "lost, rung, refused, refused again",
        Udp,
        &[
            Send("INVITE"),
            Wait(600),
            Reply("INVITE", 180, "x"),
            Wait(9000),
            Reply("INVITE", 486, "x"),
            Reply("INVITE", 486, "x"),
        ],
        &["INVITE >", "INVITE >", "told 180", "ACK >", "told 486", "ACK >"],
    );
    check(
        "answered: copies of the 2xx get the same ACK, another far end is told (forking)",
        Udp,
        &[
            Send("INVITE"),
            Reply("INVITE", 200, "x"),
            Reply("INVITE", 200, "x"),
            Ack("x"),
            Reply("INVITE", 200, "x"),
            Reply("INVITE", 200, "y"),
            Ack("y"),
            Reply("INVITE", 200, "x"),
        ],
        &["INVITE >", "told 200", "ACK >", "ACK >", "told 200", "ACK >", "ACK >"],
    );
    let mut bench = run("timer B", Tcp, &[Send("INVITE"), Wait(40_000)], &["INVITE >", "told Timeout"]);
    bench.step(&Reply("INVITE", 200, "x"));
    assert_eq!(bench.said.len(), 2, "a stray 2xx is dropped");
    check("refused by TCP", Tcp, &[Send("INVITE"), Fail], &["INVITE >", "told Transport"]);
    let via = "Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK";
    let bench = run("head", Udp, &[Send("INVITE")], &["INVITE >"]);
    let text = String::from_utf8_lossy(&bench.octets[0].bytes).into_owned();
    assert!(text.contains(via) && text.contains("Max-Forwards: 70\r\n"), "{text}");
}

#[test]
fn cancel_waits_for_a_sign_of_life() {
    check(
        "first a 1xx",
        Udp,
        &[
            Send("INVITE"),
            Cancel,
            Cancel,
            Reply("INVITE", 180, "x"),
            Wait(600),
            Reply("CANCEL", 200, "x"),
            Reply("INVITE", 487, "x"),
            Wait(9000),
        ],
        &["INVITE >", "told 180", "CANCEL >", "CANCEL >", "ACK >", "told 487"],
    );
    check(
        "the 2xx wins",
        Udp,
        &[Send("INVITE"), Reply("INVITE", 180, "x"), Cancel, Reply("INVITE", 200, "x"), Ack("x")],
        &["INVITE >", "told 180", "CANCEL >", "told 200", "ACK >"],
    );
    let bench = run(
        "branch",
        Udp,
        &[Send("INVITE"), Reply("INVITE", 180, "x"), Cancel],
        &["INVITE >", "told 180", "CANCEL >"],
    );
    let top = |i: usize| bench.sent[i].headers.get(&Name::Via).cloned();
    assert_eq!(top(0), top(1));
    let mut dead = run(
        "a phone that vanished",
        Udp,
        &[Send("INVITE"), Reply("INVITE", 180, "x"), Cancel],
        &["INVITE >", "told 180", "CANCEL >"],
    );
    dead.step(&Wait(40_000));
    assert_eq!(dead.said.last().unwrap(), "told Timeout");
}

#[test]
fn others_go_out_and_strangers_are_not_believed() {
    check(
        "OPTIONS",
        Udp,
        &[Send("OPTIONS"), Wait(600), Reply("OPTIONS", 200, "x"), Reply("OPTIONS", 200, "x")],
        &["OPTIONS >", "OPTIONS >", "told 200"],
    );
    let mut bench = run("OPTIONS", Udp, &[Send("OPTIONS")], &["OPTIONS >"]);
    let answer = build::tagged(&bench.sent[0], 200, "x");
    let spoiled: [fn(&mut Response); 4] = [
        |r| r.headers.set(Name::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK00000000000000000000000000000000"),
        |r| r.headers.set(Name::CSeq, "5 INVITE"),
        |r| r.headers.push(Name::Via, "SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23"),
        |r| r.headers.remove(&Name::CallId),
    ];
    for spoil in spoiled {
        let mut response = answer.clone();
        spoil(&mut response);
        bench.on(Input::Message { flow: bench.flow, message: Message::Response(response) });
    }
    assert_eq!(bench.said, ["OPTIONS >"]);
    bench.on(Input::Message { flow: bench.flow, message: Message::Response(answer) });
    assert_eq!(bench.said, ["OPTIONS >", "told 200"]);
}

#[test]
fn a_closed_connection_is_as_good_as_a_cancel() {
    check(
        "the caller is gone",
        Tcp,
        &[recv("INVITE"), Answer(180), Fail, Answer(487), Wait(40_000)],
        &["told INVITE", "180", "told cancelled", "487"],
    );
}
