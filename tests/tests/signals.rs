//! Signals: what stops the exchange does so in good order, and nothing else that is sent to it stops it.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::process::Command;
use std::time::Duration;

use ringtrip_testkit::events::EventStream;
use ringtrip_testkit::live::{Daemon, wait};
use ringtrip_testkit::ua::{Canary, Ua};

const HOUSE: &str = r#"
region = "us"
default_plan = "home"
[plans]
home = "(1xx|2xx)"
PHONES
"#;

#[track_caller]
fn send(signal: &str, pid: u64) {
    let sent = Command::new("kill").args(["-s", signal, &pid.to_string()]).status().expect("kill");
    assert!(sent.success(), "{signal}");
}

fn board(daemon: &Daemon) -> u64 {
    daemon.get("/boards")[0]["pid"].as_u64().expect("a board has a process")
}

#[test]
fn signals_that_mean_nothing_end_no_call() {
    let mut daemon = Daemon::start(HOUSE);
    let canary = Canary::at_home(&daemon);
    let (exchange, line) = (u64::from(daemon.pid()), board(&daemon));
    for signal in
        ["USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "PWR", "STKFLT", "XFSZ", "PIPE", "HUP", "35", "64"]
    {
        send(signal, exchange);
    }
    for signal in ["USR1", "USR2", "ALRM", "PROF", "PWR", "XFSZ", "PIPE", "HUP", "INT", "TERM"] {
        send(signal, line);
    }
    canary.sings("signals");
    assert!(daemon.ended().is_none());
    assert_eq!(board(&daemon), line, "the board's process is the same");
    let calls = daemon.get("/calls");
    assert_eq!(calls.as_array().map(Vec::len), Some(1), "{calls}");
}

#[test]
fn a_stop_hangs_up_first() {
    for signal in ["TERM", "INT", "QUIT"] {
        let mut daemon = Daemon::start(HOUSE);
        let canary = Canary::at_home(&daemon);
        send(signal, daemon.pid().into());
        assert_eq!(canary.caller.ended(&canary.call), 200, "a BYE comes after {signal}");
        let status = wait("the end", Duration::from_secs(10), || daemon.ended());
        assert!(status.success(), "{signal}: {status}");
    }
}

#[test]
fn hup_reads_the_configuration_again() {
    let daemon = Daemon::start(HOUSE);
    let events = EventStream::start(&daemon);
    let canary = Canary::at_home(&daemon);
    let file = daemon.dir.path().join("ringtrip.toml");
    let text = std::fs::read_to_string(&file).expect("the document");
    let pid = u64::from(daemon.pid());
    // Nothing changed: it is read, and said so.
    send("HUP", pid);
    events.next("config.active", &[("by", "SIGHUP"), ("summary", "read again")]);
    // A new extension can register at once.
    std::fs::write(&file, format!("{text}\n[extension.205]\npassword = \"pw-205-phones\"\n"))
        .expect("written");
    send("HUP", pid);
    events.next("config.active", &[("by", "SIGHUP")]);
    wait("the new version", Duration::from_secs(5), || {
        (daemon.get("/system")["config_version"] == 2).then_some(())
    });
    let phone = Ua::at_home(&daemon, "205");
    let call = phone.call("202");
    phone.bye(&call);
    assert_eq!(phone.ended(&call), 200);
    // With a mistake in it nothing changes, and an alarm says where it is.
    std::fs::write(&file, format!("{text}\n[extension.206]\npasword = \"pw-206-phones\"\n"))
        .expect("written");
    send("HUP", pid);
    let alarm = events.next("alarm", &[("what", "config")]);
    assert!(alarm.to_string().contains("pasword"), "{alarm}");
    assert_eq!(daemon.get("/system")["config_version"], 2);
    canary.sings("HUP");
}
