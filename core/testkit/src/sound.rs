//! Ears for live tests: what is in a recording of a line. Written apart from `ringtrip-media`, so that a tone that is
//! made wrong and measured by the same code does not pass.

use std::f64::consts::TAU;
use std::fmt::Write;
use std::path::Path;

use ringtrip_media::wav::{self, Wav};

/// Samples a second of a line.
pub const RATE: usize = 8000;

/// Samples of a WAV file at 8 kHz.
#[track_caller]
pub fn read_wav(bytes: &[u8]) -> Vec<i16> {
    let wav = Wav::parse(bytes).unwrap_or_else(|e| panic!("{} octets: {e}", bytes.len()));
    wav.at_8k()
}

/// The same of a recording that may still be empty.
pub fn try_wav(bytes: &[u8]) -> Vec<i16> {
    Wav::parse(bytes).map(|wav| wav.at_8k()).unwrap_or_default()
}

/// Writes a WAV file of another rate: peers are choosy.
#[track_caller]
pub fn write_wav(path: &Path, samples: &[i16], rate: u32) {
    let samples = wav::resample(samples, RATE as u32, rate);
    std::fs::write(path, wav::write(&samples, rate)).expect("the folder can be written");
}

/// Writes bare samples of another rate.
#[track_caller]
pub fn write_raw(path: &Path, samples: &[i16], rate: u32) {
    let samples = wav::resample(samples, RATE as u32, rate);
    let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    std::fs::write(path, bytes).expect("the folder can be written");
}

/// Level of the sine of this frequency in the samples, dBm0 (Goertzel). Whole periods of neighbours cancel best in
/// pieces of 100 ms.
pub fn level_of(samples: &[i16], hz: f64) -> f64 {
    let coefficient = 2.0 * (TAU * hz / RATE as f64).cos();
    let (mut s1, mut s2) = (0.0, 0.0);
    for &sample in samples {
        let s0 = f64::from(sample) + coefficient * s1 - s2;
        (s2, s1) = (s1, s0);
    }
    let power = s1 * s1 + s2 * s2 - coefficient * s1 * s2;
    let n = samples.len().max(1) as f64;
    dbm0(2.0 * power.max(0.0) / (n * n))
}

/// Level of everything in the samples, dBm0.
pub fn level(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    dbm0(sum / samples.len().max(1) as f64)
}

/// G.711: a sine of full scale has this level, dBm0. Not the circle's number.
#[allow(clippy::approx_constant)]
const FULL: f64 = 3.14;

fn dbm0(mean_square: f64) -> f64 {
    let full = 32768.0 * 32768.0 / 2.0;
    10.0 * (mean_square.max(1e-3) / full).log10() + FULL
}

/// Are these frequencies there, each at least this loud, and do they make up nearly all that is heard?
pub fn is_tone(samples: &[i16], hz: &[f64], dbm0: f64) -> bool {
    let levels: Vec<f64> = hz.iter().map(|hz| level_of(samples, *hz)).collect();
    let together: f64 = levels.iter().map(|l| 10f64.powf(l / 10.0)).sum();
    levels.iter().all(|l| *l >= dbm0) && level(samples) < 10.0 * together.log10() + 1.5
}

/// The first sample from which on these frequencies are heard for 100 ms.
pub fn tone_begins(samples: &[i16], hz: &[f64], dbm0: f64) -> Option<usize> {
    let steady = |at: &usize| samples.get(*at..at + 800).is_some_and(|part| is_tone(part, hz, dbm0));
    let at = (0..samples.len()).step_by(8).find(steady)?;
    // The first window that sounds right still holds some of the silence before.
    let loud = |s: &&i16| s.unsigned_abs() > 64;
    Some(at + samples[at..].iter().take_while(|s| !loud(s)).count())
}

/// On and off times in ms of sound of these frequencies, alternating and beginning with on. Silence before the first
/// sound is left out; so is what is on or off at the end, which the recording cuts.
pub fn cadence(samples: &[i16], hz: &[f64]) -> Vec<u32> {
    let loudest = samples.chunks(160).map(|c| loudest_of(c, hz)).fold(-120.0, f64::max);
    let on = |part: &[i16]| loudest_of(part, hz) > loudest - 10.0;
    // Windows of 20 ms, 5 ms apart: an edge is found to a few ms.
    let states: Vec<bool> = samples.windows(160).step_by(40).map(on).collect();
    let runs: Vec<(bool, u32)> =
        states.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u32 * 5)).collect();
    let from = usize::from(runs.first().is_some_and(|(on, _)| !on));
    let to = runs.len().saturating_sub(1);
    runs.get(from..to).unwrap_or_default().iter().map(|(_, ms)| *ms).collect()
}

fn loudest_of(part: &[i16], hz: &[f64]) -> f64 {
    hz.iter().map(|hz| level_of(part, *hz)).fold(-120.0, f64::max)
}

/// The longest silence within a sound, ms: samples that all stay below −50 dBm0.
pub fn longest_gap_ms(samples: &[i16]) -> f64 {
    let quiet = |s: &i16| s.unsigned_abs() < 72;
    let runs = samples.chunk_by(|a, b| quiet(a) == quiet(b));
    let longest = runs.filter(|run| quiet(&run[0])).map(<[i16]>::len).max().unwrap_or_default();
    longest as f64 * 1000.0 / RATE as f64
}

/// Samples at which a steady sine jumps: each sample of a sine follows from the two before it, whatever its phase. In
/// parts of the amplitude; companding alone leaves a few hundredths.
pub fn jumps(samples: &[i16], hz: f64, more_than: f64) -> Vec<usize> {
    let coefficient = 2.0 * (TAU * hz / RATE as f64).cos();
    let amplitude = samples.iter().map(|s| f64::from(s.unsigned_abs())).fold(1.0, f64::max);
    let residual = |w: &[i16]| (f64::from(w[2]) - coefficient * f64::from(w[1]) + f64::from(w[0])).abs();
    let windows = samples.windows(3).enumerate();
    windows.filter(|(_, w)| residual(w) > more_than * amplitude).map(|(at, _)| at).collect()
}

/// A sine.
pub fn sine(hz: f64, ms: usize, dbm0: f64) -> Vec<i16> {
    let amplitude = 32768.0 * 10f64.powf((dbm0 - FULL) / 20.0);
    let at = |n: usize| (amplitude * (TAU * hz * n as f64 / RATE as f64).sin()) as i16;
    (0..ms * RATE / 1000).map(at).collect()
}

/// Keys as a telephone sends them: so long on and off, ms.
pub fn keys(keys: &str, on: usize, off: usize) -> Vec<i16> {
    let grid = ["123A", "456B", "789C", "*0#D"];
    let (low, high) = ([697.0, 770.0, 852.0, 941.0], [1209.0, 1336.0, 1477.0, 1633.0]);
    let mut samples = Vec::new();
    for key in keys.chars() {
        let row = grid.iter().position(|row| row.contains(key)).expect("a key");
        let column = grid[row].find(key).expect("a key");
        let at = |n: usize, hz: f64| 5_000.0 * (TAU * hz * n as f64 / RATE as f64).sin();
        samples.extend((0..on * 8).map(|n| (at(n, low[row]) + at(n, high[column])) as i16));
        samples.resize(samples.len() + off * 8, 0);
    }
    samples
}

/// A recording in words, for a test that fails: level and loudest frequency every 100 ms, of 5 s at most.
pub fn describe(samples: &[i16]) -> String {
    let mut text = String::new();
    for (n, part) in samples.chunks(800).enumerate().take(50) {
        let all = level(part);
        let loudest = (200..=3400).step_by(10).map(|hz| (level_of(part, hz.into()), hz));
        let (_, hz) = loudest.fold((-200.0, 0), |a, b| if b.0 > a.0 { b } else { a });
        let what = if all < -60.0 { "quiet".to_owned() } else { format!("{all:.0} dBm0 near {hz} Hz") };
        let _ = write!(text, "{:.1} s {what}; ", n as f64 / 10.0);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_measured() {
        let tone = sine(1000.0, 500, -16.0);
        assert!((level_of(&tone, 1000.0) + 16.0).abs() < 0.1, "{}", level_of(&tone, 1000.0));
        assert!((level(&tone) + 16.0).abs() < 0.1);
        assert!(level_of(&tone, 1400.0) < -40.0);
        assert!(is_tone(&tone, &[1000.0], -17.0) && !is_tone(&tone, &[1100.0], -30.0));
        assert_eq!(longest_gap_ms(&tone) as u32, 0);
        assert!(jumps(&tone, 1000.0, 0.02).is_empty());
    }

    #[test]
    fn a_hole_and_a_jump_are_found() {
        let mut tone = sine(1000.0, 1000, -16.0);
        tone[4000..4080].fill(0);
        assert!((longest_gap_ms(&tone) - 10.0).abs() < 0.5, "{}", longest_gap_ms(&tone));
        let mut tone = sine(1000.0, 1000, -16.0);
        tone.drain(4000..4002);
        assert_eq!(jumps(&tone, 1000.0, 0.2).first(), Some(&3998));
    }

    #[test]
    fn a_cadence_is_measured() {
        let mut sound = vec![0; 1600];
        for _ in 0..3 {
            sound.extend(sine(480.0, 500, -16.0));
            sound.extend([0; 4000]);
        }
        let cadence = cadence(&sound, &[480.0]);
        assert_eq!(cadence.len(), 5, "{cadence:?}");
        assert!(cadence.iter().all(|ms| ms.abs_diff(500) <= 25), "{cadence:?}");
        assert_eq!(tone_begins(&sound, &[480.0], -20.0).map(|at| at.abs_diff(1600) < 100), Some(true));
    }
}
