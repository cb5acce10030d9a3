//! Ladders of a telephone.

use super::*;
use ringtrip_config::Fxs;

pub(super) const HOME: &str = "(1xx|999!|0xx.|9,x.|8xxx!|<:@gw0>7x.)";

pub(super) fn us(change: impl FnOnce(&mut Fxs)) -> Config {
    phone(Region::Us, HOME, change)
}

pub(super) fn phone(region: Region, plan: &str, change: impl FnOnce(&mut Fxs)) -> Config {
    let mut fxs = Fxs::of(region);
    change(&mut fxs);
    config(region, plan, LineKind::Fxs(fxs))
}

#[test]
fn calls_out() {
    check(
        "a call out",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           2.00 > key 1
                < quiet
           2.20 > key 0
           2.40 > key 2
                < new call from 101 dialled 102, planned 102 to default by 1xx; [calling]
           2.50 > ringing
                < tone ringback
           5.00 > answer
                < quiet; [talking]
           6.00 > key 5
                < say digit 5
           7.00 > digit 6
                < digits 6 100/100
           8.00 > flash
                < say flash
           9.00 > hang-up
                < say ended normal; listen no more; [on-hook]; [idle]
          10.00 > end normal
          20.00 > wait
        ",
    );
    check(
        "pulses, an outside tone, and the short timer",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           2.00 > pulse 9
                < quiet; tone outside dial
           3.00 > pulse 5
                < quiet
           4.00 > pulse 5
           7.00 < new call from 101 dialled 955, planned 955 to default by 9,x.; [calling]
          10.00 > hang-up
                < say ended cancelled; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "a hot line to the landline",
        phone(Region::Us, "(S0<:@gw0>)", |_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; new call from 101 dialled nothing, planned nothing to gw0 by S0<:@gw0>; [off-hook]; [calling]
           2.00 > progress
           3.00 > answer port
                < [talking]
           4.00 > digit 6
           5.00 > hang-up
                < say ended normal; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "a warm line",
        phone(Region::Us, "(P5<:100>|1xx)", |_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           6.00 < quiet; new call from 101 dialled nothing, planned 100 to default by P5<:100>; [calling]
           8.00 > hang-up
                < say ended cancelled; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "hung up while it rings there",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           2.00 > key 1
                < quiet
           2.10 > key 0
           2.20 > key 2
                < new call from 101 dialled 102, planned 102 to default by 1xx; [calling]
           3.00 > ringing
                < tone ringback
           4.00 > hang-up
                < say ended cancelled; quiet; listen no more; [on-hook]; [idle]
           4.10 > end cancelled
        ",
    );
    check(
        "polarity tells the telephone that it is answered",
        us(|set| set.caller_polarity = Polarity::Reverse),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           2.00 > key 1
                < quiet
           2.10 > key 0
           2.20 > key 2
                < new call from 101 dialled 102, planned 102 to default by 1xx; [calling]
           3.00 > answer
                < polarity reversed; [talking]
           4.00 > end normal
                < listen no more; polarity normal; [disconnected]
           5.00 > hang-up
                < [on-hook]; [idle]
        ",
    );
    check(
        "keys from afar wait for those before them",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           2.00 > key 1
                < quiet
           2.10 > key 0
           2.20 > key 2
                < new call from 101 dialled 102, planned 102 to default by 1xx; [calling]
           3.00 > answer
                < [talking]
           4.00 > digit 1
                < digits 1 100/100
           4.05 > digit 2
           4.06 > digit 3
           4.10 > key 1
           4.20 > sent
                < digits 23 100/100
           4.60 > sent
           5.00 > digit 4
                < digits 4 100/100
           7.00 > key 4
                < say digit 4
           8.00 > hang-up
                < say ended normal; listen no more; [on-hook]; [idle]
        ",
    );
}

#[test]
fn emergency() {
    check(
        "911 with a plan that bars it",
        phone(Region::Us, "(911!|9xx.|1xx)", |_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           2.00 > key 9
                < quiet
           2.10 > key 1
           2.20 > key 1
                < new call from 101 dialled 911; [calling]
           4.00 > answer
                < [talking]
           5.00 > flash
           6.00 > hang-up
                < say ended normal; listen no more; [on-hook]; [idle]
        ",
    );
    let mut uk = phone(Region::Uk, "(999!|<999:100>|112!|x.)", |_| ());
    uk.emergency.country = ringtrip_config::Country::GB;
    check(
        "999 with a plan that bars and bends it",
        uk,
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           2.00 > key 9
                < quiet
           2.10 > key 9
           2.20 > key 9
                < new call from 101 dialled 999; [calling]
           3.00 > end congestion
                < listen no more; tone congestion; [congestion]
        ",
    );
    let mut pk = phone(Region::Uk, "(1xx|x.)", |_| ());
    pk.emergency.country = ringtrip_config::Country::of("PK").unwrap();
    check(
        "1122, which 112 is the beginning of; and 112 with nothing after it, and with a stray key",
        pk,
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           2.00 > key 1
                < quiet
           2.10 > key 1
           2.20 > key 2
           2.30 > key 2
                < new call from 101 dialled 1122; [calling]
           6.00 > hang-up
                < say ended cancelled; listen no more; [on-hook]; [idle]
          10.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
          11.00 > key 1
                < quiet
          11.10 > key 1
          11.20 > key 2
          14.20 < new call from 101 dialled 112; [calling]
          16.00 > hang-up
                < say ended cancelled; listen no more; [on-hook]; [idle]
          20.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
          21.00 > key 1
                < quiet
          21.10 > key 1
          21.20 > key 2
          21.30 > key 5
                < new call from 101 dialled 112; [calling]
          26.00 > hang-up
                < say ended cancelled; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "911 with a plan that bars its first key, and one that knows no such key",
        phone(Region::Us, "(9!)", |_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           2.00 > key 9
                < quiet
           4.90 > key 1
           5.00 > key 1
                < new call from 101 dialled 911; [calling]
           6.00 > hang-up
                < say ended cancelled; listen no more; [on-hook]; [idle]
          10.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
          11.00 > key 9
                < quiet
          12.00 > key 0
                < listen no more; tone reorder; [reorder]
          13.00 > hang-up
                < quiet; [on-hook]; [idle]
        ",
    );
    check(
        "9, where a plan sends that at once: it waits whether help is called for",
        phone(Region::Us, "(9S0|1xx)", |_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           2.00 > key 9
                < quiet
           5.00 < new call from 101 dialled 9, planned 9 to default by 9S0; [calling]
           6.00 > hang-up
                < say ended cancelled; listen no more; [on-hook]; [idle]
        ",
    );
}

#[test]
fn refusals_and_the_ladder() {
    check(
        "nobody dials",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
          11.00 < listen no more; tone reorder; [reorder]
          21.00 < tone off-hook warning; [off-hook-warning]
          31.00 < quiet; [off-hook]
          50.00 > wait
          51.00 > key 1
          52.00 > hang-up
                < [on-hook]; [idle]
          60.00 > wait
        ",
    );
    check(
        "no such number",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           2.00 > key 5
                < quiet; listen no more; tone reorder; [reorder]
           3.00 > hang-up
                < quiet; [on-hook]; [idle]
        ",
    );
    check(
        "barred",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           2.00 > key 8
                < quiet
           2.10 > key 1
           2.20 > key 1
           2.30 > key 1
                < listen no more; tone reorder; [reorder]
           3.00 > flash
                < listen keys; tone dial; [dialling]
           4.00 > hang-up
                < quiet; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "a star code that is no service yet",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           2.00 > key *
                < quiet
           2.10 > key 6
           2.20 > key 9
                < listen no more; tone reorder; [reorder]
           3.00 > hang-up
                < quiet; [on-hook]; [idle]
        ",
    );
    check(
        "a number begun and not finished",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           2.00 > key 1
                < quiet
          12.00 < listen no more; tone reorder; [reorder]
          20.00 > hang-up
                < quiet; [on-hook]; [idle]
        ",
    );
    check(
        "busy there",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           2.00 > key 1
                < quiet
           2.10 > key 0
           2.20 > key 2
                < new call from 101 dialled 102, planned 102 to default by 1xx; [calling]
           3.00 > end busy
                < listen no more; tone busy; [busy]
          13.00 < tone reorder; [reorder]
          23.00 < tone off-hook warning; [off-hook-warning]
          33.00 < quiet; [off-hook]
          60.00 > hang-up
                < [on-hook]; [idle]
        ",
    );
    check(
        "engaged paths, UK",
        phone(Region::Uk, HOME, |_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           2.00 > key 1
                < quiet
           2.10 > key 0
           2.20 > key 2
                < new call from 101 dialled 102, planned 102 to default by 1xx; [calling]
           3.00 > end congestion
                < listen no more; tone congestion; [congestion]
          13.00 < tone reorder; [reorder]
          14.00 > hang-up
                < quiet; [on-hook]; [idle]
        ",
    );
    check(
        "the far end hangs up",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           2.00 > key 1
                < quiet
           2.10 > key 0
           2.20 > key 2
                < new call from 101 dialled 102, planned 102 to default by 1xx; [calling]
           3.00 > answer
                < [talking]
           4.00 > end normal
                < listen no more; [disconnected]
           9.00 < tone reorder; [reorder]
          19.00 < tone off-hook warning; [off-hook-warning]
          29.00 < quiet; [off-hook]
          60.00 > hang-up
                < [on-hook]; [idle]
        ",
    );
    check(
        "the far end hangs up and reorder is never to be heard",
        us(|set| set.reorder_delay = None),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > place 101 from 555 sip
                < say ringing; ring 2000/4000 at 20 Hz; [ringing]
           2.00 > trip
                < ring stop; listen keys; say answered; [off-hook]; [talking]
           4.00 > end normal
                < listen no more; [disconnected]
          60.00 > hang-up
                < [on-hook]; [idle]
        ",
    );
    check(
        "the far end hangs up, with CPC",
        us(|set| set.cpc_duration = Duration::from_millis(500)),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > place 101 from 555 sip
                < say ringing; ring 2000/4000 at 20 Hz; [ringing]
           2.00 > trip
                < ring stop; listen keys; say answered; [off-hook]; [talking]
           4.00 > end normal
                < listen no more; [disconnected]
           6.00 < battery away 500 ms
           6.50 < listen keys; tone dial; [dialling]
          10.00 > hang-up
                < quiet; listen no more; [on-hook]; [idle]
        ",
    );
}

#[test]
fn the_board_goes_away() {
    check(
        "a telephone in every state",
        us(|_| ()),
        "
           0.00 > place 101 from 555 refused
                < say ended board-lost (leg 91)
           1.00 > lost
           2.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           3.00 > lost
                < [out-of-service]
           4.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           5.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           6.00 > lost
                < quiet; listen no more; [on-hook]; [out-of-service]
           7.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           7.10 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           8.00 > key 1
                < quiet
           8.10 > key 0
           8.20 > key 2
                < new call from 101 dialled 102, planned 102 to default by 1xx; [calling]
           9.00 > lost
                < say ended board-lost; listen no more; [on-hook]; [out-of-service]
          10.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
          10.10 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
          11.00 > hang-up
                < quiet; listen no more; [on-hook]; [idle]
          12.00 > place 101 from 555 sip
                < say ringing; ring 2000/4000 at 20 Hz; [ringing]
          13.00 > lost
                < say ended board-lost; [out-of-service]
          14.00 > end normal
          15.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
          16.00 > place 101 from 555 sip
                < say ringing; ring 2000/4000 at 20 Hz; [ringing]
          17.00 > trip
                < ring stop; listen keys; say answered; [off-hook]; [talking]
          18.00 > lost
                < say ended board-lost; listen no more; [on-hook]; [out-of-service]
          19.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
          19.10 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
          20.00 > key 5
                < quiet; listen no more; tone reorder; [reorder]
          21.00 > lost
                < quiet; [on-hook]; [out-of-service]
          22.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
          23.00 > place 101 from 555 sip
                < say ringing; ring 2000/4000 at 20 Hz; [ringing]
          24.00 > trip
                < ring stop; listen keys; say answered; [off-hook]; [talking]
          25.00 > ready
                < say ended board-lost; listen no more; quiet; listen no more; ring stop; polarity normal; [on-hook]; [idle]
        ",
    );
}

#[test]
fn status_speaks() {
    let mut world = World::new(us(|_| ()));
    let mut ignored = String::new();
    for (at, cmd) in [(0, "ready"), (1, "lift"), (2, "key 1"), (3, "key 0"), (4, "key 2"), (6, "answer")] {
        let at = world.start + Duration::from_secs(at);
        world.run_until(at, &mut ignored);
        let input = world.input(cmd);
        world.feed(at, input);
    }
    let reading = BoardEvent::Reading { volts: -8.5, milliamps: 22.0 };
    world.feed(world.now, LineInput::Board(reading));
    let status = world.line.status(world.now + Duration::from_secs(3));
    assert_eq!(
        (status.state, status.off_hook, status.for_),
        (LineState::Talking, true, Duration::from_secs(3))
    );
    assert_eq!((status.volts, status.milliamps), (Some(-8.5), Some(22.0)));
    assert_eq!((status.leg, status.last_number.as_deref()), (Some(world.leg), Some("102")));
    assert_eq!(status.last_disconnect, None);
    let end = world.input("end normal");
    world.feed(world.now, end);
    let status = world.line.status(world.now);
    assert_eq!(status.last_disconnect.map(|d| d.word()), Some("VoIP Call Ended"));
    assert_eq!(status.state, LineState::Disconnected);
}
