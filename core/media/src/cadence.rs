//! Ring and call-waiting cadences by CadScript (SPA3102 `Ring1_Cadence`, `CWT1_Cadence`; cadence table of the SPA
//! guides): `S1[;S2]`, `Si = D(on/off{,on/off})`, times in seconds with three decimals, `*` for ever.

use std::time::Duration;

use crate::script::{Cursor, MAX_SEGMENTS, PER_MS, ScriptError, Span};

/// A parsed CadScript.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cadence {
    /// Played one after the other.
    pub sections: Vec<CadenceSection>,
}

/// Pairs that repeat until the section's time is used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CadenceSection {
    /// How long the section lasts; `None` for ever.
    pub lasts: Span,
    /// On and off times in samples.
    pub pairs: Vec<(Span, Span)>,
}

impl Cadence {
    /// Reads a CadScript.
    ///
    /// # Errors
    /// The place that does not follow the syntax, and what is expected there.
    pub fn parse(script: &str) -> Result<Cadence, ScriptError> {
        let mut c = Cursor::new(script)?;
        let mut sections = Vec::new();
        loop {
            if sections.len() == 2 {
                return Err(c.error("a third section", "a cadence has one or two sections"));
            }
            sections.push(section(&mut c)?);
            if !c.take(b';') || c.peek().is_none() {
                break;
            }
        }
        if c.peek().is_some() {
            let found = c.describe();
            return Err(c.error(format!("{found} after the end"), "sections are separated by ;"));
        }
        Ok(Cadence { sections })
    }

    /// On and off times in ms of the first section, at most 8 pairs, for a ring generator that repeats them.
    /// A time without end is given as the longest that fits.
    pub fn pairs(&self) -> Vec<(u16, u16)> {
        let ms = |s: Span| s.map_or(u16::MAX, |n| (n / PER_MS).min(u16::MAX as u32) as u16);
        let first = self.sections.first().map_or(&[][..], |s| &s.pairs);
        first.iter().take(8).map(|&(on, off)| (ms(on), ms(off))).collect()
    }

    /// How long the whole cadence lasts; `None` for ever. For a ring this is the no-answer limit of the telephone.
    pub fn lasts(&self) -> Option<Duration> {
        let total = self.sections.iter().try_fold(0u64, |sum, s| s.lasts.map(|n| sum + n as u64))?;
        Some(Duration::from_millis(total / PER_MS as u64))
    }
}

fn section(c: &mut Cursor) -> Result<CadenceSection, ScriptError> {
    let lasts = c.span()?;
    c.expect(b'(', "a section is written 60(2/4)")?;
    let start = c.at;
    let mut pairs = Vec::new();
    loop {
        if pairs.len() == MAX_SEGMENTS {
            return Err(c.error("a seventh pair", "a section has at most six on/off pairs"));
        }
        let on = c.span()?;
        c.expect(b'/', "a pair is written on/off")?;
        pairs.push((on, c.span()?));
        if !c.take(b',') {
            break;
        }
    }
    c.expect(b')', "close the section with )")?;
    if pairs.iter().all(|p| *p == (Some(0), Some(0))) {
        return Err(ScriptError {
            at: start,
            what: "no pair takes any time".into(),
            hint: "give an on or off time",
        });
    }
    Ok(CadenceSection { lasts, pairs })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(script: &str, pairs: &[(u16, u16)], lasts_ms: Option<u64>) {
        let c = Cadence::parse(script).unwrap_or_else(|e| panic!("{script}: {e}"));
        assert_eq!(c.pairs(), pairs, "{script}");
        assert_eq!(c.lasts(), lasts_ms.map(Duration::from_millis), "{script}");
    }

    #[test]
    fn cadences_of_the_tables() {
        check("60(2/4)", &[(2000, 4000)], Some(60_000));
        check("60(.3/.2,1/.2,.3/4)", &[(300, 200), (1000, 200), (300, 4000)], Some(60_000));
        check("1(.5/.5)", &[(500, 500)], Some(1000));
        check("2.3(.3/2)", &[(300, 2000)], Some(2300));
        check(" 60 ( .25 / 9.75 ) ", &[(250, 9750)], Some(60_000));
        check("*(.4/.2,.4/2)", &[(400, 200), (400, 2000)], None);
        check("10(1/1);50(.5/2)", &[(1000, 1000)], Some(60_000));
    }

    #[test]
    fn errors_say_where() {
        let check = |script: &str, at: usize| {
            let e = Cadence::parse(script).expect_err(script);
            assert_eq!(e.at, at, "{script}: {e}");
        };
        check("", 0);
        check("60", 2);
        check("60(2)", 4);
        check("60(2/4", 6);
        check("60(2/4)x", 7);
        check("60(0/0)", 3);
        check("60(-1/2)", 3);
        check("60(1/1,1/1,1/1,1/1,1/1,1/1,1/1)", 27);
    }
}
