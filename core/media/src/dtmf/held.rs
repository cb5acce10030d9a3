//! Sends keys that are pressed elsewhere: each sounds while it is held there.

use std::collections::VecDeque;

use super::frequencies;
use super::generate::{Pair, RAMP, Sending};
use crate::script::PER_MS;
use crate::tone::Play;

/// Shortest tone and pause, samples: 45 and 40 ms, a little more than every receiver must take.
const LEAST_ON: u32 = 45 * PER_MS;
const LEAST_OFF: u32 = 40 * PER_MS;
/// A key is held at most so long: the word that it came up is lost. 60 s.
const MOST_ON: u32 = 60_000 * PER_MS;
/// Keys that may wait for those before them.
const MOST_WAITING: usize = 64;

/// Plays keys as they go down and come up.
#[derive(Debug, Clone)]
pub struct HeldKeys {
    level: Sending,
    waiting: VecDeque<Press>,
    /// The key that sounds, with how long it has.
    sounding: Option<(Press, Pair, u32)>,
    /// Silence that is still needed before the next.
    pause: u32,
}

#[derive(Debug, Clone, Copy)]
struct Press {
    key: char,
    /// Samples; `None` while it is down.
    lasts: Option<u32>,
}

impl HeldKeys {
    /// No key is down. Of `level` only the loudness counts.
    pub fn new(level: Sending) -> HeldKeys {
        HeldKeys { level, waiting: VecDeque::new(), sounding: None, pause: 0 }
    }

    /// A key has gone down; those before it are up.
    pub fn press(&mut self, key: char) {
        self.release(0);
        if frequencies(key).is_some() && self.waiting.len() < MOST_WAITING {
            self.waiting.push_back(Press { key, lasts: None });
        }
    }

    /// The key that went down last has come up, and was down for so many ms.
    pub fn release(&mut self, ms: u16) {
        let last = match self.waiting.back_mut() {
            Some(press) => Some((press, 0)),
            None => self.sounding.as_mut().map(|(press, _, played)| (press, *played)),
        };
        if let Some((press, played)) = last.filter(|(press, _)| press.lasts.is_none()) {
            press.lasts = Some((u32::from(ms) * PER_MS).max(LEAST_ON).max(played));
        }
    }

    /// The key that sounds now.
    pub fn key(&self) -> Option<char> {
        self.sounding.map(|(press, ..)| press.key)
    }

    /// Overwrites `out` with the next samples. It has ended when no key sounds or waits, and the last one's pause is over.
    pub fn fill(&mut self, out: &mut [i16]) -> Play {
        for o in out {
            *o = self.next();
        }
        let over = self.sounding.is_none() && self.waiting.is_empty() && self.pause == 0;
        if over { Play::Ended } else { Play::Going }
    }

    fn next(&mut self) -> i16 {
        let Some((press, pair, played)) = &mut self.sounding else {
            if self.pause > 0 {
                self.pause -= 1;
            } else if let Some(press) = self.waiting.pop_front()
                && let Some(hz) = frequencies(press.key)
            {
                let pair = Pair::new(hz, self.level.dbm0, self.level.twist_db);
                self.sounding = Some((press, pair, 0));
            }
            return 0;
        };
        // The end is told late, so the fall follows it.
        let end = press.lasts.unwrap_or(MOST_ON);
        let fallen = played.saturating_sub(end);
        let ramp = (*played).min(RAMP.saturating_sub(fallen)) as f32 / RAMP as f32;
        let sample = pair.next() * ramp.min(1.0);
        *played += 1;
        if fallen >= RAMP {
            self.sounding = None;
            self.pause = LEAST_OFF;
        }
        sample.round() as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtmf::{DtmfDetector, Heard};

    /// Presses at these times for so long, told so much later; what is heard: key, beginning and length, ms.
    fn played(presses: &[(u32, char, u16)], late: u32) -> Vec<(char, u64, u16)> {
        let mut keys = HeldKeys::new(Sending::default());
        let (mut detector, mut all) = (DtmfDetector::new(), Vec::new());
        for ms in (0..9000u32).step_by(10) {
            for (at, key, length) in presses {
                if at + late == ms {
                    keys.press(*key);
                }
                if (at + late + u32::from(*length)).next_multiple_of(10) == ms {
                    keys.release(*length);
                }
            }
            let mut out = [0; 80];
            keys.fill(&mut out);
            detector.push(&out, |heard| match heard {
                Heard::Down { key, at } => all.push((key, at / 8, 0)),
                Heard::Up { ms, .. } => {
                    if let Some(last) = all.last_mut() {
                        last.2 = ms;
                    }
                }
            });
        }
        all
    }

    #[test]
    fn a_key_sounds_as_long_as_it_is_held() {
        for length in [50u16, 80, 100, 300, 1000, 5000] {
            let heard = played(&[(100, '5', length)], 0);
            let [('5', at, ms)] = heard[..] else { panic!("{length}: {heard:?}") };
            assert!(at.abs_diff(100) <= 10 && ms.abs_diff(length) <= 20, "{length}: {heard:?}");
        }
    }

    #[test]
    fn a_key_too_short_for_receivers_is_made_longer() {
        for length in [10, 20, 30] {
            assert!(matches!(played(&[(100, '9', length)], 0)[..], [('9', _, 40..=55)]), "{length}");
        }
    }

    #[test]
    fn sixteen_keys_in_1_6_s_take_1_6_s() {
        let keys: Vec<char> = "1234567890*#ABCD".chars().collect();
        let presses: Vec<_> = (0u32..).zip(&keys).map(|(n, k)| (100 + n * 100, *k, 50)).collect();
        let heard = played(&presses, 0);
        assert_eq!(heard.iter().map(|h| h.0).collect::<Vec<_>>(), keys);
        let last = heard.last().map_or(0, |h| h.1 + u64::from(h.2));
        assert!(last <= 100 + 1600 + 50, "{last} ms");
    }

    #[test]
    fn keys_that_come_all_at_once_wait_for_one_another() {
        let presses: Vec<_> = "12345".chars().map(|k| (100, k, 50)).collect();
        let mut keys = HeldKeys::new(Sending::default());
        for (_, key, length) in &presses {
            keys.press(*key);
            keys.release(*length);
        }
        let mut out = vec![0; 8000];
        assert_eq!(keys.fill(&mut out), Play::Ended);
        let mut heard = String::new();
        DtmfDetector::new().push(&out, |h| {
            if let Heard::Down { key, .. } = h {
                heard.push(key);
            }
        });
        assert_eq!(heard, "12345");
    }
}
