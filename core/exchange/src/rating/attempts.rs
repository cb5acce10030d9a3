//! Calls as they pass: money is set aside when an attempt is made, which is when its target is looked for. When a later stage
//! is tried, what the earlier ones had set aside is free again.

use std::time::{Duration, Instant};

use ringtrip_media::session::RtpStats;
use ringtrip_rating::limiter::{AttemptKey, LimiterOutput, SpendDecision, SpendRequest};
use ringtrip_rating::money::Money;
use ringtrip_rating::quality::{FinishedCall, Impairments, Outcome};
use ringtrip_rating::time::At;

use super::authorize::{absorb, rejected, step};
use super::outcome::{impairments, outcome};
use super::{CallRating, DOUBT, RatedCall, RatingOutput, ReservedAttempt, State, bundle_key};
use crate::route::Step;
use ringtrip_model::event::Event;
use ringtrip_model::ids::CallId;
use ringtrip_model::party::Cause;

impl CallRating {
    /// A target is about to be tried: is its gateway free for one more, and is there still money for it? It is set aside
    /// now.
    ///
    /// # Errors
    ///
    /// What the call has failed with there, and why in words.
    pub fn may_try(
        &mut self,
        now: Instant,
        at: At,
        call: CallId,
        attempt: u8,
        out: &mut Vec<RatingOutput>,
    ) -> Result<(), (Cause, Step)> {
        let Some(mut calling) = self.calls.remove(&call) else { return Ok(()) };
        let mut said = Vec::new();
        let may = self.try_one(now, at, call, attempt, &mut calling, &mut said, out);
        self.calls.insert(call, calling);
        absorb(said, out);
        may
    }

    #[allow(clippy::too_many_arguments)]
    fn try_one(
        &mut self,
        now: Instant,
        at: At,
        call: CallId,
        leg: u8,
        calling: &mut RatedCall,
        said: &mut Vec<LimiterOutput>,
        out: &mut Vec<RatingOutput>,
    ) -> Result<(), (Cause, Step)> {
        // One that failed before it was called is tried once more when nothing else is left.
        let waits =
            |a: &&ReservedAttempt| matches!(a.state, State::Waiting | State::Failed { .. } | State::Over);
        let Some(stage) = calling.attempts.get(usize::from(leg)).filter(waits).map(|a| a.stage) else {
            return Ok(());
        };
        self.changed = true;
        for (n, earlier) in numbered(&mut calling.attempts).filter(|(_, a)| a.stage < stage) {
            if let State::Trying { rang_after, .. } | State::Failed { rang_after } = earlier.state {
                // It rang, and nobody came; or it never got so far.
                let outcome = if rang_after.is_some() { Outcome::Reached } else { Outcome::Failed };
                self.learn(now, at, earlier, outcome, rang_after, None);
                self.leave(at, call, n, earlier, (0, Money::ZERO), said);
            }
        }
        let is_first = calling.attempts.iter().all(|a| !a.tried);
        let Some(attempt) = calling.attempts.get_mut(usize::from(leg)) else { return Ok(()) };
        attempt.tried = true;
        let mut gateways = attempt.gateways();
        let full = gateways.find_map(|gateway| Some((self.full(&self.config, &gateway)?, gateway)));
        let may = match (full, attempt.price) {
            (Some((why, gateway)), _) => Err((Cause::Congestion, rejected(&gateway, why))),
            (None, Some(price)) => {
                let key = AttemptKey { call: call.0, leg };
                let (gateway, number) = (&attempt.gateway, &attempt.number);
                let ask = SpendRequest { key, extension: &calling.extension, gateway, number, price };
                match self.limiter.admit(at, &ask, said) {
                    SpendDecision::Allow { .. } => Ok(()),
                    SpendDecision::Refuse { sentence, .. } => Err((Cause::Spent, step(gateway, sentence))),
                }
            }
            _ => Ok(()),
        };
        if may.is_err() {
            attempt.state = State::Over;
            self.least_cost.bundles.commit(bundle_key(call, leg), 0);
            return may;
        }
        attempt.state = State::Trying { since: now, rang_after: None };
        self.count(attempt, true);
        let burst = self.config.rates.burst;
        if is_first && let Some(calls) = self.bursts.begun(now, &calling.extension, burst) {
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
            out.push(RatingOutput::Tell(Event::Alarm { what: "burst", text }));
        }
        may
    }

    /// What was tried has failed, and its call goes on without it.
    pub(super) fn failed(&mut self, at: At, call: CallId, n: u8, out: &mut Vec<RatingOutput>) {
        let Some(mut calling) = self.calls.remove(&call) else { return };
        let mut said = Vec::new();
        if let Some(attempt) = calling.attempts.get_mut(usize::from(n))
            && let State::Trying { rang_after, .. } = attempt.state
        {
            self.leave(at, call, n, attempt, (0, Money::ZERO), &mut said);
            attempt.state = State::Failed { rang_after };
        }
        self.calls.insert(call, calling);
        self.changed = true;
        absorb(said, out);
    }

    /// It shows a sign of ringing; the first one counts.
    pub(super) fn rings(&mut self, now: Instant, call: CallId, n: u8) {
        let calling = self.calls.get_mut(&call);
        let Some(attempt) = calling.and_then(|c| c.attempts.get_mut(usize::from(n))) else { return };
        if let State::Trying { since, rang_after: None } = attempt.state {
            let rang_after = Some(now.saturating_duration_since(since));
            attempt.state = State::Trying { since, rang_after };
        }
    }

    /// Somebody has answered.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        at: At,
        call: CallId,
        by: Option<u8>,
        out: &mut Vec<RatingOutput>,
    ) {
        let Some(mut calling) = self.calls.remove(&call) else { return };
        let mut said = Vec::new();
        for (n, attempt) in numbered(&mut calling.attempts) {
            if let State::Failed { .. } = attempt.state {
                attempt.state = State::Over;
            }
            let State::Trying { since, rang_after } = attempt.state else { continue };
            if by == Some(n) {
                let rang_after = rang_after.or(Some(now.saturating_duration_since(since)));
                attempt.state = State::Talking { since: now, rang_after };
                self.limiter.answered(now, at, AttemptKey { call: call.0, leg: n }, &mut said);
            } else {
                // Somebody else was faster: that says nothing about this one.
                self.leave(at, call, n, attempt, (0, Money::ZERO), &mut said);
            }
        }
        self.calls.insert(call, calling);
        self.changed = true;
        absorb(said, out);
    }

    /// A call's record is closed: what it cost takes the place of what was set aside.
    #[allow(clippy::too_many_arguments)] // The fields of a message.
    pub(super) fn ended(
        &mut self,
        now: Instant,
        at: At,
        call: CallId,
        cause: Cause,
        cost: Option<Money>,
        stats: Option<RtpStats>,
        out: &mut Vec<RatingOutput>,
    ) {
        let Some(mut calling) = self.calls.remove(&call) else { return };
        let mut said = Vec::new();
        for (n, attempt) in numbered(&mut calling.attempts) {
            let mut spent = (0, Money::ZERO);
            match attempt.state {
                State::Talking { since, rang_after } => {
                    spent.0 = begun_seconds(now, since);
                    // A record that was closed for a call that panicked has no cost.
                    let cost = cost.or_else(|| Some(attempt.price?.cost(spent.0)));
                    spent.1 = cost.unwrap_or(Money::ZERO);
                    let impairments = stats.as_ref().and_then(impairments);
                    self.learn(now, at, attempt, Outcome::Reached, rang_after, impairments);
                }
                State::Trying { rang_after, .. } | State::Failed { rang_after } => {
                    if let Some(outcome) = outcome(cause, rang_after.is_some()) {
                        self.learn(now, at, attempt, outcome, rang_after, None);
                    }
                }
                State::Waiting | State::Over => {}
            }
            self.leave(at, call, n, attempt, spent, &mut said);
        }
        self.changed = true;
        absorb(said, out);
    }

    /// Gives back all that a call holds; one that talks has cost what it lasted.
    pub(super) fn drop_call(&mut self, now: Instant, at: At, call: CallId, out: &mut Vec<RatingOutput>) {
        let Some(mut calling) = self.calls.remove(&call) else { return };
        let mut said = Vec::new();
        for (n, attempt) in numbered(&mut calling.attempts) {
            let spent = match attempt.state {
                State::Talking { since, .. } => {
                    let seconds = begun_seconds(now, since);
                    (seconds, attempt.price.map_or(Money::ZERO, |p| p.cost(seconds)))
                }
                _ => (0, Money::ZERO),
            };
            self.leave(at, call, n, attempt, spent, &mut said);
        }
        self.changed = true;
        absorb(said, out);
    }

    /// Time has passed.
    pub(super) fn timeout(&mut self, now: Instant, at: At, out: &mut Vec<RatingOutput>) {
        let mut said = Vec::new();
        self.limiter.on_timeout(now, at, &mut said);
        for output in &said {
            if let LimiterOutput::Alarm(alarm) = output
                && alarm.percent < 100
            {
                out.extend(self.concerned(alarm).into_iter().map(|call| RatingOutput::Warn { call }));
            }
        }
        absorb(said, out);
        let forgiven: Vec<_> = self
            .failures
            .iter()
            .filter(|(_, (_, last))| now.saturating_duration_since(*last) >= DOUBT)
            .map(|(g, _)| g.clone())
            .collect();
        for gateway in forgiven {
            self.failures.remove(&gateway);
            self.refresh(now, &gateway);
        }
    }

    /// An attempt is over: it lasted so many seconds, and cost so much.
    fn leave(
        &mut self,
        at: At,
        call: CallId,
        n: u8,
        attempt: &mut ReservedAttempt,
        (seconds, cost): (u32, Money),
        said: &mut Vec<LimiterOutput>,
    ) {
        if matches!(attempt.state, State::Trying { .. } | State::Talking { .. }) {
            self.count(attempt, false);
        }
        if let Some(price) = attempt.price
            && !matches!(attempt.state, State::Failed { .. } | State::Over)
        {
            self.limiter.end(at, AttemptKey { call: call.0, leg: n }, cost, said);
            if price.free > 0 {
                self.least_cost.bundles.commit(bundle_key(call, n), seconds);
            }
        }
        attempt.state = State::Over;
    }

    /// One call more by the gateways of this attempt, or one less.
    fn count(&mut self, attempt: &ReservedAttempt, more: bool) {
        for name in attempt.gateways() {
            let busy = self.busy.entry(name.clone()).or_default();
            *busy = if more { busy.saturating_add(1) } else { busy.saturating_sub(1) };
            if let Some(gateway) = self.least_cost.gateway(&name) {
                gateway.busy = *busy;
            }
        }
    }

    fn learn(
        &mut self,
        now: Instant,
        at: At,
        attempt: &ReservedAttempt,
        outcome: Outcome,
        rang_after: Option<Duration>,
        impairments: Option<Impairments>,
    ) {
        let post_dial_delay = rang_after.map(|d| u32::try_from(d.as_millis()).unwrap_or(u32::MAX));
        let finished = FinishedCall { outcome, post_dial_delay, impairments };
        self.least_cost.quality.feed(&attempt.gateway, &attempt.number, at, finished);
        self.learned = true;
        match outcome {
            Outcome::Reached => {
                self.failures.remove(&attempt.gateway);
            }
            Outcome::Failed => {
                let failures = self.failures.entry(attempt.gateway.clone()).or_insert((0, now));
                *failures = (failures.0.saturating_add(1), now);
            }
        }
        self.refresh(now, &attempt.gateway);
    }
}

/// The attempts of a call with their numbers.
fn numbered(attempts: &mut [ReservedAttempt]) -> impl Iterator<Item = (u8, &mut ReservedAttempt)> {
    (0..=u8::MAX).zip(attempts)
}

/// How long an attempt has talked; the second that has begun counts.
fn begun_seconds(now: Instant, since: Instant) -> u32 {
    u32::try_from(now.saturating_duration_since(since).as_secs()).unwrap_or(u32::MAX).saturating_add(1)
}
