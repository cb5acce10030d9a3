//! Sends keys in-band.

use super::frequencies;
use crate::level::amplitude;
use crate::script::PER_MS;
use crate::tone::Play;

/// How keys are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sending {
    /// Tone, ms (SPA `DTMF_Playback_Length`; 50 and more).
    pub on: u16,
    /// Pause after each tone, ms (45 and more).
    pub off: u16,
    /// Level of both tones together, dBm0.
    pub dbm0: f32,
    /// How much louder the high group is, dB: lines lose high frequencies.
    pub twist_db: f32,
}

impl Default for Sending {
    /// The levels of a telephone at the exchange: −7.5 dBm in all, high group up by 2 dB, 100 ms on and off.
    fn default() -> Sending {
        Sending { on: 100, off: 100, dbm0: -7.5, twist_db: 2.0 }
    }
}

/// Plays a row of keys; `,` is a pause of one second, `p` of 100 ms, other characters are passed over.
#[derive(Debug, Clone)]
pub struct DtmfGen {
    keys: String,
    at: usize,
    sending: Sending,
    /// The tone under way.
    tone: Option<Pair>,
    left: u32,
    length: u32,
    pause: u32,
}

/// Both tones of a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair([Sine; 2]);

/// One oscillator: cosine and sine, those of its step, and its amplitude.
type Sine = (f64, f64, f64, f64, f32);

/// Rise and fall, samples: 2 ms.
pub(super) const RAMP: u32 = 2 * PER_MS;

impl Pair {
    /// The tones of this key, both together and the twist as asked for.
    pub(super) fn new((row, column): (f32, f32), dbm0: f32, twist_db: f32) -> Pair {
        // Powers of both add up to the whole: low = whole / (1 + 10^(twist/10)).
        let low = dbm0 - 10.0 * (1.0 + 10f32.powf(twist_db / 10.0)).log10();
        let voice = |hz: f32, dbm0: f32| {
            let (sin, cos) = (std::f64::consts::TAU * hz as f64 / 8000.0).sin_cos();
            (1.0, 0.0, cos, sin, amplitude(dbm0))
        };
        Pair([voice(row, low), voice(column, low + twist_db)])
    }

    pub(super) fn next(&mut self) -> f32 {
        let mut sum = 0.0;
        for t in &mut self.0 {
            sum += t.4 * t.1 as f32;
            (t.0, t.1) = (t.0 * t.2 - t.1 * t.3, t.1 * t.2 + t.0 * t.3);
        }
        sum
    }
}

impl DtmfGen {
    /// Begins to send.
    pub fn new(keys: &str, sending: Sending) -> DtmfGen {
        DtmfGen { keys: keys.into(), at: 0, sending, tone: None, left: 0, length: 0, pause: 0 }
    }

    /// Appends keys.
    pub fn push(&mut self, keys: &str) {
        self.keys.drain(..self.at);
        self.at = 0;
        self.keys.push_str(keys);
    }

    /// Overwrites `out` with the next samples. It has ended after the pause that follows the last key.
    pub fn fill(&mut self, out: &mut [i16]) -> Play {
        for o in out {
            *o = self.next();
        }
        if self.left == 0 && self.pause == 0 && !self.more() { Play::Ended } else { Play::Going }
    }

    fn more(&self) -> bool {
        self.keys[self.at..].chars().any(|c| matches!(c, ',' | 'p') || frequencies(c).is_some())
    }

    fn next(&mut self) -> i16 {
        while self.left == 0 && self.pause == 0 {
            let Some(c) = self.keys[self.at..].chars().next() else { return 0 };
            self.at += c.len_utf8();
            match (c, frequencies(c)) {
                (',', _) => self.pause = 1000 * PER_MS,
                ('p', _) => self.pause = 100 * PER_MS,
                (_, Some(pair)) => self.begin(pair),
                _ => {}
            }
        }
        if self.left == 0 {
            self.pause -= 1;
            return 0;
        }
        self.left -= 1;
        let done = self.length - self.left;
        let ramp = (done.min(self.left) as f32 / RAMP as f32).min(1.0);
        let sum = self.tone.as_mut().map_or(0.0, Pair::next);
        (sum * ramp).round() as i16
    }

    fn begin(&mut self, key: (f32, f32)) {
        let s = &self.sending;
        self.tone = Some(Pair::new(key, s.dbm0, s.twist_db));
        self.length = s.on as u32 * PER_MS;
        self.left = self.length;
        self.pause = s.off as u32 * PER_MS;
    }
}
