//! Networks by prefix, in the manner of the old SIP brokers: `*123` and a number calls the number at the host of 123.

use crate::uri;

/// A network.
#[derive(Debug, PartialEq, Eq)]
pub struct Peer {
    code: String,
    host: String,
}

/// The table, from entries such as `123 = sip.example.com`.
pub fn read(entries: &[String]) -> Result<Vec<Peer>, String> {
    let mut peers: Vec<Peer> = Vec::with_capacity(entries.len());
    for entry in entries {
        let wrong =
            |why: &str| format!("the setting \"peers\": {entry:?} {why}; write 123 = sip.example.com");
        let (code, host) = entry.split_once('=').ok_or_else(|| wrong("has no ="))?;
        let code = code.trim().trim_start_matches('*');
        let host = host.trim();
        if code.is_empty() || !code.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong("has no prefix of digits"));
        }
        if !uri::is_host(host) {
            return Err(wrong("names no host"));
        }
        if peers.iter().any(|p| p.code == code) {
            return Err(wrong("has a prefix that is there already"));
        }
        peers.push(Peer { code: code.to_owned(), host: host.to_owned() });
    }
    Ok(peers)
}

/// Who is called by what follows the star: the URI, and the number there. The longest prefix wins.
pub fn find(peers: &[Peer], rest: &str) -> Result<(String, String), String> {
    let fits = peers.iter().filter(|p| rest.starts_with(&p.code));
    let Some(peer) = fits.max_by_key(|p| p.code.len()) else {
        return Err(format!("no peer has a prefix of *{rest}"));
    };
    let number = &rest[peer.code.len()..];
    if number.is_empty() {
        return Err(format!("*{rest} names a network, but no number there"));
    }
    if !number.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'#')) {
        return Err(format!("invalid number {number:?}"));
    }
    // `#` has a meaning in a URI (RFC 3261 §25.1).
    Ok((format!("sip:{}@{}", number.replace('#', "%23"), peer.host), number.to_owned()))
}
