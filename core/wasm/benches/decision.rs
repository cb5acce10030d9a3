//! A decision by a Wasm policy, warm: a fresh instance, the call handed over, the answer read and checked. And what a
//! loaded plugin costs in memory.

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
    memory();
}

/// Loads many plugins, each another component, and asks each once.
fn memory() {
    const MANY: u64 = 64;
    let call = call();
    let wasm: Vec<Vec<u8>> =
        (0..MANY).map(|n| policy("", &format!("(drop (i32.const {n})) (i32.const 1024)"))).collect();
    let before = resident();
    let loaded: Vec<_> = wasm.iter().map(|wasm| load(wasm).expect("it loads")).collect();
    let after = resident();
    for plugin in &loaded {
        plugin.route(&call).expect("it answers");
    }
    let asked = resident();
    println!(
        "memory: {} KiB a loaded plugin, {} KiB after a question",
        (after - before) / MANY,
        (asked - before) / MANY
    );
    if let Some(file) = std::env::var_os("RINGTRIP_PLUGIN") {
        let wasm = std::fs::read(&file).expect("a component");
        let before = resident();
        let plugin = load(&wasm).expect("it loads");
        let after = resident();
        let answer = plugin.route(&call);
        let kib = resident() - before;
        println!(
            "memory of {}: {} KiB, {kib} KiB after a question ({answer:?})",
            file.display(),
            after - before
        );
    }
}

/// Resident memory of this process, KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or_default()
}

criterion_group!(benches, decision);
criterion_main!(benches);
