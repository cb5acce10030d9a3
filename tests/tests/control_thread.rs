//! The thread that answers telephones waits for nothing: whatever is activated beside it, and whatever of it is built
//! anew, who asks it something has an answer within 50 ms.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::fmt::Write;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringtrip_testkit::live::{Daemon, filled};
use ringtrip_testkit::ua::Ua;
use serde_json::json;

const HOUSE: &str = r#"
region = "us"
default_plan = "home"
[plans]
home = "(1xx|2xx)"
PHONES
"#;

/// An answer that takes longer is one that a caller may notice.
const AT_ONCE: Duration = Duration::from_millis(50);
/// Answers in a hundred that may take longer on a machine whose cores are all busy with other work, and how long.
const LATE: usize = 2;
const LATEST: Duration = Duration::from_millis(400);

/// Asks the exchange with OPTIONS again and again, and keeps how long each answer took.
struct Asker {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Asker {
    fn of(exchange: &Daemon) -> Asker {
        let to = SocketAddr::from(([127, 0, 0, 1], exchange.sip));
        let ends = Arc::new(AtomicBool::new(false));
        let ended = ends.clone();
        let thread = std::thread::spawn(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            socket.connect(to).expect("the loopback");
            socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
            let (at, mut took, mut n) = (socket.local_addr().expect("bound"), Vec::new(), 0);
            while !ended.load(Ordering::Relaxed) {
                n += 1;
                let asked = Instant::now();
                socket.send(options(at, n).as_bytes()).expect("sent");
                let mut answer = [0; 2048];
                let len = socket.recv(&mut answer).expect("an answer within 5 s");
                assert!(
                    answer[..len].starts_with(b"SIP/2.0 200"),
                    "{:?}",
                    String::from_utf8_lossy(&answer[..len])
                );
                took.push(asked.elapsed());
                std::thread::sleep(Duration::from_millis(5));
            }
            took
        });
        Asker { ends, thread }
    }

    /// All answers came at once; and the exchange did not say that it waited.
    #[track_caller]
    fn was_answered_at_once(self, exchange: &Daemon, meanwhile: &str, least: usize) {
        self.ends.store(true, Ordering::Relaxed);
        let took = self.thread.join().expect("an answer to each");
        let late = took.iter().filter(|took| **took > AT_ONCE).count();
        let longest = took.iter().max().copied().unwrap_or_default();
        println!(
            "{meanwhile}: {} answers, {late} after more than 50 ms, the longest {longest:?}",
            took.len()
        );
        assert!(took.len() >= least, "only {} answers", took.len());
        assert!(late * 100 <= LATE * took.len() && longest < LATEST, "{meanwhile}: {late} late, {longest:?}");
        let log = exchange.log();
        assert!(!log.contains("the control thread waits"), "{log}");
    }
}

fn options(at: SocketAddr, n: u32) -> String {
    format!(
        "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKask{n};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:asker@{at}>;tag=a{n}\r\nTo: <sip:127.0.0.1>\r\nCall-ID: ask{n}@{at}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// A script of 200 kB that lets every call pass.
fn large_script() -> String {
    let mut text = String::from("fn route(c) { pass() }\n");
    for n in 0..100 {
        let _ = writeln!(text, "fn unused{n}(x) {{");
        for line in 0..50 {
            let _ = write!(text, "    let y{line} = x + {line} * 2;\n    x += y{line};\n");
        }
        text.push_str("    x\n}\n");
    }
    text
}

#[test]
fn many_scripts_are_put_in_force_beside_the_calls() {
    let exchange = Daemon::start(HOUSE);
    let scripts = exchange.dir.path().join("data/scripts");
    let mut document =
        filled(HOUSE, exchange.sip).replace("default_plan", "time_zone = \"Europe/London\"\ndefault_plan");
    let text = large_script();
    for n in 0..12 {
        std::fs::write(scripts.join(format!("large{n}.rhai")), &text).expect("the folder can be written");
        let _ =
            write!(document, "[extension.3{n:02}]\npassword = \"pw\"\nscript = \"scripts/large{n}.rhai\"\n");
    }
    let asker = Asker::of(&exchange);
    let began = Instant::now();
    let (status, said) = exchange.put_config(&document, "\"1\"");
    let took = began.elapsed();
    assert_eq!(status, 200, "{said}");
    println!("it took {took:?} to activate 12 scripts of {} kB", text.len() / 1000);
    assert!(took > Duration::from_millis(200), "too little work to prove anything: {took:?}");
    asker.was_answered_at_once(&exchange, "scripts were compiled", 20);
}

#[test]
fn the_sip_part_is_built_anew_from_memory() {
    let exchange = Daemon::start(HOUSE);
    let (one, two) = (Ua::at_home(&exchange, "203"), Ua::at_home(&exchange, "204"));
    let asker = Asker::of(&exchange);
    exchange.post("/fault", json!({ "part": "desk", "kind": "panic" }));
    // Nobody registers again, and both are reached at once.
    let call = one.call("204");
    two.bye(&two.up()[0]);
    assert_eq!(one.ended(&call), 200);
    std::thread::sleep(Duration::from_secs(1));
    asker.was_answered_at_once(&exchange, "the SIP part was built anew", 50);
    assert!(exchange.log().contains("a fault was injected"), "{}", exchange.log());
}
