//! Ranking three gateways with decks of a million prefixes each, and what the brake costs with a thousand calls.

mod common;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::cpu::Cpu;
use criterion::{Criterion, criterion_group, criterion_main};
use ringtrip_rating::brake::{self, Brake, Key, Limit, Per, Which};
use ringtrip_rating::bundle::{Bundle, Bundles};
use ringtrip_rating::market::{Ask, Budget, Candidates, Gateway, Market, Settings};
use ringtrip_rating::money::Money;
use ringtrip_rating::prefix::PrefixSet;
use ringtrip_rating::quality::{Finished, Outcome, Quality};
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
    let mut market = Market::new(Settings::default(), Quality::default(), Bundles::new(vec![bundle]));
    let mut numbers = Vec::new();
    for (name, seed) in [("gw1", 7), ("gw2", 8), ("gw3", 9)] {
        let rates = common::rates(1_000_000, seed);
        market.set(Gateway::new(name, vec![Arc::new(common::deck(&format!("deck of {name}"), &rates))]));
        numbers.extend(common::numbers(&rates, 1 << 14, seed));
        for number in numbers.iter().take(10_000) {
            let call = Finished { outcome: Outcome::Reached, post_dial_delay: Some(1_500), heard: None };
            market.quality.feed(name, number, NOW, call);
        }
    }
    let mut place = 0;
    c.bench_function("rank three gateways with a million prefixes each", |b| {
        b.iter(|| {
            place = (place + 1) % numbers.len();
            black_box(market.rank(&Ask {
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
        Limit { extension: Which::Each, ..limit("extension a day", Per::Day) },
        Limit { gateway: Which::Each, ..limit("gateway an hour", Per::Hour) },
        limit("box a month", Per::Month),
    ];
    let mut brake = Brake::new(brake::Settings { limits, ..brake::Settings::default() });
    let begin = Instant::now();
    let mut out = Vec::new();
    let names: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
    let price = Tariff::per_minute(Money(12_000)).into();
    for (n, extension) in (0u64..).zip(&names) {
        let key = Key { call: n, leg: 1 };
        brake.admit(
            NOW,
            &brake::Ask { key, extension, gateway: "gw1", number: "447700900123", price },
            &mut out,
        );
        brake.answered(begin + Duration::from_millis(n), NOW, key, &mut out);
    }
    let key = Key { call: 5_000, leg: 1 };
    let ask = brake::Ask { key, extension: "101", gateway: "gw1", number: "447700900123", price };
    c.bench_function("admit, answer and end a call beside a thousand others", |b| {
        b.iter(|| {
            black_box(brake.admit(NOW, &ask, &mut out));
            brake.answered(begin, NOW, key, &mut out);
            brake.end(NOW, key, Money(600), &mut out);
            out.clear();
        })
    });
    let mut passed = Duration::ZERO;
    c.bench_function("a second of a thousand running calls", |b| {
        b.iter(|| {
            passed += Duration::from_secs(1);
            brake.count(begin + passed, NOW, &mut out);
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
