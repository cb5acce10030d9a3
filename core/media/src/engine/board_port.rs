//! A port of a board as an endpoint: what is played to it, what is heard from it. It works on the board's frames.

use ringtrip_model::ids::{CallId, PortRef};

use super::detectors::{Across, Detectors, KeyEdge};
use super::playback::Playback;
use super::ringback::Ringback;
use super::rtp_endpoint::Link;
use super::{BridgeId, DetectorConfig, Endpoint, MediaEvent};
use crate::callerid::{Burst, BurstGen};
use crate::dtmf::{DtmfGen, HeldKeys, Sending};
use crate::jitter::Elastic;
use crate::level::Gain;
use crate::session::RtpStats;
use crate::tone::{Play, Tone, ToneGen};

/// One port.
pub(super) struct BoardPort {
    /// Its name in events.
    pub endpoint: Endpoint,
    /// Its bridge, and how it is linked to the others there.
    bridge: Option<(BridgeId, Link)>,
    /// Whose it is.
    call: Option<CallId>,
    tone: Option<ToneGen>,
    ringback: Option<Ringback>,
    digits: Option<DtmfGen>,
    /// Keys that are held at the other side.
    held: Option<HeldKeys>,
    burst: Option<BurstGen>,
    playback: Option<(CallId, Playback)>,
    /// Nothing of its bridge reaches it.
    muted: bool,
    detectors: Detectors,
    /// Sound from another board port or from a mixer, not played yet.
    waiting: Elastic,
    /// What the line says is so much louder for its peer, and what its peer says for the line.
    gains: [Gain; 2],
    heard: u64,
    played: u64,
}

impl BoardPort {
    /// A quiet port.
    pub fn new(port: PortRef) -> BoardPort {
        BoardPort {
            endpoint: Endpoint::Port(port),
            bridge: None,
            call: None,
            tone: None,
            ringback: None,
            digits: None,
            held: None,
            burst: None,
            playback: None,
            muted: false,
            detectors: Detectors::default(),
            waiting: Elastic::new(),
            gains: [Gain::default(); 2],
            heard: 0,
            played: 0,
        }
    }

    /// Plays a tone from now on; a running one falls away without a click.
    pub fn play(&mut self, tone: &Tone) {
        self.playback = None;
        self.ringback = None;
        match &mut self.tone {
            Some(generator) => generator.play(tone),
            None => self.tone = Some(ToneGen::new(tone)),
        }
    }

    /// Plays ringback while its peer says nothing.
    pub fn ringback(&mut self, tone: &Tone) {
        self.stop_playback();
        self.ringback = Some(Ringback::new(tone));
    }

    /// Plays an announcement for a call.
    pub fn play_prompt(&mut self, call: CallId, playback: Playback) {
        self.ringback = None;
        if let Some(generator) = &mut self.tone {
            generator.stop();
        }
        self.playback = Some((call, playback));
    }

    /// A call is over: what it had said is said no longer, and nothing is kept from the line. True if it was that call's.
    pub fn forget(&mut self, call: CallId) -> bool {
        if self.playback.as_ref().is_some_and(|(of, _)| *of == call) {
            self.playback = None;
        }
        let was_its = self.call == Some(call);
        if was_its {
            (self.muted, self.call) = (false, None);
        }
        was_its
    }

    /// Keeps what its bridge says from it, or no more.
    pub fn mute(&mut self, on: bool) {
        self.muted = on;
    }

    /// Stops the tone or the announcement.
    pub fn stop_playback(&mut self) {
        self.playback = None;
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

    /// A key goes down or comes up at the other side: its tone begins or ends here.
    pub fn key(&mut self, edge: KeyEdge) {
        match edge {
            KeyEdge::Down(key) => {
                self.held.get_or_insert_with(|| HeldKeys::new(Sending::default())).press(key);
            }
            KeyEdge::Up(ms) => {
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
    pub fn detect(&mut self, what: &DetectorConfig) {
        self.detectors.set(what);
    }

    /// To whom it is linked.
    pub fn link(&self) -> &Link {
        self.bridge.as_ref().map_or(&Link::Alone, |(_, link)| link)
    }

    /// Which bridge it is in.
    pub fn bridge_id(&self) -> Option<BridgeId> {
        self.bridge.as_ref().map(|(bridge, _)| *bridge)
    }

    /// Whose it is.
    pub fn call(&self) -> Option<CallId> {
        self.call
    }

    /// It is this call's from now on.
    pub fn assign(&mut self, call: CallId) {
        if self.call != Some(call) {
            (self.heard, self.played) = (0, 0);
            self.call = Some(call);
        }
    }

    /// Links it to others of a bridge, or to nobody there.
    pub fn set_link(&mut self, bridge: BridgeId, link: Link) {
        if let BridgeId::Call(call) = bridge {
            self.assign(call);
        }
        if *self.link() != link {
            self.waiting.clear();
            self.held = None;
        }
        self.bridge = Some((bridge, link));
    }

    /// It belongs to no bridge any more.
    pub fn unlink(&mut self) {
        self.bridge = None;
        self.waiting.clear();
        self.held = None;
    }

    /// A frame came from the line. Answers the keys that the other side is to be given.
    pub fn process(
        &mut self,
        samples: &[i16],
        across: Across,
        tell: &mut dyn FnMut(MediaEvent),
    ) -> Vec<KeyEdge> {
        let own = self.held.as_ref().and_then(HeldKeys::key);
        self.detectors.process(&self.endpoint, samples, across, own, tell);
        self.heard += samples.len() as u64;
        self.detectors.edges()
    }

    /// Is a key sounding on the line now?
    pub fn keys_sound(&self) -> bool {
        self.detectors.keys_sound()
    }

    /// Makes what the line says so much louder for its peer, and what its peer says for the line, dB. Tones, keys and
    /// caller ID of ours keep their level.
    pub fn gain(&mut self, from_line_db: f32, to_line_db: f32) {
        self.gains = [Gain::db(from_line_db), Gain::db(to_line_db)];
    }

    /// What the line said, as loud as its peer hears it.
    pub fn amplify(&self, samples: &mut [i16]) {
        self.gains[0].apply(samples);
    }

    /// Sound from another board port or from a mixer.
    pub fn queue(&mut self, samples: &[i16]) {
        self.waiting.push(samples);
    }

    /// The next frame for the line: caller ID, keys and tones go before the peer's sound. `far` fills in what an RTP peer
    /// says. `other` is given what the other side said, whatever else is heard.
    pub fn playout(
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
        if self.muted {
            out.fill(0);
        }
        if let Some(ringback) = &mut self.ringback {
            ringback.fill(out);
        }
        let endpoint = &self.endpoint;
        if let Some(burst) = &mut self.burst {
            if burst.fill(out) == Play::Ended {
                self.burst = None;
                tell(None, MediaEvent::CallerIdSent { endpoint: endpoint.clone() });
            }
            return;
        }
        if let Some(digits) = &mut self.digits {
            if digits.fill(out) == Play::Ended {
                self.digits = None;
                tell(None, MediaEvent::DigitsSent { endpoint: endpoint.clone() });
            }
            return;
        }
        if let Some(held) = self.held.as_mut().filter(|_| !self.muted) {
            if held.fill(out) == Play::Ended {
                self.held = None;
            }
            return;
        }
        if let Some((call, playback)) = &mut self.playback {
            if playback.fill(out) {
                tell(Some(*call), MediaEvent::Played { endpoint: endpoint.clone() });
                self.playback = None;
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
                tell(None, MediaEvent::ToneEnded { endpoint: endpoint.clone() });
            }
        }
    }

    /// Is a burst of data on its way to it?
    pub fn sends_burst(&self) -> bool {
        self.burst.is_some()
    }

    /// What it measured since it was bridged, in frames of 20 ms.
    pub fn stats(&self) -> RtpStats {
        RtpStats { received: self.heard / 160, sent: self.played / 160, ..RtpStats::default() }
    }
}
