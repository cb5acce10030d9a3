//! Secrets: made, hashed, hidden. Nothing that this module makes is ever logged.

use std::fmt;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use rand::RngCore;
use sha2::{Digest, Sha256};

pub use ringtrip_dialplan::hide_passwords as hide_in_plan;

/// A secret that prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A new token: 256 random bits, with a prefix that secret scanners can find.
pub fn new_token() -> Secret {
    Secret(format!("rt_{}", hex(&random::<32>())))
}

/// The first-run admin secret: 80 random bits in letters and digits that are not mistaken for each other.
pub fn new_admin_secret() -> Secret {
    // 32 letters, so each octet's low five bits pick one evenly.
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    let mut out = String::new();
    for (i, octet) in random::<16>().iter().enumerate() {
        if i > 0 && i % 4 == 0 {
            out.push('-');
        }
        out.push(char::from(LETTERS[usize::from(octet & 31)]));
    }
    Secret(out)
}

/// A new password for a SIP phone: 96 random bits.
pub fn new_phone_password() -> Secret {
    Secret(hex(&random::<12>()))
}

/// A short public name for a token or a session.
pub fn new_id() -> String {
    hex(&random::<6>())
}

/// SHA-256, hex. For tokens only: they have 256 random bits, so a slow hash would protect nothing.
pub fn sha256(text: &str) -> String {
    octets_sha256(text.as_bytes())
}

/// SHA-256 of a file, hex: its name where what it holds is what matters.
pub fn octets_sha256(octets: &[u8]) -> String {
    hex(&Sha256::digest(octets))
}

/// Argon2id hash of a secret that a person types. About 50 ms of a core; run it off the event loop.
pub fn hash(secret: &Secret) -> String {
    let salt = SaltString::encode_b64(&random::<16>()).map_err(|e| e.to_string());
    let hashed = salt.and_then(|salt| {
        argon().hash_password(secret.0.as_bytes(), &salt).map(|h| h.to_string()).map_err(|e| e.to_string())
    });
    // Sixteen octets are a valid salt and the parameters below are constants: this cannot fail.
    hashed.unwrap_or_default()
}

/// Is this the secret of that hash?
pub fn verify(secret: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| argon().verify_password(secret.as_bytes(), &hash).is_ok())
}

fn argon() -> Argon2<'static> {
    // OWASP's second choice for Argon2id: 19 MiB, two passes; a small box can bear it once per login.
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19_456, 2, 1, None).unwrap_or_default())
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_checked_and_hidden() {
        let secret = new_admin_secret();
        let hashed = hash(&secret);
        assert!(hashed.starts_with("$argon2id$"), "{hashed}");
        assert!(verify(&secret.0, &hashed));
        assert!(!verify("admin", &hashed));
        assert!(!verify("", ""));
        assert_eq!(format!("{secret:?}"), "***");
    }
}
