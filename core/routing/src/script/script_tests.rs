//! Tests that stand beside a script, in `NAME.test.toml`: given this call at this time, expect this plan. They run without
//! an exchange, through the same engine as live calls, with stand-ins for prices and for the state of gateways.

mod read;
mod stubs;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::router::Router;
use ringtrip_config::Config;
use ringtrip_exchange::route::{Prelude, RoutePlan, RouteQuery, Stage, Verdict, WallTime, Wanted};
use ringtrip_model::ids::CallId;
use ringtrip_model::party::{CallerId, Digits, Source};

use crate::decide::Engine;
use crate::plugins::NoPlugins;
use crate::script::{Clock, Library, Limits, Pool, PoolError, ScriptError};

use stubs::{StubServices, TestEnvironment};

/// What a script may take for one test.
const TIME: Duration = Duration::from_secs(1);

/// The tests of one file.
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptTests {
    environment: TestEnvironment,
    /// The script that is asked instead of the one beside the file: for modules.
    script: Option<String>,
    tests: Vec<ScriptTest>,
}

/// One test.
#[derive(Debug, Clone, PartialEq)]
struct ScriptTest {
    name: String,
    line: usize,
    from: String,
    dialled: Digits,
    caller: Option<String>,
    pin: Option<String>,
    holiday: Option<String>,
    at: WallTime,
    down: Vec<String>,
    /// Millionths of a unit a minute, by gateway.
    prices: BTreeMap<String, i64>,
    expected: Vec<Expected>,
}

/// One thing that must be so.
#[derive(Debug, Clone, PartialEq)]
enum Expected {
    /// These stages: targets joined by `&`, each perhaps with `=NUMBER`, and perhaps a time: `101&102=5 20s`.
    Stages(Vec<String>),
    /// Refused, with this in the reason.
    Refused(String),
    /// The caller is asked for it.
    Asked(Wanted),
    /// It is an emergency call, or it is none.
    Emergency(bool),
    /// The first target is sent this number.
    Number(String),
    /// The first target is shown this caller.
    Shows(String),
    /// The caller is withheld, or not.
    Withheld(bool),
    /// The talk is recorded, or not.
    Recorded(bool),
    /// These announcements are played first.
    Played(Vec<String>),
    /// So much is waited first.
    Delayed(Duration),
}

/// How a test went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestOutcome {
    /// Its name.
    pub name: String,
    /// Its line in the file, from 1.
    pub line: usize,
    /// What was expected and what came, when they differ.
    pub failed: Option<String>,
}

impl ScriptTests {
    /// Reads a file.
    ///
    /// # Errors
    /// Every mistake in it, with line and column.
    pub fn read(text: &str) -> Result<ScriptTests, Vec<ScriptError>> {
        read::read(text)
    }

    /// How many tests there are.
    pub fn len(&self) -> usize {
        self.tests.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// Runs the tests of the script `file` of this library, in this configuration or else in the demonstration's. The
    /// script is asked about every call, whatever scripts the configuration names.
    ///
    /// # Errors
    /// The script does not compile. A test that fails is not an error; see [`TestOutcome::failed`].
    pub fn run(
        &self,
        file: &str,
        library: &Library,
        base: Option<&Config>,
        limits: Limits,
        clock: Clock,
    ) -> Result<Vec<TestOutcome>, Vec<PoolError>> {
        let mut library = library.clone();
        let mut file = file.to_owned();
        if let Some(script) = &self.script {
            file = format!("{file} by its tests");
            library.scripts.insert(file.clone(), script.clone());
        }
        // A test is about what is decided, not about how fast: it has much time, but not for ever.
        let limits = Limits { time: limits.time.max(TIME), ..limits };
        let wanted = BTreeMap::from([(file.clone(), file.clone())]);
        let pool = Pool::compile(&library, &wanted, limits, clock)?;
        let mut config = self.environment.config(base);
        config.script = Some(file);
        config.extensions.iter_mut().for_each(|e| e.script = None);
        config.lines.iter_mut().for_each(|l| l.script = None);
        config.gateways.iter_mut().for_each(|g| g.inbound_script = None);
        config.pins.iter_mut().for_each(|p| p.script = None);
        Ok(self.tests.iter().map(|test| test.run(&config, &pool)).collect())
    }
}

impl ScriptTest {
    fn run(&self, config: &Config, pool: &Pool) -> TestOutcome {
        let outcome = |failed| TestOutcome { name: self.name.clone(), line: self.line, failed };
        let Some(source) = self.source(config) else {
            let what = format!("{} is not an extension, line or gateway of the configuration", self.from);
            return outcome(Some(what));
        };
        let mut config = config.clone();
        if let Some(holiday) = &self.holiday {
            config.holidays = stubs::one_holiday(&self.at, holiday);
        }
        let fixed = Arc::new(StubServices { prices: self.prices.clone(), down: self.down.clone() });
        let router = Router::new(Arc::new(config)).with_gateways(fixed.clone());
        let engine = Engine::new(router, pool.scripts(), Arc::new(NoPlugins), fixed);
        let number = match (&self.caller, &source) {
            (Some(caller), _) => caller.clone(),
            (None, Source::Extension(id)) => id.to_string(),
            (None, _) => String::new(),
        };
        let decision = engine.decide(RouteQuery {
            call: CallId(1),
            source,
            caller: CallerId { number, ..CallerId::default() },
            dialled: self.dialled.clone(),
            planned: None,
            at: self.at,
            pin: self.pin.clone(),
            entered: None,
            user: String::new(),
            asked: false,
        });
        let fault = decision.events.iter().find_map(|event| match event {
            ringtrip_model::event::Event::ScriptFailed { why, .. } => Some(why.clone()),
            _ => None,
        });
        if let Some(why) = fault {
            return outcome(Some(format!("the script failed: {why}")));
        }
        let wrong = self.expected.iter().find(|expected| !expected.holds(&decision.plan));
        outcome(wrong.map(|expected| {
            let at =
                decision.plan.provenance.script.as_ref().map(|at| format!(" ({at})")).unwrap_or_default();
            format!("expected {}; it decides: {}{at}", expected.words(), words(&decision.plan))
        }))
    }

    fn source(&self, config: &Config) -> Option<Source> {
        if let Some(gateway) = config.gateways.iter().find(|g| g.id.as_str() == self.from) {
            return Some(Source::Gateway(gateway.id.clone()));
        }
        if let Some(line) = config.lines.iter().find(|l| l.id.as_str() == self.from) {
            return Some(Source::Line(line.id.clone()));
        }
        config.extension(&self.from).map(|e| Source::Extension(e.id.clone()))
    }
}

impl Expected {
    fn holds(&self, plan: &RoutePlan) -> bool {
        let first = match &plan.verdict {
            Verdict::Stages(stages) => stages.first().and_then(|s| s.targets.first()),
            _ => None,
        };
        match self {
            Expected::Stages(wanted) => match &plan.verdict {
                Verdict::Stages(stages) => {
                    stages.len() == wanted.len() && stages.iter().zip(wanted).all(|(s, w)| fits(s, w))
                }
                _ => false,
            },
            Expected::Refused(why) => {
                matches!(plan.verdict, Verdict::Refuse(_)) && plan.provenance.because.contains(why)
            }
            Expected::Asked(wanted) => matches!(&plan.verdict, Verdict::Ask(q) if q.wanted == *wanted),
            Expected::Emergency(is) => matches!(plan.verdict, Verdict::Emergency(_)) == *is,
            Expected::Number(number) => first.is_some_and(|a| a.number.as_str() == number),
            Expected::Shows(number) => first.is_some_and(|a| a.caller.number == *number),
            Expected::Withheld(is) => first.is_some_and(|a| a.caller.private == *is),
            Expected::Recorded(is) => plan.extras.record == *is,
            Expected::Played(prompts) => played(plan).iter().eq(prompts.iter()),
            Expected::Delayed(time) => delayed(plan) == *time,
        }
    }

    fn words(&self) -> String {
        match self {
            Expected::Stages(stages) => stages.join(", then "),
            Expected::Refused(why) if why.is_empty() => "a refusal".to_owned(),
            Expected::Refused(why) => format!("a refusal because of {why:?}"),
            Expected::Asked(Wanted::Pin) => "that a PIN is asked for".to_owned(),
            Expected::Asked(Wanted::Number) => "that a number is asked for".to_owned(),
            Expected::Emergency(true) => "an emergency call".to_owned(),
            Expected::Emergency(false) => "no emergency call".to_owned(),
            Expected::Number(number) => format!("number {number}"),
            Expected::Shows(number) => format!("that {number} is shown"),
            Expected::Withheld(true) => "a withheld caller".to_owned(),
            Expected::Withheld(false) => "a caller that is shown".to_owned(),
            Expected::Recorded(true) => "a recording".to_owned(),
            Expected::Recorded(false) => "no recording".to_owned(),
            Expected::Played(prompts) => format!("that {} is played", prompts.join(", ")),
            Expected::Delayed(time) => format!("a wait of {} s", time.as_secs_f64()),
        }
    }
}

/// `101&102=5 20s` against a stage. What is not written is not compared.
fn fits(stage: &Stage, wanted: &str) -> bool {
    let (targets, time) = wanted.split_once(' ').unwrap_or((wanted, ""));
    let in_time = time.is_empty() || time.trim() == format!("{}s", stage.timeout.as_secs());
    let targets: Vec<&str> = targets.split('&').collect();
    let same = targets.len() == stage.targets.len()
        && targets.iter().zip(&stage.targets).all(|(wanted, attempt)| match wanted.split_once('=') {
            Some((name, number)) => attempt.target.word() == name && attempt.number.as_str() == number,
            None => attempt.target.word() == *wanted,
        });
    in_time && same
}

/// A plan in words that a test could expect.
fn words(plan: &RoutePlan) -> String {
    let mut said = match &plan.verdict {
        Verdict::Stages(stages) => {
            let stage = |s: &Stage| {
                let target = |a: &ringtrip_exchange::route::Attempt| {
                    let hidden = if a.caller.private { " withheld" } else { "" };
                    format!("{}={}{hidden}", a.target.word(), a.number)
                };
                let targets: Vec<String> = s.targets.iter().map(target).collect();
                format!("{} {}s", targets.join("&"), s.timeout.as_secs())
            };
            stages.iter().map(stage).collect::<Vec<_>>().join(", then ")
        }
        Verdict::Refuse(cause) => format!("refuse ({}): {}", cause.word(), plan.provenance.because),
        Verdict::Emergency(_) => "an emergency call".to_owned(),
        Verdict::Ask(q) if q.wanted == Wanted::Pin => "ask for a PIN".to_owned(),
        Verdict::Ask(_) => "ask for a number".to_owned(),
    };
    for prelude in &plan.extras.before {
        said += &match prelude {
            Prelude::Play(name) => format!("; play {name}"),
            Prelude::Delay(time) => format!("; wait {} s", time.as_secs_f64()),
        };
    }
    if plan.extras.record {
        said += "; record";
    }
    said
}

fn played(plan: &RoutePlan) -> Vec<String> {
    let name = |p: &Prelude| if let Prelude::Play(name) = p { Some(name.clone()) } else { None };
    plan.extras.before.iter().filter_map(name).collect()
}

fn delayed(plan: &RoutePlan) -> Duration {
    plan.extras.before.iter().map(|p| if let Prelude::Delay(time) = p { *time } else { Duration::ZERO }).sum()
}

#[cfg(test)]
mod tests;
