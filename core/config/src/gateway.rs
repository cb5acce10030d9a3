//! Gateways: SIP providers, and who answers for calls that come in.

use std::fmt;
use std::time::Duration;

use ringtrip_media::sdp::SrtpPolicy;
use ringtrip_media::sound::CodecKind;
use ringtrip_sip::endpoint::Transport;
use ringtrip_sip::nat::IpNet;

use ringtrip_model::host_port::HostPort;
use ringtrip_model::ids::GatewayId;
use ringtrip_model::party::Digits;
use ringtrip_model::route::{Credentials, Target};

/// A SIP provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// `gw1`, `gw2`, …
    pub id: GatewayId,
    /// The registrar, and where calls go when there is no proxy.
    pub server: HostPort,
    /// Where requests are sent instead, when the provider says so (`Outbound_Proxy`).
    pub proxy: Option<HostPort>,
    /// UDP or TCP.
    pub transport: Transport,
    /// Our user name there: the user part of From and of the registered address.
    pub user: String,
    /// The name for digest when it differs (`Auth_ID`).
    pub auth_user: Option<String>,
    /// The password. Never printed.
    pub password: Option<Password>,
    /// Register there? No: the provider knows our address.
    pub register: bool,
    /// How long to register for.
    pub expires: Duration,
    /// The domain of our identity there; `None`: the server's host.
    pub domain: Option<String>,
    /// Only answer challenges of this realm; `None`: any.
    pub realm: Option<String>,
    /// Ask with OPTIONS this often whether it lives; `None`: never.
    pub options_interval: Option<Duration>,
    /// A call that got no answer at all for so long, not even 100, goes on to the next server or gateway; `None`: after
    /// 32 s (timer B).
    pub answer_within: Option<Duration>,
    /// Where calls from it go.
    pub inbound: Inbound,
    /// Numbers of ours there that go elsewhere than `inbound`.
    pub dids: Vec<(Digits, Inbound)>,
    /// Networks from which its calls come, beside the addresses that its name resolves to.
    pub accept_from: Vec<IpNet>,
    /// Believe its P-Asserted-Identity and send it ours (RFC 3325).
    pub trusted: bool,
    /// It is another exchange of the same site: an emergency number that it dials is an emergency call. So it is in any case
    /// where `inbound` is what it dials.
    pub emergency: bool,
    /// The only codecs to speak with it, best first; none: all, in the order of the other side.
    pub codecs: Vec<CodecKind>,
    /// Is its sound encrypted?
    pub srtp: SrtpPolicy,
    /// The number shown to it when a caller's own is not; `None`: `user`.
    pub caller_id: Option<String>,
    /// The plugin that prepares calls by it.
    pub plugin: Option<String>,
    /// The plan for numbers that its calls are sent to by `{ number = "…" }`; `None`: the default plan.
    pub inbound_plan: Option<String>,
    /// Where its calls may go outside when they dial by a plan: digits that the numbers begin with, country code first;
    /// `None`: wherever the plan sends them.
    pub inbound_prefixes: Option<Vec<String>>,
    /// The script that is asked about calls from it, a path; `None`: that of the exchange.
    pub inbound_script: Option<String>,
    /// The plan that numbers to it must pass, which may rewrite them; `None`: any number.
    pub outbound_plan: Option<String>,
    /// The script that looks at calls to it last, a path.
    pub outbound_script: Option<String>,
}

/// A provider that is reached through other carriers, as its plugin says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginGateway {
    /// `gw3`.
    pub id: GatewayId,
    /// The plugin's name.
    pub plugin: String,
}

/// Where a call from outside goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    /// Nowhere.
    Refuse,
    /// These ring together.
    Ring(Vec<Target>),
    /// As if an inside caller had dialled this, through the default plan.
    Number(Digits),
    /// To the extension of the number that was called, if there is one.
    Dialled,
    /// Where the gateway's `inbound_plan` sends the number that was called: as from inside, with that plan's rights.
    Plan,
}

/// The usual `answer_within`. Timer A repeats an INVITE after 0.5 s: where one packet is lost, the answer to the second
/// copy still has a second to come back. It leaves half a second of the two within which a caller should hear that
/// something happens.
pub const ANSWER_WITHIN: Duration = Duration::from_millis(1500);

/// A password. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl Gateway {
    /// Is it another exchange of the same site, whose emergency calls are ours?
    pub fn may_call_for_help(&self) -> bool {
        self.emergency || matches!(self.inbound, Inbound::Dialled | Inbound::Plan)
    }

    /// A provider with the usual settings: it registers, and its calls go nowhere yet.
    pub fn new(id: GatewayId, server: HostPort, user: &str) -> Gateway {
        Gateway {
            id,
            server,
            proxy: None,
            transport: Transport::Udp,
            user: user.to_owned(),
            auth_user: None,
            password: None,
            register: true,
            expires: Duration::from_secs(3600),
            domain: None,
            realm: None,
            options_interval: Some(Duration::from_secs(60)),
            answer_within: Some(ANSWER_WITHIN),
            inbound: Inbound::Refuse,
            dids: Vec::new(),
            accept_from: Vec::new(),
            trusted: true,
            emergency: false,
            codecs: Vec::new(),
            srtp: SrtpPolicy::Off,
            caller_id: None,
            plugin: None,
            inbound_plan: None,
            inbound_prefixes: None,
            inbound_script: None,
            outbound_plan: None,
            outbound_script: None,
        }
    }

    /// Credentials for its challenges, if there is a password.
    pub fn credentials(&self) -> Option<Credentials> {
        let password = self.password.as_ref()?.0.clone();
        let user = self.auth_user.clone().unwrap_or_else(|| self.user.clone());
        Some(Credentials { user, password, realm: self.realm.clone() })
    }

    /// The number that stands for us there; none where we have no account.
    pub fn own_number(&self) -> Option<&str> {
        self.caller_id.as_deref().or(Some(self.user.as_str())).filter(|number| !number.is_empty())
    }

    /// May its calls dial out by a plan?
    pub fn dials(&self) -> bool {
        self.inbound == Inbound::Plan || self.dids.iter().any(|(_, to)| *to == Inbound::Plan)
    }

    /// The domain of our identity there.
    pub fn domain(&self) -> &str {
        self.domain.as_deref().unwrap_or(&self.server.host)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
