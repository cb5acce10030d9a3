//! What is done to the packets of a session between the network and everything else: nothing, or protection (SRTP,
//! RFC 3711). It sees whole packets: those from the network before they are looked at, ours when they are written.

/// What signalling agreed on for the packets of a session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Protection {
    /// Plain RTP (`RTP/AVP`).
    #[default]
    None,
}

/// The state of that protection. Packets are changed in place.
#[derive(Debug, Clone, Default)]
pub enum Transform {
    /// Packets are as they are.
    #[default]
    None,
}

impl Transform {
    /// The beginning of a session.
    pub fn new(protection: &Protection) -> Transform {
        match protection {
            Protection::None => Transform::None,
        }
    }

    /// Takes the protection off an RTP packet, the first `len` octets of the buffer. Gives its plain length; `None` when it
    /// cannot be believed: forged, replayed, or protected with other keys.
    #[inline]
    pub fn unprotect(&mut self, _buffer: &mut [u8], len: usize) -> Option<usize> {
        match self {
            Transform::None => Some(len),
        }
    }

    /// Protects an RTP packet of ours. Gives its new length; `None` when the buffer has no room for what is added.
    #[inline]
    pub fn protect(&mut self, _buffer: &mut [u8], len: usize) -> Option<usize> {
        match self {
            Transform::None => Some(len),
        }
    }

    /// The same as [`Transform::unprotect`] for RTCP.
    pub fn unprotect_rtcp(&mut self, _buffer: &mut [u8], len: usize) -> Option<usize> {
        match self {
            Transform::None => Some(len),
        }
    }

    /// The same as [`Transform::protect`] for RTCP.
    pub fn protect_rtcp(&mut self, _buffer: &mut [u8], len: usize) -> Option<usize> {
        match self {
            Transform::None => Some(len),
        }
    }
}
