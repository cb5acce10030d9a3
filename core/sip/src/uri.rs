//! URIs: `sip:` and `sips:` in their parts, `tel:` (RFC 3966), and any other kept as it came (RFC 3261 §19.1).
//! No blank is allowed inside; `%` escapes stay as they came and are decoded once, and only to compare.

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

use crate::chars::{self, HEADER, OPAQUE, PARAM, USER, share};
use crate::host::{self, Host};
use crate::params::{BadParams, Params};

/// A URI. Two are equal as RFC 3261 §19.1.4 says, so equality is not by octets.
#[derive(Debug, Clone)]
pub enum Uri {
    /// `sip:` or `sips:`.
    Sip(SipUri),
    /// `tel:`.
    Tel(TelUri),
    /// `urn:service:sos` and every scheme that is not ours to read.
    Other(OtherUri),
}

/// The parts of a `sip:` or `sips:` URI, as they stand on the wire.
#[derive(Debug, Clone)]
pub struct SipUri {
    /// `sips:`.
    pub secure: bool,
    /// What stands before `@` (and before `:`), with its escapes and its own `;` parts.
    pub user: Option<Bytes>,
    /// What stands between `:` and `@`.
    pub password: Option<Bytes>,
    /// Name or address.
    pub host: Host,
    /// The port, if written. 5060 and nothing are different (§19.1.4).
    pub port: Option<u16>,
    /// `;transport=tcp`, `;lr`, …
    pub params: Params,
    /// What stands after `?`, as it stands.
    pub headers: Option<Bytes>,
}

/// The parts of a `tel:` URI.
#[derive(Debug, Clone)]
pub struct TelUri {
    /// The number with its visual separators: `+44-20-7946-0123`.
    pub number: Bytes,
    /// `;phone-context=…`, `;isub=…`, …
    pub params: Params,
}

/// A URI that we carry and do not read.
#[derive(Debug, Clone)]
pub struct OtherUri {
    /// `urn`, `http`, …
    pub scheme: Bytes,
    /// All that follows the colon.
    pub rest: Bytes,
}

/// Why octets are not a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadUri {
    /// No scheme, or one that does not begin with a letter.
    #[error("no scheme before the first colon")]
    Scheme,
    /// A blank, a control or a bracket where none may be.
    #[error("a character that a URI may not hold")]
    Character,
    /// `%` that is not followed by two hexadecimal digits.
    #[error("a % that is no escape")]
    Escape,
    /// `sip:@host`, or a user with characters that must be escaped.
    #[error("a user part that must be escaped")]
    User,
    /// No host, a bad name, or an IPv6 address without brackets.
    #[error("no valid host")]
    Host,
    /// No number from 0 to 65535.
    #[error("no valid port")]
    Port,
    /// Bad `;` parameters.
    #[error("bad parameters")]
    Params(#[from] BadParams),
    /// Bad `?` headers.
    #[error("bad headers after the question mark")]
    Headers,
    /// A `tel:` URI without digits.
    #[error("no telephone number")]
    Number,
}

impl Uri {
    /// Reads a URI that fills `raw` from end to end.
    ///
    /// # Errors
    /// The text is not a URI, or a part of it (scheme, user, host, port, parameters) is malformed.
    pub fn read(raw: &Bytes) -> Result<Uri, BadUri> {
        Uri::read_part(raw, raw)
    }

    /// The same from a part of `whole`.
    pub(crate) fn read_part(whole: &Bytes, raw: &[u8]) -> Result<Uri, BadUri> {
        let colon = memchr::memchr(b':', raw).ok_or(BadUri::Scheme)?;
        let scheme = &raw[..colon];
        let rest = &raw[colon + 1..];
        if scheme.eq_ignore_ascii_case(b"sip") {
            SipUri::read(whole, rest, false).map(Uri::Sip)
        } else if scheme.eq_ignore_ascii_case(b"sips") {
            SipUri::read(whole, rest, true).map(Uri::Sip)
        } else if scheme.eq_ignore_ascii_case(b"tel") {
            TelUri::read(whole, rest).map(Uri::Tel)
        } else {
            OtherUri::read(whole, scheme, rest).map(Uri::Other)
        }
    }

    /// The parts, if it is `sip:` or `sips:`.
    pub fn sip(&self) -> Option<&SipUri> {
        match self {
            Uri::Sip(uri) => Some(uri),
            _ => None,
        }
    }

    /// What was dialled: the user of a SIP URI without escapes, the number of a `tel:` URI without separators.
    pub fn user(&self) -> Option<Bytes> {
        match self {
            Uri::Sip(uri) => uri.user.as_ref().map(unescape),
            Uri::Tel(uri) => Some(uri.digits()),
            Uri::Other(_) => None,
        }
    }

    /// The host of a SIP URI.
    pub fn host(&self) -> Option<&Host> {
        self.sip().map(|uri| &uri.host)
    }

    /// The octets for the wire.
    pub fn write(&self) -> Bytes {
        let mut out = Vec::with_capacity(64);
        self.write_to(&mut out);
        out.into()
    }

    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Uri::Sip(uri) => uri.write_to(out),
            Uri::Tel(uri) => {
                out.extend_from_slice(b"tel:");
                out.extend_from_slice(&uri.number);
                out.extend_from_slice(uri.params.as_bytes());
            }
            Uri::Other(uri) => {
                out.extend_from_slice(&uri.scheme);
                out.push(b':');
                out.extend_from_slice(&uri.rest);
            }
        }
    }

    /// The address-of-record by which a registrar files it (RFC 3261 §10.3): scheme, user without needless escapes, host
    /// in small letters, port; no parameters, no headers. Nothing for a URI that is not SIP.
    pub fn record(&self) -> Option<Bytes> {
        let uri = self.sip()?;
        let mut out = Vec::with_capacity(64);
        out.extend_from_slice(uri.scheme());
        if let Some(user) = &uri.user {
            escape_user(&unescape(user), &mut out);
            out.push(b'@');
        }
        out.extend_from_slice(uri.host.to_string().to_ascii_lowercase().as_bytes());
        if let Some(port) = uri.port {
            out.extend_from_slice(format!(":{port}").as_bytes());
        }
        Some(out.into())
    }
}

impl SipUri {
    /// `sip:host`, to be filled with `..`.
    pub fn new(host: impl Into<Host>) -> SipUri {
        SipUri {
            secure: false,
            user: None,
            password: None,
            host: host.into(),
            port: None,
            params: Params::default(),
            headers: None,
        }
    }

    /// The same with a user, given as text; what may not stand there is escaped.
    pub fn with_user(mut self, user: &str) -> SipUri {
        let mut out = Vec::with_capacity(user.len());
        escape_user(user.as_bytes(), &mut out);
        self.user = Some(out.into());
        self
    }

    /// The same with a port.
    pub fn with_port(mut self, port: u16) -> SipUri {
        self.port = Some(port);
        self
    }

    /// A parameter's value, its name and value without escapes; empty if it has none.
    pub fn param(&self, name: &str) -> Option<Bytes> {
        let (_, value) = self.params.iter().find(|(n, _)| same_unescaped(n, name.as_bytes(), Case::Free))?;
        Some(value.map_or_else(Bytes::new, |v| unescape(&share(self.params.as_bytes(), v))))
    }

    /// Loose routing (`;lr`, RFC 3261 §16.12).
    pub fn is_loose(&self) -> bool {
        self.param("lr").is_some()
    }

    fn scheme(&self) -> &'static [u8] {
        if self.secure { b"sips:" } else { b"sip:" }
    }

    fn read(whole: &Bytes, rest: &[u8], secure: bool) -> Result<SipUri, BadUri> {
        // Each part is held to its own characters; only when one fails is it worth asking for the better reason.
        SipUri::parts(whole, rest, secure).map_err(|why| {
            let never = rest.iter().any(|b| !chars::is(*b, OPAQUE) || *b >= 0x80);
            if never { BadUri::Character } else { why }
        })
    }

    fn parts(whole: &Bytes, rest: &[u8], secure: bool) -> Result<SipUri, BadUri> {
        if !escapes_hold(rest) {
            return Err(BadUri::Escape);
        }
        // The first `@` ends the user: none may stand in it unescaped, but `;`, `?` and `/` may.
        let (userinfo, rest) = match memchr::memchr(b'@', rest) {
            Some(at) if userinfo_end(rest, at) => (Some(&rest[..at]), &rest[at + 1..]),
            _ => (None, rest),
        };
        let (user, password) = match userinfo {
            None => (None, None),
            Some(info) => {
                let (user, password) = match memchr::memchr(b':', info) {
                    Some(n) => (&info[..n], Some(&info[n + 1..])),
                    None => (info, None),
                };
                if !chars::some(user, USER) || !password.is_none_or(|p| chars::all(p, USER)) {
                    return Err(BadUri::User);
                }
                (Some(share(whole, user)), password.map(|p| share(whole, p)))
            }
        };
        let mark = memchr::memchr(b'?', rest);
        let (rest, headers) = match mark {
            Some(n) => (&rest[..n], Some(&rest[n + 1..])),
            None => (rest, None),
        };
        if headers.is_some_and(|h| !chars::all(h, HEADER)) {
            return Err(BadUri::Headers);
        }
        let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let (place, params) = rest.split_at(end);
        let (name, port) = host::split_port(place).ok_or(BadUri::Host)?;
        Ok(SipUri {
            secure,
            user,
            password,
            host: host::read_part(whole, name).ok_or(BadUri::Host)?,
            port: port.map(|p| host::port(p).ok_or(BadUri::Port)).transpose()?,
            params: Params::read_uri(share(whole, params))?,
            headers: headers.map(|h| share(whole, h)),
        })
    }

    fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.scheme());
        if let Some(user) = &self.user {
            out.extend_from_slice(user);
            if let Some(password) = &self.password {
                out.push(b':');
                out.extend_from_slice(password);
            }
            out.push(b'@');
        }
        out.extend_from_slice(self.host.to_string().as_bytes());
        if let Some(port) = self.port {
            out.extend_from_slice(format!(":{port}").as_bytes());
        }
        out.extend_from_slice(self.params.as_bytes());
        if let Some(headers) = &self.headers {
            out.push(b'?');
            out.extend_from_slice(headers);
        }
    }
}

impl From<SipUri> for Uri {
    fn from(uri: SipUri) -> Uri {
        Uri::Sip(uri)
    }
}

/// An `@` after the host belongs to a parameter (`sip:host;x=a@b` has no user by the grammar's letter only if what stands
/// before it is no user; `;` may be in a user, so it is one). An `@` after a bracketed host is never a user's end.
fn userinfo_end(rest: &[u8], at: usize) -> bool {
    !(rest.first() == Some(&b'[') && memchr::memchr(b']', &rest[..at]).is_some())
}

impl TelUri {
    /// The number without visual separators: digits, `+`, `*`, `#`, and the letters of local numbers.
    pub fn digits(&self) -> Bytes {
        if !self.number.iter().any(|b| separator(*b)) {
            return self.number.clone();
        }
        self.number.iter().copied().filter(|b| !separator(*b)).collect::<Vec<u8>>().into()
    }

    fn read(whole: &Bytes, rest: &[u8]) -> Result<TelUri, BadUri> {
        if !escapes_hold(rest) {
            return Err(BadUri::Escape);
        }
        let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let (number, params) = rest.split_at(end);
        let dialled =
            |b: &u8| b.is_ascii_hexdigit() || matches!(b, b'*' | b'#' | b'+' | b'%') || separator(*b);
        if !number.iter().all(dialled)
            || !number.iter().any(|b| b.is_ascii_hexdigit() || matches!(b, b'*' | b'#'))
        {
            return Err(BadUri::Number);
        }
        Ok(TelUri { number: share(whole, number), params: Params::read_uri(share(whole, params))? })
    }
}

/// Visual separators of RFC 3966 §3.
fn separator(b: u8) -> bool {
    matches!(b, b'-' | b'.' | b'(' | b')')
}

impl OtherUri {
    fn read(whole: &Bytes, scheme: &[u8], rest: &[u8]) -> Result<OtherUri, BadUri> {
        let letters = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        if !scheme.first().is_some_and(u8::is_ascii_alphabetic) || !scheme.iter().all(letters) {
            return Err(BadUri::Scheme);
        }
        if !chars::some(rest, OPAQUE) {
            return Err(BadUri::Character);
        }
        Ok(OtherUri { scheme: share(whole, scheme), rest: share(whole, rest) })
    }
}

impl PartialEq for Uri {
    fn eq(&self, other: &Uri) -> bool {
        match (self, other) {
            (Uri::Sip(a), Uri::Sip(b)) => a == b,
            (Uri::Tel(a), Uri::Tel(b)) => a == b,
            (Uri::Other(a), Uri::Other(b)) => a.scheme.eq_ignore_ascii_case(&b.scheme) && a.rest == b.rest,
            _ => false,
        }
    }
}

impl PartialEq for SipUri {
    /// RFC 3261 §19.1.4: user and password by case, the rest without; a parameter in both must match, and `user`, `ttl`,
    /// `method`, `maddr` (and `transport`, by erratum) must be in both or neither; headers must be the same set.
    fn eq(&self, other: &SipUri) -> bool {
        const BOTH: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];
        self.secure == other.secure
            && same_option(&self.user, &other.user)
            && same_option(&self.password, &other.password)
            && self.host == other.host
            && self.port == other.port
            && params_agree(&self.params, &other.params)
            && BOTH.iter().all(|name| self.param(name).is_some() == other.param(name).is_some())
            && headers_agree(self.headers.as_ref(), other.headers.as_ref())
    }
}

impl PartialEq for TelUri {
    /// RFC 3966 §4: separators do not count, every parameter does.
    fn eq(&self, other: &TelUri) -> bool {
        self.digits().eq_ignore_ascii_case(&other.digits())
            && self.params.len() == other.params.len()
            && self.params.iter().all(|(name, value)| {
                other.params.iter().any(|(n, v)| {
                    same_unescaped(n, name, Case::Free)
                        && same_unescaped(v.unwrap_or(b""), value.unwrap_or(b""), Case::Free)
                })
            })
    }
}

/// Of a name that stands twice, which §19.1.1 forbids, the first counts.
fn params_agree(a: &Params, b: &Params) -> bool {
    a.iter().all(|(name, _)| match (first(a, name), first(b, name)) {
        (Some(x), Some(y)) => same_unescaped(x, y, Case::Free),
        _ => true,
    })
}

fn first<'a>(params: &'a Params, name: &[u8]) -> Option<&'a [u8]> {
    params.iter().find(|(n, _)| same_unescaped(n, name, Case::Free)).map(|(_, value)| value.unwrap_or(b""))
}

fn headers_agree(a: Option<&Bytes>, b: Option<&Bytes>) -> bool {
    let parts = |h: Option<&Bytes>| -> Vec<(Bytes, Bytes)> {
        let raw = h.cloned().unwrap_or_default();
        let mut list: Vec<(Bytes, Bytes)> = Vec::new();
        for part in raw.split(|b| *b == b'&').filter(|p| !p.is_empty()) {
            let cut = memchr::memchr(b'=', part).unwrap_or(part.len());
            let name = unescape(&share(&raw, &part[..cut])).to_ascii_lowercase().into();
            list.push((name, unescape(&share(&raw, part.get(cut + 1..).unwrap_or(b"")))));
        }
        list.sort_unstable();
        list
    };
    match (a, b) {
        (None, None) => true,
        _ => parts(a) == parts(b),
    }
}

fn same_option(a: &Option<Bytes>, b: &Option<Bytes>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => same_unescaped(a, b, Case::Bound),
        _ => false,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Case {
    Bound,
    Free,
}

/// Are they the same once each is decoded, once? `%00` is an octet like any other (RFC 4475 §3.1.1.4).
fn same_unescaped(a: &[u8], b: &[u8], case: Case) -> bool {
    let fold = |b: u8| if case == Case::Free { b.to_ascii_lowercase() } else { b };
    Unescaped { rest: a }.map(fold).eq(Unescaped { rest: b }.map(fold))
}

struct Unescaped<'a> {
    rest: &'a [u8],
}

impl Iterator for Unescaped<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if let [b'%', high, low, rest @ ..] = self.rest
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            self.rest = rest;
            return Some(high * 16 + low);
        }
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }
}

fn hex(b: u8) -> Option<u8> {
    char::from(b).to_digit(16).and_then(|n| u8::try_from(n).ok())
}

/// `%xx` as octets, decoded once: `%2541` is `%41`.
pub fn unescape(raw: &Bytes) -> Bytes {
    if memchr::memchr(b'%', raw).is_none() {
        return raw.clone();
    }
    Unescaped { rest: raw }.collect::<Vec<u8>>().into()
}

/// Writes a user part, with an escape for all that the grammar does not allow there.
fn escape_user(text: &[u8], out: &mut Vec<u8>) {
    for b in text {
        if chars::is(*b, USER) && !matches!(b, b'%' | b'#' | b'[' | b']' | b':') {
            out.push(*b);
        } else {
            out.extend_from_slice(format!("%{b:02X}").as_bytes());
        }
    }
}

/// Is every `%` followed by two hexadecimal digits?
fn escapes_hold(raw: &[u8]) -> bool {
    memchr::memchr_iter(b'%', raw)
        .all(|n| raw.get(n + 1..n + 3).is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)))
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.write()))
    }
}

/// May these octets be a `tel:` or SIP parameter name or value? For those who build URIs from configuration.
pub fn is_param(text: &str) -> bool {
    chars::some(text.as_bytes(), PARAM)
}

#[cfg(test)]
mod tests;
