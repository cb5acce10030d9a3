//! Numbers that scatter well and repeat: which calls a canary takes, which numbers a probe tries, the luck of the simulated
//! network. Nobody outside may see them, for one output gives away all that follow: what a peer sees comes from
//! `ringtrip_sip::random`.

/// SplitMix64 (Steele, Lea, Flood 2014): eight bytes of state, no bad seeds.
#[derive(Debug, Clone)]
pub struct SplitMix(u64);

impl SplitMix {
    /// A generator that will always say the same for this seed.
    pub fn new(seed: u64) -> SplitMix {
        SplitMix(seed)
    }
    /// The next 64 bits.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// A number below this; 0 if it is 0.
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.number() % n as u64) as usize }
    }
    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.number() % (high.saturating_sub(low) + 1)
    }
    /// 16 hex digits.
    pub fn hex(&mut self) -> String {
        format!("{:016x}", self.number())
    }
    /// A seed for a machine, for tests: eight octets of it vary.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.number().to_be_bytes());
        seed
    }
}
