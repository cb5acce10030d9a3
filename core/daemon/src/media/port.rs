//! A board port as an end of sound: what is played to it, what is heard from it. Works on the board's frames.

use ringtrip_exchange::post::{End, Figures, Listen, MediaEvent};
use ringtrip_media::callerid::{Burst, BurstGen};
use ringtrip_media::dtmf::{DtmfGen, HeldKeys, Sending};
use ringtrip_media::jitter::Elastic;
use ringtrip_media::level::Gain;
use ringtrip_media::tone::{Play, Tone, ToneGen};
use ringtrip_model::ids::{CallId, PortRef};

use super::ears::{Across, Ears, Edge};
use super::prompts::Clip;
use super::ringback::Ringback;

/// One port.
pub struct Port {
    /// Its end, for events.
    pub end: End,
    /// The other end of its call, if it is joined.
    pub peer: Option<(CallId, End)>,
    tone: Option<ToneGen>,
    ringback: Option<Ringback>,
    digits: Option<DtmfGen>,
    /// Keys that are held at the other end.
    held: Option<HeldKeys>,
    burst: Option<BurstGen>,
    clip: Option<(CallId, Clip)>,
    /// Nothing of its peer reaches it.
    shielded: bool,
    ears: Ears,
    /// Sound from a peer on a board, not played yet.
    waiting: Elastic,
    /// What the line says is so much louder for its peer, and what its peer says for the line.
    gains: [Gain; 2],
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
            held: None,
            burst: None,
            clip: None,
            shielded: false,
            ears: Ears::default(),
            waiting: Elastic::new(),
            gains: [Gain::default(); 2],
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

    /// A key goes down or comes up at the other end: its tone begins or ends here.
    pub fn key(&mut self, edge: Edge) {
        match edge {
            Edge::Down(key) => {
                self.held.get_or_insert_with(|| HeldKeys::new(Sending::default())).press(key);
            }
            Edge::Up(ms) => {
                if let Some(held) = &mut self.held {
                    held.release(ms);
                }
            }
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
        self.held = None;
        self.heard = 0;
        self.played = 0;
    }

    /// A frame came from the line. Answers the keys that the other end is to be given.
    pub fn hear(&mut self, samples: &[i16], across: Across, tell: &mut dyn FnMut(MediaEvent)) -> Vec<Edge> {
        let own = self.held.as_ref().and_then(HeldKeys::key);
        self.ears.hear(&self.end, samples, across, own, tell);
        self.heard += samples.len() as u64;
        self.ears.edges()
    }

    /// Is a key sounding on the line now?
    pub fn keys_sound(&self) -> bool {
        self.ears.keys_sound()
    }

    /// Makes what the line says so much louder for its peer, and what its peer says for the line, dB. Tones, keys and
    /// caller ID of ours keep their level.
    pub fn gain(&mut self, from_line_db: f32, to_line_db: f32) {
        self.gains = [Gain::db(from_line_db), Gain::db(to_line_db)];
    }

    /// What the line said, as loud as its peer hears it.
    pub fn louder(&self, samples: &mut [i16]) {
        self.gains[0].apply(samples);
    }

    /// Sound from a peer on a board.
    pub fn take(&mut self, samples: &[i16]) {
        self.waiting.push(samples);
    }

    /// The next frame for the line: caller ID, keys and tones go before the peer's sound. `far` fills in what an RTP peer
    /// says. `other` is given what the other side said, whatever else is heard.
    pub fn speak(
        &mut self,
        out: &mut [i16],
        other: Option<&mut [i16]>,
        far: impl FnOnce(&mut [i16]) -> bool,
        tell: &mut dyn FnMut(Option<CallId>, MediaEvent),
    ) {
        let near = self.waiting.pull(out);
        if far(out) || near {
            self.played += out.len() as u64;
        }
        if let Some(other) = other {
            other.copy_from_slice(out);
        }
        self.gains[1].apply(out);
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
        if let Some(held) = self.held.as_mut().filter(|_| !self.shielded) {
            if held.fill(out) == Play::Ended {
                self.held = None;
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
