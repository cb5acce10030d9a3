//! The wall clock, cut up for scripts and records. Machines never look at it; shells stamp with it.

use std::sync::RwLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ringtrip_exchange::route::WallTime;

use crate::control_thread::takes_time;

/// The zone that the configuration names, or the machine's own; `None` before the start.
static ZONE: RwLock<Option<TimeZone>> = RwLock::new(None);

/// The zone of this name, or the machine's own. One that is not known leaves the machine's own; the configuration has
/// refused it already. Reads files.
pub fn zone_of(name: Option<&str>) -> TimeZone {
    takes_time("a time zone is read");
    name.and_then(|name| TimeZone::get(name).ok()).unwrap_or_else(TimeZone::system)
}

/// This zone counts from now on.
pub fn set_zone(zone: TimeZone) {
    if let Ok(mut now) = ZONE.write() {
        *now = Some(zone);
    }
}

/// The zone that counts.
pub fn zone() -> TimeZone {
    let zone = ZONE.read().ok().and_then(|zone| zone.clone());
    zone.unwrap_or_else(TimeZone::system)
}

/// Now, in the box's zone.
pub fn now() -> WallTime {
    at(Timestamp::now().as_microsecond())
}

/// This moment, microseconds since 1970 UTC, in the box's zone.
pub fn at(unix_micros: i64) -> WallTime {
    within(zone(), unix_micros)
}

fn within(zone: TimeZone, unix_micros: i64) -> WallTime {
    let Ok(stamp) = Timestamp::from_microsecond(unix_micros) else {
        return WallTime { unix_micros, ..WallTime::default() };
    };
    let local = stamp.to_zoned(zone);
    WallTime {
        unix_micros,
        year: local.year(),
        month: local.month().unsigned_abs(),
        day: local.day().unsigned_abs(),
        hour: local.hour().unsigned_abs(),
        minute: local.minute().unsigned_abs(),
        weekday: local.weekday().to_monday_one_offset().unsigned_abs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_its_own_hours() {
        // 2026-07-01 23:30 UTC, a Wednesday.
        let micros = 1_782_948_600_000_000;
        let hour = |zone: &str| {
            let at = within(TimeZone::get(zone).unwrap(), micros);
            (at.day, at.hour, at.minute, at.weekday)
        };
        assert_eq!(hour("UTC"), (1, 23, 30, 3));
        assert_eq!(hour("Europe/London"), (2, 0, 30, 4));
        assert_eq!(hour("America/New_York"), (1, 19, 30, 3));
    }
}
