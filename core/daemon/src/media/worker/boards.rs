//! The boards: their frames are taken from their rings, and the engine's answers put into them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::epoll::{EpollEvent, EpollFlags};
use nix::time::{ClockId, clock_gettime};
use ringtrip_linehost::{Host, RxRing, Stamp, TxRing, realtime};
use ringtrip_media::engine::{Engine, Input};
use ringtrip_model::ids::BoardId;

use super::{BOARD, Worker, perform};

/// A board that is open.
pub(super) struct Board {
    id: BoardId,
    host: Arc<Host>,
    rx: RxRing,
    tx: TxRing,
    heard: Vec<i16>,
    spoken: Vec<i16>,
    silence: Vec<i16>,
}

impl Worker {
    pub(super) fn board(&mut self, now: Instant, id: BoardId, host: Arc<Host>) {
        self.board_gone(now, id.clone());
        self.come_first();
        let Some((rx, tx)) = host.take_rings() else { return };
        let index = self.boards.iter().position(Option::is_none).unwrap_or(self.boards.len());
        let Ok(number) = u16::try_from(index) else { return };
        let event = EpollEvent::new(EpollFlags::EPOLLIN, BOARD | u64::from(number));
        if let Err(e) = self.epoll.add(host.wake_fd(), event) {
            tracing::error!(board = %id, "cannot watch a board: {e}");
            return;
        }
        let geometry = rx.geometry();
        let len = geometry.frame_len();
        if geometry.samples > Engine::LONGEST_FRAME {
            tracing::error!(board = %id, samples = geometry.samples, "its frames are too long");
            return;
        }
        let (ports, samples) = (geometry.ports as u16, geometry.samples);
        self.on(now, Input::BoardOpened { number, board: id.clone(), ports, samples });
        let board =
            Board { id, host, rx, tx, heard: vec![0; len], spoken: vec![0; len], silence: vec![0; len] };
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

    pub(super) fn board_gone(&mut self, now: Instant, id: BoardId) {
        for slot in &mut self.boards {
            if slot.as_ref().is_some_and(|board| board.id == id)
                && let Some(board) = slot.take()
            {
                let _ = self.epoll.delete(board.host.wake_fd());
            }
        }
        self.on(now, Input::BoardClosed { board: id });
    }

    /// Frames came from a board.
    pub(super) fn board_frames(&mut self, now: Instant, number: u16) {
        let Worker { boards, engine, out, pairs, tell, recorder, .. } = self;
        let Some(Some(board)) = boards.get_mut(usize::from(number)) else { return };
        board.host.clear_wake();
        // After a stall of this thread all that waited is heard, so that no key is lost; the board drops what is then
        // too much to play.
        while let Some(stamp) = board.rx.pop(&mut board.heard) {
            let (late, queued) = (late(stamp), board.tx.age());
            let Board { heard, spoken, .. } = &mut *board;
            out.clear();
            engine.on(now, Input::Frame { number, late, queued, heard, spoken }, out);
            for _ in 0..out.put_ahead {
                board.tx.push(&board.silence, stamp);
            }
            if !out.leave_out {
                board.tx.push(&board.spoken, stamp);
            }
            perform(out, pairs, tell, recorder, &[]);
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
