//! SRTP and SRTCP (RFC 3711): packets are encrypted and authenticated in place.
//!
//! AES in counter mode with HMAC-SHA1, tags of 80 or 32 bits: the two suites that every telephone with SDES speaks (RFC
//! 4568 §6.2). Each direction has keys of its own, so a call's end has a [`Sender`] and a [`Receiver`]. Not here: how keys
//! come to be known (`sdp::sdes`), and MKI, which is refused there.
//!
//! The same keystream never meets two packets: a sender refuses an index that it has used (RFC 3711 §9.1).

mod cipher;
mod index;
mod receiver;
mod sender;
#[cfg(test)]
mod tests;

use std::fmt;

use thiserror::Error;

pub use self::receiver::Receiver;
pub use self::sender::Sender;

/// Octets of a master key and its salt, in this order (RFC 4568 §6.2.1).
pub const KEY_AND_SALT: usize = 30;

/// Most octets that protection adds to RTP: the tag.
pub const RTP_OVERHEAD: usize = 10;

/// Octets that protection adds to RTCP: the index and the tag.
pub const RTCP_OVERHEAD: usize = 4 + RTCP_TAG;

/// RTCP has a tag of 80 bits in both suites (RFC 4568 §6.2.2).
const RTCP_TAG: usize = 10;

/// A crypto suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES-128 in counter mode, HMAC-SHA1 with a tag of 80 bits.
    AesCm128HmacSha1_80,
    /// The same with a tag of 32 bits on RTP.
    AesCm128HmacSha1_32,
}

/// The master key and salt of one direction. `Debug` hides them.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// The suite that they are for.
    pub suite: Suite,
    /// Key, then salt.
    pub master: [u8; KEY_AND_SALT],
}

/// Why a packet was not protected or not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SrtpError {
    /// Shorter than its header, trailer and tag.
    #[error("the packet is cut short")]
    Short,
    /// The buffer has no room for the tag.
    #[error("the buffer has no room for the SRTP tag")]
    NoRoom,
    /// Its tag is wrong: another key, or changed on its way.
    #[error("the SRTP tag is wrong")]
    Forged,
    /// Its index was seen before, or is older than the window.
    #[error("the SRTP packet was seen before or is too old")]
    Replayed,
    /// All indexes of the key are used (2^48 RTP or 2^31 RTCP packets).
    #[error("the SRTP key is used up")]
    Exhausted,
    /// More sources than a session keeps track of.
    #[error("too many SRTP sources")]
    TooManySources,
}

impl Suite {
    /// Its name in `a=crypto`.
    pub fn name(self) -> &'static str {
        match self {
            Suite::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// The suite of that name.
    pub fn of_name(name: &str) -> Option<Suite> {
        [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32]
            .into_iter()
            .find(|suite| suite.name().eq_ignore_ascii_case(name))
    }

    /// Octets of the tag on RTP.
    fn rtp_tag(self) -> usize {
        match self {
            Suite::AesCm128HmacSha1_80 => 10,
            Suite::AesCm128HmacSha1_32 => 4,
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({}, ***)", self.suite.name())
    }
}

/// Where the payload of an RTP packet begins; its padding is encrypted and not looked at. `None`: cut short.
fn rtp_payload_at(packet: &[u8]) -> Option<usize> {
    let first = *packet.first().filter(|b| **b >> 6 == 2)?;
    let mut at = crate::rtp::HEADER + 4 * usize::from(first & 0x0F);
    if first & 0x10 != 0 {
        let length = packet.get(at + 2..at + 4)?;
        at += 4 + 4 * usize::from(u16::from_be_bytes([length[0], length[1]]));
    }
    (at <= packet.len()).then_some(at)
}

/// The source of an RTP packet, whose length was checked.
fn rtp_source(packet: &[u8]) -> (u32, u16) {
    let word = |at: usize| packet.get(at..at + 4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    (word(8), word(0) as u16)
}
