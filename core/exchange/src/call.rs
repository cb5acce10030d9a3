//! The call: a back-to-back user agent that speaks leg words only.
//!
//! ```text
//! born ── Routing ──► Before ──► Hunting ──► Up ──► Closing ──► over
//!   │      │   ▲                (stage by stage)   (figures, last transactions)
//!   │      ▼   │
//!   │     Asking            Saying: why there is no call, or no longer
//!   └─ Summoning: the operator's own phones
//! ```
//!
//! * `machine`: birth, the words that legs say, the end. * `legs`: what a leg is, and how one is placed, told and ended.
//! * `attend`: what the exchange says to the caller and asks of him. * `after`: what is sent after the answer.
//! * `hunt`: the stages of a plan, and which cause the caller hears when all fail.
//! * `sound`: who is joined to whom, digits, ringback. * `close`: the record's parties and end, its cost, the recording.
//! * `rate`: what the rating is told. * `application`: a service of the exchange as a leg.
//! * `transfer`, `handover`: a call is handed on, and a leg moves. * `replace`: another phone takes a leg's place.

mod after;
mod application;
mod attend;
mod close;
mod handover;
mod hunt;
mod legs;
mod machine;
mod rate;
mod replace;
mod setup;
mod sound;
mod transfer;

pub use handover::MovedLeg;
pub use machine::Call;
pub use setup::CallSetup;

use std::sync::Arc;

use ringtrip_sip::endpoint::{Flow, ServerTx};
use ringtrip_sip::next_hop::Reach;
use ringtrip_sip::screen::ValidRequest;

use crate::route::{Found, Planned, WallTime};
use ringtrip_model::ids::{CallId, LegId, LineId};
use ringtrip_model::party::{CallerId, Digits, Source};

/// All that a call is born with.
#[derive(Debug)]
pub struct Birth {
    /// Its name.
    pub id: CallId,
    /// When it starts, wall clock. The machine that gives birth leaves the default; the shell that leases the ports
    /// stamps it.
    pub at: WallTime,
    /// Where it comes from.
    pub source: Source,
    /// How the caller is shown.
    pub caller: CallerId,
    /// What was dialled.
    pub dialled: Digits,
    /// What the telephone's dial plan already decided.
    pub planned: Option<Planned>,
    /// How many more times its requests may be sent on: the Max-Forwards of our INVITEs (RFC 3261 §16.6 step 3, RFC 7332).
    pub hops: u8,
    /// The caller's leg.
    pub a: Caller,
    /// Its two media ports: one for the caller's side, one for the called side; even UDP numbers. 0 until leased.
    pub ports: [u16; 2],
}

impl Birth {
    /// The caller's leg; none where the operator's phones are rung first.
    pub fn leg(&self) -> Option<LegId> {
        match &self.a {
            Caller::Sip { leg, .. } | Caller::Line { leg, .. } => Some(*leg),
            Caller::Operator { .. } => None,
        }
    }
}

/// Of calls that begin here (RFC 3261 §8.1.1.6).
pub const MAX_FORWARDS: u8 = 70;

/// The caller's leg at birth.
#[derive(Debug)]
pub enum Caller {
    /// An INVITE, already admitted.
    Sip {
        /// Its name.
        leg: LegId,
        /// Its transaction.
        tx: ServerTx,
        /// The INVITE.
        request: Arc<ValidRequest>,
        /// How it came.
        flow: Flow,
        /// What leads back to the caller.
        reach: Reach,
    },
    /// A telephone, or the landline ringing in.
    Line {
        /// The leg that the line made.
        leg: LegId,
        /// The line.
        line: LineId,
    },
    /// Click to dial: ring this extension or line first, then call `dialled`.
    Operator {
        /// Who is rung first.
        found: Vec<Found>,
    },
}

#[cfg(test)]
mod tests;
