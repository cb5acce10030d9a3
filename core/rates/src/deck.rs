//! A rate deck: which price holds for a number. Longest prefix first, by date and hour.
//!
//! Prefixes stand in a tree of digits. A node says with one bit for each digit whether a prefix ends there, and whether
//! longer ones go on; counting the bits before gives the place of a prefix's row, or of the next node, in one array each.
//! So a prefix that nothing follows needs no node, and a look-up reads about one cache line a digit. What many rows share
//! (prices with their dates, names) is kept once.
//!
//! FIGURES
//!
//! A deck never changes. A new one is built beside it and swapped in by whoever holds the `Arc`.

mod build;

pub use build::Builder;

use std::sync::Arc;

use crate::money::{Currency, Money};
use crate::prefix::{MOST_DIGITS, Prefix};
use crate::rate::{FOREVER, Rate, Tariff, Validity};
use crate::time::{At, Hours};

/// In [`Row::terms`]: the row stands for several, see there.
const SEVERAL: u32 = 1 << 31;

/// A rate deck.
#[derive(Debug, Clone)]
pub struct Deck {
    name: Arc<str>,
    currency: Currency,
    /// The root first; the nodes of one node's children side by side.
    nodes: Box<[Node]>,
    /// A row for each prefix; those of one node's children side by side.
    rows: Box<[Row]>,
    /// Rows of prefixes that have several.
    more: Box<[Row]>,
    /// The row of the empty prefix, which prices every number.
    whole: Option<Row>,
    prefixes: usize,
    terms: Box<[Terms]>,
    hours: Box<[Hours]>,
    names: Names,
}

/// A beginning of numbers that longer prefixes go on from. Bit n is for the digit n.
#[derive(Debug, Clone, Copy, Default)]
struct Node {
    /// Place of the first child that is a node.
    children: u32,
    /// Place of the first child's row.
    rows: u32,
    /// Which digits lead to a node.
    inner: u16,
    /// Which digits end a prefix.
    ends: u16,
}

/// The price of a prefix; or, with [`SEVERAL`] set in `terms`, how many there are in `more` and from which place on. The
/// newest comes first, of those of one date the ones with hours.
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
        self.prefixes
    }

    /// How many rates it has: a prefix may have several, with other dates or hours.
    pub fn len(&self) -> usize {
        let several = |r: &&Row| r.terms & SEVERAL != 0;
        self.prefixes - self.rows.iter().chain(&self.whole).filter(several).count() + self.more.len()
    }

    /// Has it none?
    pub fn is_empty(&self) -> bool {
        self.prefixes == 0
    }

    /// The price for a number (digits, with country code) at a moment: of the prefixes that begin it and have a price
    /// then, the longest; of its prices the newest, and before all-day ones those for the hour.
    pub fn find(&self, number: &str, at: At) -> Option<Found<'_>> {
        self.find_prefix(Prefix::leading(number), at)
    }

    /// As [`find`](Self::find), for a number that is read already.
    pub fn find_prefix(&self, number: Prefix, at: At) -> Option<Found<'_>> {
        // The rows that were passed on the way down, and at which depths.
        let mut rows = [0u32; MOST_DIGITS];
        let mut passed = 0u32;
        let mut node = self.nodes.first();
        for (depth, digit) in number.digits().enumerate() {
            let Some(here) = node else { break };
            if let Some(row) = here.row(digit) {
                rows[depth] = row;
                passed |= 1 << depth;
            }
            node = here.child(digit).and_then(|c| self.nodes.get(c as usize));
        }
        while passed != 0 {
            let depth = passed.ilog2() as usize;
            passed ^= 1 << depth;
            let row = self.rows.get(rows[depth] as usize)?;
            if let Some(found) = self.rates_of(number.first(depth + 1), *row).find(|r| r.holds(at)) {
                return Some(found);
            }
        }
        self.rates_of(Prefix::ALL, self.whole?).find(|r| r.holds(at))
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
        let mut row = self.whole;
        let mut node = self.nodes.first();
        for digit in prefix.digits() {
            row = node.and_then(|n| n.row(digit)).and_then(|r| self.rows.get(r as usize)).copied();
            node = node.and_then(|n| n.child(digit)).and_then(|c| self.nodes.get(c as usize));
        }
        row.into_iter().flat_map(move |r| self.rates_of(prefix, r))
    }

    /// All rates, sorted by prefix.
    pub fn rates(&self) -> impl Iterator<Item = Found<'_>> {
        Walk::new(self).flat_map(|(prefix, _, row)| self.rates_of(prefix, row))
    }

    /// The prefixes in order, each with whether a shorter one of the deck begins it, and with its rates.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (Prefix, bool, impl Iterator<Item = Found<'_>>)> {
        Walk::new(self).map(|(prefix, has_parent, row)| (prefix, has_parent, self.rates_of(prefix, row)))
    }

    /// Octets of memory that it holds, everything counted.
    pub fn bytes(&self) -> usize {
        size_of_val(self)
            + size_of_val(&*self.nodes)
            + size_of_val(&*self.rows)
            + size_of_val(&*self.more)
            + size_of_val(&*self.terms)
            + self.hours.iter().map(|h| size_of_val(h) + size_of_val(h.stretches())).sum::<usize>()
            + self.names.text.len()
            + size_of_val(&*self.names.ends)
            + self.name.len()
    }

    /// The rates that this row of a prefix stands for.
    fn rates_of(&self, prefix: Prefix, row: Row) -> impl Iterator<Item = Found<'_>> {
        let (one, several) = if row.terms & SEVERAL == 0 {
            (Some(row), [].as_slice())
        } else {
            let from = row.name as usize;
            (None, self.more.get(from..from + (row.terms ^ SEVERAL) as usize).unwrap_or_default())
        };
        one.into_iter().chain(several.iter().copied()).filter_map(move |row| {
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

impl Node {
    /// Place of the row of the prefix that ends with this digit.
    fn row(&self, digit: u8) -> Option<u32> {
        let bit = 1u16 << digit;
        (self.ends & bit != 0).then(|| self.rows + (self.ends & (bit - 1)).count_ones())
    }

    /// Place of the node that this digit leads to.
    fn child(&self, digit: u8) -> Option<u32> {
        let bit = 1u16 << digit;
        (self.inner & bit != 0).then(|| self.children + (self.inner & (bit - 1)).count_ones())
    }
}

/// Goes through a deck in the order of its prefixes.
struct Walk<'a> {
    deck: &'a Deck,
    whole: Option<Row>,
    /// Nodes on the way down: each with its prefix, the digit that is next, and whether a prefix of the deck begins it.
    path: Vec<(Node, Prefix, u8, bool)>,
}

impl<'a> Walk<'a> {
    fn new(deck: &'a Deck) -> Walk<'a> {
        let root = deck.nodes.first().map(|n| (*n, Prefix::ALL, 0, deck.whole.is_some()));
        Walk { deck, whole: deck.whole, path: root.into_iter().collect() }
    }
}

impl Iterator for Walk<'_> {
    type Item = (Prefix, bool, Row);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(row) = self.whole.take() {
            return Some((Prefix::ALL, false, row));
        }
        loop {
            let (node, prefix, next, covered) = self.path.last_mut()?;
            let digit = *next;
            if digit > 9 {
                self.path.pop();
                continue;
            }
            *next += 1;
            let (node, here, covered) = (*node, prefix.with(digit), *covered);
            let row = node.row(digit).and_then(|r| self.deck.rows.get(r as usize));
            if let Some(child) = node.child(digit).and_then(|c| self.deck.nodes.get(c as usize)) {
                self.path.push((*child, here, 0, covered || row.is_some()));
            }
            if let Some(row) = row {
                return Some((here, covered, *row));
            }
        }
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
