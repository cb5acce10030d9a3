//! Dial plans: the SPA3102's language of numbers, read with positions and repair hints, and matched key by key in
//! virtual time.
//!
//! A plan is a list of alternatives, `(999S0<:@gw0>|0xx.|[2-8]xxxxxS0)`. [`Plan::parse`] reads it into tokens and
//! compiles it to a bit-parallel automaton; [`Matcher`] feeds that automaton with keys as they are pressed, and
//! [`Plan::whole`] with a number that came complete from a SIP phone.

#![warn(clippy::missing_errors_doc)]

mod cover;
mod error;
mod hide;
mod lint;
mod matcher;
mod parse;
mod program;
pub mod star;
mod tryout;

pub use cover::Wins;
pub use error::{PlanError, Warning};
pub use hide::hide_passwords;
pub use matcher::{Matcher, Step, Timers};
pub use parse::repair;
pub use tryout::{BadKeys, Timed, Try, read_keys, try_keys};

use program::Program;
use ringtrip_model::party::{Digits, Key};
use ringtrip_model::route::{PlanRoute, Planned};

/// A dial plan, parsed and compiled.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    text: String,
    alternatives: Vec<Alternative>,
    /// `S:4,` before the plan, in seconds.
    short: Option<u16>,
    /// `L:20,` before the plan, in seconds.
    long: Option<u16>,
    program: Program,
    warnings: Vec<Warning>,
}

/// One alternative of a plan.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Alternative {
    /// As written, without the blanks around it.
    text: String,
    /// Where it begins in the plan, from 1.
    at: usize,
    tokens: Vec<Token>,
    route: PlanRoute,
    /// The route as written; empty for the default route.
    route_text: String,
    barred: bool,
    /// It carries `S` or `P`, so that it may be complete with no key at all (hot line).
    timed: bool,
    /// A star code that every plan has, not written in it.
    star: bool,
}

/// One piece of an alternative.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    /// One key of a set.
    Key {
        set: KeySet,
        /// `.` follows: any number of them, also none.
        repeat: bool,
        /// Transmitted; keys left of the colon in `<44:0>` are not.
        sent: bool,
    },
    /// Transmit this here.
    Emit(String),
    /// `,`: play the outside dial tone here.
    Tone,
    /// `S4`: the short timer from here on, in seconds.
    Short(u16),
    /// `L4`: the long timer from here on, in seconds.
    Long(u16),
    /// `P4`: this many seconds without a key are required here.
    Pause(u16),
}

/// A set of keys: bit 0–9 the digits, 10 `*`, 11 `#`, 12–15 `A`–`D`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct KeySet(pub(crate) u16);

/// How plans are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dialling {
    /// When a barred number is refused.
    pub bar: Bar,
    /// What becomes of an incomplete number when the long timer runs out or `#` is pressed.
    pub incomplete: Incomplete,
    /// Star codes that the exchange handles itself, in every plan: `*69`, `#99`. Plans get them by
    /// [`Plan::with_star_codes`] when the configuration is read.
    pub star_codes: Vec<Digits>,
}

/// When a barred number (`0898!`) is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Bar {
    /// As soon as the barred digits are dialled, whatever follows; unless an earlier rule still permits it.
    #[default]
    Prefix,
    /// Only when dialling stops there: the literal reading of the SPA's manuals.
    Exact,
}

/// What becomes of an incomplete number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Incomplete {
    /// Refuse it with reorder tone.
    #[default]
    Reject,
    /// Send it as dialled to the default route, as SPAs before 2009 did. It defeats bars.
    AsDialled,
}

/// How dialling ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Send this number.
    Send {
        /// The number after the plan's rewriting; `,` in it is a pause of one second (`D` towards the landline).
        number: Digits,
        /// Where.
        route: PlanRoute,
        /// The alternative that won, as written but without a password; empty when none did (as dialled).
        alternative: String,
        /// What ended dialling.
        why: Why,
    },
    /// No such number here: reorder tone.
    Reject {
        /// What ended dialling.
        why: Why,
    },
    /// Barred: reorder tone.
    Blocked {
        /// The alternative that bars it.
        alternative: String,
        /// What ended dialling.
        why: Why,
    },
    /// A star code for the exchange itself.
    Vsc {
        /// Which.
        code: Digits,
        /// What ended dialling.
        why: Why,
    },
}

/// What ended dialling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// Nothing could follow.
    Unique,
    /// A complete alternative has a short timer of 0.
    S0,
    /// The short timer ran out on a complete number.
    Timeout,
    /// `#`.
    SendKey,
    /// A pause ran out with nothing left to match.
    PauseElapsed,
    /// No alternative matches any more.
    NoCandidate,
    /// The barred digits were dialled ([`Bar::Prefix`]).
    BarredPrefix,
    /// The long timer ran out on an incomplete number.
    LongTimeout,
    /// `#` on an incomplete number.
    SendKeyIncomplete,
    /// Nothing was dialled until dial tone ran out.
    DialToneTimeout,
    /// The long timer ran out; sent as dialled ([`Incomplete::AsDialled`]).
    LongTimeoutAsDialled,
    /// `#` on an incomplete number; sent as dialled.
    SendKeyAsDialled,
    /// The number came whole.
    Whole,
    /// The number came whole and is not complete.
    WholeIncomplete,
}

impl Plan {
    /// Reads and compiles a plan.
    ///
    /// # Errors
    /// The first mistake, with its character position and how to correct it.
    pub fn parse(text: &str) -> Result<Plan, PlanError> {
        let parsed = parse::parse(text)?;
        let mut plan = Plan {
            text: text.to_owned(),
            program: Program::compile(&parsed.alternatives)?,
            alternatives: parsed.alternatives,
            short: parsed.short,
            long: parsed.long,
            warnings: parsed.warnings,
        };
        lint::lint(&mut plan);
        Ok(plan)
    }

    /// The same plan with these star codes appended (SPA vertical service activation codes). A code that is not made
    /// of keys is left out.
    pub fn with_star_codes(mut self, codes: &[Digits]) -> Plan {
        let codes = codes.iter().filter_map(Alternative::star_code);
        let mut alternatives = self.alternatives.clone();
        alternatives.extend(codes);
        // Compiling fails only when the plan grows past its limits; then the plan itself is worth more than codes.
        if let Ok(program) = Program::compile(&alternatives) {
            self.alternatives = alternatives;
            self.program = program;
        }
        self
    }

    /// The plan as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is probably not meant.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Its alternatives as written, with the routes that they name.
    pub fn alternatives(&self) -> impl Iterator<Item = (&str, &PlanRoute)> {
        self.alternatives.iter().filter(|a| !a.star).map(|a| (a.text.as_str(), &a.route))
    }

    /// What the plan says to a number that came whole, from a SIP phone or a rule. Only alternatives that match all
    /// of it count; `#` at its end means "send" unless the plan wants it as a key.
    pub fn whole(&self, number: &Digits, dialling: &Dialling) -> Outcome {
        matcher::whole(self, number, dialling)
    }
}

impl Outcome {
    /// What a route query carries, if a number is to be sent.
    pub fn planned(self) -> Option<Planned> {
        match self {
            Outcome::Send { number, route, alternative, .. } => Some(Planned { number, route, alternative }),
            Outcome::Reject { .. } | Outcome::Blocked { .. } | Outcome::Vsc { .. } => None,
        }
    }

    /// What ended dialling.
    pub fn why(&self) -> Why {
        match self {
            Outcome::Send { why, .. }
            | Outcome::Reject { why }
            | Outcome::Blocked { why, .. }
            | Outcome::Vsc { why, .. } => *why,
        }
    }
}

impl Why {
    /// The words of the API; they never change once released.
    pub fn words(self) -> &'static str {
        match self {
            Why::Unique => "unique",
            Why::S0 => "S0",
            Why::Timeout => "timeout",
            Why::SendKey => "send key",
            Why::PauseElapsed => "pause elapsed",
            Why::NoCandidate => "no candidate",
            Why::BarredPrefix => "barred prefix complete",
            Why::LongTimeout => "long timeout",
            Why::SendKeyIncomplete => "send key, incomplete",
            Why::DialToneTimeout => "dial tone timeout",
            Why::LongTimeoutAsDialled => "long timeout, as dialed",
            Why::SendKeyAsDialled => "send key, as dialed",
            Why::Whole => "whole number",
            Why::WholeIncomplete => "whole number, incomplete",
        }
    }
}

impl Alternative {
    fn star_code(code: &Digits) -> Option<Alternative> {
        let key = |c| Some(Token::Key { set: KeySet::of(Key::new(c)?), repeat: false, sent: true });
        let tokens = code.as_str().chars().map(key).collect::<Option<Vec<Token>>>()?;
        let text = code.as_str().to_owned();
        (!tokens.is_empty()).then_some(Alternative {
            text,
            at: 0,
            tokens,
            route: PlanRoute::Default,
            route_text: String::new(),
            barred: false,
            timed: false,
            star: true,
        })
    }

    /// As written, but with no password in it: for CDRs and logs.
    fn shown(&self) -> String {
        hide_passwords(&self.text)
    }
}

impl KeySet {
    pub(crate) const DIGITS: KeySet = KeySet(0x03ff);

    pub(crate) fn of(key: Key) -> KeySet {
        KeySet(1 << KeySet::index(key))
    }

    pub(crate) fn union(self, other: KeySet) -> KeySet {
        KeySet(self.0 | other.0)
    }

    /// The number of a key: 0–15.
    pub(crate) fn index(key: Key) -> usize {
        match key.as_char() {
            '*' => 10,
            '#' => 11,
            c @ 'A'..='D' => c as usize - 'A' as usize + 12,
            digit => (digit as usize).wrapping_sub('0' as usize) & 15,
        }
    }
}

#[cfg(test)]
mod slow;
#[cfg(test)]
mod tests;
