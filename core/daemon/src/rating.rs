//! Rating in the running exchange: what calls cost by each gateway, which gateway is cheapest now, and the limits that
//! refuse and end calls. [`ringtrip_rating`] computes; this module connects it to files, the store and live calls.
//!
//! * `decks`: price lists in the data folder, imported and swapped in while calls go on.
//! * `call_rating`: what each call tries, sets aside and costs; `outcome`: what is learned from it; `charging_party`: who pays whom.
//! * `draft_decks`: decks that are not active yet, and what calls would cost by them.
//! * `persist`: what must outlive a restart. * `view`: what people see.
//!
//! Emergency calls are never rated: their route is a different kind of decision, and this module ignores it.

mod call_rating;
mod charging_party;
mod decks;
mod draft_decks;
mod outcome;
mod persist;
mod view;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use ringtrip_config::Config;
use ringtrip_exchange::route::{Quote, WallTime};
use ringtrip_model::event::Event;
use ringtrip_model::ids::GatewayId;
use ringtrip_rating::bundle::Bundles;
use ringtrip_rating::deck::Deck;
use ringtrip_rating::least_cost::{
    Budget, Candidates, Gateway, Health, LeastCost, LeastCostQuery, LeastCostView, Offer,
};
use ringtrip_rating::limiter::SpendLimiter;
use ringtrip_rating::money::Money as Amount;
use ringtrip_rating::quality::{Quality, QualitySettings};
use ringtrip_rating::time::{At, Date};
use ringtrip_routing::router::{self, Prices, RankQuery, Ranking};
use tokio::sync::Notify;

pub use call_rating::RatingEffects;
pub use decks::{ImportAsk, ImportError, is_deck_name};
pub use draft_decks::{DraftDeck, DraftDecks, HealthView, restore_files};
pub use view::{CompareView, DeckView, ImportView, MoneyView, OfferView, RejectedView};

use crate::store::Store;
use call_rating::CallRating;

/// Where decks lie, in the data folder.
const FOLDER: &str = "rates";
/// The landline among gateways.
const LANDLINE: &str = "gw0";

/// A handle on the rating state. Cheap to clone; all clones share it.
#[derive(Clone)]
pub struct Rating(Arc<Inner>);

struct Inner {
    /// Where the decks lie.
    folder: PathBuf,
    config: RwLock<Arc<Config>>,
    /// Decks are behind `Arc`s: what is done under this lock takes microseconds, whatever is imported.
    least_cost: RwLock<LeastCost>,
    decks: RwLock<BTreeMap<String, Arc<Deck>>>,
    /// SHA-256 of their files. Taken after the decks, where both are needed.
    marks: Mutex<BTreeMap<String, String>>,
    /// Decks that are being read at start.
    loading: RwLock<Vec<String>>,
    /// One import at a time: each needs much memory for a moment.
    importing: Mutex<()>,
    call_rating: Mutex<CallRating>,
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
        let rates = &config.rates;
        let quality = Quality::new(QualitySettings::default());
        let least_cost = LeastCost::new(rates.settings.clone(), quality, Bundles::new(rates.bundles.clone()));
        let call_rating = CallRating::new(SpendLimiter::new(rates.limiter.clone()));
        let money = Rating(Arc::new(Inner {
            folder,
            least_cost: RwLock::new(least_cost),
            decks: RwLock::default(),
            marks: Mutex::default(),
            loading: RwLock::default(),
            importing: Mutex::default(),
            call_rating: Mutex::new(call_rating),
            changed: Notify::new(),
            store,
            tell,
            config: RwLock::new(config),
        }));
        money.offer();
        money
    }

    /// Applies another configuration. What was spent under a limit that keeps its name stays spent.
    pub fn configure(&self, config: Arc<Config>) {
        *self.0.config.write().unwrap_or_else(PoisonError::into_inner) = config.clone();
        let rates = &config.rates;
        self.call_rating().limiter.set(rates.limiter.clone());
        {
            let mut least_cost = self.least_cost_mut();
            least_cost.settings = rates.settings.clone();
            least_cost.bundles.set(rates.bundles.clone());
        }
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

    /// Updates the least-cost gateways from the configuration, each with its current decks.
    fn offer(&self) {
        let config = self.config();
        let gateways = offered(&config, &self.decks());
        let call_rating = self.call_rating();
        let mut before = Vec::new();
        let mut least_cost = self.least_cost_mut();
        let gone: Vec<Arc<str>> = least_cost.gateways().iter().map(|g| g.name.clone()).collect();
        for name in gone.iter().filter(|name| !gateways.iter().any(|(g, ..)| g == &***name)) {
            least_cost.remove(name);
        }
        for (name, decks, most) in gateways {
            let (busy, health) = (call_rating.busy(&name), call_rating.health(&name));
            match least_cost.gateway(&name) {
                Some(gateway) => {
                    // The last handle on a large deck is let go outside of the lock.
                    before.push(std::mem::replace(&mut gateway.decks, decks));
                    (gateway.most, gateway.busy, gateway.health) = (most, busy, health);
                }
                None => least_cost.set(Gateway { name: name.as_str().into(), decks, most, busy, health }),
            }
        }
        drop(least_cost);
        drop(call_rating);
        drop(before);
    }

    fn config(&self) -> Arc<Config> {
        self.0.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn least_cost(&self) -> RwLockReadGuard<'_, LeastCost> {
        self.0.least_cost.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn least_cost_mut(&self) -> RwLockWriteGuard<'_, LeastCost> {
        self.0.least_cost.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn decks(&self) -> BTreeMap<String, Arc<Deck>> {
        self.0.decks.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn loading(&self) -> Vec<String> {
        self.0.loading.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lock order: before `market`.
    fn call_rating(&self) -> MutexGuard<'_, CallRating> {
        self.0.call_rating.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The gateways with their decks, and how many calls each carries.
fn offered(
    config: &Config,
    decks: &BTreeMap<String, Arc<Deck>>,
) -> Vec<(String, Vec<Arc<Deck>>, Option<u32>)> {
    let names = config.gateways.iter().map(|g| g.id.as_str());
    let names = names.chain(config.plugin_gateways.iter().map(|g| g.id.as_str())).chain([LANDLINE]);
    let one = |name: &str| {
        let named = decks_of(config, name);
        let found: Vec<_> = named.iter().filter_map(|deck| decks.get(deck).cloned()).collect();
        (name.to_owned(), found, config.rates.most_calls(name))
    };
    names.map(one).filter(|(_, decks, _)| !decks.is_empty()).collect()
}

/// The names of a gateway's decks; by default the deck with the gateway's own name.
fn decks_of(config: &Config, gateway: &str) -> Vec<String> {
    let id = gateway.parse::<GatewayId>().ok();
    let named = id.and_then(|id| config.rates.offered.get(&id)).map(|o| o.decks.clone());
    named.filter(|names| !names.is_empty()).unwrap_or_else(|| vec![gateway.to_owned()])
}

/// Converts to the time type of the rating crate.
fn at(wall: &WallTime) -> At {
    let unix = wall.unix_micros.div_euclid(1_000_000);
    let local = Date::new(wall.year.into(), wall.month, wall.day)
        .map(|day| day.days() * 86_400 + i64::from(wall.hour) * 3600 + i64::from(wall.minute) * 60);
    let offset = local.map_or(0, |local| local - unix.div_euclid(60) * 60);
    // No zone is further away than a day.
    At { unix, offset: i32::try_from(offset).ok().filter(|o| o.abs() <= 86_400).unwrap_or(0) }
}

fn quote(offer: Offer, currency: &str) -> Quote {
    Quote {
        deck: offer.deck.to_string(),
        prefix: offer.rate.prefix.to_string(),
        destination: offer.rate.destination.to_string(),
        currency: currency.to_owned(),
        per_minute: offer.price.tariff.per_minute.0,
        estimate: offer.cost.0,
        price: offer.price,
        why: offer.why,
    }
}

impl Prices for Rating {
    fn rank(&self, ask: &RankQuery<'_>) -> Ranking {
        let seconds = self.config().rates.call_length;
        rank(self.least_cost().view(), seconds, ask)
    }

    fn quote(&self, gateway: &GatewayId, number: &str, wall: &WallTime) -> Option<Arc<Quote>> {
        let seconds = self.config().rates.call_length;
        quote_of(self.least_cost().view(), seconds, gateway, number, wall)
    }
}

/// Ranks the gateways for a call of the expected length.
fn rank(least_cost: LeastCostView<'_>, seconds: u32, ask: &RankQuery<'_>) -> Ranking {
    let among: Vec<&str> = ask.among.iter().map(|id| id.as_str()).collect();
    let candidates = if among.is_empty() { Candidates::All } else { Candidates::These(&among) };
    let budget = Budget { per_minute: ask.budget.map(Amount::micros), call: None };
    let ask = LeastCostQuery { number: ask.number, at: at(ask.at), candidates, seconds, budget };
    let found = least_cost.rank(&ask);
    let currency = least_cost.settings.currency;
    let offer = |offer: Offer| {
        let gateway = offer.gateway.parse().ok()?;
        Some(router::Offer { gateway, quote: Arc::new(quote(offer, currency.as_str())) })
    };
    let rejected = found.rejected.into_iter().filter_map(|r| Some((r.gateway.parse().ok()?, r.why)));
    Ranking { rejected: rejected.collect(), offers: found.offers.into_iter().filter_map(offer).collect() }
}

fn quote_of(
    least_cost: LeastCostView<'_>,
    seconds: u32,
    gateway: &GatewayId,
    number: &str,
    wall: &WallTime,
) -> Option<Arc<Quote>> {
    if least_cost.gateways.is_empty() {
        return None;
    }
    let ask = LeastCostQuery {
        number,
        at: at(wall),
        candidates: Candidates::All,
        seconds,
        budget: Budget::default(),
    };
    let offer = least_cost.quote(gateway.as_str(), &ask)?;
    Some(Arc::new(quote(offer, least_cost.settings.currency.as_str())))
}

impl fmt::Debug for Rating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Money({} decks)", self.0.decks.read().map_or(0, |d| d.len()))
    }
}

/// A gateway that is out of order.
fn down(why: &str) -> Health {
    Health::Down(if why.is_empty() { "it does not answer".into() } else { why.into() })
}

#[cfg(test)]
mod tests;
