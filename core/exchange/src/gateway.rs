//! A gateway: one SIP provider. It finds out where the provider is, registers there and stays registered, asks with
//! OPTIONS whether it lives, and says how a call goes out by it.
//!
//! A provider has several servers as a rule. What becomes of a request says something of the server that it went to and
//! of no other: each request that is under way carries its server. What an answer means is in `gateway/answer.rs`, what
//! follows from a failure in `gateway/failure.rs`, which server is next in `gateway/servers.rs`, the requests themselves in
//! `gateway/requests.rs`, and what a call is told in `gateway/way.rs`.

mod answer;
mod failure;
mod network;
mod requests;
mod servers;
mod way;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringtrip_sip::digest;
use ringtrip_sip::endpoint::{Flow, Transport};
use ringtrip_sip::nat::Topology;
use ringtrip_sip::random::Random;

use crate::owner::Told;
use crate::post::{GatewayInput, Post};
use crate::route::digest_credentials;
use ringtrip_config::{Config, Gateway as Settings, HostPort};
use ringtrip_model::event::Event;
use ringtrip_model::ids::{CallId, GatewayId};

pub(crate) use answer::seen;
use servers::{Change, Servers};

/// What a gateway is born with.
#[derive(Debug, Clone)]
pub struct GatewaySetup {
    /// Its settings.
    pub settings: Settings,
    /// User part of the Contact that it registers, its own among all gateways.
    pub contact_user: String,
    /// Our addresses, one for each transport and family; the one that fits the provider is used.
    pub locals: Vec<(Transport, SocketAddr)>,
    /// Which address of ours a peer is shown.
    pub topology: Arc<Topology>,
}

impl GatewaySetup {
    /// The setup of a gateway of this configuration.
    pub fn of(
        config: &Config,
        id: &GatewayId,
        locals: Vec<(Transport, SocketAddr)>,
        topology: Arc<Topology>,
    ) -> Option<GatewaySetup> {
        let settings = config.gateway(id)?.clone();
        let contact_user = config.contact_user(&settings);
        Some(GatewaySetup { settings, contact_user, locals, topology })
    }
}

/// A gateway.
#[derive(Debug)]
pub struct Gateway {
    setup: GatewaySetup,
    rand: Random,
    /// Ways to servers, with the address of ours that the kernel sends from on each.
    ways: Vec<Flow>,
    servers: Servers,
    resolve: Resolve,
    registration: Registration,
    probe: Probe,
    /// Requests that were given up, until the endpoint is done with them: a slow answer is still an answer.
    late: Vec<(Purpose, Asked)>,
    auth: Option<digest::Client>,
    /// All REGISTERs share Call-ID and tag, and count on (RFC 3261 §10.2).
    call_id: String,
    tag: String,
    cseq: u32,
    sent: u32,
    /// Seconds to ask for: the setting, unless a 423 raised it.
    expires: u32,
    /// Failures in a row, for the wait before the next try.
    failures: u32,
    health: Health,
    latency: Option<Duration>,
    /// It answered OPTIONS once, so silence to OPTIONS says something. Some providers never do.
    answers_options: bool,
    /// Probes in a row without an answer.
    unanswered: u32,
    /// Our address as the server saw it that we are registered at.
    seen: Option<SocketAddr>,
    /// When it was last registered at because it saw us elsewhere.
    moved: Option<Instant>,
    /// Proxies that calls have to pass, as the registrar said (Service-Route, RFC 3608).
    service_route: Vec<String>,
    last_error: Option<String>,
    /// Calls that asked before it was known where the provider is.
    early: Vec<Asker>,
}

/// A call that wants to know how to go out by it.
#[derive(Debug, Clone, Copy)]
struct Asker {
    call: CallId,
    seq: u16,
    emergency: bool,
}

/// A request on its way.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// Which of our requests.
    n: u32,
    /// The server that it went to, which answers for what becomes of it.
    server: SocketAddr,
    since: Instant,
    /// When it is given up; `None`: when the endpoint does (timer F).
    by: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Register,
    Options,
}

/// Finding out where it is.
#[derive(Debug, Clone, Copy)]
enum Resolve {
    /// The resolver was asked; it is asked again if it says nothing.
    Asked { by: Instant },
    /// Known until then.
    Known { until: Instant },
}

/// Being registered.
#[derive(Debug, Clone, Copy)]
enum Registration {
    /// It does not register.
    Off,
    /// The next try.
    Wait { until: Instant, why: Why },
    /// A REGISTER is under way.
    Trying(Asked),
    /// Registered; to be refreshed at half time.
    Up { refresh: Instant, until: Instant },
}

/// Why a registration waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It is due.
    Due,
    /// No server answers. A sign of life ends the wait.
    Silent,
    /// It was answered, but not with 200: asking sooner makes nothing better.
    Refused,
}

/// Asking whether it lives.
#[derive(Debug, Clone, Copy)]
enum Probe {
    /// Not asked for.
    Off,
    /// Next time then.
    Wait { until: Instant },
    /// OPTIONS is under way.
    Trying(Asked),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Unknown,
    Up { since: Instant },
    Down { since: Instant },
}

/// What the API shows of a gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct GatewayStatus {
    /// Can calls go out by it, as far as is known?
    pub up: bool,
    /// Is it registered? `None`: it does not register.
    pub registered: Option<bool>,
    /// When the registration ends.
    pub registered_until: Option<Instant>,
    /// Round trip of the last OPTIONS or REGISTER, ms.
    pub latency_ms: Option<f32>,
    /// The last thing that went wrong, in words; cleared when all is well.
    pub last_error: Option<String>,
    /// Since when it is up or down.
    pub since: Option<Instant>,
    /// The server that is used now.
    pub server: Option<SocketAddr>,
}

/// The wait after a failure; it doubles with each, so that a provider that is down is not flooded when it comes back.
const RETRY: Duration = Duration::from_secs(30);
const RETRY_MAX: Duration = Duration::from_secs(600);
/// A wrong password does not become right by itself, and providers lock accounts that try too often.
const RETRY_REFUSED: Duration = Duration::from_secs(300);
/// A resolver that has not answered by now was restarted.
const RESOLVE_WAIT: Duration = Duration::from_secs(10);
/// When REGISTER and OPTIONS are given up, unless `answer_within` is longer. The copies of timer E leave after 0.5, 1.5
/// and 3.5 s: three lost packets still make no failure. RFC 3261 would wait for 32 s (timer F), and nobody could call
/// meanwhile.
const ANSWER_WAIT: Duration = Duration::from_secs(4);
/// How long calls try a server last that was silent to one, or as long as its 503 says in Retry-After, within bounds.
const DOUBT: Duration = Duration::from_secs(60);
const DOUBT_MAX: Duration = Duration::from_secs(600);
/// Calls that may wait for the first answer of the resolver.
const EARLY: usize = 64;
/// DNS is asked again when its answer has run out, within bounds; five minutes is what providers use for failover by DNS.
const RESOLVE_SOONEST: Duration = Duration::from_secs(30);
const RESOLVE_LATEST: Duration = Duration::from_secs(300);
/// How long a Retry-After is obeyed at most: a mistyped one must not end telephony for a week.
const HOLD_MAX: Duration = Duration::from_secs(3600);
/// A probe that got no answer is repeated after this time at most, each sooner than the one before, down to the second.
const PROBE_AGAIN: Duration = Duration::from_secs(10);
const PROBE_SOONEST: Duration = Duration::from_secs(5);
/// A router that shows another port each time must not make us register without end.
const MOVED_AGAIN: Duration = Duration::from_secs(30);
/// When the endpoint sends a request again (timer E): from then on an answer may be to any of the copies.
const COPY: Duration = Duration::from_millis(500);
const COPY_MAX: Duration = Duration::from_secs(4);

impl Gateway {
    /// A gateway is born: it asks where the provider is.
    pub fn new(now: Instant, setup: GatewaySetup, seed: [u8; 32], out: &mut Vec<Post>) -> Gateway {
        let mut rand = Random::new(seed);
        let settings = &setup.settings;
        let auth = client(settings);
        let mut gateway = Gateway {
            ways: Vec::new(),
            servers: Servers::default(),
            resolve: Resolve::Asked { by: now + RESOLVE_WAIT },
            registration: if settings.register {
                Registration::Wait { until: now, why: Why::Due }
            } else {
                Registration::Off
            },
            probe: match settings.options_interval {
                Some(_) => Probe::Wait { until: now },
                None => Probe::Off,
            },
            late: Vec::new(),
            auth,
            call_id: format!("{}{}", rand.hex(), rand.hex()),
            tag: rand.hex(),
            cseq: 0,
            sent: 0,
            expires: u32::try_from(settings.expires.as_secs()).unwrap_or(3600).max(60),
            failures: 0,
            health: Health::Unknown,
            latency: None,
            answers_options: false,
            unanswered: 0,
            seen: None,
            moved: None,
            service_route: Vec::new(),
            last_error: None,
            early: Vec::new(),
            rand,
            setup,
        };
        gateway.ask_where(now, out);
        gateway
    }

    /// One step.
    pub fn on(&mut self, now: Instant, input: GatewayInput, out: &mut Vec<Post>) {
        match input {
            GatewayInput::Resolved { servers, ttl } => {
                self.resolved(now, servers, ttl, out);
                self.answer_early(now, out);
            }
            GatewayInput::Network { topology, ways } => self.network(now, topology, ways, out),
            GatewayInput::Sip(Told::Response { tx, response, .. }) => {
                self.answered(now, tx.n, &response, out)
            }
            GatewayInput::Sip(Told::Failed { tx, .. }) => self.failed(now, tx.n, out),
            // It gets no requests: those of providers are admitted and become calls.
            GatewayInput::Sip(_) => {}
            GatewayInput::Find { call, seq, emergency } => {
                let asker = Asker { call, seq, emergency };
                match self.is_new() {
                    true => self.early.push(asker),
                    false => self.found(now, asker, out),
                }
            }
            GatewayInput::Alive { server, seen } => self.is_alive(now, server, seen, out),
            GatewayInput::Doubt { server, why } => self.doubted(now, server, why, out),
            GatewayInput::Timeout => self.timeout(now, out),
        }
    }

    /// When it wants [`GatewayInput::Timeout`].
    pub fn deadline(&self) -> Option<Instant> {
        let resolve = match self.resolve {
            Resolve::Asked { by } => by,
            Resolve::Known { until } => until,
        };
        let known = !self.servers.is_empty();
        let registration = match self.registration {
            Registration::Wait { until, .. } if known => Some(until),
            Registration::Up { refresh, .. } => Some(refresh),
            Registration::Trying(asked) => asked.by,
            _ => None,
        };
        let probe = match self.probe {
            Probe::Wait { until } if known => Some(until),
            Probe::Trying(asked) => asked.by,
            _ => None,
        };
        [Some(resolve), registration, probe].into_iter().flatten().min()
    }

    /// What the API shows.
    pub fn status(&self) -> GatewayStatus {
        let (registered, registered_until) = match self.registration {
            Registration::Off => (None, None),
            Registration::Up { until, .. } => (Some(true), Some(until)),
            Registration::Wait { .. } | Registration::Trying(_) => (Some(false), None),
        };
        let since = match self.health {
            Health::Unknown => None,
            Health::Up { since } | Health::Down { since } => Some(since),
        };
        GatewayStatus {
            up: self.is_usable(),
            registered,
            registered_until,
            latency_ms: self.latency.map(|l| l.as_secs_f32() * 1000.0),
            last_error: self.last_error.clone(),
            since,
            server: self.servers.current().map(|flow| flow.remote),
        }
    }

    /// It is taken out of the configuration, or the exchange stops: the registration is given back.
    pub fn stop(&mut self, out: &mut Vec<Post>) {
        if matches!(self.registration, Registration::Up { .. }) {
            self.expires = 0;
            self.send_register(out);
            self.registration = Registration::Off;
        }
    }

    fn id(&self) -> &GatewayId {
        &self.setup.settings.id
    }

    fn target(&self) -> &HostPort {
        self.setup.settings.proxy.as_ref().unwrap_or(&self.setup.settings.server)
    }

    fn ask_where(&mut self, now: Instant, out: &mut Vec<Post>) {
        self.resolve = Resolve::Asked { by: now + RESOLVE_WAIT };
        let target = self.target().clone();
        out.push(Post::Resolve {
            gateway: self.id().clone(),
            host: target.host,
            port: target.port,
            transport: Some(self.setup.settings.transport),
        });
    }

    fn resolved(
        &mut self,
        now: Instant,
        found: Vec<(Transport, SocketAddr)>,
        ttl: Option<Duration>,
        out: &mut Vec<Post>,
    ) {
        let servers: Vec<Flow> = found.iter().filter_map(|(t, remote)| self.way_to(*t, *remote)).collect();
        if servers.is_empty() {
            self.resolve = Resolve::Known { until: now + RETRY };
            if self.servers.is_empty() {
                let why = match found.is_empty() {
                    true => format!("no address found for {}", self.target()),
                    false => format!(
                        "no address of this machine reaches {}: the network is not up, or SIP does not listen on \
                         its family and transport",
                        self.target()
                    ),
                };
                self.down(now, why, out);
            }
            return;
        }
        let good = ttl.unwrap_or(RESOLVE_LATEST).clamp(RESOLVE_SOONEST, RESOLVE_LATEST);
        self.resolve = Resolve::Known { until: now + good };
        let was_empty = self.servers.is_empty();
        let change = self.servers.set(servers);
        if change != Change::None {
            let addresses = self.servers.addresses().map(|server| server.ip()).collect();
            out.push(Post::Peer { gateway: self.id().clone(), addresses });
        }
        match (change, &mut self.registration) {
            (Change::None | Change::Order, _) => {}
            _ if was_empty => {}
            // The server that we are registered at is gone from DNS.
            (Change::Others, Registration::Up { refresh, .. }) => *refresh = now,
            (Change::More { .. }, Registration::Up { .. } | Registration::Off) => {}
            (Change::More { first }, Registration::Wait { until, why }) if *why != Why::Refused => {
                self.servers.take(first);
                *until = now;
            }
            (Change::Others, Registration::Wait { until, why }) if *why != Why::Refused => *until = now,
            _ => {}
        }
        self.timeout(now, out);
    }

    fn timeout(&mut self, now: Instant, out: &mut Vec<Post>) {
        match self.resolve {
            Resolve::Asked { by } if by <= now => {
                self.answer_early(now, out);
                self.ask_where(now, out);
            }
            Resolve::Known { until } if until <= now => self.ask_where(now, out),
            _ => {}
        }
        if self.servers.is_empty() {
            return;
        }
        match self.registration {
            Registration::Wait { until, .. } if until <= now => self.register(now, out),
            Registration::Up { refresh, .. } if refresh <= now => self.register(now, out),
            Registration::Trying(asked) if asked.is_overdue(now) => {
                self.unanswered(now, Purpose::Register, asked, out);
            }
            _ => {}
        }
        match self.probe {
            Probe::Wait { until } if until <= now => self.ask_alive(now, out),
            Probe::Trying(asked) if asked.is_overdue(now) => {
                self.unanswered(now, Purpose::Options, asked, out);
            }
            _ => {}
        }
    }

    fn register(&mut self, now: Instant, out: &mut Vec<Post>) {
        let n = self.send_register(out);
        let due = Registration::Wait { until: now, why: Why::Due };
        self.registration = self.asked(now, n).map_or(due, Registration::Trying);
    }

    fn ask_alive(&mut self, now: Instant, out: &mut Vec<Post>) {
        let n = self.send_options(out);
        self.probe = self.asked(now, n).map_or(Probe::Wait { until: now }, Probe::Trying);
    }

    /// What was just sent to the server in use.
    fn asked(&self, now: Instant, n: u32) -> Option<Asked> {
        let server = self.servers.current()?.remote;
        let by = self.setup.settings.answer_within.map(|time| now + time.max(ANSWER_WAIT));
        Some(Asked { n, server, since: now, by })
    }

    /// The next probe: in its turn; while nothing answers sooner, since calls wait for it.
    fn probe_later(&mut self, now: Instant) {
        let Some(interval) = self.setup.settings.options_interval else { return };
        let sooner = (PROBE_AGAIN * 3 / (self.unanswered + 2)).max(PROBE_SOONEST).min(interval);
        let wait = if self.unanswered > 0 && self.answers_options { sooner } else { interval };
        self.probe = Probe::Wait { until: now + wait };
    }

    fn up(&mut self, now: Instant, out: &mut Vec<Post>) {
        self.servers.works();
        self.failures = 0;
        self.last_error = None;
        if !matches!(self.health, Health::Up { .. }) {
            self.health = Health::Up { since: now };
            let why = match self.registration {
                Registration::Off => "it answers".to_owned(),
                _ => "registered".to_owned(),
            };
            out.push(Post::Tell(Event::GatewayState { gateway: self.id().clone(), up: true, why }));
        }
    }

    fn down(&mut self, now: Instant, why: String, out: &mut Vec<Post>) {
        self.last_error = Some(why.clone());
        if !matches!(self.health, Health::Down { .. }) {
            self.health = Health::Down { since: now };
            out.push(Post::Tell(Event::GatewayState { gateway: self.id().clone(), up: false, why }));
        }
    }
}

impl Asked {
    fn is_overdue(&self, now: Instant) -> bool {
        self.by.is_some_and(|by| by <= now)
    }
}

/// The answerer of challenges, before any.
fn client(settings: &Settings) -> Option<digest::Client> {
    Some(digest::Client::new(digest_credentials(settings.credentials()?)))
}

#[cfg(test)]
mod tests;
