//! The tests beside a script, run when the script is saved: one that fails keeps the script from becoming active.

use std::path::Path;

use ringtrip_config::Config;
use ringtrip_routing::script::ScriptTests;

use super::scripts::{self, Scripts};
use crate::control::ScriptRefused;

/// The largest file of tests.
const MAX: u64 = 1 << 20;

/// Runs the tests of all of these scripts.
pub(crate) fn all_pass(scripts: &Scripts, config: &Config) -> Result<(), ScriptRefused> {
    scripts.iter().try_for_each(|(named, _)| pass(&named.path, &named.word, scripts, config))
}

/// A script whose tests fail, by the word of the configuration, and why.
pub(super) fn first_failure(scripts: &Scripts, config: &Config) -> Option<(String, ScriptRefused)> {
    scripts.running().find_map(|(named, _)| {
        let refused = pass(&named.path, &named.word, scripts, config).err()?;
        Some((named.word.clone(), refused))
    })
}

/// Runs the tests of this script, which lie beside its file as `NAME.test.toml`, in this configuration. No file: no test.
pub(super) fn pass(
    file: &Path,
    script: &str,
    scripts: &Scripts,
    config: &Config,
) -> Result<(), ScriptRefused> {
    let tests = file.with_extension("test.toml");
    let shown = tests.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let refused = |line: usize, column: usize, what: String| ScriptRefused {
        script: shown.clone(),
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
        what,
    };
    let Ok(meta) = std::fs::metadata(&tests) else { return Ok(()) };
    if meta.len() > MAX {
        return Err(refused(
            1,
            1,
            format!("the file of tests has {} octets; {MAX} are the most", meta.len()),
        ));
    }
    let text = std::fs::read_to_string(&tests).map_err(|e| refused(1, 1, e.to_string()))?;
    let script_tests = ScriptTests::read(&text).map_err(|faults| match faults.first() {
        Some(first) => refused(first.line, first.column, first.to_string()),
        None => refused(1, 1, "the tests cannot be read".to_owned()),
    })?;
    let outcomes =
        script_tests.run(script, scripts.library(), Some(config), scripts::limits(config), scripts::clock());
    let outcomes = outcomes.map_err(|faults| match faults.first() {
        Some(first) => refused(first.error.line, first.error.column, first.to_string()),
        None => refused(1, 1, "the tests cannot be run".to_owned()),
    })?;
    let failed: Vec<_> = outcomes.into_iter().filter(|o| o.failed.is_some()).collect();
    let Some(first) = failed.first() else { return Ok(()) };
    let why = first.failed.clone().unwrap_or_default();
    let more = match failed.len() {
        1 => String::new(),
        n => format!("; {} more tests fail", n - 1),
    };
    Err(refused(first.line, 1, format!("the test {:?} fails: {why}{more}", first.name)))
}
