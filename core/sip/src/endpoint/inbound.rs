//! Requests that came in: matching, the server machines, and the way back.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::{Endpoint, Flow, Output, Owner, ServerTx, Told, key, transmit};
use crate::address::NameAddr;
use crate::build;
use crate::cseq::CSeq;
use crate::list;
use crate::message::{Headers, Method, Request, Response};
use crate::name::Name;
use crate::screen::{self, MandatoryHeaders, ValidRequest};
use crate::transaction::store::{Sleeper, Wake};
use crate::transaction::{InviteServer, NonInviteServer, invite_server, server};

/// A server transaction with what it needs to answer.
pub(super) struct Server {
    machine: Machine,
    /// Where responses go.
    flow: Flow,
    /// The request until its final answer: a 100 or 500 of our own is made from it.
    request: Option<Arc<ValidRequest>>,
    /// The last response, for copies of the request.
    last: Option<Bytes>,
    /// The To header of that response: the answer to a CANCEL has the same (RFC 3261 §9.2).
    to: Option<Bytes>,
    cancelled: bool,
    /// Its entries in the endpoint's maps.
    key: u64,
    merge: Option<u64>,
    ack: Option<u64>,
    /// Its earliest wake-up in the queue.
    queued: Option<Instant>,
}

enum Machine {
    Invite(InviteServer),
    Other(NonInviteServer),
}

impl Machine {
    fn deadline(&self) -> Option<Instant> {
        match self {
            Machine::Invite(m) => m.deadline(),
            Machine::Other(m) => m.deadline(),
        }
    }
    fn wake(&self) -> Option<Wake> {
        let lingers = match self {
            Machine::Invite(m) => m.lingers(),
            Machine::Other(m) => m.lingers(),
        };
        self.deadline().map(if lingers { Wake::Forget } else { Wake::Act })
    }
    fn is_gone(&self) -> bool {
        matches!(
            self,
            Machine::Invite(InviteServer::Terminated) | Machine::Other(NonInviteServer::Terminated)
        )
    }
    fn end(&mut self) {
        match self {
            Machine::Invite(machine) => *machine = InviteServer::Terminated,
            Machine::Other(machine) => *machine = NonInviteServer::Terminated,
        }
    }
}

impl<O: Owner> Endpoint<O> {
    pub(super) fn request(
        &mut self,
        now: Instant,
        flow: Flow,
        mut request: Request,
        out: &mut Vec<Output<O>>,
    ) {
        if matches!(request.method, Method::Ack | Method::Cancel) {
            let Ok(head) = MandatoryHeaders::read(&request.headers) else { return };
            let key = self.keys.transaction(&request, &head);
            return match request.method {
                Method::Ack => self.ack(now, flow, request, &head, key, out),
                _ => self.cancelled(flow, request, &head, key, out),
            };
        }
        // A copy meets the same verdict as the first, so the door comes before the look-up and reads the head for it.
        let fields = match screen::request(&request, &self.config.abilities) {
            Ok(fields) => fields,
            Err(refusal) => {
                let refusal = self.better(&request, &refusal).unwrap_or(refusal);
                return self.refused(flow, refusal.answer(&request), out);
            }
        };
        let via = &fields.head.via;
        let key = self.keys.transaction(&request, &fields.head);
        match self.by_key.get(&key) {
            Some(&id) => {
                // A copy by UDP may mean that the answer went to the wrong port of a phone without `rport`.
                if flow.transport == super::Transport::Udp && via.rport().is_none() {
                    let back = self.back(flow, via, fields.contact(), key);
                    self.servers.get_mut(id).into_iter().for_each(|server| server.flow = back);
                }
                self.again(now, id, out);
            }
            None => {
                self.stamp(flow, &mut request.headers, via);
                let back = self.back(flow, via, fields.contact(), key);
                self.fresh(now, (flow, back), ValidRequest::new(request, fields), key, out);
            }
        }
    }

    /// Answers from the exchange.
    pub(super) fn respond(
        &mut self,
        now: Instant,
        tx: ServerTx,
        mut response: Response,
        out: &mut Vec<Output<O>>,
    ) {
        let Some(server) = self.servers.get_mut(tx.0) else { return };
        if response.code > 100 && key::tag(&response.headers, &Name::To).is_none() {
            let tag = self.keys.own_tag(&response.headers);
            own_tag(&mut response, tag);
        }
        let delivery = server.flow.delivery();
        let send = match &mut server.machine {
            Machine::Invite(machine) => {
                let event = match response.code {
                    ..200 => invite_server::Event::Provisional,
                    200..300 => invite_server::Event::Success,
                    _ => invite_server::Event::Failure,
                };
                let (next, then) = machine.on(now, event, delivery, &self.config.timers);
                *machine = next;
                then == invite_server::Then::Send
            }
            // No provisional answer to anything but INVITE; the 100 is the endpoint's own (RFC 4320 §4.1).
            Machine::Other(_) if response.code < 200 => false,
            Machine::Other(machine) => {
                let (next, then) = machine.on(now, server::Event::Final, delivery, &self.config.timers);
                *machine = next;
                then == server::Then::Send
            }
        };
        if !send {
            return;
        }
        let to = response.headers.get(&Name::To).cloned();
        if (200..300).contains(&response.code) && matches!(server.machine, Machine::Invite(_)) {
            let cseq = response.headers.get(&Name::CSeq).and_then(|v| CSeq::read(v).ok());
            let call_id = response.headers.get(&Name::CallId);
            if let (Some(cseq), Some(call_id), Some(tag)) =
                (cseq, call_id, key::tag(&response.headers, &Name::To))
            {
                let ack = self.keys.ack(call_id, &tag, cseq.number);
                self.by_ack.insert(ack, tx.0);
                server.ack = Some(ack);
            }
        }
        let bytes = response.write();
        server.to = to;
        server.last = Some(bytes.clone());
        if response.code >= 200 {
            server.request = None;
        }
        // Who is challenged has proven nothing, not even the address that it sends from: one answer for one request, and
        // nothing kept of it (RFC 3261 §26.3.2.4). A copy is challenged anew; and a phone that answers without raising
        // the CSeq is no copy by another way.
        if matches!(response.code, 401 | 407) {
            server.machine.end();
        }
        transmit(server.flow, bytes, out);
        self.settle(tx.0);
    }

    /// A request that belongs to no transaction yet.
    fn fresh(
        &mut self,
        now: Instant,
        (flow, back): (Flow, Flow),
        request: ValidRequest,
        key: u64,
        out: &mut Vec<Output<O>>,
    ) {
        let head = request.head();
        // In a dialog the To tag keeps copies apart already; outside, a copy by another way is a loop of forks.
        let merge = head.to.tag().is_none().then(|| self.keys.merge(head));
        if merge.is_some_and(|m| self.by_merge.contains_key(&m)) {
            return self.refuse(back, &request, 482, out);
        }
        if self.answered_here(back, &request, out) {
            return;
        }
        if self.servers.len() >= self.config.most {
            return self.shed(back, &request, out);
        }
        let request = Arc::new(request);
        let machine = match request.method {
            Method::Invite => Machine::Invite(InviteServer::new(now, &self.config.timers)),
            _ => Machine::Other(NonInviteServer::new(now, &self.config.timers)),
        };
        let id = self.servers.insert(Server {
            machine,
            flow: back,
            request: Some(request.clone()),
            last: None,
            to: None,
            cancelled: false,
            key,
            merge,
            ack: None,
            queued: None,
        });
        self.by_key.insert(key, id);
        if let Some(merge) = merge {
            self.by_merge.insert(merge, id);
        }
        self.settle(id);
        out.push(Output::Told(Told::Request { tx: ServerTx(id), request, flow }));
    }

    /// A copy of a request.
    fn again(&mut self, now: Instant, id: u64, out: &mut Vec<Output<O>>) {
        let Some(server) = self.servers.get_mut(id) else { return };
        let delivery = server.flow.delivery();
        match &mut server.machine {
            Machine::Invite(machine) => {
                let (next, then) =
                    machine.on(now, invite_server::Event::Again, delivery, &self.config.timers);
                *machine = next;
                match then {
                    invite_server::Then::ResendOrTrying if server.last.is_none() => server.trying(out),
                    invite_server::Then::Resend | invite_server::Then::ResendOrTrying => server.resend(out),
                    _ => {}
                }
            }
            Machine::Other(machine) => {
                let (next, then) = machine.on(now, server::Event::Again, delivery, &self.config.timers);
                *machine = next;
                if then == server::Then::Resend {
                    server.resend(out);
                }
            }
        }
        self.settle(id);
    }

    /// An ACK: to a failure it belongs to the INVITE's transaction, to a 2xx it only names the dialog.
    fn ack(
        &mut self,
        now: Instant,
        flow: Flow,
        request: Request,
        head: &MandatoryHeaders,
        key: u64,
        out: &mut Vec<Output<O>>,
    ) {
        let by_dialog = || {
            let ack = self.keys.ack(&head.call_id, head.to.tag()?, head.cseq.number);
            self.by_ack.get(&ack)
        };
        let Some(&id) = self.by_key.get(&key).or_else(by_dialog) else { return };
        let Some(server) = self.servers.get_mut(id) else { return };
        let Machine::Invite(machine) = &mut server.machine else { return };
        let (next, then) =
            machine.on(now, invite_server::Event::Ack, server.flow.delivery(), &self.config.timers);
        *machine = next;
        if matches!(next, InviteServer::Confirmed { .. } | InviteServer::Acknowledged { .. }) {
            server.last = None;
        }
        self.settle(id);
        if then == invite_server::Then::TellAck {
            let to_tag = head.to.tag_bytes();
            out.push(Output::Told(Told::Ack { request: Arc::new(request), to_tag, flow }));
        }
    }

    /// A CANCEL (RFC 3261 §9.2). Its answer is made anew for each copy: it is the same as long as the INVITE is there.
    fn cancelled(
        &mut self,
        flow: Flow,
        mut request: Request,
        head: &MandatoryHeaders,
        key: u64,
        out: &mut Vec<Output<O>>,
    ) {
        self.stamp(flow, &mut request.headers, &head.via);
        let back = self.peek_back(flow, &head.via, first_contact(&request.headers).as_ref());
        let Some(&id) = self.by_key.get(&key) else { return self.refuse(back, &request, 481, out) };
        let Some(server) = self.servers.get_mut(id) else { return };
        let Machine::Invite(machine) = &server.machine else { return self.refuse(back, &request, 481, out) };
        let mut response = build::response(&request, 200);
        match &server.to {
            Some(to) => response.headers.set(Name::To, to.clone()),
            None => own_tag(&mut response, self.keys.own_tag(&request.headers)),
        }
        let open = matches!(machine, InviteServer::Proceeding { .. });
        let first = open && !server.cancelled;
        server.cancelled = true;
        transmit(back, response.write(), out);
        if first {
            out.push(Output::Told(Told::Cancelled { tx: ServerTx(id) }));
        }
    }

    pub(super) fn server_woken(&mut self, now: Instant, at: Instant, id: u64, out: &mut Vec<Output<O>>) {
        let Some(server) = self.servers.get_mut(id) else { return };
        if server.queued == Some(at) {
            server.queued = None;
        }
        let delivery = server.flow.delivery();
        match &mut server.machine {
            Machine::Invite(machine) => {
                let (next, then) =
                    machine.on(now, invite_server::Event::Timer, delivery, &self.config.timers);
                *machine = next;
                match then {
                    invite_server::Then::Trying => server.trying(out),
                    invite_server::Then::Resend => server.resend(out),
                    invite_server::Then::GiveUp => match server.request.clone() {
                        Some(request) => self.respond(now, ServerTx(id), build::response(&request, 500), out),
                        // It is kept until the final answer, which ends this state; but a timer must never spin.
                        None => *machine = InviteServer::Terminated,
                    },
                    invite_server::Then::Unacknowledged => {
                        out.push(Output::Told(Told::Unacknowledged { tx: ServerTx(id) }));
                    }
                    _ => {}
                }
            }
            Machine::Other(machine) => {
                let (next, then) = machine.on(now, server::Event::Timer, delivery, &self.config.timers);
                *machine = next;
                if then == server::Then::Trying {
                    server.trying(out);
                }
            }
        }
        self.settle(id);
    }

    /// The way of these requests is gone. A final answer waiting to be taken no longer can be; an INVITE in progress goes
    /// on, as its 2xx may still find a way (RFC 3261 §18.2.2 allows a new connection).
    pub(super) fn servers_failed(&mut self, now: Instant, flow: Flow, out: &mut Vec<Output<O>>) {
        let hit = |server: &Server| server.flow.is_hit_by(&flow);
        let ids: Vec<u64> = self.servers.ids().filter(|id| self.servers.get(*id).is_some_and(hit)).collect();
        for id in ids {
            let Some(server) = self.servers.get_mut(id) else { continue };
            let delivery = server.flow.delivery();
            match &mut server.machine {
                Machine::Invite(machine) => {
                    let (next, _) =
                        machine.on(now, invite_server::Event::Broken, delivery, &self.config.timers);
                    *machine = next;
                    // The caller is gone with its connection: as good as a CANCEL.
                    let gone = delivery == crate::transaction::Delivery::Reliable
                        && matches!(next, InviteServer::Proceeding { .. })
                        && !server.cancelled;
                    if gone {
                        server.cancelled = true;
                        out.push(Output::Told(Told::Cancelled { tx: ServerTx(id) }));
                    }
                }
                Machine::Other(machine) => {
                    let (next, _) = machine.on(now, server::Event::Broken, delivery, &self.config.timers);
                    *machine = next;
                }
            }
            self.settle(id);
        }
    }

    /// Removes a transaction that is gone, or makes sure that it is woken in time.
    fn settle(&mut self, id: u64) {
        let Some(server) = self.servers.get_mut(id) else { return };
        if !server.machine.is_gone() {
            return self.wakes.want(Sleeper::Server(id), server.machine.wake(), &mut server.queued);
        }
        let Some(server) = self.servers.remove(id) else { return };
        // A key may have been taken over by a later transaction with the same dialog and number.
        for (map, key) in [
            (&mut self.by_key, Some(server.key)),
            (&mut self.by_merge, server.merge),
            (&mut self.by_ack, server.ack),
        ] {
            if let Some(key) = key.filter(|key| map.get(key) == Some(&id)) {
                map.remove(&key);
            }
        }
    }
}

impl Server {
    /// When it wants to be woken, and its earliest wake-up in the queue.
    pub(super) fn alarm(&mut self) -> (Option<Wake>, &mut Option<Instant>) {
        (self.machine.wake(), &mut self.queued)
    }

    fn resend<O>(&self, out: &mut Vec<Output<O>>) {
        if let Some(last) = &self.last {
            transmit(self.flow, last.clone(), out);
        }
    }

    fn trying<O>(&mut self, out: &mut Vec<Output<O>>) {
        if let Some(request) = &self.request {
            let bytes = build::response(request, 100).write();
            self.last = Some(bytes.clone());
            transmit(self.flow, bytes, out);
        }
    }
}

/// The first contact of a request that was not judged.
fn first_contact(headers: &Headers) -> Option<NameAddr> {
    NameAddr::read(&headers.all(&Name::Contact).flat_map(list::split).next()?).ok()
}

/// Gives a response this tag.
pub(super) fn own_tag(response: &mut Response, tag: u64) {
    let hex = crate::random::hex(tag);
    build::tag_to(&mut response.headers, std::str::from_utf8(&hex).unwrap_or("0"));
}
