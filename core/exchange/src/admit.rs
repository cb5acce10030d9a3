//! Admission: who sends a request that belongs to no dialog, and may he? By what he proves (digest), or by where he
//! comes from (a provider's address). The answer to an unknown user and to a wrong password is the same.

mod guess;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringtrip_sip::digest::{self, Guard, Secret};
use ringtrip_sip::endpoint::Flow;
use ringtrip_sip::message::Method;
use ringtrip_sip::name::Name;
use ringtrip_sip::nonce::Nonces;
use ringtrip_sip::screen::ValidRequest;
use ringtrip_sip::uri::Uri;

use crate::emergency;
use crate::extension;
use crate::leg::sip::identity;
use crate::number::Number;
use ringtrip_config::Config;
use ringtrip_model::ids::{ExtId, GatewayId};
use ringtrip_model::party::{CallerId, Digits, Source};

use guess::{Guesses, Look};

/// Decides who somebody is.
#[derive(Debug)]
pub(crate) struct Admission {
    guard: Guard,
    key: [u8; 32],
    secrets: HashMap<String, Secret>,
    guesses: Guesses,
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
    /// Nobody yet: answer 401 with these challenges, after this time. `tried`: the name that somebody failed to prove.
    Unproven { challenges: Vec<Bytes>, tried: Option<String>, after: Duration },
    /// Its answers are held back, and there are too many of them.
    Busy,
    /// Answer this code.
    Refused(u16),
}

/// What people are told of proofs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// So many were wrong: somebody guesses.
    Guessing { user: String, wrong: u32 },
    /// One was right after so many wrong ones.
    Guessed { user: String, wrong: u32 },
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
            guesses: Guesses::default(),
            peers: HashMap::new(),
        }
    }

    /// The configuration changed. Nonces of the old one are answered with `stale`, so phones try again by themselves.
    pub(crate) fn configure(&mut self, now: Instant, config: &Config) {
        self.guard = guard(now, config, self.key);
        self.secrets = extension::secrets(config);
        self.peers.retain(|id, _| config.gateway(id).is_some());
    }

    /// Where all providers are.
    pub(crate) fn peers(&self) -> Vec<IpAddr> {
        self.peers.values().flatten().copied().collect()
    }

    /// A provider's name resolved to these addresses.
    pub(crate) fn peer(&mut self, gateway: GatewayId, addresses: Vec<IpAddr>) {
        self.peers.insert(gateway, addresses);
    }

    /// Who sends this? Credentials for our realm count before the address, so that a phone beside a provider's server stays
    /// a phone; credentials for another realm are none. Providers do not register with us, so who does is a phone.
    /// `is_phone`: a phone has registered by this very way.
    pub(crate) fn who(
        &mut self,
        now: Instant,
        config: &Config,
        request: &ValidRequest,
        flow: Flow,
        is_phone: bool,
        told: &mut Option<Told>,
    ) -> Who {
        let offers_proof = self.guard.is_offered(&request.headers, &Name::Authorization);
        if !offers_proof
            && !is_phone
            && request.method != Method::Register
            && let Some(gateway) = self.gateway(config, request, flow)
        {
            return Who::Gateway(gateway);
        }
        let user = self.guard.named(&request.headers, &Name::Authorization);
        // A call for help is never kept waiting, nor is the phone that has registered by this very way.
        let hurry = is_phone || calls_for_help(config, request);
        if let Some(user) = user.as_deref().filter(|_| !hurry) {
            let nonce = self.guard.nonce(&request.headers, &Name::Authorization);
            match self.guesses.look(now, flow.remote, user, nonce.as_deref()) {
                Look::Now => {}
                Look::Later(after) => return self.challenge(now, request, false, None, after),
                Look::Full => return Who::Busy,
            }
        }
        let secrets = &self.secrets;
        let what = (&request.method, &request.uri[..], &request.headers);
        match self.guard.verify(now, what, &Name::Authorization, |user| secrets.get(user)) {
            // The names in the table were read as extensions, so this one reads too.
            digest::Verdict::Granted(user) => {
                self.was_right(now, flow, &user, is_phone, told);
                user.parse().map_or(Who::Refused(403), Who::Extension)
            }
            digest::Verdict::Challenge { stale, tried } => {
                if let Some(user) = user.filter(|_| stale) {
                    // The password was right, only the nonce was not.
                    self.was_right(now, flow, &user, is_phone, told);
                }
                let Some(user) = &tried else {
                    return self.challenge(now, request, stale, None, Duration::ZERO);
                };
                let (look, often) = self.guesses.wrong(now, flow.remote, user);
                if let Some(wrong) = often {
                    *told = Some(Told::Guessing { user: user.clone(), wrong });
                }
                match look {
                    Look::Now => self.challenge(now, request, stale, tried, Duration::ZERO),
                    Look::Later(after) => self.challenge(now, request, stale, tried, after),
                    Look::Full => Who::Busy,
                }
            }
        }
    }

    fn was_right(&self, now: Instant, flow: Flow, user: &str, is_phone: bool, told: &mut Option<Told>) {
        let wrong = self.guesses.right(now, flow.remote, user).filter(|_| !is_phone);
        if let Some(wrong) = wrong {
            *told = Some(Told::Guessed { user: user.to_owned(), wrong });
        }
    }

    fn challenge(
        &mut self,
        now: Instant,
        request: &ValidRequest,
        stale: bool,
        tried: Option<String>,
        after: Duration,
    ) -> Who {
        let (nonce, mut challenges) = self.guard.challenge_with(now, stale);
        if !after.is_zero() {
            self.guesses.grant(now, nonce);
        }
        if challenges.len() > 1 && stumbles_over_sha256(request) {
            challenges.retain(|line| line.windows(4).any(|w| w == b"=MD5"));
        }
        Who::Unproven { challenges, tried, after }
    }

    /// Which provider calls from this address. Several accounts at one provider share it: then what is called tells them
    /// apart, first by the Contact that each has registered, then by its numbers.
    fn gateway(&self, config: &Config, request: &ValidRequest, flow: Flow) -> Option<GatewayId> {
        let from = flow.remote.ip().to_canonical();
        let knows = |g: &&ringtrip_config::Gateway| {
            g.accept_from.iter().any(|network| network.contains(&from))
                || self.peers.get(&g.id).is_some_and(|at| at.contains(&from))
        };
        let there: Vec<&ringtrip_config::Gateway> = config.gateways.iter().filter(knows).collect();
        let [first, _, ..] = there[..] else { return there.first().map(|g| g.id.clone()) };
        let to = &request.head().to.uri;
        let found = [&request.fields().target, to].into_iter().find_map(|uri| {
            let number = telephone_number(config, uri);
            let registered = || there.iter().find(|g| config.contact_user(g) == user_of(uri));
            let account = || there.iter().find(|g| is_account(config, g, uri));
            let did = || there.iter().find(|g| config.did(g, &number).is_some());
            registered().or_else(account).or_else(did)
        });
        // Two tenants of one provider are named by their domains; two exchanges on one machine have ports of their own.
        let domain = || {
            let host = to.host()?.to_string();
            there.iter().find(|g| g.domain.as_deref().is_some_and(|d| d.eq_ignore_ascii_case(&host)))
        };
        let port = || there.iter().find(|g| g.server.port == Some(flow.remote.port()));
        Some(found.or_else(domain).or_else(port).map_or_else(|| first.id.clone(), |g| g.id.clone()))
    }
}

/// Does this URI name the account at the provider, not a number there?
fn is_account(config: &Config, gateway: &ringtrip_config::Gateway, uri: &Uri) -> bool {
    let user = user_of(uri);
    !user.is_empty()
        && (user == config.contact_user(gateway)
            || user == gateway.user
            || gateway.auth_user.as_deref() == Some(user.as_str()))
}

/// The user of a URI as it was registered: without escapes, and without what proxies have added to it.
fn user_of(uri: &Uri) -> String {
    let user = uri.user().unwrap_or_default();
    let end = user.iter().position(|c| *c == b';').unwrap_or(user.len());
    String::from_utf8_lossy(&user[..end]).into_owned()
}

/// Phones that give up when any of the challenges names an algorithm that they do not know, against RFC 7616 §3.7. They
/// are offered MD5 alone where it is allowed at all; whoever borrows their name gains nothing, for he may choose MD5
/// anyway.
const MD5_ALONE: &[&str] = &["baresip v0.", "baresip v1.", "baresip v2."];

fn stumbles_over_sha256(request: &ValidRequest) -> bool {
    let agent = request.headers.text(&Name::UserAgent).unwrap_or_default();
    MD5_ALONE.iter().any(|name| agent.starts_with(name))
}

fn guard(now: Instant, config: &Config, key: [u8; 32]) -> Guard {
    let algorithms: Vec<digest::Algorithm> = config
        .sip
        .algorithms
        .iter()
        .map(|a| match a {
            ringtrip_config::Algorithm::Md5 => digest::Algorithm::Md5,
            ringtrip_config::Algorithm::Sha256 => digest::Algorithm::Sha256,
        })
        .collect();
    Guard::new(&config.sip.realm, &algorithms, Nonces::new(key, now, NONCE_LIFE, NONCES))
}

/// Is it an INVITE to an emergency number?
fn calls_for_help(config: &Config, request: &ValidRequest) -> bool {
    request.method == Method::Invite
        && emergency::decide(config, &CallerId::default(), &dialled(config, &request.fields().target))
            .is_some()
}

/// The emergency number for a phone whose button calls a service, not a number (RFC 5031: `urn:service:sos.fire`). From here
/// on it is a number like any other to all who look for one.
fn service(config: &Config, uri: &Uri) -> Option<Digits> {
    let Uri::Other(_) = uri else { return None };
    let call = emergency::decide(config, &CallerId::default(), &Digits::new(&uri.to_string()))?;
    Some(call.number().clone())
}

/// What a phone dials that names this URI.
pub(crate) fn dialled(config: &Config, uri: &Uri) -> Digits {
    service(config, uri).unwrap_or_else(|| telephone_number(config, uri))
}

/// The number that a URI names, as it is dialled here.
fn telephone_number(config: &Config, uri: &Uri) -> Digits {
    let local = |text: &str| config.extension(text).is_some() || emergency::is_exact(&config.emergency, text);
    let number = Number::of(uri, local).digits;
    // Some phones write every number with a +. No number of another country is as short as one that calls for help.
    match number.as_str().strip_prefix('+') {
        Some(rest) if emergency::is_exact(&config.emergency, rest) => Digits::new(rest),
        _ => number,
    }
}

/// The caller and the number of an INVITE that was admitted.
pub(crate) fn parties(config: &Config, who: &Source, invite: &ValidRequest) -> (CallerId, Digits) {
    let uri = &invite.fields().target;
    let dialled = telephone_number(config, uri);
    match who {
        Source::Extension(id) => {
            let extension = config.extension(id.as_str());
            let dialled = service(config, uri).unwrap_or(dialled);
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
                dialled.as_str() == id.as_str() || gateway.is_some_and(|g| is_account(config, g, uri));
            let to = telephone_number(config, &invite.head().to.uri);
            // So does one that calls a user of its own making.
            let did = |number: &Digits| gateway.is_some_and(|g| config.did(g, number).is_some());
            match !to.is_empty() && (contact || !did(&dialled) && did(&to)) {
                true => (caller, to),
                false => (caller, dialled),
            }
        }
        Source::Line(_) | Source::Operator => (CallerId::default(), dialled),
    }
}

#[cfg(test)]
mod tests;
