//! What the benches of the crates say: medians that criterion wrote, and figures that they print.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run::{cargo, root, target};

/// Figures by name.
#[derive(Debug, Default)]
pub struct Measured {
    /// Medians, ns.
    medians: BTreeMap<String, f64>,
    /// What the benches printed as `figure: NAME = VALUE UNIT`.
    figures: BTreeMap<String, f64>,
}

/// Runs these benches (crate and name), as long as suits a run of all, and gathers what they say.
pub fn measure(benches: &[(&str, &str)], env: &[(&str, PathBuf)]) -> Result<Measured> {
    let home = target().join("criterion");
    let mut command = Command::new(cargo());
    command.arg("bench");
    for (package, bench) in benches {
        command.args(["-p", package, "--bench", bench]);
    }
    command.args(["--", "--noplot", "--warm-up-time", "1", "--measurement-time", "2"]);
    command.env("CRITERION_HOME", &home).envs(env.iter().map(|(name, value)| (name, value)));
    let began = SystemTime::now();
    let mut child = command
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo bench")?;
    let mut measured = Measured::default();
    for line in BufReader::new(child.stdout.take().context("a pipe was asked for")?).lines() {
        let line = line.context("cannot read what the benches print")?;
        println!("{line}");
        measured.figures.extend(figure(&line));
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("cargo bench ended with {status}");
    }
    measured.gather(&home, began)?;
    Ok(measured)
}

/// `figure: NAME = VALUE UNIT`
fn figure(line: &str) -> Option<(String, f64)> {
    let (name, value) = line.strip_prefix("figure: ")?.rsplit_once(" = ")?;
    Some((name.to_owned(), value.split(' ').next()?.parse().ok()?))
}

impl Measured {
    /// The median of a bench, ns.
    pub fn median(&self, bench: &str) -> Result<f64> {
        self.medians.get(bench).copied().with_context(|| format!("no bench measured {bench:?}"))
    }

    /// A figure that a bench printed.
    pub fn figure(&self, name: &str) -> Result<f64> {
        self.figures.get(name).copied().with_context(|| format!("no bench printed the figure {name:?}"))
    }

    /// Criterion keeps a folder for each bench, with its name and its estimates. Those of older runs are not looked at.
    fn gather(&mut self, folder: &Path, since: SystemTime) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())?.flatten() {
            let path = entry.path();
            let file = path.join("new/estimates.json");
            if path.join("new").is_dir() && file.metadata()?.modified()? >= since {
                let name = json(&path.join("new/benchmark.json"))?;
                let name = name["full_id"].as_str().context("a bench without a name")?.to_owned();
                let median = json(&file)?["median"]["point_estimate"].as_f64();
                self.medians.insert(name, median.context("a bench without a median")?);
            } else if path.is_dir() {
                self.gather(&path, since)?;
            }
        }
        Ok(())
    }
}

fn json(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn figures_are_read() {
        let read = |line| figure(line).map(|(name, value)| format!("{name}: {value}"));
        assert_eq!(read("figure: a = b, c = 12.5 KiB").as_deref(), Some("a = b, c: 12.5"));
        assert_eq!(read("figure: rows = 7").as_deref(), Some("rows: 7"));
        assert_eq!(read("figure: rows = many"), None);
        assert_eq!(read("figures: a = 1"), None);
    }
}
