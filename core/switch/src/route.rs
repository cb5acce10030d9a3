//! Route words: the question "where should this call go?", its answer the whole plan, and what the directory
//! finds for a target.

use std::sync::Arc;
use std::time::Duration;

use ringtrip_sip::endpoint::Flow;

use crate::emergency::EmergencyCall;
use crate::ids::{CallId, ExtId, GatewayId, LineId};
use crate::party::{CallerId, Cause, Digits, Source};

/// Where a stage of a plan may go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// An extension: all its phones at once.
    Extension(ExtId),
    /// A named line: a telephone (FXS) or a landline (FXO).
    Line(LineId),
    /// `gw0`: any free landline.
    Landline,
    /// A SIP provider.
    Gateway(GatewayId),
    /// An ad-hoc SIP destination of the dial plan (`<:@host:port;uid=u;pwd=p;nat>`).
    Uri(AdHoc),
}

/// An ad-hoc SIP destination.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AdHoc {
    /// Host name or address, with port if given (`host:port`).
    pub host: String,
    /// Digest user name.
    pub user: Option<String>,
    /// Digest password. Never printed.
    pub password: Option<String>,
    /// Use NAT mapping.
    pub nat: bool,
}

impl std::fmt::Debug for AdHoc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.host)
    }
}

/// The question to the route actor.
#[derive(Debug, Clone)]
pub struct RouteQuery {
    /// Who asks.
    pub call: CallId,
    /// Where the call comes from.
    pub source: Source,
    /// Who is shown as calling.
    pub caller: CallerId,
    /// The keys or the number as dialled.
    pub dialled: Digits,
    /// What the dial plan of the caller's telephone already decided key by key; `None` when the number came whole
    /// (a SIP phone, a gateway): the route actor then runs the plan itself.
    pub planned: Option<Planned>,
    /// Local wall-clock time, for scripts.
    pub at: WallTime,
}

/// What a dial plan decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The number to send, after the plan's rewriting. May be empty towards the landline (two-stage dialling).
    pub number: Digits,
    /// The plan's route: `default`, `gw0`…, or a host.
    pub route: PlanRoute,
    /// The alternative that won, as written; goes into the CDR.
    pub alternative: String,
}

/// The route that a dial-plan alternative names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanRoute {
    /// None named: extension if there is one of that number, else the default route of the configuration.
    Default,
    /// `gw0`.
    Landline,
    /// `gw1`, `gw2`, …
    Gateway(GatewayId),
    /// A host.
    Uri(AdHoc),
}

/// Wall-clock time in the box's zone, cut up for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WallTime {
    /// Microseconds since 1970 UTC.
    pub unix_micros: i64,
    /// Local year.
    pub year: i16,
    /// Local month, 1–12.
    pub month: u8,
    /// Local day, 1–31.
    pub day: u8,
    /// Local hour, 0–23.
    pub hour: u8,
    /// Local minute, 0–59.
    pub minute: u8,
    /// Day of the week, 1 = Monday … 7 = Sunday.
    pub weekday: u8,
}

/// The answer: all that will be tried, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct RoutePlan {
    /// What to do.
    pub verdict: Verdict,
    /// Who decided: goes into the CDR and the log.
    pub provenance: Provenance,
}

/// What the route decided.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Try these stages, one after the other.
    Stages(Vec<Stage>),
    /// Refuse.
    Refuse(Cause),
    /// An emergency call. Nobody but [`crate::emergency`] can make one.
    Emergency(EmergencyCall),
}

/// One stage: its targets ring together; the next stage starts when all have failed or the time is up.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Who rings, each with the number to send it.
    pub targets: Vec<Attempt>,
    /// How long to ring before the next stage.
    pub timeout: Duration,
}

/// One target of a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Where.
    pub target: Target,
    /// The number for it, after transformations.
    pub number: Digits,
    /// The caller as shown to it.
    pub caller: CallerId,
}

/// Who decided.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Provenance {
    /// The dial-plan alternative that won, as written.
    pub alternative: Option<String>,
    /// The script and line that decided, `default.rhai:12`.
    pub script: Option<String>,
    /// One sentence for a person.
    pub because: String,
}

/// A leg that reaches a target now.
#[derive(Debug, Clone)]
pub enum Found {
    /// A phone or provider over SIP.
    Sip(Arc<SipWay>),
    /// A line on a board, free a moment ago.
    Line(LineId),
}

/// How to place a SIP leg.
#[derive(Debug, Clone, PartialEq)]
pub struct SipWay {
    /// Request-URI; `{number}` in it is replaced by the number of the attempt.
    pub uri: String,
    /// Ways in the order to try; the next is taken on timeout, transport failure or 503 (RFC 3263 §4.3).
    pub flows: Vec<Flow>,
    /// Credentials for 401/407, if there are any.
    pub credentials: Option<Credentials>,
    /// Our identity towards it: `From` and `Contact` user, and the domain of `From`.
    pub identity: Identity,
    /// Route set to put before the request (Path or Service-Route), top first, as header values.
    pub routes: Vec<String>,
    /// Believe and send P-Asserted-Identity (RFC 3325)?
    pub trusted: bool,
    /// The target's name for events and CDRs: `101`, `gw1`, `example.com`.
    pub name: String,
    /// A gateway's name, if it is one.
    pub gateway: Option<GatewayId>,
}

/// Our identity towards a SIP peer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// User part of From when the caller's number must not or cannot stand there; `None`: the caller's number.
    pub user: Option<String>,
    /// Domain of From.
    pub domain: String,
    /// User part of our Contact.
    pub contact_user: String,
}

/// Digest credentials. `Debug` hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:***", self.user)
    }
}
