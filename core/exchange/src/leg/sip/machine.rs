//! The leg itself: how it begins, to whom a command or a word of the endpoint goes, and how its requests leave.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ringtrip_media::sdp::SrtpPolicy;
use ringtrip_media::sound::Sound;
use ringtrip_sip::endpoint::{Flow, ServerTx, Transport};
use ringtrip_sip::message::{Method, Request, Response};
use ringtrip_sip::name::Name;
use ringtrip_sip::nat;
use ringtrip_sip::next_hop::{NextHop, Reach};
use ringtrip_sip::random::Random;
use ringtrip_sip::screen::ValidRequest;
use smallvec::SmallVec;

use crate::call::CallSetup;
use crate::leg::sip::headers::{ALLOW, SUPPORTED};
use crate::leg::sip::offer::Talk;
use crate::leg::sip::refresh::Refresh;
use crate::leg::sip::state::{Hops, Invited, Outgoing, Peer, Phase, Room, SipLeg};
use crate::leg::sip::{codes, identity, uac};
use crate::leg::{LegCmd, LegEvent};
use crate::owner::{ClientTx, Owner, Told};
use crate::post::{MediaParameters, Post};
use crate::route::SipWay;
use ringtrip_config::Config;
use ringtrip_model::ids::LegId;
use ringtrip_model::party::{Cause, Source};

impl SipLeg {
    /// A leg that called us. Nothing is said before [`SipLeg::begin`].
    pub(crate) fn incoming(
        id: LegId,
        tx: ServerTx,
        request: Arc<ValidRequest>,
        (flow, reach): (Flow, Reach),
        port: u16,
    ) -> SipLeg {
        SipLeg {
            id,
            dialog: None,
            tag: String::new(),
            contact_user: identity::user_of(&request.fields().target),
            flow,
            reach,
            hops: Hops::default(),
            talk: Talk::new(port, flow.remote.ip()),
            srtp: SrtpPolicy::Off,
            peer: Peer::of(&request.headers),
            phase: Phase::Invited(Box::new(Invited::new(tx, request))),
            refresh: Refresh::default(),
            refer: None,
            refers: 0,
            way: None,
            auth: None,
            proof: Vec::new(),
            abandoned: SmallVec::new(),
            sent: 0,
            moved: false,
            signals_from: flow.remote.ip(),
        }
    }

    /// A leg that we shall call when it is told [`LegCmd::Place`].
    pub(crate) fn outgoing(id: LegId, way: Arc<SipWay>, port: u16) -> SipLeg {
        let auth = uac::answerer(&way);
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let nowhere = Flow { transport: Transport::Udp, local: nowhere, remote: nowhere, connection: 0 };
        let flow = way.flows.first().copied().unwrap_or(nowhere);
        let signals_from = flow.remote.ip();
        let mut talk = Talk::new(port, flow.remote.ip());
        talk.allow(way.codecs.clone());
        SipLeg {
            id,
            dialog: None,
            tag: String::new(),
            contact_user: way.identity.contact_user.clone(),
            flow,
            reach: way.reach,
            hops: Hops::default(),
            talk,
            srtp: SrtpPolicy::Off,
            phase: Phase::Gone,
            refresh: Refresh::default(),
            refer: None,
            refers: 0,
            way: Some(way),
            auth,
            proof: Vec::new(),
            peer: Peer::default(),
            abandoned: SmallVec::new(),
            sent: 0,
            moved: false,
            signals_from,
        }
    }

    /// Which codecs a caller from there may speak, and whether its sound is encrypted. Before [`SipLeg::begin`].
    pub(crate) fn configure(&mut self, config: &Config, source: &Source) {
        match source {
            Source::Gateway(id) => {
                if let Some(gateway) = config.gateway(id) {
                    self.talk.allow(gateway.codecs.clone());
                    self.srtp = gateway.srtp;
                }
            }
            Source::Extension(id) => {
                self.srtp = config.extension(id.as_str()).map_or(SrtpPolicy::Off, |extension| extension.srtp);
            }
            Source::Line(_) | Source::Operator => {}
        }
    }

    /// Who diverted the call before it came to us.
    pub(crate) fn diversions(&self) -> Vec<(Name, Bytes)> {
        match &self.phase {
            Phase::Invited(invited) => identity::diversions(invited.request()),
            _ => Vec::new(),
        }
    }

    /// What the caller offered in its INVITE.
    pub(crate) fn offer(&self) -> Option<&Sound> {
        self.talk.remote()
    }

    /// What it speaks now, for another leg to be joined with it.
    pub(crate) fn heard(&self) -> Sound {
        self.talk.heard()
    }

    /// It has another port from now on: the peer is told by a re-INVITE as soon as it can be.
    pub(crate) fn move_to(&mut self, port: u16) {
        self.moved |= self.talk.move_to(port);
    }

    /// The media engine shall be told again how to talk to the peer.
    pub(crate) fn show_face_again(&mut self) {
        self.talk.show_face_again();
    }

    /// Has everything been said and answered?
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.phase, Phase::Gone)
    }

    /// Do both directions carry RFC 4733 events?
    pub(crate) fn speaks_events(&self) -> bool {
        self.talk.speaks_events()
    }

    /// How the media engine should talk to the peer, if that changed since it was last asked.
    pub(crate) fn take_parameters(&mut self) -> Option<MediaParameters> {
        let parameters = self.talk.take_parameters()?;
        let ip = self.signals_from;
        let also = Some(ip).filter(|ip| *ip != parameters.remote.ip() && !ip.is_unspecified());
        let unreachable =
            also.is_some_and(|ip| nat::is_private(parameters.remote.ip()) && !nat::is_private(ip));
        let local = Some(self.flow.local.ip()).filter(|ip| !ip.is_unspecified());
        Some(MediaParameters { also, unreachable, local, ..parameters })
    }

    /// The call tells the leg something.
    pub(crate) fn cmd(&mut self, now: Instant, cmd: LegCmd, room: &mut Room<'_>) {
        self.hops.step(now);
        match cmd {
            LegCmd::Place(placement) => self.place(now, *placement, room),
            LegCmd::Ringing => self.provisional(now, 180, None, room),
            LegCmd::Progress(far) => self.provisional(now, 183, Some(far), room),
            // Only what can be transcoded: what the called side will speak is not known yet.
            LegCmd::Attend => self.answer(now, &Sound::analog(), room),
            LegCmd::Answer(far) => self.answer(now, &far, room),
            LegCmd::Change(far) => self.change(now, far, room),
            LegCmd::Digit { key, ms, form } => self.send_digit(key, ms, form, room),
            LegCmd::Flash => self.send_flash(room),
            LegCmd::Transfer(status) => self.transfer_stands(status, room),
            LegCmd::End(cause) => self.end(now, cause, room),
        }
        self.lookup_sound(room);
    }

    /// The peer's SDP may have named a host.
    pub(super) fn lookup_sound(&mut self, room: &mut Room<'_>) {
        if let Some(name) = self.talk.take_name() {
            room.out.push(Post::Lookup { leg: self.id, name });
        }
    }

    /// The endpoint tells the leg something.
    pub(crate) fn told(&mut self, now: Instant, told: Told, room: &mut Room<'_>) {
        self.hops.step(now);
        match told {
            Told::Request { tx, request, flow } => self.asked(now, tx, &request, flow, room),
            Told::Ack { request, flow, .. } => {
                self.heard_of_sound(&request.body, flow);
                self.acked(now, &request, room);
            }
            Told::Cancelled { tx } => self.cancelled(tx, room),
            Told::Response { tx, response, flow } => self.answered(now, tx, &response, flow, room),
            Told::Failed { tx, .. } => self.failed(now, tx, room),
            Told::Unacknowledged { .. } => {
                self.give_up_ack();
                if matches!(self.phase, Phase::Up(_)) {
                    self.bye(Cause::Failure, room);
                    room.said.push(LegEvent::Ended(Cause::Failure));
                }
            }
        }
        self.lookup_sound(room);
    }

    /// When the leg wants [`SipLeg::timeout`].
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let own = match &self.phase {
            Phase::Invited(invited) => invited.deadline(),
            Phase::Up(pending) => pending.deadline().into_iter().chain(self.refresh.deadline()).min(),
            Phase::Calling(calling) => calling.deadline(),
            Phase::Leaving | Phase::Gone => None,
        };
        own.into_iter().chain(self.hops.deadline()).min()
    }

    /// The time of [`SipLeg::deadline`] has come.
    pub(crate) fn timeout(&mut self, now: Instant, room: &mut Room<'_>) {
        self.hops.step(now);
        self.lookup_timeout(now, room);
        match &self.phase {
            Phase::Invited(_) => self.repeat_provisional(now, room),
            Phase::Up(_) => self.up_timeout(now, room),
            Phase::Calling(_) => self.unheard(now, room),
            Phase::Leaving | Phase::Gone => {}
        }
    }

    fn end(&mut self, now: Instant, cause: Cause, room: &mut Room<'_>) {
        match &mut self.phase {
            Phase::Invited(_) => self.refuse(codes::refusal(cause), Some(cause), room),
            Phase::Calling(_) => self.cancel(now, cause, room),
            Phase::Up(_) => self.bye(cause, room),
            Phase::Leaving | Phase::Gone => {}
        }
    }

    /// The name for the next request of ours.
    pub(super) fn next_tx(&mut self) -> ClientTx {
        self.sent = self.sent.wrapping_add(1);
        ClientTx { owner: Owner::Leg(self.id), n: u32::from(self.sent) }
    }

    pub(super) fn send(&mut self, request: Request, room: &mut Room<'_>) -> ClientTx {
        let tx = self.next_tx();
        let (hop, learned) = self.next_hop();
        self.dispatch(hop, learned, Outgoing::Request(tx.clone(), Box::new(request)), room);
        tx
    }

    /// Where the next request goes, and the flow that will do if that cannot be found out.
    pub(super) fn next_hop(&self) -> (NextHop, Flow) {
        let Some(dialog) = &self.dialog else {
            let first = self.way.as_ref().and_then(|way| way.first.clone());
            return (first.map_or(NextHop::Flow(self.flow), NextHop::Name), self.flow);
        };
        (dialog.next_hop(), dialog.flow)
    }

    /// A request in the dialog, with credentials if they were asked for before.
    pub(super) fn request(&mut self, method: Method, room: &mut Room<'_>) -> Option<Request> {
        let mut request = self.dialog.as_mut()?.request(method);
        if matches!(request.method, Method::Invite | Method::Update) {
            request.headers.push(Name::Contact, self.contact(room.setup));
            request.headers.push(Name::Allow, ALLOW);
            request.headers.push(Name::Supported, SUPPORTED);
        }
        self.authorize(&mut request, room.rand);
        Some(request)
    }

    pub(super) fn authorize(&mut self, request: &mut Request, rand: &mut Random) {
        let Some(auth) = &mut self.auth else { return };
        auth.sign(request, &rand.hex());
        if request.method == Method::Invite {
            let is_proof = |name: &Name| matches!(name, Name::Authorization | Name::ProxyAuthorization);
            self.proof = request.headers.iter().filter(|(name, _)| is_proof(name)).cloned().collect();
        }
    }

    /// A response to a request of the peer.
    pub(super) fn respond(&self, request: &ValidRequest, code: u16) -> Response {
        match &self.dialog {
            Some(dialog) => dialog.respond(request, code),
            None => ringtrip_sip::build::tagged(request, code, &self.tag),
        }
    }

    /// Our Contact.
    pub(super) fn contact(&self, setup: &CallSetup) -> String {
        let user = if self.contact_user.is_empty() { "" } else { "@" };
        let at = self.address(setup);
        let transport = match self.flow.transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
        };
        format!("<sip:{}{user}{at}{transport}>", self.contact_user)
    }

    /// Our address for SDP and Contact as the peer shall see it.
    pub(super) fn address(&self, setup: &CallSetup) -> SocketAddr {
        setup.topology.advertised(self.flow.local, self.signals_from)
    }
}
