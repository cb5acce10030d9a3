//! Nonces of the digest challenge (RFC 7616 §3.3, §5.4): made without memory, remembered only once somebody proved to
//! know a password with one. A nonce is a serial number, the moment of its making and a keyed hash of both, so a flood
//! of challenges costs nothing; the table of used ones is bounded and grows by correct answers alone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// Why a nonce cannot be used (again).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// Not made by us, or made before the last start.
    Foreign,
    /// Older than its lifetime, or pushed out of the table by newer ones.
    Old,
    /// This `nc` was seen before with this nonce.
    Replayed,
}

/// The maker and judge of nonces.
#[derive(Debug, Clone)]
pub struct Nonces {
    key: [u8; 32],
    epoch: Instant,
    lifetime: Duration,
    serial: u64,
    /// Used nonces by serial. The oldest leaves first, and `floor` forbids its return.
    used: BTreeMap<u64, Window>,
    floor: u64,
    limit: usize,
}

/// Which `nc` values of one nonce were seen: the highest, and a bit for each of the 64 below it, because a phone that
/// sends two requests at once may have them arrive in either order.
#[derive(Debug, Clone, Copy)]
struct Window {
    made_ms: u64,
    highest: u32,
    seen: u64,
}

/// Octets of a nonce before hex: serial (8), milliseconds since `epoch` (6), keyed hash (14).
const SIZE: usize = 28;
/// How many of them the hash covers.
const HEAD: usize = 14;

impl Nonces {
    /// A maker with a secret `key`. `now` becomes the origin of its time stamps, which are monotonic: a stepped wall
    /// clock makes nobody authenticate again. `limit` bounds the table of used nonces (24 octets each).
    pub fn new(key: [u8; 32], now: Instant, lifetime: Duration, limit: usize) -> Nonces {
        Nonces { key, epoch: now, lifetime, serial: 1, used: BTreeMap::new(), floor: 0, limit: limit.max(1) }
    }

    /// A fresh nonce: 56 lower-case hex digits.
    pub fn make(&mut self, now: Instant) -> [u8; SIZE * 2] {
        let mut raw = [0; SIZE];
        raw[..8].copy_from_slice(&self.serial.to_be_bytes());
        raw[8..HEAD].copy_from_slice(&self.millis(now).to_be_bytes()[2..]);
        self.serial += 1;
        let mac = self.mac(&raw[..HEAD]);
        raw[HEAD..].copy_from_slice(&mac);
        let mut hex = [0; SIZE * 2];
        for (i, byte) in raw.iter().enumerate() {
            hex[2 * i] = b"0123456789abcdef"[usize::from(byte >> 4)];
            hex[2 * i + 1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        hex
    }

    /// Uses a nonce whose digest proved right. `nc` is the nonce count, or `None` where the client speaks the old form
    /// without `qop`: then the nonce is good for one request.
    ///
    /// # Errors
    /// The nonce is not one of ours, has expired, or was used with this `nc` before.
    pub fn consume(&mut self, now: Instant, nonce: &[u8], nc: Option<u32>) -> Result<(), Unusable> {
        let (serial, made_ms) = self.open(nonce).ok_or(Unusable::Foreign)?;
        let now_ms = self.millis(now);
        let lifetime = self.lifetime.as_millis() as u64;
        self.forget(now_ms.saturating_sub(lifetime));
        if serial <= self.floor || made_ms.saturating_add(lifetime) <= now_ms {
            return Err(Unusable::Old);
        }
        if nc == Some(0) {
            return Err(Unusable::Replayed);
        }
        let fresh = !self.used.contains_key(&serial);
        let window = self.used.entry(serial).or_insert(Window { made_ms, highest: 0, seen: 0 });
        let answer = window.admit(nc);
        if fresh
            && self.used.len() > self.limit
            && let Some((oldest, _)) = self.used.pop_first()
        {
            self.floor = self.floor.max(oldest);
        }
        answer
    }

    /// How many used nonces are remembered.
    pub fn remembered(&self) -> usize {
        self.used.len()
    }

    /// The serial and time of a nonce of ours; `None` if the hash is not ours.
    fn open(&self, nonce: &[u8]) -> Option<(u64, u64)> {
        if nonce.len() != SIZE * 2 {
            return None;
        }
        let mut raw = [0; SIZE];
        for (byte, pair) in raw.iter_mut().zip(nonce.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        if !same(&self.mac(&raw[..HEAD]), &raw[HEAD..]) {
            return None;
        }
        let number = |octets: &[u8]| octets.iter().fold(0, |n, b| n << 8 | u64::from(*b));
        Some((number(&raw[..8]), number(&raw[8..HEAD])))
    }

    /// SHA-256 over key and head. Both have a fixed length and the result is cut, so length extension has no hold and a
    /// full HMAC would only cost a second block.
    fn mac(&self, head: &[u8]) -> [u8; SIZE - HEAD] {
        let hash = Sha256::new().chain_update(self.key).chain_update(head).finalize();
        let mut mac = [0; SIZE - HEAD];
        mac.copy_from_slice(&hash[..SIZE - HEAD]);
        mac
    }

    /// Lets go of nonces made before `oldest_ms`; their age alone refuses them from now on.
    fn forget(&mut self, oldest_ms: u64) {
        while self.used.first_key_value().is_some_and(|(_, w)| w.made_ms < oldest_ms) {
            self.used.pop_first();
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.epoch).as_millis() as u64
    }
}

impl Window {
    fn admit(&mut self, nc: Option<u32>) -> Result<(), Unusable> {
        let Some(nc) = nc else {
            let unused = self.highest == 0;
            self.highest = u32::MAX;
            self.seen = u64::MAX;
            return if unused { Ok(()) } else { Err(Unusable::Replayed) };
        };
        if nc > self.highest {
            let ahead = nc - self.highest;
            self.seen = if ahead >= 64 { 1 } else { self.seen << ahead | 1 };
            self.highest = nc;
            return Ok(());
        }
        let behind = self.highest - nc;
        if behind >= 64 || self.seen & 1 << behind != 0 {
            return Err(Unusable::Replayed);
        }
        self.seen |= 1 << behind;
        Ok(())
    }
}

/// Are these equal? Takes the same time wherever they differ.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |d, (x, y)| d | (x ^ y))) == 0
}

fn digit(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(300);

    // Tests need some instant to count from; the machine itself never asks for one.
    #[allow(clippy::disallowed_methods)]
    fn start() -> Instant {
        Instant::now()
    }

    fn nonces(limit: usize) -> (Nonces, Instant) {
        let t0 = start();
        (Nonces::new([7; 32], t0, LIFE, limit), t0)
    }

    #[test]
    fn a_nonce_counts_up_and_never_twice() {
        let (mut n, t) = nonces(10);
        let a = n.make(t);
        assert_eq!(n.consume(t, &a, Some(1)), Ok(()));
        assert_eq!(n.consume(t, &a, Some(1)), Err(Unusable::Replayed));
        assert_eq!(n.consume(t, &a, Some(3)), Ok(()));
        assert_eq!(n.consume(t, &a, Some(2)), Ok(()), "two requests may overtake each other");
        assert_eq!(n.consume(t, &a, Some(2)), Err(Unusable::Replayed));
        assert_eq!(n.consume(t, &a, Some(500)), Ok(()));
        assert_eq!(n.consume(t, &a, Some(400)), Err(Unusable::Replayed), "too far behind to know");
        assert_eq!(n.consume(t, &a, Some(0)), Err(Unusable::Replayed));
    }

    #[test]
    fn without_qop_a_nonce_is_good_once() {
        let (mut n, t) = nonces(10);
        let a = n.make(t);
        assert_eq!(n.consume(t, &a, None), Ok(()));
        assert_eq!(n.consume(t, &a, None), Err(Unusable::Replayed));
        assert_eq!(n.consume(t, &a, Some(9)), Err(Unusable::Replayed));
    }

    #[test]
    fn age_and_forgery_are_seen() {
        let (mut n, t) = nonces(10);
        let a = n.make(t);
        assert_eq!(n.consume(t + LIFE, &a, Some(1)), Err(Unusable::Old));
        let mut forged = n.make(t);
        forged[3] = if forged[3] == b'0' { b'1' } else { b'0' };
        assert_eq!(n.consume(t, &forged, Some(1)), Err(Unusable::Foreign));
        assert_eq!(n.consume(t, b"short", Some(1)), Err(Unusable::Foreign));
        assert_eq!(n.consume(t, &[0xff; 56], Some(1)), Err(Unusable::Foreign));
    }

    #[test]
    fn a_nonce_pushed_out_of_the_table_cannot_come_back() {
        let (mut n, t) = nonces(4);
        let all: Vec<_> = (0..8).map(|_| n.make(t)).collect();
        for a in &all {
            assert_eq!(n.consume(t, a, Some(1)), Ok(()));
        }
        assert_eq!(n.remembered(), 4);
        for a in &all[..4] {
            assert_eq!(n.consume(t, a, Some(1)), Err(Unusable::Old));
        }
        for a in &all[4..] {
            assert_eq!(n.consume(t, a, Some(1)), Err(Unusable::Replayed));
        }
        let late = n.make(t + LIFE * 2);
        assert_eq!(n.consume(t + LIFE * 2, &late, Some(1)), Ok(()));
        assert_eq!(n.remembered(), 1, "old ones leave by themselves");
    }
}
