//! Headers that hold several values in one line (RFC 3261 §7.3.1): split at the commas that stand outside quotes and
//! outside `<…>`.

use bytes::Bytes;

use crate::chars::{quoted_end, share, trim};

/// The values of one header line, in order. An empty value is given too (`a,,b` has three), so that a reader can object.
/// A quote or `<` that is never closed takes the rest of the line: the value that holds it will not read.
pub fn split(line: &Bytes) -> Values<'_> {
    Values { line, at: Some(0) }
}

/// See [`split`].
#[derive(Debug, Clone)]
pub struct Values<'a> {
    line: &'a Bytes,
    at: Option<usize>,
}

impl Iterator for Values<'_> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let start = self.at?;
        let rest = &self.line[start..];
        let end = comma(rest);
        self.at = end.map(|n| start + n + 1);
        Some(share(self.line, trim(&rest[..end.unwrap_or(rest.len())])))
    }
}

/// Where the first comma outside quotes and angle brackets is.
fn comma(raw: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let hit = at + memchr::memchr3(b',', b'"', b'<', raw.get(at..)?)?;
        at = match raw[hit] {
            b',' => return Some(hit),
            b'"' => hit + quoted_end(&raw[hit..])?,
            _ => hit + memchr::memchr(b'>', &raw[hit..])? + 1,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &'static str, want: &[&str]) {
        let got: Vec<String> = split(&Bytes::from_static(line.as_bytes()))
            .map(|v| String::from_utf8_lossy(&v).into_owned())
            .collect();
        assert_eq!(got, want, "{line}");
    }

    #[test]
    fn commas_part_values_only_outside_quotes_and_brackets() {
        check("a", &["a"]);
        check("<sip:a@x> , <sip:b@x>;q=1", &["<sip:a@x>", "<sip:b@x>;q=1"]);
        check("\"Bell, A.\" <sip:a,b@x>,c", &["\"Bell, A.\" <sip:a,b@x>", "c"]);
        check("\"a\\\",b\", c", &["\"a\\\",b\"", "c"]);
        check("\"<\", b", &["\"<\"", "b"]);
        check("a,,b,", &["a", "", "b", ""]);
        check("\"never closed, b", &["\"never closed, b"]);
        check("<never closed, b", &["<never closed, b"]);
        check("", &[""]);
    }
}
