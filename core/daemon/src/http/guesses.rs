//! Who guesses at the admin secret waits longer and longer; who knows it is let in, from whatever address. The secret has
//! 80 random bits: no pace at which guesses can be sent finds it. What has to be protected is the machine's time, and
//! the administrator, who must not be locked out by somebody else's guesses.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::seats::network;

/// Wrong attempts of one address that are answered at once.
const FREE: u32 = 5;
/// The longest delay.
const LONGEST: Duration = Duration::from_secs(8);
/// An address is forgotten so long after its last wrong attempt.
const MEMORY: Duration = Duration::from_secs(60);
/// Addresses that are remembered: those that have been silent for longest are forgotten first.
const ADDRESSES: usize = 4096;
/// Attempts of one address that wait at once.
const WAITING_OF_ONE: usize = 8;
/// Attempts that wait at once.
const WAITING: usize = 64;

/// The addresses that guess.
#[derive(Debug, Default)]
pub struct Guesses {
    addresses: HashMap<IpAddr, Guesser>,
    waiting: usize,
}

#[derive(Debug)]
struct Guesser {
    wrong: u32,
    last: Instant,
    waiting: usize,
}

impl Guesses {
    /// How long an attempt from there is held before it is answered. From this machine nothing is held.
    pub fn delay(&self, now: Instant, from: IpAddr) -> Duration {
        if from.to_canonical().is_loopback() {
            return Duration::ZERO;
        }
        let wrong = self.wrong(now, from);
        let Some(over) = wrong.checked_sub(FREE) else { return Duration::ZERO };
        Duration::from_secs(1 << over.min(10)).min(LONGEST)
    }

    /// Have there been so many wrong attempts that another one is one too many?
    pub fn is_over(&self, now: Instant, from: IpAddr) -> bool {
        self.wrong(now, from) >= FREE
    }

    /// Seconds until the address is forgotten.
    pub fn retry_after(&self, now: Instant, from: IpAddr) -> u32 {
        let last = self.addresses.get(&network(from)).map_or(now, |g| g.last);
        let rest = MEMORY.saturating_sub(now.saturating_duration_since(last));
        u32::try_from(rest.as_secs()).unwrap_or(u32::MAX).max(1)
    }

    /// A wrong attempt; answers how many there were from there.
    pub fn failed(&mut self, now: Instant, from: IpAddr) -> u32 {
        let guesser = self.guesser(now, from);
        guesser.wrong = guesser.wrong.saturating_add(1);
        guesser.last = now;
        guesser.wrong
    }

    /// The right one: the address starts afresh.
    pub fn succeeded(&mut self, from: IpAddr) {
        if let Some(guesser) = self.addresses.get_mut(&network(from)) {
            guesser.wrong = 0;
        }
    }

    /// May an attempt from there wait? It says [`Guesses::waited`] afterwards.
    pub fn may_wait(&mut self, now: Instant, from: IpAddr) -> bool {
        if self.waiting >= WAITING || self.guesser(now, from).waiting >= WAITING_OF_ONE {
            return false;
        }
        self.waiting += 1;
        self.guesser(now, from).waiting += 1;
        true
    }

    /// An attempt no longer waits.
    pub fn waited(&mut self, from: IpAddr) {
        self.waiting = self.waiting.saturating_sub(1);
        if let Some(guesser) = self.addresses.get_mut(&network(from)) {
            guesser.waiting = guesser.waiting.saturating_sub(1);
        }
    }

    fn wrong(&self, now: Instant, from: IpAddr) -> u32 {
        let guesser = self.addresses.get(&network(from));
        guesser.filter(|g| now.saturating_duration_since(g.last) < MEMORY).map_or(0, |g| g.wrong)
    }

    fn guesser(&mut self, now: Instant, from: IpAddr) -> &mut Guesser {
        let from = network(from);
        if self.addresses.len() >= ADDRESSES && !self.addresses.contains_key(&from) {
            self.addresses.retain(|_, g| g.waiting > 0 || now.saturating_duration_since(g.last) < MEMORY);
            let silent = self.addresses.iter().filter(|(_, g)| g.waiting == 0).min_by_key(|(_, g)| g.last);
            if self.addresses.len() >= ADDRESSES
                && let Some(address) = silent.map(|(address, _)| *address)
            {
                self.addresses.remove(&address);
            }
        }
        let fresh = Guesser { wrong: 0, last: now, waiting: 0 };
        let guesser = self.addresses.entry(from).or_insert(fresh);
        if now.saturating_duration_since(guesser.last) >= MEMORY {
            guesser.wrong = 0;
        }
        guesser
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn guesses_are_delayed_more_and_more() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        let from = ip("192.0.2.1");
        let mut delays = Vec::new();
        for _ in 0..11 {
            delays.push(guesses.delay(now, from).as_secs());
            guesses.failed(now, from);
        }
        assert_eq!(delays, [0, 0, 0, 0, 0, 1, 2, 4, 8, 8, 8]);
        // Nobody else is delayed, and nobody for ever.
        assert_eq!(guesses.delay(now, ip("192.0.2.2")), Duration::ZERO);
        assert_eq!(guesses.delay(now + MEMORY, from), Duration::ZERO);
        guesses.succeeded(from);
        assert_eq!(guesses.delay(now, from), Duration::ZERO);
    }

    #[test]
    fn this_machine_is_never_delayed() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        for from in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            for _ in 0..50 {
                guesses.failed(now, ip(from));
            }
            assert_eq!(guesses.delay(now, ip(from)), Duration::ZERO, "{from}");
        }
    }

    #[test]
    fn a_network_of_ipv6_addresses_is_one_guesser() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        for n in 0..6 {
            guesses.failed(now, ip(&format!("2001:db8::{n}")));
        }
        assert!(guesses.is_over(now, ip("2001:db8::abcd")));
        assert!(!guesses.is_over(now, ip("2001:db8:0:1::1")));
    }

    #[test]
    fn memory_and_waiting_are_bounded() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        for n in 0..3 * ADDRESSES as u32 {
            guesses.failed(now + Duration::from_millis(u64::from(n)), IpAddr::from(n.to_be_bytes()));
        }
        assert_eq!(guesses.addresses.len(), ADDRESSES);
        let waits = |guesses: &mut Guesses, from: &str| guesses.may_wait(now, ip(from));
        let of_one = (0..20).filter(|_| waits(&mut guesses, "192.0.2.1")).count();
        assert_eq!(of_one, WAITING_OF_ONE);
        let of_all = (2..90).filter(|n| waits(&mut guesses, &format!("192.0.2.{n}"))).count();
        assert_eq!(of_one + of_all, WAITING);
        guesses.waited(ip("192.0.2.1"));
        assert!(waits(&mut guesses, "192.0.2.1"));
    }
}
