//! An RTP end in the plane: the pure end of `ringtrip_media::relay` with its sockets, and what is generated towards
//! it: tones, keys, and the sound of a telephone on a board.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use ringtrip_exchange::post::{End, Figures, MediaEvent, RtpFace};
use ringtrip_media::dtmf::{DtmfDetector, DtmfGen, Heard, Sending};
use ringtrip_media::g711::Law;
use ringtrip_media::relay::{Face, RtpEnd, Step};
use ringtrip_media::telephone_event::{self, EventHeard, EventReceiver};
use ringtrip_media::tone::{Play, Tone, ToneGen};
use ringtrip_model::ids::CallId;
use ringtrip_model::party::{Key, KeyForm};

use super::ears::Edge;
use super::far::Far;
use super::lease::Pair;
use super::prompts::Clip;
use crate::net;

/// Samples in 20 ms.
const FRAME: usize = 160;
/// 20 ms ticks between two events that are carried: their own pause has passed already.
const LEAST_GAP: u16 = 1;
/// Sound of a telephone that waits to fill a packet, at most 60 ms.
const WAITING: usize = 480;

/// One RTP end.
pub struct Leg {
    /// The pure end.
    pub end: RtpEnd,
    /// Its sockets.
    pub pair: Arc<Pair>,
    /// The address of ours to send from, where the kernel would take another.
    pub source: Option<IpAddr>,
    /// Whose it is.
    pub call: CallId,
    /// The other end, if it is joined.
    pub peer: Option<End>,
    /// Sound for a telephone on a board.
    pub far: Option<Far>,
    events: EventReceiver,
    tone: Option<ToneGen>,
    inband: Option<DtmfGen>,
    clip: Option<Clip>,
    /// Nothing of its peer reaches it.
    shielded: bool,
    /// Listens for key tones in what comes.
    ears: Option<DtmfDetector>,
    /// Events that wait to be sent, with their ms; `None` while the key is down.
    keys: VecDeque<(u8, Option<u16>)>,
    /// Keys for a telephone on a board.
    edges: Vec<Edge>,
    /// 20 ms ticks to wait before the next key.
    pause: u16,
    gap: u16,
    waiting: Vec<i16>,
    ptime: usize,
}

impl Leg {
    /// An end without a peer.
    pub fn new(now: Instant, pair: Arc<Pair>, call: CallId) -> Leg {
        Leg {
            end: RtpEnd::new(now, rand::random()),
            pair,
            source: None,
            call,
            peer: None,
            far: None,
            events: EventReceiver::default(),
            tone: None,
            inband: None,
            clip: None,
            shielded: false,
            ears: None,
            keys: VecDeque::new(),
            edges: Vec::new(),
            pause: 0,
            gap: 0,
            waiting: Vec::new(),
            ptime: FRAME,
        }
    }

    /// Its name in events.
    pub fn name(&self) -> End {
        End::Rtp(self.pair.port)
    }

    /// How it talks to its peer from now on. `pass` says whether the joined end takes events as they are.
    pub fn set_face(&mut self, now: Instant, face: RtpFace) {
        self.ptime = (usize::from(face.ptime) * 8).clamp(80, WAITING);
        self.source = face.local.filter(|local| net::is_not_first_choice(*local, face.remote.ip()));
        self.end.set_face(
            now,
            Face {
                remote: canonical(face.remote),
                also: face.also,
                agreement: face.agreement,
                unreachable: face.unreachable,
                remote_rtcp: None,
                send: face.send,
                receive: face.receive,
                telephone_event: face.telephone_event,
                telephone_event_in: face.telephone_event_in,
                direction: face.direction,
                timeout: face.timeout,
                pass_events: true,
            },
        );
    }

    /// The law of what this end sends, if a telephone's sound can be sent in it.
    pub fn law(&self) -> Option<Law> {
        self.end.face().and_then(|face| face.send.law())
    }

    /// Plays a tone towards it.
    pub fn play(&mut self, tone: &Tone) {
        match &mut self.tone {
            Some(generator) => generator.play(tone),
            None => self.tone = Some(ToneGen::new(tone)),
        }
        self.clip = None;
        self.hush();
    }

    /// Plays an announcement towards it.
    pub fn play_clip(&mut self, clip: Clip) {
        self.tone = None;
        self.clip = Some(clip);
        self.hush();
    }

    /// Stops the tone or the announcement.
    pub fn quiet(&mut self) {
        self.tone = None;
        self.clip = None;
        self.hush();
    }

    /// Keeps what its peer says from it, or no more.
    pub fn shield(&mut self, on: bool) {
        self.shielded = on;
        self.waiting.clear();
        self.hush();
    }

    /// Holds its peer's sound back while something of ours is heard, or nobody else shall be.
    fn hush(&mut self) {
        let own = self.tone.is_some() || self.inband.is_some() || self.clip.is_some();
        self.end.hush(own || self.shielded);
    }

    /// Listens for key tones in what comes, or no more.
    pub fn hear_keys(&mut self, keys: bool) {
        match (keys, &self.ears) {
            (true, None) => self.ears = Some(DtmfDetector::new()),
            (false, Some(_)) => self.ears = None,
            _ => {}
        }
    }

    /// Sound came: key tones in it are told, if somebody asked for them.
    pub fn hear(&mut self, law: Law, payload: &[u8], tell: &mut dyn FnMut(MediaEvent)) {
        let end = self.name();
        let Some(ears) = &mut self.ears else { return };
        let mut samples = [0; WAITING];
        let n = law.decode(payload, &mut samples);
        ears.push(&samples[..n], |heard| {
            if let Heard::Down { key, .. } = heard
                && let Some(key) = Key::new(key)
            {
                let form = KeyForm::InBand;
                tell(MediaEvent::Digit { end: end.clone(), key, ms: 100, form });
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
        self.hush();
    }

    /// Does its peer take keys as events?
    pub fn takes_events(&self) -> bool {
        self.end.face().is_some_and(|face| face.telephone_event.is_some())
    }

    /// Can it be given keys of the other end as they go down and come up?
    pub fn takes_edges(&self) -> bool {
        self.takes_events() && !self.shielded
    }

    /// A key goes down or comes up at the other end. Ticks do the rest.
    pub fn key(&mut self, edge: Edge) {
        match edge {
            Edge::Down(key) => {
                self.gap = LEAST_GAP;
                self.keys.extend(telephone_event::event(key).map(|event| (event, None)));
            }
            Edge::Up(ms) => match self.keys.back_mut() {
                Some((_, lasts)) => {
                    lasts.get_or_insert(ms);
                }
                None => self.end.release_event(ms),
            },
        }
    }

    /// Keys for the other end, since this was last asked.
    pub fn edges(&mut self) -> Vec<Edge> {
        std::mem::take(&mut self.edges)
    }

    /// Is anything being generated, so that ticks are needed?
    pub fn busy(&self) -> bool {
        self.tone.is_some()
            || self.inband.is_some()
            || self.clip.is_some()
            || self.shielded
            || !self.keys.is_empty()
            || self.end.sends_event()
            || self.pause > 0
            || self.events.sounding()
    }

    /// A telephone event came in.
    pub fn heard_event(
        &mut self,
        header: &ringtrip_media::rtp::Header,
        payload: &[u8],
        tell: &mut dyn FnMut(MediaEvent),
    ) {
        let (end, form) = (self.name(), self.form());
        let edges = &mut self.edges;
        self.events.packet(header, payload, |heard| told(&end, form, heard, edges, tell));
    }

    /// What becomes of keys that come in.
    fn form(&self) -> KeyForm {
        match self.peer {
            Some(End::Port(_)) => KeyForm::Carried,
            _ => KeyForm::Signalled,
        }
    }

    /// 20 ms have passed: generates what is under way.
    pub fn tick(&mut self, now: Instant, buffer: &mut [u8], tell: &mut dyn FnMut(MediaEvent)) {
        let (end, form) = (self.name(), self.form());
        let edges = &mut self.edges;
        self.events.elapse(FRAME as u32, |heard| told(&end, form, heard, edges, tell));
        self.tick_keys(now, buffer, tell);
        let mut sound = [0; FRAME];
        if let Some(generator) = &mut self.inband {
            if generator.fill(&mut sound) == Play::Ended {
                self.inband = None;
                self.hush();
                tell(MediaEvent::DigitsSent { end });
            }
            self.say(now, &sound, buffer);
        } else if let Some(clip) = &mut self.clip {
            if clip.fill(&mut sound) {
                self.clip = None;
                self.hush();
                tell(MediaEvent::Played { end });
            }
            self.say(now, &sound, buffer);
        } else if let Some(generator) = &mut self.tone {
            if generator.fill(&mut sound) == Play::Ended {
                self.quiet();
                tell(MediaEvent::ToneEnded { end });
            }
            self.say(now, &sound, buffer);
        } else if self.shielded && self.keys.is_empty() && self.pause == 0 {
            // Silence flows on, so that the far end does not believe the call dead.
            self.say(now, &sound, buffer);
        }
    }

    fn tick_keys(&mut self, now: Instant, buffer: &mut [u8], tell: &mut dyn FnMut(MediaEvent)) {
        if self.send_event(now, buffer) {
            return;
        }
        if self.pause > 0 {
            self.pause -= 1;
            if self.pause == 0 && self.keys.is_empty() {
                tell(MediaEvent::DigitsSent { end: self.name() });
            }
            return;
        }
        let Some((event, ms)) = self.keys.pop_front() else { return };
        let begun = match ms {
            Some(ms) => self.end.begin_event(now, event, ms),
            None => self.end.hold_event(now, event),
        };
        if begun {
            self.send_event(now, buffer);
        } else {
            self.keys.clear();
            tell(MediaEvent::DigitsSent { end: self.name() });
        }
    }

    /// Sends what is due of the event under way. Answers whether it goes on.
    fn send_event(&mut self, now: Instant, buffer: &mut [u8]) -> bool {
        // The three ends of an event follow one another at once; other packets keep their 20 ms.
        while let Some(step) = self.end.write_event(now, buffer) {
            self.send(step, buffer);
            if buffer.get(13).is_none_or(|flags| flags & 0x80 == 0) {
                return true;
            }
            self.pause = self.gap;
        }
        false
    }

    /// Sound of a telephone on a board: sent when a packet is full. Held back while something else is sent.
    pub fn speak(&mut self, now: Instant, samples: &[i16], buffer: &mut [u8]) {
        if self.tone.is_some() || self.inband.is_some() || self.clip.is_some() || self.shielded {
            self.waiting.clear();
            return;
        }
        self.waiting.extend_from_slice(samples);
        while self.waiting.len() >= self.ptime {
            let packet: Vec<i16> = self.waiting.drain(..self.ptime).collect();
            self.say(now, &packet, buffer);
        }
    }

    fn say(&mut self, now: Instant, samples: &[i16], buffer: &mut [u8]) {
        let Some(law) = self.law() else { return };
        let mut payload = [0; WAITING];
        let n = law.encode(samples, &mut payload);
        let step = self.end.write_audio(now, &payload[..n], n as u32, buffer);
        self.send(step, buffer);
    }

    /// Sends what a step says. A full socket buffer loses the packet, as any network may.
    pub fn send(&self, step: Step, buffer: &[u8]) {
        if let Step::Send { to, len } = step {
            self.pair.send(&buffer[..len], self.source, to);
        }
    }

    /// Reports of loss and time, and whether the peer fell silent for good.
    pub fn report(&mut self, now: Instant, buffer: &mut [u8], tell: &mut dyn FnMut(MediaEvent)) {
        if self.end.deadline().is_none_or(|at| at > now) {
            return;
        }
        if let Step::Send { to, len } = self.end.write_report(now, "ringtrip", buffer) {
            self.pair.send_rtcp(&buffer[..len], self.source, to);
        }
        if let Step::Send { to, len } = self.end.write_keep_alive(now, buffer) {
            self.pair.send(&buffer[..len], self.source, to);
        }
        if self.end.stopped(now) {
            tell(MediaEvent::Stopped { end: self.name() });
        }
    }

    /// What it measured.
    pub fn figures(&self) -> Figures {
        self.end.figures()
    }
}

fn told(
    end: &End,
    form: KeyForm,
    heard: EventHeard,
    edges: &mut Vec<Edge>,
    tell: &mut dyn FnMut(MediaEvent),
) {
    let (event, ms) = match heard {
        EventHeard::Down { event } => (event, None),
        EventHeard::Up { event, ms } => (event, Some(ms)),
    };
    let Some(key) = telephone_event::key(event) else { return };
    if form == KeyForm::Carried {
        edges.push(ms.map_or(Edge::Down(key), Edge::Up));
    }
    if let (Some(ms), Some(key)) = (ms, Key::new(key)) {
        tell(MediaEvent::Digit { end: end.clone(), key, ms, form });
    }
}

/// An IPv4 address that came by an IPv6 socket, as IPv4.
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(addr, |v4| SocketAddr::new(v4.into(), addr.port())),
        IpAddr::V4(_) => addr,
    }
}
