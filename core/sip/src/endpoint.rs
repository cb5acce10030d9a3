//! The endpoint: every SIP message in and out passes here. It answers by itself what needs no exchange
//! (retransmissions, 100, ACK to failures, 481, 405, 501, torture) and hands on the rest.
//!
//! The shape: [`Endpoint::on`] takes the time and one [`Input`] and appends [`Output`]s; [`Endpoint::deadline`] says when it
//! wants [`Input::Timeout`]. Requests that came in live in `endpoint/inbound.rs`, those that we send in
//! `endpoint/outbound.rs`, answers that hold no transaction in `endpoint/own.rs`, the way of responses in `endpoint/back.rs`,
//! and the keys by which messages find their transactions in `endpoint/key.rs`.

mod back;
mod inbound;
mod key;
mod large;
mod outbound;
mod own;

use std::hash::Hash;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::lex::Broken;
use crate::message::{Message, Method, Request, Response};
use crate::nat::Topology;
use crate::random::Random;
use crate::screen::{Abilities, ValidRequest};
use crate::transaction::store::{Slab, Sleeper, Wake, Wakes};
use crate::transaction::{Delivery, Timers};

use inbound::Server;
use key::{Keys, Map};
use outbound::Client;

/// How a message travels. TLS and WebSocket come later and take their place here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

/// One way to a peer: a pair of addresses and, for streams, the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// UDP or TCP.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// Theirs. For a stream the address to connect to, should the connection be gone.
    pub remote: SocketAddr,
    /// The stream connection's number, counted by the shell and never used twice; 0 for UDP or when none is open yet.
    pub connection: u32,
}

/// Names a server transaction until its final answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerTx(pub u64);

/// Names a client transaction; chosen by the transaction user that sends, so that the answer finds its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientTx<O = u64> {
    /// The transaction user (RFC 3261 §17).
    pub owner: O,
    /// Which of its requests.
    pub n: u32,
}

/// What names the transaction users above the endpoint: a type of theirs. The endpoint compares and returns it, nothing
/// else, so two users are the same only where their type says so.
pub trait Owner: Clone + Eq + Hash + std::fmt::Debug {}

impl<T: Clone + Eq + Hash + std::fmt::Debug> Owner for T {}

/// What the exchange asks the endpoint to do.
#[derive(Debug, Clone)]
pub enum Ask<O = u64> {
    /// Answer a request.
    Respond { tx: ServerTx, response: Response },
    /// Send a request in a client transaction. The endpoint adds the top Via.
    Send { tx: ClientTx<O>, request: Box<Request>, to: Flow },
    /// CANCEL an INVITE sent before; it waits for a provisional answer by itself (RFC 3261 §9.1). `reason` is a value of
    /// `Reason` (RFC 3326).
    Cancel { tx: ClientTx<O>, reason: Option<Bytes> },
    /// Nobody waits for the answer to this request any more, though none has come: it is not repeated. An INVITE is
    /// cancelled if it turns out to have arrived. An answer that comes nevertheless is reported; a 2xx to an INVITE is to be
    /// acknowledged and ended.
    Abandon { tx: ClientTx<O> },
    /// Send an ACK to a 2xx: outside any transaction, sent again as it stands for each repeated 2xx.
    Ack { tx: ClientTx<O>, request: Box<Request>, to: Flow },
}

/// What the endpoint tells the exchange.
#[derive(Debug, Clone)]
pub enum Told<O = u64> {
    /// A new request, in or out of a dialog; never ACK or CANCEL.
    Request { tx: ServerTx, request: Arc<ValidRequest>, flow: Flow },
    /// The ACK to a 2xx that we sent, with the tag of its To: ours.
    Ack { request: Arc<Request>, to_tag: Option<Bytes>, flow: Flow },
    /// The INVITE of this transaction was cancelled; the endpoint has answered the CANCEL. Answer 487.
    Cancelled { tx: ServerTx },
    /// An answer to a request that we sent. 2xx to INVITE may come more than once, from several branches.
    Response { tx: ClientTx<O>, response: Arc<Response>, flow: Flow },
    /// No answer came (timer B or F), or the transport failed.
    Failed { tx: ClientTx<O>, why: Lost },
    /// No ACK came for our 2xx to INVITE within 64·T1 (RFC 3261 §13.3.1.4): end the call.
    Unacknowledged { tx: ServerTx },
}

/// Why a request got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Timer B or F ran out.
    Timeout,
    /// The transport refused it: ICMP, connection refused or closed.
    Transport,
}

/// What goes to a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Which way.
    pub flow: Flow,
    /// The octets.
    pub bytes: Bytes,
}

/// What the endpoint takes.
#[derive(Debug)]
pub enum Input<O = u64> {
    /// A message as it came: a whole datagram, or one message that the framer cut from a stream.
    Octets {
        /// By which way.
        flow: Flow,
        /// All of it.
        bytes: Bytes,
    },
    /// A message that has been read already.
    Message {
        /// By which way.
        flow: Flow,
        /// The message.
        message: Message,
    },
    /// A message that the framer could cut out but not read.
    Broken {
        /// By which way.
        flow: Flow,
        /// What there was of it.
        broken: Broken,
    },
    /// The exchange wants something.
    Ask(Ask<O>),
    /// A way is gone: connection closed or refused, or ICMP said so. A flow whose `connection` is 0 means all to that peer.
    FlowFailed(Flow),
    /// The time named by [`Endpoint::deadline`] has come.
    Timeout,
}

/// What the endpoint wants done.
#[derive(Debug)]
pub enum Output<O = u64> {
    /// Send octets.
    Transmit(Transmit),
    /// Tell the exchange.
    Told(Told<O>),
}

/// How the endpoint behaves.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// The timers of RFC 3261.
    pub timers: Timers,
    /// Most server transactions at once; further requests are answered 503 with `Retry-After` and hold nothing.
    pub most: usize,
    /// `Retry-After` of those 503 in seconds: from, to. Spread, so that they do not all come back at once.
    pub retry_after: (u32, u32),
    /// Methods, extensions and bodies that the exchange takes; `Allow` and `Supported` say them.
    pub abilities: Abilities,
    /// `Server` and `User-Agent`; empty sends none.
    pub name: String,
    /// Answer OPTIONS outside of dialogs here (RFC 3261 §11.2): 200 for every user, so that it tells nobody who exists.
    pub answer_options: bool,
    /// Send responses over UDP to where the request came from even if its Via has no `rport`, as phones behind NAT need;
    /// not where the phone shows that it listens on another port of the same address (`endpoint/back.rs`).
    /// `false` follows RFC 3261 §18.2.2 and RFC 3581 to the letter.
    pub symmetric: bool,
    /// Which address of ours Via names to whom.
    pub topology: Arc<Topology>,
}

impl Default for EndpointConfig {
    fn default() -> EndpointConfig {
        use Method::*;
        EndpointConfig {
            timers: Timers::default(),
            // A cold start of 4,000 phones a second for the 32 s that each answer is kept.
            most: 131_072,
            retry_after: (5, 15),
            abilities: Abilities {
                methods: vec![Invite, Bye, Options, Register, Prack, Update, Info, Refer],
                extensions: vec!["100rel", "timer", "path", "replaces"],
                ..Abilities::default()
            },
            name: "Ringtrip".to_owned(),
            answer_options: true,
            symmetric: true,
            topology: Arc::new(Topology::direct()),
        }
    }
}

/// All transactions of an exchange.
pub struct Endpoint<O = u64> {
    config: EndpointConfig,
    random: Random,
    keys: Keys,
    /// Header values that never change, made once.
    texts: own::Texts,
    servers: Slab<Server>,
    /// Server transactions by §17.2.3 key, by merge key, and by the ACK that their 2xx waits for.
    by_key: Map<u64, u64>,
    by_merge: Map<u64, u64>,
    by_ack: Map<u64, u64>,
    clients: Slab<Client<O>>,
    by_tx: Map<ClientTx<O>, u64>,
    /// The constant beginning of our Via by local address and transport.
    vias: Vec<((Transport, SocketAddr), Bytes)>,
    large: large::Large,
    wakes: Wakes,
    /// Which port phones without `rport` listen on.
    ports: back::Ports,
}

impl<O: Owner> std::fmt::Debug for Endpoint<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Held { servers, clients } = self.held();
        f.debug_struct("Endpoint")
            .field("servers", &servers)
            .field("clients", &clients)
            .finish_non_exhaustive()
    }
}

/// How many transactions are alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Requests that came in.
    pub servers: usize,
    /// Requests that went out.
    pub clients: usize,
}

impl<O: Owner> Endpoint<O> {
    /// An endpoint without transactions. The same seed makes the same branches and tags again.
    pub fn new(config: EndpointConfig, seed: [u8; 32]) -> Endpoint<O> {
        let mut random = Random::new(seed);
        let keys = Keys::new([random.number(), random.number()]);
        Endpoint {
            texts: own::Texts::new(&config),
            config,
            random,
            keys,
            servers: Slab::default(),
            by_key: Map::default(),
            by_merge: Map::default(),
            by_ack: Map::default(),
            clients: Slab::default(),
            by_tx: Map::default(),
            vias: Vec::new(),
            large: large::Large::default(),
            wakes: Wakes::default(),
            ports: back::Ports::default(),
        }
    }

    /// Given the time and one input, appends what should now happen.
    pub fn on(&mut self, now: Instant, input: Input<O>, out: &mut Vec<Output<O>>) {
        match input {
            Input::Octets { flow, bytes } => self.octets(now, flow, &bytes, out),
            Input::Message { flow, message } => self.message(now, flow, message, out),
            Input::Broken { flow, broken } => self.broken(flow, broken, out),
            Input::Ask(Ask::Respond { tx, response }) => self.respond(now, tx, response, out),
            Input::Ask(Ask::Send { tx, request, to }) => self.send(now, tx, request, to, out),
            Input::Ask(Ask::Cancel { tx, reason }) => self.cancel(now, tx, reason, out),
            Input::Ask(Ask::Abandon { tx }) => self.abandon(now, tx, out),
            Input::Ask(Ask::Ack { tx, request, to }) => self.acknowledge(tx, *request, to, out),
            Input::FlowFailed(flow) => {
                self.clients_failed(now, flow, out);
                self.servers_failed(now, flow, out);
            }
            Input::Timeout => self.timeout(now, out),
        }
        self.drop_stale();
    }

    /// When it wants [`Input::Timeout`]. It may come too early; it must not come never.
    pub fn deadline(&self) -> Option<Instant> {
        self.wakes.first().map(|(at, _)| at)
    }

    /// The networks around us changed.
    pub fn set_topology(&mut self, topology: Arc<Topology>) {
        self.config.topology = topology;
    }

    /// Do responses to this request, which came by `flow`, go to where it came from? Not so for a phone that sends from
    /// another port than it listens on.
    pub fn is_symmetric(&self, request: &ValidRequest, flow: Flow) -> bool {
        let back = self.peek_back(flow, &request.head().via, request.fields().contact());
        back.remote == flow.remote || flow.transport == Transport::Tcp
    }

    /// How many transactions are alive.
    pub fn held(&self) -> Held {
        Held { servers: self.servers.len(), clients: self.clients.len() }
    }

    fn message(&mut self, now: Instant, flow: Flow, message: Message, out: &mut Vec<Output<O>>) {
        match message {
            Message::Request(request) => self.request(now, flow, request, out),
            Message::Response(response) => self.response(now, flow, response, out),
        }
    }

    /// Takes out what comes first in the queue and has become stale.
    fn drop_stale(&mut self) {
        while let Some((at, who)) = self.wakes.first() {
            let sleeper = match who {
                Sleeper::Server(id) => self.servers.get_mut(id).map(Server::alarm),
                Sleeper::Client(id) => self.clients.get_mut(id).map(Client::alarm),
            };
            let Some((wake, queued)) = sleeper else {
                self.wakes.drop_first();
                continue;
            };
            if *queued == Some(at) && matches!(wake, Some(Wake::Act(by) | Wake::Forget(by)) if by <= at) {
                return;
            }
            self.wakes.drop_first();
            if *queued == Some(at) {
                *queued = None;
                self.wakes.want(who, wake, queued);
            }
        }
    }

    fn timeout(&mut self, now: Instant, out: &mut Vec<Output<O>>) {
        while let Some((at, who)) = self.wakes.due(now) {
            match who {
                Sleeper::Server(id) => self.server_woken(now, at, id, out),
                Sleeper::Client(id) => self.client_woken(now, at, id, out),
            }
        }
    }
}

impl Flow {
    /// Must messages on this flow be repeated?
    pub fn delivery(&self) -> Delivery {
        match self.transport {
            Transport::Udp => Delivery::Unreliable,
            Transport::Tcp => Delivery::Reliable,
        }
    }

    /// Is `failed` this flow, or all flows to its peer?
    fn is_hit_by(&self, failed: &Flow) -> bool {
        if self.transport != failed.transport {
            return false;
        }
        // A connection has its number; its remote address may be the one to connect to when it is gone.
        match self.connection != 0 && failed.connection != 0 {
            true => self.connection == failed.connection,
            false => self.remote == failed.remote,
        }
    }

    /// May anything be sent there? Never to broadcast, multicast or nowhere (RFC 4475 §3.3.10).
    fn is_sendable(&self) -> bool {
        use std::net::IpAddr;
        let one = match self.remote.ip() {
            IpAddr::V4(ip) => !ip.is_broadcast() && !ip.is_multicast() && !ip.is_unspecified(),
            IpAddr::V6(ip) => !ip.is_multicast() && !ip.is_unspecified(),
        };
        one && self.remote.port() != 0
    }
}

fn transmit<O>(flow: Flow, bytes: Bytes, out: &mut Vec<Output<O>>) {
    if flow.is_sendable() {
        out.push(Output::Transmit(Transmit { flow, bytes }));
    }
}

#[cfg(test)]
mod tests;
