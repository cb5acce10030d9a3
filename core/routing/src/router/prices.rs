//! What the route asks the part that knows prices.

use std::fmt::Debug;
use std::sync::Arc;

use ringtrip_exchange::rating::{self, CallRating};
use ringtrip_exchange::route::{Quote, WallTime};
use ringtrip_model::ids::GatewayId;
use ringtrip_rating::least_cost::{self, Budget, Candidates, LeastCostQuery, LeastCostView};
use ringtrip_rating::money::Money;

/// Knows what calls cost by each gateway, and which gateway is best now.
pub trait Prices: Debug + Send + Sync {
    /// The gateways for this number, best first.
    fn rank(&self, ask: &RankQuery<'_>) -> Ranking;
    /// What this number costs by this gateway; `None`: no deck prices it.
    fn quote(&self, gateway: &GatewayId, number: &str, at: &WallTime) -> Option<Arc<Quote>>;
}

/// Which gateways are asked for.
#[derive(Debug, Clone, Copy)]
pub struct RankQuery<'a> {
    /// Digits of E.164 without `+`.
    pub number: &'a str,
    /// When.
    pub at: &'a WallTime,
    /// Among these; empty: all that have prices.
    pub among: &'a [GatewayId],
    /// The highest price a minute, millionths of a unit.
    pub budget: Option<i64>,
}

/// Gateways in the order to try.
#[derive(Debug, Clone, Default)]
pub struct Ranking {
    /// Best first.
    pub offers: Vec<Offer>,
    /// Those that were not taken, each with a sentence.
    pub rejected: Vec<(GatewayId, String)>,
}

/// A gateway that can take the call.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Which.
    pub gateway: GatewayId,
    /// What it costs.
    pub quote: Arc<Quote>,
}

/// Nobody knows prices: every ranking is empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPrices;

impl Prices for NoPrices {
    fn rank(&self, _: &RankQuery<'_>) -> Ranking {
        Ranking::default()
    }

    fn quote(&self, _: &GatewayId, _: &str, _: &WallTime) -> Option<Arc<Quote>> {
        None
    }
}

/// The rating of calls knows the prices of now.
impl Prices for CallRating {
    fn rank(&self, ask: &RankQuery<'_>) -> Ranking {
        rank(self.least_cost().view(), self.config().rates.call_length, ask)
    }

    fn quote(&self, gateway: &GatewayId, number: &str, at: &WallTime) -> Option<Arc<Quote>> {
        rating::quote_of(self.least_cost().view(), self.config().rates.call_length, gateway, number, at)
    }
}

/// Ranks the gateways for a call of the expected length.
pub fn rank(least_cost: LeastCostView<'_>, seconds: u32, ask: &RankQuery<'_>) -> Ranking {
    let among: Vec<&str> = ask.among.iter().map(|id| id.as_str()).collect();
    let candidates = if among.is_empty() { Candidates::All } else { Candidates::These(&among) };
    let budget = Budget { per_minute: ask.budget.map(Money::micros), call: None };
    let ask = LeastCostQuery { number: ask.number, at: rating::at(ask.at), candidates, seconds, budget };
    let found = least_cost.rank(&ask);
    let currency = least_cost.settings.currency;
    let offer = |offer: least_cost::Offer| {
        let gateway = offer.gateway.parse().ok()?;
        Some(Offer { gateway, quote: Arc::new(rating::quote(offer, currency.as_str())) })
    };
    let rejected = found.rejected.into_iter().filter_map(|r| Some((r.gateway.parse().ok()?, r.why)));
    Ranking { rejected: rejected.collect(), offers: found.offers.into_iter().filter_map(offer).collect() }
}
