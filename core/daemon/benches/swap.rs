//! Does a call wait while a price list of 1,000,000 rows is imported and swapped in? Decisions are made with pauses, as
//! calls come: alone; beside a thread that only computes, as long as the import; beside the import. What an import costs
//! more than such a thread is its own: locks, memory, caches. The slowest are shown with why they were slow: time without
//! a processor, and whether the thread was put aside (`forced`) or waited for something (`waited`).
//!
//! `cargo bench -p ringtrip --bench swap -- rounds=10 pause=0` asks more, without pauses.
#![allow(clippy::disallowed_methods)]

mod common;

use std::fmt;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use common::{Site, figure, import, list, query};
use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};

/// One decision.
#[derive(Clone, Copy)]
struct Took {
    /// From the question to the answer.
    wall: Duration,
    /// Of that, on a processor.
    cpu: Duration,
    /// How often the thread was put aside for another.
    forced: i64,
    /// How often it waited: for a lock, a page, a mapping.
    waited: i64,
    /// How late the thread woke from its pause.
    late: Duration,
    /// Since the setting began.
    at: Duration,
}

/// Decisions of one setting, from all rounds; in the end the slowest last.
struct Setting {
    name: &'static str,
    took: Vec<Took>,
}

fn main() {
    let number = |name: &str, default: u64| {
        let given = std::env::args().find_map(|a| a.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
        given.unwrap_or(default)
    };
    let (rounds, pause) = (number("rounds", 6), Duration::from_micros(number("pause", 1000)));
    let site = Site::new();
    let lists = [list(8), list(9)];
    let mut settings = ["alone", "beside a computing thread", "beside an import"]
        .map(|name| Setting { name, took: Vec::new() });
    let [alone, spun, imported] = &mut settings;
    let mut longest = Duration::ZERO;
    let mut n = 0;
    for round in 0..rounds {
        // The two lists in turn: each import changes all prices.
        let (list, mut length) = (&lists[round as usize % 2], Duration::ZERO);
        beside(&site, &mut n, pause, &mut imported.took, || length = import(&site.rating, "gw1", list));
        beside(&site, &mut n, pause, &mut spun.took, || spin(length));
        beside(&site, &mut n, pause, &mut alone.took, || std::thread::sleep(length));
        longest = longest.max(length);
    }
    println!("{rounds} rounds, imports of 1M rows took at most {longest:?}");
    for setting in &mut settings {
        setting.took.sort_unstable_by_key(|t| t.wall);
        println!("{setting}");
    }
    for Setting { name, took } in &settings {
        let at = |share: usize| took[(took.len() - 1) * share / 1000].wall.as_secs_f64() * 1e6;
        figure(&format!("decision {name}, median"), at(500), "µs");
        figure(&format!("decision {name}, 99 of 100"), at(990), "µs");
        figure(&format!("decision {name}, slowest"), at(1000), "µs");
    }
}

/// Makes decisions while this work lasts, on another thread.
fn beside(site: &Site, n: &mut u64, pause: Duration, took: &mut Vec<Took>, work: impl FnOnce() + Send) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            work();
            over.store(true, Relaxed);
        });
        let start = Instant::now();
        while !over.load(Relaxed) {
            let due = Instant::now() + pause;
            if !pause.is_zero() {
                std::thread::sleep(pause);
            }
            *n += 1;
            let query = query(*n);
            let (forced, waited) = switches();
            let (cpu, begin) = (on_processor(), Instant::now());
            black_box(site.engine.decide(query));
            let wall = begin.elapsed();
            let cpu = on_processor().saturating_sub(cpu);
            let (forced_now, waited_now) = switches();
            took.push(Took {
                wall,
                cpu,
                forced: forced_now - forced,
                waited: waited_now - waited,
                late: begin.saturating_duration_since(due),
                at: begin - start,
            });
        }
    });
}

fn spin(length: Duration) {
    let begin = Instant::now();
    let mut x = 1u64;
    while begin.elapsed() < length {
        for _ in 0..1000 {
            x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
}

/// Forced and wanted switches of this thread so far.
fn switches() -> (i64, i64) {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("Linux counts them");
    (usage.involuntary_context_switches(), usage.voluntary_context_switches())
}

fn on_processor() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has the clock").into()
}

impl Setting {
    /// The share of `of`, in thousandths, that is no larger.
    fn share(&self, of: fn(&Took) -> Duration, thousandths: usize) -> Duration {
        let mut all: Vec<Duration> = self.took.iter().map(of).collect();
        all.sort_unstable();
        all[(all.len() - 1) * thousandths / 1000]
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} decisions", self.name, self.took.len())?;
        let ways: [fn(&Took) -> Duration; 3] = [|t| t.wall, |t| t.cpu, |t| t.late];
        let shares =
            |of| [500, 990, 999, 1000].map(|share| format!("{:?}", self.share(of, share))).join("  ");
        let [wall, cpu, late] = ways.map(shares);
        writeln!(f, "  median, 99 %, 99.9 %, slowest   {wall}")?;
        writeln!(f, "  of that on a processor          {cpu}")?;
        writeln!(f, "  woken late by                   {late}")?;
        for t in self.took.iter().rev().take(5) {
            let Took { wall, cpu, forced, waited, at, .. } = t;
            writeln!(f, "  {wall:?}: {cpu:?} on a processor, {forced} forced, {waited} waited, at {at:?}")?;
        }
        Ok(())
    }
}
