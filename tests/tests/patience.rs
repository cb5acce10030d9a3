//! How long a call waits for a provider that says nothing: 1.5 s where something else can be tried, and as long as it takes
//! where nothing can. In virtual time.

use std::time::Duration;

use ringtrip_config::{Config, Gateway, HostPort, Rule};
use ringtrip_dialplan::Plan;
use ringtrip_model::party::Cause;
use ringtrip_routing::router::{
    PolicyAnswer, PolicyCall, PolicyItem, PolicyStage, PolicyTarget, PolicyVerdict,
};
use ringtrip_testkit::{PhoneBehaviour, World, expect};

type Script = fn(&PolicyCall) -> Result<PolicyAnswer, String>;

const NUMBER: &str = "902079460123";
/// When a way is left that shows no sign of life and has a successor, ms after the call began.
const SOON: std::ops::RangeInclusive<u64> = 1_500..=1_600;

/// Phones 201 and 202; `gw1` is the server `acme`, `gw2` is `spare`. Nothing registers and nothing asks: only calls tell the
/// exchange how the servers are. The called party answers at once.
fn world(script: Script, change: impl FnOnce(&mut Config)) -> World {
    let mut world = World::with(1, |config| {
        let plan = Plan::parse("([12]0xS0|<9,:>xx.<:@gw1>)").expect("a plan");
        config.plans.insert("home".to_owned(), plan.into());
        config.script = Some("test.rhai".to_owned());
        let gw1 = &mut config.gateways[0];
        (gw1.register, gw1.options_interval, gw1.password) = (false, None, None);
        let server = HostPort { host: "spare.example".to_owned(), port: None };
        let gw2 = Gateway { id: "gw2".parse().expect("a name"), server, ..gw1.clone() };
        config.gateways.push(gw2);
        change(config);
    });
    world.script(script);
    for name in ["202", "acme", "spare"] {
        world.phone(name).lets_in().behaviour(PhoneBehaviour::Answer(Duration::ZERO));
    }
    world.register(&["201", "202"]);
    world.start_gateways();
    world.run(1_000);
    world.write();
    world
}

/// Runs out every timer of SIP and looks that nothing is left.
#[track_caller]
fn clean(mut world: World) {
    world.run(80_000);
    assert_eq!(world.left_over(), Vec::<String>::new(), "{}", world.ladder());
}

/// When something was first written in the ladder, ms.
fn when(world: &World, what: &str) -> Option<u64> {
    let line = world.ladder().lines().find(|line| line.contains(what))?;
    line.split_whitespace().next()?.parse().ok()
}

/// When this peer was called.
#[track_caller]
fn called(world: &World, name: &str) -> u64 {
    let at = when(world, &format!("exchange → {name}  INVITE"));
    at.unwrap_or_else(|| panic!("{name} was not called:\n{}", world.ladder()))
}

/// The cause in the last record, and when it was closed, ms.
fn end(world: &World) -> Option<(Cause, u64)> {
    let record = world.cdrs.values().last()?;
    Some((record.cause?, record.ended_after? / 1_000))
}

/// Both phones of this call talk; it ends well.
#[track_caller]
fn talks(mut world: World, name: &str) {
    assert!(world.phone("201").is_up() && world.phone(name).is_up(), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(8_000);
    assert_eq!(end(&world).map(|(cause, _)| cause), Some(Cause::Normal));
    clean(world);
}

/// Stages as a script answers them.
fn stages(stages: &[&[&str]], seconds: Option<u64>) -> Result<PolicyAnswer, String> {
    let stage = |names: &&[&str]| {
        let target = |name: &&str| PolicyTarget { name: (*name).to_owned(), number: None };
        let timeout = seconds.map(Duration::from_secs);
        PolicyItem::Ring(PolicyStage { targets: names.iter().map(target).collect(), timeout })
    };
    let verdict = PolicyVerdict::Stages(stages.iter().map(stage).collect());
    Ok(PolicyAnswer { verdict, ..PolicyAnswer::default() })
}

fn alone(_: &PolicyCall) -> Result<PolicyAnswer, String> {
    stages(&[&["gw1"]], None)
}

fn alone_for_five_seconds(_: &PolicyCall) -> Result<PolicyAnswer, String> {
    stages(&[&["gw1"]], Some(5))
}

fn one_after_the_other(_: &PolicyCall) -> Result<PolicyAnswer, String> {
    stages(&[&["gw2"], &["gw1"]], None)
}

fn together(_: &PolicyCall) -> Result<PolicyAnswer, String> {
    stages(&[&["gw1", "gw2"]], None)
}

fn together_then_a_phone(_: &PolicyCall) -> Result<PolicyAnswer, String> {
    stages(&[&["gw1", "gw2"], &["202"]], None)
}

#[test]
fn a_lone_slow_provider_is_waited_for() {
    let mut world = world(alone, |_| {});
    world.far("acme", Duration::from_secs(4));
    world.phone("201").dial(NUMBER);
    world.run(12_000);
    world.phone("201").hang_up();
    world.run(8_000);
    expect("slow-provider", world.ladder());
    assert_eq!(end(&world).map(|(cause, _)| cause), Some(Cause::Normal));
    clean(world);
}

#[test]
fn a_lone_dead_provider_is_given_up_by_timer_b_and_doubted_long_before() {
    let mut world = world(alone, |_| {});
    world.phone("acme").behaviour(PhoneBehaviour::Dead);
    world.phone("201").dial(NUMBER);
    world.run(1_400);
    let trouble = |world: &World| world.gateway("gw1").and_then(|g| g.status().last_error);
    assert_eq!(trouble(&world), None);
    world.run(200);
    assert!(trouble(&world).is_some_and(|why| why.starts_with("no answer from")), "{:?}", trouble(&world));
    world.run(30_000);
    assert_eq!(world.calls(), 1, "{}", world.ladder());
    world.run(2_000);
    let (cause, at) = end(&world).expect("an end");
    assert!(cause == Cause::Failure && (31_900..=32_200).contains(&at), "{cause:?} {at}");
    clean(world);
}

#[test]
fn a_lone_busy_provider_is_believed_at_once() {
    let mut world = world(alone, |_| {});
    world.phone("acme").behaviour(PhoneBehaviour::Busy);
    world.phone("201").dial(NUMBER);
    world.run(500);
    assert_eq!(end(&world).map(|(cause, _)| cause), Some(Cause::Busy), "{}", world.ladder());
    clean(world);
}

#[test]
fn a_stage_ends_when_its_script_says() {
    let mut world = world(alone_for_five_seconds, |_| {});
    world.phone("acme").behaviour(PhoneBehaviour::Dead);
    world.phone("201").dial(NUMBER);
    world.run(6_000);
    let (cause, at) = end(&world).expect("an end");
    assert!(cause == Cause::Failure && (5_000..=5_100).contains(&at), "{cause:?} {at}");
    // What the provider may have heard is not waited for as long as before.
    world.run(2_000);
    assert_eq!(world.calls(), 0, "{}", world.ladder());
    clean(world);
}

#[test]
fn a_caller_who_hangs_up_is_not_kept() {
    // Before the provider is doubted, and after.
    for after in [1_000, 6_000] {
        let mut world = world(alone, |_| {});
        world.far("acme", Duration::from_secs(10));
        world.phone("201").dial(NUMBER);
        world.run(after);
        world.phone("201").hang_up();
        world.run(2_000);
        assert_eq!(end(&world).map(|(cause, _)| cause), Some(Cause::Cancelled), "{}", world.ladder());
        assert_eq!(world.calls(), 0, "{}", world.ladder());
        // It answers at last, and learns that it comes too late.
        world.run(30_000);
        assert!(world.phone("acme").is_idle(), "{}", world.ladder());
        clean(world);
    }
}

#[test]
fn with_a_gateway_left_the_first_has_a_second_and_a_half_and_the_last_has_time() {
    let mut world = world(one_after_the_other, |_| {});
    world.phone("spare").behaviour(PhoneBehaviour::Dead);
    world.far("acme", Duration::from_secs(4));
    world.phone("201").dial(NUMBER);
    world.run(8_000);
    assert!(SOON.contains(&called(&world, "acme")), "{}", world.ladder());
    talks(world, "acme");
}

#[test]
fn with_a_server_left_the_first_has_a_second_and_a_half_and_the_last_has_time() {
    let mut world = world(alone, |config| {
        config.gateways[0].server = HostPort { host: "two.example".to_owned(), port: None };
    });
    world.phone("spare").behaviour(PhoneBehaviour::Dead);
    world.far("acme", Duration::from_secs(4));
    world.phone("201").dial(NUMBER);
    world.run(8_000);
    assert!(SOON.contains(&called(&world, "acme")), "{}", world.ladder());
    talks(world, "acme");
}

#[test]
fn whoever_rings_together_is_waited_for_together() {
    let mut world = world(together, |_| {});
    world.phone("spare").behaviour(PhoneBehaviour::Dead);
    world.far("acme", Duration::from_secs(4));
    world.phone("201").dial(NUMBER);
    world.run(8_000);
    talks(world, "acme");
}

#[test]
fn a_fork_with_a_stage_after_it_does_not_wait() {
    let mut world = world(together_then_a_phone, |_| {});
    world.phone("spare").behaviour(PhoneBehaviour::Dead);
    world.phone("acme").behaviour(PhoneBehaviour::Dead);
    world.phone("201").dial(NUMBER);
    world.run(4_000);
    assert!(SOON.contains(&called(&world, "202")), "{}", world.ladder());
    talks(world, "202");
}

#[test]
fn what_a_rule_forbids_to_try_is_nothing_left() {
    let mut world = world(one_after_the_other, |config| {
        config.failover.set(Cause::Failure, Rule::Stop);
    });
    world.phone("acme").behaviour(PhoneBehaviour::Dead);
    world.far("spare", Duration::from_secs(4));
    world.phone("201").dial(NUMBER);
    world.run(8_000);
    assert_eq!(when(&world, "exchange → acme  INVITE"), None, "{}", world.ladder());
    talks(world, "spare");
}
