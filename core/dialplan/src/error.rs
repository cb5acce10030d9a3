//! What is wrong with a plan's text, where, and how to correct it. The text never has a password in it: everybody who
//! may look sees it.

use super::hide::hide_passwords;

/// Why a plan was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {what}; {hint}")]
pub struct PlanError {
    /// Which character of the text, from 1.
    pub at: usize,
    /// What is wrong.
    pub what: String,
    /// How to correct it.
    pub hint: String,
}

/// What is allowed but probably not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Which character of the text, from 1.
    pub at: usize,
    /// What is odd.
    pub what: String,
    /// What was probably meant.
    pub hint: String,
}

impl PlanError {
    pub(crate) fn new(at: usize, what: impl Into<String>, hint: impl Into<String>) -> PlanError {
        PlanError { at, what: hide_passwords(&what.into()), hint: hide_passwords(&hint.into()) }
    }
}

impl Warning {
    pub(crate) fn new(at: usize, what: impl Into<String>, hint: impl Into<String>) -> Warning {
        Warning { at, what: hide_passwords(&what.into()), hint: hide_passwords(&hint.into()) }
    }
}
