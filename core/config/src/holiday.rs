//! Holidays: days with names, in the order of the calendar.

use ringtrip_model::route::WallTime;

/// A day that is a holiday.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holiday {
    /// Year, month 1–12 and day 1–31.
    pub date: (i16, u8, u8),
    /// What it is called.
    pub name: String,
}

/// All holidays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holidays(Vec<Holiday>);

impl Holidays {
    /// Those of these days; of two on one day the first counts.
    pub fn new(days: impl IntoIterator<Item = Holiday>) -> Holidays {
        let mut days: Vec<Holiday> = days.into_iter().collect();
        days.sort_by_key(|day| day.date);
        days.dedup_by_key(|day| day.date);
        Holidays(days)
    }

    /// The name of the holiday that this day is.
    pub fn on(&self, at: &WallTime) -> Option<&str> {
        let date = (at.year, at.month, at.day);
        let i = self.0.binary_search_by_key(&date, |day| day.date).ok()?;
        self.0.get(i).map(|day| day.name.as_str())
    }

    /// The days, the first first.
    pub fn days(&self) -> &[Holiday] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_found_whatever_their_order() {
        let day = |date, name: &str| Holiday { date, name: name.to_owned() };
        let all = Holidays::new([day((2026, 12, 25), "Christmas"), day((2026, 1, 1), "New Year")]);
        let at = |year, month, day| WallTime { year, month, day, ..WallTime::default() };
        assert_eq!(all.on(&at(2026, 12, 25)), Some("Christmas"));
        assert_eq!(all.on(&at(2026, 1, 1)), Some("New Year"));
        assert_eq!(all.on(&at(2025, 12, 25)), None);
        assert_eq!(Holidays::default().on(&at(2026, 1, 1)), None);
    }
}
