//! Packet-loss concealment in the manner of G.711 appendix I: the last pitch period goes on, more quietly the longer
//! it lasts, and melts into what comes next.

/// Longest and shortest pitch period, samples: 66–200 Hz as in the appendix.
const PITCH_MAX: usize = 120;
const PITCH_MIN: usize = 40;
/// What is remembered: three of the longest periods and a quarter.
const HISTORY: usize = 390;
/// Stretch that two periods are compared over: 20 ms.
const COMPARE: usize = 160;
/// Samples at full strength, and until silence: 10 and 60 ms.
const FULL: usize = 80;
const SILENT: usize = 480;

/// Conceals what is missing from a stream of samples.
#[derive(Debug, Clone)]
pub struct Concealer {
    history: [i16; HISTORY],
    /// The period that is repeated, while something is missing.
    gap: Option<Gap>,
}

#[derive(Debug, Clone, Copy)]
struct Gap {
    period: usize,
    /// One period, its end bent to meet its beginning.
    wave: [i16; PITCH_MAX],
    at: usize,
    done: usize,
}

impl Default for Concealer {
    fn default() -> Concealer {
        Concealer::new()
    }
}

impl Concealer {
    /// Remembers silence.
    pub fn new() -> Concealer {
        Concealer { history: [0; HISTORY], gap: None }
    }

    /// Takes samples that came. After a gap their beginning is melted into the concealment.
    pub fn good(&mut self, samples: &mut [i16]) {
        if let Some(mut gap) = self.gap.take() {
            // A quarter of a period, and 4 ms more for each 10 ms of gap, as in the appendix; at most 10 ms.
            let n = (gap.period / 4 + gap.done / 80 * 32).min(80).min(samples.len());
            for (k, s) in samples[..n].iter_mut().enumerate() {
                let (old, new) = (gap.next() as i32, *s as i32);
                let k = k as i32 + 1;
                *s = (old + (new - old) * k / (n as i32 + 1)) as i16;
            }
        }
        self.remember(samples);
    }

    /// Fills in for samples that did not come.
    pub fn conceal(&mut self, samples: &mut [i16]) {
        let mut gap = self.gap.unwrap_or_else(|| self.begin());
        for s in samples.iter_mut() {
            *s = gap.next();
        }
        self.gap = Some(gap);
        self.remember(samples);
    }

    /// The last samples that were played, at most 390.
    pub fn last(&self, n: usize) -> &[i16] {
        &self.history[HISTORY.saturating_sub(n)..]
    }

    fn remember(&mut self, samples: &[i16]) {
        let n = samples.len().min(HISTORY);
        self.history.copy_within(n.., 0);
        self.history[HISTORY - n..].copy_from_slice(&samples[samples.len() - n..]);
    }

    fn begin(&self) -> Gap {
        let period = self.pitch();
        let mut wave = [0; PITCH_MAX];
        wave[..period].copy_from_slice(&self.history[HISTORY - period..]);
        // The last quarter melts into what came before the period, so that its end meets its beginning.
        let quarter = period / 4;
        let before = &self.history[HISTORY - period - quarter..HISTORY - period];
        for (k, &b) in before.iter().enumerate() {
            let w = &mut wave[period - quarter + k];
            let (k, q) = (k as i32 + 1, quarter as i32 + 1);
            *w = (*w as i32 + (b as i32 - *w as i32) * k / q) as i16;
        }
        Gap { period, wave, at: 0, done: 0 }
    }

    /// The lag at which the last 20 ms look most like what was before.
    fn pitch(&self) -> usize {
        let last = &self.history[HISTORY - COMPARE..];
        let score = |lag: usize| {
            let earlier = &self.history[HISTORY - COMPARE - lag..HISTORY - lag];
            let (mut product, mut power) = (0i64, 1i64);
            // Every second sample tells the pitch as well.
            for (a, b) in last.iter().zip(earlier).step_by(2) {
                product += *a as i64 * *b as i64;
                power += *b as i64 * *b as i64;
            }
            product as f32 / (power as f32).sqrt()
        };
        let mut best = (PITCH_MAX, f32::MIN);
        for lag in PITCH_MIN..=PITCH_MAX {
            let s = score(lag);
            if s > best.1 {
                best = (lag, s);
            }
        }
        best.0
    }
}

impl Gap {
    fn next(&mut self) -> i16 {
        let s = self.wave[self.at] as i32;
        self.at = (self.at + 1) % self.period;
        let left = SILENT.saturating_sub(self.done.max(FULL)) as i32;
        self.done = self.done.saturating_add(1);
        (s * left / (SILENT - FULL) as i32) as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level;

    fn vowel(n: usize) -> Vec<i16> {
        (0..n)
            .map(|t| {
                let x = t as f32 * std::f32::consts::TAU * 125.0 / 8000.0;
                (6000.0 * x.sin() + 3000.0 * (3.0 * x).sin() + 1500.0 * (7.0 * x + 1.0).sin()) as i16
            })
            .collect()
    }

    /// Loses these frames of 20 ms.
    fn with_loss(audio: &[i16], lost: &[usize]) -> Vec<i16> {
        let mut c = Concealer::new();
        let mut out = audio.to_vec();
        for (n, f) in out.chunks_mut(160).enumerate() {
            if lost.contains(&n) { c.conceal(f) } else { c.good(f) }
        }
        out
    }

    #[test]
    fn a_lost_frame_of_a_vowel_is_hardly_noticed() {
        let clean = vowel(8000);
        let heard = with_loss(&clean, &[10, 20, 31]);
        let error: Vec<i16> = clean.iter().zip(&heard).map(|(a, b)| a.saturating_sub(*b)).collect();
        let of_lost = level::of(&error[1600..1760]);
        assert!(of_lost < level::of(&clean) - 8.0, "{of_lost} against {}", level::of(&clean));
        let steepest = clean.windows(2).map(|w| (w[1] as i32 - w[0] as i32).abs()).max();
        let worst = heard.windows(2).map(|w| (w[1] as i32 - w[0] as i32).abs()).max();
        assert!(worst <= steepest.map(|s| s * 3 / 2), "no click: {worst:?} against {steepest:?}");
    }

    #[test]
    fn a_long_loss_fades_to_silence_after_60_ms() {
        let heard = with_loss(&vowel(8000), &[10, 11, 12, 13, 14]);
        let frame = |n: usize| level::of(&heard[n * 160..n * 160 + 160]);
        assert!(frame(10) > frame(11) && frame(11) > frame(12));
        assert_eq!(heard[13 * 160..15 * 160], [0; 320]);
        assert!(frame(16) > -12.0);
    }

    #[test]
    fn silence_stays_silent_and_odd_lengths_work() {
        let mut c = Concealer::new();
        for n in [0, 1, 7, 160, 1000] {
            let mut s = vec![0; n];
            c.conceal(&mut s);
            c.good(&mut s);
            assert!(s.iter().all(|&x| x == 0));
        }
    }
}
