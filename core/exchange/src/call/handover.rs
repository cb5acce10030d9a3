//! Legs that move from one call to another, and neither their far ends nor the lines that carry them notice.
//!
//! ```text
//! call 1: A – B     A asks: REFER with Replaces naming its dialog in call 2
//! call 2: A – C
//!   call 1 ── TakeOver ──► A's leg in call 2
//!   call 2 ── Adopt(C) ──► call 1: B – C; both legs of A are ended, call 2 is over
//! ```
//!
//! Where C was called outside, call 2 counts what that costs, so it is call 2 that stays: it answers `Give`, and B moves.

use std::time::Instant;

use crate::call::Call;
use crate::call::legs::{Kind, Leg, LegStage};
use crate::call::machine::State;
use crate::call::setup::{CallSetup, FIND_WAIT};
use crate::call::transfer::Transfer;
use crate::leg::{LegCmd, Random, TransferStatus};
use crate::post::{CallInput, Post, TakeOver};
use crate::route::Target;
use ringtrip_model::event::Event;
use ringtrip_model::ids::{CallId, LegId};
use ringtrip_model::party::Cause;

/// A leg on its way to another call.
#[derive(Debug)]
pub struct MovedLeg {
    leg: Box<Leg>,
    /// The party's name in the record.
    name: String,
}

impl MovedLeg {
    /// The call that it was meant for is gone: it is ended.
    pub fn abandon(mut self, now: Instant, setup: &CallSetup, seed: [u8; 32], out: &mut Vec<Post>) {
        let (mut random, mut inbox) = (Random::new(seed), Default::default());
        self.leg.tell(now, LegCmd::End(Cause::Normal), setup, &mut random, &mut inbox, out);
    }
}

impl Call {
    /// Another call asks for the leg that this one of ours talks to.
    pub(super) fn take_over(&mut self, now: Instant, id: LegId, ask: TakeOver, out: &mut Vec<Post>) {
        match self.may_take_over(id, &ask) {
            Err(cause) => out.push(Post::Call { call: ask.call, input: CallInput::NotGiven(cause) }),
            Ok(other) if !self.has_outside_leg() => self.hand_over(now, other, id, ask.call, ask.by, out),
            Ok(_) => {
                self.transfer = Some(Box::new(Transfer::Asked { by: id, until: now + FIND_WAIT }));
                out.push(Post::Call { call: ask.call, input: CallInput::Give { call: self.id, by: id } });
            }
        }
    }

    fn may_take_over(&self, id: LegId, ask: &TakeOver) -> Result<LegId, Cause> {
        let leg = self.legs.iter().find(|l| l.id == id && l.stage.lives()).ok_or(Cause::Unallocated)?;
        let (Kind::Sip(sip), State::Up { after: None, hunt: None, .. }) = (&leg.kind, &self.state) else {
            return Err(Cause::Unallocated);
        };
        // Its own dialogs alone: whoever learns the names of others' gains nothing.
        if !sip.is_dialog(&ask.named) || leg.ext.as_ref() != Some(&ask.ext) {
            return Err(Cause::Unallocated);
        }
        if self.cdr.emergency || self.transfer.is_some() || (ask.outside && self.has_outside_leg()) {
            return Err(Cause::Barred);
        }
        self.other(id).ok_or(Cause::Unallocated)
    }

    /// The call that was asked for its leg wants ours instead.
    pub(super) fn give(&mut self, now: Instant, call: CallId, instead_of: LegId, out: &mut Vec<Post>) {
        let other = match self.transfer.as_deref() {
            Some(Transfer::Asked { by, .. }) => self.other(*by).map(|other| (*by, other)),
            _ => None,
        };
        let Some((by, other)) = other else {
            return out.push(Post::Call { call, input: CallInput::NotGiven(Cause::Cancelled) });
        };
        self.transfer = None;
        self.tell(now, by, LegCmd::Transfer(TransferStatus::Done), out);
        self.hand_over(now, other, by, call, instead_of, out);
    }

    /// Leg `other` goes to another call, to take a leg's place there; `by` and this call are ended.
    fn hand_over(
        &mut self,
        now: Instant,
        other: LegId,
        by: LegId,
        call: CallId,
        instead_of: LegId,
        out: &mut Vec<Post>,
    ) {
        let name = self.party_name(other);
        let Some(at) = self.legs.iter().position(|l| l.id == other) else { return };
        self.party_leaves(now, other);
        self.disconnect(out);
        self.path.lost(other);
        let side = self.side(by).into();
        let moved = MovedLeg { leg: Box::new(self.legs.remove(at)), name };
        self.moved.push(other);
        // Whoever looks for the leg after this finds it where it will be by then.
        out.push(Post::Call { call, input: CallInput::Adopt { leg: moved, instead_of } });
        out.push(Post::Owns { call, leg: other });
        self.finish(now, Cause::Normal, side, out);
    }

    /// A leg of another call takes the place of one of ours.
    pub(super) fn adopt(&mut self, now: Instant, moved: MovedLeg, instead_of: LegId, out: &mut Vec<Post>) {
        let MovedLeg { leg, name } = moved;
        let id = leg.id;
        let expected =
            matches!(self.transfer.as_deref(), Some(Transfer::Asked { by, .. }) if *by == instead_of);
        let place = match &self.state {
            State::Up { b, until, .. } if expected => self.other(instead_of).map(|other| (other, *b, *until)),
            _ => None,
        };
        self.legs.push(*leg);
        let Some((other, b, until)) = place else {
            // The one that wanted it has hung up meanwhile.
            return self.end_leg(now, id, Cause::Normal, out);
        };
        self.transfer = None;
        self.tell(now, instead_of, LegCmd::Transfer(TransferStatus::Done), out);
        self.disconnect(out);
        self.path.restart();
        let port = self.leg(instead_of).and_then(|l| l.port);
        let by = self.party_name(instead_of);
        self.party_leaves(now, instead_of);
        self.end_leg(now, instead_of, Cause::Normal, out);
        if let Some(leg) = self.leg_mut(id)
            && let (Kind::Sip(sip), Some(port)) = (&mut leg.kind, port)
        {
            leg.port = Some(port);
            sip.move_to(port);
        }
        let (a, b) = if b == instead_of { (other, id) } else { (id, other) };
        (self.a, self.state) = (a, State::Up { b, until, after: None, hunt: None });
        self.party_joins(now, id, name.clone());
        self.bridge(now, a, b, out);
        out.push(Post::Keep(self.cdr.clone()));
        out.push(Post::Tell(Event::CallTransferred { call: self.id, by, to: name }));
    }

    /// Has it called somebody outside, who may cost money and counts at a gateway?
    pub(super) fn has_outside_leg(&self) -> bool {
        let outside =
            |leg: &Leg| leg.attempt.as_ref().is_some_and(|a| !matches!(a.target, Target::Extension(_)));
        self.legs.iter().any(|leg| leg.stage == LegStage::Up && outside(leg))
    }
}
