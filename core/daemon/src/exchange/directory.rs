//! The directory: who is who on the control arbiter, and the one place where posts are delivered. It lives on one
//! thread; nothing in it is locked and nothing waits.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use ringtrip_config::Config;
use ringtrip_exchange::call::{Birth, Call, CallSetup, Caller};
use ringtrip_exchange::cdr::Cdr;
use ringtrip_exchange::desk::DeskInput;
use ringtrip_exchange::directory::{self, Admission};
use ringtrip_exchange::leg::index::{LegIndex, Undelivered, undelivered};
use ringtrip_exchange::overload::Admitter;
use ringtrip_exchange::post::{CallInput, GatewayInput, LegInput, LineInput, MediaEvent, Post};
use ringtrip_exchange::rating::{RatingInput, RatingOutput};
use ringtrip_exchange::supervise::{Decision, Ending, Exit, PartId, Rule, Supervisor};
use ringtrip_media::engine::MediaCommand;
use ringtrip_model::event::Event;
use ringtrip_model::ids::{BoardId, CallId, GatewayId, Ids, LegId, LineId};
use ringtrip_model::line::LineState;
use ringtrip_routing::Engine;
use ringtrip_sip::endpoint::{Transmit, Transport};
use ringtrip_sip::nat::Topology;

use super::front::Door;
use super::parts::{CallShell, CallWorld, DeskShell, GatewayShell, LineShell};
use super::{boards, find, live, registrations, route, wall};
use crate::control::Exchange;
use crate::dns::Dns;
use crate::events::EventHub;
use crate::media::{Media, Pool, PreferredWorker, Prompts};
use crate::net::Net;
use crate::panics::caught;
use crate::rating::Rating;
use crate::routes::{Routes, Workers};
use crate::shell::{In, Shell};
use crate::store::Store;

/// Inputs that may wait for one call: a call speaks with few, and seldom.
const CALL_MAILBOX: usize = 64;

/// A handle on the directory; all clones are the same one.
#[derive(Clone)]
pub struct Directory(pub(super) Rc<Inner>);

/// All that the control arbiter knows.
pub(super) struct Inner {
    pub config: RefCell<Arc<Config>>,
    pub setup: RefCell<Arc<CallSetup>>,
    pub ids: Ids,
    /// Which call has which leg.
    pub legs: RefCell<LegIndex>,
    pub agent: String,
    /// The secret under digest nonces.
    pub nonce_secret: [u8; 32],
    pub programs: boards::Programs,
    pub developer: bool,
    pub door: Door,
    pub routes: Routes,
    pub money: Rating,
    #[cfg(feature = "plugins")]
    pub plugins: crate::plugins::Plugins,
    pub workers: Workers,
    pub desk: RefCell<Option<Addr<DeskShell>>>,
    /// What waits in its mailbox.
    pub desk_waiting: Cell<usize>,
    /// Whose datagrams are taken in overload.
    pub admitter: RefCell<Admitter>,
    /// Who is where, and who may.
    pub index: RefCell<directory::Directory>,
    pub calls: RefCell<HashMap<CallId, CallEntry>>,
    pub lines: RefCell<HashMap<LineId, Addr<LineShell>>>,
    pub gateways: RefCell<HashMap<GatewayId, Addr<GatewayShell>>>,
    pub boards: RefCell<HashMap<BoardId, boards::Board>>,
    pub supervisor: RefCell<Supervisor>,
    pub media: Media,
    pub prompts: Prompts,
    pub pool: Pool,
    pub net: RefCell<Option<Net>>,
    /// Which address of ours a peer is shown.
    pub topology: RefCell<Arc<Topology>>,
    /// Our addresses as seen from outside, where they are not configured: by a name, or as providers see them.
    pub external: RefCell<Vec<IpAddr>>,
    /// The servers that each gateway's name has resolved to.
    pub servers: RefCell<HashMap<GatewayId, Vec<(Transport, SocketAddr)>>>,
    pub dns: Dns,
    pub store: Store,
    pub events: EventHub,
    pub exchange: Exchange,
}

/// The actor of a call, and what it is routed by.
pub(super) struct CallEntry {
    pub addr: Addr<CallShell>,
    /// The engine that it was first routed by: it keeps it.
    pub engine: Option<Arc<Engine>>,
    /// That engine is a canary's.
    pub canary: bool,
}

impl Directory {
    /// Delivers all of these posts.
    pub fn deliver_all(&self, posts: &mut Vec<Post>) {
        for post in posts.drain(..) {
            self.deliver(post);
        }
    }

    /// Delivers a post.
    pub fn deliver(&self, post: Post) {
        let call = match &post {
            Post::Ask(query) => query.call,
            Post::Find { call, .. } => *call,
            _ => return self.pass_on(post),
        };
        let mut answers = VecDeque::new();
        self.answer(post, &mut answers);
        answers.into_iter().for_each(|answer| self.send_to_call(call, answer));
    }

    /// Delivers a post of a call. What it asks and what is known at once is answered here and now.
    pub fn answer(&self, post: Post, answers: &mut VecDeque<CallInput>) {
        match post {
            Post::Ask(query) => {
                tracing::trace!(?query, "post: ask");
                let call = query.call;
                let plan = route::ask(self, query);
                answers.extend(plan.map(|plan| self.on_its_way(call, CallInput::Routed(plan))));
            }
            Post::Find { call, seq, target, rated, emergency, last, except } => {
                tracing::trace!(%call, seq, ?target, emergency, last, ?except, "post: find");
                if let Some(attempt) = rated {
                    let (may, told) = self.0.money.may_try(call, attempt);
                    self.money_told(told);
                    if let Err((cause, step)) = may {
                        answers.push_back(CallInput::Noted(step));
                        answers.push_back(CallInput::Found { seq, found: Err(cause) });
                        return;
                    }
                }
                let found = find::find(self, call, seq, target, emergency, last, &except);
                let answer = |found| self.on_its_way(call, CallInput::Found { seq, found });
                answers.extend(found.map(answer));
            }
            post => self.pass_on(post),
        }
    }

    fn pass_on(&self, post: Post) {
        trace(&post);
        match post {
            Post::Ask(_) | Post::Find { .. } => self.deliver(post),
            Post::NewCall(birth) => self.born(*birth),
            Post::Call { call, input } => self.to_call(call, input),
            Post::Leg { leg, input } => self.to_leg(leg, input),
            Post::Owns { call, leg } => self.0.legs.borrow_mut().put(call, leg),
            Post::Conference { call, input } => {
                let mut out = Vec::new();
                self.0.index.borrow_mut().on_conference_input(call, input, &mut out);
                live::conferences(self);
                self.deliver_all(&mut out);
            }
            Post::Line { line, input } => self.to_line(line, input),
            Post::Gateway { gateway, input } => self.to_gateway(&gateway, input),
            Post::Rate(input) => self.rate(input),
            Post::Resolve { gateway, host, port, transport } => {
                find::resolve(self, gateway, host, port, transport);
            }
            Post::RegistrationChanged { ext, contacts } => {
                registrations::changed(self, &ext, &contacts);
                self.0.index.borrow_mut().set_contacts(ext, contacts);
            }
            Post::Latency { ext, remote, latency } => registrations::measured(self, &ext, remote, latency),
            Post::SeenAs { gateway, seen } => self.seen_as(&gateway, seen),
            Post::LocalAddress { leg, flow, peer_knows_it } => {
                let net = self.0.net.borrow().clone();
                if let Some(local) = net.and_then(|net| net.local_of(&flow, peer_knows_it)) {
                    self.to_leg(leg, LegInput::LocalAddress(local));
                }
            }
            Post::Lookup { leg, name } => find::lookup(self, leg, name),
            Post::Peer { gateway, addresses } => {
                self.0.admitter.borrow_mut().set_gateway(gateway.clone(), addresses.clone());
                self.to_desk(DeskInput::Peer { gateway, addresses });
            }
            Post::Sip(ask) => self.to_desk(DeskInput::Ask(ask)),
            Post::Board { port, cmd } => boards::command(self, &port, cmd),
            Post::Media(mut command) => {
                if let MediaCommand::SetParameters { parameters, .. } = &mut command {
                    // Packets go out a little faster where the kernel would choose this address by itself.
                    let (net, remote) = (self.0.net.borrow(), parameters.remote.ip());
                    let is_not_first = |local: &IpAddr| {
                        net.as_ref().is_some_and(|net| net.is_not_first_choice(*local, remote))
                    };
                    parameters.local = parameters.local.filter(is_not_first);
                }
                self.0.media.send(command);
            }
            Post::Keep(cdr) => self.keep(cdr),
            Post::Tell(event) => self.tell(event),
        }
    }

    /// To the event stream, the log and what people see.
    pub fn tell(&self, event: Event) {
        live::note(self, &event);
        self.0.events.publish(event);
    }

    /// To the rating.
    pub fn rate(&self, input: RatingInput) {
        self.money_told(self.0.money.on(input));
    }

    /// What the money says: calls that have to end, and what those who watch should know.
    pub fn money_told(&self, told: Vec<RatingOutput>) {
        for output in told {
            if let RatingOutput::End { call, because } = &output {
                tracing::info!(%call, "{because}");
            }
            self.deliver(output.into());
        }
    }

    /// To the desk.
    pub fn to_desk(&self, input: DeskInput) {
        let desk = self.0.desk.borrow();
        let Some(desk) = &*desk else { return };
        if desk.try_send(In(input)).is_ok() {
            self.0.desk_waiting.set(self.0.desk_waiting.get() + 1);
        } else {
            crate::logging::warn_counted("desk-full", || {
                "the SIP desk is overloaded: a message was dropped".to_owned()
            });
        }
    }

    /// Is a message from here taken now? In overload those of strangers are not: datagrams are dropped, streams not read.
    pub fn admits(&self, from: SocketAddr, transport: Transport) -> bool {
        let admits = self.0.admitter.borrow_mut().admit(Instant::now(), from, self.0.desk_waiting.get());
        if !admits && transport == Transport::Udp {
            self.0.exchange.counters().add("sip_refused_total", "", 1.0);
            crate::logging::warn_counted("sip-overload", || {
                format!(
                    "more SIP messages come than can be worked through; some are dropped, the last from {}",
                    from.ip()
                )
            });
        }
        admits
    }

    /// Octets for a SIP peer.
    pub fn transmit(&self, transmit: Transmit) {
        // A part that is asked something is expected to answer.
        if !transmit.bytes.starts_with(b"SIP/2.0 ") {
            self.0.admitter.borrow_mut().learn(Instant::now(), transmit.flow.remote);
        }
        if let Some(net) = &*self.0.net.borrow() {
            net.transmit(transmit);
        }
    }

    fn to_call(&self, call: CallId, input: CallInput) {
        self.send_to_call(call, self.on_its_way(call, input));
    }

    /// What passes on its way to a call: legs are given our addresses of now, plans their prices.
    fn on_its_way(&self, call: CallId, input: CallInput) -> CallInput {
        match input {
            CallInput::Found { seq, found } => {
                CallInput::Found { seq, found: found.map(|all| find::rooted(self, all)) }
            }
            CallInput::Routed(mut plan) => {
                let source = self.0.index.borrow().source_of(call).cloned();
                if let Some(source) = source {
                    self.money_told(self.0.money.routed(call, &source, &mut plan));
                }
                live::routed(self, call, &plan.provenance.because);
                CallInput::Routed(plan)
            }
            other => other,
        }
    }

    fn send_to_call(&self, call: CallId, input: CallInput) {
        let input = match self.0.calls.borrow().get(&call) {
            Some(entry) => match entry.addr.try_send(In(input)) {
                Ok(()) => return,
                Err(SendError::Full(In(input)) | SendError::Closed(In(input))) => input,
            },
            None => input,
        };
        match input {
            CallInput::Leg { input, .. } => self.leg_absent(input),
            CallInput::Adopt { leg, .. } => {
                let (setup, mut out) = (self.0.setup.borrow().clone(), Vec::new());
                leg.abandon(Instant::now(), &setup, rand::random(), &mut out);
                self.deliver_all(&mut out);
            }
            _ => {}
        }
    }

    /// To a leg, whichever call has it.
    pub fn to_leg(&self, leg: LegId, input: LegInput) {
        let call = self.0.legs.borrow().call_of(leg);
        match call {
            Some(call) => self.to_call(call, CallInput::Leg { leg, input }),
            None => self.leg_absent(input),
        }
    }

    fn leg_absent(&self, input: LegInput) {
        match undelivered(input) {
            Some(Undelivered::Desk(input)) => self.to_desk(input),
            Some(Undelivered::Call(call, input)) => self.to_call(call, input),
            None => {}
        }
    }

    fn to_line(&self, line: LineId, input: LineInput) {
        self.0.index.borrow_mut().on_line_input(&line, &input);
        let input = match self.0.lines.borrow().get(&line) {
            Some(addr) => match addr.try_send(In(input)) {
                Ok(()) => return,
                Err(SendError::Full(In(input)) | SendError::Closed(In(input))) => input,
            },
            None => input,
        };
        self.line_absent(&line, input);
    }

    fn to_gateway(&self, gateway: &GatewayId, input: GatewayInput) {
        let input = match self.0.gateways.borrow().get(gateway) {
            Some(addr) => match addr.try_send(In(input)) {
                Ok(()) => return,
                Err(SendError::Full(In(input)) | SendError::Closed(In(input))) => input,
            },
            None => input,
        };
        self.gateway_absent(input);
    }

    /// A call is born: leases its ports, opens its actor. Without ports or room it is refused, and the caller gets an answer.
    fn born(&self, mut birth: Birth) {
        let admission = self.0.index.borrow().admit(&birth);
        // Who is called is not known yet; a telephone or landline that takes the call fetches its sound to the first worker.
        let worker = match (&birth.a, self.0.config.borrow().boards.is_empty()) {
            (_, true) => PreferredWorker::Any,
            (Caller::Line { .. }, _) => PreferredWorker::First,
            _ => PreferredWorker::Others,
        };
        let lease = match admission {
            Admission::Emergency => self.0.pool.lease_for_help(worker),
            Admission::Admitted => self.0.pool.lease(worker),
            Admission::Full => None,
        };
        let mut out = Vec::new();
        let Some(lease) = lease else {
            self.0.index.borrow_mut().refuse(Instant::now(), birth, &mut out);
            self.deliver_all(&mut out);
            return;
        };
        birth.at = wall::now();
        birth.ports = lease.ports();
        let id = birth.id;
        if let Some(leg) = birth.leg() {
            self.0.legs.borrow_mut().put(id, leg);
        }
        self.0.index.borrow_mut().call_begins(&birth, admission);
        self.0.media.open(id, &lease);
        let setup = self.0.setup.borrow().clone();
        let invite = match &birth.a {
            Caller::Sip { tx, request, .. } => Some((*tx, request.clone())),
            _ => None,
        };
        let call = match caught(|| Call::new(Instant::now(), birth, &setup, rand::random(), &mut out)) {
            Ok(call) => call,
            Err(why) => {
                self.fell(&PartId::Call(id), &why);
                if let Some((tx, request)) = invite {
                    self.deliver(directory::unavailable(tx, &request));
                }
                self.call_wrecked(id);
                return;
            }
        };
        let answers = VecDeque::new();
        let world = CallWorld { directory: self.clone(), call: id, lease: Some(lease), answers };
        let ctx = Context::<CallShell>::new();
        let addr = ctx.address();
        self.0.calls.borrow_mut().insert(id, CallEntry { addr, engine: None, canary: false });
        // What it says first is delivered before it has a mailbox: most calls are on their way then.
        Shell::new(call, world, CALL_MAILBOX).run(ctx, out);
    }

    /// A call's actor is gone.
    pub fn call_over(&self, call: CallId) {
        self.call_ended(call);
        self.0.index.borrow_mut().call_over(call);
        self.0.calls.borrow_mut().remove(&call);
        self.0.legs.borrow_mut().forget(call);
    }

    /// A call has ended: it does not count any more, here or with its provider.
    pub fn call_ended(&self, call: CallId) {
        let counted = self.0.index.borrow_mut().call_ended(call);
        if counted {
            self.rate(RatingInput::Gone { call });
            live::call_gone(self, call);
        }
    }

    /// A call fell: what it held is freed, and its record is closed in its stead.
    pub fn call_wrecked(&self, call: CallId) {
        let mut out = Vec::new();
        self.0.index.borrow_mut().call_failed(call, &self.0.legs.borrow(), wall::now(), &mut out);
        live::conferences(self);
        self.deliver_all(&mut out);
        self.call_over(call);
    }

    fn keep(&self, cdr: Box<Cdr>) {
        live::record(self, &cdr);
        let cdr: Arc<Cdr> = Arc::from(cdr);
        if !self.0.store.write_cdr(cdr.clone()) {
            crate::logging::warn_counted("store-full", || {
                format!("the store does not take the record of call {}", cdr.call)
            });
        }
        if self.0.index.borrow_mut().on_record(&cdr) {
            let canary = self.0.calls.borrow().get(&cdr.call).is_some_and(|entry| entry.canary);
            self.0.routes.call_ended(&cdr, canary);
        }
    }

    /// A part fell: the table decides. Answers when to build it anew.
    pub fn fell(&self, part: &PartId, why: &str) -> Option<Duration> {
        let mut supervisor = self.0.supervisor.borrow_mut();
        let generation = match supervisor.generation(part) {
            Some(generation) => generation,
            // Calls are not listed one by one: temporary, never restarted.
            None if matches!(part, PartId::Call(_)) => supervisor.add(part, Rule::TEMPORARY),
            None => return None,
        };
        let exit = Exit { part: part.clone(), generation, ending: Ending::Failed(why.to_owned()) };
        let decision = supervisor.on(Instant::now(), &exit);
        drop(supervisor);
        tracing::error!(%part, why, ?decision, "a part fell");
        let (after, generation, gave_up) = match decision {
            Decision::Restart { after, generation } => (Some(after), generation, false),
            Decision::GiveUp => (None, generation, true),
            Decision::Forget | Decision::Ignore => (None, generation, false),
        };
        live::part(self, part, after.is_some(), generation, Some(why));
        self.tell(Event::Restarted { part: part.to_string(), why: why.to_owned(), generation, gave_up });
        if gave_up {
            let text =
                format!("{part} fell too often ({why}) and stays down until the configuration changes");
            self.tell(Event::Alarm { what: "supervisor", text });
        }
        after
    }

    /// A line's machine fell with a leg on it: the call hears that the leg is gone.
    pub fn line_lost_its_leg(&self, line: &LineId) {
        let told = self.0.index.borrow_mut().line_failed(line);
        if let Some(told) = told {
            self.deliver(told);
        }
    }

    /// A line was given up: nobody is put through to it, and the next change of the configuration starts it afresh.
    pub fn line_given_up(&self, line: &LineId) {
        self.0.lines.borrow_mut().remove(line);
        self.0.index.borrow_mut().remove_line(line);
        self.0.exchange.update(|views| {
            if let Some(view) = views.lines.get_mut(line.as_str()) {
                view.state = LineState::OutOfService;
                view.call = None;
            }
        });
        self.tell(Event::LineState { line: line.clone(), state: LineState::OutOfService });
    }

    /// The same for a gateway.
    pub fn gateway_given_up(&self, gateway: &GatewayId) {
        self.0.gateways.borrow_mut().remove(gateway);
        let why = "given up after it failed again and again";
        self.0.exchange.update(|views| {
            if let Some(view) = views.gateways.get_mut(gateway.as_str()) {
                view.up = false;
                view.why = Some(why.to_owned());
            }
        });
        self.tell(Event::GatewayState { gateway: gateway.clone(), up: false, why: why.to_owned() });
    }

    /// A post for a line that is not there.
    pub fn line_absent(&self, line: &LineId, input: LineInput) {
        if let Some(answer) = directory::line_is_absent(&input) {
            return self.deliver(answer);
        }
        match input {
            LineInput::Key { .. } | LineInput::Media(MediaEvent::Digit { .. }) | LineInput::Leg { .. } => {
                tracing::debug!(%line, "nobody is there to hear a key or a call");
            }
            other => tracing::debug!(%line, ?other, "nobody is there to hear this"),
        }
    }

    /// A post for a gateway that is not there.
    pub fn gateway_absent(&self, input: GatewayInput) {
        if let Some(answer) = directory::gateway_is_absent(&input) {
            self.deliver(answer);
        }
    }

    /// The media engine says something.
    pub fn media(&self, call: Option<CallId>, event: MediaEvent) {
        let post = self.0.index.borrow().media(call, event);
        if let Some(post) = post {
            self.deliver(post);
        }
    }
}

fn trace(post: &Post) {
    if post.has_keys() {
        tracing::trace!("post with keys, which may be a PIN");
    } else {
        tracing::trace!(?post, "post");
    }
}
