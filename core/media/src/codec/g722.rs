//! G.722 at 64 kbit/s (ITU-T G.722 mode 1): 7 kHz audio at 16,000 samples a second.
//!
//! Two sub-bands of 4 kHz each, split by a quadrature mirror filter and coded by adaptive differential PCM: the lower
//! band with 6 bits, the upper one with 2. One byte carries two samples; the RTP clock nevertheless counts 8,000 a second
//! (RFC 3551 §4.5.2), one for each byte. Arithmetic is that of the recommendation, bit by bit; names in comments are its
//! blocks.

/// Samples a second.
pub const SAMPLE_RATE: u32 = 16_000;

/// Turns samples into bytes. Its state follows the whole stream: one encoder for each stream.
#[derive(Debug, Clone)]
pub struct Encoder {
    lower: Band,
    upper: Band,
    history: [i32; 24],
}

/// Turns bytes into samples. Its state follows the whole stream: one decoder for each stream.
#[derive(Debug, Clone)]
pub struct Decoder {
    lower: Band,
    upper: Band,
    history: [i32; 24],
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder { lower: Band::new(&LOWER), upper: Band::new(&UPPER), history: [0; 24] }
    }
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder { lower: Band::new(&LOWER), upper: Band::new(&UPPER), history: [0; 24] }
    }
}

impl Encoder {
    /// Encodes pairs of samples, one byte each, as many as both slices hold; returns how many bytes were written.
    pub fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> usize {
        let pairs = samples.as_chunks::<2>().0;
        for (byte, [first, second]) in out.iter_mut().zip(pairs) {
            let (lower, upper) = self.split(*first, *second);
            *byte = self.encode_upper(upper) << 6 | self.encode_lower(lower);
        }
        pairs.len().min(out.len())
    }

    /// The transmit quadrature mirror filter: a pair of samples as one sample of each band, 15 bits.
    fn split(&mut self, first: i16, second: i16) -> (i32, i32) {
        let (even, odd) = filter(&mut self.history, first.into(), second.into());
        // The filter's gain is 4096, two of them are summed, and the bands have 15 bits.
        ((even + odd) >> 14, (even - odd) >> 14)
    }

    fn encode_lower(&mut self, sample: i32) -> u8 {
        // SUBTRA and QUANTL.
        let difference = saturate(sample - self.lower.signal);
        let magnitude = if difference < 0 { !difference } else { difference };
        let level = LOWER_DECISIONS.partition_point(|d| (d * self.lower.step) >> 12 <= magnitude);
        let code = if difference < 0 { LOWER_NEGATIVE[level] } else { LOWER_POSITIVE[level] };
        self.lower.follow(code >> 2);
        code
    }

    fn encode_upper(&mut self, sample: i32) -> u8 {
        // SUBTRA and QUANTH.
        let difference = saturate(sample - self.upper.signal);
        let magnitude = if difference < 0 { !difference } else { difference };
        let beyond = magnitude >= (UPPER_DECISION * self.upper.step) >> 12;
        let code = match (difference < 0, beyond) {
            (true, false) => 1,
            (true, true) => 0,
            (false, false) => 3,
            (false, true) => 2,
        };
        self.upper.follow(code);
        code
    }
}

impl Decoder {
    /// Decodes bytes to two samples each, as many as both slices hold; returns how many samples were written.
    pub fn decode(&mut self, bytes: &[u8], out: &mut [i16]) -> usize {
        let pairs = out.as_chunks_mut::<2>().0;
        let written = 2 * bytes.len().min(pairs.len());
        for ([first, second], byte) in pairs.iter_mut().zip(bytes) {
            let (lower, upper) = (self.decode_lower(byte & 0x3F), self.decode_upper(byte >> 6));
            // The receive quadrature mirror filter.
            let (even, odd) = filter(&mut self.history, lower + upper, lower - upper);
            (*first, *second) = (saturate(even >> 11) as i16, saturate(odd >> 11) as i16);
        }
        written
    }

    fn decode_lower(&mut self, code: u8) -> i32 {
        // INVQBL, RECONS and LIMIT. The predictor sees four of the six bits only.
        let difference = (self.lower.step * LOWER_LEVELS[code as usize]) >> 15;
        let sample = limit(self.lower.signal + difference);
        self.lower.follow(code >> 2);
        sample
    }

    fn decode_upper(&mut self, code: u8) -> i32 {
        let signal = self.upper.signal;
        limit(signal + self.upper.follow(code))
    }
}

/// What differs between the bands.
#[derive(Debug)]
struct Kind {
    /// Output levels of the inverse adaptive quantizer, by code.
    levels: &'static [i32],
    /// How the logarithm of the step changes, by code.
    adaptation: &'static [i32],
    /// The greatest logarithm of the step.
    max_log_step: i32,
    /// Octaves from the logarithm to the step.
    octaves: i32,
    /// The step at the beginning.
    step: i32,
}

/// The adaptive predictor and step of one band.
#[derive(Debug, Clone)]
struct Band {
    kind: &'static Kind,
    /// The predicted sample (SL, SH).
    signal: i32,
    /// Its part from the zeros (SZ).
    zeros: i32,
    /// The present step of the quantizer (DET).
    step: i32,
    /// Its logarithm (NB).
    log_step: i32,
    /// Coefficients of the poles (A1, A2).
    poles: [i32; 2],
    /// Coefficients of the zeros (B1 to B6).
    coefficients: [i32; 6],
    /// The last quantized differences, newest first (D1 to D6).
    differences: [i32; 6],
    /// The last reconstructed samples, newest first (R1, R2).
    reconstructed: [i32; 2],
    /// The last partly reconstructed samples, newest first (P1, P2).
    partial: [i32; 2],
}

impl Band {
    fn new(kind: &'static Kind) -> Band {
        Band {
            kind,
            signal: 0,
            zeros: 0,
            step: kind.step,
            log_step: 0,
            poles: [0; 2],
            coefficients: [0; 6],
            differences: [0; 6],
            reconstructed: [0; 2],
            partial: [0; 2],
        }
    }

    /// Takes the next code: step and prediction follow it. Returns the quantized difference.
    fn follow(&mut self, code: u8) -> i32 {
        let code = code as usize;
        let difference = (self.step * self.kind.levels[code]) >> 15; // INVQAL, INVQAH
        // LOGSCL, LOGSCH.
        let log = ((self.log_step * 127) >> 7) + self.kind.adaptation[code];
        self.log_step = log.clamp(0, self.kind.max_log_step);
        // SCALEL, SCALEH.
        let mantissa = STEP_MANTISSAS[(self.log_step >> 6 & 31) as usize];
        let shift = self.kind.octaves - (self.log_step >> 11);
        self.step = if shift < 0 { mantissa << -shift } else { mantissa >> shift } << 2;
        self.predict(difference);
        difference
    }

    /// Block 4 of both bands: adapts the predictor to a quantized difference and predicts the next sample.
    fn predict(&mut self, difference: i32) {
        let reconstructed = saturate(self.signal + difference); // RECONS
        let partial = saturate(self.zeros + difference); // PARREC
        let [a1, a2] = self.poles;
        let same_sign = |a: i32, b: i32| (a < 0) == (b < 0);

        // UPPOL2.
        let lean = saturate(a1 << 2);
        let lean = if same_sign(partial, self.partial[0]) { -lean } else { lean }.min(32_767) >> 7;
        let push = if same_sign(partial, self.partial[1]) { 128 } else { -128 };
        let second = (lean + push + ((a2 * 32_512) >> 15)).clamp(-12_288, 12_288);
        // UPPOL1.
        let push = if same_sign(partial, self.partial[0]) { 192 } else { -192 };
        let bound = 15_360 - second;
        let first = (push + ((a1 * 32_640) >> 15)).clamp(-bound, bound);
        self.poles = [first, second];

        // UPZERO.
        let push = if difference == 0 { 0 } else { 128 };
        for (b, d) in self.coefficients.iter_mut().zip(&self.differences) {
            let push = if same_sign(difference, *d) { push } else { -push };
            *b = saturate(push + ((*b * 32_640) >> 15));
        }

        // DELAYA.
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;
        self.reconstructed = [reconstructed, self.reconstructed[0]];
        self.partial = [partial, self.partial[0]];

        // FILTEP, FILTEZ and PREDIC.
        let term = |coefficient: i32, value: i32| (coefficient * saturate(2 * value)) >> 15;
        let poles = term(first, self.reconstructed[0]) + term(second, self.reconstructed[1]);
        self.zeros =
            saturate(self.coefficients.iter().zip(&self.differences).map(|(b, d)| term(*b, *d)).sum());
        self.signal = saturate(saturate(poles) + self.zeros);
    }
}

/// Both halves of the quadrature mirror filter over the last 24 values.
fn filter(history: &mut [i32; 24], first: i32, second: i32) -> (i32, i32) {
    history.copy_within(2.., 0);
    (history[22], history[23]) = (first, second);
    let (mut even, mut odd) = (0, 0);
    for (i, [a, b]) in history.as_chunks::<2>().0.iter().enumerate() {
        odd += a * MIRROR_FILTER[i];
        even += b * MIRROR_FILTER[11 - i];
    }
    (even, odd)
}

fn saturate(value: i32) -> i32 {
    value.clamp(i16::MIN as i32, i16::MAX as i32)
}

/// LIMIT: 15 bits.
fn limit(value: i32) -> i32 {
    value.clamp(-16_384, 16_383)
}

static LOWER: Kind = Kind {
    levels: &[
        0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
    ],
    adaptation: &[-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60],
    max_log_step: 18_432,
    octaves: 8,
    step: 32,
};

static UPPER: Kind = Kind {
    levels: &[-7408, -1616, 7408, 1616],
    adaptation: &[798, -214, 798, -214],
    max_log_step: 22_528,
    octaves: 10,
    step: 8,
};

/// Coefficients of the quadrature mirror filter, in units of 1/8192.
const MIRROR_FILTER: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// Decision levels of the lower band's quantizer.
const LOWER_DECISIONS: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219,
    1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];

/// Codes of the lower band by the number of decision levels that a negative difference reaches.
const LOWER_NEGATIVE: [u8; 30] = [
    63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7,
    6, 5, 4,
];

/// The same of a positive difference.
const LOWER_POSITIVE: [u8; 30] = [
    61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36,
    35, 34, 33, 32,
];

/// Output levels of the lower band at six bits.
const LOWER_LEVELS: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360,
    -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688,
    -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856,
    7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136,
    -432, -136,
];

/// Decision level of the upper band's quantizer.
const UPPER_DECISION: i32 = 564;

/// 2048 · 2^(n/32): from the logarithm of a step to the step.
const STEP_MANTISSAS: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896,
    2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

#[cfg(test)]
mod tests;
