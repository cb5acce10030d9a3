//! Row by row into the builder. A row is taken whole or not at all.

use std::borrow::Cow;

use csv::StringRecord;

use crate::deck::Builder;
use crate::money::{Currency, Money};
use crate::prefix::Prefix;
use crate::rate::{Steps, Tariff, Validity};
use crate::time::Hours;

use super::cell::{self, Complaint, clipped};
use super::compare::{Absurd, Gap, Listed, Why};
use super::dialect::Dialect;
use super::header::{Column, Flag, Scale, When, is_prefix};
use super::{Options, RowError, Unreadable};

/// Progress is reported after so many rows.
const PROGRESS_EVERY: u64 = 4_096;

/// What was found beside rates.
pub(super) struct Rows {
    pub rows: u64,
    pub rounded: u64,
    pub errors: Listed<RowError>,
    pub gaps: Listed<Gap>,
    pub negative: Listed<Absurd>,
}

/// Where each thing stands, and what was last read where rows repeat one another.
struct Reader<'a> {
    dialect: &'a Dialect,
    options: &'a Options,
    prefix: usize,
    /// The prefixes are those of North America, without the country code.
    north_america: bool,
    area_code: Option<usize>,
    country_code: Option<usize>,
    country: Option<usize>,
    destination: Option<usize>,
    prices: Vec<(usize, Option<Hours>, Scale)>,
    before: Option<(usize, Scale)>,
    sale: Vec<(usize, Flag)>,
    connection: Option<(usize, Scale)>,
    minimum: Option<usize>,
    minimum_charge: Option<(usize, Scale)>,
    minimum_seconds: Option<usize>,
    steps: Option<usize>,
    first: Option<usize>,
    next: Option<usize>,
    from: Option<usize>,
    until: Option<usize>,
    currency: Option<usize>,
    hours: Option<usize>,
    last_moment: Vec<(String, i64)>,
    last_hours: (String, Option<Hours>),
    prefixes: Vec<Prefix>,
    rounded: u64,
}

/// What is wrong, and in which column (from 0).
type Fault = (usize, Complaint);

pub(super) fn read(
    text: &str,
    dialect: &Dialect,
    options: &Options,
    builder: &mut Builder,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Rows, Unreadable> {
    let mut found = Rows {
        rows: 0,
        rounded: 0,
        errors: Listed::new(options.listed),
        gaps: Listed::new(options.listed),
        negative: Listed::new(options.listed),
    };
    let mut reader = Reader::new(dialect, options)?;
    let mut source = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(dialect.separator)
        .buffer_capacity(1 << 16)
        .from_reader(text.as_bytes());
    let total = text.len() as u64;
    let mut record = StringRecord::new();
    let mut n = 0u64;
    let mut lines = Lines { text: text.as_bytes(), at: 0, line: 1 };
    // The text is valid UTF-8 and rows may have any length, so no row can fail.
    while let Ok(true) = source.read_record(&mut record) {
        n += 1;
        if n.is_multiple_of(PROGRESS_EVERY) && !progress(source.position().byte().min(total), total) {
            return Err(Unreadable::Stopped);
        }
        if n <= dialect.skipped as u64 || record.iter().all(|c| c.trim().is_empty()) {
            continue;
        }
        found.rows += 1;
        if builder.len() > options.most {
            return Err(Unreadable::TooMany(options.most));
        }
        let line = lines.of(record.position().map_or(0, csv::Position::byte));
        if source.position().byte() >= total
            && let Some(column) = unclosed(&record, text)
        {
            let what = "a quotation mark opens here and is not closed: all lines behind it are one cell";
            let hint = "close it, or take it away";
            found.errors.push(|| RowError { line, column: column + 1, what: what.to_owned(), hint });
            continue;
        }
        if let Err((column, (what, hint))) = reader.row(&record, line, builder, &mut found) {
            found.errors.push(|| RowError { line, column: column + 1, what, hint });
        }
    }
    found.rounded = reader.rounded;
    if !progress(total, total) {
        return Err(Unreadable::Stopped);
    }
    Ok(found)
}

impl<'a> Reader<'a> {
    fn new(dialect: &'a Dialect, options: &'a Options) -> Result<Reader<'a>, Unreadable> {
        let at = |c: Column| dialect.columns.iter().position(|x| *x == c);
        let priced = dialect.columns.iter().enumerate().filter_map(|(i, c)| match c {
            Column::Price(when, scale) => Some((i, *when, *scale)),
            _ => None,
        });
        let weekend = dialect.columns.iter().any(|c| matches!(c, Column::Price(When::Weekend, _)));
        let saturday_sunday = Hours::new([(5 * 1440, 7 * 1440)]);
        let free_of_weekend = |hours: Hours| match weekend {
            false => hours,
            true => Hours::new(hours.others().stretches().iter().chain(saturday_sunday.stretches()).copied())
                .others(),
        };
        let prices = priced
            .map(|(i, when, scale)| {
                let hours = match when {
                    When::Always => None,
                    When::Peak => Some(free_of_weekend(options.peak.clone())),
                    When::OffPeak => Some(free_of_weekend(options.peak.others())),
                    When::Weekend => Some(saturday_sunday.clone()),
                };
                (i, hours, scale)
            })
            .collect();
        let scaled = |is: fn(&Column) -> Option<Scale>| {
            dialect.columns.iter().enumerate().find_map(|(i, c)| is(c).map(|s| (i, s)))
        };
        Ok(Reader {
            dialect,
            options,
            prefix: dialect
                .columns
                .iter()
                .position(is_prefix)
                .ok_or_else(|| Unreadable::NoPrefix("the columns given".into()))?,
            north_america: at(Column::NorthAmerica).is_some() || at(Column::AreaCode).is_some(),
            area_code: at(Column::AreaCode),
            country_code: at(Column::CountryCode),
            country: at(Column::Country),
            destination: at(Column::Destination),
            prices,
            before: scaled(|c| if let Column::Before(s) = c { Some(*s) } else { None }),
            sale: dialect
                .columns
                .iter()
                .enumerate()
                .filter_map(|(i, c)| if let Column::Sale(flag) = c { Some((i, *flag)) } else { None })
                .collect(),
            connection: scaled(|c| if let Column::Connection(s) = c { Some(*s) } else { None }),
            minimum: at(Column::Minimum),
            minimum_charge: scaled(|c| if let Column::MinimumCharge(s) = c { Some(*s) } else { None }),
            minimum_seconds: at(Column::MinimumSeconds),
            steps: at(Column::Steps),
            first: at(Column::First),
            next: at(Column::Next),
            from: at(Column::From),
            until: at(Column::Until),
            currency: at(Column::Currency),
            hours: at(Column::Hours),
            last_moment: vec![(String::new(), 0); 2],
            last_hours: (String::new(), None),
            prefixes: Vec::new(),
            rounded: 0,
        })
    }

    fn row(
        &mut self,
        record: &StringRecord,
        line: u64,
        builder: &mut Builder,
        found: &mut Rows,
    ) -> Result<(), Fault> {
        self.read_prefixes(record)?;
        let destination = self.destination(record);
        let (connection, rounded) = self.money(record, self.connection)?;
        let (minimum, minimum_seconds, rounded_too) = self.minimum(record)?;
        let steps = self.steps(record)?;
        let from = self.moment(record, self.from, 0)?.or(self.options.from);
        let until = self.moment(record, self.until, 1)?;
        if let (Some(from), Some(until), Some(column)) = (from, until, self.until)
            && until <= from
        {
            return Err((
                column,
                ("the rate ends before it begins".to_owned(), "check the dates of the row"),
            ));
        }
        self.check_currency(record, builder.currency)?;
        let own_hours = self.hours(record)?;
        if !self.is_sold(record)? {
            self.bar(&destination, Validity { from, until }, own_hours.as_ref(), line, builder);
            return Ok(());
        }
        let mut priced: Vec<(Money, Option<&Hours>)> = Vec::new();
        let (mut single, mut rounded, mut empty): (Option<(Money, Option<&Hours>)>, _, _) =
            (None, rounded || rounded_too, true);
        for (column, hours, scale) in &self.prices {
            let text = cell_of(record, Some(*column));
            empty &= text.is_empty();
            if text.is_empty() || cell::is_barred(text) {
                continue;
            }
            let (price, fine) =
                cell::amount(text, self.dialect.decimal, *scale).map_err(|complaint| (*column, complaint))?;
            if price.is_negative() {
                let prefix = self.prefixes.first().copied().unwrap_or_default();
                found.negative.push(|| Absurd {
                    prefix,
                    destination: destination.as_ref().into(),
                    price,
                    why: Why::Negative,
                });
                let what = format!("the price {price} is less than nothing");
                return Err((*column, (what, "write 0 for a free destination")));
            }
            rounded |= fine;
            self.same_currency(text, *column, builder.currency)?;
            let hours = own_hours.as_ref().or(hours.as_ref());
            // Nearly every deck has one price a row: no list for that. Of several for the same hours the dearest counts.
            if single.is_none() {
                single = Some((price, hours));
            } else if let Some((known, _)) = single.iter_mut().chain(&mut priced).find(|(_, h)| *h == hours) {
                *known = (*known).max(price);
            } else {
                priced.push((price, hours));
            }
        }
        let Some(first) = single else {
            // Listed and not sold: no shorter prefix may price it.
            if empty {
                let prefix = self.prefixes.first().copied().unwrap_or_default();
                found.gaps.push(|| Gap::NoPrice { line, prefix, destination: destination.as_ref().into() });
            }
            self.bar(&destination, Validity { from, until }, own_hours.as_ref(), line, builder);
            return Ok(());
        };
        let before = self.before(record, from)?;
        self.rounded += u64::from(rounded);
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        let validity = Validity { from, until };
        let now = std::iter::once(first).chain(priced).map(|(price, hours)| (price, hours, validity));
        let until_then = before.map(|price| (price, None, Validity { from: None, until: from }));
        for (per_minute, hours, validity) in now.chain(until_then) {
            let tariff =
                Tariff { per_minute, connection, minimum, minimum_seconds, steps, ..Tariff::default() };
            for prefix in &self.prefixes {
                builder.row(*prefix, &destination, tariff, validity, hours, line);
            }
        }
        Ok(())
    }

    /// Takes the row's prefixes from the gateway.
    fn bar(
        &self,
        destination: &str,
        validity: Validity,
        hours: Option<&Hours>,
        line: u64,
        builder: &mut Builder,
    ) {
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        for prefix in &self.prefixes {
            builder.row(*prefix, destination, Tariff::BARRED, validity, hours, line);
        }
    }

    /// Is the row for sale?
    fn is_sold(&self, record: &StringRecord) -> Result<bool, Fault> {
        let mut sold = true;
        for (column, flag) in &self.sale {
            let text = cell_of(record, Some(*column));
            sold &= match (cell::is_sold(text, *flag), flag) {
                (Some(is), _) => is,
                (None, Flag::Said) => true,
                (None, Flag::Barred) if text.is_empty() => true,
                (None, _) => {
                    let what = format!("{:?} does not say whether the row is for sale", clipped(text));
                    return Err((*column, (what, "write yes or no, or leave the column out")));
                }
            };
        }
        Ok(sold)
    }

    /// The price until the row's date.
    fn before(&self, record: &StringRecord, from: Option<i64>) -> Result<Option<Money>, Fault> {
        let Some((column, scale)) = self.before.filter(|_| from.is_some()) else { return Ok(None) };
        let text = cell_of(record, Some(column));
        if text.is_empty() || cell::is_barred(text) {
            return Ok(None);
        }
        let (price, _) = cell::amount(text, self.dialect.decimal, scale).map_err(|c| (column, c))?;
        Ok(Some(price).filter(|p| !p.is_negative()))
    }

    fn read_prefixes(&mut self, record: &StringRecord) -> Result<(), Fault> {
        self.prefixes.clear();
        let text = cell_of(record, Some(self.prefix));
        if self.dialect.ours {
            let hint = "write digits only";
            let prefix = text
                .parse::<Prefix>()
                .map_err(|e| (self.prefix, (clipped(&e.to_string()).to_owned(), hint)))?;
            self.prefixes.push(prefix);
            return Ok(());
        }
        if self.north_america {
            let area = cell_of(record, self.area_code);
            return cell::north_american(text, area, &mut self.prefixes)
                .map_err(|complaint| (self.prefix, complaint));
        }
        let mut base = Prefix::ALL;
        if let Some(column) = self.country_code {
            let code = cell_of(record, Some(column));
            let code = code.strip_prefix('+').or_else(|| code.strip_prefix("00")).unwrap_or(code);
            let code: Cow<str> =
                if code.contains([' ', '-']) { code.replace([' ', '-'], "").into() } else { code.into() };
            base = Prefix::ALL.join(&code).ok_or_else(|| {
                let what = format!("invalid country code {:?}", clipped(&code));
                (column, (what, "write digits only, as in 44"))
            })?;
            if text.is_empty() && base != Prefix::ALL {
                self.prefixes.push(base);
                return Ok(());
            }
        }
        let most = self.options.most_in_cell;
        cell::prefixes(text, base, most, &mut self.prefixes).map_err(|complaint| (self.prefix, complaint))
    }

    fn destination<'r>(&self, record: &'r StringRecord) -> Cow<'r, str> {
        let (country, name) = (cell_of(record, self.country), cell_of(record, self.destination));
        match (country, name) {
            ("", name) => name.into(),
            (country, "") => country.into(),
            (country, name) if name.starts_with(country) => name.into(),
            (country, name) => format!("{country} {name}").into(),
        }
    }

    fn money(&self, record: &StringRecord, column: Option<(usize, Scale)>) -> Result<(Money, bool), Fault> {
        let Some((column, scale)) = column else { return Ok((Money::ZERO, false)) };
        let text = cell_of(record, Some(column));
        if text.is_empty() || cell::is_barred(text) {
            return Ok((Money::ZERO, false));
        }
        let (money, fine) = cell::amount(text, self.dialect.decimal, scale).map_err(|c| (column, c))?;
        if money.is_negative() {
            return Err((
                column,
                (format!("the charge {money} is less than nothing"), "write 0 for no charge"),
            ));
        }
        Ok((money, fine))
    }

    fn minimum(&self, record: &StringRecord) -> Result<(Money, u32, bool), Fault> {
        let (mut charge, fine) = self.money(record, self.minimum_charge)?;
        let mut seconds = self.seconds(record, self.minimum_seconds)?;
        if let Some(column) = self.minimum {
            let text = cell_of(record, Some(column));
            if text.bytes().all(|b| b.is_ascii_digit()) {
                seconds = seconds.max(self.seconds(record, Some(column))?);
            } else {
                charge = self.money(record, Some((column, Scale::Unit)))?.0;
            }
        }
        Ok((charge, seconds, fine))
    }

    fn seconds(&self, record: &StringRecord, column: Option<usize>) -> Result<u32, Fault> {
        let Some(place) = column else { return Ok(0) };
        let text =
            cell_of(record, column).trim_end_matches(|c: char| c.is_alphabetic() || c == '.').trim_end();
        if text.is_empty() || text == "-" {
            return Ok(0);
        }
        let seconds = text.parse().ok().filter(|s| *s <= 86_400);
        seconds.ok_or_else(|| {
            (place, (format!("invalid seconds {:?}", clipped(text)), "write whole seconds, at most 86400"))
        })
    }

    fn steps(&self, record: &StringRecord) -> Result<Steps, Fault> {
        const HINT: &str = "write first/next in seconds, as in 60/1; each 1 to 3600";
        // A single column may be headed as if it held the first step only, and hold both.
        let both = self.first.filter(|_| self.next.is_none());
        let place = self.steps.or(both.filter(|_| cell_of(record, both).contains('/')));
        let steps = cell_of(record, place);
        // `Initial increment` beside a plain `Increment`: that one holds for the rest of the call.
        let plain = !steps.is_empty() && steps.bytes().all(|b| b.is_ascii_digit());
        let next = if plain && self.first.is_some() && self.next.is_none() { self.steps } else { self.next };
        if let (true, Some(_)) = (plain, self.first) {
        } else if let (Some(column), false) = (place, steps.is_empty()) {
            return steps
                .parse::<Steps>()
                .map_err(|_| (column, (format!("invalid billing steps {:?}", clipped(steps)), HINT)));
        }
        let one = |column: Option<usize>| match self.seconds(record, column)? {
            0 => Ok(None),
            n if n <= 3600 => Ok(Some(n)),
            n => Err((column.unwrap_or(0), (format!("a billing step of {n} s is too long"), HINT))),
        };
        let (first, next) = (one(self.first)?, one(next)?);
        Ok(match (first, next) {
            (None, None) => self.options.steps,
            (first, next) => Steps {
                first: first.or(next).unwrap_or(self.options.steps.first),
                next: next.or(first).unwrap_or(self.options.steps.next),
            },
        })
    }

    fn moment(
        &mut self,
        record: &StringRecord,
        column: Option<usize>,
        slot: usize,
    ) -> Result<Option<i64>, Fault> {
        let Some(place) = column else { return Ok(None) };
        let text = cell_of(record, column);
        if text.is_empty() {
            return Ok(None);
        }
        let last = &mut self.last_moment[slot];
        if last.0 != text {
            let moment =
                cell::moment(text, self.dialect.day_first, self.options.offset).map_err(|c| (place, c))?;
            *last = (text.to_owned(), moment);
        }
        Ok(Some(last.1))
    }

    fn check_currency(&self, record: &StringRecord, deck: Currency) -> Result<(), Fault> {
        let text = cell_of(record, self.currency);
        let Some(column) = self.currency.filter(|_| !text.is_empty()) else { return Ok(()) };
        match text.parse::<Currency>() {
            Ok(row) if row == deck => Ok(()),
            Ok(row) => Err((
                column,
                (format!("the row is in {row}, the deck in {deck}"), "make one deck for each currency"),
            )),
            Err(_) => Err((
                column,
                (format!("invalid currency {:?}", clipped(text)), "write its three letters, as in EUR"),
            )),
        }
    }

    /// `0.02 USD` in a deck of euros is another price than it seems.
    fn same_currency(&self, text: &str, column: usize, deck: Currency) -> Result<(), Fault> {
        // Nearly every price is digits: no search for those.
        let bare = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b',' | b' '));
        // Many countries write $ for a dollar of their own.
        let dollars = text.contains('$') && deck != Currency::EUR && deck != Currency::GBP;
        match (!bare).then(|| Currency::within(text)).flatten() {
            Some(row) if row != deck && !dollars => Err((
                column,
                (
                    format!("{:?} is in {row}, the deck in {deck}", clipped(text)),
                    "make one deck for each currency",
                ),
            )),
            _ => Ok(()),
        }
    }

    fn hours(&mut self, record: &StringRecord) -> Result<Option<Hours>, Fault> {
        let text = cell_of(record, self.hours);
        let Some(column) = self.hours.filter(|_| !text.is_empty()) else { return Ok(None) };
        if self.last_hours.0 != text {
            let hours = match text.to_lowercase().as_str() {
                "peak" => self.options.peak.clone(),
                "off-peak" | "offpeak" | "off peak" => self.options.peak.others(),
                "weekend" => Hours::new([(5 * 1440, 7 * 1440)]),
                "always" | "all" | "any" | "flat" => return Ok(None),
                _ => Hours::parse(text).map_err(|_| {
                    let what = format!("invalid hours {:?}", clipped(text));
                    (column, (what, "write them as Mon-Fri 08:00-18:00, Sat 09:00-13:00"))
                })?,
            };
            self.last_hours = (text.to_owned(), Some(hours));
        }
        Ok(self.last_hours.1.clone())
    }
}

/// The column of the last row in which a quotation mark opens that nothing closes. A cell of several lines is fine; one
/// that has swallowed the rest of the file is not.
fn unclosed(record: &StringRecord, text: &str) -> Option<usize> {
    let column = record.iter().position(|cell| cell.contains('\n'))?;
    let begins = usize::try_from(record.position()?.byte()).ok()?;
    let marks = text.as_bytes().get(begins..)?.iter().filter(|b| **b == b'"').count();
    (marks % 2 == 1).then_some(column)
}

fn cell_of(record: &StringRecord, column: Option<usize>) -> &str {
    column.and_then(|c| record.get(c)).map_or("", str::trim)
}

/// Counts the lines of a file, whichever way they end.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the row that begins here, or behind the line ends that stand here.
    fn of(&mut self, byte: u64) -> u64 {
        let mut end = usize::try_from(byte).unwrap_or(usize::MAX).min(self.text.len());
        while matches!(self.text.get(end), Some(b'\r' | b'\n')) {
            end += 1;
        }
        let new = self.text.get(self.at..end).unwrap_or_default();
        let ends = |(i, b): (usize, &u8)| {
            *b == b'\n' || *b == b'\r' && self.text.get(self.at + i + 1) != Some(&b'\n')
        };
        self.line += new.iter().enumerate().filter(|x| ends(*x)).count() as u64;
        self.at = end.max(self.at);
        self.line
    }
}
