//! `ringtrip plugin build` and `test`: from a plugin's folder to a package, and its cases on the component. Neither needs
//! a running exchange.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use ringtrip_plugin_build as compiler;
use ringtrip_wasm::Runtime;
use ringtrip_wasm::cases::{CaseOutcome, Cases};
use ringtrip_wasm::package::Package;
use ringtrip_wasm::package::key::{NoKey, SecretKey};
use ringtrip_wasm::package::manifest::Manifest;
use serde_json::json;

use super::{Outcome, Refusal, print_json};

/// `ringtrip plugin build`.
#[derive(Args, Debug)]
pub(super) struct Build {
    /// The plugin's folder, with `plugin.toml`.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Pack this component instead of building one: for plugins in other languages.
    #[arg(long)]
    component: Option<PathBuf>,
    /// The package; NAME-VERSION.rtp in the plugin's folder if not given.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Sign it with the secret key in this file.
    #[arg(long)]
    key: Option<PathBuf>,
    /// Where the compiler keeps its files; `target` in the plugin's folder if not given.
    #[arg(long)]
    target_dir: Option<PathBuf>,
}

/// `ringtrip plugin test`.
#[derive(Args, Debug)]
pub(super) struct Test {
    /// The plugin's folder, with `plugin.toml` and files that end in `.test.toml`.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Test this component instead of building one.
    #[arg(long)]
    component: Option<PathBuf>,
    /// Where the compiler keeps its files; `target` in the plugin's folder if not given.
    #[arg(long)]
    target_dir: Option<PathBuf>,
    /// The program that makes machine code of the component; beside this program if not given.
    #[arg(long, env = "RINGTRIP_WASMC")]
    wasmc: Option<PathBuf>,
}

/// The longest that a compiler may work: a first build can include the standard library.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// What a decision may take in an exchange.
const DECISION: Duration = Duration::from_millis(50);

/// Makes the package.
pub(super) fn build(args: &Build, json: bool) -> Outcome {
    let source = Source::read(&args.folder)?;
    // Read before the compiler works for minutes.
    let key = args.key.as_deref().map(secret).transpose()?;
    let wasm = source.component(args.component.as_deref(), args.target_dir.as_deref())?;
    let octets = wasm.len();
    let icon = match &source.manifest.icon {
        Some(name) => Some(read(&args.folder.join(name))?),
        None => None,
    };
    let package = Package::new(&source.toml, wasm, icon).map_err(|e| Refusal::No(e.to_string()))?;
    let name = format!("{}-{}.rtp", source.manifest.name, source.manifest.version);
    let out = args.out.clone().unwrap_or_else(|| args.folder.join(name));
    fs::write(&out, package.write(key.as_ref()))
        .map_err(|e| Refusal::No(format!("{}: {e}", out.display())))?;
    let signer = key.map(|key| key.public().to_string());
    if json {
        print_json(&json!({ "package": out, "component_octets": octets, "signer": signer }));
        return Ok(true);
    }
    println!("{} ({octets} octets of component)", out.display());
    match signer {
        Some(signer) => println!("signed by {signer}"),
        None => println!("It is not signed: `ringtrip plugin sign`, or --key here."),
    }
    Ok(true)
}

fn secret(file: &Path) -> Result<SecretKey, Refusal> {
    let no = |why: String| Refusal::No(format!("{}: {why}", file.display()));
    let text = String::from_utf8(read(file)?).map_err(|e| no(e.to_string()))?;
    text.trim().parse().map_err(|e: NoKey| no(e.to_string()))
}

/// Runs the cases.
pub(super) fn test(args: &Test, json: bool) -> Outcome {
    let source = Source::read(&args.folder)?;
    let files = case_files(&args.folder)?;
    let wasm = source.component(args.component.as_deref(), args.target_dir.as_deref())?;
    let target = args.target_dir.clone().unwrap_or_else(|| args.folder.join("target"));
    let cache = target.join("compiled");
    let cache = fs::create_dir_all(&cache).is_ok().then_some(cache);
    let compiler = crate::plugins::compiler(args.wasmc.clone());
    let runtime = Runtime::new(cache.as_deref(), compiler).map_err(|e| Refusal::No(e.to_string()))?;
    let mut went: Vec<(PathBuf, CaseOutcome)> = Vec::new();
    for file in files {
        let no = |why: String| Refusal::No(format!("{}: {why}", file.display()));
        let text = String::from_utf8(read(&file)?).map_err(|e| no(e.to_string()))?;
        let cases = Cases::read(&text).map_err(|e| no(e.to_string()))?;
        let out = cases.run(&runtime, &wasm, &source.manifest).map_err(|e| no(e.to_string()))?;
        went.extend(out.into_iter().map(|w| (file.clone(), w)));
    }
    let failed = went.iter().filter(|(_, w)| w.wrong.is_some()).count();
    let slowest = went.iter().map(|(_, w)| w.took).max().unwrap_or_default();
    if json {
        let rows: Vec<_> = went
            .iter()
            .map(|(file, w)| {
                json!({ "file": file, "case": w.name, "ok": w.wrong.is_none(), "wrong": w.wrong,
                        "ms": w.took.as_secs_f64() * 1000.0 })
            })
            .collect();
        print_json(&json!({ "passed": went.len() - failed, "failed": failed, "cases": rows }));
        return Ok(failed == 0);
    }
    for (_, w) in &went {
        match &w.wrong {
            None => println!("ok      {}", w.name),
            Some(wrong) => println!("FAILED  {}\n        {wrong}", w.name),
        }
    }
    println!(
        "{} passed, {failed} failed; slowest decision {:.2} ms",
        went.len() - failed,
        slowest.as_secs_f64() * 1000.0
    );
    if slowest > DECISION {
        println!("In an exchange a decision may take {} ms; later it counts as none.", DECISION.as_millis());
    }
    Ok(failed == 0)
}

/// A plugin's folder.
struct Source {
    folder: PathBuf,
    toml: String,
    manifest: Manifest,
}

impl Source {
    fn read(folder: &Path) -> Result<Source, Refusal> {
        let file = folder.join("plugin.toml");
        if !file.is_file() {
            return Err(Refusal::No(format!(
                "{} has no plugin.toml; `ringtrip plugin new` begins a plugin",
                folder.display()
            )));
        }
        let no = |why: String| Refusal::No(format!("{}: {why}", file.display()));
        let toml = String::from_utf8(read(&file)?).map_err(|e| no(e.to_string()))?;
        let manifest = Manifest::read(&toml).map_err(|e| no(e.to_string()))?;
        Ok(Source { folder: folder.to_owned(), toml, manifest })
    }

    /// The component: given, or built now.
    fn component(&self, given: Option<&Path>, target_dir: Option<&Path>) -> Result<Vec<u8>, Refusal> {
        let no = |e: compiler::Error| Refusal::No(with_cause(&e));
        if let Some(file) = given {
            return read(file);
        }
        let manifest = self.folder.join("Cargo.toml");
        if !manifest.is_file() {
            return Err(Refusal::No(format!(
                "{} has no Cargo.toml; give a component that was built otherwise with --component",
                self.folder.display()
            )));
        }
        let toolchain = compiler::Toolchain::find().map_err(|e| no(e.into()))?;
        eprintln!("built by {}", toolchain.describe());
        let build = compiler::Build {
            manifest: manifest.clone(),
            target_dir: target_dir.map_or_else(|| self.folder.join("target"), Path::to_owned),
            jobs: None,
            locked: false,
            limit: LONGEST,
        };
        let built = build.run(&toolchain).map_err(no)?;
        // A folder is called as its plugin or not; of several modules, the one of this name is meant.
        let one = built.iter().find(|b| b.name == self.manifest.name).or(match built.as_slice() {
            [one] => Some(one),
            _ => None,
        });
        let one = one.ok_or_else(|| no(compiler::Error::NoModule(manifest)))?;
        compiler::component(&read(&one.module)?).map_err(no)
    }
}

fn case_files(folder: &Path) -> Result<Vec<PathBuf>, Refusal> {
    let entries = fs::read_dir(folder).map_err(|e| Refusal::No(format!("{}: {e}", folder.display())))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    files.retain(|f| f.file_name().is_some_and(|n| n.to_string_lossy().ends_with(".test.toml")));
    files.sort();
    if files.is_empty() {
        return Err(Refusal::No(format!("{} has no file that ends in .test.toml", folder.display())));
    }
    Ok(files)
}

fn read(file: &Path) -> Result<Vec<u8>, Refusal> {
    fs::read(file).map_err(|e| Refusal::No(format!("{}: {e}", file.display())))
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
