//! Where a URI or a Via points: a name or an address, and the port.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;

use crate::chars::{self, HOST, share};

/// A host as RFC 3261 §25.1 has it.
#[derive(Debug, Clone)]
pub enum Host {
    /// A name, in the letters it came in; compared without case.
    Name(Bytes),
    /// An address. IPv6 is written in brackets.
    Ip(IpAddr),
}

impl Host {
    /// The host that these octets spell: a name, an IPv4 address, or an IPv6 address in brackets.
    pub fn read(raw: &Bytes) -> Option<Host> {
        read_part(raw, raw)
    }

    /// The address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Host::Ip(ip) => Some(*ip),
            Host::Name(_) => None,
        }
    }
}

impl PartialEq for Host {
    fn eq(&self, other: &Host) -> bool {
        match (self, other) {
            (Host::Name(a), Host::Name(b)) => a.eq_ignore_ascii_case(b),
            (Host::Ip(a), Host::Ip(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Host {}

impl std::hash::Hash for Host {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match self {
            Host::Name(name) => name.iter().for_each(|b| state.write_u8(b.to_ascii_lowercase())),
            Host::Ip(ip) => ip.hash(state),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(&String::from_utf8_lossy(name)),
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Host {
        Host::Ip(ip)
    }
}

impl From<Ipv4Addr> for Host {
    fn from(ip: Ipv4Addr) -> Host {
        Host::Ip(ip.into())
    }
}

impl From<Ipv6Addr> for Host {
    fn from(ip: Ipv6Addr) -> Host {
        Host::Ip(ip.into())
    }
}

/// `host[:port]`, the port's octets still to be judged. Blanks around the colon are the caller's to allow.
pub(crate) fn split_port(raw: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let end = match raw.first()? {
        b'[' => memchr::memchr(b']', raw)? + 1,
        _ => memchr::memchr(b':', raw).unwrap_or(raw.len()),
    };
    let (host, rest) = raw.split_at(end);
    let rest = if chars::trim(rest).first() == Some(&b':') { chars::trim(rest) } else { rest };
    match rest.split_first() {
        None => Some((host, None)),
        Some((b':', port)) => Some((host, Some(port))),
        Some(_) => None,
    }
}

/// A host that is a part of `whole`.
pub(crate) fn read_part(whole: &Bytes, raw: &[u8]) -> Option<Host> {
    if let Some(inner) = raw.strip_prefix(b"[") {
        return ipv6(inner.strip_suffix(b"]")?).map(Host::from);
    }
    if !chars::some(raw, HOST) {
        return None;
    }
    let digits = raw.last().is_some_and(u8::is_ascii_digit);
    match digits.then(|| std::str::from_utf8(raw).ok()?.parse::<Ipv4Addr>().ok()).flatten() {
        Some(ip) => Some(ip.into()),
        None => Some(Host::Name(share(whole, raw))),
    }
}

/// A port: 1 to 5 digits, 0 to 65535.
pub(crate) fn port(raw: &[u8]) -> Option<u16> {
    chars::number(raw).filter(|_| raw.len() <= 5).and_then(|n| u16::try_from(n).ok())
}

/// An IPv6 address without brackets. The old grammar of RFC 3261 allowed `2001:db8:::192.0.2.1`, and elements that follow
/// it to the letter write that (RFC 5118 §4.10).
pub(crate) fn ipv6(raw: &[u8]) -> Option<Ipv6Addr> {
    let text = std::str::from_utf8(raw).ok()?;
    if text.len() > 64 {
        return None;
    }
    text.parse()
        .ok()
        .or_else(|| text.contains(":::").then(|| text.replacen(":::", "::", 1).parse().ok()).flatten())
}
