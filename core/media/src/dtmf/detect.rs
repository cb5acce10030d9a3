//! Hears keys in speech and noise.
//!
//! Every 5 ms the last 20 ms are weighted by a Hann window and correlated with the eight frequencies. A look is of a
//! key when one row and one column stand out, together hold most of all power (speech never does for long), and
//! their twist is that of a telephone. How far a frequency is off shows in how the phase of its correlation turns
//! from look to look; that separates ±1.5 % from ±3.5 %, which no filter of 20 ms can.
//!
//! Dial tone and mains hum lie below all keys and may be much louder: where a look fails for them alone, what lies below
//! 575 Hz is left out, and more is asked of the rest, for what lies there in speech tells it from keys.
//!
//! Times: a look counts when its power is within 6 dB of the tone's peak, that is when the tone covers the middle of
//! the window; so the number of looks times 5 ms is the length of the tone, at any level.

use std::f32::consts::TAU;
use std::sync::LazyLock;

use super::{COLUMNS, KEYS, ROWS};
use crate::level;

/// Samples in a window: 20 ms.
const WINDOW: usize = 160;
/// Samples between looks: 5 ms.
const HOP: usize = 40;

/// Looks a tone must last: 35 ms, between the 23 ms that must be refused and the 40 ms that must be accepted.
const LEAST: u32 = 7;
/// Looks without the tone that end it: 25 ms, between a drop-out of 10 ms and a pause of 40 ms.
const GONE: u32 = 5;
/// Lowest level of each tone, dBm0; −25 must be accepted, −55 refused.
const FLOOR_DBM0: f32 = -34.0;
/// Highest of high over low group, dB: 4 must be accepted; and of low over high: 8 must be accepted.
const TWIST_DB: (f32, f32) = (6.0, 10.5);
/// Least part of all power that row and column hold together in a look at a tone's edge, where its spectrum is wide,
/// and on average in the looks that the tone fills.
const PURITY: f32 = 0.62;
const PURITY_WITHIN: f32 = 0.86;
/// The same where what lies below the keys is left out.
const PURITY_ABOVE: f32 = 0.75;
const PURITY_WITHIN_ABOVE: f32 = 0.93;
/// Bins of 50 Hz that lie below the keys: with a Hann window a tone of 686 Hz has nothing in them.
const BELOW: usize = 12;
/// Least lead of the row over the other rows, and of the column: a factor of power.
const LEAD: f32 = 3.0;
/// Farthest that a frequency may be off: between 1.5 % and 3.5 %.
const OFF: f32 = 0.025;

/// What was heard, with the time since the detector began, in samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A key went down.
    Down {
        /// Which.
        key: char,
        /// When its tone began.
        at: u64,
    },
    /// It came up again.
    Up {
        /// Which.
        key: char,
        /// How long its tone lasted, ms.
        ms: u16,
    },
}

/// Detects keys. Feed it everything that is heard.
#[derive(Debug, Clone)]
pub struct DtmfDetector {
    /// The window, as a ring.
    ring: [f32; WINDOW],
    at: usize,
    fresh: usize,
    looks: u64,
    /// Correlations of the last look, for the turn of their phase.
    before: [(f32, f32); 8],
    rising: Option<Rising>,
    down: Option<Down>,
}

/// A key that is not yet believed.
#[derive(Debug, Clone, Copy)]
struct Rising {
    key: (u8, u8),
    since: u64,
    peak: f32,
    /// Powers of its looks, and their purity.
    powers: [f32; 16],
    purity: [f32; 16],
    above: [f32; 16],
    count: usize,
    missed: u32,
    turn: Turn,
}

/// A key that was told.
#[derive(Debug, Clone, Copy)]
struct Down {
    key: (u8, u8),
    since: u64,
    last: u64,
    peak: f32,
    missed: u32,
}

/// Sum of the phase turns of row and column, weighted by power.
#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    row: (f32, f32),
    column: (f32, f32),
}

/// One look.
struct Look {
    key: (u8, u8),
    power: f32,
    purity: f32,
    /// The same with what lies below the keys left out.
    above: f32,
    turn: Turn,
}

/// Hann window times cosine and sine of each frequency.
struct Tables {
    window: [f32; WINDOW],
    cos: [[f32; WINDOW]; 8],
    sin: [[f32; WINDOW]; 8],
    /// Bins below the keys.
    below: [([f32; WINDOW], [f32; WINDOW]); BELOW],
}

static TABLES: LazyLock<Box<Tables>> = LazyLock::new(|| {
    let mut t = Box::new(Tables {
        window: [0.0; WINDOW],
        cos: [[0.0; WINDOW]; 8],
        sin: [[0.0; WINDOW]; 8],
        below: [([0.0; WINDOW], [0.0; WINDOW]); BELOW],
    });
    for n in 0..WINDOW {
        t.window[n] = 0.5 - 0.5 * (TAU * (n as f32 + 0.5) / WINDOW as f32).cos();
        for (f, hz) in ROWS.iter().chain(&COLUMNS).enumerate() {
            let (sin, cos) = (TAU * hz * n as f32 / 8000.0).sin_cos();
            t.cos[f][n] = t.window[n] * cos;
            t.sin[f][n] = t.window[n] * sin;
        }
        for k in 0..BELOW {
            let (sin, cos) = (TAU * (k * n) as f32 / WINDOW as f32).sin_cos();
            (t.below[k].0[n], t.below[k].1[n]) = (t.window[n] * cos, t.window[n] * sin);
        }
    }
    t
});

impl Default for DtmfDetector {
    fn default() -> DtmfDetector {
        DtmfDetector::new()
    }
}

impl DtmfDetector {
    /// Begins to listen.
    pub fn new() -> DtmfDetector {
        DtmfDetector {
            ring: [0.0; WINDOW],
            at: 0,
            fresh: 0,
            looks: 0,
            before: [(0.0, 0.0); 8],
            rising: None,
            down: None,
        }
    }

    /// Takes samples; tells keys as they go down (45 ms after they began) and come up.
    pub fn push(&mut self, mut samples: &[i16], mut tell: impl FnMut(Heard)) {
        while !samples.is_empty() {
            let n = (HOP - self.fresh).min(samples.len());
            let (now, rest) = samples.split_at(n);
            // HOP divides WINDOW: a hop never wraps.
            for (r, s) in self.ring[self.at..self.at + n].iter_mut().zip(now) {
                *r = *s as f32;
            }
            self.at = (self.at + n) % WINDOW;
            self.fresh += n;
            samples = rest;
            if self.fresh == HOP {
                self.fresh = 0;
                self.looks += 1;
                let look = self.look();
                self.step(look, &mut tell);
            }
        }
    }

    /// Does a key sound, or may one be beginning? For muting in-band tones early.
    pub fn sounding(&self) -> bool {
        self.down.is_some() || self.rising.is_some_and(|r| r.count >= 2)
    }

    fn look(&mut self) -> Option<Look> {
        let tables = &**TABLES;
        let mut line = [0f32; WINDOW];
        let (newer, older) = self.ring.split_at(self.at);
        line[..older.len()].copy_from_slice(older);
        line[older.len()..].copy_from_slice(newer);
        let mut all = 0.0;
        for (s, w) in line.iter().zip(&tables.window) {
            all += (s * w) * (s * w);
        }
        // Mean square that Σ(s·w)² stands for: Σw² is 3/8 of the window.
        let all = all / (0.375 * WINDOW as f32);
        let before = self.before;
        if level::dbm0(all) < FLOOR_DBM0 {
            self.before = [(0.0, 0.0); 8];
            return None;
        }
        let mut now = [(0f32, 0f32); 8];
        for (f, z) in now.iter_mut().enumerate() {
            *z = (dot(&line, &tables.cos[f]), dot(&line, &tables.sin[f]));
        }
        self.before = now;
        // |Σ s·w·e| of a sine of amplitude a is a/2·Σw, Σw half the window; its mean square a²/2.
        let scale = 2.0 / (0.5 * WINDOW as f32).powi(2);
        let power = now.map(|(re, im)| scale * (re * re + im * im));
        let (rows, columns) = power.split_at(4);
        let (row, column) = (leader(rows)?, leader(columns)?);
        let turn = |f: usize, hz: f32| {
            let (a, b) = (now[f], before[f]);
            // The tables begin anew each hop: undo the turn of the nominal frequency.
            let (sin, cos) = (TAU * hz * HOP as f32 / 8000.0).sin_cos();
            // Correlating with e^{-jωn} leaves im = −Σ s·sin.
            let (re, im) = (a.0 * b.0 + a.1 * b.1, a.0 * b.1 - a.1 * b.0);
            (re * cos + im * sin, im * cos - re * sin)
        };
        let turns = Turn { row: turn(row, ROWS[row]), column: turn(4 + column, COLUMNS[column]) };
        // A tone at the edge of what is accepted lies off the filter's middle: give it back what it loses there.
        let low = rows[row] / hann_loss(off(turns.row));
        let high = columns[column] / hann_loss(off(turns.column));
        let floor = 10f32.powf((FLOOR_DBM0 - level::dbm0(1.0)) / 10.0);
        let twist = 10.0 * (high / low).log10();
        let good = low > floor && high > floor && twist < TWIST_DB.0 && twist > -TWIST_DB.1;
        if !good {
            return None;
        }
        let power = low + high;
        let purity = power / all;
        let above = match purity {
            PURITY_WITHIN_ABOVE.. => purity,
            _ => (power / (all - below(&line)).max(0.5 * power)).min(1.0),
        };
        let key = (row as u8, column as u8);
        let pure = purity > PURITY || above > PURITY_ABOVE;
        pure.then_some(Look { key, power, purity, above, turn: turns })
    }

    fn step(&mut self, look: Option<Look>, tell: &mut impl FnMut(Heard)) {
        if let Some(down) = &mut self.down {
            match look.as_ref().filter(|l| l.key == down.key) {
                Some(l) if l.power >= down.peak / 4.0 => {
                    down.peak = down.peak.max(l.power);
                    (down.last, down.missed) = (self.looks, 0);
                    return;
                }
                _ => down.missed += 1,
            }
            if down.missed >= GONE {
                let ms = ((down.last + 1 - down.since) * 5).min(u16::MAX as u64) as u16;
                tell(Heard::Up { key: KEYS[down.key.0 as usize][down.key.1 as usize], ms });
                self.down = None;
            }
        }
        self.rise(look);
        let Some(r) = self.rising.filter(Rising::believable) else { return };
        if let Some(down) = self.down.take() {
            let ms = ((down.last + 1 - down.since) * 5).min(u16::MAX as u64) as u16;
            tell(Heard::Up { key: KEYS[down.key.0 as usize][down.key.1 as usize], ms });
        }
        self.rising = None;
        // The first look that counts has the tone's beginning in the middle of its window.
        let since = r.since + r.powers[..r.count].iter().take_while(|p| **p < r.peak / 4.0).count() as u64;
        let at = (since * HOP as u64).saturating_sub(WINDOW as u64 / 2);
        tell(Heard::Down { key: KEYS[r.key.0 as usize][r.key.1 as usize], at });
        self.down = Some(Down { key: r.key, since, last: self.looks, peak: r.peak, missed: 0 });
    }

    fn rise(&mut self, look: Option<Look>) {
        let Some(look) = look else {
            if let Some(r) = &mut self.rising {
                r.missed += 1;
                if r.missed >= GONE - 2 {
                    self.rising = None;
                }
            }
            return;
        };
        match &mut self.rising {
            Some(r) if r.key == look.key => r.add(&look),
            _ => {
                let mut r = Rising {
                    key: look.key,
                    since: self.looks,
                    peak: 0.0,
                    powers: [0.0; 16],
                    purity: [0.0; 16],
                    above: [0.0; 16],
                    count: 0,
                    missed: 0,
                    turn: Turn::default(),
                };
                r.add(&look);
                // The first look's turn compares with what was there before the tone.
                r.turn = Turn::default();
                self.rising = Some(r);
            }
        }
    }
}

impl Rising {
    fn add(&mut self, look: &Look) {
        self.missed = 0;
        self.peak = self.peak.max(look.power);
        if self.count == self.powers.len() {
            self.powers.rotate_left(1);
            self.purity.rotate_left(1);
            self.above.rotate_left(1);
            self.count -= 1;
            self.since += 1;
        }
        self.powers[self.count] = look.power;
        self.purity[self.count] = look.purity;
        self.above[self.count] = look.above;
        self.count += 1;
        for (sum, add) in [(&mut self.turn.row, look.turn.row), (&mut self.turn.column, look.turn.column)] {
            (sum.0, sum.1) = (sum.0 + add.0, sum.1 + add.1);
        }
    }

    fn believable(&self) -> bool {
        let counted = self.powers[..self.count].iter().filter(|p| **p >= self.peak / 4.0).count() as u32;
        let within = |n: &usize| self.powers[*n] >= self.peak * 0.7;
        let sum = |of: &[f32; 16]| (0..self.count).filter(within).map(|n| of[n]).sum::<f32>();
        let looks = (0..self.count).filter(within).count() as f32;
        let pure =
            sum(&self.purity) >= PURITY_WITHIN * looks || sum(&self.above) >= PURITY_WITHIN_ABOVE * looks;
        let near = |turn: (f32, f32), hz: f32| off(turn).abs() <= OFF * hz;
        counted >= LEAST
            && pure
            && near(self.turn.row, ROWS[self.key.0 as usize])
            && near(self.turn.column, COLUMNS[self.key.1 as usize])
    }
}

/// Mean square of what lies below the keys.
fn below(line: &[f32; WINDOW]) -> f32 {
    let bins = TABLES.below.iter().enumerate().map(|(k, (cos, sin))| {
        let (re, im) = (dot(line, cos), dot(line, sin));
        // Each bin but the first stands for two.
        (re * re + im * im) * if k == 0 { 1.0 } else { 2.0 }
    });
    bins.sum::<f32>() / WINDOW as f32 / (0.375 * WINDOW as f32)
}

/// How far a frequency is off, Hz, by how its phase turned in a hop.
fn off(turn: (f32, f32)) -> f32 {
    turn.1.atan2(turn.0) * 8000.0 / (TAU * HOP as f32)
}

/// Power that a Hann window of 20 ms leaves of a tone this far from the middle.
fn hann_loss(off_hz: f32) -> f32 {
    let x = off_hz.abs().min(60.0) * WINDOW as f32 / 8000.0;
    let sinc = if x < 1e-3 { 1.0 } else { (TAU / 2.0 * x).sin() / (TAU / 2.0 * x) };
    (sinc / (1.0 - x * x).max(1e-3)).powi(2).max(0.05)
}

/// The strongest of four, if it leads.
fn leader(power: &[f32]) -> Option<usize> {
    let best = (0..power.len()).max_by(|&a, &b| power[a].total_cmp(&power[b]))?;
    let leads = power.iter().enumerate().all(|(n, p)| n == best || power[best] > LEAD * p);
    leads.then_some(best)
}

fn dot(a: &[f32; WINDOW], b: &[f32; WINDOW]) -> f32 {
    // Eight sums side by side let the compiler use vectors.
    let mut sums = [0f32; 8];
    for (x, y) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for n in 0..8 {
            sums[n] += x[n] * y[n];
        }
    }
    sums.iter().sum()
}
