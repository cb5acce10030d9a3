//! The engine that all scripts of a pool share: arithmetic, text, lists, and our own words; no files, clocks, threads.
//!
//! A script must never cost more than its own answer. It cannot make what grows unseen: function pointers are not called by
//! name or curried, nothing is shared, no text is compiled while it runs. And before each operation the clock and the
//! allocator's count of this thread are looked at: a script that exceeds one ends with an error that says so.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::router::{CallerEdit, Facts};
use rhai::module_resolvers::StaticModuleResolver;
use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage,
    BasicMathPackage, BasicStringPackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{
    Dynamic, Engine, EvalAltResult, INT, ImmutableString, Module, OptimizationLevel, Position, Shared,
};
use ringtrip_exchange::route::Extras;
use ringtrip_model::party::Digits;

use super::call::CallView;
use super::lines::NOTE;
use super::table::Tables;
use super::verbs::ScriptDecision;
use super::{Limits, call, extras, table, verbs};
use ringtrip_alloc::held;

/// Tells the time from any fixed beginning.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Functions calling functions: policies need a few levels, recursion bombs thousands.
const MAX_CALL_LEVELS: usize = 16;
/// Longest string, in bytes, and all strings of a list together: a list of a thousand numbers fits.
const MAX_STRING: usize = 64 << 10;
/// Longest list and map.
const MAX_ITEMS: usize = 1000;
/// Modules that one run may import.
const MAX_MODULES: usize = 32;
/// Lines kept of what a script prints in one run.
const MAX_PRINTED: usize = 32;
/// Lines noted of what a script runs.
const MAX_LINES: usize = 500;
/// What one run may hold at once. The longest tables of the shipped modules need some KiB; a list at its limit 40 KiB.
pub(super) const MAX_MEMORY: i64 = 8 << 20;
/// A deep stack: values a thousand deep, which the limits of lists and maps let happen, are compared and shown by recursion.
pub const STACK: usize = 32 << 20;
/// With less than this left, a run gets a stack of its own. Threads that only run scripts have one that is deep enough.
const STACK_LEFT: usize = 24 << 20;
/// What cannot grow unseen, and what compiles text.
const DISABLED: [&str; 4] = ["eval", "Fn", "call", "curry"];

/// What stands outside of functions as `const`, by name.
pub(super) type Constants = Arc<BTreeMap<String, Dynamic>>;
/// Those of modules, by the modules' sources.
pub(super) type OfModules = BTreeMap<String, Constants>;

/// What one run gets, and notes beside the value it returns. A run begins and ends on one thread.
#[derive(Default)]
pub(super) struct Run {
    pub deadline: Option<Duration>,
    /// The constants of the script that runs.
    pub constants: Constants,
    /// What the thread held when it began.
    pub held: i64,
    pub view: Option<CallView>,
    pub facts: Option<Facts>,
    pub number: Option<Digits>,
    pub caller: CallerEdit,
    pub extras: Extras,
    /// The last verb called: it decides when the function returns nothing.
    pub last: Option<ScriptDecision>,
    pub printed: Vec<String>,
    /// The lines that ran, each once, in the order in which they first did.
    pub lines: Vec<usize>,
    /// The line that was begun last.
    pub last_line: Option<usize>,
}

thread_local! {
    pub(super) static RUN: RefCell<Run> = RefCell::new(Run::default());
}

/// The functions of the language, made once: a check makes an engine for each module. The language core is left out on
/// purpose: it has `sleep`.
static PACKAGES: LazyLock<[Shared<Module>; 9]> = LazyLock::new(|| {
    [
        ArithmeticPackage::new().as_shared_module(),
        LogicPackage::new().as_shared_module(),
        BasicMathPackage::new().as_shared_module(),
        BasicStringPackage::new().as_shared_module(),
        MoreStringPackage::new().as_shared_module(),
        BasicIteratorPackage::new().as_shared_module(),
        BasicFnPackage::new().as_shared_module(),
        BasicArrayPackage::new().as_shared_module(),
        BasicMapPackage::new().as_shared_module(),
    ]
});

/// An engine with these tables and modules.
pub(super) fn engine(
    limits: Limits,
    tables: Tables,
    modules: StaticModuleResolver,
    of_modules: OfModules,
    clock: Clock,
) -> Engine {
    let mut engine = Engine::new_raw();
    for package in PACKAGES.iter() {
        engine.register_global_module(Shared::clone(package));
    }
    for symbol in DISABLED {
        engine.disable_symbol(symbol);
    }
    // An optimizer copies constants into the places that use them: a list of lists of lists grows at each step.
    engine.set_optimization_level(OptimizationLevel::None);
    // A name that nothing has is found when the script is compiled.
    engine.set_strict_variables(true);
    see_constants(&mut engine, of_modules);
    engine.set_module_resolver(modules);
    engine.set_max_modules(MAX_MODULES);
    engine.set_max_operations(limits.operations);
    engine.set_max_call_levels(MAX_CALL_LEVELS);
    engine.set_max_expr_depths(64, 32);
    engine.set_max_string_size(MAX_STRING);
    engine.set_max_array_size(MAX_ITEMS);
    engine.set_max_map_size(MAX_ITEMS);
    engine.set_max_variables(200);
    engine.set_max_functions(200);
    engine.on_progress(move |_| {
        RUN.with_borrow(|run| {
            if held() - run.held > MAX_MEMORY {
                return Some(Spent::Memory.token());
            }
            let late = run.deadline.is_some_and(|deadline| clock() > deadline);
            late.then(|| Spent::Time.token())
        })
    });
    engine.on_print(note_print);
    engine.on_debug(|text, _, at: Position| note_print(&format!("{at}: {text}")));
    engine.register_fn(NOTE, |line: INT| note_line(line));
    register_replace(&mut engine);
    call::register(&mut engine);
    verbs::register(&mut engine);
    extras::register(&mut engine);
    table::register(&mut engine, tables);
    engine
}

/// Functions see the constants at the top of their own file. The language lets them see their own variables only.
#[allow(deprecated)] // The language's word for "may change": it has no other way to name a value.
fn see_constants(engine: &mut Engine, of_modules: OfModules) {
    engine.on_var(move |name, index, context| {
        // With an index, or in the scope, it is a variable of the function.
        if index > 0 || context.scope().contains(name) {
            return Ok(None);
        }
        let of_module = context.source().and_then(|source| of_modules.get(source));
        Ok(match of_module {
            Some(constants) => constants.get(name).cloned(),
            None => RUN.with_borrow(|run| run.constants.get(name).cloned()),
        })
    });
}

/// What a run had none of any more when it was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spent {
    Time,
    Memory,
}

impl Spent {
    fn token(self) -> Dynamic {
        Dynamic::from_int(match self {
            Spent::Time => 0,
            Spent::Memory => 1,
        })
    }

    /// What ended a run, by the token of its error.
    pub fn of(token: &Dynamic) -> Spent {
        if token.as_int() == Ok(1) { Spent::Memory } else { Spent::Time }
    }
}

/// Runs this with limits, and gives what it noted.
pub(super) fn metered<T>(run: Run, until: Duration, what: impl FnOnce() -> T) -> (T, Run) {
    RUN.set(Run { deadline: Some(until), held: held(), ..run });
    let value = on_deep_stack(what);
    (value, RUN.take())
}

/// Runs this on a stack that is deep enough for all that a script may nest. A thread whose own stack is not makes one and
/// gives it back, which takes longer than a short script: who decides many calls in a row does it once, around them all.
pub fn on_deep_stack<T>(what: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(STACK_LEFT, STACK, what)
}

/// `replace` of the language makes a text of any length before its length is looked at: 16 MiB in one operation.
fn register_replace(engine: &mut Engine) {
    fn replaced(text: &mut ImmutableString, find: &str, with: &str) -> verbs::RhaiResult<()> {
        let found = text.matches(find).count();
        if text.len() - found * find.len() + found * with.len() > MAX_STRING {
            let what = "Length of string".to_owned();
            return Err(Box::new(EvalAltResult::ErrorDataTooLarge(what, Position::NONE)));
        }
        if found > 0 {
            *text = text.replace(find, with).into();
        }
        Ok(())
    }
    engine.register_fn("replace", replaced);
    engine.register_fn("replace", |text: &mut ImmutableString, find: &str, with: char| {
        replaced(text, find, with.encode_utf8(&mut [0; 4]))
    });
    engine.register_fn("replace", |text: &mut ImmutableString, find: char, with: &str| {
        replaced(text, find.encode_utf8(&mut [0; 4]), with)
    });
    engine.register_fn("replace", |text: &mut ImmutableString, find: char, with: char| {
        replaced(text, find.encode_utf8(&mut [0; 4]), with.encode_utf8(&mut [0; 4]))
    });
}

fn note_print(text: &str) {
    RUN.with_borrow_mut(|run| {
        if run.printed.len() < MAX_PRINTED {
            run.printed.push(text.chars().take(200).collect());
        }
    });
}

fn note_line(line: INT) {
    let Ok(line) = usize::try_from(line) else { return };
    RUN.with_borrow_mut(|run| {
        run.last_line = Some(line);
        if run.lines.len() < MAX_LINES && !run.lines.contains(&line) {
            run.lines.push(line);
        }
    });
}
