//! Call detail records: opened when a call starts, closed with a cause, so that a power cut leaves a trace.

use std::sync::Arc;

use ringtrip_media::session::RtpStats;

use crate::route::{Provenance, Quote};
use ringtrip_model::ids::{CallId, LegId};
use ringtrip_model::party::{CallerId, Cause, Digits, EndedBy, Source};

/// A call detail record. The store replaces the record of the same call by the newer one.
#[derive(Debug, Clone, PartialEq)]
pub struct Cdr {
    /// The call.
    pub call: CallId,
    /// Who called.
    pub source: Source,
    /// How the caller was shown.
    pub caller: CallerId,
    /// What the carrier found out about the caller's number (STIR): `TN-Validation-Passed`.
    pub verstat: Option<String>,
    /// What was dialled.
    pub dialled: Digits,
    /// The number sent to the target that answered or was tried last.
    pub sent: Digits,
    /// The target that answered or was tried last: `101`, `fxo1`, `gw1`, a host; empty if none.
    pub target: String,
    /// What carried the call to the target, where that is another: `fxo1`, `gw1`, a host; empty if none.
    pub carrier: String,
    /// What was tried in vain before, beside or after that, in order.
    pub attempts: Vec<Failed>,
    /// Who talked, in the order in which they joined.
    pub parties: Vec<Party>,
    /// Start, microseconds since 1970 UTC.
    pub started_micros: i64,
    /// From start to the answer, µs; `None` if never answered.
    pub answered_after: Option<u64>,
    /// From start to the end, µs; `None` while the call lives.
    pub ended_after: Option<u64>,
    /// Why it ended; `None` while it lives.
    pub cause: Option<Cause>,
    /// Who ended it; `None` while it lives.
    pub ended_by: Option<EndedBy>,
    /// Was it an emergency call?
    pub emergency: bool,
    /// Who decided the route.
    pub provenance: Provenance,
    /// The name of the PIN that the caller proved.
    pub pin: Option<String>,
    /// What the attempt that answered or was tried last costs.
    pub quote: Option<Arc<Quote>>,
    /// What the call cost, once it has ended; `None` where no deck prices it.
    pub cost: Option<Cost>,
    /// The recording, a file name in the recordings folder.
    pub recording: Option<String>,
    /// Statistics of the caller's end.
    pub a: Option<RtpStats>,
    /// Statistics of the called end.
    pub b: Option<RtpStats>,
}

/// Somebody who talked in the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Its leg.
    pub leg: LegId,
    /// `101`, `fxo1`, `gw1`, a host.
    pub name: String,
    /// From the start of the call until it joined, µs.
    pub joined: u64,
    /// From the start of the call until it left, µs; `None` while it is there.
    pub left: Option<u64>,
}

/// An attempt that reached nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The target, and what was to carry it: `101`, `fxo1`, `gw1`, a host.
    pub target: String,
    /// From the start of the call to the start of the attempt, µs.
    pub after: u64,
    /// From the start of the call to the end of the attempt, µs.
    pub ended: u64,
    /// Why it ended.
    pub cause: Cause,
}

/// What a call cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// Millionths of a unit.
    pub micros: i64,
    /// ISO 4217.
    pub currency: String,
    /// The deck that priced it.
    pub deck: String,
    /// The rule: prefix, destination and how it was charged, in words.
    pub rule: String,
}
