//! The media engine: all that is decided about sound. Packets, frames of boards, commands and time come in; packets,
//! events and recorded sound come out. No socket, no thread, no clock: the daemon's media thread and the simulator host the
//! same engine.
//!
//! Endpoints are RTP sessions (`rtp_endpoint.rs`) and ports of boards (`board_port.rs`). A bridge (`bridge.rs`) links them:
//! two RTP endpoints by relay, packet by packet in place; an RTP endpoint and a port by a jitter buffer; two ports by a
//! queue; more than two by a mixer (`mixer.rs`). Boards are the masters of time for their ports (`board.rs`); what is
//! generated towards RTP goes out every 20 ms.

mod board;
mod board_port;
mod bridge;
mod command;
mod detectors;
mod event;
mod handover;
mod mixer;
mod output;
mod pace;
mod playback;
mod playout;
mod recording;
mod ringback;
mod rtp_endpoint;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringtrip_model::ids::{BoardId, CallId, PortRef};

use self::board::Board;
use self::board_port::BoardPort;
pub use self::command::{BridgeId, DetectorConfig, Endpoint, MediaCommand};
pub use self::event::MediaEvent;
pub use self::handover::Handover;
use self::mixer::Mixer;
pub use self::output::{Channel, Output, Transmit, TransmitData};
use self::playback::Playback;
pub use self::recording::RecordingOutput;
use self::recording::Recordings;
use self::rtp_endpoint::{Link, RtpEndpoint};
use crate::session::{Classification, Datagram, Outgoing, forward};

/// Generated sound goes out every 20 ms.
const TICK: Duration = Duration::from_millis(20);
/// Reports and watchdogs are looked at this often.
const ROUND: Duration = Duration::from_millis(250);

/// The announcement of this name at 8 kHz, if there is one.
pub type FindPrompt = Box<dyn Fn(&str) -> Option<Arc<[i16]>> + Send>;

/// What the engine is told.
#[derive(Debug)]
pub enum Input<'a> {
    /// What the exchange asks for.
    Command(MediaCommand),
    /// A call has these RTP ports too from now on, until [`MediaCommand::Close`]. Each with a random number of its own: it
    /// seeds the numbers of its packets, which must not be guessable (RFC 3550 §5.1, §9.1).
    Open {
        /// The call.
        call: CallId,
        /// Even port numbers, with a random number each.
        ports: &'a [(u16, u64)],
    },
    /// A packet came to an RTP port. It is changed in place where it goes on.
    Packet {
        /// The even port.
        port: u16,
        /// From here.
        from: SocketAddr,
        /// The packet.
        packet: Datagram<'a>,
    },
    /// A datagram came to the port after an RTP port.
    Rtcp {
        /// The even port.
        port: u16,
        /// From here.
        from: SocketAddr,
        /// The datagram.
        datagram: Datagram<'a>,
    },
    /// A board's sound begins.
    BoardOpened {
        /// A number for its frames; it is free.
        number: u16,
        /// Its name.
        board: BoardId,
        /// How many ports it has.
        ports: u16,
        /// Samples of one port in a frame, at most [`Engine::LONGEST_FRAME`].
        samples: usize,
    },
    /// A board is gone, and what was played to its ports with it.
    BoardClosed {
        /// Which.
        board: BoardId,
    },
    /// A board has a frame: sample `n` of port `p` stands at `n * ports + p`. It is heard, and answered in `spoken`, unless
    /// [`Output::leave_out`] says that a frame less waits from now on.
    Frame {
        /// Its number.
        number: u16,
        /// How long ago it was due.
        late: Duration,
        /// How many of our frames waited when the board last took one.
        queued: u64,
        /// What the lines say.
        heard: &'a [i16],
        /// What they are to hear.
        spoken: &'a mut [i16],
    },
    /// How much louder a line is for its bridge, and its bridge for the line, dB.
    Gain {
        /// Which port.
        port: PortRef,
        /// From the line.
        rx_db: f32,
        /// To the line.
        tx_db: f32,
    },
    /// The time named by [`Engine::deadline`] has come.
    Timeout,
}

/// The engine. See the module.
pub struct Engine {
    /// RTP endpoints by port number / 2.
    rtp: Vec<Option<Box<RtpEndpoint>>>,
    /// Which RTP ports each call has.
    calls: HashMap<CallId, Vec<u16>>,
    ports: HashMap<PortRef, BoardPort>,
    boards: Vec<Option<Board>>,
    /// The members of each.
    bridges: HashMap<BridgeId, Vec<Endpoint>>,
    /// Those of bridges with more than two members: few, and looked at with each frame of a board.
    mixers: HashMap<BridgeId, Mixer>,
    recordings: Recordings,
    find_prompt: FindPrompt,
    /// When what is generated towards RTP goes on; `None` while nothing is.
    next_tick: Option<Instant>,
    /// When the reports are looked at.
    next_round: Instant,
}

impl Engine {
    /// Samples of one port in the longest frame of a board: 20 ms.
    pub const LONGEST_FRAME: usize = mixer::LONGEST;

    /// An engine without calls and boards.
    pub fn new(now: Instant, find_prompt: FindPrompt) -> Engine {
        Engine {
            rtp: (0..=usize::from(u16::MAX) / 2).map(|_| None).collect(),
            calls: HashMap::new(),
            ports: HashMap::new(),
            boards: Vec::new(),
            bridges: HashMap::new(),
            mixers: HashMap::new(),
            recordings: Recordings::default(),
            find_prompt,
            next_tick: None,
            next_round: now,
        }
    }

    /// Takes an input; what should happen because of it is added to `out`.
    pub fn on(&mut self, now: Instant, input: Input<'_>, out: &mut Output) {
        match input {
            Input::Command(command) => self.command(now, command, out),
            Input::Open { call, ports } => self.open(now, call, ports),
            Input::Packet { port, from, mut packet } => self.packet(now, port, from, &mut packet, out),
            Input::Rtcp { port, from, mut datagram } => {
                if let Some(endpoint) = self.rtp_mut(port) {
                    endpoint.session.accept_rtcp(now, from, &mut datagram);
                }
            }
            Input::BoardOpened { number, board, ports, samples } => {
                self.board_opened(now, number, board, ports, samples);
            }
            Input::BoardClosed { board } => self.board_closed(now, &board),
            Input::Frame { number, late, queued, heard, spoken } => {
                self.frame(now, number, (late, queued), heard, spoken, out);
            }
            Input::Gain { port, rx_db, tx_db } => self.port_mut(&port).gain(rx_db, tx_db),
            Input::Timeout => {
                if self.next_tick.is_some_and(|at| at <= now) {
                    self.tick(now, out);
                }
                if self.next_round <= now {
                    self.round(now, out);
                }
            }
        }
    }

    /// When there is something to do even if nothing comes.
    pub fn deadline(&self) -> Option<Instant> {
        let round = (!self.calls.is_empty()).then_some(self.next_round);
        [round, self.next_tick].into_iter().flatten().min()
    }

    /// Has any call this RTP port?
    #[cfg(test)]
    fn has_port(&self, port: u16) -> bool {
        self.rtp.get(usize::from(port / 2)).is_some_and(Option::is_some)
    }

    /// Is nothing left of any call?
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty() && self.bridges.is_empty() && self.recordings.is_empty()
    }

    /// How many bridges mix their members.
    #[cfg(test)]
    fn mixers(&self) -> usize {
        self.mixers.len()
    }

    fn rtp_mut(&mut self, port: u16) -> Option<&mut RtpEndpoint> {
        self.rtp.get_mut(usize::from(port / 2)).and_then(Option::as_deref_mut)
    }

    fn port_mut(&mut self, port: &PortRef) -> &mut BoardPort {
        self.ports.entry(port.clone()).or_insert_with(|| BoardPort::new(port.clone()))
    }

    fn open(&mut self, now: Instant, call: CallId, ports: &[(u16, u64)]) {
        for (port, random) in ports {
            // What an earlier call left there is forgotten.
            self.leave(now, &Endpoint::Rtp(*port));
            if let Some(old) = self.rtp.get_mut(usize::from(port / 2)).and_then(Option::take) {
                self.disown(old.call, *port);
            }
            if let Some(slot) = self.rtp.get_mut(usize::from(port / 2)) {
                *slot = Some(Box::new(RtpEndpoint::new(now, *port, call, *random)));
            }
        }
        self.calls.entry(call).or_default().extend(ports.iter().map(|(port, _)| port));
    }

    /// A port is this call's no more.
    fn disown(&mut self, call: CallId, port: u16) {
        if let Some(ports) = self.calls.get_mut(&call) {
            ports.retain(|of| *of != port);
            if ports.is_empty() {
                self.calls.remove(&call);
            }
        }
    }

    fn command(&mut self, now: Instant, command: MediaCommand, out: &mut Output) {
        match command {
            MediaCommand::SetParameters { port, parameters } => {
                if let Some(endpoint) = self.rtp_mut(port) {
                    endpoint.set_parameters(now, *parameters);
                }
            }
            MediaCommand::Bridge { bridge, members } => self.bridge(now, bridge, members),
            MediaCommand::Unbridge { bridge } => self.unbridge(bridge),
            MediaCommand::Assign { endpoint, call } => self.assign(endpoint, call),
            MediaCommand::PlayTone { endpoint: Endpoint::Rtp(port), tone } => {
                self.generate(now, port, |endpoint| endpoint.play(&tone));
            }
            MediaCommand::PlayTone { endpoint: Endpoint::Port(port), tone } => {
                self.port_mut(&port).play(&tone)
            }
            MediaCommand::PlayRingback { port, tone } => self.port_mut(&port).ringback(&tone),
            MediaCommand::PlayPrompt { call, endpoint, prompt } => {
                self.play_prompt(now, call, endpoint, &prompt, out);
            }
            MediaCommand::StopPlayback { endpoint: Endpoint::Rtp(port) } => {
                self.generate(now, port, RtpEndpoint::stop_playback);
            }
            MediaCommand::StopPlayback { endpoint: Endpoint::Port(port) } => {
                self.port_mut(&port).stop_playback()
            }
            MediaCommand::SendDigits { endpoint: Endpoint::Rtp(port), keys, on, off } => {
                self.generate(now, port, |endpoint| endpoint.send_digits(&keys.0, on, off));
            }
            MediaCommand::SendDigits { endpoint: Endpoint::Port(port), keys, on, off } => {
                self.port_mut(&port).send_digits(&keys.0, on, off);
            }
            MediaCommand::SendCallerId { port, burst } => self.port_mut(&port).send_burst(&burst),
            MediaCommand::Mute { endpoint: Endpoint::Rtp(port), on } => {
                self.generate(now, port, |endpoint| endpoint.mute(on));
            }
            MediaCommand::Mute { endpoint: Endpoint::Port(port), on } => self.port_mut(&port).mute(on),
            MediaCommand::DetectDtmf { port, on } => {
                if let Some(endpoint) = self.rtp_mut(port) {
                    endpoint.detect_dtmf(on);
                }
            }
            MediaCommand::Detect { port, config } => self.port_mut(&port).detect(&config),
            MediaCommand::Record { call, a, b, file } => {
                self.recordings.begin(now, call, [a, b], file, &mut out.recordings);
                self.start_ticks(now);
            }
            MediaCommand::Close { call } => self.close(now, call, out),
        }
    }

    /// Something is to be generated towards an RTP endpoint, perhaps.
    fn generate(&mut self, now: Instant, port: u16, what: impl FnOnce(&mut RtpEndpoint)) {
        if let Some(endpoint) = self.rtp_mut(port) {
            what(endpoint);
            if endpoint.is_busy() {
                self.start_ticks(now);
            }
        }
    }

    /// Ticks begin, if they do not run already.
    fn start_ticks(&mut self, now: Instant) {
        self.next_tick.get_or_insert(now);
    }

    /// Plays an announcement; one that does not exist has ended at once.
    fn play_prompt(
        &mut self,
        now: Instant,
        call: CallId,
        endpoint: Endpoint,
        prompt: &str,
        out: &mut Output,
    ) {
        let Some(sound) = (self.find_prompt)(prompt) else {
            return out.tell(Some(call), MediaEvent::Played { endpoint });
        };
        match endpoint {
            Endpoint::Rtp(port) => self.generate(now, port, |to| to.play_prompt(Playback::new(sound))),
            Endpoint::Port(port) => self.port_mut(&port).play_prompt(call, Playback::new(sound)),
        }
    }

    fn assign(&mut self, endpoint: Endpoint, call: CallId) {
        let port = match endpoint {
            Endpoint::Rtp(port) => port,
            Endpoint::Port(port) => return self.port_mut(&port).assign(call),
        };
        let Some(endpoint) = self.rtp_mut(port) else { return };
        let before = std::mem::replace(&mut endpoint.call, call);
        if before != call {
            self.disown(before, port);
            self.calls.entry(call).or_default().push(port);
        }
    }

    fn close(&mut self, now: Instant, call: CallId, out: &mut Output) {
        self.recordings.end(now, call, &mut out.recordings);
        let mut its = Vec::new();
        for port in self.ports.values_mut() {
            if port.forget(call) {
                let (endpoint, stats) = (port.endpoint.clone(), port.stats());
                its.push(endpoint.clone());
                out.tell(Some(call), MediaEvent::Stats { endpoint, stats });
            }
        }
        self.unbridge(BridgeId::Call(call));
        // They may stand in the bridge of a conference.
        its.iter().for_each(|endpoint| self.leave(now, endpoint));
        for port in self.calls.remove(&call).unwrap_or_default() {
            // It may stand in the bridge of another call.
            self.leave(now, &Endpoint::Rtp(port));
            let Some(endpoint) = self.rtp.get_mut(usize::from(port / 2)).and_then(Option::take) else {
                continue;
            };
            if let Some(stats) = endpoint.stats() {
                out.tell(Some(call), MediaEvent::Stats { endpoint: endpoint.endpoint(), stats });
            }
            out.closed.push(port);
        }
    }

    /// RTP came to this port.
    fn packet(
        &mut self,
        now: Instant,
        port: u16,
        source: SocketAddr,
        packet: &mut Datagram<'_>,
        out: &mut Output,
    ) {
        let index = usize::from(port / 2);
        let Some(Some(endpoint)) = self.rtp.get_mut(index) else { return };
        let classified = endpoint.session.accept(now, source, packet);
        let call = endpoint.call;
        match classified {
            Classification::Audio { header, codec, at, len } => {
                let is_relayed = matches!(endpoint.link, Link::Rtp(_));
                let is_recorded = self.recordings.has(call);
                if (!is_relayed || is_recorded)
                    && let Some(codec) = endpoint.codec(codec)
                {
                    let payload = &packet.buffer[at..at + len];
                    if let Some(playout) = &mut endpoint.playout {
                        playout.push(now, codec, &header, payload);
                    }
                    if !is_relayed {
                        endpoint.process(codec, payload, &mut |event| out.tell(Some(call), event));
                    }
                    if is_recorded {
                        self.recordings.packet(now, call, &endpoint.endpoint(), codec, &header, payload);
                    }
                }
            }
            Classification::Event { header, at, len } => {
                let payload = &packet.buffer[at..at + len];
                endpoint.event(&header, payload, &mut |event| out.tell(Some(call), event));
                let edges = endpoint.edges();
                if let Link::Port(port) = &endpoint.link
                    && let Some(port) = self.ports.get_mut(port)
                {
                    edges.into_iter().for_each(|edge| port.key(edge));
                }
                // Its end may get lost: ticks then end it.
                self.next_tick.get_or_insert(now);
            }
            Classification::ComfortNoise { at, len } => {
                if let Some(playout) = &mut endpoint.playout {
                    playout.comfort_noise(&packet.buffer[at..at + len]);
                }
            }
            Classification::Report | Classification::Quiet | Classification::Refused => return,
        }
        if let Link::Rtp(peer) = endpoint.link
            && let Ok([Some(from), Some(to)]) = self.rtp.get_disjoint_mut([index, peer])
        {
            let outgoing = forward(&mut from.session, &mut to.session, now, packet, classified);
            if outgoing != Outgoing::Nothing {
                out.received(to.port, to.source(), outgoing);
            }
        }
    }

    /// Every 20 ms while something is generated towards RTP.
    fn tick(&mut self, now: Instant, out: &mut Output) {
        let due = self.next_tick.unwrap_or(now) + TICK;
        self.recordings.tick(now, &mut out.recordings);
        let mut goes_on = !self.recordings.is_empty();
        for port in self.calls.values().flatten() {
            let Some(Some(endpoint)) = self.rtp.get_mut(usize::from(port / 2)) else { continue };
            if endpoint.is_busy() {
                endpoint.tick(now, out);
                goes_on |= endpoint.is_busy();
                let edges = endpoint.edges();
                if let Link::Port(port) = &endpoint.link
                    && let Some(port) = self.ports.get_mut(port)
                {
                    edges.into_iter().for_each(|edge| port.key(edge));
                }
            }
        }
        goes_on |= self.mix_ticks(now, out);
        // After a stall ticks go on from now.
        self.next_tick = goes_on.then(|| if due < now { now + TICK } else { due });
    }

    fn round(&mut self, now: Instant, out: &mut Output) {
        self.next_round = now + ROUND;
        for port in self.calls.values().flatten() {
            if let Some(Some(endpoint)) = self.rtp.get_mut(usize::from(port / 2)) {
                endpoint.report(now, out);
            }
        }
    }
}
