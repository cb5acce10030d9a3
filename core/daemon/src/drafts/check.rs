//! All checks that a draft must pass before it decides about calls.

use std::time::{Duration, Instant};

use ringtrip_model::party::Source;
use ringtrip_routing::coverage::Known;
use ringtrip_routing::proof::{self, Finding, Place, Proof, ProofInput};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Built, Drafts};
use crate::config::{Fault, FaultSeverity, placed};
use crate::exchange::wall;
use crate::routes::{guard, script_tests};
use crate::store::DraftRecord;

/// What checks found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Checks {
    /// May it be activated?
    pub ok: bool,
    /// Faults of the document, the scripts and the proofs, each with its place.
    pub faults: Vec<Fault>,
    /// Small calls that show what is wrong.
    pub examples: Vec<Example>,
    /// Dry-run decisions.
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
/// Dry-run decisions.
const MOST: usize = 40_000;
/// Proofs find the same again.
const SEED: u64 = 2;

impl Drafts {
    /// All checks of a draft. `dialled` are numbers that people here really dial.
    pub fn check(&self, draft: &DraftRecord, dialled: &[String]) -> (Checks, Option<Built>) {
        let built = match self.build(draft) {
            Ok(built) => built,
            Err(faults) => {
                let checks = Checks { ok: false, faults, examples: Vec::new(), decisions: 0, cut: false };
                return (checks, None);
            }
        };
        let live = self.routes.now();
        let now = wall::now();
        let texts = guard::texts(&built.active);
        let began = Instant::now();
        let go_on = || began.elapsed() < TIME;
        let known = Known { now: &now, texts: &texts, dialled, seed: SEED };
        let live = live.engine.dry_run();
        let given = ProofInput { known, live: Some(&live), most: MOST, go_on: &go_on };
        let proof = proof::prove(&built.active.engine.dry_run(), given);
        let mut checks = checks(&draft.config, proof);
        if let Err(refused) = script_tests::all_pass(&built.active.scripts, &built.config) {
            checks.ok = false;
            checks.faults.insert(0, refused.into());
        }
        checks.faults.extend(unused(draft, &built));
        checks.faults.extend(built.warnings.iter().cloned());
        (checks, Some(built))
    }
}

/// Scripts of the draft that nothing asks: their author believes that they decide.
fn unused(draft: &DraftRecord, built: &Built) -> Vec<Fault> {
    let scripts = &built.active.scripts;
    let unused = draft.scripts.keys().filter(|name| !scripts.asks(name));
    let fault = |name: &String| {
        let hint = format!("name it in the document: script = \"scripts/{name}\"");
        let severity = FaultSeverity::Warning;
        Fault { severity, ..Fault::elsewhere(name, "nothing asks this script", hint) }
    };
    unused.map(fault).collect()
}

/// What a proof found, at places of the document.
pub fn checks(document: &str, proof: Proof) -> Checks {
    let ok = proof.holds();
    let (in_document, elsewhere): (Vec<&Finding>, Vec<&Finding>) =
        proof.findings.iter().partition(|f| matches!(f.place, Place::Document(_) | Place::Source(_)));
    let severity = |f: &Finding| if f.stops { FaultSeverity::Error } else { FaultSeverity::Warning };
    let found = in_document.iter().map(|f| (severity(f), path(&f.place), f.what.clone(), f.hint.clone()));
    let mut faults = placed(document, found.collect());
    faults.extend(
        elsewhere.iter().map(|f| Fault {
            severity: severity(f),
            ..Fault::elsewhere(f.place.to_string(), &f.what, &f.hint)
        }),
    );
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

/// Where the document speaks of it.
fn path(place: &Place) -> String {
    match place {
        Place::Source(Source::Gateway(id)) => format!("gateway.{id}"),
        Place::Source(Source::Line(id)) => format!("line.{id}"),
        place => place.to_string(),
    }
}
