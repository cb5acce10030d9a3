//! The own plans of gateways and of the landline: what they make of a number that is on its way out.

use crate::router::machine::Router;
use crate::router::plan::emergency_plan;
use ringtrip_dialplan::Outcome;
use ringtrip_exchange::emergency;
use ringtrip_exchange::route::{RoutePlan, RouteQuery, Target, Verdict};
use ringtrip_model::party::Digits;

impl Router {
    /// The number as the own plan of the landline or of the gateway wants it, where it has one.
    pub(super) fn fit(&self, target: &Target, number: &Digits) -> Result<Digits, String> {
        if let Target::Gateway(id) = target {
            if number.is_empty() && self.plugin_of(target).is_none() {
                return Err(format!(
                    "there is no number for gateway {id}: a provider is not called without one"
                ));
            }
            let Some((name, plan)) = self.config.plan_towards(id) else { return Ok(number.clone()) };
            return match plan.whole(number, &self.config.dialling) {
                Outcome::Send { number, .. } => Ok(number),
                refused => {
                    let why = refused.why().words();
                    Err(format!("the plan {name} of gateway {id} does not take {number}: {why}"))
                }
            };
        }
        let line = match target {
            Target::Landline => self.config.landlines().next().map(|(line, _)| line),
            Target::Line(id) => self.config.line(id).filter(|l| l.fxo().is_some()),
            Target::Extension(_) | Target::Gateway(_) | Target::Uri(_) => None,
        };
        // An empty number is two-stage dialling; a number with pauses was written for this line on purpose.
        let raw = number.is_empty() || number.as_str().contains(',');
        let plan = line
            .and_then(|l| l.plan.as_deref())
            .filter(|_| !raw)
            .and_then(|name| self.config.plans.get(name).map(|plan| (name, plan)));
        let Some((name, plan)) = plan else { return Ok(number.clone()) };
        match plan.whole(number, &self.config.dialling) {
            Outcome::Send { number, .. } => Ok(number),
            refused => {
                Err(format!("the landline's plan {name} does not take {number}: {}", refused.why().words()))
            }
        }
    }

    /// The plan, or an emergency call where the own plan of a gateway or of the landline has made an emergency number of
    /// the one it was given.
    pub(super) fn helped(&self, query: &RouteQuery, plan: RoutePlan) -> RoutePlan {
        let Verdict::Stages(stages) = &plan.verdict else { return plan };
        let fitted = |target: &Target| match target {
            Target::Gateway(_) | Target::Landline => true,
            Target::Line(id) => self.is_landline(id),
            Target::Extension(_) | Target::Uri(_) => false,
        };
        let mut fitted = stages.iter().flat_map(|s| &s.targets).filter(|a| fitted(&a.target));
        match fitted.find_map(|a| emergency::decide(&self.config, &query.caller, &a.number)) {
            Some(call) => emergency_plan(call, plan.provenance),
            None => plan,
        }
    }
}
