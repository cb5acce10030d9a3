//! An FXS port: battery, loop current, ringing, hook detection, and a telephone on the pair (spec of an analog line circuit:
//! −48 V, constant current, ring trip within two cycles).

use ringtrip_driver::abi::LinePortCfgV1;
use ringtrip_driver::{Command, Polarity, PortEvent, Refused};
use ringtrip_media::level;

use crate::hook::{Hook, HookReader, Windows};
use crate::telephone::Telephone;
use crate::{Block, STEP};

/// The port.
pub struct FxsPort {
    polarity: Polarity,
    /// ms left without battery.
    cpc_left: u32,
    /// ms left of audio to an on-hook telephone.
    oht_left: u32,
    ringer: Option<Ringer>,
    hook: HookReader,
    loop_ma: f32,
    ring_volts: f32,
    rx_gain_db: f32,
    tx_gain_db: f32,
    reading: Reading,
    /// What hangs on the pair.
    pub telephone: Telephone,
}

/// A ring generator with its cadence.
struct Ringer {
    cadence: Vec<u16>,
    hz: u32,
    /// Rounds left; `None` for ever.
    rounds: Option<u32>,
    at: usize,
    left: u32,
    /// Cycles since the burst began.
    cycles: f64,
    /// The cadence says off, but the voltage goes on to its next zero crossing: switching at the crest would click and spark.
    sounding: bool,
    /// ms of direct current while ringing.
    closed: u32,
}

/// When readings were reported last.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reading {
    volts: f32,
    milliamps: f32,
    age: u32,
}

/// Loop resistance of telephone and cable, Ω.
const LOOP_OHMS: f32 = 300.0;
/// Battery, V.
pub const BATTERY: f32 = 48.0;

impl FxsPort {
    /// A port with a telephone on its hook.
    pub fn new(windows: Windows, remember_s: u32) -> FxsPort {
        FxsPort {
            polarity: Polarity::Forward,
            cpc_left: 0,
            oht_left: 0,
            ringer: None,
            hook: HookReader::new(windows),
            loop_ma: 23.0,
            ring_volts: 85.0,
            rx_gain_db: 0.0,
            tx_gain_db: 0.0,
            reading: Reading::default(),
            telephone: Telephone::new(remember_s),
        }
    }

    /// Takes a configuration; 0 keeps the default.
    pub fn configure(&mut self, cfg: &LinePortCfgV1) -> Result<(), Refused> {
        let or = |value: u32, default: u32| if value == 0 { default } else { value };
        let d = Windows::default();
        let windows = Windows {
            flash_min: or(cfg.flash_min_ms, d.flash_min),
            flash_max: or(cfg.flash_max_ms, d.flash_max),
            pulse_max: or(cfg.pulse_max_ms, d.pulse_max),
        };
        if windows.flash_min > windows.flash_max {
            return Err(Refused::invalid(format!(
                "flash_min_ms {} is above flash_max_ms {}",
                windows.flash_min, windows.flash_max
            )));
        }
        let loop_ma = or(cfg.loop_ma, 23);
        let ring_volts = or(cfg.ring_volts, 85);
        if !(15..=60).contains(&loop_ma) || !(30..=110).contains(&ring_volts) {
            return Err(Refused::invalid("use 15 to 60 mA of loop current and 30 to 110 V of ringing"));
        }
        self.hook.set(windows);
        self.loop_ma = loop_ma as f32;
        self.ring_volts = ring_volts as f32;
        self.rx_gain_db = cfg.rx_gain_db10.clamp(-300, 120) as f32 / 10.0;
        self.tx_gain_db = cfg.tx_gain_db10.clamp(-300, 120) as f32 / 10.0;
        Ok(())
    }

    /// Does as told.
    pub fn command(&mut self, cmd: Command) -> Result<(), Refused> {
        match cmd {
            Command::Ring { cadence_ms, hz, repeat } => {
                let on_total: u32 = cadence_ms.iter().step_by(2).map(|ms| u32::from(*ms)).sum();
                if cadence_ms.is_empty() || !cadence_ms.len().is_multiple_of(2) || on_total == 0 {
                    return Err(Refused::invalid(
                        "a cadence is pairs of on and off times with some ringing in them",
                    ));
                }
                if !(10..=100).contains(&hz) {
                    return Err(Refused::invalid(format!(
                        "ringing at {hz} Hz is not possible: use 10 to 100"
                    )));
                }
                if self.hook.lifted() {
                    return Err(Refused::new(16, "the telephone is off-hook: it cannot be rung"));
                }
                self.ringer = Some(Ringer::new(cadence_ms, hz, repeat));
            }
            Command::RingStop => self.ringer = None,
            Command::Polarity(polarity) => self.polarity = polarity,
            Command::Cpc(ms) if ms > 1000 => {
                return Err(Refused::invalid(format!("{ms} ms without battery: use 0 to 1000")));
            }
            Command::Cpc(ms) => self.cpc_left = ms,
            Command::OnHookAudio(ms) => self.oht_left = ms,
            Command::Gain { rx_db10, tx_db10 } => {
                self.rx_gain_db = rx_db10.clamp(-300, 120) as f32 / 10.0;
                self.tx_gain_db = tx_db10.clamp(-300, 120) as f32 / 10.0;
            }
            Command::Linefeed(_)
            | Command::Hook(_)
            | Command::Flash(_)
            | Command::Pulse { .. }
            | Command::Impedance(_)
            | Command::Echo(_)
            | Command::Mwi { .. }
            | Command::Meter(_)
            | Command::PowerDown(_) => {
                return Err(Refused::unsupported("an FXS port of this board cannot do that"));
            }
        }
        Ok(())
    }

    /// One ms: `tx` goes to the telephone; answers what it says.
    pub fn step(&mut self, tx: &Block, out: &mut Vec<PortEvent>) -> Block {
        let powered = self.cpc_left == 0;
        self.cpc_left = self.cpc_left.saturating_sub(1);
        let closed = self.telephone.closed();
        let ac = self.ring(closed, out);
        let current = powered && closed && self.ringer.is_none();
        if current || (powered && self.ringer.is_none()) {
            match self.hook.step(closed) {
                None => {}
                Some(Hook::Lifted) => out.push(PortEvent::OffHook),
                Some(Hook::HungUp) => out.push(PortEvent::OnHook),
                Some(Hook::Flash(ms)) => out.push(PortEvent::Flash(ms)),
                Some(Hook::Digit(d)) => out.push(PortEvent::PulseDigit(d)),
            }
        }
        let mut pair = [0; STEP];
        if current || (powered && !closed && self.oht_left > 0) {
            pair = *tx;
            gain(&mut pair, self.tx_gain_db);
        }
        self.oht_left = self.oht_left.saturating_sub(1);
        let mut rx = self.telephone.step(ac, current, &pair);
        gain(&mut rx, self.rx_gain_db);
        let (volts, milliamps) = self.electrics();
        self.reading.step(volts, milliamps, out);
        rx
    }

    /// Volts tip to ring and loop current.
    pub fn electrics(&self) -> (f32, f32) {
        if self.cpc_left > 0 {
            return (0.0, 0.0);
        }
        let sign = if self.polarity == Polarity::Forward { 1.0 } else { -1.0 };
        if self.telephone.closed() {
            (sign * self.loop_ma * LOOP_OHMS / 1000.0, self.loop_ma)
        } else {
            (sign * BATTERY, 0.0)
        }
    }

    /// Is ringing voltage on the pair? V RMS and Hz.
    pub fn ringing(&self) -> Option<(f32, u32)> {
        self.ringer.as_ref().filter(|r| r.sounding).map(|r| (self.ring_volts, r.hz))
    }

    /// Has the line circuit seen the handset lifted?
    pub fn off_hook(&self) -> bool {
        self.hook.lifted()
    }

    /// Battery polarity.
    pub fn polarity(&self) -> Polarity {
        self.polarity
    }

    /// Runs the ring generator; true while its voltage is on the pair.
    fn ring(&mut self, closed: bool, out: &mut Vec<PortEvent>) -> bool {
        let Some(ringer) = &mut self.ringer else { return false };
        let alive = ringer.step();
        let sounding = ringer.sounding;
        // While ringing, the direct current shows in the mean over two cycles only.
        let trip_after = if sounding { (2000 / ringer.hz).min(200) } else { 15 };
        ringer.closed = if closed { ringer.closed + 1 } else { 0 };
        if ringer.closed >= trip_after {
            self.ringer = None;
            self.hook.force_lifted();
            out.push(PortEvent::RingTrip);
            return false;
        }
        if !alive {
            self.ringer = None;
        }
        sounding
    }
}

impl Ringer {
    fn new(cadence: Vec<u16>, hz: u32, repeat: u32) -> Ringer {
        let left = cadence.first().copied().unwrap_or(0).into();
        Ringer {
            cadence,
            hz,
            rounds: (repeat > 0).then_some(repeat),
            at: 0,
            left,
            cycles: 0.0,
            sounding: false,
            closed: 0,
        }
    }

    /// One ms; false when the last round is over.
    fn step(&mut self) -> bool {
        // An on or off time of 0 is passed over; a cadence has some ringing, so this ends.
        while self.left == 0 {
            self.at += 1;
            if self.at >= self.cadence.len() {
                self.at = 0;
                if let Some(rounds) = &mut self.rounds {
                    *rounds -= 1;
                    if *rounds == 0 {
                        return false;
                    }
                }
            }
            self.left = self.cadence.get(self.at).copied().unwrap_or(1).into();
        }
        self.left -= 1;
        let wanted = self.at.is_multiple_of(2);
        for _ in 0..STEP {
            let before = (self.cycles * 2.0) as u64;
            if self.sounding {
                self.cycles += f64::from(self.hz) / 8000.0;
            }
            let crossing = (self.cycles * 2.0) as u64 != before;
            if wanted && !self.sounding {
                self.sounding = true;
                self.cycles = 0.0;
            } else if !wanted && self.sounding && crossing {
                self.sounding = false;
            }
        }
        true
    }
}

impl Reading {
    /// Reports a reading when it changed, four times a second at most.
    pub(crate) fn step(&mut self, volts: f32, milliamps: f32, out: &mut Vec<PortEvent>) {
        self.age = self.age.saturating_add(1);
        let changed = (volts - self.volts).abs() > 1.0 || (milliamps - self.milliamps).abs() > 1.0;
        if changed && self.age >= 250 {
            *self = Reading { volts, milliamps, age: 0 };
            out.push(PortEvent::Reading { volts, milliamps });
        }
    }
}

/// A gain that costs nothing when it is 0 dB.
pub(crate) fn gain(block: &mut Block, db: f32) {
    if db != 0.0 {
        level::gain(block, db);
    }
}
