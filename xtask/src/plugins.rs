//! `cargo xtask plugins`: builds the Wasm plugins of `plugins/wasm` from source, into `target/plugins`.
//!
//! Nothing happens when nothing has changed. The first build may make Rust's standard library for Wasm as well, where the
//! compiler has it only as source (a bare Debian); that takes some minutes and is kept.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ringtrip_plugin_build::{Build, Toolchain, component, fingerprint};

use crate::run::{cargo, root, run, target};
use crate::{tools, wasmc};

/// The longest that a build may take on two slow processors with the standard library to make.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// Changed when what is made of the same sources changes.
const RECIPE: &str = "1";

/// Where the components are.
pub fn folder() -> PathBuf {
    target().join("plugins")
}

/// Builds all guests: `NAME.wasm`, and `NAME/plugin.toml` with its icon beside the component as the sources have them.
pub fn plugins() -> Result<()> {
    let workspace = root().join("plugins/wasm");
    let sources = [workspace.clone(), root().join("sdk/plugin"), root().join("sdk/wit")];
    let now = fingerprint(sources.iter().map(PathBuf::as_path), [RECIPE.to_owned()])?;
    let stamp = folder().join("built");
    if fs::read_to_string(&stamp).is_ok_and(|before| before == now) {
        println!("plugins: as they were");
        return Ok(());
    }
    let started = Instant::now();
    let toolchain = toolchain()?;
    println!("plugins: built by {}", toolchain.describe());
    let build = Build {
        manifest: workspace.join("Cargo.toml"),
        target_dir: folder().join("cargo"),
        jobs: Some(2),
        locked: true,
        limit: LONGEST,
    };
    // A build that fails half-way must not look whole the next time.
    let _ = fs::remove_file(&stamp);
    for built in build.run(&toolchain)? {
        let module =
            fs::read(&built.module).with_context(|| format!("cannot read {}", built.module.display()))?;
        let wrapped = component(&module).with_context(|| format!("plugin {}", built.name))?;
        let file = folder().join(format!("{}.wasm", built.name));
        fs::write(&file, &wrapped).with_context(|| format!("cannot write {}", file.display()))?;
        println!("{:>9} octets  {}", wrapped.len(), file.display());
    }
    fs::write(&stamp, now).with_context(|| format!("cannot write {}", stamp.display()))?;
    println!("plugins: {:.1} s", started.elapsed().as_secs_f32());
    Ok(())
}

/// Builds all guests and packs each as people install it, `NAME-VERSION.rtp`; each is shown with the key that signed it.
pub fn packages() -> Result<()> {
    plugins()?;
    // Packages are made to be tried.
    wasmc::build("dev")?;
    run(&cargo(), &["build", "--quiet", "-p", "ringtrip"])?;
    let ringtrip = target().join("debug/ringtrip");
    pack(&ringtrip)?;
    for entry in fs::read_dir(root().join("plugins/wasm"))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let (manifest, packed) = (entry.path().join("plugin.toml"), folder().join(format!("{name}.rtp")));
        let Some(version) = fs::read_to_string(&manifest).ok().as_deref().and_then(version) else { continue };
        // A guest for tests alone has no package.
        if name == "fixture" || !packed.is_file() {
            continue;
        }
        let file = folder().join(format!("{name}-{version}.rtp"));
        fs::copy(&packed, &file).with_context(|| format!("cannot write {}", file.display()))?;
        println!("\n{}", file.display());
        run(&ringtrip.display().to_string(), &["plugin", "show", &file.display().to_string()])?;
    }
    Ok(())
}

/// The version that a `plugin.toml` names.
fn version(manifest: &str) -> Option<String> {
    let line =
        manifest.lines().find_map(|line| line.strip_prefix("version")?.trim_start().strip_prefix('='))?;
    Some(line.split('#').next()?.trim().trim_matches('"').to_owned())
}

/// Packs the components, signed with a key of this folder alone: `NAME.rtp`. Who wants to install them elsewhere
/// signs them anew.
pub fn pack(ringtrip: &Path) -> Result<()> {
    let key = development_key()?;
    for entry in fs::read_dir(root().join("plugins/wasm"))?.flatten() {
        let source = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let (component, out) = (folder().join(format!("{name}.wasm")), folder().join(format!("{name}.rtp")));
        if !source.join("plugin.toml").is_file() || !component.is_file() {
            continue;
        }
        let [program, source, component, out, key] =
            [ringtrip, &source, &component, &out, &key].map(|path| path.display().to_string());
        let args = ["plugin", "build", &source, "--component", &component, "--out", &out, "--key", &key];
        run(&program, &args)?;
    }
    Ok(())
}

/// Formats and unit tests of the guests, whose code runs on this machine too. They are no part of the main workspace.
pub fn unit_tests() -> Result<()> {
    let manifest = "plugins/wasm/Cargo.toml";
    run(&cargo(), &["fmt", "--manifest-path", manifest, "--all", "--check"])?;
    let folder = folder().join("host").display().to_string();
    run(
        &cargo(),
        &["test", "--quiet", "--locked", "--manifest-path", manifest, "--workspace", "--target-dir", &folder],
    )
}

/// A key that only this build knows, made once.
fn development_key() -> Result<PathBuf> {
    let file = folder().join("development.key");
    if file.is_file() {
        return Ok(file);
    }
    let mut octets = [0; 32];
    fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut octets))
        .context("no random numbers from /dev/urandom")?;
    let hex: String = octets.iter().map(|b| format!("{b:02x}")).collect();
    let mut opened = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&file)
        .with_context(|| format!("cannot write {}", file.display()))?;
    writeln!(opened, "ed25519-secret:{hex}")?;
    Ok(file)
}

/// An ordinary compiler with a Wasm target, or else Debian's, which is installed where it is missing.
pub fn toolchain() -> Result<Toolchain> {
    match Toolchain::find() {
        Ok(found) => Ok(found),
        Err(none) => {
            tools::packages(tools::WASM).with_context(|| none.to_string())?;
            match Toolchain::find() {
                Ok(found) => Ok(found),
                Err(none) => bail!("{none}"),
            }
        }
    }
}
