//! The rule of a NAPTR record: `!^\+44(.*)$!sip:\1@example.com!`, in the manner of sed (RFC 3402 §3.2).

use regex_lite::{Captures, Regex, RegexBuilder};

/// Octets of a compiled pattern; a rule about a telephone number needs few.
const MOST_COMPILED: usize = 64 << 10;
/// Octets of what a rule may make.
const MOST_MADE: usize = 1_024;

/// A substitution.
pub struct Rule {
    pattern: Regex,
    made: Vec<Piece>,
}

enum Piece {
    Text(String),
    /// `\1` to `\9`.
    Group(usize),
}

impl Rule {
    /// Reads `delimiter pattern delimiter replacement delimiter flags`.
    pub fn parse(text: &str) -> Result<Rule, String> {
        let no = |why: &str| format!("the rule {text:?} {why}");
        let delimiter = text.chars().next().ok_or("the rule is empty")?;
        if delimiter.is_ascii_digit() || matches!(delimiter, '\\' | 'i' | 'I') {
            return Err(no("begins with what is no delimiter"));
        }
        let [pattern, made, flags] = parts(text, delimiter).ok_or_else(|| no("has not three delimiters"))?;
        let insensitive = match flags.as_str() {
            "" => false,
            "i" | "I" => true,
            _ => return Err(no("has flags other than i")),
        };
        let pattern = RegexBuilder::new(&pattern)
            .case_insensitive(insensitive)
            .size_limit(MOST_COMPILED)
            .build()
            .map_err(|e| no(&format!("has no pattern: {e}")))?;
        let made = pieces(&made);
        let most = made.iter().filter_map(|p| if let Piece::Group(n) = p { Some(*n) } else { None }).max();
        if most.is_some_and(|n| n >= pattern.captures_len()) {
            return Err(no("refers to a group that it has not"));
        }
        Ok(Rule { pattern, made })
    }

    /// What the rule makes of a text: what the pattern has found is replaced, once.
    pub fn apply(&self, text: &str) -> Result<String, String> {
        let found = self.pattern.captures(text).ok_or_else(|| format!("the rule does not match {text}"))?;
        let whole = found.get(0).map_or(0..0, |m| m.range());
        let mut made = text[..whole.start].to_owned();
        for piece in &self.made {
            made += piece.text(&found);
            if made.len() > MOST_MADE {
                return Err("the rule makes too long a text".to_owned());
            }
        }
        Ok(made + &text[whole.end..])
    }
}

impl Piece {
    fn text<'a>(&'a self, found: &'a Captures<'_>) -> &'a str {
        match self {
            Piece::Text(text) => text,
            Piece::Group(n) => found.get(*n).map_or("", |m| m.as_str()),
        }
    }
}

/// The text between delimiters. A delimiter after a backslash belongs to the text.
fn parts(text: &str, delimiter: char) -> Option<[String; 3]> {
    let mut parts = [String::new(), String::new(), String::new()];
    let mut at = 0;
    let mut chars = text.chars().skip(1);
    while let Some(c) = chars.next() {
        if c == delimiter {
            at += 1;
            parts.get(at)?;
        } else if c == '\\' {
            let next = chars.next()?;
            if next != delimiter {
                parts[at].push('\\');
            }
            parts[at].push(next);
        } else {
            parts[at].push(c);
        }
    }
    (at == 2).then_some(parts)
}

/// The replacement, with `\1` to `\9` told from text.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.next() } else { None };
        match (c, escaped) {
            (_, Some(d @ '1'..='9')) => {
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Group(d as usize - '0' as usize));
            }
            (_, Some(other)) => plain.push(other),
            (c, None) => plain.push(c),
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    pieces
}
