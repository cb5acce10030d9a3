//! What a policy costs a call: the budget is 25 µs for 30 lines.

#[path = "../../rating/benches/common/cpu.rs"]
mod cpu;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use cpu::Cpu;
use criterion::{Criterion, criterion_group};
use ringtrip_config::{Config, DemoSecrets, Gateway, Region};
use ringtrip_exchange::route::{Extras, Provenance, RoutePlan, RouteQuery, Verdict, WallTime};
use ringtrip_model::ids::CallId;
use ringtrip_model::party::{CallerId, Digits, Source};
use ringtrip_routing::router::{Facts, NoPrices, PolicyCall, Router};
use ringtrip_routing::{Engine, Library, Limits, NoPlugins, Pool, PrefixTable, Script};

const THIRTY_LINES: &str = r#"
fn premium() {
    ["09", "0871", "118", "070"]
}
fn night(c) {
    c.hour >= 23 || c.hour < 6
}
fn international(c) {
    switch lookup("countries", c.number) {
        "France" => try_in_order([to("gw0", "1833" + c.number), "gw1"]),
        "Spain" => to("gw2"),
        _ => try_in_order([ring("gw1", 40), ring("gw2", 40), to("gw0")]),
    }
}
fn route(c) {
    if c.source == "gateway" {
        return ring(["101", "201"], 25);
    }
    if starts_with_any(c.number, premium()) {
        return block("premium");
    }
    if night(c) && !c.number.starts_with("0800") {
        return block("closed at night");
    }
    if c.number.starts_with("00") {
        return international(c);
    }
    if c.number.starts_with("141") { withhold(); rewrite(c.number.sub_string(3)); }
    pass()
}
"#;

#[allow(clippy::disallowed_methods)]
fn policy(c: &mut Criterion<Cpu>) {
    let start = Instant::now();
    let clock = move || start.elapsed();
    // As many prefixes as a rate deck has.
    let deck: PrefixTable = (0..20_000).map(|i| (format!("00{i}"), "other".to_owned())).collect();
    let tables = || BTreeMap::from([("countries".to_owned(), deck.clone())]);
    let compile = || Script::compile("bench.rhai", THIRTY_LINES, Limits::default(), tables(), clock);
    let script = compile().expect("a good script");
    let call = |number: &str| PolicyCall {
        query: RouteQuery {
            call: CallId(1),
            source: Source::Extension("201".parse().expect("a name")),
            caller: CallerId::default(),
            dialled: Digits::new(number),
            planned: None,
            at: WallTime { hour: 12, ..WallTime::default() },
            pin: None,
            entered: None,
            user: String::new(),
            asked: false,
        },
        number: Digits::new(number),
        default: RoutePlan {
            verdict: Verdict::Stages(Vec::new()),
            provenance: Provenance::default(),
            extras: Extras::default(),
        },
        script: Some("bench.rhai".to_owned()),
        holiday: None,
        e164: None,
        facts: Facts::default(),
    };
    for (name, number) in [("pass", "01480123123"), ("block", "0901234"), ("three stages", "0012125551234")] {
        let call = call(number);
        c.bench_function(&format!("policy of 30 lines, {name}"), |b| b.iter(|| script.run(black_box(&call))));
    }
    c.bench_function("compile with engine", |b| b.iter(compile));
}

/// The whole decision: emergency, plan, script. The budgets are 5 µs for an internal call and 25 µs with a script.
#[allow(clippy::disallowed_methods)]
fn decision(c: &mut Criterion<Cpu>) {
    let start = Instant::now();
    let secrets = DemoSecrets { first: String::new(), second: String::new() };
    let mut config = Config::demo(Region::Uk, secrets);
    for id in ["gw1", "gw2"] {
        let server = "sip.example.com".parse().expect("a host");
        config.gateways.push(Gateway::new(id.parse().expect("a name"), server, "user"));
    }
    let query = |dialled: &str| RouteQuery {
        call: CallId(1),
        source: Source::Extension("201".parse().expect("a name")),
        caller: CallerId { number: "201".to_owned(), ..CallerId::default() },
        dialled: Digits::new(dialled),
        planned: None,
        at: WallTime { hour: 12, ..WallTime::default() },
        pin: None,
        entered: None,
        user: String::new(),
        asked: false,
    };
    let engine = |config: Config, library: Library| {
        let wanted: BTreeMap<String, String> =
            config.script_files().iter().map(|f| ((*f).to_owned(), (*f).to_owned())).collect();
        let clock = Arc::new(move || start.elapsed());
        let pool = Pool::compile(&library, &wanted, Limits::default(), clock).expect("a good script");
        let router = Router::new(Arc::new(config));
        Engine::new(router, pool.scripts(), Arc::new(NoPlugins), Arc::new(NoPrices))
    };
    let plain = engine(config.clone(), Library::shipped());
    for (name, number) in [("an extension", "202"), ("the landline", "01480123123")] {
        let query = query(number);
        let name = format!("decision without a script, {name}");
        c.bench_function(&name, |b| b.iter(|| plain.decide(black_box(query.clone()))));
    }
    config.script = Some("bench.rhai".to_owned());
    let scripted = engine(config, Library::shipped().with("bench.rhai", THIRTY_LINES));
    for (name, number) in
        [("an extension", "202"), ("the landline", "01480123123"), ("abroad", "0012125551234")]
    {
        let query = query(number);
        let decided = scripted.decide(query.clone());
        assert!(decided.events.is_empty(), "{decided:?}");
        let name = format!("decision with a script of 30 lines, {name}");
        c.bench_function(&name, |b| b.iter(|| scripted.decide(black_box(query.clone()))));
        c.bench_function(&format!("{name}, explained"), |b| {
            let explaining = scripted.explaining();
            b.iter(|| explaining.decide(black_box(query.clone())))
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(Cpu);
    targets = policy, decision
}

fn main() {
    // Decisions with a script are made on threads with such a stack.
    ringtrip_routing::script::on_deep_stack(benches);
    Criterion::default().configure_from_args().final_summary();
}
