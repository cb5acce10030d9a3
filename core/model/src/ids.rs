//! Names of things. Each is its own type, parsed once at the door.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

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

/// Gives out the names of calls and legs. Every machine that makes some holds a clone; all clones count together.
#[derive(Debug, Clone)]
pub struct Ids(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    started: u32,
    calls: AtomicU32,
    box_bits: u64,
    legs: AtomicU64,
}

impl Ids {
    /// Names for a process of box `number` that started at this second since 1970.
    pub fn new(number: u8, started: u32) -> Ids {
        Ids(Arc::new(Counts {
            started,
            calls: AtomicU32::new(0),
            box_bits: u64::from(number) << LEG_BITS,
            legs: AtomicU64::new(u64::from(started) << LEGS_A_SECOND),
        }))
    }
    /// A call's name that no other call of this process has (it would take 2³² calls to meet one again).
    pub fn call(&self) -> CallId {
        let n = self.0.calls.fetch_add(1, Ordering::Relaxed);
        CallId(u64::from(self.0.started) << 32 | u64::from(n))
    }
    /// A leg's name that no other leg of this box has, nor had before a restart, as long as fewer than 2¹⁶ legs a second are
    /// made.
    pub fn leg(&self) -> LegId {
        let n = self.0.legs.fetch_add(1, Ordering::Relaxed);
        LegId(self.0.box_bits | n & ((1 << LEG_BITS) - 1))
    }
}

/// Bits of a leg's name below the number of its box: seconds since 1970 at the start of the process, then a count.
const LEG_BITS: u32 = 56;
const LEGS_A_SECOND: u32 = 16;

/// One leg: a party's side of a call. It keeps its name from INVITE to BYE, whichever call it belongs to: the tag of its
/// dialog is made of it, and a line that carries it knows it by nothing else. The upper 8 bits are the number of the box.
/// Written as 16 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId(pub u64);

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

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for LegId {
    type Err = std::num::ParseIntError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(s, 16).map(Self)
    }
}

impl fmt::Display for PortRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.board, self.port)
    }
}
