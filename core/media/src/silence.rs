//! Is anybody there? Voice activity for long-silence detection (SPA `PSTN_Silence_Threshold`,
//! `Detect_PSTN_Long_Silence`), and the comfort noise that is played where nothing is sent.
//!
//! Comfort noise, line hum and hiss are steady: they set a floor that voice must rise above. Hold music and tones are
//! loud and count as voice.

use crate::level;

/// How loud voice must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Threshold {
    /// −56 dBm0.
    VeryLow,
    /// −50 dBm0.
    Low,
    /// −44 dBm0.
    #[default]
    Medium,
    /// −38 dBm0.
    High,
    /// −32 dBm0.
    VeryHigh,
}

impl Threshold {
    /// The level.
    pub fn dbm0(self) -> f32 {
        match self {
            Threshold::VeryLow => -56.0,
            Threshold::Low => -50.0,
            Threshold::Medium => -44.0,
            Threshold::High => -38.0,
            Threshold::VeryHigh => -32.0,
        }
    }
}

/// Samples in a look: 20 ms.
const LOOK: u32 = 160;
/// Voice rises above steady noise by this, dB.
const ABOVE: f32 = 6.0;
/// What is louder than this is no noise of a line but a tone, music, or a fax from far away, however steady.
const LOUDEST_NOISE: f32 = -38.0;
/// How fast the floor follows a level that stays, dB a look: 5 dB a second.
const RISE: f32 = 0.1;

/// Measures how long nothing was heard.
#[derive(Debug, Clone)]
pub struct SilenceDetector {
    threshold: f32,
    sum: f32,
    count: u32,
    floor: f32,
    /// Looks in a row that seemed to be voice: a single one is a crackle.
    voiced: u32,
    silent_for: u32,
}

impl SilenceDetector {
    /// Begins to measure.
    pub fn new(threshold: Threshold) -> SilenceDetector {
        SilenceDetector {
            threshold: threshold.dbm0(),
            sum: 0.0,
            count: 0,
            floor: -90.0,
            voiced: 0,
            silent_for: 0,
        }
    }

    /// Takes samples; says for how many samples there has been no voice.
    pub fn push(&mut self, samples: &[i16]) -> u32 {
        for &s in samples {
            self.sum += s as f32 * s as f32;
            self.count += 1;
            if self.count == LOOK {
                self.look();
            }
        }
        self.silent_for
    }

    /// Nobody was heard for this long, in samples.
    pub fn silent_for(&self) -> u32 {
        self.silent_for
    }

    /// Begins to measure anew; the floor stays.
    pub fn restart(&mut self) {
        self.silent_for = 0;
    }

    fn look(&mut self) {
        let now = level::dbm0(self.sum / LOOK as f32);
        (self.sum, self.count) = (0.0, 0);
        self.floor = match now < self.floor {
            true => now.max(-90.0),
            false => (self.floor + RISE).min(now).min(LOUDEST_NOISE),
        };
        let voice = now > self.threshold && (now > LOUDEST_NOISE || now > self.floor + ABOVE);
        self.voiced = if voice { self.voiced + 1 } else { 0 };
        // Noise that begins takes a while to be known as such; then its time counts as silence from there on.
        self.silent_for = if self.voiced >= 2 { 0 } else { self.silent_for.saturating_add(LOOK) };
    }
}

/// Noise that tells a listener that the line is not dead.
#[derive(Debug, Clone)]
pub struct ComfortNoise {
    seed: u32,
    last: f32,
    peak: f32,
}

impl ComfortNoise {
    /// Noise of this level; −65 is a quiet room.
    pub fn new(dbm0: f32) -> ComfortNoise {
        // A first-order low pass of ½ leaves a third of the power of uniform noise, whose mean square is peak²/3.
        let peak = level::amplitude(dbm0) / 2f32.sqrt() * 3.0;
        ComfortNoise { seed: 0x9E37_79B9, last: 0.0, peak }
    }

    /// Overwrites `out`.
    pub fn fill(&mut self, out: &mut [i16]) {
        for o in out {
            self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let white = self.seed as i32 as f32 / i32::MAX as f32 * self.peak;
            self.last += 0.5 * (white - self.last);
            *o = self.last.round() as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(dbm0: f32, ms: usize) -> Vec<i16> {
        let mut out = vec![0; ms * 8];
        ComfortNoise::new(dbm0).fill(&mut out);
        out
    }

    fn silent_ms(threshold: Threshold, audio: &[i16]) -> u32 {
        let mut d = SilenceDetector::new(threshold);
        audio.chunks(100).for_each(|c| {
            d.push(c);
        });
        d.silent_for() / 8
    }

    /// Bursts of 200 ms, as syllables are, of this level.
    fn speech(dbm0: f32, ms: usize) -> Vec<i16> {
        let mut all = noise(dbm0, ms);
        all.chunks_mut(1600).skip(1).step_by(2).for_each(|c| c.fill(0));
        all
    }

    #[test]
    fn comfort_noise_has_its_level() {
        for dbm0 in [-65.0, -50.0, -30.0] {
            let measured = level::of(&noise(dbm0, 2000));
            assert!((measured - dbm0).abs() < 1.0, "{measured} for {dbm0}");
        }
    }

    #[test]
    fn silence_and_steady_noise_are_silence() {
        assert!(silent_ms(Threshold::Medium, &vec![0; 80_000]) >= 9_900);
        assert!(silent_ms(Threshold::Medium, &noise(-60.0, 10_000)) >= 9_900);
        // Louder than the threshold, but steady: known as noise within some ten seconds.
        assert!(silent_ms(Threshold::Medium, &noise(-40.0, 40_000)) >= 25_000);
    }

    #[test]
    fn voice_music_and_tones_are_not() {
        let check = |what: &str, audio: &[i16]| {
            let ms = silent_ms(Threshold::Medium, audio);
            assert!(ms <= 400, "{what}: {ms}");
        };
        check("speech", &speech(-25.0, 40_000));
        check("quiet speech", &speech(-38.0, 40_000));
        let mut tone = vec![0; 320_000];
        crate::tone::ToneGen::new(&"440@-19;*(*/0/1)".parse().expect("script")).fill(&mut tone);
        check("a tone", &tone);
        crate::tone::ToneGen::new(&"1800@-35;*(*/0/1)".parse().expect("script")).fill(&mut tone);
        check("a fax from far away", &tone);
    }

    #[test]
    fn thresholds_differ() {
        let whisper = speech(-47.0, 10_000);
        assert!(silent_ms(Threshold::Low, &whisper) <= 400);
        assert!(silent_ms(Threshold::Medium, &whisper) >= 9_000);
    }
}
