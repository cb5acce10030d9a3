//! A publisher of Wasm plugins, for tests that install some.
#![allow(clippy::disallowed_methods)] // Live tests start programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::live::{Daemon, programs, wait};

const LONG: Duration = Duration::from_secs(30);

/// A publisher with a key, and the plugins that `cargo xtask plugins` has built.
pub struct Publisher {
    /// For whatever the test needs beside.
    pub dir: TempDir,
    /// The public half of the key.
    pub key: String,
}

impl Publisher {
    /// `None` where the plugins are not built; where everything must be there that is a failure.
    pub fn new(plugin: &str) -> Option<Publisher> {
        let component = built(plugin);
        if !component.is_file() {
            assert!(!crate::live::must(), "{} is not built: run `cargo xtask plugins`", component.display());
            println!("skipped: {plugin} is not built; `cargo xtask plugins` builds it");
            return None;
        }
        let dir = tempfile::tempdir().expect("a temporary folder");
        let secret = dir.path().join("secret.key");
        let said = ringtrip(&["--json", "plugin", "keygen", &secret.display().to_string()]);
        let said: Value = serde_json::from_str(&said).expect("JSON");
        Some(Publisher { key: said["public"].as_str().expect("a key").to_owned(), dir })
    }

    /// The package of this plugin in this version.
    pub fn pack(&self, plugin: &str, version: &str) -> Vec<u8> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/wasm").join(plugin);
        let folder = self.dir.path().join(format!("{plugin}-{version}"));
        fs::create_dir_all(&folder).expect("a folder");
        for entry in
            fs::read_dir(&source).expect("the plugin's folder").flatten().filter(|e| e.path().is_file())
        {
            fs::copy(entry.path(), folder.join(entry.file_name())).expect("a copy");
        }
        let manifest = folder.join("plugin.toml");
        let text = fs::read_to_string(&manifest).expect("a manifest");
        let text = text.replace("version = \"0.1.0\"", &format!("version = \"{version}\""));
        fs::write(&manifest, text).expect("written");
        let out = folder.join("out.rtp");
        let [folder, component, out_name, key] =
            [folder, built(plugin), out.clone(), self.dir.path().join("secret.key")]
                .map(|path| path.display().to_string());
        let args = ["plugin", "build", &folder, "--component", &component, "--out", &out_name, "--key", &key];
        ringtrip(&args);
        fs::read(out).expect("a package")
    }
}

fn built(plugin: &str) -> PathBuf {
    programs().parent().expect("target/PROFILE").join("plugins").join(format!("{plugin}.wasm"))
}

#[track_caller]
fn ringtrip(args: &[&str]) -> String {
    let out = Command::new(programs().join("ringtrip")).args(args).output().expect("ringtrip starts");
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Plugins are opened beside the start.
pub fn ready(exchange: &Daemon) {
    wait("the plugins", LONG, || (exchange.try_get("/plugins").0 == 200).then_some(()));
}

/// Installs a package with all that it asks for.
#[track_caller]
pub fn install(exchange: &Daemon, package: &[u8]) {
    ready(exchange);
    let (status, said) =
        exchange.send("POST", "/plugins?grant_all=true", "application/octet-stream", package);
    assert_eq!(status, 201, "{said}");
}
