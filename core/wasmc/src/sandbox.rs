//! What the compiler may use and do. It cannot open a file or a socket, start a program, or outlive the exchange.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use ringtrip_wasm_engine::Request;
use rustix::process::{Resource, Rlimit, Signal, nice, set_parent_process_death_signal, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// Behind everything else that the machine does: calls do not wait for an install.
const NICE: i32 = 10;

/// Sets the limits of this process.
///
/// # Errors
///
/// The system refused one of them.
pub fn limit(request: &Request) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // Where memory runs out, the exchange is not what ends. Some containers do not let this be said.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    let both = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::As, both(request.memory << 20))?;
    // At the soft limit the system sends SIGXCPU, which says why; a second later it kills.
    setrlimit(Resource::Cpu, Rlimit { current: Some(request.cpu), maximum: Some(request.cpu + 1) })?;
    setrlimit(Resource::Nofile, both(16))?;
    setrlimit(Resource::Core, both(0))?;
    nice(NICE)?;
    Ok(())
}

/// From now on all threads compute, and talk to the three standard streams; every other system call fails with `EPERM`.
///
/// # Errors
///
/// The kernel has no such filter, or no list is known for this processor.
pub fn close() -> Result<(), seccompiler::Error> {
    seccompiler::apply_filter_all_threads(&filter()?)
}

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let rules: BTreeMap<i64, _> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    SeccompFilter::new(rules, denied, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?.try_into()
}

/// Memory, locks, the standard streams, the end. Descriptors come from nowhere else, so `read` and `write` reach nothing
/// but the streams.
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_lseek,
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // An abort: the memory limit was met.
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::{TcpStream, UdpSocket};
    use std::process::Command;

    use super::*;

    /// Only the thread that asks is shut in here: the others belong to other tests.
    #[test]
    fn no_file_no_network_no_program_once_it_is_closed() {
        let before = UdpSocket::bind("127.0.0.1:0").and_then(|_| File::open("/proc/self/status"));
        assert!(before.is_ok(), "without the sandbox all of it works: {before:?}");
        let shut_in = std::thread::spawn(|| {
            seccompiler::apply_filter(&filter().expect("a filter for this processor"))
                .expect("the filter is installed");
            let kinds = [
                File::open("/proc/self/status").map(drop),
                File::create("/tmp/ringtrip-wasmc-test").map(drop),
                UdpSocket::bind("127.0.0.1:0").map(drop),
                TcpStream::connect("127.0.0.1:9").map(drop),
                Command::new("/bin/true").spawn().map(drop),
            ];
            kinds.map(|done| done.map_err(|e| e.kind()))
        });
        let denied = Err(io::ErrorKind::PermissionDenied);
        assert_eq!(shut_in.join().expect("computing goes on"), [denied; 5]);
    }
}
