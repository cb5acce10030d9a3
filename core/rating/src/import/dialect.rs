//! What kind of table a file is: separator, decimal sign, where the rows begin, what the columns are. Found out from its
//! first 64 KiB, by trying: the reading that makes most sense wins.

use crate::money::{Currency, Money};
use crate::prefix::Prefix;
use crate::rate::Steps;

use super::header::{self, CANONICAL, Column, Scale, When};
use super::{Options, Pick, Unreadable, cell};

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
    /// Columns that could each be the price.
    rivals: Vec<String>,
    /// Columns that were asked for and are not there.
    missing: Vec<String>,
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
    if let Some(missing) = reading.missing.first() {
        let headings = reading.header.and_then(|h| reading.rows.get(h)).cloned().unwrap_or_default();
        return Err(Unreadable::NoColumn(missing.clone(), quoted(&headings)));
    }
    if !reading.rivals.is_empty() {
        return Err(Unreadable::Rivals(quoted(&reading.rivals)));
    }
    if !header::is_enough(&reading.columns) {
        let cells = reading.rows.iter().take(HEADER_WITHIN).rev().max_by_key(|r| r.len());
        let shown = cells.map(|cells| quoted(cells)).unwrap_or_else(|| "no columns".to_owned());
        return Err(match reading.columns.iter().any(header::is_prefix) {
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

/// Cells for a message.
fn quoted(cells: &[String]) -> String {
    let shown: Vec<String> =
        cells.iter().map(|c| format!("{:?}", cell::clipped(c.trim()))).take(20).collect();
    shown.join(", ")
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
        let mut reading = Reading {
            separator,
            rows,
            header: None,
            skipped: 0,
            columns: Vec::new(),
            rivals: Vec::new(),
            missing: Vec::new(),
            sense: 0,
        };
        match &options.columns {
            Some(forced) => reading.forced(forced),
            None => reading.found(&options.picks),
        }
        reading
    }

    /// By the header, as far as it is known; what it leaves open, by what the cells look like.
    fn found(&mut self, picks: &[(Column, Pick)]) {
        let mut header = self.by_header(picks);
        if header.is_none() && self.rows.len() > 1 && self.rows.first().is_some_and(|r| is_wordy(r)) {
            // A row of words only, before others: a header in a language that is not known here.
            (self.header, self.skipped) = (Some(0), 1);
        }
        let width = self.rows.iter().map(Vec::len).max().unwrap_or(0).min(100);
        let mut columns = header.as_mut().map(|h| std::mem::take(&mut h.columns)).unwrap_or_default();
        columns.resize(width.max(columns.len()), None);
        if let Some(header) = &mut header {
            self.rivals.append(&mut header.rivals);
        }
        self.picked(&mut columns, picks);
        let known: Vec<Column> = columns.iter().map(|c| c.unwrap_or(Column::Ignored)).collect();
        if header.is_some() && header::is_enough(&known) {
            self.sense = 1000 + known.iter().filter(|c| **c != Column::Ignored).count();
            self.columns = known;
            return;
        }
        let known = known.iter().filter(|c| **c != Column::Ignored).count();
        self.by_content(columns);
        let enough = header::is_enough(&self.columns);
        let found = self.columns.iter().filter(|c| **c != Column::Ignored).count();
        self.sense = found + 10 * known + if enough { 100 } else { 0 };
    }

    /// What the operator says of single columns.
    fn picked(&mut self, columns: &mut [Option<Column>], picks: &[(Column, Pick)]) {
        let headings = self.header.and_then(|h| self.rows.get(h));
        for (column, pick) in picks {
            let place = match pick {
                Pick::Number(n) => n.checked_sub(1).filter(|n| *n < columns.len()),
                Pick::Heading(text) => headings.and_then(|row| {
                    row.iter().position(|c| c.trim().to_lowercase() == text.trim().to_lowercase())
                }),
            };
            let Some(place) = place else {
                self.missing.push(pick.to_string());
                continue;
            };
            // The name of the price says which of several it is.
            if let Column::Price(when, _) = column {
                self.rivals.clear();
                for other in columns.iter_mut() {
                    if matches!(other, Some(Column::Price(w, _)) if w == when) {
                        *other = Some(Column::Ignored);
                    }
                }
            } else if *column != Column::Ignored {
                for other in columns.iter_mut().filter(|c| **c == Some(*column)) {
                    *other = Some(Column::Ignored);
                }
            }
            columns[place] = Some(*column);
        }
    }

    fn forced(&mut self, columns: &[Column]) {
        self.columns = columns.to_vec();
        let Some(prefix) = columns.iter().position(header::is_prefix) else { return };
        let first =
            self.rows.iter().take(HEADER_WITHIN).position(|r| r.get(prefix).is_some_and(|c| is_code(c)));
        self.skipped = first.unwrap_or(0);
        self.header = self.skipped.checked_sub(1);
        self.sense = 1 + self.rows.iter().filter(|r| r.len() == columns.len()).count();
    }

    /// Finds the header: the first row that names prefix and price; without one, the row of words that names most.
    fn by_header(&mut self, picks: &[(Column, Pick)]) -> Option<header::Header> {
        let mut best: Option<(usize, usize, header::Header)> = None;
        for (n, row) in self.rows.iter().take(HEADER_WITHIN).enumerate() {
            let header = header::header(row.iter().map(String::as_str));
            let known: Vec<Column> = header.columns.iter().flatten().copied().collect();
            let is_named = |c: &String| {
                picks
                    .iter()
                    .any(|(_, p)| matches!(p, Pick::Heading(h) if h.trim().eq_ignore_ascii_case(c.trim())))
            };
            let named = row.iter().filter(|c| is_named(c)).count();
            if header::is_enough(&known) {
                best = Some((usize::MAX, n, header));
                break;
            }
            let useful = known.iter().filter(|c| **c != Column::Ignored).count();
            let says = known.iter().any(|c| header::is_prefix(c) || matches!(c, Column::Price(..)));
            let count = useful + 2 * named;
            if (is_wordy(row) && useful >= 2 && says || named > 0)
                && best.as_ref().is_none_or(|(most, ..)| count > *most)
            {
                best = Some((count, n, header));
            }
        }
        let (_, n, header) = best?;
        (self.header, self.skipped) = (Some(n), n + 1);
        Some(header)
    }

    /// Fills in prefix, price and the rest among the columns that nobody named, by what the cells look like.
    fn by_content(&mut self, mut columns: Vec<Option<Column>>) {
        let skipped = self.skipped;
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
        let width = columns.len();
        if !columns.iter().flatten().any(header::is_prefix) {
            let open: Vec<usize> = (0..width).filter(|i| columns[*i].is_none()).collect();
            if let Some(place) = open.into_iter().find(|i| mostly(*i, &is_code)) {
                columns[place] = Some(Column::Prefix);
            }
        }
        if !columns.iter().flatten().any(|c| matches!(c, Column::Price(..))) {
            let amount = |c: &str| {
                cell::amount(c, if c.contains('.') { '.' } else { ',' }, Scale::Unit).ok().map(|(m, _)| m)
            };
            let broken = |c: &str| c.contains(['.', ',']);
            let open: Vec<usize> = (0..width).filter(|i| columns[*i].is_none()).collect();
            let priced: Vec<usize> = open
                .into_iter()
                .filter(|i| mostly(*i, &|c| amount(c).is_some() && !is_date(c)))
                // A column of zeros is a fee that nobody takes.
                .filter(|i| cells(*i).any(|c| amount(c).is_some_and(|m| m != Money::ZERO)))
                .filter(|i| cells(*i).any(broken) || width == 2)
                .collect();
            if let Some(place) = priced.first() {
                columns[*place] = Some(Column::Price(When::Always, Scale::Unit));
            }
            if priced.len() > 1 && self.rivals.is_empty() {
                let row = self.header.and_then(|h| self.rows.get(h));
                let name =
                    |i: &usize| match row.and_then(|r| r.get(*i)).map(|c| c.trim()).filter(|c| !c.is_empty())
                    {
                        Some(heading) => heading.to_owned(),
                        None => format!("column {}", i + 1),
                    };
                self.rivals = priced.iter().map(name).collect();
            }
        }
        for i in 0..width {
            if columns[i].is_some() {
                continue;
            }
            let stepped = |c: &str| c.contains('/') && c.parse::<Steps>().is_ok() && !is_date(c);
            let guess = match () {
                () if mostly(i, &stepped) => Column::Steps,
                () if mostly(i, &|c| is_date(c) || cell::day_first(c).is_some()) => Column::From,
                () if mostly(i, &|c| c.chars().any(char::is_alphabetic)) => Column::Destination,
                () => Column::Ignored,
            };
            // The first of each kind counts.
            columns[i] = Some(if columns.contains(&Some(guess)) { Column::Ignored } else { guess });
        }
        self.columns = columns.into_iter().map(|c| c.unwrap_or(Column::Ignored)).collect();
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

/// No cell has a digit: a header, or a greeting.
fn is_wordy(row: &[String]) -> bool {
    row.iter().any(|c| !c.trim().is_empty()) && !row.iter().any(|c| c.contains(|c: char| c.is_ascii_digit()))
}

/// A date with a year of four digits, or one that no billing steps look like. `60/60/1` is none, and `30/6/6` neither.
fn is_date(cell: &str) -> bool {
    let year = |part: &str| part.len() == 4 && matches!(part.as_bytes(), [b'1', b'9', ..] | [b'2', b'0', ..]);
    let parts = || cell.split(|c: char| !c.is_ascii_digit()).filter(|p| !p.is_empty());
    let padded = parts().take(2).any(|p| p.len() == 2 && p.starts_with('0')) && parts().count() > 2;
    let joined = cell.len() == 8 && cell.parse::<u32>().is_ok_and(|n| (19_000_101..21_000_101).contains(&n));
    cell.len() > 5
        && (joined || parts().any(year) || padded || !cell.contains('/') && cell.parse::<u32>().is_err())
        && cell::moment(cell, true, 0).or_else(|_| cell::moment(cell, false, 0)).is_ok()
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
