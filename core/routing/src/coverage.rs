//! Probe calls: numbers, callers and hours that together touch every part of a configuration. Proofs, `who-reaches`
//! and drafts decide over them. Seeded, so that a finding can be found again.

use std::collections::BTreeSet;

use ringtrip_config::{Config, LineKind};
use ringtrip_dialplan::Wins;
use ringtrip_exchange::route::{Date, RouteQuery, WallTime};
use ringtrip_model::ids::CallId;
use ringtrip_model::party::{CallerId, Digits, Source};

use ringtrip_model::splitmix::SplitMix;

/// A probe call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// From where.
    pub source: Source,
    /// What is dialled.
    pub number: Digits,
    /// When.
    pub at: WallTime,
}

/// What probe calls are made of.
#[derive(Debug, Clone, Default)]
pub struct Probes {
    /// Every place that a call can come from.
    pub sources: Vec<Source>,
    /// Numbers.
    pub numbers: Vec<Digits>,
    /// A week, hour by hour.
    pub hours: Vec<WallTime>,
}

/// What the configuration itself cannot tell.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The beginning of the week that is looked at.
    pub now: &'a WallTime,
    /// Texts of scripts: their literals are numbers that somebody thought of.
    pub texts: &'a [String],
    /// Numbers that were dialled before.
    pub dialled: &'a [String],
    /// The same seed, the same probes.
    pub seed: u64,
}

/// Numbers of each alternative of each plan, beside its shortest.
const EACH: usize = 4;
/// More numbers than this say nothing new, and cost time.
const MOST_NUMBERS: usize = 4000;

/// Numbers that any exchange may meet: nothing, one key, short, national, international, and what no plan expects.
const COMMON: [&str; 14] = [
    "",
    "0",
    "1",
    "9",
    "100",
    "118",
    "0800123456",
    "01480123456",
    "2125551234",
    "12125551234",
    "0033123456789",
    "+33123456789",
    "*69",
    "#31#",
];

impl Probes {
    /// The probes for a configuration.
    pub fn new(config: &Config, known: Known<'_>) -> Probes {
        let mut random = SplitMix::new(known.seed);
        let mut numbers: Vec<Digits> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut add = |number: Digits| {
            if numbers.len() < MOST_NUMBERS && seen.insert(number.clone()) {
                numbers.push(number);
            }
        };
        for e in &config.extensions {
            add(Digits::new(e.id.as_str()));
        }
        for plan in config.plans.values() {
            for (_, wins) in plan.winners(&config.dialling) {
                if let Wins::Number(number) = wins {
                    add(number);
                }
            }
        }
        for gateway in &config.gateways {
            gateway.dids.iter().for_each(|(did, _)| add(did.clone()));
            add(Digits::new(&gateway.user));
        }
        for text in known.texts {
            for literal in literals(text) {
                // A prefix as it stands, and as the beginning of numbers.
                add(Digits::new(&literal));
                add(Digits::new(&format!("{literal}{}", digits(&mut random, 4))));
                add(Digits::new(&format!("{literal}{}", digits(&mut random, 8))));
            }
        }
        COMMON.iter().for_each(|n| add(Digits::new(n)));
        known.dialled.iter().for_each(|n| add(Digits::new(n)));
        for plan in config.plans.values() {
            plan.samples(EACH, |below| random.below(below)).into_iter().for_each(&mut add);
        }
        Probes { sources: sources(config), numbers, hours: week(known.now) }
    }

    /// At most so many probes, spread evenly over all: every source and every number as often as can be.
    pub fn spread(&self, most: usize, seed: u64) -> Vec<Probe> {
        let mut random = SplitMix::new(seed);
        let mut out = Vec::with_capacity(most);
        // Numbers outermost: with little time, each source meets the first numbers, which matter most.
        for (n, number) in self.numbers.iter().enumerate() {
            for (s, source) in self.sources.iter().enumerate() {
                if out.len() == most {
                    return out;
                }
                let hour = (n + s * 7 + random.below(self.hours.len().max(1))) % self.hours.len().max(1);
                let at = self.hours.get(hour).copied().unwrap_or_default();
                out.push(Probe { source: source.clone(), number: number.clone(), at });
            }
        }
        out
    }
}

impl Probe {
    /// The question of this call.
    pub fn query(&self) -> RouteQuery {
        let (name, user) = match &self.source {
            Source::Extension(id) => (id.to_string(), id.to_string()),
            Source::Line(id) => (id.to_string(), String::new()),
            Source::Gateway(_) | Source::Operator => (String::new(), String::new()),
        };
        RouteQuery {
            call: CallId(0),
            source: self.source.clone(),
            caller: CallerId { number: name, ..CallerId::default() },
            dialled: self.number.clone(),
            planned: None,
            at: self.at,
            pin: None,
            entered: None,
            user,
            asked: false,
        }
    }

    /// Where it comes from, in a word.
    pub fn from(&self) -> String {
        word(&self.source)
    }
}

/// A source in a word.
pub fn word(source: &Source) -> String {
    match source {
        Source::Extension(id) => id.to_string(),
        Source::Line(id) => id.to_string(),
        Source::Gateway(id) => id.to_string(),
        Source::Operator => "operator".to_owned(),
    }
}

/// Does a call from here come from outside, where nobody has proved who they are?
pub fn is_outside(config: &Config, source: &Source) -> bool {
    match source {
        Source::Gateway(_) => true,
        Source::Line(id) => config.line(id).is_some_and(|line| matches!(line.kind, LineKind::Fxo(_))),
        Source::Extension(_) | Source::Operator => false,
    }
}

fn sources(config: &Config) -> Vec<Source> {
    let extensions = config.extensions.iter().map(|e| Source::Extension(e.id.clone()));
    let lines = config.lines.iter().map(|l| Source::Line(l.id.clone()));
    let gateways = config.gateways.iter().map(|g| Source::Gateway(g.id.clone()));
    extensions.chain(lines).chain(gateways).collect()
}

/// The week from this day on, hour by hour.
pub fn week(from: &WallTime) -> Vec<WallTime> {
    let first = Date { year: from.year.into(), month: from.month.max(1), day: from.day.max(1) }.days();
    let weekday = i64::from(from.weekday.clamp(1, 7)) - 1;
    let hour = |day: i64, hour: u8| {
        let date = Date::of_day(first + day);
        let ahead =
            day * 86_400 + (i64::from(hour) - i64::from(from.hour)) * 3600 - i64::from(from.minute) * 60;
        WallTime {
            unix_micros: from.unix_micros + ahead * 1_000_000,
            year: i16::try_from(date.year).unwrap_or(from.year),
            month: date.month,
            day: date.day,
            hour,
            minute: 0,
            // 0 to 6, and one.
            weekday: u8::try_from((weekday + day).rem_euclid(7)).unwrap_or(0) + 1,
        }
    };
    (0..7).flat_map(|day| (0..24).map(move |h| (day, h))).map(|(day, h)| hour(day, h)).collect()
}

/// Literals in quotes that could be dialled.
fn literals(text: &str) -> Vec<String> {
    let mut out = BTreeSet::new();
    for line in text.lines() {
        let code = line.split("//").next().unwrap_or("");
        for literal in code.split('"').skip(1).step_by(2) {
            let dialled = |c: char| c.is_ascii_digit() || matches!(c, '+' | '*' | '#');
            if !literal.is_empty() && literal.len() <= 20 && literal.chars().all(dialled) {
                out.insert(literal.to_owned());
            }
        }
    }
    out.into_iter().take(500).collect()
}

fn digits(random: &mut SplitMix, n: usize) -> String {
    (0..n).map(|_| char::from(b'0' + random.below(10) as u8)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_goes_over_the_end_of_a_year() {
        let from = WallTime { year: 2027, month: 12, day: 30, weekday: 4, hour: 9, ..WallTime::default() };
        let week = week(&from);
        assert_eq!(week.len(), 168);
        let days: Vec<_> = week.iter().step_by(24).map(|t| (t.year, t.month, t.day, t.weekday)).collect();
        let first = (2027, 12, 30, 4);
        assert_eq!(days[..4], [first, (2027, 12, 31, 5), (2028, 1, 1, 6), (2028, 1, 2, 7)]);
        assert_eq!(week[0].unix_micros, -9 * 3_600_000_000);
    }

    #[test]
    fn literals_of_scripts_become_numbers() {
        let text =
            "if c.number.starts_with(\"0871\") { return block(\"no\"); } // \"999\"\nto(\"gw1\", \"+44\")";
        assert_eq!(literals(text), ["+44", "0871"]);
    }
}
