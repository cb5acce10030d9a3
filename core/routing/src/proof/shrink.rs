//! Makes a call that breaks a rule small: fewer digits, smaller digits, midnight on Monday, as long as it still breaks it.

use ringtrip_model::party::Digits;

use crate::coverage::Probe;

/// Calls tried; each may cost a script its whole budget.
const MOST: usize = 120;

/// The smallest call found that still breaks the rule.
pub(super) fn shrink(probe: Probe, mut breaks: impl FnMut(&Probe) -> bool) -> Probe {
    let mut best = probe;
    let mut tries = 0;
    'again: loop {
        for smaller in smaller(&best) {
            tries += 1;
            if tries > MOST {
                return best;
            }
            if breaks(&smaller) {
                best = smaller;
                continue 'again;
            }
        }
        return best;
    }
}

/// Calls that are a step smaller, the boldest first.
fn smaller(probe: &Probe) -> Vec<Probe> {
    let text = probe.number.as_str();
    let mut numbers: Vec<String> = Vec::new();
    // `Digits` are ASCII.
    for keep in [text.len() / 2, text.len().saturating_sub(1)] {
        numbers.extend(text.get(..keep).filter(|t| t.len() < text.len()).map(str::to_owned));
    }
    for i in 0..text.len() {
        let without: String = text.char_indices().filter(|(j, _)| *j != i).map(|(_, c)| c).collect();
        numbers.push(without);
    }
    for (i, c) in text.char_indices() {
        if c.is_ascii_digit() && c != '0' {
            numbers.push(text.char_indices().map(|(j, d)| if j == i { '0' } else { d }).collect());
        }
    }
    numbers.dedup();
    let mut out: Vec<Probe> =
        numbers.iter().map(|n| Probe { number: Digits::new(n), ..probe.clone() }).collect();
    if probe.at.hour != 0 {
        let mut at = probe.at;
        at.unix_micros -= i64::from(at.hour) * 3_600_000_000;
        at.hour = 0;
        out.push(Probe { at, ..probe.clone() });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringtrip_exchange::route::WallTime;
    use ringtrip_model::party::Source;

    #[test]
    fn a_call_is_made_as_small_as_its_fault() {
        let check = |number: &str, breaks: &dyn Fn(&str) -> bool, smallest: &str| {
            let at = WallTime { hour: 17, ..WallTime::default() };
            let probe = Probe { source: Source::Operator, number: Digits::new(number), at };
            let small = shrink(probe, |p| breaks(p.number.as_str()));
            assert_eq!((small.number.as_str(), small.at.hour), (smallest, 0));
        };
        check("01480123456", &|n| n.contains('8'), "8");
        check("01480123456", &|n| n.len() > 4, "00000");
        check("0871234", &|n| n.starts_with("087") && n.len() > 3, "0870");
        check("5", &|_| true, "");
    }
}
