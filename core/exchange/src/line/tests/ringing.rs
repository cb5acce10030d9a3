//! Ladders of a telephone that rings.

use super::fxs::{HOME, phone, us};
use super::*;
use ringtrip_config::CallerIdMethod;

#[test]
fn rings() {
    check(
        "rings, caller ID between the rings, answer, hang up",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > place 101 from 5551234 sip
                < say ringing; ring 2000/4000 at 20 Hz; [ringing]
           3.60 < on-hook audio 825 ms; caller id Bell202 None 030405065551234Ann4
           5.50 > caller-id-sent
           8.00 > trip
                < ring stop; quiet; listen keys; say answered; [off-hook]; [talking]
           9.00 > key 1
                < say digit 1
          10.00 > hang-up
                < say ended normal; listen no more; [on-hook]; [idle]
          11.00 > end normal
        ",
    );
    check(
        "the UK way",
        phone(Region::Uk, HOME, |_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > place 101 from 01632960001 sip
                < say ringing; polarity reversed; [ringing]
           1.15 < on-hook audio 1029 ms; caller id V23 Alert { ms: 100, gap_ms: 70 } 0304050601632960001Anni
           2.50 > caller-id-sent
           2.73 < polarity normal; ring 400/200 400/2000 at 25 Hz
           5.00 > trip
                < ring stop; quiet; listen keys; say answered; [off-hook]; [talking]
           6.00 > hang-up
                < say ended normal; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "after a ring pulse; the word that the data are out gets lost",
        us(|set| set.caller_id = CallerIdMethod::Etsi),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > place 101 from private sip
                < say ringing; ring 250/65535 at 20 Hz; [ringing]
           1.90 < ring stop; on-hook audio 759 ms; caller id Bell202 None 03040506PP'
           3.21 < ring 2000/4000 at 20 Hz
           8.00 > trip
                < ring stop; quiet; listen keys; say answered; [off-hook]; [talking]
           9.00 > hang-up
                < say ended normal; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "lifted in the middle of the UK's caller ID",
        phone(Region::Uk, HOME, |_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > place 101 from 01632960001 port
                < say ringing; polarity reversed; [ringing]
           1.15 < on-hook audio 1029 ms; caller id V23 Alert { ms: 100, gap_ms: 70 } 0304050601632960001Anni
           1.50 > lift
                < ring stop; quiet; polarity normal; listen keys; say answered; [off-hook]; [talking]
           2.00 > caller-id-sent
           3.00 > digit 5
           6.00 > hang-up
                < say ended normal; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "distinctive ring 3; ring 8 without caller ID",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > place 101 from 555 sip ring 3
                < say ringing; ring 400/200 400/200 800/4000 at 20 Hz; [ringing]
           2.00 > end cancelled
                < ring stop; [idle]
           3.00 > place 101 from 555 sip ring 8
                < say ringing; ring 250/9750 at 20 Hz; [ringing]
           3.85 < on-hook audio 792 ms; caller id Bell202 None 03040506555Ann
           4.00 > end cancelled
                < ring stop; quiet; [idle]
           5.00 > place 101 from 555 sip ring 77
                < say ringing; ring 2000/4000 at 20 Hz; [ringing]
           6.00 > end cancelled
                < ring stop; [idle]
        ",
    );
    check(
        "the caller gives up",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > place 101 from 555 sip
                < say ringing; ring 2000/4000 at 20 Hz; [ringing]
           2.00 > end cancelled
                < ring stop; [idle]
          10.00 > wait
        ",
    );
    check(
        "lifted at the moment when the caller gives up",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > place 101 from 555 sip
                < say ringing; ring 2000/4000 at 20 Hz; [ringing]
           3.60 < on-hook audio 792 ms; caller id Bell202 None 03040506555Ann
           8.00 > end cancelled
                < ring stop; quiet; [idle]
           8.01 > trip
                < listen keys; tone dial; [off-hook]; [dialling]
           9.00 > hang-up
                < quiet; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "rings in vain",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > place 101 from 555 sip
                < say ringing; ring 2000/4000 at 20 Hz; [ringing]
           3.60 < on-hook audio 792 ms; caller id Bell202 None 03040506555Ann
          61.00 < say ended no-answer; ring stop; quiet; [idle]
          70.00 > wait
        ",
    );
    check(
        "busy, whatever it does",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > lift
                < listen keys; tone dial; [off-hook]; [dialling]
           2.00 > place 101 from 555 refused
                < say ended busy (leg 91)
           3.00 > key 1
                < quiet
           3.10 > key 0
           3.20 > key 2
                < new call from 101 dialled 102, planned 102 to default by 1xx; [calling]
           3.30 > place 101 from 555 refused
                < say ended busy (leg 92)
           4.00 > answer
                < [talking]
           5.00 > place 101 from 555 refused
                < say ended busy (leg 93)
           6.00 > end normal
                < listen no more; [disconnected]
           7.00 > place 101 from 555 refused
                < say ended busy (leg 94)
           8.00 > hang-up
                < [on-hook]; [idle]
           9.00 > place 101 from 555
                < say ringing; ring 2000/4000 at 20 Hz; [ringing]
          10.00 > place 101 from 666 refused
                < say ended busy (leg 96)
          11.00 > end cancelled
                < ring stop; [idle]
        ",
    );
    check(
        "glare: lifted to dial as a call comes in",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > place 101 from 555 sip
                < say ringing; ring 2000/4000 at 20 Hz; [ringing]
           1.01 > lift
                < ring stop; listen keys; say answered; [off-hook]; [talking]
           2.00 > hang-up
                < say ended normal; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "hung up and lifted elsewhere in the house",
        us(|set| set.callee_on_hook_delay = Duration::from_secs(5)),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > place 101 from 555 sip
                < say ringing; ring 2000/4000 at 20 Hz; [ringing]
           2.00 > trip
                < ring stop; listen keys; say answered; [off-hook]; [talking]
           3.00 > hang-up
                < listen no more; [on-hook]; [hung-up]
           5.00 > lift
                < listen keys; [off-hook]; [talking]
           6.00 > key 1
                < say digit 1
           7.00 > hang-up
                < listen no more; [on-hook]; [hung-up]
          12.00 < say ended normal; [idle]
          20.00 > wait
        ",
    );
    check(
        "hung up for a moment, and the far end too",
        us(|set| set.callee_on_hook_delay = Duration::from_secs(5)),
        "
           0.00 > ready
                < quiet; listen no more; ring stop; polarity normal; [idle]
           1.00 > place 101 from 555 sip
                < say ringing; ring 2000/4000 at 20 Hz; [ringing]
           2.00 > trip
                < ring stop; listen keys; say answered; [off-hook]; [talking]
           3.00 > hang-up
                < listen no more; [on-hook]; [hung-up]
           4.00 > end normal
                < [idle]
          20.00 > wait
        ",
    );
}
