use proptest::prelude::*;

use super::*;
use crate::bundle::Bundle;
use crate::deck::Builder;
use crate::prefix::PrefixSet;
use crate::quality::{self, FinishedCall, Outcome};
use crate::rate::{FOREVER, Steps, Tariff};
use crate::time::Hours;

const NOON: At = At::utc(43_200);

fn deck(name: &str, currency: Currency, rates: &[(&str, i64)]) -> Arc<Deck> {
    let mut builder = Builder::new(name, currency);
    for (prefix, micros) in rates {
        builder.add(&Rate::new(
            prefix.parse().expect("digits"),
            "somewhere",
            Tariff::per_minute(Money(*micros)),
        ));
    }
    Arc::new(builder.build())
}

fn least_cost() -> LeastCost {
    let mut least_cost = LeastCost::new(LeastCostSettings::default(), Quality::default(), Bundles::default());
    least_cost.set(Gateway::new("gw1", vec![deck("one", Currency::EUR, &[("44", 10_000), ("447", 30_000)])]));
    least_cost.set(Gateway::new("gw2", vec![deck("two", Currency::EUR, &[("44", 12_000), ("447", 20_000)])]));
    least_cost.set(Gateway::new("gw3", vec![deck("three", Currency::EUR, &[("447", 50_000), ("1", 1_000)])]));
    least_cost
}

fn ask(number: &str) -> LeastCostQuery<'_> {
    LeastCostQuery { number, at: NOON, candidates: Candidates::All, seconds: 180, budget: Budget::default() }
}

#[track_caller]
fn check(least_cost: &LeastCost, ask: LeastCostQuery, order: &[&str], rejected: &[(&str, &str)]) -> Ranking {
    let ranking = least_cost.rank(&ask);
    let names: Vec<&str> = ranking.offers.iter().map(|o| &*o.gateway).collect();
    assert_eq!(names, order, "{ranking:#?}");
    assert_eq!(ranking.rejected.len(), rejected.len(), "{ranking:#?}");
    for (r, (name, part)) in ranking.rejected.iter().zip(rejected) {
        assert!(&*r.gateway == *name && r.why.contains(part), "{}", r.why);
    }
    ranking
}

#[test]
fn the_cheapest_takes_the_call() {
    let none = ("gw3", "deck three has no price for 44123");
    let ranking = check(&least_cost(), ask("44123"), &["gw1", "gw2"], &[none]);
    let first = &ranking.offers[0];
    assert_eq!((first.cost, first.longest), (Money(30_000), FOREVER));
    assert_eq!(first.why, "gw1: 0.01 EUR/min by prefix 44 of deck one; 180 s cost 0.03 EUR");
    check(&least_cost(), ask("447123"), &["gw2", "gw1", "gw3"], &[]);
    check(&least_cost(), ask(""), &[], &[("gw1", "no price"), ("gw2", "no price"), ("gw3", "no price")]);
}

#[test]
fn only_candidates_are_asked() {
    let these = |names| LeastCostQuery { candidates: Candidates::These(names), ..ask("447123") };
    check(&least_cost(), these(&["gw3", "gw1", "gw3"]), &["gw1", "gw3"], &[]);
    check(&least_cost(), these(&["gw9"]), &[], &[("gw9", "no rate deck")]);
    check(&least_cost(), these(&[]), &[], &[]);
}

#[test]
fn full_and_dead_gateways_are_left_out() {
    let mut m = least_cost();
    m.gateway("gw2").expect("it is there").health = Health::Down("no answer to OPTIONS".into());
    let gw1 = m.gateway("gw1").expect("it is there");
    (gw1.most, gw1.busy) = (Some(2), 2);
    check(&m, ask("447123"), &["gw3"], &[("gw1", "2 of its 2 calls"), ("gw2", "no answer to OPTIONS")]);
    m.gateway("gw1").expect("it is there").busy = 1;
    m.gateway("gw2").expect("it is there").health = Health::Doubtful("slow".into());
    let ranking = check(&m, ask("447123"), &["gw1", "gw3", "gw2"], &[]);
    assert!(ranking.offers[2].why.contains("(slow)"));
    m.remove("gw1");
    m.gateway("gw3").expect("it is there").decks.clear();
    check(&m, ask("447123"), &["gw2"], &[("gw3", "no rate deck")]);
}

#[test]
fn whoever_names_a_gateway_learns_its_price_however_it_is() {
    let mut m = least_cost();
    m.gateway("gw1").expect("it is there").health = Health::Down("no answer".into());
    let full = m.gateway("gw2").expect("it is there");
    (full.most, full.busy) = (Some(1), 1);
    assert_eq!(m.quote("gw1", &ask("44123")).map(|o| o.cost), Some(Money(30_000)));
    assert_eq!(m.quote("gw2", &ask("44123")).map(|o| o.cost), Some(Money(36_000)));
    assert_eq!(m.quote("gw3", &ask("44123")), None);
    assert_eq!(m.quote("gw9", &ask("44123")), None);
}

#[test]
fn quality_decides_among_prices_that_are_about_the_same() {
    let mut m = least_cost();
    m.gateway("gw2").expect("it is there").decks = vec![deck("near", Currency::EUR, &[("44", 10_400)])];
    check(&m, ask("44123"), &["gw1", "gw2"], &[("gw3", "no price")]);
    for _ in 0..50 {
        let failed = FinishedCall { outcome: Outcome::Failed, post_dial_delay: None, impairments: None };
        m.quality.feed("gw1", "44123", NOON, failed);
    }
    let ranking = check(&m, ask("44123"), &["gw2", "gw1"], &[("gw3", "no price")]);
    assert!(ranking.offers[0].why.contains("not the cheapest by less than 5 %"), "{}", ranking.offers[0].why);
    m.settings.tolerance = 3;
    check(&m, ask("44123"), &["gw1", "gw2"], &[("gw3", "no price")]);
}

#[test]
fn a_bundle_is_used_first() {
    let mut m = least_cost();
    m.bundles = Bundles::new(vec![Bundle {
        name: "mobiles".into(),
        gateway: "gw3".into(),
        prefixes: PrefixSet::parse(["447"]).expect("digits"),
        seconds: 7_200,
        steps: Steps::SECOND,
    }]);
    let ranking = check(&m, ask("447123"), &["gw3", "gw2", "gw1"], &[]);
    assert_eq!((ranking.offers[0].cost, ranking.offers[0].price.free), (Money::ZERO, 7_200));
    assert!(ranking.offers[0].why.contains("bundle mobiles has 120 min left"), "{}", ranking.offers[0].why);
    // With one minute left, two of three minutes are paid for.
    m.bundles.reserve(1, "gw3", Prefix::leading("447"), NOON, 7_140);
    let ranking = check(&m, ask("447123"), &["gw2", "gw1", "gw3"], &[]);
    assert_eq!(ranking.offers[2].cost, Money(100_000));
}

#[test]
fn the_caller_s_budget_holds() {
    let minute = Budget { per_minute: Some(Money(25_000)), call: None };
    let dear = [("gw1", "0.03 EUR/min is more than the 0.025"), ("gw3", "0.05 EUR/min")];
    check(&least_cost(), LeastCostQuery { budget: minute, ..ask("447123") }, &["gw2"], &dear);
    let call = Budget { per_minute: None, call: Some(Money(90_000)) };
    let ranking = check(
        &least_cost(),
        LeastCostQuery { budget: call, ..ask("447123") },
        &["gw2", "gw1"],
        &[("gw3", "would cost 0.15 EUR")],
    );
    assert_eq!((ranking.offers[0].longest, ranking.offers[1].longest), (270, 180));
}

#[test]
fn other_currencies_are_compared_by_the_exchange_rate() {
    let mut m = least_cost();
    m.gateway("gw1").expect("it is there").decks = vec![deck("dollars", Currency::USD, &[("44", 12_000)])];
    check(&m, ask("44123"), &["gw2"], &[("gw1", "no exchange rate to EUR"), ("gw3", "no price")]);
    m.settings.exchange = vec![(Currency::USD, Money(900_000))];
    let ranking = check(&m, ask("44123"), &["gw1", "gw2"], &[("gw3", "no price")]);
    assert_eq!(ranking.offers[0].cost, Money(32_400));
    assert!(ranking.offers[0].why.contains("0.012 USD/min"), "{}", ranking.offers[0].why);
}

#[test]
fn the_hour_decides() {
    let mut builder = Builder::new("nights", Currency::EUR);
    let day = Rate::new(Prefix::leading("44"), "UK", Tariff::per_minute(Money(20_000)));
    let night = Tariff::per_minute(Money(5_000));
    builder.add(&day);
    builder.add(&Rate { tariff: night, hours: Hours::parse("20:00-06:00").ok(), ..day });
    let mut m = least_cost();
    m.gateway("gw2").expect("it is there").decks.push(Arc::new(builder.build()));
    m.gateway("gw2").expect("it is there").decks.remove(0);
    check(&m, ask("44123"), &["gw1", "gw2"], &[("gw3", "no price")]);
    check(&m, LeastCostQuery { at: At::utc(0), ..ask("44123") }, &["gw2", "gw1"], &[("gw3", "no price")]);
}

#[test]
fn the_deck_with_the_longest_prefix_prices() {
    let mut m = least_cost();
    let special = deck("special", Currency::EUR, &[("4470", 1_000)]);
    m.gateway("gw3").expect("it is there").decks.push(special);
    let ranking = check(&m, ask("4470"), &["gw3", "gw2", "gw1"], &[]);
    assert_eq!(&*ranking.offers[0].deck, "special");
}

proptest! {
    #[test]
    fn offers_are_in_order_and_nobody_is_lost(
        prices in prop::collection::vec((0i64..50_000, 0u32..3, 0usize..40), 1..8),
        tolerance in 0u32..30,
    ) {
        let mut m = LeastCost::new(LeastCostSettings { tolerance, ..LeastCostSettings::default() }, Quality::new(quality::QualitySettings::default()), Bundles::default());
        for (i, (price, busy, failures)) in prices.iter().enumerate() {
            let name = format!("gw{i}");
            let gateway = Gateway::new(&name, vec![deck(&name, Currency::EUR, &[("4", *price)])]);
            m.set(Gateway { most: Some(2), busy: *busy, ..gateway });
            for _ in 0..*failures {
                let failed = FinishedCall { outcome: Outcome::Failed, post_dial_delay: None, impairments: None };
                m.quality.feed(&name, "44", NOON, failed);
            }
        }
        let ranking = m.rank(&ask("44"));
        prop_assert_eq!(ranking.offers.len() + ranking.rejected.len(), prices.len());
        prop_assert_eq!(&ranking, &m.rank(&ask("44")));
        let cheapest = ranking.offers.iter().map(|o| o.cost).min();
        if let (Some(first), Some(cheapest)) = (ranking.offers.first(), cheapest) {
            prop_assert!(first.cost <= cheapest + cheapest.percent(tolerance));
        }
        for pair in ranking.offers.windows(2) {
            prop_assert!(pair[0].cost <= pair[1].cost + pair[1].cost.percent(tolerance));
        }
    }
}
