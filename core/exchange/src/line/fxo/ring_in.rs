//! The landline rings: caller ID, the wait for it, the call that is born, the answer.

use std::time::{Duration, Instant};

use ringtrip_media::sound::Sound;

use crate::call::{Birth, Caller, MAX_FORWARDS};
use crate::leg::{LegCmd, LegEvent};
use crate::line::wire::{Far, Outbox};
use crate::line::words::CallType;
use crate::post::{DetectorConfig, Post};
use ringtrip_config::CallerIdMethod;
use ringtrip_model::board::BoardCmd;
use ringtrip_model::ids::LegId;
use ringtrip_model::party::{CallerId, Cause, Digits, Source};

use super::{Fxo, State, Talk, Way};

impl Fxo {
    /// The polarity reversed on-hook: the UK's announcement of caller ID before the first ring.
    pub(super) fn alerted(&mut self, state: State, now: Instant, out: &mut Vec<Post>) -> State {
        match self.set.caller_id {
            CallerIdMethod::EtsiReversal => {
                self.wire.listen(DetectorConfig { caller_id: true, ..DetectorConfig::default() }, out);
                State::Alerted { until: now + ALERT, caller: None }
            }
            _ => state,
        }
    }

    pub(super) fn ring_begin(&mut self, state: State, now: Instant, out: &mut Vec<Post>) -> State {
        let still = now + self.set.ring_timeout + LONGEST_BURST;
        match state {
            State::Idle { .. } => self.heard(None, still, now),
            State::Alerted { caller, .. } => self.heard(caller, still, now),
            State::Heard { since, offer, caller, .. } => State::Heard { quiet: still, since, offer, caller },
            State::Ringing { leg, answer, .. } => State::Ringing { quiet: still, leg, answer },
            State::Spent { .. } => State::Spent { quiet: still },
            State::Seizing(seizing) => self.glare(seizing, now, out),
            state @ (State::Lost | State::Calling(_) | State::Talking(_)) => state,
        }
    }

    pub(super) fn heard(&mut self, caller: Option<CallerId>, quiet: Instant, now: Instant) -> State {
        let offer = match (&self.set.ring_through, &self.set.answer) {
            (Some(ring_through), _) => Some(now + ring_through.delay),
            (None, Some(_)) => Some(now + self.set.answer_delay),
            (None, None) => None,
        };
        State::Heard { quiet, since: now, offer, caller }
    }

    pub(super) fn ring_end(&mut self, state: State, now: Instant, out: &mut Vec<Post>) -> State {
        let quiet = now + self.set.ring_timeout;
        match state {
            State::Heard { since, offer, caller, .. } => {
                // Between the rings, never while ringing voltage drowns everything.
                let caller_id = caller.is_none() && self.set.caller_id != CallerIdMethod::Off;
                self.wire.listen(DetectorConfig { caller_id, ..DetectorConfig::default() }, out);
                State::Heard { quiet, since, offer, caller }
            }
            State::Ringing { leg, answer, .. } => State::Ringing { quiet, leg, answer },
            State::Spent { .. } => State::Spent { quiet },
            state => state,
        }
    }

    pub(super) fn caller_id(&mut self, state: State, caller: CallerId) -> State {
        match state {
            State::Alerted { until, .. } => State::Alerted { until, caller: Some(caller) },
            State::Heard { quiet, since, offer, .. } => {
                State::Heard { quiet, since, offer, caller: Some(caller) }
            }
            // Too late: the call has been introduced without it.
            state => state,
        }
    }

    /// `PSTN_Ring_Thru_Delay` or `PSTN_Answer_Delay` has passed: a call is born, and the route decides who rings. In the
    /// second case the exchange answers first, and the caller hears our ringback.
    pub(super) fn offer(
        &mut self,
        quiet: Instant,
        since: Instant,
        caller: Option<CallerId>,
        now: Instant,
        out: &mut Vec<Post>,
    ) -> State {
        self.wire.listen(DetectorConfig::default(), out);
        let caller = caller.unwrap_or_default();
        let (id, leg) = (self.wire.ids.call(), self.wire.ids.leg());
        self.last_number = Some(caller.number.clone());
        self.call_type = None;
        let birth = Birth {
            id,
            at: self.wire.wall.now(now),
            source: Source::Line(self.wire.line.clone()),
            caller,
            dialled: Digits::default(),
            planned: None,
            hops: MAX_FORWARDS,
            a: Caller::Line { leg, line: self.wire.line.clone() },
            ports: [0, 0],
        };
        if self.set.ring_through.is_some() {
            out.push(Post::NewCall(Box::new(birth)));
            let answer = self.set.answer.is_some().then(|| since + self.set.answer_delay);
            return State::Ringing { quiet, leg, answer };
        }
        let state = self.attended(leg, now, out);
        out.push(Post::NewCall(Box::new(birth)));
        state
    }

    /// `PSTN_Answer_Delay` has passed, and none of those that rang has answered: the call goes on to whom `answer` names,
    /// and the caller hears that it rings there.
    pub(super) fn answers_by_itself(&mut self, leg: LegId, now: Instant, out: &mut Vec<Post>) -> State {
        let state = self.attended(leg, now, out);
        let ring_back = self.ring_back.clone();
        self.wire.tone(&ring_back, out);
        state
    }

    /// The exchange answers by itself, and nobody else has answered yet: keys are heard, and what hangs up.
    pub(super) fn attended(&mut self, leg: LegId, now: Instant, out: &mut Vec<Post>) -> State {
        self.wire.board(BoardCmd::OffHook, out);
        self.call_type = Some(CallType::VoipGateway);
        let disconnect_tone = self.hangup_tone.clone();
        self.wire.listen(DetectorConfig { dtmf: true, disconnect_tone, ..DetectorConfig::default() }, out);
        State::Calling(taken(leg, Far::Port, now))
    }

    /// How the call fares that the exchange answered by itself.
    pub(super) fn offered(&mut self, talk: Talk, now: Instant, cmd: LegCmd, out: &mut Vec<Post>) -> State {
        match cmd {
            LegCmd::Ringing if talk.way == Way::In => {
                let ring_back = self.ring_back.clone();
                match talk.far {
                    Far::Port => self.wire.tone(&ring_back, out),
                    Far::Rtp => self.wire.ringback(&ring_back, out),
                }
                State::Calling(talk)
            }
            LegCmd::Progress(sound) if talk.way == Way::In => {
                let far = Far::of(&sound);
                self.wire.early(far, &self.ring_back.clone(), out);
                State::Calling(Talk { far, ..talk })
            }
            LegCmd::Answer(sound) if talk.way == Way::In => {
                self.wire.hush(out);
                self.talking(Talk { far: Far::of(&sound), ..talk }, now, out)
            }
            _ => State::Calling(talk),
        }
    }

    /// Somebody answered: take the line.
    pub(super) fn pick_up(&mut self, leg: LegId, now: Instant, far: &Sound, out: &mut Vec<Post>) -> State {
        self.wire.board(BoardCmd::OffHook, out);
        let far = Far::of(far);
        self.call_type = Some(match far {
            Far::Port => CallType::PstnToLine1,
            Far::Rtp => CallType::VoipGateway,
        });
        self.talking(taken(leg, far, now), now, out)
    }

    /// It rings while we seize it: the office offers a call at the very moment we want one.
    fn glare(&mut self, seizing: Box<super::Seizing>, now: Instant, out: &mut Vec<Post>) -> State {
        if seizing.dialling() {
            // Digits are on their way: what the board saw was them, or the office's switching.
            return State::Seizing(seizing);
        }
        if seizing.placement.emergency {
            return self.clear(seizing, now, out);
        }
        // The call that comes wins, as it does between offices: its caller is already there.
        self.wire.say(seizing.leg, LegEvent::Ended(Cause::Congestion), out);
        if seizing.off_hook() {
            self.wire.board(BoardCmd::OnHook, out);
        }
        self.wire.listen(DetectorConfig::default(), out);
        self.heard(None, now + self.set.ring_timeout + LONGEST_BURST, now)
    }
}

/// The line as taken for a call that came in.
fn taken(leg: LegId, far: Far, now: Instant) -> Talk {
    let (way, keys) = (Way::In, Outbox::default());
    Talk {
        leg,
        way,
        far,
        emergency: false,
        reversals: 0,
        own_dial_tone: false,
        taken: now,
        until: None,
        keys,
    }
}

/// From the reversal to the first ring at most: alert signal, data and gap take about two seconds (SIN 227).
const ALERT: Duration = Duration::from_secs(5);

/// No office rings longer without a pause. It bounds the wait for a `RingEnd` that got lost.
const LONGEST_BURST: Duration = Duration::from_secs(5);
