//! When it is quiet: a span of the day, on days of the week.

use ringtrip_plugin::{WallTime, settings};

/// The span.
#[derive(Debug, PartialEq, Eq)]
pub struct Hours {
    /// Minutes since midnight.
    from: u16,
    to: u16,
    /// Monday first.
    days: [bool; 7],
    holidays: bool,
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Hours {
    /// From the settings.
    pub fn read() -> Result<Hours, String> {
        let time = |key: &str, usual: &str| {
            let text = settings::text(key).unwrap_or_else(|| usual.to_owned());
            minutes(&text)
                .ok_or_else(|| format!("the setting {key:?} cannot be {text:?}: a time is written 22:00"))
        };
        Ok(Hours {
            from: time("from", "22:00")?,
            to: time("to", "07:00")?,
            days: days(&settings::list("days"))?,
            holidays: settings::read("holidays")?.unwrap_or(false),
        })
    }

    /// Is it quiet now? A night belongs to the day on which it began; equal times make a whole day.
    pub fn quiet(&self, at: &WallTime) -> bool {
        if self.holidays && at.holiday {
            return true;
        }
        let now = at.minutes();
        let today = usize::from(at.weekday.saturating_sub(1)) % 7;
        let yesterday = (today + 6) % 7;
        if self.from < self.to {
            return self.days[today] && (self.from..self.to).contains(&now);
        }
        (self.days[today] && now >= self.from) || (self.days[yesterday] && now < self.to)
    }
}

/// `22:00`, `7:30`, `24:00`.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.trim().parse().ok()?, minute.trim().parse().ok()?);
    (hour < 24 && minute < 60 || hour == 24 && minute == 0).then_some(hour * 60 + minute)
}

/// `mon-fri`, `sat`; none named: all.
fn days(list: &[String]) -> Result<[bool; 7], String> {
    let mut days = [list.is_empty(); 7];
    for entry in list {
        let (first, last) = entry.split_once('-').unwrap_or((entry, entry));
        let (Some(first), Some(last)) = (day(first), day(last)) else {
            return Err(format!(
                "the setting \"days\" cannot have {entry:?}: days are written mon-fri or sat, sun"
            ));
        };
        let mut at = first;
        loop {
            days[at] = true;
            if at == last {
                break;
            }
            at = (at + 1) % 7;
        }
    }
    Ok(days)
}

fn day(name: &str) -> Option<usize> {
    let name = name.trim().to_ascii_lowercase();
    DAYS.iter().position(|day| name.starts_with(day))
}
