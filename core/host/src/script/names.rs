//! The names that a script may use, and the check that it uses no others: a misspelt verb is found before a call meets it.

use std::collections::BTreeSet;

use super::call::FIELDS;
use super::error::{ScriptError, nearest};
use super::lex::{Kind, Token};

/// The verbs and helpers, each with how it is used.
pub(super) const VERBS: [(&str, &str); 29] = [
    ("pass", "pass()"),
    ("to", "to(\"gw1\") or to(\"gw1\", number)"),
    ("ring", "ring(\"101\"), ring(\"101\", seconds) or ring([\"101\", \"102\"], seconds)"),
    ("fork", "fork([\"101\", \"gw1\"])"),
    ("try_in_order", "try_in_order([\"gw1\", \"gw2\", \"gw0\"])"),
    ("cheapest", "cheapest(2) or cheapest(2, [\"gw1\", \"gw2\"])"),
    ("under", "cheapest(2).under(\"0.05\")"),
    ("block", "block(\"why\")"),
    ("busy", "busy()"),
    ("ask_pin", "ask_pin(), ask_pin(prompt) or ask_pin(prompt, tries)"),
    ("ask_number", "ask_number() or ask_number(prompt)"),
    ("rewrite", "rewrite(number)"),
    ("caller_id", "caller_id(number) or caller_id(number, name)"),
    ("withhold", "withhold()"),
    ("show", "show()"),
    ("play", "play(prompt)"),
    ("delay", "delay(seconds)"),
    ("record", "record()"),
    ("say", "say(prompt)"),
    ("gateway", "gateway(\"gw1\")"),
    ("between", "c.between(\"09:00\", \"17:30\")"),
    ("starts_with_any", "starts_with_any(number, [\"09\", \"118\"])"),
    ("lookup", "lookup(\"table\", number)"),
    ("in_table", "in_table(\"table\", number)"),
    ("is_row", "is_row(\"table\", number)"),
    ("print", "print(value)"),
    ("debug", "debug(value)"),
    ("type_of", "type_of(value)"),
    ("is_def_var", "is_def_var(\"name\")"),
];

/// The functions of the language that the engine has: arithmetic, texts, lists, maps, and those that are words of it.
const BUILT_IN: &str = "abs acos acosh all append asin asinh atan atanh bits bytes ceiling chars chop clear contains cos cosh \
    crop dedup drain end ends_with exp extract fill_with filter find find_map floor for_each fraction get hypot index_of \
    insert int is_anonymous is_empty is_even is_exclusive is_finite is_inclusive is_infinite is_nan is_odd is_zero keys \
    len ln log make_lower make_upper map max min mixin name order order_by order_desc pad parse_float parse_int pop push \
    range reduce reduce_rev remove replace retain reverse round set shift sign sin sinh some sort sort_by sort_desc splice \
    split split_rev sqrt start starts_with sub_string tan tanh to_binary to_blob to_chars to_debug to_degrees to_float \
    to_hex to_int to_json to_lower to_octal to_radians to_string to_upper trim truncate values zip PI E \
    is_def_fn to_array";

/// Words before a bracket that are no functions.
const WORDS: [&str; 16] = [
    "if", "else", "while", "until", "for", "in", "loop", "switch", "return", "throw", "catch", "fn", "let",
    "const", "do", "and",
];

/// Words of other languages, and what they are here.
pub(super) const FOREIGN: [(&str, &str); 14] = [
    ("elif", "write else if"),
    ("elseif", "write else if, in two words"),
    ("elsif", "write else if"),
    ("and", "write &&"),
    ("or", "write ||"),
    ("not", "write !"),
    ("function", "write fn"),
    ("def", "write fn"),
    ("var", "write let"),
    ("null", "nothing is written ()"),
    ("nil", "nothing is written ()"),
    ("None", "nothing is written ()"),
    ("True", "write true"),
    ("False", "write false"),
];

/// Faults that are named at once.
const MOST: usize = 20;

/// Where names are used that nothing has. The text has been compiled already.
pub(super) fn unknown(tokens: &[Token<'_>]) -> Vec<ScriptError> {
    let tokens: Vec<&Token<'_>> = tokens.iter().filter(|t| !t.is_comment()).collect();
    let own: BTreeSet<&str> = tokens.windows(2).filter(|w| w[0].is("fn")).map(|w| w[1].text).collect();
    let verbs = || VERBS.iter().map(|(name, _)| *name);
    let known = |name: &str| {
        own.contains(name) || verbs().any(|v| v == name) || BUILT_IN.split_whitespace().any(|b| b == name)
    };
    let parameter =
        tokens.windows(4).find(|w| w[0].is("fn") && w[1].is("route") && w[2].is("(")).map(|w| w[3].text);
    let mut errors = Vec::new();
    for w in tokens.windows(3) {
        let [before, token, after] = [w[0], w[1], w[2]];
        if token.kind != Kind::Word || WORDS.contains(&token.text) {
            continue;
        }
        // A module's function is looked for when the module is imported.
        if before.is("::") || before.is("fn") {
            continue;
        }
        if errors.len() >= MOST {
            return errors;
        }
        if after.is("(") && !known(token.text) {
            let hint = match FOREIGN.iter().find(|(word, _)| *word == token.text) {
                Some((_, hint)) => (*hint).to_owned(),
                None => match nearest(
                    token.text,
                    verbs().chain(own.iter().copied()).chain(BUILT_IN.split_whitespace()),
                ) {
                    Some(near) => format!("did you mean {near}? It is used so: {}", usage(near)),
                    None => {
                        "define it with fn, or see the list of verbs in the chapter on scripts".to_owned()
                    }
                },
            };
            errors.push(ScriptError::new(
                token.line,
                token.column,
                format!("there is no function {}", token.text),
                hint,
            ));
        }
    }
    for w in tokens.windows(4) {
        let [owner, dot, field, after] = [w[0], w[1], w[2], w[3]];
        let of_call = parameter.is_some_and(|p| owner.is(p)) && dot.is(".") && field.kind == Kind::Word;
        if !of_call || after.is("(") || FIELDS.contains(&field.text) {
            continue;
        }
        if errors.len() >= MOST {
            break;
        }
        let hint = match nearest(field.text, FIELDS.iter().copied()) {
            Some(near) => format!("did you mean {}.{near}?", owner.text),
            None => format!("it has: {}", FIELDS.join(", ")),
        };
        let what = format!("the call has no {}", field.text);
        errors.push(ScriptError::new(field.line, field.column, what, hint));
    }
    errors
}

/// How a function is used.
pub(super) fn usage(name: &str) -> String {
    VERBS
        .iter()
        .find(|(verb, _)| *verb == name)
        .map_or_else(|| format!("{name}(…)"), |(_, usage)| (*usage).to_owned())
}
