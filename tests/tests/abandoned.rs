//! Calls that have ended while a far end still owes its last word: they count no more, and their ports are free.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringtrip_testkit::live::{Daemon, wait};
use ringtrip_testkit::peers::{Peer, Ua, sdp};

/// Two calls at once, twelve port pairs, a provider that takes one call.
const CONFIG: &str = r#"
region = "uk"
default_plan = "home"
[plans]
home = "(xxxS0|<9,:>xx.<:@gw1>)"
[extension.201]
password = "first-secret"
[extension.202]
password = "second-secret"
[gateway.gw1]
server = "PROVIDER"
user = "u"
register = false
options_interval = "off"
answer_within = "off"
max_calls = 1
[limits]
calls = 2
[sip]
listen = ["udp:127.0.0.1:SIP_PORT"]
"#;

fn nowhere() -> String {
    sdp(SocketAddr::from(([127, 0, 0, 1], 9)), "sendrecv", 1)
}

fn testbed() -> (Daemon, Ua, Peer) {
    let provider = Peer::udp("127.0.0.2");
    let daemon = Daemon::start(&CONFIG.replace("PROVIDER", &provider.at.to_string()));
    let phone = Ua::new(Peer::udp("127.0.0.1"), ([127, 0, 0, 1], daemon.sip).into(), "201", "first-secret");
    phone.register();
    (daemon, phone, provider)
}

#[track_caller]
fn no_call_counts(daemon: &Daemon) {
    wait("no call that counts", Duration::from_secs(3), || {
        daemon.get("/calls").as_array().filter(|calls| calls.is_empty()).map(drop)
    });
}

#[test]
fn a_provider_that_says_nothing_holds_no_seat() {
    let (daemon, phone, provider) = testbed();
    let began = Instant::now();
    for n in 0..6 {
        let talk = phone.dial("902079460000", "", &nowhere());
        let invite = provider.expect("the INVITE", |m| m.asks("INVITE") && !m.header("to").contains(";tag="));
        phone.within(&talk, "CANCEL", "", "");
        assert_eq!(phone.ended(&talk, "INVITE").status(), Some(487), "call {n}: is the provider full?");
        no_call_counts(&daemon);
        // Copies of an INVITE that was given up are not the next one.
        let id = invite.header("call-id").to_owned();
        while provider.within(Duration::from_millis(50), &|m| m.header("call-id") == id).is_some() {}
    }
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}: seats were waited for", began.elapsed());
}

#[test]
fn a_phone_that_never_confirms_a_bye_holds_no_seat() {
    let (daemon, phone, provider) = testbed();
    for n in 0..4 {
        let mut talk = phone.dial("902079460000", "", &nowhere());
        let invite = provider.expect("the INVITE", |m| m.asks("INVITE") && !m.header("to").contains(";tag="));
        provider.answer(&invite, "200 OK", &provider.contact("u"), &nowhere());
        assert_eq!(phone.put_through(&mut talk).status(), Some(200), "call {n}");
        // The provider is gone: it does not answer the BYE.
        phone.hang_up(&talk);
        no_call_counts(&daemon);
        let id = invite.header("call-id").to_owned();
        while provider.within(Duration::from_millis(50), &|m| m.header("call-id") == id).is_some() {}
    }
    // The last word may still come, late: nobody is disturbed.
    let system = daemon.get("/system");
    assert_eq!(system["cdrs_waiting"], 0, "{system}");
}
