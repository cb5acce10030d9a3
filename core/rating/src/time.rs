//! The box's time as an argument: seconds since 1970 and the zone's offset, cut into what prices and limits ask for.
//! Which offset holds when is the shell's to know; here is only arithmetic (the proleptic Gregorian calendar).

use std::fmt;

/// Minutes in a week.
pub const WEEK: u16 = 7 * 24 * 60;
const DAY: i64 = 86_400;

/// A moment, and how far the box's zone is from UTC in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct At {
    /// Seconds since 1970 UTC.
    pub unix: i64,
    /// Seconds that local time is ahead of UTC.
    pub offset: i32,
}

/// A month of the box's calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Month {
    /// Year.
    pub year: i32,
    /// 1–12.
    pub month: u8,
}

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date {
    /// Year.
    pub year: i32,
    /// 1–12.
    pub month: u8,
    /// 1–31.
    pub day: u8,
}

impl At {
    /// A moment in UTC.
    pub const fn utc(unix: i64) -> At {
        At { unix, offset: 0 }
    }

    /// Seconds since 1970 on the wall clock.
    pub fn local(self) -> i64 {
        self.unix.saturating_add(i64::from(self.offset))
    }

    /// Hours since 1970 on the wall clock.
    pub fn hour(self) -> i64 {
        self.local().div_euclid(3600)
    }

    /// Days since 1970 on the wall clock.
    pub fn day(self) -> i64 {
        self.local().div_euclid(DAY)
    }

    /// Weeks, beginning on Monday, on the wall clock. 1970-01-01 was a Thursday.
    pub fn week(self) -> i64 {
        (self.day() + 3).div_euclid(7)
    }

    /// The minute of the week: 0 is Monday 00:00, 10,079 is Sunday 23:59.
    pub fn minute_of_week(self) -> u16 {
        let minutes = self.local().div_euclid(60) + 3 * 1440;
        u16::try_from(minutes.rem_euclid(i64::from(WEEK))).unwrap_or(0)
    }

    /// The day.
    pub fn date(self) -> Date {
        Date::of_day(self.day())
    }

    /// The month.
    pub fn month(self) -> Month {
        let Date { year, month, .. } = self.date();
        Month { year, month }
    }
}

impl Month {
    /// The month as one number that counts up.
    pub fn index(self) -> i64 {
        i64::from(self.year) * 12 + i64::from(self.month) - 1
    }
}

impl Date {
    /// The day that is so many days after 1970-01-01. The year is counted from March, so that the leap day is last.
    pub fn of_day(days: i64) -> Date {
        let shifted = days.clamp(-700_000_000, 700_000_000) + 719_468;
        let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * march + 2) / 5 + 1;
        let month = if march < 10 { march + 3 } else { march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Date {
            year: i32::try_from(year).unwrap_or(0),
            month: u8::try_from(month).unwrap_or(1),
            day: u8::try_from(day).unwrap_or(1),
        }
    }

    /// A day, if there is such a one.
    pub fn new(year: i32, month: u8, day: u8) -> Option<Date> {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        ((1..=days).contains(&day) && (0..=9999).contains(&year)).then_some(Date { year, month, day })
    }

    /// Days since 1970-01-01.
    pub fn days(self) -> i64 {
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let march = (i64::from(self.month) + 9) % 12;
        let of_year = (153 * march + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }

    /// Its first second, in a zone with this offset.
    pub fn begins(self, offset: i32) -> i64 {
        self.days() * DAY - i64::from(offset)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// Hours of the week: sorted stretches of minutes that do not touch. Written `Mon-Fri 08:00-18:00, Sat 09:00-13:00`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Hours(Vec<(u16, u16)>);

/// Why a text names no hours of the week.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadHours {
    /// Not a day's name.
    #[error("invalid weekday {0:?}: expected Mon, Tue, Wed, Thu, Fri, Sat, Sun, or a span such as Mon-Fri")]
    Day(String),
    /// Not a span of time.
    #[error("invalid hours {0:?}: expected 08:00-18:00")]
    Span(String),
    /// Nothing at all.
    #[error("no hours are given: expected hours such as Mon-Fri 08:00-18:00")]
    Empty,
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

impl Hours {
    /// Stretches of minutes of the week, from (included) and until (excluded); what runs over Sunday's end goes on on
    /// Monday.
    pub fn new(stretches: impl IntoIterator<Item = (u16, u16)>) -> Hours {
        let mut all = Vec::new();
        for (from, until) in stretches {
            let (from, until) = (from.min(WEEK), until.min(WEEK));
            if from < until {
                all.push((from, until));
            } else if from > until {
                all.push((from, WEEK));
                all.push((0, until));
            }
        }
        all.retain(|(from, until)| from < until);
        all.sort_unstable();
        let mut joined: Vec<(u16, u16)> = Vec::with_capacity(all.len());
        for (from, until) in all {
            match joined.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(until),
                _ => joined.push((from, until)),
            }
        }
        Hours(joined)
    }

    /// `Mon-Fri 08:00-18:00, Sat 09:00-13:00`; a time without a day means every day, a day without a time all of it; a
    /// span such as `22:00-06:00` ends on the next day.
    ///
    /// # Errors
    /// A weekday or a span of time that cannot be read, or no hours at all.
    pub fn parse(text: &str) -> Result<Hours, BadHours> {
        let mut stretches = Vec::new();
        let mut days: Vec<u16> = (0..7).collect();
        for part in text.split([',', ';']).map(str::trim).filter(|p| !p.is_empty()) {
            let (named, span) = match part.split_once(' ') {
                Some((d, s)) => (Some(d), Some(s.trim())),
                None if part.starts_with(|c: char| c.is_ascii_digit()) => (None, Some(part)),
                None => (Some(part), None),
            };
            if let Some(named) = named {
                days = days_of(named)?;
            }
            let (from, until) = span.map_or(Ok((0, 1440)), span_of)?;
            let length = if until > from { until - from } else { 1440 - from + until };
            for day in &days {
                let begin = day * 1440 + from;
                let end = begin + length;
                stretches.push(if end > WEEK { (begin, end - WEEK) } else { (begin, end) });
            }
        }
        if stretches.is_empty() { Err(BadHours::Empty) } else { Ok(Hours::new(stretches)) }
    }

    /// Is this minute of the week among them?
    pub fn contains(&self, minute: u16) -> bool {
        self.0.iter().any(|(from, until)| (*from..*until).contains(&minute))
    }

    /// All other hours.
    pub fn others(&self) -> Hours {
        let mut out = Vec::new();
        let mut at = 0;
        for (from, until) in &self.0 {
            if at < *from {
                out.push((at, *from));
            }
            at = *until;
        }
        if at < WEEK {
            out.push((at, WEEK));
        }
        Hours(out)
    }

    /// The stretches of minutes, in order.
    pub fn stretches(&self) -> &[(u16, u16)] {
        &self.0
    }
}

fn days_of(text: &str) -> Result<Vec<u16>, BadHours> {
    let day = |name: &str| {
        let start = name.get(..3).unwrap_or(name);
        (0u16..7)
            .zip(DAYS)
            .find(|(_, d)| d.eq_ignore_ascii_case(start))
            .map(|(n, _)| n)
            .ok_or_else(|| BadHours::Day(text.to_owned()))
    };
    match text.split_once('-') {
        None => Ok(vec![day(text)?]),
        Some((from, until)) => {
            let (from, until) = (day(from)?, day(until)?);
            let until = if until < from { until + 7 } else { until };
            Ok((from..=until).map(|d| d % 7).collect())
        }
    }
}

fn span_of(text: &str) -> Result<(u16, u16), BadHours> {
    let clock = |t: &str| {
        let (hour, minute) = t.trim().split_once(':').unwrap_or((t.trim(), "0"));
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60 || hour == 24 && minute == 0).then_some(hour * 60 + minute)
    };
    let bad = || BadHours::Span(text.to_owned());
    let (from, until) = text.split_once('-').ok_or_else(bad)?;
    let (from, until) = (clock(from).ok_or_else(bad)?, clock(until).ok_or_else(bad)?);
    if from >= 1440 { Err(bad()) } else { Ok((from, until)) }
}

impl fmt::Display for Hours {
    /// One part a day and stretch; [`Hours::parse`] reads it back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<(u16, u16, u16)> = Vec::new();
        for (from, until) in &self.0 {
            let mut at = *from;
            while at < *until {
                let day = at / 1440;
                let end = (*until).min((day + 1) * 1440);
                parts.push((day, at - day * 1440, end - day * 1440));
                at = end;
            }
        }
        // Days with the same span that follow one another are written as one part.
        let mut lines: Vec<(u16, u16, u16, u16)> = Vec::new();
        parts.sort_by_key(|(day, from, until)| (*from, *until, *day));
        for (day, from, until) in parts {
            match lines.last_mut() {
                Some(l) if l.1 + 1 == day && (l.2, l.3) == (from, until) => l.1 = day,
                _ => lines.push((day, day, from, until)),
            }
        }
        lines.sort_unstable();
        for (i, (first, last, from, until)) in lines.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            let name = |d: u16| DAYS.get(usize::from(d)).copied().unwrap_or("?");
            write!(f, "{comma}{}", name(*first))?;
            if last > first {
                write!(f, "-{}", name(*last))?;
            }
            write!(f, " {:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
