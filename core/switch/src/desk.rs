//! The desk: where every SIP message comes in and goes out. One pure machine made of the endpoint (transactions), the
//! admission (who is this, may he?) and the registrar (where are the phones?). The daemon hosts it behind its
//! sockets, the simulator behind its network.
//!
//! ```text
//! fn Desk::new(setup: DeskSetup, seed: u64) -> Desk
//! fn Desk::on(&mut self, now: Instant, input: DeskInput, out: &mut Vec<DeskOut>)
//! fn Desk::deadline(&self) -> Option<Instant>
//! ```

use std::net::IpAddr;
use std::sync::Arc;

use ringtrip_sip::endpoint::{Ask, Flow, Transmit};
use ringtrip_sip::message::Message;

use crate::config::Config;
use crate::ids::{CallId, CallIds, ExtId, GatewayId};
use crate::post::Post;

/// What the desk is born with.
#[derive(Debug, Clone)]
pub struct DeskSetup {
    /// The configuration.
    pub config: Arc<Config>,
    /// Names for the calls that come in.
    pub calls: CallIds,
    /// `User-Agent` and `Server` of its messages.
    pub agent: String,
    /// The secret under digest nonces: random, made at start.
    pub nonce_secret: [u8; 32],
}

/// What the desk is told.
#[derive(Debug)]
pub enum DeskInput {
    /// A message came in whole.
    Message {
        /// How.
        flow: Flow,
        /// What.
        message: Box<Message>,
    },
    /// A call or a gateway wants something sent ([`Post::Sip`]).
    Ask(Ask),
    /// A way to a peer broke: ICMP unreachable, connection refused or closed. For UDP, `connection` is 0.
    FlowFailed(Flow),
    /// Which phones of this extension are registered? Answered by [`Post::Call`] with `CallInput::Found`, always;
    /// an extension with nobody there is `Err(Cause::Unregistered)`.
    Find {
        /// Who asks.
        call: CallId,
        /// The question's number.
        seq: u16,
        /// Whose phones.
        ext: ExtId,
    },
    /// The configuration changed.
    Config(Arc<Config>),
    /// Requests from these addresses are this provider's ([`Post::Peer`]); replaces what was said before.
    Peer {
        /// The provider.
        gateway: GatewayId,
        /// Where it is.
        addresses: Vec<IpAddr>,
    },
    /// A post to a call could not be delivered because the call is gone: the desk answers in its stead (481).
    Stray(Box<ringtrip_sip::endpoint::Told>),
    /// The exchange is full: the call that was just born is refused with 503 and `Retry-After`.
    Refuse {
        /// Its INVITE.
        tx: ringtrip_sip::endpoint::ServerTx,
    },
    /// The time named by `deadline()` has come.
    Timeout,
}

/// What the desk wants done.
#[derive(Debug)]
pub enum DeskOut {
    /// Bytes for a socket.
    Transmit(Transmit),
    /// A post for the exchange.
    Post(Post),
}
