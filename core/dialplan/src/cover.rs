//! What a plan covers: a number for each alternative that wins one, the alternatives that never can, and how each of
//! them sees a given number. For proofs, probes and explanations; telephones never come here.

use std::collections::{HashSet, VecDeque};

use crate::program::{Bits, Program};
use crate::{Alternative, Bar, Dialling, Outcome, Plan, Token, matcher};
use ringtrip_model::party::Digits;

/// Does an alternative ever decide about a number?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wins {
    /// Yes: this is a shortest number that it wins.
    Number(Digits),
    /// No number at all: others always come before it.
    Never,
    /// The plan has too many states to say.
    Unknown,
}

/// Sets of living threads looked at before the answer is [`Wins::Unknown`]. Plans of people have some hundred.
const MOST_STATES: usize = 20_000;
/// Longest number looked at; no plan counts further.
const MOST_KEYS: usize = 40;
/// Keys in the order of a telephone, so that examples look like numbers.
const KEYS: [char; 12] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#'];

impl Plan {
    /// For every alternative, as written without passwords: does it win any number? Exact: all sets of threads that
    /// numbers can lead to are walked through, shortest numbers first.
    pub fn winners(&self, dialling: &Dialling) -> Vec<(String, Wins)> {
        let mut won: Vec<Option<Digits>> = vec![None; self.alternatives.len()];
        let mut seen: HashSet<Bits> = HashSet::new();
        let mut queue = VecDeque::new();
        let mut start = self.program.start.clone();
        pass_pauses(&self.program, &mut start);
        if let Some(winner) = matcher::winner(self, &start, true) {
            won[winner] = Some(Digits::default());
        }
        queue.push_back((start, String::new()));
        let mut cut = false;
        while let Some((threads, number)) = queue.pop_front() {
            if won.iter().all(Option::is_some) {
                break;
            }
            if seen.len() >= MOST_STATES || number.len() >= MOST_KEYS {
                cut = true;
                continue;
            }
            for (key, c) in KEYS.into_iter().enumerate() {
                let mut next = threads.clone();
                if !self.program.step(&mut next, key).alive {
                    continue;
                }
                pass_pauses(&self.program, &mut next);
                let dialled = || Digits::new(&format!("{number}{c}"));
                let barred = (dialling.bar == Bar::Prefix).then(|| matcher::bars(self, &next)).flatten();
                if let Some(winner) = barred.or_else(|| matcher::winner(self, &next, false)) {
                    won[winner].get_or_insert_with(dialled);
                }
                if barred.is_none() && seen.insert(next.clone()) {
                    queue.push_back((next, format!("{number}{c}")));
                }
            }
        }
        let wins = |won: Option<Digits>| match won {
            Some(number) => Wins::Number(number),
            None if cut => Wins::Unknown,
            None => Wins::Never,
        };
        let written = self.alternatives.iter().filter(|a| !a.star).map(Alternative::shown);
        written.zip(won.into_iter().map(wins)).collect()
    }

    /// Numbers that an alternative of the plan takes, `each` of every one of them. `pick(n)` chooses below `n`.
    pub fn samples(&self, each: usize, mut pick: impl FnMut(usize) -> usize) -> Vec<Digits> {
        let mut out = Vec::new();
        for a in self.alternatives.iter().filter(|a| !a.star) {
            for _ in 0..each {
                let mut number = String::new();
                for token in &a.tokens {
                    let Token::Key { set, repeat, .. } = token else { continue };
                    let keys: Vec<char> = KEYS
                        .into_iter()
                        .enumerate()
                        .filter(|(i, _)| set.0 & 1 << i != 0)
                        .map(|(_, c)| c)
                        .collect();
                    let times = if *repeat { pick(10) } else { 1 };
                    for _ in 0..times {
                        number.extend(keys.get(pick(keys.len().max(1))));
                    }
                }
                out.push(Digits::new(&number));
            }
        }
        out
    }

    /// How each alternative by itself sees this number, as written and in words; the one that won is among them.
    pub fn considered(&self, number: &Digits, dialling: &Dialling) -> Vec<(String, String)> {
        let alone = |a: &Alternative| {
            let alternatives = vec![a.clone()];
            let program = Program::compile(&alternatives).ok()?;
            Some(Plan { alternatives, program, warnings: Vec::new(), text: String::new(), ..self.clone() })
        };
        let said = |plan: Plan| match plan.whole(number, dialling) {
            Outcome::Send { number, .. } => format!("takes it, as {number}"),
            Outcome::Blocked { .. } => "bars it".to_owned(),
            Outcome::Vsc { .. } => "is a star code".to_owned(),
            Outcome::Reject { why } => match why {
                crate::Why::WholeIncomplete => "wants more digits".to_owned(),
                _ => "does not match".to_owned(),
            },
        };
        let written = self.alternatives.iter().filter(|a| !a.star);
        written.filter_map(|a| Some((a.shown(), said(alone(a)?)))).collect()
    }

    /// Alternatives that are made for numbers beginning with exactly these digits and that would make a caller of the
    /// digits alone wait: a pause, an own timer, or further digits; as written, and why.
    pub fn delays(&self, digits: &str) -> Vec<(String, &'static str)> {
        self.alternatives
            .iter()
            .filter(|a| !a.star && !a.barred)
            .filter_map(|a| Some((a.shown(), a.delays(digits)?)))
            .collect()
    }
}

impl Alternative {
    fn delays(&self, digits: &str) -> Option<&'static str> {
        let mut wanted = digits.chars();
        let mut why = None;
        let mut more = false;
        for token in &self.tokens {
            match token {
                Token::Key { set, repeat, .. } => match wanted.next() {
                    Some(c) => {
                        let one = ringtrip_model::party::Key::new(c).map(super::KeySet::of);
                        if *repeat || one != Some(*set) {
                            return None;
                        }
                    }
                    None => more = true,
                },
                Token::Pause(1..) => why = Some("it waits for a pause"),
                Token::Short(1..) => why = Some("it waits for its own timer"),
                _ => {}
            }
        }
        if wanted.next().is_some() {
            return None;
        }
        if more { Some("it goes on after these digits") } else { why }
    }
}

fn pass_pauses(program: &Program, threads: &mut Bits) {
    for pause in &program.pauses {
        program.pass_pause(threads, *pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(plan: &str, wins: &[Option<&str>]) {
        let parsed = Plan::parse(plan).unwrap();
        let found: Vec<Option<String>> = parsed
            .winners(&Dialling::default())
            .into_iter()
            .map(|(_, wins)| match wins {
                Wins::Number(number) => Some(number.to_string()),
                Wins::Never => None,
                Wins::Unknown => panic!("{plan} has too many states"),
            })
            .collect();
        let wins: Vec<Option<String>> = wins.iter().map(|w| w.map(str::to_owned)).collect();
        assert_eq!(found, wins, "{plan}");
    }

    #[test]
    fn alternatives_that_can_never_win_are_found() {
        check("(xx.)", &[Some("0")]);
        check("([2-9]xxx|2345)", &[Some("2000"), None]);
        check("(2345|[2-9]xxx)", &[Some("2345"), Some("2000")]);
        // The only number that the others leave.
        check("([0-8]x|9[0-8]|xx)", &[Some("00"), Some("90"), Some("99")]);
        check("([0-8]x|9[0-9]|xx)", &[Some("00"), Some("90"), None]);
        check("(101|101)", &[Some("101"), None]);
        // A bar of a prefix takes all that follows; a shorter timer wins against the order.
        check("(09!|09xx.)", &[Some("09"), None]);
        check("(xx.|123S0)", &[Some("0"), Some("123")]);
        check("(<:1234>S0|xx.)", &[Some(""), Some("0")]);
    }

    #[test]
    fn samples_are_taken_by_the_plan() {
        let plan = Plan::parse("(999S0<:@gw0>|0[2-4]xxxx.|<9:>[2-8]xx)").unwrap();
        let mut n = 7_usize;
        let samples = plan.samples(20, |below| {
            n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (n >> 33) % below
        });
        assert_eq!(samples.len(), 60);
        for number in samples {
            let outcome = plan.whole(&number, &Dialling::default());
            assert!(matches!(outcome, Outcome::Send { .. }), "{number}: {outcome:?}");
        }
    }

    #[test]
    fn each_alternative_says_how_it_sees_a_number() {
        let plan = Plan::parse("(999|0xxxxx.|<9:>xx.|09!)").unwrap();
        let said = plan.considered(&Digits::new("0999"), &Dialling::default());
        let words: Vec<&str> = said.iter().map(|(_, said)| said.as_str()).collect();
        assert_eq!(words, ["does not match", "wants more digits", "does not match", "bars it"]);
    }

    #[test]
    fn alternatives_that_make_an_emergency_number_wait_are_found() {
        let check = |plan: &str, digits: &str, whys: &[&str]| {
            let plan = Plan::parse(plan).unwrap();
            let found: Vec<&str> = plan.delays(digits).into_iter().map(|(_, why)| why).collect();
            assert_eq!(found, whys, "{} {digits}", plan.text());
        };
        check("(999S0|xx.|11xx)", "999", &[]);
        check("(999xx|xx.)", "999", &["it goes on after these digits"]);
        check("(999P3|xx.)", "999", &["it waits for a pause"]);
        check("(999S5|xx.)", "999", &["it waits for its own timer"]);
        check("(112x.|9xx)", "112", &["it goes on after these digits"]);
    }
}
