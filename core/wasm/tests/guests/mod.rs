//! Small guests written as text: a core module becomes a component of the contract's own worlds.
#![allow(dead_code, reason = "each test takes what it needs")]

pub mod wasmc;

use std::sync::OnceLock;

use ringtrip_wasm::contract::{Call, CallerId, Origin, WallTime};
use ringtrip_wasm::host::HostServices;
use ringtrip_wasm::package::grant::Grants;
use ringtrip_wasm::package::manifest::{Manifest, Settings};
use ringtrip_wasm::{Compiler, LoadError, Plugin, Runtime};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// The compiler, with the usual limits.
pub fn compiler() -> Compiler {
    Compiler::at(wasmc::program())
}

/// One engine for all tests of a process.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new(None, compiler()).unwrap())
}

/// A component of this world from a core module's text.
pub fn component(world: &str, module: &str) -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/wit/0.1.0");
    let (package, _) = resolve.push_dir(folder).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut module = wat::parse_str(module).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// A policy whose `route` has this body. It returns where its answer lies; 1024 is all zeros: no opinion.
pub fn policy(imports: &str, body: &str) -> Vec<u8> {
    component("policy-plugin", &policy_text(imports, "1", body))
}

/// The core module of [`policy`], with so many pages of memory.
pub fn policy_text(imports: &str, pages: &str, body: &str) -> String {
    format!(
        r#"(module
          {imports}
          (memory (export "memory") {pages})
          (global $free (mut i32) (i32.const 32768))
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
            (global.set $free (i32.add (local.get $at) (local.get 3)))
            (local.get $at))
          (data (i32.const 100) "gw1")
          (data (i32.const 110) "no calls at night")
          (data (i32.const 140) "bad\1b[2J")
          (data (i32.const 150) "\ff\fe")
          (data (i32.const 160) "GET")
          (func (export "ringtrip:plugin/policy@0.1.0#route") (param $call i32) (result i32)
            {body}))"#
    )
}

/// A gateway that never places a call. It can be used, or not, as it says at 110; and has so much money.
pub fn gateway(usable: bool, micros: i64) -> Vec<u8> {
    let why = if usable { 0 } else { 17 };
    let usable = u32::from(usable);
    let text = format!(
        r#"(module
          (memory (export "memory") 1)
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32768))
          (data (i32.const 110) "no calls at night")
          (data (i32.const 170) "EUR")
          (func (export "ringtrip:plugin/gateway@0.1.0#prepare") (param i32) (result i32) unreachable)
          (func (export "ringtrip:plugin/gateway@0.1.0#prices") (result i32) (i32.const 1024))
          (func (export "ringtrip:plugin/gateway@0.1.0#balance") (result i32)
            (i32.store8 (i32.const 2008) (i32.const 1))
            (i64.store (i32.const 2016) (i64.const {micros}))
            (i32.store (i32.const 2024) (i32.const 170)) (i32.store (i32.const 2028) (i32.const 3))
            (i32.const 2000))
          (func (export "ringtrip:plugin/gateway@0.1.0#health") (result i32)
            (i32.store8 (i32.const 3000) (i32.const {usable}))
            (i32.store (i32.const 3004) (i32.const 110)) (i32.store (i32.const 3008) (i32.const {why}))
            (i32.const 3000)))"#
    );
    component("gateway-plugin", &text)
}

/// Writes an answer at 1024 with this verdict: tag, pointer, length.
pub fn verdict(tag: u32, at: u32, len: u32) -> String {
    format!(
        "(i32.store8 (i32.const 1024) (i32.const {tag})) (i32.store (i32.const 1028) (i32.const {at})) \
         (i32.store (i32.const 1032) (i32.const {len})) (i32.const 1024)"
    )
}

/// One stage to `gw1`, written at 2000 (stage) and 2100 (target).
pub const ONE_STAGE: &str = "(i32.store (i32.const 2000) (i32.const 2100)) (i32.store (i32.const 2004) (i32.const 1)) \
     (i32.store (i32.const 2100) (i32.const 100)) (i32.store (i32.const 2104) (i32.const 3))";

pub fn manifest(worlds: &str) -> Manifest {
    Manifest::read(&format!("name = \"test\"\nversion = \"1.2.3\"\nworlds = [{worlds}]\nlicence = \"MIT\"\n"))
        .unwrap()
}

pub fn load(wasm: &[u8]) -> Result<Plugin, LoadError> {
    load_with(wasm, &[], Settings::new(), HostServices::default())
}

pub fn load_with(
    wasm: &[u8],
    grants: &[&str],
    settings: Settings,
    services: HostServices,
) -> Result<Plugin, LoadError> {
    let grants: Grants = grants.iter().map(|g| g.parse().unwrap()).collect();
    Plugin::load(runtime(), wasm, &manifest("\"policy\""), grants, settings, services)
}

pub fn call() -> Call {
    Call {
        dialled: "0033123456789".to_owned(),
        number: "0033123456789".to_owned(),
        e164: Some("+33123456789".to_owned()),
        origin: Origin::Line,
        origin_name: "fxs1".to_owned(),
        caller: CallerId { number: "101".to_owned(), name: "Kitchen".to_owned(), withheld: false },
        pin: None,
        at: WallTime {
            unix_millis: 1_795_000_000_000,
            year: 2026,
            month: 11,
            day: 18,
            hour: 23,
            minute: 30,
            weekday: 3,
            holiday: false,
        },
        default_route: Some("gw0".to_owned()),
        outside: true,
    }
}
