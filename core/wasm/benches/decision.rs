//! A decision by a Wasm plugin, warm: a fresh instance, the call handed over, the answer read and checked. The budget is
//! 60 µs. Measured with the guests that are shipped, built from Rust, and with one of a few instructions, which is what the
//! host costs alone. And what a loaded plugin costs in memory.
//!
//! The guests are those of `cargo xtask plugins`, in `target/plugins` or in the folder `RINGTRIP_PLUGINS`.

#[path = "../../rating/benches/common/cpu.rs"]
mod cpu;
#[path = "../tests/guests/mod.rs"]
mod guests;

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use cpu::Cpu;
use criterion::{Criterion, criterion_group, criterion_main};
use guests::{ONE_STAGE, call, compiler, load, policy, runtime, verdict};
use ringtrip_config::{Config, DemoSecrets, Region};
use ringtrip_exchange::route::{self, RouteQuery};
use ringtrip_model::ids::CallId;
use ringtrip_model::party::{self, Digits, Source};
use ringtrip_routing::Engine;
use ringtrip_routing::router::{NoPrices, Router};
use ringtrip_wasm::contract::{Call, Origin, Verdict};
use ringtrip_wasm::package::manifest::Manifest;
use ringtrip_wasm::{HostServices, Plugin, PluginSet, Runtime};

/// A component of this repository with what its package says.
struct Guest {
    name: &'static str,
    wasm: Vec<u8>,
    manifest: Manifest,
}

fn decision(c: &mut Criterion<Cpu>) {
    let pass = load(&policy("", "(i32.const 1024)")).expect("it loads");
    let stage = load(&policy("", &format!("{ONE_STAGE} {}", verdict(1, 2000, 1)))).expect("it loads");
    let call = call();
    c.bench_function("wasm, a few instructions, no opinion", |b| b.iter(|| pass.route(&call)));
    c.bench_function("wasm, a few instructions, one stage", |b| b.iter(|| stage.route(&call)));
    if let (Some(quiet), Some(card)) = (Guest::find("policy-quiet-hours"), Guest::find("gateway-callingcard"))
    {
        policies(c, &quiet);
        gateways(c, &card);
    }
    memory();
}

/// The policy that keeps nights quiet.
fn policies(c: &mut Criterion<Cpu>, guest: &Guest) {
    let plugin = guest.load(runtime(), &[("exceptions", "+441632960123, 01632*")]);
    let night = Call { origin: Origin::Gateway, default_route: Some("101".to_owned()), ..call() };
    let mut day = night.clone();
    day.at.hour = 12;
    let verdict = |call: &Call| plugin.route(call).expect("it answers").verdict;
    assert!(matches!((verdict(&night), verdict(&day)), (Verdict::Refuse(_), Verdict::Pass)));
    c.bench_function("policy-quiet-hours, refuses", |b| b.iter(|| plugin.route(black_box(&night))));
    c.bench_function("policy-quiet-hours, no opinion", |b| b.iter(|| plugin.route(black_box(&day))));

    let secrets = DemoSecrets { first: String::new(), second: String::new() };
    let router = Router::new(Arc::new(Config::demo(Region::Uk, secrets)));
    let scripts = Arc::new(BTreeMap::new());
    let engine = Engine::new(router, scripts, Arc::new(PluginSet::of([plugin])), Arc::new(NoPrices));
    let query = RouteQuery {
        call: CallId(1),
        source: Source::Extension("201".parse().expect("a name")),
        caller: party::CallerId { number: "201".to_owned(), ..party::CallerId::default() },
        dialled: Digits::new("202"),
        planned: None,
        at: route::WallTime { hour: 12, weekday: 3, ..route::WallTime::default() },
        pin: None,
        entered: None,
        user: String::new(),
        asked: false,
    };
    let decided = engine.decide(query.clone());
    let asked = |s: &route::Step| s.kind == route::StepKind::Plugin;
    assert!(decided.events.is_empty() && decided.plan.provenance.steps.iter().any(asked), "{decided:?}");
    c.bench_function("decision with policy-quiet-hours", |b| {
        b.iter(|| engine.decide(black_box(query.clone())))
    });
}

/// The gateway that is a calling card.
fn gateways(c: &mut Criterion<Cpu>, guest: &Guest) {
    let plugin = guest.load(runtime(), &[("access", "0800 123456"), ("pin", "4711")]);
    let call = call();
    assert_eq!(plugin.prepare(&call).expect("it answers").number, "0800123456");
    c.bench_function("gateway-callingcard, prepares", |b| b.iter(|| plugin.prepare(black_box(&call))));
}

/// Loads each guest many times, as the exchange does at its start: from the cache of compiled plugins.
fn memory() {
    const MANY: usize = 16;
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = Runtime::new(Some(folder.path()), compiler()).expect("a runtime");
    let small = Guest {
        name: "a plugin of a few instructions",
        wasm: policy("", "(i32.const 1024)"),
        manifest: guests::manifest("\"policy\""),
    };
    let shipped = ["policy-quiet-hours", "gateway-callingcard", "gateway-enum"].into_iter();
    for guest in shipped.filter_map(Guest::find).chain([small]) {
        // The first one compiles, and asks the system for what stays.
        let first = guest.load(&runtime, &[]);
        guest.ask(&first);
        let before = resident();
        let loaded: Vec<Plugin> = (0..MANY).map(|_| guest.load(&runtime, &[])).collect();
        let there = resident();
        loaded.iter().for_each(|plugin| guest.ask(plugin));
        let asked = resident();
        let kib = |after: u64| after.saturating_sub(before) as f64 / MANY as f64;
        println!("figure: memory of {} = {:.1} KiB", guest.name, kib(asked));
        println!("  {:.1} KiB before a question, component {} octets", kib(there), guest.wasm.len());
    }
}

impl Guest {
    /// The guest of this name, if it was built.
    fn find(name: &'static str) -> Option<Guest> {
        let workspace = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let built = std::env::var_os("RINGTRIP_PLUGINS").map(PathBuf::from);
        let file = built.unwrap_or_else(|| workspace.join("target/plugins")).join(format!("{name}.wasm"));
        let Ok(wasm) = fs::read(&file) else {
            println!("left out: {} is not there; `cargo xtask plugins` makes it", file.display());
            return None;
        };
        let text = fs::read_to_string(workspace.join("plugins/wasm").join(name).join("plugin.toml"));
        let manifest = Manifest::read(&text.expect("a guest has a plugin.toml")).expect("a good plugin.toml");
        Some(Guest { name, wasm, manifest })
    }

    /// Loaded with these settings, and with all that it asks for granted.
    fn load(&self, runtime: &Runtime, settings: &[(&str, &str)]) -> Plugin {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let settings = self.manifest.values(&settings).expect("good settings");
        let grants = self.manifest.asked().cloned().collect();
        let services = HostServices::default();
        Plugin::load(runtime, &self.wasm, &self.manifest, grants, settings, services).expect("it loads")
    }

    /// Asks it something; a gateway without settings declines, which is an answer too.
    fn ask(&self, plugin: &Plugin) {
        let call = call();
        let fault = match self.name.starts_with("gateway") {
            true => plugin.prepare(&call).err().filter(|fault| fault.is_misbehaviour()),
            false => plugin.route(&call).err(),
        };
        assert!(fault.is_none(), "{}: {fault:?}", self.name);
    }
}

/// Resident memory of this process, KiB.
fn resident() -> u64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or_default()
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(Cpu);
    targets = decision
}
criterion_main!(benches);
