//! What a key costs: the budget is 200 ns a step on the plan of eight alternatives.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ringtrip_dialplan::{Dialling, Matcher, Plan, Timers, star};
use ringtrip_model::party::{Digits, Key};

const EIGHT: &str = "(<*:**473*>xx.|<0044:0>xx.<:@gw0>|<0033:18330033>xx.<:@gw0>|00xx.|<#1:>xx.<:@gw0>\
|<#2:>[*x][*x].|<#3:1833>xx.<:@gw0>|xx.<:@gw0>)";

#[allow(clippy::disallowed_methods)]
fn dialplan(c: &mut Criterion) {
    let now = Instant::now();
    let codes: Vec<Digits> = star::SPA3102.iter().map(|s| Digits::new(s.code)).collect();
    let dialling = Dialling::default();
    let keys: Vec<Key> = "00441480123123".chars().filter_map(Key::new).collect();
    let eight = Arc::new(Plan::parse(EIGHT).expect("a good plan"));
    let starred = Arc::new(Plan::parse(EIGHT).expect("a good plan").with_star_codes(&codes));
    for (name, plan) in [("8 alternatives", &eight), ("8 alternatives and 48 star codes", &starred)] {
        let lifted = || Matcher::new(Arc::clone(plan), &dialling, Timers::default(), now);
        // Fourteen keys at once, so that the clock's own cost does not count: divide by 14.
        c.bench_function(&format!("fourteen keys, {name}"), |b| {
            b.iter_batched_ref(
                lifted,
                |matcher| {
                    for key in &keys {
                        black_box(matcher.key(now, *key));
                    }
                },
                BatchSize::SmallInput,
            );
        });
    }
    let whole = Digits::new("00441480123123");
    c.bench_function("whole number, 8 alternatives", |b| {
        b.iter(|| eight.whole(black_box(&whole), &dialling))
    });
    c.bench_function("parse, 8 alternatives", |b| b.iter(|| Plan::parse(black_box(EIGHT))));
}

criterion_group!(benches, dialplan);
criterion_main!(benches);
