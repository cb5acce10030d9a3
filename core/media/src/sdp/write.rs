//! Writes offers and answers.

use std::fmt::{self, Write};
use std::net::{IpAddr, SocketAddr};

use super::sdes::Crypto;
use super::{Media, Sdp};
use crate::sound::{RtcpPort, Sound};

/// Our side of one session: its identity, and the version that grows when something changes (RFC 3264 §8).
#[derive(Clone, PartialEq, Eq)]
pub struct SdpSession {
    id: u64,
    version: u64,
    /// What was written last, without the origin line.
    last: String,
    security: Security,
}

/// What our side says of keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Security {
    /// Nothing: plain RTP.
    #[default]
    Plain,
    /// `RTP/AVP` with these lines: SRTP if the peer takes one of them, else plain RTP (RFC 8643).
    Opportunistic(Vec<Crypto>),
    /// `RTP/SAVP` with these lines.
    Required(Vec<Crypto>),
}

impl Security {
    /// Our lines, best first.
    pub fn lines(&self) -> &[Crypto] {
        match self {
            Security::Plain => &[],
            Security::Opportunistic(lines) | Security::Required(lines) => lines,
        }
    }

    /// The profile of an offer.
    fn profile(&self) -> &'static str {
        match self {
            Security::Plain | Security::Opportunistic(_) => "RTP/AVP",
            Security::Required(_) => "RTP/SAVP",
        }
    }
}

impl SdpSession {
    /// A session with this identity; a random number of 62 bits or less, since some telephones read it as signed.
    pub fn new(id: u64) -> SdpSession {
        let id = id & (u64::MAX >> 2);
        SdpSession { id, version: id, last: String::new(), security: Security::Plain }
    }

    /// What later offers and answers say of keys. In an answer that is one line, with the tag of the offer's.
    pub fn secure(&mut self, security: Security) {
        self.security = security;
    }

    /// What our side says of keys.
    pub fn security(&self) -> &Security {
        &self.security
    }

    /// An offer of our sound at `local`.
    pub fn offer(&mut self, local: SocketAddr, sound: &Sound) -> String {
        let mut body = String::with_capacity(320);
        section(&mut body, local.port(), self.security.profile(), sound, self.security.lines());
        self.wrap(local.ip(), body)
    }

    /// A later offer in a session that has sections already: their number never shrinks (RFC 3264 §8). Ours takes the
    /// place of section `at`, the others are refused.
    pub fn re_offer(&mut self, peer: &Sdp, at: usize, local: SocketAddr, sound: &Sound) -> String {
        self.answer(peer, local, Some((at, sound)))
    }

    /// An answer: section `at` of the offer is taken with our sound, whose payload types must be the offer's; all
    /// others are refused with port 0. `None` refuses everything.
    pub fn answer(&mut self, offer: &Sdp, local: SocketAddr, ours: Option<(usize, &Sound)>) -> String {
        let mut body = String::with_capacity(320);
        for (n, m) in offer.media.iter().enumerate() {
            match ours.filter(|(at, _)| *at == n) {
                Some((_, sound)) => {
                    section(&mut body, local.port(), &m.proto, sound, self.security.lines());
                }
                None => refused(&mut body, m),
            }
        }
        self.wrap(local.ip(), body)
    }

    fn wrap(&mut self, ip: IpAddr, body: String) -> String {
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let rest = format!("s=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n{body}");
        if !self.last.is_empty() && self.last != rest {
            self.version += 1;
        }
        let whole = format!("v=0\r\no=- {} {} IN {family} {ip}\r\n{rest}", self.id, self.version);
        self.last = rest;
        whole
    }
}

impl fmt::Debug for SdpSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text has keys in it.
        f.debug_struct("SdpSession")
            .field("id", &self.id)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Default for SdpSession {
    fn default() -> SdpSession {
        SdpSession::new(1)
    }
}

// Writing into a String cannot fail.
fn section(out: &mut String, port: u16, proto: &str, sound: &Sound, crypto: &[Crypto]) {
    let _ = write!(out, "m=audio {port} {proto}");
    for c in &sound.codecs {
        let _ = write!(out, " {}", c.pt);
    }
    if let Some(pt) = sound.telephone_event {
        let _ = write!(out, " {pt}");
    }
    out.push_str("\r\n");
    for c in &sound.codecs {
        let _ = write!(out, "a=rtpmap:{} {}\r\n", c.pt, c.kind.rtpmap());
        // What a peer put into its parameters goes on only while it cannot begin a new line.
        if let Some(fmtp) = c.fmtp.as_ref().filter(|f| !f.contains(['\r', '\n'])) {
            let _ = write!(out, "a=fmtp:{} {fmtp}\r\n", c.pt);
        }
    }
    if let Some(pt) = sound.telephone_event {
        let _ = write!(out, "a=rtpmap:{pt} telephone-event/8000\r\na=fmtp:{pt} 0-16\r\n");
    }
    crypto.iter().for_each(|line| line.write(out));
    let _ = write!(out, "a=ptime:{}\r\n", sound.ptime.unwrap_or(20));
    let _ = write!(out, "a={}\r\n", sound.direction.word());
    if sound.rtcp == RtcpPort::Shared {
        out.push_str("a=rtcp-mux\r\n");
    }
}

fn refused(out: &mut String, m: &Media) {
    let formats = if m.formats.is_empty() { "0" } else { &m.formats };
    let _ = write!(out, "m={} 0 {} {formats}\r\n", m.kind, m.proto);
}
