//! Requests that we send: Via, branch, the client machines, CANCEL and ACK.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

use super::large::Datagram;
use super::{ClientTx, Endpoint, Flow, Lost, Output, Owner, Told, Transport, key, transmit};
use crate::cseq::CSeq;
use crate::list;
use crate::message::{Headers, Method, Request, Response};
use crate::name::Name;
use crate::random::{hex, unhex};
use crate::screen::{self, MandatoryHeaders};
use crate::transaction::store::{Sleeper, Wake};
use crate::transaction::{InviteClient, NonInviteClient, client, invite_client};
use crate::via::{MAGIC, Via};

/// A client transaction with what it needs to repeat itself.
pub(super) struct Client<O> {
    tx: ClientTx<O>,
    machine: Machine,
    flow: Flow,
    /// The random half of the branch; the other is the number of the slot.
    token: u64,
    /// The request as sent, until it need not be sent again.
    bytes: Option<Bytes>,
    /// It is too large for a datagram and went by a stream: the datagram that goes after it if nothing is heard.
    pub(super) datagram: Option<Datagram>,
    queued: Option<Instant>,
}

enum Machine {
    Invite(Box<Invite>),
    Other { state: NonInviteClient, method: Method },
}

struct Invite {
    state: InviteClient,
    /// The INVITE, from which CANCEL and the ACK of a failure are made.
    request: Option<Box<Request>>,
    cancel: Cancel,
    /// The ACK of a failure.
    ack: Option<Bytes>,
    /// Which far ends said 2xx, and the ACK of each once the exchange has given it.
    accepted: SmallVec<[Accepted; 1]>,
}

/// A far end that said 2xx, by its tag, and the ACK that it got.
type Accepted = (u64, Option<(Flow, Bytes)>);

enum Cancel {
    /// Nobody wants it.
    No,
    /// As soon as a provisional answer shows that the INVITE has arrived (RFC 3261 §9.1).
    Wanted { reason: Option<Bytes> },
    /// On its way, in a transaction of its own with the branch of the INVITE.
    Sent { state: NonInviteClient, bytes: Bytes },
}

impl<O> Client<O> {
    fn deadline(&self) -> Option<Instant> {
        let own = self.machine_deadline();
        own.into_iter().chain(self.datagram.as_ref().map(|datagram| datagram.by)).min()
    }

    fn machine_deadline(&self) -> Option<Instant> {
        match &self.machine {
            Machine::Other { state, .. } => state.deadline(),
            Machine::Invite(invite) => {
                let cancel = match &invite.cancel {
                    Cancel::Sent { state, .. } => state.deadline(),
                    Cancel::No | Cancel::Wanted { .. } => None,
                };
                [invite.state.deadline(), cancel].into_iter().flatten().min()
            }
        }
    }

    /// When it wants to be woken, and its earliest wake-up in the queue.
    pub(super) fn alarm(&mut self) -> (Option<Wake>, &mut Option<Instant>) {
        (self.wake(), &mut self.queued)
    }

    fn wake(&self) -> Option<Wake> {
        let lingers = match &self.machine {
            Machine::Other { state, .. } => state.lingers(),
            Machine::Invite(invite) => {
                invite.state.lingers() && !matches!(invite.cancel, Cancel::Sent { .. })
            }
        };
        self.deadline().map(if lingers { Wake::Forget } else { Wake::Act })
    }

    fn is_gone(&self) -> bool {
        match &self.machine {
            Machine::Other { state, .. } => *state == NonInviteClient::Terminated,
            Machine::Invite(invite) => invite.state == InviteClient::Terminated,
        }
    }
}

impl<O: Owner> Endpoint<O> {
    pub(super) fn send(
        &mut self,
        now: Instant,
        tx: ClientTx<O>,
        mut request: Box<Request>,
        to: Flow,
        out: &mut Vec<Output<O>>,
    ) {
        let token = self.random.number();
        let id = self.clients.next_id();
        let via = self.via(&to, id, token);
        request.headers.push_front(Name::Via, via);
        self.complete(&mut request.headers);
        let bytes = request.write();
        let (to, bytes, datagram) = self.by_stream_if_large(now, to, &mut request, bytes, (id, token));
        let (delivery, timers) = (to.delivery(), &self.config.timers);
        let machine = match request.method {
            Method::Invite => Machine::Invite(Box::new(Invite {
                state: InviteClient::new(now, delivery, timers),
                request: Some(request),
                cancel: Cancel::No,
                ack: None,
                accepted: SmallVec::new(),
            })),
            _ => Machine::Other {
                state: NonInviteClient::new(now, delivery, timers),
                method: request.method.clone(),
            },
        };
        let client = Client {
            tx: tx.clone(),
            machine,
            flow: to,
            token,
            bytes: Some(bytes.clone()),
            datagram,
            queued: None,
        };
        let id = self.clients.insert(client);
        self.by_tx.insert(tx, id);
        self.settle_client(id);
        if to.is_sendable() {
            transmit(to, bytes, out);
        } else {
            self.client_broken(now, id, out);
        }
    }

    pub(super) fn cancel(
        &mut self,
        now: Instant,
        tx: ClientTx<O>,
        reason: Option<Bytes>,
        out: &mut Vec<Output<O>>,
    ) {
        let Some(&id) = self.by_tx.get(&tx) else { return };
        let Some(client) = self.clients.get_mut(id) else { return };
        let Machine::Invite(invite) = &mut client.machine else { return };
        if matches!(invite.cancel, Cancel::No) {
            invite.cancel = Cancel::Wanted { reason };
        }
        if matches!(invite.state, InviteClient::Proceeding { .. }) {
            self.send_cancel(now, id, out);
        }
        self.settle_client(id);
    }

    /// No copy of an abandoned INVITE may leave: it would ring a telephone for a call that goes another way by now.
    pub(super) fn abandon(&mut self, now: Instant, tx: ClientTx<O>, out: &mut Vec<Output<O>>) {
        let id = self.by_tx.get(&tx).copied();
        let Some(client) = id.and_then(|id| self.clients.get_mut(id)) else { return };
        client.bytes = None;
        client.datagram = None;
        if matches!(client.machine, Machine::Invite(_)) {
            self.cancel(now, tx, None, out);
        }
    }

    /// The ACK of a 2xx: sent now, and again for each copy of that 2xx (RFC 3261 §13.2.2.4).
    pub(super) fn acknowledge(
        &mut self,
        tx: ClientTx<O>,
        mut request: Request,
        to: Flow,
        out: &mut Vec<Output<O>>,
    ) {
        // No response will ever name this branch, so it need not name a slot.
        let (id, token) = (self.random.number(), self.random.number());
        let via = self.via(&to, id, token);
        request.headers.push_front(Name::Via, via);
        self.complete(&mut request.headers);
        let bytes = request.write();
        if let Some(client) = self.by_tx.get(&tx).and_then(|id| self.clients.get_mut(*id))
            && let Machine::Invite(invite) = &mut client.machine
        {
            let far = self.keys.tag(key::tag(&request.headers, &Name::To).as_deref());
            let ack = Some((to, bytes.clone()));
            match invite.accepted.iter_mut().find(|(tag, _)| *tag == far) {
                Some((_, slot)) => *slot = ack,
                None => invite.accepted.push((far, ack)),
            }
        }
        transmit(to, bytes, out);
    }

    pub(super) fn response(
        &mut self,
        now: Instant,
        flow: Flow,
        response: Response,
        out: &mut Vec<Output<O>>,
    ) {
        // A stray one, or one with another Via below ours, is dropped: it is not for us (§8.1.3.3, §18.1.2).
        let Ok(MandatoryHeaders { via, cseq, .. }) = screen::response(&response) else { return };
        let Some((id, token)) = branch(&via) else { return };
        if response.headers.all(&Name::Via).flat_map(list::split).nth(1).is_some() {
            return;
        }
        let Some(client) = self.clients.get_mut(id) else { return };
        if client.token != token {
            return;
        }
        client.datagram = None;
        match &mut client.machine {
            Machine::Invite(_) if cseq.method == Method::Invite => {
                self.invite_answered(now, id, flow, response, out)
            }
            Machine::Invite(invite) if cseq.method == Method::Cancel => {
                if let Cancel::Sent { state, .. } = &mut invite.cancel {
                    let event = match response.code {
                        ..200 => client::Event::Provisional,
                        _ => client::Event::Final,
                    };
                    (*state, _) = state.on(now, event, client.flow.delivery(), &self.config.timers);
                }
            }
            Machine::Other { state, method } if *method == cseq.method => {
                let event = match response.code {
                    ..200 => client::Event::Provisional,
                    _ => client::Event::Final,
                };
                let (next, then) = state.on(now, event, client.flow.delivery(), &self.config.timers);
                *state = next;
                if event == client::Event::Final {
                    client.bytes = None;
                }
                if then == client::Then::Tell {
                    let tx = client.tx.clone();
                    out.push(Output::Told(Told::Response { tx, response: Arc::new(response), flow }));
                }
            }
            _ => return,
        }
        self.settle_client(id);
    }

    fn invite_answered(
        &mut self,
        now: Instant,
        id: u64,
        flow: Flow,
        response: Response,
        out: &mut Vec<Output<O>>,
    ) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let Machine::Invite(invite) = &mut client.machine else { return };
        let event = match response.code {
            ..200 => invite_client::Event::Provisional,
            200..300 => invite_client::Event::Success,
            _ => invite_client::Event::Failure,
        };
        let (next, then) = invite.state.on(now, event, client.flow.delivery(), &self.config.timers);
        invite.state = next;
        if event != invite_client::Event::Provisional {
            client.bytes = None;
        }
        let tx = client.tx.clone();
        match then {
            invite_client::Then::Tell if event == invite_client::Event::Success => {
                invite.request = None;
                let far = self.keys.tag(key::tag(&response.headers, &Name::To).as_deref());
                // A copy of a known 2xx is acknowledged again; before the exchange has said how, it just waits.
                match invite.accepted.iter().find(|(tag, _)| *tag == far) {
                    Some((_, Some((to, ack)))) => return transmit(*to, ack.clone(), out),
                    Some((_, None)) => return,
                    None => invite.accepted.push((far, None)),
                }
                out.push(Output::Told(Told::Response { tx, response: Arc::new(response), flow }));
            }
            invite_client::Then::Tell => {
                let wanted = matches!(invite.cancel, Cancel::Wanted { .. });
                out.push(Output::Told(Told::Response { tx, response: Arc::new(response), flow }));
                if wanted {
                    self.send_cancel(now, id, out);
                }
            }
            invite_client::Then::TellAndAck => {
                if let Some(request) = invite.request.take() {
                    let ack = failure_ack(&request, &response).write();
                    invite.ack = Some(ack.clone());
                    transmit(client.flow, ack, out);
                }
                out.push(Output::Told(Told::Response { tx, response: Arc::new(response), flow }));
            }
            invite_client::Then::Ack => {
                if let Some(ack) = &invite.ack {
                    transmit(client.flow, ack.clone(), out);
                }
            }
            _ => {}
        }
    }

    fn send_cancel(&mut self, now: Instant, id: u64, out: &mut Vec<Output<O>>) {
        let timers = &self.config.timers;
        let Some(client) = self.clients.get_mut(id) else { return };
        let delivery = client.flow.delivery();
        let Machine::Invite(invite) = &mut client.machine else { return };
        let (Cancel::Wanted { reason }, Some(request)) = (&invite.cancel, &invite.request) else { return };
        let mut cancel = same_branch(request, Method::Cancel);
        if let Some(reason) = reason {
            cancel.headers.push(Name::Reason, reason.clone());
        }
        let bytes = cancel.write();
        invite.cancel =
            Cancel::Sent { state: NonInviteClient::new(now, delivery, timers), bytes: bytes.clone() };
        (invite.state, _) = invite.state.on(now, invite_client::Event::Cancelled, delivery, timers);
        transmit(client.flow, bytes, out);
    }

    pub(super) fn client_woken(&mut self, now: Instant, at: Instant, id: u64, out: &mut Vec<Output<O>>) {
        let timers = &self.config.timers;
        let Some(client) = self.clients.get_mut(id) else { return };
        if client.queued == Some(at) {
            client.queued = None;
        }
        if client.datagram.as_ref().is_some_and(|datagram| datagram.by <= now) {
            return self.by_datagram(now, id, out);
        }
        let (tx, flow) = (client.tx.clone(), client.flow);
        let lost = Output::Told(Told::Failed { tx, why: Lost::Timeout });
        match &mut client.machine {
            Machine::Invite(invite) => {
                let (next, then) = invite.state.on(now, invite_client::Event::Timer, flow.delivery(), timers);
                invite.state = next;
                match then {
                    invite_client::Then::TimedOut => out.push(lost),
                    invite_client::Then::Resend => {
                        client.bytes.iter().for_each(|bytes| transmit(flow, bytes.clone(), out));
                    }
                    _ => {}
                }
                if let Cancel::Sent { state, bytes } = &mut invite.cancel {
                    let (next, then) = state.on(now, client::Event::Timer, flow.delivery(), timers);
                    *state = next;
                    if then == client::Then::Resend {
                        transmit(flow, bytes.clone(), out);
                    }
                }
            }
            Machine::Other { state, .. } => {
                let (next, then) = state.on(now, client::Event::Timer, flow.delivery(), timers);
                *state = next;
                match then {
                    client::Then::TimedOut => out.push(lost),
                    client::Then::Resend => {
                        client.bytes.iter().for_each(|bytes| transmit(flow, bytes.clone(), out));
                    }
                    _ => {}
                }
            }
        }
        self.settle_client(id);
    }

    pub(super) fn clients_failed(&mut self, now: Instant, flow: Flow, out: &mut Vec<Output<O>>) {
        let hit = |client: &Client<O>| client.flow.is_hit_by(&flow);
        let ids: Vec<u64> = self.clients.ids().filter(|id| self.clients.get(*id).is_some_and(hit)).collect();
        for id in ids {
            self.client_broken(now, id, out);
        }
    }

    fn client_broken(&mut self, now: Instant, id: u64, out: &mut Vec<Output<O>>) {
        let timers = &self.config.timers;
        let Some(client) = self.clients.get_mut(id) else { return };
        if client.datagram.is_some() {
            return self.by_datagram(now, id, out);
        }
        let delivery = client.flow.delivery();
        let told = match &mut client.machine {
            Machine::Invite(invite) => {
                let (next, then) = invite.state.on(now, invite_client::Event::Broken, delivery, timers);
                invite.state = next;
                then == invite_client::Then::Broken
            }
            Machine::Other { state, .. } => {
                let (next, then) = state.on(now, client::Event::Broken, delivery, timers);
                *state = next;
                then == client::Then::Broken
            }
        };
        if told {
            out.push(Output::Told(Told::Failed { tx: client.tx.clone(), why: Lost::Transport }));
        }
        self.settle_client(id);
    }

    /// The stream that it went by brings nothing: it goes as a datagram, in the same transaction.
    fn by_datagram(&mut self, now: Instant, id: u64, out: &mut Vec<Output<O>>) {
        let timers = &self.config.timers;
        let Some(client) = self.clients.get_mut(id) else { return };
        let Some(Datagram { to, via, bytes, .. }) = client.datagram.take() else { return };
        client.flow = to;
        client.bytes = Some(bytes.clone());
        match &mut client.machine {
            Machine::Invite(invite) => {
                invite.state = InviteClient::new(now, to.delivery(), timers);
                if let Some(request) = &mut invite.request {
                    request.headers.set(Name::Via, via);
                }
            }
            Machine::Other { state, .. } => *state = NonInviteClient::new(now, to.delivery(), timers),
        }
        self.large.no_stream(now, to.remote);
        transmit(to, bytes, out);
        self.settle_client(id);
    }

    pub(super) fn settle_client(&mut self, id: u64) {
        let Some(client) = self.clients.get_mut(id) else { return };
        if !client.is_gone() {
            return self.wakes.want(Sleeper::Client(id), client.wake(), &mut client.queued);
        }
        let Some(client) = self.clients.remove(id) else { return };
        if self.by_tx.get(&client.tx) == Some(&id) {
            self.by_tx.remove(&client.tx);
        }
    }

    /// Our Via: sent-by of this flow, a branch that names the slot and that nobody can guess.
    pub(super) fn via(&mut self, flow: &Flow, id: u64, token: u64) -> Bytes {
        let at = (flow.transport, self.config.topology.advertised(flow.local, flow.remote.ip()));
        let known = self.vias.iter().position(|(k, _)| *k == at);
        let prefix = match known {
            Some(i) => &self.vias[i].1,
            None => {
                // Connections from our side have a port each; the list must not grow with them.
                if self.vias.len() >= 64 {
                    self.vias.clear();
                }
                let prefix = via_prefix(at);
                &self.vias.push_mut((at, prefix)).1
            }
        };
        let mut out = BytesMut::with_capacity(prefix.len() + 32);
        out.put_slice(prefix);
        out.put_slice(&hex(id));
        out.put_slice(&hex(token));
        out.freeze()
    }

    /// Adds what every request has: Max-Forwards (§8.1.1.6) and who we are.
    fn complete(&self, headers: &mut Headers) {
        if headers.get(&Name::MaxForwards).is_none() {
            headers.push(Name::MaxForwards, Bytes::from_static(b"70"));
        }
        if !self.texts.name.is_empty() && headers.get(&Name::UserAgent).is_none() {
            headers.push(Name::UserAgent, self.texts.name.clone());
        }
    }
}

fn via_prefix((transport, sent_by): (Transport, SocketAddr)) -> Bytes {
    let (transport, rport) = match transport {
        Transport::Udp => ("UDP", ";rport"),
        Transport::Tcp => ("TCP", ""),
    };
    format!("SIP/2.0/{transport} {sent_by}{rport};branch={MAGIC}").into()
}

/// Slot and token, if the branch can be ours.
fn branch(via: &Via) -> Option<(u64, u64)> {
    let text = via.unique_branch()?.get(MAGIC.len()..)?;
    let (id, token) = text.split_at_checked(16)?;
    Some((unhex(id)?, unhex(token)?))
}

/// A CANCEL or the ACK of a failure: what RFC 3261 §9.1 and §17.1.1.3 tell to copy from the INVITE.
fn same_branch(invite: &Request, method: Method) -> Request {
    let mut headers = Headers::with_capacity(8);
    for (name, value) in invite.headers.iter() {
        match name {
            Name::Via | Name::From | Name::To | Name::CallId | Name::Route | Name::MaxForwards => {
                headers.push(name.clone(), value.clone());
            }
            Name::CSeq => {
                let number = CSeq::read(value).map_or(0, |c| c.number);
                headers.push(Name::CSeq, CSeq { number, method: method.clone() }.write());
            }
            _ => {}
        }
    }
    Request { method, uri: invite.uri.clone(), headers, body: Bytes::new() }
}

fn failure_ack(invite: &Request, response: &Response) -> Request {
    let mut ack = same_branch(invite, Method::Ack);
    // It cannot be asked for credentials, so it repeats those of its INVITE (§22.1).
    for (name, value) in invite.headers.iter() {
        if matches!(name, Name::Authorization | Name::ProxyAuthorization) {
            ack.headers.push(name.clone(), value.clone());
        }
    }
    if let Some(to) = response.headers.get(&Name::To) {
        ack.headers.set(Name::To, to.clone());
    }
    ack
}
