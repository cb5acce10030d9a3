//! Plugins as their authors meet them: the shipped ones do what their cases say, in the runtime of the exchange; a new
//! one builds; and other languages can write one (long tests).
#![allow(clippy::disallowed_methods)] // Runs programs and looks at the clock.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ringtrip_testkit::live::{has, programs};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the workspace").to_path_buf()
}

/// Where `cargo xtask plugins` puts what it builds.
fn built() -> PathBuf {
    programs().parent().expect("target/PROFILE").join("plugins")
}

/// A component that `cargo xtask plugins` has built. Where it was not run, the test says so and passes, but not where
/// everything must be there.
fn component(name: &str) -> Option<PathBuf> {
    let file = built().join(format!("{name}.wasm"));
    if file.is_file() {
        return Some(file);
    }
    assert!(!ringtrip_testkit::live::must(), "{} is not built: run `cargo xtask plugins`", file.display());
    println!("skipped: {name} is not built; `cargo xtask plugins` builds it");
    None
}

fn ringtrip(folder: &Path, args: &[&str]) -> Output {
    let program = programs().join("ringtrip");
    Command::new(program).args(args).current_dir(folder).output().expect("ringtrip starts")
}

/// Runs a plugin's cases on a component; gives back how many passed.
#[track_caller]
fn cases(folder: &Path, component: &Path, target: &Path) -> usize {
    let (component, target) = (component.display().to_string(), target.display().to_string());
    let args = ["--json", "plugin", "test", ".", "--component", &component, "--target-dir", &target];
    let out = ringtrip(folder, &args);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{}: {said}\n{}", folder.display(), String::from_utf8_lossy(&out.stderr));
    let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(said["failed"], 0, "{said}");
    said["passed"].as_u64().unwrap_or_default() as usize
}

#[test]
#[cfg_attr(not(has_plugins), ignore = "needs the plugins (`cargo xtask plugins`)")]
fn shipped_plugins_do_what_their_cases_say() {
    for (name, least) in
        [("gateway-callingcard", 4), ("gateway-enum", 5), ("policy-quiet-hours", 8), ("fixture", 20)]
    {
        let Some(component) = component(name) else { return };
        let passed = cases(&root().join("plugins/wasm").join(name), &component, &built());
        assert!(passed >= least, "{name}: {passed} cases");
    }
}

#[test]
#[cfg_attr(not(has_plugins), ignore = "needs the plugins (`cargo xtask plugins`)")]
fn a_case_that_is_not_met_is_a_failure() {
    let Some(component) = component("policy-quiet-hours") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let source = root().join("plugins/wasm/policy-quiet-hours");
    fs::copy(source.join("plugin.toml"), dir.path().join("plugin.toml")).expect("plugin.toml");
    let wrong =
        "[[case]]\nname = \"wrong\"\ncall = { origin = \"extension\" }\nexpect = { refuse = \"x\" }\n";
    fs::write(dir.path().join("x.test.toml"), wrong).expect("cases");
    let component = component.display().to_string();
    let args = ["plugin", "test", ".", "--component", &component];
    let out = ringtrip(dir.path(), &args);
    assert_eq!(out.status.code(), Some(1));
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(said.contains("FAILED  wrong") && said.contains("the answer was: pass"), "{said}");
    // And the same component is packed.
    fs::copy(source.join("icon.svg"), dir.path().join("icon.svg")).expect("icon");
    let out = ringtrip(dir.path(), &["plugin", "build", ".", "--component", &component]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(dir.path().join("policy-quiet-hours-0.1.0.rtp").is_file());
}

#[test]
fn a_plugin_needs_a_name_and_a_folder_of_its_own() {
    let dir = tempfile::tempdir().expect("a folder");
    let new = |name: &str| ringtrip(dir.path(), &["plugin", "new", name, "--world", "policy"]);
    assert_eq!(new("Bad_Name").status.code(), Some(2));
    assert!(new("policy-x").status.success());
    let again = new("policy-x");
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is there already"));
    let nothing = ringtrip(dir.path(), &["plugin", "build"]);
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("has no plugin.toml"));
}

#[test]
#[cfg_attr(not(has_plugins), ignore = "needs the plugins (`cargo xtask plugins`)")]
fn new_plugins_build_and_their_cases_pass() {
    if component("fixture").is_none() {
        return;
    }
    // Beside the shipped ones, so that the standard library is there already.
    let target = built().join("cargo").display().to_string();
    for world in ["policy", "gateway"] {
        let dir = tempfile::tempdir().expect("a folder");
        let name = format!("{world}-x");
        assert!(ringtrip(dir.path(), &["plugin", "new", &name, "--world", world]).status.success());
        let folder = dir.path().join(&name);
        // The same versions as those of the shipped guests: what is compiled of them already serves again.
        fs::copy(root().join("plugins/wasm/Cargo.lock"), folder.join("Cargo.lock")).expect("Cargo.lock");
        let build = ringtrip(&folder, &["plugin", "build", "--target-dir", &target]);
        assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
        assert!(folder.join(format!("{name}-0.1.0.rtp")).is_file());
        let test = ringtrip(&folder, &["plugin", "test", "--target-dir", &target]);
        assert!(test.status.success(), "{}", String::from_utf8_lossy(&test.stdout));
    }
}

/// Long: npm brings componentize-js, and 12 MB are compiled.
#[test]
#[cfg_attr(not(has_npm), ignore = "needs npm")]
fn javascript_makes_a_plugin() {
    if !long() || !has("npm") {
        return;
    }
    let folder = copied("javascript");
    run(&folder, "npm", &["install", "--no-audit", "--no-fund"]);
    let wit = root().join("sdk/wit/0.1.0").display().to_string();
    run(&folder, "node", &["build.mjs", "policy-family.wasm", &wit]);
    assert_eq!(cases(&folder, &folder.join("policy-family.wasm"), &built()), 3);
}

/// Long: pip brings componentize-py, and 18 MB are compiled.
#[test]
#[cfg_attr(not(has_python), ignore = "needs python3")]
fn python_makes_a_plugin() {
    if !long() || !has("python3") {
        return;
    }
    let folder = copied("python");
    run(&folder, "python3", &["-m", "venv", "venv"]);
    run(&folder, "venv/bin/pip", &["install", "-q", "-r", "requirements.txt"]);
    let wit = root().join("sdk/wit/0.1.0").display().to_string();
    let make = ["-d", &wit, "-w", "gateway-plugin", "componentize", "--stub-wasi", "app", "-o", "out.wasm"];
    run(&folder, "venv/bin/componentize-py", &make);
    assert_eq!(cases(&folder, &folder.join("out.wasm"), &built()), 3);
}

fn long() -> bool {
    let long = std::env::var_os("RINGTRIP_LONG").is_some();
    if !long {
        println!("skipped: it is long; RINGTRIP_LONG=1 runs it");
    }
    long
}

/// The example's files in a folder of the build, where what is installed for them may stay.
fn copied(language: &str) -> PathBuf {
    let folder = built().join("examples").join(language);
    fs::create_dir_all(&folder).expect("a folder");
    for entry in fs::read_dir(root().join("sdk/plugin/examples").join(language)).expect("examples").flatten()
    {
        if entry.path().is_file() {
            fs::copy(entry.path(), folder.join(entry.file_name())).expect("copied");
        }
    }
    folder
}

#[track_caller]
fn run(folder: &Path, program: &str, args: &[&str]) {
    let own = folder.join(program);
    let program = if own.is_file() { own } else { PathBuf::from(program) };
    let out = Command::new(&program).args(args).current_dir(folder).output();
    let out = out.unwrap_or_else(|e| panic!("{}: {e}", program.display()));
    assert!(out.status.success(), "{} {args:?}: {}", program.display(), String::from_utf8_lossy(&out.stderr));
}
