//! Octets become text: UTF-8, UTF-16 as spreadsheets export it, or what is left, Windows-1252 (a superset of Latin-1).

use std::borrow::Cow;

use super::Unreadable;
use super::dialect::Encoding;

/// The text of a file, without byte order mark.
pub(super) fn decode(file: &[u8]) -> Result<(Cow<'_, str>, Encoding), Unreadable> {
    if let Some(rest) = file.strip_prefix(&[0xFF, 0xFE]) {
        return Ok((utf16(rest, u16::from_le_bytes).into(), Encoding::Utf16));
    }
    if let Some(rest) = file.strip_prefix(&[0xFE, 0xFF]) {
        return Ok((utf16(rest, u16::from_be_bytes).into(), Encoding::Utf16));
    }
    let body = file.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(file);
    // A spreadsheet or an archive has zeros soon; no table of text has any.
    if body.iter().take(8_192).any(|b| *b == 0) {
        return Err(Unreadable::Binary);
    }
    match std::str::from_utf8(body) {
        Ok(text) => Ok((text.into(), Encoding::Utf8)),
        Err(_) => Ok((body.iter().map(|b| windows(*b)).collect::<String>().into(), Encoding::Latin1)),
    }
}

fn utf16(octets: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = octets.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

fn windows(byte: u8) -> char {
    // Of the 32 characters that Windows-1252 puts where Latin-1 has controls, price lists use these.
    match byte {
        0x80 => '€',
        0x91 | 0x92 => '\'',
        0x93 | 0x94 => '"',
        0x96 | 0x97 => '-',
        other => char::from(other),
    }
}
