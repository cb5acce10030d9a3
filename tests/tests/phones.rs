//! Two real telephones: baresip registers, calls, is heard and hears, presses keys, hangs up.
#![allow(clippy::disallowed_methods)] // Live tests wait.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use ringtrip_testkit::live::{Daemon, has, wait};
use ringtrip_testkit::peers::{Account, Baresip, Events, Peer, Ua, sdp};
use serde_json::json;

const CONFIG: &str = r#"
region = "uk"
default_plan = "home"
[plans]
home = "(xxxS0|9xx.<:@gw0>)"
[extension.101]
name = "Hall"
line = "fxs1"
[extension.201]
password = "first-secret"
[extension.202]
password = "second-secret"
[extension.203]
password = "third-secret"
[line.fxs1]
kind = "fxs"
port = "virtual:0"
[line.fxo1]
kind = "fxo"
port = "virtual:2"
ring_through = ["201"]
[sip]
realm = "ringtrip"
listen = ["udp:127.0.0.1:SIP_PORT", "tcp:127.0.0.1:SIP_PORT"]
ALGORITHMS
"#;

struct Testbed {
    daemon: Daemon,
    exchange: SocketAddr,
    events: Events,
}

impl Testbed {
    fn new() -> Testbed {
        Testbed::with("")
    }
    fn with(more: &str) -> Testbed {
        let daemon = Daemon::start(&CONFIG.replace("ALGORITHMS", more));
        let exchange = ([127, 0, 0, 1], daemon.sip).into();
        let events = Events::open(&daemon);
        Testbed { daemon, exchange, events }
    }
    #[track_caller]
    fn phone(&self, user: &str, says: u16, more: &str) -> Baresip {
        self.phone_by(user, "", says, more)
    }
    #[track_caller]
    fn phone_by(&self, user: &str, by: &str, says: u16, more: &str) -> Baresip {
        let password = match user {
            "201" => "first-secret",
            "202" => "second-secret",
            _ => "third-secret",
        };
        let account = Account { user, password, exchange: self.exchange, says, by, more };
        let phone = Baresip::start(&account);
        wait(&format!("{user} is registered"), Duration::from_secs(15), || {
            let view = self.daemon.get(&format!("/extensions/{user}"));
            view["contacts"].as_array().filter(|c| !c.is_empty()).map(drop)
        });
        phone
    }
    fn uri(&self, number: &str) -> String {
        format!("sip:{number}@{}", self.exchange)
    }
    #[track_caller]
    fn talks(&self) {
        wait("a call that talks", Duration::from_secs(20), || {
            let calls = self.daemon.get("/calls");
            calls.as_array()?.iter().any(|c| c["state"] == "talking").then_some(())
        });
    }
    fn figures(&self) -> serde_json::Value {
        let cdr = self.daemon.last_cdr();
        assert_eq!(cdr["cause"], "normal", "{cdr}");
        for side in ["a", "b"] {
            for what in ["received", "sent"] {
                assert!(cdr[side][what].as_u64().is_some_and(|n| n > 20), "{side} {what}: {cdr}");
            }
        }
        cdr
    }
}

#[test]
#[cfg_attr(not(has_baresip), ignore = "needs baresip")]
fn two_phones_talk_and_each_hears_the_other() {
    if !has("baresip") {
        return;
    }
    let testbed = Testbed::new();
    let (first, second) = (testbed.phone("201", 440, ""), testbed.phone("202", 1000, ";answermode=auto"));
    first.command("dial", &testbed.uri("202"));
    testbed.talks();
    first.hears(1000.0);
    second.hears(440.0);
    first.command("hangup", "");
    let cdr = testbed.figures();
    assert_eq!((&cdr["source"]["name"], &cdr["target"]), (&json!("201"), &json!("202")), "{cdr}");
    assert_eq!(cdr["ended_by"], "a");
}

#[test]
#[cfg_attr(not(has_baresip), ignore = "needs baresip")]
fn a_phone_hands_its_call_on_and_the_two_others_hear_each_other() {
    if !has("baresip") {
        return;
    }
    let testbed = Testbed::new();
    let first = testbed.phone("201", 440, "");
    let second = testbed.phone("202", 1000, ";answermode=auto");
    let third = testbed.phone("203", 1300, ";answermode=auto");
    first.command("dial", &testbed.uri("202"));
    testbed.talks();
    second.hears(440.0);
    first.command("transfer", &testbed.uri("203"));
    testbed.events.expect("call.transferred", |e| e["by"] == "201" && e["to"] == "203");
    second.hears(1300.0);
    third.hears(1000.0);
    second.command("hangup", "");
    let cdr = testbed.daemon.last_cdr();
    let names: Vec<&str> =
        cdr["parties"].as_array().expect("parties").iter().filter_map(|p| p["name"].as_str()).collect();
    assert_eq!(names, ["201", "202", "203"], "{cdr}");
    assert_eq!((&cdr["cause"], &cdr["target"]), (&json!("normal"), &json!("202")), "{cdr}");
}

#[test]
#[cfg_attr(not(has_baresip), ignore = "needs baresip")]
fn a_phone_with_md5_alone_and_one_over_tcp_talk() {
    if !has("baresip") {
        return;
    }
    let testbed = Testbed::with("algorithms = [\"md5\"]");
    let first = testbed.phone("201", 700, "");
    let second = testbed.phone_by("202", ";transport=tcp", 1300, ";answermode=auto");
    assert_eq!(testbed.daemon.get("/extensions/202")["contacts"][0]["transport"], "tcp");
    first.command("dial", &testbed.uri("202"));
    testbed.talks();
    first.hears(1300.0);
    second.hears(700.0);
    second.command("hangup", "");
    assert_eq!(testbed.figures()["ended_by"], "b");
}

#[test]
#[cfg_attr(not(has_baresip), ignore = "needs baresip")]
fn hold_silences_and_resume_brings_the_sound_back() {
    if !has("baresip") {
        return;
    }
    let testbed = Testbed::new();
    let first = testbed.phone("201", 440, "");
    let second = Ua::new(Peer::udp("127.0.0.1"), testbed.exchange, "202", "second-secret");
    second.register();
    let ear = UdpSocket::bind("127.0.0.1:0").expect("the loopback has free ports");
    ear.set_read_timeout(Some(Duration::from_millis(500))).expect("a time");
    let at = ear.local_addr().expect("bound");
    first.command("dial", &testbed.uri("202"));
    let invite = second.called();
    let talk = second.pick_up(&invite, &sdp(at, "sendrecv", 1));
    let packet = || ear.recv(&mut [0; 1_500]).ok();
    wait("sound", Duration::from_secs(10), packet);
    // The other side is notified, and half a second passes without a packet.
    let changes = |command: &str, direction: &str, ours: &str, version: u32| {
        first.command(command, "");
        let change = second.asked(&talk, "INVITE", Duration::from_secs(10));
        let change = change.unwrap_or_else(|| panic!("{command} is not reported"));
        assert!(change.body.contains(direction), "{}", change.text);
        let contact = second.peer.contact("202");
        second.peer.answer(&change, "200 OK", &contact, &sdp(at, ours, version));
        assert!(second.asked(&talk, "ACK", Duration::from_secs(10)).is_some(), "{command}: no ACK");
    };
    changes("hold", "a=sendonly", "recvonly", 2);
    wait("silence on hold", Duration::from_secs(15), || packet().is_none().then_some(()));
    changes("resume", "a=sendrecv", "sendrecv", 3);
    wait("sound after hold", Duration::from_secs(15), packet);
    first.command("hangup", "");
    second.is_hung_up(&talk);
    assert_eq!(testbed.daemon.last_cdr()["cause"], "normal");
}

#[test]
#[cfg_attr(not(has_baresip), ignore = "needs baresip")]
fn keys_cross_between_phones_by_rfc_4733() {
    if !has("baresip") {
        return;
    }
    let testbed = Testbed::new();
    let (first, second) = (testbed.phone("201", 440, ""), testbed.phone("202", 1000, ";answermode=auto"));
    first.command("dial", &testbed.uri("202"));
    testbed.talks();
    second.hears(440.0);
    for key in ["7", "1", "*", "#"] {
        first.command("sndcode", key);
        let so_far = testbed.events.keys().len();
        wait(&format!("key {key}"), Duration::from_secs(10), || {
            (testbed.events.keys().len() > so_far).then_some(())
        });
    }
    assert_eq!(testbed.events.keys(), "71*#");
    first.command("hangup", "");
    testbed.figures();
}

#[test]
#[cfg_attr(not(has_baresip), ignore = "needs baresip")]
fn keys_cross_between_a_phone_and_a_telephone_in_band() {
    if !has("baresip") {
        return;
    }
    let testbed = Testbed::new();
    let phone = testbed.phone("201", 440, "");
    // Out of the landline: the office hears what the phone sends as RFC 4733, as tones.
    phone.command("dial", &testbed.uri("9600"));
    wait("the office talks", Duration::from_secs(30), || {
        (testbed.daemon.sim("state", json!({"port": 2}))["office"] == "talking").then_some(())
    });
    for key in ["5", "0", "#"] {
        phone.command("sndcode", key);
        wait(&format!("the office hears {key}"), Duration::from_secs(10), || {
            let keys = testbed.daemon.sim("state", json!({"port": 2}))["keys"].as_str()?.to_owned();
            keys.ends_with(key).then_some(())
        });
    }
    phone.command("hangup", "");
    testbed.figures();
    // A telephone presses keys in band: the phone gets them as RFC 4733.
    testbed.daemon.line_is("fxs1", "idle", Duration::from_secs(10));
    phone.command("dial", &testbed.uri("101"));
    testbed.daemon.line_is("fxs1", "ringing", Duration::from_secs(15));
    testbed.daemon.sim("lift", json!({"port": 0}));
    testbed.talks();
    phone.command("autostop", "");
    testbed.daemon.sim("press", json!({"port": 0, "keys": "42"}));
    testbed.events.expect("call.digit", |e| e["key"] == "2");
    assert!(testbed.events.keys().ends_with("42"), "{}", testbed.events.keys());
    // Each key once and in order, the last one too, though no other follows it.
    let mut keys = String::new();
    wait("baresip says both keys", Duration::from_secs(10), || {
        let log = phone.log();
        let begun = log.lines().filter(|line| line.contains("(end=0)"));
        let of = |line: &str| line.split("received event: '").nth(1)?.chars().next();
        keys = begun.filter_map(of).collect();
        (keys.len() >= 2).then_some(())
    });
    assert_eq!(keys, "42", "{}", phone.log());
    testbed.daemon.sim("hangup", json!({"port": 0}));
    testbed.figures();
}

#[test]
fn keys_in_info_reach_a_telephone_and_a_phone_that_knows_info_alone() {
    let testbed = Testbed::new();
    let ua = Ua::new(Peer::udp("127.0.0.1"), testbed.exchange, "201", "first-secret");
    ua.register();
    let mut talk = ua.dial("9600", "", &sdp(([127, 0, 0, 1], 9).into(), "sendrecv", 1));
    assert_eq!(ua.put_through(&mut talk).status(), Some(200));
    wait("the office talks", Duration::from_secs(30), || {
        (testbed.daemon.sim("state", json!({"port": 2}))["office"] == "talking").then_some(())
    });
    for key in ["8", "3", "*"] {
        let body = format!("Signal={key}\r\nDuration=160\r\n");
        ua.within(&talk, "INFO", "Content-Type: application/dtmf-relay\r\n", &body);
        assert_eq!(ua.ended(&talk, "INFO").status(), Some(200));
        wait(&format!("the office hears {key}"), Duration::from_secs(10), || {
            let keys = testbed.daemon.sim("state", json!({"port": 2}))["keys"].as_str()?.to_owned();
            keys.ends_with(key).then_some(())
        });
    }
    ua.hang_up(&talk);
    assert_eq!(testbed.daemon.last_cdr()["cause"], "normal");
}

#[test]
#[cfg_attr(not(has_baresip), ignore = "needs baresip")]
fn registrations_survive_kill_9_and_calls_reach_them() {
    if !has("baresip") {
        return;
    }
    let mut testbed = Testbed::new();
    let second = testbed.phone("202", 1000, ";answermode=auto");
    let caller = Ua::new(Peer::udp("127.0.0.1"), testbed.exchange, "201", "first-secret");
    caller.register();
    // Registrations are kept soon, not at once: phones come back by themselves, and a disk is not worn for it.
    std::thread::sleep(Duration::from_millis(1_500));
    testbed.daemon.kill_and_restart();
    wait("202 is still registered", Duration::from_secs(5), || {
        let view = testbed.daemon.get("/extensions/202");
        view["contacts"].as_array().filter(|c| c.len() == 1).map(drop)
    });
    let mut talk = caller.dial("202", "", &sdp(([127, 0, 0, 1], 9).into(), "sendrecv", 1));
    assert_eq!(caller.put_through(&mut talk).status(), Some(200));
    caller.hang_up(&talk);
    // And the one that calls is still there to be called.
    second.command("dial", &testbed.uri("201"));
    let invite = caller.called();
    let talk = caller.pick_up(&invite, &sdp(([127, 0, 0, 1], 9).into(), "sendrecv", 1));
    caller.hang_up(&talk);
}
