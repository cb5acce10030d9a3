//! The configuration document as text: TOML in, [`ringtrip_config::Config`] out, every problem at once with
//! line, column and a way to correct it. What the words mean together is `Config::check`'s business.

mod default;
mod diff;
mod fault;
mod ics;
mod layout;
mod lines;
mod money;
mod network;
mod parts;
mod read;
mod redact;
mod routing;

use std::collections::{BTreeMap, BTreeSet};

use ringtrip_config::{Config, Severity};
use toml::de::{DeTable, DeValue};

use crate::control_thread::takes_time;

pub use default::default_toml;
pub use diff::{DiffLine, diff, summary};
pub use fault::{Fault, FaultSeverity, report};
pub use ics::{calendars_also_in, calendars_in};
use read::Reader;
pub use redact::{Viewer, redact};

/// Longest document read: far more than a thousand extensions need.
pub const MAX: usize = 1 << 20;

/// Reads a document. On success the faults are warnings only; on failure at least one is an error, and nothing of the
/// document may be used.
///
/// # Errors
/// Every fault that was found, each with its place; warnings are among them.
pub fn read(text: &str) -> Result<(Config, Vec<Fault>), Vec<Fault>> {
    takes_time("a document is read");
    if text.len() > MAX {
        let what = format!("the document has {} octets", text.len());
        return Err(vec![Fault::at_start(what, "1 MiB is the most that is read")]);
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    let reader = Reader::new(text);
    for error in &errors {
        reader.syntax(error);
    }
    if !errors.is_empty() {
        // The table holds what could be recovered; reading on would accuse what the syntax error swallowed.
        return Err(reader.into_faults());
    }
    let names = Names::of(document.get_ref());
    let config = parts::document(&reader, document.get_ref(), &names);
    let broken = reader.has_errors();
    if !broken {
        for problem in config.check().into_iter().chain(layout::misfits(&config)) {
            let severity = match problem.severity {
                Severity::Error => FaultSeverity::Error,
                Severity::Warning => FaultSeverity::Warning,
            };
            reader.push(severity, &problem.path, problem.what, problem.hint);
        }
    }
    let refused = reader.has_errors();
    let faults = reader.into_faults();
    if refused { Err(faults) } else { Ok((config, faults)) }
}

/// Faults that were found elsewhere, each at its place in the document: severity, path, what, hint.
pub fn placed(text: &str, found: Vec<(FaultSeverity, String, String, String)>) -> Vec<Fault> {
    let (document, _) = DeTable::parse_recoverable(text);
    let reader = Reader::new(text);
    let names = Names::of(document.get_ref());
    // Reading notes where everything stands.
    let _ = parts::document(&reader, document.get_ref(), &names);
    reader.afresh();
    for (severity, path, what, hint) in found {
        reader.push(severity, &path, what, hint);
    }
    reader.into_faults()
}

/// Names that the document gives, so that `ring = ["101", "fxs1", "gw1"]` can be told apart.
struct Names {
    lines: BTreeSet<String>,
    /// Short names of scripts and their files.
    scripts: BTreeMap<String, String>,
}

impl Names {
    fn of(document: &DeTable<'_>) -> Names {
        let lines = document.get("line").and_then(|l| l.get_ref().as_table());
        let lines = lines.into_iter().flat_map(|t| t.keys()).map(|k| k.get_ref().to_string()).collect();
        let scripts = document.get("scripts").and_then(|l| l.get_ref().as_table());
        let file = |value: &DeValue<'_>| value.as_str().map(str::to_owned);
        let scripts = scripts.into_iter().flat_map(|t| t.iter());
        let scripts =
            scripts.filter_map(|(k, v)| Some((k.get_ref().to_string(), file(v.get_ref())?))).collect();
        Names { lines, scripts }
    }
}

#[cfg(test)]
mod tests;
