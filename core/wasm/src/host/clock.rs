//! `clock`: the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::bindings::clock::Host;
use crate::guest::Guest;
use crate::package::grant::Grant;

impl Host for Guest {
    fn now_millis(&mut self) -> wasmtime::Result<i64> {
        self.check()?;
        if !self.context.grants.contains(&Grant::Clock) {
            return Ok(0);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
    }
}
