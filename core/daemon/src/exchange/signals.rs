//! Signals. TERM, INT and QUIT end the exchange in good order: calls get their BYE. HUP reads again what can be read
//! again. The default of most others is to end the process without a word to anybody; those are taken and do nothing.

use std::io;

use nix::sys::signal::Signal as Sig;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals whose default ends the process and that mean nothing to us. XFSZ is one of them: a limit on the size of files
/// then is an error of the write, like a full disk. PIPE is ignored by the runtime of Rust already.
const IGNORED: [Sig; 10] = [
    Sig::SIGUSR1,
    Sig::SIGUSR2,
    Sig::SIGALRM,
    Sig::SIGVTALRM,
    Sig::SIGPROF,
    Sig::SIGIO,
    Sig::SIGPWR,
    Sig::SIGSTKFLT,
    Sig::SIGXFSZ,
    Sig::SIGPIPE,
];
/// The real-time signals that the C library leaves to programs.
const REAL_TIME: std::ops::RangeInclusive<i32> = 35..=64;

/// What the exchange is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// End all calls, then the process.
    Stop,
    /// Read configuration, calendars, scripts and announcements again.
    Reload,
}

/// The signals of this process, taken from their defaults.
pub(super) struct Signals {
    stop: [Signal; 3],
    hangup: Signal,
}

impl Signals {
    /// From here on no signal but KILL ends the process before it is ready to.
    pub(super) fn take() -> io::Result<Signals> {
        for number in IGNORED.map(|sig| sig as i32).into_iter().chain(REAL_TIME) {
            // The default does not come back when the listener is dropped.
            drop(signal(SignalKind::from_raw(number))?);
        }
        let stop = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::quit()];
        let [terminate, interrupt, quit] = stop.map(signal);
        Ok(Signals { stop: [terminate?, interrupt?, quit?], hangup: signal(SignalKind::hangup())? })
    }

    /// The next request.
    pub(super) async fn next(&mut self) -> Request {
        let [terminate, interrupt, quit] = &mut self.stop;
        tokio::select! {
            _ = terminate.recv() => Request::Stop,
            _ = interrupt.recv() => Request::Stop,
            _ = quit.recv() => Request::Stop,
            _ = self.hangup.recv() => Request::Reload,
        }
    }
}
