//! A canary that does worse than what is active is rolled back by itself, and its calls go as before.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::net::SocketAddr;
use std::time::Duration;

use ringtrip_testkit::live::{Daemon, wait};
use ringtrip_testkit::peers::{Events, Peer, Ua, sdp};
use serde_json::json;

const LONG: Duration = Duration::from_secs(20);
/// Calls on each side. Eight of eight against none of eight is not chance.
const CALLS: usize = 8;

fn testbed(good: SocketAddr, bad: SocketAddr) -> String {
    format!(
        r#"
region = "uk"
default_plan = "home"
script = "scripts/default.rhai"
[plans]
home = "(2xx|0xx.<:@gw1>)"
[extension.201]
password = "first-secret"
[extension.202]
password = "second-secret"
[gateway.gw1]
server = "{good}"
user = "u"
register = false
options_interval = "off"
[gateway.gw2]
server = "{bad}"
user = "u"
register = false
options_interval = "off"
[emergency]
providers = ["gw1"]
[sip]
listen = ["udp:127.0.0.1:SIP_PORT"]
"#
    )
}

#[test]
fn a_canary_that_does_worse_is_called_back_by_itself() {
    let [good, bad] = ["127.0.0.2", "127.0.0.3"].map(Peer::udp);
    let daemon = Daemon::start(&testbed(good.at, bad.at));
    let exchange = ([127, 0, 0, 1], daemon.sip).into();
    let [good, bad] = [good, bad].map(|peer| Ua::new(peer, exchange, "provider", ""));
    let [watched, other] = [("201", "first-secret"), ("202", "second-secret")].map(|(name, secret)| {
        let phone = Ua::new(Peer::udp("127.0.0.1"), exchange, name, secret);
        phone.register();
        phone
    });
    let script = b"fn route(c) { if c.number.starts_with(\"0\") { to(\"gw2\") } else { pass() } }";
    daemon.post("/drafts", json!({ "name": "worse" }));
    let (status, said) =
        daemon.request("PUT", "/drafts/worse/scripts/default.rhai", &[("If-Match", "\"1\"")], script);
    assert_eq!(status, 200, "{said}");
    let events = Events::open(&daemon);
    daemon.post("/drafts/worse/canary", json!({ "extension": "201", "least": CALLS }));

    let sound = sdp(([127, 0, 0, 1], 9).into(), "sendrecv", 1);
    for _ in 0..CALLS {
        let mut talk = other.dial("02079460000", "", &sound);
        let invite = good.called();
        let theirs = good.pick_up(&invite, &sound);
        assert_eq!(other.put_through(&mut talk).status(), Some(200));
        other.hang_up(&talk);
        good.is_hung_up(&theirs);

        let mut talk = watched.dial("02079460000", "", &sound);
        let invite = bad.called();
        bad.peer.answer(&invite, "480 Temporarily Unavailable", "", "");
        assert_ne!(watched.put_through(&mut talk).status(), Some(200));
    }
    let canary = wait("the canary's end", LONG, || {
        let canary = daemon.get("/drafts/worse/canary");
        canary["returned"].is_string().then_some(canary)
    });
    assert!(canary["returned"].to_string().contains("answered"), "{canary}");
    events.expect("alarm", |e| {
        e["what"] == "canary" && e["text"].as_str().is_some_and(|t| t.contains("draft worse was rolled back"))
    });

    // Its calls go as all others do.
    let mut talk = watched.dial("02079460000", "", &sound);
    let invite = good.called();
    let theirs = good.pick_up(&invite, &sound);
    assert_eq!(watched.put_through(&mut talk).status(), Some(200));
    watched.hang_up(&talk);
    good.is_hung_up(&theirs);
}
