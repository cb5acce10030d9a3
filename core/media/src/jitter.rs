//! The jitter buffer between packets, which come when they like, and a telephone on a board, which takes 160 samples
//! every 20 ms by the board's own clock.
//!
//! Samples are stored by their RTP timestamp, so reordering, doubles and any packet time sort themselves out. How far
//! packets arrive ahead of their play-out is watched: too little and the delay grows, too much for seconds and it shrinks.
//! Both happen by taking out or repeating one pitch period where the sound matches itself, never by a jump; a board whose
//! clock is 100 ppm off is followed in the same way.

use crate::plc::Concealer;
use crate::rtp::{Header, ahead_ts};

/// Samples kept: half a second. A power of two, so a timestamp finds its place by its low bits.
const RING: usize = 4096;
const MASK: u32 = RING as u32 - 1;

/// Delay at the beginning, and the most that is allowed: 40 and 200 ms.
const FIRST_DELAY: i32 = 320;
const MAX_DELAY: i32 = 1600;
/// How far ahead of its play-out the latest of recent packets shall arrive: 10 ms.
const GUARD: i32 = 80;
/// More than this to spare for a whole window is too much delay.
const SPARE: i32 = 280;
/// Pulls in a window: 2 s.
const WINDOW: u32 = 100;

/// Shortest and longest slip.
const SLIP_MIN: usize = 40;
const SLIP_MAX: usize = 120;

/// Longest packet taken: 60 ms, with room.
const MAX_PACKET: usize = 960;

/// Orders, delays and mends the sound of one peer.
#[derive(Debug, Clone)]
pub struct JitterBuffer {
    ring: Box<[i16; RING]>,
    present: Box<[bool; RING]>,
    plc: Concealer,
    state: State,
    /// How far the worst packet of this window arrived ahead of its play-out, and of the window before.
    worst: i32,
    worst_before: i32,
    pulls: u32,
    stats: JitterStats,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Nothing came yet.
    Empty,
    /// Playing: the next timestamp to pull, and the one after the newest sample.
    Playing { ssrc: u32, next: u32, end: u32, slip: i32 },
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
            state: State::Empty,
            worst: i32::MAX,
            worst_before: i32::MAX,
            pulls: 0,
            stats: JitterStats::default(),
        }
    }

    /// Takes the decoded samples of a packet.
    pub fn push(&mut self, header: &Header, samples: &[i16]) {
        let samples = &samples[..samples.len().min(MAX_PACKET)];
        if samples.is_empty() {
            return;
        }
        let known = match self.state {
            State::Playing { ssrc, next, .. } => {
                ssrc == header.ssrc && {
                    let ahead = ahead_ts(header.timestamp, next);
                    (-MAX_DELAY..=RING as i32 - MAX_PACKET as i32).contains(&ahead)
                }
            }
            State::Empty => false,
        };
        if !known {
            self.restart(header);
        }
        let State::Playing { next, end, slip, .. } = &mut self.state else { return };
        self.stats.taken += 1;
        let ahead = ahead_ts(header.timestamp, *next);
        self.worst = self.worst.min(ahead);
        // Late, or nearly: the delay must grow now; slips at each pull do it.
        if ahead < GUARD {
            *slip = (*slip).min(ahead - GUARD);
        }
        let late = (-ahead).max(0) as usize;
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
        if ahead_ts(after, *end) > 0 {
            *end = after;
        }
        // A burst after a stall may fill more than is allowed: the oldest is given up.
        let depth = ahead_ts(*end, *next);
        if depth > MAX_DELAY + MAX_PACKET as i32 {
            let skip = (depth - MAX_DELAY) as u32;
            for n in 0..skip {
                self.present[(next.wrapping_add(n) & MASK) as usize] = false;
            }
            *next = next.wrapping_add(skip);
        }
    }

    fn restart(&mut self, header: &Header) {
        if matches!(self.state, State::Playing { .. }) {
            self.stats.restarts += 1;
        }
        self.present.fill(false);
        let next = header.timestamp.wrapping_sub(FIRST_DELAY as u32);
        self.state = State::Playing { ssrc: header.ssrc, next, end: header.timestamp, slip: 0 };
        (self.worst, self.worst_before, self.pulls) = (i32::MAX, i32::MAX, 0);
    }

    /// Overwrites `out` with the next samples by the board's clock; what is missing is concealed.
    pub fn pull(&mut self, out: &mut [i16]) {
        for chunk in out.chunks_mut(160) {
            self.pull_chunk(chunk);
        }
    }

    fn pull_chunk(&mut self, out: &mut [i16]) {
        let State::Playing { next, slip, .. } = self.state else {
            self.plc.conceal(out);
            return;
        };
        self.pulls += 1;
        if self.pulls >= WINDOW {
            self.window();
        }
        // What is taken from the ring: the frame, and one slip more or less.
        let mut line = [0i16; 160 + SLIP_MAX];
        let whole = |n: usize| (0..n).all(|k| self.present[(next.wrapping_add(k as u32) & MASK) as usize]);
        let used = if slip >= SLIP_MIN as i32 && out.len() == 160 && whole(160 + SLIP_MAX) {
            self.take(next, &mut line);
            let by = best_slip(&line, slip as usize);
            shorten(&line, by, out);
            self.plc.good(out);
            self.slipped(by as i32);
            160 + by
        } else if slip < 0 && out.len() == 160 && whole(160) {
            self.take(next, &mut line[..160]);
            let by = best_slip(&line[..160], SLIP_MAX.min(120));
            lengthen(&line[..160], by, out);
            self.plc.good(out);
            self.slipped(-(by as i32));
            160 - by
        } else if slip < 0 && !whole(out.len()) {
            // A hole is the best place to wait: it is concealed without moving on by as much as is wanted.
            self.plain(next, out);
            let there = |n: &usize| self.present[(next.wrapping_add(*n as u32) & MASK) as usize];
            let hole = out.len() - (0..out.len()).take_while(there).count();
            let wait = hole.min(slip.unsigned_abs() as usize);
            self.slipped(-(wait as i32));
            out.len() - wait
        } else {
            self.plain(next, out);
            out.len()
        };
        for n in 0..used as u32 {
            self.present[(next.wrapping_add(n) & MASK) as usize] = false;
        }
        if let State::Playing { next, .. } = &mut self.state {
            *next = next.wrapping_add(used as u32);
        }
    }

    /// Copies what is there and conceals the rest, run by run.
    fn plain(&mut self, next: u32, out: &mut [i16]) {
        let mut at = 0;
        while at < out.len() {
            let there = |n: usize| self.present[(next.wrapping_add(n as u32) & MASK) as usize];
            let good = there(at);
            let end = (at..out.len()).find(|&n| there(n) != good).unwrap_or(out.len());
            let run = &mut out[at..end];
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
    }

    fn take(&self, next: u32, line: &mut [i16]) {
        for (n, s) in line.iter_mut().enumerate() {
            *s = self.ring[(next.wrapping_add(n as u32) & MASK) as usize];
        }
    }

    fn slipped(&mut self, by: i32) {
        if by > 0 {
            self.stats.shortened += 1;
        } else {
            self.stats.lengthened += 1;
        }
        if let State::Playing { slip, .. } = &mut self.state {
            *slip -= by;
            // Slips come in pitch periods and may overshoot by one.
            if (by > 0) == (*slip < 0) {
                *slip = 0;
            }
        }
        // Margins measured before the slip have moved with it.
        for worst in [&mut self.worst, &mut self.worst_before] {
            *worst = worst.saturating_sub(by).max(i32::MIN / 2);
        }
    }

    /// Two windows in a row with much to spare: the delay may shrink.
    fn window(&mut self) {
        let spare = self.worst.min(self.worst_before);
        if let State::Playing { slip, .. } = &mut self.state
            && *slip == 0
            && self.worst_before != i32::MAX
            && spare != i32::MAX
            && spare > SPARE
        {
            // Half way at a time: bursts come again.
            *slip = ((spare - SPARE / 2) / 2).max(SLIP_MIN as i32);
        }
        (self.worst_before, self.worst, self.pulls) = (self.worst, i32::MAX, 0);
    }

    /// Sound that is waiting, ms.
    pub fn delay_ms(&self) -> u32 {
        match self.state {
            State::Playing { next, end, .. } => ahead_ts(end, next).max(0) as u32 / 8,
            State::Empty => 0,
        }
    }

    /// What was counted.
    pub fn stats(&self) -> JitterStats {
        self.stats
    }
}

/// The lag, at most `most`, at which the line looks most like itself.
fn best_slip(line: &[i16], most: usize) -> usize {
    let most = most.clamp(SLIP_MIN, SLIP_MAX);
    let stretch = line.len() - SLIP_MAX;
    let stretch = stretch.clamp(40, 120);
    let score = |lag: usize| {
        let (mut product, mut power) = (0i64, 1i64);
        for n in (0..stretch).step_by(2) {
            let Some(&b) = line.get(n + lag) else { break };
            product += line[n] as i64 * b as i64;
            power += b as i64 * b as i64;
        }
        product as f32 / (power as f32).sqrt()
    };
    (SLIP_MIN..=most).max_by(|&a, &b| score(a).total_cmp(&score(b))).unwrap_or(SLIP_MIN)
}

/// Leaves out `by` samples: the line melts into itself `by` samples later.
fn shorten(line: &[i16], by: usize, out: &mut [i16]) {
    let n = out.len() as i32;
    for (k, o) in out.iter_mut().enumerate() {
        let (early, late) = (line[k] as i32, line[k + by] as i32);
        *o = (early + (late - early) * (k as i32 + 1) / n) as i16;
    }
}

/// Repeats `by` samples: the line melts into itself `by` samples earlier.
fn lengthen(line: &[i16], by: usize, out: &mut [i16]) {
    let melt = out.len() - by;
    for (k, o) in out.iter_mut().enumerate() {
        *o = match k.checked_sub(by) {
            None => line[k],
            Some(late) => {
                // From here both run; at the end only the later one, whose next sample is the next to be pulled.
                let (early, again) = (line[k] as i32, line[late] as i32);
                (early + (again - early) * (late as i32 + 1) / melt as i32) as i16
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(t: u32) -> i16 {
        (8000.0 * (t as f32 * std::f32::consts::TAU * 200.0 / 8000.0).sin()) as i16
    }

    fn header(n: u32, per: u32) -> Header {
        Header {
            seq: n as u16,
            timestamp: (n * per).wrapping_add(u32::MAX - 5000),
            ssrc: 9,
            ..Header::default()
        }
    }

    fn frame(n: u32, per: u32) -> Vec<i16> {
        (n * per..(n + 1) * per).map(sine).collect()
    }

    struct Random(u64);
    impl Random {
        fn below(&mut self, n: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (self.0 >> 33) % n
        }
    }

    /// Sends frames of `per` samples with these delays in samples (`None` is lost); `drift` is how many ppm faster the board
    /// pulls. Returns the buffer and all that was heard.
    fn run(
        frames: u32,
        per: u32,
        drift: f64,
        mut delay: impl FnMut(u32) -> Option<u32>,
    ) -> (JitterBuffer, Vec<i16>) {
        let mut arrivals: Vec<(u64, u32)> =
            (0..frames).filter_map(|n| Some(((n * per + delay(n)?) as u64, n))).collect();
        arrivals.sort();
        let (mut b, mut heard, mut at) = (JitterBuffer::new(), Vec::new(), 0);
        let pulls = frames * per / 160;
        for k in 0..pulls {
            let now = ((k as f64 + 1.0) * 160.0 / (1.0 + drift / 1e6)) as u64;
            while arrivals.get(at).is_some_and(|a| a.0 <= now) {
                let n = arrivals[at].1;
                b.push(&header(n, per), &frame(n, per));
                at += 1;
            }
            let mut out = [0; 160];
            b.pull(&mut out);
            heard.extend(out);
        }
        (b, heard)
    }

    fn worst_step(heard: &[i16]) -> i32 {
        heard.windows(2).map(|w| (w[1] as i32 - w[0] as i32).abs()).max().unwrap_or(0)
    }

    #[test]
    fn a_steady_stream_is_played_as_it_is() {
        for per in [80, 160, 240, 480] {
            let (b, heard) = run(1200, per, 0.0, |_| Some(0));
            let s = b.stats();
            assert_eq!((s.late, s.doubles, s.restarts), (0, 0, 0), "{per}: {s:?}");
            assert!(s.concealed <= 480, "{per}: {s:?}");
            assert!(b.delay_ms() <= 90, "{per}: {}", b.delay_ms());
            // The sine's own steepest step is 1256; a click would be far above.
            assert!(worst_step(&heard[960..]) < 1500, "{per}: {}", worst_step(&heard[960..]));
        }
    }

    #[test]
    fn disorder_and_doubles_are_sorted_out() {
        let (b, heard) = run(1000, 160, 0.0, |n| Some(if n % 10 == 3 { 200 } else { 0 }));
        assert_eq!((b.stats().late, b.stats().restarts), (0, 0));
        assert!(worst_step(&heard[960..]) < 1500);
        let mut b = JitterBuffer::new();
        for n in 0..10 {
            b.push(&header(n, 160), &frame(n, 160));
            b.push(&header(n, 160), &frame(n, 160));
        }
        assert_eq!((b.stats().doubles, b.stats().taken), (10, 20));
    }

    #[test]
    fn jitter_is_learned_and_forgotten() {
        // M8: up to 80 ms of jitter for 20 s, then none.
        let mut r = Random(4);
        let mut most = 0;
        let (b, _) = run(4000, 160, 0.0, |n| Some(if n < 1000 { r.below(640) as u32 } else { 0 }));
        let s = b.stats();
        assert!(s.late < 25, "{s:?}");
        assert!(b.delay_ms() <= 80, "forgotten: {}", b.delay_ms());
        let mut r = Random(5);
        let mut buffer = JitterBuffer::new();
        for n in 0..2000u32 {
            // Bursts: nothing for up to 300 ms, then all at once.
            if r.below(20) == 0 {
                (0..15).for_each(|_| buffer.pull(&mut [0; 160]));
                (0..15).for_each(|k| buffer.push(&header(n * 16 + k, 160), &frame(n * 16 + k, 160)));
            }
            buffer.push(&header(n * 16 + 15, 160), &frame(n * 16 + 15, 160));
            buffer.pull(&mut [0; 160]);
            most = most.max(buffer.delay_ms());
        }
        assert!(most <= 200 + 120, "bounded: {most}");
    }

    #[test]
    fn loss_is_concealed() {
        let mut r = Random(8);
        let (b, heard) = run(2000, 160, 0.0, |_| (r.below(20) != 0).then_some(0));
        let s = b.stats();
        assert!((8000..30_000).contains(&s.concealed), "{s:?}");
        let loud = heard[1600..].chunks(160).filter(|f| crate::level::of(f) > -20.0).count();
        assert!(loud as f32 > 0.99 * (heard.len() / 160 - 10) as f32, "{loud}");
    }

    /// Ten minutes against a board 100 ppm fast or slow: now and then a slip, never a storm.
    #[test]
    fn a_drifting_clock_is_followed() {
        for drift in [-100.0, 100.0] {
            let (b, heard) = run(30_000, 160, drift, |_| Some(0));
            let s = b.stats();
            // 100 ppm of 600 s are 480 samples: a dozen slips.
            assert!(s.shortened + s.lengthened <= 24, "{drift}: {s:?}");
            assert!(s.late <= 2 && s.restarts == 0 && s.concealed < 1600, "{drift}: {s:?}");
            assert!(b.delay_ms() <= 80, "{drift}: {}", b.delay_ms());
            assert!(worst_step(&heard[960..]) < 2600, "{drift}: {}", worst_step(&heard[960..]));
        }
    }

    #[test]
    fn a_new_source_and_a_jump_in_time_begin_anew() {
        let mut b = JitterBuffer::new();
        b.push(&header(0, 160), &frame(0, 160));
        b.push(&Header { ssrc: 10, ..header(0, 160) }, &frame(0, 160));
        b.push(&Header { ssrc: 10, timestamp: 900_000, ..header(0, 160) }, &frame(0, 160));
        assert_eq!(b.stats().restarts, 2);
        b.push(&header(0, 160), &[]);
        b.push(&header(0, 160), &[1; 5000]);
        let mut out = [0; 1000];
        (0..20).for_each(|_| b.pull(&mut out));
    }
}
