//! One RTP session (RFC 3550) with its peer, and the step that carries a packet from one to another in place.
//!
//! Whose packets are taken: only those from the address that the peer announced in its SDP, and of it only one port: the
//! announced one, or the one that its first good packet came from (symmetric RTP behind a port translator). Everything else
//! is counted and dropped, so nobody can have a call's sound sent to himself or put sound into it by sending first ("RTP
//! bleed"). Each new offer/answer opens the learning anew. Only where the announced address cannot be true (a private one of
//! a peer out in the Internet) another address may speak, in the first seconds, and as a stream of packets only.
//!
//! A packet goes on as it came while nothing else has been sent to that peer: same source, numbers and time. From the
//! first packet of our own (a tone, a digit) on, numbers and time are shifted so that the peer sees one stream.
//!
//! RTCP has the port after RTP's, the one that `a=rtcp` names (RFC 3605), or RTP's own (RFC 5761).

mod latch;
mod sender;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use self::latch::{Admission, Announced, SourceLatch};
use self::sender::Sender;
use crate::codec_pair::{self, Decoder, Encoder};
use crate::g711::transcode;
use crate::rtcp::{self, Rtcp, SenderInfo};
use crate::rtp::stats::Receiver;
use crate::rtp::{Header, Packet};
use crate::sound::{Codec, CodecKind, Direction, RtcpPort};
use crate::telephone_event::{EventSender, Send};
use crate::transform::{Protection, Transform};

/// Time between reports (RFC 3550 §6.2 minimum).
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// A way on which nothing is sent is kept open as often (RFC 6263 §8: 15 s; routers forget UDP after 30 s and more).
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How a session talks to its peer: what offer and answer agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaParameters {
    /// Where to send, and the only address whose packets are taken (after the first, the one port they come from).
    pub remote: SocketAddr,
    /// The address that its signalling comes from, where `remote` is another: a phone behind a router names the address
    /// of its own network, and its packets come from here.
    pub also: Option<IpAddr>,
    /// Which offer/answer this follows from: learning where the peer is begins anew with each.
    pub agreement: u32,
    /// `remote` is private while the peer's signalling comes from the Internet: no packet can come from there. If nothing
    /// comes from `also` either, the first stream from anywhere is believed, in the first seconds.
    pub unreachable: bool,
    /// The address of ours that the peer knows; `None`: whichever the kernel takes.
    pub local: Option<IpAddr>,
    /// Where RTCP goes.
    pub rtcp: RtcpPort,
    /// How packets are protected.
    pub protection: Protection,
    /// The codec that we send.
    pub send: Codec,
    /// Codecs that may come in.
    pub receive: Vec<Codec>,
    /// Payload type of RFC 4733 events that the peer wants from us; `None`: send digits in-band.
    pub telephone_event: Option<u8>,
    /// Payload type of RFC 4733 events that come from the peer.
    pub telephone_event_in: Option<u8>,
    /// Packet time to send, ms, 10–60.
    pub ptime: u8,
    /// Which way sound flows, seen from us.
    pub direction: Direction,
    /// A peer that has sent RTCP and then nothing at all for so long, though it should, is dead; `None`: never. Who never
    /// sent RTCP may be muted, and is not judged.
    pub timeout: Option<Duration>,
}

/// A datagram from the network in a buffer with room for what may be added to it on its way.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// The buffer.
    pub buffer: &'a mut [u8],
    /// How many octets of it are the datagram.
    pub len: usize,
}

impl Datagram<'_> {
    /// The octets of the datagram.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len.min(self.buffer.len())]
    }
}

/// What a packet from the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Classification {
    /// Sound in a codec of `MediaParameters::receive`.
    Audio {
        /// Its header.
        header: Header,
        /// Which codec: index in `MediaParameters::receive`.
        codec: usize,
        /// The payload: where in the packet it begins and how long it is.
        at: usize,
        /// Length of the payload.
        len: usize,
    },
    /// A telephone event; its payload begins at `at`.
    Event {
        /// Its header.
        header: Header,
        /// Where the payload begins.
        at: usize,
        /// Length of the payload.
        len: usize,
    },
    /// The peer is silent, and says how its silence sounds (RFC 3389).
    ComfortNoise {
        /// Where the payload begins.
        at: usize,
        /// Length of the payload.
        len: usize,
    },
    /// A report that shares the port (RFC 5761); it was taken.
    Report,
    /// From the right peer, but nothing to hear: the direction says that we do not listen.
    Quiet,
    /// Not from the peer, not RTP, or not a codec that was agreed.
    Refused,
}

/// What to do after a packet was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing {
    /// Send this many bytes of the buffer to this address.
    Send {
        /// Where to.
        to: SocketAddr,
        /// How many bytes.
        len: usize,
    },
    /// Send nothing.
    Nothing,
}

/// What one end measured over a call.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RtpStats {
    /// Packets (RTP) or frames of 20 ms (board port) taken from the peer.
    pub received: u64,
    /// Packets or frames sent to the peer.
    pub sent: u64,
    /// Packets that never came (RFC 3550 §6.4.1 cumulative number lost).
    pub lost: u64,
    /// Packets refused: wrong source, wrong payload type, not RTP.
    pub refused: u64,
    /// Interarrival jitter at the end, ms.
    pub jitter_ms: f32,
    /// Round trip from RTCP, ms; `None` if no report came.
    pub round_trip_ms: Option<f32>,
    /// Loss that the peer reported of what we sent, percent.
    pub far_loss_percent: Option<f32>,
}

/// One RTP session.
#[derive(Debug, Clone)]
pub struct RtpSession {
    parameters: Option<MediaParameters>,
    latch: SourceLatch,
    receiver: Receiver,
    sender: Sender,
    born: Instant,
    refused: u64,
    /// When something last came, or could first have come.
    alive: Instant,
    stopped: bool,
    /// The peer sends RTCP.
    reports: bool,
    /// Codec clock of what comes in, for jitter.
    clock: u32,
    /// The last sender report of the peer: middle of its NTP time, and when it came.
    peer_report: Option<(u32, Instant)>,
    round_trip_ms: Option<f32>,
    far_loss_percent: Option<f32>,
    next_report: Instant,
    /// When the last offer/answer was.
    agreed: Instant,
    event: Option<(EventSender, u32)>,
    suppressed: bool,
    transform: Transform,
    /// Decodes what comes in, where the other end of a relay speaks another codec.
    decoder: Option<Decoder>,
    /// Encodes what such an end says.
    encoder: Option<Encoder>,
}

impl RtpSession {
    /// An end with no peer yet. `random` seeds its source and numbers; they must not be guessable.
    pub fn new(now: Instant, random: u64) -> RtpSession {
        RtpSession {
            parameters: None,
            latch: SourceLatch::default(),
            receiver: Receiver::default(),
            sender: Sender::new(now, random),
            born: now,
            refused: 0,
            alive: now,
            stopped: false,
            reports: false,
            clock: 8000,
            peer_report: None,
            round_trip_ms: None,
            far_loss_percent: None,
            next_report: now + REPORT_EVERY,
            agreed: now,
            event: None,
            suppressed: false,
            transform: Transform::default(),
            decoder: None,
            encoder: None,
        }
    }

    /// Sets or changes the peer. With a new address or a new agreement learning begins anew; what was learned stays good
    /// until something else comes.
    pub fn set_parameters(&mut self, now: Instant, parameters: MediaParameters) {
        let who = |parameters: &MediaParameters| (parameters.remote, parameters.also, parameters.agreement);
        if self.parameters.as_ref().is_none_or(|old| who(old) != who(&parameters)) {
            let (sdp, signalling, unreachable) = (parameters.remote, parameters.also, parameters.unreachable);
            self.latch.agree(now, Announced { sdp, signalling, unreachable });
            self.agreed = now;
        }
        if self.parameters.as_ref().is_none_or(|old| old.protection != parameters.protection) {
            self.transform.set(&parameters.protection);
        }
        self.clock = parameters.receive.first().map_or(8000, |c| c.kind.clock());
        self.parameters = Some(parameters);
        (self.alive, self.stopped) = (now, false);
    }

    /// The peer, once it is known.
    pub fn parameters(&self) -> Option<&MediaParameters> {
        self.parameters.as_ref()
    }

    /// Takes a packet that came to our port. Its protection is taken off in place.
    pub fn accept(&mut self, now: Instant, from: SocketAddr, packet: &mut Datagram<'_>) -> Classification {
        let classified = self.classify(now, from, packet);
        if classified == Classification::Refused {
            self.refused += 1;
        }
        classified
    }

    fn classify(&mut self, now: Instant, from: SocketAddr, packet: &mut Datagram<'_>) -> Classification {
        let Some(parameters) = &self.parameters else { return Classification::Refused };
        if parameters.rtcp == RtcpPort::Shared && is_muxed_rtcp(packet.bytes()) {
            // A refused one has been counted there.
            return if self.accept_rtcp(now, from, packet) {
                Classification::Report
            } else {
                Classification::Quiet
            };
        }
        let may = self.latch.may(now, from);
        if may == Admission::No && !self.latch.may_have_moved(now, from) {
            return Classification::Refused;
        }
        match self.transform.unprotect(packet.buffer, packet.len) {
            Some(len) => packet.len = len,
            None => return Classification::Refused,
        }
        let Ok(p) = Packet::parse(packet.bytes()) else { return Classification::Refused };
        if may == Admission::No && !self.latch.is_stream(p.header.ssrc) {
            return Classification::Refused;
        }
        let (header, at, len) = (p.header, p.payload_at, p.payload.len());
        let classified = if let Some(codec) = parameters.receive.iter().position(|c| c.pt == header.pt) {
            Classification::Audio { header, codec, at, len }
        } else if parameters.telephone_event_in == Some(header.pt) {
            Classification::Event { header, at, len }
        } else if header.pt == COMFORT_NOISE {
            Classification::ComfortNoise { at, len }
        } else {
            return Classification::Refused;
        };
        match may {
            Admission::InStream if !self.latch.hold_stream(now, from, &header) => {
                return Classification::Refused;
            }
            Admission::InStream => {}
            Admission::Yes | Admission::No => self.latch.hold(now, from, header.ssrc),
        }
        let arrival = (now.saturating_duration_since(self.born).as_micros() as u64 * self.clock as u64
            / 1_000_000) as u32;
        self.receiver.packet(&header, arrival);
        (self.alive, self.stopped) = (now, false);
        if parameters.direction.receives() { classified } else { Classification::Quiet }
    }

    /// Takes a datagram that came to our RTCP port, or RTCP on the shared port. BYE is not believed: it can be forged, and
    /// SIP ends calls.
    pub fn accept_rtcp(&mut self, now: Instant, from: SocketAddr, datagram: &mut Datagram<'_>) -> bool {
        let announced = self.parameters.as_ref().and_then(|p| match p.rtcp {
            RtcpPort::Named(addr) => Some(addr),
            RtcpPort::Port(port) => Some(SocketAddr::new(self.latch.destination().ip(), port)),
            RtcpPort::Next | RtcpPort::Shared => None,
        });
        let is_expected = self.parameters.is_some()
            && self.latch.may_report(from, announced)
            && rtcp::is_rtcp(datagram.bytes());
        let plain =
            if is_expected { self.transform.unprotect_rtcp(datagram.buffer, datagram.len) } else { None };
        let Some(len) = plain else {
            self.refused += 1;
            return false;
        };
        datagram.len = len;
        let datagram = datagram.bytes();
        self.reports = true;
        let clock = self.ntp(now);
        for part in rtcp::parse(datagram) {
            let Rtcp::Report { sender, blocks, .. } = part else { continue };
            if let Some(s) = sender {
                self.peer_report = Some(((s.ntp >> 16) as u32, now));
            }
            for block in blocks.filter(|b| b.ssrc == self.sender.ssrc()) {
                if let Some(ms) = rtcp::round_trip_ms((clock >> 16) as u32, &block) {
                    self.round_trip_ms = Some(ms);
                }
                let sent = self.sender.packets().max(1);
                let percent = 100.0 * block.cumulative_lost.max(0) as f32 / sent as f32;
                self.far_loss_percent = Some(percent.min(100.0));
            }
        }
        (self.alive, self.stopped) = (now, false);
        true
    }

    /// Where sound goes: the port that the peer's packets come from, or until then the announced one. `None` when there
    /// is no peer or it does not want any.
    pub fn destination(&self) -> Option<SocketAddr> {
        let parameters = self.parameters.as_ref()?;
        let to = self.latch.destination();
        (parameters.direction.sends() && !to.ip().is_unspecified() && to.port() != 0).then_some(to)
    }

    /// Where reports go.
    pub fn rtcp_destination(&self) -> Option<SocketAddr> {
        let rtp = self.latch.destination();
        let to = match self.parameters.as_ref()?.rtcp {
            RtcpPort::Named(addr) => addr,
            RtcpPort::Port(port) => SocketAddr::new(rtp.ip(), port),
            RtcpPort::Next => SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1)),
            RtcpPort::Shared => rtp,
        };
        (!to.ip().is_unspecified() && to.port() > 1).then_some(to)
    }

    /// Do reports leave from our RTP port?
    pub fn shares_port(&self) -> bool {
        self.parameters.as_ref().is_some_and(|p| p.rtcp == RtcpPort::Shared)
    }

    /// Writes a packet of our own with sound in the codec of `MediaParameters::send`: from a telephone on a board, or a tone.
    /// `samples` is how much time it takes on the codec's clock.
    pub fn write_audio(&mut self, now: Instant, payload: &[u8], samples: u32, out: &mut [u8]) -> Outgoing {
        let (Some(to), Some(parameters)) = (self.destination(), &self.parameters) else {
            return Outgoing::Nothing;
        };
        let header = self.sender.own(now, parameters.send.pt, samples);
        let Some(len) = header.write(payload, out) else { return Outgoing::Nothing };
        self.sender.count(payload.len());
        self.protected(to, len, out)
    }

    fn protected(&mut self, to: SocketAddr, len: usize, out: &mut [u8]) -> Outgoing {
        self.transform.protect(out, len).map_or(Outgoing::Nothing, |len| Outgoing::Send { to, len })
    }

    /// Begins to send an event; false when the peer does not speak RFC 4733. Sound from the other end is held back
    /// until it is over.
    pub fn begin_event(&mut self, now: Instant, event: u8, ms: u16) -> bool {
        let speaks = self.parameters.as_ref().is_some_and(|f| f.telephone_event.is_some());
        if speaks {
            let timestamp = self.sender.begin_event(now);
            self.event = Some((EventSender::new(event, ms), timestamp));
        }
        speaks
    }

    /// Begins to send an event that lasts until [`RtpSession::release_event`]; the same otherwise.
    pub fn hold_event(&mut self, now: Instant, event: u8) -> bool {
        let speaks = self.begin_event(now, event, 0);
        if let Some((sender, _)) = &mut self.event {
            *sender = EventSender::held(event);
        }
        speaks
    }

    /// The key of the event under way has come up, and was down for so many ms.
    pub fn release_event(&mut self, ms: u16) {
        if let Some((sender, _)) = self.event.as_mut().filter(|(sender, _)| sender.is_held()) {
            sender.release(ms);
        }
    }

    /// The event's next packet, every 20 ms; `None` when it is over. Also says whether the packet tells the end.
    pub fn write_event(&mut self, now: Instant, out: &mut [u8]) -> Option<(Outgoing, bool)> {
        let (event, timestamp) = self.event.as_mut()?;
        let Some(Send { marker, offset, payload }) = event.next_packet() else {
            self.event = None;
            return None;
        };
        let timestamp = timestamp.wrapping_add(offset);
        let pt = self.parameters.as_ref()?.telephone_event?;
        let Some(to) = self.destination() else { return Some((Outgoing::Nothing, payload.end)) };
        let header = self.sender.event(now, pt, timestamp, marker);
        let Some(len) = header.write(&payload.bytes(), out) else {
            return Some((Outgoing::Nothing, payload.end));
        };
        self.sender.count(4);
        Some((self.protected(to, len, out), payload.end))
    }

    /// Is an event under way?
    pub fn sends_event(&self) -> bool {
        self.event.is_some()
    }

    /// Holds back the other end's sound while something of our own is sent (a tone), or lets it through again.
    pub fn suppress(&mut self, suppressed: bool) {
        self.suppressed = suppressed;
    }

    /// Writes the report that is due, if one is. While nothing was ever heard or said there is nothing to report: a call
    /// that rings, or stands for hours without sound, sends nothing.
    pub fn write_report(&mut self, now: Instant, cname: &str, out: &mut [u8]) -> Outgoing {
        if now < self.next_report {
            return Outgoing::Nothing;
        }
        self.next_report = now + REPORT_EVERY;
        let silent = self.sender.packets() == 0 && self.receiver.received() == 0;
        let Some(to) = self.rtcp_destination().filter(|_| !silent) else { return Outgoing::Nothing };
        let (last_sr, delay) = self.peer_report.map_or((0, 0), |(ntp, at)| {
            (
                ntp,
                (now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000).min(u32::MAX as u128)
                    as u32,
            )
        });
        let block = self.receiver.report(last_sr, delay);
        let sender = (self.sender.packets() > 0).then(|| SenderInfo {
            ntp: self.ntp(now),
            timestamp: self.sender.timestamp_at(now),
            packets: self.sender.packets() as u32,
            octets: self.sender.octets() as u32,
        });
        let written = rtcp::write(out, self.sender.ssrc(), sender, block, cname, false);
        match written.and_then(|len| self.transform.protect_rtcp(out, len)) {
            Some(len) => Outgoing::Send { to, len },
            None => Outgoing::Nothing,
        }
    }

    /// Writes the packet that keeps the way through routers open while there is nothing to send, as on hold (RFC 6263
    /// §4.6: RTP without payload, of a type that was not agreed on, so that nobody plays it).
    pub fn write_keep_alive(&mut self, now: Instant, out: &mut [u8]) -> Outgoing {
        let (Some(parameters), Some(at)) = (&self.parameters, self.keep_alive_at()) else {
            return Outgoing::Nothing;
        };
        if now < at {
            return Outgoing::Nothing;
        }
        let agreed = |pt: u8| {
            parameters.receive.iter().chain([&parameters.send]).any(|codec| codec.pt == pt)
                || [parameters.telephone_event, parameters.telephone_event_in].contains(&Some(pt))
        };
        let pt = (96..=127).rev().find(|pt| !agreed(*pt)).unwrap_or(127);
        let header = Header { marker: false, ..self.sender.own(now, pt, 0) };
        match header.write(&[], out) {
            Some(len) => self.protected(self.latch.destination(), len, out),
            None => Outgoing::Nothing,
        }
    }

    /// When the way must be kept open, if there is one.
    fn keep_alive_at(&self) -> Option<Instant> {
        self.parameters.as_ref()?;
        let to = self.latch.destination();
        let is_somewhere = !to.ip().is_unspecified() && to.port() != 0;
        is_somewhere.then(|| self.sender.last().max(self.agreed) + KEEP_ALIVE)
    }

    /// When the end wants to be asked for [`RtpSession::write_report`], [`RtpSession::write_keep_alive`] and [`RtpSession::stopped`].
    pub fn deadline(&self) -> Option<Instant> {
        self.parameters.as_ref()?;
        let stop = self.timeout().map(|timeout| self.alive + timeout);
        stop.into_iter().chain(self.keep_alive_at()).chain([self.next_report]).min()
    }

    /// Has nothing come for too long, though some should? Told once.
    pub fn stopped(&mut self, now: Instant) -> bool {
        let stopped = self.timeout().is_some_and(|timeout| now >= self.alive + timeout);
        self.stopped |= stopped;
        stopped
    }

    /// How long silence may last now.
    fn timeout(&self) -> Option<Duration> {
        let parameters = self.parameters.as_ref().filter(|f| f.direction.receives())?;
        parameters.timeout.filter(|_| self.reports && !self.stopped)
    }

    /// What was measured so far.
    pub fn stats(&self) -> RtpStats {
        RtpStats {
            received: self.receiver.received(),
            sent: self.sender.packets(),
            lost: self.receiver.lost().max(0) as u64,
            refused: self.refused,
            jitter_ms: self.receiver.jitter() as f32 * 1000.0 / self.clock as f32,
            round_trip_ms: self.round_trip_ms,
            far_loss_percent: self.far_loss_percent,
        }
    }

    /// Our clock for reports. Only differences are used, so it starts anywhere but at zero.
    fn ntp(&self, now: Instant) -> u64 {
        let t = now.saturating_duration_since(self.born);
        ((t.as_secs() + 1) << 32) | (((t.subsec_nanos() as u64) << 32) / 1_000_000_000)
    }
}

/// Static payload type of comfort noise (RFC 3389).
const COMFORT_NOISE: u8 = 13;

/// Is this RTCP on a port that it shares with RTP? Its packet types 192 to 223 stand where RTP would have a payload type of
/// 64 to 95 (RFC 5761 §4).
fn is_muxed_rtcp(datagram: &[u8]) -> bool {
    datagram.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

/// Carries a packet from one session to another, changing it in place: payload type, codec, and numbers where needed. Also
/// returns what it is, so that events can be told.
pub fn relay(
    from: &mut RtpSession,
    to: &mut RtpSession,
    now: Instant,
    source: SocketAddr,
    packet: &mut Datagram<'_>,
) -> (Classification, Outgoing) {
    let classified = from.accept(now, source, packet);
    (classified, forward(from, to, now, packet, classified))
}

/// The second half of [`relay`]: sends a packet on that was accepted.
pub fn forward(
    from: &mut RtpSession,
    to: &mut RtpSession,
    now: Instant,
    packet: &mut Datagram<'_>,
    classified: Classification,
) -> Outgoing {
    match classified {
        Classification::Audio { header, codec, at, len } => {
            forward_audio(from, to, now, packet, header, codec, at..at + len)
        }
        Classification::Event { header, at, len } => forward_event(to, now, packet, header, at + len),
        _ => Outgoing::Nothing,
    }
}

fn forward_audio(
    from: &mut RtpSession,
    to: &mut RtpSession,
    now: Instant,
    packet: &mut Datagram<'_>,
    mut header: Header,
    codec: usize,
    payload: std::ops::Range<usize>,
) -> Outgoing {
    let (Some(destination), Some(out), Some(inward)) = (to.destination(), &to.parameters, &from.parameters)
    else {
        return Outgoing::Nothing;
    };
    if to.suppressed || to.event.is_some() {
        to.sender.skip(&header);
        return Outgoing::Nothing;
    }
    let codec = inward.receive[codec].kind;
    let Codec { kind, pt, .. } = out.send;
    if codec != kind {
        match (codec.law(), kind.law()) {
            (Some(law), Some(_)) => transcode(law, &mut packet.buffer[payload.clone()]),
            _ if !convert(from, to, (codec, kind), packet, payload.clone()) => return Outgoing::Nothing,
            _ => {}
        }
    }
    header.pt = pt;
    to.sender.forward(now, &mut header, codec.clock());
    header.overwrite(packet.buffer);
    to.sender.count(payload.len());
    to.protected(destination, packet.len, packet.buffer)
}

/// Decodes the payload of a packet and encodes it in another codec, in place. Both must have the same RTP clock, so that
/// timestamps stay true. False when that cannot be done.
fn convert(
    from: &mut RtpSession,
    to: &mut RtpSession,
    (codec, kind): (CodecKind, CodecKind),
    packet: &mut Datagram<'_>,
    payload: std::ops::Range<usize>,
) -> bool {
    if codec.clock() != kind.clock() {
        return false;
    }
    let rate = kind.rate().min(codec.rate());
    if from.decoder.as_ref().is_none_or(|decoder| decoder.kind() != codec) {
        from.decoder = Decoder::new(codec, rate);
    }
    if to.encoder.as_ref().is_none_or(|encoder| encoder.kind() != kind) {
        to.encoder = Encoder::new(kind, rate);
    }
    let (Some(decoder), Some(encoder)) = (&mut from.decoder, &mut to.encoder) else { return false };
    let (mut samples, mut encoded) = ([0; codec_pair::LONGEST], [0; codec_pair::LONGEST]);
    let n = decoder.decode(&packet.buffer[payload.clone()], &mut samples);
    let n = encoder.encode(&samples[..n], &mut encoded);
    let Some(place) = packet.buffer.get_mut(payload.start..payload.start + n) else { return false };
    place.copy_from_slice(&encoded[..n]);
    // Padding of the old payload is not carried on.
    packet.buffer[0] &= !0x20;
    packet.len = payload.start + n;
    true
}

fn forward_event(
    to: &mut RtpSession,
    now: Instant,
    packet: &mut Datagram<'_>,
    mut header: Header,
    end: usize,
) -> Outgoing {
    let pt = to.parameters.as_ref().and_then(|p| p.telephone_event);
    let (Some(pt), Some(destination), false) = (pt, to.destination(), to.suppressed || to.event.is_some())
    else {
        to.sender.skip(&header);
        return Outgoing::Nothing;
    };
    header.pt = pt;
    to.sender.forward(now, &mut header, 8000);
    header.overwrite(packet.buffer);
    to.sender.count(end.saturating_sub(crate::rtp::HEADER));
    to.protected(destination, packet.len, packet.buffer)
}
