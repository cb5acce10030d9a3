//! The active routing: the engine that routes calls, its scripts, and how both change. Thread-safe and without actors, so
//! that live calls, the API and drafts all use the same engine.
//!
//! A change builds a new [`Engine`] and replaces the active one atomically; calls in progress keep the engine that they
//! began with. What does not compile or fails its proof is refused, and the previous engine stays.

mod canary;
pub mod explain;
pub(crate) mod guard;
pub(crate) mod script_tests;
pub(crate) mod scripts;
mod workers;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use ringtrip_config::Config;
use ringtrip_model::event::Event;
use ringtrip_routing::router::{Gateways, NoGateways, NoPrices, Prices, Router};
use ringtrip_routing::{Engine, NoPlugins, Plugins, Pool};

pub use canary::CanaryView;
pub use guard::{known, quick};
pub(crate) use scripts::clock;
pub use scripts::{Refused, Scripts, Text};
pub use workers::{Answered, Workers};

use crate::control::ControlError;
use crate::secrets::sha256;

/// A handle on the routes. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Routes(Arc<Inner>);

struct Inner {
    /// Where relative script paths begin.
    folder: PathBuf,
    now: RwLock<Arc<ActiveRouting>>,
    /// One change at a time.
    changing: Mutex<()>,
    /// One script is saved at a time: what lies in the file is what was activated last.
    saving: Mutex<()>,
    services: RwLock<Services>,
    tell: Box<dyn Fn(Event) + Send + Sync>,
    /// Other plugins wait for the configuration that comes with them.
    deferred: AtomicBool,
    canary: canary::Slot,
    rolled_back: Mutex<Option<OnRollback>>,
}

/// Told the name of a draft whose canary was rolled back.
type OnRollback = Box<dyn Fn(&str) + Send + Sync>;

/// The routing that is active at one moment.
#[derive(Clone)]
pub struct ActiveRouting {
    /// Decides.
    pub engine: Arc<Engine>,
    /// The scripts that it asks, with their texts.
    pub scripts: Scripts,
}

/// Scripts that become active with the configuration that names them.
pub struct Routing {
    scripts: Scripts,
    /// What was refused of them is reported when the others are active.
    refused: Refused,
    /// What ran when they were read from their files; `None`: their texts come with them.
    base: Option<Scripts>,
}

impl Routing {
    /// Scripts that were read from their files while this was active.
    pub fn from_files(prepared: ActiveRouting, now: &ActiveRouting) -> Routing {
        let base = Some(now.scripts.clone());
        Routing { scripts: prepared.scripts, refused: Refused(Vec::new()), base }
    }

    /// Scripts whose texts come with them, whatever the files say.
    pub fn with_its_texts(prepared: ActiveRouting) -> Routing {
        Routing { scripts: prepared.scripts, refused: Refused(Vec::new()), base: None }
    }

    /// Those that run stay.
    pub fn as_before(now: &ActiveRouting, refused: Refused) -> Routing {
        Routing { scripts: now.scripts.clone(), refused, base: Some(now.scripts.clone()) }
    }
}

/// Who helps to decide, beside scripts.
#[derive(Clone)]
struct Services {
    plugins: Arc<dyn Plugins>,
    prices: Arc<dyn Prices>,
    gateways: Arc<dyn Gateways>,
}

/// Services that replace the active ones.
#[derive(Default)]
pub struct ServiceOverrides {
    /// Plugins.
    pub plugins: Option<Arc<dyn Plugins>>,
    /// Prices.
    pub prices: Option<Arc<dyn Prices>>,
}

/// Plugin changes are deferred while this lives; see [`Routes::defer_plugins`].
pub struct DeferredPlugins(Routes);

impl Drop for DeferredPlugins {
    fn drop(&mut self) {
        let _one = self.0.one_change();
        if self.0.0.deferred.swap(false, Ordering::SeqCst) {
            self.0.rebuild();
        }
    }
}

impl Routes {
    /// The routes of this configuration, with the scripts that it names. `folder` is where relative script paths begin;
    /// `tell` hears what an operator should know.
    pub fn new(config: Arc<Config>, folder: &Path, tell: Box<dyn Fn(Event) + Send + Sync>) -> Routes {
        let services = Services::default();
        let scripts = Scripts::none();
        let engine = services.engine(config.clone(), &scripts);
        let now = RwLock::new(Arc::new(ActiveRouting { engine, scripts }));
        let routes = Routes(Arc::new(Inner {
            folder: folder.to_owned(),
            now,
            changing: Mutex::default(),
            saving: Mutex::default(),
            services: RwLock::new(services),
            tell,
            deferred: AtomicBool::new(false),
            canary: canary::Slot::default(),
            rolled_back: Mutex::default(),
        }));
        let routing = routes.compile(&config);
        routes.deploy(config, routing);
        routes
    }

    /// What is active now.
    pub fn now(&self) -> Arc<ActiveRouting> {
        self.0.now.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// The active engine now.
    pub fn engine(&self) -> Arc<Engine> {
        self.now().engine.clone()
    }

    /// Where relative script paths begin.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// Other plugins: a new engine asks them.
    pub fn set_plugins(&self, plugins: Arc<dyn Plugins>) {
        self.update_services(|services| services.plugins = plugins);
    }

    /// Other prices.
    pub fn set_prices(&self, prices: Arc<dyn Prices>) {
        self.update_services(|services| services.prices = prices);
    }

    /// Other gateway states.
    pub fn set_gateways(&self, gateways: Arc<dyn Gateways>) {
        self.update_services(|services| services.gateways = gateways);
    }

    fn update_services(&self, change: impl FnOnce(&mut Services)) {
        let _one = self.one_change();
        change(&mut self.0.services.write().unwrap_or_else(|e| e.into_inner()));
        if !self.0.deferred.load(Ordering::SeqCst) {
            self.rebuild();
        }
    }

    /// Defers plugin changes until the next configuration is applied or the handle is dropped, so that both take effect
    /// together.
    pub fn defer_plugins(&self) -> DeferredPlugins {
        self.0.deferred.store(true, Ordering::SeqCst);
        DeferredPlugins(self.clone())
    }

    /// Rebuilds the active engine with the current services.
    fn rebuild(&self) {
        let now = self.now();
        self.put(now.engine.router().config().clone(), now.scripts.clone());
    }

    /// The scripts that a configuration names, compiled. Reads files and takes its time.
    pub fn compile(&self, config: &Arc<Config>) -> Routing {
        let before = self.now();
        if before.scripts.matches(config, &self.0.folder) {
            return Routing::as_before(&before, Refused(Vec::new()));
        }
        match Scripts::read(config, &self.0.folder, &[]) {
            Ok(scripts) => {
                let (scripts, refused) = self.passed(config, scripts, &before);
                Routing { scripts, refused, base: Some(before.scripts.clone()) }
            }
            Err(refused) => Routing::as_before(&before, refused),
        }
    }

    /// Activates a configuration at once, with its scripts. Waits for nobody: a holder of the lock only exchanges what is
    /// there already.
    pub fn deploy(&self, config: Arc<Config>, routing: Routing) {
        self.check_canary(&config);
        let _one = self.one_change();
        let before = self.now();
        // A script that was saved while this was being compiled stays.
        let saved = routing.base.as_ref().is_some_and(|base| !base.are(&before.scripts));
        let scripts = match saved && before.scripts.matches(&config, &self.0.folder) {
            true => before.scripts.clone(),
            false => routing.scripts,
        };
        let news = scripts.news(&before.scripts);
        self.put(config, scripts);
        self.tell_all(news);
        self.tell_all(refusal_events(&routing.refused));
    }

    /// These scripts without those that `script put` would refuse, and why: a start must not activate what nobody
    /// may save. Calls that would ask such a script take the plan's own route; the others are asked as ever.
    fn passed(&self, config: &Arc<Config>, scripts: Scripts, before: &ActiveRouting) -> (Scripts, Refused) {
        // A start is busy: what is slow then is not refused for it. What never ends meets its limit of operations.
        let mut tried = scripts.with_generous_limits();
        let (mut scripts, mut refused, services) = (scripts, Vec::new(), self.services());
        for _ in 0..=scripts.iter().count() {
            let next =
                ActiveRouting { engine: services.engine(config.clone(), &tried), scripts: tried.clone() };
            let fault = guard::first_failure(&next, before)
                .or_else(|| script_tests::first_failure(&next.scripts, config));
            let Some((word, why)) = fault else { break };
            refused.push(why);
            tried.remove(&word);
            if !scripts.remove(&word) {
                break;
            }
        }
        (scripts, Refused(refused))
    }

    /// What would be active with this configuration and these texts in place of the files of those names. Nothing
    /// changes. A script that is missing or broken refuses the whole.
    ///
    /// # Errors
    /// Every script that is missing or does not compile.
    pub fn prepare(&self, config: Arc<Config>, texts: &[Text]) -> Result<ActiveRouting, Refused> {
        self.prepare_with(config, texts, ServiceOverrides::default())
    }

    /// The same with other services.
    ///
    /// # Errors
    /// Those of [`Routes::prepare`].
    pub fn prepare_with(
        &self,
        config: Arc<Config>,
        texts: &[Text],
        instead: ServiceOverrides,
    ) -> Result<ActiveRouting, Refused> {
        let now = self.now();
        let same = texts.is_empty() && now.scripts.matches(&config, &self.0.folder);
        let scripts = match same {
            true => now.scripts.clone(),
            false => Scripts::read(&config, &self.0.folder, texts)?,
        };
        let mut services = self.services();
        services.plugins = instead.plugins.unwrap_or(services.plugins);
        services.prices = instead.prices.unwrap_or(services.prices);
        Ok(ActiveRouting { engine: services.engine(config, &scripts), scripts })
    }

    /// Activates what was prepared, with the services of now.
    pub fn take(&self, prepared: &ActiveRouting) {
        let _one = self.one_change();
        let before = self.now();
        self.put(prepared.engine.router().config().clone(), prepared.scripts.clone());
        self.tell_all(prepared.scripts.news(&before.scripts));
    }

    /// Makes a script's new text active, its file first, so that a restart runs what runs now. `name` is the file's name.
    ///
    /// # Errors
    /// There is no such script; its text does not compile, fails its tests or the guard; or its file cannot be written.
    /// The text before stays active.
    pub fn reload(&self, name: &str, text: &str) -> Result<(), ControlError> {
        let _one = self.0.saving.lock().unwrap_or_else(|e| e.into_inner());
        let file = self.file_of(name)?;
        let now = self.now();
        let config = now.engine.router().config().clone();
        let prepared =
            self.prepare(config.clone(), &[Text { name: name.to_owned(), text: text.to_owned() }])?;
        guard::scripts(name, &prepared, &now).map_err(ControlError::Script)?;
        let word = prepared
            .scripts
            .iter()
            .find(|(named, _)| named.name == name)
            .map(|(named, _)| named.word.clone());
        script_tests::pass(&file, &word.unwrap_or_default(), &prepared.scripts, &config)
            .map_err(ControlError::Script)?;
        scripts::write(&file, text).map_err(|e| {
            let why = format!("{}: {e}; the script before stays", file.display());
            if crate::store::takes_nothing(&e) { ControlError::Disk(why) } else { ControlError::Failed(why) }
        })?;
        self.take(&prepared);
        Ok(())
    }

    /// Compiles a text and changes nothing.
    ///
    /// # Errors
    /// [`ControlError::Script`] with every mistake in it.
    pub fn check(&self, name: &str, text: &str) -> Result<(), ControlError> {
        let now = self.now();
        let config = now.engine.router().config();
        let errors =
            Pool::check(now.scripts.library(), name, text, scripts::limits(config), scripts::clock());
        if errors.is_empty() { Ok(()) } else { Err(Refused::from(errors).into()) }
    }

    /// The running text of a script.
    ///
    /// # Errors
    /// [`ControlError::Missing`]: the configuration has no such script.
    pub fn read(&self, name: &str) -> Result<String, ControlError> {
        self.file_of(name)?;
        Ok(self.now().scripts.text_of(name).cloned().unwrap_or_default())
    }

    /// The file of a script of the configuration.
    ///
    /// # Errors
    /// [`ControlError::Missing`]: the configuration has no such script.
    pub fn file_of(&self, name: &str) -> Result<PathBuf, ControlError> {
        let config = self.engine().router().config().clone();
        let found = scripts::files(&config, &self.0.folder).into_iter().find(|f| f.name == name);
        let missing = || ControlError::Missing { what: "script", name: name.to_owned() };
        found.map(|f| f.path).ok_or_else(missing)
    }

    /// Takes what was saved into the scripts' folder since it was last looked at.
    pub fn look_at_files(&self) {
        let _one = self.0.saving.lock().unwrap_or_else(|e| e.into_inner());
        let before = self.now();
        let Some(seen) = before.scripts.changed(&self.0.folder) else { return };
        let config = before.engine.router().config().clone();
        let services = self.services();
        let read = Scripts::read(&config, &self.0.folder, &[]).and_then(|scripts| {
            let next = ActiveRouting { engine: services.engine(config.clone(), &scripts), scripts };
            let name = next.scripts.iter().next().map(|(named, _)| named.name.clone()).unwrap_or_default();
            guard::scripts(&name, &next, &before)
                .and_then(|()| script_tests::all_pass(&next.scripts, &config))
                .map_err(|refused| Refused(vec![refused]))?;
            Ok(next.scripts)
        });
        let _one = self.one_change();
        if !Arc::ptr_eq(&self.now(), &before) {
            // Something else was activated meanwhile: the next look finds what is still to be taken.
            return;
        }
        match read {
            Ok(scripts) => {
                let news = scripts.news(&before.scripts);
                self.put(config, scripts);
                self.tell_all(news);
            }
            Err(refused) => {
                self.put(config, before.scripts.with_stamps(seen));
                self.tell_all(refusal_events(&refused));
            }
        }
    }

    fn put(&self, config: Arc<Config>, scripts: Scripts) {
        let engine = self.services().engine(config, &scripts);
        *self.0.now.write().unwrap_or_else(|e| e.into_inner()) = Arc::new(ActiveRouting { engine, scripts });
    }

    fn services(&self) -> Services {
        self.0.services.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    fn one_change(&self) -> std::sync::MutexGuard<'_, ()> {
        self.0.changing.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn tell_all(&self, news: Vec<Event>) {
        news.into_iter().for_each(|event| (self.0.tell)(event));
    }
}

impl Default for Services {
    fn default() -> Services {
        Services { plugins: Arc::new(NoPlugins), prices: Arc::new(NoPrices), gateways: Arc::new(NoGateways) }
    }
}

impl Services {
    fn engine(&self, config: Arc<Config>, scripts: &Scripts) -> Arc<Engine> {
        let router = Router::new(config).with_gateways(self.gateways.clone());
        Arc::new(Engine::new(router, scripts.pool().scripts(), self.plugins.clone(), self.prices.clone()))
    }
}

fn refusal_events(refused: &Refused) -> Vec<Event> {
    let one = |r: &crate::control::ScriptRefused| Event::ScriptRefused {
        script: r.script.clone(),
        why: r.to_string(),
    };
    refused.0.iter().map(one).collect()
}

fn active(name: &str, text: &str) -> Event {
    Event::ScriptActive { script: name.to_owned(), hash: sha256(text)[..16].to_owned() }
}

#[cfg(test)]
mod tests;
