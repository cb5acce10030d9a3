//! What the messages of all legs say of us, and small readings of what others say.

use std::time::Duration;

use bytes::Bytes;
use ringtrip_sip::Headers;
use ringtrip_sip::name::Name;

/// Methods of a dialog that we understand, for `Allow`.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE, REFER";
/// Extensions that we understand, for `Supported`.
pub(crate) const SUPPORTED: &str = "100rel, timer, replaces";
/// What an offer or answer is, alone or as a part of a body.
pub(crate) const SDP: &str = "application/sdp";

/// Puts an SDP body on a message.
pub(super) fn put_sdp(headers: &mut Headers, body: &mut Bytes, sdp: Bytes) {
    headers.set(Name::ContentType, SDP);
    *body = sdp;
}

/// Does a header of this name list this token?
pub(crate) fn lists(headers: &Headers, name: &Name, token: &str) -> bool {
    let hit = |v: &[u8]| v.trim_ascii().eq_ignore_ascii_case(token.as_bytes());
    headers.all(name).any(|line| line.split(|c| *c == b',').any(hit))
}

/// The seconds of Retry-After, without its comment and parameters.
pub(crate) fn retry_after(headers: &Headers) -> Option<Duration> {
    let value = headers.text(&Name::RetryAfter)?;
    let value = value.trim();
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    Some(Duration::from_secs(value.get(..end)?.parse().ok()?))
}
