//! Names of things. Each is its own type, parsed once at the door.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing was given.
    #[error("a name must not be empty")]
    Empty,
    /// More than 64 characters.
    #[error("a name has at most 64 characters, this one has {0}")]
    Long(usize),
    /// A character outside the allowed set.
    #[error("{0:?} is not allowed in a name: use letters, digits, '-', '_', '.', '+'")]
    Char(char),
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl FromStr for $name {
            type Err = BadName;
            fn from_str(s: &str) -> Result<Self, BadName> { checked(s).map(|s| Self(s.into())) }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{:?}", &*self.0) }
        }
    };
}

name!(
    /// An extension: what users dial to reach a person, and the SIP user name of its phones. `101`.
    ExtId
);
name!(
    /// An analog line: one port of a board as the configuration calls it. `fxs1`, `fxo1`.
    LineId
);
name!(
    /// A gateway: a SIP provider. `gw1`, `gw2`, …; `gw0` always means the landline and is never one of these.
    GatewayId
);
name!(
    /// A board: one driver process with its ports. `virtual`.
    BoardId
);

fn checked(s: &str) -> Result<&str, BadName> {
    if s.is_empty() {
        return Err(BadName::Empty);
    }
    if s.len() > 64 {
        return Err(BadName::Long(s.len()));
    }
    match s.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+'))) {
        Some(c) => Err(BadName::Char(c)),
        None => Ok(s),
    }
}

/// A call. Unique over restarts: the upper 32 bits are the start time of the process in seconds since 1970, the
/// lower 32 count up. Written as 16 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// Gives out the names of calls. Every machine that gives birth to calls holds a clone; all clones count together.
#[derive(Debug, Clone)]
pub struct CallIds {
    started: u32,
    next: Arc<AtomicU32>,
}

impl CallIds {
    /// Names for a process that started at this second since 1970.
    pub fn new(started: u32) -> CallIds {
        CallIds { started, next: Arc::default() }
    }
    /// A name that no other call of this process has (it would take 2³² calls to meet one again).
    pub fn fresh(&self) -> CallId {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        CallId(u64::from(self.started) << 32 | u64::from(n))
    }
}

/// One leg of a call. `n` = 0 is the caller's leg; legs to targets count up from 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId {
    /// The call that this leg belongs to.
    pub call: CallId,
    /// Which leg; 0 is the caller's.
    pub n: u8,
}

/// A port of a board: where a line is plugged in. Ports count from 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortRef {
    /// The board.
    pub board: BoardId,
    /// The port, from 0.
    pub port: u16,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for CallId {
    type Err = std::num::ParseIntError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(s, 16).map(Self)
    }
}

impl CallId {
    /// The caller's leg.
    pub fn a(self) -> LegId {
        LegId { call: self, n: 0 }
    }
    /// Leg `n`.
    pub fn leg(self, n: u8) -> LegId {
        LegId { call: self, n }
    }
}

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.call, self.n)
    }
}

impl fmt::Debug for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.call, self.n)
    }
}

impl fmt::Display for PortRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.board, self.port)
    }
}
