//! Where a request comes from: the address of its connection, or what a trusted proxy says about it. Only limits depend on
//! it, never rights.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR};

use super::Api;

/// The address of the client that asks.
pub fn address(request: &HttpRequest, api: &Api) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |a| a.ip());
    behind_proxies(peer, request.headers(), |ip| api.is_trusted_proxy(ip))
}

/// Proxies append the address that they were asked from, so the list is read from its end: the first address that is
/// no proxy of ours is the client. What stands before it anybody may have written.
fn behind_proxies(peer: IpAddr, headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer;
    for hop in hops(headers).into_iter().rev() {
        if !is_trusted(client) {
            break;
        }
        let Some(hop) = hop else { break };
        client = hop;
    }
    client
}

/// The forwarded addresses in their order; `None`: one that cannot be read.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let list = |name: HeaderName| -> Vec<String> {
        let texts = headers.get_all(name).filter_map(|h| h.to_str().ok());
        texts.flat_map(|t| t.split(',')).map(|item| item.trim().to_owned()).collect()
    };
    let usual = list(X_FORWARDED_FOR);
    if !usual.is_empty() {
        return usual.iter().map(|item| read(item)).collect();
    }
    // RFC 7239: for=192.0.2.43;proto=https, for="[2001:db8::17]:4711".
    let of = |item: &String| {
        let pairs = item.split(';').filter_map(|pair| pair.trim().split_once('='));
        let node = pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case("for")).map(|(_, v)| v)?;
        read(node.trim_matches('"'))
    };
    list(FORWARDED).iter().map(of).collect()
}

/// An address, with or without brackets and port.
fn read(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|a| a.ip()))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn check(peer: &str, forwarded: &[(&str, &'static str)], expected: &str) {
        let mut headers = HeaderMap::new();
        for (name, value) in forwarded {
            headers.append(name.parse().unwrap(), HeaderValue::from_static(value));
        }
        let trusted: [IpAddr; 2] = ["127.0.0.1".parse().unwrap(), "10.0.0.1".parse().unwrap()];
        let found = behind_proxies(peer.parse().unwrap(), &headers, |ip| trusted.contains(&ip));
        assert_eq!(found.to_string(), expected, "{forwarded:?}");
    }

    #[test]
    fn a_trusted_proxy_says_who_asks() {
        check("192.0.2.1", &[], "192.0.2.1");
        check("192.0.2.1", &[("x-forwarded-for", "198.51.100.9")], "192.0.2.1");
        check("10.0.0.1", &[("x-forwarded-for", "198.51.100.9")], "198.51.100.9");
        check("10.0.0.1", &[("x-forwarded-for", "127.0.0.1, 198.51.100.9")], "198.51.100.9");
        check("127.0.0.1", &[("x-forwarded-for", "198.51.100.9, 10.0.0.1")], "198.51.100.9");
        let twice = [("x-forwarded-for", "203.0.113.5"), ("x-forwarded-for", "198.51.100.9:4711")];
        check("10.0.0.1", &twice, "198.51.100.9");
        check("10.0.0.1", &[("x-forwarded-for", "[2001:db8::1]")], "2001:db8::1");
        check("10.0.0.1", &[("x-forwarded-for", "unknown")], "10.0.0.1");
        check("10.0.0.1", &[("forwarded", "for=\"[2001:db8::17]:4711\";proto=https")], "2001:db8::17");
        check("10.0.0.1", &[("forwarded", "for=203.0.113.7, For=198.51.100.9")], "198.51.100.9");
        check("10.0.0.1", &[], "10.0.0.1");
    }
}
