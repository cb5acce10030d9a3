//! The edge to Wasm: bindings made from `sdk/wit`, and the plain words of this crate turned into theirs and back.
#![allow(unsafe_code)] // The bindings only; they are generated.
#![allow(clippy::all)]

/// The host's functions, and the exports of a policy.
pub mod policy {
    wit_bindgen::generate!({
        path: "../wit/0.1.0",
        world: "policy-plugin",
        pub_export_macro: true,
        default_bindings_module: "ringtrip_plugin::guest::policy",
    });
}

/// The exports of a gateway; all that both worlds share is the policy's.
pub mod gateway {
    wit_bindgen::generate!({
        path: "../wit/0.1.0",
        world: "gateway-plugin",
        pub_export_macro: true,
        default_bindings_module: "ringtrip_plugin::guest::gateway",
        with: {
            "ringtrip:plugin/types@0.1.0": super::policy::ringtrip::plugin::types,
            "ringtrip:plugin/host@0.1.0": super::policy::ringtrip::plugin::host,
            "ringtrip:plugin/clock@0.1.0": super::policy::ringtrip::plugin::clock,
            "ringtrip:plugin/store@0.1.0": super::policy::ringtrip::plugin::store,
            "ringtrip:plugin/http@0.1.0": super::policy::ringtrip::plugin::http,
            "ringtrip:plugin/dns@0.1.0": super::policy::ringtrip::plugin::dns,
        },
    });
}

use policy::ringtrip::plugin::types as wit;

use gateway::exports::ringtrip::plugin::gateway as wit_gateway;
use policy::exports::ringtrip::plugin::policy as wit_policy;

/// Writes the exports of a policy into the plugin's crate.
#[doc(hidden)]
#[macro_export]
macro_rules! __policy {
    ($exported:ident, $plugin:ty) => {
        impl $crate::guest::policy::exports::ringtrip::plugin::policy::Guest for $exported {
            fn route(
                call: $crate::guest::policy::exports::ringtrip::plugin::policy::Call,
            ) -> $crate::guest::policy::exports::ringtrip::plugin::policy::Answer {
                <$plugin as $crate::Policy>::route(&call.into()).into()
            }
        }
        $crate::guest::policy::export!($exported with_types_in $crate::guest::policy);
    };
}

/// Writes the exports of a gateway into the plugin's crate.
#[doc(hidden)]
#[macro_export]
macro_rules! __gateway {
    ($exported:ident, $plugin:ty) => {
        impl $crate::guest::gateway::exports::ringtrip::plugin::gateway::Guest for $exported {
            fn prepare(
                call: $crate::guest::gateway::exports::ringtrip::plugin::gateway::Call,
            ) -> ::core::result::Result<
                $crate::guest::gateway::exports::ringtrip::plugin::gateway::Prepared,
                ::std::string::String,
            > {
                <$plugin as $crate::Gateway>::prepare(&call.into()).map(::core::convert::Into::into)
            }
            fn prices()
            -> ::std::vec::Vec<$crate::guest::gateway::exports::ringtrip::plugin::gateway::Price> {
                let prices = <$plugin as $crate::Gateway>::prices();
                prices.into_iter().map(::core::convert::Into::into).collect()
            }
            fn balance() -> ::core::result::Result<
                ::core::option::Option<$crate::guest::gateway::exports::ringtrip::plugin::gateway::Money>,
                ::std::string::String,
            > {
                let balance = <$plugin as $crate::Gateway>::balance();
                balance.map(|left| left.map(::core::convert::Into::into))
            }
            fn health() -> $crate::guest::gateway::exports::ringtrip::plugin::gateway::Condition {
                <$plugin as $crate::Gateway>::health().into()
            }
        }
        $crate::guest::gateway::export!($exported with_types_in $crate::guest::gateway);
    };
}

impl From<wit::Call> for crate::Call {
    fn from(c: wit::Call) -> crate::Call {
        crate::Call {
            dialled: c.dialled,
            number: c.number,
            e164: c.e164,
            origin: match c.origin {
                wit::Origin::Extension => crate::Origin::Extension,
                wit::Origin::Line => crate::Origin::Line,
                wit::Origin::Landline => crate::Origin::Landline,
                wit::Origin::Gateway => crate::Origin::Gateway,
                wit::Origin::Operator => crate::Origin::Operator,
            },
            origin_name: c.origin_name,
            caller: crate::CallerId {
                number: c.caller.number,
                name: c.caller.name,
                withheld: c.caller.withheld,
            },
            pin: c.pin,
            at: crate::WallTime {
                unix_millis: c.at.unix_millis,
                year: c.at.year,
                month: c.at.month,
                day: c.at.day,
                hour: c.at.hour,
                minute: c.at.minute,
                weekday: c.at.weekday,
                holiday: c.at.holiday,
            },
            default_route: c.default_route,
            outside: c.outside,
        }
    }
}

impl From<crate::CallerId> for wit::CallerId {
    fn from(c: crate::CallerId) -> wit::CallerId {
        wit::CallerId { number: c.number, name: c.name, withheld: c.withheld }
    }
}

impl From<crate::Money> for wit::Money {
    fn from(m: crate::Money) -> wit::Money {
        wit::Money { micros: m.micros, currency: m.currency }
    }
}

impl From<crate::Answer> for wit_policy::Answer {
    fn from(a: crate::Answer) -> wit_policy::Answer {
        let target = |t: crate::Target| wit_policy::Target { name: t.name, number: t.number };
        let stage = |s: crate::Stage| wit_policy::Stage {
            targets: s.targets.into_iter().map(target).collect(),
            seconds: s.seconds,
        };
        wit_policy::Answer {
            verdict: match a.verdict {
                crate::Verdict::Pass => wit_policy::Verdict::Pass,
                crate::Verdict::Stages(all) => {
                    wit_policy::Verdict::Stages(all.into_iter().map(stage).collect())
                }
                crate::Verdict::Refuse(why) => wit_policy::Verdict::Refuse(why),
            },
            caller: a.caller.map(Into::into),
            because: a.because,
        }
    }
}

impl From<crate::Prepared> for wit_gateway::Prepared {
    fn from(p: crate::Prepared) -> wit_gateway::Prepared {
        let step = |s: crate::Step| match s {
            crate::Step::Pause(millis) => wit::Step::Pause(millis),
            crate::Step::Keys(keys) => wit::Step::Keys(keys),
        };
        wit_gateway::Prepared {
            carrier: match p.carrier {
                crate::Carrier::Landline => wit_gateway::Carrier::Landline,
                crate::Carrier::Gateway(name) => wit_gateway::Carrier::Gateway(name),
                crate::Carrier::Sip(uri) => wit_gateway::Carrier::Sip(uri),
            },
            number: p.number,
            headers: p.headers,
            credentials: p.credentials.map(|c| wit::Credentials { user: c.user, password: c.password }),
            caller: p.caller.map(Into::into),
            after_answer: p.after_answer.into_iter().map(step).collect(),
            because: p.because,
        }
    }
}

impl From<crate::Price> for wit_gateway::Price {
    fn from(p: crate::Price) -> wit_gateway::Price {
        wit_gateway::Price {
            prefix: p.prefix,
            destination: p.destination,
            per_minute: p.per_minute.into(),
            connection: p.connection.into(),
        }
    }
}

impl From<crate::Condition> for wit_gateway::Condition {
    fn from(c: crate::Condition) -> wit_gateway::Condition {
        wit_gateway::Condition { usable: c.usable, why: c.why }
    }
}

/// What `host` calls in a plugin.
pub(crate) mod backend {
    use super::policy::ringtrip::plugin as wit;
    use crate::dns::{self, Naptr};
    use crate::http::{self, Request, Response};
    use crate::log::Level;

    pub fn log(level: Level, text: &str) {
        let level = match level {
            Level::Debug => wit::host::Level::Debug,
            Level::Info => wit::host::Level::Info,
            Level::Warn => wit::host::Level::Warn,
            Level::Error => wit::host::Level::Error,
        };
        wit::host::log(level, text);
    }

    pub fn setting(key: &str) -> Option<String> {
        wit::host::setting(key)
    }

    pub fn now_millis() -> i64 {
        wit::clock::now_millis()
    }

    pub fn get(key: &str) -> Option<String> {
        wit::store::get(key)
    }

    pub fn set(key: &str, value: &str) -> bool {
        wit::store::set(key, value)
    }

    pub fn remove(key: &str) {
        wit::store::remove(key);
    }

    pub fn fetch(request: &Request) -> Result<Response, http::Failure> {
        let asked = wit::http::Request {
            method: request.method.clone(),
            url: request.url.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
        };
        match wit::http::fetch(&asked) {
            Ok(r) => Ok(Response { status: r.status, headers: r.headers, body: r.body }),
            Err(wit::http::Failure::NotGranted(host)) => Err(http::Failure::NotGranted(host)),
            Err(wit::http::Failure::TooLate) => Err(http::Failure::TooLate),
            Err(wit::http::Failure::Failed(why)) => Err(http::Failure::Failed(why)),
        }
    }

    pub fn look_up_naptr(name: &str) -> Result<Vec<Naptr>, dns::Failure> {
        let record = |r: wit::dns::Naptr| Naptr {
            order: r.order,
            preference: r.preference,
            flags: r.flags,
            service: r.service,
            regexp: r.regexp,
            replacement: r.replacement,
        };
        match wit::dns::look_up_naptr(name) {
            Ok(all) => Ok(all.into_iter().map(record).collect()),
            Err(wit::dns::Failure::NotGranted(name)) => Err(dns::Failure::NotGranted(name)),
            Err(wit::dns::Failure::None) => Err(dns::Failure::None),
            Err(wit::dns::Failure::TooLate) => Err(dns::Failure::TooLate),
            Err(wit::dns::Failure::Failed(why)) => Err(dns::Failure::Failed(why)),
        }
    }
}
