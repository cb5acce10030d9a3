//! Routing policies: compiled once, run once a call.
//!
//! A script defines `fn route(c)`. `c` is the call; the verbs (`to`, `ring`, `fork`, `try_in_order`, `cheapest`, `block`,
//! `ask_pin`, `pass`) make a decision, which the function returns. `scripts/default.rhai` explains them to people.
//!
//! Scripts live in a [`Pool`] with the tables and modules of the scripts folder; a pool is loaded whole or not at all.

mod builtins;
mod call;
mod engine;
mod error;
mod extras;
mod format;
mod lex;
mod library;
mod lines;
mod pool;
mod script_tests;
mod table;
mod verbs;

pub use engine::{Clock, STACK, on_deep_stack};
pub use error::{ScriptError, ScriptFault, nearest};
pub use format::{Unbalanced, format};
pub use library::{Library, decoded};
pub use pool::{Pool, PoolError};
pub use script_tests::{ScriptTests, TestOutcome};
pub use table::PrefixTable;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::router::{PolicyAnswer, PolicyCall, PolicyVerdict};
use rhai::{AST, CallFnOptions, Dynamic, Engine, EvalAltResult, Scope};
use ringtrip_exchange::route::{Step, StepKind};

use call::CallView;
use engine::{Constants, RUN, Run, metered};
use verbs::ScriptDecision;

/// A compiled policy. Cheap to share; runs on any thread.
pub struct Script {
    name: String,
    text: String,
    with: Compiled,
    /// The text that notes its lines, compiled when it is first explained.
    noting: OnceLock<Option<AST>>,
    time: Duration,
    clock: Clock,
}

/// A text as the language has it.
struct Compiled {
    engine: Arc<Engine>,
    ast: AST,
    /// What its functions see beside their own.
    constants: Constants,
}

/// How much a policy may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Operations a call.
    pub operations: u64,
    /// Wall-clock time a call.
    pub time: Duration,
}

impl Default for Limits {
    /// 100,000 operations and 20 ms: hundreds of times what a usual policy needs.
    fn default() -> Limits {
        Limits { operations: 100_000, time: Duration::from_millis(20) }
    }
}

impl Script {
    /// Compiles a policy that stands alone, with the modules that ship with the exchange and tables of its own. `clock`
    /// tells the time from any fixed beginning; it is asked while the policy runs.
    ///
    /// # Errors
    /// The first mistake in it, with line and column.
    pub fn compile(
        name: &str,
        text: &str,
        limits: Limits,
        tables: BTreeMap<String, PrefixTable>,
        clock: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Result<Script, ScriptError> {
        pool::alone(name, text, limits, tables, Arc::new(clock))
    }

    fn new(name: &str, text: &str, with: Compiled, limits: Limits, clock: Clock) -> Script {
        let (name, text) = (name.to_owned(), text.to_owned());
        Script { name, text, with, noting: OnceLock::new(), time: limits.time, clock }
    }

    /// The script's name, `default.rhai`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its text, as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Asks the policy where this call should go.
    ///
    /// # Errors
    /// The script failed, exceeded one of its limits, or returned something that is not a decision.
    pub fn run(&self, call: &PolicyCall) -> Result<PolicyAnswer, ScriptFault> {
        let (result, run) = self.enter(&self.with.ast, call);
        let value = result.map_err(|e| on_deep_stack(|| ScriptFault::of(&self.name, &e, &run.printed)))?;
        let decision = if value.is_unit() {
            run.last
        } else {
            let kind = value.type_name();
            Some(value.try_cast::<ScriptDecision>().ok_or_else(|| ScriptFault {
                script: self.name.clone(),
                line: None,
                what: format!(
                    "route(c) returned {kind}; it must return what a verb gives, such as to(\"gw1\")"
                ),
                printed: run.printed.clone(),
            })?)
        };
        let decided_at = decision.as_ref().and_then(|d| d.line).map(|line| format!("{}:{line}", self.name));
        let verdict = decision.map(|d| d.verdict).unwrap_or_default();
        let mut steps: Vec<Step> = Vec::with_capacity(1 + run.printed.len());
        let step =
            |subject: &str, said: String| Step { kind: StepKind::Script, subject: subject.to_owned(), said };
        steps.extend(run.printed.iter().map(|line| step(&self.name, format!("printed: {line}"))));
        steps.push(step(decided_at.as_deref().unwrap_or(&self.name), said(&verdict)));
        Ok(PolicyAnswer {
            verdict,
            number: run.number,
            caller: run.caller,
            decided_at: decided_at.unwrap_or_default(),
            extras: run.extras,
            steps,
        })
    }

    /// The same as [`Script::run`], noting each line that was run. The answer is that of [`Script::run`]; the lines are
    /// those of a second run. A failure whose place the language does not tell names the last line that was begun.
    ///
    /// # Errors
    /// Those of [`Script::run`].
    pub fn explain(&self, call: &PolicyCall) -> Result<PolicyAnswer, ScriptFault> {
        let answer = self.run(call);
        // A script that knows its place needs no second run.
        if answer.as_ref().is_err_and(|fault| fault.line.is_some()) {
            return answer;
        }
        let noting = self.noting.get_or_init(|| {
            let (scope, noting) = (pool::scope_of(&self.text), lines::noting(&self.text));
            let mut ast = on_deep_stack(|| self.with.engine.compile_with_scope(&scope, noting)).ok()?;
            ast.set_source(self.name.as_str());
            Some(ast)
        });
        let Some(noting) = noting else { return answer };
        let (_, run) = self.enter(noting, call);
        // Where it was when it had done too much.
        let mut answer = answer.map_err(|fault| ScriptFault { line: run.last_line, ..fault })?;
        let texts: Vec<&str> = self.text.lines().collect();
        let ran = run.lines.into_iter().map(|line| Step {
            kind: StepKind::Line,
            subject: format!("{}:{line}", self.name),
            said: line.checked_sub(1).and_then(|i| texts.get(i)).unwrap_or(&"").trim().to_owned(),
        });
        answer.steps.splice(0..0, ran);
        Ok(answer)
    }

    fn enter(&self, ast: &AST, call: &PolicyCall) -> (Result<Dynamic, Box<EvalAltResult>>, Run) {
        let view = CallView::new(call);
        let run = Run {
            view: Some(view.clone()),
            facts: Some(call.facts.clone()),
            constants: Arc::clone(&self.with.constants),
            ..Run::default()
        };
        let options = CallFnOptions::new().eval_ast(true).rewind_scope(true);
        let argument = (Dynamic::from(view),);
        metered(run, (self.clock)() + self.time, || {
            self.with.engine.call_fn_with_options(options, &mut Scope::new(), ast, "route", argument)
        })
    }
}

/// A verdict in words.
fn said(verdict: &PolicyVerdict) -> String {
    match verdict {
        PolicyVerdict::Pass => "lets the plan decide".to_owned(),
        PolicyVerdict::Refuse { because, .. } => format!("refuses: {because}"),
        PolicyVerdict::Ask(_) => "asks the caller".to_owned(),
        PolicyVerdict::Stages(items) if items.len() == 1 => "names one stage".to_owned(),
        PolicyVerdict::Stages(items) => format!("names {} stages", items.len()),
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Script({})", self.name)
    }
}

#[cfg(test)]
mod tests;
