//! Calls for help through a real exchange: whatever is forbidden, full, busy or broken, they reach the landline at once.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::time::{Duration, Instant};

use ringtrip_testkit::analog::AnalogPort;
use ringtrip_testkit::live::{Daemon, free_port, wait};
use ringtrip_testkit::peers::{Events, Peer, Ua, sdp};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(20);
const DIAL: [f64; 2] = [350.0, 440.0];
/// The office's end of the landline.
const FXO1: u16 = 2;

/// Blocks everything.
const BLOCKS: &str = "fn route(c) { block(\"no calls at night\") }";
/// Never comes to an end.
const LOOPS: &str = "fn route(c) { let n = 0; loop { n += 1; } }";

/// An exchange that forbids all that it can: a plan that bars the numbers, a script, one call at a time. Two telephones, a SIP
/// phone, one landline; `more` follows.
fn testbed(region: &str, script: &str, more: &str) -> Daemon {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let sip = free_port();
    let policy = dir.path().join("policy.rhai");
    std::fs::write(&policy, script).expect("the folder can be written");
    let text = format!(
        r#"
region = "{region}"
default_plan = "forbids"
script = "{}"

[plans]
forbids = "(9!|112!|<#:>xx.<:@gw0>|1xxS0)"

[dialling]
bar = "prefix"

[extension.101]
line = "fxs1"
[extension.102]
line = "fxs2"
[extension.201]
password = "secret"

[line.fxs1]
kind = "fxs"
port = "virtual:0"
[line.fxs2]
kind = "fxs"
port = "virtual:1"
[line.fxo1]
kind = "fxo"
port = "virtual:2"
long_silence = "off"

[limits]
calls = 1

[sip]
listen = ["udp:127.0.0.1:{sip}"]
{more}
"#,
        policy.display()
    );
    std::fs::write(dir.path().join("ringtrip.toml"), text).expect("the folder can be written");
    let exchange = Daemon::start_in(dir, sip);
    for number in ["999", "112", "911", "5550199"] {
        let says = json!({ "number": number, "does": "answer", "rings": 1, "says": "silence" });
        exchange.sim("office.subscriber", says);
    }
    exchange
}

/// This number was dialled; now the office has it, answers, and the record says that it was for help.
#[track_caller]
fn reaches_the_office(exchange: &Daemon, number: &str, dialled: Instant) -> Duration {
    let office = AnalogPort::office(exchange, FXO1);
    wait("the landline seized", LONG, || (exchange.get("/lines/fxo1")["off_hook"] == true).then_some(()));
    let after = dialled.elapsed();
    println!("{number}: the landline is seized {after:?} after the last key was pressed");
    office.until(&format!("{number} at the office"), LONG, |state| (state["digits"] == number).then_some(()));
    exchange.line_is("fxo1", "talking", LONG);
    let calls = exchange.get("/calls");
    let call = calls["calls"]
        .as_array()
        .or(calls.as_array())
        .and_then(|all| all.iter().find(|call| call["emergency"] == true).cloned());
    assert!(call.is_some(), "no emergency call among {calls}");
    after
}

#[track_caller]
fn record(exchange: &Daemon, number: &str) -> Value {
    let cdr = wait("the record of the emergency call", LONG, || {
        let page = exchange.get("/cdrs?limit=5");
        let found = page["cdrs"].as_array()?.iter().find(|c| c["emergency"] == true).cloned()?;
        (!found["cause"].is_null()).then_some(found)
    });
    assert_eq!((&cdr["dialled"], &cdr["sent"]), (&json!(number), &json!(number)), "{cdr}");
    cdr
}

/// Dials on the first telephone.
fn dial(exchange: &Daemon, number: &str) -> Instant {
    let hall = AnalogPort::telephone(exchange, 0);
    hall.lift();
    hall.until_tone(&DIAL, LONG);
    let pressed = Instant::now();
    hall.press(number);
    // The last key begins 200 ms after the one before it.
    pressed + Duration::from_millis(200) * (number.len() as u32 - 1)
}

fn from_a_telephone(region: &str, script: &str, numbers: &[&str]) {
    let exchange = testbed(region, script, "");
    let hall = AnalogPort::telephone(&exchange, 0);
    for number in numbers {
        // A line that was just hung up stays so for `on_hook_guard`, or the office would not notice.
        hall.listen(2000);
        let dialled = dial(&exchange, number);
        let after = reaches_the_office(&exchange, number, dialled);
        assert!(
            after < Duration::from_millis(1500),
            "{number} waited {after:?}: for the plan's 3 s, or a script?"
        );
        hall.hang_up();
        exchange.line_is("fxo1", "idle", LONG);
        exchange.line_is("fxs1", "idle", LONG);
    }
    let cdr = record(&exchange, numbers.last().expect("a number"));
    assert_eq!((&cdr["target"], &cdr["cause"]), (&json!("fxo1"), &json!("normal")), "{cdr}");
    assert_eq!(cdr["provenance"]["script"], Value::Null, "{cdr}");
    // The same exchange does forbid: what is no call for help is blocked.
    dial(&exchange, "#5550199#");
    exchange.line_is("fxs1", "reorder", LONG);
    assert_eq!(exchange.get("/lines/fxo1")["state"], "idle");
}

#[test]
fn against_a_plan_and_a_script_in_the_uk() {
    from_a_telephone("uk", BLOCKS, &["999", "112"]);
}

#[test]
fn against_a_plan_and_a_script_in_the_us() {
    from_a_telephone("us", BLOCKS, &["911"]);
}

#[test]
fn while_a_script_loops_for_ever() {
    let limits = "[extension.103]\npassword = \"other\"\n";
    let exchange = testbed("uk", LOOPS, limits);
    // The script is at it.
    let kitchen = AnalogPort::telephone(&exchange, 1);
    kitchen.lift();
    kitchen.until_tone(&DIAL, LONG);
    kitchen.press("101");
    let dialled = dial(&exchange, "999");
    reaches_the_office(&exchange, "999", dialled);
}

#[test]
fn from_a_sip_phone() {
    let exchange = testbed("uk", BLOCKS, "");
    let server = ([127, 0, 0, 1], exchange.sip).into();
    let phone = Ua::new(Peer::udp("127.0.0.1"), server, "201", "secret");
    phone.register();
    for number in ["999", "112"] {
        let dialled = Instant::now();
        let mut talk = phone.dial(number, "", &sdp(([127, 0, 0, 1], free_port()).into(), "sendrecv", 1));
        reaches_the_office(&exchange, number, dialled);
        assert_eq!(phone.put_through(&mut talk).status(), Some(200));
        phone.hang_up(&talk);
        exchange.line_is("fxo1", "idle", LONG);
    }
    let cdr = record(&exchange, "112");
    assert_eq!((&cdr["source"]["name"], &cdr["target"]), (&json!("201"), &json!("fxo1")), "{cdr}");
}

#[test]
fn the_landline_and_the_only_call_are_taken() {
    let exchange = testbed("uk", "fn route(c) { pass() }", "");
    let events = Events::open(&exchange);
    let (kitchen, office) = (AnalogPort::telephone(&exchange, 1), AnalogPort::office(&exchange, FXO1));
    // The kitchen talks: that is the one call that is allowed, and the one landline.
    kitchen.lift();
    kitchen.until_tone(&DIAL, LONG);
    kitchen.press("#5550199#");
    exchange.line_is("fxo1", "talking", LONG);
    exchange.line_is("fxs2", "talking", LONG);

    let dialled = dial(&exchange, "999");
    events.expect("emergency", |e| e["number"] == "999");
    // The other call is dropped, and the office sees that before anything is dialled.
    wait("the kitchen's call dropped", LONG, || {
        (exchange.get("/lines/fxs2")["state"] != "talking").then_some(())
    });
    reaches_the_office(&exchange, "999", dialled);
    let page = exchange.get("/cdrs?limit=5");
    let dropped =
        page["cdrs"].as_array().and_then(|all| all.iter().find(|c| c["emergency"] == false)).cloned();
    let dropped = dropped.expect("the kitchen's record");
    assert_eq!(dropped["cause"], "preempted", "{dropped}");
    let state = office.state();
    let log: Vec<&str> =
        state["log"].as_array().expect("a log").iter().filter_map(|e| e["what"].as_str()).collect();
    let at = |what: &str| log.iter().rposition(|said| *said == what);
    let order = [at("released"), at("seized"), at("9 by tones"), at("dialled 999")];
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{order:?} in {log:?}");
    AnalogPort::telephone(&exchange, 0).hang_up();
    record(&exchange, "999");
}

#[test]
fn without_the_landline_a_provider_takes_it() {
    let provider = Peer::udp("127.0.0.1");
    let more = format!(
        r#"
[gateway.gw1]
server = "127.0.0.1:{}"
user = "exchange"
register = false
options_interval = "off"

[emergency]
country = "GB"
providers = ["gw1"]
"#,
        provider.at.port()
    );
    let exchange = testbed("uk", BLOCKS, &more);
    AnalogPort::office(&exchange, FXO1).act("office.battery", json!({ "on": false }));
    exchange.line_is("fxo1", "no-battery", LONG);
    let dialled = dial(&exchange, "999");
    let invite = provider.expect("the call for help", |m| m.asks("INVITE"));
    println!("999: at the provider {:?} after the last key was pressed", dialled.elapsed());
    assert_eq!(invite.dialled(), "999", "{}", invite.text);
    let body = sdp(([127, 0, 0, 1], free_port()).into(), "sendrecv", 1);
    provider.answer(&invite, "200 OK", &provider.contact("999"), &body);
    exchange.line_is("fxs1", "talking", LONG);
    provider.answers.borrow_mut().push("BYE");
    AnalogPort::telephone(&exchange, 0).hang_up();
    provider.expect("ACK", |m| m.asks("ACK"));
    wait("the end at the provider", LONG, || provider.seen().iter().any(|m| m.asks("BYE")).then_some(()));
    let cdr = record(&exchange, "999");
    assert_eq!((&cdr["target"], &cdr["cause"]), (&json!("gw1"), &json!("normal")), "{cdr}");
}

/// An exchange with a provider that takes calls for help when the landline does not.
fn house_with(provider: &Peer, script: &str) -> Daemon {
    let gateway = format!(
        r#"
[gateway.gw1]
server = "127.0.0.1:{}"
user = "exchange"
register = false
options_interval = "off"

[emergency]
country = "GB"
providers = ["gw1"]
"#,
        provider.at.port()
    );
    testbed("uk", script, &gateway)
}

/// The provider gets the call, the telephone talks, and the record says what was tried before, and why.
#[track_caller]
fn the_provider_takes_it(exchange: &Daemon, provider: &Peer, dialled: Instant, tried: &[(&str, &str)]) {
    let invite = provider.expect("the call for help", |m| m.asks("INVITE"));
    let after = dialled.elapsed();
    println!("999: at the provider {after:?} after the last key was pressed");
    // 2 s for the landline; the rest is what a busy machine takes.
    assert!(after < Duration::from_millis(3500), "{after:?}");
    let body = sdp(([127, 0, 0, 1], free_port()).into(), "sendrecv", 1);
    provider.answer(&invite, "200 OK", &provider.contact("999"), &body);
    exchange.line_is("fxs1", "talking", LONG);
    provider.answers.borrow_mut().push("BYE");
    AnalogPort::telephone(exchange, 0).hang_up();
    provider.expect("ACK", |m| m.asks("ACK"));
    wait("the end at the provider", LONG, || provider.seen().iter().any(|m| m.asks("BYE")).then_some(()));
    let cdr = record(exchange, "999");
    assert_eq!((&cdr["target"], &cdr["cause"]), (&json!("gw1"), &json!("normal")), "{cdr}");
    let attempts = cdr["attempts"].as_array().cloned().unwrap_or_default();
    let was: Vec<(&str, &str)> = attempts
        .iter()
        .map(|a| (a["target"].as_str().expect("a target"), a["cause"].as_str().expect("a cause")))
        .collect();
    assert_eq!(was, tried, "{cdr}");
}

#[test]
fn over_a_pair_without_loop_current() {
    let provider = Peer::udp("127.0.0.1");
    let exchange = house_with(&provider, BLOCKS);
    AnalogPort::office(&exchange, FXO1).act("office.fault", json!({ "fault": "no-loop" }));
    assert_eq!(exchange.get("/lines/fxo1")["state"], "idle", "on-hook it looks well");
    let events = Events::open(&exchange);
    let dialled = dial(&exchange, "999");
    events.expect("alarm", |e| e["what"] == "line" && e["text"].as_str().is_some_and(|t| t.contains("fxo1")));
    the_provider_takes_it(&exchange, &provider, dialled, &[("fxo1", "no-loop-current")]);
    assert!(exchange.get("/lines/fxo1")["fault"].as_str().is_some_and(|f| f.contains("loop current")));
}

#[test]
fn over_an_office_without_dial_tone() {
    let provider = Peer::udp("127.0.0.1");
    let exchange = house_with(&provider, BLOCKS);
    AnalogPort::office(&exchange, FXO1).act("office.fault", json!({ "fault": "no-dial-tone" }));
    let dialled = dial(&exchange, "999");
    the_provider_takes_it(&exchange, &provider, dialled, &[("fxo1", "no-dial-tone")]);
}

#[test]
fn over_a_port_that_does_not_seize() {
    let provider = Peer::udp("127.0.0.1");
    let exchange = house_with(&provider, BLOCKS);
    AnalogPort::office(&exchange, FXO1).act("office.fault", json!({ "fault": "refuses" }));
    let dialled = dial(&exchange, "999");
    the_provider_takes_it(&exchange, &provider, dialled, &[("fxo1", "board-refused")]);
}

/// The document that the exchange was started with, without what a change may not have: bars on emergency numbers.
fn document(exchange: &Daemon) -> String {
    let text = std::fs::read_to_string(exchange.dir.path().join("ringtrip.toml")).expect("a document");
    text.replace("(9!|112!|", "(")
}

#[track_caller]
fn takes(exchange: &Daemon, text: &str) {
    let (status, answer) = exchange.put_config(text, "*");
    assert!(status < 300, "{status} {answer}");
}

#[test]
fn a_telephone_more_leaves_the_landline_a_landline() {
    let provider = Peer::udp("127.0.0.1");
    let exchange = house_with(&provider, "fn route(c) { pass() }");
    // Somebody talks meanwhile: the board gets its new port when he has hung up, and not before.
    let (hall, kitchen) = (AnalogPort::telephone(&exchange, 0), AnalogPort::telephone(&exchange, 1));
    kitchen.lift();
    kitchen.until_tone(&DIAL, LONG);
    kitchen.press("101");
    exchange.line_is("fxs1", "ringing", LONG);
    hall.lift();
    exchange.line_is("fxs2", "talking", LONG);
    let text = document(&exchange);
    let more = "[line.fxs3]\nkind = \"fxs\"\nport = \"virtual:3\"\n[extension.103]\nline = \"fxs3\"\n";
    takes(&exchange, &format!("{text}\n{more}"));
    wait("the new line", LONG, || (exchange.get("/lines/fxs3")["state"] == "out-of-service").then_some(()));
    hall.listen(1000);
    assert_eq!(exchange.get("/lines/fxs1")["state"], "talking", "the call lives");
    hall.hang_up();
    kitchen.hang_up();
    exchange.line_is("fxs3", "idle", LONG);
    exchange.line_is("fxo1", "idle", LONG);
    let ports: Vec<Value> = exchange.get("/boards")[0]["ports"].as_array().expect("ports").clone();
    assert_eq!(ports, ["fxs", "fxs", "fxo", "fxs"]);
    for number in ["999", "112"] {
        let says = json!({ "number": number, "does": "answer", "rings": 1, "says": "silence" });
        exchange.sim("office.subscriber", says);
    }
    let dialled = dial(&exchange, "999");
    reaches_the_office(&exchange, "999", dialled);
    AnalogPort::telephone(&exchange, 0).hang_up();
    record(&exchange, "999");
}

#[test]
fn a_landline_on_a_telephones_port() {
    let provider = Peer::udp("127.0.0.1");
    let exchange = house_with(&provider, "fn route(c) { pass() }");
    let text = document(&exchange);
    // The settings say what the ports are: the document is refused with its place.
    let wrong = format!("{text}\n[board.virtual]\nsettings = {{ fxs = 4, fxo = 0, region = \"uk\" }}\n");
    let (status, refused) = exchange.put_config(&wrong, "*");
    assert!(status == 422 && refused.contains("line fxo1 needs a landline port"), "{status} {refused}");
    // A driver under a name that nobody knows: its ports are looked at when it comes up.
    let copy = exchange.dir.path().join("unheard.so");
    let driver = ringtrip_testkit::live::programs().join("libringtrip_driver_virtual.so");
    std::fs::copy(driver, &copy).expect("the driver is copied");
    let board = format!(
        "{text}\n[board.virtual]\ndriver = \"{}\"\nsettings = {{ fxs = 4, fxo = 0, region = \"uk\" }}\n",
        copy.display()
    );
    let events = Events::open(&exchange);
    takes(&exchange, &board);
    events.expect("alarm", |e| e["what"] == "line" && e["text"].as_str().is_some_and(|t| t.contains("fxo1")));
    exchange.line_is("fxs1", "idle", LONG);
    let line = exchange.get("/lines/fxo1");
    assert_eq!(line["state"], "out-of-service", "{line}");
    assert!(line["fault"].as_str().is_some_and(|f| f.contains("telephone port")), "{line}");
    let dialled = dial(&exchange, "999");
    the_provider_takes_it(&exchange, &provider, dialled, &[("fxo1", "wrong-port")]);
}
