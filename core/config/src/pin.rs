//! PINs: by what they enter, callers prove who they are.

use crate::Password;

/// A PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Whose it is; records and scripts name it, never the code.
    pub name: String,
    /// What is entered: digits.
    pub code: Password,
    /// The dial plan for numbers dialled after it; `None`: the caller's own.
    pub plan: Option<String>,
    /// The script that is asked about calls after it; `None`: the caller's own.
    pub script: Option<String>,
}

impl Pin {
    /// Is this what was entered? All that was entered is looked at, wherever the first difference is.
    pub fn is(&self, entered: &str) -> bool {
        let (code, entered) = (self.code.0.as_bytes(), entered.as_bytes());
        let mut differs = usize::from(code.is_empty()) | (code.len() ^ entered.len());
        for (n, byte) in entered.iter().enumerate() {
            differs |= usize::from(byte ^ code.get(n).unwrap_or(&0xff));
        }
        std::hint::black_box(differs) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_pin_is_the_pin() {
        let pin = |code: &str| {
            let code = Password(code.to_owned());
            Pin { name: "anna".to_owned(), code, plan: None, script: None }
        };
        assert!(pin("4711").is("4711"));
        for entered in ["", "4", "471", "4712", "47110", "0471"] {
            assert!(!pin("4711").is(entered), "{entered}");
        }
        assert!(!pin("").is(""), "an empty PIN opens nothing");
    }
}
