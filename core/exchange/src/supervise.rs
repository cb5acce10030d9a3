//! Restart policy as a pure machine: what to do when a part of the exchange has failed.
//!
//! A part has a name, a policy and an allowance (`intensity` failures within `period`). The shell reports every
//! exit and obeys the decision; it alone starts and stops things. Failures in a row wait longer and longer, so
//! that a sick part does not eat the processor, and a part that fails too often is given up with an alarm. A part
//! that has run well for a whole period starts from the first, shortest wait again. Each start has a new
//! generation: what still holds the old one is talking to the dead and must notice.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use ringtrip_model::ids::{BoardId, CallId, GatewayId, LineId};

/// A part of the exchange that fails, and comes back, by itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PartId {
    /// A line.
    Line(LineId),
    /// A gateway.
    Gateway(GatewayId),
    /// A call.
    Call(CallId),
    /// The process of a board.
    Board(BoardId),
    /// The SIP user agent: `desk`.
    SipUserAgent,
    /// The route.
    Route,
    /// The media engine.
    Media,
    /// The store.
    Store,
}

/// Why a text names no part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPart {
    /// There is no such kind of part.
    Kind,
    /// No part of this kind has such a name.
    Name,
}

impl fmt::Display for PartId {
    /// The name in events and the API; never changes once released.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PartId::Line(id) => write!(f, "line {id}"),
            PartId::Gateway(id) => write!(f, "gateway {id}"),
            PartId::Call(id) => write!(f, "call {id}"),
            PartId::Board(id) => write!(f, "board {id}"),
            PartId::SipUserAgent => f.write_str("desk"),
            PartId::Route => f.write_str("route"),
            PartId::Media => f.write_str("media"),
            PartId::Store => f.write_str("store"),
        }
    }
}

impl FromStr for PartId {
    type Err = BadPart;
    fn from_str(text: &str) -> Result<PartId, BadPart> {
        let bad = |_| BadPart::Name;
        match text.split_once(' ').unwrap_or((text, "")) {
            ("line", name) => name.parse().map(PartId::Line).map_err(bad),
            ("gateway", name) => name.parse().map(PartId::Gateway).map_err(bad),
            ("call", name) => name.parse().map(PartId::Call).map_err(|_| BadPart::Name),
            ("board", name) => name.parse().map(PartId::Board).map_err(bad),
            ("desk", "") => Ok(PartId::SipUserAgent),
            ("route", "") => Ok(PartId::Route),
            ("media", "") => Ok(PartId::Media),
            ("store", "") => Ok(PartId::Store),
            _ => Err(BadPart::Kind),
        }
    }
}

/// When a part is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Whenever it ends: lines, gateways, the route, SIP, media, the store.
    Permanent,
    /// When it failed, not when it finished: a job that may be done.
    Transient,
    /// Never: a broken call is ended cleanly, not resurrected.
    Temporary,
}

/// How a kind of part is kept alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// When it is started again.
    pub policy: Policy,
    /// How many restarts within `period` are allowed.
    pub intensity: u32,
    /// The window in which restarts are counted.
    pub period: Duration,
    /// The wait before the first restart; it doubles with each failure within `period`.
    pub backoff: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
}

impl Rule {
    /// Five failures in ten seconds are a part that cannot work; one alone must not be felt. A line is back well
    /// under a second after its first failure.
    pub const PERMANENT: Rule = Rule {
        policy: Policy::Permanent,
        intensity: 5,
        period: Duration::from_secs(10),
        backoff: Duration::from_millis(20),
        backoff_max: Duration::from_secs(1),
    };
    /// A board's process: it needs a moment for its hardware, and may be tried for long because a cable may come back.
    pub const BOARD: Rule = Rule {
        policy: Policy::Permanent,
        intensity: 20,
        period: Duration::from_secs(60),
        backoff: Duration::from_millis(50),
        backoff_max: Duration::from_secs(5),
    };
    /// The desk and the route: without them there is no exchange, so they are never given up, and at worst tried once
    /// a second.
    pub const VITAL: Rule = Rule { intensity: u32::MAX, ..Rule::PERMANENT };
    /// A call.
    pub const TEMPORARY: Rule = Rule { policy: Policy::Temporary, intensity: 0, ..Rule::PERMANENT };
}

/// How a part ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It finished its work.
    Finished,
    /// It panicked, crashed or stopped answering; in words.
    Failed(String),
}

/// A part ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// Which part.
    pub part: PartId,
    /// Which start of it; an exit of an older generation is old news.
    pub generation: u32,
    /// How it ended.
    pub ending: Ending,
}

/// What the shell does about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Start it again after this long, as this generation.
    Restart {
        /// How long to wait.
        after: Duration,
        /// The number of the new start.
        generation: u32,
    },
    /// It failed too often, and stays down until the configuration changes or an operator says so.
    GiveUp,
    /// It ended as it may: take it off the table.
    Forget,
    /// Not in the table, or of an older generation: nothing to do.
    Ignore,
}

/// The table of all parts.
#[derive(Debug, Default)]
pub struct Supervisor {
    parts: HashMap<PartId, Part>,
    /// Generations of permanent parts that were taken off: one that comes back goes on counting, so that an exit of before
    /// is still known to be old.
    removed: HashMap<PartId, u32>,
}

#[derive(Debug)]
struct Part {
    rule: Rule,
    generation: u32,
    state: State,
    /// Failures within the last period, oldest first.
    failures: VecDeque<Instant>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Running,
    GivenUp { why: String },
}

/// One row of the table as shown to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The part.
    pub part: PartId,
    /// Which start of it this is, from 1.
    pub generation: u32,
    /// Why it was given up; `None` while it runs or is about to.
    pub given_up: Option<String>,
}

impl Supervisor {
    /// An empty table.
    pub fn new() -> Supervisor {
        Supervisor::default()
    }

    /// Puts a part on the table and gives the generation to start it with. A part that is there already (given up,
    /// or changed by configuration) starts afresh with the next generation.
    pub fn add(&mut self, part: &PartId, rule: Rule) -> u32 {
        let before = self.parts.get(part).map(|p| p.generation).or_else(|| self.removed.remove(part));
        let generation = before.unwrap_or(0).wrapping_add(1);
        let fresh = Part { rule, generation, state: State::Running, failures: VecDeque::new() };
        self.parts.insert(part.clone(), fresh);
        generation
    }

    /// Takes a part off the table: it was stopped on purpose, and its exit is no failure.
    pub fn remove(&mut self, part: &PartId) {
        if let Some(gone) = self.parts.remove(part)
            && gone.rule.policy == Policy::Permanent
        {
            self.removed.insert(part.clone(), gone.generation);
        }
    }

    /// The generation of a part that runs now.
    pub fn generation(&self, part: &PartId) -> Option<u32> {
        self.parts.get(part).filter(|p| p.state == State::Running).map(|p| p.generation)
    }

    /// A part ended: what now?
    pub fn on(&mut self, now: Instant, exit: &Exit) -> Decision {
        let Some(part) = self.parts.get_mut(&exit.part) else { return Decision::Ignore };
        if exit.generation != part.generation || part.state != State::Running {
            return Decision::Ignore;
        }
        match (part.rule.policy, &exit.ending) {
            (Policy::Temporary, _) | (Policy::Transient, Ending::Finished) => {
                self.parts.remove(&exit.part);
                Decision::Forget
            }
            (Policy::Permanent, Ending::Finished) => part.fail(now, "it ended"),
            (Policy::Permanent | Policy::Transient, Ending::Failed(why)) => part.fail(now, why),
        }
    }

    /// All parts in order.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.parts.iter().map(|(id, part)| part.row(id)).collect();
        rows.sort_by(|a, b| a.part.cmp(&b.part));
        rows
    }
}

impl Part {
    fn fail(&mut self, now: Instant, why: &str) -> Decision {
        while self
            .failures
            .front()
            .is_some_and(|then| now.saturating_duration_since(*then) >= self.rule.period)
        {
            self.failures.pop_front();
        }
        let before = u32::try_from(self.failures.len()).unwrap_or(u32::MAX);
        if before >= self.rule.intensity {
            self.state = State::GivenUp { why: why.to_owned() };
            return Decision::GiveUp;
        }
        self.failures.push_back(now);
        self.generation = self.generation.wrapping_add(1);
        let factor = 1u32.checked_shl(before).unwrap_or(u32::MAX);
        let after = self.rule.backoff.saturating_mul(factor).min(self.rule.backoff_max);
        Decision::Restart { after, generation: self.generation }
    }

    fn row(&self, part: &PartId) -> Row {
        let given_up = match &self.state {
            State::Running => None,
            State::GivenUp { why } => Some(why.clone()),
        };
        Row { part: part.clone(), generation: self.generation, given_up }
    }
}

#[cfg(test)]
mod tests;
