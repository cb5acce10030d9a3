//! What calls cost and may cost: which gateway has which rate decks, bundles, and limits. The words are those of
//! [`ringtrip_rating`]; here they meet the gateways and extensions of the document.

use std::collections::BTreeMap;

use ringtrip_rating::bundle::Bundle;
use ringtrip_rating::burst;
use ringtrip_rating::least_cost;
use ringtrip_rating::limiter;

use super::{Config, Problem, Severity};
use ringtrip_model::ids::GatewayId;

/// Costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rates {
    /// The box's currency, and how offers are compared.
    pub settings: least_cost::LeastCostSettings,
    /// How long a call is taken to last when offers are compared, in seconds.
    pub call_length: u32,
    /// What gateways have to offer; `gw0` is the landline.
    pub offered: BTreeMap<GatewayId, Offered>,
    /// Free minutes.
    pub bundles: Vec<Bundle>,
    /// Limits.
    pub limiter: limiter::LimiterSettings,
    /// When calls outside come too fast and an event reports it.
    pub burst: burst::BurstSettings,
}

/// What a gateway has to offer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offered {
    /// Its rate decks by name; none: the deck that is called as the gateway is, if there is one.
    pub decks: Vec<String>,
    /// How many calls it takes at once; one more is not sent to it. `None`: no limit is known.
    pub max_calls: Option<u32>,
}

impl Rates {
    /// How many calls a gateway takes at once.
    pub fn most_calls(&self, gateway: &str) -> Option<u32> {
        self.offered.get(&gateway.parse::<GatewayId>().ok()?)?.max_calls
    }
}

impl Default for Rates {
    fn default() -> Rates {
        Rates {
            settings: least_cost::LeastCostSettings::default(),
            call_length: 180,
            offered: BTreeMap::new(),
            bundles: Vec::new(),
            limiter: limiter::LimiterSettings::default(),
            burst: burst::BurstSettings::default(),
        }
    }
}

impl Config {
    /// Is there such a gateway? `gw0` is the landline.
    fn has_gateway(&self, name: &str) -> bool {
        name == "gw0"
            || self.gateways.iter().any(|g| g.id.as_str() == name)
            || self.plugin_gateways.iter().any(|g| g.id.as_str() == name)
    }

    /// What is wrong with bundles and limits.
    pub(super) fn money_problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut error = |path: String, what: String, hint: &str| {
            found.push(Problem { severity: Severity::Error, path, what, hint: hint.to_owned() });
        };
        let gateway_hint = "name a gateway of this document, or \"gw0\" for the landline";
        for (i, bundle) in self.rates.bundles.iter().enumerate() {
            let at = format!("bundle.{}", i + 1);
            if !self.has_gateway(&bundle.gateway) {
                let what = format!("there is no gateway {}", bundle.gateway);
                error(format!("{at}.gateway"), what, gateway_hint);
            }
            if self.rates.bundles[..i].iter().any(|other| other.name == bundle.name) {
                let what = format!("there are two bundles {:?}", bundle.name);
                error(
                    format!("{at}.name"),
                    what,
                    "what is used is counted by name: give one of them another",
                );
            }
        }
        for (i, limit) in self.rates.limiter.limits.iter().enumerate() {
            let at = format!("money.limit.{}", i + 1);
            if let limiter::LimitScope::Only(name) = &limit.gateway
                && !self.has_gateway(name)
            {
                error(format!("{at}.gateway"), format!("there is no gateway {name}"), gateway_hint);
            }
            if let limiter::LimitScope::Only(name) = &limit.extension
                && self.extension(name).is_none()
                && !self.gateways.iter().any(|g| g.id.as_str() == &**name)
            {
                let hint = "name an extension of this document, a gateway whose calls dial out, or \"each\"";
                error(format!("{at}.extension"), format!("there is no extension {name}"), hint);
            }
            if self.rates.limiter.limits[..i].iter().any(|other| other.name == limit.name) {
                let what = format!("there are two limits {:?}", limit.name);
                error(
                    format!("{at}.name"),
                    what,
                    "what is spent is counted by name: give one of them another",
                );
            }
        }
        found
    }
}
