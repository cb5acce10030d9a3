//! A media worker: the thread that hosts an engine. It waits for sockets, boards, commands and the engine's own time, and
//! does what the engine wants: sends packets, tells events, hands recordings on. Boards are in `worker/boards.rs`.

mod boards;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags, EpollTimeout};
use ringtrip_media::engine::{Channel, Endpoint, Engine, Handover, Input, MediaCommand, Output, Transmit};
use ringtrip_media::session::Datagram;
use ringtrip_model::ids::CallId;

use super::lease::Pair;
use super::prompts::Prompts;
use super::record::Recorder;
use super::{EngineCommand, Tell, Waker, WorkerHandle};

use boards::Board;

/// The largest RTP packet that is looked at.
const LARGEST: usize = 2048;
/// How long commands that can wait may wait for others. The last of a call are its statistics, and its record waits for
/// them.
const IDLE_POLL: Duration = Duration::from_millis(50);

/// Tokens of epoll: an RTP port's number, or with these bits something else.
const RTCP: u64 = 1 << 32;
const BOARD: u64 = 1 << 33;
const WAKE: u64 = 1 << 34;

/// A worker among the others.
pub(super) struct Place {
    /// Which it is.
    pub number: usize,
    /// Worker 0, for all others.
    pub first: Option<WorkerHandle>,
    /// What each worker waits for, by number.
    pub epolls: Vec<Arc<Epoll>>,
}

/// All that the thread owns.
pub(super) struct Worker {
    epoll: Arc<Epoll>,
    commands: Receiver<EngineCommand>,
    waker: Arc<Waker>,
    tell: Tell,
    recorder: Recorder,
    engine: Engine,
    out: Output,
    /// Sockets of the ports that calls have, by port number / 2.
    pairs: Vec<Option<Arc<Pair>>>,
    /// Pairs that no call has, by their ports. Their sockets stay watched while the pool keeps them open: that costs
    /// nothing while nothing comes.
    idle_pairs: HashMap<u16, Weak<Pair>>,
    boards: Vec<Option<Board>>,
    buffer: Box<[u8; LARGEST]>,
    /// When to look whether commands wait that did not wake the thread.
    next_look: Option<Instant>,
    /// Has it asked for its priority?
    is_first: bool,
    place: Place,
    /// Ports whose endpoints were given away, and whose they are.
    given: HashMap<u16, CallId>,
}

impl Worker {
    pub(super) fn new(
        epoll: Arc<Epoll>,
        commands: Receiver<EngineCommand>,
        waker: Arc<Waker>,
        place: Place,
        tell: Tell,
        prompts: Prompts,
        recorder: Recorder,
    ) -> io::Result<Worker> {
        epoll.add(waker.fd.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, WAKE))?;
        let find_prompt = Box::new(move |name: &str| {
            let found = prompts.find(name);
            if found.is_none() {
                tracing::warn!(prompt = name, "there is no announcement of this name");
            }
            found
        });
        Ok(Worker {
            epoll,
            commands,
            waker,
            tell,
            recorder,
            engine: Engine::new(Instant::now(), find_prompt),
            out: Output::default(),
            pairs: (0..=usize::from(u16::MAX) / 2).map(|_| None).collect(),
            idle_pairs: HashMap::new(),
            boards: Vec::new(),
            buffer: Box::new([0; LARGEST]),
            next_look: None,
            is_first: false,
            place,
            given: HashMap::new(),
        })
    }

    /// Runs until the exchange ends.
    pub(super) fn run(mut self) {
        let mut events = [EpollEvent::empty(); 256];
        loop {
            let now = Instant::now();
            let wait = match self.deadline() {
                Some(next) => EpollTimeout::try_from(next.saturating_duration_since(now).as_millis() + 1)
                    .unwrap_or(EpollTimeout::ZERO),
                None => EpollTimeout::NONE,
            };
            let n = self.epoll.wait(&mut events, wait).unwrap_or(0);
            let now = Instant::now();
            let is_woken = events[..n].iter().any(|event| event.data() == WAKE);
            if is_woken {
                self.waker.seen();
            }
            // Commands come before packets: some of them are about these.
            if !self.look(now, is_woken) {
                return;
            }
            for event in &events[..n] {
                match event.data() {
                    WAKE => {}
                    token if token & BOARD != 0 => self.board_frames(now, (token & 0xFFFF) as u16),
                    token if token & RTCP != 0 => self.rtcp(now, (token & 0xFFFF) as u16),
                    token => self.rtp(now, token as u16),
                }
            }
            if self.engine.deadline().is_some_and(|at| at <= now) {
                self.on(now, Input::Timeout);
            }
        }
    }

    /// When there is something to do even if nothing comes.
    fn deadline(&self) -> Option<Instant> {
        [self.engine.deadline(), self.next_look].into_iter().flatten().min()
    }

    /// Takes the commands that wait. False when the exchange is gone.
    fn look(&mut self, now: Instant, is_woken: bool) -> bool {
        let Some(some) = self.take_commands(now) else { return false };
        if is_woken || (some && self.next_look.is_some_and(|at| at <= now)) {
            self.next_look = Some(now + IDLE_POLL);
        } else if self.next_look.is_some_and(|at| at <= now) {
            self.next_look = None;
            self.waker.sleep();
            return self.take_commands(now).is_some();
        }
        true
    }

    /// Takes what waits. Answers whether anything did; `None` when the exchange is gone.
    fn take_commands(&mut self, now: Instant) -> Option<bool> {
        let mut some = false;
        loop {
            match self.commands.try_recv() {
                Ok(EngineCommand::Media(command)) => self.command(now, command),
                Ok(EngineCommand::Give { port }) => self.give(now, port),
                Ok(EngineCommand::Take { endpoint, pair }) => self.take(now, endpoint, pair),
                Ok(EngineCommand::Open { call, pairs }) => self.open(now, call, pairs),
                Ok(EngineCommand::Board { board, host }) => self.board(now, board, host),
                Ok(EngineCommand::BoardGone { board }) => self.board_gone(now, board),
                Ok(EngineCommand::Gain { port, rx_db, tx_db }) => {
                    self.on(now, Input::Gain { port, rx_db, tx_db });
                }
                Ok(EngineCommand::Panic(why)) => std::panic::panic_any(why),
                Err(TryRecvError::Empty) => return Some(some),
                Err(TryRecvError::Disconnected) => return None,
            }
            some = true;
        }
    }

    fn command(&mut self, now: Instant, mut command: MediaCommand) {
        if !self.given.is_empty()
            && let Some(first) = self.place.first.clone()
        {
            match self.owner(&command) {
                Owner::First => return first.send(command),
                Owner::Both => first.send(command.clone()),
                Owner::Here => {}
            }
        }
        if let MediaCommand::SetParameters { parameters, .. } = &mut command {
            parameters.remote = canonical(parameters.remote);
        }
        self.on(now, Input::Command(command));
    }

    /// Who has what a command is about. Bridges are asked of whoever has them (`placement.rs`).
    fn owner(&mut self, command: &MediaCommand) -> Owner {
        let given = |port: Option<u16>| port.is_some_and(|port| self.given.contains_key(&port));
        let is_first = match command {
            MediaCommand::Close { call } => {
                let before = self.given.len();
                self.given.retain(|_, of| of != call);
                // Worker 0 was asked already, perhaps before it had the endpoint.
                return if self.given.len() < before { Owner::Both } else { Owner::Here };
            }
            MediaCommand::Assign { endpoint: Endpoint::Rtp(port), call } => {
                let Some(of) = self.given.get_mut(port) else { return Owner::Here };
                *of = *call;
                true
            }
            MediaCommand::Record { a, b, .. } => given(a.rtp_port()) || given(b.rtp_port()),
            about_one => given(about_one.rtp_port()),
        };
        if is_first { Owner::First } else { Owner::Here }
    }

    /// Gives an endpoint to worker 0, with its sockets.
    fn give(&mut self, now: Instant, port: u16) {
        let index = usize::from(port / 2);
        let Some(first) = &self.place.first else { return };
        let (Some(Some(pair)), Some(endpoint)) = (self.pairs.get(index), self.engine.give(now, port)) else {
            return;
        };
        let pair = pair.clone();
        unwatch(&self.epoll, &pair);
        self.given.insert(port, endpoint.call());
        first.put(EngineCommand::Take { endpoint, pair: pair.clone() });
        self.pairs[index] = None;
        // It comes back when its call is over.
        self.idle_pairs.insert(port, Arc::downgrade(&pair));
    }

    /// Takes an endpoint of another worker.
    fn take(&mut self, now: Instant, endpoint: Handover, pair: Arc<Pair>) {
        watch(&self.epoll, &pair);
        let index = usize::from(pair.port / 2);
        self.pairs[index] = Some(pair);
        self.engine.take(now, endpoint);
    }

    fn open(&mut self, now: Instant, call: CallId, pairs: Vec<Arc<Pair>>) {
        let ports: Vec<(u16, u64)> = pairs.iter().map(|pair| (pair.port, rand::random())).collect();
        for pair in pairs {
            self.idle_pairs.remove(&pair.port);
            let index = usize::from(pair.port / 2);
            self.pairs[index] = Some(pair);
        }
        self.on(now, Input::Open { call, ports: &ports });
    }

    /// Lets the engine decide, and does what it wants.
    fn on(&mut self, now: Instant, input: Input<'_>) {
        self.out.clear();
        self.engine.on(now, input, &mut self.out);
        self.perform(&[]);
    }

    /// Does what the engine wants; `received` is the buffer that it was given.
    fn perform(&mut self, received: &[u8]) {
        perform(&mut self.out, &self.pairs, &mut self.tell, &self.recorder, received);
        for port in self.out.closed.drain(..) {
            let Some(pair) = self.pairs.get_mut(usize::from(port / 2)).and_then(Option::take) else {
                continue;
            };
            if pair.worker == self.place.number {
                self.idle_pairs.insert(port, Arc::downgrade(&pair));
            } else if let Some(home) = self.place.epolls.get(pair.worker) {
                // Its own worker watches it again, and throws away what comes.
                unwatch(&self.epoll, &pair);
                watch(home, &pair);
            }
        }
    }

    /// RTP came to this port. One packet is taken: a call has one every 20 ms, and if more wait, epoll says so again. To ask
    /// for several at once costs each of them a second look at an empty queue.
    fn rtp(&mut self, now: Instant, port: u16) {
        let Some(Some(pair)) = self.pairs.get(usize::from(port / 2)) else { return self.unmatched(port) };
        let Ok((len, from)) = pair.rtp.recv_from(&mut self.buffer[..]) else { return };
        self.out.clear();
        let packet = Datagram { buffer: &mut self.buffer[..], len };
        self.engine.on(now, Input::Packet { port, from: canonical(from), packet }, &mut self.out);
        perform(&mut self.out, &self.pairs, &mut self.tell, &self.recorder, &self.buffer[..]);
    }

    /// Something came to a port that no call has.
    fn unmatched(&self, port: u16) {
        if let Some(pair) = self.idle_pairs.get(&port).and_then(Weak::upgrade) {
            pair.drain();
        }
    }

    fn rtcp(&mut self, now: Instant, port: u16) {
        let Some(Some(pair)) = self.pairs.get(usize::from(port / 2)) else { return self.unmatched(port) };
        if let Ok((len, from)) = pair.rtcp.recv_from(&mut self.buffer[..]) {
            let datagram = Datagram { buffer: &mut self.buffer[..], len };
            self.out.clear();
            self.engine.on(now, Input::Rtcp { port, from: canonical(from), datagram }, &mut self.out);
            self.perform(&[]);
        }
    }
}

/// Sends, tells and records. A full socket buffer loses the packet, as any network may.
fn perform(
    out: &mut Output,
    pairs: &[Option<Arc<Pair>>],
    tell: &mut Tell,
    recorder: &Recorder,
    received: &[u8],
) {
    for transmit in &out.transmits {
        let Transmit { port, channel, source, to, .. } = *transmit;
        let Some(Some(pair)) = pairs.get(usize::from(port / 2)) else { continue };
        let bytes = out.bytes(transmit, received);
        match channel {
            Channel::Rtp => pair.send(bytes, source, to),
            Channel::Rtcp => pair.send_rtcp(bytes, source, to),
        }
    }
    for (call, event) in out.events.drain(..) {
        tell(call, event);
    }
    for recording in out.recordings.drain(..) {
        recorder.write(recording);
    }
}

/// Who has what a command is about.
enum Owner {
    Here,
    First,
    Both,
}

/// Has the worker woken by what comes to these sockets.
pub(super) fn watch(epoll: &Epoll, pair: &Pair) {
    let port = u64::from(pair.port);
    let rtp = epoll.add(pair.rtp.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, port));
    let rtcp = epoll.add(pair.rtcp.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, port | RTCP));
    if let Err(e) = rtp.and(rtcp) {
        crate::logging::warn_counted("rtp-watch", || format!("cannot watch RTP port {port}: {e}"));
    }
}

fn unwatch(epoll: &Epoll, pair: &Pair) {
    let _ = epoll.delete(pair.rtp.as_fd());
    let _ = epoll.delete(pair.rtcp.as_fd());
}

/// An IPv4 address that came by an IPv6 socket, as IPv4.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}
