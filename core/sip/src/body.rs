//! The session description of a body (RFC 5621): the body itself, or a part of a multipart body among others, as with
//! location (RFC 6442), ISUP (RFC 3204) or what a recorder wants to know (RFC 7866).
//!
//! Tolerant: a boundary that is missing in the header is taken from the body, the last one may be missing, lines may end
//! with LF alone. What matters is that nobody loses a call for a part that they do not need.

use bytes::Bytes;

use crate::chars::share;
use crate::message::Headers;
use crate::name::Name;
use crate::params::Params;

/// What `Accept` says of bodies in offers and answers.
pub const ACCEPT: &str = "application/sdp, multipart/mixed, multipart/alternative";

/// What was found in a body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The session description.
    pub sdp: Option<Bytes>,
    /// There is something that the sender requires to be understood (`handling=required`, the default), and it is not: 415.
    pub lacking: bool,
}

/// Deepest nesting, and most parts of one body, that are looked at.
const DEEPEST: u8 = 4;
const MOST: usize = 32;

/// Looks for the session description of a message.
pub fn find(headers: &Headers, body: &Bytes) -> Found {
    if body.is_empty() {
        return Found::default();
    }
    let text = |name| headers.get(name).cloned().unwrap_or_default();
    let part = Part {
        kind: text(&Name::ContentType),
        disposition: text(&Name::ContentDisposition),
        encoding: text(&Name::ContentEncoding),
        body: body.clone(),
    };
    part.find(0)
}

/// A body, or a part of one.
struct Part {
    kind: Bytes,
    disposition: Bytes,
    /// How it is packed, if it is.
    encoding: Bytes,
    body: Bytes,
}

impl Part {
    fn find(&self, depth: u8) -> Found {
        let lacking = Found { sdp: None, lacking: self.is_required() };
        if !is_plain(&self.encoding) {
            return lacking;
        }
        let (kind, params) = split_params(&self.kind);
        let kind = kind.to_ascii_lowercase();
        let untyped_sdp = kind.is_empty() && self.body.starts_with(b"v=0");
        if kind == b"application/sdp" || untyped_sdp {
            // Another disposition than `session` is another session (RFC 3959) or none.
            let (disposition, _) = split_params(&self.disposition);
            let is_session = disposition.is_empty() || disposition.eq_ignore_ascii_case(b"session");
            return if is_session { Found { sdp: Some(self.body.clone()), lacking: false } } else { lacking };
        }
        let Some(subtype) = kind.strip_prefix(b"multipart/").filter(|_| depth < DEEPEST) else {
            // A location is for those who ask; the call does not depend on it.
            let passed = kind == b"application/pidf+xml" && handling(&self.disposition).is_none();
            return Found { lacking: lacking.lacking && !passed, ..lacking };
        };
        let parts = parts(&self.body, params.unquoted("boundary").as_deref());
        let found = parts.iter().map(|part| part.find(depth + 1));
        let found = match subtype {
            // The last that is understood is the best (RFC 2046 §5.1.4).
            b"alternative" => found
                .filter(|found| !found.lacking)
                .last()
                .unwrap_or(Found { sdp: None, lacking: !parts.is_empty() }),
            // The second part is the signature of the first (RFC 1847).
            b"signed" => found.take(1).next().unwrap_or_default(),
            _ => found.fold(Found::default(), |all, one| Found {
                sdp: all.sdp.or(one.sdp),
                lacking: all.lacking || one.lacking,
            }),
        };
        Found { lacking: found.lacking && lacking.lacking, ..found }
    }

    fn is_required(&self) -> bool {
        handling(&self.disposition) != Some(false)
    }
}

/// Does the sender say that this is required?
fn handling(disposition: &Bytes) -> Option<bool> {
    let (_, params) = split_params(disposition);
    Some(!params.get("handling")?.eq_ignore_ascii_case(b"optional"))
}

/// Are the octets of the part those of its content?
fn is_plain(encoding: &[u8]) -> bool {
    let encoding = encoding.trim_ascii();
    encoding.is_empty()
        || [&b"identity"[..], b"binary", b"8bit", b"7bit"].iter().any(|e| encoding.eq_ignore_ascii_case(e))
}

fn split_params(value: &Bytes) -> (&[u8], Params) {
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    (value[..end].trim_ascii(), Params::read(&value.slice(end..)).unwrap_or_default())
}

/// The parts between the boundaries; what stands before the first and after the last is not for us (RFC 2046 §5.1.1).
fn parts(body: &Bytes, boundary: Option<&[u8]>) -> Vec<Part> {
    let guess = || {
        let mut lines = body.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
        let line = lines.find(|line| line.len() > 2 && line.starts_with(b"--"))?;
        line.get(2..).map(<[u8]>::to_vec)
    };
    let Some(boundary) = boundary.filter(|b| !b.is_empty()).map(<[u8]>::to_vec).or_else(guess) else {
        return Vec::new();
    };
    let mut parts = Vec::new();
    let mut begin = None;
    let mut at = 0;
    while at < body.len() && parts.len() < MOST {
        let end = memchr::memchr(b'\n', &body[at..]).map_or(body.len(), |n| at + n + 1);
        if let Some(last) = delimiter(&body[at..end], &boundary) {
            if let Some(begin) = begin {
                parts.push(part(body, begin, at));
            }
            begin = Some(end);
            if last {
                return parts;
            }
        }
        at = end;
    }
    // The last boundary is missing: the body ends here all the same.
    if let Some(begin) = begin.filter(|begin| *begin < body.len() && parts.len() < MOST) {
        parts.push(part(body, begin, body.len()));
    }
    parts
}

/// Is this line a boundary, and the last one?
fn delimiter(line: &[u8], boundary: &[u8]) -> Option<bool> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
    match rest.trim_ascii() {
        b"" => Some(false),
        b"--" => Some(true),
        _ => None,
    }
}

/// The part that begins and ends at these octets, the line end before the boundary not counted.
fn part(body: &Bytes, begin: usize, end: usize) -> Part {
    let mut raw = &body[begin..end.max(begin)];
    raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    raw = raw.strip_suffix(b"\r").unwrap_or(raw);
    // Content-Type, Content-Disposition, and how it is packed.
    let mut values: [Bytes; 3] = Default::default();
    let mut last = None;
    let mut at = 0;
    while at < raw.len() {
        let end = memchr::memchr(b'\n', &raw[at..]).map_or(raw.len(), |n| at + n + 1);
        let line = &raw[at..end];
        at = end;
        let text = line.trim_ascii();
        if text.is_empty() {
            break;
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            if let Some(n) = last {
                let value: &mut Bytes = &mut values[n];
                *value = [&value[..], b" ", text].concat().into();
            }
            continue;
        }
        // No header: a part that begins with its content.
        if values[0].is_empty() && text.starts_with(b"v=0") {
            at -= line.len();
            break;
        }
        let Some(colon) = memchr::memchr(b':', text) else { continue };
        let name = text[..colon].trim_ascii().to_ascii_lowercase();
        last = match &name[..] {
            b"content-type" | b"c" => Some(0),
            b"content-disposition" => Some(1),
            b"content-encoding" | b"e" | b"content-transfer-encoding" => Some(2),
            _ => None,
        };
        if let Some(n) = last {
            values[n] = share(body, text[colon + 1..].trim_ascii());
        }
    }
    let [kind, disposition, encoding] = values;
    Part { kind, disposition, encoding, body: share(body, &raw[at..]) }
}

#[cfg(test)]
mod tests;
