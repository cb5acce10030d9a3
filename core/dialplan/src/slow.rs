//! The machine once more, slowly and from the rules alone, to check the fast one: threads are explicit paths with
//! their own output and clock, time moves in steps of 100 ms, and nothing is compiled.

use std::time::Duration;

use crate::{Bar, Dialling, Incomplete, KeySet, Plan, Timed, Token, Try};
use ringtrip_model::party::Key;
use ringtrip_model::route::PlanRoute;

/// One way through one alternative.
#[derive(Clone, PartialEq)]
struct Path {
    alternative: usize,
    /// The next token to match.
    token: usize,
    /// At a repeated key that has taken something already: it may take more.
    output: String,
    short: u64,
    long: u64,
    /// In a pause since, in ticks.
    paused: Option<u64>,
    /// How many keys each token has taken.
    taken: Vec<u16>,
}

struct Slow<'a> {
    plan: &'a Plan,
    dialling: &'a Dialling,
    paths: Vec<Path>,
    dialled: String,
    since: u64,
    last_key: u64,
}

const TICKS_PER_SECOND: u64 = 10;

pub(super) fn try_keys(plan: &Plan, keys: &[Timed], dialling: &Dialling) -> Try {
    let short = u64::from(plan.short.unwrap_or(3)) * TICKS_PER_SECOND;
    let long = u64::from(plan.long.unwrap_or(10)) * TICKS_PER_SECOND;
    let mut slow = Slow { plan, dialling, paths: Vec::new(), dialled: String::new(), since: 0, last_key: 0 };
    for alternative in 0..plan.alternatives.len() {
        let taken = vec![0; plan.alternatives[alternative].tokens.len()];
        let path = Path { alternative, token: 0, output: String::new(), short, long, paused: None, taken };
        slow.settle(path, 0);
    }
    let mut presses = Vec::new();
    let mut at = Duration::ZERO;
    for timed in keys {
        at += timed.after;
        presses.push((at.as_millis() as u64 * TICKS_PER_SECOND / 1000, timed.key));
    }
    let mut presses = presses.into_iter().peekable();
    if let Some(done) = slow.at_once(0) {
        return done;
    }
    for now in 0.. {
        if let Some(done) = slow.timers(now) {
            return done;
        }
        if let Some((_, key)) = presses.next_if(|(at, _)| *at == now)
            && let Some(key) = key
            && let Some(done) = slow.key(now, key)
        {
            return done;
        }
        assert!(now < 100_000, "dialling never ended");
    }
    unreachable!()
}

impl Slow<'_> {
    /// Follows a path through everything that takes no key, and keeps it and all its forks.
    fn settle(&mut self, mut path: Path, now: u64) {
        let tokens = &self.plan.alternatives[path.alternative].tokens;
        while let Some(token) = tokens.get(path.token) {
            match token {
                Token::Emit(text) => path.output.push_str(text),
                Token::Tone => {}
                Token::Short(secs) => path.short = u64::from(*secs) * TICKS_PER_SECOND,
                Token::Long(secs) => path.long = u64::from(*secs) * TICKS_PER_SECOND,
                Token::Pause(0) => {
                    if tokens[path.token..].iter().all(|t| !matches!(t, Token::Key { .. })) {
                        path.short = 0;
                    }
                }
                Token::Pause(_) => {
                    path.paused = Some(now);
                    return self.keep(path);
                }
                Token::Key { repeat: false, .. } => return self.keep(path),
                Token::Key { repeat: true, .. } => {
                    // The greedy way first: equal ends are told apart by order.
                    self.keep(path.clone());
                }
            }
            path.token += 1;
        }
        self.keep(path);
    }

    fn keep(&mut self, path: Path) {
        // Of two ways to the same place the one whose repeats took more wins, the leftmost first; a pause reached
        // earlier is over earlier.
        let same = |p: &&mut Path| (p.alternative, p.token) == (path.alternative, path.token);
        match self.paths.iter_mut().find(same) {
            Some(known) if path.taken > known.taken => {
                let paused = known.paused.min(path.paused);
                *known = Path { paused, ..path };
            }
            Some(_) => {}
            None => self.paths.push(path),
        }
    }

    fn tokens(&self, path: &Path) -> &[Token] {
        &self.plan.alternatives[path.alternative].tokens
    }

    fn ended(&self, path: &Path) -> bool {
        path.token == self.tokens(path).len()
    }

    fn complete(&self) -> Vec<&Path> {
        let counts = |p: &&Path| {
            self.ended(p) && (!self.dialled.is_empty() || self.plan.alternatives[p.alternative].timed)
        };
        let mut complete: Vec<&Path> = self.paths.iter().filter(counts).collect();
        complete.sort_by_key(|p| p.alternative);
        complete
    }

    fn at_once(&self, now: u64) -> Option<Try> {
        if self.paths.is_empty() {
            return Some(self.report("REJECT", None, None, "no candidate", now));
        }
        let complete = self.complete();
        if self.dialling.bar == Bar::Prefix {
            let barred = complete.iter().find(|p| self.plan.alternatives[p.alternative].barred);
            let first_alive = self.paths.iter().map(|p| p.alternative).min();
            if barred.is_some_and(|b| Some(b.alternative) == first_alive) {
                return Some(self.accept("barred prefix complete", now));
            }
        }
        if complete.is_empty() {
            return None;
        }
        if self.paths.iter().all(|p| self.ended(p)) {
            return Some(self.accept("unique", now));
        }
        complete.iter().any(|p| p.short == 0).then(|| self.accept("S0", now))
    }

    fn timers(&mut self, now: u64) -> Option<Try> {
        if let Some(short) = self.complete().iter().map(|p| p.short).min() {
            if now >= self.since + short {
                return Some(self.accept("timeout", now));
            }
        } else if self.paths.iter().all(|p| p.paused.is_none()) {
            if self.dialled.is_empty() {
                if now >= self.since + 10 * TICKS_PER_SECOND {
                    return Some(self.report("REJECT", None, None, "dial tone timeout", now));
                }
            } else if now >= self.since + self.paths.iter().map(|p| p.long).max().unwrap_or_default() {
                return Some(self.incomplete("long timeout", "long timeout, as dialed", now));
            }
        }
        let over = |p: &Path| match (p.paused, self.tokens(p).get(p.token)) {
            (Some(from), Some(Token::Pause(secs))) => now >= from + u64::from(*secs) * TICKS_PER_SECOND,
            _ => false,
        };
        let passing: Vec<bool> = self.paths.iter().map(over).collect();
        if !passing.contains(&true) {
            return None;
        }
        let mut alternatives = Vec::new();
        let before = std::mem::take(&mut self.paths);
        let (moving, staying): (Vec<_>, Vec<_>) =
            before.into_iter().zip(passing).partition(|(_, over)| *over);
        self.paths = staying.into_iter().map(|(p, _)| p).collect();
        for (path, _) in moving {
            alternatives.push(path.alternative);
            self.settle(Path { token: path.token + 1, paused: None, ..path }, now);
        }
        self.since = now;
        let nothing_left =
            |a: &usize| self.paths.iter().filter(|p| p.alternative == *a).all(|p| self.ended(p));
        if alternatives.iter().any(nothing_left) {
            return Some(self.accept("pause elapsed", now));
        }
        self.at_once(now)
    }

    fn key(&mut self, now: u64, key: Key) -> Option<Try> {
        self.since = now;
        self.last_key = now;
        let takes = |path: &Path, tokens: &[Token]| match tokens.get(path.token) {
            Some(Token::Key { set, .. }) => set.0 & KeySet::of(key).0 != 0,
            _ => false,
        };
        if key.as_char() == '#' && !self.paths.iter().any(|p| takes(p, self.tokens(p))) {
            if self.complete().is_empty() {
                return Some(self.incomplete("send key, incomplete", "send key, as dialed", now));
            }
            return Some(self.accept("send key", now));
        }
        self.dialled.push(key.as_char());
        for mut path in std::mem::take(&mut self.paths) {
            if !takes(&path, self.tokens(&path)) {
                continue;
            }
            let Some(Token::Key { repeat, sent, .. }) = self.tokens(&path).get(path.token).cloned() else {
                continue;
            };
            if sent {
                path.output.push(key.as_char());
            }
            path.taken[path.token] += 1;
            path.token += usize::from(!repeat);
            self.settle(path, now);
        }
        self.at_once(now)
    }

    fn accept(&self, why: &'static str, now: u64) -> Try {
        let complete = self.complete();
        let of = |p: &&Path| &self.plan.alternatives[p.alternative];
        if let Some(star) = complete.iter().find(|p| of(p).star) {
            return self.report("VSC", None, Some(of(star).text.clone()), why, now);
        }
        let barred = complete.iter().filter(|p| of(p).barred).min_by_key(|p| p.short);
        if let Some(barred) = barred {
            return self.report("BLOCKED", None, Some(of(barred).text.clone()), why, now);
        }
        match complete.iter().min_by_key(|p| p.short) {
            Some(p) if p.output.is_empty() && of(p).route == PlanRoute::Default => {
                self.report("REJECT", None, None, why, now)
            }
            Some(p) => self.report("SEND", Some(p.output.clone()), Some(of(p).text.clone()), why, now),
            None => self.report("REJECT", None, None, "no candidate", now),
        }
    }

    fn incomplete(&self, rejected: &'static str, sent: &'static str, now: u64) -> Try {
        if self.dialling.incomplete == Incomplete::Reject || self.dialled.is_empty() {
            return self.report("REJECT", None, None, rejected, now);
        }
        self.report("SEND", Some(self.dialled.clone()), None, sent, now)
    }

    fn report(
        &self,
        result: &'static str,
        number: Option<String>,
        alt: Option<String>,
        why: &'static str,
        now: u64,
    ) -> Try {
        Try {
            result,
            number,
            route: None,
            dialed: self.dialled.clone(),
            alt,
            why,
            t_after_last_key: (now - self.last_key) as f64 / TICKS_PER_SECOND as f64,
            tone_after: Vec::new(),
        }
    }
}
