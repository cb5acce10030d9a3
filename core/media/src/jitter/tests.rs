use super::*;

fn sine(t: u32) -> i16 {
    (8000.0 * (t as f32 * std::f32::consts::TAU * 200.0 / 8000.0).sin()) as i16
}

fn header(n: u32, per: u32) -> Header {
    Header { seq: n as u16, timestamp: (n * per).wrapping_add(u32::MAX - 5000), ssrc: 9, ..Header::default() }
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
fn run(frames: u32, per: u32, drift: f64, delay: impl FnMut(u32) -> Option<u32>) -> (JitterBuffer, Vec<i16>) {
    let run = run_by(80, frames, per, drift, delay, frame);
    (run.buffer, run.heard)
}

/// What became of a trial.
struct Run {
    buffer: JitterBuffer,
    heard: Vec<i16>,
    /// The delay before each pull, ms.
    delays: Vec<u32>,
}

/// The same with pulls of so many samples, and any sound.
fn run_by(
    pull: u32,
    frames: u32,
    per: u32,
    drift: f64,
    mut delay: impl FnMut(u32) -> Option<u32>,
    sound: impl Fn(u32, u32) -> Vec<i16>,
) -> Run {
    let mut arrivals: Vec<(u64, u32)> =
        (0..frames).filter_map(|n| Some(((n * per + delay(n)?) as u64, n))).collect();
    arrivals.sort();
    let (mut b, mut heard, mut at) = (JitterBuffer::new(), Vec::new(), 0);
    let mut delays = Vec::new();
    // Not beyond the last packet, by the board's clock.
    let pulls = (f64::from(frames * per) * (1.0 + drift / 1e6)) as u32 / pull - 1;
    for k in 0..pulls {
        let now = ((k as f64 + 1.0) * pull as f64 / (1.0 + drift / 1e6)) as u64;
        while arrivals.get(at).is_some_and(|a| a.0 <= now) {
            let (came, n) = arrivals[at];
            let last = (k as f64 * pull as f64 / (1.0 + drift / 1e6)) as u64;
            b.push_after(came.saturating_sub(last) as u32, &header(n, per), &sound(n, per));
            at += 1;
        }
        delays.push(b.delay_ms());
        let mut out = [0; 160];
        let out = &mut out[..pull as usize];
        b.pull(out);
        heard.extend(&*out);
    }
    Run { buffer: b, heard, delays }
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

fn tone(hz: f32) -> impl Fn(u32, u32) -> Vec<i16> {
    move |n, per| {
        let at = |t: u32| (8000.0 * (t as f64 * std::f64::consts::TAU * f64::from(hz) / 8000.0).sin()) as i16;
        (n * per..(n + 1) * per).map(at).collect()
    }
}

/// A voice: harmonics of a pitch that rises and falls, through two formants, in words with pauses.
fn voice(n: u32, per: u32) -> Vec<i16> {
    let at = |t: u32| {
        let s = f64::from(t) / 8000.0;
        // The phase of a pitch of 120 ± 30 Hz.
        let phase = std::f64::consts::TAU * (120.0 * s - 30.0 / 4.0 * (4.0 * s).cos());
        let word = (2.5 * s).sin().max(0.0).sqrt();
        let sum: f64 = (1..20)
            .map(|h| {
                let hz = 120.0 * f64::from(h);
                let formant = |at: f64, width: f64| 1.0 / (1.0 + ((hz - at) / width).powi(2));
                (formant(600.0, 150.0) + 0.5 * formant(1500.0, 200.0)) * (f64::from(h) * phase).sin()
            })
            .sum();
        (5000.0 * word * sum) as i16
    };
    (n * per..(n + 1) * per).map(at).collect()
}

fn hiss(n: u32, per: u32) -> Vec<i16> {
    let mut r = Random(u64::from(n) + 77);
    (0..per).map(|_| r.below(8000) as i16 - 4000).collect()
}

/// The worst ratio of the sine and of all else in any 20 ms, dB.
fn worst_ratio(heard: &[i16], hz: f32) -> f32 {
    let ratio = |part: &[i16]| {
        // The best fit of a sine and a cosine.
        let (mut ss, mut sc, mut cc, mut sx, mut cx) = (0f64, 0f64, 0f64, 0f64, 0f64);
        for (t, x) in part.iter().enumerate() {
            let (s, c) = (t as f64 * std::f64::consts::TAU * f64::from(hz) / 8000.0).sin_cos();
            (ss, sc, cc) = (ss + s * s, sc + s * c, cc + c * c);
            (sx, cx) = (sx + s * f64::from(*x), cx + c * f64::from(*x));
        }
        let det = ss * cc - sc * sc;
        let (a, b) = ((sx * cc - cx * sc) / det, (cx * ss - sx * sc) / det);
        let (mut signal, mut rest) = (0f64, 1e-9f64);
        for (t, x) in part.iter().enumerate() {
            let (s, c) = (t as f64 * std::f64::consts::TAU * f64::from(hz) / 8000.0).sin_cos();
            let fit = a * s + b * c;
            (signal, rest) = (signal + fit * fit, rest + (f64::from(*x) - fit).powi(2));
        }
        10.0 * (signal / rest).log10() as f32
    };
    heard.chunks_exact(160).map(ratio).fold(f32::MAX, f32::min)
}

/// Ten minutes, boards that pull 5, 10 and 20 ms, clocks that differ: the delay stays, nothing is cut off, nothing runs
/// dry, and no slip is heard.
#[test]
fn every_clock_is_followed_for_ten_minutes_with_every_frame() {
    for (pull, tones) in [(80, &[200.0, 440.0, 1000.0][..]), (40, &[440.0]), (160, &[440.0])] {
        for ppm in [-500.0, -100.0, 100.0, 500.0] {
            for &hz in tones {
                let what = format!("{hz} Hz, pulls of {pull}, {ppm} ppm");
                let run = run_by(pull, 30_000, 160, ppm, |_| Some(0), tone(hz));
                let s = run.buffer.stats();
                assert_eq!((s.late, s.dropped, s.restarts), (0, 0, 0), "{what}: {s:?}");
                assert!(s.concealed <= 80, "{what}: {s:?}");
                let most = run.delays[100..].iter().max();
                let room = 40 + pull / 8;
                assert!(most <= Some(&room), "{what}: {most:?} ms wait, 20 of them a packet");
                // A period is 40 to 120 samples: 500 ppm of ten minutes are 2,400 samples.
                let slips = s.shortened + s.lengthened;
                let least = (f64::abs(ppm) * 4.8 / 120.0) as u64;
                assert!((least.saturating_sub(4)..=least * 3 + 4).contains(&slips), "{what}: {s:?}");
                let ratio = worst_ratio(&run.heard[1600..], hz);
                assert!(ratio > 25.0, "{what}: {ratio} dB");
            }
        }
    }
}

#[test]
fn a_voice_against_another_clock_has_no_click() {
    let steepest = worst_step(&run_by(80, 3_000, 160, 0.0, |_| Some(0), voice).heard[800..]);
    for ppm in [-500.0, 500.0] {
        let run = run_by(80, 30_000, 160, ppm, |_| Some(0), voice);
        let s = run.buffer.stats();
        assert!(s.late == 0 && s.dropped == 0 && s.concealed <= 80, "{ppm}: {s:?}");
        assert!(s.shortened + s.lengthened >= 16, "{ppm}: {s:?}");
        let worst = worst_step(&run.heard[800..]);
        assert!(worst < steepest * 5 / 4, "{ppm}: a step of {worst}, where {steepest} is usual");
    }
}

/// The network stands still for a moment and then brings all at once: everything is heard, later, and ten seconds after
/// that nothing is left of the delay.
#[test]
fn a_stall_is_forgotten_in_ten_seconds() {
    type Sound = fn(u32, u32) -> Vec<i16>;
    let sounds: [(&str, Sound); 3] = [("sine", frame), ("voice", voice), ("hiss", hiss)];
    for (name, sound) in sounds {
        for pull in [40, 80, 160] {
            for (ms, lost) in [(60, 0), (120, 0), (200, 0), (500, 2400)] {
                let what = format!("{name}, pulls of {pull}, a stall of {ms} ms");
                // From 10 s on all packets wait for the end of the stall.
                let late = |n: u32| Some((10 * 8000 + ms * 8).max(n * 160).saturating_sub(n * 160));
                let late = |n: u32| if n < 500 { Some(0) } else { late(n) };
                let run = run_by(pull, 1500, 160, 0.0, late, sound);
                let s = run.buffer.stats();
                assert!(s.late == 0 && s.dropped <= lost, "{what}: {s:?}");
                let at = |seconds: f64| run.delays[(seconds * 8000.0 / f64::from(pull)) as usize];
                let (before, grown, after) = (at(9.9), at(11.5), at(20.4));
                assert!(ms == 60 || grown >= before + 60, "{what}: {before} ms before, {grown} ms after");
                assert!(
                    after <= before + 20,
                    "{what}: {before} ms before, {grown} and then {after} ms after"
                );
            }
        }
    }
}

/// Loss is no reason to wait longer.
#[test]
fn loss_does_not_make_the_delay_grow() {
    for pull in [40, 80, 160] {
        let mut r = Random(3);
        let run = run_by(pull, 6000, 160, 0.0, |_| (r.below(20) != 0).then_some(0), voice);
        let most = run.delays[100..].iter().max();
        assert!(most <= Some(&50), "pulls of {pull}: {most:?} ms");
    }
}

/// Packets that wander: the delay is that of the latest, to 20 ms.
#[test]
fn the_delay_is_what_is_needed() {
    for (jitter, pull) in [(0, 80), (160, 80), (400, 80), (800, 80), (400, 40), (400, 160)] {
        let mut r = Random(11);
        let run = run_by(pull, 6000, 160, 0.0, |_| Some(r.below(jitter + 1) as u32), voice);
        let s = run.buffer.stats();
        // A packet that comes with no jitter waits for as long as the latest one needs, and is 20 ms long.
        let needed = jitter as u32 / 8 + 20;
        let settled = &run.delays[run.delays.len() / 2..];
        let most = settled.iter().max().copied().unwrap_or_default();
        assert!(most <= needed + 30, "jitter of {jitter}: {most} ms, {needed} are needed");
        assert!(s.late <= 30, "jitter of {jitter}: {s:?}");
    }
}

#[test]
fn a_peer_that_is_silent_is_not_dead() {
    let mut b = JitterBuffer::new();
    for n in 0..50 {
        b.push(&header(n, 160), &frame(n, 160));
        b.pull(&mut [0; 80]);
        b.pull(&mut [0; 80]);
    }
    for level in [40u8, 55, 70] {
        b.comfort_noise(&[level, 0, 0]);
        let mut heard = vec![0; 16_000];
        heard.chunks_mut(80).for_each(|out| b.pull(out));
        // 0 dBov is 6.15 dBm0: a sine of full scale is −3.01 dBov and 3.14 dBm0.
        let (is, wanted) = (crate::level::of(&heard[4000..]), 6.15 - f32::from(level));
        assert!((is - wanted).abs() < 1.0, "{level}: {is} dBm0, not {wanted}");
    }
    // The quietest is no digital silence either.
    b.comfort_noise(&[127]);
    let mut heard = vec![0; 8000];
    heard.chunks_mut(80).for_each(|out| b.pull(out));
    assert!(heard.chunks(80).all(|part| part.iter().any(|s| *s != 0)));
    // And then it speaks again, with no more delay than before.
    for n in 350..400 {
        b.push(&header(n, 160), &frame(n, 160));
        b.pull(&mut [0; 80]);
        b.pull(&mut [0; 80]);
    }
    assert!(b.delay_ms() <= 30, "{}", b.delay_ms());
}
