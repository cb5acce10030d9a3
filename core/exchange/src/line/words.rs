//! The words in which a line tells its state: those that the SPA3102 shows on its information page, verbatim, and
//! ours beside them.

use std::time::Duration;

use crate::line::fault::Fault;
use ringtrip_model::board::{Polarity, PortKind};
use ringtrip_model::ids::{LegId, LineId, PortRef};
use ringtrip_model::line::LineState;
use ringtrip_model::party::Cause;

/// What a line is doing now, for the API and the console.
#[derive(Debug, Clone, PartialEq)]
pub struct LineStatus {
    /// Which line.
    pub line: LineId,
    /// Where it is plugged in.
    pub port: PortRef,
    /// Telephone or landline.
    pub kind: PortKind,
    /// What it is doing.
    pub state: LineState,
    /// Can it take a call?
    pub availability: Availability,
    /// Is the telephone lifted, or the landline seized?
    pub off_hook: bool,
    /// Tip–ring voltage as last read, signed for polarity; `None` before the first reading.
    pub volts: Option<f32>,
    /// Loop current as last read, mA.
    pub milliamps: Option<f32>,
    /// Polarity of the battery: sent (FXS) or seen (FXO).
    pub polarity: Polarity,
    /// How long it has been in this state.
    pub for_: Duration,
    /// The leg that it carries.
    pub leg: Option<LegId>,
    /// What is wrong with it, if anything.
    pub fault: Option<Fault>,
    /// What kind of call that is (landline only).
    pub call_type: Option<CallType>,
    /// "PSTN State" of the SPA3102 (landline only).
    pub gateway_state: Option<GatewayWord>,
    /// Why the last call on it ended.
    pub last_disconnect: Option<Disconnect>,
    /// The caller's number of the last call that came in, the number dialled by the last that went out.
    pub last_number: Option<String>,
}

/// Can a line take a call?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Availability {
    /// It can.
    Idle,
    /// Nothing goes on at its jack, but it is of no use now: the pair has no battery, is in use by another telephone, or
    /// failed a call a moment ago.
    Unfit,
    /// Something goes on at its jack: a call, a ring, a lifted telephone.
    Busy,
    /// Its board does not work.
    OutOfService,
}

/// Which way a landline call goes ("Call Type").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallType {
    /// SIP to landline.
    PstnGateway,
    /// Landline to SIP.
    VoipGateway,
    /// The landline rings a telephone on a jack.
    PstnToLine1,
    /// A telephone's calls are forwarded to the landline's dial tone.
    Line1ForwardToGateway,
    /// A telephone's calls are forwarded to a number over the landline.
    Line1ForwardToNumber,
    /// A telephone on a jack calls out over the landline.
    Line1ToGateway,
    /// The same because nothing else works.
    Line1Fallback,
}

impl CallType {
    /// As the SPA3102 prints it.
    pub fn word(self) -> &'static str {
        match self {
            CallType::PstnGateway => "PSTN Gateway Call",
            CallType::VoipGateway => "VoIP Gateway Call",
            CallType::PstnToLine1 => "PSTN To Line 1",
            CallType::Line1ForwardToGateway => "Line 1 Forward to PSTN Gateway",
            CallType::Line1ForwardToNumber => "Line 1 Forward to PSTN Number",
            CallType::Line1ToGateway => "Line 1 To PSTN Gateway",
            CallType::Line1Fallback => "Line 1 Fallback To PSTN Gateway",
        }
    }
}

/// How far a gateway call has come ("PSTN State", "VoIP State").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GatewayWord {
    /// Nothing goes on.
    Idle,
    /// The caller is asked for a PIN.
    CollectingPin,
    /// The PIN was wrong.
    InvalidPin,
    /// The caller may place a call.
    CallerAccepted,
    /// Two parties talk.
    Connected,
}

impl GatewayWord {
    /// As the SPA3102 prints it.
    pub fn word(self) -> &'static str {
        match self {
            GatewayWord::Idle => "Idle",
            GatewayWord::CollectingPin => "Collecting PIN",
            GatewayWord::InvalidPin => "Invalid PIN",
            GatewayWord::CallerAccepted => "Caller Accepted",
            GatewayWord::Connected => "Connected",
        }
    }
}

/// Why the last call on a line ended ("Last Disconnect Reason"). Those after the timeouts are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disconnect {
    /// The disconnect tone was heard.
    PstnTone,
    /// Nothing was heard for too long.
    PstnSilence,
    /// The office took the battery away.
    Cpc,
    /// The office reversed the battery.
    Reversal,
    /// The other side's call could not be made.
    VoipFailed,
    /// The other side hung up.
    VoipEnded,
    /// No such destination.
    InvalidDestination,
    /// A wrong PIN.
    InvalidPin,
    /// A PIN was begun and not finished.
    PinTimeout,
    /// A number was begun and not finished.
    DialTimeout,
    /// A call out of the landline lasted as long as allowed.
    PstnMaxDuration,
    /// A call in from the landline lasted as long as allowed.
    VoipMaxDuration,
    /// The caller on the landline gave up ringing.
    CallerGaveUp,
    /// The telephone was hung up.
    HungUp,
    /// An emergency call took the line.
    Emergency,
    /// The board went away.
    BoardLost,
    /// The board did not do as it was told.
    BoardRefused,
    /// No loop current flowed.
    NoLoop,
    /// No dial tone came.
    NoDialTone,
}

impl Disconnect {
    /// As the SPA3102 prints it.
    pub fn word(self) -> &'static str {
        match self {
            Disconnect::PstnTone => "PSTN Disconnect Tone",
            Disconnect::PstnSilence => "PSTN Activity Timeout",
            Disconnect::Cpc => "CPC Signal",
            Disconnect::Reversal => "Polarity Reversal",
            Disconnect::VoipFailed => "VoIP Call Failed",
            Disconnect::VoipEnded => "VoIP Call Ended",
            Disconnect::InvalidDestination => "Invalid VoIP Destination",
            Disconnect::InvalidPin => "Invalid PIN",
            Disconnect::PinTimeout => "PIN Digit Timeout",
            Disconnect::DialTimeout => "VoIP Dialing Timeout",
            Disconnect::PstnMaxDuration => "PSTN Gateway Call Timeout",
            Disconnect::VoipMaxDuration => "VoIP Gateway Call Timeout",
            Disconnect::CallerGaveUp => "Caller Gave Up",
            Disconnect::HungUp => "Telephone Hung Up",
            Disconnect::Emergency => "Emergency Call",
            Disconnect::BoardLost => "Board Lost",
            Disconnect::BoardRefused => "Board Refused",
            Disconnect::NoLoop => "No Loop Current",
            Disconnect::NoDialTone => "No Dial Tone",
        }
    }

    /// The word for a call that the other side ended with this cause: before the answer it failed, after it it ended.
    pub fn by_far_end(cause: Cause, answered: bool) -> Disconnect {
        match cause {
            Cause::Unallocated | Cause::Invalid | Cause::Barred => Disconnect::InvalidDestination,
            Cause::Preempted => Disconnect::Emergency,
            _ if answered => Disconnect::VoipEnded,
            Cause::Normal | Cause::Cancelled => Disconnect::VoipEnded,
            _ => Disconnect::VoipFailed,
        }
    }
}
