//! Ladders of the landline.

use super::*;
use crate::route::Target;
use ringtrip_config::{AnswerOn, DialBy, Fxo};

pub(super) fn us(change: impl FnOnce(&mut Fxo)) -> Config {
    landline(Region::Us, change)
}

pub(super) fn landline(region: Region, change: impl FnOnce(&mut Fxo)) -> Config {
    let target = Target::Extension("101".parse().expect("a name"));
    let mut fxo = Fxo::of(region).ringing(vec![target]);
    change(&mut fxo);
    config(region, "(x.)", LineKind::Fxo(fxo))
}

#[test]
fn four_hang_ups() {
    let ladder = |how: &str, cause: &str| {
        format!(
            "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > rings
                < [ringing]
          12.00 > rang
                < listen caller-id
          15.00 < listen no more; new call from nothing dialled nothing
          16.00 > answer
                < loop closed; listen keys disconnect-tone silence; [off-hook]; [talking]
          20.00 > {how}
                < say ended {cause}; loop open; listen no more; [on-hook]; [idle]
            "
        )
    };
    for (how, cause, word) in [
        ("cpc", "cpc", "CPC Signal"),
        ("reversed", "reversal", "Polarity Reversal"),
        ("hang-up-tone", "tone", "PSTN Disconnect Tone"),
        ("silence", "silence", "PSTN Activity Timeout"),
        ("battery-lost", "cpc", "CPC Signal"),
    ] {
        let ladder = ladder(how, cause);
        let ladder = if how == "battery-lost" {
            ladder.replace("[on-hook]; [idle]", "[on-hook]; [no-battery]")
        } else {
            ladder
        };
        check(how, us(|_| ()), &ladder);
        let mut world = World::new(us(|_| ()));
        let mut ignored = String::new();
        for (at, cmd) in [(0, "ready"), (10, "rings"), (12, "rang"), (16, "answer"), (20, how)] {
            let at = world.start + Duration::from_secs(at);
            world.run_until(at, &mut ignored);
            let input = world.input(cmd);
            world.feed(at, input);
        }
        assert_eq!(world.line.status(world.now).last_disconnect.map(|d| d.word()), Some(word), "{how}");
    }
}

#[test]
fn calls_out() {
    check(
        "dial tone, digits, answered when dialled, the caller hangs up",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > place 5551234 from 101 sip
                < loop closed; listen dial-tone; [off-hook]; [seizing]
          11.20 > dial-tone
                < listen no more; digits 5551234 100/100; [dialling]
          12.60 > sent
                < say answered; listen keys disconnect-tone silence; [talking]
          20.00 > key 1
                < say digit 1
          25.00 > end normal
                < loop open; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "no dial tone: dialled all the same; keys by words",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > place 555,12 from 101 port
                < loop closed; listen dial-tone; [off-hook]; [seizing]
          15.00 < listen no more; digits 555,12 100/100; [dialling]
          16.00 > sent
                < say answered; listen keys disconnect-tone silence; [talking]
          20.00 > digit 1
          25.00 > hang-up-tone
                < say ended tone; loop open; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "an early dial tone does not shorten the dialling delay; the word that the digits are out gets lost",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > place 12 from 101 sip
                < loop closed; listen dial-tone; [off-hook]; [seizing]
          10.30 > dial-tone
          11.00 < listen no more; digits 12 100/100; [dialling]
          12.40 < say answered; listen keys disconnect-tone silence; [talking]
          30.00 > wait
          31.00 > digit 1
                < digits 1 100/100
          31.10 > digit 2
          31.30 > sent
                < digits 2 100/100
          40.00 > silence
                < say ended silence; loop open; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "answered by polarity, hung up by polarity",
        us(|set| set.answer_on = AnswerOn::Polarity),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > place 12 from 101 sip
                < loop closed; listen dial-tone; [off-hook]; [seizing]
          11.50 > dial-tone
                < listen no more; digits 12 100/100; [dialling]
          12.20 > sent
                < say progress; listen keys disconnect-tone; [calling]
          20.00 > reversed
                < say answered; listen keys disconnect-tone silence; [talking]
          30.00 > normal
                < say ended reversal; loop open; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "busy there, on the landline",
        us(|set| set.answer_on = AnswerOn::Polarity),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
           1.00 > lift
           2.00 > key 1
           2.10 > key 0
           2.20 > key 2
           3.00 > end busy
          60.00 > hang-up
        ",
    );
    check(
        "answered by voice, no waiting for dial tone",
        us(|set| {
            set.answer_on = AnswerOn::Voice;
            set.wait_for_dial_tone = None;
        }),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > place 12 from 101 sip
                < loop closed; [off-hook]; [seizing]
          11.00 < digits 12 100/100; [dialling]
          11.40 > sent
                < say progress; listen keys disconnect-tone voice; [calling]
          20.00 > voice
                < say answered; listen keys disconnect-tone silence; [talking]
          30.00 > end normal
                < loop open; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "answered when seized",
        us(|set| set.answer_on = AnswerOn::Seize),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > place 12 from 101 sip
                < loop closed; say answered; listen dial-tone; [off-hook]; [seizing]
          11.50 > dial-tone
                < listen no more; digits 12 100/100; [dialling]
          12.20 > sent
                < listen keys disconnect-tone silence; [talking]
          30.00 > end normal
                < loop open; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "two-stage: the office's own dial tone",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > place none from 101 sip
                < loop closed; say answered; listen keys disconnect-tone silence; [off-hook]; [talking]
          12.00 > digit 5
                < digits 5 100/100
          30.00 > end normal
                < loop open; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "by pulses, with a pause",
        us(|set| set.dial_by = DialBy::Pulse),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > place 9,102 from 101 sip
                < loop closed; listen dial-tone; [off-hook]; [seizing]
          11.50 > dial-tone
                < listen no more; pulse 9; [dialling]
          14.20 < pulse 102
          17.90 < say answered; listen keys disconnect-tone silence; [talking]
          30.00 > wait
        ",
    );
    check(
        "the caller gives up while we seize; the next waits out the guard",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > place 12 from 101 sip
                < loop closed; listen dial-tone; [off-hook]; [seizing]
          10.50 > end cancelled
                < loop open; listen no more; [on-hook]; [idle]
          10.70 > place 13 from 101 sip
                < [seizing]
          11.00 > end cancelled
                < [idle]
          11.10 > place 14 from 101 sip
                < [seizing]
          12.00 < loop closed; listen dial-tone; [off-hook]
          14.00 > dial-tone
                < listen no more; digits 14 100/100; [dialling]
          15.00 > end cancelled
                < loop open; [on-hook]; [idle]
        ",
    );
    check(
        "the longest call",
        us(|set| set.max_call = Some(Duration::from_secs(60))),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > place 12 from 101 sip
                < loop closed; listen dial-tone; [off-hook]; [seizing]
          11.50 > dial-tone
                < listen no more; digits 12 100/100; [dialling]
          12.20 > sent
                < say answered; listen keys disconnect-tone silence; [talking]
          72.20 < say ended normal; loop open; listen no more; [on-hook]; [idle]
          90.00 > wait
        ",
    );
}

#[test]
fn not_to_be_had() {
    check(
        "in use, no battery, ringing, talking",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
           1.00 > parallel lifted
                < [in-use]
           2.00 > place 12 from 101 sip refused
                < say ended congestion (leg 91)
           3.00 > parallel hung-up
                < [idle]
           4.00 > battery-lost
                < [no-battery]
           5.00 > place 12 from 101 sip refused
                < say ended congestion (leg 92)
           6.00 > place 911 from 101 sip refused emergency
                < say ended congestion (leg 93)
           7.00 > battery-ok
                < [idle]
           8.00 > rings
                < [ringing]
           9.00 > place 12 from 101 sip refused
                < say ended congestion (leg 94)
           9.50 > rang
                < listen caller-id
          13.00 < listen no more; new call from nothing dialled nothing
          14.00 > answer
                < loop closed; listen keys disconnect-tone silence; [off-hook]; [talking]
          15.00 > place 12 from 101 sip refused
                < say ended congestion (leg 95)
          16.00 > end normal
                < loop open; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "glare: it rings as we seize it",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > place 12 from 101 sip
                < loop closed; listen dial-tone; [off-hook]; [seizing]
          10.10 > rings
                < say ended congestion; loop open; listen no more; [on-hook]; [ringing]
          12.00 > rang
                < listen caller-id
          15.10 < listen no more; new call from nothing dialled nothing
          15.50 > answer
                < loop closed; listen keys disconnect-tone silence; [off-hook]; [talking]
          16.00 > end normal
                < loop open; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "glare in the guard",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
           0.50 > place 12 from 101 sip
                < [seizing]
           1.00 > rings
                < say ended congestion; [ringing]
           2.00 > rang
                < listen caller-id
           6.00 < listen no more; new call from nothing dialled nothing
           7.00 < say ended cancelled; [idle]
          20.00 > wait
        ",
    );
}

#[test]
fn emergency() {
    check(
        "takes the line from a call; silence and tones do not end it, nor does a flash or a second emergency",
        us(|set| set.max_call = Some(Duration::from_secs(20))),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > place 12 from 101 sip
                < loop closed; listen dial-tone; [off-hook]; [seizing]
          11.50 > dial-tone
                < listen no more; digits 12 100/100; [dialling]
          12.20 > sent
                < say answered; listen keys disconnect-tone silence; [talking]
          20.00 > place 911 from 102 sip emergency
                < say ended preempted (leg 91); loop open; listen no more; [on-hook]; [seizing]
          21.50 < loop closed; say ringing; listen dial-tone; [off-hook]
          23.00 > dial-tone
                < listen no more; digits 911 100/100; [dialling]
          23.60 > sent
                < say answered; listen keys; [talking]
          26.00 > far-flash
          27.00 > place 911 from 103 sip emergency refused
                < say ended congestion (leg 93)
          99.00 > end normal
                < loop open; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "takes the line from a ring",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > rings
                < [ringing]
          12.00 > rang
                < listen caller-id
          15.00 < listen no more; new call from nothing dialled nothing
          16.00 > rings
          16.20 > place 911 from 102 port emergency
                < say ended preempted (leg 0); say ringing; loop closed; [off-hook]; [seizing]
          16.70 < loop open; [on-hook]
          18.20 < loop closed; say ringing; listen dial-tone; [off-hook]
          19.40 > dial-tone
                < listen no more; digits 911 100/100; [dialling]
          20.00 > sent
                < say answered; listen keys; [talking]
          30.00 > end normal
                < loop open; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "beside another telephone, and from somebody who is dialling",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > place 12 from 101 sip
                < loop closed; listen dial-tone; [off-hook]; [seizing]
          10.50 > place 911 from 102 sip emergency
                < say ended preempted (leg 91); loop open; listen no more; [on-hook]
          11.00 > parallel lifted
          12.00 < loop closed; say ringing; listen dial-tone; [off-hook]
          13.00 > end normal
                < loop open; listen no more; [on-hook]; [in-use]
          14.00 > place 911 from 102 sip emergency
                < [seizing]
          14.50 < loop closed; say ringing; listen dial-tone; [off-hook]
          15.00 > end normal
                < loop open; listen no more; [on-hook]; [in-use]
        ",
    );
    check(
        "glare",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > place 911 from 102 sip emergency
                < loop closed; say ringing; listen dial-tone; [off-hook]; [seizing]
          10.10 > rings
                < listen no more
          10.50 > rang
          10.60 < loop open; [on-hook]
          12.10 < loop closed; say ringing; listen dial-tone; [off-hook]
          14.00 > dial-tone
                < listen no more; digits 911 100/100; [dialling]
          15.00 > sent
                < say answered; listen keys; [talking]
          16.00 > end normal
                < loop open; listen no more; [on-hook]; [idle]
        ",
    );
}

#[test]
fn the_board_goes_away() {
    check(
        "a landline in every state",
        us(|_| ()),
        "
           0.00 > place 101 from 555 refused
                < say ended board-lost (leg 91)
           1.00 > lost
           2.00 > ready
                < quiet; listen no more; loop open; [idle]
           3.00 > lost
                < [out-of-service]
           4.00 > ready
                < quiet; listen no more; loop open; [idle]
           5.00 > lift
           6.00 > lost
                < [out-of-service]
           7.00 > ready
                < quiet; listen no more; loop open; [idle]
           7.10 > lift
           8.00 > key 1
           8.10 > key 0
           8.20 > key 2
           9.00 > lost
                < [out-of-service]
          10.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.10 > lift
          11.00 > hang-up
          12.00 > place 101 from 555 sip
                < loop closed; listen dial-tone; [off-hook]; [seizing]
          13.00 > lost
                < say ended board-lost; listen no more; [on-hook]; [out-of-service]
          14.00 > end normal
          15.00 > ready
                < quiet; listen no more; loop open; [idle]
          16.00 > place 101 from 555 sip
                < [seizing]
          16.50 < loop closed; listen dial-tone; [off-hook]
          17.00 > trip
          18.00 > lost
                < say ended board-lost; listen no more; [on-hook]; [out-of-service]
          19.00 > ready
                < quiet; listen no more; loop open; [idle]
          19.10 > lift
          20.00 > key 5
          21.00 > lost
                < [out-of-service]
          22.00 > ready
                < quiet; listen no more; loop open; [idle]
          23.00 > place 101 from 555 sip
                < [seizing]
          23.50 < loop closed; listen dial-tone; [off-hook]
          24.00 > trip
          25.00 > ready
                < say ended board-lost; listen no more; quiet; listen no more; loop open; [on-hook]; [idle]
        ",
    );
}

#[test]
fn status_speaks() {
    let mut world = World::new(us(|_| ()));
    let mut ignored = String::new();
    let script =
        [(0, "ready"), (9, "place 123 from 101 port"), (11, "dial-tone"), (12, "sent"), (13, "reversed")];
    for (at, cmd) in script {
        let at = world.start + Duration::from_secs(at);
        world.run_until(at, &mut ignored);
        let input = world.input(cmd);
        world.feed(at, input);
    }
    let status = world.line.status(world.now);
    assert_eq!(
        (status.state, status.off_hook, status.polarity),
        (LineState::Talking, true, Polarity::Reverse)
    );
    assert_eq!(status.call_type.map(|t| t.word()), Some("Line 1 To PSTN Gateway"));
    assert_eq!(status.gateway_state.map(|s| s.word()), Some("Connected"));
    assert_eq!(status.last_number.as_deref(), Some("123"));
    let end = world.input("end normal");
    world.feed(world.now, end);
    let status = world.line.status(world.now);
    assert_eq!((status.state, status.call_type), (LineState::Idle, None));
    assert_eq!(status.gateway_state.map(|s| s.word()), Some("Idle"));
    assert_eq!(status.last_disconnect.map(|d| d.word()), Some("VoIP Call Ended"));
}

#[test]
fn new_settings_hold_from_the_next_call_on() {
    let mut world = World::new(us(|_| ()));
    let mut ignored = String::new();
    let start = world.start;
    let mut at = |world: &mut World, seconds: u64, cmd: &str| {
        let at = start + Duration::from_secs(seconds);
        world.run_until(at, &mut ignored);
        let input = world.input(cmd);
        world.feed(at, input).join("; ")
    };
    at(&mut world, 0, "ready");
    let slow = us(|set| set.ring_timeout = Duration::from_secs(60));
    assert!(world.line.configure(&LineSetup::new(slow.clone().into())));
    at(&mut world, 10, "rings");
    at(&mut world, 12, "rang");
    assert_eq!(
        at(&mut world, 70, "answer"),
        "loop closed; listen keys disconnect-tone silence; [off-hook]; [talking]"
    );

    let mut moved = slow.clone();
    moved.lines[0].port.port = 7;
    let mut gone = slow.clone();
    gone.lines.clear();
    let mut other = slow;
    other.lines[0].kind = LineKind::Fxs(ringtrip_config::Fxs::of(Region::Us));
    for not_this_line in [moved, gone, other] {
        assert!(!world.line.configure(&LineSetup::new(not_this_line.into())));
    }
}
