//! The boards: their frames are taken, heard, and answered with as many.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::epoll::{EpollEvent, EpollFlags};
use nix::time::{ClockId, clock_gettime};
use ringtrip_exchange::post::End;
use ringtrip_linehost::{Host, RxRing, Stamp, TxRing, realtime};
use ringtrip_model::ids::{BoardId, PortRef};

use super::pace::Pace;
use super::{BOARD, Plane};
use crate::media::ears::Across;

/// Samples of one port in the longest frame: 20 ms.
const LONGEST: usize = 160;

/// A board that is open.
pub(super) struct Board {
    id: BoardId,
    host: Arc<Host>,
    rx: RxRing,
    tx: TxRing,
    /// Its ports, in order.
    names: Arc<[PortRef]>,
    frame: Vec<i16>,
    out: Vec<i16>,
    pace: Pace,
}

impl Plane {
    pub(super) fn board(&mut self, id: BoardId, host: Arc<Host>) {
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
        let board =
            Board { id, host, rx, tx, names, frame: vec![0; len], out: vec![0; len], pace: Pace::default() };
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

    pub(super) fn board_gone(&mut self, id: &BoardId) {
        for slot in &mut self.boards {
            if slot.as_ref().is_some_and(|board| board.id == *id)
                && let Some(board) = slot.take()
            {
                let _ = self.epoll.delete(board.host.wake_fd());
            }
        }
        self.ports.retain(|port, _| port.board != *id);
    }

    /// Frames came from a board: hear all its ports, then speak to all of them.
    pub(super) fn board_frames(&mut self, now: Instant, index: usize) {
        let Some(Some(board)) = self.boards.get_mut(index) else { return };
        board.host.clear_wake();
        let samples = board.rx.geometry().samples;
        // After a stall of this thread all that waited is heard, so that no key is lost; the board drops what is then
        // too much to play.
        while let Some(Some(board)) = self.boards.get_mut(index) {
            let Some(stamp) = board.rx.pop(&mut board.frame) else { return };
            let leave_out = board.pace.leave_out(board.tx.age(), late(stamp));
            self.frame_heard(now, index, samples);
            if leave_out {
                self.frame_left_out(index, samples);
            } else {
                self.frame_spoken(now, index, samples, stamp);
            }
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
            let heard = &mut one[..samples];
            let tell = &mut self.tell;
            let peer = match &port.peer {
                Some((_, End::Rtp(peer))) => {
                    self.legs.get_mut(usize::from(peer / 2)).and_then(Option::as_mut)
                }
                _ => None,
            };
            let across = match &peer {
                Some(leg) if leg.takes_edges() => Across::Edges,
                Some(_) => Across::Sound,
                None => Across::Nothing,
            };
            let edges = port.hear(heard, across, &mut |event| tell(None, event));
            port.louder(heard);
            let heard = &*heard;
            if let (Some(leg), false) = (peer, edges.is_empty()) {
                edges.into_iter().for_each(|edge| leg.key(edge));
                if self.busy == 0 {
                    self.next_frame = now;
                }
                self.busy += 1;
            }
            if let Some((call, _)) = &port.peer
                && self.recorder.records(*call)
            {
                self.recorder.heard(*call, &port.end, heard);
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
                        let speaks_events = leg.takes_events();
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

    fn frame_spoken(&mut self, now: Instant, index: usize, samples: usize, stamp: Stamp) {
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
            let call = port.peer.as_ref().map(|(call, _)| *call);
            let recorded = call.filter(|call| self.recorder.records(*call));
            let mut other = [0; LONGEST];
            let other = &mut other[..samples];
            port.speak(
                speak,
                recorded.is_some().then_some(&mut *other),
                |sound| match far.and_then(|i| legs.get_mut(i)).and_then(Option::as_mut) {
                    Some(leg) => leg.far.as_mut().is_some_and(|far| far.pull(now, sound)),
                    None => false,
                },
                &mut |call, event| tell(call, event),
            );
            if let Some(call) = recorded {
                self.recorder.spoken(call, &port.end, other);
            }
            for (to, from) in out[n..].iter_mut().step_by(names.len()).zip(&one[..samples]) {
                *to = *from;
            }
        }
        if let Some(Some(board)) = self.boards.get_mut(index) {
            board.tx.push(&out, stamp);
            board.out = out;
        }
    }
}

impl Plane {
    /// Recordings have no frame less than the board.
    fn frame_left_out(&mut self, index: usize, samples: usize) {
        let Some(Some(board)) = self.boards.get(index) else { return };
        if self.recorder.is_idle() {
            return;
        }
        for name in board.names.iter() {
            if let Some(port) = self.ports.get(name)
                && let Some((call, _)) = &port.peer
            {
                self.recorder.missed(*call, &port.end, samples);
            }
        }
    }
}

/// How long ago this frame was due.
fn late(stamp: Stamp) -> Duration {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |t| {
        u64::try_from(t.tv_sec()).unwrap_or(0) * 1_000_000_000 + u64::try_from(t.tv_nsec()).unwrap_or(0)
    });
    Duration::from_nanos(now.saturating_sub(stamp.mono_ns))
}
