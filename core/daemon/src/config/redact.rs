//! A document without its secrets, otherwise letter for letter the same. Values are judged as the reader of the document
//! takes them, so no spelling of a key or a value gets around it. Comments are judged by what they say: somebody who writes a
//! secret beside its key means it no less.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::secrets::hide_in_plan;

/// What stands in place of a password.
pub(super) const HIDDEN: &str = "***";

/// Keys whose values are secrets.
const SECRET_KEYS: [&str; 4] = ["password", "ha1_md5", "ha1_sha256", "code"];

/// Words that make a comment a secret. A code or a PIN is one when there are digits with it.
const SECRET_WORDS: [&str; 7] = ["password", "passwd", "passwort", "pwd", "ha1", "secret", "token"];
const NUMBER_WORDS: [&str; 2] = ["code", "pin"];

/// A secret shorter than this is not looked for in comments: it would be found everywhere.
const SHORTEST: usize = 4;

/// Who looks at the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// An administrator, who did not ask for secrets.
    Administrator,
    /// Anybody else: settings of boards are hidden, too, since only the board's driver knows what is secret in them.
    Reader,
}

/// Replaces every password, hash, code and `pwd=` by `***`, in comments too.
pub fn redact(text: &str, viewer: Viewer) -> String {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return broken(text);
    }
    let mut found = Found { viewer, spans: Vec::new(), places: Vec::new(), secrets: BTreeSet::new() };
    found.table(document.get_ref(), &[]);
    let comments = comments(text);
    let hidden = found.comments(text, &comments);
    let mut spans = found.spans;
    spans.extend(hidden);
    spans.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut out = text.to_owned();
    for (span, replacement) in spans {
        out.replace_range(span, &replacement);
    }
    out
}

/// A text that is no document: nobody knows where a value begins and ends. Only the keys are shown, sooner too little than
/// too much.
fn broken(text: &str) -> String {
    let line = |line: &str| {
        let bare = line.trim();
        let is_header =
            bare.starts_with('[') && bare.chars().all(|c| c.is_ascii_alphanumeric() || "[]._- ".contains(c));
        match line.split_once('=') {
            _ if bare.is_empty() || is_header => line.to_owned(),
            Some((key, _)) if key.chars().all(|c| c.is_ascii_alphanumeric() || "._- ".contains(c)) => {
                format!("{key}= {HIDDEN}")
            }
            _ => HIDDEN.to_owned(),
        }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

struct Found {
    viewer: Viewer,
    /// What is replaced, and by what.
    spans: Vec<(Range<usize>, String)>,
    /// Where secrets stand.
    places: Vec<Range<usize>>,
    /// The secrets themselves.
    secrets: BTreeSet<String>,
}

impl Found {
    fn table(&mut self, table: &DeTable<'_>, path: &[&str]) {
        for (key, value) in table {
            let path: Vec<&str> = path.iter().copied().chain([key.get_ref().as_ref()]).collect();
            self.value(&path, value.span(), value.get_ref());
        }
    }

    fn value(&mut self, path: &[&str], span: Range<usize>, value: &DeValue<'_>) {
        match value {
            DeValue::Table(table) => self.table(table, path),
            DeValue::Array(items) => {
                for item in items.iter() {
                    self.value(path, item.span(), item.get_ref());
                }
            }
            _ if path.iter().any(|key| SECRET_KEYS.contains(key)) || self.is_board_setting(path) => {
                if let DeValue::String(secret) = value
                    && secret.chars().count() >= SHORTEST
                {
                    self.secrets.insert(secret.to_string());
                }
                self.places.push(span.clone());
                self.spans.push((span, format!("\"{HIDDEN}\"")));
            }
            DeValue::String(text) => {
                let hidden = hide_in_plan(text);
                if hidden != **text {
                    self.places.push(span.clone());
                    self.spans.push((span, toml::Value::String(hidden).to_string()));
                }
            }
            _ => {}
        }
    }

    fn is_board_setting(&self, path: &[&str]) -> bool {
        self.viewer == Viewer::Reader && matches!(path, ["board", _, "settings", ..])
    }

    /// Comments that are hidden: beside a secret, right above one, with a secret in them, or about one.
    fn comments(&self, text: &str, comments: &[Range<usize>]) -> Vec<(Range<usize>, String)> {
        let line_of = |at: usize| text[..at].matches('\n').count();
        let mut near: BTreeSet<usize> = BTreeSet::new();
        for place in &self.places {
            near.extend(line_of(place.start)..=line_of(place.end));
        }
        let mut hidden = Vec::new();
        // From below: a comment above a hidden one that has a line for itself is about the same thing.
        for comment in comments.iter().rev() {
            let line = line_of(comment.start);
            let begin = text[..comment.start].rfind('\n').map_or(0, |at| at + 1);
            let is_alone = text[begin..comment.start].trim().is_empty();
            let is_near = near.contains(&line) || is_alone && near.contains(&(line + 1));
            if is_near && is_alone {
                near.insert(line);
            }
            let said = &text[comment.clone()];
            let tells = self.secrets.iter().any(|secret| said.contains(secret.as_str())) || is_about(said);
            if is_near || tells {
                hidden.push((comment.clone(), format!("# {HIDDEN}")));
            }
        }
        hidden
    }
}

fn is_about(comment: &str) -> bool {
    let low = comment.to_lowercase();
    let bare: String = low.chars().filter(|c| !c.is_whitespace()).collect();
    let numbers = low.contains(|c: char| c.is_ascii_digit())
        && low.split(|c: char| !c.is_alphanumeric()).any(|word| NUMBER_WORDS.contains(&word));
    numbers || SECRET_WORDS.iter().any(|word| bare.contains(word))
}

/// The comments of a document that has no fault, each from its `#` to the end of its line.
fn comments(text: &str) -> Vec<Range<usize>> {
    let octets = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < octets.len() {
        match octets[at] {
            b'#' => {
                let end = text[at..].find('\n').map_or(text.len(), |n| at + n);
                let end = if text[at..end].ends_with('\r') { end - 1 } else { end };
                found.push(at..end);
                at = end;
            }
            quote @ (b'"' | b'\'') => at = after_string(octets, at, quote),
            _ => at += 1,
        }
    }
    found
}

/// Where a string that begins at `at` ends (TOML 1.0: basic and literal, of one line or of several).
fn after_string(octets: &[u8], at: usize, quote: u8) -> usize {
    let run = |at: usize| octets[at..].iter().take_while(|o| **o == quote).count();
    let is_long = run(at) >= 3;
    // Two quotes are an empty string.
    if !is_long && run(at) == 2 {
        return at + 2;
    }
    let mut at = at + if is_long { 3 } else { 1 };
    while at < octets.len() {
        match octets[at] {
            b'\\' if quote == b'"' => at += 2,
            octet if octet == quote => {
                if !is_long {
                    return at + 1;
                }
                // A long string may end with quotes of its own: all of the run belong to it.
                match run(at) {
                    n @ 3.. => return at + n,
                    n => at += n,
                }
            }
            _ => at += 1,
        }
    }
    octets.len()
}
