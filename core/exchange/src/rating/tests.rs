//! The rating of calls in virtual time: attempts are told apart by their numbers, whatever they are called.

use ringtrip_config::{Gateway as Provider, HostPort, Numbering, Region};
use ringtrip_rating::limiter::{Limit, LimitScope, Per};
use ringtrip_rating::rate::Tariff;

use super::*;
use crate::route::{Attempt, Extras, Provenance, RoutePlan, Stage, Verdict, WallTime};
use ringtrip_model::party::{CallerId, Digits, Source};

const NUMBER: &str = "02079460123";
/// What ten seconds cost, which are set aside for each attempt.
const LEAST: Money = Money::micros(100_000);
const ONE: CallId = CallId(1);

/// Two gateways at a cent a second, and a limit for all calls together.
struct Site {
    rating: CallRating,
    now: Instant,
    since: Instant,
    out: Vec<RatingOutput>,
}

impl Site {
    fn new(limit: Money) -> Site {
        let mut config = Config { numbering: Numbering::of(Region::Uk), ..Config::default() };
        for name in ["gw1", "gw2"] {
            let server = HostPort { host: "provider.example".to_owned(), port: None };
            config.gateways.push(Provider::new(name.parse().unwrap(), server, name));
        }
        let (extension, gateway) = (LimitScope::All, LimitScope::All);
        let (name, class, per, hours) = ("day".into(), None, Per::Day, None);
        let limits = &mut config.rates.limiter;
        limits.limits.push(Limit { name, extension, gateway, class, amount: limit, per, hours });
        (limits.least, limits.lease) = (10, 5);
        let currency = config.rates.settings.currency;
        let deck = |name: &str| {
            let tariff = Tariff::per_minute(Money::micros(600_000));
            (name.to_owned(), Arc::new(Deck::flat(name, currency, tariff)))
        };
        let mut rating = CallRating::new(Arc::new(config));
        // Virtual time begins somewhere.
        #[allow(clippy::disallowed_methods)]
        let now = Instant::now();
        drop(rating.offer(now, &["gw1", "gw2"].map(deck).into()));
        Site { rating, now, since: now, out: Vec::new() }
    }

    fn at(&self) -> At {
        let passed = self.now.saturating_duration_since(self.since);
        At::utc(i64::try_from(passed.as_secs()).unwrap())
    }

    /// A plan of these stages is carried out; what is left of it, each attempt with its number.
    fn routed(&mut self, stages: &[&[&str]]) -> Vec<(String, Option<u8>)> {
        let attempt = |name: &&str| {
            let gateway: GatewayId = name.parse().unwrap();
            let wall = WallTime::default();
            let quote = quote_of(self.rating.least_cost().view(), 60, &gateway, "442079460123", &wall);
            let attempt = Attempt::new(Target::Gateway(gateway), Digits::new(NUMBER), CallerId::default());
            Attempt { quote, ..attempt }
        };
        let stage = |names: &&[&str]| {
            let targets = names.iter().map(attempt).collect();
            Stage { targets, timeout: Duration::from_secs(20) }
        };
        let verdict = Verdict::Stages(stages.iter().map(stage).collect());
        let mut plan = RoutePlan { verdict, provenance: Provenance::default(), extras: Extras::default() };
        let (now, at, source) = (self.now, self.at(), Source::Extension("201".parse().unwrap()));
        self.rating.routed(now, at, ONE, &source, &mut plan, &mut self.out);
        match plan.verdict {
            Verdict::Stages(stages) => {
                let targets = stages.into_iter().flat_map(|stage| stage.targets);
                targets.map(|attempt| (attempt.target.word(), attempt.rated)).collect()
            }
            other => vec![(format!("{other:?}"), None)],
        }
    }

    #[track_caller]
    fn tries(&mut self, attempt: u8) {
        let (now, at) = (self.now, self.at());
        assert_eq!(self.rating.may_try(now, at, ONE, attempt, &mut self.out), Ok(()));
    }

    fn on(&mut self, input: RatingInput) {
        let (now, at) = (self.now, self.at());
        self.rating.on(now, at, input, &mut self.out);
    }

    /// Time passes; the machine is called when it wants to be.
    fn run(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(due) = self.rating.deadline().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.on(RatingInput::Timeout);
        }
        self.now = until;
    }

    fn spent(&self) -> Money {
        self.rating.limiter().status(self.at()).iter().fold(Money::ZERO, |sum, status| sum + status.spent)
    }

    /// Calls by each gateway.
    fn busy(&self) -> (u32, u32) {
        let of = |name: &str| self.rating.least_cost().view().of(name).unwrap().busy;
        (of("gw1"), of("gw2"))
    }

    fn health(&self, name: &str) -> Health {
        self.rating.least_cost().view().of(name).unwrap().health.clone()
    }
}

fn numbers(expected: &[(&str, u8)]) -> Vec<(String, Option<u8>)> {
    expected.iter().map(|(name, n)| ((*name).to_owned(), Some(*n))).collect()
}

fn answered(attempt: u8) -> RatingInput {
    RatingInput::Answered { call: ONE, attempt: Some(attempt) }
}

fn ended(cause: Cause) -> RatingInput {
    RatingInput::Ended { call: ONE, cause, cost: None, stats: None }
}

#[test]
fn of_two_numbers_by_one_gateway_the_one_that_answers_is_charged() {
    let mut site = Site::new(Money::units(10));
    assert_eq!(site.routed(&[&["gw1", "gw1"]]), numbers(&[("gw1", 0), ("gw1", 1)]));
    site.tries(0);
    site.tries(1);
    assert_eq!((site.spent(), site.busy()), (LEAST + LEAST, (2, 0)));
    site.run(4);
    site.on(RatingInput::Ringing { call: ONE, attempt: 0 });
    site.on(answered(1));
    assert_eq!((site.spent(), site.busy()), (LEAST, (1, 0)));
    site.run(29);
    site.on(ended(Cause::Normal));
    // The second that has begun counts.
    assert_eq!((site.spent(), site.busy()), (LEAST + LEAST + LEAST, (0, 0)));
    assert_eq!(site.rating.calls(), 0);
    // Only the one that has answered teaches anything: one call that was reached, of the gateway and of its numbers there.
    let learned: Vec<QualityRow> = site.rating.least_cost().quality.rows().collect();
    let gateways: Vec<&str> = learned.iter().map(|row| &*row.gateway).collect();
    assert_eq!(gateways, ["gw1", "gw1"], "{learned:?}");
    assert!(learned.iter().all(|row| row.calls == [1.0, 1.0]), "{learned:?}");
}

#[test]
fn an_attempt_that_nobody_knows_changes_nothing() {
    let mut site = Site::new(Money::units(10));
    site.routed(&[&["gw1"]]);
    site.tries(0);
    for attempt in [1, 7, u8::MAX] {
        site.tries(attempt);
        site.on(RatingInput::Ringing { call: ONE, attempt });
        site.on(RatingInput::Failed { call: ONE, attempt });
    }
    site.on(RatingInput::Answered { call: CallId(2), attempt: Some(0) });
    site.on(RatingInput::Gone { call: CallId(2) });
    assert_eq!((site.spent(), site.busy()), (LEAST, (1, 0)));
    site.on(RatingInput::Gone { call: ONE });
    site.on(ended(Cause::Normal));
    assert_eq!((site.spent(), site.busy(), site.rating.calls()), (Money::ZERO, (0, 0), 0));
}

#[test]
fn somebody_who_costs_nothing_answers_first() {
    let mut site = Site::new(Money::units(10));
    site.routed(&[&["gw1", "gw2"]]);
    site.tries(0);
    site.tries(1);
    site.on(RatingInput::Answered { call: ONE, attempt: None });
    assert_eq!((site.spent(), site.busy()), (Money::ZERO, (0, 0)));
    site.run(100);
    site.on(ended(Cause::Normal));
    assert_eq!((site.spent(), site.health("gw1")), (Money::ZERO, Health::Well));
}

#[test]
fn who_is_called_already_keeps_his_number_when_the_call_is_routed_again() {
    let mut site = Site::new(Money::units(10));
    site.routed(&[&["gw1"], &["gw2"]]);
    site.tries(0);
    site.on(RatingInput::Failed { call: ONE, attempt: 0 });
    site.tries(1);
    site.on(answered(1));
    site.run(9);
    // Handed on to another number.
    assert_eq!(site.routed(&[&["gw1"]]), numbers(&[("gw1", 2)]));
    assert_eq!(site.busy(), (0, 1));
    site.tries(2);
    site.on(answered(2));
    assert_eq!(site.busy(), (1, 1));
    site.run(10);
    site.on(ended(Cause::Normal));
    // Twenty seconds of one, eleven of the other: each second begun.
    assert_eq!((site.spent(), site.busy()), (Money::micros(310_000), (0, 0)));
}

#[test]
fn a_call_ends_when_its_money_is_used_up() {
    let mut site = Site::new(Money::micros(250_000));
    site.routed(&[&["gw1"]]);
    site.tries(0);
    site.run(5);
    site.on(answered(0));
    let end = |said: &RatingOutput| matches!(said, RatingOutput::End { call: ONE, .. });
    site.run(23);
    assert!(!site.out.iter().any(end), "{:?}", site.out);
    assert!(site.out.contains(&RatingOutput::Warn { call: ONE }), "{:?}", site.out);
    site.run(1);
    assert_eq!(site.out.iter().filter(|said| end(said)).count(), 1, "{:?}", site.out);
    site.on(ended(Cause::Spent));
    assert_eq!((site.spent(), site.busy(), site.rating.deadline()), (Money::micros(250_000), (0, 0), None));
    // What is left is not enough for another.
    site.now += Duration::from_secs(1);
    assert_eq!(site.routed(&[&["gw1"]]), vec![("Refuse(Spent)".to_owned(), None)]);
}

#[test]
fn a_gateway_is_in_doubt_for_a_while_after_it_failed_twice() {
    let mut site = Site::new(Money::units(10));
    for _ in 0..2 {
        assert_eq!(site.health("gw1"), Health::Well);
        site.routed(&[&["gw1"]]);
        site.tries(0);
        site.on(ended(Cause::Failure));
    }
    assert!(matches!(site.health("gw1"), Health::Doubtful(_)));
    let doubted = site.now;
    assert_eq!(site.rating.deadline(), Some(doubted + DOUBT));
    site.run(DOUBT.as_secs());
    assert_eq!((site.health("gw1"), site.rating.deadline()), (Health::Well, None));
    // What it says of itself counts at once.
    let gateway: GatewayId = "gw1".parse().unwrap();
    site.on(RatingInput::Gateway { gateway: gateway.clone(), down: Some("503".to_owned()) });
    assert_eq!(site.health("gw1"), Health::Down("503".into()));
    site.on(RatingInput::Gateway { gateway, down: None });
    assert_eq!(site.health("gw1"), Health::Well);
    assert_eq!(site.out, vec![]);
}
