//! The landline through a real exchange and a virtual central office: calls out, calls in, and every way in which an
//! office says that the far end has gone.

use std::time::Duration;

use ringtrip_testkit::analog::{AnalogPort, minimodem, multimon, speaks_to};
use ringtrip_testkit::live::{Daemon, has, measured, wait};
use ringtrip_testkit::sound;
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(20);
const DIAL: [f64; 2] = [350.0, 440.0];
/// The office's ends of the two landlines.
const FXO1: u16 = 3;
const FXO2: u16 = 4;

/// Three telephones and two landlines; the first has these settings.
fn exchange(region: &str, fxo1: &str) -> Daemon {
    Daemon::start(&format!(
        r#"
region = "{region}"
default_plan = "home"

[plans]
home = "(1xxS0|<9,:>xx.<:@gw0>)"

[extension.101]
line = "fxs1"
[extension.102]
line = "fxs2"
[extension.103]
line = "fxs3"

[line.fxs1]
kind = "fxs"
port = "virtual:0"
[line.fxs2]
kind = "fxs"
port = "virtual:1"
[line.fxs3]
kind = "fxs"
port = "virtual:2"
[line.fxo1]
kind = "fxo"
port = "virtual:3"
ring_through = ["101"]
{fxo1}
[line.fxo2]
kind = "fxo"
port = "virtual:4"

[board.virtual]
settings = {{ fxs = 3, fxo = 2, region = "{region}", office = {{ default = {{ does = "answer", says = "silence" }} }} }}

[sip]
listen = ["udp:127.0.0.1:SIP_PORT"]
"#
    ))
}

/// Somebody who answers on request, and says nothing otherwise.
fn subscriber(exchange: &Daemon, number: &str) {
    let fields = json!({ "number": number, "does": "answer", "rings": 50, "says": "silence" });
    exchange.sim("office.subscriber", fields);
}

/// Dials and waits until the office has all digits.
#[track_caller]
fn dial_out(from: &AnalogPort<'_>, office: &AnalogPort<'_>, number: &str) {
    from.lift();
    from.until_tone(&DIAL, LONG);
    from.press(&format!("9{number}#"));
    office.until(&format!("{number} at the office"), LONG, |state| {
        (state["digits"] == number && state["office"] == "ringback").then_some(())
    });
}

fn last_disconnect(exchange: &Daemon, line: &str) -> String {
    exchange.get(&format!("/lines/{line}"))["last_disconnect"].as_str().unwrap_or_default().to_owned()
}

#[test]
#[cfg_attr(not(has_multimon), ignore = "needs multimon-ng")]
fn a_telephone_calls_out() {
    measured(|| {
        let exchange = exchange("us", "");
        let (hall, office) = (AnalogPort::telephone(&exchange, 0), AnalogPort::office(&exchange, FXO1));
        let number = "2125550147";
        subscriber(&exchange, number);
        dial_out(&hall, &office, number);
        if has("multimon-ng") {
            let since_seized = office.hear(0, u32::try_from(office.now() / 8).expect("seconds"));
            assert_eq!(
                multimon(&since_seized, exchange.dir.path()),
                number,
                "{}",
                sound::describe(&since_seized)
            );
        }
        hall.until_tone(&[440.0, 480.0], LONG);
        office.act("office.answer", json!({}));
        exchange.line_is("fxo1", "talking", LONG);
        exchange.line_is("fxs1", "talking", LONG);
        let line = exchange.get("/lines/fxo1");
        let shown = (&line["call_type"], &line["pstn_state"], &line["last_number"]);
        assert_eq!(shown, (&json!("Line 1 To PSTN Gateway"), &json!("Connected"), &json!(number)), "{line}");
        // The last of the ringback.
        hall.listen(500);
        speaks_to(&hall, &office, -19.0);
        speaks_to(&office, &hall, -19.0);
        // What is pressed in the conversation reaches the office as it is.
        hall.press("159");
        office.until("keys", LONG, |state| (state["keys"] == "159").then_some(()));
        hall.hang_up();
        office.until("the release", LONG, |state| (state["office"] == "idle").then_some(()));
        exchange.line_is("fxo1", "idle", LONG);
        let cdr = exchange.last_cdr();
        assert_eq!((&cdr["cause"], &cdr["ended_by"]), (&json!("normal"), &json!("a")), "{cdr}");
        assert_eq!((&cdr["target"], &cdr["sent"]), (&json!("fxo1"), &json!(number)), "{cdr}");
        assert_eq!(last_disconnect(&exchange, "fxo1"), "VoIP Call Ended");
    });
}

#[test]
#[cfg_attr(not(has_multimon), ignore = "needs multimon-ng")]
fn a_telephone_calls_out_by_pulses() {
    measured(|| {
        let exchange = exchange("uk", "dial_by = \"pulse\"");
        let (hall, office) = (AnalogPort::telephone(&exchange, 0), AnalogPort::office(&exchange, FXO1));
        subscriber(&exchange, "1307");
        dial_out(&hall, &office, "1307");
        assert_eq!(office.state()["office"], "ringback");
        if has("multimon-ng") {
            let since_seized = office.hear(0, u32::try_from(office.now() / 8).expect("seconds"));
            assert_eq!(
                multimon(&since_seized, exchange.dir.path()),
                "",
                "tones were heard where pulses were asked for"
            );
        }
    });
}

/// The office calls, the hall rings and shows who it is, and lifts.
#[track_caller]
fn call_in(exchange: &Daemon, region: &str) {
    let (hall, office) = (AnalogPort::telephone(exchange, 0), AnalogPort::office(exchange, FXO1));
    let shown = hall.state()["display"].as_array().map_or(0, Vec::len);
    let before = hall.now();
    office.act("office.call", json!({ "number": "2025550123", "name": "ADA LOVELACE" }));
    let displayed = hall.until("caller ID", Duration::from_secs(40), |state| {
        state["display"].as_array()?.get(shown).cloned()
    });
    assert_eq!(
        (&displayed["number"], &displayed["name"]),
        (&json!("2025550123"), &json!("ADA LOVELACE")),
        "{displayed}"
    );
    if has("minimodem") {
        let ms = u32::try_from((hall.now() - before) / 8).expect("seconds");
        let heard = hall.hear(before, ms);
        let read = minimodem(region, &heard, exchange.dir.path());
        for wanted in ["2025550123", "ADA LOVELACE"] {
            assert!(read.contains(wanted), "minimodem reads {read:?} in {}", sound::describe(&heard));
        }
    }
    hall.until("the bell", LONG, |state| (state["bell"]["sounding"] == true).then_some(()));
    let calls = exchange.get("/calls");
    assert_eq!((&calls[0]["from"], &calls[0]["caller"]), (&json!("fxo1"), &json!("2025550123")), "{calls}");
    hall.lift();
    exchange.line_is("fxo1", "talking", LONG);
    office.until("the answer", LONG, |state| (state["office"] == "talking").then_some(()));
}

/// The far end goes in this way; the exchange must notice and say so.
#[track_caller]
fn ends(exchange: &Daemon, how: &str, words: &str) {
    let (hall, office) = (AnalogPort::telephone(exchange, 0), AnalogPort::office(exchange, FXO1));
    office.act("office.hangup", json!({ "how": how }));
    exchange.line_is("fxo1", "idle", LONG);
    let cdr = exchange.last_cdr();
    assert_eq!((&cdr["cause"], &cdr["ended_by"]), (&json!(how), &json!("a")), "{cdr}");
    assert_eq!((&cdr["source"]["name"], &cdr["target"]), (&json!("fxo1"), &json!("fxs1")), "{cdr}");
    assert_eq!(cdr["caller"]["number"], "2025550123", "{cdr}");
    assert_eq!(last_disconnect(exchange, "fxo1"), words);
    hall.hang_up();
    exchange.line_is("fxs1", "idle", LONG);
    office.until("the release", LONG, |state| (state["office"] == "idle").then_some(()));
}

fn calls_in(region: &str) {
    let exchange = exchange(region, "");
    let (hall, office) = (AnalogPort::telephone(&exchange, 0), AnalogPort::office(&exchange, FXO1));
    call_in(&exchange, region);
    speaks_to(&office, &hall, -19.0);
    speaks_to(&hall, &office, -19.0);
    ends(&exchange, "cpc", "CPC Signal");
    call_in(&exchange, region);
    // What the polarity does in the moment of the answer is no hang-up.
    hall.listen(1000);
    ends(&exchange, "reversal", "Polarity Reversal");
}

#[test]
#[cfg_attr(not(has_minimodem), ignore = "needs minimodem")]
fn a_call_comes_in_and_ends_by_battery_and_polarity_in_the_us() {
    measured(|| {
        calls_in("us");
    });
}

#[test]
#[cfg_attr(not(has_minimodem), ignore = "needs minimodem")]
fn a_call_comes_in_and_ends_by_battery_and_polarity_in_the_uk() {
    measured(|| {
        calls_in("uk");
    });
}

#[test]
#[cfg_attr(not(has_minimodem), ignore = "needs minimodem")]
fn a_call_that_came_in_ends_by_tone() {
    measured(|| {
        for region in ["us", "uk"] {
            let exchange = exchange(region, "");
            call_in(&exchange, region);
            ends(&exchange, "tone", "PSTN Disconnect Tone");
        }
    });
}

#[test]
#[cfg_attr(not(has_minimodem), ignore = "needs minimodem")]
fn a_call_that_came_in_ends_by_silence() {
    measured(|| {
        let exchange = exchange("us", "long_silence = \"3s\"");
        call_in(&exchange, "us");
        // As long as somebody speaks nothing ends.
        AnalogPort::office(&exchange, FXO1).speak(700.0, 5000);
        AnalogPort::telephone(&exchange, 0).listen(4500);
        assert_eq!(exchange.get("/lines/fxo1")["state"], "talking");
        ends(&exchange, "silence", "PSTN Activity Timeout");
    });
}

#[test]
fn the_far_end_of_a_call_out_goes() {
    measured(|| {
        let exchange = exchange("us", "");
        let (hall, office) = (AnalogPort::telephone(&exchange, 0), AnalogPort::office(&exchange, FXO1));
        subscriber(&exchange, "5550199");
        for how in ["cpc", "tone"] {
            dial_out(&hall, &office, "5550199");
            office.act("office.answer", json!({}));
            exchange.line_is("fxo1", "talking", LONG);
            office.act("office.hangup", json!({ "how": how }));
            exchange.line_is("fxo1", "idle", LONG);
            let cdr = exchange.last_cdr();
            assert_eq!((&cdr["cause"], &cdr["ended_by"]), (&json!(how), &json!("b")), "{cdr}");
            // The telephone hears it after `reorder_delay`.
            hall.until_tone(&[480.0, 620.0], LONG);
            hall.hang_up();
            exchange.line_is("fxs1", "idle", LONG);
            office.until("the release", LONG, |state| (state["office"] == "idle").then_some(()));
        }
    });
}

#[test]
fn a_caller_gives_up() {
    measured(|| {
        let exchange = exchange("us", "");
        let (hall, office) = (AnalogPort::telephone(&exchange, 0), AnalogPort::office(&exchange, FXO1));
        office.act("office.call", json!({ "number": "2025550123" }));
        hall.until("the bell", LONG, |state| (state["bell"]["sounding"] == true).then_some(()));
        office.act("office.hangup", json!({ "how": "silence" }));
        exchange.line_is("fxo1", "idle", LONG);
        exchange.line_is("fxs1", "idle", LONG);
        let cdr = exchange.last_cdr();
        assert_eq!((&cdr["cause"], &cdr["answered_after_us"]), (&json!("cancelled"), &Value::Null), "{cdr}");
        assert_eq!(last_disconnect(&exchange, "fxo1"), "Caller Gave Up");
        hall.until("a silent bell", LONG, |state| (state["bell"]["sounding"] == false).then_some(()));
    });
}

#[test]
fn all_landlines_are_busy() {
    measured(|| {
        let exchange = exchange("us", "");
        let telephones = [0, 1, 2].map(|port| AnalogPort::telephone(&exchange, port));
        subscriber(&exchange, "5550199");
        dial_out(&telephones[0], &AnalogPort::office(&exchange, FXO1), "5550199");
        dial_out(&telephones[1], &AnalogPort::office(&exchange, FXO2), "5550199");
        telephones[2].lift();
        telephones[2].until_tone(&DIAL, LONG);
        telephones[2].press("95550199#");
        exchange.line_is("fxs3", "congestion", LONG);
        telephones[2].until_tone(&[480.0, 620.0], LONG);
        let heard = telephones[2].listen(2500);
        let cadence = sound::cadence(&heard, &[480.0, 620.0]);
        let inner = cadence.get(1..).unwrap_or_default();
        assert!(inner.len() >= 4 && inner.iter().all(|ms| ms.abs_diff(250) <= 30), "{cadence:?}");
        assert_eq!(exchange.last_cdr()["cause"], "congestion");
    });
}

#[test]
fn a_landline_is_unplugged_and_plugged_in_again() {
    measured(|| {
        let exchange = exchange("us", "");
        let (hall, office) = (AnalogPort::telephone(&exchange, 0), AnalogPort::office(&exchange, FXO1));
        subscriber(&exchange, "5550199");
        office.act("office.battery", json!({ "on": false }));
        exchange.line_is("fxo1", "no-battery", LONG);
        // A call out takes the other line meanwhile.
        dial_out(&hall, &AnalogPort::office(&exchange, FXO2), "5550199");
        hall.hang_up();
        exchange.line_is("fxo2", "idle", LONG);
        office.act("office.battery", json!({ "on": true }));
        exchange.line_is("fxo1", "idle", LONG);
        dial_out(&hall, &office, "5550199");
        // Cut off in the middle of a call: that ends it.
        office.act("office.answer", json!({}));
        exchange.line_is("fxo1", "talking", LONG);
        office.act("office.battery", json!({ "on": false }));
        exchange.line_is("fxo1", "no-battery", LONG);
        let cdr =
            wait("the end of the call", LONG, || Some(exchange.last_cdr()).filter(|c| c["cause"] == "cpc"));
        assert_eq!(cdr["target"], "fxo1", "{cdr}");
    });
}
