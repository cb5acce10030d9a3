//! `dns`: NAPTR records of granted zones. Who asks the name servers is the daemon's; here is who may ask what.

use std::time::Duration;

use crate::bindings::dns::{self, Failure, Host};
use crate::guest::Guest;
use crate::package::grant;

/// Records handed to a guest.
const MOST: usize = 64;

/// A NAPTR record (RFC 3403).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NaptrRecord {
    /// Lower first.
    pub order: u16,
    /// Among equals, lower first.
    pub preference: u16,
    /// `u`: the rule gives a URI.
    pub flags: String,
    /// `E2U+sip`.
    pub service: String,
    /// `!^.*$!sip:info@example.com!`.
    pub regexp: String,
    /// `.` where there is a rule.
    pub replacement: String,
}

/// Why there are no records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NaptrFailure {
    /// There are none.
    None,
    /// Not in this time.
    TooLate,
    /// Anything else.
    Failed(String),
}

/// Asks name servers.
pub trait Naptr: Send + Sync {
    /// Looks a name up. It must be back in time: the thread of a decision waits for it.
    ///
    /// # Errors
    /// There is no such record, or no name server answered in time.
    fn look_up(&self, name: &str, within: Duration) -> Result<Vec<NaptrRecord>, NaptrFailure>;
}

/// No name servers.
#[derive(Debug, Default)]
pub struct NoDns;

impl Naptr for NoDns {
    fn look_up(&self, _: &str, _: Duration) -> Result<Vec<NaptrRecord>, NaptrFailure> {
        Err(NaptrFailure::Failed("there is no name server".to_owned()))
    }
}

impl Host for Guest {
    fn look_up_naptr(&mut self, name: String) -> wasmtime::Result<Result<Vec<dns::Naptr>, Failure>> {
        self.check()?;
        if !grant::allows_name(&self.context.grants, &name) {
            return Ok(Err(Failure::NotGranted(name)));
        }
        let found = self.wait(|guest| guest.context.services.dns.look_up(&name, guest.left()));
        self.check()?;
        Ok(match found {
            Ok(records) => Ok(records.into_iter().take(MOST).map(dns::Naptr::from).collect()),
            Err(NaptrFailure::None) => Err(Failure::None),
            Err(NaptrFailure::TooLate) => Err(Failure::TooLate),
            Err(NaptrFailure::Failed(why)) => Err(Failure::Failed(why)),
        })
    }
}

impl From<NaptrRecord> for dns::Naptr {
    fn from(record: NaptrRecord) -> dns::Naptr {
        let NaptrRecord { order, preference, flags, service, regexp, replacement } = record;
        dns::Naptr { order, preference, flags, service, regexp, replacement }
    }
}
