//! What is wrong with a plan's text, where, and how to mend it.

/// Why a plan was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {what}; {hint}")]
pub struct PlanError {
    /// Which character of the text, from 1.
    pub at: usize,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub hint: String,
}
