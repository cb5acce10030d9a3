//! Which addresses this machine has, and which of them a peer sees. The kernel is asked each time: an answer that is kept
//! is wrong after the next DHCP lease.

use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

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

/// The address that the kernel would send from; a connected UDP socket sends nothing.
pub(crate) fn towards(remote: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match remote {
        IpAddr::V4(_) => [0, 0, 0, 0].into(),
        IpAddr::V6(_) => [0u16; 8].into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(SocketAddr::new(remote, 9))?;
    Ok(socket.local_addr()?.ip())
}

/// Would the kernel send to this peer from another address of ours?
pub(crate) fn is_not_first_choice(local: IpAddr, remote: IpAddr) -> bool {
    local.is_ipv4() == remote.is_ipv4() && towards(remote).is_ok_and(|ip| ip != local)
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
