//! Mixes the members of a bridge: each hears the sum of all others and never itself.
//!
//! A mixer has one clock: that of the board of its first telephone, else ticks of 20 ms. Whoever has another clock comes and
//! goes through a queue: RTP through its jitter buffer, telephones on other boards through an elastic one. Who joins is faded
//! in, and who leaves fades out over 10 ms, so neither makes a click. The sum is made in 32 bits and saturates once, for each
//! listener, so that a loud member cannot distort what the others hear of one another more than it must.

use ringtrip_model::ids::BoardId;

use super::Endpoint;
use crate::jitter::Elastic;
use crate::mix;

/// Samples of the longest frame: 20 ms.
pub(super) const LONGEST: usize = 160;
/// Samples over which a member is faded in and out: 10 ms.
const RAMP: usize = 80;

/// By whose clock a mixer works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Clock {
    /// The engine's ticks of 20 ms.
    Ticks,
    /// The frames of this board.
    Board(BoardId),
}

/// A bridge of more than two, at 8 kHz.
#[derive(Debug)]
pub(super) struct Mixer {
    pub clock: Clock,
    members: Vec<Member>,
    /// What is left of those who have gone.
    fading: Vec<i32>,
}

#[derive(Debug)]
struct Member {
    endpoint: Endpoint,
    source: Source,
    /// What it says in this frame.
    frame: [i16; LONGEST],
    /// Samples since it joined, at most [`RAMP`].
    age: usize,
    /// The newest samples that were heard of it.
    last: [i16; RAMP],
}

/// Where the sound of a member comes from.
#[derive(Debug)]
enum Source {
    /// An RTP endpoint: it is asked for its samples.
    Pulled,
    /// A port of the board that is the clock: it gives its samples before each mix.
    Given,
    /// A port of another board.
    Queued(Box<Elastic>),
}

impl Mixer {
    /// A mixer without members.
    pub fn new() -> Mixer {
        Mixer { clock: Clock::Ticks, members: Vec::new(), fading: Vec::new() }
    }

    /// These are the members from now on, and this is the clock. Those who stay notice nothing.
    pub fn set(&mut self, endpoints: &[Endpoint], clock: Clock) {
        let mut old = std::mem::take(&mut self.members);
        for endpoint in endpoints {
            let source = match endpoint {
                Endpoint::Rtp(_) => Source::Pulled,
                Endpoint::Port(port) if Clock::Board(port.board.clone()) == clock => Source::Given,
                Endpoint::Port(_) => Source::Queued(Box::new(Elastic::new())),
            };
            let member = match old.iter().position(|member| member.endpoint == *endpoint) {
                Some(at) => {
                    let member = old.swap_remove(at);
                    let keeps = matches!(
                        (&member.source, &source),
                        (Source::Queued(_), Source::Queued(_)) | (Source::Given, Source::Given)
                    );
                    if keeps { member } else { Member { source, ..member } }
                }
                None => {
                    let endpoint = endpoint.clone();
                    Member { endpoint, source, frame: [0; LONGEST], age: 0, last: [0; RAMP] }
                }
            };
            self.members.push(member);
        }
        old.iter().for_each(|member| self.fade_out(member));
        self.clock = clock;
    }

    /// The sound of who has gone is turned about its last sample and falls away: it goes on where it stopped and in the
    /// direction that it had, without a step.
    fn fade_out(&mut self, member: &Member) {
        if self.fading.len() < RAMP {
            self.fading.resize(RAMP, 0);
        }
        let end = i32::from(member.last[RAMP - 1]);
        let before = member.last.iter().rev().skip(1).chain([&0]);
        for (n, (sum, s)) in self.fading.iter_mut().zip(before).enumerate() {
            *sum += (2 * end - i32::from(*s)) * (RAMP - 1 - n) as i32 / RAMP as i32;
        }
    }

    /// What a telephone says.
    pub fn give(&mut self, endpoint: &Endpoint, samples: &[i16]) {
        let Some(member) = self.members.iter_mut().find(|member| member.endpoint == *endpoint) else {
            return;
        };
        match &mut member.source {
            Source::Given => {
                let n = samples.len().min(LONGEST);
                member.frame[..n].copy_from_slice(&samples[..n]);
            }
            Source::Queued(queue) => queue.push(samples),
            Source::Pulled => {}
        }
    }

    /// Mixes the next `n` samples, at most [`LONGEST`]. `pull` adds what an RTP endpoint says to silence; `deliver` is given
    /// what each member hears.
    pub fn mix(
        &mut self,
        n: usize,
        mut pull: impl FnMut(&Endpoint, &mut [i16]),
        mut deliver: impl FnMut(&Endpoint, &[i16]),
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
            match &mut member.source {
                Source::Pulled => {
                    frame.fill(0);
                    pull(&member.endpoint, frame);
                }
                Source::Queued(queue) => drop(queue.pull(frame)),
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
            deliver(&member.endpoint, &out[..n]);
            if matches!(member.source, Source::Given) {
                // A port that gives nothing is silent.
                member.frame.fill(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use ringtrip_model::ids::PortRef;

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

    fn rtp(n: usize) -> Endpoint {
        Endpoint::Rtp(16_384 + 2 * n as u16)
    }

    fn port(board: &str, port: u16) -> Endpoint {
        Endpoint::Port(PortRef { board: board.parse().expect("a name"), port })
    }

    /// Runs a mixer of endpoints that say a tone each, frame by frame from frame `first` on; gives what each of them heard.
    fn run(
        mixer: &mut Mixer,
        says: &[(Endpoint, f32, f32)],
        frames: std::ops::Range<usize>,
        n: usize,
    ) -> Vec<Vec<i16>> {
        let mut heard = vec![Vec::new(); says.len()];
        for frame in frames {
            let tone = |endpoint: &Endpoint, out: &mut [i16]| {
                let Some((_, hz, amplitude)) = says.iter().find(|(of, ..)| of == endpoint) else { return };
                for (t, s) in out.iter_mut().enumerate() {
                    *s = sine(*hz, *amplitude, frame * n + t);
                }
            };
            for (endpoint, ..) in says.iter().filter(|(endpoint, ..)| matches!(endpoint, Endpoint::Port(_))) {
                let mut samples = [0; LONGEST];
                tone(endpoint, &mut samples[..n]);
                mixer.give(endpoint, &samples[..n]);
            }
            mixer.mix(n, tone, |endpoint, out| {
                if let Some(at) = says.iter().position(|(of, ..)| of == endpoint) {
                    heard[at].extend(out);
                }
            });
        }
        heard
    }

    #[test]
    fn each_hears_all_others_and_not_itself() {
        // Two phones, a telephone on the board that is the clock, and one on another board.
        let endpoints = [rtp(0), rtp(1), port("one", 0), port("two", 3)];
        let says: Vec<_> =
            endpoints.iter().zip(TONES).map(|(endpoint, hz)| (endpoint.clone(), hz, 4000.0)).collect();
        let mut mixer = Mixer::new();
        mixer.set(&endpoints, Clock::Board("one".parse().expect("a name")));
        let heard = run(&mut mixer, &says, 0..100, 80);
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
        let endpoints = [rtp(0), rtp(1), rtp(2)];
        let says: Vec<_> = endpoints.iter().map(|endpoint| (endpoint.clone(), 500.0, 30_000.0)).collect();
        let mut mixer = Mixer::new();
        mixer.set(&endpoints, Clock::Ticks);
        let heard = run(&mut mixer, &says, 0..10, 160);
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
            let endpoints = [rtp(0), rtp(1), rtp(2)];
            let says: Vec<_> = endpoints
                .iter()
                .zip([0.0, 0.0, 8000.0])
                .map(|(endpoint, amplitude)| (endpoint.clone(), 310.0, amplitude))
                .collect();
            let mut mixer = Mixer::new();
            mixer.set(&endpoints[..2], Clock::Ticks);
            // The third joins and leaves where its tone is near a peak, not where it crosses zero.
            let frames = |samples: usize| samples / n;
            let mut heard = run(&mut mixer, &says, 0..frames(480), n).swap_remove(0);
            mixer.set(&endpoints, Clock::Ticks);
            heard.extend(run(&mut mixer, &says, frames(480)..frames(2560), n).swap_remove(0));
            mixer.set(&endpoints[..2], Clock::Ticks);
            let left = heard.len();
            heard.extend(run(&mut mixer, &says, frames(2560)..frames(3200), n).swap_remove(0));
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
        let endpoints = [rtp(0), rtp(1), rtp(2), rtp(3)];
        let says: Vec<_> = endpoints
            .iter()
            .zip([0.0, 8000.0, 0.0, 0.0])
            .map(|(endpoint, amplitude)| (endpoint.clone(), 700.0, amplitude))
            .collect();
        let mut mixer = Mixer::new();
        mixer.set(&endpoints[..3], Clock::Ticks);
        let mut heard = run(&mut mixer, &says, 0..10, 160).swap_remove(0);
        mixer.set(&endpoints, Clock::Ticks);
        heard.extend(run(&mut mixer, &says, 10..20, 160).swap_remove(0));
        mixer.set(&endpoints[..3], Clock::Ticks);
        heard.extend(run(&mut mixer, &says, 20..30, 160).swap_remove(0));
        for (t, s) in heard.iter().enumerate().skip(RAMP) {
            assert_eq!(*s, sine(700.0, 8000.0, t), "sample {t}");
        }
    }
}
