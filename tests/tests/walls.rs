//! The walls around the crates that decide: clippy refuses clocks, sockets, files, threads and locks in them.
//! A fixture that uses each shows that the check bites.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The crates that decide. They have no `clippy.toml` of their own, so the root's is theirs.
const PURE: [&str; 7] = ["model", "sip", "media", "rating", "dialplan", "config", "exchange"];

#[test]
fn crates_that_decide_stand_behind_the_roots_walls() {
    for name in PURE {
        let folder = root().join("core").join(name);
        assert!(folder.join("Cargo.toml").exists(), "core/{name} has moved");
        assert!(!folder.join("clippy.toml").exists(), "core/{name} must not have walls of its own");
        let lib = std::fs::read_to_string(folder.join("src/lib.rs")).unwrap();
        for lint in ["disallowed_methods", "disallowed_types"] {
            assert!(!lib.contains(lint), "core/{name} opts out of clippy::{lint}");
        }
    }
}

#[test]
fn clippy_refuses_each_thing_that_the_walls_forbid() {
    let folder = root().join("tests/fixtures/impure");
    let source = std::fs::read_to_string(folder.join("src/lib.rs")).unwrap();
    let marked: BTreeSet<usize> =
        source.lines().enumerate().filter(|(_, l)| l.ends_with("// wall")).map(|(n, _)| n + 1).collect();
    assert!(marked.len() > 10);
    let target = tempfile::tempdir().unwrap();
    let out = Command::new(env!("CARGO"))
        .args(["clippy", "--offline", "--quiet", "--message-format=short", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .args(["--", "-W", "clippy::disallowed_methods", "-W", "clippy::disallowed_types"])
        .env("CLIPPY_CONF_DIR", root())
        .env("CARGO_TARGET_DIR", target.path())
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    let refused: BTreeSet<usize> = said
        .lines()
        .filter(|line| line.contains("disallowed"))
        .filter_map(|line| line.split(':').nth(1)?.parse().ok())
        .collect();
    assert_eq!(refused, marked, "{said}");
}
