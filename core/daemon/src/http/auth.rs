//! Who is asking: API tokens, the admin secret's login and its sessions. There is no default password; the secret of
//! the first start is random, printed once and kept as an Argon2id hash.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, COOKIE as COOKIES};
use tokio::sync::{Semaphore, watch};

use super::guesses::Guesses;
use super::problem::Problem;
use crate::config::Viewer;
use crate::secrets::{self, Secret};
use crate::store::{Scope, Store, StoreError, TokenRecord, now_micros};

/// Name of the session cookie.
pub const COOKIE: &str = "ringtrip_session";

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `admin`, or the token's name.
    pub name: String,
    /// What they may do.
    pub scope: Scope,
    /// By cookie: then a browser may be tricked into asking, and the origin must be proven.
    pub by_cookie: bool,
    /// What proved it.
    pub credential: Credential,
}

impl Identity {
    /// How much of a document they see.
    pub fn viewer(&self) -> Viewer {
        match self.scope {
            Scope::Admin => Viewer::Administrator,
            Scope::Read => Viewer::Reader,
        }
    }
}

/// What an identity was proved by: it can end while an answer is still being sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Credential {
    /// A session, by its hash.
    Session(String),
    /// A token, by its hash.
    Token(String),
}

/// Sessions and failed attempts. Tokens live in the store.
pub struct Auth {
    sessions: Mutex<HashMap<String, Instant>>,
    guesses: Mutex<Guesses>,
    /// The secret that was right last, as a digest together with the hash that it was right for. A secret of 80 random
    /// bits needs no slow hash in memory, and so a flood of guesses costs nothing once an administrator was here.
    verified: Mutex<Option<String>>,
    /// Slow checks, one at a time each: of this machine, of addresses that never failed, and of others.
    slow: [Semaphore; 3],
    /// Counts sessions and tokens that have ended.
    ended: watch::Sender<u64>,
}

impl Default for Auth {
    fn default() -> Auth {
        Auth {
            sessions: Mutex::default(),
            guesses: Mutex::default(),
            verified: Mutex::default(),
            slow: [Semaphore::new(1), Semaphore::new(1), Semaphore::new(1)],
            ended: watch::Sender::new(0),
        }
    }
}

/// A session ends when nothing was asked for so long.
const SESSION: Duration = Duration::from_secs(12 * 3600);
/// Sessions at once; the oldest goes.
const SESSIONS: usize = 1000;

impl Auth {
    /// Who asks, by cookie or bearer token; `None`: nobody known.
    pub fn identify(&self, request: &HttpRequest, store: &Store) -> Option<Identity> {
        let admin = |hash: String, by_cookie: bool| Identity {
            name: "admin".to_owned(),
            scope: Scope::Admin,
            by_cookie,
            credential: Credential::Session(hash),
        };
        if let Some(value) = request.headers().get(AUTHORIZATION) {
            let token = value.to_str().ok().and_then(|v| v.split_once(' '))?;
            if !token.0.eq_ignore_ascii_case("bearer") {
                return None;
            }
            let hash = secrets::sha256(token.1.trim());
            if self.refresh(&hash) {
                return Some(admin(hash, false));
            }
            let token = store.token_by_hash(&hash)?;
            let credential = Credential::Token(hash);
            return Some(Identity { name: token.name, scope: token.scope, by_cookie: false, credential });
        }
        let hash = secrets::sha256(session_of(request)?);
        self.refresh(&hash).then(|| admin(hash, true))
    }

    /// Does the credential still count? Asking keeps a session alive.
    pub fn still_counts(&self, credential: &Credential, store: &Store) -> bool {
        match credential {
            Credential::Session(hash) => self.refresh(hash),
            Credential::Token(hash) => store.token_by_hash(hash).is_some(),
        }
    }

    /// Changes whenever a session or a token has ended.
    pub fn watch_ended(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    /// A token was revoked: what it opened ends.
    pub fn token_ended(&self) {
        self.ended.send_modify(|n| *n += 1);
    }

    /// Checks the admin secret and opens a session. `Err` has how many wrong attempts there were from this address.
    ///
    /// # Errors
    /// The secret is wrong, or too many attempts are waiting.
    pub async fn login(&self, from: IpAddr, secret: String, store: &Store) -> Result<Secret, LoginError> {
        let hash = store.secret("admin").unwrap_or_default();
        let is_right = self.is_right(from, secret, hash).await?;
        let delay = lock(&self.guesses).delay(Instant::now(), from);
        if !delay.is_zero() {
            // The right secret always waits its time; wrong ones only while there is room.
            let waits = Waiting::new(&self.guesses, from);
            if is_right || waits.is_some() {
                tokio::time::sleep(delay).await;
            }
        }
        let mut guesses = lock(&self.guesses);
        let now = Instant::now();
        if is_right {
            guesses.succeeded(from);
            drop(guesses);
            return Ok(self.open_session());
        }
        let is_over = guesses.is_over(now, from);
        let attempts = guesses.failed(now, from);
        let retry_after = is_over.then(|| guesses.retry_after(now, from));
        Err(LoginError { attempts, retry_after })
    }

    async fn is_right(&self, from: IpAddr, secret: String, hash: String) -> Result<bool, LoginError> {
        let digest = secrets::sha256(&format!("{hash} {secret}"));
        let known = lock(&self.verified).clone();
        if let Some((of, right)) = known.as_deref().and_then(|known| known.split_once(' '))
            && of == secrets::sha256(&hash)
        {
            return Ok(right == digest);
        }
        let now = Instant::now();
        let is_local = from.to_canonical().is_loopback();
        let lane = match is_local {
            true => 0,
            false if lock(&self.guesses).delay(now, from).is_zero() => 1,
            false => 2,
        };
        let waits = Waiting::new(&self.guesses, from);
        if waits.is_none() && !is_local {
            let mut guesses = lock(&self.guesses);
            let attempts = guesses.failed(now, from);
            return Err(LoginError { attempts, retry_after: Some(guesses.retry_after(now, from)) });
        }
        // A semaphore that is never closed always gives a permit.
        let _one = self.slow[lane].acquire().await.ok();
        let checked = hash.clone();
        let right = actix_web::web::block(move || secrets::verify(&secret, &checked)).await.unwrap_or(false);
        if right {
            *lock(&self.verified) = Some(format!("{} {digest}", secrets::sha256(&hash)));
        }
        Ok(right)
    }

    fn open_session(&self) -> Secret {
        let session = secrets::new_token();
        let mut sessions = lock(&self.sessions);
        sessions.retain(|_, used| used.elapsed() < SESSION);
        if sessions.len() >= SESSIONS
            && let Some(oldest) = sessions.iter().min_by_key(|(_, used)| **used).map(|(k, _)| k.clone())
        {
            sessions.remove(&oldest);
        }
        sessions.insert(secrets::sha256(&session.0), Instant::now());
        session
    }

    /// Ends the session that asks; `false`: it was a token, which a logout does not end.
    pub fn logout(&self, who: &Identity) -> bool {
        let Credential::Session(hash) = &who.credential else { return false };
        lock(&self.sessions).remove(hash);
        self.ended.send_modify(|n| *n += 1);
        true
    }

    fn refresh(&self, hash: &str) -> bool {
        let mut sessions = lock(&self.sessions);
        match sessions.get_mut(hash) {
            Some(used) if used.elapsed() < SESSION => {
                *used = Instant::now();
                true
            }
            Some(_) => {
                sessions.remove(hash);
                false
            }
            None => false,
        }
    }
}

/// A wrong admin secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginError {
    /// Wrong attempts from this address lately.
    pub attempts: u32,
    /// There were too many; seconds until they are forgotten.
    pub retry_after: Option<u32>,
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Problem {
        if let Some(wait) = error.retry_after {
            let detail = format!("wrong secret, and too many attempts from this address; wait {wait} s");
            return Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", detail).after(wait);
        }
        let detail = "this is not the admin secret; `ringtrip serve` printed it at its first start, and \
                      `ringtrip admin reset-secret` makes a new one";
        Problem::new(StatusCode::UNAUTHORIZED, "wrong-secret", detail)
    }
}

/// An attempt that waits; it is counted until it is dropped.
struct Waiting<'a> {
    guesses: &'a Mutex<Guesses>,
    from: IpAddr,
}

impl Waiting<'_> {
    fn new(guesses: &Mutex<Guesses>, from: IpAddr) -> Option<Waiting<'_>> {
        lock(guesses).may_wait(Instant::now(), from).then_some(Waiting { guesses, from })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(self.guesses).waited(self.from);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

/// The session in the Cookie header (RFC 6265 §4.2.1).
fn session_of(request: &HttpRequest) -> Option<&str> {
    let cookies = request.headers().get_all(COOKIES).filter_map(|c| c.to_str().ok());
    let pairs = cookies.flat_map(|c| c.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// Makes a token and keeps its hash. The token itself is shown once, here.
///
/// # Errors
/// The store cannot keep it.
pub async fn create_token(
    store: &Store,
    name: &str,
    scope: Scope,
) -> Result<(TokenRecord, Secret), StoreError> {
    let (record, token) = new_token(name, scope);
    store.put_token(record.clone()).await?;
    Ok((record, token))
}

/// A token that nobody keeps yet.
pub fn new_token(name: &str, scope: Scope) -> (TokenRecord, Secret) {
    let token = secrets::new_token();
    let record = TokenRecord {
        id: secrets::new_id(),
        name: name.to_owned(),
        scope,
        sha256: secrets::sha256(&token.0),
        created_micros: now_micros(),
        revoked: false,
    };
    (record, token)
}

/// At the first start: makes the admin secret, keeps its hash and answers it, to be printed once.
///
/// # Errors
/// The store cannot keep the hash.
pub async fn first_secret(store: &Store) -> Result<Option<Secret>, StoreError> {
    if store.secret("admin").is_some() {
        return Ok(None);
    }
    let secret = secrets::new_admin_secret();
    store.start_secret("admin", &secrets::hash(&secret)).await?;
    Ok(Some(secret))
}

/// Makes a new admin secret; the one before is worth nothing from now on.
///
/// # Errors
/// The store cannot keep the hash; the secret before stays valid.
pub async fn new_secret(store: &Store) -> Result<Secret, StoreError> {
    let secret = secrets::new_admin_secret();
    store.put_secret("admin", &secrets::hash(&secret)).await?;
    Ok(secret)
}
