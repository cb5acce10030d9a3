//! The price list of a card, as a person copies it: `44 = 0.012 + 0.05 United Kingdom`.

use ringtrip_plugin::{Money, Price};

/// The prices, and the entries that are none.
pub fn read(text: &str, currency: &str) -> (Vec<Price>, Vec<String>) {
    let mut prices = Vec::new();
    let mut wrong = Vec::new();
    for entry in text.split([';', '\n']).map(str::trim).filter(|e| !e.is_empty()) {
        match price(entry, currency) {
            Some(price) => prices.push(price),
            None => wrong.push(entry.to_owned()),
        }
    }
    (prices, wrong)
}

fn price(entry: &str, currency: &str) -> Option<Price> {
    let (prefix, rest) = entry.split_once('=')?;
    let prefix = prefix.trim().trim_start_matches('+');
    if !(1..=15).contains(&prefix.len()) || !prefix.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (minute, rest) = amount(rest);
    let (connection, name) = match rest.strip_prefix('+') {
        Some(rest) => amount(rest),
        None => ("0", rest),
    };
    let money = |text: &str| Money::of(text, currency).filter(|m| m.micros >= 0);
    Some(Price {
        prefix: prefix.to_owned(),
        destination: name.to_owned(),
        per_minute: money(minute)?,
        connection: money(connection)?,
    })
}

/// An amount and what follows it.
fn amount(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find(|c: char| c.is_whitespace() || c == '+').unwrap_or(text.len());
    let (amount, rest) = text.split_at(end);
    (amount, rest.trim_start())
}
