use proptest::prelude::*;

use super::*;

#[test]
fn dates_are_those_of_the_calendar() {
    for (unix, shown, minute) in [
        (0, "1970-01-01", 3 * 1440),
        (951_782_400, "2000-02-29", 1440),
        (1_700_000_000, "2023-11-14", 1440 + 22 * 60 + 13),
        (-1, "1969-12-31", 2 * 1440 + 1439),
        (4_107_542_400, "2100-03-01", 0),
    ] {
        assert_eq!(
            (At::utc(unix).date().to_string().as_str(), At::utc(unix).minute_of_week()),
            (shown, minute)
        );
    }
    let at = At { unix: 1_704_063_600, offset: 3600 };
    assert_eq!(at.month(), Month { year: 2024, month: 1 });
    assert_eq!(At::utc(at.unix).month(), Month { year: 2023, month: 12 });
    assert_eq!(Date::new(2023, 2, 29), None);
}

#[track_caller]
fn check(text: &str, expected: Result<&str, &str>) {
    match (Hours::parse(text), expected) {
        (Ok(hours), Ok(shown)) => assert_eq!(hours.to_string(), shown, "{text}"),
        (Err(e), Err(part)) => assert!(e.to_string().contains(part), "{text}: {e}"),
        (got, _) => panic!("{text}: {got:?}"),
    }
}

#[test]
fn hours_of_the_week_are_read() {
    check("Mon-Fri 08:00-18:00", Ok("Mon-Fri 08:00-18:00"));
    check("mon-fri 8-18, sat 09:00-13:00", Ok("Mon-Fri 08:00-18:00, Sat 09:00-13:00"));
    check("22:00-06:00", Ok("Mon-Sun 00:00-06:00, Mon-Sun 22:00-24:00"));
    check("Sat-Mon", Ok("Mon 00:00-24:00, Sat-Sun 00:00-24:00"));
    check("Sun 23:00-01:00", Ok("Mon 00:00-01:00, Sun 23:00-24:00"));
    check("Mon 08:00-09:00, 10:00-11:00", Ok("Mon 08:00-09:00, Mon 10:00-11:00"));
    check("", Err("no hours are given"));
    check("Someday", Err("invalid weekday"));
    check("Mon 08:00", Err("invalid hours"));
    check("Mon 25:00-26:00", Err("invalid hours"));
}

proptest! {
    #[test]
    fn days_count_there_and_back(day in -700_000i64..2_000_000) {
        prop_assert_eq!(Date::of_day(day).days(), day);
    }

    #[test]
    fn hours_are_written_and_read_back(spans in prop::collection::vec((0u16..WEEK, 0u16..WEEK), 1..6)) {
        let hours = Hours::new(spans);
        prop_assume!(!hours.stretches().is_empty());
        prop_assert_eq!(Hours::parse(&hours.to_string()), Ok(hours));
    }

    #[test]
    fn a_minute_is_in_or_out(spans in prop::collection::vec((0u16..WEEK, 0u16..WEEK), 0..6), minute in 0u16..WEEK) {
        let hours = Hours::new(spans);
        prop_assert_ne!(hours.contains(minute), hours.others().contains(minute));
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = Hours::parse(&text);
    }
}
