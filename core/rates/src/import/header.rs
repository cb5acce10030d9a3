//! What a column is, by the words that providers head it with.

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    /// The prefix, or what follows the country code; several and ranges are understood.
    Prefix,
    /// The country code, where it stands by itself.
    CountryCode,
    /// The country's name.
    Country,
    /// The destination's name.
    Destination,
    /// The price in these hours.
    Price(When, Scale),
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
    /// Nothing of interest.
    Ignored,
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

/// What a header's word says; `None` if nothing that matters.
pub(super) fn column(header: &str) -> Option<Column> {
    let text: String = header
        .trim()
        .chars()
        .map(|c| if c.is_alphanumeric() { c.to_lowercase().next().unwrap_or(c) } else { ' ' })
        .collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    let joined = words.concat();
    let has = |w: &str| words.contains(&w);
    let any = |list: &[&str]| list.iter().any(|w| has(w));
    let part = |list: &[&str]| list.iter().any(|w| joined.contains(w));
    if joined.is_empty()
        || joined.chars().count() > 60
        || any(&["old", "previous", "prev", "change", "status", "iso"])
    {
        return None;
    }
    let scale = if any(&["cent", "cents", "ct", "cts", "pence", "ppm", "p", "cpm"]) {
        Scale::Hundredth
    } else if part(&["persec", "ratesec", "pricesec"]) {
        Scale::Second
    } else {
        Scale::Unit
    };
    let price =
        any(&["rate", "price", "cost", "tariff", "charge", "ppm", "cpm", "preis", "prix", "tarif", "precio"])
            || any(&["tarifa", "prezzo", "prijs", "cena", "pris", "amount", "minutenpreis"])
            || part(&["permin", "pricemin", "ratemin"]);
    let when = if part(&["offpeak", "evening", "nebenzeit", "economy"]) || has("night") {
        When::OffPeak
    } else if part(&["weekend", "wochenende"]) {
        When::Weekend
    } else if part(&["peak", "daytime", "hauptzeit"]) || has("day") && price {
        When::Peak
    } else {
        When::Always
    };
    Some(match () {
        () if part(&[
            "validuntil",
            "validto",
            "effectiveto",
            "effectiveuntil",
            "effectivetill",
            "enddate",
            "expir",
        ]) || any(&["until", "expires", "expiry", "end", "bis"]) =>
        {
            Column::Until
        }
        () if part(&[
            "effective",
            "validfrom",
            "startdate",
            "activation",
            "gueltigab",
            "gültigab",
            "inkraft",
        ]) || any(&["date", "from", "datum", "fecha", "start", "begin", "ab"]) =>
        {
            Column::From
        }
        () if part(&["currency", "waehrung", "währung", "devise", "moneda", "valuta"])
            || any(&["ccy", "cur"]) =>
        {
            Column::Currency
        }
        () if part(&["increment", "interval", "pulse", "billing", "takt", "rounding", "granularity"])
            || has("step") =>
        {
            match () {
                () if any(&["first", "initial", "minimum", "min"]) => Column::First,
                () if any(&["next", "subsequent", "second", "additional", "n", "following"])
                    || joined.ends_with("n") && part(&["intervaln"]) =>
                {
                    Column::Next
                }
                () if joined.ends_with('1') => Column::First,
                () if joined.ends_with('2') => Column::Next,
                () => Column::Steps,
            }
        }
        // `First` beside `Next`, as many switches export them.
        () if is_step(&words, &["first", "initial"]) => Column::First,
        () if is_step(&words, &["next", "subsequent", "following", "additional"]) => Column::Next,
        () if part(&[
            "connect",
            "setup",
            "callfee",
            "flagfall",
            "accessfee",
            "verbindungsentgelt",
            "callcharge",
            "startcharge",
        ]) =>
        {
            Column::Connection(if scale == Scale::Second { Scale::Unit } else { scale })
        }
        () if (has("minimum") || has("mindest") || has("min") && words.first() == Some(&"min"))
            && !part(&["permin"]) =>
        {
            match () {
                () if part(&["sec", "duration", "time", "length", "dauer"]) => Column::MinimumSeconds,
                () if price || any(&["fee"]) => Column::MinimumCharge(scale),
                () => Column::Minimum,
            }
        }
        () if part(&["timeclass", "timeofday", "timeband", "timeperiod"]) || any(&["hours", "zeiten"]) => {
            Column::Hours
        }
        () if any(&["id", "type", "plan", "list", "class", "level", "margin"]) => return None,
        () if part(&["countrycode", "landesvorwahl", "countryprefix", "countrydial"]) || joined == "cc" => {
            Column::CountryCode
        }
        () if part(&[
            "prefix",
            "dialcode",
            "dialingcode",
            "diallingcode",
            "dialedcode",
            "areacode",
            "citycode",
            "breakout",
        ]) || part(&[
            "vorwahl",
            "rufnummer",
            "indicatif",
            "prefijo",
            "prefisso",
            "numberrange",
            "dialstring",
            "dialpattern",
        ]) || any(&[
            "code",
            "codes",
            "dial",
            "pattern",
            "digits",
            "npanxx",
            "lata",
            "kennzahl",
            "netnummer",
        ]) && !price =>
        {
            Column::Prefix
        }
        () if any(&["country", "land", "pays", "pais", "país", "paese", "staat"]) => Column::Country,
        () if any(&[
            "name",
            "description",
            "destination",
            "desc",
            "zone",
            "region",
            "operator",
            "network",
            "route",
            "area",
        ]) || part(&[
            "destination",
            "description",
            "bezeichnung",
            "libelle",
            "libellé",
            "location",
            "carrier",
            "ziel",
            "destino",
        ]) =>
        {
            Column::Destination
        }
        () if price || when != When::Always || any(&["minute", "min", "pm"]) => Column::Price(when, scale),
        () => return None,
    })
}

/// One of these words, and beside it nothing but a unit.
fn is_step(words: &[&str], names: &[&str]) -> bool {
    let unit = |w: &&str| matches!(*w, "s" | "sec" | "secs" | "seconds" | "period" | "block" | "unit");
    words.split_first().is_some_and(|(first, rest)| names.contains(first) && rest.iter().all(unit))
}

/// What the cells of a header row say. A column that was found is not found again further right; a price without words
/// for its hours beats none.
pub(super) fn columns<'a>(cells: impl Iterator<Item = &'a str>) -> Vec<Column> {
    let mut found: Vec<Column> = Vec::new();
    for cell in cells {
        let column = column(cell).unwrap_or(Column::Ignored);
        let kind = |c: &Column| match c {
            Column::Price(when, _) => Column::Price(*when, Scale::Unit),
            Column::Connection(_) => Column::Connection(Scale::Unit),
            Column::MinimumCharge(_) => Column::MinimumCharge(Scale::Unit),
            other => *other,
        };
        let known = found.iter().any(|f| kind(f) == kind(&column));
        found.push(if known { Column::Ignored } else { column });
    }
    // A country code without other codes beside it is the prefix.
    if !found.contains(&Column::Prefix)
        && let Some(code) = found.iter_mut().find(|c| **c == Column::CountryCode)
    {
        *code = Column::Prefix;
    }
    found
}

/// Do these columns make a price list?
pub(super) fn is_enough(columns: &[Column]) -> bool {
    columns.contains(&Column::Prefix) && has_price(columns)
}

pub(super) fn has_price(columns: &[Column]) -> bool {
    columns.iter().any(|c| matches!(c, Column::Price(..)))
}
