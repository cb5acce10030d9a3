//! What the route asks the part that knows prices.

use std::fmt::Debug;
use std::sync::Arc;

use ringtrip_exchange::route::{Quote, WallTime};
use ringtrip_model::ids::GatewayId;

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
