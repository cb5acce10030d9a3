//! A board process ends with its daemon, and by nothing else that a terminal or a process manager sends to a whole group:
//! the daemon ends the calls of its lines first.

use nix::sys::signal::{SigSet, Signal};

/// Signals whose default ends the process.
const IGNORED: [Signal; 13] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
    Signal::SIGIO,
    Signal::SIGPWR,
    Signal::SIGSTKFLT,
    Signal::SIGXFSZ,
];

/// Keeps these signals from the calling thread and from those that it starts: called first, that is the whole process.
///
/// # Errors
/// The error of `pthread_sigmask`.
pub fn ignore() -> nix::Result<()> {
    IGNORED.into_iter().collect::<SigSet>().thread_block()
}
