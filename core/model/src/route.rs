//! What a decision about a call is asked and what it answers: targets, the question, who decided.

use crate::ids::{CallId, ExtId, GatewayId, LineId};
use crate::party::{CallerId, Digits, Source};

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

/// Keys that may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys(pub String);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
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

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:***", self.user)
    }
}
