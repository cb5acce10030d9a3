//! How the office says that the far end hung up (or answered): battery removed, polarity reversed, another telephone
//! lifted. SPA3102 "PSTN Disconnect Detection".

use std::time::Instant;

use ringtrip_media::sound::Sound;

use crate::leg::LegEvent;
use crate::line::words::Disconnect;
use crate::post::{DetectorConfig, Post};
use ringtrip_config::AnswerOn;
use ringtrip_model::party::Cause;

use super::{Fxo, SETTLE, State, Talk, Way};

impl Fxo {
    /// The far end hung up, if there is one.
    pub(super) fn hung_up(
        &mut self,
        state: State,
        now: Instant,
        cause: Cause,
        why: Disconnect,
        out: &mut Vec<Post>,
    ) -> State {
        match &state {
            State::Calling(_) | State::Talking(_) => self.finish(&state, now, cause, why, out),
            State::Seizing(seizing) if seizing.dialled() => self.finish(&state, now, cause, why, out),
            // While we seize, a short break is how some offices connect their dial tone.
            _ => state,
        }
    }

    /// The battery is gone: unplugged, or the office failed. Off-hook this is a hang-up like any other.
    pub(super) fn cut_off(&mut self, state: State, now: Instant, out: &mut Vec<Post>) -> State {
        match &state {
            State::Seizing(_) | State::Calling(_) | State::Talking(_) => {
                self.finish(&state, now, Cause::Cpc, Disconnect::Cpc, out)
            }
            State::Ringing { leg, .. } => {
                self.last_disconnect = Some(Disconnect::CallerGaveUp);
                self.wire.say(*leg, LegEvent::Ended(Cause::Cancelled), out);
                self.idle(None, out)
            }
            State::Alerted { .. } | State::Heard { .. } | State::Spent { .. } => self.idle(None, out),
            State::Lost | State::Idle { .. } => state,
        }
    }

    /// Another telephone on the pair was lifted: it has answered what rang here. In a call of ours it listens in, which
    /// is the house's own affair.
    pub(super) fn answered_beside(&mut self, state: State, out: &mut Vec<Post>) -> State {
        match state {
            State::Ringing { quiet, leg, .. } => {
                self.last_disconnect = Some(Disconnect::CallerGaveUp);
                self.wire.say(leg, LegEvent::Ended(Cause::Cancelled), out);
                State::Spent { quiet }
            }
            State::Heard { quiet, .. } => {
                self.wire.listen(DetectorConfig::default(), out);
                State::Spent { quiet }
            }
            state => state,
        }
    }

    /// Polarity changed. On-hook it announces caller ID (UK). On a call that came in the first reversal is the hang-up;
    /// on a call that went out the first is the answer and the second the hang-up.
    pub(super) fn reversal(&mut self, mut state: State, now: Instant, out: &mut Vec<Post>) -> State {
        if let State::Idle { .. } = state {
            return self.alerted(state, now, out);
        }
        if let State::Seizing(seizing) = &mut state
            && self.set.answer_on == AnswerOn::Polarity
        {
            seizing.far_end_answered();
            return state;
        }
        let (way, reversals) = match state.talk() {
            Some(talk) if now >= talk.taken + SETTLE => {
                talk.reversals = talk.reversals.saturating_add(1);
                (talk.way, talk.reversals)
            }
            _ => return state,
        };
        match (state, way, reversals) {
            (State::Calling(talk), Way::Out, 1) if self.set.answer_on == AnswerOn::Polarity => {
                self.answered(talk, now, out)
            }
            (state, Way::Out, 1) => state,
            (state, ..) if self.set.detect_reversal => {
                self.hung_up(state, now, Cause::Reversal, Disconnect::Reversal, out)
            }
            (state, ..) => state,
        }
    }

    /// The office says, or we take it, that the called party answered.
    pub(super) fn answered(&mut self, talk: Talk, now: Instant, out: &mut Vec<Post>) -> State {
        self.wire.say(talk.leg, LegEvent::Answered(Sound::analog()), out);
        self.talking(talk, now, out)
    }

    /// Two parties talk from now on; listen for the end of it.
    pub(super) fn talking(&mut self, mut talk: Talk, now: Instant, out: &mut Vec<Post>) -> State {
        // Nobody who called for help is cut off because it is quiet there, or because somebody's guess at a tone says
        // so; only the office's own signals end such a call.
        let (tone, silence, longest) = match talk.emergency {
            true => (Vec::new(), None, None),
            false => (self.hangup_tone.clone(), self.set.long_silence, self.set.max_call),
        };
        let after = self.dial_after.clone().filter(|_| !talk.emergency && !talk.own_dial_tone);
        let tone = tone.into_iter().chain(after).collect();
        let listen =
            DetectorConfig { dtmf: true, disconnect_tone: tone, silence, ..DetectorConfig::default() };
        self.wire.listen(listen, out);
        talk.until = longest.map(|d| now + d);
        State::Talking(talk)
    }
}
