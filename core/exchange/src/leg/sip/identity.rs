//! Who calls, in headers: From, P-Asserted-Identity (RFC 3325) and Privacy (RFC 3323). Only a trusted peer's word about
//! others is believed, and only a trusted peer is told what a caller withholds.

use bytes::Bytes;
use ringtrip_sip::address::NameAddr;
use ringtrip_sip::list;
use ringtrip_sip::message::{Headers, Request};
use ringtrip_sip::name::Name;
use ringtrip_sip::screen::ValidRequest;
use ringtrip_sip::uri::Uri;

use crate::number::Number;
use crate::route::SipWay;
use ringtrip_model::party::{CallerId, Digits};

/// The caller as an INVITE names him.
pub(crate) fn of_invite(invite: &ValidRequest, trusted: bool) -> CallerId {
    let (headers, from) = (&invite.headers, &invite.head().from);
    let asserted = trusted.then(|| asserted(headers)).flatten();
    let private = wants_privacy(headers) || is_anonymous(from);
    let shown = asserted.as_ref().unwrap_or(from);
    if is_anonymous(shown) {
        return CallerId { private: true, ..CallerId::default() };
    }
    let name = shown.display.as_ref().map(|d| text(d)).unwrap_or_default();
    let number = Number::of(&shown.uri, |_| false).digits.as_str().to_owned();
    CallerId { number, name: name.trim().to_owned(), private }
}

/// The identity headers of our INVITE: From (with our tag), and where the peer is trusted P-Asserted-Identity.
pub(crate) fn put(headers: &mut Headers, way: &SipWay, caller: &CallerId, tag: &str) {
    let domain = way.identity.domain.as_str();
    let number = escape_user(&caller.number);
    let user = way.identity.user.as_deref().map(escape_user);
    let asserted = user.as_deref().filter(|_| caller.number.is_empty()).unwrap_or(&number);
    if caller.private {
        // §4.1.1.3 of RFC 3323: nothing that names the caller in From.
        headers.push(Name::From, format!("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag={tag}"));
        headers.push(Name::Privacy, "id");
    } else {
        let shown = user.as_deref().unwrap_or(&number);
        let shown = if shown.is_empty() { "unknown" } else { shown };
        headers.push(Name::From, format!("{}<sip:{shown}@{domain}>;tag={tag}", display(&caller.name)));
    }
    if way.trusted && !asserted.is_empty() {
        let name = display(&caller.name);
        headers.push(Name::PAssertedIdentity, format!("{name}<sip:{asserted}@{domain}>"));
    }
}

/// Who diverted a call before it came to us (RFC 5806, RFC 7044), for a trusted peer that it goes on to. At most so much:
/// the next hop has limits too.
pub(crate) fn diversions(invite: &Request) -> Vec<(Name, Bytes)> {
    let is_one = |name: &Name| matches!(name, Name::Diversion | Name::HistoryInfo);
    let values = invite.headers.iter().filter(|(name, value)| is_one(name) && value.len() <= 512);
    values.take(8).map(|(name, value)| (name.clone(), Bytes::copy_from_slice(value))).collect()
}

/// The user part of a URI as it stands.
pub(crate) fn user_of(uri: &Uri) -> String {
    let user = uri.sip().and_then(|uri| uri.user.as_ref());
    user.map(|user| text(user)).unwrap_or_default()
}

/// A number or name as the user part of a URI: what may not stand there is escaped (RFC 3261 §25.1).
pub(crate) fn escape_user(user: &str) -> String {
    let mut out = String::with_capacity(user.len());
    for byte in user.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' | b'&' | b'=' | b'+' | b'$'
            | b',' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

fn display(name: &str) -> String {
    if name.is_empty() {
        return String::new();
    }
    let mut out = String::with_capacity(name.len() + 3);
    out.push('"');
    for c in name.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push_str("\" ");
    out
}

fn asserted(headers: &Headers) -> Option<NameAddr> {
    let values = headers.all(&Name::PAssertedIdentity).flat_map(list::split);
    values.filter_map(|v| NameAddr::read(&v).ok()).find(|a| a.uri.user().is_some())
}

fn wants_privacy(headers: &Headers) -> bool {
    let words = headers.all(&Name::Privacy).filter_map(|v| std::str::from_utf8(v).ok());
    words.flat_map(|v| v.split([';', ','])).any(|w| {
        let w = w.trim();
        w.eq_ignore_ascii_case("id") || w.eq_ignore_ascii_case("user") || w.eq_ignore_ascii_case("full")
    })
}

fn is_anonymous(address: &NameAddr) -> bool {
    let user = Number::of(&address.uri, |_| false).digits.as_str().eq_ignore_ascii_case("anonymous");
    let host = address.uri.host().is_some_and(|h| h.to_string().eq_ignore_ascii_case("anonymous.invalid"));
    user || host
}

fn text(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw).chars().filter(|c| !c.is_control()).take(Digits::MAX).collect()
}
