//! Which addresses this machine has, and which of them a peer sees. The kernel is asked: an answer that is kept for long
//! is wrong after the next DHCP lease.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};
use ringtrip_sip::nat::IpNet;

/// The addresses of this machine's interfaces with the networks that they are in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interfaces {
    networks: BTreeSet<IpNet>,
}

impl Interfaces {
    /// As they are now.
    pub fn now() -> Interfaces {
        let Ok(all) = nix::ifaddrs::getifaddrs() else { return Interfaces::default() };
        let ip = |at: Option<SockaddrStorage>| at.and_then(super::udp::address).map(|at| at.ip());
        let networks = all.filter_map(|of| {
            let address = ip(of.address)?;
            let net = ip(of.netmask).and_then(|mask| IpNet::with_netmask(address, mask).ok());
            Some(net.unwrap_or_else(|| IpNet::from(address)))
        });
        Interfaces { networks: networks.collect() }
    }

    /// Is this one of our addresses?
    pub fn have(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|net| net.addr() == ip)
    }

    /// The networks that we are in.
    pub fn networks(&self) -> impl Iterator<Item = IpNet> {
        self.networks.iter().map(IpNet::trunc)
    }
}

/// How long the kernel's answer is good where no change was reported: calls come in rows, and asking takes a socket each
/// time.
const KEPT: Duration = Duration::from_secs(1);
/// Answers that are kept at most.
const MOST: usize = 1024;

/// The kernel's answers of the last second: from which address of ours it sends to a peer.
#[derive(Debug, Default)]
pub(super) struct Sources {
    kept: RefCell<HashMap<IpAddr, (Instant, Option<IpAddr>)>>,
}

impl Sources {
    /// The address that the kernel sends from to this peer; none where it cannot be reached.
    pub(super) fn towards(&self, now: Instant, remote: IpAddr) -> Option<IpAddr> {
        let mut kept = self.kept.borrow_mut();
        if let Some((at, source)) = kept.get(&remote)
            && now.saturating_duration_since(*at) < KEPT
        {
            return *source;
        }
        if kept.len() >= MOST {
            kept.clear();
        }
        let source = towards(remote).ok();
        kept.insert(remote, (now, source));
        source
    }

    /// Addresses or routes have changed.
    pub(super) fn forget(&self) {
        self.kept.borrow_mut().clear();
    }
}

/// The address that the kernel would send from; a connected UDP socket sends nothing.
fn towards(remote: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match remote {
        IpAddr::V4(_) => [0, 0, 0, 0].into(),
        IpAddr::V6(_) => [0u16; 8].into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(SocketAddr::new(remote, 9))?;
    Ok(socket.local_addr()?.ip())
}

/// Sends from this address of ours, on a socket that is bound to all.
pub(crate) fn send_from(socket: &UdpSocket, bytes: &[u8], from: IpAddr, to: SocketAddr) -> io::Result<()> {
    let (v4, v6);
    let source = match from {
        IpAddr::V4(ip) => {
            let spec_dst = libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
            let any = libc::in_addr { s_addr: 0 };
            v4 = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: spec_dst, ipi_addr: any };
            ControlMessage::Ipv4PacketInfo(&v4)
        }
        IpAddr::V6(ip) => {
            let addr = libc::in6_addr { s6_addr: ip.octets() };
            v6 = libc::in6_pktinfo { ipi6_addr: addr, ipi6_ifindex: 0 };
            ControlMessage::Ipv6PacketInfo(&v6)
        }
    };
    let to = SockaddrStorage::from(to);
    sendmsg(socket.as_raw_fd(), &[IoSlice::new(bytes)], &[source], MsgFlags::MSG_DONTWAIT, Some(&to))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_good_for_a_second_or_until_something_changes() {
        let (sources, now) = (Sources::default(), Instant::now());
        let peer: IpAddr = [127, 0, 0, 9].into();
        let wrong: IpAddr = [192, 0, 2, 1].into();
        let right = sources.towards(now, peer);
        assert!(right.is_some_and(|ip| ip.is_loopback()));
        let put = || sources.kept.borrow_mut().insert(peer, (now, Some(wrong)));
        put();
        assert_eq!(sources.towards(now + KEPT / 2, peer), Some(wrong), "the kernel is not asked again");
        assert_eq!(sources.towards(now + KEPT, peer), right);
        put();
        sources.forget();
        assert_eq!(sources.towards(now, peer), right);
    }
}
