//! Dialogs (RFC 3261 §12): who talks to whom under which tags, where requests go, and in which order they count. A
//! [`Dialog`] is a value that its owner, a leg, asks and tells; it sends nothing itself.
//!
//! One INVITE may be answered by several far ends (§12.1, forking): [`Dialog::of_answer`] makes a dialog of each, and
//! [`Dialog::is_of`] says to which of them a message belongs.

use bytes::Bytes;

use crate::address::NameAddr;
use crate::build;
use crate::cseq::CSeq;
use crate::endpoint::Flow;
use crate::list;
use crate::message::{Headers, Method, Request, Response};
use crate::name::Name;
use crate::next_hop::{self, NextHop, Reach};
use crate::screen::ValidRequest;

/// A peer-to-peer relation of two user agents.
#[derive(Debug, Clone)]
pub struct Dialog {
    /// Early until the 2xx.
    pub state: State,
    /// The flow that the last message of the far end came by, or that our INVITE took. Where requests go says
    /// [`Dialog::next_hop`].
    pub flow: Flow,
    /// What leads back to the far end.
    pub reach: Reach,
    call_id: Bytes,
    /// Our From (or To) value with our tag, as it goes into each request.
    local: Bytes,
    local_tag: Bytes,
    /// Theirs; the tag is missing only towards RFC 2543 ends.
    remote: Bytes,
    remote_tag: Option<Bytes>,
    /// Their Contact: the Request-URI of what we send.
    target: Bytes,
    /// Route values, first hop first.
    routes: Vec<Bytes>,
    /// The number of our last request.
    local_cseq: u32,
    /// The number of their last request, if there was one.
    remote_cseq: Option<u32>,
}

/// The two states that a dialog lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A provisional answer with a tag made it.
    Early,
    /// A 2xx made or confirmed it.
    Confirmed,
}

/// Why a message makes no dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoDialog {
    /// A header that every dialog needs is missing or cannot be read.
    #[error("no dialog without a valid {0}")]
    Header(&'static str),
    /// The answer has no To tag: a 100, or a plain provisional one.
    #[error("no To tag in the answer")]
    NoTag,
}

/// What is wrong with a request in the dialog; the code to answer it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// 481: other tags or another Call-ID than those of the dialog.
    Stranger,
    /// 500: it is older than one that came before (§12.2.2).
    Old,
}

impl Unfit {
    /// The status code that says so.
    pub fn code(self) -> u16 {
        match self {
            Unfit::Stranger => 481,
            Unfit::Old => 500,
        }
    }
}

impl Dialog {
    /// The called side (§12.1.1): from the INVITE that came by `flow` and the tag that we answer with. It is early until
    /// [`Dialog::confirm`].
    ///
    /// # Errors
    /// A header that the dialog needs (From, To, CSeq, Call-ID, Contact) is missing or cannot be read.
    pub fn of_request(invite: &ValidRequest, local_tag: &str, flow: Flow) -> Result<Dialog, NoDialog> {
        let (headers, fields) = (&invite.headers, invite.fields());
        let remote = need(headers, &Name::From, "From")?;
        let to = need(headers, &Name::To, "To")?;
        Ok(Dialog {
            state: State::Early,
            flow,
            reach: Reach::default(),
            call_id: fields.head.call_id.clone(),
            local: with_tag(to, &fields.head.to, local_tag),
            local_tag: Bytes::copy_from_slice(local_tag.as_bytes()),
            remote_tag: fields.head.from.tag_bytes(),
            remote: remote.clone(),
            target: fields.contact().map(|contact| contact.uri.write()).ok_or(NoDialog::Header("Contact"))?,
            routes: record_route(headers).collect(),
            local_cseq: 0,
            remote_cseq: Some(fields.head.cseq.number),
        })
    }

    /// The calling side (§12.1.2): from the INVITE that we sent and a 101–299 to it with a To tag.
    ///
    /// # Errors
    /// A header that the dialog needs is missing or cannot be read, or a provisional response has no To tag.
    pub fn of_answer(invite: &Request, answer: &Response, flow: Flow) -> Result<Dialog, NoDialog> {
        let remote = need(&answer.headers, &Name::To, "To")?;
        let local = need(&invite.headers, &Name::From, "From")?;
        let cseq = need(&invite.headers, &Name::CSeq, "CSeq")
            .and_then(|v| CSeq::read(v).map_err(|_| NoDialog::Header("CSeq")))?;
        let remote_tag = tag(remote);
        // An RFC 2543 end may send a 2xx without tag, and the call is up nevertheless (§12.1.2).
        if remote_tag.is_none() && answer.code < 200 {
            return Err(NoDialog::NoTag);
        }
        let success = (200..300).contains(&answer.code);
        let mut routes: Vec<Bytes> = record_route(&answer.headers).collect();
        routes.reverse();
        Ok(Dialog {
            state: if success { State::Confirmed } else { State::Early },
            flow,
            reach: Reach::default(),
            call_id: need(&invite.headers, &Name::CallId, "Call-ID")?.clone(),
            local_tag: tag(local).unwrap_or_default(),
            local: local.clone(),
            remote: remote.clone(),
            remote_tag,
            // Provisional answers without Contact are common; until a better one comes, the way of the INVITE must do.
            target: contact(&answer.headers).unwrap_or_else(|| invite.uri.clone()),
            routes,
            local_cseq: cseq.number,
            remote_cseq: None,
        })
    }

    /// The same, with what is known of the way back to the far end.
    pub fn reached_by(self, reach: Reach) -> Dialog {
        Dialog { reach, ..self }
    }

    /// A 2xx came or was sent: the dialog is confirmed. From the caller's side the route set is set anew from the 2xx
    /// (§13.2.2.4) and so is the target.
    pub fn confirm(&mut self, answer: Option<&Response>) {
        let was = std::mem::replace(&mut self.state, State::Confirmed);
        let Some(answer) = answer else { return };
        if was == State::Early {
            self.routes = record_route(&answer.headers).collect();
            self.routes.reverse();
        }
        self.refresh(&answer.headers);
    }

    /// Takes the Contact of a target refresh: a 2xx to a re-INVITE or UPDATE of ours (§12.2).
    pub fn refresh(&mut self, headers: &Headers) {
        if let Some(target) = contact(headers) {
            self.target = target;
        }
    }

    /// Does this response to the INVITE come from the far end of this dialog?
    pub fn is_of(&self, answer: &Response) -> bool {
        answer.headers.get(&Name::To).and_then(tag) == self.remote_tag
    }

    /// Is this request of this dialog? Same Call-ID, their tag in From, ours in To.
    pub fn has(&self, request: &ValidRequest) -> bool {
        let head = request.head();
        head.call_id == self.call_id
            && head.to.tag() == Some(&self.local_tag[..])
            && head.from.tag() == self.remote_tag.as_deref()
    }

    /// Takes a request of the far end, or says how to refuse it (§12.2.2). `flow` is the way it came: where it differs, the
    /// phone has moved and we follow.
    ///
    /// # Errors
    /// [`Unfit`] names the response to refuse the request with: another dialog, a CSeq that cannot be read, or one lower
    /// than the last.
    pub fn receive(&mut self, request: &ValidRequest, flow: Flow) -> Result<(), Unfit> {
        if !self.has(request) {
            return Err(Unfit::Stranger);
        }
        let number = request.head().cseq.number;
        // An ACK has the number of its INVITE and is always in order.
        if request.method == Method::Ack || request.method == Method::Cancel {
            return Ok(());
        }
        if self.remote_cseq.is_some_and(|last| number < last) {
            return Err(Unfit::Old);
        }
        if let (Method::Invite | Method::Update, Some(contact)) =
            (&request.method, request.fields().contact())
        {
            self.target = contact.uri.write();
        }
        self.remote_cseq = Some(number);
        self.flow = flow;
        Ok(())
    }

    /// The next request of ours in this dialog, without Via and Max-Forwards, which the endpoint adds (§12.2.1.1).
    pub fn request(&mut self, method: Method) -> Request {
        self.local_cseq += 1;
        self.with_cseq(method, self.local_cseq)
    }

    /// The ACK of a 2xx: it has the number of the INVITE that it acknowledges, which may not be the last one sent.
    pub fn ack(&self, invite_cseq: u32) -> Request {
        self.with_cseq(Method::Ack, invite_cseq)
    }

    /// The BYE.
    pub fn bye(&mut self) -> Request {
        self.request(Method::Bye)
    }

    /// A response to a request of the dialog, with our tag and, where the answer makes or refreshes the dialog, the routes
    /// of the request (§12.1.1). The caller adds its Contact.
    pub fn respond(&self, request: &ValidRequest, code: u16) -> Response {
        let mut response = build::response(request, code);
        if code == 100 {
            return response;
        }
        if let Some(to) = request.headers.get(&Name::To) {
            response.headers.set(Name::To, with_tag(to, &request.head().to, self.tag_text()));
        }
        if code < 300 && request.method == Method::Invite {
            for line in request.headers.all(&Name::RecordRoute) {
                response.headers.push(Name::RecordRoute, line.clone());
            }
        }
        response
    }

    /// Our CSeq number of the last request.
    pub fn local_cseq(&self) -> u32 {
        self.local_cseq
    }
    /// The numbers of requests sent beside the dialog (an INVITE again with credentials) count too.
    pub fn skip_to(&mut self, cseq: u32) {
        self.local_cseq = self.local_cseq.max(cseq);
    }
    /// The Call-ID.
    pub fn call_id(&self) -> &Bytes {
        &self.call_id
    }
    /// Our tag.
    pub fn local_tag(&self) -> &Bytes {
        &self.local_tag
    }
    /// Their tag.
    pub fn remote_tag(&self) -> Option<&Bytes> {
        self.remote_tag.as_ref()
    }
    /// Their Contact.
    pub fn target(&self) -> &Bytes {
        &self.target
    }
    /// Where the next request goes.
    pub fn next_hop(&self) -> NextHop {
        next_hop::next_hop(&self.routes, &self.target, self.flow, self.reach)
    }

    fn tag_text(&self) -> &str {
        std::str::from_utf8(&self.local_tag).unwrap_or_default()
    }

    fn with_cseq(&self, method: Method, number: u32) -> Request {
        let mut headers = Headers::with_capacity(12 + self.routes.len());
        let uri = next_hop::put_routes(&mut headers, &self.routes, &self.target);
        headers.push(Name::From, self.local.clone());
        headers.push(Name::To, self.remote.clone());
        headers.push(Name::CallId, self.call_id.clone());
        headers.push(Name::CSeq, CSeq { number, method: method.clone() }.write());
        Request { method, uri, headers, body: Bytes::new() }
    }
}

fn need<'a>(headers: &'a Headers, name: &Name, word: &'static str) -> Result<&'a Bytes, NoDialog> {
    headers.get(name).ok_or(NoDialog::Header(word))
}

fn tag(value: &Bytes) -> Option<Bytes> {
    NameAddr::read(value).ok()?.tag_bytes()
}

/// The value, which reads as this address, with this tag, unless it has one already.
fn with_tag(value: &Bytes, address: &NameAddr, new: &str) -> Bytes {
    match address.tag() {
        Some(_) => value.clone(),
        None => [value, &b";tag="[..], new.as_bytes()].concat().into(),
    }
}

/// The URI of the first Contact, if it can be a Request-URI.
fn contact(headers: &Headers) -> Option<Bytes> {
    let value = headers.all(&Name::Contact).flat_map(list::split).next()?;
    Some(NameAddr::read(&value).ok()?.uri.write())
}

fn record_route(headers: &Headers) -> impl Iterator<Item = Bytes> {
    headers.all(&Name::RecordRoute).flat_map(list::split).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
