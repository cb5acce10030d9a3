//! What a phone does by itself: it answers what comes in, proves who it is, and repeats what is not answered.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use ringtrip_sip::digest;

use super::Stage;
use crate::peers::{COOKIE, Dialog, Message, Request, prove, sdp};

/// What the phone and its thread share.
pub(super) struct Inner {
    pub(super) user: String,
    pub(super) password: String,
    pub(super) server: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) media: SocketAddr,
    pub(super) socket: UdpSocket,
    pub(super) state: Mutex<State>,
    pub(super) stop: AtomicBool,
    pub(super) answers: AtomicBool,
}

pub(super) struct State {
    /// One for each request: challenges to several at once are not mixed up.
    pub(super) auth: HashMap<String, digest::Client>,
    pub(super) registered: Option<u16>,
    pub(super) calls: HashMap<String, Call>,
    /// Requests without a final answer, by Call-ID and CSeq.
    pub(super) pending: HashMap<(String, u32), Pending>,
}

pub(super) struct Pending {
    pub(super) text: String,
    pub(super) again: Instant,
    /// An INVITE that got a provisional answer is not repeated.
    pub(super) heard: bool,
}

pub(super) struct Call {
    pub(super) stage: Stage,
    /// `From` and `To` as they stand in our requests.
    pub(super) from: String,
    pub(super) to: String,
    pub(super) target: String,
    pub(super) cseq: u32,
    pub(super) media: Option<SocketAddr>,
    /// Our 200 until its ACK.
    pub(super) unacked: Option<(String, Instant)>,
    pub(super) ack: Option<String>,
    pub(super) retry_after: Option<String>,
}

/// RFC 3261 T1.
const T1: Duration = Duration::from_millis(500);
static NUMBER: AtomicU64 = AtomicU64::new(1);

pub(super) fn unique() -> String {
    format!("{:x}-{:x}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// What every REGISTER asks for.
pub(super) const EXPIRES: &str = "Expires: 600\r\n";

impl Inner {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(super) fn live(&self) {
        let mut buffer = vec![0; 65_535];
        while !self.stop.load(Ordering::Relaxed) {
            if let Ok((n, from)) = self.socket.recv_from(&mut buffer)
                && let Some(message) = Message::read(&buffer[..n], from)
            {
                self.heard(&message);
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

    fn heard(&self, message: &Message) {
        match message.status() {
            Some(code) => self.response(message, code),
            None => self.asked(message),
        }
    }

    fn response(&self, message: &Message, code: u16) {
        let (call, method) = (message.header("call-id").to_owned(), message.method());
        let number = message.header("cseq").split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
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
        if code < 300 || method == "BYE" {
            state.auth.remove(&call);
        }
        match method {
            "REGISTER" => state.registered = Some(code),
            "INVITE" => {
                let Some(c) = state.calls.get_mut(&call) else { return };
                if code < 300 {
                    c.stage = Stage::Up;
                    c.to = message.header("to").to_owned();
                    c.target = contact(message).unwrap_or_else(|| c.target.clone());
                    c.media = message.rtp();
                } else {
                    c.stage = Stage::Over(code);
                    c.retry_after = Some(message.header("retry-after").to_owned()).filter(|v| !v.is_empty());
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
        message: &Message,
        pending: &Pending,
        call: &str,
        number: u32,
    ) -> bool {
        let auth = state.auth.entry(call.to_owned()).or_insert_with(|| {
            let (user, password) = (self.user.clone(), self.password.clone());
            digest::Client::new(digest::Credentials { user, password, realm: None })
        });
        let Some(asked) = Message::read(pending.text.as_bytes(), self.local) else { return false };
        let (method, uri) = (asked.method(), asked.uri());
        let Some(proof) = prove(auth, method, uri, message, &unique()) else { return false };
        let expires = if method == "REGISTER" { EXPIRES } else { "" };
        if let Some(c) = state.calls.get_mut(call) {
            c.cseq = number + 1;
        }
        let (from, to) = (asked.header("from"), asked.header("to"));
        let dialog = Dialog { uri, from, to, call_id: call, cseq: number + 1 };
        self.request(state, method, &dialog, &format!("{proof}{expires}"), &asked.body);
        true
    }

    /// ACK: of a refusal by the INVITE's own branch, of an answer as a request of its own.
    fn acknowledge(&self, state: &mut State, message: &Message, call: &str, number: u32, code: u16) {
        let Some(c) = state.calls.get_mut(call) else { return };
        let (branch, target) = if code < 300 {
            (unique(), contact(message).unwrap_or_else(|| c.target.clone()))
        } else {
            let via = message.header("via");
            let branch = via.split("branch=").nth(1).and_then(|b| b.split([';', ',']).next());
            let branch = branch.unwrap_or_default().trim_start_matches(COOKIE);
            (branch.to_owned(), c.target.clone())
        };
        if code < 300
            && let Some(ack) = &c.ack
        {
            let _ = self.socket.send_to(ack.as_bytes(), self.server);
            return;
        }
        let dialog =
            Dialog { uri: &target, from: &c.from, to: message.header("to"), call_id: call, cseq: number };
        let ack = self.written("ACK", &branch, &dialog, "", "");
        let _ = self.socket.send_to(ack.as_bytes(), self.server);
        if code < 300 {
            c.ack = Some(ack);
        }
    }

    fn asked(&self, message: &Message) {
        let call = message.header("call-id").to_owned();
        let mut state = self.lock();
        let reply = |code: &str, tag: &str, body: &str| {
            let text = message.answer(code, tag, &self.contact(), body);
            let _ = self.socket.send_to(text.as_bytes(), message.from);
            text
        };
        match message.method() {
            "INVITE" => {
                let tag = match state.calls.get(&call) {
                    Some(c) => c.from.split(";tag=").nth(1).unwrap_or_default().to_owned(),
                    None => unique(),
                };
                let own = message.header("to").split(";tag=").next().unwrap_or_default();
                let known = state.calls.contains_key(&call);
                let c = state.calls.entry(call).or_insert_with(|| Call {
                    stage: Stage::Ringing,
                    from: format!("{own};tag={tag}"),
                    to: message.header("from").to_owned(),
                    target: message.contact(),
                    cseq: 1,
                    media: None,
                    unacked: None,
                    ack: None,
                    retry_after: None,
                });
                c.media = message.rtp().or(c.media);
                if known && c.stage != Stage::Up {
                    return;
                }
                if !known {
                    reply("180 Ringing", &tag, "");
                }
                if known || self.answers.load(Ordering::Relaxed) {
                    let text = reply("200 OK", &tag, &self.sdp());
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
                reply("200 OK", "", "");
            }
            "CANCEL" => {
                reply("200 OK", "", "");
                if let Some(c) = state.calls.get_mut(&call)
                    && c.stage == Stage::Ringing
                {
                    c.stage = Stage::Over(487);
                    let tag = c.from.split(";tag=").nth(1).unwrap_or_default().to_owned();
                    let text = message.answer("487 Request Terminated", &tag, "", "");
                    let text = text.replace(" CANCEL\r\n", " INVITE\r\n");
                    let _ = self.socket.send_to(text.as_bytes(), message.from);
                }
            }
            _ => {
                reply("200 OK", &unique(), "");
            }
        }
    }

    /// Sends a request, and repeats it until it is answered.
    pub(super) fn request(
        &self,
        state: &mut State,
        method: &str,
        dialog: &Dialog<'_>,
        more: &str,
        body: &str,
    ) {
        let more = format!("{}{more}", self.contact());
        let text = self.written(method, &unique(), dialog, &more, body);
        let _ = self.socket.send_to(text.as_bytes(), self.server);
        let pending = Pending { text, again: Instant::now() + T1, heard: false };
        state.pending.insert((dialog.call_id.to_owned(), dialog.cseq), pending);
    }

    fn written(&self, method: &str, branch: &str, dialog: &Dialog<'_>, more: &str, body: &str) -> String {
        let via = ("UDP", self.local);
        Request { method, via, branch, dialog, more, body }.text()
    }

    fn contact(&self) -> String {
        format!("Contact: <sip:{}@{}>\r\n", self.user, self.local)
    }

    pub(super) fn sdp(&self) -> String {
        sdp(self.media, "sendrecv", 1)
    }
}

fn contact(message: &Message) -> Option<String> {
    Some(message.contact()).filter(|uri| !uri.is_empty())
}
