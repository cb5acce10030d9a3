//! The call that a plugin is asked about.

use crate::E164;

/// A call that asks for its way. Emergency calls never do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Call {
    /// What was dialled.
    pub dialled: String,
    /// What the dial plan made of it.
    pub number: String,
    /// The same number as E.164 with `+`, where the region's rules say what it is.
    pub e164: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
    /// Which one: `101`, `fxs1`, `gw1`.
    pub origin_name: String,
    /// Who calls.
    pub caller: CallerId,
    /// The name of the PIN that the caller has proved, never the PIN.
    pub pin: Option<String>,
    /// When.
    pub at: WallTime,
    /// Where the plan would send it: `gw0`, `gw1`, `101`, a host.
    pub default_route: Option<String>,
    /// Would it leave the exchange?
    pub outside: bool,
}

impl Call {
    /// The number as E.164, if it is known to be one.
    pub fn international(&self) -> Option<E164> {
        self.e164.as_deref().and_then(E164::parse)
    }

    /// Does it come from outside the exchange?
    pub fn from_outside(&self) -> bool {
        matches!(self.origin, Origin::Landline | Origin::Gateway)
    }
}

/// Where a call comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    /// A SIP phone of an extension.
    #[default]
    Extension,
    /// A telephone on a jack.
    Line,
    /// A landline on a jack: somebody outside.
    Landline,
    /// A SIP provider: somebody outside.
    Gateway,
    /// The operator, over the API.
    Operator,
}

/// A caller as shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallerId {
    /// The number; empty if unknown.
    pub number: String,
    /// The name; empty if unknown.
    pub name: String,
    /// The caller asked not to be shown.
    pub withheld: bool,
}

/// Wall-clock time in the box's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WallTime {
    /// Milliseconds since 1970 UTC.
    pub unix_millis: i64,
    /// The year.
    pub year: i16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 1 Monday to 7 Sunday.
    pub weekday: u8,
    /// The day is in the list of holidays.
    pub holiday: bool,
}

impl WallTime {
    /// Minutes since midnight, 0 to 1,439.
    pub fn minutes(&self) -> u16 {
        u16::from(self.hour) * 60 + u16::from(self.minute)
    }
}
