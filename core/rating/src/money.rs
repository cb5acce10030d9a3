//! Money as whole millionths of a currency unit. No floating point: a bill of a million calls adds up to the last digit.
//!
//! Rounding rules, all in one place:
//! - reading is exact ([`Money::parse`]); what has more than six places is refused, or rounded **up** on request
//!   ([`Money::parse_up`]), so that an estimate is never below the bill;
//! - a cost that does not come out even is rounded **up** to the millionth ([`Money::of_seconds`]);
//! - a conversion to another currency is rounded **up** ([`Money::exchanged`]);
//! - showing never rounds: at least two places are written, and as many more as the amount has.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

/// Millionths in a unit.
const UNIT: i64 = 1_000_000;

/// An amount in millionths of a currency unit. Sums stop at the ends of the range instead of wrapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Money(pub i64);

/// Why a text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMoney {
    /// Nothing was given.
    #[error("no amount is given")]
    Empty,
    /// A character that no amount has.
    #[error("{0:?} cannot stand in an amount: write digits and one dot or comma, as in 0.012")]
    Char(char),
    /// Two decimal signs, or a thousands sign in the wrong place.
    #[error("{0:?} can be read in two ways: write it without thousands signs, as in 1234.5")]
    Signs(String),
    /// More than six decimal places.
    #[error("{0:?} has more than six decimal places: an amount is kept in millionths")]
    Fine(String),
    /// More than nine million million.
    #[error("{0:?} is too large for an amount")]
    Large(String),
}

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);
    /// The most that can be written.
    pub const MAX: Money = Money(i64::MAX);

    /// Whole units.
    pub const fn units(units: i64) -> Money {
        Money(units.saturating_mul(UNIT))
    }

    /// Millionths.
    pub const fn micros(micros: i64) -> Money {
        Money(micros)
    }

    /// An amount as people write it: `0.012`, `0,012`, `1.234,50`, `1,234.50`, `1 234.5`, `.5`, `-3`. A single dot or
    /// comma is the decimal sign. Exact; more than six places are an error.
    ///
    /// # Errors
    /// No amount, one that can be read in two ways, one that is too large, or one with more than six decimal places.
    pub fn parse(text: &str) -> Result<Money, BadMoney> {
        match read(text, None)? {
            (money, false) => Ok(money),
            (_, true) => Err(BadMoney::Fine(text.trim().to_owned())),
        }
    }

    /// As [`parse`](Self::parse), but digits behind the sixth place round the amount up; says whether they did.
    ///
    /// # Errors
    /// No amount, one that can be read in two ways, or one that is too large.
    pub fn parse_up(text: &str) -> Result<(Money, bool), BadMoney> {
        read(text, None)
    }

    /// As [`parse_up`](Self::parse_up) where the decimal sign is known, so that the other one can only part thousands.
    ///
    /// # Errors
    /// Those of [`parse_up`](Self::parse_up).
    pub fn parse_up_with(text: &str, decimal: char) -> Result<(Money, bool), BadMoney> {
        read(text, Some(decimal))
    }

    /// What so many seconds cost at this price a minute, rounded up to the millionth.
    pub fn of_seconds(self, seconds: u32) -> Money {
        let exact = i128::from(self.0) * i128::from(seconds);
        Money(narrow(ceil(exact, 60)))
    }

    /// This amount of one currency in another of which one unit of the first is worth `worth`, rounded up.
    pub fn exchanged(self, worth: Money) -> Money {
        Money(narrow(ceil(i128::from(self.0) * i128::from(worth.0), i128::from(UNIT))))
    }

    /// A share in percent, rounded down.
    pub fn percent(self, percent: u32) -> Money {
        Money(narrow(i128::from(self.0) * i128::from(percent) / 100))
    }

    /// Less than nothing?
    pub fn is_negative(self) -> bool {
        self.0 < 0
    }
}

fn ceil(n: i128, by: i128) -> i128 {
    n.div_euclid(by) + i128::from(n.rem_euclid(by) != 0)
}

fn narrow(n: i128) -> i64 {
    i64::try_from(n).unwrap_or(if n < 0 { i64::MIN } else { i64::MAX })
}

/// Reads an amount; the flag says that digits behind the sixth place were rounded up. One pass, no memory: a deck
/// has a million of them.
fn read(text: &str, decimal: Option<char>) -> Result<(Money, bool), BadMoney> {
    if let Some(money) = plain(text, decimal) {
        return Ok((money, false));
    }
    let text = text.trim();
    let (negative, body) = match text.strip_prefix('-') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if body.is_empty() {
        return Err(BadMoney::Empty);
    }
    let point = decimal_place(text, body, decimal)?;
    let (mut whole, mut fraction, mut places, mut fine, mut digits) = (0i64, 0i64, 0u32, false, 0usize);
    for (i, c) in body.char_indices() {
        let Some(digit) = c.to_digit(10).map(i64::from) else {
            match c {
                '.' | ',' | ' ' | '\'' | '\u{a0}' | '\u{202f}' if digits > 0 || Some(i) == point => continue,
                _ => return Err(BadMoney::Char(c)),
            }
        };
        digits += 1;
        if point.is_none_or(|p| i < p) {
            whole = whole
                .checked_mul(10)
                .and_then(|w| w.checked_add(digit))
                .ok_or_else(|| BadMoney::Large(text.to_owned()))?;
        } else if places < 6 {
            fraction = fraction * 10 + digit;
            places += 1;
        } else {
            fine |= digit != 0;
        }
    }
    if digits == 0 {
        return Err(BadMoney::Char(body.chars().next().unwrap_or(' ')));
    }
    fraction *= 10i64.pow(6 - places);
    // Up is towards the dearer: a negative amount loses its tail.
    let tail = i64::from(fine && !negative);
    let micros = whole
        .checked_mul(UNIT)
        .and_then(|w| w.checked_add(fraction + tail))
        .ok_or_else(|| BadMoney::Large(text.to_owned()))?;
    Ok((Money(if negative { -micros } else { micros }), fine))
}

/// The usual case of a deck, `0.0123`: no sign, no gaps, no thousands, at most six places.
fn plain(text: &str, decimal: Option<char>) -> Option<Money> {
    let bytes = text.as_bytes();
    let (mut micros, mut places) = (0i64, None::<u32>);
    if bytes.len() > 14 || bytes.is_empty() {
        return None;
    }
    for byte in bytes {
        match byte {
            b'0'..=b'9' => {
                micros = micros * 10 + i64::from(byte - b'0');
                places = places.map(|p| p + 1);
            }
            b'.' | b',' if places.is_none() && decimal.is_none_or(|d| d == char::from(*byte)) => {
                places = Some(0)
            }
            _ => return None,
        }
    }
    let places = places.unwrap_or(0);
    (places <= 6 && bytes.iter().any(u8::is_ascii_digit))
        .then(|| micros.checked_mul(10i64.pow(6 - places)).map(Money))
        .flatten()
}

/// Where the decimal sign stands in `body`. With both signs the last one is it; one that comes twice parts thousands.
fn decimal_place(text: &str, body: &str, known: Option<char>) -> Result<Option<usize>, BadMoney> {
    let confused = || BadMoney::Signs(text.to_owned());
    let place = match (body.rfind('.'), body.rfind(','), known) {
        (None, None, _) => None,
        (dot, comma, Some(sign)) => {
            let (it, other) = if sign == ',' { (comma, dot) } else { (dot, comma) };
            if let (Some(it), Some(other)) = (it, other)
                && other > it
            {
                return Err(confused());
            }
            it
        }
        (Some(dot), Some(comma), None) => Some(dot.max(comma)),
        (Some(one), None, None) | (None, Some(one), None) => {
            let sign = &body[one..=one];
            (body.matches(sign).count() == 1).then_some(one)
        }
    };
    // The sign itself stands once; what parts thousands stands before three digits.
    if let Some(p) = place
        && body.matches(&body[p..=p]).count() > 1
    {
        return Err(confused());
    }
    let whole = &body[..place.unwrap_or(body.len())];
    if whole.contains(['.', ',']) {
        let mut groups = whole.split(['.', ',']);
        let first = groups.next().unwrap_or_default();
        if first.is_empty() || first.len() > 3 || groups.any(|g| g.len() != 3) {
            return Err(confused());
        }
    }
    Ok(place)
}

impl FromStr for Money {
    type Err = BadMoney;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Money::parse(s)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Written from the end: a sign, fourteen digits, a point and six places are the most that there can be. Decks are
        // exported and offers explained by the million, so nothing is asked of the heap.
        let mut text = [0; 24];
        let mut at = text.len();
        let mut put = |byte: u8| {
            at -= 1;
            text[at] = byte;
        };
        let digit = |number: u64| b'0' + (number % 10) as u8;
        let (mut rest, mut places) = (self.0.unsigned_abs(), 6);
        // Zeros at the end go, but for two.
        while places > 2 && rest.is_multiple_of(10) {
            (rest, places) = (rest / 10, places - 1);
        }
        for _ in 0..places {
            put(digit(rest));
            rest /= 10;
        }
        put(b'.');
        put(digit(rest));
        while rest >= 10 {
            rest /= 10;
            put(digit(rest));
        }
        if self.0 < 0 {
            put(b'-');
        }
        f.pad(std::str::from_utf8(&text[at..]).map_err(|_| fmt::Error)?)
    }
}

impl Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }
}

impl Sub for Money {
    type Output = Money;
    fn sub(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }
}

impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Money>>(all: I) -> Money {
        all.fold(Money::ZERO, Add::add)
    }
}

/// A currency by its three letters (ISO 4217): `EUR`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

/// A text that names no currency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid currency {0:?}: expected its three letters, as in EUR")]
pub struct BadCurrency(pub String);

impl Currency {
    /// Euro.
    pub const EUR: Currency = Currency(*b"EUR");
    /// Pound sterling.
    pub const GBP: Currency = Currency(*b"GBP");
    /// United States dollar.
    pub const USD: Currency = Currency(*b"USD");

    /// The three letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }

    /// The currency that stands in a text by its sign or its three letters: `€ 0,02`, `0.02 USD`, `Price (GBP)`.
    pub fn within(text: &str) -> Option<Currency> {
        const SIGNS: &[(char, Currency)] =
            &[('€', Currency::EUR), ('£', Currency::GBP), ('$', Currency::USD)];
        if let Some((_, found)) = SIGNS.iter().find(|(sign, _)| text.contains(*sign)) {
            return Some(*found);
        }
        text.split(|c: char| !c.is_ascii_alphabetic())
            .filter(|w| w.len() == 3)
            .find(|w| COMMON.iter().any(|c| w.eq_ignore_ascii_case(c)))
            .and_then(|w| w.parse().ok())
    }
}

/// Currencies that are looked for in running text; any three letters are accepted where a currency must stand.
const COMMON: &[&str] = &[
    "EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "RON", "BGN", "AUD", "CAD", "NZD",
    "JPY", "CNY", "INR", "ZAR", "BRL", "MXN", "TRY", "ILS", "SGD", "HKD", "AED", "UAH", "RUB", "KRW", "THB",
];

impl FromStr for Currency {
    type Err = BadCurrency;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s.trim().as_bytes() {
            [a, b, c] if [a, b, c].iter().all(|c| c.is_ascii_alphabetic()) => {
                Ok(Currency([a.to_ascii_uppercase(), b.to_ascii_uppercase(), c.to_ascii_uppercase()]))
            }
            _ => Err(BadCurrency(s.to_owned())),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
