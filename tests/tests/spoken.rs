//! What the exchange itself says and asks, and what it records, through a real daemon and a virtual board: spoken
//! reasons, a PIN and a number from the landline, a recording of both sides.

use std::time::Duration;

use ringtrip_testkit::analog::AnalogPort;
use ringtrip_testkit::live::{Daemon, measured, wait};
use ringtrip_testkit::sound;
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(20);
const DIAL: [f64; 2] = [350.0, 440.0];
const REORDER: [f64; 2] = [480.0, 620.0];
/// The office's end of the landline.
const FXO1: u16 = 2;

/// Two telephones, a landline that the exchange answers after a second, and this script.
fn exchange(script: &str) -> Daemon {
    let daemon = Daemon::start(
        r#"
region = "us"
default_plan = "home"
script = "scripts/test.rhai"

[plans]
home = "(1xxS0|<9,:>xx.<:@gw0>)"

[pin.anna]
code = "4711"

[extension.101]
line = "fxs1"
[extension.102]
line = "fxs2"

[line.fxs1]
kind = "fxs"
port = "virtual:0"
[line.fxs2]
kind = "fxs"
port = "virtual:1"
[line.fxo1]
kind = "fxo"
port = "virtual:2"
answer = ["101"]
answer_delay = "1s"

[board.virtual]
settings = { fxs = 2, fxo = 1, region = "us", office = { default = { does = "answer", says = "silence" } } }

[sip]
listen = ["udp:127.0.0.1:SIP_PORT"]
"#,
    );
    let (status, text) = daemon.send("PUT", "/scripts/test.rhai", "text/plain", script.as_bytes());
    assert!(status < 300, "{status} {text}");
    daemon
}

/// Lifts and dials.
fn dial(from: &AnalogPort<'_>, keys: &str) {
    from.lift();
    from.until_tone(&DIAL, LONG);
    from.press(keys);
}

/// Is somebody speaking here? Speech is loud, never long a steady tone, and rises and falls with its syllables; a hiss or
/// a hum does not.
fn speech(heard: &[i16]) -> bool {
    let parts: Vec<&[i16]> = heard.chunks(800).collect();
    let tones = [&REORDER[..], &DIAL[..], &[440.0, 480.0][..], &[520.0, 620.0][..]];
    let loud = |part: &&&[i16]| sound::level(part) > -35.0;
    let free = |part: &&&[i16]| !tones.iter().any(|hz| sound::is_tone(part, hz, -40.0));
    let spoken: Vec<f64> = parts.iter().filter(loud).filter(free).map(|part| sound::level(part)).collect();
    let steps = spoken.windows(2).filter(|w| (w[1] - w[0]).abs() > 2.0).count();
    spoken.len() >= 8 && steps >= 3
}

#[test]
fn what_is_no_speech_is_not_taken_for_it() {
    measured(|| {
        assert!(!speech(&sound::sine(700.0, 4000, -16.0)));
        assert!(!speech(&[0; 32_000]));
        let mut x = 1u32;
        let hiss: Vec<i16> = (0..32_000)
            .map(|_| {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (x >> 20) as i16 - 2048
            })
            .collect();
        assert!(!speech(&hiss));
    });
}

/// Waits until something was said here and half a second of quiet followed: a wire carries both ways at once, and keys
/// are not heard well through our own voice.
#[track_caller]
fn said_whole(office: &AnalogPort<'_>, since: u64) {
    wait("an announcement", LONG, || {
        let heard = office.hear(since, u32::try_from((office.now() - since) / 8).ok()?);
        let end = heard.len().checked_sub(4_000)?;
        (speech(&heard[..end]) && sound::level(&heard[end..]) < -40.0).then_some(())
    });
}

/// Keys as a caller's telephone sends them, said into the office's end of the line.
fn far_keys(exchange: &Daemon, keys: &str) {
    AnalogPort::office(exchange, FXO1).says(&sound::keys(keys, 120, 120));
}

#[test]
fn a_refusal_is_spoken() {
    measured(|| {
        let exchange = exchange(
            r#"fn route(c) { if c.number != "102" { return pass(); } say("closed"); block("nobody is here") }"#,
        );
        let hall = AnalogPort::telephone(&exchange, 0);
        dial(&hall, "102");
        let since = hall.now();
        let end = hall.until_tone(&REORDER, LONG);
        let heard = hall.hear(since, u32::try_from(end.saturating_sub(since) / 8).expect("seconds"));
        assert!(speech(&heard), "{}", sound::describe(&heard));
        let cdr = exchange.last_cdr();
        assert_eq!((&cdr["cause"], &cdr["answered_after_us"]), (&json!("barred"), &Value::Null), "{cdr}");
    });
}

#[test]
fn a_pin_opens_the_landline_and_is_written_nowhere() {
    measured(|| {
        let script = r#"
fn route(c) {
    if c.from != "fxo1" { return pass(); }
    if c.pin == "" { return ask_pin("enter-pin"); }
    if c.dialled == "" { return ask_number(); }
    pass()
}
"#;
        let exchange = exchange(script);
        let (hall, office) = (AnalogPort::telephone(&exchange, 0), AnalogPort::office(&exchange, FXO1));
        let since = office.now();
        office.act("office.call", json!({ "number": "2025550123" }));
        office.until("the answer", LONG, |state| (state["office"] == "talking").then_some(()));
        said_whole(&office, since);
        // A wrong one is recognised, and asked for again.
        far_keys(&exchange, "1234#");
        let since = office.now();
        said_whole(&office, since);
        far_keys(&exchange, "4711#");
        // The prompt tone asks for the number.
        office.until_tone(&[520.0, 620.0], LONG);
        far_keys(&exchange, "101#");
        hall.until("the bell", LONG, |state| (state["bell"]["sounding"] == true).then_some(()));
        hall.lift();
        exchange.line_is("fxo1", "talking", LONG);
        hall.hang_up();
        let cdr = exchange.last_cdr();
        assert_eq!((&cdr["pin"], &cdr["dialled"]), (&json!("anna"), &json!("101")), "{cdr}");
        assert!(!cdr.to_string().contains("4711"), "{cdr}");
        assert!(!exchange.log().contains("4711"), "{}", exchange.log());
    });
}

#[test]
fn both_sides_are_recorded() {
    measured(|| {
        let exchange = exchange("fn route(c) { record(); pass() }");
        let (hall, kitchen) = (AnalogPort::telephone(&exchange, 0), AnalogPort::telephone(&exchange, 1));
        dial(&hall, "102");
        kitchen.until("the bell", LONG, |state| (state["bell"]["sounding"] == true).then_some(()));
        kitchen.lift();
        exchange.line_is("fxs1", "talking", LONG);
        hall.speak(700.0, 3000);
        kitchen.speak(1100.0, 3000);
        hall.listen(3500);
        hall.hang_up();
        kitchen.hang_up();
        let cdr = exchange.last_cdr();
        let call = cdr["call"].as_str().expect("a call").to_owned();
        assert_eq!(cdr["recording"], json!(format!("{call}.wav")), "{cdr}");
        // The file is closed a moment after the call.
        let stereo = wait("the recording", LONG, || {
            let (status, _) = exchange.try_get(&format!("/cdrs/{call}"));
            let bytes = exchange.get_bytes(&format!("/cdrs/{call}/recording"));
            let at = bytes.windows(4).position(|w| w == b"data")? + 8;
            let samples: Vec<i16> =
                bytes.get(at..)?.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
            (status == 200 && samples.len() >= 2 * 3 * sound::RATE).then_some(samples)
        });
        let side = |n: usize| -> Vec<i16> { stereo.chunks_exact(2).map(|pair| pair[n]).collect() };
        let heard = |samples: &[i16], hz: f64| {
            samples.chunks(1600).map(|part| sound::level_of(part, hz)).fold(-120.0, f64::max)
        };
        let (left, right) = (side(0), side(1));
        assert!(heard(&left, 700.0) > -20.0 && heard(&right, 1100.0) > -20.0, "{}", sound::describe(&left));
        assert!(heard(&left, 1100.0) < -35.0 && heard(&right, 700.0) < -35.0, "{}", sound::describe(&right));
        // Nobody but an administrator.
        let reader = exchange.post("/tokens", json!({ "name": "reader", "scope": "read" }));
        let bearer = format!("Bearer {}", reader["token"].as_str().expect("a token"));
        let path = format!("/cdrs/{call}/recording");
        let (status, _) = exchange.request("GET", &path, &[("Authorization", &bearer)], b"");
        assert_eq!(status, 403);
        assert_eq!(exchange.try_get("/cdrs/00000000000000ff/recording").0, 404);
    });
}
