//! Typed reading of TOML tables that goes on after a mistake: every wrong value and every unknown key is noted with
//! its place, and the default stands in for it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;
use std::time::Duration;

use ringtrip_routing::script::nearest;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, FaultSeverity};

/// The document being read.
pub(super) struct Reader<'t> {
    text: &'t str,
    faults: RefCell<Vec<Fault>>,
    places: RefCell<BTreeMap<String, usize>>,
}

/// One table of it.
pub(super) struct Section<'r, 't> {
    reader: &'r Reader<'t>,
    table: &'r DeTable<'t>,
    path: String,
    asked: RefCell<Vec<&'static str>>,
}

type Value<'r, 't> = &'r Spanned<DeValue<'t>>;

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Reader<'t> {
        Reader { text, faults: RefCell::default(), places: RefCell::default() }
    }

    pub(super) fn syntax(&self, error: &toml::de::Error) {
        let at = error.span().map_or(0, |s| s.start);
        let hint = match error.message() {
            m if m.contains("duplicate key") => "remove one of the two",
            m if m.contains("quote") || m.contains("string") => "strings are quoted: name = \"Hall\"",
            m if m.contains("header") || m.contains(']') => "a section has the form [extension.101]",
            _ => "a setting has the form name = value; strings are quoted",
        };
        self.fault(FaultSeverity::Error, at, String::new(), error.message().to_owned(), hint.to_owned());
    }

    pub(super) fn root<'r>(&'r self, table: &'r DeTable<'t>) -> Section<'r, 't> {
        Section { reader: self, table, path: String::new(), asked: RefCell::default() }
    }

    /// Notes a fault at a path; if the very setting is not in the document, at the nearest section around it.
    pub(super) fn push(&self, severity: FaultSeverity, path: &str, what: String, hint: String) {
        let places = self.places.borrow();
        let mut at = path;
        let offset = loop {
            if let Some(offset) = places.get(at) {
                break *offset;
            }
            match at.rfind('.') {
                Some(dot) => at = &at[..dot],
                None => break 0,
            }
        };
        drop(places);
        self.fault(severity, offset, path.to_owned(), what, hint);
    }

    /// The same, without what was found before.
    pub(super) fn afresh(&self) {
        self.faults.borrow_mut().clear();
    }

    pub(super) fn has_errors(&self) -> bool {
        self.faults.borrow().iter().any(|f| f.severity == FaultSeverity::Error)
    }

    pub(super) fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|f| (f.line, f.column));
        faults
    }

    fn fault(&self, severity: FaultSeverity, offset: usize, path: String, what: String, hint: String) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        self.faults.borrow_mut().push(Fault { severity, line, column, path, what, hint });
    }
}

impl<'r, 't> Section<'r, 't> {
    /// The value of a key, if it is there; the key counts as known from now on.
    pub(super) fn value(&self, key: &'static str) -> Option<Value<'r, 't>> {
        self.asked.borrow_mut().push(key);
        let value = self.table.get(key)?;
        self.reader.places.borrow_mut().insert(self.path_of(key), value.span().start);
        Some(value)
    }

    /// Is the key there?
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    /// A setting of earlier versions that did nothing: it is an error, and no hint names it.
    pub(super) fn gone(&self, key: &'static str, why: &str) {
        if self.table.contains_key(key) && self.has(key) {
            self.error(key, why.to_owned(), "remove this setting");
        }
    }

    /// A text.
    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            other => {
                let hint = match other {
                    DeValue::Integer(n) => format!("write it in quotes: {key} = \"{n}\""),
                    _ => format!("write {key} = \"…\""),
                };
                self.wrong(key, value.span(), format!("{} is not a string", kind(other)), hint);
                None
            }
        }
    }

    /// A table that is passed on as JSON to somebody who knows what it means.
    pub(super) fn json(&self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        match value.get_ref() {
            table @ DeValue::Table(_) => Some(json(table).to_string()),
            other => {
                let what = format!("{} is not a table", kind(other));
                self.wrong(key, value.span(), what, format!("write {key} = {{ name = value }}"));
                None
            }
        }
    }

    /// A text with a meaning of its own.
    pub(super) fn parsed<T: FromStr>(&self, key: &'static str, hint: &str) -> Option<T>
    where
        T::Err: Display,
    {
        let text = self.text(key)?;
        text.parse().map_err(|why: T::Err| self.error(key, why.to_string(), hint)).ok()
    }

    /// One word of a fixed list.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&text)).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.error(
                key,
                format!("\"{text}\" is not known"),
                &format!("it is one of {}", known.join(", ")),
            );
        }
        found
    }

    /// Yes or no, into `to`.
    pub(super) fn flag(&self, key: &'static str, to: &mut bool) {
        let Some(value) = self.value(key) else { return };
        match value.get_ref().as_bool() {
            Some(flag) => *to = flag,
            None => {
                let what = format!("{} is not true or false", kind(value.get_ref()));
                self.wrong(
                    key,
                    value.span(),
                    what,
                    format!("write {key} = true or {key} = false, without quotes"),
                );
            }
        }
    }

    /// A whole number, into `to`.
    pub(super) fn number<T: Copy + TryFrom<u64> + Into<u64>>(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
        to: &mut T,
    ) {
        let Some(value) = self.value(key) else { return };
        let hint = format!("a whole number from {} to {}", range.start(), range.end());
        let DeValue::Integer(n) = value.get_ref() else {
            return self.wrong(key, value.span(), format!("{} is not a number", kind(value.get_ref())), hint);
        };
        let read = u64::from_str_radix(n.as_str(), n.radix()).ok().filter(|n| range.contains(n));
        match read.and_then(|n| T::try_from(n).ok()) {
            Some(n) => *to = n,
            None => self.wrong(key, value.span(), format!("{n} is out of range"), hint),
        }
    }

    /// A gain of −15 to 12 dB, whole or with a point, into `to`.
    pub(super) fn decibels(&self, key: &'static str, to: &mut f32) {
        let Some(value) = self.value(key) else { return };
        let hint = "a gain in dB from -15 to 12, such as -3 or 1.5".to_owned();
        let read = match value.get_ref() {
            DeValue::Integer(n) if n.radix() == 10 => n.as_str().parse::<f32>().ok(),
            DeValue::Float(n) => n.as_str().parse::<f32>().ok(),
            other => {
                return self.wrong(key, value.span(), format!("{} is not a number", kind(other)), hint);
            }
        };
        match read.filter(|db| (-15.0..=12.0).contains(db)) {
            Some(db) => *to = db,
            None => self.wrong(key, value.span(), "the gain is out of range".to_owned(), hint),
        }
    }

    /// A time such as `"250ms"` or `"1h30m"`, into `to`.
    pub(super) fn time(&self, key: &'static str, to: &mut Duration) {
        let mut read = Some(*to);
        self.maybe_time(key, &mut read);
        match read {
            Some(time) => *to = time,
            None => self.error(key, "this cannot be off".to_owned(), "write a time, such as \"10s\""),
        }
    }

    /// A time or `"off"`, into `to`.
    pub(super) fn maybe_time(&self, key: &'static str, to: &mut Option<Duration>) {
        let Some(value) = self.value(key) else { return };
        let hint = "expected a time with a unit, such as \"10s\", \"250ms\", \"5m\" or \"1h30m\"";
        match value.get_ref() {
            DeValue::String(text) if text == "off" => *to = None,
            DeValue::String(text) => match duration(text) {
                Some(time) => *to = Some(time),
                None => self.wrong(key, value.span(), format!("invalid time \"{text}\""), hint.to_owned()),
            },
            DeValue::Integer(n) => {
                let what = format!("{n} has no unit");
                self.wrong(key, value.span(), what, format!("seconds? then write {key} = \"{n}s\""));
            }
            other => self.wrong(key, value.span(), format!("{} is not a time", kind(other)), hint.to_owned()),
        }
    }

    /// Refuses a time that was read but makes no sense where it stands.
    pub(super) fn within(&self, key: &'static str, least: Duration, most: Duration, time: Duration) {
        if time < least || time > most {
            let what = format!("{time:?} is out of range");
            self.error(key, what, &format!("from {least:?} to {most:?}"));
        }
    }

    /// The same for one that may be off.
    pub(super) fn maybe_within(
        &self,
        key: &'static str,
        least: Duration,
        most: Duration,
        time: Option<Duration>,
    ) {
        if let Some(time) = time {
            self.within(key, least, most, time);
        }
    }

    /// A list of texts (a single text counts as a list of one), each read by `read`.
    pub(super) fn list<T>(
        &self,
        key: &'static str,
        hint: &str,
        mut read: impl FnMut(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let value = self.value(key)?;
        let one = std::slice::from_ref(value);
        let items = match value.get_ref() {
            DeValue::Array(items) => &items[..],
            _ => one,
        };
        let mut list = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::String(text) => match read(text) {
                    Ok(value) => list.push(value),
                    Err(what) => self.wrong(key, item.span(), what, hint.to_owned()),
                },
                other => {
                    self.wrong(key, item.span(), format!("{} is not a string", kind(other)), hint.to_owned())
                }
            }
        }
        Some(list)
    }

    /// A table in this one.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'r, 't>> {
        let value = self.value(key)?;
        self.table_of(key, self.path_of(key), value)
    }

    /// All tables of a table of tables, in the order of the document: `[extension.101]`, `[extension.102]`.
    pub(super) fn sections(&self, key: &'static str) -> Vec<(String, Section<'r, 't>)> {
        let Some(section) = self.section(key) else { return Vec::new() };
        let mut found = Vec::new();
        for (name, value) in section.in_order() {
            let path = section.path_of(&name);
            section.reader.places.borrow_mut().insert(path.clone(), key_start(section.table, &name, value));
            if let Some(inner) = section.table_of(key, path, value) {
                found.push((name, inner));
            }
        }
        found
    }

    /// All tables of a list, in the order of the document: `[[bundle]]`. Their paths count from 1.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Section<'r, 't>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            let path = self.path_of(key);
            let what = format!("expected a list of sections, found {}", kind(value.get_ref()));
            self.wrong(key, value.span(), what, format!("write [[{path}]] and its settings below"));
            return Vec::new();
        };
        let all = items.iter().enumerate().filter_map(|(i, item)| {
            let path = format!("{}.{}", self.path_of(key), i + 1);
            self.reader.places.borrow_mut().insert(path.clone(), item.span().start);
            self.table_of(key, path, item)
        });
        all.collect()
    }

    /// All texts of a table, in the order of the document, whatever their keys.
    pub(super) fn texts(&self, key: &'static str) -> Vec<(String, String)> {
        let Some(section) = self.section(key) else { return Vec::new() };
        let mut found = Vec::new();
        for (name, value) in section.in_order() {
            let path = section.path_of(&name);
            self.reader.places.borrow_mut().insert(path.clone(), value.span().start);
            match value.get_ref() {
                DeValue::String(text) => found.push((name, text.to_string())),
                other => {
                    let what = format!("{} is not a string", kind(other));
                    self.reader.push(FaultSeverity::Error, &path, what, "write it in quotes".to_owned());
                }
            }
        }
        found
    }

    /// Keys and values in the order of the document.
    pub(super) fn in_order(&self) -> Vec<(String, Value<'r, 't>)> {
        let mut entries: Vec<_> = self.table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries.into_iter().map(|(key, value)| (key.get_ref().to_string(), value)).collect()
    }

    /// Notes an error at a key.
    pub(super) fn error(&self, key: &str, what: String, hint: &str) {
        self.reader.push(FaultSeverity::Error, &self.path_of(key), what, hint.to_owned());
    }

    /// Notes a warning at a key.
    pub(super) fn warning(&self, key: &str, what: String, hint: &str) {
        self.reader.push(FaultSeverity::Warning, &self.path_of(key), what, hint.to_owned());
    }

    /// A place inside a text value: `at` counts characters from 1. For dial plans.
    pub(super) fn error_within(&self, key: &str, at: usize, what: String, hint: &str) {
        let path = self.path_of(key);
        let start = self.reader.places.borrow().get(&path).copied().unwrap_or(0);
        let quoted = self.reader.text.get(start..).unwrap_or("");
        // Right for basic strings without escapes, and near enough for others.
        let skip = if quoted.starts_with("\"\"\"") || quoted.starts_with("'''") { 3 } else { 1 };
        let inside: usize = quoted.chars().skip(skip).take(at.saturating_sub(1)).map(char::len_utf8).sum();
        self.reader.fault(FaultSeverity::Error, start + skip + inside, path, what, hint.to_owned());
    }

    /// Says that all keys have been asked for: what is left is unknown.
    pub(super) fn done(self) {
        let asked = self.asked.borrow();
        for (key, value) in self.table {
            let name = key.get_ref().as_ref();
            if asked.contains(&name) {
                continue;
            }
            let hint = match nearest(name, asked.iter().copied()) {
                Some(known) => format!("did you mean {known:?}?"),
                None => format!("known here: {}", sorted(&asked).join(", ")),
            };
            let what = if value.get_ref().is_table() { "unknown section" } else { "unknown setting" };
            let path = self.path_of(name);
            self.reader.fault(FaultSeverity::Error, key.span().start, path, format!("{what} {name:?}"), hint);
        }
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn table_of(&self, key: &str, path: String, value: Value<'r, 't>) -> Option<Section<'r, 't>> {
        match value.get_ref() {
            DeValue::Table(table) => {
                Some(Section { reader: self.reader, table, path, asked: RefCell::default() })
            }
            other => {
                let what = format!("expected a section, found {}", kind(other));
                self.reader.push(
                    FaultSeverity::Error,
                    &path,
                    what,
                    format!("write [{path}] and its settings below"),
                );
                let _ = key;
                None
            }
        }
    }

    fn wrong(&self, key: &str, span: Range<usize>, what: String, hint: String) {
        self.reader.fault(FaultSeverity::Error, span.start, self.path_of(key), what, hint);
    }
}

/// `"250ms"`, `"10s"`, `"1h30m"`, `"2d"`, `"1.5s"`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, tail) = rest.split_at(end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == ' ').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        let amount: f64 = number.parse().ok()?;
        total =
            total.checked_add(Duration::try_from_secs_f64((amount * seconds * 1e6).round() / 1e6).ok()?)?;
        rest = tail.trim_start();
    }
    Some(total)
}

fn key_start(table: &DeTable<'_>, name: &str, value: Value<'_, '_>) -> usize {
    table.get_key_value(name).map_or(value.span().start, |(key, _)| key.span().start)
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

fn sorted(keys: &[&'static str]) -> Vec<&'static str> {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// A TOML value as JSON; dates become texts.
fn json(value: &DeValue<'_>) -> serde_json::Value {
    use serde_json::Value;
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Integer(n) => {
            i64::from_str_radix(n.as_str(), n.radix()).map_or_else(|_| Value::from(n.as_str()), Value::from)
        }
        DeValue::Float(n) => n.as_str().parse::<f64>().map_or_else(|_| Value::from(n.as_str()), Value::from),
        DeValue::Datetime(at) => Value::from(at.to_string()),
        DeValue::Array(all) => all.iter().map(|one| json(one.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(name, one)| (name.get_ref().to_string(), json(one.get_ref()))).collect()
        }
    }
}
