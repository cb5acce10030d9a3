//! Protects what is sent (RFC 3711 §3.3 and §3.4).

use super::cipher::{SessionKeys, Use};
use super::index::Indexes;
use super::{Keys, RTCP_TAG, SrtpError, Suite, rtp_payload_at, rtp_source};

/// Most sources of RTP with one key. One is usual; the indexes of each must be remembered as long as the key lives.
const MAX_SOURCES: usize = 16;

/// Greatest index of RTCP.
const MAX_RTCP: u32 = (1 << 31) - 1;

/// Protects the RTP and RTCP of one direction.
#[derive(Clone)]
pub struct Sender {
    suite: Suite,
    rtp: SessionKeys,
    rtcp: SessionKeys,
    sources: Vec<(u32, Indexes)>,
    /// Index of the next RTCP packet.
    pub(super) next_rtcp: u32,
}

impl Sender {
    /// A sender at the beginning of these keys.
    pub fn new(keys: &Keys) -> Sender {
        Sender {
            suite: keys.suite,
            rtp: SessionKeys::derive(keys, Use::Rtp),
            rtcp: SessionKeys::derive(keys, Use::Rtcp),
            sources: Vec::with_capacity(1),
            next_rtcp: 0,
        }
    }

    /// Protects the RTP packet in the first `len` octets of the buffer, which must have room for
    /// [`RTP_OVERHEAD`](super::RTP_OVERHEAD) more; returns its new length.
    ///
    /// # Errors
    /// The packet is cut short, its number was used before, there is no room, or the key is used up. The buffer is as it
    /// was.
    pub fn protect(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let end = len + self.suite.rtp_tag();
        let packet = buffer.get_mut(..end).ok_or(SrtpError::NoRoom)?;
        let (packet, tag) = packet.split_at_mut(len);
        let at = rtp_payload_at(packet).ok_or(SrtpError::Short)?;
        let (ssrc, sequence) = rtp_source(packet);
        let indexes = match self.sources.iter().position(|(known, _)| *known == ssrc) {
            Some(n) => &mut self.sources[n].1,
            None if self.sources.len() == MAX_SOURCES => return Err(SrtpError::TooManySources),
            None => {
                self.sources.push((ssrc, Indexes::default()));
                let last = self.sources.len() - 1;
                &mut self.sources[last].1
            }
        };
        let index = indexes.of_sequence(sequence)?;
        indexes.check(index)?;
        indexes.mark(index);
        self.rtp.apply(ssrc, index, &mut packet[at..]);
        let roll_over = (index >> 16) as u32;
        tag.copy_from_slice(&self.rtp.tag([packet, &roll_over.to_be_bytes()])[..tag.len()]);
        Ok(end)
    }

    /// Protects the RTCP packet in the first `len` octets of the buffer, which must have room for
    /// [`RTCP_OVERHEAD`](super::RTCP_OVERHEAD) more; returns its new length.
    ///
    /// # Errors
    /// The packet is cut short, there is no room, or the key is used up. The buffer is as it was.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        let end = len + 4 + RTCP_TAG;
        let packet = buffer.get_mut(..end).ok_or(SrtpError::NoRoom)?;
        let (packet, tag) = packet.split_at_mut(len + 4);
        let [_, _, _, _, s0, s1, s2, s3] = *packet[..len].first_chunk::<8>().ok_or(SrtpError::Short)?;
        let index = self.next_rtcp;
        if index > MAX_RTCP {
            return Err(SrtpError::Exhausted);
        }
        self.next_rtcp += 1;
        let ssrc = u32::from_be_bytes([s0, s1, s2, s3]);
        self.rtcp.apply(ssrc, index.into(), &mut packet[8..len]);
        // The highest bit says that it is encrypted.
        packet[len..].copy_from_slice(&(1 << 31 | index).to_be_bytes());
        tag.copy_from_slice(&self.rtcp.tag([packet, &[]])[..RTCP_TAG]);
        Ok(end)
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sender({}, ***)", self.suite.name())
    }
}
