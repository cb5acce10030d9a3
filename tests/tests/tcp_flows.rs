//! SIP over TCP where connections come and go: a registration outlives its connection, and a call does too.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::net::SocketAddr;
use std::time::Duration;

use ringtrip_testkit::live::{Daemon, wait};
use ringtrip_testkit::peers::{Message, Peer, Ua, sdp};

const CONFIG: &str = r#"
region = "uk"
default_plan = "home"
[plans]
home = "(xxxS0)"
[extension.201]
password = "first-secret"
[extension.202]
password = "second-secret"
[sip]
listen = ["udp:127.0.0.1:SIP_PORT", "tcp:127.0.0.1:SIP_PORT"]
"#;

struct Testbed {
    daemon: Daemon,
    exchange: SocketAddr,
    first: Ua,
    /// Where 202 listens for connections.
    listener: Ua,
    /// The connection that 202 has opened.
    open: Ua,
    contact: String,
}

/// 202 registers by a connection of its own, with a Contact where it listens.
fn testbed() -> Testbed {
    let daemon = Daemon::start(CONFIG);
    let exchange = SocketAddr::from(([127, 0, 0, 1], daemon.sip));
    let first = Ua::new(Peer::udp("127.0.0.1"), exchange, "201", "first-secret");
    first.register();
    let listener = Ua::new(Peer::tcp("127.0.0.1"), exchange, "202", "second-secret");
    let open = Ua::new(Peer::connect(exchange), exchange, "202", "second-secret");
    let contact = listener.peer.contact("202");
    let (uri, to) = (format!("sip:{exchange}"), format!("sip:202@{exchange}"));
    let (talk, _) = open.prove("REGISTER", &uri, &to, &format!("Expires: 300\r\n{contact}"), "");
    assert_eq!(open.ended(&talk, "REGISTER").status(), Some(200));
    Testbed { daemon, exchange, first, listener, open, contact }
}

fn rtp() -> SocketAddr {
    ([127, 0, 0, 1], 9).into()
}

#[test]
fn only_the_transports_that_are_named_are_open() {
    let connects = |daemon: &Daemon| std::net::TcpStream::connect(("127.0.0.1", daemon.sip)).is_ok();
    assert!(connects(&Daemon::start(CONFIG)));
    let udp_only = Daemon::start(&CONFIG.replace(", \"tcp:127.0.0.1:SIP_PORT\"", ""));
    assert!(!connects(&udp_only), "TCP was not named");
    let exchange = SocketAddr::from(([127, 0, 0, 1], udp_only.sip));
    Ua::new(Peer::udp("127.0.0.1"), exchange, "201", "first-secret").register();
}

#[test]
fn a_registration_outlives_its_connection() {
    let Testbed { daemon, first, listener, open, contact, .. } = testbed();
    drop(open);
    std::thread::sleep(Duration::from_millis(300));
    let mut talk = first.dial("202", "", &sdp(rtp(), "sendrecv", 1));
    let invite = listener.called();
    listener.peer.answer(&invite, "200 OK", &contact, &sdp(rtp(), "sendrecv", 1));
    listener.peer.expect("an ACK", |m: &Message| m.asks("ACK"));
    assert_eq!(first.put_through(&mut talk).status(), Some(200));
    first.hang_up(&talk);
    let bye = listener.peer.expect("a BYE", |m| m.asks("BYE"));
    listener.peer.answer(&bye, "200 OK", "", "");
    wait("a record", Duration::from_secs(5), || (daemon.last_cdr()["cause"] == "normal").then_some(()));
}

#[test]
fn a_call_that_came_by_a_lost_connection_gets_its_bye_at_the_contact() {
    let Testbed { daemon: _daemon, first, listener, open, contact, .. } = testbed();
    let mut talk = first.dial("202", "", &sdp(rtp(), "sendrecv", 1));
    // The open connection is used while it is there.
    let invite = open.called();
    open.peer.answer(&invite, "200 OK", &contact, &sdp(rtp(), "sendrecv", 1));
    open.peer.expect("an ACK", |m| m.asks("ACK"));
    assert_eq!(first.put_through(&mut talk).status(), Some(200));
    drop(open);
    std::thread::sleep(Duration::from_millis(300));
    first.hang_up(&talk);
    let bye = listener.peer.expect("a BYE", |m| m.asks("BYE"));
    assert_eq!(bye.header("call-id"), invite.header("call-id"));
    assert!(bye.header("via").starts_with("SIP/2.0/TCP 127.0.0.1:"), "{}", bye.text);
    listener.peer.answer(&bye, "200 OK", "", "");
}

#[test]
fn a_caller_whose_connection_is_lost_gets_its_bye_at_its_contact() {
    let Testbed { daemon: _daemon, exchange, first, listener, open, contact } = testbed();
    let uri = format!("sip:201@{exchange}");
    let (mut talk, _) = open.prove("INVITE", &uri, &uri, &contact, &sdp(rtp(), "sendrecv", 1));
    let invite = first.called();
    let far = first.pick_up(&invite, &sdp(rtp(), "sendrecv", 1));
    assert_eq!(open.put_through(&mut talk).status(), Some(200));
    // Its ACK is on the way.
    std::thread::sleep(Duration::from_millis(300));
    drop(open);
    std::thread::sleep(Duration::from_millis(300));
    first.hang_up(&far);
    let bye = listener.peer.expect("a BYE", |m| m.asks("BYE"));
    listener.peer.answer(&bye, "200 OK", "", "");
}
