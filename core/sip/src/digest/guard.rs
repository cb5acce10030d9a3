//! The asking side: challenges of one realm, and what is made of the credentials that come back.
//!
//! Phones get much of RFC 7616 slightly wrong. What can be verified is verified, with the `uri` that was given (RFC 3261
//! §22.4); credentials that cannot be used are none, and are answered with a challenge.

use std::fmt;
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};

use super::{Algorithm, Hex, Params, put_quoted, response};
use crate::message::{Headers, Method};
use crate::name::Name;
use crate::nonce::{Nonces, Unusable, same};
use crate::uri;

/// What the exchange knows of a user's password: the two hashes HA1 = H(user:realm:password), made once.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    md5: Option<Hex>,
    sha256: Option<Hex>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// From a password.
    pub fn of_password(user: &str, realm: &str, password: &str) -> Secret {
        let parts = [user.as_bytes(), realm.as_bytes(), password.as_bytes()];
        Secret { md5: Some(Algorithm::Md5.hash(&parts)), sha256: Some(Algorithm::Sha256.hash(&parts)) }
    }
    /// From a stored HA1 in hex: 32 digits of MD5 or 64 of SHA-256; `None` if it is neither.
    pub fn of_ha1(hex: &str) -> Option<Secret> {
        let hex = Hex::read(hex.as_bytes())?;
        Some(match hex.len {
            32 => Secret { md5: Some(hex), sha256: None },
            _ => Secret { md5: None, sha256: Some(hex) },
        })
    }
    /// What either of the two knows.
    pub fn or(self, other: Secret) -> Secret {
        Secret { md5: self.md5.or(other.md5), sha256: self.sha256.or(other.sha256) }
    }
    fn ha1(&self, algorithm: Algorithm) -> Option<&Hex> {
        match algorithm {
            Algorithm::Md5 | Algorithm::Md5Sess => self.md5.as_ref(),
            Algorithm::Sha256 | Algorithm::Sha256Sess => self.sha256.as_ref(),
        }
    }
}

/// What the guard thinks of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is this user.
    Granted(String),
    /// Nobody proved anything: challenge. `tried` tells whether credentials for our realm were there and wrong (count it
    /// against the address); `stale`, that they were right on a used-up nonce. The answer to the network is the same
    /// for an unknown user and for a wrong password.
    Challenge {
        /// Send `stale=true`.
        stale: bool,
        /// The user name that was tried and failed, if one was.
        tried: Option<String>,
    },
}

/// The challenging side: one realm.
#[derive(Debug, Clone)]
pub struct Guard {
    realm: String,
    algorithms: Vec<Algorithm>,
    nonces: Nonces,
    nobody: Secret,
}

impl Guard {
    /// A guard of `realm` that offers `algorithms` in this order (RFC 8760 §2.3: the most preferred first).
    pub fn new(realm: &str, algorithms: &[Algorithm], nonces: Nonces) -> Guard {
        // Nobody's secret makes the work for an unknown user the same as for a known one; its answer is never taken.
        let nobody = Secret::of_password("", realm, "");
        Guard { realm: realm.to_owned(), algorithms: algorithms.to_vec(), nonces, nobody }
    }

    /// The realm guarded.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The values for `WWW-Authenticate` (401) or `Proxy-Authenticate` (407), one for each algorithm, all with one fresh
    /// nonce.
    pub fn challenge(&mut self, now: Instant, stale: bool) -> Vec<Bytes> {
        self.challenge_with(now, stale).1
    }

    /// The same, and the nonce that they carry.
    pub fn challenge_with(&mut self, now: Instant, stale: bool) -> (Bytes, Vec<Bytes>) {
        let nonce = self.nonces.make(now);
        let line = |algorithm: &Algorithm| {
            let mut out = BytesMut::with_capacity(160 + self.realm.len());
            out.put_slice(b"Digest realm=");
            put_quoted(&mut out, self.realm.as_bytes());
            out.put_slice(b", nonce=\"");
            out.put_slice(&nonce);
            out.put_slice(b"\", algorithm=");
            out.put_slice(algorithm.token().as_bytes());
            out.put_slice(b", qop=\"auth\"");
            if stale {
                out.put_slice(b", stale=true");
            }
            out.freeze()
        };
        (Bytes::copy_from_slice(&nonce), self.algorithms.iter().map(line).collect())
    }

    /// Are there credentials for this realm among the lines of `header`?
    pub fn is_offered(&self, headers: &Headers, header: &Name) -> bool {
        self.lines(headers, header).next().is_some()
    }

    /// The user that the credentials for this realm name, if there are any that can be used.
    pub fn named(&self, headers: &Headers, header: &Name) -> Option<String> {
        self.lines(headers, header).find_map(|p| Given::read(&p).map(|given| given.user.to_owned()))
    }

    /// The nonce of those.
    pub fn nonce(&self, headers: &Headers, header: &Name) -> Option<Bytes> {
        let usable = |p: &Params<'_>| Given::read(p).map(|given| Bytes::copy_from_slice(given.nonce));
        self.lines(headers, header).find_map(|p| usable(&p))
    }

    /// Verifies the `Authorization` lines (or `Proxy-Authorization`: `header` says which) of a request. `secret` finds
    /// what is known of a user. Of several lines for this realm the first that holds counts.
    pub fn verify<'s>(
        &mut self,
        now: Instant,
        (method, uri, headers): (&Method, &[u8], &Headers),
        header: &Name,
        secret: impl Fn(&str) -> Option<&'s Secret>,
    ) -> Verdict {
        let (mut stale, mut tried) = (false, None);
        let lines: Vec<Params<'_>> = self.lines(headers, header).collect();
        for p in &lines {
            let usable = |g: &Given<'_>| self.algorithms.contains(&g.algorithm) && !names_another(g.uri, uri);
            let Some(given) = Given::read(p).filter(usable) else {
                continue;
            };
            let known = secret(given.user).and_then(|s| s.ha1(given.algorithm));
            // `nobody` has both hashes, so the fallback after it is never reached; it keeps the work equal all the same.
            let blank = Hex { octets: [b'0'; 64], len: 64 };
            let ha1 = known.or(self.nobody.ha1(given.algorithm)).unwrap_or(&blank);
            let expected = response(given.algorithm, ha1, given.nonce, given.qop, method, given.uri);
            let right = same(expected.as_bytes(), given.response.as_bytes()) & known.is_some();
            if !right {
                tried.get_or_insert_with(|| given.user.to_owned());
                continue;
            }
            match self.nonces.consume(now, given.nonce, given.nc) {
                Ok(()) => return Verdict::Granted(given.user.to_owned()),
                // Right password, old or foreign nonce (we restarted): the phone tries again without asking its user.
                Err(Unusable::Foreign | Unusable::Old | Unusable::Replayed) => stale = true,
            }
        }
        // A phone that leaves an old line beside the new one is no guesser.
        Verdict::Challenge { stale, tried: tried.filter(|_| !stale) }
    }

    /// The lines that are for this realm. Nobody needs many, and each costs a hash.
    fn lines<'h>(&self, headers: &'h Headers, header: &'h Name) -> impl Iterator<Item = Params<'h>> {
        let realm = self.realm.clone();
        headers
            .all(header)
            .filter_map(|line| Params::read(line))
            .filter(move |p| p.get("realm") == Some(realm.as_bytes()))
            .take(LINES)
    }
}

/// Was this proof made for a call to somebody else? Host, port and parameters may differ from the Request-URI, as phones and
/// proxies write them; a user may be missing. But who overhears the proof of a call must not call another number with it.
fn names_another(given: &[u8], asked: &[u8]) -> bool {
    matches!((user_of(given), user_of(asked)), (Some(given), Some(asked)) if given != asked)
}

/// The user of a SIP URI, or the number of a tel URI, without parameters and escapes.
fn user_of(text: &[u8]) -> Option<Bytes> {
    let at = text.iter().position(|c| *c == b':')?;
    let (scheme, rest) = (&text[..at], &text[at + 1..]);
    let user = match rest.iter().rposition(|c| *c == b'@') {
        Some(end) => &rest[..end],
        None if scheme.eq_ignore_ascii_case(b"tel") => rest,
        None => return None,
    };
    let user = user.split(|c| matches!(c, b';' | b':' | b'?')).next().unwrap_or_default();
    Some(uri::unescape(&Bytes::copy_from_slice(user)))
}

/// Lines of one request that are looked at: one for each algorithm, and as many left over from before.
const LINES: usize = 4;

/// The parts of an Authorization line, each there and in form.
struct Given<'a> {
    user: &'a str,
    nonce: &'a [u8],
    uri: &'a [u8],
    algorithm: Algorithm,
    qop: Option<(&'a [u8], &'a [u8], &'a [u8])>,
    nc: Option<u32>,
    response: Hex,
}

impl<'a> Given<'a> {
    /// `None` where something is missing or not in form: such credentials prove nothing.
    fn read(p: &'a Params<'_>) -> Option<Given<'a>> {
        let user = std::str::from_utf8(p.get("username")?).ok()?;
        let algorithm = match p.get("algorithm") {
            Some(token) => Algorithm::read(token)?,
            None => Algorithm::Md5,
        };
        let (qop, nc) = match p.get("qop") {
            Some(qop) if qop.eq_ignore_ascii_case(b"auth") => {
                let nc = p.get("nc")?;
                let digits = std::str::from_utf8(nc).ok().filter(|_| (1..=8).contains(&nc.len()))?;
                // `from_str_radix` takes a sign.
                let digits = Some(digits).filter(|d| !d.starts_with('+'))?;
                let count = u32::from_str_radix(digits, 16).ok()?;
                (Some((nc, p.get("cnonce")?, qop)), Some(count))
            }
            Some(_) => return None,
            None if algorithm.is_session() => return None,
            None => (None, None),
        };
        Some(Given {
            user,
            nonce: p.get("nonce")?,
            uri: p.get("uri")?,
            algorithm,
            qop,
            nc,
            response: Hex::read(p.get("response")?)?,
        })
    }
}
