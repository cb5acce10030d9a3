//! Plans without the passwords of their ad-hoc destinations (`<:@host;pwd=…>`), for records, logs and readers.

/// The text with `***` in place of each password. Spellings are those that the parser takes: it leaves blanks out wherever
/// they stand, so `; P w d = secret` is a password too.
pub fn hide_passwords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match after_key(rest) {
            Some(value) => {
                out.push_str(&rest[..rest.len() - value.len()]);
                out.push_str("***");
                rest = value.find([';', '>']).map_or("", |end| &value[end..]);
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

/// What stands behind `pwd=`, if the text begins with that.
fn after_key(text: &str) -> Option<&str> {
    let mut rest = text;
    for (n, expected) in ['p', 'w', 'd', '='].into_iter().enumerate() {
        if n > 0 {
            rest = rest.trim_start();
        }
        let c = rest.chars().next()?;
        if !c.eq_ignore_ascii_case(&expected) {
            return None;
        }
        rest = &rest[c.len_utf8()..];
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hidden_in_every_spelling_that_is_taken() {
        for text in [
            "xx.<:@h;uid=me;pwd=SECRET;nat>",
            "xx.<:@h;pwd = SECRET>",
            "xx.<:@h; p w\td =SEC RET >",
            "xx.<:@h;pwd\u{a0}=\u{a0}SECRET>",
            "xx.<:@h;PWD=SECRET>|<:@i;Pwd= SECRET",
            "pwd=SECRET",
            "because of xx.<:@h;pwd=SECRET;nat>, which bars it",
        ] {
            let hidden = hide_passwords(text);
            assert!(hidden.contains("***") && !hidden.contains("SEC") && !hidden.contains("RET"), "{hidden}");
        }
        assert_eq!(hide_passwords("<:@h;uid=u;pwd = x;nat>|0x."), "<:@h;uid=u;pwd =***;nat>|0x.");
        for plain in ["(0xx.|[2-9]xxS0)", "<:@gw1>", "", "päßwd", "pwd"] {
            assert_eq!(hide_passwords(plain), plain);
        }
    }
}
