//! UDP: datagrams are taken in batches, so that a burst costs one post.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use ringtrip_sip::endpoint::{Flow, Transport};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::{Arrival, Net, NetEvent};

/// One bound socket.
pub(super) struct Port {
    socket: UdpSocket,
    local: SocketAddr,
}

/// How many datagrams go into one post.
const BATCH: usize = 64;
/// The largest datagram that IP carries.
const LARGEST: usize = 65_535;

impl Port {
    pub(super) fn open(addr: SocketAddr) -> io::Result<Port> {
        let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Room for a burst of registrations after a power cut; the kernel caps it as it likes.
        let _ = socket.set_recv_buffer_size(4 << 20);
        let _ = socket.set_send_buffer_size(1 << 20);
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        let local = socket.local_addr()?;
        Ok(Port { socket, local })
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(super) fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        self.socket.try_send_to(bytes, to).map(|_| ())
    }
}

/// Reads one socket for ever.
pub(super) async fn read(net: Net, index: usize) {
    let Some(port) = net.inner.udp.get(index) else { return };
    let mut buffer = vec![0; LARGEST];
    loop {
        if port.socket.readable().await.is_err() {
            return;
        }
        let mut batch = Vec::new();
        while batch.len() < BATCH {
            match port.socket.try_recv_from(&mut buffer) {
                Ok((n, from)) => {
                    let octets = &buffer[..n];
                    // Keep-alives of phones behind NAT: nothing to read in them (RFC 5626 §4.4.1 is for streams).
                    if octets.iter().all(|b| b.is_ascii_whitespace() || *b == 0) {
                        continue;
                    }
                    // A copy of its own: a call keeps its INVITE, and must not keep a whole batch with it.
                    let bytes = Bytes::copy_from_slice(octets);
                    let local = SocketAddr::new(net.local_ip(port.local.ip(), from.ip()), port.local.port());
                    let flow = Flow { transport: Transport::Udp, local, remote: from, connection: 0 };
                    batch.push(Arrival::Octets(flow, bytes));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                // An ICMP error for something sent before; the transaction's timer will notice.
                Err(_) => continue,
            }
        }
        if !batch.is_empty() && !net.report(NetEvent::Arrived(batch)) {
            tracing::debug!("SIP datagrams dropped: the desk's mailbox is full");
        }
        actix_rt::task::yield_now().await;
    }
}
