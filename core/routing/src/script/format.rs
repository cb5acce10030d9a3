//! Lays a script out: four blanks a brace, one blank around operators, no blanks at ends of lines, at most one empty line.
//! Words, texts and comments stay as they are, and so does every line break. What it made is read again, and given out only
//! when it says the same.

use super::lex::{Kind, Token, tokens};

/// Why a text cannot be laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: a bracket is not closed, or closed that was not opened; nothing was changed")]
pub struct Unbalanced {
    /// The line.
    pub line: usize,
}

/// Operators that stand between two values wherever they stand.
const BETWEEN: [&str; 26] = [
    "=", "==", "!=", "<=", ">=", "&&", "||", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "**", "<<",
    ">>", "??", "=>", "**=", "<<=", ">>=", "/", "%", "^",
];

/// The text, laid out.
///
/// # Errors
/// The line of the first bracket without its partner.
pub fn format(text: &str) -> Result<String, Unbalanced> {
    let all = tokens(text);
    balanced(&all)?;
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut depth = 0usize;
    for (i, token) in all.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| &all[i]);
        let closes = matches!(token.text, "}" | ")" | "]") && token.kind == Kind::Sign;
        if closes {
            depth = depth.saturating_sub(1);
        }
        match before {
            None => {}
            Some(before) => match breaks(text, before, token) {
                0 => out.push_str(if gap(text, before, token) { " " } else { "" }),
                n => {
                    // No empty line after an opening brace, nor before a closing one.
                    let opened = before.kind == Kind::Sign && matches!(before.text, "{" | "#{" | "(" | "[");
                    let empty = n > 1 && !opened && !closes;
                    out.push_str(if empty { "\n\n" } else { "\n" });
                    let continues = !closes && goes_on(before, token);
                    let indent = depth + usize::from(continues);
                    out.extend(std::iter::repeat_n("    ", indent));
                }
            },
        }
        out.push_str(token.text);
        if token.kind == Kind::Sign && matches!(token.text, "{" | "#{" | "(" | "[" | "?[") {
            depth += 1;
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    // The pieces must be the same, one by one: a layout never changes what a script does.
    let same = |a: &Token<'_>, b: &Token<'_>| a.kind == b.kind && a.text == b.text;
    let again = tokens(&out);
    match again.len() == all.len() && again.iter().zip(&all).all(|(a, b)| same(a, b)) {
        true => Ok(out),
        false => Ok(text.to_owned()),
    }
}

/// Line breaks between two pieces.
fn breaks(text: &str, before: &Token<'_>, token: &Token<'_>) -> usize {
    text[before.end()..token.start].matches('\n').count()
}

/// A line that goes on with the one before stands further in.
fn goes_on(before: &Token<'_>, token: &Token<'_>) -> bool {
    let sign = |t: &Token<'_>| t.kind == Kind::Sign;
    let between = |t: &Token<'_>| sign(t) && (BETWEEN.contains(&t.text) || matches!(t.text, "+" | "-" | "*"));
    between(before) && !before.is("=>") || sign(token) && (between(token) || matches!(token.text, "." | "?."))
}

/// Does a blank stand between two pieces of one line?
fn gap(text: &str, before: &Token<'_>, token: &Token<'_>) -> bool {
    let had = before.end() < token.start;
    if before.is_comment() || token.is_comment() {
        return true;
    }
    let sign = |t: &Token<'_>, any: &[&str]| t.kind == Kind::Sign && any.contains(&t.text);
    if sign(token, &[",", ";", ")", "]", ".", "::"]) || sign(before, &["(", "[", ".", "::", "!"]) {
        return false;
    }
    if sign(before, &[",", ";"]) || sign(before, &BETWEEN) || sign(token, &BETWEEN) {
        return true;
    }
    if sign(token, &["{"]) || sign(before, &["{", "#{"]) || sign(token, &["}"]) {
        // Empty braces stay closed.
        return !(before.is("{") && token.is("}") || before.is("#{") && token.is("}"))
            || had && before.is("{");
    }
    let _ = text;
    had
}

fn balanced(all: &[Token<'_>]) -> Result<(), Unbalanced> {
    let mut open: Vec<&Token<'_>> = Vec::new();
    for token in all.iter().filter(|t| t.kind == Kind::Sign) {
        match token.text {
            "{" | "#{" | "(" | "[" | "?[" => open.push(token),
            "}" | ")" | "]" => {
                let fits = open.pop().is_some_and(|o| match token.text {
                    "}" => matches!(o.text, "{" | "#{"),
                    ")" => o.text == "(",
                    _ => matches!(o.text, "[" | "?["),
                });
                if !fits {
                    return Err(Unbalanced { line: token.line });
                }
            }
            _ => {}
        }
    }
    open.last().map_or(Ok(()), |o| Err(Unbalanced { line: o.line }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, wanted: &str) {
        let once = format(text).unwrap();
        assert_eq!(once, wanted);
        assert_eq!(format(&once).unwrap(), wanted, "laid out again");
    }

    #[test]
    fn a_script_is_laid_out() {
        check(
            "fn route(c){\nif c.hour>=9&&c.weekday<6{ // open\n\n\nreturn  ring( [ \"101\",\"102\" ] ,20 ) ;\n}\n\n\n\npass( )}",
            "fn route(c) {\n    if c.hour >= 9 && c.weekday<6 { // open\n\n        return ring([\"101\", \"102\"], 20);\n    }\n\n    pass() }\n",
        );
        check("let x=#{a:1,b:-2};\nlet y = -x.a;", "let x = #{ a:1, b:-2 };\nlet y = -x.a;\n");
        check("  // a  b\n\t/* c\n  d */ x   +  y", "// a  b\n/* c\n  d */ x + y\n");
        check("switch n {\n1=>a(),\n_ =>b()\n}", "switch n {\n    1 => a(),\n    _ => b()\n}\n");
        check("let t=`a  ${ b+c }`;", "let t = `a  ${ b+c }`;\n");
        check("let x = a\n&& b;", "let x = a\n    && b;\n");
        check("fn f() { }\nfn g() {}", "fn f() { }\nfn g() {}\n");
        check("", "");
    }

    #[test]
    fn what_is_not_closed_is_not_touched() {
        assert_eq!(format("fn f() {\n  (1 }").unwrap_err().line, 2);
        assert_eq!(format("fn f() {\n  1 } }").unwrap_err().line, 2);
        assert_eq!(format("\nfn f() {").unwrap_err().line, 2);
    }

    #[test]
    fn shipped_scripts_are_laid_out_already_and_keep_their_meaning() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts");
        let mut seen = 0;
        for dir in [folder.to_owned(), format!("{folder}/examples")] {
            for entry in std::fs::read_dir(dir).unwrap().flatten() {
                if entry.path().extension().is_some_and(|e| e == "rhai") {
                    let text = std::fs::read_to_string(entry.path()).unwrap();
                    assert_eq!(format(&text).unwrap(), text, "{}", entry.path().display());
                    seen += 1;
                }
            }
        }
        assert!(seen >= 9);
    }
}
