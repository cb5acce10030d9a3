//! A document without its secrets, letter for letter the same otherwise.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::secrets::hide_in_plan;

/// What stands in place of a password.
pub(super) const HIDDEN: &str = "***";

/// Keys whose values are secrets.
const SECRET_KEYS: [&str; 4] = ["password", "ha1_md5", "ha1_sha256", "code"];

/// Replaces every password, hash and `pwd=` by `***`.
pub fn redact(text: &str) -> String {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut out = text.to_owned();
    if errors.is_empty() {
        let mut spans = Vec::new();
        collect(document.get_ref(), &mut spans);
        spans.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
        for (span, replacement) in spans {
            out.replace_range(span, &replacement);
        }
        return out;
    }
    // Broken syntax: hide whatever follows such a key on its line, sooner too much than too little.
    let line = |line: &str| match SECRET_KEYS.iter().filter_map(|key| line.find(key)).min() {
        Some(at) => format!("{}{HIDDEN}", &line[..at]),
        None => hide_in_plan(line),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn collect(table: &DeTable<'_>, spans: &mut Vec<(Range<usize>, String)>) {
    for (key, value) in table {
        visit(key.get_ref(), value.span(), value.get_ref(), spans);
    }
}

fn visit(key: &str, span: Range<usize>, value: &DeValue<'_>, spans: &mut Vec<(Range<usize>, String)>) {
    match value {
        DeValue::Table(table) => collect(table, spans),
        DeValue::Array(items) => {
            for item in items.iter() {
                visit(key, item.span(), item.get_ref(), spans);
            }
        }
        _ if SECRET_KEYS.contains(&key) => spans.push((span, format!("\"{HIDDEN}\""))),
        DeValue::String(text) if text.to_ascii_lowercase().contains("pwd=") => {
            let hidden = hide_in_plan(text).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            spans.push((span, format!("\"{hidden}\"")));
        }
        _ => {}
    }
}
