//! The INVITE that we send (RFC 3261 §13.2): its offer, its answers, credentials, the next way when one fails
//! (RFC 3263 §4.3), and its CANCEL.

use std::time::Instant;

use bytes::Bytes;
use ringtrip_sip::Headers;
use ringtrip_sip::cseq::CSeq;
use ringtrip_sip::dialog::Dialog;
use ringtrip_sip::endpoint::{Ask, ClientTx};
use ringtrip_sip::message::{Method, Request, Response};
use ringtrip_sip::name::Name;
use ringtrip_sip::reliable::{Receiver, Taken};

use crate::leg::sip::{ALLOW, Peer, Phase, Room, SUPPORTED, SipLeg, codes, identity, offer, put_sdp};
use crate::leg::{LegEvent, Placement};
use crate::party::Cause;
use crate::post::Post;

/// An INVITE of ours without its final answer.
#[derive(Debug)]
pub(super) struct Calling {
    tx: ClientTx,
    invite: Request,
    /// The number of the INVITE that is under way.
    number: u32,
    /// Which of the ways it took.
    way: usize,
    cancelling: bool,
    rang: bool,
    /// Which reliable provisional answers of this far end have come (RFC 3262 §4).
    receiver: Receiver,
}

impl SipLeg {
    pub(super) fn place(&mut self, _now: Instant, placement: Placement, room: &mut Room<'_>) {
        let Some(way) = self.way.clone() else { return };
        if way.flows.is_empty() {
            return room.said.push(LegEvent::Ended(Cause::Unregistered));
        }
        self.tag = format!("{}-{}", self.id, room.rand.hex());
        self.talk.name(room.rand.number());
        let number = identity::escape_user(placement.number.as_str());
        let uri: Bytes = way.uri.replace("{number}", &number).into();
        let mut headers = Headers::with_capacity(20);
        for route in &way.routes {
            headers.push(Name::Route, route.clone());
        }
        identity::put(&mut headers, &way, &placement.caller, &self.tag);
        headers.push(Name::To, [b"<", &uri[..], b">"].concat());
        headers.push(Name::CallId, format!("{}{}", room.rand.hex(), room.rand.hex()));
        headers.push(Name::CSeq, "1 INVITE");
        headers.push(Name::Contact, self.contact(room.setup));
        headers.push(Name::Allow, ALLOW);
        headers.push(Name::Supported, SUPPORTED);
        if let Some(ring) = placement.ring {
            headers.push(Name::AlertInfo, format!("<http://127.0.0.1/Bellcore-dr{ring}>"));
        }
        self.refresh.ask(&mut headers, &room.setup.config.sip);
        let me = self.address(room.setup);
        let sdp = self.talk.offer(placement.offer.as_ref(), me);
        let mut invite = Request { method: Method::Invite, uri, headers, body: Bytes::new() };
        put_sdp(&mut invite.headers, &mut invite.body, sdp);
        let tx = self.send(invite.clone(), room);
        self.phase = Phase::Calling(Box::new(Calling {
            tx,
            invite,
            number: 1,
            way: 0,
            cancelling: false,
            rang: false,
            receiver: Receiver::default(),
        }));
    }

    /// The call does not want it any more. A CANCEL may cross the answer: then the answer is acknowledged and ended.
    pub(super) fn cancel(&mut self, _now: Instant, room: &mut Room<'_>) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        if !std::mem::replace(&mut calling.cancelling, true) {
            room.out.push(Post::Sip(Ask::Cancel { tx: calling.tx }));
        }
    }

    /// An answer to a request of ours.
    pub(super) fn answered(&mut self, now: Instant, tx: ClientTx, response: &Response, room: &mut Room<'_>) {
        match &self.phase {
            Phase::Calling(calling) if calling.tx == tx => match response.code {
                ..=100 => {}
                101..=199 => self.progress(response, room),
                200..=299 => self.established(now, response, room),
                _ => self.refused(response, room),
            },
            Phase::Up(_)
                if of_invite(response) && (200..300).contains(&response.code) && self.is_fork(response) =>
            {
                self.end_fork(tx, response, room);
            }
            Phase::Up(_) => self.change_answered(now, tx, response, room),
            Phase::Leaving if response.code >= 200 => self.left(response, room),
            _ => {}
        }
    }

    /// A request of ours got no answer.
    pub(super) fn failed(&mut self, _now: Instant, tx: ClientTx, room: &mut Room<'_>) {
        match &self.phase {
            Phase::Calling(calling) if calling.tx == tx => {
                if calling.cancelling {
                    self.phase = Phase::Gone;
                } else if !self.next_way(room) {
                    self.phase = Phase::Gone;
                    room.said.push(LegEvent::Ended(Cause::Failure));
                }
            }
            Phase::Up(pending) if pending.is_change(tx) => {
                self.bye(Cause::Failure, room);
                room.said.push(LegEvent::Ended(Cause::Failure));
            }
            Phase::Leaving => self.phase = Phase::Gone,
            _ => {}
        }
    }

    fn progress(&mut self, response: &Response, room: &mut Room<'_>) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        if calling.cancelling {
            return;
        }
        calling.rang |= response.code == 180;
        let known = self.dialog.as_ref().is_some_and(|dialog| dialog.is_of(response));
        if !known && let Ok(dialog) = Dialog::of_answer(&calling.invite, response, self.flow) {
            self.dialog = Some(dialog);
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
        let accepted = match offer::read(&response.body) {
            Ok(answer) if !response.body.is_empty() => self.talk.accept(answer),
            _ => false,
        };
        if accepted {
            room.said.push(LegEvent::Progress(self.talk.heard()));
        } else if response.code == 180 {
            room.said.push(LegEvent::Ringing);
        }
    }

    fn established(&mut self, now: Instant, response: &Response, room: &mut Room<'_>) {
        let Phase::Calling(calling) = &self.phase else { return };
        let (tx, number, cancelling) = (calling.tx, calling.number, calling.cancelling);
        match &mut self.dialog {
            Some(dialog) if dialog.is_of(response) => dialog.confirm(Some(response)),
            other => match Dialog::of_answer(&calling.invite, response, self.flow) {
                Ok(mut dialog) => {
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
        let fits = match offer::read(&response.body) {
            Ok(answer) if !response.body.is_empty() => self.talk.accept(answer),
            // What a reliable 183 has said stands.
            _ => self.talk.settled(),
        };
        if !fits {
            self.bye(Cause::Incompatible, room);
            return room.said.push(LegEvent::Ended(Cause::Incompatible));
        }
        self.refresh.agree(now, &response.headers, &room.setup.config.sip);
        room.said.push(LegEvent::Answered(self.talk.heard()));
    }

    fn refused(&mut self, response: &Response, room: &mut Room<'_>) {
        let Phase::Calling(calling) = &mut self.phase else { return };
        if calling.cancelling {
            self.phase = Phase::Gone;
            return;
        }
        let rang = calling.rang;
        let again = match response.code {
            401 | 407 => self.auth.as_mut().is_some_and(|auth| auth.challenged(&response.headers).is_ok()),
            422 => self.refresh.too_small(&response.headers),
            503 => return self.next_way_or(Cause::Congestion, room),
            _ => false,
        };
        if again {
            return self.invite_again(room);
        }
        self.phase = Phase::Gone;
        let cause = codes::of_reason(&response.headers).unwrap_or(codes::cause(response.code, rang));
        room.said.push(LegEvent::Ended(cause));
    }

    fn next_way_or(&mut self, cause: Cause, room: &mut Room<'_>) {
        if !self.next_way(room) {
            self.phase = Phase::Gone;
            room.said.push(LegEvent::Ended(cause));
        }
    }

    /// Takes the next way to the peer; false if there is none.
    fn next_way(&mut self, room: &mut Room<'_>) -> bool {
        let (Phase::Calling(calling), Some(way)) = (&mut self.phase, &self.way) else { return false };
        let Some(flow) = way.flows.get(calling.way + 1) else { return false };
        calling.way += 1;
        self.flow = *flow;
        self.dialog = None;
        self.invite_again(room);
        true
    }

    /// Sends the INVITE again with the next number: with credentials, another session time, or on another way.
    fn invite_again(&mut self, room: &mut Room<'_>) {
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
        if let Phase::Calling(calling) = &mut self.phase {
            calling.tx = tx;
            calling.invite = invite;
        }
    }

    pub(super) fn acknowledge(&mut self, tx: ClientTx, number: u32, room: &mut Room<'_>) {
        let Some(dialog) = &self.dialog else { return };
        let (mut ack, to) = (dialog.ack(number), dialog.flow);
        // An ACK carries the credentials of its INVITE (§22.1), which it cannot be asked for.
        self.authorize(&mut ack, room.rand);
        room.out.push(Post::Sip(Ask::Ack { tx, request: Box::new(ack), to }));
    }

    fn is_fork(&self, response: &Response) -> bool {
        self.dialog.as_ref().is_some_and(|dialog| !dialog.is_of(response))
    }

    /// A second phone behind a proxy answered the same INVITE: it is told that it came too late.
    fn end_fork(&mut self, tx: ClientTx, response: &Response, room: &mut Room<'_>) {
        let Some(ours) = &self.dialog else { return };
        let number =
            response.headers.get(&Name::CSeq).and_then(|v| CSeq::read(v).ok()).map_or(1, |c| c.number);
        let Ok(mut theirs) = Dialog::of_answer(&ours.ack(number), response, self.flow) else { return };
        let (ack, to) = (theirs.ack(number), theirs.flow);
        room.out.push(Post::Sip(Ask::Ack { tx, request: Box::new(ack), to }));
        let bye = theirs.bye();
        let tx = self.next_tx();
        room.out.push(Post::Sip(Ask::Send { tx, request: Box::new(bye), to }));
    }
}

fn of_invite(response: &Response) -> bool {
    response
        .headers
        .get(&Name::CSeq)
        .and_then(|v| CSeq::read(v).ok())
        .is_some_and(|cseq| cseq.method == Method::Invite)
}
