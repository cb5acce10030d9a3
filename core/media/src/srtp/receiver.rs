//! Believes and decrypts what comes (RFC 3711 §3.3 and §3.4).

use super::cipher::{SessionKeys, Use};
use super::index::Indexes;
use super::{Keys, RTCP_TAG, SrtpError, Suite, rtp_payload_at, rtp_source};

/// Most sources whose indexes are remembered. Only somebody with the key can bring a new one; the one that was silent
/// longest is forgotten for it.
const MAX_SOURCES: usize = 16;

/// A stream may be joined in its middle, when a call moves to another port and keeps its keys: so many roll-over counters
/// are tried for the first packet of a source, almost six hours of packets of 20 ms.
const JOIN: u64 = 16;

/// Believes and decrypts the RTP and RTCP of one direction.
#[derive(Clone)]
pub struct Receiver {
    suite: Suite,
    rtp: SessionKeys,
    rtcp: SessionKeys,
    rtp_sources: Sources,
    rtcp_sources: Sources,
}

/// What came of each source, the latest last.
#[derive(Debug, Clone, Default)]
struct Sources(Vec<(u32, Indexes)>);

impl Receiver {
    /// A receiver at the beginning of these keys.
    pub fn new(keys: &Keys) -> Receiver {
        Receiver {
            suite: keys.suite,
            rtp: SessionKeys::derive(keys, Use::Rtp),
            rtcp: SessionKeys::derive(keys, Use::Rtcp),
            rtp_sources: Sources::default(),
            rtcp_sources: Sources::default(),
        }
    }

    /// Checks and decrypts an RTP packet in place; returns the length of what is left without the tag.
    ///
    /// # Errors
    /// The packet is cut short, its tag is wrong, or it was seen before. It is as it was, and nothing is remembered of it.
    pub fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let len = packet.len().checked_sub(self.suite.rtp_tag()).ok_or(SrtpError::Short)?;
        let (packet, tag) = packet.split_at_mut(len);
        let at = rtp_payload_at(packet).ok_or(SrtpError::Short)?;
        let (ssrc, sequence) = rtp_source(packet);
        let known = self.rtp_sources.of(ssrc);
        let nearest = known.of_sequence(sequence)?;
        known.check(nearest)?;
        let tries = if known.is_empty() { JOIN } else { 1 };
        let is_meant = |index: &u64| self.rtp.verify([packet, &((index >> 16) as u32).to_be_bytes()], tag);
        let index = (0..tries).map(|turn| nearest + (turn << 16)).find(is_meant).ok_or(SrtpError::Forged)?;
        self.rtp_sources.mark(ssrc, index);
        self.rtp.apply(ssrc, index, &mut packet[at..]);
        Ok(len)
    }

    /// Checks and decrypts an RTCP packet in place; returns the length of what is left without index and tag.
    ///
    /// # Errors
    /// As [`Receiver::unprotect`].
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let end = packet.len().checked_sub(RTCP_TAG).ok_or(SrtpError::Short)?;
        let len = end.checked_sub(4).filter(|len| *len >= 8).ok_or(SrtpError::Short)?;
        let (packet, tag) = packet.split_at_mut(end);
        let word =
            |at: usize| u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
        let (ssrc, trailer) = (word(4), word(len));
        let (encrypted, index) = (trailer >> 31 == 1, u64::from(trailer & 0x7FFF_FFFF));
        self.rtcp_sources.of(ssrc).check(index)?;
        if !self.rtcp.verify([packet, &[]], tag) {
            return Err(SrtpError::Forged);
        }
        self.rtcp_sources.mark(ssrc, index);
        if encrypted {
            self.rtcp.apply(ssrc, index, &mut packet[8..len]);
        }
        Ok(len)
    }
}

#[cfg(test)]
impl Receiver {
    pub(super) fn sources(&self) -> Vec<u32> {
        self.rtp_sources.0.iter().map(|(ssrc, _)| *ssrc).collect()
    }
}

impl Sources {
    fn of(&self, ssrc: u32) -> Indexes {
        self.0
            .iter()
            .rev()
            .find(|(known, _)| *known == ssrc)
            .map(|(_, indexes)| indexes.clone())
            .unwrap_or_default()
    }

    fn mark(&mut self, ssrc: u32, index: u64) {
        match self.0.iter().position(|(known, _)| *known == ssrc) {
            Some(n) => self.0[n..].rotate_left(1),
            None => {
                if self.0.len() == MAX_SOURCES {
                    self.0.remove(0);
                }
                self.0.push((ssrc, Indexes::default()));
            }
        }
        if let Some((_, indexes)) = self.0.last_mut() {
            indexes.mark(index);
        }
    }
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Receiver({}, ***)", self.suite.name())
    }
}
