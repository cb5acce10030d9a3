//! What a plugin may be allowed: nothing but this list.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// MiB that a decision has without a grant, and the most that one can be granted.
pub const MEMORY: u16 = 16;
/// The most that can be granted: guests that bring a whole interpreter need 30 to 60.
pub const MOST_MEMORY: u16 = 128;

/// One permission.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grant {
    /// Keep values of its own: `store`.
    Store,
    /// Read the clock: `clock`.
    Clock,
    /// Ask one host over HTTP or HTTPS: `http:api.example.com`, `http:192.0.2.7:8443`, or every host of a network:
    /// `http:10.1.0.0/16`. Without a port, 80 and 443. A name reaches addresses of the inside only when another grant
    /// names them: the owner of the name must not choose which machine of ours is asked.
    Http {
        /// Lower case; a network with its length.
        host: String,
        /// Another port than the usual.
        port: Option<u16>,
    },
    /// Look up NAPTR records of a zone and below: `dns:e164.arpa`.
    Dns(String),
    /// More memory than usual, MiB: `memory:64`.
    Memory(u16),
}

/// A set of permissions.
pub type Grants = BTreeSet<Grant>;

/// A text that names no grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid grant {text:?} ({why}): expected store, clock, http:HOST[:PORT], dns:ZONE or memory:MIB")]
pub struct NoGrant {
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl FromStr for Grant {
    type Err = NoGrant;

    fn from_str(text: &str) -> Result<Grant, NoGrant> {
        let no = |why: &str| NoGrant { text: text.chars().take(300).collect(), why: why.to_owned() };
        match text.split_once(':') {
            None if text == "store" => Ok(Grant::Store),
            None if text == "clock" => Ok(Grant::Clock),
            Some(("http", host)) => {
                let (host, port) = match host.rsplit_once(':') {
                    Some((host, port)) if !host.ends_with(':') && !port.contains(']') => {
                        let port = port.parse().ok().filter(|p| *p > 0);
                        (host, Some(port.ok_or_else(|| no("the port is a number from 1 to 65535"))?))
                    }
                    _ => (host, None),
                };
                let host = host.to_ascii_lowercase();
                if !is_host(&host) {
                    return Err(no(
                        "it names one host or a network such as 10.1.0.0/16, without a path and without *",
                    ));
                }
                Ok(Grant::Http { host, port })
            }
            Some(("dns", zone)) => {
                let zone = zone.trim_end_matches('.').to_ascii_lowercase();
                if !is_domain(&zone) {
                    return Err(no("it names a zone, as in dns:e164.arpa"));
                }
                Ok(Grant::Dns(zone))
            }
            Some(("memory", mib)) => match mib.parse() {
                Ok(mib) if (1..=MOST_MEMORY).contains(&mib) => Ok(Grant::Memory(mib)),
                _ => Err(no(&format!("memory is given in MiB, 1 to {MOST_MEMORY}"))),
            },
            _ => Err(no("the word before the colon is not known")),
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Grant::Store => f.write_str("store"),
            Grant::Clock => f.write_str("clock"),
            Grant::Http { host, port: None } => write!(f, "http:{host}"),
            Grant::Http { host, port: Some(port) } => write!(f, "http:{host}:{port}"),
            Grant::Dns(zone) => write!(f, "dns:{zone}"),
            Grant::Memory(mib) => write!(f, "memory:{mib}"),
        }
    }
}

impl Grant {
    /// Does having `self` mean having `asked`? Less memory is contained in more.
    pub fn covers(&self, asked: &Grant) -> bool {
        match (self, asked) {
            (Grant::Memory(have), Grant::Memory(want)) => have >= want,
            _ => self == asked,
        }
    }
}

/// May this host and port be asked?
pub fn allows_host(grants: &Grants, host: &str, port: u16) -> bool {
    let host = host.to_ascii_lowercase();
    grants.iter().any(|grant| match grant {
        Grant::Http { host: granted, port: only } => {
            (*granted == host
                || address(&host).is_some_and(|ip| network(granted).is_some_and(|n| n.holds(ip))))
                && fits(*only, port)
        }
        _ => false,
    })
}

/// The addresses and networks that the grants name for this port: those of the inside that may be asked.
pub fn named_addresses(grants: &Grants, port: u16) -> Vec<Network> {
    let named = grants.iter().filter_map(|grant| match grant {
        Grant::Http { host, port: only } if fits(*only, port) => network(host),
        _ => None,
    });
    named.collect()
}

/// An address, or all with the same beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    length: u8,
}

impl Network {
    /// Is this address in it?
    pub fn holds(&self, address: IpAddr) -> bool {
        let bits = |ip: IpAddr| match ip.to_canonical() {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, true),
            IpAddr::V6(v6) => (v6.to_bits(), false),
        };
        let ((ours, v4), (theirs, other)) = (bits(self.address), bits(address));
        let mask = u128::MAX.checked_shl(128 - u32::from(self.length)).unwrap_or(0);
        v4 == other && (ours ^ theirs) & mask == 0
    }
}

fn fits(only: Option<u16>, port: u16) -> bool {
    only.map_or(matches!(port, 80 | 443), |only| only == port)
}

/// `192.0.2.7`, `[2001:db8::1]`.
fn address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

/// `10.1.0.0/16`, `[fd00::]/8`, or an address alone.
fn network(host: &str) -> Option<Network> {
    let (first, length) = host.split_once('/').map_or((host, None), |(a, b)| (a, Some(b)));
    let address = address(first)?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        Some(length) => length.parse().ok().filter(|n| *n <= most)?,
        None => most,
    };
    Some(Network { address, length })
}

/// Is this an address of the inside: of this machine, its networks, or nobody's? Also where it is written into an address
/// of IPv6, which leads to the same machine.
pub fn is_inner(address: IpAddr) -> bool {
    let v6 = match address.to_canonical() {
        IpAddr::V4(v4) => return inner_v4(v4),
        IpAddr::V6(v6) => v6,
    };
    let s = v6.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match s {
        // Unspecified, loopback, and the old way to write an address of IPv4.
        [0, 0, 0, 0, 0, 0, ..] => true,
        // NAT64 (RFC 6052), and that of a local network (RFC 8215); addresses translated in the network (RFC 2765).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => inner_v4(v4(high, low)),
        [0x64, 0xff9b, 1, ..] => true,
        [0, 0, 0, 0, 0xffff, 0, ..] => true,
        // 6to4 and Teredo.
        [0x2002, high, low, ..] => inner_v4(v4(high, low)),
        [0x2001, 0, ..] => true,
        // Unique local, link-local, site-local, multicast.
        [first, ..] => {
            first & 0xfe00 == 0xfc00
                || first & 0xffc0 == 0xfe80
                || first & 0xffc0 == 0xfec0
                || first & 0xff00 == 0xff00
        }
    }
}

fn inner_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && b & 0xfe == 18)
}

/// May this name be looked up? It is in a granted zone, at a label's border.
pub fn allows_name(grants: &Grants, name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    grants.iter().any(|grant| match grant {
        Grant::Dns(zone) => {
            name == *zone || name.strip_suffix(zone.as_str()).is_some_and(|rest| rest.ends_with('.'))
        }
        _ => false,
    })
}

/// Octets of memory that a decision has.
pub fn memory(grants: &Grants) -> usize {
    let granted = grants.iter().filter_map(|grant| match grant {
        Grant::Memory(mib) => Some(*mib),
        _ => None,
    });
    usize::from(granted.max().unwrap_or(MEMORY).max(MEMORY)) << 20
}

fn is_host(host: &str) -> bool {
    match host.contains(['/', '[']) {
        true => network(host).is_some(),
        false => is_domain(host),
    }
}

fn is_domain(name: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

impl Serialize for Grant {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Grant {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Grant, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_inside_are_known_however_they_are_written() {
        for inner in [
            "127.0.0.1",
            "127.255.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.8",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2001::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "::ffff:0:7f00:1",
        ] {
            assert!(is_inner(inner.parse().unwrap()), "{inner}");
        }
        for outer in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(!is_inner(outer.parse().unwrap()), "{outer}");
        }
    }

    #[test]
    fn a_grant_names_an_address_or_a_network() {
        let grants: Grants =
            ["http:10.1.0.0/16", "http:127.0.0.1:8080", "http:[fd00::]/8", "http:api.example.com"]
                .iter()
                .map(|g| g.parse().unwrap())
                .collect();
        let named =
            |ip: &str, port| named_addresses(&grants, port).iter().any(|n| n.holds(ip.parse().unwrap()));
        assert!(named("10.1.2.3", 443) && named("::ffff:10.1.2.3", 80) && named("fd12::1", 443));
        assert!(named("127.0.0.1", 8080));
        assert!(!named("127.0.0.1", 80) && !named("10.2.0.1", 443) && !named("10.1.2.3", 8080));
        assert!(allows_host(&grants, "10.1.2.3", 443) && !allows_host(&grants, "10.2.2.3", 443));
        assert!(allows_host(&grants, "[fd00::5]", 443) && !allows_host(&grants, "[fe80::5]", 443));
        for (text, shown) in
            [("http:10.1.0.0/16:8443", "http:10.1.0.0/16:8443"), ("http:[fd00::]/8", "http:[fd00::]/8")]
        {
            assert_eq!(text.parse::<Grant>().unwrap().to_string(), shown);
        }
        for wrong in
            ["http:10.1.0.0/33", "http:10.1.0.0/x", "http:example.com/8", "http:[fd00::]/129", "http:/8"]
        {
            assert!(wrong.parse::<Grant>().is_err(), "{wrong}");
        }
    }
}
