//! Extensions as SIP sees them: what proves their phones, under which key they register, and how they are reached.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use ringtrip_media::sdp::SrtpPolicy;
use ringtrip_sip::digest;
use ringtrip_sip::next_hop::{self, NextHop, Reach};
use ringtrip_sip::registrar::{Binding, Change, Rules};

use crate::route::{Identity, SipWay};
use ringtrip_config::{Config, Extension, Secret};
use ringtrip_model::event::Event;
use ringtrip_model::ids::ExtId;

/// What proves each extension, by its name.
pub(crate) fn secrets(config: &Config) -> HashMap<String, digest::Secret> {
    let secret = |id: &ExtId, secret: &Secret| match secret {
        Secret::Password(password) => {
            Some(digest::Secret::of_password(id.as_str(), &config.sip.realm, password))
        }
        // What a phone can answer is limited by what is kept.
        Secret::Ha1 { md5, sha256 } => {
            let kept = [md5, sha256].into_iter().flatten().filter_map(|hex| digest::Secret::of_ha1(hex));
            kept.reduce(digest::Secret::or)
        }
    };
    config
        .extensions
        .iter()
        .filter_map(|e| Some((e.id.to_string(), secret(&e.id, e.secret.as_ref()?)?)))
        .collect()
}

/// The registrar's rules for the phones of an extension.
pub(crate) fn rules(config: &Config, extension: &Extension) -> Rules {
    let seconds = |time: std::time::Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    let expires = &config.sip.expires;
    Rules {
        min: seconds(expires.min),
        max: seconds(expires.max),
        default: seconds(expires.default),
        contacts: usize::from(extension.max_contacts),
        ..Rules::default()
    }
}

/// The key of an extension in the registrar's table.
pub(crate) fn key(ext: &ExtId) -> Bytes {
    Bytes::copy_from_slice(ext.as_str().as_bytes())
}

/// How a registered phone is reached: by the first proxy of its Path (RFC 3327), at its Contact, or behind NAT by the flow
/// that its registration came by.
pub(crate) fn way(config: &Config, ext: &ExtId, binding: &Binding) -> Arc<SipWay> {
    let (uri, reach) = (binding.uri(), reach(binding));
    let (flow, first) = match next_hop::next_hop(&binding.path, &uri, binding.flow, reach) {
        NextHop::Flow(flow) => (flow, None),
        NextHop::Name(name) => (binding.flow, Some(name)),
    };
    Arc::new(SipWay {
        uri: String::from_utf8_lossy(&uri).into_owned(),
        flows: vec![flow],
        first,
        reach,
        answer_within: None,
        credentials: None,
        identity: Identity { user: None, domain: config.sip.domain.clone(), contact_user: ext.to_string() },
        routes: binding.path.iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect(),
        // A phone shows what it is told: a withheld number stays away from it.
        trusted: false,
        codecs: Vec::new(),
        srtp: config.extension(ext.as_str()).map_or(SrtpPolicy::Off, |e| e.srtp),
        headers: Vec::new(),
        name: ext.to_string(),
        gateway: None,
    })
}

/// What leads back to a registered phone. Its flow is that of its Contact wherever that can be reached.
pub(crate) fn reach(binding: &Binding) -> Reach {
    next_hop::reach(&binding.contact, binding.flow, true)
}

/// The extension of a key in the registrar's table.
pub(crate) fn ext(aor: &Bytes) -> Option<ExtId> {
    std::str::from_utf8(aor).ok()?.parse().ok()
}

/// What people are told of a change in the registrar.
pub(crate) fn event(change: Change) -> Option<Event> {
    let text = |raw: &Bytes| String::from_utf8_lossy(raw).into_owned();
    match change {
        Change::Registered { aor, contact, expires, .. } => {
            Some(Event::Registered { ext: ext(&aor)?, contact: text(&contact), expires_s: expires })
        }
        Change::Moved { .. } | Change::Unconnected { .. } => None,
        Change::Unregistered { aor, contact, why } => {
            Some(Event::Unregistered { ext: ext(&aor)?, contact: text(&contact), why: why.word() })
        }
    }
}
