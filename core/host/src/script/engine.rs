//! The engine that all scripts of a pool share: arithmetic, text, lists, and our own words; no files, clocks, threads.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use rhai::module_resolvers::StaticModuleResolver;
use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage,
    BasicMathPackage, BasicStringPackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{Dynamic, Engine, INT, Position};
use ringtrip_switch::party::Digits;
use ringtrip_switch::route::Extras;
use ringtrip_switch::router::{CallerEdit, Facts};

use super::call::CallView;
use super::lines::NOTE;
use super::table::Tables;
use super::verbs::Decision;
use super::{Limits, call, extras, table, verbs};

/// Tells the time from any fixed beginning.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Functions calling functions: policies need a few levels, recursion bombs thousands.
const MAX_CALL_LEVELS: usize = 16;
/// Longest string, in bytes: numbers, names and reasons are far shorter.
const MAX_STRING: usize = 4096;
/// Longest list and map.
const MAX_ITEMS: usize = 1000;
/// Modules that one run may import.
const MAX_MODULES: usize = 32;
/// Lines kept of what a script prints in one run.
const MAX_PRINTED: usize = 32;
/// Lines noted of what a script runs.
const MAX_LINES: usize = 500;
/// The clock is asked every so many operations: asking costs more than an operation.
const CLOCK_EVERY: u64 = 64;

/// What one run is told, and notes beside the value it returns. A run begins and ends on one thread.
#[derive(Default)]
pub(super) struct Run {
    pub deadline: Option<Duration>,
    pub view: Option<CallView>,
    pub facts: Option<Facts>,
    pub number: Option<Digits>,
    pub caller: CallerEdit,
    pub extras: Extras,
    /// The last verb called: it decides when the function returns nothing.
    pub last: Option<Decision>,
    pub printed: Vec<String>,
    /// The lines that ran, each once, in the order in which they first did.
    pub lines: Vec<usize>,
    /// The line that was begun last.
    pub last_line: Option<usize>,
}

thread_local! {
    pub(super) static RUN: RefCell<Run> = RefCell::new(Run::default());
}

/// An engine with these tables and modules.
pub(super) fn engine(limits: Limits, tables: Tables, modules: StaticModuleResolver, clock: Clock) -> Engine {
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
    engine.on_progress(move |operations| {
        let late = operations % CLOCK_EVERY == 0
            && RUN.with_borrow(|run| run.deadline.is_some_and(|deadline| clock() > deadline));
        late.then_some(Dynamic::UNIT)
    });
    engine.on_print(note_print);
    engine.on_debug(|text, _, at: Position| note_print(&format!("{at}: {text}")));
    engine.register_fn(NOTE, |line: INT| note_line(line));
    call::register(&mut engine);
    verbs::register(&mut engine);
    extras::register(&mut engine);
    table::register(&mut engine, tables);
    engine
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
