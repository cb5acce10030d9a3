//! A canary: a draft decides for one extension or a share of calls, and is rolled back when their answer ratio, delay
//! or cost is worse than that of the others. A pure machine; time and calls are arguments. Emergency calls are never in
//! it: the caller of [`Canary::takes`] has looked for them first.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ringtrip_model::ids::{CallId, ExtId};
use ringtrip_model::party::Source;

use ringtrip_model::splitmix::SplitMix;

/// Which calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Share {
    /// All calls of one extension.
    Extension(ExtId),
    /// So many of a hundred calls, by the call's name: the same call is always on the same side.
    Percent(u8),
}

/// When a canary is rolled back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Calls of this time count.
    pub window: Duration,
    /// Fewer calls than these, on either side, say nothing.
    pub least: usize,
    /// The answer ratio may be so many points of a hundred lower.
    pub answer_points: u32,
    /// The delay until it rings may be so much longer (the middle one of all calls).
    pub delay: Duration,
    /// The price a minute may be so many percent higher.
    pub cost_percent: u32,
}

/// A call that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Was it decided by the canary?
    pub canary: bool,
    /// Was it answered? Calls that nobody could answer, because the caller gave up at once, are not reported.
    pub answered: bool,
    /// From start to the answer.
    pub delay: Option<Duration>,
    /// The price a minute, millionths of a unit.
    pub per_minute: Option<i64>,
}

/// What the calls of one side came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Side {
    /// Calls.
    pub calls: usize,
    /// Of a thousand calls, so many were answered.
    pub answered_permille: u32,
    /// The middle delay until the answer.
    pub delay: Option<Duration>,
    /// The mean price a minute, millionths of a unit.
    pub per_minute: Option<i64>,
}

/// The machine.
#[derive(Debug, Clone)]
pub struct Canary {
    share: Share,
    rule: Rule,
    samples: VecDeque<(Instant, Sample)>,
    over: Option<String>,
}

/// More calls than this are not remembered, however long the window.
const REMEMBERED: usize = 10_000;

impl Default for Rule {
    /// A day; 20 calls on each side; 15 points fewer answers; 3 s more; 20 % dearer.
    fn default() -> Rule {
        Rule {
            window: Duration::from_secs(24 * 3600),
            least: 20,
            answer_points: 15,
            delay: Duration::from_secs(3),
            cost_percent: 20,
        }
    }
}

impl Canary {
    /// A canary for these calls.
    pub fn new(share: Share, rule: Rule) -> Canary {
        Canary { share, rule, samples: VecDeque::new(), over: None }
    }

    /// Does the draft decide about this call?
    pub fn takes(&self, call: CallId, source: &Source) -> bool {
        if self.over.is_some() {
            return false;
        }
        match &self.share {
            Share::Extension(id) => matches!(source, Source::Extension(of) if of == id),
            Share::Percent(share) => SplitMix::new(call.0).number() % 100 < u64::from(*share),
        }
    }

    /// Which calls.
    pub fn share(&self) -> &Share {
        &self.share
    }

    /// When it is rolled back.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Why it was rolled back, if it was.
    pub fn over(&self) -> Option<&str> {
        self.over.as_deref()
    }

    /// A call ended. Answers why the canary is rolled back, if it is now; from then on it takes no call.
    pub fn on(&mut self, now: Instant, sample: Sample) -> Option<String> {
        if self.over.is_some() {
            return None;
        }
        self.samples.push_back((now, sample));
        self.forget(now);
        let (canary, rest) = self.sides();
        self.over = self.worse(&canary, &rest);
        self.over.clone()
    }

    /// It is rolled back for a reason that no call gave.
    pub fn roll_back(&mut self, why: &str) {
        self.over.get_or_insert_with(|| why.to_owned());
    }

    /// Both sides: the canary, and the rest.
    pub fn sides(&self) -> (Side, Side) {
        let side = |canary: bool| {
            Side::of(self.samples.iter().map(|(_, sample)| sample).filter(|s| s.canary == canary))
        };
        (side(true), side(false))
    }

    fn forget(&mut self, now: Instant) {
        let old = |at: &Instant| now.saturating_duration_since(*at) > self.rule.window;
        while self.samples.len() > REMEMBERED || self.samples.front().is_some_and(|(at, _)| old(at)) {
            self.samples.pop_front();
        }
    }

    fn worse(&self, canary: &Side, rest: &Side) -> Option<String> {
        let rule = &self.rule;
        if canary.calls < rule.least || rest.calls < rule.least {
            return None;
        }
        let lacking = rest.answered_permille.saturating_sub(canary.answered_permille);
        if lacking > rule.answer_points * 10 && !by_chance(canary, rest) {
            return Some(format!(
                "{} of its calls were answered, {} of the others",
                percent(canary.answered_permille),
                percent(rest.answered_permille)
            ));
        }
        if let (Some(own), Some(other)) = (canary.delay, rest.delay)
            && own > other + rule.delay
        {
            let (own, other) = (own.as_secs_f64(), other.as_secs_f64());
            return Some(format!("its calls wait {own:.1} s for the answer, the others {other:.1} s"));
        }
        if let (Some(own), Some(other)) = (canary.per_minute, rest.per_minute)
            && i128::from(own) * 100 > i128::from(other) * i128::from(100 + rule.cost_percent)
        {
            let (own, other) = (own as f64 / 1e6, other as f64 / 1e6);
            return Some(format!("a minute costs {own:.4}, that of the others {other:.4}"));
        }
        None
    }
}

impl Side {
    fn of<'a>(samples: impl Iterator<Item = &'a Sample>) -> Side {
        let (mut calls, mut answered) = (0_usize, 0_usize);
        let (mut delays, mut prices) = (Vec::new(), Vec::new());
        for sample in samples {
            calls += 1;
            answered += usize::from(sample.answered);
            delays.extend(sample.delay);
            prices.extend(sample.per_minute);
        }
        delays.sort_unstable();
        let mean = |prices: &[i64]| {
            let sum: i128 = prices.iter().map(|p| i128::from(*p)).sum();
            let n = i128::try_from(prices.len()).ok().filter(|n| *n > 0)?;
            i64::try_from(sum / n).ok()
        };
        Side {
            calls,
            answered_permille: u32::try_from(answered * 1000 / calls.max(1)).unwrap_or(1000),
            delay: delays.get(delays.len() / 2).copied(),
            per_minute: mean(&prices),
        }
    }
}

/// Could so large a difference of two ratios be chance, one time in twenty? (Two proportions, one-sided, z = 1.64.)
fn by_chance(a: &Side, b: &Side) -> bool {
    let (na, nb) = (a.calls as f64, b.calls as f64);
    let (pa, pb) = (f64::from(a.answered_permille) / 1000.0, f64::from(b.answered_permille) / 1000.0);
    let pooled = (pa * na + pb * nb) / (na + nb);
    let spread = (pooled * (1.0 - pooled) * (1.0 / na + 1.0 / nb)).sqrt();
    (pb - pa) < 1.64 * spread
}

fn percent(permille: u32) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many calls of each side, each as (answered, delay s, price); the reason of the first return.
    fn run(
        rule: Rule,
        calls: usize,
        every: Duration,
        of: impl Fn(bool, usize) -> (bool, u64, i64),
    ) -> Option<(usize, String)> {
        #[allow(clippy::disallowed_methods)] // A beginning of virtual time.
        let start = Instant::now();
        let mut canary = Canary::new(Share::Percent(50), rule);
        for n in 0..calls {
            for side in [true, false] {
                let (answered, delay, price) = of(side, n);
                let sample = Sample {
                    canary: side,
                    answered,
                    delay: answered.then(|| Duration::from_secs(delay)),
                    per_minute: Some(price),
                };
                let at = start + every * u32::try_from(n).unwrap();
                if let Some(why) = canary.on(at, sample) {
                    assert!(!canary.takes(CallId(1), &Source::Operator));
                    return Some((n, why));
                }
            }
        }
        None
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_canary_that_is_as_good_stays() {
        assert_eq!(run(Rule::default(), 300, MINUTE, |_, n| (n % 3 != 0, 4, 10_000)), None);
        // Better, faster, cheaper.
        let better =
            |canary: bool, n: usize| (canary || n.is_multiple_of(2), if canary { 2 } else { 5 }, 9_000);
        assert_eq!(run(Rule::default(), 300, MINUTE, better), None);
    }

    #[test]
    fn a_worse_canary_is_called_back_and_says_why() {
        let check = |what: &str, of: &dyn Fn(bool, usize) -> (bool, u64, i64)| {
            let (n, why) = run(Rule::default(), 300, MINUTE, of).expect(what);
            assert!(n >= 19, "{what}: after {n} calls already");
            assert!(why.contains(what), "{why}");
        };
        check("answered", &|canary, n| (!canary || n % 2 == 0, 4, 10_000));
        check("wait", &|canary, _| (true, if canary { 9 } else { 4 }, 10_000));
        check("minute costs", &|canary, _| (true, 4, if canary { 13_000 } else { 10_000 }));
    }

    #[test]
    fn few_calls_and_calls_long_ago_say_nothing() {
        assert_eq!(run(Rule::default(), 19, MINUTE, |canary, _| (!canary, 4, 1)), None);
        // Bad luck long ago: at no time 20 calls of either side within the hour.
        let rule = Rule { window: Duration::from_secs(3600), ..Rule::default() };
        assert_eq!(run(rule, 300, 4 * MINUTE, |canary, _| (!canary, 4, 1)), None);
    }

    #[test]
    fn a_small_difference_may_be_chance() {
        let rule = Rule { answer_points: 1, ..Rule::default() };
        // 17 of 20 against 18 of 20.
        let of = |canary: bool, n: usize| (n % 20 >= if canary { 3 } else { 2 }, 4, 1);
        assert_eq!(run(rule, 20, MINUTE, of), None);
    }

    #[test]
    fn a_share_is_kept_and_a_call_stays_on_its_side() {
        let canary = Canary::new(Share::Percent(10), Rule::default());
        let taken = (0..10_000).filter(|n| canary.takes(CallId(*n), &Source::Operator)).count();
        assert!((900..1100).contains(&taken), "{taken} of 10000");
        let of = |canary: &Canary| {
            (0..100).map(|n| canary.takes(CallId(n), &Source::Operator)).collect::<Vec<_>>()
        };
        assert_eq!(of(&canary), of(&Canary::new(Share::Percent(10), Rule::default())));
        let own = Canary::new(Share::Extension("201".parse().unwrap()), Rule::default());
        assert!(own.takes(CallId(5), &Source::Extension("201".parse().unwrap())));
        assert!(!own.takes(CallId(5), &Source::Extension("202".parse().unwrap())));
    }
}
