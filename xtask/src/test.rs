//! `cargo xtask test` and `cargo xtask check`.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use crate::run::{answers, cargo, root, run, run_with, target};
use crate::{dist, plugins, tools, up, wasmc};

/// What every commit must pass.
pub fn check() -> Result<()> {
    run(&cargo(), &["fmt", "--all", "--check"])?;
    run(&cargo(), &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    wasmc::lint()?;
    run(&cargo(), &["test", "--quiet", "-p", "ringtrip-tests", "--test", "tidy"])
}

/// Installs what the tests need and runs all of them. Every step runs, so that one failure does not hide another.
pub fn test(args: &[String]) -> Result<()> {
    let long = match args {
        [] => false,
        [one] if one == "--long" => true,
        other => bail!("test knows --long only, not {other:?}"),
    };
    let mut steps = Steps::default();
    steps.step("tools", || {
        tools::need(tools::PEERS)?;
        tools::need_cargo("cargo-nextest", &["cargo-nextest", "nextest", "--version"], &[])?;
        tools::need_cargo("mdbook", &["mdbook", "--version"], &["--no-default-features"])?;
        tools::need_cargo("cargo-deny", &["cargo-deny", "--version"], &["--debug"])
    });
    steps.step("console", up::console);
    steps.step("fmt", || run(&cargo(), &["fmt", "--all", "--check"]));
    steps.step("clippy", || {
        run(&cargo(), &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
        wasmc::lint()
    });
    steps.step("features", features);
    steps.step("api docs", api_docs);
    steps.step("licences and sources", || {
        // The lock file names crates of other systems, too: without them an offline check knows nothing of their licences.
        run(&cargo(), &["fetch", "--locked", "--quiet"])?;
        run("cargo-deny", &["--offline", "check", "licenses", "bans", "sources"])?;
        let compiler = ["--manifest-path", "core/wasmc/Cargo.toml"];
        run(&cargo(), &[&["fetch", "--locked", "--quiet"], &compiler[..]].concat())?;
        let checks = ["--config", "deny.toml", "check", "licenses", "bans", "sources"];
        run("cargo-deny", &[&["--offline"], &compiler[..], &checks].concat())
    });
    steps.step("build", || {
        run(&cargo(), &["build", "--workspace", "--quiet"])?;
        wasmc::build("dev")
    });
    steps.step("plugins", || {
        plugins::plugins()?;
        plugins::pack(&target().join("debug/ringtrip"))
    });
    steps.step("plugins' own tests", plugins::unit_tests);
    steps.step("the compiler's own tests", wasmc::test);
    steps.step("tests", || {
        let mut env = vec![("RINGTRIP_PEERS", "must")];
        if long {
            env.push(("RINGTRIP_LONG", "1"));
        }
        run_with(&cargo(), &["nextest", "run", "--workspace", "--no-fail-fast"], &env)
    });
    if long {
        steps.step("fuzz", fuzz);
    }
    steps.step("up", || {
        let data = std::env::temp_dir().join(format!("ringtrip-up-{}", std::process::id()));
        let loopback = ["--http", "127.0.0.1:0", "--sip", "127.0.0.1:0"];
        let args = [&["--profile", "dev"], &loopback[..], &["--once", "--data"]].concat();
        let args: Vec<String> = args.into_iter().map(String::from).collect();
        let up = up::up(&[args, vec![data.display().to_string()]].concat());
        let _ = std::fs::remove_dir_all(&data);
        up
    });
    // Of the programs that are built already: a build as it is shipped takes as long as all of them.
    steps.step("dist", || dist::dist(&["--profile".to_owned(), "dev".to_owned()]));
    steps.step("docs", docs);
    steps.close()
}

/// Every feature of every crate alone, and none of them: each is a build of its own.
fn features() -> Result<()> {
    let listed = Command::new(cargo())
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked"])
        .current_dir(root())
        .stdin(Stdio::null())
        .output()?;
    ensure!(listed.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&listed.stderr).trim());
    let listed: Value = serde_json::from_slice(&listed.stdout)?;
    let mut checked = 0;
    for package in listed["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let features = package["features"].as_object().into_iter().flatten().map(|(feature, _)| &feature[..]);
        let mut features: Vec<&str> = features.filter(|feature| *feature != "default").collect();
        if features.is_empty() {
            continue;
        }
        // An empty list of features is the crate without any.
        features.push("");
        for feature in features {
            let clippy = ["clippy", "--quiet", "-p", name, "--no-default-features", "--features", feature];
            run(&cargo(), &[&clippy[..], &["--", "-D", "warnings"]].concat())?;
            checked += 1;
        }
    }
    ensure!(checked > 0, "no crate has a feature; then this step can go");
    Ok(())
}

/// The documentation of our own crates: links that lead nowhere, and what else rustdoc complains about.
fn api_docs() -> Result<()> {
    run_with(&cargo(), &["doc", "--workspace", "--no-deps", "--quiet"], &[("RUSTDOCFLAGS", "-D warnings")])
}

/// Runs each target of `tests/fuzz` for a minute. libFuzzer needs a nightly compiler; where there is none the step says so.
fn fuzz() -> Result<()> {
    // By rustup's own `cargo`, which knows what `+nightly` means; the one that runs us may not.
    if !answers("cargo", &["+nightly", "--version"]) {
        println!("skipped: fuzzing needs `rustup toolchain install nightly`");
        return Ok(());
    }
    tools::need(tools::FUZZ)?;
    tools::need_cargo("cargo-fuzz", &["cargo-fuzz", "--version"], &[])?;
    let mut targets = Vec::new();
    for entry in std::fs::read_dir(root().join("tests/fuzz/fuzz_targets"))? {
        let path = entry?.path();
        targets.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    targets.sort();
    let target_dir = crate::run::target().join("fuzz");
    for target in targets {
        println!("-- {target}");
        // What is found goes into the first folder; the second one has the seeds of the repository.
        let (found, seeds) = (target_dir.join(&target), format!("tests/fuzz/corpus/{target}"));
        std::fs::create_dir_all(&found)?;
        let found = found.display().to_string();
        let run_one = ["+nightly", "fuzz", "run", "--fuzz-dir", "tests/fuzz", &target, &found, &seeds];
        run("cargo", &[&run_one[..], &["--", "-max_total_time=60", "-rss_limit_mb=1024"]].concat())?;
    }
    Ok(())
}

/// Builds the book.
pub fn docs() -> Result<()> {
    if !root().join("docs/book.toml").exists() {
        return Ok(());
    }
    tools::need_cargo("mdbook", &["mdbook", "--version"], &["--no-default-features"])?;
    run("mdbook", &["build", "docs"])
}

#[derive(Default)]
struct Steps {
    done: Vec<(&'static str, f32, Result<()>)>,
}

impl Steps {
    fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) {
        println!("\n== {name}");
        let start = Instant::now();
        let result = work();
        if let Err(e) = &result {
            println!("{name}: {e:#}");
        }
        let seconds = start.elapsed().as_secs_f32();
        println!("-- {name}: {seconds:.1} s");
        self.done.push((name, seconds, result));
    }

    fn close(self) -> Result<()> {
        println!("\n== steps");
        for (name, seconds, result) in &self.done {
            println!("{:>7.1} s  {:<22} {}", seconds, name, if result.is_ok() { "ok" } else { "FAILED" });
        }
        println!("{:>7.1} s  together", self.done.iter().map(|(_, seconds, _)| seconds).sum::<f32>());
        let failed = self.done.iter().filter(|(_, _, r)| r.is_err()).count();
        println!("\n{} passed, {} failed", self.done.len() - failed, failed);
        if failed > 0 {
            bail!("{failed} of {} steps failed", self.done.len());
        }
        Ok(())
    }
}
