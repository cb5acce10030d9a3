//! Why a script was refused, or failed while deciding, in words that say where and how to correct it.

use rhai::{EvalAltResult, LexError, NativeCallContext, ParseError, ParseErrorType, Position};

use super::builtins::{FOREIGN, VERBS, usage};
use super::call::fields_of;
use super::engine::{MAX_MEMORY, Spent};
use super::lex::{Kind, Token, tokens};

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
    /// How to correct it.
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
    /// What happened, and how to correct it.
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
        ScriptError { line, column, what: short(what.into()), hint: short(hint.into()) }
    }

    /// What the language's parser found. The text is looked at for what the parser cannot know: habits of other
    /// languages.
    pub(crate) fn syntax(error: &ParseError, text: &str) -> ScriptError {
        let at = error.position();
        let (line, column) = (at.line().unwrap_or(0), at.position().unwrap_or(0));
        let all = tokens(text);
        if let Some(found) = habit(&all, line) {
            return found;
        }
        let here = all.iter().find(|t| (t.line, t.column) == (line, column));
        let hint = match error.err_type() {
            _ if here.is_some_and(|t| POINTERS.iter().any(|word| t.is(word))) => {
                return ScriptError::new(
                    line,
                    column,
                    format!("{} is not available to policies", here.map_or("", |t| t.text)),
                    "write the function with fn and call it by its name; lists take |x| … in filter, map and some",
                );
            }
            _ if here.is_some_and(|t| t.is("call")) => "`call` is a reserved word; the call is c".to_owned(),
            ParseErrorType::Reserved(word) => {
                format!("{word} is a reserved word; use another name, such as my_{word}")
            }
            ParseErrorType::MissingToken(token, _) => {
                format!("write {token} there, or at the end of what stands before")
            }
            ParseErrorType::UnexpectedEOF => "a { or ( or \" is not closed".to_owned(),
            ParseErrorType::BadInput(LexError::ImproperSymbol(symbol, _)) if symbol == "eval" => {
                format!("{symbol} is not available to policies")
            }
            ParseErrorType::BadInput(LexError::UnterminatedString) => "close the text with \"".to_owned(),
            ParseErrorType::BadInput(LexError::MalformedChar(_)) => {
                "strings are written in double quotes: \"gw1\"".to_owned()
            }
            ParseErrorType::FnMissingParams(name) => format!("write fn {name}() or fn {name}(c)"),
            ParseErrorType::VariableUndefined(name) => {
                return ScriptError::new(
                    line,
                    column,
                    format!("there is no variable {name}"),
                    no_variable(name, &all),
                );
            }
            ParseErrorType::ModuleUndefined(name) => {
                format!("write import \"{name}\" as {name}; at the beginning")
            }
            _ => "look at this place, and at the end of the line before it".to_owned(),
        };
        ScriptError::new(line, column, error.err_type().to_string(), hint)
    }
}

/// Functions as values, called or held by others.
const POINTERS: [&str; 2] = ["Fn", "curry"];

/// What somebody wrote who is used to another language, on the line of the error or the one before.
fn habit(all: &[Token<'_>], line: usize) -> Option<ScriptError> {
    let near: Vec<&Token<'_>> =
        all.iter().filter(|t| !t.is_comment() && (t.line == line || t.line + 1 == line)).collect();
    let error =
        |t: &Token<'_>, what: String, hint: &str| Some(ScriptError::new(t.line, t.column, what, hint));
    for (i, token) in near.iter().enumerate() {
        let next = near.get(i + 1);
        match token.kind {
            Kind::Quoted => {
                let what = format!("{} is a character, not a string", token.text);
                return error(token, what, "strings are written in double quotes: \"gw1\"");
            }
            Kind::Sign if matches!(token.text, "===" | "!==") => {
                let hint = if token.text == "===" { "write ==" } else { "write !=" };
                return error(token, format!("{} is not known here", token.text), hint);
            }
            Kind::Sign
                if token.text == "++"
                    || token.text == "-" && next.is_some_and(|n| n.is("-") && n.start == token.end()) =>
            {
                return error(token, "there is no ++ and no -- here".to_owned(), "write n += 1 or n -= 1");
            }
            Kind::Word if matches!(token.text, "if" | "while") => {
                // A condition is short; a line may be as long as the text.
                let condition = near[i + 1..].iter().take(64).take_while(|t| !t.is("{") && !t.is("=>"));
                if let Some(equals) = condition.into_iter().find(|t| t.is("=")) {
                    return error(equals, "= does not compare".to_owned(), "write == to compare");
                }
            }
            Kind::Word => {
                let foreign = FOREIGN.iter().find(|(word, _)| *word == token.text);
                if let Some((word, hint)) = foreign {
                    return error(token, format!("{word} is not a word of this language"), hint);
                }
            }
            _ => {}
        }
    }
    None
}

impl ScriptFault {
    pub(crate) fn of(script: &str, error: &EvalAltResult, printed: &[String]) -> ScriptFault {
        // The innermost error names the place and the reason; the layers around it only the way there.
        let mut inner = error;
        while let EvalAltResult::ErrorInFunctionCall(_, _, cause, _) = inner {
            inner = cause;
        }
        let what = match inner {
            EvalAltResult::ErrorTooManyOperations(_) => {
                "it exceeded its limit of operations: an endless loop?".to_owned()
            }
            EvalAltResult::ErrorTerminated(token, _) => match Spent::of(token) {
                Spent::Time => "it exceeded its time limit".to_owned(),
                Spent::Memory => format!(
                    "it holds more than {} MiB of memory: a list, map or text grows without end?",
                    MAX_MEMORY >> 20
                ),
            },
            EvalAltResult::ErrorStackOverflow(_) => "functions call each other too deeply".to_owned(),
            EvalAltResult::ErrorFunctionNotFound(signature, _) => no_function(signature),
            EvalAltResult::ErrorDotExpr(text, _) => no_field(text),
            EvalAltResult::ErrorPropertyNotFound(text, _) => no_field(text),
            EvalAltResult::ErrorVariableNotFound(name, _) => format!("there is no variable {name}"),
            EvalAltResult::ErrorModuleNotFound(name, _) => {
                format!("there is no module {name:?}; it is the file {name}.rhai in the scripts folder")
            }
            EvalAltResult::ErrorDataTooLarge(..) => {
                format!("{}: a list or text grows without end?", bare(inner))
            }
            EvalAltResult::ErrorRuntime(text, _) => text.to_string(),
            other => bare(other),
        };
        let line = inner.position().line().or_else(|| error.position().line());
        ScriptFault { script: script.to_owned(), line, what: short(what), printed: printed.to_vec() }
    }
}

/// `to ()`: there is none that takes this; how is it used?
fn no_function(signature: &str) -> String {
    let name = signature.split([' ', '(']).next().unwrap_or(signature);
    if VERBS.iter().any(|(verb, _)| *verb == name) {
        return format!("{signature} is not the way to use {name}; write {}", usage(name));
    }
    match nearest(name, VERBS.iter().map(|(verb, _)| *verb)) {
        Some(near) => format!("there is no function {signature}; did you mean {}?", usage(near)),
        None => format!("there is no function {signature}"),
    }
}

/// `Unknown property 'x' - a getter is not registered for type 'Call'`.
fn no_field(text: &str) -> String {
    let mut quoted = text.split('\'').skip(1).step_by(2);
    let (Some(field), Some(kind)) = (quoted.next(), quoted.next()) else { return text.to_owned() };
    let of = fields_of(kind);
    match nearest(field, of.iter().copied()) {
        Some(near) => format!("a {kind} has no {field}; did you mean {near}?"),
        None => format!("a {kind} has no {field}; it has {}", of.join(", ")),
    }
}

/// How an unknown variable is mended.
fn no_variable(name: &str, all: &[Token<'_>]) -> String {
    if let Some((_, hint)) = FOREIGN.iter().find(|(word, _)| *word == name) {
        return (*hint).to_owned();
    }
    let defined = |word: &str| {
        let mut pairs = all.windows(2).filter(|w| w[0].is(word));
        pairs.any(|w| w[1].is(name))
    };
    if defined("let") {
        return format!(
            "it is not seen here: give it to the function, or write const {name} = … at the top of the file"
        );
    }
    let names = all.windows(2).filter(|w| w[0].is("let") || w[0].is("const")).map(|w| w[1].text);
    match nearest(name, names.chain(["c"])) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("write let {name} = … before; strings are written in quotes: \"{name}\""),
    }
}

/// What is said about a script never is as long as a script.
fn short(text: String) -> String {
    const MOST: usize = 600;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// An error's text without its position, which is reported apart.
fn bare(error: &EvalAltResult) -> String {
    let text = error.to_string();
    let text = text.rfind(" (line ").map_or(text.as_str(), |i| &text[..i]);
    text.chars().take(300).collect()
}

/// An error of one of our functions, at the place that called it.
pub(super) fn fault(ctx: &NativeCallContext<'_>, what: String) -> Box<EvalAltResult> {
    at(ctx.call_position(), what)
}

fn at(position: Position, what: String) -> Box<EvalAltResult> {
    Box::new(EvalAltResult::ErrorRuntime(what.into(), position))
}

/// The known word that was probably meant.
pub fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let lower = word.to_lowercase();
    let near = known.map(|k| (distance(&k.to_lowercase(), &lower), k)).min_by_key(|(d, _)| *d)?;
    (near.0 <= 1 + near.1.len() / 4 && near.0 < near.1.len().max(2)).then_some(near.1)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(64).enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replaced = corner + usize::from(ca != *cb);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
