//! Admission: who sends a request that belongs to no dialog, and may he? By what he proves (digest), or by where he
//! comes from (a provider's address). The answer to an unknown user and to a wrong password is the same.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringtrip_sip::digest::{self, Guard, Secret};
use ringtrip_sip::endpoint::Flow;
use ringtrip_sip::message::Request;
use ringtrip_sip::name::Name;
use ringtrip_sip::nonce::Nonces;
use ringtrip_sip::uri::Uri;

use crate::config::{self, Config};
use crate::emergency;
use crate::extension;
use crate::ids::{ExtId, GatewayId};
use crate::leg::sip::identity;
use crate::party::{CallerId, Digits, Source};

/// Decides who somebody is.
#[derive(Debug)]
pub(crate) struct Admission {
    guard: Guard,
    key: [u8; 32],
    secrets: HashMap<String, Secret>,
    /// Where providers are, as their names resolved.
    peers: HashMap<GatewayId, Vec<IpAddr>>,
}

/// Who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    /// A phone that proved to be this extension.
    Extension(ExtId),
    /// A provider, by its address.
    Gateway(GatewayId),
    /// Nobody yet: answer 401 with these challenges. `tried`: the name that somebody failed to prove.
    Unproven { challenges: Vec<Bytes>, tried: Option<String> },
    /// Answer this code.
    Refused(u16),
}

/// How long a nonce is good: a phone that registers each hour answers one challenge a time, and what was overheard is
/// soon worth nothing.
const NONCE_LIFE: Duration = Duration::from_secs(300);

/// How many used nonces are remembered: at 24 octets each, one and a half megabytes.
const NONCES: usize = 65_536;

impl Admission {
    pub(crate) fn new(now: Instant, config: &Config, key: [u8; 32]) -> Admission {
        Admission {
            guard: guard(now, config, key),
            key,
            secrets: extension::secrets(config),
            peers: HashMap::new(),
        }
    }

    /// The configuration changed. Nonces of the old one are answered with `stale`, so phones try again by themselves.
    pub(crate) fn configure(&mut self, now: Instant, config: &Config) {
        self.guard = guard(now, config, self.key);
        self.secrets = extension::secrets(config);
        self.peers.retain(|id, _| config.gateway(id).is_some());
    }

    /// A provider's name resolved to these addresses.
    pub(crate) fn peer(&mut self, gateway: GatewayId, addresses: Vec<IpAddr>) {
        self.peers.insert(gateway, addresses);
    }

    /// Who sends this? Credentials count before the address, so that a phone beside a provider's server stays a phone.
    pub(crate) fn who(&mut self, now: Instant, config: &Config, request: &Request, flow: Flow) -> Who {
        let offers_proof = request.headers.get(&Name::Authorization).is_some();
        if !offers_proof && let Some(gateway) = self.gateway(config, flow.remote.ip()) {
            return Who::Gateway(gateway);
        }
        let secrets = &self.secrets;
        let what = (&request.method, &request.uri[..], &request.headers);
        match self.guard.verify(now, what, &Name::Authorization, |user| secrets.get(user)) {
            // The names in the table were read as extensions, so this one reads too.
            digest::Verdict::Granted(user) => user.parse().map_or(Who::Refused(403), Who::Extension),
            digest::Verdict::Challenge { stale, tried } => {
                let mut challenges = self.guard.challenge(now, stale);
                if challenges.len() > 1 && stumbles_over_sha256(request) {
                    challenges.retain(|line| line.windows(4).any(|w| w == b"=MD5"));
                }
                Who::Unproven { challenges, tried }
            }
            digest::Verdict::Malformed(_) => Who::Refused(400),
        }
    }

    fn gateway(&self, config: &Config, from: IpAddr) -> Option<GatewayId> {
        let knows = |g: &&config::Gateway| {
            g.accept_from.contains(&from) || self.peers.get(&g.id).is_some_and(|at| at.contains(&from))
        };
        config.gateways.iter().find(knows).map(|g| g.id.clone())
    }
}

/// Phones that give up when any of the challenges names an algorithm that they do not know, against RFC 7616 §3.7. They
/// are offered MD5 alone where it is allowed at all; whoever borrows their name gains nothing, for he may choose MD5
/// anyway.
const MD5_ALONE: &[&str] = &["baresip v0.", "baresip v1.", "baresip v2."];

fn stumbles_over_sha256(request: &Request) -> bool {
    let agent = request.headers.text(&Name::UserAgent).unwrap_or_default();
    MD5_ALONE.iter().any(|name| agent.starts_with(name))
}

fn guard(now: Instant, config: &Config, key: [u8; 32]) -> Guard {
    let algorithms: Vec<digest::Algorithm> = config
        .sip
        .algorithms
        .iter()
        .map(|a| match a {
            config::Algorithm::Md5 => digest::Algorithm::Md5,
            config::Algorithm::Sha256 => digest::Algorithm::Sha256,
        })
        .collect();
    Guard::new(&config.sip.realm, &algorithms, Nonces::new(key, now, NONCE_LIFE, NONCES))
}

/// The emergency number for a phone whose button calls a service, not a number (RFC 5031: `urn:service:sos.fire`). From here
/// on it is a number like any other to all who look for one.
fn service(config: &Config, uri: &Uri) -> Option<Digits> {
    let Uri::Other(_) = uri else { return None };
    let call = emergency::decide(config, &CallerId::default(), &Digits::new(&uri.to_string()))?;
    Some(call.number().clone())
}

/// A telephone number in the user part of a SIP URI may bring parameters and visual separators (RFC 3261 §19.1.6, RFC 3966
/// §5.1.1): `112;phone-context=+44`, `(01480)-123.456`. What has letters is a name, and stays; so does an extension's.
fn telephone_number(config: &Config, dialled: Digits) -> Digits {
    let text = dialled.as_str();
    let bare = text.split(';').next().unwrap_or(text);
    let is_number = |c: char| c.is_ascii_digit() || "+*#-.()".contains(c);
    let digits = bare.contains(|c: char| c.is_ascii_digit());
    if !digits || !bare.chars().all(is_number) || config.extension(text).is_some() {
        return dialled;
    }
    let plain: String = bare.chars().filter(|c| !"-.()".contains(*c)).collect();
    // Some phones write every number with a +. No number of another country is as short as one that calls for help.
    let bare_of_plus = plain.strip_prefix('+').filter(|rest| emergency::is_exact(&config.emergency, rest));
    let plain = bare_of_plus.map(str::to_owned).unwrap_or(plain);
    if plain == text { dialled } else { Digits::new(&plain) }
}

/// The caller and the number of an INVITE that was admitted.
pub(crate) fn parties(config: &Config, who: &Source, invite: &Request) -> (CallerId, Digits) {
    let uri = Uri::read(&invite.uri).ok();
    let dialled = uri.as_ref().and_then(Uri::user);
    let dialled = dialled.map(|user| Digits::new(&String::from_utf8_lossy(&user))).unwrap_or_default();
    match who {
        Source::Extension(id) => {
            let extension = config.extension(id.as_str());
            let dialled = uri.as_ref().and_then(|uri| service(config, uri)).unwrap_or(dialled);
            let dialled = telephone_number(config, dialled);
            let said = identity::of_invite(invite, false);
            let caller = CallerId {
                // The phone says whether to withhold, never who it is: that was proven.
                number: id.to_string(),
                name: extension.map(|e| e.name.clone()).unwrap_or_default(),
                private: said.private || extension.is_some_and(|e| e.withhold),
            };
            (caller, dialled)
        }
        Source::Gateway(id) => {
            let gateway = config.gateway(id);
            let caller = identity::of_invite(invite, gateway.is_some_and(|g| g.trusted));
            // A provider that calls the Contact we registered names the called number in To.
            let contact =
                dialled.as_str() == id.as_str() || gateway.is_some_and(|g| g.user == dialled.as_str());
            let to =
                invite.headers.get(&Name::To).and_then(|v| ringtrip_sip::address::NameAddr::read(v).ok());
            let to = to.and_then(|to| to.uri.user()).map(|user| Digits::new(&String::from_utf8_lossy(&user)));
            match to {
                Some(to) if contact && !to.is_empty() => (caller, to),
                _ => (caller, dialled),
            }
        }
        Source::Line(_) | Source::Operator => (CallerId::default(), dialled),
    }
}

#[cfg(test)]
mod tests;
