//! Numbers that scatter well and repeat: which calls a canary takes, which numbers a probe tries. Nobody outside may see them, for one output gives away all
//! that follow: what a peer sees comes from `ringtrip_sip::random`.

/// SplitMix64 (Steele, Lea, Flood 2014): eight bytes of state, no bad seeds.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix(u64);

impl SplitMix {
    /// A generator that will always say the same for this seed.
    pub(crate) fn new(seed: u64) -> SplitMix {
        SplitMix(seed)
    }
    /// The next 64 bits.
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// A number below this; 0 if it is 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.number() % n as u64) as usize }
    }
}
