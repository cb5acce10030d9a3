//! Taking the line to call out: on-hook guard, off-hook, dial tone, digits.
//!
//! An emergency call takes the line from any call that is none. It still waits out the on-hook guard after hanging up
//! the other call: without it the office would not see the hang-up, and the digits would go into the old
//! conversation. A line that rings in is first answered and hung up, for the same reason. A line in use by another
//! telephone of the house is seized beside it: somebody there can be asked to hang up, and often is the one who
//! needs help. A line without battery is refused at once even then, since nothing can be dialled on it, and a refusal
//! sends the call to the next emergency target without delay.

use std::time::{Duration, Instant};

use ringtrip_media::sound::Sound;

use crate::leg::{LegEvent, Placement};
use crate::line::wire::{Far, Outbox, first};
use crate::line::words::{CallType, Disconnect};
use crate::post::{DetectorConfig, Post};
use crate::route::AfterAnswer;
use crate::route::LONGEST_PAUSE;
use ringtrip_config::{AnswerOn, DialBy};
use ringtrip_model::board::BoardCmd;
use ringtrip_model::ids::LegId;
use ringtrip_model::line::LineState;
use ringtrip_model::party::{Cause, Digits, Key};

use super::check::AwaitLoop;
use super::{Fxo, State, Talk, Way};

/// A line being taken for a call out.
#[derive(Debug)]
pub(super) struct Seizing {
    pub leg: LegId,
    pub placement: Box<Placement>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// Off-hook, to answer a ring that is in the way; hung up again at `until`.
    Clear { until: Instant },
    /// On-hook until the office has surely seen it.
    Guard { until: Instant },
    /// Off-hook, until loop current flows.
    Loop(AwaitLoop),
    /// Off-hook; dials when dial tone is heard, or at `until` in any case; never before `earliest`.
    Tone { seized: Instant, earliest: Instant, until: Instant },
    /// Off-hook; dials at `until`.
    Settle { seized: Instant, until: Instant },
    /// The digits are going out.
    Digits { seized: Instant, keys: Outbox },
    /// The number is out, and what a gateway plugin sends after it follows: pauses and keys. The office does not say
    /// when the far end answers; `answered` if it did all the same.
    After { seized: Instant, keys: Outbox, answered: bool },
    /// The same by pulses: what is left, and when what the board pulses now is over.
    Pulses { seized: Instant, rest: String, until: Instant },
}

impl Seizing {
    pub fn deadline(&self) -> Option<Instant> {
        match &self.step {
            Step::Clear { until }
            | Step::Guard { until }
            | Step::Tone { until, .. }
            | Step::Settle { until, .. }
            | Step::Pulses { until, .. } => Some(*until),
            Step::Loop(wait) => Some(wait.deadline()),
            Step::Digits { keys, .. } | Step::After { keys, .. } => first([keys.deadline()]),
        }
    }

    /// What it waits for, while loop current is still to flow.
    pub fn awaits_loop(&mut self) -> Option<&mut AwaitLoop> {
        match &mut self.step {
            Step::Loop(wait) => Some(wait),
            _ => None,
        }
    }

    pub fn shown_state(&self) -> LineState {
        if self.dialling() { LineState::Dialling } else { LineState::Seizing }
    }

    pub fn off_hook(&self) -> bool {
        !matches!(self.step, Step::Guard { .. })
    }

    /// Are digits on their way?
    pub fn dialling(&self) -> bool {
        matches!(self.step, Step::Digits { .. } | Step::Pulses { .. } | Step::After { .. })
    }

    /// Is the number out, and only what follows it under way?
    pub fn dialled(&self) -> bool {
        matches!(self.step, Step::After { .. })
    }

    /// The office says that the far end has answered.
    pub fn far_end_answered(&mut self) {
        if let Step::After { answered, .. } = &mut self.step {
            *answered = true;
        }
    }

    /// While it is still on-hook: until when.
    pub fn guard(&self) -> Option<Instant> {
        match self.step {
            Step::Guard { until } => Some(until),
            _ => None,
        }
    }
}

impl Fxo {
    /// A call wants to go out.
    pub(super) fn place(
        &mut self,
        state: State,
        now: Instant,
        leg: LegId,
        placement: Box<Placement>,
        out: &mut Vec<Post>,
    ) -> State {
        let refuse = |fxo: &Fxo, cause, state: State, out: &mut Vec<Post>| {
            fxo.wire.say(leg, LegEvent::Ended(cause), out);
            state
        };
        let emergency = placement.emergency;
        if !self.can_dial(&placement.number) {
            return refuse(self, Cause::Invalid, state, out);
        }
        if let State::Lost = state {
            return refuse(self, self.lost_cause(), state, out);
        }
        if !self.pair.battery || (self.pair.in_use() && !emergency) {
            // SPA3102: 503, so that the next target is tried.
            return refuse(self, Cause::Congestion, state, out);
        }
        let guard = match &state {
            State::Idle { guard } => *guard,
            _ if !emergency || state.is_emergency() => return refuse(self, Cause::Congestion, state, out),
            State::Alerted { .. } | State::Heard { .. } | State::Spent { .. } | State::Ringing { .. } => {
                if let Some(ringing) = state.leg() {
                    self.last_disconnect = Some(Disconnect::Emergency);
                    self.wire.say(ringing, LegEvent::Ended(Cause::Preempted), out);
                }
                self.begin(&placement);
                // A sign of life: this takes two seconds.
                self.wire.say(leg, LegEvent::Ringing, out);
                let step = Step::Guard { until: now };
                return self.clear(Box::new(Seizing { leg, placement, step }), now, out);
            }
            State::Seizing(_) | State::Calling(_) | State::Talking(_) | State::Lost => {
                match self.finish(&state, now, Cause::Preempted, Disconnect::Emergency, out) {
                    State::Idle { guard } => guard,
                    _ => None,
                }
            }
        };
        self.begin(&placement);
        let seizing = Box::new(Seizing { leg, placement, step: Step::Guard { until: guard.unwrap_or(now) } });
        match guard {
            Some(until) if until > now => State::Seizing(seizing),
            _ => self.seize(seizing, now, out),
        }
    }

    /// Can all of this number be dialled here? Without one of its characters it would be another number.
    fn can_dial(&self, number: &Digits) -> bool {
        let keys = |c: char| match self.set.dial_by {
            DialBy::Tone => Key::new(c).is_some(),
            DialBy::Pulse => c.is_ascii_digit(),
        };
        number.is_whole() && number.as_str().chars().all(|c| c == ',' || keys(c))
    }

    fn begin(&mut self, placement: &Placement) {
        self.last_number = Some(placement.number.to_string());
        self.call_type = Some(match placement.offer.as_ref().map(Far::of) {
            Some(Far::Port) => CallType::Line1ToGateway,
            Some(Far::Rtp) | None => CallType::PstnGateway,
        });
    }

    /// Answers and hangs up a ring that is in the way of an emergency call.
    pub(super) fn clear(&mut self, mut seizing: Box<Seizing>, now: Instant, out: &mut Vec<Post>) -> State {
        self.wire.listen(DetectorConfig::default(), out);
        if !seizing.off_hook() {
            self.wire.board(BoardCmd::OffHook, out);
        }
        seizing.step = Step::Clear { until: now + CLEAR };
        State::Seizing(seizing)
    }

    /// Off-hook, now.
    fn seize(&mut self, mut seizing: Box<Seizing>, now: Instant, out: &mut Vec<Post>) -> State {
        self.wire.board(BoardCmd::OffHook, out);
        // What the voltage said on-hook is over; it is looked at anew after the call.
        self.pair.low = false;
        if !self.measures {
            return self.seized(seizing, now, now, out);
        }
        if seizing.placement.emergency {
            self.wire.say(seizing.leg, LegEvent::Ringing, out);
        }
        if self.set.wait_for_dial_tone.is_some() {
            // A dial tone proves the loop as well as its current does.
            self.wire.listen(DetectorConfig { dial_tone: true, ..DetectorConfig::default() }, out);
        }
        seizing.step = Step::Loop(AwaitLoop::new(now));
        State::Seizing(seizing)
    }

    /// Loop current flows, or a dial tone is heard.
    pub(super) fn loop_closed(
        &mut self,
        mut seizing: Box<Seizing>,
        now: Instant,
        out: &mut Vec<Post>,
    ) -> State {
        let Some(seized) = seizing.awaits_loop().map(|wait| wait.seized) else {
            return State::Seizing(seizing);
        };
        self.seized(seizing, seized, now, out)
    }

    /// The line is ours since `seized`.
    fn seized(
        &mut self,
        mut seizing: Box<Seizing>,
        seized: Instant,
        now: Instant,
        out: &mut Vec<Post>,
    ) -> State {
        let emergency = seizing.placement.emergency;
        let keys = dialable(&seizing.placement.number);
        if keys.is_empty() && after(&seizing.placement).is_empty() {
            // Two-stage dialling: the caller hears the office's own dial tone and dials on.
            seizing.step = Step::Settle { seized, until: now };
            let talk = self.talk_of(&seizing, now);
            return self.answered(talk, now, out);
        }
        if emergency {
            if !self.measures {
                // A sign of life, so that the call does not try the next target beside this one while we dial. No
                // sound yet: a frightened voice over our digits could spoil them.
                self.wire.say(seizing.leg, LegEvent::Ringing, out);
            }
        } else if self.set.answer_on == AnswerOn::Seize {
            self.wire.say(seizing.leg, LegEvent::Answered(Sound::analog()), out);
        }
        let earliest = seized + self.set.dialing_delay;
        seizing.step = match self.set.wait_for_dial_tone {
            Some(longest) => {
                self.wire.listen(DetectorConfig { dial_tone: true, ..DetectorConfig::default() }, out);
                let longest =
                    if must_have_tone(&seizing.placement) { longest.min(TONE_WAIT) } else { longest };
                Step::Tone { seized, earliest, until: (seized + longest).max(earliest) }
            }
            None => Step::Settle { seized, until: earliest },
        };
        State::Seizing(seizing)
    }

    pub(super) fn dial_tone(
        &mut self,
        mut seizing: Box<Seizing>,
        now: Instant,
        out: &mut Vec<Post>,
    ) -> State {
        if seizing.awaits_loop().is_some() {
            return match self.loop_closed(seizing, now, out) {
                State::Seizing(seizing) => self.dial_tone(seizing, now, out),
                state => state,
            };
        }
        match seizing.step {
            Step::Tone { seized, earliest, .. } if earliest > now => {
                seizing.step = Step::Settle { seized, until: earliest };
                State::Seizing(seizing)
            }
            Step::Tone { seized, .. } => self.dial(seizing, seized, now, out),
            _ => State::Seizing(seizing),
        }
    }

    pub(super) fn digits_sent(
        &mut self,
        mut seizing: Box<Seizing>,
        now: Instant,
        out: &mut Vec<Post>,
    ) -> State {
        let pace = self.pace();
        if let Step::Digits { keys, .. } | Step::After { keys, .. } = &mut seizing.step {
            keys.sent(now, pace, &self.wire, out);
        }
        self.if_dialled(seizing, now, out)
    }

    pub(super) fn seizing_timeout(
        &mut self,
        mut seizing: Box<Seizing>,
        now: Instant,
        out: &mut Vec<Post>,
    ) -> State {
        let pace = self.pace();
        match &mut seizing.step {
            Step::Clear { until } if *until <= now => {
                self.wire.board(BoardCmd::OnHook, out);
                seizing.step = Step::Guard { until: now + self.set.on_hook_guard };
                State::Seizing(seizing)
            }
            Step::Guard { until } if *until <= now => self.seize(seizing, now, out),
            Step::Loop(_) => self.no_loop_yet(seizing, now, out),
            Step::Tone { until, .. } if *until <= now && must_have_tone(&seizing.placement) => {
                self.finish(&State::Seizing(seizing), now, Cause::NoDialTone, Disconnect::NoDialTone, out)
            }
            Step::Tone { seized, until, .. } | Step::Settle { seized, until } if *until <= now => {
                let seized = *seized;
                self.dial(seizing, seized, now, out)
            }
            Step::Digits { keys, .. } | Step::After { keys, .. } => {
                keys.timeout(now, pace, &self.wire, out);
                self.if_dialled(seizing, now, out)
            }
            Step::Pulses { until, .. } if *until <= now => self.pulse(seizing, now, out),
            _ => State::Seizing(seizing),
        }
    }

    fn dial(
        &mut self,
        mut seizing: Box<Seizing>,
        seized: Instant,
        now: Instant,
        out: &mut Vec<Post>,
    ) -> State {
        self.wire.listen(DetectorConfig::default(), out);
        let number = dialable(&seizing.placement.number);
        match self.set.dial_by {
            DialBy::Tone => {
                let mut keys = Outbox::default();
                keys.push(now, &number, self.pace(), &self.wire, out);
                seizing.step = Step::Digits { seized, keys };
                self.if_dialled(seizing, now, out)
            }
            DialBy::Pulse => {
                seizing.step = Step::Pulses { seized, rest: number, until: now };
                self.pulse(seizing, now, out)
            }
        }
    }

    /// The next run of digits, or the next pause, by pulses.
    fn pulse(&mut self, mut seizing: Box<Seizing>, now: Instant, out: &mut Vec<Post>) -> State {
        let Step::Pulses { rest, until, .. } = &mut seizing.step else { return State::Seizing(seizing) };
        let run: String = rest.chars().take_while(char::is_ascii_digit).collect();
        if run.is_empty() {
            // A pause, or a key that a dial does not have.
            if rest.is_empty() {
                return self.dialled(seizing, now, out);
            }
            let skipped = rest.remove(0);
            *until = now + if skipped == ',' { Duration::from_secs(1) } else { Duration::ZERO };
            return State::Seizing(seizing);
        }
        rest.drain(..run.len());
        *until = now + pulse_time(&run);
        self.wire.board(BoardCmd::Pulse(run.chars().filter_map(Key::new).collect()), out);
        State::Seizing(seizing)
    }

    fn if_dialled(&mut self, seizing: Box<Seizing>, now: Instant, out: &mut Vec<Post>) -> State {
        match &seizing.step {
            Step::Digits { keys, .. } | Step::After { keys, .. } if keys.is_empty() => {
                self.dialled(seizing, now, out)
            }
            _ => State::Seizing(seizing),
        }
    }

    /// The last digit is out.
    fn dialled(&mut self, mut seizing: Box<Seizing>, now: Instant, out: &mut Vec<Post>) -> State {
        let talk = self.talk_of(&seizing, now);
        let rest = after(&seizing.placement);
        let answered = match seizing.step {
            Step::After { answered, .. } => answered,
            _ if rest.is_empty() => false,
            _ => {
                // From here on the caller hears the far end. Nothing of what he says goes out while this is sent: our
                // keys and pauses stand in its place.
                if self.set.answer_on != AnswerOn::Seize || talk.emergency {
                    self.wire.say(talk.leg, LegEvent::Progress(Sound::analog()), out);
                }
                let disconnect_tone = self.hangup_tone.clone();
                self.wire.listen(DetectorConfig { disconnect_tone, ..DetectorConfig::default() }, out);
                let mut keys = Outbox::default();
                keys.push(now, &rest, self.pace(), &self.wire, out);
                seizing.step = Step::After { seized: talk.taken, keys, answered: false };
                return State::Seizing(seizing);
            }
        };
        match self.set.answer_on {
            AnswerOn::Seize if !talk.emergency => self.talking(talk, now, out),
            AnswerOn::Seize | AnswerOn::Dialed => self.answered(talk, now, out),
            _ if answered => self.answered(Talk { reversals: 1, ..talk }, now, out),
            AnswerOn::Polarity | AnswerOn::Voice => {
                self.wire.say(talk.leg, LegEvent::Progress(Sound::analog()), out);
                let voice = self.set.answer_on == AnswerOn::Voice;
                let disconnect_tone = self.hangup_tone.clone();
                self.wire.listen(
                    DetectorConfig { dtmf: true, disconnect_tone, voice, ..DetectorConfig::default() },
                    out,
                );
                State::Calling(talk)
            }
        }
    }

    fn talk_of(&self, seizing: &Seizing, now: Instant) -> Talk {
        let taken = match seizing.step {
            Step::Tone { seized, .. }
            | Step::Settle { seized, .. }
            | Step::Digits { seized, .. }
            | Step::After { seized, .. }
            | Step::Pulses { seized, .. } => seized,
            Step::Loop(wait) => wait.seized,
            Step::Clear { .. } | Step::Guard { .. } => now,
        };
        Talk {
            leg: seizing.leg,
            way: Way::Out,
            far: seizing.placement.offer.as_ref().map_or(Far::Rtp, Far::of),
            emergency: seizing.placement.emergency,
            reversals: 0,
            own_dial_tone: dialable(&seizing.placement.number).is_empty(),
            taken,
            until: None,
            keys: Outbox::default(),
        }
    }
}

/// An office that gives no dial tone cannot be trusted with a call for help while there is another way. Where there is
/// none, the number is dialled all the same.
fn must_have_tone(placement: &Placement) -> bool {
    placement.emergency && !placement.last_hope
}

/// A number as it is dialled on a landline: keys, and `,` for a pause of one second. One that has anything else in it,
/// such as a leading `+`, was refused; who wants `00` for that says so in a plan or a script.
fn dialable(number: &Digits) -> String {
    number.as_str().chars().filter(|&c| c == ',' || Key::new(c).is_some()).collect()
}

/// What a gateway plugin sends after the number, as the media engine reads it: `,` is a pause of one second, `p` of a tenth.
fn after(placement: &Placement) -> String {
    let mut keys = String::new();
    for part in placement.prepared.iter().flat_map(|prepared| &prepared.after_answer) {
        match part {
            AfterAnswer::Pause(time) => {
                let tenths = time.as_millis().div_ceil(100).min(LONGEST_PAUSE.as_millis() / 100);
                keys.extend((0..tenths / 10).map(|_| ','));
                keys.extend((0..tenths % 10).map(|_| 'p'));
            }
            AfterAnswer::Keys(more) => keys.extend(more.0.chars().filter(|c| Key::new(*c).is_some())),
        }
    }
    keys
}

/// What the board takes for these digits: ten pulses a second and a pause after each digit.
fn pulse_time(digits: &str) -> Duration {
    let pulses: u64 = digits.bytes().map(|d| if d == b'0' { 10 } else { u64::from(d - b'0') }).sum();
    Duration::from_millis(pulses * 100 + digits.len() as u64 * 800)
}

/// How long an emergency call waits for dial tone before the next way is tried.
const TONE_WAIT: Duration = Duration::from_millis(1750);

/// Long enough for an office to see the answer, short enough for someone who needs help.
const CLEAR: Duration = Duration::from_millis(500);
