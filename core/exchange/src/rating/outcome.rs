//! What the outcome of an attempt says about its gateway.

use ringtrip_rating::quality::{Impairments, Outcome};

use crate::post::RtpStats;
use ringtrip_model::party::Cause;

/// Packets from which on it can be told how a call sounded: five seconds.
const SOUND_ENOUGH: u64 = 250;

/// What the end of a call says about the gateway that was tried last; `None`: nothing.
pub(super) fn outcome(cause: Cause, rang: bool) -> Option<Outcome> {
    match cause {
        Cause::Busy | Cause::Declined | Cause::NoAnswer | Cause::Normal | Cause::Changed => {
            Some(Outcome::Reached)
        }
        Cause::Failure | Cause::Congestion | Cause::Incompatible => Some(Outcome::Failed),
        _ => rang.then_some(Outcome::Reached),
    }
}

/// How a call sounded, as far as both ends know.
pub(super) fn impairments(figures: &RtpStats) -> Option<Impairments> {
    let all = figures.received.saturating_add(figures.lost);
    if all < SOUND_ENOUGH {
        return None;
    }
    let loss = figures.lost as f32 * 100.0 / all as f32;
    let loss = loss.max(figures.far_loss_percent.unwrap_or(0.0));
    Some(Impairments { loss, jitter: figures.jitter_ms, round_trip: figures.round_trip_ms.unwrap_or(0.0) })
}
