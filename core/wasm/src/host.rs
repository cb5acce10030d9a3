//! What a guest may ask: each interface of the contract in one file. A grant that is not there is answered with an error
//! (HTTP, DNS) or with what does no harm (an empty store, a clock that stands at 0).

mod clock;
pub mod dns;
mod http;
mod log;
pub mod store;

use std::sync::Arc;

pub use dns::{Naptr, NaptrFailure, NaptrRecord, NoDns};
pub use store::{KeyValue, MemoryStore};

/// What the daemon provides to plugins.
#[derive(Clone)]
pub struct HostServices {
    /// Their values.
    pub store: Arc<dyn KeyValue>,
    /// NAPTR records.
    pub dns: Arc<dyn Naptr>,
    pub(crate) http: http::HttpClient,
}

impl HostServices {
    /// Values kept in `store`, records asked of `dns`; HTTP is done here.
    pub fn new(store: Arc<dyn KeyValue>, dns: Arc<dyn Naptr>) -> HostServices {
        HostServices { store, dns, http: http::HttpClient::new() }
    }
}

impl Default for HostServices {
    /// For tests: values in memory, no DNS.
    fn default() -> HostServices {
        HostServices::new(Arc::new(MemoryStore::default()), Arc::new(NoDns))
    }
}

impl std::fmt::Debug for HostServices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HostServices")
    }
}
