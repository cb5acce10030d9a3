//! Which address of ours a peer is shown, where a router stands between some peers and us.
//!
//! A peer of a local network reaches us at the address of our interface, everybody else at the one that the router has.
//! Which of the two a peer is, the address that its signalling comes from says: what it writes in Contact, Via or SDP
//! says nothing of where it is.

use std::net::{IpAddr, SocketAddr};

pub use ipnet::IpNet;

/// The networks around us, and our address as seen from outside of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// Peers from here are shown the address of our interface.
    pub local_networks: Vec<IpNet>,
    /// What all others are shown, at most one address a family; a family without one is shown our interface's.
    pub external: Vec<IpAddr>,
}

impl Topology {
    /// No router between: everybody is shown the address of our interface.
    pub fn direct() -> Topology {
        Topology { local_networks: private_networks(), external: Vec::new() }
    }

    /// Is this address in one of the local networks?
    pub fn is_local(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.local_networks.iter().any(|network| network.contains(&ip))
    }

    /// Our address `local` as a peer shall see it whose signalling comes from `remote`.
    pub fn advertised(&self, local: SocketAddr, remote: IpAddr) -> SocketAddr {
        if self.is_local(remote) {
            return local;
        }
        let outside = self.external.iter().find(|ip| ip.is_ipv4() == local.is_ipv4());
        outside.map_or(local, |ip| SocketAddr::new(*ip, local.port()))
    }
}

/// The networks that nobody routes in the Internet (RFC 1918, 6598, 3927, 4193, 4291) and the loopback.
pub fn private_networks() -> Vec<IpNet> {
    const NETWORKS: [&str; 9] = [
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "127.0.0.0/8",
        "fc00::/7",
        "fe80::/10",
        "::1/128",
    ];
    NETWORKS.iter().filter_map(|network| network.parse().ok()).collect()
}

/// Can nobody in the Internet have this address?
pub fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private() || shared || v4.is_link_local() || v4.is_loopback()
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

/// May a packet from `local` reach `remote` at all? Nobody elsewhere can answer to a loopback address, nor to none.
pub fn can_reach(local: IpAddr, remote: IpAddr) -> bool {
    !local.is_unspecified() && (!local.is_loopback() || remote.to_canonical().is_loopback())
}

/// A network such as `192.0.2.0/24`, or one address.
///
/// # Errors
/// The text is neither an address nor a network in CIDR notation.
pub fn network(text: &str) -> Result<IpNet, BadNetwork> {
    let bad = || BadNetwork(text.to_owned());
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(ip));
    }
    // The rest of the address behind the prefix says nothing: 192.0.2.7/24 is the network that 192.0.2.7 is in.
    text.parse::<IpNet>().map(|net| net.trunc()).map_err(|_| bad())
}

/// Not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is neither an IP address nor a network")]
pub struct BadNetwork(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn inside_sees_the_interface_and_outside_the_router() {
        let topology = Topology { external: vec![ip("203.0.113.5")], ..Topology::direct() };
        let local: SocketAddr = "192.168.1.2:5060".parse().expect("an address");
        for inside in ["192.168.1.20", "10.8.0.3", "172.31.255.254", "127.0.0.1", "::ffff:192.168.1.9"] {
            assert_eq!(topology.advertised(local, ip(inside)), local, "{inside}");
        }
        let seen: SocketAddr = "203.0.113.5:5060".parse().expect("an address");
        for outside in ["198.51.100.1", "172.32.0.1", "11.0.0.1", "8.8.8.8"] {
            assert_eq!(topology.advertised(local, ip(outside)), seen, "{outside}");
        }
        // An IPv4 address is none for a peer of the other family.
        let six: SocketAddr = "[2001:db8::2]:5060".parse().expect("an address");
        assert_eq!(topology.advertised(six, ip("2001:db8:1::9")), six);
    }

    #[test]
    fn own_networks_are_inside_too() {
        let mut topology = Topology { external: vec![ip("203.0.113.5")], ..Topology::direct() };
        let local: SocketAddr = "198.51.100.2:5060".parse().expect("an address");
        assert_eq!(topology.advertised(local, ip("198.51.100.77")).ip(), ip("203.0.113.5"));
        topology.local_networks.push(network("198.51.100.2/24").expect("a network"));
        assert_eq!(topology.advertised(local, ip("198.51.100.77")), local);
    }

    #[test]
    fn networks_are_read_with_and_without_prefix() {
        let holds = |text: &str, at: &str| network(text).map(|net| net.contains(&ip(at)));
        assert_eq!(holds("192.0.2.0/24", "192.0.2.200"), Ok(true));
        assert_eq!(holds("192.0.2.9/24", "192.0.2.200"), Ok(true));
        assert_eq!(holds("192.0.2.7", "192.0.2.7"), Ok(true));
        assert_eq!(holds("192.0.2.7", "192.0.2.8"), Ok(false));
        assert_eq!(holds("2001:db8::/32", "2001:db8:7::1"), Ok(true));
        for bad in ["", "192.0.2.0/33", "192.0.2/24", "net", "192.0.2.0/", "192.0.2.0/-1"] {
            assert_eq!(network(bad), Err(BadNetwork(bad.to_owned())), "{bad}");
        }
    }

    #[test]
    fn the_loopback_reaches_the_loopback_alone() {
        assert!(can_reach(ip("127.0.0.1"), ip("127.0.0.9")));
        assert!(!can_reach(ip("127.0.0.1"), ip("192.0.2.1")));
        assert!(!can_reach(ip("0.0.0.0"), ip("127.0.0.1")));
        assert!(can_reach(ip("192.0.2.1"), ip("192.0.2.2")));
        assert!(!can_reach(ip("::1"), ip("2001:db8::1")));
    }
}
