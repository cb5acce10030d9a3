//! The conversation with a policy script, as data: the question, and an answer that names targets but cannot name an
//! emergency call.

use std::time::Duration;

use crate::router::facts::Facts;
use ringtrip_exchange::route::{Extras, Question, RoutePlan, RouteQuery, Step};
use ringtrip_model::party::{Cause, Digits};

/// The question to a policy script.
#[derive(Debug, Clone)]
pub struct PolicyCall {
    /// The call.
    pub query: RouteQuery,
    /// The number after the plan's rewriting.
    pub number: Digits,
    /// What happens when the script passes, fails, or is late.
    pub default: RoutePlan,
    /// The script that is asked, by its name in the pool; `None`: no script, but policies or plugins are.
    pub script: Option<String>,
    /// The name of the holiday that today is.
    pub holiday: Option<String>,
    /// The number as E.164 with `+`, where the numbering says what it is.
    pub e164: Option<String>,
    /// What can be looked up about prices and gateways.
    pub facts: Facts,
}

/// A script's answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PolicyAnswer {
    /// What to do.
    pub verdict: PolicyVerdict,
    /// Another number: for the targets that name none of their own, or for the plan when it passes.
    pub number: Option<Digits>,
    /// How the caller is shown to every target.
    pub caller: CallerEdit,
    /// The script and the line that decided, `default.rhai:12`.
    pub decided_at: String,
    /// What else is to be done.
    pub extras: Extras,
    /// What the script's run adds to the decision's steps: what it printed, the lines it ran.
    pub steps: Vec<Step>,
}

/// What a script wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PolicyVerdict {
    /// Nothing: the plan's own route.
    #[default]
    Pass,
    /// These stages, one after the other.
    Stages(Vec<PolicyItem>),
    /// No call.
    Refuse {
        /// What the caller hears.
        cause: Cause,
        /// Why, for the record.
        because: String,
    },
    /// Ask the caller, then the route again.
    Ask(Question),
}

/// One item of a script's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyItem {
    /// One stage.
    Ring(PolicyStage),
    /// One stage for each of the cheapest gateways, best first.
    Cheapest(Cheapest),
}

/// One stage: its targets ring together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyStage {
    /// Who rings.
    pub targets: Vec<PolicyTarget>,
    /// How long; `None`: as long as is usual for the targets.
    pub timeout: Option<Duration>,
}

/// A request for the cheapest gateways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cheapest {
    /// At most so many are tried.
    pub most: u8,
    /// Among these; empty: all gateways that have prices.
    pub among: Vec<String>,
    /// The highest price a minute, millionths of a unit.
    pub budget: Option<i64>,
    /// The number for them; `None`: that of the answer, or the plan's.
    pub number: Option<Digits>,
}

/// A target that a script names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyTarget {
    /// Where: `gw0`, `gw1`, `fxs1`, `101`, or a host. See [`Router::target_named`](crate::router::Router::target_named).
    pub name: String,
    /// The number for it; `None`: that of the answer, or the plan's.
    pub number: Option<Digits>,
}

/// How a caller is to be shown; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallerEdit {
    /// The number.
    pub number: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// Withheld.
    pub private: Option<bool>,
}

impl CallerEdit {
    pub(super) fn apply(&self, caller: &mut ringtrip_model::party::CallerId) {
        if let Some(number) = &self.number {
            caller.number.clone_from(number);
        }
        if let Some(name) = &self.name {
            caller.name.clone_from(name);
        }
        caller.private = self.private.unwrap_or(caller.private);
    }
}
