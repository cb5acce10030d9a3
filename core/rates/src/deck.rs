//! A rate deck: which price holds for a number. Longest prefix first, by date and hour.
//!
//! All prefixes stand in one sorted array, each as a word (see [`crate::prefix`]) with the place of the longest shorter
//! prefix of the deck that begins it. A table by the first five digits leads to a short stretch of the array; a binary
//! search there finds the last prefix that sorts not behind the number; from it the chain of shorter ones is followed
//! until one begins the number and has a price for the moment. What many rows share (prices with their dates, names)
//! is kept once.
//!
//! A deck never changes. A new one is built beside it and swapped in by whoever holds the `Arc`.

mod build;

pub use build::Builder;

use std::sync::Arc;

use crate::money::{Currency, Money};
use crate::prefix::Prefix;
use crate::rate::{FOREVER, Rate, Tariff, Validity};
use crate::time::{At, Hours};

/// No shorter prefix.
const NONE: u32 = u32::MAX;
/// The table by the first five digits: one more than there are, for the end.
const BUCKETS: usize = 100_001;

/// A rate deck.
#[derive(Debug, Clone)]
pub struct Deck {
    name: Arc<str>,
    currency: Currency,
    /// Sorted by `key`; one more at the end, whose `first` is the number of rows.
    slots: Box<[Slot]>,
    rows: Box<[Row]>,
    /// Where the slots of each five digits begin.
    buckets: Box<[u32]>,
    terms: Box<[Terms]>,
    hours: Box<[Hours]>,
    names: Names,
}

/// One prefix.
#[derive(Debug, Clone, Copy)]
struct Slot {
    key: u64,
    parent: u32,
    /// Its first row; the next slot's is where they end. The newest comes first, of those the ones with hours.
    first: u32,
}

/// One price of a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    terms: u32,
    name: u32,
}

/// What many rows share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Terms {
    tariff: Tariff,
    /// `i64::MIN`: ever since.
    from: i64,
    /// `i64::MAX`: until another follows.
    until: i64,
    /// Place in `hours` plus one; 0: always.
    hours: u32,
}

/// Names, each kept once, behind one another.
#[derive(Debug, Clone, Default)]
struct Names {
    text: Box<str>,
    ends: Box<[u32]>,
}

/// A rate as the deck keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// The prefix that begins the number.
    pub prefix: Prefix,
    /// What the deck calls it.
    pub destination: &'a str,
    /// The price.
    pub tariff: &'a Tariff,
    /// When it holds.
    pub validity: Validity,
    /// In which hours; `None`: always.
    pub hours: Option<&'a Hours>,
}

/// An answer to "what would this call cost?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// The rate that prices it.
    pub rate: Rate,
    /// The deck that it stands in.
    pub deck: Arc<str>,
    /// The currency of all amounts.
    pub currency: Currency,
    /// What the call of the asked length costs.
    pub cost: Money,
}

impl Deck {
    /// A deck that prices every number alike: a flat-rate provider, a landline.
    pub fn flat(name: &str, currency: Currency, tariff: Tariff) -> Deck {
        let mut builder = Builder::new(name, currency);
        for digit in 0..10u8 {
            let prefix = Prefix::ALL.join(&digit.to_string()).unwrap_or_default();
            builder.add(&Rate::new(prefix, "any number", tariff));
        }
        builder.build()
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The currency of its prices.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// How many prefixes it has.
    pub fn prefixes(&self) -> usize {
        self.slots.len() - 1
    }

    /// How many rates it has: a prefix may have several, with other dates or hours.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Has it none?
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The price for a number (digits, with country code) at a moment: of the prefixes that begin it and have a price
    /// then, the longest; of its prices the newest, and before all-day ones those for the hour.
    pub fn find(&self, number: &str, at: At) -> Option<Found<'_>> {
        self.find_prefix(Prefix::leading(number), at)
    }

    /// As [`find`](Self::find), for a number that is read already.
    pub fn find_prefix(&self, number: Prefix, at: At) -> Option<Found<'_>> {
        let bucket = number.bucket();
        let (from, until) = (*self.buckets.get(bucket)? as usize, *self.buckets.get(bucket + 1)? as usize);
        let key = number.word();
        let behind = from + self.slots.get(from..until)?.partition_point(|s| s.key <= key);
        let mut place = behind.checked_sub(1)?;
        loop {
            let slot = self.slots.get(place)?;
            if Prefix::of_word(slot.key).begins(number)
                && let Some(found) = self.rows_of(place).find(|r| r.holds(at))
            {
                return Some(found);
            }
            if slot.parent == NONE {
                return None;
            }
            place = slot.parent as usize;
        }
    }

    /// What a call of so many seconds to this number would cost, begun at this moment.
    pub fn quote(&self, number: &str, at: At, seconds: u32) -> Option<Quote> {
        let found = self.find(number, at)?;
        Some(Quote {
            rate: found.rate(),
            deck: Arc::clone(&self.name),
            currency: self.currency,
            cost: found.tariff.cost(seconds),
        })
    }

    /// The rates of exactly this prefix, the newest first.
    pub fn exact(&self, prefix: Prefix) -> impl Iterator<Item = Found<'_>> {
        let place = self.slots[..self.prefixes()].binary_search_by_key(&prefix.word(), |s| s.key).ok();
        place.into_iter().flat_map(|p| self.rows_of(p))
    }

    /// All rates, sorted by prefix.
    pub fn rates(&self) -> impl Iterator<Item = Found<'_>> {
        (0..self.prefixes()).flat_map(|p| self.rows_of(p))
    }

    /// The prefixes in order, each with its rates.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (Prefix, bool, impl Iterator<Item = Found<'_>>)> {
        (0..self.prefixes()).map(|p| {
            let slot = &self.slots[p];
            (Prefix::of_word(slot.key), slot.parent != NONE, self.rows_of(p))
        })
    }

    /// Octets of memory that it holds, everything counted.
    pub fn bytes(&self) -> usize {
        size_of_val(self)
            + size_of_val(&*self.slots)
            + size_of_val(&*self.rows)
            + size_of_val(&*self.buckets)
            + size_of_val(&*self.terms)
            + self.hours.iter().map(|h| size_of_val(h) + size_of_val(h.stretches())).sum::<usize>()
            + self.names.text.len()
            + size_of_val(&*self.names.ends)
            + self.name.len()
    }

    /// The rates of the slot at this place, which is one of the array but its last.
    fn rows_of(&self, place: usize) -> impl Iterator<Item = Found<'_>> {
        let ends =
            self.slots.get(place..place + 2).map_or((0, 0), |s| (s[0].first as usize, s[1].first as usize));
        let prefix = Prefix::of_word(self.slots.get(place).map_or(0, |s| s.key));
        self.rows.get(ends.0..ends.1).unwrap_or_default().iter().filter_map(move |row| {
            let terms = self.terms.get(row.terms as usize)?;
            Some(Found {
                prefix,
                destination: self.names.get(row.name),
                tariff: &terms.tariff,
                validity: terms.validity(),
                hours: terms.hours.checked_sub(1).and_then(|h| self.hours.get(h as usize)),
            })
        })
    }
}

impl Terms {
    fn validity(&self) -> Validity {
        Validity {
            from: (self.from != i64::MIN).then_some(self.from),
            until: (self.until != i64::MAX).then_some(self.until),
        }
    }
}

impl Names {
    fn get(&self, n: u32) -> &str {
        let n = n as usize;
        let from = n.checked_sub(1).and_then(|b| self.ends.get(b)).map_or(0, |e| *e as usize);
        let until = self.ends.get(n).map_or(from, |e| *e as usize);
        self.text.get(from..until).unwrap_or_default()
    }
}

impl Found<'_> {
    /// Does it hold at this moment, on this day and at this hour?
    pub fn holds(&self, at: At) -> bool {
        self.validity.holds(at.unix) && self.hours.is_none_or(|h| h.contains(at.minute_of_week()))
    }

    /// As a row of its own.
    pub fn rate(&self) -> Rate {
        Rate {
            prefix: self.prefix,
            destination: self.destination.into(),
            tariff: *self.tariff,
            validity: self.validity,
            hours: self.hours.cloned(),
        }
    }

    /// How long a call may last for this much; see [`Tariff::longest`].
    pub fn longest(&self, budget: Money) -> u32 {
        if budget == Money::MAX { FOREVER } else { self.tariff.longest(budget) }
    }
}

#[cfg(test)]
mod tests;
