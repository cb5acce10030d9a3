//! The configuration document as meaning: what the exchange is told about itself, in its own types.
//!
//! Reading the TOML text is the daemon's business (syntax, with line and column); here is what the words mean.
//! [`Config::check`] says what is wrong between them, so that a document is refused whole or taken whole.

#![warn(clippy::missing_errors_doc)]

mod board;
mod check;
pub mod country;
mod demo;
mod failover;
mod gateway;
mod holiday;
mod line;
mod money;
mod numbering;
mod pin;
mod scripts;

pub use board::Board;
pub use check::{Problem, Severity};
pub use demo::DemoSecrets;
pub use failover::{Failover, Rule};
pub use gateway::{ANSWER_WITHIN, Gateway, Inbound, Password, PluginGateway};
pub use holiday::{Holiday, Holidays};
pub use line::{
    AnswerOn, CallerIdMethod, DialBy, DisconnectTone, FskStandard, Fxo, Fxs, Line, LineKind, Ring,
    RingThrough,
};
pub use money::{Offered, Rates};
pub use numbering::Numbering;
pub use pin::Pin;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ringtrip_media::sdp::SrtpPolicy;
use ringtrip_sip::endpoint::Transport;
use ringtrip_sip::nat::IpNet;

pub use country::Country;
use ringtrip_dialplan::{Dialling, Plan};
pub use ringtrip_model::host_port::{BadHost, HostPort};
use ringtrip_model::ids::{ExtId, GatewayId, LineId};
use ringtrip_model::party::{Digits, Source};
use ringtrip_model::route::{PlanRoute, RouteQuery, WallTime};

/// All that the exchange is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where the box stands: tones, cadences, caller ID, emergency numbers.
    pub region: Region,
    /// The extensions.
    pub extensions: Vec<Extension>,
    /// The analog lines, in the order in which a free landline is looked for.
    pub lines: Vec<Line>,
    /// Boards that need more than their name says: a line on a board not listed here uses the driver of that name.
    pub boards: Vec<Board>,
    /// The SIP providers.
    pub gateways: Vec<Gateway>,
    /// Providers that a plugin reaches through other carriers: calling cards, ENUM.
    pub plugin_gateways: Vec<PluginGateway>,
    /// Public keys of publishers whose plugins may be installed, `ed25519:` and 64 hex digits.
    pub plugin_trust: Vec<String>,
    /// When a call that failed is tried another way.
    pub failover: Failover,
    /// PINs by which callers prove who they are.
    pub pins: Vec<Pin>,
    /// What numbers are here.
    pub numbering: Numbering,
    /// What calls cost, and what they may cost.
    pub rates: Rates,
    /// Dial plans by name.
    pub plans: BTreeMap<String, Arc<Plan>>,
    /// The plan for callers that name none.
    pub default_plan: String,
    /// Where a number goes that no rule sent elsewhere; [`PlanRoute::Default`] here means: nowhere, refuse.
    pub default_route: PlanRoute,
    /// How plans are read: bars, incomplete numbers, and star codes.
    pub dialling: Dialling,
    /// Emergency calls.
    pub emergency: Emergency,
    /// SIP and its sound.
    pub sip: Sip,
    /// Where the console and the HTTP API listen.
    pub http: Vec<SocketAddr>,
    /// Proxies that say on whose behalf they ask the HTTP API; programs on this machine may anyway.
    pub trusted_proxies: Vec<IpNet>,
    /// The routing script, a path; `None`: the plan alone decides.
    pub script: Option<String>,
    /// Scripts by their short names, each a path that begins at the data folder.
    pub scripts: BTreeMap<String, String>,
    /// Days that scripts and plugins are told to be holidays.
    pub holidays: Holidays,
    /// The zone of wall-clock times, `Europe/London`; `None`: the machine's own.
    pub time_zone: Option<String>,
    /// How sound is moved.
    pub media: Media,
    /// How much of everything is allowed.
    pub limits: Limits,
    /// Where the log goes, unless the command line says otherwise.
    pub log: Log,
}

impl Config {
    /// Is this the address of a proxy that says on whose behalf it asks?
    pub fn is_trusted_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }
}

/// Where the log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Log {
    /// Lines on standard error.
    #[default]
    Text,
    /// One JSON object a line, on standard error.
    Json,
    /// systemd's journal.
    Journald,
    /// The syslog daemon.
    Syslog,
}

/// Where the box stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Region {
    /// North America: µ-law, Bellcore caller ID, ring 2 s on 4 s off.
    #[default]
    Us,
    /// United Kingdom: A-law, caller ID with polarity reversal, ring 0.4-0.2-0.4-2 s at 25 Hz.
    Uk,
}

/// An extension: a number inside, and the phones that ring for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Its number and SIP user name.
    pub id: ExtId,
    /// How its SIP phones prove who they are; `None`: only a telephone on a jack.
    pub secret: Option<Secret>,
    /// The name shown when it calls.
    pub name: String,
    /// The number shown outside when it calls; `None`: the extension's own.
    pub caller_id: Option<String>,
    /// Withhold the number by default.
    pub withhold: bool,
    /// Its dial plan; `None`: the default plan.
    pub plan: Option<String>,
    /// The script that is asked about its calls, a path; `None`: that of the exchange.
    pub script: Option<String>,
    /// The FXS line whose telephone rings for it too and calls as it.
    pub line: Option<LineId>,
    /// How many SIP phones may register at once.
    pub max_contacts: u8,
    /// Is the sound of its SIP phones encrypted?
    pub srtp: SrtpPolicy,
    /// It is a conference room for at most so many parties, 2–100, and has no phones.
    pub conference: Option<u8>,
    /// How long it rings before the caller is told "no answer".
    pub ring_time: Duration,
}

/// What proves a SIP phone.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The password itself.
    Password(String),
    /// Only hashes of it: hex of H(user:realm:password). They die with the realm's name.
    Ha1 {
        /// With MD5.
        md5: Option<String>,
        /// With SHA-256.
        sha256: Option<String>,
    },
}

/// Emergency calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Emergency {
    /// Whose emergency numbers.
    pub country: &'static Country,
    /// More numbers that are emergency calls when dialled exactly, with the number to send: `9911` → `911`.
    pub extra: Vec<ExtraNumber>,
    /// Providers to try, in order, when no landline takes the call.
    pub providers: Vec<GatewayId>,
    /// The landline before the providers (the usual choice: the landline knows the address).
    pub landline_first: bool,
    /// The number shown to the emergency service; `None`: the caller's own.
    pub caller_id: Option<String>,
    /// The address of the exchange, shown to the operator in events and the console.
    pub location: String,
}

/// An emergency number beyond the country's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraNumber {
    /// As dialled.
    pub dialled: Digits,
    /// As sent.
    pub send: Digits,
}

/// SIP and its sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Sip {
    /// Where to listen.
    pub listen: Vec<(Transport, SocketAddr)>,
    /// Our domain: the host part of our own addresses.
    pub domain: String,
    /// The realm of digest challenges.
    pub realm: String,
    /// Our address as seen from outside, when a router stands between.
    pub external: Option<External>,
    /// Networks whose peers are shown the address of our interface; `None`: the private ones and those of our interfaces.
    pub local_networks: Option<Vec<IpNet>>,
    /// How the ways to phones behind routers are kept open.
    pub keep_alive: KeepAliveBy,
    /// How often at least.
    pub keep_alive_interval: Duration,
    /// UDP ports for RTP and RTCP, first and last.
    pub rtp_ports: (u16, u16),
    /// Digest algorithms offered, best first.
    pub algorithms: Vec<Algorithm>,
    /// Session timer to ask for (RFC 4028 `Session-Expires`); `None`: none.
    pub session_expires: Option<Duration>,
    /// The shortest session timer taken (`Min-SE`).
    pub min_session_expires: Duration,
    /// Bounds on how long a phone may register, and what it gets when it says nothing.
    pub expires: Expires,
    /// Whom to ask for names; none: the system's name servers.
    pub name_servers: Vec<SocketAddr>,
}

/// Where our address as seen from outside comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum External {
    /// It never changes.
    Address(IpAddr),
    /// A name that resolves to it, as with dynamic DNS.
    Name(String),
    /// What providers say that they see (`received` in the Via of their answers, RFC 3581).
    Learned,
}

/// How a way through a router is kept open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAliveBy {
    /// OPTIONS: the answer says how far away the phone is.
    Options,
    /// An empty line, for phones that do not like OPTIONS.
    Crlf,
    /// Not at all: the phones do it.
    Nothing,
}

/// A digest algorithm (RFC 8760).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// MD5, which old phones need.
    Md5,
    /// SHA-256.
    Sha256,
}

/// How long a registration lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expires {
    /// Shorter requests are refused with 423 and `Min-Expires`.
    pub min: Duration,
    /// Longer requests are shortened.
    pub max: Duration,
    /// For phones that request no time.
    pub default: Duration,
}

/// How sound is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Media {
    /// Threads that move sound, 1 to [`Media::MOST_WORKERS`]; `None`: one for each processor core.
    pub workers: Option<u16>,
}

impl Media {
    /// The most threads that move sound.
    pub const MOST_WORKERS: u16 = 64;
}

/// How much is allowed, so that no peer can take the box down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls at once; more are refused with 503. Emergency calls are not counted.
    pub calls: u32,
    /// Calls at once by one extension or gateway.
    pub calls_per_source: u16,
    /// The longest call; `None`: no limit.
    pub call_length: Option<Duration>,
    /// A call ends when a SIP peer that sends RTCP has sent nothing at all for so long; `None`: never.
    pub rtp_timeout: Option<Duration>,
    /// How long a routing script may think.
    pub script_time: Duration,
    /// How many Rhai operations a script may spend on a call.
    pub script_operations: u64,
}

impl Config {
    /// The extension of this name.
    pub fn extension(&self, id: &str) -> Option<&Extension> {
        self.extensions.iter().find(|e| e.id.as_str() == id)
    }

    /// The line of this name.
    pub fn line(&self, id: &LineId) -> Option<&Line> {
        self.lines.iter().find(|l| l.id == *id)
    }

    /// The gateway of this name.
    pub fn gateway(&self, id: &GatewayId) -> Option<&Gateway> {
        self.gateways.iter().find(|g| g.id == *id)
    }

    /// The user part of the Contact that a gateway registers, by which calls to it are known: the account's name. Where
    /// another gateway before it has that name already, or it has none, its own name is in it.
    pub fn contact_user(&self, gateway: &Gateway) -> String {
        let before = self.gateways.iter().take_while(|g| g.id != gateway.id);
        let taken = before.map(|g| g.user.as_str()).any(|user| user == gateway.user);
        match (gateway.user.as_str(), taken) {
            ("", _) => gateway.id.to_string(),
            (user, false) => user.to_owned(),
            (user, true) => format!("{user}-{}", gateway.id),
        }
    }

    /// Where calls to this number of a gateway go, if it is one of its own. A number is the same with and without
    /// country code.
    pub fn did<'a>(&self, gateway: &'a Gateway, number: &Digits) -> Option<&'a Inbound> {
        let exact = gateway.dids.iter().find(|(did, _)| did == number);
        let found = exact.or_else(|| {
            let global = self.global(number)?;
            gateway.dids.iter().find(|(did, _)| self.global(did).as_ref() == Some(&global))
        });
        found.map(|(_, to)| to)
    }

    /// A number as E.164, also where a provider leaves the + away.
    fn global(&self, number: &Digits) -> Option<String> {
        let country = &self.numbering.country;
        let bare = || number.as_str().starts_with(country.as_str()).then(|| format!("+{number}"));
        let national = self.numbering.e164(number);
        national.or_else(|| bare().and_then(|number| self.numbering.e164(&Digits::new(&number))))
    }

    /// The name of the holiday that this day is.
    pub fn holiday(&self, at: &WallTime) -> Option<&str> {
        self.holidays.on(at)
    }

    /// The plugin that prepares calls by this gateway.
    pub fn plugin_of(&self, id: &GatewayId) -> Option<&str> {
        let own = self.plugin_gateways.iter().find(|g| g.id == *id).map(|g| g.plugin.as_str());
        own.or_else(|| self.gateway(id)?.plugin.as_deref())
    }

    /// The extension that the telephone on this line calls as and rings for.
    pub fn extension_on(&self, line: &LineId) -> Option<&Extension> {
        self.extensions.iter().find(|e| e.line.as_ref() == Some(line))
    }

    /// The landlines, in the order in which a free one is looked for.
    pub fn landlines(&self) -> impl Iterator<Item = (&Line, &Fxo)> {
        self.lines.iter().filter_map(|l| match &l.kind {
            LineKind::Fxo(fxo) => Some((l, fxo)),
            LineKind::Fxs(_) => None,
        })
    }

    /// The PIN of this name.
    pub fn pin(&self, name: &str) -> Option<&Pin> {
        self.pins.iter().find(|p| p.name == name)
    }

    /// The PIN that was entered. How long this takes does not say how much of a PIN was right.
    pub fn pin_entered(&self, entered: &str) -> Option<&Pin> {
        self.pins.iter().fold(None, |found, pin| if pin.is(entered) { Some(pin) } else { found })
    }

    /// The plan that a query is dialled by, with its name: that of the PIN that was proved, else the source's.
    pub fn plan_of(&self, query: &RouteQuery) -> Option<(&str, &Arc<Plan>)> {
        let own = query.pin.as_deref().and_then(|name| self.pin(name)?.plan.as_deref());
        match own.and_then(|name| self.plans.get_key_value(name)) {
            Some((name, plan)) => Some((name, plan)),
            None => self.plan_for(&query.source),
        }
    }

    /// The plan that this caller dials by, with its name: its own, else its line's, else the default one.
    pub fn plan_for(&self, source: &Source) -> Option<(&str, &Arc<Plan>)> {
        let own = match source {
            Source::Extension(id) => self.extension(id.as_str()).and_then(|e| e.plan.as_deref()),
            Source::Line(id) => self
                .extension_on(id)
                .and_then(|e| e.plan.as_deref())
                .or_else(|| self.line(id).and_then(|l| l.plan.as_deref())),
            Source::Gateway(id) => self.gateway(id).and_then(|g| g.inbound_plan.as_deref()),
            Source::Operator => None,
        };
        let name = own.unwrap_or(&self.default_plan);
        self.plans.get_key_value(name).map(|(name, plan)| (name.as_str(), plan))
    }
}

impl Default for Config {
    /// An exchange without a line, an extension or a provider, that listens on the usual ports.
    fn default() -> Config {
        Config {
            region: Region::default(),
            extensions: Vec::new(),
            lines: Vec::new(),
            boards: Vec::new(),
            gateways: Vec::new(),
            plugin_gateways: Vec::new(),
            plugin_trust: Vec::new(),
            failover: Failover::default(),
            pins: Vec::new(),
            numbering: Numbering::of(Region::default()),
            rates: Rates::default(),
            plans: BTreeMap::new(),
            default_plan: "home".to_owned(),
            default_route: PlanRoute::Default,
            dialling: Dialling::default(),
            emergency: Emergency::default(),
            sip: Sip::default(),
            http: vec![SocketAddr::from(([127, 0, 0, 1], 8080))],
            trusted_proxies: Vec::new(),
            script: None,
            scripts: BTreeMap::new(),
            holidays: Holidays::default(),
            time_zone: None,
            media: Media::default(),
            limits: Limits::default(),
            log: Log::default(),
        }
    }
}

impl Default for Emergency {
    fn default() -> Emergency {
        Emergency {
            country: Country::US,
            extra: Vec::new(),
            providers: Vec::new(),
            landline_first: true,
            caller_id: None,
            location: String::new(),
        }
    }
}

impl Default for Sip {
    fn default() -> Sip {
        let any = SocketAddr::from(([0, 0, 0, 0], 5060));
        Sip {
            listen: vec![(Transport::Udp, any), (Transport::Tcp, any)],
            domain: "ringtrip.local".to_owned(),
            realm: "ringtrip".to_owned(),
            external: None,
            local_networks: None,
            keep_alive: KeepAliveBy::Options,
            keep_alive_interval: Duration::from_secs(30),
            rtp_ports: (16384, 32767),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            session_expires: Some(Duration::from_secs(1800)),
            min_session_expires: Duration::from_secs(90),
            expires: Expires {
                min: Duration::from_secs(60),
                max: Duration::from_secs(7200),
                default: Duration::from_secs(3600),
            },
            name_servers: Vec::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            calls: 1000,
            calls_per_source: 100,
            call_length: None,
            rtp_timeout: Some(Duration::from_secs(300)),
            script_time: Duration::from_millis(20),
            script_operations: 100_000,
        }
    }
}

impl Extension {
    /// An extension with the usual settings and nothing that proves or rings it yet.
    pub fn new(id: ExtId) -> Extension {
        Extension {
            name: id.to_string(),
            id,
            secret: None,
            caller_id: None,
            withhold: false,
            plan: None,
            script: None,
            line: None,
            max_contacts: 5,
            srtp: SrtpPolicy::Off,
            conference: None,
            ring_time: Duration::from_secs(60),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Password(_) => f.write_str("Password(***)"),
            Secret::Ha1 { .. } => f.write_str("Ha1(***)"),
        }
    }
}

#[cfg(test)]
mod tests;
