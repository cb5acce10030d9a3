//! SDP (RFC 8866) as telephones use it in offer and answer (RFC 3264): read with tolerance and within limits,
//! written strictly.
//!
//! Lines that make no sense are passed over; only a body that has no audio one can use says so. Text that the
//! exchange does not understand never reaches its own offers and answers, except the names of media sections that
//! it refuses.

mod read;
pub mod sdes;
#[cfg(test)]
mod tests;
mod write;

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use self::sdes::{Crypto, CryptoError};
pub use self::write::{SdpSession, Security};
use crate::sound::{Codec, Direction, RtcpPort, Sound};

/// Longest body.
pub const MAX_LEN: usize = 64 * 1024;
/// Most media sections.
pub const MAX_MEDIA: usize = 16;
/// Most attributes of one section that are looked at, and most payload types.
pub const MAX_ATTRIBUTES: usize = 64;

/// Why a body cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SdpError {
    /// Longer than [`MAX_LEN`].
    #[error("the SDP is longer than 64 KiB")]
    TooLong,
    /// More sections than [`MAX_MEDIA`].
    #[error("the SDP has more than 16 media sections")]
    TooManyMedia,
    /// It does not begin with `v=0`.
    #[error("the body does not begin with v=0")]
    NotSdp,
}

/// A session description, as far as telephones need it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sdp {
    /// Session id and version of the `o=` line; a new version says that something changed.
    pub origin: Option<(u64, u64)>,
    /// Its media sections, in order.
    pub media: Vec<Media>,
}

/// One media section (`m=`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Media {
    /// `audio`, `video`, `image` …
    pub kind: String,
    /// 0 is a refused or removed section.
    pub port: u16,
    /// `RTP/AVP` …
    pub proto: String,
    /// The formats as they were written, for refusing the section.
    pub formats: String,
    /// Address from the section's `c=` line, else from the session's.
    pub addr: Option<IpAddr>,
    /// The name that stands there instead, to be resolved.
    pub name: Option<String>,
    /// Its payloads, in order of preference.
    pub payloads: Vec<Payload>,
    /// `a=ptime`.
    pub ptime: Option<u8>,
    /// `a=sendrecv` and its kin, else the session's.
    pub direction: Direction,
    /// `a=rtcp`: the port, if it is not the next one (RFC 3605).
    pub rtcp_port: Option<u16>,
    /// The address that stands there too, if one does.
    pub rtcp_addr: Option<IpAddr>,
    /// `a=rtcp-mux`: RTCP shares the port (RFC 5761).
    pub rtcp_mux: bool,
    /// The `a=crypto` lines that can be used, in order of preference.
    pub crypto: Vec<Crypto>,
    /// Why the first line that cannot be used cannot.
    pub crypto_error: Option<CryptoError>,
}

/// Which sound is taken and offered: plain RTP, or SRTP with keys in the session description (RFC 4568).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SrtpPolicy {
    /// Plain RTP alone: an offer of `RTP/SAVP` is refused.
    #[default]
    Off,
    /// SRTP with whoever can, else plain RTP (RFC 8643): `RTP/AVP` with keys is offered, `RTP/SAVP` is taken too.
    Offer,
    /// SRTP alone: `RTP/SAVP` is offered, plain RTP is refused.
    Require,
}

/// An audio section that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audio {
    /// Which of the sections it is.
    pub at: usize,
    /// What it says.
    pub sound: Sound,
    /// The keys of what its sender sends, if they are to be used.
    pub crypto: Option<Crypto>,
}

/// Why no audio section can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoAudio {
    /// There is none over RTP with a codec that Ringtrip knows.
    #[error("no audio over RTP in a known codec")]
    NoCodec,
    /// SRTP is offered to somebody with whom it is off.
    #[error("SRTP is off")]
    SrtpOff,
    /// Plain RTP is offered to somebody who requires SRTP.
    #[error("SRTP is required")]
    SrtpRequired,
    /// SRTP without a usable `a=crypto` line.
    #[error("no usable a=crypto line")]
    NoKey(Option<CryptoError>),
}

/// One payload type of a section.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payload {
    /// Payload type, 0–127.
    pub pt: u8,
    /// Encoding name; empty for a dynamic type without `a=rtpmap`.
    pub name: String,
    /// RTP clock, Hz.
    pub clock: u32,
    /// `a=fmtp` value.
    pub fmtp: Option<String>,
}

impl Sdp {
    /// Reads a body.
    ///
    /// # Errors
    /// It does not begin with `v=0`, or is longer than is read.
    pub fn parse(body: &[u8]) -> Result<Sdp, SdpError> {
        read::parse(body)
    }

    /// The first audio section over plain RTP that Ringtrip can use, and what it says.
    pub fn sound(&self) -> Option<(usize, Sound)> {
        self.media.iter().enumerate().find_map(|(n, m)| Some((n, m.sound().filter(|_| m.is_plain())?)))
    }

    /// The audio section that suits this policy best: the first with keys where they are wanted, else the first over plain
    /// RTP where that is allowed.
    ///
    /// # Errors
    /// Why there is none.
    pub fn audio(&self, policy: SrtpPolicy) -> Result<Audio, NoAudio> {
        let sections = || self.media.iter().enumerate().filter_map(|(at, m)| Some((at, m, m.sound()?)));
        let protected = sections().find_map(|(at, m, sound)| {
            let crypto = Some(m.crypto.first()?.clone());
            Some(Audio { at, sound, crypto })
        });
        let plain = sections().find(|(_, m, _)| m.is_plain());
        let plain = plain.map(|(at, _, sound)| Audio { at, sound, crypto: None });
        let why_not = || match sections().next() {
            None => NoAudio::NoCodec,
            Some((_, m, _)) => NoAudio::NoKey(m.crypto_error),
        };
        match policy {
            SrtpPolicy::Off if plain.is_none() && sections().next().is_some() => Err(NoAudio::SrtpOff),
            SrtpPolicy::Off => plain.ok_or(NoAudio::NoCodec),
            SrtpPolicy::Offer => protected.or(plain).ok_or_else(why_not),
            SrtpPolicy::Require if protected.is_none() && plain.is_some() => {
                let refused = sections().find_map(|(_, m, _)| m.crypto_error);
                Err(refused.map_or(NoAudio::SrtpRequired, |e| NoAudio::NoKey(Some(e))))
            }
            SrtpPolicy::Require => protected.ok_or_else(why_not),
        }
    }
}

impl Media {
    /// Is it over RTP by a profile that asks for no protection?
    pub fn is_plain(&self) -> bool {
        self.proto.eq_ignore_ascii_case("RTP/AVP") || self.proto.eq_ignore_ascii_case("RTP/AVPF")
    }

    /// Is it over SRTP with keys in the session description, not by DTLS?
    pub fn is_savp(&self) -> bool {
        self.proto.eq_ignore_ascii_case("RTP/SAVP") || self.proto.eq_ignore_ascii_case("RTP/SAVPF")
    }

    /// What this section says, if it is audio over RTP or SRTP with a codec that Ringtrip knows.
    fn sound(&self) -> Option<Sound> {
        let is_rtp = self.is_plain() || self.is_savp();
        if !self.kind.eq_ignore_ascii_case("audio") || !is_rtp || self.port == 0 {
            return None;
        }
        let codecs: Vec<Codec> = self.payloads.iter().filter_map(Payload::codec).collect();
        if codecs.is_empty() {
            return None;
        }
        let event = |p: &&Payload| p.name.eq_ignore_ascii_case("telephone-event");
        // Events may be offered per clock; those of 8 kHz go with G.711.
        let events = || self.payloads.iter().filter(event);
        let telephone_event = events().find(|p| p.clock == 8000).or(events().next()).map(|p| p.pt);
        let addr = self.addr.filter(|a| !a.is_unspecified()).map(|a| (a, self.port).into());
        // An address of zeros was "hold" before RFC 3264: whoever says it does not receive.
        let direction = match (addr, self.direction.sends()) {
            (Some(_), _) => self.direction,
            // It does, though only DNS knows where.
            _ if self.name.is_some() => self.direction,
            (None, true) => Direction::SendOnly,
            (None, false) => Direction::Inactive,
        };
        let rtcp = self.rtcp();
        Some(Sound { addr, codecs, telephone_event, ptime: self.ptime, direction, rtcp })
    }

    fn rtcp(&self) -> RtcpPort {
        match (self.rtcp_mux, self.rtcp_port.filter(|port| *port != 0)) {
            (true, _) => RtcpPort::Shared,
            (false, Some(port)) => {
                match self.rtcp_addr.filter(|ip| Some(*ip) != self.addr && !ip.is_unspecified()) {
                    Some(ip) => RtcpPort::Named(SocketAddr::new(ip, port)),
                    None => RtcpPort::Port(port),
                }
            }
            (false, None) => RtcpPort::Next,
        }
    }

    /// Names of codecs that Ringtrip does not know, for saying why an offer was declined.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        let known = |p: &&Payload| p.codec().is_none() && !p.name.eq_ignore_ascii_case("telephone-event");
        self.payloads.iter().filter(known).map(|p| &p.name[..])
    }
}

impl Payload {
    /// The codec, if Ringtrip knows it.
    pub fn codec(&self) -> Option<Codec> {
        use crate::sound::CodecKind::*;
        let kinds = [Pcmu, Pcma, G722, Opus];
        let named = |k: &crate::sound::CodecKind| {
            let name = k.rtpmap().split('/').next().unwrap_or_default();
            self.name.eq_ignore_ascii_case(name) && self.clock == k.clock()
        };
        let kind = kinds.into_iter().find(named)?;
        Some(Codec { kind, pt: self.pt, fmtp: self.fmtp.clone() })
    }
}
