use std::collections::BTreeMap;
use std::sync::Arc;

use crate::router::{NoPrices, Prices, RankQuery, Ranking, Router};
use ringtrip_config::{Config, Extension, Gateway};
use ringtrip_dialplan::Plan;
use ringtrip_model::ids::GatewayId;
use ringtrip_rating::money::Money;
use ringtrip_rating::rate::Tariff;

use super::*;
use crate::plugins::NoPlugins;

/// gw1 costs 6 cents a minute, gw2 1.
#[derive(Debug)]
struct TwoPrices;

impl Prices for TwoPrices {
    fn rank(&self, _: &RankQuery<'_>) -> Ranking {
        Ranking::default()
    }

    fn quote(&self, gateway: &GatewayId, number: &str, _: &WallTime) -> Option<Arc<Quote>> {
        let per_minute = match gateway.as_str() {
            "gw1" => 60_000,
            "gw2" => 10_000,
            _ => return None,
        };
        Some(Arc::new(Quote {
            deck: "test".to_owned(),
            prefix: number.chars().take(2).collect(),
            destination: String::new(),
            currency: "GBP".to_owned(),
            per_minute,
            estimate: per_minute,
            price: Tariff::per_minute(Money(per_minute)).into(),
            why: String::new(),
        }))
    }
}

fn engine(plan: &str, prices: Arc<dyn Prices>) -> Engine {
    let mut config = Config { region: ringtrip_config::Region::Uk, ..Config::default() };
    config.emergency.country = ringtrip_config::Country::GB;
    config.numbering = ringtrip_config::Numbering::of(config.region);
    config.extensions.push(Extension::new("101".parse().unwrap()));
    for id in ["gw1", "gw2"] {
        config.gateways.push(Gateway::new(id.parse().unwrap(), "sip.example.com".parse().unwrap(), "user"));
    }
    config.plans.insert("home".to_owned(), Arc::new(Plan::parse(plan).unwrap()));
    let scripts = Arc::new(BTreeMap::new());
    Engine::new(Router::new(Arc::new(config)), scripts, Arc::new(NoPlugins), prices)
}

fn past(n: u64, dialled: &str, talked: Option<u32>) -> PastCall {
    PastCall {
        call: CallId(n),
        source: Source::Extension("101".parse().unwrap()),
        caller: CallerId::default(),
        dialled: Digits::new(dialled),
        at: WallTime::default(),
        pin: None,
        talked,
    }
}

#[test]
fn a_replay_says_what_changes_and_what_it_costs() {
    let prices: Arc<dyn Prices> = Arc::new(TwoPrices);
    let live = engine("(00xx.<:@gw1>|07xx.<:@gw1>|101|09xx.<:@gw1>)", prices.clone());
    let draft = engine("(00xx.<:@gw2>|07xx.<:@gw1>|101|05xx.<:@gw1>)", prices);
    let calls = [
        past(1, "0033123456789", Some(120)),
        past(2, "07700900123", Some(60)),
        past(3, "101", None),
        past(4, "0901234567", None),
        past(5, "0501234567", None),
        past(6, "999", None),
    ];
    let found = replay(calls, &live, &draft, || true);
    assert_eq!((found.calls, found.same, found.changed), (6, 3, 1));
    assert_eq!((found.newly_refused, found.newly_routed, found.emergency_changed), (1, 1, 0));
    let price = Price { currency: "GBP".to_owned(), before: 180_000, after: 80_000 };
    assert_eq!(found.prices, [price]);
    assert_eq!(found.list[0].dearer, Some(-100_000));
    assert_eq!(found.list[0].after, "gw2 0033123456789");
    assert!(found.list[1].after.starts_with("refused"), "{}", found.list[1].after);
}

#[test]
fn the_list_is_bounded_and_the_sums_are_not() {
    let live = engine("(0xx.<:@gw1>)", Arc::new(NoPrices));
    let draft = engine("(0xx.<:@gw2>)", Arc::new(NoPrices));
    let calls = (0..1000).map(|n| past(n, "0123456", None));
    let found = replay(calls, &live, &draft, || true);
    assert_eq!((found.changed, found.list.len(), found.cut), (1000, LISTED, true));
    let mut left = 10;
    let calls = (0..1000).map(|n| past(n, "0123456", None));
    let found = replay(calls, &live, &draft, || {
        left -= 1;
        left >= 0
    });
    assert_eq!((found.calls, found.cut), (10, true));
}
