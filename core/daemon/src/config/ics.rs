//! Holidays from iCalendar files (RFC 5545): whole-day events, with their yearly recurrence. That is what calendars of
//! public holidays are made of; an event that has a time of day is passed over, another recurrence is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::RwLock;

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};
use ringtrip_switch::config::Holiday;

use super::routing::{YEARS, holiday};

/// The folder in which calendars lie: that of the data.
static FOLDER: RwLock<Option<PathBuf>> = RwLock::new(None);

/// Says where the calendars of documents lie.
pub fn calendars_in(folder: &Path) {
    if let Ok(mut known) = FOLDER.write() {
        *known = Some(folder.to_owned());
    }
}

/// Where they are looked for when they are not there: a document that is checked may lie anywhere.
static ALSO: RwLock<Option<PathBuf>> = RwLock::new(None);

/// Says where calendars lie that are not in the folder of [`calendars_in`].
pub fn calendars_also_in(folder: &Path) {
    if let Ok(mut known) = ALSO.write() {
        *known = Some(folder.to_owned());
    }
}

/// The largest calendar, the most days, and the longest event.
const MAX: u64 = 2 << 20;
const MAX_DAYS: usize = 20_000;
const MAX_LENGTH: usize = 31;

/// The days of a file.
pub(super) fn read_file(file: &str) -> Result<Vec<Holiday>, String> {
    let folder = FOLDER.read().ok().and_then(|f| f.clone()).unwrap_or_default();
    let path = folder.join(file);
    let also = ALSO.read().ok().and_then(|f| f.clone()).map(|folder| folder.join(file));
    let path = if path.exists() { path } else { also.filter(|path| path.exists()).unwrap_or(path) };
    let size = fs::metadata(&path).map_err(|e| e.to_string())?.len();
    if size > MAX {
        return Err(format!("it has {size} octets; {MAX} are the most that is read"));
    }
    read(&fs::read_to_string(&path).map_err(|e| e.to_string())?)
}

/// An event as it is being read.
#[derive(Default)]
struct Event {
    line: usize,
    summary: String,
    start: Option<Date>,
    end: Option<Date>,
    timed: bool,
    cancelled: bool,
    rule: Option<String>,
    except: Vec<Date>,
}

/// The days of a calendar.
pub(super) fn read(text: &str) -> Result<Vec<Holiday>, String> {
    let mut days = Vec::new();
    let mut event: Option<Event> = None;
    let mut calendar = false;
    // What stands in an event's own parts, such as alarms, is not the event's.
    let mut inside = 0;
    for (line, content) in unfolded(text) {
        let Some((head, value)) = split(&content) else { continue };
        let mut parts = head.split(';');
        let name = parts.next().unwrap_or_default().to_ascii_uppercase();
        let wrong = |what: &str| format!("line {line}: {what}");
        match (name.as_str(), event.as_mut()) {
            ("BEGIN", _) if value.eq_ignore_ascii_case("VCALENDAR") => calendar = true,
            ("BEGIN", None) if value.eq_ignore_ascii_case("VEVENT") => {
                event = Some(Event { line, ..Event::default() });
            }
            ("BEGIN", Some(_)) => inside += 1,
            ("END", Some(_)) if inside > 0 => inside -= 1,
            ("END", Some(_)) => {
                if let Some(done) = event.take() {
                    let from = done.line;
                    days.extend(done.days().map_err(|what| format!("the event at line {from}: {what}"))?);
                }
                if days.len() > MAX_DAYS {
                    return Err(format!("it has more than {MAX_DAYS} days"));
                }
            }
            (_, Some(_)) if inside > 0 => {}
            ("SUMMARY", Some(e)) => e.summary = unescaped(value),
            ("STATUS", Some(e)) => e.cancelled = value.eq_ignore_ascii_case("CANCELLED"),
            ("RRULE", Some(e)) => e.rule = Some(value.to_owned()),
            ("DTSTART", Some(e)) => {
                e.timed = value.contains('T');
                e.start = Some(date(value).ok_or_else(|| wrong("DTSTART is no date"))?);
            }
            ("DTEND", Some(e)) => e.end = Some(date(value).ok_or_else(|| wrong("DTEND is no date"))?),
            ("EXDATE", Some(e)) => {
                for one in value.split(',') {
                    e.except.push(date(one).ok_or_else(|| wrong("EXDATE is no date"))?);
                }
            }
            _ => {}
        }
    }
    match (calendar, event) {
        (false, _) => Err("it is no iCalendar file: BEGIN:VCALENDAR is missing".to_owned()),
        (true, Some(event)) => Err(format!("the event at line {} does not end", event.line)),
        (true, None) => Ok(days),
    }
}

impl Event {
    fn days(self) -> Result<Vec<Holiday>, String> {
        let start = self.start.ok_or("it has no DTSTART")?;
        if self.timed || self.cancelled {
            return Ok(Vec::new());
        }
        let length = match self.end {
            Some(end) if end > start => (end - start).get_days().unsigned_abs() as usize,
            _ => 1,
        };
        if length > MAX_LENGTH {
            return Err(format!("it lasts {length} days; a holiday lasts at most {MAX_LENGTH}"));
        }
        let starts = match &self.rule {
            Some(rule) => again(rule, start)?,
            None => vec![start],
        };
        let name = if self.summary.is_empty() { "holiday" } else { &self.summary };
        let kept = starts.into_iter().filter(|s| !self.except.contains(s));
        let days = kept.flat_map(|s| (0..length as i64).filter_map(move |n| s.checked_add(n.days()).ok()));
        Ok(days.map(|day| holiday(day, name)).collect())
    }
}

/// The days of a yearly rule.
fn again(rule: &str, start: Date) -> Result<Vec<Date>, String> {
    let (mut interval, mut count, mut until) = (1usize, usize::MAX, None);
    let (mut month, mut by_day, mut yearly) = (start.month(), None, false);
    for part in rule.split(';').filter(|p| !p.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let wrong = || format!("{part} in its RRULE is not understood");
        match key.to_ascii_uppercase().as_str() {
            "FREQ" => yearly = value.eq_ignore_ascii_case("YEARLY"),
            "INTERVAL" => interval = value.parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?,
            "COUNT" => count = value.parse().map_err(|_| wrong())?,
            "UNTIL" => until = Some(date(value).ok_or_else(wrong)?),
            "BYMONTH" => month = value.parse().ok().filter(|m| (1..=12).contains(m)).ok_or_else(wrong)?,
            "BYMONTHDAY" if value.parse() == Ok(start.day()) => {}
            "BYDAY" => by_day = Some(nth(value).ok_or_else(wrong)?),
            "WKST" => {}
            _ => return Err(wrong()),
        }
    }
    if !yearly {
        return Err("it comes again, but not yearly; only FREQ=YEARLY is understood".to_owned());
    }
    let years = (start.year()..=*YEARS.end()).step_by(interval);
    let dates = years.filter_map(|year| match by_day {
        Some((n, weekday)) => Date::new(year, month, 1).ok()?.nth_weekday_of_month(n, weekday).ok(),
        None => Date::new(year, month, start.day()).ok(),
    });
    let dates = dates.filter(|d| *d >= start).take(count);
    Ok(dates.take_while(|d| until.is_none_or(|until| *d <= until)).collect())
}

/// `1MO`, `-1MO`.
fn nth(text: &str) -> Option<(i8, Weekday)> {
    let (n, day) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let weekday = match day.to_ascii_uppercase().as_str() {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return None,
    };
    let n: i8 = n.trim_start_matches('+').parse().ok()?;
    (n != 0 && (-5..=5).contains(&n)).then_some((n, weekday))
}

/// Content lines, each with the number of its first line (RFC 5545 §3.1: a line that begins with a blank goes on).
fn unfolded(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (i, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(more), Some((_, last))) => last.push_str(more),
            _ => lines.push((i + 1, line.to_owned())),
        }
    }
    lines
}

/// Name with parameters, and value: a colon in quotes separates nothing.
fn split(line: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let at = line.char_indices().find(|(_, c)| {
        quoted ^= *c == '"';
        *c == ':' && !quoted
    });
    at.map(|(i, _)| (&line[..i], &line[i + 1..]))
}

/// `20261225`, also at the beginning of a date with time.
fn date(value: &str) -> Option<Date> {
    let digits = value.trim().get(..8)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Date::new(digits[..4].parse().ok()?, digits[4..6].parse().ok()?, digits[6..].parse().ok()?).ok()
}

/// A text without its escapes (RFC 5545 §3.3.11).
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n' | 'N') => out.push(' '),
                Some(other) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(event: &str, wanted: &[&str]) {
        let text = format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n{event}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n");
        let found = read(&text).unwrap_or_else(|e| panic!("{e}: {event}"));
        let shown = |h: &Holiday| format!("{}-{:02}-{:02} {}", h.date.0, h.date.1, h.date.2, h.name);
        let found: Vec<String> = found.iter().map(shown).collect();
        assert_eq!(found, wanted, "{event}");
    }

    #[test]
    fn a_calendar_is_found_in_the_data_folder_too() {
        let data = tempfile::tempdir().unwrap();
        let text = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:20260101\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        fs::write(data.path().join("only-there.ics"), text).unwrap();
        assert!(read_file("only-there.ics").is_err());
        calendars_also_in(data.path());
        assert_eq!(read_file("only-there.ics").map(|days| days.len()), Ok(1));
    }

    #[test]
    fn whole_days_are_read() {
        check(
            "DTSTART;VALUE=DATE:20261225\r\nSUMMARY:Christmas\\, the\r\n  first",
            &["2026-12-25 Christmas, the first"],
        );
        check("DTSTART:20261231\nDTEND:20270102\nSUMMARY:Turn", &["2026-12-31 Turn", "2027-01-01 Turn"]);
        check("DTSTART:20260101\nDTEND:20260101", &["2026-01-01 holiday"]);
        check("DTSTART:20260101T120000Z\nSUMMARY:Lunch", &[]);
        check("DTSTART:20260101\nSTATUS:CANCELLED", &[]);
        check(
            "BEGIN:VALARM\nSUMMARY:ring\nEND:VALARM\nSUMMARY;LANGUAGE=\"a:b\":X\nDTSTART:20260101",
            &["2026-01-01 X"],
        );
    }

    #[test]
    fn days_come_again_yearly() {
        check(
            "DTSTART:20240501\nSUMMARY:May\nRRULE:FREQ=YEARLY;COUNT=2",
            &["2024-05-01 May", "2025-05-01 May"],
        );
        check(
            "DTSTART:20240501\nSUMMARY:M\nRRULE:FREQ=YEARLY;INTERVAL=2;UNTIL=20270101",
            &["2024-05-01 M", "2026-05-01 M"],
        );
        check(
            "DTSTART:20260525\nSUMMARY:S\nRRULE:FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO;COUNT=3\nEXDATE:20270531",
            &["2026-05-25 S", "2028-05-29 S"],
        );
        check("DTSTART:20240229\nSUMMARY:L\nRRULE:FREQ=YEARLY;COUNT=2", &["2024-02-29 L", "2028-02-29 L"]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (event, wanted) in [
            ("DTSTART:20261301", "line 3: DTSTART is no date"),
            ("SUMMARY:x", "the event at line 2: it has no DTSTART"),
            ("DTSTART:20260101\nRRULE:FREQ=WEEKLY", "only FREQ=YEARLY"),
            ("DTSTART:20260101\nRRULE:FREQ=YEARLY;BYYEARDAY=1", "BYYEARDAY=1"),
            ("DTSTART:20260101\nDTEND:20270101", "365 days"),
        ] {
            let text = format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\n{event}\nEND:VEVENT\nEND:VCALENDAR");
            let why = read(&text).expect_err(event);
            assert!(why.contains(wanted), "{event}: {why}");
        }
        assert!(read("hello").unwrap_err().contains("no iCalendar file"));
        assert!(
            read("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260101").unwrap_err().contains("does not end")
        );
    }
}
