//! Ranking three gateways with decks of a million prefixes each, and what the spending limiter costs with a thousand calls.

mod common;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::cpu::Cpu;
use criterion::{Criterion, criterion_group, criterion_main};
use ringtrip_rating::bundle::{Bundle, Bundles};
use ringtrip_rating::least_cost::{
    Budget, Candidates, Gateway, LeastCost, LeastCostQuery, LeastCostSettings,
};
use ringtrip_rating::limiter::{self, AttemptKey, Limit, LimitScope, Per, SpendLimiter};
use ringtrip_rating::money::Money;
use ringtrip_rating::prefix::PrefixSet;
use ringtrip_rating::quality::{FinishedCall, Outcome, Quality};
use ringtrip_rating::rate::{Steps, Tariff};
use ringtrip_rating::time::At;

const NOW: At = At::utc(1_800_000_000);

fn ranking(c: &mut Criterion<Cpu>) {
    let bundle = Bundle {
        name: "home".into(),
        gateway: "gw2".into(),
        prefixes: PrefixSet::parse(["44", "49"]).expect("digits"),
        seconds: 60_000,
        steps: Steps::MINUTE,
    };
    let mut least_cost =
        LeastCost::new(LeastCostSettings::default(), Quality::default(), Bundles::new(vec![bundle]));
    let mut numbers = Vec::new();
    for (name, seed) in [("gw1", 7), ("gw2", 8), ("gw3", 9)] {
        let rates = common::rates(1_000_000, seed);
        least_cost.set(Gateway::new(name, vec![Arc::new(common::deck(&format!("deck of {name}"), &rates))]));
        numbers.extend(common::numbers(&rates, 1 << 14, seed));
        for number in numbers.iter().take(10_000) {
            let call =
                FinishedCall { outcome: Outcome::Reached, post_dial_delay: Some(1_500), impairments: None };
            least_cost.quality.feed(name, number, NOW, call);
        }
    }
    let mut place = 0;
    c.bench_function("rank three gateways with a million prefixes each", |b| {
        b.iter(|| {
            place = (place + 1) % numbers.len();
            black_box(least_cost.rank(&LeastCostQuery {
                number: &numbers[place],
                at: NOW,
                candidates: Candidates::All,
                seconds: 180,
                budget: Budget::default(),
            }))
        })
    });
}

#[allow(clippy::disallowed_methods)]
fn braking(c: &mut Criterion<Cpu>) {
    let limit = |name: &str, per| Limit::whole_box(name, Money::units(1_000_000), per);
    let limits = vec![
        Limit { extension: LimitScope::Each, ..limit("extension a day", Per::Day) },
        Limit { gateway: LimitScope::Each, ..limit("gateway an hour", Per::Hour) },
        limit("box a month", Per::Month),
    ];
    let mut limiter =
        SpendLimiter::new(limiter::LimiterSettings { limits, ..limiter::LimiterSettings::default() });
    let begin = Instant::now();
    let mut out = Vec::new();
    let names: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
    let price = Tariff::per_minute(Money(12_000)).into();
    for (n, extension) in (0u64..).zip(&names) {
        let key = AttemptKey { call: n, leg: 1 };
        limiter.admit(
            NOW,
            &limiter::SpendRequest { key, extension, gateway: "gw1", number: "447700900123", price },
            &mut out,
        );
        limiter.answered(begin + Duration::from_millis(n), NOW, key, &mut out);
    }
    let key = AttemptKey { call: 5_000, leg: 1 };
    let ask = limiter::SpendRequest { key, extension: "101", gateway: "gw1", number: "447700900123", price };
    c.bench_function("admit, answer and end a call beside a thousand others", |b| {
        b.iter(|| {
            black_box(limiter.admit(NOW, &ask, &mut out));
            limiter.answered(begin, NOW, key, &mut out);
            limiter.end(NOW, key, Money(600), &mut out);
            out.clear();
        })
    });
    let mut passed = Duration::ZERO;
    c.bench_function("a second of a thousand running calls", |b| {
        b.iter(|| {
            passed += Duration::from_secs(1);
            limiter.on_timeout(begin + passed, NOW, &mut out);
            out.clear();
        })
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(Cpu);
    targets = ranking, braking
}
criterion_main!(benches);
