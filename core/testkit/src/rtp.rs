//! The sound of a SIP phone in a test: A-law packets out on time, or as a bad network brings them, and what comes back
//! put together by its timestamps.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use ringtrip_media::g711::Law;

/// Samples of a packet of 20 ms.
const FRAME: usize = 160;
const PTIME: Duration = Duration::from_millis(20);

/// A socket for sound.
pub struct Rtp {
    socket: UdpSocket,
    /// Its address, for SDP.
    pub at: SocketAddr,
    ssrc: u32,
    /// Packets sent so far: sequence numbers and timestamps go on from talk to talk.
    sent: u32,
}

/// What the network does to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It comes in time.
    Arrives,
    /// It never comes.
    Lost,
    /// It comes this late: after the packets that follow it.
    Late(Duration),
}

/// What came in while one talked.
#[derive(Debug, Default)]
pub struct Heard {
    /// The sound by its timestamps, from the first packet on; what never came is silence.
    pub samples: Vec<i16>,
    /// Packets that came.
    pub packets: usize,
    /// Timestamps for which no packet came, in packets.
    pub missing: usize,
    /// How late we were ourselves at worst: what this machine did to us, and not the exchange.
    pub held_up: Duration,
    /// Packets of payload type 101, in the order in which they came.
    pub events: Vec<EventPacket>,
}

/// A telephone event as it came over the wire (RFC 4733).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPacket {
    /// When it came.
    pub at: Instant,
    /// The marker bit.
    pub marker: bool,
    /// The timestamp: that of the event's beginning.
    pub timestamp: u32,
    /// The event: 0–9 are the keys, 10 is `*`, 11 is `#`.
    pub event: u8,
    /// The E bit.
    pub end: bool,
    /// The duration so far, in samples.
    pub duration: u16,
}

impl Rtp {
    /// A free port of the loopback.
    pub fn open() -> Rtp {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("the loopback has free ports");
        let at = socket.local_addr().expect("bound");
        Rtp { socket, at, ssrc: 0x5249_4E47, sent: 0 }
    }

    /// Says these samples to the other side, each packet with its fate by number, and hears it meanwhile.
    pub fn talk(&mut self, to: SocketAddr, samples: &[i16], fate: impl Fn(u32) -> Fate) -> Heard {
        let start = Instant::now();
        let mut waiting: Vec<(Instant, Vec<u8>)> = Vec::new();
        for (n, frame) in (0u32..).zip(samples.chunks_exact(FRAME)) {
            let due = start + PTIME * n;
            match fate(n) {
                Fate::Arrives => waiting.push((due, self.packet(frame))),
                Fate::Late(by) => waiting.push((due + by, self.packet(frame))),
                Fate::Lost => drop(self.packet(frame)),
            }
        }
        waiting.sort_by_key(|(due, _)| *due);
        let end = start + PTIME * (samples.len() / FRAME) as u32;
        let (mut packets, mut events) = (Vec::new(), Vec::new());
        let mut held_up = Duration::ZERO;
        let mut next = waiting.into_iter().peekable();
        while Instant::now() < end || next.peek().is_some() {
            while let Some((due, packet)) = next.next_if(|(due, _)| *due <= Instant::now()) {
                held_up = held_up.max(due.elapsed());
                let _ = self.socket.send_to(&packet, to);
            }
            let wait = next.peek().map_or(end, |(due, _)| *due).saturating_duration_since(Instant::now());
            self.receive(wait.clamp(Duration::from_millis(1), PTIME), &mut packets, &mut events);
        }
        Heard { held_up, events, ..assemble(&packets) }
    }

    /// Presses a key for so long: events as RFC 4733 has them, every 20 ms, the end three times.
    pub fn press(&mut self, to: SocketAddr, event: u8, ms: u32) {
        let (start, timestamp) = (Instant::now(), self.sent * FRAME as u32);
        let steps = ms.div_ceil(20);
        for n in 1..=steps + 2 {
            let due = start + PTIME * n.min(steps);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let duration = (n * 160).min(ms * 8) as u16;
            let mut packet = vec![0x80, if n == 1 { 0xE5 } else { 0x65 }];
            packet.extend((self.sent as u16).to_be_bytes());
            packet.extend(timestamp.to_be_bytes());
            packet.extend(self.ssrc.to_be_bytes());
            packet.extend([event, if n >= steps && n > 1 { 0x8A } else { 0x0A }]);
            packet.extend(duration.to_be_bytes());
            let _ = self.socket.send_to(&packet, to);
            self.sent += 1;
        }
    }

    fn packet(&mut self, frame: &[i16]) -> Vec<u8> {
        let mut packet = vec![0x80, 8];
        packet.extend((self.sent as u16).to_be_bytes());
        packet.extend((self.sent * FRAME as u32).to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        let mut payload = [0; FRAME];
        Law::A.encode(frame, &mut payload);
        packet.extend(payload);
        self.sent += 1;
        packet
    }

    fn receive(&self, most: Duration, packets: &mut Vec<Packet>, events: &mut Vec<EventPacket>) {
        self.socket.set_read_timeout(Some(most)).expect("a time");
        let mut buffer = [0; 2048];
        let Ok(n) = self.socket.recv(&mut buffer) else { return };
        let word =
            |at: usize| u32::from_be_bytes([buffer[at], buffer[at + 1], buffer[at + 2], buffer[at + 3]]);
        // A-law without extensions and events, as negotiated; anything else is neither.
        if n >= 16 && buffer[1] & 0x7F == 101 {
            events.push(EventPacket {
                at: Instant::now(),
                marker: buffer[1] & 0x80 != 0,
                timestamp: word(4),
                event: buffer[12],
                end: buffer[13] & 0x80 != 0,
                duration: u16::from_be_bytes([buffer[14], buffer[15]]),
            });
        } else if n > 12 && buffer[1] & 0x7F == 8 {
            let mut samples = vec![0; n - 12];
            Law::A.decode(&buffer[12..n], &mut samples);
            packets.push(Packet { ssrc: word(8), timestamp: word(4), samples });
        }
    }
}

/// A packet that came.
struct Packet {
    ssrc: u32,
    timestamp: u32,
    samples: Vec<i16>,
}

fn assemble(packets: &[Packet]) -> Heard {
    // What an earlier call left in the socket is of another source.
    let Some(ssrc) = packets.last().map(|p| p.ssrc) else { return Heard::default() };
    let ours: Vec<&Packet> = packets.iter().filter(|p| p.ssrc == ssrc).collect();
    let first = ours.first().map_or(0, |p| p.timestamp);
    let at = |p: &Packet| p.timestamp.wrapping_sub(first) as usize;
    let sane = || ours.iter().filter(|p| at(p) < 8000 * 600);
    let mut samples = vec![0; sane().map(|p| at(p) + p.samples.len()).max().unwrap_or_default()];
    for p in sane() {
        samples[at(p)..at(p) + p.samples.len()].copy_from_slice(&p.samples);
    }
    let brought: usize = sane().map(|p| p.samples.len()).sum();
    let missing = samples.len().saturating_sub(brought) / FRAME;
    Heard { samples, packets: ours.len(), missing, ..Heard::default() }
}
