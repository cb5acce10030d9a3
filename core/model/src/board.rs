//! What the exchange and a board say to each other about a port, in the words of the driver ABI
//! (`sdk/driver`), as values.

use std::time::Duration;

use crate::party::Key;

/// What a port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PortKind {
    /// Drives a telephone: battery, ringing, hook detection.
    Fxs,
    /// Faces the central office: seizes the loop, detects ringing.
    Fxo,
}

impl PortKind {
    /// The word used in the configuration and the API; never changes once released.
    pub fn word(self) -> &'static str {
        match self {
            PortKind::Fxs => "fxs",
            PortKind::Fxo => "fxo",
        }
    }
}

/// Battery polarity on a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Polarity {
    /// Tip is positive (normal).
    #[default]
    Forward,
    /// Ring is positive.
    Reverse,
}

/// What a port should do.
#[derive(Debug, Clone, PartialEq)]
pub enum BoardCmd {
    /// (FXS) Ring the telephone with this cadence, over and over, until [`BoardCmd::RingStop`] or ring trip.
    Ring {
        /// On and off times in ms, at most 8 pairs.
        cadence: Vec<(u16, u16)>,
        /// Ring frequency, Hz (10–100).
        hz: u8,
    },
    /// (FXS) Stop ringing.
    RingStop,
    /// (FXS) Set battery polarity.
    Polarity(Polarity),
    /// (FXS) Take the battery away for this long (CPC, 0–1000 ms).
    Cpc(Duration),
    /// (FXS) Allow audio towards an on-hook telephone for this long (caller ID).
    OnHookAudio(Duration),
    /// (FXO) Seize the line.
    OffHook,
    /// (FXO) Release the line.
    OnHook,
    /// (FXO) Break the loop for this long (hook flash).
    Flash(Duration),
    /// (FXO) Dial by pulses, 10 a second.
    Pulse(Vec<Key>),
    /// Say volts and loop current now; [`BoardEvent::Reading`] answers.
    Measure,
}

/// What was asked of a port, without its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CmdKind {
    /// [`BoardCmd::Ring`].
    Ring,
    /// [`BoardCmd::OffHook`].
    OffHook,
    /// [`BoardCmd::OnHook`].
    OnHook,
    /// [`BoardCmd::Pulse`].
    Pulse,
    /// [`BoardCmd::Measure`].
    Measure,
    /// Anything else: a call goes on without it.
    Other,
}

/// What a port saw.
#[derive(Debug, Clone, PartialEq)]
pub enum BoardEvent {
    /// The board is up and this port works (again). What differs from the usual is said right after it: `OffHook` if
    /// the telephone is lifted, `BatteryLost`, `Polarity(Reverse)`, `ParallelPickup(true)` or `RingBegin` on a landline.
    Ready(PortKind),
    /// The board went away; nothing else comes until `Ready`.
    Lost,
    /// The board is up and has no such port.
    Missing,
    /// Said after `Ready`: the port tells its loop current, so that none is believed when it says none.
    Measures,
    /// The board did not obey a command.
    Refused(CmdKind),
    /// (FXS) The telephone was lifted.
    OffHook,
    /// (FXS) The telephone was hung up.
    OnHook,
    /// (FXS) The loop was broken for a moment: hook flash.
    Flash,
    /// (FXS) A pulse-dialled digit.
    PulseDigit(Key),
    /// (FXS) Lifted while ringing. `OffHook` does not follow.
    RingTrip,
    /// (FXO) A ring burst began.
    RingBegin,
    /// (FXO) A ring burst ended.
    RingEnd,
    /// (FXO) Polarity changed.
    Polarity(Polarity),
    /// (FXO) The office removed the battery while we were off-hook, for at least the configured time.
    Cpc,
    /// (FXO) There is no battery: the line is unplugged or dead.
    BatteryLost,
    /// (FXO) Battery is back.
    BatteryOk,
    /// (FXO) Another telephone on the same pair was lifted (true) or hung up (false).
    ParallelPickup(bool),
    /// Electrical readings, at most a few times a second.
    Reading {
        /// Tip–ring voltage, volts, signed.
        volts: f32,
        /// Loop current, mA.
        milliamps: f32,
    },
}
