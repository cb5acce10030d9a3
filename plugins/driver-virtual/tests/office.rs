//! FXO ports and the central office, in virtual time.

mod bench;

use bench::*;
use ringtrip_driver::{Command, Polarity, PortEvent};
use ringtrip_driver_virtual::sound::sine;
use ringtrip_media::callerid::{AlertDetector, FskReceiver, Received};
use ringtrip_media::dtmf::{DtmfGen, Sending};

const US: &str = r#"{"fxs":0,"fxo":1,"office":{"subscribers":[
    {"number":"5551000","does":"answer","rings":1,"says":{"tone":1500}},
    {"number":"5552","does":"busy"},
    {"number":"911","does":"answer","rings":0},
    {"number":"7xx","does":"announcement"},
    {"number":"8*","does":"congestion"},
    {"number":"600","does":"answer","rings":0,"says":"echo"}]}}"#;

fn keys(text: &str) -> Vec<i16> {
    let mut out = vec![0; text.len() * 1600 + 800];
    DtmfGen::new(text, Sending { on: 80, off: 80, ..Sending::default() }).fill(&mut out);
    out
}

fn state(b: &mut Bench) -> serde_json::Value {
    b.sim(r#"{"do":"state","port":0}"#)
}

/// Seizes and waits for dial tone.
fn seize(b: &mut Bench) {
    b.cmd(0, Command::Hook(true)).run(400);
    assert_eq!(state(b)["office"], "dial-tone");
    b.heard(0);
    b.run(400);
    let tone = b.heard(0);
    assert!(level_at(&tone, 350.0) > -22.0 && level_at(&tone, 440.0) > -25.0);
}

fn dial(b: &mut Bench, number: &str) {
    b.tx[0] = keys(number);
    let ms = b.tx[0].len() as u32 / 8;
    b.run(ms + 50);
}

#[test]
fn digits_are_decoded_from_the_sound_and_the_call_is_answered() {
    let mut b = bench(US);
    seize(&mut b);
    dial(&mut b, "5551000");
    let s = state(&mut b);
    assert_eq!((s["digits"].as_str(), s["office"].as_str()), (Some("5551000"), Some("ringback")));
    b.run(3000);
    b.heard(0);
    b.run(6000);
    assert_eq!(state(&mut b)["office"], "talking");
    b.heard(0);
    b.run(500);
    assert!((level_at(&b.heard(0), 1500.0) + 16.0).abs() < 1.0);
    // The office hears us, keys and all.
    b.tx[0] = sine(700.0, 300, -12.0);
    b.run(300);
    let total = b.ports.fxo[0].office.heard.total();
    let (_, heard) = b.ports.fxo[0].office.heard.since(total - 2400, 2400);
    assert!((level_at(&heard, 700.0) + 12.0).abs() < 0.5);
    dial(&mut b, "42#");
    assert_eq!(state(&mut b)["keys"], "42#");
    b.cmd(0, Command::Hook(false)).run(800);
    assert_eq!(state(&mut b)["office"], "idle");
}

#[test]
fn numbers_lead_where_the_table_says() {
    let cases = [
        ("5552", 100, "busy"),
        ("911", 100, "talking"),
        ("712", 100, "announcement"),
        ("71", 100, "collecting"),
        ("85", 100, "collecting"),
        ("85", 3200, "congestion"),
        ("85#", 100, "congestion"),
        ("999", 100, "collecting"),
        ("999", 3200, "ringback"),
    ];
    for (number, wait, expected) in cases {
        let mut b = bench(US);
        seize(&mut b);
        dial(&mut b, number);
        b.run(wait);
        assert_eq!(state(&mut b)["office"], expected, "{number} after {wait} ms");
    }
}

#[test]
fn busy_tone_has_its_frequencies() {
    let mut b = bench(US);
    seize(&mut b);
    dial(&mut b, "5552");
    b.heard(0);
    b.run(2000);
    let tone = b.heard(0);
    assert!(peak_at(&tone, 480.0) > -26.0 && peak_at(&tone, 620.0) > -26.0);
    assert!(tone.chunks(400).any(|c| level_at(c, 480.0) < -60.0), "and pauses");
}

#[test]
fn pulses_are_decoded_from_the_loop() {
    let mut b = bench(US);
    seize(&mut b);
    b.cmd(0, Command::Pulse { digits: "5552".into(), make_ms: 0, break_ms: 0, gap_ms: 0 }).run(6000);
    let s = state(&mut b);
    assert_eq!((s["digits"].as_str(), s["office"].as_str()), (Some("5552"), Some("busy")));
    assert_eq!(b.take(0), [], "our own loop breaks are not reported as the office's");
}

#[test]
fn hook_flash_reaches_the_office() {
    let mut b = bench(US);
    seize(&mut b);
    dial(&mut b, "911");
    b.cmd(0, Command::Flash(250)).run(500);
    let s = state(&mut b);
    assert_eq!((s["flashes"].as_u64(), s["office"].as_str()), (Some(1), Some("talking")));
}

#[test]
fn the_far_end_hangs_up_in_four_ways() {
    for (how, expected, seen) in [
        ("cpc", "cleared-cpc", vec![PortEvent::Cpc(200)]),
        ("reversal", "cleared-reversal", vec![PortEvent::Polarity(Polarity::Reverse)]),
        ("tone", "cleared-tone", vec![]),
        ("silence", "cleared-silence", vec![]),
    ] {
        let mut b = bench(US);
        seize(&mut b);
        dial(&mut b, "911");
        assert_eq!(state(&mut b)["office"], "talking");
        b.take(0);
        b.sim(&format!(r#"{{"do":"office.hangup","port":0,"how":"{how}"}}"#));
        b.run(1000);
        assert_eq!(b.take(0), seen, "{how}");
        assert_eq!(state(&mut b)["office"], expected);
        b.heard(0);
        b.run(1000);
        let tone = peak_at(&b.heard(0), 480.0);
        assert_eq!(tone > -30.0, how == "tone", "{how}: {tone} dBm0");
        b.cmd(0, Command::Hook(false)).run(1000);
        assert_eq!(state(&mut b)["office"], "idle", "{how}");
    }
}

#[test]
fn cpc_shorter_than_configured_is_not_told() {
    let mut b =
        bench(r#"{"fxs":0,"fxo":1,"office":{"cpc_ms":100,"subscribers":[{"number":"1","rings":0}]}}"#);
    seize(&mut b);
    dial(&mut b, "1");
    b.sim(r#"{"do":"office.hangup","port":0}"#);
    b.run(1000);
    assert_eq!(b.take(0), []);
}

#[test]
fn a_us_call_rings_and_sends_caller_id_between_the_rings() {
    let mut b = bench(US);
    b.sim(
        r#"{"do":"office.call","port":0,"number":"2125550199","name":"BOB","rings":2,
            "when":{"month":11,"day":22,"hour":15,"minute":4}}"#,
    );
    b.run(6000);
    assert!(matches!(b.take(0)[..], [PortEvent::RingBegin(20), PortEvent::RingEnd(1950..=2010)]));
    let mut receiver = FskReceiver::new();
    let got = b.heard(0).chunks(80).find_map(|c| receiver.push(c));
    let Some(Received::Caller(caller)) = got else { panic!("{got:?}") };
    assert_eq!((caller.number.as_str(), caller.name.as_str()), ("2125550199", "BOB"));
    assert_eq!(caller.when.unwrap().day, 22);
    b.run(6000);
    assert_eq!(b.take(0).len(), 2);
    b.run(6000);
    assert_eq!(b.take(0), [], "two rings, then the caller gives up");
    assert_eq!(state(&mut b)["office"], "idle");
}

#[test]
fn a_uk_call_reverses_alerts_and_sends_v23_before_the_ring() {
    let mut b = bench(r#"{"fxs":0,"fxo":1,"region":"uk"}"#);
    b.sim(r#"{"do":"office.call","port":0,"number":"02079460000"}"#);
    b.run(2500);
    let seen = b.take(0);
    assert_eq!(
        seen[..3],
        [
            PortEvent::Polarity(Polarity::Reverse),
            PortEvent::Polarity(Polarity::Forward),
            PortEvent::RingBegin(25)
        ]
    );
    let sound = b.heard(0);
    let mut alert = AlertDetector::default();
    assert!(sound.chunks(80).any(|c| alert.push(c)));
    let mut receiver = FskReceiver::new();
    let got = sound.chunks(80).find_map(|c| receiver.push(c));
    assert!(matches!(&got, Some(Received::Caller(c)) if c.number == "02079460000"), "{got:?}");
}

#[test]
fn answering_stops_the_ringing() {
    for (name, at) in [("in a burst", 1000), ("in the gap", 2200), ("during caller ID", 3000)] {
        let mut b = bench(US);
        b.sim(r#"{"do":"office.call","port":0,"number":"5551000"}"#);
        b.run(at);
        b.cmd(0, Command::Hook(true)).run(200);
        let s = state(&mut b);
        assert_eq!((s["office"].as_str(), s["ringing"].as_bool()), (Some("talking"), Some(false)), "{name}");
        assert_eq!(
            b.refused(r#"{"do":"office.call","port":0}"#),
            "the line is in use (talking): a call can come in only while it is idle"
        );
    }
}

#[test]
fn glare_is_a_call_answered_by_whoever_wanted_to_dial() {
    let mut b = bench(US);
    b.sim(r#"{"do":"office.call","port":0,"number":"5551000"}"#);
    b.run(20);
    b.cmd(0, Command::Hook(true)).run(300);
    let s = state(&mut b);
    assert_eq!(s["office"], "talking");
    assert!(s["log"].to_string().contains("glare"), "{}", s["log"]);
    assert!(!b.take(0).contains(&PortEvent::RingBegin(20)));
}

#[test]
fn a_caller_who_gives_up_stops_the_ringing() {
    let mut b = bench(US);
    b.sim(r#"{"do":"office.call","port":0,"number":"5551000"}"#);
    b.run(1000);
    b.sim(r#"{"do":"office.hangup","port":0}"#);
    b.run(500);
    assert!(matches!(b.take(0)[..], [PortEvent::RingBegin(20), PortEvent::RingEnd(_)]));
    assert_eq!(state(&mut b)["office"], "idle");
}

#[test]
fn battery_is_lost_and_comes_back() {
    let mut b = bench(US);
    b.run(100);
    b.sim(r#"{"do":"office.battery","port":0,"on":false}"#);
    b.run(600);
    assert_eq!(b.take(0), [PortEvent::BatteryLost]);
    assert!(b.refused(r#"{"do":"office.call","port":0}"#).contains("cut"));
    b.sim(r#"{"do":"office.battery","port":0,"on":true}"#);
    b.run(200);
    assert_eq!(b.take(0), [PortEvent::BatteryOk]);
}

#[test]
fn a_parallel_telephone_is_seen_on_hook_and_off_hook() {
    let mut b = bench(US);
    b.run(100);
    b.sim(r#"{"do":"office.parallel","port":0,"up":true}"#);
    b.run(100);
    assert_eq!(b.take(0), [PortEvent::ExtPickup(true)]);
    b.sim(r#"{"do":"office.parallel","port":0,"up":false}"#);
    b.run(1000);
    assert_eq!(b.take(0), [PortEvent::ExtPickup(false)]);
    b.cmd(0, Command::Hook(true)).run(500);
    b.sim(r#"{"do":"office.parallel","port":0,"up":true}"#);
    b.run(100);
    assert_eq!(b.take(0), [PortEvent::ExtPickup(true)]);
}

#[test]
fn answer_reversal_marks_the_answer() {
    let mut b = bench(
        r#"{"fxs":0,"fxo":1,"office":{"answer_reversal":true,"subscribers":[{"number":"1","does":"no-answer"}]}}"#,
    );
    seize(&mut b);
    dial(&mut b, "1");
    b.run(1000);
    assert_eq!(b.take(0), []);
    b.sim(r#"{"do":"office.answer","port":0}"#);
    b.run(100);
    assert_eq!(b.take(0), [PortEvent::Polarity(Polarity::Reverse)]);
}

#[test]
fn echo_says_what_it_hears() {
    let mut b = bench(US);
    seize(&mut b);
    dial(&mut b, "600");
    b.heard(0);
    b.tx[0] = sine(800.0, 200, -10.0);
    b.run(450);
    assert!(level_at(&b.heard(0), 800.0) < -40.0);
    b.run(300);
    assert!(level_at(&b.heard(0), 800.0) > -16.0);
}

#[test]
fn a_line_taken_again_at_once_gets_dial_tone() {
    let mut b = bench(US);
    seize(&mut b);
    dial(&mut b, "911");
    b.sim(r#"{"do":"office.hangup","port":0,"how":"tone"}"#);
    b.run(1000);
    b.cmd(0, Command::Hook(false)).run(300);
    seize(&mut b);
    dial(&mut b, "5552");
    assert_eq!(state(&mut b)["office"], "busy");
}
