//! Calls as they pass: money is set aside when an attempt is made, which is when its target is looked for. When a later stage
//! is tried, what the earlier ones had set aside is free again.

use std::time::{Duration, Instant};

use ringtrip_exchange::cdr::Cdr;
use ringtrip_exchange::route::{Step, Target};
use ringtrip_model::event::Event;
use ringtrip_model::ids::CallId;
use ringtrip_model::party::Cause;
use ringtrip_rating::limiter::{AttemptKey, LimiterOutput, SpendDecision, SpendRequest};
use ringtrip_rating::money::Money as Amount;
use ringtrip_rating::quality::{FinishedCall, Impairments, Outcome};
use ringtrip_rating::time::At;

use super::authorize::{rejected, step};
use super::{CallRating, DOUBT, ReservedAttempt, State, bundle_key};
use crate::exchange::wall;
use crate::rating::charging_party::is_called;
use crate::rating::outcome::{impairments, outcome};
use crate::rating::{Rating, at};

/// What the exchange has to do for rating.
#[derive(Debug, Default)]
pub struct RatingEffects {
    /// Calls to end: their money is used up.
    pub end: Vec<CallId>,
    /// Calls whose limit is nearly used up.
    pub warn: Vec<CallId>,
    /// Events to publish.
    pub events: Vec<Event>,
}

impl Rating {
    /// A target is about to be tried: is its gateway free for one more, and is there still money for it? It is set aside
    /// now. If not: what the call has failed with there, and why in words.
    pub fn may_try(
        &self,
        call: CallId,
        seq: u16,
        target: &Target,
    ) -> (Result<(), (Cause, Step)>, RatingEffects) {
        let mut effects = RatingEffects::default();
        let mut call_rating = self.call_rating();
        let waiting = |a: &ReservedAttempt| matches!(a.state, State::Waiting) && a.target == *target;
        let Some(mut calling) = call_rating.calls.remove(&call) else { return (Ok(()), effects) };
        // One that failed before it was called is tried once more when nothing else is left.
        let failed = |a: &ReservedAttempt| {
            matches!(a.state, State::Failed { .. } | State::Over) && a.target == *target
        };
        let leg = calling.attempts.iter().position(waiting);
        let Some(leg) = leg.or_else(|| calling.attempts.iter().position(failed)) else {
            call_rating.calls.insert(call, calling);
            return (Ok(()), effects);
        };
        let (config, now, mut out) = (self.config(), at(&wall::now()), Vec::new());
        let stage = calling.attempts[leg].stage;
        for (n, earlier) in calling.attempts.iter_mut().enumerate().filter(|(_, a)| a.stage < stage) {
            if let State::Trying { rang_after, .. } | State::Failed { rang_after } = earlier.state {
                // It rang, and nobody came; or it never got so far.
                let outcome = if rang_after.is_some() { Outcome::Reached } else { Outcome::Failed };
                self.learn(&mut call_rating, earlier, outcome, rang_after, None, now);
                self.leave(&mut call_rating, call, n, earlier, 0, Amount::ZERO, now, &mut out);
            }
        }
        let is_first = calling.attempts.iter().all(|a| a.asked.is_none());
        let attempt = &mut calling.attempts[leg];
        attempt.asked = Some(seq);
        let full = attempt
            .gateways()
            .find_map(|gateway| Some((gateway.clone(), call_rating.full(&config, &gateway)?)));
        let may = match (full, attempt.price, u8::try_from(leg)) {
            (Some((gateway, said)), ..) => Err((Cause::Congestion, rejected(&gateway, said))),
            (None, Some(price), Ok(leg)) => {
                let key = AttemptKey { call: call.0, leg };
                let (gateway, number) = (&attempt.gateway, &attempt.number);
                let ask = SpendRequest { key, extension: &calling.extension, gateway, number, price };
                match call_rating.limiter.admit(now, &ask, &mut out) {
                    SpendDecision::Allow { .. } => Ok(()),
                    SpendDecision::Refuse { sentence, .. } => Err((Cause::Spent, step(gateway, sentence))),
                }
            }
            _ => Ok(()),
        };
        if may.is_ok() {
            attempt.state = State::Trying { since: Instant::now(), rang_after: None };
            self.count(&mut call_rating, attempt, true);
            let burst = config.rates.burst;
            if is_first
                && let Some(calls) = call_rating.bursts.begun(Instant::now(), &calling.extension, burst)
            {
                let caller = match &*calling.extension {
                    "" => "external callers",
                    extension => extension,
                };
                let text = format!(
                    "{calls} outbound calls within {} s by {caller}, the last to {}: if nobody dials that fast, the \
                     password may be stolen",
                    burst.time.as_secs(),
                    attempt.number
                );
                effects.events.push(Event::Alarm { what: "burst", text });
            }
        } else {
            attempt.state = State::Over;
            self.least_cost_mut().bundles.commit(bundle_key(call, u8::try_from(leg).unwrap_or(u8::MAX)), 0);
        }
        call_rating.calls.insert(call, calling);
        effects.absorb(out);
        drop(call_rating);
        self.mark_changed();
        (may, effects)
    }

    /// What was tried has failed, and its call goes on without it.
    pub fn left(&self, call: CallId, seq: u16) -> RatingEffects {
        let mut effects = RatingEffects::default();
        let mut call_rating = self.call_rating();
        let Some(mut calling) = call_rating.calls.remove(&call) else { return effects };
        let mut out = Vec::new();
        let asked = calling.attempts.iter_mut().enumerate().find(|(_, a)| a.asked == Some(seq));
        if let Some((n, attempt)) = asked
            && let State::Trying { rang_after, .. } = attempt.state
        {
            self.leave(&mut call_rating, call, n, attempt, 0, Amount::ZERO, at(&wall::now()), &mut out);
            attempt.state = State::Failed { rang_after };
        }
        call_rating.calls.insert(call, calling);
        effects.absorb(out);
        drop(call_rating);
        self.mark_changed();
        effects
    }

    /// An event passes.
    pub fn on_event(&self, event: &Event) -> RatingEffects {
        let mut effects = RatingEffects::default();
        let (call, target, answered) = match event {
            Event::CallRinging { call, target, .. } => (*call, target, false),
            Event::CallAnswered { call, target, .. } => (*call, target, true),
            _ => return effects,
        };
        let mut call_rating = self.call_rating();
        let Some(mut calling) = call_rating.calls.remove(&call) else { return effects };
        let (config, now, mut out) = (self.config(), at(&wall::now()), Vec::new());
        for (n, attempt) in calling.attempts.iter_mut().enumerate() {
            if let State::Failed { .. } = attempt.state
                && answered
            {
                attempt.state = State::Over;
            }
            let State::Trying { since, rang_after } = attempt.state else { continue };
            let it_is = is_called(&config, &attempt.gateway, &attempt.target, target);
            match (answered, it_is) {
                (false, true) => {
                    let rang_after = rang_after.or(Some(since.elapsed()));
                    attempt.state = State::Trying { since, rang_after };
                }
                (false, false) => {}
                (true, true) => {
                    let rang_after = rang_after.or(Some(since.elapsed()));
                    attempt.state = State::Talking { since: Instant::now(), rang_after };
                    if let Ok(leg) = u8::try_from(n) {
                        let key = AttemptKey { call: call.0, leg };
                        call_rating.limiter.answered(Instant::now(), now, key, &mut out);
                    }
                }
                // Somebody else was faster: that says nothing about this one.
                (true, false) => {
                    self.leave(&mut call_rating, call, n, attempt, 0, Amount::ZERO, now, &mut out)
                }
            }
        }
        call_rating.calls.insert(call, calling);
        effects.absorb(out);
        drop(call_rating);
        self.mark_changed();
        effects
    }

    /// A call's record is closed: what it cost takes the place of what was set aside.
    pub fn ended(&self, cdr: &Cdr) -> RatingEffects {
        let mut effects = RatingEffects::default();
        let Some(cause) = cdr.cause else { return effects };
        let mut call_rating = self.call_rating();
        let Some(mut calling) = call_rating.calls.remove(&cdr.call) else { return effects };
        let (now, mut out) = (at(&wall::now()), Vec::new());
        for (n, attempt) in calling.attempts.iter_mut().enumerate() {
            match attempt.state {
                State::Talking { since, rang_after } => {
                    let seconds =
                        u32::try_from(since.elapsed().as_secs()).unwrap_or(u32::MAX).saturating_add(1);
                    // A record that was closed for a call that panicked has no cost.
                    let cost = cdr.cost.as_ref().map(|c| Amount::micros(c.micros));
                    let cost = cost.or_else(|| Some(attempt.price?.cost(seconds))).unwrap_or(Amount::ZERO);
                    let impairments = cdr.b.as_ref().and_then(impairments);
                    self.learn(&mut call_rating, attempt, Outcome::Reached, rang_after, impairments, now);
                    self.leave(&mut call_rating, cdr.call, n, attempt, seconds, cost, now, &mut out);
                }
                State::Trying { rang_after, .. } | State::Failed { rang_after } => {
                    if let Some(outcome) = outcome(cause, rang_after.is_some()) {
                        self.learn(&mut call_rating, attempt, outcome, rang_after, None, now);
                    }
                    self.leave(&mut call_rating, cdr.call, n, attempt, 0, Amount::ZERO, now, &mut out);
                }
                State::Waiting | State::Over => {
                    self.leave(&mut call_rating, cdr.call, n, attempt, 0, Amount::ZERO, now, &mut out);
                }
            }
        }
        effects.absorb(out);
        drop(call_rating);
        self.mark_changed();
        effects
    }

    /// A call is gone, whatever became of its record.
    pub fn gone(&self, call: CallId) -> RatingEffects {
        let mut effects = RatingEffects::default();
        self.drop_call(&mut self.call_rating(), call, &mut effects);
        effects
    }

    /// A gateway came up or went down.
    pub fn gateway_is(&self, name: &str, up: bool, why: &str) {
        let mut call_rating = self.call_rating();
        let was = call_rating.down.get(name).map(String::as_str);
        if was == (!up).then_some(why) {
            return;
        }
        match up {
            true => call_rating.down.remove(name),
            false => call_rating.down.insert(name.to_owned(), why.to_owned()),
        };
        self.refresh(&call_rating, name);
    }

    /// Time has passed.
    pub fn tick(&self) -> RatingEffects {
        let mut effects = RatingEffects::default();
        let mut call_rating = self.call_rating();
        let mut out = Vec::new();
        call_rating.limiter.on_timeout(Instant::now(), at(&wall::now()), &mut out);
        for output in &out {
            if let LimiterOutput::Alarm(alarm) = output
                && alarm.percent < 100
            {
                effects.warn.extend(call_rating.concerned(alarm));
            }
        }
        effects.absorb(out);
        let forgiven: Vec<_> = call_rating
            .failures
            .iter()
            .filter(|(_, (_, last))| last.elapsed() >= DOUBT)
            .map(|(g, _)| g.clone())
            .collect();
        for gateway in forgiven {
            call_rating.failures.remove(&gateway);
            self.refresh(&call_rating, &gateway);
        }
        drop(call_rating);
        self.persist(false);
        effects
    }

    /// Is there anything that [`Rating::tick`] has to look after?
    pub fn is_busy(&self) -> bool {
        let call_rating = self.call_rating();
        call_rating.changed
            || call_rating.learned
            || !call_rating.failures.is_empty()
            || call_rating.limiter.deadline().is_some()
    }

    pub(super) fn mark_changed(&self) {
        self.call_rating().changed = true;
        self.0.changed.notify_one();
    }

    /// Gives back all that a call holds; one that talks has cost what it lasted.
    pub(super) fn drop_call(&self, call_rating: &mut CallRating, call: CallId, effects: &mut RatingEffects) {
        let Some(mut calling) = call_rating.calls.remove(&call) else { return };
        let (now, mut out) = (at(&wall::now()), Vec::new());
        for (n, attempt) in calling.attempts.iter_mut().enumerate() {
            let (seconds, cost) = match attempt.state {
                State::Talking { since, .. } => {
                    let seconds =
                        u32::try_from(since.elapsed().as_secs()).unwrap_or(u32::MAX).saturating_add(1);
                    (seconds, attempt.price.map_or(Amount::ZERO, |p| p.cost(seconds)))
                }
                _ => (0, Amount::ZERO),
            };
            self.leave(call_rating, call, n, attempt, seconds, cost, now, &mut out);
        }
        call_rating.changed = true;
        effects.absorb(out);
    }

    /// An attempt is over: it lasted and cost so much.
    #[allow(clippy::too_many_arguments)]
    fn leave(
        &self,
        call_rating: &mut CallRating,
        call: CallId,
        n: usize,
        attempt: &mut ReservedAttempt,
        seconds: u32,
        cost: Amount,
        now: At,
        out: &mut Vec<LimiterOutput>,
    ) {
        let Ok(leg) = u8::try_from(n) else { return };
        if matches!(attempt.state, State::Trying { .. } | State::Talking { .. }) {
            self.count(call_rating, attempt, false);
        }
        if !matches!(attempt.state, State::Failed { .. } | State::Over) && attempt.price.is_some() {
            call_rating.limiter.end(now, AttemptKey { call: call.0, leg }, cost, out);
            if attempt.price.is_some_and(|p| p.free > 0) {
                self.least_cost_mut().bundles.commit(bundle_key(call, leg), seconds);
            }
        }
        attempt.state = State::Over;
    }

    /// One call more by the gateways of this attempt, or one less.
    fn count(&self, call_rating: &mut CallRating, attempt: &ReservedAttempt, more: bool) {
        for name in attempt.gateways() {
            let busy = call_rating.busy.entry(name.clone()).or_default();
            *busy = if more { busy.saturating_add(1) } else { busy.saturating_sub(1) };
            if let Some(gateway) = self.least_cost_mut().gateway(&name) {
                gateway.busy = *busy;
            }
        }
    }

    fn learn(
        &self,
        call_rating: &mut CallRating,
        attempt: &ReservedAttempt,
        outcome: Outcome,
        rang_after: Option<Duration>,
        impairments: Option<Impairments>,
        now: At,
    ) {
        let post_dial_delay = rang_after.map(|d| u32::try_from(d.as_millis()).unwrap_or(u32::MAX));
        let finished = FinishedCall { outcome, post_dial_delay, impairments };
        self.least_cost_mut().quality.feed(&attempt.gateway, &attempt.number, now, finished);
        call_rating.learned = true;
        match outcome {
            Outcome::Reached => {
                call_rating.failures.remove(&attempt.gateway);
            }
            Outcome::Failed => {
                let failures =
                    call_rating.failures.entry(attempt.gateway.clone()).or_insert((0, Instant::now()));
                *failures = (failures.0.saturating_add(1), Instant::now());
            }
        }
        self.refresh(call_rating, &attempt.gateway);
    }

    fn refresh(&self, call_rating: &CallRating, name: &str) {
        let health = call_rating.health(name);
        if let Some(gateway) = self.least_cost_mut().gateway(name) {
            gateway.health = health;
        }
    }
}

impl RatingEffects {
    pub(super) fn absorb(&mut self, out: Vec<LimiterOutput>) {
        for output in out {
            match output {
                LimiterOutput::End { key, sentence, .. } => {
                    tracing::info!(call = %CallId(key.call), "{sentence}");
                    self.end.push(CallId(key.call));
                }
                LimiterOutput::Alarm(alarm) => {
                    let text = match alarm.percent {
                        // It may be far from spent: what is left is not enough for the call.
                        100.. => format!("a limit refuses or ends calls: {}", alarm.sentence),
                        percent => format!("{percent} % of a limit: {}", alarm.sentence),
                    };
                    self.events.push(Event::Alarm { what: "money", text });
                }
            }
        }
    }
}
