//! Conference rooms, with sound, in virtual time: who hears whom, who comes and goes.

use ringtrip_media::sound::Codec;
use ringtrip_model::board::BoardEvent;
use ringtrip_model::party::{Cause, EndedBy};
use ringtrip_testkit::sound::level_of;
use ringtrip_testkit::{World, expect};

/// What each says, Hz.
const VOICES: [(&str, f64); 4] = [("201", 300.0), ("202", 620.0), ("203", 1100.0), ("fxs1", 1800.0)];

/// The demonstration with a room for four.
fn testbed(seed: u64) -> World {
    let mut world = World::with_sound_and(seed, |config| {
        let number = "209".parse().expect("a name");
        let room = ringtrip_config::Extension::new(number);
        config.extensions.push(ringtrip_config::Extension { conference: Some(4), ..room });
    });
    world.register(&["201", "202", "203"]);
    // One speaks wide-band sound alone, the others one law of G.711 each.
    for (phone, codec) in [("201", Codec::G722), ("202", Codec::PCMA), ("203", Codec::PCMU)] {
        world.phone(phone).codecs(&[codec]);
    }
    world.write();
    world
}

/// Three phones and a telephone in the room, and all of them talk.
fn meeting(seed: u64) -> World {
    let mut world = testbed(seed);
    for phone in ["201", "202", "203"] {
        world.phone(phone).dial("209");
        world.run(1_000);
        assert!(world.phone(phone).is_up(), "{phone}\n{}", world.ladder());
    }
    world.board("fxs1", BoardEvent::OffHook);
    world.run(500);
    world.press("fxs1", "209");
    world.run(2_000);
    for (who, hz) in VOICES {
        world.speak(who, Some(hz));
    }
    world.run(3_000);
    world
}

/// How loud somebody hears each of the voices in the last second.
fn heard(world: &mut World, who: &str) -> [f64; 4] {
    let heard = world.heard(who);
    let last = &heard[heard.len().saturating_sub(8_000)..];
    VOICES.map(|(_, hz)| level_of(last, hz))
}

/// Each of these hears all others of them, and neither itself nor anybody else.
#[track_caller]
fn hear_one_another(world: &mut World, members: &[&str]) {
    for who in members {
        let levels = heard(world, who);
        for ((other, _), loud) in VOICES.iter().zip(levels) {
            let expected = members.contains(other) && other != who;
            let ladder = world.ladder();
            // A sine of 4,000 is at -15.1 dBm0; the telephone's loss pads take 3 dB each way.
            match expected {
                true => {
                    assert!((-20.0..-13.0).contains(&loud), "{who} hears {other} at {loud} dBm0\n{ladder}")
                }
                false => assert!(loud < -45.0, "{who} hears {other} at {loud} dBm0\n{ladder}"),
            }
        }
    }
}

#[track_caller]
fn clean(mut world: World) {
    for phone in ["201", "202", "203"] {
        world.phone(phone).hang_up();
    }
    world.board("fxs1", BoardEvent::OnHook);
    world.run(110_000);
    assert_eq!(world.left_over(), Vec::<String>::new(), "{}", world.ladder());
    for cdr in world.cdrs.values() {
        assert!(cdr.cause.is_some() && cdr.parties.iter().all(|p| p.left.is_some()), "{cdr:?}");
    }
}

#[test]
fn three_phones_and_a_telephone_hear_one_another_and_not_themselves() {
    let mut world = meeting(1);
    hear_one_another(&mut world, &["201", "202", "203", "fxs1"]);
    for cdr in world.records() {
        assert_eq!((cdr.target.as_str(), cdr.cause), ("209", None));
    }
    // One goes: the others talk on.
    world.phone("202").hang_up();
    world.run(2_000);
    hear_one_another(&mut world, &["201", "203", "fxs1"]);
    // Two are left, and then one, who hears nothing.
    world.board("fxs1", BoardEvent::OnHook);
    world.run(2_000);
    hear_one_another(&mut world, &["201", "203"]);
    world.phone("203").hang_up();
    world.run(500);
    let heard = world.heard("201").len();
    world.run(2_000);
    assert_eq!(world.heard("201").len(), heard, "nothing is sent to one who is alone");
    world.phone("201").hang_up();
    world.run(2_000);
    for cdr in world.records() {
        assert_eq!((cdr.cause, cdr.ended_by), (Some(Cause::Normal), Some(EndedBy::Caller)), "{cdr:?}");
        let figures = cdr.a.expect("the party's end was measured");
        assert!(figures.received > 90 && figures.sent > 40, "{figures:?}");
    }
    expect("conference", world.ladder());
    clean(world);
}

#[test]
fn one_more_than_the_room_holds_hears_that_it_is_busy() {
    let mut world = meeting(2);
    world.board("fxs2", BoardEvent::OffHook);
    world.run(500);
    world.press("fxs2", "209");
    world.run(2_000);
    let record = world.records().into_iter().last().expect("a record");
    assert_eq!(record.cause, Some(Cause::Busy), "{}", world.ladder());
    world.board("fxs2", BoardEvent::OnHook);
    hear_one_another(&mut world, &["201", "202", "203", "fxs1"]);
    clean(world);
}

#[test]
fn who_holds_is_out_of_the_room_until_it_is_back() {
    let mut world = meeting(3);
    world.phone("203").hold(true);
    world.run(2_000);
    hear_one_another(&mut world, &["201", "202", "fxs1"]);
    let [.., of_203, _] = heard(&mut world, "201");
    assert!(of_203 < -45.0, "its music on hold is heard at {of_203} dBm0");
    world.phone("203").hold(false);
    world.run(2_000);
    hear_one_another(&mut world, &["201", "202", "203", "fxs1"]);
    clean(world);
}

#[test]
fn a_caller_is_transferred_into_the_room_and_one_is_called_from_it() {
    let mut world = testbed(4);
    world.phone("201").dial("209");
    world.run(1_000);
    // 202 calls 203, who hands it on to the room.
    world.phone("202").dial("203");
    world.run(4_000);
    assert!(world.phone("203").is_up(), "{}", world.ladder());
    world.phone("203").refer("209");
    world.run(2_000);
    assert!(world.phone("203").is_idle(), "{}", world.ladder());
    for (who, hz) in &VOICES[..2] {
        world.speak(who, Some(*hz));
    }
    world.run(2_000);
    hear_one_another(&mut world, &["201", "202"]);
    // The room calls 203.
    world.originate("209", "203");
    world.run(4_000);
    assert!(world.phone("203").is_up(), "{}", world.ladder());
    world.speak("203", Some(1100.0));
    world.run(2_000);
    hear_one_another(&mut world, &["201", "202", "203"]);
    clean(world);
}

#[test]
fn a_phone_with_g722_alone_and_one_with_g711_alone_talk_both_ways() {
    for (a, b) in [(Codec::G722, Codec::PCMA), (Codec::PCMU, Codec::G722)] {
        let mut world = testbed(5);
        world.phone("201").codecs(&[a]);
        world.phone("202").codecs(&[b]);
        world.phone("201").dial("202");
        world.run(4_000);
        assert!(world.phone("201").is_up(), "{}", world.ladder());
        world.speak("201", Some(300.0));
        world.speak("202", Some(620.0));
        world.run(3_000);
        hear_one_another(&mut world, &["201", "202"]);
        clean(world);
    }
}
