//! No circle of files: two files of a crate do not import each other.
//!
//! A file imports another when a `use` names something in it: by `crate::`, `super::`, `self::`, or by the name of a child. Paths
//! in the middle of code do not count, nor does `mod`. A parent's `pub use` of what a child has is a re-export, and an import
//! only where the parent uses the name itself. So a parent that only declares and re-exports stands above its children, and
//! one whose children extend its own type stands below them; what is refused is a parent that holds its children's types while
//! they extend its own. Modules of tests are left out.
#![allow(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Files that import each other still. An entry goes when they do not any more; none is added.
const NOT_UNTANGLED: &[(&str, &str, &str)] = &[
    ("core/config", "lib", "line"),
    ("core/config", "lib", "money"),
    ("core/config", "lib", "numbering"),
    ("core/config", "lib", "pin"),
    ("core/daemon", "cli::remote", "cli::script"),
    ("core/daemon", "config::ics", "config::routing"),
    ("core/daemon", "config::lines", "config::parts"),
    ("core/daemon", "config::parts", "config::routing"),
    ("core/daemon", "control", "deploy"),
    ("core/daemon", "drafts::files", "drafts::plugins"),
    ("core/daemon", "exchange::boards", "exchange::directory"),
    ("core/daemon", "exchange::boards", "exchange::front"),
    ("core/daemon", "exchange::boards", "exchange::live"),
    ("core/daemon", "exchange::directory", "exchange::find"),
    ("core/daemon", "exchange::directory", "exchange::front"),
    ("core/daemon", "exchange::directory", "exchange::live"),
    ("core/daemon", "exchange::directory", "exchange::parts"),
    ("core/daemon", "exchange::directory", "exchange::registrations"),
    ("core/daemon", "exchange::directory", "exchange::route"),
    ("core/daemon", "media::worker", "media::worker::boards"),
    ("core/daemon", "routes", "routes::scripts"),
    ("core/daemon", "store", "store::memory"),
    ("core/daemon", "store", "store::open"),
    ("core/dialplan", "lib", "program"),
    ("core/exchange", "call::after", "call::machine"),
    ("core/exchange", "call::application", "call::legs"),
    ("core/exchange", "call::attend", "call::machine"),
    ("core/exchange", "call::hunt", "call::machine"),
    ("core/exchange", "call::legs", "call::machine"),
    ("core/exchange", "call::machine", "call::sound"),
    ("core/exchange", "call::machine", "call::transfer"),
    ("core/exchange", "directory", "directory::calls"),
    ("core/exchange", "directory", "directory::conferences"),
    ("core/exchange", "directory", "directory::lines"),
    ("core/exchange", "directory", "directory::pins"),
    ("core/exchange", "emergency", "route"),
    ("core/exchange", "gateway", "gateway::answer"),
    ("core/exchange", "line::fxo", "line::fxo::seize"),
    ("core/exchange", "line::fxs", "line::fxs::dialling"),
    ("core/exchange", "line::fxs", "line::fxs::ladder"),
    ("core/exchange", "line::fxs", "line::fxs::ringing"),
    ("core/media", "engine", "engine::board"),
    ("core/media", "engine", "engine::board_port"),
    ("core/media", "engine", "engine::event"),
    ("core/media", "engine", "engine::mixer"),
    ("core/media", "engine", "engine::output"),
    ("core/media", "engine", "engine::recording"),
    ("core/media", "engine", "engine::rtp_endpoint"),
    ("core/rating", "deck", "deck::build"),
    ("core/rating", "import", "import::compare"),
    ("core/rating", "import", "import::dialect"),
    ("core/rating", "import::compare", "import::rows"),
    ("core/rating", "import::header", "import::header::heading"),
    ("core/rating", "limiter", "limiter::account"),
    ("core/rating", "limiter", "limiter::limit"),
    ("core/rating", "limiter::account", "limiter::limit"),
    ("core/routing", "script", "script::call"),
    ("core/routing", "script", "script::engine"),
    ("core/routing", "script", "script::verbs"),
    ("core/routing", "script::builtins", "script::error"),
    ("core/routing", "script::call", "script::error"),
    ("core/routing", "script::extras", "script::verbs"),
    ("core/routing", "script::library", "script::pool"),
    ("core/sip", "endpoint", "endpoint::inbound"),
    ("core/sip", "endpoint", "endpoint::outbound"),
    ("core/testkit", "ua", "ua::life"),
    ("core/testkit", "world", "world::rating"),
    ("core/testkit", "world", "world::wire"),
    ("core/wasm", "cache", "runtime"),
    ("core/wasm", "installed", "installed::activate"),
    ("core/wasm", "installed", "installed::background"),
    ("core/wasm", "installed", "installed::planned"),
    ("core/wasm", "installed", "installed::view"),
    ("core/wasm", "installed::planned", "installed::validate_package"),
    ("sdk/build", "lib", "component"),
    ("sdk/build", "lib", "toolchain"),
    ("sdk/plugin", "lib", "gateway"),
    ("sdk/plugin", "lib", "policy"),
    ("xtask", "bench::calls", "bench::exchange"),
];

/// A module as its path within the crate.
type Module = Vec<String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the workspace").to_path_buf()
}

fn crates(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace can be read").flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let built =
            matches!(name.as_str(), "target" | "node_modules" | "fixtures" | "var") || name.starts_with('.');
        if !path.is_dir() || built {
            continue;
        }
        if name == "src" && (path.join("lib.rs").exists() || path.join("main.rs").exists()) {
            found.push(path);
        } else {
            crates(&path, found);
        }
    }
}

/// The sources of a crate by module, without their tests.
fn modules(src: &Path) -> BTreeMap<Module, String> {
    fn walk(folder: &Path, at: &Module, found: &mut BTreeMap<Module, String>) {
        for entry in fs::read_dir(folder).expect("a folder of sources").flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let stem = name.trim_end_matches(".rs").to_owned();
            if stem == "tests" {
                continue;
            }
            if path.is_dir() {
                let mut at = at.clone();
                at.push(stem);
                walk(&path, &at, found);
            } else if name.ends_with(".rs") {
                let mut module = at.clone();
                if !matches!(stem.as_str(), "mod" | "lib" | "main") {
                    module.push(stem);
                }
                let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                found.insert(module, code(&text));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(src, &Vec::new(), &mut found);
    found
}

/// The source without comments, and without the module of tests at its end.
fn code(source: &str) -> String {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    source.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// The statements that begin with `use`: is it a re-export, and the tree.
fn uses(code: &str) -> Vec<(bool, &str)> {
    let mut found = Vec::new();
    for (at, line) in code.match_indices('\n').map(|(at, _)| (at + 1, &code[at + 1..])).chain([(0, code)]) {
        let line = line.trim_start_matches(' ');
        let (public, rest) = match line.strip_prefix("pub") {
            Some(rest) if rest.starts_with('(') => (true, rest.split_once(") ").map_or("", |(_, rest)| rest)),
            Some(rest) => (true, rest.trim_start_matches(' ')),
            None => (false, line),
        };
        if let Some(tree) = rest.strip_prefix("use ")
            && let Some((tree, _)) = tree.split_once(';')
        {
            found.push((at, public, tree));
        }
    }
    found.sort_unstable();
    found.into_iter().map(|(_, public, tree)| (public, tree)).collect()
}

/// The paths of a tree: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((before, rest)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap_or_default().trim().to_owned()];
    };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty());
    parts
        .flat_map(paths)
        .map(|path| format!("{before}{path}"))
        .map(|p| p.trim_end_matches("::self").to_owned())
        .collect()
}

/// Does this word stand in the code outside of `use`?
fn names(code: &str, word: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let outside = |at: usize| {
        let before = &code[..at];
        // A statement of `use` is the text between the last `;` or `}` before it and the next `;`.
        let start = before.rfind([';', '}']).map_or(0, |at| at + 1);
        !before[start..].contains("use ")
    };
    code.match_indices(word).any(|(at, _)| {
        !part(code[..at].chars().next_back()) && !part(code[at + word.len()..].chars().next()) && outside(at)
    })
}

/// The module that a path leads into, as seen from `here`; none if it is outside of the crate.
fn target(path: &str, here: &Module, modules: &BTreeMap<Module, String>) -> Option<Module> {
    let mut segments: Vec<String> = path.split("::").map(|s| s.trim().to_owned()).collect();
    let mut base = match segments[0].as_str() {
        "crate" => Vec::new(),
        "self" => here.clone(),
        "super" => {
            let mut base = here.clone();
            while segments.len() > 1 && segments[1] == "super" {
                base.pop();
                segments.remove(0);
            }
            base.pop();
            base
        }
        child => {
            let mut module = here.clone();
            module.push(child.to_owned());
            if !modules.contains_key(&module) {
                return None;
            }
            segments.insert(0, String::new());
            here.clone()
        }
    };
    for segment in &segments[1..] {
        base.push(segment.clone());
        if !modules.contains_key(&base) {
            base.pop();
            break;
        }
    }
    (modules.contains_key(&base) && base != *here).then_some(base)
}

/// Pairs of modules that import each other.
fn circles(modules: &BTreeMap<Module, String>) -> BTreeSet<(String, String)> {
    let mut imports: BTreeSet<(&Module, Module)> = BTreeSet::new();
    for (here, code) in modules {
        for (public, tree) in uses(code) {
            for path in paths(tree) {
                let Some(target) = target(&path, here, modules) else { continue };
                let name = path.rsplit("::").next().unwrap_or_default();
                if !public || names(code, name) {
                    imports.insert((here, target));
                }
            }
        }
    }
    let name = |module: &Module| if module.is_empty() { "lib".to_owned() } else { module.join("::") };
    let both =
        imports.iter().filter(|(one, other)| *one < other && imports.contains(&(other, (*one).clone())));
    both.map(|(one, other)| (name(one), name(other))).collect()
}

#[test]
fn two_files_do_not_import_each_other() {
    let (mut found, mut all) = (Vec::new(), Vec::new());
    crates(&root(), &mut all);
    assert!(all.len() > 15, "{} crates were found", all.len());
    for src in all {
        let name =
            src.parent().and_then(|f| f.strip_prefix(root()).ok()).unwrap_or(&src).display().to_string();
        found.extend(circles(&modules(&src)).into_iter().map(|(one, other)| (name.clone(), one, other)));
    }
    let known = |(a, b, c): &(String, String, String)| {
        NOT_UNTANGLED.iter().any(|(name, one, other)| name == a && one == b && other == c)
    };
    let mut complaints: Vec<String> = found
        .iter()
        .filter(|pair| !known(pair))
        .map(|(name, one, other)| {
            format!("{name}: {one} and {other} import each other: put what both use below both")
        })
        .collect();
    for (name, one, other) in NOT_UNTANGLED {
        if !found.iter().any(|(a, b, c)| a == name && b == one && c == other) {
            complaints
                .push(format!("{name}: {one} and {other} are untangled: take them out of NOT_UNTANGLED"));
        }
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn the_check_sees_imports_and_no_re_exports() {
    let check = |files: &[(&str, &str)], wanted: &[(&str, &str)]| {
        let modules = files
            .iter()
            .map(|(name, text)| {
                (name.split("::").filter(|s| !s.is_empty()).map(str::to_owned).collect(), code(text))
            })
            .collect();
        let found = circles(&modules);
        let wanted = wanted.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(found, wanted, "{files:?}");
    };
    let uses_b = ("a", "use crate::b::B;\nstruct A(B);");
    check(&[uses_b, ("b", "use std::fmt;\nstruct B;")], &[]);
    check(&[uses_b, ("b", "use crate::a::{self, A};")], &[("a", "b")]);
    check(&[uses_b, ("b", "use super::{\n    c,\n    a::A,\n};"), ("c", "")], &[("a", "b")]);
    check(&[uses_b, ("b", "// use crate::a::A;\nstruct B;")], &[]);
    check(&[uses_b, ("b", "struct B;\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}")], &[]);
    // A parent and its child.
    let child = ("a::b", "use super::A;\nimpl A {}");
    check(&[("a", "mod b;\nstruct A;"), child], &[]);
    check(&[("a", "mod b;\nuse b::B;\nstruct A(B);"), child], &[("a", "a::b")]);
    check(&[("a", "mod b;\npub use b::B;\nstruct A;"), child], &[]);
    check(&[("a", "mod b;\npub use self::b::B;\nstruct A(B);"), child], &[("a", "a::b")]);
    check(&[("a", "mod b;\npub(crate) use b::B;"), ("a::b", "use crate::a::c::C;"), ("a::c", "")], &[]);
}
