//! Too many calls outside in a short time by one who pays: the first sign of a stolen password, long before a limit of money
//! is used up. Nothing is held back here; it is reported.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What counts as a burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BurstSettings {
    /// So many calls; 0 tells nobody.
    pub calls: u32,
    /// Within this time.
    pub time: Duration,
}

/// Counts the calls of each who pays.
#[derive(Debug, Default)]
pub struct Bursts {
    by: HashMap<Arc<str>, Count>,
}

#[derive(Debug, Default)]
struct Count {
    begun: VecDeque<Instant>,
    /// When it was last reported.
    alarmed: Option<Instant>,
}

/// Payers are extensions and gateways of the configuration; more than these are a mistake.
const PAYERS: usize = 10_000;

impl Default for BurstSettings {
    /// A person dials three or four numbers a minute, a dialler of a fraudster some in a second.
    fn default() -> BurstSettings {
        BurstSettings { calls: 20, time: Duration::from_secs(60) }
    }
}

impl Bursts {
    /// A call outside begins. How many there were within the time, when they have just become too many; once in that time.
    pub fn begun(&mut self, now: Instant, who: &str, settings: BurstSettings) -> Option<u32> {
        if settings.calls == 0 {
            return None;
        }
        let recent = |at: &Instant| now.saturating_duration_since(*at) < settings.time;
        if self.by.len() >= PAYERS {
            self.by.retain(|_, count| count.begun.back().is_some_and(recent));
        }
        let count = match self.by.get_mut(who) {
            Some(count) => count,
            None => self.by.entry(who.into()).or_default(),
        };
        while count.begun.front().is_some_and(|at| !recent(at)) {
            count.begun.pop_front();
        }
        // One more than is looked for is never needed.
        if count.begun.len() > settings.calls as usize {
            count.begun.pop_front();
        }
        count.begun.push_back(now);
        let many =
            count.begun.len() >= settings.calls as usize && !count.alarmed.as_ref().is_some_and(recent);
        many.then(|| {
            count.alarmed = Some(now);
            u32::try_from(count.begun.len()).unwrap_or(u32::MAX)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialler_is_told_of_once_and_a_person_never() {
        #[allow(clippy::disallowed_methods)] // Virtual time starts somewhere.
        let start = Instant::now();
        let settings = BurstSettings::default();
        let mut bursts = Bursts::default();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let alarmed: Vec<_> = (0..60).filter_map(|n| bursts.begun(at(n * 2), "201", settings)).collect();
        assert_eq!(alarmed, [20], "60 calls in 0.1 s");
        // It goes on: reported again after a minute.
        let alarmed =
            (0..100u64).filter(|n| bursts.begun(at(200 + n * 1000), "201", settings).is_some()).count();
        assert_eq!(alarmed, 1);
        for n in 0..200 {
            assert_eq!(bursts.begun(at(n * 15_000), "202", settings), None, "four numbers a minute");
        }
        let off = BurstSettings { calls: 0, ..settings };
        assert!((0..100).all(|n| bursts.begun(at(n), "203", off).is_none()));
    }
}
