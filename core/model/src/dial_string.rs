//! Numbers as people write them: `+49 (0)30 123-456`, `00 44 1480 …`, with blanks of every kind, dashes, brackets and the
//! digits of other scripts. What separates belongs to no number (RFC 3966 §5.1.1), nor does the national prefix in brackets
//! that follows a country code (ITU-T E.123 warns of it, and everybody prints it).

use std::borrow::Cow;

/// Fewer digits may be a name of somebody, such as the extension `10-1`: then dashes and dots stay.
const SHORTEST: usize = 7;

/// The number without what separates: digits, `*`, `#` and a `+` at its beginning, and whatever else is in it.
pub fn dial_string(text: &str) -> String {
    let plain: Vec<char> = text.chars().filter(|c| !is_invisible(*c)).map(ascii).collect();
    let mut out = String::with_capacity(plain.len());
    let mut i = 0;
    while let Some(c) = plain.get(i).copied() {
        if let Some(behind) = bracketed_trunk(&plain, i).filter(|_| ends_country_code(&out)) {
            i = behind;
            continue;
        }
        if !is_separator(c) {
            out.push(c);
        }
        i += 1;
    }
    out
}

/// The same, when a text is a number and nothing else; a name, such as `john-doe` or `10-1`, stays as it is.
pub fn cleaned(text: &str) -> Cow<'_, str> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    if plain {
        return Cow::Borrowed(text);
    }
    let known = |c: char| {
        let c = ascii(c);
        c.is_ascii_digit() || matches!(c, '+' | '*' | '#') || is_separator(c)
    };
    if !text.chars().all(|c| is_invisible(c) || known(c)) {
        return Cow::Borrowed(text);
    }
    let number = dial_string(text);
    if number.starts_with('+') || number.len() >= SHORTEST {
        return Cow::Owned(number);
    }
    let kept = |c: &char| matches!(c, '-' | '.') || !is_separator(*c);
    Cow::Owned(text.chars().filter(|c| !is_invisible(*c)).map(ascii).filter(kept).collect())
}

/// Behind `(0)`, when it stands here: the 0 that is dialled inside the country only.
fn bracketed_trunk(text: &[char], at: usize) -> Option<usize> {
    let mut rest = text.iter().enumerate().skip(at).filter(|(_, c)| !c.is_whitespace());
    let mut next = || rest.next().map(|(i, c)| (i, *c));
    let open = next().filter(|(i, c)| *i == at && matches!(c, '(' | '['))?;
    let zero = next().filter(|(_, c)| *c == '0')?;
    let close = next().filter(|(_, c)| *c == if open.1 == '(' { ')' } else { ']' })?;
    (open.0 < zero.0).then_some(close.0 + 1)
}

/// Is it an international prefix and a country code, and nothing more? In Italy, San Marino and the Vatican the 0 is part
/// of the number.
fn ends_country_code(so_far: &str) -> bool {
    let code = ["+", "00", "011"].iter().find_map(|prefix| so_far.strip_prefix(prefix)).unwrap_or_default();
    (1..=3).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_digit())
        && !matches!(code, "39" | "378" | "379")
}

/// Blanks, dashes, dots, strokes and brackets.
fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '-' | '.' | '/' | '(' | ')' | '[' | ']' | '\u{b7}' | '\u{2022}' | '\u{2027}' | '\u{2043}'
        )
        || matches!(
            c,
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{30fb}' | '\u{ff65}'
        )
}

/// What is copied along unseen: marks of direction, joiners, soft hyphens, byte order marks.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A digit or sign of another script, or a wide one, as its ASCII character.
fn ascii(c: char) -> char {
    /// The zeros of the scripts whose digits stand in rows of ten.
    const ZEROS: [u32; 23] = [
        0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50,
        0xed0, 0xf20, 0x1040, 0x17e0, 0x1810, 0x1946, 0xa8d0, 0xff10, 0x1d7ce,
    ];
    if c.is_ascii() {
        return c;
    }
    match c {
        '\u{ff0b}' | '\u{fe62}' => '+',
        '\u{ff0a}' | '\u{fe61}' => '*',
        '\u{ff03}' | '\u{fe5f}' => '#',
        '\u{ff08}' | '\u{fe59}' => '(',
        '\u{ff09}' | '\u{fe5a}' => ')',
        '\u{ff0d}' => '-',
        '\u{ff0e}' => '.',
        '\u{ff0f}' => '/',
        _ => {
            let digit = ZEROS.iter().find_map(|zero| u32::from(c).checked_sub(*zero).filter(|n| *n < 10));
            digit.and_then(|n| char::from_digit(n, 10)).unwrap_or(c)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::party::Digits;

    #[test]
    fn separators_and_the_bracketed_zero_belong_to_no_number() {
        for (written, number) in [
            ("+49 (0)30 123456", "+4930123456"),
            ("+49 (0) 30 / 123-456", "+4930123456"),
            ("+49(0)30123456", "+4930123456"),
            ("+44-1480-123123", "+441480123123"),
            ("+44 (1480) 123.123", "+441480123123"),
            ("00 49 (0)30 123456", "004930123456"),
            ("0049 [0]30 123456", "004930123456"),
            ("011 44 (0)1480 123123", "011441480123123"),
            ("+358 (0)9 123456", "+3589123456"),
            // In Italy the 0 is dialled from abroad, too.
            ("+39 (0)6 1234567", "+390612345 67"),
            // Without a country code it is the 0 that is dialled.
            ("(0)30 123456", "030123456"),
            ("(0 30) 12 34 56", "030123456"),
            ("030 (0)123456", "0300123456"),
            ("+49\u{a0}30\u{202f}123\u{2009}456", "+4930123456"),
            ("\u{202a}+49 30 123456\u{202c}", "+4930123456"),
            ("＋４９（０）３０－１２３４５６", "+4930123456"),
            ("+٤٩ ٣٠ ١٢٣٤٥٦", "+4930123456"),
            ("+49\u{2011}30\u{2013}123456", "+4930123456"),
            ("*21*030-123456#", "*21*030123456#"),
            ("01480123123", "01480123123"),
        ] {
            let number = number.replace(' ', "");
            assert_eq!(dial_string(written), number, "{written}");
            assert_eq!(Digits::new(written).as_str(), number, "{written}");
        }
    }

    #[test]
    fn names_stay_as_they_are() {
        for name in ["10-1", "1.2", "john-doe", "john.doe", "4-reception", "sip:a(b)", "", "911", ",,0123"] {
            assert_eq!(cleaned(name), name);
            assert_eq!(Digits::new(name).as_str(), name);
        }
        assert_eq!(cleaned("1 0 1"), "101", "no name has blanks");
        assert_eq!(cleaned("９１１"), "911");
        assert_eq!(cleaned("9\u{200b}1 1"), "911");
    }
}
