//! What must be on the machine, and how it gets there: Debian packages by apt, cargo tools by cargo, console
//! packages by npm. Nothing is installed that already answers.

use anyhow::{Result, bail};

use crate::run::{answers, cargo, on_path, run, run_with};

/// A program, or a library by its file name, and the Debian package that brings it.
pub struct Tool {
    program: &'static str,
    package: &'static str,
}

const fn tool(program: &'static str, package: &'static str) -> Tool {
    Tool { program, package }
}

/// What building needs.
pub const BUILD: &[Tool] = &[tool("gcc", "gcc"), tool("npm", "npm")];

/// What the tests against real peers need.
pub const PEERS: &[Tool] = &[
    tool("gcc", "gcc"),
    tool("npm", "npm"),
    tool("sipp", "sip-tester"),
    tool("baresip", "baresip-core"),
    tool("kamailio", "kamailio"),
    tool("multimon-ng", "multimon-ng"),
    tool("minimodem", "minimodem"),
    tool("sox", "sox"),
    tool("chromium", "chromium"),
    tool("curl", "curl"),
    // Networks of several hosts on one machine.
    tool("ip", "iproute2"),
    tool("nft", "nftables"),
    tool("conntrack", "conntrack"),
    // A second opinion on G.722.
    tool("python3", "python3"),
    tool("libspandsp.so.2", "libspandsp2"),
];

/// What fuzzing needs beside a nightly compiler.
pub const FUZZ: &[Tool] = &[tool("g++", "g++")];

/// What the benchmarks compare with.
pub const BENCH: &[Tool] =
    &[tool("sipp", "sip-tester"), tool("kamailio", "kamailio"), tool("rtpengine", "rtpengine-daemon")];

/// A compiler that can make Wasm, where no other can: its standard library comes as source.
pub const WASM: &[&str] = &["rustc-web", "cargo-web", "libstd-rust-web-dev", "rust-web-src", "lld"];

/// Installs the packages of those tools that are missing.
pub fn need(tools: &[Tool]) -> Result<()> {
    let mut missing: Vec<&str> = tools.iter().filter(|t| !is_there(t.program)).map(|t| t.package).collect();
    missing.dedup();
    packages(&missing)
}

fn is_there(program: &str) -> bool {
    if !program.contains(".so.") {
        return on_path(program);
    }
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    folders.map(|folder| folder.path().join(program)).any(|library| library.exists())
}

/// Installs packages of the system.
pub fn packages(missing: &[&str]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    println!("installing {}", missing.join(", "));
    if !on_path("apt-get") {
        bail!(
            "missing: {}. This machine has no apt-get: install them by hand and try again",
            missing.join(", ")
        );
    }
    let sudo = !answers("sh", &["-c", "test $(id -u) = 0"]);
    let apt = |args: &[&str]| {
        let env = [("DEBIAN_FRONTEND", "noninteractive")];
        if sudo {
            let mut all = vec!["apt-get"];
            all.extend(args);
            run_with("sudo", &all, &env)
        } else {
            run_with("apt-get", args, &env)
        }
    };
    apt(&["update", "-q"])?;
    let mut args = vec!["install", "-y", "-q", "--no-install-recommends"];
    args.extend(missing);
    apt(&args)
}

/// Installs a cargo tool unless it answers already.
pub fn need_cargo(name: &str, probe: &[&str], extra: &[&str]) -> Result<()> {
    if answers(probe[0], &probe[1..]) {
        return Ok(());
    }
    let mut args = vec!["install", "--locked", name];
    args.extend(extra);
    run(&cargo(), &args)
}
