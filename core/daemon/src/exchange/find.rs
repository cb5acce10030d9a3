//! Who reaches a target now: lines and phones from the directory, providers from their gateways, hosts from DNS.

use std::sync::Arc;
use std::time::Instant;

use ringtrip_config::{ANSWER_WITHIN, HostPort};
use ringtrip_exchange::directory::{Located, Wanted};
use ringtrip_exchange::post::{CallInput, GatewayInput, LegInput, Post};
use ringtrip_exchange::route::{AdHoc, Credentials, Found, Identity, SipWay, Target};
use ringtrip_media::sdp::SrtpPolicy;
use ringtrip_model::ids::{CallId, GatewayId, LegId, LineId};
use ringtrip_model::party::Cause;
use ringtrip_sip::endpoint::{Flow, Transport};
use ringtrip_sip::next_hop::{HostName, Reach};

use super::directory::Directory;

/// Answers `Post::Find`: at once from memory, or later, when a gateway or DNS has answered.
pub(super) fn find(
    dir: &Directory,
    call: CallId,
    seq: u16,
    target: Target,
    emergency: bool,
    last: bool,
    except: &[LineId],
) -> Option<Result<Vec<Found>, Cause>> {
    let wanted = Wanted { target: &target, emergency, except };
    let located = dir.0.index.borrow_mut().locate(Instant::now(), wanted);
    match located {
        Located::Here(found) => return Some(found),
        Located::Gateway(gateway) => {
            let input = GatewayInput::Find { call, seq, emergency: emergency || last };
            dir.deliver(Post::Gateway { gateway: gateway.clone(), input });
        }
        Located::Host(to) => ad_hoc(dir, call, seq, to.clone()),
    }
    None
}

/// An ad-hoc destination of the dial plan.
fn ad_hoc(dir: &Directory, call: CallId, seq: u16, to: AdHoc) {
    let dir = dir.clone();
    actix_rt::spawn(async move {
        let found = ways(&dir, &to).await;
        dir.deliver(Post::Call { call, input: CallInput::Found { seq, found } });
    });
}

async fn ways(dir: &Directory, to: &AdHoc) -> Result<Vec<Found>, Cause> {
    let host: HostPort = to.host.parse().map_err(|_| Cause::Invalid)?;
    let addresses = dir.0.dns.find(&host, Transport::Udp).await;
    let net = dir.0.net.borrow().clone().ok_or(Cause::Failure)?;
    let flows: Vec<_> = addresses.iter().filter_map(|(t, addr)| net.flow_to(*t, *addr)).collect();
    if flows.is_empty() {
        return Err(Cause::Failure);
    }
    let credentials = match (&to.user, &to.password) {
        (Some(user), Some(password)) => {
            Some(Credentials { user: user.clone(), password: password.clone(), realm: None })
        }
        _ => None,
    };
    let config = dir.0.config.borrow().clone();
    let identity = Identity {
        user: to.user.clone(),
        domain: if to.user.is_some() { host.host.clone() } else { config.sip.domain.clone() },
        contact_user: to.user.clone().unwrap_or_else(|| "ringtrip".to_owned()),
    };
    let way = SipWay {
        uri: format!("sip:{{number}}@{host}"),
        flows,
        first: None,
        reach: if to.nat { Reach::Flow } else { Reach::Contact },
        answer_within: Some(ANSWER_WITHIN),
        credentials,
        identity,
        routes: Vec::new(),
        trusted: false,
        codecs: Vec::new(),
        srtp: SrtpPolicy::Off,
        headers: Vec::new(),
        name: host.to_string(),
        gateway: None,
    };
    Ok(vec![Found::Sip(Arc::new(way))])
}

/// Answers `Post::Resolve`.
pub(super) fn resolve(
    dir: &Directory,
    gateway: GatewayId,
    host: String,
    port: Option<u16>,
    transport: Option<Transport>,
) {
    let dir = dir.clone();
    actix_rt::spawn(async move {
        let transport = transport.unwrap_or(Transport::Udp);
        let (servers, ttl) = dir.0.dns.find_for(&HostPort { host, port }, transport).await;
        dir.found_servers(&gateway, servers.clone());
        dir.deliver(Post::Gateway { gateway, input: GatewayInput::Resolved { servers, ttl } });
    });
}

/// Answers `Post::Lookup`: by both transports, UDP first, where none is named (RFC 3263 §4.1).
pub(super) fn lookup(dir: &Directory, leg: LegId, name: HostName) {
    let dir = dir.clone();
    actix_rt::spawn(async move {
        let host = HostPort { host: name.host.clone(), port: name.port };
        let mut found = dir.0.dns.find(&host, name.transport.unwrap_or(Transport::Udp)).await;
        if found.is_empty() && name.transport.is_none() && name.port.is_none() {
            found = dir.0.dns.find(&host, Transport::Tcp).await;
        }
        let net = dir.0.net.borrow().clone();
        let flows: Vec<Flow> =
            net.iter().flat_map(|net| found.iter().filter_map(|(t, addr)| net.flow_to(*t, *addr))).collect();
        dir.deliver(Post::Leg { leg, input: LegInput::Lookup { name, flows } });
    });
}

/// A new dialog names the address of ours that the kernel sends from now, whatever it was when the phone registered or
/// the provider was found.
pub(super) fn rooted(dir: &Directory, mut all: Vec<Found>) -> Vec<Found> {
    let Some(net) = dir.0.net.borrow().clone() else { return all };
    for found in &mut all {
        let Found::Sip(way) = found else { continue };
        let peer_knows_it = way.gateway.is_none();
        let local = |flow: &Flow| net.local_of(flow, peer_knows_it).unwrap_or(flow.local);
        if way.flows.iter().all(|flow| local(flow) == flow.local) {
            continue;
        }
        for flow in &mut Arc::make_mut(way).flows {
            flow.local = local(flow);
        }
    }
    all
}
