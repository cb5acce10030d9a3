//! `;name=value` parameters of headers and of URIs. They stay as they came and are looked up on demand, so that reading a
//! message costs no allocation; only a change writes new octets.

use bytes::Bytes;
use thiserror::Error;

use crate::chars::{self, PARAM, TOKEN, VALUE, quoted_end, share, trim, unquote};

/// Parameters in their order. Names compare without case (RFC 3261 §7.3.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params {
    /// Begins with `;`, or is empty. [`Params::read`] proved each part.
    raw: Bytes,
}

/// What is wrong with parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadParams {
    /// `;;`, or `;` at the end.
    #[error("a parameter without a name")]
    Empty,
    /// A name that is no token.
    #[error("a parameter name that is no token")]
    Name,
    /// A value that is neither a token, a host nor a quoted string.
    #[error("a parameter value that must be quoted")]
    Value,
    /// A quoted string that does not end, or is followed by more.
    #[error("a quoted string that does not end where it should")]
    Quote,
    /// More than 256.
    #[error("more than 256 parameters")]
    Many,
}

/// No message in use has a tenth of these; comparing two URIs looks each one up in the other.
const MOST: usize = 256;

impl Params {
    /// Reads the parameters of a header value: the part from its first `;` on. Blanks may stand around `;` and `=`.
    ///
    /// # Errors
    /// The first parameter without a valid name or value, or more than 256 of them.
    pub fn read(raw: &Bytes) -> Result<Params, BadParams> {
        Params::read_part(raw, raw)
    }

    /// The same from a part of `whole`.
    pub(crate) fn read_part(whole: &Bytes, raw: &[u8]) -> Result<Params, BadParams> {
        Params::checked(share(whole, trim(raw)), header_param)
    }

    /// Reads the parameters of a URI: no blanks, no quotes (RFC 3261 §25.1 `uri-parameters`).
    pub(crate) fn read_uri(raw: Bytes) -> Result<Params, BadParams> {
        Params::checked(raw, uri_param)
    }

    fn checked(raw: Bytes, check: fn(&[u8]) -> Result<(), BadParams>) -> Result<Params, BadParams> {
        if raw.first().is_some_and(|b| *b != b';') {
            return Err(BadParams::Name);
        }
        let mut count = 0;
        for piece in (Pieces { rest: &raw }) {
            check(piece)?;
            count += 1;
            if count > MOST {
                return Err(BadParams::Many);
            }
        }
        Ok(Params { raw })
    }

    /// Is there a parameter of this name, with or without a value?
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The value as it stands, quotes and all; nothing if the parameter is missing or has no value.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.find(name)?
    }

    /// The value as it stands, sharing the octets.
    pub fn bytes(&self, name: &str) -> Option<Bytes> {
        self.get(name).map(|v| share(&self.raw, v))
    }

    /// The value without its quotes if it has any, each `\x` as `x`.
    pub fn unquoted(&self, name: &str) -> Option<Bytes> {
        let value = self.get(name)?;
        Some(if value.first() == Some(&b'"') { unquote(&self.raw, value) } else { share(&self.raw, value) })
    }

    /// The value if it is UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// The value if it is a decimal number. One too large to hold reads as the largest (RFC 4475 §3.1.2.4).
    pub fn number(&self, name: &str) -> Option<u32> {
        let value = self.get(name)?;
        let digits = chars::some(value, TOKEN) && value.iter().all(u8::is_ascii_digit);
        digits.then(|| chars::number(value).and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::MAX))
    }

    /// Every parameter: its name and its value as they stand.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        (Pieces { rest: &self.raw }).map(halves)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// None at all?
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The octets: empty, or from the first `;` on.
    pub fn as_bytes(&self) -> &Bytes {
        &self.raw
    }

    /// Gives a parameter this value, in its old place or at the end; `None` leaves the bare name. The caller quotes a value
    /// that needs quotes: see [`quoted`].
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let mut out = Vec::with_capacity(self.raw.len() + name.len() + value.map_or(0, str::len) + 2);
        let mut done = false;
        for piece in (Pieces { rest: &self.raw }) {
            if !halves(piece).0.eq_ignore_ascii_case(name.as_bytes()) {
                out.push(b';');
                out.extend_from_slice(piece);
            } else if !done {
                write(&mut out, name, value);
                done = true;
            }
        }
        if !done {
            write(&mut out, name, value);
        }
        self.raw = out.into();
    }

    /// Takes a parameter away.
    pub fn remove(&mut self, name: &str) {
        if !self.has(name) {
            return;
        }
        let mut out = Vec::with_capacity(self.raw.len());
        for piece in (Pieces { rest: &self.raw }) {
            if !halves(piece).0.eq_ignore_ascii_case(name.as_bytes()) {
                out.push(b';');
                out.extend_from_slice(piece);
            }
        }
        self.raw = out.into();
    }

    fn find(&self, name: &str) -> Option<Option<&[u8]>> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v)
    }
}

/// A text as a quoted string, for values that are no token.
pub fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    chars::quote(text.as_bytes(), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn write(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    out.push(b';');
    out.extend_from_slice(name.as_bytes());
    if let Some(value) = value {
        out.push(b'=');
        out.extend_from_slice(value.as_bytes());
    }
}

/// The parts between the `;` that stand outside quotes; each call steps over the leading `;`.
struct Pieces<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (_, body) = self.rest.split_first()?;
        let mut at = 0;
        let end = loop {
            match memchr::memchr2(b';', b'"', &body[at..]) {
                None => break body.len(),
                Some(n) if body[at + n] == b';' => break at + n,
                Some(n) => match quoted_end(&body[at + n..]) {
                    Some(len) => at += n + len,
                    None => break body.len(),
                },
            }
        };
        self.rest = &body[end..];
        Some(&body[..end])
    }
}

/// Name and value of one piece, without the blanks around them.
fn halves(piece: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'=', piece) {
        Some(n) => (trim(&piece[..n]), Some(trim(&piece[n + 1..]))),
        None => (trim(piece), None),
    }
}

fn header_param(piece: &[u8]) -> Result<(), BadParams> {
    let (name, value) = halves(piece);
    if name.is_empty() {
        return Err(BadParams::Empty);
    }
    if !chars::all(name, TOKEN) {
        return Err(BadParams::Name);
    }
    match value {
        None => Ok(()),
        Some(v) if v.first() == Some(&b'"') => match quoted_end(v) {
            Some(end) if end == v.len() => Ok(()),
            _ => Err(BadParams::Quote),
        },
        // Empty (`;tag=`) is not in the grammar but is sent; it says no more than a bare name.
        Some(v) if chars::all(v, VALUE) => Ok(()),
        Some(_) => Err(BadParams::Value),
    }
}

fn uri_param(piece: &[u8]) -> Result<(), BadParams> {
    let (name, value) = match memchr::memchr(b'=', piece) {
        Some(n) => (&piece[..n], &piece[n + 1..]),
        None => (piece, &b""[..]),
    };
    if name.is_empty() {
        return Err(BadParams::Empty);
    }
    if !chars::all(name, PARAM) {
        return Err(BadParams::Name);
    }
    if !value.iter().all(|b| chars::is(*b, PARAM) || *b == b'=' || *b == b'?' || *b == b',') {
        return Err(BadParams::Value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Params, BadParams> {
        Params::read(&Bytes::copy_from_slice(text.as_bytes()))
    }

    fn check(text: &str, name: &str, want: Option<&str>) {
        let params = read(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(params.text(name), want, "{text}");
    }

    #[test]
    fn values_are_found_by_name_without_case_and_without_blanks() {
        check("", "tag", None);
        check(";tag=1", "TAG", Some("1"));
        check(" ; tag \t= 1 ; x", "tag", Some("1"));
        check(";x;tag=1", "x", None);
        check(";+sip.instance=\"<urn:uuid:a;b>\";tag=1", "tag", Some("1"));
        check(";+sip.instance=\"<urn:uuid:a;b>\";tag=1", "+sip.instance", Some("\"<urn:uuid:a;b>\""));
        check(";received=2001:db8::9:255;branch=z9hG4bK1", "branch", Some("z9hG4bK1"));
        check(";received=[2001:db8::9:255]", "received", Some("[2001:db8::9:255]"));
        check(";a=\"x\\\";tag=no\";tag=yes", "tag", Some("yes"));
    }

    #[test]
    fn bad_parameters_say_what_is_wrong() {
        for (text, want) in [
            (";;a", BadParams::Empty),
            (";a;", BadParams::Empty),
            (";=a", BadParams::Empty),
            (";a b", BadParams::Name),
            ("a", BadParams::Name),
            (";a=b c", BadParams::Value),
            (";a=\"b", BadParams::Quote),
            (";a=\"b\"c", BadParams::Quote),
        ] {
            assert_eq!(read(text), Err(want), "{text}");
        }
        assert_eq!(read(&";a".repeat(300)), Err(BadParams::Many));
    }

    #[test]
    fn a_change_keeps_the_place_and_the_rest() {
        let mut params = read(";rport;branch=z9").unwrap();
        params.set("rport", Some("5060"));
        params.set("received", Some("192.0.2.1"));
        assert_eq!(&params.as_bytes()[..], b";rport=5060;branch=z9;received=192.0.2.1");
        params.remove("RPORT");
        assert_eq!(&params.as_bytes()[..], b";branch=z9;received=192.0.2.1");
        assert_eq!(params.len(), 2);
    }

    #[test]
    fn quotes_come_off_with_their_escapes() {
        let params = read(";a=\"x \\\" y\";b=plain").unwrap();
        assert_eq!(params.unquoted("a").unwrap(), &b"x \" y"[..]);
        assert_eq!(params.unquoted("b").unwrap(), &b"plain"[..]);
        assert_eq!(quoted("x \" y"), "\"x \\\" y\"");
    }
}
