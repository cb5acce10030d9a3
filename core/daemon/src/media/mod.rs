//! The media plane: one thread that moves all sound. RTP goes from socket to socket without meeting a mailbox; board
//! ports are joined to RTP or to each other; tones, keys, caller ID and announcements are made here, and calls are
//! recorded. Commands come by a bounded
//! queue, events go out by the door of the control arbiter.

mod ears;
mod far;
mod lease;
mod leg;
mod plane;
mod port;
mod prompts;
mod record;
mod ringback;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use nix::sys::epoll::{Epoll, EpollCreateFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use ringtrip_exchange::post::{MediaCmd, MediaEvent};
use ringtrip_linehost::Host;
use ringtrip_model::ids::{BoardId, CallId, PortRef};

pub use self::lease::{KEPT, Lease, Pair, Pool};
pub use self::prompts::Prompts;
pub use self::record::Recorder;
use crate::panics;

/// What the plane's thread is told.
enum Word {
    Cmd(MediaCmd),
    Open { call: CallId, pairs: Vec<Arc<Pair>> },
    Board { board: BoardId, host: Arc<Host> },
    BoardGone { board: BoardId },
    Gain { port: PortRef, rx_db: f32, tx_db: f32 },
    Fall(&'static str),
}

/// Takes events; called on the plane's thread, must not block.
pub type Tell = Box<dyn FnMut(Option<CallId>, MediaEvent) + Send>;

/// A handle on the plane. Cheap to clone.
#[derive(Clone)]
pub struct Plane {
    words: SyncSender<Word>,
    bell: Arc<Bell>,
    epoll: Arc<Epoll>,
}

/// Wakes the thread, once for all that waits: each wake-up costs more than what is done in it. Most words are only about
/// packets that are still to come, and a packet wakes the thread by itself; they let it sleep if it has said that it will
/// look soon.
struct Bell {
    fd: EventFd,
    state: AtomicU8,
}

/// The thread sleeps until something wakes it.
const SLEEPS: u8 = 0;
/// The thread will look by itself within `plane::NAP`.
const NAPS: u8 = 1;
/// The bell rings.
const RINGS: u8 = 2;

impl Bell {
    fn new() -> io::Result<Bell> {
        let fd = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Bell { fd, state: AtomicU8::new(SLEEPS) })
    }

    /// After something was put where the thread will look, which must be done at once.
    fn ring(&self) {
        if self.state.swap(RINGS, Ordering::AcqRel) != RINGS {
            let _ = self.fd.write(1);
        }
    }

    /// After something was put there that has time.
    fn nudge(&self) {
        if self.state.compare_exchange(SLEEPS, RINGS, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            let _ = self.fd.write(1);
        }
    }

    /// Before the thread looks because it rang: what must be done at once rings anew, the rest is seen after a nap.
    fn hush(&self) {
        let _ = self.fd.read();
        self.state.swap(NAPS, Ordering::AcqRel);
    }

    /// After a nap in which nothing came. What came meanwhile may have let the thread sleep: it looks once more.
    fn sleep(&self) {
        let _ = self.state.compare_exchange(NAPS, SLEEPS, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// Commands that may wait: a call needs about ten.
const WAITING: usize = 16_384;

impl Plane {
    /// Starts the thread.
    pub fn start(tell: Tell, prompts: Prompts, recorder: Recorder) -> io::Result<Plane> {
        let (words, heard) = sync_channel(WAITING);
        let bell = Arc::new(Bell::new()?);
        let epoll = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
        let (rung, watched) = (bell.clone(), epoll.clone());
        let (ready, is_ready) = sync_channel(1);
        std::thread::Builder::new().name("media".to_owned()).spawn(move || {
            // Made on its thread: its receive buffers are full of pointers into themselves.
            match plane::Plane::new(watched, heard, rung, tell, prompts, recorder) {
                Ok(plane) => {
                    let _ = ready.send(Ok(()));
                    panics::vital(|| plane.run());
                }
                Err(e) => {
                    let _ = ready.send(Err(e));
                }
            }
        })?;
        is_ready.recv().map_err(|_| io::Error::other("the media thread fell at once"))??;
        Ok(Plane { words, bell, epoll })
    }

    /// Asks for something.
    pub fn send(&self, cmd: MediaCmd) {
        let has_time = matches!(
            cmd,
            MediaCmd::Face { .. } | MediaCmd::Join { .. } | MediaCmd::Part { .. } | MediaCmd::Close { .. }
        );
        let done = self.words.try_send(Word::Cmd(cmd));
        self.said(done, if has_time { Bell::nudge } else { Bell::ring });
    }

    /// A call has these ports from now until `MediaCmd::Close`.
    pub fn open(&self, call: CallId, lease: &Lease) {
        let done = self.words.try_send(Word::Open { call, pairs: lease.pairs().cloned().collect() });
        if done.is_ok() {
            // Watched from here on and for ever: the first packet wakes the thread, which then sees the word.
            for pair in lease.pairs().filter(|pair| pair.is_new()) {
                if let Err(e) = plane::watch(&self.epoll, pair) {
                    crate::logging::warn_counted("rtp-watch", || {
                        format!("cannot watch RTP port {}: {e}", pair.port)
                    });
                }
            }
        }
        self.said(done, Bell::nudge);
    }

    /// A board's sound runs.
    pub fn board(&self, board: BoardId, host: Arc<Host>) {
        self.say(Word::Board { board, host });
    }

    /// A board is gone.
    pub fn board_gone(&self, board: BoardId) {
        self.say(Word::BoardGone { board });
    }

    /// From now on what a line says is so much louder for its peer, and what its peer says for the line, dB.
    pub fn gain(&self, port: PortRef, rx_db: f32, tx_db: f32) {
        self.say(Word::Gain { port, rx_db, tx_db });
    }

    /// A panic in the thread (developer mode): the process must not outlive it.
    pub fn fall(&self, why: &'static str) {
        self.say(Word::Fall(why));
    }

    fn say(&self, word: Word) {
        self.said(self.words.try_send(word), Bell::ring);
    }

    fn said(&self, done: Result<(), TrySendError<Word>>, wake: fn(&Bell)) {
        match done {
            Ok(()) => wake(&self.bell),
            Err(TrySendError::Full(_)) => crate::logging::warn_counted("media-full", || {
                "the media plane is overloaded: a command was dropped".to_owned()
            }),
            Err(TrySendError::Disconnected(_)) => tracing::error!("the media plane is gone"),
        }
    }
}
