//! The environment of a script test: a configuration, prices, and the state of gateways.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::router::{GatewayState, Gateways, Offer, Prices, RankQuery, Ranking};
use ringtrip_config::{Config, DemoSecrets, Gateway, Holiday, Holidays, Inbound, Region};
use ringtrip_dialplan::Plan;
use ringtrip_exchange::route::{Quote, Target, WallTime};
use ringtrip_model::ids::GatewayId;

/// What the file says about the configuration.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct TestEnvironment {
    pub region: Region,
    pub gateways: Vec<GatewayId>,
    pub plan: Option<Arc<Plan>>,
    pub area: Option<String>,
}

/// Fixed prices and states. A gateway that is down has no offer.
#[derive(Debug)]
pub(super) struct StubServices {
    pub prices: BTreeMap<String, i64>,
    pub down: Vec<String>,
}

impl TestEnvironment {
    /// This configuration, or else the demonstration's, with what the file adds.
    pub fn config(&self, base: Option<&Config>) -> Config {
        let secrets = || DemoSecrets { first: String::new(), second: String::new() };
        let mut config = base.cloned().unwrap_or_else(|| Config::demo(self.region, secrets()));
        for id in &self.gateways {
            if config.gateway(id).is_none() {
                let host = ringtrip_config::HostPort { host: "sip.example.com".to_owned(), port: None };
                let mut gateway = Gateway::new(id.clone(), host, "test");
                // Calls from it must ring somebody, or no script is asked about them.
                let first = config.extensions.first().map(|e| Target::Extension(e.id.clone()));
                gateway.inbound = Inbound::Ring(first.into_iter().collect());
                config.gateways.push(gateway);
            }
        }
        if let Some(plan) = &self.plan {
            config.plans.insert(config.default_plan.clone(), Arc::clone(plan));
        }
        if let Some(area) = &self.area {
            config.numbering.area.clone_from(area);
        }
        config
    }
}

pub(super) fn one_holiday(at: &WallTime, name: &str) -> Holidays {
    Holidays::new([Holiday { date: (at.year, at.month, at.day), name: name.to_owned() }])
}

impl StubServices {
    fn up(&self, gateway: &GatewayId) -> bool {
        !self.down.iter().any(|down| down == gateway.as_str())
    }
}

impl Gateways for StubServices {
    fn state(&self, gateway: &GatewayId) -> Option<GatewayState> {
        Some(GatewayState { up: self.up(gateway), calls: 0 })
    }
}

impl Prices for StubServices {
    fn rank(&self, ask: &RankQuery<'_>) -> Ranking {
        let mut ranking = Ranking::default();
        let mut offers: Vec<(i64, Offer)> = Vec::new();
        for (name, price) in &self.prices {
            let Ok(gateway) = name.parse::<GatewayId>() else { continue };
            if !ask.among.is_empty() && !ask.among.contains(&gateway) {
                continue;
            }
            if !self.up(&gateway) {
                ranking.rejected.push((gateway, "it is down".to_owned()));
            } else if ask.budget.is_some_and(|budget| *price > budget) {
                ranking.rejected.push((gateway, "it is dearer than the budget".to_owned()));
            } else if let Some(quote) = self.quote(&gateway, ask.number, ask.at) {
                offers.push((*price, Offer { gateway, quote }));
            }
        }
        offers.sort_by(|a, b| (a.0, a.1.gateway.as_str()).cmp(&(b.0, b.1.gateway.as_str())));
        ranking.offers = offers.into_iter().map(|(_, offer)| offer).collect();
        ranking
    }

    fn quote(&self, gateway: &GatewayId, number: &str, _: &WallTime) -> Option<Arc<Quote>> {
        let per_minute = *self.prices.get(gateway.as_str())?;
        Some(Arc::new(Quote {
            deck: "test".to_owned(),
            prefix: number.to_owned(),
            destination: String::new(),
            currency: String::new(),
            per_minute,
            estimate: per_minute,
            price: Default::default(),
            why: "the test says so".to_owned(),
        }))
    }
}
