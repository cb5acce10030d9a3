//! Why a script was refused, or failed while deciding, in words that say where and how to mend it.

use rhai::{EvalAltResult, LexError, ParseError, ParseErrorType};

/// Why a script was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}; {hint}")]
pub struct ScriptError {
    /// The line, from 1; 0 when it is the whole text.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub hint: String,
}

/// Why a script failed while deciding. The plan's own route was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{script}{}: {what}", line.map(|l| format!(":{l}")).unwrap_or_default())]
pub struct ScriptFault {
    /// The script.
    pub script: String,
    /// The line, if it is known.
    pub line: Option<usize>,
    /// What happened.
    pub what: String,
    /// What the script had printed until then.
    pub printed: Vec<String>,
}

impl ScriptError {
    pub(crate) fn new(
        line: usize,
        column: usize,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> ScriptError {
        ScriptError { line, column, what: what.into(), hint: hint.into() }
    }

    pub(crate) fn syntax(error: &ParseError) -> ScriptError {
        let at = error.position();
        let hint = match error.err_type() {
            ParseErrorType::Reserved(word) if word == "call" => {
                "`call` is a word of the language; the call is c".to_owned()
            }
            ParseErrorType::Reserved(word) => {
                format!("{word} is not available to policies; use another name")
            }
            ParseErrorType::MissingToken(token, _) => format!("write {token} there"),
            ParseErrorType::UnexpectedEOF => "a { or ( or \" is not closed".to_owned(),
            ParseErrorType::BadInput(LexError::ImproperSymbol(symbol, _))
                if symbol == "import" || symbol == "eval" =>
            {
                format!("{symbol} is not available to policies")
            }
            ParseErrorType::BadInput(LexError::UnterminatedString) => "close the text with \"".to_owned(),
            _ => "look at this place, and at the end of the line before it".to_owned(),
        };
        ScriptError::new(
            at.line().unwrap_or(0),
            at.position().unwrap_or(0),
            error.err_type().to_string(),
            hint,
        )
    }
}

impl ScriptFault {
    pub(crate) fn of(script: &str, error: &EvalAltResult, printed: &[String]) -> ScriptFault {
        // The innermost error names the place and the reason; the layers around it only the way there.
        let mut inner = error;
        while let EvalAltResult::ErrorInFunctionCall(_, _, cause, _) = inner {
            inner = cause;
        }
        let what = match inner {
            EvalAltResult::ErrorTooManyOperations(_) => "it did too much: an endless loop?".to_owned(),
            EvalAltResult::ErrorTerminated(..) => "it thought too long".to_owned(),
            EvalAltResult::ErrorStackOverflow(_) => "functions call each other too deeply".to_owned(),
            EvalAltResult::ErrorFunctionNotFound(name, _) => format!("there is no function {name}"),
            EvalAltResult::ErrorVariableNotFound(name, _) => format!("there is no variable {name}"),
            EvalAltResult::ErrorRuntime(text, _) => text.to_string(),
            other => {
                let mut bare = other.clone_for_report();
                bare.truncate(300);
                bare
            }
        };
        let line = inner.position().line().or_else(|| error.position().line());
        ScriptFault { script: script.to_owned(), line, what, printed: printed.to_vec() }
    }
}

/// An error's text without its position, which is reported apart.
trait Report {
    fn clone_for_report(&self) -> String;
}

impl Report for EvalAltResult {
    fn clone_for_report(&self) -> String {
        let text = self.to_string();
        match text.rfind(" (line ") {
            Some(i) => text[..i].to_owned(),
            None => text,
        }
    }
}
