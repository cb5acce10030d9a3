//! REFER within a dialog (RFC 3515, RFC 5589): the peer wants the other side of its call connected to somebody else. The
//! call decides; its answer is 202 or a refusal, and how it goes is told by NOTIFY in the same dialog, a status line at a
//! time. The subscription ends with the final one.

use std::sync::Arc;

use bytes::Bytes;
use ringtrip_sip::address::NameAddr;
use ringtrip_sip::endpoint::ServerTx;
use ringtrip_sip::message::Method;
use ringtrip_sip::name::Name;
use ringtrip_sip::refer::{ReferTo, Replaces, SIPFRAG, sipfrag};
use ringtrip_sip::screen::ValidRequest;

use crate::admit;
use crate::leg::sip::codes;
use crate::leg::sip::state::{Phase, Room, SipLeg, Subscription};
use crate::leg::{LegEvent, TransferRequest, TransferStatus};
use crate::owner::Ask;
use crate::post::Post;

/// Longer than any target rings.
const EXPIRES: &str = "active;expires=300";
const OVER: &str = "terminated;reason=noresource";

impl SipLeg {
    pub(super) fn refer_came(&mut self, tx: ServerTx, request: &Arc<ValidRequest>, room: &mut Room<'_>) {
        if !matches!(self.phase, Phase::Up(_)) {
            return self.reply(tx, request, 403, room);
        }
        if self.refer.is_some() {
            return self.reply(tx, request, 491, room);
        }
        let to = match ReferTo::of(&request.headers) {
            Ok(to) => to,
            Err(unfit) => return self.reply(tx, request, unfit.code(), room),
        };
        let target = admit::dialled(&room.setup.config, &to.uri);
        if target.is_empty() && to.replaces.is_none() {
            return self.reply(tx, request, 416, room);
        }
        let id = Some(request.head().cseq.number).filter(|_| self.refers > 0);
        self.refers = self.refers.saturating_add(1);
        self.refer = Some(Box::new(Subscription { asked: Some((tx, Arc::clone(request))), id, rang: false }));
        let referred_by = request.headers.get(&Name::ReferredBy).cloned();
        let referred_by = referred_by.filter(|value| NameAddr::read(value).is_ok());
        let asked = TransferRequest { target, replaces: to.replaces, referred_by };
        room.said.push(LegEvent::Transfer(Box::new(asked)));
    }

    /// The call says how the transfer stands.
    pub(super) fn transfer_stands(&mut self, status: TransferStatus, room: &mut Room<'_>) {
        let Some(refer) = &mut self.refer else { return };
        match status {
            TransferStatus::Refused(cause) => {
                let asked = refer.asked.take();
                self.refer = None;
                if let Some((tx, request)) = asked {
                    self.reply(tx, &request, codes::refusal(cause), room);
                }
            }
            TransferStatus::Accepted => {
                let Some((tx, request)) = refer.asked.take() else { return };
                let mut response = self.respond(&request, 202);
                response.headers.push(Name::Contact, self.contact(room.setup));
                room.out.push(Post::Sip(Ask::Respond { tx, response }));
                self.notify(100, EXPIRES, room);
            }
            TransferStatus::Ringing if std::mem::replace(&mut refer.rang, true) => {}
            TransferStatus::Ringing => self.notify(180, EXPIRES, room),
            TransferStatus::Done => self.notify(200, OVER, room),
            TransferStatus::Failed(cause) => self.notify(codes::refusal(cause), OVER, room),
        }
    }

    fn notify(&mut self, code: u16, state: &'static str, room: &mut Room<'_>) {
        let Some(id) = self.refer.as_ref().map(|refer| refer.id) else { return };
        if state == OVER {
            self.refer = None;
        }
        // With the dialog of the call the subscription has ended as well, as far as anybody listens.
        if !matches!(self.phase, Phase::Up(_)) {
            return;
        }
        let contact = self.contact(room.setup);
        let Some(mut notify) = self.request(Method::Notify, room) else { return };
        let event = id.map_or("refer".to_owned(), |id| format!("refer;id={id}"));
        notify.headers.push(Name::Contact, contact);
        notify.headers.push(Name::Event, event);
        notify.headers.push(Name::SubscriptionState, state);
        notify.headers.push(Name::ContentType, SIPFRAG);
        notify.body = sipfrag(code);
        self.send(notify, room);
    }

    /// Is this its dialog, in the words of RFC 3891? `to_tag` is ours.
    pub(crate) fn is_dialog(&self, named: &Replaces) -> bool {
        self.dialog.as_ref().is_some_and(|dialog| {
            let theirs: Option<&Bytes> = dialog.remote_tag();
            *dialog.call_id() == named.call_id
                && *dialog.local_tag() == named.to_tag
                && theirs == Some(&named.from_tag)
        })
    }

    /// Is there no answer yet to an INVITE of ours? Only such early dialogs may be taken over (RFC 3891 §3).
    pub(crate) fn is_calling(&self) -> bool {
        matches!(self.phase, Phase::Calling(_))
    }
}
