//! The walls of the workspace, checked by reading it: which crate may import what, where `unsafe` may stand, what a
//! manifest must say.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the workspace").to_path_buf()
}

/// All files of the workspace with this ending, without build output.
fn files(ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace can be read").flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "target" | "node_modules" | "dist" | "book" | "var")
                    && !name.starts_with(".git")
                {
                    folders.push(path);
                }
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn short(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[track_caller]
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// The names that a manifest depends on: also for one system only, for its build script, or in a table of their own.
/// `dev`: those of its tests, too.
fn dependencies(manifest: &str, dev: bool) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        let line = line.trim();
        if let Some(table) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            let mut words = table.rsplit('.');
            let last = words.next().unwrap_or_default().trim();
            inside = lists_dependencies(last, dev);
            if words.next().is_some_and(|word| lists_dependencies(word, dev)) {
                names.push(last.trim_matches('"').to_owned());
            }
        } else if inside && let Some((name, _)) = line.split_once(['.', '=', ' ']) {
            names.push(name.trim().to_owned());
        }
    }
    names.retain(|n| !n.is_empty() && !n.starts_with('#'));
    names
}

fn lists_dependencies(table: &str, dev: bool) -> bool {
    matches!(table, "dependencies" | "build-dependencies") || dev && table == "dev-dependencies"
}

#[test]
fn a_dependency_is_seen_wherever_it_stands() {
    let manifest = "[dependencies]\nbytes.workspace = true\n# tokio\n[target.'cfg(unix)'.dependencies]\ntokio = \"1\"\n\
        [build-dependencies]\ncc = \"1\"\n[dependencies.sled]\nversion = \"0.34\"\n[dev-dependencies]\nactix = \"0\"\n";
    assert_eq!(dependencies(manifest, false), ["bytes", "tokio", "cc", "sled"]);
    assert_eq!(dependencies(manifest, true), ["bytes", "tokio", "cc", "sled", "actix"]);
}

#[test]
fn pure_rooms_import_nothing_of_the_world() {
    const ALLOWED: &[(&str, &[&str])] = &[
        (
            "core/sip",
            &[
                "rsip",
                "bytes",
                "ipnet",
                "memchr",
                "thiserror",
                "md-5",
                "sha2",
                "smallvec",
                "rand_core",
                "rand_chacha",
            ],
        ),
        // Ciphers and hashes compute, and touch nothing.
        ("core/media", &["ringtrip-model", "aes", "hmac", "sha1", "bytes", "thiserror", "smallvec"]),
        ("core/model", &["thiserror"]),
        ("core/rating", &["csv", "thiserror"]),
        ("core/dialplan", &["ringtrip-model", "thiserror", "smallvec"]),
        (
            "core/config",
            &[
                "ringtrip-dialplan",
                "ringtrip-media",
                "ringtrip-model",
                "ringtrip-rating",
                "ringtrip-sip",
                "thiserror",
            ],
        ),
        (
            "core/exchange",
            &[
                "ringtrip-config",
                "ringtrip-dialplan",
                "ringtrip-media",
                "ringtrip-model",
                "ringtrip-rating",
                "ringtrip-sip",
                "bytes",
                "thiserror",
                "smallvec",
            ],
        ),
        (
            "core/routing",
            &[
                "ringtrip-alloc",
                "ringtrip-config",
                "ringtrip-dialplan",
                "ringtrip-exchange",
                "ringtrip-media",
                "ringtrip-model",
                "ringtrip-rating",
                "ringtrip-sip",
                "rhai",
                "stacker",
                "thiserror",
                "smallvec",
                "toml",
            ],
        ),
        ("sdk/driver", &["libc", "thiserror"]),
    ];
    let mut complaints = Vec::new();
    for (room, allowed) in ALLOWED {
        let manifest = root().join(room).join("Cargo.toml");
        for name in dependencies(&read(&manifest), false) {
            if !allowed.contains(&name.as_str()) {
                complaints.push(format!("{room} must not depend on {name}"));
            }
        }
    }
    none(complaints);
}

#[test]
fn only_the_daemon_names_actix_tokio_and_sled() {
    let mut complaints = Vec::new();
    for manifest in files("Cargo.toml") {
        let name = short(&manifest);
        if matches!(name.as_str(), "Cargo.toml" | "core/daemon/Cargo.toml") {
            continue;
        }
        for dependency in dependencies(&read(&manifest), true) {
            if dependency.starts_with("actix") || dependency.starts_with("tokio") || dependency == "sled" {
                complaints.push(format!("{name} must not depend on {dependency}"));
            }
        }
    }
    for source in files(".rs") {
        let name = short(&source);
        let in_store = name.starts_with("core/daemon/src/store");
        if name.starts_with("core/daemon/src") && !in_store && read(&source).contains("sled::") {
            complaints.push(format!("{name} names sled; only the store does"));
        }
    }
    none(complaints);
}

/// A call knows legs, not protocols: only the module that makes it from an INVITE names SIP.
#[test]
fn calls_speak_leg_words_only() {
    let mut complaints = Vec::new();
    let mut seen = 0;
    for source in files(".rs") {
        let name = short(&source);
        if !name.starts_with("core/exchange/src/call/") {
            continue;
        }
        seen += 1;
        for word in ["ringtrip_sip", "ringtrip_media::sdp", "crate::line::", "crate::gateway::Gateway"] {
            // Where the networks of the exchange end is no protocol.
            if read(&source).replace("ringtrip_sip::nat::Topology", "").contains(word) {
                complaints.push(format!("{name} names {word}; a leg translates"));
            }
        }
    }
    assert!(seen > 5, "the call's files have moved");
    none(complaints);
}

/// No actor waits for another: a question is a message, and so is its answer. Only the shell that applies a configuration
/// waits, for parts that it has told to stop.
#[test]
fn no_actor_awaits_another() {
    let mut complaints = Vec::new();
    for source in files(".rs") {
        let name = short(&source);
        if !name.starts_with("core/daemon/src") || name == "core/daemon/src/exchange/apply.rs" {
            continue;
        }
        for (n, line) in read(&source).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let awaits = code.contains(".send(") && code.contains(".await");
            if awaits || code.contains("do_send(") {
                complaints.push(format!("{name}:{}: {}", n + 1, code.trim()));
            }
        }
    }
    none(complaints);
}

#[test]
fn unsafe_stands_only_where_c_is() {
    let mut complaints = Vec::new();
    for source in files(".rs") {
        let name = short(&source);
        if name.starts_with("sdk/driver")
            || name.starts_with("core/linehost")
            || name == "core/wasm/src/load.rs"
            || name == "core/alloc/src/lib.rs"
            || name.starts_with("tests/tests/tidy")
        {
            continue;
        }
        // A driver's entry symbol and a test's counting allocator cannot be written without the word.
        let excused =
            name.starts_with("plugins/driver-") || name.contains("/tests/") || name.contains("/benches/");
        for (n, line) in read(&source).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if code.contains("unsafe ") && !code.contains("unsafe_code") && !excused {
                complaints.push(format!("{name}:{}: unsafe code is not allowed here", n + 1));
            }
        }
    }
    none(complaints);
}

#[test]
fn nothing_is_hollow() {
    let mut complaints = Vec::new();
    for source in files(".rs") {
        let name = short(&source);
        if name.starts_with("tests/tests/tidy") {
            continue;
        }
        for (n, line) in read(&source).lines().enumerate() {
            for hollow in ["todo!(", "unimplemented!(", "#[ignore", "FIXME", "XXX", "assert!(true"] {
                if line.contains(hollow) {
                    complaints.push(format!("{name}:{}: {hollow}", n + 1));
                }
            }
        }
    }
    none(complaints);
}

#[test]
fn files_stay_rooms() {
    let mut complaints = Vec::new();
    for source in files(".rs").into_iter().chain(files(".ts")) {
        let lines = read(&source).lines().count();
        if lines > 900 {
            complaints.push(format!("{}: {lines} lines; which second idea hides in it?", short(&source)));
        }
    }
    none(complaints);
}

/// The text of a crate without comments: its folder, and what its files include from elsewhere by `#[path]`.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for file in files(".rs").into_iter().filter(|file| file.starts_with(folder)) {
        let source = read(&file);
        for path in source
            .match_indices("#[path = \"")
            .filter_map(|(at, head)| source[at + head.len()..].split('"').next())
        {
            // A name in a sample of this kind is no file.
            text += &fs::read_to_string(file.with_file_name(path)).unwrap_or_default();
        }
        text += &source;
    }
    text.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// Does the text name this crate?
fn names(text: &str, dependency: &str) -> bool {
    // The library of this package has another name.
    let name = if dependency == "md-5" { "md5".to_owned() } else { dependency.replace('-', "_") };
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(&name)
        .any(|(at, _)| !text[..at].ends_with(part) && !text[at + name.len()..].starts_with(part))
}

#[test]
fn every_dependency_is_used() {
    assert!(names("use tokio_stream::Stream;", "tokio-stream") && names("md5::Md5", "md-5"));
    assert!(!names("let tokio_streams = my_tokio_stream;", "tokio-stream"));
    let mut complaints = Vec::new();
    let mut seen = 0;
    let mut offered = dependencies(&read(&root().join("Cargo.toml")), false);
    for manifest in files("Cargo.toml") {
        let (text, folder) = (read(&manifest), manifest.parent().expect("a folder"));
        if !text.contains("[package]") {
            continue;
        }
        let sources = sources(folder);
        for dependency in dependencies(&text, true) {
            seen += 1;
            offered.retain(|name| *name != dependency);
            if !names(&sources, &dependency) {
                complaints.push(format!("{} depends on {dependency} and does not use it", short(&manifest)));
            }
        }
    }
    assert!(seen > 150, "only {seen} dependencies were seen");
    complaints
        .extend(offered.into_iter().map(|name| format!("Cargo.toml offers {name}, and no crate takes it")));
    none(complaints);
}

/// What git leaves in a file when two changes met and nobody finished joining them.
fn conflict(text: &str) -> Option<usize> {
    let marks = ["<<<<<<< ", "||||||| ", ">>>>>>> "];
    text.lines().position(|line| marks.iter().any(|mark| line.starts_with(mark))).map(|at| at + 1)
}

#[test]
fn the_files_that_contributors_are_sent_to_exist() {
    let text = read(&root().join("CONTRIBUTING.md"));
    let (_, rest) = text.split_once("## Ten questions").expect("a section of that name");
    let (section, _) = rest.split_once("\n## ").expect("another one after it");
    let named = section.split('`').skip(1).step_by(2).filter(|word| word.contains('/'));
    let missing = named.clone().filter(|path| !root().join(path).exists());
    none(
        missing.map(|path| format!("CONTRIBUTING.md sends people to {path}, which does not exist")).collect(),
    );
    assert_eq!(section.lines().filter(|line| line.contains("? |")).count(), 10);
    assert!(named.count() > 10);
}

#[test]
fn no_file_has_conflict_markers() {
    let (ours, theirs) = ("<".repeat(7) + " HEAD", ">".repeat(7) + " 01e5892 (a commit)");
    assert_eq!(conflict(&format!("one\n{ours}\ntwo\n=======\nthree\n{theirs}\n")), Some(2));
    assert_eq!(conflict("one\n=======\n<<<<<<<\n  <<<<<<< indented\n"), None, "headings and text are none");
    let mut seen = 0;
    let mut complaints = Vec::new();
    for file in files("") {
        // What is no text (a sound, a picture) has no lines to mark.
        let Ok(text) = fs::read_to_string(&file) else { continue };
        seen += 1;
        if let Some(line) = conflict(&text) {
            complaints.push(format!("{}:{line} has a conflict marker", short(&file)));
        }
    }
    assert!(seen > 300, "only {seen} files were read");
    none(complaints);
}

/// The exchange has Wasmtime's runtime, `ringtrip-wasmc` its compiler, and both the same version of it.
#[test]
fn the_exchange_has_no_compiler_of_wasm() {
    let versions = |lock: &str, name: &str| -> Vec<String> {
        let head = format!("name = \"{name}\"\nversion = ");
        lock.match_indices(&head)
            .map(|(at, _)| lock[at + head.len()..].lines().next().unwrap_or_default().to_owned())
            .collect()
    };
    let main = read(&root().join("Cargo.lock"));
    let compiler = read(&root().join("core/wasmc/Cargo.lock"));
    assert_eq!(versions(&compiler, "cranelift-codegen").len(), 1, "the compiler is where it belongs");
    assert_eq!(
        versions(&main, "cranelift-codegen"),
        [""; 0],
        "a crate of the main workspace wants the compiler"
    );
    let wasmtime = versions(&main, "wasmtime");
    assert_eq!(wasmtime.len(), 1, "{wasmtime:?}");
    assert_eq!(
        versions(&compiler, "wasmtime"),
        wasmtime,
        "`cargo update` both: the one refuses code of the other"
    );
}

#[test]
fn panics_unwind_in_every_profile() {
    let mut complaints = Vec::new();
    for manifest in files("Cargo.toml") {
        if read(&manifest).lines().any(|l| l.contains("panic") && l.contains("\"abort\"")) {
            complaints.push(format!("{}: panic = \"abort\" would end supervision", short(&manifest)));
        }
    }
    none(complaints);
}

#[test]
fn every_crate_keeps_the_lints_and_every_dependency_has_a_reason() {
    let mut complaints = Vec::new();
    let workspace = read(&root().join("Cargo.toml"));
    let mut inside = false;
    for line in workspace.lines() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        } else if inside && line.contains('=') && !line.contains("path =") && !line.contains('#') {
            complaints.push(format!("Cargo.toml: no reason beside {line:?}"));
        }
    }
    let members =
        workspace.split_once("members = [").and_then(|(_, rest)| rest.split_once(']')).expect("members").0;
    for member in members.split(',').map(|m| m.trim().trim_matches('"')).filter(|m| !m.is_empty()) {
        if !read(&root().join(member).join("Cargo.toml")).contains("[lints]\nworkspace = true") {
            complaints.push(format!("{member}/Cargo.toml: [lints] workspace = true is missing"));
        }
    }
    none(complaints);
}

/// The crates that never touch the world.
const PURE: [&str; 7] = [
    "core/model/src",
    "core/sip/src",
    "core/media/src",
    "core/rating/src",
    "core/dialplan/src",
    "core/config/src",
    "core/exchange/src",
];

#[test]
fn pure_rooms_never_wait() {
    let mut complaints = Vec::new();
    for source in files(".rs") {
        let name = short(&source);
        if PURE.iter().any(|room| name.starts_with(room)) {
            // Tests have to begin somewhere in time; their modules may look at the clock once.
            let whole = read(&source);
            let is_test =
                name.ends_with("/tests.rs") || name.contains("/tests/") || name.ends_with("/slow.rs");
            let text = if is_test {
                String::new()
            } else {
                whole.split("#[cfg(test)]\nmod ").next().unwrap_or("").to_owned()
            };
            for word in ["thread::sleep", "Instant::now", "SystemTime::now", "std::net::UdpSocket", "std::fs"]
            {
                if text.contains(word) {
                    complaints.push(format!("{name}: {word}"));
                }
            }
        }
    }
    none(complaints);
}

/// A user who looks for calls that ended in some way can choose it.
#[test]
fn the_consoles_filter_knows_every_cause() {
    let party = read(&root().join("core/model/src/party.rs"));
    let words = party
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Cause::")?.split_once(" => \""))
        .map(|(_, rest)| rest.split('"').next().unwrap_or_default().to_owned());
    let words: Vec<String> = words.filter(|w| !w.contains(' ')).collect();
    assert!(words.len() > 20, "{words:?}");
    let page = read(&root().join("core/console/src/pages/records.tsx"));
    let (_, list) = page.split_once("const CAUSES = [").expect("the list of causes");
    let list = list.split(']').next().unwrap_or_default();
    none(words.into_iter().filter(|w| !list.contains(&format!("\"{w}\""))).collect());
}

/// What holds an invariant is there under its name.
#[test]
fn every_invariant_is_held_by_something() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let (_, table) = text.split_once("## Invariants").expect("a chapter of invariants");
    let table = table.split("\n## ").next().unwrap_or_default();
    let rows: Vec<&str> = table.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| |")).collect();
    assert!(rows.len() >= 20, "only {} invariants", rows.len());
    let mut complaints = Vec::new();
    for row in rows {
        let held = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        let names: Vec<&str> = held.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            complaints.push(format!("held by nothing: {row}"));
        }
        for name in names {
            let (file, test) = name.split_once("::").unwrap_or((name, ""));
            let path = root().join(file);
            let there = path.exists() && (test.is_empty() || read(&path).contains(&format!("fn {test}(")));
            if !there {
                complaints.push(format!("{name} is not there"));
            }
        }
    }
    none(complaints);
}

#[test]
fn only_the_emergency_table_makes_emergency_calls() {
    let mut complaints = Vec::new();
    let mut made = 0;
    for source in files(".rs") {
        let name = short(&source);
        if name.starts_with("tests/tests/tidy") {
            continue;
        }
        for (n, line) in read(&source).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            // A struct literal or a public field would let somebody else make or change one.
            if !code.contains("EmergencyCall {")
                || code.contains("impl EmergencyCall {")
                || code.contains("struct ")
            {
                continue;
            }
            match name.as_str() {
                "core/exchange/src/emergency.rs" => made += 1,
                _ => complaints.push(format!("{name}:{}: {}", n + 1, code.trim())),
            }
        }
    }
    assert_eq!(made, 1, "one place makes emergency calls");
    let text = read(&root().join("core/exchange/src/emergency.rs"));
    let (_, fields) = text.split_once("pub struct EmergencyCall {").expect("the type");
    let fields = fields.split('}').next().unwrap_or_default();
    assert!(!fields.contains("pub "), "its fields are its own");
    none(complaints);
}
