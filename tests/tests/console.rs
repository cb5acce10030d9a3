//! The console in a real browser on a real exchange. The story is `core/console/tests/browser.mjs`; this runs it with the
//! programs that cargo built.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::Command;

use ringtrip_testkit::live;

#[test]
#[cfg_attr(
    not(all(has_console, has_chromium, has_node)),
    ignore = "needs the console (`cargo xtask console`), chromium, node"
)]
fn a_person_at_the_console() {
    let programs = live::programs();
    if !live::has("chromium") || !built("dist/index.html") {
        return;
    }
    let mut story = Command::new("node");
    story
        .arg("tests/browser.mjs")
        .env("RINGTRIP_BIN", programs.join("ringtrip"))
        .env("RINGTRIP_DRIVERS", &programs);
    passes(story);
}

#[test]
#[cfg_attr(not(all(has_console, has_node)), ignore = "needs the console (`cargo xtask console`), node")]
fn what_the_console_computes() {
    if !built("node_modules/esbuild/package.json") {
        return;
    }
    let mut units = Command::new("node");
    units.args(["--test", "tests/units.mjs"]);
    passes(units);
}

#[test]
#[cfg_attr(not(all(has_console, has_node)), ignore = "needs the console (`cargo xtask console`), node")]
fn the_console_has_its_types_right() {
    if !built("node_modules/typescript/package.json") {
        return;
    }
    let mut check = Command::new("node_modules/.bin/tsc");
    check.arg("--noEmit");
    passes(check);
}

fn console() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/console")
}

/// Are node and this file of the console there? If not, the test says so and passes; where everything must be there it
/// fails.
#[track_caller]
fn built(file: &str) -> bool {
    if !live::has("node") {
        return false;
    }
    let there = console().join(file).exists() && console().join("node_modules/playwright-core").exists();
    if !there {
        let line =
            format!("core/console/{file} is missing: `npm ci && npm run build` in core/console makes it");
        assert!(!live::must(), "{line}");
        println!("skipped: {line}");
    }
    there
}

#[track_caller]
fn passes(mut command: Command) {
    let run = command.current_dir(console()).output().expect("the program was there a moment ago");
    let said = [run.stdout, run.stderr].map(|octets| String::from_utf8_lossy(&octets).into_owned()).concat();
    assert!(run.status.success(), "{said}");
    println!("{said}");
}
