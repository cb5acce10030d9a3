//! The installed plugins: kept under the data folder, changed whole or not at all, and handed to the exchange as a set.
//!
//! An install looks at everything before it writes anything: the package, its signature, its publisher, its grants, its
//! settings, and whether the component starts. What is refused leaves no trace but an event.

mod activate;
mod background;
mod error;
mod ledger;
mod planned;
mod status;
mod validate_package;
mod values;
mod view;

pub use error::InstallError;
pub use planned::{Kept, Plan, put_back};
pub use view::{GrantView, PluginView, SettingView};

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use ringtrip_model::event::Event;
use sha2::{Digest, Sha256};

use crate::cache::Source;
use crate::compiler::Compiler;
use crate::contract::Price;
use crate::host::{HostServices, Naptr};
use crate::package::Package;
use crate::package::grant::Grants;
use crate::package::key::PublicKey;
use crate::package::manifest::{Manifest, Settings};
use crate::plugin_set::{Landlines, PluginSet, Slot};
use crate::runtime::Runtime;
use activate::{Operation, slots};
use background::BackgroundTasks;
use ledger::{Entry, Ledger};
use values::Values;

/// The installed plugins. Cheap to clone.
#[derive(Clone)]
pub struct Installed(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    /// Made with the first plugin: an exchange without any pays nothing for them.
    runtime: Mutex<Option<Runtime>>,
    compiler: Compiler,
    services: HostServices,
    values: Arc<Values>,
    developer: bool,
    tell: EventSink,
    prices: PriceSink,
    trust: RwLock<Vec<PublicKey>>,
    landlines: Landlines,
    /// One change at a time; readers do not wait for it.
    changing: Mutex<()>,
    plugins: RwLock<Vec<InstalledPlugin>>,
    listener: Mutex<Option<Listener>>,
    /// Runs as long as there are plugins.
    background: Mutex<Option<BackgroundTasks>>,
}

/// Where events go.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;
/// Gets what a gateway plugin says that calls cost: the plugin's name, and its prices, which make sense.
pub type PriceSink = Arc<dyn Fn(&str, &[Price]) + Send + Sync>;
/// Gets each new set.
type Listener = Box<dyn Fn(Arc<PluginSet>) + Send + Sync>;

/// How plugins are kept.
pub struct Options {
    /// `<data>/plugins`.
    pub folder: PathBuf,
    /// Makes machine code of new components.
    pub compiler: Compiler,
    /// Unsigned packages are taken.
    pub developer: bool,
    /// Publishers that the configuration trusts.
    pub trust: Vec<PublicKey>,
    /// Name servers.
    pub dns: Arc<dyn Naptr>,
    /// Where events go.
    pub tell: EventSink,
    /// Where prices go, once a day.
    pub prices: PriceSink,
}

/// One installed plugin in memory.
#[derive(Clone)]
struct InstalledPlugin {
    entry: Entry,
    manifest: Manifest,
    signer: Option<String>,
    /// Names its compiled form; `None`: its package is gone.
    code: Option<Source>,
    /// It runs; `Ok(None)`: it is disabled; an error: why it does not run.
    slot: Result<Option<Arc<Slot>>, String>,
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
    /// Opens the folder and starts what is enabled. A plugin that cannot start is reported, and stays installed.
    ///
    /// # Errors
    /// The folder cannot be read or written. What is wrong with a single plugin is reported as an event.
    pub fn open(options: Options) -> Result<Installed, InstallError> {
        let Options { folder, compiler, developer, trust, dns, tell, prices } = options;
        ledger::make(&folder)?;
        let ledger = Ledger::read(&folder)?;
        let values = Arc::new(Values::of(&folder));
        values.sweep(|name| ledger.plugins.iter().any(|p| p.name == name));
        let services = HostServices::new(values.memory(), dns);
        let inner = Inner {
            folder,
            runtime: Mutex::default(),
            compiler,
            services,
            values,
            developer,
            tell,
            prices,
            trust: RwLock::new(trust),
            landlines: Landlines::default(),
            changing: Mutex::default(),
            plugins: RwLock::default(),
            listener: Mutex::default(),
            background: Mutex::default(),
        };
        let plugins: Vec<InstalledPlugin> =
            ledger.plugins.into_iter().map(|entry| inner.restore(entry)).collect();
        if let Some(runtime) = &*inner.runtime.lock().unwrap_or_else(PoisonError::into_inner) {
            // What drafts have had compiled is compiled again if they still want it.
            runtime.keep_only(&plugins.iter().filter_map(|s| s.code).collect());
        }
        *inner.plugins.write().unwrap_or_else(PoisonError::into_inner) = plugins;
        let installed = Installed(Arc::new(inner));
        installed.0.announce();
        Ok(installed)
    }

    /// Calls `listener` with the set now and after each change.
    pub fn on_change(&self, listener: impl Fn(Arc<PluginSet>) + Send + Sync + 'static) {
        listener(self.set());
        *self.0.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(listener));
    }

    /// The plugins that run now.
    pub fn set(&self) -> Arc<PluginSet> {
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
        let plugins = self.0.plugins.read().unwrap_or_else(PoisonError::into_inner);
        plugins.iter().map(PluginView::of).collect()
    }

    /// One.
    ///
    /// # Errors
    /// There is no such plugin.
    pub fn show(&self, name: &str) -> Result<PluginView, InstallError> {
        self.0.show(name)
    }

    /// The icon of one, and whether it is SVG (or PNG).
    ///
    /// # Errors
    /// There is no such plugin, or its package cannot be read.
    pub fn icon(&self, name: &str) -> Result<Option<(Vec<u8>, bool)>, InstallError> {
        let view = self.show(name)?;
        let package = Package::read(&ledger::read_package(&self.0.folder, &view.sha256)?)?;
        let svg = package.manifest.icon.as_deref().is_some_and(|name| name.ends_with(".svg"));
        Ok(package.icon.map(|icon| (icon, svg)))
    }

    /// Installs a package. What is refused changes nothing.
    ///
    /// # Errors
    /// The package is broken, its signer is not trusted, a grant is not confirmed, a setting is invalid, the plugin does not run or
    /// is installed already, or the disk failed.
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
    ///
    /// # Errors
    /// Those of [`Installed::install`], or the package is not a newer version of this plugin.
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
    ///
    /// # Errors
    /// There is no such plugin, a grant or setting is not one of its own, a setting is missing, it does not run, or the disk failed.
    pub fn change(&self, name: &str, change: Change, by: &str) -> Result<PluginView, InstallError> {
        self.0.change(name, change, by)
    }

    /// Removes a plugin with all that it kept.
    ///
    /// # Errors
    /// There is no such plugin, or the disk failed.
    pub fn remove(&self, name: &str, by: &str) -> Result<(), InstallError> {
        self.0.remove(name, by)
    }
}

impl Inner {
    fn install(
        &self,
        file: &[u8],
        update: Option<&str>,
        confirmed: &Confirmed,
        settings: Settings,
        by: &str,
    ) -> Result<PluginView, InstallError> {
        let _changing = self.one_at_a_time();
        let before = |manifest: &Manifest| match (update, self.kept(update.unwrap_or(&manifest.name))) {
            (Some(name), None) => Err(InstallError::NotThere(name.to_owned())),
            (None, Some(there)) => {
                let (name, version) = (there.name().to_owned(), there.version().clone());
                Err(InstallError::There { name, version })
            }
            (_, before) => Ok(before),
        };
        let ready = Box::new(self.validate_install(file, before, confirmed, settings, by)?);
        let name = ready.kept.name().to_owned();
        self.activate(vec![Operation::Install { ready, package: Some(file.to_vec()) }], by)?;
        self.show(&name)
    }

    fn change(&self, name: &str, change: Change, by: &str) -> Result<PluginView, InstallError> {
        let _changing = self.one_at_a_time();
        let before = self.kept(name).ok_or_else(|| InstallError::NotThere(name.to_owned()))?;
        let file = ledger::read_package(&self.folder, before.sha256())?;
        let ready = Box::new(self.validate_change(&before, &file, change)?);
        self.activate(vec![Operation::Install { ready, package: None }], by)?;
        self.show(name)
    }

    fn remove(&self, name: &str, by: &str) -> Result<(), InstallError> {
        let _changing = self.one_at_a_time();
        self.kept(name).ok_or_else(|| InstallError::NotThere(name.to_owned()))?;
        self.activate(vec![Operation::Remove(name.to_owned())], by)?;
        self.values.forget(name);
        Ok(())
    }

    /// Reports a refusal.
    fn noted<T>(
        &self,
        plugin: &str,
        install: impl FnOnce() -> Result<T, InstallError>,
    ) -> Result<T, InstallError> {
        install().inspect_err(|e| {
            (self.tell)(Event::PluginRefused { plugin: plugin.to_owned(), why: e.to_string() });
        })
    }

    fn show(&self, name: &str) -> Result<PluginView, InstallError> {
        let plugins = self.plugins.read().unwrap_or_else(PoisonError::into_inner);
        let view = plugins.iter().find(|s| s.entry.name == name).map(PluginView::of);
        view.ok_or_else(|| InstallError::NotThere(name.to_owned()))
    }

    /// Hands the new set out.
    fn announce(&self) {
        let set = self.set();
        self.update_background(&set);
        if let Some(listener) = &*self.listener.lock().unwrap_or_else(PoisonError::into_inner) {
            listener(set);
        }
    }

    /// What goes on beside the calls: not without plugins.
    fn update_background(&self, set: &Arc<PluginSet>) {
        let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
        if set.slots().next().is_none() {
            *background = None;
            return;
        }
        if background.is_none() {
            *background = BackgroundTasks::start(self.values.clone(), self.prices.clone(), self.tell.clone())
                .inspect_err(|e| tracing::warn!("no thread for plugins: {e}; what they keep is not written"))
                .ok();
        }
        if let Some(background) = &*background {
            background.set_plugins(set.clone());
        }
    }

    fn set(&self) -> Arc<PluginSet> {
        let plugins = self.plugins.read().unwrap_or_else(PoisonError::into_inner);
        Arc::new(PluginSet::new(slots(&plugins), self.landlines.clone()))
    }

    /// A plugin of an earlier run. What does not start is reported.
    fn restore(&self, entry: Entry) -> InstalledPlugin {
        let kept = Kept { entry: entry.clone(), behind: Some(Vec::new()) };
        let failed = |e: InstallError| {
            (self.tell)(Event::PluginRefused { plugin: kept.label(), why: e.to_string() });
            Err(e.to_string())
        };
        self.values.find(kept.name());
        let file = ledger::read_package(&self.folder, kept.sha256()).map_err(InstallError::from);
        let package = match file.and_then(|file| kept.open(&file)) {
            Ok(package) => package,
            // What it was is gone with its package; its place and its settings stay until somebody removes it.
            Err(e) => {
                return InstalledPlugin {
                    manifest: manifest_of_lost(&entry),
                    entry,
                    signer: None,
                    code: None,
                    slot: failed(e),
                };
            }
        };
        let manifest = package.manifest.clone();
        let signer = package.signer.map(|key| key.to_string());
        let code = Some(Sha256::digest(&package.wasm).into());
        let slot =
            if entry.enabled { self.validate(kept.clone(), package).map(|r| r.plugin) } else { Ok(None) };
        let slot = match slot {
            Ok(plugin) => Ok(plugin.map(|plugin| Arc::new(self.live_slot(plugin, signer.as_deref())))),
            Err(e) => failed(e),
        };
        InstalledPlugin { entry, manifest, signer, code, slot }
    }

    fn one_at_a_time(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is left of a plugin whose package is gone.
fn manifest_of_lost(entry: &Entry) -> Manifest {
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
