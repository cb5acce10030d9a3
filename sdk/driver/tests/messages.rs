//! Commands and events survive the trip through the C ABI, and no bit pattern from a foreign driver is a panic.

use proptest::prelude::*;
use ringtrip_driver::abi::{LineCmdU, LineCmdV1, LineEventU, LineEventV1, LinePulseV1};
use ringtrip_driver::{Command, Event, Polarity, PortEvent, PortKind};

fn check(cmd: Command) {
    assert_eq!(Command::from_abi(&cmd.to_abi()), Some(cmd));
}

#[test]
fn commands_survive() {
    check(Command::Linefeed(3));
    check(Command::Ring { cadence_ms: vec![400, 200, 400, 2000], hz: 25, repeat: 0 });
    check(Command::RingStop);
    check(Command::Hook(true));
    check(Command::Flash(100));
    check(Command::Pulse { digits: "0123456789".into(), make_ms: 33, break_ms: 67, gap_ms: 800 });
    check(Command::Polarity(Polarity::Reverse));
    check(Command::Cpc(500));
    check(Command::Gain { rx_db10: -30, tx_db10: 60 });
    check(Command::Impedance(2));
    check(Command::Echo(32));
    check(Command::OnHookAudio(3000));
    check(Command::Mwi { kind: 1, count: 4 });
    check(Command::Meter(2));
    check(Command::PowerDown(true));
}

#[test]
fn long_lists_are_cut_to_the_abi() {
    let ring = Command::Ring { cadence_ms: vec![100; 40], hz: 20, repeat: 0 };
    let Some(Command::Ring { cadence_ms, .. }) = Command::from_abi(&ring.to_abi()) else {
        panic!("not a ring")
    };
    assert_eq!(cadence_ms.len(), 16);
}

#[test]
fn events_survive() {
    let kinds = [
        PortEvent::Ready(PortKind::Fxo),
        PortEvent::BoardGone,
        PortEvent::OffHook,
        PortEvent::OnHook,
        PortEvent::Flash(500),
        PortEvent::PulseDigit('0'),
        PortEvent::RingTrip,
        PortEvent::RingBegin(25),
        PortEvent::RingEnd(2000),
        PortEvent::Polarity(Polarity::Reverse),
        PortEvent::Cpc(250),
        PortEvent::BatteryLost,
        PortEvent::BatteryOk,
        PortEvent::ExtPickup(true),
        PortEvent::Reading { volts: -48.5, milliamps: 22.25 },
        PortEvent::Dtmf('#'),
        PortEvent::Alarm(3),
        PortEvent::AlarmClear(3),
        PortEvent::MwiNeon(true),
        PortEvent::Meter,
        PortEvent::Xrun(7),
        PortEvent::HookEdge(false),
    ];
    for kind in kinds {
        let event = Event { port: 3, mono_ns: 5, sample: 80, kind };
        assert_eq!(Event::from_abi(&event.to_abi()), Some(event));
    }
}

proptest! {
    #[test]
    fn any_event_is_read_or_refused(kind: u32, port: u32, value: u32) {
        let u = widened(value);
        let raw = LineEventV1 { struct_size: 48, kind: kind % 32, port, reserved: 0, mono_ns: 1, sample: 1, u };
        if let Some(event) = Event::from_abi(&raw) {
            prop_assert_eq!(event.port, port);
        }
    }

    #[test]
    fn any_pulse_command_is_read(count: u32, digits: [std::ffi::c_char; 64]) {
        let pulse = LinePulseV1 { count, make_ms: 0, break_ms: 0, gap_ms: 0, reserved: 0, digits };
        let raw = LineCmdV1 { struct_size: 0, kind: ringtrip_driver::abi::cmd::PULSE, u: LineCmdU { pulse } };
        let Some(Command::Pulse { digits, .. }) = Command::from_abi(&raw) else { panic!("not a pulse") };
        prop_assert!(digits.chars().count() <= 64);
    }
}

fn widened(value: u32) -> LineEventU {
    let reading = ringtrip_driver::abi::LineReadingV1 { volts: f32::from_bits(value), milliamps: f32::NAN };
    LineEventU { reading }
}
