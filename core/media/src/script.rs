//! What ToneScript and CadScript share: a cursor that forgives blanks, numbers with a fixed number of decimals, and the
//! error that says where a script is wrong and how to mend it.

use thiserror::Error;

/// Longest script accepted, in characters (SPA3102: "ToneScript, 127 characters").
pub const MAX_LEN: usize = 127;

/// Most on/off segments in one section (SPA3102: six).
pub const MAX_SEGMENTS: usize = 6;

/// A script that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("at character {}: {what} ({hint})", .at + 1)]
pub struct ScriptError {
    /// Where, counted in bytes from 0.
    pub at: usize,
    /// What is wrong there.
    pub what: String,
    /// How to mend it.
    pub hint: &'static str,
}

/// A span of time in samples of 1/8000 s; `None` is for ever (`*`).
pub type Span = Option<u32>;

/// Samples in one millisecond.
pub const PER_MS: u32 = 8;

/// Reads a script from the left.
pub(crate) struct Cursor<'a> {
    text: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Result<Cursor<'a>, ScriptError> {
        let c = Cursor { text: text.as_bytes(), at: 0 };
        if text.len() > MAX_LEN {
            return Err(ScriptError {
                at: MAX_LEN,
                what: format!("the script is {} characters long", text.len()),
                hint: "a script has at most 127 characters",
            });
        }
        Ok(c)
    }

    pub(crate) fn error(&self, what: impl Into<String>, hint: &'static str) -> ScriptError {
        ScriptError { at: self.at, what: what.into(), hint }
    }

    /// The next character that is not blank.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(|c| c.is_ascii_whitespace()) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Takes `c` if it comes next.
    pub(crate) fn take(&mut self, c: u8) -> bool {
        let here = self.peek() == Some(c);
        if here {
            self.at += 1;
        }
        here
    }

    pub(crate) fn expect(&mut self, c: u8, hint: &'static str) -> Result<(), ScriptError> {
        if self.take(c) {
            return Ok(());
        }
        let found = self.describe();
        Err(self.error(format!("expected '{}', found {found}", c as char), hint))
    }

    pub(crate) fn describe(&mut self) -> String {
        match self.peek() {
            None => "the end".into(),
            Some(c) if c.is_ascii_graphic() => format!("'{}'", c as char),
            Some(_) => "a character that is not ASCII".into(),
        }
    }

    /// A decimal number in units of 10^-`decimals`; digits beyond those are rounded.
    pub(crate) fn number(&mut self, decimals: u32, hint: &'static str) -> Result<i64, ScriptError> {
        self.peek();
        let start = self.at;
        let negative = self.take_now(b'-');
        if !negative {
            self.take_now(b'+');
        }
        let (mut value, mut digits, mut after, mut round_up) = (0i64, 0, None::<u32>, false);
        while let Some(&c) = self.text.get(self.at) {
            match c {
                b'0'..=b'9' => {
                    digits += 1;
                    let places = after.unwrap_or(0);
                    if after.is_none() || places < decimals {
                        value = value.saturating_mul(10).saturating_add((c - b'0') as i64);
                    } else if places == decimals {
                        round_up = c >= b'5';
                    }
                    after = after.map(|n| n + 1);
                }
                b'.' if after.is_none() => after = Some(0),
                _ => break,
            }
            self.at += 1;
        }
        if digits == 0 {
            self.at = start;
            let found = self.describe();
            return Err(self.error(format!("expected a number, found {found}"), hint));
        }
        for _ in after.unwrap_or(0).min(decimals)..decimals {
            value = value.saturating_mul(10);
        }
        value = value.saturating_add(round_up as i64);
        Ok(if negative { -value } else { value })
    }

    fn take_now(&mut self, c: u8) -> bool {
        let here = self.text.get(self.at) == Some(&c);
        self.at += here as usize;
        here
    }

    /// A time in seconds with three decimals, or `*`.
    pub(crate) fn span(&mut self) -> Result<Span, ScriptError> {
        const HINT: &str = "a time is in seconds, like .25 or 2, or * for ever";
        if self.take(b'*') {
            return Ok(None);
        }
        let at = self.at;
        let ms = self.number(3, HINT)?;
        // An hour is longer than any tone or ringing; it keeps sums of samples far from overflow.
        if !(0..=3_600_000).contains(&ms) {
            return Err(ScriptError {
                at,
                what: "the time is out of range".into(),
                hint: "0 to 3600 seconds",
            });
        }
        Ok(Some(ms as u32 * PER_MS))
    }
}
