//! A decision explained: the question from a face, decided by the engine that decides live calls, and the answer with all
//! of its steps.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use ringtrip_config::Config;
use ringtrip_exchange::route::{Attempt, RoutePlan, Stage, StepKind, Target, Verdict, WallTime};
use ringtrip_model::event::Event;
use ringtrip_model::ids::{GatewayId, LineId};
use ringtrip_model::line::LineState;
use ringtrip_model::party::{Digits, Source};
use ringtrip_routing::Engine;
use ringtrip_routing::coverage::Probe;
use ringtrip_routing::router::{GatewayState, Gateways};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::control::{ControlError, Exchange};
use crate::rating::Rating;
use crate::secrets::hide_in_plan;
use crate::views::{ExtensionView, Views};

/// A probe call.
#[derive(Debug, Clone)]
pub struct Question {
    /// Where it comes from.
    pub source: Source,
    /// What is dialled.
    pub number: Digits,
    /// When.
    pub at: WallTime,
    /// States of lines and gateways that are assumed, by name.
    pub assumed: BTreeMap<String, AssumedState>,
}

/// A decision with all of its steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explained {
    /// What is dialled.
    pub number: String,
    /// From where.
    pub from: String,
    /// When, local time: `2026-11-22T18:30`.
    pub at: String,
    /// `stages`, `refuse`, `emergency` or `ask`.
    pub verdict: String,
    /// Why it is refused.
    pub cause: Option<String>,
    /// One sentence.
    pub because: String,
    /// The dial plan's alternative that won.
    pub alternative: Option<String>,
    /// The script and line that decided.
    pub script: Option<String>,
    /// How it came to that, in order.
    pub steps: Vec<StepView>,
    /// How each alternative of the caller's dial plan sees the number.
    pub considered: Vec<Considered>,
    /// What is tried, one after the other.
    pub stages: Vec<StageExplained>,
    /// Scripts and plugins that failed.
    pub failed: Vec<String>,
    /// How long the decision took, µs.
    pub took_us: u64,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepView {
    /// `emergency`, `number`, `plan`, `plugin`, `script`, `line`, `candidate`, `rejected`, `prepared`, `money`, `stage`.
    pub kind: String,
    /// Who or what.
    pub subject: String,
    /// One sentence.
    pub said: String,
}

/// How an alternative sees the number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Considered {
    /// As written.
    pub alternative: String,
    /// In words.
    pub said: String,
    /// It won.
    pub won: bool,
}

/// Targets that ring together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StageExplained {
    /// How long, ms.
    pub timeout_ms: u64,
    /// Who rings.
    pub targets: Vec<TargetExplained>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetExplained {
    /// `101`, `fxs1`, `gw0`, `gw1`, a host.
    pub target: String,
    /// The number for it.
    pub number: String,
    /// The caller as shown to it; null when withheld.
    pub caller: Option<String>,
    /// How it is now, or as assumed: `free`, `busy`, `up`, `down`, `registered`, …
    pub state: String,
    /// Could it take the call in that state?
    pub ready: bool,
    /// What it costs, in words; null where no deck prices it.
    pub price: Option<String>,
}

/// The party of this name: an extension, a line or a gateway.
///
/// # Errors
/// [`ControlError::Missing`]: there is none of that name.
pub fn source_of(config: &Config, name: &str) -> Result<Source, ControlError> {
    if let Some(extension) = config.extension(name) {
        return Ok(Source::Extension(extension.id.clone()));
    }
    if let Some(line) = name.parse::<LineId>().ok().filter(|id| config.line(id).is_some()) {
        return Ok(Source::Line(line));
    }
    let gateway = name.parse::<GatewayId>().ok().filter(|id| config.gateway(id).is_some());
    let missing = || ControlError::Missing { what: "extension, line or gateway", name: name.to_owned() };
    gateway.map(Source::Gateway).ok_or_else(missing)
}

/// Decides, and explains.
pub fn explain(engine: &Engine, rating: &Rating, exchange: &Exchange, question: &Question) -> Explained {
    let gateways =
        Arc::new(GatewayOverrides { exchange: exchange.clone(), assumed: question.assumed.clone() });
    let engine = engine.dry_run().explaining().with_gateways(gateways);
    let probe = Probe { source: question.source.clone(), number: question.number.clone(), at: question.at };
    let began = Instant::now();
    let decision = engine.decide(probe.query());
    let took = began.elapsed();
    let config = engine.router().config();
    let mut plan = decision.plan;
    rating.dry_run(config, &question.source, &mut plan);
    let states =
        |target: &Target| exchange.with_views(|views| state(views, config, &question.assumed, target));
    let stages: Vec<StageExplained> = stages_of(&plan).iter().map(|s| stage(s, &states)).collect();
    let mut steps: Vec<StepView> = plan.provenance.steps.iter().map(step).collect();
    for target in stages.iter().flat_map(|s| &s.targets).filter(|t| !t.ready) {
        let said = format!("{}: the call goes on to what follows", target.state);
        steps.push(StepView {
            kind: StepKind::Rejected.word().to_owned(),
            subject: target.target.clone(),
            said,
        });
    }
    let alternative = plan.provenance.alternative.as_deref().map(hide_in_plan);
    let (verdict, cause) = match &plan.verdict {
        Verdict::Stages(_) => ("stages", None),
        Verdict::Refuse(cause) => ("refuse", Some(cause.word().to_owned())),
        Verdict::Emergency(_) => ("emergency", None),
        Verdict::Ask(_) => ("ask", None),
    };
    let at = &question.at;
    Explained {
        number: question.number.to_string(),
        from: probe.from(),
        at: format!("{:04}-{:02}-{:02}T{:02}:{:02}", at.year, at.month, at.day, at.hour, at.minute),
        verdict: verdict.to_owned(),
        cause,
        because: plan.provenance.because.clone(),
        considered: considered(config, question, alternative.as_deref()),
        alternative,
        script: plan.provenance.script.clone(),
        steps,
        stages,
        failed: decision.events.iter().map(failed).collect(),
        took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    }
}

/// What a plan tries, emergency or not.
pub fn stages_of(plan: &RoutePlan) -> &[Stage] {
    match &plan.verdict {
        Verdict::Stages(stages) => stages,
        Verdict::Emergency(call) => call.ways(),
        Verdict::Refuse(_) | Verdict::Ask(_) => &[],
    }
}

fn step(step: &ringtrip_exchange::route::Step) -> StepView {
    StepView {
        kind: step.kind.word().to_owned(),
        subject: hide_in_plan(&step.subject),
        said: hide_in_plan(&step.said),
    }
}

fn stage(stage: &Stage, states: &dyn Fn(&Target) -> (String, bool)) -> StageExplained {
    let target = |a: &Attempt| {
        let (state, ready) = states(&a.target);
        TargetExplained {
            target: a.target.word(),
            number: a.number.to_string(),
            caller: (!a.caller.private).then(|| a.caller.number.clone()),
            state,
            ready,
            price: a.quote.as_ref().map(|q| q.why.clone()),
        }
    };
    StageExplained {
        timeout_ms: u64::try_from(stage.timeout.as_millis()).unwrap_or(u64::MAX),
        targets: stage.targets.iter().map(target).collect(),
    }
}

/// How the caller's plan sees the number.
fn considered(config: &Config, question: &Question, won: Option<&str>) -> Vec<Considered> {
    let Some((_, plan)) = config.plan_for(&question.source) else { return Vec::new() };
    if ringtrip_routing::coverage::is_outside(config, &question.source) {
        return Vec::new();
    }
    let seen = plan.considered(&question.number, &config.dialling).into_iter();
    seen.map(|(alternative, said)| Considered { won: Some(alternative.as_str()) == won, alternative, said })
        .collect()
}

fn failed(event: &Event) -> String {
    match event {
        Event::ScriptFailed { script, why, .. } => format!("script {script}: {why}"),
        Event::PluginFailed { plugin, why, .. } => format!("plugin {plugin}: {why}"),
        other => other.describe().0.to_owned(),
    }
}

/// How a target is, and whether it could take a call.
fn state(
    views: &Views,
    config: &Config,
    assumed: &BTreeMap<String, AssumedState>,
    target: &Target,
) -> (String, bool) {
    let line = |id: &str| match assumed.get(id) {
        Some(state) => state.shown(),
        None => match views.lines.get(id).map(|line| line.state) {
            Some(LineState::Idle) => ("free".to_owned(), true),
            Some(state) => (state.word().to_owned(), false),
            None => ("unknown".to_owned(), true),
        },
    };
    match target {
        Target::Line(id) => line(id.as_str()),
        Target::Landline => match assumed.get("gw0") {
            Some(state) => state.shown(),
            None => {
                let states: Vec<_> = config.landlines().map(|(l, _)| line(l.id.as_str())).collect();
                let best = states.iter().find(|(_, ready)| *ready).or(states.first()).cloned();
                best.unwrap_or(("missing".to_owned(), false))
            }
        },
        Target::Gateway(id) => match (assumed.get(id.as_str()), views.gateways.get(id.as_str())) {
            (Some(state), _) => state.shown(),
            (None, Some(view)) if view.up => ("up".to_owned(), true),
            (None, Some(_)) => ("down".to_owned(), false),
            // A plugin's gateway is as good as what carries it.
            (None, None) => ("unknown".to_owned(), true),
        },
        Target::Extension(id) => match views.extensions.get(id.as_str()) {
            Some(ExtensionView { conference: Some(calls), .. }) => {
                let most = config.extension(id.as_str()).and_then(|extension| extension.conference);
                match most.is_some_and(|most| calls.len() >= usize::from(most)) {
                    true => ("full".to_owned(), false),
                    false => ("free".to_owned(), true),
                }
            }
            Some(view) if !view.contacts.is_empty() => ("registered".to_owned(), true),
            Some(view) => match &view.line {
                Some(id) => line(id),
                None => ("unregistered".to_owned(), false),
            },
            None => ("unknown".to_owned(), true),
        },
        Target::Uri(_) => ("unknown".to_owned(), true),
    }
}

/// How a line or gateway is assumed to be. Some are the same in other words: those that the API shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssumedState {
    /// It takes calls.
    Ready(&'static str),
    /// It takes none.
    Unavailable(&'static str),
}

impl AssumedState {
    const ALL: [AssumedState; 10] = [
        AssumedState::Ready("free"),
        AssumedState::Ready("idle"),
        AssumedState::Ready("up"),
        AssumedState::Ready("ready"),
        AssumedState::Ready("registered"),
        AssumedState::Unavailable("busy"),
        AssumedState::Unavailable("in-use"),
        AssumedState::Unavailable("down"),
        AssumedState::Unavailable("unregistered"),
        AssumedState::Unavailable("full"),
    ];

    /// The state that this word means.
    pub fn of(word: &str) -> Option<AssumedState> {
        AssumedState::ALL.into_iter().find(|state| state.word() == word)
    }

    fn word(self) -> &'static str {
        let (AssumedState::Ready(word) | AssumedState::Unavailable(word)) = self;
        word
    }

    fn takes_calls(self) -> bool {
        matches!(self, AssumedState::Ready(_))
    }

    fn shown(self) -> (String, bool) {
        (self.word().to_owned(), self.takes_calls())
    }
}

/// How gateways are: as assumed, else as the exchange sees them.
pub struct GatewayOverrides {
    /// The exchange.
    pub exchange: Exchange,
    /// By name.
    pub assumed: BTreeMap<String, AssumedState>,
}

impl fmt::Debug for GatewayOverrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Assumed({:?})", self.assumed)
    }
}

impl Gateways for GatewayOverrides {
    fn state(&self, gateway: &GatewayId) -> Option<GatewayState> {
        let name = gateway.as_str();
        let seen = self.exchange.with_views(|views| match name {
            "gw0" => {
                let fxo = || views.lines.values().filter(|l| l.kind == "fxo");
                let busy = fxo().filter(|l| l.call.is_some()).count();
                let up = fxo().any(|l| l.state == LineState::Idle);
                fxo().next().map(|_| GatewayState { up, calls: u32::try_from(busy).unwrap_or(u32::MAX) })
            }
            name => views.gateways.get(name).map(|g| GatewayState { up: g.up, calls: g.calls }),
        });
        match self.assumed.get(name) {
            Some(state) => Some(GatewayState { up: state.takes_calls(), calls: seen.map_or(0, |s| s.calls) }),
            None => seen,
        }
    }
}
