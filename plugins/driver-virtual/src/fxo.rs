//! An FXO port: the board's own side of an office line. It closes and breaks the loop, and reads ringing, polarity, battery and
//! parallel telephones from the voltage on the pair.

use ringtrip_driver::abi::LinePortCfgV1;
use ringtrip_driver::{Command, Polarity, PortEvent, Refused};

use crate::config::Fault;
use crate::fxs::{Reading, gain};
use crate::office::OfficeLine;
use crate::{Block, STEP};
use std::collections::VecDeque;

/// The port with its office line.
pub struct FxoPort {
    off_hook: bool,
    /// Breaks and makes still to be done: loop closed?, ms.
    contacts: VecDeque<(bool, u32)>,
    /// A parallel telephone is lifted.
    pub parallel: bool,
    cpc_min: u32,
    ring_min: u32,
    rx_gain_db: f32,
    tx_gain_db: f32,
    ring: Ring,
    polarity: Polarity,
    /// ms that the other polarity has been seen.
    reversed: u32,
    battery: Battery,
    parallel_seen: bool,
    parallel_ms: u32,
    /// ms off-hook without a break of our own.
    settled: u32,
    reading: Reading,
    /// The other end of the pair.
    pub office: OfficeLine,
}

/// Ring detection.
#[derive(Debug, Clone, Copy, Default)]
struct Ring {
    /// ms since alternating voltage began, while it goes on.
    since: u32,
    /// ms since it was last above the threshold.
    quiet: u32,
    reported: bool,
    hz: u32,
}

/// Battery supervision.
#[derive(Debug, Clone, Copy, Default)]
struct Battery {
    /// ms without.
    gone: u32,
    /// ms since it is back.
    back: u32,
    told_cpc: bool,
    told_lost: bool,
}

/// Ring detection threshold, V peak (15 V RMS).
const RING_PEAK: f32 = 21.0;
/// Without a crest for this long the burst is over: more than half a cycle at 10 Hz.
const RING_QUIET: u32 = 100;
/// Reversed for this long is a reversal.
const REVERSAL_MS: u32 = 10;
/// No battery on-hook for this long: the line is dead. Off-hook the office's own CPC comes first.
const DEAD_ON_HOOK: u32 = 500;
const DEAD_OFF_HOOK: u32 = 3000;
/// Battery must be back this long.
const BACK_MS: u32 = 100;
const PARALLEL_MS: u32 = 50;

impl FxoPort {
    /// An on-hook port on this line.
    pub fn new(office: OfficeLine) -> FxoPort {
        FxoPort {
            off_hook: false,
            contacts: VecDeque::new(),
            parallel: false,
            cpc_min: 200,
            ring_min: 100,
            rx_gain_db: 0.0,
            tx_gain_db: 0.0,
            ring: Ring { quiet: RING_QUIET, ..Ring::default() },
            polarity: Polarity::Forward,
            reversed: 0,
            battery: Battery::default(),
            parallel_seen: false,
            parallel_ms: 0,
            settled: 0,
            reading: Reading::default(),
            office,
        }
    }

    /// Takes a configuration; 0 keeps the default.
    pub fn configure(&mut self, cfg: &LinePortCfgV1) -> Result<(), Refused> {
        if cfg.cpc_min_ms > 2000 || cfg.ring_min_ms > 1000 {
            return Err(Refused::invalid(
                "use up to 2000 ms for cpc_min_ms and up to 1000 ms for ring_min_ms",
            ));
        }
        self.cpc_min = if cfg.cpc_min_ms == 0 { 200 } else { cfg.cpc_min_ms };
        self.ring_min = if cfg.ring_min_ms == 0 { 100 } else { cfg.ring_min_ms };
        self.rx_gain_db = cfg.rx_gain_db10.clamp(-300, 120) as f32 / 10.0;
        self.tx_gain_db = cfg.tx_gain_db10.clamp(-300, 120) as f32 / 10.0;
        Ok(())
    }

    /// Does as told.
    pub fn command(&mut self, cmd: Command) -> Result<(), Refused> {
        match cmd {
            Command::Hook(true) if self.office.fault == Fault::Refuses => {
                return Err(Refused::new(5, "the port cannot seize the line"));
            }
            Command::Hook(off) => {
                self.off_hook = off;
                self.contacts.clear();
                self.settled = 0;
                self.parallel_ms = 0;
            }
            Command::Flash(_) | Command::Pulse { .. } if !self.off_hook => {
                return Err(Refused::new(16, "the port is on-hook: seize the line first"));
            }
            Command::Flash(ms) if !(20..=2000).contains(&ms) => {
                return Err(Refused::invalid(format!("a flash of {ms} ms is not possible: use 20 to 2000")));
            }
            Command::Flash(ms) => self.contacts.push_back((false, ms)),
            Command::Pulse { digits, make_ms, break_ms, gap_ms } => {
                if let Some(bad) = digits.chars().find(|c| !c.is_ascii_digit()) {
                    return Err(Refused::invalid(format!("{bad:?} cannot be dialled by pulses: use 0 to 9")));
                }
                let or = |ms: u16, default: u32| if ms == 0 { default } else { u32::from(ms) };
                for d in digits.chars().filter_map(|c| c.to_digit(10)) {
                    for _ in 0..if d == 0 { 10 } else { d } {
                        self.contacts.extend([(false, or(break_ms, 60)), (true, or(make_ms, 40))]);
                    }
                    self.contacts.push_back((true, or(gap_ms, 800)));
                }
            }
            Command::Gain { rx_db10, tx_db10 } => {
                self.rx_gain_db = rx_db10.clamp(-300, 120) as f32 / 10.0;
                self.tx_gain_db = tx_db10.clamp(-300, 120) as f32 / 10.0;
            }
            Command::Linefeed(_)
            | Command::Ring { .. }
            | Command::RingStop
            | Command::Polarity(_)
            | Command::Cpc(_)
            | Command::Impedance(_)
            | Command::Echo(_)
            | Command::OnHookAudio(_)
            | Command::Mwi { .. }
            | Command::Meter(_)
            | Command::PowerDown(_) => {
                return Err(Refused::unsupported("an FXO port of this board cannot do that"));
            }
        }
        Ok(())
    }

    /// One ms: `tx` goes to the line; answers what the line says.
    pub fn step(&mut self, tx: &Block, out: &mut Vec<PortEvent>) -> Block {
        let own_break = self.contacts.front().is_some_and(|(closed, _)| !closed);
        if let Some((_, left)) = self.contacts.front_mut() {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.contacts.pop_front();
            }
        }
        let closed = self.off_hook && !own_break;
        self.settled = if closed { self.settled.saturating_add(1) } else { 0 };
        let mut says = [0; STEP];
        if closed && self.office.battery() != 0.0 && self.office.fault != Fault::NoLoop {
            says = *tx;
            gain(&mut says, self.tx_gain_db);
        }
        let mut rx = self.office.step(closed || self.parallel, &says);
        if self.office.battery() == 0.0 {
            rx = [0; STEP];
        }
        gain(&mut rx, self.rx_gain_db);
        let (volts, milliamps) = self.electrics();
        self.supervise_battery(volts, own_break, out);
        self.supervise_polarity(volts, out);
        self.supervise_parallel(volts, own_break, out);
        self.supervise_ring(out);
        self.reading.step(volts, milliamps, out);
        rx
    }

    /// Does the port hold the line?
    pub fn off_hook(&self) -> bool {
        self.off_hook
    }

    /// Polarity as the port sees it.
    pub fn polarity(&self) -> Polarity {
        self.polarity
    }

    /// Is a ring burst on the pair, as far as was told?
    pub fn ringing(&self) -> bool {
        self.ring.reported
    }

    /// Volts tip to ring, and the port's own loop current.
    pub fn electrics(&self) -> (f32, f32) {
        let battery = self.office.battery();
        let closed = self.off_hook && self.contacts.front().is_none_or(|(closed, _)| *closed);
        // Two telephones share the current and pull the voltage lower than one.
        let (volts, milliamps) = match (closed, self.parallel) {
            (false, false) => (48.0, 0.0),
            (true, false) => (8.0, 25.0),
            (false, true) => (8.0, 0.0),
            (true, true) => (5.0, 14.0),
        };
        // Through a joint that has corroded the voltage breaks down and next to nothing flows.
        let dead = self.office.fault == Fault::NoLoop && (closed || self.parallel);
        match (battery == 0.0, dead) {
            (true, _) => (0.0, 0.0),
            (false, true) => (9.0 * battery.signum(), 0.1),
            (false, false) => (volts * battery.signum(), milliamps),
        }
    }

    fn supervise_battery(&mut self, volts: f32, own_break: bool, out: &mut Vec<PortEvent>) {
        let b = &mut self.battery;
        if volts.abs() < 1.0 {
            b.gone = b.gone.saturating_add(1);
            b.back = 0;
            if self.off_hook && !own_break && b.gone >= self.cpc_min && !b.told_cpc {
                b.told_cpc = true;
                out.push(PortEvent::Cpc(b.gone));
            }
            let dead = if self.off_hook { DEAD_OFF_HOOK } else { DEAD_ON_HOOK };
            if b.gone >= dead && !b.told_lost {
                b.told_lost = true;
                out.push(PortEvent::BatteryLost);
            }
            return;
        }
        b.back = b.back.saturating_add(1);
        if b.back == 1 {
            b.gone = 0;
            b.told_cpc = false;
        }
        if b.back >= BACK_MS && b.told_lost {
            b.told_lost = false;
            out.push(PortEvent::BatteryOk);
        }
    }

    fn supervise_polarity(&mut self, volts: f32, out: &mut Vec<PortEvent>) {
        let seen = if volts < 0.0 { Polarity::Reverse } else { Polarity::Forward };
        if volts.abs() < 3.0 || seen == self.polarity {
            self.reversed = 0;
            return;
        }
        self.reversed += 1;
        if self.reversed >= REVERSAL_MS {
            self.polarity = seen;
            self.reversed = 0;
            out.push(PortEvent::Polarity(seen));
        }
    }

    fn supervise_parallel(&mut self, volts: f32, own_break: bool, out: &mut Vec<PortEvent>) {
        let v = volts.abs();
        // Without battery nothing can be said; our own breaks and the first moments off-hook look like anything.
        if v < 1.0 || own_break || (self.off_hook && self.settled < 100) {
            return;
        }
        let there = if self.off_hook { v < 8.0 * 0.8 } else { v < 30.0 };
        self.parallel_ms = if there != self.parallel_seen { self.parallel_ms + 1 } else { 0 };
        if self.parallel_ms >= PARALLEL_MS {
            self.parallel_seen = there;
            self.parallel_ms = 0;
            out.push(PortEvent::ExtPickup(there));
        }
    }

    fn supervise_ring(&mut self, out: &mut Vec<PortEvent>) {
        let ac = self.office.ringing();
        let r = &mut self.ring;
        match ac {
            Some((volts, hz)) if volts.abs() > RING_PEAK => {
                r.quiet = 0;
                r.hz = hz;
            }
            _ => r.quiet = r.quiet.saturating_add(1),
        }
        if r.quiet >= RING_QUIET {
            if std::mem::take(&mut r.reported) {
                out.push(PortEvent::RingEnd(r.since.saturating_sub(RING_QUIET)));
            }
            r.since = 0;
            return;
        }
        r.since += 1;
        if r.since >= self.ring_min && !r.reported && !self.off_hook {
            r.reported = true;
            out.push(PortEvent::RingBegin(r.hz));
        }
    }
}
