//! RTP ports: leased two pairs at a time when a call is born, and back when the lease is dropped, whatever
//! happened to the call. Some sockets stay bound between calls, as many as the limit of open files carries; the one that
//! rested longest is leased next, so that late packets of one call do not meet the next. The pairs that are kept for
//! emergency calls are bound at the start and stay so: nothing that others open can take them away.
//!
//! The range of ports is shared out among the media workers, a stretch each: the pairs of a lease belong to one of them while
//! it has any.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use socket2::{Domain, Protocol, Socket, Type};

use crate::descriptors::Budget;
use crate::net;

/// RTP and RTCP sockets of one end: an even port and the odd one above it.
#[derive(Debug)]
pub struct Pair {
    /// The even port.
    pub port: u16,
    /// The media worker that it belongs to.
    pub worker: usize,
    /// RTP.
    pub rtp: UdpSocket,
    /// RTCP.
    pub rtcp: UdpSocket,
    /// Are the sockets IPv6 ones that carry IPv4 too?
    dual: bool,
    /// Was it never leased before?
    new: AtomicBool,
}

/// Two pairs on loan: the caller's side and the called side.
#[derive(Debug)]
pub struct Lease {
    pairs: Option<[Arc<Pair>; 2]>,
    pool: Pool,
}

/// Whose ports a call is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreferredWorker {
    /// Those of worker 0, where the boards are: a telephone or landline takes part.
    First,
    /// Those of whoever has lent the fewest.
    Any,
    /// The same, but worker 0 last: it has boards, and must not be late for them.
    Others,
}

/// All ports of the exchange.
#[derive(Debug, Clone)]
pub struct Pool(Arc<Mutex<Ports>>);

#[derive(Debug)]
struct Ports {
    /// What each worker has.
    stretches: Vec<Stretch>,
    /// Bound, and given to emergency calls alone.
    kept: VecDeque<Arc<Pair>>,
    leased: usize,
    /// How many pairs are kept.
    keep: usize,
    /// How many pairs may be bound, those that are kept apart, before idle ones are leased again.
    most_open: usize,
    /// How many pairs stay bound between calls.
    most_idle: usize,
}

/// The ports of one worker.
#[derive(Debug, Default)]
struct Stretch {
    /// Bound and not on loan, the one that rested longest first.
    idle: VecDeque<Arc<Pair>>,
    /// Even ports that are not bound, the one that rested longest first.
    unbound: VecDeque<u16>,
    /// How many pairs are on loan.
    on_loan: usize,
}

/// Pairs that are kept for emergency calls: two calls at once. A range of few ports keeps fewer.
pub const KEPT: usize = 4;
/// Pairs that stay bound when the exchange is quiet.
const QUIET: usize = 8;
/// Datagrams thrown away at once: a stranger who floods an idle port must not keep the thread.
const DRAINED: usize = 64;

impl Pool {
    /// A pool over this range of ports, inclusive; the first is rounded up to even. So many workers, at least one, share it.
    /// The pairs for emergency calls are bound now: `Err` says how many of how many could not be.
    pub fn new(
        (first, last): (u16, u16),
        budget: &Budget,
        workers: usize,
    ) -> (Pool, Result<(), (usize, usize)>) {
        let first = first.saturating_add(first % 2);
        let all: Vec<u16> = (first..last).step_by(2).collect();
        // Two pairs at least: a lease.
        let each = all.len().div_ceil(workers.max(1)).next_multiple_of(2).max(2);
        let stretch =
            |ports: &[u16]| Stretch { unbound: ports.iter().copied().collect(), ..Stretch::default() };
        let mut stretches: Vec<Stretch> = all.chunks(each).map(stretch).collect();
        stretches.resize_with(workers.max(1), Stretch::default);
        let mut ports = Ports {
            stretches,
            kept: VecDeque::new(),
            leased: 0,
            keep: 0,
            most_open: 2 * budget.calls,
            most_idle: budget.idle_pairs,
        };
        // A call has two.
        ports.keep = KEPT.min((ports.left() / 8).next_multiple_of(2));
        for _ in 0..ports.keep {
            // With the telephones.
            let pair = ports.bind(0);
            ports.kept.extend(pair);
        }
        let missing = ports.keep - ports.kept.len();
        let told = if missing == 0 { Ok(()) } else { Err((missing, ports.keep)) };
        (Pool(Arc::new(Mutex::new(ports))), told)
    }

    /// Two pairs, or `None` when all ports are in use, but for those that are kept. Of the worker that is meant, while it has
    /// any.
    pub fn lease(&self, worker: PreferredWorker) -> Option<Lease> {
        self.take(worker, |ports, worker| ports.take(worker))
    }

    /// The same for an emergency call: it is given the pairs that are kept when there are no others.
    pub fn lease_for_help(&self, worker: PreferredWorker) -> Option<Lease> {
        self.take(worker, |ports, worker| ports.take(worker).or_else(|| ports.kept.pop_front()))
    }

    fn take(
        &self,
        worker: PreferredWorker,
        pair: impl Fn(&mut Ports, usize) -> Option<Arc<Pair>>,
    ) -> Option<Lease> {
        let mut ports = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let worker = ports.preferred(worker);
        let a = pair(&mut ports, worker)?;
        let Some(b) = pair(&mut ports, a.worker) else {
            ports.give_back(a);
            return None;
        };
        for taken in [&a, &b] {
            ports.stretches[taken.worker].on_loan += 1;
        }
        ports.leased += 1;
        Some(Lease { pairs: Some([a, b]), pool: self.clone() })
    }

    /// Closes half of the sockets that are idle: called each minute, so that they are given back some minutes after
    /// the busy hour.
    pub fn tidy(&self) {
        let mut ports = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let surplus = ports.idle().saturating_sub(QUIET).div_ceil(2);
        (0..surplus).for_each(|_| ports.unbind_one());
    }

    /// How many leases are out.
    #[cfg(test)]
    fn leased(&self) -> usize {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).leased
    }
}

impl Ports {
    /// Pairs that are not on loan.
    fn left(&self) -> usize {
        let of = |stretch: &Stretch| stretch.idle.len() + stretch.unbound.len();
        self.kept.len() + self.stretches.iter().map(of).sum::<usize>()
    }

    fn preferred(&self, worker: PreferredWorker) -> usize {
        let first = match worker {
            PreferredWorker::First => return 0,
            PreferredWorker::Any => 0,
            PreferredWorker::Others => 1,
        };
        (first..self.stretches.len()).min_by_key(|n| self.stretches[*n].on_loan).unwrap_or(0)
    }

    /// Pairs that are bound and not on loan.
    fn idle(&self) -> usize {
        self.stretches.iter().map(|stretch| stretch.idle.len()).sum()
    }

    /// Closes the pair that rested longest where most rest.
    fn unbind_one(&mut self) {
        let most = self.stretches.iter_mut().max_by_key(|stretch| stretch.idle.len());
        if let Some(stretch) = most
            && let Some(oldest) = stretch.idle.pop_front()
        {
            stretch.unbound.push_back(oldest.port);
        }
    }

    /// A pair of this worker, or of the others when it has none.
    fn take(&mut self, worker: usize) -> Option<Arc<Pair>> {
        let others = (0..self.stretches.len()).filter(move |n| *n != worker);
        std::iter::once(worker).chain(others).find_map(|n| self.take_of(n))
    }

    fn take_of(&mut self, worker: usize) -> Option<Arc<Pair>> {
        // New ports first while few are open: the longer a port rests the better.
        let idle = self.idle();
        let open = 2 * self.leased + idle;
        if idle < self.most_idle
            && open < self.most_open
            && let Some(pair) = self.bind(worker)
        {
            return Some(pair);
        }
        self.stretches.get_mut(worker)?.idle.pop_front().or_else(|| self.bind(worker))
    }

    /// Binds the next pair of this worker that nobody else has.
    fn bind(&mut self, worker: usize) -> Option<Arc<Pair>> {
        let stretch = self.stretches.get_mut(worker)?;
        // Each is tried once: a port that another program has may be free later.
        for _ in 0..stretch.unbound.len() {
            let port = stretch.unbound.pop_front()?;
            match Pair::bind(port, worker) {
                Ok(pair) => return Some(Arc::new(pair)),
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => stretch.unbound.push_back(port),
                Err(e) => {
                    stretch.unbound.push_back(port);
                    crate::logging::warn_counted("rtp-bind", || format!("cannot bind RTP port {port}: {e}"));
                    return None;
                }
            }
        }
        None
    }

    fn give_back(&mut self, pair: Arc<Pair>) {
        if self.kept.len() < self.keep {
            self.kept.push_back(pair);
            return;
        }
        if let Some(stretch) = self.stretches.get_mut(pair.worker) {
            stretch.idle.push_back(pair);
        }
        while self.idle() > self.most_idle {
            self.unbind_one();
        }
    }
}

impl Lease {
    /// The even ports: the caller's side, the called side.
    pub fn ports(&self) -> [u16; 2] {
        self.pairs.as_ref().map_or([0, 0], |[a, b]| [a.port, b.port])
    }
    /// The sockets.
    pub fn pairs(&self) -> impl Iterator<Item = &Arc<Pair>> {
        self.pairs.iter().flatten()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut ports = self.pool.0.lock().unwrap_or_else(|e| e.into_inner());
        ports.leased = ports.leased.saturating_sub(1);
        for pair in self.pairs.take().into_iter().flatten() {
            if let Some(stretch) = ports.stretches.get_mut(pair.worker) {
                stretch.on_loan = stretch.on_loan.saturating_sub(1);
            }
            ports.give_back(pair);
        }
    }
}

impl Pair {
    fn bind(port: u16, worker: usize) -> io::Result<Pair> {
        let (rtp, rtcp) = (bound(port)?, bound(port + 1)?);
        let dual = rtp.local_addr()?.is_ipv6();
        Ok(Pair { port, worker, rtp, rtcp, dual, new: AtomicBool::new(true) })
    }

    /// Is this its first call? Says so once.
    pub fn is_new(&self) -> bool {
        self.new.swap(false, Ordering::Relaxed)
    }

    /// Throws away what comes while nobody has the port.
    pub fn drain(&self) {
        let mut buffer = [0; 64];
        for socket in [&self.rtp, &self.rtcp] {
            for _ in 0..DRAINED {
                if socket.recv(&mut buffer).is_err() {
                    break;
                }
            }
        }
    }

    /// Sends an RTP packet, from this address of ours if it matters.
    pub fn send(&self, packet: &[u8], from: Option<IpAddr>, to: SocketAddr) {
        self.send_by(&self.rtp, packet, from, to);
    }

    /// Sends a report.
    pub fn send_rtcp(&self, packet: &[u8], from: Option<IpAddr>, to: SocketAddr) {
        self.send_by(&self.rtcp, packet, from, to);
    }

    fn send_by(&self, socket: &UdpSocket, packet: &[u8], from: Option<IpAddr>, to: SocketAddr) {
        let to = self.reach(to);
        let from = from.map(|ip| self.reach(SocketAddr::new(ip, 0)).ip());
        match from {
            // An address that we do not have any more leaves the choice to the kernel.
            Some(from) if net::send_from(socket, packet, from, to).is_ok() => {}
            _ => drop(socket.send_to(packet, to)),
        }
    }

    /// An address in the family of our sockets.
    pub fn reach(&self, to: SocketAddr) -> SocketAddr {
        match to {
            SocketAddr::V4(v4) if self.dual => (v4.ip().to_ipv6_mapped(), v4.port()).into(),
            other => other,
        }
    }
}

/// Both IP versions where there are both.
fn bound(port: u16) -> io::Result<UdpSocket> {
    let open = |domain, addr: SocketAddr| {
        let socket = Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        if domain == Domain::IPV6 {
            socket.set_only_v6(false)?;
        }
        // Expedited forwarding (SPA `RTP_ToS` 0xb8); a network that ignores it does no harm.
        let _ = socket.set_tos_v4(0xb8);
        socket.bind(&addr.into())?;
        io::Result::Ok(UdpSocket::from(socket))
    };
    match open(Domain::IPV6, (Ipv6Addr::UNSPECIFIED, port).into()) {
        Err(e) if e.kind() != io::ErrorKind::AddrInUse => {
            open(Domain::IPV4, (Ipv4Addr::UNSPECIFIED, port).into())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU16;

    use super::*;

    /// A stretch of so many pairs that nobody else on this machine uses; below the ports that the kernel gives out
    /// itself.
    fn stretch(pairs: u16) -> (u16, u16) {
        // Two tests do not search the same stretch.
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let first = 20_000 + 1_500 * NEXT.fetch_add(1, Ordering::Relaxed);
        let mut starts = (first..first + 1_400).step_by(16);
        let free = |start: &u16| (0..pairs).all(|n| Pair::bind(start + 2 * n, 0).is_ok());
        let start = starts.find(free).expect("a stretch of free ports");
        (start, start + 2 * pairs - 1)
    }

    fn budget(idle_pairs: usize) -> Budget {
        Budget { limit: 4096, calls: 256, sip_connections: 1, http_connections: 1, idle_pairs }
    }

    fn pool(pairs: u16) -> Pool {
        let (pool, bound) = Pool::new(stretch(pairs), &budget(256), 1);
        assert_eq!(bound, Ok(()));
        pool
    }

    /// Is this port free for others?
    fn is_free(port: u16) -> bool {
        Pair::bind(port, 0).is_ok()
    }

    #[test]
    fn ports_come_back_and_run_out() {
        let pool = pool(4);
        let one = pool.lease(PreferredWorker::Any).expect("four ports are two pairs each for two leases");
        let two = pool.lease(PreferredWorker::Any).expect("the second half");
        assert!(pool.lease(PreferredWorker::Any).is_none(), "all ports are out");
        assert_eq!(pool.leased(), 2);
        let ports = one.ports();
        drop(one);
        assert_eq!(pool.lease(PreferredWorker::Any).expect("they came back").ports(), ports);
        drop(two);
        assert_eq!(pool.leased(), 0);
    }

    #[test]
    fn the_last_ports_are_for_help() {
        let pool = pool(16);
        let ordinary: Vec<Lease> = std::iter::from_fn(|| pool.lease(PreferredWorker::Any)).collect();
        assert_eq!(ordinary.len(), 7, "one lease of eight is kept");
        let help = pool.lease_for_help(PreferredWorker::Any).expect("the one that is kept");
        assert!(
            pool.lease_for_help(PreferredWorker::Any).is_none() && pool.lease(PreferredWorker::Any).is_none()
        );
        drop(ordinary);
        assert!(pool.lease(PreferredWorker::Any).is_some());
        drop(help);
    }

    #[test]
    fn the_pairs_for_help_are_bound_at_the_start_and_stay_so() {
        let (first, last) = stretch(34);
        let (pool, bound) = Pool::new((first, last), &budget(0), 1);
        assert_eq!(bound, Ok(()));
        let kept = [first, first + 2, first + 4];
        assert_eq!(kept.map(is_free), [false, false, false]);
        let all: Vec<Lease> = std::iter::from_fn(|| pool.lease_for_help(PreferredWorker::Any)).collect();
        assert_eq!(all.len(), 17);
        drop(all);
        // Whichever came back first are kept now; with none that may stay idle, all others are free.
        let bound = (0..34).filter(|n| !is_free(first + 2 * n)).count();
        assert_eq!(bound, KEPT);
    }

    #[test]
    fn pairs_at_rest_are_given_back_with_time() {
        let (first, last) = stretch(38);
        let (pool, _) = Pool::new((first, last), &budget(12), 1);
        let leases: Vec<Lease> = std::iter::from_fn(|| pool.lease(PreferredWorker::Any)).collect();
        assert_eq!(leases.len(), 17);
        drop(leases);
        let bound = || (0..38).filter(|n| !is_free(first + 2 * n)).count();
        assert_eq!(bound(), KEPT + 12, "12 may stay");
        (0..5).for_each(|_| pool.tidy());
        assert_eq!(bound(), KEPT + QUIET);
        // Held: a lease that is dropped comes back at once.
        let again: Vec<Lease> = std::iter::from_fn(|| pool.lease(PreferredWorker::Any)).collect();
        assert_eq!(again.len(), 17, "all can be had again");
    }

    #[test]
    fn pairs_that_cannot_be_kept_are_told() {
        let (first, last) = stretch(24);
        let _others: Vec<Pair> = (0..23).map(|n| Pair::bind(first + 2 * n, 0).unwrap()).collect();
        let (_pool, bound) = Pool::new((first, last), &budget(0), 1);
        assert_eq!(bound, Err((3, 4)));
    }

    #[test]
    fn workers_share_the_range_and_a_lease_is_with_one_of_them() {
        let (first, last) = stretch(24);
        let (pool, bound) = Pool::new((first, last), &budget(256), 3);
        assert_eq!(bound, Ok(()));
        let workers = |lease: &Lease| lease.pairs().map(|pair| pair.worker).collect::<Vec<_>>();
        let leases: Vec<Lease> = (0..3).filter_map(|_| pool.lease(PreferredWorker::Any)).collect();
        let mut each: Vec<Vec<usize>> = leases.iter().map(workers).collect();
        each.sort();
        assert_eq!(each, [[0, 0], [1, 1], [2, 2]], "whoever has lent the fewest");
        for lease in &leases {
            let worker = workers(lease)[0] as u16;
            let own = first + 16 * worker..first + 16 * (worker + 1);
            assert!(lease.ports().iter().all(|port| own.contains(port)), "{:?} of {worker}", lease.ports());
        }
        let first = pool.lease(PreferredWorker::First).expect("one more of worker 0");
        assert_eq!(workers(&first), [0, 0]);
        drop(first);
        let others: Vec<Lease> = (0..6).filter_map(|_| pool.lease(PreferredWorker::Others)).collect();
        let of = |n: usize| others.iter().filter(|lease| workers(lease) == [n, n]).count();
        assert_eq!((of(0), of(1), of(2)), (0, 3, 3));
        // All can be had, whoever has them.
        let last = pool.lease(PreferredWorker::Others).expect("worker 0 has some");
        assert_eq!(workers(&last), [0, 0]);
        assert!(pool.lease(PreferredWorker::Any).is_none(), "four pairs of 24 are kept for emergency calls");
    }

    #[test]
    fn a_lease_comes_back_from_a_panic() {
        let pool = pool(2);
        let lease = pool.lease(PreferredWorker::Any).expect("two pairs");
        let fell = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _held = lease;
            panic!("the call fell");
        }));
        assert!(fell.is_err());
        assert_eq!(pool.leased(), 0);
    }
}
