//! A scripted SIP phone, and with [`Phone::guards`] a provider: a user agent on the same endpoint as the exchange's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringtrip_media::negotiate;
use ringtrip_media::sdp::{Sdp, SdpSession};
use ringtrip_media::sound::{Codec, Direction, Sound};
use ringtrip_sip::build;
use ringtrip_sip::cseq::CSeq;
use ringtrip_sip::dialog::Dialog;
use ringtrip_sip::digest;
use ringtrip_sip::endpoint::{
    Ask, ClientTx, Endpoint, EndpointConfig, Flow, Input, Output, ServerTx, Told, Transmit, Transport,
};
use ringtrip_sip::message::{Headers, Method, Request, Response};
use ringtrip_sip::name::Name;
use ringtrip_sip::nonce::Nonces;
use ringtrip_sip::screen::ValidRequest;

use ringtrip_model::splitmix::SplitMix;

/// What it does when it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhoneBehaviour {
    /// Rings, and answers after this long.
    Answer(Duration),
    /// Rings for ever.
    Ring,
    /// 486.
    Busy,
    /// 603.
    Decline,
    /// Refuses with this status.
    Refuse(u16),
    /// Says nothing at all, as if it were switched off.
    Dead,
}

/// A request of this method is answered with this status and these headers.
pub type PhoneRefusal = (Method, u16, Vec<(Name, String)>);

/// A phone.
pub struct Phone {
    /// Its name in ladders; an extension's number, a provider's user.
    pub name: String,
    /// What it does when it is called.
    pub behaviour: PhoneBehaviour,
    /// What it speaks, best first.
    codecs: Vec<Codec>,
    addr: SocketAddr,
    /// Where it is seen from outside of its network, if a router translates its address.
    router: Option<SocketAddr>,
    exchange: SocketAddr,
    user: String,
    endpoint: Endpoint,
    rand: SplitMix,
    auth: digest::Client,
    guard: Option<(digest::Guard, digest::Secret)>,
    /// A proxy before it that asks first, by 407.
    edge: Option<(digest::Guard, digest::Secret)>,
    call: Call,
    /// A call on hold, while it makes another.
    held: Call,
    register: Option<(ClientTx, Request)>,
    /// Call-ID and last number of its REGISTERs since it was switched on.
    registration: Option<(String, u32)>,
    /// The Contact that somebody registered here.
    contact: Option<String>,
    sdp: SdpSession,
    asks: Vec<Ask>,
    sent: u32,
    now: Instant,
    /// The Contact that it shows, where that is not its address.
    pub shows: Option<String>,
    /// Other addresses that it hears at: behind a load balancer, or its proxies.
    pub also: Vec<SocketAddr>,
    /// The Record-Route of proxies before it, as a header value.
    pub record_route: Option<String>,
    /// The methods that it names in `Allow`.
    pub allows: &'static str,
    /// Requests in a dialog that it refuses, one after the other: method, status, more header lines.
    pub refuses: Vec<PhoneRefusal>,
    /// A 183 with this body goes before its 180: type and text.
    pub early: Option<(String, String)>,
    /// The body of its 200 to an INVITE, where that is not SDP as usual.
    pub says: Option<(String, String)>,
    /// Its re-INVITE had no offer: the answer goes with the ACK.
    asks_offer: bool,
    /// What became of its calls, in words.
    pub diary: Vec<String>,
    /// From and P-Asserted-Identity of the last call to it, as they stood there.
    pub last_from: String,
    /// The dialog that its next call replaces.
    replaces: Option<String>,
    /// It says nothing to OPTIONS.
    pub deaf_to_options: bool,
}

/// The one call that it has.
enum Call {
    None,
    Inviting { tx: ClientTx, invite: Request, cancel: bool },
    Invited { tx: ServerTx, invite: Arc<ValidRequest>, dialog: Dialog, answer: Option<Instant> },
    Up { dialog: Box<Dialog>, change: Option<(ClientTx, u32)>, until: Option<Instant> },
    Leaving,
}

impl Phone {
    pub(crate) fn new(
        now: Instant,
        name: &str,
        password: &str,
        addr: SocketAddr,
        exchange: SocketAddr,
        seed: u64,
    ) -> Phone {
        let mut rand = SplitMix::new(seed);
        let key = rand.seed();
        let mut config = EndpointConfig { name: String::new(), ..EndpointConfig::default() };
        config.abilities.methods.push(Method::Notify);
        let who = digest::Credentials { user: name.to_owned(), password: password.to_owned(), realm: None };
        Phone {
            name: name.to_owned(),
            behaviour: PhoneBehaviour::Answer(Duration::from_secs(2)),
            codecs: vec![Codec::G722, Codec::PCMU, Codec::PCMA],
            addr,
            router: None,
            exchange,
            user: name.to_owned(),
            endpoint: Endpoint::new(config, key),
            sdp: SdpSession::new(rand.number()),
            rand,
            auth: digest::Client::new(who),
            guard: None,
            edge: None,
            call: Call::None,
            held: Call::None,
            register: None,
            registration: None,
            contact: None,
            shows: None,
            also: Vec::new(),
            record_route: None,
            allows: "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO",
            refuses: Vec::new(),
            early: None,
            says: None,
            asks_offer: false,
            asks: Vec::new(),
            sent: 0,
            now,
            diary: Vec::new(),
            last_from: String::new(),
            replaces: None,
            deaf_to_options: false,
        }
    }

    /// Makes it a provider that lets nobody in but this user with this password.
    pub fn guards(&mut self, user: &str, password: &str) -> &mut Phone {
        let realm = "provider.example";
        let nonces = Nonces::new([7; 32], self.now, Duration::from_secs(300), 100);
        let guard = digest::Guard::new(realm, &[digest::Algorithm::Md5], nonces);
        self.guard = Some((guard, digest::Secret::of_password(user, realm, password)));
        self
    }

    /// Puts a proxy before it that asks for a proof of its own, in a realm of its own.
    pub fn has_an_edge(&mut self, user: &str, password: &str) -> &mut Phone {
        let realm = "edge.example";
        let nonces = Nonces::new([8; 32], self.now, Duration::from_secs(300), 100);
        let guard = digest::Guard::new(realm, &[digest::Algorithm::Md5], nonces);
        self.edge = Some((guard, digest::Secret::of_password(user, realm, password)));
        self
    }

    /// From now on it is another phone of this user.
    pub fn belongs_to(&mut self, user: &str, password: &str) -> &mut Phone {
        self.user = user.to_owned();
        let who = digest::Credentials { user: user.to_owned(), password: password.to_owned(), realm: None };
        self.auth = digest::Client::new(who);
        self
    }

    /// From now on it asks nobody for a password.
    pub fn lets_in(&mut self) -> &mut Phone {
        self.guard = None;
        self.edge = None;
        self
    }

    /// Sets what it does when it is called.
    pub fn behaviour(&mut self, behaviour: PhoneBehaviour) -> &mut Phone {
        self.behaviour = behaviour;
        self
    }

    /// What it speaks, best first.
    pub(crate) fn known(&self) -> &[Codec] {
        &self.codecs
    }

    /// It speaks these codecs alone, best first.
    pub fn codecs(&mut self, codecs: &[Codec]) -> &mut Phone {
        self.codecs = codecs.to_vec();
        self
    }

    /// Registers at the exchange.
    pub fn register(&mut self) {
        let me = format!("<sip:{}@{}>", self.user, self.exchange.ip());
        let uri = format!("sip:{}", self.exchange.ip());
        let mut request = self.outside(Method::Register, &uri, &me);
        request.headers.push(Name::Expires, "3600");
        // All its REGISTERs share a Call-ID and count on (RFC 3261 §10.2).
        let (call_id, number) = self.registration.take().unwrap_or_else(|| (self.rand.hex(), 0));
        request.headers.set(Name::CallId, call_id.clone());
        request.headers.set(Name::CSeq, CSeq { number: number + 1, method: Method::Register }.write());
        self.registration = Some((call_id, number + 1));
        let tx = self.send(request.clone());
        self.register = Some((tx, request));
    }

    /// Calls a number.
    pub fn dial(&mut self, number: &str) {
        let uri = format!("sip:{number}@{}", self.exchange);
        let mut invite = self.outside(Method::Invite, &uri, &format!("<{uri}>"));
        let sdp = self.sdp.offer(self.rtp(), &self.speaks());
        invite.headers.push(Name::ContentType, "application/sdp");
        invite.body = sdp.into();
        if let Some(replaces) = self.replaces.take() {
            invite.headers.push(Name::Replaces, replaces);
            invite.headers.push(Name::Require, "replaces");
        }
        let tx = self.send(invite.clone());
        self.call = Call::Inviting { tx, invite, cancel: false };
    }

    /// Hangs up, gives up, or declines.
    pub fn hang_up(&mut self) {
        match std::mem::replace(&mut self.call, Call::Leaving) {
            Call::Inviting { tx, invite, .. } => {
                self.asks.push(Ask::Cancel { tx, reason: None });
                self.call = Call::Inviting { tx, invite, cancel: true };
            }
            Call::Invited { tx, invite, .. } => {
                self.asks.push(Ask::Respond { tx, response: build::tagged(&invite, 603, "x") });
                self.call = Call::None;
            }
            Call::Up { mut dialog, .. } => {
                let bye = dialog.bye();
                self.send_by(bye, dialog.flow);
            }
            other => self.call = other,
        }
    }

    /// Puts the other side on hold, or takes it back.
    pub fn hold(&mut self, hold: bool) {
        let direction = if hold { Direction::SendOnly } else { Direction::SendRecv };
        let sound = Sound { direction, ..self.speaks() };
        let sdp = self.sdp.offer(self.rtp(), &sound);
        let contact = self.contact_of_mine();
        let Call::Up { dialog, .. } = &mut self.call else { return };
        let mut invite = dialog.request(Method::Invite);
        invite.headers.push(Name::Contact, contact);
        invite.headers.push(Name::ContentType, "application/sdp");
        invite.body = sdp.into();
        let (flow, number) = (dialog.flow, dialog.local_cseq());
        let sent = self.send_by(invite, flow);
        if let Call::Up { change, .. } = &mut self.call {
            *change = Some((sent, number));
        }
    }

    /// Asks the exchange for an offer: a re-INVITE without SDP.
    pub fn ask_offer(&mut self) {
        let contact = self.contact_of_mine();
        let Call::Up { dialog, .. } = &mut self.call else { return };
        let mut invite = dialog.request(Method::Invite);
        invite.headers.push(Name::Contact, contact);
        let (flow, number) = (dialog.flow, dialog.local_cseq());
        let sent = self.send_by(invite, flow);
        self.asks_offer = true;
        if let Call::Up { change, .. } = &mut self.call {
            *change = Some((sent, number));
        }
    }

    /// Keeps its call on hold, to make another.
    pub fn park(&mut self) {
        std::mem::swap(&mut self.call, &mut self.held);
    }

    /// Hands its call on to this number.
    pub fn refer(&mut self, number: &str) {
        let to = format!("<sip:{number}@{}>", self.exchange);
        self.refer_to(&to);
    }

    /// Connects the other side of the call on hold with the one that it talks to now.
    pub fn refer_held(&mut self, number: &str) {
        let Call::Up { dialog, .. } = &self.call else { return };
        let tag = |tag: Option<&Bytes>| String::from_utf8_lossy(tag.map_or(&[][..], |t| t)).into_owned();
        let to = format!(
            "<sip:{number}@{}?Replaces={}%3Bto-tag%3D{}%3Bfrom-tag%3D{}>",
            self.exchange,
            String::from_utf8_lossy(dialog.call_id()),
            tag(dialog.remote_tag()),
            tag(Some(dialog.local_tag())),
        );
        self.park();
        self.refer_to(&to);
        self.park();
    }

    /// Sends REFER in its call.
    pub fn refer_to(&mut self, refer_to: &str) {
        let (contact, me) = (self.contact_of_mine(), format!("<sip:{}@{}>", self.user, self.exchange.ip()));
        let Call::Up { dialog, .. } = &mut self.call else { return };
        let mut refer = dialog.request(Method::Refer);
        refer.headers.push(Name::Contact, contact);
        refer.headers.push(Name::ReferTo, refer_to.to_owned());
        refer.headers.push(Name::ReferredBy, me);
        let flow = dialog.flow;
        self.send_by(refer, flow);
    }

    /// Calls with Replaces: the dialog of the call that another phone has, or that rings there, by its names here.
    pub fn dial_replacing(&mut self, number: &str, replaces: &str) {
        self.replaces = Some(replaces.to_owned());
        self.dial(number);
    }

    /// The names of its dialog as `Replaces` has them: what another phone of its user would learn from it.
    pub fn replaces(&self) -> Option<String> {
        let dialog = match &self.call {
            Call::Up { dialog, .. } => dialog,
            Call::Invited { dialog, .. } => dialog,
            _ => return None,
        };
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let (call, theirs, ours) = (dialog.call_id(), dialog.remote_tag()?, dialog.local_tag());
        Some(format!("{};to-tag={};from-tag={}", text(call), text(theirs), text(ours)))
    }

    /// Sends a key by INFO.
    pub fn press(&mut self, key: char) {
        let Call::Up { dialog, .. } = &mut self.call else { return };
        let mut info = dialog.request(Method::Info);
        info.headers.push(Name::ContentType, "application/dtmf-relay");
        info.body = format!("Signal={key}\r\nDuration=160\r\n").into();
        let flow = dialog.flow;
        self.send_by(info, flow);
    }

    /// Has it a call?
    pub fn is_idle(&self) -> bool {
        matches!(self.call, Call::None | Call::Leaving)
    }

    /// Does it talk?
    pub fn is_up(&self) -> bool {
        matches!(self.call, Call::Up { .. })
    }

    /// How many transactions it has.
    pub fn held(&self) -> usize {
        let held = self.endpoint.held();
        held.servers + held.clients
    }

    /// The name of the exchange resolves to this address now.
    pub(crate) fn finds_exchange_at(&mut self, exchange: SocketAddr) {
        self.exchange = exchange;
    }

    /// It begins as if it had just been switched on.
    pub fn restart(&mut self) {
        self.registration = None;
    }

    /// From now on a router shows its messages to come from here. It does not know of that.
    pub fn behind(&mut self, router: &str) {
        self.router = Some(router.parse().expect("an address"));
    }

    /// Where its messages come from, seen from outside.
    pub(crate) fn outside_addr(&self) -> SocketAddr {
        self.router.unwrap_or(self.addr)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let own = match &self.call {
            Call::Invited { answer, .. } => *answer,
            Call::Up { until, .. } => *until,
            _ => None,
        };
        self.endpoint.deadline().into_iter().chain(own).min()
    }

    pub(crate) fn arrive(&mut self, now: Instant, from: SocketAddr, bytes: Bytes, out: &mut Vec<Transmit>) {
        self.now = now;
        let ignored = self.deaf_to_options && bytes.starts_with(b"OPTIONS ");
        if self.behaviour != PhoneBehaviour::Dead && !ignored {
            let flow = Flow { remote: from, ..self.flow() };
            self.feed(Input::Octets { flow, bytes }, out);
        }
        self.flush(out);
    }

    pub(crate) fn timeout(&mut self, now: Instant, out: &mut Vec<Transmit>) {
        self.now = now;
        if self.endpoint.deadline().is_some_and(|at| at <= now) {
            self.feed(Input::Timeout, out);
        }
        if matches!(&self.call, Call::Invited { answer: Some(at), .. } if *at <= now) {
            self.answer();
        }
        if matches!(&self.call, Call::Up { until: Some(at), .. } if *at <= now) {
            self.hang_up();
        }
        self.flush(out);
    }

    /// Sends what its user asked for.
    pub(crate) fn ask(&mut self, now: Instant, out: &mut Vec<Transmit>) {
        self.now = now;
        self.flush(out);
    }

    fn flush(&mut self, out: &mut Vec<Transmit>) {
        while !self.asks.is_empty() {
            for ask in std::mem::take(&mut self.asks) {
                self.feed(Input::Ask(ask), out);
            }
        }
    }

    /// After so long of talk it hangs up by itself.
    pub fn talk_at_most(&mut self, time: Duration) {
        let now = self.now;
        if let Call::Up { until, .. } = &mut self.call {
            *until = Some(now + time);
        }
    }

    fn feed(&mut self, input: Input, out: &mut Vec<Transmit>) {
        let mut outputs = Vec::new();
        self.endpoint.on(self.now, input, &mut outputs);
        for output in outputs {
            match output {
                Output::Transmit(transmit) => out.push(transmit),
                Output::Told(event) => self.on_event(event),
            }
        }
    }

    fn on_event(&mut self, event: Told) {
        match event {
            Told::Request { tx, request, flow } => self.asked(tx, request, flow),
            Told::Response { tx, response, .. } => self.answered(tx, &response),
            Told::Failed { tx, .. } => match &self.call {
                Call::Inviting { tx: ours, .. } if *ours == tx => {
                    self.diary.push("no answer".to_owned());
                    self.call = Call::None;
                }
                Call::Leaving => self.call = Call::None,
                _ => {}
            },
            Told::Cancelled { tx } => {
                if let Call::Invited { tx: ours, invite, .. } = &self.call
                    && *ours == tx
                {
                    self.asks.push(Ask::Respond { tx, response: build::tagged(invite, 487, "x") });
                    self.diary.push("cancelled".to_owned());
                    self.call = Call::None;
                }
            }
            Told::Unacknowledged { .. } => self.hang_up(),
            Told::Ack { .. } => {}
        }
    }

    fn asked(&mut self, tx: ServerTx, request: Arc<ValidRequest>, flow: Flow) {
        if matches!(&self.held, Call::Up { dialog, .. } if dialog.has(&request)) {
            self.park();
            self.asked_of_call(tx, request, flow);
            return self.park();
        }
        self.asked_of_call(tx, request, flow);
    }

    fn asked_of_call(&mut self, tx: ServerTx, request: Arc<ValidRequest>, flow: Flow) {
        let in_dialog = request.head().to.tag().is_some();
        if in_dialog && self.refuses.first().is_some_and(|(method, ..)| *method == request.method) {
            let (_, code, lines) = self.refuses.remove(0);
            let mut response = build::response(&request, code);
            lines.into_iter().for_each(|(name, value)| response.headers.push(name, value));
            return self.asks.push(Ask::Respond { tx, response });
        }
        match request.method {
            Method::Register => self.registered_here(tx, &request),
            Method::Invite if !in_dialog => self.invited(tx, request, flow),
            Method::Invite => {
                let answer = self.answer_to(&request.body);
                let contact = self.contact_of_mine();
                let Call::Up { dialog, .. } = &mut self.call else {
                    return self.asks.push(Ask::Respond { tx, response: build::response(&request, 481) });
                };
                let _ = dialog.receive(&request, flow);
                let mut response = dialog.respond(&request, 200);
                response.headers.push(Name::Contact, contact);
                response.headers.push(Name::ContentType, "application/sdp");
                response.body = answer;
                self.asks.push(Ask::Respond { tx, response });
                let sound = Sdp::parse(&request.body).ok().and_then(|s| s.sound());
                if let Some((_, sound)) = sound {
                    self.diary.push(format!("hears {:?}", sound.direction));
                }
            }
            Method::Bye => {
                let known = matches!(&self.call, Call::Up { dialog, .. } if dialog.has(&request));
                let code = if known { 200 } else { 481 };
                self.asks.push(Ask::Respond { tx, response: build::response(&request, code) });
                if known {
                    self.diary.push("ended by the exchange".to_owned());
                    self.call = Call::None;
                }
            }
            Method::Notify => {
                let body = String::from_utf8_lossy(&request.body);
                self.diary.push(format!("NOTIFY {}", body.trim().trim_start_matches("SIP/2.0 ")));
                self.asks.push(Ask::Respond { tx, response: build::response(&request, 200) });
            }
            Method::Info => {
                self.diary.push(format!(
                    "INFO {}",
                    String::from_utf8_lossy(&request.body).trim().replace("\r\n", " ")
                ));
                self.asks.push(Ask::Respond { tx, response: build::response(&request, 200) });
            }
            _ => self.asks.push(Ask::Respond { tx, response: build::response(&request, 200) }),
        }
    }

    fn registered_here(&mut self, tx: ServerTx, request: &Request) {
        let Some(mut response) = self.proven(request) else { return };
        if response.code == 200 {
            let contact = request.headers.text(&Name::Contact).unwrap_or_default().to_owned();
            response.headers.push(Name::Contact, format!("{contact};expires=600"));
            self.contact = Some(contact);
        }
        self.asks.push(Ask::Respond { tx, response });
    }

    /// 200, or the challenge: first that of the proxy before it, then its own.
    fn proven(&mut self, request: &Request) -> Option<Response> {
        let now = self.now;
        let what = (&request.method, &request.uri[..], &request.headers);
        let asks = [
            (&mut self.edge, 407, Name::ProxyAuthorization, Name::ProxyAuthenticate),
            (&mut self.guard, 401, Name::Authorization, Name::WwwAuthenticate),
        ];
        for (asks, code, answer, challenge) in asks {
            let Some((guard, secret)) = asks else { continue };
            if let digest::Verdict::Granted(_) = guard.verify(now, what, &answer, |_| Some(&*secret)) {
                continue;
            }
            let mut response = build::tagged(request, code, "p");
            for line in guard.challenge(now, false) {
                response.headers.push(challenge.clone(), line);
            }
            return Some(response);
        }
        Some(build::tagged(request, 200, "p"))
    }

    fn invited(&mut self, tx: ServerTx, invite: Arc<ValidRequest>, flow: Flow) {
        if self.guard.is_some()
            && let Some(response) = self.proven(&invite).filter(|r| r.code != 200)
        {
            return self.asks.push(Ask::Respond { tx, response });
        }
        let shown = [Name::From, Name::PAssertedIdentity];
        let lines = shown.iter().filter_map(|name| invite.headers.text(name));
        // Its own parameters begin after the URI.
        self.last_from = lines.filter_map(|l| l.split('@').next()).collect::<Vec<_>>().join(" ");
        let refusal = match self.behaviour {
            PhoneBehaviour::Busy => Some(486),
            PhoneBehaviour::Decline => Some(603),
            PhoneBehaviour::Refuse(code) => Some(code),
            _ if !self.is_idle() => Some(486),
            _ => None,
        };
        if let Some(code) = refusal {
            return self.asks.push(Ask::Respond { tx, response: build::tagged(&invite, code, "x") });
        }
        let tag = self.rand.hex();
        let Ok(dialog) = Dialog::of_request(&invite, &tag, flow) else { return };
        let user = invite.head().from.uri.user().unwrap_or_default();
        self.diary.push(format!("called by {}", String::from_utf8_lossy(&user)));
        if let Some((kind, body)) = self.early.clone() {
            let mut response = dialog.respond(&invite, 183);
            response.headers.push(Name::Contact, self.contact_of_mine());
            response.headers.push(Name::ContentType, kind);
            response.body = body.into();
            self.asks.push(Ask::Respond { tx, response });
        }
        let mut response = dialog.respond(&invite, 180);
        response.headers.push(Name::Contact, self.contact_of_mine());
        self.put_record_route(&mut response.headers);
        self.asks.push(Ask::Respond { tx, response });
        let answer = match self.behaviour {
            PhoneBehaviour::Answer(after) => Some(self.now + after),
            _ => None,
        };
        self.call = Call::Invited { tx, invite, dialog, answer };
    }

    fn answer(&mut self) {
        let Call::Invited { tx, invite, mut dialog, .. } = std::mem::replace(&mut self.call, Call::None)
        else {
            return;
        };
        let mut response = dialog.respond(&invite, 200);
        response.headers.push(Name::Contact, self.contact_of_mine());
        self.put_record_route(&mut response.headers);
        response.headers.push(Name::Allow, self.allows);
        let own = || ("application/sdp".to_owned(), String::new());
        let (kind, body) = self.says.clone().unwrap_or_else(own);
        response.headers.push(Name::ContentType, kind);
        response.body = if body.is_empty() { self.answer_to(&invite.body) } else { body.into() };
        dialog.confirm(None);
        self.asks.push(Ask::Respond { tx, response });
        self.diary.push("talks".to_owned());
        self.call = Call::Up { dialog: Box::new(dialog), change: None, until: None };
    }

    fn answered(&mut self, tx: ClientTx, response: &Response) {
        if matches!(&self.held, Call::Up { change: Some((ours, _)), .. } if *ours == tx) {
            self.park();
            self.answer_came(tx, response);
            return self.park();
        }
        self.answer_came(tx, response);
    }

    fn answer_came(&mut self, tx: ClientTx, response: &Response) {
        if !matches!(response.code, 401 | 407) {
            self.auth.accepted();
        }
        if self.register.as_ref().is_some_and(|(ours, _)| *ours == tx) {
            return self.register_answered(response);
        }
        match std::mem::replace(&mut self.call, Call::None) {
            Call::Inviting { tx: ours, invite, cancel } if ours == tx => match response.code {
                ..=199 => self.call = Call::Inviting { tx, invite, cancel },
                200..=299 => {
                    let flow = self.flow();
                    let Ok(mut dialog) = Dialog::of_answer(&invite, response, flow) else { return };
                    let number = number_of(&invite.headers);
                    self.asks.push(Ask::Ack { tx, request: Box::new(dialog.ack(number)), to: flow });
                    if cancel {
                        let bye = dialog.bye();
                        self.call = Call::Leaving;
                        self.send_by(bye, flow);
                    } else {
                        self.diary.push("talks".to_owned());
                        self.call = Call::Up { dialog: Box::new(dialog), change: None, until: None };
                    }
                }
                401 | 407 if !cancel && self.auth.challenged(&response.headers).is_ok() => {
                    let invite = self.again(invite);
                    let tx = self.send(invite.clone());
                    self.call = Call::Inviting { tx, invite, cancel };
                }
                code => self.diary.push(format!("refused {code}")),
            },
            Call::Up { dialog, change: Some((ours, number)), until } if ours == tx => {
                if response.code < 200 {
                    self.call = Call::Up { dialog, change: Some((ours, number)), until };
                    return;
                }
                if response.code < 300 {
                    let mut ack = dialog.ack(number);
                    if std::mem::take(&mut self.asks_offer) {
                        let sound = Sdp::parse(&response.body).ok().and_then(|s| s.sound());
                        self.diary.push(match sound {
                            Some((_, s)) => format!("is offered {:?} {} codecs", s.direction, s.codecs.len()),
                            None => "is offered nothing".to_owned(),
                        });
                        ack.headers.push(Name::ContentType, "application/sdp");
                        ack.body = self.answer_to(&response.body);
                    }
                    self.asks.push(Ask::Ack { tx, request: Box::new(ack), to: dialog.flow });
                }
                self.diary.push(format!("change {}", response.code));
                self.call = Call::Up { dialog, change: None, until };
            }
            Call::Leaving if response.code >= 200 => self.call = Call::None,
            other if is_refer(response) => {
                self.diary.push(format!("REFER {}", response.code));
                self.call = other;
            }
            other => self.call = other,
        }
    }

    fn register_answered(&mut self, response: &Response) {
        let Some((_, request)) = self.register.take() else { return };
        match response.code {
            401 | 407 if self.auth.challenged(&response.headers).is_ok() => {
                let request = self.again(request);
                let tx = self.send(request.clone());
                self.register = Some((tx, request));
            }
            200 => {
                self.auth.accepted();
                self.diary.push("registered".to_owned());
            }
            code => self.diary.push(format!("not registered {code}")),
        }
    }

    /// The request again, with credentials and the next number.
    fn again(&mut self, mut request: Request) -> Request {
        let number = number_of(&request.headers) + 1;
        if let Some((_, last)) = self.registration.as_mut().filter(|_| request.method == Method::Register) {
            *last = number;
        }
        request.headers.set(Name::CSeq, CSeq { number, method: request.method.clone() }.write());
        self.auth.sign(&mut request, &self.rand.hex());
        request
    }

    fn outside(&mut self, method: Method, uri: &str, to: &str) -> Request {
        let mut headers = Headers::default();
        let me = format!("<sip:{}@{}>;tag={}", self.user, self.exchange.ip(), self.rand.hex());
        headers.push(Name::From, me);
        headers.push(Name::To, to.to_owned());
        headers.push(Name::CallId, self.rand.hex());
        headers.push(Name::CSeq, CSeq { number: 1, method: method.clone() }.write());
        headers.push(Name::Contact, self.contact_of_mine());
        if method == Method::Invite {
            self.put_record_route(&mut headers);
        }
        Request { method, uri: uri.to_owned().into(), headers, body: Bytes::new() }
    }

    fn put_record_route(&self, headers: &mut Headers) {
        if let Some(route) = &self.record_route {
            headers.push(Name::RecordRoute, route.clone());
        }
    }

    fn send(&mut self, request: Request) -> ClientTx {
        let flow = self.flow();
        self.send_by(request, flow)
    }

    fn send_by(&mut self, request: Request, to: Flow) -> ClientTx {
        self.sent += 1;
        let tx = ClientTx { owner: 1, n: self.sent };
        self.asks.push(Ask::Send { tx, request: Box::new(request), to });
        tx
    }

    fn flow(&self) -> Flow {
        Flow { transport: Transport::Udp, local: self.addr, remote: self.exchange, connection: 0 }
    }

    fn contact_of_mine(&self) -> String {
        self.shows.clone().unwrap_or_else(|| format!("<sip:{}@{}>", self.user, self.addr))
    }

    /// Where it wants sound.
    pub(crate) fn rtp(&self) -> SocketAddr {
        SocketAddr::new(self.addr.ip(), 4000)
    }

    fn speaks(&self) -> Sound {
        Sound { codecs: self.codecs.clone(), telephone_event: Some(101), ptime: Some(20), ..Sound::default() }
    }

    fn answer_to(&mut self, offer: &Bytes) -> Bytes {
        let Ok(sdp) = Sdp::parse(offer) else { return Bytes::new() };
        let Some((at, sound)) = sdp.sound() else { return Bytes::new() };
        let known = |codec: &&Codec| self.codecs.iter().any(|own| own.kind == codec.kind);
        let Some(codec) = sound.codecs.iter().find(known) else { return Bytes::new() };
        let ours = negotiate::answer(&sound, codec);
        self.sdp.answer(&sdp, self.rtp(), Some((at, &ours))).into()
    }
}

fn is_refer(response: &Response) -> bool {
    let cseq = response.headers.get(&Name::CSeq).and_then(|v| CSeq::read(v).ok());
    cseq.is_some_and(|cseq| cseq.method == Method::Refer)
}

fn number_of(headers: &Headers) -> u32 {
    headers.get(&Name::CSeq).and_then(|v| CSeq::read(v).ok()).map_or(1, |c| c.number)
}
