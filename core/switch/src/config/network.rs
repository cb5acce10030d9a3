//! Networks as an administrator writes them.

use std::net::IpAddr;
use std::str::FromStr;

/// An address with the length of its network: `192.168.1.0/24`, `fd00::/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpNetwork {
    address: IpAddr,
    prefix: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadNetwork {
    /// No address.
    #[error("{0:?} is not an address or a network: expected 192.168.1.7 or 192.168.1.0/24")]
    Address(String),
    /// A length of more bits than the address has.
    #[error("{text:?} has an invalid length: expected 0 to {most} after the slash")]
    Length {
        /// What was written.
        text: String,
        /// Bits of such an address.
        most: u8,
    },
    /// Bits after the network's length.
    #[error("{text:?} has bits beyond its length; the network is {meant}")]
    HostBits {
        /// What was written.
        text: String,
        /// The network without them.
        meant: String,
    },
}

impl IpNetwork {
    /// Is the address in this network? An IPv4 address in IPv6 form counts as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(it)) => {
                let bits = u32::from(net) ^ u32::from(it);
                bits.checked_shr(u32::from(32 - self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(net), IpAddr::V6(it)) => {
                let bits = u128::from(net) ^ u128::from(it);
                bits.checked_shr(u32::from(128 - self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    fn first(address: IpAddr, prefix: u8) -> IpAddr {
        match address {
            IpAddr::V4(a) => {
                let mask = u32::MAX.checked_shl(u32::from(32 - prefix)).unwrap_or(0);
                IpAddr::from((u32::from(a) & mask).to_be_bytes())
            }
            IpAddr::V6(a) => {
                let mask = u128::MAX.checked_shl(u32::from(128 - prefix)).unwrap_or(0);
                IpAddr::from((u128::from(a) & mask).to_be_bytes())
            }
        }
    }
}

impl FromStr for IpNetwork {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<IpNetwork, BadNetwork> {
        let no_address = || BadNetwork::Address(text.to_owned());
        let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
        let address: IpAddr = address.parse().map_err(|_| no_address())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let Some(length) = length else { return Ok(IpNetwork { address, prefix: most }) };
        let prefix = length.parse().ok().filter(|l| *l <= most);
        let prefix = prefix.ok_or_else(|| BadNetwork::Length { text: text.to_owned(), most })?;
        let first = IpNetwork::first(address, prefix);
        if first != address {
            return Err(BadNetwork::HostBits { text: text.to_owned(), meant: format!("{first}/{prefix}") });
        }
        Ok(IpNetwork { address, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        let holds =
            |net: &str, address: &str| net.parse::<IpNetwork>().unwrap().contains(address.parse().unwrap());
        assert!(holds("192.168.1.0/24", "192.168.1.7") && !holds("192.168.1.0/24", "192.168.2.7"));
        assert!(holds("192.168.1.0/24", "::ffff:192.168.1.7"));
        assert!(holds("10.0.0.1", "10.0.0.1") && !holds("10.0.0.1", "10.0.0.2"));
        assert!(holds("0.0.0.0/0", "203.0.113.1") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("fd00::/8", "fd12::1") && !holds("fd00::/8", "fe80::1"));
        assert!(holds("::/0", "2001:db8::1") && holds("2001:db8::1", "2001:db8::1"));
    }

    #[test]
    fn what_is_no_network_is_said() {
        let error = |text: &str| text.parse::<IpNetwork>().unwrap_err().to_string();
        assert!(error("proxy.example").contains("expected 192.168.1.7"));
        assert!(error("10.0.0.0/33").contains("expected 0 to 32"));
        assert!(error("10.0.0.0/x").contains("expected 0 to 32"));
        assert!(error("192.168.1.7/24").contains("the network is 192.168.1.0/24"));
    }
}
