//! `cargo xtask dist`: one folder with all that an exchange needs, to be copied to another machine.
//!
//! The programs are stripped; what a debugger and a backtrace want lies in a folder of its own beside it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::run::{cargo, root, run, target};
use crate::{tools, up, wasmc};

const PROGRAMS: [&str; 4] =
    ["ringtrip", "ringtrip-linehost", "libringtrip_driver_virtual.so", "ringtrip-wasmc"];
const PACKAGES: [&str; 6] = ["-p", "ringtrip", "-p", "ringtrip-linehost", "-p", "ringtrip-driver-virtual"];
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The smallest component there is: eight octets that say what it is.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// Builds, packs, and tries what was packed.
pub fn dist(args: &[String]) -> Result<()> {
    let profile = match args {
        [] => "dist",
        [option, profile] if option == "--profile" => match profile.as_str() {
            "dev" | "release" | "dist" => profile,
            other => bail!("--profile is dev, release or dist, not {other:?}"),
        },
        other => bail!("dist knows --profile only, not {other:?}"),
    };
    tools::need(tools::BUILD)?;
    up::console()?;
    run(&cargo(), &[&["build", "--locked", "--profile", profile], &PACKAGES[..]].concat())?;
    wasmc::build(profile)?;
    let built = target().join(if profile == "dev" { "debug" } else { profile });
    let name = format!("ringtrip-{VERSION}-{}-linux", std::env::consts::ARCH);
    let (folder, debug) =
        (target().join("package").join(&name), target().join("package").join(format!("{name}-debug")));
    for fresh in [&folder, &debug] {
        if fresh.exists() {
            fs::remove_dir_all(fresh).with_context(|| format!("cannot empty {}", fresh.display()))?;
        }
        fs::create_dir_all(fresh).with_context(|| format!("cannot make {}", fresh.display()))?;
    }
    for program in PROGRAMS {
        split(&built.join(program), &folder.join(program), &debug.join(format!("{program}.debug")))?;
    }
    for text in ["LICENSE-MIT", "LICENSE-APACHE", "CHANGELOG.md"] {
        fs::copy(root().join(text), folder.join(text)).with_context(|| format!("cannot copy {text}"))?;
    }
    write(&folder.join("README.md"), README)?;
    write(&folder.join("LICENCES.txt"), &licences()?)?;
    try_it(&folder)?;
    println!();
    for entry in fs::read_dir(&folder)?.flatten() {
        println!("{:>10.1} MB  {}", entry.metadata()?.len() as f64 / 1e6, entry.path().display());
    }
    println!("debug information: {}", debug.display());
    Ok(())
}

/// Copies a program without its debug information, which goes into a file of its own that debuggers find by name.
fn split(from: &Path, to: &Path, debug: &Path) -> Result<()> {
    let [from, to, debug] = [from, to, debug].map(|path| path.display().to_string());
    run("objcopy", &["--only-keep-debug", &from, &debug])?;
    run("objcopy", &["--strip-all", &format!("--add-gnu-debuglink={debug}"), &from, &to])
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// What is linked into the programs, and under which licence.
fn licences() -> Result<String> {
    let tree = |which: &[&str]| -> Result<String> {
        let form = ["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}\t{l}\t{r}"];
        let out =
            Command::new(cargo()).args(form).args(which).current_dir(root()).stdin(Stdio::null()).output()?;
        ensure!(out.status.success(), "cargo tree: {}", String::from_utf8_lossy(&out.stderr).trim());
        Ok(String::from_utf8(out.stdout)?)
    };
    let mut rows = BTreeSet::new();
    for listed in [tree(&PACKAGES)?, tree(&["--manifest-path", "core/wasmc/Cargo.toml"])?] {
        // Ours are named with their folder; `(*)` was listed before.
        let foreign = listed.lines().filter(|line| !line.contains(" (/") && !line.ends_with("(*)"));
        rows.extend(
            foreign.filter(|line| !line.trim().is_empty()).map(|line| line.replace(" (proc-macro)", "")),
        );
    }
    let console = root().join("core/console");
    let json = |file: PathBuf| -> Result<Value> {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(serde_json::from_str(&text)?)
    };
    let wanted = json(console.join("package.json"))?;
    for name in wanted["dependencies"].as_object().into_iter().flatten().map(|(name, _)| name) {
        let package = json(console.join("node_modules").join(name).join("package.json"))?;
        let field = |name: &str| package[name].as_str().unwrap_or_default().to_owned();
        rows.insert(format!("{name} v{}\t{}\t{}", field("version"), field("license"), field("homepage")));
    }
    ensure!(rows.len() > 100, "only {} packages are listed", rows.len());
    let head = "Ringtrip is licensed under MIT or Apache-2.0, at your choice. Its programs contain these packages:\n\n";
    Ok(rows.into_iter().fold(head.to_owned(), |text, row| text + &row + "\n"))
}

/// Runs the programs from a copy elsewhere, without anything of this machine's environment.
fn try_it(folder: &Path) -> Result<()> {
    let away = std::env::temp_dir().join(format!("ringtrip-dist-{}", std::process::id()));
    let tried = (|| {
        fs::create_dir_all(&away)?;
        for program in PROGRAMS {
            fs::copy(folder.join(program), away.join(program))?;
        }
        let data = away.join("data").display().to_string();
        let serve = ["--data", &data, "serve", "--once", "--http", "127.0.0.1:0", "--sip", "127.0.0.1:0"];
        let out = Command::new(away.join("ringtrip"))
            .args(serve)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .output()
            .context("the packed exchange does not start")?;
        let said = [out.stdout, out.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        ensure!(out.status.success(), "the packed exchange ended with {}:\n{said}", out.status);
        ensure!(
            said.contains(&format!("Ringtrip {VERSION} runs.")),
            "the packed exchange does not run:\n{said}"
        );
        let mut compiler = Command::new(away.join("ringtrip-wasmc"))
            .args(["large", "1024", "60"])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the packed plugin compiler does not start")?;
        compiler.stdin.take().context("its standard input")?.write_all(COMPONENT)?;
        let out = compiler.wait_with_output()?;
        ensure!(out.status.success() && !out.stdout.is_empty(), "the packed plugin compiler: {}", out.status);
        Ok(())
    })();
    let _ = fs::remove_dir_all(&away);
    tried
}

const README: &str = "\
# Ringtrip

A telephone exchange in a box. This folder is all of it; it runs from wherever it lies, on Linux with a C library that
is not older than that of the machine it was built on.

    ./ringtrip --data DIR serve

prints the address of the console, the admin secret (once, at the first start) and the SIP address.

* `ringtrip`: the exchange, its console and its command line; `./ringtrip help` lists the commands.
* `ringtrip-linehost`: started by the exchange for each board.
* `libringtrip_driver_virtual.so`: the driver of the virtual board.
* `ringtrip-wasmc`: started by the exchange when a plugin is installed. An exchange without plugins does not need it.
* `LICENCES.txt`: what the programs contain, and under which licences.
";
