//! What a call costs by each gateway, as the decks say.

use std::collections::BTreeMap;
use std::sync::Arc;

use ringtrip_config::Config;
use ringtrip_rating::deck::Deck;
use ringtrip_rating::least_cost::{Budget, Candidates, LeastCostQuery, LeastCostView, Offer};
use ringtrip_rating::time::{At, Date};

use super::charging_party::LANDLINE;
use crate::route::{Quote, WallTime};
use ringtrip_model::ids::GatewayId;

/// A gateway with its decks, and how many calls it carries.
type Offered = (String, Vec<Arc<Deck>>, Option<u32>);

/// The gateways with their decks, and how many calls each carries.
pub fn offered(config: &Config, decks: &BTreeMap<String, Arc<Deck>>) -> Vec<Offered> {
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
pub fn decks_of(config: &Config, gateway: &str) -> Vec<String> {
    let id = gateway.parse::<GatewayId>().ok();
    let named = id.and_then(|id| config.rates.offered.get(&id)).map(|o| o.decks.clone());
    named.filter(|names| !names.is_empty()).unwrap_or_else(|| vec![gateway.to_owned()])
}

/// Converts to the time type of the rating crate.
pub fn at(wall: &WallTime) -> At {
    let unix = wall.unix_micros.div_euclid(1_000_000);
    let local = Date::new(wall.year.into(), wall.month, wall.day)
        .map(|day| day.days() * 86_400 + i64::from(wall.hour) * 3600 + i64::from(wall.minute) * 60);
    let offset = local.map_or(0, |local| local - unix.div_euclid(60) * 60);
    // No zone is further away than a day.
    At { unix, offset: i32::try_from(offset).ok().filter(|o| o.abs() <= 86_400).unwrap_or(0) }
}

/// An offer as an attempt carries it.
pub fn quote(offer: Offer, currency: &str) -> Quote {
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

/// What a call of so many seconds to this number costs by this gateway; `None`: no deck prices it.
pub fn quote_of(
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
