//! Floods of valid requests beside honest users: their requests are answered, calls for help go through with sound, and the
//! log and the events stay readable. And the ways in which TCP peers can ask too much.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringtrip_testkit::live::{Daemon, wait};
use ringtrip_testkit::peers::{Peer, Ua as Speaker};
use ringtrip_testkit::ua::{Canary, Ua};
use socket2::{Domain, Socket, Type};

/// Phones, and a provider at 127.0.0.9 that takes calls for help.
const HOUSE: &str = r#"
region = "us"
default_plan = "home"
[plans]
home = "(1xx|2xx)"
PHONES
[emergency]
providers = ["gw1"]
[gateway.gw1]
server = "127.0.0.9:GW_PORT"
user = "acct"
register = false
options_interval = "off"
"#;

fn testbed() -> (Daemon, Ua) {
    let provider = Ua::start_at(Ipv4Addr::new(127, 0, 0, 9).into(), 0, "acct", "");
    (Daemon::start(&HOUSE.replace("GW_PORT", &provider.addr().port().to_string())), provider)
}

fn request(method: &str, transport: &str, from: SocketAddr, n: u64) -> String {
    format!(
        "{method} sip:203@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} {from};branch=z9hG4bKflood{n};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:203@127.0.0.1>;tag=t{n}\r\nTo: <sip:203@127.0.0.1>\r\n\
         Call-ID: flood-{n}@{from}\r\nCSeq: 1 {method}\r\nContact: <sip:203@{from}>\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Requests a second. An exchange built for tests reads some tens of thousands; what the kernel drops before anybody has
/// read it looks the same. The long run does not pace itself.
const PACE: u64 = 20_000;

/// Sends until it is dropped.
struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    threads: Vec<std::thread::JoinHandle<()>>,
    began: Instant,
}

impl Flood {
    fn start(method: &'static str, from: &[Ipv4Addr], to: SocketAddr) -> Flood {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let flood = |ip: &Ipv4Addr| {
            let socket = UdpSocket::bind((*ip, 0)).expect("the loopback has many addresses");
            let (stop, sent) = (stop.clone(), sent.clone());
            std::thread::spawn(move || {
                let from = socket.local_addr().expect("bound");
                let texts: Vec<String> = (0..512).map(|n| request(method, "UDP", from, n)).collect();
                let began = Instant::now();
                for text in texts.iter().cycle() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let _ = socket.send_to(text.as_bytes(), to);
                    let so_far = sent.fetch_add(1, Ordering::Relaxed);
                    if !is_long() && so_far % 20 == 19 {
                        let due = began + Duration::from_micros(so_far * 1_000_000 / PACE);
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    }
                }
            })
        };
        let threads = from.iter().map(flood).collect();
        Flood { threads, stop, sent, began: Instant::now() }
    }

    /// How many a second were sent so far.
    fn rate(&self) -> f64 {
        self.sent.load(Ordering::Relaxed) as f64 / self.began.elapsed().as_secs_f64()
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

fn is_long() -> bool {
    std::env::var_os("RINGTRIP_LONG").is_some()
}

/// How long a flood lasts at least.
fn long() -> Duration {
    Duration::from_secs(if is_long() { 60 } else { 4 })
}

fn through_a_flood(method: &'static str, from: &[Ipv4Addr]) {
    let (daemon, provider) = testbed();
    let (one, two) = (Ua::at_home(&daemon, "203"), Ua::at_home(&daemon, "204"));
    let flood = Flood::start(method, from, (Ipv4Addr::LOCALHOST, daemon.sip).into());
    std::thread::sleep(Duration::from_millis(500));
    let until = Instant::now() + long();
    let (mut rounds, mut slowest) = (0, Duration::ZERO);
    while Instant::now() < until || rounds < 3 {
        rounds += 1;
        let began = Instant::now();
        // Each step fails by itself if it is not answered in time.
        one.register();
        let call = one.call("204");
        two.bye(&two.up()[0]);
        assert_eq!(one.ended(&call), 200);
        let help = one.call("911");
        wait("the call for help", Duration::from_secs(5), || provider.up().pop());
        one.bye(&help);
        assert_eq!(one.ended(&help), 200);
        slowest = slowest.max(began.elapsed());
    }
    println!(
        "measured: {rounds} rounds beside {:.0} {method}s a second, the slowest took {slowest:?}",
        flood.rate()
    );
    drop(flood);
    // What the flood caused stands in few lines, and has pushed nothing out.
    let log = daemon.log();
    // Each call for help is reported, of course.
    let caused = |line: &&str| line.contains(" WARN ") && !line.contains(" emergency call=");
    let lines = log.lines().filter(caused).count();
    assert!(lines < 30 + 3 * long().as_secs() as usize, "{lines} lines of warnings");
    // Somebody new is served at once.
    let began = Instant::now();
    let _fresh = Ua::at_home(&daemon, "202");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn known_phones_are_served_beside_a_flood_of_options() {
    through_a_flood("OPTIONS", &[Ipv4Addr::new(127, 0, 0, 60)]);
}

#[test]
fn known_phones_are_served_beside_a_flood_of_their_neighbour() {
    // From the phones' own address: only their ports tell them apart.
    through_a_flood("INVITE", &[Ipv4Addr::LOCALHOST]);
}

#[test]
fn wrong_passwords_are_told_in_sums() {
    let (daemon, _provider) = testbed();
    let canary = Canary::at_home(&daemon);
    let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 61), 0)).expect("an address");
    let from = socket.local_addr().expect("bound");
    for n in 0..3000 {
        let proof = "Authorization: Digest username=\"203\", realm=\"ringtrip\", nonce=\"0\", uri=\"sip:127.0.0.1\", \
                     response=\"0123456789abcdef0123456789abcdef\"\r\nContent-Length";
        let text = request("REGISTER", "UDP", from, n).replace("Content-Length", proof);
        let _ = socket.send_to(text.as_bytes(), (Ipv4Addr::LOCALHOST, daemon.sip));
        if n % 10 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    std::thread::sleep(Duration::from_secs(3));
    let log = daemon.log();
    let lines = log.lines().filter(|line| line.contains("auth.fail")).count();
    assert!((1..20).contains(&lines), "{lines} lines for 3,000 wrong passwords");
    canary.sings("wrong passwords");
}

fn connect_from(ip: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::new(IpAddr::V4(ip), 0).into()).expect("an address of the loopback");
    socket.connect_timeout(&to.into(), Duration::from_secs(5)).expect("a connection");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    stream
}

/// Is it still open? It may have said something.
fn is_open(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    !matches!(stream.read(&mut [0; 4096]), Ok(0))
        && !matches!(stream.read(&mut [0; 4096]), Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset)
}

#[test]
fn each_of_many_requests_in_one_segment_is_answered() {
    let (daemon, _provider) = testbed();
    let server = (Ipv4Addr::LOCALHOST, daemon.sip).into();
    for many in [65u64, 500] {
        let mut stream = connect_from(Ipv4Addr::new(127, 0, 0, 62), server);
        let from = stream.local_addr().expect("bound");
        let all: String = (0..many).map(|n| request("OPTIONS", "TCP", from, n)).collect();
        stream.write_all(all.as_bytes()).expect("sent");
        let (mut said, mut buffer) = (String::new(), [0; 65_536]);
        while said.matches("SIP/2.0 200").count() < many as usize {
            match stream.read(&mut buffer) {
                Ok(n) if n > 0 => said.push_str(&String::from_utf8_lossy(&buffer[..n])),
                other => panic!("{other:?} after {} of {many} answers", said.matches("SIP/2.0 200").count()),
            }
        }
        // In the order of the requests, each once.
        for n in 0..many {
            assert_eq!(said.matches(&format!("flood-{n}@")).count(), 1, "request {n}");
        }
    }
}

#[test]
fn a_registration_outlives_many_requests_in_one_segment() {
    let (daemon, _provider) = testbed();
    let server: SocketAddr = (Ipv4Addr::LOCALHOST, daemon.sip).into();
    let phone = Speaker::new(Peer::connect(server), server, "203", "pw-203-phones");
    phone.register();
    let all: String = (0..100).map(|n| request("OPTIONS", "TCP", phone.peer.at, n)).collect();
    phone.peer.send(server, &all);
    for n in 0..100 {
        phone
            .peer
            .expect("an answer to each", |m| m.header("call-id") == format!("flood-{n}@{}", phone.peer.at));
    }
    let other = Ua::at_home(&daemon, "204");
    let call = other.invite("203");
    let invite = phone.called();
    phone.peer.answer(&invite, "486 Busy Here", "", "");
    assert_eq!(other.ended(&call), 486);
}

#[test]
fn forty_phones_behind_one_router_are_all_connected() {
    let (daemon, _provider) = testbed();
    let server: SocketAddr = (Ipv4Addr::LOCALHOST, daemon.sip).into();
    let phones: Vec<Speaker> = (0..40)
        .map(|n| {
            let user = ["203", "204"][n % 2];
            let phone = Speaker::new(Peer::connect(server), server, user, &format!("pw-{user}-phones"));
            let uri = format!("sip:{server}");
            let to = format!("sip:{user}@{server}");
            // Proven; whether the extension may have so many phones is another matter.
            let (talk, first) = phone.prove("REGISTER", &uri, &to, "Expires: 300\r\n", "");
            assert_eq!(first.status(), Some(401), "phone {n}");
            assert!(phone.ended(&talk, "REGISTER").status().is_some());
            phone
        })
        .collect();
    for (n, phone) in phones.iter().enumerate() {
        let talk = phone.ask("OPTIONS", &format!("sip:{server}"), &format!("sip:{server}"), "", "");
        assert_eq!(phone.ended(&talk, "OPTIONS").status(), Some(200), "phone {n}");
    }
}

#[test]
fn strangers_on_tcp_give_way() {
    let (daemon, _provider) = testbed();
    let server: SocketAddr = (Ipv4Addr::LOCALHOST, daemon.sip).into();
    let phone = Speaker::new(Peer::connect(server), server, "203", "pw-203-phones");
    phone.register();
    // 20 addresses with 40 connections each: more than there may be.
    let mut idle: Vec<TcpStream> = (70..90)
        .flat_map(|last| (0..40).map(move |_| Ipv4Addr::new(127, 0, 0, last)))
        .map(|ip| connect_from(ip, server))
        .collect();
    // Somebody new is served, and the phone that has proven itself keeps its connection.
    let mut fresh = connect_from(Ipv4Addr::new(127, 0, 0, 95), server);
    let from = fresh.local_addr().expect("bound");
    fresh.write_all(request("OPTIONS", "TCP", from, 1).as_bytes()).expect("sent");
    let mut head = [0; 11];
    fresh.read_exact(&mut head).expect("an answer");
    assert_eq!(&head, b"SIP/2.0 200");
    let talk = phone.ask("OPTIONS", &format!("sip:{server}"), &format!("sip:{server}"), "", "");
    assert_eq!(phone.ended(&talk, "OPTIONS").status(), Some(200));
    let open = idle.iter_mut().take(100).filter_map(|stream| is_open(stream).then_some(())).count();
    println!("{open} of the first 100 idle connections are still open");
    assert!(open < 100, "none gave way");
    if std::env::var_os("RINGTRIP_LONG").is_some() {
        std::thread::sleep(Duration::from_secs(32));
        let open = idle.iter_mut().filter_map(|stream| is_open(stream).then_some(())).count();
        assert_eq!(open, 0, "unproven connections end after 30 s");
    }
}
