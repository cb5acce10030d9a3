//! Has somebody answered? Tells a voice from the tones of an office: steady tones keep their zero crossings, the pairs
//! of dial tone and busy beat but lie where such tones lie, and a voice does neither. For offices that signal an answer
//! in no other way.

use crate::level;
use crate::progress::Bank;

/// Samples in a look: 10 ms.
const LOOK: usize = 80;
/// Below this nobody speaks into a telephone, dBm0.
const QUIET: f32 = -38.0;
/// A voice is loud and unsteady for this long in all, in looks: a cough is shorter, a hello is not.
const ENOUGH: u32 = 25;
/// An office plays a tone for so many looks of 40 ms: what was doubtful were the edges of its bursts.
const TONE: u32 = 3;

/// Hears the first voice.
#[derive(Debug, Clone)]
pub struct VoiceDetector {
    bank: Bank,
    look: [i16; LOOK],
    count: usize,
    last_crossings: Option<u32>,
    /// Looks that were loud and unsteady since the bank last said what sounds.
    doubtful: u32,
    /// Those that no tone explains.
    voiced: u32,
    /// Looks of the bank in a row that were tones.
    tones: u32,
}

impl Default for VoiceDetector {
    fn default() -> VoiceDetector {
        VoiceDetector {
            bank: Bank::default(),
            look: [0; LOOK],
            count: 0,
            last_crossings: None,
            doubtful: 0,
            voiced: 0,
            tones: 0,
        }
    }
}

impl VoiceDetector {
    /// Takes samples; has a voice been heard by now?
    pub fn push(&mut self, samples: &[i16]) -> bool {
        for &s in samples {
            self.look[self.count] = s;
            self.count += 1;
            if self.count == LOOK {
                self.count = 0;
                self.look();
            }
            if let Some(sounds) = self.bank.push(s) {
                let doubtful = std::mem::take(&mut self.doubtful);
                if !sounds.is_tone() {
                    self.tones = 0;
                    self.voiced = self.voiced.saturating_add(doubtful);
                } else {
                    self.tones = self.tones.saturating_add(1);
                    if self.tones == TONE {
                        self.voiced = 0;
                    }
                }
            }
        }
        self.voiced >= ENOUGH
    }

    fn look(&mut self) {
        if level::of(&self.look) < QUIET {
            self.last_crossings = None;
            return;
        }
        let crossings = self.look.windows(2).filter(|w| (w[0] < 0) != (w[1] < 0)).count() as u32;
        let steady = self.last_crossings.is_none_or(|last| last.abs_diff(crossings) <= 1);
        self.last_crossings = Some(crossings);
        if !steady {
            self.doubtful += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region;
    use crate::tone::{Tone, ToneGen};

    /// When a voice is heard in these samples, ms.
    fn heard(samples: &[i16]) -> Option<usize> {
        let mut detector = VoiceDetector::default();
        samples.chunks(40).position(|part| detector.push(part)).map(|n| n * 5)
    }

    /// Vowels slide: so does this, from 300 to 3,000 Hz within each fifth of a second.
    fn slides(dbm0: f32, ms: usize) -> Vec<i16> {
        let mut phase = 0.0f32;
        let each = |n: usize| {
            let hz = 300.0 + 2_700.0 * (n % 1_600) as f32 / 1_600.0;
            phase += std::f32::consts::TAU * hz / 8_000.0;
            (level::amplitude(dbm0) * phase.sin()) as i16
        };
        (0..ms * 8).map(each).collect()
    }

    #[test]
    fn a_voice_is_heard_within_half_a_second() {
        let check = |dbm0| {
            let at = heard(&slides(dbm0, 1_000));
            assert!(at.is_some_and(|ms| (200..=500).contains(&ms)), "{at:?} at {dbm0} dBm0");
        };
        check(-10.0);
        check(-25.0);
        check(-35.0);
    }

    #[test]
    fn a_cough_and_a_whisper_are_none() {
        assert_eq!(heard(&slides(-20.0, 150)), None);
        assert_eq!(heard(&slides(-45.0, 10_000)), None);
        assert_eq!(heard(&vec![0; 80_000]), None);
    }

    #[test]
    fn what_an_office_plays_is_none() {
        let check = |what: &str, tone: &Tone| {
            let mut sound = vec![0; 60 * 8_000];
            ToneGen::new(tone).fill(&mut sound);
            assert_eq!(heard(&sound), None, "{what}");
        };
        for (name, region) in [("US", region::us()), ("UK", region::uk())] {
            let tones = &region.tones;
            check(&format!("{name} dial tone"), &tones.dial);
            check(&format!("{name} ringback"), &tones.ring_back);
            check(&format!("{name} busy"), &tones.busy);
            check(&format!("{name} reorder"), &tones.reorder);
        }
    }
}
