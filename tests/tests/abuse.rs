//! Floods and bad manners from the network: strangers are answered and cost little, the limit of calls is said as 503,
//! a call in progress does not notice, and nobody hears or says what is not theirs.
#![allow(clippy::disallowed_methods)]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use ringtrip_testkit::live::{Daemon, wait};
use ringtrip_testkit::ua::{Canary, Stage, Ua, packet};
use socket2::{Domain, Socket, Type};

const HOUSE: &str = r#"
region = "us"
default_plan = "home"
[plans]
home = "(1xx|2xx)"
PHONES
[line.fxo1]
kind = "fxo"
port = "virtual:1"
[limits]
calls = 5
calls_per_source = 5
"#;

/// A stranger at another address of the loopback.
fn stranger(last: u8) -> UdpSocket {
    let socket =
        UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), 0)).expect("the loopback has many addresses");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    socket
}

fn request(method: &str, user: &str, from: SocketAddr, n: u64, more: &str) -> String {
    format!(
        "{method} sip:{user}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKabuse{n};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{user}@127.0.0.1>;tag=t{n}\r\nTo: <sip:{user}@127.0.0.1>\r\n\
         Call-ID: abuse-{n}@{from}\r\nCSeq: 1 {method}\r\nContact: <sip:{user}@{from}>\r\n{more}\
         Content-Length: 0\r\n\r\n"
    )
}

/// Resident memory of a process, octets.
fn memory(daemon: &Daemon) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", daemon.pid())).unwrap_or_default();
    statm.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// INVITEs of a flood; 500 a second.
const FLOOD: u64 = 1500;

/// Sends a flood from here. Answers how many were challenged, with how many messages, and how many octets for one.
fn flood(socket: &UdpSocket, server: SocketAddr, first: u64) -> (usize, u64, f64) {
    let from = socket.local_addr().expect("bound");
    let ears = socket.try_clone().expect("a clone");
    let counted = std::thread::spawn(move || {
        let mut answers: HashMap<String, u64> = HashMap::new();
        let (mut heard, mut buffer) = (0, [0; 4096]);
        // Retransmissions of answers that nobody acknowledges come half a second later, and again.
        let until = Instant::now() + Duration::from_secs(6);
        while Instant::now() < until {
            let Ok(n) = ears.recv(&mut buffer) else { continue };
            let text = String::from_utf8_lossy(&buffer[..n]);
            assert!(text.starts_with("SIP/2.0 401"), "{text}");
            heard += n;
            let id = text.lines().find(|l| l.starts_with("Call-ID")).unwrap_or_default().to_owned();
            *answers.entry(id).or_default() += 1;
        }
        (answers, heard)
    });
    let (began, mut octets) = (Instant::now(), 0);
    for n in 0..FLOOD {
        std::thread::sleep((began + Duration::from_millis(2 * n)).saturating_duration_since(Instant::now()));
        let text = request("INVITE", "202", from, first + n, "");
        octets += text.len();
        let _ = socket.send_to(text.as_bytes(), server);
    }
    println!("measured: {FLOOD} INVITEs in {:?}", began.elapsed());
    let (answers, heard) = counted.join().expect("the counting thread");
    (answers.len(), answers.values().sum(), heard as f64 / octets as f64)
}

#[test]
fn a_flood_of_calls_by_strangers_is_answered_and_costs_little() {
    let daemon = Daemon::start(HOUSE);
    let canary = Canary::at_home(&daemon);
    let socket = stranger(2);
    let server: SocketAddr = (Ipv4Addr::LOCALHOST, daemon.sip).into();
    let is_long = std::env::var_os("RINGTRIP_LONG").is_some();
    for (round, most) in [(0, 24 << 20), (1, 4 << 20)].into_iter().take(1 + usize::from(is_long)) {
        let before = memory(&daemon);
        let (answered, sent, octets) = flood(&socket, server, round * FLOOD);
        let grew = memory(&daemon).saturating_sub(before);
        println!(
            "measured: {answered} answered with {sent} messages, {octets:.2} times the octets, {} kB more resident",
            grew >> 10
        );
        assert!(answered as u64 >= FLOOD * 99 / 100, "{answered} of {FLOOD} were answered");
        // A forged source must not make a flood of one packet each (RFC 3261 §26.3.2.4).
        assert!(sent <= FLOOD * 102 / 100, "{sent} answers to {FLOOD} requests");
        assert!(octets <= 1.5, "{octets} times the octets, for an INVITE without a body");
        assert!(grew < most, "{grew} octets more");
        if is_long {
            std::thread::sleep(Duration::from_secs(40));
        }
    }
    canary.sings("a flood of strangers");
    let (one, two) = (Ua::at_home(&daemon, "203"), Ua::at_home(&daemon, "204"));
    let call = one.call("204");
    two.bye(&two.up()[0]);
    assert_eq!(one.ended(&call), 200);
}

#[test]
fn a_stranger_cannot_tell_who_exists() {
    let daemon = Daemon::start(HOUSE);
    let socket = stranger(3);
    let from = socket.local_addr().expect("bound");
    let mut n = 0;
    let mut answer = |method: &str, user: &str, more: &str| {
        n += 1;
        let text = request(method, user, from, n, more);
        socket.send_to(text.as_bytes(), ("127.0.0.1", daemon.sip)).expect("sent");
        let mut buffer = [0; 4096];
        loop {
            let read = socket.recv(&mut buffer).expect("an answer");
            let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
            if !text.starts_with("SIP/2.0 100") && text.contains(&format!("abuse-{n}@")) {
                // What must differ: the echo of who was asked for, tags, nonces.
                let plain = |line: &str| {
                    let line = line
                        .replace(&format!("<sip:{user}@"), "<sip:USER@")
                        .replace(&format!("abuse{n};"), "")
                        .replace(&format!("abuse-{n}@"), "");
                    let line = line.replace(&format!("tag=t{n}"), "");
                    let cut = |line: String, mark: &str, end: char| match line.split_once(mark) {
                        Some((head, tail)) => {
                            let (_, rest) = tail.split_once(end).unwrap_or((tail, ""));
                            format!("{head}{mark}-{rest}")
                        }
                        None => line,
                    };
                    cut(cut(line, "nonce=\"", '"'), ";tag=", ';')
                };
                return text.lines().map(plain).collect::<Vec<_>>();
            }
        }
    };
    let digest = |user: &str| {
        format!(
            "Authorization: Digest username=\"{user}\", realm=\"ringtrip\", nonce=\"0\", uri=\"sip:127.0.0.1\", \
             response=\"0123456789abcdef0123456789abcdef\"\r\n"
        )
    };
    for method in ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE"] {
        assert_eq!(answer(method, "203", ""), answer(method, "999", ""), "{method}");
        let (real, absent) = (digest("203"), digest("999"));
        assert_eq!(answer(method, "203", &real), answer(method, "999", &absent), "{method} with credentials");
    }
}

#[test]
fn calls_beyond_the_limit_are_told_503_and_when_to_try_again() {
    let daemon = Daemon::start(HOUSE);
    let canary = Canary::at_home(&daemon);
    let (one, two) = (Ua::at_home(&daemon, "203"), Ua::at_home(&daemon, "204"));
    // The canary's call is one of five.
    let calls: Vec<String> = (0..12).map(|_| one.invite("204")).collect();
    let settled = |call: &String| matches!(one.stage(call), Some(Stage::Up | Stage::Over(_)));
    wait("an answer to each", Duration::from_secs(15), || calls.iter().all(settled).then_some(()));
    let (up, over): (Vec<_>, Vec<_>) = calls.iter().partition(|call| one.stage(call) == Some(Stage::Up));
    assert_eq!(up.len(), 4);
    for call in over {
        assert_eq!(one.stage(call), Some(Stage::Over(503)));
        let after = one.retry_after(call).and_then(|v| v.parse::<u32>().ok());
        assert!(after.is_some_and(|s| (1..=60).contains(&s)), "Retry-After: {after:?}");
    }
    // An emergency call is not counted.
    let emergency = two.invite("911");
    wait("the landline", Duration::from_secs(15), || {
        let line = daemon.get("/lines/fxo1");
        (line["state"] != "idle" && line["call"].is_string()).then_some(())
    });
    two.bye(&emergency);
    for call in up {
        one.bye(call);
        assert_eq!(one.ended(call), 200);
    }
    // There is room again.
    wait("room for a call", Duration::from_secs(10), || {
        let call = one.call("204");
        one.bye(&call);
        (one.ended(&call) == 200).then_some(())
    });
    canary.sings("more calls than are allowed");
}

#[test]
fn slow_connections_keep_nobody_else_out() {
    let daemon = Daemon::start(HOUSE);
    let canary = Canary::at_home(&daemon);
    let server: SocketAddr = (Ipv4Addr::LOCALHOST, daemon.sip).into();
    let slow: Vec<TcpStream> = (0..100)
        .filter_map(|_| {
            let mut stream = TcpStream::connect(server).ok()?;
            stream.write_all(b"REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: S").ok()?;
            Some(stream)
        })
        .collect();
    // One address holds a bounded number of them; the others are closed.
    let mut held = 0;
    for stream in &slow {
        stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        held += usize::from(!matches!((&*stream).read(&mut [0; 16]), Ok(0)) && stream.peer_addr().is_ok());
    }
    println!("{held} of {} slow connections are held", slow.len());
    assert!(held <= 64, "{held} are held");
    // Somebody else comes by TCP, and is answered at once.
    let began = Instant::now();
    let mut other = connect_from(Ipv4Addr::new(127, 0, 0, 4).into(), server);
    let from = other.local_addr().expect("bound");
    let text = request("OPTIONS", "202", from, 1, "").replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    other.write_all(text.as_bytes()).expect("sent");
    let mut buffer = [0; 2048];
    let n = other.read(&mut buffer).expect("an answer");
    println!("a new client was answered after {:?}", began.elapsed());
    assert!(buffer[..n].starts_with(b"SIP/2.0 "), "{}", String::from_utf8_lossy(&buffer[..n]));
    assert!(began.elapsed() < Duration::from_secs(2));
    canary.sings("slow connections");
}

fn connect_from(ip: IpAddr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::new(ip, 0).into()).expect("an address of the loopback");
    socket.connect_timeout(&to.into(), Duration::from_secs(5)).expect("a connection");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    stream
}

#[test]
fn nobody_hears_or_says_what_is_not_theirs() {
    let daemon = Daemon::start(HOUSE);
    let (one, two) = (Ua::at_home(&daemon, "203"), Ua::at_home(&daemon, "204"));
    let call = one.call("204");
    let other = wait("the called side", Duration::from_secs(5), || two.up().pop());
    let at_one = one.media_of(&call).expect("sound is offered");
    let at_two = two.media_of(&other).expect("sound is offered");
    // A stranger is the first to send, to all four ports. Another sits at the phones' own address, from where any port is
    // believed until the phone itself was heard: it may be behind a NAT that changes its port.
    let strangers = [stranger(5), stranger(1)];
    let spray = |who: &[UdpSocket], n: u32| {
        for stranger in who {
            for port in [at_one, at_two] {
                let _ = stranger.send_to(&packet(99, n), port);
                let rtcp = SocketAddr::new(port.ip(), port.port() + 1);
                // Four octets that claim to be a report (AST-2017-008), and a BYE for all.
                let _ = stranger.send_to(&[0x80, 200, 0, 0], rtcp);
                let _ = stranger.send_to(&[0x81, 203, 0, 1, 0, 0, 0, 1], rtcp);
            }
        }
    };
    (0..20).for_each(|n| spray(&strangers[..1], n));
    let heard = |socket: &UdpSocket| {
        socket.set_read_timeout(Some(Duration::from_millis(400))).expect("a timeout");
        let mut buffer = [0; 2048];
        let mut marks = Vec::new();
        while let Ok(n) = socket.recv(&mut buffer) {
            if n == 172 {
                marks.push(buffer[19]);
            }
        }
        marks
    };
    assert_eq!(heard(&two.rtp).iter().filter(|m| **m == 99).count(), 0, "before the first packet");
    for n in 0..50 {
        let _ = one.rtp.send_to(&packet(1, n), at_one);
        let _ = two.rtp.send_to(&packet(2, n), at_two);
        spray(&strangers, 100 + n);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(heard(&two.rtp), vec![1; 50], "the called hears the caller, all of it, and nobody else");
    assert_eq!(heard(&one.rtp), vec![2; 50], "the caller hears the called, all of it, and nobody else");
    for stranger in &strangers {
        let mut buffer = [0; 2048];
        assert!(stranger.recv(&mut buffer).is_err(), "a stranger got something: {:?}", &buffer[..20]);
    }
    assert_eq!(one.stage(&call), Some(Stage::Up));
    one.bye(&call);
    assert_eq!(one.ended(&call), 200);
}

#[test]
fn messages_made_to_hurt_are_answered_or_closed_at_once() {
    let daemon = Daemon::start(HOUSE);
    let canary = Canary::at_home(&daemon);
    let server: SocketAddr = (Ipv4Addr::LOCALHOST, daemon.sip).into();
    let socket = stranger(6);
    let from = socket.local_addr().expect("bound");
    let before = memory(&daemon);
    let many = |line: &str, times: usize| line.repeat(times);
    let bombs = [
        ("one long header", format!("Subject: {}\r\n", "x".repeat(55_000))),
        ("many headers", many("X-A: b\r\n", 6_000)),
        ("many Vias", many("Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n", 1_000)),
        ("many Contacts", many("Contact: <sip:a@192.0.2.1>\r\n", 1_000)),
        (
            "one Contact of many",
            format!("Contact: {}<sip:a@192.0.2.1>\r\n", many("<sip:a@192.0.2.1>,", 2_500)),
        ),
        ("many parameters", format!("Subject: a{}\r\n", many(";a=b", 12_000))),
        ("quotes without end", format!("Contact: \"{}\r\n", many("\\\"", 20_000))),
        ("folded for ever", format!("Subject: a{}\r\n", many("\r\n b", 12_000))),
    ];
    for (n, (what, more)) in bombs.iter().enumerate() {
        for method in ["REGISTER", "INVITE"] {
            let number = 10 * n as u64 + u64::from(method == "INVITE");
            let text = request(method, "203", from, number, more);
            let began = Instant::now();
            socket.send_to(text.as_bytes(), server).expect("it fits a datagram");
            let mut buffer = [0; 65_535];
            let answered = socket.recv(&mut buffer);
            let took = began.elapsed();
            if let Ok(read) = answered {
                let status = String::from_utf8_lossy(&buffer[..read.min(12)]).into_owned();
                assert!(
                    ["4", "5"].iter().any(|c| status.starts_with(&format!("SIP/2.0 {c}"))),
                    "{what}: {status}"
                );
                assert!(took < Duration::from_millis(500), "{what}: {took:?}");
                assert!(read <= text.len(), "{what}: {read} octets for {}", text.len());
            }
        }
    }
    // On a stream: a line without end, a length that lies, a length that is no number.
    for (what, text) in [
        ("a line without end", "a".repeat(1 << 20)),
        ("a header without end", format!("OPTIONS sip:a SIP/2.0\r\nSubject: {}", "x".repeat(1 << 20))),
        ("headers without end", format!("OPTIONS sip:a SIP/2.0\r\n{}", many("X-A: b\r\n", 100_000))),
        ("a huge length", request("OPTIONS", "a", from, 900, "").replace("Length: 0", "Length: 4294967295")),
        ("a negative length", request("OPTIONS", "a", from, 901, "").replace("Length: 0", "Length: -1")),
    ] {
        let mut stream = connect_from(Ipv4Addr::new(127, 0, 0, 7).into(), server);
        // The exchange may close while we still write.
        let _ = stream.write_all(text.as_bytes());
        let mut said = Vec::new();
        let began = Instant::now();
        let _ = stream.read_to_end(&mut said);
        assert!(began.elapsed() < Duration::from_secs(5), "{what}: still open");
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(
            said.is_empty() || said.starts_with("SIP/2.0 4") || said.starts_with("SIP/2.0 5"),
            "{what}: {said}"
        );
    }
    let grew = memory(&daemon).saturating_sub(before);
    println!("bombs: {} kB more resident", grew >> 10);
    assert!(grew < 16 << 20, "{grew} octets more");
    canary.sings("bombs");
}

#[test]
fn two_hundred_http_connections_are_all_served() {
    let daemon = Daemon::start(HOUSE);
    let canary = Canary::at_home(&daemon);
    let host = daemon.url.strip_prefix("http://").unwrap_or_default().trim_end_matches('/').to_owned();
    let mut all: Vec<TcpStream> =
        (0..200).map(|_| TcpStream::connect(&host).expect("a connection")).collect();
    for stream in &mut all {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    }
    for mut stream in all {
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        let mut head = [0; 15];
        stream.read_exact(&mut head).expect("an answer");
        assert_eq!(&head, b"HTTP/1.1 200 OK");
    }
    canary.sings("200 HTTP connections");
}
