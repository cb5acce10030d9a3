//! What the book says is true: its configurations are taken, its dial plans do what it says they do, its scripts
//! compile, its commands exist, and its reference names every setting there is and no other.
#![allow(clippy::disallowed_methods)] // Runs the program and looks at the clock.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringtrip_dialplan::{Dialling, Plan, Timers, read_keys, try_keys};
use ringtrip_routing::{Library, Limits, Pool};
use ringtrip_testkit::live::programs;
use serde_json::Value;

/// A fenced block of the book.
struct Block {
    /// `configuration.md:12`.
    place: String,
    /// `toml,config`.
    info: String,
    text: String,
}

/// What an example of a few sections leaves out: each of these is added unless the example has it itself.
const BASE: &[(&str, &str)] = &[
    ("plans", "home = \"([12]0xS0|xx.<:@gw0>)\""),
    ("extension.101", "line = \"fxs1\""),
    ("extension.102", "line = \"fxs2\""),
    ("extension.201", "password = \"made-up\""),
    ("extension.202", "password = \"made-up\""),
    ("line.fxs1", "kind = \"fxs\"\nport = \"spare:0\""),
    ("line.fxs2", "kind = \"fxs\"\nport = \"spare:1\""),
    ("line.fxo1", "kind = \"fxo\"\nport = \"spare:2\""),
    ("gateway.gw1", "server = \"sip.example.com\"\nuser = \"made-up\"\npassword = \"made-up\""),
    ("gateway.gw2", "server = \"sip.example.net\"\nuser = \"made-up\"\npassword = \"made-up\""),
];

#[test]
fn configurations_of_the_book_are_taken() {
    let all = blocks("config");
    assert!(all.len() >= 5, "the book has {} configurations", all.len());
    for block in all {
        let mut text = block.text.clone();
        for (section, body) in BASE {
            if !text.lines().any(|line| line.trim() == format!("[{section}]")) {
                text += &format!("\n[{section}]\n{body}\n");
            }
        }
        let (ok, faults) = check(&text);
        assert!(ok, "{}: {faults:#}\n{text}", block.place);
    }
}

#[test]
fn dial_plans_of_the_book_do_what_it_says() {
    let mut tried = 0;
    for block in blocks("dialplan") {
        let mut current = String::new();
        for line in block.text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let Some((asked, outcome)) = line.split_once(" -> ") else {
                line.clone_into(&mut current);
                continue;
            };
            // Plan and keys with two blanks between them, or keys for the plan above.
            let (plan, keys) = asked.rsplit_once("  ").unwrap_or((&current, asked));
            assert_eq!(outcome.trim(), try_plan(plan.trim(), keys.trim()), "{}: {line}", block.place);
            tried += 1;
        }
    }
    assert!(tried >= 30, "the book tries {tried} numbers");
}

fn try_plan(plan: &str, keys: &str) -> String {
    let parsed = Plan::parse(plan).unwrap_or_else(|e| panic!("{plan}: {e}"));
    let keys = read_keys(keys).unwrap_or_else(|e| panic!("{keys}: {e}"));
    let seconds = Duration::from_secs;
    let timers = Timers { long: seconds(10), short: seconds(3), dial_tone: seconds(10) };
    let done = try_keys(&Arc::new(parsed), &keys, &Dialling::default(), timers, Instant::now());
    let number = match (&done.number, &done.route) {
        (Some(number), Some(route)) => format!(" {number} to {route}"),
        _ => String::new(),
    };
    format!("{}{number} ({}, {} s)", done.result, done.why, done.t_after_last_key)
}

#[test]
fn scripts_of_the_book_and_of_the_folder_compile() {
    let mut scripts: Vec<(String, String)> = blocks("rhai").into_iter().map(|b| (b.place, b.text)).collect();
    assert!(scripts.len() >= 3, "the book has {} scripts", scripts.len());
    let folder = root().join("scripts");
    for file in files(&folder, "rhai").into_iter().chain(files(&folder.join("examples"), "rhai")) {
        scripts.push((file.display().to_string(), read(&file)));
    }
    for (place, text) in scripts {
        // A script of the folder, or a module that scripts import.
        let faults = Pool::check(
            &Library::shipped(),
            "book.rhai",
            &text,
            Limits::default(),
            std::sync::Arc::new(Default::default),
        );
        assert!(faults.is_empty(), "{place}: {faults:?}");
    }
}

#[test]
fn plans_of_the_folder_parse() {
    let plans = files(&root().join("scripts/plans"), "plan");
    assert!(plans.len() >= 3);
    for file in plans {
        let plan = Plan::parse(read(&file).trim());
        assert!(plan.is_ok(), "{}: {:?}", file.display(), plan.err());
    }
}

#[test]
fn commands_of_the_book_exist() {
    let mut seen = BTreeMap::<String, String>::new();
    let mut checked = 0;
    for block in blocks("console") {
        for line in block.text.lines().filter_map(|line| line.trim().strip_prefix("$ ringtrip ")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let words = if words.first() == Some(&"--data") { &words[2..] } else { &words[..] };
            let path: Vec<&str> = words.iter().copied().take_while(|w| is_word(w)).take(2).collect();
            let help = seen.entry(path.join(" ")).or_insert_with(|| {
                let out = ringtrip(&[&path[..], &["--help"]].concat());
                assert!(out.status.success(), "{}: ringtrip {line}: there is no such command", block.place);
                String::from_utf8_lossy(&out.stdout).into_owned()
            });
            for flag in words.iter().filter(|w| w.starts_with("--") && w.len() > 2) {
                let name = flag.split('=').next().unwrap_or(flag);
                assert!(help.contains(name), "{}: ringtrip {line}: {name} is unknown\n{help}", block.place);
            }
            checked += 1;
        }
    }
    assert!(checked >= 15, "the book shows {checked} commands");
}

fn is_word(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-')
}

/// A heading of the reference and the beginning of a document in which the very next key stands in that section.
const SECTIONS: &[(&str, &str)] = &[
    ("top", ""),
    ("[extension.NUMBER]", "[extension.150]\npassword = \"x\"\n"),
    ("[line.NAME] of a telephone", "[line.x]\nkind = \"fxs\"\nport = \"virtual:7\"\n"),
    ("[line.NAME] of a landline", "[line.x]\nkind = \"fxo\"\nport = \"virtual:7\"\n"),
    ("[board.NAME]", "[board.virtual]\n"),
    ("[gateway.NAME]", "[gateway.gw7]\nserver = \"sip.example.com\"\nuser = \"u\"\n"),
    ("[failover]", "[failover]\n"),
    ("[rates]", "[rates]\n"),
    ("[[bundle]]", "[[bundle]]\ngateway = \"gw0\"\nprefixes = [\"44\"]\nminutes = 5\n"),
    ("[money]", "[money]\n"),
    ("[[money.limit]]", "[[money.limit]]\namount = \"1\"\nper = \"day\"\n"),
    ("[pin.NAME]", "[pin.x]\ncode = \"4711\"\n"),
    ("[numbering]", "[numbering]\n"),
    ("[holidays]", "[holidays]\n"),
    ("[dialling]", "[dialling]\n"),
    ("[emergency]", "[emergency]\n"),
    ("[sip]", "[sip]\n"),
    ("[http]", "[http]\n"),
    ("[limits]", "[limits]\n"),
    ("[log]", "[log]\n"),
];

#[test]
fn the_reference_names_every_setting_and_no_other() {
    let reference = read(&root().join("docs/src/configuration.md"));
    for (heading, start) in SECTIONS {
        let title = format!("### `{heading}`");
        let after = reference.split_once(&title).unwrap_or_else(|| panic!("no heading {title}")).1;
        let section = after.split("\n#").next().unwrap_or(after);
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
        // One row may describe several settings: | `ring1`, `ring2` |
        let said: BTreeSet<String> = rows
            .filter_map(|row| row.split('|').next())
            .flat_map(|cell| cell.split('`').map(str::to_owned).collect::<Vec<_>>())
            .filter(|word| is_key(word))
            .collect();
        let (_, faults) = check(&format!("{start}zzzzzzzzzz = 1\n"));
        let hints = faults.as_array().into_iter().flatten().filter_map(|f| f["hint"].as_str());
        let known = hints
            .filter_map(|hint| hint.strip_prefix("known here: "))
            .next()
            .unwrap_or_else(|| panic!("{heading}: {faults:#}"));
        let known: BTreeSet<String> = known.split(", ").map(str::to_owned).collect();
        assert_eq!(said, known, "the reference of {heading} (left) and what the program knows (right)");
    }
}

fn is_key(word: &str) -> bool {
    !word.is_empty()
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-')
}

#[test]
fn links_lead_somewhere() {
    let mut checked = 0;
    let pages =
        ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "scripts/README.md", "appliance-image/README.md"];
    let pages = pages.map(|page| root().join(page));
    for file in files(&root().join("docs/src"), "md").into_iter().chain(pages) {
        for target in read(&file).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or(target);
            if path.is_empty() || path.contains("://") {
                continue;
            }
            let there = file.parent().is_some_and(|folder| folder.join(path).exists());
            assert!(there, "{}: {target} leads nowhere", file.display());
            checked += 1;
        }
    }
    assert!(checked >= 10);
}

/// Is this document taken, and what is wrong with it?
fn check(text: &str) -> (bool, Value) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("ringtrip.toml");
    fs::write(&file, text).expect("the folder can be written");
    let out = ringtrip(&["config", "check", "--json", &file.display().to_string()]);
    let answer: Value = serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out.stderr)));
    (answer["ok"] == true, answer["faults"].clone())
}

fn ringtrip(args: &[&str]) -> Output {
    Command::new(programs().join("ringtrip")).args(args).output().expect("ringtrip starts")
}

/// All blocks of the book with this word in their first line.
fn blocks(word: &str) -> Vec<Block> {
    let mut found = Vec::new();
    for file in files(&root().join("docs/src"), "md") {
        let text = read(&file);
        let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let mut lines = text.lines().enumerate();
        while let Some((n, line)) = lines.next() {
            let Some(info) = line.trim().strip_prefix("```").filter(|info| !info.is_empty()) else {
                continue;
            };
            let inside: Vec<&str> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```").collect();
            let (place, info) = (format!("{name}:{}", n + 1), info.to_owned());
            found.push(Block { place, info, text: inside.join("\n") });
        }
    }
    found.retain(|block| block.info.split(',').any(|w| w == word));
    found
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut found: Vec<PathBuf> = entries.filter_map(|e| e.ok()).map(|e| e.path()).collect();
    found.retain(|path| path.extension().is_some_and(|e| e == ending));
    found.sort();
    found
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}
