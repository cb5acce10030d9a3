//! RFC 4475 and RFC 5118 on the wire: every case is sent to a running exchange over UDP and over TCP, and gets its
//! verdict; afterwards the exchange answers as before and nothing is left of any of them.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

#[path = "../../core/sip/tests/torture/table.rs"]
#[allow(dead_code)]
mod table;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ringtrip_testkit::live::{Daemon, wait};
use ringtrip_testkit::peers::{Message, Peer};

use table::{CASES, Case, Stream, Wire};

const CONFIG: &str = r#"
region = "uk"
default_plan = "home"
[plans]
home = "(xx.)"
[extension.200]
password = "two hundred"
[sip]
domain = "example.com"
realm = "example.com"
listen = ["udp:127.0.0.1:SIP_PORT", "tcp:127.0.0.1:SIP_PORT"]
"#;

/// A refusal leaves in well under a millisecond; what has not come after this long does not come.
const SILENCE: Duration = Duration::from_millis(300);

/// Each case: where it comes from, its octets.
fn all() -> Vec<(&'static Case, &'static str, Vec<u8>)> {
    let mut all: Vec<_> = CASES.iter().map(|case| (case, "own", case.message())).collect();
    match std::env::var_os("RINGTRIP_CORPUS").map(PathBuf::from) {
        None => println!("RINGTRIP_CORPUS names no folder: only the messages of this repository are sent"),
        Some(folder) => all.extend(CASES.iter().map(|case| {
            let path = folder.join(case.corpus_file());
            let file = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            (case, "RFC", case.mended(file))
        })),
    }
    all
}

#[track_caller]
fn check(case: &Case, what: &str, answers: &[Message]) {
    let codes: Vec<u16> = answers.iter().filter_map(Message::status).filter(|s| *s >= 200).collect();
    let good = match case.wire {
        Wire::Nothing => answers.is_empty(),
        Wire::NotBad => !codes.is_empty() && !codes.contains(&400),
        Wire::OneOf(these) => !codes.is_empty() && codes.iter().all(|code| these.contains(code)),
    };
    let texts: Vec<_> = answers.iter().map(|a| a.text.as_str()).collect();
    assert!(good, "{what}: wanted {:?}, got {codes:?}:\n{}", case.wire, texts.join("\n"));
}

/// The exchange answers a stranger's OPTIONS, and no call is left.
#[track_caller]
fn is_well(daemon: &Daemon, exchange: SocketAddr) {
    let peer = Peer::udp("127.0.0.1");
    let options = format!(
        "OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKwell;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:a@b.example>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: well\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n",
        peer.at
    );
    peer.send(exchange, &options);
    let answer = peer.expect("the answer to OPTIONS", |m| m.ends("OPTIONS"));
    assert_eq!(answer.status(), Some(200), "{}", answer.text);
    wait("an exchange without calls", Duration::from_secs(10), || {
        daemon.get("/calls").as_array().filter(|calls| calls.is_empty()).map(drop)
    });
    // Nothing has failed and been started again meanwhile.
    let parts = daemon.get("/parts");
    let parts = parts.as_array().expect("a list of parts");
    assert!(parts.iter().any(|p| p["name"] == "desk"), "{parts:?}");
    for part in parts {
        assert!(part["up"] == true && part["generation"] == 1 && part["why"].is_null(), "{part}");
    }
}

fn exchange(daemon: &Daemon) -> SocketAddr {
    ([127, 0, 0, 1], daemon.sip).into()
}

#[test]
fn every_message_gets_its_verdict_over_udp() {
    let daemon = Daemon::start(CONFIG);
    let exchange = exchange(&daemon);
    // Answers go where Via says (RFC 3261 §18.2.2): to our address, at its port or the default one. So each run has an
    // address of its own, and listens wherever a Via of the table points.
    let [.., high, low] = std::process::id().to_be_bytes();
    let ip = format!("127.77.{high}.{}", low.max(1));
    let all = all();
    let mut ports: Vec<u16> = all.iter().flat_map(|(_, _, octets)| via_ports(octets)).collect();
    ports.sort_unstable();
    ports.dedup();
    let peers: Vec<Peer> = ports.iter().map(|port| Peer::udp_at(&ip, *port)).collect();
    let home = ports.iter().position(|port| *port == 5060).expect("the default port is among them");
    for (case, origin, octets) in &all {
        let what = format!("{} ({}, {origin}) over UDP", case.name, case.section);
        peers[home].send_octets(exchange, octets);
        let answers = collect(&peers, octets, case.wire == Wire::Nothing);
        check(case, &what, &answers);
        forget(&peers, &answers, exchange);
    }
    is_well(&daemon, exchange);
}

#[test]
fn every_message_gets_its_verdict_over_tcp() {
    let daemon = Daemon::start(CONFIG);
    let exchange = exchange(&daemon);
    let mut waiting = Vec::new();
    for (case, origin, octets) in all() {
        let what = format!("{} ({}, {origin}) over TCP", case.name, case.section);
        if !octets.windows(4).any(|w| w == b"\r\n\r\n") {
            println!("{what}: printed without its empty line, and a stream would wait for it");
            continue;
        }
        let peer = Peer::connect(exchange);
        peer.send_octets(exchange, &octets);
        if case.stream == Stream::Waits {
            waiting.push((what, peer));
            continue;
        }
        let peers = [peer];
        let answers = collect(&peers, &octets, case.wire == Wire::Nothing);
        let [peer] = peers;
        check(case, &what, &answers);
        let closes = case.stream == Stream::Closes;
        let until = Instant::now() + if closes { Duration::from_secs(5) } else { Duration::ZERO };
        while closes && !peer.is_closed() && Instant::now() < until {
            peer.seen();
        }
        assert_eq!(peer.is_closed(), closes, "{what}: is the connection closed?");
    }
    // Octets that were promised and do not come: no answer, and an end after ten seconds.
    assert!(!waiting.is_empty());
    for (what, peer) in waiting {
        wait(&format!("{what}: the end of patience"), Duration::from_secs(20), || {
            let answers = peer.seen();
            assert!(answers.is_empty(), "{what}: {answers:?}");
            peer.is_closed().then_some(())
        });
    }
    is_well(&daemon, exchange);
}

/// What comes back: until the final answer, or until it is clear that nothing does.
/// A refusal of an earlier message may come again meanwhile; what belongs to this one has its branch.
fn collect(peers: &[Peer], octets: &[u8], silent: bool) -> Vec<Message> {
    let mut answers = Vec::new();
    let asked = branch(&String::from_utf8_lossy(octets));
    let until = Instant::now() + if silent { SILENCE } else { Duration::from_secs(10) };
    while Instant::now() < until {
        for peer in peers {
            answers.extend(peer.next(Duration::from_millis(2)).filter(|m| branch(&m.text) == asked));
        }
        let last = |m: &Message| m.status().is_some_and(|s| s >= 200);
        if answers.iter().any(last) || peers.iter().all(Peer::is_closed) {
            break;
        }
    }
    answers
}

/// Acknowledges the refusal of an INVITE, so that it does not come again among the answers to the next message.
fn forget(peers: &[Peer], answers: &[Message], exchange: SocketAddr) {
    for refusal in answers.iter().filter(|a| a.method() == "INVITE" && a.status().is_some_and(|s| s >= 300)) {
        let head = ["via", "from", "to", "call-id"].map(|name| match refusal.header(name) {
            "" => String::new(),
            value => format!("{name}: {value}\r\n"),
        });
        let number = refusal.header("cseq").split(' ').next().unwrap_or_default();
        let ack = format!(
            "ACK sip:200@example.com SIP/2.0\r\n{}CSeq: {number} ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            head.concat()
        );
        peers[0].send(exchange, &ack);
    }
    // Two cases of the RFC have one branch: the second is answered as a retransmission of the first.
    peers.iter().for_each(Peer::forget);
}

/// The first branch in a message.
fn branch(text: &str) -> String {
    let after = text.split_once("branch").map_or("", |(_, after)| after).trim_start().trim_start_matches('=');
    after.trim_start().chars().take_while(|c| !c.is_whitespace() && !matches!(c, ';' | ',')).collect()
}

/// The ports that the Via lines of a message name, and the default.
fn via_ports(octets: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(octets);
    let is_via = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default().trim().to_lowercase();
        name == "via" || name == "v"
    };
    let ports = text.lines().filter(is_via).flat_map(|line| line.split(':').skip(2)).filter_map(|after| {
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok().filter(|port| *port > 1024)
    });
    ports.chain([5060]).collect()
}
