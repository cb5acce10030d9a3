//! A script's text in pieces: enough of the language's grammar to find names, to lay a text out, and to note the lines
//! that run. The language's own parser has the last word on what a script means.

/// A piece of the text. Blanks are not pieces; they stand between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub kind: Kind,
    pub text: &'t str,
    /// Where it begins, in octets.
    pub start: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a word of the language.
    Word,
    /// A number.
    Number,
    /// A text of any kind, with its quotes.
    Text,
    /// One character in single quotes, or what somebody took for a text.
    Quoted,
    /// A comment to the end of the line, without the line's end.
    Comment,
    /// A comment in `/* */`.
    Block,
    /// An operator or a bracket.
    Sign,
}

impl Token<'_> {
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Is it this sign or word?
    pub fn is(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Sign | Kind::Word) && self.text == text
    }

    pub fn is_comment(&self) -> bool {
        matches!(self.kind, Kind::Comment | Kind::Block)
    }
}

/// Signs of more than one character, longest first.
const SIGNS: [&str; 33] = [
    "<<=", ">>=", "**=", "..=", "...", "===", "!==", "::", "=>", "==", "!=", "<=", ">=", "&&", "||", "+=",
    "-=", "*=", "/=", "%=", "&=", "|=", "^=", "**", "<<", ">>", "??", "?.", "?[", "#{", "->", "..", "++",
];

/// The pieces of a text. What is not closed reaches to the end.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    // How far columns of this line are counted: a line may be as long as the text.
    let (mut counted, mut column) = (0, 1);
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            if c == '\n' {
                (line, counted, column) = (line + 1, at, 1);
            }
            continue;
        }
        let (kind, len) = piece(&text[at..], 0);
        let piece = &text[at..at + len];
        column += text[counted..at].chars().count();
        counted = at;
        found.push(Token { kind, text: piece, start: at, line, column });
        at += len;
        if let Some(last) = piece.rfind('\n') {
            line += piece.matches('\n').count();
            (counted, column) = (at - len + last + 1, 1);
        }
    }
    found
}

/// Pieces of code in one text that are looked at.
const MAX_EMBEDDED: usize = 64;
/// Texts in code in texts: the language's own parser takes fewer. What lies deeper is text to the end.
const MAX_DEPTH: usize = 32;
/// Signs before the quote of a raw text.
const MAX_HASHES: usize = 64;
/// How far the second quote of what looks like one character is looked for, in octets.
const MAX_QUOTED: usize = 256;

/// The kind and length of the piece that a text begins with, in so many templates. The text does not begin with a blank.
fn piece(rest: &str, depth: usize) -> (Kind, usize) {
    let first = rest.chars().next().unwrap_or(' ');
    let second = rest[first.len_utf8()..].chars().next();
    match (first, second) {
        ('/', Some('/')) => {
            (Kind::Comment, rest.find('\n').map_or(rest.len(), |end| rest[..end].trim_end().len()))
        }
        ('/', Some('*')) => (Kind::Block, nested(rest)),
        ('"', _) => (Kind::Text, quoted(rest, '"')),
        ('`', _) => (Kind::Text, template(rest, depth)),
        ('\'', _) => (Kind::Quoted, single(rest)),
        ('#', Some('"' | '#')) => match raw(rest) {
            Some(len) => (Kind::Text, len),
            None => (Kind::Sign, 1),
        },
        (c, _) if c.is_ascii_digit() => (Kind::Number, number(rest)),
        (c, _) if c.is_alphabetic() || c == '_' || c == '$' => {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'));
            (Kind::Word, end.unwrap_or(rest.len()))
        }
        (c, _) => {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            (Kind::Sign, sign.map_or(c.len_utf8(), |sign| sign.len()))
        }
    }
}

fn nested(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while let Some(c) = rest[at..].chars().next() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += c.len_utf8();
        }
    }
    rest.len()
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (i, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return i + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// `'x'`, or what begins like it, but never past its line: an apostrophe must not swallow the rest of the text.
fn single(rest: &str) -> usize {
    let near = rest.floor_char_boundary(MAX_QUOTED.min(rest.len()));
    let line = rest[..near].find('\n').unwrap_or(near);
    match quoted(&rest[..line], '\'') {
        len if len > 1 && rest[..len].ends_with('\'') => len,
        _ => 1,
    }
}

/// `` `text ${code} text` ``; the code may hold texts and braces of its own.
fn template(rest: &str, depth: usize) -> usize {
    if depth >= MAX_DEPTH {
        return rest.len();
    }
    let mut at = 1;
    while let Some(c) = rest[at..].chars().next() {
        if c == '`' {
            return at + 1;
        }
        if rest[at..].starts_with("${") {
            at += 2;
            let mut braces = 1;
            while braces > 0 {
                let Some(c) = rest[at..].chars().next() else { return rest.len() };
                if c.is_whitespace() {
                    at += c.len_utf8();
                    continue;
                }
                let (_, len) = piece(&rest[at..], depth + 1);
                match &rest[at..at + len] {
                    "{" | "#{" => braces += 1,
                    "}" => braces -= 1,
                    _ => {}
                }
                at += len;
            }
            continue;
        }
        at += c.len_utf8();
    }
    rest.len()
}

/// The pieces of the code in a text such as `` `a ${b} c` ``: for each `${…}` those inside it, in their places, behind the
/// brace that opens. Code in texts in that code counts, too.
pub(super) fn embedded<'t>(text: &Token<'t>) -> Vec<Vec<Token<'t>>> {
    let mut found = Vec::new();
    let (mut todo, mut depth) = (vec![*text], 0);
    while let Some(template) = todo.pop().filter(|_| depth < MAX_DEPTH) {
        depth += 1;
        let Some(whole) = template.text.strip_prefix('`') else { continue };
        let (mut at, mut last) = (0, None::<usize>);
        while let Some(open) = whole[at..].find("${").map(|i| at + i) {
            let begin = open + 2;
            // Its pieces, up to the brace that closes it.
            let (mut braces, mut code) = (0usize, vec![Token { kind: Kind::Sign, text: "{", ..template }]);
            let mut end = whole.len();
            for piece in tokens(&whole[begin..]) {
                match piece.text {
                    "{" | "#{" if piece.kind == Kind::Sign => braces += 1,
                    "}" if piece.kind == Kind::Sign && braces == 0 => {
                        end = begin + piece.end();
                        code.push(Token { line: template.line, ..piece });
                        break;
                    }
                    "}" if piece.kind == Kind::Sign => braces -= 1,
                    _ => {}
                }
                let before = &template.text[..1 + begin];
                let column = match before.rfind('\n') {
                    _ if piece.line > 1 => piece.column,
                    Some(line) => before[line + 1..].chars().count() + piece.column,
                    None => template.column + before.chars().count() + piece.column - 1,
                };
                let line = template.line + before.matches('\n').count() + piece.line - 1;
                code.push(Token { line, column, ..piece });
            }
            todo.extend(code.iter().filter(|t| t.kind == Kind::Text && t.text.starts_with('`')));
            found.push(code);
            if last.replace(end) == Some(end) || found.len() >= MAX_EMBEDDED {
                return found;
            }
            at = end;
        }
    }
    found
}

/// `#"…"#`, with as many `#` as one likes.
fn raw(rest: &str) -> Option<usize> {
    let hashes = rest.bytes().take(MAX_HASHES).take_while(|b| *b == b'#').count();
    if rest.as_bytes().get(hashes) != Some(&b'"') {
        return None;
    }
    let close = format!("\"{}", &rest[..hashes]);
    let inside = hashes + 1;
    Some(rest[inside..].find(&close).map_or(rest.len(), |i| inside + i + close.len()))
}

fn number(rest: &str) -> usize {
    let mut at = 0;
    let bytes = rest.as_bytes();
    while let Some(b) = bytes.get(at) {
        let fraction =
            *b == b'.' && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) && !rest[..at].contains('.');
        if !(b.is_ascii_alphanumeric() || *b == b'_' || fraction) {
            break;
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, pieces: &[&str]) {
        let found: Vec<&str> = tokens(text).iter().map(|t| t.text).collect();
        assert_eq!(found, pieces, "{text}");
    }

    #[test]
    fn a_text_is_cut_into_pieces() {
        check("to(\"gw1\", c.number)", &["to", "(", "\"gw1\"", ",", "c", ".", "number", ")"]);
        check("a<=b&&c!=d..=e", &["a", "<=", "b", "&&", "c", "!=", "d", "..=", "e"]);
        check("1.5+2..3 0xff 1_000", &["1.5", "+", "2", "..", "3", "0xff", "1_000"]);
        check("x // a }\ny /* b /* c */ d */ z", &["x", "// a }", "y", "/* b /* c */ d */", "z"]);
        check("`a ${b + \"}\"} c` d", &["`a ${b + \"}\"} c`", "d"]);
        check("`a ${`b ${c}`}` d", &["`a ${`b ${c}`}`", "d"]);
        check("#\"a \" b\"# c ##\"x\"#y\"## #{", &["#\"a \" b\"#", "c", "##\"x\"#y\"##", "#{"]);
        check("'a' 'gw1' it's", &["'a'", "'gw1'", "it", "'", "s"]);
        check("\"a \\\" b\" c", &["\"a \\\" b\"", "c"]);
        check("\"open", &["\"open"]);
        check("`open ${ {", &["`open ${ {"]);
        check("é + ü", &["é", "+", "ü"]);
    }

    #[test]
    fn places_are_those_that_people_count() {
        let found = tokens("a\n  bé c /* x\n y */ d");
        let places: Vec<(usize, usize)> = found.iter().map(|t| (t.line, t.column)).collect();
        assert_eq!(places, [(1, 1), (2, 3), (2, 6), (2, 8), (3, 7)]);
    }
}
