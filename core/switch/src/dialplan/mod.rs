//! Dial plans: the SPA3102's language of numbers, read with positions and repair hints, and matched key by key in
//! virtual time.

mod error;

pub use error::PlanError;

use crate::party::Digits;

/// A dial plan, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    text: String,
}

/// How plans are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dialling {
    /// When a barred number is refused.
    pub bar: Bar,
    /// What becomes of an incomplete number when the long timer runs out or `#` is pressed.
    pub incomplete: Incomplete,
    /// Star codes that the exchange handles itself, in every plan: `*69`, `#99`.
    pub star_codes: Vec<Digits>,
}

/// When a barred number (`0898!`) is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Bar {
    /// As soon as the barred digits are dialled, whatever follows; unless an earlier rule still permits it.
    #[default]
    Prefix,
    /// Only when dialling stops there: the literal reading of the SPA's manuals.
    Exact,
}

/// What becomes of an incomplete number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Incomplete {
    /// Refuse it with reorder tone.
    #[default]
    Reject,
    /// Send it as dialled to the default route, as SPAs before 2009 did. It defeats bars.
    AsDialled,
}

impl Plan {
    /// Reads a plan.
    pub fn parse(text: &str) -> Result<Plan, PlanError> {
        Ok(Plan { text: text.to_owned() })
    }

    /// The plan as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}
