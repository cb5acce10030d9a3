//! Rows become a deck: sorted, chained, and what is alike kept once.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::{CacheLine, Deck, LINE, Names, SEVERAL, Terms};
use crate::money::Currency;
use crate::prefix::Prefix;
use crate::rate::{Rate, Tariff, Validity};
use crate::time::Hours;

/// Two rates of the same prefix, date and hours: one that is not for sale counts, else the dearer one, so that no estimate is too low. Compared by a
/// call of this length.
const USUAL_CALL: u32 = 180;

/// No name yet.
const NONE: u32 = u32::MAX;

/// Gathers rows for a [`Deck`].
#[derive(Debug)]
pub struct Builder {
    name: Arc<str>,
    pub(crate) currency: Currency,
    entries: Vec<Entry>,
    terms: Vec<Terms>,
    terms_known: HashMap<Terms, u32, Quick>,
    hours: Vec<Hours>,
    text: String,
    ends: Vec<u32>,
    names_known: HashMap<Box<str>, u32, Quick>,
    last_name: u32,
    last_terms: Option<(Terms, u32)>,
}

/// A row on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    prefix: Prefix,
    /// Place of what it says.
    terms: u32,
    /// Where it came from, for error messages.
    pub(crate) line: u32,
}

/// Two entries for the same prefix, date and hours.
pub(crate) struct Clash {
    pub(crate) kept: Entry,
    pub(crate) other: Entry,
}

impl Builder {
    /// An empty deck.
    pub fn new(name: &str, currency: Currency) -> Builder {
        Builder {
            name: name.into(),
            currency,
            entries: Vec::new(),
            terms: Vec::new(),
            terms_known: HashMap::default(),
            hours: Vec::new(),
            text: String::new(),
            ends: Vec::new(),
            names_known: HashMap::default(),
            last_name: NONE,
            last_terms: None,
        }
    }

    /// One more rate. Of two for the same prefix, date and hours the dearer one counts.
    pub fn add(&mut self, rate: &Rate) {
        self.row(rate.prefix, &rate.destination, rate.tariff, rate.validity, rate.hours.as_ref(), 0);
    }

    /// One more rate, in parts, with the line that it came from.
    pub(crate) fn row(
        &mut self,
        prefix: Prefix,
        destination: &str,
        tariff: Tariff,
        validity: Validity,
        hours: Option<&Hours>,
        line: u32,
    ) {
        let hours = hours.map_or(0, |h| self.hours_place(h));
        let terms = Terms {
            tariff,
            from: validity.from.unwrap_or(i64::MIN),
            until: validity.until.unwrap_or(i64::MAX),
            hours,
            name: self.name_place(destination.trim()),
        };
        let terms = self.terms_place(terms);
        self.entries.push(Entry { prefix, terms, line });
    }

    /// How many rows were added.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Were none?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The deck.
    pub fn build(self) -> Deck {
        self.build_telling(&mut |_, _| {})
    }

    /// The deck; says which rows had to give way to a dearer or equal one.
    pub(crate) fn build_telling(mut self, clash: &mut dyn FnMut(&Builder, Clash)) -> Deck {
        let mut entries = std::mem::take(&mut self.entries);
        let terms = |e: &Entry| &self.terms[e.terms as usize];
        let hours = |t: &Terms| t.hours.checked_sub(1).map(|h| &self.hours[h as usize]);
        // Newest first; of the same date those with hours first; of the same hours the dearest first.
        entries.sort_by(|a, b| {
            a.prefix.cmp(&b.prefix).then_with(|| {
                let (x, y) = (terms(a), terms(b));
                y.from
                    .cmp(&x.from)
                    .then_with(|| (x.hours == 0).cmp(&(y.hours == 0)))
                    .then_with(|| hours(x).cmp(&hours(y)))
                    .then_with(|| y.tariff.barred.cmp(&x.tariff.barred))
                    .then_with(|| y.tariff.cost(USUAL_CALL).cmp(&x.tariff.cost(USUAL_CALL)))
                    .then_with(|| a.line.cmp(&b.line))
            })
        });
        let mut prefixes: Vec<(Prefix, u32)> = Vec::with_capacity(entries.len());
        let mut more: Vec<u32> = Vec::new();
        let mut rates = 0;
        let mut entries = entries.into_iter().peekable();
        while let Some(first) = entries.next() {
            let begin = more.len();
            more.extend([1, first.terms]);
            let mut last = first;
            while let Some(next) = entries.next_if(|e| e.prefix == first.prefix) {
                let (x, y) = (terms(&last), terms(&next));
                if (x.from, x.hours) == (y.from, y.hours) {
                    clash(&self, Clash { kept: last, other: next });
                    continue;
                }
                more.push(next.terms);
                more[begin] += 1;
                last = next;
            }
            rates += more[begin] as usize;
            let row = if more[begin] == 1 {
                more.truncate(begin);
                first.terms
            } else {
                begin as u32 | SEVERAL
            };
            prefixes.push((first.prefix, row));
        }
        let mut deck = Deck {
            name: self.name,
            currency: self.currency,
            tree: tree(&prefixes),
            more: more.into(),
            whole: prefixes.first().filter(|(p, _)| *p == Prefix::ALL).map(|(_, row)| *row),
            prefixes: prefixes.len(),
            rates,
            terms: self.terms.into(),
            hours: self.hours.into(),
            names: Names { text: self.text.into(), ends: self.ends.into() },
            jump: Box::default(),
        };
        deck.jump = deck.jumps();
        deck
    }

    /// What a row says, while the deck is built.
    pub(crate) fn tariff(&self, entry: &Entry) -> &Tariff {
        &self.terms[entry.terms as usize].tariff
    }

    fn hours_place(&mut self, hours: &Hours) -> u32 {
        let place = self.hours.iter().position(|h| h == hours).unwrap_or_else(|| {
            self.hours.push(hours.clone());
            self.hours.len() - 1
        });
        place as u32 + 1
    }

    fn terms_place(&mut self, terms: Terms) -> u32 {
        if let Some((last, place)) = self.last_terms
            && last == terms
        {
            return place;
        }
        let place = *self.terms_known.entry(terms).or_insert_with(|| {
            self.terms.push(terms);
            self.terms.len() as u32 - 1
        });
        self.last_terms = Some((terms, place));
        place
    }

    fn name_place(&mut self, name: &str) -> u32 {
        // Rows of one destination follow one another in every deck.
        if self.last_name != NONE && self.name(self.last_name) == name {
            return self.last_name;
        }
        let place = match self.names_known.get(name) {
            Some(place) => *place,
            None => {
                let place = self.ends.len() as u32;
                self.text.push_str(name);
                self.ends.push(self.text.len() as u32);
                self.names_known.insert(name.into(), place);
                place
            }
        };
        self.last_name = place;
        place
    }

    fn name(&self, n: u32) -> &str {
        let n = n as usize;
        let from = n.checked_sub(1).map_or(0, |b| self.ends[b] as usize);
        &self.text[from..self.ends[n] as usize]
    }
}

/// The tree of sorted prefixes, each with its row. What one node leads to follows it, so that what a number needs lies
/// close together.
fn tree(prefixes: &[(Prefix, u32)]) -> Box<[CacheLine]> {
    let mut words: Vec<u32> = Vec::with_capacity(prefixes.len() * 3);
    // Nodes to be written: the word that names their place, their depth, and the prefixes that begin with them.
    let mut open = vec![(None::<usize>, 0usize, prefixes)];
    let (mut rows, mut groups) = (Vec::with_capacity(10), Vec::with_capacity(10));
    while let Some((named_by, depth, mut rest)) = open.pop() {
        if let [(own, _), longer @ ..] = rest
            && own.len() == depth
        {
            rest = longer;
        }
        let mut bits = 0;
        rows.clear();
        groups.clear();
        while let Some((next, row)) = rest.first() {
            let head = next.first(depth + 1);
            let digit = u32::from(next.digits().nth(depth).unwrap_or(0));
            let (group, after) = rest.split_at(rest.partition_point(|(p, _)| head.begins(*p)));
            rest = after;
            let ends = head == *next;
            if ends {
                bits |= 1 << (10 + digit);
                rows.push(*row);
            }
            if group.len() > usize::from(ends) {
                bits |= 1 << digit;
                groups.push(group);
            }
        }
        let size = 1 + groups.len() + rows.len();
        if size <= LINE && words.len() % LINE + size > LINE {
            words.resize(words.len().next_multiple_of(LINE), 0);
        }
        if let Some(word) = named_by {
            words[word] = words.len() as u32;
        }
        words.push(bits);
        // The first child is on top, and written next.
        open.extend(
            groups.iter().enumerate().rev().map(|(n, group)| (Some(words.len() + n), depth + 1, *group)),
        );
        words.resize(words.len() + groups.len(), 0);
        words.extend_from_slice(&rows);
    }
    words.resize(words.len().next_multiple_of(LINE), 0);
    words.as_chunks().0.iter().map(|line| CacheLine(*line)).collect()
}

impl Entry {
    /// Its prefix.
    pub(crate) fn prefix(&self) -> Prefix {
        self.prefix
    }
}

type Quick = BuildHasherDefault<Multiply>;

/// A hash for tables that are filled once from a file an operator chose: the default one costs a third of an import.
#[derive(Debug, Default)]
pub(crate) struct Multiply(u64);

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        // The constant is 2^64 divided by the golden ratio, made odd.
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_i64(&mut self, word: i64) {
        self.write_u64(word.cast_unsigned());
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }
}
