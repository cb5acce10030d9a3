//! Identifiers that nobody can guess: tags, Call-IDs, branches, cnonces (RFC 3261 §19.3). ChaCha20 (RFC 8439) as a
//! cryptographic generator: who has seen any number of them can tell neither the next nor the one before. The seed is an
//! argument: the daemon takes it from the operating system, the simulator from its own, so the same seed gives the same
//! exchange again.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A stream of random numbers. Machines that shall not share a stream get a seed each: [`Random::seed`].
#[derive(Clone)]
pub struct Random(Box<ChaCha20Rng>);

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random(…)")
    }
}

impl Random {
    /// The stream of this seed, which must be 32 secret octets.
    pub fn new(seed: [u8; 32]) -> Random {
        Random(Box::new(ChaCha20Rng::from_seed(seed)))
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// The next number below `end`; 0 if that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// The next number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low.saturating_add(self.below(high.saturating_sub(low).saturating_add(1)))
    }

    /// The next number as 16 hex digits: 64 bits, twice what §19.3 asks of a tag.
    pub fn hex(&mut self) -> String {
        format!("{:016x}", self.number())
    }

    /// The seed of another stream, which tells nothing of this one.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        seed
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

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8439 appendix A.1, test vectors 1 and 2: the key stream of a key of zeros, blocks 0 and 1. What outputs of
    /// this stream reveal is what ChaCha20 reveals.
    #[test]
    fn it_is_the_key_stream_of_chacha20() {
        let mut random = Random::new([0; 32]);
        assert_eq!(random.number().to_le_bytes(), [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90]);
        assert_eq!(random.number().to_le_bytes(), [0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28]);
        let second_block = (0..7).map(|_| random.number()).last().expect("a number");
        assert_eq!(second_block.to_le_bytes(), [0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a]);
    }

    #[test]
    fn a_seed_that_it_gave_makes_another_stream() {
        let mut parent = Random::new([7; 32]);
        let (mut one, mut other) = (Random::new(parent.seed()), Random::new(parent.seed()));
        let of = |random: &mut Random| (0..64).map(|_| random.number()).collect::<Vec<u64>>();
        let (one, other, parent) = (of(&mut one), of(&mut other), of(&mut parent));
        assert!(one.iter().all(|n| !other.contains(n) && !parent.contains(n)));
    }

    #[test]
    fn between_has_both_ends() {
        let mut random = Random::new([1; 32]);
        let seen: std::collections::BTreeSet<u64> = (0..200).map(|_| random.between(3, 5)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!((random.below(0), random.between(9, 9)), (0, 9));
    }
}
