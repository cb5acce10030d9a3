//! `NAME.test.toml`, read key by key: every wrong value and every unknown key is named with its line.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ringtrip_config::Region;
use ringtrip_dialplan::Plan;
use ringtrip_exchange::route::{WallTime, Wanted};
use ringtrip_model::party::Digits;
use toml::de::{DeTable, DeValue};

use super::stubs::TestEnvironment;
use super::{Expected, ScriptTest, ScriptTests};
use crate::script::error::{ScriptError, nearest};
use crate::script::verbs::millionths;

const TOP: [&str; 6] = ["region", "gateways", "plan", "area", "script", "test"];
const KEYS: [&str; 19] = [
    "name",
    "from",
    "dialled",
    "caller",
    "pin",
    "holiday",
    "at",
    "down",
    "prices",
    "expect",
    "refuse",
    "ask",
    "emergency",
    "number",
    "shows",
    "withheld",
    "record",
    "play",
    "delay",
];

/// A Wednesday at noon, for tests that name no time.
const USUAL: &str = "2026-01-07 12:00";

struct Reader<'t> {
    text: &'t str,
    errors: Vec<ScriptError>,
}

type Value<'v, 't> = &'v toml::Spanned<DeValue<'t>>;

pub(super) fn read(text: &str) -> Result<ScriptTests, Vec<ScriptError>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { text, errors: Vec::new() };
    for error in &errors {
        let hint = "write [[test]], and below it name = \"value\"";
        reader.wrong(error.span().map_or(0, |s| s.start), error.message().to_owned(), hint);
    }
    if !errors.is_empty() {
        return Err(reader.errors);
    }
    let table = document.get_ref();
    reader.known(table, &TOP);
    let mut environment = TestEnvironment::default();
    match reader.text(table, "region").as_deref() {
        None | Some("us") => {}
        Some("uk") => environment.region = Region::Uk,
        Some(other) => {
            reader.at(table, "region", format!("{other:?} is not known"), "it is \"us\" or \"uk\"")
        }
    }
    for name in reader.texts(table, "gateways") {
        match name.parse() {
            Ok(id) => environment.gateways.push(id),
            Err(e) => reader.at(table, "gateways", format!("{name:?}: {e}"), "such as [\"gw1\", \"gw2\"]"),
        }
    }
    if let Some(plan) = reader.text(table, "plan") {
        match Plan::parse(&plan) {
            Ok(plan) => environment.plan = Some(Arc::new(plan)),
            Err(e) => reader.at(table, "plan", e.what, &e.hint),
        }
    }
    environment.area = reader.text(table, "area");
    let script = reader.text(table, "script");
    let mut tests = Vec::new();
    match table.get("test").map(|t| t.get_ref()) {
        Some(DeValue::Array(items)) => {
            for item in items.iter() {
                match item.get_ref() {
                    DeValue::Table(test) => tests.extend(reader.test(test, item.span().start)),
                    _ => reader.wrong(item.span().start, "this is not a test".to_owned(), "write [[test]]"),
                }
            }
        }
        Some(_) => reader.at(table, "test", "tests are a list".to_owned(), "write [[test]], in two brackets"),
        None => reader.wrong(
            0,
            "there is no test".to_owned(),
            "write [[test]], and below it from, dialled and expect",
        ),
    }
    if reader.errors.is_empty() { Ok(ScriptTests { environment, script, tests }) } else { Err(reader.errors) }
}

impl Reader<'_> {
    fn test(&mut self, table: &DeTable<'_>, start: usize) -> Option<ScriptTest> {
        self.known(table, &KEYS);
        let mut needed = |key: &str| {
            let text = self.text(table, key);
            if text.is_none() && table.get(key).is_none() {
                self.wrong(
                    start,
                    format!("the test has no {key}"),
                    "a test says from, dialled, and what it expects",
                );
            }
            text
        };
        let (from, dialled) = (needed("from"), needed("dialled"));
        let written = self.text(table, "at").unwrap_or_else(|| USUAL.to_owned());
        let at = moment(&written);
        if at.is_none() {
            self.at(table, "at", format!("invalid time {written:?}"), "expected at = \"2026-05-04 10:30\"");
        }
        let mut prices = BTreeMap::new();
        match table.get("prices").map(|p| (p.get_ref(), p.span().start)) {
            Some((DeValue::Table(all), _)) => {
                for (gateway, price) in all {
                    match price.get_ref().as_str().and_then(millionths) {
                        Some(price) => {
                            prices.insert(gateway.get_ref().to_string(), price);
                        }
                        None => self.wrong(
                            price.span().start,
                            "invalid price".to_owned(),
                            "write it in quotes: prices = { gw1 = \"0.02\" }",
                        ),
                    }
                }
            }
            Some((_, at)) => {
                self.wrong(at, "prices is not a table".to_owned(), "write prices = { gw1 = \"0.02\" }");
            }
            None => {}
        }
        let expected = self.expected(table);
        if expected.is_empty() {
            let hint =
                "write expect = [\"gw1 40s\", \"gw0\"], refuse = \"why\", ask = \"pin\" or emergency = true";
            self.wrong(start, "the test expects nothing".to_owned(), hint);
        }
        let (from, dialled) = (from?, Digits::new(&dialled?));
        Some(ScriptTest {
            name: self.text(table, "name").unwrap_or_else(|| format!("{dialled} from {from}")),
            line: self.line(start).0,
            from,
            dialled,
            caller: self.text(table, "caller"),
            pin: self.text(table, "pin"),
            holiday: self.text(table, "holiday"),
            at: at?,
            down: self.texts(table, "down"),
            prices,
            expected,
        })
    }

    fn expected(&mut self, table: &DeTable<'_>) -> Vec<Expected> {
        let mut expected = Vec::new();
        if table.contains_key("expect") {
            expected.push(Expected::Stages(self.texts(table, "expect")));
        }
        expected.extend(self.text(table, "refuse").map(Expected::Refused));
        match self.text(table, "ask").as_deref() {
            None => {}
            Some("pin") => expected.push(Expected::Asked(Wanted::Pin)),
            Some("number") => expected.push(Expected::Asked(Wanted::Number)),
            Some(other) => {
                self.at(table, "ask", format!("{other:?} is not known"), "it is \"pin\" or \"number\"")
            }
        }
        expected.extend(self.flag(table, "emergency").map(Expected::Emergency));
        expected.extend(self.text(table, "number").map(Expected::Number));
        expected.extend(self.text(table, "shows").map(Expected::Shows));
        expected.extend(self.flag(table, "withheld").map(Expected::Withheld));
        expected.extend(self.flag(table, "record").map(Expected::Recorded));
        if table.contains_key("play") {
            expected.push(Expected::Played(self.texts(table, "play")));
        }
        if let Some(text) = self.text(table, "delay") {
            let time = text.strip_suffix('s').and_then(|n| Duration::try_from_secs_f64(n.parse().ok()?).ok());
            match time {
                Some(time) => expected.push(Expected::Delayed(time)),
                None => self.at(table, "delay", format!("invalid time {text:?}"), "expected delay = \"2s\""),
            }
        }
        expected
    }

    fn known(&mut self, table: &DeTable<'_>, keys: &[&str]) {
        for (key, _) in table {
            let name = key.get_ref().as_ref();
            if keys.contains(&name) {
                continue;
            }
            let hint = match nearest(name, keys.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("known here: {}", keys.join(", ")),
            };
            self.wrong(key.span().start, format!("unknown setting {name:?}"), &hint);
        }
    }

    fn text(&mut self, table: &DeTable<'_>, key: &str) -> Option<String> {
        let value: Value<'_, '_> = table.get(key)?;
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong(value.span().start, format!("{key} is not a string"), "write it in quotes");
        }
        text
    }

    /// A list of texts; one text is a list of one.
    fn texts(&mut self, table: &DeTable<'_>, key: &str) -> Vec<String> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let texts = match value.get_ref() {
            DeValue::String(one) => Some(vec![one.to_string()]),
            DeValue::Array(items) => items.iter().map(|i| i.get_ref().as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        texts.unwrap_or_else(|| {
            self.wrong(value.span().start, format!("{key} is not a list of strings"), "write [\"…\", \"…\"]");
            Vec::new()
        })
    }

    fn flag(&mut self, table: &DeTable<'_>, key: &str) -> Option<bool> {
        let value = table.get(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong(value.span().start, format!("{key} is not true or false"), "write it without quotes");
        }
        flag
    }

    fn at(&mut self, table: &DeTable<'_>, key: &str, what: String, hint: &str) {
        let offset = table.get(key).map_or(0, |value| value.span().start);
        self.wrong(offset, what, hint);
    }

    fn wrong(&mut self, offset: usize, what: String, hint: &str) {
        let (line, column) = self.line(offset);
        self.errors.push(ScriptError::new(line, column, what, hint));
    }

    fn line(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        (before.matches('\n').count() + 1, column)
    }
}

/// `2026-05-04 10:30`, with the day of the week that it is.
fn moment(text: &str) -> Option<WallTime> {
    let (date, time) = text.trim().split_once([' ', 'T'])?;
    let mut date = date.split('-');
    let (year, month, day): (i16, u8, u8) =
        (date.next()?.parse().ok()?, date.next()?.parse().ok()?, date.next()?.parse().ok()?);
    let (hour, minute) = time.split_once(':')?;
    let (hour, minute): (u8, u8) = (hour.parse().ok()?, minute.parse().ok()?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(usize::from(month.checked_sub(1)?))?;
    if !(1970..=2200).contains(&year)
        || !(1..=length).contains(&day)
        || hour > 23
        || minute > 59
        || date.next().is_some()
    {
        return None;
    }
    let leaps = |y: i64| y / 4 - y / 100 + y / 400;
    let before = i64::from(year) - 1;
    let years = i64::from(year) - 1970;
    let in_year: i64 = lengths[..usize::from(month) - 1].iter().map(|l| i64::from(*l)).sum();
    let days = years * 365 + leaps(before) - leaps(1969) + in_year + i64::from(day) - 1;
    // 1970 began with a Thursday.
    let weekday = u8::try_from((days + 3).rem_euclid(7) + 1).ok()?;
    let unix_micros = ((days * 24 + i64::from(hour)) * 60 + i64::from(minute)) * 60_000_000;
    Some(WallTime { unix_micros, year, month, day, hour, minute, weekday })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_knows_its_weekday() {
        for (text, weekday, micros) in [
            ("1970-01-01 00:00", 4, 0),
            ("2026-05-04 10:30", 1, 1_777_890_600_000_000),
            ("2024-02-29 23:59", 4, 1_709_251_140_000_000),
            ("2026-11-22 12:00", 7, 1_795_348_800_000_000),
        ] {
            let at = moment(text).unwrap();
            assert_eq!((at.weekday, at.unix_micros), (weekday, micros), "{text}");
        }
        for text in ["2026-02-29 10:00", "2026-13-01 10:00", "2026-05-04", "2026-05-04 24:00", "soon"] {
            assert!(moment(text).is_none(), "{text}");
        }
    }
}
