//! The INVITE that came to us (RFC 3261 §13.3), with provisional answers that the caller wants acknowledged
//! (RFC 3262) and an offer that may come late, in the ACK.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringtrip_media::sound::Sound;
use ringtrip_sip::body;
use ringtrip_sip::dialog::Dialog;
use ringtrip_sip::endpoint::ServerTx;
use ringtrip_sip::message::{Request, Response};
use ringtrip_sip::name::Name;
use ringtrip_sip::reliable::{Due, Sender};
use ringtrip_sip::transaction::Timers;

use crate::leg::LegEvent;
use crate::leg::sip::headers::{ALLOW, SUPPORTED, put_sdp};
use crate::leg::sip::state::{Invited, Pending, Phase, Room, SipLeg};
use crate::leg::sip::{codes, offer};
use crate::owner::Ask;
use crate::post::Post;
use ringtrip_model::party::Cause;

/// §13.3.1.1: a provisional answer at least every minute.
const REMIND: Duration = Duration::from_secs(60);

/// Refuses an INVITE that has not become a leg.
pub(crate) fn refusal(tx: ServerTx, invite: &Request, code: u16) -> Post {
    Post::Sip(Ask::Respond { tx, response: ringtrip_sip::build::response(invite, code) })
}

impl SipLeg {
    /// Looks at the INVITE; what cannot be served is refused at once. `help`: it is an emergency call.
    pub(crate) fn begin(&mut self, now: Instant, help: bool, room: &mut Room<'_>) {
        self.hops.step(now);
        let tag = format!("{}-{}", self.id, room.rand.hex());
        self.talk.name(room.rand.number());
        self.talk.secure(self.srtp, room.rand.seed());
        if help {
            self.talk.help();
        }
        let Phase::Invited(invited) = &self.phase else { return };
        let request = Arc::clone(&invited.request);
        let dialog = Dialog::of_request(&request, &tag, self.flow);
        self.tag = tag;
        match dialog {
            Ok(dialog) => self.dialog = Some(dialog.reached_by(self.reach)),
            // Without a Contact requests of ours would never find back.
            Err(_) => return self.refuse_and_say(400, Cause::Incompatible, room),
        }
        let first = room.rand.number() as u32;
        if let Phase::Invited(invited) = &mut self.phase {
            invited.sender = Sender::new(first);
        }
        if let Err(min) = self.refresh.asked(&request, &room.setup.config.sip) {
            return self.refuse_with(422, Cause::Failure, room, |r| {
                r.headers.push(Name::MinSe, min.to_string());
            });
        }
        let found = body::find(&request.headers, &request.body);
        // A call for help is not lost for a part that we do not understand.
        if found.lacking && !help {
            return self.refuse_with(415, Cause::Incompatible, room, |r| {
                r.headers.push(Name::Accept, body::ACCEPT);
            });
        }
        match found.sdp.as_deref().map(|sdp| offer::read(sdp, self.talk.policy())) {
            None => {}
            Some(Ok(offer)) => {
                self.talk.offered(offer);
                self.lookup_sound(room);
                if self.talk.remote().is_none_or(|remote| remote.codecs.is_empty()) {
                    self.refuse_and_say(488, Cause::Incompatible, room);
                }
            }
            Some(Err(offer::Unfit::Broken)) => self.refuse_and_say(400, Cause::Incompatible, room),
            Some(Err(offer::Unfit::NoAudio(why))) => {
                self.refuse_with(488, Cause::Incompatible, room, |r| {
                    r.headers.push(Name::Warning, offer::warning(why))
                });
            }
        }
    }

    /// 180 or 183 to the caller.
    pub(super) fn provisional(&mut self, now: Instant, code: u16, far: Option<Sound>, room: &mut Room<'_>) {
        let me = self.address(room.setup);
        let Phase::Invited(invited) = &self.phase else { return };
        let (request, reliable) = (Arc::clone(&invited.request), invited.reliable);
        let sdp = match far {
            Some(far) if self.talk.remote().is_some() => match self.talk.settled() {
                true => self.talk.again(),
                false => self.talk.answer(&far, me),
            },
            // The first reliable answer to an INVITE without offer must carry ours (RFC 3262 §5).
            far if reliable && self.talk.said().is_none() && self.talk.remote().is_none() => {
                Some(self.talk.offer(far.map(|far| g711_only(&far)).as_ref(), me))
            }
            _ => None,
        };
        let mut response = self.respond(&request, code);
        response.headers.push(Name::Contact, self.contact(room.setup));
        response.headers.push(Name::Allow, ALLOW);
        if let Some(sdp) = sdp {
            put_sdp(&mut response.headers, &mut response.body, sdp);
        }
        let Phase::Invited(invited) = &mut self.phase else { return };
        if !reliable {
            invited.last = Some((response.clone(), now + REMIND));
            room.out.push(Post::Sip(Ask::Respond { tx: invited.tx, response }));
        } else if invited.sender.is_waiting() {
            invited.queue.push_back(response);
        } else {
            invited.send_reliably(now, response, room);
        }
    }

    /// 200 to the caller. It waits while a reliable provisional answer is not acknowledged (RFC 3262 §3).
    pub(super) fn answer(&mut self, now: Instant, far: &Sound, room: &mut Room<'_>) {
        let me = self.address(room.setup);
        let Phase::Invited(invited) = &self.phase else { return };
        let request = Arc::clone(&invited.request);
        let mut want = None;
        let sdp = if self.talk.settled() {
            // Who answers may speak otherwise than who made the sound before: another codec, another direction. The 200
            // must not say so (RFC 3261 §13.2.1), a re-INVITE does.
            want = self.talk.must_change(far).then(|| far.clone());
            self.talk.far(far.clone());
            // A 200 repeats what an unacknowledged 183 said; after PRACK there is nothing left to say.
            self.talk.again().filter(|_| !invited.reliable)
        } else if self.talk.remote().is_some() {
            match self.talk.answer(far, me) {
                Some(sdp) => Some(sdp),
                None => return self.refuse_and_say(488, Cause::Incompatible, room),
            }
        } else if self.talk.offering() {
            // Our offer went with a reliable answer whose PRACK brought none back.
            self.talk.again()
        } else {
            Some(self.talk.offer(Some(&g711_only(far)), me))
        };
        let mut response = self.respond(&request, 200);
        response.headers.push(Name::Contact, self.contact(room.setup));
        response.headers.push(Name::Allow, ALLOW);
        response.headers.push(Name::Supported, SUPPORTED);
        self.refresh.grant(now, &mut response.headers);
        if let Some(sdp) = sdp {
            put_sdp(&mut response.headers, &mut response.body, sdp);
        }
        let Phase::Invited(invited) = &mut self.phase else { return };
        invited.want = want;
        if invited.sender.is_waiting() {
            invited.queue.push_back(response);
        } else {
            room.out.push(Post::Sip(Ask::Respond { tx: invited.tx, response }));
            self.confirm();
        }
    }

    /// The 200 is on its way.
    fn confirm(&mut self) {
        if let Some(dialog) = &mut self.dialog {
            dialog.confirm(None);
        }
        let want = match &mut self.phase {
            Phase::Invited(invited) => invited.want.take(),
            _ => None,
        };
        self.phase = Phase::Up(Box::new(Pending::unacknowledged(want)));
    }

    /// Refuses the caller without a word to the call: it said so itself.
    pub(super) fn refuse(&mut self, code: u16, cause: Option<Cause>, room: &mut Room<'_>) {
        let Phase::Invited(invited) = &self.phase else { return };
        let mut response = self.respond(&invited.request, code);
        if let Some(cause) = cause {
            response.headers.push(Name::Reason, codes::reason(cause));
        }
        if code == 503 {
            response.headers.push(Name::RetryAfter, "10");
        }
        room.out.push(Post::Sip(Ask::Respond { tx: invited.tx, response }));
        self.phase = Phase::Gone;
    }

    fn refuse_and_say(&mut self, code: u16, cause: Cause, room: &mut Room<'_>) {
        self.refuse(code, None, room);
        room.said.push(LegEvent::Ended(cause));
    }

    fn refuse_with(
        &mut self,
        code: u16,
        cause: Cause,
        room: &mut Room<'_>,
        more: impl FnOnce(&mut Response),
    ) {
        let Phase::Invited(invited) = &self.phase else { return };
        let mut response = self.respond(&invited.request, code);
        more(&mut response);
        room.out.push(Post::Sip(Ask::Respond { tx: invited.tx, response }));
        self.phase = Phase::Gone;
        room.said.push(LegEvent::Ended(cause));
    }

    /// The caller gave up; the endpoint has answered the CANCEL.
    pub(super) fn cancelled(&mut self, tx: ServerTx, room: &mut Room<'_>) {
        if matches!(&self.phase, Phase::Invited(invited) if invited.tx == tx) {
            self.refuse_and_say(487, Cause::Cancelled, room);
        }
    }

    /// BYE before the answer ends the call too (§15.1.2).
    pub(super) fn bye_before_answer(&mut self, room: &mut Room<'_>) {
        self.refuse_and_say(487, Cause::Cancelled, room);
    }

    /// The answer that this PRACK acknowledges is off; the next may go. False if it acknowledges none (481).
    pub(super) fn pracked(&mut self, now: Instant, request: &Request, room: &mut Room<'_>) -> bool {
        let Phase::Invited(invited) = &mut self.phase else { return false };
        if !invited.sender.prack(request) {
            return false;
        }
        let Some(next) = invited.queue.pop_front() else { return true };
        if next.code < 200 {
            invited.send_reliably(now, next, room);
        } else {
            room.out.push(Post::Sip(Ask::Respond { tx: invited.tx, response: next }));
            self.confirm();
        }
        true
    }

    pub(super) fn repeat_provisional(&mut self, now: Instant, room: &mut Room<'_>) {
        let Phase::Invited(invited) = &mut self.phase else { return };
        let tx = invited.tx;
        if let Some((response, at)) = &mut invited.last
            && *at <= now
        {
            *at = now + REMIND;
            room.out.push(Post::Sip(Ask::Respond { tx, response: response.clone() }));
        }
        match invited.sender.due(now) {
            Some(Due::Resend(response)) => {
                room.out.push(Post::Sip(Ask::Respond { tx, response: *response }));
            }
            // RFC 3262 §3: after 64·T1 the INVITE is refused with a 5xx.
            Some(Due::GiveUp) => self.refuse_and_say(504, Cause::Failure, room),
            None => {}
        }
    }
}

impl Invited {
    fn send_reliably(&mut self, now: Instant, response: Response, room: &mut Room<'_>) {
        if let Some(response) = self.sender.send(now, response, self.cseq, &Timers::default()) {
            room.out.push(Post::Sip(Ask::Respond { tx: self.tx, response }));
        }
    }
}

/// An offer to a caller that has not said what it speaks holds only what can be transcoded, so that any answer fits.
fn g711_only(far: &Sound) -> Sound {
    Sound { codecs: Vec::new(), telephone_event: None, ..far.clone() }
}
