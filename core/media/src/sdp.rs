//! SDP (RFC 8866) as telephones use it in offer and answer (RFC 3264): read with tolerance and within limits,
//! written strictly.
//!
//! Lines that make no sense are passed over; only a body that has no audio one can use says so. Text that the
//! exchange does not understand never reaches its own offers and answers, except the names of media sections that
//! it refuses.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::net::IpAddr;

use thiserror::Error;

pub use self::write::SdpSession;
use crate::sound::{Codec, Direction, Sound};

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
    /// `a=rtcp-mux`: RTCP shares the port (RFC 5761).
    pub rtcp_mux: bool,
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
    pub fn parse(body: &[u8]) -> Result<Sdp, SdpError> {
        read::parse(body)
    }

    /// The first audio section that Ringtrip can use, and what it says.
    pub fn sound(&self) -> Option<(usize, Sound)> {
        self.media.iter().enumerate().find_map(|(n, m)| Some((n, m.sound()?)))
    }
}

impl Media {
    /// What this section says, if it is audio over plain RTP with a codec that Ringtrip knows.
    pub fn sound(&self) -> Option<Sound> {
        let plain = self.proto.eq_ignore_ascii_case("RTP/AVP") || self.proto.eq_ignore_ascii_case("RTP/AVPF");
        if !self.kind.eq_ignore_ascii_case("audio") || !plain || self.port == 0 {
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
        Some(Sound { addr, codecs, telephone_event, ptime: self.ptime, direction })
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
