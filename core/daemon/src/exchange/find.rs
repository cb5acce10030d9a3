//! Who reaches a target now: a free line from the directory's own memory, phones from the desk, providers from
//! their gateways, hosts from DNS.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringtrip_config::{ANSWER_WITHIN, HostPort};
use ringtrip_exchange::desk::DeskInput;
use ringtrip_exchange::post::{CallInput, GatewayInput, LegInput, Post};
use ringtrip_exchange::route::{AdHoc, Credentials, Found, Identity, SipWay, Target};
use ringtrip_model::ids::{CallId, ExtId, GatewayId, LegId, LineId};
use ringtrip_model::party::Cause;
use ringtrip_sip::endpoint::{Flow, Transport};
use ringtrip_sip::next_hop::{HostName, Reach};

use super::directory::{Directory, LineEntry};

/// A line that was just given to one call is not given to another before it had time to say that it is busy.
const RESERVED: Duration = Duration::from_secs(2);

/// Answers `Post::Find`, now or when somebody else knows.
pub(super) fn find(
    dir: &Directory,
    call: CallId,
    seq: u16,
    target: Target,
    emergency: bool,
    last: bool,
    except: &[LineId],
) {
    let answer = |found| Post::Call { call, input: CallInput::Found { seq, found } };
    match target {
        Target::Extension(ext) => extension(dir, call, seq, ext),
        Target::Line(line) => dir.deliver(answer(line_free(dir, &line, emergency))),
        Target::Landline => dir.deliver(answer(landline(dir, emergency, except))),
        Target::Gateway(gateway) => {
            let input = GatewayInput::Find { call, seq, emergency: emergency || last };
            dir.deliver(Post::Gateway { gateway, input });
        }
        Target::Uri(to) => ad_hoc(dir, call, seq, to),
    }
}

/// Its telephone on a jack and its SIP phones ring together.
fn extension(dir: &Directory, call: CallId, seq: u16, ext: ExtId) {
    let config = dir.0.config.borrow().clone();
    let Some(entry) = config.extension(ext.as_str()) else {
        dir.deliver(Post::Call { call, input: CallInput::Found { seq, found: Err(Cause::Unallocated) } });
        return;
    };
    let telephone = entry.line.as_ref().map(|line| line_free(dir, line, false));
    match (telephone, &entry.secret) {
        (Some(found), None) => dir.deliver(Post::Call { call, input: CallInput::Found { seq, found } }),
        (telephone, _) => {
            if let Some(found) = telephone {
                dir.0.beside.borrow_mut().insert((call, seq), found);
            }
            dir.to_desk(DeskInput::Find { call, seq, ext });
        }
    }
}

/// Puts the telephone beside the SIP phones that the desk found.
pub(super) fn merge(
    telephone: Result<Vec<Found>, Cause>,
    phones: Result<Vec<Found>, Cause>,
) -> Result<Vec<Found>, Cause> {
    match (telephone, phones) {
        (Ok(mut all), Ok(more)) => {
            all.extend(more);
            Ok(all)
        }
        (Ok(all), Err(_)) | (Err(_), Ok(all)) => Ok(all),
        // A busy telephone says more than a phone that is not there.
        (Err(telephone), Err(_)) => Err(telephone),
    }
}

fn line_free(dir: &Directory, line: &LineId, emergency: bool) -> Result<Vec<Found>, Cause> {
    let mut lines = dir.0.lines.borrow_mut();
    let entry = lines.get_mut(line).ok_or(Cause::Congestion)?;
    if entry.free || emergency { Ok(vec![Found::Line(line.clone())]) } else { Err(Cause::Busy) }
}

/// The first free landline, in the order of the configuration, but none that the call has tried already. For an emergency
/// one that works but is in use will do: its machine ends the lesser call. So will one in doubt, after all others.
fn landline(dir: &Directory, emergency: bool, except: &[LineId]) -> Result<Vec<Found>, Cause> {
    let config = dir.0.config.borrow().clone();
    let now = Instant::now();
    let mut lines = dir.0.lines.borrow_mut();
    let landlines: Vec<&LineId> =
        config.landlines().map(|(line, _)| &line.id).filter(|id| !except.contains(id)).collect();
    for line in &landlines {
        if let Some(entry) = lines.get_mut(*line)
            && entry.free
            && entry.reserved.is_none_or(|until| until <= now)
        {
            entry.reserved = Some(now + RESERVED);
            return Ok(vec![Found::Line((*line).clone())]);
        }
    }
    if emergency {
        let first = |fit: &dyn Fn(&LineEntry) -> bool| {
            landlines.iter().find(|id| lines.get(**id).is_some_and(|entry| !entry.emergency && fit(entry)))
        };
        let in_use = first(&|entry| entry.alive && !entry.faulty);
        if let Some(line) = in_use.or_else(|| first(&|entry| entry.alive)).or_else(|| first(&|_| true)) {
            return Ok(vec![Found::Line((*line).clone())]);
        }
    }
    Err(Cause::Congestion)
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
