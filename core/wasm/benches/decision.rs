//! A decision by a Wasm policy, warm: a fresh instance, the call handed over, the answer read and checked.

#[path = "../tests/guests/mod.rs"]
mod guests;

use criterion::{Criterion, criterion_group, criterion_main};
use guests::{ONE_STAGE, call, load, policy, verdict};

fn decision(c: &mut Criterion) {
    let pass = load(&policy("", "(i32.const 1024)")).expect("it loads");
    let stage = load(&policy("", &format!("{ONE_STAGE} {}", verdict(1, 2000, 1)))).expect("it loads");
    let call = call();
    c.bench_function("wasm policy, no opinion", |b| b.iter(|| pass.route(&call)));
    c.bench_function("wasm policy, one stage", |b| b.iter(|| stage.route(&call)));
}

criterion_group!(benches, decision);
criterion_main!(benches);
