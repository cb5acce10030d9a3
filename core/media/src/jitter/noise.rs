//! Comfort noise (RFC 3389): what is heard while a peer that sends nothing in its pauses is silent. White, for few send a
//! spectrum; what counts is that the line does not sound dead.

/// Makes noise of a level.
#[derive(Debug, Clone)]
pub(super) struct Noise {
    /// Largest sample.
    peak: f32,
    random: u32,
}

impl Noise {
    /// Noise of so many −dBov.
    pub fn new(level: u8) -> Noise {
        let mut noise = Noise { peak: 0.0, random: 0x2545_F491 };
        noise.set(level);
        noise
    }

    /// From now on of this level, −dBov: 0 dBov is a square wave of full scale.
    pub fn set(&mut self, level: u8) {
        let rms = 32_768.0 * 10f32.powf(-f32::from(level & 0x7F) / 20.0);
        // Evenly distributed between −peak and peak. A level below a step of the samples is one step: never silence.
        self.peak = (rms * 3f32.sqrt()).clamp(1.5, 32_767.0);
    }

    /// Adds the next samples.
    pub fn add(&mut self, out: &mut [i16]) {
        for o in out {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 17;
            self.random ^= self.random << 5;
            let unit = self.random as f32 / (u32::MAX / 2) as f32 - 1.0;
            *o = o.saturating_add((unit * self.peak).round() as i16);
        }
    }
}
