//! The wall clock, cut up for scripts and records. Machines never look at it; shells stamp with it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ringtrip_switch::route::WallTime;

/// Now, in the box's zone.
pub fn now() -> WallTime {
    at(Timestamp::now().as_microsecond())
}

/// This moment, microseconds since 1970 UTC, in the box's zone.
pub fn at(unix_micros: i64) -> WallTime {
    let Ok(stamp) = Timestamp::from_microsecond(unix_micros) else {
        return WallTime { unix_micros, ..WallTime::default() };
    };
    let local = stamp.to_zoned(TimeZone::system());
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
