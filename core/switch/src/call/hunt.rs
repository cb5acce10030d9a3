//! Hunting: the stages of a plan are tried one after the other, the targets of a stage together. When all have
//! failed the caller hears the best of the causes, not the last.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::call::Call;
use crate::call::legs::LegStage;
use crate::call::machine::State;
use crate::call::setup::{EMERGENCY_WAIT, FIND_WAIT};
use crate::config::{Config, Rule};
use crate::emergency::EmergencyCall;
use crate::event::Event;
use crate::ids::ExtId;
use crate::leg::Placement;
use crate::party::{Cause, Source};
use crate::post::Post;
use crate::route::{Attempt, Found, Provenance, Stage, Target};

/// What is left to try, and how it went so far.
#[derive(Debug)]
pub(super) struct Hunt {
    /// Stages not yet begun.
    stages: VecDeque<Stage>,
    /// The attempts of all stages begun; a question's number is the place of its attempt here.
    attempts: Vec<Arc<Attempt>>,
    /// Questions to the directory without an answer yet.
    open: SmallVec<[u16; 4]>,
    /// When questions without an answer count as failed.
    find_by: Option<Instant>,
    /// When the next stage begins.
    until: Option<Instant>,
    /// Attempts by gateways that were thought dead: tried all the same when nothing else is left.
    aside: VecDeque<Stage>,
    /// Nothing else is left: those are tried now.
    last_round: bool,
    /// How long the targets of this stage may ring.
    timeout: Duration,
    /// Attempts outside after which no other way to the same party is tried.
    settled: Vec<Arc<Attempt>>,
    /// The best cause so far.
    best: Option<Cause>,
    emergency: bool,
}

impl Hunt {
    pub(super) fn new(stages: Vec<Stage>) -> Hunt {
        Hunt {
            stages: stages.into(),
            attempts: Vec::new(),
            open: SmallVec::new(),
            find_by: None,
            until: None,
            aside: VecDeque::new(),
            last_round: false,
            timeout: Duration::ZERO,
            settled: Vec::new(),
            best: None,
            emergency: false,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.find_by.into_iter().chain(self.until).min()
    }

    /// The number of the question that was asked for this attempt.
    pub(super) fn number_of(&self, attempt: &Arc<Attempt>) -> Option<u16> {
        let at = self.attempts.iter().position(|other| Arc::ptr_eq(other, attempt))?;
        u16::try_from(at).ok()
    }

    /// A leg that tried something has ended. Whether another way to the same party is worth a try is a rule of the
    /// configuration.
    pub(super) fn ended(&mut self, cause: Cause, attempt: Option<Arc<Attempt>>, config: &Config) {
        self.failed(cause);
        let stops = !self.emergency && config.failover.rule(cause) == Rule::Stop;
        self.settled.extend(attempt.filter(|attempt| stops && is_outside(config, &attempt.target)));
    }

    /// Is it decided already what became of the party that this attempt is for?
    fn is_settled(&self, attempt: &Attempt, config: &Config) -> bool {
        is_outside(config, &attempt.target) && self.settled.iter().any(|other| same_party(attempt, other))
    }

    /// Is anything tried when this attempt gives no answer? What rings beside it is not: that is tried already.
    fn goes_on_after(&self, attempt: &Attempt, config: &Config) -> bool {
        let settles =
            config.failover.rule(Cause::Failure) == Rule::Stop && is_outside(config, &attempt.target);
        let is_tried = |next: &Attempt| {
            let decided = settles && is_outside(config, &next.target) && same_party(next, attempt);
            self.emergency || !(decided || self.is_settled(next, config))
        };
        self.stages.iter().flat_map(|stage| &stage.targets).any(is_tried)
    }

    /// What was set aside, once nothing else is left.
    fn set_aside(&mut self) -> Option<Stage> {
        let stage = self.aside.pop_front()?;
        self.last_round = true;
        Some(stage)
    }

    /// A gateway cannot be used as far as it knows. Whether it answers, only a call can prove.
    fn put_aside(&mut self, cause: Cause, attempt: &Arc<Attempt>) {
        if cause == Cause::Failure && matches!(attempt.target, Target::Gateway(_)) && !self.last_round {
            let targets = vec![Attempt::clone(attempt)];
            self.aside.push_back(Stage { targets, timeout: self.timeout });
        }
    }

    /// A target failed.
    pub(super) fn failed(&mut self, cause: Cause) {
        if self.best.is_none_or(|best| weight(cause) > weight(best)) {
            self.best = Some(cause);
        }
    }
}

impl Call {
    pub(super) fn hunt(&mut self, now: Instant, hunt: Hunt, out: &mut Vec<Post>) {
        self.state = State::Hunting(Box::new(hunt));
        self.next_stage(now, out);
    }

    /// An emergency call: the landline and the providers in the order of the configuration, each begun as soon as
    /// the one before fails or gives no sign, and none given up for another before somebody answers.
    pub(super) fn emergency(&mut self, now: Instant, call: &EmergencyCall, out: &mut Vec<Post>) {
        self.cdr.emergency = true;
        out.push(Post::Tell(Event::Emergency {
            call: self.id(),
            from: self.source_word(),
            number: call.number().as_str().to_owned(),
        }));
        // The trace that a power cut leaves says what this call was.
        out.push(Post::Keep(self.cdr.clone()));
        self.hunt(now, Hunt { emergency: true, ..Hunt::new(call.ways().to_vec()) }, out);
    }

    pub(super) fn source_word(&self) -> String {
        match &self.cdr.source {
            Source::Extension(ext) => ext.to_string(),
            Source::Line(line) => line.to_string(),
            Source::Gateway(gateway) => gateway.to_string(),
            Source::Operator => "operator".to_owned(),
        }
    }

    /// The route actor is silent: it is being restarted, or a script holds it. Emergency calls and calls to our own
    /// extensions need no route; all others are refused, since nobody can say whether they are allowed.
    pub(super) fn route_is_late(&mut self, now: Instant, out: &mut Vec<Post>) {
        let because = "the route did not answer in time".to_owned();
        self.cdr.provenance = Provenance { because, ..Provenance::default() };
        let (source, dialled) = (&self.cdr.source, &self.cdr.dialled);
        let emergency =
            crate::emergency::begun(&self.setup.config, source, self.number_asked, self.caller(), dialled);
        if let Some(emergency) = emergency {
            return self.emergency(now, &emergency, out);
        }
        let own = self.cdr.dialled.as_str().parse::<ExtId>().ok();
        let own = own.and_then(|id| self.setup.config.extension(id.as_str()));
        match own {
            Some(extension) => {
                let target = Target::Extension(extension.id.clone());
                let attempt = Attempt::new(target, self.cdr.dialled.clone(), self.caller().clone());
                let stage = Stage { targets: vec![attempt], timeout: extension.ring_time };
                self.hunt(now, Hunt::new(vec![stage]), out);
            }
            None => self.finish(now, Cause::Congestion, 'x', out),
        }
    }

    fn next_stage(&mut self, now: Instant, out: &mut Vec<Post>) {
        let call = self.id();
        let State::Hunting(hunt) = &mut self.state else { return };
        let config = &self.setup.config;
        let next = loop {
            let Some(mut stage) = hunt.stages.pop_front().or_else(|| hunt.set_aside()) else { break None };
            let many = stage.targets.len();
            stage.targets.retain(|attempt| !hunt.is_settled(attempt, config));
            if many == 0 || !stage.targets.is_empty() {
                break Some(stage);
            }
        };
        let Some(stage) = next else {
            let nothing_left_to_wait_for = self.living(|_| true).iter().all(|n| *n == self.a);
            let State::Hunting(hunt) = &mut self.state else { return };
            if hunt.emergency && !nothing_left_to_wait_for {
                // The targets begun ring on until one answers or the caller gives up.
                hunt.until = None;
                return;
            }
            let cause = hunt.best.unwrap_or(Cause::Congestion);
            return self.give_up(now, cause, out);
        };
        hunt.find_by = Some(now + FIND_WAIT);
        hunt.timeout = stage.timeout;
        hunt.until = Some(now + if hunt.emergency { EMERGENCY_WAIT } else { stage.timeout });
        for attempt in stage.targets {
            let Ok(seq) = u16::try_from(hunt.attempts.len()) else { break };
            hunt.open.push(seq);
            let target = attempt.target.clone();
            let (emergency, last) = (hunt.emergency, hunt.last_round);
            out.push(Post::Find { call, seq, target, emergency, last });
            hunt.attempts.push(Arc::new(attempt));
        }
        // A stage without a target has failed already.
        if hunt.open.is_empty() {
            self.next_if_exhausted(now, out);
        }
    }

    pub(super) fn found(
        &mut self,
        now: Instant,
        seq: u16,
        found: Result<Vec<Found>, Cause>,
        out: &mut Vec<Post>,
    ) {
        let State::Hunting(hunt) = &mut self.state else { return };
        let Some(at) = hunt.open.iter().position(|open| *open == seq) else { return };
        hunt.open.swap_remove(at);
        if hunt.open.is_empty() {
            hunt.find_by = None;
        }
        let Some(attempt) = hunt.attempts.get(usize::from(seq)).cloned() else { return };
        let emergency = hunt.emergency;
        // Nobody waits long for one that was silent to everything.
        let last_hope = !hunt.last_round && !hunt.goes_on_after(&attempt, &self.setup.config);
        match found {
            Ok(legs) if !legs.is_empty() => {
                let offer = self.offer();
                for leg in legs {
                    let placement = Placement {
                        number: attempt.number.clone(),
                        caller: attempt.caller.clone(),
                        offer: offer.clone(),
                        ring: None,
                        emergency,
                        last_hope,
                        prepared: attempt.prepared.clone(),
                    };
                    self.place(now, leg, placement, 1, Some(Arc::clone(&attempt)), out);
                }
            }
            none => {
                let cause = none.err().unwrap_or(Cause::Unregistered);
                hunt.failed(cause);
                hunt.put_aside(cause, &attempt);
                out.push(Post::Left { call: self.id, seq });
            }
        }
        self.next_if_exhausted(now, out);
    }

    /// Goes on to the next stage when nothing of this one is left.
    pub(super) fn next_if_exhausted(&mut self, now: Instant, out: &mut Vec<Post>) {
        let a = self.a;
        let State::Hunting(hunt) = &self.state else { return };
        if hunt.open.is_empty() && self.living(|l| l.n != a).is_empty() {
            self.next_stage(now, out);
        }
    }

    pub(super) fn hunt_timeout(&mut self, now: Instant, out: &mut Vec<Post>) {
        let a = self.a;
        let State::Hunting(hunt) = &mut self.state else { return };
        if hunt.find_by.is_some_and(|by| by <= now) {
            hunt.find_by = None;
            hunt.open.clear();
            hunt.failed(Cause::SystemFailure);
            self.next_if_exhausted(now, out);
        }
        let State::Hunting(hunt) = &mut self.state else { return };
        if hunt.until.is_none_or(|by| by > now) {
            return;
        }
        hunt.until = None;
        if hunt.emergency {
            // One that shows a sign of life keeps its chance alone; a silent one gets company.
            let alive = |l: &super::legs::Leg| matches!(l.stage, LegStage::Ringing | LegStage::Early);
            if self.living(|l| l.n != a && alive(l)).is_empty() {
                self.next_stage(now, out);
            }
            return;
        }
        for n in self.living(|l| l.n != a) {
            let leg = self.legs.iter().find(|l| l.n == n);
            let rang = leg.is_some_and(|l| l.stage != LegStage::Trying);
            let attempt = leg.and_then(|l| l.attempt.clone());
            if let State::Hunting(hunt) = &mut self.state {
                let cause = if rang { Cause::NoAnswer } else { Cause::Failure };
                hunt.ended(cause, attempt, &self.setup.config);
            }
            self.path.lost(n);
            self.end_leg(now, n, Cause::NoAnswer, out);
        }
        self.next_stage(now, out);
    }
}

/// Does an attempt at this target leave the house?
fn is_outside(config: &Config, target: &Target) -> bool {
    match target {
        Target::Landline | Target::Gateway(_) | Target::Uri(_) => true,
        Target::Line(line) => config.line(line).is_some_and(|l| l.fxo().is_some()),
        Target::Extension(_) => false,
    }
}

/// Do both attempts call the same party? Each provider wants its numbers in another form, so the ends of the numbers are
/// compared. What a plugin prepared may have the number of an access platform: it counts as the same.
fn same_party(one: &Attempt, other: &Attempt) -> bool {
    if one.prepared.is_some() || other.prepared.is_some() {
        return true;
    }
    let keys = |attempt: &Attempt| -> String {
        attempt.number.as_str().chars().filter(char::is_ascii_digit).collect()
    };
    let (one, other) = (keys(one), keys(other));
    let n = SUBSCRIBER.min(one.len()).min(other.len());
    one.get(one.len() - n..) == other.get(other.len() - n..)
}

/// So many last digits say whom a number reaches, however it begins.
const SUBSCRIBER: usize = 7;

/// How much a cause tells the caller: what a person did says more than what a machine could not.
fn weight(cause: Cause) -> u8 {
    match cause {
        Cause::Busy => 14,
        Cause::Declined => 13,
        Cause::NoAnswer => 12,
        Cause::Changed => 11,
        Cause::Unallocated => 10,
        Cause::Invalid => 9,
        // Nobody was asked: money stood in the way.
        Cause::Spent | Cause::Barred => 8,
        Cause::Incompatible => 7,
        Cause::Unregistered => 6,
        Cause::Failure => 5,
        Cause::Congestion => 4,
        Cause::BoardLost => 3,
        Cause::SystemFailure => 2,
        _ => 1,
    }
}
