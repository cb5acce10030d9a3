//! Numbers of the world's telephone network: E.164.

use std::fmt;

/// An international number: 1 to 15 digits that begin with a country code (ITU-T E.164).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct E164(String);

impl E164 {
    /// Reads `+441632960123`; blanks, dots, dashes and brackets between digits are skipped.
    pub fn parse(text: &str) -> Option<E164> {
        let rest = text.trim().strip_prefix('+')?;
        let mut digits = String::with_capacity(15);
        for c in rest.chars() {
            match c {
                '0'..='9' => digits.push(c),
                ' ' | '-' | '.' | '(' | ')' | '/' => {}
                _ => return None,
            }
        }
        let known = (2..=15).contains(&digits.len()) && !digits.starts_with('0');
        known.then_some(E164(digits))
    }

    /// The digits without `+`.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// As dialled within the country of this code: `("44", "0")` makes `01632960123`. `None`: another country's.
    pub fn national(&self, country: &str, trunk: &str) -> Option<String> {
        self.0.strip_prefix(country).map(|rest| format!("{trunk}{rest}"))
    }

    /// As dialled after an exit code: `00` makes `00441632960123`.
    pub fn after(&self, exit: &str) -> String {
        format!("{exit}{}", self.0)
    }

    /// The domain of the number under an ENUM zone (RFC 6116 §3.2): `3.2.1.….4.4.e164.arpa`.
    pub fn domain(&self, zone: &str) -> String {
        let mut name = String::with_capacity(self.0.len() * 2 + zone.len());
        for digit in self.0.chars().rev() {
            name.push(digit);
            name.push('.');
        }
        name + zone.trim_matches('.')
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}
