//! Names: identifiers and texts use the terms of telephony, SIP and Rust. Names that were replaced do not come back.
#![allow(clippy::disallowed_methods)]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Replaced identifiers, and what to use instead.
const REPLACED: &[(&str, &str)] = &[
    // Rating.
    ("Brake", "SpendLimiter"),
    ("brake", "limiter"),
    ("Market", "LeastCost"),
    ("Standing", "LimitStatus"),
    ("Room", "Headroom, or the thing that it holds"),
    ("Till", "CallRating"),
    ("till", "call_rating"),
    ("Says", "RatingEffects"),
    ("Paying", "ReservedAttempt"),
    ("weigh", "authorize"),
    ("prices_as_if", "prices_with_overrides"),
    // Routing.
    ("look_last", "outbound_scripts"),
    ("advice", "policy_plugins"),
    ("advised", "policy_plugins"),
    ("Trials", "ScriptTests"),
    ("on_paper", "dry_run"),
    ("plugins_as_if", "plugins_with_overrides"),
    ("Assumed", "GatewayOverrides"),
    ("Instead", "ServiceOverrides"),
    ("Helpers", "Services"),
    ("InForce", "ActiveRouting"),
    ("put_again", "rebuild"),
    // Store and commands.
    ("keep_soon", "write_behind"),
    ("StoreNews", "StoreEvent"),
    ("close_orphans", "close_unfinished"),
    ("PATIENCE", "REPLY_TIMEOUT, or what the time is for"),
    ("wish", "command, request or settings"),
    ("wishes", "commands"),
    // Boards.
    ("Ears", "DriverCallbacks, Detectors"),
    ("News", "Notification"),
    ("Seen", "PortEvent, HealthView"),
    ("Face", "DriverTable, RtpSession"),
    // Plugins.
    ("Outside", "HostServices"),
    ("vet", "validate_package"),
    ("Ticker", "EpochTimer"),
    ("Keeper", "BackgroundTasks"),
    ("Shelved", "InstalledPlugin"),
    ("in_earnest", "live_slot"),
    ("put_in_force", "activate"),
    ("as_if", "with_plan, with_overrides"),
    // Tests.
    ("Weather", "NetworkConditions"),
    ("Manners", "PhoneBehaviour"),
    ("wreck_calls", "panic_in_calls"),
    // Console.
    ("Ear", "Playback"),
    ("Mouth", "Capture"),
    // Everywhere.
    ("Told", "Event"),
    ("told", "events, reported"),
    ("Desk", "SipUserAgent"),
    ("Birth", "NewCall"),
    ("Knock", "ExternalEvent"),
    ("Door", "ExchangeHandle"),
    ("House", "the thing that is meant"),
    ("fell", "panicked, failed"),
];

/// Phrases that no text for people uses: log lines, errors, events; and no comment, but for those of [`TEXTS_ONLY`].
const PHRASES: &[(&str, &str)] = &[
    ("wish", "request"),
    ("wishes", "requests"),
    ("told", "reported, notified"),
    ("brake", "spending limit"),
    ("till", "until"),
    ("the house", "the exchange, the premises"),
    ("he", "it, the caller"),
    ("him", "it, the caller"),
    ("his", "its, the caller's"),
    ("on paper", "in a dry run"),
    ("whoever", "the caller, the client"),
    ("mend", "correct"),
    ("called back", "rolled back"),
    ("in force", "active"),
    ("into force", "active"),
];

/// Phrases that a comment may use: a quotation, or plain English where nobody reads a message.
const TEXTS_ONLY: &[&str] = &["told", "called back", "his", "he"];

/// Folders and files with replaced names in them still. An entry goes when its last one is replaced; none is added.
const NOT_CONVERTED: &[&str] = &[
    "core/daemon/src/exchange",
    "core/daemon/src/media",
    "core/daemon/src/shell.rs",
    "core/exchange",
    "core/media",
    "core/sip",
    "core/testkit/src/phone.rs",
    "core/testkit/src/world.rs",
];

/// Strings that are data of another program, or that are stored: a string, and where it stands.
const EXEMPT: &[(&str, &str)] =
    &[("core/daemon/src/rating/persist.rs", "told"), ("core/daemon/src/store/index.rs", "mend")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the workspace").to_path_buf()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace can be read").flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            let built = matches!(name.as_str(), "target" | "node_modules" | "dist" | "book" | "var");
            if !built && !name.starts_with(".git") {
                sources(&path, found);
            }
        } else if [".rs", ".ts", ".tsx"].iter().any(|ending| name.ends_with(ending))
            && !name.starts_with("tidy")
        {
            found.push(path);
        }
    }
}

/// A source in its parts.
#[derive(Default)]
struct Parts {
    code: String,
    strings: Vec<String>,
    comments: String,
}

/// The parts of a source. Good enough for formatted sources: a string in a template literal counts as code.
fn split(source: &str) -> Parts {
    let Parts { mut code, mut strings, mut comments } = Parts::default();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            let (comment, after) = rest.split_once('\n').unwrap_or((rest, ""));
            comments.push_str(comment.trim_start_matches(['/', '!']));
            code.push('\n');
            rest = after;
        } else if rest.starts_with("/*") {
            let (comment, after) = rest.split_once("*/").unwrap_or((rest, ""));
            comments.push_str(comment);
            rest = after;
        } else if let Some(hashes) = raw_string(rest) {
            let start = 2 + hashes;
            let end = format!("\"{}", "#".repeat(hashes));
            let text = &rest[start..];
            let (text, after) = text.split_once(&end).unwrap_or((text, ""));
            strings.push(text.to_owned());
            rest = after;
        } else if c == '"' {
            let end = string_end(&rest[1..]);
            strings.push(rest[1..1 + end].to_owned());
            rest = rest.get(end + 2..).unwrap_or("");
        } else if c == '\'' && rest[1..].starts_with('"') {
            // The character '"'.
            rest = rest.get(3..).unwrap_or("");
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    Parts { code, strings, comments }
}

/// How many `#` a raw string begins with, if one begins here.
fn raw_string(text: &str) -> Option<usize> {
    let hashes = text.strip_prefix('r')?.len() - text.strip_prefix('r')?.trim_start_matches('#').len();
    text[1 + hashes..].starts_with('"').then_some(hashes)
}

/// The length of a string up to its closing quote.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    text.len()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Does this phrase stand in the text as whole words?
fn has_phrase(text: &str, phrase: &str) -> bool {
    text.match_indices(phrase).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + phrase.len()..].chars().next();
        // A word with a hyphen is another word.
        let part = |c: Option<char>| c.is_some_and(|c| is_word(c) || c == '-' || c == '\'');
        !part(before) && !part(after)
    })
}

/// The replaced names in a source, each with what to use instead.
fn replaced(name: &str, source: &str) -> Vec<String> {
    let Parts { code, strings, comments } = split(source);
    let words: HashSet<&str> = code.split(|c| !is_word(c)).collect();
    let mut found = Vec::new();
    for (old, new) in REPLACED {
        if words.contains(old) {
            found.push(format!("{name}: the identifier {old}: use {new}"));
        }
    }
    for (old, new) in PHRASES {
        for text in strings.iter().filter(|text| has_phrase(text, old)) {
            if !EXEMPT.contains(&(name, text.as_str())) {
                found.push(format!("{name}: \"{old}\" in {text:?}: write {new}"));
            }
        }
        if !TEXTS_ONLY.contains(old) && has_phrase(&comments, old) {
            found.push(format!("{name}: \"{old}\" in a comment: write {new}"));
        }
    }
    found
}

#[test]
fn replaced_names_do_not_come_back() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    assert!(files.len() > 400, "{} sources were found", files.len());
    let (mut complaints, mut left) = (Vec::new(), vec![0_usize; NOT_CONVERTED.len()]);
    for path in files {
        let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        let source = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        let found = replaced(&name, &source);
        match NOT_CONVERTED.iter().position(|folder| Path::new(&name).starts_with(folder)) {
            Some(folder) => left[folder] += found.len(),
            None => complaints.extend(found),
        }
    }
    for (folder, left) in NOT_CONVERTED.iter().zip(left) {
        if left == 0 {
            complaints.push(format!("{folder} has no replaced name left: take it out of NOT_CONVERTED"));
        }
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn the_check_sees_identifiers_texts_and_comments() {
    let check = |source: &str, wanted: &[&str]| {
        let found = replaced("a.rs", source);
        assert_eq!(found.len(), wanted.len(), "{source}: {found:?}");
        for (found, wanted) in found.iter().zip(wanted) {
            assert!(found.contains(wanted), "{source}: {found}");
        }
    };
    check("// The Brake was told.\nfn a() {}", &[]);
    check("/* told */ let brakes = outbrake();", &[]);
    check("/// It is put\n/// in force.\nfn a() {} // on\nb(\"paper\")", &["in force"]);
    check("/// It is put in\n//! force. /* mend */", &["mend", "in force"]);
    check("let b = Brake::new();", &["Brake"]);
    check("let q = '\"'; let b = weigh(1); // \"told\"", &["weigh"]);
    check("error(\"he wishes \\\" it\")", &["wishes", "\"he\""]);
    check("r#\"the house \"of\" he\"# ; s", &["the house", "\"he\""]);
    check("\"Told the-house he's told-off\"", &[]);
}
