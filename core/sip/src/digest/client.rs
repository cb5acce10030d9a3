//! The answering side: what servers and proxies have asked for, and the credentials that each request brings them.
//!
//! One request may pass several that ask, each with a realm of its own and in a header of its own (RFC 3261 §22.3). What
//! one has asked for is answered in every later request, so that a 407 and a 401 after it are both satisfied.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::{Algorithm, Params, put_quoted, response_to};
use crate::message::{Headers, Method, Request};
use crate::name::Name;

/// The quality of protection of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qop {
    /// The method and the URI are protected.
    Auth,
    /// The body as well.
    AuthInt,
}

impl Qop {
    fn token(self) -> &'static str {
        match self {
            Qop::Auth => "auth",
            Qop::AuthInt => "auth-int",
        }
    }
}

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
    /// The quality of protection to answer with; old servers (RFC 2069) know none.
    pub qop: Option<Qop>,
    /// The password was right, only the nonce too old.
    pub stale: bool,
}

impl Challenge {
    /// A challenge that we can answer; `None` for other schemes and hashes.
    pub fn read(line: &[u8]) -> Option<Challenge> {
        let p = Params::read(line)?;
        let algorithm = match p.get("algorithm") {
            Some(a) => Algorithm::read(a)?,
            None => Algorithm::Md5,
        };
        let qop = match p.get("qop") {
            Some(list) => {
                let offers = |qop: Qop| {
                    list.split(|c| *c == b',')
                        .any(|q| q.trim_ascii().eq_ignore_ascii_case(qop.token().as_bytes()))
                };
                // `auth` where there is a choice: a proxy on the way may change a body, and then no digest of it holds.
                Some([Qop::Auth, Qop::AuthInt].into_iter().find(|qop| offers(*qop))?)
            }
            None => None,
        };
        // A session key needs a cnonce, which only travels with qop (RFC 7616 §3.4.2).
        if algorithm.is_session() && qop.is_none() {
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
    #[error("no Digest challenge with MD5 or SHA-256 among those offered")]
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

/// The answering side: one for each registration or call, kept over its requests so that nonces are used again.
#[derive(Debug, Clone)]
pub struct Client {
    credentials: Credentials,
    /// What was asked for, by header and realm, in the order in which it came up.
    asked: Vec<Asked>,
    /// Challenges in a row since something was accepted.
    rounds: u8,
}

/// What one server or proxy has asked for.
#[derive(Debug, Clone)]
struct Asked {
    challenge: Challenge,
    /// The header that answers it.
    answer: Name,
    /// How often its nonce was used.
    nc: u32,
    /// Its challenges in a row since something was accepted.
    tries: u8,
}

/// Answers in a row to one realm before giving up: one for the challenge, one for a stale nonce (a server that refuses for
/// ever must not keep us busy).
const TRIES: u8 = 2;
/// Challenges in a row, of all realms together: a server that thinks of a new realm each time is left as well.
const ROUNDS: u8 = 6;

impl Client {
    /// A client that has seen no challenge yet.
    pub fn new(credentials: Credentials) -> Client {
        Client { credentials, asked: Vec::new(), rounds: 0 }
    }

    /// Takes the challenges of a 401 or 407: of each header and realm the strongest that can be answered (RFC 8760 §2.4).
    /// After `Ok`, [`Client::sign`] the request, with its CSeq one higher, and send it again.
    ///
    /// # Errors
    /// No challenge can be answered, all of them are for another realm than the credentials, or the credentials were
    /// refused twice.
    pub fn challenged(&mut self, headers: &Headers) -> Result<(), Unanswered> {
        let mut best: Vec<(Challenge, Name)> = Vec::new();
        for (name, line) in headers.iter() {
            let answer = match name {
                Name::WwwAuthenticate => Name::Authorization,
                Name::ProxyAuthenticate => Name::ProxyAuthorization,
                _ => continue,
            };
            let Some(challenge) = Challenge::read(line) else { continue };
            match best.iter_mut().find(|(c, a)| c.realm == challenge.realm && *a == answer) {
                // The first among equals: the server lists them in its own order of preference.
                Some((known, _)) if challenge.algorithm > known.algorithm => *known = challenge,
                Some(_) => {}
                None => best.push((challenge, answer)),
            }
        }
        let Some((first, _)) = best.first() else { return Err(Unanswered::Unknown) };
        if let Some(own) = &self.credentials.realm {
            let stranger = String::from_utf8_lossy(&first.realm).into_owned();
            best.retain(|(c, _)| c.realm == own.as_bytes());
            if best.is_empty() {
                return Err(Unanswered::Realm(stranger));
            }
        }
        if self.rounds >= ROUNDS {
            return Err(Unanswered::Refused);
        }
        let mut worth_a_try = false;
        for (challenge, answer) in best {
            worth_a_try |= self.take(challenge, answer);
        }
        if !worth_a_try {
            return Err(Unanswered::Refused);
        }
        self.rounds += 1;
        Ok(())
    }

    /// Notes a challenge; false where its realm has refused what can be said to it.
    fn take(&mut self, challenge: Challenge, answer: Name) -> bool {
        let known =
            self.asked.iter_mut().find(|a| a.challenge.realm == challenge.realm && a.answer == answer);
        let Some(known) = known else {
            self.asked.push(Asked { challenge, answer, nc: 0, tries: 1 });
            return true;
        };
        let again = known.challenge.nonce == challenge.nonce;
        // The same nonce refused again means the password, not the nonce.
        if known.tries >= TRIES || again && known.tries > 0 && !challenge.stale {
            return false;
        }
        known.tries += 1;
        if !again {
            known.nc = 0;
        }
        known.challenge = challenge;
        true
    }

    /// The server took the last answer: later challenges count from zero again.
    pub fn accepted(&mut self) {
        self.rounds = 0;
        self.asked.iter_mut().for_each(|asked| asked.tries = 0);
    }

    /// Puts the credentials for all that was asked for on a request, in place of those that it has. `cnonce` is random
    /// text of the caller.
    pub fn sign(&mut self, request: &mut Request, cnonce: &str) {
        request.headers.remove(&Name::Authorization);
        request.headers.remove(&Name::ProxyAuthorization);
        for asked in &mut self.asked {
            let value =
                asked.answer(&self.credentials, (&request.method, &request.uri, &request.body), cnonce);
            request.headers.push(asked.answer.clone(), value);
        }
    }

    /// The header that answers the first challenge alone, for a request without a body; `None` before any. `uri` is the
    /// Request-URI as it goes on the wire.
    pub fn authorize(&mut self, method: &Method, uri: &[u8], cnonce: &str) -> Option<(Name, Bytes)> {
        let asked = self.asked.first_mut()?;
        let value = asked.answer(&self.credentials, (method, uri, b""), cnonce);
        Some((asked.answer.clone(), value))
    }
}

impl Asked {
    fn answer(
        &mut self,
        credentials: &Credentials,
        (method, uri, body): (&Method, &[u8], &[u8]),
        cnonce: &str,
    ) -> Bytes {
        self.nc += 1;
        let Asked { challenge, nc, .. } = self;
        let algorithm = challenge.algorithm;
        let nc = format!("{nc:08x}");
        let (user, password) = (credentials.user.as_bytes(), credentials.password.as_bytes());
        let ha1 = algorithm.hash(&[user, &challenge.realm, password]);
        let ha2 = match challenge.qop {
            Some(Qop::AuthInt) => {
                algorithm.hash(&[method.as_bytes(), uri, algorithm.hash(&[body]).as_bytes()])
            }
            Some(Qop::Auth) | None => algorithm.hash(&[method.as_bytes(), uri]),
        };
        let qop = challenge.qop.map(|qop| (nc.as_bytes(), cnonce.as_bytes(), qop.token().as_bytes()));
        let hex = response_to(algorithm, &ha1, &challenge.nonce, qop, &ha2);

        let mut out = BytesMut::with_capacity(320);
        out.put_slice(b"Digest username=");
        put_quoted(&mut out, user);
        for (param, value) in
            [(", realm=", &challenge.realm[..]), (", nonce=", &challenge.nonce), (", uri=", uri)]
        {
            out.put_slice(param.as_bytes());
            put_quoted(&mut out, value);
        }
        out.put_slice(b", response=\"");
        out.put_slice(hex.as_bytes());
        out.put_slice(b"\", algorithm=");
        out.put_slice(algorithm.token().as_bytes());
        if let Some(qop) = challenge.qop {
            out.put_slice(b", cnonce=");
            put_quoted(&mut out, cnonce.as_bytes());
            out.put_slice(b", qop=");
            out.put_slice(qop.token().as_bytes());
            out.put_slice(b", nc=");
            out.put_slice(nc.as_bytes());
        }
        if let Some(opaque) = &challenge.opaque {
            out.put_slice(b", opaque=");
            put_quoted(&mut out, opaque);
        }
        out.freeze()
    }
}
