//! A whole decision with least-cost choice: plan, a script that asks for the three cheapest gateways, and three decks of
//! 1,000,000 prefixes each. The budget is 30 µs; with each line noted, for `route explain`, 2 ms. And what a limit adds
//! before the call is placed.

mod common;
#[path = "../../rating/benches/common/cpu.rs"]
mod cpu;

use std::hint::black_box;

use common::{Site, caller, figure, import, list, query};
use cpu::Cpu;
use criterion::{Criterion, criterion_group};
use ringtrip_exchange::rating::RatingInput;
use ringtrip_exchange::route::Verdict;
use ringtrip_model::ids::CallId;

fn least_cost(c: &mut Criterion<Cpu>) {
    let Site { engine, rating, .. } = &Site::new();
    // Two lists in turn: each import changes the prices.
    let lists = [list(8), list(9)];
    let mut imports: Vec<_> = (0..5).map(|n| import(rating, "gw1", &lists[n % 2])).collect();
    imports.sort_unstable();
    figure("import, compared, written and active", 1e6 / imports[2].as_secs_f64(), "rows/s");
    let decided = engine.decide(query(1)).plan;
    assert!(matches!(&decided.verdict, Verdict::Stages(s) if s.len() == 3), "{decided:?}");
    let mut n = 0;
    c.bench_function("decision with the 3 cheapest of 3 decks of 1M prefixes", |b| {
        b.iter(|| {
            n += 1;
            black_box(engine.decide(query(n)))
        })
    });
    let explaining = engine.explaining();
    c.bench_function("decision with the 3 cheapest of 3 decks of 1M prefixes, explained", |b| {
        b.iter(|| {
            n += 1;
            black_box(explaining.decide(query(n)))
        })
    });
    let plan = engine.decide(query(7)).plan;
    c.bench_function("limits looked at, and given back", |b| {
        b.iter(|| {
            let mut plan = plan.clone();
            n += 1;
            black_box(rating.routed(CallId(n), &caller(), &mut plan));
            black_box(rating.on(RatingInput::Gone { call: CallId(n) }));
        })
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(Cpu);
    targets = least_cost
}

fn main() {
    // Decisions with a script are made on threads with such a stack.
    ringtrip_routing::script::on_deep_stack(benches);
    Criterion::default().configure_from_args().final_summary();
}
