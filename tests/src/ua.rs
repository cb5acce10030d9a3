//! A small SIP phone on a real UDP socket, and numbered RTP packets: what a live test needs to hold calls up while it
//! breaks things, and to see whether a call noticed. It shares the digest arithmetic with the exchange, nothing else.
//!
//! A phone lives on its own thread: it answers what comes in and repeats what is not answered.
#![allow(clippy::disallowed_methods)] // Live tests use threads, sockets and the clock.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringtrip_sip::digest;
use ringtrip_sip::lex::{self, Limits};
use ringtrip_sip::message::{Message, Method};

use crate::live::{Daemon, wait};

/// A phone.
pub struct Ua {
    inner: Arc<Inner>,
    thread: Option<JoinHandle<()>>,
    /// Where its sound goes in and out.
    pub rtp: UdpSocket,
}

/// Where a call of a phone stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// INVITE sent.
    Calling,
    /// It rings, here or there.
    Ringing,
    /// Both talk.
    Up,
    /// Over, with the status that ended it: 200 for a BYE of either side.
    Over(u16),
}

struct Inner {
    user: String,
    password: String,
    server: SocketAddr,
    local: SocketAddr,
    media: SocketAddr,
    socket: UdpSocket,
    state: Mutex<State>,
    stop: AtomicBool,
    answers: AtomicBool,
}

struct State {
    /// One for each request: challenges to several at once are not mixed up.
    auth: HashMap<String, digest::Client>,
    registered: Option<u16>,
    calls: HashMap<String, Call>,
    /// Requests without a final answer, by Call-ID and CSeq.
    pending: HashMap<(String, u32), Pending>,
}

struct Pending {
    method: &'static str,
    text: String,
    again: Instant,
    /// An INVITE that got a provisional answer is not repeated.
    heard: bool,
}

struct Call {
    stage: Stage,
    /// `From` and `To` as they stand in our requests.
    from: String,
    to: String,
    target: String,
    cseq: u32,
    media: Option<SocketAddr>,
    /// Our 200 until its ACK.
    unacked: Option<(String, Instant)>,
    ack: Option<String>,
    retry_after: Option<String>,
}

/// RFC 3261 T1.
const T1: Duration = Duration::from_millis(500);
static NUMBER: AtomicU64 = AtomicU64::new(1);

fn unique() -> String {
    format!("{:x}-{:x}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

impl Ua {
    /// A phone of this user at 127.0.0.1.
    pub fn start(server: u16, user: &str, password: &str) -> Ua {
        Ua::start_at(Ipv4Addr::LOCALHOST.into(), server, user, password)
    }

    /// The same at another address of the loopback.
    pub fn start_at(ip: IpAddr, server: u16, user: &str, password: &str) -> Ua {
        let socket = UdpSocket::bind((ip, 0)).expect("the loopback has a free port");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout can be set");
        let rtp = UdpSocket::bind((ip, 0)).expect("the loopback has a free port");
        let inner = Arc::new(Inner {
            user: user.to_owned(),
            password: password.to_owned(),
            server: (Ipv4Addr::LOCALHOST, server).into(),
            local: socket.local_addr().expect("bound"),
            media: rtp.local_addr().expect("bound"),
            socket,
            state: Mutex::new(State {
                auth: HashMap::new(),
                registered: None,
                calls: HashMap::new(),
                pending: HashMap::new(),
            }),
            stop: AtomicBool::new(false),
            answers: AtomicBool::new(true),
        });
        let own = inner.clone();
        let thread = std::thread::spawn(move || own.live());
        Ua { inner, thread: Some(thread), rtp }
    }

    /// Registers, and waits until it is.
    #[track_caller]
    pub fn register(&self) {
        self.inner.lock().registered = None;
        let call = format!("reg-{}", unique());
        let who = format!("<sip:{}@{}>", self.inner.user, self.inner.server);
        let from = format!("{who};tag={}", unique());
        let uri = format!("sip:{}", self.inner.server);
        let more = "Expires: 600\r\n";
        self.inner.request(&mut self.inner.lock(), "REGISTER", &uri, &from, &who, &call, 1, more, "");
        let code = wait("an answer to REGISTER", Duration::from_secs(10), || self.inner.lock().registered);
        assert_eq!(code, 200, "REGISTER of {}", self.inner.user);
    }

    /// Calls this number; gives the Call-ID.
    pub fn invite(&self, number: &str) -> String {
        let call = unique();
        let to = format!("<sip:{number}@{}>", self.inner.server);
        let from = format!("<sip:{}@{}>;tag={}", self.inner.user, self.inner.server, unique());
        let target = format!("sip:{number}@{}", self.inner.server);
        let mut state = self.inner.lock();
        let new = Call {
            stage: Stage::Calling,
            from: from.clone(),
            to: to.clone(),
            target: target.clone(),
            cseq: 1,
            media: None,
            unacked: None,
            ack: None,
            retry_after: None,
        };
        state.calls.insert(call.clone(), new);
        self.inner.request(&mut state, "INVITE", &target, &from, &to, &call, 1, "", &self.inner.sdp());
        call
    }

    /// Calls this number and waits until it is answered.
    #[track_caller]
    pub fn call(&self, number: &str) -> String {
        let call = self.invite(number);
        self.is(&call, Stage::Up);
        call
    }

    /// Waits until a call stands so.
    #[track_caller]
    pub fn is(&self, call: &str, stage: Stage) {
        let until = Instant::now() + Duration::from_secs(15);
        while self.stage(call) != Some(stage) {
            assert!(Instant::now() < until, "{call} is {:?}, not {stage:?}", self.stage(call));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until a call is over and says how it ended.
    #[track_caller]
    pub fn ended(&self, call: &str) -> u16 {
        wait("the end of a call", Duration::from_secs(20), || match self.stage(call) {
            Some(Stage::Over(code)) => Some(code),
            _ => None,
        })
    }

    /// Where a call stands.
    pub fn stage(&self, call: &str) -> Option<Stage> {
        self.inner.lock().calls.get(call).map(|c| c.stage)
    }

    /// `Retry-After` of the answer that ended a call.
    pub fn retry_after(&self, call: &str) -> Option<String> {
        self.inner.lock().calls.get(call).and_then(|c| c.retry_after.clone())
    }

    /// Where the exchange wants the sound of a call.
    pub fn media_of(&self, call: &str) -> Option<SocketAddr> {
        self.inner.lock().calls.get(call).and_then(|c| c.media)
    }

    /// Calls that are up now.
    pub fn up(&self) -> Vec<String> {
        let state = self.inner.lock();
        state.calls.iter().filter(|(_, c)| c.stage == Stage::Up).map(|(id, _)| id.clone()).collect()
    }

    /// From now on it only rings, or answers at once again.
    pub fn answers(&self, yes: bool) {
        self.inner.answers.store(yes, Ordering::Relaxed);
    }

    /// Hangs up.
    pub fn bye(&self, call: &str) {
        let mut state = self.inner.lock();
        let Some(c) = state.calls.get_mut(call) else { return };
        c.cseq += 1;
        let (target, from, to, cseq) = (c.target.clone(), c.from.clone(), c.to.clone(), c.cseq);
        self.inner.request(&mut state, "BYE", &target, &from, &to, call, cseq, "", "");
    }

    /// Knows nothing of its calls any more: the exchange that they were with is gone.
    pub fn forget_all(&self) {
        let mut state = self.inner.lock();
        state.calls.clear();
        state.pending.clear();
    }

    /// Its SIP address.
    pub fn addr(&self) -> SocketAddr {
        self.inner.local
    }
}

impl Drop for Ua {
    fn drop(&mut self) {
        self.inner.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn live(&self) {
        let mut buffer = vec![0; 65_535];
        while !self.stop.load(Ordering::Relaxed) {
            if let Ok((n, from)) = self.socket.recv_from(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
                self.heard(&Words(&text), from);
            }
            self.again();
        }
    }

    /// Repeats what was not answered.
    fn again(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        let state = &mut *state;
        for pending in state.pending.values_mut().filter(|p| !p.heard && p.again <= now) {
            pending.again = now + T1;
            let _ = self.socket.send_to(pending.text.as_bytes(), self.server);
        }
        for (text, at) in state.calls.values_mut().filter_map(|c| c.unacked.as_mut()) {
            if *at <= now {
                *at = now + T1;
                let _ = self.socket.send_to(text.as_bytes(), self.server);
            }
        }
    }

    fn heard(&self, message: &Words<'_>, from: SocketAddr) {
        match message.status() {
            Some(code) => self.response(message, code),
            None => self.asked(message, from),
        }
    }

    fn response(&self, message: &Words<'_>, code: u16) {
        let call = message.header("Call-ID").to_owned();
        let cseq = message.header("CSeq");
        let (number, method) = cseq.split_once(' ').unwrap_or((cseq, ""));
        let number: u32 = number.parse().unwrap_or(0);
        let mut state = self.lock();
        if method == "INVITE" && code >= 200 {
            self.acknowledge(&mut state, message, &call, number, code);
        }
        if code < 200 {
            if let Some(pending) = state.pending.get_mut(&(call.clone(), number)) {
                pending.heard = true;
            }
            if let Some(c) = state.calls.get_mut(&call)
                && c.stage == Stage::Calling
            {
                c.stage = Stage::Ringing;
            }
            return;
        }
        let Some(pending) = state.pending.remove(&(call.clone(), number)) else { return };
        if matches!(code, 401 | 407) && self.answer(&mut state, message, &pending, &call, number) {
            return;
        }
        if code < 300 || pending.method == "BYE" {
            state.auth.remove(&call);
        }
        match pending.method {
            "REGISTER" => state.registered = Some(code),
            "INVITE" => {
                let Some(c) = state.calls.get_mut(&call) else { return };
                if code < 300 {
                    c.stage = Stage::Up;
                    c.to = message.header("To").to_owned();
                    c.target = message.contact().unwrap_or(&c.target).to_owned();
                    c.media = message.media();
                } else {
                    c.stage = Stage::Over(code);
                    c.retry_after = Some(message.header("Retry-After").to_owned()).filter(|v| !v.is_empty());
                }
            }
            "BYE" => {
                if let Some(c) = state.calls.get_mut(&call) {
                    c.stage = Stage::Over(code);
                }
            }
            _ => {}
        }
    }

    /// Proves who it is, once a challenge. False: it cannot.
    fn answer(
        &self,
        state: &mut State,
        message: &Words<'_>,
        pending: &Pending,
        call: &str,
        number: u32,
    ) -> bool {
        let bytes = Bytes::copy_from_slice(message.0.as_bytes());
        let parsed = lex::message(bytes, &Limits::default()).map(|p| p.message);
        let Ok(Message::Response(response)) = parsed else { return false };
        let auth = state.auth.entry(call.to_owned()).or_insert_with(|| {
            let (user, password) = (self.user.clone(), self.password.clone());
            digest::Client::new(digest::Credentials { user, password, realm: None })
        });
        if auth.challenged(&response.headers).is_err() {
            return false;
        }
        let asked = Words(&pending.text);
        let uri = asked.0.split(' ').nth(1).unwrap_or_default().to_owned();
        let method = match pending.method {
            "REGISTER" => Method::Register,
            "BYE" => Method::Bye,
            _ => Method::Invite,
        };
        let Some((_, proof)) = auth.authorize(&method, uri.as_bytes(), &unique()) else { return false };
        let header = if message.status() == Some(407) { "Proxy-Authorization" } else { "Authorization" };
        let mut more = format!("{header}: {}\r\n", String::from_utf8_lossy(&proof));
        if pending.method == "REGISTER" {
            more.push_str("Expires: 600\r\n");
        }
        if let Some(c) = state.calls.get_mut(call) {
            c.cseq = number + 1;
        }
        let (from, to) = (asked.header("From").to_owned(), asked.header("To").to_owned());
        let body = asked.body().to_owned();
        self.request(state, pending.method, &uri, &from, &to, call, number + 1, &more, &body);
        true
    }

    /// ACK: of a refusal by the INVITE's own branch, of an answer as a request of its own.
    fn acknowledge(&self, state: &mut State, message: &Words<'_>, call: &str, number: u32, code: u16) {
        let Some(c) = state.calls.get_mut(call) else { return };
        let (branch, target) = if code < 300 {
            (format!("z9hG4bK{}", unique()), message.contact().unwrap_or(&c.target).to_owned())
        } else {
            let via = message.header("Via");
            let branch = via.split("branch=").nth(1).and_then(|b| b.split([';', ',']).next());
            (branch.unwrap_or_default().to_owned(), c.target.clone())
        };
        if code < 300
            && let Some(ack) = &c.ack
        {
            let _ = self.socket.send_to(ack.as_bytes(), self.server);
            return;
        }
        let ack = format!(
            "ACK {target} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch={branch};rport\r\nMax-Forwards: 70\r\nFrom: {}\r\n\
             To: {}\r\nCall-ID: {call}\r\nCSeq: {number} ACK\r\nContent-Length: 0\r\n\r\n",
            self.local,
            c.from,
            message.header("To"),
        );
        let _ = self.socket.send_to(ack.as_bytes(), self.server);
        if code < 300 {
            c.ack = Some(ack);
        }
    }

    fn asked(&self, message: &Words<'_>, from: SocketAddr) {
        let method = message.0.split(' ').next().unwrap_or_default();
        let call = message.header("Call-ID").to_owned();
        let mut state = self.lock();
        let reply = |code: &str, tag: &str, more: &str, body: &str| {
            let text = message.reply(code, tag, &format!("<sip:{}@{}>", self.user, self.local), more, body);
            let _ = self.socket.send_to(text.as_bytes(), from);
            text
        };
        match method {
            "INVITE" => {
                let tag = match state.calls.get(&call) {
                    Some(c) => c.from.split(";tag=").nth(1).unwrap_or_default().to_owned(),
                    None => unique(),
                };
                let own = message.header("To").split(";tag=").next().unwrap_or_default();
                let known = state.calls.contains_key(&call);
                let c = state.calls.entry(call).or_insert_with(|| Call {
                    stage: Stage::Ringing,
                    from: format!("{own};tag={tag}"),
                    to: message.header("From").to_owned(),
                    target: message.contact().unwrap_or_default().to_owned(),
                    cseq: 1,
                    media: None,
                    unacked: None,
                    ack: None,
                    retry_after: None,
                });
                c.media = message.media().or(c.media);
                if known && c.stage != Stage::Up {
                    return;
                }
                if !known {
                    reply("180 Ringing", &tag, "", "");
                }
                if known || self.answers.load(Ordering::Relaxed) {
                    let sdp = self.sdp();
                    let text = reply("200 OK", &tag, "Content-Type: application/sdp\r\n", &sdp);
                    c.unacked = Some((text, Instant::now() + T1));
                    c.stage = Stage::Up;
                }
            }
            "ACK" => {
                if let Some(c) = state.calls.get_mut(&call) {
                    c.unacked = None;
                }
            }
            "BYE" => {
                if let Some(c) = state.calls.get_mut(&call) {
                    c.stage = Stage::Over(200);
                    c.unacked = None;
                }
                reply("200 OK", "", "", "");
            }
            "CANCEL" => {
                reply("200 OK", "", "", "");
                if let Some(c) = state.calls.get_mut(&call)
                    && c.stage == Stage::Ringing
                {
                    c.stage = Stage::Over(487);
                    let tag = c.from.split(";tag=").nth(1).unwrap_or_default().to_owned();
                    let text = message.reply("487 Request Terminated", &tag, "<sip:x@localhost>", "", "");
                    let text = text.replace(" CANCEL\r\n", " INVITE\r\n");
                    let _ = self.socket.send_to(text.as_bytes(), from);
                }
            }
            _ => {
                reply("200 OK", &unique(), "", "");
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "they are the lines of a message")]
    fn request(
        &self,
        state: &mut State,
        method: &'static str,
        uri: &str,
        from: &str,
        to: &str,
        call: &str,
        cseq: u32,
        more: &str,
        body: &str,
    ) {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{};rport\r\nMax-Forwards: 70\r\nFrom: {from}\r\n\
             To: {to}\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\nContact: <sip:{}@{}>\r\n{more}{kind}\
             Content-Length: {}\r\n\r\n{body}",
            self.local,
            unique(),
            self.user,
            self.local,
            body.len(),
        );
        let _ = self.socket.send_to(text.as_bytes(), self.server);
        let pending = Pending { method, text, again: Instant::now() + T1, heard: false };
        state.pending.insert((call.to_owned(), cseq), pending);
    }

    fn sdp(&self) -> String {
        let (ip, port) = (self.media.ip(), self.media.port());
        format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 101\r\n\
             a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=sendrecv\r\n"
        )
    }
}

/// A SIP message as text.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn status(&self) -> Option<u16> {
        self.0.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let head = self.0.split("\r\n\r\n").next().unwrap_or_default();
        head.split("\r\n").skip(1).filter_map(|line| line.split_once(':').map(|(n, v)| (n.trim(), v.trim())))
    }

    /// The first header of this name, or nothing.
    fn header(&self, name: &str) -> &'a str {
        self.headers().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or("", |(_, v)| v)
    }

    fn body(&self) -> &'a str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    fn contact(&self) -> Option<&'a str> {
        let contact = self.header("Contact");
        let uri = contact.split_once('<').map_or(contact, |(_, rest)| rest.split('>').next().unwrap_or(rest));
        Some(uri).filter(|uri| !uri.is_empty())
    }

    /// Address and port of the audio in its SDP.
    fn media(&self) -> Option<SocketAddr> {
        let line = |prefix: &str| self.body().lines().find_map(|l| l.strip_prefix(prefix));
        let ip: IpAddr = line("c=IN IP4 ")?.trim().parse().ok()?;
        let port: u16 = line("m=audio ")?.split(' ').next()?.parse().ok()?;
        Some((ip, port).into())
    }

    fn reply(&self, code: &str, tag: &str, contact: &str, more: &str, body: &str) -> String {
        let mut text = format!("SIP/2.0 {code}\r\n");
        for (name, value) in self.headers() {
            let name = name.to_ascii_lowercase();
            match name.as_str() {
                "to" if !value.contains(";tag=") && !tag.is_empty() => {
                    text.push_str(&format!("To: {value};tag={tag}\r\n"));
                }
                "via" | "from" | "to" | "call-id" | "cseq" | "record-route" => {
                    text.push_str(&format!("{name}: {value}\r\n"));
                }
                _ => {}
            }
        }
        text.push_str(&format!("Contact: {contact}\r\n{more}Content-Length: {}\r\n\r\n{body}", body.len()));
        text
    }
}

/// 50 numbered packets a second to one place, and a diary of those that came from there.
pub struct Stream {
    log: Arc<Mutex<Diary>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Diary {
    /// When each packet left.
    sent: Vec<Instant>,
    /// Number and time of each packet that came, and from where.
    heard: Vec<(u32, Instant)>,
    /// Packets that are not of the other side.
    foreign: u64,
    /// How late the sending thread was woken at worst: what this machine's scheduler costs everybody.
    noise: Duration,
}

/// Marks a payload as ours, and says which stream it is of.
const MARK: [u8; 4] = *b"RTRP";

impl Stream {
    /// Starts both ways at once. `own` marks what is sent, `theirs` what is expected.
    pub fn start(socket: &UdpSocket, to: SocketAddr, own: u32, theirs: u32) -> Stream {
        let log = Arc::new(Mutex::new(Diary::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let send = {
            let (socket, log, stop) = (socket.try_clone().expect("a clone"), log.clone(), stop.clone());
            std::thread::spawn(move || send(&socket, to, own, &log, &stop))
        };
        let hear = {
            let (socket, log, stop) = (socket.try_clone().expect("a clone"), log.clone(), stop.clone());
            std::thread::spawn(move || hear(&socket, theirs, &log, &stop))
        };
        Stream { log, stop, threads: vec![send, hear] }
    }

    fn diary(&self) -> MutexGuard<'_, Diary> {
        self.log.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn send(socket: &UdpSocket, to: SocketAddr, own: u32, log: &Mutex<Diary>, stop: &AtomicBool) {
    let start = Instant::now();
    for n in 0u32.. {
        let due = start + Duration::from_millis(20) * n;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let packet = packet(own, n);
        let mut diary = log.lock().unwrap_or_else(|e| e.into_inner());
        diary.noise = diary.noise.max(Instant::now().saturating_duration_since(due));
        diary.sent.push(Instant::now());
        drop(diary);
        let _ = socket.send_to(&packet, to);
    }
}

/// PCMA of 20 ms whose first octets say which packet it is.
pub fn packet(own: u32, n: u32) -> [u8; 172] {
    let mut packet = [0xD5; 172];
    packet[0] = 0x80;
    packet[1] = 8;
    packet[2..4].copy_from_slice(&(n as u16).wrapping_add(1000).to_be_bytes());
    packet[4..8].copy_from_slice(&n.wrapping_mul(160).to_be_bytes());
    packet[8..12].copy_from_slice(&own.to_be_bytes());
    packet[12..16].copy_from_slice(&MARK);
    packet[16..20].copy_from_slice(&own.to_be_bytes());
    packet[20..24].copy_from_slice(&n.to_be_bytes());
    packet
}

fn hear(socket: &UdpSocket, theirs: u32, log: &Mutex<Diary>, stop: &AtomicBool) {
    let _ = socket.set_read_timeout(Some(Duration::from_millis(50)));
    let mut buffer = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        let Ok(n) = socket.recv(&mut buffer) else { continue };
        let now = Instant::now();
        let mut diary = log.lock().unwrap_or_else(|e| e.into_inner());
        let word =
            |at: usize| u32::from_be_bytes([buffer[at], buffer[at + 1], buffer[at + 2], buffer[at + 3]]);
        if n == 172 && buffer[12..16] == MARK && word(16) == theirs {
            diary.heard.push((word(20), now));
        } else {
            diary.foreign += 1;
        }
    }
}

/// A call that must not notice what happens to others: both sides talk all the time.
pub struct Canary {
    /// The caller.
    pub caller: Ua,
    /// The called.
    pub callee: Ua,
    /// Its Call-ID at the caller.
    pub call: String,
    there: Stream,
    back: Stream,
    looked: Mutex<[usize; 2]>,
}

impl Canary {
    /// Registers both and lets the first call the second.
    #[track_caller]
    pub fn sing(daemon: &Daemon, from: (&str, &str), to: (&str, &str)) -> Canary {
        let caller = Ua::start(daemon.sip, from.0, from.1);
        let callee = Ua::start(daemon.sip, to.0, to.1);
        caller.register();
        callee.register();
        let call = caller.call(to.0);
        let there_to = caller.media_of(&call).expect("the exchange offers sound");
        let other = wait("the called side", Duration::from_secs(5), || callee.up().pop());
        let back_to = callee.media_of(&other).expect("the exchange offers sound");
        let there = Stream::start(&caller.rtp, there_to, 1, 2);
        let back = Stream::start(&callee.rtp, back_to, 2, 1);
        let canary = Canary { caller, callee, call, there, back, looked: Mutex::new([0, 0]) };
        wait("sound both ways", Duration::from_secs(10), || {
            let heard = |s: &Stream| s.diary().heard.len() > 10;
            (heard(&canary.there) && heard(&canary.back)).then_some(())
        });
        // What was sent before both ends were joined is not the canary's.
        let mut looked = canary.looked.lock().unwrap_or_else(|e| e.into_inner());
        *looked = [canary.there.diary().sent.len(), canary.back.diary().sent.len()];
        drop(looked);
        canary
    }

    /// Since the last look every packet has arrived, once, and none came later than 60 ms (and what the scheduler of
    /// this machine cost the sender itself).
    #[track_caller]
    pub fn sings(&self, through: &str) {
        assert_eq!(self.caller.stage(&self.call), Some(Stage::Up), "the canary's call ended: {through}");
        // What breaks late breaks within the next packets.
        std::thread::sleep(Duration::from_millis(300));
        let mut looked = self.looked.lock().unwrap_or_else(|e| e.into_inner());
        for (i, (from, to)) in [(&self.there, &self.back), (&self.back, &self.there)].into_iter().enumerate()
        {
            let (first, last) = (looked[i], from.diary().sent.len());
            let range = first as u32..last as u32;
            let count = || to.diary().heard.iter().filter(|(n, _)| range.contains(n)).count();
            let until = Instant::now() + Duration::from_secs(2);
            while count() < range.len() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            let (from, mut to) = (from.diary(), to.diary());
            let mut seen: HashMap<u32, Instant> = HashMap::new();
            for (n, at) in to.heard.iter().filter(|(n, _)| range.contains(n)) {
                assert!(seen.insert(*n, *at).is_none(), "packet {n} came twice: {through}");
            }
            let late = |n: u32| Some(seen.get(&n)?.saturating_duration_since(*from.sent.get(n as usize)?));
            let lost: Vec<u32> = range.clone().filter(|n| !seen.contains_key(n)).collect();
            let worst = range.clone().filter_map(late).max().unwrap_or_default();
            let noise = from.noise.max(to.noise);
            println!(
                "canary, {through}: {} packets, {} lost, worst transit {worst:?}, scheduler noise {noise:?}",
                range.len(),
                lost.len()
            );
            assert!(lost.is_empty(), "{through}: packets lost: {lost:?}");
            assert!(
                worst <= Duration::from_millis(60) + noise,
                "{through}: a packet took {worst:?} (scheduler noise {noise:?})"
            );
            assert_eq!(to.foreign, 0, "{through}: foreign packets were heard");
            to.heard.retain(|(n, _)| *n >= last as u32);
            looked[i] = last;
        }
    }
}
