//! Sound cannot wait: a board takes a frame every 10 ms, and a frame that comes late is a hole in what people hear. The
//! threads that move board sound do little, but they must do it before everything else on the machine.

use std::io;

/// Lowest of the real-time priorities that still stands before all ordinary threads: kernel threads and watchdogs keep
/// theirs.
const PRIORITY: libc::c_int = 5;

/// Runs the calling thread before all ordinary ones (`SCHED_RR`). Processes and threads that it starts are ordinary
/// again. Needs `CAP_SYS_NICE` or a limit for it (`LimitRTPRIO=` of systemd); without it sound runs as well as
/// the machine's load allows.
///
/// # Errors
/// `EPERM`: the process may not use real-time priorities.
pub fn first() -> io::Result<()> {
    let param = libc::sched_param { sched_priority: PRIORITY };
    // SAFETY: 0 is the calling thread, and the parameter outlives the call.
    let rc =
        unsafe { libc::sched_setscheduler(0, libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, &raw const param) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Ends this process when it computes for so long without once waiting: at a real-time priority a driver that
/// spins would take a processor away from everybody.
///
/// # Errors
/// The error of `setrlimit`, as when a lower hard limit is set already.
pub fn spin_at_most(time: std::time::Duration) -> io::Result<()> {
    let most = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_RTTIME, most, most)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_comes_first_where_it_may() {
        std::thread::spawn(|| {
            let asked = first();
            // SAFETY: no memory is involved.
            let policy = unsafe { libc::sched_getscheduler(0) } & !libc::SCHED_RESET_ON_FORK;
            match asked {
                Ok(()) => assert_eq!(policy, libc::SCHED_RR),
                Err(e) => assert_eq!((e.raw_os_error(), policy), (Some(libc::EPERM), libc::SCHED_OTHER)),
            }
        })
        .join()
        .expect("no panic");
    }
}
