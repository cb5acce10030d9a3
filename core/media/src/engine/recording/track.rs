//! One side of a recording between two RTP ends: each packet stands where its timestamp says, so that nothing slips; what
//! never came is concealed.

use crate::plc::Concealer;
use crate::rtp::Header;

/// Samples that are remembered: one second. A power of two.
const RING: usize = 8192;
/// A packet this far from where it should be begins anew: its source has another clock now, or ours has run away.
const STRAY: i64 = 1600;

/// The samples of one side, by our clock.
pub(super) struct Track {
    ring: Box<[Option<i16>; RING]>,
    /// Source, and how far our time is ahead of its timestamps.
    source: Option<(u32, i64)>,
    /// The newest timestamp, unwrapped.
    newest: i64,
    /// The next sample to be taken.
    next: i64,
    plc: Concealer,
}

impl Default for Track {
    fn default() -> Track {
        Track { ring: Box::new([None; RING]), source: None, newest: 0, next: 0, plc: Concealer::new() }
    }
}

impl Track {
    /// A packet came at this time, in samples since the recording began.
    pub fn packet(&mut self, now: i64, header: &Header, samples: &[i16]) {
        let timestamp = self.newest + i64::from(header.timestamp.wrapping_sub(self.newest as u32) as i32);
        let offset = match self.source {
            Some((ssrc, offset)) if ssrc == header.ssrc && (timestamp + offset - now).abs() < STRAY => offset,
            _ => now - timestamp,
        };
        self.source = Some((header.ssrc, offset));
        self.newest = timestamp;
        for (at, s) in (timestamp + offset..).zip(samples) {
            if (self.next..self.next + RING as i64).contains(&at) {
                self.ring[at as usize % RING] = Some(*s);
            }
        }
    }

    /// The next samples.
    pub fn take(&mut self, out: &mut [i16]) {
        for part in out.chunks_mut(40) {
            let mut whole = true;
            for s in part.iter_mut() {
                let slot = self.ring[self.next as usize % RING].take();
                whole &= slot.is_some();
                *s = slot.unwrap_or(0);
                self.next += 1;
            }
            if whole { self.plc.good(part) } else { self.plc.conceal(part) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_stand_where_their_timestamps_say() {
        let mut track = Track::default();
        // They wander by up to 50 ms and come in disorder; the first comes in time.
        let mut arrivals: Vec<(i64, i64)> =
            (0..200).map(|n| (n * 160 + n * 7919 % 400 * (n.min(1)), n)).collect();
        arrivals.sort();
        let (mut heard, mut at) = (Vec::new(), 0);
        for frame in 0..200i64 {
            let now = frame * 160;
            while arrivals.get(at).is_some_and(|(due, _)| *due <= now) {
                let (due, n) = arrivals[at];
                let samples: Vec<i16> = (n * 160..(n + 1) * 160).map(|t| (t % 30_000) as i16).collect();
                let timestamp = (n as u32 * 160).wrapping_add(u32::MAX - 9_000);
                track.packet(due, &Header { timestamp, ssrc: 3, ..Header::default() }, &samples);
                at += 1;
            }
            if frame >= 20 {
                let mut out = [0; 160];
                track.take(&mut out);
                heard.extend(out);
            }
        }
        let wrong = heard.iter().enumerate().filter(|(t, s)| (t % 30_000) as i16 != **s).count();
        assert_eq!(wrong, 0, "of {} samples", heard.len());
    }
}
