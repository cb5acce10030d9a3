//! Call detail records: opened when a call starts, closed with a cause, so that a power cut leaves a trace.

use crate::ids::CallId;
use crate::party::{CallerId, Cause, Digits, Source};
use crate::post::Figures;
use crate::route::Provenance;

/// A call detail record. The store replaces the record of the same call by the newer one.
#[derive(Debug, Clone, PartialEq)]
pub struct Cdr {
    /// The call.
    pub call: CallId,
    /// Who called.
    pub source: Source,
    /// How the caller was shown.
    pub caller: CallerId,
    /// What was dialled.
    pub dialled: Digits,
    /// The number sent to the target that answered or was tried last.
    pub sent: Digits,
    /// The target that answered or was tried last: `101`, `fxo1`, `gw1`, a host; empty if none.
    pub target: String,
    /// Start, microseconds since 1970 UTC.
    pub started_micros: i64,
    /// From start to the answer, µs; `None` if never answered.
    pub answered_after: Option<u64>,
    /// From start to the end, µs; `None` while the call lives.
    pub ended_after: Option<u64>,
    /// Why it ended; `None` while it lives.
    pub cause: Option<Cause>,
    /// Which side ended it: 'a' the caller, 'b' the called, 'x' the exchange.
    pub ended_by: Option<char>,
    /// Was it an emergency call?
    pub emergency: bool,
    /// Who decided the route.
    pub provenance: Provenance,
    /// Figures of the caller's end.
    pub a: Option<Figures>,
    /// Figures of the called end.
    pub b: Option<Figures>,
}
