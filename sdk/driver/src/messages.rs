//! The ABI's commands and events as Rust types: what a driver written in Rust sees, and what the board host makes of a foreign
//! driver's structs.

use crate::abi::{
    self, LineCmdU, LineCmdV1, LineEventU, LineEventV1, LinePulseV1, LineReadingV1, LineRingV1,
};

/// What a port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortKind {
    /// Drives a telephone.
    Fxs,
    /// Faces the central office.
    Fxo,
}

/// Battery polarity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Polarity {
    /// Tip is positive.
    #[default]
    Forward,
    /// Ring is positive.
    Reverse,
}

/// What a port should do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Sets the line feed (`LINE_FEED_*`).
    Linefeed(u32),
    /// (FXS) Rings: on and off times in ms, at most 16 values; frequency in Hz.
    Ring {
        /// On, off, on, off … in ms.
        cadence_ms: Vec<u16>,
        /// Frequency.
        hz: u32,
        /// How many rounds of the cadence; 0 is for ever.
        repeat: u32,
    },
    /// (FXS) Stops ringing.
    RingStop,
    /// (FXO) Seizes (true) or releases (false) the line.
    Hook(bool),
    /// (FXO) Breaks the loop for so many ms.
    Flash(u32),
    /// (FXO) Dials by pulses.
    Pulse {
        /// Digits `0`–`9`, at most 64.
        digits: String,
        /// Make time, ms; 0 is the driver's default.
        make_ms: u16,
        /// Break time, ms; 0 is the driver's default.
        break_ms: u16,
        /// Pause between digits, ms; 0 is the driver's default.
        gap_ms: u16,
    },
    /// (FXS) Battery polarity.
    Polarity(Polarity),
    /// (FXS) No battery for so many ms.
    Cpc(u32),
    /// Gains in 0.1 dB.
    Gain {
        /// Towards the exchange.
        rx_db10: i32,
        /// Towards the line.
        tx_db10: i32,
    },
    /// Line impedance by number.
    Impedance(u32),
    /// Hardware echo canceller tail in ms; 0 is off.
    Echo(u32),
    /// (FXS) Audio to an on-hook telephone for so many ms.
    OnHookAudio(u32),
    /// (FXS) Message lamp.
    Mwi {
        /// Which kind of lamp.
        kind: u32,
        /// How many messages.
        count: u32,
    },
    /// (FXS) Metering pulses.
    Meter(u32),
    /// Powers the port down (true) or up.
    PowerDown(bool),
}

/// What a port saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PortEvent {
    /// Works (again).
    Ready(PortKind),
    /// The board went away.
    BoardGone,
    /// (FXS) Lifted.
    OffHook,
    /// (FXS) Hung up.
    OnHook,
    /// (FXS) Hook flash of so many ms.
    Flash(u32),
    /// (FXS) A pulse-dialled digit.
    PulseDigit(char),
    /// (FXS) Lifted while ringing.
    RingTrip,
    /// (FXO) A ring burst of so many Hz began (0: not measured).
    RingBegin(u32),
    /// (FXO) A ring burst of so many ms ended.
    RingEnd(u32),
    /// (FXO) Polarity changed.
    Polarity(Polarity),
    /// (FXO) Battery removed while off-hook; ms so far.
    Cpc(u32),
    /// (FXO) No battery.
    BatteryLost,
    /// (FXO) Battery is back.
    BatteryOk,
    /// (FXO) Parallel telephone lifted (true) or hung up.
    ExtPickup(bool),
    /// Electrical readings.
    Reading {
        /// Tip to ring, signed.
        volts: f32,
        /// Loop current.
        milliamps: f32,
    },
    /// A key from a hardware detector.
    Dtmf(char),
    /// Alarm bits now set.
    Alarm(u32),
    /// Alarm bits now clear.
    AlarmClear(u32),
    /// (FXO) Neon message lamp.
    MwiNeon(bool),
    /// (FXO) A metering pulse.
    Meter,
    /// So many frames were lost.
    Xrun(u32),
    /// Raw hook edge: closed (true) or open.
    HookEdge(bool),
}

/// An event on a port, and when it happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// Which port.
    pub port: u32,
    /// `CLOCK_MONOTONIC`.
    pub mono_ns: u64,
    /// The sample it belongs to, counted from the start of audio.
    pub sample: u64,
    /// What.
    pub kind: PortEvent,
}

impl PortKind {
    /// The ABI's number.
    pub fn code(self) -> u32 {
        match self {
            PortKind::Fxs => abi::port::FXS,
            PortKind::Fxo => abi::port::FXO,
        }
    }
    /// The kind that this number names.
    pub fn from_code(code: u32) -> Option<PortKind> {
        match code {
            abi::port::FXS => Some(PortKind::Fxs),
            abi::port::FXO => Some(PortKind::Fxo),
            _ => None,
        }
    }
}

impl Polarity {
    /// The ABI's number.
    pub fn code(self) -> u32 {
        match self {
            Polarity::Forward => abi::polarity::FORWARD,
            Polarity::Reverse => abi::polarity::REVERSE,
        }
    }
    /// Everything but 0 is reversed.
    pub fn from_code(code: u32) -> Polarity {
        if code == abi::polarity::FORWARD { Polarity::Forward } else { Polarity::Reverse }
    }
}

impl Command {
    /// The command as the ABI carries it. Lists longer than the ABI's are cut.
    pub fn to_abi(&self) -> LineCmdV1 {
        let value = |kind, value| (kind, LineCmdU { value });
        let (kind, u) = match self {
            Command::Linefeed(feed) => value(abi::cmd::LINEFEED, *feed),
            Command::Ring { cadence_ms, hz, repeat } => {
                let mut ring = LineRingV1 {
                    count: 0,
                    hz: *hz,
                    repeat: *repeat,
                    crest_x10: 0,
                    cadence_ms: [0; abi::MAX_CADENCE],
                };
                for (to, from) in ring.cadence_ms.iter_mut().zip(cadence_ms) {
                    *to = *from;
                    ring.count += 1;
                }
                (abi::cmd::RING, LineCmdU { ring })
            }
            Command::RingStop => value(abi::cmd::RING_STOP, 0),
            Command::Hook(off) => value(abi::cmd::HOOK, (*off).into()),
            Command::Flash(ms) => value(abi::cmd::FLASH, *ms),
            Command::Pulse { digits, make_ms, break_ms, gap_ms } => {
                let mut pulse = LinePulseV1 {
                    count: 0,
                    make_ms: *make_ms,
                    break_ms: *break_ms,
                    gap_ms: *gap_ms,
                    reserved: 0,
                    digits: [0; abi::MAX_DIGITS],
                };
                for (to, from) in pulse.digits.iter_mut().zip(digits.bytes()) {
                    *to = from as std::ffi::c_char;
                    pulse.count += 1;
                }
                (abi::cmd::PULSE, LineCmdU { pulse })
            }
            Command::Polarity(p) => value(abi::cmd::POLARITY, p.code()),
            Command::Cpc(ms) => value(abi::cmd::CPC, *ms),
            Command::Gain { rx_db10, tx_db10 } => {
                (abi::cmd::GAIN, LineCmdU { gain: abi::LineGainV1 { rx_db10: *rx_db10, tx_db10: *tx_db10 } })
            }
            Command::Impedance(n) => value(abi::cmd::IMPEDANCE, *n),
            Command::Echo(ms) => value(abi::cmd::ECHO, *ms),
            Command::OnHookAudio(ms) => value(abi::cmd::OHT, *ms),
            Command::Mwi { kind, count } => {
                (abi::cmd::MWI, LineCmdU { mwi: abi::LineMwiV1 { kind: *kind, count: *count } })
            }
            Command::Meter(n) => value(abi::cmd::METER, *n),
            Command::PowerDown(down) => value(abi::cmd::POWER_DOWN, (*down).into()),
        };
        LineCmdV1 { struct_size: size_of::<LineCmdV1>() as u32, kind, u }
    }

    /// The command that a host sent; `None` when this version does not know it.
    pub fn from_abi(c: &LineCmdV1) -> Option<Command> {
        // SAFETY: every member of the union is plain old data for which all bit patterns are valid, and the struct is
        // full size, so whichever member `kind` names may be read.
        unsafe {
            Some(match c.kind {
                abi::cmd::LINEFEED => Command::Linefeed(c.u.value),
                abi::cmd::RING => {
                    let n = (c.u.ring.count as usize).min(abi::MAX_CADENCE);
                    let cadence_ms = c.u.ring.cadence_ms.iter().take(n).copied().collect();
                    Command::Ring { cadence_ms, hz: c.u.ring.hz, repeat: c.u.ring.repeat }
                }
                abi::cmd::RING_STOP => Command::RingStop,
                abi::cmd::HOOK => Command::Hook(c.u.value != 0),
                abi::cmd::FLASH => Command::Flash(c.u.value),
                abi::cmd::PULSE => {
                    let p = c.u.pulse;
                    let n = (p.count as usize).min(abi::MAX_DIGITS);
                    let digits = p.digits.iter().take(n).map(|d| char::from(*d as u8)).collect();
                    Command::Pulse { digits, make_ms: p.make_ms, break_ms: p.break_ms, gap_ms: p.gap_ms }
                }
                abi::cmd::POLARITY => Command::Polarity(Polarity::from_code(c.u.value)),
                abi::cmd::CPC => Command::Cpc(c.u.value),
                abi::cmd::GAIN => Command::Gain { rx_db10: c.u.gain.rx_db10, tx_db10: c.u.gain.tx_db10 },
                abi::cmd::IMPEDANCE => Command::Impedance(c.u.value),
                abi::cmd::ECHO => Command::Echo(c.u.value),
                abi::cmd::OHT => Command::OnHookAudio(c.u.value),
                abi::cmd::MWI => Command::Mwi { kind: c.u.mwi.kind, count: c.u.mwi.count },
                abi::cmd::METER => Command::Meter(c.u.value),
                abi::cmd::POWER_DOWN => Command::PowerDown(c.u.value != 0),
                _ => return None,
            })
        }
    }
}

impl Event {
    /// The event as the ABI carries it.
    pub fn to_abi(&self) -> LineEventV1 {
        use abi::event as ev;
        let (kind, value) = match self.kind {
            PortEvent::Ready(kind) => (ev::READY, kind.code()),
            PortEvent::BoardGone => (ev::BOARD_GONE, 0),
            PortEvent::OffHook => (ev::OFFHOOK, 0),
            PortEvent::OnHook => (ev::ONHOOK, 0),
            PortEvent::Flash(ms) => (ev::FLASH, ms),
            PortEvent::PulseDigit(d) => (ev::PULSE_DIGIT, d.into()),
            PortEvent::RingTrip => (ev::RING_TRIP, 0),
            PortEvent::RingBegin(hz) => (ev::RING_BEGIN, hz),
            PortEvent::RingEnd(ms) => (ev::RING_END, ms),
            PortEvent::Polarity(p) => (ev::POLARITY, p.code()),
            PortEvent::Cpc(ms) => (ev::CPC, ms),
            PortEvent::BatteryLost => (ev::BATTERY_LOST, 0),
            PortEvent::BatteryOk => (ev::BATTERY_OK, 0),
            PortEvent::ExtPickup(up) => (ev::EXT_PICKUP, up.into()),
            PortEvent::Reading { .. } => (ev::READING, 0),
            PortEvent::Dtmf(k) => (ev::DTMF, k.into()),
            PortEvent::Alarm(bits) => (ev::ALARM, bits),
            PortEvent::AlarmClear(bits) => (ev::ALARM_CLEAR, bits),
            PortEvent::MwiNeon(on) => (ev::MWI_NEON, on.into()),
            PortEvent::Meter => (ev::METER, 0),
            PortEvent::Xrun(n) => (ev::XRUN, n),
            PortEvent::HookEdge(closed) => (ev::HOOK_EDGE, closed.into()),
        };
        let u = match self.kind {
            PortEvent::Reading { volts, milliamps } => {
                LineEventU { reading: LineReadingV1 { volts, milliamps } }
            }
            // The wider member first, so that no byte of the union is left unset.
            _ => {
                let mut u = LineEventU { reading: LineReadingV1 { volts: 0.0, milliamps: 0.0 } };
                u.value = value;
                u
            }
        };
        LineEventV1 {
            struct_size: size_of::<LineEventV1>() as u32,
            kind,
            port: self.port,
            reserved: 0,
            mono_ns: self.mono_ns,
            sample: self.sample,
            u,
        }
    }

    /// What a driver reported; `None` when this version does not know the word or its argument makes no sense.
    pub fn from_abi(e: &LineEventV1) -> Option<Event> {
        use abi::event as ev;
        // SAFETY: every event sets at least the first four bytes, and all bit patterns are valid.
        let value = unsafe { e.u.value };
        // SAFETY: asked for only when the kind says that the driver set both floats.
        let reading = || unsafe { e.u.reading };
        let key =
            || char::from_u32(value).filter(|c| c.is_ascii_digit() || matches!(c, '*' | '#' | 'A'..='D'));
        let kind = match e.kind {
            ev::READY => PortEvent::Ready(PortKind::from_code(value)?),
            ev::BOARD_GONE => PortEvent::BoardGone,
            ev::OFFHOOK => PortEvent::OffHook,
            ev::ONHOOK => PortEvent::OnHook,
            ev::FLASH => PortEvent::Flash(value),
            ev::PULSE_DIGIT => PortEvent::PulseDigit(key()?),
            ev::RING_TRIP => PortEvent::RingTrip,
            ev::RING_BEGIN => PortEvent::RingBegin(value),
            ev::RING_END => PortEvent::RingEnd(value),
            ev::POLARITY => PortEvent::Polarity(Polarity::from_code(value)),
            ev::CPC => PortEvent::Cpc(value),
            ev::BATTERY_LOST => PortEvent::BatteryLost,
            ev::BATTERY_OK => PortEvent::BatteryOk,
            ev::EXT_PICKUP => PortEvent::ExtPickup(value != 0),
            ev::READING => {
                let LineReadingV1 { volts, milliamps } = reading();
                if !volts.is_finite() || !milliamps.is_finite() {
                    return None;
                }
                PortEvent::Reading { volts, milliamps }
            }
            ev::DTMF => PortEvent::Dtmf(key()?),
            ev::ALARM => PortEvent::Alarm(value),
            ev::ALARM_CLEAR => PortEvent::AlarmClear(value),
            ev::MWI_NEON => PortEvent::MwiNeon(value != 0),
            ev::METER => PortEvent::Meter,
            ev::XRUN => PortEvent::Xrun(value),
            ev::HOOK_EDGE => PortEvent::HookEdge(value != 0),
            _ => return None,
        };
        Some(Event { port: e.port, mono_ns: e.mono_ns, sample: e.sample, kind })
    }
}
