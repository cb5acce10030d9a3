//! What routes and scripts know: `[scripts]`, `[pin.…]`, `[holidays]`, `[numbering]`, `time_zone`.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use ringtrip_config::{Config, Holiday, Holidays, Numbering, Password, Pin};

use super::parts::secret;
use super::read::Section;
use super::{Names, ics};

/// Days that come again are written out from this year to that.
pub(super) const YEARS: std::ops::RangeInclusive<i16> = 2000..=2099;

pub(super) fn routing(root: &Section<'_, '_>, config: &mut Config, names: &Names) {
    config.scripts = scripts(root, names);
    config.script =
        root.text("script").filter(|s| !s.is_empty()).map(|word| match names.scripts.get(&word) {
            Some(name) => path(name),
            None => word,
        });
    config.pins = pins(root, names);
    config.numbering = numbering(root, Numbering::of(config.region));
    config.holidays = holidays(root);
    config.time_zone = root.text("time_zone").filter(|zone| match TimeZone::get(zone) {
        Ok(_) => true,
        Err(_) => {
            let hint =
                "expected \"Europe/London\" or \"America/New_York\"; leave it out for the machine's own";
            root.error("time_zone", format!("unknown time zone {zone:?}"), hint);
            false
        }
    });
}

/// The script that a setting names: a name of `[scripts]`, or a file.
pub(super) fn script(s: &Section<'_, '_>, key: &'static str, names: &Names) -> Option<String> {
    let word = s.text(key)?;
    if let Some(file) = names.scripts.get(&word) {
        return Some(path(file));
    }
    if word.ends_with(".rhai") && plain(&word) {
        return Some(path(&word));
    }
    let known: Vec<&str> = names.scripts.keys().map(String::as_str).collect();
    let hint = match known.as_slice() {
        [] => format!(
            "write [scripts] and {word} = \"{word}.rhai\" below it, or name a file that ends in .rhai"
        ),
        known => format!("[scripts] names: {}; or name a file that ends in .rhai", known.join(", ")),
    };
    s.error(key, format!("there is no script {word:?}"), &hint);
    None
}

fn scripts(root: &Section<'_, '_>, _: &Names) -> BTreeMap<String, String> {
    let texts = root.texts("scripts");
    let Some(section) = root.section("scripts") else { return BTreeMap::new() };
    let mut scripts = BTreeMap::new();
    for (name, file) in texts {
        if !file.ends_with(".rhai") || !plain(&file) {
            let hint = "expected the name of a file in the scripts folder, such as \"night.rhai\"";
            section.error(&name, format!("invalid script file {file:?}"), hint);
            continue;
        }
        scripts.insert(name, path(&file));
    }
    scripts
}

/// A script's path from the data folder: what has no folder lies in `scripts`.
fn path(file: &str) -> String {
    if file.contains('/') { file.to_owned() } else { format!("scripts/{file}") }
}

/// A path that stays in the folder it begins in.
fn plain(file: &str) -> bool {
    !file.starts_with('/')
        && !file.contains('\\')
        && file.split('/').all(|part| !part.is_empty() && part != "..")
}

fn pins(root: &Section<'_, '_>, names: &Names) -> Vec<Pin> {
    let mut pins = Vec::new();
    for (name, s) in root.sections("pin") {
        let code = secret(&s, "code");
        if !s.has("code") {
            s.error("code", "a PIN needs a code".to_owned(), "write code = \"…\", 4 to 16 digits");
        }
        let plan = s.text("plan");
        let script = script(&s, "script", names);
        s.done();
        if let Some(code) = code {
            pins.push(Pin { name, code: Password(code), plan, script });
        }
    }
    pins
}

fn numbering(root: &Section<'_, '_>, mut numbering: Numbering) -> Numbering {
    let Some(s) = root.section("numbering") else { return numbering };
    let digits = |key: &'static str, most: usize, hint: &str, to: &mut String| {
        let Some(text) = s.text(key) else { return };
        if text.len() <= most && text.bytes().all(|b| b.is_ascii_digit()) {
            *to = text;
        } else {
            s.error(key, format!("{text:?} is not at most {most} digits"), hint);
        }
    };
    digits("country", 3, "the country's code without + and zeros, such as \"44\"", &mut numbering.country);
    digits(
        "international",
        5,
        "what is dialled before other countries, such as \"00\"",
        &mut numbering.international,
    );
    digits(
        "trunk",
        3,
        "what is dialled before other areas, such as \"0\"; \"\" for nothing",
        &mut numbering.trunk,
    );
    digits(
        "area",
        8,
        "the area's code without what is dialled before it, such as \"1480\"",
        &mut numbering.area,
    );
    if numbering.country.is_empty() || numbering.country.starts_with('0') {
        let hint = "the country's code without + and zeros, such as \"44\"";
        s.error("country", "a country's code is 1 to 3 digits and begins with no 0".to_owned(), hint);
    }
    if numbering.international.is_empty() {
        s.error(
            "international",
            "it is empty".to_owned(),
            "what is dialled before other countries, such as \"00\"",
        );
    }
    if let Some(text) = s.text("local") {
        let read = text.split_once('-').unwrap_or((&text, &text));
        match (read.0.trim().parse(), read.1.trim().parse()) {
            (Ok(least), Ok(most)) if (1..=most).contains(&least) && most <= 12 => {
                numbering.local = (least, most)
            }
            _ => {
                let hint = "how many digits a number without its area has, such as \"6\" or \"5-8\"";
                s.error("local", format!("invalid digit count {text:?}"), hint);
            }
        }
    }
    s.done();
    numbering
}

fn holidays(root: &Section<'_, '_>) -> Holidays {
    let Some(s) = root.section("holidays") else { return Holidays::default() };
    let mut days = Vec::new();
    let texts = s.texts("days");
    if let Some(section) = s.section("days") {
        for (date, name) in texts {
            match written(&date) {
                Some(dates) => days.extend(dates.into_iter().map(|d| holiday(d, &name))),
                None => {
                    let hint = "expected 2026-12-25 = \"Christmas\", or 12-25 = \"Christmas\" for every year";
                    section.error(&date, format!("invalid date {date}"), hint);
                }
            }
        }
    }
    let exclude: Vec<String> = s
        .list("exclude", "names or categories of days that are none here, such as \"Valentine*\"", |text| {
            Ok::<_, String>(text.to_owned())
        })
        .unwrap_or_default();
    for file in s
        .list("ics", "calendar files in the data folder, such as \"holidays.ics\"", ics_file)
        .unwrap_or_default()
    {
        match ics::read_file(&file) {
            Ok(calendar) => {
                let found = calendar.days.len();
                let kept = calendar.days.into_iter().filter(|day| !day.is_one_of(&exclude));
                let before = days.len();
                days.extend(kept.map(|day| day.holiday));
                if days.len() == before {
                    let (what, hint) = no_day(&file, found, calendar.timed);
                    s.warning("ics", what, hint);
                }
            }
            Err(why) => {
                let hint = "export whole-day events as iCalendar and put the file into the data folder";
                s.error("ics", format!("{file}: {why}"), hint);
            }
        }
    }
    s.done();
    Holidays::new(days)
}

/// A calendar that says nothing is a mistake that is found when the telephones ring on a holiday.
fn no_day(file: &str, found: usize, timed: usize) -> (String, &'static str) {
    match (found, timed) {
        (0, 0) => (
            format!("{file} contains no day"),
            "see that it was exported with its events: ringtrip config holidays shows what is read",
        ),
        (0, timed) => (
            format!("{file} contains no all-day event; {timed} events have a time of day"),
            "a holiday is an all-day event: mark it as all-day before you export it",
        ),
        (found, _) => (
            format!("all {found} days of {file} are left out by exclude"),
            "remove what is too wide from exclude, or the file from ics",
        ),
    }
}

fn ics_file(text: &str) -> Result<String, String> {
    if plain(text) { Ok(text.to_owned()) } else { Err(format!("{text:?} does not lie in the data folder")) }
}

/// `2026-12-25`: that day. `12-25`: that day of every year that has it.
fn written(text: &str) -> Option<Vec<Date>> {
    let parts: Vec<i16> = text.split('-').map(|p| p.parse().ok()).collect::<Option<_>>()?;
    let day = |y: i16, m: i16, d: i16| Date::new(y, m.try_into().ok()?, d.try_into().ok()?).ok();
    match parts[..] {
        [year, month, d] if YEARS.contains(&year) => Some(vec![day(year, month, d)?]),
        [month, d] => {
            // A leap year has them all.
            day(2000, month, d)?;
            Some(YEARS.filter_map(|year| day(year, month, d)).collect())
        }
        _ => None,
    }
}

pub(super) fn holiday(date: Date, name: &str) -> Holiday {
    let date = (date.year(), date.month().unsigned_abs(), date.day().unsigned_abs());
    Holiday { date, name: name.chars().filter(|c| !c.is_control()).take(64).collect() }
}
