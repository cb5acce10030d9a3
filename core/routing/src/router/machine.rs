//! The router: what is decided before a script is asked, and what becomes of its answer.

use std::sync::Arc;
use std::time::Duration;

use ringtrip_config::{Config, HostPort, Inbound, LineKind, Region};
use ringtrip_dialplan::Outcome;
use ringtrip_exchange::emergency;
use ringtrip_exchange::route::{
    AdHoc, Attempt, PlanRoute, Planned, Provenance, Quote, RoutePlan, RouteQuery, Stage, StepKind, Target,
    Verdict, WallTime,
};
use ringtrip_model::event::Event;
use ringtrip_model::ids::LineId;
use ringtrip_model::party::{CallerId, Cause, Digits, Source};

use crate::router::facts::{Facts, Gateways};
use crate::router::plan::{LANDLINE, Steps, because, emergency_plan, note, plain, refuse};
use crate::router::policy::{CallerEdit, PolicyAnswer, PolicyCall};
use crate::router::prices::Prices;

/// How long a target outside may ring: longer than any voicemail there waits.
const OUTSIDE_RING_TIME: Duration = Duration::from_secs(180);
/// How long a telephone rings that is no extension's.
const LINE_RING_TIME: Duration = Duration::from_secs(60);

/// The route machine. It has no state but the configuration: a new configuration is a new machine.
#[derive(Debug, Clone)]
pub struct Router {
    pub(super) config: Arc<Config>,
    pub(super) facts: Facts,
    /// Policy plugins are installed: every call is asked about.
    policy_plugins: bool,
}

/// How far a query came.
#[derive(Debug)]
pub enum RouterStep {
    /// This is the answer.
    Done(Box<RoutePlan>),
    /// Ask the policy script this, and give its answer to [`Router::after_policy`].
    AskPolicy(Box<PolicyCall>),
}

impl RouterStep {
    /// Was the PIN right that the question came with?
    pub fn proved_pin(&self) -> bool {
        match self {
            RouterStep::Done(plan) => plan.extras.pin.is_some(),
            RouterStep::AskPolicy(policy) => policy.query.pin.is_some(),
        }
    }
}

impl Router {
    /// A machine for this configuration, without prices and plugins.
    pub fn new(config: Arc<Config>) -> Router {
        Router { config, facts: Facts::default(), policy_plugins: false }
    }

    /// With other prices.
    pub fn with_prices(self, prices: Arc<dyn Prices>) -> Router {
        Router { facts: Facts { prices, ..self.facts }, ..self }
    }

    /// With another source of gateway states.
    pub fn with_gateways(self, gateways: Arc<dyn Gateways>) -> Router {
        Router { facts: Facts { gateways, ..self.facts }, ..self }
    }

    /// Are policy plugins asked, too?
    pub fn with_policies(self, policy_plugins: bool) -> Router {
        Router { policy_plugins, ..self }
    }

    /// The configuration that it follows.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// All that is decided before a script is asked. When no script is configured, that is all.
    pub fn before_policy(&self, query: RouteQuery) -> RouterStep {
        let RouteQuery { source, caller, dialled, .. } = &query;
        if let Some(call) = emergency::begun(&self.config, source, query.asked, caller, dialled) {
            return RouterStep::Done(Box::new(emergency_plan(call, Provenance::default())));
        }
        let mut steps = Vec::with_capacity(8);
        let said = match emergency::is_exact(&self.config.emergency, dialled.as_str()) {
            true => {
                "an inbound call from a provider is not treated as an emergency call unless its gateway has emergency = true"
            }
            false => "not an emergency number",
        };
        note(&mut steps, StepKind::Emergency, dialled.as_str(), said);
        if !dialled.is_whole() {
            let because = format!(
                "{} cannot be dialled: a number has at most {} ASCII characters",
                dialled,
                Digits::MAX
            );
            let mut plan = refuse(Cause::Invalid, None, because);
            plan.provenance.steps = steps;
            return RouterStep::Done(Box::new(plan));
        }
        let query = match self.proved(query, &mut steps) {
            Ok(query) => query,
            Err(plan) => return RouterStep::Done(plan),
        };
        let default = match self.outside_of(&query) {
            Some(inbound) => self.inbound(&query, &inbound, &mut steps),
            None => self.planned(&query, query.planned.clone(), &mut steps),
        };
        let (number, plan) = default;
        let mut plan = self.helped(&query, plan);
        steps.append(&mut plan.provenance.steps);
        plan.provenance.steps = steps;
        if !matches!(plan.verdict, Verdict::Emergency(_)) {
            plan.extras.pin = query.pin.clone();
        }
        // What the plan bars or does not know is not offered to a script: a bar holds.
        let Verdict::Stages(stages) = &plan.verdict else { return RouterStep::Done(Box::new(plan)) };
        let script = self.config.script_for(&query).map(str::to_owned);
        let unprepared =
            stages.iter().flat_map(|s| &s.targets).any(|a| self.is_prepared_by_plugin(&a.target));
        if script.is_none() && !self.policy_plugins && !unprepared {
            return RouterStep::Done(Box::new(plan));
        }
        let holiday = self.config.holiday(&query.at).map(str::to_owned);
        let e164 = self.config.numbering.e164(&number);
        let facts = self.facts.clone();
        RouterStep::AskPolicy(Box::new(PolicyCall {
            query,
            number,
            default: plan,
            script,
            holiday,
            e164,
            facts,
        }))
    }

    /// What becomes of the script's answer; with an event when it failed and the plan's own route was taken.
    pub fn after_policy(
        &self,
        call: PolicyCall,
        script: &str,
        answer: Result<PolicyAnswer, String>,
    ) -> (RoutePlan, Option<Event>) {
        let id = call.query.call;
        match answer.and_then(|answer| self.merge(&call, answer)) {
            Ok(plan) => {
                let mut plan = self.helped(&call.query, plan);
                if !matches!(plan.verdict, Verdict::Emergency(_)) {
                    plan.extras.pin = call.query.pin;
                }
                (plan, None)
            }
            Err(why) => {
                let event = Event::ScriptFailed { script: script.to_owned(), call: id, why };
                let mut plan = call.default;
                plan.provenance
                    .because
                    .push_str("; the script failed, so the dial plan's own route was used");
                (plan, Some(event))
            }
        }
    }

    /// What a caller inside dialled, through its plan unless that is done already.
    fn planned(
        &self,
        query: &RouteQuery,
        planned: Option<Planned>,
        steps: &mut Steps,
    ) -> (Digits, RoutePlan) {
        let planned = match planned {
            Some(planned) => {
                self.note_plan(query, &planned, steps);
                planned
            }
            None => match self.plan(query, &query.dialled, steps) {
                Ok(planned) => planned,
                Err(plan) => return (query.dialled.clone(), *plan),
            },
        };
        let number = planned.number.clone();
        (number, self.by_plan(query, planned))
    }

    /// Runs the caller's plan on a number that came whole.
    pub(super) fn plan(
        &self,
        query: &RouteQuery,
        dialled: &Digits,
        steps: &mut Steps,
    ) -> Result<Planned, Box<RoutePlan>> {
        let number = international(self.config.region, dialled);
        if number != *dialled {
            note(steps, StepKind::Number, dialled.as_str(), format!("a telephone dials {number}"));
        }
        let Some((name, plan)) = self.config.plan_of(query) else {
            return Ok(Planned { number, route: PlanRoute::Default, alternative: String::new() });
        };
        match plan.whole(&number, &self.config.dialling) {
            Outcome::Send { number: sent, route, alternative, .. } => {
                note(steps, StepKind::Plan, name, plan_said(&alternative, &sent, &route));
                Ok(Planned { number: sent, route, alternative })
            }
            Outcome::Blocked { alternative, .. } => {
                note(steps, StepKind::Plan, name, format!("{alternative} bars it"));
                let because = format!("plan {name} bars {dialled} by {alternative}");
                Err(Box::new(refuse(Cause::Barred, Some(alternative), because)))
            }
            Outcome::Reject { why } => {
                note(steps, StepKind::Plan, name, format!("no alternative takes it: {}", why.words()));
                let because = format!("plan {name} does not take {dialled}: {}", why.words());
                Err(Box::new(refuse(Cause::Unallocated, None, because)))
            }
            Outcome::Vsc { code, .. } => {
                let because = format!("{code} is a star code, which telephones dial on their own");
                Err(Box::new(refuse(Cause::Invalid, None, because)))
            }
        }
    }

    /// The stages for what a plan decided.
    pub(super) fn by_plan(&self, query: &RouteQuery, planned: Planned) -> RoutePlan {
        let provenance = |because: String| Provenance {
            alternative: (!planned.alternative.is_empty()).then(|| planned.alternative.clone()),
            because,
            ..Provenance::default()
        };
        if let Some(call) = emergency::decide(&self.config, &query.caller, &planned.number) {
            return emergency_plan(call, provenance(String::new()));
        }
        let (target, because) = match &planned.route {
            PlanRoute::Default => match self.by_number(&planned.number) {
                Some(found) => found,
                None => {
                    let because =
                        format!("{} is not an extension, and there is no default route", planned.number);
                    return plain(Verdict::Refuse(Cause::Unallocated), provenance(because));
                }
            },
            route => (target(route), "the plan names the route".to_owned()),
        };
        let mut said = provenance(because);
        match self.stage(query, vec![(target, planned.number.clone(), None)], None, &mut said.steps) {
            Ok(stage) => plain(Verdict::Stages(vec![stage]), said),
            Err((cause, because)) => plain(Verdict::Refuse(cause), Provenance { because, ..said }),
        }
    }

    /// What the plan of the caller's telephone decided while keys were pressed.
    fn note_plan(&self, query: &RouteQuery, planned: &Planned, steps: &mut Steps) {
        let name = self.config.plan_for(&query.source).map_or("", |(name, _)| name);
        let said = plan_said(&planned.alternative, &planned.number, &planned.route);
        note(steps, StepKind::Plan, name, said);
    }

    /// Where a number goes that no rule sent elsewhere.
    fn by_number(&self, number: &Digits) -> Option<(Target, String)> {
        if let Some(extension) = self.config.extension(number.as_str()) {
            return Some((Target::Extension(extension.id.clone()), "it is an extension".to_owned()));
        }
        match &self.config.default_route {
            PlanRoute::Default => None,
            route => Some((target(route), "it uses the default route".to_owned())),
        }
    }

    /// Is the source outside? Then its calls go where the configuration says.
    pub(super) fn outside(&self, source: &Source) -> Option<Inbound> {
        match source {
            // Which number was called decides; `inbound` looks it up.
            Source::Gateway(id) => {
                Some(self.config.gateway(id).map_or(Inbound::Refuse, |g| g.inbound.clone()))
            }
            Source::Line(id) => match &self.config.line(id)?.kind {
                LineKind::Fxs(_) => None,
                LineKind::Fxo(fxo) => {
                    let to = fxo.ring_through.as_ref().map(|r| r.to.clone()).or_else(|| fxo.answer.clone());
                    Some(to.unwrap_or(Inbound::Refuse))
                }
            },
            Source::Extension(_) | Source::Operator => None,
        }
    }

    /// The stages for a call from outside. A landline with both `ring_through` and `answer` rings the one through until
    /// the line answers by itself, and the other after that.
    fn inbound(&self, query: &RouteQuery, inbound: &Inbound, steps: &mut Steps) -> (Digits, RoutePlan) {
        let (number, mut plan) = self.inbound_one(query, inbound, steps);
        let Some((to, after)) = self.answers_later(query) else { return (number, plan) };
        let (_, later) = self.inbound_one(query, &to, steps);
        if let (Verdict::Stages(stages), Verdict::Stages(more)) = (&mut plan.verdict, later.verdict) {
            stages.iter_mut().for_each(|stage| stage.timeout = after);
            stages.extend(more);
        }
        (number, plan)
    }

    /// Who is offered a call when the landline answers by itself, and how long others ring before that.
    fn answers_later(&self, query: &RouteQuery) -> Option<(Inbound, Duration)> {
        let Source::Line(id) = &query.source else { return None };
        let fxo = self.config.line(id)?.fxo().filter(|_| !query.asked)?;
        let (ring, answer) = (fxo.ring_through.as_ref()?, fxo.answer.clone()?);
        Some((answer, fxo.answer_delay.saturating_sub(ring.delay)))
    }

    fn inbound_one(&self, query: &RouteQuery, inbound: &Inbound, steps: &mut Steps) -> (Digits, RoutePlan) {
        let called = query.dialled.clone();
        let inbound = match &query.source {
            Source::Gateway(id) if !query.asked => {
                self.config.gateway(id).map_or(inbound, |g| self.config.did(g, &called).unwrap_or(&g.inbound))
            }
            _ => inbound,
        };
        let plan = match inbound {
            Inbound::Refuse => refuse(Cause::Unallocated, None, "no inbound target is configured".to_owned()),
            Inbound::Ring(targets) => {
                let targets = targets.iter().map(|t| (t.clone(), called.clone(), None)).collect();
                self.stage(query, targets, None, steps).map_or_else(
                    |(cause, because)| refuse(cause, None, because),
                    |stage| {
                        let said = because("the configured inbound target");
                        plain(Verdict::Stages(vec![stage]), said)
                    },
                )
            }
            Inbound::Dialled => match self.config.extension(called.as_str()) {
                Some(e) => {
                    let target = (Target::Extension(e.id.clone()), called.clone(), None);
                    self.stage(query, vec![target], None, steps).map_or_else(
                        |(cause, because)| refuse(cause, None, because),
                        |stage| {
                            let said = because("the number called is an extension");
                            plain(Verdict::Stages(vec![stage]), said)
                        },
                    )
                }
                None => refuse(Cause::Unallocated, None, format!("{called} is not an extension")),
            },
            Inbound::Plan => match self.plan(query, &called, steps) {
                Ok(planned) => {
                    let (number, plan) = (planned.number.clone(), self.by_plan(query, planned));
                    return (number, self.within_rights(query, plan));
                }
                Err(plan) => *plan,
            },
            Inbound::Number(number) => match self.plan(query, number, steps) {
                Ok(planned) => return (planned.number.clone(), self.by_plan(query, planned)),
                Err(plan) => *plan,
            },
        };
        (called, plan)
    }

    /// The plan of a call that came from a gateway and dials on, unless it goes where that gateway may not call.
    fn within_rights(&self, query: &RouteQuery, plan: RoutePlan) -> RoutePlan {
        let (Source::Gateway(id), Verdict::Stages(stages)) = (&query.source, &plan.verdict) else {
            return plan;
        };
        let Some(prefixes) = self.config.gateway(id).and_then(|g| g.inbound_prefixes.as_ref()) else {
            return plan;
        };
        let outside = |target: &Target| match target {
            Target::Landline | Target::Gateway(_) | Target::Uri(_) => true,
            Target::Line(id) => self.is_landline(id),
            Target::Extension(_) => false,
        };
        let allowed = |number: &Digits| {
            let global = self.config.numbering.e164(number).unwrap_or_default();
            prefixes.iter().any(|prefix| global.trim_start_matches('+').starts_with(prefix.as_str()))
        };
        let attempts = stages.iter().flat_map(|s| &s.targets);
        let barred = attempts.filter(|a| outside(&a.target)).find(|a| !allowed(&a.number));
        match barred {
            Some(attempt) => {
                let because =
                    format!("calls from {id} may not go to {}: see its inbound_prefixes", attempt.number);
                let refused = refuse(Cause::Barred, plan.provenance.alternative.clone(), because);
                RoutePlan {
                    provenance: Provenance { steps: plan.provenance.steps, ..refused.provenance },
                    ..refused
                }
            }
            None => plan,
        }
    }

    /// A stage of these targets, each with its number and caller; without those that would send the call back
    /// where it came from.
    pub(super) fn stage(
        &self,
        query: &RouteQuery,
        targets: Vec<(Target, Digits, Option<CallerEdit>)>,
        timeout: Option<Duration>,
        steps: &mut Steps,
    ) -> Result<Stage, (Cause, String)> {
        let mut attempts = Vec::with_capacity(targets.len());
        let mut refused = (Cause::Unallocated, "no target is named".to_owned());
        for (target, number, edit) in targets {
            if self.goes_back(&query.source, &target) {
                refused = (Cause::Barred, "a call is not routed back to its source".to_owned());
                note(steps, StepKind::Rejected, target.word(), refused.1.clone());
                continue;
            }
            match self.fit(&target, &number) {
                Ok(number) => {
                    let caller = self.caller(query, &target, edit);
                    let quote = self.quote(&target, &number, &query.at);
                    attempts.push(Attempt { quote, ..Attempt::new(target, number, caller) });
                }
                Err(because) => {
                    note(steps, StepKind::Rejected, target.word(), because.clone());
                    refused = (Cause::Invalid, because);
                }
            }
        }
        if attempts.is_empty() {
            return Err(refused);
        }
        let timeout = timeout.unwrap_or_else(|| {
            attempts.iter().map(|a| self.ring_time(&a.target)).max().unwrap_or(OUTSIDE_RING_TIME)
        });
        Ok(Stage { targets: attempts, timeout })
    }

    /// The plugin that must prepare an attempt to this target.
    pub fn plugin_of(&self, target: &Target) -> Option<&str> {
        match target {
            Target::Gateway(id) => self.config.plugin_of(id),
            _ => None,
        }
    }

    /// Does a plugin or a script look at calls to this target before they leave?
    fn is_prepared_by_plugin(&self, target: &Target) -> bool {
        self.plugin_of(target).is_some() || self.config.script_towards(target).is_some()
    }

    /// What an attempt outside costs.
    fn quote(&self, target: &Target, number: &Digits, at: &WallTime) -> Option<Arc<Quote>> {
        let gateway = match target {
            Target::Gateway(id) => id.clone(),
            Target::Landline => LANDLINE.parse().ok()?,
            Target::Line(id) if self.is_landline(id) => LANDLINE.parse().ok()?,
            Target::Line(_) | Target::Extension(_) | Target::Uri(_) => return None,
        };
        let e164 = self.config.numbering.e164(number)?;
        self.facts.prices.quote(&gateway, e164.trim_start_matches('+'), at)
    }

    /// The loop guard: the landline is not called from the landline, nor a provider by its own call.
    pub(super) fn goes_back(&self, source: &Source, target: &Target) -> bool {
        match (source, target) {
            (Source::Gateway(from), Target::Gateway(to)) => from == to,
            (Source::Line(from), Target::Line(to)) => {
                from == to || self.is_landline(from) && self.is_landline(to)
            }
            (Source::Line(from), Target::Landline) => self.is_landline(from),
            _ => false,
        }
    }

    pub(super) fn is_landline(&self, id: &LineId) -> bool {
        self.config.line(id).is_some_and(|l| l.fxo().is_some())
    }

    /// Who is shown: inside the extension itself, outside its outside number.
    fn caller(&self, query: &RouteQuery, target: &Target, edit: Option<CallerEdit>) -> CallerId {
        let mut caller = query.caller.clone();
        let outside = matches!(target, Target::Landline | Target::Gateway(_) | Target::Uri(_));
        let own = match &query.source {
            Source::Extension(id) => self.config.extension(id.as_str()),
            Source::Line(id) => self.config.extension_on(id),
            Source::Gateway(_) | Source::Operator => None,
        };
        if let (true, Some(extension)) = (outside, own) {
            caller.private |= extension.withhold;
            let gateway = match target {
                Target::Gateway(id) => self.config.gateway(id),
                _ => None,
            };
            let of_gateway = || gateway.and_then(|g| g.own_number()).map(str::to_owned);
            if let Some(number) = extension.caller_id.clone().or_else(of_gateway) {
                caller.number = number;
            }
        }
        if let Some(edit) = edit {
            caller.number = edit.number.unwrap_or(caller.number);
            caller.name = edit.name.unwrap_or(caller.name);
            caller.private = edit.private.unwrap_or(caller.private);
        }
        caller
    }

    fn ring_time(&self, target: &Target) -> Duration {
        match target {
            Target::Extension(id) => {
                self.config.extension(id.as_str()).map_or(LINE_RING_TIME, |e| e.ring_time)
            }
            Target::Line(id) if !self.is_landline(id) => LINE_RING_TIME,
            _ => OUTSIDE_RING_TIME,
        }
    }

    /// Does this target exist? A script may name any.
    pub(super) fn exists(&self, target: &Target) -> Result<(), String> {
        let known = match target {
            Target::Extension(id) => self.config.extension(id.as_str()).is_some(),
            Target::Line(id) => self.config.line(id).is_some(),
            Target::Gateway(id) => self.config.gateway(id).is_some() || self.config.plugin_of(id).is_some(),
            Target::Landline => self.config.landlines().next().is_some(),
            Target::Uri(_) => true,
        };
        if known { Ok(()) } else { Err(format!("it names {}, which does not exist", target_name(target))) }
    }

    /// The target that a script calls by this name: a gateway (`gw0` is the landline), a line, an extension, or a host
    /// (it has a dot or a colon).
    pub fn target_named(config: &Config, name: &str) -> Option<Target> {
        if name == "gw0" {
            return Some(Target::Landline);
        }
        if let Some(g) = config.gateways.iter().find(|g| g.id.as_str() == name) {
            return Some(Target::Gateway(g.id.clone()));
        }
        if let Some(g) = config.plugin_gateways.iter().find(|g| g.id.as_str() == name) {
            return Some(Target::Gateway(g.id.clone()));
        }
        if let Some(l) = config.lines.iter().find(|l| l.id.as_str() == name) {
            return Some(Target::Line(l.id.clone()));
        }
        if let Some(e) = config.extension(name) {
            return Some(Target::Extension(e.id.clone()));
        }
        host(name).map(Target::Uri)
    }
}

/// A name that is a host: it has a dot or a colon, and reads as one.
fn host(name: &str) -> Option<AdHoc> {
    let host: HostPort = name.contains(['.', ':']).then(|| name.parse().ok()).flatten()?;
    Some(AdHoc { host: host.to_string(), user: None, password: None, nat: false })
}

/// `0xx.<:@gw0> makes 01480123456 of it, for gw0`.
fn plan_said(alternative: &str, number: &Digits, route: &PlanRoute) -> String {
    let route = match route {
        PlanRoute::Default => "the default route".to_owned(),
        route => target(route).word(),
    };
    format!("{alternative} sends {number} to {route}")
}

/// `+44…` from a SIP phone as a telephone dials it.
fn international(region: Region, dialled: &Digits) -> Digits {
    match dialled.as_str().strip_prefix('+') {
        Some(rest) => {
            let prefix = match region {
                Region::Us => "011",
                Region::Uk => "00",
            };
            // Numbers of our own country are dialled without their country code.
            match (region, rest.strip_prefix("44"), rest.strip_prefix('1')) {
                (Region::Uk, Some(national), _) => Digits::new(&format!("0{national}")),
                (Region::Us, _, Some(_)) => Digits::new(rest),
                _ => Digits::new(&format!("{prefix}{rest}")),
            }
        }
        None => dialled.clone(),
    }
}

fn target(route: &PlanRoute) -> Target {
    match route {
        PlanRoute::Landline | PlanRoute::Default => Target::Landline,
        PlanRoute::Gateway(id) => Target::Gateway(id.clone()),
        PlanRoute::Uri(host) => Target::Uri(host.clone()),
    }
}

fn target_name(target: &Target) -> String {
    match target {
        Target::Extension(id) => format!("extension {id}"),
        Target::Line(id) => format!("line {id}"),
        Target::Landline => "gw0, the landline".to_owned(),
        Target::Gateway(id) => format!("gateway {id}"),
        Target::Uri(host) => host.host.clone(),
    }
}

#[cfg(test)]
mod tests;
