//! The endpoint: every SIP message in and out passes here. It answers by itself what needs no exchange
//! (retransmissions, 100, ACK to failures, 481, 405, 501, torture) and hands on the rest.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::message::{Request, Response};

/// How a message travels. TLS and WebSocket come later and take their place here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// Theirs.
    pub remote: SocketAddr,
    /// The stream connection's number, counted by the shell; 0 for UDP or when none is open yet.
    pub connection: u32,
}

/// Names a server transaction until its final answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerTx(pub u64);

/// Names a client transaction; chosen by whoever sends, so that the answer finds its way. The upper bits belong to
/// the owner (a leg, a gateway), the lower ones count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientTx {
    /// The owner: a call's number, or a gateway's.
    pub owner: u64,
    /// Which leg and which of its requests: unique for the owner.
    pub n: u32,
}

/// What the exchange asks the endpoint to do.
#[derive(Debug, Clone)]
pub enum Ask {
    /// Answer a request.
    Respond { tx: ServerTx, response: Response },
    /// Send a request in a client transaction. The endpoint adds the top Via.
    Send { tx: ClientTx, request: Box<Request>, to: Flow },
    /// CANCEL an INVITE sent before; it waits for a provisional answer by itself (RFC 3261 §9.1).
    Cancel { tx: ClientTx },
    /// Send an ACK to a 2xx: outside any transaction, sent again as it stands for each repeated 2xx.
    Ack { tx: ClientTx, request: Box<Request>, to: Flow },
}

/// What the endpoint tells the exchange.
#[derive(Debug, Clone)]
pub enum Told {
    /// A new request, in or out of a dialog; never ACK or CANCEL.
    Request { tx: ServerTx, request: Arc<Request>, flow: Flow },
    /// The ACK to a 2xx that we sent.
    Ack { request: Arc<Request>, flow: Flow },
    /// The INVITE of this transaction was cancelled; the endpoint has answered the CANCEL. Answer 487.
    Cancelled { tx: ServerTx },
    /// An answer to a request that we sent. 2xx to INVITE may come more than once, from several branches.
    Response { tx: ClientTx, response: Arc<Response>, flow: Flow },
    /// No answer came (timer B or F), or the transport failed.
    Failed { tx: ClientTx, why: Lost },
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
