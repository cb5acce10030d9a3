//! Wall-clock time for machines that are told only instants: an anchor that the shell renews, and the calendar from
//! there on.

use std::time::{Duration, Instant};

use crate::route::WallTime;

/// What the wall clock showed at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Wall {
    shown: WallTime,
    at: Instant,
}

impl Wall {
    /// The clock showed this then.
    pub fn new(shown: WallTime, at: Instant) -> Wall {
        Wall { shown, at }
    }

    /// What it shows now. Summer time that begins since the anchor is missed; the shell renews the anchor each minute.
    pub fn now(&self, now: Instant) -> WallTime {
        later(self.shown, now.saturating_duration_since(self.at))
    }
}

/// The wall clock `passed` after it showed `t`.
fn later(mut t: WallTime, passed: Duration) -> WallTime {
    const MINUTE: i64 = 60_000_000;
    let end = t.unix_micros.saturating_add(i64::try_from(passed.as_micros()).unwrap_or(i64::MAX));
    // Zones are whole minutes from UTC, so minutes turn over together.
    let mut minutes = end.div_euclid(MINUTE) - t.unix_micros.div_euclid(MINUTE) + i64::from(t.minute);
    t.unix_micros = end;
    let mut hours = minutes / 60 + i64::from(t.hour);
    minutes %= 60;
    let days = hours / 24;
    hours %= 24;
    t.minute = minutes as u8;
    t.hour = hours as u8;
    // An anchor is minutes old, so days are few; a month of them is the most that is worth counting.
    for _ in 0..days.min(31) {
        t = tomorrow(t);
    }
    t
}

fn tomorrow(mut t: WallTime) -> WallTime {
    t.weekday = t.weekday % 7 + 1;
    t.day += 1;
    if t.day > days_in(t.year, t.month) {
        t.day = 1;
        t.month += 1;
    }
    if t.month > 12 {
        t.month = 1;
        t.year = t.year.saturating_add(1);
    }
    t
}

fn days_in(year: i16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn midnight_of_new_year_and_of_a_leap_day() {
        let check = |from: (i16, u8, u8, u8, u8, u8), minutes: u64, to: (i16, u8, u8, u8, u8, u8)| {
            let (year, month, day, hour, minute, weekday) = from;
            let t = WallTime { unix_micros: 0, year, month, day, hour, minute, weekday };
            let l = later(t, Duration::from_secs(60 * minutes));
            assert_eq!((l.year, l.month, l.day, l.hour, l.minute, l.weekday), to, "{from:?} + {minutes} min");
            assert_eq!(l.unix_micros, 60_000_000 * minutes as i64);
        };
        check((2025, 12, 31, 23, 59, 3), 1, (2026, 1, 1, 0, 0, 4));
        check((2024, 2, 28, 23, 30, 3), 45, (2024, 2, 29, 0, 15, 4));
        check((2023, 2, 28, 23, 30, 2), 45, (2023, 3, 1, 0, 15, 3));
        check((2026, 6, 7, 12, 0, 7), 24 * 60, (2026, 6, 8, 12, 0, 1));
        check((2026, 6, 7, 12, 0, 7), 0, (2026, 6, 7, 12, 0, 7));
    }
}
