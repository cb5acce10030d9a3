//! The sound of a call: who is joined to whom, keys on their way across, ringback for a caller who hears none.

use std::time::Instant;

use ringtrip_media::sound::{Direction, Sound};

use crate::call::Call;
use crate::call::legs::{Kind, LegStage};
use crate::call::machine::State;
use crate::leg::LegCmd;
use crate::post::{Endpoint, MediaCommand, Post};
use ringtrip_model::event::Event;
use ringtrip_model::ids::LegId;
use ringtrip_model::party::{Cause, EndedBy, Key, KeyForm};

/// What the media engine was asked for so far.
#[derive(Debug, Default)]
pub(super) struct Path {
    /// The called leg that the caller is joined to, with its end; a service of the exchange has none.
    joined: Option<(LegId, Option<Endpoint>)>,
    /// Was anything asked at all? Then the media engine has figures to say.
    used: bool,
    /// The caller has heard sound before the answer: his phone makes no ringback of its own any more.
    early: bool,
    /// The exchange itself has spoken to him.
    attended: bool,
    /// We play ringback to him.
    ringback: bool,
    /// The caller was told that it rings.
    told_ringing: bool,
}

impl Path {
    pub(super) fn used(&self) -> bool {
        self.used
    }
    pub(super) fn joined(&self) -> Option<LegId> {
        self.joined.as_ref().map(|(n, _)| *n)
    }
    pub(super) fn end_b(&self) -> Option<&Endpoint> {
        self.joined.as_ref().and_then(|(_, end)| end.as_ref())
    }
    pub(super) fn attended(&self) -> bool {
        self.attended
    }
    pub(super) fn is_early(&self) -> bool {
        self.early
    }
    /// The party that waits has talked already: nothing of what was is heard any more.
    pub(super) fn restart(&mut self) {
        *self = Path { used: self.used, attended: self.attended, ..Path::default() };
    }
    /// Does ringback sound? Not any more after this.
    pub(super) fn takes_ringback(&mut self) -> bool {
        std::mem::take(&mut self.ringback)
    }
    /// The exchange speaks to the caller, perhaps before the answer.
    pub(super) fn attend(&mut self, early: bool) {
        self.attended = true;
        self.used = true;
        self.early |= early;
    }
    /// A called leg is gone; if it was the one that the caller heard, another may be heard now.
    pub(super) fn lost(&mut self, n: LegId) {
        if self.joined() == Some(n) {
            self.joined = None;
        }
    }
}

impl Call {
    /// What the caller speaks, for the offer to a target. `None` makes the leg offer what we can transcode, so that
    /// whatever the caller says later will fit.
    pub(super) fn offer(&self) -> Option<Sound> {
        let leg = self.leg(self.a)?;
        match &leg.kind {
            // It has agreed on a codec with us already: that one, or what can be transcoded into it.
            Kind::Sip(sip) if leg.stage == LegStage::Up || self.path.attended => {
                let spoken = Sound { direction: Direction::SendRecv, ..sip.heard() };
                let is_fit = spoken.codecs.first().is_some_and(|codec| codec.kind.can_be_coded());
                is_fit.then_some(spoken)
            }
            // And only that can be recorded.
            Kind::Sip(_) if self.record => None,
            Kind::Sip(sip) => sip.offer().cloned(),
            Kind::Line(_) | Kind::Application(_) => Some(Sound::analog()),
        }
    }

    /// A target rings.
    pub(super) fn rings(&mut self, now: Instant, n: LegId, out: &mut Vec<Post>) {
        self.transfer_rings(now, out);
        let up = self.legs.iter().any(|l| l.id == self.a && l.stage == LegStage::Up);
        // Whose sound the caller hears already rings now: what that means for the ear is for the caller's side to judge.
        if !up && self.path.early && self.path.joined() == Some(n) {
            if !std::mem::replace(&mut self.path.told_ringing, true) {
                self.tell(now, self.a, LegCmd::Ringing, out);
            }
            return;
        }
        if up || self.path.early {
            // The caller's phone plays our sound already; silence would follow if we did not make the tone.
            if let (false, Some(end)) = (self.path.ringback, self.end_of(self.a)) {
                self.path.ringback = true;
                self.path.used = true;
                self.sync_parameters(out);
                out.push(Post::Media(MediaCommand::PlayTone {
                    endpoint: end,
                    tone: self.setup.ringback.clone(),
                }));
            }
        } else if !self.path.told_ringing {
            self.path.told_ringing = true;
            self.tell(now, self.a, LegCmd::Ringing, out);
        }
    }

    /// A target has sound before its answer; the first that has is heard.
    pub(super) fn early(&mut self, now: Instant, n: LegId, sound: Sound, out: &mut Vec<Post>) {
        if self.path.joined.is_some() {
            return;
        }
        if !self.path.early {
            self.path.early = true;
            self.tell(now, self.a, LegCmd::Progress(sound), out);
        }
        self.join(n, out);
    }

    /// Joins the caller to leg `n`.
    pub(super) fn join(&mut self, n: LegId, out: &mut Vec<Post>) {
        if self.path.joined() == Some(n) {
            return;
        }
        let (a, b) = (self.end_of(self.a), self.end_of(n));
        let has_end = |leg: LegId, end: &Option<Endpoint>| end.is_some() || self.room_of(leg).is_some();
        if !has_end(self.a, &a) || !has_end(n, &b) {
            return;
        }
        if let (true, Some(endpoint)) = (std::mem::take(&mut self.path.ringback), a) {
            out.push(Post::Media(MediaCommand::StopPlayback { endpoint }));
        }
        self.path.joined = Some((n, b));
        self.path.used = true;
        self.sync_parameters(out);
        self.connect(self.a, n, out);
    }

    /// Tells the media engine how the two legs that talk have negotiated, where that changed.
    pub(super) fn sync_parameters(&mut self, out: &mut Vec<Post>) {
        if !self.path.used || matches!(self.state, State::Closing { .. } | State::Over) {
            return;
        }
        let (a, b) = (self.a, self.path.joined());
        for leg in self.legs.iter_mut().filter(|l| l.stage.lives()) {
            if leg.id != a && Some(leg.id) != b {
                continue;
            }
            if let (Kind::Sip(sip), Some(port)) = (&mut leg.kind, leg.port)
                && let Some(mut parameters) = sip.take_parameters()
            {
                parameters.timeout = self.setup.config.limits.rtp_timeout;
                out.push(Post::Media(MediaCommand::SetParameters { port, parameters: Box::new(parameters) }));
            }
        }
    }

    /// A leg heard a key of so many ms; it goes to the other side in the form that side negotiated, unless it is there already.
    pub(super) fn digit(
        &mut self,
        now: Instant,
        n: LegId,
        (key, ms): (Key, u16),
        form: KeyForm,
        out: &mut Vec<Post>,
    ) {
        if self.asks() || self.is_shielded() {
            return;
        }
        let Some(other) = self.other(n) else { return };
        out.push(Post::Tell(Event::CallDigit { call: self.id(), from: n, key: key.as_char() }));
        if form != KeyForm::Carried {
            self.tell(now, other, LegCmd::Digit { key, ms, form }, out);
        }
    }

    /// The media engine took a key out of a stream. Between two RTP ends that both speak RFC 4733 it has passed the
    /// event on itself, with its own timing, and the word is for those who watch.
    pub(super) fn media_digit(
        &mut self,
        now: Instant,
        end: &Endpoint,
        (key, ms): (Key, u16),
        form: KeyForm,
        out: &mut Vec<Post>,
    ) {
        let from = if self.end_of(self.a).as_ref() == Some(end) { Some(self.a) } else { self.path.joined() };
        let Some(from) = from else { return };
        if self.asks() && from == self.a {
            return self.key_in_sound(now, key, out);
        }
        if self.is_shielded() {
            return;
        }
        let Some(other) = self.other(from) else { return };
        if self.speaks_events(from) && self.speaks_events(other) {
            let call = self.id();
            out.push(Post::Tell(Event::CallDigit { call, from, key: key.as_char() }));
        } else {
            self.digit(now, from, (key, ms), form, out);
        }
    }

    pub(super) fn speaks_events(&self, n: LegId) -> bool {
        self.legs.iter().any(|l| match &l.kind {
            Kind::Sip(sip) => l.id == n && sip.speaks_events(),
            Kind::Line(_) | Kind::Application(_) => false,
        })
    }

    /// No sound came for a minute though some should. On hold none should.
    pub(super) fn stopped(&mut self, now: Instant, end: &Endpoint, out: &mut Vec<Post>) {
        if !matches!(self.state, State::Up { .. }) {
            return;
        }
        let by = if self.end_of(self.a).as_ref() == Some(end) { EndedBy::Caller } else { EndedBy::Called };
        self.finish(now, Cause::MediaTimeout, by, out);
    }
}
