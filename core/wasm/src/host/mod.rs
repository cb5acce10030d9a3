//! What a guest may ask: each interface of the contract in one file. A grant that is not there is answered in words
//! (HTTP, DNS) or with what does no harm (an empty store, a clock that stands at 0).

mod clock;
pub mod dns;
mod http;
mod log;
pub mod store;

use std::sync::Arc;

pub use dns::{Naptr, NaptrFailure, NaptrRecord, NoDns};
pub use store::{KeyValue, MemoryStore};

/// The world as the daemon gives it to plugins.
#[derive(Clone)]
pub struct Outside {
    /// Their values.
    pub store: Arc<dyn KeyValue>,
    /// NAPTR records.
    pub dns: Arc<dyn Naptr>,
    pub(crate) http: http::Door,
}

impl Outside {
    /// Values kept in `store`, records asked of `dns`; HTTP is done here.
    pub fn new(store: Arc<dyn KeyValue>, dns: Arc<dyn Naptr>) -> Outside {
        Outside { store, dns, http: http::Door::new() }
    }
}

impl Default for Outside {
    /// For tests: values in memory, no DNS.
    fn default() -> Outside {
        Outside::new(Arc::new(MemoryStore::default()), Arc::new(NoDns))
    }
}

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outside")
    }
}
