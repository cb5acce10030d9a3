//! What the exchange tells the plane.

use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::Instant;

use ringtrip_exchange::post::{End, MediaCmd, MediaEvent};
use ringtrip_model::ids::{CallId, PortRef};

use super::Plane;
use crate::media::Word;
use crate::media::far::Far;
use crate::media::lease::Pair;
use crate::media::leg::Leg;
use crate::media::port::Port;
use crate::media::prompts::Clip;

impl Plane {
    /// Takes what waits. Answers whether anything did; `None` when the exchange is gone.
    pub(super) fn commands(&mut self, now: Instant) -> Option<bool> {
        let mut came = false;
        loop {
            match self.words.try_recv() {
                Ok(Word::Cmd(cmd)) => self.command(now, cmd),
                Ok(Word::Open { call, pairs }) => self.open(now, call, pairs),
                Ok(Word::Board { board, host }) => self.board(board, host),
                Ok(Word::BoardGone { board }) => self.board_gone(&board),
                Ok(Word::Gain { port, rx_db, tx_db }) => self.port(&port).gain(rx_db, tx_db),
                Ok(Word::Fall(why)) => std::panic::panic_any(why),
                Err(TryRecvError::Empty) => return Some(came),
                Err(TryRecvError::Disconnected) => return None,
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
            MediaCmd::Ringback { port, tone } => self.port(&port).ringback(&tone),
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
            MediaCmd::Close { call } => self.close(now, call),
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

    fn close(&mut self, now: Instant, call: CallId) {
        self.recorder.end(now, call);
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
            self.resting.insert(port, Arc::downgrade(&leg.pair));
        }
    }
}
