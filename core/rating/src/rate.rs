//! What a call costs: price a minute, connection charge, minimum, and the steps in which time is billed.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::money::{Currency, Money};
use crate::prefix::Prefix;
use crate::time::{At, Hours};

/// So long that no call lasts longer: the answer to "how long may it last" when nothing limits it.
pub const FOREVER: u32 = u32::MAX;

/// The steps in which time is billed, in seconds: the first, then each next one. `1/1`, `60/1`, `60/60`, `30/6`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Steps {
    /// Billed as soon as the call is answered.
    pub first: u32,
    /// Each one begun after that is billed whole.
    pub next: u32,
}

/// A text that names no billing steps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid billing steps {0:?}: expected seconds as first/next, such as 60/1; each 1 to 3600")]
pub struct BadSteps(pub String);

/// A price: all that the cost of a call depends on, but its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Tariff {
    /// A minute.
    pub per_minute: Money,
    /// Once, when the call is answered.
    pub connection: Money,
    /// An answered call costs at least this, connection included.
    pub minimum: Money,
    /// At least so many seconds are billed.
    pub minimum_seconds: u32,
    /// The steps.
    pub steps: Steps,
    /// Not for sale: no call to these numbers goes by this gateway, and no shorter prefix prices them.
    pub barred: bool,
}

/// When a price holds: in seconds since 1970, from (included) until (excluded).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Validity {
    /// Not before; `None`: ever since.
    pub from: Option<i64>,
    /// No longer than; `None`: until another follows.
    pub until: Option<i64>,
}

/// One row of a deck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// Numbers that begin so.
    pub prefix: Prefix,
    /// What the deck calls them: `United Kingdom mobile`.
    pub destination: Arc<str>,
    /// The price.
    pub tariff: Tariff,
    /// When it holds.
    pub validity: Validity,
    /// Only in these hours of the week; `None`: always.
    pub hours: Option<Hours>,
}

/// A price for one call: a tariff in the box's currency after so many free seconds of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Price {
    /// The tariff that the rest is billed by.
    pub tariff: Tariff,
    /// Seconds that a bundle pays for.
    pub free: u32,
}

impl Default for Steps {
    fn default() -> Steps {
        Steps::SECOND
    }
}

impl Steps {
    /// By the second.
    pub const SECOND: Steps = Steps { first: 1, next: 1 };
    /// By the minute.
    pub const MINUTE: Steps = Steps { first: 60, next: 60 };

    /// So many seconds as they are billed.
    pub fn billed(self, seconds: u32) -> u32 {
        let (first, next) = (self.first.max(1), self.next.max(1));
        match seconds {
            0 => 0,
            s if s <= first => first,
            s => first.saturating_add((s - first).div_ceil(next).saturating_mul(next)),
        }
    }

    /// The longest time that is billed with no more than `most` seconds; 0 if not even the first step is.
    fn within(self, most: u32) -> u32 {
        let (first, next) = (self.first.max(1), self.next.max(1));
        if most < first { 0 } else { first + (most - first) / next * next }
    }
}

impl FromStr for Steps {
    type Err = BadSteps;
    /// `60/1`, `60-1`, `60+1`, `60:1`, `60`; a third number (`60/60/1`: minimum, first, next) is heard too.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let bad = || BadSteps(s.to_owned());
        let mut numbers = [0u32; 3];
        let mut count = 0;
        for part in s.split(['/', '-', '+', ':', '\\', '|', ';', ',']).map(str::trim) {
            let part = part.trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim_end();
            let slot = numbers.get_mut(count).ok_or_else(bad)?;
            *slot = part.parse().ok().filter(|n| (1..=3600).contains(n)).ok_or_else(bad)?;
            count += 1;
        }
        // `01/02/2026` is a date.
        if count == 3 && numbers.iter().any(|n| (1900..2100).contains(n)) {
            return Err(bad());
        }
        match (count, numbers) {
            (1, [n, ..]) => Ok(Steps { first: n, next: n }),
            (2, [first, next, _]) => Ok(Steps { first, next }),
            (3, [minimum, first, next]) => Ok(Steps { first: minimum.max(first), next }),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.next)
    }
}

impl Tariff {
    /// Listed, and not for sale.
    pub const BARRED: Tariff = Tariff {
        per_minute: Money::ZERO,
        connection: Money::ZERO,
        minimum: Money::ZERO,
        minimum_seconds: 0,
        steps: Steps::SECOND,
        barred: true,
    };

    /// So much a minute, billed by the second.
    pub fn per_minute(per_minute: Money) -> Tariff {
        Tariff { per_minute, ..Tariff::default() }
    }

    /// What an answered call of so many seconds costs. A call that was not answered (0 seconds) costs nothing. Never
    /// falls as the call gets longer. A part of a second counts as a whole one; the caller rounds up.
    pub fn cost(&self, seconds: u32) -> Money {
        if seconds == 0 {
            return Money::ZERO;
        }
        let billed = self.steps.billed(seconds.max(self.minimum_seconds));
        (self.connection + self.per_minute.of_seconds(billed)).max(self.minimum)
    }

    /// How many seconds a call may last for this much: 0 if not one, [`FOREVER`] if time is free.
    pub fn longest(&self, budget: Money) -> u32 {
        if self.cost(1) > budget {
            return 0;
        }
        if self.per_minute.0 <= 0 {
            return FOREVER;
        }
        // The talk alone must fit: ceil(price * s / 60) <= rest is the same as price * s <= rest * 60.
        let rest = i128::from((budget - self.connection).0);
        let most = rest.saturating_mul(60) / i128::from(self.per_minute.0);
        match u32::try_from(most) {
            // The minimum is paid with the first second already.
            Ok(most) if most < FOREVER - 7200 => self.steps.within(most).max(self.minimum_seconds).max(1),
            _ => FOREVER,
        }
    }

    /// The same price in another currency of which one unit of this one is worth `worth`.
    pub fn exchanged(&self, worth: Money) -> Tariff {
        Tariff {
            per_minute: self.per_minute.exchanged(worth),
            connection: self.connection.exchanged(worth),
            minimum: self.minimum.exchanged(worth),
            ..*self
        }
    }
}

impl Price {
    /// What a call of so many seconds costs.
    pub fn cost(&self, seconds: u32) -> Money {
        self.tariff.cost(seconds.saturating_sub(self.free))
    }

    /// How many seconds a call may last for this much, the free ones included.
    pub fn longest(&self, budget: Money) -> u32 {
        if budget.is_negative() { 0 } else { self.free.saturating_add(self.tariff.longest(budget)) }
    }
}

impl From<Tariff> for Price {
    fn from(tariff: Tariff) -> Price {
        Price { tariff, free: 0 }
    }
}

impl Validity {
    /// Does the price hold at this moment?
    pub fn holds(&self, unix: i64) -> bool {
        self.from.is_none_or(|from| from <= unix) && self.until.is_none_or(|until| unix < until)
    }
}

impl Rate {
    /// A rate that always holds.
    pub fn new(prefix: Prefix, destination: &str, tariff: Tariff) -> Rate {
        Rate { prefix, destination: destination.into(), tariff, validity: Validity::default(), hours: None }
    }

    /// Does it hold at this moment, on this day and at this hour?
    pub fn holds(&self, at: At) -> bool {
        self.validity.holds(at.unix) && self.hours.as_ref().is_none_or(|h| h.contains(at.minute_of_week()))
    }

    /// What a call of so many seconds costs.
    pub fn cost(&self, seconds: u32) -> Money {
        self.tariff.cost(seconds)
    }
}

/// A tariff as a person reads it: `0.012 EUR/min, 0.05 EUR to connect, billed 60/1`.
pub struct Shown<'a>(pub &'a Tariff, pub Currency);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown(tariff, currency) = self;
        if tariff.barred {
            return f.write_str("not for sale");
        }
        write!(f, "{} {currency}/min", tariff.per_minute)?;
        if tariff.connection != Money::ZERO {
            write!(f, ", {} {currency} to connect", tariff.connection)?;
        }
        if tariff.minimum != Money::ZERO {
            write!(f, ", at least {} {currency}", tariff.minimum)?;
        }
        if tariff.minimum_seconds > 0 {
            write!(f, ", at least {} s", tariff.minimum_seconds)?;
        }
        if tariff.steps != Steps::SECOND {
            write!(f, ", billed {}", tariff.steps)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
