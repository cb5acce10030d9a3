//! What a plugin may be allowed: nothing but this list.

use std::collections::BTreeSet;
use std::fmt;
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
    /// Ask one host over HTTP or HTTPS: `http:api.example.com`, `http:192.0.2.7:8443`. Without a port, 80 and 443.
    Http {
        /// Lower case.
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
#[error("{text:?} is no grant ({why}); there are store, clock, http:HOST[:PORT], dns:ZONE and memory:MIB")]
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
                    return Err(no("it names one host, without a path and without *"));
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
        Grant::Http { host: granted, port: None } => *granted == host && matches!(port, 80 | 443),
        Grant::Http { host: granted, port: Some(only) } => *granted == host && *only == port,
        _ => false,
    })
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
    let v6 = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    match v6 {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_domain(host),
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
