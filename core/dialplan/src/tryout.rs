//! Dry run of a plan: what would happen if these keys were pressed? For `ringtrip dialplan try`, the console's
//! tester, and the tests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{Dialling, Matcher, Outcome, Plan, Step, Timers};
use ringtrip_model::party::Key;
use ringtrip_model::route::PlanRoute;

/// A key and how long after the one before it (or the lifting) it is pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timed {
    /// The wait before it.
    pub after: Duration,
    /// The key; `None` only waits.
    pub key: Option<Key>,
}

/// Why keys to try were refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BadKeys {
    /// Not a key.
    #[error("invalid key {0:?}: expected 0-9 * # A-D, and {{2.5}} to wait 2.5 s more")]
    Key(char),
    /// A wait that is not a number of seconds.
    #[error("invalid wait {{{0}}}: expected seconds in braces, {{2.5}}")]
    Wait(String),
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Try {
    /// `SEND`, `REJECT`, `BLOCKED` or `VSC`.
    pub result: &'static str,
    /// The number sent; `{pause 2s}` stands where dialling would wait.
    pub number: Option<String>,
    /// The route as written; `default` when none is.
    pub route: Option<String>,
    /// The keys that were collected.
    pub dialed: String,
    /// The alternative that decided, as written.
    pub alt: Option<String>,
    /// What ended dialling.
    pub why: &'static str,
    /// Seconds from the last key, or from lifting the handset when there was none.
    pub t_after_last_key: f64,
    /// The outside dial tone was played after these keys.
    pub tone_after: Vec<String>,
}

/// Keys as people write them: pressed 0.5 s apart, `{n}` waits n seconds more, blanks mean nothing.
///
/// # Errors
/// A character that is not a key of a telephone, or a wait that is not 0 to 86400 seconds.
pub fn read_keys(text: &str) -> Result<Vec<Timed>, BadKeys> {
    let apart = Duration::from_millis(500);
    let mut keys = Vec::new();
    let mut wait = Duration::ZERO;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c == '{' {
            let inside: String = rest.by_ref().take_while(|c| *c != '}').collect();
            let secs = inside.trim().parse::<f64>().ok().filter(|s| (0.0..=86_400.0).contains(s));
            wait += Duration::from_secs_f64(secs.ok_or(BadKeys::Wait(inside))?);
        } else if !c.is_whitespace() {
            let key = Some(Key::new(c).ok_or(BadKeys::Key(c))?);
            keys.push(Timed { after: apart + std::mem::take(&mut wait), key });
        }
    }
    if !wait.is_zero() {
        keys.push(Timed { after: wait, key: None });
    }
    Ok(keys)
}

/// Presses these keys on a telephone with this plan, from `lifted` on, and waits until dialling has ended.
/// Any instant will do for `lifted`: only differences count.
pub fn try_keys(
    plan: &Arc<Plan>,
    keys: &[Timed],
    dialling: &Dialling,
    timers: Timers,
    lifted: Instant,
) -> Try {
    let mut matcher = Matcher::new(Arc::clone(plan), dialling, timers, lifted);
    let mut tone_after = Vec::new();
    if matcher.outside_tone_at_start() {
        tone_after.push(String::new());
    }
    let mut last_key = lifted;
    let mut at = lifted;
    for timed in keys {
        at += timed.after;
        while let Some(due) = matcher.deadline().filter(|due| *due <= at) {
            match matcher.timeout(due) {
                Step::Done(outcome) => return report(plan, outcome, &matcher, due - last_key, tone_after),
                Step::Collecting { outside_tone } => note(outside_tone, &matcher, &mut tone_after),
            }
        }
        let Some(key) = timed.key else { continue };
        last_key = at;
        match matcher.key(at, key) {
            Step::Done(outcome) => return report(plan, outcome, &matcher, Duration::ZERO, tone_after),
            Step::Collecting { outside_tone } => note(outside_tone, &matcher, &mut tone_after),
        }
    }
    while let Some(due) = matcher.deadline() {
        match matcher.timeout(due) {
            Step::Done(outcome) => return report(plan, outcome, &matcher, due - last_key, tone_after),
            Step::Collecting { outside_tone } => note(outside_tone, &matcher, &mut tone_after),
        }
    }
    // A matcher that collects always has a deadline; this is for the type.
    let outcome = Outcome::Reject { why: crate::Why::NoCandidate };
    report(plan, outcome, &matcher, Duration::ZERO, tone_after)
}

fn note(outside_tone: bool, matcher: &Matcher, tone_after: &mut Vec<String>) {
    if outside_tone {
        tone_after.push(matcher.dialled().to_owned());
    }
}

fn report(
    plan: &Plan,
    outcome: Outcome,
    matcher: &Matcher,
    waited: Duration,
    tone_after: Vec<String>,
) -> Try {
    let why = outcome.why().words();
    let as_written = |shown: &str| plan.alternatives.iter().find(|a| !shown.is_empty() && a.shown() == shown);
    let (result, number, route, alt) = match &outcome {
        Outcome::Send { number, route, alternative, .. } => {
            let route = match (route, as_written(alternative)) {
                (PlanRoute::Default, _) | (_, None) => "default".to_owned(),
                (_, Some(a)) => a.route_text.clone(),
            };
            let alt = as_written(alternative).map(|a| a.text.clone());
            ("SEND", Some(spell_pauses(number.as_str())), Some(route), alt)
        }
        Outcome::Reject { .. } => ("REJECT", None, None, None),
        Outcome::Blocked { alternative, .. } => {
            ("BLOCKED", None, None, as_written(alternative).map(|a| a.text.clone()))
        }
        Outcome::Vsc { code, .. } => ("VSC", None, None, Some(code.to_string())),
    };
    Try {
        result,
        number,
        route,
        dialed: matcher.dialled().to_owned(),
        alt,
        why,
        t_after_last_key: waited.as_secs_f64(),
        tone_after,
    }
}

/// `,,1234` as `{pause 2s}1234`.
fn spell_pauses(number: &str) -> String {
    let mut out = String::new();
    let mut rest = number;
    while !rest.is_empty() {
        let pause = rest.len() - rest.trim_start_matches(',').len();
        if pause > 0 {
            out.push_str(&format!("{{pause {pause}s}}"));
        }
        rest = &rest[pause..];
        let plain = rest.find(',').unwrap_or(rest.len());
        out.push_str(&rest[..plain]);
        rest = &rest[plain..];
    }
    out
}
