//! RTP ports: leased two pairs at a time when a call is born, and back when the lease is dropped, whatever
//! happened to the call. Sockets stay bound between calls; the one that rested longest is leased next, so that late
//! packets of one call do not meet the next.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use socket2::{Domain, Protocol, Socket, Type};

use crate::net;

/// RTP and RTCP sockets of one end: an even port and the odd one above it.
#[derive(Debug)]
pub struct Pair {
    /// The even port.
    pub port: u16,
    /// RTP.
    pub rtp: UdpSocket,
    /// RTCP.
    pub rtcp: UdpSocket,
    /// Are the sockets IPv6 ones that carry IPv4 too?
    dual: bool,
    /// Was it never leased before?
    new: AtomicBool,
}

/// Two pairs on loan: the caller's side and the called side.
#[derive(Debug)]
pub struct Lease {
    pairs: Option<[Arc<Pair>; 2]>,
    pool: Pool,
}

/// All ports of the exchange.
#[derive(Debug, Clone)]
pub struct Pool(Arc<Mutex<Ports>>);

#[derive(Debug)]
struct Ports {
    free: VecDeque<Arc<Pair>>,
    /// Even ports that were never bound yet.
    unbound: std::ops::Range<u16>,
    leased: usize,
    /// Pairs that only calls for help are given.
    kept: usize,
}

/// Sockets that rest bound before the one that rested longest is leased again.
const RESTING: usize = 256;
/// Pairs that are kept for calls for help: two calls at once. A range of few ports keeps fewer.
const KEPT: usize = 4;
/// Datagrams thrown away at once: a stranger who floods a resting port must not keep the thread.
const DRAINED: usize = 64;

impl Pool {
    /// A pool over this range of ports, inclusive. The first is rounded up to even.
    pub fn new((first, last): (u16, u16)) -> Pool {
        let first = first.saturating_add(first % 2);
        let mut ports = Ports { free: VecDeque::new(), unbound: first..last, leased: 0, kept: 0 };
        ports.kept = KEPT.min(ports.left() / 8);
        Pool(Arc::new(Mutex::new(ports)))
    }

    /// Two pairs, or `None` when all ports are in use, but for those that are kept.
    pub fn lease(&self) -> Option<Lease> {
        let ports = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let enough = ports.left() >= 2 + ports.kept;
        drop(ports);
        if enough { self.lease_for_help() } else { None }
    }

    /// The same for an emergency call: it is given the last ports, too.
    pub fn lease_for_help(&self) -> Option<Lease> {
        let mut ports = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let a = ports.take()?;
        let Some(b) = ports.take() else {
            ports.free.push_back(a);
            return None;
        };
        ports.leased += 1;
        Some(Lease { pairs: Some([a, b]), pool: self.clone() })
    }

    /// How many leases are out.
    #[cfg(test)]
    fn leased(&self) -> usize {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).leased
    }
}

impl Ports {
    /// Pairs that are not on loan.
    fn left(&self) -> usize {
        self.free.len() + self.unbound.len().div_ceil(2)
    }

    fn take(&mut self) -> Option<Arc<Pair>> {
        // New ports first while they last: the longer a port rests the better.
        // A port and the one above it, which may be the last.
        while self.free.len() < RESTING && !self.unbound.is_empty() {
            let port = self.unbound.start;
            self.unbound.start = port.saturating_add(2);
            match Pair::bind(port) {
                Ok(pair) => return Some(Arc::new(pair)),
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => continue,
                Err(e) => {
                    tracing::warn!("cannot bind RTP port {port}: {e}");
                    break;
                }
            }
        }
        self.free.pop_front()
    }
}

impl Lease {
    /// The even ports: the caller's side, the called side.
    pub fn ports(&self) -> [u16; 2] {
        self.pairs.as_ref().map_or([0, 0], |[a, b]| [a.port, b.port])
    }
    /// The sockets.
    pub fn pairs(&self) -> impl Iterator<Item = &Arc<Pair>> {
        self.pairs.iter().flatten()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut ports = self.pool.0.lock().unwrap_or_else(|e| e.into_inner());
        ports.leased = ports.leased.saturating_sub(1);
        ports.free.extend(self.pairs.take().into_iter().flatten());
    }
}

impl Pair {
    fn bind(port: u16) -> io::Result<Pair> {
        let (rtp, rtcp) = (bound(port)?, bound(port + 1)?);
        let dual = rtp.local_addr()?.is_ipv6();
        Ok(Pair { port, rtp, rtcp, dual, new: AtomicBool::new(true) })
    }

    /// Is this its first call? Says so once.
    pub fn is_new(&self) -> bool {
        self.new.swap(false, Ordering::Relaxed)
    }

    /// Throws away what comes while nobody has the port.
    pub fn drain(&self) {
        let mut buffer = [0; 64];
        for socket in [&self.rtp, &self.rtcp] {
            for _ in 0..DRAINED {
                if socket.recv(&mut buffer).is_err() {
                    break;
                }
            }
        }
    }

    /// Sends an RTP packet, from this address of ours if it matters.
    pub fn send(&self, packet: &[u8], from: Option<IpAddr>, to: SocketAddr) {
        self.send_by(&self.rtp, packet, from, to);
    }

    /// Sends a report.
    pub fn send_rtcp(&self, packet: &[u8], from: Option<IpAddr>, to: SocketAddr) {
        self.send_by(&self.rtcp, packet, from, to);
    }

    fn send_by(&self, socket: &UdpSocket, packet: &[u8], from: Option<IpAddr>, to: SocketAddr) {
        let to = self.reach(to);
        let from = from.map(|ip| self.reach(SocketAddr::new(ip, 0)).ip());
        match from {
            // An address that we do not have any more leaves the choice to the kernel.
            Some(from) if net::send_from(socket, packet, from, to).is_ok() => {}
            _ => drop(socket.send_to(packet, to)),
        }
    }

    /// An address in the family of our sockets.
    pub fn reach(&self, to: SocketAddr) -> SocketAddr {
        match to {
            SocketAddr::V4(v4) if self.dual => (v4.ip().to_ipv6_mapped(), v4.port()).into(),
            other => other,
        }
    }
}

/// Both IP versions where there are both.
fn bound(port: u16) -> io::Result<UdpSocket> {
    let open = |domain, addr: SocketAddr| {
        let socket = Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        if domain == Domain::IPV6 {
            socket.set_only_v6(false)?;
        }
        // Expedited forwarding (SPA `RTP_ToS` 0xb8); a network that ignores it does no harm.
        let _ = socket.set_tos_v4(0xb8);
        socket.bind(&addr.into())?;
        io::Result::Ok(UdpSocket::from(socket))
    };
    match open(Domain::IPV6, (Ipv6Addr::UNSPECIFIED, port).into()) {
        Err(e) if e.kind() != io::ErrorKind::AddrInUse => {
            open(Domain::IPV4, (Ipv4Addr::UNSPECIFIED, port).into())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pool of so many pairs that nobody else on this machine uses; below the ports that the kernel gives out itself.
    fn pool(pairs: u16) -> Pool {
        // Two tests do not search the same stretch.
        let mut starts = (20_000 + 4_000 * (pairs / 2 % 4)..32_000).step_by(16);
        let free = |start: &u16| (0..pairs).all(|n| Pair::bind(start + 2 * n).is_ok());
        let start = starts.find(free).expect("a stretch of free ports");
        Pool::new((start, start + 2 * pairs - 1))
    }

    #[test]
    fn ports_come_back_and_run_out() {
        let pool = pool(4);
        let one = pool.lease().expect("four ports are two pairs each for two leases");
        let two = pool.lease().expect("the second half");
        assert!(pool.lease().is_none(), "all ports are out");
        assert_eq!(pool.leased(), 2);
        let ports = one.ports();
        drop(one);
        assert_eq!(pool.lease().expect("they came back").ports(), ports);
        drop(two);
        assert_eq!(pool.leased(), 0);
    }

    #[test]
    fn the_last_ports_are_for_help() {
        let pool = pool(16);
        let ordinary: Vec<Lease> = std::iter::from_fn(|| pool.lease()).collect();
        assert_eq!(ordinary.len(), 7, "one lease of eight is kept");
        let help = pool.lease_for_help().expect("the one that is kept");
        assert!(pool.lease_for_help().is_none() && pool.lease().is_none());
        drop(ordinary);
        assert!(pool.lease().is_some());
        drop(help);
    }

    #[test]
    fn a_lease_comes_back_from_a_panic() {
        let pool = pool(2);
        let lease = pool.lease().expect("two pairs");
        let fell = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _held = lease;
            panic!("the call fell");
        }));
        assert!(fell.is_err());
        assert_eq!(pool.leased(), 0);
    }
}
