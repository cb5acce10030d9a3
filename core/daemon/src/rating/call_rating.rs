//! What each call tries outside, what it sets aside and costs, and what its end teaches about the gateways.
//!
//! Who counts attempts can also say when a gateway has as many as it may: that is asked at the same moment, however the
//! gateway was chosen and whatever it costs. An attempt counts until it fails, or its call goes on to the next stage, is answered
//! elsewhere or ends.
//!
//! * `authorize`: a plan before it is carried out. * `calls`: calls as they pass.

mod authorize;
mod calls;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringtrip_config::Config;
use ringtrip_exchange::route::Target;
use ringtrip_model::ids::CallId;
use ringtrip_rating::burst::Bursts;
use ringtrip_rating::least_cost::Health;
use ringtrip_rating::limiter::{LimitAlarm, SpendLimiter};
use ringtrip_rating::prefix::Prefix;
use ringtrip_rating::rate::Price;

pub use calls::RatingEffects;

use super::down;

/// After so many failures in a row a gateway is used only if nothing better is left,
const FAILURES: u32 = 2;
/// for so long after the last one.
const DOUBT: Duration = Duration::from_secs(60);

/// The calls that may cost money, and the gateways as they were of late.
pub(super) struct CallRating {
    pub limiter: SpendLimiter,
    bursts: Bursts,
    calls: HashMap<CallId, RatedCall>,
    /// Attempts by each gateway that live.
    busy: BTreeMap<Arc<str>, u32>,
    /// Failures in a row, and when the last one was.
    failures: BTreeMap<Arc<str>, (u32, Instant)>,
    /// Gateways that are out of order, and why.
    down: BTreeMap<String, String>,
    /// Limits or bundles have changed since they were kept.
    pub changed: bool,
    /// So has what was learned.
    pub learned: bool,
    pub learned_persisted: Option<Instant>,
}

/// A call with attempts outside.
struct RatedCall {
    extension: String,
    attempts: Vec<ReservedAttempt>,
}

#[derive(Clone)]
struct ReservedAttempt {
    stage: usize,
    /// The number under which its target was looked for.
    asked: Option<u16>,
    target: Target,
    gateway: Arc<str>,
    number: String,
    price: Option<Price>,
    state: State,
}

#[derive(Clone, Copy)]
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
    pub fn new(limiter: SpendLimiter) -> CallRating {
        CallRating {
            limiter,
            bursts: Bursts::default(),
            calls: HashMap::new(),
            busy: BTreeMap::new(),
            failures: BTreeMap::new(),
            down: BTreeMap::new(),
            changed: false,
            learned: false,
            learned_persisted: None,
        }
    }

    pub fn busy(&self, gateway: &str) -> u32 {
        self.busy.get(gateway).copied().unwrap_or(0)
    }

    /// Takes out the attempts of a call that talk, at their places; in those of others stands what is over.
    fn take_talking(&mut self, call: CallId) -> Vec<ReservedAttempt> {
        let Some(calling) = self.calls.get_mut(&call) else { return Vec::new() };
        let talks = |a: &ReservedAttempt| matches!(a.state, State::Talking { .. });
        let Some(last) = calling.attempts.iter().rposition(talks) else { return Vec::new() };
        let over = |a: &ReservedAttempt| ReservedAttempt { asked: None, state: State::Over, ..a.clone() };
        let gone = |a: &mut ReservedAttempt| {
            let live = ReservedAttempt { asked: None, ..a.clone() };
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
        self.calls.iter().filter(|(_, calling)| of(calling)).map(|(call, _)| *call).collect()
    }

    pub fn health(&self, gateway: &str) -> Health {
        if let Some(why) = self.down.get(gateway) {
            return down(why);
        }
        match self.failures.get(gateway) {
            Some((count, last)) if *count >= FAILURES && last.elapsed() < DOUBT => {
                Health::Doubtful(format!("its last {count} calls failed").into())
            }
            _ => Health::Well,
        }
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
fn bundle_key(call: CallId, leg: u8) -> u64 {
    call.0.rotate_left(8) ^ u64::from(leg)
}
