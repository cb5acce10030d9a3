//! Ringback for a telephone whose far side rings and has promised sound of its own before the answer. Some providers send
//! that sound, some send nothing: the caller hears theirs where it comes, and ours where it does not.

use crate::tone::{Tone, ToneGen};

/// Below this nothing is heard: about −45 dBm0.
const LOUD: u16 = 256;
/// Sound that is on its way when the far side begins to ring may still come, in samples: 400 ms.
const FIRST: usize = 3_200;
/// A far side that was heard may pause: the longest of the world's ringing cadences is silent for 5 s.
const PAUSE: usize = 48_000;

/// A ringback tone that gives way.
pub struct Ringback {
    tone: ToneGen,
    /// Samples until our tone is heard.
    hold: usize,
}

impl Ringback {
    /// Begins soon, unless sound comes.
    pub fn new(tone: &Tone) -> Ringback {
        Ringback { tone: ToneGen::new(tone), hold: FIRST }
    }

    /// `out` holds what the far side says; where it says nothing our tone is added.
    pub fn fill(&mut self, out: &mut [i16]) {
        if out.iter().any(|s| s.unsigned_abs() > LOUD) {
            self.hold = PAUSE;
            return;
        }
        if self.hold > 0 {
            self.hold = self.hold.saturating_sub(out.len());
            return;
        }
        let mut sound = [0; 160];
        for part in out.chunks_mut(sound.len()) {
            let sound = &mut sound[..part.len()];
            self.tone.fill(sound);
            for (o, s) in part.iter_mut().zip(sound) {
                *o = o.saturating_add(*s);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loud(out: &[i16]) -> bool {
        out.iter().any(|s| s.unsigned_abs() > LOUD)
    }

    /// Seconds in which the tone sounds, as the far side is loud or not in each second.
    fn heard(far: &[bool]) -> Vec<bool> {
        let tone: Tone = "440@-16;*(2/0/1)".parse().expect("a tone");
        let mut ringback = Ringback::new(&tone);
        let second = |far: &bool| {
            let said: i16 = if *far { 3000 } else { 0 };
            let mut sounded = false;
            for _ in 0..100 {
                let mut out = [said; 80];
                ringback.fill(&mut out);
                sounded |= out.iter().any(|s| *s != said);
            }
            sounded
        };
        far.iter().map(second).collect()
    }

    #[test]
    fn a_caller_hears_our_tone_until_the_far_side_sounds() {
        assert_eq!(heard(&[false, false]), [true, true]);
        assert_eq!(heard(&[false, true, true]), [true, false, false]);
        assert_eq!(heard(&[true, false, false, false, false, false]), [false; 6], "a cadence pauses");
        let silent_again = heard(&[true, false, false, false, false, false, false, false]);
        assert_eq!(silent_again.last(), Some(&true), "an announcement has ended");
        let mut quiet = [0; 80];
        Ringback::new(&"440@-16;*(2/0/1)".parse().expect("a tone")).fill(&mut quiet);
        assert!(!loud(&quiet), "what is on its way may still come");
    }
}
