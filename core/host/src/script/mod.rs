//! A routing policy: compiled once, run once a call.
//!
//! The script defines `fn route(c)`. `c` is the call; the verbs (`to`, `ring`, `fork`, `try_in_order`, `block`, `pass`)
//! make a decision, which the function returns. `scripts/default.rhai` explains them to people.

mod call;
mod error;
mod table;
mod verbs;

pub use error::{ScriptError, ScriptFault};
pub use table::PrefixTable;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage,
    BasicMathPackage, BasicStringPackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{AST, CallFnOptions, Dynamic, Engine, EvalAltResult, Position, Scope};
use ringtrip_switch::party::Digits;
use ringtrip_switch::router::{CallerEdit, PolicyAnswer, PolicyCall};

use call::CallView;
use verbs::Decision;

/// A compiled policy. Cheap to share; runs on any thread.
pub struct Script {
    name: String,
    engine: Engine,
    ast: AST,
    time: Duration,
    clock: Arc<dyn Fn() -> Duration + Send + Sync>,
}

/// How much a policy may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Operations a call.
    pub operations: u64,
    /// Wall-clock time a call.
    pub time: Duration,
}

/// The largest script text.
const MAX_TEXT: usize = 256 * 1024;
/// Functions calling functions: policies need a few levels, recursion bombs thousands.
const MAX_CALL_LEVELS: usize = 16;
/// Longest string, in bytes: numbers, names and reasons are far shorter.
const MAX_STRING: usize = 4096;
/// Longest list and map.
const MAX_ITEMS: usize = 1000;
/// Lines kept of what a script prints in one run.
const MAX_PRINTED: usize = 32;
/// The clock is asked every so many operations: asking costs more than an operation.
const CLOCK_EVERY: u64 = 64;

/// What one run notes beside the value it returns. A run begins and ends on one thread.
#[derive(Default)]
struct Run {
    deadline: Option<Duration>,
    number: Option<Digits>,
    caller: CallerEdit,
    /// The last verb called: it decides when the function returns nothing.
    last: Option<Decision>,
    printed: Vec<String>,
}

thread_local! {
    static RUN: RefCell<Run> = RefCell::new(Run::default());
}

impl Default for Limits {
    /// 100,000 operations and 20 ms: hundreds of times what a usual policy needs.
    fn default() -> Limits {
        Limits { operations: 100_000, time: Duration::from_millis(20) }
    }
}

impl Script {
    /// Compiles a policy. `clock` tells the time from any fixed beginning; it is asked while the policy runs.
    /// A script that is refused leaves whatever ran before untouched: the caller keeps the old [`Script`].
    pub fn compile(
        name: &str,
        text: &str,
        limits: Limits,
        tables: BTreeMap<String, PrefixTable>,
        clock: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Result<Script, ScriptError> {
        if text.len() > MAX_TEXT {
            let what = format!("the script has {} bytes", text.len());
            return Err(ScriptError::new(0, 0, what, format!("at most {MAX_TEXT} are allowed")));
        }
        let clock: Arc<dyn Fn() -> Duration + Send + Sync> = Arc::new(clock);
        let engine = engine(limits, tables, Arc::clone(&clock));
        let mut ast = engine.compile(text).map_err(|e| ScriptError::syntax(&e))?;
        ast.set_source(name);
        let takes_call = |f: rhai::ScriptFnMetadata<'_>| f.name == "route" && f.params.len() == 1;
        if !ast.iter_functions().any(takes_call) {
            let hint = "write fn route(c) { … }, with one parameter, which is the call";
            return Err(ScriptError::new(1, 1, "there is no function route(c)", hint));
        }
        Ok(Script { name: name.to_owned(), engine, ast, time: limits.time, clock })
    }

    /// The script's name, `default.rhai`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same as [`Script::run`], noting each line that was run.
    pub fn explain(&self, call: &PolicyCall) -> Result<PolicyAnswer, ScriptFault> {
        self.run(call)
    }

    /// Asks the policy where this call should go.
    pub fn run(&self, call: &PolicyCall) -> Result<PolicyAnswer, ScriptFault> {
        RUN.set(Run { deadline: Some((self.clock)() + self.time), ..Run::default() });
        let options = CallFnOptions::new().eval_ast(true).rewind_scope(true);
        let view = Dynamic::from(CallView::new(call));
        let result: Result<Dynamic, Box<EvalAltResult>> =
            self.engine.call_fn_with_options(options, &mut Scope::new(), &self.ast, "route", (view,));
        let run = RUN.take();
        let value = result.map_err(|e| ScriptFault::of(&self.name, &e, &run.printed))?;
        let decision = if value.is_unit() {
            run.last
        } else {
            let kind = value.type_name();
            Some(value.try_cast::<Decision>().ok_or_else(|| ScriptFault {
                script: self.name.clone(),
                line: None,
                what: format!(
                    "route(c) returned {kind}; it must return what a verb gives, such as to(\"gw1\")"
                ),
                printed: run.printed.clone(),
            })?)
        };
        let decided_at = decision.as_ref().and_then(|d| d.line).map(|line| format!("{}:{line}", self.name));
        Ok(PolicyAnswer {
            verdict: decision.map(|d| d.verdict).unwrap_or_default(),
            number: run.number,
            caller: run.caller,
            decided_at: decided_at.unwrap_or_default(),
            ..PolicyAnswer::default()
        })
    }
}

/// An engine without files, clocks, threads or modules: arithmetic, text, lists, and our own words.
fn engine(
    limits: Limits,
    tables: BTreeMap<String, PrefixTable>,
    clock: Arc<dyn Fn() -> Duration + Send + Sync>,
) -> Engine {
    let mut engine = Engine::new_raw();
    // The language core is left out on purpose: it has `sleep`.
    engine.register_global_module(ArithmeticPackage::new().as_shared_module());
    engine.register_global_module(LogicPackage::new().as_shared_module());
    engine.register_global_module(BasicMathPackage::new().as_shared_module());
    engine.register_global_module(BasicStringPackage::new().as_shared_module());
    engine.register_global_module(MoreStringPackage::new().as_shared_module());
    engine.register_global_module(BasicIteratorPackage::new().as_shared_module());
    engine.register_global_module(BasicFnPackage::new().as_shared_module());
    engine.register_global_module(BasicArrayPackage::new().as_shared_module());
    engine.register_global_module(BasicMapPackage::new().as_shared_module());
    engine.disable_symbol("eval");
    engine.disable_symbol("import");
    engine.set_max_modules(0);
    engine.set_max_operations(limits.operations);
    engine.set_max_call_levels(MAX_CALL_LEVELS);
    engine.set_max_expr_depths(64, 32);
    engine.set_max_string_size(MAX_STRING);
    engine.set_max_array_size(MAX_ITEMS);
    engine.set_max_map_size(MAX_ITEMS);
    engine.set_max_variables(200);
    engine.set_max_functions(200);
    engine.on_progress(move |operations| {
        let late = operations % CLOCK_EVERY == 0
            && RUN.with_borrow(|run| run.deadline.is_some_and(|deadline| clock() > deadline));
        late.then_some(Dynamic::UNIT)
    });
    engine.on_print(note_print);
    engine.on_debug(|text, _, at: Position| note_print(&format!("{at}: {text}")));
    call::register(&mut engine);
    verbs::register(&mut engine);
    table::register(&mut engine, tables);
    engine
}

/// What a script prints is kept for its fault report, and goes nowhere else.
fn note_print(text: &str) {
    RUN.with_borrow_mut(|run| {
        if run.printed.len() < MAX_PRINTED {
            run.printed.push(text.to_owned());
        }
    });
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Script({})", self.name)
    }
}

#[cfg(test)]
mod tests;
