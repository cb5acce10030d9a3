//! The routing decision: emergency, dial plan, policy plugins, script, prices, gateway plugins. Live calls, `route
//! explain`, tests and replays all use it, so an explanation shows exactly what a call would do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::router::{Gateways, PolicyAnswer, PolicyCall, PolicyVerdict, Prices, Router, RouterStep};
use ringtrip_exchange::emergency;
use ringtrip_exchange::route::{
    Attempt, Prelude, Question, RoutePlan, RouteQuery, Stage, StepKind, Verdict, Wanted,
};
use ringtrip_model::event::Event;
use ringtrip_model::party::Cause;

use crate::plugins::Plugins;
use crate::script::Script;

/// An immutable snapshot of everything that routes calls. A change builds a new engine; calls in progress keep theirs.
#[derive(Clone)]
pub struct Engine {
    router: Router,
    /// The pool of scripts, by the names that the configuration uses.
    scripts: Arc<BTreeMap<String, Arc<Script>>>,
    plugins: Arc<dyn Plugins>,
    /// Note the lines that scripts run.
    explaining: bool,
}

/// What was decided.
#[derive(Debug)]
pub struct Decision {
    /// What to do.
    pub plan: RoutePlan,
    /// What an operator should know: scripts and plugins that failed.
    pub events: Vec<Event>,
}

/// Who has an opinion of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adviser {
    /// A script, by its name in the configuration.
    Script(String),
    /// A policy plugin.
    Plugin(String),
}

impl Engine {
    /// An engine of these parts.
    pub fn new(
        router: Router,
        scripts: Arc<BTreeMap<String, Arc<Script>>>,
        plugins: Arc<dyn Plugins>,
        prices: Arc<dyn Prices>,
    ) -> Engine {
        let router = router.with_prices(prices).with_policies(plugins.has_policies());
        Engine { router, scripts, plugins, explaining: false }
    }

    /// The same engine, noting each line that a script runs. Slower.
    pub fn explaining(&self) -> Engine {
        Engine { explaining: true, ..self.clone() }
    }

    /// The same engine with other gateway states, for "what if" questions.
    pub fn with_gateways(&self, gateways: Arc<dyn Gateways>) -> Engine {
        Engine { router: self.router.clone().with_gateways(gateways), ..self.clone() }
    }

    /// The same engine for dry runs: state that plugins keep during them is not visible to calls.
    pub fn dry_run(&self) -> Engine {
        let plugins = self.plugins.dry_run().unwrap_or_else(|| self.plugins.clone());
        Engine { plugins, ..self.clone() }
    }

    /// The same engine with other prices.
    pub fn with_prices(&self, prices: Arc<dyn Prices>) -> Engine {
        Engine { router: self.router.clone().with_prices(prices), ..self.clone() }
    }

    /// Its router, for decisions that need no script or plugin.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// The whole decision.
    pub fn decide(&self, query: RouteQuery) -> Decision {
        match self.begin(query) {
            RouterStep::Done(plan) => Decision { plan: *plan, events: Vec::new() },
            RouterStep::AskPolicy(call) => self.finish(*call),
        }
    }

    /// Everything that is decided without scripts and plugins; [`Engine::finish`] continues on another thread.
    pub fn begin(&self, query: RouteQuery) -> RouterStep {
        match self.router.before_policy(query) {
            RouterStep::Done(plan) => RouterStep::Done(Box::new(noted(*plan))),
            ask => ask,
        }
    }

    /// The rest of the decision, after [`Router::before_policy`].
    pub fn finish(&self, call: PolicyCall) -> Decision {
        let mut events = Vec::new();
        let mut call = call;
        let answer = match self.policy_plugins(&mut call, &mut events) {
            Some(answer) => Ok(answer),
            None => self.script(&call),
        };
        let script = call.script.clone().unwrap_or_default();
        let (mut plan, event) = self.router.after_policy(call.clone(), &script, answer);
        events.extend(event);
        self.outbound_scripts(&call, &mut plan, &mut events);
        self.prepare(&call, &mut plan);
        Decision { plan: noted(plan), events }
    }

    /// The answers of the script that the query names and of each policy plugin, asked directly and independently of what
    /// the router decides first. For proofs.
    pub fn opinions(&self, call: &PolicyCall) -> Vec<(Adviser, Result<PolicyAnswer, String>)> {
        let mut said = Vec::new();
        if let Some(name) = &call.script {
            said.push((Adviser::Script(name.clone()), self.script(call)));
        }
        let plugins = self.plugins.route(call).into_iter();
        said.extend(plugins.map(|s| (Adviser::Plugin(s.plugin), s.answer)));
        said
    }

    /// The first policy plugin answer that is not `Pass`.
    fn policy_plugins(&self, call: &mut PolicyCall, events: &mut Vec<Event>) -> Option<PolicyAnswer> {
        for said in self.plugins.route(call) {
            let steps = &mut call.default.provenance;
            match said.answer {
                Ok(PolicyAnswer { verdict: PolicyVerdict::Pass, .. }) => {
                    steps.step(StepKind::Plugin, said.plugin, "no opinion");
                }
                Ok(answer) => {
                    let what = match &answer.verdict {
                        PolicyVerdict::Refuse { because, .. } => format!("refuses: {because}"),
                        PolicyVerdict::Stages(stages) if stages.len() == 1 => "names one stage".to_owned(),
                        PolicyVerdict::Stages(stages) => format!("names {} stages", stages.len()),
                        PolicyVerdict::Ask(_) => "asks the caller".to_owned(),
                        PolicyVerdict::Pass => "no opinion".to_owned(),
                    };
                    steps.step(StepKind::Plugin, said.plugin, what);
                    return Some(answer);
                }
                Err(why) => {
                    steps.step(StepKind::Plugin, &said.plugin, format!("failed: {why}"));
                    let (plugin, call) = (said.plugin, call.query.call);
                    events.push(Event::PluginFailed { plugin, call, why });
                }
            }
        }
        None
    }

    /// The script's answer. Without a script: no opinion.
    fn script(&self, call: &PolicyCall) -> Result<PolicyAnswer, String> {
        let Some(name) = &call.script else { return Ok(PolicyAnswer::default()) };
        let script = self.scripts.get(name).ok_or_else(|| format!("script {name:?} is not loaded"))?;
        let run = if self.explaining { script.explain(call) } else { script.run(call) };
        run.map_err(|fault| fault.to_string())
    }

    /// Runs each gateway's outbound script on the attempts to that gateway. Refused attempts are removed.
    fn outbound_scripts(&self, call: &PolicyCall, plan: &mut RoutePlan, events: &mut Vec<Event>) {
        let Verdict::Stages(stages) = &mut plan.verdict else { return };
        let provenance = &mut plan.provenance;
        let mut last = None;
        for stage in stages.iter_mut() {
            stage.targets.retain_mut(|attempt| {
                let Some(name) = self.router.config().script_towards(&attempt.target) else { return true };
                match self.outbound_script(name, call, attempt) {
                    Ok(Ok(steps)) => {
                        provenance.steps.extend(steps);
                        true
                    }
                    Ok(Err(because)) => {
                        provenance.step(StepKind::Rejected, attempt.target.word(), because.clone());
                        last = Some(because);
                        false
                    }
                    Err(why) => {
                        provenance.step(StepKind::Script, name, format!("failed: {why}"));
                        events.push(Event::ScriptFailed {
                            script: name.to_owned(),
                            call: call.query.call,
                            why,
                        });
                        true
                    }
                }
            });
        }
        stages.retain(|stage| !stage.targets.is_empty());
        if stages.is_empty()
            && let Some(because) = last
        {
            plan.verdict = Verdict::Refuse(Cause::Barred);
            provenance.because = because;
        }
    }

    /// Runs the outbound script on one attempt: changed in place, refused (`Ok(Err)`), or unchanged because the script
    /// failed or asked for something that it may not do (`Err`).
    fn outbound_script(
        &self,
        name: &str,
        call: &PolicyCall,
        attempt: &mut Attempt,
    ) -> Result<Result<Vec<ringtrip_exchange::route::Step>, String>, String> {
        let config = self.router.config();
        let query = RouteQuery { caller: attempt.caller.clone(), ..call.query.clone() };
        let stage = Stage { targets: vec![attempt.clone()], timeout: Duration::ZERO };
        let question = PolicyCall {
            number: attempt.number.clone(),
            default: RoutePlan { verdict: Verdict::Stages(vec![stage]), ..call.default.clone() },
            script: Some(name.to_owned()),
            e164: config.numbering.e164(&attempt.number),
            query,
            ..call.clone()
        };
        let answer = self.script(&question)?;
        match answer.verdict {
            PolicyVerdict::Pass => {}
            PolicyVerdict::Refuse { because, .. } => return Ok(Err(because)),
            PolicyVerdict::Stages(_) | PolicyVerdict::Ask(_) => {
                let what = "the script of a gateway may pass, block, rewrite and change the caller; it names no targets";
                return Err(what.to_owned());
            }
        }
        if let Some(number) = answer.number {
            if emergency::decide(config, &attempt.caller, &number).is_some() {
                return Err(format!("it makes {number} of {}, an emergency number", attempt.number));
            }
            attempt.number = number;
        }
        let edit = answer.caller;
        attempt.caller.number = edit.number.unwrap_or_else(|| std::mem::take(&mut attempt.caller.number));
        attempt.caller.name = edit.name.unwrap_or_else(|| std::mem::take(&mut attempt.caller.name));
        attempt.caller.private = edit.private.unwrap_or(attempt.caller.private);
        Ok(Ok(answer.steps))
    }

    /// Has each attempt to a plugin's gateway prepared by it. What cannot be prepared is not tried.
    fn prepare(&self, call: &PolicyCall, plan: &mut RoutePlan) {
        let Verdict::Stages(stages) = &mut plan.verdict else { return };
        let provenance = &mut plan.provenance;
        let mut last = None;
        for stage in stages.iter_mut() {
            stage.targets.retain_mut(|attempt| {
                let Some(plugin) = self.router.plugin_of(&attempt.target) else { return true };
                match self.prepared(plugin, call, attempt) {
                    Ok(made) => {
                        let how = made.prepared.as_ref();
                        let said = how.map_or(String::new(), |p| p.because.clone());
                        provenance.step(StepKind::Prepared, plugin, said);
                        *attempt = made;
                        true
                    }
                    Err(why) => {
                        provenance.step(StepKind::Rejected, attempt.target.word(), why.clone());
                        last = Some(why);
                        false
                    }
                }
            });
        }
        stages.retain(|stage| !stage.targets.is_empty());
        if stages.is_empty()
            && let Some(why) = last
        {
            plan.verdict = Verdict::Refuse(Cause::Congestion);
            provenance.because = why;
        }
    }

    fn prepared(&self, plugin: &str, call: &PolicyCall, attempt: &Attempt) -> Result<Attempt, String> {
        let preparation = self.plugins.prepare(plugin, call, &attempt.number, &attempt.caller)?;
        self.router.prepared(&call.query, attempt, preparation)
    }
}

/// What a caller is asked for, in words.
fn asked(question: &Question) -> String {
    let wanted = match question.wanted {
        Wanted::Pin => "for a PIN",
        Wanted::Number => "for a number",
    };
    let prompt = question.prompt.as_ref().map(|prompt| format!(" with {prompt}")).unwrap_or_default();
    format!("{wanted}{prompt}, at most {} times", question.tries)
}

/// The plan with its stages, and what comes beside them, among its steps.
fn noted(mut plan: RoutePlan) -> RoutePlan {
    let mut steps = Vec::new();
    match &plan.verdict {
        Verdict::Stages(stages) => {
            for (n, stage) in stages.iter().enumerate() {
                for attempt in &stage.targets {
                    let mut said = format!("{} for {} s", attempt.number, stage.timeout.as_secs());
                    if let Some(quote) = &attempt.quote {
                        said = format!("{said}; {}", quote.why);
                    }
                    steps.push((StepKind::Stage, format!("{} {}", n + 1, attempt.target.word()), said));
                }
            }
        }
        Verdict::Refuse(cause) => {
            let said = plan.extras.say.as_ref().map(|prompt| format!("; {prompt} is said to the caller"));
            let said = format!("{}{}", cause.word(), said.unwrap_or_default());
            steps.push((StepKind::Stage, "refused".to_owned(), said));
        }
        Verdict::Ask(question) => {
            steps.push((StepKind::Stage, "the caller is asked".to_owned(), asked(question)));
        }
        Verdict::Emergency(_) => {}
    }
    if let Verdict::Stages(_) = &plan.verdict {
        let first = plan.extras.before.iter().map(|prelude| match prelude {
            Prelude::Delay(time) => format!("waits {} s", time.as_secs_f32()),
            Prelude::Play(prompt) => format!("{prompt} is played to the caller"),
        });
        let before = first.map(|said| (StepKind::Stage, "first".to_owned(), said));
        let recorded = || (StepKind::Stage, "the talk".to_owned(), "is recorded".to_owned());
        let recorded = plan.extras.record.then(recorded);
        steps.splice(0..0, before.chain(recorded));
    }
    for (kind, subject, said) in steps {
        plan.provenance.step(kind, subject, said);
    }
    plan
}

#[cfg(test)]
mod tests;
