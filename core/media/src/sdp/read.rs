//! Reads a body line by line.

use std::net::IpAddr;

use super::sdes::{self, Crypto};
use super::{MAX_ATTRIBUTES, MAX_LEN, MAX_MEDIA, Media, Payload, Sdp, SdpError};
use crate::sound::Direction;

/// What the session says for sections that do not say it themselves.
#[derive(Default)]
struct Session {
    connection: Option<Connection>,
    direction: Option<Direction>,
}

pub(super) fn parse(body: &[u8]) -> Result<Sdp, SdpError> {
    if body.len() > MAX_LEN {
        return Err(SdpError::TooLong);
    }
    let mut lines = body.split(|&b| b == b'\n').map(|l| l.trim_ascii()).filter(|l| !l.is_empty());
    if lines.next().is_none_or(|l| !l.starts_with(b"v=0")) {
        return Err(SdpError::NotSdp);
    }
    let (mut sdp, mut session) = (Sdp::default(), Session::default());
    // Which direction the present section named, and how many attributes it had.
    let (mut direction, mut attributes) = (None, 0);
    for line in lines {
        let [kind, b'=', value @ ..] = line else { continue };
        // What is not UTF-8 is in lines that mean nothing here (s=, i=).
        let Ok(value) = std::str::from_utf8(value) else { continue };
        match (kind, sdp.media.last_mut()) {
            (b'm', _) => {
                finish(&mut sdp, &session, direction.take());
                attributes = 0;
                if sdp.media.len() == MAX_MEDIA {
                    return Err(SdpError::TooManyMedia);
                }
                sdp.media.push(media(value));
            }
            (b'o', None) => sdp.origin = origin(value),
            (b'c', None) => session.connection = connection(value),
            (b'c', Some(m)) if m.addr.is_none() && m.name.is_none() => place(m, connection(value)),
            (b'a', None) => session.direction = session.direction.or(direction_of(value)),
            (b'a', Some(m)) => {
                attributes += 1;
                if attributes <= MAX_ATTRIBUTES {
                    direction = direction.or(direction_of(value));
                    attribute(m, value);
                }
            }
            _ => {}
        }
    }
    finish(&mut sdp, &session, direction);
    Ok(sdp)
}

fn finish(sdp: &mut Sdp, session: &Session, direction: Option<Direction>) {
    if let Some(m) = sdp.media.last_mut() {
        if m.addr.is_none() && m.name.is_none() {
            place(m, session.connection.clone());
        }
        m.direction = direction.or(session.direction).unwrap_or_default();
    }
}

/// `o=- id version IN IP4 host`.
fn origin(value: &str) -> Option<(u64, u64)> {
    let mut words = value.split_ascii_whitespace().skip(1);
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// What a `c=` line names.
#[derive(Clone)]
enum Connection {
    Address(IpAddr),
    Name(String),
}

fn place(m: &mut Media, connection: Option<Connection>) {
    match connection {
        Some(Connection::Address(addr)) => m.addr = Some(addr),
        Some(Connection::Name(name)) => m.name = Some(name),
        None => {}
    }
}

/// `c=IN IP4 192.0.2.1`, with the TTL of multicast passed over. A name is for the caller to resolve; those that end in
/// `.invalid` say "nowhere" where an address of zeros would (RFC 6157 §5.1).
fn connection(value: &str) -> Option<Connection> {
    let mut words = value.split_ascii_whitespace();
    let (_net, _kind, host) = (words.next()?, words.next()?, words.next()?);
    let host = host.split('/').next()?;
    if let Ok(addr) = host.parse::<IpAddr>() {
        return (!addr.is_multicast()).then_some(Connection::Address(addr));
    }
    let is_name = host.len() < 256
        && host.bytes().any(|b| b.is_ascii_alphabetic())
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    let nowhere = host.trim_end_matches('.').to_ascii_lowercase().ends_with(".invalid");
    (is_name && !nowhere).then(|| Connection::Name(host.to_owned()))
}

/// `m=audio 4000 RTP/AVP 0 8 101`.
fn media(value: &str) -> Media {
    let mut words = value.split_ascii_whitespace();
    let mut next = || words.next().unwrap_or_default();
    let (kind, port, proto) = (next().to_string(), next(), next().to_string());
    // `4000/2` names two ports: the first is taken. A port that is no number refuses the section.
    let port = port.split('/').next().and_then(|p| p.parse().ok()).unwrap_or(0);
    let rtp = proto.len() >= 4 && proto.as_bytes()[..4].eq_ignore_ascii_case(b"RTP/");
    let (mut formats, mut payloads) = (String::new(), Vec::new());
    for word in words.take(MAX_ATTRIBUTES) {
        if !formats.is_empty() {
            formats.push(' ');
        }
        formats.push_str(word);
        match word.parse() {
            Ok(pt @ 0..=127) if rtp && payloads.iter().all(|p: &Payload| p.pt != pt) => {
                payloads.push(fixed(pt))
            }
            _ => {}
        }
    }
    Media { kind, port, proto, formats, payloads, ..Media::default() }
}

/// What a payload type means without `a=rtpmap` (RFC 3551 §6).
fn fixed(pt: u8) -> Payload {
    let (name, clock) = match pt {
        0 => ("PCMU", 8000),
        3 => ("GSM", 8000),
        4 => ("G723", 8000),
        8 => ("PCMA", 8000),
        9 => ("G722", 8000),
        13 => ("CN", 8000),
        15 => ("G728", 8000),
        18 => ("G729", 8000),
        _ => ("", 0),
    };
    Payload { pt, name: name.into(), clock, fmtp: None }
}

fn direction_of(value: &str) -> Option<Direction> {
    Some(match value {
        "sendrecv" => Direction::SendRecv,
        "sendonly" => Direction::SendOnly,
        "recvonly" => Direction::RecvOnly,
        "inactive" => Direction::Inactive,
        _ => return None,
    })
}

fn attribute(m: &mut Media, value: &str) {
    let (name, value) = value.split_once(':').unwrap_or((value, ""));
    let value = value.trim();
    match name {
        "rtpmap" => {
            let Some((p, rest)) = payload(m, value) else { return };
            let mut parts = rest.split('/');
            p.name = parts.next().unwrap_or_default().trim().to_string();
            p.clock = parts.next().and_then(|c| c.trim().parse().ok()).unwrap_or(8000);
        }
        "fmtp" => {
            let Some((p, rest)) = payload(m, value) else { return };
            p.fmtp = Some(rest.to_string());
        }
        // Some write 20.0.
        "ptime" => {
            m.ptime = value.split('.').next().and_then(|v| v.parse().ok()).filter(|p| (10..=60).contains(p))
        }
        // `53020 IN IP4 192.0.2.1`, or the port alone.
        "rtcp" => {
            let mut words = value.split_ascii_whitespace();
            m.rtcp_port = words.next().and_then(|p| p.parse().ok());
            m.rtcp_addr =
                words.nth(2).and_then(|ip| ip.parse().ok()).filter(|ip: &IpAddr| !ip.is_multicast());
        }
        "rtcp-mux" => m.rtcp_mux = true,
        "crypto" if m.crypto.len() < sdes::MAX_LINES => match Crypto::parse(value) {
            Ok(crypto) => m.crypto.push(crypto),
            Err(why) => m.crypto_error = m.crypto_error.or(Some(why)),
        },
        _ => {}
    }
}

/// The payload that an attribute speaks of, and the rest of its value.
fn payload<'m, 'v>(m: &'m mut Media, value: &'v str) -> Option<(&'m mut Payload, &'v str)> {
    let (pt, rest) = value.split_once(|c: char| c.is_ascii_whitespace())?;
    let pt: u8 = pt.parse().ok()?;
    Some((m.payloads.iter_mut().find(|p| p.pt == pt)?, rest.trim()))
}
