//! The thread: waits for sockets, boards, commands and its ticks, and moves sound.

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};
use ringtrip_linehost::{Host, RxRing, Stamp, TxRing, realtime};
use ringtrip_media::relay::{Step, Verdict, relay};
use ringtrip_switch::ids::{BoardId, CallId, PortRef};
use ringtrip_switch::post::{End, MediaCmd, MediaEvent};

use super::far::Far;
use super::lease::Pair;
use super::leg::{Leg, canonical};
use super::port::Port;
use super::prompts::{Clip, Prompts};
use super::record::Recorder;
use super::{Bell, Tell, Word};

/// Datagrams taken from a socket at once.
const BATCH: usize = 8;
/// The largest RTP packet that is looked at.
const LARGEST: usize = 2048;
/// Samples of one port in the longest frame: 20 ms.
const LONGEST: usize = 160;
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
    /// Pairs that no call has, by their ports. Their sockets stay watched: that costs nothing while nothing comes.
    resting: HashMap<u16, Arc<Pair>>,
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

struct Board {
    id: BoardId,
    host: Arc<Host>,
    rx: RxRing,
    tx: TxRing,
    /// Its ports, in order.
    names: Arc<[PortRef]>,
    frame: Vec<i16>,
    out: Vec<i16>,
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
        // A packet is changed in place on its way across.
        let as_it_came = (!self.recorder.is_idle()).then(|| packet.to_vec());
        let Some(Some(leg)) = self.legs.get_mut(index) else { return };
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
                            far.push(law, &header, payload);
                        }
                        let (tell, call) = (&mut self.tell, leg.call);
                        leg.hear(law, payload, &mut |e| tell(Some(call), e));
                        if self.recorder.records(call) {
                            self.recorder.packet(call, &leg.name(), law, &header, payload);
                        }
                    }
                    Verdict::Event { header, at, len } => {
                        let tell = &mut self.tell;
                        let call = leg.call;
                        leg.heard_event(&header, &packet[at..at + len], &mut |e| tell(Some(call), e));
                        self.busy = self.busy.max(1);
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
                self.recorder.packet(from.call, &from.name(), law, &header, &packet[at..at + len]);
            }
        }
        if let Verdict::Event { header, at, len } = verdict {
            let tell = &mut self.tell;
            let call = from.call;
            from.heard_event(&header, &packet[at..at + len], &mut |e| tell(Some(call), e));
            self.busy = self.busy.max(1);
        }
        if let Step::Send { to: address, len } = step {
            to.pair.send(&packet[..len], address);
        }
    }

    /// Something came to a port that no call has.
    fn stray(&self, port: u16) {
        if let Some(pair) = self.resting.get(&port) {
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

    /// Frames came from a board: hear all its ports, then speak to all of them.
    fn board_frames(&mut self, now: Instant, index: usize) {
        let Some(Some(board)) = self.boards.get_mut(index) else { return };
        board.host.clear_wake();
        let samples = board.rx.geometry().samples;
        // After a stall of this thread all that waited is heard, so that no key is lost; the board drops what is then
        // too much to play.
        while let Some(Some(board)) = self.boards.get_mut(index) {
            let Some(stamp) = board.rx.pop(&mut board.frame) else { return };
            self.frame_heard(now, index, samples);
            self.frame_spoken(index, samples, stamp);
        }
    }

    /// A frame holds sample `n` of port `p` at `n * ports + p`.
    fn frame_heard(&mut self, now: Instant, index: usize, samples: usize) {
        let Some(Some(board)) = self.boards.get_mut(index) else { return };
        let names = board.names.clone();
        let frame = std::mem::take(&mut board.frame);
        let mut one = [0; LONGEST];
        for (n, name) in names.iter().enumerate() {
            let Some(port) = self.ports.get_mut(name) else { continue };
            for (to, from) in one.iter_mut().zip(frame[n..].iter().step_by(names.len())) {
                *to = *from;
            }
            let heard = &one[..samples];
            let tell = &mut self.tell;
            port.hear(heard, &mut |event| tell(None, event));
            if let Some((call, _)) = &port.peer
                && self.recorder.records(*call)
            {
                self.recorder.samples(*call, &port.end, heard);
            }
            match port.peer.clone() {
                Some((_, End::Port(peer))) => {
                    if let Some(other) = self.ports.get_mut(&peer) {
                        other.take(heard);
                    }
                }
                Some((_, End::Rtp(peer))) => {
                    let keys = port.keys_sound();
                    if let Some(Some(leg)) = self.legs.get_mut(usize::from(peer / 2)) {
                        let speaks_events = leg.end.face().is_some_and(|face| face.telephone_event.is_some());
                        // The key goes as an event; its tone must not be heard a second time.
                        let silence = [0; LONGEST];
                        let heard = if keys && speaks_events { &silence[..samples] } else { heard };
                        leg.speak(now, heard, &mut self.buffers[0]);
                    }
                }
                None => {}
            }
        }
        if let Some(Some(board)) = self.boards.get_mut(index) {
            board.frame = frame;
        }
    }

    fn frame_spoken(&mut self, index: usize, samples: usize, stamp: Stamp) {
        let Some(Some(board)) = self.boards.get_mut(index) else { return };
        let mut out = std::mem::take(&mut board.out);
        let names = board.names.clone();
        out.fill(0);
        let mut one = [0; LONGEST];
        for (n, name) in names.iter().enumerate() {
            let Some(port) = self.ports.get_mut(name) else { continue };
            let speak = &mut one[..samples];
            let legs = &mut self.legs;
            let far = match &port.peer {
                Some((_, End::Rtp(peer))) => Some(usize::from(peer / 2)),
                _ => None,
            };
            let tell = &mut self.tell;
            port.speak(
                speak,
                |sound| match far.and_then(|i| legs.get_mut(i)).and_then(Option::as_mut) {
                    Some(leg) => leg.far.as_mut().is_some_and(|far| far.pull(sound)),
                    None => false,
                },
                &mut |call, event| tell(call, event),
            );
            for (to, from) in out[n..].iter_mut().step_by(names.len()).zip(&one[..samples]) {
                *to = *from;
            }
        }
        if let Some(Some(board)) = self.boards.get_mut(index) {
            board.tx.push(&out, stamp);
            board.out = out;
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
        for port in self.calls.values().flatten() {
            let Some(Some(leg)) = self.legs.get_mut(usize::from(port / 2)) else { continue };
            if leg.busy() {
                let (tell, call) = (&mut self.tell, leg.call);
                leg.tick(now, &mut self.buffers[0], &mut |event| tell(Some(call), event));
                busy += usize::from(leg.busy());
            }
        }
        self.busy = busy;
    }

    fn round(&mut self, now: Instant) {
        self.next_round = now + ROUND;
        for port in self.calls.values().flatten() {
            let Some(Some(leg)) = self.legs.get_mut(usize::from(port / 2)) else { continue };
            let (tell, call) = (&mut self.tell, leg.call);
            leg.report(now, &mut self.buffers[0], &mut |event| tell(Some(call), event));
        }
    }

    /// Takes what waits. Answers whether anything did; `None` when the exchange is gone.
    fn commands(&mut self, now: Instant) -> Option<bool> {
        let mut came = false;
        loop {
            match self.words.try_recv() {
                Ok(Word::Cmd(cmd)) => self.command(now, cmd),
                Ok(Word::Open { call, pairs }) => self.open(now, call, pairs),
                Ok(Word::Board { board, host }) => self.board(board, host),
                Ok(Word::BoardGone { board }) => self.board_gone(&board),
                Ok(Word::Fall(why)) => std::panic::panic_any(why),
                Err(std::sync::mpsc::TryRecvError::Empty) => return Some(came),
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return None,
            }
            came = true;
        }
    }

    fn open(&mut self, now: Instant, call: CallId, pairs: Vec<Arc<Pair>>) {
        let mut ports = Vec::new();
        for pair in pairs {
            let port = pair.port;
            self.resting.remove(&port);
            if let Some(slot) = self.legs.get_mut(usize::from(port / 2)) {
                *slot = Some(Box::new(Leg::new(now, pair, call)));
            }
            ports.push(port);
        }
        self.calls.insert(call, ports);
    }

    fn command(&mut self, now: Instant, cmd: MediaCmd) {
        match cmd {
            MediaCmd::Face { port, face, .. } => {
                if let Some(leg) = self.leg(port) {
                    leg.set_face(now, *face);
                }
            }
            MediaCmd::Join { call, a, b } => self.join(call, &a, &b),
            MediaCmd::Part { call } => self.part(call),
            MediaCmd::Tone { end: End::Rtp(port), tone } => {
                if let Some(leg) = self.leg(port) {
                    leg.play(&tone);
                    self.begin(now);
                }
            }
            MediaCmd::Tone { end: End::Port(port), tone } => self.port(&port).play(&tone),
            MediaCmd::Quiet { end: End::Rtp(port) } => {
                if let Some(leg) = self.leg(port) {
                    leg.quiet();
                }
            }
            MediaCmd::Quiet { end: End::Port(port) } => self.port(&port).quiet(),
            MediaCmd::Digits { end: End::Rtp(port), keys, on, off } => {
                if let Some(leg) = self.leg(port) {
                    leg.send_digits(&keys.0, on, off);
                    self.begin(now);
                }
            }
            MediaCmd::Digits { end: End::Port(port), keys, on, off } => {
                self.port(&port).send_digits(&keys.0, on, off);
            }
            MediaCmd::CallerId { port, burst } => self.port(&port).send_burst(&burst),
            MediaCmd::Listen { port, what } => self.port(&port).listen(&what),
            MediaCmd::Play { call, end, prompt } => self.play(now, call, end, &prompt),
            MediaCmd::Shield { end: End::Rtp(port), on } => {
                if let Some(leg) = self.leg(port) {
                    leg.shield(on);
                    self.begin(now);
                }
            }
            MediaCmd::Shield { end: End::Port(port), on } => self.port(&port).shield(on),
            MediaCmd::Hear { port, keys } => {
                if let Some(leg) = self.leg(port) {
                    leg.hear_keys(keys);
                }
            }
            MediaCmd::Record { call, a, b, file } => {
                self.recorder.begin(now, call, [a, b], file);
                self.begin(now);
            }
            MediaCmd::Close { call } => self.close(call),
        }
    }

    /// Plays an announcement; one that does not exist has ended at once.
    fn play(&mut self, now: Instant, call: CallId, end: End, prompt: &str) {
        let Some(sound) = self.prompts.find(prompt) else {
            tracing::warn!(%call, prompt, "there is no announcement of this name");
            return (self.tell)(Some(call), MediaEvent::Played { end });
        };
        match end {
            End::Rtp(port) => {
                if let Some(leg) = self.leg(port) {
                    leg.play_clip(Clip::new(sound));
                    self.begin(now);
                }
            }
            End::Port(port) => self.port(&port).play_clip(call, Clip::new(sound)),
        }
    }

    /// Something is to be generated: ticks begin.
    fn begin(&mut self, now: Instant) {
        if self.busy == 0 {
            self.next_frame = now;
        }
        self.busy += 1;
    }

    fn leg(&mut self, port: u16) -> Option<&mut Leg> {
        self.legs.get_mut(usize::from(port / 2)).and_then(Option::as_deref_mut)
    }

    fn port(&mut self, port: &PortRef) -> &mut Port {
        self.ports.entry(port.clone()).or_insert_with(|| Port::new(port.clone()))
    }

    fn join(&mut self, call: CallId, a: &End, b: &End) {
        self.part(call);
        for (one, other) in [(a, b), (b, a)] {
            match one {
                End::Rtp(port) => {
                    if let Some(leg) = self.leg(*port) {
                        leg.peer = Some(other.clone());
                        leg.far = matches!(other, End::Port(_)).then(Far::new);
                    }
                }
                End::Port(port) => self.port(port).join(Some((call, other.clone()))),
            }
        }
    }

    fn part(&mut self, call: CallId) {
        for port in self.calls.get(&call).cloned().unwrap_or_default() {
            if let Some(leg) = self.leg(port) {
                leg.peer = None;
                leg.far = None;
            }
        }
        for port in self.ports.values_mut() {
            if port.peer.as_ref().is_some_and(|(of, _)| *of == call) {
                port.peer = None;
            }
        }
    }

    fn close(&mut self, call: CallId) {
        self.recorder.end(call);
        for port in self.ports.values_mut() {
            port.forget(call);
            if port.peer.as_ref().is_some_and(|(of, _)| *of == call) {
                let event = MediaEvent::Figures { end: port.end.clone(), figures: port.figures() };
                (self.tell)(Some(call), event);
                port.peer = None;
            }
        }
        for port in self.calls.remove(&call).unwrap_or_default() {
            let Some(leg) = self.legs.get_mut(usize::from(port / 2)).and_then(Option::take) else { continue };
            if leg.end.face().is_some() {
                (self.tell)(Some(call), MediaEvent::Figures { end: leg.name(), figures: leg.figures() });
            }
            self.resting.insert(port, leg.pair);
        }
    }

    fn board(&mut self, id: BoardId, host: Arc<Host>) {
        self.board_gone(&id);
        self.come_first();
        let Some((rx, tx)) = host.take_rings() else { return };
        let index = self.boards.iter().position(Option::is_none).unwrap_or(self.boards.len());
        if index > 0xFFFF {
            return;
        }
        let event = EpollEvent::new(EpollFlags::EPOLLIN, BOARD | index as u64);
        if let Err(e) = self.epoll.add(host.wake_fd(), event) {
            tracing::error!(board = %id, "cannot watch a board: {e}");
            return;
        }
        let geometry = rx.geometry();
        let len = geometry.frame_len();
        if geometry.samples > LONGEST {
            tracing::error!(board = %id, samples = geometry.samples, "its frames are too long");
            return;
        }
        let names = (0..geometry.ports as u16).map(|port| PortRef { board: id.clone(), port }).collect();
        let board = Board { id, host, rx, tx, names, frame: vec![0; len], out: vec![0; len] };
        if index == self.boards.len() {
            self.boards.push(Some(board));
        } else {
            self.boards[index] = Some(board);
        }
    }

    /// The first board makes this thread one that cannot wait. Without boards a packet that comes 20 ms late is made up
    /// for by the phones' own buffers, and the thread stays an ordinary one.
    fn come_first(&mut self) {
        if std::mem::replace(&mut self.is_first, true) {
            return;
        }
        if let Err(e) = realtime::first() {
            tracing::info!("telephones may click when this machine is busy: no real-time priority ({e})");
        }
    }

    fn board_gone(&mut self, id: &BoardId) {
        for slot in &mut self.boards {
            if slot.as_ref().is_some_and(|board| board.id == *id)
                && let Some(board) = slot.take()
            {
                let _ = self.epoll.delete(board.host.wake_fd());
            }
        }
        self.ports.retain(|port, _| port.board != *id);
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
