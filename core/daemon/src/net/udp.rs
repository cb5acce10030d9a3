//! UDP: datagrams are taken in batches, so that a burst costs one system call and one post.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use bytes::Bytes;
use nix::libc;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, setsockopt, sockopt,
};
use ringtrip_sip::endpoint::{Flow, Transport};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{Arrival, Net, NetEvent};

/// One bound socket.
pub(super) struct Port {
    /// Watched for what comes in alone. Tokio's own socket also asks to be woken when there is room to send, and over
    /// the loopback and most drivers there is room anew after each datagram that leaves.
    socket: AsyncFd<UdpSocket>,
    local: SocketAddr,
}

/// How many datagrams go into one post.
const BATCH: usize = 32;
/// Octets of datagrams that wait in the kernel, with what it adds to each.
const BUFFER: usize = 4 << 20;
/// The largest datagram that IP carries.
const LARGEST: usize = 65_535;

impl Port {
    pub(super) fn open(addr: SocketAddr) -> io::Result<Port> {
        let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Room for a burst of registrations after a power cut; the kernel caps it as it likes.
        let _ = socket.set_recv_buffer_size(BUFFER);
        // Who may, ignores the cap: what the kernel drops is dropped without regard to who sent it.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &BUFFER);
        let _ = socket.set_send_buffer_size(1 << 20);
        // A machine may have several addresses: the answer to what came to one of them leaves from it.
        match addr {
            SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
            SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
        }
        socket.set_nonblocking(true)?;
        socket.bind(&addr.into())?;
        let socket = UdpSocket::from(socket);
        let local = socket.local_addr()?;
        // Deprecated for things whose descriptor may change or close under way; a socket's does neither.
        #[allow(deprecated)]
        let socket = AsyncFd::with_interest(socket, Interest::READABLE)?;
        Ok(Port { socket, local })
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends from the address of the flow where the socket is bound to all. If we do not have that any more, the kernel
    /// chooses.
    pub(super) fn send(&self, bytes: &[u8], flow: &Flow) -> io::Result<()> {
        let from = flow.local.ip();
        if self.local.ip().is_unspecified()
            && !from.is_unspecified()
            && from.is_ipv4() == flow.remote.is_ipv4()
        {
            match super::send_from(self.socket.get_ref(), bytes, from, flow.remote) {
                Ok(()) => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(e),
                Err(_) => {}
            }
        }
        self.socket.get_ref().send_to(bytes, flow.remote).map(|_| ())
    }
}

/// Reads one socket for ever.
pub(super) async fn read(net: Net, index: usize) {
    let Some(port) = net.inner.udp.get(index) else { return };
    let mut buffers = ReceiveBuffers::new();
    loop {
        let Ok(mut ready) = port.socket.readable().await else { return };
        let mut batch = Vec::new();
        let taken = buffers.receive(port.socket.get_ref(), |from, to, octets| {
            // Keep-alives of phones behind NAT: nothing to read in them (RFC 5626 §4.4.1 is for streams).
            if octets.iter().all(|b| b.is_ascii_whitespace() || *b == 0) {
                return;
            }
            if !(net.inner.admits)(from, Transport::Udp) {
                return;
            }
            // A copy of its own: a call keeps its INVITE, and must not keep a whole batch with it.
            let bytes = Bytes::copy_from_slice(octets);
            let local = SocketAddr::new(to.unwrap_or(port.local.ip()), port.local.port());
            let flow = Flow { transport: Transport::Udp, local, remote: from, connection: 0 };
            batch.push(Arrival::Octets(flow, bytes));
        });
        match taken {
            // Fewer than there was room for: nothing is left, and there is no need to ask.
            Ok(taken) if taken < BATCH => ready.clear_ready(),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
            // An ICMP error for something sent before; the transaction's timer will notice.
            Err(_) => {}
        }
        if !batch.is_empty() && !net.report(NetEvent::Arrived(batch)) {
            tracing::debug!("SIP datagrams dropped: the desk's mailbox is full");
        }
    }
}

/// Where a batch is received.
struct ReceiveBuffers {
    buffers: Vec<Vec<u8>>,
    headers: MultiHeaders<SockaddrStorage>,
}

impl ReceiveBuffers {
    fn new() -> ReceiveBuffers {
        let space = nix::cmsg_space!(libc::in6_pktinfo);
        ReceiveBuffers {
            buffers: vec![vec![0; LARGEST]; BATCH],
            headers: MultiHeaders::preallocate(BATCH, Some(space)),
        }
    }

    /// Takes what waits, at most a batch, with one system call. Answers how many datagrams that was.
    fn receive(
        &mut self,
        socket: &UdpSocket,
        mut take: impl FnMut(SocketAddr, Option<IpAddr>, &[u8]),
    ) -> io::Result<usize> {
        let mut buffers = self.buffers.iter_mut().map(|b| [IoSliceMut::new(b)]);
        let mut slices: [_; BATCH] =
            std::array::from_fn(|_| buffers.next().unwrap_or([IoSliceMut::new(&mut [])]));
        let fd = socket.as_raw_fd();
        let came = recvmmsg(fd, &mut self.headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
        let mut taken = 0;
        for message in came {
            taken += 1;
            if let Some(from) = message.address.and_then(address) {
                let to = message.cmsgs().ok().and_then(|mut all| all.find_map(destination));
                message.iovs().for_each(|octets| take(from, to, octets));
            }
        }
        Ok(taken)
    }
}

/// The address of ours that a datagram came to.
fn destination(message: ControlMessageOwned) -> Option<IpAddr> {
    match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(IpAddr::from(info.ipi_spec_dst.s_addr.to_ne_bytes())).filter(|ip| !ip.is_unspecified())
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            Some(IpAddr::from(info.ipi6_addr.s6_addr)).filter(|ip| !ip.is_multicast())
        }
        _ => None,
    }
}

pub(super) fn address(from: SockaddrStorage) -> Option<SocketAddr> {
    match (from.as_sockaddr_in(), from.as_sockaddr_in6()) {
        (Some(v4), _) => Some(std::net::SocketAddrV4::from(*v4).into()),
        (_, Some(v6)) => Some(std::net::SocketAddrV6::from(*v6).into()),
        _ => None,
    }
}
