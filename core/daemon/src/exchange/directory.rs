//! The directory: who is who on the control arbiter, and the one place where posts are delivered. It lives on one
//! thread; nothing in it is locked and nothing waits.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use ringtrip_config::Config;
use ringtrip_exchange::call::{Birth, Call, CallSetup, Caller};
use ringtrip_exchange::cdr::Cdr;
use ringtrip_exchange::desk::DeskInput;
use ringtrip_exchange::emergency;
use ringtrip_exchange::leg::index::{LegIndex, Undelivered, undelivered};
use ringtrip_exchange::leg::{LegCmd, LegEvent};
use ringtrip_exchange::overload::Admitter;
use ringtrip_exchange::pins::PinGuard;
use ringtrip_exchange::post::{CallInput, GatewayInput, LegInput, LineInput, MediaCmd, MediaEvent, Post};
use ringtrip_exchange::prompt;
use ringtrip_exchange::route::Found;
use ringtrip_exchange::supervise::{Decision, Ending, Exit, Rule, Supervisor};
use ringtrip_model::board::PortKind;
use ringtrip_model::event::Event;
use ringtrip_model::ids::{BoardId, CallId, ExtId, GatewayId, Ids, LegId, LineId, PortRef};
use ringtrip_model::party::{Cause, Digits, Source};
use ringtrip_routing::Engine;
use ringtrip_sip::endpoint::{Transmit, Transport};
use ringtrip_sip::nat::Topology;

use super::front::Door;
use super::parts::{self, CallShell, CallWorld, DeskShell, GatewayShell, LineShell};
use super::{boards, find, live, registrations, route, wall, wishes};
use crate::control::Exchange;
use crate::descriptors::Budget;
use crate::dns::Dns;
use crate::events::EventHub;
use crate::media::{Plane, Pool, Prompts};
use crate::money::{Money, Says};
use crate::net::Net;
use crate::panics::caught;
use crate::routes::{Routes, Workers};
use crate::shell::In;
use crate::store::Store;

/// Inputs that may wait for one call: a call speaks with few, and seldom.
const CALL_MAILBOX: usize = 64;
/// Calls that may be there for each one that may count: those that have ended wait for the last word of their far ends.
const LINGERING: usize = 8;
/// That new calls are refused is told this often at most: around the limit it begins and ends with every call.
const SHEDDING_TOLD: Duration = Duration::from_secs(60);

/// A handle on the directory; all clones are the same one.
#[derive(Clone)]
pub struct Directory(pub(super) Rc<Inner>);

/// The legs that reach a target, or why there is none.
type Legs = Result<Vec<Found>, Cause>;

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
    pub money: Money,
    #[cfg(feature = "plugins")]
    pub plugins: crate::plugins::Plugins,
    pub workers: Workers,
    pub desk: RefCell<Option<Addr<DeskShell>>>,
    /// What waits in its mailbox.
    pub desk_waiting: Cell<usize>,
    /// Whose datagrams are taken in overload.
    pub admitter: RefCell<Admitter>,
    pub calls: RefCell<HashMap<CallId, CallEntry>>,
    /// How many calls count.
    pub seats: Cell<usize>,
    /// How many calls each source has.
    pub sources: RefCell<HashMap<Source, usize>>,
    pub lines: RefCell<HashMap<LineId, LineEntry>>,
    pub ports: RefCell<HashMap<PortRef, LineId>>,
    pub gateways: RefCell<HashMap<GatewayId, Addr<GatewayShell>>>,
    pub boards: RefCell<HashMap<BoardId, boards::Board>>,
    pub supervisor: RefCell<Supervisor>,
    pub plane: Plane,
    pub prompts: Prompts,
    /// Wrong PINs of late.
    pub pins: RefCell<PinGuard>,
    pub pool: Pool,
    /// What the limit of open files carries.
    pub budget: Budget,
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
    /// When it was last told that new calls are refused.
    pub shedding: Cell<Option<Instant>>,
    /// Extensions whose registrations changed since the desk was last looked at.
    pub dirty: RefCell<BTreeSet<ExtId>>,
    /// Calls that wait for the phones of their operator to be found.
    pub summons: RefCell<HashMap<CallId, wishes::Summons>>,
    /// Telephones of extensions whose SIP phones the desk is being asked for.
    pub beside: RefCell<HashMap<(CallId, u16), Legs>>,
}

pub(super) struct CallEntry {
    pub addr: Addr<CallShell>,
    pub source: Source,
    /// It counts. One that has ended and only waits for the last word of a far end does not.
    pub has_seat: bool,
    /// The engine that it was first routed by: it keeps it.
    pub engine: Option<Arc<Engine>>,
    /// That engine is a canary's.
    pub canary: bool,
    /// The newest record: what is closed in the call's stead if it falls.
    pub cdr: Option<Arc<Cdr>>,
}

pub(super) struct LineEntry {
    pub addr: Addr<LineShell>,
    pub port: PortRef,
    pub kind: PortKind,
    /// The leg that it carries, as far as posts told.
    pub leg: Option<LegId>,
    /// Whether that leg is of an emergency call.
    pub emergency: bool,
    /// Free for a new leg, by its own last word.
    pub free: bool,
    /// Its board works and its pair has battery, by its own last word.
    pub alive: bool,
    /// Its pair or its board failed a call a moment ago.
    pub faulty: bool,
    /// Something goes on at its jack: a call, a ring, a lifted telephone.
    pub busy: bool,
    /// Given to a call a moment ago.
    pub reserved: Option<Instant>,
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
        if post.has_keys() {
            tracing::trace!("post with keys, which may be a PIN");
        } else {
            tracing::trace!(?post, "post");
        }
        match post {
            Post::NewCall(birth) => self.born(*birth),
            Post::Call { call, input } => self.to_call(call, input),
            Post::Leg { leg, input } => self.to_leg(leg, input),
            Post::Owns { call, leg } => self.0.legs.borrow_mut().put(call, leg),
            Post::Line { line, input } => self.to_line(line, input),
            Post::Gateway { gateway, input } => self.to_gateway(&gateway, input),
            Post::Ask(query) => route::ask(self, query),
            Post::Find { call, seq, target, emergency, last, except } => {
                if !emergency {
                    let (may, told) = self.0.money.may_try(call, seq, &target);
                    self.money_told(told);
                    if let Err((cause, step)) = may {
                        self.to_call(call, CallInput::Noted(step));
                        return self.to_call(call, CallInput::Found { seq, found: Err(cause) });
                    }
                }
                find::find(self, call, seq, target, emergency, last, &except);
            }
            Post::Left { call, seq } => self.money_told(self.0.money.left(call, seq)),
            Post::Resolve { gateway, host, port, transport } => {
                find::resolve(self, gateway, host, port, transport);
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
            Post::Media(cmd) => self.0.plane.send(cmd),
            Post::Keep(cdr) => self.keep(cdr),
            Post::Tell(event) => self.tell(event),
        }
    }

    /// To the event stream, the log and what people see.
    pub fn tell(&self, event: Event) {
        live::note(self, &event);
        let told = self.0.money.heard(&event);
        self.0.events.publish(event);
        self.money_told(told);
    }

    /// What the money says: calls that have to end, and what those who watch should know.
    pub fn money_told(&self, told: Says) {
        for call in told.warn {
            self.to_call(call, CallInput::Say { prompt: prompt::LIMIT_NEAR.to_owned() });
        }
        for call in told.end {
            self.to_call(call, CallInput::Hangup(Cause::Spent));
        }
        told.events.into_iter().for_each(|event| self.tell(event));
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
        // Whoever is asked something is expected to answer.
        if !transmit.bytes.starts_with(b"SIP/2.0 ") {
            self.0.admitter.borrow_mut().learn(Instant::now(), transmit.flow.remote);
        }
        if let Some(net) = &*self.0.net.borrow() {
            net.transmit(transmit);
        }
    }

    fn to_call(&self, call: CallId, input: CallInput) {
        let input = match input {
            CallInput::Found { seq, found } => {
                let telephone = self.0.beside.borrow_mut().remove(&(call, seq));
                let found = match telephone {
                    Some(telephone) => find::merge(telephone, found),
                    None => found,
                };
                let summons = self.0.summons.borrow_mut().remove(&call);
                if let Some(summons) = summons {
                    summons.found(self, call, found);
                    return;
                }
                CallInput::Found { seq, found: found.map(|all| find::rooted(self, all)) }
            }
            CallInput::Routed(mut plan) => {
                let source = self.0.calls.borrow().get(&call).map(|entry| entry.source.clone());
                if let Some(source) = source {
                    self.money_told(self.0.money.routed(call, &source, &mut plan));
                }
                live::routed(self, call, &plan.provenance.because);
                CallInput::Routed(plan)
            }
            other => other,
        };
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
        let mut lines = self.0.lines.borrow_mut();
        let Some(entry) = lines.get_mut(&line) else {
            drop(lines);
            self.line_absent(&line, input);
            return;
        };
        if let LineInput::Leg { leg, cmd } = &input {
            match cmd {
                LegCmd::Place(placement) => {
                    entry.leg = Some(*leg);
                    entry.emergency = placement.emergency;
                }
                LegCmd::End(_) if entry.leg == Some(*leg) => entry.leg = None,
                _ => {}
            }
        }
        let refused = entry.addr.try_send(In(input)).err();
        drop(lines);
        if let Some(SendError::Full(In(input)) | SendError::Closed(In(input))) = refused {
            self.line_absent(&line, input);
        }
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

    /// A call is born: leases its ports, opens its actor. Without ports or room it is refused, and told so.
    fn born(&self, mut birth: Birth) {
        let config = self.0.config.borrow().clone();
        let help = |number: &Digits| {
            emergency::begun(&config, &birth.source, false, &birth.caller, number).is_some()
        };
        let emergency = help(&birth.dialled) || birth.planned.as_ref().is_some_and(|p| help(&p.number));
        let most = self.0.budget.calls.min(config.limits.calls as usize);
        // Those that only wait for a last word cost memory, if nothing else.
        let many = self.0.seats.get() >= most || self.0.calls.borrow().len() >= LINGERING * most.max(100);
        let full = !emergency
            && (many || self.calls_of(&birth.source) >= usize::from(config.limits.calls_per_source));
        let lease = match (full, emergency) {
            (_, true) => self.0.pool.lease_for_help(),
            (false, false) => self.0.pool.lease(),
            (true, false) => None,
        };
        let Some(lease) = lease else {
            self.refuse(birth);
            return;
        };
        birth.at = wall::now();
        birth.ports = lease.ports();
        let id = birth.id;
        if let Some(leg) = birth.leg() {
            self.0.legs.borrow_mut().put(id, leg);
        }
        if let Caller::Line { leg, line } = &birth.a
            && let Some(entry) = self.0.lines.borrow_mut().get_mut(line)
        {
            entry.leg = Some(*leg);
            entry.emergency = emergency;
        }
        self.0.plane.open(id, &lease);
        let mut out = Vec::new();
        let setup = self.0.setup.borrow().clone();
        let source = birth.source.clone();
        let invite = match &birth.a {
            Caller::Sip { tx, request, .. } => Some((*tx, request.clone())),
            _ => None,
        };
        let call = match caught(|| Call::new(Instant::now(), birth, &setup, rand::random(), &mut out)) {
            Ok(call) => call,
            Err(why) => {
                self.fell(&format!("call {id}"), &why);
                if let Some((tx, request)) = invite {
                    self.to_desk(DeskInput::Refuse { tx, request });
                }
                self.call_wrecked(id);
                return;
            }
        };
        let world = CallWorld { directory: self.clone(), call: id, lease: Some(lease) };
        let addr = parts::start(call, world, CALL_MAILBOX);
        *self.0.sources.borrow_mut().entry(source.clone()).or_default() += 1;
        self.0.seats.set(self.0.seats.get() + 1);
        self.0
            .calls
            .borrow_mut()
            .insert(id, CallEntry { addr, source, has_seat: true, engine: None, canary: false, cdr: None });
        self.deliver_all(&mut out);
    }

    fn refuse(&self, birth: Birth) {
        let told = self.0.shedding.get();
        if told.is_none_or(|told| told.elapsed() > SHEDDING_TOLD) {
            self.0.shedding.set(Some(Instant::now()));
            let text = "new calls are refused: no media port is free, or the limit of calls is reached";
            self.tell(Event::Alarm { what: "overload", text: text.to_owned() });
        }
        match birth.a {
            Caller::Sip { tx, request, .. } => self.to_desk(DeskInput::Refuse { tx, request }),
            Caller::Line { leg, line } => {
                self.to_line(line, LineInput::Leg { leg, cmd: LegCmd::End(Cause::Congestion) });
            }
            Caller::Operator { .. } => {}
        }
    }

    /// A call's actor is gone.
    pub fn call_over(&self, call: CallId) {
        self.call_ended(call);
        self.0.calls.borrow_mut().remove(&call);
        self.0.legs.borrow_mut().forget(call);
    }

    /// A call has ended: it does not count any more, here or with its provider.
    pub fn call_ended(&self, call: CallId) {
        let source = {
            let mut calls = self.0.calls.borrow_mut();
            let Some(entry) = calls.get_mut(&call) else { return };
            if !std::mem::take(&mut entry.has_seat) {
                return;
            }
            entry.source.clone()
        };
        self.0.seats.set(self.0.seats.get().saturating_sub(1));
        if let Entry::Occupied(mut of) = self.0.sources.borrow_mut().entry(source) {
            *of.get_mut() -= 1;
            if *of.get() == 0 {
                of.remove();
            }
        }
        self.money_told(self.0.money.gone(call));
        live::call_gone(self, call);
    }

    /// A call fell: what it held is freed, and its record is closed in its stead.
    pub fn call_wrecked(&self, call: CallId) {
        self.0.plane.send(MediaCmd::Close { call });
        let legs: Vec<(LineId, LegId)> = self
            .0
            .lines
            .borrow()
            .iter()
            .filter_map(|(line, entry)| {
                Some((
                    line.clone(),
                    entry.leg.filter(|leg| self.0.legs.borrow().call_of(*leg) == Some(call))?,
                ))
            })
            .collect();
        for (line, leg) in legs {
            self.to_line(line, LineInput::Leg { leg, cmd: LegCmd::End(Cause::SystemFailure) });
        }
        let record = self.0.calls.borrow_mut().get_mut(&call).and_then(|entry| entry.cdr.take());
        if let Some(cdr) = record
            && cdr.cause.is_none()
        {
            let mut cdr = Box::new(Arc::unwrap_or_clone(cdr));
            let micros = wall::now().unix_micros.saturating_sub(cdr.started_micros);
            cdr.ended_after = Some(u64::try_from(micros).unwrap_or(0));
            for party in cdr.parties.iter_mut().filter(|party| party.left.is_none()) {
                party.left = cdr.ended_after;
            }
            cdr.cause = Some(Cause::SystemFailure);
            cdr.ended_by = Some('x');
            self.keep(cdr);
        }
        self.tell(Event::CallEnded { call, cause: Cause::SystemFailure, by: 'x' });
        self.call_over(call);
    }

    fn keep(&self, cdr: Box<Cdr>) {
        live::record(self, &cdr);
        self.money_told(self.0.money.ended(&cdr));
        let cdr: Arc<Cdr> = Arc::from(cdr);
        if !self.0.store.keep_cdr(cdr.clone()) {
            crate::logging::warn_counted("store-full", || {
                format!("the store does not take the record of call {}", cdr.call)
            });
        }
        if let Some(entry) = self.0.calls.borrow_mut().get_mut(&cdr.call) {
            if entry.cdr.as_ref().is_none_or(|before| before.cause.is_none()) {
                self.0.routes.call_ended(&cdr, entry.canary);
            }
            entry.cdr = Some(cdr);
        }
    }

    /// A part fell: the table decides. Answers when to build it anew.
    pub fn fell(&self, part: &str, why: &str) -> Option<Duration> {
        let mut supervisor = self.0.supervisor.borrow_mut();
        let generation = match supervisor.generation(part) {
            Some(generation) => generation,
            // Calls are not listed one by one: temporary, never restarted.
            None if part.starts_with("call ") => supervisor.add(part, Rule::TEMPORARY),
            None => return None,
        };
        let exit = Exit { part: part.to_owned(), generation, ending: Ending::Failed(why.to_owned()) };
        let decision = supervisor.on(Instant::now(), &exit);
        drop(supervisor);
        tracing::error!(part, why, ?decision, "a part fell");
        let (after, generation, gave_up) = match decision {
            Decision::Restart { after, generation } => (Some(after), generation, false),
            Decision::GiveUp => (None, generation, true),
            Decision::Forget | Decision::Ignore => (None, generation, false),
        };
        live::part(self, part, after.is_some(), generation, Some(why));
        self.tell(Event::Restarted { part: part.to_owned(), why: why.to_owned(), generation, gave_up });
        if gave_up {
            let text =
                format!("{part} fell too often ({why}) and stays down until the configuration changes");
            self.tell(Event::Alarm { what: "supervisor", text });
        }
        after
    }

    /// A line's machine fell with a leg on it: the call hears that the leg is gone.
    pub fn line_lost_its_leg(&self, line: &LineId) {
        let leg = self.0.lines.borrow_mut().get_mut(line).and_then(|entry| entry.leg.take());
        if let Some(leg) = leg {
            self.to_leg(leg, LegInput::Said(LegEvent::Ended(Cause::SystemFailure)));
        }
    }

    /// A line was given up: nobody is put through to it, and the next change of the configuration starts it afresh.
    pub fn line_given_up(&self, line: &LineId) {
        self.0.lines.borrow_mut().remove(line);
        self.0.ports.borrow_mut().retain(|_, on| on != line);
        self.0.exchange.update(|views| {
            if let Some(view) = views.lines.get_mut(line.as_str()) {
                view.state = "out-of-service".to_owned();
                view.call = None;
            }
        });
        self.tell(Event::LineState { line: line.clone(), state: "out-of-service" });
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
        match input {
            LineInput::Leg { leg, cmd: LegCmd::Place(_) } => {
                let event = LegEvent::Ended(Cause::Congestion);
                self.to_leg(leg, LegInput::Said(event));
            }
            LineInput::Key { .. } | LineInput::Media(MediaEvent::Digit { .. }) | LineInput::Leg { .. } => {
                tracing::debug!(%line, "nobody is there to hear a key or a call");
            }
            other => tracing::debug!(%line, ?other, "nobody is there to hear this"),
        }
    }

    /// A post for a gateway that is not there.
    pub fn gateway_absent(&self, input: GatewayInput) {
        if let GatewayInput::Find { call, seq, .. } = input {
            self.to_call(call, CallInput::Found { seq, found: Err(Cause::Failure) });
        }
    }

    /// The media plane says something.
    pub fn media(&self, call: Option<CallId>, event: MediaEvent) {
        use ringtrip_exchange::post::End;
        let line = match event.end() {
            End::Port(port) => self.0.ports.borrow().get(port).cloned(),
            End::Rtp(_) => None,
        };
        match (line, call) {
            // Figures of a port belong to the call that it was joined to, announcements to the call that asked for them.
            (Some(_), Some(call))
                if matches!(event, MediaEvent::Figures { .. } | MediaEvent::Played { .. }) =>
            {
                self.to_call(call, CallInput::Media(event));
            }
            (Some(line), _) => {
                self.to_line(line, LineInput::Media(event));
            }
            (None, Some(call)) => self.to_call(call, CallInput::Media(event)),
            (None, None) => {}
        }
    }
}
