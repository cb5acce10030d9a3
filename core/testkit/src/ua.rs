//! A phone that lives by itself, on a thread of its own and on a real UDP socket: what a live test needs to hold calls up
//! while it breaks things, and to see whether a call noticed. It answers what comes in and repeats what is not answered.
//! For a test that says each message itself there is [`crate::peers::Ua`]; both speak the words of `peers::message`.
#![allow(clippy::disallowed_methods)] // Live tests use threads, sockets and the clock.

mod canary;
mod life;
mod stream;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use canary::Canary;
use life::{Call, EXPIRES, Inner, State, unique};
pub use stream::{Stream, packet};

use crate::live::{Daemon, wait};
use crate::peers::Dialog;

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

    /// One of the phones that `PHONES` stands for in a test's document ([`crate::live::filled`]), registered.
    #[track_caller]
    pub fn at_home(daemon: &Daemon, user: &str) -> Ua {
        let phone = Ua::start(daemon.sip, user, &format!("pw-{user}-phones"));
        phone.register();
        phone
    }

    /// Registers, and waits until it is.
    #[track_caller]
    pub fn register(&self) {
        self.inner.lock().registered = None;
        let call = format!("reg-{}", unique());
        let who = format!("<sip:{}@{}>", self.inner.user, self.inner.server);
        let from = format!("{who};tag={}", unique());
        let uri = format!("sip:{}", self.inner.server);
        let dialog = Dialog { uri: &uri, from: &from, to: &who, call_id: &call, cseq: 1 };
        self.inner.request(&mut self.inner.lock(), "REGISTER", &dialog, EXPIRES, "");
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
        let dialog = Dialog { uri: &target, from: &from, to: &to, call_id: &call, cseq: 1 };
        self.inner.request(&mut state, "INVITE", &dialog, "", &self.inner.sdp());
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
        let (uri, from, to, cseq) = (c.target.clone(), c.from.clone(), c.to.clone(), c.cseq);
        let dialog = Dialog { uri: &uri, from: &from, to: &to, call_id: call, cseq };
        self.inner.request(&mut state, "BYE", &dialog, "", "");
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
