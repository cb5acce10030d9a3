//! Routing scripts: check, lay out and test them in a dry run; make one active in the running exchange.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use ringtrip_config::Config;
use ringtrip_routing::script::{ScriptTests, TestOutcome, format};
use ringtrip_routing::{Library, Limits, Pool};
use serde_json::json;

use super::client::{Client, quoted};
use super::remote::{text_of, yes};
use super::{Outcome, Refusal, print_json};
use crate::config;
use crate::routes::clock;

/// What can be done with routing scripts.
#[derive(Subcommand, Debug)]
pub(super) enum Script {
    /// Compile scripts and say what is wrong. Needs no running exchange.
    Check {
        /// The files; modules and tables beside them are known.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Lay scripts out: indents, blanks. Never changes what they do. Needs no running exchange.
    Fmt {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Only say which files are not laid out.
        #[arg(long)]
        check: bool,
    },
    /// Run the tests that stand beside scripts, in NAME.test.toml. Needs no running exchange.
    Test {
        /// Scripts or files of tests; all of the folder if none is named.
        files: Vec<PathBuf>,
        /// The configuration document that they run in; the demonstration's if not given.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Make a script active. Its tests must pass.
    Put {
        /// The file.
        file: PathBuf,
    },
}

impl Script {
    /// What is done without an exchange; `Err`: it needs one.
    pub(super) fn run_offline(self, json: bool) -> Result<Outcome, Script> {
        match self {
            Script::Check { files } => Ok(check(&files, json)),
            Script::Fmt { files, check } => Ok(fmt(&files, check, json)),
            Script::Test { files, config } => Ok(test(&files, config.as_deref(), json)),
            put @ Script::Put { .. } => Err(put),
        }
    }
}

/// Makes a script active.
pub(super) fn put(client: &Client, file: &Path, json: bool) -> Outcome {
    let name = name(file)?;
    let text = text_of(file)?;
    // The exchange runs the tests that it has; those beside this file are run here.
    let beside = file.with_extension("test.toml");
    if beside.exists() {
        let failed: Vec<String> = tried(&beside, None)?.iter().filter_map(|t| failure(&beside, t)).collect();
        if !failed.is_empty() {
            return Err(Refusal::No(format!("{}\na test fails: nothing was changed", failed.join("\n"))));
        }
    }
    client.put::<serde_json::Value>(&format!("/scripts/{}", quoted(&name)), "*", &text)?;
    yes(json)
}

fn check(files: &[PathBuf], json: bool) -> Outcome {
    let mut faults = Vec::new();
    for file in files {
        name(file)?;
        let text = text_of(file)?;
        let shown = file.display().to_string();
        let library = library(file)?;
        let found = Pool::check(&library, &shown, &text, Limits::default(), clock());
        for fault in found {
            let e = &fault.error;
            if !json {
                println!("{}:{}:{}: error: {}; {}", fault.file, e.line, e.column, e.what, e.hint);
            }
            faults.push(json!({ "file": fault.file, "line": e.line, "column": e.column, "what": e.what, "hint": e.hint }));
        }
    }
    if json {
        print_json(&json!({ "ok": faults.is_empty(), "faults": faults }));
    } else if faults.is_empty() {
        println!("ok");
    }
    Ok(faults.is_empty())
}

fn fmt(files: &[PathBuf], only_check: bool, json: bool) -> Outcome {
    let mut changed = Vec::new();
    for file in files {
        name(file)?;
        let text = text_of(file)?;
        let laid_out = format(&text).map_err(|e| Refusal::No(format!("{}: {e}", file.display())))?;
        if laid_out == text {
            continue;
        }
        changed.push(file.display().to_string());
        if !only_check {
            let fresh = file.with_extension("rhai.new");
            let written = fs::write(&fresh, &laid_out).and_then(|()| fs::rename(&fresh, file));
            written.map_err(|e| Refusal::No(format!("{}: {e}", file.display())))?;
        }
    }
    let ok = !only_check || changed.is_empty();
    if json {
        print_json(&json!({ "ok": ok, "changed": changed }));
        return Ok(ok);
    }
    for file in &changed {
        println!("{file}: {}", if only_check { "is not laid out" } else { "laid out" });
    }
    if changed.is_empty() {
        println!("ok");
    }
    Ok(ok)
}

fn test(files: &[PathBuf], document: Option<&Path>, json: bool) -> Outcome {
    let document = document.map(configuration).transpose()?;
    let files = if files.is_empty() { all_tests(Path::new("."))? } else { files.to_vec() };
    let (mut ran, mut failures, mut listed) = (0, Vec::new(), Vec::new());
    for file in &files {
        let tests = if file.to_string_lossy().ends_with(".test.toml") {
            file.clone()
        } else {
            name(file)?;
            file.with_extension("test.toml")
        };
        let outcomes = tried(&tests, document.as_ref())?;
        ran += outcomes.len();
        failures.extend(outcomes.iter().filter_map(|t| failure(&tests, t)));
        let file = tests.display().to_string();
        listed.extend(outcomes.into_iter().map(|t| {
            json!({ "file": file, "line": t.line, "name": t.name, "ok": t.failed.is_none(), "failed": t.failed })
        }));
    }
    if json {
        print_json(&json!({ "ok": failures.is_empty(), "tests": listed }));
        return Ok(failures.is_empty());
    }
    failures.iter().for_each(|failure| println!("{failure}"));
    println!("{ran} tests, {} failed", failures.len());
    Ok(failures.is_empty())
}

/// Runs one file of tests with the script of its name beside it.
fn tried(tests: &Path, document: Option<&Config>) -> Result<Vec<TestOutcome>, Refusal> {
    let script = script_of(tests);
    if !tests.exists() {
        return Err(Refusal::No(no_tests(&script, tests)));
    }
    let script_tests = ScriptTests::read(&text_of(tests)?).map_err(|faults| {
        let line = |e: &ringtrip_routing::ScriptError| {
            format!("{}:{}:{}: error: {}; {}", tests.display(), e.line, e.column, e.what, e.hint)
        };
        Refusal::No(faults.iter().map(line).collect::<Vec<_>>().join("\n"))
    })?;
    let text = text_of(&script)?;
    let shown = script.display().to_string();
    let library = library(&script)?.with(&shown, &text);
    script_tests
        .run(&shown, &library, document, Limits::default(), clock())
        .map_err(|faults| Refusal::No(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

/// What to write where no tests are.
fn no_tests(script: &Path, tests: &Path) -> String {
    if !script.exists() {
        return format!("{}: there is no such file", script.display());
    }
    format!(
        "{} has no tests: create {} beside it, with a call and what is expected of it:\n\n\
         [[test]]\nname = \"a call to 112\"\nfrom = \"101\"\ndialled = \"112\"\nemergency = true",
        script.display(),
        tests.display()
    )
}

fn failure(tests: &Path, tried: &TestOutcome) -> Option<String> {
    let why = tried.failed.as_ref()?;
    Some(format!("{}:{}: {}: {why}", tests.display(), tried.line, tried.name))
}

/// `night.test.toml` tests `night.rhai`.
fn script_of(tests: &Path) -> PathBuf {
    let name = tests.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    tests.with_file_name(format!("{}.rhai", name.strip_suffix(".test.toml").unwrap_or(name)))
}

/// The modules and tables that ship, and those beside a script.
fn library(script: &Path) -> Result<Library, Refusal> {
    let mut library = Library::shipped();
    let beside = script.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    library.add(beside);
    Ok(library)
}

fn all_tests(folder: &Path) -> Result<Vec<PathBuf>, Refusal> {
    let entries = fs::read_dir(folder).map_err(|e| Refusal::Misuse(format!("{}: {e}", folder.display())))?;
    let mut found: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    found.retain(|path| path.to_string_lossy().ends_with(".test.toml"));
    found.sort();
    if found.is_empty() {
        return Err(Refusal::Misuse("no file here ends in .test.toml".to_owned()));
    }
    Ok(found)
}

fn configuration(file: &Path) -> Result<Config, Refusal> {
    config::calendars_in(file.parent().unwrap_or(Path::new("")));
    let read = config::read(&text_of(file)?);
    let (config, _) =
        read.map_err(|faults| Refusal::No(config::report(&file.display().to_string(), &faults)))?;
    Ok(config)
}

fn name(file: &Path) -> Result<String, Refusal> {
    let name = file.file_name().and_then(|n| n.to_str()).filter(|n| n.ends_with(".rhai"));
    name.map(str::to_owned).ok_or_else(|| {
        Refusal::Misuse(format!("invalid script {}: expected a name that ends in .rhai", file.display()))
    })
}
