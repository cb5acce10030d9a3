//! Who guesses PINs is not asked for ever: wrong ones are counted for each caller and for each way in, and after too
//! many of them not even the right one opens anything for a while. One call has its own bound (`Question::tries`); this
//! is for those who call again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Directory;
use crate::route::{RoutePlan, RouteQuery};
use ringtrip_model::party::{Cause, Source};

/// Counts wrong PINs.
#[derive(Debug, Default)]
pub(super) struct PinGuard {
    /// By way in and shown number.
    callers: HashMap<(Source, String), Count>,
    /// By way in: the shown number can be made up.
    sources: HashMap<Source, Count>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    wrong: u32,
    /// Forgotten then.
    until: Instant,
}

/// Wrong PINs of one caller, and of all callers of a way in, after which it is closed.
const MOST_OF_A_CALLER: u32 = 6;
const MOST_OF_A_SOURCE: u32 = 30;
/// So long after the last wrong one it is open again.
const CLOSED: Duration = Duration::from_secs(15 * 60);
/// Callers kept in mind. Who makes up more than these is stopped by the count of his way in.
const MOST_CALLERS: usize = 1000;

impl PinGuard {
    /// May this caller try a PIN now?
    fn may_try(&self, now: Instant, source: &Source, number: &str) -> bool {
        let open = |count: Option<&Count>, most: u32| count.is_none_or(|c| c.wrong < most || c.until <= now);
        open(self.callers.get(&(source.clone(), number.to_owned())), MOST_OF_A_CALLER)
            && open(self.sources.get(source), MOST_OF_A_SOURCE)
    }

    /// He tried, and it was right or wrong.
    fn tried(&mut self, now: Instant, source: &Source, number: &str, right: bool) {
        let key = (source.clone(), number.to_owned());
        if right {
            self.callers.remove(&key);
            return;
        }
        if self.callers.len() >= MOST_CALLERS {
            self.callers.retain(|_, count| count.until > now);
        }
        if self.callers.len() < MOST_CALLERS || self.callers.contains_key(&key) {
            wrong(now, self.callers.entry(key).or_insert(Count { wrong: 0, until: now }));
        }
        wrong(now, self.sources.entry(source.clone()).or_insert(Count { wrong: 0, until: now }));
    }
}

/// A PIN that a caller has entered, on its way to the route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinAttempt {
    source: Source,
    number: String,
}

impl Directory {
    /// May the route look at what was entered, if anything was? `Err`: the plan that refuses the call instead.
    pub fn pin_attempt(
        &self,
        now: Instant,
        query: &RouteQuery,
    ) -> Result<Option<PinAttempt>, Box<RoutePlan>> {
        if query.entered.is_none() {
            return Ok(None);
        }
        let attempt = PinAttempt { source: query.source.clone(), number: query.caller.number.clone() };
        if self.pins.may_try(now, &attempt.source, &attempt.number) {
            return Ok(Some(attempt));
        }
        Err(Box::new(RoutePlan::refused(Cause::Barred, "too many wrong PINs came from this caller")))
    }

    /// The route has looked: it was right, or wrong.
    pub fn pin_tried(&mut self, now: Instant, attempt: &PinAttempt, right: bool) {
        self.pins.tried(now, &attempt.source, &attempt.number, right);
    }
}

fn wrong(now: Instant, count: &mut Count) {
    if count.until <= now {
        count.wrong = 0;
    }
    count.wrong = count.wrong.saturating_add(1);
    count.until = now + CLOSED;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods)] // Time begins somewhere.
    fn a_guesser_is_shut_out_and_let_in_again() {
        let (mut guard, mut now) = (PinGuard::default(), Instant::now());
        let line = Source::Line("fxo1".parse().expect("a name"));
        for _ in 0..MOST_OF_A_CALLER {
            assert!(guard.may_try(now, &line, "555"));
            guard.tried(now, &line, "555", false);
            now += Duration::from_secs(30);
        }
        assert!(!guard.may_try(now, &line, "555"), "too many");
        assert!(guard.may_try(now, &line, "556"), "somebody else may");
        now += CLOSED;
        assert!(guard.may_try(now, &line, "555"), "after a while");
        guard.tried(now, &line, "555", false);
        guard.tried(now, &line, "555", true);
        assert!(guard.may_try(now, &line, "555"));
    }

    #[test]
    #[allow(clippy::disallowed_methods)] // Time begins somewhere.
    fn made_up_numbers_do_not_help() {
        let (mut guard, now) = (PinGuard::default(), Instant::now());
        let gateway = Source::Gateway("gw1".parse().expect("a name"));
        for n in 0..MOST_OF_A_SOURCE {
            guard.tried(now, &gateway, &n.to_string(), false);
        }
        assert!(!guard.may_try(now, &gateway, "new"));
        for n in 0..5_000 {
            guard.tried(now, &gateway, &n.to_string(), false);
        }
        assert!(guard.callers.len() <= MOST_CALLERS);
    }
}
