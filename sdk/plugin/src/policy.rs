//! A policy: where should this call go?

use crate::{Call, CallerId};

/// A plugin that has an opinion about the way of calls.
pub trait Policy {
    /// Asked once for every call. The answer must come within the time of a decision, 50 ms with all that is asked of
    /// the host; later it counts as [`Verdict::Pass`].
    fn route(call: &Call) -> Answer {
        let _ = call;
        Answer::pass()
    }
}

/// What a policy wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// What to do.
    pub verdict: Verdict,
    /// Another caller to show.
    pub caller: Option<CallerId>,
    /// Why, for a person who reads the record.
    pub because: String,
}

/// What to do with a call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Verdict {
    /// No opinion: the next policy, the script, or the plan decides.
    #[default]
    Pass,
    /// 1 to 16 stages, one after the other.
    Stages(Vec<Stage>),
    /// No call; the reason goes into its record.
    Refuse(String),
}

/// Targets that ring together; the next stage follows when all have failed or the time is up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stage {
    /// Who rings.
    pub targets: Vec<Target>,
    /// 1 to 600; none: as is usual.
    pub seconds: Option<u32>,
}

/// One target of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// `gw0`, `gw1`, `fxs1`, `101`, or a host.
    pub name: String,
    /// The number for it; none: the call's.
    pub number: Option<String>,
}

impl Answer {
    /// No opinion.
    pub fn pass() -> Answer {
        Answer::default()
    }

    /// To this target, with the call's number.
    pub fn to(target: &str) -> Answer {
        Answer::stages([Stage::of([target])])
    }

    /// These stages, one after the other.
    pub fn stages(stages: impl IntoIterator<Item = Stage>) -> Answer {
        Answer { verdict: Verdict::Stages(stages.into_iter().collect()), ..Answer::default() }
    }

    /// No call.
    pub fn refuse(reason: &str) -> Answer {
        Answer { verdict: Verdict::Refuse(reason.to_owned()), because: reason.to_owned(), caller: None }
    }

    /// The same, with the reason that stands in the record.
    #[must_use]
    pub fn because(mut self, why: &str) -> Answer {
        why.clone_into(&mut self.because);
        self
    }

    /// The same, showing another caller.
    #[must_use]
    pub fn showing(mut self, caller: CallerId) -> Answer {
        self.caller = Some(caller);
        self
    }
}

impl Stage {
    /// These targets ring together, as long as is usual.
    pub fn of<'a>(targets: impl IntoIterator<Item = &'a str>) -> Stage {
        let targets = targets.into_iter().map(|name| Target { name: name.to_owned(), number: None });
        Stage { targets: targets.collect(), seconds: None }
    }

    /// The same for so many seconds.
    #[must_use]
    pub fn seconds(mut self, seconds: u32) -> Stage {
        self.seconds = Some(seconds);
        self
    }
}
