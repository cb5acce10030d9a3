//! Golden ladders: whole calls, written down. A ladder that changes is looked at by a person; `UPDATE_EXPECT=1` takes
//! the new one.

use std::time::Duration;

use ringtrip_config::{Config, HostPort, Inbound, LineKind, RingThrough};
use ringtrip_dialplan::Plan;
use ringtrip_exchange::route::Target;
use ringtrip_model::board::BoardEvent;
use ringtrip_model::party::{Cause, EndedBy};
use ringtrip_routing::router::{
    PolicyAnswer, PolicyCall, PolicyItem, PolicyStage, PolicyTarget, PolicyVerdict,
};
use ringtrip_testkit::{PhoneBehaviour, World, expect};

/// Runs out every timer of SIP and looks that nothing is left.
#[track_caller]
fn clean(mut world: World) -> World {
    world.run(80_000);
    assert_eq!(world.left_over(), Vec::<String>::new(), "{}", world.ladder());
    world
}

/// Why the only call ended, and who ended it.
fn verdict(world: &World) -> (Option<Cause>, Option<EndedBy>) {
    let last = world.cdrs.values().last().expect("a record");
    (last.cause, last.ended_by)
}

fn phones(names: &[&str]) -> World {
    let mut world = World::demo(1);
    world.register(names);
    world.write();
    world
}

#[test]
fn extension_to_extension() {
    let mut world = phones(&["201", "202"]);
    world.phone("201").dial("202");
    world.run(5_000);
    assert!(world.phone("201").is_up() && world.phone("202").is_up(), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(2_000);
    expect("extension-to-extension", world.ladder());
    assert_eq!(verdict(&world), (Some(Cause::Normal), Some(EndedBy::Caller)));
    clean(world);
}

#[test]
fn busy() {
    let mut world = phones(&["201", "202"]);
    world.phone("202").behaviour(PhoneBehaviour::Busy);
    world.phone("201").dial("202");
    world.run(2_000);
    expect("busy", world.ladder());
    assert_eq!(verdict(&world), (Some(Cause::Busy), Some(EndedBy::Exchange)));
    let record = world.cdrs.values().last().expect("a record");
    assert_eq!((record.target.as_str(), record.sent.as_str()), ("202", "202"), "who was tried last");
    clean(world);
}

#[test]
fn declined() {
    let mut world = phones(&["201", "202"]);
    world.phone("202").behaviour(PhoneBehaviour::Decline);
    world.phone("201").dial("202");
    world.run(2_000);
    assert_eq!(verdict(&world), (Some(Cause::Declined), Some(EndedBy::Exchange)));
    assert_eq!(world.phone("201").diary.last().map(String::as_str), Some("refused 603"));
    clean(world);
}

#[test]
fn no_answer() {
    let mut world = phones(&["201", "202"]);
    world.phone("202").behaviour(PhoneBehaviour::Ring);
    world.phone("201").dial("202");
    world.run(70_000);
    expect("no-answer", world.ladder());
    assert_eq!(verdict(&world), (Some(Cause::NoAnswer), Some(EndedBy::Exchange)));
    clean(world);
}

#[test]
fn nobody_registered() {
    let mut world = phones(&["201"]);
    world.phone("201").dial("202");
    world.run(2_000);
    assert_eq!(verdict(&world), (Some(Cause::Unregistered), Some(EndedBy::Exchange)));
    assert_eq!(world.phone("201").diary.last().map(String::as_str), Some("refused 480"));
    clean(world);
}

#[test]
fn cancel() {
    let mut world = phones(&["201", "202"]);
    world.phone("202").behaviour(PhoneBehaviour::Ring);
    world.phone("201").dial("202");
    world.run(3_000);
    world.phone("201").hang_up();
    world.run(2_000);
    expect("cancel", world.ladder());
    assert_eq!(verdict(&world), (Some(Cause::Cancelled), Some(EndedBy::Caller)));
    clean(world);
}

#[test]
fn hold_and_resume() {
    let mut world = phones(&["201", "202"]);
    world.phone("201").dial("202");
    world.run(4_000);
    world.phone("201").hold(true);
    world.run(1_000);
    world.phone("201").hold(false);
    world.run(1_000);
    world.phone("202").hang_up();
    world.run(1_000);
    expect("hold-and-resume", world.ladder());
    let diary = world.phone("202").diary.join(", ");
    assert!(diary.contains("hears SendOnly, hears SendRecv"), "{diary}");
    clean(world);
}

#[test]
fn both_change_at_once() {
    let mut world = phones(&["201", "202"]);
    world.phone("201").dial("202");
    world.run(4_000);
    world.phone("201").hold(true);
    world.phone("202").hold(true);
    world.run(6_000);
    world.phone("201").hang_up();
    world.run(1_000);
    expect("both-change-at-once", world.ladder());
    clean(world);
}

#[test]
fn keys_by_info() {
    let mut world = phones(&["201", "202"]);
    world.phone("201").dial("202");
    world.run(4_000);
    world.phone("201").press('5');
    world.run(1_000);
    let sent = world.ladder().contains("keys 5 to");
    assert!(sent, "the key goes on as RFC 4733:\n{}", world.ladder());
    world.phone("201").hang_up();
    clean(world);
}

#[test]
fn telephone_to_extension() {
    let mut world = phones(&["201"]);
    world.board("fxs1", BoardEvent::OffHook);
    world.run(500);
    world.keys("fxs1", "201");
    world.run(8_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    world.board("fxs1", BoardEvent::OnHook);
    world.run(2_000);
    expect("telephone-to-extension", world.ladder());
    assert_eq!(verdict(&world), (Some(Cause::Normal), Some(EndedBy::Caller)));
    clean(world);
}

#[test]
fn extension_to_landline() {
    let mut world = phones(&["201"]);
    world.phone("201").dial("902079460123");
    world.run(10_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    world.board("fxo1", BoardEvent::Cpc);
    world.run(3_000);
    expect("extension-to-landline", world.ladder());
    assert_eq!(verdict(&world), (Some(Cause::Cpc), Some(EndedBy::Called)));
    clean(world);
}

#[test]
fn landline_to_telephone() {
    let mut world = World::demo(1);
    world.write();
    for _ in 0..3 {
        world.board("fxo1", BoardEvent::RingBegin);
        world.run(1_000);
        world.board("fxo1", BoardEvent::RingEnd);
        world.run(2_000);
    }
    world.board("fxs1", BoardEvent::RingTrip);
    world.run(3_000);
    world.board("fxs1", BoardEvent::OnHook);
    world.run(3_000);
    expect("landline-to-telephone", world.ladder());
    clean(world);
}

#[test]
fn gateway_out_with_digest() {
    let mut world = World::with(1, to_provider);
    world.register(&["201"]);
    world.write();
    world.start_gateways();
    world.run(1_000);
    assert_eq!(world.gateway("gw1").map(|g| g.status().registered), Some(Some(true)), "{}", world.ladder());
    world.phone("201").dial("902079460123");
    world.run(5_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    world.phone("acme").hang_up();
    world.run(2_000);
    expect("gateway-out-with-digest", world.ladder());
    assert_eq!(verdict(&world), (Some(Cause::Normal), Some(EndedBy::Called)));
    clean(world);
}

#[test]
fn gateway_in() {
    let mut world = World::demo(1);
    world.register(&["201"]);
    world.start_gateways();
    world.run(1_000);
    world.write();
    world.phone("acme").dial("acme");
    world.run(5_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(2_000);
    expect("gateway-in", world.ladder());
    clean(world);
}

/// A provider with two servers, `spare` before `acme`, where nothing registers and nothing asks.
fn two_servers(change: impl FnOnce(&mut Config)) -> World {
    let mut world = World::with(1, |config| {
        to_provider(config);
        config.gateways[0].server = HostPort { host: "two.example".to_owned(), port: None };
        config.gateways[0].register = false;
        config.gateways[0].options_interval = None;
        change(config);
    });
    world.register(&["201"]);
    world.start_gateways();
    world.write();
    world
}

#[test]
fn failover_to_the_second_server() {
    let mut world = two_servers(|_| {});
    world.phone("spare").behaviour(PhoneBehaviour::Dead);
    world.phone("201").dial("902079460123");
    world.run(6_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(2_000);
    // The next call begins where this one ended.
    world.phone("201").dial("902079460124");
    world.run(4_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(2_000);
    expect("failover", world.ladder());
    clean(world);
}

#[test]
fn a_server_that_is_slow_is_told_that_it_comes_too_late() {
    let mut world = two_servers(|config| config.gateways[0].password = None);
    world.phone("spare").lets_in().behaviour(PhoneBehaviour::Answer(Duration::ZERO));
    world.phone("acme").lets_in();
    // Its 180 gets a CANCEL, its 200 an ACK and a BYE, while the call goes on with the other.
    world.far("spare", Duration::from_secs(2));
    world.phone("201").dial("902079460123");
    world.run(8_000);
    assert!(world.phone("201").is_up() && world.phone("acme").is_up(), "{}", world.ladder());
    assert!(world.phone("spare").is_idle(), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(2_000);
    expect("failover-late-answer", world.ladder());
    clean(world);
}

#[test]
fn an_answer_to_a_call_that_is_over_is_ended() {
    let mut world = two_servers(|config| config.gateways[0].password = None);
    world.phone("spare").lets_in().behaviour(PhoneBehaviour::Answer(Duration::ZERO));
    world.phone("acme").lets_in().behaviour(PhoneBehaviour::Busy);
    world.far("spare", Duration::from_secs(4));
    world.phone("201").dial("902079460123");
    world.run(3_000);
    assert_eq!((world.calls(), verdict(&world).0), (0, Some(Cause::Busy)), "{}", world.ladder());
    world.run(12_000);
    assert!(world.phone("spare").is_idle(), "{}", world.ladder());
    assert_eq!(world.phone("spare").diary.last().map(String::as_str), Some("ended by the exchange"));
    clean(world);
}

#[test]
fn the_next_gateway_is_called_within_two_seconds() {
    let mut world = two_servers(|config| {
        let mut next = config.gateways[0].clone();
        next.id = "gw2".parse().expect("a name");
        next.server = HostPort { host: "provider.example".to_owned(), port: None };
        config.gateways.push(next);
        config.gateways[0].server = HostPort { host: "spare.example".to_owned(), port: None };
        config.script = Some("test.rhai".to_owned());
    });
    world.script(one_after_the_other);
    world.phone("spare").behaviour(PhoneBehaviour::Dead);
    world.phone("201").dial("902079460123");
    world.run(2_000);
    let called = world.ladder().lines().find(|line| line.contains("exchange → acme  INVITE"));
    let at = called.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    assert!(at.is_some_and(|ms| ms <= 2_000), "{}", world.ladder());
    world.run(3_000);
    assert!(world.phone("201").is_up() && world.phone("acme").is_up(), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(1_000);
    clean(world);
}

#[test]
fn one_lost_packet_is_no_failure() {
    let mut world = two_servers(|_| {});
    // The first copy is lost, the second arrives.
    world.phone("spare").behaviour(PhoneBehaviour::Dead);
    world.phone("201").dial("902079460123");
    world.run(400);
    world.phone("spare").behaviour(PhoneBehaviour::Answer(Duration::from_secs(1)));
    world.run(3_000);
    assert!(world.phone("201").is_up() && world.phone("spare").is_up(), "{}", world.ladder());
    assert!(!world.ladder().contains("→ acme"), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(1_000);
    clean(world);
}

#[test]
fn fork_of_two_phones() {
    let mut world = World::with(1, |config| {
        let ring = ["201", "202"].map(|id| Target::Extension(id.parse().expect("a name")));
        config.gateways[0].inbound = Inbound::Ring(ring.to_vec());
    });
    world.register(&["201", "202"]);
    world.start_gateways();
    world.run(1_000);
    world.phone("201").behaviour(PhoneBehaviour::Ring);
    world.write();
    world.phone("acme").dial("acme");
    world.run(6_000);
    assert!(world.phone("202").is_up() && !world.phone("201").is_up(), "{}", world.ladder());
    world.phone("acme").hang_up();
    world.run(2_000);
    expect("fork", world.ladder());
    assert_eq!(world.phone("201").diary.last().map(String::as_str), Some("cancelled"));
    clean(world);
}

#[test]
fn emergency_passes_a_barring_plan_and_script() {
    let mut world = World::with(1, |config| {
        config.script = Some("bar.rhai".to_owned());
        let plan = Plan::parse("(999!|112!|xx.)").expect("a plan");
        config.plans.insert("home".to_owned(), plan.into());
    });
    world.script(bar);
    world.register(&["201"]);
    world.write();
    world.phone("201").dial("999");
    world.run(10_000);
    assert!(world.ladder().contains("fxo1 ◂ OffHook"), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(2_000);
    expect("emergency", world.ladder());
    let cdr = world.cdrs.values().last().expect("a record");
    assert!(cdr.emergency && cdr.target == "fxo1", "{cdr:?}");
    clean(world);
}

#[test]
fn emergency_goes_to_the_provider_when_the_landlines_are_dead() {
    let mut world = World::demo(1);
    world.register(&["201"]);
    world.start_gateways();
    world.run(1_000);
    world.write();
    world.board("fxo1", BoardEvent::Lost);
    world.board("fxo2", BoardEvent::Lost);
    world.phone("201").dial("999");
    world.run(5_000);
    assert!(world.phone("201").is_up() && world.phone("acme").is_up(), "{}", world.ladder());
    world.phone("201").hang_up();
    expect("emergency-by-provider", world.ladder());
    clean(world);
}

#[test]
fn a_dead_route_stops_neither_emergency_nor_extensions() {
    let mut world = phones(&["201", "202"]);
    world.kill_route();
    world.phone("201").dial("202");
    world.run(6_000);
    assert!(world.phone("202").is_up(), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(1_000);
    world.phone("201").dial("999");
    world.run(6_000);
    assert!(world.phone("201").is_up() && world.ladder().contains("keys 999"), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(1_000);
    world.phone("201").dial("902079460123");
    world.run(6_000);
    assert_eq!(world.phone("201").diary.last().map(String::as_str), Some("refused 503"));
    clean(world);
}

#[test]
fn click_to_dial_rings_the_operator_first() {
    let mut world = phones(&["201", "202"]);
    world.originate("201", "202");
    world.run(6_000);
    assert!(world.phone("201").is_up() && world.phone("202").is_up(), "{}", world.ladder());
    world.phone("202").hang_up();
    world.run(1_000);
    expect("click-to-dial", world.ladder());
    assert_eq!(verdict(&world), (Some(Cause::Normal), Some(EndedBy::Called)));
    clean(world);
}

#[test]
fn a_panic_clears_the_legs() {
    let mut world = phones(&["201", "202"]);
    world.phone("201").dial("202");
    world.run(4_000);
    world.panic_in_calls();
    world.run(2_000);
    expect("panic", world.ladder());
    assert!(world.phone("201").is_idle() && world.phone("202").is_idle());
    assert_eq!(verdict(&world), (Some(Cause::SystemFailure), Some(EndedBy::Exchange)));
    clean(world);
}

#[test]
fn a_bad_network_is_survived() {
    let mut world = World::demo(7);
    world.register(&["201", "202"]);
    world.write();
    world.network_conditions(ringtrip_testkit::NetworkConditions {
        loss: 20,
        jitter: Duration::from_millis(40),
    });
    world.phone("201").dial("202");
    world.run(20_000);
    assert!(world.phone("201").is_up() && world.phone("202").is_up(), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(30_000);
    expect("bad-network", world.ladder());
    clean(world);
}

#[test]
fn a_basic_call_takes_few_posts() {
    let mut world = phones(&["201", "202"]);
    let before = world.delivered;
    world.phone("201").dial("202");
    world.run(4_000);
    let posts = world.delivered - before;
    assert!(posts <= 24, "{posts} posts");
    world.phone("201").hang_up();
    clean(world);
}

/// Long numbers go to the provider.
fn to_provider(config: &mut Config) {
    let plan = Plan::parse("([12]0xS0|<9,:>xx.<:@gw1>)").expect("a plan");
    config.plans.insert("home".to_owned(), plan.into());
}

fn one_after_the_other(_: &PolicyCall) -> Result<PolicyAnswer, String> {
    let stage = |name: &str| {
        let targets = vec![PolicyTarget { name: name.to_owned(), number: None }];
        PolicyItem::Ring(PolicyStage { targets, timeout: None })
    };
    let verdict = PolicyVerdict::Stages(vec![stage("gw1"), stage("gw2")]);
    Ok(PolicyAnswer { verdict, ..PolicyAnswer::default() })
}

fn bar(_: &PolicyCall) -> Result<PolicyAnswer, String> {
    let verdict = PolicyVerdict::Refuse { cause: Cause::Barred, because: "nobody calls".to_owned() };
    Ok(PolicyAnswer { verdict, ..PolicyAnswer::default() })
}

#[test]
fn a_number_that_is_cut_or_cannot_be_read_is_not_dialled() {
    for number in [format!("9{}", "1".repeat(5_000)), "90%E2%85%A7148012345".to_owned()] {
        let mut world = phones(&["201"]);
        world.phone("201").dial(&number);
        world.run(3_000);
        assert_eq!(verdict(&world).0, Some(Cause::Invalid), "{}", world.ladder());
        assert!(!world.ladder().contains("fxo1 ◂ OffHook"), "{}", world.ladder());
        clean(world);
    }
}

#[test]
fn the_landline_rings_through_and_then_answers_by_itself() {
    let mut world = World::with(1, |config| {
        for line in &mut config.lines {
            if let LineKind::Fxo(fxo) = &mut line.kind {
                fxo.ring_through = Some(RingThrough {
                    delay: Duration::from_secs(2),
                    to: Inbound::Ring(vec![Target::Extension("101".parse().expect("a name"))]),
                });
                fxo.answer_delay = Duration::from_secs(8);
                fxo.answer = Some(Inbound::Ring(vec![Target::Extension("201".parse().expect("a name"))]));
                fxo.ring_timeout = Duration::from_secs(60);
            }
        }
    });
    world.register(&["201"]);
    world.write();
    world.board("fxo1", BoardEvent::RingBegin);
    world.run(400);
    world.board("fxo1", BoardEvent::RingEnd);
    world.run(7_000);
    assert!(world.ladder().contains("fxs1 ◂ Ring") && !world.ladder().contains("fxo1 ◂ OffHook"));
    world.run(6_000);
    assert!(world.ladder().contains("fxo1 ◂ OffHook"), "{}", world.ladder());
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    world.phone("201").hang_up();
    let world = clean(world);
    let cdr = world.cdrs.values().last().expect("a record");
    assert_eq!((world.cdrs.len(), cdr.target.as_str()), (1, "201"), "one call, from the first ring on");
}
