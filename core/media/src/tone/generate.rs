//! Plays a tone into frames of any length.

use std::f64::consts::TAU;

use super::{MAX_COMPONENTS, Sweep, Tone};
use crate::level::amplitude;
use crate::script::{PER_MS, Span};

/// How a frame ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Play {
    /// There is more to come.
    Going,
    /// It ended in this frame (or before it); nothing follows but its fall of 3 ms.
    Ended,
}

/// Rise and fall time of a component: short enough for the shortest cadence, long enough not to click.
const RAMP: f32 = (3 * PER_MS) as f32;

/// Plays a [`Tone`]. A component never jumps: it rises and falls within 3 ms, also when the tone is replaced.
#[derive(Debug, Clone)]
pub struct ToneGen {
    tone: Tone,
    voices: [Voice; MAX_COMPONENTS],
    /// What the tone before this one was still sounding.
    tail: [Voice; MAX_COMPONENTS],
    section: usize,
    section_left: Span,
    segment: usize,
    phase: Phase,
    phase_left: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    On,
    Off,
    Ended,
}

/// One sine with its present and wanted gain.
#[derive(Debug, Clone, Copy, Default)]
struct Voice {
    hz: f32,
    cos: f64,
    sin: f64,
    step_cos: f64,
    step_sin: f64,
    full: f32,
    gain: f32,
    wanted: f32,
    sweep: Option<Sweeping>,
}

/// A sweep under way.
#[derive(Debug, Clone, Copy)]
struct Sweeping {
    sweep: Sweep,
    /// Level at the beginning, and samples since then.
    from: f32,
    at: u32,
}

/// A sweep's frequency and level are looked at anew this often, in samples: 2 ms.
const SWEEP_STEP: u32 = 2 * PER_MS;

impl ToneGen {
    /// Begins a tone.
    pub fn new(tone: &Tone) -> ToneGen {
        let mut generator = ToneGen {
            tone: Tone::none(),
            voices: Default::default(),
            tail: Default::default(),
            section: 0,
            section_left: None,
            segment: 0,
            phase: Phase::Ended,
            phase_left: None,
        };
        generator.play(tone);
        generator
    }

    /// A generator that is silent until [`ToneGen::play`].
    pub fn silent() -> ToneGen {
        ToneGen::new(&Tone::none())
    }

    /// Replaces the tone without a click. The same frequency goes on with its phase.
    pub fn play(&mut self, tone: &Tone) {
        let old = self.voices;
        self.tone = tone.clone();
        self.voices = Default::default();
        for (voice, c) in self.voices.iter_mut().zip(&tone.script().components) {
            *voice = Voice::new(c.hz, amplitude(c.dbm0));
        }
        self.voices[0].sweep =
            tone.script().sweep.map(|sweep| Sweeping { sweep, from: self.voices[0].full, at: 0 });
        // A tail that has not yet died is cut short by a newer one; three tones within 3 ms are not heard as tones.
        self.tail = old;
        for tail in &mut self.tail {
            tail.wanted = 0.0;
            if let Some(heir) =
                self.voices.iter_mut().find(|v| tail.gain > 0.0 && v.hz == tail.hz && v.gain == 0.0)
            {
                (heir.cos, heir.sin, heir.gain) = (tail.cos, tail.sin, tail.gain);
                tail.gain = 0.0;
            }
        }
        self.begin_section(0);
    }

    /// Fades out what sounds; the generator is then silent.
    pub fn stop(&mut self) {
        self.play(&Tone::none());
    }

    /// Has the tone ended?
    pub fn ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Overwrites `out` with the next samples.
    pub fn fill(&mut self, out: &mut [i16]) -> Play {
        let mut at = 0;
        while at < out.len() {
            self.skip_what_is_over();
            let left = (out.len() - at) as u32;
            let n = left.min(self.phase_left.unwrap_or(left)).min(self.section_left.unwrap_or(left));
            self.sound(&mut out[at..at + n as usize]);
            at += n as usize;
            if let Some(l) = &mut self.phase_left {
                *l -= n;
            }
            if let Some(l) = &mut self.section_left {
                *l -= n;
            }
        }
        self.skip_what_is_over();
        if self.phase == Phase::Ended { Play::Ended } else { Play::Going }
    }

    /// Moves to the phase that the next sample belongs to. Ends, since a section has a segment that takes time.
    fn skip_what_is_over(&mut self) {
        while self.phase != Phase::Ended {
            if self.section_left == Some(0) {
                self.begin_section(self.section + 1);
            } else if self.phase_left == Some(0) {
                match self.phase {
                    Phase::On => self.begin_off(),
                    _ => self.begin_segment(self.segment + 1),
                }
            } else {
                return;
            }
        }
    }

    fn begin_section(&mut self, n: usize) {
        self.section = n;
        let Some(section) = self.tone.script().sections.get(n) else {
            (self.phase, self.phase_left, self.section_left) = (Phase::Ended, None, None);
            self.wanted(0);
            return;
        };
        // Scripts from `from_parts` are not checked: an empty or timeless section is passed over.
        let timeless = section.segments.iter().all(|s| s.on == Some(0) && s.off == Some(0));
        self.section_left = if timeless { Some(0) } else { section.lasts };
        if timeless {
            (self.phase, self.phase_left) = (Phase::Off, Some(0));
        } else {
            self.begin_segment(0);
        }
    }

    fn begin_segment(&mut self, n: usize) {
        let Some(section) = self.tone.script().sections.get(self.section) else { return };
        self.segment = if n < section.segments.len() { n } else { 0 };
        let segment = section.segments[self.segment];
        (self.phase, self.phase_left) = (Phase::On, segment.on);
        // An on time of zero is only a way to write a pause: it must not bend the gain.
        if segment.on != Some(0) {
            self.wanted(segment.which);
        }
    }

    fn begin_off(&mut self) {
        let segments = self.tone.script().sections.get(self.section).map(|s| &s.segments[..]);
        let off = segments.and_then(|s| s.get(self.segment)).map_or(Some(0), |s| s.off);
        (self.phase, self.phase_left) = (Phase::Off, off);
        if off != Some(0) {
            self.wanted(0);
        }
    }

    fn wanted(&mut self, which: u8) {
        for (n, v) in self.voices.iter_mut().enumerate() {
            v.wanted = if which & (1 << n) != 0 { v.full } else { 0.0 };
        }
    }

    fn sound(&mut self, out: &mut [i16]) {
        out.fill(0);
        let audible = |v: &&mut Voice| v.gain > 0.0 || v.wanted > 0.0;
        // Sums are made in i16 with saturation only at the end: a frame of f32 beside it costs nothing to speak of.
        let mut sum = [0f32; 160];
        for chunk in out.chunks_mut(160) {
            let sum = &mut sum[..chunk.len()];
            sum.fill(0.0);
            for v in self.voices.iter_mut().chain(&mut self.tail).filter(audible) {
                v.add(sum);
            }
            for (o, s) in chunk.iter_mut().zip(sum) {
                *o = s.round() as i16;
            }
        }
    }
}

impl Voice {
    fn new(hz: f32, full: f32) -> Voice {
        let (step_sin, step_cos) = (TAU * hz as f64 / 8000.0).sin_cos();
        // The silence before it is its sample at phase zero, so it begins with the one after: a tone that answers a lifted
        // handset is heard at once.
        Voice {
            hz,
            cos: step_cos,
            sin: step_sin,
            step_cos,
            step_sin,
            full,
            gain: 0.0,
            wanted: 0.0,
            sweep: None,
        }
    }

    fn add(&mut self, sum: &mut [f32]) {
        let ramp = self.full.max(self.gain) / RAMP;
        for s in sum {
            if let Some(sweeping) = &mut self.sweep {
                if sweeping.at.is_multiple_of(SWEEP_STEP) && self.wanted > 0.0 {
                    let (hz, full) = sweeping.now(self.hz);
                    (self.step_sin, self.step_cos) = (TAU * f64::from(hz) / 8000.0).sin_cos();
                    self.wanted = full;
                }
                sweeping.at = sweeping.at.saturating_add(1);
            }
            if self.gain < self.wanted {
                self.gain = (self.gain + ramp).min(self.wanted);
            } else if self.gain > self.wanted {
                self.gain = (self.gain - ramp).max(self.wanted);
            }
            *s += self.gain * self.sin as f32;
            // A rotation by a unit phasor in f64 drifts less than 1e-9 an hour.
            (self.cos, self.sin) = (
                self.cos * self.step_cos - self.sin * self.step_sin,
                self.sin * self.step_cos + self.cos * self.step_sin,
            );
        }
    }
}

impl Sweeping {
    /// Frequency and level of this moment.
    fn now(&self, from_hz: f32) -> (f32, f32) {
        let Sweep { to_hz, period, rise_db, rise } = self.sweep;
        let part = (self.at % period.max(1)) as f32 / period.max(1) as f32;
        let risen = (self.at as f32 / rise.max(1) as f32).min(1.0);
        (from_hz + (to_hz - from_hz) * part, self.from * 10f32.powf(rise_db * risen / 20.0))
    }
}
