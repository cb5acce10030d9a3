//! Hears tones: two frequencies in a cadence.

use super::ToneMatch;
use crate::goertzel::Goertzel;
use crate::level;

/// Samples between two looks: 10 ms.
const HOP: usize = 80;

/// Looks in a window. 20 ms tell frequencies that lie 50 Hz apart.
const HOPS: usize = 2;

/// Lowest level of a tone, dBm0.
const FLOOR_DBM0: f32 = -43.0;

/// Least part of all power that the two frequencies must have.
const PURITY: f32 = 0.6;

/// The same for a single tone: what beats with another one nearby is none.
const PURITY_SINGLE: f32 = 0.8;

/// Smallest margin for a cadence, in samples: edges are seen to 10 ms, and offices' relays are no better.
const LEAST_MARGIN: u32 = 240;

/// How far an office's frequency may be from its nominal value.
const TOLERANCE: f32 = 0.05;

/// Filters for one frequency: a window of 20 ms is too narrow to hear all of ±5 % by one.
const SPREAD: usize = 5;

/// Filters for a frequency and its neighbourhood.
type Band = [Goertzel; SPREAD];

/// Tells whether two frequencies (or one) and little else sound, every 10 ms, over the last 20 ms.
#[derive(Debug, Clone)]
pub struct Pair {
    filters: [Band; 2],
    /// The same filters, begun one hop later: windows overlap by half.
    late: [Band; 2],
    power: [f32; HOPS],
    sum: f32,
    count: usize,
    single: bool,
}

impl Pair {
    /// Listens for these frequencies; equal ones are a single tone.
    pub fn new(hz: [f32; 2]) -> Pair {
        let single = hz[0] == hz[1];
        // Of two that lie close together each keeps to its own side.
        let apart = if single { f32::INFINITY } else { (hz[0] - hz[1]).abs() / 3.0 };
        let filters = hz.map(|hz| band(hz, (hz * TOLERANCE).min(apart)));
        Pair { filters, late: filters, power: [0.0; HOPS], sum: 0.0, count: 0, single }
    }

    /// Takes a sample; every 10 ms says whether the tone sounded in the last 20 ms.
    pub fn push(&mut self, sample: i16) -> Option<bool> {
        let s = sample as f32;
        let bands = if self.single { 1 } else { 2 };
        for f in self.filters[..bands].iter_mut().chain(&mut self.late[..bands]).flatten() {
            f.push(s);
        }
        self.sum += s * s;
        self.count += 1;
        if self.count < HOP {
            return None;
        }
        let n = HOP * HOPS;
        self.power = [self.power[1], self.sum];
        let all = (self.power[0] + self.power[1]) / n as f32;
        let strongest = |band: &mut Band| band.iter_mut().map(|f| f.take(n)).fold(0.0, f32::max);
        let [a, b] = self.filters.each_mut().map(strongest);
        std::mem::swap(&mut self.filters, &mut self.late);
        (self.sum, self.count) = (0.0, 0);
        if level::dbm0(all) < FLOOR_DBM0 {
            return Some(false);
        }
        let (tone, purity) = if self.single { (a, PURITY_SINGLE) } else { (a + b, PURITY) };
        // Components of a pair are at most 13 dB apart (off-hook warning is 10 dB).
        let balanced = self.single || (a < 20.0 * b && b < 20.0 * a);
        Some(tone > purity * all && balanced)
    }
}

fn band(hz: f32, most: f32) -> Band {
    let step = 2.0 * most / (SPREAD - 1) as f32;
    std::array::from_fn(|n| Goertzel::new(hz - most + n as f32 * step))
}

/// Recognises a [`ToneMatch`] in a stream of samples, once; hears the next one after the tone has ceased.
#[derive(Debug, Clone)]
pub struct ToneDetector {
    wanted: ToneMatch,
    pair: Pair,
    sounding: bool,
    /// How long the present on or off has lasted, in samples.
    run: u32,
    /// For each pair that the present run may belong to: how much of the tone was matched before it.
    matched: [Option<u32>; 8],
    /// Was the last opinion different from `sounding`? One window that differs is a crackle.
    doubt: bool,
    told: bool,
}

impl ToneDetector {
    /// Listens for this tone.
    pub fn new(wanted: &ToneMatch) -> ToneDetector {
        ToneDetector {
            pair: Pair::new(wanted.hz),
            wanted: wanted.clone(),
            sounding: false,
            run: 0,
            matched: [None; 8],
            doubt: false,
            told: false,
        }
    }

    /// Takes samples; true when the tone has now been heard for long enough.
    pub fn push(&mut self, samples: &[i16]) -> bool {
        let mut heard = false;
        for &s in samples {
            if let Some(tone) = self.pair.push(s) {
                heard |= self.look(tone);
            }
        }
        heard
    }

    fn look(&mut self, tone: bool) -> bool {
        if self.wanted.pairs.is_empty() {
            return false;
        }
        let hop = HOP as u32;
        if tone == self.sounding {
            self.run = self.run.saturating_add(hop * (1 + self.doubt as u32));
            self.doubt = false;
        } else if !self.doubt && !self.short() {
            self.doubt = true;
        } else {
            self.turn(tone);
            self.run = hop * (1 + self.doubt as u32);
            self.doubt = false;
        }
        let enough = self.enough();
        if !enough && self.quiet_for_long() {
            self.told = false;
        }
        let first = enough && !self.told;
        self.told |= enough;
        first
    }

    /// Cadences of 50 ms and less leave no time to doubt.
    fn short(&self) -> bool {
        self.wanted.pairs.iter().any(|&(on, off)| on <= 480 || (off > 0 && off <= 480))
    }

    fn quiet_for_long(&self) -> bool {
        let longest_off = self.wanted.pairs.iter().map(|p| p.1).max().unwrap_or(0);
        !self.sounding && self.run > longest_off + longest_off / 10 + LEAST_MARGIN
    }

    /// A run has ended: which alignments with the cadence are still possible?
    fn turn(&mut self, sounding: bool) {
        let was_on = self.sounding;
        let n = self.wanted.pairs.len().min(self.matched.len());
        let run = self.run;
        let before = self.matched;
        self.sounding = sounding;
        if was_on {
            for (m, &(on, _)) in self.matched.iter_mut().zip(&self.wanted.pairs) {
                *m = m.filter(|_| close(run, on)).map(|m| m.saturating_add(run));
            }
            return;
        }
        self.matched = [None; 8];
        for (i, earlier) in before.iter().enumerate().take(n) {
            let next = (i + 1) % n;
            let good = close(run, self.wanted.pairs[i].1);
            let carried = earlier.filter(|_| good).map(|m| m.saturating_add(run));
            self.matched[next] = self.matched[next].max(carried);
        }
        // A tone may begin here with any of its pairs.
        for m in &mut self.matched[..n] {
            *m = Some(m.unwrap_or(0));
        }
    }

    fn enough(&self) -> bool {
        if self.wanted.continuous() {
            return self.sounding && self.run >= self.wanted.least;
        }
        // The present run counts while it is not too long; a tone that has not yet paused is not this tone.
        let in_run = |&(m, &(on, off)): &(&Option<u32>, &(u32, u32))| {
            let expected = if self.sounding { on } else { off };
            m.is_some_and(|m| {
                m > 0
                    && self.run <= expected + margin(expected)
                    && m.saturating_add(self.run) >= self.wanted.least
            })
        };
        self.matched.iter().zip(&self.wanted.pairs).any(|p| in_run(&p))
    }
}

/// 10 %, as the SPA3102 has it, but no less than edges can be seen.
fn margin(expected: u32) -> u32 {
    (expected / 10).max(LEAST_MARGIN)
}

fn close(run: u32, expected: u32) -> bool {
    run.abs_diff(expected) <= margin(expected)
}
