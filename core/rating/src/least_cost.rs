//! Least-cost routing: ranks the gateways for a call, with reasons. The result depends only on the data here: decks,
//! learned quality, bundles, and the load and health of each gateway.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::bundle::{BundleBalance, Bundles};
use crate::deck::{Deck, DeckMatch};
use crate::money::{Currency, Money};
use crate::prefix::Prefix;
use crate::quality::{Quality, QualityFigures};
use crate::rate::{Price, Rate, Shown};
use crate::time::At;

/// How offers are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeastCostSettings {
    /// The box's currency: costs and budgets are in it.
    pub currency: Currency,
    /// Offers that cost no more than so many percent above the cheapest count as equally cheap; quality decides.
    pub tolerance: u32,
    /// What one unit of a deck's currency is worth in the box's.
    pub exchange: Vec<(Currency, Money)>,
}

/// Whether a gateway can be used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Health {
    /// It works.
    #[default]
    Well,
    /// Used only if no healthy gateway is left.
    Doubtful(Arc<str>),
    /// Out of service.
    Down(Arc<str>),
}

/// A gateway that takes part in least-cost routing.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// Its name.
    pub name: Arc<str>,
    /// Its decks. The one with the longest prefix for a number prices it; of equals, the first.
    pub decks: Vec<Arc<Deck>>,
    /// How many calls it can carry; `None`: no limit is known.
    pub most: Option<u32>,
    /// How many it carries now.
    pub busy: u32,
    /// Can it be used?
    pub health: Health,
}

/// Gateways, and all that is known of them.
#[derive(Debug, Clone)]
pub struct LeastCost {
    /// How offers are compared.
    pub settings: LeastCostSettings,
    /// What was learned.
    pub quality: Quality,
    /// Free minutes.
    pub bundles: Bundles,
    /// Sorted by name.
    gateways: Vec<Gateway>,
}

/// What a ranking is computed from: the learned quality may be combined with draft gateways and settings.
#[derive(Debug, Clone, Copy)]
pub struct LeastCostView<'a> {
    /// How offers are compared.
    pub settings: &'a LeastCostSettings,
    /// What was learned.
    pub quality: &'a Quality,
    /// Free minutes.
    pub bundles: &'a Bundles,
    /// Sorted by name.
    pub gateways: &'a [Gateway],
}

/// Which gateways are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Candidates<'a> {
    /// All of them.
    All,
    /// These; an empty list means none.
    These(&'a [&'a str]),
}

/// What the caller is willing to pay, in the box's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    /// At most so much a minute.
    pub per_minute: Option<Money>,
    /// At most so much for the call, if it is as long as expected.
    pub call: Option<Money>,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct LeastCostQuery<'a> {
    /// The number: digits with country code.
    pub number: &'a str,
    /// When the call begins.
    pub at: At,
    /// Who may take it.
    pub candidates: Candidates<'a>,
    /// How long it is expected to last.
    pub seconds: u32,
    /// What it may cost.
    pub budget: Budget,
}

/// A gateway that can take the call.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The gateway.
    pub gateway: Arc<str>,
    /// The deck that prices the call.
    pub deck: Arc<str>,
    /// Its row, in the deck's currency.
    pub rate: Rate,
    /// The price in the box's currency, after the free seconds of a bundle.
    pub price: Price,
    /// What a call of the expected length costs, in the box's currency.
    pub cost: Money,
    /// How long the call may last for the caller's budget; [`crate::rate::FOREVER`] without one.
    pub longest: u32,
    /// What is known of it.
    pub quality: QualityFigures,
    /// The bundle that pays first.
    pub bundle: Option<BundleBalance>,
    /// One sentence for a person.
    pub why: String,
}

/// A gateway that cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedGateway {
    /// The gateway.
    pub gateway: Arc<str>,
    /// One sentence for a person.
    pub why: String,
}

/// The result of a [`LeastCostQuery`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ranking {
    /// The gateways that can take the call, best first.
    pub offers: Vec<Offer>,
    /// The gateways that cannot.
    pub rejected: Vec<RejectedGateway>,
}

impl Default for LeastCostSettings {
    fn default() -> LeastCostSettings {
        LeastCostSettings { currency: Currency::EUR, tolerance: 5, exchange: Vec::new() }
    }
}

impl Gateway {
    /// A healthy, idle gateway.
    pub fn new(name: &str, decks: Vec<Arc<Deck>>) -> Gateway {
        Gateway { name: name.into(), decks, most: None, busy: 0, health: Health::Well }
    }
}

impl LeastCost {
    /// No gateways.
    pub fn new(settings: LeastCostSettings, quality: Quality, bundles: Bundles) -> LeastCost {
        LeastCost { settings, quality, bundles, gateways: Vec::new() }
    }

    /// Adds a gateway, or replaces the one of that name.
    pub fn set(&mut self, gateway: Gateway) {
        match self.gateways.binary_search_by(|g| g.name.cmp(&gateway.name)) {
            Ok(place) => self.gateways[place] = gateway,
            Err(place) => self.gateways.insert(place, gateway),
        }
    }

    /// Removes a gateway.
    pub fn remove(&mut self, name: &str) {
        self.gateways.retain(|g| &*g.name != name);
    }

    /// The gateways, by name.
    pub fn gateways(&self) -> &[Gateway] {
        &self.gateways
    }

    /// A gateway, to update its load, health or decks.
    pub fn gateway(&mut self, name: &str) -> Option<&mut Gateway> {
        let place = place(&self.gateways, name)?;
        self.gateways.get_mut(place)
    }

    /// The current state.
    pub fn view(&self) -> LeastCostView<'_> {
        let LeastCost { settings, quality, bundles, gateways } = self;
        LeastCostView { settings, quality, bundles, gateways }
    }

    /// [`LeastCostView::rank`] of the current state.
    pub fn rank(&self, ask: &LeastCostQuery) -> Ranking {
        self.view().rank(ask)
    }

    /// [`LeastCostView::quote`] of the current state.
    pub fn quote(&self, gateway: &str, ask: &LeastCostQuery) -> Option<Offer> {
        self.view().quote(gateway, ask)
    }
}

impl LeastCostView<'_> {
    /// Ranks the gateways for a call: healthy before doubtful ones, then by cost, then by quality among those that cost
    /// about the same, then by name. The result is deterministic.
    pub fn rank(&self, ask: &LeastCostQuery) -> Ranking {
        let mut ranking = Ranking::default();
        let number = Prefix::leading(ask.number);
        match ask.candidates {
            Candidates::All => {
                ranking.offers.reserve_exact(self.gateways.len());
                self.gateways.iter().for_each(|g| self.evaluate(g, number, ask, &mut ranking));
            }
            Candidates::These(names) => {
                ranking.offers.reserve_exact(names.len());
                for (i, name) in names.iter().enumerate() {
                    match self.of(name) {
                        _ if names[..i].contains(name) => {}
                        Some(gateway) => self.evaluate(gateway, number, ask, &mut ranking),
                        None => {
                            let why = format!("{name}: it has no rate deck");
                            ranking.rejected.push(RejectedGateway { gateway: (*name).into(), why });
                        }
                    }
                }
            }
        }
        self.sort(&mut ranking.offers);
        ranking
    }

    /// The gateway of this name.
    pub fn of(&self, name: &str) -> Option<&Gateway> {
        self.gateways.get(self.place(name)?)
    }

    fn place(&self, name: &str) -> Option<usize> {
        place(self.gateways, name)
    }

    /// Adds this gateway's offer or the reason why it has none.
    fn evaluate(&self, gateway: &Gateway, number: Prefix, ask: &LeastCostQuery, ranking: &mut Ranking) {
        match self.offer(gateway, number, ask) {
            Ok(offer) => ranking.offers.push(offer),
            Err(why) => {
                let why = format!("{}: {why}", gateway.name);
                ranking.rejected.push(RejectedGateway { gateway: Arc::clone(&gateway.name), why });
            }
        }
    }

    /// The price of a call by this gateway, whatever its load and health: for a route that names the gateway itself.
    pub fn quote(&self, gateway: &str, ask: &LeastCostQuery) -> Option<Offer> {
        let gateway = self.of(gateway)?;
        self.priced(gateway, Prefix::leading(ask.number), ask).ok()
    }

    fn offer(&self, gateway: &Gateway, number: Prefix, ask: &LeastCostQuery) -> Result<Offer, String> {
        if let Health::Down(why) = &gateway.health {
            return Err(format!("it is down ({why})"));
        }
        if let Some(most) = gateway.most.filter(|most| gateway.busy >= *most) {
            return Err(format!("{} of its {most} calls are in use", gateway.busy));
        }
        self.priced(gateway, number, ask)
    }

    fn priced(&self, gateway: &Gateway, number: Prefix, ask: &LeastCostQuery) -> Result<Offer, String> {
        let home = self.settings.currency;
        let (deck, found) = gateway.price(number, ask.at).ok_or_else(|| match gateway.decks.as_slice() {
            [] => "it has no rate deck".to_owned(),
            [one] => format!("deck {} has no price for {} now", one.name(), ask.number),
            many => format!("none of its {} decks has a price for {} now", many.len(), ask.number),
        })?;
        if found.tariff().barred {
            return Err(format!("{} is not for sale in deck {}", found.prefix, deck.name()));
        }
        let tariff = match self.worth(deck.currency()) {
            None => *found.tariff(),
            Some(Some(worth)) => found.tariff().exchanged(worth),
            Some(None) => {
                let theirs = deck.currency();
                return Err(format!(
                    "deck {} is in {theirs}, and no exchange rate to {home} is set",
                    deck.name()
                ));
            }
        };
        let bundle = self.bundles.left(&gateway.name, number, ask.at);
        let price = Price { tariff, free: bundle.as_ref().map_or(0, |b| b.seconds) };
        let cost = price.cost(ask.seconds);
        // What a bundle pays for whole costs nothing a minute.
        if let Some(most) = ask.budget.per_minute
            && tariff.per_minute > most
            && cost > Money::ZERO
        {
            return Err(format!("{} {home}/min is more than the {most} the caller pays", tariff.per_minute));
        }
        let longest = ask.budget.call.map_or(crate::rate::FOREVER, |most| price.longest(most));
        if let Some(most) = ask.budget.call.filter(|most| cost > *most) {
            return Err(format!("{} s would cost {cost} {home}, and the caller pays {most}", ask.seconds));
        }
        let quality = self.quality.figures(&gateway.name, number, ask.at);
        let why = why(gateway, deck, &found, &price, cost, bundle.as_ref(), ask, home);
        Ok(Offer {
            gateway: Arc::clone(&gateway.name),
            deck: Arc::clone(deck.name()),
            rate: found.rate(),
            price,
            cost,
            longest,
            quality,
            bundle,
            why,
        })
    }

    /// The exchange rate of a currency: `None` for the exchange's own, `Some(None)` if none is configured.
    fn worth(&self, currency: Currency) -> Option<Option<Money>> {
        (currency != self.settings.currency).then(|| {
            self.settings
                .exchange
                .iter()
                .find(|(c, worth)| *c == currency && worth.0 > 0)
                .map(|(_, worth)| *worth)
        })
    }

    fn sort(&self, offers: &mut [Offer]) {
        let doubtful =
            |o: &Offer| self.of(&o.gateway).is_some_and(|g| matches!(g.health, Health::Doubtful(_)));
        offers.sort_by(|a, b| {
            doubtful(a).cmp(&doubtful(b)).then(a.cost.cmp(&b.cost)).then_with(|| a.gateway.cmp(&b.gateway))
        });
        let mut rest = offers;
        while let Some(cheapest) = rest.first() {
            let (cost, ill) = (cheapest.cost, doubtful(cheapest));
            let about = cost + cost.percent(self.settings.tolerance);
            let equals = rest.iter().take_while(|o| o.cost <= about && doubtful(o) == ill).count().max(1);
            let (group, others) = rest.split_at_mut(equals);
            if group.len() > 1 {
                group.sort_by(|a, b| {
                    let better = b.quality.score().total_cmp(&a.quality.score());
                    better.then(a.cost.cmp(&b.cost)).then_with(|| a.gateway.cmp(&b.gateway))
                });
                if let Some(first) = group.first_mut().filter(|o| o.cost > cost) {
                    let QualityFigures { answered, delay, mos, .. } = first.quality;
                    let _ = write!(
                        first.why,
                        "; not the cheapest by less than {} %, but the best ({:.0} % answered, {delay:.1} s to ring, \
                         MOS {mos:.1})",
                        self.settings.tolerance,
                        answered * 100.0,
                    );
                }
            }
            rest = others;
        }
    }
}

impl Gateway {
    /// The deck and row that price a number, or say that it is [not for sale](crate::rate::Tariff::barred).
    pub fn price(&self, number: Prefix, at: At) -> Option<(&Arc<Deck>, DeckMatch<'_>)> {
        let mut best: Option<(&Arc<Deck>, DeckMatch)> = None;
        for deck in &self.decks {
            if let Some(found) = deck.find_listed(number, at)
                && best.as_ref().is_none_or(|(_, b)| found.prefix.len() > b.prefix.len())
            {
                best = Some((deck, found));
            }
        }
        best
    }
}

fn place(gateways: &[Gateway], name: &str) -> Option<usize> {
    gateways.binary_search_by(|g| (*g.name).cmp(name)).ok()
}

#[allow(clippy::too_many_arguments)]
fn why(
    gateway: &Gateway,
    deck: &Deck,
    found: &DeckMatch,
    price: &Price,
    cost: Money,
    bundle: Option<&BundleBalance>,
    ask: &LeastCostQuery,
    home: Currency,
) -> String {
    let mut why = String::with_capacity(160);
    let _ = write!(
        why,
        "{}: {} by prefix {} of deck {}",
        gateway.name,
        Shown(found.tariff(), deck.currency()),
        found.prefix,
        deck.name(),
    );
    if let Some(bundle) = bundle {
        let _ = write!(why, "; bundle {} has {} min left", bundle.bundle, bundle.seconds / 60);
    }
    if ask.seconds > 0 {
        let _ = write!(why, "; {} s cost {cost} {home}", ask.seconds);
    }
    if deck.currency() != home {
        let _ = write!(why, " at {} {home}/min", price.tariff.per_minute);
    }
    if let Health::Doubtful(doubt) = &gateway.health {
        let _ = write!(why, "; used only if nothing better is left ({doubt})");
    }
    why
}

#[cfg(test)]
mod tests;
