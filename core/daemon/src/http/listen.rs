//! The HTTP server: sockets, connections and their seats. It runs on a thread of its own, so that no request holds up a
//! call. actix-web's own server knows one limit for all connections; here each belongs to somebody (see `seats`).

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use actix_http::{HttpService, KeepAlive};
use actix_rt::Arbiter;
use actix_rt::net::TcpStream;
use actix_service::{Service, ServiceFactory, map_config};
use actix_web::dev::{AppConfig, Extensions};
use actix_web::{HttpRequest, web};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use super::seats::{SeatId, SeatLimits, Seats};
use super::{Api, app};

/// A client has so long for the head of its first request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// A connection rests so long between two requests.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A client that is still sending a body that was refused has so long to see the answer.
const FAREWELL: Duration = Duration::from_secs(1);
/// After `accept` has failed, as it does when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections that the kernel holds for us.
const BACKLOG: i32 = 256;

/// The running server.
pub struct ServerHandle {
    stop: watch::Sender<bool>,
    arbiter: Arbiter,
}

impl ServerHandle {
    /// Ends all connections and frees the sockets.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        // Each listener drops its end when it is gone.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.stop.closed()).await;
        self.arbiter.stop();
    }
}

/// Opens the sockets and serves them.
///
/// # Errors
/// The first address that cannot be listened on.
pub fn server(api: web::Data<Api>, listen: &[SocketAddr]) -> io::Result<(ServerHandle, Vec<SocketAddr>)> {
    let mut sockets = Vec::new();
    let mut bound = Vec::new();
    for address in listen {
        let socket = open(*address)
            .map_err(|e| io::Error::new(e.kind(), format!("the HTTP API cannot listen on {address}: {e}")))?;
        bound.push(socket.local_addr()?);
        sockets.push(socket);
    }
    let (stop, stopped) = watch::channel(false);
    let arbiter = Arbiter::new();
    let connections =
        Connections::new(SeatLimits::within(api.budget.map_or(usize::MAX, |budget| budget.http_connections)));
    for socket in sockets {
        let (api, connections, stopped) = (api.clone(), connections.clone(), stopped.clone());
        arbiter.spawn_fn(move || drop(actix_rt::spawn(accept(socket, api, connections, stopped))));
    }
    Ok((ServerHandle { stop, arbiter }, bound))
}

fn open(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The connections of all listeners.
#[derive(Clone)]
struct Connections(Arc<Mutex<Table>>);

struct Table {
    seats: Seats,
    open: HashMap<SeatId, Arc<Notify>>,
    /// Which seat a connection has, by its two ends.
    by_ends: HashMap<(SocketAddr, SocketAddr), SeatId>,
    lifetime: Duration,
}

impl Connections {
    fn new(limits: SeatLimits) -> Connections {
        Connections(Arc::new(Mutex::new(Table {
            seats: Seats::new(limits),
            open: HashMap::new(),
            by_ends: HashMap::new(),
            lifetime: limits.unidentified_for,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// The seat of the connection that a request came on.
#[derive(Clone)]
pub struct Connection {
    seat: SeatId,
    all: Connections,
}

impl Connection {
    /// Its client is known: the connection keeps its seat.
    pub fn identified(request: &HttpRequest) {
        if let Some(connection) = request.conn_data::<Connection>() {
            connection.all.lock().seats.identify(connection.seat);
        }
    }
}

async fn accept(
    socket: std::net::TcpListener,
    api: web::Data<Api>,
    connections: Connections,
    mut stopped: watch::Receiver<bool>,
) {
    let listener = match TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the HTTP API cannot listen"),
    };
    let (made, trusts) = (api.clone(), api.clone());
    let with_seat = connections.clone();
    let service = HttpService::build()
        .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
        .client_request_timeout(HEAD_TIME)
        .client_disconnect_timeout(FAREWELL)
        .on_connect_ext(move |stream: &TcpStream, data: &mut Extensions| {
            let seat = ends(stream).and_then(|ends| with_seat.lock().by_ends.get(&ends).copied());
            if let Some(seat) = seat {
                data.insert(Connection { seat, all: with_seat.clone() });
            }
        })
        .finish(map_config(app(made), |()| AppConfig::default()))
        .tcp();
    let Ok(service) = service.new_service(()).await else {
        return tracing::error!("the HTTP API cannot be built");
    };
    let service = std::rc::Rc::new(service);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => return,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection to the HTTP API was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let is_local = trusts.is_trusted_proxy(from.ip());
        let Some(held) = Held::new(&connections, &stream, from.ip(), is_local) else { continue };
        let (service, mut stopped) = (service.clone(), stopped.clone());
        actix_rt::spawn(async move {
            tokio::select! {
                _ = service.call(stream) => {}
                () = held.must_end() => {}
                _ = stopped.changed() => {}
            }
        });
    }
}

fn ends(stream: &TcpStream) -> Option<(SocketAddr, SocketAddr)> {
    Some((stream.peer_addr().ok()?, stream.local_addr().ok()?))
}

/// A seat that is given back when its connection ends, however it does.
struct Held {
    seat: SeatId,
    ends: (SocketAddr, SocketAddr),
    ended: Arc<Notify>,
    connections: Connections,
}

impl Held {
    fn new(connections: &Connections, stream: &TcpStream, from: IpAddr, is_local: bool) -> Option<Held> {
        let ends = ends(stream)?;
        let ended = Arc::new(Notify::new());
        let mut table = connections.lock();
        let (seat, gives_way) = table.seats.take(from, is_local);
        if let Some(oldest) = gives_way.and_then(|id| table.open.get(&id)) {
            oldest.notify_one();
        }
        table.open.insert(seat, ended.clone());
        table.by_ends.insert(ends, seat);
        drop(table);
        Some(Held { seat, ends, ended, connections: connections.clone() })
    }

    /// Returns when the connection has to end: a newcomer takes its seat, or nobody was identified in time.
    async fn must_end(&self) {
        let lifetime = self.connections.lock().lifetime;
        tokio::select! {
            () = self.ended.notified() => {}
            () = tokio::time::sleep(lifetime) => {
                if self.connections.lock().seats.is_identified(self.seat) {
                    self.ended.notified().await;
                }
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut table = self.connections.lock();
        table.seats.leave(self.seat);
        table.open.remove(&self.seat);
        if table.by_ends.get(&self.ends) == Some(&self.seat) {
            table.by_ends.remove(&self.ends);
        }
    }
}
