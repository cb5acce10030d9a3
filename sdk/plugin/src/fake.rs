//! A fake exchange: runs a plugin's own code on the machine where it is written, without Wasm and without a PBX.
//!
//! ```
//! use ringtrip_plugin::fake::Fake;
//! use ringtrip_plugin::{Answer, Call, Policy, settings};
//!
//! struct Detour;
//! impl Policy for Detour {
//!     fn route(_: &Call) -> Answer {
//!         settings::text("target").map_or(Answer::pass(), |name| Answer::to(&name))
//!     }
//! }
//!
//! let exchange = Fake::new().setting("target", "gw2");
//! assert_eq!(exchange.route::<Detour>(&Call::default()), Answer::to("gw2"));
//! assert_eq!(Fake::new().route::<Detour>(&Call::default()), Answer::pass());
//! ```
//!
//! Grants count here too: a host or a zone that was not given is refused as the exchange refuses it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::dns::{self, Naptr};
use crate::http::{self, Request, Response};
use crate::log::Level;
use crate::{Answer, Call, Condition, Gateway, Money, Policy, Prepared, Price};

type Web = Box<dyn FnMut(&Request) -> Result<Response, http::Failure>>;

/// An exchange that answers a plugin from memory.
#[derive(Default)]
pub struct Fake {
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    settings: BTreeMap<String, String>,
    store: BTreeMap<String, String>,
    zones: Vec<String>,
    records: BTreeMap<String, Result<Vec<Naptr>, dns::Failure>>,
    hosts: BTreeMap<String, Web>,
    now: i64,
    lines: Vec<(Level, String)>,
}

impl Fake {
    /// Most lines that are kept of one decision.
    const LINES: usize = 32;
    /// Octets kept of a line.
    const LINE: usize = 1_024;

    /// An exchange without settings and grants.
    pub fn new() -> Fake {
        Fake::default()
    }

    /// With this setting.
    #[must_use]
    pub fn setting(self, key: &str, value: &str) -> Fake {
        self.state.borrow_mut().settings.insert(key.to_owned(), value.to_owned());
        self
    }

    /// With this time, in milliseconds since 1970 UTC.
    #[must_use]
    pub fn now(self, millis: i64) -> Fake {
        self.state.borrow_mut().now = millis;
        self
    }

    /// With this value in the plugin's store.
    #[must_use]
    pub fn stored(self, key: &str, value: &str) -> Fake {
        self.state.borrow_mut().store.insert(key.to_owned(), value.to_owned());
        self
    }

    /// With a DNS zone granted.
    #[must_use]
    pub fn zone(self, zone: &str) -> Fake {
        self.state.borrow_mut().zones.push(zone.trim_matches('.').to_ascii_lowercase());
        self
    }

    /// With these NAPTR records of a name.
    #[must_use]
    pub fn naptr(self, name: &str, records: impl IntoIterator<Item = Naptr>) -> Fake {
        let records = Ok(records.into_iter().collect());
        self.state.borrow_mut().records.insert(name.to_ascii_lowercase(), records);
        self
    }

    /// With a name whose look-up fails so.
    #[must_use]
    pub fn naptr_fails(self, name: &str, why: dns::Failure) -> Fake {
        self.state.borrow_mut().records.insert(name.to_ascii_lowercase(), Err(why));
        self
    }

    /// With a host granted, and what it answers.
    #[must_use]
    pub fn host(
        self,
        name: &str,
        answer: impl FnMut(&Request) -> Result<Response, http::Failure> + 'static,
    ) -> Fake {
        self.state.borrow_mut().hosts.insert(name.to_ascii_lowercase(), Box::new(answer));
        self
    }

    /// Asks a policy.
    pub fn route<P: Policy>(&self, call: &Call) -> Answer {
        self.within(|| P::route(call))
    }

    /// Asks a gateway to place a call.
    ///
    /// # Errors
    /// Why the gateway declined.
    pub fn prepare<G: Gateway>(&self, call: &Call) -> Result<Prepared, String> {
        self.within(|| G::prepare(call))
    }

    /// Asks a gateway for its prices.
    pub fn prices<G: Gateway>(&self) -> Vec<Price> {
        self.within(G::prices)
    }

    /// Asks a gateway for what is left.
    ///
    /// # Errors
    /// Why the gateway declined.
    pub fn balance<G: Gateway>(&self) -> Result<Option<Money>, String> {
        self.within(G::balance)
    }

    /// Asks a gateway how it is.
    pub fn health<G: Gateway>(&self) -> Condition {
        self.within(G::health)
    }

    /// What the plugin has logged in its last decision.
    pub fn lines(&self) -> Vec<(Level, String)> {
        self.state.borrow().lines.clone()
    }

    /// What the plugin's store holds under a key.
    pub fn in_store(&self, key: &str) -> Option<String> {
        self.state.borrow().store.get(key).cloned()
    }

    /// Runs a piece of a plugin with this exchange around it.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        /// Takes the exchange away again, also when the plugin panics.
        struct Away<'a>(&'a Fake);
        impl Drop for Away<'_> {
            fn drop(&mut self) {
                CURRENT.with(|current| self.0.state.swap(current));
            }
        }
        self.state.borrow_mut().lines.clear();
        CURRENT.with(|current| self.state.swap(current));
        let _away = Away(self);
        work()
    }
}

thread_local! {
    /// The exchange around the plugin that runs on this thread; an empty one if there is none.
    static CURRENT: RefCell<State> = RefCell::default();
}

/// What `host` calls on a machine that is no Wasm.
pub(crate) mod backend {
    use super::{CURRENT, Fake, Level, Naptr, Request, Response, dns, http};

    pub fn log(level: Level, text: &str) {
        CURRENT.with_borrow_mut(|now| {
            if now.lines.len() < Fake::LINES {
                let mut end = text.len().min(Fake::LINE);
                while !text.is_char_boundary(end) {
                    end -= 1;
                }
                now.lines.push((level, text[..end].to_owned()));
            }
        });
    }

    pub fn setting(key: &str) -> Option<String> {
        CURRENT.with_borrow(|now| now.settings.get(key).cloned())
    }

    pub fn now_millis() -> i64 {
        CURRENT.with_borrow(|now| now.now)
    }

    pub fn get(key: &str) -> Option<String> {
        CURRENT.with_borrow(|now| now.store.get(key).cloned())
    }

    pub fn set(key: &str, value: &str) -> bool {
        CURRENT.with_borrow_mut(|now| {
            let room = now.store.len() < 1_000 || now.store.contains_key(key);
            let fits = room && (1..=128).contains(&key.len()) && value.len() <= 4_096;
            if fits {
                now.store.insert(key.to_owned(), value.to_owned());
            }
            fits
        })
    }

    pub fn remove(key: &str) {
        CURRENT.with_borrow_mut(|now| now.store.remove(key));
    }

    pub fn fetch(request: &Request) -> Result<Response, http::Failure> {
        let after = request.url.split_once("://").map_or("", |(_, rest)| rest);
        let host = after.split(['/', ':', '?']).next().unwrap_or_default().to_ascii_lowercase();
        // Taken out while it answers, so that it may look at the exchange itself.
        let Some(mut web) = CURRENT.with_borrow_mut(|now| now.hosts.remove(&host)) else {
            return Err(http::Failure::NotGranted(host));
        };
        let answer = web(request);
        CURRENT.with_borrow_mut(|now| now.hosts.insert(host, web));
        answer
    }

    pub fn look_up_naptr(name: &str) -> Result<Vec<Naptr>, dns::Failure> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        CURRENT.with_borrow(|now| {
            let inside = |zone: &String| name == *zone || name.ends_with(&format!(".{zone}"));
            if !now.zones.iter().any(inside) {
                return Err(dns::Failure::NotGranted(name.clone()));
            }
            now.records.get(&name).cloned().unwrap_or(Err(dns::Failure::None))
        })
    }
}
