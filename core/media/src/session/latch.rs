//! Which address an end listens to, and where it sends.
//!
//! Every offer/answer opens the learning anew: a peer behind a router that was restarted, or that has left the Wi-Fi, says
//! so in a new one. What was learned before stays good until a packet has come from somewhere else that is allowed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::rtp::Header;

/// After a wrong port was learned (a late packet of an earlier call from the same media server), the announced port may
/// still take over for this long.
const SECOND_THOUGHTS: Duration = Duration::from_secs(1);

/// After a new agreement packets may still come the old way for this long without ending the search for the new one: they
/// were under way, or the peer leaves its old network only when the new one works.
const OVERLAP: Duration = Duration::from_secs(5);

/// How long a stream from an address that nobody has named may be the peer's, where no named one can be.
const ANYWHERE: Duration = Duration::from_secs(5);

/// So many packets in a row make a stream.
const STREAM: u8 = 3;

/// A stream that has said nothing for this long makes room for another.
const ABANDONED: Duration = Duration::from_millis(500);

/// What signalling says of where a peer's sound is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Announced {
    /// The address in its SDP.
    pub sdp: SocketAddr,
    /// The address that its signalling comes from, when its SDP names another. Until a packet has come from one of the
    /// two, both may speak.
    pub signalling: Option<IpAddr>,
    /// Its SDP names an address that it cannot have out there.
    pub unreachable: bool,
}
/// A source that has been silent for so long may go on from another port of its address: a router that was restarted has
/// given the peer a new one.
const MOVES_AFTER: Duration = Duration::from_secs(3);

/// The announced address, and the port learned within it.
#[derive(Debug, Clone)]
pub(super) struct SourceLatch {
    announced: Announced,
    /// When that was agreed.
    since: Option<Instant>,
    learned: Option<(SocketAddr, Instant)>,
    /// What was learned before the last agreement, until something is learned anew.
    former: Option<SocketAddr>,
    /// Where to send until something is learned.
    first: SocketAddr,
    /// A stream from an address that nobody has named.
    stranger: Option<Stream>,
    /// When a good packet last came, and of which stream (SSRC).
    heard: Option<(Instant, u32)>,
}

#[derive(Debug, Clone, Copy)]
struct Stream {
    from: SocketAddr,
    ssrc: u32,
    seq: u16,
    packets: u8,
    last: Instant,
}

/// Admission a packet from an address be the peer's?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Yes.
    Yes,
    /// If it is one of a stream, and nobody else speaks.
    InStream,
    /// No.
    No,
}

impl Default for SourceLatch {
    fn default() -> SourceLatch {
        let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        SourceLatch {
            announced: Announced { sdp: nowhere, signalling: None, unreachable: false },
            since: None,
            learned: None,
            former: None,
            first: nowhere,
            stranger: None,
            heard: None,
        }
    }
}

impl SourceLatch {
    /// A new agreement with the peer.
    pub fn agree(&mut self, now: Instant, announced: Announced) {
        let announced = Announced {
            sdp: canonical(announced.sdp),
            signalling: announced.signalling.map(|ip| ip.to_canonical()),
            ..announced
        };
        let former = self.learned.map(|(learned, _)| learned).or(self.former);
        // A peer that names another place where it can be is not in the old one any more.
        let may_stay = |former: &SocketAddr| {
            announced == self.announced
                || announced.unreachable
                || former.ip() == announced.sdp.ip()
                || Some(former.ip()) == announced.signalling
        };
        let former = former.filter(may_stay);
        self.first = match (former, announced.signalling) {
            // Nothing new: it is where it was, until it shows otherwise.
            (Some(former), _) if announced == self.announced => former,
            // The port may be the one that it named, if the router keeps ports. Its first packet will tell.
            (Some(former), Some(ip)) if announced.unreachable && former.ip() == ip => former,
            (_, Some(ip)) if announced.unreachable => SocketAddr::new(ip, announced.sdp.port()),
            _ => announced.sdp,
        };
        self.former = former;
        self.announced = announced;
        self.since = Some(now);
        self.learned = None;
        self.stranger = None;
    }

    /// Admission a packet from here be looked at?
    #[inline]
    pub fn may(&self, now: Instant, from: SocketAddr) -> Admission {
        let from = canonical(from);
        let may = match self.learned {
            Some((learned, _)) if learned == from => true,
            Some((_, since)) => from == self.announced.sdp && now < since + SECOND_THOUGHTS,
            None => {
                from.ip() == self.announced.sdp.ip()
                    || Some(from.ip()) == self.announced.signalling
                    || Some(from) == self.former
            }
        };
        match may {
            true => Admission::Yes,
            false if self.listens_anywhere(now) => Admission::InStream,
            false => Admission::No,
        }
    }

    fn listens_anywhere(&self, now: Instant) -> bool {
        self.learned.is_none()
            && self.announced.unreachable
            && self.since.is_some_and(|since| now < since + ANYWHERE)
    }

    /// Admission what was learned have moved to here? Its stream must go on (see [`SourceLatch::is_stream`]): only who has heard the
    /// peer's sound can know its SSRC.
    #[inline]
    pub fn may_have_moved(&self, now: Instant, from: SocketAddr) -> bool {
        let silent = self.heard.is_some_and(|(at, _)| now >= at + MOVES_AFTER);
        silent && self.learned.is_some_and(|(learned, _)| learned.ip() == canonical(from).ip())
    }

    /// Is this the stream that was heard?
    pub fn is_stream(&self, ssrc: u32) -> bool {
        self.heard.is_some_and(|(_, heard)| heard == ssrc)
    }

    /// A good packet of this stream came from here: from now on only this port.
    #[inline]
    pub fn hold(&mut self, now: Instant, from: SocketAddr, ssrc: u32) {
        let from = canonical(from);
        self.heard = Some((now, ssrc));
        if self.learned.is_some_and(|(learned, _)| learned == from) {
            return;
        }
        let late = Some(from) == self.former && self.since.is_some_and(|since| now < since + OVERLAP);
        if !late {
            self.learned = Some((from, now));
            self.former = None;
        }
    }

    /// A good packet came from an address that nobody has named. True if it makes a stream with those before it: then it
    /// is the peer's, as nothing else can be.
    pub fn hold_stream(&mut self, now: Instant, from: SocketAddr, header: &Header) -> bool {
        let from = canonical(from);
        let packets = match self.stranger {
            Some(s) if s.from == from && s.ssrc == header.ssrc && header.seq == s.seq.wrapping_add(1) => {
                s.packets + 1
            }
            Some(s) if s.from != from && now < s.last + ABANDONED => return false,
            _ => 1,
        };
        self.stranger = Some(Stream { from, ssrc: header.ssrc, seq: header.seq, packets, last: now });
        if packets < STREAM {
            return false;
        }
        self.hold(now, from, header.ssrc);
        true
    }

    /// Admission RTCP from here be believed: from the peer's address, and its RTP port or the next, or the announced one?
    pub fn may_report(&self, from: SocketAddr, announced: Option<SocketAddr>) -> bool {
        let from = canonical(from);
        if announced.is_some_and(|a| canonical(a) == from) {
            return true;
        }
        let rtp = self.destination();
        from.ip() == rtp.ip() && (from.port() == rtp.port() || Some(from.port()) == rtp.port().checked_add(1))
    }

    pub fn destination(&self) -> SocketAddr {
        self.learned.map_or(self.first, |(learned, _)| learned)
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
