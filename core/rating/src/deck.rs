//! A rate deck: which price holds for a number. Longest prefix first, by date and hour.
//!
//! Prefixes stand in a tree of digits, all in one array. A node says with one bit for each digit whether a prefix ends
//! there, and whether longer ones go on; behind it stand the places of the next nodes and the prefixes' rows, found by
//! counting the bits before. So a prefix that nothing follows needs no node, and memory is read as seldom as can be, which
//! is what a look-up costs. What many rows share (price, dates, name) is kept once, in a cache line of its own.
//!
//! A table leads from the first five digits straight to their node, past levels that would each miss the caches.
//!
//! Chosen by measurement (`benches/deck.rs`; 1,000,000 prefixes, two shared cores of an AMD EPYC under load, time on the
//! processor): random numbers, a look-up; octets a prefix of the index, of this deck with everything in it.
//!
//! | structure | ns | octets |
//! |---|---|---|
//! | this deck, the price read; octets with prices, dates and names | 98 | 12.5 |
//! | trie of digits with a node for each prefix, index alone | 85 | 18.5 |
//! | `fst`, index alone | 275 | 8.6 |
//! | hash table asked for each length, index alone | 254 | about 36 |
//! | sorted array searched for each length, index alone | 1,028 | 16.0 |
//!
//! A neighbour that fills the caches makes all of them two or more times slower. A price with its dates and name takes 64
//! octets and is kept once: 12.5 holds for some 8,000 of them. With 500,000 different ones the deck would take about 44.
//!
//! A deck never changes. A new one is built beside it and swapped in by the holder of the `Arc`.

mod build;

pub use build::Builder;

use std::sync::Arc;

use crate::money::{Currency, Money};
use crate::prefix::{MOST_DIGITS, Prefix};
use crate::rate::{FOREVER, Rate, Tariff, Validity};
use crate::time::{At, Hours};

/// In a row: it stands for several, see [`Deck::more`].
const SEVERAL: u32 = 1 << 31;
/// Digits that are jumped over.
const FIVE: usize = 5;
/// From so many prefixes on a deck has the table for it, of 400 kB.
const LARGE: usize = 50_000;
/// The ten bits of a node's digits.
const DIGITS: u32 = 0x3FF;

/// A rate deck.
#[derive(Debug, Clone)]
pub struct Deck {
    name: Arc<str>,
    currency: Currency,
    /// Nodes, the root first and each before those that it leads to: one word of bits (see [`Node`]), the places of the
    /// nodes it leads to, the rows of the prefixes that end in it. None crosses the end of a cache line if it fits in one.
    tree: Box<[CacheLine]>,
    /// Places of the nodes after each five digits, 0 for none; empty for a small deck, which the caches hold anyway.
    jump: Box<[u32]>,
    /// For prefixes that have several rates: how many, then their places in `terms`. The newest comes first, of those of
    /// one date the ones with hours.
    more: Box<[u32]>,
    /// The row of the empty prefix, which prices every number.
    whole: Option<u32>,
    prefixes: usize,
    rates: usize,
    terms: Box<[Terms]>,
    hours: Box<[Hours]>,
    names: Names,
}

/// Words of the tree: what memory is read by.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct CacheLine([u32; LINE]);

/// Words in a line.
const LINE: usize = 16;

/// A beginning of numbers that prefixes go on from: its place and its bits. Bit n says that the digit n leads to a node,
/// bit 10 + n that a prefix ends with it.
#[derive(Debug, Clone, Copy)]
struct Node {
    place: usize,
    bits: u32,
}

/// What many rows share. One cache line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(align(64))]
struct Terms {
    tariff: Tariff,
    /// `i64::MIN`: ever since.
    from: i64,
    /// `i64::MAX`: until another follows.
    until: i64,
    /// Place in `hours` plus one; 0: always.
    hours: u32,
    /// Place in `names`.
    name: u32,
}

/// Names, each kept once, behind one another.
#[derive(Debug, Clone, Default)]
struct Names {
    text: Box<str>,
    ends: Box<[u32]>,
}

/// A rate as the deck keeps it. Nothing is read of it before it is asked.
#[derive(Debug, Clone, Copy)]
pub struct DeckMatch<'a> {
    /// The prefix that begins the number.
    pub prefix: Prefix,
    deck: &'a Deck,
    terms: &'a Terms,
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
        self.rates
    }

    /// Has it none?
    pub fn is_empty(&self) -> bool {
        self.prefixes == 0
    }

    /// The price for a number (digits, with country code) at a moment: of the prefixes that begin it and have a price
    /// then, the longest; of its prices the newest, and before all-day ones those for the hour.
    pub fn find(&self, number: &str, at: At) -> Option<DeckMatch<'_>> {
        self.find_prefix(Prefix::leading(number), at)
    }

    /// As [`find`](Self::find), for a number that is read already.
    pub fn find_prefix(&self, number: Prefix, at: At) -> Option<DeckMatch<'_>> {
        self.find_listed(number, at).filter(|found| !found.tariff().barred)
    }

    /// As [`find_prefix`](Self::find_prefix), also where the longest prefix is [not for sale](Tariff::barred).
    pub fn find_listed(&self, number: Prefix, at: At) -> Option<DeckMatch<'_>> {
        // Most numbers have a price behind their fifth digit; only for the others is the way gone from its beginning.
        let below = self.jump.get(number.first_five()).filter(|place| **place != 0);
        if let Some(found) = below.and_then(|place| self.descend(self.node(*place)?, FIVE, number, at)) {
            return Some(found);
        }
        if let Some(found) = self.descend(self.node(0)?, 0, number, at) {
            return Some(found);
        }
        let terms = self.terms_of(self.whole.as_ref()?).find(|t| t.holds(self, at))?;
        Some(DeckMatch { prefix: Prefix::ALL, deck: self, terms })
    }

    /// The longest prefix with a price, from this node on, to which so many digits led.
    fn descend(&self, node: Node, from: usize, number: Prefix, at: At) -> Option<DeckMatch<'_>> {
        // The nodes on the way down, and at which depths prefixes end: the rows of most are never read.
        let mut way = [node; MOST_DIGITS];
        let mut passed = 0u32;
        let mut next = Some(node);
        for (depth, digit) in number.digits().enumerate().skip(from) {
            let Some(here) = next else { break };
            way[depth] = here;
            passed |= (here.bits >> (10 + u32::from(digit)) & 1) << depth;
            next = self.child(here, digit);
        }
        while passed != 0 {
            let depth = passed.ilog2() as usize;
            passed ^= 1 << depth;
            let digit = number.digits().nth(depth)?;
            if let Some(terms) = self.terms_of(&self.row(way[depth], digit)?).find(|t| t.holds(self, at)) {
                return Some(DeckMatch { prefix: number.first(depth + 1), deck: self, terms });
            }
        }
        None
    }

    /// The table of [`Deck::jump`].
    fn jumps(&self) -> Box<[u32]> {
        if self.prefixes < LARGE {
            return Box::default();
        }
        let place = |number: u32| {
            let digits = [10_000, 1_000, 100, 10, 1].map(|by| (number / by % 10) as u8);
            let node = digits.into_iter().try_fold(self.node(0)?, |node, digit| self.child(node, digit))?;
            u32::try_from(node.place).ok()
        };
        (0..100_000).map(|number| place(number).unwrap_or(0)).collect()
    }

    /// What a call of so many seconds to this number would cost, begun at this moment.
    pub fn quote(&self, number: &str, at: At, seconds: u32) -> Option<Quote> {
        let found = self.find(number, at)?;
        Some(Quote {
            rate: found.rate(),
            deck: Arc::clone(&self.name),
            currency: self.currency,
            cost: found.tariff().cost(seconds),
        })
    }

    /// The rates of exactly this prefix, the newest first.
    pub fn exact(&self, prefix: Prefix) -> impl Iterator<Item = DeckMatch<'_>> {
        let mut row = self.whole;
        let mut node = self.node(0);
        for digit in prefix.digits() {
            row = node.and_then(|n| self.row(n, digit));
            node = node.and_then(|n| self.child(n, digit));
        }
        row.into_iter().flat_map(move |r| self.rates_of(prefix, r))
    }

    /// All rates, sorted by prefix.
    pub fn rates(&self) -> impl Iterator<Item = DeckMatch<'_>> {
        Walk::new(self).flat_map(|(prefix, _, row)| self.rates_of(prefix, row))
    }

    /// The prefixes in order, each with whether a shorter one of the deck begins it, and with its rates.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (Prefix, bool, impl Iterator<Item = DeckMatch<'_>>)> {
        Walk::new(self).map(|(prefix, has_parent, row)| (prefix, has_parent, self.rates_of(prefix, row)))
    }

    /// Octets of memory that it holds, everything counted.
    pub fn bytes(&self) -> usize {
        size_of_val(self)
            + size_of_val(&*self.tree)
            + size_of_val(&*self.jump)
            + size_of_val(&*self.more)
            + size_of_val(&*self.terms)
            + self.hours.iter().map(|h| size_of_val(h) + size_of_val(h.stretches())).sum::<usize>()
            + self.names.text.len()
            + size_of_val(&*self.names.ends)
            + self.name.len()
    }

    /// The rates that this row of a prefix stands for.
    fn rates_of(&self, prefix: Prefix, row: u32) -> impl Iterator<Item = DeckMatch<'_>> {
        let (one, several) = self.places(row);
        let places = one.into_iter().chain(several.iter().copied());
        let terms = places.filter_map(|place| self.terms.get(place as usize));
        terms.map(move |terms| DeckMatch { prefix, deck: self, terms })
    }

    /// The same, bare.
    fn terms_of<'a: 'r, 'r>(&'a self, row: &'r u32) -> impl Iterator<Item = &'a Terms> + use<'a, 'r> {
        let places = match row & SEVERAL {
            0 => std::slice::from_ref(row),
            _ => self.places(*row).1,
        };
        places.iter().filter_map(|place| self.terms.get(*place as usize))
    }

    /// The place in `terms` that a row names, or the places.
    fn places(&self, row: u32) -> (Option<u32>, &[u32]) {
        if row & SEVERAL == 0 {
            return (Some(row), &[]);
        }
        let several = self.more.get((row ^ SEVERAL) as usize..).and_then(|m| {
            let (count, rest) = m.split_first()?;
            rest.get(..*count as usize)
        });
        (None, several.unwrap_or_default())
    }

    fn word(&self, place: usize) -> Option<u32> {
        self.tree.get(place / LINE).map(|line| line.0[place % LINE])
    }

    fn node(&self, place: u32) -> Option<Node> {
        let place = place as usize;
        self.word(place).map(|bits| Node { place, bits })
    }

    /// The row of the prefix that ends with this digit.
    fn row(&self, node: Node, digit: u8) -> Option<u32> {
        node.row(digit).and_then(|place| self.word(place))
    }

    /// The node that this digit leads to.
    fn child(&self, node: Node, digit: u8) -> Option<Node> {
        let bit = 1 << u32::from(digit);
        let before = ONES[(node.bits & DIGITS & (bit - 1)) as usize] as usize;
        if node.bits & bit == 0 { None } else { self.node(self.word(node.place + 1 + before)?) }
    }
}

impl Node {
    /// Where the row stands of the prefix that ends with this digit.
    fn row(self, digit: u8) -> Option<usize> {
        let bit = 1 << (10 + u32::from(digit));
        // The children are counted too: their places stand before the rows.
        let before = (self.bits & (bit - 1)).count_ones() as usize;
        (self.bits & bit != 0).then_some(self.place + 1 + before)
    }
}

/// How many of ten bits are set. Not every processor that we run on has an instruction for it.
static ONES: [u8; 1024] = {
    let mut ones = [0; 1024];
    let mut n = 0;
    while n < 1024 {
        ones[n] = (n as u16).count_ones() as u8;
        n += 1;
    }
    ones
};

/// Goes through a deck in the order of its prefixes.
struct Walk<'a> {
    deck: &'a Deck,
    whole: Option<u32>,
    /// Nodes on the way down: each with its prefix, the digit that is next, and whether a prefix of the deck begins it.
    path: Vec<(Node, Prefix, u8, bool)>,
}

impl<'a> Walk<'a> {
    fn new(deck: &'a Deck) -> Walk<'a> {
        let root = deck.node(0).map(|n| (n, Prefix::ALL, 0, deck.whole.is_some()));
        Walk { deck, whole: deck.whole, path: root.into_iter().collect() }
    }
}

impl Iterator for Walk<'_> {
    type Item = (Prefix, bool, u32);

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
            let row = self.deck.row(node, digit);
            if let Some(child) = self.deck.child(node, digit) {
                self.path.push((child, here, 0, covered || row.is_some()));
            }
            if let Some(row) = row {
                return Some((here, covered, row));
            }
        }
    }
}

impl Terms {
    fn holds(&self, deck: &Deck, at: At) -> bool {
        self.from <= at.unix
            && at.unix < self.until
            && self.hours(deck).is_none_or(|h| h.contains(at.minute_of_week()))
    }

    fn hours<'a>(&self, deck: &'a Deck) -> Option<&'a Hours> {
        self.hours.checked_sub(1).and_then(|h| deck.hours.get(h as usize))
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

impl<'a> DeckMatch<'a> {
    /// What the deck calls it.
    pub fn destination(&self) -> &'a str {
        self.deck.names.get(self.terms.name)
    }

    /// The price.
    pub fn tariff(&self) -> &'a Tariff {
        &self.terms.tariff
    }

    /// From when until when it holds.
    pub fn validity(&self) -> Validity {
        let Terms { from, until, .. } = *self.terms;
        Validity { from: (from != i64::MIN).then_some(from), until: (until != i64::MAX).then_some(until) }
    }

    /// In which hours; `None`: always.
    pub fn hours(&self) -> Option<&'a Hours> {
        self.terms.hours(self.deck)
    }

    /// Does it hold at this moment, on this day and at this hour?
    pub fn holds(&self, at: At) -> bool {
        self.terms.holds(self.deck, at)
    }

    /// As a row of its own.
    pub fn rate(&self) -> Rate {
        Rate {
            prefix: self.prefix,
            destination: self.destination().into(),
            tariff: *self.tariff(),
            validity: self.validity(),
            hours: self.hours().cloned(),
        }
    }

    /// How long a call may last for this much; see [`Tariff::longest`].
    pub fn longest(&self, budget: Money) -> u32 {
        if budget == Money::MAX { FOREVER } else { self.tariff().longest(budget) }
    }
}

#[cfg(test)]
mod tests;
