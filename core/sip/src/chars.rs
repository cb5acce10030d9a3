//! The character classes of RFC 3261 §25.1 as one table, and the few scans that every reader of a header needs.

use bytes::Bytes;

/// `token`.
pub(crate) const TOKEN: u8 = 1;
/// What may stand in `user` without an escape: `unreserved` and `user-unreserved`. `#` and the brackets are not in the
/// grammar but in the dial strings of telephones that are in use; they cannot be mistaken for anything else there.
pub(crate) const USER: u8 = 2;
/// `paramchar` of a URI, and `@`, which telephones put there and which has no other meaning after the host.
pub(crate) const PARAM: u8 = 4;
/// `hnv-unreserved` and its separators: what may stand after `?` in a URI.
pub(crate) const HEADER: u8 = 8;
/// `hostname`, and `_`, which is common in private networks.
pub(crate) const HOST: u8 = 16;
/// `gen-value` without quotes: token, or a host with its brackets and colons.
pub(crate) const VALUE: u8 = 32;
/// `word` with `@`: Call-ID.
pub(crate) const WORD: u8 = 64;
/// Anything but a control, a blank, `<`, `>` or `"`: the body of a URI whose scheme we do not know.
pub(crate) const OPAQUE: u8 = 128;

static TABLE: [u8; 256] = table();

const fn table() -> [u8; 256] {
    let mut t = [0u8; 256];
    let mut c = 0usize;
    while c < 256 {
        let b = c as u8;
        let alnum = b.is_ascii_alphanumeric();
        let mark = has(b"-_.!~*'()", b);
        let mut bits = 0;
        if alnum || has(b"-.!%*_+`'~", b) {
            bits |= TOKEN;
        }
        if alnum || mark || has(b"&=+$,;?/%#[]:", b) {
            bits |= USER;
        }
        if alnum || mark || has(b"[]/:&+$%@", b) {
            bits |= PARAM;
        }
        if alnum || mark || has(b"[]/?:+$%&=;@,", b) {
            bits |= HEADER;
        }
        if alnum || has(b"-._", b) {
            bits |= HOST;
        }
        if alnum || has(b"-.!%*_+`'~[]:/@?&$#|{}^()", b) || b >= 0x80 {
            bits |= VALUE;
        }
        if alnum || has(b"-.!%*_+`'~()<>:\\\"/[]?{}@", b) || has(b"=&$#|,;^", b) || b >= 0x80 {
            bits |= WORD;
        }
        if b > b' ' && b != 0x7f && !has(b"<>\"", b) {
            bits |= OPAQUE;
        }
        t[c] = bits;
        c += 1;
    }
    t
}

const fn has(set: &[u8], b: u8) -> bool {
    let mut i = 0;
    while i < set.len() {
        if set[i] == b {
            return true;
        }
        i += 1;
    }
    false
}

/// Does this octet belong to the class?
#[inline]
pub(crate) fn is(b: u8, class: u8) -> bool {
    TABLE[usize::from(b)] & class != 0
}

/// Do all octets belong to the class? True of nothing at all.
#[inline]
pub(crate) fn all(raw: &[u8], class: u8) -> bool {
    raw.iter().all(|b| is(*b, class))
}

/// At least one octet, and all of the class.
#[inline]
pub(crate) fn some(raw: &[u8], class: u8) -> bool {
    !raw.is_empty() && all(raw, class)
}

/// Blank, tab, or what is left of a fold.
#[inline]
pub(crate) fn blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n')
}

/// Without blanks at either end.
#[inline]
pub(crate) fn trim(raw: &[u8]) -> &[u8] {
    let mut raw = raw;
    while let [first, rest @ ..] = raw
        && blank(*first)
    {
        raw = rest;
    }
    while let [rest @ .., last] = raw
        && blank(*last)
    {
        raw = rest;
    }
    raw
}

/// The part of `whole` that `part`, a slice borrowed from it, covers; empty if it covers nothing.
#[inline]
pub(crate) fn share(whole: &Bytes, part: &[u8]) -> Bytes {
    if part.is_empty() { Bytes::new() } else { whole.slice_ref(part) }
}

/// A number of decimal digits that fits; blanks and signs are not digits.
#[inline]
pub(crate) fn number(raw: &[u8]) -> Option<u64> {
    if raw.is_empty() {
        return None;
    }
    raw.iter().try_fold(0u64, |n, b| match b {
        b'0'..=b'9' => n.checked_mul(10)?.checked_add(u64::from(b - b'0')),
        _ => None,
    })
}

/// The end of the quoted string that begins at `raw[0]`: the index after its closing quote, if it has one.
#[inline]
pub(crate) fn quoted_end(raw: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        let hit = at + memchr::memchr2(b'"', b'\\', raw.get(at..)?)?;
        if raw[hit] == b'"' {
            return Some(hit + 1);
        }
        at = hit + 2;
    }
}

/// The text of a quoted string: without its quotes, each `\x` as `x`. Shares the octets when there is no `\`.
#[inline]
pub(crate) fn unquote(whole: &Bytes, quoted: &[u8]) -> Bytes {
    let inner = quoted.strip_prefix(b"\"").unwrap_or(quoted);
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    if memchr::memchr(b'\\', inner).is_none() {
        return share(whole, inner);
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut octets = inner.iter();
    while let Some(b) = octets.next() {
        match (b, octets.as_slice().first()) {
            (b'\\', Some(next)) => {
                out.push(*next);
                octets.next();
            }
            _ => out.push(*b),
        }
    }
    out.into()
}

/// Writes text as a quoted string: `"`, `\` and controls get their `\`; a line end cannot be written and becomes a blank.
#[inline]
pub(crate) fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for b in text {
        match b {
            b'\r' | b'\n' => out.push(b' '),
            b'"' | b'\\' | 0..=8 | 11..=31 | 127 => out.extend([b'\\', *b]),
            _ => out.push(*b),
        }
    }
    out.push(b'"');
}
