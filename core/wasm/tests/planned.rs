//! Plugins in a draft: planned, decided in a dry run, activated together or not at all, and undone.
#![allow(clippy::disallowed_methods)] // Looks at the clock.

mod bench;
mod guests;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use ringtrip_routing::Plugins;
use ringtrip_wasm::installed::{Change, Confirmed, InstallError, Installed, Kept, Plan, put_back};
use ringtrip_wasm::package::Package;
use ringtrip_wasm::package::grant::Grants;
use ringtrip_wasm::package::manifest::Settings;
use sha2::{Digest, Sha256};

use bench::{Bench, REFUSES, asked, package, passes, remembers, toml};

const PASSES: (u32, u32, u32) = (0, 0, 0);

/// A draft as an exchange keeps one: what becomes of plugins, and the packages that it needs.
#[derive(Default)]
struct Draft {
    plan: Plan,
    files: BTreeMap<String, Vec<u8>>,
}

impl Draft {
    /// What undoes a plan: all as it stands now.
    fn undoing(plugins: &Installed, plan: &Plan) -> Draft {
        let mut draft = Draft::default();
        for name in plan.keys() {
            let kept = plugins.kept(name);
            if let Some(kept) = &kept {
                draft.files.insert(kept.sha256().to_owned(), plugins.package_file(name).unwrap());
            }
            draft.plan.insert(name.clone(), kept);
        }
        draft
    }

    /// Plans an install, or an update of how it stands in the draft or else now.
    fn package(&mut self, plugins: &Installed, file: &[u8]) -> Result<(), InstallError> {
        let name = Package::read(file)?.manifest.name;
        let before = match self.plan.get(&name) {
            Some(planned) => planned.clone(),
            None => plugins.kept(&name),
        };
        let kept = plugins.plan_install(file, before.as_ref(), &Confirmed::All, Settings::new(), "ann")?;
        self.files.insert(kept.sha256().to_owned(), file.to_vec());
        self.plan.insert(name, Some(kept));
        Ok(())
    }

    fn change(&mut self, plugins: &Installed, name: &str, change: Change) -> Result<(), InstallError> {
        let planned = self.plan.get(name).cloned().flatten();
        let file = match &planned {
            Some(kept) => self.files[kept.sha256()].clone(),
            None => plugins.package_file(name)?,
        };
        let before = planned.or_else(|| plugins.kept(name)).unwrap();
        self.plan.insert(name.to_owned(), Some(plugins.plan_change(&before, &file, change)?));
        Ok(())
    }

    fn remove(&mut self, name: &str) {
        self.plan.insert(name.to_owned(), None);
    }

    fn read(&self, sha256: &str) -> io::Result<Vec<u8>> {
        self.files.get(sha256).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn activate_plan(&self, plugins: &Installed) -> Result<(), InstallError> {
        plugins.activate_plan(&self.plan, &|sha256| self.read(sha256), "ann")
    }

    fn with_plan(&self, plugins: &Installed) -> Result<Arc<ringtrip_wasm::PluginSet>, InstallError> {
        plugins.with_plan(&self.plan, &|sha256| self.read(sha256))
    }

    fn put_back(&self, bench: &Bench) -> io::Result<()> {
        put_back(&folder(bench), &self.plan, &|sha256| self.read(sha256))
    }
}

fn folder(bench: &Bench) -> PathBuf {
    bench.folder.path().join("plugins")
}

/// A package of this name that has no opinion, or refuses.
fn named(bench: &Bench, name: &str, version: &str, what: (u32, u32, u32)) -> Vec<u8> {
    rename(&package(version, "", what), name).write(Some(&bench.key))
}

fn rename(package: &Package, name: &str) -> Package {
    Package::new(&package.toml.replace("\"test\"", &format!("{name:?}")), package.wasm.clone(), None).unwrap()
}

fn install(plugins: &Installed, file: &[u8]) {
    plugins.install(file, &Confirmed::All, Settings::new(), "ann").unwrap();
}

/// Those that are asked, in order. None of them has an opinion but the last.
fn order(plugins: &dyn Plugins) -> String {
    asked(plugins).into_iter().map(|(plugin, _)| plugin).collect::<Vec<_>>().join(", ")
}

fn off() -> Change {
    Change { enabled: Some(false), ..Change::default() }
}

fn hash(file: &[u8]) -> String {
    Sha256::digest(file).iter().map(|b| format!("{b:02x}")).collect()
}

/// What a plan would be if somebody wrote into the store by hand.
fn forged(kept: &Kept, from: &str, to: &str) -> Option<Kept> {
    let text = ::toml::to_string(kept).unwrap();
    assert!(text.contains(from), "{text}");
    Some(::toml::from_str(&text.replace(from, to)).unwrap())
}

#[test]
fn a_draft_is_decided_on_paper_put_in_force_whole_and_undone() {
    let bench = Bench::new();
    let plugins = bench.open(false);
    for name in ["night", "enum", "card"] {
        install(&plugins, &named(&bench, name, "1.0.0", PASSES));
    }
    let announced = Arc::new(Mutex::new(0));
    let count = announced.clone();
    plugins.on_change(move |_| *count.lock().unwrap() += 1);
    bench.events();
    let (files, list) = (bench.files(), plugins.list());
    let mut draft = Draft::default();
    draft.package(&plugins, &named(&bench, "enum", "1.1.0", PASSES)).unwrap();
    draft.package(&plugins, &named(&bench, "enum", "1.2.0", PASSES)).unwrap();
    draft.package(&plugins, &named(&bench, "zone", "0.1.0", REFUSES)).unwrap();
    draft.package(&plugins, &named(&bench, "area", "0.1.0", PASSES)).unwrap();
    draft.remove("night");
    draft.change(&plugins, "card", off()).unwrap();
    let planned = draft.with_plan(&plugins).unwrap();
    assert_eq!(order(&*planned), "enum 1.2.0, area 0.1.0, zone 0.1.0", "new ones come last");
    assert_eq!(order(&*plugins.set()), "night 1.0.0, enum 1.0.0, card 1.0.0", "nothing is changed yet");
    assert!(bench.files() == files && plugins.list() == list && bench.events().is_empty());
    let undo = Draft::undoing(&plugins, &draft.plan);
    draft.activate_plan(&plugins).unwrap();
    assert_eq!(order(&*plugins.set()), "enum 1.2.0, area 0.1.0, zone 0.1.0");
    assert_eq!(*announced.lock().unwrap(), 2, "reported at once, and of the activation as a whole");
    let events = bench.events();
    let what = ["installed", "disabled", "updated from 1.0.0", "removed", "installed"];
    assert_eq!(events.len(), what.len(), "{events:?}");
    assert!(events.iter().zip(what).all(|(e, w)| e.contains(&format!("{w:?}"))), "{events:?}");
    for (name, kept) in &draft.plan {
        assert_eq!(plugins.kept(name), *kept, "as it was planned");
    }
    // The same again changes nothing and tells nothing.
    let after = bench.files();
    draft.activate_plan(&plugins).unwrap();
    assert!(bench.files() == after && bench.events().is_empty());
    // Undone, also in another run.
    drop(plugins);
    let plugins = bench.open(false);
    undo.activate_plan(&plugins).unwrap();
    assert_eq!(order(&*plugins.set()), "night 1.0.0, enum 1.0.0, card 1.0.0", "each finds its place");
    assert!(bench.events().iter().any(|e| e.contains("taken back from 1.2.0")));
    let ledger = |files: &BTreeMap<String, Vec<u8>>| {
        files.iter().find(|(name, _)| name.ends_with("installed.toml")).unwrap().1.clone()
    };
    assert_eq!(ledger(&bench.files()), ledger(&files));
    assert_eq!(bench.files().len(), files.len(), "no package is left over");
}

#[test]
fn if_one_of_two_is_broken_nothing_is_changed() {
    let bench = Bench::new();
    let plugins = bench.open(false);
    let wants =
        "[[grants]]\ngrant = \"clock\"\nwhy = \"Hours.\"\n[[settings]]\nkey = \"n\"\ntype = \"number\"\n";
    let sign = |package: &Package| package.write(Some(&bench.key));
    install(&plugins, &named(&bench, "card", "1.0.0", PASSES));
    install(&plugins, &sign(&package("1.0.0", wants, PASSES)));
    let mut draft = Draft::default();
    draft.package(&plugins, &named(&bench, "card", "2.0.0", REFUSES)).unwrap();
    let good = sign(&package("2.0.0", wants, PASSES));
    let set = Change { settings: vec![("n".to_owned(), Some("4711".to_owned()))], ..Change::default() };
    draft.package(&plugins, &good).unwrap();
    draft.change(&plugins, "test", set).unwrap();
    let kept = draft.plan["test"].clone().unwrap();
    let sha = kept.sha256().to_owned();
    bench.events();
    let (files, list) = (bench.files(), plugins.list());
    let mut refused = 0;
    let mut check = |planned: Option<Kept>, file: Option<&[u8]>, word: &str, said: &str| {
        let mut draft = Draft { plan: draft.plan.clone(), files: draft.files.clone() };
        let sha256 = planned.as_ref().unwrap().sha256().to_owned();
        draft.plan.insert("test".to_owned(), planned);
        match file {
            Some(file) => draft.files.insert(sha256, file.to_vec()),
            None => draft.files.remove(&sha256),
        };
        for result in [draft.with_plan(&plugins).map(|_| ()), draft.activate_plan(&plugins)] {
            let error = result.expect_err(said);
            assert_eq!(error.word(), word, "{error}");
            assert!(error.to_string().contains(said), "{error} does not say {said:?}");
            assert!(bench.files() == files && plugins.list() == list, "{said}: nothing is changed");
        }
        assert_eq!(order(&*plugins.set()), "card 1.0.0, test 1.0.0");
        refused += 1;
    };
    check(Some(kept.clone()), None, "disk", "not found");
    check(Some(kept.clone()), Some(b"no package"), "plugin-tampered", "was changed");
    let other = sign(&package("2.0.0", "", REFUSES));
    check(Some(kept.clone()), Some(&other), "plugin-tampered", "was changed");
    let stands_for = |file: &[u8]| forged(&kept, &sha, &hash(file));
    let bent = {
        let mut file = good.clone();
        let at = file.len() / 2;
        file[at] ^= 1;
        file
    };
    check(stands_for(&bent), Some(&bent), "plugin-tampered", "changed after it was signed");
    let unsigned = package("2.0.0", wants, PASSES).write(None);
    check(stands_for(&unsigned), Some(&unsigned), "plugin-unsigned", "not signed");
    let stranger =
        package("2.0.0", wants, PASSES).write(Some(&ringtrip_wasm::package::key::SecretKey::new()));
    check(stands_for(&stranger), Some(&stranger), "plugin-publisher-unknown", "does not trust");
    let newer = sign(&package("3.0.0", wants, PASSES));
    check(stands_for(&newer), Some(&newer), "plugin-another", "of test 3.0.0, not of test 2.0.0");
    let stops = {
        let text = guests::policy_text("", "1", "(i32.const 1024)");
        let end = text.rfind(')').unwrap();
        let text = format!("{}(func $s unreachable) (start $s))", &text[..end]);
        sign(&Package::new(&toml("2.0.0", wants), guests::component("policy-plugin", &text), None).unwrap())
    };
    check(stands_for(&stops), Some(&stops), "plugin-does-not-run", "gave up");
    check(forged(&kept, "4711", "many"), Some(&good), "plugin-setting", "invalid number");
    let more = forged(&kept, "[\"clock\"]", "[\"clock\", \"http:evil.example.com\"]");
    check(more, Some(&good), "plugin-grant-not-asked", "evil.example.com");
    check(forged(&kept, "\"test\"", "\"card\""), Some(&good), "plugin-another", "of card, not of test");
    assert_eq!(refused, 11);
    let events = bench.events();
    assert!(events.len() == refused && events.iter().all(|e| e.starts_with("plugin.refused")), "{events:?}");
    draft.activate_plan(&plugins).unwrap();
    assert_eq!(order(&*plugins.set()), "card 2.0.0", "and without all that it is active");
}

#[test]
fn a_plan_passes_the_checks_of_an_install() {
    let bench = Bench::new();
    let plugins = bench.open(false);
    let wants =
        "[[grants]]\ngrant = \"clock\"\nwhy = \"Hours.\"\n[[settings]]\nkey = \"access\"\nrequired = true\n";
    let sign = |package: &Package| package.write(Some(&bench.key));
    let old = sign(&package("1.0.0", wants, PASSES));
    install(&plugins, &sign(&package("1.1.0", wants, PASSES)));
    let live = plugins.kept("test").unwrap();
    let (files, list) = (bench.files(), plugins.list());
    bench.events();
    let check = |result: Result<Kept, InstallError>, word: &str| {
        assert_eq!(result.expect_err(word).word(), word);
        assert!(bench.files() == files && plugins.list() == list && bench.events().is_empty(), "{word}");
    };
    let none = Confirmed::These(Grants::new());
    let plan = |file: &[u8], before: Option<&Kept>, confirmed: &Confirmed| {
        plugins.plan_install(file, before, confirmed, Settings::new(), "ann")
    };
    check(plan(&old, Some(&live), &Confirmed::All), "plugin-not-newer");
    check(plan(&old, None, &none), "plugin-not-granted");
    check(plan(&package("2.0.0", wants, PASSES).write(None), Some(&live), &none), "plugin-unsigned");
    check(plan(&named(&bench, "card", "2.0.0", PASSES), Some(&live), &none), "plugin-another");
    let more = format!("[[grants]]\ngrant = \"store\"\nwhy = \"Counts.\"\n{wants}");
    check(plan(&sign(&package("2.0.0", &more, PASSES)), Some(&live), &none), "plugin-not-granted");
    let file = plugins.package_file("test").unwrap();
    let change = |change: Change| plugins.plan_change(&live, &file, change);
    let grants = ["clock".parse().unwrap(), "store".parse().unwrap()].into();
    check(change(Change { grants: Some(grants), ..Change::default() }), "plugin-grant-not-asked");
    check(change(Change { enabled: Some(true), ..Change::default() }), "plugin-settings-missing");
    let unknown = Change { settings: vec![("x".to_owned(), Some("1".to_owned()))], ..Change::default() };
    check(change(unknown), "plugin-setting");
    check(plugins.plan_change(&live, &old, Change::default()), "plugin-tampered");
    // What was granted before needs no new word; what was taken back does.
    let update = sign(&package("2.0.0", wants, PASSES));
    plan(&update, Some(&live), &none).unwrap();
    let less = change(Change { grants: Some(Grants::new()), ..Change::default() }).unwrap();
    check(plan(&update, Some(&less), &none), "plugin-not-granted");
}

#[test]
fn on_paper_nothing_is_kept() {
    let bench = Bench::new();
    let plugins = bench.open(false);
    let mut draft = Draft::default();
    draft.package(&plugins, &remembers("1.0.0").write(Some(&bench.key))).unwrap();
    let planned = draft.with_plan(&plugins).unwrap();
    assert!(passes(&*planned) && !passes(&*planned), "it keeps a value, in the dry run");
    assert!(passes(&*draft.with_plan(&plugins).unwrap()), "each dry run is a new one");
    draft.activate_plan(&plugins).unwrap();
    // What is active is asked in dry runs, too.
    let planned = plugins.set().dry_run().unwrap();
    assert!(passes(&*planned) && !passes(&*planned));
    assert!(passes(&*plugins.set()), "nothing was kept");
    assert!(!passes(&*plugins.set()));
    assert!(!passes(&*plugins.set().dry_run().unwrap()), "a dry run has a copy");
    let mut update = Draft::default();
    update.package(&plugins, &remembers("1.1.0").write(Some(&bench.key))).unwrap();
    assert!(!passes(&*update.with_plan(&plugins).unwrap()), "a planned one has a copy of its values");
    // Those that are not planned are the very ones that run.
    let mut other = Draft::default();
    other.package(&plugins, &named(&bench, "card", "1.0.0", PASSES)).unwrap();
    assert!(!passes(&*other.with_plan(&plugins).unwrap()));
}

#[test]
fn a_plugin_that_comes_back_finds_its_values_and_a_new_one_begins_with_none() {
    let bench = Bench::new();
    let file = remembers("1.0.0").write(Some(&bench.key));
    let mut out = Draft::default();
    out.remove("test");
    for restart in [false, true] {
        let mut plugins = bench.open(false);
        install(&plugins, &file);
        let undo = Draft::undoing(&plugins, &out.plan);
        assert!(passes(&*plugins.set()), "it begins with nothing");
        out.activate_plan(&plugins).unwrap();
        assert!(plugins.list().is_empty());
        if restart {
            drop(plugins);
            plugins = bench.open(false);
        }
        assert!(!passes(&*undo.with_plan(&plugins).unwrap()), "in a dry run too");
        undo.activate_plan(&plugins).unwrap();
        assert!(!passes(&*plugins.set()), "taken out and brought back, restart: {restart}");
        // Taken out and installed anew.
        out.activate_plan(&plugins).unwrap();
        if restart {
            drop(plugins);
            plugins = bench.open(false);
        }
        let mut again = Draft::default();
        again.package(&plugins, &file).unwrap();
        assert!(passes(&*again.with_plan(&plugins).unwrap()), "nothing in a dry run");
        again.activate_plan(&plugins).unwrap();
        assert!(passes(&*plugins.set()), "nothing, restart: {restart}");
        plugins.remove("test", "ann").unwrap();
    }
}

#[test]
fn unsigned_plugins_are_planned_in_developer_mode_only() {
    let bench = Bench::new();
    let plugins = bench.open(true);
    let mut draft = Draft::default();
    draft.package(&plugins, &package("1.0.0", "", PASSES).write(None)).unwrap();
    assert_eq!(order(&*draft.with_plan(&plugins).unwrap()), "test 1.0.0");
    drop(plugins);
    let plugins = bench.open(false);
    assert_eq!(draft.with_plan(&plugins).unwrap_err().word(), "plugin-unsigned");
    assert_eq!(draft.activate_plan(&plugins).unwrap_err().word(), "plugin-unsigned");
    drop(plugins);
    let plugins = bench.open(true);
    draft.activate_plan(&plugins).unwrap();
    assert!(bench.events().last().unwrap().contains("installed, unsigned"));
    drop(plugins);
    // One that runs no more for want of trust can be switched off and taken out, not switched on.
    let plugins = bench.open(false);
    assert_eq!(plugins.show("test").unwrap().state, "failed");
    let on = Change { enabled: Some(true), ..Change::default() };
    assert_eq!(plugins.change("test", on, "ann").unwrap_err().word(), "plugin-unsigned");
    let mut draft = Draft::default();
    draft.change(&plugins, "test", off()).unwrap();
    draft.activate_plan(&plugins).unwrap();
    assert_eq!(plugins.show("test").unwrap().state, "disabled");
}

#[test]
fn a_package_that_was_damaged_is_put_in_order() {
    let bench = Bench::new();
    let plugins = bench.open(false);
    let file = named(&bench, "test", "1.0.0", PASSES);
    install(&plugins, &file);
    let undo = Draft::undoing(&plugins, &Plan::from([("test".to_owned(), None)]));
    let path = bench.files().into_keys().find(|f| f.ends_with(".rtp")).unwrap();
    drop(plugins);
    fs::write(&path, b"damaged").unwrap();
    let plugins = bench.open(false);
    assert_eq!(plugins.show("test").unwrap().state, "failed");
    assert_eq!(plugins.package_file("test").unwrap_err().word(), "plugin-tampered");
    undo.activate_plan(&plugins).unwrap();
    assert_eq!(plugins.show("test").unwrap().state, "running");
    assert_eq!(fs::read(&path).unwrap(), file);
}

#[test]
fn a_closed_folder_is_put_back() {
    let bench = Bench::new();
    let plugins = bench.open(false);
    install(&plugins, &remembers("1.0.0").write(Some(&bench.key)));
    install(&plugins, &named(&bench, "card", "1.0.0", PASSES));
    assert!(passes(&*plugins.set()), "the first call of its life");
    let mut draft = Draft::default();
    draft.package(&plugins, &named(&bench, "zone", "1.0.0", PASSES)).unwrap();
    draft.package(&plugins, &named(&bench, "card", "2.0.0", PASSES)).unwrap();
    draft.remove("test");
    let undo = Draft::undoing(&plugins, &draft.plan);
    let before: Vec<Option<Kept>> = ["test", "card", "zone"].iter().map(|n| plugins.kept(n)).collect();
    draft.activate_plan(&plugins).unwrap();
    assert_eq!(order(&*plugins.set()), "card 2.0.0, zone 1.0.0");
    drop(plugins);
    // A package that is not what the plan says: nothing is written.
    let files = bench.files();
    let lost = Draft { plan: undo.plan.clone(), files: BTreeMap::new() };
    assert_eq!(lost.put_back(&bench).unwrap_err().kind(), io::ErrorKind::NotFound);
    let wrong = undo.files.keys().map(|sha256| (sha256.clone(), b"another".to_vec())).collect();
    let wrong = Draft { plan: undo.plan.clone(), files: wrong };
    assert_eq!(wrong.put_back(&bench).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert!(bench.files() == files);
    for _ in 0..2 {
        undo.put_back(&bench).unwrap();
        let plugins = bench.open(false);
        let after: Vec<Option<Kept>> = ["test", "card", "zone"].iter().map(|n| plugins.kept(n)).collect();
        assert_eq!(after, before);
        assert!(!passes(&*plugins.set()), "the first in the order is there, with its values");
        let names: Vec<String> = plugins.list().into_iter().map(|p| p.name).collect();
        assert_eq!(names, ["test", "card"]);
    }
    // Into a folder that is not there yet; and what may not run does not, when it is opened.
    let other = Bench::new();
    let kept = undo.plan["card"].clone().unwrap();
    let more = forged(&kept, "granted = []", "granted = [\"http:evil.example.com\"]");
    let forged = Draft { plan: Plan::from([("card".to_owned(), more)]), files: undo.files.clone() };
    forged.put_back(&other).unwrap();
    let plugins = other.open_with(false, vec![bench.key.public()]);
    assert_eq!(plugins.show("card").unwrap().state, "failed");
    assert!(other.events()[0].contains("does not ask for http:evil.example.com"));
}

#[test]
fn secrets_of_a_plan_are_for_the_store_only() {
    let bench = Bench::new();
    let plugins = bench.open(false);
    let keys = "[[settings]]\nkey = \"access\"\n[[settings]]\nkey = \"pin\"\nsecret = true\n";
    let file = package("1.0.0", keys, PASSES).write(Some(&bench.key));
    let settings =
        Settings::from([("access".to_owned(), "0800".to_owned()), ("pin".to_owned(), "4711".to_owned())]);
    let kept = plugins.plan_install(&file, None, &Confirmed::All, settings, "ann").unwrap();
    let shown = kept.shown_settings(&file).unwrap();
    assert_eq!((shown["access"].as_str(), shown["pin"].as_str()), ("0800", "***"));
    assert!(!format!("{kept:?}").contains("4711"));
    let pin = Change { settings: vec![("pin".to_owned(), Some("0815".to_owned()))], ..Change::default() };
    let other = plugins.plan_change(&kept, &file, pin).unwrap();
    assert_eq!(other.shown_settings(&file).unwrap(), shown);
    assert!(other != kept && other.other_settings(&kept) == ["pin"]);
    let stored: Kept = ::toml::from_str(&::toml::to_string(&other).unwrap()).unwrap();
    assert_eq!(stored, other);
    assert!(other.shown_settings(b"another").is_err());
}

#[test]
fn what_was_compiled_for_a_draft_goes_with_the_next_start() {
    let bench = Bench::new();
    let plugins = bench.open(false);
    install(&plugins, &named(&bench, "card", "1.0.0", PASSES));
    Draft::default().package(&plugins, &named(&bench, "zone", "1.0.0", REFUSES)).unwrap();
    let compiled = || {
        let cache = fs::read_dir(folder(&bench).join("cache")).unwrap();
        cache.flatten().filter(|f| f.file_name().to_string_lossy().ends_with(".cwasm")).count()
    };
    assert_eq!(compiled(), 2);
    drop(plugins);
    let plugins = bench.open(false);
    assert_eq!((compiled(), order(&*plugins.set()).as_str()), (1, "card 1.0.0"));
}
