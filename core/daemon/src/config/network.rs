//! `[sip]` settings about routers between us and our peers.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use ringtrip_config::{External, HostPort, KeepAliveBy, Sip};
use ringtrip_sip::nat::{self, IpNet};

use super::read::Section;

/// Shorter ones flood the phones, longer ones keep nothing open.
const KEEP_ALIVE: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(600);

/// Reads them.
pub(super) fn read(s: &Section<'_, '_>, sip: &mut Sip) {
    if let Some(text) = s.text("external") {
        match external(&text) {
            Some(external) => sip.external = Some(external),
            None => s.error(
                "external",
                format!("\"{text}\" is neither an IP address nor a host name"),
                "write our address as seen from outside, such as \"203.0.113.5\", a name that resolves to it, or \
                 \"learn\"",
            ),
        }
    }
    let hint = "networks, such as \"192.168.1.0/24\", or single addresses";
    if let Some(networks) = s.list("local_networks", hint, |t| nat::network(t).map_err(|e| e.to_string())) {
        sip.local_networks = Some(networks);
    }
    let words =
        [("options", KeepAliveBy::Options), ("crlf", KeepAliveBy::Crlf), ("off", KeepAliveBy::Nothing)];
    if let Some(by) = s.choice("keep_alive", &words) {
        sip.keep_alive = by;
    }
    s.time("keep_alive_interval", &mut sip.keep_alive_interval);
    if !KEEP_ALIVE.contains(&sip.keep_alive_interval) {
        s.error(
            "keep_alive_interval",
            "it is not between 5 s and 10 min".to_owned(),
            "NAT routers drop UDP bindings after 30 s or more; \"30s\" suits nearly all",
        );
    }
}

/// Reads the networks that a provider's calls come from.
pub(super) fn accept_from(s: &Section<'_, '_>, to: &mut Vec<IpNet>) {
    let hint = "IP addresses and networks, such as \"192.0.2.7\" or \"198.51.100.0/24\"";
    let Some(from) = s.list("accept_from", hint, |t| nat::network(t).map_err(|e| e.to_string())) else {
        return;
    };
    // A client in there needs no password.
    if let Some(all) =
        from.iter().find(|network| network.prefix_len() < if network.addr().is_ipv4() { 8 } else { 16 })
    {
        s.warning(
            "accept_from",
            format!("{all} is a large part of the Internet, and calls from there need no password"),
            "name the provider's networks",
        );
    }
    *to = from;
}

fn external(text: &str) -> Option<External> {
    if text == "learn" {
        return Some(External::Learned);
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return (!ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast())
            .then_some(External::Address(ip));
    }
    // What consists of digits and dots was meant to be an address.
    let is_name = text.chars().any(|c| c.is_ascii_alphabetic()) && !text.contains(':');
    let host = text.parse::<HostPort>().ok().filter(|host| is_name && host.port.is_none())?;
    Some(External::Name(host.host))
}
