//! The board process: opens one board and pumps it, with the daemon at the other end of a socket.
//!
//! One thread does everything, because the driver ABI wants one thread and the board is the time master: a command waits
//! for the end of the running tick, at most one frame.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::eventfd::EventFd;
use nix::sys::socket::MsgFlags;
use ringtrip_driver::Event;
use ringtrip_driver::abi::{self, LineDriverV1};

use crate::board::{self, Board, DriverCallbacks};
use crate::protocol::{Asked, Figures, FromBoard, Notification, PortEvent, ToBoard};
use crate::ring::{self, Geometry, Reader, Stamp, Writer};
use crate::wire::{self, BadPacket, Joiner, Read};

/// Where the function table comes from.
#[derive(Clone, Copy)]
pub enum Source {
    /// The shared object that [`ToBoard::Open`] names.
    Load,
    /// A driver linked into this program (in-process mode, tests).
    Linked(&'static LineDriverV1),
}

/// Why a board process ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The daemon said so or went away.
    #[error("the daemon is gone")]
    Daemon,
    /// The daemon does not speak our language.
    #[error("the daemon sent nonsense: {0}")]
    Nonsense(#[from] BadPacket),
    /// The driver cannot be used.
    #[error(transparent)]
    Unusable(#[from] board::Unusable),
    /// The board went away or fails all the time.
    #[error("the board is gone: {0}")]
    BoardGone(std::io::Error),
    /// The daemon takes nothing off the socket any more.
    #[error("{0} packets wait for the daemon, which does not read")]
    Deaf(usize),
    /// A system call failed.
    #[error("{what} failed: {errno}")]
    System {
        /// Which.
        what: &'static str,
        /// How.
        errno: Errno,
    },
}

const BEAT_NS: u64 = 100_000_000;
/// More waiting frames than this come from a daemon that was held up; playing them all would delay sound for good.
const TX_MOST: usize = 5;
/// What is left of them: enough to ride out the daemon's jitter.
const TX_KEEP: usize = 2;
/// Frames in which a spare one must have waited all the time before it counts as one too many: 2 s of 10 ms.
const SPARE_FRAMES: u32 = 200;
/// Packets that may wait for a slow daemon: some seconds of events, and several long answers.
const OUTBOX_MOST: usize = 4096;
/// Ticks that may fail in a row before the board counts as gone (half a second or so).
const FAILS_MOST: u32 = 50;

/// Serves one board on the socket until the daemon stops it or goes away.
///
/// # Errors
/// Why it ended before the daemon stopped it: the driver cannot be used, the board is gone, the daemon went away, broke the
/// protocol or stopped reading, or a system call failed.
pub fn serve(socket: OwnedFd, source: Source) -> Result<(), Ended> {
    let mut buf = vec![0; wire::MAX_PACKET];
    let (first, _) = next(&socket, &mut buf)?;
    let ToBoard::Open { driver, board, cfg } = first else {
        return Err(BadPacket::Unknown("the first word must be open".into()).into());
    };
    let callbacks = Rc::new(RefCell::new(Talk::default()));
    let opened = match source {
        Source::Load => board::load(Path::new(&driver)),
        Source::Linked(table) => board::checked(table, &driver),
    };
    let opened = opened.and_then(|table| Board::open(table, &board, &cfg, callbacks.clone()));
    let (board, info) = match opened.and_then(|b| b.info().map(|info| (b, info))) {
        Ok(both) => both,
        Err(e) => {
            let mut text = e.to_string();
            // The driver's own words say more than its errno.
            for (_, said) in &callbacks.borrow().logs {
                text.push_str("; ");
                text.push_str(said);
            }
            let packet = wire::packet(&FromBoard::Failed { text }, &[]);
            let _ = wire::send(socket.as_fd(), &packet, &[], MsgFlags::empty());
            return Err(e.into());
        }
    };
    let ports = info.ports.len();
    wire::send(socket.as_fd(), &wire::packet(&FromBoard::Hello(info), &[]), &[], MsgFlags::empty())
        .map_err(|_| Ended::Daemon)?;

    let (start, fds) = next(&socket, &mut buf)?;
    let ToBoard::Start { frame_us, slots } = start else {
        return Err(BadPacket::Unknown("the second word must be start".into()).into());
    };
    let Ok([memory, wake]) = <[OwnedFd; 2]>::try_from(fds) else {
        return Err(BadPacket::Unknown("start needs two descriptors".into()).into());
    };
    let geometry = Geometry { ports, samples: frame_us as usize / 125, slots: slots as usize };
    let (rx, tx) = ring::board_ends(&memory, geometry)
        .map_err(|errno| Ended::System { what: "mapping the audio rings", errno })?;
    // SAFETY: the descriptor is ours, and the daemon made it with eventfd(); on anything else a write fails or is lost.
    let wake = unsafe { EventFd::from_owned_fd(wake) };
    callbacks.borrow_mut().sound = Some(Sound {
        rx,
        tx,
        wake,
        figures: Figures::default(),
        clock: Clock::default(),
        spare: Spare::default(),
        answer: Answer::default(),
        is_answered: false,
    });
    board.audio_start(frame_us)?;
    Loop { socket, board, callbacks, buf, joiner: Joiner::default(), outbox: VecDeque::new(), beat_at: 0 }
        .run(frame_us)
}

fn next(socket: &OwnedFd, buf: &mut [u8]) -> Result<(ToBoard, Vec<OwnedFd>), Ended> {
    match wire::receive(socket.as_fd(), buf, MsgFlags::empty()) {
        Ok(Read::Packet(n, fds)) => Ok((wire::parse(buf.get(..n).unwrap_or_default())?.0, fds)),
        Ok(Read::TooLong) => Err(BadPacket::Long.into()),
        Ok(Read::Empty | Read::Closed) => Err(Ended::Daemon),
        Err(errno) => Err(Ended::System { what: "reading the control socket", errno }),
    }
}

/// What the driver said since the last look, and where sound goes.
#[derive(Default)]
struct Talk {
    logs: Vec<(u32, String)>,
    events: Vec<Event>,
    sound: Option<Sound>,
}

struct Sound {
    rx: Writer,
    tx: Reader,
    wake: EventFd,
    figures: Figures,
    clock: Clock,
    spare: Spare,
    answer: Answer,
    /// The daemon has answered a frame: until it does there is nothing to play, and nothing is missing.
    is_answered: bool,
}

/// Waits for the daemon's answer to the frame that it was just given: taken at once, it is heard one frame sooner.
#[derive(Default)]
struct Answer {
    /// Frames that were waited for in vain, one after the other.
    vain: u32,
    /// Frames for which nobody waits.
    off: u32,
}

/// How long an answer is waited for, and looked for: of a frame of 10 ms the board has most to itself.
const ANSWER: Duration = Duration::from_millis(2);
const LOOK: Duration = Duration::from_micros(100);
/// Answers that may be late one after the other before nobody waits for 10 s.
const VAIN_MOST: u32 = 5;
const VAIN_OFF: u32 = 1000;

impl Answer {
    fn wait(&mut self, tx: &mut Reader) {
        if self.off > 0 {
            self.off -= 1;
            return;
        }
        let mut left = ANSWER;
        while tx.waiting() == 0 {
            if left.is_zero() {
                self.vain += 1;
                if self.vain >= VAIN_MOST {
                    (self.vain, self.off) = (0, VAIN_OFF);
                }
                return;
            }
            std::thread::sleep(LOOK);
            left = left.saturating_sub(LOOK);
        }
        self.vain = 0;
    }
}

/// Finds out that more frames wait than the daemon's jitter needs. Each time that the daemon was late, one more frame waits
/// for good, and everybody hears everybody 10 ms later; in a silence one can be left out unheard.
#[derive(Default)]
struct Spare {
    /// The fewest that waited in this round, and how far the round is.
    least: Option<usize>,
    frames: u32,
    /// One is too many.
    found: bool,
}

/// Compares sample count and `CLOCK_MONOTONIC`: a first-order loop over the rate of each second.
#[derive(Default)]
struct Clock {
    from: Option<(u64, u64)>,
    ppm: f32,
}

struct Loop {
    socket: OwnedFd,
    board: Board,
    callbacks: Rc<RefCell<Talk>>,
    buf: Vec<u8>,
    joiner: Joiner,
    outbox: VecDeque<Vec<u8>>,
    beat_at: u64,
}

impl DriverCallbacks for Talk {
    fn log(&mut self, level: u32, text: String) {
        // A driver that logs without end gets no more than this a tick.
        if self.logs.len() < 64 {
            self.logs.push((level, text));
        }
    }
    fn event(&mut self, event: Event) {
        if self.events.len() < 1024 {
            self.events.push(event);
        }
    }
    fn frame(&mut self, rx: &[i16], tx: &mut [i16], sample: u64, mono_ns: u64) {
        let Some(sound) = &mut self.sound else {
            tx.fill(0);
            return;
        };
        let figures = &mut sound.figures;
        figures.frames += 1;
        if !sound.rx.push(rx, Stamp { sample, mono_ns }) {
            figures.rx_overruns += 1;
        }
        // EAGAIN means that the counter is at its end, so the daemon has been woken anyway.
        let _ = sound.wake.write(1);
        sound.answer.wait(&mut sound.tx);
        if sound.tx.waiting() > TX_MOST {
            figures.tx_dropped += sound.tx.skip_to(TX_KEEP) as u64;
        }
        let taken = sound.tx.pop(tx);
        sound.is_answered |= taken.is_some();
        if let Some(stamp) = taken {
            let samples = sound.tx.geometry().samples as u64;
            sound.tx.tell_age(sample.wrapping_sub(stamp.sample) / samples.max(1));
        }
        if taken.is_none() {
            tx.fill(0);
            figures.tx_underruns += u64::from(sound.is_answered);
        } else if sound.spare.look(sound.tx.waiting()) && tx.iter().all(|s| *s == 0) {
            sound.spare = Spare::default();
            if sound.tx.pop(tx).is_some() {
                figures.tx_dropped += 1;
            }
        }
        sound.clock.tick(sample, mono_ns);
        figures.ppm = sound.clock.ppm;
    }
}

impl Spare {
    /// So many frames wait behind the one that was taken. True while one is too many.
    fn look(&mut self, waiting: usize) -> bool {
        self.least = Some(self.least.map_or(waiting, |least| least.min(waiting)));
        self.frames += 1;
        if self.frames >= SPARE_FRAMES {
            self.found = self.least.is_some_and(|least| least > 0);
            (self.least, self.frames) = (None, 0);
        }
        self.found
    }
}

impl Clock {
    fn tick(&mut self, sample: u64, mono_ns: u64) {
        let Some((sample0, ns0)) = self.from else {
            self.from = Some((sample, mono_ns));
            return;
        };
        let (samples, ns) = (sample.wrapping_sub(sample0), mono_ns.wrapping_sub(ns0));
        if samples < 8000 || ns == 0 {
            return;
        }
        let measured = ((samples as f64 * 125_000.0 / ns as f64 - 1.0) * 1e6) as f32;
        if measured.is_finite() {
            self.ppm += (measured.clamp(-5000.0, 5000.0) - self.ppm) * 0.1;
        }
        self.from = Some((sample, mono_ns));
    }
}

impl Loop {
    fn run(mut self, frame_us: u32) -> Result<(), Ended> {
        let mut fails = 0;
        loop {
            let rc = self.board.pump(2 * frame_us);
            fails = if rc < 0 { fails + 1 } else { 0 };
            if rc == -libc::ENODEV || fails > FAILS_MOST {
                let _ = self.relay();
                return Err(Ended::BoardGone(std::io::Error::from_raw_os_error(rc.saturating_neg())));
            }
            if rc < 0 {
                // A tick that fails at once must not spin.
                std::thread::sleep(Duration::from_micros(frame_us.into()));
            }
            self.relay()?;
            if self.obey()? {
                return Ok(());
            }
        }
    }

    /// Passes on what the driver said, and the heartbeat.
    fn relay(&mut self) -> Result<(), Ended> {
        let (logs, events, figures) = {
            let mut talk = self.callbacks.borrow_mut();
            let figures = talk.sound.as_ref().map(|s| s.figures).unwrap_or_default();
            (std::mem::take(&mut talk.logs), std::mem::take(&mut talk.events), figures)
        };
        for (level, text) in logs {
            self.notify(Notification::Log {
                level: level.clamp(abi::log::ERROR, abi::log::DEBUG) as u8,
                text,
            });
        }
        for e in events {
            let Ok(port) = u16::try_from(e.port) else { continue };
            let event = PortEvent::from(e.kind);
            self.notify(Notification::Event { port, mono_ns: e.mono_ns, sample: e.sample, event });
        }
        let now = board::now_ns();
        if now >= self.beat_at {
            self.beat_at = now + BEAT_NS;
            self.notify(Notification::Beat(figures));
        }
        self.flush()
    }

    /// Does what the daemon said meanwhile; true when it said stop.
    fn obey(&mut self) -> Result<bool, Ended> {
        loop {
            let n = match wire::receive(self.socket.as_fd(), &mut self.buf, MsgFlags::MSG_DONTWAIT) {
                Ok(Read::Packet(n, _)) => n,
                Ok(Read::Empty) => return self.relay().map(|()| false),
                Ok(Read::Closed) => return Err(Ended::Daemon),
                Ok(Read::TooLong) => return Err(BadPacket::Long.into()),
                Err(errno) => return Err(Ended::System { what: "reading the control socket", errno }),
            };
            let (msg, blob) = wire::parse::<ToBoard>(self.buf.get(..n).unwrap_or_default())?;
            match msg {
                ToBoard::Configure { port, cfg } => {
                    let rc = self.board.configure(port, &cfg);
                    self.refused(port, Asked::Configure, rc);
                }
                ToBoard::Cmd { port, cmd } => {
                    let rc = self.board.command(port, &cmd);
                    self.refused(port, Asked::Cmd { cmd }, rc);
                }
                ToBoard::Status { port } => match self.board.status(port) {
                    Ok(status) => self.notify(Notification::Status { port, status }),
                    Err(rc) => self.refused(port, Asked::Status, rc),
                },
                ToBoard::Diag { port, test } => match self.board.diag(port, test) {
                    Ok(results) => self.notify(Notification::Diag { port, results }),
                    Err(rc) => self.refused(port, Asked::Diag { test }, rc),
                },
                ToBoard::Ask { id, name, more } => {
                    if let Some(request) = self.joiner.take(id, blob, more)? {
                        let (errno, answer) = self.board.ask(&name, &request);
                        let pieces = wire::pieces(&answer, |more| FromBoard::Answer { id, errno, more });
                        self.outbox.extend(pieces);
                    }
                }
                ToBoard::Stop => return Ok(true),
                ToBoard::Open { .. } | ToBoard::Start { .. } => {
                    return Err(BadPacket::Unknown("the board is open already".into()).into());
                }
            }
        }
    }

    fn refused(&mut self, port: u16, what: Asked, rc: i32) {
        if rc < 0 {
            self.notify(Notification::Refused { port, what, errno: rc.saturating_neg() });
        }
    }

    fn notify(&mut self, notification: Notification) {
        self.outbox.push_back(wire::packet(&FromBoard::Notification(notification), &[]));
    }

    fn flush(&mut self) -> Result<(), Ended> {
        while let Some(packet) = self.outbox.front() {
            match wire::send(self.socket.as_fd(), packet, &[], MsgFlags::MSG_DONTWAIT) {
                Ok(()) => drop(self.outbox.pop_front()),
                Err(Errno::EAGAIN) if self.outbox.len() > OUTBOX_MOST => {
                    return Err(Ended::Deaf(self.outbox.len()));
                }
                Err(Errno::EAGAIN) => return Ok(()),
                Err(_) => return Err(Ended::Daemon),
            }
        }
        Ok(())
    }
}

/// Watches for the daemon's end from a second thread, for the time when the driver hangs and the board thread sees nothing.
///
/// # Errors
/// The descriptor cannot be duplicated, or the thread cannot be started.
pub fn watch_daemon(socket: &OwnedFd) -> std::io::Result<()> {
    let watched = socket.try_clone()?;
    std::thread::Builder::new().name("daemon-watch".into()).spawn(move || {
        let mut fds = [libc::pollfd { fd: watched.as_raw_fd(), events: 0, revents: 0 }];
        loop {
            // SAFETY: one valid pollfd; with no events asked for, poll returns on hang-up only.
            let n = unsafe { libc::poll(fds.as_mut_ptr(), 1, -1) };
            if n > 0 {
                // The board thread sees the end by itself within a frame or two, and closes the board in order.
                std::thread::sleep(Duration::from_millis(300));
                std::process::exit(0);
            }
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Spare;

    #[test]
    fn a_frame_too_many_is_found_when_it_is_never_needed() {
        let mut spare = Spare::default();
        assert!((0..1000).all(|n| !spare.look(usize::from(n % 150 != 0))), "it was needed each round");
        assert!((0..1000).any(|_| spare.look(1)), "it was never needed");
        let mut steady = Spare::default();
        assert!((0..1000).all(|_| !steady.look(0)));
    }
}
