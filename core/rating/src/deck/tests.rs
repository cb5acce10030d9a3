use proptest::prelude::*;

use super::*;
use crate::rate::Steps;

fn rate(prefix: &str, micros: i64) -> Rate {
    Rate::new(prefix.parse().expect("digits"), &format!("to {prefix}"), Tariff::per_minute(Money(micros)))
}

fn deck(rates: &[Rate]) -> Deck {
    let mut builder = Builder::new("test", Currency::EUR);
    rates.iter().for_each(|r| builder.add(r));
    builder.build()
}

#[track_caller]
fn check(deck: &Deck, number: &str, unix: i64, expected: Option<(&str, i64)>) {
    let found = deck.find(number, At::utc(unix)).map(|f| (f.prefix.to_string(), f.tariff().per_minute.0));
    assert_eq!(found.as_ref().map(|(p, m)| (p.as_str(), *m)), expected, "{number}");
}

#[test]
fn the_longest_prefix_wins() {
    let deck = deck(&[
        rate("44", 1),
        rate("447", 2),
        rate("4477009", 3),
        rate("1", 4),
        rate("1809", 5),
        rate("449", 6),
    ]);
    check(&deck, "447700900123", 0, Some(("4477009", 3)));
    check(&deck, "44770", 0, Some(("447", 2)));
    check(&deck, "448", 0, Some(("44", 1)));
    check(&deck, "44", 0, Some(("44", 1)));
    check(&deck, "4", 0, None);
    check(&deck, "", 0, None);
    check(&deck, "18095551234", 0, Some(("1809", 5)));
    check(&deck, "18075551234", 0, Some(("1", 4)));
    check(&deck, "999999999999999999", 0, None);
    check(&deck, "0", 0, None);
    check(&deck, "+44", 0, None);
    assert_eq!((deck.prefixes(), deck.len()), (6, 6));
    let quote = deck.quote("447700900123", At::utc(0), 120).expect("a price");
    assert_eq!((quote.cost, &*quote.rate.destination), (Money(6), "to 4477009"));
}

#[test]
fn dates_and_hours_choose_among_the_rates_of_a_prefix() {
    let dated = |micros, from, until| Rate { validity: Validity { from, until }, ..rate("44", micros) };
    let night = Rate { hours: Hours::parse("20:00-08:00").ok(), ..rate("447", 9) };
    let later = Rate { validity: Validity { from: Some(5_000), until: None }, ..rate("4477", 8) };
    let deck = deck(&[
        dated(1, None, None),
        dated(2, Some(1_000), None),
        dated(3, Some(2_000), Some(3_000)),
        night,
        later,
    ]);
    check(&deck, "441", 999, Some(("44", 1)));
    check(&deck, "441", 1_000, Some(("44", 2)));
    check(&deck, "441", 2_500, Some(("44", 3)));
    check(&deck, "441", 3_000, Some(("44", 2)));
    // 1970-01-01 00:00 is night; at noon the shorter prefix holds. What does not hold yet does not hide it.
    check(&deck, "4477", 0, Some(("447", 9)));
    check(&deck, "4477", 4_999, Some(("447", 9)));
    check(&deck, "4477", 43_200, Some(("4477", 8)));
    check(&deck, "4475", 43_200, Some(("44", 2)));
}

#[test]
fn the_dearer_of_two_equal_rows_counts() {
    let minutes = Tariff { steps: Steps::MINUTE, ..Tariff::per_minute(Money(5)) };
    let deck =
        deck(&[rate("44", 5), rate("44", 7), rate("44", 6), Rate { tariff: minutes, ..rate("44", 0) }]);
    assert_eq!(deck.len(), 1);
    check(&deck, "44", 0, Some(("44", 7)));
}

#[test]
fn a_flat_deck_prices_all() {
    let deck = Deck::flat("landline", Currency::GBP, Tariff::default());
    check(&deck, "0", 0, Some(("0", 0)));
    check(&deck, "999", 0, Some(("9", 0)));
    assert!(Builder::new("none", Currency::EUR).build().find("44", At::utc(0)).is_none());
}

#[test]
fn a_large_deck_finds_what_a_naive_search_finds() {
    // All numbers of three to seven digits that a seed makes; some of them end early, some hold later.
    let mut seed = 7u32;
    let mut dice = move |n: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % n
    };
    let mut rates = std::collections::BTreeMap::new();
    while rates.len() < LARGE + 1_000 {
        let text = (100 + dice(9_000_000)).to_string();
        let until = (dice(3) == 0).then_some(100);
        rates.insert(text.clone(), Rate { validity: Validity { from: None, until }, ..rate(&text, 1) });
    }
    let deck = deck(&rates.values().cloned().collect::<Vec<_>>());
    assert!(!deck.jump.is_empty());
    assert!(deck.rates().map(|f| f.prefix.to_string()).eq(rates.keys().cloned()));
    for _ in 0..50_000 {
        let number = (100 + dice(90_000_000)).to_string();
        for now in [50, 150] {
            let holds = |n: &usize| rates.get(&number[..*n]).is_some_and(|r| r.validity.holds(now));
            let expected = (1..=number.len()).rev().find(holds).map(|n| number[..n].to_owned());
            assert_eq!(deck.find(&number, At::utc(now)).map(|f| f.prefix.to_string()), expected, "{number}");
        }
    }
}

proptest! {
    #[test]
    fn finds_what_a_naive_search_finds(
        rows in prop::collection::vec(("[1-3]{0,7}", 1i64..1000, prop::option::of(0i64..5), prop::option::of(5i64..9)), 0..60),
        numbers in prop::collection::vec("[1-3]{0,9}", 20),
        now in 0i64..10,
    ) {
        let rates: Vec<Rate> = rows
            .iter()
            .map(|(p, m, from, until)| Rate { validity: Validity { from: *from, until: *until }, ..rate(p, *m) })
            .collect();
        let deck = deck(&rates);
        for number in numbers {
            let best = rates
                .iter()
                .filter(|r| number.starts_with(&r.prefix.to_string()))
                .filter(|r| {
                    // Of the same prefix and date only the dearest exists.
                    !rates.iter().any(|o| {
                        o.prefix == r.prefix
                            && o.validity.from == r.validity.from
                            && o.tariff.per_minute > r.tariff.per_minute
                    })
                })
                .filter(|r| r.validity.holds(now))
                .max_by_key(|r| (r.prefix.len(), r.validity.from, r.tariff.per_minute));
            let found = deck.find(&number, At::utc(now));
            let ambiguous = best.is_some_and(|b| {
                rates.iter().any(|o| o.prefix == b.prefix && o.validity != b.validity && o.validity.from == b.validity.from)
            });
            if !ambiguous {
                prop_assert_eq!(
                    found.map(|f| (f.prefix, f.tariff().per_minute)),
                    best.map(|b| (b.prefix, b.tariff.per_minute)),
                    "{}", number
                );
            }
        }
    }

    #[test]
    fn any_text_may_be_looked_up(number in "\\PC*", unix in any::<i64>(), offset in any::<i32>()) {
        let _ = deck(&[rate("4", 1)]).find(&number, At { unix, offset });
    }
}
