//! How many call records a replay looks at in a second: the budget is 20,000, each through what runs and through a draft.

#[path = "../../rating/benches/common/cpu.rs"]
mod cpu;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use cpu::Cpu;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringtrip_config::{Config, Extension, Gateway};
use ringtrip_dialplan::Plan;
use ringtrip_exchange::route::WallTime;
use ringtrip_model::ids::CallId;
use ringtrip_model::party::{CallerId, Digits, Source};
use ringtrip_routing::replay::{PastCall, replay};
use ringtrip_routing::router::{NoPrices, Router};
use ringtrip_routing::{Engine, Limits, NoPlugins, Script};

const SCRIPT: &str = r#"
fn night(c) {
    c.hour >= 23 || c.hour < 6
}
fn route(c) {
    if ["999", "112"].contains(c.number) { return pass(); }
    if c.source == "gateway" { return ring(["101", "102"], 25); }
    if starts_with_any(c.number, ["09", "0871", "118", "070"]) { return block("premium"); }
    if night(c) && !c.number.starts_with("0800") { return block("closed at night"); }
    if c.number.starts_with("00") { return try_in_order([ring("gw1", 40), ring("gw2", 40)]); }
    if c.number.starts_with("141") { withhold(); rewrite(c.number.sub_string(3)); }
    pass()
}
"#;

const CALLS: u64 = 1000;

#[allow(clippy::disallowed_methods)]
fn engine(script: bool) -> Engine {
    let mut config = Config::default();
    for id in ["101", "102", "201"] {
        config.extensions.push(Extension::new(id.parse().expect("a name")));
    }
    for id in ["gw1", "gw2"] {
        let server = "sip.example.com".parse().expect("a host");
        config.gateways.push(Gateway::new(id.parse().expect("a name"), server, "user"));
    }
    let plan = "([12]0xS0|999S0|112S0|00xx.<:@gw1>|09xx.<:@gw1>|01480xxxxxxS0<:@gw2>|0xx.<:@gw1>|<:01480>[2-8]xxxxxS0<:@gw2>)";
    config.plans.insert("home".to_owned(), Arc::new(Plan::parse(plan).expect("a plan")));
    let mut scripts = BTreeMap::new();
    if script {
        config.script = Some("bench.rhai".to_owned());
        let start = Instant::now();
        let compiled = Script::compile("bench.rhai", SCRIPT, Limits::default(), BTreeMap::new(), move || {
            start.elapsed()
        });
        scripts.insert("bench.rhai".to_owned(), Arc::new(compiled.expect("a good script")));
    }
    Engine::new(Router::new(Arc::new(config)), Arc::new(scripts), Arc::new(NoPlugins), Arc::new(NoPrices))
}

fn past() -> Vec<PastCall> {
    let numbers =
        ["102", "0033123456789", "07700900123", "01480123456", "234567", "0901234567", "999", "0800123456"];
    let call = |n: u64| PastCall {
        call: CallId(n),
        source: Source::Extension("101".parse().expect("a name")),
        caller: CallerId { number: "101".to_owned(), ..CallerId::default() },
        dialled: Digits::new(numbers[(n % 8) as usize]),
        at: WallTime { hour: (n % 24) as u8, weekday: 1, ..WallTime::default() },
        pin: None,
        talked: Some(60),
    };
    (0..CALLS).map(call).collect()
}

fn replays(c: &mut Criterion<Cpu>) {
    let (plain, scripted) = (engine(false), engine(true));
    let calls = past();
    let mut group = c.benchmark_group("replay");
    group.throughput(Throughput::Elements(CALLS));
    group.bench_function("plan against plan", |b| {
        b.iter(|| black_box(replay(calls.iter().cloned(), &plain, &plain, || true)));
    });
    group.bench_function("script against script", |b| {
        b.iter(|| black_box(replay(calls.iter().cloned(), &scripted, &scripted, || true)));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(Cpu);
    targets = replays
}
criterion_main!(benches);
