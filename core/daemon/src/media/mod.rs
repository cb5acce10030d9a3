//! Media: threads that move all sound (`worker`). RTP goes from socket to socket without meeting a mailbox; what becomes of
//! it is decided by the engine of `ringtrip-media`, which each worker hosts. Commands come by a bounded queue, events go out
//! by the mailbox of the control arbiter. RTP ports are leased to calls (`lease`), recordings are written by a thread of
//! their own (`record`), announcements are read beforehand (`prompts`).

mod lease;
mod prompts;
mod record;
#[cfg(test)]
mod tests;
mod worker;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use nix::sys::epoll::{Epoll, EpollCreateFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use ringtrip_linehost::Host;
use ringtrip_media::engine::{MediaCommand, MediaEvent};
use ringtrip_model::ids::{BoardId, CallId, PortRef};

pub use self::lease::{KEPT, Lease, Pair, Pool};
pub use self::prompts::Prompts;
pub use self::record::Recorder;
use crate::panics;

/// What a worker is told.
enum EngineCommand {
    Media(MediaCommand),
    Open { call: CallId, pairs: Vec<Arc<Pair>> },
    Board { board: BoardId, host: Arc<Host> },
    BoardGone { board: BoardId },
    Gain { port: PortRef, rx_db: f32, tx_db: f32 },
    Panic(&'static str),
}

/// Takes events; called on a worker's thread, must not block.
pub type Tell = Box<dyn FnMut(Option<CallId>, MediaEvent) + Send>;

/// A handle on the workers. Cheap to clone.
#[derive(Clone)]
pub struct Media {
    commands: SyncSender<EngineCommand>,
    waker: Arc<Waker>,
    epoll: Arc<Epoll>,
}

/// Wakes the thread, once for all that waits: each wake-up costs more than what is done in it. Most commands are only about
/// packets that are still to come, and a packet wakes the thread by itself; they let it sleep if it has said that it will
/// look soon.
struct Waker {
    fd: EventFd,
    state: AtomicU8,
}

/// The thread sleeps until something wakes it.
const SLEEPS: u8 = 0;
/// The thread will look by itself within `worker::IDLE_POLL`.
const POLLS: u8 = 1;
/// It is being woken.
const WAKES: u8 = 2;

impl Waker {
    fn new() -> io::Result<Waker> {
        let fd = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Waker { fd, state: AtomicU8::new(SLEEPS) })
    }

    /// After something was put where the thread will look, which must be done at once.
    fn wake(&self) {
        if self.state.swap(WAKES, Ordering::AcqRel) != WAKES {
            let _ = self.fd.write(1);
        }
    }

    /// After something was put there that can wait.
    fn wake_if_asleep(&self) {
        if self.state.compare_exchange(SLEEPS, WAKES, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            let _ = self.fd.write(1);
        }
    }

    /// Before the thread looks because it was woken: what must be done at once wakes it anew, the rest is seen when it polls.
    fn seen(&self) {
        let _ = self.fd.read();
        self.state.swap(POLLS, Ordering::AcqRel);
    }

    /// After a poll that found nothing. What came meanwhile may have let the thread sleep: it looks once more.
    fn sleep(&self) {
        let _ = self.state.compare_exchange(POLLS, SLEEPS, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// Commands that may wait: a call needs about ten.
const WAITING: usize = 16_384;

impl Media {
    /// Starts the thread.
    pub fn start(tell: Tell, prompts: Prompts, recorder: Recorder) -> io::Result<Media> {
        let (commands, waiting) = sync_channel(WAITING);
        let waker = Arc::new(Waker::new()?);
        let epoll = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
        let (woken, watched) = (waker.clone(), epoll.clone());
        let (ready, is_ready) = sync_channel(1);
        std::thread::Builder::new().name("media".to_owned()).spawn(move || {
            // Made on its thread: its receive buffers are full of pointers into themselves.
            match worker::Worker::new(watched, waiting, woken, tell, prompts, recorder) {
                Ok(worker) => {
                    let _ = ready.send(Ok(()));
                    panics::vital(|| worker.run());
                }
                Err(e) => {
                    let _ = ready.send(Err(e));
                }
            }
        })?;
        is_ready.recv().map_err(|_| io::Error::other("the media thread fell at once"))??;
        Ok(Media { commands, waker, epoll })
    }

    /// Asks for something.
    pub fn send(&self, command: MediaCommand) {
        let wake = if command.can_wait() { Waker::wake_if_asleep } else { Waker::wake };
        self.sent(self.commands.try_send(EngineCommand::Media(command)), wake);
    }

    /// A call has these ports from now until `MediaCommand::Close`.
    pub fn open(&self, call: CallId, lease: &Lease) {
        let done =
            self.commands.try_send(EngineCommand::Open { call, pairs: lease.pairs().cloned().collect() });
        if done.is_ok() {
            // Watched from here on and for ever: the first packet wakes the thread, which then sees the command.
            for pair in lease.pairs().filter(|pair| pair.is_new()) {
                if let Err(e) = worker::watch(&self.epoll, pair) {
                    crate::logging::warn_counted("rtp-watch", || {
                        format!("cannot watch RTP port {}: {e}", pair.port)
                    });
                }
            }
        }
        self.sent(done, Waker::wake_if_asleep);
    }

    /// A board's sound runs.
    pub fn board(&self, board: BoardId, host: Arc<Host>) {
        self.put(EngineCommand::Board { board, host });
    }

    /// A board is gone.
    pub fn board_gone(&self, board: BoardId) {
        self.put(EngineCommand::BoardGone { board });
    }

    /// From now on what a line says is so much louder for its peer, and what its peer says for the line, dB.
    pub fn gain(&self, port: PortRef, rx_db: f32, tx_db: f32) {
        self.put(EngineCommand::Gain { port, rx_db, tx_db });
    }

    /// A panic in the thread (developer mode): the process must not outlive it.
    pub fn panic(&self, why: &'static str) {
        self.put(EngineCommand::Panic(why));
    }

    fn put(&self, command: EngineCommand) {
        self.sent(self.commands.try_send(command), Waker::wake);
    }

    fn sent(&self, done: Result<(), TrySendError<EngineCommand>>, wake: fn(&Waker)) {
        match done {
            Ok(()) => wake(&self.waker),
            Err(TrySendError::Full(_)) => crate::logging::warn_counted("media-full", || {
                "the media thread is overloaded: a command was dropped".to_owned()
            }),
            Err(TrySendError::Disconnected(_)) => tracing::error!("the media thread is gone"),
        }
    }
}
