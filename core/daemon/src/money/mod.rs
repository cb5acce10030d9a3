//! Money in the running exchange: what calls cost by each gateway, which gateway is cheapest now, and the limits that
//! refuse and end calls. The sums are [`ringtrip_rating`]'; here they meet files, the store, and calls as they pass.
//!
//! * `decks`: price lists in the data folder, imported and swapped in while calls go on.
//! * `till`: what each call tries, sets aside and costs; `lesson`: what is learned from it; `who`: who pays whom.
//! * `planned`: decks that are not in force yet, and what calls would cost by them.
//! * `kept`: what must outlive a restart. * `view`: what people see.
//!
//! An emergency call never comes here: its plan is another kind of verdict, and nothing of it is looked at.

mod decks;
mod kept;
mod lesson;
mod planned;
mod till;
mod view;
mod who;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use ringtrip_config::Config;
use ringtrip_exchange::route::{Quote, WallTime};
use ringtrip_model::event::Event;
use ringtrip_model::ids::GatewayId;
use ringtrip_rating::brake::Brake;
use ringtrip_rating::bundle::Bundles;
use ringtrip_rating::deck::Deck;
use ringtrip_rating::market::{Ask, Budget, Candidates, Gateway, Health, Market, Offer, View};
use ringtrip_rating::money::Money as Amount;
use ringtrip_rating::quality::{self, Quality};
use ringtrip_rating::time::{At, Date};
use ringtrip_routing::router::{self, Prices, RankAsk, Ranking};
use tokio::sync::Notify;

pub use decks::{ImportAsk, ImportError, is_deck_name};
pub use planned::{Planned, PlannedDeck, Seen, put_back};
pub use till::Says;
pub use view::{CompareView, DeckView, ImportView, MoneyView, OfferView, RejectedView};

use crate::store::Store;
use till::Till;

/// Where decks lie, in the data folder.
const FOLDER: &str = "rates";
/// The landline among gateways.
const LANDLINE: &str = "gw0";

/// A handle on the money. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Money(Arc<Inner>);

struct Inner {
    /// Where the decks lie.
    folder: PathBuf,
    config: RwLock<Arc<Config>>,
    /// Decks are behind `Arc`s: what is done under this lock takes microseconds, whatever is imported.
    market: RwLock<Market>,
    decks: RwLock<BTreeMap<String, Arc<Deck>>>,
    /// SHA-256 of their files. Taken after the decks, where both are needed.
    marks: Mutex<BTreeMap<String, String>>,
    /// Decks that are being read at start.
    loading: RwLock<Vec<String>>,
    /// One import at a time: each needs much memory for a moment.
    importing: Mutex<()>,
    till: Mutex<Till>,
    /// Something began that has a deadline, or changed that must be kept.
    stirred: Notify,
    store: Option<Store>,
    tell: Box<dyn Fn(Event) + Send + Sync>,
}

impl Money {
    /// The money of this data folder, with what was kept. Large decks are read on a thread of their own; until one is
    /// there, its gateways have no price.
    pub fn open(
        config: Arc<Config>,
        data: &Path,
        store: &Store,
        tell: Box<dyn Fn(Event) + Send + Sync>,
    ) -> Money {
        let money = Money::new(config, data.join(FOLDER), Some(store.clone()), tell);
        money.recall();
        money.load();
        money
    }

    /// Without decks, calls and memory.
    pub fn none() -> Money {
        Money::new(Arc::default(), PathBuf::new(), None, Box::new(|_| {}))
    }

    fn new(
        config: Arc<Config>,
        folder: PathBuf,
        store: Option<Store>,
        tell: Box<dyn Fn(Event) + Send + Sync>,
    ) -> Money {
        let rates = &config.rates;
        let quality = Quality::new(quality::Settings::default());
        let market = Market::new(rates.settings.clone(), quality, Bundles::new(rates.bundles.clone()));
        let till = Till::new(Brake::new(rates.brake.clone()));
        let money = Money(Arc::new(Inner {
            folder,
            market: RwLock::new(market),
            decks: RwLock::default(),
            marks: Mutex::default(),
            loading: RwLock::default(),
            importing: Mutex::default(),
            till: Mutex::new(till),
            stirred: Notify::new(),
            store,
            tell,
            config: RwLock::new(config),
        }));
        money.offer();
        money
    }

    /// Another configuration is in force. What was spent under a limit that keeps its name stays spent.
    pub fn configure(&self, config: Arc<Config>) {
        *self.0.config.write().unwrap_or_else(PoisonError::into_inner) = config.clone();
        let rates = &config.rates;
        self.till().brake.set(rates.brake.clone());
        {
            let mut market = self.market_mut();
            market.settings = rates.settings.clone();
            market.bundles.set(rates.bundles.clone());
        }
        self.offer();
        self.complain(&config);
    }

    /// Decks that are named and not there, and gateways whose calls no limit can count.
    fn complain(&self, config: &Config) {
        let (decks, loading) = (self.decks(), self.loading());
        let there = |name: &String| decks.contains_key(name) || loading.contains(name);
        let named =
            config.rates.offered.iter().flat_map(|(id, o)| o.decks.iter().map(move |deck| (id, deck)));
        let told_by_plugin = |deck: &str| config.plugin_gateways.iter().any(|g| g.plugin == deck);
        for (id, deck) in named.filter(|(_, deck)| !there(deck)) {
            if told_by_plugin(deck) {
                tracing::warn!("{id} has no prices yet: the plugin {deck} has told none");
                continue;
            }
            let cure = format!("ringtrip rates import FILE --gateway {id} --name {deck}");
            self.alarm(format!(
                "{id} names the rate deck {deck:?}, which is not there; import it with `{cure}`"
            ));
        }
        if config.rates.brake.limits.is_empty() {
            return;
        }
        let blind = config.gateways.iter().filter(|g| !decks_of(config, g.id.as_str()).iter().any(there));
        for gateway in blind {
            let id = &gateway.id;
            self.alarm(format!("no limit counts calls by {id}: it has no rate deck, so they have no price"));
        }
    }

    /// Waits until something changed that the clock has a part in.
    pub async fn stirred(&self) {
        self.0.stirred.notified().await;
    }

    /// Puts the gateways of the configuration on the market, each with its decks as they are now.
    fn offer(&self) {
        let config = self.config();
        let gateways = offered(&config, &self.decks());
        let till = self.till();
        let mut before = Vec::new();
        let mut market = self.market_mut();
        let gone: Vec<Arc<str>> = market.gateways().iter().map(|g| g.name.clone()).collect();
        for name in gone.iter().filter(|name| !gateways.iter().any(|(g, ..)| g == &***name)) {
            market.remove(name);
        }
        for (name, decks, most) in gateways {
            let (busy, health) = (till.busy(&name), till.health(&name));
            match market.gateway(&name) {
                Some(gateway) => {
                    // The last handle on a large deck is let go outside of the lock.
                    before.push(std::mem::replace(&mut gateway.decks, decks));
                    (gateway.most, gateway.busy, gateway.health) = (most, busy, health);
                }
                None => market.set(Gateway { name: name.as_str().into(), decks, most, busy, health }),
            }
        }
        drop(market);
        drop(till);
        drop(before);
    }

    fn config(&self) -> Arc<Config> {
        self.0.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn market(&self) -> RwLockReadGuard<'_, Market> {
        self.0.market.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn market_mut(&self) -> RwLockWriteGuard<'_, Market> {
        self.0.market.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn decks(&self) -> BTreeMap<String, Arc<Deck>> {
        self.0.decks.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn loading(&self) -> Vec<String> {
        self.0.loading.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Taken before the market, where both are needed.
    fn till(&self) -> MutexGuard<'_, Till> {
        self.0.till.lock().unwrap_or_else(PoisonError::into_inner)
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

/// The names of a gateway's decks. One that names none has the deck that is called like itself.
fn decks_of(config: &Config, gateway: &str) -> Vec<String> {
    let id = gateway.parse::<GatewayId>().ok();
    let named = id.and_then(|id| config.rates.offered.get(&id)).map(|o| o.decks.clone());
    named.filter(|names| !names.is_empty()).unwrap_or_else(|| vec![gateway.to_owned()])
}

/// A moment as rates count it.
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

impl Prices for Money {
    fn rank(&self, ask: &RankAsk<'_>) -> Ranking {
        let seconds = self.config().rates.call_length;
        rank(self.market().view(), seconds, ask)
    }

    fn quote(&self, gateway: &GatewayId, number: &str, wall: &WallTime) -> Option<Arc<Quote>> {
        let seconds = self.config().rates.call_length;
        quote_of(self.market().view(), seconds, gateway, number, wall)
    }
}

/// Who takes a call that is expected to last so long.
fn rank(market: View<'_>, seconds: u32, ask: &RankAsk<'_>) -> Ranking {
    let among: Vec<&str> = ask.among.iter().map(|id| id.as_str()).collect();
    let candidates = if among.is_empty() { Candidates::All } else { Candidates::These(&among) };
    let budget = Budget { per_minute: ask.budget.map(Amount::micros), call: None };
    let ask = Ask { number: ask.number, at: at(ask.at), candidates, seconds, budget };
    let found = market.rank(&ask);
    let currency = market.settings.currency;
    let offer = |offer: Offer| {
        let gateway = offer.gateway.parse().ok()?;
        Some(router::Offer { gateway, quote: Arc::new(quote(offer, currency.as_str())) })
    };
    let rejected = found.rejected.into_iter().filter_map(|r| Some((r.gateway.parse().ok()?, r.why)));
    Ranking { rejected: rejected.collect(), offers: found.offers.into_iter().filter_map(offer).collect() }
}

fn quote_of(
    market: View<'_>,
    seconds: u32,
    gateway: &GatewayId,
    number: &str,
    wall: &WallTime,
) -> Option<Arc<Quote>> {
    if market.gateways.is_empty() {
        return None;
    }
    let ask = Ask { number, at: at(wall), candidates: Candidates::All, seconds, budget: Budget::default() };
    let offer = market.quote(gateway.as_str(), &ask)?;
    Some(Arc::new(quote(offer, market.settings.currency.as_str())))
}

impl fmt::Debug for Money {
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
