//! All that follows in a dialog: BYE, re-INVITE and UPDATE both ways with their collisions (RFC 3261 §14, RFC 3311),
//! INFO, OPTIONS, PRACK.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringtrip_media::sound::Sound;
use ringtrip_sip::body;
use ringtrip_sip::endpoint::{Flow, ServerTx};
use ringtrip_sip::message::{Method, Request, Response};
use ringtrip_sip::name::Name;
use ringtrip_sip::screen::ValidRequest;
use ringtrip_sip::session_timer::Due;

use crate::leg::LegEvent;
use crate::leg::sip::headers::{ALLOW, SUPPORTED, put_sdp, retry_after};
use crate::leg::sip::info::{self, Said};
use crate::leg::sip::state::{Ours, Peer, Phase, Room, SipLeg};
use crate::leg::sip::{codes, offer};
use crate::owner::{Ask, ClientTx};
use crate::post::Post;
use ringtrip_model::party::Cause;

/// Before another try where the peer has not said how long to wait, and at least where it has.
const AGAIN: Duration = Duration::from_secs(5);
const LEAST: Duration = Duration::from_millis(500);

impl SipLeg {
    /// A request in the dialog.
    pub(super) fn asked(
        &mut self,
        now: Instant,
        tx: ServerTx,
        request: &Arc<ValidRequest>,
        flow: Flow,
        room: &mut Room<'_>,
    ) {
        let Some(dialog) = &mut self.dialog else { return self.reply(tx, request, 481, room) };
        if matches!(self.phase, Phase::Gone) {
            return self.reply(tx, request, 481, room);
        }
        if let Err(unfit) = dialog.receive(request, flow) {
            return self.reply(tx, request, unfit.code(), room);
        }
        self.heard_of_sound(&request.body, flow);
        match request.method {
            Method::Bye => self.bye_came(tx, request, room),
            Method::Invite => self.reinvite(now, tx, request, room),
            Method::Update => self.update(now, tx, request, room),
            Method::Prack => {
                let code = if self.pracked_with(now, request, room) { 200 } else { 481 };
                self.reply(tx, request, code, room);
            }
            Method::Info => self.info_came(tx, request, room),
            Method::Options => {
                let mut response = self.respond(request, 200);
                response.headers.push(Name::Allow, ALLOW);
                response.headers.push(Name::Supported, SUPPORTED);
                response.headers.push(Name::Accept, body::ACCEPT);
                room.out.push(Post::Sip(Ask::Respond { tx, response }));
            }
            Method::Notify | Method::Subscribe => self.reply(tx, request, 489, room),
            Method::Refer => self.refer_came(tx, request, room),
            Method::Message | Method::Publish | Method::Register => {
                let mut response = self.respond(request, 405);
                response.headers.push(Name::Allow, ALLOW);
                room.out.push(Post::Sip(Ask::Respond { tx, response }));
            }
            _ => self.reply(tx, request, 501, room),
        }
    }

    /// The ACK of our 2xx. It brings the answer if the offer was ours.
    pub(super) fn acked(&mut self, now: Instant, request: &Request, room: &mut Room<'_>) {
        let Phase::Up(pending) = &mut self.phase else { return };
        if !std::mem::take(&mut pending.unacked) {
            return;
        }
        if let Some(cause) = pending.bye.take() {
            return self.bye(cause, room);
        }
        if self.talk.offering() {
            let answer = offer::of(&request.headers, &request.body, self.talk.policy()).and_then(Result::ok);
            if !answer.is_some_and(|answer| self.talk.accept(answer)) {
                self.bye(Cause::Incompatible, room);
                return room.said.push(LegEvent::Ended(Cause::Incompatible));
            }
            room.said.push(LegEvent::Changed(self.talk.heard()));
        }
        self.change_if_free(now, room);
    }

    /// The far side changed what it speaks: the peer is told if that makes a difference to it.
    pub(super) fn change(&mut self, now: Instant, far: Sound, room: &mut Room<'_>) {
        let must = self.talk.must_change(&far);
        self.talk.far(far.clone());
        let Phase::Up(pending) = &mut self.phase else { return };
        pending.want = must.then_some(far);
        self.change_if_free(now, room);
    }

    /// Sends BYE; where a 2xx of ours waits for its ACK, as soon as that is there.
    pub(super) fn bye(&mut self, cause: Cause, room: &mut Room<'_>) {
        let Phase::Up(pending) = &mut self.phase else { return };
        if pending.unacked {
            pending.bye = Some(cause);
            return;
        }
        if let Some(mut bye) = self.request(Method::Bye, room) {
            bye.headers.push(Name::Reason, codes::reason(cause));
            self.send(bye, room);
        }
        self.phase = Phase::Leaving;
    }

    /// The ACK will not come any more: the BYE need not wait for it.
    pub(super) fn give_up_ack(&mut self) {
        if let Phase::Up(pending) = &mut self.phase {
            pending.unacked = false;
        }
    }

    /// A final answer to our BYE.
    pub(super) fn left(&mut self, response: &Response, room: &mut Room<'_>) {
        let challenged = matches!(response.code, 401 | 407)
            && self.auth.as_mut().is_some_and(|auth| auth.challenged(&response.headers).is_ok());
        match self.request(Method::Bye, room).filter(|_| challenged) {
            Some(bye) => {
                self.send(bye, room);
            }
            None => self.phase = Phase::Gone,
        }
    }

    /// An answer to a re-INVITE, UPDATE or INFO of ours.
    pub(super) fn change_answered(
        &mut self,
        now: Instant,
        tx: ClientTx,
        response: &Response,
        room: &mut Room<'_>,
    ) {
        let Phase::Up(pending) = &mut self.phase else { return };
        if response.code < 200 || !pending.is_change(&tx) {
            return;
        }
        let Some(ours) = pending.ours.take() else { return };
        let is_refresh = ours.want.is_none();
        match response.code {
            200..=299 => {
                if let Some(dialog) = &mut self.dialog {
                    dialog.refresh(&response.headers);
                }
                if let Some(auth) = &mut self.auth {
                    auth.accepted();
                }
                if ours.method == Method::Invite {
                    self.acknowledge(tx, ours.number, room);
                }
                self.refresh.agree(now, &response.headers, &room.setup.config.sip);
                if ours.offered {
                    let answer =
                        offer::of(&response.headers, &response.body, self.talk.policy()).and_then(Result::ok);
                    if !answer.is_some_and(|answer| self.talk.accept(answer)) {
                        self.talk.withdraw(ours.before);
                    }
                }
                self.change_if_free(now, room);
            }
            401 | 407 if self.auth.as_mut().is_some_and(|a| a.challenged(&response.headers).is_ok()) => {
                self.talk.withdraw(ours.before);
                match ours.want {
                    Some(want) => self.want(want),
                    None if ours.offered => {}
                    None => return self.refresh_session(room),
                }
                self.moved |= ours.offered;
                self.change_if_free(now, room);
            }
            422 if self.refresh.too_small(&response.headers) => self.try_again(now, ours),
            // The dialog is not there any more (§12.2.1.2). A far end that is of another mind hears it (RFC 4028 §10).
            408 | 481 => {
                self.bye(Cause::Failure, room);
                room.said.push(LegEvent::Ended(Cause::Failure));
            }
            491 => {
                // §14.1: the one who made the Call-ID waits longer, so that the second try does not collide.
                let wait = match self.way {
                    Some(_) => room.rand.between(210, 400),
                    None => room.rand.between(0, 200),
                };
                self.try_again(now + Duration::from_millis(wait * 10), ours);
            }
            // It has no time now.
            500 | 503 if retry_after(&response.headers).is_some() => {
                let wait = retry_after(&response.headers).unwrap_or(AGAIN).max(LEAST);
                self.try_again(now + wait, ours);
            }
            // RFC 3311 §5.2: what cannot be said by UPDATE is said by re-INVITE.
            _ if is_refresh && ours.method == Method::Update => {
                self.peer.allows_update = false;
                self.refresh_session(room);
            }
            // The peer lives, and the session goes on until it expires (RFC 4028 §10): there is time for another try.
            _ if is_refresh => {
                let wait = self.refresh.left(now).map_or(AGAIN, |left| left / 3).max(AGAIN);
                self.try_again(now + wait, ours);
            }
            503 => self.try_again(now + AGAIN, ours),
            // Refused: all stays as it was.
            _ => self.talk.withdraw(ours.before),
        }
    }

    /// All stays as it was, and at that time the same is asked for again.
    fn try_again(&mut self, at: Instant, ours: Ours) {
        self.talk.withdraw(ours.before);
        self.moved |= ours.want.is_none() && ours.offered;
        if let Phase::Up(pending) = &mut self.phase {
            pending.retry = Some(at);
            pending.refresh |= ours.want.is_none() && !ours.offered;
            pending.want = pending.want.take().or(ours.want);
        }
    }

    pub(super) fn up_timeout(&mut self, now: Instant, room: &mut Room<'_>) {
        match self.refresh.due(now) {
            Some(Due::Refresh) => self.refresh_session(room),
            Some(Due::Expired) => {
                self.bye(Cause::SessionExpired, room);
                return room.said.push(LegEvent::Ended(Cause::SessionExpired));
            }
            None => {}
        }
        if let Phase::Up(pending) = &mut self.phase
            && pending.retry.is_some_and(|at| at <= now)
        {
            pending.retry = None;
            self.change_if_free(now, room);
        }
    }

    fn want(&mut self, far: Sound) {
        if let Phase::Up(pending) = &mut self.phase {
            pending.want.get_or_insert(far);
        }
    }

    /// Sends the change that the far side wants, or our new address, if no other is under way.
    pub(super) fn change_if_free(&mut self, _now: Instant, room: &mut Room<'_>) {
        let Phase::Up(pending) = &mut self.phase else { return };
        let busy =
            pending.unacked || pending.ours.is_some() || pending.retry.is_some() || self.talk.offering();
        if busy {
            return;
        }
        let (moved, refresh) = (std::mem::take(&mut self.moved), std::mem::take(&mut pending.refresh));
        let before = self.talk.said().cloned();
        let Some(want) = pending.want.take() else {
            return match moved.then(|| self.talk.offer_again()).flatten() {
                Some(sdp) => self.send_change(Method::Invite, Some(sdp), before, None, room),
                None if refresh => self.refresh_session(room),
                None => {}
            };
        };
        let sdp = self.talk.offer(Some(&want), self.address(room.setup));
        self.send_change(Method::Invite, Some(sdp), before, Some(want), room);
    }

    /// Refreshes the session (RFC 4028 §7.4): by UPDATE where the peer takes it, since that needs no SDP.
    fn refresh_session(&mut self, room: &mut Room<'_>) {
        let Phase::Up(pending) = &self.phase else { return };
        if pending.ours.is_some() || pending.unacked {
            // What is under way refreshes as well.
            return;
        }
        if self.peer.allows_update {
            return self.send_change(Method::Update, None, None, None, room);
        }
        let before = self.talk.said().cloned();
        let Some(sdp) = self.talk.offer_again() else { return };
        self.send_change(Method::Invite, Some(sdp), before, None, room);
    }

    fn send_change(
        &mut self,
        method: Method,
        sdp: Option<Bytes>,
        before: Option<Sound>,
        want: Option<Sound>,
        room: &mut Room<'_>,
    ) {
        let Some(mut request) = self.request(method.clone(), room) else { return };
        self.refresh.ask(&mut request.headers, &room.setup.config.sip);
        let offered = sdp.is_some();
        if let Some(sdp) = sdp {
            put_sdp(&mut request.headers, &mut request.body, sdp);
        }
        let number = self.dialog.as_ref().map_or(0, |dialog| dialog.local_cseq());
        let tx = self.send(request, room);
        if let Phase::Up(pending) = &mut self.phase {
            pending.ours = Some(Ours { tx, method, number, before, offered, want });
        }
    }

    fn bye_came(&mut self, tx: ServerTx, request: &ValidRequest, room: &mut Room<'_>) {
        self.reply(tx, request, 200, room);
        match self.phase {
            Phase::Invited(_) => self.bye_before_answer(room),
            Phase::Up(_) => {
                self.phase = Phase::Gone;
                room.said.push(LegEvent::Ended(Cause::Normal));
            }
            // An early dialog of ours (§15.1.2 leaves it to the INVITE), or our BYEs have crossed.
            Phase::Calling(_) | Phase::Leaving | Phase::Gone => {}
        }
    }

    fn reinvite(&mut self, now: Instant, tx: ServerTx, request: &ValidRequest, room: &mut Room<'_>) {
        let Phase::Up(pending) = &self.phase else { return self.reply(tx, request, 491, room) };
        if pending.ours.as_ref().is_some_and(|ours| ours.method == Method::Invite) {
            return self.reply(tx, request, 491, room);
        }
        if pending.unacked {
            return self.retry_later(tx, request, room);
        }
        if !self.take_offer(now, tx, request, room) {
            return;
        }
        if let Phase::Up(pending) = &mut self.phase {
            pending.unacked = true;
        }
    }

    fn update(&mut self, now: Instant, tx: ServerTx, request: &ValidRequest, room: &mut Room<'_>) {
        let found = body::find(&request.headers, &request.body);
        if found.sdp.is_none() && !found.lacking {
            // A refresh alone.
            if self.takes_session_time(tx, request, room) {
                self.accept(now, tx, request, None, room);
            }
            return;
        }
        // RFC 3311 §5.2: an offer while one of ours is open, or while theirs is not answered yet.
        if self.talk.offering() {
            return self.reply(tx, request, 491, room);
        }
        if !self.talk.settled() {
            return self.retry_later(tx, request, room);
        }
        self.take_offer(now, tx, request, room);
    }

    /// Reads the session time that is asked for; one that is too short is refused.
    fn takes_session_time(&mut self, tx: ServerTx, request: &ValidRequest, room: &mut Room<'_>) -> bool {
        let Err(min) = self.refresh.asked(request, &room.setup.config.sip) else { return true };
        let mut response = self.respond(request, 422);
        response.headers.push(Name::MinSe, min.to_string());
        room.out.push(Post::Sip(Ask::Respond { tx, response }));
        false
    }

    /// Answers an offer in the dialog. True if it was accepted.
    fn take_offer(
        &mut self,
        now: Instant,
        tx: ServerTx,
        request: &ValidRequest,
        room: &mut Room<'_>,
    ) -> bool {
        if !self.takes_session_time(tx, request, room) {
            return false;
        }
        let found = body::find(&request.headers, &request.body);
        if found.lacking {
            let mut response = self.respond(request, 415);
            response.headers.push(Name::Accept, body::ACCEPT);
            room.out.push(Post::Sip(Ask::Respond { tx, response }));
            return false;
        }
        let Some(sdp) = found.sdp else {
            // Theirs to answer, in the ACK. The offer is that of a new call (§14.2, RFC 6337 §5.1): what was agreed for a
            // hold must not outlive it.
            let sdp = self.talk.offer_anew(self.address(room.setup));
            self.accept(now, tx, request, Some(sdp), room);
            return true;
        };
        let before = self.talk.heard();
        let answer = match offer::read(&sdp, self.talk.policy()) {
            Ok(offer) => self.talk.reoffered(offer, self.address(room.setup)),
            Err(_) => None,
        };
        let Some(sdp) = answer else {
            self.reply(tx, request, 488, room);
            return false;
        };
        self.accept(now, tx, request, Some(sdp), room);
        let after = self.talk.heard();
        let kind = |s: &Sound| s.codecs.first().map(|c| c.kind);
        if before.direction != after.direction || kind(&before) != kind(&after) {
            room.said.push(LegEvent::Changed(after));
        }
        true
    }

    fn accept(
        &mut self,
        now: Instant,
        tx: ServerTx,
        request: &ValidRequest,
        sdp: Option<Bytes>,
        room: &mut Room<'_>,
    ) {
        if request.headers.get(&Name::Allow).is_some() {
            self.peer = Peer::of(&request.headers);
        }
        let mut response = self.respond(request, 200);
        response.headers.push(Name::Contact, self.contact(room.setup));
        response.headers.push(Name::Allow, ALLOW);
        response.headers.push(Name::Supported, SUPPORTED);
        self.refresh.grant(now, &mut response.headers);
        if let Some(sdp) = sdp {
            put_sdp(&mut response.headers, &mut response.body, sdp);
        }
        room.out.push(Post::Sip(Ask::Respond { tx, response }));
    }

    fn pracked_with(&mut self, now: Instant, request: &ValidRequest, room: &mut Room<'_>) -> bool {
        // The answer to the offer that our reliable answer brought (RFC 3262 §5).
        if self.talk.offering()
            && matches!(self.phase, Phase::Invited(_))
            && let Some(Ok(answer)) = offer::of(&request.headers, &request.body, self.talk.policy())
        {
            self.talk.accept(answer);
        }
        self.pracked(now, request, room)
    }

    fn info_came(&mut self, tx: ServerTx, request: &ValidRequest, room: &mut Room<'_>) {
        let code = match info::read(request) {
            Said::Event(event) => {
                // Who sends keys in INFO takes them so too.
                self.peer.allows_info = true;
                room.said.push(event);
                200
            }
            Said::Nothing => 200,
            Said::Package => 469,
            Said::Body => 415,
        };
        self.reply(tx, request, code, room);
    }

    fn retry_later(&self, tx: ServerTx, request: &ValidRequest, room: &mut Room<'_>) {
        let mut response = self.respond(request, 500);
        response.headers.push(Name::RetryAfter, room.rand.between(0, 10).to_string());
        room.out.push(Post::Sip(Ask::Respond { tx, response }));
    }

    pub(super) fn reply(&self, tx: ServerTx, request: &ValidRequest, code: u16, room: &mut Room<'_>) {
        room.out.push(Post::Sip(Ask::Respond { tx, response: self.respond(request, code) }));
    }
}
