//! A resource has one spelling. A path that is written in another way (escaped letters, dot segments, empty segments)
//! is refused, so that no two readers of a path, here or in a proxy before us, can understand it differently
//! (RFC 3986 §6.2.2, RFC 9110 §4.2.3).

/// What is wrong with the spelling of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpellingError {
    /// `*`, or the target of a CONNECT.
    #[error("the request target is not a path: expected one that begins with \"/\"")]
    NotAPath,
    /// `%`, `%4`, `%zz`.
    #[error("the path has a \"%\" that is not followed by two hexadecimal digits")]
    BadEscape,
    /// `%61` for `a`.
    #[error(
        "the path escapes a character that needs no escape: write letters, digits, \"-\", \".\", \"_\" and \"~\" as they are"
    )]
    NeedlessEscape,
    /// `%2F`, `%5C`, `%00`.
    #[error(
        "the path has an escaped slash, backslash, percent sign or control character, which no name here contains"
    )]
    ForbiddenEscape,
    /// `%c1%a1`: octets that are no UTF-8, such as an overlong "a".
    #[error("the path escapes octets that are not UTF-8 text")]
    NotText,
    /// `\`, control characters, octets beyond ASCII.
    #[error("the path has a character that must be escaped")]
    Unescaped,
    /// `//`.
    #[error("the path has an empty segment (\"//\")")]
    EmptySegment,
    /// `/./`, `/..;x/`.
    #[error("the path has a \".\" or \"..\" segment")]
    DotSegment,
}

/// Is the path written in the one way that is taken here?
pub fn check(path: &str) -> Result<(), SpellingError> {
    let Some(rest) = path.strip_prefix('/') else { return Err(SpellingError::NotAPath) };
    check_characters(path.as_bytes())?;
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        // Some proxies cut parameters off each segment and read "..;x" as "..".
        match segment.split(';').next() {
            Some("." | "..") => return Err(SpellingError::DotSegment),
            // Only the last segment may be empty: a trailing slash is another resource, which the router does not have.
            Some("") if !segment.is_empty() || segments.peek().is_some() => {
                return Err(SpellingError::EmptySegment);
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_characters(path: &[u8]) -> Result<(), SpellingError> {
    let mut rest = path;
    let mut plain = Vec::with_capacity(path.len());
    while let [octet, tail @ ..] = rest {
        rest = tail;
        match octet {
            b'%' => {
                let [high, low, tail @ ..] = tail else { return Err(SpellingError::BadEscape) };
                let (Some(high), Some(low)) = (hex(*high), hex(*low)) else {
                    return Err(SpellingError::BadEscape);
                };
                check_escaped(high << 4 | low)?;
                plain.push(high << 4 | low);
                rest = tail;
            }
            b'\\' | 0..=0x20 | 0x7f.. => return Err(SpellingError::Unescaped),
            octet => plain.push(*octet),
        }
    }
    std::str::from_utf8(&plain).map(|_| ()).map_err(|_| SpellingError::NotText)
}

fn check_escaped(octet: u8) -> Result<(), SpellingError> {
    match octet {
        b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
            Err(SpellingError::NeedlessEscape)
        }
        b'/' | b'\\' | b'%' | 0..=0x1f | 0x7f => Err(SpellingError::ForbiddenEscape),
        _ => Ok(()),
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for good in ["/", "/api/v1/state", "/api/v1/state/", "/a%20b", "/caf%C3%A9", "/x;y=1", "/..a", "/*+#"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("*", SpellingError::NotAPath),
            ("", SpellingError::NotAPath),
            ("api/v1", SpellingError::NotAPath),
            ("/%61pi/v1/cdrs", SpellingError::NeedlessEscape),
            ("/api/v1/%2e%2e/x", SpellingError::NeedlessEscape),
            ("/api/v1/%7E", SpellingError::NeedlessEscape),
            ("/api%2fv1", SpellingError::ForbiddenEscape),
            ("/api%5Cv1", SpellingError::ForbiddenEscape),
            ("/%2561pi", SpellingError::ForbiddenEscape),
            ("/a%00", SpellingError::ForbiddenEscape),
            ("/a%", SpellingError::BadEscape),
            ("/a%4", SpellingError::BadEscape),
            ("/a%zz", SpellingError::BadEscape),
            ("/%c1%a1pi", SpellingError::NotText),
            ("/caf%E9", SpellingError::NotText),
            ("/a\\b", SpellingError::Unescaped),
            ("/caf\u{e9}", SpellingError::Unescaped),
            ("//api/v1", SpellingError::EmptySegment),
            ("/api//v1", SpellingError::EmptySegment),
            ("/;/api/v1", SpellingError::EmptySegment),
            ("/api/;x", SpellingError::EmptySegment),
            ("/x/../api", SpellingError::DotSegment),
            ("/api/./v1", SpellingError::DotSegment),
            ("/x/..;/api", SpellingError::DotSegment),
            ("/api/v1/.", SpellingError::DotSegment),
        ] {
            assert_eq!(check(bad), Err(why), "{bad}");
        }
    }
}
