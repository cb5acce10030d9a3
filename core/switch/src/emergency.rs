//! Emergency calls: decided here, before dial plan, script, plugin, limit or ban. [`EmergencyCall`] has no public
//! constructor: nothing else can make one, see through it or change it.

mod countries;

pub use countries::Country;

use crate::party::Digits;

/// An emergency call. Only [`crate::emergency`] makes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmergencyCall {
    number: Digits,
}

impl EmergencyCall {
    /// The number to send.
    pub fn number(&self) -> &Digits {
        &self.number
    }
}
