//! One RTP end of a call, and the step that carries a packet from one end to the other in place.
//!
//! Who may speak: only the address that the peer announced in its SDP, and of it only one port: the announced one, or
//! the one that its first good packet came from (symmetric RTP behind a port translator). Everything else is counted
//! and dropped, so nobody can have a call's sound sent to himself or put sound into it by sending first ("RTP bleed").
//! Each new offer/answer opens the learning anew. Only where the announced address cannot be true (a private one of a
//! peer out in the Internet) another address may speak, in the first seconds, and as a stream of packets only.
//!
//! A packet goes on as it came while nothing else has been sent to that end: same source, numbers and time. From the
//! first packet of our own (a tone, a digit) on, numbers and time are shifted so that the peer sees one stream.

mod lock;
mod sender;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use self::lock::{Announced, Lock, May};
use self::sender::Sender;
use crate::g711::transcode;
use crate::rtcp::{self, Rtcp, SenderInfo};
use crate::rtp::stats::Receiver;
use crate::rtp::{Header, Packet};
use crate::sound::{Codec, Direction};
use crate::telephone_event::{EventSender, Send};

/// Time between reports (RFC 3550 §6.2 minimum).
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// A way on which nothing is sent is kept open as often (RFC 6263 §8: 15 s; routers forget UDP after 30 s and more).
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How an RTP end talks to its peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Face {
    /// Where to send, and the only address whose packets are taken.
    pub remote: SocketAddr,
    /// Where the peer may be instead: its packets come from behind a router, whose address its SDP does not know.
    pub also: Option<IpAddr>,
    /// Which offer/answer this follows from: learning where the peer is begins anew with each.
    pub agreement: u32,
    /// `remote` is an address that the peer cannot have where it is: if nothing comes from `also` either, the first
    /// stream from anywhere is believed, in the first seconds.
    pub unreachable: bool,
    /// Where to send RTCP when it is not the port after RTP's.
    pub remote_rtcp: Option<SocketAddr>,
    /// The codec that we send.
    pub send: Codec,
    /// Codecs that may come in.
    pub receive: Vec<Codec>,
    /// Payload type of events that the peer wants from us.
    pub telephone_event: Option<u8>,
    /// Payload type of events that come from the peer.
    pub telephone_event_in: Option<u8>,
    /// Which way sound flows, seen from us.
    pub direction: Direction,
    /// A peer that has sent RTCP and then nothing at all for so long, though it should, is dead; `None`: never. Who never
    /// sent RTCP may be muted, and is not judged.
    pub timeout: Option<Duration>,
    /// Do the peer's events go on to the other end as they are? Else they are only told, and the call decides.
    pub pass_events: bool,
}

/// What became of a packet from the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Sound in a codec of `Face::receive`.
    Audio {
        /// Its header.
        header: Header,
        /// Which codec: index in `Face::receive`.
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
    /// From the right peer, but nothing to hear: the direction says that we do not listen.
    Quiet,
    /// Not from the peer, not RTP, or not a codec that was agreed.
    Refused,
}

/// What to do after a packet was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
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
pub struct Figures {
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

/// One RTP end.
#[derive(Debug, Clone)]
pub struct RtpEnd {
    face: Option<Face>,
    lock: Lock,
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
    hushed: bool,
}

impl RtpEnd {
    /// An end with no peer yet. `random` seeds its source and numbers; they must not be guessable.
    pub fn new(now: Instant, random: u64) -> RtpEnd {
        RtpEnd {
            face: None,
            lock: Lock::default(),
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
            hushed: false,
        }
    }

    /// Sets or changes the peer. With a new address or a new agreement learning begins anew; what was learned stays good
    /// until something else comes.
    pub fn set_face(&mut self, now: Instant, face: Face) {
        let who = |face: &Face| (face.remote, face.also, face.agreement);
        if self.face.as_ref().is_none_or(|old| who(old) != who(&face)) {
            let (sdp, signalling, unreachable) = (face.remote, face.also, face.unreachable);
            self.lock.agree(now, Announced { sdp, signalling, unreachable });
            self.agreed = now;
        }
        self.clock = face.receive.first().map_or(8000, |c| c.kind.clock());
        self.face = Some(face);
        (self.alive, self.stopped) = (now, false);
    }

    /// The peer, once it is known.
    pub fn face(&self) -> Option<&Face> {
        self.face.as_ref()
    }

    /// Takes a packet that came to our port.
    pub fn accept(&mut self, now: Instant, from: SocketAddr, packet: &[u8]) -> Verdict {
        let verdict = self.judge(now, from, packet);
        if verdict == Verdict::Refused {
            self.refused += 1;
        }
        verdict
    }

    fn judge(&mut self, now: Instant, from: SocketAddr, packet: &[u8]) -> Verdict {
        let Some(face) = &self.face else { return Verdict::Refused };
        let may = self.lock.may(now, from);
        if may == May::No && !self.lock.may_have_moved(now, from) {
            return Verdict::Refused;
        }
        let Ok(p) = Packet::parse(packet) else { return Verdict::Refused };
        if may == May::No && !self.lock.is_stream(p.header.ssrc) {
            return Verdict::Refused;
        }
        let (header, at, len) = (p.header, p.payload_at, p.payload.len());
        let verdict = if let Some(codec) = face.receive.iter().position(|c| c.pt == header.pt) {
            Verdict::Audio { header, codec, at, len }
        } else if face.telephone_event_in == Some(header.pt) {
            Verdict::Event { header, at, len }
        } else if header.pt == COMFORT_NOISE {
            Verdict::ComfortNoise { at, len }
        } else {
            return Verdict::Refused;
        };
        match may {
            May::InStream if !self.lock.hold_stream(now, from, &header) => return Verdict::Refused,
            May::InStream => {}
            May::Yes | May::No => self.lock.hold(now, from, header.ssrc),
        }
        let arrival = (now.saturating_duration_since(self.born).as_micros() as u64 * self.clock as u64
            / 1_000_000) as u32;
        self.receiver.packet(&header, arrival);
        (self.alive, self.stopped) = (now, false);
        if face.direction.receives() { verdict } else { Verdict::Quiet }
    }

    /// Takes a datagram that came to our RTCP port, or RTCP on the shared port. BYE is not believed: it can be forged, and
    /// SIP ends calls.
    pub fn accept_rtcp(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        let announced = self.face.as_ref().and_then(|f| f.remote_rtcp);
        if self.face.is_none() || !self.lock.may_report(from, announced) || !rtcp::is_rtcp(datagram) {
            self.refused += 1;
            return false;
        }
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
        let face = self.face.as_ref()?;
        let to = self.lock.destination();
        (face.direction.sends() && !to.ip().is_unspecified() && to.port() != 0).then_some(to)
    }

    /// Where reports go.
    pub fn rtcp_destination(&self) -> Option<SocketAddr> {
        let face = self.face.as_ref()?;
        let to = face.remote_rtcp.unwrap_or_else(|| {
            let to = self.lock.destination();
            SocketAddr::new(to.ip(), to.port().saturating_add(1))
        });
        (!to.ip().is_unspecified() && to.port() > 1).then_some(to)
    }

    /// Writes a packet of our own with sound in the codec of `Face::send`: from a telephone on a board, or a tone.
    /// `samples` is how much time it takes on the codec's clock.
    pub fn write_audio(&mut self, now: Instant, payload: &[u8], samples: u32, out: &mut [u8]) -> Step {
        let (Some(to), Some(face)) = (self.destination(), &self.face) else { return Step::Nothing };
        let header = self.sender.own(now, face.send.pt, samples);
        let Some(len) = header.write(payload, out) else { return Step::Nothing };
        self.sender.count(payload.len());
        Step::Send { to, len }
    }

    /// Begins to send an event; false when the peer does not speak RFC 4733. Sound from the other end is held back
    /// until it is over.
    pub fn begin_event(&mut self, now: Instant, event: u8, ms: u16) -> bool {
        let speaks = self.face.as_ref().is_some_and(|f| f.telephone_event.is_some());
        if speaks {
            let timestamp = self.sender.begin_event(now);
            self.event = Some((EventSender::new(event, ms), timestamp));
        }
        speaks
    }

    /// Begins to send an event that lasts until [`RtpEnd::release_event`]; the same otherwise.
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

    /// The event's next packet, every 20 ms; `None` when it is over.
    pub fn write_event(&mut self, now: Instant, out: &mut [u8]) -> Option<Step> {
        let (event, timestamp) = self.event.as_mut()?;
        let Some(Send { marker, offset, payload }) = event.next_packet() else {
            self.event = None;
            return None;
        };
        let timestamp = timestamp.wrapping_add(offset);
        let pt = self.face.as_ref()?.telephone_event?;
        let Some(to) = self.destination() else { return Some(Step::Nothing) };
        let header = self.sender.event(now, pt, timestamp, marker);
        let Some(len) = header.write(&payload.bytes(), out) else { return Some(Step::Nothing) };
        self.sender.count(4);
        Some(Step::Send { to, len })
    }

    /// Is an event under way?
    pub fn sends_event(&self) -> bool {
        self.event.is_some()
    }

    /// Holds back the other end's sound while something of our own is sent (a tone), or lets it through again.
    pub fn hush(&mut self, hushed: bool) {
        self.hushed = hushed;
    }

    /// Writes the report that is due, if one is. While nothing was ever heard or said there is nothing to report: a call
    /// that rings, or stands for hours without sound, sends nothing.
    pub fn write_report(&mut self, now: Instant, cname: &str, out: &mut [u8]) -> Step {
        if now < self.next_report {
            return Step::Nothing;
        }
        self.next_report = now + REPORT_EVERY;
        let silent = self.sender.packets() == 0 && self.receiver.received() == 0;
        let Some(to) = self.rtcp_destination().filter(|_| !silent) else { return Step::Nothing };
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
        match rtcp::write(out, self.sender.ssrc(), sender, block, cname, false) {
            Some(len) => Step::Send { to, len },
            None => Step::Nothing,
        }
    }

    /// Writes the packet that keeps the way through routers open while there is nothing to send, as on hold (RFC 6263
    /// §4.6: RTP without payload, of a type that was not agreed on, so that nobody plays it).
    pub fn write_keep_alive(&mut self, now: Instant, out: &mut [u8]) -> Step {
        let (Some(face), Some(at)) = (&self.face, self.keep_alive_at()) else { return Step::Nothing };
        if now < at {
            return Step::Nothing;
        }
        let agreed = |pt: u8| {
            face.receive.iter().chain([&face.send]).any(|codec| codec.pt == pt)
                || [face.telephone_event, face.telephone_event_in].contains(&Some(pt))
        };
        let pt = (96..=127).rev().find(|pt| !agreed(*pt)).unwrap_or(127);
        let header = Header { marker: false, ..self.sender.own(now, pt, 0) };
        match header.write(&[], out) {
            Some(len) => Step::Send { to: self.lock.destination(), len },
            None => Step::Nothing,
        }
    }

    /// When the way must be kept open, if there is one.
    fn keep_alive_at(&self) -> Option<Instant> {
        self.face.as_ref()?;
        let to = self.lock.destination();
        let is_somewhere = !to.ip().is_unspecified() && to.port() != 0;
        is_somewhere.then(|| self.sender.last().max(self.agreed) + KEEP_ALIVE)
    }

    /// When the end wants to be asked for [`RtpEnd::write_report`], [`RtpEnd::write_keep_alive`] and [`RtpEnd::stopped`].
    pub fn deadline(&self) -> Option<Instant> {
        self.face.as_ref()?;
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
        let face = self.face.as_ref().filter(|f| f.direction.receives())?;
        face.timeout.filter(|_| self.reports && !self.stopped)
    }

    /// What was measured so far.
    pub fn figures(&self) -> Figures {
        Figures {
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

/// Carries a packet from one end to the other, changing it in place: payload type, law of G.711, and numbers where
/// needed. Also returns the verdict, so that events can be told.
pub fn relay(
    from: &mut RtpEnd,
    to: &mut RtpEnd,
    now: Instant,
    source: SocketAddr,
    packet: &mut [u8],
) -> (Verdict, Step) {
    let verdict = from.accept(now, source, packet);
    let step = match verdict {
        Verdict::Audio { header, codec, at, len } => {
            forward(from, to, now, packet, header, codec, at..at + len)
        }
        Verdict::Event { header, at, len } => forward_event(from, to, now, packet, header, at + len),
        Verdict::ComfortNoise { .. } | Verdict::Quiet | Verdict::Refused => Step::Nothing,
    };
    (verdict, step)
}

fn forward(
    from: &RtpEnd,
    to: &mut RtpEnd,
    now: Instant,
    packet: &mut [u8],
    mut header: Header,
    codec: usize,
    payload: std::ops::Range<usize>,
) -> Step {
    let (Some(destination), Some(out), Some(inward)) = (to.destination(), &to.face, &from.face) else {
        return Step::Nothing;
    };
    if to.hushed || to.event.is_some() {
        to.sender.skip(&header);
        return Step::Nothing;
    }
    let codec = &inward.receive[codec];
    if codec.kind != out.send.kind {
        let (Some(law), Some(_)) = (codec.law(), out.send.law()) else { return Step::Nothing };
        transcode(law, &mut packet[payload.clone()]);
    }
    header.pt = out.send.pt;
    to.sender.forward(now, &mut header, codec.kind.clock());
    header.overwrite(packet);
    to.sender.count(payload.len());
    Step::Send { to: destination, len: packet.len() }
}

fn forward_event(
    from: &RtpEnd,
    to: &mut RtpEnd,
    now: Instant,
    packet: &mut [u8],
    mut header: Header,
    end: usize,
) -> Step {
    let pass = from.face.as_ref().is_some_and(|f| f.pass_events);
    let pt = to.face.as_ref().and_then(|f| f.telephone_event);
    let (true, Some(pt), Some(destination), false) =
        (pass, pt, to.destination(), to.hushed || to.event.is_some())
    else {
        to.sender.skip(&header);
        return Step::Nothing;
    };
    header.pt = pt;
    to.sender.forward(now, &mut header, 8000);
    header.overwrite(packet);
    to.sender.count(end.saturating_sub(crate::rtp::HEADER));
    Step::Send { to: destination, len: packet.len() }
}
