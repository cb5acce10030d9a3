//! Keys of publishers (Ed25519, RFC 8032), as octets and as text: `ed25519:` and 64 hex digits.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

use crate::cache::hex;

const PUBLIC: &str = "ed25519:";
const SECRET: &str = "ed25519-secret:";

/// A publisher's public key: what packages name and boxes trust.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// A publisher's secret key. Never printed but by [`SecretKey::to_text`].
pub struct SecretKey(SigningKey);

/// A signature.
pub(super) struct Signature(ed25519_dalek::Signature);

/// A text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no {kind} key: {begin} and 64 hex digits")]
pub struct NoKey {
    kind: &'static str,
    begin: &'static str,
}

impl PublicKey {
    pub(super) fn of(octets: [u8; 32]) -> Option<PublicKey> {
        VerifyingKey::from_bytes(&octets).ok().filter(|key| !key.is_weak()).map(PublicKey)
    }

    pub(super) fn octets(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Strictly: a signature that could have been changed into another one is no signature.
    pub(super) fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        self.0.verify_strict(message, &signature.0).is_ok()
    }
}

impl SecretKey {
    /// A new key.
    pub fn new() -> SecretKey {
        SecretKey(SigningKey::from_bytes(&rand::random()))
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// As it is kept in its owner's file.
    pub fn to_text(&self) -> String {
        format!("{SECRET}{}", hex(self.0.as_bytes()))
    }

    pub(super) fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message))
    }
}

impl Signature {
    pub(super) fn of(octets: [u8; 64]) -> Signature {
        Signature(ed25519_dalek::Signature::from_bytes(&octets))
    }

    pub(super) fn octets(&self) -> [u8; 64] {
        self.0.to_bytes()
    }
}

impl Default for SecretKey {
    fn default() -> SecretKey {
        SecretKey::new()
    }
}

impl FromStr for PublicKey {
    type Err = NoKey;
    fn from_str(text: &str) -> Result<PublicKey, NoKey> {
        let octets = text.trim().strip_prefix(PUBLIC).and_then(unhex);
        octets.and_then(PublicKey::of).ok_or(NoKey { kind: "public", begin: PUBLIC })
    }
}

impl FromStr for SecretKey {
    type Err = NoKey;
    fn from_str(text: &str) -> Result<SecretKey, NoKey> {
        let octets: Option<[u8; 32]> = text.trim().strip_prefix(SECRET).and_then(unhex);
        let key = octets.map(|octets| SecretKey(SigningKey::from_bytes(&octets)));
        key.ok_or(NoKey { kind: "secret", begin: SECRET })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC}{}", hex(self.octets()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(***)")
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut octets = [0; 32];
    for (n, octet) in octets.iter_mut().enumerate() {
        *octet = u8::from_str_radix(text.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(octets)
}
