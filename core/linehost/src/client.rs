//! The daemon's side: starts a board process and talks to it. Blocking calls and descriptors to poll, no runtime.
//!
//! A [`Host`] may be shared by threads: one reads [`Host::recv`], any may [`Host::send`]. The rings go to the thread that
//! moves the sound. When anything is wrong the answer is [`Gone`], once and for all: kill, tell the lines, [`spawn`] again.
//!
//! One thread per board is enough for messages, and one for the audio of all boards:
//!
//! ```no_run
//! # use std::time::Duration;
//! # use ringtrip_linehost::{Gone, Host, Notification, Received, Stamp};
//! fn messages(host: &Host) -> Gone {
//!     loop {
//!         match host.recv_within(Duration::from_millis(100)) {
//!             Ok(Some(Received::Notification(Notification::Event { port, event, .. }))) => println!("port {port}: {event:?}"),
//!             Ok(_) => {}
//!             Err(gone) => return gone,
//!         }
//!     }
//! }
//! fn sound(host: &Host) {
//!     let (mut rx, mut tx) = host.take_rings().expect("taken once");
//!     let mut frame = vec![0; rx.geometry().frame_len()];
//!     // Whenever host.wake_fd() is readable:
//!     host.clear_wake();
//!     while let Some(stamp) = rx.pop(&mut frame) {
//!         // Sample n of port p is frame[n * ports + p]. One frame back for each that came keeps the delay short.
//!         tx.push(&frame, stamp);
//!     }
//! }
//! ```

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, mpsc};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, setsockopt, socketpair, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use ringtrip_driver::abi::LineDriverV1;

use crate::protocol::{BoardInfo, FromBoard, Notification, PortCfg, PortCmd, ToBoard};
use crate::ring::{self, Geometry, RxRing, TxRing};
use crate::serve::{Source, serve};
use crate::wire::{self, BadPacket, Joiner, Read};

/// Which board to start, and how.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The `ringtrip-linehost` program.
    pub program: PathBuf,
    /// The driver's shared object.
    pub driver: PathBuf,
    /// Serial number of the board; empty for the first that the driver finds.
    pub board: String,
    /// The driver's configuration, JSON.
    pub cfg: String,
    /// Frame length: 5,000 or 10,000 µs.
    pub frame_us: u32,
    /// How long opening may take.
    pub open_within: Duration,
    /// A process that says nothing for this long hangs. It says something every 100 ms; with the default a hang is seen within
    /// half a second.
    pub silence: Duration,
}

impl Default for Spec {
    fn default() -> Self {
        Spec {
            program: PathBuf::from("ringtrip-linehost"),
            driver: PathBuf::new(),
            board: String::new(),
            cfg: "{}".into(),
            frame_us: 10_000,
            open_within: Duration::from_secs(5),
            silence: Duration::from_millis(400),
        }
    }
}

/// Why a board cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// Only 5 and 10 ms.
    #[error("a frame of {0} µs is not possible: use 5000 or 10000")]
    Frame(u32),
    /// The program does not start.
    #[error("{program} does not start: {source}")]
    Program {
        /// Which program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// The board process refused.
    #[error("{0}")]
    Failed(String),
    /// It did not answer in time.
    #[error("the board process did not open the board within {0:?}")]
    Late(Duration),
    /// It ended instead of answering.
    #[error("the board process ended while opening the board: {0}")]
    Ended(#[from] Gone),
    /// A system call failed.
    #[error("{what} failed: {errno}")]
    System {
        /// Which.
        what: &'static str,
        /// How.
        errno: Errno,
    },
}

/// Why a board process is of no use any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Gone {
    /// It ended; how, when that is known.
    #[error("the board process ended ({0})")]
    Ended(String),
    /// It broke the protocol.
    #[error("the board process was dropped: {0}")]
    Garbage(#[from] BadPacket),
    /// It says nothing any more.
    #[error("the board process has said nothing for {0:?}")]
    Silent(Duration),
}

/// What a board process says once it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// Something of its own accord.
    Notification(Notification),
    /// Answer to [`Host::ask`].
    Answer {
        /// What `ask` returned.
        id: u64,
        /// The answer, or why there is none.
        result: Result<Vec<u8>, AskError>,
    },
}

/// The driver refused a question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct AskError {
    /// Positive errno; `EINVAL` for arguments that make no sense, `ENOTSUP` for an unknown name.
    pub errno: i32,
    /// The driver's message.
    pub text: String,
}

/// A running board process.
pub struct Host {
    info: BoardInfo,
    socket: OwnedFd,
    wake: EventFd,
    rings: Mutex<Option<(RxRing, TxRing)>>,
    inbox: Mutex<Inbox>,
    next_id: AtomicU64,
    silence: Duration,
    life: Mutex<Life>,
}

struct Inbox {
    buf: Vec<u8>,
    joiner: Joiner,
    last: Instant,
    gone: Option<Gone>,
}

enum Life {
    Process(Child),
    Thread(Option<std::thread::JoinHandle<()>>),
    /// Somebody else's; it ends when its socket does.
    Foreign,
}

/// Frames in each ring: 320 ms at 10 ms.
const SLOTS: u32 = 32;

/// Starts a board process and opens its board. Blocks until the board is open.
///
/// # Errors
/// The program does not start, ends, refuses to open the board, or does not open it in time.
pub fn spawn(spec: &Spec) -> Result<Host, SpawnError> {
    let (ours, theirs) = pair()?;
    let mut command = Command::new(&spec.program);
    // The driver gets its configuration by the socket; the daemon's environment may hold secrets.
    command.env_clear().stdin(Stdio::from(theirs)).stdout(Stdio::null());
    let program = spec.program.display().to_string();
    let child = spawner_run(command).map_err(|source| SpawnError::Program { program, source })?;
    opened(spec, ours, Life::Process(child))
}

/// Runs a linked driver on a thread of this process: for tests, and for debugging a driver.
///
/// # Errors
/// The thread cannot be started, or the driver cannot open the board.
pub fn in_process(spec: &Spec, table: &'static LineDriverV1) -> Result<Host, SpawnError> {
    let (ours, theirs) = pair()?;
    let thread = std::thread::Builder::new()
        .name("board".into())
        .spawn(move || drop(serve(theirs, Source::Linked(table))))
        .map_err(|source| SpawnError::Program { program: "a board thread".into(), source })?;
    opened(spec, ours, Life::Thread(Some(thread)))
}

/// Talks to a board process that somebody else started, over its `SOCK_SEQPACKET` socket.
///
/// # Errors
/// The process ends, refuses to open the board, or does not open it in time.
pub fn attach(spec: &Spec, socket: OwnedFd) -> Result<Host, SpawnError> {
    opened(spec, socket, Life::Foreign)
}

fn pair() -> Result<(OwnedFd, OwnedFd), SpawnError> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .map_err(|errno| SpawnError::System { what: "socketpair", errno })
}

/// Starts programs from one thread that never ends: the kernel's parent-death signal follows the thread that started a
/// child, and callers of [`spawn`] may be short-lived.
fn spawner_run(command: Command) -> std::io::Result<Child> {
    type Job = (Command, mpsc::Sender<std::io::Result<Child>>);
    static SPAWNER: OnceLock<Mutex<mpsc::Sender<Job>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs, todo) = mpsc::channel::<Job>();
        // When the thread cannot start, its receiver is dropped and every send below says so.
        let _ = std::thread::Builder::new().name("board-spawner".into()).spawn(move || {
            for (mut command, done) in todo {
                let _ = done.send(command.spawn());
            }
        });
        Mutex::new(jobs)
    });
    let gone = || std::io::Error::other("the spawner thread is gone");
    let (done, result) = mpsc::channel();
    lock(spawner).send((command, done)).map_err(|_| gone())?;
    result.recv().map_err(|_| gone())?
}

/// The handshake: open, hello, start.
fn opened(spec: &Spec, socket: OwnedFd, life: Life) -> Result<Host, SpawnError> {
    let system = |what| move |errno| SpawnError::System { what, errno };
    // Dropped on every way out of here that is not success, which kills the process.
    let wake =
        EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).map_err(system("eventfd"))?;
    let inbox =
        Inbox { buf: vec![0; wire::MAX_PACKET], joiner: Joiner::default(), last: Instant::now(), gone: None };
    let mut host = Host {
        info: BoardInfo {
            driver: String::new(),
            version: String::new(),
            model: String::new(),
            serial: String::new(),
            ports: Vec::new(),
        },
        socket,
        wake,
        rings: Mutex::new(None),
        inbox: Mutex::new(inbox),
        next_id: AtomicU64::new(1),
        silence: spec.silence,
        life: Mutex::new(life),
    };
    if spec.frame_us != 5_000 && spec.frame_us != 10_000 {
        return Err(SpawnError::Frame(spec.frame_us));
    }
    // A process that stops reading must not stop the daemon.
    setsockopt(&host.socket, sockopt::SendTimeout, &TimeVal::milliseconds(500))
        .map_err(system("setsockopt"))?;
    let driver = spec.driver.display().to_string();
    host.send(&ToBoard::Open { driver, board: spec.board.clone(), cfg: spec.cfg.clone() })?;

    let deadline = Instant::now() + spec.open_within;
    host.info = loop {
        if !host.readable_until(deadline) {
            return Err(SpawnError::Late(spec.open_within));
        }
        match host.packet()?.map(|(msg, _)| msg) {
            Some(FromBoard::Hello(info)) if (1..=256).contains(&info.ports.len()) => break info,
            Some(FromBoard::Failed { text }) => return Err(SpawnError::Failed(text)),
            None => {}
            Some(other) => {
                return Err(Gone::from(BadPacket::Unknown(format!("{other:?} before hello"))).into());
            }
        }
    };
    let samples = spec.frame_us as usize / 125;
    let geometry = Geometry { ports: host.info.ports.len(), samples, slots: SLOTS as usize };
    let memory = ring::create(geometry).map_err(system("making the audio rings"))?;
    host.rings =
        Mutex::new(Some(ring::daemon_ends(&memory, geometry).map_err(system("mapping the audio rings"))?));
    let start = wire::packet(&ToBoard::Start { frame_us: spec.frame_us, slots: SLOTS }, &[]);
    let fds = [memory.as_raw_fd(), host.wake.as_fd().as_raw_fd()];
    wire::send(host.socket.as_fd(), &start, &fds, MsgFlags::empty()).map_err(system("starting audio"))?;
    lock(&host.inbox).last = Instant::now();
    Ok(host)
}

impl Host {
    /// What the board is.
    pub fn info(&self) -> &BoardInfo {
        &self.info
    }

    /// The audio rings, once: they go to the thread that moves the sound.
    pub fn take_rings(&self) -> Option<(RxRing, TxRing)> {
        lock(&self.rings).take()
    }

    /// Readable when [`Host::recv`] has something to say. Poll it with a timeout below the watchdog's.
    pub fn control_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Readable when a frame was heard; [`Host::clear_wake`] makes it quiet again.
    pub fn wake_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Takes the wake-up; answers how many frames it stood for.
    pub fn clear_wake(&self) -> u64 {
        self.wake.read().unwrap_or(0)
    }

    /// The process, when there is one.
    pub fn pid(&self) -> Option<u32> {
        match &*lock(&self.life) {
            Life::Process(child) => Some(child.id()),
            Life::Thread(_) | Life::Foreign => None,
        }
    }

    /// Does something on a port.
    ///
    /// # Errors
    /// Those of [`Host::send`].
    pub fn command(&self, port: u16, cmd: PortCmd) -> Result<(), Gone> {
        self.send(&ToBoard::Cmd { port, cmd })
    }

    /// Configures a port.
    ///
    /// # Errors
    /// Those of [`Host::send`].
    pub fn configure(&self, port: u16, cfg: PortCfg) -> Result<(), Gone> {
        self.send(&ToBoard::Configure { port, cfg })
    }

    /// Asks the driver; [`Received::Answer`] with the returned id follows.
    ///
    /// # Errors
    /// Those of [`Host::send`].
    pub fn ask(&self, name: &str, request: &[u8]) -> Result<u64, Gone> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let request = request.get(..wire::MAX_BLOB).unwrap_or(request);
        for packet in wire::pieces(request, |more| ToBoard::Ask { id, name: name.to_owned(), more }) {
            self.put(&packet)?;
        }
        Ok(id)
    }

    /// Says something.
    ///
    /// # Errors
    /// The board process has ended, or takes no more messages.
    pub fn send(&self, msg: &ToBoard) -> Result<(), Gone> {
        self.put(&wire::packet(msg, &[]))
    }

    fn put(&self, packet: &[u8]) -> Result<(), Gone> {
        wire::send(self.socket.as_fd(), packet, &[], MsgFlags::empty()).map_err(|errno| match errno {
            Errno::EAGAIN => Gone::Silent(Duration::from_millis(500)),
            errno => self.ended(&errno.to_string()),
        })
    }

    /// The next thing that the board says; `None` when there is nothing now. Never blocks.
    ///
    /// # Errors
    /// The board process has ended, has broken the protocol, or has sent nothing for too long.
    pub fn recv(&self) -> Result<Option<Received>, Gone> {
        loop {
            let Some((msg, blob)) = self.packet()? else { return Ok(None) };
            let message = match msg {
                FromBoard::Notification(notification) => Received::Notification(notification),
                FromBoard::Answer { id, errno, more } => {
                    let joined = lock(&self.inbox).joiner.take(id, &blob, more);
                    let Some(whole) = joined.map_err(|bad| self.garbage(bad))? else { continue };
                    let result = match errno {
                        0 => Ok(whole),
                        errno => Err(AskError { errno, text: String::from_utf8_lossy(&whole).into_owned() }),
                    };
                    Received::Answer { id, result }
                }
                FromBoard::Hello(_) | FromBoard::Failed { .. } => {
                    return Err(self.garbage(BadPacket::Unknown("a second hello".into())));
                }
            };
            // A refusal may name a port that does not exist: that was the daemon's own mistake.
            if let Received::Notification(
                Notification::Event { port, .. }
                | Notification::Status { port, .. }
                | Notification::Diag { port, .. },
            ) = &message
                && usize::from(*port) >= self.info.ports.len()
            {
                return Err(self.garbage(BadPacket::Port(*port)));
            }
            return Ok(Some(message));
        }
    }

    /// Waits for the next thing that the board says, at most so long.
    ///
    /// # Errors
    /// Those of [`Host::recv`].
    pub fn recv_within(&self, wait: Duration) -> Result<Option<Received>, Gone> {
        let deadline = Instant::now() + wait;
        loop {
            if let Some(message) = self.recv()? {
                return Ok(Some(message));
            }
            // Short steps, so that a silent process is noticed on time.
            if !self.readable_until(deadline.min(Instant::now() + self.silence / 4))
                && Instant::now() >= deadline
            {
                return self.recv();
            }
        }
    }

    fn readable_until(&self, deadline: Instant) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX);
            let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Ok(0) if left.is_zero() => return false,
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return true,
                Err(_) => return false,
            }
        }
    }

    fn packet(&self) -> Result<Option<(FromBoard, Vec<u8>)>, Gone> {
        let mut inbox = lock(&self.inbox);
        if let Some(gone) = &inbox.gone {
            return Err(gone.clone());
        }
        let read = wire::receive(self.socket.as_fd(), &mut inbox.buf, MsgFlags::MSG_DONTWAIT);
        let result = match read {
            Ok(Read::Packet(n, _)) => {
                inbox.last = Instant::now();
                wire::parse(inbox.buf.get(..n).unwrap_or_default())
                    .map(|(msg, blob)| Some((msg, blob.to_vec())))
                    .map_err(Gone::Garbage)
            }
            Ok(Read::Empty) if !self.info.ports.is_empty() && inbox.last.elapsed() > self.silence => {
                Err(Gone::Silent(inbox.last.elapsed()))
            }
            Ok(Read::Empty) => Ok(None),
            Ok(Read::TooLong) => Err(Gone::Garbage(BadPacket::Long)),
            Ok(Read::Closed) => Err(self.ended("it closed its socket")),
            Err(errno) => Err(self.ended(&errno.to_string())),
        };
        if let Err(gone) = &result {
            inbox.gone = Some(gone.clone());
            drop(inbox);
            self.kill();
        }
        result
    }

    fn garbage(&self, bad: BadPacket) -> Gone {
        let gone = Gone::Garbage(bad);
        lock(&self.inbox).gone = Some(gone.clone());
        self.kill();
        gone
    }

    /// How the process ended; it closes its socket a moment before the kernel has its status ready.
    fn ended(&self, otherwise: &str) -> Gone {
        if let Life::Process(child) = &mut *lock(&self.life)
            && let Some(status) = ended_within(child, Duration::from_millis(50))
        {
            return Gone::Ended(status.to_string());
        }
        Gone::Ended(otherwise.to_owned())
    }

    /// Ends the process at once. The lines are gone; [`Host::recv`] says so.
    pub fn kill(&self) {
        let mut life = lock(&self.life);
        if let Life::Process(child) = &mut *life {
            let _ = child.kill();
            if ended_within(child, Duration::from_millis(200)).is_none()
                && let Life::Process(mut stuck) = std::mem::replace(&mut *life, Life::Foreign)
            {
                // Stuck in the kernel under a broken device: it must not hold up the daemon.
                let _ = std::thread::Builder::new().name("board-reaper".into()).spawn(move || stuck.wait());
            }
        }
        drop(life);
        let _ = nix::sys::socket::shutdown(self.socket.as_raw_fd(), nix::sys::socket::Shutdown::Both);
    }
}

/// How a process ended, if it does within this time.
fn ended_within(child: &mut Child, wait: Duration) -> Option<std::process::ExitStatus> {
    let until = Instant::now() + wait;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(1)),
            _ => return None,
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill();
        if let Life::Thread(thread) = &mut *lock(&self.life)
            && let Some(thread) = thread.take()
        {
            let _ = thread.join();
        }
    }
}

/// A thread that panicked while holding one of these locks left nothing half-done that matters.
fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
