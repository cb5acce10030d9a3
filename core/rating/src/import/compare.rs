//! What a new deck would change, and what in it wants a second look.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::deck::{Builder, Deck, DeckMatch};
use crate::money::Money;
use crate::prefix::Prefix;
use crate::rate::Tariff;
use crate::time::Hours;

use super::dialect::Dialect;
use super::rows::Rows;
use super::{Preview, RowError};

/// How many there are, and the first of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// All of them.
    pub count: usize,
    /// The first ones, at most [`super::Options::listed`] and at least one.
    pub some: Vec<T>,
    most: usize,
}

/// A price of a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The prefix.
    pub prefix: Prefix,
    /// Its name.
    pub destination: Arc<str>,
    /// Its price; of several the newest.
    pub tariff: Tariff,
    /// Since when, in seconds since 1970.
    pub from: Option<i64>,
    /// Only in these hours; others may have a price of their own.
    pub hours: Option<Hours>,
}

/// A price that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The prefix.
    pub prefix: Prefix,
    /// Its name in the new deck.
    pub destination: Arc<str>,
    /// Before.
    pub old: Tariff,
    /// After; the same as before where only prices for other hours change.
    pub new: Tariff,
    /// From when on.
    pub from: Option<i64>,
}

/// Numbers that the deck leaves without a price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gap {
    /// A country has prices for some prefixes, but none for the rest of it.
    NoParent {
        /// The country code.
        country: Prefix,
        /// How many prefixes of it have one.
        prefixes: usize,
        /// One of them.
        example: Prefix,
    },
    /// A row names a destination and no price.
    NoPrice {
        /// The row's line.
        line: u64,
        /// Its first prefix.
        prefix: Prefix,
        /// Its name.
        destination: Arc<str>,
    },
}

/// Two rows for the same prefix, date and hours with different prices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The prefix.
    pub prefix: Prefix,
    /// The dearer one: it counts.
    pub taken: Tariff,
    /// Its line.
    pub taken_line: u64,
    /// The other.
    pub dropped: Tariff,
    /// Its line.
    pub dropped_line: u64,
}

/// A price that wants a second look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absurd {
    /// The prefix.
    pub prefix: Prefix,
    /// Its name.
    pub destination: Arc<str>,
    /// The price a minute.
    pub price: Money,
    /// What is odd.
    pub why: Why,
}

/// What is odd about a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Less than nothing.
    Negative,
    /// Nothing at all.
    Zero,
    /// Far from what most of the country (or of the deck) costs: the price in the middle.
    Outlier(Money),
    /// Far from what it costs in the old deck.
    Jump(Money),
}

/// A price so many times the middle one of its country is odd, or so small a part of it: a shifted decimal sign is 10,
/// 100 or 1000 times; special numbers within a country cost 10 times as much.
const COUNTRY_RATIO: f64 = 20.0;
/// Across all countries prices differ more: satellites cost a thousand times what a neighbour does.
const DECK_RATIO: f64 = 2_000.0;
/// Prices do change from one month to the next, but not like this.
const JUMP_RATIO: i64 = 4;
/// Fewer prices have no middle worth the name.
const ENOUGH: usize = 8;

pub(super) fn preview(
    builder: Builder,
    dialect: Dialect,
    found: Rows,
    old: Option<&Deck>,
    most: usize,
) -> (Deck, Preview) {
    let mut overlaps = Listed::new(most);
    let mut repeated = 0;
    let currency = builder.currency;
    let deck = builder.build_telling(&mut |builder, clash| {
        let (taken, dropped) = (builder.tariff(&clash.kept), builder.tariff(&clash.other));
        if taken == dropped {
            repeated += 1;
        } else {
            overlaps.push(|| Overlap {
                prefix: clash.kept.prefix(),
                taken: *taken,
                taken_line: clash.kept.line.into(),
                dropped: *dropped,
                dropped_line: clash.other.line.into(),
            });
        }
    });
    let mut preview = Preview {
        dialect,
        currency,
        rows: found.rows,
        rates: deck.len(),
        new: Listed::new(most),
        changed: Listed::new(most),
        removed: Listed::new(most),
        barred: Listed::new(most),
        same: 0,
        gaps: found.gaps,
        overlaps,
        repeated,
        absurd: found.negative,
        rounded: found.rounded,
        errors: found.errors,
    };
    compare(&deck, old, &mut preview);
    parents(&deck, &mut preview.gaps);
    outliers(&deck, &mut preview.absurd);
    (deck, preview)
}

/// Walks both decks side by side.
fn compare(deck: &Deck, old: Option<&Deck>, preview: &mut Preview) {
    let mut olds = old.into_iter().flat_map(Deck::groups).peekable();
    // Amounts of another currency cannot be compared.
    let alike = old.is_none_or(|o| o.currency() == deck.currency());
    for (prefix, _, mut rates) in deck.groups() {
        while let Some((gone, _, mut rates)) = olds.next_if(|(p, ..)| *p < prefix) {
            if let Some(first) = rates.next() {
                preview.removed.push(|| Line::of(gone, &first));
            }
        }
        let Some(new) = rates.next() else { continue };
        if new.tariff().barred {
            preview.barred.push(|| Line::of(prefix, &new));
        }
        let Some((_, _, mut rates_before)) = olds.next_if(|(p, ..)| *p == prefix) else {
            if new.tariff().barred {
                continue;
            }
            preview.new.push(|| Line::of(prefix, &new));
            continue;
        };
        let Some(before) = rates_before.next() else { continue };
        let main_change = before.tariff() != new.tariff() || before.hours() != new.hours();
        // The other prices of the same date, for other hours.
        let others = |first: &DeckMatch, rest: Vec<DeckMatch>| -> Vec<(Tariff, Option<Hours>)> {
            let same = rest.iter().filter(|r| r.validity().from == first.validity().from);
            same.map(|r| (*r.tariff(), r.hours().cloned())).collect()
        };
        let changed =
            !alike || main_change || others(&new, rates.collect()) != others(&before, rates_before.collect());
        if !changed {
            preview.same += 1;
            continue;
        }
        preview.changed.push(|| Change {
            prefix,
            destination: new.destination().into(),
            old: *before.tariff(),
            new: *new.tariff(),
            from: new.validity().from,
        });
        let (a, b) = (before.tariff().per_minute, new.tariff().per_minute);
        let (small, large) = (a.min(b).0, a.max(b).0); // 0 where it is not for sale: no jump.
        if alike && small > 0 && large >= small.saturating_mul(JUMP_RATIO) {
            preview.absurd.push(|| Absurd {
                prefix,
                destination: new.destination().into(),
                price: b,
                why: Why::Jump(a),
            });
        }
    }
    for (gone, _, mut rates) in olds {
        if let Some(first) = rates.next() {
            preview.removed.push(|| Line::of(gone, &first));
        }
    }
}

/// Countries of which only parts have a price.
fn parents(deck: &Deck, gaps: &mut Listed<Gap>) {
    let mut orphan: Option<(Prefix, usize, Prefix)> = None;
    let mut say = |orphan: Option<(Prefix, usize, Prefix)>| {
        if let Some((country, prefixes, example)) = orphan {
            gaps.push(|| Gap::NoParent { country, prefixes, example });
        }
    };
    for (prefix, has_parent, _) in deck.groups() {
        let digits = prefix.country_digits();
        if has_parent || prefix.len() <= digits {
            continue;
        }
        let country = prefix.first(digits);
        match &mut orphan {
            Some((c, n, _)) if *c == country => *n += 1,
            _ => say(orphan.replace((country, 1, prefix))),
        }
    }
    say(orphan);
}

/// Prices far from the middle of their country; of the deck, where a country has few.
fn outliers(deck: &Deck, absurd: &mut Listed<Absurd>) {
    let price = |f: &DeckMatch| f.tariff().per_minute.0;
    let mut all: Vec<i64> = deck.rates().map(|f| price(&f)).filter(|p| *p > 0).collect();
    let deck_middle = middle(&mut all);
    let mut rates = deck.rates().filter(|f| !f.tariff().barred).peekable();
    let mut country: Vec<DeckMatch> = Vec::new();
    let mut prices: Vec<i64> = Vec::new();
    while let Some(first) = rates.next() {
        let code = first.prefix.first(first.prefix.country_digits());
        country.clear();
        country.push(first);
        while let Some(next) = rates.next_if(|f| code != Prefix::ALL && code.begins(f.prefix)) {
            country.push(next);
        }
        prices.clear();
        prices.extend(country.iter().map(price).filter(|p| *p > 0));
        let (middle, ratio) = match middle(&mut prices) {
            Some(m) if prices.len() >= ENOUGH => (Some(m), COUNTRY_RATIO),
            _ => (deck_middle.filter(|_| all.len() >= ENOUGH), DECK_RATIO),
        };
        for found in &country {
            let price = price(found);
            let why = match (price.cmp(&0), middle) {
                (Ordering::Less, _) => Why::Negative,
                (Ordering::Equal, _) => Why::Zero,
                (Ordering::Greater, Some(m)) if far(price, m, ratio) => Why::Outlier(Money(m)),
                (Ordering::Greater, _) => continue,
            };
            let (prefix, destination) = (found.prefix, found.destination().into());
            absurd.push(|| Absurd { prefix, destination, price: Money(price), why });
        }
    }
}

fn far(price: i64, middle: i64, ratio: f64) -> bool {
    let (price, middle) = (price as f64, middle as f64);
    price > middle * ratio || price * ratio < middle
}

/// The value in the middle.
fn middle(values: &mut [i64]) -> Option<i64> {
    let half = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable(half).1)
}

impl<T> Listed<T> {
    pub(super) fn new(most: usize) -> Listed<T> {
        Listed { count: 0, some: Vec::new(), most: most.max(1) }
    }

    pub(super) fn push(&mut self, item: impl FnOnce() -> T) {
        self.count += 1;
        if self.some.len() < self.most {
            self.some.push(item());
        }
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Line {
    fn of(prefix: Prefix, found: &DeckMatch) -> Line {
        Line {
            prefix,
            destination: found.destination().into(),
            tariff: *found.tariff(),
            from: found.validity().from,
            hours: found.hours().cloned(),
        }
    }
}

impl std::fmt::Display for RowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}: {} ({})", self.line, self.column, self.what, self.hint)
    }
}
