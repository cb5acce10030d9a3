//! Measuring for tests: tones, their level, and what is not tone.

use std::f64::consts::TAU;

/// A sine.
pub fn tone(hz: f64, amplitude: f64, rate: f64, samples: usize) -> Vec<i16> {
    (0..samples).map(|n| (amplitude * (TAU * hz / rate * n as f64).sin()).round() as i16).collect()
}

/// The amplitude of a sine in samples: a fit of sine and cosine.
pub fn level(samples: &[i16], hz: f64, rate: f64) -> f64 {
    let (s, c) = fit(samples, hz, rate);
    s.hypot(c)
}

/// How far a sine stands above all else, dB.
pub fn signal_to_noise(samples: &[i16], hz: f64, rate: f64) -> f64 {
    let (s, c) = fit(samples, hz, rate);
    let w = TAU * hz / rate;
    let noise: f64 = samples
        .iter()
        .enumerate()
        .map(|(n, x)| {
            let phase = w * n as f64;
            (f64::from(*x) - s * phase.sin() - c * phase.cos()).powi(2)
        })
        .sum();
    let signal = (s * s + c * c) / 2.0 * samples.len() as f64;
    10.0 * (signal / noise.max(1e-9)).log10()
}

/// Least squares: the amplitudes of sine and cosine.
fn fit(samples: &[i16], hz: f64, rate: f64) -> (f64, f64) {
    let w = TAU * hz / rate;
    let (mut ss, mut cc, mut sc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (n, x) in samples.iter().enumerate() {
        let (s, c) = (w * n as f64).sin_cos();
        let x = f64::from(*x);
        (ss, cc, sc) = (ss + s * s, cc + c * c, sc + s * c);
        (xs, xc) = (xs + x * s, xc + x * c);
    }
    let determinant = ss * cc - sc * sc;
    if determinant.abs() < 1e-6 {
        // At half the sampling rate a sine is nothing but zeros.
        return (0.0, if cc > 0.0 { xc / cc } else { 0.0 });
    }
    ((xs * cc - xc * sc) / determinant, (xc * ss - xs * sc) / determinant)
}
