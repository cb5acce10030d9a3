//! What stands in a cell: prefixes with lists and ranges, dates, amounts.

use std::borrow::Cow;
use std::str::FromStr;

use crate::money::{BadMoney, Money};
use crate::prefix::Prefix;
use crate::time::Date;

use super::header::{Flag, Scale};

/// What is wrong with a cell, and how to correct it.
pub(super) type Complaint = (String, &'static str);

const CODES: &str =
    "write digits with the country code; several with commas, ranges as in 44 7400-7409, 7500";

const SHORTENED: &str =
    "a spreadsheet has shortened it and its digits are lost; make the column text there, and save it again";

const ZERO: &str =
    "a prefix begins with the country code, and none begins with 0: write 44 for the United Kingdom";

const TWO_WAYS: &str = "write all digits of the prefix together, or one row for each";

/// Adds the prefixes that a cell stands for: `447400`, `+44 7400`, `0044`, `44 7400-7409, 7500`, `447400 - 447409`.
/// `base` is the country code where it stands in a cell of its own. Every number of a list that stands for itself needs
/// the country code; behind "44 7400" or "44-7400" the 44 holds for the rest of the list. A hyphen behind nothing but a
/// country code is for the eye: `82-10` is 8210. A range stays in the country that it begins in.
pub(super) fn prefixes(
    cell: &str,
    base: Prefix,
    most: usize,
    out: &mut Vec<Prefix>,
) -> Result<(), Complaint> {
    let cell = cell.trim();
    if base == Prefix::ALL
        && let Ok(prefix) = Prefix::from_str(cell)
        && prefix != Prefix::ALL
        && !cell.starts_with('0')
    {
        out.push(prefix);
        return Ok(());
    }
    let before = out.len();
    let mut base = base;
    // `+44 (0)20`: the bracketed zero belongs to no number.
    let cell: Cow<str> = if cell.contains('(') { cell.replace("(0)", " ").into() } else { cell.into() };
    for part in cell.split([',', ';', '/', '|', '\n', '&']).map(str::trim).filter(|p| !p.is_empty()) {
        let mut groups = part.split(['-', '–', '—', ':']).map(str::trim);
        let (codes, mut range) = (groups.next().unwrap_or_default(), groups.next());
        let codes = codes.strip_prefix('+').or_else(|| codes.strip_prefix("00")).unwrap_or(codes);
        // `44 7400`: what stands before the last gap is the country's.
        let mut words: Vec<&str> =
            codes.split([' ', '\u{a0}', '.', '(', ')']).filter(|w| !w.is_empty()).collect();
        let mut last = words.pop().ok_or_else(|| no_code(part))?;
        if !words.is_empty() {
            base = Prefix::ALL.join(&words.concat()).ok_or_else(|| no_code(part))?;
        } else if let (true, Some(to)) = (base == Prefix::ALL, range)
            && is_country(last)
            && !to.is_empty()
        {
            if may_be_countries(last, to) {
                let what = format!("{part:?} can be read as {last}{to} or as the countries {last} to {to}");
                return Err((what, TWO_WAYS));
            }
            base = Prefix::ALL.join(last).ok_or_else(|| no_code(part))?;
            (last, range) = (to, groups.next());
        }
        if groups.next().is_some() {
            return Err(no_code(part));
        }
        let first = out.len();
        match range {
            None => out.push(base.join(last).filter(|p| p.len() < 16).ok_or_else(|| no_code(part))?),
            Some(to) => self::range(part, base, last, to, most, out)?,
        }
        if out[first..].iter().any(|p| p.digits().next() == Some(0)) {
            return Err((format!("{:?} begins with 0", clipped(part)), ZERO));
        }
        if out.len() - before > most {
            return Err((
                format!("{part:?} makes more than {most} prefixes of one cell"),
                "split the cell, or name a shorter prefix",
            ));
        }
    }
    if out.len() == before { Err(("the prefix is missing".to_owned(), CODES)) } else { Ok(()) }
}

/// Nothing but a country code?
fn is_country(digits: &str) -> bool {
    Prefix::from_str(digits)
        .is_ok_and(|p| p != Prefix::ALL && !digits.starts_with('0') && p.country_digits() == p.len())
}

/// `61-62`: an area code of Australia, or Australia and Indonesia? Far apart, as in `34-91`, nobody means a range.
fn may_be_countries(from: &str, to: &str) -> bool {
    let number = |s: &str| s.parse::<u32>().ok();
    from.len() == to.len()
        && from.len() > 1
        && is_country(to)
        && matches!((number(from), number(to)), (Some(a), Some(b)) if a < b && b - a < 10)
}

/// Adds the prefixes of a North American cell, which has no country code: `212555`, `212-555`, `(212) 555`, `1212555`.
/// `area` is the area code where it stands in a cell of its own.
pub(super) fn north_american(cell: &str, area: &str, out: &mut Vec<Prefix>) -> Result<(), Complaint> {
    const HINT: &str = "write the area code and the exchange, as in 212555";
    let before = out.len();
    for part in cell.split([',', ';', '/', '|', '\n', '&']).map(str::trim) {
        let digits: String = area
            .chars()
            .chain(part.chars())
            .filter(|c| !matches!(c, ' ' | '\u{a0}' | '-' | '.' | '(' | ')' | '+'))
            .collect();
        // No area code begins with 1: where it stands, it is the country's.
        let national = digits.strip_prefix('1').unwrap_or(&digits);
        let good = national.len() >= 3 && national.len() <= 10 && !national.starts_with(['0', '1']);
        let prefix = Prefix::ALL.join("1").and_then(|one| one.join(national)).filter(|_| good);
        out.push(prefix.ok_or_else(|| {
            let hint = if is_shortened(part) { SHORTENED } else { HINT };
            (format!("invalid North American area code {:?}", clipped(part)), hint)
        })?);
    }
    if out.len() == before { Err(("the prefix is missing".to_owned(), HINT)) } else { Ok(()) }
}

fn no_code(part: &str) -> Complaint {
    let hint = if is_shortened(part) { SHORTENED } else { CODES };
    (format!("invalid prefix {:?}", clipped(part)), hint)
}

/// `1.23E+10`: what a spreadsheet makes of a long number.
fn is_shortened(text: &str) -> bool {
    let Some((front, back)) = text.split_once(['e', 'E']) else { return false };
    let digits = |s: &str| s.bytes().any(|b| b.is_ascii_digit());
    let only = |s: &str, signs: &[u8]| s.bytes().all(|b| b.is_ascii_digit() || signs.contains(&b));
    digits(front) && only(front, b".,") && digits(back) && only(back, b"+")
}

/// `7400-7409`; `7400-9` for the same; `1-264` is 1264.
fn range(
    part: &str,
    base: Prefix,
    from: &str,
    to: &str,
    most: usize,
    out: &mut Vec<Prefix>,
) -> Result<(), Complaint> {
    let digits = |s: &str| !s.is_empty() && s.len() <= 15 && s.bytes().all(|b| b.is_ascii_digit());
    let to = to.strip_prefix('+').unwrap_or(to);
    let to: String = to.split([' ', '\u{a0}']).collect();
    if !digits(from) || !digits(&to) {
        return Err(no_code(part));
    }
    let to = match (to.len(), from.len()) {
        (t, f) if t > f => {
            // `447400-447409` behind a country code in a cell of its own, or a hyphen for the eye.
            let whole = base
                .join(from)
                .and_then(|p| p.join(&to))
                .filter(|p| p.len() < 16)
                .ok_or_else(|| no_code(part))?;
            out.push(whole);
            return Ok(());
        }
        (t, f) => format!("{}{to}", &from[..f - t]),
    };
    let (Ok(first), Ok(last)) = (from.parse::<u64>(), to.parse::<u64>()) else { return Err(no_code(part)) };
    let country = |n: u64| {
        let prefix = base.join(&format!("{n:0width$}", width = from.len()));
        prefix.map(|p| p.first(p.country_digits()))
    };
    if base == Prefix::ALL && country(first) != country(last) {
        return Err((format!("the range {part:?} leaves the country that it begins in"), TWO_WAYS));
    }
    let count = last.checked_sub(first).map(|n| n + 1);
    match count {
        None => Err((format!("the range {part:?} ends before it begins"), CODES)),
        Some(n) if n > most as u64 => Err((
            format!("the range {part:?} makes {n} prefixes"),
            "split the range, or name a shorter prefix",
        )),
        Some(_) => {
            for n in first..=last {
                let text = format!("{n:0width$}", width = from.len());
                out.push(base.join(&text).filter(|p| p.len() < 16).ok_or_else(|| no_code(part))?);
            }
            Ok(())
        }
    }
}

/// An amount in its column's unit; the flag says that it was rounded up.
pub(super) fn amount(cell: &str, decimal: char, scale: Scale) -> Result<(Money, bool), Complaint> {
    let bare = cell.trim_matches(|c: char| {
        c.is_whitespace() || c.is_alphabetic() || matches!(c, '€' | '$' | '£' | '¢' | '/')
    });
    let (money, fine) = Money::parse_up_with(bare, decimal).map_err(|e| {
        const DIGITS: &str = "write digits and one decimal sign, as in 0.012";
        let shown = clipped(bare);
        match e {
            BadMoney::Empty => ("no amount is given".to_owned(), "write a price such as 0.012"),
            BadMoney::Large(_) => (format!("{shown:?} is too large for an amount"), DIGITS),
            BadMoney::Signs(_) => (format!("{shown:?} can be read in two ways"), DIGITS),
            BadMoney::Char(_) | BadMoney::Fine(_) => (format!("invalid amount {shown:?}"), DIGITS),
        }
    })?;
    let exact = |by: i64| {
        (
            Money(money.0.div_euclid(by) + i64::from(money.0.rem_euclid(by) != 0)),
            fine || money.0.rem_euclid(by) != 0,
        )
    };
    match scale {
        Scale::Unit => Ok((money, fine)),
        Scale::Hundredth => Ok(exact(100)),
        Scale::Second => Ok((Money(money.0.saturating_mul(60)), fine)),
    }
}

/// A moment, in seconds since 1970: a date in one of the usual ways with or without a time, or the number that a
/// spreadsheet makes of it. Days begin `offset` seconds before those of UTC.
pub(super) fn moment(cell: &str, day_first: bool, offset: i32) -> Result<i64, Complaint> {
    date_and_time(cell.trim(), day_first, offset).ok_or_else(|| {
        (
            format!("invalid date {:?}", clipped(cell)),
            "write it as 2026-01-31, with a time as 2026-01-31T00:00:00Z",
        )
    })
}

fn date_and_time(text: &str, day_first: bool, offset: i32) -> Option<i64> {
    // The number of days since 1899-12-30, as spreadsheets count.
    if text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit()) {
        let days: i64 = text.parse().ok()?;
        return Some((days - 25_569) * 86_400 - i64::from(offset));
    }
    if text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()) {
        let date = Date::new(text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?)?;
        return Some(date.begins(offset));
    }
    // `31 Jan 2026` has gaps inside; what has a colon is the time.
    let words: Vec<&str> = text.split([' ', 'T', ',']).filter(|w| !w.is_empty()).collect();
    let clock = words.iter().position(|w| w.contains(':'));
    let date_end = clock.unwrap_or(words.len());
    let date = date(&words.get(..date_end)?.join(" "), text, day_first)?;
    let Some(place) = clock else { return Some(date.begins(offset)) };
    let time = words.get(place)?;
    // A time may name its own distance from UTC: `Z`, `+01:00`.
    let (time, offset) = match time.find(['Z', '+', '-']) {
        None => (*time, offset),
        Some(at) => (&time[..at], zone(&time[at..])?),
    };
    let time = time.split('.').next()?;
    let mut parts = time.split(':').map(|p| p.parse::<i64>().ok());
    let hour = parts.next()??;
    let minute = parts.next()??;
    let second = parts.next().unwrap_or(Some(0))?;
    let hour = match words.get(place + 1).map(|w| w.to_ascii_lowercase()) {
        Some(half) if half.starts_with("pm") && hour < 12 => hour + 12,
        Some(half) if half.starts_with("am") && hour == 12 => 0,
        _ => hour,
    };
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..60).contains(&second) {
        return None;
    }
    Some(date.begins(offset) + hour * 3600 + minute * 60 + second)
}

/// Seconds ahead of UTC: `Z`, `+01:00`, `-0530`.
fn zone(text: &str) -> Option<i32> {
    if text == "Z" {
        return Some(0);
    }
    let digits: String = text.get(1..)?.split(':').collect();
    let number: i32 = digits.parse().ok().filter(|_| matches!(digits.len(), 2 | 4))?;
    let seconds = if digits.len() == 2 { number * 3600 } else { number / 100 * 3600 + number % 100 * 60 };
    Some(if text.starts_with('-') { -seconds } else { seconds })
}

fn date(text: &str, whole: &str, day_first: bool) -> Option<Date> {
    // `T` also parts words as in `Oct` and `Sept`; a named month is looked up in the whole text.
    let named = whole.split(|c: char| !c.is_alphabetic()).find_map(month_named);
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|p| !p.is_empty())
        .map(|p| if p.len() <= 4 { p.parse::<i32>().ok() } else { None });
    let a = numbers.next()??;
    let b = numbers.next()??;
    if let Some(month) = named {
        let (day, year) = if a > 31 { (b, a) } else { (a, b) };
        return Date::new(century(year), month, u8::try_from(day).ok()?);
    }
    let c = numbers.next()??;
    let (year, month, day) = match () {
        () if a > 31 => (a, b, c),
        () if day_first => (c, b, a),
        () => (c, a, b),
    };
    Date::new(century(year), u8::try_from(month).ok()?, u8::try_from(day).ok()?)
}

fn century(year: i32) -> i32 {
    if year < 100 { 2000 + year } else { year }
}

fn month_named(word: &str) -> Option<u8> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let start = word.get(..3)?.to_ascii_lowercase();
    (1u8..).zip(MONTHS).find(|(_, m)| *m == start).map(|(n, _)| n)
}

/// Does this cell tell whether days come first? `None` when it could be both, or is no such date.
pub(super) fn day_first(cell: &str) -> Option<bool> {
    let mut numbers = cell.split(['/', '.', '-', ' ']).map(|p| p.parse::<u32>().ok());
    let (a, b) = (numbers.next()??, numbers.next()??);
    match (a, b) {
        (13..=31, 1..=12) => Some(true),
        (1..=12, 13..=31) => Some(false),
        _ => None,
    }
}

/// The beginning of a text, for a message.
pub(super) fn clipped(text: &str) -> &str {
    let end = text.char_indices().nth(80).map_or(text.len(), |(i, _)| i);
    &text[..end]
}

/// What a cell says of being for sale, in words that need no heading. `None`: nothing.
fn said(cell: &str) -> Option<bool> {
    const BARRED: &[&str] = &[
        "blocked",
        "block",
        "closed",
        "close",
        "barred",
        "forbidden",
        "discontinued",
        "deleted",
        "delete",
        "removed",
        "suspended",
        "disabled",
        "inactive",
        "unavailable",
        "not available",
        "not active",
        "n a",
        "na",
        "not for sale",
        "not sold",
        "no sale",
        "not supported",
        "unsupported",
        "not offered",
        "not allowed",
        "not permitted",
        "rejected",
        "reject",
        "denied",
        "prohibited",
        "terminated",
        "withdrawn",
        "out of service",
        "stopped",
        "no service",
        "no route",
        "not reachable",
        "no access",
        "on request",
        "tba",
        "tbd",
        "none",
        "null",
        "gesperrt",
        "nicht verfügbar",
        "geschlossen",
        "inaktiv",
        "bloqueado",
        "inactivo",
        "no disponible",
        "bloqué",
        "bloque",
        "fermé",
        "interdit",
        "non disponible",
        "chiuso",
        "bloccato",
    ];
    const SOLD: &[&str] = &[
        "active",
        "open",
        "opened",
        "available",
        "enabled",
        "allowed",
        "permitted",
        "supported",
        "offered",
        "aktiv",
        "actif",
        "activo",
        "attivo",
        "for sale",
        "offen",
        "verfügbar",
    ];
    let text: String =
        cell.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect::<String>().to_lowercase();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // `Blocked (fraud)`, `not available in this plan`.
    let begins = |list: &[&str]| {
        list.iter().any(|w| {
            text.strip_prefix(w).is_some_and(|rest| rest.is_empty() || w.len() > 5 && rest.starts_with(' '))
        })
    };
    if begins(BARRED) {
        Some(false)
    } else if begins(SOLD) {
        Some(true)
    } else {
        None
    }
}

/// Where a price should stand: does the cell say that there is none?
pub(super) fn is_barred(price: &str) -> bool {
    let dashes = !price.is_empty() && price.chars().all(|c| matches!(c, '-' | '–' | '—'));
    dashes || !price.bytes().any(|b| b.is_ascii_digit()) && said(price) == Some(false)
}

/// Is a row for sale, by what stands in such a column? `None`: the cell does not say.
pub(super) fn is_sold(cell: &str, flag: Flag) -> Option<bool> {
    let text = cell.trim().to_lowercase();
    let truth = match text.as_str() {
        "yes" | "y" | "true" | "t" | "1" | "x" | "on" | "ja" | "j" | "oui" | "si" | "sí" | "✓" | "✔" => {
            Some(true)
        }
        "no" | "n" | "false" | "f" | "0" | "off" | "nein" | "non" => Some(false),
        _ => None,
    };
    said(&text).or(match flag {
        Flag::Sold => truth,
        Flag::Barred => truth.map(|t| !t),
        // `N` in a column of states is "new" as often as "no".
        Flag::Said => truth.filter(|_| matches!(text.as_str(), "0" | "false" | "no" | "off")),
    })
}
