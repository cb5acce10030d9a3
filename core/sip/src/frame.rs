//! Cuts a stream into messages (RFC 3261 §18.3) and keep-alives (RFC 5626 §3.5.1). However the octets are split on their
//! way, the same frames come out; each octet is looked at once for line ends and once by the lexer.
//!
//! The caller owns the socket and the clock: it pushes what it read, takes frames until there is none, and wakes the
//! framer at its deadline.

use std::mem;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};

use crate::lex::{Broken, Flaw, Head, Limits};
use crate::message::Message;
use crate::name::Name;

/// How long a message may take from its first octet to its last. A sender that is slower is broken or means harm, and
/// either way holds memory and a connection.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What came out of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A whole message.
    Message(Message),
    /// A message that cannot be taken, but whose end is known: send its `answer()` if it has one, and go on.
    Broken(Broken),
    /// An empty double line: answer with one line end.
    Ping,
    /// The stream cannot be cut any more: send the `answer()` if it has one, and close. No frame follows.
    Fatal(Broken),
    /// A message did not end in time: close. No frame follows.
    Late,
}

/// The state of one stream.
#[derive(Debug)]
pub struct Framer {
    limits: Limits,
    buffer: BytesMut,
    state: State,
    /// When the first octet of the message that is still incomplete came.
    since: Option<Instant>,
}

#[derive(Debug)]
enum State {
    /// Between messages, after this many line ends of a keep-alive (0 or 1).
    Idle { line_ends: u8 },
    /// In the headers: where the current line begins, and up to where no line feed is.
    Head { line: usize, scanned: usize },
    /// In a body of this many octets.
    Body { head: Box<Head>, length: usize },
    /// After a fatal frame.
    Closed,
}

impl Framer {
    /// A fresh stream.
    pub fn new(limits: Limits) -> Framer {
        Framer { limits, buffer: BytesMut::new(), state: State::Idle { line_ends: 0 }, since: None }
    }

    /// Takes octets from the stream. Call [`Framer::next`] until it gives nothing before the next push, so that no more
    /// than one message and one read are held.
    pub fn push(&mut self, now: Instant, octets: &[u8]) {
        if matches!(self.state, State::Closed) || octets.is_empty() {
            return;
        }
        self.buffer.extend_from_slice(octets);
        self.since.get_or_insert(now);
    }

    /// The next frame, if the octets that came so far hold one. `now` is the beginning of the message after it.
    pub fn next(&mut self, now: Instant) -> Option<Frame> {
        loop {
            match self.state {
                State::Idle { line_ends } => match self.idle(line_ends)? {
                    Idle::Ping => return Some(Frame::Ping),
                    Idle::Begun => self.state = State::Head { line: 0, scanned: 0 },
                },
                State::Head { line, scanned } => {
                    let Some(end) = self.head_end(line, scanned) else {
                        let over = self.buffer.len() > self.limits.head;
                        return over.then(|| {
                            let octets = self.buffer.split().freeze();
                            self.fatal(Head::read(&octets, &self.limits), Flaw::TooLarge)
                        });
                    };
                    let octets = self.buffer.split_to(end).freeze();
                    let head = Head::read(&octets, &self.limits);
                    if end > self.limits.head {
                        return Some(self.fatal(head, Flaw::TooLarge));
                    }
                    match body_length(&head, &self.limits) {
                        Ok(length) => self.state = State::Body { head: Box::new(head), length },
                        Err(flaw) => return Some(self.fatal(head, flaw)),
                    }
                }
                State::Body { length, .. } => {
                    if self.buffer.len() < length {
                        // One growth for the whole body, however small its pieces.
                        self.buffer.reserve(length - self.buffer.len());
                        return None;
                    }
                    let body = self.buffer.split_to(length).freeze();
                    self.since = (!self.buffer.is_empty()).then_some(now);
                    let State::Body { head, .. } =
                        mem::replace(&mut self.state, State::Idle { line_ends: 0 })
                    else {
                        return None;
                    };
                    return Some(match head.finish(body) {
                        Ok(message) => Frame::Message(message),
                        Err(broken) => Frame::Broken(broken),
                    });
                }
                State::Closed => return None,
            }
        }
    }

    /// When to call [`Framer::expire`].
    pub fn deadline(&self) -> Option<Instant> {
        self.since.map(|since| since + PATIENCE)
    }

    /// Gives up on a message that did not end in time.
    pub fn expire(&mut self, now: Instant) -> Option<Frame> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        self.close();
        Some(Frame::Late)
    }

    /// Octets held back.
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    fn idle(&mut self, mut line_ends: u8) -> Option<Idle> {
        let mut at = 0;
        loop {
            let step = match self.buffer.get(at..) {
                Some([b'\r', b'\n', ..]) => 2,
                Some([b'\n', ..]) => 1,
                // A lone `\r` waits for what follows.
                Some([] | [b'\r']) | None => {
                    self.skip(at, line_ends);
                    return None;
                }
                Some(_) => {
                    self.skip(at, 0);
                    return Some(Idle::Begun);
                }
            };
            at += step;
            line_ends += 1;
            if line_ends == 2 {
                self.skip(at, 0);
                return Some(Idle::Ping);
            }
        }
    }

    fn skip(&mut self, octets: usize, line_ends: u8) {
        self.buffer.advance(octets);
        self.state = State::Idle { line_ends };
        if self.buffer.is_empty() {
            self.since = None;
        }
    }

    /// Where the body begins, once the empty line is there.
    fn head_end(&mut self, mut line: usize, scanned: usize) -> Option<usize> {
        let mut at = scanned;
        while let Some(n) = memchr::memchr(b'\n', &self.buffer[at..]) {
            let feed = at + n;
            at = feed + 1;
            if matches!(&self.buffer[line..feed], b"" | b"\r") {
                return Some(at);
            }
            line = at;
        }
        self.state = State::Head { line, scanned: self.buffer.len() };
        None
    }

    /// Ends the stream with what was read, so that it can be answered.
    fn fatal(&mut self, mut head: Head, flaw: Flaw) -> Frame {
        self.close();
        head.flaw = Some(flaw);
        match head.finish(Bytes::new()) {
            Ok(_) => Frame::Fatal(Broken::Noise { flaw }),
            Err(broken) => Frame::Fatal(broken),
        }
    }

    fn close(&mut self) {
        self.buffer = BytesMut::new();
        self.state = State::Closed;
        self.since = None;
    }
}

enum Idle {
    Ping,
    Begun,
}

/// What Content-Length says. It is the one header that a stream cannot do without when a body follows, so one that is
/// missing, bad or doubled ends the stream; and so does every doubt about where a line ends.
fn body_length(head: &Head, limits: &Limits) -> Result<usize, Flaw> {
    if let Some(flaw) = head.framing {
        return Err(flaw);
    }
    match head.length {
        Some(n) if n > limits.message.saturating_sub(head.end) => Err(Flaw::TooLarge),
        Some(n) => Ok(n),
        // A line that could not be read may have been the Content-Length.
        None if head.flaw == Some(Flaw::HeaderLine) => Err(Flaw::HeaderLine),
        None if head.has(&Name::ContentType) => Err(Flaw::NoLength),
        None => Ok(0),
    }
}

#[cfg(test)]
mod tests;
