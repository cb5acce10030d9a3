//! The exchange in networks of its own: addresses that change, routers that translate, phones in two homes. Each test makes
//! namespaces and needs root for that.
#![allow(clippy::disallowed_methods)] // Live tests use sockets and the clock.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use ringtrip_testkit::live::{Daemon, has, wait};
use ringtrip_testkit::netns::Networks;
use ringtrip_testkit::peers::{Account, Baresip, NameServer, Peer, Ua, sdp};
use serde_json::Value;

const DOCUMENT: &str = r#"
[plans]
home = "(xxxS0)"
[extension.201]
password = "pw-201-phones"
[extension.202]
password = "pw-202-phones"
[gateway.gw1]
server = "198.51.100.20:5060"
user = "acme"
password = "sesame"
options_interval = "off"
[sip]
listen = ["udp:0.0.0.0:SIP_PORT"]
keep_alive_interval = "5s"
MORE
"#;

fn exchange(networks: &Networks, more: &str) -> Daemon {
    let document = DOCUMENT.replace("MORE", more);
    networks.within("box", || Daemon::start(&document))
}

/// A phone at this address of a namespace.
fn phone(networks: &Networks, place: &str, at: &str, port: u16, exchange: SocketAddr, user: &str) -> Ua {
    let peer = networks.within(place, || Peer::udp_at(at, port));
    Ua::new(peer, exchange, user, &format!("pw-{user}-phones"))
}

fn at(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().expect("an address"), port)
}

/// The provider takes the next REGISTER; its Contact.
#[track_caller]
fn registered(provider: &Peer) -> String {
    let request = provider.expect("a REGISTER", |m| m.asks("REGISTER"));
    let contact = request.header("contact").to_owned();
    provider.answer(&request, "200 OK", &format!("Contact: {contact};expires=600\r\n"), "");
    contact
}

fn contacts(networks: &Networks, daemon: &Daemon) -> Vec<Value> {
    let all = networks.within("box", || daemon.get("/registrations"));
    all.as_array().cloned().unwrap_or_default()
}

#[test]
fn a_new_address_of_this_machine_is_told_to_providers_and_calls_at_once() {
    let Some(networks) = Networks::new(&["box", "out"]) else { return };
    networks.plug("box", "eth0", "198.51.100.10/24");
    networks.plug("out", "eth0", "198.51.100.20/24");
    let provider = networks.within("out", || Peer::udp_at("198.51.100.20", 5060));
    let daemon = exchange(&networks, "");
    assert!(registered(&provider).contains("@198.51.100.10:"));
    let sip = at("198.51.100.10", daemon.sip);
    let caller = phone(&networks, "out", "198.51.100.20", 6001, sip, "201");
    let called = phone(&networks, "out", "198.51.100.20", 6002, sip, "202");
    caller.register();
    called.register();
    let media = at("198.51.100.20", 4000);
    let mut talk = caller.dial("202", "", &sdp(media, "sendrecv", 1));
    let there = called.pick_up(&called.called(), &sdp(media, "sendrecv", 1));
    let answer = caller.put_through(&mut talk);
    assert_eq!(answer.rtp().map(|at| at.ip().to_string()).as_deref(), Some("198.51.100.10"));

    networks.run("box", "ip", &["addr", "del", "198.51.100.10/24", "dev", "eth0"]);
    networks.run("box", "ip", &["addr", "add", "198.51.100.11/24", "dev", "eth0"]);
    let since = Instant::now();
    assert!(registered(&provider).contains("@198.51.100.11:"));
    println!("registered anew after {:?}", since.elapsed());
    for (ua, talk) in [(&caller, &talk), (&called, &there)] {
        let invite = ua.asked(talk, "INVITE", Duration::from_secs(5)).expect("a re-INVITE");
        assert_eq!(
            invite.rtp().map(|at| at.ip().to_string()).as_deref(),
            Some("198.51.100.11"),
            "{}",
            invite.text
        );
        let contact = ua.peer.contact(&ua.user);
        ua.peer.answer(&invite, "200 OK", &contact, &sdp(media, "sendrecv", 1));
        ua.follow(&invite);
    }
    println!("calls had the new address after {:?}", since.elapsed());
    std::thread::sleep(Duration::from_millis(300));
    caller.hang_up(&talk);
    called.is_hung_up(&there);
}

#[test]
fn a_start_before_the_network_is_up_waits_for_it() {
    let Some(networks) = Networks::new(&["box", "out"]) else { return };
    networks.plug("box", "eth0", "198.51.100.10/24");
    networks.run("box", "ip", &["addr", "del", "198.51.100.10/24", "dev", "eth0"]);
    networks.plug("out", "eth0", "198.51.100.20/24");
    let provider = networks.within("out", || Peer::udp_at("198.51.100.20", 5060));
    let daemon = exchange(&networks, "");
    assert!(provider.next(Duration::from_secs(1)).is_none(), "nothing can be sent yet");
    networks.run("box", "ip", &["addr", "add", "198.51.100.10/24", "dev", "eth0"]);
    let since = Instant::now();
    assert!(registered(&provider).contains("@198.51.100.10:"), "never 127.0.0.1");
    println!("registered {:?} after the address came", since.elapsed());
    let sip = at("198.51.100.10", daemon.sip);
    let caller = phone(&networks, "out", "198.51.100.20", 6001, sip, "201");
    caller.register();
}

/// What comes to the second address of a machine is answered from it: a router lets nothing else through.
#[test]
fn an_answer_leaves_from_the_address_that_was_asked() {
    let Some(networks) = Networks::new(&["box", "out"]) else { return };
    networks.plug("box", "eth0", "198.51.100.10/24");
    networks.run("box", "ip", &["addr", "add", "198.51.100.77/24", "dev", "eth0"]);
    networks.plug("out", "eth0", "198.51.100.20/24");
    let daemon = exchange(&networks, "");
    let second = at("198.51.100.77", daemon.sip);
    let caller = phone(&networks, "out", "198.51.100.20", 6001, second, "201");
    caller.register();
    assert!(caller.peer.seen().iter().all(|message| message.from == second), "from another address");
    let called = phone(&networks, "out", "198.51.100.20", 6002, second, "202");
    called.register();
    let media = at("198.51.100.20", 4000);
    let mut talk = caller.dial("202", "", &sdp(media, "sendrecv", 1));
    let invite = called.called();
    assert_eq!((invite.from, invite.rtp().map(|at| at.ip())), (second, Some(second.ip())), "{}", invite.text);
    let sockets = || {
        UdpSocket::bind("198.51.100.20:4000").and_then(|a| Ok((a, UdpSocket::bind("198.51.100.20:4002")?)))
    };
    let (near, far) = networks.within("out", sockets).expect("two sockets");
    called.pick_up(&invite, &sdp(at("198.51.100.20", 4002), "sendrecv", 1));
    let answer = caller.put_through(&mut talk);
    assert_eq!(answer.rtp().map(|at| at.ip()), Some(second.ip()), "{}", answer.text);
    let mut seq = 0;
    let from = sounds(&far, invite.rtp().expect("an offer"), &near, &mut seq);
    assert_eq!(from.ip(), second.ip(), "sound from another address");
    let from = sounds(&near, answer.rtp().expect("an answer"), &far, &mut seq);
    assert_eq!(from.ip(), second.ip(), "sound from another address");
    caller.hang_up(&talk);
}

/// Two homes with the same addresses inside; false where the kernel cannot translate.
fn two_homes(networks: &Networks) -> bool {
    networks.plug("box", "eth0", "198.51.100.10/24");
    networks.plug("out", "eth0", "198.51.100.20/24");
    for (router, home, wan) in [("r1", "p1", "198.51.100.31/24"), ("r2", "p2", "198.51.100.32/24")] {
        networks.plug(router, "wan", wan);
        networks.cable((router, "lan", "192.168.1.1/24"), (home, "eth0", "192.168.1.50/24"));
        networks.run(home, "ip", &["route", "add", "default", "via", "192.168.1.1"]);
        if !networks.translates(router, "wan") {
            return false;
        }
        for time in ["nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"] {
            networks.run(router, "sysctl", &["-qw", &format!("net.netfilter.{time}=8")]);
        }
    }
    true
}

/// Answers each OPTIONS that comes in this time; how many came.
fn answers_options(ua: &Ua, most: Duration) -> usize {
    let until = Instant::now() + most;
    let mut n = 0;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        if let Some(request) = ua.peer.within(left, &|m| m.asks("OPTIONS")) {
            ua.peer.answer(&request, "200 OK", "", "");
            n += 1;
        }
    }
    n
}

/// A packet of A-law.
fn rtp(seq: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend(seq.to_be_bytes());
    packet.extend((u32::from(seq) * 160).to_be_bytes());
    packet.extend([0, 0, 0, 9]);
    packet.extend([0xd5; 160]);
    packet
}

/// Sound from the one socket reaches the other, within two seconds; where it came from.
#[track_caller]
fn sounds(from: &UdpSocket, exchange: SocketAddr, to: &UdpSocket, seq: &mut u16) -> SocketAddr {
    let mut buffer = [0; 1500];
    to.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket can");
    for _ in 0..100 {
        *seq += 1;
        let _ = from.send_to(&rtp(*seq), exchange);
        if let Ok((n, source)) = to.recv_from(&mut buffer)
            && n > 100
        {
            return source;
        }
    }
    panic!("no sound reached {:?}", to.local_addr());
}

#[test]
#[cfg_attr(not(all(has_conntrack, has_nft)), ignore = "needs conntrack, nft")]
fn phones_in_two_homes_are_reached_and_heard_through_their_routers() {
    if !has("nft") || !has("conntrack") {
        return;
    }
    let Some(networks) = Networks::new(&["box", "out", "r1", "r2", "p1", "p2"]) else { return };
    if !two_homes(&networks) {
        return;
    }
    let daemon = exchange(&networks, "");
    let sip = at("198.51.100.10", daemon.sip);
    let first = phone(&networks, "p1", "192.168.1.50", 5060, sip, "201");
    let second = phone(&networks, "p2", "192.168.1.50", 5060, sip, "201");
    first.register();
    second.register();
    let caller = phone(&networks, "out", "198.51.100.20", 6001, sip, "202");
    caller.register();
    assert_eq!(contacts(&networks, &daemon).len(), 3, "the same Contact in two homes");

    // Longer than their routers remember: 8 s.
    let asked = answers_options(&first, Duration::from_secs(20));
    assert!((3..=6).contains(&asked), "{asked} questions in 20 s");
    let latency = wait("the latency", Duration::from_secs(5), || {
        let all = contacts(&networks, &daemon);
        all.iter().find_map(|contact| contact["latency_ms"].as_f64())
    });
    assert!((0.0..4_000.0).contains(&latency), "{latency}");

    let near = networks.within("out", || UdpSocket::bind("198.51.100.20:4000")).expect("a socket");
    let far = networks.within("p1", || UdpSocket::bind("192.168.1.50:4000")).expect("a socket");
    let mut talk = caller.dial("201", "", &sdp(at("198.51.100.20", 4000), "sendrecv", 1));
    let invite = first.called();
    second.called();
    let media = at("192.168.1.50", 4000);
    let there = first.pick_up(&invite, &sdp(media, "sendrecv", 1));
    let answer = caller.put_through(&mut talk);
    let (to_first, to_caller) = (invite.rtp().expect("an offer"), answer.rtp().expect("an answer"));
    let mut seq = 0;
    sounds(&far, to_first, &near, &mut seq);
    sounds(&near, to_caller, &far, &mut seq);

    // The router is restarted: every way through it is another now. The phone says the same as before.
    networks.run("r1", "conntrack", &["-F"]);
    first.within(&there, "INVITE", &first.peer.contact("201"), &sdp(media, "sendrecv", 2));
    assert_eq!(first.ended(&there, "INVITE").status(), Some(200));
    first.within(&there, "ACK", "", "");
    sounds(&far, to_first, &near, &mut seq);
    sounds(&near, to_caller, &far, &mut seq);
    caller.hang_up(&talk);
    first.is_hung_up(&there);
}

#[test]
#[cfg_attr(not(has_nft), ignore = "needs nft")]
fn an_exchange_behind_a_router_shows_each_side_the_address_that_it_reaches() {
    if !has("nft") {
        return;
    }
    let Some(networks) = Networks::new(&["box", "office", "out"]) else { return };
    networks.plug("office", "wan", "198.51.100.30/24");
    networks.plug("out", "eth0", "198.51.100.20/24");
    networks.cable(("office", "lan", "192.168.7.1/24"), ("box", "eth0", "192.168.7.2/24"));
    networks.run("box", "ip", &["route", "add", "default", "via", "192.168.7.1"]);
    if !networks.translates("office", "wan") {
        return;
    }
    // The provider sees the exchange at the address of the router, and says so.
    let provider = networks.within("out", || Peer::udp_at("198.51.100.20", 5060));
    let daemon = exchange(&networks, "external = \"learn\"");
    networks.forwards("office", "wan", &daemon.sip.to_string(), "192.168.7.2");
    networks.forwards("office", "wan", "16384-32767", "192.168.7.2");
    let request = provider.expect("a REGISTER", |m| m.asks("REGISTER"));
    assert_eq!(request.from.ip().to_string(), "198.51.100.30");
    let seen = format!(";received={};rport={}", request.from.ip(), request.from.port());
    let text =
        request.answer("200 OK", "p", &format!("Contact: {};expires=600\r\n", request.header("contact")), "");
    provider.send(request.from, &text.replacen(";rport", &seen, 1));
    assert!(registered(&provider).contains("@198.51.100.30:"), "at once, with what was learned");

    let outside = at("198.51.100.30", daemon.sip);
    let inside = at("192.168.7.2", daemon.sip);
    let away = phone(&networks, "out", "198.51.100.20", 6001, outside, "201");
    let home = phone(&networks, "office", "192.168.7.1", 6002, inside, "202");
    away.register();
    home.register();
    let mut talk = away.dial("202", "", &sdp(at("198.51.100.20", 4000), "sendrecv", 1));
    let invite = home.called();
    assert_eq!(invite.rtp().map(|at| at.ip().to_string()).as_deref(), Some("192.168.7.2"), "{}", invite.text);
    assert!(invite.header("contact").contains("@192.168.7.2:"), "{}", invite.text);
    let there = home.pick_up(&invite, &sdp(at("192.168.7.1", 4000), "sendrecv", 1));
    let answer = away.put_through(&mut talk);
    assert_eq!(
        answer.rtp().map(|at| at.ip().to_string()).as_deref(),
        Some("198.51.100.30"),
        "{}",
        answer.text
    );
    assert!(answer.header("contact").contains("@198.51.100.30:"), "{}", answer.text);
    away.hang_up(&talk);
    home.is_hung_up(&there);
}

/// Dynamic DNS: the name is asked, and providers outside are shown what it says.
#[test]
fn an_outside_address_may_have_a_name() {
    let Some(networks) = Networks::new(&["box", "out"]) else { return };
    networks.plug("box", "eth0", "198.51.100.10/24");
    networks.plug("out", "eth0", "198.51.100.20/24");
    let provider = networks.within("out", || Peer::udp_at("198.51.100.20", 5060));
    let names = networks.within("box", NameServer::start);
    names.sip("pbx.example", &[at("203.0.113.5", 5060)]);
    let more = format!(
        "external = \"s1.pbx.example\"\nlocal_networks = [\"192.168.0.0/16\"]\nname_servers = [\"{}\"]",
        names.at
    );
    let _daemon = exchange(&networks, &more);
    // Before the name server has answered, the address of the interface is all that is known.
    let contact = wait("a REGISTER with the outside address", Duration::from_secs(10), || {
        Some(registered(&provider)).filter(|contact| contact.contains("@203.0.113.5:"))
    });
    println!("{contact}");
}

/// A phone that others have written, in each of two homes.
#[test]
fn two_baresips_behind_routers_hear_each_other() {
    if !has("nft") || !has("baresip") {
        return;
    }
    let Some(networks) = Networks::new(&["box", "out", "r1", "r2", "p1", "p2"]) else { return };
    if !two_homes(&networks) {
        return;
    }
    let daemon = exchange(&networks, "");
    let sip = at("198.51.100.10", daemon.sip);
    let start = |place: &str, user: &str, says, more: &str| {
        let password = format!("pw-{user}-phones");
        let account = Account { user, password: &password, exchange: sip, says, by: "", more };
        networks.within(place, || Baresip::start_at("192.168.1.50", &account))
    };
    let first = start("p1", "201", 440, "");
    let second = start("p2", "202", 1000, ";answermode=auto");
    wait("both phones", Duration::from_secs(15), || (contacts(&networks, &daemon).len() == 2).then_some(()));
    networks.within("p1", || first.command("dial", &format!("sip:202@{sip}")));
    first.hears(1000.0);
    second.hears(440.0);
    networks.within("p1", || first.command("hangup", ""));
}
