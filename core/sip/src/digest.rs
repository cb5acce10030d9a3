//! Digest access authentication (RFC 7616, RFC 8760, RFC 3261 §22), both sides: a [`Client`] that answers 401 and 407,
//! and a [`Guard`] that challenges and verifies. MD5 and SHA-256, plain and `-sess`. The guard asks for `auth` only; the
//! client answers `auth-int` too, where a server takes nothing else.

mod client;
mod guard;

use bytes::{BufMut, BytesMut};
use md5::Md5;
use sha2::{Digest, Sha256};

use crate::message::Method;

pub use client::{Challenge, Client, Credentials, Qop, Unanswered};
pub use guard::{Guard, Secret, Verdict};

/// The hash of a challenge, weakest first, so that `max` picks the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// MD5, also where no algorithm is named.
    Md5,
    /// MD5 over a session key of nonce and cnonce.
    Md5Sess,
    /// SHA-256.
    Sha256,
    /// SHA-256 over a session key of nonce and cnonce.
    Sha256Sess,
}

impl Algorithm {
    /// The token for the wire.
    pub fn token(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Md5Sess => "MD5-sess",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha256Sess => "SHA-256-sess",
        }
    }
    /// The algorithm of this token, in any case.
    pub fn read(raw: &[u8]) -> Option<Algorithm> {
        [Algorithm::Md5, Algorithm::Md5Sess, Algorithm::Sha256, Algorithm::Sha256Sess]
            .into_iter()
            .find(|a| raw.eq_ignore_ascii_case(a.token().as_bytes()))
    }
    fn is_session(self) -> bool {
        matches!(self, Algorithm::Md5Sess | Algorithm::Sha256Sess)
    }
    /// Hash of the parts joined by colons, as lower-case hex.
    fn hash(self, parts: &[&[u8]]) -> Hex {
        match self {
            Algorithm::Md5 | Algorithm::Md5Sess => Hex::new(&joined::<Md5>(parts)),
            Algorithm::Sha256 | Algorithm::Sha256Sess => Hex::new(&joined::<Sha256>(parts)),
        }
    }
}

fn joined<D: Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    let mut hash = D::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    hash.finalize()
}

/// A hash in hex: 32 or 64 octets, on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Hex {
    octets: [u8; 64],
    len: u8,
}

impl Hex {
    fn new(raw: &[u8]) -> Hex {
        let mut octets = [0; 64];
        for (pair, byte) in octets.chunks_exact_mut(2).zip(raw) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        Hex { octets, len: (raw.len() * 2).min(64) as u8 }
    }
    /// `text` if it is as long as a hash and all hex.
    fn read(text: &[u8]) -> Option<Hex> {
        if !matches!(text.len(), 32 | 64) || !text.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut octets = [0; 64];
        octets[..text.len()].copy_from_slice(&text.to_ascii_lowercase());
        Some(Hex { octets, len: text.len() as u8 })
    }
    fn as_bytes(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }
}

/// The `response` of RFC 7616 §3.4.1. `qop` is nonce count, cnonce and the word.
fn response(
    algorithm: Algorithm,
    ha1: &Hex,
    nonce: &[u8],
    qop: Option<(&[u8], &[u8], &[u8])>,
    method: &Method,
    uri: &[u8],
) -> Hex {
    let ha2 = algorithm.hash(&[method.as_bytes(), uri]);
    response_to(algorithm, ha1, nonce, qop, &ha2)
}

/// The same where HA2 is known already: `auth-int` has the body in it (§3.4.3).
fn response_to(
    algorithm: Algorithm,
    ha1: &Hex,
    nonce: &[u8],
    qop: Option<(&[u8], &[u8], &[u8])>,
    ha2: &Hex,
) -> Hex {
    let session;
    let ha1 = match (algorithm.is_session(), qop) {
        (true, Some((_, cnonce, _))) => {
            session = algorithm.hash(&[ha1.as_bytes(), nonce, cnonce]);
            &session
        }
        _ => ha1,
    };
    match qop {
        Some((nc, cnonce, qop)) => algorithm.hash(&[ha1.as_bytes(), nonce, nc, cnonce, qop, ha2.as_bytes()]),
        None => algorithm.hash(&[ha1.as_bytes(), nonce, ha2.as_bytes()]),
    }
}

/// `Scheme name=value, name="value" …` of one header line, read as it comes: unknown names are kept, the first of a
/// name wins, a torn line ends the list.
struct Params<'a>(Vec<(&'a [u8], Vec<u8>)>);

impl<'a> Params<'a> {
    /// The parameters if the scheme is Digest.
    fn read(line: &'a [u8]) -> Option<Params<'a>> {
        let line = line.trim_ascii();
        let end = line.iter().position(u8::is_ascii_whitespace)?;
        let (scheme, mut rest) = line.split_at(end);
        if !scheme.eq_ignore_ascii_case(b"Digest") {
            return None;
        }
        let mut params = Vec::with_capacity(10);
        loop {
            rest = rest.trim_ascii_start();
            while let [b',', more @ ..] = rest {
                rest = more.trim_ascii_start();
            }
            let Some(equals) = rest.iter().position(|c| *c == b'=') else { break };
            let name = rest[..equals].trim_ascii();
            rest = rest[equals + 1..].trim_ascii_start();
            let value;
            (value, rest) = if let [b'"', inside @ ..] = rest { quoted(inside)? } else { token(rest) };
            params.push((name, value));
        }
        Some(Params(params))
    }
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| &v[..])
    }
}

/// The value before the closing quote, without escapes, and what follows; `None` if the quote never closes.
fn quoted(inside: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut rest = inside;
    loop {
        match rest {
            [b'"', more @ ..] => return Some((value, more)),
            [b'\\', c, more @ ..] | [c, more @ ..] => {
                value.push(*c);
                rest = more;
            }
            [] => return None,
        }
    }
}

fn token(rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let end = rest.iter().position(|c| *c == b',').unwrap_or(rest.len());
    (rest[..end].trim_ascii().to_vec(), &rest[end..])
}

/// Writes `value` as a quoted-string.
fn put_quoted(out: &mut BytesMut, value: &[u8]) {
    out.put_u8(b'"');
    for c in value {
        match c {
            b'"' | b'\\' => out.put_slice(&[b'\\', *c]),
            b'\r' | b'\n' | 0 => {}
            c => out.put_u8(*c),
        }
    }
    out.put_u8(b'"');
}

#[cfg(test)]
mod tests;
