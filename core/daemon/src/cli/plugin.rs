//! `ringtrip plugin`: what an author does with a plugin in a dry run, and what an operator does with the running exchange.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use ringtrip_wasm::installed::PluginView;
use ringtrip_wasm::package::Package;
use ringtrip_wasm::package::key::{PublicKey, SecretKey};
use serde_json::json;

use super::client::{Client, quoted};
use super::{Outcome, Refusal, plugin_dev, plugin_new, print_json, print_table};

#[derive(Subcommand, Debug)]
pub(super) enum Plugin {
    /// Begin a plugin: a folder that builds, with tests.
    New(plugin_new::New),
    /// Compile a plugin and pack it. Needs no running exchange.
    Build(plugin_dev::Build),
    /// Run a plugin's cases on its component. Needs no running exchange.
    Test(plugin_dev::Test),
    /// Make a publisher's key: the secret half into a file, the public half is printed.
    Keygen {
        /// The file; it must not exist yet.
        file: PathBuf,
    },
    /// Sign a package with a publisher's key.
    Sign {
        /// The package, `NAME.rtp`.
        package: PathBuf,
        /// The file with the secret key.
        #[arg(long)]
        key: PathBuf,
        /// Where the signed package goes; into its own place if not given.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Install a package.
    Install {
        /// The package, `NAME.rtp`.
        package: PathBuf,
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Replace a plugin by a newer version. Settings stay.
    Update {
        /// The package, `NAME.rtp`.
        package: PathBuf,
        #[command(flatten)]
        confirm: Confirm,
    },
    /// List the installed plugins.
    List,
    /// Show a plugin: grants, settings, state. Or a package that is not installed.
    Show {
        /// Its name, or a file that ends in .rtp.
        name: String,
    },
    /// Run a plugin.
    Enable {
        /// Its name.
        name: String,
    },
    /// Run a plugin no longer; it stays installed.
    Disable {
        /// Its name.
        name: String,
    },
    /// Change a plugin's settings.
    Set {
        /// Its name.
        name: String,
        /// KEY=VALUE; KEY= alone takes one back to its default; KEY=@FILE reads the value from a file.
        #[arg(required = true)]
        settings: Vec<String>,
    },
    /// Take grants back. What needs them fails from then on.
    Revoke {
        /// Its name.
        name: String,
        /// The grants: store, clock, http:HOST, dns:ZONE, memory:MIB.
        #[arg(required = true)]
        grants: Vec<String>,
    },
    /// Remove a plugin with all that it kept.
    Remove {
        /// Its name.
        name: String,
    },
}

/// What is confirmed with a package.
#[derive(Args, Debug)]
pub(super) struct Confirm {
    /// Grant this: store, clock, http:HOST, dns:ZONE, memory:MIB. Can be given several times.
    #[arg(long)]
    grant: Vec<String>,
    /// Grant all that it asks for.
    #[arg(long)]
    grant_all: bool,
}

/// Commands that need no running exchange, then those that do.
pub(super) fn run(command: Plugin, json: bool, client: impl FnOnce() -> Result<Client, Refusal>) -> Outcome {
    match command {
        Plugin::New(args) => plugin_new::new(&args, json),
        Plugin::Build(args) => plugin_dev::build(&args, json),
        Plugin::Test(args) => plugin_dev::test(&args, json),
        Plugin::Keygen { file } => keygen(&file, json),
        Plugin::Sign { package, key, out } => sign(&package, &key, out.as_deref(), json),
        Plugin::Show { name } if name.ends_with(".rtp") => {
            let package = package_of(&octets_of(Path::new(&name))?, Path::new(&name))?;
            print_package(&package, json)
        }
        command => remote(&client()?, command, json),
    }
}

fn keygen(file: &Path, json: bool) -> Outcome {
    let key = SecretKey::new();
    let mut options = std::fs::OpenOptions::new();
    let written = options.write(true).create_new(true).mode(0o600).open(file);
    written
        .and_then(|mut out| writeln!(out, "{}", key.to_text()).and_then(|()| out.sync_all()))
        .map_err(|e| Refusal::No(format!("{}: {e}", file.display())))?;
    let public = key.public().to_string();
    if json {
        print_json(&json!({ "public": public, "file": file }));
    } else {
        println!("{public}");
        eprintln!("the secret half is in {}: keep it, and show it to nobody", file.display());
        eprintln!("boxes that shall take your plugins: [plugins] trust = [\"{public}\"]");
    }
    Ok(true)
}

fn sign(file: &Path, key: &Path, out: Option<&Path>, json: bool) -> Outcome {
    let text =
        std::fs::read_to_string(key).map_err(|e| Refusal::Misuse(format!("{}: {e}", key.display())))?;
    let key: SecretKey = text.parse().map_err(|e| Refusal::Misuse(format!("{}: {e}", key.display())))?;
    let package = package_of(&octets_of(file)?, file)?;
    let signed = package.write(Some(&key));
    let out = out.unwrap_or(file);
    let draft = out.with_extension("rtp.new");
    std::fs::write(&draft, signed)
        .and_then(|()| std::fs::rename(&draft, out))
        .map_err(|e| Refusal::No(format!("{}: {e}", out.display())))?;
    let signer = key.public().to_string();
    if json {
        print_json(&json!({ "file": out, "name": package.manifest.name, "signer": signer }));
    } else {
        println!("{} {} is signed by {signer}", package.manifest.name, package.manifest.version);
    }
    Ok(true)
}

fn remote(client: &Client, command: Plugin, json: bool) -> Outcome {
    let at = |name: &str| format!("/plugins/{}", quoted(name));
    match command {
        Plugin::Install { package, confirm } => {
            let file = octets_of(&package)?;
            package_of(&file, &package)?;
            let view: PluginView =
                client.send_file("POST", &format!("/plugins?{}", confirm.query()), &file)?;
            done(&view, "installed", json)
        }
        Plugin::Update { package, confirm } => {
            let file = octets_of(&package)?;
            let name = package_of(&file, &package)?.manifest.name;
            let path = format!("{}?{}", at(&name), confirm.query());
            let view: PluginView = client.send_file("PUT", &path, &file)?;
            done(&view, "updated", json)
        }
        Plugin::List => {
            let all: Vec<PluginView> = client.get("/plugins")?;
            if json {
                print_json(&all);
                return Ok(true);
            }
            let row = |p: &PluginView| {
                let worlds: Vec<&str> = p.worlds.iter().map(|w| w.word()).collect();
                let signed = if p.signer.is_some() { "yes" } else { "UNSIGNED" };
                vec![
                    p.name.clone(),
                    p.version.clone(),
                    worlds.join(","),
                    p.state.clone(),
                    signed.to_owned(),
                    p.why.clone().unwrap_or_default(),
                ]
            };
            let rows: Vec<Vec<String>> = all.iter().map(row).collect();
            print_table(&["name", "version", "worlds", "state", "signed", "why"], &rows);
            Ok(true)
        }
        Plugin::Show { name } => {
            let view: PluginView = client.get(&at(&name))?;
            if json {
                print_json(&view)
            } else {
                print_view(&view)
            }
            Ok(true)
        }
        Plugin::Enable { name } => {
            let view: PluginView = client.patch(&at(&name), &json!({ "enabled": true }))?;
            done(&view, "enabled", json)
        }
        Plugin::Disable { name } => {
            let view: PluginView = client.patch(&at(&name), &json!({ "enabled": false }))?;
            done(&view, "disabled", json)
        }
        Plugin::Set { name, settings } => {
            let settings = settings_of(&settings)?;
            let view: PluginView = client.patch(&at(&name), &json!({ "settings": settings }))?;
            done(&view, "set", json)
        }
        Plugin::Revoke { name, grants } => {
            let view: PluginView = client.get(&at(&name))?;
            let has = |text: &String| view.grants.iter().any(|g| g.granted && g.grant.to_string() == *text);
            if let Some(none) = grants.iter().find(|g| !has(g)) {
                return Err(Refusal::No(format!("{name} does not have the grant {none}")));
            }
            let left = view.grants.iter().filter(|g| g.granted).map(|g| g.grant.to_string());
            let left: Vec<String> = left.filter(|g| !grants.contains(g)).collect();
            let view: PluginView = client.patch(&at(&name), &json!({ "grants": left }))?;
            done(&view, "changed", json)
        }
        Plugin::Remove { name } => {
            client.delete(&at(&name))?;
            if json {
                print_json(&json!({ "ok": true }))
            } else {
                println!("{name} is removed")
            }
            Ok(true)
        }
        // Answered before a client was made.
        Plugin::New(_) | Plugin::Build(_) | Plugin::Test(_) | Plugin::Keygen { .. } | Plugin::Sign { .. } => {
            Ok(false)
        }
    }
}

/// Settings as JSON.
pub(super) fn settings_of(
    settings: &[String],
) -> Result<serde_json::Map<String, serde_json::Value>, Refusal> {
    settings.iter().map(|s| setting(s)).collect()
}

/// KEY=VALUE as JSON.
fn setting(text: &str) -> Result<(String, serde_json::Value), Refusal> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| Refusal::Misuse(format!("{text:?}: a setting is given as KEY=VALUE")))?;
    let value = match value.strip_prefix('@') {
        Some(file) => {
            let text = std::fs::read_to_string(file);
            text.map_err(|e| Refusal::Misuse(format!("{file}: {e}")))?.trim_end().into()
        }
        None if value.is_empty() => serde_json::Value::Null,
        None => value.into(),
    };
    Ok((key.to_owned(), value))
}

fn done(view: &PluginView, what: &str, json: bool) -> Outcome {
    if json {
        print_json(view);
        return Ok(true);
    }
    println!("{} {} is {what}: {}", view.name, view.version, view.state);
    if view.signer.is_none() {
        eprintln!("it is NOT SIGNED: only an exchange in developer mode runs it");
    }
    if !view.missing.is_empty() {
        let settings: Vec<String> = view.missing.iter().map(|key| format!("{key}=…")).collect();
        println!("it needs settings: ringtrip plugin set {} {}", view.name, settings.join(" "));
        println!("then: ringtrip plugin enable {}", view.name);
    }
    Ok(true)
}

fn print_view(view: &PluginView) {
    println!("{} {}  {}", view.name, view.version, view.title);
    println!("  {}", view.description);
    let worlds: Vec<&str> = view.worlds.iter().map(|w| w.word()).collect();
    println!("  worlds     {}", worlds.join(", "));
    println!(
        "  state      {}{}",
        view.state,
        view.why.as_ref().map(|w| format!(" ({w})")).unwrap_or_default()
    );
    println!("  licence    {}", view.licence);
    println!("  signed by  {}", view.signer.as_deref().unwrap_or("NOBODY"));
    for (what, text) in [("balance", &view.balance), ("prices", &view.prices.map(|n| n.to_string()))] {
        if let Some(text) = text {
            println!("  {what:9}  {text}");
        }
    }
    for grant in &view.grants {
        let has = if grant.granted { "granted" } else { "NOT granted" };
        println!("  grant      {} ({has}): {}", grant.grant, grant.why);
    }
    for setting in &view.settings {
        let value = match (&setting.value, setting.secret, setting.set) {
            (Some(value), ..) => format!("{value:?}"),
            (None, true, true) => "set, secret".to_owned(),
            _ => "not set".to_owned(),
        };
        let required = if setting.required { ", required" } else { "" };
        println!("  setting    {} = {value}{required}: {}", setting.key, setting.description);
    }
}

fn print_package(package: &Package, json: bool) -> Outcome {
    let manifest = &package.manifest;
    let signer = package.signer.map(|key: PublicKey| key.to_string());
    if json {
        print_json(&json!({ "manifest": manifest, "signer": signer, "component": package.wasm.len() }));
        return Ok(true);
    }
    println!("{} {}  {}", manifest.name, manifest.version, manifest.title);
    println!("  {}", manifest.description);
    println!("  licence    {}", manifest.licence);
    println!("  signed by  {}", signer.as_deref().unwrap_or("NOBODY"));
    println!("  component  {} octets", package.wasm.len());
    for ask in &manifest.grants {
        println!("  asks for   {}: {}", ask.grant, ask.why);
    }
    for setting in &manifest.settings {
        println!("  setting    {}: {}", setting.key, setting.description);
    }
    Ok(true)
}

impl Confirm {
    pub(super) fn query(&self) -> String {
        format!("grant={}&grant_all={}", quoted(&self.grant.join(",")), self.grant_all)
    }
}

pub(super) fn octets_of(file: &Path) -> Result<Vec<u8>, Refusal> {
    std::fs::read(file).map_err(|e| Refusal::Misuse(format!("{}: {e}", file.display())))
}

pub(super) fn package_of(octets: &[u8], file: &Path) -> Result<Package, Refusal> {
    Package::read(octets).map_err(|e| Refusal::No(format!("{}: {e}", file.display())))
}
