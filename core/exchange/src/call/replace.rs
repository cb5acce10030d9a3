//! An INVITE that takes over a dialog (RFC 3891): a phone picks up what rings at another phone of its extension, or goes on
//! with a call that another one has.

use std::time::Instant;

use crate::call::Call;
use crate::call::legs::{Kind, LegStage};
use crate::call::machine::State;
use crate::leg::LegCmd;
use crate::leg::sip::{SipLeg, refusal};
use crate::post::{Post, ReplacingInvite};
use ringtrip_media::sound::Sound;
use ringtrip_model::ids::LegId;
use ringtrip_model::party::{Cause, Source};

impl Call {
    /// A phone wants to take the place of this leg.
    pub(super) fn replace(&mut self, now: Instant, id: LegId, ask: ReplacingInvite, out: &mut Vec<Post>) {
        if let Err(code) = self.may_replace(id, &ask) {
            return out.push(refusal(ask.tx, &ask.request, code));
        }
        let Some(old) = self.leg(id) else { return };
        let (port, attempt, was_up) = (old.port, old.attempt.clone(), old.stage == LegStage::Up);
        let (target, other) = (ask.ext.as_str().into(), if was_up { self.other(id) } else { Some(self.a) });
        let (Some(port), Some(other)) = (port, other) else { return };
        out.push(Post::Owns { call: self.id, leg: ask.leg });
        let mut leg = SipLeg::incoming(ask.leg, ask.tx, ask.request, (ask.flow, ask.reach), port);
        leg.configure(&self.setup.config, &Source::Extension(ask.ext.clone()));
        self.add(now, ask.leg, Kind::Sip(Box::new(leg)), Some(port), target, None, attempt);
        if let Some(leg) = self.legs.last_mut() {
            leg.ext = Some(ask.ext);
        }
        self.with_sip(ask.leg, out, |leg, room| leg.begin(now, false, room));
        let far = if was_up { self.spoken_by(other) } else { self.offered_by(other) };
        self.tell(now, ask.leg, LegCmd::Answer(far), out);
        // It has said no itself if it speaks nothing that we do; then all stays as it was.
        let talks = |l: &crate::call::legs::Leg| matches!(&l.kind, Kind::Sip(sip) if !sip.is_gone());
        if !self.legs.iter().any(|l| l.id == ask.leg && talks(l)) {
            return;
        }
        if was_up {
            self.put_in_place_of(now, id, ask.leg, other, out);
        } else {
            let sound = self.spoken_by(ask.leg);
            self.answered(now, ask.leg, sound, out);
        }
    }

    fn may_replace(&self, id: LegId, ask: &ReplacingInvite) -> Result<(), u16> {
        let leg = self.leg(id).ok_or(481u16)?;
        let Kind::Sip(sip) = &leg.kind else { return Err(481) };
        if !sip.is_dialog(&ask.named) {
            return Err(481);
        }
        if leg.ext.as_ref() != Some(&ask.ext) || self.cdr.emergency || self.transfer.is_some() {
            return Err(403);
        }
        match (&self.state, leg.stage) {
            // RFC 3891 §3: what has ended is declined, and so is an early dialog that its far end began.
            (_, LegStage::Leaving | LegStage::Gone) => Err(603),
            (State::Hunting(_), _) if id != self.a && sip.is_calling() => Ok(()),
            (State::Up { after: None, .. }, LegStage::Up) if ask.named.early_only => Err(486),
            (State::Up { after: None, .. }, LegStage::Up) => Ok(()),
            _ => Err(481),
        }
    }

    fn put_in_place_of(&mut self, now: Instant, old: LegId, new: LegId, other: LegId, out: &mut Vec<Post>) {
        if let Some(leg) = self.leg_mut(new) {
            leg.stage = LegStage::Up;
        }
        self.disconnect(out);
        self.path.restart();
        self.party_leaves(now, old);
        self.end_leg(now, old, Cause::Normal, out);
        if old == self.a {
            self.a = new;
        } else if let State::Up { b, .. } = &mut self.state {
            *b = new;
        }
        let name = self.party_name(new);
        self.party_joins(now, new, name);
        let (a, b) = if self.a == new { (new, other) } else { (other, new) };
        self.bridge(now, a, b, out);
    }

    /// What a caller who is not answered yet has offered.
    fn offered_by(&self, n: LegId) -> Sound {
        match self.leg(n) {
            Some(leg) if leg.stage == LegStage::Up => self.spoken_by(n),
            Some(leg) => match &leg.kind {
                Kind::Sip(sip) => sip.offer().cloned().unwrap_or_else(Sound::analog),
                Kind::Line(_) | Kind::Application(_) => Sound::analog(),
            },
            None => Sound::analog(),
        }
    }
}
