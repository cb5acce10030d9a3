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

/// Where a side sends and wants its RTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RtcpPort {
    /// At the port after RTP's (RFC 3550 §11).
    #[default]
    Next,
    /// At this port of the host that RTP is with: `a=rtcp` (RFC 3605).
    Port(u16),
    /// Somewhere else: `a=rtcp` with an address of its own.
    Named(SocketAddr),
    /// At RTP's own port: `a=rtcp-mux` (RFC 5761).
    Shared,
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
    /// Where its RTCP is.
    pub rtcp: RtcpPort,
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

impl Codec {
    /// Is it G.711, and by which law?
    pub fn law(&self) -> Option<crate::g711::Law> {
        self.kind.law()
    }
}

impl CodecKind {
    /// Is it G.711, and by which law?
    pub fn law(self) -> Option<crate::g711::Law> {
        match self {
            CodecKind::Pcmu => Some(crate::g711::Law::Mu),
            CodecKind::Pcma => Some(crate::g711::Law::A),
            CodecKind::G722 | CodecKind::Opus => None,
        }
    }

    /// RTP clock, Hz. G.722's is 8,000 by an old mistake that RFC 3551 §4.5.2 keeps.
    pub fn clock(self) -> u32 {
        match self {
            CodecKind::Pcmu | CodecKind::Pcma | CodecKind::G722 => 8000,
            CodecKind::Opus => 48_000,
        }
    }

    /// Name, clock and channels as in `a=rtpmap`.
    pub fn rtpmap(self) -> &'static str {
        match self {
            CodecKind::Pcmu => "PCMU/8000",
            CodecKind::Pcma => "PCMA/8000",
            CodecKind::G722 => "G722/8000",
            CodecKind::Opus => "opus/48000/2",
        }
    }
}

impl Direction {
    /// The word in SDP.
    pub fn word(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    /// Does the side that says it send?
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Does the side that says it receive?
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same, seen from the other side.
    pub fn seen_from_afar(self) -> Direction {
        Direction::of(self.receives(), self.sends())
    }

    /// What both sides together allow, seen from the side of `self`: an answer must not say more than the offer
    /// (RFC 3264 §6.1).
    pub fn within(self, peer: Direction) -> Direction {
        Direction::of(self.sends() && peer.receives(), self.receives() && peer.sends())
    }

    fn of(sends: bool, receives: bool) -> Direction {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }
}

impl Sound {
    /// Has this side put the other on hold: does it no longer want to hear?
    pub fn holds(&self) -> bool {
        !self.direction.receives()
    }
}
