//! What the route asks of gateway plugins, and what it makes of their answers.

use std::sync::Arc;

use crate::router::machine::Router;
use ringtrip_config::HostPort;
use ringtrip_exchange::emergency;
use ringtrip_exchange::route::{
    AdHoc, AfterAnswer, Attempt, Credentials, LONGEST_PAUSE, Prepared, RouteQuery, Target,
};
use ringtrip_model::party::{CallerId, Digits, Key};

/// A gateway plugin's answer: how to place a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preparation {
    /// What carries the call.
    pub carrier: Carrier,
    /// The number for the carrier.
    pub number: Digits,
    /// Headers added to the INVITE.
    pub headers: Vec<(String, String)>,
    /// For 401 and 407.
    pub credentials: Option<Credentials>,
    /// Another caller to show.
    pub caller: Option<CallerId>,
    /// Sent after the answer; on a landline after the number.
    pub after_answer: Vec<AfterAnswer>,
    /// Why, for a person.
    pub because: String,
    /// The plugin and its version, `gateway-callingcard 1.0.0`.
    pub plugin: String,
}

/// What carries a prepared call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carrier {
    /// A free landline.
    Landline,
    /// A gateway of the configuration, by name. A gateway that is itself a plugin's is refused.
    Gateway(String),
    /// A SIP address: `host`, `user@host:port`.
    Sip(String),
}

/// The most headers that a plugin may add, and the longest value.
const HEADERS: usize = 16;
const HEADER_VALUE: usize = 512;
/// The most keys that may be sent after an answer, and the most parts.
const KEYS: usize = 64;
const PARTS: usize = 16;

/// Headers that the exchange writes itself.
const OURS: [&str; 18] = [
    "via",
    "from",
    "to",
    "call-id",
    "cseq",
    "contact",
    "route",
    "record-route",
    "max-forwards",
    "content-length",
    "content-type",
    "authorization",
    "proxy-authorization",
    "require",
    "supported",
    "allow",
    "expires",
    "session-expires",
];

impl Router {
    /// The attempt that a plugin's preparation makes of one to its gateway.
    ///
    /// # Errors
    /// Why the call may not be placed like this: the carrier cannot be used, the call would return to its source, the number is
    /// missing or an emergency number, or the headers or the keys after the answer are not allowed.
    pub fn prepared(
        &self,
        query: &RouteQuery,
        attempt: &Attempt,
        preparation: Preparation,
    ) -> Result<Attempt, String> {
        let target = self.carrier(attempt, &preparation.carrier)?;
        if self.goes_back(&query.source, &target) {
            return Err("it routes the call back to its source".to_owned());
        }
        if emergency::decide(&self.config, &query.caller, &preparation.number).is_some() {
            return Err(format!("{} is an emergency number, which no plugin calls", preparation.number));
        }
        if preparation.number.is_empty() && !matches!(target, Target::Landline | Target::Line(_)) {
            return Err("it names no number".to_owned());
        }
        headers_fit(&preparation.headers)?;
        after_fits(&preparation.after_answer)?;
        let gateway = match &attempt.target {
            Target::Gateway(id) => Some(id.clone()),
            _ => None,
        };
        let prepared = Prepared {
            gateway,
            plugin: preparation.plugin,
            headers: preparation.headers,
            credentials: preparation.credentials,
            after_answer: preparation.after_answer,
            because: preparation.because,
        };
        Ok(Attempt {
            target,
            number: preparation.number,
            caller: preparation.caller.unwrap_or_else(|| attempt.caller.clone()),
            prepared: Some(Arc::new(prepared)),
            quote: attempt.quote.clone(),
            rated: attempt.rated,
        })
    }

    /// What carries it. A gateway that exists by a plugin only carries nothing: that would be a loop.
    fn carrier(&self, attempt: &Attempt, carrier: &Carrier) -> Result<Target, String> {
        match carrier {
            Carrier::Landline if self.config.landlines().next().is_none() => {
                Err("it goes out by the landline, and there is none".to_owned())
            }
            Carrier::Landline => Ok(Target::Landline),
            Carrier::Gateway(name) => match Router::target_named(&self.config, name) {
                Some(Target::Gateway(id)) if self.config.gateway(&id).is_some() => {
                    let target = Target::Gateway(id);
                    // Its own server is no second plugin's business.
                    if self.plugin_of(&target).is_some() && target != attempt.target {
                        return Err(format!("gateway {name} has a plugin of its own"));
                    }
                    Ok(target)
                }
                Some(Target::Landline) => self.carrier(attempt, &Carrier::Landline),
                _ => Err(format!("there is no gateway {name:?} that carries calls")),
            },
            Carrier::Sip(address) => address_of(address).map(Target::Uri),
        }
    }
}

/// `host`, `user@host:port` or `sip:user@host`: only where it goes; the number is a field of its own.
fn address_of(address: &str) -> Result<AdHoc, String> {
    let bare = address.strip_prefix("sip:").unwrap_or(address);
    let host = bare.rsplit_once('@').map_or(bare, |(_, host)| host);
    let host: HostPort = host.parse().map_err(|e| format!("{e}"))?;
    Ok(AdHoc { host: host.to_string(), user: None, password: None, nat: false })
}

fn headers_fit(headers: &[(String, String)]) -> Result<(), String> {
    if headers.len() > HEADERS {
        return Err(format!("it adds {} headers; at most {HEADERS} are allowed", headers.len()));
    }
    for (name, value) in headers {
        let token = |c: u8| c.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&c);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(token) {
            return Err(format!("invalid header name {name:?}"));
        }
        // A header in its compact form is one letter.
        if name.len() == 1 || OURS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(format!("the exchange writes {name} itself"));
        }
        if value.len() > HEADER_VALUE || value.chars().any(char::is_control) {
            return Err(format!("the value of {name} is too long or has control characters"));
        }
    }
    Ok(())
}

fn after_fits(parts: &[AfterAnswer]) -> Result<(), String> {
    if parts.len() > PARTS {
        return Err(format!("{} parts follow the answer; at most {PARTS} are allowed", parts.len()));
    }
    for part in parts {
        match part {
            AfterAnswer::Pause(time) if *time > LONGEST_PAUSE => {
                return Err(format!("a pause of {} s is too long", time.as_secs()));
            }
            AfterAnswer::Keys(keys)
                if keys.0.len() > KEYS || keys.0.chars().any(|c| Key::new(c).is_none()) =>
            {
                return Err(format!(
                    "invalid keys after the answer: expected at most {KEYS} of 0-9, A-D, * and #"
                ));
            }
            AfterAnswer::Pause(_) | AfterAnswer::Keys(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
