//! The rating of calls: what each call tries outside, what it sets aside and costs, which limit refuses or ends it, and what
//! its end teaches about the gateways. [`ringtrip_rating`] computes; this machine connects it to calls.
//!
//! Whoever hosts it asks when a plan is about to be carried out ([`CallRating::routed`]) and when a target is about to be tried
//! ([`CallRating::may_try`]); both are answered at once. The rest calls tell themselves, by [`Post::Rate`](crate::post::Post::Rate). An attempt is
//! named by its call and its number there ([`Attempt::rated`]), so nothing is compared by what people call it.
//!
//! Who counts attempts can also say when a gateway has as many as it may: that is asked at the same moment, whoever named
//! the gateway and whatever it costs. An attempt counts until it fails, or its call goes on to the next stage, is answered
//! elsewhere or ends.
//!
//! Emergency calls are never rated: their plan is another kind of decision, whose attempts have no number here, and a call
//! for help says nothing to this machine.
//!
//! * `authorize`: a plan before it is carried out. * `attempts`: calls as they pass. * `outcome`: what is learned from them.
//! * `charging_party`: who pays whom. * `prices`: what a call costs by each gateway.
//!
//! [`Attempt::rated`]: crate::route::Attempt::rated

mod attempts;
mod authorize;
mod charging_party;
mod outcome;
mod prices;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringtrip_config::Config;
use ringtrip_media::session::RtpStats;
use ringtrip_rating::bundle::{BundleRow, Bundles};
use ringtrip_rating::burst::Bursts;
use ringtrip_rating::deck::Deck;
use ringtrip_rating::least_cost::{Gateway, Health, LeastCost};
use ringtrip_rating::limiter::{AccountRow, LimitAlarm, SpendLimiter};
use ringtrip_rating::money::Money;
use ringtrip_rating::prefix::Prefix;
use ringtrip_rating::quality::{Quality, QualityRow, QualitySettings};
use ringtrip_rating::rate::Price;
use ringtrip_rating::time::At;

use crate::cdr::Cdr;
use crate::route::Target;
use ringtrip_model::event::Event;
use ringtrip_model::ids::{CallId, GatewayId};
use ringtrip_model::party::Cause;

pub use charging_party::{LANDLINE, extension_of};
pub use prices::{at, decks_of, offered, quote, quote_of};

/// After so many failures in a row a gateway is used only if nothing better is left,
const FAILURES: u32 = 2;
/// for so long after the last one.
const DOUBT: Duration = Duration::from_secs(60);

/// What the rating is told.
#[derive(Debug, Clone, PartialEq)]
pub enum RatingInput {
    /// An attempt shows its first sign of ringing.
    Ringing {
        /// Of this call.
        call: CallId,
        /// Its number there.
        attempt: u8,
    },
    /// Somebody has answered.
    Answered {
        /// This call.
        call: CallId,
        /// By this attempt; `None`: by one for which nobody charges.
        attempt: Option<u8>,
    },
    /// What was tried has failed, and its call goes on without it.
    Failed {
        /// The call.
        call: CallId,
        /// The attempt.
        attempt: u8,
    },
    /// The record of a call is closed: what it cost takes the place of what was set aside.
    Ended {
        /// The call.
        call: CallId,
        /// Why it ended.
        cause: Cause,
        /// What it cost, by its record; `None`: its last attempt has no price, or it could not close its record itself.
        cost: Option<Money>,
        /// What the called end has measured.
        stats: Option<RtpStats>,
    },
    /// Nothing of a call is left, whatever became of its record. Said by the host of the calls.
    Gone {
        /// The call.
        call: CallId,
    },
    /// A gateway is up, or down. Said by the host of the gateways.
    Gateway {
        /// Which.
        gateway: GatewayId,
        /// Why it is down; `None`: it is up.
        down: Option<String>,
    },
    /// The time named by [`CallRating::deadline`] has come.
    Timeout,
}

impl RatingInput {
    /// What a record that is closed tells; nothing while it is open, and nothing of a call for help.
    pub fn ended(cdr: &Cdr) -> Option<RatingInput> {
        let cause = cdr.cause.filter(|_| !cdr.emergency)?;
        let cost = cdr.cost.as_ref().map(|cost| Money::micros(cost.micros));
        Some(RatingInput::Ended { call: cdr.call, cause, cost, stats: cdr.b })
    }
}

/// What the rating wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum RatingOutput {
    /// The money of this call is used up.
    End {
        /// The call.
        call: CallId,
        /// Why, for a person.
        because: String,
    },
    /// The limit of this call is nearly used up.
    Warn {
        /// The call.
        call: CallId,
    },
    /// Somebody should know.
    Tell(Event),
}

/// The calls that may cost money, and the gateways as they were of late.
#[derive(Debug)]
pub struct CallRating {
    config: Arc<Config>,
    /// The gateways with their decks, what was learned of them, and bundles.
    least_cost: LeastCost,
    limiter: SpendLimiter,
    bursts: Bursts,
    calls: HashMap<CallId, RatedCall>,
    /// Attempts by each gateway that live.
    busy: BTreeMap<Arc<str>, u32>,
    /// Failures in a row, and when the last one was.
    failures: BTreeMap<Arc<str>, (u32, Instant)>,
    /// Gateways that are out of order, and why.
    down: BTreeMap<String, String>,
    /// Limits or bundles have changed since that was asked last.
    changed: bool,
    /// So has what was learned.
    learned: bool,
}

/// A call with attempts outside.
#[derive(Debug)]
struct RatedCall {
    extension: String,
    /// Each at its number.
    attempts: Vec<ReservedAttempt>,
}

#[derive(Debug, Clone)]
struct ReservedAttempt {
    stage: usize,
    /// It was tried, or should have been.
    tried: bool,
    target: Target,
    gateway: Arc<str>,
    number: String,
    price: Option<Price>,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Waiting,
    Trying {
        since: Instant,
        rang_after: Option<Duration>,
    },
    Talking {
        since: Instant,
        rang_after: Option<Duration>,
    },
    /// It failed, and others of its stage did not. It holds nothing any more; what it teaches is known when they end.
    Failed {
        rang_after: Option<Duration>,
    },
    Over,
}

impl CallRating {
    /// Nothing is spent, nothing learned, and no gateway has a price before [`CallRating::offer`].
    pub fn new(config: Arc<Config>) -> CallRating {
        let rates = &config.rates;
        let quality = Quality::new(QualitySettings::default());
        CallRating {
            least_cost: LeastCost::new(rates.settings.clone(), quality, Bundles::new(rates.bundles.clone())),
            limiter: SpendLimiter::new(rates.limiter.clone()),
            bursts: Bursts::default(),
            calls: HashMap::new(),
            busy: BTreeMap::new(),
            failures: BTreeMap::new(),
            down: BTreeMap::new(),
            changed: false,
            learned: false,
            config,
        }
    }

    /// One step.
    pub fn on(&mut self, now: Instant, at: At, input: RatingInput, out: &mut Vec<RatingOutput>) {
        match input {
            RatingInput::Ringing { call, attempt } => self.rings(now, call, attempt),
            RatingInput::Answered { call, attempt } => self.answered(now, at, call, attempt, out),
            RatingInput::Failed { call, attempt } => self.failed(at, call, attempt, out),
            RatingInput::Ended { call, cause, cost, stats } => {
                self.ended(now, at, call, cause, cost, stats, out);
            }
            RatingInput::Gone { call } => self.drop_call(now, at, call, out),
            RatingInput::Gateway { gateway, down } => self.gateway_is(now, &gateway, down),
            RatingInput::Timeout => self.timeout(now, at, out),
        }
    }

    /// When it wants [`RatingInput::Timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        let forgiven = self.failures.values().map(|(_, last)| *last + DOUBT);
        forgiven.chain(self.limiter.deadline()).min()
    }

    /// Another configuration. What was spent under a limit that keeps its name stays spent. [`CallRating::offer`] follows.
    pub fn configure(&mut self, config: Arc<Config>) {
        let rates = &config.rates;
        self.limiter.set(rates.limiter.clone());
        self.least_cost.settings = rates.settings.clone();
        self.least_cost.bundles.set(rates.bundles.clone());
        self.config = config;
    }

    /// The gateways of the configuration are priced by these decks from now on. What priced them before is given back: the
    /// last handle on a large deck had better not be let go while others wait for this machine.
    #[must_use]
    pub fn offer(&mut self, now: Instant, decks: &BTreeMap<String, Arc<Deck>>) -> Vec<Vec<Arc<Deck>>> {
        let gateways = offered(&self.config, decks);
        let mut before = Vec::new();
        let all: Vec<Arc<str>> = self.least_cost.gateways().iter().map(|g| g.name.clone()).collect();
        for name in all.iter().filter(|name| !gateways.iter().any(|(g, ..)| g == &***name)) {
            let gone = self.least_cost.gateway(name).map(|gateway| std::mem::take(&mut gateway.decks));
            before.extend(gone);
            self.least_cost.remove(name);
        }
        for (name, decks, most) in gateways {
            let (busy, health) = (self.busy(&name), self.health(now, &name));
            match self.least_cost.gateway(&name) {
                Some(gateway) => {
                    before.push(std::mem::replace(&mut gateway.decks, decks));
                    (gateway.most, gateway.busy, gateway.health) = (most, busy, health);
                }
                None => {
                    self.least_cost.set(Gateway { name: name.as_str().into(), decks, most, busy, health })
                }
            }
        }
        before
    }

    /// What was spent, used and learned before a restart.
    pub fn restore(
        &mut self,
        spent: impl IntoIterator<Item = AccountRow>,
        used: impl IntoIterator<Item = BundleRow>,
        learned: impl IntoIterator<Item = QualityRow>,
    ) {
        self.limiter.restore(spent);
        self.least_cost.bundles.restore(used);
        self.least_cost.quality = Quality::restored(QualitySettings::default(), learned);
    }

    /// The configuration that it follows.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The gateways with their prices, what was learned of them, and bundles.
    pub fn least_cost(&self) -> &LeastCost {
        &self.least_cost
    }

    /// The spending limits.
    pub fn limiter(&self) -> &SpendLimiter {
        &self.limiter
    }

    /// Has a limit or a bundle changed since this was asked last?
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Was something learned since this was asked last?
    pub fn take_learned(&mut self) -> bool {
        std::mem::take(&mut self.learned)
    }

    /// Is there something to keep, or to look after in time?
    pub fn is_busy(&self) -> bool {
        self.changed || self.learned || self.deadline().is_some()
    }

    /// How many calls it has a hand in.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    fn busy(&self, gateway: &str) -> u32 {
        self.busy.get(gateway).copied().unwrap_or(0)
    }

    /// Takes out the attempts of a call that talk, at their places; in those of others stands what is over.
    fn take_talking(&mut self, call: CallId) -> Vec<ReservedAttempt> {
        let Some(calling) = self.calls.get_mut(&call) else { return Vec::new() };
        let talks = |a: &ReservedAttempt| matches!(a.state, State::Talking { .. });
        let Some(last) = calling.attempts.iter().rposition(talks) else { return Vec::new() };
        let over = |a: &ReservedAttempt| ReservedAttempt { tried: false, state: State::Over, ..a.clone() };
        let gone = |a: &mut ReservedAttempt| {
            let live = ReservedAttempt { tried: false, ..a.clone() };
            a.state = State::Over;
            live
        };
        let all = calling.attempts.iter_mut().take(last + 1);
        all.map(|a| if talks(a) { gone(a) } else { over(a) }).collect()
    }

    /// Has this gateway as many calls as it may have? Then in words.
    fn full(&self, config: &Config, gateway: &str) -> Option<String> {
        let (busy, most) = (self.busy(gateway), config.rates.most_calls(gateway)?);
        (busy >= most).then(|| format!("{busy} of its {most} calls are in use"))
    }

    /// The calls that talk and spend what this alarm is about.
    fn concerned(&self, alarm: &LimitAlarm) -> Vec<CallId> {
        let settings = self.limiter.settings();
        let Some(limit) = settings.limits.iter().find(|l| l.name == alarm.limit) else { return Vec::new() };
        let class = limit.class.as_ref().and_then(|name| settings.classes.iter().find(|c| c.name == *name));
        let is = |whose: &Arc<str>, one: &str| whose.is_empty() || **whose == *one;
        let pays = |attempt: &ReservedAttempt| {
            matches!(attempt.state, State::Talking { .. })
                && attempt.price.is_some()
                && is(&alarm.gateway, &attempt.gateway)
                && class.is_none_or(|c| c.prefixes.covers(Prefix::leading(&attempt.number)))
        };
        let of = |calling: &RatedCall| {
            is(&alarm.extension, &calling.extension) && calling.attempts.iter().any(pays)
        };
        let mut calls: Vec<CallId> =
            self.calls.iter().filter(|(_, calling)| of(calling)).map(|(call, _)| *call).collect();
        calls.sort_unstable_by_key(|call| call.0);
        calls
    }

    fn health(&self, now: Instant, gateway: &str) -> Health {
        if let Some(why) = self.down.get(gateway) {
            return Health::Down(if why.is_empty() {
                "it does not answer".into()
            } else {
                why.as_str().into()
            });
        }
        match self.failures.get(gateway) {
            Some((count, last)) if *count >= FAILURES && now.saturating_duration_since(*last) < DOUBT => {
                Health::Doubtful(format!("its last {count} calls failed").into())
            }
            _ => Health::Well,
        }
    }

    fn refresh(&mut self, now: Instant, name: &str) {
        let health = self.health(now, name);
        if let Some(gateway) = self.least_cost.gateway(name) {
            gateway.health = health;
        }
    }

    fn gateway_is(&mut self, now: Instant, gateway: &GatewayId, down: Option<String>) {
        if self.down.get(gateway.as_str()) == down.as_ref() {
            return;
        }
        match down {
            None => self.down.remove(gateway.as_str()),
            Some(why) => self.down.insert(gateway.to_string(), why),
        };
        self.refresh(now, gateway.as_str());
    }
}

impl ReservedAttempt {
    /// The gateway that is paid, and the one that carries the call to it where that is another.
    fn gateways(&self) -> impl Iterator<Item = Arc<str>> + use<> {
        let carrier = match &self.target {
            Target::Gateway(id) if id.as_str() != &*self.gateway => Some(id.as_str().into()),
            _ => None,
        };
        [self.gateway.clone()].into_iter().chain(carrier)
    }
}

/// The name under which an attempt holds seconds of a bundle.
fn bundle_key(call: CallId, attempt: u8) -> u64 {
    call.0.rotate_left(8) ^ u64::from(attempt)
}

#[cfg(test)]
mod tests;
