//! A SIP socket of a test: UDP, or one TCP connection. What comes is kept until somebody asks for it.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use super::message::Message;

/// One end of a SIP conversation.
pub struct Peer {
    socket: Socket,
    /// Our address.
    pub at: SocketAddr,
    /// Requests of these methods are answered with 200 by themselves, as a provider's machine would.
    pub answers: RefCell<Vec<&'static str>>,
    /// Everything that came, for the report of a failed test.
    seen: RefCell<Vec<Message>>,
    /// What came and was not asked for yet.
    kept: RefCell<Vec<Message>>,
}

enum Socket {
    Udp(UdpSocket),
    Tcp { listener: Option<TcpListener>, stream: RefCell<Option<TcpStream>>, buffer: RefCell<Vec<u8>> },
}

/// How long a peer waits for what must come.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(20);

impl Peer {
    /// A UDP socket on this address; any free port.
    pub fn udp(ip: &str) -> Peer {
        Peer::udp_at(ip, 0)
    }

    /// A UDP socket on this address and port.
    pub fn udp_at(ip: &str, port: u16) -> Peer {
        let ip: IpAddr = ip.parse().expect("an address");
        let socket = UdpSocket::bind((ip, port)).unwrap_or_else(|e| panic!("{ip}:{port}: {e}"));
        let at = socket.local_addr().expect("bound");
        Peer::new(Socket::Udp(socket), at)
    }

    /// Waits for a TCP connection on this address.
    pub fn tcp(ip: &str) -> Peer {
        let ip: IpAddr = ip.parse().expect("an address");
        let listener = TcpListener::bind((ip, 0)).expect("the loopback has free ports");
        listener.set_nonblocking(true).expect("a listener can");
        let at = listener.local_addr().expect("bound");
        Peer::new(
            Socket::Tcp { listener: Some(listener), stream: RefCell::default(), buffer: RefCell::default() },
            at,
        )
    }

    /// Opens a TCP connection.
    pub fn connect(to: SocketAddr) -> Peer {
        let stream = TcpStream::connect(to).expect("somebody listens");
        let at = stream.local_addr().expect("connected");
        let stream = RefCell::new(Some(stream));
        Peer::new(Socket::Tcp { listener: None, stream, buffer: RefCell::default() }, at)
    }

    fn new(socket: Socket, at: SocketAddr) -> Peer {
        Peer { socket, at, answers: RefCell::default(), seen: RefCell::default(), kept: RefCell::default() }
    }

    /// `UDP` or `TCP`.
    pub fn transport(&self) -> &'static str {
        match self.socket {
            Socket::Udp(_) => "UDP",
            Socket::Tcp { .. } => "TCP",
        }
    }

    /// Sends text; its line ends must be CRLF already.
    pub fn send(&self, to: SocketAddr, text: &str) {
        self.send_octets(to, text.as_bytes());
    }

    /// Sends octets.
    pub fn send_octets(&self, to: SocketAddr, octets: &[u8]) {
        match &self.socket {
            Socket::Udp(socket) => {
                socket.send_to(octets, to).expect("the loopback takes datagrams");
            }
            Socket::Tcp { stream, .. } => {
                if let Some(stream) = stream.borrow_mut().as_mut() {
                    stream.set_nonblocking(false).expect("a stream can");
                    // A closed connection shows when we read.
                    let _ = stream.write_all(octets);
                }
            }
        }
    }

    /// Has the other side closed the connection? Only what was read tells.
    pub fn is_closed(&self) -> bool {
        matches!(&self.socket, Socket::Tcp { stream, .. } if stream.borrow().is_none())
    }

    /// The next message that came, or nothing in this time.
    pub fn next(&self, most: Duration) -> Option<Message> {
        let until = Instant::now() + most;
        loop {
            if !self.kept.borrow().is_empty() {
                return Some(self.kept.borrow_mut().remove(0));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            if let Some(message) = self.read(left.min(Duration::from_millis(50))) {
                self.took(message);
            }
        }
    }

    /// Waits for the message that this says yes to; others stay for later.
    #[track_caller]
    pub fn expect(&self, what: &str, like: impl Fn(&Message) -> bool) -> Message {
        self.within(MESSAGE_TIMEOUT, &like).unwrap_or_else(|| {
            let seen: Vec<_> = self.seen.borrow().iter().map(|m| m.text.clone()).collect();
            panic!("{} waited for {what}; this came:\n{}", self.at, seen.join("\n----\n"))
        })
    }

    /// The message that this says yes to, if it comes in this time.
    pub fn within(&self, most: Duration, like: &impl Fn(&Message) -> bool) -> Option<Message> {
        let until = Instant::now() + most;
        loop {
            let found = self.kept.borrow().iter().position(like);
            if let Some(found) = found {
                return Some(self.kept.borrow_mut().remove(found));
            }
            if until <= Instant::now() {
                return None;
            }
            if let Some(message) = self.read(Duration::from_millis(20)) {
                self.took(message);
            }
        }
    }

    /// Everything that came so far.
    pub fn seen(&self) -> Vec<Message> {
        while let Some(message) = self.read(Duration::from_millis(1)) {
            self.took(message);
        }
        self.seen.borrow().clone()
    }

    /// Forgets what was seen, so that the same octets count as new.
    pub fn forget(&self) {
        self.seen.borrow_mut().clear();
    }

    /// Answers a request; `more` are header lines with CRLF.
    pub fn answer(&self, request: &Message, status: &str, more: &str, body: &str) {
        let tag = if status.starts_with("100") { "" } else { "peer" };
        let text = request.answer(status, tag, more, body);
        self.send(request.from, &text);
    }

    /// Our Contact, as a header line.
    pub fn contact(&self, user: &str) -> String {
        let tcp = if self.transport() == "TCP" { ";transport=tcp" } else { "" };
        format!("Contact: <sip:{user}@{}{tcp}>\r\n", self.at)
    }

    fn took(&self, message: Message) {
        // What UDP brings twice is reported once.
        let again = self.seen.borrow().iter().any(|m| m.text == message.text);
        self.seen.borrow_mut().push(message.clone());
        if message.status().is_none() && self.answers.borrow().contains(&message.method()) {
            let contact = format!("Contact: {};expires=60\r\n", message.header("contact"));
            return self.answer(&message, "200 OK", &contact, "");
        }
        if !again {
            self.kept.borrow_mut().push(message);
        }
    }

    fn read(&self, most: Duration) -> Option<Message> {
        match &self.socket {
            Socket::Udp(socket) => {
                socket.set_read_timeout(Some(most)).expect("a time");
                let mut buffer = vec![0; 65_536];
                let (n, from) = socket.recv_from(&mut buffer).ok()?;
                Message::read(buffer.get(..n)?, from)
            }
            Socket::Tcp { listener, stream, buffer } => {
                let mut buffer = buffer.borrow_mut();
                let mut stream = stream.borrow_mut();
                if let Some(message) = cut(&mut buffer, stream.as_ref()) {
                    return Some(message);
                }
                // A new connection replaces the old one, as after a restart of the exchange.
                if let Some(Ok((fresh, _))) = listener.as_ref().map(TcpListener::accept) {
                    *stream = Some(fresh);
                    buffer.clear();
                }
                let Some(open) = stream.as_mut() else {
                    std::thread::sleep(most.min(Duration::from_millis(5)));
                    return None;
                };
                open.set_nonblocking(false).expect("a stream can");
                open.set_read_timeout(Some(most)).expect("a time");
                let mut piece = vec![0; 65_536];
                match open.read(&mut piece) {
                    Ok(0) => *stream = None,
                    Ok(n) => buffer.extend_from_slice(&piece[..n]),
                    Err(e)
                        if matches!(
                            e.kind(),
                            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                        ) => {}
                    Err(_) => *stream = None,
                }
                cut(&mut buffer, stream.as_ref())
            }
        }
    }
}

/// Cuts the first whole message from a stream.
fn cut(buffer: &mut Vec<u8>, stream: Option<&TcpStream>) -> Option<Message> {
    while buffer.starts_with(b"\r\n") {
        buffer.drain(..2);
    }
    let head = buffer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
    let length = text.lines().find_map(|l| l.strip_prefix("content-length:").or(l.strip_prefix("l:")));
    let length: usize = length.and_then(|l| l.trim().parse().ok()).unwrap_or(0);
    if buffer.len() < head + length {
        return None;
    }
    let whole: Vec<u8> = buffer.drain(..head + length).collect();
    let from = stream.and_then(|s| s.peer_addr().ok()).unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
    Message::read(&whole, from)
}
