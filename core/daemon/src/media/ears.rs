//! What is listened for on a board port: keys, caller ID, tones, silence. A detector runs only while somebody asked
//! for it.

use std::time::Duration;

use ringtrip_media::callerid::{Caller, FskReceiver, Received};
use ringtrip_media::dtmf::{DtmfDetector, Heard};
use ringtrip_media::level;
use ringtrip_media::tone::{ToneDetector, ToneMatch};
use ringtrip_switch::party::{CallerId, Key};
use ringtrip_switch::post::{End, Listen, MediaEvent};

/// Below this a line is silent (SPA `PSTN_Silence_Threshold` medium), dBm0.
const SILENT: f32 = -42.0;
/// Dial tone is a steady tone for this long.
const DIAL_TONE_MS: u32 = 500;
/// Dial tones of the world: North America, UK and most others near 425 Hz.
const DIAL_TONES: [[f32; 2]; 4] = [[350.0, 440.0], [425.0, 425.0], [400.0, 425.0], [400.0, 400.0]];
/// A voice is loud for this long in all and never as steady as a tone.
const VOICE: Duration = Duration::from_millis(250);

/// The detectors of one port.
#[derive(Default)]
pub struct Ears {
    dtmf: Option<DtmfDetector>,
    caller_id: Option<FskReceiver>,
    disconnect: Option<ToneDetector>,
    dial: Vec<ToneDetector>,
    voice: Option<Voice>,
    silence: Option<Silence>,
}

struct Silence {
    limit: u64,
    quiet: u64,
    told: bool,
}

/// Tells a voice from the tones of an office: tones keep their level and their zero crossings, voices do not.
#[derive(Default)]
struct Voice {
    loud: u64,
    last_crossings: Option<u32>,
}

impl Ears {
    /// Listens for this from now on.
    pub fn set(&mut self, what: &Listen) {
        keep(&mut self.dtmf, what.dtmf, DtmfDetector::new);
        keep(&mut self.caller_id, what.caller_id, FskReceiver::new);
        keep(&mut self.voice, what.voice, Voice::default);
        self.disconnect = what.disconnect_tone.as_ref().map(ToneDetector::new);
        self.dial = if what.dial_tone {
            DIAL_TONES.iter().map(|hz| ToneDetector::new(&ToneMatch::steady(*hz, DIAL_TONE_MS))).collect()
        } else {
            Vec::new()
        };
        self.silence = what.silence.map(|limit| Silence {
            limit: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).saturating_mul(8),
            quiet: 0,
            told: false,
        });
    }

    /// Is a key sounding now?
    pub fn keys_sound(&self) -> bool {
        self.dtmf.as_ref().is_some_and(DtmfDetector::sounding)
    }

    /// Hears these samples.
    pub fn hear(&mut self, end: &End, samples: &[i16], tell: &mut dyn FnMut(MediaEvent)) {
        if let Some(dtmf) = &mut self.dtmf {
            dtmf.push(samples, |heard| {
                // A key counts when it goes down: waiting for its end would make the dial plan late.
                if let Heard::Down { key, .. } = heard
                    && let Some(key) = Key::new(key)
                {
                    tell(MediaEvent::Digit { end: end.clone(), key, ms: 100 });
                }
            });
        }
        if let Some(fsk) = &mut self.caller_id
            && let Some(Received::Caller(caller)) = fsk.push(samples)
        {
            tell(MediaEvent::CallerId { end: end.clone(), caller: caller_id(caller) });
        }
        if let Some(tone) = &mut self.disconnect
            && tone.push(samples)
        {
            tell(MediaEvent::DisconnectTone { end: end.clone() });
        }
        if self.dial.iter_mut().any(|tone| tone.push(samples)) {
            self.dial.clear();
            tell(MediaEvent::DialTone { end: end.clone() });
        }
        if let Some(voice) = &mut self.voice
            && voice.push(samples)
        {
            self.voice = None;
            tell(MediaEvent::Voice { end: end.clone() });
        }
        if let Some(silence) = &mut self.silence
            && silence.push(samples)
        {
            tell(MediaEvent::Silence { end: end.clone() });
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
    fn push(&mut self, samples: &[i16]) -> bool {
        if level::of(samples) > SILENT {
            self.quiet = 0;
            self.told = false;
            return false;
        }
        self.quiet += samples.len() as u64;
        let now = self.quiet >= self.limit && !self.told;
        self.told |= now;
        now
    }
}

impl Voice {
    fn push(&mut self, samples: &[i16]) -> bool {
        if level::of(samples) < -38.0 {
            self.last_crossings = None;
            return false;
        }
        let crossings = samples.windows(2).filter(|w| (w[0] < 0) != (w[1] < 0)).count() as u32;
        let steady = self.last_crossings.is_some_and(|last| last.abs_diff(crossings) <= 1);
        self.last_crossings = Some(crossings);
        if !steady {
            self.loud += samples.len() as u64;
        }
        self.loud >= VOICE.as_millis() as u64 * 8
    }
}

fn caller_id(caller: Caller) -> CallerId {
    CallerId { number: caller.number, name: caller.name, private: caller.private }
}
