//! `ringtrip plugin new`: a plugin that builds, with its tests. The SDK goes along, so that neither Ringtrip's source nor
//! a registry entry of it is needed.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use ringtrip_wasm::package::manifest::is_name;

use super::{Outcome, Refusal, print_json};

/// `ringtrip plugin new`.
#[derive(Args, Debug)]
pub(super) struct New {
    /// Its name: small letters, digits and dashes. The folder is called so too.
    name: String,
    /// What it is asked.
    #[arg(long, value_enum)]
    world: WorldWord,
    /// Use the SDK of this folder (`sdk/plugin` of Ringtrip's source) instead of a copy.
    #[arg(long)]
    sdk: Option<PathBuf>,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
enum WorldWord {
    /// Where a call should go.
    Policy,
    /// How a provider places a call.
    Gateway,
}

macro_rules! sdk {
    ($($path:literal)+) => {
        /// The SDK: path in the new plugin's folder, and text.
        const SDK: &[(&str, &str)] = &[$((concat!("sdk/", $path), include_str!(concat!("../../../../sdk/", $path))),)+];
    };
}

sdk! {
    "plugin/src/lib.rs" "plugin/src/call.rs" "plugin/src/fake.rs" "plugin/src/gateway.rs" "plugin/src/guest.rs"
    "plugin/src/host.rs" "plugin/src/number.rs" "plugin/src/policy.rs" "plugin/src/steps.rs" "plugin/src/tests.rs"
    "wit/0.1.0/plugin.wit"
}

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../../../../sdk/plugin/template/", $path))
    };
}

const SDK_MANIFEST: &str = template!("sdk.toml.txt");

/// Makes the folder.
pub(super) fn new(args: &New, json: bool) -> Outcome {
    if !is_name(&args.name) {
        return Err(Refusal::Misuse(format!(
            "invalid plugin name {:?}: expected a letter followed by a-z, 0-9 and -, at most 40",
            args.name
        )));
    }
    let folder = PathBuf::from(&args.name);
    if folder.exists() {
        return Err(Refusal::No(format!("{} is there already; nothing was written", folder.display())));
    }
    let sdk = match &args.sdk {
        None => "sdk/plugin".to_owned(),
        Some(path) => {
            let found = path.join("Cargo.toml").is_file().then(|| path.canonicalize().ok()).flatten();
            let found = found.ok_or_else(|| Refusal::No(format!("{} has no Cargo.toml", path.display())))?;
            found.display().to_string()
        }
    };
    for (path, text) in files(&args.name, args.world, &sdk, args.sdk.is_none()) {
        write(&folder.join(path), &text)
            .map_err(|e| Refusal::No(format!("cannot write {}: {e}", folder.display())))?;
    }
    if json {
        print_json(&serde_json::json!({ "folder": folder }));
    } else {
        println!("{} is a plugin. Now: cd {0} && ringtrip plugin build && ringtrip plugin test", args.name);
    }
    Ok(true)
}

fn write(file: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, text)
}

/// All files of a new plugin.
fn files(name: &str, world: WorldWord, sdk: &str, copied: bool) -> Vec<(String, String)> {
    let (word, manifest, code, cases) = match world {
        WorldWord::Policy => (
            "policy",
            template!("policy/plugin.toml.txt"),
            template!("policy/lib.rs.txt"),
            template!("policy/test.toml.txt"),
        ),
        WorldWord::Gateway => (
            "gateway",
            template!("gateway/plugin.toml.txt"),
            template!("gateway/lib.rs.txt"),
            template!("gateway/test.toml.txt"),
        ),
    };
    let fill = |text: &str| text.replace("NAME", name).replace("WORLD", word).replace("SDK", sdk);
    let mut files = vec![
        ("Cargo.toml".to_owned(), fill(template!("Cargo.toml.txt"))),
        ("README.md".to_owned(), fill(template!("README.md.txt"))),
        (".gitignore".to_owned(), "/target\n*.rtp\n*.wasm\n".to_owned()),
        ("plugin.toml".to_owned(), fill(manifest)),
        ("src/lib.rs".to_owned(), fill(code)),
        (format!("{name}.test.toml"), cases.to_owned()),
    ];
    if copied {
        files.push(("sdk/plugin/Cargo.toml".to_owned(), SDK_MANIFEST.to_owned()));
        files.extend(SDK.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringtrip_wasm::cases::Cases;
    use ringtrip_wasm::package::manifest::Manifest;

    #[test]
    fn new_plugins_are_whole() {
        for world in [WorldWord::Policy, WorldWord::Gateway] {
            let files = files("policy-x", world, "sdk/plugin", true);
            let text =
                |path: &str| &files.iter().find(|(p, _)| p == path).unwrap_or_else(|| panic!("{path}")).1;
            let manifest = Manifest::read(text("plugin.toml")).unwrap();
            assert_eq!(manifest.name, "policy-x");
            assert!(Cases::read(text("policy-x.test.toml")).is_ok());
            for path in ["Cargo.toml", "sdk/plugin/Cargo.toml", "README.md"] {
                assert!(!text(path).contains("NAME") && !text(path).contains("= \"SDK\""), "{path}");
            }
        }
    }

    /// What is copied is the SDK, all of it, with the version of the bindings that the workspace has.
    #[test]
    fn the_copied_sdk_is_the_sdk() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut there: Vec<String> = fs::read_dir(root.join("sdk/plugin/src"))
            .unwrap()
            .flatten()
            .map(|e| format!("sdk/plugin/src/{}", e.file_name().to_string_lossy()))
            .collect();
        there.sort();
        let copied = SDK.iter().map(|(path, _)| *path).filter(|p| p.starts_with("sdk/plugin/src"));
        let mut copied: Vec<String> = copied.map(str::to_owned).collect();
        copied.sort();
        assert_eq!(copied, there);
        let line = |text: &str| {
            let found = text.lines().find(|l| l.starts_with("wit-bindgen")).unwrap_or_default();
            found.split(" #").next().unwrap_or_default().trim().to_owned()
        };
        let workspace = fs::read_to_string(root.join("Cargo.toml")).unwrap();
        assert_eq!(line(SDK_MANIFEST), line(&workspace));
    }
}
