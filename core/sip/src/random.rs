//! Unguessable numbers from a seed: tags, branches, cnonces. SHA-256 in counter mode, so that the same seed gives the same
//! exchange again and nobody who saw one number can tell the next.

use sha2::{Digest, Sha256};

/// A stream of random numbers.
#[derive(Clone)]
pub struct Random {
    seed: [u8; 32],
    counter: u64,
    pool: [u64; 4],
    left: usize,
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random(…)")
    }
}

impl Random {
    /// The stream of this seed.
    pub fn new(seed: [u8; 32]) -> Random {
        Random { seed, counter: 0, pool: [0; 4], left: 0 }
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        if self.left == 0 {
            let hash =
                Sha256::new().chain_update(self.seed).chain_update(self.counter.to_be_bytes()).finalize();
            for (word, octets) in self.pool.iter_mut().zip(hash.chunks_exact(8)) {
                *word = octets.iter().fold(0, |n, b| n << 8 | u64::from(*b));
            }
            self.counter += 1;
            self.left = self.pool.len();
        }
        self.left -= 1;
        self.pool[self.left]
    }

    /// The next number below `end`, which must not be 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// The next number as 16 hex digits.
    pub fn hex(&mut self) -> [u8; 16] {
        hex(self.number())
    }
}

/// A number as 16 lower-case hex digits.
pub fn hex(n: u64) -> [u8; 16] {
    std::array::from_fn(|i| b"0123456789abcdef"[(n >> (60 - 4 * i) & 15) as usize])
}

/// The number of 16 hex digits.
pub fn unhex(text: &[u8]) -> Option<u64> {
    if text.len() != 16 {
        return None;
    }
    text.iter().try_fold(0, |n, c| Some(n << 4 | u64::from((*c as char).to_digit(16)?)))
}
