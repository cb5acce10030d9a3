//! Sound in a ladder: the exchange with its media engine, telephones and phones in virtual time, from a seed. What is said at
//! one end is measured at the other.

use std::time::Duration;

use ringtrip_model::board::BoardEvent;
use ringtrip_model::party::{Cause, EndedBy};
use ringtrip_testkit::sound::{cadence, is_tone, level, level_of};
use ringtrip_testkit::{NetworkConditions, PhoneBehaviour, World, expect};

/// The last so many milliseconds of what was heard.
fn last(heard: &[i16], ms: usize) -> &[i16] {
    &heard[heard.len().saturating_sub(8 * ms)..]
}

/// A telephone calls a SIP phone: dial tone, keys as sound, ringback, voices both ways.
fn call(seed: u64, network_conditions: NetworkConditions) -> World {
    let mut world = World::with_sound(seed);
    world.register(&["201"]);
    world.network_conditions(network_conditions);
    world.phone("201").behaviour(PhoneBehaviour::Answer(Duration::from_secs(6)));
    world.write();
    world.board("fxs1", BoardEvent::OffHook);
    world.run(1_500);
    let dial_tone = world.heard("fxs1");
    assert!(is_tone(last(&dial_tone, 500), &[350.0, 440.0], -25.0), "{}", world.ladder());

    world.press("fxs1", "2");
    world.run(200);
    let quiet = world.heard("fxs1");
    assert!(level(last(&quiet, 100)) < -60.0, "dial tone ends with the first key\n{}", world.ladder());
    let dialled = world.heard("fxs1").len();
    world.press("fxs1", "01");
    world.run(6_000);
    let ringback = world.heard("fxs1");
    let rings = cadence(&ringback[dialled..], &[400.0, 450.0]);
    assert!(rings.len() >= 3, "{rings:?}\n{}", world.ladder());
    for (ms, expected) in rings.iter().zip([400, 200, 400, 2000]) {
        assert!(ms.abs_diff(expected) <= 25, "{rings:?}");
    }

    world.run(3_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    world.speak("fxs1", Some(1000.0));
    world.speak("201", Some(550.0));
    world.run(4_000);
    world
}

#[test]
fn a_telephone_hears_and_is_heard() {
    let mut world = call(1, NetworkConditions::IDEAL);
    // 0 dB one way and the telephone's loss pad of 3 dB the other: a sine of 4,000 is at −15.1 dBm0.
    for (who, theirs, own) in [("fxs1", 550.0, 1000.0), ("201", 1000.0, 550.0)] {
        let heard = world.heard(who);
        let heard = last(&heard, 2_000);
        let loud = level_of(heard, theirs);
        assert!((-19.0..-14.0).contains(&loud), "{who} hears {loud} dBm0");
        assert!(level_of(heard, own) < -55.0, "{who} hears itself at {}", level_of(heard, own));
        assert!(level(heard) < loud + 0.5, "{who} hears something else");
    }
    // Keys in the call: as events of RFC 4733, and their tones are not in the sound.
    world.speak("fxs1", None);
    world.press("fxs1", "5#");
    world.run(500);
    assert_eq!(world.events_to("201"), "5#", "{}", world.ladder());
    world.board("fxs1", BoardEvent::OnHook);
    world.run(1_000);
    let record = world.cdrs.values().last().expect("a record");
    assert_eq!((record.cause, record.ended_by), (Some(Cause::Normal), Some(EndedBy::Caller)));
    let figures = record.b.expect("the phone's end was measured");
    assert!(figures.received > 300 && figures.lost == 0, "{figures:?}");
    expect("sound", world.ladder());
    world.run(80_000);
    assert_eq!(world.left_over(), Vec::<String>::new());
}

#[test]
fn voices_cross_a_network_that_loses_packets() {
    for seed in [2, 3] {
        let network_conditions = NetworkConditions { loss: 5, jitter: Duration::from_millis(15) };
        let mut world = call(seed, network_conditions);
        let heard = world.heard("fxs1");
        let heard = last(&heard, 2_000);
        // What was lost is concealed: the voice goes on.
        let loud = level_of(heard, 550.0);
        assert!((-20.0..-14.0).contains(&loud), "seed {seed}: {loud} dBm0");
        let pieces = heard.chunks(800).filter(|piece| level_of(piece, 550.0) > -25.0).count();
        assert_eq!(pieces, 20, "seed {seed}: no hole of 100 ms");
        let heard = world.heard("201");
        assert!(level_of(last(&heard, 2_000), 1000.0) > -18.0, "seed {seed}");
        world.board("fxs1", BoardEvent::OnHook);
        world.run(5_000);
        let record = world.cdrs.values().last().expect("a record");
        let figures = record.b.expect("the phone's end was measured");
        assert!(figures.lost > 0, "seed {seed}: {figures:?}");
        world.run(80_000);
        assert_eq!(world.left_over(), Vec::<String>::new(), "seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_sound() {
    let network_conditions = NetworkConditions { loss: 5, jitter: Duration::from_millis(15) };
    let [one, again] = [(); 2].map(|()| {
        let mut world = call(9, network_conditions);
        (world.heard("fxs1"), world.heard("201"), world.ladder().to_owned())
    });
    assert_eq!(one.2, again.2);
    assert!(one == again, "sample by sample");
}
