//! Calls as they pass: money is set aside when an attempt is made, which is when its target is looked for. When a later stage
//! is tried, what the earlier ones had set aside is free again.

use std::time::{Duration, Instant};

use ringtrip_exchange::cdr::Cdr;
use ringtrip_exchange::route::{Step, Target};
use ringtrip_model::event::Event;
use ringtrip_model::ids::CallId;
use ringtrip_model::party::Cause;
use ringtrip_rating::brake::{Ask, Key, Output, Verdict as May};
use ringtrip_rating::money::Money as Amount;
use ringtrip_rating::quality::{Finished, Heard, Outcome};
use ringtrip_rating::time::At;

use super::weigh::{rejected, step};
use super::{DOUBT, Paying, State, Till, hold};
use crate::exchange::wall;
use crate::money::lesson::{heard, outcome};
use crate::money::who::is_called;
use crate::money::{Money, at};

/// What the money wants done.
#[derive(Debug, Default)]
pub struct Says {
    /// Calls to end: their money is used up.
    pub end: Vec<CallId>,
    /// Calls whose limit is nearly used up.
    pub warn: Vec<CallId>,
    /// For those who watch.
    pub events: Vec<Event>,
}

impl Money {
    /// A target is about to be tried: is its gateway free for one more, and is there still money for it? It is set aside
    /// now. If not: what the call has failed with there, and why in words.
    pub fn may_try(&self, call: CallId, seq: u16, target: &Target) -> (Result<(), (Cause, Step)>, Says) {
        let mut says = Says::default();
        let mut till = self.till();
        let waiting = |a: &Paying| matches!(a.state, State::Waiting) && a.target == *target;
        let Some(mut calling) = till.calls.remove(&call) else { return (Ok(()), says) };
        // One that failed before it was called is tried once more when nothing else is left.
        let failed =
            |a: &Paying| matches!(a.state, State::Failed { .. } | State::Over) && a.target == *target;
        let leg = calling.attempts.iter().position(waiting);
        let Some(leg) = leg.or_else(|| calling.attempts.iter().position(failed)) else {
            till.calls.insert(call, calling);
            return (Ok(()), says);
        };
        let (config, now, mut out) = (self.config(), at(&wall::now()), Vec::new());
        let stage = calling.attempts[leg].stage;
        for (n, earlier) in calling.attempts.iter_mut().enumerate().filter(|(_, a)| a.stage < stage) {
            if let State::Trying { rang_after, .. } | State::Failed { rang_after } = earlier.state {
                // It rang, and nobody came; or it never got so far.
                let outcome = if rang_after.is_some() { Outcome::Reached } else { Outcome::Failed };
                self.learn(&mut till, earlier, outcome, rang_after, None, now);
                self.leave(&mut till, call, n, earlier, 0, Amount::ZERO, now, &mut out);
            }
        }
        let is_first = calling.attempts.iter().all(|a| a.asked.is_none());
        let attempt = &mut calling.attempts[leg];
        attempt.asked = Some(seq);
        let full =
            attempt.gateways().find_map(|gateway| Some((gateway.clone(), till.full(&config, &gateway)?)));
        let may = match (full, attempt.price, u8::try_from(leg)) {
            (Some((gateway, said)), ..) => Err((Cause::Congestion, rejected(&gateway, said))),
            (None, Some(price), Ok(leg)) => {
                let key = Key { call: call.0, leg };
                let (gateway, number) = (&attempt.gateway, &attempt.number);
                let ask = Ask { key, extension: &calling.extension, gateway, number, price };
                match till.brake.admit(now, &ask, &mut out) {
                    May::Go { .. } => Ok(()),
                    May::Refuse { sentence, .. } => Err((Cause::Spent, step(gateway, sentence))),
                }
            }
            _ => Ok(()),
        };
        if may.is_ok() {
            attempt.state = State::Trying { since: Instant::now(), rang_after: None };
            self.count(&mut till, attempt, true);
            let burst = config.rates.burst;
            if is_first && let Some(calls) = till.bursts.begun(Instant::now(), &calling.extension, burst) {
                let who = match &*calling.extension {
                    "" => "callers from outside",
                    who => who,
                };
                let text = format!(
                    "{calls} calls outside within {} s by {who}, the last to {}: if nobody dials so fast there, somebody \
                     uses a stolen password",
                    burst.time.as_secs(),
                    attempt.number
                );
                says.events.push(Event::Alarm { what: "burst", text });
            }
        } else {
            attempt.state = State::Over;
            self.market_mut().bundles.settle(hold(call, u8::try_from(leg).unwrap_or(u8::MAX)), 0);
        }
        till.calls.insert(call, calling);
        says.hear(out);
        drop(till);
        self.stir();
        (may, says)
    }

    /// What was tried has failed, and its call goes on without it.
    pub fn left(&self, call: CallId, seq: u16) -> Says {
        let mut says = Says::default();
        let mut till = self.till();
        let Some(mut calling) = till.calls.remove(&call) else { return says };
        let mut out = Vec::new();
        let asked = calling.attempts.iter_mut().enumerate().find(|(_, a)| a.asked == Some(seq));
        if let Some((n, attempt)) = asked
            && let State::Trying { rang_after, .. } = attempt.state
        {
            self.leave(&mut till, call, n, attempt, 0, Amount::ZERO, at(&wall::now()), &mut out);
            attempt.state = State::Failed { rang_after };
        }
        till.calls.insert(call, calling);
        says.hear(out);
        drop(till);
        self.stir();
        says
    }

    /// An event passes.
    pub fn heard(&self, event: &Event) -> Says {
        let mut says = Says::default();
        let (call, target, answered) = match event {
            Event::CallRinging { call, target, .. } => (*call, target, false),
            Event::CallAnswered { call, target, .. } => (*call, target, true),
            _ => return says,
        };
        let mut till = self.till();
        let Some(mut calling) = till.calls.remove(&call) else { return says };
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
                        let key = Key { call: call.0, leg };
                        till.brake.answered(Instant::now(), now, key, &mut out);
                    }
                }
                // Somebody else was faster: that says nothing about this one.
                (true, false) => self.leave(&mut till, call, n, attempt, 0, Amount::ZERO, now, &mut out),
            }
        }
        till.calls.insert(call, calling);
        says.hear(out);
        drop(till);
        self.stir();
        says
    }

    /// A call's record is closed: what it cost takes the place of what was set aside.
    pub fn ended(&self, cdr: &Cdr) -> Says {
        let mut says = Says::default();
        let Some(cause) = cdr.cause else { return says };
        let mut till = self.till();
        let Some(mut calling) = till.calls.remove(&cdr.call) else { return says };
        let (now, mut out) = (at(&wall::now()), Vec::new());
        for (n, attempt) in calling.attempts.iter_mut().enumerate() {
            match attempt.state {
                State::Talking { since, rang_after } => {
                    let seconds =
                        u32::try_from(since.elapsed().as_secs()).unwrap_or(u32::MAX).saturating_add(1);
                    // A record that was closed in the stead of a call that fell knows no cost.
                    let cost = cdr.cost.as_ref().map(|c| Amount::micros(c.micros));
                    let cost = cost.or_else(|| Some(attempt.price?.cost(seconds))).unwrap_or(Amount::ZERO);
                    let heard = cdr.b.as_ref().and_then(heard);
                    self.learn(&mut till, attempt, Outcome::Reached, rang_after, heard, now);
                    self.leave(&mut till, cdr.call, n, attempt, seconds, cost, now, &mut out);
                }
                State::Trying { rang_after, .. } | State::Failed { rang_after } => {
                    if let Some(outcome) = outcome(cause, rang_after.is_some()) {
                        self.learn(&mut till, attempt, outcome, rang_after, None, now);
                    }
                    self.leave(&mut till, cdr.call, n, attempt, 0, Amount::ZERO, now, &mut out);
                }
                State::Waiting | State::Over => {
                    self.leave(&mut till, cdr.call, n, attempt, 0, Amount::ZERO, now, &mut out);
                }
            }
        }
        says.hear(out);
        drop(till);
        self.stir();
        says
    }

    /// A call is gone, whatever became of its record.
    pub fn gone(&self, call: CallId) -> Says {
        let mut says = Says::default();
        self.drop_call(&mut self.till(), call, &mut says);
        says
    }

    /// A gateway works, or does not.
    pub fn gateway_is(&self, name: &str, up: bool, why: &str) {
        let mut till = self.till();
        let was = till.down.get(name).map(String::as_str);
        if was == (!up).then_some(why) {
            return;
        }
        match up {
            true => till.down.remove(name),
            false => till.down.insert(name.to_owned(), why.to_owned()),
        };
        self.refresh(&till, name);
    }

    /// Time has passed.
    pub fn tick(&self) -> Says {
        let mut says = Says::default();
        let mut till = self.till();
        let mut out = Vec::new();
        till.brake.count(Instant::now(), at(&wall::now()), &mut out);
        for output in &out {
            if let Output::Alarm(alarm) = output
                && alarm.percent < 100
            {
                says.warn.extend(till.concerned(alarm));
            }
        }
        says.hear(out);
        let forgiven: Vec<_> = till
            .failures
            .iter()
            .filter(|(_, (_, last))| last.elapsed() >= DOUBT)
            .map(|(g, _)| g.clone())
            .collect();
        for gateway in forgiven {
            till.failures.remove(&gateway);
            self.refresh(&till, &gateway);
        }
        drop(till);
        self.keep(false);
        says
    }

    /// Is there anything that [`Money::tick`] has to look after?
    pub fn is_busy(&self) -> bool {
        let till = self.till();
        till.stirred || till.learned || !till.failures.is_empty() || till.brake.deadline().is_some()
    }

    pub(super) fn stir(&self) {
        self.till().stirred = true;
        self.0.stirred.notify_one();
    }

    /// Gives back all that a call holds; one that talks has cost what it lasted.
    pub(super) fn drop_call(&self, till: &mut Till, call: CallId, says: &mut Says) {
        let Some(mut calling) = till.calls.remove(&call) else { return };
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
            self.leave(till, call, n, attempt, seconds, cost, now, &mut out);
        }
        till.stirred = true;
        says.hear(out);
    }

    /// An attempt is over: it lasted and cost so much.
    #[allow(clippy::too_many_arguments)]
    fn leave(
        &self,
        till: &mut Till,
        call: CallId,
        n: usize,
        attempt: &mut Paying,
        seconds: u32,
        cost: Amount,
        now: At,
        out: &mut Vec<Output>,
    ) {
        let Ok(leg) = u8::try_from(n) else { return };
        if matches!(attempt.state, State::Trying { .. } | State::Talking { .. }) {
            self.count(till, attempt, false);
        }
        if !matches!(attempt.state, State::Failed { .. } | State::Over) && attempt.price.is_some() {
            till.brake.end(now, Key { call: call.0, leg }, cost, out);
            if attempt.price.is_some_and(|p| p.free > 0) {
                self.market_mut().bundles.settle(hold(call, leg), seconds);
            }
        }
        attempt.state = State::Over;
    }

    /// One call more by the gateways of this attempt, or one less.
    fn count(&self, till: &mut Till, attempt: &Paying, more: bool) {
        for name in attempt.gateways() {
            let busy = till.busy.entry(name.clone()).or_default();
            *busy = if more { busy.saturating_add(1) } else { busy.saturating_sub(1) };
            if let Some(gateway) = self.market_mut().gateway(&name) {
                gateway.busy = *busy;
            }
        }
    }

    fn learn(
        &self,
        till: &mut Till,
        attempt: &Paying,
        outcome: Outcome,
        rang_after: Option<Duration>,
        heard: Option<Heard>,
        now: At,
    ) {
        let post_dial_delay = rang_after.map(|d| u32::try_from(d.as_millis()).unwrap_or(u32::MAX));
        let finished = Finished { outcome, post_dial_delay, heard };
        self.market_mut().quality.feed(&attempt.gateway, &attempt.number, now, finished);
        till.learned = true;
        match outcome {
            Outcome::Reached => {
                till.failures.remove(&attempt.gateway);
            }
            Outcome::Failed => {
                let failures = till.failures.entry(attempt.gateway.clone()).or_insert((0, Instant::now()));
                *failures = (failures.0.saturating_add(1), Instant::now());
            }
        }
        self.refresh(till, &attempt.gateway);
    }

    fn refresh(&self, till: &Till, name: &str) {
        let health = till.health(name);
        if let Some(gateway) = self.market_mut().gateway(name) {
            gateway.health = health;
        }
    }
}

impl Says {
    pub(super) fn hear(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::End { key, sentence, .. } => {
                    tracing::info!(call = %CallId(key.call), "{sentence}");
                    self.end.push(CallId(key.call));
                }
                Output::Alarm(alarm) => {
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
