//! What is wrong with a document, where, and how to correct it; for people and for programs.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// An error refuses the document; a warning is shown and it is taken.
    pub severity: FaultSeverity,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The setting: `extension.101.plan`; empty for broken syntax.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// How to correct it; may be empty.
    pub hint: String,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FaultSeverity {
    /// The document is refused.
    Error,
    /// It is taken, but probably not meant so.
    Warning,
}

impl Fault {
    /// An error that is at no place of the document: in a script, a deck, a plugin.
    pub fn elsewhere(path: impl Into<String>, what: impl Into<String>, hint: impl Into<String>) -> Fault {
        let (path, what, hint) = (path.into(), what.into(), hint.into());
        Fault { severity: FaultSeverity::Error, line: 0, column: 0, path, what, hint }
    }

    pub(super) fn at_start(what: String, hint: &str) -> Fault {
        let severity = FaultSeverity::Error;
        Fault { severity, line: 1, column: 1, path: String::new(), what, hint: hint.to_owned() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            FaultSeverity::Error => "error",
            FaultSeverity::Warning => "warning",
        };
        // A fault of a script or a plugin has no place in the document.
        if self.line > 0 {
            write!(f, "{}:{}: ", self.line, self.column)?;
        }
        write!(f, "{severity}: ")?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.what)?;
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

/// All faults as lines for a terminal, each beginning with the file's name.
pub fn report(file: &str, faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{file}:{fault}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_without_a_place_names_none() {
        let fault = |line, column| Fault {
            severity: FaultSeverity::Error,
            line,
            column,
            path: "default.rhai".to_owned(),
            what: "it loops".to_owned(),
            hint: "correct it".to_owned(),
        };
        assert_eq!(fault(3, 9).to_string(), "3:9: error: default.rhai: it loops; correct it");
        assert_eq!(fault(0, 0).to_string(), "error: default.rhai: it loops; correct it");
    }
}
