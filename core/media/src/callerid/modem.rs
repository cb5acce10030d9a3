//! Sends a burst: alerting tone, channel seizure, mark, data.

use super::{Burst, Lead};
use crate::level::amplitude;
use crate::tone::Play;

/// Bits a second.
pub(super) const BAUD: f64 = 1200.0;

/// Level of each of the two alerting tones, dBm0 (BT SIN 227: −2 to −40 dBV at the telephone).
const ALERT_DBM0: f32 = -15.0;

/// Mark after the last stop bit, so that the telephone's demodulator settles before the carrier goes.
const TRAILING_MARKS: u32 = 4;

/// Modulates a [`Burst`] into frames of any length, with continuous phase.
#[derive(Debug, Clone)]
pub struct BurstGen {
    burst: Burst,
    /// Samples of alerting tone and of silence still to send.
    alert: u32,
    gap: u32,
    alert_total: u32,
    phase: f64,
    bit: u32,
    bits: u32,
    /// Samples of the present bit still to send, with their fraction.
    left: f64,
    steps: [f64; 2],
    amplitude: f32,
}

impl BurstGen {
    /// Begins a burst.
    pub fn new(burst: &Burst) -> BurstGen {
        let (mark, space) = burst.standard.hz();
        let step = |hz: f32| std::f64::consts::TAU * hz as f64 / 8000.0;
        let (alert, gap) = match burst.lead {
            Lead::None => (0, 0),
            Lead::Alert { ms, gap_ms } => (ms as u32 * 8, gap_ms as u32 * 8),
        };
        let data = burst.message.len() as u32 * 10;
        BurstGen {
            alert,
            gap,
            alert_total: alert,
            phase: 0.0,
            bit: 0,
            bits: burst.seizure_bits as u32 + burst.mark_bits as u32 + data + TRAILING_MARKS,
            left: 8000.0 / BAUD,
            steps: [step(space), step(mark)],
            amplitude: amplitude(burst.dbm0),
            burst: burst.clone(),
        }
    }

    /// Overwrites `out` with the next samples; silence after the end.
    pub fn fill(&mut self, out: &mut [i16]) -> Play {
        for o in out {
            *o = self.next().round() as i16;
        }
        if self.alert == 0 && self.gap == 0 && self.bit >= self.bits { Play::Ended } else { Play::Going }
    }

    fn next(&mut self) -> f32 {
        if self.alert > 0 {
            let n = (self.alert_total - self.alert) as f64;
            self.alert -= 1;
            // 3 ms of rise and fall keep the click out of the detector's guard band.
            let ramp = (n as f32 / 24.0).min(self.alert as f32 / 24.0).min(1.0);
            let sine = |hz: f64| (std::f64::consts::TAU * hz * n / 8000.0).sin() as f32;
            return amplitude(ALERT_DBM0) * ramp * (sine(2130.0) + sine(2750.0));
        }
        if self.gap > 0 {
            self.gap -= 1;
            return 0.0;
        }
        if self.bit >= self.bits {
            return 0.0;
        }
        let sample = self.amplitude * self.phase.sin() as f32;
        let step = self.steps[self.level(self.bit) as usize];
        if self.left >= 1.0 {
            self.phase += step;
            self.left -= 1.0;
        } else {
            // The bit ends inside this sample: the rest of it turns at the next bit's frequency.
            self.bit += 1;
            let next = if self.bit < self.bits { self.steps[self.level(self.bit) as usize] } else { step };
            self.phase += step * self.left + next * (1.0 - self.left);
            self.left += 8000.0 / BAUD - 1.0;
        }
        self.phase %= std::f64::consts::TAU;
        sample
    }

    /// Is bit `n` a mark?
    fn level(&self, n: u32) -> bool {
        let Some(n) = n.checked_sub(self.burst.seizure_bits as u32) else { return n % 2 == 1 };
        let Some(n) = n.checked_sub(self.burst.mark_bits as u32) else { return true };
        let Some(&byte) = self.burst.message.get(n as usize / 10) else { return true };
        match n % 10 {
            0 => false,
            9 => true,
            bit => byte >> (bit - 1) & 1 == 1,
        }
    }
}
