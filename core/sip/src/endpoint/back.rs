//! Where responses go (RFC 3261 §18.2.2, RFC 3581) when the sender has not asked for `rport`.
//!
//! A few phones send from another port than they listen on, and write the latter into Via. Some routers write their own
//! address into the Via of a phone, leave its private port there and take `rport` away. Both look the same at first: the
//! address of Via is the source, the port is not. Where a Contact shows which it is, that decides. Else the Via's port is
//! tried, and when the same request comes again the source port, which is then remembered for that sender.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::key::Map;
use super::{Flow, Transport};
use crate::address::NameAddr;
use crate::host::Host;
use crate::via::Via;

/// Senders that are remembered; the oldest gives way.
const MOST: usize = 8192;

/// What was learned of senders without `rport`.
#[derive(Default)]
pub(super) struct Ports {
    known: Map<u64, Known>,
    order: VecDeque<u64>,
}

#[derive(Clone, Copy)]
struct Known {
    /// Responses go to the port that it sends from.
    source: bool,
    /// The transaction that was answered last.
    last: u64,
}

/// What a request without `rport` says of its sender.
enum Sign {
    /// It listens on the port that it sends from, or stands behind a router that makes it look so.
    Source,
    /// Perhaps it listens on the port of its Via.
    Unclear { via: SocketAddr },
}

impl Ports {
    /// Where the responses to a request go. `sender` is the hash of the source address, `tx` that of the transaction.
    pub(super) fn back(
        &mut self,
        flow: Flow,
        via: &Via,
        contact: Option<&NameAddr>,
        (sender, tx): (u64, u64),
    ) -> Flow {
        let Sign::Unclear { via } = sign(flow, via, contact) else {
            // Later requests of it may have no Contact.
            if is_odd(flow, via) {
                self.note(sender, Known { source: true, last: tx });
            }
            return flow;
        };
        let source = match self.known.get(&sender) {
            // It did not hear the answer.
            Some(known) if known.last == tx => !known.source,
            Some(known) => known.source,
            None => false,
        };
        self.note(sender, Known { source, last: tx });
        if source { flow } else { Flow { remote: via, ..flow } }
    }

    /// The same without learning from it.
    pub(super) fn peek(&self, flow: Flow, via: &Via, contact: Option<&NameAddr>, sender: u64) -> Flow {
        match sign(flow, via, contact) {
            Sign::Unclear { via } if !self.known.get(&sender).is_some_and(|known| known.source) => {
                Flow { remote: via, ..flow }
            }
            _ => flow,
        }
    }

    fn note(&mut self, sender: u64, known: Known) {
        if self.known.insert(sender, known).is_some() {
            return;
        }
        self.order.push_back(sender);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// Is the Via's address the source, but not its port, and no `rport` there to say what is meant?
fn is_odd(flow: Flow, via: &Via) -> bool {
    flow.transport == Transport::Udp
        && via.rport().is_none()
        && via.host.ip() == Some(flow.remote.ip())
        && via.port.unwrap_or(5060) != flow.remote.port()
}

fn sign(flow: Flow, via: &Via, contact: Option<&NameAddr>) -> Sign {
    let at = SocketAddr::new(flow.remote.ip(), via.port.unwrap_or(5060));
    if !is_odd(flow, via) || at.port() == 0 {
        return Sign::Source;
    }
    let Some(uri) = contact.and_then(|contact| contact.uri.sip()) else {
        return Sign::Unclear { via: at };
    };
    let same_host = matches!(&uri.host, Host::Ip(ip) if *ip == at.ip());
    // A private address in Contact: it stands behind a router.
    if same_host && uri.port.unwrap_or(5060) == at.port() { Sign::Unclear { via: at } } else { Sign::Source }
}
