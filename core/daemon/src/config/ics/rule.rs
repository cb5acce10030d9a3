//! Which days a recurrence rule names (RFC 5545 §3.3.10), for events that are whole days: each day of each year, month, week
//! or day in turn is held against the rule. Parts about hours, minutes and weeks of the year are refused, not passed over.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    every: Every,
    interval: i64,
    count: Option<usize>,
    until: Option<Date>,
    months: Vec<i8>,
    month_days: Vec<i16>,
    year_days: Vec<i16>,
    weekdays: Vec<(Option<i16>, Weekday)>,
    positions: Vec<i16>,
    week_begins: Weekday,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Every {
    Year,
    Month,
    Week,
    Day,
}

impl Rule {
    /// Reads a rule. `date` reads its UNTIL.
    pub fn read(text: &str, date: impl Fn(&str) -> Option<Date>) -> Result<Rule, String> {
        let mut every = None;
        let mut rule = Rule {
            every: Every::Year,
            interval: 1,
            count: None,
            until: None,
            months: Vec::new(),
            month_days: Vec::new(),
            year_days: Vec::new(),
            weekdays: Vec::new(),
            positions: Vec::new(),
            week_begins: Weekday::Monday,
        };
        for part in text.split(';').map(str::trim).filter(|p| !p.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let wrong = || format!("{part} in its RRULE is not understood");
            let numbers = |most: i16| numbers(value, most).ok_or_else(wrong);
            match key.to_ascii_uppercase().as_str() {
                "FREQ" => {
                    every = Some(match value.to_ascii_uppercase().as_str() {
                        "YEARLY" => Every::Year,
                        "MONTHLY" => Every::Month,
                        "WEEKLY" => Every::Week,
                        "DAILY" => Every::Day,
                        _ => {
                            return Err(format!(
                                "{part} in its RRULE: days come again DAILY, WEEKLY, MONTHLY or YEARLY"
                            ));
                        }
                    });
                }
                "INTERVAL" => {
                    rule.interval =
                        value.parse().ok().filter(|n| (1..=1000).contains(n)).ok_or_else(wrong)?;
                }
                "COUNT" => rule.count = Some(value.parse().map_err(|_| wrong())?),
                "UNTIL" => rule.until = Some(date(value).ok_or_else(wrong)?),
                "BYMONTH" => {
                    let months = numbers(12)?.into_iter().map(|n| i8::try_from(n).ok().filter(|n| *n > 0));
                    rule.months = months.collect::<Option<_>>().ok_or_else(wrong)?;
                }
                "BYMONTHDAY" => rule.month_days = numbers(31)?,
                "BYYEARDAY" => rule.year_days = numbers(366)?,
                "BYSETPOS" => rule.positions = numbers(366)?,
                "BYDAY" => {
                    rule.weekdays = value.split(',').map(nth).collect::<Option<_>>().ok_or_else(wrong)?;
                }
                "WKST" => rule.week_begins = weekday(value).ok_or_else(wrong)?,
                _ => return Err(wrong()),
            }
        }
        rule.every = every.ok_or("its RRULE has no FREQ")?;
        if rule.every == Every::Week && rule.weekdays.iter().any(|(n, _)| n.is_some())
            || rule.every == Every::Day && rule.weekdays.iter().any(|(n, _)| n.is_some())
        {
            return Err(
                "a weekday with a number, in a rule that is not monthly or yearly, is not understood"
                    .to_owned(),
            );
        }
        Ok(rule)
    }

    /// The days, from `start` to `last`, at most `most`.
    pub fn days(&self, start: Date, last: Date, most: usize) -> Vec<Date> {
        let last = self.until.map_or(last, |until| until.min(last));
        let most = self.count.map_or(most, |count| count.min(most));
        let mut found = Vec::new();
        let mut begin = self.begin(start);
        while begin <= last && found.len() < most {
            let mut of_period: Vec<Date> = begin
                .series(1.day())
                .take_while(|d| self.begin(*d) == begin)
                .filter(|d| self.fits(*d, start))
                .collect();
            if !self.positions.is_empty() {
                of_period = self.picked(&of_period);
            }
            let room = most - found.len();
            found.extend(of_period.into_iter().filter(|d| *d >= start && *d <= last).take(room));
            let Some(next) = self.next(begin) else { break };
            begin = next;
        }
        found
    }

    /// The first day of the year, month or week that this day is in.
    fn begin(&self, day: Date) -> Date {
        match self.every {
            Every::Year => day.first_of_year(),
            Every::Month => day.first_of_month(),
            Every::Week => {
                let since = day.weekday().since(self.week_begins);
                day.checked_sub(i64::from(since).days()).unwrap_or(day)
            }
            Every::Day => day,
        }
    }

    fn next(&self, begin: Date) -> Option<Date> {
        let n = self.interval;
        let step = match self.every {
            Every::Year => n.years(),
            Every::Month => n.months(),
            Every::Week => n.weeks(),
            Every::Day => n.days(),
        };
        begin.checked_add(step).ok()
    }

    fn fits(&self, day: Date, start: Date) -> bool {
        let either = |list: &[i16], forward: i16, backward: i16| {
            list.is_empty() || list.iter().any(|n| *n == forward || *n == backward)
        };
        let in_month = day.days_in_month();
        if !self.months.is_empty() && !self.months.contains(&day.month()) {
            return false;
        }
        if !either(&self.month_days, i16::from(day.day()), i16::from(day.day() - in_month - 1)) {
            return false;
        }
        if !either(&self.year_days, day.day_of_year(), day.day_of_year() - day.days_in_year() - 1) {
            return false;
        }
        if !self.weekdays.is_empty() && !self.weekdays.iter().any(|(n, w)| self.is_nth(day, *n, *w)) {
            return false;
        }
        // What the rule leaves open is as on the first day.
        let days = !self.month_days.is_empty() || !self.year_days.is_empty() || !self.weekdays.is_empty();
        days || match self.every {
            Every::Year if self.months.is_empty() => (day.month(), day.day()) == (start.month(), start.day()),
            Every::Year | Every::Month => day.day() == start.day(),
            Every::Week => day.weekday() == start.weekday(),
            Every::Day => true,
        }
    }

    /// Is it the nth such weekday of its month, or of its year when the rule names no month?
    fn is_nth(&self, day: Date, n: Option<i16>, weekday: Weekday) -> bool {
        if day.weekday() != weekday {
            return false;
        }
        let Some(n) = n else { return true };
        let of_year = self.every == Every::Year && self.months.is_empty();
        let (at, all) = match of_year {
            true => (day.day_of_year(), day.days_in_year()),
            false => (i16::from(day.day()), i16::from(day.days_in_month())),
        };
        if n > 0 { (at - 1) / 7 + 1 == n } else { (all - at) / 7 + 1 == -n }
    }

    fn picked(&self, days: &[Date]) -> Vec<Date> {
        let at = |n: i16| match n {
            1.. => usize::try_from(n - 1).ok(),
            _ => days.len().checked_sub(usize::from(n.unsigned_abs())),
        };
        let mut picked: Vec<Date> =
            self.positions.iter().filter_map(|n| days.get(at(*n)?).copied()).collect();
        picked.sort_unstable();
        picked.dedup();
        picked
    }
}

fn numbers(text: &str, most: i16) -> Option<Vec<i16>> {
    let number = |n: &str| n.trim().parse::<i16>().ok().filter(|n| *n != 0 && n.abs() <= most);
    text.split(',').map(number).collect()
}

/// `MO`, `1MO`, `-1MO`.
fn nth(text: &str) -> Option<(Option<i16>, Weekday)> {
    let text = text.trim();
    let (n, day) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let day = weekday(day)?;
    if n.is_empty() {
        return Some((None, day));
    }
    let n: i16 = n.trim_start_matches('+').parse().ok()?;
    (n != 0 && n.abs() <= 53).then_some((Some(n), day))
}

fn weekday(text: &str) -> Option<Weekday> {
    Some(match text.trim().to_ascii_uppercase().as_str() {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Option<Date> {
        super::super::date(text)
    }

    #[track_caller]
    fn check(start: &str, rule: &str, wanted: &[&str]) {
        let rule_read = Rule::read(rule, date).unwrap_or_else(|e| panic!("{rule}: {e}"));
        let last = Date::new(2040, 12, 31).unwrap();
        let found = rule_read.days(date(start).unwrap(), last, 6);
        let shown: Vec<String> = found.iter().map(|d| d.strftime("%Y%m%d").to_string()).collect();
        assert_eq!(shown, wanted, "{rule}");
    }

    /// Most are examples of RFC 5545 §3.8.5.3, without their time of day.
    #[test]
    fn rules_name_their_days() {
        check("19970902", "FREQ=DAILY;COUNT=3", &["19970902", "19970903", "19970904"]);
        check("19970902", "FREQ=DAILY;INTERVAL=10;COUNT=3", &["19970902", "19970912", "19970922"]);
        check("19970902", "FREQ=WEEKLY;UNTIL=19970917", &["19970902", "19970909", "19970916"]);
        check(
            "19970902",
            "FREQ=WEEKLY;COUNT=4;WKST=SU;BYDAY=TU,TH",
            &["19970902", "19970904", "19970909", "19970911"],
        );
        // The week's first day decides what every other week is.
        check(
            "19970805",
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
            &["19970805", "19970810", "19970819", "19970824"],
        );
        check(
            "19970805",
            "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
            &["19970805", "19970817", "19970819", "19970831"],
        );
        check("19970905", "FREQ=MONTHLY;COUNT=3;BYDAY=1FR", &["19970905", "19971003", "19971107"]);
        check("19970922", "FREQ=MONTHLY;COUNT=2;BYDAY=-2MO", &["19970922", "19971020"]);
        check("19970928", "FREQ=MONTHLY;BYMONTHDAY=-3;COUNT=3", &["19970928", "19971029", "19971128"]);
        check("19970902", "FREQ=MONTHLY;COUNT=3;BYMONTHDAY=2,15", &["19970902", "19970915", "19971002"]);
        check("19970902", "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13;COUNT=2", &["19980213", "19980313"]);
        check(
            "19970904",
            "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3",
            &["19970904", "19971007", "19971106"],
        );
        check("19970929", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2;COUNT=2", &["19970929", "19971030"]);
        check(
            "19970610",
            "FREQ=YEARLY;COUNT=4;BYMONTH=6,7",
            &["19970610", "19970710", "19980610", "19980710"],
        );
        check("19970310", "FREQ=YEARLY;INTERVAL=2;COUNT=2;BYMONTH=1", &["19990110", "20010110"]);
        check(
            "19970101",
            "FREQ=YEARLY;INTERVAL=3;COUNT=4;BYYEARDAY=1,100,200",
            &["19970101", "19970410", "19970719", "20000101"],
        );
        check("19970519", "FREQ=YEARLY;BYDAY=20MO;COUNT=2", &["19970519", "19980518"]);
        check(
            "19961105",
            "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8;COUNT=2",
            &["19961105", "20001107"],
        );
        check("20240229", "FREQ=YEARLY;COUNT=2", &["20240229", "20280229"]);
        check("20260131", "FREQ=MONTHLY;COUNT=2", &["20260131", "20260331"]);
        check("20210614", "FREQ=YEARLY;BYMONTH=6;BYMONTHDAY=14;UNTIL=20221231", &["20210614", "20220614"]);
        check("20261126", "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH;COUNT=2", &["20261126", "20271125"]);
    }

    #[test]
    fn what_cannot_be_obeyed_is_refused() {
        for rule in [
            "FREQ=HOURLY",
            "COUNT=3",
            "FREQ=YEARLY;BYWEEKNO=20",
            "FREQ=YEARLY;BYHOUR=9",
            "FREQ=YEARLY;BYMONTH=13",
            "FREQ=YEARLY;INTERVAL=0",
            "FREQ=YEARLY;UNTIL=soon",
            "FREQ=WEEKLY;BYDAY=1MO",
            "FREQ=YEARLY;BYDAY=XX",
            "FREQ=YEARLY;RSCALE=CHINESE",
            "FREQ=YEARLY;BYSETPOS=0",
        ] {
            assert!(Rule::read(rule, date).is_err(), "{rule}");
        }
    }
}
