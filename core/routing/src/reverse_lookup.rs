//! Reverse lookup: which numbers, callers and times lead to a target. Found by routing probe calls
//! ([`crate::coverage`]), so it is not exhaustive: a number that is not among the probes may lead there too.

use std::collections::{BTreeMap, BTreeSet};

use ringtrip_exchange::route::{Attempt, RoutePlan, Target, Verdict, WallTime};

use crate::coverage::Probes;
use crate::decide::Engine;

/// A route that leads to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteMatch {
    /// The dial plan's alternative that leads there, as written; empty: none, such as a call from outside.
    pub alternative: String,
    /// The script and line that decided.
    pub script: Option<String>,
    /// Why, in a sentence.
    pub because: String,
    /// From where; empty: from everywhere inside and outside.
    pub from: Vec<String>,
    /// Hours of the week in which it does, in words: `always`, `Mon–Fri 9–17`.
    pub when: String,
    /// Numbers that lead there, some of them.
    pub numbers: Vec<String>,
    /// How many were tried that do.
    pub tried: usize,
    /// The stage in which it rings, the first of them; 1 is at once.
    pub stage: usize,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReverseLookup {
    /// The routes that lead to the target.
    pub matches: Vec<RouteMatch>,
    /// Probe calls that were routed.
    pub decisions: u64,
    /// The time ran out before all was tried.
    pub cut: bool,
}

/// Numbers listed per match.
const SHOWN: usize = 12;
/// Hours tried of a week: every third.
const EVERY: usize = 3;

/// What distinguishes matches: alternative, script line, reason, stage.
type Key = (String, Option<String>, String, usize);

#[derive(Default)]
struct MatchedCalls {
    numbers: BTreeSet<String>,
    from: BTreeSet<String>,
    hours: BTreeSet<usize>,
}

/// Finds the calls that ring this target. Stops when `go_on` is false.
pub fn reverse_lookup(
    engine: &Engine,
    probes: &Probes,
    target: &Target,
    go_on: &dyn Fn() -> bool,
) -> ReverseLookup {
    let mut found = ReverseLookup::default();
    let mut seen: BTreeMap<Key, MatchedCalls> = BTreeMap::new();
    let hours: Vec<(usize, &WallTime)> = probes.hours.iter().enumerate().step_by(EVERY).collect();
    'all: for number in &probes.numbers {
        for source in &probes.sources {
            // First at one hour; the others only where scripts may look at the clock.
            for (hour, at) in &hours {
                if !go_on() {
                    found.cut = true;
                    break 'all;
                }
                let probe =
                    crate::coverage::Probe { source: source.clone(), number: number.clone(), at: **at };
                found.decisions += 1;
                let step = engine.begin(probe.query());
                let (plan, timeless) = match step {
                    crate::router::RouterStep::Done(plan) => (*plan, true),
                    crate::router::RouterStep::AskPolicy(call) => (engine.finish(*call).plan, false),
                };
                if let Some((stage, _)) = reaches(&plan, target) {
                    let why = &plan.provenance;
                    let alternative = why.alternative.clone().unwrap_or_default();
                    let key = (alternative, why.script.clone(), why.because.clone(), stage);
                    let seen = seen.entry(key).or_default();
                    seen.numbers.insert(number.to_string());
                    seen.from.insert(probe.from());
                    match timeless {
                        true => seen.hours.extend(hours.iter().map(|(h, _)| *h)),
                        false => drop(seen.hours.insert(*hour)),
                    }
                }
                if timeless {
                    break;
                }
            }
        }
    }
    let everywhere: BTreeSet<String> = probes.sources.iter().map(crate::coverage::word).collect();
    found.matches = seen
        .into_iter()
        .map(|((alternative, script, because, stage), seen)| RouteMatch {
            alternative,
            script,
            because,
            from: if seen.from == everywhere { Vec::new() } else { seen.from.into_iter().collect() },
            when: when(&seen.hours, &hours),
            tried: seen.numbers.len(),
            numbers: seen.numbers.into_iter().take(SHOWN).collect(),
            stage,
        })
        .collect();
    found
}

/// The stage in which a plan rings this target, from 1.
fn reaches<'p>(plan: &'p RoutePlan, target: &Target) -> Option<(usize, &'p Attempt)> {
    let stages = match &plan.verdict {
        Verdict::Stages(stages) => stages.as_slice(),
        Verdict::Emergency(call) => call.ways(),
        Verdict::Refuse(_) | Verdict::Ask(_) => &[],
    };
    let is_it = |attempt: &&Attempt| match (target, &attempt.target) {
        // With which credentials is another matter.
        (Target::Uri(one), Target::Uri(other)) => one.host == other.host,
        (Target::Gateway(id), _)
            if attempt.prepared.as_ref().is_some_and(|p| p.gateway.as_ref() == Some(id)) =>
        {
            true
        }
        (one, other) => one == other,
    };
    stages.iter().enumerate().find_map(|(n, stage)| Some((n + 1, stage.targets.iter().find(is_it)?)))
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Hours of the week in words; days with the same hours together.
fn when(seen: &BTreeSet<usize>, hours: &[(usize, &WallTime)]) -> String {
    if seen.len() == hours.len() {
        return "always".to_owned();
    }
    let mut days: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    for (_, at) in hours.iter().filter(|(h, _)| seen.contains(h)) {
        days.entry(at.weekday).or_default().push(at.hour);
    }
    let mut alike: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for (day, mut of_day) in days {
        of_day.sort_unstable();
        match alike.iter_mut().find(|(hours, _)| *hours == of_day) {
            Some((_, days)) => days.push(day),
            None => alike.push((of_day, vec![day])),
        }
    }
    let words = |(hours, days): (Vec<u8>, Vec<u8>)| {
        let days: Vec<&str> =
            days.iter().filter_map(|d| DAYS.get(usize::from(*d).wrapping_sub(1)).copied()).collect();
        let days = if days.len() == 7 { "every day".to_owned() } else { days.join(" ") };
        format!("{days} {}", spans(&hours))
    };
    alike.into_iter().map(words).collect::<Vec<_>>().join(", ")
}

/// `9–15, 21`: hours that were tried, in spans of the step.
fn spans(hours: &[u8]) -> String {
    let mut out: Vec<(u8, u8)> = Vec::new();
    for hour in hours {
        match out.last_mut() {
            Some((_, last)) if usize::from(*hour) == usize::from(*last) + EVERY => *last = *hour,
            _ => out.push((*hour, *hour)),
        }
    }
    if out == [(0, 21)] {
        return "all day".to_owned();
    }
    let word = |(a, b): (u8, u8)| if a == b { format!("at {a}:00") } else { format!("{a}:00–{b}:00") };
    out.into_iter().map(word).collect::<Vec<_>>().join(", ")
}
