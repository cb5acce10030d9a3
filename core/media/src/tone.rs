//! Tones by ToneScript (SPA3102 Part 3): parsing, generation, and matching of disconnect tones.
//!
//! `FreqScript;Z1[;Z2…]` where FreqScript is `F@L{,F@L}` (Hz, dBm0), `Zi = D(on/off/f{,on/off/f})`, times in seconds,
//! `*` for ever and `f` the numbers of the components that sound together (`1+2`), `0` for none. The segments of a
//! section repeat until D is used up, sections play in order, then the tone has ended.

mod detect;
mod generate;
#[cfg(test)]
mod tests;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

pub use self::detect::{Pair, ToneDetector};
pub use self::generate::{Play, ToneGen};
pub use crate::script::ScriptError;
use crate::script::{Cursor, MAX_SEGMENTS, PER_MS, Span};

/// Most components in one tone (SPA3102: six).
pub const MAX_COMPONENTS: usize = 6;

/// A tone ready to be played: a parsed ToneScript. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tone {
    script: Arc<Script>,
}

/// The parts of a ToneScript.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Script {
    /// What may sound.
    pub components: Vec<Component>,
    /// When it sounds: sections played in order.
    pub sections: Vec<Section>,
    /// What its first component does while it sounds; no ToneScript can tell that.
    pub sweep: Option<Sweep>,
}

/// A tone whose frequency and level rise, as a howler's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sweep {
    /// Where the frequency has risen to at the end of each period, Hz; it then begins anew.
    pub to_hz: f32,
    /// The period.
    pub period: u32,
    /// By how much the level has risen in the end, dB.
    pub rise_db: f32,
    /// How long that takes. Both in samples.
    pub rise: u32,
}

/// One sine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Component {
    /// Frequency, Hz.
    pub hz: f32,
    /// Level, dBm0.
    pub dbm0: f32,
}

/// Segments that repeat until the section's time is used up.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// How long; `None` for ever.
    pub lasts: Span,
    /// What repeats.
    pub segments: Vec<Segment>,
}

/// Sound, then silence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// How long it sounds.
    pub on: Span,
    /// How long it is silent after that.
    pub off: Span,
    /// Which components sound: bit n is component n + 1.
    pub which: u8,
}

impl Tone {
    /// Reads a ToneScript.
    ///
    /// # Errors
    /// The place that does not follow the syntax, and what is expected there.
    pub fn parse(script: &str) -> Result<Tone, ScriptError> {
        Ok(Tone { script: Arc::new(parse(script)?) })
    }

    /// A tone from its parts, for tones that are computed (a call-waiting tone from frequency and cadence).
    pub fn from_parts(script: Script) -> Tone {
        Tone { script: Arc::new(script) }
    }

    /// Nothing, which ends at once.
    pub fn none() -> Tone {
        Tone::default()
    }

    /// The parts.
    pub fn script(&self) -> &Script {
        &self.script
    }

    /// How long it plays; `None` for ever.
    pub fn lasts(&self) -> Option<Duration> {
        let total = self.script.sections.iter().try_fold(0u64, |sum, s| s.lasts.map(|n| sum + n as u64))?;
        Some(Duration::from_millis(total / PER_MS as u64))
    }

    /// One component that sweeps, so many seconds.
    pub fn sweeping(component: Component, sweep: Sweep, seconds: u32) -> Tone {
        let segments = vec![Segment { on: None, off: Some(0), which: 1 }];
        let sections = vec![Section { lasts: Some(seconds * 1000 * PER_MS), segments }];
        Tone::from_parts(Script { components: vec![component], sections, sweep: Some(sweep) })
    }

    /// The same sound with no end: the last section plays for ever.
    pub fn endless(&self) -> Tone {
        let mut script = (*self.script).clone();
        if let Some(last) = script.sections.last_mut() {
            last.lasts = None;
        }
        Tone::from_parts(script)
    }

    /// `hz` at a level in a cadence: how a call-waiting tone is made of `CWT_Frequency` and `CWTn_Cadence`.
    pub fn in_cadence(components: Vec<Component>, cadence: &crate::cadence::Cadence) -> Tone {
        let which = ((1u16 << components.len().min(MAX_COMPONENTS)) - 1) as u8;
        let sections = cadence.sections.iter().map(|s| Section {
            lasts: s.lasts,
            segments: s.pairs.iter().map(|&(on, off)| Segment { on, off, which }).collect(),
        });
        Tone::from_parts(Script { sections: sections.collect(), components, sweep: None })
    }
}

impl FromStr for Tone {
    type Err = ScriptError;
    fn from_str(s: &str) -> Result<Tone, ScriptError> {
        Tone::parse(s)
    }
}

/// A tone to be recognised: a ToneScript with limits (`Disconnect_Tone`). One or two frequencies, levels ignored, one
/// section whose D is how long the tone must have been heard. A single tone may be written once, `425@-30;…/1)`, or
/// twice, as the SPA3102 wants it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToneMatch {
    /// The two frequencies, Hz; equal for a single tone.
    pub hz: [f32; 2],
    /// How long it must be heard, in samples.
    pub least: u32,
    /// On and off times in samples; off 0 is a continuous tone. At most six.
    pub pairs: Vec<(u32, u32)>,
}

impl ToneMatch {
    /// Reads a disconnect tone.
    ///
    /// # Errors
    /// The place that does not follow the syntax, and what is expected there.
    pub fn parse(script: &str) -> Result<ToneMatch, ScriptError> {
        let parts = parse(script)?;
        let after_semicolon = script.find(';').map_or(0, |at| at + 1);
        let wrong = |at, what: &str, hint| Err(ScriptError { at, what: what.into(), hint });
        if parts.components.len() > 2 {
            return wrong(
                0,
                "a disconnect tone has one or two frequencies",
                "of a modulated tone write the carrier alone, like 425@-30;…",
            );
        }
        let [section] = &parts.sections[..] else {
            return wrong(
                after_semicolon,
                "a disconnect tone has one section",
                "keep the section whose cadence tells the tone",
            );
        };
        let Some(least) = section.lasts.filter(|&n| n > 0) else {
            return wrong(
                after_semicolon,
                "the duration has no end",
                "D says how long the tone must be heard, like 2(.5/.5/1+2)",
            );
        };
        let segments = script.find('(').map_or(after_semicolon, |at| at + 1);
        match ToneMatch::of_segments(&parts.components, &section.segments, least) {
            Some(wanted) => Ok(wanted),
            None if section.segments.iter().any(|s| s.which == 0 || s.on == Some(0)) => wrong(
                segments,
                "a segment that never sounds",
                "every on/off pair needs an on time and 1 or 1+2",
            ),
            None => wrong(
                segments,
                "segments sound at different frequencies",
                "all on/off pairs of a disconnect tone sound alike, like 4(.25/.25/1+2)",
            ),
        }
    }

    /// How a tone that is played is recognised, when it must be heard for `ms`; `None` where it is more than one or two
    /// frequencies in one cadence.
    pub fn of(tone: &Tone, ms: u32) -> Option<ToneMatch> {
        let [section] = &tone.script.sections[..] else { return None };
        ToneMatch::of_segments(&tone.script.components, &section.segments, ms * PER_MS)
    }

    fn of_segments(components: &[Component], segments: &[Segment], least: u32) -> Option<ToneMatch> {
        let which = segments.first()?.which;
        let sounding = components.iter().enumerate().filter(|(n, _)| which & 1 << n != 0);
        let hz: Vec<f32> = sounding.map(|(_, component)| component.hz).collect();
        let hz = match hz[..] {
            [one] => [one; 2],
            [one, two] => [one, two],
            _ => return None,
        };
        let mut pairs = Vec::with_capacity(segments.len());
        for s in segments {
            // A segment that sounds for ever is one that outlasts D.
            let on = s.on.unwrap_or(least.max(1));
            if s.which != which || on == 0 {
                return None;
            }
            pairs.push((on, if s.on.is_none() { 0 } else { s.off.unwrap_or(least) }));
        }
        Some(ToneMatch { hz, least, pairs })
    }

    /// Is the tone continuous?
    pub fn continuous(&self) -> bool {
        self.pairs.iter().all(|p| p.1 == 0)
    }

    /// A continuous tone of this pair, heard for `ms`: what an office's dial tone is.
    pub fn steady(hz: [f32; 2], ms: u32) -> ToneMatch {
        ToneMatch { hz, least: ms * PER_MS, pairs: vec![(ms * PER_MS, 0)] }
    }
}

impl FromStr for ToneMatch {
    type Err = ScriptError;
    fn from_str(s: &str) -> Result<ToneMatch, ScriptError> {
        ToneMatch::parse(s)
    }
}

fn parse(script: &str) -> Result<Script, ScriptError> {
    let mut c = Cursor::new(script)?;
    let components = frequencies(&mut c)?;
    // Some manuals print the Holding Tone as `600@-19*(…)`: the first semicolon may be missing.
    c.take(b';');
    let mut sections = Vec::new();
    loop {
        if sections.len() == MAX_SEGMENTS {
            return Err(c.error("too many sections", "a tone has at most six sections"));
        }
        sections.push(section(&mut c, components.len())?);
        if !c.take(b';') || c.peek().is_none() {
            break;
        }
    }
    if c.peek().is_some() {
        let found = c.describe();
        return Err(c.error(format!("{found} after the end"), "sections are separated by ;"));
    }
    Ok(Script { components, sections, sweep: None })
}

fn frequencies(c: &mut Cursor) -> Result<Vec<Component>, ScriptError> {
    let mut list = Vec::new();
    loop {
        if list.len() == MAX_COMPONENTS {
            return Err(c.error("a seventh frequency", "a tone has at most six frequencies"));
        }
        c.peek();
        let at = c.at;
        let hz = c.number(1, "a tone begins with frequencies, like 350@-19,440@-19")?;
        if !(10..=39_990).contains(&hz) {
            return Err(ScriptError {
                at,
                what: "the frequency is out of range".into(),
                hint: "1 to 3999 Hz",
            });
        }
        c.expect(b'@', "each frequency has a level, like 350@-19")?;
        c.peek();
        let at = c.at;
        let level = c.number(1, "a level is in dBm, like -19")?;
        if !(-900..=31).contains(&level) {
            let hint = "-90 to 3.1 dBm; is a ; missing after the level?";
            return Err(ScriptError { at, what: "the level is out of range".into(), hint });
        }
        list.push(Component { hz: hz as f32 / 10.0, dbm0: level as f32 / 10.0 });
        if !c.take(b',') {
            return Ok(list);
        }
    }
}

fn section(c: &mut Cursor, components: usize) -> Result<Section, ScriptError> {
    let lasts = c.span()?;
    c.expect(b'(', "a section is written 10(.5/.5/1+2)")?;
    let start = c.at;
    let mut segments = Vec::new();
    loop {
        if segments.len() == MAX_SEGMENTS {
            return Err(c.error("a seventh segment", "a section has at most six segments"));
        }
        let on = c.span()?;
        c.expect(b'/', "a segment is written on/off/components")?;
        let off = c.span()?;
        c.expect(b'/', "a segment ends with its components, like /1+2, or /0 for silence")?;
        segments.push(Segment { on, off, which: which(c, components)? });
        if !c.take(b',') {
            break;
        }
    }
    c.expect(b')', "close the section with )")?;
    if segments.iter().all(|s| s.on == Some(0) && s.off == Some(0)) {
        let (what, hint) = ("no segment takes any time".into(), "give an on or off time");
        return Err(ScriptError { at: start, what, hint });
    }
    Ok(Section { lasts, segments })
}

fn which(c: &mut Cursor, components: usize) -> Result<u8, ScriptError> {
    const HINT: &str = "components are numbered from 1 in the order of the frequencies, 0 is silence";
    let mut mask = 0u8;
    loop {
        c.peek();
        let at = c.at;
        let n = c.number(0, HINT)?;
        match n {
            0 => {}
            1.. if n as u64 <= components as u64 => mask |= 1 << (n - 1),
            _ => {
                let what = format!("there is no component {n}");
                return Err(ScriptError { at, what, hint: HINT });
            }
        }
        if !c.take(b'+') {
            return Ok(mask);
        }
    }
}
