//! What a policy script's answer makes of the plan.

use std::time::Duration;

use crate::router::machine::Router;
use crate::router::plan::{LANDLINE, emergency_plan};
use crate::router::policy::{
    CallerEdit, Cheapest, PolicyAnswer, PolicyCall, PolicyItem, PolicyStage, PolicyVerdict,
};
use crate::router::prices::RankQuery;
use ringtrip_exchange::emergency;
use ringtrip_exchange::route::{Provenance, RoutePlan, Stage, StepKind, Target, Verdict};
use ringtrip_model::party::{Cause, Digits};

/// Targets with numbers and callers that are not a stage yet.
type Unmade = (Vec<(Target, Digits, Option<CallerEdit>)>, Option<Duration>);

impl Router {
    /// The plan that a script's answer makes; an error when it names what does not exist.
    pub(super) fn merge(&self, call: &PolicyCall, answer: PolicyAnswer) -> Result<RoutePlan, String> {
        let mut provenance = call.default.provenance.clone();
        provenance.script = (!answer.decided_at.is_empty()).then(|| answer.decided_at.clone());
        provenance.steps.extend(answer.steps.iter().cloned());
        let plan = |verdict: Verdict, provenance: Provenance| RoutePlan {
            verdict,
            provenance,
            extras: answer.extras.clone(),
        };
        match &answer.verdict {
            PolicyVerdict::Refuse { cause, because } => {
                provenance.because.clone_from(because);
                Ok(plan(Verdict::Refuse(*cause), provenance))
            }
            PolicyVerdict::Ask(question) => {
                provenance.because = "the caller is asked first".to_owned();
                Ok(plan(Verdict::Ask(question.clone()), provenance))
            }
            PolicyVerdict::Pass => {
                let mut passed = match &answer.number {
                    Some(number) => self.route_rewritten(call, number),
                    None => call.default.clone(),
                };
                if let Verdict::Emergency(_) = passed.verdict {
                    return Ok(passed);
                }
                if let Verdict::Stages(stages) = &mut passed.verdict {
                    stages
                        .iter_mut()
                        .flat_map(|s| &mut s.targets)
                        .for_each(|a| answer.caller.apply(&mut a.caller));
                }
                provenance.because = std::mem::take(&mut passed.provenance.because);
                if answer.number.is_some() {
                    provenance.alternative = passed.provenance.alternative.take();
                    provenance.steps.append(&mut passed.provenance.steps);
                }
                Ok(plan(passed.verdict, provenance))
            }
            PolicyVerdict::Stages(items) => {
                let mut made: Vec<Stage> = Vec::with_capacity(items.len());
                let mut last = None;
                for item in items {
                    let stages = match item {
                        PolicyItem::Ring(stage) => vec![self.named(call, &answer, stage)?],
                        PolicyItem::Cheapest(request) => {
                            self.cheapest(call, &answer, request, &mut provenance, &mut last)?
                        }
                    };
                    for (targets, timeout) in stages {
                        // No script sends an emergency number on its own terms.
                        let emergency = targets.iter().find_map(|(target, number, _)| {
                            let outside = !matches!(target, Target::Extension(_));
                            outside
                                .then(|| emergency::decide(&self.config, &call.query.caller, number))
                                .flatten()
                        });
                        if let Some(emergency) = emergency {
                            return Ok(emergency_plan(emergency, provenance));
                        }
                        match self.stage(&call.query, targets, timeout, &mut provenance.steps) {
                            Ok(stage) => made.push(stage),
                            Err(refused) => last = Some(refused),
                        }
                    }
                }
                match (made.is_empty(), last) {
                    (true, Some((cause, because))) => {
                        provenance.because = because;
                        Ok(plan(Verdict::Refuse(cause), provenance))
                    }
                    (true, None) => Err("it names no target".to_owned()),
                    (false, _) => {
                        provenance.because = "the script decided".to_owned();
                        Ok(plan(Verdict::Stages(made), provenance))
                    }
                }
            }
        }
    }

    /// The targets of a stage that a script names.
    fn named(&self, call: &PolicyCall, answer: &PolicyAnswer, stage: &PolicyStage) -> Result<Unmade, String> {
        let mut targets = Vec::with_capacity(stage.targets.len());
        for t in &stage.targets {
            let target = Router::target_named(&self.config, &t.name).ok_or_else(|| {
                format!("it names {:?}, which is not an extension, line, gateway or host", t.name)
            })?;
            self.exists(&target)?;
            let number = t.number.as_ref().or(answer.number.as_ref()).unwrap_or(&call.number);
            targets.push((target, number.clone(), Some(answer.caller.clone())));
        }
        Ok((targets, stage.timeout))
    }

    /// One stage for each of the cheapest gateways; what was rejected, and why, goes into the record.
    fn cheapest(
        &self,
        call: &PolicyCall,
        answer: &PolicyAnswer,
        request: &Cheapest,
        provenance: &mut Provenance,
        last: &mut Option<(Cause, String)>,
    ) -> Result<Vec<Unmade>, String> {
        let mut among = Vec::with_capacity(request.among.len());
        for name in &request.among {
            match Router::target_named(&self.config, name) {
                Some(Target::Gateway(id)) => among.push(id),
                Some(Target::Landline) => among.push(LANDLINE.parse().map_err(|_| "gw0".to_owned())?),
                _ => return Err(format!("it compares {name:?}, which is not a gateway")),
            }
        }
        let number = request.number.as_ref().or(answer.number.as_ref()).unwrap_or(&call.number);
        let Some(e164) = self.config.numbering.e164(number) else {
            let because = format!("no price is known for {number}: it is not a public number");
            *last = Some((Cause::Unallocated, because));
            return Ok(Vec::new());
        };
        let ask = RankQuery {
            number: e164.trim_start_matches('+'),
            at: &call.query.at,
            among: &among,
            budget: request.budget,
        };
        let ranking = self.facts.prices.rank(&ask);
        for (gateway, why) in ranking.rejected {
            provenance.step(StepKind::Rejected, gateway.to_string(), why);
        }
        for offer in &ranking.offers {
            provenance.step(StepKind::Candidate, offer.gateway.to_string(), offer.quote.why.clone());
        }
        if ranking.offers.is_empty() {
            *last = Some((Cause::Congestion, format!("no gateway has a price for {e164} and is free")));
        }
        let stages = ranking.offers.into_iter().take(usize::from(request.most.max(1))).map(|offer| {
            let target = match offer.gateway.as_str() {
                LANDLINE => Target::Landline,
                _ => Target::Gateway(offer.gateway),
            };
            (vec![(target, number.clone(), Some(answer.caller.clone()))], None)
        });
        Ok(stages.collect())
    }

    /// A number that a script rewrote and passed on goes through the plan once more; scripts are not asked again.
    fn route_rewritten(&self, call: &PolicyCall, number: &Digits) -> RoutePlan {
        if let Some(e) = emergency::decide(&self.config, &call.query.caller, number) {
            return emergency_plan(e, Provenance::default());
        }
        let mut steps = Vec::new();
        let mut plan = match self.plan(&call.query, number, &mut steps) {
            Ok(planned) => self.by_plan(&call.query, planned),
            Err(refused) => *refused,
        };
        steps.append(&mut plan.provenance.steps);
        plan.provenance.steps = steps;
        plan
    }
}
