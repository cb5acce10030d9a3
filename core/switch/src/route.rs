//! Route words: the question "where should this call go?", its answer the whole plan, and what the directory
//! finds for a target.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringtrip_media::sound::CodecKind;
use ringtrip_rates::rate::Price;
pub use ringtrip_rates::time::Date;
use ringtrip_sip::endpoint::Flow;
pub use ringtrip_sip::name::Name as HeaderName;
use ringtrip_sip::next_hop::{HostName, Reach};

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

impl Target {
    /// Its name for people and scripts: `101`, `fxs1`, `gw0`, `gw1`, a host.
    pub fn word(&self) -> String {
        match self {
            Target::Extension(id) => id.to_string(),
            Target::Line(id) => id.to_string(),
            Target::Landline => "gw0".to_owned(),
            Target::Gateway(id) => id.to_string(),
            Target::Uri(host) => host.host.clone(),
        }
    }
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
    /// The name of the PIN that the caller has proved in this call, never the PIN itself.
    pub pin: Option<String>,
    /// What the caller entered when asked for a PIN; the route finds out whose it is.
    pub entered: Option<Keys>,
    /// The digest user that a SIP phone proved to be; empty where nobody had to.
    pub user: String,
    /// `dialled` was entered when the exchange asked for a number.
    pub asked: bool,
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
    /// What else was asked for. An emergency call never has any of it.
    pub extras: Extras,
}

/// What a route wants done beside placing the call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extras {
    /// Done in this order before the first stage.
    pub before: Vec<Prelude>,
    /// Record the talk of both sides.
    pub record: bool,
    /// Said to the caller when the call is refused, instead of a bare tone.
    pub say: Option<String>,
    /// The name of the PIN that the caller has proved by what was entered; the call keeps it.
    pub pin: Option<String>,
}

/// Something done before the first stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prelude {
    /// Wait.
    Delay(Duration),
    /// Play an announcement to the caller: the name of a prompt (`closed`) or of a WAV file in the prompts folder.
    Play(String),
}

/// What the caller is asked for before the route can say more. With the answer the route is asked again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is wanted.
    pub wanted: Wanted,
    /// The announcement that asks, by name; `None`: the region's prompt tone.
    pub prompt: Option<String>,
    /// How often the caller may try.
    pub tries: u8,
}

/// What a caller may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A PIN, ended with `#` or by a pause. The route finds out whose it is.
    Pin,
    /// A number, dialled through the dial plan that the route's source has (its PIN's, if one was proved).
    Number,
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
    /// Ask the caller for something, and the route again with the answer.
    Ask(Question),
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
    /// How a gateway plugin prepared it.
    pub prepared: Option<Arc<Prepared>>,
    /// What it costs, as far as a rate deck knows.
    pub quote: Option<Arc<Quote>>,
}

impl Attempt {
    /// An attempt as the plan names it: not prepared, not priced.
    pub fn new(target: Target, number: Digits, caller: CallerId) -> Attempt {
        Attempt { target, number, caller, prepared: None, quote: None }
    }
}

/// How a gateway plugin wants a call placed, beside its target and number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prepared {
    /// The gateway that the plugin stands for: CDRs and money name it, not the carrier.
    pub gateway: Option<GatewayId>,
    /// The plugin and its version, `gateway-callingcard 1.0.0`.
    pub plugin: String,
    /// Headers added to the INVITE.
    pub headers: Vec<(String, String)>,
    /// For 401 and 407, instead of the carrier's own.
    pub credentials: Option<Credentials>,
    /// Sent after the answer; on a landline after the number.
    pub after_answer: Vec<AfterAnswer>,
    /// Why, for a person.
    pub because: String,
}

/// Something sent after the called side has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterAnswer {
    /// Wait.
    Pause(Duration),
    /// These keys as DTMF. `Debug` hides them: they may be a PIN.
    Keys(Keys),
}

/// Keys that may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys(pub String);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

/// What a call by this attempt costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// The rate deck.
    pub deck: String,
    /// The prefix that priced it, digits of E.164.
    pub prefix: String,
    /// The deck's name for the destination.
    pub destination: String,
    /// ISO 4217.
    pub currency: String,
    /// Price a minute, millionths of a unit.
    pub per_minute: i64,
    /// Estimated price of the call, millionths of a unit.
    pub estimate: i64,
    /// What the call is billed by when its length is known, in `currency`.
    pub price: Price,
    /// One sentence for a person.
    pub why: String,
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
    /// How it came to that, step by step. Kept with the call's record.
    pub steps: Vec<Step>,
}

/// One step of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What kind of step.
    pub kind: StepKind,
    /// Who or what: a plan, `default.rhai:12`, a plugin, a gateway.
    pub subject: String,
    /// One sentence for a person.
    pub said: String,
}

/// The kinds of steps, in the order in which they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepKind {
    /// Is it an emergency number?
    Emergency,
    /// The number was normalised or rewritten.
    Number,
    /// The dial plan's alternative, or the configuration's word for calls from outside.
    Plan,
    /// A policy plugin's answer.
    Plugin,
    /// A script's answer.
    Script,
    /// A line that the script ran (only when explaining).
    Line,
    /// A gateway that could take it, with its price.
    Candidate,
    /// A target that could not, and why.
    Rejected,
    /// A gateway plugin prepared the call.
    Prepared,
    /// A money limit spoke.
    Money,
    /// A stage of the final plan.
    Stage,
}

impl StepKind {
    /// The word used in records and the API; never changes once released.
    pub fn word(self) -> &'static str {
        match self {
            StepKind::Emergency => "emergency",
            StepKind::Number => "number",
            StepKind::Plan => "plan",
            StepKind::Plugin => "plugin",
            StepKind::Script => "script",
            StepKind::Line => "line",
            StepKind::Candidate => "candidate",
            StepKind::Rejected => "rejected",
            StepKind::Prepared => "prepared",
            StepKind::Money => "money",
            StepKind::Stage => "stage",
        }
    }
}

impl Provenance {
    /// Notes a step.
    pub fn step(&mut self, kind: StepKind, subject: impl Into<String>, said: impl Into<String>) {
        self.steps.push(Step { kind, subject: subject.into(), said: said.into() });
    }
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
    /// A host to be resolved first, that comes before `flows`: a phone registered by a name, or by a proxy (Path).
    pub first: Option<HostName>,
    /// What leads back to it in a dialog.
    pub reach: Reach,
    /// The next way is taken too when there was no answer at all for so long, not even 100; `None`: timer B alone says
    /// that nobody is there.
    pub answer_within: Option<Duration>,
    /// Credentials for 401/407, if there are any.
    pub credentials: Option<Credentials>,
    /// Our identity towards it: `From` and `Contact` user, and the domain of `From`.
    pub identity: Identity,
    /// Route set to put before the request (Path or Service-Route), top first, as header values.
    pub routes: Vec<String>,
    /// Believe and send P-Asserted-Identity (RFC 3325)?
    pub trusted: bool,
    /// The only codecs to speak with it, best first; none: all.
    pub codecs: Vec<CodecKind>,
    /// Headers that go with the INVITE as they stand: who diverted the call before us.
    pub headers: Vec<(HeaderName, Bytes)>,
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
    /// The only realm whose challenges are answered; `None`: any.
    pub realm: Option<String>,
}

impl From<Credentials> for ringtrip_sip::digest::Credentials {
    fn from(c: Credentials) -> Self {
        Self { user: c.user, password: c.password, realm: c.realm }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:***", self.user)
    }
}
