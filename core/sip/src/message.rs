//! Messages as the exchange handles them: a start line, headers in their order, a body. Values are slices of the
//! datagram they came in; nothing is dropped and nothing is decoded until somebody asks (see `uri`, `via`, …).

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::name::Name;

/// A method. Unknown ones survive; comparison is by case, as RFC 3261 §7.1 demands.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Method {
    /// INVITE.
    Invite,
    /// ACK.
    Ack,
    /// BYE.
    Bye,
    /// CANCEL.
    Cancel,
    /// REGISTER.
    Register,
    /// OPTIONS.
    Options,
    /// INFO (RFC 6086).
    Info,
    /// PRACK (RFC 3262).
    Prack,
    /// UPDATE (RFC 3311).
    Update,
    /// SUBSCRIBE (RFC 6665).
    Subscribe,
    /// NOTIFY (RFC 6665).
    Notify,
    /// PUBLISH (RFC 3903).
    Publish,
    /// REFER (RFC 3515).
    Refer,
    /// MESSAGE (RFC 3428).
    Message,
    /// Any other token.
    Other(Bytes),
}

impl Method {
    /// The method that these octets spell.
    pub fn read(raw: &Bytes) -> Method {
        Method::known(raw).unwrap_or_else(|| Method::Other(raw.clone()))
    }
    pub(crate) fn known(raw: &[u8]) -> Option<Method> {
        Some(match raw {
            b"INVITE" => Method::Invite,
            b"ACK" => Method::Ack,
            b"BYE" => Method::Bye,
            b"CANCEL" => Method::Cancel,
            b"REGISTER" => Method::Register,
            b"OPTIONS" => Method::Options,
            b"INFO" => Method::Info,
            b"PRACK" => Method::Prack,
            b"UPDATE" => Method::Update,
            b"SUBSCRIBE" => Method::Subscribe,
            b"NOTIFY" => Method::Notify,
            b"PUBLISH" => Method::Publish,
            b"REFER" => Method::Refer,
            b"MESSAGE" => Method::Message,
            _ => return None,
        })
    }
    /// The token for the wire.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Method::Invite => b"INVITE",
            Method::Ack => b"ACK",
            Method::Bye => b"BYE",
            Method::Cancel => b"CANCEL",
            Method::Register => b"REGISTER",
            Method::Options => b"OPTIONS",
            Method::Info => b"INFO",
            Method::Prack => b"PRACK",
            Method::Update => b"UPDATE",
            Method::Subscribe => b"SUBSCRIBE",
            Method::Notify => b"NOTIFY",
            Method::Publish => b"PUBLISH",
            Method::Refer => b"REFER",
            Method::Message => b"MESSAGE",
            Method::Other(raw) => raw,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Headers in the order that they came. A value has no line end; folds are single spaces already.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(Vec<(Name, Bytes)>);

impl Headers {
    /// No headers, with room for `n`.
    pub fn with_capacity(n: usize) -> Headers {
        Headers(Vec::with_capacity(n))
    }
    /// Adds a header at the end.
    pub fn push(&mut self, name: Name, value: impl Into<Bytes>) {
        self.0.push((name, value.into()));
    }
    /// Adds a header before all others.
    pub fn push_front(&mut self, name: Name, value: impl Into<Bytes>) {
        self.0.insert(0, (name, value.into()));
    }
    /// The first value of this name.
    pub fn get(&self, name: &Name) -> Option<&Bytes> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }
    /// The first value of this name if it is UTF-8.
    pub fn text(&self, name: &Name) -> Option<&str> {
        self.get(name).and_then(|v| std::str::from_utf8(v).ok())
    }
    /// Every line of this name, top first. A line may hold several values: see `list::split`.
    pub fn all<'a>(&'a self, name: &'a Name) -> impl DoubleEndedIterator<Item = &'a Bytes> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v)
    }
    /// Replaces every header of this name by one.
    pub fn set(&mut self, name: Name, value: impl Into<Bytes>) {
        self.remove(&name);
        self.push(name, value);
    }
    /// Takes every header of this name away.
    pub fn remove(&mut self, name: &Name) {
        self.0.retain(|(n, _)| n != name);
    }
    /// All headers, top first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &(Name, Bytes)> {
        self.0.iter()
    }
    /// All headers, to be changed in place.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut (Name, Bytes)> {
        self.0.iter_mut()
    }
    /// How many header lines.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// No header at all?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A request.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The Request-URI as it stands on the wire; `uri::Uri::read` gives its parts.
    pub uri: Bytes,
    /// All headers. `Content-Length` is written by [`Request::write`] and ignored here.
    pub headers: Headers,
    /// The body, octet for octet.
    pub body: Bytes,
}

/// A response.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code, 100–699.
    pub code: u16,
    /// Reason phrase, as it came.
    pub reason: Bytes,
    /// All headers. `Content-Length` is written by [`Response::write`] and ignored here.
    pub headers: Headers,
    /// The body, octet for octet.
    pub body: Bytes,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("uri", &self.uri)
            .field("headers", &self.headers)
            .field("body", &without_keys(&self.body))
            .finish()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("code", &self.code)
            .field("reason", &self.reason)
            .field("headers", &self.headers)
            .field("body", &without_keys(&self.body))
            .finish()
    }
}

/// A body as logs may show it: without the keys of SRTP (RFC 4568 §9.2).
fn without_keys(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut lines = text.split_inclusive('\n').map(|line| match line.to_ascii_lowercase().find("inline:") {
        Some(at) if line.starts_with("a=crypto") => format!("{}inline:***\n", &line[..at]),
        _ => line.to_owned(),
    });
    lines.by_ref().collect()
}

/// Either kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Request {
    /// The octets for the wire, with the right `Content-Length`.
    pub fn write(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.size());
        out.put_slice(self.method.as_bytes());
        out.put_u8(b' ');
        out.put_slice(&self.uri);
        out.put_slice(b" SIP/2.0\r\n");
        write_rest(&self.headers, &self.body, &mut out);
        out.freeze()
    }
    fn size(&self) -> usize {
        64 + self.uri.len() + rest_size(&self.headers, &self.body)
    }
}

impl Response {
    /// The octets for the wire, with the right `Content-Length`.
    pub fn write(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(64 + self.reason.len() + rest_size(&self.headers, &self.body));
        out.put_slice(b"SIP/2.0 ");
        out.put_slice(self.code.to_string().as_bytes());
        out.put_u8(b' ');
        out.put_slice(&self.reason);
        out.put_slice(b"\r\n");
        write_rest(&self.headers, &self.body, &mut out);
        out.freeze()
    }
}

fn rest_size(headers: &Headers, body: &Bytes) -> usize {
    headers.iter().map(|(n, v)| n.as_bytes().len() + v.len() + 4).sum::<usize>() + body.len()
}

fn write_rest(headers: &Headers, body: &Bytes, out: &mut BytesMut) {
    for (name, value) in headers.iter() {
        if *name == Name::ContentLength {
            continue;
        }
        out.put_slice(name.as_bytes());
        out.put_slice(b": ");
        out.put_slice(value);
        out.put_slice(b"\r\n");
    }
    out.put_slice(b"Content-Length: ");
    out.put_slice(body.len().to_string().as_bytes());
    out.put_slice(b"\r\n\r\n");
    out.put_slice(body);
}
