//! Three providers at different prices, each of them sipp: the cheapest that is healthy takes the call, one that fails or says
//! nothing is left within two seconds, and one whose party is busy is not left at all.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::net::SocketAddr;
use std::time::Duration;

use ringtrip_testkit::live::{Daemon, free_port, has, wait};
use ringtrip_testkit::peers::{Peer, Sipp, Ua, sdp};
use serde_json::{Value, json};

const CONFIG: &str = r#"
region = "uk"
default_plan = "home"
script = "scripts/cheapest.rhai"
[plans]
home = "(xxxS0|<9,:>xx.<:@gw1>)"
[extension.201]
password = "first-secret"
GATEWAYS
[sip]
listen = ["udp:127.0.0.1:SIP_PORT"]
"#;

const NUMBER: &str = "902079460000";
/// The prices a minute of `gw1`, `gw2` and `gw3`: their order in the list is that of their names.
const PRICES: [&str; 3] = ["0.01", "0.02", "0.60"];
/// So soon after its beginning a call is answered by the next provider, sipp's own part included.
const SOON: Duration = Duration::from_secs(2);

/// What a provider does with its call.
#[derive(Debug, Clone, Copy)]
enum Does {
    Answers,
    Busy,
    Unavailable,
    Silent,
    Slow,
}

impl Does {
    fn start(self, n: u8) -> Sipp {
        let at = SocketAddr::from(([127, 0, 0, 2 + n], free_port()));
        let media = free_port().to_string();
        let scenario = match self {
            Does::Answers => "provider-answers.xml",
            Does::Busy => "provider-busy.xml",
            Does::Unavailable => "provider-unavailable.xml",
            Does::Silent => "provider-silent.xml",
            Does::Slow => "provider-slow.xml",
        };
        Sipp::wait_for(scenario, at, &["-mp", &media])
    }
}

struct Testbed {
    daemon: Daemon,
    phone: Ua,
    providers: [Sipp; 3],
}

impl Testbed {
    #[track_caller]
    fn new(does: [Does; 3]) -> Testbed {
        let mut n = 0..;
        let providers = does.map(|does| does.start(n.next().unwrap_or(0)));
        let gateway = |(n, sipp): (usize, &Sipp)| {
            let at = sipp.at;
            format!(
                "[gateway.gw{}]\nserver = \"{at}\"\nuser = \"u\"\nregister = false\noptions_interval = \"off\"\n",
                n + 1
            )
        };
        let gateways: String = providers.iter().enumerate().map(gateway).collect();
        let daemon = Daemon::start(&CONFIG.replace("GATEWAYS", &gateways));
        let script = b"fn route(c) { cheapest(3) }";
        let (status, text) = daemon.request("PUT", "/scripts/cheapest.rhai", &[("If-Match", "*")], script);
        assert!(status < 300, "{status} {text}");
        for (n, price) in PRICES.iter().enumerate() {
            let csv = format!("prefix,destination,rate\n44,United Kingdom,{price}\n");
            let path = format!("/rates/import?gateway=gw{}&confirm=true", n + 1);
            let (status, text) = daemon.send("POST", &path, "text/csv", csv.as_bytes());
            assert_eq!(status, 200, "{text}");
        }
        let phone =
            Ua::new(Peer::udp("127.0.0.1"), ([127, 0, 0, 1], daemon.sip).into(), "201", "first-secret");
        phone.register();
        Testbed { daemon, phone, providers }
    }

    /// Calls, and hangs up if there was an answer; the record, and what the phone received in the end.
    #[track_caller]
    fn call(&self) -> (Value, u16) {
        // Nobody listens here: this is about signalling.
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
        let mut talk = self.phone.dial(NUMBER, "", &sdp(nowhere, "sendrecv", 1));
        let answer = self.phone.put_through(&mut talk);
        let status = answer.status().unwrap_or(0);
        if status == 200 {
            self.phone.hang_up(&talk);
        }
        wait("an exchange without calls", Duration::from_secs(20), || {
            self.daemon.get("/calls").as_array().filter(|calls| calls.is_empty()).map(drop)
        });
        (self.daemon.last_cdr(), status)
    }

    /// These providers have heard of the call, and no others; sipp writes that down a moment later.
    #[track_caller]
    fn were_called(&self, which: [bool; 3]) {
        let called = || std::array::from_fn(|n| self.providers[n].report().contains("\nINVITE sip:"));
        wait(&format!("calls to {which:?}"), Duration::from_secs(5), || (called() == which).then_some(()));
    }
}

/// Calls through these providers until the healthy one has answered in time. A machine that has much else to do is late now
/// and then; an exchange that waits too long is late always.
#[track_caller]
fn taken_soon_by(healthy: usize, does: [Does; 3]) {
    let mut took = Vec::new();
    for _ in 0..3 {
        let mut testbed = Testbed::new(does);
        let (cdr, status) = testbed.call();
        let name = format!("gw{}", healthy + 1);
        assert_eq!(
            (status, &cdr["target"], &cdr["cost"]["deck"]),
            (200, &json!(name), &json!(name)),
            "{cdr:#}"
        );
        for (does, sipp) in does.iter().zip(&mut testbed.providers).take(healthy + 1) {
            if !matches!(does, Does::Silent) {
                sipp.succeeds();
            }
        }
        // All that is cheaper was tried, and nothing dearer.
        testbed.were_called(std::array::from_fn(|n| n <= healthy));
        let answered = Duration::from_micros(cdr["answered_after_us"].as_u64().expect("it was answered"));
        println!("{does:?}: {name} answered after {answered:?}");
        if answered <= SOON {
            return;
        }
        took.push(answered);
    }
    panic!("{does:?}: answered after {took:?}");
}

#[test]
#[cfg_attr(not(has_sipp), ignore = "needs sipp")]
fn the_cheapest_that_is_healthy_takes_the_call() {
    if !has("sipp") {
        return;
    }
    taken_soon_by(0, [Does::Answers; 3]);
}

#[test]
#[cfg_attr(not(has_sipp), ignore = "needs sipp")]
fn one_that_fails_is_left_at_once() {
    if !has("sipp") {
        return;
    }
    taken_soon_by(1, [Does::Unavailable, Does::Answers, Does::Answers]);
}

#[test]
#[cfg_attr(not(has_sipp), ignore = "needs sipp")]
fn one_that_is_silent_is_left_within_two_seconds() {
    if !has("sipp") {
        return;
    }
    taken_soon_by(1, [Does::Silent, Does::Answers, Does::Answers]);
}

#[test]
#[cfg_attr(not(has_sipp), ignore = "needs sipp")]
fn one_that_fails_and_one_that_is_slow_are_left() {
    if !has("sipp") {
        return;
    }
    taken_soon_by(2, [Does::Unavailable, Does::Slow, Does::Answers]);
}

#[test]
#[cfg_attr(not(has_sipp), ignore = "needs sipp")]
fn one_whose_party_is_busy_is_not_left() {
    if !has("sipp") {
        return;
    }
    let mut testbed = Testbed::new([Does::Busy, Does::Answers, Does::Answers]);
    let (cdr, status) = testbed.call();
    assert_eq!((status, &cdr["cause"], &cdr["target"]), (486, &json!("busy"), &json!("gw1")), "{cdr:#}");
    testbed.providers[0].succeeds();
    testbed.were_called([true, false, false]);
}
