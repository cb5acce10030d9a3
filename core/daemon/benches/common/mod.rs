//! An exchange with three gateways, each with a price list of 1,000,000 prefixes, and a script that asks for the cheapest.
#![allow(clippy::mod_module_files, reason = "a file of its own here would be a bench")]
#![allow(clippy::disallowed_methods, dead_code, reason = "a bench has a clock; each takes what it needs")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringtrip::rating::{ImportAsk, Rating};
use ringtrip::store::{Store, StoreOptions};
use ringtrip_exchange::route::{RouteQuery, WallTime};
use ringtrip_model::ids::CallId;
use ringtrip_model::party::{CallerId, Digits, Source};
use ringtrip_routing::router::Router;
use ringtrip_routing::{Engine, Limits, NoPlugins, Script};

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

pub struct Site {
    pub engine: Engine,
    pub rating: Rating,
    _store: Store,
    _dir: tempfile::TempDir,
}

impl Site {
    pub fn new() -> Site {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(StoreOptions::new(dir.path())).expect("a store");
        let (config, _) = ringtrip::config::read(CONFIG).expect("a good document");
        let config = Arc::new(config);
        let rating = Rating::open(config.clone(), dir.path(), &store, Box::new(|_| {}));
        for (seed, gateway) in ["gw1", "gw2", "gw3"].into_iter().enumerate() {
            import(&rating, gateway, &list(seed as u64));
        }
        let start = Instant::now();
        let clock = move || start.elapsed();
        let script = Script::compile("bench.rhai", SCRIPT, Limits::default(), BTreeMap::new(), clock);
        let scripts = BTreeMap::from([("bench.rhai".to_owned(), Arc::new(script.expect("a good script")))]);
        let prices = Arc::new(rating.clone());
        let engine = Engine::new(Router::new(config), Arc::new(scripts), Arc::new(NoPlugins), prices);
        Site { engine, rating, _store: store, _dir: dir }
    }
}

/// A million prefixes of seven digits, each with one of many prices.
pub fn list(seed: u64) -> String {
    let mut csv = String::from("prefix,destination,rate\n");
    for n in 0..1_000_000u64 {
        let price = (n.wrapping_mul(2_654_435_761).wrapping_add(seed * 7919) >> 7) % 5000;
        let _ = writeln!(csv, "{},Zone {},0.{:05}", 3_000_000 + n, n % 300, price + 1);
    }
    csv
}

/// Imports a list, as an operator does: read, compared with the deck before, written to the disk, activated.
pub fn import(rating: &Rating, gateway: &str, list: &str) -> Duration {
    let ask = ImportAsk { gateway: gateway.to_owned(), confirm: true, ..ImportAsk::default() };
    let begin = Instant::now();
    let view = rating.import(list.as_bytes(), &ask).expect("a good list");
    assert_eq!(view.rates, 1_000_000);
    begin.elapsed()
}

pub fn caller() -> Source {
    Source::Extension("201".parse().expect("a name"))
}

/// A call to a number that all decks have a price for, each time another.
pub fn query(n: u64) -> RouteQuery {
    RouteQuery {
        call: CallId(n),
        source: caller(),
        caller: CallerId::default(),
        dialled: Digits::new(&format!("00{}5550", 3_000_000 + n.wrapping_mul(7_368_787) % 1_000_000)),
        planned: None,
        at: WallTime {
            unix_micros: 1_790_000_000_000_000,
            year: 2026,
            month: 9,
            day: 21,
            hour: 14,
            minute: 13,
            weekday: 1,
        },
        pin: None,
        entered: None,
        user: String::new(),
        asked: false,
    }
}

/// A figure for the report: `cargo xtask bench` reads these lines.
pub fn figure(name: &str, value: f64, unit: &str) {
    println!("figure: {name} = {value:.3} {unit}");
}
