//! Sound from one telephone on a board to another: it waits no longer than it must. What has gathered, because one board or
//! the exchange was held up or because two boards have two clocks, is given up period by period.

use std::collections::VecDeque;

use super::stretch;

/// Most that waits, samples: 60 ms.
const MOST: usize = 480;
/// What has waited for this long without being needed is too much, samples: 200 ms.
const ROUND: usize = 1600;
/// As much is given up at least.
const LEAST: usize = 40;

/// A queue of samples that keeps itself short.
#[derive(Debug, Clone, Default)]
pub struct Elastic {
    waiting: VecDeque<i16>,
    /// The fewest that were left by a pull in this round, and how far it is.
    least: usize,
    pulled: usize,
    /// So much may be given up.
    spare: usize,
}

impl Elastic {
    /// Nothing waits.
    pub fn new() -> Elastic {
        Elastic { least: usize::MAX, ..Elastic::default() }
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        *self = Elastic::new();
    }

    /// How many samples wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Does nothing wait?
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes samples; what is too much is given up at once, oldest first.
    pub fn push(&mut self, samples: &[i16]) {
        self.waiting.extend(samples);
        let over = self.waiting.len().saturating_sub(MOST.max(samples.len()));
        self.waiting.drain(..over);
    }

    /// The next samples, silence where there are none. Answers whether there were any.
    pub fn pull(&mut self, out: &mut [i16]) -> bool {
        out.fill(0);
        let some = !self.waiting.is_empty();
        if !self.shorten(out) {
            let n = self.waiting.len().min(out.len());
            for (o, s) in out.iter_mut().zip(self.waiting.drain(..n)) {
                *o = s;
            }
        }
        self.least = self.least.min(self.waiting.len());
        self.pulled += out.len();
        if self.pulled >= ROUND {
            self.spare = if self.least >= LEAST { self.least } else { 0 };
            (self.least, self.pulled) = (usize::MAX, 0);
        }
        some
    }

    /// Fills `out` with one period less, where that is wanted and not heard.
    fn shorten(&mut self, out: &mut [i16]) -> bool {
        let surplus = self.waiting.len().saturating_sub(out.len());
        let most = self.spare.min(surplus).min(stretch::LONGEST);
        if most < LEAST || out.len() < stretch::MELT {
            return false;
        }
        let (melted, rest) = out.split_at_mut(stretch::MELT);
        let line: Vec<i16> = self.waiting.iter().take(stretch::MELT + most).copied().collect();
        let Some(by) = stretch::shorten(&line, most, 0.7, melted) else { return false };
        self.waiting.drain(..stretch::MELT + by);
        let n = rest.len();
        for (o, s) in rest.iter_mut().zip(self.waiting.drain(..n)) {
            *o = s;
        }
        self.spare = 0;
        (self.least, self.pulled) = (usize::MAX, 0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_gathered_is_given_up_unheard() {
        let sine = |t: usize| (8000.0 * (t as f32 * std::f32::consts::TAU * 400.0 / 8000.0).sin()) as i16;
        let mut elastic = Elastic::new();
        let (mut said, mut worst, mut last) = (0, 0, 0);
        for frame in 0..600 {
            // The listener's board is held up three times.
            let frames = if frame % 150 == 100 { 3 } else { 1 };
            for _ in 0..frames {
                elastic.push(&(said..said + 80).map(sine).collect::<Vec<_>>());
                said += 80;
            }
            let mut out = [0; 80];
            elastic.pull(&mut out);
            for s in out {
                worst = worst.max((i32::from(s) - last).abs());
                last = i32::from(s);
            }
            if frame % 150 == 99 {
                assert!(elastic.len() < 80, "{} samples wait before stall {}", elastic.len(), frame / 150);
            }
        }
        // The steepest step of this sine is 2,500.
        assert!(worst < 2700, "a step of {worst}");
    }
}
