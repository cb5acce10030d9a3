//! Telephone events (RFC 4733): keys and hook flash as packets, sent and received exactly once.

use crate::rtp::{Header, ahead_ts};
use crate::script::PER_MS;

/// Hook flash.
pub const FLASH: u8 = 16;

/// The character of events 0–15; `None` for other events.
pub fn key(event: u8) -> Option<char> {
    b"0123456789*#ABCD".get(event as usize).map(|&b| b as char)
}

/// The event of a key.
pub fn event(key: char) -> Option<u8> {
    let key = key.to_ascii_uppercase();
    "0123456789*#ABCD".chars().position(|k| k == key).map(|n| n as u8)
}

/// The four bytes of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Payload {
    /// Which event.
    pub event: u8,
    /// The event has ended.
    pub end: bool,
    /// Power of the tone in −dBm0, 0–63.
    pub volume: u8,
    /// How long so far, in timestamp units.
    pub duration: u16,
}

impl Payload {
    /// Reads a payload; what follows the first four bytes is passed over.
    pub fn parse(bytes: &[u8]) -> Option<Payload> {
        let &[event, flags, d0, d1] = bytes.first_chunk()?;
        let duration = u16::from_be_bytes([d0, d1]);
        Some(Payload { event, end: flags & 0x80 != 0, volume: flags & 0x3F, duration })
    }

    /// The bytes.
    pub fn bytes(&self) -> [u8; 4] {
        let [d0, d1] = self.duration.to_be_bytes();
        [self.event, (self.end as u8) << 7 | (self.volume & 0x3F), d0, d1]
    }
}

/// A packet that the sender wants sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Send {
    /// Set the marker bit: the event begins.
    pub marker: bool,
    /// How much later than that of the event's beginning the timestamp is: an event longer than 16 bits can tell goes in
    /// segments (§2.5.1.3).
    pub offset: u32,
    /// The payload.
    pub payload: Payload,
}

/// Sends one event: a packet every 20 ms while it lasts, the last one three times (§2.5.1.4).
#[derive(Debug, Clone)]
pub struct EventSender {
    event: u8,
    /// How long it lasts, in timestamp units; `None` while the key is down.
    lasts: Option<u32>,
    sent: u32,
    /// Where the present segment began.
    segment: u32,
    ends: u8,
}

/// Time between packets, in timestamp units.
const STEP: u32 = 20 * PER_MS;
/// The longest that one segment can tell.
const LONGEST: u32 = 0xFFFF;

impl EventSender {
    /// Begins an event of so many ms.
    pub fn new(event: u8, ms: u16) -> EventSender {
        let mut sender = EventSender::held(event);
        sender.release(ms);
        sender
    }

    /// Begins an event that lasts until it is released.
    pub fn held(event: u8) -> EventSender {
        EventSender { event, lasts: None, sent: 0, segment: 0, ends: 0 }
    }

    /// The key has come up, and was down for so many ms. What was already told is not taken back.
    pub fn release(&mut self, ms: u16) {
        self.lasts = Some((u32::from(ms) * PER_MS).max(STEP).max(self.sent));
    }

    /// Is the key still down?
    pub fn is_held(&self) -> bool {
        self.lasts.is_none()
    }

    /// The next packet, to be asked for every 20 ms; `None` when the event is over.
    pub fn next_packet(&mut self) -> Option<Send> {
        if self.ends == 3 {
            return None;
        }
        let marker = self.sent == 0;
        if self.sent - self.segment == LONGEST && Some(self.sent) != self.lasts {
            self.segment = self.sent;
        }
        let most = self.lasts.unwrap_or(u32::MAX).min(self.segment + LONGEST);
        self.sent = (self.sent + STEP).min(most);
        // The first packet never ends an event: a receiver then knows that it began.
        let end = Some(self.sent) == self.lasts && !marker;
        self.ends += end as u8;
        let duration = (self.sent - self.segment) as u16;
        let payload = Payload { event: self.event, end, volume: 10, duration };
        Some(Send { marker, offset: self.segment, payload })
    }
}

/// What the receiver understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventHeard {
    /// An event began.
    Down {
        /// Which.
        event: u8,
    },
    /// It ended.
    Up {
        /// Which.
        event: u8,
        /// How long it lasted, ms.
        ms: u16,
    },
}

/// Tells each event once, whatever is lost, doubled or overtaken.
#[derive(Debug, Clone, Default)]
pub struct EventReceiver {
    ssrc: Option<u32>,
    /// The newest event.
    last: Option<Last>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    timestamp: u32,
    event: u8,
    duration: u32,
    /// Samples since its last packet; `None` when its end was told.
    quiet: Option<u32>,
    /// Duration of earlier segments of a long event (§2.5.1.3).
    carried: u32,
}

/// An event whose end was lost has ended after this: three updates and all three ends are missing.
const LOST_END: u32 = 120 * PER_MS;

impl EventReceiver {
    /// Takes a packet of the event payload type.
    pub fn packet(&mut self, header: &Header, payload: &[u8], mut tell: impl FnMut(EventHeard)) {
        let Some(p) = Payload::parse(payload) else { return };
        if self.ssrc != Some(header.ssrc) {
            self.close(&mut tell);
            (self.ssrc, self.last) = (Some(header.ssrc), None);
        }
        let mut carried = 0;
        if let Some(last) = &mut self.last {
            let ahead = ahead_ts(header.timestamp, last.timestamp);
            if ahead == 0 {
                last.duration = last.duration.max(p.duration as u32);
                if last.quiet.is_some() {
                    last.quiet = Some(0);
                    if p.end {
                        self.close(&mut tell);
                    }
                }
                return;
            }
            // Overtaken packets of earlier events; a step back of more than a minute is a new clock.
            if (-60 * 8000..0).contains(&ahead) {
                return;
            }
            let continues = last.quiet.is_some()
                && last.event == p.event
                && !header.marker
                // The segment's last packets may be lost.
                && (last.duration..last.duration + 3 * STEP).contains(&ahead.unsigned_abs())
                && last.duration > 0x8000;
            if continues {
                carried = last.carried + ahead.unsigned_abs();
            } else {
                self.close(&mut tell);
            }
        }
        if carried == 0 {
            tell(EventHeard::Down { event: p.event });
        }
        let duration = p.duration as u32;
        self.last =
            Some(Last { timestamp: header.timestamp, event: p.event, duration, quiet: Some(0), carried });
        if p.end {
            self.close(&mut tell);
        }
    }

    /// Lets time pass, in samples of 8 kHz: an event whose end was lost ends.
    pub fn elapse(&mut self, samples: u32, mut tell: impl FnMut(EventHeard)) {
        let Some(quiet) = self.last.as_mut().and_then(|l| l.quiet.as_mut()) else { return };
        *quiet = quiet.saturating_add(samples);
        if *quiet >= LOST_END {
            self.close(&mut tell);
        }
    }

    /// Is an event under way?
    pub fn sounding(&self) -> bool {
        self.last.is_some_and(|l| l.quiet.is_some())
    }

    fn close(&mut self, tell: &mut impl FnMut(EventHeard)) {
        let Some(last) = self.last.as_mut().filter(|l| l.quiet.is_some()) else { return };
        last.quiet = None;
        let ms = ((last.carried + last.duration) / PER_MS).min(u16::MAX as u32) as u16;
        tell(EventHeard::Up { event: last.event, ms });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of these keys as they leave, 100 ms each with 100 ms pauses, and the time of each in samples.
    fn sent(keys: &str) -> Vec<(u32, Header, [u8; 4])> {
        let (mut all, mut now, mut seq) = (Vec::new(), 8000u32, 0u16);
        for k in keys.chars() {
            let mut sender = EventSender::new(event(k).expect("a key"), 100);
            let timestamp = now;
            while let Some(s) = sender.next_packet() {
                all.push((
                    now,
                    Header { marker: s.marker, pt: 101, seq, timestamp, ssrc: 1 },
                    s.payload.bytes(),
                ));
                (now, seq) = (now + STEP, seq + 1);
            }
            now += 800;
        }
        all
    }

    /// A key that is held for so long, then released: what is received of it when every so manieth packet is lost.
    fn held(ms: u16, lost: usize) -> Vec<EventHeard> {
        let (mut sender, mut at, mut all) = (EventSender::held(7), 0u32, Vec::new());
        loop {
            if at >= u32::from(ms) * PER_MS && sender.is_held() {
                sender.release(ms);
            }
            let Some(s) = sender.next_packet() else { break };
            let timestamp = 90_000 + s.offset;
            let header = Header { marker: s.marker, pt: 101, seq: all.len() as u16, timestamp, ssrc: 1 };
            all.push((at, header, s.payload.bytes()));
            at += STEP;
        }
        receive(all.into_iter().enumerate().filter(|(n, _)| n % lost != lost - 1).map(|(_, p)| p))
    }

    #[test]
    fn a_held_key_lasts_as_long_as_it_is_held() {
        use EventHeard::*;
        for ms in [20, 45, 50, 100, 137, 250, 1_000, 5_000, 8_190, 8_200, 16_400, 30_000] {
            for lost in [usize::MAX, 7] {
                let [Down { event: 7 }, Up { event: 7, ms: told }] = held(ms, lost)[..] else {
                    panic!("{ms} ms, one of {lost} lost: {:?}", held(ms, lost))
                };
                assert!(told.abs_diff(ms) <= 20, "{ms} ms are told as {told}, one of {lost} lost");
            }
        }
    }

    fn receive(packets: impl IntoIterator<Item = (u32, Header, [u8; 4])>) -> Vec<EventHeard> {
        let (mut r, mut heard, mut clock) = (EventReceiver::default(), Vec::new(), 8000u32);
        for (at, header, payload) in packets {
            while clock + 80 <= at {
                r.elapse(80, |h| heard.push(h));
                clock += 80;
            }
            r.packet(&header, &payload, |h| heard.push(h));
        }
        (0..100).for_each(|_| r.elapse(80, |h| heard.push(h)));
        heard
    }

    fn keys(heard: &[EventHeard]) -> String {
        heard
            .iter()
            .filter_map(|h| if let EventHeard::Down { event } = h { key(*event) } else { None })
            .collect()
    }

    #[test]
    fn an_event_on_the_wire() {
        let all = sent("5");
        let shape: Vec<_> =
            all.iter().map(|(_, h, p)| (h.marker, h.timestamp, p[0], p[1], p[2..].to_vec())).collect();
        assert_eq!(shape.len(), 7, "five packets of 20 ms, the last sent thrice");
        assert_eq!(shape[0], (true, 8000, 5, 10, vec![0, 160]));
        assert_eq!(shape[3], (false, 8000, 5, 10, vec![2, 128]));
        for s in &shape[4..] {
            assert_eq!(*s, (false, 8000, 5, 0x8A, vec![3, 32]));
        }
    }

    #[test]
    fn each_event_once() {
        use EventHeard::*;
        let check = |what: &str, drop: &dyn Fn(usize) -> bool, expected: &[EventHeard]| {
            let left = sent("12").into_iter().enumerate().filter(|(n, _)| !drop(*n)).map(|(_, p)| p);
            assert_eq!(receive(left), expected, "{what}");
        };
        let both = [Down { event: 1 }, Up { event: 1, ms: 100 }, Down { event: 2 }, Up { event: 2, ms: 100 }];
        check("all come", &|_| false, &both);
        check("no marker", &|n| n == 0 || n == 7, &both);
        check("only the last end", &|n| n != 6 && n != 13, &both);
        let cut = [Down { event: 1 }, Up { event: 1, ms: 80 }, Down { event: 2 }, Up { event: 2, ms: 80 }];
        check("no end", &|n| n % 7 >= 4, &cut);
    }

    #[test]
    fn loss_and_disorder_of_5_percent_change_nothing() {
        let mut x = 1u64;
        let mut chance = move || {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (x >> 33) % 100 < 5
        };
        let text = "1234567890*#ABCD11223".repeat(5);
        for _ in 0..100 {
            let mut all: Vec<_> = sent(&text).into_iter().filter(|_| !chance()).collect();
            for n in 1..all.len() {
                if chance() {
                    // The packet is overtaken, its time of arrival is that of its follower.
                    let (a, b) = (all[n - 1], all[n]);
                    (all[n - 1], all[n]) = ((a.0, b.1, b.2), (b.0, a.1, a.2));
                }
                if chance() {
                    all.push(all[n]);
                }
            }
            all.sort_by_key(|p| p.0);
            assert_eq!(keys(&receive(all)), text);
        }
    }

    #[test]
    fn a_long_event_in_segments_is_one() {
        let mut r = EventReceiver::default();
        let mut heard = Vec::new();
        let header = |timestamp, marker| Header { marker, pt: 101, seq: 0, timestamp, ssrc: 1 };
        let payload = |end, duration| Payload { event: 9, end, volume: 10, duration }.bytes();
        r.packet(&header(1000, true), &payload(false, 0xFFFF), |h| heard.push(h));
        r.packet(&header(1000 + 0xFFFF, false), &payload(true, 8001), |h| heard.push(h));
        assert_eq!(heard, [EventHeard::Down { event: 9 }, EventHeard::Up { event: 9, ms: 9192 }]);
    }

    #[test]
    fn keys_and_events() {
        for (n, k) in "0123456789*#ABCD".chars().enumerate() {
            assert_eq!((event(k), key(n as u8)), (Some(n as u8), Some(k)));
        }
        assert_eq!((event('x'), key(FLASH)), (None, None));
        assert_eq!(Payload::parse(&[1, 2, 3]), None);
    }
}
