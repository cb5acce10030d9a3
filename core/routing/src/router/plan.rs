//! Plans as the parts of the router make them, and the steps that led there.

use ringtrip_exchange::emergency;
use ringtrip_exchange::route::{Extras, Provenance, RoutePlan, Step, StepKind, Verdict};
use ringtrip_model::party::Cause;

/// The landline among gateways.
pub(super) const LANDLINE: &str = "gw0";

/// Steps of a decision that is being made.
pub(super) type Steps = Vec<Step>;

pub(super) fn note(steps: &mut Steps, kind: StepKind, subject: impl Into<String>, said: impl Into<String>) {
    steps.push(Step { kind, subject: subject.into(), said: said.into() });
}

pub(super) fn emergency_plan(call: emergency::EmergencyCall, provenance: Provenance) -> RoutePlan {
    let because = format!("{} is an emergency number", call.number());
    let mut provenance = Provenance { because, ..provenance };
    provenance.step(
        StepKind::Emergency,
        call.number().as_str(),
        "an emergency call: dial plan, scripts and plugins are skipped",
    );
    for (n, way) in call.ways().iter().enumerate() {
        for attempt in &way.targets {
            let said = format!("{} for {} s", attempt.number, way.timeout.as_secs());
            provenance.step(StepKind::Stage, format!("{} {}", n + 1, attempt.target.word()), said);
        }
    }
    RoutePlan { verdict: Verdict::Emergency(call), provenance, extras: Extras::default() }
}

pub(super) fn refuse(cause: Cause, alternative: Option<String>, because: String) -> RoutePlan {
    let provenance = Provenance { alternative, because, ..Provenance::default() };
    plain(Verdict::Refuse(cause), provenance)
}

/// A plan without extras.
pub(super) fn plain(verdict: Verdict, provenance: Provenance) -> RoutePlan {
    RoutePlan { verdict, provenance, extras: Extras::default() }
}

pub(super) fn because(text: &str) -> Provenance {
    Provenance { because: text.to_owned(), ..Provenance::default() }
}
