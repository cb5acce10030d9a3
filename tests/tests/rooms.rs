//! A conference room in the running exchange: two SIP phones that share no codec, and a telephone on a jack.
#![allow(clippy::disallowed_methods)] // Live tests start programs and wait.

use std::time::Duration;

use ringtrip_testkit::analog::AnalogPort;
use ringtrip_testkit::live::{Daemon, has, measured, wait};
use ringtrip_testkit::peers::{Account, Baresip};
use ringtrip_testkit::sound;

const CONFIG: &str = r#"
region = "uk"
default_plan = "home"
[plans]
home = "(xxxS0)"
[extension.101]
line = "fxs1"
[extension.201]
password = "first-secret"
[extension.202]
password = "second-secret"
[extension.600]
conference = 3
[line.fxs1]
kind = "fxs"
port = "virtual:0"
[sip]
realm = "ringtrip"
listen = ["udp:127.0.0.1:SIP_PORT"]
"#;

fn phone(daemon: &Daemon, user: &str, says: u16, codec: &str) -> Baresip {
    let password = if user == "201" { "first-secret" } else { "second-secret" };
    let exchange = ([127, 0, 0, 1], daemon.sip).into();
    let more = format!(";audio_codecs={codec}");
    let phone = Baresip::start(&Account { user, password, exchange, says, by: "", more: &more });
    wait(&format!("{user} is registered"), Duration::from_secs(15), || {
        let view = daemon.get(&format!("/extensions/{user}"));
        view["contacts"].as_array().filter(|c| !c.is_empty()).map(drop)
    });
    phone
}

fn members(daemon: &Daemon) -> usize {
    daemon.get("/extensions/600")["conference"].as_array().map_or(0, Vec::len)
}

#[track_caller]
fn has_members(daemon: &Daemon, n: usize) {
    wait(&format!("{n} are in the room"), Duration::from_secs(10), || (members(daemon) == n).then_some(()));
}

/// Waits until a phone has heard these tones at once for half a second, and nothing else.
#[track_caller]
fn hears(phone: &Baresip, hz: &[f64]) {
    wait(&format!("{hz:?} Hz"), Duration::from_secs(20), || {
        let heard = phone.heard();
        let mut halves = heard.chunks_exact(sound::RATE / 2);
        halves.any(|half| sound::is_tone(half, hz, -30.0)).then_some(())
    });
}

#[test]
#[cfg_attr(not(has_baresip), ignore = "needs baresip")]
fn two_phones_and_a_telephone_hear_one_another() {
    measured(|| {
        if !has("baresip") {
            return;
        }
        let daemon = Daemon::start(CONFIG);
        let a = phone(&daemon, "201", 440, "G722/16000/1");
        let b = phone(&daemon, "202", 1000, "PCMA/8000/1");
        let telephone = AnalogPort::telephone(&daemon, 0);
        assert_eq!(members(&daemon), 0);
        for phone in [&a, &b] {
            phone.command("dial", &format!("sip:600@127.0.0.1:{}", daemon.sip));
        }
        has_members(&daemon, 2);
        telephone.lift();
        telephone.until_tone(&[350.0, 440.0], Duration::from_secs(5));
        telephone.press("600");
        has_members(&daemon, 3);
        // The telephone hears both phones at once.
        telephone.until_tone(&[440.0, 1000.0], Duration::from_secs(10));
        telephone.speak(1700.0, 10_000);
        hears(&a, &[1000.0, 1700.0]);
        hears(&b, &[440.0, 1700.0]);
        let [of_a, of_b] = [&a, &b].map(Baresip::heard);
        let last = |heard: &[i16]| heard[heard.len().saturating_sub(2 * sound::RATE)..].to_vec();
        assert!(sound::level_of(&last(&of_a), 440.0) < -45.0, "201 hears itself");
        assert!(sound::level_of(&last(&of_b), 1000.0) < -45.0, "202 hears itself");
        a.command("hangup", "");
        has_members(&daemon, 2);
        telephone.hang_up();
        b.command("hangup", "");
        has_members(&daemon, 0);
        let cdr = daemon.last_cdr();
        assert_eq!((&cdr["cause"], &cdr["target"]), (&"normal".into(), &"600".into()), "{cdr}");
    });
}
