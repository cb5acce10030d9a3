//! What calls cost: the world's rating is the daemon's machine, its price lists are made by hand.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use ringtrip_exchange::rating::{CallRating, RatingInput, RatingOutput};
use ringtrip_exchange::route::{Quote, Step};
use ringtrip_rating::deck::Deck;
use ringtrip_rating::money::Money;
use ringtrip_rating::rate::Tariff;
use ringtrip_rating::time::At;
use ringtrip_routing::router::{Prices, RankQuery, Ranking};

use super::*;

/// The rating, which the route asks for prices.
#[derive(Debug, Clone)]
pub(super) struct Rating {
    machine: Arc<RwLock<CallRating>>,
    decks: BTreeMap<String, Arc<Deck>>,
    /// When the calendar of limits begins.
    epoch: Instant,
}

impl Rating {
    pub(super) fn new(config: &Arc<Config>, epoch: Instant) -> Rating {
        let machine = Arc::new(RwLock::new(CallRating::new(Arc::clone(config))));
        Rating { machine, decks: BTreeMap::new(), epoch }
    }

    /// A router that knows its prices.
    pub(super) fn router(&self, config: &Arc<Config>) -> Router {
        Router::new(Arc::clone(config)).with_prices(Arc::new(self.clone()))
    }

    pub(super) fn configure(&self, now: Instant, config: &Arc<Config>) {
        let mut machine = self.write();
        machine.configure(Arc::clone(config));
        drop(machine.offer(now, &self.decks));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.read().deadline()
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, CallRating> {
        self.machine.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, CallRating> {
        self.machine.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, now: Instant) -> At {
        At::utc(i64::try_from(now.saturating_duration_since(self.epoch).as_secs()).unwrap_or(i64::MAX))
    }
}

impl Prices for Rating {
    fn rank(&self, ask: &RankQuery<'_>) -> Ranking {
        self.read().rank(ask)
    }

    fn quote(&self, gateway: &GatewayId, number: &str, at: &WallTime) -> Option<Arc<Quote>> {
        self.read().quote(gateway, number, at)
    }
}

impl World {
    /// From now on every call by this gateway costs so much a minute.
    pub fn price(&mut self, gateway: &str, per_minute: Money) {
        let currency = self.config.rates.settings.currency;
        let deck = Deck::flat(gateway, currency, Tariff::per_minute(per_minute));
        self.rating.decks.insert(gateway.to_owned(), Arc::new(deck));
        drop(self.rating.write().offer(self.now, &self.rating.decks));
    }

    /// What is spent under this limit by a gateway (all: `""`), or set aside for calls that live.
    pub fn spent(&self, limit: &str, gateway: &str) -> Money {
        let status = self.rating.read().limiter().status(self.rating.at(self.now));
        let is = |of: &Arc<str>| gateway.is_empty() || **of == *gateway;
        let its = status.iter().filter(|status| &*status.limit == limit && is(&status.gateway));
        its.fold(Money::ZERO, |sum, status| sum + status.spent)
    }

    /// How many calls this gateway carries; it must have a price.
    #[track_caller]
    pub fn busy(&self, gateway: &str) -> u32 {
        self.rating.read().least_cost().view().of(gateway).expect("a gateway with a price").busy
    }

    pub(super) fn rate(&mut self, input: RatingInput, out: &mut Vec<Post>) {
        self.rating_step(out, |rating, now, at, said| rating.on(now, at, input, said));
    }

    /// A plan on its way to a call.
    pub(super) fn rate_plan(&mut self, call: CallId, plan: &mut RoutePlan, out: &mut Vec<Post>) {
        let Some(source) = self.directory.source_of(call).cloned() else { return };
        self.rating_step(out, |rating, now, at, said| rating.routed(now, at, call, &source, plan, said));
    }

    pub(super) fn may_try(
        &mut self,
        call: CallId,
        attempt: Option<u8>,
        out: &mut Vec<Post>,
    ) -> Result<(), (Cause, Step)> {
        let Some(attempt) = attempt else { return Ok(()) };
        self.rating_step(out, |rating, now, at, said| rating.may_try(now, at, call, attempt, said))
    }

    fn rating_step<T>(
        &mut self,
        out: &mut Vec<Post>,
        step: impl FnOnce(&mut CallRating, Instant, At, &mut Vec<RatingOutput>) -> T,
    ) -> T {
        let mut said = Vec::new();
        let given = step(&mut self.rating.write(), self.now, self.rating.at(self.now), &mut said);
        out.extend(said.into_iter().map(Post::from));
        given
    }
}
