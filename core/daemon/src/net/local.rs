//! Which addresses this machine has, and which of them a peer sees. The kernel is asked each time: an answer that is kept
//! is wrong after the next DHCP lease.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

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
        let ip = |at: Option<nix::sys::socket::SockaddrStorage>| {
            at.and_then(super::udp::address).map(|at| at.ip())
        };
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
pub(super) fn towards(remote: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match remote {
        IpAddr::V4(_) => [0, 0, 0, 0].into(),
        IpAddr::V6(_) => [0u16; 8].into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(SocketAddr::new(remote, 9))?;
    Ok(socket.local_addr()?.ip())
}
