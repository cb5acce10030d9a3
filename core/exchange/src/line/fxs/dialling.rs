//! From the lift to the call: dial tone, keys into the emergency table and then into the dial plan, and what the plan
//! decides.
//!
//! A plan may decide before an emergency number is whole: `9!` bars at the first key of 999, and a plan that knows no
//! number with a 9 rejects there. So while the keys may still become an emergency number, a decision that ends
//! dialling is held until the next key shows that they do not, or until nothing follows for the short timer. So is an
//! emergency number that is the beginning of another one.

use std::sync::Arc;
use std::time::Instant;

use crate::call::{Birth, Caller, MAX_FORWARDS};
use crate::emergency;
use crate::line::wire::{Far, Outbox};
use crate::line::words::Disconnect;
use crate::post::Post;
use crate::route::Planned;
use ringtrip_dialplan::{Matcher, Outcome, Step, Timers, Why};
use ringtrip_model::party::{Digits, Key, Side, Source};

use super::{DialTone, Fxs, KEYS, State, Talk};

/// A number being dialled.
#[derive(Debug)]
pub(super) struct Dialling {
    matcher: Matcher,
    held: Option<Held>,
}

/// What is decided, while the keys may still become an emergency number.
#[derive(Debug)]
struct Held {
    then: Then,
    /// All keys: the matcher takes no more.
    dialled: Digits,
    until: Instant,
}

#[derive(Debug)]
enum Then {
    /// What the plan says.
    Plan(Outcome),
    /// This is an emergency number, and the beginning of another one.
    Help(Digits),
}

impl Dialling {
    fn new(matcher: Matcher) -> Box<Dialling> {
        Box::new(Dialling { matcher, held: None })
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.held.as_ref().map_or_else(|| self.matcher.deadline(), |held| Some(held.until))
    }

    fn dialled(&self) -> Digits {
        self.held.as_ref().map_or_else(|| Digits::new(self.matcher.dialled()), |held| held.dialled.clone())
    }
}

impl Fxs {
    /// Lifted, or flashed for a new start: dial tone.
    pub(super) fn dialling(&mut self, now: Instant, out: &mut Vec<Post>) -> State {
        let Some(plan) = &self.plan else { return self.reorder(now, out) };
        let timers = Timers {
            long: self.set.interdigit_long,
            short: self.set.interdigit_short,
            dial_tone: self.set.dial_tone,
        };
        let matcher = Matcher::new(Arc::clone(plan), &self.config.dialling, timers, now);
        self.wire.listen(KEYS, out);
        if matcher.deadline().is_some_and(|t| t <= now) {
            // A hot line: no dial tone, the call is made at once.
            return self.dialling_timeout(Dialling::new(matcher), now, out);
        }
        let tones = &self.region.tones;
        let tone = match self.dial_tone {
            _ if matcher.outside_tone_at_start() => &tones.outside_dial,
            DialTone::Usual => &tones.dial,
            DialTone::MessageWaiting => &tones.mwi_dial,
            DialTone::Forwarded => &tones.cfwd_dial,
        };
        // How long it runs is the plan's business, not the script's.
        let tone = tone.endless();
        self.wire.tone(&tone, out);
        State::Dialling(Dialling::new(matcher))
    }

    /// A key, by tone or by pulses.
    pub(super) fn dial(
        &mut self,
        mut dialling: Box<Dialling>,
        now: Instant,
        key: Key,
        out: &mut Vec<Post>,
    ) -> State {
        self.wire.hush(out);
        // Emergency first: no plan can bar, delay or rewrite such a number.
        let mut dialled = dialling.dialled();
        dialled.push(key);
        if emergency::is_whole(&self.config.emergency, dialled.as_str()) {
            return self.call(dialled, None, true, now, out);
        }
        let hope = emergency::may_become(&self.config.emergency, dialled.as_str());
        let until = now + self.set.interdigit_short;
        if emergency::is_exact(&self.config.emergency, dialled.as_str()) {
            dialling.held = Some(Held { then: Then::Help(dialled.clone()), dialled, until });
            return State::Dialling(dialling);
        }
        match dialling.held.take() {
            Some(held) if hope => {
                dialling.held = Some(Held { dialled, until, ..held });
                State::Dialling(dialling)
            }
            // No other call for help: what was decided before this key holds.
            Some(held) => self.held(held, now, out),
            None => match dialling.matcher.key(now, key) {
                Step::Done(outcome) if hope => {
                    dialling.held = Some(Held { then: Then::Plan(outcome), dialled, until });
                    State::Dialling(dialling)
                }
                step => self.go_on(dialling, step, now, out),
            },
        }
    }

    pub(super) fn dialling_timeout(
        &mut self,
        mut dialling: Box<Dialling>,
        now: Instant,
        out: &mut Vec<Post>,
    ) -> State {
        if let Some(held) = dialling.held.take() {
            if held.until <= now {
                return self.held(held, now, out);
            }
            dialling.held = Some(held);
            return State::Dialling(dialling);
        }
        let step = dialling.matcher.timeout(now);
        self.go_on(dialling, step, now, out)
    }

    fn go_on(&mut self, dialling: Box<Dialling>, step: Step, now: Instant, out: &mut Vec<Post>) -> State {
        match step {
            Step::Collecting { outside_tone } => {
                if outside_tone {
                    let tone = self.region.tones.outside_dial.endless();
                    self.wire.tone(&tone, out);
                }
                State::Dialling(dialling)
            }
            Step::Done(outcome) => self.decided(dialling.dialled(), outcome, now, out),
        }
    }

    /// No other emergency number came of it.
    fn held(&mut self, held: Held, now: Instant, out: &mut Vec<Post>) -> State {
        match held.then {
            Then::Plan(outcome) => self.decided(held.dialled, outcome, now, out),
            Then::Help(number) => self.call(number, None, true, now, out),
        }
    }

    /// The plan has decided.
    fn decided(&mut self, dialled: Digits, outcome: Outcome, now: Instant, out: &mut Vec<Post>) -> State {
        match outcome {
            Outcome::Send { number, route, alternative, .. } => {
                // What a plan rewrites into an emergency number is one too; the route will find the same.
                let emergency = emergency::is_exact(&self.config.emergency, number.as_str());
                let planned = Planned { number, route, alternative };
                self.call(dialled, Some(planned), emergency, now, out)
            }
            Outcome::Reject { why } => {
                self.last_number = Some(dialled.to_string());
                self.last_disconnect = Some(match why {
                    Why::LongTimeout | Why::DialToneTimeout => Disconnect::DialTimeout,
                    _ => Disconnect::InvalidDestination,
                });
                self.reorder(now, out)
            }
            Outcome::Blocked { .. } => {
                self.last_number = Some(dialled.to_string());
                self.last_disconnect = Some(Disconnect::InvalidDestination);
                self.reorder(now, out)
            }
            // No service of the exchange's own is there yet; services will answer here with a confirm tone.
            Outcome::Vsc { code, .. } => {
                self.last_number = Some(code.to_string());
                self.last_disconnect = Some(Disconnect::InvalidDestination);
                self.reorder(now, out)
            }
        }
    }

    /// A call is born.
    fn call(
        &mut self,
        dialled: Digits,
        planned: Option<Planned>,
        emergency: bool,
        now: Instant,
        out: &mut Vec<Post>,
    ) -> State {
        self.wire.hush(out);
        let (id, leg) = (self.wire.ids.call(), self.wire.ids.leg());
        self.last_number = Some(dialled.to_string());
        out.push(Post::NewCall(Box::new(Birth {
            id,
            at: self.wire.wall.now(now),
            source: Source::Line(self.wire.line.clone()),
            caller: self.caller.clone(),
            dialled,
            planned,
            hops: MAX_FORWARDS,
            a: Caller::Line { leg, line: self.wire.line.clone() },
            ports: [0, 0],
        })));
        // Who answers is not known yet; until then nothing is to be played.
        let (far, keys) = (Far::Port, Outbox::default());
        State::Calling(Talk { leg, side: Side::Caller, far, emergency, keys })
    }
}
