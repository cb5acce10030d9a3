//! A deck as our own table: every rate with all it has, sorted. [`crate::import::read`] reads it back without guessing and
//! makes the same deck of it.

use std::fmt::{self, Write};

use crate::deck::Deck;
use crate::import::CANONICAL;
use crate::time::{At, Date};

/// Writes the deck.
///
/// # Errors
/// Only those of `out`; a `String` has none.
pub fn write(deck: &Deck, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "{CANONICAL}")?;
    let currency = deck.currency();
    for rate in deck.rates() {
        let tariff = rate.tariff();
        write!(out, "{},", rate.prefix)?;
        cell(rate.destination(), out)?;
        if tariff.barred {
            out.write_str(",blocked,,,,,")?;
        } else {
            write!(
                out,
                ",{},{},{},{},{},",
                tariff.per_minute, tariff.connection, tariff.minimum, tariff.minimum_seconds, tariff.steps,
            )?;
        }
        moment(rate.validity().from, out)?;
        out.write_char(',')?;
        moment(rate.validity().until, out)?;
        out.write_char(',')?;
        if let Some(hours) = rate.hours() {
            cell(&hours.to_string(), out)?;
        }
        writeln!(out, ",{currency}")?;
    }
    Ok(())
}

/// The deck as text.
pub fn to_string(deck: &Deck) -> String {
    let mut out = String::with_capacity(deck.len() * 80 + 200);
    // Writing to a string never fails.
    let _ = write(deck, &mut out);
    out
}

fn cell(text: &str, out: &mut dyn Write) -> fmt::Result {
    if text.contains([',', '"', '\n', '\r']) {
        write!(out, "\"{}\"", text.replace('"', "\"\""))
    } else {
        out.write_str(text)
    }
}

fn moment(unix: Option<i64>, out: &mut dyn Write) -> fmt::Result {
    let Some(unix) = unix else { return Ok(()) };
    let second = unix.rem_euclid(86_400);
    let date: Date = At::utc(unix).date();
    write!(out, "{date}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}
