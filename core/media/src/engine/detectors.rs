//! What is listened for on a board port: keys, caller ID, tones, silence. A detector runs only while somebody asked
//! for it.

use std::time::Duration;

use ringtrip_model::party::{CallerId, Key, KeyForm};

use super::{DetectorConfig, Endpoint, MediaEvent};
use crate::callerid::{Caller, FskReceiver, Received};
use crate::dtmf::{DtmfDetector, Heard};
use crate::progress::DialToneDetector;
use crate::silence::{SilenceDetector, Threshold};
use crate::tone::ToneDetector;
use crate::voice::VoiceDetector;

/// The detectors of one port.
#[derive(Default)]
pub struct Detectors {
    dtmf: Option<DtmfDetector>,
    /// The key that is down, if it is still to be told.
    untold: Option<char>,
    /// The key that is down is our own.
    own: bool,
    /// Keys that the other end is to be given.
    edges: Vec<KeyEdge>,
    caller_id: Option<FskReceiver>,
    disconnect: Vec<ToneDetector>,
    dial: Option<DialToneDetector>,
    voice: Option<VoiceDetector>,
    silence: Option<Silence>,
}

/// A key goes down or comes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyEdge {
    /// It goes down.
    Down(char),
    /// It has come up, after so many ms.
    Up(u16),
}

/// What the other end makes of keys that are heard here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Across {
    /// There is none that needs to be told by us.
    Nothing,
    /// It is given them as they go down and come up.
    Edges,
    /// It hears their tones.
    Sound,
}

struct Silence {
    detector: SilenceDetector,
    /// In samples.
    limit: u32,
}

impl Detectors {
    /// Listens for this from now on.
    pub fn set(&mut self, what: &DetectorConfig) {
        keep(&mut self.dtmf, what.dtmf, DtmfDetector::new);
        keep(&mut self.caller_id, what.caller_id, FskReceiver::new);
        keep(&mut self.voice, what.voice, VoiceDetector::default);
        self.disconnect = what.disconnect_tone.iter().map(ToneDetector::new).collect();
        self.dial = what.dial_tone.then(DialToneDetector::default);
        self.silence = what.silence.map(Silence::new);
    }

    /// Is a key sounding now?
    pub fn keys_sound(&self) -> bool {
        self.dtmf.as_ref().is_some_and(DtmfDetector::sounding)
    }

    /// Keys that the other end is to be given, since this was last asked.
    pub fn edges(&mut self) -> Vec<KeyEdge> {
        std::mem::take(&mut self.edges)
    }

    /// Looks at these samples. `own` is the key that we play here ourselves: its echo is no key of the line's.
    pub fn process(
        &mut self,
        endpoint: &Endpoint,
        samples: &[i16],
        across: Across,
        own: Option<char>,
        tell: &mut dyn FnMut(MediaEvent),
    ) {
        if let Some(dtmf) = &mut self.dtmf {
            let (untold, is_own, edges) = (&mut self.untold, &mut self.own, &mut self.edges);
            let mut say = |key, ms, form| {
                if let Some(key) = Key::new(key) {
                    tell(MediaEvent::Digit { endpoint: endpoint.clone(), key, ms, form });
                }
            };
            dtmf.push(samples, |heard| match (heard, across) {
                (Heard::Down { key, .. }, _) if own == Some(key) => *is_own = true,
                // A key counts when it goes down: waiting for its end would make the dial plan late.
                (Heard::Down { key, .. }, Across::Nothing) => say(key, 100, KeyForm::Signalled),
                (Heard::Down { key, .. }, Across::Edges) => {
                    edges.push(KeyEdge::Down(key));
                    say(key, 100, KeyForm::Carried);
                }
                // A peer that is told in words is told how long it was.
                (Heard::Down { key, .. }, Across::Sound) => *untold = Some(key),
                (Heard::Up { .. }, _) if std::mem::take(is_own) => {}
                (Heard::Up { key, ms }, _) => {
                    if untold.take().is_some() {
                        say(key, ms, KeyForm::InBand);
                    } else if across == Across::Edges {
                        edges.push(KeyEdge::Up(ms));
                    }
                }
            });
        }
        if let Some(fsk) = &mut self.caller_id
            && let Some(Received::Caller(caller)) = fsk.push(samples)
        {
            tell(MediaEvent::CallerId { endpoint: endpoint.clone(), caller: caller_id(caller) });
        }
        // Each of them hears all samples, whichever is found first.
        let mut heard = false;
        for tone in &mut self.disconnect {
            heard |= tone.push(samples);
        }
        if heard {
            tell(MediaEvent::DisconnectTone { endpoint: endpoint.clone() });
        }
        if let Some(dial) = &mut self.dial
            && dial.push(samples)
        {
            self.dial = None;
            tell(MediaEvent::DialTone { endpoint: endpoint.clone() });
        }
        if let Some(voice) = &mut self.voice
            && voice.push(samples)
        {
            self.voice = None;
            tell(MediaEvent::Voice { endpoint: endpoint.clone() });
        }
        if let Some(silence) = &mut self.silence
            && silence.push(samples)
        {
            tell(MediaEvent::Silence { endpoint: endpoint.clone() });
        }
    }
}

/// Keeps a detector that is already at work, so that asking again does not make it forget what it half heard.
fn keep<T>(slot: &mut Option<T>, wanted: bool, new: impl FnOnce() -> T) {
    match (wanted, slot.is_some()) {
        (true, false) => *slot = Some(new()),
        (false, true) => *slot = None,
        _ => {}
    }
}

impl Silence {
    fn new(limit: Duration) -> Silence {
        let samples = limit.as_millis().saturating_mul(8);
        let limit = u32::try_from(samples).unwrap_or(u32::MAX).max(1);
        Silence { detector: SilenceDetector::new(Threshold::Medium), limit }
    }

    /// Has it just been silent for long enough? Said once; again after somebody was heard.
    fn push(&mut self, samples: &[i16]) -> bool {
        let before = self.detector.silent_for();
        self.detector.push(samples) >= self.limit && before < self.limit
    }
}

fn caller_id(caller: Caller) -> CallerId {
    CallerId { number: caller.number, name: caller.name, private: caller.private }
}
