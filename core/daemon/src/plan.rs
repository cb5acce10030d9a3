//! Dial plans tried in a dry run, for the command line and the API alike.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringtrip_dialplan::{
    Bar, Dialling, Incomplete, Plan, PlanError, Timers, read_keys, repair, star, try_keys,
};
use ringtrip_model::party::Digits;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What to try.
#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanTry {
    /// The plan: `(999S0<:@gw0>|xx.)`.
    pub plan: String,
    /// Keys, pressed 0.5 s apart; `{2.5}` waits 2.5 s more.
    #[serde(default)]
    pub keys: String,
    /// With the star codes that SPA adapters know by default.
    #[serde(default)]
    pub vsc: bool,
    /// `prefix` or `exact`.
    #[serde(default)]
    pub bar: BarWord,
    /// `reject` or `as-dialed`.
    #[serde(default)]
    pub incomplete: IncompleteWord,
    /// Seconds between keys while no number is complete; 10 if not given.
    #[serde(default)]
    pub long: Option<f64>,
    /// Seconds for one more key when a number is complete; 3 if not given.
    #[serde(default)]
    pub short: Option<f64>,
}

/// When a barred number is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum BarWord {
    /// As soon as the barred digits are dialled.
    #[default]
    Prefix,
    /// Only when dialling stops there.
    Exact,
}

/// What becomes of an incomplete number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum IncompleteWord {
    /// It is refused.
    #[default]
    Reject,
    /// It is sent as dialled.
    #[serde(alias = "as_dialed")]
    #[value(alias = "as_dialed")]
    AsDialed,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlanAnswer {
    /// `SEND`, `REJECT`, `BLOCKED` or `VSC`.
    pub result: String,
    /// The number sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The route; `default` when the plan names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The keys that were collected.
    pub dialed: String,
    /// The alternative that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alt: Option<String>,
    /// What ended dialling.
    pub why: String,
    /// Seconds from the last key to the decision.
    pub t_after_last_key: f64,
    /// The outside dial tone was played after these keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tone_after: Vec<String>,
}

/// What a check of a plan found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlanCheck {
    /// Would it be taken?
    pub ok: bool,
    /// Errors and warnings.
    pub faults: Vec<PlanFault>,
    /// The plan with the error mended, if that could be guessed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repaired: Option<String>,
}

/// Something wrong with a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlanFault {
    /// An error refuses the plan, a warning does not.
    pub error: bool,
    /// Which character, from 1.
    pub at: usize,
    /// What is wrong.
    pub what: String,
    /// How to correct it.
    pub hint: String,
}

/// Why nothing could be tried.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CannotTry {
    /// The plan is broken.
    #[error("the plan is broken at character {}: {}; {}", .0.at, .0.what, .0.hint)]
    Plan(PlanError),
    /// The keys make no sense.
    #[error(transparent)]
    Keys(#[from] ringtrip_dialplan::BadKeys),
    /// A timer makes no sense.
    #[error("invalid time {0} s: expected 0 to 3600")]
    Timer(f64),
}

/// Presses the keys in a dry run.
///
/// # Errors
/// The plan, the keys or a timer is invalid.
pub fn run(ask: &PlanTry) -> Result<PlanAnswer, CannotTry> {
    let star_codes: Vec<Digits> =
        if ask.vsc { star::SPA3102.iter().map(|c| Digits::new(c.code)).collect() } else { Vec::new() };
    let dialling = Dialling {
        bar: match ask.bar {
            BarWord::Prefix => Bar::Prefix,
            BarWord::Exact => Bar::Exact,
        },
        incomplete: match ask.incomplete {
            IncompleteWord::Reject => Incomplete::Reject,
            IncompleteWord::AsDialed => Incomplete::AsDialled,
        },
        star_codes,
    };
    let mut timers = Timers::default();
    for (to, seconds) in [(&mut timers.long, ask.long), (&mut timers.short, ask.short)] {
        if let Some(seconds) = seconds {
            if !(0.0..=3600.0).contains(&seconds) {
                return Err(CannotTry::Timer(seconds));
            }
            *to = Duration::from_secs_f64(seconds);
        }
    }
    let plan = Plan::parse(&ask.plan).map_err(CannotTry::Plan)?.with_star_codes(&dialling.star_codes);
    let keys = read_keys(&ask.keys)?;
    let tried = try_keys(&Arc::new(plan), &keys, &dialling, timers, Instant::now());
    Ok(PlanAnswer {
        result: tried.result.to_owned(),
        number: tried.number,
        route: tried.route,
        dialed: tried.dialed,
        alt: tried.alt,
        why: tried.why.to_owned(),
        // Whole microseconds: what a person calls 3 s is written 3.0.
        t_after_last_key: (tried.t_after_last_key * 1e6).round() / 1e6,
        tone_after: tried.tone_after,
    })
}

/// Checks a plan.
pub fn check(text: &str) -> PlanCheck {
    match Plan::parse(text) {
        Ok(plan) => {
            let warning = |w: &ringtrip_dialplan::Warning| PlanFault {
                error: false,
                at: w.at,
                what: w.what.clone(),
                hint: w.hint.clone(),
            };
            PlanCheck { ok: true, faults: plan.warnings().iter().map(warning).collect(), repaired: None }
        }
        Err(e) => {
            let fault = PlanFault { error: true, at: e.at, what: e.what, hint: e.hint };
            PlanCheck { ok: false, faults: vec![fault], repaired: repair(text) }
        }
    }
}
