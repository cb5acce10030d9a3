//! What a lifted telephone hears when there is nobody (any more) to hear: a tone that says why, reorder, the
//! off-hook warning, silence. And the CPC break that tells an answering machine or a key system that the far end hung
//! up.
//!
//! The rungs follow the tones' own lengths, by this machine's clock: SPA3102 dial tone 10 s, reorder 10 s, warning 10 s.

use std::time::Instant;

use crate::post::{DetectorConfig, Post};
use ringtrip_model::board::BoardCmd;
use ringtrip_model::line::LineState;
use ringtrip_model::party::Cause;

use super::{Fxs, State};

/// Where on the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rung {
    /// The far end hung up; silence until reorder (`Reorder_Delay`), `None`: for good.
    Quiet { until: Option<Instant> },
    /// The far end hung up; the battery is taken away at this time (`CPC_Delay`).
    Cpc { at: Instant },
    /// The battery is away; dial tone when it is back.
    Open { until: Instant },
    /// A tone, until it has run out; `None`: it never does.
    Tone { which: Told, until: Option<Instant> },
    /// Nothing more to say: silent until it is hung up.
    LockedOut,
}

/// What a tone says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The called party is busy.
    Busy,
    /// All paths are engaged.
    Congestion,
    /// The call cannot be completed.
    Reorder,
    /// Hang up!
    Warning,
}

impl Rung {
    pub fn deadline(&self) -> Option<Instant> {
        match *self {
            Rung::Quiet { until } | Rung::Tone { until, .. } => until,
            Rung::Cpc { at } => Some(at),
            Rung::Open { until } => Some(until),
            Rung::LockedOut => None,
        }
    }

    pub fn shown_state(&self) -> LineState {
        match self {
            Rung::Quiet { .. } | Rung::Cpc { .. } | Rung::Open { .. } => LineState::Disconnected,
            Rung::Tone { which: Told::Busy, .. } => LineState::Busy,
            Rung::Tone { which: Told::Congestion, .. } => LineState::Congestion,
            Rung::Tone { which: Told::Reorder, .. } => LineState::Reorder,
            Rung::Tone { which: Told::Warning, .. } => LineState::OffHookWarning,
            Rung::LockedOut => LineState::OffHook,
        }
    }
}

impl Fxs {
    /// The tone for a call that never came about. `SIT1_RSC` … `SIT4_RSC` will choose here.
    pub(super) fn tone_for(&mut self, cause: Cause, now: Instant, out: &mut Vec<Post>) -> State {
        match cause {
            Cause::Busy | Cause::Declined => self.sound(Told::Busy, now, out),
            Cause::Congestion => self.sound(Told::Congestion, now, out),
            _ => self.sound(Told::Reorder, now, out),
        }
    }

    /// The number was refused, or nobody dialled.
    pub(super) fn reorder(&mut self, now: Instant, out: &mut Vec<Post>) -> State {
        self.sound(Told::Reorder, now, out)
    }

    /// The far end hung up while two parties talked.
    pub(super) fn far_hang_up(&mut self, now: Instant, out: &mut Vec<Post>) -> State {
        self.wire.hush(out);
        self.wire.listen(DetectorConfig::default(), out);
        self.set_polarity(self.set.idle_polarity, out);
        if !self.set.cpc_duration.is_zero() {
            return State::Ladder(Rung::Cpc { at: now + self.set.cpc_delay });
        }
        match self.set.reorder_delay {
            Some(delay) if delay.is_zero() => self.reorder(now, out),
            delay => State::Ladder(Rung::Quiet { until: delay.map(|d| now + d) }),
        }
    }

    /// The next rung, if this one's time is up.
    pub(super) fn climb(&mut self, rung: Rung, now: Instant, out: &mut Vec<Post>) -> State {
        if rung.deadline().is_none_or(|t| t > now) {
            return State::Ladder(rung);
        }
        match rung {
            Rung::Quiet { .. } => self.reorder(now, out),
            Rung::Cpc { .. } => {
                self.wire.board(BoardCmd::Cpc(self.set.cpc_duration), out);
                State::Ladder(Rung::Open { until: now + self.set.cpc_duration })
            }
            // Still lifted, so it is for someone who wants to dial again.
            Rung::Open { .. } => self.dialling(now, out),
            Rung::Tone { which: Told::Busy | Told::Congestion, .. } => self.sound(Told::Reorder, now, out),
            Rung::Tone { which: Told::Reorder, .. } => self.sound(Told::Warning, now, out),
            Rung::Tone { which: Told::Warning, .. } | Rung::LockedOut => {
                self.wire.hush(out);
                State::Ladder(Rung::LockedOut)
            }
        }
    }

    fn sound(&mut self, which: Told, now: Instant, out: &mut Vec<Post>) -> State {
        let tones = &self.region.tones;
        let tone = match which {
            Told::Busy => tones.busy.clone(),
            Told::Congestion => tones.congestion.clone(),
            Told::Reorder => tones.reorder.clone(),
            Told::Warning => tones.off_hook_warning.clone(),
        };
        self.wire.listen(DetectorConfig::default(), out);
        self.wire.tone(&tone, out);
        State::Ladder(Rung::Tone { which, until: tone.lasts().map(|d| now + d) })
    }
}
