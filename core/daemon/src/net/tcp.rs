//! TCP: connections in and out, framed into whole messages, bounded in number, time and memory.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringtrip_sip::endpoint::{Flow, Transport};
use ringtrip_sip::frame::{Frame, Framer};
use ringtrip_sip::lex::Limits;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::{Arrival, Net, NetEvent};

/// Most connections at once, and most from one address: what a slow-loris can hold.
const MOST: usize = 512;
const MOST_FROM_ONE: usize = 32;
/// A connection that has not sent one whole message by then is closed.
const FIRST_MESSAGE: Duration = Duration::from_secs(30);
/// A quiet connection is kept this long; phones keep theirs alive more often (RFC 5626 §4.4.1).
const QUIET: Duration = Duration::from_secs(3900);
/// A connection that cannot be opened by then counts as refused (timer B is 32 s, a caller should not wait for it).
const CONNECT: Duration = Duration::from_secs(4);
/// A peer that acknowledges nothing for so long is gone: its network, or ours, is another now. The kernel alone would send
/// again for a quarter of an hour.
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);
/// Messages waiting for a reader that does not read; the next one closes the connection.
const WAITING: usize = 64;

/// The open connections.
#[derive(Default)]
pub(super) struct Streams {
    next: Cell<u32>,
    open: RefCell<HashMap<u32, Stream>>,
}

struct Stream {
    /// Our address on it.
    local: IpAddr,
    remote: SocketAddr,
    write: mpsc::Sender<Bytes>,
}

impl Streams {
    fn number(&self) -> u32 {
        let n = self.next.get().wrapping_add(1).max(1);
        self.next.set(n);
        n
    }
    fn has_room(&self, ip: IpAddr) -> bool {
        let open = self.open.borrow();
        open.len() < MOST && open.values().filter(|s| s.remote.ip() == ip).count() < MOST_FROM_ONE
    }
    /// Connections from addresses that we do not have any more lead nowhere: what is to be sent opens new ones.
    pub(super) fn forget_those_not_at(&self, have: impl Fn(IpAddr) -> bool) {
        self.open.borrow_mut().retain(|_, stream| have(stream.local));
    }
    /// The writer of this connection, or of any that leads to the same peer.
    fn writer(&self, flow: &Flow) -> Option<mpsc::Sender<Bytes>> {
        let open = self.open.borrow();
        let same = || open.values().find(|s| s.remote == flow.remote);
        open.get(&flow.connection).filter(|s| s.remote == flow.remote).or_else(same).map(|s| s.write.clone())
    }
}

pub(super) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(128)?;
    TcpListener::from_std(socket.into())
}

/// Takes connections for ever. Out of descriptors it waits for some to come back.
pub(super) async fn accept(net: Net, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) if net.inner.streams.has_room(remote.ip()) => {
                let _ = join(&net, stream);
            }
            Ok((stream, remote)) => {
                tracing::warn!(%remote, "SIP connection refused: too many are open");
                drop(stream);
            }
            Err(e) => {
                tracing::warn!("cannot take a SIP connection: {e}");
                actix_rt::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// Sends on the connection of this flow; opens one if there is none.
pub(super) fn send(net: &Net, flow: Flow, bytes: Bytes) {
    match net.inner.streams.writer(&flow) {
        Some(write) => {
            if write.try_send(bytes).is_err() {
                net.report(NetEvent::Failed(flow));
            }
        }
        None => {
            let net = net.clone();
            actix_rt::spawn(async move {
                let opened = actix_rt::time::timeout(CONNECT, TcpStream::connect(flow.remote)).await;
                // Another message may have opened one meanwhile: both live, the peer answers on either.
                let write = match opened {
                    Ok(Ok(stream)) => join(&net, stream).ok(),
                    _ => None,
                };
                if write.is_none_or(|w| w.try_send(bytes).is_err()) {
                    net.report(NetEvent::Failed(flow));
                }
            });
        }
    }
}

/// Makes a connection one of ours and starts reading and writing.
fn join(net: &Net, stream: TcpStream) -> io::Result<mpsc::Sender<Bytes>> {
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    let flow = Flow {
        transport: Transport::Tcp,
        local: stream.local_addr()?,
        remote: stream.peer_addr()?,
        connection: net.inner.streams.number(),
    };
    let (read_half, write_half) = stream.into_split();
    let (write, waiting) = mpsc::channel(WAITING);
    let entry = Stream { local: flow.local.ip(), remote: flow.remote, write: write.clone() };
    net.inner.streams.open.borrow_mut().insert(flow.connection, entry);
    actix_rt::spawn(writer(write_half, waiting));
    let net = net.clone();
    let pong = write.clone();
    actix_rt::spawn(async move {
        reader(&net, flow, read_half, pong).await;
        net.inner.streams.open.borrow_mut().remove(&flow.connection);
        net.report(NetEvent::Failed(flow));
    });
    Ok(write)
}

async fn writer(mut half: OwnedWriteHalf, mut waiting: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = waiting.recv().await {
        // A reader with a closed window may hold this much and no longer.
        let written = actix_rt::time::timeout(Duration::from_secs(30), half.write_all(&bytes)).await;
        if !matches!(written, Ok(Ok(()))) {
            break;
        }
    }
    let _ = half.shutdown().await;
}

async fn reader(net: &Net, flow: Flow, mut half: OwnedReadHalf, pong: mpsc::Sender<Bytes>) {
    let mut framer = Framer::new(Limits::default());
    let mut buffer = vec![0; 8192];
    let mut quiet_until = Instant::now() + FIRST_MESSAGE;
    loop {
        let deadline = framer.deadline().map_or(quiet_until, |d| d.min(quiet_until));
        let wait = deadline.saturating_duration_since(Instant::now());
        let n = match actix_rt::time::timeout(wait, half.read(&mut buffer)).await {
            Ok(Ok(n)) if n > 0 => n,
            _ => return,
        };
        let now = Instant::now();
        framer.push(now, &buffer[..n]);
        let mut batch = Vec::new();
        let mut last = false;
        while let Some(frame) = framer.next(now) {
            match frame {
                Frame::Message(message) => batch.push(Arrival::Message(flow, message)),
                Frame::Broken(broken) => batch.push(Arrival::Broken(flow, broken)),
                Frame::Ping => {
                    let _ = pong.try_send(Bytes::from_static(b"\r\n"));
                }
                Frame::Fatal(broken) => {
                    batch.push(Arrival::Broken(flow, broken));
                    last = true;
                }
                Frame::Late => last = true,
            }
        }
        if !batch.is_empty() {
            quiet_until = now + QUIET;
            if !net.report(NetEvent::Arrived(batch)) {
                return;
            }
        }
        if last {
            // The answer is on its way to the writer; give it a moment to leave before the connection closes.
            actix_rt::time::sleep(Duration::from_millis(100)).await;
            return;
        }
    }
}
