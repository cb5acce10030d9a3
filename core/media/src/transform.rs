//! What is done to the packets of a session between the network and everything else: nothing, or protection (SRTP,
//! RFC 3711). It sees whole packets: those from the network before they are looked at, ours when they are written.

use crate::srtp::{Keys, Receiver, Sender};

/// What signalling agreed on for the packets of a session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Protection {
    /// Plain RTP (`RTP/AVP`).
    #[default]
    None,
    /// SRTP.
    Srtp(Box<SrtpKeys>),
}

/// The keys of both directions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrtpKeys {
    /// Of what we send.
    pub send: Keys,
    /// Of what the peer sends.
    pub receive: Keys,
}

/// The state of that protection. Packets are changed in place.
#[derive(Debug, Clone, Default)]
pub enum Transform {
    /// Packets are as they are.
    #[default]
    None,
    /// SRTP.
    Srtp(Box<Srtp>),
}

/// Both directions of SRTP.
#[derive(Debug, Clone)]
pub struct Srtp {
    keys: SrtpKeys,
    sender: Sender,
    receiver: Receiver,
}

impl Transform {
    /// Protects by this from now on. A direction whose keys stay goes on where it is: it counts its packets (RFC 3711
    /// §3.2.1).
    pub fn set(&mut self, protection: &Protection) {
        let Protection::Srtp(keys) = protection else {
            *self = Transform::None;
            return;
        };
        let keys = SrtpKeys::clone(keys);
        match self {
            Transform::Srtp(srtp) => {
                if srtp.keys.send != keys.send {
                    srtp.sender = Sender::new(&keys.send);
                }
                if srtp.keys.receive != keys.receive {
                    srtp.receiver = Receiver::new(&keys.receive);
                }
                srtp.keys = keys;
            }
            Transform::None => {
                let (sender, receiver) = (Sender::new(&keys.send), Receiver::new(&keys.receive));
                *self = Transform::Srtp(Box::new(Srtp { keys, sender, receiver }));
            }
        }
    }

    /// Takes the protection off an RTP packet, the first `len` octets of the buffer. Gives its plain length; `None` when it
    /// cannot be believed: forged, replayed, or protected with other keys.
    #[inline]
    pub fn unprotect(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        match self {
            Transform::None => Some(len),
            Transform::Srtp(srtp) => srtp.receiver.unprotect(buffer.get_mut(..len)?).ok(),
        }
    }

    /// Protects an RTP packet of ours. Gives its new length; `None` when the buffer has no room for what is added, or the
    /// packet's number was used before.
    #[inline]
    pub fn protect(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        match self {
            Transform::None => Some(len),
            Transform::Srtp(srtp) => srtp.sender.protect(buffer, len).ok(),
        }
    }

    /// The same as [`Transform::unprotect`] for RTCP.
    pub fn unprotect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        match self {
            Transform::None => Some(len),
            Transform::Srtp(srtp) => srtp.receiver.unprotect_rtcp(buffer.get_mut(..len)?).ok(),
        }
    }

    /// The same as [`Transform::protect`] for RTCP.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        match self {
            Transform::None => Some(len),
            Transform::Srtp(srtp) => srtp.sender.protect_rtcp(buffer, len).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::{KEY_AND_SALT, Suite};

    fn keys(fill: u8) -> Keys {
        Keys { suite: Suite::AesCm128HmacSha1_80, master: [fill; KEY_AND_SALT] }
    }

    fn protection(send: u8, receive: u8) -> Protection {
        Protection::Srtp(Box::new(SrtpKeys { send: keys(send), receive: keys(receive) }))
    }

    fn packet(seq: u16) -> Vec<u8> {
        let mut packet = crate::rtp::Header { seq, ssrc: 7, ..Default::default() }.bytes().to_vec();
        packet.extend([0; 40]);
        packet
    }

    #[test]
    fn what_one_side_protects_the_other_reads() {
        let (mut a, mut b) = (Transform::default(), Transform::default());
        a.set(&protection(1, 2));
        b.set(&protection(2, 1));
        let mut buffer = packet(1);
        let plain = buffer.clone();
        let len = a.protect(&mut buffer, 20).expect("room");
        assert_ne!(buffer[12..20], plain[12..20]);
        assert_eq!(a.unprotect(&mut buffer.clone(), len), None, "its own packet sent back to it");
        assert_eq!(b.unprotect(&mut buffer, len), Some(20));
        assert_eq!(buffer[..20], plain[..20]);
    }

    #[test]
    fn a_direction_whose_key_stays_goes_on() {
        let (mut a, mut b) = (Transform::default(), Transform::default());
        a.set(&protection(1, 2));
        b.set(&protection(2, 1));
        let mut first = packet(1);
        let len = a.protect(&mut first, 20).expect("room");
        assert_eq!(b.unprotect(&mut first.clone(), len), Some(20));
        // The same again, as after hold, and then another key from the peer.
        for receive in [2, 3] {
            a.set(&protection(1, receive));
            b.set(&protection(receive, 1));
            assert_eq!(a.protect(&mut packet(1), 20), None, "a number is used twice with one key");
            assert_eq!(b.unprotect(&mut first.clone(), len), None, "a replay is believed");
        }
        a.set(&protection(4, 3));
        assert!(a.protect(&mut packet(1), 20).is_some());
        a.set(&Protection::None);
        assert_eq!(a.protect(&mut packet(1), 20), Some(20));
    }
}
