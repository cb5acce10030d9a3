//! Octets to messages (RFC 3261 §7, §18.3). One pass, no copy: names and values are slices of the datagram, and only a
//! folded header is written anew. What is wrong is noted and the reading goes on, so that a request that cannot be taken
//! can still be answered.
//!
//! The lexer judges the form of a message. What its headers mean is for `screen`, where a stream is cut for `frame`.

use bytes::Bytes;
use thiserror::Error;

use crate::build;
use crate::chars::{self, TOKEN, blank, share, trim};
use crate::message::{Headers, Message, Method, Request, Response};
use crate::name::Name;

/// How much of a message we read. The defaults hold every message that a telephone or a provider sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets in the whole message.
    pub message: usize,
    /// Octets up to the end of the headers.
    pub head: usize,
    /// Octets in one header with its folds, and in the start line.
    pub line: usize,
    /// Header lines.
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        // A datagram holds no more than 65,535 octets, and a stream shall not be the way round that.
        Limits { message: 65_535, head: 48 * 1024, line: 16 * 1024, headers: 256 }
    }
}

/// A message, and how much of the datagram it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The message.
    pub message: Message,
    /// Octets from the start of the datagram to the end of the body. Any that follow are dropped (§18.3).
    pub used: usize,
}

/// Octets that are no message that we take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// A request. It holds whatever headers could be read, top to bottom.
    Request {
        /// What is wrong.
        flaw: Flaw,
        /// What was found; the body is not.
        found: Box<Request>,
    },
    /// A response: dropped.
    Response {
        /// What is wrong.
        flaw: Flaw,
    },
    /// Nothing that can be answered: no Via, or only line ends.
    Noise {
        /// What is wrong.
        flaw: Flaw,
    },
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Flaw {
    /// Nothing but line ends: a keep-alive.
    #[error("Empty Message")]
    Empty,
    /// Not `method SP uri SP version`, each blank a single one.
    #[error("Malformed Request-Line")]
    RequestLine,
    /// Not `version SP three digits SP reason`.
    #[error("Malformed Status-Line")]
    StatusLine,
    /// A version that is not 2.0.
    #[error("Version Not Supported")]
    Version,
    /// A line without a name and a colon.
    #[error("Malformed Header Line")]
    HeaderLine,
    /// A carriage return without its line feed: what ends a line for one element must end it for all.
    #[error("Stray Carriage Return")]
    StrayReturn,
    /// No empty line after the headers.
    #[error("Headers Not Terminated")]
    NoEnd,
    /// Content-Length is no number, or does not fit.
    #[error("Malformed Content-Length")]
    Length,
    /// Two Content-Lengths that disagree.
    #[error("Conflicting Content-Length")]
    Lengths,
    /// Content-Length is larger than what follows.
    #[error("Content-Length Larger Than Message")]
    Short,
    /// A stream, a body, and no Content-Length to find its end by.
    #[error("Missing Content-Length")]
    NoLength,
    /// More octets than [`Limits`] allow.
    #[error("Message Too Large")]
    TooLarge,
    /// More header lines than [`Limits`] allow.
    #[error("Too Many Header Fields")]
    TooMany,
    /// A start line or header longer than [`Limits`] allow.
    #[error("Header Field Too Long")]
    TooLong,
}

impl Flaw {
    /// The status code that says so.
    pub fn code(self) -> u16 {
        match self {
            Flaw::Version => 505,
            Flaw::TooLarge => 513,
            _ => 400,
        }
    }
}

impl Broken {
    /// What is wrong.
    pub fn flaw(&self) -> Flaw {
        match self {
            Broken::Request { flaw, .. } | Broken::Response { flaw } | Broken::Noise { flaw } => *flaw,
        }
    }

    /// The answer, if there is to be one: never to an ACK, a response or noise. The reason phrase names the flaw (§21.4.1).
    pub fn answer(&self) -> Option<Response> {
        match self {
            Broken::Request { flaw, found } if found.method != Method::Ack => {
                let mut response = build::response(found, flaw.code());
                response.reason = Bytes::from(flaw.to_string());
                Some(response)
            }
            _ => None,
        }
    }
}

/// Reads a datagram: its body is what Content-Length says, or all that is left if there is none.
///
/// # Errors
/// [`Broken`] has the first flaw, and of a request what could be read of it, so that it can be answered with 400.
pub fn message(bytes: Bytes, limits: &Limits) -> Result<Parsed, Broken> {
    let mut head = Head::read(&bytes, limits);
    let rest = bytes.len() - head.end;
    let length = match head.length {
        Some(n) if n > rest => {
            head.flaw.get_or_insert(Flaw::Short);
            rest
        }
        Some(n) => n,
        None => rest,
    };
    if bytes.len() > limits.message {
        head.flaw.get_or_insert(Flaw::TooLarge);
    }
    let used = head.end + length;
    let body = if length == 0 { Bytes::new() } else { bytes.slice(head.end..used) };
    Ok(Parsed { message: head.finish(body)?, used })
}

/// All before the body.
#[derive(Debug)]
pub(crate) struct Head {
    start: Start,
    headers: Headers,
    /// The first thing found wrong.
    pub(crate) flaw: Option<Flaw>,
    /// The first thing found wrong that leaves in doubt where the message ends.
    pub(crate) framing: Option<Flaw>,
    /// Content-Length, if it is given and not itself what is wrong.
    pub(crate) length: Option<usize>,
    /// Where the body begins.
    pub(crate) end: usize,
}

#[derive(Debug)]
enum Start {
    Request { method: Method, uri: Bytes },
    Response { code: u16, reason: Bytes },
    Nothing,
}

impl Head {
    /// Reads up to and with the empty line.
    pub(crate) fn read(bytes: &Bytes, limits: &Limits) -> Head {
        let skipped = bytes.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(bytes.len());
        let mut head = Head {
            start: Start::Nothing,
            headers: Headers::default(),
            flaw: None,
            framing: None,
            length: None,
            end: skipped,
        };
        if skipped == bytes.len() {
            head.flaw = Some(Flaw::Empty);
            return head;
        }
        let mut lines =
            Lines { bytes, at: skipped, limit: bytes.len().min(skipped + limits.head), stray: false };
        match lines.next() {
            Some(line) => head.start_line(bytes, line, limits),
            // A start line without an end is too long, or the datagram was cut.
            None => head.start_line(bytes, &bytes[skipped..lines.limit], limits),
        }
        // Room for all headers of most messages at once: growing would copy them.
        head.headers = Headers::with_capacity(HEADERS_AT_ONCE);
        head.header_lines(bytes, &mut lines, limits);
        if lines.stray {
            head.note(Flaw::StrayReturn);
        }
        head.end = lines.at;
        head
    }

    /// The message, or what is left of it.
    pub(crate) fn finish(self, body: Bytes) -> Result<Message, Broken> {
        let Head { start, headers, flaw, .. } = self;
        match (start, flaw) {
            (Start::Request { method, uri }, None) => {
                Ok(Message::Request(Request { method, uri, headers, body }))
            }
            (Start::Response { code, reason }, None) => {
                Ok(Message::Response(Response { code, reason, headers, body }))
            }
            (Start::Request { method, uri }, Some(flaw)) if headers.get(&Name::Via).is_some() => {
                let found = Box::new(Request { method, uri, headers, body: Bytes::new() });
                Err(Broken::Request { flaw, found })
            }
            (Start::Response { .. }, Some(flaw)) => Err(Broken::Response { flaw }),
            (_, flaw) => Err(Broken::Noise { flaw: flaw.unwrap_or(Flaw::Empty) }),
        }
    }

    pub(crate) fn has(&self, name: &Name) -> bool {
        self.headers.get(name).is_some()
    }

    fn note(&mut self, flaw: Flaw) {
        self.flaw.get_or_insert(flaw);
        let framing = match flaw {
            Flaw::Length | Flaw::Lengths | Flaw::StrayReturn => true,
            Flaw::NoEnd | Flaw::TooLarge | Flaw::TooMany | Flaw::TooLong => true,
            Flaw::Empty | Flaw::RequestLine | Flaw::StatusLine | Flaw::Version => false,
            // These are for the framer itself, or for datagrams.
            Flaw::HeaderLine | Flaw::Short | Flaw::NoLength => false,
        };
        if framing {
            self.framing.get_or_insert(flaw);
        }
    }

    /// A line that begins with a version is a status line, every other a request line: a bad one too can be answered if a
    /// Via follows.
    fn start_line(&mut self, bytes: &Bytes, line: &[u8], limits: &Limits) {
        if line.len() > limits.line {
            self.note(Flaw::TooLong);
        }
        if line.get(..4).is_some_and(|v| v.eq_ignore_ascii_case(b"SIP/")) {
            self.status_line(bytes, line);
        } else {
            self.request_line(bytes, line);
        }
    }

    fn status_line(&mut self, bytes: &Bytes, line: &[u8]) {
        let mut words = line.splitn(3, |b| *b == b' ');
        let version = words.next().unwrap_or(b"");
        let digits = words.next().unwrap_or(b"");
        // The blank before an empty reason is in the grammar, and missing from some telephones.
        let reason = words.next().unwrap_or(b"");
        let code = chars::number(digits).filter(|n| digits.len() == 3 && (100..=699).contains(n));
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            self.note(Flaw::Version);
        }
        if code.is_none() {
            self.note(Flaw::StatusLine);
        }
        let code = code.and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
        self.start = Start::Response { code, reason: share(bytes, reason) };
    }

    fn request_line(&mut self, bytes: &Bytes, line: &[u8]) {
        let first = memchr::memchr(b' ', line).unwrap_or(line.len());
        let last = memchr::memrchr(b' ', line).unwrap_or(line.len());
        let method = &line[..first];
        let uri = line.get(first + 1..last).unwrap_or(b"");
        let version = line.get(last + 1..).unwrap_or(b"");
        let known = Method::known(method).unwrap_or_else(|| Method::Other(share(bytes, method)));
        self.start = Start::Request { method: known, uri: share(bytes, uri) };
        if !chars::some(method, TOKEN) || uri.is_empty() || uri.iter().any(|b| blank(*b)) {
            self.note(Flaw::RequestLine);
        } else if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            self.note(if is_version(version) { Flaw::Version } else { Flaw::RequestLine });
        }
    }

    fn header_lines(&mut self, bytes: &Bytes, lines: &mut Lines<'_>, limits: &Limits) {
        loop {
            let Some(line) = lines.next() else {
                let over = bytes.len() > lines.limit;
                return self.note(if over { Flaw::TooLarge } else { Flaw::NoEnd });
            };
            if line.is_empty() {
                return;
            }
            if self.headers.len() >= limits.headers {
                // The rest is skipped, not read: this many headers are no message.
                self.note(Flaw::TooMany);
                lines.skip_head();
                return;
            }
            let folded = lines.fold(line);
            let whole = folded.as_deref().unwrap_or(line);
            if whole.len() > limits.line {
                self.note(Flaw::TooLong);
            }
            match folded {
                Some(text) => {
                    let text = Bytes::from(text);
                    self.header(&text, &text, lines.stray);
                }
                None => self.header(bytes, line, lines.stray),
            }
        }
    }

    fn header(&mut self, bytes: &Bytes, line: &[u8], stray: bool) {
        let Some(colon) = memchr::memchr(b':', line) else { return self.note(Flaw::HeaderLine) };
        // A blank before the colon is allowed (§7.3.1 by way of HCOLON).
        let mut raw = &line[..colon];
        while let [rest @ .., b' ' | b'\t'] = raw {
            raw = rest;
        }
        let name = match Name::known(raw) {
            Some(name) => name,
            None if chars::some(raw, TOKEN) => Name::Other(share(bytes, raw)),
            None => return self.note(Flaw::HeaderLine),
        };
        if stray && memchr::memchr(b'\r', line).is_some() {
            // Not to be echoed either.
            return self.note(Flaw::StrayReturn);
        }
        let value = trim(&line[colon + 1..]);
        if name == Name::ContentLength {
            self.content_length(value);
        }
        self.headers.push(name, share(bytes, value));
    }

    fn content_length(&mut self, value: &[u8]) {
        match chars::number(value).and_then(|n| usize::try_from(n).ok()) {
            None => self.note(Flaw::Length),
            Some(n) if self.length.is_some_and(|before| before != n) => self.note(Flaw::Lengths),
            Some(n) => self.length = Some(n),
        }
    }
}

/// Most INVITEs have 12 to 20 headers.
const HEADERS_AT_ONCE: usize = 24;

/// `SIP/` digits `.` digits.
fn is_version(raw: &[u8]) -> bool {
    let digits = |d: &[u8]| !d.is_empty() && d.iter().all(u8::is_ascii_digit);
    let Some(number) = raw.get(4..).filter(|_| raw[..4].eq_ignore_ascii_case(b"SIP/")) else { return false };
    memchr::memchr(b'.', number).is_some_and(|n| digits(&number[..n]) && digits(&number[n + 1..]))
}

/// Lines without their ends. `\n` ends a line, with or without `\r` before it.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    limit: usize,
    /// A `\r` was seen that is not before a `\n`.
    stray: bool,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.at..self.limit];
        let mut from = 0;
        loop {
            let Some(n) = memchr::memchr2(b'\r', b'\n', &rest[from..]) else {
                self.at = self.limit;
                return None;
            };
            let hit = from + n;
            let ends =
                if rest[hit] == b'\n' { Some(1) } else { (rest.get(hit + 1) == Some(&b'\n')).then_some(2) };
            if let Some(width) = ends {
                self.at += hit + width;
                return Some(&rest[..hit]);
            }
            self.stray = true;
            from = hit + 1;
        }
    }

    /// The header line with the lines that continue it, each fold a single blank; nothing if no line continues it.
    fn fold(&mut self, first: &[u8]) -> Option<Vec<u8>> {
        let mut out: Option<Vec<u8>> = None;
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t')) && self.at < self.limit {
            let before = self.at;
            let Some(line) = self.next() else {
                self.at = before;
                break;
            };
            let out = out.get_or_insert_with(|| trim_end(first).to_vec());
            out.push(b' ');
            out.extend_from_slice(trim_blanks(line));
        }
        out
    }

    fn skip_head(&mut self) {
        while self.next().is_some_and(|line| !line.is_empty()) {}
    }
}

fn trim_end(raw: &[u8]) -> &[u8] {
    let mut raw = raw;
    while let [rest @ .., b' ' | b'\t'] = raw {
        raw = rest;
    }
    raw
}

fn trim_blanks(raw: &[u8]) -> &[u8] {
    let mut raw = trim_end(raw);
    while let [b' ' | b'\t', rest @ ..] = raw {
        raw = rest;
    }
    raw
}

#[cfg(test)]
mod tests;
