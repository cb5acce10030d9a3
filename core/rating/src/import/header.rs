//! What a column is, by the words that providers head it with.

mod heading;

use heading::Heading;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    /// The prefix, or what follows the country code; several and ranges are understood.
    Prefix,
    /// A prefix of North America as carriers there write it: area code and exchange (NPANXX), without the country code 1.
    NorthAmerica,
    /// The North American area code (NPA), where it stands by itself.
    AreaCode,
    /// The country code, where it stands by itself.
    CountryCode,
    /// The country's name.
    Country,
    /// The destination's name.
    Destination,
    /// The price in these hours. Several of the same hours are for different origins (inter- and intrastate): the dearest
    /// counts.
    Price(When, Scale),
    /// The price until the row's date: the current one beside a new one.
    Before(Scale),
    /// What answering costs.
    Connection(Scale),
    /// At least so much is billed: whole numbers are seconds, others money.
    Minimum,
    /// At least so much money.
    MinimumCharge(Scale),
    /// At least so many seconds.
    MinimumSeconds,
    /// Billing steps, `60/1`.
    Steps,
    /// The first billing step.
    First,
    /// The next ones.
    Next,
    /// Holds from this day.
    From,
    /// Holds until this day.
    Until,
    /// The currency.
    Currency,
    /// The hours of the week in which it holds.
    Hours,
    /// Whether the row is for sale.
    Sale(Flag),
    /// Nothing of interest.
    Ignored,
}

/// How a column says whether a row is for sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flag {
    /// `yes` means for sale: *Enabled*, *Active*.
    Sold,
    /// `yes` means not for sale: *Forbidden*, *Discontinued*, *Reject calls*.
    Barred,
    /// Heading for it: *Status*. Heading that say nothing of it are passed over.
    Said,
}

/// When a price holds, as the header says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum When {
    /// Always.
    Always,
    /// In the hours of [`super::Options::peak`].
    Peak,
    /// In all others.
    OffPeak,
    /// On Saturday and Sunday.
    Weekend,
}

/// In which unit a price is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scale {
    /// Units of the currency, a minute.
    Unit,
    /// Hundredths: cents, pence.
    Hundredth,
    /// Units, a second.
    Second,
}

/// The header of our own exports. A file that begins with it is read without guessing.
pub(crate) const CANONICAL: &str = "prefix,destination,per_minute,connection,minimum_charge,minimum_seconds,increment,valid_from,valid_until,hours,currency";

impl Column {
    /// A column by the name that an operator gives it, as in `price=New Rate`.
    pub fn named(name: &str) -> Option<Column> {
        let name: String = name.trim().to_lowercase().replace(['_', ' '], "-");
        Some(match name.as_str() {
            "prefix" => Column::Prefix,
            "npanxx" => Column::NorthAmerica,
            "npa" => Column::AreaCode,
            "country-code" => Column::CountryCode,
            "country" => Column::Country,
            "destination" => Column::Destination,
            "price" | "rate" => Column::Price(When::Always, Scale::Unit),
            "price-cents" => Column::Price(When::Always, Scale::Hundredth),
            "price-second" => Column::Price(When::Always, Scale::Second),
            "peak" => Column::Price(When::Peak, Scale::Unit),
            "off-peak" => Column::Price(When::OffPeak, Scale::Unit),
            "weekend" => Column::Price(When::Weekend, Scale::Unit),
            "connection" => Column::Connection(Scale::Unit),
            "minimum-charge" => Column::MinimumCharge(Scale::Unit),
            "minimum-seconds" => Column::MinimumSeconds,
            "increment" => Column::Steps,
            "first" => Column::First,
            "next" => Column::Next,
            "from" => Column::From,
            "until" => Column::Until,
            "currency" => Column::Currency,
            "hours" => Column::Hours,
            "enabled" => Column::Sale(Flag::Sold),
            "barred" => Column::Sale(Flag::Barred),
            "ignore" => Column::Ignored,
            _ => return None,
        })
    }

    /// The names that [`named`](Self::named) knows.
    pub const NAMES: &str = "prefix, npanxx, npa, country-code, country, destination, price, price-cents, price-second, peak, \
        off-peak, weekend, connection, minimum-charge, minimum-seconds, increment, first, next, from, until, currency, \
        hours, enabled, barred, ignore";

    /// Two columns of the same kind cannot both count.
    fn kind(self) -> Column {
        match self {
            Column::Price(when, _) => Column::Price(when, Scale::Unit),
            Column::Before(_) => Column::Before(Scale::Unit),
            Column::Connection(_) => Column::Connection(Scale::Unit),
            Column::MinimumCharge(_) => Column::MinimumCharge(Scale::Unit),
            other => other,
        }
    }
}

/// What a heading says; `None`: nothing that is known here, so what stands below it may be guessed.
#[cfg(test)]
pub(super) fn column(header: &str) -> Option<Column> {
    Heading::of(header).column()
}

/// What the headings of a row say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// A column for each cell; `None`: a heading that is not known.
    pub columns: Vec<Option<Column>>,
    /// Headings that could each be the price.
    pub rivals: Vec<String>,
}

/// What the cells of a header row say. A column that was found is not found again further right. Of several prices the
/// one whose words are the clearest counts; where two are equally clear, they are rivals and nobody is chosen.
pub(super) fn header<'a>(cells: impl Iterator<Item = &'a str>) -> Header {
    let headings: Vec<Heading> = cells.map(Heading::of).collect();
    let mut columns: Vec<Option<Column>> = Vec::with_capacity(headings.len());
    for cell in &headings {
        let column = cell.column();
        let again = column.is_some_and(|c| {
            !matches!(c, Column::Price(..) | Column::Sale(_) | Column::Ignored)
                && columns.iter().flatten().any(|f| f.kind() == c.kind())
        });
        columns.push(if again { Some(Column::Ignored) } else { column });
    }
    let mut header = Header { columns, rivals: Vec::new() };
    for when in [When::Always, When::Peak, When::OffPeak, When::Weekend] {
        header.choose_price(when, &headings);
    }
    header.choose_prefix(&headings);
    header
}

impl Header {
    fn place(&self, is: impl Fn(&Column) -> bool) -> Option<usize> {
        self.columns.iter().position(|c| c.as_ref().is_some_and(&is))
    }

    /// One price for each kind of hours.
    fn choose_price(&mut self, when: When, headings: &[Heading]) {
        let priced: Vec<usize> = (0..self.columns.len())
            .filter(|i| matches!(self.columns[*i], Some(Column::Price(w, _)) if w == when))
            .collect();
        let best = priced.iter().map(|i| headings[*i].clarity()).max();
        let (clear, vague): (Vec<usize>, Vec<usize>) =
            priced.into_iter().partition(|i| Some(headings[*i].clarity()) == best);
        for i in vague {
            // `Current rate` beside `New rate` holds until the row's date.
            self.columns[i] = Some(match self.columns[i] {
                Some(Column::Price(When::Always, scale))
                    if headings[i].is_current()
                        && self.place(|c| matches!(c, Column::Before(_))).is_none() =>
                {
                    Column::Before(scale)
                }
                _ => Column::Ignored,
            });
        }
        let by_origin = clear.iter().all(|i| headings[*i].has_origin());
        if clear.len() > 1 && !by_origin {
            self.rivals.extend(clear.iter().map(|i| headings[*i].text.clone()));
        }
    }

    /// A country code or area code without other codes beside it is the prefix.
    fn choose_prefix(&mut self, headings: &[Heading]) {
        let prefix = self.place(|c| *c == Column::Prefix);
        match (self.place(|c| *c == Column::NorthAmerica), self.place(|c| *c == Column::AreaCode), prefix) {
            // NPANXX beside a column of whole prefixes says the same again.
            (Some(short), _, Some(_)) => self.columns[short] = Some(Column::Ignored),
            (None, Some(area), None) => self.columns[area] = Some(Column::NorthAmerica),
            // The exchange (NXX) goes on from the area code; a whole prefix has it in it.
            (None, Some(area), Some(prefix)) if !headings[prefix].is_exchange() => {
                self.columns[area] = Some(Column::Ignored);
            }
            _ => {}
        }
        if self.place(is_prefix).is_none()
            && let Some(code) = self.place(|c| *c == Column::CountryCode)
        {
            self.columns[code] = Some(Column::Prefix);
        }
    }
}

/// Does a column hold prefixes?
pub(super) fn is_prefix(column: &Column) -> bool {
    matches!(column, Column::Prefix | Column::NorthAmerica)
}

/// Do these columns make a price list?
pub(super) fn is_enough(columns: &[Column]) -> bool {
    columns.iter().any(is_prefix) && columns.iter().any(|c| matches!(c, Column::Price(..)))
}
