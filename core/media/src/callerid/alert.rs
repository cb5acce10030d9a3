//! Hears the dual-tone alerting signal: 2130 + 2750 Hz (DT-AS, TAS, CAS).

use crate::tone::Pair;

/// Shortest and longest tone that is one: DT-AS lasts 88–110 ms, CAS 75–85 ms; windows of 20 ms blur the edges.
const LEAST: u32 = 5;
const MOST: u32 = 14;

/// Tells when an alerting signal has ended: the data follow no sooner than 45 ms later.
#[derive(Debug, Clone)]
pub struct AlertDetector {
    pair: Pair,
    looks: u32,
}

impl Default for AlertDetector {
    fn default() -> AlertDetector {
        AlertDetector { pair: Pair::new([2130.0, 2750.0]), looks: 0 }
    }
}

impl AlertDetector {
    /// Takes samples; true when a signal has just ended.
    pub fn push(&mut self, samples: &[i16]) -> bool {
        let mut heard = false;
        for &s in samples {
            match self.pair.push(s) {
                None => {}
                Some(true) => self.looks += 1,
                Some(false) => {
                    heard |= (LEAST..=MOST).contains(&self.looks);
                    self.looks = 0;
                }
            }
        }
        heard
    }
}
