//! What kind of table a file is: separator, decimal sign, where the rows begin, what the columns are. Found out from its
//! first 64 KiB, by trying: the reading that makes most sense wins.

use crate::money::{Currency, Money};
use crate::prefix::Prefix;
use crate::rate::Steps;

use super::header::{self, CANONICAL, Column, Scale, When};
use super::{Options, Unreadable, cell};

/// How much of a file is looked at.
const SAMPLE: usize = 65_536;
/// Rows of it that are.
const SAMPLE_ROWS: usize = 300;
/// The header stands within so many rows; before it come names, dates and greetings.
const HEADER_WITHIN: usize = 30;

/// How the file's octets were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, ASCII.
    Utf8,
    /// UTF-16 with a byte order mark.
    Utf16,
    /// Latin-1, with the signs that Windows adds.
    Latin1,
}

/// What the file was taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    /// Its encoding.
    pub encoding: Encoding,
    /// What separates the columns: `,`, `;`, tab or `|`.
    pub separator: u8,
    /// The decimal sign.
    pub decimal: char,
    /// In dates as 03/04/2026, does the day come first?
    pub day_first: bool,
    /// The currency that the file names.
    pub currency: Option<Currency>,
    /// Is it one of our own exports? Then nothing was guessed.
    pub ours: bool,
    /// How many rows stand before the first rate.
    pub skipped: usize,
    /// The header as it stands; empty if there is none and the columns were guessed.
    pub headers: Vec<String>,
    /// The columns, from the left.
    pub columns: Vec<Column>,
}

/// One reading of the sample.
struct Reading {
    separator: u8,
    rows: Vec<Vec<String>>,
    /// Row of the header, if there is one.
    header: Option<usize>,
    skipped: usize,
    columns: Vec<Column>,
    /// How much sense it makes.
    sense: usize,
}

pub(super) fn detect(text: &str, encoding: Encoding, options: &Options) -> Result<Dialect, Unreadable> {
    let ours =
        text.strip_prefix(CANONICAL).is_some_and(|rest| rest.is_empty() || rest.starts_with(['\r', '\n']));
    let sample = sample(text);
    let separators: &[u8] = if ours { b"," } else { b"\t;|," };
    let readings = separators
        .iter()
        .filter(|s| options.separator.is_none_or(|forced| forced == **s))
        .chain(options.separator.iter().filter(|s| !separators.contains(s)))
        .map(|s| Reading::new(sample, *s, options));
    // Of equals the first: a comma is in many cells that it does not part.
    let best = readings.reduce(|best, next| if next.sense > best.sense { next } else { best });
    let mut reading = best.filter(|r| !r.rows.is_empty()).ok_or(Unreadable::Empty)?;
    if !header::is_enough(&reading.columns) {
        let cells = reading.rows.iter().take(HEADER_WITHIN).rev().max_by_key(|r| r.len());
        let shown: Vec<String> =
            cells.into_iter().flatten().map(|c| format!("{:?}", cell::clipped(c.trim()))).take(20).collect();
        let shown = if shown.is_empty() { "no columns".to_owned() } else { shown.join(", ") };
        return Err(match reading.columns.contains(&Column::Prefix) {
            false => Unreadable::NoPrefix(shown),
            true => Unreadable::NoPrice(shown),
        });
    }
    reading.drop_repeated_country_code();
    let headers: Vec<String> = reading
        .header
        .and_then(|h| reading.rows.get(h))
        .map(|r| r.iter().map(|c| c.trim().to_owned()).collect())
        .unwrap_or_default();
    Ok(Dialect {
        encoding,
        separator: reading.separator,
        decimal: options.decimal.unwrap_or_else(|| if ours { '.' } else { reading.decimal() }),
        day_first: options.day_first.unwrap_or_else(|| reading.day_first()),
        currency: reading.currency(&headers),
        ours,
        skipped: reading.skipped,
        headers,
        columns: reading.columns,
    })
}

/// The first rows of the text, whole ones.
fn sample(text: &str) -> &str {
    if text.len() <= SAMPLE {
        return text;
    }
    let mut end = SAMPLE;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].rfind('\n').map_or(&text[..end], |e| &text[..e])
}

impl Reading {
    fn new(sample: &str, separator: u8, options: &Options) -> Reading {
        let mut rows = Vec::new();
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator)
            .from_reader(sample.as_bytes());
        for record in reader.records().take(SAMPLE_ROWS).map_while(Result::ok) {
            rows.push(record.iter().map(str::to_owned).collect::<Vec<_>>());
        }
        let mut reading =
            Reading { separator, rows, header: None, skipped: 0, columns: Vec::new(), sense: 0 };
        match &options.columns {
            Some(forced) => reading.forced(forced),
            None => {
                if !reading.by_header() {
                    reading.by_content();
                }
            }
        }
        reading
    }

    fn forced(&mut self, columns: &[Column]) {
        self.columns = columns.to_vec();
        let Some(prefix) = columns.iter().position(|c| *c == Column::Prefix) else { return };
        let first =
            self.rows.iter().take(HEADER_WITHIN).position(|r| r.get(prefix).is_some_and(|c| is_code(c)));
        self.skipped = first.unwrap_or(0);
        self.header = self.skipped.checked_sub(1);
        self.sense = 1 + self.rows.iter().filter(|r| r.len() == columns.len()).count();
    }

    /// Finds the header; says whether there is one.
    fn by_header(&mut self) -> bool {
        for (n, row) in self.rows.iter().take(HEADER_WITHIN).enumerate() {
            let columns = header::columns(row.iter().map(String::as_str));
            if header::is_enough(&columns) {
                let known = columns.iter().filter(|c| **c != Column::Ignored).count();
                (self.header, self.skipped, self.columns, self.sense) =
                    (Some(n), n + 1, columns, 1000 + known);
                return true;
            }
        }
        false
    }

    /// Without a header, by what the cells look like.
    fn by_content(&mut self) {
        // A row of words only, before others: a header in a language that is not known here.
        let wordy = |r: &Vec<String>| !r.iter().any(|c| c.contains(|c: char| c.is_ascii_digit()));
        if self.rows.len() > 1 && self.rows.first().is_some_and(wordy) {
            (self.header, self.skipped) = (Some(0), 1);
        }
        let skipped = self.skipped;
        let width = self.rows.iter().map(Vec::len).max().unwrap_or(0).min(100);
        let cells = |i: usize| {
            self.rows
                .iter()
                .skip(skipped)
                .filter_map(move |r| r.get(i))
                .map(|c| c.trim())
                .filter(|c| !c.is_empty())
        };
        let mostly = |i: usize, is: &dyn Fn(&str) -> bool| {
            let (all, good) = cells(i).fold((0, 0), |(a, g), c| (a + 1, g + usize::from(is(c))));
            all > 0 && good * 10 >= all * 8
        };
        let mut columns = vec![Column::Ignored; width];
        let prefix = (0..width).find(|i| mostly(*i, &is_code));
        let amount = |c: &str| cell::amount(c, if c.contains('.') { '.' } else { ',' }, Scale::Unit).is_ok();
        let broken = |c: &str| c.contains(['.', ',']);
        let price = (0..width)
            .filter(|i| Some(*i) != prefix && mostly(*i, &amount))
            .find(|i| cells(*i).any(broken) || width == 2);
        if let Some(p) = prefix {
            columns[p] = Column::Prefix;
        }
        if let Some(p) = price {
            columns[p] = Column::Price(When::Always, Scale::Unit);
        }
        for (i, column) in columns.iter_mut().enumerate().filter(|(_, c)| **c == Column::Ignored) {
            let dated =
                |c: &str| c.len() > 5 && cell::moment(c, true, 0).is_ok() || cell::day_first(c).is_some();
            let stepped = |c: &str| c.contains('/') && c.parse::<Steps>().is_ok();
            *column = match () {
                () if mostly(i, &stepped) => Column::Steps,
                () if mostly(i, &dated) => Column::From,
                () if mostly(i, &|c| c.chars().any(char::is_alphabetic)) => Column::Destination,
                () => Column::Ignored,
            };
        }
        // The first of each kind counts.
        for i in (1..columns.len()).rev() {
            if columns[..i].contains(&columns[i]) {
                columns[i] = Column::Ignored;
            }
        }
        let enough = header::is_enough(&columns);
        self.sense = columns.iter().filter(|c| **c != Column::Ignored).count() + if enough { 100 } else { 0 };
        self.columns = columns;
    }

    fn data(&self) -> impl Iterator<Item = &Vec<String>> {
        self.rows.iter().skip(self.skipped)
    }

    fn column(&self, is: impl Fn(&Column) -> bool) -> impl Iterator<Item = &str> {
        let place = self.columns.iter().position(is);
        self.data().filter_map(move |r| r.get(place?)).map(|c| c.trim()).filter(|c| !c.is_empty())
    }

    /// A country code that the prefixes have too is not put before them a second time.
    fn drop_repeated_country_code(&mut self) {
        let place = |c: Column| self.columns.iter().position(|x| *x == c);
        let (Some(code), Some(prefix)) = (place(Column::CountryCode), place(Column::Prefix)) else { return };
        let (mut all, mut repeated) = (0, 0);
        for row in self.data() {
            let (Some(code), Some(prefix)) = (row.get(code), row.get(prefix)) else { continue };
            let (code, prefix) = (bare(code), bare(prefix));
            if !code.is_empty() && !prefix.is_empty() {
                all += 1;
                repeated += usize::from(prefix.starts_with(code));
            }
        }
        if all > 0 && repeated * 10 >= all * 9 {
            self.columns[code] = Column::Ignored;
        }
    }

    fn decimal(&self) -> char {
        let (mut dots, mut commas) = (0, 0);
        for cell in self.column(|c| matches!(c, Column::Price(..))) {
            match (cell.rfind('.'), cell.rfind(',')) {
                (Some(dot), Some(comma)) if dot > comma => dots += 1,
                (Some(_), Some(_)) => commas += 1,
                (Some(_), None) => dots += 1,
                (None, Some(_)) => commas += 1,
                (None, None) => {}
            }
        }
        if commas > dots { ',' } else { '.' }
    }

    fn day_first(&self) -> bool {
        let dates = self.column(|c| *c == Column::From).chain(self.column(|c| *c == Column::Until));
        dates.filter_map(cell::day_first).next().unwrap_or(true)
    }

    fn currency(&self, headers: &[String]) -> Option<Currency> {
        let named = self.column(|c| *c == Column::Currency).find_map(|c| c.parse().ok());
        let prices: Vec<&String> = headers
            .iter()
            .zip(&self.columns)
            .filter(|(_, c)| matches!(c, Column::Price(..)))
            .map(|(h, _)| h)
            .collect();
        named
            .or_else(|| prices.iter().find_map(|h| Currency::within(h)))
            .or_else(|| self.column(|c| matches!(c, Column::Price(..))).find_map(Currency::within))
    }
}

/// Digits, perhaps with a plus, gaps and ranges.
fn is_code(cell: &str) -> bool {
    let mut found = Vec::new();
    let short = Money::parse(cell).is_err() || !cell.contains('.');
    short && cell::prefixes(cell, Prefix::ALL, 10_000, &mut found).is_ok()
}

fn bare(code: &str) -> &str {
    let code = code.trim();
    code.strip_prefix('+').or_else(|| code.strip_prefix("00")).unwrap_or(code)
}
