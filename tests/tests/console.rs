//! The console in a real browser on a real exchange. The story is `core/console/tests/browser.mjs`; this runs it with the
//! programs that cargo built.
#![allow(clippy::disallowed_methods)]

use std::env;
use std::path::Path;
use std::process::Command;

use ringtrip_tests::live;

#[test]
fn a_person_at_the_console() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the workspace");
    let console = root.join("core/console");
    let programs = live::programs();
    if !live::has("chromium") || !live::has("node") {
        return;
    }
    let wanted = [
        ("the built console (cargo xtask up)", console.join("dist/index.html")),
        ("the console's packages (npm ci)", console.join("node_modules/playwright-core/package.json")),
        ("the exchange (cargo build -p ringtrip)", programs.join("ringtrip")),
        ("the board host (cargo build -p ringtrip-linehost)", programs.join("ringtrip-linehost")),
        (
            "the simulated board (cargo build -p ringtrip-driver-virtual)",
            programs.join("libringtrip_driver_virtual.so"),
        ),
    ];
    let missing: Vec<&str> =
        wanted.iter().filter(|(_, path)| !path.exists()).map(|(what, _)| *what).collect();
    if !missing.is_empty() {
        let line = format!("the console was not tried: {} missing", missing.join(", "));
        assert_ne!(env::var("RINGTRIP_PEERS").as_deref(), Ok("must"), "{line}");
        println!("{line}");
        return;
    }
    let run = Command::new("node")
        .arg(console.join("tests/browser.mjs"))
        .env("RINGTRIP_BIN", programs.join("ringtrip"))
        .env("RINGTRIP_DRIVERS", &programs)
        .output()
        .expect("node was there a moment ago");
    let said = [run.stdout, run.stderr].map(|octets| String::from_utf8_lossy(&octets).into_owned()).concat();
    assert!(run.status.success(), "{said}");
    println!("{said}");
}
