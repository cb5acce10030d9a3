//! A call that must not notice what happens to others.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::stream::Stream;
use super::{Stage, Ua};
use crate::live::{Daemon, wait};

/// Both sides talk all the time.
pub struct Canary {
    /// The caller.
    pub caller: Ua,
    /// The called.
    pub callee: Ua,
    /// Its Call-ID at the caller.
    pub call: String,
    there: Stream,
    back: Stream,
    looked: Mutex<[usize; 2]>,
}

impl Canary {
    /// Between the phones 201 and 202 that `PHONES` stands for in a test's document.
    #[track_caller]
    pub fn at_home(daemon: &Daemon) -> Canary {
        Canary::sing(daemon, ("201", "pw-201-phones"), ("202", "pw-202-phones"))
    }

    /// Registers both and lets the first call the second.
    #[track_caller]
    pub fn sing(daemon: &Daemon, from: (&str, &str), to: (&str, &str)) -> Canary {
        let caller = Ua::start(daemon.sip, from.0, from.1);
        let callee = Ua::start(daemon.sip, to.0, to.1);
        caller.register();
        callee.register();
        let call = caller.call(to.0);
        let there_to = caller.media_of(&call).expect("the exchange offers sound");
        let other = wait("the called side", Duration::from_secs(5), || callee.up().pop());
        let back_to = callee.media_of(&other).expect("the exchange offers sound");
        let (ours, theirs) = (mark(), mark());
        let there = Stream::start(&caller.rtp, there_to, ours, theirs);
        let back = Stream::start(&callee.rtp, back_to, theirs, ours);
        let canary = Canary { caller, callee, call, there, back, looked: Mutex::new([0, 0]) };
        wait("sound both ways", Duration::from_secs(10), || {
            let heard = |s: &Stream| s.diary().heard.len() > 10;
            (heard(&canary.there) && heard(&canary.back)).then_some(())
        });
        // What was sent before both ends were joined is not the canary's.
        let mut looked = canary.looked.lock().unwrap_or_else(|e| e.into_inner());
        *looked = [canary.there.diary().sent.len(), canary.back.diary().sent.len()];
        drop(looked);
        canary
    }

    /// Since the last look every packet has arrived, once, and none came later than 60 ms (and what the scheduler of
    /// this machine cost the sender itself).
    #[track_caller]
    pub fn sings(&self, through: &str) {
        assert_eq!(self.caller.stage(&self.call), Some(Stage::Up), "the canary's call ended: {through}");
        // What breaks late breaks within the next packets.
        std::thread::sleep(Duration::from_millis(300));
        let mut looked = self.looked.lock().unwrap_or_else(|e| e.into_inner());
        for (i, (from, to)) in [(&self.there, &self.back), (&self.back, &self.there)].into_iter().enumerate()
        {
            let (first, last) = (looked[i], from.diary().sent.len());
            let range = first as u32..last as u32;
            let count = || to.diary().heard.iter().filter(|(n, _)| range.contains(n)).count();
            let until = Instant::now() + Duration::from_secs(2);
            while count() < range.len() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            let (from, mut to) = (from.diary(), to.diary());
            let mut seen: HashMap<u32, Instant> = HashMap::new();
            for (n, at) in to.heard.iter().filter(|(n, _)| range.contains(n)) {
                assert!(seen.insert(*n, *at).is_none(), "packet {n} came twice: {through}");
            }
            let late = |n: u32| Some(seen.get(&n)?.saturating_duration_since(*from.sent.get(n as usize)?));
            let lost: Vec<u32> = range.clone().filter(|n| !seen.contains_key(n)).collect();
            let worst = range.clone().filter_map(late).max().unwrap_or_default();
            let noise = from.noise.max(to.noise);
            println!(
                "canary, {through}: {} packets, {} lost, worst transit {worst:?}, scheduler noise {noise:?}",
                range.len(),
                lost.len()
            );
            assert!(lost.is_empty(), "{through}: packets lost: {lost:?}");
            assert!(
                worst <= Duration::from_millis(60) + noise,
                "{through}: a packet took {worst:?} (scheduler noise {noise:?})"
            );
            assert_eq!(to.foreign, 0, "{through}: foreign packets were heard");
            to.heard.retain(|(n, _)| *n >= last as u32);
            looked[i] = last;
        }
    }
}

/// A mark that no other canary on this machine has: a packet that strays from one test into another is foreign there.
fn mark() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    (std::process::id() << 8).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))
}
