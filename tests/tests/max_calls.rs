//! A provider that carries two calls gets no third, wherever it is named; the caller goes on to the next target or hears at once
//! that there is no room. An emergency call goes through, and takes nobody's place.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::net::SocketAddr;
use std::time::Duration;

use ringtrip_testkit::live::{Daemon, wait};
use ringtrip_testkit::peers::{Message, Peer, Talk, Ua, sdp};
use serde_json::{Value, json};

const CONFIG: &str = r#"
region = "uk"
default_plan = "home"
SCRIPT
[plans]
home = "(xxxS0|<9,:>xx.<:@gw1>)"
[extension.201]
password = "first-secret"
[emergency]
providers = ["gw1"]
[gateway.gw1]
server = "FIRST"
user = "u"
register = false
options_interval = "off"
max_calls = 2
[gateway.gw2]
server = "SECOND"
user = "u"
register = false
options_interval = "off"
[sip]
listen = ["udp:127.0.0.1:SIP_PORT"]
"#;

const NUMBER: &str = "902079460000";
const LONG: Duration = Duration::from_secs(20);

struct Testbed {
    daemon: Daemon,
    phone: Ua,
    first: Ua,
    second: Ua,
}

/// A call that stands: the phone's side and the provider's.
struct ActiveCall(Talk, Talk);

impl Testbed {
    #[track_caller]
    fn new(script: Option<&str>) -> Testbed {
        let (first, second) = (Peer::udp("127.0.0.2"), Peer::udp("127.0.0.3"));
        let named = script.map_or("", |_| "script = \"scripts/test.rhai\"");
        let config = CONFIG.replace("SCRIPT", named);
        let config = config.replace("FIRST", &first.at.to_string()).replace("SECOND", &second.at.to_string());
        let daemon = Daemon::start(&config);
        if let Some(script) = script {
            let put = daemon.request("PUT", "/scripts/test.rhai", &[("If-Match", "*")], script.as_bytes());
            assert!(put.0 < 300, "{put:?}");
        }
        let exchange = ([127, 0, 0, 1], daemon.sip).into();
        let phone = Ua::new(Peer::udp("127.0.0.1"), exchange, "201", "first-secret");
        phone.register();
        let provider = |peer| Ua::new(peer, exchange, "provider", "");
        Testbed { phone, first: provider(first), second: provider(second), daemon }
    }

    /// Calls; this provider answers.
    #[track_caller]
    fn call(&self, number: &str, provider: &Ua) -> ActiveCall {
        let mut talk = self.phone.dial(number, "", &nowhere());
        let invite = provider.called();
        let theirs = provider.pick_up(&invite, &nowhere());
        assert_eq!(self.phone.put_through(&mut talk).status(), Some(200));
        ActiveCall(talk, theirs)
    }

    /// Hangs up, and waits until the exchange has so many calls left.
    #[track_caller]
    fn end(&self, call: &ActiveCall, provider: &Ua, left: usize) {
        self.phone.hang_up(&call.0);
        provider.is_hung_up(&call.1);
        self.has(left);
    }

    #[track_caller]
    fn has(&self, calls: usize) {
        wait(&format!("{calls} calls"), LONG, || {
            self.daemon.get("/calls").as_array().filter(|now| now.len() == calls).map(drop)
        });
    }

    /// The only closed record of a call that failed with this cause.
    #[track_caller]
    fn failed(&self, cause: &str) -> Value {
        wait(&format!("a record of {cause}"), LONG, || {
            let page = self.daemon.get("/cdrs?limit=10");
            page["cdrs"].as_array()?.iter().find(|cdr| cdr["cause"] == cause).cloned()
        })
    }
}

/// Nobody listens here: no test of signalling needs sound.
fn nowhere() -> String {
    sdp(SocketAddr::from(([127, 0, 0, 1], 9)), "sendrecv", 1)
}

/// How many calls came to a provider.
fn invites(provider: &Ua) -> usize {
    let mut ids: Vec<String> = provider
        .peer
        .seen()
        .iter()
        .filter(|m: &&Message| m.asks("INVITE"))
        .map(|m| m.header("call-id").to_owned())
        .collect();
    ids.sort();
    ids.dedup();
    ids.len()
}

/// Does the record tell that gw1 was full?
fn says_full(cdr: &Value) -> bool {
    let step = json!(["rejected", "gw1", "2 of its 2 calls are in use"]);
    cdr["provenance"]["steps"].as_array().is_some_and(|steps| steps.contains(&step))
}

#[test]
fn a_third_call_is_refused_and_an_emergency_is_not() {
    let testbed = Testbed::new(None);
    let gw1 = &testbed.first;
    let (one, two) = (testbed.call(NUMBER, gw1), testbed.call(NUMBER, gw1));
    let mut talk = testbed.phone.dial(NUMBER, "", &nowhere());
    assert_eq!(testbed.phone.put_through(&mut talk).status(), Some(503));
    testbed.has(2);
    let cdr = testbed.failed("congestion");
    assert!(says_full(&cdr), "{cdr:#}");
    assert_eq!(invites(gw1), 2);

    // Help has room, and takes none: with one of the two gone the next call goes out beside it.
    let help = testbed.call("112", gw1);
    assert_eq!(invites(gw1), 3);
    testbed.end(&one, gw1, 2);
    let three = testbed.call(NUMBER, gw1);
    let mut talk = testbed.phone.dial(NUMBER, "", &nowhere());
    assert_eq!(testbed.phone.put_through(&mut talk).status(), Some(503));
    testbed.has(3);
    assert_eq!(invites(gw1), 4);
    for (call, left) in [(help, 2), (two, 1), (three, 0)] {
        testbed.end(&call, gw1, left);
    }
    let last = testbed.call(NUMBER, gw1);
    testbed.end(&last, gw1, 0);
}

#[test]
fn a_third_call_goes_on_to_the_next_target() {
    let testbed = Testbed::new(Some("fn route(c) { try_in_order([\"gw1\", \"gw2\"]) }"));
    let (gw1, gw2) = (&testbed.first, &testbed.second);
    let (one, two) = (testbed.call(NUMBER, gw1), testbed.call(NUMBER, gw1));
    let three = testbed.call(NUMBER, gw2);
    assert_eq!((invites(gw1), invites(gw2)), (2, 1));
    testbed.end(&three, gw2, 2);
    let cdr = testbed.daemon.last_cdr();
    assert!(cdr["target"] == "gw2" && says_full(&cdr), "{cdr:#}");
    testbed.end(&two, gw1, 1);
    // A busy party's call takes no place when it is over.
    let mut talk = testbed.phone.dial(NUMBER, "", &nowhere());
    let invite = gw1.called();
    gw1.peer.answer(&invite, "486 Busy Here", "", "");
    assert_eq!(testbed.phone.put_through(&mut talk).status(), Some(486));
    testbed.has(1);
    let four = testbed.call(NUMBER, gw1);
    testbed.end(&four, gw1, 1);
    testbed.end(&one, gw1, 0);
}
