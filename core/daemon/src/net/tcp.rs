//! TCP: connections in and out, framed into whole messages, bounded in number, time and memory.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringtrip_sip::endpoint::{Flow, Transport};
use ringtrip_sip::frame::{Frame, Framer};
use ringtrip_sip::lex::Limits;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::seats::{self, Decision, Seat};
use super::{Arrival, Net, NetEvent};
use crate::logging::warn_counted;

/// A connection by which nobody proved who they are by then is closed.
const UNPROVEN: Duration = Duration::from_secs(30);
/// A quiet connection is kept this long; phones keep theirs alive more often (RFC 5626 §4.4.1).
const QUIET: Duration = Duration::from_secs(3900);
/// A connection that cannot be opened by then counts as refused (timer B is 32 s, a caller should not wait for it).
const CONNECT: Duration = Duration::from_secs(4);
/// A peer that acknowledges nothing for so long is gone: its network, or ours, is another now. The kernel alone would send
/// again for a quarter of an hour.
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);
/// A reader with a closed window may hold up what is written this long.
const WRITE: Duration = Duration::from_secs(30);
/// Octets waiting to be written at which no more is read from the same peer: what it asks is answered first.
const ENOUGH: usize = 16 << 10;
/// Octets waiting for a reader that does not read; what comes on top closes the connection.
const TOO_MUCH: usize = 256 << 10;
/// Messages of one connection that are handed on together.
const TOGETHER: usize = 16;
/// How long a reader waits before it looks again whether it may go on.
const PAUSE: Duration = Duration::from_millis(2);

/// The open connections.
pub(super) struct Streams {
    /// How many there may be.
    most: usize,
    next: Cell<u32>,
    open: RefCell<HashMap<u32, Rc<Stream>>>,
}

struct Stream {
    /// Our address on it.
    local: IpAddr,
    remote: SocketAddr,
    /// Somebody proved by it who they are, or we opened it.
    proven: Cell<bool>,
    write: mpsc::UnboundedSender<Bytes>,
    /// Octets that wait to be written.
    queued: Cell<usize>,
    end: watch::Sender<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum End {
    Open,
    /// What waits is written, and no more.
    Closing,
    /// At once: another one needs its place.
    Aborted,
}

impl Stream {
    /// `false` when too much waits already.
    fn send(&self, bytes: Bytes) -> bool {
        let queued = self.queued.get() + bytes.len();
        if self.is_ending(End::Closing) {
            return false;
        }
        if queued > TOO_MUCH {
            self.end(End::Aborted);
            return false;
        }
        self.queued.set(queued);
        self.write.send(bytes).is_ok()
    }

    fn end(&self, how: End) {
        self.end.send_if_modified(|end| {
            let further = how > *end;
            if further {
                *end = how;
            }
            further
        });
    }

    fn is_ending(&self, how: End) -> bool {
        *self.end.borrow() >= how
    }

    /// Waits until it is to end so, or sooner.
    async fn ending(&self, how: End) {
        let _ = self.end.subscribe().wait_for(|end| *end >= how).await;
    }
}

impl Streams {
    pub(super) fn new(most: usize) -> Streams {
        Streams { most, next: Cell::default(), open: RefCell::default() }
    }

    /// A peer has proven who it is: its connections stay.
    pub(super) fn proven(&self, remote: SocketAddr) {
        for stream in self.open.borrow().values().filter(|s| s.remote == remote) {
            stream.proven.set(true);
        }
    }

    /// Connections from addresses that we do not have any more lead nowhere: what is to be sent opens new ones.
    pub(super) fn forget_those_not_at(&self, have: impl Fn(IpAddr) -> bool) {
        self.open.borrow_mut().retain(|_, stream| {
            let leads_somewhere = have(stream.local);
            if !leads_somewhere {
                stream.end(End::Aborted);
            }
            leads_somewhere
        });
    }

    fn number(&self) -> u32 {
        let n = self.next.get().wrapping_add(1).max(1);
        self.next.set(n);
        n
    }

    /// Makes room for a connection from here, if there is any to be made.
    fn has_room(&self, remote: SocketAddr) -> bool {
        let open = self.open.borrow();
        let living = open.iter().filter(|(_, s)| !s.is_ending(End::Closing));
        let seats = living.map(|(id, s)| Seat { id: *id, ip: s.remote.ip(), proven: s.proven.get() });
        match seats::decide(seats, self.most, remote.ip()) {
            Decision::Take => true,
            Decision::InPlaceOf(id) => {
                if let Some(stream) = open.get(&id) {
                    stream.end(End::Aborted);
                }
                true
            }
            Decision::Refuse => false,
        }
    }

    /// This connection, or any that leads to the address to connect to.
    fn to(&self, flow: &Flow) -> Option<Rc<Stream>> {
        let open = self.open.borrow();
        let lives = |s: &&Rc<Stream>| !s.is_ending(End::Closing);
        let same = || open.values().filter(lives).find(|s| s.remote == flow.remote);
        open.get(&flow.connection).filter(lives).or_else(same).cloned()
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
            Ok((stream, remote)) if net.inner.streams.has_room(remote) => {
                let _ = join(&net, stream, None);
            }
            Ok((stream, remote)) => {
                warn_counted("sip-connections", || {
                    format!("a SIP connection from {} was refused: too many are open", remote.ip())
                });
                drop(stream);
            }
            Err(e) => {
                warn_counted("sip-accept", || format!("cannot take a SIP connection: {e}"));
                actix_rt::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// Sends on the connection of this flow; opens one if there is none.
pub(super) fn send(net: &Net, flow: Flow, bytes: Bytes) {
    match net.inner.streams.to(&flow) {
        Some(stream) => {
            if !stream.send(bytes) {
                net.report(NetEvent::Failed(flow));
            }
        }
        None => {
            let net = net.clone();
            actix_rt::spawn(async move {
                let opened = actix_rt::time::timeout(CONNECT, TcpStream::connect(flow.remote)).await;
                // Another message may have opened one meanwhile: both live, the peer answers on either.
                let stream = match opened {
                    Ok(Ok(stream)) => join(&net, stream, Some(flow.local.port())).ok(),
                    _ => None,
                };
                if !stream.is_some_and(|stream| stream.send(bytes)) {
                    net.report(NetEvent::Failed(flow));
                }
            });
        }
    }
}

/// Makes a connection one of ours and starts reading and writing. One that we opened has a port of its own on our side,
/// where nobody can call us: `opened` is the port for Via and Contact. Who is there has been chosen by us.
fn join(net: &Net, stream: TcpStream, opened: Option<u16>) -> io::Result<Rc<Stream>> {
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    let local = stream.local_addr()?;
    let flow = Flow {
        transport: Transport::Tcp,
        local: SocketAddr::new(local.ip(), opened.unwrap_or(local.port())),
        remote: stream.peer_addr()?,
        connection: net.inner.streams.number(),
    };
    let (read_half, write_half) = stream.into_split();
    let (write, waiting) = mpsc::unbounded_channel();
    let stream = Rc::new(Stream {
        local: flow.local.ip(),
        remote: flow.remote,
        proven: Cell::new(opened.is_some()),
        write,
        queued: Cell::default(),
        end: watch::Sender::new(End::Open),
    });
    net.inner.streams.open.borrow_mut().insert(flow.connection, stream.clone());
    actix_rt::spawn(writer(stream.clone(), write_half, waiting));
    let (net, own) = (net.clone(), stream.clone());
    actix_rt::spawn(async move {
        tokio::select! {
            () = reader(&net, flow, read_half, &own) => {}
            () = own.ending(End::Closing) => {}
        }
        own.end(End::Closing);
        net.inner.streams.open.borrow_mut().remove(&flow.connection);
        net.report(NetEvent::Failed(flow));
    });
    Ok(stream)
}

async fn writer(stream: Rc<Stream>, mut half: OwnedWriteHalf, mut waiting: mpsc::UnboundedReceiver<Bytes>) {
    loop {
        let bytes = tokio::select! {
            biased;
            bytes = waiting.recv() => bytes,
            () = stream.ending(End::Closing) => None,
        };
        let Some(bytes) = bytes else { break };
        let written = tokio::select! {
            written = actix_rt::time::timeout(WRITE, half.write_all(&bytes)) => matches!(written, Ok(Ok(()))),
            () = stream.ending(End::Aborted) => false,
        };
        stream.queued.set(stream.queued.get().saturating_sub(bytes.len()));
        if !written {
            stream.end(End::Aborted);
            return;
        }
    }
    let _ = half.shutdown().await;
}

async fn reader(net: &Net, flow: Flow, mut half: OwnedReadHalf, own: &Stream) {
    let mut framer = Framer::new(Limits::default());
    let mut buffer = vec![0; 8192];
    let unproven_until = Instant::now() + UNPROVEN;
    let mut quiet_until = Instant::now() + QUIET;
    loop {
        let most = if own.proven.get() { quiet_until } else { unproven_until };
        let deadline = framer.deadline().map_or(most, |d| d.min(most));
        let wait = deadline.saturating_duration_since(Instant::now());
        let n = match actix_rt::time::timeout(wait, half.read(&mut buffer)).await {
            Ok(Ok(n)) if n > 0 => n,
            // It has proven itself while nothing more was to be read.
            Err(_) if own.proven.get() && most == unproven_until && framer.deadline().is_none() => continue,
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
                Frame::Ping => drop(own.send(Bytes::from_static(b"\r\n"))),
                Frame::Fatal(broken) => {
                    batch.push(Arrival::Broken(flow, broken));
                    last = true;
                }
                Frame::Late => last = true,
            }
            if batch.len() >= TOGETHER && !hand_on(net, own, &mut batch).await {
                return;
            }
        }
        quiet_until = now + QUIET;
        if !hand_on(net, own, &mut batch).await {
            return;
        }
        if last {
            // The answer is on its way to the writer; give it a moment to leave before the connection closes.
            actix_rt::time::sleep(Duration::from_millis(100)).await;
            return;
        }
    }
}

/// Hands messages on when those before are answered and the exchange has time: a peer that asks faster than it reads, or
/// than the exchange works, is not read meanwhile. `false`: the connection ends.
async fn hand_on(net: &Net, own: &Stream, batch: &mut Vec<Arrival>) -> bool {
    if batch.is_empty() {
        return true;
    }
    while own.queued.get() > ENOUGH || !(net.inner.admits)(own.remote, Transport::Tcp) {
        actix_rt::time::sleep(PAUSE).await;
    }
    if !net.report(NetEvent::Arrived(std::mem::take(batch))) {
        return false;
    }
    // The exchange has its turn, and the writer.
    tokio::task::yield_now().await;
    true
}
