//! Between the exchange's types and the contract's. All of it is here.

use std::time::Duration;

use ringtrip_exchange::route::{self, AfterAnswer, Keys, StepKind, Target, Verdict};
use ringtrip_model::party::{self, Cause, Digits, Source};
use ringtrip_routing::router::{
    CallerEdit, Carrier, PolicyAnswer, PolicyCall, PolicyItem, PolicyStage, PolicyTarget, PolicyVerdict,
    Preparation,
};

use crate::contract;

/// The question about a call. `is_landline` tells a landline from a telephone.
pub(crate) fn call(call: &PolicyCall, is_landline: impl Fn(&str) -> bool) -> contract::Call {
    let query = &call.query;
    let (origin, origin_name) = match &query.source {
        Source::Extension(id) => (contract::Origin::Extension, id.to_string()),
        Source::Line(id) if is_landline(id.as_str()) => (contract::Origin::Landline, id.to_string()),
        Source::Line(id) => (contract::Origin::Line, id.to_string()),
        Source::Gateway(id) => (contract::Origin::Gateway, id.to_string()),
        Source::Operator => (contract::Origin::Operator, String::new()),
    };
    let first = match &call.default.verdict {
        Verdict::Stages(stages) => stages.first().and_then(|s| s.targets.first()).map(|a| &a.target),
        _ => None,
    };
    contract::Call {
        dialled: query.dialled.as_str().to_owned(),
        number: call.number.as_str().to_owned(),
        e164: call.e164.clone(),
        origin,
        origin_name,
        caller: caller_out(&query.caller),
        pin: query.pin.clone(),
        at: contract::WallTime {
            unix_millis: query.at.unix_micros.div_euclid(1000),
            year: query.at.year,
            month: query.at.month,
            day: query.at.day,
            hour: query.at.hour,
            minute: query.at.minute,
            weekday: query.at.weekday,
            holiday: call.holiday.is_some(),
        },
        default_route: first.map(name_of),
        outside: matches!(first, Some(Target::Gateway(_) | Target::Landline | Target::Uri(_))),
    }
}

/// The same question to a gateway: the number and the caller of one attempt.
pub(crate) fn attempt(call: contract::Call, number: &Digits, caller: &party::CallerId) -> contract::Call {
    // The E.164 form was made of the call's number; of another one it would be wrong.
    let e164 = call.e164.filter(|_| call.number == number.as_str());
    contract::Call { number: number.as_str().to_owned(), caller: caller_out(caller), e164, ..call }
}

/// A policy's answer, checked already. `label` is the plugin's.
pub(crate) fn answer(answer: contract::Answer, label: &str) -> PolicyAnswer {
    let verdict = match answer.verdict {
        contract::Verdict::Pass => PolicyVerdict::Pass,
        contract::Verdict::Refuse(because) => PolicyVerdict::Refuse { cause: Cause::Barred, because },
        contract::Verdict::Stages(stages) => PolicyVerdict::Stages(stages.into_iter().map(stage).collect()),
    };
    let said = (!answer.because.is_empty()).then(|| route::Step {
        kind: StepKind::Plugin,
        subject: label.to_owned(),
        said: answer.because,
    });
    PolicyAnswer {
        verdict,
        caller: answer.caller.map_or_else(CallerEdit::default, |caller| CallerEdit {
            number: Some(caller.number),
            name: Some(caller.name),
            private: Some(caller.withheld),
        }),
        decided_at: label.to_owned(),
        steps: said.into_iter().collect(),
        ..PolicyAnswer::default()
    }
}

/// How a gateway wants a call placed, checked already.
pub(crate) fn preparation(prepared: contract::Prepared, label: &str) -> Preparation {
    Preparation {
        carrier: match prepared.carrier {
            contract::Carrier::Landline => Carrier::Landline,
            contract::Carrier::Gateway(name) => Carrier::Gateway(name),
            contract::Carrier::Sip(uri) => Carrier::Sip(uri),
        },
        number: Digits::new(&prepared.number),
        headers: prepared.headers,
        credentials: prepared.credentials.map(|c| route::Credentials {
            user: c.user,
            password: c.password,
            realm: None,
        }),
        caller: prepared.caller.map(|caller| party::CallerId {
            number: caller.number,
            name: caller.name,
            private: caller.withheld,
        }),
        after_answer: prepared.after_answer.into_iter().map(after).collect(),
        because: prepared.because,
        plugin: label.to_owned(),
    }
}

fn stage(stage: contract::Stage) -> PolicyItem {
    let target = |target: contract::Target| PolicyTarget {
        name: target.name,
        number: target.number.map(|number| Digits::new(&number)),
    };
    PolicyItem::Ring(PolicyStage {
        targets: stage.targets.into_iter().map(target).collect(),
        timeout: stage.seconds.map(|s| Duration::from_secs(s.into())),
    })
}

fn after(step: contract::Step) -> AfterAnswer {
    match step {
        contract::Step::Pause(ms) => AfterAnswer::Pause(Duration::from_millis(ms.into())),
        contract::Step::Keys(keys) => AfterAnswer::Keys(Keys(keys)),
    }
}

fn caller_out(caller: &party::CallerId) -> contract::CallerId {
    contract::CallerId { number: caller.number.clone(), name: caller.name.clone(), withheld: caller.private }
}

fn name_of(target: &Target) -> String {
    match target {
        Target::Extension(id) => id.to_string(),
        Target::Line(id) => id.to_string(),
        Target::Landline => "gw0".to_owned(),
        Target::Gateway(id) => id.to_string(),
        Target::Uri(host) => host.host.clone(),
    }
}
