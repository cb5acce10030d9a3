//! The conversation with a policy script, as data: the question, and an answer that names targets but cannot name an
//! emergency call.

use std::time::Duration;

use crate::config::HostPort;
use crate::emergency;
use crate::party::{Cause, Digits};
use crate::route::{AdHoc, Provenance, RoutePlan, RouteQuery, Stage, Target, Verdict};
use crate::router::{Router, emergency_plan};

/// The question to a policy script.
#[derive(Debug, Clone)]
pub struct PolicyCall {
    /// The call.
    pub query: RouteQuery,
    /// The number after the plan's rewriting.
    pub number: Digits,
    /// What happens when the script passes, fails, or is late.
    pub default: RoutePlan,
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
}

/// What a script wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PolicyVerdict {
    /// Nothing: the plan's own route.
    #[default]
    Pass,
    /// These stages, one after the other.
    Stages(Vec<PolicyStage>),
    /// No call.
    Refuse {
        /// What the caller is told.
        cause: Cause,
        /// Why, for the record.
        because: String,
    },
}

/// One stage: its targets ring together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyStage {
    /// Who rings.
    pub targets: Vec<PolicyTarget>,
    /// How long; `None`: as long as is usual for the targets.
    pub timeout: Option<Duration>,
}

/// A target that a script names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyTarget {
    /// Where: `gw0`, `gw1`, `fxs1`, `101`, or a host. See [`Router::target_named`].
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

impl Router {
    /// The plan that a script's answer makes; an error when it names what does not exist.
    pub(super) fn merge(&self, call: &PolicyCall, answer: PolicyAnswer) -> Result<RoutePlan, String> {
        let provenance = |because: String| Provenance {
            alternative: call.default.provenance.alternative.clone(),
            script: (!answer.decided_at.is_empty()).then(|| answer.decided_at.clone()),
            because,
        };
        match answer.verdict {
            PolicyVerdict::Refuse { cause, ref because } => {
                Ok(RoutePlan { verdict: Verdict::Refuse(cause), provenance: provenance(because.clone()) })
            }
            PolicyVerdict::Pass => {
                let mut plan = match &answer.number {
                    Some(number) => self.again(call, number),
                    None => call.default.clone(),
                };
                if let Verdict::Stages(stages) = &mut plan.verdict {
                    stages
                        .iter_mut()
                        .flat_map(|s| &mut s.targets)
                        .for_each(|a| answer.caller.apply(&mut a.caller));
                }
                plan.provenance.script = provenance(String::new()).script;
                Ok(plan)
            }
            PolicyVerdict::Stages(ref stages) => {
                let mut made: Vec<Stage> = Vec::with_capacity(stages.len());
                let mut last = None;
                for stage in stages {
                    let mut targets = Vec::with_capacity(stage.targets.len());
                    for t in &stage.targets {
                        let target = Router::target_named(&self.config, &t.name).ok_or_else(|| {
                            format!("it names {:?}, which is no extension, line, gateway or host", t.name)
                        })?;
                        self.exists(&target)?;
                        let number = t.number.as_ref().or(answer.number.as_ref()).unwrap_or(&call.number);
                        // No script sends an emergency number on its own terms.
                        let outside = !matches!(target, Target::Extension(_));
                        if outside
                            && let Some(e) = emergency::decide(&self.config, &call.query.caller, number)
                        {
                            return Ok(emergency_plan(e, provenance(String::new())));
                        }
                        targets.push((target, number.clone(), Some(answer.caller.clone())));
                    }
                    match self.stage(&call.query, targets, stage.timeout) {
                        Ok(stage) => made.push(stage),
                        Err(refused) => last = Some(refused),
                    }
                }
                match (made.is_empty(), last) {
                    (true, Some((cause, because))) => {
                        Ok(RoutePlan { verdict: Verdict::Refuse(cause), provenance: provenance(because) })
                    }
                    (true, None) => Err("it names no target".to_owned()),
                    (false, _) => {
                        let because = "the script decided".to_owned();
                        Ok(RoutePlan { verdict: Verdict::Stages(made), provenance: provenance(because) })
                    }
                }
            }
        }
    }

    /// A number that a script rewrote and passed on goes through the plan once more; scripts are not asked again.
    fn again(&self, call: &PolicyCall, number: &Digits) -> RoutePlan {
        if let Some(e) = emergency::decide(&self.config, &call.query.caller, number) {
            return emergency_plan(e, Provenance::default());
        }
        match self.plan(&call.query.source, number) {
            Ok(planned) => self.by_plan(&call.query, planned),
            Err(refused) => refused,
        }
    }
}

impl CallerEdit {
    fn apply(&self, caller: &mut crate::party::CallerId) {
        if let Some(number) = &self.number {
            caller.number.clone_from(number);
        }
        if let Some(name) = &self.name {
            caller.name.clone_from(name);
        }
        caller.private = self.private.unwrap_or(caller.private);
    }
}

/// A name that is a host: it has a dot or a colon, and reads as one.
pub(super) fn host(name: &str) -> Option<AdHoc> {
    let host: HostPort = name.contains(['.', ':']).then(|| name.parse().ok()).flatten()?;
    Some(AdHoc { host: host.to_string(), user: None, password: None, nat: false })
}
