//! What a policy may look up about the world while it decides. Nothing is asked before the policy looks.

use std::fmt::Debug;
use std::sync::Arc;

use crate::router::prices::{NoPrices, Prices};
use ringtrip_model::ids::GatewayId;

/// Knows how the gateways are at this moment. `gw0` is the landline.
pub trait Gateways: Debug + Send + Sync {
    /// How this gateway is; `None`: nobody watches it.
    fn state(&self, gateway: &GatewayId) -> Option<GatewayState>;
}

/// How a gateway is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatewayState {
    /// It is registered, or answers, or has a free line: a call can be tried.
    pub up: bool,
    /// Calls by it now.
    pub calls: u32,
}

/// Nobody watches gateways.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoGateways;

impl Gateways for NoGateways {
    fn state(&self, _: &GatewayId) -> Option<GatewayState> {
        None
    }
}

/// Those who know: prices and gateways.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What calls cost.
    pub prices: Arc<dyn Prices>,
    /// How gateways are.
    pub gateways: Arc<dyn Gateways>,
}

impl Default for Facts {
    fn default() -> Facts {
        Facts { prices: Arc::new(NoPrices), gateways: Arc::new(NoGateways) }
    }
}
