//! What a document has become before it is active.

use std::sync::Arc;

use jiff::tz::TimeZone;
use ringtrip_config::Config;

use crate::dns::NameServers;
use crate::exchange::wall;
use crate::routes::{Routes, Routing};

/// A configuration with all that takes time to make of it: what is left to do is to exchange it for what is active.
pub struct Deployment {
    /// The configuration.
    pub config: Arc<Config>,
    /// Its scripts, compiled.
    pub(crate) routing: Routing,
    /// The zone that it names, or the machine's own.
    pub(crate) zone: TimeZone,
    /// The name servers that it names, or the system's.
    pub(crate) name_servers: NameServers,
}

impl Deployment {
    /// Reads and compiles the scripts that this configuration names. What cannot be read or would be refused is reported
    /// when this becomes active; what ran before runs on. Takes time: never on the control thread.
    pub fn build(routes: &Routes, config: Arc<Config>) -> Deployment {
        let routing = routes.compile(&config);
        Deployment::of(config, routing)
    }

    /// The same with scripts that are compiled already. Reads the time zone and the system's name servers.
    pub(super) fn of(config: Arc<Config>, routing: Routing) -> Deployment {
        Deployment {
            routing,
            zone: wall::zone_of(config.time_zone.as_deref()),
            name_servers: NameServers::new(&config.sip.name_servers),
            config,
        }
    }
}

impl std::fmt::Debug for Deployment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Deployment")
    }
}
