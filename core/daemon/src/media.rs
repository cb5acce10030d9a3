//! Media: threads that move all sound (`worker`). RTP goes from socket to socket without meeting a mailbox; what becomes of
//! it is decided by the engine of `ringtrip-media`, which each worker hosts. Commands come by a bounded queue, events go out
//! by the mailbox of the control arbiter. RTP ports are leased to calls (`lease`), recordings are written by a thread of
//! their own (`record`), announcements are read beforehand (`prompts`).

mod lease;
mod placement;
mod prompts;
mod record;
#[cfg(test)]
mod tests;
mod worker;

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::epoll::{Epoll, EpollCreateFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use ringtrip_linehost::Host;
use ringtrip_media::engine::{Handover, MediaCommand, MediaEvent};
use ringtrip_model::ids::{BoardId, CallId, PortRef};

pub use self::lease::{KEPT, Lease, Pair, Pool, PreferredWorker};
use self::placement::{Placement, Step};
pub use self::prompts::Prompts;
pub use self::record::Recorder;
use crate::panics;

/// What a worker is told.
enum EngineCommand {
    Media(MediaCommand),
    /// Give this endpoint to worker 0.
    Give {
        port: u16,
    },
    /// An endpoint of another worker, with its sockets.
    Take {
        endpoint: Handover,
        pair: Arc<Pair>,
    },
    Open {
        call: CallId,
        pairs: Vec<Arc<Pair>>,
    },
    Board {
        board: BoardId,
        host: Arc<Host>,
    },
    BoardGone {
        board: BoardId,
    },
    Gain {
        port: PortRef,
        rx_db: f32,
        tx_db: f32,
    },
    Panic(&'static str),
}

/// Takes events; called on a worker's thread, must not block.
pub type Tell = Box<dyn FnMut(Option<CallId>, MediaEvent) + Send>;

/// A handle on the workers. Cheap to clone.
///
/// Each worker has a stretch of the RTP ports. Worker 0 has the boards too, all conferences, and each call whose endpoints
/// are not all with one other worker: such endpoints are handed to it and stay there (`placement.rs`). A command about one
/// endpoint always goes to the worker of its port, which passes it on where it has handed the endpoint over: so no command
/// overtakes the endpoint.
#[derive(Clone)]
pub struct Media(Arc<Inner>);

struct Inner {
    workers: Vec<WorkerHandle>,
    placement: Mutex<Placement>,
}

/// A handle on one worker.
#[derive(Clone)]
struct WorkerHandle {
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

/// The most workers there are: each is a bit of a mask.
const MOST_WORKERS: usize = ringtrip_config::Media::MOST_WORKERS as usize;

impl Media {
    /// Starts so many workers, 1 to 64; `tell` makes what takes the events of one.
    ///
    /// # Errors
    /// When the kernel gives no thread, eventfd or epoll.
    pub fn start(
        workers: usize,
        tell: impl Fn() -> Tell,
        prompts: &Prompts,
        recorder: &Recorder,
    ) -> io::Result<Media> {
        let (mut links, mut receivers) = (Vec::new(), Vec::new());
        for _ in 0..workers.clamp(1, MOST_WORKERS) {
            let (commands, waiting) = sync_channel(WAITING);
            let epoll = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
            links.push(WorkerHandle { commands, waker: Arc::new(Waker::new()?), epoll });
            receivers.push(waiting);
        }
        for (number, waiting) in receivers.into_iter().enumerate() {
            let WorkerHandle { waker, epoll, .. } = links[number].clone();
            let place = worker::Place {
                number,
                first: (number > 0).then(|| links[0].clone()),
                epolls: links.iter().map(|link| link.epoll.clone()).collect(),
            };
            let (tell, prompts, recorder) = (tell(), prompts.clone(), recorder.clone());
            let worker = worker::Worker::new(epoll, waiting, waker, place, tell, prompts, recorder)?;
            let name = if number == 0 { "media".to_owned() } else { format!("media-{number}") };
            std::thread::Builder::new().name(name).spawn(move || panics::vital(|| worker.run()))?;
        }
        Ok(Media(Arc::new(Inner { workers: links, placement: Mutex::default() })))
    }

    /// Asks for something.
    pub fn send(&self, command: MediaCommand) {
        let mut steps = Vec::new();
        self.placement().place(&command, &mut |step| steps.push(step));
        for step in steps {
            match step {
                Step::Give { worker, port } => self.put(worker, EngineCommand::Give { port }),
                Step::Unbridge { worker, bridge } => {
                    self.worker(worker, |handle| handle.send(MediaCommand::Unbridge { bridge }));
                }
                Step::Also { worker } => self.worker(worker, |handle| handle.send(command.clone())),
                Step::Send { worker } => return self.worker(worker, |handle| handle.send(command)),
            }
        }
    }

    /// A call has these ports from now until `MediaCommand::Close`.
    pub fn open(&self, call: CallId, lease: &Lease) {
        for (number, handle) in self.0.workers.iter().enumerate() {
            let pairs: Vec<Arc<Pair>> = lease.pairs().filter(|pair| pair.worker == number).cloned().collect();
            if pairs.is_empty() {
                continue;
            }
            self.placement().open(call, number, pairs.iter().map(|pair| pair.port));
            let new: Vec<Arc<Pair>> = pairs.iter().filter(|pair| pair.is_new()).cloned().collect();
            let done = handle.commands.try_send(EngineCommand::Open { call, pairs });
            if done.is_ok() {
                // Watched from here on and for ever: the first packet wakes the thread, which then sees the command.
                new.iter().for_each(|pair| worker::watch(&handle.epoll, pair));
            }
            handle.sent(done, Waker::wake_if_asleep);
        }
    }

    fn placement(&self) -> MutexGuard<'_, Placement> {
        self.0.placement.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn worker(&self, number: usize, what: impl FnOnce(&WorkerHandle)) {
        if let Some(handle) = self.0.workers.get(number) {
            what(handle);
        }
    }

    fn put(&self, number: usize, command: EngineCommand) {
        self.worker(number, |handle| handle.put(command));
    }

    /// A board's sound runs.
    pub fn board(&self, board: BoardId, host: Arc<Host>) {
        self.put(0, EngineCommand::Board { board, host });
    }

    /// A board is gone.
    pub fn board_gone(&self, board: BoardId) {
        self.put(0, EngineCommand::BoardGone { board });
    }

    /// From now on what a line says is so much louder for its peer, and what its peer says for the line, dB.
    pub fn gain(&self, port: PortRef, rx_db: f32, tx_db: f32) {
        self.put(0, EngineCommand::Gain { port, rx_db, tx_db });
    }

    /// A panic in a thread (developer mode): the process must not outlive it.
    pub fn panic(&self, why: &'static str) {
        self.put(0, EngineCommand::Panic(why));
    }
}

impl WorkerHandle {
    fn send(&self, command: MediaCommand) {
        let wake = if command.can_wait() { Waker::wake_if_asleep } else { Waker::wake };
        self.sent(self.commands.try_send(EngineCommand::Media(command)), wake);
    }

    fn put(&self, command: EngineCommand) {
        self.sent(self.commands.try_send(command), Waker::wake);
    }

    fn sent(&self, done: Result<(), TrySendError<EngineCommand>>, wake: fn(&Waker)) {
        match done {
            Ok(()) => wake(&self.waker),
            Err(TrySendError::Full(_)) => crate::logging::warn_counted("media-full", || {
                "a media thread is overloaded: a command was dropped".to_owned()
            }),
            Err(TrySendError::Disconnected(_)) => tracing::error!("a media thread is gone"),
        }
    }
}
