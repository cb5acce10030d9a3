//! SIP sockets: UDP and TCP on IPv4 and IPv6. Octets in, whole messages out; nothing is understood here.
//! TLS and WebSocket join as further kinds of connection.

mod tcp;
mod udp;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use bytes::Bytes;
use ringtrip_sip::endpoint::{Flow, Transmit, Transport};
use ringtrip_sip::lex::Broken;
use ringtrip_sip::message::Message;

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

/// All SIP sockets of the exchange. Lives on the control arbiter.
#[derive(Clone)]
pub struct Net {
    inner: Rc<Inner>,
}

struct Inner {
    udp: Vec<udp::Port>,
    streams: tcp::Streams,
    sink: Sink,
    locals: RefCell<HashMap<IpAddr, IpAddr>>,
}

impl Net {
    /// Opens UDP and TCP on each of these addresses and starts reading.
    pub fn open(listen: &[SocketAddr], sink: Sink) -> io::Result<Net> {
        let mut ports = Vec::new();
        let mut listeners = Vec::new();
        for addr in listen {
            let port = udp::Port::open(*addr).map_err(|e| named(e, "UDP", *addr))?;
            // Port 0 asks for any free port; TCP then takes the same number.
            let addr = SocketAddr::new(addr.ip(), port.local().port());
            listeners.push(tcp::listen(addr).map_err(|e| named(e, "TCP", addr))?);
            ports.push(port);
        }
        let inner = Inner {
            udp: ports,
            streams: tcp::Streams::default(),
            sink,
            locals: RefCell::new(HashMap::new()),
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

    /// The addresses that are open.
    pub fn listening(&self) -> Vec<SocketAddr> {
        self.inner.udp.iter().map(udp::Port::local).collect()
    }

    /// Sends octets on their way. What a full socket buffer drops, SIP sends again.
    pub fn transmit(&self, Transmit { flow, bytes }: Transmit) {
        match flow.transport {
            Transport::Udp => {
                let Some(port) = self.port_for(&flow) else {
                    (self.inner.sink)(NetEvent::Failed(flow));
                    return;
                };
                if let Err(e) = port.send(&bytes, flow.remote)
                    && e.kind() != io::ErrorKind::WouldBlock
                {
                    (self.inner.sink)(NetEvent::Failed(flow));
                }
            }
            Transport::Tcp => tcp::send(self, flow, bytes),
        }
    }

    /// A way to this peer from the socket that fits.
    pub fn flow_to(&self, transport: Transport, remote: SocketAddr) -> Option<Flow> {
        let port = self.inner.udp.iter().find(|p| p.local().is_ipv4() == remote.is_ipv4())?;
        let local = SocketAddr::new(self.local_ip(port.local().ip(), remote.ip()), port.local().port());
        Some(Flow { transport, local, remote, connection: 0 })
    }

    fn port_for(&self, flow: &Flow) -> Option<&udp::Port> {
        let fits = |p: &&udp::Port| p.local().is_ipv4() == flow.remote.is_ipv4();
        let same = |p: &&udp::Port| p.local().port() == flow.local.port();
        self.inner.udp.iter().filter(fits).find(same).or_else(|| self.inner.udp.iter().find(fits))
    }

    /// Our own address as this peer sees it: the bound one, or what the routing table says for a wildcard.
    fn local_ip(&self, bound: IpAddr, remote: IpAddr) -> IpAddr {
        if !bound.is_unspecified() {
            return bound;
        }
        *self
            .inner
            .locals
            .borrow_mut()
            .entry(remote)
            .or_insert_with(|| routed(bound, remote).unwrap_or(bound))
    }

    fn report(&self, event: NetEvent) -> bool {
        (self.inner.sink)(event)
    }
}

/// Which of our addresses the kernel would send from; a connected UDP socket sends nothing.
fn routed(bound: IpAddr, remote: IpAddr) -> io::Result<IpAddr> {
    let socket = std::net::UdpSocket::bind(SocketAddr::new(bound, 0))?;
    socket.connect(SocketAddr::new(remote, 9))?;
    Ok(socket.local_addr()?.ip())
}

fn named(e: io::Error, what: &str, addr: SocketAddr) -> io::Error {
    io::Error::new(e.kind(), format!("cannot listen on {what} {addr} for SIP: {e}"))
}
