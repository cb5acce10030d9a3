//! Ladders of the landline when it rings.

use super::fxo::{landline, us};
use super::*;
use ringtrip_config::Fxo;

#[test]
fn rings_in() {
    check(
        "caller ID, answer, the far end hangs up by CPC",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > rings
                < [ringing]
          12.00 > rang
                < listen caller-id
          13.50 > caller-id 5551234
          15.00 < listen no more; new call from 5551234 dialled nothing
          15.50 > ringing
          16.00 > rings
          18.00 > rang
          19.00 > answer
                < loop closed; listen keys disconnect-tone silence; [off-hook]; [talking]
          20.00 > key 5
                < say digit 5
          21.00 > digit 6
                < digits 6 100/100
          22.00 > far-flash
                < flash 250 ms; listen keys disconnect-tone silence
          23.00 > cpc
                < say ended cpc; loop open; listen no more; [on-hook]; [idle]
          24.00 > end normal
          40.00 > wait
        ",
    );
    check(
        "the UK: reversal, caller ID, ring; a telephone answers and hangs up",
        landline(Region::Uk, |set| {
            if let Some(ring) = &mut set.ring_through {
                ring.delay = Duration::ZERO;
            }
        }),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > reversed
                < listen caller-id
          11.00 > caller-id 01632960001
          11.30 > normal
          11.50 > rings
                < [ringing]
          11.50 < listen no more; new call from 01632960001 dialled nothing
          11.90 > rang
          12.10 > rings
          12.50 > rang
          14.00 > answer port
                < loop closed; listen keys disconnect-tone silence; [off-hook]; [talking]
          14.10 > reversed
          15.00 > digit 6
          16.00 > end normal
                < loop open; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "a reversal that no ring follows",
        landline(Region::Uk, |_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > reversed
                < listen caller-id
          15.00 < listen no more
          30.00 > wait
        ",
    );
    check(
        "the caller gives up before anybody rings",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > rings
                < [ringing]
          12.00 > rang
                < listen caller-id
          15.00 < listen no more; new call from nothing dialled nothing
          17.00 < say ended cancelled; [idle]
          30.00 > wait
        ",
    );
    check(
        "the caller gives up while somebody rings",
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
          18.00 > rang
          23.00 < say ended cancelled; [idle]
          30.00 > wait
        ",
    );
    check(
        "nobody there answers: it rings on, and no second call is made of it",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > rings
                < [ringing]
          12.00 > rang
                < listen caller-id
          15.00 < listen no more; new call from nothing dialled nothing
          15.50 > end busy
          16.00 > rings
          18.00 > rang
          22.00 > rings
          24.00 > rang
          29.00 < [idle]
          40.00 > rings
                < [ringing]
          42.00 > rang
                < listen caller-id
          45.00 < listen no more; new call from nothing dialled nothing
          47.00 < say ended cancelled; [idle]
          50.00 > wait
        ",
    );
    check(
        "another telephone on the pair answers first",
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
          16.50 > parallel lifted
                < say ended cancelled
          17.00 > end cancelled
          26.00 < [in-use]
          30.00 > place 555 from 101 sip refused
                < say ended congestion (leg 91)
          40.00 > parallel hung-up
                < [idle]
        ",
    );
    check(
        "nobody is to be rung",
        us(|set| set.ring_through = None),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > rings
                < [ringing]
          12.00 > rang
                < listen caller-id
          16.00 > rings
          18.00 > rang
          23.00 < listen no more; [idle]
          40.00 > wait
        ",
    );
    let by_itself = |set: &mut Fxo| {
        set.answer = set.ring_through.take().map(|r| r.to);
        set.answer_delay = Duration::from_secs(8);
    };
    check(
        "the exchange answers by itself",
        us(by_itself),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > rings
                < [ringing]
          12.00 > rang
                < listen caller-id
          16.00 > rings
          18.00 < listen no more; loop closed; listen keys disconnect-tone; new call from nothing dialled nothing; [off-hook]; [calling]
          18.50 > ringing
                < tone ringback
          20.00 > voice
          22.00 > answer
                < quiet; listen keys disconnect-tone silence; [talking]
          24.00 > digit 3
                < digits 3 100/100
          25.00 > cpc
                < say ended cpc; loop open; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "the exchange answers by itself, the caller hangs up, and another finds nobody there",
        us(by_itself),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > rings
                < [ringing]
          12.00 > rang
                < listen caller-id
          16.00 > rings
          18.00 < listen no more; loop closed; listen keys disconnect-tone; new call from nothing dialled nothing; [off-hook]; [calling]
          18.50 > progress
          22.00 > hang-up-tone
                < say ended tone; loop open; listen no more; [on-hook]; [idle]
          40.00 > rings
                < [ringing]
          42.00 > rang
                < listen caller-id
          46.00 > rings
          48.00 < listen no more; loop closed; listen keys disconnect-tone; new call from nothing dialled nothing; [off-hook]; [calling]
          48.10 > ringing
                < tone ringback
          49.00 > end busy
                < loop open; quiet; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "the word that the ring ended gets lost",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > rings
                < [ringing]
          15.00 < new call from nothing dialled nothing
          20.00 < say ended cancelled; [idle]
          40.00 > wait
        ",
    );
}

#[test]
fn telephones_ring_and_then_the_exchange_answers() {
    let both = || {
        us(|set| {
            set.answer_delay = Duration::from_secs(12);
            set.answer = Some(ringtrip_config::Inbound::Number(Digits::new("102")));
        })
    };
    check(
        "nobody lifts",
        both(),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > rings
                < [ringing]
          12.00 > rang
                < listen caller-id
          15.00 < listen no more; new call from nothing dialled nothing
          16.00 > rings
          18.00 > rang
          22.00 < loop closed; listen keys disconnect-tone; tone ringback; [off-hook]; [calling]
          24.00 > answer
                < quiet; listen keys disconnect-tone silence; [talking]
          30.00 > end normal
                < loop open; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "somebody lifts in time",
        both(),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > rings
                < [ringing]
          12.00 > rang
                < listen caller-id
          15.00 < listen no more; new call from nothing dialled nothing
          16.00 > rings
          17.00 > answer port
                < loop closed; listen keys disconnect-tone silence; [off-hook]; [talking]
          30.00 > end normal
                < loop open; listen no more; [on-hook]; [idle]
        ",
    );
}
