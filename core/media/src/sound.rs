//! What one side of a call can hear and say: the meaning of an SDP audio section, without its text.

use std::net::SocketAddr;

/// A codec that Ringtrip knows by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodecKind {
    /// G.711 µ-law, 8 kHz (RFC 3551, payload type 0).
    Pcmu,
    /// G.711 A-law, 8 kHz (RFC 3551, payload type 8).
    Pcma,
    /// G.722, 16 kHz with an RTP clock of 8 kHz (RFC 3551, payload type 9). Passed through, never decoded.
    G722,
    /// Opus, RTP clock 48 kHz (RFC 7587). Passed through, never decoded.
    Opus,
}

/// A codec as negotiated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codec {
    /// Which codec.
    pub kind: CodecKind,
    /// RTP payload type, 0–127.
    pub pt: u8,
    /// The `a=fmtp` value, kept as it came.
    pub fmtp: Option<String>,
}

/// Which way sound flows, seen from the side that says it (RFC 3264 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Sends and receives.
    #[default]
    SendRecv,
    /// Sends only: the classic "hold" of a phone that plays music.
    SendOnly,
    /// Receives only.
    RecvOnly,
    /// Neither.
    Inactive,
}

/// One side's sound.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sound {
    /// Where it wants RTP; `None` for a telephone on a board, or address 0.0.0.0 (RFC 2543 hold).
    pub addr: Option<SocketAddr>,
    /// Its codecs, best first. A telephone on a board lists PCMU and PCMA: its samples are linear.
    pub codecs: Vec<Codec>,
    /// Payload type of RFC 4733 telephone-event, if spoken.
    pub telephone_event: Option<u8>,
    /// Packet time in ms, 10–60; 20 when nothing was said.
    pub ptime: Option<u8>,
    /// Which way sound flows.
    pub direction: Direction,
}

impl Codec {
    /// G.711 µ-law with its static payload type.
    pub const PCMU: Codec = Codec { kind: CodecKind::Pcmu, pt: 0, fmtp: None };
    /// G.711 A-law with its static payload type.
    pub const PCMA: Codec = Codec { kind: CodecKind::Pcma, pt: 8, fmtp: None };
    /// G.722 with its static payload type.
    pub const G722: Codec = Codec { kind: CodecKind::G722, pt: 9, fmtp: None };
}

impl Sound {
    /// What a telephone on a board speaks.
    pub fn analog() -> Sound {
        Sound { codecs: vec![Codec::PCMA, Codec::PCMU], ptime: Some(20), ..Sound::default() }
    }
}
