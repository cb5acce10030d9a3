//! The central office at the far end of an FXO port's pair: battery, dial tone, digits, called subscribers, and calls to the line.
//!
//! It sees a loop that closes and opens and hears the pair; it answers with battery, ringing and sound. Nothing of the exchange's
//! own code decides here what was dialled: digits come from the audio, pulses from the loop.

use ringtrip_driver::Polarity;
use ringtrip_media::callerid::{BurstGen, Caller, FskStandard, Lead, mdmf};
use ringtrip_media::dtmf::{DtmfDetector, Heard};
use ringtrip_media::region::Region;
use ringtrip_media::tone::{Play, Tone, ToneGen};

use crate::config::{Behaviour, Does, Fault, Hangup, OfficeConfig, Subscriber, SubscriberAudio};
use crate::hook::{Hook, HookReader, Windows};
use crate::sound::{Recording, Speech, sine};
use crate::{Block, STEP};

/// One line of the office.
pub struct OfficeLine {
    /// Its number, for show.
    pub number: String,
    config: OfficeConfig,
    country: Country,
    now: u64,
    state: State,
    hook: HookReader,
    dtmf: DtmfDetector,
    tone: ToneGen,
    polarity: Polarity,
    /// ms left without battery, by CPC.
    cpc_left: u32,
    /// The pair is cut.
    pub cut: bool,
    /// What else is wrong with it.
    pub fault: Fault,
    /// What the far end says besides its habit.
    pub speech: Speech,
    /// What the office heard from the line.
    pub heard: Recording,
    /// What happened, newest last.
    pub log: Vec<Entry>,
    /// What was dialled last, kept until the next call.
    pub digits: String,
    /// Keys heard during the conversation.
    pub keys: String,
    /// Hook flashes during the conversation.
    pub flashes: u32,
    steady: Vec<i16>,
    at: usize,
    echo: std::collections::VecDeque<i16>,
}

/// Something that happened at the office.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// ms since the board started.
    pub ms: u64,
    /// What.
    pub what: String,
}

/// An incoming call as the operator of the simulator wants it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Incoming {
    /// Who calls.
    pub caller: Caller,
    /// Rounds of ringing before the caller gives up.
    pub rings: u32,
}

/// Why the office did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The line is not idle.
    #[error("the line is in use ({0}): a call can come in only while it is idle")]
    InUse(&'static str),
    /// There is nothing to hang up.
    #[error("there is no call on the line ({0}): nothing to hang up")]
    NoCall(&'static str),
    /// There is nothing to answer.
    #[error("nothing rings at the far end ({0}): nothing to answer")]
    NotRinging(&'static str),
    /// No battery.
    #[error("the pair is cut: restore the battery first")]
    Cut,
}

/// What differs between countries on the pair itself.
struct Country {
    region: Region,
    /// Ringing: on, off, on, off … ms.
    cadence: &'static [u32],
    hz: u32,
    ringback_ms: u32,
    /// Reversal and tone alert before the first ring, V.23; or Bell 202 after it.
    uk: bool,
}

enum State {
    Idle,
    /// Seized; dial tone begins in so many ms.
    Seized {
        in_ms: u32,
    },
    DialTone,
    Collecting {
        quiet_ms: u32,
    },
    /// The far end rings for so many ms yet; `None` for ever.
    Ringback {
        left: Option<u32>,
        behaviour: Behaviour,
    },
    /// A tone until the line is released.
    Treatment {
        name: &'static str,
    },
    Talking {
        behaviour: Behaviour,
        ms: u32,
    },
    /// The far end has hung up.
    Cleared {
        how: Hangup,
    },
    /// A call comes in.
    Alerting(Alert),
}

struct Alert {
    call: Incoming,
    /// What is done now, and for how many ms more.
    stage: Stage,
    rounds: u32,
    /// ms of direct current seen.
    closed: u32,
    /// ms since the call began, to tell glare.
    age: u32,
    cycles: f64,
}

enum Stage {
    /// (UK) Polarity is reversed, silence.
    Reversed { left: u32 },
    /// Caller ID.
    Data { burst: Box<BurstGen>, ringing_after: bool, quiet: u32 },
    /// Silence before the first ring.
    Pause { left: u32 },
    /// Element of the cadence.
    Ring { at: usize, left: u32 },
}

/// A loop closed this long in a silent interval answers; while ringing, direct current must be told from the alternating.
const ANSWER_QUIET: u32 = 20;
const ANSWER_RINGING: u32 = 100;
/// Who seizes this early did not mean to answer.
const GLARE_MS: u32 = 500;
/// Caller ID begins this long after the first ring (GR-30: 500 ms at least).
const CID_AFTER_RING: u32 = 600;
const ECHO_MS: usize = 500;
/// A line that dials nothing gets the fast busy tone after this.
const DIAL_PATIENCE: u32 = 20_000;
const MOST_LOG: usize = 200;
const MOST_DIGITS: usize = 64;

impl OfficeLine {
    /// An idle line.
    pub fn new(number: String, config: OfficeConfig, region: Region, remember_s: u32) -> OfficeLine {
        let uk = region.name == "uk";
        let fault = config.fault;
        let country = Country {
            cadence: if uk { &[400, 200, 400, 2000] } else { &[2000, 4000] },
            hz: if uk { 25 } else { 20 },
            ringback_ms: if uk { 3000 } else { 6000 },
            uk,
            region,
        };
        OfficeLine {
            number,
            config,
            country,
            now: 0,
            state: State::Idle,
            hook: HookReader::new(Windows { flash_min: 100, flash_max: 600, pulse_max: 80 }),
            dtmf: DtmfDetector::new(),
            tone: ToneGen::silent(),
            polarity: Polarity::Forward,
            cpc_left: 0,
            cut: false,
            fault,
            speech: Speech::default(),
            heard: Recording::new(remember_s),
            log: Vec::new(),
            digits: String::new(),
            keys: String::new(),
            flashes: 0,
            steady: Vec::new(),
            at: 0,
            echo: Default::default(),
        }
    }

    /// A call for the line.
    pub fn call(&mut self, call: Incoming) -> Result<(), Refusal> {
        if self.cut {
            return Err(Refusal::Cut);
        }
        if !matches!(self.state, State::Idle) || self.hook.lifted() {
            return Err(Refusal::InUse(self.word()));
        }
        self.note(format!("call from {:?}", call.caller.number));
        let first = self.country.cadence.first().copied().unwrap_or(2000);
        let stage = if self.country.uk && self.config.caller_id {
            self.polarity = Polarity::Reverse;
            Stage::Reversed { left: 150 }
        } else {
            Stage::Ring { at: 0, left: first }
        };
        self.state = State::Alerting(Alert { call, stage, rounds: 0, closed: 0, age: 0, cycles: 0.0 });
        Ok(())
    }

    /// The far end hangs up, or a caller gives up.
    pub fn hang_up(&mut self, how: Option<Hangup>) -> Result<(), Refusal> {
        match &self.state {
            State::Alerting(_) => {
                self.note("the caller gave up".into());
                self.idle();
                Ok(())
            }
            State::Talking { behaviour, .. } => {
                let how = how.or(behaviour.hangup).unwrap_or(self.config.hangup);
                self.clear(how);
                Ok(())
            }
            _ => Err(Refusal::NoCall(self.word())),
        }
    }

    /// The far end answers now.
    pub fn answer(&mut self) -> Result<(), Refusal> {
        match &self.state {
            State::Ringback { behaviour, .. } => {
                let behaviour = behaviour.clone();
                self.talk(behaviour);
                Ok(())
            }
            _ => Err(Refusal::NotRinging(self.word())),
        }
    }

    /// Adds or replaces a subscriber.
    pub fn subscribe(&mut self, subscriber: Subscriber) {
        self.config.subscribers.retain(|s| s.number != subscriber.number);
        self.config.subscribers.push(subscriber);
    }

    /// The state in one word.
    pub fn word(&self) -> &'static str {
        match &self.state {
            State::Idle => "idle",
            State::Seized { .. } => "seized",
            State::DialTone => "dial-tone",
            State::Collecting { .. } => "collecting",
            State::Ringback { .. } => "ringback",
            State::Treatment { name } => name,
            State::Talking { .. } => "talking",
            State::Cleared { how: Hangup::Cpc } => "cleared-cpc",
            State::Cleared { how: Hangup::Reversal } => "cleared-reversal",
            State::Cleared { how: Hangup::Tone } => "cleared-tone",
            State::Cleared { how: Hangup::Silence } => "cleared-silence",
            State::Alerting(_) => "alerting",
        }
    }

    /// Open-circuit battery, signed tip to ring; 0 without.
    pub fn battery(&self) -> f32 {
        match (self.cut || self.cpc_left > 0, self.polarity) {
            (true, _) => 0.0,
            (false, Polarity::Forward) => 48.0,
            (false, Polarity::Reverse) => -48.0,
        }
    }

    /// Ringing voltage now: V peak-signed, and its frequency.
    pub fn ringing(&self) -> Option<(f32, u32)> {
        let State::Alerting(a) = &self.state else { return None };
        let Stage::Ring { at, .. } = a.stage else { return None };
        let on = at.is_multiple_of(2) && !self.cut;
        on.then(|| (127.0 * (std::f64::consts::TAU * a.cycles).sin() as f32, self.country.hz))
    }

    /// One ms: is the loop closed, and what does it say? Answers what the pair hears.
    pub fn step(&mut self, closed: bool, from_line: &Block) -> Block {
        self.now += 1;
        self.cpc_left = self.cpc_left.saturating_sub(1);
        let closed = closed && !self.cut && self.fault != Fault::NoLoop;
        let mut out = [0; STEP];
        if matches!(self.state, State::Alerting(_)) {
            self.alert(closed, &mut out);
            return out;
        }
        if self.cpc_left == 0 {
            match self.hook.step(closed) {
                None => {}
                Some(Hook::Lifted) => self.seized(),
                Some(Hook::HungUp) => self.released(),
                Some(Hook::Flash(ms)) => {
                    self.note(format!("hook flash of {ms} ms"));
                    match self.state {
                        State::Talking { .. } | State::Ringback { .. } => self.flashes += 1,
                        // With nobody at the far end a break gives a fresh dial tone, so a line may be taken again at once.
                        _ => {
                            self.idle();
                            self.seized();
                        }
                    }
                }
                Some(Hook::Digit(d)) => self.digit(d, "pulses"),
            }
        }
        if !self.hook.lifted() {
            return out;
        }
        self.heard.push(from_line);
        let mut keys = Vec::new();
        self.dtmf.push(from_line, |heard| {
            if let Heard::Down { key, .. } = heard {
                keys.push(key);
            }
        });
        for key in keys {
            self.digit(key, "tones");
        }
        self.advance();
        if self.tone.fill(&mut out) == Play::Ended {
            self.again();
        }
        if let State::Talking { behaviour, .. } = &self.state {
            match behaviour.says {
                SubscriberAudio::Silence => {}
                SubscriberAudio::Tone(_) => {
                    for s in &mut out {
                        *s = s.saturating_add(self.steady.get(self.at).copied().unwrap_or(0));
                        self.at = (self.at + 1) % self.steady.len().max(1);
                    }
                }
                SubscriberAudio::Echo => {
                    self.echo.extend(from_line);
                    if self.echo.len() > ECHO_MS * STEP {
                        for s in &mut out {
                            *s = s.saturating_add(self.echo.pop_front().unwrap_or(0));
                        }
                    }
                }
            }
            self.speech.mix(&mut out);
        }
        out
    }

    fn seized(&mut self) {
        if matches!(self.state, State::Idle) {
            self.note("seized".into());
            self.digits.clear();
            self.keys.clear();
            self.flashes = 0;
            self.dtmf = DtmfDetector::new();
            let in_ms = match self.fault {
                Fault::NoDialTone => u32::MAX,
                _ => self.config.dial_tone_delay_ms,
            };
            self.state = State::Seized { in_ms };
        }
    }

    fn released(&mut self) {
        self.note("released".into());
        self.idle();
    }

    fn idle(&mut self) {
        self.state = State::Idle;
        self.polarity = Polarity::Forward;
        self.tone = ToneGen::silent();
        self.speech.clear();
        self.echo.clear();
    }

    fn digit(&mut self, key: char, how: &str) {
        if self.fault == Fault::Deaf {
            return;
        }
        match &mut self.state {
            State::DialTone | State::Collecting { .. } => {
                if self.digits.len() < MOST_DIGITS {
                    self.digits.push(key);
                }
                self.tone.stop();
                self.state = State::Collecting { quiet_ms: 0 };
                self.note(format!("{key} by {how}"));
                self.dialled(false);
            }
            State::Talking { .. } if self.keys.len() < MOST_DIGITS => self.keys.push(key),
            _ => {}
        }
    }

    /// Is the number complete? At once when no longer number begins like this, else when the line has been quiet.
    fn dialled(&mut self, quiet: bool) {
        let ended = self.digits.ends_with('#');
        let number = self.digits.trim_end_matches('#').to_owned();
        let exact = self.config.subscribers.iter().find(|s| s.number == number);
        let pattern = || self.config.subscribers.iter().find(|s| fits(&s.number, &number));
        let may_grow = self.config.subscribers.iter().any(|s| may_grow(&s.number, &number));
        if !(quiet || ended || ((exact.is_some() || pattern().is_some()) && !may_grow)) {
            return;
        }
        let found = exact.or_else(pattern).map(|s| s.behaviour.clone());
        let behaviour = found.unwrap_or_else(|| self.config.default.clone());
        self.note(format!("dialled {number}"));
        let tones = &self.country.region.tones;
        let (state, tone) = match behaviour.does {
            Does::Answer => {
                let left = behaviour.rings * self.country.ringback_ms;
                (State::Ringback { left: Some(left), behaviour }, tones.ring_back.endless())
            }
            Does::NoAnswer => (State::Ringback { left: None, behaviour }, tones.ring_back.endless()),
            Does::Busy => (State::Treatment { name: "busy" }, tones.busy.endless()),
            Does::Congestion => (State::Treatment { name: "congestion" }, tones.congestion.endless()),
            Does::Announcement => {
                (State::Treatment { name: "announcement" }, tones.sit.first().cloned().unwrap_or_default())
            }
            Does::Never => (State::Treatment { name: "nothing" }, Tone::none()),
        };
        self.state = state;
        self.tone.play(&tone);
    }

    /// A tone came to its end; the special information tones go on for ever.
    fn again(&mut self) {
        if matches!(self.state, State::Treatment { name: "announcement" }) {
            let sit = self.country.region.tones.sit.first().cloned().unwrap_or_default();
            self.tone.play(&sit);
        }
    }

    fn advance(&mut self) {
        match &mut self.state {
            State::Seized { in_ms } => {
                if *in_ms == 0 {
                    self.state = State::DialTone;
                    let dial = self.country.region.tones.dial.endless();
                    self.tone.play(&dial);
                    self.at = 0;
                } else {
                    *in_ms -= 1;
                }
            }
            State::DialTone => {
                self.at += 1;
                if self.at as u32 > DIAL_PATIENCE {
                    self.state = State::Treatment { name: "congestion" };
                    let tone = self.country.region.tones.congestion.endless();
                    self.tone.play(&tone);
                }
            }
            State::Collecting { quiet_ms } => {
                *quiet_ms += 1;
                if *quiet_ms >= self.config.interdigit_ms {
                    self.dialled(true);
                }
            }
            State::Ringback { left: Some(left), behaviour } => {
                if *left == 0 {
                    let behaviour = behaviour.clone();
                    self.talk(behaviour);
                } else {
                    *left -= 1;
                }
            }
            State::Talking { behaviour, ms } => {
                *ms = ms.saturating_add(1);
                if behaviour.hangup_after_ms.is_some_and(|after| *ms >= after) {
                    let how = behaviour.hangup.unwrap_or(self.config.hangup);
                    self.clear(how);
                }
            }
            _ => {}
        }
    }

    /// The far end is there.
    fn talk(&mut self, behaviour: Behaviour) {
        self.note("answered".into());
        self.tone.stop();
        if self.config.answer_reversal {
            self.polarity = Polarity::Reverse;
        }
        self.converse(behaviour);
    }

    fn converse(&mut self, behaviour: Behaviour) {
        self.at = 0;
        // One second holds whole cycles of every integer frequency.
        self.steady = match behaviour.says {
            SubscriberAudio::Tone(hz) => sine(hz.into(), 1000, -16.0),
            SubscriberAudio::Silence | SubscriberAudio::Echo => Vec::new(),
        };
        self.state = State::Talking { behaviour, ms: 0 };
    }

    fn clear(&mut self, how: Hangup) {
        self.note(format!("the far end hung up ({how:?})"));
        self.speech.clear();
        match how {
            Hangup::Cpc => self.cpc_left = self.config.cpc_ms,
            Hangup::Reversal => {
                self.polarity = match self.polarity {
                    Polarity::Forward => Polarity::Reverse,
                    Polarity::Reverse => Polarity::Forward,
                }
            }
            Hangup::Tone => {
                let tone = self.country.region.tones.reorder.endless();
                self.tone.play(&tone);
            }
            Hangup::Silence => {}
        }
        self.state = State::Cleared { how };
    }

    /// A ms of a call to the line.
    fn alert(&mut self, closed: bool, out: &mut Block) {
        let State::Alerting(mut a) = std::mem::replace(&mut self.state, State::Idle) else { return };
        a.age += 1;
        a.closed = if closed { a.closed + 1 } else { 0 };
        let ringing = matches!(a.stage, Stage::Ring { at, .. } if at.is_multiple_of(2));
        if a.closed >= if ringing { ANSWER_RINGING } else { ANSWER_QUIET } {
            let glare = a.age - a.closed < GLARE_MS;
            self.note(if glare { "answered (glare: seized as the call came in)" } else { "answered" }.into());
            self.polarity = Polarity::Forward;
            self.digits.clear();
            self.keys.clear();
            self.flashes = 0;
            self.hook.force_lifted();
            self.dtmf = DtmfDetector::new();
            self.converse(Behaviour { hangup_after_ms: None, ..self.config.default.clone() });
            return;
        }
        if self.cut {
            self.note("the caller lost the line".into());
            self.idle();
            return;
        }
        a.cycles += f64::from(self.country.hz) / 1000.0;
        let data = |ringing_after, lead, standard, quiet| {
            let burst = mdmf(standard, &a.call.caller).after(lead);
            Stage::Data { burst: Box::new(BurstGen::new(&burst)), ringing_after, quiet }
        };
        let first = self.country.cadence.first().copied().unwrap_or(2000);
        let next = match &mut a.stage {
            Stage::Reversed { left: 0 } => {
                Some(data(true, Lead::Alert { ms: 100, gap_ms: 60 }, FskStandard::V23, 300))
            }
            Stage::Pause { left: 0 } => {
                self.polarity = Polarity::Forward;
                Some(Stage::Ring { at: 0, left: first })
            }
            Stage::Reversed { left } | Stage::Pause { left } => {
                *left -= 1;
                None
            }
            Stage::Data { burst, ringing_after, quiet } => match (burst.fill(out), *ringing_after) {
                (Play::Going, _) => {
                    // The gap of the cadence goes on under the data.
                    *quiet = quiet.saturating_sub(u32::from(!*ringing_after));
                    None
                }
                (Play::Ended, true) => Some(Stage::Pause { left: *quiet }),
                (Play::Ended, false) => Some(Stage::Ring { at: 1, left: *quiet }),
            },
            Stage::Ring { at, left } => {
                *left = left.saturating_sub(1);
                let cadence = self.country.cadence;
                let gap = cadence.get(*at).copied().unwrap_or(0);
                let first_gap = *at == 1 && a.rounds == 0 && cadence.len() == 2;
                if first_gap && self.config.caller_id && *left + CID_AFTER_RING == gap {
                    Some(data(false, Lead::None, FskStandard::Bell202, *left))
                } else if *left > 0 {
                    None
                } else if *at + 1 < cadence.len() {
                    let at = *at + 1;
                    Some(Stage::Ring { at, left: cadence.get(at).copied().unwrap_or(0) })
                } else {
                    a.rounds += 1;
                    Some(Stage::Ring { at: 0, left: first })
                }
            }
        };
        if a.rounds >= a.call.rings {
            self.note("the caller gave up".into());
            self.idle();
            return;
        }
        if let Some(next) = next {
            a.stage = next;
        }
        self.state = State::Alerting(a);
    }

    fn note(&mut self, what: String) {
        if self.log.len() >= MOST_LOG {
            self.log.remove(0);
        }
        self.log.push(Entry { ms: self.now, what });
    }
}

/// Does a number fit a subscriber's pattern?
fn fits(pattern: &str, number: &str) -> bool {
    let (body, open) = match pattern.strip_suffix('*') {
        Some(body) => (body, true),
        None => (pattern, false),
    };
    let long_enough = if open { number.len() >= body.len() } else { number.len() == body.len() };
    long_enough && body.chars().zip(number.chars()).all(|(p, n)| p == 'x' || p == n)
}

/// May a number with more digits fit it?
fn may_grow(pattern: &str, number: &str) -> bool {
    let body = pattern.strip_suffix('*').unwrap_or(pattern);
    let open = pattern.ends_with('*');
    let alike = body.chars().zip(number.chars()).all(|(p, n)| p == 'x' || p == n);
    alike && (open || number.len() < body.len())
}
