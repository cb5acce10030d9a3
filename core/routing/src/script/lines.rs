//! A script that notes the lines it runs: the same text with a call of `NOTE` before each statement, on the same line.
//! Only `route explain` runs it; live calls run the text as written.

use super::lex::{Kind, Token, tokens};

/// The function that notes a line. No script can call it by accident, and the check refuses its name.
pub(super) const NOTE: &str = "ringtrip_note_line";

/// After a closing brace these go on with the statement; any other word begins a new one.
const GO_ON: [&str; 6] = ["else", "while", "until", "catch", "in", "as"];

/// What a brace holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Brace {
    Statements,
    Cases,
    Pairs,
}

/// The text with notes.
pub(super) fn noting(text: &str) -> String {
    let all = tokens(text);
    let all: Vec<&Token<'_>> = all.iter().filter(|t| !t.is_comment()).collect();
    let mut out = String::with_capacity(text.len() * 2);
    let mut copied = 0;
    let mut open: Vec<Brace> = Vec::new();
    // Round and square brackets inside the innermost brace: a `;` between them separates no statements.
    let mut brackets = vec![0usize];
    // `switch` was read and its brace is still to come, outside of brackets.
    let mut switch = false;
    for (i, token) in all.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| all[i]);
        let in_statements =
            open.last().is_none_or(|b| *b == Brace::Statements) && brackets.last() == Some(&0);
        let begins = match before {
            None => true,
            Some(b) if b.is("{") => open.last() == Some(&Brace::Statements),
            Some(b) if b.is(";") => in_statements,
            Some(b) if b.is("}") => in_statements && token.kind == Kind::Word && !GO_ON.contains(&token.text),
            Some(_) => false,
        };
        let plain = !token.is("}")
            && !token.is(";")
            && !token.is("fn")
            && !token.is("private")
            && !token.is("import");
        if begins && plain && !open.is_empty() {
            out.push_str(&text[copied..token.start]);
            out.push_str(&format!("{NOTE}({});", token.line));
            copied = token.start;
        }
        match (token.kind, token.text) {
            (Kind::Word, "switch") => switch = true,
            (Kind::Sign, "#{") => {
                open.push(Brace::Pairs);
                brackets.push(0);
            }
            (Kind::Sign, "{") => {
                // The brace after `=>` or in brackets belongs to the expression, not to the switch.
                open.push(if std::mem::take(&mut switch) { Brace::Cases } else { Brace::Statements });
                brackets.push(0);
            }
            (Kind::Sign, "}") => {
                open.pop();
                if brackets.len() > 1 {
                    brackets.pop();
                }
            }
            (Kind::Sign, "(" | "[" | "?[") => {
                if let Some(n) = brackets.last_mut() {
                    *n += 1;
                }
            }
            (Kind::Sign, ")" | "]") => {
                if let Some(n) = brackets.last_mut() {
                    *n = n.saturating_sub(1);
                }
            }
            _ => {}
        }
    }
    out.push_str(&text[copied..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_is_noted_where_it_stands() {
        #[track_caller]
        fn check(text: &str, noted: &str) {
            assert_eq!(noting(text).replace(NOTE, "@"), noted);
        }
        check("fn route(c) { pass() }", "fn route(c) { @(1);pass() }");
        check("fn f() { }", "fn f() { }");
        check(
            "fn f(c) {\n  if c { a(); } else if d { b() }\n  g()\n}",
            "fn f(c) {\n  @(2);if c { @(2);a(); } else if d { @(2);b() }\n  @(3);g()\n}",
        );
        check(
            "fn f(c) { let x = switch c { 1 => a(), 2 => { b(); c() } _ => d() }; x }",
            "fn f(c) { @(1);let x = switch c { 1 => a(), 2 => { @(1);b(); @(1);c() } _ => d() }; @(1);x }",
        );
        check("fn f() { let m = #{a: 1, b: #{}}; m }", "fn f() { @(1);let m = #{a: 1, b: #{}}; @(1);m }");
        check("const A = 1;\nfn f() { [1, { 2 }] }", "const A = 1;\nfn f() { @(2);[1, { @(2);2 }] }");
        check("fn f() { // { a\n \"{\"; `${ {x} }` }", "fn f() { // { a\n @(2);\"{\"; @(2);`${ {x} }` }");
    }
}
