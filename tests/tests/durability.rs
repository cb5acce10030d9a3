//! kill -9 of a live exchange while calls are made and the configuration is changed. What was acknowledged before the
//! kill is there after it. A configuration version is acknowledged by the 200 of its PUT; a call's record by being
//! shown as closed in `GET /cdrs`, which shows nothing that is not on the disk yet.
//!
//! Five kills; two hundred with `RINGTRIP_LONG=1`. That such a test can see loss at all is shown, without the exchange
//! around it, by the negative control in `core/daemon/tests/kill.rs`.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringtrip_testkit::live::{Daemon, wait};
use ringtrip_testkit::ua::{Stage, Ua};
use serde_json::Value;

const HOUSE: &str = r#"
region = "us"
default_plan = "home"
[plans]
home = "(1xx|2xx)"
[extension.101]
line = "fxs1"
[extension.201]
password = "pw-201-caller"
name = "round 0"
[extension.202]
password = "pw-202-called"
[line.fxs1]
kind = "fxs"
port = "virtual:0"
[sip]
listen = ["udp:127.0.0.1:SIP_PORT", "tcp:127.0.0.1:SIP_PORT"]
"#;

/// From the start of the process to its first SIP answer: a second is promised, on an idle machine and in a release
/// build; this much is asserted everywhere.
const RESTART: Duration = Duration::from_secs(3);

/// What was acknowledged.
#[derive(Default)]
struct Acknowledged {
    /// Closed records, as they were shown.
    cdrs: BTreeMap<String, Value>,
    /// Texts of versions.
    versions: BTreeMap<u64, String>,
}

#[test]
fn nothing_that_was_acknowledged_is_lost_by_kill_9_under_load() {
    let rounds = if std::env::var_os("RINGTRIP_LONG").is_some() { 200 } else { 5 };
    let mut daemon = Daemon::start(HOUSE);
    let called = Ua::start(daemon.sip, "202", "pw-202-called");
    let caller = Ua::start(daemon.sip, "201", "pw-201-caller");
    caller.register();
    called.register();
    let mut kept = Acknowledged::default();
    let mut restarts = Vec::new();
    let mut open_seen = 0;
    for round in 1..=rounds {
        // One call stands when the axe falls.
        caller.call("202");
        load(&daemon, &caller, round, &mut kept);
        let before: Vec<String> = daemon.get("/cdrs?open=true")["cdrs"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|cdr| cdr["call"].as_str().map(str::to_owned))
            .collect();
        let hosts = hosts_of(&daemon);
        daemon.kill();
        restarts.push(answer_after_start(&mut daemon));
        caller.forget_all();
        called.forget_all();
        gone(&hosts);

        check(&daemon, &kept, round);
        for call in &before {
            let cdr = daemon.get(&format!("/cdrs/{call}"));
            open_seen += 1;
            let closed = cdr["cause"] == "system-failure"
                && cdr["ended_by"] == "x"
                && !cdr["ended_after_us"].is_null();
            // A call of the load may have ended between the look and the kill.
            let ended = kept.cdrs.contains_key(call) || cdr["cause"] == "normal";
            assert!(closed || ended, "round {round}: {cdr}");
        }
        let open = daemon.get("/cdrs?open=true");
        assert_eq!(open["cdrs"].as_array().map(Vec::len), Some(0), "round {round}: {open}");
    }
    assert!(kept.cdrs.len() >= rounds && kept.versions.len() >= rounds, "the load was no load");
    assert!(open_seen >= rounds, "no call stood at a kill");
    restarts.sort();
    println!(
        "measured: {rounds} kills, {} records and {} versions acknowledged, 0 lost; {open_seen} open records closed; \
         first SIP answer after {:?} (median), {:?} (worst)",
        kept.cdrs.len(),
        kept.versions.len(),
        restarts[restarts.len() / 2],
        restarts[restarts.len() - 1],
    );
    // Phones did not have to register again.
    let call = caller.call("202");
    caller.bye(&call);
    assert_eq!(caller.ended(&call), 200);
}

/// Calls end and the configuration changes, both at once, for a while; ends in the middle of it.
fn load(daemon: &Daemon, caller: &Ua, round: usize, kept: &mut Acknowledged) {
    let stop = AtomicBool::new(false);
    let versions = Mutex::new(BTreeMap::new());
    let cdrs = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let call = caller.invite("202");
                let until = Instant::now() + Duration::from_secs(5);
                while caller.stage(&call) != Some(Stage::Up) && Instant::now() < until {
                    std::thread::sleep(Duration::from_millis(2));
                }
                caller.bye(&call);
            }
        });
        scope.spawn(|| {
            let text = daemon.get("/config?secrets=true")["text"].as_str().unwrap_or_default().to_owned();
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                let name = format!("name = \"round {round} change {n}\"");
                let changed: String = text
                    .lines()
                    .map(|line| if line.starts_with("name = \"round") { &name } else { line })
                    .flat_map(|line| [line, "\n"])
                    .collect();
                let (status, body) = daemon.put_config(&changed, "*");
                assert_eq!(status, 200, "{body}");
                let meta: Value = serde_json::from_str(&body).unwrap_or_default();
                let version = meta["version"].as_u64().expect("a version");
                versions.lock().unwrap_or_else(|e| e.into_inner()).insert(version, changed);
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for cdr in closed(daemon) {
                    let call = cdr["call"].as_str().unwrap_or_default().to_owned();
                    cdrs.lock().unwrap_or_else(|e| e.into_inner()).insert(call, cdr);
                }
            }
        });
        // Another moment each round.
        let length = Duration::from_millis(150 + (round as u64 * 7919) % 400);
        std::thread::sleep(length);
        let until = Instant::now() + Duration::from_secs(10);
        let quiet = || {
            versions.lock().unwrap_or_else(|e| e.into_inner()).is_empty()
                || cdrs.lock().unwrap_or_else(|e| e.into_inner()).is_empty()
        };
        while quiet() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        stop.store(true, Ordering::Relaxed);
    });
    kept.versions.extend(versions.into_inner().unwrap_or_else(|e| e.into_inner()));
    kept.cdrs.extend(cdrs.into_inner().unwrap_or_else(|e| e.into_inner()));
}

fn closed(daemon: &Daemon) -> Vec<Value> {
    let page = daemon.get("/cdrs?limit=50&open=false");
    page["cdrs"].as_array().cloned().unwrap_or_default()
}

/// Everything that was acknowledged is there, and the same.
#[track_caller]
fn check(daemon: &Daemon, kept: &Acknowledged, round: usize) {
    for (call, was) in kept.cdrs.iter().rev().take(300) {
        let is = daemon.get(&format!("/cdrs/{call}"));
        assert_eq!(is, *was, "round {round}");
    }
    let listed = daemon.get("/config/versions");
    let listed: Vec<u64> =
        listed.as_array().into_iter().flatten().filter_map(|v| v["version"].as_u64()).collect();
    for (version, text) in kept.versions.iter().rev().take(100) {
        assert!(listed.contains(version), "round {round}: version {version} is lost");
        let is = daemon.get(&format!("/config/versions/{version}?secrets=true"));
        assert_eq!(is["text"], text.as_str(), "round {round}: version {version}");
    }
}

/// Starts it again and says how long it took until it answered SIP.
#[track_caller]
fn answer_after_start(daemon: &mut Daemon) -> Duration {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(Duration::from_millis(5))).expect("a timeout");
    let local = socket.local_addr().expect("bound");
    let sip = daemon.sip;
    let asked = std::thread::spawn(move || {
        let began = Instant::now();
        let mut buffer = [0; 2048];
        for n in 0.. {
            let options = format!(
                "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKalive{n};rport\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:probe@127.0.0.1>;tag=probe\r\nTo: <sip:127.0.0.1>\r\n\
                 Call-ID: alive-{n}@127.0.0.1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
            );
            let _ = socket.send_to(options.as_bytes(), ("127.0.0.1", sip));
            if socket.recv(&mut buffer).is_ok() {
                return began.elapsed();
            }
            assert!(began.elapsed() < Duration::from_secs(20), "no SIP answer after the restart");
        }
        Duration::MAX
    });
    daemon.restart();
    let took = asked.join().expect("an answer to OPTIONS");
    assert!(took < RESTART, "the first SIP answer came after {took:?}");
    took
}

/// The processes of its boards.
fn hosts_of(daemon: &Daemon) -> Vec<u64> {
    daemon.get("/boards").as_array().into_iter().flatten().filter_map(|b| b["pid"].as_u64()).collect()
}

/// None of them outlived the exchange.
#[track_caller]
fn gone(hosts: &[u64]) {
    wait("the end of the old line hosts", Duration::from_secs(5), || {
        let lives = |pid: &u64| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.contains("(ringtrip-lineh") && !stat.contains(") Z ")
        };
        (!hosts.iter().any(lives)).then_some(())
    });
}
