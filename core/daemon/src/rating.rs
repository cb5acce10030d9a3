//! Rating in the running exchange: the shell of [`CallRating`], which decides what calls try, set aside and cost. This module
//! gives it the time, and connects it to files, the store and those who ask.
//!
//! * `decks`: price lists in the data folder, imported and swapped in while calls go on.
//! * `draft_decks`: decks that are not active yet, and what calls would cost by them.
//! * `persist`: what must outlive a restart. * `view`: what people see.

mod decks;
mod draft_decks;
mod persist;
mod view;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use ringtrip_config::Config;
use ringtrip_exchange::rating::{CallRating, RatingInput, RatingOutput, at, decks_of};
use ringtrip_exchange::route::{Quote, RoutePlan, Step, WallTime};
use ringtrip_model::event::Event;
use ringtrip_model::ids::{CallId, GatewayId};
use ringtrip_model::party::{Cause, Source};
use ringtrip_rating::deck::Deck;
use ringtrip_rating::time::At;
use ringtrip_routing::router::{Prices, RankQuery, Ranking};
use tokio::sync::Notify;

pub use decks::{ImportAsk, ImportError, is_deck_name};
pub use draft_decks::{DraftDeck, DraftDecks, HealthView, restore_files};
pub use view::{CompareView, DeckView, ImportView, MoneyView, OfferView, RejectedView};

use crate::exchange::wall;
use crate::store::Store;

/// Where decks lie, in the data folder.
const FOLDER: &str = "rates";

/// A handle on the rating state. Cheap to clone; all clones share it.
#[derive(Clone)]
pub struct Rating(Arc<Inner>);

struct Inner {
    /// Where the decks lie.
    folder: PathBuf,
    /// Decks are behind `Arc`s: what is done under this lock takes microseconds, whatever is imported.
    calls: RwLock<CallRating>,
    decks: RwLock<BTreeMap<String, Arc<Deck>>>,
    /// SHA-256 of their files. Taken after the decks, where both are needed.
    marks: Mutex<BTreeMap<String, String>>,
    /// Decks that are being read at start.
    loading: RwLock<Vec<String>>,
    /// One import at a time: each needs much memory for a moment.
    importing: Mutex<()>,
    /// When what was learned was written last.
    learned_persisted: Mutex<Option<Instant>>,
    /// A call has a deadline, or something has to be persisted.
    changed: Notify,
    store: Option<Store>,
    tell: Box<dyn Fn(Event) + Send + Sync>,
}

impl Rating {
    /// Opens the rating state of a data folder. Large decks are read on a separate thread; until one is loaded, its
    /// gateways have no price.
    pub fn open(
        config: Arc<Config>,
        data: &Path,
        store: &Store,
        tell: Box<dyn Fn(Event) + Send + Sync>,
    ) -> Rating {
        let money = Rating::new(config, data.join(FOLDER), Some(store.clone()), tell);
        money.restore();
        money.load();
        money
    }

    /// An empty instance without a store.
    pub fn none() -> Rating {
        Rating::new(Arc::default(), PathBuf::new(), None, Box::new(|_| {}))
    }

    fn new(
        config: Arc<Config>,
        folder: PathBuf,
        store: Option<Store>,
        tell: Box<dyn Fn(Event) + Send + Sync>,
    ) -> Rating {
        let money = Rating(Arc::new(Inner {
            folder,
            calls: RwLock::new(CallRating::new(config)),
            decks: RwLock::default(),
            marks: Mutex::default(),
            loading: RwLock::default(),
            importing: Mutex::default(),
            learned_persisted: Mutex::default(),
            changed: Notify::new(),
            store,
            tell,
        }));
        money.offer();
        money
    }

    /// Applies another configuration. What was spent under a limit that keeps its name stays spent.
    pub fn configure(&self, config: Arc<Config>) {
        self.calls_mut().configure(config.clone());
        self.offer();
        self.warn_unpriced(&config);
    }

    /// Raises alarms for configured decks that do not exist, and for gateways whose calls no limit can count.
    fn warn_unpriced(&self, config: &Config) {
        let (decks, loading) = (self.decks(), self.loading());
        let there = |name: &String| decks.contains_key(name) || loading.contains(name);
        let named =
            config.rates.offered.iter().flat_map(|(id, o)| o.decks.iter().map(move |deck| (id, deck)));
        let told_by_plugin = |deck: &str| config.plugin_gateways.iter().any(|g| g.plugin == deck);
        for (id, deck) in named.filter(|(_, deck)| !there(deck)) {
            if told_by_plugin(deck) {
                tracing::warn!("{id} has no prices yet: plugin {deck} has not reported any");
                continue;
            }
            let cure = format!("ringtrip rates import FILE --gateway {id} --name {deck}");
            self.alarm(format!(
                "{id} uses the rate deck {deck:?}, which does not exist; import it with `{cure}`"
            ));
        }
        if config.rates.limiter.limits.is_empty() {
            return;
        }
        let blind = config.gateways.iter().filter(|g| !decks_of(config, g.id.as_str()).iter().any(there));
        for gateway in blind {
            let id = &gateway.id;
            self.alarm(format!(
                "{id} has no rate deck, so its calls are not rated and no spending limit applies to them"
            ));
        }
    }

    /// Waits until there is a deadline or something to persist.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// A plan is about to be carried out: what a limit cannot pay is taken out of it.
    pub fn routed(&self, call: CallId, source: &Source, plan: &mut RoutePlan) -> Vec<RatingOutput> {
        self.step(|calls, now, at, out| calls.routed(now, at, call, source, plan, out)).1
    }

    /// What would become of a plan now, by the limits of this configuration. Nothing is set aside, and nobody is notified.
    pub fn dry_run(&self, config: &Config, source: &Source, plan: &mut RoutePlan) {
        self.calls().dry_run(at(&wall::now()), config, source, plan);
    }

    /// A target is about to be tried. If it may not be: what the call has failed with there, and why in words.
    pub fn may_try(&self, call: CallId, attempt: u8) -> (Result<(), (Cause, Step)>, Vec<RatingOutput>) {
        self.step(|calls, now, at, out| calls.may_try(now, at, call, attempt, out))
    }

    /// A call or a gateway says something.
    pub fn on(&self, input: RatingInput) -> Vec<RatingOutput> {
        self.step(|calls, now, at, out| calls.on(now, at, input, out)).1
    }

    fn step<T>(
        &self,
        step: impl FnOnce(&mut CallRating, Instant, At, &mut Vec<RatingOutput>) -> T,
    ) -> (T, Vec<RatingOutput>) {
        let (wall, mut out) = (at(&wall::now()), Vec::new());
        let mut calls = self.calls_mut();
        let given = step(&mut calls, Instant::now(), wall, &mut out);
        if calls.is_busy() {
            self.0.changed.notify_one();
        }
        (given, out)
    }

    /// Time has passed.
    pub fn tick(&self) -> Vec<RatingOutput> {
        let out = self.on(RatingInput::Timeout);
        self.persist(false);
        out
    }

    /// Is there anything that [`Rating::tick`] has to look after?
    pub fn is_busy(&self) -> bool {
        self.calls().is_busy()
    }

    /// Updates the prices of the gateways: each with its current decks.
    fn offer(&self) {
        let decks = self.decks();
        let before = self.calls_mut().offer(Instant::now(), &decks);
        // The last handle on a large deck is let go outside of the lock.
        drop(before);
    }

    fn config(&self) -> Arc<Config> {
        self.calls().config().clone()
    }

    fn calls(&self) -> RwLockReadGuard<'_, CallRating> {
        self.0.calls.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls_mut(&self) -> RwLockWriteGuard<'_, CallRating> {
        self.0.calls.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn decks(&self) -> BTreeMap<String, Arc<Deck>> {
        self.0.decks.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn loading(&self) -> Vec<String> {
        self.0.loading.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Prices for Rating {
    fn rank(&self, ask: &RankQuery<'_>) -> Ranking {
        self.calls().rank(ask)
    }

    fn quote(&self, gateway: &GatewayId, number: &str, wall: &WallTime) -> Option<Arc<Quote>> {
        self.calls().quote(gateway, number, wall)
    }
}

impl fmt::Debug for Rating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Money({} decks)", self.0.decks.read().map_or(0, |d| d.len()))
    }
}

#[cfg(test)]
mod tests;
