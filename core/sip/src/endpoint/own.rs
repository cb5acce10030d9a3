//! Answers that the endpoint gives by itself. None holds a transaction: a copy of the request gets a copy of the answer,
//! with the same tag, made anew (RFC 3261 §8.2.7).

use std::io::Write;
use std::net::SocketAddr;

use bytes::Bytes;

use super::inbound::own_tag;
use super::{Endpoint, EndpointConfig, Flow, Output, Owner, transmit};
use crate::address::NameAddr;
use crate::build;
use crate::lex::{self, Broken, Limits};
use crate::list;
use crate::message::{Headers, Method, Request, Response};
use crate::name::Name;
use crate::screen::{self, Abilities, Refusal, ValidRequest};
use crate::via::Via;

/// Header values that never change.
pub(super) struct Texts {
    pub(super) name: Bytes,
    allow: Bytes,
    supported: Bytes,
}

impl Texts {
    pub(super) fn new(config: &EndpointConfig) -> Texts {
        Texts {
            name: Bytes::copy_from_slice(config.name.as_bytes()),
            allow: config.abilities.allow(),
            supported: config.abilities.extensions.join(", ").into(),
        }
    }
}

impl<O: Owner> Endpoint<O> {
    pub(super) fn octets(
        &mut self,
        now: std::time::Instant,
        flow: Flow,
        bytes: &Bytes,
        out: &mut Vec<Output<O>>,
    ) {
        match lex::message(bytes.clone(), &Limits::default()) {
            Ok(parsed) => self.message(now, flow, parsed.message, out),
            Err(broken) => self.broken(flow, broken, out),
        }
    }

    /// A message that cannot be taken: a request is answered with what is wrong with it, all else is dropped.
    pub(super) fn broken(&self, flow: Flow, broken: Broken, out: &mut Vec<Output<O>>) {
        self.refused(flow, broken.answer(), out);
    }

    /// A request that did not get through the door: `answer` is its response, if it gets one.
    pub(super) fn refused(&self, flow: Flow, answer: Option<Response>, out: &mut Vec<Output<O>>) {
        let Some(mut response) = answer else { return };
        let back = match Via::top(&response.headers) {
            Ok(via) => {
                self.stamp(flow, &mut response.headers, &via);
                self.peek_back(flow, &via, None)
            }
            Err(_) => flow,
        };
        self.answer(back, response, out);
    }

    /// Refuses a request with this code.
    pub(super) fn refuse(&self, back: Flow, request: &Request, code: u16, out: &mut Vec<Output<O>>) {
        if request.method != Method::Ack {
            self.answer(back, build::response(request, code), out);
        }
    }

    /// A MESSAGE whose body nobody here could read is refused for that, even where none are taken: what is wrong with it
    /// comes before its being out of place here (RFC 4475 §3.1.1.11 expects 200 or 415).
    pub(super) fn better(&self, request: &Request, refusal: &Refusal) -> Option<Refusal> {
        let not_taken = matches!(refusal, Refusal::Answer { code: 405, .. });
        if !not_taken || request.method != Method::Message {
            return None;
        }
        // A page is plain text or nothing that an exchange for telephones could show.
        let text = Abilities { bodies: vec!["text/plain"], ..self.config.abilities.clone() };
        screen::content(request, &text).err()
    }

    /// Too many transactions: 503, and when to come back.
    pub(super) fn shed(&mut self, back: Flow, request: &Request, out: &mut Vec<Output<O>>) {
        let (from, to) = self.config.retry_after;
        let after = u64::from(from) + self.random.below(u64::from(to.saturating_sub(from)) + 1);
        let mut response = build::response(request, 503);
        response.headers.push(Name::RetryAfter, after.to_string());
        self.answer(back, response, out);
    }

    /// Answers a new request if the exchange need not see it.
    pub(super) fn answered_here(&self, back: Flow, request: &ValidRequest, out: &mut Vec<Output<O>>) -> bool {
        let Some(response) = self.verdict(request) else { return false };
        self.answer(back, response, out);
        true
    }

    fn verdict(&self, request: &ValidRequest) -> Option<Response> {
        // What is for the exchange itself may arrive with its last hop; a call would leave again (RFC 4475 §3.3.11).
        let is_outside = request.head().to.tag().is_none();
        if request.method == Method::Invite && is_outside && request.fields().max_forwards == Some(0) {
            return Some(build::response(request, 483));
        }
        if request.method == Method::Options && is_outside && self.config.answer_options {
            let mut response = self.with_allow(build::response(request, 200));
            response.headers.push(Name::Accept, Bytes::from_static(b"application/sdp"));
            response.headers.push(Name::Supported, self.texts.supported.clone());
            return Some(response);
        }
        None
    }

    fn with_allow(&self, mut response: Response) -> Response {
        response.headers.push(Name::Allow, self.texts.allow.clone());
        response
    }

    fn answer(&self, back: Flow, mut response: Response, out: &mut Vec<Output<O>>) {
        let tag = self.keys.own_tag(&response.headers);
        own_tag(&mut response, tag);
        if !self.texts.name.is_empty() {
            response.headers.push(Name::Server, self.texts.name.clone());
        }
        transmit(back, response.write(), out);
    }

    /// Notes in the top Via where the message came from. `via` is the top Via if it has been read already.
    pub(super) fn stamp(&self, flow: Flow, headers: &mut Headers, via: &Via) {
        if via.rport().is_some() || via.host.ip() != Some(flow.remote.ip()) {
            write_stamped(headers, via, flow.remote);
        }
    }

    /// Where the responses to a request go; `tx` is the key of its transaction.
    pub(super) fn back(&mut self, flow: Flow, via: &Via, contact: Option<&NameAddr>, tx: u64) -> Flow {
        match flow.transport {
            super::Transport::Udp if self.config.symmetric => {
                let sender = self.keys.sender(flow.remote);
                self.ports.back(flow, via, contact, (sender, tx))
            }
            _ => self.peek_back(flow, via, contact),
        }
    }

    /// The same without learning from it.
    pub(super) fn peek_back(&self, flow: Flow, via: &Via, contact: Option<&NameAddr>) -> Flow {
        match flow.transport {
            // By its connection while that is open; else by a new one to where it listens (§18.2.2).
            super::Transport::Tcp => {
                let listens = SocketAddr::new(flow.remote.ip(), via.port.unwrap_or(5060));
                let known = flow.connection != 0 && listens.port() != 0;
                if known { Flow { remote: listens, ..flow } } else { flow }
            }
            super::Transport::Udp if self.config.symmetric => {
                self.ports.peek(flow, via, contact, self.keys.sender(flow.remote))
            }
            super::Transport::Udp => {
                let mut top = via.clone();
                top.stamp(flow.remote);
                Flow { remote: top.reply_to().unwrap_or(flow.remote), ..flow }
            }
        }
    }
}

/// Writes `received` and, if it was asked for, `rport` into the top Via (RFC 3261 §18.2.1, RFC 3581 §4), as [`Via::stamp`]
/// would, in one go: every request of every phone passes here.
fn write_stamped(headers: &mut Headers, top: &Via, from: SocketAddr) {
    let Some((_, line)) = headers.iter_mut().find(|(name, _)| *name == Name::Via) else { return };
    // The value ends where the parameters do, and what follows are further values of the same line.
    let mut values = list::split(line);
    let Some(value) = values.next() else { return };
    let rest: Vec<Bytes> = values.collect();
    let params = memchr::memchr(b';', &value).unwrap_or(value.len());
    let mut out = Vec::with_capacity(line.len() + 64);
    out.extend_from_slice(value[..params].trim_ascii_end());
    for (name, value) in top.params.iter() {
        if name.eq_ignore_ascii_case(b"received") || name.eq_ignore_ascii_case(b"rport") {
            continue;
        }
        out.push(b';');
        out.extend_from_slice(name);
        if let Some(value) = value {
            out.push(b'=');
            out.extend_from_slice(value);
        }
    }
    // Writing into a Vec cannot fail.
    let _ = match top.rport() {
        Some(_) => write!(out, ";rport={};received={}", from.port(), from.ip()),
        None => write!(out, ";received={}", from.ip()),
    };
    for value in rest {
        out.extend_from_slice(b", ");
        out.extend_from_slice(&value);
    }
    *line = out.into();
}
