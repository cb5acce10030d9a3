//! The calls of the past, for replays.

use ringtrip_model::party::{CallerId, Digits, Source};
use ringtrip_routing::replay::PastCall;

use crate::exchange::wall;
use crate::store::CdrRecord;

/// A record as a call of the past; `None` for what was no routed call.
pub fn past(record: &CdrRecord) -> Option<PastCall> {
    let name = record.source.name.as_str();
    let source = match record.source.kind.as_str() {
        "extension" => Source::Extension(name.parse().ok()?),
        "line" => Source::Line(name.parse().ok()?),
        "gateway" => Source::Gateway(name.parse().ok()?),
        _ => Source::Operator,
    };
    let talked = record.answered_after_us.zip(record.ended_after_us).map(|(answered, ended)| {
        u32::try_from(ended.saturating_sub(answered).div_ceil(1_000_000)).unwrap_or(u32::MAX)
    });
    Some(PastCall {
        call: record.id()?,
        source,
        caller: CallerId {
            number: record.caller.number.clone(),
            name: record.caller.name.clone(),
            private: record.caller.private,
        },
        dialled: Digits::new(&record.dialled),
        at: wall::at(record.started_micros),
        pin: record.pin.clone(),
        talked,
    })
}
