//! Installing: everything is looked at before anything is written, and what is refused changes nothing.
#![allow(clippy::disallowed_methods)] // Looks at the clock.

mod bench;
mod guests;

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringtrip_routing::Plugins;
use ringtrip_routing::router::{PolicyAnswer, PolicyVerdict};
use ringtrip_wasm::installed::{Change, Confirmed, InstallError, Installed};
use ringtrip_wasm::package::Package;
use ringtrip_wasm::package::grant::Grants;
use ringtrip_wasm::package::key::SecretKey;
use ringtrip_wasm::package::manifest::Settings;

use bench::{Bench, REFUSES, asked, package, passes, remembers, toml};
use guests::policy;

#[test]
fn a_plugin_is_installed_asked_updated_switched_and_removed() {
    let bench = Bench::new();
    let plugins = bench.open(false);
    assert!(!plugins.set().has_policies());
    let seen = Arc::new(Mutex::new(0));
    let count = seen.clone();
    plugins.on_change(move |_| *count.lock().unwrap() += 1);
    let file = package("1.0.0", "", REFUSES).write(Some(&bench.key));
    let view = plugins.install(&file, &Confirmed::All, Settings::new(), "ann").unwrap();
    assert_eq!((view.state.as_str(), view.by.as_str()), ("running", "ann"));
    assert_eq!(view.signer, Some(bench.key.public().to_string()));
    let old = plugins.set();
    let said = asked(&*old);
    assert_eq!(said[0].0, "test 1.0.0");
    let because = |said: &[(String, Result<PolicyAnswer, String>)]| match &said[0].1 {
        Ok(PolicyAnswer { verdict: PolicyVerdict::Refuse { because, .. }, .. }) => because.clone(),
        other => format!("{other:?}"),
    };
    assert_eq!(because(&said), "no calls at night");
    // The new version passes; a call that began with the old one is still answered by it.
    let newer = package("1.1.0", "", (0, 0, 0)).write(Some(&bench.key));
    plugins.update("test", &newer, &Confirmed::These(Grants::new()), "ann").unwrap();
    assert_eq!(because(&asked(&*old)), "no calls at night");
    let said = asked(&*plugins.set());
    assert!(said[0].0 == "test 1.1.0" && matches!(&said[0].1, Ok(a) if a.verdict == PolicyVerdict::Pass));
    // It is there again after a start, and only one package is kept.
    drop(plugins);
    let plugins = bench.open(false);
    assert_eq!(asked(&*plugins.set())[0].0, "test 1.1.0");
    assert_eq!(bench.files().keys().filter(|f| f.ends_with(".rtp")).count(), 1);
    let off = Change { enabled: Some(false), ..Change::default() };
    assert_eq!(plugins.change("test", off, "ann").unwrap().state, "disabled");
    assert!(!plugins.set().has_policies());
    let on = Change { enabled: Some(true), ..Change::default() };
    assert_eq!(plugins.change("test", on, "ann").unwrap().state, "running");
    plugins.remove("test", "ann").unwrap();
    assert!(plugins.list().is_empty() && !plugins.set().has_policies());
    assert_eq!(bench.files().keys().filter(|f| f.ends_with(".rtp")).count(), 0);
    assert_eq!(*seen.lock().unwrap(), 3, "reported at once, of the install and of the update");
    let what = ["installed", "updated from 1.0.0", "disabled", "enabled", "removed"];
    let events = bench.events();
    assert_eq!(events.len(), what.len(), "{events:?}");
    assert!(events.iter().zip(what).all(|(e, w)| e.starts_with("plugin.installed") && e.contains(w)));
}

#[test]
fn what_is_refused_changes_nothing() {
    let bench = Bench::new();
    let plugins = bench.open(false);
    let sign = |p: &Package| p.write(Some(&bench.key));
    let wants = "[[grants]]\ngrant = \"http:api.example.com\"\nwhy = \"Prices.\"\n[[settings]]\nkey = \"n\"\ntype = \"number\"\n";
    let installed = package("1.0.0", wants, REFUSES);
    plugins.install(&sign(&installed), &Confirmed::All, Settings::new(), "ann").unwrap();
    let good = package("2.0.0", wants, REFUSES);
    let more = format!("[[grants]]\ngrant = \"store\"\nwhy = \"Counts.\"\n{wants}");
    let tampered = {
        let mut file = sign(&good);
        let at = file.len() / 2;
        file[at] ^= 1;
        file
    };
    let other = |name: &str, p: &Package| {
        let toml = p.toml.replace("\"test\"", &format!("{name:?}"));
        Package::new(&toml, p.wasm.clone(), None).unwrap()
    };
    let gateway = {
        let toml = good.toml.replace("\"policy\"", "\"gateway\"");
        Package::new(&toml, good.wasm.clone(), None).unwrap()
    };
    let hangs_at_start = {
        let text = guests::policy_text("", "1", "(i32.const 1024)");
        let end = text.rfind(')').unwrap();
        let text = format!("{}(func $s unreachable) (start $s))", &text[..end]);
        Package::new(&toml("2.0.0", ""), guests::component("policy-plugin", &text), None).unwrap()
    };
    let none = || Confirmed::These(Grants::new());
    let store = || Confirmed::These(["store".parse().unwrap()].into());
    let before = bench.files();
    let before_list = plugins.list();
    bench.events();
    let mut refused = 0;
    let mut check = |result: Result<_, InstallError>, word: &str, said: &str| {
        let error = result.map(|_: ringtrip_wasm::installed::PluginView| ()).expect_err(said);
        assert_eq!(error.word(), word, "{error}");
        assert!(error.to_string().contains(said), "{error} does not say {said:?}");
        assert_eq!(bench.files(), before, "{said}: nothing is written");
        assert_eq!(plugins.list(), before_list, "{said}: nothing is changed");
        refused += 1;
    };
    let new = |p: &Package| other("another", p);
    let install = |file: &[u8], how: &Confirmed| plugins.install(file, how, Settings::new(), "ann");
    let update = |p: &Package, how: &Confirmed| plugins.update("test", &sign(p), how, "ann");
    check(install(b"", &Confirmed::All), "plugin-broken", "not a plugin package");
    check(install(&tampered, &Confirmed::All), "plugin-tampered", "changed after it was signed");
    check(install(&new(&good).write(None), &Confirmed::All), "plugin-unsigned", "not signed");
    let stranger = new(&good).write(Some(&SecretKey::new()));
    check(install(&stranger, &Confirmed::All), "plugin-publisher-unknown", "does not trust");
    check(install(&sign(&new(&good)), &none()), "plugin-not-granted", "http:api.example.com (Prices)");
    check(install(&sign(&new(&good)), &store()), "plugin-grant-not-asked", "does not ask for store");
    check(install(&sign(&good), &Confirmed::All), "plugin-installed-already", "1.0.0 is installed");
    check(update(&new(&good), &Confirmed::All), "plugin-another", "of another, not of test");
    check(update(&installed, &Confirmed::All), "plugin-not-newer", "is not newer");
    check(update(&package("0.9.0", wants, REFUSES), &Confirmed::All), "plugin-not-newer", "0.9.0");
    check(update(&package("2.0.0", &more, REFUSES), &none()), "plugin-not-granted", "store (Counts)");
    check(update(&gateway, &Confirmed::All), "plugin-does-not-run", "\"gateway\"");
    check(update(&hangs_at_start, &Confirmed::All), "plugin-does-not-run", "gave up");
    let missing = plugins.update("nobody", &sign(&good), &none(), "ann");
    check(missing, "not-found", "no plugin \"nobody\"");
    let bad = Settings::from([("n".to_owned(), "many".to_owned())]);
    check(
        plugins.install(&sign(&new(&good)), &Confirmed::All, bad, "ann"),
        "plugin-setting",
        "invalid number",
    );
    let set = |key: &str, value: &str| Change {
        settings: vec![(key.to_owned(), Some(value.to_owned()))],
        ..Change::default()
    };
    let events = bench.events();
    assert_eq!(events.len(), 15, "each refusal is reported");
    assert!(events.iter().all(|e| e.starts_with("plugin.refused")));
    check(plugins.change("test", set("n", "many"), "ann"), "plugin-setting", "invalid number");
    check(plugins.change("test", set("m", "1"), "ann"), "plugin-setting", "no such setting");
    let grants = Change { grants: Some(["store".parse().unwrap()].into()), ..Change::default() };
    check(plugins.change("test", grants, "ann"), "plugin-grant-not-asked", "store");
    check(plugins.change("nobody", Change::default(), "ann"), "not-found", "nobody");
    assert_eq!(refused, 19);
    assert!(asked(&*plugins.set())[0].1.is_ok(), "and what ran still runs");
    // An update that asks for no more than it has needs no new word.
    update(&good, &none()).unwrap();
    let fewer = package("3.0.0", "", REFUSES);
    assert!(update(&fewer, &none()).unwrap().grants.is_empty());
    check_again(&plugins, &bench, wants);
}

/// What an update gave back has to be confirmed again.
fn check_again(plugins: &Installed, bench: &Bench, wants: &str) {
    let file = package("4.0.0", wants, REFUSES).write(Some(&bench.key));
    let none = Confirmed::These(Grants::new());
    assert_eq!(plugins.update("test", &file, &none, "ann").unwrap_err().word(), "plugin-not-granted");
    let view = plugins.update("test", &file, &Confirmed::All, "ann").unwrap();
    assert!(view.grants[0].granted);
    let less = Change { grants: Some(Grants::new()), ..Change::default() };
    assert!(!plugins.change("test", less, "ann").unwrap().grants[0].granted, "a grant is taken back");
}

#[test]
fn unsigned_plugins_run_in_developer_mode_only() {
    let bench = Bench::new();
    let plugins = bench.open(true);
    let file = package("1.0.0", "", REFUSES).write(None);
    let view = plugins.install(&file, &Confirmed::All, Settings::new(), "ann").unwrap();
    assert_eq!((view.state.as_str(), view.signer), ("running", None));
    assert!(bench.events()[0].contains("installed, unsigned"));
    plugins
        .update("test", &file, &Confirmed::All, "ann")
        .expect("the same version again, while it is written");
    drop(plugins);
    bench.events();
    let plugins = bench.open(false);
    let view = plugins.show("test").unwrap();
    assert_eq!(view.state, "failed");
    assert!(view.why.unwrap().contains("not signed"));
    assert!(!plugins.set().has_policies());
    assert!(bench.events()[0].starts_with("plugin.refused"));
}

#[test]
fn a_publisher_is_trusted_by_the_configuration_or_by_the_file() {
    let bench = Bench::new();
    let plugins = bench.open_with(false, Vec::new());
    let file = package("1.0.0", "", REFUSES).write(Some(&bench.key));
    let install = || plugins.install(&file, &Confirmed::All, Settings::new(), "ann");
    assert_eq!(install().unwrap_err().word(), "plugin-publisher-unknown");
    let trust = bench.folder.path().join("plugins/trust");
    fs::write(&trust, format!("# friends\n{} Ann's plugins\n", bench.key.public())).unwrap();
    install().unwrap();
    fs::remove_file(trust).unwrap();
    // A trust that is taken back counts from the next start; what runs is not torn from its calls.
    assert_eq!(plugins.show("test").unwrap().state, "running");
    drop(plugins);
    let plugins = bench.open_with(false, Vec::new());
    assert_eq!(plugins.show("test").unwrap().state, "failed");
}

#[test]
fn settings_and_secrets() {
    let bench = Bench::new();
    let plugins = bench.open(false);
    let keys =
        "[[settings]]\nkey = \"access\"\nrequired = true\n[[settings]]\nkey = \"pin\"\nsecret = true\n";
    let file = package("1.0.0", keys, REFUSES).write(Some(&bench.key));
    let view = plugins.install(&file, &Confirmed::All, Settings::new(), "ann").unwrap();
    assert_eq!((view.state.as_str(), &view.missing[..]), ("disabled", &["access".to_owned()][..]));
    let on = Change { enabled: Some(true), ..Change::default() };
    assert_eq!(plugins.change("test", on, "ann").unwrap_err().word(), "plugin-settings-missing");
    let pair = |k: &str, v: &str| (k.to_owned(), Some(v.to_owned()));
    let settings = vec![pair("access", "0800"), pair("pin", "4711")];
    let change = Change { enabled: Some(true), settings, ..Change::default() };
    let view = plugins.change("test", change, "ann").unwrap();
    assert_eq!(view.state, "running");
    let pin = view.settings.iter().find(|s| s.key == "pin").unwrap();
    assert!(pin.set && pin.value.is_none());
    let shown = format!("{view:?}{:?}", bench.events());
    assert!(!shown.contains("4711"), "a secret is never shown");
    // An update keeps them, and what the new version does not know goes.
    let fewer = "[[settings]]\nkey = \"access\"\nrequired = true\n";
    let file = package("1.1.0", fewer, REFUSES).write(Some(&bench.key));
    let view = plugins.update("test", &file, &Confirmed::All, "ann").unwrap();
    assert_eq!((view.state.as_str(), view.settings[0].value.as_deref()), ("running", Some("0800")));
    let ledger = fs::read_to_string(bench.folder.path().join("plugins/installed.toml")).unwrap();
    assert!(!ledger.contains("4711"));
}

#[test]
fn a_package_changed_on_the_disk_does_not_start() {
    let bench = Bench::new();
    let plugins = bench.open(false);
    let file = package("1.0.0", "", REFUSES).write(Some(&bench.key));
    plugins.install(&file, &Confirmed::All, Settings::new(), "ann").unwrap();
    drop(plugins);
    bench.events();
    let path = bench.files().into_keys().find(|f| f.ends_with(".rtp")).unwrap();
    let other = package("1.0.0", "", (0, 0, 0)).write(Some(&bench.key));
    fs::write(&path, other).unwrap();
    let plugins = bench.open(false);
    assert!(!plugins.set().has_policies());
    assert!(bench.events()[0].starts_with("plugin.refused"));
}

#[test]
fn one_that_fails_again_and_again_rests() {
    let bench = Bench::new();
    let plugins = bench.open(false);
    let wasm = policy("", "(loop (br 0)) (i32.const 1024)");
    let file = Package::new(&toml("1.0.0", ""), wasm, None).unwrap().write(Some(&bench.key));
    plugins.install(&file, &Confirmed::All, Settings::new(), "ann").unwrap();
    let set = plugins.set();
    for _ in 0..5 {
        let said = asked(&*set);
        assert!(said[0].1.as_ref().is_err_and(|why| why.contains("50 ms")), "{said:?}");
    }
    assert_eq!(plugins.show("test").unwrap().state, "resting");
    let began = Instant::now();
    for _ in 0..100 {
        assert!(asked(&*set).is_empty(), "it is not asked");
    }
    assert!(began.elapsed() < Duration::from_secs(2), "nobody waits for it");
}

#[test]
fn what_a_plugin_keeps_survives_a_restart() {
    let bench = Bench::new();
    let plugins = bench.open(false);
    let package = remembers("1.0.0");
    plugins.install(&package.write(Some(&bench.key)), &Confirmed::All, Settings::new(), "ann").unwrap();
    let passes = |plugins: &Installed| passes(&*plugins.set());
    assert!(passes(&plugins), "there is nothing yet");
    assert!(!passes(&plugins));
    drop(plugins);
    let plugins = bench.open(false);
    assert!(!passes(&plugins), "it is still there");
    plugins.remove("test", "ann").unwrap();
    plugins.install(&package.write(Some(&bench.key)), &Confirmed::All, Settings::new(), "ann").unwrap();
    assert!(passes(&plugins), "removed, it has forgotten");
}

#[test]
fn a_provider_that_cannot_be_used_or_has_no_money_left_is_told_of() {
    let bench = Bench::new();
    let plugins = bench.open(false);
    let version = |version: &str, usable: bool, micros: i64| {
        let toml = toml(version, "").replace("\"policy\"", "\"gateway\"");
        Package::new(&toml, guests::gateway(usable, micros), None).unwrap().write(Some(&bench.key))
    };
    plugins.install(&version("1.0.0", false, 0), &Confirmed::All, Settings::new(), "ann").unwrap();
    let reported = |wanted: &[&str]| {
        let until = Instant::now() + Duration::from_secs(30);
        let mut said = Vec::new();
        while Instant::now() < until && said.len() < wanted.len() {
            said.extend(bench.events().into_iter().filter(|e| !e.starts_with("plugin.installed")));
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(said, wanted);
    };
    reported(&[r#"plugin.health Text("no calls at night")"#, r#"plugin.balance Text("0.000000 EUR")"#]);
    let view = plugins.show("test").unwrap();
    assert_eq!((view.usable, view.balance.as_deref()), (Some(false), Some("0.000000 EUR")));
    // The next version is asked at once; it is reported because the status of the one before was another.
    plugins.update("test", &version("1.1.0", true, 5_000_000), &Confirmed::All, "ann").unwrap();
    reported(&[r#"plugin.health Text("")"#, r#"plugin.balance Text("5.000000 EUR")"#]);
    assert_eq!(plugins.show("test").unwrap().usable, Some(true));
}
