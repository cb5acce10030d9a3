//! Via: the way that a response goes back (RFC 3261 §18.2, §20.42; rport, RFC 3581; IPv6, RFC 5118).

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use thiserror::Error;

use crate::chars::{self, TOKEN, share, trim};
use crate::host::{self, Host};
use crate::list;
use crate::message::Headers;
use crate::name::Name;
use crate::params::{BadParams, Params};

/// How a branch begins that identifies its transaction by itself (§8.1.1.7).
pub const MAGIC: &str = "z9hG4bK";

/// One value of a Via header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// `UDP`, `TCP`, `TLS`, … as it came; unknown ones are fine in all but the top value.
    pub transport: Bytes,
    /// Who sent it, by their own account.
    pub host: Host,
    /// Their port, if written.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport`, …
    pub params: Params,
}

/// Why octets are not a Via.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadVia {
    /// There is none.
    #[error("no Via")]
    Missing,
    /// It does not begin with `SIP/2.0/` and a transport.
    #[error("no SIP/2.0 and transport in Via")]
    Protocol,
    /// No host, or a bad one.
    #[error("no valid sent-by in Via")]
    SentBy,
    /// Bad parameters.
    #[error("bad parameters in Via")]
    Params(#[from] BadParams),
}

impl Via {
    /// A Via for a request of ours.
    pub fn new(transport: &'static str, host: impl Into<Host>, port: Option<u16>) -> Via {
        Via {
            transport: Bytes::from_static(transport.as_bytes()),
            host: host.into(),
            port,
            params: Params::default(),
        }
    }

    /// Reads one value. Blanks may stand around every separator.
    ///
    /// # Errors
    /// The protocol is not SIP/2.0, or the transport, the sent-by host or port, or a parameter is malformed.
    pub fn read(raw: &Bytes) -> Result<Via, BadVia> {
        let mut parts = raw.splitn(3, |b| *b == b'/');
        let (Some(protocol), Some(version), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(BadVia::Protocol);
        };
        if !trim(protocol).eq_ignore_ascii_case(b"SIP") || trim(version) != b"2.0" {
            return Err(BadVia::Protocol);
        }
        let rest = trim(rest);
        let end = rest.iter().position(|b| chars::blank(*b)).ok_or(BadVia::Protocol)?;
        let (transport, rest) = rest.split_at(end);
        if !chars::some(transport, TOKEN) {
            return Err(BadVia::Protocol);
        }
        let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let (sent_by, params) = rest.split_at(end);
        let (name, port) = host::split_port(trim(sent_by)).ok_or(BadVia::SentBy)?;
        Ok(Via {
            transport: share(raw, transport),
            host: host::read_part(raw, trim(name)).ok_or(BadVia::SentBy)?,
            port: port.map(|p| host::port(trim(p)).ok_or(BadVia::SentBy)).transpose()?,
            params: Params::read_part(raw, params)?,
        })
    }

    /// The first value of the first Via line: the one that counts here.
    ///
    /// # Errors
    /// [`BadVia::Missing`] if there is no Via line; else those of [`Via::read`].
    pub fn top(headers: &Headers) -> Result<Via, BadVia> {
        let line = headers.get(&Name::Via).ok_or(BadVia::Missing)?;
        Via::read(&list::split(line).next().unwrap_or_default())
    }

    /// The `branch` parameter as it came; empty counts as none.
    pub fn branch(&self) -> Option<&[u8]> {
        self.params.get("branch").filter(|b| !b.is_empty())
    }

    /// The branch, if it begins with the magic cookie and so names the transaction (§17.2.3).
    pub fn unique_branch(&self) -> Option<&[u8]> {
        self.branch()
            .filter(|b| b.get(..MAGIC.len()).is_some_and(|m| m.eq_ignore_ascii_case(MAGIC.as_bytes())))
    }

    /// The address that the request really came from. IPv6 with or without brackets (RFC 5118 §4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?;
        let inner = text.strip_prefix(b"[").and_then(|t| t.strip_suffix(b"]")).unwrap_or(text);
        host::ipv6(inner).map(IpAddr::V6).or_else(|| std::str::from_utf8(inner).ok()?.parse().ok())
    }

    /// `rport`: asked for but not filled in, or the port that the request really came from.
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.has("rport").then(|| self.params.get("rport").and_then(host::port))
    }

    /// Notes where the request came from: `received` if the sent-by says otherwise or rport is asked for, `rport` if asked
    /// for (RFC 3261 §18.2.1, RFC 3581 §4). What a sender wrote there itself is overwritten.
    pub fn stamp(&mut self, from: SocketAddr) {
        let asked = self.rport().is_some();
        if asked {
            self.params.set("rport", Some(&from.port().to_string()));
        }
        if asked || self.host.ip() != Some(from.ip()) {
            self.params.set("received", Some(&from.ip().to_string()));
        } else {
            self.params.remove("received");
        }
    }

    /// Where the response goes: `maddr`, else `received` with `rport`, else sent-by (RFC 3261 §18.2.2, RFC 3581 §4).
    /// Nothing when that is a name, which only DNS can tell.
    pub fn reply_to(&self) -> Option<SocketAddr> {
        let default = if self.transport.eq_ignore_ascii_case(b"TLS") { 5061 } else { 5060 };
        let port = self.port.unwrap_or(default);
        if let Some(maddr) = self.params.bytes("maddr").and_then(|m| Host::read(&m)) {
            return maddr.ip().map(|ip| (ip, port).into());
        }
        let port = self.rport().flatten().unwrap_or(port);
        self.received().or_else(|| self.host.ip()).map(|ip| (ip, port).into())
    }

    /// The value for the wire.
    pub fn write(&self) -> Bytes {
        let mut out = Vec::with_capacity(96);
        out.extend_from_slice(b"SIP/2.0/");
        out.extend_from_slice(&self.transport);
        out.push(b' ');
        out.extend_from_slice(self.host.to_string().as_bytes());
        if let Some(port) = self.port {
            out.extend_from_slice(format!(":{port}").as_bytes());
        }
        out.extend_from_slice(self.params.as_bytes());
        out.into()
    }
}

/// Replaces the top Via value, leaving those behind it in the same line where they are.
pub fn set_top(headers: &mut Headers, via: &Via) {
    let Some((_, line)) = headers.iter_mut().find(|(name, _)| *name == Name::Via) else {
        return headers.push_front(Name::Via, via.write());
    };
    let mut out = via.write().to_vec();
    for value in list::split(line).skip(1) {
        out.extend_from_slice(b", ");
        out.extend_from_slice(&value);
    }
    *line = out.into();
}

#[cfg(test)]
mod tests;
