//! The names that a script may use, and the check that it uses no others: a misspelt verb is found before a call meets it.

use std::collections::{BTreeMap, BTreeSet};

use super::call::FIELDS;
use super::error::{ScriptError, nearest};
use super::lex::{Kind, Token, embedded, tokens};

/// The verbs and helpers, each with how it is used.
pub(super) const VERBS: [(&str, &str); 30] = [
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
    ("dial_string", "dial_string(\"+49 (0)30 123\")"),
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

/// The functions that a text defines, by name, each with how many values it takes.
pub(super) fn defined<'t>(tokens: &[Token<'t>]) -> BTreeMap<&'t str, BTreeSet<usize>> {
    let tokens: Vec<&Token<'_>> = tokens.iter().filter(|t| !t.is_comment()).collect();
    let mut found: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (i, w) in tokens.windows(3).enumerate() {
        if w[0].is("fn") && w[2].is("(") {
            found.entry(w[1].text).or_default().insert(values(&tokens[i + 3..]));
        }
    }
    found
}

/// The constants that stand outside of functions, which functions see.
pub(super) fn constants<'t>(tokens: &[Token<'t>]) -> Vec<&'t str> {
    let (mut depth, mut found) = (0usize, Vec::new());
    let tokens: Vec<&Token<'_>> = tokens.iter().filter(|t| !t.is_comment()).collect();
    for w in tokens.windows(2) {
        match w[0].text {
            "{" | "#{" if w[0].kind == Kind::Sign => depth += 1,
            "}" if w[0].kind == Kind::Sign => depth = depth.saturating_sub(1),
            "const" if depth == 0 && w[0].kind == Kind::Word && w[1].kind == Kind::Word => {
                found.push(w[1].text)
            }
            _ => {}
        }
    }
    found
}

/// How many values stand between brackets, behind the one that opens.
fn values(inside: &[&Token<'_>]) -> usize {
    let (mut depth, mut count, mut any, mut parameters) = (0usize, 0, false, false);
    for token in inside {
        let sign = if token.kind == Kind::Sign { token.text } else { "" };
        match sign {
            ")" | "]" | "}" if depth == 0 => break,
            "(" | "[" | "{" | "#{" | "?[" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            // The commas of `|a, b|` separate no values; a bar behind a value is an operator.
            "|" if depth == 0 && (parameters || !any) => parameters = !parameters,
            "," if depth == 0 && !parameters => {
                count += 1;
                any = false;
                continue;
            }
            _ => {}
        }
        any = true;
    }
    count + usize::from(any)
}

/// With how many values a verb is used, by its usage.
fn takes(usage: &str) -> BTreeSet<usize> {
    let all = tokens(usage);
    let all: Vec<&Token<'_>> = all.iter().collect();
    let mut found = BTreeSet::new();
    let mut depth = 0usize;
    for (i, token) in all.iter().enumerate() {
        match token.text {
            "(" if depth == 0 => {
                let method = i >= 2 && all[i - 2].is(".");
                found.insert(values(&all[i + 1..]) + usize::from(method));
                depth += 1;
            }
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    found
}

/// What is known of a module: its functions, and its constants.
#[derive(Debug, Clone, Default)]
pub(super) struct Exports {
    functions: BTreeMap<String, BTreeSet<usize>>,
    constants: Vec<String>,
}

impl Exports {
    /// What this text gives to those who import it.
    pub fn of(text: &str) -> Exports {
        let tokens = tokens(text);
        let functions = defined(&tokens).into_iter().map(|(name, takes)| (name.to_owned(), takes)).collect();
        Exports { functions, constants: constants(&tokens).into_iter().map(str::to_owned).collect() }
    }
}

/// Where names are used that nothing has. The text has been compiled already.
pub(super) fn unknown(tokens: &[Token<'_>], modules: &BTreeMap<String, Exports>) -> Vec<ScriptError> {
    let plain: Vec<&Token<'_>> = tokens.iter().filter(|t| !t.is_comment()).collect();
    let imported = plain.windows(4).filter(|w| w[0].is("import") && w[2].is("as"));
    let known = Known {
        own: defined(tokens),
        parameter: plain
            .windows(4)
            .find(|w| w[0].is("fn") && w[1].is("route") && w[2].is("("))
            .map(|w| w[3].text),
        imported: imported.map(|w| (w[3].text, w[1].text.trim_matches('"'))).collect(),
        modules,
    };
    let mut errors = known.unknown(&plain);
    // Code in texts is code.
    for text in plain.iter().filter(|t| t.kind == Kind::Text) {
        if errors.len() >= MOST {
            break;
        }
        for code in embedded(text) {
            errors.extend(known.unknown(&code.iter().filter(|t| !t.is_comment()).collect::<Vec<_>>()));
        }
    }
    errors.truncate(MOST);
    errors
}

/// What a text's names are held against.
struct Known<'t> {
    own: BTreeMap<&'t str, BTreeSet<usize>>,
    /// The call, as `route` names it.
    parameter: Option<&'t str>,
    /// Modules, by the names that they have here.
    imported: BTreeMap<&'t str, &'t str>,
    modules: &'t BTreeMap<String, Exports>,
}

impl Known<'_> {
    fn unknown(&self, tokens: &[&Token<'_>]) -> Vec<ScriptError> {
        let (own, parameter) = (&self.own, self.parameter);
        let verbs = || VERBS.iter().map(|(name, _)| *name);
        let known = |name: &str| {
            own.contains_key(name)
                || verbs().any(|v| v == name)
                || BUILT_IN.split_whitespace().any(|b| b == name)
        };
        let mut errors = Vec::new();
        for (i, w) in tokens.windows(3).enumerate() {
            let [before, token, after] = [w[0], w[1], w[2]];
            if token.kind != Kind::Word || WORDS.contains(&token.text) {
                continue;
            }
            // A module's function is looked for in the module.
            if before.is("::") || before.is("fn") {
                continue;
            }
            if errors.len() >= MOST {
                return errors;
            }
            if !after.is("(") {
                continue;
            }
            let wrong = |what: String, hint: String| ScriptError::new(token.line, token.column, what, hint);
            if !known(token.text) {
                let hint = match FOREIGN.iter().find(|(word, _)| *word == token.text) {
                    Some((_, hint)) => (*hint).to_owned(),
                    None => match nearest(
                        token.text,
                        verbs().chain(own.keys().copied()).chain(BUILT_IN.split_whitespace()),
                    ) {
                        Some(near) => format!("did you mean {near}? It is used so: {}", usage(near)),
                        None => {
                            "define it with fn, or see the list of verbs in the chapter on scripts".to_owned()
                        }
                    },
                };
                errors.push(wrong(format!("there is no function {}", token.text), hint));
                continue;
            }
            // The language's own functions are many and take many kinds; what is ours has few.
            if BUILT_IN.split_whitespace().any(|b| b == token.text) {
                continue;
            }
            let method = before.is(".") || before.is("?.");
            let given = values(&tokens[i + 3..]) + usize::from(method);
            let mut takes_here = own.get(token.text).cloned().unwrap_or_default();
            if method {
                // What stands before the dot is its first value, or its `this`.
                takes_here.extend(own.get(token.text).into_iter().flatten().map(|n| n + 1));
            }
            let verb = VERBS.iter().find(|(name, _)| *name == token.text);
            takes_here.extend(verb.map(|(_, usage)| takes(usage)).unwrap_or_default());
            if !takes_here.contains(&given) {
                let hint = match verb {
                    Some((_, usage)) => format!("write {usage}"),
                    None => "give it what its fn names".to_owned(),
                };
                errors.push(wrong(takes_not(token.text, &takes_here, given), hint));
            }
        }
        errors.extend(self.of_modules(tokens));
        errors.truncate(MOST);
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

    /// `uk::knd(n)`: what stands behind a module's name is looked for in that module.
    fn of_modules(&self, tokens: &[&Token<'_>]) -> Vec<ScriptError> {
        let (imported, modules) = (&self.imported, self.modules);
        let mut errors = Vec::new();
        for (i, w) in tokens.windows(4).enumerate() {
            let [owner, colons, name, after] = [w[0], w[1], w[2], w[3]];
            if !colons.is("::") || owner.kind != Kind::Word || name.kind != Kind::Word || owner.is("global") {
                continue;
            }
            let wrong = |what: String, hint: String| ScriptError::new(name.line, name.column, what, hint);
            let Some(module) = imported.get(owner.text) else {
                let hint = format!("write import \"{0}\" as {0}; at the beginning", owner.text);
                errors.push(ScriptError::new(
                    owner.line,
                    owner.column,
                    format!("no module is imported as {}", owner.text),
                    hint,
                ));
                continue;
            };
            let Some(exports) = modules.get(*module) else { continue };
            let names = || exports.functions.keys().chain(&exports.constants).map(String::as_str);
            let hint = || match nearest(name.text, names()) {
                Some(near) => format!("did you mean {}::{near}?", owner.text),
                None => format!("it has: {}", names().collect::<Vec<_>>().join(", ")),
            };
            match exports.functions.get(name.text).filter(|_| after.is("(")) {
                Some(takes) => {
                    let given = values(&tokens[i + 4..]);
                    if !takes.contains(&given) {
                        let hint = "give it what its fn names".to_owned();
                        errors.push(wrong(takes_not(name.text, takes, given), hint));
                    }
                }
                None if after.is("(") => {
                    errors.push(wrong(format!("module {module} has no function {}", name.text), hint()));
                }
                None if exports.constants.iter().any(|c| c == name.text) => {}
                None => errors.push(wrong(format!("module {module} has no constant {}", name.text), hint())),
            }
            if errors.len() >= MOST {
                break;
            }
        }
        errors
    }
}

fn takes_not(name: &str, takes: &BTreeSet<usize>, given: usize) -> String {
    let takes: Vec<String> = takes.iter().map(usize::to_string).collect();
    let takes = takes.join(" or ");
    let plural = if takes == "1" { "value" } else { "values" };
    format!("{name} takes {takes} {plural}, not {given}")
}

/// How a function is used.
pub(super) fn usage(name: &str) -> String {
    VERBS
        .iter()
        .find(|(verb, _)| *verb == name)
        .map_or_else(|| format!("{name}(…)"), |(_, usage)| (*usage).to_owned())
}
