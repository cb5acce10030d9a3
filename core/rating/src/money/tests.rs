use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, expected: Result<i64, &str>) {
    let got = Money::parse(text).map(|m| m.0).map_err(|e| e.to_string());
    match (got, expected) {
        (Ok(a), Ok(b)) => assert_eq!(a, b, "{text}"),
        (Err(e), Err(part)) => assert!(e.contains(part), "{text}: {e}"),
        (got, _) => panic!("{text}: {got:?}, expected {expected:?}"),
    }
}

#[test]
fn amounts_as_people_write_them() {
    check("0.012", Ok(12_000));
    check("0,012", Ok(12_000));
    check(" 3 ", Ok(3_000_000));
    check(".5", Ok(500_000));
    check(",5", Ok(500_000));
    check("5.", Ok(5_000_000));
    check("-1.25", Ok(-1_250_000));
    check("+1.25", Ok(1_250_000));
    check("1.234,50", Ok(1_234_500_000));
    check("1,234.50", Ok(1_234_500_000));
    check("1,234,567.5", Ok(1_234_567_500_000));
    check("1.234.567", Ok(1_234_567_000_000));
    check("1 234,5", Ok(1_234_500_000));
    check("0.00000100", Ok(1));
    check("0.0000010", Ok(1));
    check("0.0000012", Err("six decimal places"));
    check("", Err("no amount"));
    check("-", Err("no amount"));
    check(".", Err("'.' cannot stand"));
    check("1.2.3,4,5", Err("two ways"));
    check("12,34.5", Err("two ways"));
    check("n/a", Err("'n' cannot stand"));
    check("1e5", Err("'e' cannot stand"));
    check("99999999999999", Err("too large"));
    check("99999999999999999999999", Err("too large"));
}

#[test]
fn fine_places_round_up() {
    assert_eq!(Money::parse_up("0.0000011"), Ok((Money(2), true)));
    assert_eq!(Money::parse_up("0.0000010000"), Ok((Money(1), false)));
    assert_eq!(Money::parse_up("-0.0000011"), Ok((Money(-1), true)));
    assert_eq!(Money::parse_up_with("1,234", '.'), Ok((Money::units(1234), false)));
    assert_eq!(Money::parse_up_with("1,234", ','), Ok((Money(1_234_000), false)));
    assert!(Money::parse_up_with("1,234.5", ',').is_err());
}

#[test]
fn amounts_are_shown_whole() {
    for (micros, shown) in [
        (0, "0.00"),
        (12_000, "0.012"),
        (-1, "-0.000001"),
        (1_500_000, "1.50"),
        (i64::MIN, "-9223372036854.775808"),
    ] {
        assert_eq!(Money(micros).to_string(), shown);
    }
    assert_eq!(format!("{:>8}|{:<8}|", Money(12_000), Money(-12_000)), "   0.012|-0.012  |");
}

#[test]
fn costs_round_up() {
    assert_eq!(Money(1).of_seconds(1), Money(1));
    assert_eq!(Money(60).of_seconds(1), Money(1));
    assert_eq!(Money(61).of_seconds(60), Money(61));
    assert_eq!(Money::MAX.of_seconds(u32::MAX), Money::MAX);
    assert_eq!(Money(1_000_001).exchanged(Money(850_000)), Money(850_001));
}

#[test]
fn currencies_are_found_in_text() {
    for (text, expected) in [
        ("€ 0,02", Some(Currency::EUR)),
        ("0.02 usd", Some(Currency::USD)),
        ("Price (GBP/min)", Some(Currency::GBP)),
        ("£0.1", Some(Currency::GBP)),
        ("Price per min", None),
        ("", None),
    ] {
        assert_eq!(Currency::within(text), expected, "{text}");
    }
    assert_eq!("chf".parse::<Currency>().map(|c| c.to_string()), Ok("CHF".to_owned()));
    assert!("EURO".parse::<Currency>().is_err());
}

proptest! {
    #[test]
    fn what_is_shown_reads_back(micros in (i64::MIN + 1)..i64::MAX) {
        let shown = Money(micros).to_string();
        prop_assert_eq!(Money::parse(&shown), Ok(Money(micros)));
        prop_assert_eq!(Money::parse(&shown.replace('.', ",")), Ok(Money(micros)));
    }

    #[test]
    fn no_text_panics(text in "\\PC*", sign in prop::sample::select(vec!['.', ','])) {
        let _ = Money::parse(&text);
        let _ = Money::parse_up_with(&text, sign);
        let _ = Currency::within(&text);
    }
}
