//! Drafts: routes that are not active yet. What they would be is built from their parts, compared, proved and replayed
//! here; activation replaces a configuration, its scripts, rate decks and plugins together, or none of them.
//!
//! * `parts`: decks and plugins of a draft, as they stand and as they shall stand. * `plugins`: those of them.
//! * `canary`: those that a start takes up again. * `check`: what a draft must pass. * `past`: the calls of the past, for replays.
//! * `files`: what lies on the disk, and what a cut-short activation leaves there.

mod canary;
mod check;
mod files;
mod parts;
mod past;
#[cfg(feature = "plugins")]
mod plugins;
#[cfg(not(feature = "plugins"))]
#[path = "drafts/no_plugins.rs"]
mod plugins;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use ringtrip_config::Config;
use ringtrip_routing::Engine;
use ringtrip_routing::router::NoGateways;

pub use canary::share_and_rule;
pub use check::{Checks, Example, checks};
pub use files::{recover, write};
pub use parts::{NotTaken, PartDiff};
pub use past::past;

use crate::config::{Fault, FaultSeverity, read};
use crate::control::ScriptRefused;
use crate::rating::{DraftDeck, DraftDecks, HealthView, Rating};
use crate::routes::{ActiveRouting, Routes, ServiceOverrides, Text};
use crate::store::{DraftRecord, DraftState, Parts, Store};
use files::Files;

/// All that drafts are made of and compared with. Cheap to clone.
#[derive(Clone)]
pub struct Drafts {
    routes: Routes,
    rating: Rating,
    #[cfg(feature = "plugins")]
    plugins: crate::plugins::Plugins,
    store: Store,
    files: Files,
    /// One change at a time: a change is read, made and kept.
    changing: Arc<tokio::sync::Mutex<()>>,
    /// Decks that were read lately, by the SHA-256 of their files: a large one takes a second to read.
    decks: Arc<Mutex<Vec<(String, DraftDeck)>>>,
}

/// A draft as meaning.
pub struct Built {
    /// The configuration.
    pub config: Arc<Config>,
    /// What would be active.
    pub active: ActiveRouting,
    /// Its decks.
    pub decks: DraftDecks,
    /// Warnings of the document.
    pub warnings: Vec<Fault>,
}

impl Drafts {
    /// The drafts of this exchange.
    pub fn new(
        routes: Routes,
        rating: Rating,
        #[cfg(feature = "plugins")] plugins: crate::plugins::Plugins,
        store: Store,
    ) -> Drafts {
        let files = Files::of(routes.folder());
        Drafts {
            routes,
            rating,
            #[cfg(feature = "plugins")]
            plugins,
            store,
            files,
            changing: Arc::default(),
            decks: Arc::default(),
        }
    }

    /// Held while a draft is changed.
    pub async fn one_change(&self) -> tokio::sync::OwnedMutexGuard<()> {
        self.changing.clone().lock_owned().await
    }

    /// Throws away files that no draft names any more.
    pub fn tidy(&self) {
        self.files.tidy(&self.store.drafts());
    }

    /// The draft as meaning; with everything that is wrong with it if that cannot be.
    ///
    /// # Errors
    /// All faults of the document, the decks, the plugins or the scripts, whichever of these comes first.
    pub fn build(&self, draft: &DraftRecord) -> Result<Built, Vec<Fault>> {
        let (config, warnings) = read(&draft.config)?;
        let config = Arc::new(config);
        let decks = self.draft_decks(&config, &draft.parts).map_err(|f| vec![f])?;
        let prices = self.rating.prices_with_overrides(config.clone(), &decks, HealthView::Current);
        let changes = !draft.parts.plugins.is_empty();
        let plugins =
            changes.then(|| self.plugins_with_overrides(&draft.parts)).transpose().map_err(|f| vec![f])?;
        let active = self
            .routes
            .prepare_with(
                config.clone(),
                &texts(&draft.scripts),
                ServiceOverrides { plugins, prices: Some(prices) },
            )
            .map_err(|refused| refused.0.into_iter().map(Fault::from).collect::<Vec<_>>())?;
        Ok(Built { config, active, decks, warnings })
    }

    /// What is active, and this draft, as if all gateways worked: for calls of other days.
    pub fn fair(&self, built: &Built) -> (Engine, Engine) {
        let live = self.routes.engine();
        let fair = |engine: &Engine, decks: &DraftDecks| {
            let prices = self.rating.prices_with_overrides(
                engine.router().config().clone(),
                decks,
                HealthView::AllAvailable,
            );
            engine.dry_run().with_gateways(Arc::new(NoGateways)).with_prices(prices)
        };
        (fair(&live, &DraftDecks::new()), fair(&built.active.engine, &built.decks))
    }

    /// Is what is active still what a draft was made from?
    pub fn stands(&self, base: &DraftState) -> bool {
        let now = self.routes.now();
        let scripts = now.scripts.iter().map(|(named, text)| (&named.name, text));
        base.version == self.store.config_head()
            && base.scripts.iter().eq(scripts.collect::<BTreeMap<_, _>>())
            && base.parts == self.current_parts(&base.parts)
    }

    /// What is active, as a draft that changes these parts remembers it.
    pub fn live_state(&self, parts: &Parts) -> DraftState {
        let now = self.routes.now();
        let scripts = now.scripts.iter().map(|(named, text)| (named.name.clone(), text.clone())).collect();
        DraftState { version: self.store.config_head(), scripts, parts: self.current_parts(parts) }
    }
}

impl From<ScriptRefused> for Fault {
    fn from(refused: ScriptRefused) -> Fault {
        Fault {
            severity: FaultSeverity::Error,
            line: refused.line as usize,
            column: refused.column as usize,
            path: refused.script,
            what: refused.what,
            hint: "correct the script; nothing was changed".to_owned(),
        }
    }
}

/// Texts of scripts for [`Routes::prepare`].
fn texts(scripts: &BTreeMap<String, String>) -> Vec<Text> {
    scripts.iter().map(|(name, text)| Text { name: name.clone(), text: text.clone() }).collect()
}
