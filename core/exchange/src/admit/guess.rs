//! Passwords that are guessed. Who was wrong often gets its answers late, and what it sends meanwhile is not looked at,
//! so that a list of a million words takes a year. Counted by address *and* user: the phone beside the guesser, behind the
//! same router, is let in as ever, and so is the phone that has registered by its own way already.
//!
//! A challenge that was held back carries a nonce that is good for one look. So a phone with the right password gets in
//! even while somebody guesses that very password from behind the same router: some seconds late.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;

/// Who was wrong, where, and how often.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    by: HashMap<IpAddr, HashMap<String, Wrong>>,
    /// Answers that are held back: to whom, and until when.
    held: Vec<(SocketAddr, Instant)>,
    /// Nonces of those answers: each is good for one look.
    granted: HashMap<Bytes, Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Wrong {
    count: u32,
    at: Instant,
}

/// What becomes of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// They are looked at.
    Now,
    /// They are not; a new challenge follows after this time.
    Later(Duration),
    /// Too many answers to there are held back already.
    Full,
}

/// A person mistypes a password a few times, and a phone with an old one asks twice a minute.
const FREE: u32 = 5;
/// The count halves each time that this passes.
const FORGET: Duration = Duration::from_secs(60);
/// So many users tried from one address are a list, not a household that has moved to new passwords.
const LIST: usize = 10;
/// The longest wait; a phone waits for 32 s (timer F).
const LONGEST: Duration = Duration::from_secs(8);
/// Answers held back for one address, and for all.
const HELD_BY_ADDRESS: usize = 16;
const HELD: usize = 1024;
/// Users remembered of an address, and addresses.
const USERS: usize = 64;
const ADDRESSES: usize = 2048;

impl Guesses {
    /// May these credentials be looked at? `nonce` is theirs.
    pub(crate) fn look(&mut self, now: Instant, from: SocketAddr, user: &str, nonce: Option<&[u8]>) -> Look {
        let wait = self.wait(now, from.ip(), user);
        if wait.is_zero() || nonce.is_some_and(|nonce| self.granted.remove(nonce).is_some()) {
            return Look::Now;
        }
        self.hold(now, from, wait)
    }

    /// They were looked at and wrong. How long the answer waits; and how often that was, when it has just become too often.
    pub(crate) fn wrong(&mut self, now: Instant, from: SocketAddr, user: &str) -> (Look, Option<u32>) {
        if !self.by.contains_key(&from.ip()) && self.by.len() >= ADDRESSES {
            drop_oldest(&mut self.by, |users| users.values().map(|w| w.at).max());
        }
        let users = self.by.entry(from.ip()).or_default();
        if !users.contains_key(user) && users.len() >= USERS {
            drop_oldest(users, |wrong| Some(wrong.at));
        }
        let wrong = users.entry(user.to_owned()).or_insert(Wrong { count: 0, at: now });
        wrong.count = wrong.left(now).saturating_add(1);
        wrong.at = now;
        let count = wrong.count;
        let wait = self.wait(now, from.ip(), user);
        let look = if wait.is_zero() { Look::Now } else { self.hold(now, from, wait) };
        (look, (count == FREE).then_some(count))
    }

    /// They were right. How often others were wrong before, where that was often.
    pub(crate) fn right(&self, now: Instant, from: SocketAddr, user: &str) -> Option<u32> {
        let count = self.by.get(&from.ip())?.get(user)?.left(now);
        (count >= FREE).then_some(count)
    }

    /// This nonce went out with an answer that was held back.
    pub(crate) fn grant(&mut self, now: Instant, nonce: Bytes) {
        if self.granted.len() >= HELD {
            self.granted.retain(|_, until| *until > now);
        }
        if self.granted.len() < HELD {
            self.granted.insert(nonce, now + GRANT);
        }
    }

    fn wait(&self, now: Instant, from: IpAddr, user: &str) -> Duration {
        let Some(users) = self.by.get(&from) else { return Duration::ZERO };
        let count = users.get(user).map_or(0, |wrong| wrong.left(now));
        let list = users.values().filter(|wrong| wrong.left(now) > 0).count() >= LIST;
        match (count, list) {
            (0..FREE, false) => Duration::ZERO,
            (count, _) => (Duration::from_secs(1) * (1 << (count / FREE).min(3))).min(LONGEST),
        }
    }

    fn hold(&mut self, now: Instant, to: SocketAddr, wait: Duration) -> Look {
        self.held.retain(|(_, until)| *until > now);
        let same = self.held.iter().filter(|(other, _)| other.ip() == to.ip()).count();
        if self.held.len() >= HELD
            || same >= HELD_BY_ADDRESS
            || self.held.iter().any(|(other, _)| *other == to)
        {
            return Look::Full;
        }
        self.held.push((to, now + wait));
        Look::Later(wait)
    }
}

/// A held nonce waits for its answer so long: as long as any nonce is good.
const GRANT: Duration = super::NONCE_LIFE;

impl Wrong {
    fn left(&self, now: Instant) -> u32 {
        let halves = now.saturating_duration_since(self.at).as_secs() / FORGET.as_secs();
        u32::try_from(halves).ok().and_then(|n| self.count.checked_shr(n)).unwrap_or(0)
    }
}

fn drop_oldest<K: Clone + Eq + std::hash::Hash, V>(
    map: &mut HashMap<K, V>,
    at: impl Fn(&V) -> Option<Instant>,
) {
    let oldest = map.iter().min_by_key(|(_, value)| at(value)).map(|(key, _)| key.clone());
    oldest.and_then(|key| map.remove(&key));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(last: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([203, 0, 113, last], port))
    }

    #[test]
    fn a_guesser_waits_and_its_neighbours_do_not() {
        #[allow(clippy::disallowed_methods)] // Virtual time starts somewhere.
        let mut now = Instant::now();
        let mut guesses = Guesses::default();
        let (guesser, phone) = (at(9, 4000), at(9, 5060));
        for n in 1..FREE {
            assert_eq!(guesses.look(now, guesser, "201", None), Look::Now);
            assert_eq!(guesses.wrong(now, guesser, "201"), (Look::Now, None), "{n}");
        }
        let (look, told) = guesses.wrong(now, guesser, "201");
        assert!(matches!(look, Look::Later(_)) && told == Some(FREE), "{look:?} {told:?}");
        // What it sends meanwhile is not looked at, nor does it fill the table.
        for _ in 0..1000 {
            assert_eq!(guesses.look(now, guesser, "201", Some(b"n")), Look::Full);
        }
        assert_eq!(guesses.look(now, phone, "202", None), Look::Now, "another phone at that address");
        assert_eq!(guesses.look(now, at(10, 4000), "201", None), Look::Now, "that user elsewhere");
        // The phone whose password is guessed is asked late, and then looked at.
        let Look::Later(wait) = guesses.look(now, phone, "201", Some(b"first")) else { panic!("not held") };
        assert!(wait <= LONGEST);
        guesses.grant(now, Bytes::from_static(b"second"));
        now += wait;
        assert_eq!(guesses.look(now, phone, "201", Some(b"second")), Look::Now);
        assert_eq!(guesses.right(now, phone, "201"), Some(FREE), "and somebody is told");
        assert_ne!(guesses.look(now, phone, "201", Some(b"second")), Look::Now, "once");
        now += Duration::from_secs(600);
        assert_eq!(guesses.look(now, guesser, "201", None), Look::Now, "all is forgotten");
        assert_eq!(guesses.right(now, phone, "201"), None);
    }

    #[test]
    fn a_list_of_users_is_a_guess_too_and_memory_is_bounded() {
        #[allow(clippy::disallowed_methods)] // Virtual time starts somewhere.
        let now = Instant::now();
        let mut guesses = Guesses::default();
        for n in 0..LIST {
            assert_eq!(guesses.look(now, at(1, 1), &n.to_string(), None), Look::Now);
            guesses.wrong(now, at(1, 1), &n.to_string());
        }
        assert_ne!(guesses.look(now, at(1, 2), "new", None), Look::Now);
        for n in 0..10_000u32 {
            let from = SocketAddr::from((n.to_be_bytes(), 9));
            guesses.wrong(now, from, "x");
            guesses.wrong(now, at(1, 1), &n.to_string());
        }
        assert!(guesses.by.len() <= ADDRESSES && guesses.held.len() <= HELD);
        assert!(guesses.by.values().all(|users| users.len() <= USERS));
    }
}
