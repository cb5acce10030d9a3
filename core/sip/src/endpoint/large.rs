//! Requests that are too large for a datagram (RFC 3261 §18.1.1). In pieces they are lost: many routers and firewalls let only
//! the first piece through. They go by a stream where the peer may take one, and as a datagram where that brings nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Endpoint, Flow, Owner, Transport};
use crate::message::Request;
use crate::name::Name;

/// Octets of a request that may go in one datagram where the path's MTU is not known (§18.1.1).
const LARGEST: usize = 1300;
/// A stream that has brought no answer by then is not waited for: a firewall that says nothing would cost the whole call.
/// The datagram is the same request, should both arrive.
const PATIENCE: Duration = Duration::from_millis(700);
/// A server without streams is not asked for one again so soon.
const FORGET: Duration = Duration::from_secs(600);
/// Servers that are remembered so.
const MOST: usize = 256;

/// The datagram that a request falls back to.
pub(super) struct Datagram {
    /// When.
    pub(super) by: Instant,
    pub(super) to: Flow,
    pub(super) via: Bytes,
    pub(super) bytes: Bytes,
}

/// Who takes streams.
#[derive(Default)]
pub(super) struct Large {
    peers: Vec<IpAddr>,
    without: Vec<(SocketAddr, Instant)>,
}

impl Large {
    pub(super) fn no_stream(&mut self, now: Instant, peer: SocketAddr) {
        self.without.retain(|(other, until)| *other != peer && *until > now);
        if self.without.len() < MOST {
            self.without.push((peer, now + FORGET));
        }
    }

    fn may_stream(&self, now: Instant, peer: SocketAddr) -> bool {
        self.peers.contains(&peer.ip())
            && !self.without.iter().any(|(other, until)| *other == peer && *until > now)
    }
}

impl<O: Owner> Endpoint<O> {
    /// These may take streams at the port that they have for datagrams: servers. Phones are not tried; behind a router
    /// no connection reaches them.
    pub fn set_stream_peers(&mut self, peers: Vec<IpAddr>) {
        self.large.peers = peers;
    }

    /// The way of a request with its octets; for a large one a stream, and the datagram that follows if that fails. `name` is
    /// what its branch is made of.
    pub(super) fn by_stream_if_large(
        &mut self,
        now: Instant,
        to: Flow,
        request: &mut Request,
        bytes: Bytes,
        (id, token): (u64, u64),
    ) -> (Flow, Bytes, Option<Datagram>) {
        let large = bytes.len() > LARGEST && to.transport == Transport::Udp;
        if !large || !self.large.may_stream(now, to.remote) {
            return (to, bytes, None);
        }
        let stream = Flow { transport: Transport::Tcp, connection: 0, ..to };
        let via = request.headers.get(&Name::Via).cloned().unwrap_or_default();
        request.headers.set(Name::Via, self.via(&stream, id, token));
        let datagram = Datagram { by: now + PATIENCE, to, via, bytes };
        (stream, request.write(), Some(datagram))
    }
}

#[cfg(test)]
mod tests;
