//! SIP phones and the landline: sound both ways, and what becomes of it on a bad network.

use std::time::Duration;

use ringtrip_testkit::analog::AnalogPort;
use ringtrip_testkit::live::{Daemon, measured};
use ringtrip_testkit::peers::{Peer, Talk, Ua, sdp};
use ringtrip_testkit::rtp::{Fate, Rtp};
use ringtrip_testkit::sound;
use serde_json::json;

const LONG: Duration = Duration::from_secs(20);
/// The office's end of the landline.
const FXO1: u16 = 1;

/// A telephone, a SIP phone and a landline that rings it.
fn exchange() -> Daemon {
    let exchange = Daemon::start(
        r#"
region = "us"
default_plan = "home"

[plans]
home = "(1xxS0|2xxS0|<9,:>xx.<:@gw0>)"

[extension.101]
line = "fxs1"
[extension.201]
password = "secret"

[line.fxs1]
kind = "fxs"
port = "virtual:0"
[line.fxo1]
kind = "fxo"
port = "virtual:1"
ring_through = ["201"]

[board.virtual]
settings = { fxs = 1, fxo = 1, office = { default = { does = "answer", says = "silence" } } }

[sip]
listen = ["udp:127.0.0.1:SIP_PORT"]
"#,
    );
    let fields = json!({ "number": "5550199", "does": "answer", "rings": 0, "says": "silence" });
    exchange.sim("office.subscriber", fields);
    exchange
}

fn phone(exchange: &Daemon) -> Ua {
    let server = ([127, 0, 0, 1], exchange.sip).into();
    let phone = Ua::new(Peer::udp("127.0.0.1"), server, "201", "secret");
    phone.register();
    phone
}

/// A tone of −16 dBm0 each way at once, of different frequencies; so loud it arrives.
#[track_caller]
fn both_ways(rtp: &mut Rtp, to: std::net::SocketAddr, jack: &AnalogPort<'_>, dbm0: f64) {
    let since = jack.now();
    jack.speak(700.0, 3500);
    let heard = rtp.talk(to, &sound::sine(1000.0, 3500, -16.0), |_| Fate::Arrives);
    println!("{} packets came, {} are missing", heard.packets, heard.missing);
    let begin = sound::tone_begins(&heard.samples, &[700.0], -23.0);
    let begin = begin.unwrap_or_else(|| panic!("the phone hears {}", sound::describe(&heard.samples)));
    let tone = &heard.samples[begin + 400..begin + 2000 * 8];
    let level = sound::level_of(tone, 700.0);
    assert!((level - dbm0).abs() < 1.0, "700 Hz has {level:.1} dBm0 at the phone");
    assert!(sound::longest_gap_ms(tone) < 25.0, "{}", sound::describe(tone));

    let heard = jack.hear(since, 3500);
    let begin = sound::tone_begins(&heard, &[1000.0], -23.0);
    let begin = begin.unwrap_or_else(|| panic!("the line hears {}", sound::describe(&heard)));
    let tone = &heard[begin + 400..begin + 2000 * 8];
    let level = sound::level_of(tone, 1000.0);
    assert!((level - dbm0).abs() < 1.0, "1000 Hz has {level:.1} dBm0 on the line");
    assert!(sound::longest_gap_ms(tone) < 25.0, "{}", sound::describe(tone));
}

/// The SIP phone calls out on the landline.
#[track_caller]
fn call_out(exchange: &Daemon, phone: &Ua, rtp: &Rtp) -> (Talk, std::net::SocketAddr) {
    let mut talk = phone.dial("95550199", "", &sdp(rtp.at, "sendrecv", 1));
    let answer = phone.put_through(&mut talk);
    assert_eq!(answer.status(), Some(200), "{}", answer.text);
    let office = AnalogPort::office(exchange, FXO1);
    office.until("the conversation", LONG, |state| (state["office"] == "talking").then_some(()));
    assert_eq!(office.state()["digits"], "5550199");
    (talk, answer.rtp().expect("where the sound goes"))
}

#[test]
fn a_sip_phone_calls_out_on_the_landline() {
    measured(|| {
        let exchange = exchange();
        let (phone, mut rtp) = (phone(&exchange), Rtp::open());
        let office = AnalogPort::office(&exchange, FXO1);
        let (talk, to) = call_out(&exchange, &phone, &rtp);
        both_ways(&mut rtp, to, &office, -16.0);
        phone.hang_up(&talk);
        office.until("the release", LONG, |state| (state["office"] == "idle").then_some(()));
        let cdr = exchange.last_cdr();
        assert_eq!(
            (&cdr["cause"], &cdr["ended_by"], &cdr["target"]),
            (&json!("normal"), &json!("a"), &json!("fxo1"))
        );
        for end in ["a", "b"] {
            assert!(cdr[end]["received"].as_u64().is_some_and(|n| n > 100), "{cdr}");
            assert!(cdr[end]["sent"].as_u64().is_some_and(|n| n > 100), "{cdr}");
        }
    });
}

#[test]
fn the_landline_calls_a_sip_phone() {
    measured(|| {
        let exchange = exchange();
        let (phone, mut rtp) = (phone(&exchange), Rtp::open());
        let office = AnalogPort::office(&exchange, FXO1);
        office.act("office.call", json!({ "number": "2025550123", "name": "ADA LOVELACE" }));
        let invite = phone.called();
        let from = invite.header("from");
        assert!(from.contains("2025550123") && from.contains("ADA LOVELACE"), "{from}");
        let talk = phone.pick_up(&invite, &sdp(rtp.at, "sendrecv", 1));
        exchange.line_is("fxo1", "talking", LONG);
        office.until("the answer", LONG, |state| (state["office"] == "talking").then_some(()));
        both_ways(&mut rtp, invite.rtp().expect("where the sound goes"), &office, -16.0);
        // The far end goes.
        office.act("office.hangup", json!({ "how": "cpc" }));
        phone.is_hung_up(&talk);
        exchange.line_is("fxo1", "idle", LONG);
        let cdr = exchange.last_cdr();
        assert_eq!(
            (&cdr["cause"], &cdr["ended_by"], &cdr["target"]),
            (&json!("cpc"), &json!("a"), &json!("201"))
        );
    });
}

#[test]
fn a_sip_phone_and_a_telephone() {
    measured(|| {
        let exchange = exchange();
        let (phone, mut rtp) = (phone(&exchange), Rtp::open());
        let hall = AnalogPort::telephone(&exchange, 0);
        let mut talk = phone.dial("101", "", &sdp(rtp.at, "sendrecv", 1));
        hall.until("the bell", LONG, |state| (state["bell"]["sounding"] == true).then_some(()));
        hall.lift();
        let answer = phone.put_through(&mut talk);
        both_ways(&mut rtp, answer.rtp().expect("where the sound goes"), &hall, -19.0);
        hall.hang_up();
        phone.is_hung_up(&talk);
        // And the other way round.
        exchange.line_is("fxs1", "idle", LONG);
        hall.lift();
        hall.until_tone(&[350.0, 440.0], LONG);
        hall.press("201");
        let invite = phone.called();
        let talk = phone.pick_up(&invite, &sdp(rtp.at, "sendrecv", 1));
        exchange.line_is("fxs1", "talking", LONG);
        both_ways(&mut rtp, invite.rtp().expect("where the sound goes"), &hall, -19.0);
        phone.hang_up(&talk);
    });
}

#[test]
fn a_bad_network_is_mended() {
    measured(|| {
        let exchange = exchange();
        let (phone, mut rtp) = (phone(&exchange), Rtp::open());
        let office = AnalogPort::office(&exchange, FXO1);
        let (talk, to) = call_out(&exchange, &phone, &rtp);
        // 5 % are lost, one in seven comes after the next.
        let network_conditions = |n: u32| match n {
            n if n % 20 == 13 => Fate::Lost,
            n if n % 7 == 3 => Fate::Late(Duration::from_millis(30)),
            _ => Fate::Arrives,
        };
        let mut rounds = 0;
        loop {
            let since = office.now();
            let said = rtp.talk(to, &sound::sine(1000.0, 6000, -16.0), network_conditions);
            rounds += 1;
            let tone = office.hear(since, 5500);
            let begin = sound::tone_begins(&tone, &[1000.0], -20.0);
            let begin = begin.unwrap_or_else(|| panic!("the line hears {}", sound::describe(&tone)));
            let tone = &tone[begin + 800..begin + 4800 * 8];
            let (gap, level) = (sound::longest_gap_ms(tone), sound::level_of(tone, 1000.0));
            // What was lost is made up for by more of the same: nearly all of the tone is there.
            let good = tone.chunks_exact(160).filter(|part| sound::level(part) > -22.0).count();
            let all = tone.len() / 160;
            println!(
                "with loss and reorder the longest hole is {gap:.1} ms, {good} of {all} pieces of 20 ms are loud, the tone has \
             {level:.1} dBm0; we were {:?} late",
                said.held_up
            );
            if gap <= 60.0 && good * 100 >= all * 97 {
                break;
            }
            // A machine that holds up the speaker makes holes that no exchange can repair.
            let held_up = said.held_up > Duration::from_millis(25);
            assert!(held_up && rounds < 3, "a hole of {gap:.1} ms: {}", sound::describe(tone));
        }
        phone.hang_up(&talk);
        let cdr = exchange.last_cdr();
        let lost = cdr["a"]["lost"].as_u64().unwrap_or_default();
        let all = 15 * rounds;
        assert!(lost.abs_diff(all) <= 5, "{all} packets were lost, the record says {lost}: {cdr}");
    });
}
