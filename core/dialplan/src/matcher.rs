//! Dialling, key by key in virtual time. The order of the rules is that of the SPA's terminating events:
//! nothing matches, an early bar, a unique number, `S0`, the short timer, the long timer, `#`, a pause, no key at all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::program::{Bits, MAX_PAUSES, get, ones};
use crate::{Alternative, Bar, Dialling, Incomplete, KeySet, Outcome, Plan, Token, Why};
use ringtrip_model::party::{Digits, Key};
use ringtrip_model::route::PlanRoute;

/// The timers of a telephone, where the plan says nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// Wait between keys while no number is complete (`Interdigit_Long_Timer`).
    pub long: Duration,
    /// Wait for one more key when a number is complete (`Interdigit_Short_Timer`).
    pub short: Duration,
    /// How long dial tone runs.
    pub dial_tone: Duration,
}

/// What a key or the passing of time did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// More keys are wanted.
    Collecting {
        /// Play the outside dial tone until the next key (`,` in the plan).
        outside_tone: bool,
    },
    /// Dialling has ended.
    Done(Outcome),
}

/// Dialling on one telephone. Made when the handset is lifted; dropped when it is [`Step::Done`].
///
/// A telephone asks for [`Matcher::deadline`] at once: with a hot line (`S0<:100>`) it is already due.
#[derive(Debug, Clone)]
pub struct Matcher {
    plan: Arc<Plan>,
    bar: Bar,
    incomplete: Incomplete,
    timers: Timers,
    threads: Bits,
    dialled: Dialled,
    /// When the last key came, or the handset was lifted, or a pause ran out.
    since: Instant,
    /// When each pause state was reached.
    paused_at: [Instant; MAX_PAUSES],
    /// For each pause, after which number of keys it ran out: bit n for n keys.
    passed: [u128; MAX_PAUSES],
    due: Option<(Instant, Due)>,
}

/// What is due at the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Accept(Why),
    Refuse(Why),
    Pause,
}

/// The keys so far, in a fixed place.
#[derive(Debug, Clone)]
struct Dialled {
    keys: [u8; Dialled::MAX],
    len: usize,
}

impl Default for Timers {
    /// The SPA3102's: 10 s, 3 s, and 10 s of dial tone.
    fn default() -> Timers {
        let (long, short) = (Duration::from_secs(10), Duration::from_secs(3));
        Timers { long, short, dial_tone: Duration::from_secs(10) }
    }
}

impl Matcher {
    /// A handset was lifted.
    pub fn new(plan: Arc<Plan>, dialling: &Dialling, timers: Timers, now: Instant) -> Matcher {
        let mut matcher = Matcher {
            bar: dialling.bar,
            incomplete: dialling.incomplete,
            timers: Timers {
                short: plan.short.map_or(timers.short, secs),
                long: plan.long.map_or(timers.long, secs),
                ..timers
            },
            threads: plan.program.start.clone(),
            plan,
            dialled: Dialled { keys: [0; Dialled::MAX], len: 0 },
            since: now,
            paused_at: [now; MAX_PAUSES],
            passed: [0; MAX_PAUSES],
            due: None,
        };
        matcher.due = match matcher.verdict() {
            Some(at_once) => Some((now, at_once)),
            None => matcher.next_due(),
        };
        matcher
    }

    /// Must the outside dial tone be played instead of dial tone from the start?
    pub fn outside_tone_at_start(&self) -> bool {
        self.plan.program.tone_at_start
    }

    /// When [`Matcher::timeout`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.due.map(|(at, _)| at)
    }

    /// The keys pressed so far.
    pub fn dialled(&self) -> &str {
        self.dialled.as_str()
    }

    /// A key was pressed.
    pub fn key(&mut self, now: Instant, key: Key) -> Step {
        // A timer that is due comes before the key: the number was complete when the key was pressed.
        if let Step::Done(outcome) = self.timeout(now) {
            return Step::Done(outcome);
        }
        self.since = now;
        let index = KeySet::index(key);
        if key.as_char() == '#' && !self.plan.program.takes(&self.threads, index) {
            let due = if self.complete().next().is_some() {
                Due::Accept(Why::SendKey)
            } else {
                Due::Refuse(Why::SendKeyIncomplete)
            };
            return Step::Done(self.end(due));
        }
        if !self.dialled.push(key) {
            return Step::Done(self.end(Due::Refuse(Why::NoCandidate)));
        }
        let plan = Arc::clone(&self.plan);
        let moved = plan.program.step(&mut self.threads, index);
        for (i, pause) in plan.program.pauses.iter().enumerate() {
            if get(&self.threads, pause.state) {
                self.paused_at[i] = now;
            }
        }
        if !moved.alive {
            return Step::Done(self.end(Due::Refuse(Why::NoCandidate)));
        }
        self.go_on(moved.tone)
    }

    /// Time has passed.
    pub fn timeout(&mut self, now: Instant) -> Step {
        let mut outside_tone = false;
        while let Some((at, due)) = self.due.filter(|(at, _)| *at <= now) {
            if due != Due::Pause {
                return Step::Done(self.end(due));
            }
            match self.pause_over(at) {
                Step::Collecting { outside_tone: tone } => outside_tone |= tone,
                done => return done,
            }
        }
        Step::Collecting { outside_tone }
    }

    /// Every pause that is over by `at` lets its thread pass.
    fn pause_over(&mut self, at: Instant) -> Step {
        let plan = Arc::clone(&self.plan);
        let mut tone = false;
        let mut nothing_left = false;
        // The last first: a thread that comes into a later pause now waits there from now on, beside the one that
        // leaves it now.
        for (i, pause) in plan.program.pauses.iter().enumerate().rev() {
            if !get(&self.threads, pause.state) || self.paused_at[i] + secs(pause.secs) > at {
                continue;
            }
            let before = self.threads.clone();
            tone |= plan.program.pass_pause(&mut self.threads, *pause);
            self.passed[i] |= 1 << self.dialled.len;
            for (j, later) in plan.program.pauses.iter().enumerate() {
                if get(&self.threads, later.state) && !get(&before, later.state) {
                    self.paused_at[j] = at;
                }
            }
            let alternative = plan.program.states[pause.state].alternative;
            nothing_left |= self.nothing_left(alternative);
        }
        self.since = at;
        if nothing_left {
            return Step::Done(self.end(Due::Accept(Why::PauseElapsed)));
        }
        self.go_on(tone)
    }

    /// Is this alternative complete, with nothing more that it could take or wait for?
    fn nothing_left(&self, alternative: u16) -> bool {
        let p = &self.plan.program;
        let mut own =
            ones(self.threads.iter().copied()).filter(|i| p.states[*i].alternative == alternative).peekable();
        own.peek().is_some() && own.all(|i| get(&p.ends, i))
    }

    fn go_on(&mut self, outside_tone: bool) -> Step {
        match self.verdict() {
            Some(due) => Step::Done(self.end(due)),
            None => {
                self.due = self.next_due();
                Step::Collecting { outside_tone }
            }
        }
    }

    /// Does the number end here, without waiting?
    fn verdict(&self) -> Option<Due> {
        let p = &self.plan.program;
        if self.bar == Bar::Prefix && early_bar(&self.plan, &self.threads, self.dialled.len == 0).is_some() {
            return Some(Due::Accept(Why::BarredPrefix));
        }
        let mut complete = self.complete().peekable();
        complete.peek()?;
        let waiting =
            self.threads.iter().zip(p.takers.iter().zip(&p.pausing)).any(|(t, (a, b))| t & (a | b) != 0);
        if !waiting {
            return Some(Due::Accept(Why::Unique));
        }
        complete
            .any(|end| p.states[end].short == Some(0) || self.short(end).is_zero())
            .then_some(Due::Accept(Why::S0))
    }

    fn next_due(&self) -> Option<(Instant, Due)> {
        let p = &self.plan.program;
        let pause = p
            .pauses
            .iter()
            .zip(&self.paused_at)
            .filter(|(pause, _)| get(&self.threads, pause.state))
            .map(|(pause, at)| *at + secs(pause.secs))
            .min();
        let timer = match self.complete().map(|end| self.short(end)).min() {
            Some(short) => Some((self.since + short, Due::Accept(Why::Timeout))),
            // While a pause is awaited, waiting is what the plan asks for.
            None if pause.is_some() => None,
            None if self.dialled.len == 0 => {
                Some((self.since + self.timers.dial_tone, Due::Refuse(Why::DialToneTimeout)))
            }
            None => Some((self.since + self.long(), Due::Refuse(Why::LongTimeout))),
        };
        match (timer, pause) {
            (Some((at, _)), Some(pause)) if pause < at => Some((pause, Due::Pause)),
            (None, Some(pause)) => Some((pause, Due::Pause)),
            (timer, _) => timer,
        }
    }

    /// End states with a thread, in plan order. With no key dialled only those count that say so by `S` or `P`.
    fn complete(&self) -> impl Iterator<Item = usize> {
        complete(&self.plan, &self.threads, self.dialled.len == 0)
    }

    fn short(&self, end: usize) -> Duration {
        self.plan.program.states[end].short.map_or(self.timers.short, secs)
    }

    /// The largest long timer of the living threads.
    fn long(&self) -> Duration {
        let p = &self.plan.program;
        if !p.own_long {
            return self.timers.long;
        }
        let own = |i: usize| p.states[i].long.map_or(self.timers.long, secs);
        ones(self.threads.iter().copied()).map(own).max().unwrap_or(self.timers.long)
    }

    fn end(&mut self, due: Due) -> Outcome {
        let outcome = match due {
            Due::Accept(why) => {
                let short = |end| self.short(end);
                let dialled = self.dialled.as_str().as_bytes();
                accept(&self.plan, self.complete(), short, dialled, &self.passed, why)
            }
            Due::Refuse(why) => refuse(self.incomplete, self.dialled.as_str(), why),
            Due::Pause => Outcome::Reject { why: Why::NoCandidate },
        };
        self.due = None;
        self.threads.iter_mut().for_each(|t| *t = 0);
        outcome
    }
}

/// A number that came whole: every key moves the threads, an early bar holds on the way, and only what matches all of
/// it counts. Timers and pauses mean nothing here: a pause is passed at once.
pub(super) fn whole(plan: &Plan, number: &Digits, dialling: &Dialling) -> Outcome {
    let p = &plan.program;
    let mut threads = p.start.clone();
    let pass_pauses = |threads: &mut Bits| {
        for pause in &p.pauses {
            p.pass_pause(threads, *pause);
        }
    };
    pass_pauses(&mut threads);
    let text = number.as_str();
    let mut len = 0;
    for (i, c) in text.char_indices() {
        let Some(key) = Key::new(c) else { return Outcome::Reject { why: Why::NoCandidate } };
        let last = i + 1 == text.len();
        if c == '#' && last && i > 0 && !p.takes(&threads, KeySet::index(key)) {
            break;
        }
        if !p.step(&mut threads, KeySet::index(key)).alive {
            return Outcome::Reject { why: Why::NoCandidate };
        }
        len = i + 1;
        pass_pauses(&mut threads);
        if dialling.bar == Bar::Prefix
            && let Some(end) = early_bar(plan, &threads, false)
        {
            let alternative = plan.alternatives[usize::from(p.states[end].alternative)].shown();
            return Outcome::Blocked { alternative, why: Why::BarredPrefix };
        }
    }
    let dialled = &text[..len];
    if complete(plan, &threads, len == 0).next().is_none() {
        return refuse(dialling.incomplete, dialled, Why::WholeIncomplete);
    }
    let short = |end: usize| secs(p.states[end].short.or(plan.short).unwrap_or(3));
    accept(
        plan,
        complete(plan, &threads, len == 0),
        short,
        dialled.as_bytes(),
        &[u128::MAX; MAX_PAUSES],
        Why::Whole,
    )
}

/// The alternative that wins when a number that came whole ends here.
pub(super) fn winner(plan: &Plan, threads: &Bits, no_key: bool) -> Option<usize> {
    let p = &plan.program;
    let rank = |end: &usize| {
        let short = secs(p.states[*end].short.or(plan.short).unwrap_or(3));
        (!get(&p.stars, *end), !get(&p.barred, *end), short)
    };
    let end = complete(plan, threads, no_key).min_by_key(rank)?;
    Some(usize::from(p.states[end].alternative))
}

/// The alternative that bars what was dialled so far, whatever follows.
pub(super) fn bars(plan: &Plan, threads: &Bits) -> Option<usize> {
    let end = early_bar(plan, threads, false)?;
    Some(usize::from(plan.program.states[end].alternative))
}

/// A barred alternative that is complete while no earlier one still lives: its end state.
fn early_bar(plan: &Plan, threads: &Bits, no_key: bool) -> Option<usize> {
    let p = &plan.program;
    let first = complete(plan, threads, no_key).find(|end| get(&p.barred, *end))?;
    let lowest = ones(threads.iter().copied()).next()?;
    (p.states[lowest].alternative == p.states[first].alternative).then_some(first)
}

fn complete(plan: &Plan, threads: &Bits, no_key: bool) -> impl Iterator<Item = usize> {
    let ends = if no_key { &plan.program.ends_timed } else { &plan.program.ends };
    ones(threads.iter().zip(ends).map(|(t, e)| t & e))
}

/// Picks among the complete alternatives: a star code, else a bar, else the shortest timer, else plan order.
fn accept(
    plan: &Plan,
    complete: impl Iterator<Item = usize>,
    short: impl Fn(usize) -> Duration,
    dialled: &[u8],
    passed: &[u128; MAX_PAUSES],
    why: Why,
) -> Outcome {
    let p = &plan.program;
    let rank = |end: &usize| (!get(&p.stars, *end), !get(&p.barred, *end), short(*end));
    // `min_by_key` keeps the first of equals: plan order.
    let Some(end) = complete.min_by_key(rank) else { return Outcome::Reject { why: Why::NoCandidate } };
    let a = &plan.alternatives[usize::from(p.states[end].alternative)];
    if a.star {
        return Outcome::Vsc { code: Digits::new(&a.text), why };
    }
    if a.barred {
        return Outcome::Blocked { alternative: a.shown(), why };
    }
    let first_pause =
        p.pauses.iter().take_while(|pause| p.states[pause.state].alternative < p.states[end].alternative);
    let number = rewrite(a, dialled, &passed[first_pause.count()..]);
    // An empty number goes only where a rule routes it, such as to the landline's own dial tone. A pause with nothing behind
    // it says how long somebody may wait before the first key.
    if number.is_empty() && a.route == PlanRoute::Default {
        return Outcome::Reject { why };
    }
    Outcome::Send { number: Digits::new(&number), route: a.route.clone(), alternative: a.shown(), why }
}

fn refuse(incomplete: Incomplete, dialled: &str, why: Why) -> Outcome {
    let why = match (incomplete, why) {
        (Incomplete::AsDialled, Why::LongTimeout) => Why::LongTimeoutAsDialled,
        (Incomplete::AsDialled, Why::SendKeyIncomplete) => Why::SendKeyAsDialled,
        (Incomplete::AsDialled, Why::WholeIncomplete) => Why::Whole,
        (_, why) => return Outcome::Reject { why },
    };
    if dialled.is_empty() {
        return Outcome::Reject { why: Why::SendKeyIncomplete };
    }
    Outcome::Send { number: Digits::new(dialled), route: PlanRoute::Default, alternative: String::new(), why }
}

/// What the alternative makes of these keys, which it is known to match. Where several ways match, repeats take as
/// many keys as they can, the leftmost first.
fn rewrite(a: &Alternative, keys: &[u8], passed: &[u128]) -> String {
    let tokens = &a.tokens;
    let takes = |set: &KeySet, j: usize| {
        let key = keys.get(j).and_then(|k| Key::new(char::from(*k)));
        key.is_some_and(|key| set.0 & KeySet::of(key).0 != 0)
    };
    // Which pause of `passed` a pause token is.
    let pause_index = |i: usize| tokens[..i].iter().filter(|t| matches!(t, Token::Pause(1..))).count();
    // ends[i][j]: tokens from i on can match keys from j on. Built from the end; rows are short.
    let columns = keys.len() + 1;
    let mut ends = vec![false; (tokens.len() + 1) * columns];
    ends[tokens.len() * columns + keys.len()] = true;
    for i in (0..tokens.len()).rev() {
        for j in (0..columns).rev() {
            let skip = ends[(i + 1) * columns + j];
            ends[i * columns + j] = match &tokens[i] {
                Token::Key { set, repeat: false, .. } => takes(set, j) && ends[(i + 1) * columns + j + 1],
                Token::Key { set, repeat: true, .. } => skip || takes(set, j) && ends[i * columns + j + 1],
                Token::Pause(1..) => skip && passed.get(pause_index(i)).is_none_or(|p| p & 1 << j != 0),
                _ => skip,
            };
        }
    }
    let mut out = String::new();
    let (mut i, mut j) = (0, 0);
    while let Some(token) = tokens.get(i) {
        match token {
            Token::Key { set, repeat, sent } => {
                let stays = *repeat && takes(set, j) && ends[i * columns + j + 1];
                if stays || !*repeat {
                    if let Some(key) = keys.get(j).filter(|_| *sent) {
                        out.push(char::from(*key));
                    }
                    j += 1;
                }
                i += usize::from(!stays);
            }
            Token::Emit(text) => {
                out.push_str(text);
                i += 1;
            }
            _ => i += 1,
        }
    }
    out
}

impl Dialled {
    /// One less than the bits that remember pauses.
    const MAX: usize = 127;

    fn push(&mut self, key: Key) -> bool {
        let room = self.len < Self::MAX;
        if room {
            // A key is one ASCII character.
            self.keys[self.len] = key.as_char() as u8;
            self.len += 1;
        }
        room
    }

    fn as_str(&self) -> &str {
        // Only ASCII was ever pushed.
        std::str::from_utf8(&self.keys[..self.len]).unwrap_or_default()
    }
}

fn secs(n: u16) -> Duration {
    Duration::from_secs(u64::from(n))
}
