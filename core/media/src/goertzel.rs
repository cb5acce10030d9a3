//! Power of one frequency in a block of samples (Goertzel's algorithm).

/// A filter for one frequency.
#[derive(Debug, Clone, Copy)]
pub struct Goertzel {
    coefficient: f32,
    s1: f32,
    s2: f32,
}

impl Goertzel {
    /// A filter for `hz` at 8,000 samples a second.
    pub fn new(hz: f32) -> Goertzel {
        Goertzel { coefficient: 2.0 * (std::f32::consts::TAU * hz / 8000.0).cos(), s1: 0.0, s2: 0.0 }
    }

    /// Takes one sample.
    #[inline]
    pub fn push(&mut self, sample: f32) {
        let s0 = sample + self.coefficient * self.s1 - self.s2;
        self.s2 = self.s1;
        self.s1 = s0;
    }

    /// Mean square of the sine that would give this output over `n` samples, and begins a new block.
    pub fn take(&mut self, n: usize) -> f32 {
        let power = self.s1 * self.s1 + self.s2 * self.s2 - self.coefficient * self.s1 * self.s2;
        (self.s1, self.s2) = (0.0, 0.0);
        // |X|² = (a·n/2)²; the mean square of a sine is a²/2.
        2.0 * power.max(0.0) / (n as f32 * n as f32)
    }
}
