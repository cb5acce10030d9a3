//! Keeps the way to phones behind routers open. A router forgets a way over UDP after 30 to 180 seconds without a packet, and
//! then no call arrives until the phone registers again; few phones see to that themselves. Each such way is asked with
//! OPTIONS, whose answer also says how far away the phone is, or gets an empty line.
//!
//! One question for each way, not for each extension: a small exchange behind a router registers many of them by one. A
//! question is not repeated: the next one comes soon enough.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringtrip_sip::endpoint::{Flow, Transport};
use ringtrip_sip::random::Random;
use smallvec::SmallVec;

/// A phone that has just registered is asked within so many milliseconds, so that its latency is known soon.
const FIRST: (u64, u64) = (1_000, 5_000);

/// What makes a way: the address of ours does not, it may change.
type Way = (Transport, SocketAddr, u32);

/// The ways that are kept open.
#[derive(Debug)]
pub(super) struct KeepAlive {
    rand: Random,
    ways: HashMap<Way, Kept>,
    due: BTreeSet<(Instant, Way)>,
    /// Questions under way.
    asked: HashMap<u32, (Way, Instant)>,
    asked_so_far: u32,
}

#[derive(Debug)]
struct Kept {
    /// The registrar's keys of those who registered by it.
    aors: SmallVec<[Bytes; 1]>,
    due: Instant,
    latency: Option<Duration>,
    /// The dialog that is none: OPTIONS on one way share a Call-ID and count on.
    call_id: String,
    cseq: u32,
}

/// What an OPTIONS says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) n: u32,
    pub(super) call_id: String,
    pub(super) cseq: u32,
}

/// News of how long the phone at this address takes to answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) aors: SmallVec<[Bytes; 1]>,
    pub(super) remote: SocketAddr,
    pub(super) latency: Option<Duration>,
}

impl KeepAlive {
    pub(super) fn new(seed: [u8; 32]) -> KeepAlive {
        KeepAlive {
            rand: Random::new(seed),
            ways: HashMap::new(),
            due: BTreeSet::new(),
            asked: HashMap::new(),
            asked_so_far: 0,
        }
    }

    /// Somebody registered by this way.
    pub(super) fn keep(&mut self, now: Instant, flow: Flow, aor: &Bytes) {
        let way = way_of(flow);
        let first = now + Duration::from_millis(self.rand.between(FIRST.0, FIRST.1));
        let rand = &mut self.rand;
        let kept = self.ways.entry(way).or_insert_with(|| {
            self.due.insert((first, way));
            let call_id = format!("{}{}", rand.hex(), rand.hex());
            Kept { aors: SmallVec::new(), due: first, latency: None, call_id, cseq: 0 }
        });
        if !kept.aors.contains(aor) {
            kept.aors.push(aor.clone());
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// A way whose time has come, with those who registered by it.
    pub(super) fn next_due(&self, now: Instant) -> Option<(Way, SmallVec<[Bytes; 1]>)> {
        let (_, way) = self.due.first().filter(|(at, _)| *at <= now)?;
        let aors = self.ways.get(way).map(|kept| kept.aors.clone()).unwrap_or_default();
        Some((*way, aors))
    }

    /// It is used by these alone from now on; without any it is forgotten. The next time is after the interval, less up to
    /// a sixth of it by chance, so that phones that registered together are not asked together for ever.
    pub(super) fn again(&mut self, now: Instant, way: Way, aors: SmallVec<[Bytes; 1]>, interval: Duration) {
        let Some(kept) = self.ways.get_mut(&way) else { return };
        self.due.remove(&(kept.due, way));
        if aors.is_empty() {
            self.ways.remove(&way);
            return;
        }
        let sixth = u64::try_from(interval.as_millis() / 6).unwrap_or(0);
        kept.due = now + interval - Duration::from_millis(self.rand.between(0, sixth));
        kept.aors = aors;
        self.due.insert((kept.due, way));
    }

    /// A new question on this way.
    pub(super) fn question(&mut self, now: Instant, way: Way) -> Option<Question> {
        let kept = self.ways.get_mut(&way)?;
        kept.cseq += 1;
        self.asked_so_far = self.asked_so_far.wrapping_add(1);
        let n = self.asked_so_far;
        self.asked.insert(n, (way, now));
        Some(Question { n, call_id: kept.call_id.clone(), cseq: kept.cseq })
    }

    /// An answer, whatever it says: who refuses OPTIONS is there too. What is news by it.
    pub(super) fn answered(&mut self, now: Instant, n: u32) -> Option<Measured> {
        let (way, since) = self.asked.remove(&n)?;
        self.measured(way, Some(now.saturating_duration_since(since)))
    }

    /// No answer came to this question.
    pub(super) fn unanswered(&mut self, n: u32) -> Option<Measured> {
        let (way, _) = self.asked.remove(&n)?;
        self.measured(way, None)
    }

    fn measured(&mut self, way: Way, latency: Option<Duration>) -> Option<Measured> {
        let kept = self.ways.get_mut(&way)?;
        let before = std::mem::replace(&mut kept.latency, latency);
        (before != latency).then(|| Measured { aors: kept.aors.clone(), remote: way.1, latency })
    }

    /// How long the phone on this way took to answer.
    pub(super) fn latency(&self, flow: Flow) -> Option<Duration> {
        self.ways.get(&way_of(flow))?.latency
    }
}

pub(super) fn way_of(flow: Flow) -> Way {
    (flow.transport, flow.remote, flow.connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(port: u16) -> Flow {
        let at = |port| SocketAddr::from(([192, 0, 2, 1], port));
        Flow { transport: Transport::Udp, local: at(5060), remote: at(port), connection: 0 }
    }

    // Tests need some instant to count from; the machine itself never asks for one.
    #[allow(clippy::disallowed_methods)]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_way_is_kept_once_however_many_use_it() {
        let now = start();
        let mut keep = KeepAlive::new([1; 32]);
        let (a, b) = (Bytes::from_static(b"201"), Bytes::from_static(b"202"));
        keep.keep(now, flow(4000), &a);
        keep.keep(now, flow(4000), &b);
        keep.keep(now, flow(4000), &a);
        let interval = Duration::from_secs(30);
        let (mut at, mut times) = (now, Vec::new());
        while at < now + Duration::from_secs(300) {
            at = keep.deadline().expect("something is kept");
            let (way, aors) = keep.next_due(at).expect("it is due");
            assert_eq!(aors[..], [a.clone(), b.clone()]);
            assert!(keep.question(at, way).is_some());
            keep.again(at, way, aors, interval);
            times.push(at);
        }
        let gaps: Vec<u128> = times.windows(2).map(|w| (w[1] - w[0]).as_millis()).collect();
        assert!(gaps.iter().all(|gap| (25_000..=30_000).contains(gap)), "{gaps:?}");
        let (way, _) = keep.next_due(at + interval).expect("it is due");
        keep.again(at, way, SmallVec::new(), interval);
        assert_eq!((keep.deadline(), keep.ways.len()), (None, 0), "nobody uses it any more");
    }

    #[test]
    fn the_answer_measures() {
        let now = start();
        let mut keep = KeepAlive::new([1; 32]);
        keep.keep(now, flow(4000), &Bytes::from_static(b"201"));
        let ask = |keep: &mut KeepAlive| keep.question(now, way_of(flow(4000))).expect("a question").n;
        let n = ask(&mut keep);
        keep.answered(now + Duration::from_millis(42), n);
        assert_eq!(keep.latency(flow(4000)), Some(Duration::from_millis(42)));
        keep.answered(now + Duration::from_secs(9), n);
        assert_eq!(keep.latency(flow(4000)), Some(Duration::from_millis(42)), "a copy");
        let n = ask(&mut keep);
        keep.unanswered(n);
        assert_eq!((keep.latency(flow(4000)), keep.asked.len()), (None, 0));
    }
}
