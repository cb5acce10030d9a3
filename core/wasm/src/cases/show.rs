//! Answers as a person writes them, and how they differ from what was expected.

use super::Expect;
use crate::contract::{Answer, Carrier, Prepared, Stage, Step, Verdict};

/// An answer as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Came {
    pub pass: bool,
    pub refuse: Option<String>,
    pub stages: Option<Vec<String>>,
    pub carrier: Option<String>,
    pub number: Option<String>,
    pub steps: Option<String>,
    pub headers: Option<Vec<String>>,
    pub refused: Option<String>,
    pub because: Option<String>,
    pub caller: Option<String>,
    pub fault: Option<String>,
}

impl Came {
    pub fn of_policy(answer: Answer) -> Came {
        let mut came = Came {
            because: Some(answer.because),
            caller: answer.caller.map(|c| c.number),
            ..Came::default()
        };
        match answer.verdict {
            Verdict::Pass => came.pass = true,
            Verdict::Refuse(why) => came.refuse = Some(why),
            Verdict::Stages(stages) => came.stages = Some(stages.iter().map(stage).collect()),
        }
        came
    }

    pub fn of_gateway(prepared: Prepared) -> Came {
        Came {
            carrier: Some(match prepared.carrier {
                Carrier::Landline => "landline".to_owned(),
                Carrier::Gateway(name) => name,
                Carrier::Sip(uri) => uri,
            }),
            number: Some(prepared.number),
            steps: Some(steps(&prepared.after_answer)),
            headers: Some(prepared.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect()),
            because: Some(prepared.because),
            caller: prepared.caller.map(|c| c.number),
            ..Came::default()
        }
    }

    /// The whole answer in one line.
    fn line(&self) -> String {
        let mut parts = Vec::new();
        if self.pass {
            parts.push("pass".to_owned());
        }
        let lists = [("stages", &self.stages), ("headers", &self.headers)];
        let texts = [
            ("refuse", &self.refuse),
            ("carrier", &self.carrier),
            ("number", &self.number),
            ("steps", &self.steps),
            ("refused", &self.refused),
            ("because", &self.because),
            ("caller", &self.caller),
            ("fault", &self.fault),
        ];
        parts.extend(texts.iter().filter_map(|(key, value)| {
            value.as_ref().filter(|v| !v.is_empty()).map(|v| format!("{key} = {v:?}"))
        }));
        parts.extend(lists.iter().filter_map(|(key, value)| {
            value.as_ref().filter(|v| !v.is_empty()).map(|v| format!("{key} = {v:?}"))
        }));
        parts.join(", ")
    }
}

impl Expect {
    pub(super) fn is_empty(&self) -> bool {
        let Expect { pass, refuse, stages, carrier, number, steps, headers, refused, because, caller, fault } =
            self;
        let texts = [refuse, carrier, number, steps, refused, because, caller, fault];
        !pass && stages.is_none() && headers.is_none() && texts.iter().all(|t| t.is_none())
    }

    /// What is wrong with an answer.
    pub(super) fn compare(&self, came: &Came) -> Option<String> {
        let whole = |expected: &Option<String>, came: &Option<String>| expected.is_none() || expected == came;
        let part = |expected: &Option<String>, came: &Option<String>| match (expected, came) {
            (None, _) => true,
            (Some(expected), Some(came)) => came.contains(expected.as_str()),
            (Some(_), None) => false,
        };
        let list = |expected: &Option<Vec<String>>, came: &Option<Vec<String>>| {
            expected.is_none() || expected == came
        };
        let checks = [
            ("pass", !self.pass || came.pass),
            ("refuse", part(&self.refuse, &came.refuse)),
            ("stages", list(&self.stages, &came.stages)),
            ("carrier", whole(&self.carrier, &came.carrier)),
            ("number", whole(&self.number, &came.number)),
            ("steps", whole(&self.steps, &came.steps)),
            ("headers", list(&self.headers, &came.headers)),
            ("refused", part(&self.refused, &came.refused)),
            ("because", part(&self.because, &came.because)),
            ("caller", whole(&self.caller, &came.caller)),
            ("fault", part(&self.fault, &came.fault)),
        ];
        let wrong: Vec<&str> = checks.iter().filter(|(_, fits)| !fits).map(|(key, _)| *key).collect();
        // A plugin that fails where nothing of the kind was expected is wrong whatever else fits.
        if wrong.is_empty() && (came.fault.is_none() || self.fault.is_some()) {
            return None;
        }
        Some(format!("{} differs; the answer was: {}", wrong.join(", "), came.line()))
    }
}

/// `101 102 for 20 s`, `gw1:00441632960123`.
fn stage(stage: &Stage) -> String {
    let targets = stage.targets.iter().map(|target| match &target.number {
        Some(number) => format!("{}:{number}", target.name),
        None => target.name.clone(),
    });
    let mut text = targets.collect::<Vec<_>>().join(" ");
    if let Some(seconds) = stage.seconds {
        text += &format!(" for {seconds} s");
    }
    text
}

/// `2s 4711 500ms 0033#`.
fn steps(steps: &[Step]) -> String {
    let words = steps.iter().map(|step| match step {
        Step::Pause(millis) if millis % 1_000 == 0 => format!("{}s", millis / 1_000),
        Step::Pause(millis) => format!("{millis}ms"),
        Step::Keys(keys) => keys.clone(),
    });
    words.collect::<Vec<_>>().join(" ")
}
