//! What all lines have in common.

use std::sync::Arc;

use ringtrip_config::Config;
use ringtrip_media::region::{self, Region};

/// What all lines have in common; made once for each version of the configuration and shared.
#[derive(Debug, Clone)]
pub struct LineSetup {
    /// The configuration.
    pub config: Arc<Config>,
    /// Its region's tones and cadences.
    pub region: Arc<Region>,
}

impl LineSetup {
    /// For this configuration.
    pub fn new(config: Arc<Config>) -> LineSetup {
        let region = match config.region {
            ringtrip_config::Region::Us => region::us(),
            ringtrip_config::Region::Uk => region::uk(),
        };
        LineSetup { config, region: Arc::new(region) }
    }
}
