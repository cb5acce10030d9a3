//! Posts: everything one machine may tell another or the world. One closed enum; the actors of the daemon and the
//! simulator deliver the same posts.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

pub use ringtrip_media::engine::{BridgeId, DetectorConfig, Endpoint, MediaCommand, MediaEvent};
pub use ringtrip_media::session::{MediaParameters, RtpStats};
use ringtrip_sip::endpoint::{Flow, ServerTx, Transport};
use ringtrip_sip::message::Method;
use ringtrip_sip::nat::Topology;
use ringtrip_sip::next_hop::{HostName, Reach};
use ringtrip_sip::refer::Replaces;
use ringtrip_sip::screen::ValidRequest;

use crate::call::{Birth, MovedLeg};
use crate::cdr::Cdr;
use crate::directory::contacts::Contact;
use crate::leg::{LegCmd, LegEvent};
use crate::owner::{Ask, Told};
use crate::prompt;
use crate::rating::{RatingInput, RatingOutput};
use crate::route::{Found, RoutePlan, RouteQuery, Step, Target};
use ringtrip_model::board::{BoardCmd, BoardEvent};
use ringtrip_model::event::Event;
use ringtrip_model::ids::{CallId, ExtId, GatewayId, LegId, LineId, PortRef};
use ringtrip_model::party::{Cause, Key};

/// Something that should now happen.
#[derive(Debug)]
pub enum Post {
    /// A call is born; the shell leases its media ports and spawns it.
    NewCall(Box<Birth>),
    /// To a call.
    Call {
        /// Which call.
        call: CallId,
        /// What it is told.
        input: CallInput,
    },
    /// To a leg, whichever call it belongs to.
    Leg {
        /// Which leg.
        leg: LegId,
        /// What it is told.
        input: LegInput,
    },
    /// To whoever keeps the index of legs: this leg belongs to this call from now on.
    Owns {
        /// The call.
        call: CallId,
        /// Its leg.
        leg: LegId,
    },
    /// To the directory: the far end of a call joins a conference room, or leaves it.
    Conference {
        /// The call.
        call: CallId,
        /// What it wants.
        input: ConferenceInput,
    },
    /// To a line.
    Line {
        /// Which line.
        line: LineId,
        /// What it is told.
        input: LineInput,
    },
    /// To a gateway.
    Gateway {
        /// Which gateway.
        gateway: GatewayId,
        /// What it is told.
        input: GatewayInput,
    },
    /// To the route actor: where should this call go? Answered by [`CallInput::Routed`].
    Ask(Box<RouteQuery>),
    /// To the directory: which legs reach this target now? Answered by [`CallInput::Found`].
    Find {
        /// Who asks.
        call: CallId,
        /// Which question of that call; comes back in the answer.
        seq: u16,
        /// What is looked for.
        target: Target,
        /// The number of the attempt for the rating, which is asked first whether it may be tried; `None`: it is not asked.
        rated: Option<u8>,
        /// May a line in use by a gateway call be freed for it (emergency)?
        emergency: bool,
        /// Nothing else is left: a gateway is tried even where it seems dead.
        last: bool,
        /// Landlines that this call has tried in vain: not those again.
        except: Vec<LineId>,
    },
    /// To the rating: what becomes of an attempt for which somebody may charge.
    Rate(RatingInput),
    /// To the resolver: where is this provider (RFC 3263)? Answered by [`GatewayInput::Resolved`].
    Resolve {
        /// Who asks.
        gateway: GatewayId,
        /// Host name or address.
        host: String,
        /// Port, if one was configured: then SRV is not asked.
        port: Option<u16>,
        /// Transport, if one was configured.
        transport: Option<Transport>,
    },
    /// To the network: which of our addresses does the kernel send from on this way now? Answered by
    /// [`LegInput::LocalAddress`], or not at all where the peer cannot be reached.
    LocalAddress {
        /// The leg that asks.
        leg: LegId,
        /// Its way.
        flow: Flow,
        /// The peer has sent to the address on it: that one stays as long as we have it.
        peer_knows_it: bool,
    },
    /// To the directory: these are the phones of an extension from now on, those to ring first in front.
    RegistrationChanged {
        /// Whose.
        ext: ExtId,
        /// The phones.
        contacts: Vec<Contact>,
    },
    /// To what people see: a phone was asked with OPTIONS and took so long to answer, or did not.
    Latency {
        /// Its extension.
        ext: ExtId,
        /// Where it registered from.
        remote: SocketAddr,
        /// How long.
        latency: Option<Duration>,
    },
    /// To the network: a provider says that it sees us at this address.
    SeenAs {
        /// The provider.
        gateway: GatewayId,
        /// Our address there.
        seen: IpAddr,
    },
    /// To the resolver: where is the next hop of a dialog (RFC 3263)? Answered by [`LegInput::Lookup`], always.
    Lookup {
        /// The leg that asks.
        leg: LegId,
        /// What it asks for.
        name: HostName,
    },
    /// To the desk: requests from these addresses are this provider's.
    Peer {
        /// The provider.
        gateway: GatewayId,
        /// Where it is.
        addresses: Vec<std::net::IpAddr>,
    },
    /// To the SIP endpoint.
    Sip(Ask),
    /// To a board.
    Board {
        /// Which port.
        port: PortRef,
        /// What it should do.
        cmd: BoardCmd,
    },
    /// To the media engine.
    Media(MediaCommand),
    /// To the store, durable before it is acknowledged: a CDR opened, changed or closed.
    Keep(Box<Cdr>),
    /// To the event stream.
    Tell(Event),
}

impl Post {
    /// What kind it is, for traces.
    pub fn name(&self) -> &'static str {
        match self {
            Post::NewCall(_) => "new call",
            Post::Call { .. } => "to a call",
            Post::Leg { .. } => "to a leg",
            Post::Owns { .. } => "leg of a call",
            Post::Conference { .. } => "conference",
            Post::Line { .. } => "to a line",
            Post::Gateway { .. } => "to a gateway",
            Post::Ask(_) => "route",
            Post::Find { .. } => "locate",
            Post::Rate(_) => "rating",
            Post::Resolve { .. } => "resolve",
            Post::LocalAddress { .. } => "local address",
            Post::RegistrationChanged { .. } => "registration changed",
            Post::Latency { .. } => "latency",
            Post::SeenAs { .. } => "seen as",
            Post::Lookup { .. } => "next hop",
            Post::Peer { .. } => "peer addresses",
            Post::Sip(_) => "to SIP",
            Post::Board { .. } => "to a board",
            Post::Media(_) => "to media",
            Post::Keep(_) => "store",
            Post::Tell(_) => "publish",
        }
    }

    /// Does it carry keys, which may be a PIN? Then it stands in no log.
    pub fn has_keys(&self) -> bool {
        match self {
            Post::Leg { input, .. } => input.has_keys(),
            Post::Call { input: CallInput::Leg { input, .. }, .. } => input.has_keys(),
            Post::Call { input: CallInput::Media(event), .. } => matches!(event, MediaEvent::Digit { .. }),
            Post::Line { input, .. } => matches!(
                input,
                LineInput::Key { .. }
                    | LineInput::Media(MediaEvent::Digit { .. })
                    | LineInput::Board(BoardEvent::PulseDigit(_))
                    | LineInput::Leg { cmd: LegCmd::Digit { .. }, .. }
            ),
            Post::Sip(Ask::Send { request, .. }) => request.method == Method::Info,
            Post::Tell(event) => matches!(event, Event::CallDigit { .. }),
            _ => false,
        }
    }
}

/// What a call wants of a conference room.
#[derive(Debug, Clone, PartialEq)]
pub enum ConferenceInput {
    /// Its far end hears and is heard in this room from now on, and in no other.
    Join {
        /// The extension of the room.
        room: ExtId,
        /// The far end.
        endpoint: Endpoint,
    },
    /// It is in no room any more.
    Leave,
}

/// What a call is told.
#[derive(Debug)]
pub enum CallInput {
    /// A leg of the call is told something, or says something.
    Leg {
        /// Which leg.
        leg: LegId,
        /// What it is told.
        input: LegInput,
    },
    /// A leg of another call takes the place of ours: [`LegInput::TakeOver`].
    Adopt {
        /// The leg.
        leg: MovedLeg,
        /// Ours.
        instead_of: LegId,
    },
    /// The other call stays, and asks for our leg instead.
    Give {
        /// The other call.
        call: CallId,
        /// Its leg whose place will be taken.
        by: LegId,
    },
    /// There is no such leg, or it is not given.
    NotGiven(Cause),
    /// The route's answer.
    Routed(Box<RoutePlan>),
    /// The directory's answer.
    Found {
        /// The question's number.
        seq: u16,
        /// The legs, or why there is none.
        found: Result<Vec<Found>, Cause>,
    },
    /// One more step of the decision, for the record: why a target was not tried.
    Noted(Step),
    /// The media engine says something about one of the call's endpoints.
    Media(MediaEvent),
    /// End the call now: the operator's wish, or a part of the exchange failed. A money limit ([`Cause::Spent`]) says
    /// its reason to the caller first, and never ends an emergency call.
    Hangup(Cause),
    /// The networks around us changed. The call asks anew for the address of ours that each of its peers reaches.
    Topology(Arc<Topology>),
    /// Play this announcement to the caller while the call goes on.
    Say {
        /// Its name.
        prompt: String,
    },
    /// The time named by `deadline()` has come.
    Timeout,
}

/// What a leg is told from outside of its call, or says by the machine that carries it.
#[derive(Debug)]
pub enum LegInput {
    /// The endpoint says something about the dialog of a SIP leg.
    Sip(Told),
    /// The line that carries the leg says this.
    Said(LegEvent),
    /// DNS has answered: where the next hop is, in the order to try, or nowhere.
    Lookup {
        /// What the leg asked for.
        name: HostName,
        /// The flows.
        flows: Vec<Flow>,
    },
    /// The answer to [`Post::LocalAddress`]: our address towards its peer.
    LocalAddress(SocketAddr),
    /// Another call asks for the leg that this one talks to. Answered by [`CallInput::Adopt`], [`CallInput::Give`] or
    /// [`CallInput::NotGiven`], always.
    TakeOver(Box<TakeOver>),
    /// An INVITE wants to take this leg's place (RFC 3891).
    Replace(Box<ReplacingInvite>),
}

/// What a call says that wants the other side of a leg of another call.
#[derive(Debug)]
pub struct TakeOver {
    /// Who asks.
    pub call: CallId,
    /// Its leg whose place will be taken.
    pub by: LegId,
    /// Whose phone asked for it.
    pub ext: ExtId,
    /// The dialog of the leg, as the phone has named it.
    pub named: Replaces,
    /// The call that asks has called somebody outside.
    pub outside: bool,
}

/// An INVITE with Replaces, already admitted.
#[derive(Debug)]
pub struct ReplacingInvite {
    /// The name of the new leg.
    pub leg: LegId,
    /// Its transaction.
    pub tx: ServerTx,
    /// The INVITE.
    pub request: Arc<ValidRequest>,
    /// How it came.
    pub flow: Flow,
    /// What leads back to the phone.
    pub reach: Reach,
    /// Whose phone it is.
    pub ext: ExtId,
    /// The dialog that it wants.
    pub named: Replaces,
}

impl LegInput {
    /// Does it carry keys?
    fn has_keys(&self) -> bool {
        match self {
            LegInput::Said(event) => matches!(event, LegEvent::Digit { .. }),
            // A key in INFO.
            LegInput::Sip(Told::Request { request, .. }) => request.method == Method::Info,
            _ => false,
        }
    }
}

/// What a line (one port of a board) is told.
#[derive(Debug)]
pub enum LineInput {
    /// The board saw something on the pair.
    Board(BoardEvent),
    /// A key was heard on the line (DTMF), or read by the board (pulses come as [`BoardEvent::PulseDigit`]).
    Key {
        /// Which key.
        key: Key,
        /// How long it sounded, in ms.
        ms: u16,
    },
    /// The media engine heard something on the port.
    Media(MediaEvent),
    /// A call speaks to the leg that this line carries or shall carry.
    Leg {
        /// The leg.
        leg: LegId,
        /// What it should do.
        cmd: LegCmd,
    },
    /// The time named by `deadline()` has come.
    Timeout,
}

/// What a gateway (one SIP provider) is told.
#[derive(Debug)]
pub enum GatewayInput {
    /// The endpoint says something about one of its own requests (REGISTER, OPTIONS).
    Sip(Told),
    /// DNS answered: addresses in the order to try (RFC 3263), or none.
    Resolved {
        /// The addresses.
        servers: Vec<(Transport, SocketAddr)>,
        /// How long that is good; `None`: it is no matter of DNS.
        ttl: Option<Duration>,
    },
    /// The networks around us, and the ways to servers that the resolver has named, with the address of ours on each.
    /// Said before [`GatewayInput::Resolved`], and again when one of them has changed.
    Network {
        /// Which address of ours a peer is shown.
        topology: Arc<Topology>,
        /// The ways.
        ways: Vec<Flow>,
    },
    /// A call wants to go out by it. Answered by [`CallInput::Found`].
    Find {
        /// Who asks.
        call: CallId,
        /// The question's number.
        seq: u16,
        /// It is tried even where it seems dead: for an emergency call, or where nothing else is left to try.
        emergency: bool,
    },
    /// A call got an answer from one of its servers, whatever it was.
    Alive {
        /// Which server.
        server: SocketAddr,
        /// Our address as that server sees it.
        seen: Option<SocketAddr>,
    },
    /// A call had no luck with one of its servers; calls after it had better begin with another.
    Doubt {
        /// Which server.
        server: SocketAddr,
        /// What it did.
        why: Doubt,
    },
    /// The time named by `deadline()` has come.
    Timeout,
}

/// Why calls should try a server last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It gave no sign of life within `answer_within`, or could not be reached.
    Silent,
    /// It said 503.
    Unavailable {
        /// For so long, if it said so.
        retry_after: Option<Duration>,
    },
}

impl From<RatingOutput> for Post {
    fn from(output: RatingOutput) -> Post {
        match output {
            RatingOutput::End { call, .. } => Post::Call { call, input: CallInput::Hangup(Cause::Spent) },
            RatingOutput::Warn { call } => {
                Post::Call { call, input: CallInput::Say { prompt: prompt::LIMIT_NEAR.to_owned() } }
            }
            RatingOutput::Tell(event) => Post::Tell(event),
        }
    }
}
