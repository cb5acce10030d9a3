//! The INVITE that we send (RFC 3261 §13.2): its offer, its answers, credentials, the next way when one fails
//! (RFC 3263 §4.3), and its CANCEL.
//!
//! A dead server says nothing, and RFC 3261 knows that only after 32 s (timer B). A caller does not wait that long: a
//! way on which nothing at all was heard within `answer_within` is given up for the next. Its INVITE may have arrived
//! nevertheless. Then its provisional answer gets a CANCEL (the endpoint's work), and its 2xx an ACK and a BYE.
//!
//! Where there is no next way, neither of this peer nor of the call, giving up helps nobody: a slow provider may answer
//! yet. The gateway hears that its server is silent, and the call waits on.

use std::time::Instant;

use bytes::Bytes;
use ringtrip_sip::Headers;
use ringtrip_sip::cseq::CSeq;
use ringtrip_sip::dialog::Dialog;
use ringtrip_sip::digest;
use ringtrip_sip::endpoint::Flow;
use ringtrip_sip::message::{Method, Request, Response};
use ringtrip_sip::name::Name;
use ringtrip_sip::next_hop::{self, NextHop, Reach};
use ringtrip_sip::reliable::{Receiver, Taken};

use crate::gateway::seen;
use crate::leg::sip::headers::{ALLOW, SUPPORTED, put_sdp, retry_after};
use crate::leg::sip::state::{Calling, Outgoing, Peer, Phase, Room, SipLeg, Wait};
use crate::leg::sip::{codes, identity, offer};
use crate::leg::{LegEvent, Placement};
use crate::owner::{Ask, ClientTx};
use crate::post::{Doubt, GatewayInput, Post};
use crate::route::{SipWay, digest_credentials};
use ringtrip_model::party::Cause;

/// What answers the challenges of this way, before any.
pub(super) fn answerer(way: &SipWay) -> Option<Box<digest::Client>> {
    Some(Box::new(digest::Client::new(digest_credentials(way.credentials.clone()?))))
}

impl SipLeg {
    pub(super) fn place(&mut self, now: Instant, placement: Placement, room: &mut Room<'_>) {
        let Some(way) = self.way.clone() else { return };
        if way.flows.is_empty() {
            return room.said.push(LegEvent::Ended(Cause::Unregistered));
        }
        self.tag = format!("{}-{}", self.id, room.rand.hex());
        self.talk.name(room.rand.number());
        self.talk.secure(way.srtp, room.rand.seed());
        if placement.emergency {
            self.talk.help();
        }
        let number = identity::escape_user(placement.number.as_str());
        let target: Bytes = way.uri.replace("{number}", &number).into();
        let mut headers = Headers::with_capacity(20);
        let routes: Vec<Bytes> = way.routes.iter().map(|r| Bytes::copy_from_slice(r.as_bytes())).collect();
        let uri = next_hop::put_routes(&mut headers, &routes, &target);
        identity::put(&mut headers, &way, &placement.caller, &self.tag);
        headers.push(Name::To, [b"<", &target[..], b">"].concat());
        headers.push(Name::CallId, format!("{}{}", room.rand.hex(), room.rand.hex()));
        headers.push(Name::CSeq, "1 INVITE");
        headers.push(Name::MaxForwards, placement.hops.to_string());
        headers.push(Name::Contact, self.contact(room.setup));
        headers.push(Name::Allow, ALLOW);
        headers.push(Name::Supported, SUPPORTED);
        way.headers.iter().for_each(|(name, value)| headers.push(name.clone(), value.clone()));
        for (name, value) in placement.prepared.iter().flat_map(|prepared| &prepared.headers) {
            headers.push(Name::read(&Bytes::copy_from_slice(name.as_bytes())), value.clone());
        }
        if let Some(by) = placement.referred_by.filter(|_| way.gateway.is_none()) {
            headers.push(Name::ReferredBy, by);
        }
        if let Some(ring) = placement.ring {
            headers.push(Name::AlertInfo, format!("<http://127.0.0.1/Bellcore-dr{ring}>"));
        }
        self.refresh.ask(&mut headers, &room.setup.config.sip);
        let me = self.address(room.setup);
        let sdp = self.talk.offer(placement.offer.as_ref(), me);
        if self.talk.said().is_none_or(|sound| sound.codecs.is_empty()) {
            // Nothing that the other side speaks may be spoken with this one.
            return room.said.push(LegEvent::Ended(Cause::Incompatible));
        }
        let mut invite = Request { method: Method::Invite, uri, headers, body: Bytes::new() };
        put_sdp(&mut invite.headers, &mut invite.body, sdp);
        let tx = self.send(invite.clone(), room);
        self.phase = Phase::Calling(Box::new(Calling {
            tx,
            invite,
            number: 1,
            way: 0,
            wait: Wait::begin(now, &way),
            last_hope: placement.last_hope || placement.emergency,
            cancelling: false,
            rang: false,
            receiver: Receiver::default(),
        }));
    }

    /// The call does not want it any more. A CANCEL may cross the answer: then the answer is acknowledged and ended.
    pub(super) fn cancel(&mut self, now: Instant, cause: Cause, room: &mut Room<'_>) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        if std::mem::replace(&mut calling.cancelling, true) {
            return;
        }
        // It has not left yet: its next hop is still being resolved.
        if self.hops.take_back(&calling.tx) {
            self.phase = Phase::Gone;
            return;
        }
        // Another phone has answered: this one need not show a missed call (RFC 3326 §1).
        let elsewhere = Bytes::from_static(b"SIP;cause=200;text=\"Call completed elsewhere\"");
        let reason = (cause == Cause::Normal).then_some(elsewhere);
        room.out.push(Post::Sip(Ask::Cancel { tx: calling.tx.clone(), reason }));
        // A CANCEL may not leave before a sign of life (§9.1). Nobody needs the long wait for it any more.
        if let (Wait::Long, Some(way)) = (calling.wait, &self.way) {
            calling.wait = Wait::begin(now, way);
        }
    }

    /// An answer to a request of ours.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        tx: ClientTx,
        response: &Response,
        flow: Flow,
        room: &mut Room<'_>,
    ) {
        if self.abandoned.contains(&tx) {
            // Its server was slow, not dead. Before a 2xx nothing is left to do: the endpoint cancels the INVITE and
            // acknowledges its end.
            if (200..300).contains(&response.code) {
                self.end_fork(tx, response, flow, room);
            }
            return;
        }
        // A second far end of a fork says nothing of the one that we talk to.
        if matches!(self.phase, Phase::Calling(_)) || !self.is_fork(response) {
            self.heard_of_sound(&response.body, flow);
        }
        if let Phase::Calling(calling) = &mut self.phase
            && calling.tx == tx
        {
            let first = !matches!(calling.wait, Wait::Answer);
            calling.wait = Wait::Answer;
            if first && response.code != 503 {
                self.is_alive(response, room);
            }
        }
        match &self.phase {
            Phase::Calling(calling) if calling.tx == tx => match response.code {
                ..=100 => {}
                101..=199 => self.progress(response, room),
                200..=299 => self.established(now, response, room),
                _ => self.refused(now, response, room),
            },
            Phase::Up(_)
                if of_invite(response) && (200..300).contains(&response.code) && self.is_fork(response) =>
            {
                self.end_fork(tx, response, flow, room);
            }
            Phase::Up(_) => self.change_answered(now, tx, response, room),
            Phase::Leaving if response.code >= 200 => self.left(response, room),
            _ => {}
        }
    }

    /// A request of ours got no answer.
    pub(super) fn failed(&mut self, now: Instant, tx: ClientTx, room: &mut Room<'_>) {
        if let Some(at) = self.abandoned.iter().position(|other| *other == tx) {
            self.abandoned.swap_remove(at);
            return;
        }
        match &self.phase {
            Phase::Calling(calling) if calling.tx == tx => {
                if calling.cancelling {
                    self.phase = Phase::Gone;
                } else {
                    self.doubt(Doubt::Silent, room);
                    self.next_way_or(now, Cause::Failure, room);
                }
            }
            Phase::Up(pending) if pending.is_change(&tx) => {
                self.bye(Cause::Failure, room);
                room.said.push(LegEvent::Ended(Cause::Failure));
            }
            Phase::Leaving => self.phase = Phase::Gone,
            _ => {}
        }
    }

    /// Nothing at all was heard on this way.
    pub(super) fn unheard(&mut self, now: Instant, room: &mut Room<'_>) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        if calling.deadline().is_none_or(|by| by > now) {
            return;
        }
        let is_last = self.way.as_ref().is_none_or(|way| calling.way + 1 >= way.flows.len());
        calling.wait = Wait::Long;
        let (tx, cancelling) = (calling.tx.clone(), calling.cancelling);
        if is_last && calling.last_hope && !cancelling {
            return self.doubt(Doubt::Silent, room);
        }
        self.abandoned.push(tx.clone());
        room.out.push(Post::Sip(Ask::Abandon { tx }));
        self.doubt(Doubt::Silent, room);
        if cancelling {
            self.phase = Phase::Gone;
        } else {
            self.next_way_or(now, Cause::Failure, room);
        }
    }

    /// Tells the gateway that this server answers.
    fn is_alive(&self, response: &Response, room: &mut Room<'_>) {
        let Some(gateway) = self.way.as_ref().and_then(|way| way.gateway.clone()) else { return };
        let input = GatewayInput::Alive { server: self.flow.remote, seen: seen(&response.headers) };
        room.out.push(Post::Gateway { gateway, input });
    }

    /// Tells the gateway that the server of this way had better be tried last.
    fn doubt(&self, why: Doubt, room: &mut Room<'_>) {
        let Some(gateway) = self.way.as_ref().and_then(|way| way.gateway.clone()) else { return };
        let input = GatewayInput::Doubt { server: self.flow.remote, why };
        room.out.push(Post::Gateway { gateway, input });
    }

    fn progress(&mut self, response: &Response, room: &mut Room<'_>) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        if calling.cancelling {
            return;
        }
        calling.rang |= response.code == 180;
        let known = self.dialog.as_ref().is_some_and(|dialog| dialog.is_of(response));
        if !known && let Ok(dialog) = Dialog::of_answer(&calling.invite, response, self.flow) {
            self.dialog = Some(dialog.reached_by(self.reach));
            calling.receiver = Receiver::default();
        }
        match calling.receiver.take(response) {
            Taken::Plain => {}
            Taken::Prack(rack) => {
                if let Some(mut prack) = self.request(Method::Prack, room) {
                    prack.headers.push(Name::RAck, rack);
                    self.send(prack, room);
                }
            }
            Taken::Ignore => return,
        }
        let accepted = match offer::of(&response.headers, &response.body, self.talk.policy()) {
            Some(Ok(answer)) => self.talk.accept(answer),
            _ => false,
        };
        if accepted {
            room.said.push(LegEvent::Progress(self.talk.heard()));
        }
        if response.code == 180 {
            room.said.push(LegEvent::Ringing);
        }
    }

    fn established(&mut self, now: Instant, response: &Response, room: &mut Room<'_>) {
        let Phase::Calling(calling) = &self.phase else { return };
        let (tx, number, cancelling) = (calling.tx.clone(), calling.number, calling.cancelling);
        match &mut self.dialog {
            Some(dialog) if dialog.is_of(response) => dialog.confirm(Some(response)),
            other => match Dialog::of_answer(&calling.invite, response, self.flow) {
                Ok(dialog) => {
                    let mut dialog = dialog.reached_by(self.reach);
                    dialog.skip_to(other.as_ref().map_or(number, |old| old.local_cseq()));
                    *other = Some(dialog);
                }
                Err(_) => {
                    self.phase = Phase::Gone;
                    return room.said.push(LegEvent::Ended(Cause::Failure));
                }
            },
        }
        self.phase = Phase::Up(Box::default());
        self.acknowledge(tx, number, room);
        if cancelling {
            return self.bye(Cause::Cancelled, room);
        }
        self.peer = Peer::of(&response.headers);
        if let Some(auth) = &mut self.auth {
            auth.accepted();
        }
        let fits = match offer::of(&response.headers, &response.body, self.talk.policy()) {
            Some(Ok(answer)) => self.talk.accept(answer),
            // What a reliable 183 has said stands.
            _ => self.talk.settled(),
        };
        if !fits {
            self.bye(Cause::Incompatible, room);
            return room.said.push(LegEvent::Ended(Cause::Incompatible));
        }
        self.refresh.agree(now, &response.headers, &room.setup.config.sip);
        room.said.push(LegEvent::Answered(self.talk.heard()));
        self.change_if_free(now, room);
    }

    fn refused(&mut self, now: Instant, response: &Response, room: &mut Room<'_>) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        if calling.cancelling {
            self.phase = Phase::Gone;
            return;
        }
        let rang = calling.rang;
        let again = match response.code {
            401 | 407 => self.auth.as_mut().is_some_and(|auth| auth.challenged(&response.headers).is_ok()),
            422 => self.refresh.too_small(&response.headers),
            503 => {
                self.doubt(Doubt::Unavailable { retry_after: retry_after(&response.headers) }, room);
                return self.next_way_or(now, Cause::Congestion, room);
            }
            _ => false,
        };
        if again {
            return self.invite_again(now, room);
        }
        self.phase = Phase::Gone;
        let cause = codes::of_reason(&response.headers).unwrap_or(codes::cause(response.code, rang));
        room.said.push(LegEvent::Ended(cause));
    }

    /// Takes the next way to the peer; without one the leg ends for this cause.
    fn next_way_or(&mut self, now: Instant, cause: Cause, room: &mut Room<'_>) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        let next = self.way.as_ref().and_then(|way| Some((way, *way.flows.get(calling.way + 1)?)));
        let Some((way, flow)) = next else {
            self.phase = Phase::Gone;
            return room.said.push(LegEvent::Ended(cause));
        };
        calling.way += 1;
        // The next server knows nothing of what this one has asked for.
        calling.invite.headers.remove(&Name::Authorization);
        calling.invite.headers.remove(&Name::ProxyAuthorization);
        self.auth = answerer(way);
        self.proof.clear();
        self.flow = flow;
        self.signals_from = flow.remote.ip();
        self.dialog = None;
        self.invite_again(now, room);
    }

    /// Sends the INVITE again with the next number: with credentials, another session time, or on another way.
    fn invite_again(&mut self, now: Instant, room: &mut Room<'_>) {
        let contact = self.contact(room.setup);
        let last = self.dialog.take().map_or(0, |dialog| dialog.local_cseq());
        let Phase::Calling(calling) = &mut self.phase else { return };
        calling.number = calling.number.max(last) + 1;
        calling.receiver = Receiver::default();
        let mut invite = calling.invite.clone();
        invite.headers.set(Name::CSeq, CSeq { number: calling.number, method: Method::Invite }.write());
        invite.headers.set(Name::Contact, contact);
        invite.headers.remove(&Name::SessionExpires);
        invite.headers.remove(&Name::MinSe);
        self.refresh.ask(&mut invite.headers, &room.setup.config.sip);
        self.authorize(&mut invite, room.rand);
        let tx = self.send(invite.clone(), room);
        if let (Phase::Calling(calling), Some(way)) = (&mut self.phase, &self.way) {
            calling.tx = tx;
            calling.invite = invite;
            calling.wait = Wait::begin(now, way);
        }
    }

    pub(super) fn acknowledge(&mut self, tx: ClientTx, number: u32, room: &mut Room<'_>) {
        let Some(dialog) = &self.dialog else { return };
        let mut ack = dialog.ack(number);
        let (hop, learned) = self.next_hop();
        // It cannot be asked for credentials, so it repeats those that its INVITE was taken with (§22.1).
        self.proof.iter().for_each(|(name, value)| ack.headers.push(name.clone(), value.clone()));
        self.dispatch(hop, learned, Outgoing::Ack(tx, Box::new(ack)), room);
    }

    fn is_fork(&self, response: &Response) -> bool {
        self.dialog.as_ref().is_some_and(|dialog| !dialog.is_of(response))
    }

    /// A far end that we do not talk to answered an INVITE of ours: a second phone behind a proxy, or a server that was
    /// given up. It is told that it came too late.
    fn end_fork(&mut self, tx: ClientTx, response: &Response, flow: Flow, room: &mut Room<'_>) {
        let Some(TooLate { ack, bye, hop }) = too_late(response, flow) else { return };
        let hop = if self.reach == Reach::Flow { NextHop::Flow(flow) } else { hop };
        self.dispatch(hop.clone(), flow, Outgoing::Ack(tx, Box::new(ack)), room);
        let tx = self.next_tx();
        self.dispatch(hop, flow, Outgoing::Request(tx, Box::new(bye)), room);
    }
}

/// Is it an answer to an INVITE?
pub(crate) fn of_invite(response: &Response) -> bool {
    response
        .headers
        .get(&Name::CSeq)
        .and_then(|v| CSeq::read(v).ok())
        .is_some_and(|cseq| cseq.method == Method::Invite)
}

/// The ACK and the BYE for a 2xx that nobody waits for, and where they go.
pub(crate) struct TooLate {
    pub(crate) ack: Request,
    pub(crate) bye: Request,
    pub(crate) hop: NextHop,
}

/// All that they need stands in the 2xx.
pub(crate) fn too_late(response: &Response, flow: Flow) -> Option<TooLate> {
    let number = CSeq::read(response.headers.get(&Name::CSeq)?).ok()?.number;
    // A response repeats From, Call-ID and CSeq of its request (RFC 3261 §8.2.6.2).
    let invite = Request {
        method: Method::Invite,
        uri: Bytes::new(),
        headers: response.headers.clone(),
        body: Bytes::new(),
    };
    let mut dialog = Dialog::of_answer(&invite, response, flow).ok().filter(|d| !d.target().is_empty())?;
    let ack = dialog.ack(number);
    let bye = dialog.bye();
    Some(TooLate { ack, bye, hop: dialog.next_hop() })
}
