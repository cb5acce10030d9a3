//! A telephone on an FXS port: hook, dial tone, keys into the dial plan, ringing, tones for what becomes of a call.
//!
//! Keys: pressed before a call they feed the plan; after that each is said to the call as [`LegEvent::Digit`], so that
//! a SIP leg can send it in the form it negotiated. Another port on the other side hears the key tones with the sound
//! and makes none of its own. What the far side presses comes as [`LegCmd::Digit`] and is played, with the same
//! exception.
//!
//! | state | off-hook, ring trip | on-hook | flash | key | Place | End |
//! |---|---|---|---|---|---|---|
//! | Idle | Dialling | – | – | – | Ringing | – |
//! | Dialling | – | Idle | Dialling anew | plan | busy | – |
//! | Calling | – | Ended(Cancelled), Idle | – | Digit | busy | Ladder |
//! | Ringing | Answered, Talking | – | – | – | busy | Idle |
//! | Talking | – | Ended, Idle; callee: HungUp | Flash | Digit | busy | Ladder |
//! | HungUp | Talking | – | – | – | busy | Idle |
//! | Ladder | – | Idle | Dialling anew | – | busy | – |
//!
//! Call waiting will stand where `Place` is refused in Talking, three-way calls where Calling ignores the flash, and
//! the exchange's own services where a star code ends in reorder (`dialling`).

mod dialling;
mod ladder;
mod ringing;

use std::sync::Arc;
use std::time::Instant;

use ringtrip_media::region::Region;

use crate::leg::{LegCmd, LegEvent};
use crate::line::fault::{Fault, Faults};
use crate::line::setup::LineSetup;
use crate::line::wire::{Far, Outbox, Pace, Wire};
use crate::line::words::{Availability, Disconnect, LineStatus};
use crate::post::{DetectorConfig, LineInput, MediaEvent, Post};
use ringtrip_config::Config;
use ringtrip_dialplan::Plan;
use ringtrip_model::board::{BoardCmd, BoardEvent, CmdKind, Polarity, PortKind};
use ringtrip_model::ids::LegId;
use ringtrip_model::line::LineState;
use ringtrip_model::party::{CallerId, Cause, Key, KeyForm, Side, Source};

use self::dialling::Dialling;
use self::ladder::Rung;
use self::ringing::Ringing;

/// A telephone's line.
#[derive(Debug)]
pub struct Fxs {
    pub(super) wire: Wire,
    set: ringtrip_config::Fxs,
    config: Arc<Config>,
    region: Arc<Region>,
    /// Its dial plan; none if the configuration lost it, which `ringtrip_config::check` prevents.
    plan: Option<Arc<Plan>>,
    /// How it is shown when it calls.
    caller: CallerId,
    dial_tone: DialTone,
    /// Battery polarity as it is now.
    polarity: Polarity,
    faults: Faults,
    state: State,
    since: Instant,
    last_disconnect: Option<Disconnect>,
    last_number: Option<String>,
}

/// Which dial tone the telephone hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DialTone {
    /// The usual one.
    #[default]
    Usual,
    /// Messages wait (`MWI_Dial_Tone`).
    MessageWaiting,
    /// Its calls are forwarded (`Cfwd_Dial_Tone`).
    Forwarded,
}

#[derive(Debug)]
enum State {
    /// The board is not there.
    Lost,
    /// On-hook.
    Idle,
    /// Lifted, and a number is awaited.
    Dialling(Box<Dialling>),
    /// A call is made and not answered yet.
    Calling(Talk),
    /// It rings.
    Ringing(Box<Ringing>),
    /// Two parties talk.
    Talking(Talk),
    /// A called telephone was hung up, perhaps to be lifted elsewhere in the house (`Callee_On_Hook_Delay`).
    HungUp { talk: Talk, until: Instant },
    /// Lifted with nobody there: the tones that ask for it to be hung up.
    Ladder(Rung),
}

/// A call that the telephone carries.
#[derive(Debug)]
struct Talk {
    leg: LegId,
    side: Side,
    far: Far,
    emergency: bool,
    keys: Outbox,
}

impl Fxs {
    pub(super) fn new(wire: Wire, set: ringtrip_config::Fxs, setup: &LineSetup, now: Instant) -> Fxs {
        let mut fxs = Fxs {
            wire,
            polarity: set.idle_polarity,
            set: set.clone(),
            config: setup.config.clone(),
            region: setup.region.clone(),
            plan: None,
            caller: CallerId::default(),
            dial_tone: DialTone::Usual,
            faults: Faults::default(),
            state: State::Lost,
            since: now,
            last_disconnect: None,
            last_number: None,
        };
        fxs.configure(set, setup);
        fxs
    }

    /// New settings. A number half dialled is finished by the plan that it was begun with.
    pub(super) fn configure(&mut self, set: ringtrip_config::Fxs, setup: &LineSetup) {
        let source = Source::Line(self.wire.line.clone());
        self.plan = setup.config.plan_for(&source).map(|(_, plan)| plan.clone());
        self.caller = match setup.config.extension_on(&self.wire.line) {
            Some(e) => CallerId { number: e.id.to_string(), name: e.name.clone(), private: e.withhold },
            None => CallerId { name: self.wire.line.to_string(), ..CallerId::default() },
        };
        self.set = set;
        self.config = setup.config.clone();
        self.region = setup.region.clone();
    }

    /// Which dial tone is heard from the next lift on.
    pub fn set_dial_tone(&mut self, which: DialTone) {
        self.dial_tone = which;
    }

    pub(super) fn on(&mut self, now: Instant, input: LineInput, out: &mut Vec<Post>) {
        let was = (self.shown_state(), self.off_hook());
        let state = std::mem::replace(&mut self.state, State::Lost);
        self.state = match input {
            LineInput::Board(event) => self.board(state, now, event, out),
            LineInput::Media(event) => self.media(state, now, event, out),
            LineInput::Key { key, ms } => self.key(state, now, (key, ms), KeyForm::Signalled, out),
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
            State::Lost | State::Idle => None,
            State::Dialling(dialling) => dialling.deadline(),
            State::Calling(talk) | State::Talking(talk) => talk.keys.deadline(),
            State::Ringing(ringing) => ringing.deadline(),
            State::HungUp { until, .. } => Some(*until),
            State::Ladder(rung) => rung.deadline(),
        }
    }

    pub(super) fn status(&self, now: Instant) -> LineStatus {
        LineStatus {
            line: self.wire.line.clone(),
            port: self.wire.port.clone(),
            kind: PortKind::Fxs,
            state: self.shown_state(),
            availability: self.availability(),
            off_hook: self.off_hook(),
            volts: self.wire.volts,
            milliamps: self.wire.milliamps,
            polarity: self.polarity,
            for_: now.saturating_duration_since(self.since),
            leg: self.state.leg(),
            fault: self.faults.fault(),
            call_type: None,
            gateway_state: None,
            last_disconnect: self.last_disconnect,
            last_number: self.last_number.clone(),
        }
    }

    fn availability(&self) -> Availability {
        match &self.state {
            State::Lost => Availability::OutOfService,
            State::Idle => Availability::Idle,
            _ => Availability::Busy,
        }
    }

    fn shown_state(&self) -> LineState {
        match &self.state {
            State::Lost => LineState::OutOfService,
            State::Idle => LineState::Idle,
            State::Dialling(_) => LineState::Dialling,
            State::Calling(_) => LineState::Calling,
            State::Ringing(_) => LineState::Ringing,
            State::Talking(_) => LineState::Talking,
            State::HungUp { .. } => LineState::HungUp,
            State::Ladder(rung) => rung.shown_state(),
        }
    }

    fn off_hook(&self) -> bool {
        match &self.state {
            State::Dialling(_) | State::Calling(_) | State::Talking(_) | State::Ladder(_) => true,
            State::Lost | State::Idle | State::Ringing(_) | State::HungUp { .. } => false,
        }
    }

    fn board(&mut self, state: State, now: Instant, event: BoardEvent, out: &mut Vec<Post>) -> State {
        match (state, event) {
            (state, BoardEvent::Reading { volts, milliamps }) => {
                (self.wire.volts, self.wire.milliamps) = (Some(volts), Some(milliamps));
                state
            }
            (state, BoardEvent::Lost) => self.lost(state, out),
            (state, BoardEvent::Missing) => self.unfit(state, now, Fault::NoPort, out),
            (state, BoardEvent::Ready(kind)) if kind != PortKind::Fxs => {
                self.unfit(state, now, Fault::WrongKind(kind), out)
            }
            (state, BoardEvent::Ready(_)) => {
                self.lost(state, out);
                self.wire.clear(out);
                // Whatever the port did when its board died, it starts from here; `OffHook` follows if it is lifted.
                self.wire.board(BoardCmd::RingStop, out);
                self.polarity = self.set.idle_polarity;
                self.wire.board(BoardCmd::Polarity(self.polarity), out);
                State::Idle
            }
            (State::Lost, _) => State::Lost,
            (State::Ringing(ringing), BoardEvent::Refused(CmdKind::Ring)) => {
                // The bell is silent: waiting for somebody to hear it helps nobody.
                self.fault(now, Fault::Refused, out);
                self.last_disconnect = Some(Disconnect::BoardRefused);
                self.wire.say(ringing.leg, LegEvent::Ended(Cause::BoardRefused), out);
                self.stop_ringing(*ringing, out)
            }
            // A ring trip crosses the word that the caller gave up: the telephone is lifted all the same.
            (State::Idle, BoardEvent::OffHook | BoardEvent::RingTrip) => self.dialling(now, out),
            (State::Ringing(ringing), BoardEvent::OffHook | BoardEvent::RingTrip) => {
                self.pick_up(*ringing, out)
            }
            (State::HungUp { talk, .. }, BoardEvent::OffHook) => {
                self.wire.listen(KEYS, out);
                State::Talking(talk)
            }
            (state, BoardEvent::OnHook) => self.hung_up(state, now, out),
            (State::Dialling(_) | State::Ladder(_), BoardEvent::Flash) => self.dialling(now, out),
            (state @ State::Talking(Talk { emergency: false, leg, .. }), BoardEvent::Flash) => {
                self.wire.say(leg, LegEvent::Flash, out);
                state
            }
            (state, BoardEvent::PulseDigit(key)) => {
                self.key(state, now, (key, PULSE_MS), KeyForm::Signalled, out)
            }
            (state, _) => state,
        }
    }

    fn media(&mut self, mut state: State, now: Instant, event: MediaEvent, out: &mut Vec<Post>) -> State {
        match event {
            MediaEvent::Digit { key, ms, form, .. } => self.key(state, now, (key, ms), form, out),
            MediaEvent::DigitsSent { .. } => {
                if let Some(talk) = state.talk() {
                    talk.keys.sent(now, self.pace(), &self.wire, out);
                }
                state
            }
            MediaEvent::CallerIdSent { .. } => self.caller_id_sent(state, now, out),
            // Tones have their time in the ladder, which does not depend on the media engine.
            _ => state,
        }
    }

    fn key(
        &mut self,
        state: State,
        now: Instant,
        (key, ms): (Key, u16),
        form: KeyForm,
        out: &mut Vec<Post>,
    ) -> State {
        match state {
            State::Dialling(dialling) => self.dial(dialling, now, key, out),
            mut state => {
                // The echo of a key that we are playing to the telephone is no key of its.
                if let Some(talk) = state.talk().filter(|t| t.keys.is_empty()) {
                    self.wire.say(talk.leg, LegEvent::Digit { key, ms, form }, out);
                }
                state
            }
        }
    }

    fn leg(&mut self, state: State, now: Instant, leg: LegId, cmd: LegCmd, out: &mut Vec<Post>) -> State {
        match (state, cmd) {
            (State::Idle, LegCmd::Place(placement)) => self.ring(now, leg, *placement, out),
            (State::Lost, LegCmd::Place(_)) => {
                let cause = match self.faults.fault() {
                    Some(Fault::WrongKind(_) | Fault::NoPort) => Cause::WrongPort,
                    _ => Cause::BoardLost,
                };
                self.wire.say(leg, LegEvent::Ended(cause), out);
                State::Lost
            }
            // Call waiting will stand here.
            (state, LegCmd::Place(_)) => {
                self.wire.say(leg, LegEvent::Ended(Cause::Busy), out);
                state
            }
            (state, _) if state.leg() != Some(leg) => state,
            (state, LegCmd::End(cause)) => self.far_end_gone(state, now, cause, out),
            (State::Calling(talk), LegCmd::Ringing) => {
                let ring_back = self.region.tones.ring_back.clone();
                match talk.far {
                    Far::Port => self.wire.tone(&ring_back, out),
                    Far::Rtp => self.wire.ringback(&ring_back, out),
                }
                State::Calling(talk)
            }
            (State::Calling(talk), LegCmd::Attend) => {
                self.wire.hush(out);
                State::Calling(talk)
            }
            (State::Calling(talk), LegCmd::Progress(sound)) => {
                let far = Far::of(&sound);
                self.wire.early(far, &self.region.tones.ring_back.clone(), out);
                State::Calling(Talk { far, ..talk })
            }
            (State::Calling(talk), LegCmd::Answer(sound)) => {
                self.wire.hush(out);
                self.set_polarity(self.set.caller_polarity, out);
                State::Talking(Talk { far: Far::of(&sound), ..talk })
            }
            (State::Talking(talk), LegCmd::Change(sound)) if sound.addr.is_some() => {
                State::Talking(Talk { far: Far::of(&sound), ..talk })
            }
            (mut state, LegCmd::Digit { key, .. }) => {
                if let Some(talk) = state.talk().filter(|t| t.far == Far::Rtp) {
                    let mut text = [0; 4];
                    talk.keys.push(now, key.as_char().encode_utf8(&mut text), self.pace(), &self.wire, out);
                }
                state
            }
            (state, _) => state,
        }
    }

    fn timeout(&mut self, state: State, now: Instant, out: &mut Vec<Post>) -> State {
        match state {
            State::Dialling(dialling) => self.dialling_timeout(dialling, now, out),
            State::Ringing(ringing) => self.ringing_timeout(ringing, now, out),
            State::HungUp { talk, until } if until <= now => {
                self.last_disconnect = Some(Disconnect::HungUp);
                self.wire.say(talk.leg, LegEvent::Ended(Cause::Normal), out);
                self.idle(out)
            }
            State::Ladder(rung) => self.climb(rung, now, out),
            mut state => {
                if let Some(talk) = state.talk() {
                    talk.keys.timeout(now, self.pace(), &self.wire, out);
                }
                state
            }
        }
    }

    /// The telephone was hung up.
    fn hung_up(&mut self, state: State, now: Instant, out: &mut Vec<Post>) -> State {
        let delay = self.set.callee_on_hook_delay;
        match state {
            State::Calling(talk) => {
                self.last_disconnect = Some(Disconnect::HungUp);
                self.wire.say(talk.leg, LegEvent::Ended(Cause::Cancelled), out);
                self.idle(out)
            }
            State::Talking(talk) if talk.side == Side::Called && !delay.is_zero() => {
                self.wire.listen(DetectorConfig::default(), out);
                State::HungUp { talk, until: now + delay }
            }
            State::Talking(talk) => {
                self.last_disconnect = Some(Disconnect::HungUp);
                self.wire.say(talk.leg, LegEvent::Ended(Cause::Normal), out);
                self.idle(out)
            }
            State::Dialling(_) | State::Ladder(_) => self.idle(out),
            // Already hung up: some boards say so once more after ringing.
            state @ (State::Lost | State::Idle | State::Ringing(_) | State::HungUp { .. }) => state,
        }
    }

    /// The call ended, and the telephone with it or not.
    fn far_end_gone(&mut self, state: State, now: Instant, cause: Cause, out: &mut Vec<Post>) -> State {
        let answered = matches!(state, State::Talking(_) | State::HungUp { .. });
        self.last_disconnect = Some(Disconnect::by_far_end(cause, answered));
        match state {
            State::Calling(_) => self.tone_for(cause, now, out),
            State::Talking(_) => self.far_hang_up(now, out),
            State::Ringing(ringing) => self.stop_ringing(*ringing, out),
            state @ (State::Lost
            | State::Idle
            | State::Dialling(_)
            | State::HungUp { .. }
            | State::Ladder(_)) => {
                debug_assert!(state.leg().is_some());
                self.idle(out)
            }
        }
    }

    fn pace(&self) -> Pace {
        Pace::of(self.set.dtmf_length, self.set.dtmf_length)
    }

    fn set_polarity(&mut self, polarity: Polarity, out: &mut Vec<Post>) {
        if self.polarity != polarity {
            self.polarity = polarity;
            self.wire.board(BoardCmd::Polarity(polarity), out);
        }
    }

    /// On-hook, silent, at rest.
    fn idle(&mut self, out: &mut Vec<Post>) -> State {
        self.wire.hush(out);
        self.wire.listen(DetectorConfig::default(), out);
        self.set_polarity(self.set.idle_polarity, out);
        State::Idle
    }

    fn lost(&mut self, state: State, out: &mut Vec<Post>) -> State {
        if let Some(leg) = state.leg() {
            self.last_disconnect = Some(Disconnect::BoardLost);
            self.wire.say(leg, LegEvent::Ended(Cause::BoardLost), out);
        }
        (self.wire.volts, self.wire.milliamps) = (None, None);
        self.faults.clear();
        self.wire.hush(out);
        self.wire.listen(DetectorConfig::default(), out);
        State::Lost
    }

    /// The port is no telephone's.
    fn unfit(&mut self, state: State, now: Instant, fault: Fault, out: &mut Vec<Post>) -> State {
        let state = self.lost(state, out);
        self.fault(now, fault, out);
        state
    }

    fn fault(&mut self, now: Instant, fault: Fault, out: &mut Vec<Post>) {
        self.faults.set(fault, now, (&self.wire.line, &self.wire.port, PortKind::Fxs), out);
    }
}

impl State {
    /// The leg that the line carries.
    fn leg(&self) -> Option<LegId> {
        match self {
            State::Calling(talk) | State::Talking(talk) | State::HungUp { talk, .. } => Some(talk.leg),
            State::Ringing(ringing) => Some(ringing.leg),
            State::Lost | State::Idle | State::Dialling(_) | State::Ladder(_) => None,
        }
    }

    /// The call that the lifted telephone carries.
    fn talk(&mut self) -> Option<&mut Talk> {
        match self {
            State::Calling(talk) | State::Talking(talk) => Some(talk),
            _ => None,
        }
    }
}

/// What a lifted telephone is listened to for.
const KEYS: DetectorConfig = DetectorConfig {
    dtmf: true,
    caller_id: false,
    disconnect_tone: Vec::new(),
    dial_tone: false,
    voice: false,
    silence: None,
};

/// A pulse-dialled key has no length; this one suits every far end.
const PULSE_MS: u16 = 100;
