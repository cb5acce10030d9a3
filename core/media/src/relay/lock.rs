//! Which address an end listens to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// After a wrong port was learned (a late packet of an earlier call from the same media server), the announced port may
/// still take over for this long.
const SECOND_THOUGHTS: Duration = Duration::from_secs(1);

/// The announced address, and the port learned within it.
#[derive(Debug, Clone)]
pub(super) struct Lock {
    announced: SocketAddr,
    also: Option<IpAddr>,
    learned: Option<(SocketAddr, Instant)>,
}

impl Default for Lock {
    fn default() -> Lock {
        Lock::new(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0), None)
    }
}

impl Lock {
    /// `also`: the address that the peer's signalling comes from, when its SDP names another. Until a packet has come
    /// from one of the two, both may speak.
    pub fn new(announced: SocketAddr, also: Option<IpAddr>) -> Lock {
        Lock { announced: canonical(announced), also: also.map(|ip| ip.to_canonical()), learned: None }
    }

    /// May a packet from here be looked at?
    #[inline]
    pub fn may(&self, now: Instant, from: SocketAddr) -> bool {
        let from = canonical(from);
        match self.learned {
            Some((learned, _)) if learned == from => true,
            Some((_, since)) => from == self.announced && now < since + SECOND_THOUGHTS,
            None => from.ip() == self.announced.ip() || Some(from.ip()) == self.also,
        }
    }

    /// A good packet came from here: from now on only this port.
    #[inline]
    pub fn hold(&mut self, now: Instant, from: SocketAddr) {
        let from = canonical(from);
        if self.learned.is_none_or(|(learned, _)| learned != from) {
            self.learned = Some((from, now));
        }
    }

    /// May RTCP from here be believed: from the peer's address, and its RTP port or the next, or the announced one?
    pub fn may_report(&self, from: SocketAddr, announced: Option<SocketAddr>) -> bool {
        let from = canonical(from);
        if announced.is_some_and(|a| canonical(a) == from) {
            return true;
        }
        let rtp = self.destination();
        from.ip() == rtp.ip() && (from.port() == rtp.port() || Some(from.port()) == rtp.port().checked_add(1))
    }

    pub fn destination(&self) -> SocketAddr {
        self.learned.map_or(self.announced, |(learned, _)| learned)
    }
}

/// A socket for both families sees IPv4 as mapped addresses.
#[inline]
fn canonical(a: SocketAddr) -> SocketAddr {
    match a {
        SocketAddr::V4(_) => a,
        SocketAddr::V6(v6) => SocketAddr::new(IpAddr::V6(*v6.ip()).to_canonical(), v6.port()),
    }
}
