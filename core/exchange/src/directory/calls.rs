//! The index of calls: where each comes from, whether it counts, its newest record; and who may begin another.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringtrip_sip::build;
use ringtrip_sip::endpoint::ServerTx;
use ringtrip_sip::message::Request;
use ringtrip_sip::name::Name;

use super::Directory;
use crate::call::{Birth, Caller};
use crate::cdr::Cdr;
use crate::emergency;
use crate::leg::LegCmd;
use crate::leg::index::LegIndex;
use crate::owner::Ask;
use crate::post::{LineInput, MediaCommand, Post};
use crate::rating::RatingInput;
use crate::route::WallTime;
use ringtrip_model::event::Event;
use ringtrip_model::ids::CallId;
use ringtrip_model::party::{Cause, Digits, EndedBy, Source};

/// Calls that may be there for each one that may count: those that have ended wait for the last word of their far ends.
const LINGERING: usize = 8;
/// Of a small exchange so many calls may linger at least, in calls that may count.
const LINGERING_LEAST: usize = 100;
/// That new calls are refused is told this often at most: around the limit it begins and ends with every call.
const REFUSAL_TOLD: Duration = Duration::from_secs(60);
/// What a caller who is refused is told to wait, in seconds.
const RETRY_AFTER: &str = "10";

/// May a call begin?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is for help: no limit counts it, and ports are kept for it.
    Emergency,
    /// It may.
    Admitted,
    /// The exchange is full, or its source has as many calls as it may.
    Full,
}

#[derive(Debug)]
pub(super) struct Calls {
    calls: HashMap<CallId, Call>,
    /// How many calls the host has room for.
    capacity: usize,
    /// How many calls count.
    seats: usize,
    /// How many of them each source has.
    sources: HashMap<Source, usize>,
    /// When it was last told that new calls are refused.
    refusal: Option<Instant>,
}

#[derive(Debug)]
struct Call {
    source: Source,
    /// It counts. One that has ended and only waits for the last word of a far end does not.
    has_seat: bool,
    /// The newest record: what is closed in the call's stead if it fails.
    cdr: Option<Arc<Cdr>>,
}

impl Calls {
    pub(super) fn new(capacity: usize) -> Calls {
        Calls { calls: HashMap::new(), capacity, seats: 0, sources: HashMap::new(), refusal: None }
    }
}

/// The answer to an INVITE that the exchange has no room for (RFC 3261 §21.5.4).
pub fn unavailable(tx: ServerTx, invite: &Request) -> Post {
    let mut response = build::response(invite, 503);
    response.headers.push(Name::RetryAfter, RETRY_AFTER);
    Post::Sip(Ask::Respond { tx, response })
}

impl Directory {
    /// May this call begin?
    pub fn admit(&self, birth: &Birth) -> Admission {
        let help = |number: &Digits| {
            emergency::begun(&self.config, &birth.source, false, &birth.caller, number).is_some()
        };
        if help(&birth.dialled) || birth.planned.as_ref().is_some_and(|planned| help(&planned.number)) {
            return Admission::Emergency;
        }
        let limits = &self.config.limits;
        let most = self.calls.capacity.min(limits.calls as usize);
        // Those that only wait for a last word cost memory, if nothing else.
        let lingering = LINGERING * most.max(LINGERING_LEAST);
        let full = self.calls.seats >= most
            || self.calls.calls.len() >= lingering
            || self.calls_of(&birth.source) >= usize::from(limits.calls_per_source);
        if full { Admission::Full } else { Admission::Admitted }
    }

    /// A call that was admitted begins: it counts from now on, and the telephone that it comes from carries its leg.
    pub fn call_begins(&mut self, birth: &Birth, admission: Admission) {
        if let Caller::Line { leg, line } = &birth.a {
            self.lines.occupy(line, *leg, admission == Admission::Emergency);
        }
        *self.calls.sources.entry(birth.source.clone()).or_default() += 1;
        self.calls.seats += 1;
        let call = Call { source: birth.source.clone(), has_seat: true, cdr: None };
        self.calls.calls.insert(birth.id, call);
    }

    /// A call does not begin: its caller is told so, and from time to time the operator.
    pub fn refuse(&mut self, now: Instant, birth: Birth, out: &mut Vec<Post>) {
        if self.calls.refusal.is_none_or(|told| now.saturating_duration_since(told) > REFUSAL_TOLD) {
            self.calls.refusal = Some(now);
            let text = "new calls are refused: no media port is free, or the limit of calls is reached";
            out.push(Post::Tell(Event::Alarm { what: "overload", text: text.to_owned() }));
        }
        match birth.a {
            Caller::Sip { tx, request, .. } => {
                out.push(unavailable(tx, &request));
            }
            Caller::Line { leg, line } => {
                let cmd = LegCmd::End(Cause::Congestion);
                out.push(Post::Line { line, input: LineInput::Leg { leg, cmd } });
            }
            Caller::Operator { .. } => {}
        }
    }

    /// A call has ended and does not count any more; it may linger for the last word of a far end. False if it did not
    /// count before.
    pub fn call_ended(&mut self, call: CallId) -> bool {
        let Some(entry) = self.calls.calls.get_mut(&call) else { return false };
        if !std::mem::take(&mut entry.has_seat) {
            return false;
        }
        let source = entry.source.clone();
        self.calls.seats = self.calls.seats.saturating_sub(1);
        if let Entry::Occupied(mut of) = self.calls.sources.entry(source) {
            *of.get_mut() -= 1;
            if *of.get() == 0 {
                of.remove();
            }
        }
        true
    }

    /// Nothing of a call is left. False if it did not count any more.
    pub fn call_over(&mut self, call: CallId) -> bool {
        let counted = self.call_ended(call);
        self.calls.calls.remove(&call);
        counted
    }

    /// A call failed and could not even end its legs: the lines that it spoke with are freed, and its record is closed in
    /// its stead. It is not over for that ([`Directory::call_over`]).
    pub fn call_failed(&mut self, call: CallId, legs: &LegIndex, at: WallTime, out: &mut Vec<Post>) {
        self.leave_conference(call, out);
        out.push(Post::Media(MediaCommand::Close { call }));
        let its = self.lines.legs().filter(|(_, leg)| legs.call_of(*leg) == Some(call));
        out.extend(its.map(|(line, leg)| {
            let cmd = LegCmd::End(Cause::SystemFailure);
            Post::Line { line: line.clone(), input: LineInput::Leg { leg, cmd } }
        }));
        let record = self.calls.calls.get_mut(&call).and_then(|entry| entry.cdr.take());
        if let Some(cdr) = record.filter(|cdr| cdr.cause.is_none()) {
            let mut cdr = Box::new(Arc::unwrap_or_clone(cdr));
            let micros = at.unix_micros.saturating_sub(cdr.started_micros);
            cdr.ended_after = Some(u64::try_from(micros).unwrap_or(0));
            for party in cdr.parties.iter_mut().filter(|party| party.left.is_none()) {
                party.left = cdr.ended_after;
            }
            cdr.cause = Some(Cause::SystemFailure);
            cdr.ended_by = Some(EndedBy::Exchange);
            let ended = RatingInput::ended(&cdr);
            out.push(Post::Keep(cdr));
            out.extend(ended.map(Post::Rate));
        }
        out.push(Post::Tell(Event::CallEnded { call, cause: Cause::SystemFailure, by: EndedBy::Exchange }));
    }

    /// A call's record changed. Answers whether the one before was still open.
    pub fn on_record(&mut self, cdr: &Arc<Cdr>) -> bool {
        let Some(entry) = self.calls.calls.get_mut(&cdr.call) else { return false };
        let before = entry.cdr.replace(Arc::clone(cdr));
        before.is_none_or(|before| before.cause.is_none())
    }

    /// Where a call comes from.
    pub fn source_of(&self, call: CallId) -> Option<&Source> {
        self.calls.calls.get(&call).map(|entry| &entry.source)
    }

    /// How many calls there are, with those that only linger.
    pub fn calls(&self) -> usize {
        self.calls.calls.len()
    }

    /// How many calls count.
    pub fn seats(&self) -> usize {
        self.calls.seats
    }

    /// How many calls that count a source has.
    pub fn calls_of(&self, source: &Source) -> usize {
        self.calls.sources.get(source).copied().unwrap_or(0)
    }
}
