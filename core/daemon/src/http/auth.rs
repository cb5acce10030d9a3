//! Who is asking: API tokens, the admin secret's login and its sessions. There is no default password; the secret of
//! the first start is random, printed once and kept as an Argon2id hash.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, COOKIE as COOKIES};

use super::problem::Problem;
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
}

/// Sessions and failed attempts. Tokens live in the store.
#[derive(Default)]
pub struct Auth {
    sessions: Mutex<HashMap<String, Instant>>,
    failures: Mutex<HashMap<IpAddr, (u32, Instant)>>,
}

/// A session ends when nothing was asked for so long.
const SESSION: Duration = Duration::from_secs(12 * 3600);
/// Sessions at once; the oldest goes.
const SESSIONS: usize = 1000;
/// Attempts from one address within [`WINDOW`]; 80 random bits are not guessed at this pace.
const ATTEMPTS: u32 = 5;
/// Attempts from all addresses within [`WINDOW`]: each costs 50 ms of a core.
const ATTEMPTS_ALL: u32 = 60;
const WINDOW: Duration = Duration::from_secs(60);

impl Auth {
    /// Who asks, by cookie or bearer token; `None`: nobody known.
    pub fn identify(&self, request: &HttpRequest, store: &Store) -> Option<Identity> {
        if let Some(value) = request.headers().get(AUTHORIZATION) {
            let token = value.to_str().ok().and_then(|v| v.split_once(' '))?;
            if !token.0.eq_ignore_ascii_case("bearer") {
                return None;
            }
            let hash = secrets::sha256(token.1.trim());
            if self.refresh(&hash) {
                return Some(Identity { name: "admin".to_owned(), scope: Scope::Admin, by_cookie: false });
            }
            let token = store.token_by_hash(&hash)?;
            return Some(Identity { name: token.name, scope: token.scope, by_cookie: false });
        }
        let cookie = session_of(request)?;
        let admin = Identity { name: "admin".to_owned(), scope: Scope::Admin, by_cookie: true };
        self.refresh(&secrets::sha256(cookie)).then_some(admin)
    }

    /// Checks the admin secret and opens a session.
    pub async fn login(&self, from: IpAddr, secret: String, store: &Store) -> Result<Secret, Problem> {
        self.admit(from)?;
        let hash = store.secret("admin").unwrap_or_default();
        let right = actix_web::web::block(move || secrets::verify(&secret, &hash)).await.unwrap_or(false);
        if !right {
            let detail = "this is not the admin secret; `ringtrip serve` printed it at its first start, and \
                          `ringtrip admin reset-secret` makes a new one";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "wrong-secret", detail));
        }
        self.failures.lock().unwrap_or_else(|e| e.into_inner()).remove(&from);
        let session = secrets::new_token();
        let mut sessions = self.sessions.lock().unwrap_or_else(|e| e.into_inner());
        sessions.retain(|_, used| used.elapsed() < SESSION);
        if sessions.len() >= SESSIONS
            && let Some(oldest) = sessions.iter().min_by_key(|(_, used)| **used).map(|(k, _)| k.clone())
        {
            sessions.remove(&oldest);
        }
        sessions.insert(secrets::sha256(&session.0), Instant::now());
        Ok(session)
    }

    /// Ends the session that asks.
    pub fn logout(&self, request: &HttpRequest) {
        if let Some(cookie) = session_of(request) {
            self.sessions.lock().unwrap_or_else(|e| e.into_inner()).remove(&secrets::sha256(cookie));
        }
    }

    fn refresh(&self, hash: &str) -> bool {
        let mut sessions = self.sessions.lock().unwrap_or_else(|e| e.into_inner());
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

    /// Counts an attempt and refuses when there were too many. A right one clears its address.
    fn admit(&self, from: IpAddr) -> Result<(), Problem> {
        let mut failures = self.failures.lock().unwrap_or_else(|e| e.into_inner());
        failures.retain(|_, (_, since)| since.elapsed() < WINDOW);
        let all: u32 = failures.values().map(|(n, _)| n).sum();
        let (n, since) = failures.entry(from).or_insert((0, Instant::now()));
        if *n >= ATTEMPTS || all >= ATTEMPTS_ALL {
            let wait = WINDOW.saturating_sub(since.elapsed()).as_secs().max(1) as u32;
            let detail = format!("too many attempts; try again in {wait} s");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", detail).after(wait));
        }
        *n += 1;
        Ok(())
    }
}

/// The session in the Cookie header (RFC 6265 §4.2.1).
fn session_of(request: &HttpRequest) -> Option<&str> {
    let cookies = request.headers().get_all(COOKIES).filter_map(|c| c.to_str().ok());
    let pairs = cookies.flat_map(|c| c.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// Makes a token and keeps its hash. The token itself is shown once, here.
pub async fn create_token(
    store: &Store,
    name: &str,
    scope: Scope,
) -> Result<(TokenRecord, Secret), StoreError> {
    let token = secrets::new_token();
    let record = TokenRecord {
        id: secrets::new_id(),
        name: name.to_owned(),
        scope,
        sha256: secrets::sha256(&token.0),
        created_micros: now_micros(),
        revoked: false,
    };
    store.put_token(record.clone()).await?;
    Ok((record, token))
}

/// At the first start: makes the admin secret, keeps its hash and answers it, to be printed once.
pub async fn first_secret(store: &Store) -> Result<Option<Secret>, StoreError> {
    if store.secret("admin").is_some() {
        return Ok(None);
    }
    new_secret(store).await.map(Some)
}

/// Makes a new admin secret; the one before is worth nothing from now on.
pub async fn new_secret(store: &Store) -> Result<Secret, StoreError> {
    let secret = secrets::new_admin_secret();
    store.put_secret("admin", &secrets::hash(&secret)).await?;
    Ok(secret)
}
