//! Holidays from iCalendar files (RFC 5545): events that are whole days, however they say so, with their rules, extra days,
//! exceptions, and single days that were moved or called off. What cannot be obeyed refuses the file and names the event:
//! a day that is silently missing is found when the telephones ring on it. An event with a time of day is no holiday.
//!
//! TRANSP is not looked at: calendars of public holidays mark them as free time.

mod rule;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::RwLock;

use jiff::ToSpan;
use jiff::civil::Date;
use ringtrip_config::Holiday;
use ringtrip_routing::script::decoded;

use super::routing::{YEARS, holiday};
use rule::Rule;

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
const MAX_LENGTH: i64 = 31;

/// What a calendar holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Calendar {
    /// Its days.
    pub days: Vec<Day>,
    /// Events that have a time of day: they were passed over.
    pub timed: usize,
}

/// A day of a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Day {
    /// The day and its name.
    pub holiday: Holiday,
    /// The event's categories.
    pub categories: Vec<String>,
}

impl Day {
    /// Is its name or a category one of these? `*` stands for anything; capitals do not matter.
    pub fn is_one_of(&self, patterns: &[String]) -> bool {
        let names = || std::iter::once(&self.holiday.name).chain(&self.categories);
        patterns
            .iter()
            .any(|pattern| names().any(|name| matches(&pattern.to_lowercase(), &name.to_lowercase())))
    }
}

/// Does the pattern, in which `*` stands for anything, match the whole text?
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, rest)) => text.strip_prefix(before).is_some_and(|text| {
            rest.is_empty()
                || text.char_indices().map(|(i, _)| i).chain([text.len()]).any(|i| matches(rest, &text[i..]))
        }),
    }
}

/// The days of a file.
pub(super) fn read_file(file: &str) -> Result<Calendar, String> {
    let folder = FOLDER.read().ok().and_then(|f| f.clone()).unwrap_or_default();
    let path = folder.join(file);
    let also = ALSO.read().ok().and_then(|f| f.clone()).map(|folder| folder.join(file));
    let path = if path.exists() { path } else { also.filter(|path| path.exists()).unwrap_or(path) };
    let size = fs::metadata(&path).map_err(|e| e.to_string())?.len();
    if size > MAX {
        return Err(format!("it has {size} octets; {MAX} are the most that is read"));
    }
    read(&decoded(&fs::read(&path).map_err(|e| e.to_string())?)?)
}

/// When something begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct At {
    day: Date,
    /// Minutes after midnight; none for a whole day.
    minute: Option<u16>,
}

/// An event as it is being read.
#[derive(Default)]
struct Event {
    line: usize,
    uid: String,
    summary: String,
    categories: Vec<String>,
    start: Option<At>,
    end: Option<At>,
    /// Minutes.
    duration: Option<i64>,
    /// It says of itself that it is whole days.
    all_day: bool,
    cancelled: bool,
    rule: Option<String>,
    more: Vec<Date>,
    except: Vec<Date>,
    /// It takes the place of this day of the event with the same UID.
    instead_of: Option<Date>,
}

/// The days of a calendar.
pub(super) fn read(text: &str) -> Result<Calendar, String> {
    let (events, mut calendar) = (events(text)?, Calendar::default());
    let replaced = |uid: &str| -> Vec<Date> {
        let of = events.iter().filter(|e| !uid.is_empty() && e.uid == uid);
        of.filter_map(|e| e.instead_of).collect()
    };
    for event in &events {
        let gone = if event.instead_of.is_none() { replaced(&event.uid) } else { Vec::new() };
        match event.days(&gone).map_err(|what| format!("the event at line {}: {what}", event.line))? {
            Some(days) => calendar.days.extend(days),
            None => calendar.timed += 1,
        }
        if calendar.days.len() > MAX_DAYS {
            return Err(format!("it has more than {MAX_DAYS} days"));
        }
    }
    Ok(calendar)
}

fn events(text: &str) -> Result<Vec<Event>, String> {
    let mut events = Vec::new();
    let mut event: Option<Event> = None;
    let mut calendar = false;
    // What stands in an event's own parts, such as alarms, is not the event's.
    let mut inside = 0;
    for (line, content) in unfolded(text) {
        let Some((head, value)) = split(&content) else { continue };
        let mut parts = head.split(';');
        let name = parts.next().unwrap_or_default().to_ascii_uppercase();
        match (name.as_str(), event.as_mut()) {
            ("BEGIN", _) if value.eq_ignore_ascii_case("VCALENDAR") => calendar = true,
            ("BEGIN", None) if value.eq_ignore_ascii_case("VEVENT") => {
                event = Some(Event { line, ..Event::default() });
            }
            ("BEGIN", Some(_)) => inside += 1,
            ("END", Some(_)) if inside > 0 => inside -= 1,
            ("END", Some(_)) => events.extend(event.take()),
            (_, Some(_)) if inside > 0 => {}
            (name, Some(event)) => {
                let parameters: Vec<String> = parts.map(str::to_ascii_uppercase).collect();
                event.property(name, &parameters, value).map_err(|what| format!("line {line}: {what}"))?;
            }
            _ => {}
        }
    }
    match (calendar, event) {
        (false, _) => Err("not an iCalendar file: BEGIN:VCALENDAR is missing".to_owned()),
        (true, Some(event)) => Err(format!("the event at line {} does not end", event.line)),
        (true, None) => Ok(events),
    }
}

impl Event {
    fn property(&mut self, name: &str, parameters: &[String], value: &str) -> Result<(), String> {
        let whole = parameters.iter().any(|p| p == "VALUE=DATE");
        let one = |text: &str| at(text, whole).ok_or_else(|| format!("invalid date {name}"));
        let all =
            || value.split(',').map(|text| one(text).map(|at| at.day)).collect::<Result<Vec<Date>, String>>();
        match name {
            "UID" => self.uid = value.trim().to_owned(),
            "SUMMARY" => self.summary = unescaped(value),
            "CATEGORIES" => self.categories.extend(value.split(',').map(|c| unescaped(c.trim()))),
            "STATUS" => self.cancelled = value.trim().eq_ignore_ascii_case("CANCELLED"),
            "RRULE" if self.rule.is_some() => {
                return Err("it has a second RRULE; write two events".to_owned());
            }
            "RRULE" => self.rule = Some(value.to_owned()),
            "EXRULE" => {
                return Err("EXRULE is not understood; list the days that are left out as EXDATE".to_owned());
            }
            "DTSTART" => self.start = Some(one(value)?),
            "DTEND" => self.end = Some(one(value)?),
            "DURATION" => {
                let minutes =
                    duration(value.trim()).ok_or_else(|| format!("DURATION {value} is not understood"))?;
                self.duration = Some(minutes);
            }
            "RDATE" if parameters.iter().any(|p| p == "VALUE=PERIOD") => {
                return Err("RDATE with a period is not understood; list days".to_owned());
            }
            "RDATE" => self.more.extend(all()?),
            "EXDATE" => self.except.extend(all()?),
            "RECURRENCE-ID" if parameters.iter().any(|p| p.starts_with("RANGE=")) => {
                return Err(
                    "RECURRENCE-ID with RANGE is not understood; export each day that was moved".to_owned()
                );
            }
            "RECURRENCE-ID" => self.instead_of = Some(one(value)?.day),
            // Outlook, Lotus and others.
            "X-MICROSOFT-CDO-ALLDAYEVENT"
            | "X-MICROSOFT-MSNCALENDAR-ALLDAYEVENT"
            | "X-FUNAMBOL-ALLDAY"
            | "X-ALLDAY"
            | "X-LOTUS-ALLDAY" => {
                self.all_day = matches!(value.trim().to_ascii_uppercase().as_str(), "TRUE" | "1" | "YES");
            }
            _ => {}
        }
        Ok(())
    }

    /// The days of it, without those that others took the place of; `None`: it has a time of day.
    fn days(&self, gone: &[Date]) -> Result<Option<Vec<Day>>, String> {
        let start = self.start.ok_or("it has no DTSTART")?;
        let Some(length) = self.length(start) else {
            // Called off is called off, whatever its time; so is one that was moved to a time of day.
            return Ok(if self.cancelled { Some(Vec::new()) } else { None });
        };
        if !(1..=MAX_LENGTH).contains(&length) {
            return Err(format!("it lasts {length} days; a holiday lasts 1 to {MAX_LENGTH}"));
        }
        if self.cancelled {
            return Ok(Some(Vec::new()));
        }
        let last = Date::new(*YEARS.end(), 12, 31).map_err(|e| e.to_string())?;
        let mut starts = match self.rule.as_deref().filter(|_| self.instead_of.is_none()) {
            Some(rule) => {
                Rule::read(rule, |text| Some(at(text, false)?.day))?.days(start.day, last, MAX_DAYS)
            }
            None => vec![start.day],
        };
        starts.extend(&self.more);
        starts.sort_unstable();
        starts.dedup();
        starts.retain(|day| !self.except.contains(day) && !gone.contains(day));
        let name = if self.summary.is_empty() { "holiday" } else { &self.summary };
        let days =
            starts.into_iter().flat_map(|s| (0..length).filter_map(move |n| s.checked_add(n.days()).ok()));
        let day = |day| Day { holiday: holiday(day, name), categories: self.categories.clone() };
        Ok(Some(days.map(day).collect()))
    }

    /// How many whole days it lasts; `None` when it has a time of day.
    fn length(&self, start: At) -> Option<i64> {
        const DAY: i64 = 24 * 60;
        let between = |end: At| i64::from((end.day - start.day).get_days());
        let midnight = |at: At| at.minute.is_none_or(|minute| minute == 0);
        match (self.end, self.duration) {
            // Marked as whole days, whatever the times say. Some end them at the same time, others a minute before midnight.
            (Some(end), _) if start.minute.is_none() || self.all_day => {
                let begun = start.minute.is_some() && end.minute != start.minute && !midnight(end);
                Some((between(end) + i64::from(begun)).max(1))
            }
            (Some(end), _) => (midnight(start) && midnight(end) && between(end) > 0).then(|| between(end)),
            (None, Some(minutes)) if start.minute.is_none() || self.all_day => {
                Some((minutes + DAY - 1) / DAY)
            }
            (None, Some(minutes)) => {
                (midnight(start) && minutes > 0 && minutes % DAY == 0).then_some(minutes / DAY)
            }
            (None, None) => (start.minute.is_none() || self.all_day).then_some(1),
        }
    }
}

/// `P1D`, `P2W`, `PT24H`, in minutes.
fn duration(text: &str) -> Option<i64> {
    let rest = text.trim_start_matches('+').strip_prefix(['P', 'p'])?;
    let (mut total, mut number, mut any) = (0i64, String::new(), false);
    for c in rest.chars() {
        let unit = match c.to_ascii_uppercase() {
            'T' if number.is_empty() => continue,
            c if c.is_ascii_digit() => {
                number.push(c);
                continue;
            }
            'W' => 7 * 24 * 60 * 60,
            'D' => 24 * 60 * 60,
            'H' => 60 * 60,
            'M' => 60,
            'S' => 1,
            _ => return None,
        };
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(unit)?)?;
        (number, any) = (String::new(), true);
    }
    (any && number.is_empty()).then_some(total / 60)
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

/// `20261225`, or `20261225T000000` with or without `Z`. A date with a time of UTC that is no midnight there is the
/// midnight of some zone: that day begins less than twelve hours away.
fn at(value: &str, whole: bool) -> Option<At> {
    let value = value.trim();
    let day = date(value)?;
    let Some(time) = value.get(8..).and_then(|rest| rest.strip_prefix(['T', 't'])).filter(|_| !whole) else {
        return Some(At { day, minute: None });
    };
    let two = |at: usize| time.get(at..at + 2)?.parse::<u16>().ok();
    let minute = two(0)? * 60 + two(2)?;
    let utc = time.ends_with(['Z', 'z']);
    let day = if utc && minute >= 12 * 60 { day.checked_add(1.days()).ok()? } else { day };
    Some(At { day, minute: Some(minute) })
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
        let shown = |d: &Day| {
            let (year, month, day) = d.holiday.date;
            format!("{year}-{month:02}-{day:02} {}", d.holiday.name)
        };
        let found: Vec<String> = found.days.iter().map(shown).collect();
        assert_eq!(found, wanted, "{event}");
    }

    #[test]
    fn a_calendar_is_found_in_the_data_folder_too() {
        let data = tempfile::tempdir().unwrap();
        let text = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:20260101\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        fs::write(data.path().join("only-there.ics"), text).unwrap();
        assert!(read_file("only-there.ics").is_err());
        calendars_also_in(data.path());
        assert_eq!(read_file("only-there.ics").map(|calendar| calendar.days.len()), Ok(1));
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
    fn a_whole_day_may_be_said_in_many_ways() {
        for event in [
            "DTSTART;VALUE=DATE:20261224\nDURATION:P1D",
            "DTSTART:20261224T000000\nDTEND:20261225T000000",
            "DTSTART;TZID=Europe/Berlin:20261224T000000\nDTEND;TZID=Europe/Berlin:20261225T000000",
            "DTSTART;TZID=Europe/Berlin:20261224T000000\nDURATION:PT24H",
            "DTSTART:20261224T000000Z\nDTEND:20261225T000000Z",
            "DTSTART:20261223T230000Z\nDTEND:20261224T230000Z\nX-MICROSOFT-CDO-ALLDAYEVENT:TRUE",
            "DTSTART:20261224T080000Z\nDTEND:20261225T080000Z\nX-FUNAMBOL-ALLDAY:1",
            "DTSTART:20261224T000000\nDTEND:20261224T235900\nX-MICROSOFT-CDO-ALLDAYEVENT:TRUE",
            "DTSTART;VALUE=DATE:20261224\nTRANSP:TRANSPARENT",
        ] {
            check(event, &["2026-12-24 holiday"]);
        }
        let three = ["2026-12-24 holiday", "2026-12-25 holiday", "2026-12-26 holiday"];
        check("DTSTART;VALUE=DATE:20261224\nDURATION:P3D", &three);
        check("DTSTART:20261224T000000\nDTEND:20261227T000000", &three);
        check("DTSTART:20261224T000000\nDURATION:P2DT24H", &three);
        for timed in [
            "DTSTART:20261224T000000\nDTEND:20261224T120000",
            "DTSTART:20261224T180000\nDTEND:20261225T180000",
            "DTSTART:20261224T000000\nDURATION:PT30H",
            "DTSTART:20261224T000000",
        ] {
            check(timed, &[]);
        }
    }

    #[test]
    fn days_are_added_and_taken_away() {
        check(
            "DTSTART;VALUE=DATE:20260501\nSUMMARY:M\nRDATE;VALUE=DATE:20260503,20260601\nEXDATE;VALUE=DATE:20260503",
            &["2026-05-01 M", "2026-06-01 M"],
        );
        check(
            "DTSTART;VALUE=DATE:20240501\nSUMMARY:L\nRRULE:FREQ=YEARLY;UNTIL=20261231T225959Z\nEXDATE:20250501T000000Z",
            &["2024-05-01 L", "2026-05-01 L"],
        );
        let moved = "UID:a\nDTSTART;VALUE=DATE:20250614\nSUMMARY:Outing\nRRULE:FREQ=YEARLY;COUNT=3\nEND:VEVENT\n\
                     BEGIN:VEVENT\nUID:a\nRECURRENCE-ID;VALUE=DATE:20260614\nDTSTART;VALUE=DATE:20260616\nSUMMARY:Moved";
        check(moved, &["2025-06-14 Outing", "2027-06-14 Outing", "2026-06-16 Moved"]);
        let called_off = format!("{moved}\nSTATUS:CANCELLED");
        check(&called_off, &["2025-06-14 Outing", "2027-06-14 Outing"]);
        let to_a_time = moved.replace("VALUE=DATE:20260616", "TZID=Europe/Berlin:20260616T090000");
        check(&to_a_time, &["2025-06-14 Outing", "2027-06-14 Outing"]);
        let of_another = moved.replace("UID:a\nRECURRENCE-ID", "UID:b\nRECURRENCE-ID");
        check(
            &of_another,
            &["2025-06-14 Outing", "2026-06-14 Outing", "2027-06-14 Outing", "2026-06-16 Moved"],
        );
    }

    #[test]
    fn calendars_as_programs_write_them() {
        let all = |text: &str| {
            let calendar = read(text).unwrap();
            let at = |year: i16| {
                calendar
                    .days
                    .iter()
                    .filter(|d| d.holiday.date.0 == year)
                    .map(|d| d.holiday.date)
                    .collect::<Vec<_>>()
            };
            (at(2026), at(2027))
        };
        let (this, next) = all(include_str!("ics/moved-day.ics"));
        assert_eq!((this, next), (vec![(2026, 6, 16)], vec![(2027, 6, 14)]));
        let (this, next) = all(include_str!("ics/duration-and-exception.ics"));
        assert_eq!(this, [(2026, 12, 24), (2026, 12, 25), (2026, 12, 26)]);
        assert_eq!(next, [(2027, 5, 1)]);
    }

    #[test]
    fn observances_are_left_out_by_name_or_category() {
        let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260214\nSUMMARY:Valentine's Day\nCATEGORIES:Fun,Observance\n\
                    END:VEVENT\nEND:VCALENDAR";
        let day = read(text).unwrap().days.remove(0);
        let one_of =
            |patterns: &[&str]| day.is_one_of(&patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
        assert!(
            one_of(&["valentine*"]) && one_of(&["*'s day"]) && one_of(&["OBSERVANCE"]) && one_of(&["x", "*"])
        );
        assert!(one_of(&["v*n*day"]) && one_of(&["Valentine's Day"]));
        assert!(!one_of(&["Valentine"]) && !one_of(&["day*"]) && !one_of(&[]) && !one_of(&["Obs"]));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (event, wanted) in [
            ("DTSTART:20261301", "line 3: invalid date DTSTART"),
            ("SUMMARY:x", "the event at line 2: it has no DTSTART"),
            ("DTSTART:20260101\nRRULE:FREQ=HOURLY", "DAILY, WEEKLY, MONTHLY or YEARLY"),
            ("DTSTART:20260101\nRRULE:FREQ=YEARLY;BYWEEKNO=1", "the event at line 2: BYWEEKNO=1"),
            ("DTSTART:20260101\nEXRULE:FREQ=YEARLY", "line 4: EXRULE"),
            ("DTSTART:20260101\nRDATE;VALUE=PERIOD:20260101T000000Z/P1D", "line 4: RDATE"),
            ("DTSTART:20260101\nRECURRENCE-ID;RANGE=THISANDFUTURE:20260101", "line 4: RECURRENCE-ID"),
            ("DTSTART:20260101\nDURATION:one day", "line 4: DURATION"),
            ("DTSTART:20260101\nDTEND:20270101", "365 days"),
        ] {
            let text = format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\n{event}\nEND:VEVENT\nEND:VCALENDAR");
            let why = read(&text).expect_err(event);
            assert!(why.contains(wanted), "{event}: {why}");
        }
        assert!(read("hello").unwrap_err().contains("not an iCalendar file"));
        assert!(
            read("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260101").unwrap_err().contains("does not end")
        );
    }
}
