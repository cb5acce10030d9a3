//! The life of a call: birth, what its legs say, its end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;

use crate::call::after::After;
use crate::call::attend::{Asked, Asking, Before};
use crate::call::hunt::{Hunt, is_broken};
use crate::call::legs::{Kind, Leg, LegStage};
use crate::call::setup::{CallSetup, ROUTE_WAIT, SUMMON_WAIT};
use crate::call::sound::Path;
use crate::call::transfer::Transfer;
use crate::call::{Birth, Caller};
use crate::cdr::Cdr;
use crate::emergency;
use crate::leg::sip::SipLeg;
use crate::leg::{LegCmd, LegEvent, Placement, Random};
use crate::number;
use crate::post::{CallInput, LegInput, MediaCommand, MediaEvent, Post};
use crate::route::{Found, Keys, Planned, RoutePlan, RouteQuery, Verdict, WallTime, Wanted};
use ringtrip_model::event::Event;
use ringtrip_model::ids::{CallId, LegId, LineId};
use ringtrip_model::party::{CallerId, Cause, Digits, EndedBy, Side, Source};

/// A call. It holds everything by value; a shell hosts it until [`Call::is_over`].
#[derive(Debug)]
pub struct Call {
    pub(super) id: CallId,
    pub(super) setup: Arc<CallSetup>,
    pub(super) rand: Random,
    /// Its two media ports: the caller's side and the called side.
    pub(super) ports: [u16; 2],
    /// The legs, in the order of their numbers.
    pub(super) legs: SmallVec<[Leg; 2]>,
    /// The caller's leg. While the operator's phones are summoned, no leg has this name.
    pub(super) a: LegId,
    pub(super) state: State,
    pub(super) path: Path,
    pub(super) transfer: Option<Box<Transfer>>,
    /// Legs that belong to another call now: what still comes for them here is passed on.
    pub(super) moved: SmallVec<[LegId; 1]>,
    /// When somebody answered who costs money, µs after the start, where that was not the first answer.
    pub(super) priced_from: Option<u64>,
    pub(super) cdr: Box<Cdr>,
    pub(super) planned: Option<Planned>,
    /// `Max-Forwards` of the INVITEs of its called legs.
    pub(super) hops: u8,
    /// What was dialled was entered when the exchange asked for a number.
    pub(super) number_asked: bool,
    /// How often the caller was asked for something.
    pub(super) questions: u8,
    /// A wrong PIN was entered, and that was told.
    pub(super) pin_was_wrong: bool,
    /// Record the talk.
    pub(super) record: bool,
    at: WallTime,
    pub(super) born: Instant,
    /// What legs have said and nobody has heard yet: a command to a leg can make it speak at once.
    pub(super) inbox: VecDeque<(LegId, LegEvent)>,
}

#[derive(Debug)]
pub(super) enum State {
    /// "Click to dial": the operator's own phones ring.
    Summoning { until: Instant },
    /// The route was asked; with what the caller has entered for it, if it asked for something.
    Routing { until: Instant, asked: Option<Box<Asked>> },
    /// What stands before the first stage.
    Before(Box<Before>),
    /// The caller is asked for something.
    Asking(Box<Asking>),
    /// Targets are tried, stage by stage.
    Hunting(Box<Hunt>),
    /// Two legs talk.
    /// `hunt`: what an emergency call goes on with when the way that answered breaks.
    Up { b: LegId, until: Option<Instant>, after: Option<Box<After>>, hunt: Option<Box<Hunt>> },
    /// The caller hears why there is no call, or no longer. `talked`: until when two parties talked.
    Saying { until: Instant, cause: Cause, by: EndedBy, talked: Option<Instant> },
    /// Ended. Statistics are awaited for the CDR, and the last transactions of SIP legs.
    Closing { figures: Awaited, legs_by: Instant },
    /// Nothing is left.
    Over,
}

/// Final figures that the media engine has still to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    Until(Instant),
    Done,
}

impl Call {
    /// A call is born: its record is opened, and the route is asked.
    pub fn new(
        now: Instant,
        birth: Birth,
        setup: &Arc<CallSetup>,
        seed: [u8; 32],
        out: &mut Vec<Post>,
    ) -> Call {
        let verstat = match &birth.a {
            Caller::Sip { request, .. } if matches!(birth.source, Source::Gateway(_)) => {
                number::verstat(request)
            }
            _ => None,
        };
        let a = birth.leg().unwrap_or_else(|| setup.ids.leg());
        let cdr = Cdr {
            call: birth.id,
            source: birth.source,
            caller: birth.caller,
            verstat,
            dialled: birth.dialled,
            sent: Digits::default(),
            target: String::new(),
            carrier: String::new(),
            attempts: Vec::new(),
            parties: Vec::new(),
            started_micros: birth.at.unix_micros,
            answered_after: None,
            ended_after: None,
            cause: None,
            ended_by: None,
            emergency: false,
            provenance: Default::default(),
            pin: None,
            quote: None,
            cost: None,
            recording: None,
            a: None,
            b: None,
        };
        let mut call = Call {
            id: birth.id,
            setup: Arc::clone(setup),
            rand: Random::new(seed),
            ports: birth.ports,
            legs: SmallVec::new(),
            a,
            state: State::Routing { until: now + ROUTE_WAIT, asked: None },
            path: Path::default(),
            transfer: None,
            moved: SmallVec::new(),
            priced_from: None,
            cdr: Box::new(cdr),
            planned: birth.planned,
            hops: birth.hops,
            number_asked: false,
            questions: 0,
            pin_was_wrong: false,
            record: false,
            at: birth.at,
            born: now,
            inbox: VecDeque::new(),
        };
        out.push(Post::Keep(call.cdr.clone()));
        out.push(Post::Tell(Event::CallStarted {
            call: call.id,
            from: call.source_word(),
            dialled: call.cdr.dialled.as_str().to_owned(),
        }));
        match birth.a {
            Caller::Sip { leg: id, tx, request, flow, reach } => {
                let port = call.ports[0];
                let mut leg = SipLeg::incoming(id, tx, request, (flow, reach), port);
                leg.configure(&setup.config, &call.cdr.source);
                call.add(now, id, Kind::Sip(Box::new(leg)), Some(port), "".into(), None, None);
                let (source, dialled) = (&call.cdr.source, &call.cdr.dialled);
                let help =
                    emergency::begun(&call.setup.config, source, false, call.caller(), dialled).is_some();
                call.with_sip(id, out, |leg, room| leg.begin(now, help, room));
                call.ask_route(now, None, None, out);
            }
            Caller::Line { leg, line } => {
                call.add(now, leg, Kind::Line(line), None, "".into(), None, None);
                call.ask_route(now, None, None, out);
            }
            Caller::Operator { found } => call.summon(now, found, out),
        }
        call.settle(now, out);
        call
    }

    /// One step.
    pub fn on(&mut self, now: Instant, input: CallInput, out: &mut Vec<Post>) {
        match input {
            CallInput::Leg { leg, input } if self.moved.contains(&leg) => out.push(Post::Leg { leg, input }),
            CallInput::Leg { leg, input } => self.leg_told(now, leg, input, out),
            CallInput::Adopt { leg, instead_of } => self.adopt(now, leg, instead_of, out),
            CallInput::Give { call, by } => self.give(now, call, by, out),
            CallInput::NotGiven(cause) => self.not_given(now, cause, out),
            CallInput::Routed(plan) => self.routed(now, *plan, out),
            CallInput::Found { seq, found } => self.found(now, seq, found, out),
            CallInput::Noted(step) => self.cdr.provenance.steps.push(step),
            CallInput::Media(event) => self.heard(now, event, out),
            CallInput::Hangup(Cause::Spent) => self.spent(now, out),
            CallInput::Hangup(cause) => self.finish(now, cause, EndedBy::Exchange, out),
            CallInput::Say { prompt } => self.say(prompt, out),
            CallInput::Topology(topology) => self.network_changed(topology, out),
            CallInput::Timeout => self.timeout(now, out),
        }
        self.settle(now, out);
    }

    fn leg_told(&mut self, now: Instant, id: LegId, input: LegInput, out: &mut Vec<Post>) {
        match input {
            LegInput::Sip(told) => self.with_sip(id, out, |leg, room| leg.told(now, told, room)),
            LegInput::Said(event) => self.inbox.push_back((id, event)),
            LegInput::Lookup { name, flows } => {
                self.with_sip(id, out, |leg, room| leg.located(now, &name, &flows, room));
            }
            LegInput::LocalAddress(local) => {
                self.with_sip(id, out, |leg, room| leg.relocate(now, local, room));
            }
            LegInput::TakeOver(ask) => self.take_over(now, id, *ask, out),
            LegInput::Replace(ask) => self.replace(now, id, *ask, out),
        }
    }

    /// When it wants [`CallInput::Timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Summoning { until } | State::Routing { until, .. } => Some(*until),
            State::Hunting(hunt) => hunt.deadline(),
            State::Up { until, after, .. } => after.iter().map(|after| after.until).chain(*until).min(),
            State::Before(_) | State::Asking(_) | State::Saying { .. } => self.attend_deadline(),
            State::Closing { figures: Awaited::Until(by), .. } => Some(*by),
            State::Closing { figures: Awaited::Done, legs_by } => Some(*legs_by),
            State::Over => None,
        };
        let legs = self.legs.iter().filter_map(|leg| match &leg.kind {
            Kind::Sip(sip) => sip.deadline(),
            Kind::Line(_) | Kind::Application(_) => None,
        });
        let transfer = self.transfer.as_ref().and_then(|transfer| transfer.deadline());
        legs.chain(own).chain(transfer).min()
    }

    /// Does it still count, and need its ports? A call that has ended may wait long for the last word of a phone that is
    /// gone; that costs nobody else anything.
    pub fn has_seat(&self) -> bool {
        !matches!(self.state, State::Closing { figures: Awaited::Done, .. } | State::Over)
    }

    /// Is everything done? Then the shell drops it.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Its name.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// The lines that it speaks with now: one that dies ends the call.
    pub fn lines(&self) -> impl Iterator<Item = &LineId> {
        self.legs.iter().filter(|l| l.stage.lives()).filter_map(|l| match &l.kind {
            Kind::Line(line) => Some(line),
            Kind::Sip(_) | Kind::Application(_) => None,
        })
    }

    /// The call as the API shows it: its record so far, with the words of its state.
    pub fn record(&self) -> (&Cdr, &'static str) {
        let word = match &self.state {
            State::Summoning { .. } => "summoning",
            State::Routing { .. } => "routing",
            State::Before(_) | State::Saying { .. } => "announcing",
            State::Asking(_) => "asking",
            State::Hunting(_) if self.legs.iter().any(|l| l.stage == LegStage::Ringing) => "ringing",
            State::Hunting(_) => "trying",
            State::Up { .. } => "up",
            State::Closing { .. } | State::Over => "ended",
        };
        (&self.cdr, word)
    }

    /// What is left to do when this call has panicked: its legs are sent home, its sound is taken apart and its
    /// record closed. The machine may be in the middle of a step; nothing here trusts its state.
    pub fn wreck(mut self, now: Instant, out: &mut Vec<Post>) {
        self.inbox.clear();
        let mut legs = std::mem::take(&mut self.legs);
        let mut said = VecDeque::new();
        for leg in legs.iter_mut().filter(|leg| leg.stage.lives()) {
            let setup = &self.setup;
            leg.tell(now, LegCmd::End(Cause::SystemFailure), setup, &mut self.rand, &mut said, out);
        }
        out.push(Post::Media(MediaCommand::Close { call: self.id }));
        if self.cdr.cause.is_none() {
            self.close_record(now, now, Cause::SystemFailure, EndedBy::Exchange, out);
        }
        self.keep_closed(out);
    }

    pub(super) fn caller(&self) -> &CallerId {
        &self.cdr.caller
    }

    /// Asks the route; with what the caller has entered, and for which question.
    pub(super) fn ask_route(
        &mut self,
        now: Instant,
        entered: Option<Keys>,
        asked: Option<Box<Asked>>,
        out: &mut Vec<Post>,
    ) {
        self.state = State::Routing { until: now + ROUTE_WAIT, asked };
        out.push(Post::Ask(Box::new(RouteQuery { entered, ..self.query() })));
    }

    pub(super) fn query(&self) -> RouteQuery {
        // Only digest makes a SIP phone an extension, and its user is the extension.
        let proved = |leg: &Leg| matches!(leg.kind, Kind::Sip(_));
        let user = match &self.cdr.source {
            Source::Extension(ext) if self.legs.first().is_some_and(proved) => ext.to_string(),
            _ => String::new(),
        };
        RouteQuery {
            call: self.id,
            source: self.cdr.source.clone(),
            caller: self.cdr.caller.clone(),
            dialled: self.cdr.dialled.clone(),
            planned: self.planned.clone(),
            at: self.at,
            pin: self.cdr.pin.clone(),
            entered: None,
            user,
            asked: self.number_asked,
        }
    }

    /// "Click to dial": the operator's own phones first, showing whom they are about to call.
    fn summon(&mut self, now: Instant, found: Vec<Found>, out: &mut Vec<Post>) {
        self.state = State::Summoning { until: now + SUMMON_WAIT };
        let shown = CallerId { number: self.cdr.dialled.as_str().to_owned(), ..CallerId::default() };
        for found in found {
            let placement = Placement {
                number: Digits::default(),
                caller: shown.clone(),
                offer: None,
                ring: None,
                hops: self.hops,
                emergency: false,
                last_hope: true,
                referred_by: None,
                prepared: None,
            };
            self.place(now, found, placement, Side::Caller, None, out);
        }
        if !self.legs.iter().any(|l| l.stage.lives()) && self.inbox.is_empty() {
            self.finish(now, Cause::Unregistered, EndedBy::Exchange, out);
        }
    }

    fn routed(&mut self, now: Instant, plan: RoutePlan, out: &mut Vec<Post>) {
        let State::Routing { asked, .. } = &mut self.state else { return };
        let asked = asked.take();
        let RoutePlan { verdict, provenance, extras } = plan;
        match self.hunts_for_transfer() {
            true => self.cdr.provenance.steps.extend(provenance.steps),
            false => self.cdr.provenance = provenance,
        }
        let proved = extras.pin.is_some();
        if proved {
            self.cdr.pin = extras.pin;
        }
        if let Some(asked) = asked
            && !(proved && asked.wanted() == Wanted::Pin)
            && let Some(cause) = Call::may_ask_again(&asked, &verdict)
        {
            return self.wrong(now, *asked, cause, out);
        }
        match verdict {
            Verdict::Refuse(cause) => match extras.say {
                Some(prompt) => self.say_and_finish(now, cause, &prompt, out),
                None => self.give_up(now, cause, out),
            },
            Verdict::Stages(stages) => {
                let stages = self.without_second_price(stages);
                self.record = extras.record || (self.record && self.hunts_for_transfer());
                self.before(now, extras.before, stages, out);
            }
            Verdict::Emergency(emergency) => self.emergency(now, &emergency, out),
            // Whoever waits to be connected cannot answer for the one who hands the call on.
            Verdict::Ask(_) if self.hunts_for_transfer() => self.transfer_failed(now, Cause::Barred, out),
            Verdict::Ask(question) => self.ask(now, question, out),
        }
    }

    fn timeout(&mut self, now: Instant, out: &mut Vec<Post>) {
        let legs: SmallVec<[LegId; 4]> = self.legs.iter().map(|leg| leg.id).collect();
        for n in legs {
            self.with_sip(n, out, |leg, room| {
                if leg.deadline().is_some_and(|by| by <= now) {
                    leg.timeout(now, room);
                }
            });
        }
        if self.transfer.as_ref().and_then(|transfer| transfer.deadline()).is_some_and(|by| by <= now) {
            self.not_given(now, Cause::SystemFailure, out);
        }
        match &mut self.state {
            State::Summoning { until } if *until <= now => {
                self.finish(now, Cause::NoAnswer, EndedBy::Exchange, out)
            }
            State::Routing { until, .. } if *until <= now => self.route_is_late(now, out),
            State::Hunting(_) => self.hunt_timeout(now, out),
            State::Up { until: Some(until), .. } if *until <= now => {
                self.finish(now, Cause::SessionExpired, EndedBy::Exchange, out);
            }
            State::Up { after: Some(_), .. } => self.go_on_after(now, out),
            State::Before(_) | State::Asking(_) | State::Saying { .. } => self.attend_timeout(now, out),
            State::Closing { figures: figures @ Awaited::Until(_), .. } => {
                if let Awaited::Until(by) = *figures
                    && by <= now
                {
                    *figures = Awaited::Done;
                    self.keep_closed(out);
                }
            }
            State::Closing { figures: Awaited::Done, legs_by } if *legs_by <= now => self.state = State::Over,
            _ => {}
        }
    }

    /// Hears all that legs have said, then looks whether the call is over.
    fn settle(&mut self, now: Instant, out: &mut Vec<Post>) {
        while let Some((n, event)) = self.inbox.pop_front() {
            self.leg_said(now, n, event, out);
        }
        self.sync_parameters(out);
        for leg in &mut self.legs {
            if let (Kind::Sip(sip), LegStage::Leaving) = (&leg.kind, leg.stage)
                && sip.is_gone()
            {
                leg.stage = LegStage::Gone;
            }
        }
        if let State::Closing { figures: Awaited::Done, .. } = self.state
            && self.legs.iter().all(|l| l.stage == LegStage::Gone)
        {
            self.state = State::Over;
        }
    }

    fn leg_said(&mut self, now: Instant, n: LegId, event: LegEvent, out: &mut Vec<Post>) {
        let Some(leg) = self.legs.iter_mut().find(|l| l.id == n && l.stage.lives()) else { return };
        if let LegEvent::Ended(cause) = event {
            leg.stage = match &leg.kind {
                Kind::Sip(sip) if !sip.is_gone() => LegStage::Leaving,
                _ => LegStage::Gone,
            };
            if self.transferor_left(now, n) {
                return;
            }
            return self.leg_ended(now, n, cause, out);
        }
        if let LegEvent::Transfer(asked) = event {
            return self.transfer_asked(now, n, *asked, out);
        }
        match (&self.state, event) {
            (State::Summoning { .. }, LegEvent::Ringing) => {
                leg.stage = LegStage::Ringing;
                out.push(ringing(self.id, leg));
            }
            (State::Summoning { .. }, LegEvent::Answered(_)) => self.summoned(now, n, out),
            (State::Hunting(_), LegEvent::Ringing) if n != self.a && leg.stage == LegStage::Trying => {
                leg.stage = LegStage::Ringing;
                out.push(ringing(self.id, leg));
                self.rate_ringing(n, out);
                self.rings(now, n, out);
            }
            (State::Hunting(_), LegEvent::Ringing) if n != self.a && leg.stage == LegStage::Early => {
                self.rings(now, n, out);
            }
            (State::Hunting(_), LegEvent::Progress(sound)) if n != self.a && leg.stage != LegStage::Early => {
                leg.stage = LegStage::Early;
                self.early(now, n, sound, out);
            }
            (State::Hunting(_), LegEvent::Answered(sound)) if n != self.a => {
                self.answered(now, n, sound, out);
            }
            (State::Up { .. }, LegEvent::Changed(sound)) => {
                let Some(other) = self.other(n) else { return };
                if self.room_of(other).is_some() {
                    return self.changed_in_room(n, other, &sound, out);
                }
                self.tell(now, other, LegCmd::Change(sound), out);
            }
            (State::Asking(_), LegEvent::Digit { key, .. }) if n == self.a => {
                self.key_in_words(now, key, out)
            }
            (_, LegEvent::Digit { key, ms, form }) => self.digit(now, n, (key, ms), form, out),
            (_, LegEvent::Flash) => {
                if let Some(other) = self.other(n) {
                    self.tell(now, other, LegCmd::Flash, out);
                }
            }
            // An answer that comes when somebody else has answered, or the caller has gone.
            (_, LegEvent::Answered(_)) if n != self.a => self.end_leg(now, n, Cause::Normal, out),
            _ => {}
        }
    }

    fn leg_ended(&mut self, now: Instant, n: LegId, cause: Cause, out: &mut Vec<Post>) {
        match &mut self.state {
            State::Summoning { .. } if !self.legs.iter().any(|l| l.stage.lives()) => {
                self.finish(now, cause, EndedBy::Caller, out);
            }
            State::Routing { .. } | State::Before(_) | State::Asking(_) | State::Hunting(_)
                if n == self.a =>
            {
                let never_talked = self.cdr.answered_after.is_none();
                let cause = if cause == Cause::Normal && never_talked { Cause::Cancelled } else { cause };
                let by = self.side(n).into();
                self.finish(now, cause, by, out);
            }
            // What was to be said need not be said to the end; the cause stands.
            State::Saying { cause, by, .. } if n == self.a => {
                let (cause, by) = (*cause, *by);
                self.finish(now, cause, by, out);
            }
            State::Hunting(hunt) => {
                let attempt = self.legs.iter().find(|l| l.id == n).and_then(|l| l.attempt.clone());
                hunt.ended(cause, attempt.clone(), &self.setup.config);
                if let Some(attempt) = attempt {
                    self.rate_failed(&attempt, out);
                }
                self.note_failed(now, n, cause);
                self.path.lost(n);
                self.next_if_exhausted(now, out);
            }
            State::Up { b, hunt: hunt @ Some(_), .. } if n == *b && is_broken(cause) => {
                let hunt = hunt.take();
                self.help_elsewhere(now, n, cause, hunt, out);
            }
            State::Up { b, .. } if n == self.a || n == *b => {
                let by = self.side(n).into();
                self.finish(now, cause, by, out);
            }
            _ => {}
        }
    }

    /// The operator's phone was lifted: now to whom he wants.
    fn summoned(&mut self, now: Instant, n: LegId, out: &mut Vec<Post>) {
        self.a = n;
        for leg in self.legs.iter_mut().filter(|l| l.id == n) {
            leg.stage = LegStage::Up;
        }
        self.end_all(now, Cause::Normal, Some(n), out);
        self.ask_route(now, None, None, out);
    }

    /// The first answer wins; every other leg hears that it was answered elsewhere.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        n: LegId,
        sound: ringtrip_media::sound::Sound,
        out: &mut Vec<Post>,
    ) {
        let until = self.setup.config.limits.call_length.filter(|_| !self.cdr.emergency).map(|l| now + l);
        self.rate_answered(n, out);
        let hunt = match std::mem::replace(&mut self.state, State::Over) {
            State::Hunting(hunt) => hunt.kept_for_help(),
            _ => None,
        };
        self.state = State::Up { b: n, until, after: None, hunt };
        let age = self.age(now);
        self.cdr.answered_after.get_or_insert(age);
        let mut caller_is_up = false;
        for leg in &mut self.legs {
            if leg.id == n {
                leg.stage = LegStage::Up;
            } else if leg.id == self.a {
                caller_is_up = leg.stage == LegStage::Up;
                leg.stage = LegStage::Up;
            }
        }
        self.note_target(n);
        self.note_parties(now, n);
        self.transfer_done(now, n, sound.clone(), out);
        let a = self.a;
        for other in self.living(|l| l.id != n && l.id != a) {
            let silent = self.legs.iter().any(|l| l.id == other && l.stage == LegStage::Trying);
            if self.cdr.emergency && silent {
                self.note_failed(now, other, Cause::Failure);
            }
            self.end_leg(now, other, Cause::Normal, out);
        }
        if !caller_is_up {
            self.tell(now, self.a, LegCmd::Answer(sound), out);
        }
        self.join(n, out);
        let target = self.party_name(n);
        out.push(Post::Tell(Event::CallAnswered { call: self.id, leg: n, target }));
        self.begin_after(now, n, out);
    }

    fn heard(&mut self, now: Instant, event: MediaEvent, out: &mut Vec<Post>) {
        match event {
            MediaEvent::Digit { endpoint: end, key, ms, form } => {
                self.media_digit(now, &end, (key, ms), form, out)
            }
            MediaEvent::RtpTimeout { endpoint: end } => self.stopped(now, &end, out),
            MediaEvent::Played { endpoint: end } => self.played(now, &end, out),
            MediaEvent::Stats { endpoint: end, stats: figures } => self.measured(&end, figures, out),
            // Tones and caller ID are the business of lines; a ringback tone ends when it is stopped.
            _ => {}
        }
    }

    /// How old the call is, µs.
    pub(super) fn age(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.born).as_micros()).unwrap_or(u64::MAX)
    }
}

fn ringing(call: CallId, leg: &Leg) -> Post {
    Post::Tell(Event::CallRinging { call, leg: leg.id, target: leg.target.to_string() })
}
