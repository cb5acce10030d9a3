//! Telephones on jacks through a real exchange: what is heard in the earpiece, what rings, what a call sounds like.

use std::time::Duration;

use ringtrip_testkit::analog::{AnalogPort, minimodem, speaks_to};
use ringtrip_testkit::live::{Daemon, has, measured};
use ringtrip_testkit::sound;
use serde_json::json;

/// Three telephones, 101 to 103, and settings of the first two.
fn exchange(region: &str, fxs1: &str, fxs2: &str) -> Daemon {
    Daemon::start(&format!(
        r#"
region = "{region}"
default_plan = "home"

[plans]
home = "(1xxS0|5xxS0|900!|xxxx)"
hot = "(S0<:102>)"

[extension.101]
name = "HALL TELEPHONE"
line = "fxs1"
[extension.102]
line = "fxs2"
[extension.103]
line = "fxs3"

[line.fxs1]
kind = "fxs"
port = "virtual:0"
{fxs1}
[line.fxs2]
kind = "fxs"
port = "virtual:1"
{fxs2}
[line.fxs3]
kind = "fxs"
port = "virtual:2"
plan = "hot"

[sip]
listen = ["udp:127.0.0.1:SIP_PORT"]
"#
    ))
}

const LONG: Duration = Duration::from_secs(20);
const DIAL: [f64; 2] = [350.0, 440.0];

/// What a region sounds like, from the documents of its administration and not from our tables.
struct Sounds {
    ring_back: [f64; 2],
    busy: (&'static [f64], u32),
    reorder: (&'static [f64], Option<u32>),
    /// Ring cadence in ms, from the first burst.
    ring: &'static [u32],
}

const US: Sounds = Sounds {
    ring_back: [440.0, 480.0],
    busy: (&[480.0, 620.0], 500),
    reorder: (&[480.0, 620.0], Some(250)),
    ring: &[2000, 4000],
};
const UK: Sounds = Sounds {
    ring_back: [400.0, 450.0],
    busy: (&[400.0], 375),
    // Number unobtainable: a steady tone.
    reorder: (&[400.0], None),
    ring: &[400, 200, 400, 2000],
};

fn near(what: &str, got: f64, wanted: f64, by: f64) {
    assert!((got - wanted).abs() <= by, "{what} is {got:.1}, not {wanted:.1} ± {by}");
}

fn dial_tone(region: &str) {
    let exchange = exchange(region, "", "");
    let hall = AnalogPort::telephone(&exchange, 0);
    let mut best = f64::MAX;
    for _ in 0..5 {
        let lifted = hall.lift();
        let heard = hall.hear(lifted, 800);
        let begin = sound::tone_begins(&heard, &DIAL, -30.0);
        let begin = begin.unwrap_or_else(|| panic!("no dial tone but {}", sound::describe(&heard)));
        best = best.min(begin as f64 / 8.0);
        // It goes when a key is pressed.
        let pressed = hall.now();
        hall.press("1");
        let heard = hall.hear(pressed, 600);
        let left = sound::level_of(&heard[300 * 8..], 350.0);
        assert!(left < -50.0, "dial tone of {left:.0} dBm0 after a key: {}", sound::describe(&heard));
        hall.hang_up();
        exchange.line_is("fxs1", "idle", LONG);
    }
    println!("{region}: dial tone {best:.0} ms after the handset is lifted");
    assert!(best <= 200.0, "dial tone comes {best:.0} ms after the handset is lifted");
    let tone = {
        hall.lift();
        let begin = hall.until_tone(&DIAL, LONG);
        hall.hear(begin + 800, 1000)
    };
    // GR-506 and SIN 350.
    let (low, high) = if region == "uk" { (-22.0, -18.0) } else { (-13.0, -13.0) };
    near("350 Hz", sound::level_of(&tone, 350.0), low, 0.5);
    near("440 Hz", sound::level_of(&tone, 440.0), high, 0.5);
    assert!(sound::longest_gap_ms(&tone) < 5.0);
}

#[test]
fn dial_tone_in_the_us() {
    measured(|| {
        dial_tone("us");
    });
}

#[test]
fn dial_tone_in_the_uk() {
    measured(|| {
        dial_tone("uk");
    });
}

/// On and off times of the bell in ms, by the board's own clock, until it has sounded so often.
fn ringing(telephone: &AnalogPort<'_>, edges: usize) -> Vec<u32> {
    let mut times: Vec<u64> = Vec::new();
    let mut was = false;
    telephone.until("ringing", Duration::from_secs(40), |state| {
        let (now, heard) = (state["bell"]["sounding"] == true, state["heard"].as_u64()?);
        if now != was {
            times.push(heard / 8);
            was = now;
        }
        (times.len() > edges).then_some(())
    });
    times.windows(2).map(|w| (w[1] - w[0]) as u32).collect()
}

fn call(region: &str, sounds: &Sounds, how: &str) {
    let exchange =
        exchange(region, "reorder_delay = \"1s\"", "cpc_delay = \"500ms\"\ncpc_duration = \"400ms\"");
    let (hall, kitchen) = (AnalogPort::telephone(&exchange, 0), AnalogPort::telephone(&exchange, 1));
    hall.lift();
    hall.until_tone(&DIAL, LONG);
    let before = kitchen.now();
    hall.act("press", json!({ "keys": "102", "how": how }));
    let cadence = ringing(&kitchen, sounds.ring.len() + 1);
    for (got, wanted) in cadence.iter().zip(sounds.ring) {
        assert!(got.abs_diff(*wanted) <= 200, "the bell rings {cadence:?}, not {:?}", sounds.ring);
    }
    hall.until_tone(&sounds.ring_back, LONG);

    let display = kitchen
        .until("caller ID", LONG, |state| state["display"].as_array().filter(|all| !all.is_empty()).cloned());
    assert_eq!((&display[0]["number"], &display[0]["name"]), (&json!("101"), &json!("HALL TELEPHONE")));
    if has("minimodem") {
        let ms = (kitchen.now() - before) / 8;
        let heard = kitchen.hear(before, u32::try_from(ms).expect("seconds"));
        let read = minimodem(region, &heard, exchange.dir.path());
        for wanted in ["101", "HALL TELEPHONE"] {
            assert!(read.contains(wanted), "minimodem reads {read:?} in {}", sound::describe(&heard));
        }
    }

    kitchen.lift();
    exchange.line_is("fxs1", "talking", LONG);
    exchange.line_is("fxs2", "talking", LONG);
    // A telephone loses 3 dB each way.
    speaks_to(&hall, &kitchen, -22.0);
    speaks_to(&kitchen, &hall, -22.0);

    // The called one hangs up: the caller hears silence and then reorder.
    let since = hall.now();
    kitchen.hang_up();
    let reorder = hall.until_tone(sounds.reorder.0, LONG);
    // A break is a hang-up when it is longer than a flash, 900 ms; and then `reorder_delay`.
    near("reorder after, ms,", (reorder - since) as f64 / 8.0, 1900.0, 400.0);
    hall.hang_up();
    exchange.line_is("fxs1", "idle", LONG);
    let cdr = exchange.last_cdr();
    assert_eq!((&cdr["cause"], &cdr["ended_by"]), (&json!("normal"), &json!("b")), "{cdr}");
    assert_eq!((&cdr["dialled"], &cdr["target"]), (&json!("102"), &json!("fxs2")), "{cdr}");
    for end in ["a", "b"] {
        let frames = cdr[end]["received"].as_u64().unwrap_or_default();
        assert!(frames > 300, "{end} received {frames} frames: {cdr}");
    }

    // Now the caller hangs up: the kitchen's line is broken for a moment, then there is dial tone.
    kitchen.lift();
    kitchen.until_tone(&DIAL, LONG);
    kitchen.press("101");
    hall.until("the bell", LONG, |state| (state["bell"]["sounding"] == true).then_some(()));
    hall.lift();
    exchange.line_is("fxs2", "talking", LONG);
    hall.hang_up();
    kitchen.until("no battery", LONG, |state| (state["volts"] == 0.0).then_some(()));
    kitchen.until_tone(&DIAL, LONG);
}

#[test]
#[cfg_attr(not(has_minimodem), ignore = "needs minimodem")]
fn a_call_by_dtmf_in_the_us() {
    measured(|| {
        call("us", &US, "dtmf");
    });
}

#[test]
#[cfg_attr(not(has_minimodem), ignore = "needs minimodem")]
fn a_call_by_pulses_in_the_uk() {
    measured(|| {
        call("uk", &UK, "pulse");
    });
}

/// These tones and this rhythm are heard.
#[track_caller]
fn rhythm(telephone: &AnalogPort<'_>, hz: &[f64], on_off: Option<u32>) {
    telephone.until_tone(hz, LONG);
    let heard = telephone.listen(3000);
    match on_off {
        Some(ms) => {
            let cadence = sound::cadence(&heard, hz);
            // What is cut off at the beginning is no measure.
            let inner = cadence.get(1..).unwrap_or_default();
            let right = inner.len() >= 3 && inner.iter().all(|got| got.abs_diff(ms) <= 30);
            assert!(right, "{hz:?} in {cadence:?}, not {ms}/{ms}: {}", sound::describe(&heard));
        }
        None => assert!(sound::is_tone(&heard, hz, -30.0), "{}", sound::describe(&heard)),
    }
}

fn refusals(region: &str, sounds: &Sounds) {
    let exchange = exchange(region, "", "");
    let (hall, kitchen) = (AnalogPort::telephone(&exchange, 0), AnalogPort::telephone(&exchange, 1));
    kitchen.lift();
    for (why, keys, (hz, on_off), state) in [
        ("busy", "102", (sounds.busy.0, Some(sounds.busy.1)), "busy"),
        ("no plan", "777#", sounds.reorder, "reorder"),
        ("barred", "900", sounds.reorder, "reorder"),
        ("no such number", "555", sounds.reorder, "reorder"),
    ] {
        println!("{region}: {why}");
        hall.lift();
        hall.until_tone(&DIAL, LONG);
        hall.press(keys);
        exchange.line_is("fxs1", state, LONG);
        rhythm(&hall, hz, on_off);
        hall.hang_up();
        exchange.line_is("fxs1", "idle", LONG);
    }
}

#[test]
fn busy_and_reorder_in_the_us() {
    measured(|| {
        refusals("us", &US);
    });
}

#[test]
fn busy_and_reorder_in_the_uk() {
    measured(|| {
        refusals("uk", &UK);
    });
}

#[test]
fn a_handset_left_off_is_warned_in_the_end() {
    measured(|| {
        let exchange = exchange("us", "", "");
        let hall = AnalogPort::telephone(&exchange, 0);
        hall.lift();
        let began = hall.until_tone(&DIAL, LONG);
        let reorder = hall.until_tone(&[480.0, 620.0], LONG);
        near("dial tone, ms,", (reorder - began) as f64 / 8.0, 10_000.0, 500.0);
        exchange.line_is("fxs1", "off-hook-warning", LONG);
        let warning = hall.listen(1500);
        // GR-506: four tones, 0.1 s on and off.
        let roh = [1400.0, 2060.0, 2450.0, 2600.0];
        let cadence = sound::cadence(&warning, &roh);
        assert!(cadence.iter().skip(1).all(|ms| ms.abs_diff(100) <= 30) && cadence.len() > 5, "{cadence:?}");
        let loudest = warning.chunks(800).max_by(|a, b| sound::level(a).total_cmp(&sound::level(b)));
        for hz in roh {
            let level = sound::level_of(loudest.unwrap_or_default(), hz);
            assert!(level > -16.0, "{hz} Hz of {level:.1} dBm0: {}", sound::describe(&warning));
        }
        assert!(sound::level(&warning) > -10.0, "it is too quiet: {:.1} dBm0", sound::level(&warning));
    });
}

#[test]
fn a_hot_line_calls_when_lifted() {
    measured(|| {
        let exchange = exchange("us", "", "");
        let (hot, kitchen) = (AnalogPort::telephone(&exchange, 2), AnalogPort::telephone(&exchange, 1));
        hot.lift();
        kitchen.until("the bell", LONG, |state| (state["bell"]["sounding"] == true).then_some(()));
        kitchen.lift();
        exchange.line_is("fxs3", "talking", LONG);
        let since = kitchen.now();
        hot.speak(1000.0, 1000);
        let heard = kitchen.hear(since, 2000);
        assert!(sound::tone_begins(&heard, &[1000.0], -25.0).is_some(), "{}", sound::describe(&heard));
        hot.hang_up();
        let cdr = exchange.last_cdr();
        assert_eq!((&cdr["cause"], &cdr["ended_by"]), (&json!("normal"), &json!("a")), "{cdr}");
    });
}
