//! A board port as an end of sound: what is played to it, what is heard from it. Works on the board's frames.

use ringtrip_media::callerid::{Burst, BurstGen};
use ringtrip_media::dtmf::{DtmfGen, Sending};
use ringtrip_media::tone::{Play, Tone, ToneGen};
use ringtrip_switch::ids::{CallId, PortRef};
use ringtrip_switch::post::{End, Figures, Listen, MediaEvent};

use super::ears::Ears;
use super::prompts::Clip;
use super::ringback::Ringback;

/// Sound from another board waits here at most this long, in samples: 60 ms.
const WAITING: usize = 480;

/// One port.
pub struct Port {
    /// Its end, for events.
    pub end: End,
    /// The other end of its call, if it is joined.
    pub peer: Option<(CallId, End)>,
    tone: Option<ToneGen>,
    ringback: Option<Ringback>,
    digits: Option<DtmfGen>,
    burst: Option<BurstGen>,
    clip: Option<(CallId, Clip)>,
    /// Nothing of its peer reaches it.
    shielded: bool,
    ears: Ears,
    /// Sound from a peer on a board, not played yet.
    waiting: Vec<i16>,
    heard: u64,
    played: u64,
}

impl Port {
    /// A quiet port.
    pub fn new(port: PortRef) -> Port {
        Port {
            end: End::Port(port),
            peer: None,
            tone: None,
            ringback: None,
            digits: None,
            burst: None,
            clip: None,
            shielded: false,
            ears: Ears::default(),
            waiting: Vec::with_capacity(WAITING),
            heard: 0,
            played: 0,
        }
    }

    /// Plays a tone from now on; a running one falls away without a click.
    pub fn play(&mut self, tone: &Tone) {
        self.clip = None;
        self.ringback = None;
        match &mut self.tone {
            Some(generator) => generator.play(tone),
            None => self.tone = Some(ToneGen::new(tone)),
        }
    }

    /// Plays ringback while its peer says nothing.
    pub fn ringback(&mut self, tone: &Tone) {
        self.quiet();
        self.ringback = Some(Ringback::new(tone));
    }

    /// Plays an announcement for a call.
    pub fn play_clip(&mut self, call: CallId, clip: Clip) {
        self.ringback = None;
        if let Some(generator) = &mut self.tone {
            generator.stop();
        }
        self.clip = Some((call, clip));
    }

    /// A call is over: what it had said is said no longer, and nothing is kept from the line.
    pub fn forget(&mut self, call: CallId) {
        if self.clip.as_ref().is_some_and(|(of, _)| *of == call) {
            self.clip = None;
        }
        if self.peer.as_ref().is_some_and(|(of, _)| *of == call) {
            self.shielded = false;
        }
    }

    /// Keeps what its peer says from it, or no more.
    pub fn shield(&mut self, on: bool) {
        self.shielded = on;
    }

    /// Stops the tone or the announcement.
    pub fn quiet(&mut self) {
        self.clip = None;
        self.ringback = None;
        if let Some(generator) = &mut self.tone {
            generator.stop();
        }
    }

    /// Sends keys; more keys queue behind those under way.
    pub fn send_digits(&mut self, keys: &str, on: u16, off: u16) {
        match &mut self.digits {
            Some(generator) => generator.push(keys),
            None => self.digits = Some(DtmfGen::new(keys, Sending { on, off, ..Sending::default() })),
        }
    }

    /// Sends caller ID.
    pub fn send_burst(&mut self, burst: &Burst) {
        self.burst = Some(BurstGen::new(burst));
    }

    /// Listens for this from now on.
    pub fn listen(&mut self, what: &Listen) {
        self.ears.set(what);
    }

    /// Joins it to an end, or takes it apart.
    pub fn join(&mut self, peer: Option<(CallId, End)>) {
        self.peer = peer;
        self.waiting.clear();
        self.heard = 0;
        self.played = 0;
    }

    /// A frame came from the line.
    pub fn hear(&mut self, samples: &[i16], tell: &mut dyn FnMut(MediaEvent)) {
        self.ears.hear(&self.end, samples, tell);
        self.heard += samples.len() as u64;
    }

    /// Is a key sounding on the line now?
    pub fn keys_sound(&self) -> bool {
        self.ears.keys_sound()
    }

    /// Sound from a peer on a board; what waits too long is dropped, oldest first.
    pub fn take(&mut self, samples: &[i16]) {
        let over = (self.waiting.len() + samples.len()).saturating_sub(WAITING);
        self.waiting.drain(..over.min(self.waiting.len()));
        self.waiting.extend_from_slice(samples);
    }

    /// The next frame for the line: caller ID, keys and tones go before the peer's sound. `far` fills in what an RTP peer
    /// says.
    pub fn speak(
        &mut self,
        out: &mut [i16],
        far: impl FnOnce(&mut [i16]) -> bool,
        tell: &mut dyn FnMut(Option<CallId>, MediaEvent),
    ) {
        out.fill(0);
        let n = self.waiting.len().min(out.len());
        out[..n].copy_from_slice(&self.waiting[..n]);
        self.waiting.drain(..n);
        if far(out) || n > 0 {
            self.played += out.len() as u64;
        }
        if self.shielded {
            out.fill(0);
        }
        if let Some(ringback) = &mut self.ringback {
            ringback.fill(out);
        }
        let end = &self.end;
        if let Some(burst) = &mut self.burst {
            if burst.fill(out) == Play::Ended {
                self.burst = None;
                tell(None, MediaEvent::CallerIdSent { end: end.clone() });
            }
            return;
        }
        if let Some(digits) = &mut self.digits {
            if digits.fill(out) == Play::Ended {
                self.digits = None;
                tell(None, MediaEvent::DigitsSent { end: end.clone() });
            }
            return;
        }
        if let Some((call, clip)) = &mut self.clip {
            if clip.fill(out) {
                tell(Some(*call), MediaEvent::Played { end: end.clone() });
                self.clip = None;
            }
            return;
        }
        if let Some(tone) = &mut self.tone {
            let was_over = tone.ended();
            let mut sound = [0; 160];
            for part in out.chunks_mut(sound.len()) {
                let sound = &mut sound[..part.len()];
                tone.fill(sound);
                for (o, s) in part.iter_mut().zip(sound) {
                    *o = o.saturating_add(*s);
                }
            }
            if was_over {
                // One more frame after the end let its fall out.
                self.tone = None;
            } else if tone.ended() {
                tell(None, MediaEvent::ToneEnded { end: end.clone() });
            }
        }
    }

    /// What it measured since it was joined, in frames of 20 ms.
    pub fn figures(&self) -> Figures {
        Figures { received: self.heard / 160, sent: self.played / 160, ..Figures::default() }
    }
}
