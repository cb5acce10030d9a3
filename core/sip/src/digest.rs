//! Digest access authentication (RFC 7616, RFC 8760, RFC 3261 §22), both sides: a [`Client`] that answers 401 and 407,
//! and a [`Guard`] that challenges and verifies. Only the `auth` quality of protection; MD5 and SHA-256, plain and
//! `-sess`.

use std::fmt;
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use md5::Md5;
use sha2::{Digest, Sha256};

use crate::message::{Headers, Method};
use crate::name::Name;
use crate::nonce::{Nonces, Unusable, same};

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

/// The `response` of RFC 7616 §3.4.1.
fn response(
    algorithm: Algorithm,
    ha1: &Hex,
    nonce: &[u8],
    qop: Option<(&[u8], &[u8], &[u8])>,
    method: &Method,
    uri: &[u8],
) -> Hex {
    let session;
    let ha1 = match (algorithm.is_session(), qop) {
        (true, Some((_, cnonce, _))) => {
            session = algorithm.hash(&[ha1.as_bytes(), nonce, cnonce]);
            &session
        }
        _ => ha1,
    };
    let ha2 = algorithm.hash(&[method.as_bytes(), uri]);
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

// ---------------------------------------------------------------------------------------------------- client

/// One challenge of a 401 or 407.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The protection space.
    pub realm: Bytes,
    /// The server's nonce, verbatim.
    pub nonce: Bytes,
    /// To be returned unchanged.
    pub opaque: Option<Bytes>,
    /// The hash to use.
    pub algorithm: Algorithm,
    /// Does the server know `qop=auth`? Old ones (RFC 2069) do not.
    pub qop: bool,
    /// The password was right, only the nonce too old.
    pub stale: bool,
}

impl Challenge {
    /// A challenge that we can answer; `None` for other schemes, hashes and `auth-int` alone.
    pub fn read(line: &[u8]) -> Option<Challenge> {
        let p = Params::read(line)?;
        let algorithm = match p.get("algorithm") {
            Some(a) => Algorithm::read(a)?,
            None => Algorithm::Md5,
        };
        let qop = match p.get("qop") {
            Some(list) => {
                let auth = list.split(|c| *c == b',').any(|q| q.trim_ascii().eq_ignore_ascii_case(b"auth"));
                if !auth {
                    return None;
                }
                true
            }
            None => false,
        };
        // A session key needs a cnonce, which only travels with qop (RFC 7616 §3.4.2).
        if algorithm.is_session() && !qop {
            return None;
        }
        Some(Challenge {
            realm: Bytes::copy_from_slice(p.get("realm")?),
            nonce: Bytes::copy_from_slice(p.get("nonce")?),
            opaque: p.get("opaque").map(Bytes::copy_from_slice),
            algorithm,
            qop,
            stale: p.get("stale").is_some_and(|s| s.eq_ignore_ascii_case(b"true")),
        })
    }
}

/// Why a challenge was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// No challenge in the response is one that we can answer.
    #[error("no Digest challenge with MD5 or SHA-256 and qop=auth among those offered")]
    Unknown,
    /// The realm is not the one that the credentials are for.
    #[error(
        "challenge for realm {0:?}, but the credentials are for another; set the realm in the configuration"
    )]
    Realm(String),
    /// Two answers were refused: the password is wrong.
    #[error("refused twice: the user name or the password is wrong")]
    Refused,
}

/// Who we are at a server.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
    /// The only realm to answer, so that a stranger's challenge learns nothing; `None` answers any.
    pub realm: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

/// The answering side: one for each server that asks, kept over requests so that the nonce is used again.
#[derive(Debug, Clone)]
pub struct Client {
    credentials: Credentials,
    challenge: Option<(Challenge, Name)>,
    nc: u32,
    tries: u8,
}

/// Answers in a row before giving up: one for the challenge, one for a stale nonce (a server that refuses for ever must
/// not keep us busy).
const TRIES: u8 = 2;

impl Client {
    /// A client that has seen no challenge yet.
    pub fn new(credentials: Credentials) -> Client {
        Client { credentials, challenge: None, nc: 0, tries: 0 }
    }

    /// Takes the strongest challenge of a 401 or 407 (RFC 8760 §2.4). After `Ok`, [`Client::authorize`] the request, with
    /// its CSeq one higher, and send it again.
    pub fn challenged(&mut self, headers: &Headers) -> Result<(), Unanswered> {
        if self.tries >= TRIES {
            return Err(Unanswered::Refused);
        }
        let best = [
            (Name::WwwAuthenticate, Name::Authorization),
            (Name::ProxyAuthenticate, Name::ProxyAuthorization),
        ]
        .into_iter()
        .flat_map(|(asked, answer)| {
            headers.iter().filter(move |(n, _)| *n == asked).map(move |(_, v)| (v.clone(), answer.clone()))
        })
        .filter_map(|(line, answer)| Some((Challenge::read(&line)?, answer)))
        // The first among equals: the server lists them in its own order of preference.
        .reduce(|best, next| if next.0.algorithm > best.0.algorithm { next } else { best });
        let (challenge, answer) = best.ok_or(Unanswered::Unknown)?;
        if self.credentials.realm.as_ref().is_some_and(|r| r.as_bytes() != &challenge.realm[..]) {
            return Err(Unanswered::Realm(String::from_utf8_lossy(&challenge.realm).into_owned()));
        }
        let again = self.challenge.as_ref().is_some_and(|(old, _)| old.nonce == challenge.nonce);
        // The same nonce refused again means the password, not the nonce.
        if again && self.tries > 0 && !challenge.stale {
            return Err(Unanswered::Refused);
        }
        self.tries += 1;
        if !again {
            self.nc = 0;
        }
        self.challenge = Some((challenge, answer));
        Ok(())
    }

    /// The server took the last answer: later challenges count from zero again.
    pub fn accepted(&mut self) {
        self.tries = 0;
    }

    /// The header that answers the last challenge for this request; `None` before any. `uri` is the Request-URI as it
    /// goes on the wire, `cnonce` random text of the caller.
    pub fn authorize(&mut self, method: &Method, uri: &[u8], cnonce: &str) -> Option<(Name, Bytes)> {
        let (challenge, name) = self.challenge.as_ref()?;
        self.nc += 1;
        let c = &self.credentials;
        let nc = format!("{:08x}", self.nc);
        let ha1 = challenge.algorithm.hash(&[c.user.as_bytes(), &challenge.realm, c.password.as_bytes()]);
        let qop = challenge.qop.then_some((nc.as_bytes(), cnonce.as_bytes(), &b"auth"[..]));
        let hex = response(challenge.algorithm, &ha1, &challenge.nonce, qop, method, uri);

        let mut out = BytesMut::with_capacity(320);
        out.put_slice(b"Digest username=");
        put_quoted(&mut out, c.user.as_bytes());
        for (param, value) in
            [(", realm=", &challenge.realm[..]), (", nonce=", &challenge.nonce), (", uri=", uri)]
        {
            out.put_slice(param.as_bytes());
            put_quoted(&mut out, value);
        }
        out.put_slice(b", response=\"");
        out.put_slice(hex.as_bytes());
        out.put_slice(b"\", algorithm=");
        out.put_slice(challenge.algorithm.token().as_bytes());
        if challenge.qop {
            out.put_slice(b", cnonce=");
            put_quoted(&mut out, cnonce.as_bytes());
            out.put_slice(b", qop=auth, nc=");
            out.put_slice(nc.as_bytes());
        }
        if let Some(opaque) = &challenge.opaque {
            out.put_slice(b", opaque=");
            put_quoted(&mut out, opaque);
        }
        Some((name.clone(), out.freeze()))
    }
}

// ---------------------------------------------------------------------------------------------------- server

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
    /// The credentials cannot be read or are for another request: answer 400.
    Malformed(&'static str),
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
        self.algorithms.iter().map(line).collect()
    }

    /// Verifies the `Authorization` lines (or `Proxy-Authorization`: `header` says which) of a request. `secret` finds
    /// what is known of a user.
    pub fn verify<'s>(
        &mut self,
        now: Instant,
        (method, uri, headers): (&Method, &[u8], &Headers),
        header: &Name,
        secret: impl FnOnce(&str) -> Option<&'s Secret>,
    ) -> Verdict {
        let ours = headers
            .all(header)
            .filter_map(|line| Params::read(line))
            .find(|p| p.get("realm") == Some(self.realm.as_bytes()));
        let Some(p) = ours else { return Verdict::Challenge { stale: false, tried: None } };
        let given = match Given::read(&p) {
            Ok(given) => given,
            Err(why) => return Verdict::Malformed(why),
        };
        if !self.algorithms.contains(&given.algorithm) {
            return Verdict::Challenge { stale: false, tried: None };
        }
        if !same_resource(given.uri, uri) {
            return Verdict::Malformed("the digest uri is not the Request-URI");
        }

        let known = secret(given.user).and_then(|s| s.ha1(given.algorithm));
        // `nobody` has both hashes, so the fallback after it is never reached; it keeps the work equal all the same.
        let blank = Hex { octets: [b'0'; 64], len: 64 };
        let ha1 = known.or(self.nobody.ha1(given.algorithm)).unwrap_or(&blank);
        let expected = response(given.algorithm, ha1, given.nonce, given.qop, method, given.uri);
        let right = same(expected.as_bytes(), given.response.as_bytes()) & known.is_some();
        if !right {
            return Verdict::Challenge { stale: false, tried: Some(given.user.to_owned()) };
        }
        match self.nonces.consume(now, given.nonce, given.nc) {
            Ok(()) => Verdict::Granted(given.user.to_owned()),
            // Right password, old or foreign nonce (we restarted): the phone tries again without asking its user.
            Err(Unusable::Foreign | Unusable::Old | Unusable::Replayed) => {
                Verdict::Challenge { stale: true, tried: None }
            }
        }
    }
}

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
    fn read(p: &'a Params<'_>) -> Result<Given<'a>, &'static str> {
        let need = |name, why| p.get(name).ok_or(why);
        let user = std::str::from_utf8(need("username", "credentials without username")?)
            .map_err(|_| "the username is not UTF-8")?;
        let algorithm = match p.get("algorithm") {
            Some(token) => Algorithm::read(token).ok_or("unknown digest algorithm")?,
            None => Algorithm::Md5,
        };
        let (qop, nc) = match p.get("qop") {
            Some(qop) if qop.eq_ignore_ascii_case(b"auth") => {
                let nc = need("nc", "qop without nc")?;
                let count = std::str::from_utf8(nc).ok().filter(|s| s.len() == 8);
                let count =
                    count.and_then(|s| u32::from_str_radix(s, 16).ok()).ok_or("nc is not 8 hex digits")?;
                (Some((nc, need("cnonce", "qop without cnonce")?, qop)), Some(count))
            }
            Some(_) => return Err("qop is not auth"),
            None if algorithm.is_session() => return Err("a -sess algorithm without qop"),
            None => (None, None),
        };
        Ok(Given {
            user,
            nonce: need("nonce", "credentials without nonce")?,
            uri: need("uri", "credentials without uri")?,
            algorithm,
            qop,
            nc,
            response: Hex::read(need("response", "credentials without response")?)
                .ok_or("the digest response is not 32 or 64 hex digits")?,
        })
    }
}

/// Is the digest `uri` that of the request? Phones differ from their own Request-URI in parameters and in the case of
/// the host, so only what stands before these is compared, without case; a credential for one user or host never serves
/// for another.
fn same_resource(given: &[u8], request: &[u8]) -> bool {
    fn stem(uri: &[u8]) -> &[u8] {
        let host = uri.iter().position(|c| *c == b'@').map_or(0, |at| at + 1);
        let end = uri[host..].iter().position(|c| matches!(c, b';' | b'?')).map_or(uri.len(), |i| host + i);
        &uri[..end]
    }
    given == request || stem(given).eq_ignore_ascii_case(stem(request))
}

#[cfg(test)]
mod tests;
