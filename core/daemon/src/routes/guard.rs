//! What every change of the routes passes before it is active: emergency calls go out as before, and every number is
//! decided within limits. Quick: at most a fraction of a second.

use std::time::{Duration, Instant};

use ringtrip_exchange::route::WallTime;
use ringtrip_routing::coverage::Known;
use ringtrip_routing::proof::{self, Finding, Place, Proof, ProofInput, Rule};

use super::ActiveRouting;
use crate::control::ScriptRefused;
use crate::exchange::wall;

/// A guard must not make people wait who only saved a file.
const TIME: Duration = Duration::from_millis(250);
/// Dry-run decisions; each is some microseconds.
const MOST: usize = 3_000;
/// Findings can be found again.
const SEED: u64 = 1;

/// The quick proof.
pub fn quick(next: &ActiveRouting, live: &ActiveRouting) -> Proof {
    let now = wall::now();
    let texts = texts(next);
    let began = Instant::now();
    let go_on = || began.elapsed() < TIME;
    let live = live.engine.dry_run();
    let given = ProofInput { known: known(&now, &texts), live: Some(&live), most: MOST, go_on: &go_on };
    proof::guard(&next.engine.dry_run(), given)
}

/// A script that fails or never comes to an end, by the word of the configuration, and why. What a script would say to a call
/// for help is no reason here: such a call never reaches one, and without the script the calls that it bars would go out.
pub(super) fn first_failure(next: &ActiveRouting, live: &ActiveRouting) -> Option<(String, ScriptRefused)> {
    let proof = quick(next, live);
    proof.findings.iter().filter(|f| f.rule == Rule::Terminates).find_map(|finding| {
        let Place::Script(word) = &finding.place else { return None };
        let (named, _) = next.scripts.running().find(|(named, _)| named.word == *word)?;
        let what = format!("{}; {}", finding.what, finding.hint);
        Some((word.clone(), ScriptRefused { script: named.name.clone(), line: 0, column: 0, what }))
    })
}

/// May these scripts run? Only what they themselves do counts: a plan that was wrong before is no fault of a script.
pub(super) fn scripts(name: &str, next: &ActiveRouting, live: &ActiveRouting) -> Result<(), ScriptRefused> {
    let proof = quick(next, live);
    let of_scripts =
        |f: &&Finding| f.stops && (f.rule == Rule::Terminates || matches!(f.place, Place::Script(_)));
    match proof.findings.iter().find(of_scripts) {
        None => Ok(()),
        Some(finding) => Err(ScriptRefused {
            script: name.to_owned(),
            line: 0,
            column: 0,
            what: format!("{}; {}", finding.what, finding.hint),
        }),
    }
}

/// The texts of the scripts of what is active.
pub fn texts(of: &ActiveRouting) -> Vec<String> {
    of.scripts.iter().map(|(_, text)| text.clone()).collect()
}

/// What probes are made of, without numbers that were dialled before.
pub fn known<'a>(now: &'a WallTime, texts: &'a [String]) -> Known<'a> {
    Known { now, texts, dialled: &[], seed: SEED }
}
