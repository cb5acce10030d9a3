//! Reading a plan: text to tokens, with the character of every mistake. The grammar is the SPA3102's:
//!
//! ```text
//! plan      = { ("L"|"S") ":" [secs] "," } "(" sequence { "|" sequence } ")"
//! sequence  = { elem ["."] | "<" lhs [":" rhs] ">" | "," | ("S"|"L"|"P") [secs] } with "!" anywhere
//! elem      = key | "x" | "[" { key | digit "-" digit | "x" } "]"
//! rhs       = ({ key | "D" secs } | user) [ "@" ("gw" number | host [":" port]) { ";" param } ]
//! user      = the user part of a SIP address: letters, digits and - _ . ! ~ * ' & = + $ / %
//! ```
//!
//! Blanks mean nothing but the end of a number of seconds: `S 0 12` is the short timer 0, and the keys 1 and 2.

use crate::{Alternative, KeySet, PlanError, Token, Warning};
use ringtrip_model::host_port::HostPort;
use ringtrip_model::ids::GatewayId;
use ringtrip_model::party::Key;
use ringtrip_model::route::{AdHoc, PlanRoute};

/// The longest plan text: that of the SPA3000 (`Str2048`).
const MAX_TEXT: usize = 2048;
/// Seconds where a timer names none.
const DEFAULT_SECS: u16 = 5;
/// The longest timer.
const MAX_SECS: u16 = 600;

pub(crate) struct Parsed {
    pub alternatives: Vec<Alternative>,
    pub short: Option<u16>,
    pub long: Option<u16>,
    pub warnings: Vec<Warning>,
}

pub(crate) fn parse(text: &str) -> Result<Parsed, PlanError> {
    let read = |text: &str| Reader { chars: text.chars().collect(), i: 0, warnings: Vec::new() }.plan();
    read(text).map_err(|mut error| {
        if let Some(mended) = repair(text).filter(|mended| read(mended).is_ok()) {
            error.hint = format!("it was damaged by a web page; write {mended}");
        }
        error
    })
}

/// A plan pasted from a web page often has `&lt;`, or `lt;` where the `&` was lost, for `<`. Gives the text with
/// those mended, if there were any.
pub fn repair(text: &str) -> Option<String> {
    let mut mended = text.to_owned();
    for (damaged, right) in [
        ("&amp;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("lt;", "<"),
        ("gt;", ">"),
    ] {
        mended = mended.replace(damaged, right);
    }
    (mended != text).then_some(mended)
}

struct Reader {
    chars: Vec<char>,
    i: usize,
    warnings: Vec<Warning>,
}

impl Reader {
    fn plan(mut self) -> Result<Parsed, PlanError> {
        if self.chars.len() > MAX_TEXT {
            let what = format!("the plan has {} characters", self.chars.len());
            return Err(PlanError::new(MAX_TEXT + 1, what, format!("at most {MAX_TEXT} are allowed")));
        }
        let (mut short, mut long) = (None, None);
        loop {
            self.blanks();
            match self.peek() {
                Some(c @ ('S' | 'L')) => {
                    self.i += 1;
                    self.expect(':', "a timer before the plan is written S:4, or L:20,")?;
                    let secs = self.secs()?.unwrap_or(DEFAULT_SECS);
                    *(if c == 'S' { &mut short } else { &mut long }) = Some(secs);
                    self.expect(',', "a timer before the plan ends with a comma: S:4,(…)")?;
                }
                Some('(') => break self.i += 1,
                _ => return Err(self.error("a plan begins with '('", "write ( before the first alternative")),
            }
        }
        let mut alternatives = Vec::new();
        loop {
            alternatives.push(self.sequence()?);
            match self.take() {
                Some('|') => {}
                Some(')') => break,
                _ => return Err(self.error("the plan has no end", "write ) after the last alternative")),
            }
        }
        self.blanks();
        if let Some(c) = self.peek() {
            let what = format!("{c:?} stands after the end of the plan");
            return Err(self.error(what, "remove everything after the last )"));
        }
        Ok(Parsed { alternatives, short, long, warnings: self.warnings })
    }

    fn sequence(&mut self) -> Result<Alternative, PlanError> {
        self.blanks();
        let start = self.i;
        let mut a = Alternative {
            text: String::new(),
            at: start + 1,
            tokens: Vec::new(),
            route: PlanRoute::Default,
            route_text: String::new(),
            barred: false,
            timed: false,
            star: false,
        };
        // Whether '.' may follow: only straight after an element.
        let mut element = false;
        loop {
            self.blanks();
            let Some(c) = self.peek() else { break };
            let at = self.i;
            let was_element = std::mem::replace(&mut element, false);
            match c {
                '|' | ')' => break,
                '.' => {
                    self.i += 1;
                    match a.tokens.last_mut() {
                        Some(Token::Key { repeat, .. }) if was_element => *repeat = true,
                        _ => {
                            let hint = "'.' repeats the key before it: xx. is one digit or more";
                            return Err(PlanError::new(at + 1, "'.' has nothing to repeat", hint));
                        }
                    }
                }
                '<' => self.substitution(&mut a)?,
                ',' => {
                    self.i += 1;
                    a.tokens.push(Token::Tone);
                }
                '!' => {
                    self.i += 1;
                    a.barred = true;
                }
                'S' | 'L' | 'P' => {
                    self.i += 1;
                    let secs = self.secs()?.unwrap_or(DEFAULT_SECS);
                    a.timed |= c != 'L';
                    match c {
                        'S' => a.tokens.push(Token::Short(secs)),
                        'L' => a.tokens.push(Token::Long(secs)),
                        _ => a.tokens.push(Token::Pause(secs)),
                    }
                }
                _ => {
                    let set = self.element()?;
                    a.tokens.push(Token::Key { set, repeat: false, sent: true });
                    element = true;
                }
            }
        }
        a.text = self.chars[start..self.i].iter().collect::<String>().trim().to_owned();
        let named = |t: &Token| matches!(t, Token::Emit(s) if s.chars().any(|c| !is_sent_key(c)));
        if matches!(a.route, PlanRoute::Landline) && a.tokens.iter().any(named) {
            let what = "the landline takes keys, and this alternative sends it a name";
            return Err(PlanError::new(start + 1, what, "write the digits to send, or another route"));
        }
        if !matches!(a.route, PlanRoute::Landline) {
            let pauses = a.tokens.iter().any(|t| matches!(t, Token::Emit(s) if s.contains(',')));
            if pauses {
                let what = "D waits while dialling on the landline; this alternative does not go there";
                self.warnings.push(Warning::new(start + 1, what, "remove D, or send it to <:@gw0>"));
                for token in &mut a.tokens {
                    if let Token::Emit(text) = token {
                        text.retain(|c| c != ',');
                    }
                }
            }
        }
        Ok(a)
    }

    /// `x`, a key, or `[…]`.
    fn element(&mut self) -> Result<KeySet, PlanError> {
        let at = self.i;
        match self.take() {
            Some('x' | 'X') => Ok(KeySet::DIGITS),
            Some('[') => self.class(at),
            Some(c) if c.is_ascii_lowercase() => Err(unknown(at, c)),
            Some(c) => Key::new(c).map(KeySet::of).ok_or_else(|| unknown(at, c)),
            None => Err(self.error("the plan ends in the middle", "write the rest of it")),
        }
    }

    /// The rest of `[…]`.
    fn class(&mut self, open: usize) -> Result<KeySet, PlanError> {
        let mut set = KeySet::default();
        loop {
            self.blanks();
            let at = self.i;
            match self.take() {
                Some(']') if set == KeySet::default() => {
                    return Err(PlanError::new(open + 1, "[] allows no key", "write the keys in it: [2-9*]"));
                }
                Some(']') => return Ok(set),
                Some('x' | 'X') => set = set.union(KeySet::DIGITS),
                Some('^') => {
                    let hint = "list the keys that are allowed: [0-8]";
                    return Err(PlanError::new(at + 1, "[^…] is not part of this language", hint));
                }
                Some(from) if from.is_ascii_digit() && self.behind_blanks() == Some('-') => {
                    self.blanks();
                    self.i += 1;
                    self.blanks();
                    let to = self.take().filter(char::is_ascii_digit).ok_or_else(|| {
                        PlanError::new(at + 1, "a range ends with a digit", "write it as [2-9]")
                    })?;
                    if from > to {
                        let what = format!("the range {from}-{to} is backwards");
                        return Err(PlanError::new(at + 1, what, format!("write {to}-{from}")));
                    }
                    for c in from..=to {
                        set = Key::new(c).map_or(set, |key| set.union(KeySet::of(key)));
                    }
                }
                Some(c) => match Key::new(c).filter(|_| !c.is_ascii_lowercase()) {
                    Some(key) => set = set.union(KeySet::of(key)),
                    None if matches!(c, '|' | ')' | '<' | '>') => return Err(unclosed(open, '[', ']')),
                    None => return Err(unknown(at, c)),
                },
                None => return Err(unclosed(open, '[', ']')),
            }
        }
    }

    /// `<lhs:rhs@route>`.
    fn substitution(&mut self, a: &mut Alternative) -> Result<(), PlanError> {
        let open = self.i;
        self.i += 1;
        let mut left = Vec::new();
        loop {
            self.blanks();
            match self.peek() {
                Some(':') => break self.i += 1,
                Some('>') if left.is_empty() => {
                    self.i += 1;
                    let hint = "it was probably <:@host>, and the host was lost; write the host or remove it";
                    self.warnings.push(Warning::new(open + 1, "<> does nothing", hint));
                    return Ok(());
                }
                Some('>') => {
                    let hint = "write <dialled:sent>, or <dialled:> to send nothing";
                    return Err(PlanError::new(open + 1, "this < > has no colon", hint));
                }
                Some(',') => {
                    self.i += 1;
                    left.push(Token::Tone);
                }
                Some('.') => {
                    let hint = "put the repeated part after it: <0044:0>xx.";
                    return Err(self.error("'.' cannot stand between < and :", hint));
                }
                Some('|' | ')') | None => return Err(unclosed(open, '<', '>')),
                Some(_) => left.push(Token::Key { set: self.element()?, repeat: false, sent: false }),
            }
        }
        a.tokens.append(&mut left);
        let mut emit = String::new();
        if let Some(user) = self.user() {
            self.i += user.chars().count();
            emit = user.trim().to_owned();
        }
        loop {
            self.blanks();
            let at = self.i;
            match self.take() {
                Some('>') => break,
                Some('@') => {
                    self.route(open, a)?;
                    break;
                }
                Some('D') => {
                    let secs = self.secs()?.ok_or_else(|| {
                        PlanError::new(
                            at + 1,
                            "D needs a number of seconds",
                            "write D2 for a pause of two seconds",
                        )
                    })?;
                    emit.extend(std::iter::repeat_n(',', usize::from(secs.min(60))));
                }
                Some('x' | 'X' | '[') => {
                    let hint = "keys after the colon are sent as they stand: write digits";
                    return Err(PlanError::new(at + 1, "what is sent must be fixed", hint));
                }
                Some('|' | ')') | None => return Err(unclosed(open, '<', '>')),
                Some(c) => match Key::new(c).filter(|_| !c.is_ascii_lowercase()) {
                    Some(key) => emit.push(key.as_char()),
                    None => return Err(unknown(at, c)),
                },
            }
        }
        if !emit.is_empty() {
            a.tokens.push(Token::Emit(emit));
        }
        Ok(())
    }

    /// What stands before `@` or `>`, when it names a SIP user and not keys: `group` in `<:group@host>`.
    fn user(&self) -> Option<String> {
        let text: String = self.chars[self.i..].iter().take_while(|c| !matches!(c, '@' | '>')).collect();
        let name = text.trim();
        let letters = |c: char| c.is_ascii_alphabetic() && !matches!(c, 'A'..='D' | 'x' | 'X');
        let of_user = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'&=+$/%".contains(c);
        (name.chars().any(letters) && name.chars().all(of_user)).then_some(text)
    }

    /// What follows `@`, up to and with `>`.
    fn route(&mut self, open: usize, a: &mut Alternative) -> Result<(), PlanError> {
        let start = self.i;
        while !matches!(self.peek(), Some('>') | None) {
            self.i += 1;
        }
        if self.take().is_none() {
            return Err(unclosed(open, '<', '>'));
        }
        let text: String = self.chars[start..self.i - 1].iter().filter(|c| !c.is_whitespace()).collect();
        let mut parts = text.split(';');
        let place = parts.next().unwrap_or_default();
        let gateway = place.strip_prefix("gw").filter(|n| !n.is_empty() && n.len() <= 4);
        a.route = if let Some(n) = gateway.and_then(|n| n.parse::<u16>().ok()) {
            if parts.next().is_some() {
                let hint = "gateways have their credentials in the configuration: remove what follows ;";
                self.warnings.push(Warning::new(start + 1, format!("{place} takes no parameters"), hint));
            }
            let name = format!("gw{n}");
            match (n, name.parse::<GatewayId>()) {
                (0, _) => PlanRoute::Landline,
                (_, Ok(id)) => PlanRoute::Gateway(id),
                (_, Err(_)) => return Err(PlanError::new(start + 1, "no such gateway", "write gw1, gw2, …")),
            }
        } else {
            let bad = |what: String| PlanError::new(start + 1, what, "write @gw0, @gw1, or @host:port");
            let host: HostPort = place.parse().map_err(|e| bad(format!("{e}")))?;
            let mut to = AdHoc { host: host.to_string(), user: None, password: None, nat: false };
            for part in parts {
                match part.split_once('=') {
                    Some(("uid" | "usr", user)) => to.user = Some(user.to_owned()),
                    Some(("pwd", password)) => to.password = Some(password.to_owned()),
                    None if part == "nat" => to.nat = true,
                    _ => {
                        let what = format!("invalid route parameter {part:?}");
                        return Err(PlanError::new(start + 1, what, "there are uid=…, pwd=… and nat"));
                    }
                }
            }
            PlanRoute::Uri(to)
        };
        a.route_text = text;
        Ok(())
    }

    /// A number of seconds, if digits follow. Blanks before it mean nothing; one behind it ends it.
    fn secs(&mut self) -> Result<Option<u16>, PlanError> {
        if self.behind_blanks().is_some_and(|c| c.is_ascii_digit()) {
            self.blanks();
        }
        let start = self.i;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.i += 1;
        }
        if self.i == start {
            return Ok(None);
        }
        let digits: String = self.chars[start..self.i].iter().collect();
        match digits.parse::<u16>() {
            Ok(secs) if secs <= MAX_SECS => Ok(Some(secs)),
            _ => {
                let hint = format!("at most {MAX_SECS} seconds; a blank ends the number: S0 12");
                Err(PlanError::new(start + 1, format!("{digits} seconds is too long"), hint))
            }
        }
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.i += 1;
        }
    }

    /// The next character that is no blank.
    fn behind_blanks(&self) -> Option<char> {
        self.chars[self.i..].iter().copied().find(|c| !c.is_whitespace())
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.i).copied()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.i += 1;
        Some(c)
    }

    fn expect(&mut self, wanted: char, hint: &str) -> Result<(), PlanError> {
        self.blanks();
        match self.peek() {
            Some(c) if c == wanted => {
                self.i += 1;
                Ok(())
            }
            _ => Err(self.error(format!("{wanted:?} is missing here"), hint)),
        }
    }

    fn error(&self, what: impl Into<String>, hint: &str) -> PlanError {
        PlanError::new(self.i + 1, what, hint)
    }
}

/// Can a landline be sent it: a key, or a pause?
fn is_sent_key(c: char) -> bool {
    c == ',' || Key::new(c).is_some_and(|_| !c.is_ascii_lowercase())
}

fn unclosed(open: usize, opener: char, closer: char) -> PlanError {
    PlanError::new(
        open + 1,
        format!("this {opener} is never closed"),
        format!("write {closer} where it ends"),
    )
}

fn unknown(at: usize, c: char) -> PlanError {
    let hint = match c {
        's' | 'l' | 'p' => format!("a timer is written with a capital: {}", c.to_ascii_uppercase()),
        '@' => "a route stands in < >: <:@gw0>".to_owned(),
        '>' => "there is no < before it".to_owned(),
        ':' => "a replacement stands in < >: <0044:0>".to_owned(),
        ']' => "there is no [ before it".to_owned(),
        '-' => "a range stands in [ ]: [2-9]".to_owned(),
        '+' => "telephones have no +: write 00 or 011".to_owned(),
        _ => "keys are 0-9 * # A-D; x is any digit".to_owned(),
    };
    PlanError::new(at + 1, format!("{c:?} has no meaning here"), hint)
}
