//! The jitter buffer between packets, which come when they like, and a telephone on a board, which takes samples by the
//! board's own clock, 40 to 160 at a time.
//!
//! Samples are stored by their RTP timestamp, so reordering, doubles and any packet time sort themselves out. How far
//! packets arrive ahead of their play-out is watched over some seconds (`level.rs`): too little and the delay grows, too
//! much and it shrinks. Both happen by repeating or leaving out one pitch period where the sound matches itself
//! (`stretch.rs`); a board whose clock is some hundred ppm off is followed in the same way.
//!
//! When nothing is left to play nobody knows yet whether packets are lost or late. Time then stands still, so nothing that
//! is late is cut off; when the next packet shows that some were lost, their time has already been spent.

mod elastic;
mod level;
mod noise;
mod stretch;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

pub use self::elastic::Elastic;
use self::level::{Level, Wish};
use self::noise::Noise;
use crate::plc::Concealer;
use crate::rtp::{Header, ahead_ts};

/// Samples kept: half a second. A power of two, so a timestamp finds its place by its low bits.
const RING: usize = 4096;
const MASK: u32 = RING as u32 - 1;

/// Delay at the beginning, and the most that is allowed: 10 and 200 ms.
const FIRST_DELAY: u32 = 80;
const MAX_DELAY: i32 = 1600;

/// Samples that are made at once: 10 ms.
const BLOCK: usize = 80;

/// Longest packet taken: 60 ms, with room.
const MAX_PACKET: usize = 960;

/// Orders, delays and mends the sound of one peer.
#[derive(Debug, Clone)]
pub struct JitterBuffer {
    ring: Box<[i16; RING]>,
    present: Box<[bool; RING]>,
    plc: Concealer,
    playing: Option<Playing>,
    /// Sound that is ready and was not pulled yet.
    ready: VecDeque<i16>,
    level: Level,
    /// Samples of the last pull: how coarse the board's time is.
    frame: u32,
    /// The peer has said that it is silent, and how its silence sounds.
    noise: Option<Noise>,
    stats: JitterStats,
}

#[derive(Debug, Clone, Copy)]
struct Playing {
    ssrc: u32,
    /// The next timestamp to be made ready.
    next: u32,
    /// The one after the newest sample.
    end: u32,
    /// Samples for which there was nothing to play and nothing known of what should be.
    dry: u32,
    /// The timestamp of a packet from long ago. A second one means that the peer has begun anew.
    old: Option<u32>,
}

/// What the buffer counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JitterStats {
    /// Packets taken.
    pub taken: u64,
    /// Packets that came after their play-out.
    pub late: u64,
    /// Packets that were there already.
    pub doubles: u64,
    /// Samples that had to be concealed.
    pub concealed: u64,
    /// Samples that came and were given up, because more waited than is allowed.
    pub dropped: u64,
    /// Slips that shortened and lengthened the delay.
    pub shortened: u64,
    /// See `shortened`.
    pub lengthened: u64,
    /// Times that the stream began anew.
    pub restarts: u64,
}

impl Default for JitterBuffer {
    fn default() -> JitterBuffer {
        JitterBuffer::new()
    }
}

impl JitterBuffer {
    /// An empty buffer.
    pub fn new() -> JitterBuffer {
        JitterBuffer {
            ring: Box::new([0; RING]),
            present: Box::new([false; RING]),
            plc: Concealer::new(),
            playing: None,
            ready: VecDeque::with_capacity(4 * BLOCK),
            level: Level::default(),
            frame: BLOCK as u32,
            noise: None,
            stats: JitterStats::default(),
        }
    }

    /// Takes the decoded samples of a packet that came at an unknown time since the last pull.
    pub fn push(&mut self, header: &Header, samples: &[i16]) {
        self.push_after(self.frame, header, samples);
    }

    /// Takes the decoded samples of a packet that came so long after the last pull, in samples.
    pub fn push_after(&mut self, since: u32, header: &Header, samples: &[i16]) {
        let samples = &samples[..samples.len().min(MAX_PACKET)];
        if samples.is_empty() {
            return;
        }
        self.noise = None;
        if !self.place(header) {
            self.stats.late += 1;
            return;
        }
        let ready = self.ready.len() as i32;
        let Some(playing) = &mut self.playing else { return };
        self.stats.taken += 1;
        let ahead = ahead_ts(header.timestamp, playing.next);
        let late = (-ahead).max(0) as usize;
        // It is needed by the pull that takes its first sample, which is that far away.
        let frame = self.frame as i32;
        let pulls = (ahead + ready).div_euclid(frame) + 1;
        self.level.arrived(pulls * frame - since.min(self.frame) as i32);
        if late >= samples.len() {
            self.stats.late += 1;
            return;
        }
        if self.present[((header.timestamp.wrapping_add(late as u32)) & MASK) as usize] {
            self.stats.doubles += 1;
            return;
        }
        for (n, &s) in samples.iter().enumerate().skip(late) {
            let at = (header.timestamp.wrapping_add(n as u32) & MASK) as usize;
            (self.ring[at], self.present[at]) = (s, true);
        }
        let after = header.timestamp.wrapping_add(samples.len() as u32);
        if ahead_ts(after, playing.end) > 0 {
            playing.end = after;
        }
        // A burst after a stall may fill more than is allowed: the oldest is given up.
        let depth = ahead_ts(playing.end, playing.next) + ready;
        if depth > MAX_DELAY + MAX_PACKET as i32 {
            let skip = (depth - MAX_DELAY) as u32;
            for n in 0..skip {
                let present = &mut self.present[(playing.next.wrapping_add(n) & MASK) as usize];
                self.stats.dropped += u64::from(std::mem::take(present));
            }
            playing.next = playing.next.wrapping_add(skip);
            self.level = Level::default();
        }
    }

    /// The peer says that it is silent from now on, and how loud its silence is (RFC 3389: the first octet is −dBov).
    pub fn comfort_noise(&mut self, payload: &[u8]) {
        let Some(level) = payload.first() else { return };
        match &mut self.noise {
            Some(noise) => noise.set(*level),
            None => self.noise = Some(Noise::new(*level)),
        }
    }

    /// Finds out where a packet belongs. False when it is to be passed over.
    fn place(&mut self, header: &Header) -> bool {
        let Some(playing) = self.playing.as_mut().filter(|p| p.ssrc == header.ssrc) else {
            self.restart(header);
            return true;
        };
        if playing.dry > 0 {
            let gap = ahead_ts(header.timestamp, playing.next);
            if gap >= 0 {
                let spent = std::mem::take(&mut playing.dry);
                // What is missing has been concealed already, as far as we have come with it.
                let past = spent.min(gap as u32);
                playing.next = playing.next.wrapping_add(past);
                self.level.moved(-(past as i32));
                if spent > MAX_DELAY as u32 {
                    // The peer was silent, or away: its delay begins anew.
                    playing.next = header.timestamp.wrapping_sub(FIRST_DELAY);
                    self.level = Level::default();
                }
            }
        }
        let ahead = ahead_ts(header.timestamp, playing.next);
        if ahead > RING as i32 - MAX_PACKET as i32 {
            self.restart(header);
        } else if ahead < -MAX_DELAY {
            let again = playing.old.is_some_and(|old| (0..=8000).contains(&ahead_ts(header.timestamp, old)));
            playing.old = Some(header.timestamp);
            if !again {
                return false;
            }
            self.restart(header);
        }
        true
    }

    fn restart(&mut self, header: &Header) {
        self.stats.restarts += u64::from(self.playing.is_some());
        self.present.fill(false);
        let next = header.timestamp.wrapping_sub(FIRST_DELAY);
        self.playing = Some(Playing { ssrc: header.ssrc, next, end: header.timestamp, dry: 0, old: None });
        self.level = Level::default();
    }

    /// Overwrites `out` with the next samples by the board's clock; what is missing is concealed.
    pub fn pull(&mut self, out: &mut [i16]) {
        self.frame = (out.len() as u32).clamp(1, 160);
        self.level.elapsed(out.len() as u32);
        for chunk in out.chunks_mut(BLOCK) {
            let n = chunk.len();
            while self.ready.len() < n {
                self.make(n - self.ready.len());
            }
            for (o, s) in chunk.iter_mut().zip(self.ready.drain(..n)) {
                *o = s;
            }
        }
    }

    /// Makes so many samples ready, at most a block, or a block and a pitch period more or less.
    fn make(&mut self, need: usize) {
        let Some(Playing { next, end, .. }) = self.playing else {
            return self.run_dry(need);
        };
        let there = ahead_ts(end, next).max(0) as usize;
        let whole = |n: usize| {
            there >= n && (0..n).all(|k| self.present[(next.wrapping_add(k as u32) & MASK) as usize])
        };
        let used = match self.level.wish(self.frame as i32) {
            Some(Wish::Less { most, least_alike }) if whole(BLOCK + stretch::LONGEST) => {
                self.shorten(next, most, least_alike)
            }
            Some(Wish::More { least_alike, .. }) if whole(BLOCK) => self.lengthen(next, least_alike),
            // A hole is the best place to wait: it is concealed without moving on by as much as is wanted.
            Some(Wish::More { by, .. }) if there >= BLOCK => {
                self.plain(next, BLOCK);
                let present = |n: &usize| self.present[(next.wrapping_add(*n as u32) & MASK) as usize];
                let hole = BLOCK - (0..BLOCK).take_while(present).count();
                let wait = hole.min(by);
                self.level.moved(wait as i32);
                self.stats.lengthened += u64::from(wait > 0);
                BLOCK - wait
            }
            _ => {
                let n = there.min(need);
                self.plain(next, n);
                if n < need {
                    self.run_dry(need - n);
                }
                n
            }
        };
        for n in 0..used as u32 {
            self.present[(next.wrapping_add(n) & MASK) as usize] = false;
        }
        if let Some(playing) = &mut self.playing {
            playing.next = next.wrapping_add(used as u32);
        }
    }

    /// Nothing to play. It may be lost, late, or the peer is silent.
    fn run_dry(&mut self, n: usize) {
        let mut block = [0; BLOCK];
        let block = &mut block[..n];
        self.plc.conceal(block);
        if let Some(noise) = &mut self.noise {
            noise.add(block);
        } else {
            self.stats.concealed += n as u64;
        }
        if let Some(playing) = &mut self.playing {
            playing.dry = playing.dry.saturating_add(n as u32);
            self.level.moved(n as i32);
        }
        self.ready.extend(&*block);
    }

    /// Leaves out a period; answers how many samples were used.
    fn shorten(&mut self, next: u32, most: usize, least_alike: f32) -> usize {
        let mut line = [0; BLOCK + stretch::LONGEST];
        self.take(next, &mut line);
        let mut out = [0; BLOCK];
        let Some(by) = stretch::shorten(&line, most, least_alike, &mut out) else {
            self.plain(next, BLOCK);
            return BLOCK;
        };
        self.plc.good(&mut out);
        self.ready.extend(out);
        self.level.slipped(-(by as i32));
        self.stats.shortened += 1;
        BLOCK + by
    }

    /// Repeats a period; answers how many samples were used.
    fn lengthen(&mut self, next: u32, least_alike: f32) -> usize {
        let mut line = [0; stretch::LONGEST + BLOCK];
        let (past, coming) = line.split_at_mut(stretch::LONGEST);
        past.copy_from_slice(self.plc.last(stretch::LONGEST));
        self.take(next, coming);
        let mut out = [0; BLOCK + stretch::LONGEST];
        let Some(by) = stretch::lengthen(&line, least_alike, &mut out) else {
            self.plain(next, BLOCK);
            return BLOCK;
        };
        let out = &mut out[..BLOCK + by];
        self.plc.good(out);
        self.ready.extend(&*out);
        self.level.slipped(by as i32);
        self.stats.lengthened += 1;
        BLOCK
    }

    /// Copies what is there and conceals the rest, run by run.
    fn plain(&mut self, next: u32, n: usize) {
        let mut block = [0; BLOCK];
        let block = &mut block[..n];
        let mut at = 0;
        while at < n {
            let there = |k: usize| self.present[(next.wrapping_add(k as u32) & MASK) as usize];
            let good = there(at);
            let end = (at..n).find(|&k| there(k) != good).unwrap_or(n);
            let run = &mut block[at..end];
            if good {
                for (k, s) in run.iter_mut().enumerate() {
                    *s = self.ring[(next.wrapping_add((at + k) as u32) & MASK) as usize];
                }
                self.plc.good(run);
            } else {
                self.plc.conceal(run);
                self.stats.concealed += run.len() as u64;
            }
            at = end;
        }
        self.ready.extend(&*block);
    }

    fn take(&self, next: u32, line: &mut [i16]) {
        for (n, s) in line.iter_mut().enumerate() {
            *s = self.ring[(next.wrapping_add(n as u32) & MASK) as usize];
        }
    }

    /// Sound that is waiting, ms.
    pub fn delay_ms(&self) -> u32 {
        let waiting = self.playing.map_or(0, |p| ahead_ts(p.end, p.next).max(0) as usize);
        ((waiting + self.ready.len()) / 8) as u32
    }

    /// What was counted.
    pub fn stats(&self) -> JitterStats {
        self.stats
    }
}
