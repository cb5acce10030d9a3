//! Parts are broken while calls are up: only what stands on the broken part may notice. A canary call talks all the
//! time, 50 packets a second each way, and must not lose one.
#![allow(clippy::disallowed_methods)]

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

use ringtrip_testkit::events::{EventStream, between};
use ringtrip_testkit::live::{Daemon, wait};
use ringtrip_testkit::ua::{Canary, Stage, Ua};
use serde_json::{Value, json};

/// Five phones, two telephones, a landline, a provider at 127.0.0.9.
const HOUSE: &str = r#"
region = "us"
default_plan = "home"
script = "policy.rhai"
[plans]
home = "(1xx|2xx|<8:>xxx<:@gw1>)"
PHONES
[extension.102]
line = "fxs2"
[line.fxs2]
kind = "fxs"
port = "virtual:1"
[line.fxo1]
kind = "fxo"
port = "virtual:2"
[gateway.gw1]
server = "127.0.0.9:GW_PORT"
user = "acct"
register = false
"#;

/// What a good policy says here: all as the plan decided.
const GOOD: &str = "fn route(c) { pass() }";

/// A line that broke is back within a second; a test machine under load gets two.
const BACK: Duration = Duration::from_secs(2);

struct Testbed {
    /// Falls silent before its exchange ends: the next test's may be given the same RTP ports.
    canary: Canary,
    provider: Ua,
    events: EventStream,
    daemon: Daemon,
}

impl Testbed {
    #[track_caller]
    fn start() -> Testbed {
        let provider = Ua::start_at(Ipv4Addr::new(127, 0, 0, 9).into(), 0, "acct", "");
        let config = HOUSE.replace("GW_PORT", &provider.addr().port().to_string());
        let daemon = Daemon::start(&config);
        let events = EventStream::start(&daemon);
        put_script(&daemon, GOOD);
        let canary = Canary::at_home(&daemon);
        Testbed { daemon, canary, events, provider }
    }

    fn phone(&self, user: &str) -> Ua {
        Ua::at_home(&self.daemon, user)
    }

    fn fault(&self, part: &str, kind: &str) {
        self.daemon.post("/fault", json!({ "part": part, "kind": kind }));
    }

    /// The telephone on port 0 calls this phone and is answered.
    #[track_caller]
    fn telephone_calls(&self, phone: &Ua, number: &str) {
        self.daemon.line_is("fxs1", "idle", Duration::from_secs(10));
        self.daemon.sim("lift", json!({ "port": 0 }));
        self.daemon.line_is("fxs1", "dialling", Duration::from_secs(10));
        self.daemon.sim("press", json!({ "port": 0, "keys": number }));
        wait("the phone answers the telephone", Duration::from_secs(15), || phone.up().pop());
        self.daemon.line_is("fxs1", "talking", Duration::from_secs(10));
    }

    /// The closed record of the `nth` call from here.
    #[track_caller]
    fn cdr_from(&self, name: &str, nth: usize) -> Value {
        wait("a closed record", Duration::from_secs(10), || {
            let page = self.daemon.get("/cdrs?limit=20&open=false");
            let of = |cdr: &&Value| cdr["source"]["name"] == name;
            page["cdrs"].as_array()?.iter().rev().filter(of).nth(nth - 1).cloned()
        })
    }

    #[track_caller]
    fn quiet(&self) {
        self.daemon.sim("hangup", json!({ "port": 0 }));
        self.daemon.line_is("fxs1", "idle", Duration::from_secs(10));
    }
}

fn put_script(daemon: &Daemon, text: &str) -> (u16, String) {
    daemon.send("PUT", "/scripts/policy.rhai", "text/plain", text.as_bytes())
}

/// From the board's death to a line that can be used again, by the events.
#[track_caller]
fn board_comes_back(testbed: &Testbed) -> Duration {
    let died = testbed.events.next("board.state", &[("up", "false")]);
    testbed.events.next("part.restarted", &[("part", "board virtual"), ("gave_up", "false")]);
    testbed.events.next("board.state", &[("up", "true")]);
    let back = testbed.events.next("line.state", &[("line", "fxs1"), ("state", "idle")]);
    between(&died, &back)
}

#[test]
fn a_killed_board_costs_its_own_calls_only() {
    let testbed = Testbed::start();
    let phone = testbed.phone("203");
    for (nth, way) in [(1, "by its own fault"), (2, "by SIGKILL")] {
        testbed.telephone_calls(&phone, "203");
        let pid = testbed.daemon.get("/boards")[0]["pid"].as_u64().expect("a board has a process");
        if way == "by SIGKILL" {
            let killed = Command::new("kill").args(["-9", &pid.to_string()]).status().expect("kill");
            assert!(killed.success());
        } else {
            testbed.fault("board virtual", "kill");
        }
        let took = board_comes_back(&testbed);
        println!("board killed {way}: line back after {took:?}");
        assert!(took < BACK, "{took:?}");
        wait("a BYE for the phone", Duration::from_secs(5), || phone.up().is_empty().then_some(()));
        let cdr = testbed.cdr_from("fxs1", nth);
        assert_eq!(cdr["cause"], "board-lost", "{cdr}");
        testbed.canary.sings(&format!("board killed {way}"));
    }
    // And the line works: the telephone is new, on-hook, and can call.
    testbed.telephone_calls(&phone, "203");
    testbed.quiet();
    assert_eq!(testbed.cdr_from("fxs1", 3)["cause"], "normal");
    testbed.canary.sings("a call on the new board");
}

#[test]
fn a_panic_in_a_line_costs_its_call_only() {
    let testbed = Testbed::start();
    let phone = testbed.phone("203");
    testbed.telephone_calls(&phone, "203");
    testbed.fault("line fxs1", "panic");
    let panicked = testbed.events.next("part.restarted", &[("part", "line fxs1"), ("gave_up", "false")]);
    let back = testbed.events.next("line.state", &[("line", "fxs1")]);
    println!("a line that panicked was back after {:?}", between(&panicked, &back));
    assert!(between(&panicked, &back) < BACK);
    wait("a BYE for the phone", Duration::from_secs(5), || phone.up().is_empty().then_some(()));
    assert_eq!(testbed.cdr_from("fxs1", 1)["cause"], "system-failure");
    testbed.canary.sings("a panic in a line");
    // The handset is still off the hook; hung up and lifted again, it works.
    testbed.quiet();
    testbed.telephone_calls(&phone, "203");
    testbed.quiet();
    testbed.canary.sings("a call on the new line");
}

#[test]
fn a_panic_in_a_call_ends_that_call_cleanly() {
    let testbed = Testbed::start();
    let (one, two) = (testbed.phone("203"), testbed.phone("204"));
    let call = one.call("204");
    let id = wait("the call in the list", Duration::from_secs(5), || {
        let calls = testbed.daemon.get("/calls");
        let call = calls.as_array()?.iter().find(|c| c["from"] == "203")?;
        call["id"].as_str().map(str::to_owned)
    });
    testbed.fault(&format!("call {id}"), "panic");
    assert_eq!(one.ended(&call), 200, "the caller gets a BYE");
    wait("a BYE for the called", Duration::from_secs(5), || two.up().is_empty().then_some(()));
    let cdr = testbed.cdr_from("203", 1);
    assert_eq!((&cdr["cause"], &cdr["ended_by"]), (&json!("system-failure"), &json!("x")), "{cdr}");
    testbed.events.next("part.restarted", &[("part", &format!("call {id}"))]);
    testbed.events.next("call.ended", &[("call", &id), ("cause", "system-failure")]);
    testbed.canary.sings("a panic in another call");
    let again = one.call("204");
    one.bye(&again);
    assert_eq!(one.ended(&again), 200);
    testbed.canary.sings("a call after it");
}

#[test]
fn a_panic_in_a_gateway_or_the_route_costs_nobody_a_call() {
    let testbed = Testbed::start();
    let phone = testbed.phone("203");
    let standing = phone.call("8555");
    assert_eq!(testbed.provider.up().len(), 1, "the call went to the provider");
    for part in ["gateway gw1", "route"] {
        testbed.fault(part, "panic");
        testbed.events.next("part.restarted", &[("part", part), ("gave_up", "false")]);
        testbed.canary.sings(&format!("a panic in {part}"));
        let call = phone.call("8556");
        phone.bye(&call);
        assert_eq!(phone.ended(&call), 200);
    }
    assert_eq!(phone.stage(&standing), Some(Stage::Up), "a call through the provider stands");
    phone.bye(&standing);
    assert_eq!(phone.ended(&standing), 200);
    assert_eq!(testbed.cdr_from("203", 1)["cause"], "normal");
    testbed.canary.sings("calls after a panic");
    // A panic is one line in the log, whatever RUST_BACKTRACE says.
    let log = testbed.daemon.log();
    assert!(!log.contains("stack backtrace"), "{log}");
    assert_eq!(log.lines().filter(|line| line.contains("ERROR panic")).count(), 2, "{log}");
}

#[test]
fn a_panic_at_the_desk_leaves_calls_and_registrations() {
    let testbed = Testbed::start();
    let (one, two) = (testbed.phone("203"), testbed.phone("204"));
    let standing = one.call("204");
    testbed.fault("desk", "panic");
    // Hung up at once, in the moment without a desk: the phone's repeated BYE is heard by the next one.
    one.bye(&standing);
    testbed.events.next("part.restarted", &[("part", "desk"), ("gave_up", "false")]);
    assert_eq!(one.ended(&standing), 200);
    wait("a BYE for the called", Duration::from_secs(20), || two.up().is_empty().then_some(()));
    testbed.canary.sings("a panic at the desk");
    // Nobody registered again, and both can be reached.
    let call = one.call("204");
    two.bye(&two.up()[0]);
    assert_eq!(one.ended(&call), 200);
    testbed.canary.sings("a call by the new desk");
    // The canary itself can hang up.
    testbed.canary.caller.bye(&testbed.canary.call);
    assert_eq!(testbed.canary.caller.ended(&testbed.canary.call), 200);
    wait("no call is left", Duration::from_secs(10), || {
        testbed.daemon.get("/calls").as_array()?.is_empty().then_some(())
    });
}

#[test]
fn a_line_that_falls_again_and_again_is_given_up() {
    let testbed = Testbed::start();
    let pid = testbed.daemon.pid();
    let until = Instant::now() + Duration::from_secs(9);
    let gave_up = || testbed.events.count("part.restarted", &[("part", "line fxs2"), ("gave_up", "true")]);
    while gave_up() == 0 && Instant::now() < until {
        let _ = testbed.daemon.send(
            "POST",
            "/fault",
            "application/json",
            br#"{"part":"line fxs2","kind":"panic"}"#,
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    testbed.events.next("part.restarted", &[("part", "line fxs2"), ("gave_up", "true")]);
    let restarts = testbed.events.count("part.restarted", &[("part", "line fxs2"), ("gave_up", "false")]);
    assert_eq!(restarts, 5, "five restarts within ten seconds are all that is tried");
    assert_eq!(testbed.events.count("alarm", &[("what", "supervisor")]), 1, "an alarm for the operator");
    assert_eq!(testbed.daemon.get("/lines/fxs2")["state"], "out-of-service");
    // It no longer eats time: what is used now is the canary's.
    let before = cpu(pid);
    std::thread::sleep(Duration::from_secs(1));
    let used = cpu(pid) - before;
    println!("processor time in a second after giving up: {used:?}");
    assert!(used < Duration::from_millis(300), "{used:?}");
    testbed.canary.sings("a restart storm in a line");
    // The other line works, and a changed configuration starts this one afresh.
    let phone = testbed.phone("203");
    testbed.telephone_calls(&phone, "203");
    let text = testbed.daemon.get("/config?secrets=true")["text"].as_str().expect("a document").to_owned();
    let changed = text.replace("[extension.102]", "[extension.102]\nname = \"Kitchen\"");
    let request = testbed.daemon.put_config(&changed, "*");
    assert_eq!(request.0, 200, "{}", request.1);
    testbed.daemon.line_is("fxs2", "idle", Duration::from_secs(10));
    testbed.canary.sings("the line is started afresh");
}

#[test]
fn a_script_cannot_delay_or_break_other_calls() {
    let testbed = Testbed::start();
    let phone = testbed.phone("203");
    let other = testbed.phone("204");
    let bombs = [
        ("loops for ever", "fn route(c) { loop { } }"),
        ("calls itself for ever", "fn again(n) { again(n + 1) + 1 } fn route(c) { again(0); pass() }"),
        ("eats memory", "fn route(c) { let s = \"x\"; loop { s += s; } }"),
        ("eats memory in a list", "fn route(c) { let a = [0]; loop { a += a; } }"),
        ("throws", "fn route(c) { throw \"no\" }"),
    ];
    for (what, text) in bombs {
        assert_eq!(put_script(&testbed.daemon, GOOD).0, 204);
        // What a dry run tries is refused before it runs.
        let (status, answer) = put_script(&testbed.daemon, text);
        assert_eq!(status, 422, "{what}: {answer}");
        assert_eq!(testbed.daemon.get("/scripts/policy.rhai")["text"], GOOD, "{what}");
        // One that waits for a number that nobody thinks of is not found in a dry run.
        let sleeper =
            text.replace("fn route(c) {", "fn route(c) { if c.dialled != \"87\" + \"31\" { return pass(); }");
        let (status, answer) = put_script(&testbed.daemon, &sleeper);
        assert_eq!(status, 204, "{what}: {answer}");
        let rss = memory(testbed.daemon.pid());
        let began = Instant::now();
        let call = phone.call("8731");
        let took = began.elapsed();
        println!("a script that {what}: the call is up after {took:?}");
        assert!(took < Duration::from_secs(2), "{what}: {took:?}");
        let failed = testbed.events.next("script.failed", &[("script", "policy.rhai")]);
        assert!(!failed["data"]["why"].as_str().unwrap_or_default().is_empty(), "{failed}");
        phone.bye(&call);
        assert_eq!(phone.ended(&call), 200);
        let grew = memory(testbed.daemon.pid()).saturating_sub(rss);
        assert!(grew < 16 << 20, "{what}: {grew} octets more");
        testbed.canary.sings(&format!("a script that {what}"));
    }
    // What does not compile is refused with its place, and the one before stays.
    assert_eq!(put_script(&testbed.daemon, GOOD).0, 204);
    let deep = format!("fn route(c) {{ {}1{} }}", "(".repeat(20_000), ")".repeat(20_000));
    let broken =
        [("syntax", "fn route(c) {\n  let = 3;\n}"), ("no route", "fn other(c) { }"), ("deep", &*deep)];
    for (what, text) in broken {
        let (status, answer) = put_script(&testbed.daemon, text);
        assert_eq!(status, 422, "{what}: {answer}");
        assert!(answer.contains("policy.rhai") && answer.contains("\"line\":"), "{what}: {answer}");
        assert_eq!(testbed.daemon.get("/scripts/policy.rhai")["text"], GOOD, "{what}");
    }
    let call = phone.call("204");
    other.bye(&other.up()[0]);
    assert_eq!(phone.ended(&call), 200);
    testbed.canary.sings("scripts that were refused");
}

#[test]
fn the_process_does_not_outlive_its_media_thread_or_its_store() {
    for part in ["media", "store"] {
        let mut daemon = Daemon::start(&HOUSE.replace("GW_PORT", "9"));
        daemon.post("/fault", json!({ "part": part, "kind": "panic" }));
        let status = wait("the end of the process", Duration::from_secs(10), || daemon.ended());
        assert!(!status.success(), "{part}: {status}");
        let log = daemon.log();
        assert!(log.contains(&format!("thread {part} panicked at")), "{part}: {log}");
        // What an init system does next.
        daemon.kill_and_restart();
        assert_eq!(daemon.try_get("/healthz").0, 200, "{part}");
    }
}

/// Processor time that a process has used.
fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|t| t.parse::<u64>().ok()).unwrap_or(0);
    // utime and stime (proc(5)), in hundredths of a second.
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// Resident memory of a process, octets.
fn memory(pid: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    statm.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 4096
}
