use proptest::prelude::*;

use super::*;

fn tariff(per_minute: i64, connection: i64, minimum: i64, minimum_seconds: u32, steps: &str) -> Tariff {
    Tariff {
        per_minute: Money(per_minute),
        connection: Money(connection),
        minimum: Money(minimum),
        minimum_seconds,
        steps: steps.parse().expect("steps"),
        barred: false,
    }
}

#[track_caller]
fn check(tariff: Tariff, costs: &[(u32, i64)]) {
    for (seconds, micros) in costs {
        assert_eq!(tariff.cost(*seconds), Money(*micros), "{seconds} s of {tariff:?}");
    }
}

#[test]
fn calls_cost_what_the_deck_says() {
    check(tariff(12_000, 0, 0, 0, "1/1"), &[(0, 0), (1, 200), (59, 11_800), (60, 12_000), (61, 12_200)]);
    check(tariff(12_000, 0, 0, 0, "60/1"), &[(0, 0), (1, 12_000), (60, 12_000), (61, 12_200)]);
    check(tariff(12_000, 0, 0, 0, "60/60"), &[(1, 12_000), (60, 12_000), (61, 24_000), (120, 24_000)]);
    check(tariff(12_000, 0, 0, 0, "30/6"), &[(1, 6_000), (30, 6_000), (31, 7_200), (36, 7_200), (37, 8_400)]);
    check(tariff(12_000, 50_000, 0, 0, "1/1"), &[(0, 0), (1, 50_200), (60, 62_000)]);
    check(tariff(12_000, 0, 10_000, 0, "1/1"), &[(0, 0), (1, 10_000), (50, 10_000), (51, 10_200)]);
    check(tariff(12_000, 0, 0, 20, "1/1"), &[(0, 0), (1, 4_000), (20, 4_000), (21, 4_200)]);
    check(tariff(12_000, 0, 0, 61, "60/60"), &[(1, 24_000), (120, 24_000), (121, 36_000)]);
    check(tariff(100, 0, 0, 0, "1/1"), &[(1, 2), (2, 4), (3, 5), (60, 100)]);
}

#[test]
fn steps_are_read() {
    for (text, expected) in [
        ("60/1", Some("60/1")),
        ("1+1", Some("1/1")),
        (" 30 - 6 ", Some("30/6")),
        ("60", Some("60/60")),
        ("60s/1s", Some("60/1")),
        ("60/60/1", Some("60/1")),
        ("0/1", None),
        ("", None),
        ("1/2/3/4", None),
        ("a/b", None),
        ("4000/1", None),
    ] {
        assert_eq!(text.parse::<Steps>().ok().map(|s| s.to_string()).as_deref(), expected, "{text}");
    }
}

#[test]
fn free_seconds_come_first() {
    let price = Price { tariff: tariff(60_000, 100_000, 0, 0, "1/1"), free: 120 };
    assert_eq!(price.cost(120), Money::ZERO);
    assert_eq!(price.cost(121), Money(101_000));
    assert_eq!(price.longest(Money::ZERO), 120);
    assert_eq!(price.longest(Money(101_000)), 121);
    assert_eq!(price.longest(Money(-1)), 0);
}

#[test]
fn a_tariff_is_shown_in_words() {
    let shown = Shown(&tariff(12_000, 50_000, 0, 0, "60/1"), Currency::EUR).to_string();
    assert_eq!(shown, "0.012 EUR/min, 0.05 EUR to connect, billed 60/1");
}

fn any_tariff() -> impl Strategy<Value = Tariff> {
    (0i64..3_000_000, 0i64..500_000, 0i64..500_000, 0u32..200, 1u32..120, 1u32..120).prop_map(
        |(pm, connection, minimum, seconds, first, next)| Tariff {
            per_minute: Money(pm),
            connection: Money(connection),
            minimum: Money(minimum),
            minimum_seconds: seconds,
            steps: Steps { first, next },
            barred: false,
        },
    )
}

proptest! {
    #[test]
    fn a_longer_call_never_costs_less(tariff in any_tariff(), a in 0u32..20_000, more in 0u32..20_000) {
        prop_assert!(tariff.cost(a) <= tariff.cost(a + more));
    }

    #[test]
    fn the_longest_call_is_paid_for_and_a_second_more_is_not(tariff in any_tariff(), budget in 0i64..50_000_000) {
        let budget = Money(budget);
        let longest = tariff.longest(budget);
        if longest < FOREVER {
            prop_assert!(tariff.cost(longest) <= budget);
            prop_assert!(tariff.cost(longest + 1) > budget);
        } else {
            prop_assert!(tariff.cost(100_000_000) <= budget);
        }
    }

    #[test]
    fn extreme_prices_do_not_panic(a in any::<i64>(), b in any::<i64>(), m in any::<u32>(), f in any::<u32>(), n in any::<u32>()) {
        let tariff = Tariff {
            per_minute: Money(a), connection: Money(b), minimum: Money(b), minimum_seconds: m,
            steps: Steps { first: f, next: n },
            barred: false,
        };
        let _ = (tariff.cost(m), tariff.longest(Money(b)), tariff.exchanged(Money(a)).cost(n));
    }
}
