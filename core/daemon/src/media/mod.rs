//! The media plane: one thread that moves all sound. RTP goes from socket to socket without meeting a mailbox; board
//! ports are joined to RTP or to each other; tones, keys and caller ID are made here. Commands come by a bounded
//! queue, events go out by the door of the control arbiter.

mod ears;
mod far;
mod lease;
mod leg;
mod plane;
mod port;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use nix::sys::eventfd::{EfdFlags, EventFd};
use ringtrip_linehost::Host;
use ringtrip_switch::ids::{BoardId, CallId};
use ringtrip_switch::post::{MediaCmd, MediaEvent};

pub use self::lease::{Lease, Pair, Pool};
use crate::panics;

/// What the plane's thread is told.
enum Word {
    Cmd(MediaCmd),
    Open { call: CallId, pairs: Vec<Arc<Pair>> },
    Board { board: BoardId, host: Arc<Host> },
    BoardGone { board: BoardId },
    Fall(&'static str),
}

/// Takes events; called on the plane's thread, must not block.
pub type Tell = Box<dyn FnMut(Option<CallId>, MediaEvent) + Send>;

/// A handle on the plane. Cheap to clone.
#[derive(Clone)]
pub struct Plane {
    words: SyncSender<Word>,
    bell: Arc<Bell>,
}

/// Wakes the thread. Rung once for all that waits: a bell that rings already is not rung again.
struct Bell {
    fd: EventFd,
    rings: AtomicBool,
}

impl Bell {
    fn new() -> io::Result<Bell> {
        let fd = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Bell { fd, rings: AtomicBool::new(false) })
    }

    /// After something was put where the thread will look.
    fn ring(&self) {
        if !self.rings.swap(true, Ordering::AcqRel) {
            let _ = self.fd.write(1);
        }
    }

    /// Before the thread looks: what is put there from now on rings anew.
    fn hush(&self) {
        let _ = self.fd.read();
        self.rings.swap(false, Ordering::AcqRel);
    }
}

/// Commands that may wait: a call needs about ten.
const WAITING: usize = 16_384;

impl Plane {
    /// Starts the thread.
    pub fn start(tell: Tell) -> io::Result<Plane> {
        let (words, heard) = sync_channel(WAITING);
        let bell = Arc::new(Bell::new()?);
        let rung = bell.clone();
        let (ready, is_ready) = sync_channel(1);
        std::thread::Builder::new().name("media".to_owned()).spawn(move || {
            // Made on its thread: its receive buffers are full of pointers into themselves.
            match plane::Plane::new(heard, rung, tell) {
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
        Ok(Plane { words, bell })
    }

    /// Asks for something.
    pub fn send(&self, cmd: MediaCmd) {
        self.say(Word::Cmd(cmd));
    }

    /// A call has these ports from now until `MediaCmd::Close`.
    pub fn open(&self, call: CallId, lease: &Lease) {
        self.say(Word::Open { call, pairs: lease.pairs().cloned().collect() });
    }

    /// A board's sound runs.
    pub fn board(&self, board: BoardId, host: Arc<Host>) {
        self.say(Word::Board { board, host });
    }

    /// A board is gone.
    pub fn board_gone(&self, board: BoardId) {
        self.say(Word::BoardGone { board });
    }

    /// A panic in the thread (developer mode): the process must not outlive it.
    pub fn fall(&self, why: &'static str) {
        self.say(Word::Fall(why));
    }

    fn say(&self, word: Word) {
        match self.words.try_send(word) {
            Ok(()) => self.bell.ring(),
            Err(TrySendError::Full(_)) => {
                tracing::error!("the media plane is overloaded: a command was dropped")
            }
            Err(TrySendError::Disconnected(_)) => tracing::error!("the media plane is gone"),
        }
    }
}
