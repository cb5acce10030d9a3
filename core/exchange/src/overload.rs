//! Overload: which datagrams are taken when more come than can be worked through (RFC 7339 in spirit; nobody outside
//! keeps to a rate that we ask for). Peers that have proven who they are, or that we have asked something ourselves, come
//! first; strangers share what is left, each address with a token bucket of its own. While there is no overload nothing is
//! counted and all is taken. Pure: the clock is an argument, and what is kept is bounded whatever comes.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ringtrip_model::ids::GatewayId;

/// Decides which datagrams are taken.
#[derive(Debug)]
pub struct Admitter {
    /// Providers, by address: their ports differ.
    gateways: HashMap<GatewayId, Vec<IpAddr>>,
    /// Peers that have proven who they are, and those that we have asked something.
    known: Recent<SocketAddr, Known>,
    strangers: Recent<IpAddr, Bucket>,
}

#[derive(Debug)]
struct Known {
    until: Instant,
    bucket: Bucket,
}

/// Messages that may wait before strangers are counted: about a millisecond of work.
const CALM: usize = 64;
/// Messages that may wait before strangers wait outside.
const STRANGERS: usize = 512;
/// Messages that may wait before known peers are counted, too, so that one that runs wild leaves room for the others.
const BUSY: usize = 1024;
/// Messages that may wait at all; the rest of the mailbox is for what the exchange says to itself.
pub const MOST: usize = 3584;

/// A peer is known for this long after it was last heard or asked: phones register each hour or more often.
const KNOWN_FOR: Duration = Duration::from_secs(2 * 3600);
/// Known peers and strange addresses that are told apart; twice as many for a while.
const PEERS: usize = 16_384;
const ADDRESSES: usize = 4096;

/// What a stranger may send in overload: enough for an office that registers anew.
const STRANGER: Rate = Rate { per_second: 50.0, burst: 100.0 };
/// What a known peer may send in overload: less than half of what one core takes.
const PEER: Rate = Rate { per_second: 20_000.0, burst: 2000.0 };

impl Default for Admitter {
    fn default() -> Admitter {
        Admitter { gateways: HashMap::new(), known: Recent::new(PEERS), strangers: Recent::new(ADDRESSES) }
    }
}

impl Admitter {
    /// Is what came from here taken? `waiting`: messages that were taken and are not worked through yet.
    pub fn admit(&mut self, now: Instant, from: SocketAddr, waiting: usize) -> bool {
        if waiting < CALM {
            return true;
        }
        if self.gateways.values().any(|addresses| addresses.contains(&from.ip())) {
            return waiting < MOST;
        }
        if let Some(known) = self.known.get_mut(&from)
            && now < known.until
        {
            return waiting < MOST && (waiting < BUSY || known.bucket.take(now, &PEER));
        }
        let bucket = self.strangers.entry(subscriber(from.ip()), || Bucket::full(now, &STRANGER));
        waiting < STRANGERS && bucket.take(now, &STRANGER)
    }

    /// The peer here has proven who it is, or is being asked something.
    pub fn learn(&mut self, now: Instant, peer: SocketAddr) {
        let until = now + KNOWN_FOR;
        self.known.entry(peer, || Known { until, bucket: Bucket::full(now, &PEER) }).until = until;
    }

    /// Where this provider is; replaces what was said before.
    pub fn set_gateway(&mut self, gateway: GatewayId, addresses: Vec<IpAddr>) {
        self.gateways.insert(gateway, addresses);
    }

    /// Forgets providers that are gone.
    pub fn retain_gateways(&mut self, is_there: impl Fn(&GatewayId) -> bool) {
        self.gateways.retain(|gateway, _| is_there(gateway));
    }
}

/// Who has one IPv6 address has 2^64 of them.
fn subscriber(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

/// Tokens that come back.
#[derive(Debug)]
struct Rate {
    per_second: f64,
    burst: f64,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn full(now: Instant, rate: &Rate) -> Bucket {
        Bucket { tokens: rate.burst, at: now }
    }

    fn take(&mut self, now: Instant, rate: &Rate) -> bool {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + since * rate.per_second).min(rate.burst);
        self.at = now;
        let has = self.tokens >= 1.0;
        if has {
            self.tokens -= 1.0;
        }
        has
    }
}

/// A table of what was used lately, in two generations: when the younger is full the older is forgotten.
#[derive(Debug)]
struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    most: usize,
}

impl<K: Hash + Eq + Copy, V> Recent<K, V> {
    fn new(most: usize) -> Recent<K, V> {
        Recent { young: HashMap::new(), old: HashMap::new(), most }
    }

    fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        if let Some(value) = self.old.remove(key) {
            self.insert(*key, value);
        }
        self.young.get_mut(key)
    }

    fn entry(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        let value = self.young.remove(&key).or_else(|| self.old.remove(&key)).unwrap_or_else(new);
        self.insert(key, value)
    }

    fn insert(&mut self, key: K, value: V) -> &mut V {
        if self.young.len() >= self.most {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.entry(key).insert_entry(value).into_mut()
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // Some instant to count from.

    use super::*;

    fn at(last: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], port))
    }

    /// A desk that works through so many messages a millisecond, in virtual time, and what becomes of senders at these
    /// rates a second. The first `known` of them are known. Answers the share of each that is taken.
    fn goodput(done: usize, known: usize, rates: &[(SocketAddr, u32)]) -> Vec<f64> {
        let (mut admitter, begin) = (Admitter::default(), Instant::now());
        rates[..known].iter().for_each(|(peer, _)| admitter.learn(begin, *peer));
        let (mut waiting, mut taken, mut owed) = (0usize, vec![0u32; rates.len()], vec![0f64; rates.len()]);
        // A millisecond a round, for ten seconds.
        for round in 0..10_000u32 {
            let now = begin + Duration::from_millis(1) * round;
            waiting = waiting.saturating_sub(done);
            for (i, (peer, rate)) in rates.iter().enumerate() {
                owed[i] += f64::from(*rate) / 1000.0;
                while owed[i] >= 1.0 {
                    owed[i] -= 1.0;
                    if admitter.admit(now, *peer, waiting) {
                        waiting += 1;
                        taken[i] += 1;
                    }
                }
            }
            assert!(waiting <= MOST);
        }
        taken.iter().zip(rates).map(|(n, (_, rate))| f64::from(*n) / (f64::from(*rate) * 10.0)).collect()
    }

    #[test]
    fn without_overload_all_is_taken() {
        assert_eq!(goodput(10, 0, &[(at(1, 5060), 9000)]), [1.0]);
    }

    #[test]
    fn honest_peers_hold_their_goodput_at_ten_times_the_load() {
        // Known phones; a stranger that registers; and one address that floods with ten times of what can be done.
        let shares = goodput(
            10,
            2,
            &[(at(1, 5060), 500), (at(2, 40_000), 500), (at(3, 5060), 20), (at(9, 5060), 100_000)],
        );
        assert!(shares[0] == 1.0 && shares[1] == 1.0, "{shares:?}");
        assert!(shares[2] > 0.9, "the honest stranger: {shares:?}");
        // From the very address of a known phone, another port.
        let shares = goodput(10, 1, &[(at(1, 5060), 500), (at(1, 6666), 100_000)]);
        assert_eq!(shares[0], 1.0, "{shares:?}");
    }

    #[test]
    fn a_known_peer_that_runs_wild_leaves_room_for_others() {
        let shares = goodput(40, 2, &[(at(1, 5060), 100_000), (at(2, 5060), 100)]);
        assert!(shares[1] > 0.9, "{shares:?}");
    }

    #[test]
    fn a_provider_comes_first_from_any_port() {
        let (mut admitter, now) = (Admitter::default(), Instant::now());
        admitter.set_gateway("gw1".parse().unwrap(), vec![at(4, 0).ip()]);
        assert!(admitter.admit(now, at(4, 1234), MOST - 1) && !admitter.admit(now, at(4, 1234), MOST));
        assert!(!admitter.admit(now, at(5, 1234), MOST - 1));
    }

    #[test]
    fn forged_addresses_take_no_memory() {
        let (mut admitter, now) = (Admitter::default(), Instant::now());
        for n in 0..1_000_000u32 {
            admitter.admit(now, (std::net::Ipv4Addr::from(n), 5060).into(), 100);
        }
        assert!(admitter.strangers.len() <= 2 * ADDRESSES);
        // Nor do those of one IPv6 network count as many.
        let mut taken = 0;
        for n in 0..1000 {
            let from = SocketAddr::from(([0x2001, 0xdb8, 0, 1, 0, 0, 0, n], 5060));
            taken += usize::from(admitter.admit(now, from, 100));
        }
        assert_eq!(taken, 100);
    }

    #[test]
    fn a_peer_is_forgotten_when_nothing_was_heard_for_long() {
        let (mut admitter, now) = (Admitter::default(), Instant::now());
        admitter.learn(now, at(1, 5060));
        assert!(admitter.admit(now + KNOWN_FOR / 2, at(1, 5060), STRANGERS));
        assert!(!admitter.admit(now + KNOWN_FOR, at(1, 5060), STRANGERS));
    }
}
