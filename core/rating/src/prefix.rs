//! A telephone prefix in one machine word, and sets of them.
//!
//! A digit takes four bits and is kept as itself plus one, from the top down; what is missing is zero. So words sort
//! as the digits do, a prefix comes before all that it begins, and "is this the beginning of that" is one mask. Sixteen
//! digits fit; E.164 numbers have fifteen at most.

use std::fmt;
use std::str::FromStr;

/// Digits that are kept.
pub const MOST_DIGITS: usize = 16;

/// Up to sixteen digits. Empty means "every number".
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Prefix(u64);

/// Why a text is no prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPrefix {
    /// Something else than a digit.
    #[error("{0:?} cannot stand in a prefix: write digits only, with the country code and without + or 00")]
    Char(char),
    /// More digits than a telephone number has.
    #[error("{0:?} has more than 15 digits, and no telephone number has")]
    Long(String),
}

impl Prefix {
    /// Every number.
    pub const ALL: Prefix = Prefix(0);

    /// The first sixteen digits of a number; ends at the first character that is no digit.
    pub fn leading(number: &str) -> Prefix {
        let mut word = 0u64;
        for (i, byte) in number.bytes().take(MOST_DIGITS).enumerate() {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            word |= u64::from(digit + 1) << (60 - 4 * i);
        }
        Prefix(word)
    }

    /// How many digits it has.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(self) -> usize {
        MOST_DIGITS - (self.0.trailing_zeros() / 4) as usize
    }

    /// Does it begin this one?
    pub fn begins(self, other: Prefix) -> bool {
        other.0 & self.mask() == self.0
    }

    /// All bits of its digits.
    fn mask(self) -> u64 {
        match self.0 {
            0 => 0,
            word => u64::MAX << (word.trailing_zeros() & !3),
        }
    }

    /// Its first `n` digits.
    pub fn first(self, n: usize) -> Prefix {
        match n {
            0 => Prefix(0),
            n if n >= MOST_DIGITS => self,
            n => Prefix(self.0 & (u64::MAX << (64 - 4 * n))),
        }
    }

    /// Its digits, each 0 to 9.
    pub fn digits(self) -> impl Iterator<Item = u8> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let digit = (rest >> 60) as u8;
            rest <<= 4;
            digit.checked_sub(1)
        })
    }

    /// Its first five digits as a number, for tables; out of any table if it has fewer.
    pub(crate) fn first_five(self) -> usize {
        (0..5).fold(0, |n, i| match (self.0 >> (60 - 4 * i) & 15) as usize {
            0 => 1_000_000,
            digit => n * 10 + digit - 1,
        })
    }

    /// This prefix with one more digit (0 to 9); itself if it is full.
    pub(crate) fn with(self, digit: u8) -> Prefix {
        match self.len() {
            MOST_DIGITS => self,
            len => Prefix(self.0 | u64::from(digit + 1) << (60 - 4 * len)),
        }
    }

    /// This prefix with more digits behind it; `None` if they are no digits or too many.
    pub fn join(self, more: &str) -> Option<Prefix> {
        let mut word = self.0;
        for (at, byte) in (self.len()..).zip(more.bytes()) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 || at >= MOST_DIGITS {
                return None;
            }
            word |= u64::from(digit + 1) << (60 - 4 * at);
        }
        Some(Prefix(word))
    }

    /// How many of its first digits are the country code (E.164 zones: 1 and 7 have one digit, others two or three).
    pub fn country_digits(self) -> usize {
        let digit = |i: usize| (self.0 >> (60 - 4 * i) & 15).wrapping_sub(1);
        match (digit(0), digit(1)) {
            (1 | 7, _) => 1,
            (2, 0 | 7) | (3, 0..=4 | 6 | 9) | (4, 0 | 1 | 3..=9) => 2,
            (5, 1..=8) | (6, 0..=6) | (8, 1 | 2 | 4 | 6) | (9, 0..=5 | 8) => 2,
            _ => 3,
        }
    }
}

impl FromStr for Prefix {
    type Err = BadPrefix;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if let Some(c) = s.chars().find(|c| !c.is_ascii_digit()) {
            return Err(BadPrefix::Char(c));
        }
        if s.len() >= MOST_DIGITS {
            return Err(BadPrefix::Long(s.to_owned()));
        }
        Ok(Prefix::leading(s))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; MOST_DIGITS];
        for (i, byte) in text.iter_mut().enumerate().take(self.len()) {
            *byte = b'0' + ((self.0 >> (60 - 4 * i) & 15) as u8).saturating_sub(1);
        }
        f.pad(std::str::from_utf8(&text[..self.len()]).unwrap_or_default())
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A set of prefixes: a destination class, what a bundle covers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PrefixSet(Vec<Prefix>);

impl PrefixSet {
    /// All prefixes of the list; those that a shorter one of the list covers are dropped.
    pub fn new(prefixes: impl IntoIterator<Item = Prefix>) -> PrefixSet {
        let mut all: Vec<Prefix> = prefixes.into_iter().collect();
        all.sort_unstable();
        // Sorted, a prefix stands right before what it begins.
        let mut kept: Vec<Prefix> = Vec::with_capacity(all.len());
        for p in all {
            if !kept.last().is_some_and(|k| k.begins(p)) {
                kept.push(p);
            }
        }
        PrefixSet(kept)
    }

    /// From texts.
    ///
    /// # Errors
    /// The first text that is not a prefix.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<PrefixSet, BadPrefix> {
        Ok(PrefixSet::new(texts.into_iter().map(str::parse).collect::<Result<Vec<_>, _>>()?))
    }

    /// Does one of them begin this number?
    pub fn covers(&self, number: Prefix) -> bool {
        // None begins another, so only the last one that is not behind the number can begin it.
        let after = self.0.partition_point(|p| *p <= number);
        self.0[..after].last().is_some_and(|p| p.begins(number))
    }

    /// The prefixes, sorted.
    pub fn prefixes(&self) -> &[Prefix] {
        &self.0
    }
}

#[cfg(test)]
mod tests;
