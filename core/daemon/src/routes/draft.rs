//! Drafts: routes that are not in force yet. What they would be is built from their texts, compared, proved and replayed
//! here; activation puts a configuration and its scripts in force together, or neither.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringtrip_host::probe::Known;
use ringtrip_host::proof::{self, Finding, Given, Proof};
use ringtrip_host::replay::PastCall;
use ringtrip_switch::config::Config;
use ringtrip_switch::party::{CallerId, Digits, Source};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{InForce, Routes, Text, guard, scripts, trials};
use crate::config::{Fault, FaultSeverity, placed, read};
use crate::exchange::wall;
use crate::store::{CdrRecord, DraftRecord, DraftState, Store};

/// A draft as meaning.
pub struct Built {
    /// The configuration.
    pub config: Config,
    /// What would be in force.
    pub in_force: InForce,
    /// Warnings of the document.
    pub warnings: Vec<Fault>,
}

/// What checks found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Checks {
    /// May it be activated?
    pub ok: bool,
    /// Faults of the document, the scripts and the proofs, each with its place.
    pub faults: Vec<Fault>,
    /// Small calls that show what is wrong.
    pub examples: Vec<Example>,
    /// Decisions made on paper.
    pub decisions: u64,
    /// The time ran out before all was tried.
    pub cut: bool,
}

/// A small call that breaks a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Example {
    /// `emergency`, `terminates`, `loops`, `toll` or `shadowed`.
    pub rule: String,
    /// From where.
    pub from: String,
    /// What is dialled.
    pub number: String,
    /// When, local time.
    pub at: String,
    /// What is wrong with it.
    pub what: String,
}

/// A proof of a draft takes at most so long.
const TIME: Duration = Duration::from_secs(5);
/// Decisions on paper.
const MOST: usize = 40_000;
/// Proofs find the same again.
const SEED: u64 = 2;

/// The draft as meaning; with everything that is wrong with its texts if that cannot be.
pub fn build(routes: &Routes, draft: &DraftRecord) -> Result<Built, Vec<Fault>> {
    let (config, warnings) = read(&draft.config)?;
    let in_force = routes
        .prepare(Arc::new(config.clone()), &texts(&draft.scripts))
        .map_err(|refused| refused.0.into_iter().map(fault).collect::<Vec<_>>())?;
    Ok(Built { config, in_force, warnings })
}

fn fault(refused: crate::control::ScriptRefused) -> Fault {
    Fault {
        severity: FaultSeverity::Error,
        line: refused.line as usize,
        column: refused.column as usize,
        path: refused.script,
        what: refused.what,
        hint: "mend the script; nothing was changed".to_owned(),
    }
}

/// Texts of scripts for [`Routes::prepare`].
pub fn texts(scripts: &BTreeMap<String, String>) -> Vec<Text> {
    scripts.iter().map(|(name, text)| Text { name: name.clone(), text: text.clone() }).collect()
}

/// All checks of a draft.
pub fn check(routes: &Routes, draft: &DraftRecord, dialled: &[String]) -> (Checks, Option<Built>) {
    let built = match build(routes, draft) {
        Ok(built) => built,
        Err(faults) => {
            let checks = Checks { ok: false, faults, examples: Vec::new(), decisions: 0, cut: false };
            return (checks, None);
        }
    };
    let live = routes.now();
    let now = wall::now();
    let texts = guard::texts(&built.in_force);
    let began = Instant::now();
    let go_on = || began.elapsed() < TIME;
    let known = Known { now: &now, texts: &texts, dialled, seed: SEED };
    let given = Given { known, live: Some(&live.engine), most: MOST, go_on: &go_on };
    let proof = proof::prove(&built.in_force.engine, given);
    let mut checks = checks(&draft.config, proof);
    if let Err(refused) = trials::all_pass(&built.in_force.scripts, &built.config) {
        checks.ok = false;
        checks.faults.insert(0, fault(refused));
    }
    checks.faults.extend(built.warnings.iter().cloned());
    (checks, Some(built))
}

/// What a proof found, at places of the document.
pub fn checks(document: &str, proof: Proof) -> Checks {
    let ok = proof.holds();
    let (in_document, elsewhere): (Vec<&Finding>, Vec<&Finding>) =
        proof.findings.iter().partition(|f| !f.path.starts_with("script") && !f.path.starts_with("plugin"));
    let severity = |f: &Finding| if f.stops { FaultSeverity::Error } else { FaultSeverity::Warning };
    let found = in_document.iter().map(|f| (severity(f), path(&f.path), f.what.clone(), f.hint.clone()));
    let mut faults = placed(document, found.collect());
    faults.extend(elsewhere.iter().map(|f| Fault {
        severity: severity(f),
        line: 0,
        column: 0,
        path: f.path.clone(),
        what: f.what.clone(),
        hint: f.hint.clone(),
    }));
    faults.sort_by_key(|f| f.severity != FaultSeverity::Error);
    let example = |f: &Finding| {
        let probe = f.example.as_ref()?;
        let at = &probe.at;
        Some(Example {
            rule: f.rule.word().to_owned(),
            from: probe.from(),
            number: probe.number.to_string(),
            at: format!("{:04}-{:02}-{:02}T{:02}:{:02}", at.year, at.month, at.day, at.hour, at.minute),
            what: f.what.clone(),
        })
    };
    let examples = proof.findings.iter().filter_map(example).collect();
    Checks { ok, faults, examples, decisions: proof.decisions, cut: proof.cut }
}

/// A finding names a source; the document knows it under its section.
fn path(of: &str) -> String {
    match of {
        of if of.starts_with("gw") && !of.contains('.') => format!("gateway.{of}"),
        of if of.starts_with("fx") && !of.contains('.') => format!("line.{of}"),
        of => of.to_owned(),
    }
}

/// What is in force, as a draft remembers it.
pub fn live_state(routes: &Routes, store: &Store) -> DraftState {
    let now = routes.now();
    let scripts = now.scripts.iter().map(|(named, text)| (named.name.clone(), text.clone())).collect();
    DraftState { version: store.config_head(), scripts }
}

/// Where the text of a script of a draft is kept when it is in force.
fn file_of(config: &Config, folder: &Path, name: &str) -> PathBuf {
    let named = scripts::files(config, folder).into_iter().find(|f| f.name == name);
    named.map_or_else(|| folder.join("scripts").join(name), |f| f.path)
}

/// Writes these texts to their files. On failure those written already are put back.
pub fn write(config: &Config, folder: &Path, scripts: &BTreeMap<String, String>) -> std::io::Result<()> {
    let mut done: Vec<(PathBuf, Option<String>)> = Vec::new();
    for (name, text) in scripts {
        let file = file_of(config, folder, name);
        let before = std::fs::read_to_string(&file).ok();
        if before.as_ref() == Some(text) {
            continue;
        }
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent)?;
        }
        if let Err(e) = scripts::write(&file, text) {
            for (file, before) in done {
                let _ = match before {
                    Some(before) => scripts::write(&file, &before),
                    None => std::fs::remove_file(&file),
                };
            }
            return Err(e);
        }
        done.push((file, before));
    }
    Ok(())
}

/// An activation that was cut short by the end of the process is taken back: its scripts may lie in their files already
/// while the configuration is the one before.
pub fn recover(store: &Store, folder: &Path) -> Vec<DraftRecord> {
    let cut = |d: &DraftRecord| d.active.as_ref().is_some_and(|a| a.version == 0);
    let mut mended = Vec::new();
    for mut draft in store.drafts().into_iter().filter(cut) {
        let Some(active) = draft.active.take() else { continue };
        if store.config_head() == active.before.version {
            let config = store.config(active.before.version).ok().and_then(|v| read(&v.text).ok());
            if let Some((config, _)) = config
                && let Err(error) = write(&config, folder, &active.before.scripts)
            {
                tracing::error!(%error, draft = draft.name, "scripts of a draft that was cut short stay");
            }
        } else {
            draft.active = Some(crate::store::Activated { version: store.config_head(), ..active });
        }
        mended.push(draft);
    }
    mended
}

/// A record as a call of the past; `None` for what was no routed call.
pub fn past(record: &CdrRecord) -> Option<PastCall> {
    let name = record.source.name.as_str();
    let source = match record.source.kind.as_str() {
        "extension" => Source::Extension(name.parse().ok()?),
        "line" => Source::Line(name.parse().ok()?),
        "gateway" => Source::Gateway(name.parse().ok()?),
        _ => Source::Operator,
    };
    let talked = record.answered_after_us.zip(record.ended_after_us).map(|(answered, ended)| {
        u32::try_from(ended.saturating_sub(answered).div_ceil(1_000_000)).unwrap_or(u32::MAX)
    });
    Some(PastCall {
        call: record.id()?,
        source,
        caller: CallerId {
            number: record.caller.number.clone(),
            name: record.caller.name.clone(),
            private: record.caller.private,
        },
        dialled: Digits::new(&record.dialled),
        at: wall::at(record.started_micros),
        pin: record.pin.clone(),
        talked,
    })
}
