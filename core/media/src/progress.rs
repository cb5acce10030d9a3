//! Hears what an office says while a call is set up: dial tone, ringback, busy, reorder, of any country.
//!
//! One or two frequencies between 300 and 660 Hz in a cadence; the frequencies differ by country, the cadences hardly:
//! dial tone does not pause, ringback pauses for seconds, busy for about half a second, reorder for about a quarter.

use crate::goertzel::Goertzel;
use crate::level;
use crate::tone::{ToneDetector, ToneMatch};

/// What was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Progress {
    /// The office waits for digits.
    DialTone,
    /// The far telephone rings.
    Ringback,
    /// The far telephone is busy.
    Busy,
    /// The call cannot be completed.
    Reorder,
}

/// Frequencies of call-progress tones in the world.
const BANK: [f32; 9] = [330.0, 350.0, 400.0, 425.0, 440.0, 450.0, 480.0, 600.0, 620.0];
/// Samples in a look: 40 ms tell 350 Hz from 400 and 480 from 440.
const LOOK: usize = 320;
const LOOK_MS: u32 = 40;
/// Lowest level, dBm0.
const FLOOR_DBM0: f32 = -40.0;
/// Least part of all power in the band.
const PURITY: f32 = 0.7;

/// Hears call-progress tones. Each is told once until another follows or it has ceased.
#[derive(Debug, Clone, Default)]
pub struct ProgressDetector {
    bank: Bank,
    sounding: bool,
    run: u32,
    /// Lengths of the last on and off, ms; 0 is unknown.
    last: [u32; 2],
    /// Is the tone one that dial tone is made of?
    dial_like: u32,
    told: Option<Progress>,
}

impl ProgressDetector {
    /// Takes samples; tells what is now known.
    pub fn push(&mut self, samples: &[i16]) -> Option<Progress> {
        let mut heard = None;
        for &s in samples {
            if let Some(look) = self.bank.push(s) {
                heard = self.look(&look).or(heard);
            }
        }
        heard
    }

    fn look(&mut self, look: &Look) -> Option<Progress> {
        let Look { power, best, second, .. } = look;
        let tone = look.is_tone();
        if tone != self.sounding {
            self.last[self.sounding as usize] = self.run;
            (self.sounding, self.run, self.dial_like) = (tone, 0, 0);
        }
        self.run = self.run.saturating_add(LOOK_MS);
        // 440 + 480 is ringback wherever it is used; the 600s are busy and reorder.
        let strong = |n: usize| power[n] * 20.0 > power[*best] && power[n] > 0.0;
        let pair_350_440 =
            tone && strong(1) && strong(4) && power[6] < power[1] && power[8] * 20.0 < power[*best];
        let single = tone && second * 20.0 < power[*best] && (2..=5).contains(best);
        if pair_350_440 || single {
            self.dial_like += if pair_350_440 { 4 } else { 1 };
        }
        let heard = self.understand()?;
        (self.told != Some(heard)).then(|| {
            self.told = Some(heard);
            heard
        })
    }

    fn understand(&mut self) -> Option<Progress> {
        let [off, on] = self.last;
        let near = |ms: u32, low: u32, high: u32| (low..=high).contains(&ms);
        if !self.sounding {
            if self.run > 7_000 {
                (self.told, self.last) = (None, [0; 2]);
            }
            // A long pause after a burst.
            return (self.run >= 1_000 && near(on, 300, 3_000)).then_some(Progress::Ringback);
        }
        // No ringback or busy lasts 2.2 s; 350 + 440 Hz needs 0.5 s only.
        if self.dial_like >= 55 || (self.dial_like >= 48 && self.run <= 700) {
            return Some(Progress::DialTone);
        }
        // Two bursts with the pause between them: told as the second one begins.
        match (on, off) {
            _ if self.run > LOOK_MS * 2 => None,
            _ if near(on, 130, 320) && near(off, 130, 320) => Some(Progress::Reorder),
            _ if near(on, 321, 640) && near(off, 321, 700) => Some(Progress::Busy),
            _ => None,
        }
    }
}

/// Measures the frequencies of call-progress tones, look by look.
#[derive(Debug, Clone)]
pub(crate) struct Bank {
    filters: [Goertzel; BANK.len()],
    sum: f32,
    count: usize,
}

/// What sounded in one look.
pub(crate) struct Look {
    power: [f32; BANK.len()],
    /// Mean square of everything.
    all: f32,
    /// The strongest frequency, by its place in the bank.
    best: usize,
    /// Power of the strongest one beside it.
    second: f32,
}

impl Default for Bank {
    fn default() -> Bank {
        Bank { filters: BANK.map(Goertzel::new), sum: 0.0, count: 0 }
    }
}

impl Bank {
    /// Takes a sample; every 40 ms says what sounded.
    pub(crate) fn push(&mut self, sample: i16) -> Option<Look> {
        let s = sample as f32;
        self.filters.iter_mut().for_each(|g| g.push(s));
        self.sum += s * s;
        self.count += 1;
        if self.count < LOOK {
            return None;
        }
        let all = self.sum / LOOK as f32;
        (self.sum, self.count) = (0.0, 0);
        let mut power = [0f32; BANK.len()];
        for (p, g) in power.iter_mut().zip(&mut self.filters) {
            *p = g.take(LOOK);
        }
        let best = (0..power.len()).max_by(|&a, &b| power[a].total_cmp(&power[b])).unwrap_or(0);
        // Neighbours closer than the filters can tell are the same component.
        let apart = |n: usize| (BANK[n] - BANK[best]).abs() >= 35.0;
        let second = (0..power.len()).filter(|&n| apart(n)).map(|n| power[n]).fold(0.0, f32::max);
        Some(Look { power, all, best, second })
    }
}

impl Look {
    /// Is it a call-progress tone and little else?
    pub(crate) fn is_tone(&self) -> bool {
        level::dbm0(self.all) > FLOOR_DBM0 && self.power[self.best] + self.second > PURITY * self.all
    }
}

/// Dial tones of the world: North America and the UK; most others near 425 Hz.
const DIAL_TONES: [[f32; 2]; 4] = [[350.0, 440.0], [425.0, 425.0], [400.0, 425.0], [400.0, 400.0]];
/// A dial tone is steady for this long.
const DIAL_TONE_MS: u32 = 500;

/// Waits for the dial tone of a line that was just seized. No far telephone can ring yet, so it need not be told from a
/// long ringback: it is known four times as soon as [`ProgressDetector`] would know it.
#[derive(Debug, Clone)]
pub struct DialToneDetector([ToneDetector; DIAL_TONES.len()]);

impl Default for DialToneDetector {
    fn default() -> DialToneDetector {
        DialToneDetector(DIAL_TONES.map(|hz| ToneDetector::new(&ToneMatch::steady(hz, DIAL_TONE_MS))))
    }
}

impl DialToneDetector {
    /// Takes samples; true when the office now waits for digits.
    pub fn push(&mut self, samples: &[i16]) -> bool {
        let mut heard = false;
        for tone in &mut self.0 {
            heard |= tone.push(samples);
        }
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region;
    use crate::tone::{Tone, ToneGen};

    fn heard(tone: &Tone, ms: usize) -> Vec<(Progress, usize)> {
        let mut d = ProgressDetector::default();
        let mut generator = ToneGen::new(tone);
        let mut frame = [0; 160];
        let mut all = Vec::new();
        for n in 0..ms / 20 {
            generator.fill(&mut frame);
            all.extend(d.push(&frame).map(|p| (p, n * 20)));
        }
        all
    }

    #[test]
    fn tones_of_the_regions() {
        let check = |what: &str, tone: &Tone, expected: Progress, within: usize| {
            let all = heard(tone, 9_900);
            assert_eq!(all.len(), 1, "{what}: {all:?}");
            assert_eq!(all[0].0, expected, "{what}");
            assert!(all[0].1 <= within, "{what}: {all:?}");
        };
        let (us, uk) = (region::us().tones, region::uk().tones);
        check("US dial", &us.dial, Progress::DialTone, 700);
        check("UK dial", &uk.dial, Progress::DialTone, 700);
        check("US busy", &us.busy, Progress::Busy, 1_200);
        check("UK busy", &uk.busy, Progress::Busy, 1_200);
        check("US reorder", &us.reorder, Progress::Reorder, 700);
        check("US ringback", &us.ring_back, Progress::Ringback, 3_200);
        check("UK ringback", &uk.ring_back, Progress::Ringback, 3_200);
        let tone = |s: &str| Tone::parse(s).expect("script");
        check("425 Hz dial", &tone("425@-15;*(*/0/1)"), Progress::DialTone, 2_400);
        check("425 Hz busy", &tone("425@-15;*(.5/.5/1)"), Progress::Busy, 1_200);
        check("425 Hz ringback", &tone("425@-15;*(1/4/1)"), Progress::Ringback, 2_200);
    }

    #[test]
    fn noise_is_no_tone() {
        let mut noise = vec![0; 80_000];
        crate::silence::ComfortNoise::new(-20.0).fill(&mut noise);
        assert_eq!(ProgressDetector::default().push(&noise), None);
    }

    /// When a dial tone is known in this tone, ms.
    fn dial_tone(tone: &Tone) -> Option<usize> {
        let mut detector = DialToneDetector::default();
        let mut generator = ToneGen::new(tone);
        let mut frame = [0; 80];
        (0..1_000)
            .find(|_| {
                generator.fill(&mut frame);
                detector.push(&frame)
            })
            .map(|n| n * 10)
    }

    #[test]
    fn dial_tones_of_the_world_are_known_within_600_ms() {
        let check = |script: &str| {
            let ms = dial_tone(&Tone::parse(script).expect("script"));
            assert!(ms.is_some_and(|ms| (450..=600).contains(&ms)), "{script}: {ms:?}");
        };
        check("350@-19,440@-19;*(*/0/1+2)");
        check("425@-15;*(*/0/1)");
        check("400@-19,425@-19;*(*/0/1+2)");
        check("400@-30;*(*/0/1)");
    }

    #[test]
    fn other_tones_are_no_dial_tone() {
        let (us, uk) = (region::us().tones, region::uk().tones);
        for tone in [us.busy, us.reorder, us.ring_back, uk.busy, uk.ring_back] {
            assert_eq!(dial_tone(&tone), None, "{tone:?}");
        }
        assert_eq!(dial_tone(&Tone::parse("425@-15;*(.25/.25/1)").expect("script")), None);
    }
}
