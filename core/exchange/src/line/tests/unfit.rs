//! Ladders of ports and pairs that are no way for a call: the wrong kind, a board that does not obey, a dead pair.

use super::fxo::us;
use super::*;
use ringtrip_config::{AnswerOn, DialBy};

#[test]
fn a_port_of_another_kind() {
    check(
        "a landline on a telephone's port; nothing that the port says is believed",
        us(|_| ()),
        "
           0.00 > ready-fxs
                < alarm needs a landline port
           1.00 > lift
           1.10 > trip
           1.20 > rings
           1.30 > pulse 1
           1.40 > parallel lifted
           2.00 > place 12 from 101 sip refused
                < say ended wrong-port (leg 91)
           3.00 > place 911 from 101 sip refused emergency
                < say ended wrong-port (leg 92)
           4.00 > lost
           5.00 > place 12 from 101 sip refused
                < say ended board-lost (leg 93)
           6.00 > ready-fxo
                < quiet; listen no more; loop open; [idle]
        ",
    );
    check(
        "it becomes one in the middle of a call",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > place 12 from 101 sip
                < loop closed; listen dial-tone; [off-hook]; [seizing]
          11.20 > dial-tone
                < listen no more; digits 12 100/100; [dialling]
          11.60 > sent
                < say answered; listen keys disconnect-tone silence; [talking]
          15.00 > ready-fxs
                < say ended board-lost; listen no more; alarm needs a landline port; [on-hook]; [out-of-service]
        ",
    );
    check(
        "no such port",
        us(|_| ()),
        "
           0.00 > no-port
                < alarm the board has no
           1.00 > place 911 from 101 sip refused emergency
                < say ended wrong-port (leg 91)
        ",
    );
    check(
        "a telephone on a landline's port",
        fxs::us(|_| ()),
        "
           0.00 > ready-fxo
                < alarm needs a telephone port
           1.00 > lift
           1.10 > rings
           1.20 > cpc
           2.00 > place 101 from 102 sip refused
                < say ended wrong-port (leg 91)
        ",
    );
}

#[test]
fn what_belongs_to_the_other_kind_changes_nothing() {
    for (config, alien) in [
        (us(|_| ()), ["lift", "hang-up", "trip", "flash", "pulse 1"].as_slice()),
        (
            fxs::us(|_| ()),
            ["rings", "rang", "cpc", "battery-lost", "battery-ok", "reversed", "parallel lifted"].as_slice(),
        ),
    ] {
        let mut world = World::new(config);
        let ready = world.input("ready");
        world.feed(world.start, ready);
        for word in alien {
            let at = world.now + Duration::from_secs(1);
            let input = world.input(word);
            assert_eq!(world.feed(at, input), Vec::<String>::new(), "{word}");
            assert_eq!(world.line.status(at).state, LineState::Idle, "{word}");
        }
    }
}

#[test]
fn loop_current() {
    check(
        "current, then dial tone, then digits, then the answer",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
           0.00 > measures
          10.00 > place 5551234 from 101 sip
                < loop closed; listen dial-tone; [off-hook]; [seizing]
          10.15 < measure
          10.18 > current 25
          10.50 > dial-tone
          11.00 < listen no more; digits 5551234 100/100; [dialling]
          12.40 > sent
                < say answered; listen keys disconnect-tone silence; [talking]
          20.00 > end normal
                < loop open; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "answered when seized: not before there is current, however the polarity is",
        us(|set| set.answer_on = AnswerOn::Seize),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
           0.00 > measures
          10.00 > place 12 from 101 sip
                < loop closed; listen dial-tone; [off-hook]; [seizing]
          10.10 > current 0.4
          10.15 < measure
          10.20 > current -21
                < say answered
          11.50 > dial-tone
                < listen no more; digits 12 100/100; [dialling]
          12.00 > end normal
                < loop open; [on-hook]; [idle]
        ",
    );
    check(
        "two-stage: the same",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
           0.00 > measures
          10.00 > place none from 101 sip
                < loop closed; listen dial-tone; [off-hook]; [seizing]
          10.10 > current 25
                < say answered; listen keys disconnect-tone silence; [talking]
          12.00 > end normal
                < loop open; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "none: the pair is dead, and in doubt for a minute",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
           0.00 > measures
          10.00 > place 12 from 101 sip
                < loop closed; listen dial-tone; [off-hook]; [seizing]
          10.15 < measure
          10.20 > current 0.1
          10.30 < measure
          10.45 < measure
          10.60 < measure
          10.75 < measure
          10.90 < measure
          11.05 < measure
          11.20 < alarm no loop current flows; say ended no-loop-current; loop open; listen no more; [on-hook]; [faulty]
          71.20 < [idle]
          80.00 > wait
        ",
    );
    check(
        "a port that cannot measure after all; a dial tone is as good",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
           0.00 > measures
          10.00 > place 12 from 101 sip
                < loop closed; listen dial-tone; [off-hook]; [seizing]
          10.15 < measure
          10.20 > refused measure
          11.30 > dial-tone
                < listen no more; digits 12 100/100; [dialling]
          12.00 > end normal
                < loop open; [on-hook]; [idle]
          13.50 > place 13 from 101 sip
                < loop closed; listen dial-tone; [off-hook]; [seizing]
          14.70 > dial-tone
                < listen no more; digits 13 100/100; [dialling]
          15.00 > end normal
                < loop open; [on-hook]; [idle]
        ",
    );
}

#[test]
fn help_needs_a_dial_tone_while_there_is_another_way() {
    check(
        "none",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
           0.00 > measures
          10.00 > place 911 from 101 sip emergency with-others
                < loop closed; say ringing; listen dial-tone; [off-hook]; [seizing]
          10.10 > current 25
          11.75 < say ended no-dial-tone; loop open; listen no more; [on-hook]; [idle]
          20.00 > place 911 from 101 sip emergency
                < loop closed; say ringing; listen dial-tone; [off-hook]; [seizing]
          20.10 > current 25
          25.00 < listen no more; digits 911 100/100; [dialling]
          25.60 > sent
                < say answered; listen keys; [talking]
          40.00 > end normal
                < loop open; listen no more; [on-hook]; [idle]
        ",
    );
    check(
        "a line that counts as answered when it is seized does not for a call for help",
        us(|set| set.answer_on = AnswerOn::Seize),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > place 911 from 101 sip emergency
                < loop closed; say ringing; listen dial-tone; [off-hook]; [seizing]
          11.10 > dial-tone
                < listen no more; digits 911 100/100; [dialling]
          11.70 > sent
                < say answered; listen keys; [talking]
          40.00 > end normal
                < loop open; listen no more; [on-hook]; [idle]
        ",
    );
}

#[test]
fn a_board_that_does_not_obey() {
    check(
        "it does not seize",
        us(|_| ()),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > place 911 from 101 sip emergency
                < loop closed; say ringing; listen dial-tone; [off-hook]; [seizing]
          10.02 > refused off-hook
                < alarm the board refuses commands; say ended board-refused; loop open; listen no more; [on-hook]; [faulty]
          70.02 < [idle]
          80.00 > refused other
          80.10 > refused pulse
          80.20 > refused off-hook
        ",
    );
    check(
        "it does not pulse",
        us(|set| set.dial_by = DialBy::Pulse),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
          10.00 > place 12 from 101 sip
                < loop closed; listen dial-tone; [off-hook]; [seizing]
          11.10 > dial-tone
                < listen no more; pulse 12; [dialling]
          11.12 > refused pulse
                < alarm the board refuses commands; say ended board-refused; loop open; [on-hook]; [faulty]
        ",
    );
    check(
        "it does not answer what rings in",
        us(|_| ()),
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
          16.02 > refused off-hook
                < alarm the board refuses commands; say ended board-refused; loop open; listen no more; [on-hook]; [faulty]
        ",
    );
}

#[test]
fn a_number_that_cannot_be_dialled_whole_is_not_dialled() {
    let long = "1".repeat(129);
    let ladder = format!(
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
           1.00 > place +442079460123 from 101 sip refused
                < say ended invalid (leg 91)
           2.00 > place 55x12 from 101 sip refused
                < say ended invalid (leg 92)
           3.00 > place 555\u{e9}12 from 101 sip refused
                < say ended invalid (leg 93)
           4.00 > place {long} from 101 sip refused
                < say ended invalid (leg 94)
           5.00 > place *31#,12A from 101 sip
                < loop closed; listen dial-tone; [off-hook]; [seizing]
           6.50 > dial-tone
                < listen no more; digits *31#,12A 100/100; [dialling]
           7.00 > end normal
                < loop open; [on-hook]; [idle]
        "
    );
    check("by tones", us(|_| ()), &ladder);
    check(
        "by pulses",
        us(|set| set.dial_by = DialBy::Pulse),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
           1.00 > place 12#34 from 101 sip refused
                < say ended invalid (leg 91)
        ",
    );
}

#[test]
fn the_voltage_says_that_somebody_else_is_on_the_line() {
    check(
        "below in_use_volts",
        us(|set| set.in_use_volts = 35),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
           1.00 > volts 48
           2.00 > volts -34
                < [in-use]
           3.00 > place 12 from 101 sip refused
                < say ended congestion (leg 91)
           4.00 > volts 36
                < [idle]
           5.00 > volts 0.2
        ",
    );
    check(
        "0: not looked at",
        us(|set| set.in_use_volts = 0),
        "
           0.00 > ready
                < quiet; listen no more; loop open; [idle]
           2.00 > volts 7
        ",
    );
}
