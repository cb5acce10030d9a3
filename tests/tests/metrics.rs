//! What `/metrics` counts is what has happened.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::time::Duration;

use ringtrip_testkit::live::{Daemon, wait};
use ringtrip_testkit::peers::{Peer, Ua, sdp};

const HOUSE: &str = r#"
region = "uk"
default_plan = "home"
[plans]
home = "(2xx|0xx.<:@gw1>)"
[extension.201]
password = "first-secret"
[gateway.gw1]
server = "PROVIDER"
user = "u"
register = false
options_interval = "off"
[emergency]
providers = ["gw1"]
[sip]
listen = ["udp:127.0.0.1:SIP_PORT"]
"#;

/// The value of a series; 0 where nothing was counted yet.
fn value(metrics: &str, series: &str) -> f64 {
    let line = metrics.lines().find_map(|l| l.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |n| n.parse().unwrap_or_else(|_| panic!("{series} {n}")))
}

#[test]
fn calls_phones_and_lines_are_counted_as_they_happen() {
    let provider = Peer::udp("127.0.0.2");
    let daemon = Daemon::start(&HOUSE.replace("PROVIDER", &provider.at.to_string()));
    let exchange = ([127, 0, 0, 1], daemon.sip).into();
    let provider = Ua::new(provider, exchange, "provider", "");
    let phone = Ua::new(Peer::udp("127.0.0.1"), exchange, "201", "first-secret");
    let metrics = || daemon.try_get("/metrics").1;
    let contacts = "ringtrip_extension_contacts{extension=\"201\"}";
    assert_eq!(value(&metrics(), contacts), 0.0);
    phone.register();
    wait("the phone", Duration::from_secs(10), || (value(&metrics(), contacts) == 1.0).then_some(()));

    let sound = sdp(([127, 0, 0, 1], 9).into(), "sendrecv", 1);
    let mut talk = phone.dial("02079460000", "", &sound);
    let invite = provider.called();
    let theirs = provider.pick_up(&invite, &sound);
    assert_eq!(phone.put_through(&mut talk).status(), Some(200));
    assert_eq!(value(&metrics(), "ringtrip_calls"), 1.0);
    phone.hang_up(&talk);
    provider.is_hung_up(&theirs);
    let mut talk = phone.dial("02079460001", "", &sound);
    let invite = provider.called();
    provider.peer.answer(&invite, "486 Busy Here", "", "");
    assert_eq!(phone.put_through(&mut talk).status(), Some(486));
    let expected = [
        ("ringtrip_calls", 0.0),
        ("ringtrip_calls_started_total", 2.0),
        ("ringtrip_calls_ended_total{cause=\"normal\"}", 1.0),
        ("ringtrip_calls_ended_total{cause=\"busy\"}", 1.0),
    ];
    wait("both calls to be counted", Duration::from_secs(10), || {
        let metrics = metrics();
        expected.iter().all(|(series, n)| value(&metrics, series) == *n).then_some(())
    });
}
