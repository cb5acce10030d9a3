//! What strangers cause is told, but not once for each of their packets: the first times as they happen, then in sums,
//! seldom while it goes on. Otherwise a flood of wrong passwords fills disks and pushes calls and alarms out of every
//! list. Pure: the clock is an argument, and what is kept is bounded whatever comes.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// Sums up what happens too often. `K` is the kind of thing; each kind is counted for itself.
#[derive(Debug)]
pub struct Fold<K> {
    kinds: BTreeMap<K, Kind>,
}

/// What happened since it was last told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum<K> {
    /// What.
    pub kind: K,
    /// How often.
    pub count: u64,
    /// From how many addresses, [`ADDRESSES`] at most.
    pub addresses: usize,
    /// From where most of it came.
    pub most: String,
}

#[derive(Debug)]
struct Kind {
    /// How many may be told one by one, in seconds of [`REFILL`] since `filled`.
    singles: u32,
    filled: Instant,
    /// When the last sum was told, and how long to wait for the next.
    told: Instant,
    wait: Duration,
    /// The last time that it happened at all.
    last: Instant,
    count: u64,
    from: HashMap<String, u64>,
}

/// So many are told one by one.
const SINGLES: u32 = 5;
/// One more may be told after this long.
const REFILL: Duration = Duration::from_secs(10);
/// The first sum comes after this long, the next ones later and later.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// Addresses that are told apart.
pub const ADDRESSES: usize = 256;

impl<K: Ord + Clone> Default for Fold<K> {
    fn default() -> Fold<K> {
        Fold { kinds: BTreeMap::new() }
    }
}

impl<K: Ord + Clone> Fold<K> {
    /// It happened. Should it be told as it is? If not, it is counted. There must be few kinds.
    pub fn on(&mut self, now: Instant, kind: &K, from: &str) -> bool {
        let fresh = || Kind {
            singles: SINGLES,
            filled: now,
            told: now,
            wait: FIRST,
            last: now,
            count: 0,
            from: HashMap::new(),
        };
        let kind = self.kinds.entry(kind.clone()).or_insert_with(fresh);
        if now.saturating_duration_since(kind.last) > LONGEST {
            kind.wait = FIRST;
        }
        kind.last = now;
        let since = now.saturating_duration_since(kind.filled);
        let more = u32::try_from(since.as_secs() / REFILL.as_secs()).unwrap_or(SINGLES);
        if more > 0 {
            kind.singles = kind.singles.saturating_add(more).min(SINGLES);
            kind.filled = now;
        }
        // While there is a sum to be told the next one goes into it, so that sums keep the order of things.
        if kind.count == 0 && kind.singles > 0 {
            kind.singles -= 1;
            return true;
        }
        if kind.count == 0 {
            kind.told = now;
        }
        kind.count += 1;
        if let Some(n) = kind.from.get_mut(from) {
            *n += 1;
        } else if kind.from.len() < ADDRESSES {
            kind.from.insert(from.to_owned(), 1);
        }
        false
    }

    /// The sums whose time has come; asked about once a second.
    pub fn sums(&mut self, now: Instant) -> Vec<Sum<K>> {
        let mut sums = Vec::new();
        for (name, kind) in &mut self.kinds {
            if kind.count == 0 || now.saturating_duration_since(kind.told) < kind.wait {
                continue;
            }
            let most = kind.from.iter().max_by_key(|(from, n)| (**n, std::cmp::Reverse(from.as_str())));
            sums.push(Sum {
                kind: name.clone(),
                count: kind.count,
                addresses: kind.from.len(),
                most: most.map(|(from, _)| from.clone()).unwrap_or_default(),
            });
            kind.count = 0;
            kind.from = HashMap::new();
            kind.told = now;
            kind.wait = (kind.wait * 2).min(LONGEST);
            // What comes next is summed up, too, until it has been quiet for a while.
            kind.singles = 0;
            kind.filled = now;
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // Some instant to count from.

    use super::*;

    #[test]
    fn a_few_are_told_as_they_are() {
        let (mut fold, now) = (Fold::default(), Instant::now());
        for n in 0..20 {
            assert!(fold.on(now + REFILL * n, &"login", "192.0.2.1"), "one in ten seconds, the {n}th");
        }
        assert_eq!(fold.sums(now + REFILL * 21), []);
    }

    #[test]
    fn a_flood_is_told_in_sums_that_come_later_and_later() {
        let (mut fold, begin) = (Fold::default(), Instant::now());
        let (mut singles, mut sums, mut counted) = (0, Vec::new(), 0);
        // An hour of 100 a second, from two addresses.
        for n in 0..360_000u64 {
            let now = begin + Duration::from_millis(10) * u32::try_from(n).unwrap();
            let from = if n % 3 == 0 { "192.0.2.2" } else { "192.0.2.1" };
            singles += u64::from(fold.on(now, &"register", from));
            if n % 100 == 99 {
                for sum in fold.sums(now) {
                    assert_eq!((sum.addresses, &*sum.most), (2, "192.0.2.1"), "after {n}");
                    counted += sum.count;
                    sums.push(now);
                }
            }
        }
        assert_eq!(singles, 5);
        assert!(sums.len() < 70, "{} sums", sums.len());
        assert!(sums.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(1)));
        let rest: u64 = fold.sums(begin + Duration::from_secs(4000)).iter().map(|sum| sum.count).sum();
        assert_eq!(singles + counted + rest, 360_000, "none is lost");
    }

    #[test]
    fn forged_addresses_cost_no_memory_and_kinds_do_not_hide_each_other() {
        let (mut fold, now) = (Fold::default(), Instant::now());
        for n in 0..100_000 {
            fold.on(now, &"register", &format!("10.0.{}.{}", n / 256, n % 256));
        }
        assert!(fold.on(now, &"call", "192.0.2.1"), "another kind is told at once");
        let sums = fold.sums(now + FIRST);
        assert_eq!((sums.len(), sums[0].count, sums[0].addresses), (1, 99_995, ADDRESSES));
    }

    #[test]
    fn after_a_quiet_while_the_next_one_is_told_at_once() {
        let (mut fold, now) = (Fold::default(), Instant::now());
        (0..50).for_each(|_| {
            fold.on(now, &"call", "192.0.2.1");
        });
        assert_eq!(fold.sums(now + FIRST).len(), 1);
        assert!(!fold.on(now + FIRST, &"call", "192.0.2.1"));
        assert_eq!(fold.sums(now + FIRST * 4)[0].count, 1);
        assert!(fold.on(now + LONGEST * 3, &"call", "192.0.2.1"));
    }
}
