//! Sound in virtual time: the engine that the daemon hosts, a board with telephones, and the sound of SIP phones. What each of
//! them hears is kept, and measured with `sound.rs`, which shares nothing with the engine.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringtrip_exchange::post::{MediaCommand, MediaEvent};
use ringtrip_media::codec_pair::{Decoder, Encoder, LONGEST, Rate};
use ringtrip_media::engine::{Channel, Engine, Input, Output};
use ringtrip_media::rtp::{Header, Packet};
use ringtrip_media::sdp::Sdp;
use ringtrip_media::session::Datagram;
use ringtrip_media::sound::Codec;
use ringtrip_model::ids::{BoardId, CallId};

use crate::sound;

/// A frame of the board: 10 ms.
const FRAME: Duration = Duration::from_millis(10);
const FRAME_SAMPLES: usize = 80;
/// Phones send a packet as often.
const PACKET: Duration = Duration::from_millis(20);
const PACKET_SAMPLES: usize = 160;
/// What is heard is named in pieces of 100 ms.
const WINDOW: usize = 800;

/// The engine and all who hear and say something.
pub(crate) struct Audio {
    engine: Engine,
    out: Output,
    next_frame: Instant,
    next_packets: Instant,
    /// The telephones, by port.
    telephones: Vec<Person>,
    /// SIP phones by the address of their sound.
    phones: BTreeMap<SocketAddr, SoftPhone>,
}

/// Somebody at a telephone.
#[derive(Debug, Default)]
pub(crate) struct Person {
    /// What is to be said before anything else.
    sounds: VecDeque<i16>,
    /// A tone that is said all the time, Hz, and how far it is.
    voice: Option<(f64, usize)>,
    /// All that was heard.
    pub(crate) heard: Vec<i16>,
    /// How much of it was named, what was last found, and what was last reported.
    named: usize,
    last: String,
    reported: String,
}

/// The sound of a SIP phone.
#[derive(Debug)]
struct SoftPhone {
    person: Person,
    exchange: SocketAddr,
    codec: Codec,
    encoder: Option<Encoder>,
    decoder: Option<Decoder>,
    sent: Header,
    /// Source, first timestamp, and where in what was heard it stands.
    place: Option<(u32, u32, usize)>,
    /// Keys that came as events.
    keys: String,
    last_key: Option<u32>,
}

/// What comes of it.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A packet is on its way.
    Packet { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    /// The engine tells something.
    Event(Option<CallId>, MediaEvent),
}

impl Audio {
    /// A board with so many ports.
    pub(crate) fn new(now: Instant, board: BoardId, ports: u16) -> Audio {
        let find_prompt = Box::new(|_: &str| None);
        let (mut engine, mut out) = (Engine::new(now, find_prompt), Output::default());
        engine.on(now, Input::BoardOpened { number: 0, board, ports, samples: FRAME_SAMPLES }, &mut out);
        let telephones = (0..ports).map(|_| Person::default()).collect();
        Audio { engine, out, next_frame: now, next_packets: now, telephones, phones: BTreeMap::new() }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        Some(self.next_frame.min(self.next_packets)).into_iter().chain(self.engine.deadline()).min()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.engine.is_idle()
    }

    pub(crate) fn telephone(&mut self, port: u16) -> &mut Person {
        &mut self.telephones[usize::from(port)]
    }

    pub(crate) fn phone(&mut self, rtp: SocketAddr) -> Option<&mut Person> {
        self.phones.get_mut(&rtp).map(|phone| &mut phone.person)
    }

    /// Keys that a phone was sent as events (RFC 4733).
    pub(crate) fn keys(&self, rtp: SocketAddr) -> &str {
        self.phones.get(&rtp).map_or("", |phone| &phone.keys)
    }

    pub(crate) fn open(&mut self, now: Instant, call: CallId, ports: &[(u16, u64)]) {
        self.out.clear();
        self.engine.on(now, Input::Open { call, ports }, &mut self.out);
    }

    pub(crate) fn command(
        &mut self,
        now: Instant,
        command: MediaCommand,
        exchange: SocketAddr,
    ) -> Vec<Happening> {
        self.out.clear();
        self.engine.on(now, Input::Command(command), &mut self.out);
        self.happened(exchange, &[])
    }

    /// A phone that knows these codecs was sent this body: if it is SDP it knows where its sound goes, and in which codec.
    pub(crate) fn learn(&mut self, rtp: SocketAddr, known: &[Codec], body: &[u8], ssrc: u32) {
        let Some((_, theirs)) = Sdp::parse(body).ok().and_then(|sdp| sdp.sound()) else { return };
        let is_known = |codec: &Codec| known.iter().any(|own| own.kind == codec.kind);
        let codec = theirs.codecs.into_iter().find(is_known);
        let (Some(exchange), Some(codec)) = (theirs.addr, codec) else { return };
        let phone = self.phones.entry(rtp).or_insert_with(|| SoftPhone {
            person: Person::default(),
            exchange,
            codec: codec.clone(),
            encoder: None,
            decoder: None,
            sent: Header { ssrc, ..Header::default() },
            place: None,
            keys: String::new(),
            last_key: None,
        });
        phone.exchange = exchange;
        if phone.encoder.as_ref().is_none_or(|encoder| encoder.kind() != codec.kind) {
            phone.encoder = Encoder::new(codec.kind, Rate::Narrow);
            phone.decoder = Decoder::new(codec.kind, Rate::Narrow);
        }
        phone.codec = codec;
    }

    /// A packet has arrived.
    pub(crate) fn arrive(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    ) -> Vec<Happening> {
        if let Some(phone) = self.phones.get_mut(&to) {
            phone.hear(&bytes);
            return Vec::new();
        }
        let mut buffer = bytes;
        let len = buffer.len();
        buffer.resize(len + 64, 0);
        self.out.clear();
        let datagram = Datagram { buffer: &mut buffer, len };
        let port = to.port() & !1;
        let input = match to.port() % 2 {
            0 => Input::Packet { port, from, packet: datagram },
            _ => Input::Rtcp { port, from, datagram },
        };
        self.engine.on(now, input, &mut self.out);
        self.happened(to, &buffer)
    }

    /// Does what is due. `talks` says whether the phone with this address is in a call.
    pub(crate) fn timeout(
        &mut self,
        now: Instant,
        exchange: SocketAddr,
        talks: impl Fn(SocketAddr) -> bool,
    ) -> Vec<Happening> {
        let mut happened = Vec::new();
        if self.engine.deadline().is_some_and(|at| at <= now) {
            self.out.clear();
            self.engine.on(now, Input::Timeout, &mut self.out);
            happened.extend(self.happened(exchange, &[]));
        }
        if self.next_frame <= now {
            self.next_frame += FRAME;
            happened.extend(self.frame(now, exchange));
        }
        if self.next_packets <= now {
            self.next_packets += PACKET;
            for (rtp, phone) in self.phones.iter_mut().filter(|(rtp, _)| talks(**rtp)) {
                let to = phone.exchange;
                happened.extend(phone.packet().map(|bytes| Happening::Packet { from: *rtp, to, bytes }));
            }
        }
        happened
    }

    fn frame(&mut self, now: Instant, exchange: SocketAddr) -> Vec<Happening> {
        let ports = self.telephones.len();
        let mut heard = vec![0; ports * FRAME_SAMPLES];
        for (n, person) in self.telephones.iter_mut().enumerate() {
            for s in heard.iter_mut().skip(n).step_by(ports) {
                *s = person.say();
            }
        }
        let mut spoken = vec![0; ports * FRAME_SAMPLES];
        self.out.clear();
        let (late, queued) = (Duration::ZERO, 0);
        let input = Input::Frame { number: 0, late, queued, heard: &heard, spoken: &mut spoken };
        self.engine.on(now, input, &mut self.out);
        for (n, person) in self.telephones.iter_mut().enumerate() {
            person.heard.extend(spoken.iter().skip(n).step_by(ports));
        }
        self.happened(exchange, &[])
    }

    fn happened(&mut self, exchange: SocketAddr, received: &[u8]) -> Vec<Happening> {
        let packet = |transmit| {
            let bytes = self.out.bytes(transmit, received).to_vec();
            let port = transmit.port + u16::from(transmit.channel == Channel::Rtcp);
            Happening::Packet { from: SocketAddr::new(exchange.ip(), port), to: transmit.to, bytes }
        };
        let mut happened: Vec<Happening> = self.out.transmits.iter().map(packet).collect();
        happened.extend(self.out.events.drain(..).map(|(call, event)| Happening::Event(call, event)));
        happened
    }

    /// What telephones and phones hear that is new: port or address, and the frequencies.
    pub(crate) fn news(&mut self) -> Vec<(Result<u16, SocketAddr>, String)> {
        let telephones = (0u16..).zip(&mut self.telephones).map(|(port, person)| (Ok(port), person));
        let phones = self.phones.iter_mut().map(|(rtp, phone)| (Err(*rtp), &mut phone.person));
        telephones.chain(phones).filter_map(|(who, person)| Some((who, person.news()?))).collect()
    }
}

impl Person {
    /// Says this tone from now on, Hz; `None`: nothing.
    pub(crate) fn speak(&mut self, hz: Option<f64>) {
        self.voice = hz.map(|hz| (hz, 0));
    }

    /// Presses keys of a telephone with tones: 80 ms each, and as much between them.
    pub(crate) fn press(&mut self, keys: &str) {
        self.sounds.extend(sound::keys(keys, 80, 80));
    }

    fn say(&mut self) -> i16 {
        if let Some(sample) = self.sounds.pop_front() {
            return sample;
        }
        let Some((hz, t)) = &mut self.voice else { return 0 };
        *t += 1;
        (4000.0 * (std::f64::consts::TAU * *hz * *t as f64 / sound::RATE as f64).sin()) as i16
    }

    /// What is heard has changed, and stays so for 200 ms.
    fn news(&mut self) -> Option<String> {
        let mut news = None;
        while let Some(window) = self.heard.get(self.named..self.named + WINDOW) {
            self.named += WINDOW;
            let found = name_of(window);
            if found == self.last && found != self.reported {
                self.reported = found.clone();
                news = Some(found.clone());
            }
            self.last = found;
        }
        news
    }
}

/// The frequencies that are heard: tones of the exchange, of keys, and of voices in tests.
fn name_of(window: &[i16]) -> String {
    const KNOWN: [u32; 20] = [
        300, 350, 400, 440, 450, 480, 550, 620, 697, 770, 852, 941, 1000, 1100, 1209, 1336, 1477, 1633, 1800,
        2100,
    ];
    if sound::level(window) < -45.0 {
        return "nothing".to_owned();
    }
    let levels = KNOWN.map(|hz| (hz, sound::level_of(window, f64::from(hz))));
    let loudest = levels.iter().map(|(_, level)| *level).fold(-120.0, f64::max);
    let loud = levels.iter().filter(|(_, level)| *level > loudest - 8.0).map(|(hz, _)| hz.to_string());
    format!("{} Hz", loud.collect::<Vec<_>>().join(" + "))
}

impl SoftPhone {
    fn packet(&mut self) -> Option<Vec<u8>> {
        let samples: Vec<i16> = (0..PACKET_SAMPLES).map(|_| self.person.say()).collect();
        let mut payload = [0; LONGEST];
        let n = self.encoder.as_mut()?.encode(&samples, &mut payload);
        self.sent.pt = self.codec.pt;
        let mut bytes = vec![0; 12 + n];
        self.sent.write(&payload[..n], &mut bytes)?;
        self.sent.seq = self.sent.seq.wrapping_add(1);
        self.sent.timestamp = self.sent.timestamp.wrapping_add(PACKET_SAMPLES as u32);
        Some(bytes)
    }

    /// Each packet stands where its timestamp says; what never came is silence.
    fn hear(&mut self, bytes: &[u8]) {
        let Ok(packet) = Packet::parse(bytes) else { return };
        let Header { ssrc, timestamp, pt, .. } = packet.header;
        if pt != self.codec.pt {
            return self.event(timestamp, packet.payload);
        }
        let Some(decoder) = &mut self.decoder else { return };
        let mut samples = [0; LONGEST];
        let n = decoder.decode(packet.payload, &mut samples);
        let heard = &mut self.person.heard;
        let at = match self.place {
            Some((of, first, at)) if of == ssrc && timestamp.wrapping_sub(first) < 1 << 24 => {
                at + timestamp.wrapping_sub(first) as usize
            }
            _ => {
                self.place = Some((ssrc, timestamp, heard.len()));
                heard.len()
            }
        };
        if heard.len() < at + n {
            heard.resize(at + n, 0);
        }
        heard[at..at + n].copy_from_slice(&samples[..n]);
    }

    fn event(&mut self, timestamp: u32, payload: &[u8]) {
        let Some(key) = payload.first().and_then(|event| "0123456789*#ABCD".chars().nth(usize::from(*event)))
        else {
            return;
        };
        if payload.len() == 4 && self.last_key != Some(timestamp) {
            self.last_key = Some(timestamp);
            self.keys.push(key);
        }
    }
}
