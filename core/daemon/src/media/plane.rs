//! The thread: waits for sockets, boards, commands and its ticks, and moves sound. What it is told is in
//! `plane/command.rs`, what it does with the frames of boards in `plane/boards.rs`.

mod boards;
mod command;
mod pace;

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};
use ringtrip_exchange::post::End;
use ringtrip_media::relay::{Step, Verdict, relay};
use ringtrip_model::ids::{CallId, PortRef};

use super::ears::Edge;
use super::lease::Pair;
use super::leg::{Leg, canonical};
use super::port::Port;
use super::prompts::Prompts;
use super::record::Recorder;
use super::{Bell, Tell, Word};

use boards::Board;

/// Datagrams taken from a socket at once.
const BATCH: usize = 8;
/// The largest RTP packet that is looked at.
const LARGEST: usize = 2048;
/// Generated sound goes out every 20 ms.
const FRAME: Duration = Duration::from_millis(20);
/// Reports and watchdogs are looked at this often.
const ROUND: Duration = Duration::from_millis(250);
/// How long words that have time may wait for others. The last of a call are its figures, and its record waits for them.
const NAP: Duration = Duration::from_millis(50);

/// Tokens of epoll: an RTP port's number, or with these bits something else.
const RTCP: u64 = 1 << 32;
const BOARD: u64 = 1 << 33;
const WAKE: u64 = 1 << 34;

/// All that the thread owns.
pub(super) struct Plane {
    epoll: Arc<Epoll>,
    words: Receiver<Word>,
    bell: Arc<Bell>,
    tell: Tell,
    prompts: Prompts,
    recorder: Recorder,
    /// RTP ends by port number / 2.
    legs: Vec<Option<Box<Leg>>>,
    calls: HashMap<CallId, Vec<u16>>,
    /// Pairs that no call has, by their ports. Their sockets stay watched while the pool keeps them open: that costs
    /// nothing while nothing comes.
    resting: HashMap<u16, Weak<Pair>>,
    boards: Vec<Option<Board>>,
    ports: HashMap<PortRef, Port>,
    buffers: Vec<[u8; LARGEST]>,
    headers: MultiHeaders<SockaddrStorage>,
    next_frame: Instant,
    next_round: Instant,
    /// When to look whether words wait that did not ring.
    next_look: Option<Instant>,
    /// Ends with something to generate; ticks stop when there is none.
    busy: usize,
    /// Has it asked for its priority?
    is_first: bool,
}

impl Plane {
    pub(super) fn new(
        epoll: Arc<Epoll>,
        words: Receiver<Word>,
        bell: Arc<Bell>,
        tell: Tell,
        prompts: Prompts,
        recorder: Recorder,
    ) -> io::Result<Plane> {
        epoll.add(bell.fd.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, WAKE))?;
        let now = Instant::now();
        Ok(Plane {
            epoll,
            words,
            bell,
            tell,
            prompts,
            recorder,
            legs: (0..=usize::from(u16::MAX) / 2).map(|_| None).collect(),
            calls: HashMap::new(),
            resting: HashMap::new(),
            boards: Vec::new(),
            ports: HashMap::new(),
            buffers: vec![[0; LARGEST]; BATCH],
            headers: MultiHeaders::preallocate(BATCH, None),
            next_frame: now,
            next_round: now,
            next_look: None,
            busy: 0,
            is_first: false,
        })
    }

    /// Runs until the exchange ends.
    pub(super) fn run(mut self) {
        let mut events = [EpollEvent::empty(); 256];
        loop {
            let now = Instant::now();
            let wait = match self.next(now) {
                Some(next) => EpollTimeout::try_from(next.saturating_duration_since(now).as_millis() + 1)
                    .unwrap_or(EpollTimeout::ZERO),
                None => EpollTimeout::NONE,
            };
            let n = self.epoll.wait(&mut events, wait).unwrap_or(0);
            let now = Instant::now();
            let rang = events[..n].iter().any(|event| event.data() == WAKE);
            if rang {
                self.bell.hush();
            }
            // Words come before packets: some of them are about these.
            if !self.look(now, rang) {
                return;
            }
            for event in &events[..n] {
                match event.data() {
                    WAKE => {}
                    token if token & BOARD != 0 => self.board_frames(now, (token & 0xFFFF) as usize),
                    token if token & RTCP != 0 => self.rtcp(now, (token & 0xFFFF) as u16),
                    token => self.rtp(now, token as u16),
                }
            }
            if self.busy > 0 && now >= self.next_frame {
                self.frame(now);
            }
            if now >= self.next_round {
                self.round(now);
            }
        }
    }

    /// When there is something to do even if nothing comes.
    fn next(&self, now: Instant) -> Option<Instant> {
        let round = (!self.calls.is_empty()).then_some(self.next_round.max(now));
        let frame = (self.busy > 0).then_some(self.next_frame);
        [round, frame, self.next_look].into_iter().flatten().min()
    }

    /// Takes the words that wait. False when the exchange is gone.
    fn look(&mut self, now: Instant, rang: bool) -> bool {
        let Some(came) = self.commands(now) else { return false };
        if rang || (came && self.next_look.is_some_and(|at| at <= now)) {
            self.next_look = Some(now + NAP);
        } else if self.next_look.is_some_and(|at| at <= now) {
            self.next_look = None;
            self.bell.sleep();
            return self.commands(now).is_some();
        }
        true
    }

    /// RTP came to this port: usually one packet, under load a batch.
    fn rtp(&mut self, now: Instant, port: u16) {
        let index = usize::from(port / 2);
        let Some(Some(leg)) = self.legs.get(index) else { return self.stray(port) };
        let pair = leg.pair.clone();
        let mut came = [(0usize, SocketAddr::from(([0, 0, 0, 0], 0))); BATCH];
        let n = receive(&pair, &mut self.buffers, &mut self.headers, &mut came);
        for (i, (len, source)) in came[..n].iter().enumerate() {
            self.packet(now, index, i, *len, *source);
        }
    }

    /// One packet of the batch.
    fn packet(&mut self, now: Instant, index: usize, buffer: usize, len: usize, source: SocketAddr) {
        let packet = &mut self.buffers[buffer][..len];
        let Some(Some(leg)) = self.legs.get_mut(index) else { return };
        // A packet is changed in place on its way across, and what is recorded is what came.
        let as_it_came = self.recorder.records(leg.call).then(|| packet.to_vec());
        let peer = match &leg.peer {
            Some(End::Rtp(port)) => usize::from(port / 2),
            _ => {
                let verdict = leg.end.accept(now, source, packet);
                match verdict {
                    Verdict::Audio { header, codec, at, len } => {
                        let law = leg.end.face().and_then(|f| f.receive.get(codec)).and_then(|c| c.law());
                        let Some(law) = law else { return };
                        let payload = &packet[at..at + len];
                        if let Some(far) = &mut leg.far {
                            far.push(now, law, &header, payload);
                        }
                        let (tell, call) = (&mut self.tell, leg.call);
                        leg.hear(law, payload, &mut |e| tell(Some(call), e));
                        if self.recorder.records(call) {
                            self.recorder.packet(now, call, &leg.name(), law, &header, payload);
                        }
                    }
                    Verdict::Event { header, at, len } => {
                        let tell = &mut self.tell;
                        let call = leg.call;
                        leg.heard_event(&header, &packet[at..at + len], &mut |e| tell(Some(call), e));
                        let (to, edges) = (leg.peer.clone(), leg.edges());
                        self.busy = self.busy.max(1);
                        self.carry(to.as_ref(), edges);
                    }
                    Verdict::ComfortNoise { at, len } => {
                        if let Some(far) = &mut leg.far {
                            far.comfort_noise(&packet[at..at + len]);
                        }
                    }
                    Verdict::Quiet | Verdict::Refused => {}
                }
                return;
            }
        };
        if peer == index {
            return;
        }
        let Ok([Some(from), Some(to)]) = self.legs.get_disjoint_mut([index, peer]) else { return };
        let (verdict, step) = relay(&mut from.end, &mut to.end, now, source, packet);
        if let (Verdict::Audio { header, codec, at, len }, Some(packet)) = (verdict, &as_it_came) {
            let law = from.end.face().and_then(|f| f.receive.get(codec)).and_then(|c| c.law());
            if let (Some(law), true) = (law, self.recorder.records(from.call)) {
                let (call, payload) = (from.call, &packet[at..at + len]);
                self.recorder.packet(now, call, &from.name(), law, &header, payload);
            }
        }
        if let Verdict::Event { header, at, len } = verdict {
            let tell = &mut self.tell;
            let call = from.call;
            from.heard_event(&header, &packet[at..at + len], &mut |e| tell(Some(call), e));
            self.busy = self.busy.max(1);
        }
        if let Step::Send { to: address, len } = step {
            to.pair.send(&packet[..len], to.source, address);
        }
    }

    /// Something came to a port that no call has.
    fn stray(&self, port: u16) {
        if let Some(pair) = self.resting.get(&port).and_then(Weak::upgrade) {
            pair.drain();
        }
    }

    fn rtcp(&mut self, now: Instant, port: u16) {
        let Some(Some(leg)) = self.legs.get_mut(usize::from(port / 2)) else { return self.stray(port) };
        let buffer = &mut self.buffers[0];
        if let Ok((len, from)) = leg.pair.rtcp.recv_from(buffer) {
            leg.end.accept_rtcp(now, canonical(from), &buffer[..len]);
        }
    }

    /// Every 20 ms while something is generated towards RTP.
    fn frame(&mut self, now: Instant) {
        self.next_frame += FRAME;
        if self.next_frame < now {
            self.next_frame = now + FRAME;
        }
        self.recorder.tick(now);
        let mut busy = self.recorder.count();
        let mut carried = Vec::new();
        for port in self.calls.values().flatten() {
            let Some(Some(leg)) = self.legs.get_mut(usize::from(port / 2)) else { continue };
            if leg.busy() {
                let (tell, call) = (&mut self.tell, leg.call);
                leg.tick(now, &mut self.buffers[0], &mut |event| tell(Some(call), event));
                busy += usize::from(leg.busy());
                let edges = leg.edges();
                if !edges.is_empty() {
                    carried.push((leg.peer.clone(), edges));
                }
            }
        }
        self.busy = busy;
        for (to, edges) in carried {
            self.carry(to.as_ref(), edges);
        }
    }

    /// Keys of an RTP end for the telephone or landline that it is joined to.
    fn carry(&mut self, to: Option<&End>, edges: Vec<Edge>) {
        if let Some(End::Port(port)) = to
            && let Some(port) = self.ports.get_mut(port)
        {
            edges.into_iter().for_each(|edge| port.key(edge));
        }
    }

    fn round(&mut self, now: Instant) {
        self.next_round = now + ROUND;
        for port in self.calls.values().flatten() {
            let Some(Some(leg)) = self.legs.get_mut(usize::from(port / 2)) else { continue };
            let (tell, call) = (&mut self.tell, leg.call);
            leg.report(now, &mut self.buffers[0], &mut |event| tell(Some(call), event));
        }
    }
}

/// Has the thread woken by what comes to these sockets.
pub(super) fn watch(epoll: &Epoll, pair: &Pair) -> nix::Result<()> {
    let port = u64::from(pair.port);
    epoll.add(pair.rtp.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, port))?;
    epoll.add(pair.rtcp.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, port | RTCP))
}

/// Takes what waits at a socket, at most a batch, with one system call. Answers how many; lengths and sources in `came`.
fn receive(
    pair: &Pair,
    buffers: &mut [[u8; LARGEST]],
    headers: &mut MultiHeaders<SockaddrStorage>,
    came: &mut [(usize, SocketAddr); BATCH],
) -> usize {
    let mut slices = buffers.iter_mut().map(|b| [IoSliceMut::new(b)]);
    let mut slices: [_; BATCH] = std::array::from_fn(|_| slices.next().unwrap_or([IoSliceMut::new(&mut [])]));
    let fd = pair.rtp.as_raw_fd();
    let Ok(results) = recvmmsg(fd, headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None) else {
        return 0;
    };
    let mut n = 0;
    for message in results {
        let source = message.address.and_then(|a| {
            let v4 = a.as_sockaddr_in().map(|a| SocketAddr::from(std::net::SocketAddrV4::from(*a)));
            v4.or_else(|| a.as_sockaddr_in6().map(|a| SocketAddr::from(std::net::SocketAddrV6::from(*a))))
        });
        let Some(source) = source else { continue };
        came[n] = (message.bytes, canonical(source));
        n += 1;
    }
    n
}
