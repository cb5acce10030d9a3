//! Which programs are on this machine: a test that needs one of them is counted as skipped where it is missing
//! (`#[cfg_attr(not(has_sipp), ignore = "…")]`). In CI nothing is skipped: there the test runs, and fails.
#![allow(clippy::disallowed_methods)]

use std::env;
use std::path::{Path, PathBuf};

/// Programs, and the names of their flags.
const PROGRAMS: &[(&str, &str)] = &[
    ("sipp", "has_sipp"),
    ("baresip", "has_baresip"),
    ("kamailio", "has_kamailio"),
    ("multimon-ng", "has_multimon"),
    ("minimodem", "has_minimodem"),
    ("sox", "has_sox"),
    ("chromium", "has_chromium"),
    ("node", "has_node"),
    ("npm", "has_npm"),
    ("python3", "has_python"),
    ("curl", "has_curl"),
    ("ip", "has_ip"),
    ("nft", "has_nft"),
    ("conntrack", "has_conntrack"),
];

fn main() {
    let ci = env::var_os("CI").is_some_and(|v| v == "true");
    let must = ci || env::var_os("RINGTRIP_PEERS").is_some_and(|v| v == "must");
    for name in ["CI", "RINGTRIP_PEERS", "PATH"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> =
        env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")]).collect();
    for (program, flag) in PROGRAMS {
        println!("cargo::rustc-check-cfg=cfg({flag})");
        let found = folders.iter().map(|folder| folder.join(program)).find(|path| path.is_file());
        // A path that is not there makes cargo look again at the next build.
        let watched = found.clone().unwrap_or_else(|| Path::new("/usr/bin").join(program));
        println!("cargo::rerun-if-changed={}", watched.display());
        if must || found.is_some() {
            println!("cargo::rustc-cfg={flag}");
        }
    }
    // A library that tests call by python3.
    println!("cargo::rustc-check-cfg=cfg(has_spandsp)");
    let libraries = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|e| e.path());
    let spandsp = libraries.map(|folder| folder.join("libspandsp.so.2")).find(|path| path.exists());
    if must || spandsp.is_some() {
        println!("cargo::rustc-cfg=has_spandsp");
    }
    // What other commands build: the console, and the Wasm plugins beside the programs.
    let console = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/console");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let target = out.ancestors().nth(4).unwrap_or(&out);
    for (flag, file) in [
        ("has_console", console.join("dist/index.html")),
        ("has_plugins", target.join("plugins/policy-quiet-hours.wasm")),
    ] {
        println!("cargo::rustc-check-cfg=cfg({flag})");
        println!("cargo::rerun-if-changed={}", file.display());
        if must || file.is_file() {
            println!("cargo::rustc-cfg={flag}");
        }
    }
}
