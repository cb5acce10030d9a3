//! `a=crypto` (RFC 4568): keys of SRTP in the session description.
//!
//! Lifetimes are read. MKI, a key derivation rate and streams that are not encrypted or not authenticated are refused: a
//! line with one of them is passed over, and the reason is kept for the answer. Whoever uses these lines trusts the
//! signalling: it must be protected itself, or stay in a network that is.

use std::fmt::Write;

use thiserror::Error;

use crate::srtp::{KEY_AND_SALT, Keys, Suite};

/// Most lines of one section that are looked at.
pub const MAX_LINES: usize = 8;

/// One usable `a=crypto` line. `Debug` hides the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crypto {
    /// What the answer names it by, up to nine digits.
    pub tag: u32,
    /// The keys of what its sender sends.
    pub keys: Keys,
    /// After how many packets the sender means to change the key; `None`: as many as SRTP allows.
    pub lifetime: Option<u64>,
}

/// Why a line cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CryptoError {
    /// It does not follow the grammar of RFC 4568 §9.
    #[error("invalid a=crypto line: expected \"tag suite inline:key\"")]
    Syntax,
    /// The suite is not known.
    #[error("unsupported crypto suite: expected AES_CM_128_HMAC_SHA1_80 or AES_CM_128_HMAC_SHA1_32")]
    Suite,
    /// The key does not have 30 octets.
    #[error("invalid SRTP key: expected 30 octets in base64")]
    Key,
    /// It has a master key identifier, or several keys.
    #[error("MKI in a=crypto is not supported")]
    Mki,
    /// It changes what the suite protects, in a way that is not supported.
    #[error("unsupported parameter in a=crypto")]
    Parameter,
}

impl Crypto {
    /// Reads the value of an `a=crypto` line.
    ///
    /// # Errors
    /// What is wrong with it, or not supported.
    pub fn parse(value: &str) -> Result<Crypto, CryptoError> {
        let mut words = value.split_ascii_whitespace();
        let (tag, suite, key) = match (words.next(), words.next(), words.next()) {
            (Some(tag), Some(suite), Some(key)) => (tag, suite, key),
            _ => return Err(CryptoError::Syntax),
        };
        let digits = (1..=9).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_digit());
        let tag = tag.parse().ok().filter(|_| digits).ok_or(CryptoError::Syntax)?;
        let suite = Suite::of_name(suite).ok_or(CryptoError::Suite)?;
        // Several keys are told apart by their MKI.
        if key.contains(';') {
            return Err(CryptoError::Mki);
        }
        let (method, key) = key.split_once(':').ok_or(CryptoError::Syntax)?;
        if !method.eq_ignore_ascii_case("inline") {
            return Err(CryptoError::Syntax);
        }
        let mut parts = key.split('|');
        let master = base64(parts.next().unwrap_or_default()).ok_or(CryptoError::Key)?;
        let mut limit = None;
        for part in parts {
            // An MKI is a number, a colon and a length; without the colon it is a lifetime, which comes first.
            match lifetime(part) {
                Some(packets) if limit.is_none() => limit = Some(packets),
                _ if part.contains(':') => return Err(CryptoError::Mki),
                _ => return Err(CryptoError::Syntax),
            }
        }
        if words.any(|word| !is_harmless(word)) {
            return Err(CryptoError::Parameter);
        }
        Ok(Crypto { tag, keys: Keys { suite, master }, lifetime: limit })
    }

    /// Writes the line, with its end.
    pub(super) fn write(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = write!(out, "a=crypto:{} {} inline:", self.tag, self.keys.suite.name());
        for [a, b, c] in self.keys.master.as_chunks::<3>().0 {
            let group = u32::from_be_bytes([0, *a, *b, *c]);
            out.extend([18, 12, 6, 0].map(|shift| ALPHABET[(group >> shift & 63) as usize] as char));
        }
        if let Some(packets) = self.lifetime {
            let _ = write!(out, "|{packets}");
        }
        out.push_str("\r\n");
    }
}

/// `2^20` or `1048576`: at most the 2^48 packets that SRTP allows.
fn lifetime(text: &str) -> Option<u64> {
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    let packets = match text.strip_prefix("2^") {
        Some(exponent) => 1u64.checked_shl(u32::try_from(number(exponent)?).ok()?)?,
        None => number(text)?,
    };
    (1..=1 << 48).contains(&packets).then_some(packets)
}

/// A session parameter that changes nothing for us. A window that is larger than asked for is no harm, and a minus says that
/// the parameter may be passed over (RFC 4568 §6.3.7).
fn is_harmless(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default();
    let known =
        ["KDR", "UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP", "FEC_ORDER", "FEC_KEY"];
    match parameter.strip_prefix('-') {
        Some(optional) => !known.contains(&optional.split('=').next().unwrap_or_default()),
        None => name == "WSH" || parameter == "KDR=0",
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Thirty octets in base64: forty letters, which need no padding.
fn base64(text: &str) -> Option<[u8; KEY_AND_SALT]> {
    let mut octets = [0; KEY_AND_SALT];
    let (groups, rest) = text.as_bytes().as_chunks::<4>();
    if groups.len() != KEY_AND_SALT / 3 || !rest.is_empty() {
        return None;
    }
    for (group, out) in groups.iter().zip(octets.as_chunks_mut::<3>().0) {
        let bits = group.iter().try_fold(0u32, |bits, letter| {
            let value = ALPHABET.iter().position(|a| a == letter)?;
            Some(bits << 6 | value as u32)
        })?;
        out.copy_from_slice(&bits.to_be_bytes()[1..]);
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

    #[test]
    fn lines_of_rfc4568() {
        // §6.1 with the MKI left out, and the example of §9's grammar.
        let check = |line: &str, tag: u32, suite: Suite, lifetime: Option<u64>| {
            let read = Crypto::parse(line).unwrap_or_else(|e| panic!("{line}: {e}"));
            assert_eq!((read.tag, read.keys.suite, read.lifetime), (tag, suite, lifetime), "{line}");
            assert_eq!(&read.keys.master[..4], b"=-n@", "{line}");
        };
        use Suite::*;
        check(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"), 1, AesCm128HmacSha1_80, None);
        check(&format!("1 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|2^20"), 1, AesCm128HmacSha1_32, Some(1 << 20));
        check(&format!("007  aes_cm_128_hmac_sha1_80 INLINE:{KEY}|1000"), 7, AesCm128HmacSha1_80, Some(1000));
        check(
            &format!("2 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^48 WSH=128"),
            2,
            AesCm128HmacSha1_80,
            Some(1 << 48),
        );
        check(
            &format!("999999999 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=0 -X=1"),
            999_999_999,
            AesCm128HmacSha1_80,
            None,
        );
    }

    #[test]
    fn lines_that_cannot_be_used() {
        let check = |line: &str, error: CryptoError| assert_eq!(Crypto::parse(line), Err(error), "{line}");
        use CryptoError::*;
        for line in ["", "1", "1 AES_CM_128_HMAC_SHA1_80", "x AES_CM_128_HMAC_SHA1_80 inline:k"] {
            check(line, Syntax);
        }
        let with = |suite: &str, rest: &str| format!("1 {suite} inline:{KEY}{rest}");
        check(&format!("1234567890 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"), Syntax);
        check(&format!("+1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"), Syntax);
        check(&format!("1 AES_CM_128_HMAC_SHA1_80 uri:{KEY}"), Syntax);
        check(&format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}"), Syntax);
        for suite in ["F8_128_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_80", "AEAD_AES_128_GCM", "NULL"] {
            check(&with(suite, ""), Suite);
        }
        let usual = |rest: &str| with("AES_CM_128_HMAC_SHA1_80", rest);
        check(&usual("|2^20|1:4"), Mki);
        check(&usual("|1:4"), Mki);
        check(&usual(&format!("|2^20|1:4;inline:{KEY}|2^20|2:4")), Mki);
        for lifetime in ["|", "|0", "|2^49", "|2^64", "|2^x", "|-1", "|2^20|2^20"] {
            check(&usual(lifetime), Syntax);
        }
        for parameter in ["KDR=1", "UNENCRYPTED_SRTP", "-UNAUTHENTICATED_SRTP", "FEC_KEY=x", "NEW=1"] {
            check(&usual(&format!(" {parameter}")), Parameter);
        }
        for key in
            ["", "short", &KEY[1..], &format!("{KEY}AAAA"), &format!("{}*", &KEY[1..]), &format!("{KEY}==")]
        {
            check(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}"), Key);
        }
    }

    #[test]
    fn the_key_is_not_printed() {
        let crypto = Crypto::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")).expect("read");
        assert_eq!(
            format!("{crypto:?}"),
            "Crypto { tag: 1, keys: Keys(AES_CM_128_HMAC_SHA1_80, ***), lifetime: None }"
        );
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in "\\PC{0,120}", tail in "[ |:;^=A-Za-z0-9+/-]{0,60}") {
            let _ = Crypto::parse(&line);
            let _ = Crypto::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}{tail}"));
        }

        #[test]
        fn what_is_written_is_read(tag in 0u32..1_000_000_000, master: [u8; 30], short: bool, limit in 0u64..5000) {
            let suite = if short { Suite::AesCm128HmacSha1_32 } else { Suite::AesCm128HmacSha1_80 };
            let lifetime = (limit > 0).then_some(limit);
            let crypto = Crypto { tag, keys: Keys { suite, master }, lifetime };
            let mut line = String::new();
            crypto.write(&mut line);
            let value = line.strip_prefix("a=crypto:").and_then(|l| l.strip_suffix("\r\n"));
            prop_assert_eq!(Crypto::parse(value.expect("a line")), Ok(crypto));
        }
    }
}
