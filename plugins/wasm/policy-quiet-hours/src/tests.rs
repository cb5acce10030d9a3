use ringtrip_plugin::fake::Fake;
use ringtrip_plugin::{Answer, Call, CallerId, Origin, WallTime};

use crate::{QuietHours, numbers};

fn at(weekday: u8, hour: u8, minute: u8) -> WallTime {
    WallTime { weekday, hour, minute, ..WallTime::default() }
}

fn call(origin: Origin, at: WallTime) -> Call {
    Call {
        dialled: "101".into(),
        number: "101".into(),
        origin,
        default_route: Some("101".into()),
        caller: CallerId { number: "01632960123".into(), ..CallerId::default() },
        at,
        ..Call::default()
    }
}

fn refused() -> Answer {
    Answer::refuse("quiet hours")
}

#[track_caller]
fn check(site: &Fake, call: &Call, expected: Answer) {
    let Answer { verdict, .. } = site.route::<QuietHours>(call);
    assert_eq!(verdict, expected.verdict, "{:?} {:?}", site.lines(), call.at);
}

#[test]
fn the_night_is_quiet() {
    let site = Fake::new();
    for origin in [Origin::Gateway, Origin::Landline] {
        for (hour, minute, expected) in [
            (21, 59, Answer::pass()),
            (22, 0, refused()),
            (23, 59, refused()),
            (0, 0, refused()),
            (6, 59, refused()),
            (7, 0, Answer::pass()),
            (12, 0, Answer::pass()),
        ] {
            check(&site, &call(origin, at(3, hour, minute)), expected);
        }
    }
}

#[test]
fn calls_within_the_house_are_never_touched() {
    for origin in [Origin::Extension, Origin::Line, Origin::Operator] {
        check(&Fake::new(), &call(origin, at(3, 23, 0)), Answer::pass());
    }
}

#[test]
fn a_night_belongs_to_the_day_on_which_it_began() {
    let work = Fake::new().setting("days", "sun-thu");
    let night = |weekday, hour| call(Origin::Gateway, at(weekday, hour, 0));
    check(&work, &night(7, 23), refused());
    check(&work, &night(1, 3), refused());
    check(&work, &night(4, 23), refused());
    check(&work, &night(5, 3), refused());
    check(&work, &night(5, 23), Answer::pass());
    check(&work, &night(6, 3), Answer::pass());
    check(&work, &night(7, 3), Answer::pass());
    let noon = Fake::new().setting("from", "12:30").setting("to", "13:30").setting("days", "Saturday, sun");
    check(&noon, &call(Origin::Gateway, at(6, 13, 0)), refused());
    check(&noon, &call(Origin::Gateway, at(6, 13, 30)), Answer::pass());
    check(&noon, &call(Origin::Gateway, at(1, 13, 0)), Answer::pass());
    let always = Fake::new().setting("from", "00:00").setting("to", "24:00");
    check(&always, &call(Origin::Gateway, at(1, 13, 0)), refused());
}

#[test]
fn holidays_may_be_quiet_all_day() {
    let holiday =
        Call { at: WallTime { holiday: true, ..at(3, 12, 0) }, ..call(Origin::Gateway, at(3, 12, 0)) };
    check(&Fake::new(), &holiday, Answer::pass());
    check(&Fake::new().setting("holidays", "true"), &holiday, refused());
}

#[test]
fn some_extensions_some_callers_another_target() {
    let night = call(Origin::Gateway, at(3, 23, 0));
    check(&Fake::new().setting("extensions", "102, 103"), &night, Answer::pass());
    check(&Fake::new().setting("extensions", "102, 101"), &night, refused());
    check(&Fake::new().setting("exceptions", "+44 1632 960123"), &night, Answer::pass());
    let hidden = Call { caller: CallerId { withheld: true, ..night.caller.clone() }, ..night.clone() };
    check(&Fake::new().setting("exceptions", "+44 1632 960123"), &hidden, refused());
    check(&Fake::new().setting("instead", "199"), &night, Answer::to("199"));
    let site = Fake::new().setting("reason", "the baby sleeps");
    assert_eq!(site.route::<QuietHours>(&night), Answer::refuse("the baby sleeps"));
}

#[test]
fn a_wrong_setting_silences_nobody() {
    let night = call(Origin::Gateway, at(3, 23, 0));
    for (key, value) in [("from", "late"), ("to", "25:00"), ("days", "someday"), ("holidays", "maybe")] {
        let site = Fake::new().setting(key, value);
        check(&site, &night, Answer::pass());
        let lines = site.lines();
        assert!(lines.len() == 1 && lines[0].1.contains(key), "{lines:?}");
    }
    // A clock that says no day is no reason to fail.
    check(&Fake::new(), &call(Origin::Gateway, at(0, 23, 0)), refused());
    check(&Fake::new(), &call(Origin::Gateway, at(255, 23, 0)), refused());
}

#[test]
fn one_telephone_is_shown_in_many_ways() {
    #[track_caller]
    fn check(entry: &str, caller: &str, expected: bool) {
        assert_eq!(numbers::matches(entry, caller), expected, "{entry} {caller}");
    }
    check("+441632960123", "01632960123", true);
    check("+441632960123", "00441632960123", true);
    check("01632 960-123", "+44 1632 960123", true);
    check("01632960123", "01632960124", false);
    check("960123", "01632960123", false);
    check("01632*", "01632960123", true);
    check("01632*", "01633960123", false);
    check("101", "101", true);
    check("101", "1101", false);
    check("", "101", false);
    check("101", "", false);
    check("*", "101", false);
}
