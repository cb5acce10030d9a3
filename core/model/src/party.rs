//! Who calls, who is called, and why a call ended.

use std::fmt;

use crate::dial_string;
use crate::ids::{ExtId, GatewayId, LineId};

/// What has become of a key already when it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyForm {
    /// Nothing: it came in INFO, as pulses, or as an event that the other side does not take.
    #[default]
    Signalled,
    /// Its tone is in the sound that the other side hears.
    InBand,
    /// The media engine has carried it to the other side, for as long as it was held.
    Carried,
}

/// One key of a telephone: `0`–`9`, `*`, `#`, `A`–`D`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u8);

impl Key {
    /// The key that this character names; lower-case `a`–`d` are accepted.
    pub fn new(c: char) -> Option<Key> {
        match c.to_ascii_uppercase() {
            k @ ('0'..='9' | '*' | '#' | 'A'..='D') => Some(Key(k as u8)),
            _ => None,
        }
    }
    /// The key as a character.
    pub fn as_char(self) -> char {
        self.0 as char
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_char())
    }
}

/// What was dialled or is to be dialled: keys, and `+` or letters where a SIP phone sent them.
/// At most 128 characters. A number from outside that is longer, or has characters of other alphabets, is kept so far
/// as to be shown and is never dialled: see [`Digits::is_whole`].
#[derive(Clone, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Digits(String);

impl Digits {
    /// Longest number kept.
    pub const MAX: usize = 128;
    /// Stands for what cannot be dialled: a letter of another alphabet, say.
    const FOREIGN: char = '?';
    /// Keeps the visible ASCII characters of `s`; of what is too long so much is kept as says so. A number as people write
    /// it loses what separates, and its digits of other scripts become ours: see [`dial_string::cleaned`].
    pub fn new(s: &str) -> Digits {
        let cleaned = dial_string::cleaned(s);
        let visible = cleaned.chars().filter(|c| !c.is_whitespace() && !c.is_ascii_control());
        let kept = visible.map(|c| if c.is_ascii_graphic() { c } else { Self::FOREIGN });
        Digits(kept.take(Self::MAX + 1).collect())
    }
    /// Can it be dialled as it came? Part of a number is another number: what was cut or cannot be read is not dialled.
    pub fn is_whole(&self) -> bool {
        self.0.len() <= Self::MAX && !self.0.contains(Self::FOREIGN)
    }
    /// The number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Adds a key; a number that is too long already stays so.
    pub fn push(&mut self, key: Key) {
        if self.0.len() <= Self::MAX {
            self.0.push(key.as_char());
        }
    }
    /// Is nothing dialled?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Where a call comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// A SIP phone that proved to be this extension.
    Extension(ExtId),
    /// A telephone on an FXS port, or the landline ringing in on an FXO port.
    Line(LineId),
    /// A SIP provider.
    Gateway(GatewayId),
    /// The operator asked for it (`POST /api/v1/calls`).
    Operator,
}

/// How the caller is shown. Empty parts are unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallerId {
    /// The caller's number.
    pub number: String,
    /// The caller's name.
    pub name: String,
    /// Withheld: never shown to the called party (RFC 3323 `Privacy: id`), shown to emergency targets only.
    pub private: bool,
}

/// A side of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who called.
    Caller,
    /// Who was called, and who took that place.
    Called,
}

/// Who ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndedBy {
    /// The caller.
    Caller,
    /// The called party.
    Called,
    /// The exchange: no target answered, a limit was reached, a part failed, or an operator asked for it.
    Exchange,
}

impl EndedBy {
    /// The word used in CDRs, events and the API; never changes once released.
    pub fn word(self) -> &'static str {
        match self {
            EndedBy::Caller => "a",
            EndedBy::Called => "b",
            EndedBy::Exchange => "x",
        }
    }
}

impl From<Side> for EndedBy {
    fn from(side: Side) -> EndedBy {
        match side {
            Side::Caller => EndedBy::Caller,
            Side::Called => EndedBy::Called,
        }
    }
}

/// Why a leg or a call ended: Q.850 cause values with what the landline saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Somebody hung up (16).
    Normal,
    /// The caller gave up before the answer (16).
    Cancelled,
    /// Busy (17; SIP 486, 600).
    Busy,
    /// Rang and was not answered (19; SIP 480 after ringing, 408).
    NoAnswer,
    /// Nobody is registered there (20; SIP 480).
    Unregistered,
    /// Declined (21; SIP 603).
    Declined,
    /// No such number (1; SIP 404).
    Unallocated,
    /// Number changed (22; SIP 410, 301).
    Changed,
    /// Barred by a plan, a script or a rule, ours or a provider's (21; SIP 403; reorder on a telephone).
    Barred,
    /// The number is not complete or not valid here (28; SIP 484).
    Invalid,
    /// No line, no port, no route left (34; SIP 503).
    Congestion,
    /// The provider failed or did not answer in time (38; SIP 5xx, 408).
    Failure,
    /// The far side speaks no codec that we do (88; SIP 488).
    Incompatible,
    /// Media stopped arriving (102).
    MediaTimeout,
    /// The session timer ran out (RFC 4028) (102).
    SessionExpired,
    /// The landline: battery was removed (CPC) (16).
    Cpc,
    /// The landline: polarity reversed (16).
    Reversal,
    /// The landline: busy or reorder tone was heard (16).
    Tone,
    /// The landline: nothing was heard for too long (16).
    Silence,
    /// The operator ended it (16).
    Operator,
    /// An emergency call took the line (8).
    Preempted,
    /// A part of the exchange failed and was restarted (41).
    SystemFailure,
    /// The board that carries the line went away (27).
    BoardLost,
    /// The board did not do what the attempt needs (27).
    BoardRefused,
    /// The port is of another kind than the line, or not there (27).
    WrongPort,
    /// The landline was seized and no loop current flowed: the pair is dead (27).
    NoLoop,
    /// The landline was seized and gave no dial tone (27).
    NoDialTone,
    /// A money limit refused or ended it (21; SIP 402 has no caller that understands it, so 403).
    Spent,
}

impl Cause {
    /// The word used in CDRs, events and the API; never changes once released.
    pub fn word(self) -> &'static str {
        match self {
            Cause::Normal => "normal",
            Cause::Cancelled => "cancelled",
            Cause::Busy => "busy",
            Cause::NoAnswer => "no-answer",
            Cause::Unregistered => "unregistered",
            Cause::Declined => "declined",
            Cause::Unallocated => "unallocated",
            Cause::Changed => "changed",
            Cause::Barred => "barred",
            Cause::Invalid => "invalid",
            Cause::Congestion => "congestion",
            Cause::Failure => "failure",
            Cause::Incompatible => "incompatible",
            Cause::MediaTimeout => "media-timeout",
            Cause::SessionExpired => "session-expired",
            Cause::Cpc => "cpc",
            Cause::Reversal => "reversal",
            Cause::Tone => "tone",
            Cause::Silence => "silence",
            Cause::Operator => "operator",
            Cause::Preempted => "preempted",
            Cause::SystemFailure => "system-failure",
            Cause::BoardLost => "board-lost",
            Cause::BoardRefused => "board-refused",
            Cause::WrongPort => "wrong-port",
            Cause::NoLoop => "no-loop-current",
            Cause::NoDialTone => "no-dial-tone",
            Cause::Spent => "spent",
        }
    }
}
