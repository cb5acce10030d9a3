//! Where a request in a dialog goes (RFC 3261 §8.1.2, §12.2.1.1): to the first Route, without one to the remote target,
//! resolved by RFC 3263. The one exception is a far end behind NAT, which is reached by its own flow alone.
//!
//! [`next_hop`] is the whole rule, as a function of what the dialog knows. It asks nobody: where a name has to be resolved
//! first, the owner of the dialog does that and sends then.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;

use crate::address::NameAddr;
use crate::endpoint::{Flow, Transport};
use crate::host::Host;
use crate::message::Headers;
use crate::name::Name;
use crate::uri::{SipUri, Uri};

/// What leads back to a far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Its Contact, as the RFC says.
    #[default]
    Contact,
    /// The flow that its last message came by: it registered from behind NAT, or asked for an outbound flow (RFC 5626).
    Flow,
}

/// Where to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextHop {
    /// By this flow. Where it has a connection, that one while it is open, else a new one to its remote address.
    Flow(Flow),
    /// Ask DNS first (RFC 3263).
    Name(HostName),
}

impl NextHop {
    /// The flow, where no name has to be resolved.
    pub fn flow(&self) -> Option<Flow> {
        match self {
            NextHop::Flow(flow) => Some(*flow),
            NextHop::Name(_) => None,
        }
    }
}

/// A host to be resolved.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostName {
    /// A name, or an address of the other family than the flow's.
    pub host: String,
    /// Written in the URI; then SRV is not asked (RFC 3263 §4.2).
    pub port: Option<u16>,
    /// Written in the URI.
    pub transport: Option<Transport>,
}

/// The next hop of a request with this route set to this target. `learned` is the flow of the far end's last message, or
/// the one that our INVITE took.
///
/// | there is a Route | the far end is behind NAT | then |
/// |---|---|---|
/// | yes | – | the first Route |
/// | no | yes ([`Reach::Flow`]) | the learned flow |
/// | no | no | the target |
///
/// A URI that cannot be followed (no `sip:`, TLS, an address that no datagram reaches from here) leaves the learned flow.
pub fn next_hop(routes: &[Bytes], target: &Bytes, learned: Flow, reach: Reach) -> NextHop {
    let uri = match (routes.first(), reach) {
        (Some(route), _) => NameAddr::read(route).ok().map(|route| route.uri),
        (None, Reach::Flow) => None,
        (None, Reach::Contact) => Uri::read(target).ok(),
    };
    match uri.as_ref().and_then(Uri::sip) {
        Some(uri) => toward(uri, learned).unwrap_or(NextHop::Flow(learned)),
        None => NextHop::Flow(learned),
    }
}

/// What leads back to the sender of this Contact, seen from where its message came.
pub fn reach(contact: &NameAddr, flow: Flow, rport: bool) -> Reach {
    // RFC 5626 §5, and `ob` of its §4.3 for phones that ask for it in a dialog alone.
    if contact.params.get("reg-id").is_some() || contact.uri.sip().is_some_and(|u| u.param("ob").is_some()) {
        return Reach::Flow;
    }
    let Some(uri) = contact.uri.sip() else { return Reach::Flow };
    match &uri.host {
        Host::Ip(ip) if *ip != flow.remote.ip() => Reach::Flow,
        // The same address and another port: a router that writes itself into Contact and keeps the private port, or a
        // phone that sends from another port than it listens on. The first asks for `rport`, or loses it on the way and
        // is told apart by `Endpoint::back`.
        Host::Ip(_) => {
            let same = flow.transport == Transport::Tcp || uri.port.unwrap_or(5060) == flow.remote.port();
            if same || !rport { Reach::Contact } else { Reach::Flow }
        }
        Host::Name(name) if is_no_name(name) => Reach::Flow,
        Host::Name(_) => Reach::Contact,
    }
}

/// Is this address of no use from where `source` is? The private address of a phone behind a router is, for one.
pub fn is_unroutable(ip: IpAddr, source: IpAddr) -> bool {
    scope(ip) < scope(source)
}

/// Puts the route set on a request to this target (§12.2.1.1), and gives its Request-URI. A strict router, one without
/// `lr`, wants to be the Request-URI itself, with the target last in the route.
pub fn put_routes(headers: &mut Headers, routes: &[Bytes], target: &Bytes) -> Bytes {
    match routes.split_first() {
        Some((first, rest)) if !is_loose(first) => {
            rest.iter().for_each(|route| headers.push(Name::Route, route.clone()));
            headers.push(Name::Route, [b"<", &target[..], b">"].concat());
            NameAddr::read(first).map_or_else(|_| first.clone(), |route| route.uri.write())
        }
        _ => {
            routes.iter().for_each(|route| headers.push(Name::Route, route.clone()));
            target.clone()
        }
    }
}

fn is_loose(route: &Bytes) -> bool {
    NameAddr::read(route).is_ok_and(|route| route.uri.sip().is_some_and(SipUri::is_loose))
}

fn toward(uri: &SipUri, learned: Flow) -> Option<NextHop> {
    let named = uri.param("transport").map(|t| t.to_ascii_lowercase());
    let transport = match named.as_deref() {
        // What is secure by its own word is not sent in the clear elsewhere.
        _ if uri.secure => return None,
        None => None,
        Some(b"udp") => Some(Transport::Udp),
        Some(b"tcp") => Some(Transport::Tcp),
        Some(_) => return None,
    };
    let host = match uri.param("maddr").filter(|m| !m.is_empty()) {
        Some(maddr) => Host::read(&maddr)?,
        None => uri.host.clone(),
    };
    let ip = match host {
        Host::Ip(ip) => ip,
        Host::Name(name) if is_no_name(&name) => return None,
        Host::Name(name) => {
            let host = String::from_utf8_lossy(&name).into_owned();
            return Some(NextHop::Name(HostName { host, port: uri.port, transport }));
        }
    };
    let remote = SocketAddr::new(ip, uri.port.unwrap_or(5060));
    if remote.port() == 0 || !is_one_host(ip) || is_unroutable(ip, learned.remote.ip()) {
        return None;
    }
    // Many who use TCP leave `transport` out of their Contact: a far end that is on TCP is so at the same address.
    let same_host = ip == learned.remote.ip();
    let transport = transport.unwrap_or(if same_host { learned.transport } else { Transport::Udp });
    if transport == learned.transport && remote == learned.remote {
        return Some(NextHop::Flow(learned));
    }
    if ip.is_ipv4() != learned.local.is_ipv4() {
        // We have another address there, and the owner knows which.
        let port = Some(remote.port());
        return Some(NextHop::Name(HostName { host: ip.to_string(), port, transport: Some(transport) }));
    }
    // The connection that is open is as good as a new one (RFC 5923), and the only one through a router.
    let open = same_host && transport == Transport::Tcp && learned.transport == Transport::Tcp;
    let connection = if open { learned.connection } else { 0 };
    Some(NextHop::Flow(Flow { transport, local: learned.local, remote, connection }))
}

/// Names that DNS does not have: `.invalid` (RFC 7118 §5), `localhost`.
fn is_no_name(name: &[u8]) -> bool {
    let name = name.strip_suffix(b".").unwrap_or(name).to_ascii_lowercase();
    name.ends_with(b".invalid") || name == b"localhost"
}

fn is_one_host(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast(),
    }
}

/// How far an address reaches: this host, this link, a site, everywhere.
fn scope(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(ip) => scope_v4(ip),
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or_else(|| scope_v6(ip), scope_v4),
    }
}

fn scope_v4(ip: Ipv4Addr) -> u8 {
    // RFC 6598: between a provider's routers and its customers.
    let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
    match ip {
        _ if ip.is_loopback() || ip.is_unspecified() => 0,
        _ if ip.is_link_local() => 1,
        _ if ip.is_private() || shared => 2,
        _ => 3,
    }
}

fn scope_v6(ip: Ipv6Addr) -> u8 {
    match ip {
        _ if ip.is_loopback() || ip.is_unspecified() => 0,
        _ if ip.is_unicast_link_local() => 1,
        _ if ip.is_unique_local() => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests;
