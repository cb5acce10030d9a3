//! An RTP endpoint: the session with its peer, and what is generated towards it: tones, keys, announcements, and the sound
//! of whoever takes and gives samples, a board or a mixer.

use std::collections::VecDeque;
use std::time::Instant;

use ringtrip_model::ids::{CallId, PortRef};
use ringtrip_model::party::{Key, KeyForm};

use super::detectors::KeyEdge;
use super::output::{Channel, Output};
use super::playback::Playback;
use super::playout::Playout;
use super::{BridgeId, Endpoint, MediaEvent};
use crate::codec_pair::{Decoder, Encoder, LONGEST, Rate};
use crate::dtmf::{DtmfDetector, DtmfGen, Heard, Sending};
use crate::rtp::Header;
use crate::session::{MediaParameters, Outgoing, RtpSession, RtpStats};
use crate::sound::CodecKind;
use crate::telephone_event::{self, EventHeard, EventReceiver};
use crate::tone::{Play, Tone, ToneGen};

/// Samples in 20 ms.
const FRAME: usize = 160;
/// 20 ms ticks between two events that are carried: their own pause has passed already.
const LEAST_GAP: u16 = 1;
/// Sound that waits to fill a packet, at most 60 ms.
const WAITING: usize = 480;

/// To whom an endpoint is bridged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Link {
    /// Nobody.
    #[default]
    Alone,
    /// The RTP endpoint at this index, and nobody else: between two of them packets are relayed.
    Rtp(usize),
    /// A port of a board, and nobody else.
    Port(PortRef),
    /// The mixer of this bridge.
    Mixer(BridgeId),
}

/// One RTP endpoint.
pub(super) struct RtpEndpoint {
    pub session: RtpSession,
    /// The leased port.
    pub port: u16,
    /// Whose it is.
    pub call: CallId,
    /// The bridge that it is in, and how it is linked to the others there.
    pub bridge: Option<BridgeId>,
    pub link: Link,
    /// Its sound for whoever takes samples.
    pub playout: Option<Playout>,
    events: EventReceiver,
    tone: Option<ToneGen>,
    inband: Option<DtmfGen>,
    playback: Option<Playback>,
    /// Nothing of its bridge reaches it.
    muted: bool,
    /// Listens for key tones in what comes.
    dtmf: Option<(DtmfDetector, Option<Decoder>)>,
    /// Events that wait to be sent, with their ms; `None` while the key is down.
    keys: VecDeque<(u8, Option<u16>)>,
    /// Keys for a telephone on a board.
    edges: Vec<KeyEdge>,
    /// 20 ms ticks to wait before the next key.
    pause: u16,
    gap: u16,
    encoder: Option<Encoder>,
    waiting: Vec<i16>,
    ptime: usize,
}

impl RtpEndpoint {
    /// An endpoint without a peer. `random` seeds its source and numbers.
    pub fn new(now: Instant, port: u16, call: CallId, random: u64) -> RtpEndpoint {
        RtpEndpoint {
            session: RtpSession::new(now, random),
            port,
            call,
            bridge: None,
            link: Link::Alone,
            playout: None,
            events: EventReceiver::default(),
            tone: None,
            inband: None,
            playback: None,
            muted: false,
            dtmf: None,
            keys: VecDeque::new(),
            edges: Vec::new(),
            pause: 0,
            gap: 0,
            encoder: None,
            waiting: Vec::new(),
            ptime: FRAME,
        }
    }

    /// Its name in events.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::Rtp(self.port)
    }

    /// How it talks to its peer from now on.
    pub fn set_parameters(&mut self, now: Instant, parameters: MediaParameters) {
        self.ptime = (usize::from(parameters.ptime) * 8).clamp(80, WAITING);
        if self.encoder.as_ref().is_none_or(|encoder| encoder.kind() != parameters.send.kind) {
            self.encoder = Encoder::new(parameters.send.kind, Rate::Narrow);
        }
        self.session.set_parameters(now, parameters);
    }

    /// Links it to others, or to nobody.
    pub fn set_link(&mut self, bridge: Option<BridgeId>, link: Link) {
        self.bridge = bridge;
        if self.link == link {
            return;
        }
        let takes_samples = matches!(link, Link::Port(_) | Link::Mixer(_));
        // From one mixer to another its sound goes on.
        let kept = self.playout.take();
        self.playout = takes_samples.then(|| kept.unwrap_or_else(Playout::new));
        self.link = link;
    }

    /// Plays a tone towards it.
    pub fn play(&mut self, tone: &Tone) {
        match &mut self.tone {
            Some(generator) => generator.play(tone),
            None => self.tone = Some(ToneGen::new(tone)),
        }
        self.playback = None;
        self.suppress();
    }

    /// Plays an announcement towards it.
    pub fn play_prompt(&mut self, playback: Playback) {
        self.tone = None;
        self.playback = Some(playback);
        self.suppress();
    }

    /// Stops the tone or the announcement.
    pub fn stop_playback(&mut self) {
        self.tone = None;
        self.playback = None;
        self.suppress();
    }

    /// Keeps what its bridge says from it, or no more.
    pub fn mute(&mut self, on: bool) {
        self.muted = on;
        self.waiting.clear();
        self.suppress();
    }

    /// Is something of ours heard, or shall nobody else be?
    fn is_closed_to_others(&self) -> bool {
        self.tone.is_some() || self.inband.is_some() || self.playback.is_some() || self.muted
    }

    fn suppress(&mut self) {
        self.session.suppress(self.is_closed_to_others());
    }

    /// Listens for key tones in what comes, or no more.
    pub fn detect_dtmf(&mut self, on: bool) {
        match (on, &self.dtmf) {
            (true, None) => self.dtmf = Some((DtmfDetector::new(), None)),
            (false, Some(_)) => self.dtmf = None,
            _ => {}
        }
    }

    /// The codec of a packet, by its place in what may come in.
    pub fn codec(&self, index: usize) -> Option<CodecKind> {
        Some(self.session.parameters()?.receive.get(index)?.kind)
    }

    /// Sound came: key tones in it are told, if somebody asked for them.
    pub fn process(&mut self, codec: CodecKind, payload: &[u8], tell: &mut dyn FnMut(MediaEvent)) {
        let endpoint = self.endpoint();
        let Some((detector, decoder)) = &mut self.dtmf else { return };
        if decoder.as_ref().is_none_or(|decoder| decoder.kind() != codec) {
            *decoder = Decoder::new(codec, Rate::Narrow);
        }
        let Some(decoder) = decoder else { return };
        let mut samples = [0; LONGEST];
        let n = decoder.decode(payload, &mut samples);
        detector.push(&samples[..n], |heard| {
            if let Heard::Down { key, .. } = heard
                && let Some(key) = Key::new(key)
            {
                let form = KeyForm::InBand;
                tell(MediaEvent::Digit { endpoint: endpoint.clone(), key, ms: 100, form });
            }
        });
    }

    /// Sends keys: as events if the peer speaks RFC 4733, else in-band.
    pub fn send_digits(&mut self, keys: &str, on: u16, off: u16) {
        if self.takes_events() {
            self.gap = off.div_ceil(20).max(2);
            self.keys.extend(keys.chars().filter_map(|key| Some((telephone_event::event(key)?, Some(on)))));
            return;
        }
        match &mut self.inband {
            Some(generator) => generator.push(keys),
            None => self.inband = Some(DtmfGen::new(keys, Sending { on, off, ..Sending::default() })),
        }
        self.suppress();
    }

    /// Does its peer take keys as events?
    pub fn takes_events(&self) -> bool {
        self.session.parameters().is_some_and(|p| p.telephone_event.is_some())
    }

    /// Can it be given keys of the other end as they go down and come up?
    pub fn takes_edges(&self) -> bool {
        self.takes_events() && !self.muted
    }

    /// A key goes down or comes up at the other end. Ticks do the rest.
    pub fn key(&mut self, edge: KeyEdge) {
        match edge {
            KeyEdge::Down(key) => {
                self.gap = LEAST_GAP;
                self.keys.extend(telephone_event::event(key).map(|event| (event, None)));
            }
            KeyEdge::Up(ms) => match self.keys.back_mut() {
                Some((_, lasts)) => {
                    lasts.get_or_insert(ms);
                }
                None => self.session.release_event(ms),
            },
        }
    }

    /// Keys for the other end, since this was last asked.
    pub fn edges(&mut self) -> Vec<KeyEdge> {
        std::mem::take(&mut self.edges)
    }

    /// Is anything being generated, so that ticks are needed?
    pub fn is_busy(&self) -> bool {
        self.is_closed_to_others()
            || !self.keys.is_empty()
            || self.session.sends_event()
            || self.pause > 0
            || self.events.sounding()
    }

    /// A telephone event came in.
    pub fn event(&mut self, header: &Header, payload: &[u8], tell: &mut dyn FnMut(MediaEvent)) {
        let (endpoint, form) = (self.endpoint(), self.form());
        let edges = &mut self.edges;
        self.events.packet(header, payload, |heard| told(&endpoint, form, heard, edges, tell));
    }

    /// What becomes of keys that come in.
    fn form(&self) -> KeyForm {
        match self.link {
            Link::Port(_) => KeyForm::Carried,
            _ => KeyForm::Signalled,
        }
    }

    /// 20 ms have passed: generates what is under way.
    pub fn tick(&mut self, now: Instant, out: &mut Output) {
        let (endpoint, form, call) = (self.endpoint(), self.form(), Some(self.call));
        let edges = &mut self.edges;
        self.events.elapse(FRAME as u32, |heard| {
            told(&endpoint, form, heard, edges, &mut |event| out.tell(call, event));
        });
        self.tick_keys(now, out);
        let mut sound = [0; FRAME];
        if let Some(generator) = &mut self.inband {
            if generator.fill(&mut sound) == Play::Ended {
                self.inband = None;
                self.suppress();
                out.tell(call, MediaEvent::DigitsSent { endpoint });
            }
            self.send_samples(now, &sound, out);
        } else if let Some(playback) = &mut self.playback {
            if playback.fill(&mut sound) {
                self.playback = None;
                self.suppress();
                out.tell(call, MediaEvent::Played { endpoint });
            }
            self.send_samples(now, &sound, out);
        } else if let Some(generator) = &mut self.tone {
            if generator.fill(&mut sound) == Play::Ended {
                self.stop_playback();
                out.tell(call, MediaEvent::ToneEnded { endpoint });
            }
            self.send_samples(now, &sound, out);
        } else if self.muted && self.keys.is_empty() && self.pause == 0 {
            // Silence flows on, so that the far end does not believe the call dead.
            self.send_samples(now, &sound, out);
        }
    }

    fn tick_keys(&mut self, now: Instant, out: &mut Output) {
        if self.send_event(now, out) {
            return;
        }
        if self.pause > 0 {
            self.pause -= 1;
            if self.pause == 0 && self.keys.is_empty() {
                out.tell(Some(self.call), MediaEvent::DigitsSent { endpoint: self.endpoint() });
            }
            return;
        }
        let Some((event, ms)) = self.keys.pop_front() else { return };
        let begun = match ms {
            Some(ms) => self.session.begin_event(now, event, ms),
            None => self.session.hold_event(now, event),
        };
        if begun {
            self.send_event(now, out);
        } else {
            self.keys.clear();
            out.tell(Some(self.call), MediaEvent::DigitsSent { endpoint: self.endpoint() });
        }
    }

    /// Sends what is due of the event under way. Answers whether it goes on.
    fn send_event(&mut self, now: Instant, out: &mut Output) -> bool {
        // The three ends of an event follow one another at once; other packets keep their 20 ms.
        while let Some((outgoing, ends)) = self.session.write_event(now, out.room()) {
            self.written(outgoing, out);
            if !ends {
                return true;
            }
            self.pause = self.gap;
        }
        false
    }

    /// Sound of whoever gives samples: sent when a packet is full. Held back while something else is sent.
    pub fn write_audio(&mut self, now: Instant, samples: &[i16], out: &mut Output) {
        if self.is_closed_to_others() {
            self.waiting.clear();
            return;
        }
        self.waiting.extend_from_slice(samples);
        while self.waiting.len() >= self.ptime {
            let mut packet = [0; WAITING];
            let packet = &mut packet[..self.ptime];
            packet.copy_from_slice(&self.waiting[..self.ptime]);
            self.waiting.drain(..self.ptime);
            self.send_samples(now, packet, out);
        }
    }

    fn send_samples(&mut self, now: Instant, samples: &[i16], out: &mut Output) {
        let Some(encoder) = &mut self.encoder else { return };
        let mut payload = [0; 2 * WAITING];
        let n = encoder.encode(samples, &mut payload);
        // G.711 and G.722 count 8,000 a second in their timestamps (RFC 3551 §4.5.2).
        let outgoing = self.session.write_audio(now, &payload[..n], samples.len() as u32, out.room());
        self.written(outgoing, out);
    }

    fn written(&self, outgoing: Outgoing, out: &mut Output) {
        out.written(self.port, Channel::Rtp, self.source(), outgoing);
    }

    /// The address of ours to send from, where the kernel would take another.
    pub fn source(&self) -> Option<std::net::IpAddr> {
        self.session.parameters().and_then(|p| p.local)
    }

    /// Reports of loss and time, and whether the peer fell silent for good.
    pub fn report(&mut self, now: Instant, out: &mut Output) {
        if self.session.deadline().is_none_or(|at| at > now) {
            return;
        }
        let outgoing = self.session.write_report(now, "ringtrip", out.room());
        let channel = if self.session.shares_port() { Channel::Rtp } else { Channel::Rtcp };
        out.written(self.port, channel, self.source(), outgoing);
        let outgoing = self.session.write_keep_alive(now, out.room());
        self.written(outgoing, out);
        if self.session.stopped(now) {
            out.tell(Some(self.call), MediaEvent::RtpTimeout { endpoint: self.endpoint() });
        }
    }

    /// What it measured; `None` when it never had a peer.
    pub fn stats(&self) -> Option<RtpStats> {
        self.session.parameters().map(|_| self.session.stats())
    }
}

fn told(
    endpoint: &Endpoint,
    form: KeyForm,
    heard: EventHeard,
    edges: &mut Vec<KeyEdge>,
    tell: &mut dyn FnMut(MediaEvent),
) {
    let (event, ms) = match heard {
        EventHeard::Down { event } => (event, None),
        EventHeard::Up { event, ms } => (event, Some(ms)),
    };
    let Some(key) = telephone_event::key(event) else { return };
    if form == KeyForm::Carried {
        edges.push(ms.map_or(KeyEdge::Down(key), KeyEdge::Up));
    }
    if let (Some(ms), Some(key)) = (ms, Key::new(key)) {
        tell(MediaEvent::Digit { endpoint: endpoint.clone(), key, ms, form });
    }
}
