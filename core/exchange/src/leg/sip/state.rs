//! What a SIP leg is made of: its state, and what it has at hand while it steps. The files beside this one act on it, each
//! on its part; none of them is known here.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ringtrip_media::sdp::SrtpPolicy;
use ringtrip_media::sound::Sound;
use ringtrip_sip::dialog::Dialog;
use ringtrip_sip::digest;
use ringtrip_sip::endpoint::{Flow, ServerTx};
use ringtrip_sip::message::{Method, Request, Response};
use ringtrip_sip::name::Name;
use ringtrip_sip::next_hop::{HostName, Reach};
use ringtrip_sip::random::Random;
use ringtrip_sip::reliable::{Receiver, Sender, Support};
use ringtrip_sip::screen::ValidRequest;
use smallvec::SmallVec;

use crate::call::CallSetup;
use crate::leg::LegEvent;
use crate::leg::sip::headers::lists;
use crate::leg::sip::offer::Talk;
use crate::leg::sip::refresh::Refresh;
use crate::owner::{Ask, ClientTx};
use crate::post::Post;
use crate::route::SipWay;
use ringtrip_model::ids::LegId;
use ringtrip_model::party::Cause;

/// What a leg has at hand while it steps.
pub(crate) struct Room<'a> {
    pub(crate) setup: &'a CallSetup,
    pub(crate) rand: &'a mut Random,
    /// What it tells its call.
    pub(crate) said: &'a mut SmallVec<[LegEvent; 2]>,
    /// What it wants sent.
    pub(crate) out: &'a mut Vec<Post>,
}

/// A SIP leg.
#[derive(Debug)]
pub(crate) struct SipLeg {
    pub(super) id: LegId,
    /// The dialog, once there is one: with the INVITE to us, or with the first tagged answer to ours.
    pub(super) dialog: Option<Dialog>,
    /// Our tag.
    pub(super) tag: String,
    /// User part of our Contact.
    pub(super) contact_user: String,
    /// The way of the INVITE.
    pub(super) flow: Flow,
    /// What leads back to the peer.
    pub(super) reach: Reach,
    pub(super) hops: Hops,
    pub(super) talk: Talk,
    /// Is the sound of one that called us encrypted?
    pub(super) srtp: SrtpPolicy,
    pub(super) phase: Phase,
    pub(super) refresh: Refresh,
    /// What the peer has asked for by REFER.
    pub(super) refer: Option<Box<Subscription>>,
    /// REFERs so far in this dialog.
    pub(super) refers: u16,
    /// How to place it and with which credentials; none for a leg that called us.
    pub(super) way: Option<Arc<SipWay>>,
    pub(super) auth: Option<Box<digest::Client>>,
    /// The credentials of the last INVITE of ours, which its ACK repeats (RFC 3261 §22.1).
    pub(super) proof: Vec<(Name, Bytes)>,
    /// What the peer allows and understands, as far as it has said.
    pub(super) peer: Peer,
    /// INVITEs on ways that were given up for the next; an answer may still come.
    pub(super) abandoned: SmallVec<[ClientTx; 2]>,
    /// Requests sent in client transactions so far.
    pub(super) sent: u16,
    /// Our address changed and the peer was not told yet.
    pub(super) moved: bool,
    /// Where its last word about sound came from: its packets may come from there too, whatever its SDP says.
    pub(super) signals_from: IpAddr,
}

/// Where the leg is.
#[derive(Debug)]
pub(super) enum Phase {
    /// They called us; no final answer yet.
    Invited(Box<Invited>),
    /// We call them, or are about to.
    Calling(Box<Calling>),
    /// The dialog stands.
    Up(Box<Pending>),
    /// BYE or CANCEL was sent; only its end is awaited.
    Leaving,
    /// Nothing is left.
    Gone,
}

/// What a peer has said of itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Peer {
    pub(super) allows_update: bool,
    pub(super) allows_info: bool,
}

/// An INVITE of ours without its final answer.
#[derive(Debug)]
pub(super) struct Calling {
    pub(super) tx: ClientTx,
    pub(super) invite: Request,
    /// The number of the INVITE that is under way.
    pub(super) number: u32,
    /// Which of the ways it took.
    pub(super) way: usize,
    pub(super) wait: Wait,
    /// The call has nothing to try after the last of these ways.
    pub(super) last_hope: bool,
    pub(super) cancelling: bool,
    pub(super) rang: bool,
    /// Which reliable provisional answers of this far end have come (RFC 3262 §4).
    pub(super) receiver: Receiver,
}

/// What is awaited on a way.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wait {
    /// A sign of life; without one this way is given up at that time, or doubted where there is no better one.
    Sign { until: Instant },
    /// A sign of life, however long that takes: timer B or the call ends the wait.
    Long,
    /// There was a sign of life: the final answer.
    Answer,
}

/// An INVITE without its final answer.
#[derive(Debug)]
pub(super) struct Invited {
    pub(super) tx: ServerTx,
    pub(super) request: Arc<ValidRequest>,
    /// The number of the INVITE.
    pub(super) cseq: u32,
    /// The caller requires that provisional answers arrive.
    pub(super) reliable: bool,
    /// Repeats them until they are acknowledged.
    pub(super) sender: Sender,
    /// Answers that wait for the PRACK of the one before; the last may be the 200.
    pub(super) queue: VecDeque<Response>,
    /// What the far side turned out to speak, where a provisional answer has agreed on something else: asked for when the
    /// call is up.
    pub(super) want: Option<Sound>,
    /// The last provisional answer, said again each minute so that proxies keep the call (§13.3.1.1).
    pub(super) last: Option<(Response, Instant)>,
}

/// What is under way in a dialog that stands.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Our 2xx to an INVITE of theirs has no ACK yet.
    pub(super) unacked: bool,
    /// End it as soon as the ACK is there: a UAS may not say BYE before (§15).
    pub(super) bye: Option<Cause>,
    /// A re-INVITE or UPDATE of ours.
    pub(super) ours: Option<Ours>,
    /// What the far side wants next, when nothing else is under way.
    pub(super) want: Option<Sound>,
    /// The session is to be refreshed, when nothing else is under way.
    pub(super) refresh: bool,
    /// After a collision (§14.1), or where the peer asked for time: when to try again.
    pub(super) retry: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Ours {
    pub(super) tx: ClientTx,
    pub(super) method: Method,
    pub(super) number: u32,
    /// What we had said before, should the peer refuse; none for a refresh without SDP.
    pub(super) before: Option<Sound>,
    pub(super) offered: bool,
    /// What the far side wanted, to try again.
    pub(super) want: Option<Sound>,
}

/// A REFER without its final NOTIFY.
#[derive(Debug)]
pub(super) struct Subscription {
    /// Its transaction, until the call has decided.
    pub(super) asked: Option<(ServerTx, Arc<ValidRequest>)>,
    /// Its number, which NOTIFYs name from the second REFER of a dialog on (RFC 3515 §2.4.6).
    pub(super) id: Option<u32>,
    /// It was told that it rings.
    pub(super) rang: bool,
}

/// What is known of next hops by name, and what waits for the rest.
#[derive(Debug, Default)]
pub(super) struct Hops {
    /// Time of the step that runs.
    pub(super) now: Option<Instant>,
    pub(super) known: Vec<(HostName, Flow)>,
    pub(super) waiting: Vec<Waiting>,
}

/// A request that waits for DNS.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) name: HostName,
    /// Where it goes without an answer.
    pub(super) learned: Flow,
    pub(super) by: Option<Instant>,
    pub(super) request: Outgoing,
}

/// A request that is about to go out.
#[derive(Debug)]
pub(super) enum Outgoing {
    Request(ClientTx, Box<Request>),
    /// The ACK of a 2xx.
    Ack(ClientTx, Box<Request>),
}

impl Peer {
    pub(super) fn of(headers: &ringtrip_sip::Headers) -> Peer {
        Peer {
            allows_update: lists(headers, &Name::Allow, "UPDATE"),
            allows_info: lists(headers, &Name::Allow, "INFO"),
        }
    }
}

impl Calling {
    /// Is this the INVITE that is under way?
    pub(super) fn is(&self, tx: &ClientTx) -> bool {
        self.tx == *tx
    }
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.wait {
            Wait::Sign { until } => Some(until),
            Wait::Long | Wait::Answer => None,
        }
    }
}

impl Wait {
    /// The wait for the first sign of life of a peer.
    pub(super) fn begin(now: Instant, way: &SipWay) -> Wait {
        way.answer_within.map_or(Wait::Long, |time| Wait::Sign { until: now + time })
    }
}

impl Invited {
    pub(super) fn new(tx: ServerTx, request: Arc<ValidRequest>) -> Invited {
        let reliable = Support::of(request.fields()) == Support::Required;
        let cseq = request.head().cseq.number;
        Invited {
            tx,
            request,
            cseq,
            reliable,
            sender: Sender::new(0),
            queue: VecDeque::new(),
            want: None,
            last: None,
        }
    }

    pub(super) fn request(&self) -> &Request {
        &self.request
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.sender.deadline().into_iter().chain(self.last.as_ref().map(|(_, at)| *at)).min()
    }
}

impl Pending {
    /// The dialog of an INVITE whose 2xx was just sent; `want`: what the far side wants as soon as it is acknowledged.
    pub(super) fn unacknowledged(want: Option<Sound>) -> Pending {
        Pending { unacked: true, want, ..Pending::default() }
    }
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.retry
    }
    pub(super) fn is_change(&self, tx: &ClientTx) -> bool {
        self.ours.as_ref().is_some_and(|ours| ours.tx == *tx)
    }
}

impl Outgoing {
    pub(super) fn by(self, to: Flow) -> Post {
        Post::Sip(match self {
            Outgoing::Request(tx, request) => Ask::Send { tx, request, to },
            Outgoing::Ack(tx, request) => Ask::Ack { tx, request, to },
        })
    }
}

impl Hops {
    pub(super) fn step(&mut self, now: Instant) {
        self.now = Some(now);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().filter_map(|waiting| waiting.by).min()
    }

    /// Takes back a request that has not left yet. False if it has.
    pub(super) fn take_back(&mut self, tx: &ClientTx) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|w| !matches!(&w.request, Outgoing::Request(other, _) if other == tx));
        self.waiting.len() < before
    }
}
