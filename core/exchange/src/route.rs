//! Route words: the question "where should this call go?", its answer the whole plan, and what the directory
//! finds for a target.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringtrip_media::sdp::SrtpPolicy;
use ringtrip_media::sound::CodecKind;
use ringtrip_rating::rate::Price;
pub use ringtrip_rating::time::Date;
use ringtrip_sip::endpoint::Flow;
pub use ringtrip_sip::name::Name as HeaderName;
use ringtrip_sip::next_hop::{HostName, Reach};

use crate::emergency::EmergencyCall;
use ringtrip_model::ids::{ExtId, GatewayId, LineId};
use ringtrip_model::party::{CallerId, Cause, Digits};
pub use ringtrip_model::route::{
    AdHoc, Credentials, Keys, PlanRoute, Planned, Provenance, RouteQuery, Step, StepKind, Target, WallTime,
};

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

impl RoutePlan {
    /// A plan that refuses the call; `because` is one sentence for a person.
    pub fn refused(cause: Cause, because: &str) -> RoutePlan {
        let provenance = Provenance { because: because.to_owned(), ..Provenance::default() };
        RoutePlan { verdict: Verdict::Refuse(cause), provenance, extras: Extras::default() }
    }
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
    /// Its number among all attempts of the call for which somebody may charge ([`crate::rating`]); `None`: nobody does.
    pub rated: Option<u8>,
}

impl Attempt {
    /// An attempt as the plan names it: not prepared, not priced.
    pub fn new(target: Target, number: Digits, caller: CallerId) -> Attempt {
        Attempt { target, number, caller, prepared: None, quote: None, rated: None }
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

/// The longest pause after an answer.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Something sent after the called side has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterAnswer {
    /// Wait.
    Pause(Duration),
    /// These keys as DTMF. `Debug` hides them: they may be a PIN.
    Keys(Keys),
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

/// A leg that reaches a target now.
#[derive(Debug, Clone)]
pub enum Found {
    /// A phone or provider over SIP.
    Sip(Arc<SipWay>),
    /// A line on a board, free a moment ago.
    Line(LineId),
    /// A place in the conference room with this number.
    Conference(ExtId),
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
    /// Is its sound encrypted?
    pub srtp: SrtpPolicy,
    /// Headers that go with the INVITE as they stand: who diverted the call before us.
    pub headers: Vec<(HeaderName, Bytes)>,
    /// The target's name for events and CDRs: `101`, `gw1`, `example.com`.
    pub name: String,
    /// A gateway's name, if it is one.
    pub gateway: Option<GatewayId>,
}

/// Credentials as the digest machine takes them.
pub(crate) fn digest_credentials(c: Credentials) -> ringtrip_sip::digest::Credentials {
    ringtrip_sip::digest::Credentials { user: c.user, password: c.password, realm: c.realm }
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
