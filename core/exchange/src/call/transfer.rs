//! Transfer: a party hands its call on to somebody else (RFC 5589 in leg words).
//!
//! *Blind*: the target is looked for as if the transferor had dialled it, with its rights, while the other side waits and
//! hears ringback. Whoever answers takes the transferor's place. If nobody does, the transferor has its call back, or, if it
//! has hung up meanwhile, the other side hears busy tone.
//!
//! *Attended*: the transferor talks to the target in another call. One of the two legs that stay moves to the other call
//! (`handover`).
//!
//! Who may: phones that have proved to be an extension. Never a provider, since that would be a way to call at the house's
//! expense, and nobody in a call for help. Two called parties who cost money each are not connected to each other: a call has
//! one price, and one limit that ends it.

use std::time::Instant;

use bytes::Bytes;
use ringtrip_media::sound::{CodecKind, Direction, Sound};

use crate::call::Call;
use crate::call::legs::Kind;
use crate::call::machine::State;
use crate::call::setup::{FIND_WAIT, ROUTE_WAIT};
use crate::leg::sip::owner_of_tag;
use crate::leg::{LegCmd, Replaces, TransferRequest, TransferStatus};
use crate::post::{LegInput, MediaCommand, Post, TakeOver};
use crate::route::{RouteQuery, Stage};
use ringtrip_model::event::Event;
use ringtrip_model::ids::{ExtId, LegId};
use ringtrip_model::party::{CallerId, Cause, Digits, Source};

/// A transfer under way.
#[derive(Debug)]
pub(super) enum Transfer {
    /// Another call was asked for the leg to talk to. `by`: the leg that asked, or whose place is to be taken.
    Asked { by: LegId, until: Instant },
    /// A target is being looked for.
    Hunting(Hunting),
}

/// The call as it was, and shall be again if nobody answers.
#[derive(Debug)]
pub(super) struct Hunting {
    /// The transferor's leg, unless it has hung up.
    by: Option<LegId>,
    ext: ExtId,
    a: LegId,
    b: LegId,
    until: Option<Instant>,
    referred_by: Option<Bytes>,
}

impl Transfer {
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Transfer::Asked { until, .. } => Some(*until),
            Transfer::Hunting(_) => None,
        }
    }
}

impl Call {
    /// A leg asks to hand its call on.
    pub(super) fn transfer_asked(
        &mut self,
        now: Instant,
        by: LegId,
        asked: TransferRequest,
        out: &mut Vec<Post>,
    ) {
        let refused = |cause| LegCmd::Transfer(TransferStatus::Refused(cause));
        let ext = self.leg(by).and_then(|l| l.ext.clone());
        let free = self.transfer.is_none() && self.hops > 1 && !self.cdr.emergency;
        let (Some(ext), true, State::Up { b, until, after: None, hunt: None }) = (ext, free, &self.state)
        else {
            return self.tell(now, by, refused(Cause::Barred), out);
        };
        let (b, until) = (*b, *until);
        let Some(other) = self.other(by) else { return self.tell(now, by, refused(Cause::Barred), out) };
        self.tell(now, by, LegCmd::Transfer(TransferStatus::Accepted), out);
        if let Some(named) = asked.replaces {
            return self.ask_for_leg(now, by, ext, named, out);
        }
        self.hops -= 1;
        let caller = self.shown(other);
        let (a, referred_by) = (self.a, asked.referred_by);
        let hunting = Hunting { by: Some(by), ext, a, b, until, referred_by };
        self.transfer = Some(Box::new(Transfer::Hunting(hunting)));
        self.wait_for_target(now, other, out);
        self.ask_for_target(now, caller, asked.target, out);
    }

    /// The other side waits, and hears what we play.
    fn wait_for_target(&mut self, now: Instant, other: LegId, out: &mut Vec<Post>) {
        self.disconnect(out);
        self.path.restart();
        self.a = other;
        // It may have agreed with the transferor on a codec that we cannot speak.
        self.tell(now, other, LegCmd::Change(Sound::analog()), out);
    }

    /// Asks the route where the target is, with the rights of the transferor.
    fn ask_for_target(&mut self, now: Instant, caller: CallerId, dialled: Digits, out: &mut Vec<Post>) {
        let Some(Transfer::Hunting(Hunting { ext, .. })) = self.transfer.as_deref() else { return };
        self.state = State::Routing { until: now + ROUTE_WAIT, asked: None };
        out.push(Post::Ask(Box::new(RouteQuery {
            source: Source::Extension(ext.clone()),
            caller,
            dialled,
            planned: None,
            pin: None,
            user: ext.to_string(),
            asked: false,
            ..self.query()
        })));
    }

    /// How a party of the call is shown to the one that it is transferred to.
    fn shown(&self, leg: LegId) -> CallerId {
        let Some(leg) = self.leg(leg) else { return CallerId::default() };
        match (&leg.attempt, &leg.ext) {
            (None, _) => self.cdr.caller.clone(),
            (Some(_), Some(ext)) => {
                let extension = self.setup.config.extension(ext.as_str());
                CallerId {
                    number: ext.to_string(),
                    name: extension.map(|e| e.name.clone()).unwrap_or_default(),
                    private: extension.is_some_and(|e| e.withhold),
                }
            }
            (Some(attempt), None) => {
                CallerId { number: attempt.number.as_str().to_owned(), ..CallerId::default() }
            }
        }
    }

    /// Who says that he transfers, for the INVITE to the target.
    pub(super) fn referred_by(&self) -> Option<Bytes> {
        match self.transfer.as_deref() {
            Some(Transfer::Hunting(hunting)) => hunting.referred_by.clone(),
            _ => None,
        }
    }

    /// Is a target of a transfer being looked for?
    pub(super) fn hunts_for_transfer(&self) -> bool {
        matches!(self.transfer.as_deref(), Some(Transfer::Hunting(_)))
    }

    /// What a plan for a transfer may not have: a second price in one call.
    pub(super) fn without_second_price(&self, mut stages: Vec<Stage>) -> Vec<Stage> {
        if self.hunts_for_transfer() && self.cdr.quote.is_some() {
            stages.iter_mut().for_each(|stage| stage.targets.retain(|attempt| attempt.quote.is_none()));
            stages.retain(|stage| !stage.targets.is_empty());
        }
        stages
    }

    /// The target rings.
    pub(super) fn transfer_rings(&mut self, now: Instant, out: &mut Vec<Post>) {
        if let Some(Transfer::Hunting(Hunting { by: Some(by), .. })) = self.transfer.as_deref() {
            let by = *by;
            self.tell(now, by, LegCmd::Transfer(TransferStatus::Ringing), out);
        }
    }

    /// The target has answered on this leg. The transferor's leg is ended with all others.
    pub(super) fn transfer_done(&mut self, now: Instant, n: LegId, sound: Sound, out: &mut Vec<Post>) {
        let Some(Transfer::Hunting(hunting)) = self.transfer.take().map(|transfer| *transfer) else { return };
        if let Some(by) = hunting.by {
            self.tell(now, by, LegCmd::Transfer(TransferStatus::Done), out);
            self.party_leaves(now, by);
        }
        self.tell(now, self.a, LegCmd::Change(sound), out);
        let quote = self.leg(n).and_then(|l| l.attempt.as_ref()?.quote.clone());
        if self.cdr.quote.is_none() && quote.is_some() {
            (self.cdr.quote, self.priced_from) = (quote, Some(self.age(now)));
        }
        let to = self.party_name(n);
        out.push(Post::Keep(self.cdr.clone()));
        out.push(Post::Tell(Event::CallTransferred { call: self.id, by: hunting.ext.to_string(), to }));
    }

    /// Nobody has answered: the transferor has its call back.
    pub(super) fn transfer_failed(&mut self, now: Instant, cause: Cause, out: &mut Vec<Post>) {
        let Some(Transfer::Hunting(hunting)) = self.transfer.take().map(|transfer| *transfer) else { return };
        if let (true, Some(end)) = (self.path.takes_ringback(), self.end_of(self.a)) {
            out.push(Post::Media(MediaCommand::StopPlayback { endpoint: end }));
        }
        let Some(by) = hunting.by else {
            self.path.attend(false);
            return self.give_up(now, cause, out);
        };
        self.tell(now, by, LegCmd::Transfer(TransferStatus::Failed(cause)), out);
        (self.a, self.state) =
            (hunting.a, State::Up { b: hunting.b, until: hunting.until, after: None, hunt: None });
        self.path.restart();
        self.show_face_again(by);
        self.bridge(now, hunting.a, hunting.b, out);
    }

    /// The call ends, and with it a transfer.
    pub(super) fn transfer_ends(&mut self, now: Instant, cause: Cause, out: &mut Vec<Post>) {
        let by = match self.transfer.take().map(|transfer| *transfer) {
            Some(Transfer::Hunting(Hunting { by: Some(by), .. }) | Transfer::Asked { by, .. }) => by,
            _ => return,
        };
        self.tell(now, by, LegCmd::Transfer(TransferStatus::Failed(cause)), out);
    }

    /// The transferor has hung up and trusts that all goes well. True if it was that.
    pub(super) fn transferor_left(&mut self, now: Instant, n: LegId) -> bool {
        let Some(Transfer::Hunting(hunting)) = self.transfer.as_deref_mut() else { return false };
        if hunting.by != Some(n) {
            return false;
        }
        hunting.by = None;
        self.party_leaves(now, n);
        true
    }

    /// An attended transfer: the call that has the other dialog is asked for the leg that talks there.
    fn ask_for_leg(&mut self, now: Instant, by: LegId, ext: ExtId, named: Replaces, out: &mut Vec<Post>) {
        let wanted = owner_of_tag(&named.to_tag);
        let wanted = wanted.filter(|leg| !self.legs.iter().any(|own| own.id == *leg));
        let Some(leg) = wanted else {
            let status = TransferStatus::Failed(Cause::Unallocated);
            return self.tell(now, by, LegCmd::Transfer(status), out);
        };
        self.transfer = Some(Box::new(Transfer::Asked { by, until: now + FIND_WAIT }));
        let ask = TakeOver { call: self.id, by, ext, named, outside: self.has_outside_leg() };
        out.push(Post::Leg { leg, input: LegInput::TakeOver(Box::new(ask)) });
    }

    /// The other call has nothing to give, or none answers.
    pub(super) fn not_given(&mut self, now: Instant, cause: Cause, out: &mut Vec<Post>) {
        if let Some(Transfer::Asked { by, .. }) = self.transfer.as_deref() {
            let by = *by;
            self.transfer = None;
            self.tell(now, by, LegCmd::Transfer(TransferStatus::Failed(cause)), out);
        }
    }

    /// Joins two legs that have talked to others before, each in the codec that it agreed on there. Where these do not fit,
    /// only one side is asked to change, so that the two offers do not cross: to what the other speaks if that can be
    /// translated, else both go back to G.711.
    pub(super) fn bridge(&mut self, now: Instant, a: LegId, b: LegId, out: &mut Vec<Post>) {
        let (of_a, of_b) = (self.spoken_by(a), self.spoken_by(b));
        self.join(b, out);
        let kind = |sound: &Sound| sound.codecs.first().map(|codec| codec.kind);
        let plain = |sound: &Sound| kind(sound).is_none_or(CodecKind::can_be_coded);
        let (for_a, for_b) = match (plain(&of_a), plain(&of_b)) {
            _ if kind(&of_a) == kind(&of_b) => (of_b, of_a),
            (true, true) => (of_b, of_a),
            (true, false) => (Sound { codecs: of_a.codecs.clone(), ..of_b }, of_a),
            (false, true) => (of_b.clone(), Sound { codecs: of_b.codecs, ..of_a }),
            (false, false) => (Sound::analog(), Sound::analog()),
        };
        // What one of them was told of a hold by the leg that has gone is over.
        let direction = Direction::SendRecv;
        self.tell(now, a, LegCmd::Change(Sound { direction, ..for_a }), out);
        self.tell(now, b, LegCmd::Change(Sound { direction, ..for_b }), out);
    }

    /// What a leg that is up speaks.
    pub(super) fn spoken_by(&self, n: LegId) -> Sound {
        match self.leg(n).map(|l| &l.kind) {
            Some(Kind::Sip(sip)) => sip.heard(),
            _ => Sound::analog(),
        }
    }

    fn show_face_again(&mut self, n: LegId) {
        if let Some(Kind::Sip(sip)) = self.leg_mut(n).map(|l| &mut l.kind) {
            sip.show_face_again();
        }
    }
}
