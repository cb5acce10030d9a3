//! A call for help in a broken exchange: whatever is broken, somebody is reached, within 2 s of each failure, and the record
//! says what really happened.

use ringtrip_config::{AnswerOn, Config, Gateway, HostPort, LineKind};
use ringtrip_exchange::cdr::Cdr;
use ringtrip_model::board::{BoardEvent, PortKind};
use ringtrip_model::event::Event;
use ringtrip_model::party::Cause;
use ringtrip_routing::router::{PolicyAnswer, PolicyCall};
use ringtrip_testkit::{PhoneBehaviour, Wire, World};

/// What the next way may take after each failure.
const EACH: u64 = 2_000;
/// From the last key to the first way, and from the INVITE or the dialled number to the answer.
const REST: u64 = 3_500;

/// Two landlines, then `gw1` (`acme`), then `gw2` (`spare`). A SIP phone calls.
fn testbed(change: impl FnOnce(&mut Config)) -> World {
    let mut world = World::with(1, |config| {
        let server = HostPort { host: "spare.example".to_owned(), port: None };
        let mut gw2 = Gateway::new("gw2".parse().expect("a name"), server, "acme");
        gw2.password = Some(ringtrip_config::Password("sesame".to_owned()));
        config.gateways.push(gw2);
        change(config);
    });
    world.register(&["201"]);
    world.start_gateways();
    world.run(1_000);
    world.write();
    world
}

fn landlines(config: &mut Config, change: impl Fn(&mut ringtrip_config::Fxo)) {
    for line in &mut config.lines {
        if let LineKind::Fxo(fxo) = &mut line.kind {
            change(fxo);
        }
    }
}

struct Case {
    /// What is broken.
    name: &'static str,
    config: fn(&mut Config),
    /// How it is broken.
    broken: fn(&mut World),
    /// What fails, in order, and why.
    fails: &'static [(&'static str, Cause)],
    /// Who takes the call.
    reaches: &'static str,
}

fn as_it_is(_: &mut Config) {}

fn wires(world: &mut World, one: Wire, two: Wire) {
    world.wire("fxo1", one);
    world.wire("fxo2", two);
}

fn refuses(_: &PolicyCall) -> Result<PolicyAnswer, String> {
    Err("the script is broken".to_owned())
}

const CASES: &[Case] = &[
    Case {
        name: "nothing",
        config: as_it_is,
        broken: |world| wires(world, Wire::Good, Wire::Good),
        fails: &[],
        reaches: "fxo1",
    },
    Case {
        name: "a port that cannot measure after all",
        config: as_it_is,
        broken: |world| wires(world, Wire::Unmeasured, Wire::Good),
        fails: &[],
        reaches: "fxo1",
    },
    Case {
        name: "no loop current on one pair",
        config: as_it_is,
        broken: |world| wires(world, Wire::NoLoop, Wire::Good),
        fails: &[("fxo1", Cause::NoLoop)],
        reaches: "fxo2",
    },
    Case {
        name: "no loop current on both pairs",
        config: as_it_is,
        broken: |world| wires(world, Wire::NoLoop, Wire::NoLoop),
        fails: &[("fxo1", Cause::NoLoop), ("fxo2", Cause::NoLoop)],
        reaches: "gw1",
    },
    Case {
        name: "no dial tone",
        config: as_it_is,
        broken: |world| wires(world, Wire::NoDialTone, Wire::NoDialTone),
        fails: &[("fxo1", Cause::NoDialTone), ("fxo2", Cause::NoDialTone)],
        reaches: "gw1",
    },
    Case {
        name: "a line that is answered when seized, and gives no dial tone",
        config: |config| landlines(config, |fxo| fxo.answer_on = AnswerOn::Seize),
        broken: |world| wires(world, Wire::NoDialTone, Wire::NoLoop),
        fails: &[("fxo1", Cause::NoDialTone), ("fxo2", Cause::NoLoop)],
        reaches: "gw1",
    },
    Case {
        name: "no dial tone where nobody listens for it: dialled as configured",
        config: |config| landlines(config, |fxo| fxo.wait_for_dial_tone = None),
        broken: |world| wires(world, Wire::NoDialTone, Wire::Good),
        fails: &[],
        reaches: "fxo1",
    },
    Case {
        name: "boards that refuse to seize",
        config: as_it_is,
        broken: |world| wires(world, Wire::Refuses, Wire::Refuses),
        fails: &[("fxo1", Cause::BoardRefused), ("fxo2", Cause::BoardRefused)],
        reaches: "gw1",
    },
    Case {
        name: "boards that say and do nothing",
        config: as_it_is,
        broken: |world| wires(world, Wire::Silent, Wire::Silent),
        fails: &[("fxo1", Cause::NoLoop), ("fxo2", Cause::NoLoop)],
        reaches: "gw1",
    },
    Case {
        name: "ports that are telephones",
        config: as_it_is,
        broken: |world| {
            world.board("fxo1", BoardEvent::Ready(PortKind::Fxs));
            world.board("fxo2", BoardEvent::Ready(PortKind::Fxs));
        },
        fails: &[("fxo1", Cause::WrongPort), ("fxo2", Cause::WrongPort)],
        reaches: "gw1",
    },
    Case {
        name: "ports that are not there",
        config: as_it_is,
        broken: |world| {
            world.board("fxo1", BoardEvent::Missing);
            world.board("fxo2", BoardEvent::Missing);
        },
        fails: &[("fxo1", Cause::WrongPort), ("fxo2", Cause::WrongPort)],
        reaches: "gw1",
    },
    Case {
        name: "one board away, the other port a telephone",
        config: as_it_is,
        broken: |world| {
            world.board("fxo1", BoardEvent::Lost);
            world.board("fxo2", BoardEvent::Ready(PortKind::Fxs));
        },
        fails: &[("fxo1", Cause::BoardLost), ("fxo2", Cause::WrongPort)],
        reaches: "gw1",
    },
    Case {
        name: "one pair without battery",
        config: as_it_is,
        broken: |world| {
            wires(world, Wire::Good, Wire::Good);
            world.board("fxo1", BoardEvent::BatteryLost);
        },
        fails: &[],
        reaches: "fxo2",
    },
    Case {
        name: "pairs without battery, and a provider that is silent",
        config: as_it_is,
        broken: |world| {
            world.board("fxo1", BoardEvent::BatteryLost);
            world.board("fxo2", BoardEvent::BatteryLost);
            world.phone("acme").behaviour(PhoneBehaviour::Dead);
        },
        fails: &[("fxo1", Cause::Congestion), ("fxo2", Cause::Congestion), ("gw1", Cause::Failure)],
        reaches: "gw2",
    },
    Case {
        name: "dead pairs, and a provider that refuses",
        config: as_it_is,
        broken: |world| {
            wires(world, Wire::NoLoop, Wire::Refuses);
            world.phone("acme").behaviour(PhoneBehaviour::Refuse(503));
        },
        fails: &[("fxo1", Cause::NoLoop), ("fxo2", Cause::BoardRefused), ("gw1", Cause::Congestion)],
        reaches: "gw2",
    },
    Case {
        name: "dead pairs, and a provider that is busy",
        config: as_it_is,
        broken: |world| {
            wires(world, Wire::NoLoop, Wire::NoLoop);
            world.phone("acme").behaviour(PhoneBehaviour::Busy);
        },
        fails: &[("fxo1", Cause::NoLoop), ("fxo2", Cause::NoLoop), ("gw1", Cause::Busy)],
        reaches: "gw2",
    },
    Case {
        name: "no landline at all, and a provider that bars",
        config: |config| config.lines.retain(|line| line.fxo().is_none()),
        broken: |world| {
            world.phone("acme").behaviour(PhoneBehaviour::Refuse(403));
        },
        fails: &[("gw1", Cause::Barred)],
        reaches: "gw2",
    },
    Case {
        name: "providers first, and both refuse; the first landline is dead",
        config: |config| config.emergency.landline_first = false,
        broken: |world| {
            world.phone("acme").behaviour(PhoneBehaviour::Refuse(500));
            world.phone("spare").behaviour(PhoneBehaviour::Refuse(403));
            wires(world, Wire::NoLoop, Wire::Good);
        },
        fails: &[("gw1", Cause::Failure), ("gw2", Cause::Barred), ("fxo1", Cause::NoLoop)],
        reaches: "fxo2",
    },
    Case {
        name: "the router is dead, and a pair",
        config: as_it_is,
        broken: |world| {
            world.kill_route();
            wires(world, Wire::NoLoop, Wire::Good);
        },
        fails: &[("fxo1", Cause::NoLoop)],
        reaches: "fxo2",
    },
    Case {
        name: "a script that fails, and a pair",
        config: |config| config.script = Some("broken.rhai".to_owned()),
        broken: |world| {
            world.script(refuses);
            wires(world, Wire::NoLoop, Wire::Good);
        },
        fails: &[("fxo1", Cause::NoLoop)],
        reaches: "fxo2",
    },
    Case {
        name: "gateways that were taken away, and a pair",
        config: |config| config.emergency.landline_first = false,
        broken: |world| {
            world.stop_gateways();
            wires(world, Wire::NoLoop, Wire::Good);
        },
        fails: &[("gw1", Cause::SystemFailure), ("gw2", Cause::SystemFailure), ("fxo1", Cause::NoLoop)],
        reaches: "fxo2",
    },
    Case {
        name: "no dial tone anywhere and no provider: dialled blindly",
        config: |config| config.gateways.clear(),
        broken: |world| wires(world, Wire::NoDialTone, Wire::NoLoop),
        fails: &[("fxo1", Cause::NoDialTone), ("fxo2", Cause::NoLoop)],
        reaches: "fxo1",
    },
];

fn record(world: &World) -> &Cdr {
    world.cdrs.values().last().expect("a record")
}

#[test]
fn whatever_is_broken_somebody_is_reached() {
    for case in CASES {
        let mut world = testbed(case.config);
        (case.broken)(&mut world);
        world.phone("201").dial("999");
        // Blind dialling waits for dial tone as long as configured.
        let silent = u64::from(case.name.contains("silent"));
        let blindly = if case.name.contains("blindly") { 5_000 } else { 0 };
        let route = if case.name.contains("router") { EACH } else { 0 };
        let most = case.fails.len() as u64 * EACH + REST + blindly + route;
        let mut taken = 0;
        while taken < most && !world.phone("201").is_up() {
            world.run(50);
            taken += 50;
        }
        let name = case.name;
        println!("{name}: {} after {taken} ms of {most}", case.reaches);
        assert!(world.phone("201").is_up(), "{name}: not reached in {most} ms\n{}", world.ladder());
        world.phone("201").hang_up();
        world.run(1_000);
        // Gateways ask dead providers again and again.
        world.stop_gateways();
        world.run(80_000);
        let cdr = record(&world);
        let failed: Vec<(&str, Cause)> = cdr.attempts.iter().map(|a| (a.target.as_str(), a.cause)).collect();
        assert_eq!(failed, case.fails, "{name}\n{}", world.ladder());
        let mut since = cdr.attempts.first().map_or(0, |a| a.after);
        for attempt in &cdr.attempts {
            assert!(attempt.after <= since + EACH * 1_000, "{name}: nothing was tried before {attempt:?}");
            // A silent one is not given up before another answers; the next was begun beside it.
            if silent == 0 || attempt.cause != Cause::Failure {
                assert!(attempt.ended - attempt.after <= EACH * 1_000, "{name}: {attempt:?}");
                since = attempt.ended;
            }
        }
        assert_eq!((cdr.target.as_str(), cdr.emergency), (case.reaches, true), "{name}");
        assert_eq!((cdr.cause, cdr.answered_after.is_some()), (Some(Cause::Normal), true), "{name}");
        assert_eq!(world.left_over(), Vec::<String>::new(), "{name}\n{}", world.ladder());
    }
}

#[test]
fn where_everything_is_broken_the_record_does_not_say_normal() {
    let mut world = testbed(|_| ());
    wires(&mut world, Wire::NoLoop, Wire::Refuses);
    world.phone("acme").behaviour(PhoneBehaviour::Refuse(503));
    world.phone("spare").behaviour(PhoneBehaviour::Refuse(500));
    world.phone("201").dial("999");
    world.run(10_000);
    assert!(!world.phone("201").is_up());
    let cdr = record(&world);
    assert_eq!(cdr.attempts.len(), 4, "{cdr:?}");
    assert_eq!((cdr.cause, cdr.answered_after), (Some(Cause::Failure), None), "{cdr:?}");
    assert!(cdr.ended_after.is_some_and(|us| us < 8_000_000), "{cdr:?}");
    // Those who watch know which pairs are to be looked at.
    let alarms = world.events.iter().filter(|e| matches!(e, Event::Alarm { what: "line", .. })).count();
    assert_eq!(alarms, 2);
}

#[test]
fn a_way_that_breaks_after_the_answer_is_followed_by_the_next() {
    let mut world = testbed(|_| ());
    wires(&mut world, Wire::Good, Wire::NoLoop);
    world.phone("201").dial("999");
    world.run(5_000);
    assert!(world.phone("201").is_up() && world.ladder().contains("call.answered target=fxo1"));
    world.board("fxo1", BoardEvent::Lost);
    // 1.2 s of the dead pair, 2 s until the provider answers.
    world.run(4_000);
    assert!(world.phone("201").is_up() && world.phone("acme").is_up(), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(80_000);
    let cdr = record(&world);
    let failed: Vec<(&str, Cause)> = cdr.attempts.iter().map(|a| (a.target.as_str(), a.cause)).collect();
    assert_eq!(failed, [("fxo1", Cause::BoardLost), ("fxo2", Cause::NoLoop)], "{}", world.ladder());
    assert_eq!(cdr.target, "gw1");
    assert_eq!(record(&world).cause, Some(Cause::Normal));
    assert_eq!(world.left_over(), Vec::<String>::new(), "{}", world.ladder());
}

#[test]
fn a_far_end_that_hangs_up_is_not_called_again() {
    let mut world = testbed(|_| ());
    wires(&mut world, Wire::Good, Wire::Good);
    world.phone("201").dial("999");
    world.run(5_000);
    assert!(world.phone("201").is_up());
    world.board("fxo1", BoardEvent::Cpc);
    world.run(10_000);
    assert!(!world.phone("201").is_up() && !world.phone("acme").is_up());
    assert_eq!((record(&world).cause, record(&world).attempts.len()), (Some(Cause::Cpc), 0));
}

#[test]
fn a_telephone_on_a_jack_reaches_help_over_a_dead_pair() {
    let mut world = testbed(|_| ());
    wires(&mut world, Wire::NoLoop, Wire::NoDialTone);
    world.board("fxs1", BoardEvent::OffHook);
    world.keys("fxs1", "999");
    world.run(2 * EACH + REST);
    assert!(world.phone("acme").is_up(), "{}", world.ladder());
    world.board("fxs1", BoardEvent::OnHook);
    world.run(80_000);
    let cdr = record(&world);
    assert_eq!((cdr.target.as_str(), cdr.attempts.len()), ("gw1", 2), "{cdr:?}");
    assert_eq!(world.left_over(), Vec::<String>::new(), "{}", world.ladder());
}

#[test]
fn a_usual_call_meets_a_dead_pair_once() {
    let mut world = testbed(|_| ());
    wires(&mut world, Wire::NoLoop, Wire::Good);
    world.phone("201").dial("901480123456");
    world.run(3_000);
    assert!(!world.phone("201").is_up());
    let cdr = record(&world);
    assert_eq!((cdr.cause, cdr.answered_after), (Some(Cause::NoLoop), None), "{cdr:?}");
    // The next one goes by the other pair: this one is in doubt for a while.
    world.phone("201").dial("901480123456");
    world.run(8_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(1_000);
    assert_eq!(record(&world).target, "fxo2");
}
