//! FXS ports and their telephones, in virtual time.

mod bench;

use bench::*;
use ringtrip_driver::{Command, Polarity, PortEvent};
use ringtrip_media::callerid::{BurstGen, Caller, FskStandard, mdmf};
use ringtrip_media::dtmf::{DtmfDetector, Heard};

const ONE: &str = r#"{"fxs":1,"fxo":0}"#;

fn ring(cadence_ms: &[u16], hz: u32) -> Command {
    Command::Ring { cadence_ms: cadence_ms.to_vec(), hz, repeat: 0 }
}

#[test]
fn lifting_draws_current_and_is_seen_within_10_ms() {
    let mut b = bench(ONE);
    assert_eq!(b.ports.fxs[0].electrics(), (48.0, 0.0));
    b.sim(r#"{"do":"lift","port":0}"#);
    b.run(9);
    assert_eq!(b.take(0), []);
    b.run(1);
    assert_eq!(b.take(0), [PortEvent::OffHook]);
    let (volts, milliamps) = b.ports.fxs[0].electrics();
    assert!((5.0..10.0).contains(&volts) && milliamps == 23.0);
    b.sim(r#"{"do":"hangup","port":0}"#);
    b.run(1000);
    assert_eq!(b.take(0), [PortEvent::OnHook]);
}

#[test]
fn flash_pulses_and_hang_up_are_told_apart() {
    let mut b = bench(ONE);
    b.sim(r#"{"do":"lift","port":0}"#);
    b.run(100);
    b.sim(r#"{"do":"flash","port":0,"ms":500}"#);
    b.run(700);
    b.sim(r#"{"do":"press","port":0,"keys":"205","how":"pulse"}"#);
    b.run(6000);
    b.sim(r#"{"do":"flash","port":0,"ms":950}"#);
    b.run(1500);
    let expected = [
        PortEvent::OffHook,
        PortEvent::Flash(500),
        PortEvent::PulseDigit('2'),
        PortEvent::PulseDigit('0'),
        PortEvent::PulseDigit('5'),
        PortEvent::OnHook,
        PortEvent::OffHook,
    ];
    assert_eq!(b.take(0), expected);
}

#[test]
fn the_bell_follows_the_cadence_and_stops_at_a_zero_crossing() {
    let mut b = bench(ONE);
    b.cmd(0, ring(&[400, 200, 400, 2000], 25));
    let mut edges = Vec::new();
    let mut before = false;
    for ms in 1..7000u32 {
        b.run(1);
        let on = b.ports.fxs[0].ringing().is_some();
        if on != before {
            edges.push(ms);
            before = on;
        }
    }
    // 25 Hz crosses zero every 20 ms: the end of a burst may wait that long.
    let expected = [1, 401, 601, 1001, 3001, 3401, 3601, 4001, 6001, 6401, 6601];
    assert_eq!(edges.len(), expected.len(), "{edges:?}");
    for (edge, wanted) in edges.iter().zip(expected) {
        assert!((wanted..wanted + 21).contains(edge), "{edges:?}");
    }
    assert_eq!(b.sim(r#"{"do":"state","port":0}"#)["bell"]["bursts"], 6);
    b.cmd(0, Command::RingStop).run(1);
    assert_eq!(b.ports.fxs[0].ringing(), None);
    assert_eq!(b.take(0), []);
}

#[test]
fn ring_trip_stops_the_ringing_and_no_off_hook_follows() {
    for (name, lift_at, within) in [("in a burst", 500, 110), ("between bursts", 3000, 20)] {
        let mut b = bench(ONE);
        b.cmd(0, ring(&[2000, 4000], 20)).run(lift_at);
        b.sim(r#"{"do":"lift","port":0}"#);
        b.run(within);
        assert_eq!(b.take(0), [PortEvent::RingTrip], "{name}");
        b.run(1000);
        assert_eq!(b.take(0), [], "{name}");
        assert_eq!(b.ports.fxs[0].ringing(), None, "{name}");
        b.sim(r#"{"do":"hangup","port":0}"#);
        b.run(1000);
        assert_eq!(b.take(0), [PortEvent::OnHook], "{name}");
    }
}

#[test]
fn a_lifted_telephone_cannot_be_rung() {
    let mut b = bench(ONE);
    b.sim(r#"{"do":"lift","port":0}"#);
    b.run(50);
    let refused = b.ports.fxs[0].command(ring(&[2000, 4000], 20)).unwrap_err();
    assert_eq!(refused.errno, 16);
    assert!(b.ports.fxs[0].command(ring(&[2000], 20)).is_err());
    assert!(b.ports.fxs[0].command(ring(&[0, 100], 20)).is_err());
    assert!(b.ports.fxs[0].command(ring(&[100, 100], 5)).is_err());
    assert!(b.ports.fxs[0].command(Command::Hook(true)).is_err());
}

#[test]
fn polarity_and_battery_removal_show_on_the_pair() {
    let mut b = bench(ONE);
    b.cmd(0, Command::Polarity(Polarity::Reverse)).run(1);
    assert_eq!(b.ports.fxs[0].electrics().0, -48.0);
    b.sim(r#"{"do":"lift","port":0}"#);
    b.run(100);
    b.cmd(0, Command::Cpc(500)).run(250);
    assert_eq!(b.ports.fxs[0].electrics(), (0.0, 0.0));
    b.run(300);
    assert_eq!(b.ports.fxs[0].electrics().1, 23.0);
    // The loop stayed closed: the break was the office's, not the telephone's.
    assert_eq!(b.take(0), [PortEvent::OffHook]);
}

#[test]
fn sound_crosses_only_while_there_is_current() {
    let mut b = bench(ONE);
    let tone = ringtrip_driver_virtual::sound::sine(1000.0, 200, -10.0);
    b.tx[0] = tone.clone();
    b.run(200);
    assert_eq!(level_at(&b.ports.fxs[0].telephone.heard.since(0, 9999).1, 1000.0), -120.0);
    b.sim(r#"{"do":"lift","port":0}"#);
    b.run(50);
    b.heard(0);
    b.tx[0] = tone;
    b.sim(r#"{"do":"speak","port":0,"tone":{"hz":500,"ms":200,"dbm0":-12}}"#);
    b.run(200);
    let said = b.heard(0);
    assert!((level_at(&said, 500.0) + 12.0).abs() < 0.5);
    let (_, heard) = b.ports.fxs[0].telephone.heard.since(250 * 8, 1600);
    assert!((level_at(&heard, 1000.0) + 10.0).abs() < 0.5);
}

#[test]
fn keys_come_out_as_dtmf() {
    let mut b = bench(ONE);
    b.sim(r#"{"do":"lift","port":0}"#);
    b.run(50);
    b.sim(r#"{"do":"press","port":0,"keys":"159D*0#","on_ms":60,"off_ms":60}"#);
    b.run(1500);
    let mut keys = String::new();
    DtmfDetector::new().push(&b.heard(0), |h| {
        if let Heard::Down { key, .. } = h {
            keys.push(key);
        }
    });
    assert_eq!(keys, "159D*0#");
    assert_eq!(b.sim(r#"{"do":"state","port":0}"#)["dialling"], false);
}

#[test]
fn caller_id_between_rings_is_displayed() {
    let mut b = bench(ONE);
    let caller = Caller { number: "5551234".into(), name: "Ann".into(), ..Caller::default() };
    b.cmd(0, ring(&[2000, 4000], 20)).run(2500);
    b.cmd(0, Command::OnHookAudio(3000));
    let mut sound = vec![0; 16_000];
    BurstGen::new(&mdmf(FskStandard::Bell202, &caller)).fill(&mut sound);
    b.tx[0] = sound.clone();
    b.run(2500);
    let state = b.sim(r#"{"do":"state","port":0}"#);
    assert_eq!(state["display"][0]["number"], "5551234");
    assert_eq!(state["display"][0]["name"], "Ann");
    // Without on-hook audio nothing reaches the telephone.
    let mut b = bench(ONE);
    b.tx[0] = sound;
    b.run(2500);
    assert_eq!(b.sim(r#"{"do":"state","port":0}"#)["display"].as_array().unwrap().len(), 0);
}
