//! What may be called: `sip:` or `sips:`, a user, a host, and nothing that could change the message around it.

/// Octets of a URI.
const MOST: usize = 255;

/// The URI, if it is one that can be called.
pub fn checked(uri: &str) -> Result<String, String> {
    let no = |why: &str| format!("{:?} {why}", uri.chars().take(80).collect::<String>());
    let lower = uri.get(..5).map(str::to_ascii_lowercase);
    let rest = match lower.as_deref() {
        Some("sips:") => &uri[5..],
        Some(start) if start.starts_with("sip:") => &uri[4..],
        _ => return Err(no("is no SIP address")),
    };
    // Headers of a URI would end up in our request (RFC 3261 §19.1.1).
    let odd = |c: char| !c.is_ascii_graphic() || "<>\"\\?".contains(c);
    if uri.len() > MOST || uri.contains(odd) {
        return Err(no("has what no SIP address has"));
    }
    let Some((user, host)) = rest.split_once('@') else { return Err(no("names no user")) };
    let host = host.split(';').next().unwrap_or_default();
    if user.is_empty() || !is_host(host) {
        return Err(no("names no user at a host"));
    }
    let scheme = if lower.as_deref() == Some("sips:") { "sips:" } else { "sip:" };
    Ok(format!("{scheme}{rest}"))
}

/// `sip.example.com`, `192.0.2.7:5080`, `[2001:db8::1]:5060`.
pub fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(v6) => match v6.split_once(']') {
            Some((inside, rest)) if inside.parse::<std::net::Ipv6Addr>().is_ok() => {
                match rest.strip_prefix(':') {
                    Some(port) => ("v6", Some(port)),
                    None if rest.is_empty() => ("v6", None),
                    None => return false,
                }
            }
            _ => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let port =
        port.is_none_or(|p| p.bytes().all(|b| b.is_ascii_digit()) && p.parse::<u16>().is_ok_and(|p| p > 0));
    port && name.trim_end_matches('.').split('.').all(label)
}
