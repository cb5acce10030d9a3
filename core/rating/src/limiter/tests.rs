use proptest::prelude::*;

use super::*;
use crate::prefix::PrefixSet;
use crate::rate::{Steps, Tariff};
use crate::time::Hours;

/// A limiter with a clock: seconds since Monday 2024-01-01 00:00 UTC.
struct Bench {
    limiter: SpendLimiter,
    start: Instant,
    second: u64,
    out: Vec<LimiterOutput>,
}

const MONDAY: i64 = 1_704_067_200;

#[allow(clippy::disallowed_methods)]
fn start() -> Instant {
    Instant::now()
}

fn key(call: u64) -> AttemptKey {
    AttemptKey { call, leg: 1 }
}

impl Bench {
    fn new(limits: Vec<Limit>) -> Bench {
        let class = |name: &str, prefixes: &[&str]| Class {
            name: name.into(),
            prefixes: PrefixSet::parse(prefixes.iter().copied()).expect("digits"),
        };
        let classes = vec![class("premium", &["449"]), class("abroad", &["33", "49"])];
        let limiter = SpendLimiter::new(LimiterSettings { limits, classes, ..LimiterSettings::default() });
        Bench { limiter, start: start(), second: 0, out: Vec::new() }
    }
    fn at(&self) -> At {
        At::utc(MONDAY + self.second as i64)
    }
    fn now(&self) -> Instant {
        self.start + Duration::from_secs(self.second)
    }
    fn ask(&mut self, call: u64, extension: &str, number: &str, price: Price) -> SpendDecision {
        let ask = SpendRequest { key: key(call), extension, gateway: "gw1", number, price };
        self.limiter.admit(self.at(), &ask, &mut self.out)
    }
    fn answer(&mut self, call: u64) {
        self.limiter.answered(self.now(), self.at(), key(call), &mut self.out);
    }
    fn end(&mut self, call: u64, cost: Money) {
        self.limiter.end(self.at(), key(call), cost, &mut self.out);
    }
    /// Lets time pass, counting at every deadline. Answers the seconds at which calls were ended.
    fn until(&mut self, second: u64) -> Vec<(u64, u64)> {
        let mut ended = Vec::new();
        while self.second < second {
            let due = self.limiter.deadline().map(|d| d.saturating_duration_since(self.start).as_secs());
            self.second = due.unwrap_or(second).clamp(self.second, second);
            let before = self.out.len();
            self.limiter.on_timeout(self.now(), self.at(), &mut self.out);
            for output in &self.out[before..] {
                if let LimiterOutput::End { key, .. } = output {
                    ended.push((key.call, self.second));
                }
            }
            if due.is_none() {
                break;
            }
        }
        self.second = second;
        ended
    }
    fn alarms(&mut self) -> Vec<u8> {
        let alarm = |o: &LimiterOutput| if let LimiterOutput::Alarm(a) = o { Some(a.percent) } else { None };
        self.out.drain(..).filter_map(|o| alarm(&o)).collect()
    }
    fn spent(&self) -> i64 {
        self.limiter.status(self.at()).iter().map(|s| s.spent.0).max().unwrap_or(0)
    }
}

/// A micro-unit a second.
fn cheap() -> Price {
    Tariff::per_minute(Money(60)).into()
}

fn daily(amount: i64) -> Limit {
    Limit::whole_box("daily", Money(amount), Per::Day)
}

#[track_caller]
fn refused(verdict: SpendDecision, part: &str) {
    match verdict {
        SpendDecision::Refuse { sentence, .. } => assert!(sentence.contains(part), "{sentence}"),
        SpendDecision::Allow { max_seconds } => panic!("may last {max_seconds} s"),
    }
}

#[test]
fn without_limits_all_calls_go() {
    let mut b = Bench::new(vec![]);
    assert_eq!(b.ask(1, "101", "44", cheap()), SpendDecision::Allow { max_seconds: FOREVER });
    b.answer(1);
    assert_eq!(b.until(100_000), []);
}

#[test]
fn a_call_ends_when_its_money_does() {
    let mut b = Bench::new(vec![daily(100)]);
    assert_eq!(b.ask(1, "101", "44", cheap()), SpendDecision::Allow { max_seconds: 100 });
    assert_eq!(b.spent(), 30);
    b.answer(1);
    assert_eq!(b.until(1_000), [(1, 99)]);
    assert_eq!(b.alarms(), [80, 100]);
    b.end(1, Money(99));
    assert_eq!(b.spent(), 99);
    refused(b.ask(2, "101", "44", cheap()), "limit daily: 0.000099 of 0.0001 EUR a day");
    b.second = 86_400;
    assert_eq!(b.ask(3, "101", "44", cheap()), SpendDecision::Allow { max_seconds: 100 });
}

#[test]
fn a_call_that_is_not_answered_costs_nothing() {
    let mut b = Bench::new(vec![daily(100)]);
    b.ask(1, "101", "44", cheap());
    assert_eq!(b.until(500), []);
    b.end(1, Money::ZERO);
    assert_eq!((b.spent(), b.alarms()), (0, vec![]));
    // Asked again for another gateway, it gives back what it had.
    b.ask(2, "101", "44", cheap());
    b.ask(2, "101", "44", cheap());
    assert_eq!(b.spent(), 30);
    b.end(9, Money(50));
    assert_eq!(b.spent(), 30);
}

#[test]
fn calls_at_the_same_time_share_one_limit() {
    let mut b = Bench::new(vec![daily(100)]);
    for call in 1..=3 {
        assert!(matches!(b.ask(call, "101", "44", cheap()), SpendDecision::Allow { .. }), "{call}");
    }
    refused(b.ask(4, "101", "44", cheap()), "0.00009 of 0.0001 EUR");
    (1..=3).for_each(|c| b.answer(c));
    let ended = b.until(1_000);
    assert_eq!(ended.len(), 3, "{ended:?}");
    assert!(ended.iter().all(|(_, s)| (29..=40).contains(s)), "{ended:?}");
    assert_eq!(b.spent(), 100);
}

#[test]
fn whole_minutes_are_set_aside_whole() {
    let minutes = Tariff { steps: Steps::MINUTE, connection: Money(10), ..Tariff::per_minute(Money(60)) };
    let mut b = Bench::new(vec![daily(200)]);
    assert_eq!(b.ask(1, "101", "44", minutes.into()), SpendDecision::Allow { max_seconds: 180 });
    b.answer(1);
    assert_eq!(b.until(1_000), [(1, 179)]);
    assert_eq!(b.spent(), 190);
}

#[test]
fn free_seconds_and_free_calls_are_not_counted() {
    let mut b = Bench::new(vec![daily(50)]);
    assert_eq!(
        b.ask(1, "101", "44", Price { free: 100, ..cheap() }),
        SpendDecision::Allow { max_seconds: 150 }
    );
    b.answer(1);
    assert_eq!(b.until(1_000), [(1, 149)]);
    assert_eq!(b.ask(2, "101", "44", Price::default()), SpendDecision::Allow { max_seconds: FOREVER });
    b.answer(2);
    assert_eq!(b.until(9_000), []);
}

#[test]
fn limits_are_for_whom_they_name() {
    let each = Limit { name: "each".into(), extension: LimitScope::Each, ..daily(40) };
    let one = Limit { name: "102".into(), extension: LimitScope::Only("102".into()), ..daily(35) };
    let premium = Limit { name: "premium".into(), class: Some("premium".into()), ..daily(0) };
    let other = Limit { name: "gw2".into(), gateway: LimitScope::Only("gw2".into()), ..daily(0) };
    let mut b = Bench::new(vec![each, one, premium, other]);
    assert_eq!(b.ask(1, "101", "44", cheap()), SpendDecision::Allow { max_seconds: 40 });
    assert_eq!(b.ask(2, "102", "44", cheap()), SpendDecision::Allow { max_seconds: 35 });
    assert_eq!(b.ask(3, "", "44", cheap()), SpendDecision::Allow { max_seconds: 40 });
    refused(b.ask(4, "101", "44", cheap()), "limit each of extension 101");
    refused(b.ask(5, "103", "44900", cheap()), "limit premium: 0.00 of 0.00 EUR");
    // 30 of 35 of extension 102 are set aside, and two calls were refused.
    assert_eq!(b.alarms(), [80, 100, 100]);
    refused(b.ask(6, "103", "44900", cheap()), "limit premium");
    assert!(b.alarms().is_empty());
}

#[test]
fn a_call_has_a_limit_of_its_own() {
    let mut b = Bench::new(vec![Limit { per: Per::Call, ..daily(60) }]);
    for call in 1..=2 {
        assert_eq!(b.ask(call, "101", "44", cheap()), SpendDecision::Allow { max_seconds: 60 });
        b.answer(call);
    }
    assert_eq!(b.until(1_000).len(), 2);
    (1..=2).for_each(|c| b.end(c, Money(59)));
    assert_eq!((b.limiter.rows(), b.limiter.status(b.at())), (vec![], vec![]));
}

#[test]
fn out_of_hours_there_is_another_budget() {
    let night = Limit { name: "night".into(), hours: Hours::parse("18:00-08:00").ok(), ..daily(0) };
    let mut b = Bench::new(vec![night]);
    refused(b.ask(1, "101", "44", cheap()), "limit night");
    b.second = 17 * 3600 + 3590;
    assert_eq!(b.ask(2, "101", "44", cheap()), SpendDecision::Allow { max_seconds: FOREVER });
    b.answer(2);
    let end = 18 * 3600;
    let ended = b.until(end + 3600);
    assert!(matches!(ended.as_slice(), [(2, s)] if (end..end + 60).contains(s)), "{ended:?}");
}

#[test]
fn an_hour_that_passes_frees_its_limit_and_keeps_the_day_s() {
    let hourly = Limit::whole_box("hourly", Money(2_000), Per::Hour);
    let mut b = Bench::new(vec![hourly, daily(5_000)]);
    b.ask(1, "101", "44", cheap());
    b.answer(1);
    assert_eq!(b.until(3 * 3600), [(1, 1_999)]);
    b.end(1, Money(2_000));
    b.ask(2, "101", "44", cheap());
    b.answer(2);
    assert_eq!(b.until(3 * 3600 + 3500).len(), 1);
    b.end(2, Money(2_000));
    b.second = 5 * 3600;
    assert_eq!(b.ask(3, "101", "44", cheap()), SpendDecision::Allow { max_seconds: 1_000 });
}

#[test]
fn what_was_spent_survives_a_restart() {
    let each = Limit { extension: LimitScope::Each, ..daily(100) };
    let mut b = Bench::new(vec![each.clone()]);
    b.ask(1, "101", "44", cheap());
    b.answer(1);
    b.until(50);
    let rows = b.limiter.rows();
    let spent = b.spent();
    assert!((50..=70).contains(&spent), "{spent}");
    let mut again = Bench::new(vec![each]);
    let gone = AccountRow { limit: "gone".into(), ..rows[0].clone() };
    again.limiter.restore(rows.into_iter().chain([gone]));
    assert_eq!((again.spent(), again.limiter.rows().len()), (spent, 1));
    assert_eq!(again.ask(1, "101", "44", cheap()), SpendDecision::Allow { max_seconds: 100 - spent as u32 });
    // Other settings keep what is spent, and hold for calls that run.
    again.answer(1);
    let settings = LimiterSettings {
        limits: vec![Limit { extension: LimitScope::Each, ..daily(0) }],
        ..again.limiter.settings().clone()
    };
    again.limiter.set(settings);
    assert_eq!(again.until(100).len(), 1);
}

#[test]
fn a_shell_that_comes_late_owes_what_was_used() {
    let mut b = Bench::new(vec![daily(100)]);
    b.ask(1, "101", "44", cheap());
    b.answer(1);
    b.second = 500;
    b.limiter.on_timeout(b.now(), b.at(), &mut b.out);
    assert!(b.out.iter().any(|o| matches!(o, LimiterOutput::End { .. })));
    assert_eq!(b.spent(), 500);
}

#[derive(Debug, Clone)]
enum Step {
    Ask { call: u64, extension: u8, price: Price },
    Answer(u64),
    End(u64),
    Pass(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let price = (1i64..200, 0i64..20, 1u32..70, 1u32..70, 0u32..40).prop_map(
        |(pm, connection, first, next, free)| Price {
            tariff: Tariff {
                connection: Money(connection),
                steps: Steps { first, next },
                ..Tariff::per_minute(Money(pm * 60))
            },
            free,
        },
    );
    prop_oneof![
        3 => (0u64..6, 0u8..3, price).prop_map(|(call, extension, price)| Step::Ask { call, extension, price }),
        3 => (0u64..6).prop_map(Step::Answer),
        2 => (0u64..6).prop_map(Step::End),
        4 => (1u64..200).prop_map(Step::Pass),
    ]
}

proptest! {
    /// Calls come, are answered, end by themselves or because the limiter says so. Whatever happens, what they truly cost
    /// stays within the limit, but for one billing step of the call that was being ended.
    #[test]
    fn no_limit_is_passed_by_more_than_a_step(steps in prop::collection::vec(any_step(), 1..80), amount in 100i64..20_000) {
        let each = Limit { name: "each".into(), extension: LimitScope::Each, ..daily(amount / 2) };
        let mut b = Bench::new(vec![daily(amount), each]);
        let mut calls: BTreeMap<u64, (u8, Price, Option<u64>)> = BTreeMap::new();
        let mut true_cost = [0i64; 3];
        let mut step_most = 0i64;
        let mut settle = |b: &mut Bench, calls: &mut BTreeMap<u64, (u8, Price, Option<u64>)>, call: u64, at: u64| {
            if let Some((extension, price, since)) = calls.remove(&call) {
                let cost = since.map_or(Money::ZERO, |s| price.cost((at - s) as u32));
                true_cost[usize::from(extension)] += cost.0;
                b.end(call, cost);
            }
        };
        for step in steps {
            match step {
                Step::Ask { call, extension, price } => {
                    let now = b.second;
                    settle(&mut b, &mut calls, call, now);
                    if matches!(b.ask(call, &extension.to_string(), "44", price), SpendDecision::Allow { .. }) {
                        let tariff = price.tariff;
                        step_most = step_most.max(tariff.per_minute.of_seconds(tariff.steps.next.max(tariff.steps.first)).0);
                        calls.insert(call, (extension, price, None));
                    }
                }
                Step::Answer(call) => {
                    if let Some((.., since @ None)) = calls.get_mut(&call) {
                        *since = Some(b.second);
                        b.answer(call);
                    }
                }
                Step::End(call) => {
                    let now = b.second;
                    settle(&mut b, &mut calls, call, now);
                }
                Step::Pass(seconds) => {
                    let until = b.second + seconds;
                    for (call, at) in b.until(until) {
                        // The shell needs a second to end it.
                        settle(&mut b, &mut calls, call, at + 1);
                    }
                }
            }
            let ended: Vec<u64> = b.out.drain(..).filter_map(|o| if let LimiterOutput::End { key, .. } = o { Some(key.call) } else { None }).collect();
            for call in ended {
                let now = b.second;
                settle(&mut b, &mut calls, call, now + 1);
            }
        }
        let all: Vec<u64> = calls.keys().copied().collect();
        for call in all {
            let now = b.second;
            settle(&mut b, &mut calls, call, now);
        }
        let whole: i64 = true_cost.iter().sum();
        prop_assert!(whole <= amount + step_most, "{whole} of {amount}, a step costs {step_most}");
        for cost in true_cost {
            prop_assert!(cost <= amount / 2 + step_most, "{cost} of {}", amount / 2);
        }
        // What the accounts say is what the calls truly cost.
        prop_assert_eq!(b.spent(), whole);
        prop_assert_eq!(b.limiter.deadline(), None);
    }
}
