//! SIP sockets: UDP and TCP on IPv4 and IPv6. Octets in, whole messages out; nothing is understood here.
//! TLS and WebSocket join as further kinds of connection.

mod local;
mod seats;
mod tcp;
mod udp;
mod watch;

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use ringtrip_sip::endpoint::{Flow, Transmit, Transport};
use ringtrip_sip::lex::Broken;
use ringtrip_sip::message::Message;
use ringtrip_sip::nat;

pub use self::local::Interfaces;
pub(crate) use self::local::send_from;
pub use self::watch::watch;
use crate::panics::vital_task;

/// What the sockets report.
#[derive(Debug)]
pub enum NetEvent {
    /// What came in, in order.
    Arrived(Vec<Arrival>),
    /// A way is gone: connection refused or closed, or ICMP said so.
    Failed(Flow),
}

/// One thing that came in.
#[derive(Debug)]
pub enum Arrival {
    /// A datagram.
    Octets(Flow, Bytes),
    /// A message cut from a stream.
    Message(Flow, Message),
    /// Something cut from a stream that is no message; it may be worth an answer.
    Broken(Flow, Broken),
}

/// Takes reports; `false` when the exchange is overloaded and the report was dropped.
pub type Sink = Rc<dyn Fn(NetEvent) -> bool>;

/// Is what comes from here taken now?
pub type Admits = Rc<dyn Fn(SocketAddr, Transport) -> bool>;

/// All SIP sockets of the exchange. Lives on the control arbiter.
#[derive(Clone)]
pub struct Net {
    inner: Rc<Inner>,
}

struct Inner {
    udp: Vec<udp::Port>,
    /// Where TCP listens.
    tcp: Vec<SocketAddr>,
    streams: tcp::Streams,
    admits: Admits,
    sink: Sink,
    interfaces: RefCell<Interfaces>,
    sources: local::Sources,
}

impl Net {
    /// Opens these addresses, each for the transport that is named with it, and starts reading. So many connections may be
    /// open at once.
    pub fn open(
        listen: &[(Transport, SocketAddr)],
        connections: usize,
        admits: Admits,
        sink: Sink,
    ) -> io::Result<Net> {
        let mut ports = Vec::new();
        let mut taken = Vec::new();
        for (_, addr) in listen.iter().filter(|(t, _)| *t == Transport::Udp) {
            let port = udp::Port::open(*addr).map_err(|e| named(e, "UDP", *addr))?;
            taken.push((*addr, port.local().port()));
            ports.push(port);
        }
        let mut listeners = Vec::new();
        for (_, addr) in listen.iter().filter(|(t, _)| *t == Transport::Tcp) {
            // Port 0 asks for any free port; TCP then takes the same number as UDP.
            let same = taken.iter().find(|(udp, _)| udp == addr).map(|(_, port)| *port);
            let addr = SocketAddr::new(addr.ip(), same.unwrap_or(addr.port()));
            listeners.push(tcp::listen(addr).map_err(|e| named(e, "TCP", addr))?);
        }
        let inner = Inner {
            udp: ports,
            tcp: listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect(),
            streams: tcp::Streams::new(connections),
            admits,
            sink,
            interfaces: RefCell::new(Interfaces::now()),
            sources: local::Sources::default(),
        };
        let net = Net { inner: Rc::new(inner) };
        for i in 0..net.inner.udp.len() {
            actix_rt::spawn(vital_task(udp::read(net.clone(), i)));
        }
        for listener in listeners {
            actix_rt::spawn(vital_task(tcp::accept(net.clone(), listener)));
        }
        Ok(net)
    }

    /// A peer has proven who it is: its connections are not counted among those of strangers any more.
    pub fn proven(&self, remote: SocketAddr) {
        self.inner.streams.proven(remote);
    }

    /// The addresses that are open, for UDP, TCP or both.
    pub fn listening(&self) -> Vec<SocketAddr> {
        let mut all: Vec<SocketAddr> = self.inner.udp.iter().map(udp::Port::local).collect();
        let more = self.inner.tcp.iter().filter(|addr| !self.inner.udp.iter().any(|p| p.local() == **addr));
        all.extend(more);
        all
    }

    /// Sends octets on their way. What a full socket buffer drops, SIP sends again.
    pub fn transmit(&self, Transmit { flow, bytes }: Transmit) {
        match flow.transport {
            Transport::Udp => {
                let Some(port) = self.port_for(&flow) else {
                    (self.inner.sink)(NetEvent::Failed(flow));
                    return;
                };
                if let Err(e) = port.send(&bytes, &flow)
                    && e.kind() != io::ErrorKind::WouldBlock
                {
                    (self.inner.sink)(NetEvent::Failed(flow));
                }
            }
            Transport::Tcp => tcp::send(self, flow, bytes),
        }
    }

    /// A way to this peer from the socket that fits, as the kernel takes it now; none where no address of ours that we
    /// listen on reaches it.
    pub fn flow_to(&self, transport: Transport, remote: SocketAddr) -> Option<Flow> {
        let kernel = self.inner.sources.towards(Instant::now(), remote.ip());
        let at = |open: SocketAddr| match open.ip() {
            bound if bound.is_unspecified() => kernel,
            bound => Some(bound),
        };
        let udp = self.inner.udp.iter().map(udp::Port::local);
        // A connection may begin anywhere, but we are found again only where we listen for one.
        let open: Vec<SocketAddr> = match transport {
            Transport::Tcp if !self.inner.tcp.is_empty() => self.inner.tcp.clone(),
            Transport::Tcp | Transport::Udp => udp.collect(),
        };
        let ways = open.into_iter().filter(|open| open.is_ipv4() == remote.is_ipv4());
        let mut ways: Vec<(IpAddr, u16)> = ways
            .filter_map(|open| Some((at(open)?, open.port())))
            .filter(|(ip, _)| nat::can_reach(*ip, remote.ip()))
            .collect();
        // Where several are bound, the one that the kernel would take.
        ways.sort_by_key(|(ip, _)| Some(*ip) != kernel);
        let (ip, port) = ways.first()?;
        Some(Flow { transport, local: SocketAddr::new(*ip, *port), remote, connection: 0 })
    }

    /// Our address on a way that is used already. One that the peer has sent to stays as long as we have it: the peer may
    /// take nothing from another.
    pub fn local_of(&self, flow: &Flow, peer_knows_it: bool) -> Option<SocketAddr> {
        if peer_knows_it && self.inner.interfaces.borrow().have(flow.local.ip()) {
            return Some(flow.local);
        }
        self.flow_to(flow.transport, flow.remote).map(|flow| flow.local)
    }

    /// Would the kernel send to this peer from another address of ours than this?
    pub fn is_not_first_choice(&self, local: IpAddr, remote: IpAddr) -> bool {
        let remote = remote.to_canonical();
        let first = self.inner.sources.towards(Instant::now(), remote);
        local.is_ipv4() == remote.is_ipv4() && first.is_some_and(|ip| ip != local)
    }

    /// The interfaces as last looked at.
    pub fn interfaces(&self) -> Interfaces {
        self.inner.interfaces.borrow().clone()
    }

    /// Looks at the interfaces anew. True if something has changed.
    pub fn look_at_interfaces(&self) -> bool {
        self.inner.sources.forget();
        let now = Interfaces::now();
        let changed = self.inner.interfaces.replace(now.clone()) != now;
        if changed {
            self.inner.streams.forget_those_not_at(|ip| now.have(ip));
        }
        changed
    }

    fn port_for(&self, flow: &Flow) -> Option<&udp::Port> {
        let fits = |p: &&udp::Port| p.local().is_ipv4() == flow.remote.is_ipv4();
        let same = |p: &&udp::Port| p.local().port() == flow.local.port();
        let bound = |p: &&udp::Port| same(p) && p.local().ip() == flow.local.ip();
        let ports = || self.inner.udp.iter().filter(fits);
        ports().find(bound).or_else(|| ports().find(same)).or_else(|| ports().next())
    }

    fn report(&self, event: NetEvent) -> bool {
        (self.inner.sink)(event)
    }
}

fn named(e: io::Error, what: &str, addr: SocketAddr) -> io::Error {
    io::Error::new(e.kind(), format!("cannot listen on {what} {addr} for SIP: {e}"))
}
