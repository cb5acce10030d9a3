//! Numbers and time of what is sent to a peer: one stream, whoever its sound comes from.

use std::time::Instant;

use crate::rtp::{Header, ahead};

#[derive(Debug, Clone)]
pub(super) struct Sender {
    ssrc: u32,
    seq: u16,
    timestamp: u32,
    clock: u32,
    at: Instant,
    packets: u64,
    octets: u64,
    /// The source whose packets go on at present, and how they are shifted. `None`: the next one is joined on.
    source: Option<Source>,
}

#[derive(Debug, Clone, Copy)]
struct Source {
    ssrc: u32,
    seq: u16,
    shift_seq: u16,
    shift_timestamp: u32,
}

impl Sender {
    pub fn new(now: Instant, random: u64) -> Sender {
        let (ssrc, timestamp) = ((random >> 32) as u32, random as u32);
        // RFC 3550 §5.1: both begin at random; half the range leaves room before the first wrap.
        let seq = (timestamp >> 8) as u16 & 0x7FFF;
        Sender { ssrc, seq, timestamp, clock: 8000, at: now, packets: 0, octets: 0, source: None }
    }

    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub fn packets(&self) -> u64 {
        self.packets
    }

    pub fn octets(&self) -> u64 {
        self.octets
    }

    pub fn count(&mut self, octets: usize) {
        self.packets += 1;
        self.octets += octets as u64;
    }

    /// When something was last sent.
    pub fn last(&self) -> Instant {
        self.at
    }

    /// The timestamp that a packet sent now would have.
    pub fn timestamp_at(&self, now: Instant) -> u32 {
        let elapsed = now.saturating_duration_since(self.at).as_micros() as u64;
        self.timestamp.wrapping_add((elapsed * self.clock as u64 / 1_000_000) as u32)
    }

    /// Shifts the header of a packet that goes on.
    #[inline]
    pub fn forward(&mut self, now: Instant, header: &mut Header, clock: u32) {
        let source = match self.source {
            Some(s) if s.ssrc == header.ssrc => s,
            _ => self.join(now, header, clock),
        };
        let newest = ahead(header.seq, source.seq) >= 0;
        if newest {
            self.source = Some(Source { seq: header.seq, ..source });
        }
        header.ssrc = self.ssrc;
        header.seq = header.seq.wrapping_add(source.shift_seq);
        header.timestamp = header.timestamp.wrapping_add(source.shift_timestamp);
        if newest {
            (self.seq, self.timestamp, self.at) = (header.seq, header.timestamp, now);
        }
    }

    /// Joins a source on to what was sent before.
    fn join(&mut self, now: Instant, header: &mut Header, clock: u32) -> Source {
        if self.packets == 0 {
            // Nothing was sent before: it goes on as it came.
            (self.ssrc, self.clock) = (header.ssrc, clock);
            return Source { ssrc: header.ssrc, seq: header.seq, shift_seq: 0, shift_timestamp: 0 };
        }
        let next = self.timestamp_at(now).max(self.timestamp.wrapping_add(1));
        self.clock = clock;
        header.marker = true;
        Source {
            ssrc: header.ssrc,
            seq: header.seq,
            shift_seq: self.seq.wrapping_add(1).wrapping_sub(header.seq),
            shift_timestamp: next.wrapping_sub(header.timestamp),
        }
    }

    /// A packet that does not go on must not look like loss to the peer.
    pub fn skip(&mut self, header: &Header) {
        if let Some(s) =
            self.source.as_mut().filter(|s| s.ssrc == header.ssrc && ahead(header.seq, s.seq) > 0)
        {
            s.shift_seq = s.shift_seq.wrapping_sub(header.seq.wrapping_sub(s.seq));
            s.seq = header.seq;
        }
    }

    /// Header of a packet of our own that takes `samples` of time.
    pub fn own(&mut self, now: Instant, pt: u8, samples: u32) -> Header {
        // After own packets the timestamp goes on by their length, not by the clock: senders that stutter are still
        // smooth. A pause of more than 100 ms is a new talkspurt.
        let gap = now.saturating_duration_since(self.at).as_millis() > 100;
        let resume = self.packets == 0 || gap || self.source.is_some();
        if self.packets > 0 {
            let step = self.timestamp.wrapping_add(samples);
            self.timestamp =
                if resume { self.timestamp_at(now).max(self.timestamp.wrapping_add(1)) } else { step };
            self.seq = self.seq.wrapping_add(1);
        }
        (self.at, self.source) = (now, None);
        Header { marker: resume, pt, seq: self.seq, timestamp: self.timestamp, ssrc: self.ssrc }
    }

    /// Timestamp of an event that begins now.
    pub fn begin_event(&mut self, now: Instant) -> u32 {
        self.timestamp_at(now)
    }

    /// Header of a packet of an event: its timestamp is that of its beginning.
    pub fn event(&mut self, now: Instant, pt: u8, timestamp: u32, marker: bool) -> Header {
        let (clocked, first) = (self.timestamp_at(now), self.packets == 0);
        self.seq = self.seq.wrapping_add(!first as u16);
        (self.timestamp, self.at, self.source) = (clocked, now, None);
        Header { marker, pt, seq: self.seq, timestamp, ssrc: self.ssrc }
    }
}
