//! `[line.…]`: telephones and landlines. Each key is the SPA3102's parameter in lower case.

use ringtrip_config::{
    AnswerOn, CallerIdMethod, DialBy, DisconnectTone, FskStandard, Fxo, Fxs, Line, LineKind, Region, Ring,
    RingThrough,
};
use ringtrip_media::cadence::Cadence;
use ringtrip_media::tone::ToneMatch;
use ringtrip_model::board::Polarity;
use ringtrip_model::ids::{BoardId, LineId, PortRef};
use std::time::Duration;

use toml::de::DeValue;

use super::Names;
use super::parts::inbound;
use super::read::Section;
use super::routing;

pub(super) fn lines(root: &Section<'_, '_>, region: Region, names: &Names) -> Vec<Line> {
    let mut list = Vec::new();
    for (name, s) in root.sections("line") {
        let id = name
            .parse::<LineId>()
            .map_err(|why| s.error("", why.to_string(), "lines are called fxs1, fxo1, …"));
        let port = port(&s);
        #[derive(Clone, Copy)]
        enum Kind {
            Fxs,
            Fxo,
        }
        let kind = s.choice("kind", &[("fxs", Kind::Fxs), ("fxo", Kind::Fxo)]);
        if !s.has("kind") {
            s.error(
                "kind",
                "kind is missing".to_owned(),
                "expected kind = \"fxs\" for a telephone or kind = \"fxo\" for a landline",
            );
        }
        let plan = s.text("plan");
        let script = routing::script(&s, "script", names);
        let Some(kind) = kind else { continue };
        let kind = match kind {
            Kind::Fxs => LineKind::Fxs(fxs(&s, region)),
            Kind::Fxo => LineKind::Fxo(fxo(&s, region, names)),
        };
        s.done();
        if let (Ok(id), Some(port)) = (id, port) {
            list.push(Line { id, port, plan, script, kind });
        }
    }
    list
}

fn port(s: &Section<'_, '_>) -> Option<PortRef> {
    let hint = "expected \"virtual:0\": the board's name and its port, from 0";
    if !s.has("port") {
        s.error("port", "port is missing".to_owned(), hint);
        return None;
    }
    let text = s.text("port")?;
    let read = text.rsplit_once(':').and_then(|(board, port)| {
        Some(PortRef { board: board.parse::<BoardId>().ok()?, port: port.parse().ok()? })
    });
    if read.is_none() {
        s.error("port", format!("invalid port \"{text}\""), hint);
    }
    read
}

const METHODS: &[(&str, CallerIdMethod)] = &[
    ("off", CallerIdMethod::Off),
    ("bellcore", CallerIdMethod::Bellcore),
    ("etsi-reversal", CallerIdMethod::EtsiReversal),
    ("etsi", CallerIdMethod::Etsi),
];
const FSK: &[(&str, FskStandard)] = &[("bell202", FskStandard::Bell202), ("v23", FskStandard::V23)];
const POLARITIES: &[(&str, Polarity)] = &[("forward", Polarity::Forward), ("reverse", Polarity::Reverse)];

fn fxs(s: &Section<'_, '_>, region: Region) -> Fxs {
    let mut f = Fxs::of(region);
    s.time("hook_flash_min", &mut f.hook_flash_min);
    s.within("hook_flash_min", MS * 20, MS * 2000, f.hook_flash_min);
    s.time("hook_flash_max", &mut f.hook_flash_max);
    s.within("hook_flash_max", MS * 20, MS * 2000, f.hook_flash_max);
    s.time("interdigit_long", &mut f.interdigit_long);
    s.within("interdigit_long", MS * 100, MS * 600000, f.interdigit_long);
    s.time("interdigit_short", &mut f.interdigit_short);
    s.within("interdigit_short", Duration::ZERO, MS * 600000, f.interdigit_short);
    s.time("dial_tone", &mut f.dial_tone);
    s.within("dial_tone", MS * 1000, MS * 3600000, f.dial_tone);
    s.maybe_time("reorder_delay", &mut f.reorder_delay);
    s.maybe_within("reorder_delay", Duration::ZERO, MS * 3600000, f.reorder_delay);
    s.time("callee_on_hook_delay", &mut f.callee_on_hook_delay);
    s.within("callee_on_hook_delay", Duration::ZERO, MS * 3600000, f.callee_on_hook_delay);
    s.time("cpc_delay", &mut f.cpc_delay);
    s.within("cpc_delay", Duration::ZERO, MS * 3600000, f.cpc_delay);
    s.time("cpc_duration", &mut f.cpc_duration);
    s.within("cpc_duration", Duration::ZERO, MS * 1000, f.cpc_duration);
    take(&mut f.idle_polarity, s.choice("idle_polarity", POLARITIES));
    take(&mut f.caller_polarity, s.choice("caller_polarity", POLARITIES));
    take(&mut f.callee_polarity, s.choice("callee_polarity", POLARITIES));
    take(&mut f.caller_id, s.choice("caller_id", METHODS));
    take(&mut f.caller_id_fsk, s.choice("caller_id_fsk", FSK));
    s.number("default_ring", 1..=8, &mut f.default_ring);
    s.number("ring_hz", 10..=100, &mut f.ring_hz);
    s.time("dtmf_length", &mut f.dtmf_length);
    s.within("dtmf_length", MS * 20, MS * 2000, f.dtmf_length);
    s.decibels("gain_rx_db", &mut f.gain_rx_db);
    s.decibels("gain_tx_db", &mut f.gain_tx_db);
    let keys = ["ring1", "ring2", "ring3", "ring4", "ring5", "ring6", "ring7", "ring8"];
    for (key, ring) in keys.into_iter().zip(&mut f.rings) {
        take(ring, s.text(key).and_then(|script| cadence(s, key, &script)));
    }
    f
}

/// A CadScript: `60(2/4)`.
fn cadence(s: &Section<'_, '_>, key: &str, script: &str) -> Option<Ring> {
    match Cadence::parse(script) {
        Ok(cadence) => {
            // A ring generator repeats one section: what it could not do is not passed over.
            let wrong = if cadence.sections.len() > 1 {
                Some("a ring has one section")
            } else if cadence.pairs().iter().all(|(on, _)| *on == 0) {
                Some("it never rings")
            } else if cadence.pairs().iter().any(|(on, off)| *on > 60_000 || *off > 60_000) {
                Some("no ring or pause lasts more than 60 s")
            } else {
                None
            };
            if let Some(wrong) = wrong {
                s.error(
                    key,
                    wrong.to_owned(),
                    "expected a cadence such as \"60(2/4)\": for 60 s, 2 s on and 4 s off",
                );
                return None;
            }
            let length = cadence.lasts().unwrap_or(Duration::from_secs(3600));
            Some(Ring { cadence: cadence.pairs(), length })
        }
        Err(why) => {
            s.error(
                key,
                why.to_string(),
                "expected a cadence such as \"60(2/4)\": for 60 s, 2 s on and 4 s off",
            );
            None
        }
    }
}

fn fxo(s: &Section<'_, '_>, region: Region, names: &Names) -> Fxo {
    let mut f = Fxo::of(region);
    let mut delay = Duration::from_secs(5);
    s.time("ring_through_delay", &mut delay);
    s.within("ring_through_delay", Duration::ZERO, MS * 600000, delay);
    f.ring_through = inbound(s, "ring_through", names).map(|to| RingThrough { delay, to });
    s.time("answer_delay", &mut f.answer_delay);
    s.within("answer_delay", Duration::ZERO, MS * 600000, f.answer_delay);
    f.answer = inbound(s, "answer", names);
    s.time("ring_timeout", &mut f.ring_timeout);
    s.within("ring_timeout", MS * 100, MS * 600000, f.ring_timeout);
    take(&mut f.caller_id, s.choice("caller_id", METHODS));
    s.gone("caller_id_fsk", "a landline reads both standards, whichever comes");
    s.time("dialing_delay", &mut f.dialing_delay);
    s.within("dialing_delay", Duration::ZERO, MS * 60000, f.dialing_delay);
    s.maybe_time("wait_for_dial_tone", &mut f.wait_for_dial_tone);
    s.maybe_within("wait_for_dial_tone", MS * 100, MS * 60000, f.wait_for_dial_tone);
    take(&mut f.dial_by, s.choice("dial_by", &[("tone", DialBy::Tone), ("pulse", DialBy::Pulse)]));
    s.time("digit_on", &mut f.digit_on);
    s.within("digit_on", MS * 20, MS * 2000, f.digit_on);
    s.time("digit_off", &mut f.digit_off);
    s.within("digit_off", MS * 20, MS * 2000, f.digit_off);
    s.decibels("gain_rx_db", &mut f.gain_rx_db);
    s.decibels("gain_tx_db", &mut f.gain_tx_db);
    let answers = [
        ("seize", AnswerOn::Seize),
        ("dialed", AnswerOn::Dialed),
        ("polarity", AnswerOn::Polarity),
        ("voice", AnswerOn::Voice),
    ];
    take(&mut f.answer_on, s.choice("answer_on", &answers));
    s.maybe_time("min_cpc", &mut f.min_cpc);
    s.maybe_within("min_cpc", MS * 10, MS * 2000, f.min_cpc);
    s.flag("detect_reversal", &mut f.detect_reversal);
    s.maybe_time("long_silence", &mut f.long_silence);
    s.maybe_within("long_silence", MS * 1000, MS * 86400000, f.long_silence);
    f.disconnect_tone = disconnect_tone(s);
    s.time("on_hook_guard", &mut f.on_hook_guard);
    s.within("on_hook_guard", Duration::ZERO, MS * 60000, f.on_hook_guard);
    s.time("hook_flash", &mut f.hook_flash);
    s.within("hook_flash", MS * 20, MS * 2000, f.hook_flash);
    s.number("in_use_volts", 0..=100, &mut f.in_use_volts);
    s.maybe_time("max_call", &mut f.max_call);
    s.maybe_within("max_call", MS * 1000, MS * 864000000, f.max_call);
    f
}

/// A ToneScript with limits, a list of them, or `off`.
fn disconnect_tone(s: &Section<'_, '_>) -> DisconnectTone {
    const KEY: &str = "disconnect_tone";
    const HINT: &str = "expected the tone as the central office sends it, with how long it must be heard, like \"425@-30;10(.25/.25/1)\"; or \"off\"";
    let Some(value) = s.value(KEY) else { return DisconnectTone::Region };
    if let DeValue::Array(list) = value.get_ref() {
        if list.is_empty() {
            s.error(KEY, "the list is empty".to_owned(), HINT);
        }
        let tones = s.list(KEY, HINT, |text| ToneMatch::parse(text).map_err(|why| why.to_string()));
        return DisconnectTone::These(tones.unwrap_or_default());
    }
    match s.text(KEY).as_deref() {
        Some("off") => DisconnectTone::Off,
        Some(text) => match ToneMatch::parse(text) {
            Ok(tone) => DisconnectTone::These(vec![tone]),
            Err(why) => {
                s.error_within(KEY, why.at + 1, format!("{} ({})", why.what, why.hint), HINT);
                DisconnectTone::Region
            }
        },
        None => DisconnectTone::Region,
    }
}

/// Times of lines are written in this.
const MS: Duration = Duration::from_millis(1);

fn take<T>(to: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *to = value;
    }
}
