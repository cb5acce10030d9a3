//! RTP packets (RFC 3550 §5.1): read without copying, written into the caller's buffer. SRTP is not here.

pub mod stats;

use thiserror::Error;

/// Length of a header without CSRC and extension.
pub const HEADER: usize = 12;

/// Why bytes are no RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RtpError {
    /// Shorter than its header, its CSRC list or its extension says.
    #[error("the packet is cut short")]
    Short,
    /// The version is not 2.
    #[error("not version 2 of RTP")]
    Version,
    /// The padding count is zero or reaches into the header.
    #[error("the padding is longer than the payload")]
    Padding,
}

/// The fixed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// First packet of a talkspurt or event.
    pub marker: bool,
    /// Payload type, 0–127.
    pub pt: u8,
    /// Sequence number.
    pub seq: u16,
    /// Timestamp in units of the codec's RTP clock.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
}

/// A packet that was found whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The fixed header.
    pub header: Header,
    /// The payload without padding.
    pub payload: &'a [u8],
    /// Where the payload begins in the packet.
    pub payload_at: usize,
}

impl<'a> Packet<'a> {
    /// Reads a packet; CSRC list, extension and padding are checked and passed over.
    ///
    /// # Errors
    /// It is cut short, not version 2, or its padding is impossible.
    pub fn parse(bytes: &'a [u8]) -> Result<Packet<'a>, RtpError> {
        let [b0, b1, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3, ..] = *bytes else {
            return Err(RtpError::Short);
        };
        if b0 >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let mut at = HEADER + 4 * (b0 & 0x0F) as usize;
        if b0 & 0x10 != 0 {
            let length = bytes.get(at + 2..at + 4).ok_or(RtpError::Short)?;
            at += 4 + 4 * u16::from_be_bytes([length[0], length[1]]) as usize;
        }
        let mut payload = bytes.get(at..).ok_or(RtpError::Short)?;
        if b0 & 0x20 != 0 {
            let padding = *payload.last().ok_or(RtpError::Padding)? as usize;
            let keep = payload.len().checked_sub(padding).filter(|_| padding > 0).ok_or(RtpError::Padding)?;
            payload = &payload[..keep];
        }
        let header = Header {
            marker: b1 & 0x80 != 0,
            pt: b1 & 0x7F,
            seq: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        };
        Ok(Packet { header, payload, payload_at: at })
    }
}

impl Header {
    /// The twelve bytes of a header without CSRC, extension and padding.
    pub fn bytes(&self) -> [u8; HEADER] {
        let mut b = [0; HEADER];
        b[0] = 0x80;
        self.stamp(&mut b);
        b
    }

    /// Overwrites marker, payload type, numbers and source of a packet, and leaves the rest as it is.
    pub fn overwrite(&self, packet: &mut [u8]) {
        if let Some(b) = packet.first_chunk_mut::<HEADER>() {
            self.stamp(b);
        }
    }

    fn stamp(&self, b: &mut [u8; HEADER]) {
        b[1] = (self.marker as u8) << 7 | (self.pt & 0x7F);
        b[2..4].copy_from_slice(&self.seq.to_be_bytes());
        b[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        b[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
    }

    /// Writes a whole packet; returns its length, or `None` if it does not fit.
    pub fn write(&self, payload: &[u8], out: &mut [u8]) -> Option<usize> {
        let whole = out.get_mut(..HEADER + payload.len())?;
        whole[..HEADER].copy_from_slice(&self.bytes());
        whole[HEADER..].copy_from_slice(payload);
        Some(whole.len())
    }
}

/// How far `a` is ahead of `b` around the circle of sequence numbers; negative when it is behind.
pub fn ahead(a: u16, b: u16) -> i16 {
    a.wrapping_sub(b) as i16
}

/// How far timestamp `a` is ahead of `b` around the circle; negative when it is behind.
pub fn ahead_ts(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b) as i32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn header_of_rfc3550() {
        let mut p = vec![0xB2, 0x88, 0x12, 0x34, 0, 0, 0, 160, 0xDE, 0xAD, 0xBE, 0xEF];
        p.extend([1; 8]); // two CSRC
        p.extend([0xBE, 0xDE, 0, 1, 9, 9, 9, 9]); // an extension of one word
        p.extend([7, 7, 7, 0, 0, 3]); // three bytes of payload, three of padding
        let packet = Packet::parse(&p).expect("whole");
        let expected = Header { marker: true, pt: 8, seq: 0x1234, timestamp: 160, ssrc: 0xDEADBEEF };
        assert_eq!((packet.header, packet.payload, packet.payload_at), (expected, &[7, 7, 7][..], 28));
    }

    #[test]
    fn what_is_no_packet() {
        let check = |bytes: &[u8], error| assert_eq!(Packet::parse(bytes), Err(error), "{bytes:x?}");
        let header = |b0: u8| [b0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        check(&[], RtpError::Short);
        check(&header(0x80)[..11], RtpError::Short);
        check(&header(0x40), RtpError::Version);
        check(&header(0x81), RtpError::Short);
        check(&header(0x90), RtpError::Short);
        check(&[&header(0x90)[..], &[0, 0, 0, 1]].concat(), RtpError::Short);
        check(&header(0xA0), RtpError::Padding);
        check(&[&header(0xA0)[..], &[0]].concat(), RtpError::Padding);
        check(&[&header(0xA0)[..], &[2]].concat(), RtpError::Padding);
    }

    #[test]
    fn numbers_go_round() {
        assert_eq!(ahead(2, 65535), 3);
        assert_eq!(ahead(65535, 2), -3);
        assert_eq!(ahead_ts(5, u32::MAX), 6);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(p) = Packet::parse(&bytes) {
                prop_assert!(p.payload_at + p.payload.len() <= bytes.len());
            }
        }

        #[test]
        fn what_is_written_is_read(marker: bool, pt in 0u8..128, seq: u16, timestamp: u32, ssrc: u32,
                                   payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let header = Header { marker, pt, seq, timestamp, ssrc };
            let mut out = [0; 256];
            let n = header.write(&payload, &mut out).expect("fits");
            let p = Packet::parse(&out[..n]).expect("whole");
            prop_assert_eq!(p.header, header);
            prop_assert_eq!(p.payload, &payload[..]);
        }
    }
}
