//! Mixes the members of a bridge: each hears the sum of all others and never itself.
//!
//! A mixer has one clock, that of whoever calls [`Mixer::mix`]. Members with another clock come through a queue that keeps
//! itself short ([`Source::Queued`]); RTP comes through its jitter buffer ([`Source::Pulled`]). Who joins is faded in, and who
//! leaves fades out over 10 ms, so neither makes a click. The sum is made in 32 bits and saturates once, for each listener, so
//! that a loud member cannot distort what the others hear of one another more than it must.

use crate::jitter::Elastic;
use crate::mix;

/// Samples of the longest frame: 20 ms at 8 kHz.
pub const LONGEST: usize = 160;
/// Samples over which a member is faded in and out: 10 ms.
const RAMP: usize = 80;

/// Where the sound of a member comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It is asked for its samples at each mix.
    Pulled,
    /// It gives its samples before each mix, by the mixer's own clock; one that gives nothing is silent.
    Given,
    /// It gives its samples by a clock of its own.
    Queued,
}

/// A mixer at 8 kHz. `K` names the members.
#[derive(Debug)]
pub struct Mixer<K> {
    members: Vec<Member<K>>,
    /// What is left of those who have gone.
    fading: Vec<i32>,
}

#[derive(Debug)]
struct Member<K> {
    name: K,
    source: Source,
    queue: Elastic,
    /// What it says in this frame.
    frame: [i16; LONGEST],
    /// Samples since it joined, at most [`RAMP`].
    age: usize,
    /// The newest samples that were heard of it.
    last: [i16; RAMP],
}

impl<K> Default for Mixer<K> {
    fn default() -> Mixer<K> {
        Mixer { members: Vec::new(), fading: Vec::new() }
    }
}

impl<K: Clone + PartialEq> Mixer<K> {
    /// These are the members from now on. Those who stay notice nothing.
    pub fn set(&mut self, members: impl IntoIterator<Item = (K, Source)>) {
        let mut old = std::mem::take(&mut self.members);
        for (name, source) in members {
            let member = match old.iter().position(|member| member.name == name) {
                Some(at) => Member { source, ..old.swap_remove(at) },
                None => {
                    let (queue, frame, last) = (Elastic::new(), [0; LONGEST], [0; RAMP]);
                    Member { name, source, queue, frame, age: 0, last }
                }
            };
            self.members.push(member);
        }
        old.iter().for_each(|member| self.fade_out(member));
    }

    /// The sound of who has gone is turned about its last sample and falls away: it goes on where it stopped and in the
    /// direction that it had, without a step.
    fn fade_out(&mut self, member: &Member<K>) {
        if self.fading.len() < RAMP {
            self.fading.resize(RAMP, 0);
        }
        let end = i32::from(member.last[RAMP - 1]);
        let before = member.last.iter().rev().skip(1).chain([&0]);
        for (n, (sum, s)) in self.fading.iter_mut().zip(before).enumerate() {
            *sum += (2 * end - i32::from(*s)) * (RAMP - 1 - n) as i32 / RAMP as i32;
        }
    }

    /// What a member says that is not asked for it. From one that is no member it is passed over.
    pub fn give(&mut self, name: &K, samples: &[i16]) {
        let Some(member) = self.members.iter_mut().find(|member| member.name == *name) else { return };
        match member.source {
            Source::Given => {
                let n = samples.len().min(LONGEST);
                member.frame[..n].copy_from_slice(&samples[..n]);
            }
            Source::Queued => member.queue.push(samples),
            Source::Pulled => {}
        }
    }

    /// Mixes the next `n` samples, at most [`LONGEST`]. `pull` fills in what a member says that is asked for it, `deliver` is
    /// given what each member hears.
    pub fn mix(
        &mut self,
        n: usize,
        mut pull: impl FnMut(&K, &mut [i16]),
        mut deliver: impl FnMut(&K, &[i16]),
    ) {
        let n = n.min(LONGEST);
        let mut total = [0; LONGEST];
        let total = &mut total[..n];
        let fading = self.fading.len().min(n);
        for (sum, s) in total.iter_mut().zip(self.fading.drain(..fading)) {
            *sum = s;
        }
        for member in &mut self.members {
            let frame = &mut member.frame[..n];
            match member.source {
                Source::Pulled => {
                    frame.fill(0);
                    pull(&member.name, frame);
                }
                Source::Queued => drop(member.queue.pull(frame)),
                Source::Given => {}
            }
            for s in frame.iter_mut().take(RAMP - member.age) {
                member.age += 1;
                *s = (i32::from(*s) * member.age as i32 / RAMP as i32) as i16;
            }
            let newest = n.min(RAMP);
            member.last.copy_within(newest.., 0);
            member.last[RAMP - newest..].copy_from_slice(&frame[n - newest..]);
            mix::total(total, frame);
        }
        let mut out = [0; LONGEST];
        for member in &mut self.members {
            mix::without(total, &member.frame[..n], &mut out[..n]);
            deliver(&member.name, &out[..n]);
            if member.source == Source::Given {
                member.frame.fill(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::Source::{Given, Pulled, Queued};
    use super::*;
    use crate::goertzel::Goertzel;
    use crate::level;

    const TONES: [f32; 4] = [500.0, 800.0, 1100.0, 1700.0];

    fn sine(hz: f32, amplitude: f32, t: usize) -> i16 {
        (amplitude * (TAU * hz * t as f32 / 8000.0).sin()).round() as i16
    }

    fn at(samples: &[i16], hz: f32) -> f32 {
        let mut goertzel = Goertzel::new(hz);
        samples.iter().for_each(|&s| goertzel.push(f32::from(s)));
        level::dbm0(goertzel.take(samples.len()))
    }

    /// A member of a test: name, where its sound comes from, frequency, amplitude.
    type Voice = (u8, Source, f32, f32);

    fn set(mixer: &mut Mixer<u8>, voices: &[Voice]) {
        mixer.set(voices.iter().map(|(name, source, ..)| (*name, *source)));
    }

    /// Runs a mixer whose members say a tone each, frame by frame from frame `first` on; gives what each of them heard.
    fn run(
        mixer: &mut Mixer<u8>,
        voices: &[Voice],
        frames: std::ops::Range<usize>,
        n: usize,
    ) -> Vec<Vec<i16>> {
        let mut heard = vec![Vec::new(); voices.len()];
        for frame in frames {
            let tone = |name: &u8, out: &mut [i16]| {
                let Some((.., hz, amplitude)) = voices.iter().find(|(of, ..)| of == name) else { return };
                for (t, s) in out.iter_mut().enumerate() {
                    *s = sine(*hz, *amplitude, frame * n + t);
                }
            };
            for (name, ..) in voices.iter().filter(|(_, source, ..)| *source != Pulled) {
                let mut samples = [0; LONGEST];
                tone(name, &mut samples[..n]);
                mixer.give(name, &samples[..n]);
            }
            mixer.mix(n, tone, |name, out| {
                if let Some(at) = voices.iter().position(|(of, ..)| of == name) {
                    heard[at].extend(out);
                }
            });
        }
        heard
    }

    #[test]
    fn each_hears_all_others_and_not_itself() {
        // Two phones, a telephone on the board that is the clock, and one on another board.
        let sources = [Pulled, Pulled, Given, Queued];
        let voices: [Voice; 4] = std::array::from_fn(|n| (n as u8, sources[n], TONES[n], 4000.0));
        let mut mixer = Mixer::default();
        set(&mut mixer, &voices);
        let heard = run(&mut mixer, &voices, 0..100, 80);
        let expected = level::dbm0(4000.0 * 4000.0 / 2.0);
        for (n, heard) in heard.iter().enumerate() {
            for (m, hz) in TONES.iter().enumerate() {
                let level = at(&heard[1600..], *hz);
                match n == m {
                    true => assert!(level < expected - 40.0, "{n} hears itself at {level} dBm0"),
                    false => assert!(
                        (level - expected).abs() < 0.2,
                        "{n} hears {m} at {level} for {expected} dBm0"
                    ),
                }
            }
        }
    }

    #[test]
    fn loud_members_saturate_and_do_not_wrap() {
        let voices: [Voice; 3] = std::array::from_fn(|n| (n as u8, Pulled, 500.0, 30_000.0));
        let mut mixer = Mixer::default();
        set(&mut mixer, &voices);
        let heard = run(&mut mixer, &voices, 0..10, 160);
        // Two full sines of one phase: where one of them is high the sum is at the top, never at the bottom.
        for (t, s) in heard[0].iter().enumerate().skip(160) {
            let one = i32::from(sine(500.0, 30_000.0, t));
            assert_eq!(i32::from(*s), (2 * one).clamp(-32_768, 32_767), "sample {t}");
        }
    }

    /// The largest step of the slope of a sound, as a part of what its steady tone has.
    fn roughness(heard: &[i16], hz: f32, amplitude: f32) -> f32 {
        let bend = |w: &[i16]| (i32::from(w[0]) - 2 * i32::from(w[1]) + i32::from(w[2])).abs() as f32;
        let steady = amplitude * (TAU * hz / 8000.0).powi(2);
        heard.windows(3).map(bend).fold(0.0, f32::max) / steady
    }

    #[test]
    fn who_comes_and_goes_makes_no_click() {
        for n in [40, 80, 160] {
            let voices: [Voice; 3] = std::array::from_fn(|n| (n as u8, Pulled, 310.0, [0.0, 0.0, 8000.0][n]));
            let mut mixer = Mixer::default();
            set(&mut mixer, &voices[..2]);
            // The third joins and leaves where its tone is near a peak, not where it crosses zero.
            let frames = |samples: usize| samples / n;
            let mut heard = run(&mut mixer, &voices, 0..frames(480), n).swap_remove(0);
            set(&mut mixer, &voices);
            heard.extend(run(&mut mixer, &voices, frames(480)..frames(2560), n).swap_remove(0));
            set(&mut mixer, &voices[..2]);
            let left = heard.len();
            heard.extend(run(&mut mixer, &voices, frames(2560)..frames(3200), n).swap_remove(0));
            assert!(at(&heard[960..2560], 310.0) > level::dbm0(8000.0 * 8000.0 / 2.0) - 1.0, "it was heard");
            assert!(heard[left - 1].unsigned_abs() > 2000, "it did not stop at zero: {}", heard[left - 1]);
            assert!(heard[left + RAMP - 1..].iter().all(|s| *s == 0), "and it is gone");
            // The step of a sine that is cut off is more than ten times as rough.
            let rough = roughness(&heard, 310.0, 8000.0);
            assert!(rough < 4.0, "frames of {n}: {rough}");
            let mut cut = heard.clone();
            cut[left..].fill(0);
            assert!(roughness(&cut, 310.0, 8000.0) > 2.0 * rough, "a cut is found");
        }
    }

    #[test]
    fn members_who_stay_notice_nothing_of_a_change() {
        let voices: [Voice; 4] =
            std::array::from_fn(|n| (n as u8, Pulled, 700.0, [0.0, 8000.0, 0.0, 0.0][n]));
        let mut mixer = Mixer::default();
        set(&mut mixer, &voices[..3]);
        let mut heard = run(&mut mixer, &voices, 0..10, 160).swap_remove(0);
        set(&mut mixer, &voices);
        heard.extend(run(&mut mixer, &voices, 10..20, 160).swap_remove(0));
        set(&mut mixer, &voices[..3]);
        heard.extend(run(&mut mixer, &voices, 20..30, 160).swap_remove(0));
        for (t, s) in heard.iter().enumerate().skip(RAMP) {
            assert_eq!(*s, sine(700.0, 8000.0, t), "sample {t}");
        }
    }
}
