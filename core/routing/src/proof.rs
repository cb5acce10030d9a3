//! Proofs about routes before they are active: each rule is tried on many probe calls, and what breaks it is shrunk
//! to a small call that a person can read. Pure: the same engine and the same seed find the same.
//!
//! What is found by trying holds for what was tried; what is exact (alternatives that never win, numbers of the
//! emergency table) says so.

mod emergency;
mod paths;
mod shadow;
mod shrink;

use std::fmt;

use ringtrip_exchange::route::WallTime;
use ringtrip_model::party::Source;

use crate::coverage::{self, Known, Probe, Probes};
use crate::decide::{Adviser, Engine};
use crate::script;

/// What is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// Emergency calls reach their gateway at once, and nothing bars, rewrites or delays them.
    Emergency,
    /// Every number is decided, by scripts and plugins within their limits.
    Terminates,
    /// No call comes back to where it came from.
    Loops,
    /// Nobody outside calls at our cost without a PIN.
    Toll,
    /// Every alternative of a plan can win some number.
    Shadowed,
}

/// Where something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A place of the document, by its path: `plans.home`, `emergency.extra`.
    Document(String),
    /// Calls from here.
    Source(Source),
    /// A script, by its name in the configuration.
    Script(String),
    /// A plugin.
    Plugin(String),
}

impl Place {
    /// A place of the document.
    fn document(path: impl Into<String>) -> Place {
        Place::Document(path.into())
    }
}

impl From<Adviser> for Place {
    fn from(who: Adviser) -> Place {
        match who {
            Adviser::Script(name) => Place::Script(name),
            Adviser::Plugin(name) => Place::Plugin(name),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Document(path) => f.write_str(path),
            Place::Source(source) => f.write_str(&coverage::word(source)),
            Place::Script(name) => write!(f, "script {name}"),
            Place::Plugin(name) => write!(f, "plugin {name}"),
        }
    }
}

/// Something that breaks a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// It stops an activation; otherwise it is a warning.
    pub stops: bool,
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub what: String,
    /// How to correct it.
    pub hint: String,
    /// A small call that shows it.
    pub example: Option<Probe>,
}

/// What a proof came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Proof {
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
    /// Dry-run decisions.
    pub decisions: u64,
    /// The time ran out before all was tried.
    pub cut: bool,
}

/// What a proof is given.
#[derive(Clone, Copy)]
pub struct ProofInput<'a> {
    /// Beyond the configuration.
    pub known: Known<'a>,
    /// What runs now: a draft must not be worse where nothing can be perfect.
    pub live: Option<&'a Engine>,
    /// Probe calls at most, beside those to emergency numbers.
    pub most: usize,
    /// May it go on? Asked often.
    pub go_on: &'a dyn Fn() -> bool,
}

/// Findings of one rule at one place: more of the same say nothing new.
const EACH: usize = 3;

impl Rule {
    /// The word of the API; never changes once released.
    pub fn word(self) -> &'static str {
        match self {
            Rule::Emergency => "emergency",
            Rule::Terminates => "terminates",
            Rule::Loops => "loops",
            Rule::Toll => "toll",
            Rule::Shadowed => "shadowed",
        }
    }
}

impl Proof {
    /// May it be active?
    pub fn holds(&self) -> bool {
        !self.findings.iter().any(|f| f.stops)
    }
}

/// All rules: for drafts.
pub fn prove(engine: &Engine, given: ProofInput<'_>) -> Proof {
    script::on_deep_stack(|| {
        let mut work = Prover::new(engine, given);
        work.emergency(&work.all_hours());
        work.shadowed();
        work.paths(true);
        work.done()
    })
}

/// The rules that guard every change, quickly: emergency, and that every number is decided.
pub fn guard(engine: &Engine, given: ProofInput<'_>) -> Proof {
    script::on_deep_stack(|| {
        let mut work = Prover::new(engine, given);
        // Night, morning, afternoon, evening, on different days.
        let hours: Vec<WallTime> = work.all_hours().into_iter().step_by(41).collect();
        work.emergency(&hours);
        work.paths(false);
        work.done()
    })
}

/// A proof that is being made.
struct Prover<'a> {
    engine: &'a Engine,
    given: ProofInput<'a>,
    probes: Probes,
    proof: Proof,
}

impl<'a> Prover<'a> {
    fn new(engine: &'a Engine, given: ProofInput<'a>) -> Prover<'a> {
        let probes = Probes::new(engine.router().config(), given.known);
        Prover { engine, given, probes, proof: Proof::default() }
    }

    fn all_hours(&self) -> Vec<WallTime> {
        self.probes.hours.clone()
    }

    /// May it go on? Notes when not.
    fn go_on(&mut self) -> bool {
        let go_on = (self.given.go_on)();
        self.proof.cut |= !go_on;
        go_on
    }

    fn found(&mut self, finding: Finding) {
        let alike =
            |f: &&Finding| f.rule == finding.rule && f.place == finding.place && f.stops == finding.stops;
        let known = self.proof.findings.iter().filter(alike).count();
        if known < EACH
            && !self.proof.findings.iter().any(|f| f.what == finding.what && f.place == finding.place)
        {
            self.proof.findings.push(finding);
        }
    }

    fn done(mut self) -> Proof {
        self.proof.findings.sort_by_key(|f| (!f.stops, f.rule));
        self.proof
    }
}

#[cfg(test)]
mod tests;
