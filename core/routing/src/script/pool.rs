//! All scripts of an exchange, compiled together with their modules and tables: all of them, or none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rhai::module_resolvers::StaticModuleResolver;
use rhai::{AST, Engine, Module, Scope};

use super::builtins::{self, Exports};
use super::engine::{Clock, Constants, OfModules, Run, engine, metered, on_deep_stack};
use super::error::{ScriptError, ScriptFault, nearest};
use super::lex::{Kind, tokens};
use super::library::Library;
use super::table::{PrefixTable, Tables};
use super::{Compiled, Limits, Script};

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
    /// Compiles the `wanted` scripts: their names in the pool, and the file of each, as the library names it.
    ///
    /// # Errors
    /// Every error of these scripts and of the modules and tables that they use. Nothing is loaded then.
    pub fn compile(
        library: &Library,
        wanted: &BTreeMap<String, String>,
        limits: Limits,
        clock: Clock,
    ) -> Result<Pool, Vec<PoolError>> {
        let mut errors = Vec::new();
        let (tables, broken) = tables(library);
        let mut modules = Modules::new(library, limits, tables, Arc::clone(&clock));
        // A module is loaded when the first script wants it.
        for file in wanted.values().collect::<BTreeSet<_>>() {
            if let Some(text) = library.scripts.get(file) {
                modules.load_imports(file, text, &mut Vec::new());
            }
        }
        let engine = Arc::new(modules.engine());
        errors.append(&mut modules.errors);
        // A table that cannot be read is an error of those who name it.
        let used = modules.seen.iter().filter_map(|name| library.modules.get(name));
        let used: Vec<&String> =
            used.chain(wanted.values().filter_map(|file| library.scripts.get(file))).collect();
        for (name, found) in broken {
            let quoted = format!("\"{name}\"");
            if used.iter().any(|text| text.contains(&quoted)) {
                errors.extend(found);
            }
        }
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
            match script(shown, text, &engine, limits, &clock, &modules.exports) {
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

    /// The same scripts without this one.
    pub fn without(&self, name: &str) -> Pool {
        let mut scripts = (*self.scripts).clone();
        scripts.remove(name);
        Pool { scripts: Arc::new(scripts) }
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
    let mut all: BTreeMap<String, PrefixTable> = (*self::tables(&library).0).clone();
    all.extend(tables);
    let mut modules = Modules::new(&library, limits, Arc::new(all), Arc::clone(&clock));
    modules.load_imports(name, text, &mut Vec::new());
    let engine = Arc::new(modules.engine());
    let first = modules.errors.into_iter().next();
    let script = script(name, text, &engine, limits, &clock, &modules.exports);
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

/// The tables, and what is wrong with those that cannot be read, by name.
fn tables(library: &Library) -> (Tables, BTreeMap<String, Vec<PoolError>>) {
    let (mut tables, mut broken) = (BTreeMap::new(), BTreeMap::<String, Vec<PoolError>>::new());
    let stem = |file: &str| file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_owned();
    let mut wrong = |file: &str, error: ScriptError| {
        broken.entry(stem(file)).or_default().push(PoolError { file: format!("tables/{file}"), error });
    };
    for (file, error) in &library.broken {
        if let Some(file) = file.strip_prefix("tables/") {
            wrong(file, error.clone());
        }
    }
    for (file, text) in &library.tables {
        let name = stem(file);
        match PrefixTable::read(text) {
            Ok(table) => {
                if tables.insert(name.clone(), table).is_none() {
                    continue;
                }
                let hint = "remove one of NAME.csv and NAME.txt";
                wrong(file, ScriptError::new(0, 0, format!("there are two tables {name}"), hint));
            }
            Err(found) => found.into_iter().for_each(|error| wrong(file, error)),
        }
    }
    (Arc::new(tables), broken)
}

/// Compiles a script and looks at the names it uses.
fn script(
    name: &str,
    text: &str,
    engine: &Arc<Engine>,
    limits: Limits,
    clock: &Clock,
    exports: &BTreeMap<String, Exports>,
) -> Result<Script, Vec<ScriptError>> {
    let mut ast = compiled(engine, text, exports)?;
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
    let constants = constants_of(engine, &ast, text, name, clock)?;
    let with = Compiled { engine: Arc::clone(engine), ast, constants };
    Ok(Script::new(name, text, with, limits, Arc::clone(clock)))
}

/// The values of the constants at the top of a script.
fn constants_of(
    engine: &Engine,
    ast: &AST,
    text: &str,
    name: &str,
    clock: &Clock,
) -> Result<Constants, Vec<ScriptError>> {
    let all = tokens(text);
    let names = builtins::constants(&all);
    if names.is_empty() {
        return Ok(Constants::default());
    }
    let (mut scope, until) = (Scope::new(), clock() + TIME_TO_LOAD);
    let (ran, run) = metered(Run::default(), until, || engine.run_ast_with_scope(&mut scope, ast));
    ran.map_err(|e| vec![top_level(name, &e, &run.printed)])?;
    let value = |name: &&str| Some(((*name).to_owned(), scope.get(name)?.clone()));
    Ok(Arc::new(names.iter().filter_map(value).collect()))
}

/// Why what stands outside of functions failed.
fn top_level(name: &str, error: &rhai::EvalAltResult, printed: &[String]) -> ScriptError {
    let at = error.position();
    let hint = "what stands outside of functions runs when the file is loaded";
    let what = ScriptFault::of(name, error, printed).what;
    ScriptError::new(at.line().unwrap_or(0), at.position().unwrap_or(0), what, hint)
}

fn compiled(
    engine: &Engine,
    text: &str,
    exports: &BTreeMap<String, Exports>,
) -> Result<AST, Vec<ScriptError>> {
    if text.len() > MAX_TEXT {
        let what = format!("the script has {} bytes", text.len());
        return Err(vec![ScriptError::new(0, 0, what, format!("at most {MAX_TEXT} are allowed"))]);
    }
    let ast = on_deep_stack(|| engine.compile_with_scope(&scope_of(text), text))
        .map_err(|e| vec![ScriptError::syntax(&e, text)])?;
    let unknown = builtins::unknown(&tokens(text), exports);
    if unknown.is_empty() { Ok(ast) } else { Err(unknown) }
}

/// The names that functions see beside their own: the constants at the top of the text.
pub(super) fn scope_of(text: &str) -> Scope<'static> {
    let mut scope = Scope::new();
    for name in builtins::constants(&tokens(text)) {
        scope.push_constant(name.to_owned(), ());
    }
    scope
}

/// The modules that are wanted, compiled in the order in which they need each other.
struct Modules<'l> {
    library: &'l Library,
    limits: Limits,
    tables: Tables,
    clock: Clock,
    ready: StaticModuleResolver,
    exports: BTreeMap<String, Exports>,
    constants: OfModules,
    seen: BTreeSet<String>,
    errors: Vec<PoolError>,
}

impl<'l> Modules<'l> {
    fn new(library: &'l Library, limits: Limits, tables: Tables, clock: Clock) -> Modules<'l> {
        let (ready, seen) = (StaticModuleResolver::new(), BTreeSet::new());
        let (exports, constants) = (BTreeMap::new(), OfModules::new());
        Modules { library, limits, tables, clock, ready, exports, constants, seen, errors: Vec::new() }
    }

    /// An engine with what is ready.
    fn engine(&self) -> Engine {
        let constants = self.constants.clone();
        engine(self.limits, Arc::clone(&self.tables), self.ready.clone(), constants, Arc::clone(&self.clock))
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
            if let Some(error) = self.library.broken.get(&format!("{name}.rhai")) {
                self.errors.push(PoolError { file: format!("{name}.rhai"), error: error.clone() });
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
        let source = format!("{name}.rhai");
        let made = compiled(&engine, text, &self.exports).and_then(|mut ast| {
            ast.set_source(source.as_str());
            let constants = constants_of(&engine, &ast, text, &source, &self.clock)?;
            let until = (self.clock)() + TIME_TO_LOAD;
            let (made, run) =
                metered(Run::default(), until, || Module::eval_ast_as_new(Scope::new(), &ast, &engine));
            let mut module = made.map_err(|e| vec![top_level(name, &e, &run.printed)])?;
            for (name, value) in constants.iter() {
                module.set_var(name.as_str(), value.clone());
            }
            Ok((module, constants))
        });
        match made {
            Ok((module, constants)) => {
                self.ready.insert(name, module);
                self.exports.insert(name.to_owned(), Exports::of(text));
                self.constants.insert(source, constants);
            }
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
