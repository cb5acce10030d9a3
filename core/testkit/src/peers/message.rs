//! A SIP message as a test looks at it: text, cut and written without the exchange's own lexer. Only the arithmetic of
//! digests is shared with the exchange.

use std::net::SocketAddr;

use bytes::Bytes;
use ringtrip_sip::digest::Client;
use ringtrip_sip::message::{Headers, Method};
use ringtrip_sip::name::Name;

/// A message that came.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its first line.
    pub first: String,
    /// Names in lower case, values.
    pub headers: Vec<(String, String)>,
    /// What follows the empty line.
    pub body: String,
    /// From where.
    pub from: SocketAddr,
    /// All of it.
    pub text: String,
}

impl Message {
    /// Cuts a message; `None` for a keep-alive.
    pub fn read(octets: &[u8], from: SocketAddr) -> Option<Message> {
        let text = String::from_utf8_lossy(octets).into_owned();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let first = lines.next().filter(|l| !l.is_empty())?.to_owned();
        let headers = lines.filter_map(|l| l.split_once(':'));
        let headers = headers.map(|(n, v)| (n.trim().to_lowercase(), v.trim().to_owned())).collect();
        Some(Message { first, headers, body: body.to_owned(), from, text: text.clone() })
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        self.first.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The method of a request; for a response that of its CSeq.
    pub fn method(&self) -> &str {
        if self.status().is_some() {
            return self.header("cseq").split(' ').nth(1).unwrap_or_default();
        }
        self.first.split(' ').next().unwrap_or_default()
    }

    /// Is it this request?
    pub fn asks(&self, method: &str) -> bool {
        self.status().is_none() && self.method() == method
    }

    /// Is it a final answer to this method?
    pub fn ends(&self, method: &str) -> bool {
        self.status().is_some_and(|s| s >= 200) && self.method() == method
    }

    /// The first header of this name, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str())
    }

    /// All headers of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The URI in Contact.
    pub fn contact(&self) -> String {
        inside(self.header("contact"))
    }

    /// The request's URI.
    pub fn uri(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    /// The user part of the request's URI.
    pub fn dialled(&self) -> &str {
        let rest = self.uri().split_once(':').map_or("", |(_, rest)| rest);
        rest.split_once('@').map_or("", |(user, _)| user)
    }

    /// Where the body wants its sound.
    pub fn rtp(&self) -> Option<SocketAddr> {
        let line = |start: &str| self.body.lines().find_map(|l| l.strip_prefix(start).map(str::trim));
        let ip = line("c=IN IP4 ").or_else(|| line("c=IN IP6 "))?.parse().ok()?;
        let port = line("m=audio ")?.split(' ').next()?.parse().ok()?;
        Some(SocketAddr::new(ip, port))
    }

    /// An answer to this request. `To` gets the tag if it has none; `more` are header lines with CRLF.
    pub fn answer(&self, status: &str, tag: &str, more: &str, body: &str) -> String {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for name in ["via", "from", "to", "call-id", "cseq", "record-route"] {
            for value in self.all(name) {
                let tagged = name == "to" && !tag.is_empty() && !value.contains(";tag=");
                let tag = if tagged { format!(";tag={tag}") } else { String::new() };
                text += &format!("{name}: {value}{tag}\r\n");
            }
        }
        let kind = kind(more, body);
        text.push_str(&format!("{more}{kind}Content-Length: {}\r\n\r\n{body}", body.len()));
        text
    }
}

/// Where a request belongs.
pub struct Dialog<'a> {
    /// The URI that it goes to.
    pub uri: &'a str,
    /// `From` and `To` with their tags.
    pub from: &'a str,
    /// The other side.
    pub to: &'a str,
    /// `Call-ID`.
    pub call_id: &'a str,
    /// The number in `CSeq`.
    pub cseq: u32,
}

/// A request to be written.
pub struct Request<'a> {
    /// Its method.
    pub method: &'a str,
    /// How it goes, and from where.
    pub via: (&'a str, SocketAddr),
    /// The branch behind [`COOKIE`].
    pub branch: &'a str,
    /// Where it belongs.
    pub dialog: &'a Dialog<'a>,
    /// Header lines with CRLF.
    pub more: &'a str,
    /// SDP, unless `more` names another type.
    pub body: &'a str,
}

/// What every branch of RFC 3261 begins with.
pub const COOKIE: &str = "z9hG4bK";

impl Request<'_> {
    /// The request as text.
    pub fn text(&self) -> String {
        let Request { method, via: (transport, at), branch, dialog, more, body } = self;
        let Dialog { uri, from, to, call_id, cseq } = dialog;
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {at};branch={COOKIE}{branch};rport\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Max-Forwards: 70\r\n{more}{}Content-Length: {}\r\n\r\n{body}",
            kind(more, body),
            body.len()
        )
    }
}

fn kind(more: &str, body: &str) -> &'static str {
    let said = body.is_empty() || more.contains("Content-Type");
    if said { "" } else { "Content-Type: application/sdp\r\n" }
}

/// The header line that answers a challenge; `None` where it cannot be answered, or was before.
pub fn prove(
    auth: &mut Client,
    method: &str,
    uri: &str,
    challenge: &Message,
    cnonce: &str,
) -> Option<String> {
    let mut headers = Headers::with_capacity(2);
    for (name, known) in
        [("www-authenticate", Name::WwwAuthenticate), ("proxy-authenticate", Name::ProxyAuthenticate)]
    {
        for value in challenge.all(name) {
            headers.push(known.clone(), Bytes::from(value.to_owned()));
        }
    }
    auth.challenged(&headers).ok()?;
    let method = Method::read(&Bytes::from(method.to_owned()));
    let (name, value) = auth.authorize(&method, uri.as_bytes(), cnonce)?;
    Some(format!("{}: {}\r\n", String::from_utf8_lossy(name.as_bytes()), String::from_utf8_lossy(&value)))
}

/// What stands between `<` and `>`.
pub(super) fn inside(value: &str) -> String {
    let value = value.split_once('<').map_or(value, |(_, rest)| rest);
    value.split('>').next().unwrap_or_default().to_owned()
}
