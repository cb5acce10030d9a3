//! A whole decision with least-cost choice: plan, a script that asks for the three cheapest gateways, and three decks of
//! 1,000,000 prefixes each. The budget is 30 µs. And what a limit adds before the call is placed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use ringtrip::money::{ImportAsk, Money};
use ringtrip::store::{Store, StoreOptions};
use ringtrip_host::{Engine, Limits, NoPlugins, Script};
use ringtrip_switch::ids::CallId;
use ringtrip_switch::party::{CallerId, Digits, Source};
use ringtrip_switch::route::{RouteQuery, Verdict, WallTime};
use ringtrip_switch::router::Router;

const CONFIG: &str = r#"
region = "uk"
script = "bench.rhai"
[plans]
home = "([12]0xS0|00xx.<:@gw1>|0xx.<:@gw1>)"
[extension.201]
password = "made-up"
[gateway.gw1]
server = "192.0.2.1"
user = "u"
[gateway.gw2]
server = "192.0.2.2"
user = "u"
[gateway.gw3]
server = "192.0.2.3"
user = "u"
[[money.limit]]
extension = "each"
per = "day"
amount = "1000"
"#;

const SCRIPT: &str = "fn route(c) { if c.source == \"gateway\" { return pass(); } cheapest(3) }";

/// A million prefixes of seven digits after 44 and others, each with one of many prices.
fn deck(seed: u64) -> String {
    let mut csv = String::from("prefix,destination,rate\n");
    for n in 0..1_000_000u64 {
        let price = (n.wrapping_mul(2_654_435_761).wrapping_add(seed * 7919) >> 7) % 5000;
        let _ = writeln!(csv, "{},Zone {},0.{:05}", 3_000_000 + n, n % 300, price + 1);
    }
    csv
}

#[allow(clippy::disallowed_methods)]
fn least_cost(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(StoreOptions::new(dir.path())).expect("a store");
    let (config, _) = ringtrip::config::read(CONFIG).expect("a good document");
    let config = Arc::new(config);
    let money = Money::open(config.clone(), dir.path(), &store, Box::new(|_| {}));
    for (seed, gateway) in ["gw1", "gw2", "gw3"].into_iter().enumerate() {
        let ask = ImportAsk { gateway: gateway.to_owned(), confirm: true, ..ImportAsk::default() };
        let file = deck(seed as u64);
        let begin = Instant::now();
        let view = money.import(file.as_bytes(), &ask).expect("a good list");
        println!("{gateway}: {} rates imported, compared and written in {:?}", view.rates, begin.elapsed());
    }
    let start = Instant::now();
    let clock = move || start.elapsed();
    let script = Script::compile("bench.rhai", SCRIPT, Limits::default(), BTreeMap::new(), clock);
    let scripts = BTreeMap::from([("bench.rhai".to_owned(), Arc::new(script.expect("a good script")))]);
    let router = Router::new(config);
    let engine = Engine::new(router, Arc::new(scripts), Arc::new(NoPlugins), Arc::new(money.clone()));
    let source = || Source::Extension("201".parse().expect("a name"));
    let at = WallTime {
        unix_micros: 1_790_000_000_000_000,
        year: 2026,
        month: 9,
        day: 21,
        hour: 14,
        minute: 13,
        weekday: 1,
    };
    let query = |n: u64| RouteQuery {
        call: CallId(n),
        source: source(),
        caller: CallerId::default(),
        dialled: Digits::new(&format!("00{}5550", 3_000_000 + n.wrapping_mul(7_368_787) % 1_000_000)),
        planned: None,
        at,
        pin: None,
        entered: None,
        user: String::new(),
        asked: false,
    };
    let decided = engine.decide(query(1)).plan;
    assert!(matches!(&decided.verdict, Verdict::Stages(s) if s.len() == 3), "{decided:?}");
    let mut n = 0;
    c.bench_function("decision with the 3 cheapest of 3 decks of 1M prefixes", |b| {
        b.iter(|| {
            n += 1;
            black_box(engine.decide(query(n)))
        })
    });
    let (file, importer) = (deck(9), money.clone());
    let import = std::thread::spawn(move || {
        let ask = ImportAsk { gateway: "gw1".to_owned(), confirm: true, ..ImportAsk::default() };
        importer.import(file.as_bytes(), &ask).is_ok()
    });
    let mut took = Vec::new();
    while !import.is_finished() {
        n += 1;
        let begin = Instant::now();
        black_box(engine.decide(query(n)));
        took.push(begin.elapsed());
    }
    took.sort_unstable();
    assert!(import.join().is_ok_and(|imported| imported));
    println!(
        "while 1M rates were imported: {} decisions, the slowest of 1,000 {:?}, the slowest of all {:?}",
        took.len(),
        took[took.len() * 999 / 1000],
        took[took.len() - 1]
    );
    let plan = engine.decide(query(7)).plan;
    c.bench_function("limits looked at, and given back", |b| {
        b.iter(|| {
            let mut plan = plan.clone();
            n += 1;
            black_box(money.routed(CallId(n), &source(), &mut plan));
            money.gone(CallId(n));
        })
    });
}

criterion_group!(benches, least_cost);
criterion_main!(benches);
