//! Hunting: the stages of a plan are tried one after the other, the targets of a stage together. When all have
//! failed the caller hears the best of the causes, not the last.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::call::Call;
use crate::call::legs::{Leg, LegStage};
use crate::call::machine::State;
use crate::call::setup::{EMERGENCY_FIND, EMERGENCY_WAIT, FIND_WAIT};
use crate::cdr::Failed;
use crate::emergency::EmergencyCall;
use crate::leg::Placement;
use crate::post::Post;
use crate::route::{Attempt, Found, Provenance, Stage, Target};
use ringtrip_config::{Config, Rule};
use ringtrip_model::event::Event;
use ringtrip_model::ids::{ExtId, LegId, LineId};
use ringtrip_model::party::{Cause, Side, Source};

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
    /// Landlines tried so far; an emergency call tries each of them.
    landlines: SmallVec<[LineId; 2]>,
    /// Landlines that gave no dial tone: when all else has failed they are dialled blindly.
    blind: VecDeque<(LineId, Arc<Attempt>)>,
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
            landlines: SmallVec::new(),
            blind: VecDeque::new(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.find_by.into_iter().chain(self.until).min()
    }

    /// Does somebody charge for anything that was tried?
    pub(super) fn is_rated(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.rated.is_some())
    }

    /// A leg that tried something has ended. Whether another way to the same party is worth a try is a rule of the
    /// configuration.
    pub(super) fn ended(&mut self, cause: Cause, attempt: Option<Arc<Attempt>>, config: &Config) {
        self.failed(cause);
        if self.emergency {
            self.next_landline(cause, attempt.as_ref(), config);
        }
        let stops = !self.emergency && config.failover.rule(cause) == Rule::Stop;
        self.settled.extend(attempt.filter(|attempt| stops && is_outside(config, &attempt.target)));
    }

    /// The landline that an emergency call was placed on is of no use: the next one is tried before anybody else.
    fn next_landline(&mut self, cause: Cause, attempt: Option<&Arc<Attempt>>, config: &Config) {
        let Some(attempt) = attempt.filter(|a| a.target == Target::Landline) else { return };
        if let (Cause::NoDialTone, Some(line)) = (cause, self.landlines.last()) {
            self.blind.push_back((line.clone(), Arc::clone(attempt)));
        }
        if self.more_landlines(config) {
            let targets = vec![Attempt::clone(attempt)];
            self.stages.push_front(Stage { targets, timeout: EMERGENCY_WAIT });
        }
    }

    fn more_landlines(&self, config: &Config) -> bool {
        self.landlines.len() < config.landlines().count()
    }

    /// Nothing else is left: a landline whose dial tone nobody heard may take the number all the same.
    fn last_resort(&mut self) -> Option<Stage> {
        let (line, attempt) = self.blind.pop_front()?;
        let attempt = Attempt { target: Target::Line(line), ..Attempt::clone(&attempt) };
        Some(Stage { targets: vec![attempt], timeout: EMERGENCY_WAIT })
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
        let other_landline =
            self.emergency && attempt.target == Target::Landline && self.more_landlines(config);
        other_landline || self.stages.iter().flat_map(|stage| &stage.targets).any(is_tried)
    }

    /// Somebody has answered. A call for help keeps what is left to try, should that way break.
    pub(super) fn kept_for_help(mut self: Box<Self>) -> Option<Box<Hunt>> {
        self.open.clear();
        (self.find_by, self.until) = (None, None);
        self.emergency.then_some(self)
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
            location: self.setup.config.emergency.location.clone(),
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
            None => self.give_up_silently(now, Cause::Congestion, out),
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
        let Some(stage) = next.or_else(|| hunt.last_resort()) else {
            let nothing_left_to_wait_for =
                self.living(|l| l.id != self.a && l.stage != LegStage::Up).is_empty();
            let State::Hunting(hunt) = &mut self.state else { return };
            if hunt.emergency && !nothing_left_to_wait_for {
                // The targets begun ring on until one answers or the caller gives up.
                hunt.until = None;
                return;
            }
            let cause = hunt.best.unwrap_or(Cause::Congestion);
            return self.give_up(now, cause, out);
        };
        hunt.find_by = Some(now + if hunt.emergency { EMERGENCY_FIND } else { FIND_WAIT });
        hunt.timeout = stage.timeout;
        hunt.until = Some(now + if hunt.emergency { EMERGENCY_WAIT } else { stage.timeout });
        for attempt in stage.targets {
            let Ok(seq) = u16::try_from(hunt.attempts.len()) else { break };
            hunt.open.push(seq);
            let target = attempt.target.clone();
            let except = match target {
                Target::Landline => hunt.landlines.to_vec(),
                _ => Vec::new(),
            };
            let (emergency, last) = (hunt.emergency, hunt.last_round);
            let rated = attempt.rated.filter(|_| !emergency);
            out.push(Post::Find { call, seq, target, rated, emergency, last, except });
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
        if attempt.target == Target::Landline
            && let Ok(legs) = &found
        {
            let lines = legs.iter().filter_map(|found| match found {
                Found::Line(line) => Some(line.clone()),
                Found::Sip(_) | Found::Conference(_) => None,
            });
            hunt.landlines.extend(lines);
        }
        // Nobody waits long for one that was silent to everything.
        let is_last = hunt.emergency || !hunt.last_round;
        let last_hope = is_last && !hunt.goes_on_after(&attempt, &self.setup.config);
        // A plan, a script or a plugin may have made of a number what nobody can dial.
        let found = if attempt.number.is_whole() { found } else { Err(Cause::Invalid) };
        match found {
            Ok(legs) if !legs.is_empty() => {
                let (offer, referred_by) = (self.offer(), self.referred_by());
                for leg in legs {
                    let placement = Placement {
                        number: attempt.number.clone(),
                        caller: attempt.caller.clone(),
                        offer: offer.clone(),
                        ring: None,
                        hops: self.hops,
                        emergency,
                        last_hope,
                        referred_by: referred_by.clone(),
                        prepared: attempt.prepared.clone(),
                    };
                    self.place(now, leg, placement, Side::Called, Some(Arc::clone(&attempt)), out);
                }
            }
            none => {
                let cause = none.err().unwrap_or(Cause::Unregistered);
                hunt.failed(cause);
                hunt.put_aside(cause, &attempt);
                self.rate_failed(&attempt, out);
                let (target, at) = (target_word(&attempt.target), self.age(now));
                self.cdr.attempts.push(Failed { target, after: at, ended: at, cause });
            }
        }
        self.next_if_exhausted(now, out);
    }

    /// The way that had answered a call for help broke: on to the next, while the caller is still there.
    pub(super) fn help_elsewhere(
        &mut self,
        now: Instant,
        n: LegId,
        cause: Cause,
        hunt: Option<Box<Hunt>>,
        out: &mut Vec<Post>,
    ) {
        let Some(mut hunt) = hunt else { return };
        let attempt = self.leg(n).and_then(|l| l.attempt.clone());
        hunt.ended(cause, attempt, &self.setup.config);
        self.note_failed(now, n, cause);
        self.path.lost(n);
        self.disconnect(out);
        self.cdr.answered_after = None;
        self.state = State::Hunting(hunt);
        out.push(Post::Keep(self.cdr.clone()));
        self.next_stage(now, out);
    }

    /// The record says what was tried in vain.
    pub(super) fn note_failed(&mut self, now: Instant, n: LegId, cause: Cause) {
        let ended = self.age(now);
        let Some(leg) = self.leg(n) else { return };
        let (target, after) = (leg.target.to_string(), leg.since);
        self.cdr.attempts.push(Failed { target, after, ended, cause });
    }

    /// Goes on to the next stage when nothing of this one is left.
    pub(super) fn next_if_exhausted(&mut self, now: Instant, out: &mut Vec<Post>) {
        let a = self.a;
        let State::Hunting(hunt) = &self.state else { return };
        // Nothing is waited for that shows no sign of life when somebody needs help: its turn to be alone has passed.
        let silent_will_do = hunt.emergency && hunt.until.is_none();
        let waits = |l: &Leg| {
            l.id != a && l.stage != LegStage::Up && (!silent_will_do || l.stage != LegStage::Trying)
        };
        if hunt.open.is_empty() && self.living(waits).is_empty() {
            self.next_stage(now, out);
        }
    }

    pub(super) fn hunt_timeout(&mut self, now: Instant, out: &mut Vec<Post>) {
        let a = self.a;
        let State::Hunting(hunt) = &mut self.state else { return };
        if hunt.find_by.is_some_and(|by| by <= now) {
            hunt.find_by = None;
            let open = std::mem::take(&mut hunt.open);
            let silent: Vec<String> = open
                .iter()
                .filter_map(|seq| Some(target_word(&hunt.attempts.get(usize::from(*seq))?.target)))
                .collect();
            hunt.failed(Cause::SystemFailure);
            let (ended, cause) = (self.age(now), Cause::SystemFailure);
            let failed = |target| Failed { target, after: ended, ended, cause };
            self.cdr.attempts.extend(silent.into_iter().map(failed));
            self.next_if_exhausted(now, out);
        }
        let State::Hunting(hunt) = &mut self.state else { return };
        if hunt.until.is_none_or(|by| by > now) {
            return;
        }
        hunt.until = None;
        if hunt.emergency {
            // One that shows a sign of life keeps its chance alone; a silent one gets company.
            let alive = |l: &Leg| matches!(l.stage, LegStage::Ringing | LegStage::Early);
            if self.living(|l| l.id != a && alive(l)).is_empty() {
                self.next_stage(now, out);
            }
            return;
        }
        for n in self.living(|l| l.id != a && l.stage != LegStage::Up) {
            let leg = self.leg(n);
            let rang = leg.is_some_and(|l| l.stage != LegStage::Trying);
            let attempt = leg.and_then(|l| l.attempt.clone());
            let cause = if rang { Cause::NoAnswer } else { Cause::Failure };
            if let State::Hunting(hunt) = &mut self.state {
                hunt.ended(cause, attempt, &self.setup.config);
            }
            self.note_failed(now, n, cause);
            self.path.lost(n);
            self.end_leg(now, n, Cause::NoAnswer, out);
        }
        self.next_stage(now, out);
    }
}

/// Did the way break, rather than somebody hang up? Whoever talks to the emergency service may hang up, and so may they.
pub(super) fn is_broken(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::BoardLost
            | Cause::BoardRefused
            | Cause::WrongPort
            | Cause::NoLoop
            | Cause::NoDialTone
            | Cause::SystemFailure
            | Cause::Failure
            | Cause::Congestion
            | Cause::Unregistered
            | Cause::SessionExpired
    )
}

/// The target's name in a record.
fn target_word(target: &Target) -> String {
    match target {
        Target::Extension(id) => id.to_string(),
        Target::Line(id) => id.to_string(),
        Target::Landline => "landline".to_owned(),
        Target::Gateway(id) => id.to_string(),
        Target::Uri(to) => to.host.clone(),
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
        Cause::BoardLost | Cause::BoardRefused | Cause::WrongPort | Cause::NoLoop | Cause::NoDialTone => 3,
        Cause::SystemFailure => 2,
        _ => 1,
    }
}
