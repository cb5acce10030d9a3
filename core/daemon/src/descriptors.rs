//! File descriptors: every call, SIP connection and HTTP connection holds some, and a process that has none left answers
//! nobody. So the limit is raised as far as it goes at the start, and then shared out: what strangers can open never uses
//! up what calls need, and what emergency calls need is open before anybody else comes.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Calls, SIP connections and HTTP connections that the limit of open files carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The limit itself.
    pub limit: u64,
    /// Calls at once, emergency calls apart.
    pub calls: usize,
    /// SIP connections at once.
    pub sip_connections: usize,
    /// HTTP connections at once.
    pub http_connections: usize,
    /// RTP port pairs that stay open between calls.
    pub idle_pairs: usize,
}

/// What would be used if nothing were scarce.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// `limits.calls`.
    pub calls: usize,
    /// Boards: each has a control socket, audio rings and their wakers.
    pub boards: usize,
}

/// Descriptors of the exchange itself: journal and index, listening sockets, epoll, timers, threads, plugins; and what is
/// opened for a moment, such as DNS queries, connections to providers and files that a request reads.
const OWN: u64 = 96;
/// Descriptors for each board.
const BOARD: u64 = 8;
/// Descriptors of a call: RTP and RTCP of both sides, and the file of a recording.
const CALL: u64 = 5;
/// RTP and RTCP of the pairs that are kept for emergency calls.
const EMERGENCY: u64 = 2 * crate::media::KEPT as u64;
/// Most SIP connections at once, however high the limit is: each holds memory, too.
const SIP: u64 = 512;
/// Most HTTP connections at once.
const HTTP: u64 = 512;
/// A pair that stays open is leased again without a system call, and late packets of its last call are dropped quietly.
const IDLE: usize = 256;

impl Budget {
    /// Shares out this limit.
    pub fn of(limit: u64, wanted: Wanted) -> Budget {
        // Under a limit that is too small even for the exchange itself, a third is still shared out: better a few
        // calls with some luck than none.
        let own = (OWN + BOARD * wanted.boards as u64 + EMERGENCY).min(limit * 2 / 3);
        let rest = limit - own;
        let sip = (rest / 5).clamp(4, SIP);
        let http = (rest / 8).clamp(4, HTTP);
        let calls = usize::try_from(rest.saturating_sub(sip + http) / CALL).unwrap_or(usize::MAX);
        let calls = calls.clamp(1, wanted.calls.max(1));
        Budget {
            limit,
            calls,
            sip_connections: sip as usize,
            http_connections: http as usize,
            // The sockets of pairs at rest are those of calls that are not there.
            idle_pairs: IDLE.min(calls),
        }
    }

    /// What an operator should know: fewer calls than the configuration allows.
    pub fn complaint(&self, wanted: Wanted) -> Option<String> {
        (self.calls < wanted.calls).then(|| {
            format!(
                "this process may open {} files, which is enough for {} calls at once, {} SIP and {} HTTP connections; \
                 limits.calls is {}. Raise the limit (LimitNOFILE= of the systemd unit, ulimit -Hn) or lower limits.calls",
                self.limit, self.calls, self.sip_connections, self.http_connections, wanted.calls
            )
        })
    }
}

/// Raises the limit of open files to the highest that this process may have, and answers what it is now.
///
/// # Errors
/// The limit cannot be read. One that cannot be raised is not an error.
pub fn raise() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        return Ok(hard);
    }
    Ok(soft)
}

/// How many descriptors are open now.
pub fn open() -> u64 {
    // The folder that is read is one of them.
    std::fs::read_dir("/proc/self/fd").map_or(0, |entries| (entries.count() as u64).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Never more is shared out than there is.
    #[test]
    fn shares_fit_into_the_limit() {
        for limit in (64..4096).chain([20_000, 1 << 20, u64::MAX >> 1]) {
            for boards in [0, 1, 4] {
                let wanted = Wanted { calls: 1000, boards };
                let budget = Budget::of(limit, wanted);
                let shared = budget.calls as u64 * CALL
                    + budget.sip_connections as u64
                    + budget.http_connections as u64
                    + EMERGENCY;
                assert!(shared < limit, "{budget:?} shares out {shared}");
                if limit >= 256 {
                    assert!(shared + OWN + BOARD * boards as u64 <= limit, "{budget:?} leaves too little");
                    assert!(budget.calls >= 10, "{budget:?}");
                }
                assert!(2 * budget.idle_pairs <= budget.calls * CALL as usize);
                assert_eq!(budget.complaint(wanted).is_some(), budget.calls < 1000);
            }
        }
    }

    #[test]
    fn a_usual_limit_carries_what_is_configured() {
        let wanted = Wanted { calls: 1000, boards: 2 };
        let budget = Budget::of(524_288, wanted);
        assert_eq!((budget.calls, budget.sip_connections, budget.http_connections), (1000, 512, 512));
        assert_eq!(budget.complaint(wanted), None);
        let few = Budget::of(1024, wanted).complaint(wanted).expect("1,024 files are not enough");
        assert!(few.contains("may open 1024 files") && few.contains("LimitNOFILE"), "{few}");
    }

    #[test]
    fn the_soft_limit_is_raised() {
        let now = raise().unwrap();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!((soft, now), (hard, hard));
        assert!(open() > 2);
    }
}
