//! `ringtrip-wasmc`, the compiler of plugins: a workspace of its own (see `core/wasmc/Cargo.toml`), built into the target
//! folder of the main one, beside the exchange.

use anyhow::Result;

use crate::run::{cargo, run, target};

const MANIFEST: &str = "core/wasmc/Cargo.toml";

/// Runs a cargo command on it.
fn on_it(command: &str, args: &[&str]) -> Result<()> {
    run(&cargo(), &with_it(command, args).iter().map(String::as_str).collect::<Vec<_>>())
}

/// A cargo command on it, as arguments of cargo.
pub fn with_it(command: &str, args: &[&str]) -> Vec<String> {
    let target = target().display().to_string();
    let on = [command, "--quiet", "--locked", "--manifest-path", MANIFEST, "--target-dir", &target];
    on.iter().chain(args).map(|arg| (*arg).to_owned()).collect()
}

/// Builds it; `profile` is as cargo spells it in options.
pub fn build(profile: &str) -> Result<()> {
    on_it("build", &["--profile", profile])
}

/// Formats and clippy.
pub fn lint() -> Result<()> {
    run(&cargo(), &["fmt", "--manifest-path", MANIFEST, "--check"])?;
    on_it("clippy", &["--all-targets", "--", "-D", "warnings"])
}

/// Its own tests. What it does for the exchange is tested in `core/wasm`.
pub fn test() -> Result<()> {
    on_it("test", &[])
}
