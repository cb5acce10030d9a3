//! The landline: rings in, is seized and dialled, and is watched for the far end's hang-up, which an analog office can
//! only hint at (battery removed, polarity reversed, a tone, silence).
//!
//! Not here: who is rung by a call that comes in (the route reads `ring_through` and `answer`), PIN and call-back
//! services. Where both are set, a call is born for the one, and the line answers by itself when `answer_delay` has
//! passed: at that time the call goes on to the stage of the other.
//!
//! Keys: what the far end presses is heard on the line and said to the call as [`LegEvent::Digit`]; what the other
//! side presses comes as [`LegCmd::Digit`] and is made into a tone, unless the other side is a port too, for then the
//! tone has come through with the sound.
//!
//! | state | RingBegin | silence after rings | Place | Answer | End | CPC, reversal, tone, silence |
//! |---|---|---|---|---|---|---|
//! | Idle | Heard | – | Seizing | – | – | – |
//! | Heard | stays | Idle | refused | – | – | – |
//! | Ringing | stays | Ended(Cancelled), Idle | refused | Talking | Spent | – |
//! | Spent | stays | Idle | refused | – | – | – |
//! | Seizing | glare | – | refused | – | Idle | – |
//! | Calling | – | – | refused | – | Idle | Ended, Idle |
//! | Talking | – | – | refused | – | Idle | Ended, Idle |
//!
//! An emergency call is never refused for a call that is none: it takes the line (see `seize`).

mod check;
mod hangup;
mod ring_in;
mod seize;

use std::time::{Duration, Instant};

use ringtrip_media::tone::{Tone, ToneMatch};

use crate::leg::{LegCmd, LegEvent};
use crate::line::fault::{Fault, Faults};
use crate::line::setup::LineSetup;
use crate::line::wire::{Far, Outbox, Pace, Wire, first};
use crate::line::words::{Availability, CallType, Disconnect, GatewayWord, LineStatus};
use crate::post::{DetectorConfig, LineInput, MediaEvent, Post};
use ringtrip_config::DisconnectTone;
use ringtrip_model::board::{BoardCmd, BoardEvent, Polarity, PortKind};
use ringtrip_model::ids::LegId;
use ringtrip_model::line::LineState;
use ringtrip_model::party::{CallerId, Cause, Key, KeyForm};

use self::seize::Seizing;

/// A landline on an FXO port.
#[derive(Debug)]
pub struct Fxo {
    pub(super) wire: Wire,
    set: ringtrip_config::Fxo,
    /// `Disconnect_Tone`.
    hangup_tone: Vec<ToneMatch>,
    /// The office's dial tone after a talk, where it is looked for.
    dial_after: Option<ToneMatch>,
    /// For a caller whose call the exchange answered by itself.
    ring_back: Tone,
    pair: Pair,
    faults: Faults,
    /// The port tells its loop current.
    measures: bool,
    state: State,
    since: Instant,
    call_type: Option<CallType>,
    last_disconnect: Option<Disconnect>,
    last_number: Option<String>,
}

/// What is known about the pair of wires, whatever we do with it.
#[derive(Debug, Clone, Copy)]
struct Pair {
    battery: bool,
    /// Another telephone on it is lifted: the board says so.
    parallel: bool,
    /// The same by its voltage.
    low: bool,
    polarity: Polarity,
}

#[derive(Debug)]
enum State {
    /// The board is not there.
    Lost,
    /// On-hook. Seized again not before `guard`.
    Idle { guard: Option<Instant> },
    /// On-hook; the polarity reversed, so caller ID and then a ring may follow (UK).
    Alerted { until: Instant, caller: Option<CallerId> },
    /// It rings; nobody has been told yet. At `offer` a call is born.
    Heard { quiet: Instant, since: Instant, offer: Option<Instant>, caller: Option<CallerId> },
    /// It rings, and a call rings somebody; at `answer` the exchange answers by itself.
    Ringing { quiet: Instant, leg: LegId, answer: Option<Instant> },
    /// It still rings, but the call has ended.
    Spent { quiet: Instant },
    /// On its way from on-hook to the last digit dialled.
    Seizing(Box<Seizing>),
    /// Dialled, and the office has not said that anybody answered; or answered by the exchange itself, and nobody else
    /// has answered yet.
    Calling(Talk),
    /// Two parties talk.
    Talking(Talk),
}

/// A call over the seized line.
#[derive(Debug)]
struct Talk {
    leg: LegId,
    way: Way,
    far: Far,
    emergency: bool,
    /// Polarity reversals since the line was taken.
    reversals: u8,
    taken: Instant,
    /// The caller may hear the office's dial tone because he is about to dial by it.
    own_dial_tone: bool,
    /// The longest it may last.
    until: Option<Instant>,
    keys: Outbox,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

impl Fxo {
    pub(super) fn new(wire: Wire, set: ringtrip_config::Fxo, setup: &LineSetup, now: Instant) -> Fxo {
        let pair = Pair { battery: true, parallel: false, low: false, polarity: Polarity::Forward };
        let mut fxo = Fxo {
            wire,
            hangup_tone: Vec::new(),
            dial_after: None,
            ring_back: Tone::none(),
            set: set.clone(),
            pair,
            faults: Faults::default(),
            measures: false,
            state: State::Lost,
            since: now,
            call_type: None,
            last_disconnect: None,
            last_number: None,
        };
        fxo.configure(set, setup);
        fxo
    }

    /// New settings; a call in progress keeps what it has begun with.
    pub(super) fn configure(&mut self, set: ringtrip_config::Fxo, setup: &LineSetup) {
        self.set = set;
        self.ring_back = setup.region.tones.ring_back.clone();
        (self.hangup_tone, self.dial_after) = match &self.set.disconnect_tone {
            DisconnectTone::Region => (setup.region.hangup_tones(), Some(setup.region.dial_tone_after())),
            DisconnectTone::Off => (Vec::new(), None),
            DisconnectTone::These(tones) => (tones.clone(), None),
        };
    }

    pub(super) fn on(&mut self, now: Instant, input: LineInput, out: &mut Vec<Post>) {
        let was = (self.shown_state(), self.off_hook());
        let state = std::mem::replace(&mut self.state, State::Lost);
        self.state = match input {
            LineInput::Board(event) => self.board(state, now, event, out),
            LineInput::Media(event) => self.media(state, now, event, out),
            LineInput::Key { key, ms } => self.key(state, (key, ms), KeyForm::Signalled, out),
            LineInput::Leg { leg, cmd } => self.leg(state, now, leg, cmd, out),
            LineInput::Timeout => self.timeout(state, now, out),
        };
        let is = (self.shown_state(), self.off_hook());
        if was.0 != is.0 {
            self.since = now;
        }
        self.wire.tell(was, is, out);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Lost => None,
            State::Idle { .. } => self.faults.deadline(),
            State::Alerted { until, .. } => Some(*until),
            State::Heard { quiet, offer, .. } => first([Some(*quiet), *offer]),
            State::Ringing { quiet, answer, .. } => first([Some(*quiet), *answer]),
            State::Spent { quiet } => Some(*quiet),
            State::Seizing(seizing) => seizing.deadline(),
            State::Calling(talk) | State::Talking(talk) => first([talk.until, talk.keys.deadline()]),
        }
    }

    pub(super) fn status(&self, now: Instant) -> LineStatus {
        LineStatus {
            line: self.wire.line.clone(),
            port: self.wire.port.clone(),
            kind: PortKind::Fxo,
            state: self.shown_state(),
            availability: self.availability(),
            off_hook: self.off_hook(),
            volts: self.wire.volts,
            milliamps: self.wire.milliamps,
            polarity: self.pair.polarity,
            for_: now.saturating_duration_since(self.since),
            leg: self.state.leg(),
            fault: self.faults.fault(),
            call_type: self.state.leg().and(self.call_type),
            gateway_state: Some(match &self.state {
                State::Seizing(_) | State::Calling(_) => GatewayWord::CallerAccepted,
                State::Talking(_) => GatewayWord::Connected,
                _ => GatewayWord::Idle,
            }),
            last_disconnect: self.last_disconnect,
            last_number: self.last_number.clone(),
        }
    }

    fn availability(&self) -> Availability {
        let fit = || self.pair.battery && !self.pair.in_use();
        match &self.state {
            State::Lost => Availability::OutOfService,
            State::Idle { .. } if fit() && self.faults.fault().is_none() => Availability::Idle,
            State::Alerted { .. } if fit() => Availability::Idle,
            State::Idle { .. } | State::Alerted { .. } => Availability::Unfit,
            _ => Availability::Busy,
        }
    }

    fn shown_state(&self) -> LineState {
        match &self.state {
            State::Lost => LineState::OutOfService,
            State::Idle { .. } | State::Alerted { .. } if !self.pair.battery => LineState::NoBattery,
            State::Idle { .. } | State::Alerted { .. } if self.pair.in_use() => LineState::InUse,
            State::Idle { .. } if self.faults.fault().is_some() => LineState::Faulty,
            State::Idle { .. } | State::Alerted { .. } => LineState::Idle,
            State::Heard { .. } | State::Ringing { .. } | State::Spent { .. } => LineState::Ringing,
            State::Seizing(seizing) => seizing.shown_state(),
            State::Calling(_) => LineState::Calling,
            State::Talking(_) => LineState::Talking,
        }
    }

    fn off_hook(&self) -> bool {
        match &self.state {
            State::Seizing(seizing) => seizing.off_hook(),
            State::Calling(_) | State::Talking(_) => true,
            _ => false,
        }
    }

    fn board(&mut self, state: State, now: Instant, event: BoardEvent, out: &mut Vec<Post>) -> State {
        match (state, event) {
            (state, BoardEvent::Reading { volts, milliamps }) => {
                (self.wire.volts, self.wire.milliamps) = (Some(volts), Some(milliamps));
                let state = self.looks_in_use(state, volts, out);
                self.measured(state, now, milliamps, out)
            }
            (state, BoardEvent::Lost) => self.lost(state, out),
            (state, BoardEvent::Missing) => self.unfit(state, now, Fault::NoPort, out),
            (state, BoardEvent::Ready(kind)) if kind != PortKind::Fxo => {
                self.unfit(state, now, Fault::WrongKind(kind), out)
            }
            (state, BoardEvent::Ready(_)) => {
                self.lost(state, out);
                self.wire.clear(out);
                self.pair = Pair { battery: true, parallel: false, low: false, polarity: Polarity::Forward };
                // Whatever the port did when its board died, it holds nobody's line now.
                self.wire.board(BoardCmd::OnHook, out);
                State::Idle { guard: Some(now + self.set.on_hook_guard) }
            }
            (State::Lost, _) => State::Lost,
            (state, BoardEvent::Measures) => {
                self.measures = true;
                state
            }
            (state, BoardEvent::Refused(cmd)) => self.refused(state, now, cmd, out),
            (state, BoardEvent::BatteryLost) => {
                self.pair.battery = false;
                self.cut_off(state, now, out)
            }
            (state, BoardEvent::BatteryOk) => {
                self.pair.battery = true;
                state
            }
            (state, BoardEvent::ParallelPickup(lifted)) => {
                self.pair.parallel = lifted;
                if lifted { self.answered_beside(state, out) } else { state }
            }
            (state, BoardEvent::Polarity(polarity)) => {
                self.pair.polarity = polarity;
                self.reversal(state, now, out)
            }
            (state, BoardEvent::RingBegin) => self.ring_begin(state, now, out),
            (state, BoardEvent::RingEnd) => self.ring_end(state, now, out),
            (state, BoardEvent::Cpc) if self.set.min_cpc.is_some() => {
                self.hung_up(state, now, Cause::Cpc, Disconnect::Cpc, out)
            }
            (
                state,
                BoardEvent::Cpc
                | BoardEvent::OffHook
                | BoardEvent::OnHook
                | BoardEvent::Flash
                | BoardEvent::PulseDigit(_)
                | BoardEvent::RingTrip,
            ) => state,
        }
    }

    fn media(&mut self, state: State, now: Instant, event: MediaEvent, out: &mut Vec<Post>) -> State {
        match (state, event) {
            (state, MediaEvent::Digit { key, ms, form, .. }) => self.key(state, (key, ms), form, out),
            (state, MediaEvent::CallerId { caller, .. }) => self.caller_id(state, caller),
            (State::Seizing(seizing), MediaEvent::DialTone { .. }) => self.dial_tone(seizing, now, out),
            (State::Seizing(seizing), MediaEvent::DigitsSent { .. }) => self.digits_sent(seizing, now, out),
            (mut state, MediaEvent::DigitsSent { .. }) => {
                if let Some(talk) = state.talk() {
                    talk.keys.sent(now, self.pace(), &self.wire, out);
                }
                state
            }
            (State::Calling(talk), MediaEvent::Voice { .. })
                if self.set.answer_on == ringtrip_config::AnswerOn::Voice =>
            {
                self.answered(talk, now, out)
            }
            // Before the answer the tone is the called party's busy tone, or the office's "no".
            (state @ State::Calling(Talk { way: Way::Out, .. }), MediaEvent::DisconnectTone { .. }) => {
                self.hung_up(state, now, Cause::Busy, Disconnect::PstnTone, out)
            }
            (state @ State::Seizing(_), MediaEvent::DisconnectTone { .. }) => {
                self.hung_up(state, now, Cause::Busy, Disconnect::PstnTone, out)
            }
            (state @ (State::Calling(_) | State::Talking(_)), MediaEvent::DisconnectTone { .. }) => {
                self.hung_up(state, now, Cause::Tone, Disconnect::PstnTone, out)
            }
            (state @ State::Talking(_), MediaEvent::Silence { .. }) => {
                self.hung_up(state, now, Cause::Silence, Disconnect::PstnSilence, out)
            }
            (state, _) => state,
        }
    }

    fn key(&mut self, state: State, (key, ms): (Key, u16), form: KeyForm, out: &mut Vec<Post>) -> State {
        if let State::Calling(talk) | State::Talking(talk) = &state {
            self.wire.say(talk.leg, LegEvent::Digit { key, ms, form }, out);
        }
        state
    }

    fn leg(&mut self, state: State, now: Instant, leg: LegId, cmd: LegCmd, out: &mut Vec<Post>) -> State {
        match (state, cmd) {
            (state, LegCmd::Place(placement)) => self.place(state, now, leg, placement, out),
            (state, _) if state.leg() != Some(leg) => state,
            (State::Ringing { quiet, .. }, LegCmd::End(cause)) => {
                self.last_disconnect = Some(Disconnect::by_far_end(cause, false));
                State::Spent { quiet }
            }
            (state, LegCmd::End(cause)) => {
                let answered = matches!(state, State::Talking(_));
                self.release(&state, now, Disconnect::by_far_end(cause, answered), out)
            }
            (State::Ringing { leg, .. }, LegCmd::Answer(sound)) => self.pick_up(leg, now, &sound, out),
            (State::Ringing { leg, .. }, LegCmd::Attend) => self.attended(leg, now, out),
            (State::Calling(talk), LegCmd::Attend) => {
                self.wire.hush(out);
                State::Calling(talk)
            }
            (State::Calling(talk), cmd @ (LegCmd::Ringing | LegCmd::Progress(_) | LegCmd::Answer(_))) => {
                self.offered(talk, now, cmd, out)
            }
            (mut state, LegCmd::Digit { key, .. }) => {
                if let Some(talk) = state.talk().filter(|t| t.far == Far::Rtp) {
                    let mut text = [0; 4];
                    talk.keys.push(now, key.as_char().encode_utf8(&mut text), self.pace(), &self.wire, out);
                }
                state
            }
            (State::Talking(talk @ Talk { emergency: false, .. }), LegCmd::Flash) => {
                self.wire.board(BoardCmd::Flash(self.set.hook_flash), out);
                // The office may answer with a dial tone, for a second call.
                let (talk, until) = (Talk { own_dial_tone: true, ..talk }, talk.until);
                let State::Talking(talk) = self.talking(talk, now, out) else { return State::Lost };
                State::Talking(Talk { until, ..talk })
            }
            (State::Talking(mut talk), LegCmd::Change(sound)) => {
                // A side on hold may have no address; it does not become a port by that.
                if sound.addr.is_some() {
                    talk.far = Far::of(&sound);
                }
                State::Talking(talk)
            }
            (state, _) => state,
        }
    }

    fn timeout(&mut self, state: State, now: Instant, out: &mut Vec<Post>) -> State {
        match state {
            State::Idle { .. } => {
                self.faults.forget(now);
                state
            }
            State::Alerted { until, .. } if until <= now => self.idle(None, out),
            State::Heard { quiet, .. } | State::Spent { quiet } if quiet <= now => self.idle(None, out),
            State::Heard { quiet, since, offer: Some(at), caller } if at <= now => {
                self.offer(quiet, since, caller, now, out)
            }
            State::Ringing { leg, answer: Some(at), .. } if at <= now => {
                self.answers_by_itself(leg, now, out)
            }
            State::Ringing { quiet, leg, .. } if quiet <= now => {
                self.last_disconnect = Some(Disconnect::CallerGaveUp);
                self.wire.say(leg, LegEvent::Ended(Cause::Cancelled), out);
                self.idle(None, out)
            }
            State::Seizing(seizing) => self.seizing_timeout(seizing, now, out),
            State::Talking(talk) if talk.until.is_some_and(|t| t <= now) => {
                let why = match talk.way {
                    Way::In => Disconnect::VoipMaxDuration,
                    Way::Out => Disconnect::PstnMaxDuration,
                };
                self.finish(&State::Talking(talk), now, Cause::Normal, why, out)
            }
            mut state => {
                if let Some(talk) = state.talk() {
                    talk.keys.timeout(now, self.pace(), &self.wire, out);
                }
                state
            }
        }
    }

    fn pace(&self) -> Pace {
        Pace::of(self.set.digit_on, self.set.digit_off)
    }

    /// On-hook without a word to anybody.
    fn idle(&mut self, guard: Option<Instant>, out: &mut Vec<Post>) -> State {
        self.wire.hush(out);
        self.wire.listen(DetectorConfig::default(), out);
        State::Idle { guard }
    }

    /// Tells the call that its leg ended, and releases the line.
    fn finish(
        &mut self,
        state: &State,
        now: Instant,
        cause: Cause,
        why: Disconnect,
        out: &mut Vec<Post>,
    ) -> State {
        if let Some(leg) = state.leg() {
            self.wire.say(leg, LegEvent::Ended(cause), out);
        }
        self.release(state, now, why, out)
    }

    /// Gives the line back to the office, and remembers why.
    fn release(&mut self, state: &State, now: Instant, why: Disconnect, out: &mut Vec<Post>) -> State {
        self.last_disconnect = Some(why);
        let guard = match state {
            // Not seized (again) yet: nothing to give back.
            State::Seizing(seizing) if !seizing.off_hook() => seizing.guard(),
            _ => {
                self.wire.board(BoardCmd::OnHook, out);
                Some(now + self.set.on_hook_guard)
            }
        };
        self.idle(guard, out)
    }

    fn lost(&mut self, state: State, out: &mut Vec<Post>) -> State {
        if let Some(leg) = state.leg() {
            self.last_disconnect = Some(Disconnect::BoardLost);
            self.wire.say(leg, LegEvent::Ended(Cause::BoardLost), out);
        }
        (self.wire.volts, self.wire.milliamps) = (None, None);
        self.faults.clear();
        self.measures = false;
        self.idle(None, out);
        State::Lost
    }
}

impl Pair {
    fn in_use(&self) -> bool {
        self.parallel || self.low
    }
}

impl State {
    /// The leg that the line carries.
    fn leg(&self) -> Option<LegId> {
        match self {
            State::Ringing { leg, .. } => Some(*leg),
            State::Seizing(seizing) => Some(seizing.leg),
            State::Calling(talk) | State::Talking(talk) => Some(talk.leg),
            State::Lost
            | State::Idle { .. }
            | State::Alerted { .. }
            | State::Heard { .. }
            | State::Spent { .. } => None,
        }
    }

    /// The call over the seized line.
    fn talk(&mut self) -> Option<&mut Talk> {
        match self {
            State::Calling(talk) | State::Talking(talk) => Some(talk),
            _ => None,
        }
    }

    fn is_emergency(&self) -> bool {
        match self {
            State::Seizing(seizing) => seizing.placement.emergency,
            State::Calling(talk) | State::Talking(talk) => talk.emergency,
            _ => false,
        }
    }
}

/// Polarity reversals this soon after we took the line are the office's own doing: they restore what it reversed for
/// caller ID, or mark that it saw us.
const SETTLE: Duration = Duration::from_millis(300);
