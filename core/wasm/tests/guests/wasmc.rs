//! The compiler of plugins, for tests: a program of another workspace, built here when nobody has built it before.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The program that `RINGTRIP_WASMC` names, or else the one in the target folder that this test was built into.
pub fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| std::env::var_os("RINGTRIP_WASMC").map_or_else(built, PathBuf::from)).clone()
}

fn built() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    // target/PROFILE/deps/TEST
    let profile = exe.ancestors().nth(2).unwrap();
    let program = profile.join("ringtrip-wasmc");
    if !program.is_file() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../wasmc/Cargo.toml");
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--locked", "--manifest-path", manifest, "--target-dir"]);
        build.arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let status = build.status().unwrap();
        assert!(status.success(), "ringtrip-wasmc could not be built: {status}");
    }
    program
}
