//! A box with plugins, for the tests of what is installed.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use ringtrip_exchange::route::{RoutePlan, RouteQuery, WallTime};
use ringtrip_model::event::Event;
use ringtrip_model::ids::{CallId, LineId};
use ringtrip_model::party::{CallerId, Digits, Source};
use ringtrip_routing::Plugins;
use ringtrip_routing::router::{PolicyAnswer, PolicyCall, PolicyVerdict};
use ringtrip_wasm::host::NoDns;
use ringtrip_wasm::installed::{Installed, Options};
use ringtrip_wasm::package::Package;
use ringtrip_wasm::package::key::{PublicKey, SecretKey};

use crate::guests::{compiler, policy, verdict};

pub const REFUSES: (u32, u32, u32) = (2, 110, 17);

/// An exchange with plugins, and the events of them.
pub struct Bench {
    pub folder: tempfile::TempDir,
    pub key: SecretKey,
    pub events: Arc<Mutex<Vec<Event>>>,
}

impl Bench {
    pub fn new() -> Bench {
        Bench { folder: tempfile::tempdir().unwrap(), key: SecretKey::new(), events: Arc::default() }
    }

    pub fn open(&self, developer: bool) -> Installed {
        self.open_with(developer, vec![self.key.public()])
    }

    pub fn open_with(&self, developer: bool, trust: Vec<PublicKey>) -> Installed {
        let events = self.events.clone();
        Installed::open(Options {
            folder: self.folder.path().join("plugins"),
            compiler: compiler(),
            developer,
            trust,
            dns: Arc::new(NoDns),
            tell: Arc::new(move |event| events.lock().unwrap().push(event)),
            prices: Arc::new(|_, _| {}),
        })
        .unwrap()
    }

    pub fn events(&self) -> Vec<String> {
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        let said = |event: &Event| {
            let (name, fields) = event.describe();
            let last = fields.last().map(|(_, field)| format!("{field:?}")).unwrap_or_default();
            format!("{name} {last}")
        };
        events.iter().map(said).collect()
    }

    /// All files but the cache's, with their contents.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        fn walk(folder: &Path, into: &mut BTreeMap<String, Vec<u8>>) {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    walk(&path, into);
                } else if !path.display().to_string().contains("/cache/") {
                    into.insert(path.display().to_string(), fs::read(&path).unwrap());
                }
            }
        }
        let mut files = BTreeMap::new();
        walk(self.folder.path(), &mut files);
        files
    }
}

pub fn toml(version: &str, rest: &str) -> String {
    format!("name = \"test\"\nversion = \"{version}\"\nworlds = [\"policy\"]\nlicence = \"MIT\"\n{rest}")
}

pub fn package(version: &str, rest: &str, (tag, at, len): (u32, u32, u32)) -> Package {
    Package::new(&toml(version, rest), policy("", &verdict(tag, at, len)), None).unwrap()
}

fn question() -> PolicyCall {
    let line: LineId = "fxs1".parse().unwrap();
    PolicyCall {
        query: RouteQuery {
            call: CallId(1),
            source: Source::Line(line),
            caller: CallerId::default(),
            dialled: Digits::new("123"),
            planned: None,
            at: WallTime::default(),
            pin: None,
            entered: None,
            user: String::new(),
            asked: Default::default(),
        },
        number: Digits::new("123"),
        default: RoutePlan {
            verdict: ringtrip_exchange::route::Verdict::Stages(Vec::new()),
            provenance: Default::default(),
            extras: Default::default(),
        },
        script: None,
        holiday: None,
        e164: None,
        facts: Default::default(),
    }
}

pub fn asked(plugins: &dyn Plugins) -> Vec<(String, Result<PolicyAnswer, String>)> {
    plugins.route(&question()).into_iter().map(|said| (said.plugin, said.answer)).collect()
}

/// A plugin that refuses with what it finds under "gw1", then keeps "no calls at night" there.
pub fn remembers(version: &str) -> Package {
    let imports = r#"
        (import "ringtrip:plugin/store@0.1.0" "set" (func $set (param i32 i32 i32 i32) (result i32)))
        (import "ringtrip:plugin/store@0.1.0" "get" (func $get (param i32 i32 i32)))"#;
    let body = "(call $get (i32.const 100) (i32.const 3) (i32.const 4020)) \
        (drop (call $set (i32.const 100) (i32.const 3) (i32.const 110) (i32.const 17))) \
        (if (i32.eqz (i32.load8_u (i32.const 4020))) (then (return (i32.const 1024)))) \
        (i32.store8 (i32.const 1024) (i32.const 2)) \
        (i32.store (i32.const 1028) (i32.load (i32.const 4024))) \
        (i32.store (i32.const 1032) (i32.load (i32.const 4028))) (i32.const 1024)";
    let grant = "[[grants]]\ngrant = \"store\"\nwhy = \"Remembers.\"\n";
    Package::new(&toml(version, grant), policy(imports, body), None).unwrap()
}

/// Has the first plugin no opinion?
pub fn passes(plugins: &dyn Plugins) -> bool {
    matches!(&asked(plugins)[0].1, Ok(answer) if answer.verdict == PolicyVerdict::Pass)
}
