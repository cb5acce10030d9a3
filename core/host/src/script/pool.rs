//! All scripts of an exchange, compiled together with their modules and tables: all of them, or none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhai::module_resolvers::StaticModuleResolver;
use rhai::{AST, Engine, Module, Scope};

use super::engine::{Clock, Run, deep, engine, metered};
use super::error::{ScriptError, ScriptFault, nearest};
use super::lex::{Kind, tokens};
use super::library::Library;
use super::names;
use super::table::{PrefixTable, Tables};
use super::{Limits, Script};

/// The scripts, by the names that the configuration uses.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    scripts: Arc<BTreeMap<String, Arc<Script>>>,
}

/// Why a pool was refused: what is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {error}")]
pub struct PoolError {
    /// The file: `scripts/default.rhai`, `uk.rhai`, `tables/uk.csv`.
    pub file: String,
    /// Where and what.
    pub error: ScriptError,
}

/// The largest script text.
const MAX_TEXT: usize = 256 * 1024;
/// What stands outside of a module's functions, when it is loaded.
const TIME_TO_LOAD: std::time::Duration = std::time::Duration::from_secs(1);
/// Modules importing modules.
const MAX_DEPTH: usize = 8;

impl Pool {
    /// Compiles the `wanted` scripts: their names in the pool, and the file of each, as the library names it. On an error
    /// nothing is loaded, and all errors are named.
    pub fn compile(
        library: &Library,
        wanted: &BTreeMap<String, String>,
        limits: Limits,
        clock: Clock,
    ) -> Result<Pool, Vec<PoolError>> {
        let mut errors = Vec::new();
        let tables = tables(library, &mut errors);
        let mut modules = Modules::new(library, limits, tables, Arc::clone(&clock));
        // A module is loaded when the first script wants it.
        for file in wanted.values().collect::<BTreeSet<_>>() {
            if let Some(text) = library.scripts.get(file) {
                modules.load_imports(file, text, &mut Vec::new());
            }
        }
        let engine = Arc::new(modules.engine());
        errors.append(&mut modules.errors);
        let mut compiled: BTreeMap<&str, Arc<Script>> = BTreeMap::new();
        let mut scripts = BTreeMap::new();
        for (name, file) in wanted {
            let Some(text) = library.scripts.get(file) else {
                let what = "there is no such script".to_owned();
                let hint = format!("the configuration names it as script {name}");
                errors.push(PoolError { file: file.clone(), error: ScriptError::new(0, 0, what, hint) });
                continue;
            };
            if let Some(script) = compiled.get(file.as_str()) {
                scripts.insert(name.clone(), Arc::clone(script));
                continue;
            }
            let shown = file.rsplit('/').next().unwrap_or(file);
            match script(shown, text, &engine, limits, &clock) {
                Ok(script) => {
                    let script = Arc::new(script);
                    compiled.insert(file, Arc::clone(&script));
                    scripts.insert(name.clone(), script);
                }
                Err(found) => {
                    errors.extend(found.into_iter().map(|error| PoolError { file: file.clone(), error }));
                }
            }
        }
        errors.sort_by(|a, b| {
            (&a.file, a.error.line, a.error.column).cmp(&(&b.file, b.error.line, b.error.column))
        });
        errors.dedup();
        if errors.is_empty() { Ok(Pool { scripts: Arc::new(scripts) }) } else { Err(errors) }
    }

    /// Everything wrong with one text, as a script or, when it defines functions but no `route`, as a module.
    pub fn check(library: &Library, file: &str, text: &str, limits: Limits, clock: Clock) -> Vec<PoolError> {
        let library = library.clone().with(file, text);
        let module = file.rsplit('/').next().and_then(|name| name.strip_suffix(".rhai"));
        if let Some(module) = module.filter(|_| is_module(text)) {
            let importing = format!("import \"{module}\" as m; fn route(c) {{ pass() }}");
            let library = library.with("\0importing", &importing);
            let wanted = BTreeMap::from([(String::new(), "\0importing".to_owned())]);
            return Pool::compile(&library, &wanted, limits, clock).err().unwrap_or_default();
        }
        let wanted = BTreeMap::from([(file.to_owned(), file.to_owned())]);
        Pool::compile(&library, &wanted, limits, clock).err().unwrap_or_default()
    }

    /// The scripts, by name.
    pub fn scripts(&self) -> Arc<BTreeMap<String, Arc<Script>>> {
        Arc::clone(&self.scripts)
    }

    /// The script of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Script>> {
        self.scripts.get(name)
    }
}

/// Does a text define functions, but none that looks like `route`?
pub(super) fn is_module(text: &str) -> bool {
    let all = tokens(text);
    let names: Vec<&str> = all.windows(2).filter(|w| w[0].is("fn")).map(|w| w[1].text).collect();
    !names.is_empty() && nearest("route", names.into_iter()).is_none()
}

/// A script alone, with the modules that ship.
pub(super) fn alone(
    name: &str,
    text: &str,
    limits: Limits,
    tables: BTreeMap<String, PrefixTable>,
    clock: Clock,
) -> Result<Script, ScriptError> {
    let library = Library::shipped();
    let mut errors = Vec::new();
    let mut all: BTreeMap<String, PrefixTable> = (*self::tables(&library, &mut errors)).clone();
    all.extend(tables);
    let mut modules = Modules::new(&library, limits, Arc::new(all), Arc::clone(&clock));
    modules.load_imports(name, text, &mut Vec::new());
    let engine = Arc::new(modules.engine());
    let first = errors.into_iter().chain(modules.errors).next();
    let script = script(name, text, &engine, limits, &clock);
    match (script, first) {
        (Err(found), first) => {
            let first = first.map(|e| e.error);
            let of_text = found.into_iter().next();
            Err(of_text.or(first).unwrap_or_else(|| ScriptError::new(0, 0, "refused", "")))
        }
        (Ok(_), Some(first)) => Err(first.error),
        (Ok(script), None) => Ok(script),
    }
}

fn tables(library: &Library, errors: &mut Vec<PoolError>) -> Tables {
    let mut tables = BTreeMap::new();
    for (file, text) in &library.tables {
        let name = file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem);
        let shown = format!("tables/{file}");
        match PrefixTable::read(text) {
            Ok(table) => {
                if tables.insert(name.to_owned(), table).is_none() {
                    continue;
                }
                let hint = "remove one of NAME.csv and NAME.txt";
                let error = ScriptError::new(0, 0, format!("there are two tables {name}"), hint);
                errors.push(PoolError { file: shown, error });
            }
            Err(found) => {
                errors.extend(found.into_iter().map(|error| PoolError { file: shown.clone(), error }));
            }
        }
    }
    Arc::new(tables)
}

/// Compiles a script and looks at the names it uses.
fn script(
    name: &str,
    text: &str,
    engine: &Arc<Engine>,
    limits: Limits,
    clock: &Clock,
) -> Result<Script, Vec<ScriptError>> {
    let mut ast = compiled(engine, text)?;
    ast.set_source(name);
    let takes_call = |f: &rhai::ScriptFnMetadata<'_>| f.name == "route" && f.params.len() == 1;
    if !ast.iter_functions().any(|f| takes_call(&f)) {
        let all = tokens(text);
        let mut near = all.windows(2).filter(|w| w[0].is("fn")).map(|w| &w[1]);
        let near = near.rfind(|t| nearest("route", std::iter::once(t.text)).is_some());
        let (line, column) = near.map_or((1, 1), |t| (t.line, t.column));
        let what = match near {
            Some(near) if near.text == "route" => "route does not take the call".to_owned(),
            Some(near) => format!("there is no function route(c), but {}", near.text),
            None => "there is no function route(c)".to_owned(),
        };
        let hint = "write fn route(c) { … }, with one parameter, which is the call";
        return Err(vec![ScriptError::new(line, column, what, hint)]);
    }
    Ok(Script::new(name, text, Arc::clone(engine), ast, limits, Arc::clone(clock)))
}

fn compiled(engine: &Engine, text: &str) -> Result<AST, Vec<ScriptError>> {
    if text.len() > MAX_TEXT {
        let what = format!("the script has {} bytes", text.len());
        return Err(vec![ScriptError::new(0, 0, what, format!("at most {MAX_TEXT} are allowed"))]);
    }
    let ast = deep(|| engine.compile(text)).map_err(|e| vec![ScriptError::syntax(&e, text)])?;
    let unknown = names::unknown(&tokens(text));
    if unknown.is_empty() { Ok(ast) } else { Err(unknown) }
}

/// The modules that are wanted, compiled in the order in which they need each other.
struct Modules<'l> {
    library: &'l Library,
    limits: Limits,
    tables: Tables,
    clock: Clock,
    ready: StaticModuleResolver,
    seen: BTreeSet<String>,
    errors: Vec<PoolError>,
}

impl<'l> Modules<'l> {
    fn new(library: &'l Library, limits: Limits, tables: Tables, clock: Clock) -> Modules<'l> {
        let (ready, seen) = (StaticModuleResolver::new(), BTreeSet::new());
        Modules { library, limits, tables, clock, ready, seen, errors: Vec::new() }
    }

    /// An engine with what is ready.
    fn engine(&self) -> Engine {
        engine(self.limits, Arc::clone(&self.tables), self.ready.clone(), Arc::clone(&self.clock))
    }

    /// Loads what this text imports, deepest first. `path` is the way here, to find circles. `false`: something is missing.
    fn load_imports(&mut self, file: &str, text: &str, path: &mut Vec<String>) -> bool {
        let before = self.errors.len();
        let all = tokens(text);
        let all: Vec<_> = all.iter().filter(|t| !t.is_comment()).collect();
        for w in all.windows(2).filter(|w| w[0].is("import")) {
            let wrong = |what: String, hint: String| PoolError {
                file: file.to_owned(),
                error: ScriptError::new(w[1].line, w[1].column, what, hint),
            };
            let Some(name) = literal(w[1].kind, w[1].text) else {
                let what = "import takes a name in quotes".to_owned();
                self.errors.push(wrong(what, "write import \"uk\" as uk;".to_owned()));
                continue;
            };
            if path.iter().any(|p| p == name) {
                let way = path.join(" imports ");
                let what = format!("modules import each other in a circle: {way} imports {name}");
                self.errors.push(wrong(what, "move what both need into a third module".to_owned()));
                continue;
            }
            if path.len() >= MAX_DEPTH {
                let what = format!("modules import each other more than {MAX_DEPTH} deep");
                self.errors.push(wrong(what, "import fewer".to_owned()));
                continue;
            }
            let Some(module) = self.library.modules.get(name) else {
                let hint = match nearest(name, self.library.modules.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => format!("put {name}.rhai into the scripts folder"),
                };
                self.errors.push(wrong(format!("there is no module {name:?}"), hint));
                continue;
            };
            if !self.seen.insert(name.to_owned()) {
                continue;
            }
            path.push(name.to_owned());
            let whole = self.load_imports(&format!("{name}.rhai"), module, path);
            path.pop();
            if whole {
                self.compile(name, module);
            }
        }
        self.errors.len() == before
    }

    fn compile(&mut self, name: &str, text: &str) {
        let engine = self.engine();
        let made = compiled(&engine, text).and_then(|mut ast| {
            ast.set_source(format!("{name}.rhai"));
            let until = (self.clock)() + TIME_TO_LOAD;
            let (made, run) =
                metered(Run::default(), until, || Module::eval_ast_as_new(Scope::new(), &ast, &engine));
            made.map_err(|e| {
                let (line, column) = (e.position().line().unwrap_or(0), e.position().position().unwrap_or(0));
                let hint = "what stands outside of functions runs when the module is loaded";
                let what = ScriptFault::of(name, &e, &run.printed).what;
                vec![ScriptError::new(line, column, what, hint)]
            })
        });
        match made {
            Ok(module) => self.ready.insert(name, module),
            Err(found) => {
                let file = format!("{name}.rhai");
                self.errors.extend(found.into_iter().map(|error| PoolError { file: file.clone(), error }));
            }
        }
    }
}

/// The name in `"uk"`.
fn literal(kind: Kind, text: &str) -> Option<&str> {
    let inside = text.strip_prefix('"')?.strip_suffix('"')?;
    (kind == Kind::Text && !inside.contains('\\')).then_some(inside)
}
