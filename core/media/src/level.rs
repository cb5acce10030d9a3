//! Levels: how dBm0 and samples correspond.
//!
//! G.711 §4: a sine of 0 dBm0 lies 3.14 dB (A-law; 3.17 dB µ-law) below the overload point, which is full scale in
//! samples of 16 bits. A-law's figure is used for both: the difference of 0.03 dB is beyond any telephone.

/// Overload point above 0 dBm0, dB.
// Not the circle's number: G.711 §4 rounds to two decimals.
#[allow(clippy::approx_constant)]
pub const OVERLOAD_DBM0: f32 = 3.14;

/// Peak of a sine at the overload point.
pub const FULL_SCALE: f32 = 32768.0;

/// Peak amplitude of a sine of this level.
pub fn amplitude(dbm0: f32) -> f32 {
    FULL_SCALE * 10f32.powf((dbm0 - OVERLOAD_DBM0) / 20.0)
}

/// Level of a signal whose samples have this mean square; silence is −120.
pub fn dbm0(mean_square: f32) -> f32 {
    // A sine of amplitude a has a mean square of a²/2.
    let full = FULL_SCALE * FULL_SCALE / 2.0;
    if mean_square < 1e-6 {
        return -120.0;
    }
    10.0 * (mean_square / full).log10() + OVERLOAD_DBM0
}

/// Level of these samples; silence is −120.
pub fn of(samples: &[i16]) -> f32 {
    dbm0(mean_square(samples))
}

/// Mean of the squares of these samples.
pub fn mean_square(samples: &[i16]) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    let sum: f64 = samples.iter().map(|&s| (s as f64) * (s as f64)).sum();
    (sum / samples.len() as f64) as f32
}

/// Multiplies samples by a gain in dB, saturating.
pub fn gain(samples: &mut [i16], db: f32) {
    if db == 0.0 {
        return;
    }
    let factor = 10f32.powf(db / 20.0);
    for s in samples {
        // `as` saturates.
        *s = (*s as f32 * factor).round() as i16;
    }
}

/// Makes sound louder or quieter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gain(f32);

impl Default for Gain {
    fn default() -> Gain {
        Gain(1.0)
    }
}

impl Gain {
    /// So many dB.
    pub fn db(db: f32) -> Gain {
        Gain(10f32.powf(db / 20.0))
    }

    /// Changes these samples; what is too loud is clipped, not wrapped.
    pub fn apply(self, samples: &mut [i16]) {
        if self.0 != 1.0 {
            for s in samples {
                *s = (f32::from(*s) * self.0).round() as i16;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_of_0_dbm0_measures_0() {
        let a = amplitude(0.0);
        assert!((a - 22827.0).abs() < 2.0, "{a}");
        let sine: Vec<i16> =
            (0..8000).map(|n| (a * (n as f32 * std::f32::consts::FRAC_PI_8).sin()).round() as i16).collect();
        assert!(of(&sine).abs() < 0.01, "{}", of(&sine));
        let mut quiet = sine.clone();
        gain(&mut quiet, -20.0);
        assert!((of(&quiet) + 20.0).abs() < 0.01);
        gain(&mut quiet, 60.0);
        assert!(quiet.contains(&i16::MAX) && quiet.contains(&i16::MIN), "saturates, does not wrap");
        assert_eq!(of(&[0; 80]), -120.0);
    }
}
