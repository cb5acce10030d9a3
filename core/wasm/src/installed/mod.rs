//! The installed plugins: kept under the data folder, changed whole or not at all, and handed to the exchange as a set.
//!
//! An install looks at everything before it writes anything: the package, its signature, its publisher, its grants, its
//! settings, and whether the component starts. What is refused leaves no trace but an event.

mod error;
mod keeper;
mod ledger;
mod view;

pub use error::InstallError;
pub use view::{GrantView, PluginView, SettingView};

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use ringtrip_switch::event::Event;
use sha2::{Digest, Sha256};

use crate::cache::{hex, write_whole};
use crate::host::{MemoryStore, Naptr, Outside};
use crate::package::Package;
use crate::package::grant::{Grant, Grants};
use crate::package::key::PublicKey;
use crate::package::manifest::{Manifest, Settings};
use crate::plugin::Plugin;
use crate::runtime::{LoadError, Runtime};
use crate::set::{Landlines, Seat, Set};
use crate::words::Price;
use keeper::Keeper;
use ledger::{Entry, Ledger};

/// Publishers trusted beside those of the configuration: one key a line, what follows it is for people.
const TRUST: &str = "trust";

/// The installed plugins. Cheap to clone.
#[derive(Clone)]
pub struct Installed(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    /// Made with the first plugin: an exchange without any pays nothing for them.
    runtime: OnceLock<Runtime>,
    outside: Outside,
    values: Arc<MemoryStore>,
    developer: bool,
    tell: Tell,
    prices: TellPrices,
    trust: RwLock<Vec<PublicKey>>,
    landlines: Landlines,
    /// One change at a time; readers do not wait for it.
    changing: Mutex<()>,
    shelf: RwLock<Vec<Shelved>>,
    heed: Mutex<Option<Heed>>,
    /// Runs as long as there are plugins.
    keeper: Mutex<Option<Keeper>>,
}

/// Where events go.
pub type Tell = Arc<dyn Fn(Event) + Send + Sync>;
/// Told what a gateway plugin says that calls cost: the plugin's name, and its prices, which make sense.
pub type TellPrices = Arc<dyn Fn(&str, &[Price]) + Send + Sync>;
/// Told of each new set.
type Heed = Box<dyn Fn(Arc<Set>) + Send + Sync>;

/// How plugins are kept.
pub struct Options {
    /// `<data>/plugins`.
    pub folder: PathBuf,
    /// Unsigned packages are taken.
    pub developer: bool,
    /// Publishers that the configuration trusts.
    pub trust: Vec<PublicKey>,
    /// Name servers.
    pub dns: Arc<dyn Naptr>,
    /// Where events go.
    pub tell: Tell,
    /// Where prices go, once a day.
    pub prices: TellPrices,
}

/// One installed plugin in memory.
struct Shelved {
    entry: Entry,
    manifest: Manifest,
    signer: Option<String>,
    /// It runs; `Ok(None)`: it is disabled; an error: why it does not run.
    seat: Result<Option<Arc<Seat>>, String>,
}

/// What a person confirms at install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmed {
    /// All that it asks for.
    All,
    /// These.
    These(Grants),
}

/// What is to change about a plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Run it, or not.
    pub enabled: Option<bool>,
    /// Its grants from now on, of those that it asks for.
    pub grants: Option<Grants>,
    /// Settings; `None` takes one back to its default. Those that are not named stay.
    pub settings: Vec<(String, Option<String>)>,
}

impl Installed {
    /// Opens the folder and starts what is enabled. A plugin that cannot start is told of, and stays installed.
    pub fn open(options: Options) -> Result<Installed, InstallError> {
        let Options { folder, developer, trust, dns, tell, prices } = options;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.join("packages"))?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.join("values"))?;
        let ledger = Ledger::read(&folder)?;
        let values = Arc::new(MemoryStore::default());
        for entry in &ledger.plugins {
            keeper::restore(&folder, &entry.name, &values);
        }
        let outside = Outside::new(values.clone(), dns);
        let inner = Inner {
            folder,
            runtime: OnceLock::new(),
            outside,
            values,
            developer,
            tell,
            prices,
            trust: RwLock::new(trust),
            landlines: Landlines::default(),
            changing: Mutex::default(),
            shelf: RwLock::default(),
            heed: Mutex::default(),
            keeper: Mutex::default(),
        };
        let shelf: Vec<Shelved> = ledger.plugins.into_iter().map(|entry| inner.restore(entry)).collect();
        *inner.shelf.write().unwrap_or_else(PoisonError::into_inner) = shelf;
        let installed = Installed(Arc::new(inner));
        installed.0.announce();
        Ok(installed)
    }

    /// Tells `heed` of the set now and after each change.
    pub fn heed(&self, heed: impl Fn(Arc<Set>) + Send + Sync + 'static) {
        heed(self.set());
        *self.0.heed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(heed));
    }

    /// The plugins that run now.
    pub fn set(&self) -> Arc<Set> {
        self.0.set()
    }

    /// Which lines are landlines.
    pub fn set_landlines(&self, names: impl IntoIterator<Item = String>) {
        let names: BTreeSet<String> = names.into_iter().collect();
        *self.0.landlines.write().unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// Other publishers that the configuration trusts. What runs goes on running.
    pub fn set_trust(&self, trust: Vec<PublicKey>) {
        *self.0.trust.write().unwrap_or_else(PoisonError::into_inner) = trust;
    }

    /// All of them.
    pub fn list(&self) -> Vec<PluginView> {
        let shelf = self.0.shelf.read().unwrap_or_else(PoisonError::into_inner);
        shelf.iter().map(PluginView::of).collect()
    }

    /// One.
    pub fn show(&self, name: &str) -> Result<PluginView, InstallError> {
        self.list()
            .into_iter()
            .find(|p| p.name == name)
            .ok_or_else(|| InstallError::NotThere(name.to_owned()))
    }

    /// The icon of one, and whether it is SVG (or PNG).
    pub fn icon(&self, name: &str) -> Result<Option<(Vec<u8>, bool)>, InstallError> {
        let view = self.show(name)?;
        let package = Package::read(&fs::read(ledger::package(&self.0.folder, &view.sha256))?)?;
        let svg = package.manifest.icon.as_deref().is_some_and(|name| name.ends_with(".svg"));
        Ok(package.icon.map(|icon| (icon, svg)))
    }

    /// Installs a package. What is refused changes nothing.
    pub fn install(
        &self,
        file: &[u8],
        confirmed: &Confirmed,
        settings: Settings,
        by: &str,
    ) -> Result<PluginView, InstallError> {
        self.0.noted("a package", || self.0.install(file, None, confirmed, settings, by))
    }

    /// Replaces a plugin by a newer version. Its settings stay; a grant that it did not have is confirmed anew.
    pub fn update(
        &self,
        name: &str,
        file: &[u8],
        confirmed: &Confirmed,
        by: &str,
    ) -> Result<PluginView, InstallError> {
        self.0.noted(name, || self.0.install(file, Some(name), confirmed, Settings::new(), by))
    }

    /// Changes what is set about a plugin.
    pub fn change(&self, name: &str, change: Change, by: &str) -> Result<PluginView, InstallError> {
        self.0.change(name, change, by)?;
        self.show(name)
    }

    /// Removes a plugin with all that it kept.
    pub fn remove(&self, name: &str, by: &str) -> Result<(), InstallError> {
        self.0.remove(name, by)
    }
}

impl Inner {
    /// Runs an install and tells of a refusal.
    fn noted<T>(
        &self,
        plugin: &str,
        install: impl FnOnce() -> Result<T, InstallError>,
    ) -> Result<T, InstallError> {
        install().inspect_err(|e| {
            (self.tell)(Event::PluginRefused { plugin: plugin.to_owned(), why: e.to_string() });
        })
    }

    fn install(
        &self,
        file: &[u8],
        update: Option<&str>,
        confirmed: &Confirmed,
        settings: Settings,
        by: &str,
    ) -> Result<PluginView, InstallError> {
        let _changing = self.one_at_a_time();
        let package = Package::read(file)?;
        let manifest = package.manifest.clone();
        let label = format!("{} {}", manifest.name, manifest.version);
        self.trusted(&package, &label)?;
        let before = self.entry(&manifest.name);
        match (update, &before) {
            (Some(name), _) if self.entry(name).is_none() => {
                return Err(InstallError::NotThere(name.to_owned()));
            }
            (Some(name), _) if name != manifest.name => {
                return Err(InstallError::Another { wanted: name.to_owned(), given: manifest.name });
            }
            (None, Some(there)) => {
                let (name, version) = (there.name.clone(), there.version.clone());
                return Err(InstallError::There { name, version });
            }
            // Whoever writes a plugin builds one version many times.
            (Some(_), Some(there)) if manifest.version <= there.version && !self.developer => {
                let (name, there) = (there.name.clone(), there.version.clone());
                return Err(InstallError::NotNewer { name, there, given: manifest.version });
            }
            _ => {}
        }
        let granted = granted(&manifest, confirmed, before.as_ref(), &label)?;
        // An update keeps what is set, as far as the new version knows it.
        let mut set = before.as_ref().map(|b| b.settings.clone()).unwrap_or_default();
        set.retain(|key, value| manifest.values(&Settings::from([(key.clone(), value.clone())])).is_ok());
        set.extend(settings);
        let values = manifest.values(&set)?;
        let plugin = self.load(&package, granted.clone(), values.clone(), &label);
        let plugin = plugin.inspect_err(|_| self.forget(&package.wasm))?;
        let sha256 = hex(&Sha256::digest(file));
        let ready = manifest.missing(&values).is_empty();
        let entry = Entry {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            sha256: sha256.clone(),
            installed: now(),
            by: by.to_owned(),
            enabled: ready && before.as_ref().is_none_or(|b| b.enabled),
            granted,
            settings: set,
        };
        write_whole(&ledger::package(&self.folder, &sha256), &[file])?;
        let seat = entry.enabled.then(|| Arc::new(Seat::new(plugin)));
        let signer = package.signer.map(|key| key.to_string());
        let what = match (&before, &signer) {
            (None, Some(_)) => "installed".to_owned(),
            (None, None) => "installed, unsigned".to_owned(),
            (Some(b), Some(_)) => format!("updated from {}", b.version),
            (Some(b), None) => format!("updated from {}, unsigned", b.version),
        };
        let old = before.as_ref().and_then(|b| self.wasm_of(&b.sha256)).filter(|w| *w != package.wasm);
        self.commit(Shelved { entry, manifest: manifest.clone(), signer, seat: Ok(seat) })?;
        if let Some(old) = old {
            self.forget(&old);
        }
        (self.tell)(Event::PluginInstalled { plugin: label, by: by.to_owned(), what });
        let shelf = self.shelf.read().unwrap_or_else(PoisonError::into_inner);
        let view = shelf.iter().find(|s| s.entry.name == manifest.name).map(PluginView::of);
        view.ok_or(InstallError::NotThere(manifest.name))
    }

    fn change(&self, name: &str, change: Change, by: &str) -> Result<(), InstallError> {
        let _changing = self.one_at_a_time();
        let mut entry = self.entry(name).ok_or_else(|| InstallError::NotThere(name.to_owned()))?;
        let label = format!("{} {}", entry.name, entry.version);
        let (package, signer) = self.package(&entry)?;
        let manifest = package.manifest.clone();
        let mut done = Vec::new();
        if let Some(grants) = change.grants {
            if let Some(grant) = grants.iter().find(|g| !manifest.asked().any(|asked| asked == *g)) {
                return Err(InstallError::NotAsked { plugin: label, grant: grant.to_string() });
            }
            entry.granted = grants;
            done.push("granted anew".to_owned());
        }
        for (key, value) in change.settings {
            done.push(format!("{key} set"));
            match value {
                Some(value) => entry.settings.insert(key, value),
                None => entry.settings.remove(&key),
            };
        }
        let values = manifest.values(&entry.settings)?;
        if let Some(enabled) = change.enabled {
            entry.enabled = enabled;
            done.push(if enabled { "enabled" } else { "disabled" }.to_owned());
        }
        let missing = manifest.missing(&values);
        if entry.enabled && !missing.is_empty() {
            return Err(InstallError::Missing { plugin: label, keys: missing.join(", ") });
        }
        let seat = if entry.enabled {
            Some(Arc::new(Seat::new(self.load(&package, entry.granted.clone(), values, &label)?)))
        } else {
            None
        };
        self.commit(Shelved { entry, manifest, signer, seat: Ok(seat) })?;
        let what = done.join(", ");
        (self.tell)(Event::PluginInstalled { plugin: label, by: by.to_owned(), what });
        Ok(())
    }

    fn remove(&self, name: &str, by: &str) -> Result<(), InstallError> {
        let _changing = self.one_at_a_time();
        let entry = self.entry(name).ok_or_else(|| InstallError::NotThere(name.to_owned()))?;
        let wasm = self.wasm_of(&entry.sha256);
        let mut ledger = self.ledger();
        ledger.plugins.retain(|p| p.name != name);
        ledger.write(&self.folder)?;
        self.shelf.write().unwrap_or_else(PoisonError::into_inner).retain(|s| s.entry.name != name);
        self.announce();
        self.values.forget(name);
        keeper::erase(&self.folder, name);
        if let Some(wasm) = wasm {
            self.forget(&wasm);
        }
        let plugin = format!("{} {}", entry.name, entry.version);
        (self.tell)(Event::PluginInstalled { plugin, by: by.to_owned(), what: "removed".to_owned() });
        Ok(())
    }

    /// Puts a plugin in its place, on the disk first.
    fn commit(&self, shelved: Shelved) -> Result<(), InstallError> {
        let mut ledger = self.ledger();
        match ledger.plugins.iter_mut().find(|p| p.name == shelved.entry.name) {
            Some(entry) => *entry = shelved.entry.clone(),
            None => ledger.plugins.push(shelved.entry.clone()),
        }
        ledger.write(&self.folder)?;
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        match shelf.iter_mut().find(|s| s.entry.name == shelved.entry.name) {
            Some(place) => *place = shelved,
            None => shelf.push(shelved),
        }
        drop(shelf);
        self.announce();
        Ok(())
    }

    /// Hands the new set out.
    fn announce(&self) {
        let set = self.set();
        self.keep(&set);
        if let Some(heed) = &*self.heed.lock().unwrap_or_else(PoisonError::into_inner) {
            heed(set);
        }
    }

    /// What goes on beside the calls: not without plugins.
    fn keep(&self, set: &Arc<Set>) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        if set.seats().next().is_none() {
            *keeper = None;
            return;
        }
        if keeper.is_none() {
            *keeper = Keeper::start(self.folder.clone(), self.values.clone(), self.prices.clone())
                .inspect_err(|e| tracing::warn!("no thread for plugins: {e}; what they keep is not written"))
                .ok();
        }
        if let Some(keeper) = &*keeper {
            keeper.attend(set.clone());
        }
    }

    fn set(&self) -> Arc<Set> {
        let shelf = self.shelf.read().unwrap_or_else(PoisonError::into_inner);
        let seats = shelf.iter().filter_map(|s| s.seat.as_ref().ok()?.clone()).collect();
        Arc::new(Set::new(seats, self.landlines.clone()))
    }

    /// A plugin of an earlier run. What does not start is told of.
    fn restore(&self, entry: Entry) -> Shelved {
        let label = format!("{} {}", entry.name, entry.version);
        let failed = |why: String| {
            (self.tell)(Event::PluginRefused { plugin: label.clone(), why: why.clone() });
            why
        };
        let (package, signer) = match self.package(&entry) {
            Ok(found) => found,
            Err(e) => {
                // What it was is gone with its package; its place and its settings stay until somebody removes it.
                let seat = Err(failed(e.to_string()));
                return Shelved { manifest: lost(&entry), entry, signer: None, seat };
            }
        };
        let manifest = package.manifest.clone();
        let seat = if entry.enabled { self.start(&package, &entry, &label).map(Some) } else { Ok(None) };
        let seat = seat.map_err(|e| failed(e.to_string()));
        Shelved { entry, manifest, signer, seat }
    }

    fn start(&self, package: &Package, entry: &Entry, label: &str) -> Result<Arc<Seat>, InstallError> {
        self.trusted(package, label)?;
        let values = package.manifest.values(&entry.settings)?;
        Ok(Arc::new(Seat::new(self.load(package, entry.granted.clone(), values, label)?)))
    }

    fn load(
        &self,
        package: &Package,
        grants: Grants,
        values: Settings,
        label: &str,
    ) -> Result<Plugin, InstallError> {
        let wrong = |why: LoadError| InstallError::Load { plugin: label.to_owned(), why };
        let runtime = match self.runtime.get() {
            Some(runtime) => runtime,
            None => {
                let made = Runtime::new(Some(&self.folder.join("cache"))).map_err(wrong)?;
                self.runtime.get_or_init(|| made)
            }
        };
        let outside = self.outside.clone();
        Plugin::load(runtime, &package.wasm, &package.manifest, grants, values, outside).map_err(wrong)
    }

    /// Throws away what was compiled of a component that is gone.
    fn forget(&self, wasm: &[u8]) {
        if let Some(runtime) = self.runtime.get() {
            runtime.forget(wasm);
        }
    }

    /// Is it signed by somebody whom this box trusts?
    fn trusted(&self, package: &Package, label: &str) -> Result<(), InstallError> {
        let Some(key) = package.signer else {
            if !self.developer {
                return Err(InstallError::Unsigned(label.to_owned()));
            }
            tracing::warn!("{label} is NOT SIGNED; it runs because the exchange is in developer mode");
            return Ok(());
        };
        let of_config = self.trust.read().unwrap_or_else(PoisonError::into_inner).contains(&key);
        if of_config || trust_file(&self.folder).contains(&key) {
            return Ok(());
        }
        Err(InstallError::Unknown { plugin: label.to_owned(), key: key.to_string() })
    }

    /// The package of an entry, whole and as it was installed.
    fn package(&self, entry: &Entry) -> Result<(Package, Option<String>), InstallError> {
        let path = ledger::package(&self.folder, &entry.sha256);
        let file =
            fs::read(&path).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
        if hex(&Sha256::digest(&file)) != entry.sha256 {
            return Err(crate::package::PackageError::Tampered.into());
        }
        let package = Package::read(&file)?;
        let signer = package.signer.map(|key| key.to_string());
        Ok((package, signer))
    }

    fn wasm_of(&self, sha256: &str) -> Option<Vec<u8>> {
        let file = fs::read(ledger::package(&self.folder, sha256)).ok()?;
        Package::read(&file).ok().map(|package| package.wasm)
    }

    fn entry(&self, name: &str) -> Option<Entry> {
        let shelf = self.shelf.read().unwrap_or_else(PoisonError::into_inner);
        shelf.iter().find(|s| s.entry.name == name).map(|s| s.entry.clone())
    }

    fn ledger(&self) -> Ledger {
        let shelf = self.shelf.read().unwrap_or_else(PoisonError::into_inner);
        Ledger { plugins: shelf.iter().map(|s| s.entry.clone()).collect() }
    }

    fn one_at_a_time(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The grants of a plugin from now on: all that it asks for, if all of it is confirmed now or was before.
fn granted(
    manifest: &Manifest,
    confirmed: &Confirmed,
    before: Option<&Entry>,
    label: &str,
) -> Result<Grants, InstallError> {
    let had = before.map(|b| &b.granted);
    let covered = |asked: &Grant, by: &Grants| by.iter().any(|grant| grant.covers(asked));
    if let Confirmed::These(these) = confirmed
        && let Some(grant) = these.iter().find(|g| !manifest.asked().any(|asked| g.covers(asked)))
    {
        return Err(InstallError::NotAsked { plugin: label.to_owned(), grant: grant.to_string() });
    }
    let lacks = |asked: &Grant| {
        let now = match confirmed {
            Confirmed::All => true,
            Confirmed::These(these) => covered(asked, these),
        };
        !now && !had.is_some_and(|had| covered(asked, had))
    };
    let missing: Vec<_> = manifest.grants.iter().filter(|ask| lacks(&ask.grant)).cloned().collect();
    if !missing.is_empty() {
        return Err(InstallError::NotGranted { plugin: label.to_owned(), missing });
    }
    Ok(manifest.asked().cloned().collect())
}

/// What is left of a plugin whose package is gone.
fn lost(entry: &Entry) -> Manifest {
    Manifest {
        name: entry.name.clone(),
        version: entry.version.clone(),
        title: String::new(),
        description: String::new(),
        worlds: Vec::new(),
        licence: String::new(),
        icon: None,
        grants: Vec::new(),
        settings: Vec::new(),
    }
}

/// The keys of the trust file; lines that are none are left out.
fn trust_file(folder: &Path) -> Vec<PublicKey> {
    let text = fs::read_to_string(folder.join(TRUST)).unwrap_or_default();
    text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
