//! What calls cost, in virtual time: the simulator hosts the machine that the daemon hosts.

use std::time::Duration;

use ringtrip_config::{Config, Gateway, HostPort, Severity};
use ringtrip_dialplan::Plan;
use ringtrip_exchange::cdr::Cdr;
use ringtrip_model::board::BoardEvent;
use ringtrip_model::event::Event;
use ringtrip_model::ids::LineId;
use ringtrip_model::party::{Cause, EndedBy};
use ringtrip_rating::limiter::{Limit, LimitScope, Per};
use ringtrip_rating::money::Money;
use ringtrip_routing::router::{
    PolicyAnswer, PolicyCall, PolicyItem, PolicyStage, PolicyTarget, PolicyVerdict,
};
use ringtrip_testkit::{PhoneBehaviour, World};

const NUMBER: &str = "902079460123";
/// A cent a second.
const DEAR: Money = Money::micros(600_000);
const CENT: i64 = 10_000;
/// A tenth of that.
const CHEAP: Money = Money::micros(60_000);

/// Long numbers go to `gw1` (`acme`); there is `gw2` (`spare`), too.
fn house(change: impl FnOnce(&mut Config)) -> World {
    let mut world = World::with(1, |config| {
        let plan = Plan::parse("([12]0xS0|999S0|<9,:>xx.<:@gw1>)").expect("a plan");
        config.plans.insert("home".to_owned(), plan.into());
        let server = HostPort { host: "spare.example".to_owned(), port: None };
        let mut gw2 = Gateway::new("gw2".parse().expect("a name"), server, "acme");
        gw2.password = Some(ringtrip_config::Password("sesame".to_owned()));
        config.gateways.push(gw2);
        change(config);
    });
    world.register(&["201", "202"]);
    world.start_gateways();
    world.run(1_000);
    world.write();
    world
}

/// So much for all calls of a day by each gateway.
fn limited(config: &mut Config, amount: Money) {
    config.rates.limiter.limits.push(Limit {
        name: "day".into(),
        extension: LimitScope::All,
        gateway: LimitScope::Each,
        class: None,
        amount,
        per: Per::Day,
        hours: None,
    });
    (config.rates.limiter.least, config.rates.limiter.lease) = (10, 5);
}

fn gw1_then_gw2(_: &PolicyCall) -> Result<PolicyAnswer, String> {
    let stage = |name: &str| {
        let targets = vec![PolicyTarget { name: name.to_owned(), number: None }];
        PolicyItem::Ring(PolicyStage { targets, timeout: None })
    };
    let verdict = PolicyVerdict::Stages(vec![stage("gw1"), stage("gw2")]);
    Ok(PolicyAnswer { verdict, ..PolicyAnswer::default() })
}

fn gw1_and_the_telephone(_: &PolicyCall) -> Result<PolicyAnswer, String> {
    let targets = ["gw1", "102"].map(|name| PolicyTarget { name: name.to_owned(), number: None });
    let stage = PolicyStage { targets: targets.to_vec(), timeout: None };
    let verdict = PolicyVerdict::Stages(vec![PolicyItem::Ring(stage)]);
    Ok(PolicyAnswer { verdict, ..PolicyAnswer::default() })
}

#[track_caller]
fn last(world: &World) -> Cdr {
    world.records().pop().expect("there was a call")
}

fn cost(cdr: &Cdr) -> Option<i64> {
    cdr.cost.as_ref().map(|cost| cost.micros)
}

/// Seconds that it talked, each begun one whole.
#[track_caller]
fn seconds(cdr: &Cdr) -> i64 {
    let answered = cdr.answered_after.expect("it was answered");
    let ended = cdr.ended_after.expect("it has ended");
    i64::try_from((ended - answered).div_ceil(1_000_000)).expect("a short call")
}

#[track_caller]
fn clean(mut world: World) {
    world.run(200_000);
    assert_eq!(world.left_over(), Vec::<String>::new(), "{}", world.ladder());
}

#[test]
fn a_call_is_charged_by_its_length() {
    for talk in [1_000, 30_500, 400_000] {
        let mut world = house(|config| limited(config, Money::units(100)));
        world.price("gw1", DEAR);
        world.phone("201").dial(NUMBER);
        world.run(1_000);
        // It rings: the first seconds are set aside.
        assert_eq!((world.spent("day", "gw1"), world.busy("gw1")), (Money(10 * CENT), 1));
        world.run(2_000 + talk);
        assert!(world.phone("201").is_up(), "{}", world.ladder());
        // What runs is paid for, and not much more.
        let talked = i64::try_from(talk / 1_000).expect("it is short");
        let paid = world.spent("day", "gw1").0 / CENT;
        assert!(paid >= talked && paid <= talked + 12, "{paid} for {talked} s");
        world.phone("201").hang_up();
        world.run(3_000);
        let cdr = last(&world);
        assert!(seconds(&cdr) >= talked, "{cdr:?}");
        assert_eq!(cost(&cdr), Some(seconds(&cdr) * CENT), "{cdr:?}");
        assert_eq!((world.spent("day", "gw1").0, world.busy("gw1")), (seconds(&cdr) * CENT, 0));
        clean(world);
    }
}

#[test]
fn what_nobody_answers_and_calls_within_the_house_cost_nothing() {
    let mut world = house(|config| limited(config, Money::units(100)));
    world.price("gw1", DEAR);
    world.phone("acme").behaviour(PhoneBehaviour::Ring);
    world.phone("201").dial(NUMBER);
    world.run(5_000);
    assert_eq!(world.spent("day", "gw1"), Money(10 * CENT));
    world.phone("201").hang_up();
    world.run(3_000);
    assert_eq!((world.spent("day", "gw1"), world.busy("gw1")), (Money::ZERO, 0));
    world.phone("201").dial("202");
    world.run(20_000);
    assert!(world.phone("202").is_up(), "{}", world.ladder());
    world.phone("202").hang_up();
    world.run(3_000);
    assert_eq!((cost(&last(&world)), world.spent("day", "gw1")), (None, Money::ZERO));
    clean(world);
}

#[test]
fn a_spending_limit_ends_the_call_when_the_money_is_used_up() {
    let mut world = house(|config| limited(config, Money(25 * CENT)));
    world.price("gw1", DEAR);
    world.phone("201").dial(NUMBER);
    world.run(25_000);
    assert!(world.phone("acme").is_up(), "{}", world.ladder());
    world.run(40_000);
    let cdr = last(&world);
    assert_eq!(
        (cdr.cause, cdr.ended_by),
        (Some(Cause::Spent), Some(EndedBy::Exchange)),
        "{}",
        world.ladder()
    );
    // 25 seconds are paid for; one of them is kept for the end.
    assert_eq!(cost(&cdr), Some(24 * CENT), "{}", world.ladder());
    assert_eq!(world.spent("day", "gw1"), Money(24 * CENT));
    // The caller was warned and heard why, and people know.
    for said in ["♪ say limit-near to", "♪ say too-expensive to"] {
        assert!(world.ladder().contains(said), "{}", world.ladder());
    }
    let alarms = world.events.iter().filter(|event| matches!(event, Event::Alarm { what: "money", .. }));
    assert_eq!(alarms.count(), 2, "{:?}", world.events);

    // What is left does not pay for another.
    world.phone("201").dial(NUMBER);
    world.run(30_000);
    let cdr = last(&world);
    assert_eq!((cdr.cause, cdr.answered_after), (Some(Cause::Spent), None), "{}", world.ladder());
    assert_eq!(world.spent("day", "gw1"), Money(24 * CENT));
    clean(world);
}

#[test]
fn failover_charges_the_gateway_that_carried_the_call() {
    let mut world = house(|config| {
        limited(config, Money::units(100));
        config.script = Some("scripts/test.rhai".into());
    });
    world.script(gw1_then_gw2);
    world.price("gw1", DEAR);
    world.price("gw2", CHEAP);
    world.phone("acme").behaviour(PhoneBehaviour::Refuse(503));
    world.phone("spare").behaviour(PhoneBehaviour::Answer(Duration::from_secs(4)));
    world.phone("201").dial(NUMBER);
    world.run(2_000);
    // The second rings, and the first holds nothing any more.
    assert_eq!((world.busy("gw1"), world.busy("gw2")), (0, 1), "{}", world.ladder());
    assert_eq!(world.spent("day", "gw1"), Money::ZERO);
    world.run(62_000);
    assert!(world.phone("spare").is_up(), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(3_000);
    let cdr = last(&world);
    assert_eq!(cdr.target, "gw2", "{cdr:?}");
    assert_eq!(cost(&cdr), Some(seconds(&cdr) * CENT / 10), "{cdr:?}");
    assert_eq!(world.spent("day", "gw2").0, seconds(&cdr) * CENT / 10);
    assert_eq!((world.spent("day", "gw1"), world.busy("gw2")), (Money::ZERO, 0));
    clean(world);
}

#[test]
fn a_telephone_line_of_the_same_name_is_not_the_gateway() {
    // A document may call a line what it calls a gateway; events and records then name both alike.
    let alike = |config: &mut Config| {
        limited(config, Money::units(100));
        config.script = Some("scripts/test.rhai".into());
        let name: LineId = "gw1".parse().expect("a name");
        let telephones = config.extensions.iter_mut().filter(|e| e.id.as_str() == "102");
        telephones.for_each(|e| e.line = Some(name.clone()));
        config.lines.iter_mut().filter(|l| l.id.as_str() == "fxs2").for_each(|l| l.id = name.clone());
        let faults = config.check();
        let errors: Vec<_> = faults.iter().filter(|p| p.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{errors:?}");
    };
    for telephone_answers in [true, false] {
        let mut world = house(alike);
        world.script(gw1_and_the_telephone);
        world.price("gw1", DEAR);
        world.phone("acme").behaviour(match telephone_answers {
            true => PhoneBehaviour::Ring,
            false => PhoneBehaviour::Answer(Duration::from_secs(5)),
        });
        world.phone("201").dial(NUMBER);
        world.run(4_000);
        // Both ring, and one of them would cost something.
        assert_eq!(
            (world.spent("day", "gw1"), world.busy("gw1")),
            (Money(10 * CENT), 1),
            "{}",
            world.ladder()
        );
        if telephone_answers {
            world.board("gw1", BoardEvent::OffHook);
        }
        world.run(40_000);
        assert!(world.phone("201").is_up(), "{}", world.ladder());
        assert_eq!(world.busy("gw1"), u32::from(!telephone_answers), "{}", world.ladder());
        world.phone("201").hang_up();
        world.run(3_000);
        if telephone_answers {
            world.board("gw1", BoardEvent::OnHook);
        }
        let cdr = last(&world);
        assert_eq!(cdr.target, "gw1", "{cdr:?}");
        let paid = (!telephone_answers).then(|| seconds(&cdr) * CENT);
        assert_eq!(cost(&cdr), paid, "{cdr:?}");
        assert_eq!((world.spent("day", "gw1").0, world.busy("gw1")), (paid.unwrap_or(0), 0));
        clean(world);
    }
}

#[test]
fn a_call_for_help_is_neither_rated_nor_ended() {
    let mut world = house(|config| {
        limited(config, Money::ZERO);
        config.lines.retain(|line| line.fxo().is_none());
    });
    world.price("gw1", DEAR);
    world.price("gw2", DEAR);
    // Nobody else may call.
    world.phone("202").dial(NUMBER);
    world.run(30_000);
    assert_eq!(last(&world).cause, Some(Cause::Spent), "{}", world.ladder());
    world.handed_over.clear();
    world.phone("201").dial("999");
    world.run(300_000);
    assert!(world.phone("201").is_up() && world.phone("acme").is_up(), "{}", world.ladder());
    let rated: Vec<&String> = world.handed_over.iter().filter(|what| *what == "rating").collect();
    assert_eq!((rated, world.busy("gw1")), (vec![], 0));
    world.phone("201").hang_up();
    world.run(3_000);
    let cdr = last(&world);
    assert!(cdr.emergency && cdr.quote.is_none() && cdr.cost.is_none(), "{cdr:?}");
    assert_eq!(cdr.cause, Some(Cause::Normal), "{cdr:?}");
    assert_eq!(world.spent("day", ""), Money::ZERO);
    clean(world);
}
