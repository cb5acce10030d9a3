//! `name-addr` and `addr-spec` with their parameters: From, To, Contact, Route, Record-Route, Refer-To, P-Asserted-Identity
//! and their kin (RFC 3261 §20.10, §25.1).

use bytes::Bytes;
use thiserror::Error;

use crate::chars::{self, TOKEN, quoted_end, share, trim, unquote};
use crate::list;
use crate::message::Headers;
use crate::name::Name;
use crate::params::{BadParams, Params};
use crate::uri::{BadUri, Uri};

/// `"Display" <uri>;params`.
#[derive(Debug, Clone)]
pub struct NameAddr {
    /// The display name as text: without quotes, each `\x` as `x`. Usually UTF-8, not always.
    pub display: Option<Bytes>,
    /// The URI.
    pub uri: Uri,
    /// The header's parameters: `tag`, `expires`, `q`, `+sip.instance`, …
    pub params: Params,
}

/// Why octets are not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadAddress {
    /// A quote or `<` that does not end.
    #[error("a quote or angle bracket that does not end")]
    Open,
    /// A display name that must be quoted.
    #[error("a display name that must be quoted")]
    Display,
    /// A URI with `,`, `?` or `;` needs `<…>` around it (RFC 3261 §20.10, RFC 4475 §3.1.2.13).
    #[error("a URI that needs angle brackets")]
    Bare,
    /// A bad URI.
    #[error("a bad URI")]
    Uri(#[from] BadUri),
    /// Bad parameters.
    #[error("bad parameters")]
    Params(#[from] BadParams),
    /// More than 64 in one message.
    #[error("more than 64 addresses")]
    Many,
    /// `*` beside other contacts, or where no `*` may be.
    #[error("a star that does not stand alone")]
    Star,
}

/// More proxies on a way, or telephones of one user, than there are; an address read takes some 300 octets.
const MOST: usize = 64;

impl NameAddr {
    /// An address without display name or parameters.
    pub fn new(uri: impl Into<Uri>) -> NameAddr {
        NameAddr { display: None, uri: uri.into(), params: Params::default() }
    }

    /// Reads one value; see [`list::split`] for lines that hold several.
    ///
    /// # Errors
    /// What is wrong with the value: a quote or bracket that does not end, a display name that must be quoted, a bad URI
    /// or bad parameters.
    pub fn read(raw: &Bytes) -> Result<NameAddr, BadAddress> {
        let text = trim(raw);
        if text.first() == Some(&b'"') {
            let end = quoted_end(text).ok_or(BadAddress::Open)?;
            let (quoted, rest) = text.split_at(end);
            return bracketed(raw, Some(unquote(raw, quoted)), trim(rest));
        }
        // `<` makes it a name-addr only if it comes before anything that a display name cannot hold.
        let mark = text.iter().position(|b| matches!(b, b'<' | b':' | b';' | b'"')).unwrap_or(text.len());
        if text.get(mark) != Some(&b'<') {
            return bare(raw, text);
        }
        let (display, rest) = text.split_at(mark);
        let display = trim(display);
        if !display.iter().all(|b| chars::is(*b, TOKEN) || chars::blank(*b) || *b >= 0x80) {
            return Err(BadAddress::Display);
        }
        bracketed(raw, (!display.is_empty()).then(|| share(raw, display)), rest)
    }

    /// Reads every value of every line of this name, in order.
    ///
    /// # Errors
    /// Those of [`NameAddr::read`] for the first value that cannot be read, or [`BadAddress::Many`] for more than 64
    /// values.
    pub fn list(headers: &Headers, name: &Name) -> Result<Vec<NameAddr>, BadAddress> {
        let mut each = Vec::new();
        for value in headers.all(name).flat_map(list::split) {
            if each.len() == MOST {
                return Err(BadAddress::Many);
            }
            each.push(NameAddr::read(&value)?);
        }
        Ok(each)
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<&[u8]> {
        self.params.get("tag").filter(|t| !t.is_empty())
    }

    /// The same, kept for itself.
    pub fn tag_bytes(&self) -> Option<Bytes> {
        self.params.bytes("tag").filter(|t| !t.is_empty())
    }

    /// Gives it this tag.
    pub fn set_tag(&mut self, tag: &str) {
        self.params.set("tag", Some(tag));
    }

    /// The `expires` parameter in seconds; too large a number reads as the largest.
    pub fn expires(&self) -> Option<u32> {
        self.params.number("expires")
    }

    /// The `q` parameter in thousandths, 0 to 1000 (RFC 3261 §20.10).
    pub fn q(&self) -> Option<u16> {
        let text = self.params.get("q")?;
        let (whole, part) = match memchr::memchr(b'.', text) {
            Some(n) => (&text[..n], &text[n + 1..]),
            None => (text, &b""[..]),
        };
        let whole = if whole.is_empty() { 0 } else { chars::number(whole)? };
        if part.len() > 3 || !part.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let part = part.iter().chain(b"000").take(3).fold(0, |n, b| n * 10 + u64::from(b - b'0'));
        u16::try_from(whole.checked_mul(1000)?.checked_add(part)?).ok().filter(|q| *q <= 1000)
    }

    /// The `+sip.instance` parameter without its quotes: `<urn:uuid:…>` (RFC 5626 §4.1).
    pub fn instance(&self) -> Option<Bytes> {
        self.params.unquoted("+sip.instance").filter(|i| !i.is_empty())
    }

    /// The value for the wire. The URI always stands in `<…>`.
    pub fn write(&self) -> Bytes {
        let mut out = Vec::with_capacity(96);
        if let Some(display) = &self.display {
            chars::quote(display, &mut out);
            out.push(b' ');
        }
        out.push(b'<');
        self.uri.write_to(&mut out);
        out.push(b'>');
        out.extend_from_slice(self.params.as_bytes());
        out.into()
    }
}

/// The contacts of a message.
#[derive(Debug, Clone)]
pub enum Contacts {
    /// `Contact: *`: all that are registered (RFC 3261 §10.2.2).
    All,
    /// The contacts in order; none if there is no Contact header.
    Each(Vec<NameAddr>),
}

impl Contacts {
    /// Reads every Contact header.
    ///
    /// # Errors
    /// [`BadAddress::Star`] if `*` is not the only value; else those of [`NameAddr::list`].
    pub fn read(headers: &Headers) -> Result<Contacts, BadAddress> {
        let mut lines = headers.all(&Name::Contact);
        if let (Some(line), None) = (lines.next(), lines.next())
            && trim(line) == b"*"
        {
            return Ok(Contacts::All);
        }
        let star = headers.all(&Name::Contact).flat_map(list::split).any(|value| &value[..] == b"*");
        if star { Err(BadAddress::Star) } else { NameAddr::list(headers, &Name::Contact).map(Contacts::Each) }
    }
}

/// `<uri>` and what follows, at `text[0]`.
fn bracketed(raw: &Bytes, display: Option<Bytes>, text: &[u8]) -> Result<NameAddr, BadAddress> {
    let inner = text.strip_prefix(b"<").ok_or(BadAddress::Display)?;
    let end = memchr::memchr(b'>', inner).ok_or(BadAddress::Open)?;
    let uri = Uri::read_part(raw, &inner[..end])?;
    let params = Params::read_part(raw, &inner[end + 1..])?;
    Ok(NameAddr { display, uri, params })
}

/// A URI without brackets: all after its first `;` belongs to the header.
fn bare(raw: &Bytes, text: &[u8]) -> Result<NameAddr, BadAddress> {
    let end = memchr::memchr(b';', text).unwrap_or(text.len());
    let (uri, params) = text.split_at(end);
    let uri = trim(uri);
    // `sip:user;x=y@host` means its `;` for the user, and `<…>` is missing.
    let user_cut = memchr::memchr(b'@', uri).is_none() && memchr::memchr(b'@', params).is_some();
    if memchr::memchr2(b'?', b',', uri).is_some() || user_cut {
        return Err(BadAddress::Bare);
    }
    Ok(NameAddr { display: None, uri: Uri::read_part(raw, uri)?, params: Params::read_part(raw, params)? })
}

#[cfg(test)]
mod tests;
