//! Boards: their frames are heard, and answered with as many.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringtrip_model::ids::{BoardId, PortRef};

use super::Engine;
use super::board_port::BoardPort;
use super::detectors::{Across, KeyEdge};
use super::mixer::{Clock, LONGEST};
use super::output::Output;
use super::pace::Pace;
use super::rtp_endpoint::Link;

/// A board whose sound runs.
pub(super) struct Board {
    pub id: BoardId,
    /// Its ports, in order.
    names: Arc<[PortRef]>,
    /// Samples of one port in a frame.
    samples: usize,
    pace: Pace,
}

impl Engine {
    pub(super) fn board_opened(
        &mut self,
        now: Instant,
        number: u16,
        id: BoardId,
        ports: u16,
        samples: usize,
    ) {
        let index = usize::from(number);
        if self.boards.len() <= index {
            self.boards.resize_with(index + 1, || None);
        }
        let names = (0..ports).map(|port| PortRef { board: id.clone(), port }).collect();
        self.boards[index] = Some(Board { id, names, samples: samples.min(LONGEST), pace: Pace::default() });
        self.set_clocks(now);
    }

    pub(super) fn board_closed(&mut self, now: Instant, id: &BoardId) {
        for slot in &mut self.boards {
            if slot.as_ref().is_some_and(|board| board.id == *id) {
                *slot = None;
            }
        }
        self.ports.retain(|port, _| port.board != *id);
        self.set_clocks(now);
    }

    /// A board has a frame: hear all its ports, then speak to all of them.
    pub(super) fn frame(
        &mut self,
        now: Instant,
        number: u16,
        (late, queued): (Duration, u64),
        heard: &[i16],
        spoken: &mut [i16],
        out: &mut Output,
    ) {
        let Some(Some(board)) = self.boards.get_mut(usize::from(number)) else { return };
        let (names, samples, id) = (board.names.clone(), board.samples, board.id.clone());
        let of_board = || names.iter().filter_map(|name| self.ports.get(name));
        let sends_burst = of_board().any(BoardPort::sends_burst);
        let others_talk = || of_board().any(|port| *port.link() != Link::Alone);
        out.put_ahead = board.pace.put_ahead(sends_burst, others_talk, queued);
        out.leave_out = board.pace.leave_out(queued, late);
        self.frame_heard(now, &names, samples, heard, out);
        self.mix(now, &Clock::Board(id), samples, out);
        if out.leave_out {
            self.frame_left_out(&names, samples, out);
        } else {
            self.frame_spoken(now, &names, samples, spoken, out);
        }
    }

    fn frame_heard(
        &mut self,
        now: Instant,
        names: &[PortRef],
        samples: usize,
        frame: &[i16],
        out: &mut Output,
    ) {
        let mut one = [0; LONGEST];
        for (n, name) in names.iter().enumerate() {
            let Some(port) = self.ports.get_mut(name) else { continue };
            let column = frame.get(n..).unwrap_or_default().iter().step_by(names.len());
            for (to, from) in one.iter_mut().zip(column) {
                *to = *from;
            }
            let heard = &mut one[..samples];
            let peer = match port.link() {
                Link::Rtp(peer) => self.rtp.get_mut(*peer).and_then(Option::as_mut),
                _ => None,
            };
            let across = match (&peer, port.link()) {
                (Some(endpoint), _) if endpoint.takes_edges() => Across::Edges,
                (Some(_), _) | (None, Link::Mixer(_)) => Across::Sound,
                // The machine of the line at the other side knows that the tone comes through.
                (None, _) => Across::Nothing,
            };
            let edges = port.process(heard, across, &mut |event| out.tell(None, event));
            port.amplify(heard);
            let heard = &*heard;
            if let Some(call) = port.call().filter(|call| self.recordings.has(*call)) {
                self.recordings.heard(call, &port.endpoint, heard, &mut out.recordings);
            }
            match port.link().clone() {
                Link::Alone => {}
                Link::Rtp(_) => {
                    let Some(endpoint) = peer else { continue };
                    if !edges.is_empty() {
                        self.next_tick.get_or_insert(now);
                    }
                    edges.into_iter().for_each(|edge: KeyEdge| endpoint.key(edge));
                    // The key goes as an event; its tone must not be heard a second time.
                    let silence = [0; LONGEST];
                    let is_carried = port.keys_sound() && endpoint.takes_events();
                    let heard = if is_carried { &silence[..samples] } else { heard };
                    endpoint.write_audio(now, heard, out);
                }
                Link::Port(other) => {
                    if let Some(other) = self.ports.get_mut(&other) {
                        other.queue(heard);
                    }
                }
                Link::Mixer(bridge) => {
                    if let Some(mixer) = self.mixers.get_mut(&bridge) {
                        mixer.give(&port.endpoint, heard);
                    }
                }
            }
        }
    }

    fn frame_spoken(
        &mut self,
        now: Instant,
        names: &[PortRef],
        samples: usize,
        frame: &mut [i16],
        out: &mut Output,
    ) {
        frame.fill(0);
        let mut one = [0; LONGEST];
        for (n, name) in names.iter().enumerate() {
            let Some(port) = self.ports.get_mut(name) else { continue };
            let spoken = &mut one[..samples];
            let recorded = port.call().filter(|call| self.recordings.has(*call));
            let peer = match port.link() {
                Link::Rtp(peer) => self.rtp.get_mut(*peer).and_then(Option::as_mut),
                _ => None,
            };
            let far = |sound: &mut [i16]| match peer.and_then(|endpoint| endpoint.playout.as_mut()) {
                Some(playout) => playout.pull(now, sound),
                None => false,
            };
            let mut other = [0; LONGEST];
            let other = &mut other[..samples];
            port.playout(spoken, recorded.is_some().then_some(&mut *other), far, &mut |call, event| {
                out.tell(call, event);
            });
            if let Some(call) = recorded {
                self.recordings.spoken(call, &port.endpoint, other, &mut out.recordings);
            }
            let column = frame.get_mut(n..).unwrap_or_default().iter_mut().step_by(names.len());
            for (to, from) in column.zip(spoken) {
                *to = *from;
            }
        }
    }

    /// Recordings have no frame less than the board.
    fn frame_left_out(&mut self, names: &[PortRef], samples: usize, out: &mut Output) {
        for name in names {
            if let Some(port) = self.ports.get(name)
                && let Some(call) = port.call().filter(|call| self.recordings.has(*call))
            {
                self.recordings.missed(call, &port.endpoint, samples, &mut out.recordings);
            }
        }
    }
}
