//! A provider's price list becomes a deck: what kind of table it is, row by row, and a preview of what would change.
//!
//! [`read`] never panics and never guesses silently: what it took the file for stands in [`Preview::dialect`], and every
//! row that it could not read is an error with line, column and a hint. Nothing is imported while there are errors,
//! unless it is asked ([`Bad::Skip`]).

mod cell;
mod compare;
mod dialect;
mod header;
mod rows;
mod text;

pub use compare::{Absurd, Change, Gap, Line, Listed, Overlap, Why};
pub use dialect::{Dialect, Encoding};
pub(crate) use header::CANONICAL;
pub use header::{Column, Flag, Scale, When};

use std::sync::Arc;

use crate::deck::{Builder, Deck};
use crate::money::Currency;
use crate::rate::Steps;
use crate::time::Hours;

/// What is known beforehand; the file's own words go first, but for what is `forced`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The deck's name.
    pub name: Arc<str>,
    /// The currency, if the file names none.
    pub currency: Currency,
    /// Billing steps, if the file names none.
    pub steps: Steps,
    /// Prices hold from this moment on (seconds since 1970), if the file names no date.
    pub from: Option<i64>,
    /// Seconds that the provider's days begin before those of UTC.
    pub offset: i32,
    /// The hours of "peak" prices, where the file has a column of them; all others are off-peak.
    pub peak: Hours,
    /// Forced: what separates the columns.
    pub separator: Option<u8>,
    /// Forced: the decimal sign.
    pub decimal: Option<char>,
    /// Forced: is 03/04 the third of April? Without it the file's other dates decide, then yes.
    pub day_first: Option<bool>,
    /// Forced: what the columns are, from the left.
    pub columns: Option<Vec<Column>>,
    /// Forced: what single columns are.
    pub picks: Vec<(Column, Pick)>,
    /// How many examples each list of the preview holds.
    pub listed: usize,
    /// How many prefixes one cell may stand for.
    pub most_in_cell: usize,
    /// How many rates a file may make: ranges in small files can make very many.
    pub most: usize,
}

/// A column, as an operator names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// By its heading, in upper or lower case.
    Heading(String),
    /// By its number, from 1.
    Number(usize),
}

/// A text that says nothing about a column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid column {0:?}: expected WHAT=HEADING or WHAT=NUMBER, as in price=\"New Rate\"; WHAT is one of {names}", names = Column::NAMES)]
pub struct BadPick(pub String);

/// Reads `price=New Rate`, `price=4`.
///
/// # Errors
/// The text has no `=`, names no known column, or says nothing after the `=`.
pub fn pick(text: &str) -> Result<(Column, Pick), BadPick> {
    let bad = || BadPick(text.to_owned());
    let (what, which) = text.split_once('=').ok_or_else(bad)?;
    let column = Column::named(what).ok_or_else(bad)?;
    let which = which.trim();
    match which.parse::<usize>() {
        Ok(number) if number > 0 => Ok((column, Pick::Number(number))),
        _ if which.is_empty() => Err(bad()),
        _ => Ok((column, Pick::Heading(which.to_owned()))),
    }
}

impl std::fmt::Display for Pick {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Pick::Heading(text) => write!(f, "{text:?}"),
            Pick::Number(n) => write!(f, "{n}"),
        }
    }
}

/// Why a file is no price list at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No row has anything in it.
    #[error("the file is empty: it has no row with a prefix and a price")]
    Empty,
    /// Not text.
    #[error("the file is not text: save the table as CSV, not as a spreadsheet or an archive")]
    Binary,
    /// No column of prefixes.
    #[error(
        "no column of prefixes was found among {0}: name one `prefix`, or say which it is with --column prefix=HEADING"
    )]
    NoPrefix(String),
    /// No column of prices.
    #[error(
        "no column of prices was found among {0}: name one `rate`, or say which it is with --column price=HEADING"
    )]
    NoPrice(String),
    /// Several columns could be the price.
    #[error(
        "{0} could each be the price: say which it is with --column price=HEADING, or by its number as in --column price=4"
    )]
    Rivals(String),
    /// A column that was asked for.
    #[error("there is no column {0}: the columns are {1}")]
    NoColumn(String, String),
    /// Too many prefixes.
    #[error("the file makes more than {0} prefixes: split it, or name shorter prefixes instead of ranges")]
    TooMany(usize),
    /// The shell said stop.
    #[error("the import was stopped")]
    Stopped,
}

/// A row, or a cell of it, that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// The line of the file, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// How to correct it.
    pub hint: &'static str,
}

/// What would change.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// What the file was taken for.
    pub dialect: Dialect,
    /// The currency of the prices.
    pub currency: Currency,
    /// Rows of the file with a rate in them, good or bad.
    pub rows: u64,
    /// Rates that they make: a row may name many prefixes.
    pub rates: usize,
    /// Prefixes that the old deck does not have.
    pub new: Listed<Line>,
    /// Prefixes that cost something else.
    pub changed: Listed<Change>,
    /// Prefixes of the old deck that are no more.
    pub removed: Listed<Line>,
    /// Prefixes that are not for sale: the gateway takes no call to them, whatever a shorter prefix costs.
    pub barred: Listed<Line>,
    /// Prefixes that stay as they are.
    pub same: usize,
    /// Numbers without a price.
    pub gaps: Listed<Gap>,
    /// The same prefix and date twice, with another price. The dearer one counts.
    pub overlaps: Listed<Overlap>,
    /// Rows that say the same again.
    pub repeated: usize,
    /// Prices that want a second look.
    pub absurd: Listed<Absurd>,
    /// Prices with more than six places, rounded up.
    pub rounded: u64,
    /// Rows that cannot be read.
    pub errors: Listed<RowError>,
}

/// What becomes of a file with bad rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// Nothing of it is imported.
    Refuse,
    /// The good rows are.
    Skip,
}

/// Why nothing was imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Bad rows.
    #[error(
        "{count} rows cannot be read, the first in line {line}, column {column}: {what} ({hint}); nothing was imported"
    )]
    Rows {
        /// How many.
        count: usize,
        /// The first: its line.
        line: u64,
        /// Its column.
        column: usize,
        /// What is wrong.
        what: String,
        /// How to correct it.
        hint: &'static str,
    },
    /// Not one good row.
    #[error("the file has no row with a prefix and a price; nothing was imported")]
    Nothing,
}

/// A file that was read; nothing has changed yet.
#[derive(Debug, Clone)]
pub struct Import {
    /// What would change.
    pub preview: Preview,
    deck: Deck,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            name: "deck".into(),
            currency: Currency::EUR,
            steps: Steps::SECOND,
            from: None,
            offset: 0,
            // Monday to Friday, 8 to 18.
            peak: Hours::new((0..5).map(|day| (day * 1440 + 480, day * 1440 + 1080))),
            separator: None,
            decimal: None,
            day_first: None,
            columns: None,
            picks: Vec::new(),
            listed: 1_000,
            most_in_cell: 10_000,
            most: 5_000_000,
        }
    }
}

impl Options {
    /// The usual ones for a deck of this name and currency.
    pub fn new(name: &str, currency: Currency) -> Options {
        Options { name: name.into(), currency, ..Options::default() }
    }
}

/// Reads a price list and compares it with the deck in use. `progress` learns now and then how many octets of how many
/// are read; it answers whether to go on.
///
/// # Errors
/// The file is empty, not text or too large, its columns cannot be told, or `progress` stopped it. Bad rows are not errors
/// here; see [`Import::accept`].
pub fn read(
    file: &[u8],
    options: &Options,
    old: Option<&Deck>,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Import, Unreadable> {
    let (text, encoding) = text::decode(file)?;
    let dialect = dialect::detect(&text, encoding, options)?;
    let mut builder = Builder::new(&options.name, dialect.currency.unwrap_or(options.currency));
    let found = rows::read(&text, &dialect, options, &mut builder, progress)?;
    let (deck, preview) = compare::preview(builder, dialect, found, old, options.listed);
    Ok(Import { preview, deck })
}

impl Import {
    /// The deck.
    ///
    /// # Errors
    /// [`Refused::Rows`] with the first bad row if they must not be skipped; [`Refused::Nothing`] if no price is left.
    pub fn accept(self, bad: Bad) -> Result<Deck, Refused> {
        if bad == Bad::Refuse
            && let Some(first) = self.preview.errors.some.first()
        {
            let RowError { line, column, what, hint } = first.clone();
            return Err(Refused::Rows { count: self.preview.errors.count, line, column, what, hint });
        }
        if self.deck.rates().all(|r| r.tariff().barred) { Err(Refused::Nothing) } else { Ok(self.deck) }
    }

    /// The deck as it would be, bad rows left out: to ask it for prices before it is taken.
    pub fn draft(&self) -> &Deck {
        &self.deck
    }
}

#[cfg(test)]
mod tests;
