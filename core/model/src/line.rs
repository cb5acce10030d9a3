//! What a line is doing, as people see it.

use std::str::FromStr;

/// What a line is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LineState {
    /// Its board does not work, or has not said yet that it does.
    #[default]
    OutOfService,
    /// It can take a call.
    Idle,
    /// (FXO) The pair has no battery.
    NoBattery,
    /// (FXO) Another telephone on the pair is lifted.
    InUse,
    /// (FXO) It failed a call a moment ago.
    Faulty,
    /// A number is dialled on it.
    Dialling,
    /// (FXO) It goes off-hook and waits for dial tone.
    Seizing,
    /// Its call looks for somebody.
    Calling,
    /// It rings.
    Ringing,
    /// Two parties talk.
    Talking,
    /// (FXS) Hung up, and the call may still be taken up again.
    HungUp,
    /// (FXS) Busy tone is heard.
    Busy,
    /// (FXS) The tone of congestion is heard.
    Congestion,
    /// (FXS) Reorder tone is heard.
    Reorder,
    /// (FXS) The far end has hung up.
    Disconnected,
    /// (FXS) The tone is heard that asks for the telephone to be hung up.
    OffHookWarning,
    /// (FXS) Lifted, and nobody is there any more.
    OffHook,
}

impl LineState {
    /// All of them.
    pub const ALL: [LineState; 17] = [
        LineState::OutOfService,
        LineState::Idle,
        LineState::NoBattery,
        LineState::InUse,
        LineState::Faulty,
        LineState::Dialling,
        LineState::Seizing,
        LineState::Calling,
        LineState::Ringing,
        LineState::Talking,
        LineState::HungUp,
        LineState::Busy,
        LineState::Congestion,
        LineState::Reorder,
        LineState::Disconnected,
        LineState::OffHookWarning,
        LineState::OffHook,
    ];

    /// The word used in events and the API; never changes once released.
    pub fn word(self) -> &'static str {
        match self {
            LineState::OutOfService => "out-of-service",
            LineState::Idle => "idle",
            LineState::NoBattery => "no-battery",
            LineState::InUse => "in-use",
            LineState::Faulty => "faulty",
            LineState::Dialling => "dialling",
            LineState::Seizing => "seizing",
            LineState::Calling => "calling",
            LineState::Ringing => "ringing",
            LineState::Talking => "talking",
            LineState::HungUp => "hung-up",
            LineState::Busy => "busy",
            LineState::Congestion => "congestion",
            LineState::Reorder => "reorder",
            LineState::Disconnected => "disconnected",
            LineState::OffHookWarning => "off-hook-warning",
            LineState::OffHook => "off-hook",
        }
    }
}

/// No line is ever in a state of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid state of a line {0:?}")]
pub struct BadState(String);

impl FromStr for LineState {
    type Err = BadState;
    fn from_str(word: &str) -> Result<LineState, BadState> {
        LineState::ALL.into_iter().find(|state| state.word() == word).ok_or_else(|| BadState(word.to_owned()))
    }
}
