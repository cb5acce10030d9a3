//! The desk: where every SIP message comes in and goes out. One pure machine made of the endpoint (transactions), the
//! admission (who is this, may he?) and the registrar (where are the phones?). The daemon hosts it behind its
//! sockets, the simulator behind its network.

mod keep_alive;
mod moved;
mod ways;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringtrip_sip::build;
use ringtrip_sip::endpoint::{EndpointConfig, Flow, Held, ServerTx, Transmit, Transport};
use ringtrip_sip::lex::Broken;
use ringtrip_sip::message::{Message, Method, Response};
use ringtrip_sip::name::Name;
use ringtrip_sip::nat::Topology;
use ringtrip_sip::next_hop::{self, Reach};
use ringtrip_sip::random::Random;
use ringtrip_sip::refer::{self, Replaces};
use ringtrip_sip::registrar::{Binding, Change, Record, Registrar, Registration};
use ringtrip_sip::screen::ValidRequest;

use crate::admit::{self, Admission, Who};
use crate::call::{Birth, Caller, MAX_FORWARDS};
use crate::directory::Contact;
use crate::extension;
use crate::leg::sip::{owner_of_tag, uac};
use crate::owner::{Ask, ClientTx, Endpoint, Input, Output, Owner, Told};
use crate::post::{GatewayInput, LegInput, Post, ReplacingInvite};
use crate::route::WallTime;
use ringtrip_config::Config;
use ringtrip_model::event::Event;
use ringtrip_model::ids::{ExtId, GatewayId, Ids, LegId};
use ringtrip_model::party::Source;

use keep_alive::KeepAlive;
use moved::Moved;

/// What the desk is born with.
#[derive(Debug, Clone)]
pub struct DeskSetup {
    /// The configuration.
    pub config: Arc<Config>,
    /// Names for the calls that come in.
    pub ids: Ids,
    /// `User-Agent` and `Server` of its messages.
    pub agent: String,
    /// The secret under digest nonces: random, made at start.
    pub nonce_secret: [u8; 32],
    /// Which address of ours a peer is shown.
    pub topology: Arc<Topology>,
}

/// What the desk is told.
#[derive(Debug)]
pub enum DeskInput {
    /// A datagram, or one message that the framer cut from a stream.
    Octets {
        /// By which way.
        flow: Flow,
        /// All of it.
        bytes: Bytes,
    },
    /// A message that the framer could cut out but not read.
    Broken {
        /// By which way.
        flow: Flow,
        /// What there was of it.
        broken: Broken,
    },
    /// A message that has been read already.
    Message {
        /// How.
        flow: Flow,
        /// What.
        message: Box<Message>,
    },
    /// A call or a gateway wants something sent ([`Post::Sip`]).
    Ask(Ask),
    /// A way to a peer broke: ICMP unreachable, connection refused or closed. For UDP, `connection` is 0.
    FlowFailed(Flow),
    /// The configuration changed.
    Config(Arc<Config>),
    /// The networks around us changed.
    Topology(Arc<Topology>),
    /// Requests from these addresses are this provider's ([`Post::Peer`]); replaces what was said before.
    Peer {
        /// The provider.
        gateway: GatewayId,
        /// Where it is.
        addresses: Vec<IpAddr>,
    },
    /// A post to a call could not be delivered because the call is gone: the desk answers in its stead (481).
    Stray(Box<Told>),
    /// There is no dialog that this INVITE could take over: 481.
    NothingToReplace {
        /// Its transaction.
        tx: ServerTx,
        /// The INVITE itself.
        request: Arc<ValidRequest>,
    },
    /// The time named by `deadline()` has come.
    Timeout,
}

/// What the desk wants done.
#[derive(Debug)]
pub enum DeskOut {
    /// Bytes for a socket.
    Transmit(Transmit),
    /// A post for the exchange.
    Post(Post),
}

/// The desk.
#[derive(Debug)]
pub struct Desk {
    config: Arc<Config>,
    ids: Ids,
    endpoint: Endpoint,
    admission: Admission,
    registrar: Registrar,
    /// Which leg an INVITE to us belongs to, until its ACK is overdue.
    invites: HashMap<ServerTx, LegId>,
    /// Answered INVITEs in the order in which they are forgotten.
    answered: VecDeque<(Instant, ServerTx)>,
    /// Answers to those who guess passwords, by the time when they are sent.
    late: VecDeque<(Instant, ServerTx, Response)>,
    topology: Arc<Topology>,
    /// Our address as each provider last said that it sees it.
    seen: HashMap<GatewayId, IpAddr>,
    keep_alive: KeepAlive,
    /// Where phones have gone.
    moved: Moved,
    /// Extensions whose phones changed in this step.
    changed: BTreeSet<ExtId>,
    /// Who proved in the last step who he is, or is a provider.
    proven: Option<SocketAddr>,
    /// Kept between steps for its room.
    outputs: Vec<Output>,
}

/// After 64·T1 and a little an ACK is overdue and the endpoint has said so.
const ACK_WAIT: Duration = Duration::from_secs(40);

impl Desk {
    /// A desk without a call or a phone. The same seed makes the same tags and branches again.
    pub fn new(now: Instant, setup: DeskSetup, seed: [u8; 32]) -> Desk {
        let endpoint = EndpointConfig {
            name: setup.agent.clone(),
            topology: setup.topology.clone(),
            ..EndpointConfig::default()
        };
        let mut random = Random::new(seed);
        Desk {
            admission: Admission::new(now, &setup.config, setup.nonce_secret),
            registrar: Registrar::default(),
            endpoint: Endpoint::new(endpoint, random.seed()),
            config: setup.config,
            ids: setup.ids,
            invites: HashMap::new(),
            answered: VecDeque::new(),
            late: VecDeque::new(),
            topology: setup.topology,
            seen: HashMap::new(),
            keep_alive: KeepAlive::new(random.seed()),
            moved: Moved::default(),
            changed: BTreeSet::new(),
            proven: None,
            outputs: Vec::new(),
        }
    }

    /// One step.
    pub fn on(&mut self, now: Instant, input: DeskInput, out: &mut Vec<DeskOut>) {
        self.proven = None;
        match input {
            DeskInput::Octets { flow, bytes } => self.feed(now, Input::Octets { flow, bytes }, out),
            DeskInput::Broken { flow, broken } => self.feed(now, Input::Broken { flow, broken }, out),
            DeskInput::Message { flow, message } => {
                self.feed(now, Input::Message { flow, message: *message }, out);
            }
            DeskInput::Ask(ask) => {
                let ask = self.redirected(ask);
                self.ask(now, ask, out);
            }
            DeskInput::FlowFailed(flow) => {
                let mut changes = Vec::new();
                self.registrar.disconnected(flow, &mut changes);
                self.report(changes, out);
                self.feed(now, Input::FlowFailed(flow), out);
            }
            DeskInput::Config(config) => self.configure(now, config, out),
            DeskInput::Topology(topology) => {
                self.topology = topology.clone();
                self.endpoint.set_topology(topology);
                self.keep_all_ways(now);
            }
            DeskInput::Peer { gateway, addresses } => {
                self.admission.peer(gateway, addresses);
                self.endpoint.set_stream_peers(self.admission.peers());
            }
            DeskInput::Stray(told) => self.stray(now, *told, out),
            DeskInput::NothingToReplace { tx, request } => {
                self.respond(now, tx, build::response(&request, 481), out);
            }
            DeskInput::Timeout => {
                let mut changes = Vec::new();
                self.registrar.expire(now, &mut changes);
                self.report(changes, out);
                self.feed(now, Input::Timeout, out);
                while self.late.front().is_some_and(|(due, ..)| *due <= now) {
                    let Some((_, tx, response)) = self.late.pop_front() else { break };
                    self.respond(now, tx, response, out);
                }
                self.keep_ways_open(now, out);
            }
        }
        while self.answered.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, tx)) = self.answered.pop_front() {
                self.invites.remove(&tx);
            }
        }
        for ext in std::mem::take(&mut self.changed) {
            let contacts = self.contacts(now, &ext);
            out.push(DeskOut::Post(Post::RegistrationChanged { ext, contacts }));
        }
    }

    /// When it wants [`DeskInput::Timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        let late = self.late.front().map(|(due, ..)| *due);
        let own = self.registrar.deadline().into_iter().chain(self.keep_alive.deadline()).chain(late);
        self.endpoint.deadline().into_iter().chain(own).min()
    }

    /// The phones that an extension has registered, best first.
    fn contacts(&self, now: Instant, ext: &ExtId) -> Vec<Contact> {
        let key = extension::key(ext);
        let bindings = self.registrar.bindings(now, &key);
        let contact = |binding: &Binding| Contact {
            way: extension::way(&self.config, ext, binding),
            until: binding.until,
            record: binding.record(now, &key),
        };
        bindings.into_iter().map(contact).collect()
    }

    /// The registrar changed: people are told, and the directory at the end of this step.
    fn report(&mut self, changes: Vec<Change>, out: &mut Vec<DeskOut>) {
        for change in changes {
            if let Change::Registered { aor, .. }
            | Change::Unregistered { aor, .. }
            | Change::Unconnected { aor } = &change
            {
                self.changed.extend(extension::ext(aor));
            }
            out.extend(extension::event(change).map(|event| DeskOut::Post(Post::Tell(event))));
        }
    }

    /// The directory is told of the phones of every extension at the end of the next step.
    fn all_changed(&mut self) {
        self.changed.extend(self.config.extensions.iter().map(|extension| extension.id.clone()));
    }

    /// From where a request came in the last step whose sender proved who he is, or is a provider: such peers come first
    /// in overload.
    pub fn proven(&self) -> Option<SocketAddr> {
        self.proven
    }

    /// Who is registered where: for the API.
    pub fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    /// The registrations as the store keeps them.
    pub fn records(&self, now: Instant) -> Vec<Record> {
        self.registrar.export(now)
    }

    /// The registrations of one extension as the store keeps them.
    pub fn records_of(&self, now: Instant, ext: &ExtId) -> Vec<Record> {
        self.registrar.export_of(now, &extension::key(ext))
    }

    /// Registrations from the store, at start. The directory learns of them with the next step.
    pub fn restore(&mut self, now: Instant, records: impl IntoIterator<Item = Record>) {
        self.registrar.import(now, records);
        self.all_changed();
        self.keep_all_ways(now);
    }

    /// How many transactions are alive.
    pub fn held(&self) -> Held {
        self.endpoint.held()
    }

    fn configure(&mut self, now: Instant, config: Arc<Config>, out: &mut Vec<DeskOut>) {
        let mut changes = Vec::new();
        for before in &self.config.extensions {
            let key = extension::key(&before.id);
            match config.extension(before.id.as_str()) {
                // A phone that knows the new password registers again by itself; one that does not is a stranger now.
                Some(after) if after.secret == before.secret => {
                    self.registrar.limit(&key, usize::from(after.max_contacts), &mut changes);
                }
                _ => self.registrar.forget(&key, &mut changes),
            }
        }
        self.report(changes, out);
        self.admission.configure(now, &config);
        if self.config.sip.external != config.sip.external {
            self.seen.clear();
        }
        self.seen.retain(|gateway, _| config.gateway(gateway).is_some());
        if self.config.sip.domain != config.sip.domain {
            self.all_changed();
        }
        self.config = config;
        self.keep_all_ways(now);
    }

    fn ask(&mut self, now: Instant, ask: Ask, out: &mut Vec<DeskOut>) {
        if let Ask::Respond { tx, response } = &ask
            && response.code >= 200
            && self.invites.contains_key(tx)
        {
            if response.code < 300 {
                self.answered.push_back((now + ACK_WAIT, *tx));
            } else {
                self.invites.remove(tx);
            }
        }
        self.feed(now, Input::Ask(ask), out);
    }

    fn feed(&mut self, now: Instant, input: Input, out: &mut Vec<DeskOut>) {
        let mut outputs = std::mem::take(&mut self.outputs);
        self.endpoint.on(now, input, &mut outputs);
        for output in outputs.drain(..) {
            match output {
                Output::Transmit(transmit) => out.push(DeskOut::Transmit(transmit)),
                Output::Told(told) => self.told(now, told, out),
            }
        }
        self.outputs = outputs;
    }

    fn told(&mut self, now: Instant, told: Told, out: &mut Vec<DeskOut>) {
        match &told {
            Told::Request { tx, request, flow } => match request.head().to.tag() {
                Some(tag) => {
                    let owner = owner_of_tag(tag);
                    let Some(leg) = owner else { return self.stray(now, told, out) };
                    if request.method == Method::Invite {
                        self.invites.insert(*tx, leg);
                    }
                    out.push(to_leg(leg, told));
                }
                None => {
                    let (tx, request, flow) = (*tx, Arc::clone(request), *flow);
                    self.outside(now, tx, request, flow, out);
                }
            },
            Told::Ack { to_tag, .. } => {
                let owner = to_tag.as_ref().and_then(|tag| owner_of_tag(tag));
                if let Some(leg) = owner {
                    out.push(to_leg(leg, told));
                }
            }
            Told::Cancelled { tx } => {
                if let Some(leg) = self.invites.get(tx) {
                    out.push(to_leg(*leg, told));
                }
            }
            Told::Unacknowledged { tx } => {
                if let Some(leg) = self.invites.remove(tx) {
                    out.push(to_leg(leg, told));
                }
            }
            Told::Response { tx, .. } | Told::Failed { tx, .. } => match tx.owner.clone() {
                Owner::Leg(leg) => out.push(to_leg(leg, told)),
                Owner::Gateway(gateway) => {
                    self.seen_by(&gateway, &told, out);
                    let input = GatewayInput::Sip(told);
                    out.push(DeskOut::Post(Post::Gateway { gateway, input }));
                }
                Owner::KeepAlive => {
                    let news = match &told {
                        Told::Response { .. } => self.keep_alive.answered(now, tx.n),
                        _ => self.keep_alive.unanswered(tx.n),
                    };
                    ways::tell_latency(news, out);
                }
            },
        }
    }

    /// A request outside of any dialog.
    fn outside(
        &mut self,
        now: Instant,
        tx: ServerTx,
        request: Arc<ValidRequest>,
        flow: Flow,
        out: &mut Vec<DeskOut>,
    ) {
        match request.method {
            Method::Invite | Method::Register => {}
            // Nobody calls from here because a stranger says so, nor because a phone says so outside of its calls.
            Method::Refer => return self.respond(now, tx, build::response(&request, 403), out),
            // OPTIONS is answered by the endpoint; all else makes sense in a dialog alone, and there is none.
            Method::Bye | Method::Prack | Method::Update | Method::Info => {
                return self.respond(now, tx, build::response(&request, 481), out);
            }
            _ => return self.respond(now, tx, build::response(&request, 405), out),
        }
        let is_phone = self.is_phone(now, &request, flow);
        let mut told = None;
        let who = self.admission.who(now, &self.config, &request, flow, is_phone, &mut told);
        out.extend(told.map(|told| DeskOut::Post(Post::Tell(guess_event(told, flow)))));
        if matches!(who, Who::Extension(_) | Who::Gateway(_)) {
            self.proven = Some(flow.remote);
        }
        match (who, &request.method) {
            (Who::Unproven { challenges, tried, after }, method) => {
                if let Some(who) = tried {
                    let what = if *method == Method::Register { "register" } else { "call" };
                    let from = flow.remote.ip().to_string();
                    out.push(DeskOut::Post(Post::Tell(Event::AuthFailed { what, who, from })));
                }
                let mut response = build::response(&request, 401);
                for challenge in fitting(challenges, &request, &response, flow) {
                    response.headers.push(Name::WwwAuthenticate, challenge);
                }
                if after.is_zero() {
                    self.respond(now, tx, response, out);
                } else {
                    let at = self.late.partition_point(|(due, ..)| *due <= now + after);
                    self.late.insert(at, (now + after, tx, response));
                }
            }
            (Who::Busy, _) => {
                let mut response = build::response(&request, 503);
                response.headers.push(Name::RetryAfter, "8");
                self.respond(now, tx, response, out);
            }
            (Who::Refused(code), _) => self.respond(now, tx, build::response(&request, code), out),
            (Who::Extension(ext), Method::Register) => self.register(now, tx, &request, flow, &ext, out),
            (Who::Extension(ext), _) => match Replaces::of(&request.headers) {
                Some(named) => self.replacing_invite(now, tx, request, flow, ext, named, out),
                None => self.invite(tx, request, flow, Source::Extension(ext), out),
            },
            // A provider takes nobody's place (RFC 3891 §8).
            (Who::Gateway(_), _) if request.headers.get(&Name::Replaces).is_some() => {
                self.respond(now, tx, build::response(&request, 403), out);
            }
            (Who::Gateway(gateway), _) => self.invite(tx, request, flow, Source::Gateway(gateway), out),
        }
    }

    /// Has the extension in From registered by this very way? Then it is its phone, though a provider may share the
    /// address.
    fn is_phone(&self, now: Instant, request: &ValidRequest, flow: Flow) -> bool {
        let Some(user) = request.head().from.uri.user() else { return false };
        let symmetric = self.endpoint.is_symmetric(request, flow);
        self.registrar.bindings(now, &user).iter().any(|binding| {
            let known = binding.flow;
            let same_host = known.remote.ip() == flow.remote.ip();
            known.remote == flow.remote
                || (known.connection != 0 && known.connection == flow.connection)
                || (same_host && !symmetric)
        })
    }

    fn register(
        &mut self,
        now: Instant,
        tx: ServerTx,
        request: &ValidRequest,
        flow: Flow,
        ext: &ExtId,
        out: &mut Vec<DeskOut>,
    ) {
        if request.head().to.uri.user().as_deref() != Some(ext.as_str().as_bytes()) {
            // Proven, but for another extension than the one to register (RFC 3261 §10.3 step 4).
            return self.respond(now, tx, build::response(request, 403), out);
        }
        let Some(extension) = self.config.extension(ext.as_str()) else {
            return self.respond(now, tx, build::response(request, 403), out);
        };
        self.registrar.set_rules(extension::rules(&self.config, extension));
        let mut changes = Vec::new();
        let aor = extension::key(ext);
        let symmetric = self.endpoint.is_symmetric(request, flow);
        let ask = Registration { aor: &aor, request, flow, symmetric, date: None };
        let response = self.registrar.register(now, ask, &mut changes);
        self.ways_changed(now, &changes);
        self.report(changes, out);
        self.respond(now, tx, response, out);
    }

    fn invite(
        &mut self,
        tx: ServerTx,
        request: Arc<ValidRequest>,
        flow: Flow,
        source: Source,
        out: &mut Vec<DeskOut>,
    ) {
        let (caller, dialled) = admit::parties(&self.config, &source, &request);
        let reach = self.reach(&source, &request, flow);
        let (id, leg) = (self.ids.call(), self.ids.leg());
        self.invites.insert(tx, leg);
        out.push(DeskOut::Post(Post::NewCall(Box::new(Birth {
            id,
            at: WallTime::default(),
            source,
            caller,
            dialled,
            planned: None,
            hops: hops_left(&request),
            a: Caller::Sip { leg, tx, request, flow, reach },
            ports: [0, 0],
        }))));
    }

    /// An INVITE that takes over a dialog goes to the call that has it (RFC 3891 §3).
    #[allow(clippy::too_many_arguments)] // All that is known of the INVITE.
    fn replacing_invite(
        &mut self,
        now: Instant,
        tx: ServerTx,
        request: Arc<ValidRequest>,
        flow: Flow,
        ext: ExtId,
        named: Result<Replaces, refer::Unfit>,
        out: &mut Vec<DeskOut>,
    ) {
        let named = match named {
            Ok(named) => named,
            Err(_) => return self.respond(now, tx, build::response(&request, 400), out),
        };
        let Some(old) = owner_of_tag(&named.to_tag) else {
            return self.respond(now, tx, build::response(&request, 481), out);
        };
        let reach = self.reach(&Source::Extension(ext.clone()), &request, flow);
        let leg = self.ids.leg();
        self.invites.insert(tx, leg);
        let invite = ReplacingInvite { leg, tx, request, flow, reach, ext, named };
        let input = LegInput::Replace(Box::new(invite));
        out.push(DeskOut::Post(Post::Leg { leg: old, input }));
    }

    /// What leads back to a caller: its Contact, unless it is a phone that has registered from behind NAT, or asks for an
    /// outbound flow.
    fn reach(&self, source: &Source, request: &ValidRequest, flow: Flow) -> Reach {
        let Source::Extension(ext) = source else { return Reach::Contact };
        let Some(contact) = request.fields().contact() else { return Reach::Contact };
        if contact.uri.sip().is_some_and(|uri| uri.param("ob").is_some()) {
            return Reach::Flow;
        }
        let symmetric = self.endpoint.is_symmetric(request, flow);
        let registered_so = || {
            self.registrar.of(&extension::key(ext)).iter().any(|binding| {
                binding.flow.remote.ip() == flow.remote.ip() && extension::reach(binding) == Reach::Flow
            })
        };
        match next_hop::reach(contact, flow, symmetric) {
            Reach::Flow if registered_so() => Reach::Flow,
            _ => Reach::Contact,
        }
    }

    /// Nobody is there for it: a request in a dialog that is gone gets 481; a new INVITE whose call was lost, 500. A 2xx
    /// to an INVITE of a call that is over comes from a server that was given up: that end must not stay up alone.
    fn stray(&mut self, now: Instant, told: Told, out: &mut Vec<DeskOut>) {
        match told {
            Told::Request { tx, request, .. } => {
                // Without a tag of ours its call was lost between birth and this word.
                let code = if request.head().to.tag().is_none() { 500 } else { 481 };
                self.respond(now, tx, build::response(&request, code), out);
            }
            Told::Cancelled { tx } | Told::Unacknowledged { tx } => {
                self.invites.remove(&tx);
            }
            Told::Response { tx, response, flow } => {
                let late = uac::of_invite(&response) && (200..300).contains(&response.code);
                if let Some(uac::TooLate { ack, bye, hop }) = uac::too_late(&response, flow).filter(|_| late)
                {
                    // Nobody is left to wait for DNS.
                    let to = hop.flow().unwrap_or(flow);
                    self.ask(now, Ask::Ack { tx: tx.clone(), request: Box::new(ack), to }, out);
                    // Above all that a leg counts: no request of it has this name.
                    let tx = ClientTx { n: tx.n | 0xffff, ..tx };
                    self.ask(now, Ask::Send { tx, request: Box::new(bye), to }, out);
                }
            }
            Told::Ack { .. } | Told::Failed { .. } => {}
        }
    }

    fn respond(&mut self, now: Instant, tx: ServerTx, response: Response, out: &mut Vec<DeskOut>) {
        self.ask(now, Ask::Respond { tx, response }, out);
    }
}

/// `Max-Forwards` of the INVITEs that this one becomes: one less, so that a loop over two exchanges ends (RFC 7332). With 0
/// it would have been refused before.
fn hops_left(invite: &ValidRequest) -> u8 {
    invite.fields().max_forwards.map_or(MAX_FORWARDS, |hops| hops.saturating_sub(1))
}

/// The challenges that go into an answer. Over UDP the sender's address may be forged, so an answer that is more than half
/// as long again as its request is cut down to the one challenge that every phone knows: an exchange must be of no use for
/// making floods larger. Requests of real phones are long enough for all.
fn fitting(mut challenges: Vec<Bytes>, request: &ValidRequest, answer: &Response, flow: Flow) -> Vec<Bytes> {
    /// `;rport=5060;received=192.0.2.1` in the Via that we have stamped.
    const STAMP: usize = 32;
    /// `;tag=` and 16 digits, which the answer is still given.
    const TAG: usize = 21;
    /// `WWW-Authenticate: ` and CRLF.
    const NAME: usize = 20;
    let octets: usize = challenges.iter().map(|line| line.len() + NAME).sum();
    let asked = request.write().len().saturating_sub(STAMP);
    let answered = answer.write().len() + TAG + octets;
    let has_md5 = |line: &Bytes| line.windows(4).any(|w| w == b"=MD5");
    if flow.transport == Transport::Udp && 2 * answered > 3 * asked && challenges.iter().any(has_md5) {
        challenges.retain(has_md5);
    }
    challenges
}

fn guess_event(told: admit::Told, flow: Flow) -> Event {
    let from = flow.remote.ip();
    let text = match told {
        admit::Told::Guessing { user, wrong } => format!(
            "someone at {from} is guessing the password of {user}: {wrong} wrong ones within a minute; answers are delayed"
        ),
        admit::Told::Guessed { user, wrong } => format!(
            "{from} proved the password of {user} after {wrong} wrong ones from there; if that was not its user, change \
             the password"
        ),
    };
    Event::Alarm { what: "passwords", text }
}

fn to_leg(leg: LegId, told: Told) -> DeskOut {
    DeskOut::Post(Post::Leg { leg, input: LegInput::Sip(told) })
}
