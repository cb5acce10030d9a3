//! G.711: µ-law and A-law, to and from linear samples, and from one to the other.
//!
//! Linear samples are 16 bits; µ-law uses the upper 14 of them, A-law the upper 13, as G.711 has it (tables 1a–2b).

/// Which companding law.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Law {
    /// µ-law: North America, Japan; RTP payload type 0.
    Mu,
    /// A-law: elsewhere; RTP payload type 8.
    A,
}

/// The byte that is silence in µ-law.
pub const SILENCE_ULAW: u8 = 0xFF;
/// The byte that is silence in A-law.
pub const SILENCE_ALAW: u8 = 0xD5;

impl Law {
    /// The byte of silence.
    pub fn silence(self) -> u8 {
        match self {
            Law::Mu => SILENCE_ULAW,
            Law::A => SILENCE_ALAW,
        }
    }

    /// Encodes as many samples as both slices hold; returns how many.
    pub fn encode(self, samples: &[i16], out: &mut [u8]) -> usize {
        let pairs = out.iter_mut().zip(samples);
        match self {
            Law::Mu => pairs.for_each(|(o, s)| *o = encode_ulaw(*s)),
            Law::A => pairs.for_each(|(o, s)| *o = encode_alaw(*s)),
        }
        samples.len().min(out.len())
    }

    /// Decodes as many samples as both slices hold; returns how many.
    pub fn decode(self, bytes: &[u8], out: &mut [i16]) -> usize {
        let table = match self {
            Law::Mu => &ULAW,
            Law::A => &ALAW,
        };
        for (o, b) in out.iter_mut().zip(bytes) {
            *o = table[*b as usize];
        }
        bytes.len().min(out.len())
    }
}

/// Changes bytes of one law into the other, in place.
pub fn transcode(from: Law, bytes: &mut [u8]) {
    let table = match from {
        Law::Mu => &ULAW_TO_ALAW,
        Law::A => &ALAW_TO_ULAW,
    };
    for b in bytes {
        *b = table[*b as usize];
    }
}

/// µ-law of a sample.
#[inline]
pub const fn encode_ulaw(sample: i16) -> u8 {
    // 14 bits of magnitude plus the bias of 33 make the segment the position of the highest bit. One's complement of
    // negative numbers keeps both halves alike.
    let negative = sample < 0;
    let magnitude = ((if negative { !sample } else { sample }) >> 2) as u16 + 33;
    let magnitude = if magnitude > 0x1FFF { 0x1FFF } else { magnitude };
    let segment = 10 - magnitude.leading_zeros() as u16;
    let step = magnitude >> (segment + 1) & 0x0F;
    let code = !((segment << 4 | step) as u8) & 0x7F;
    if negative { code } else { code | 0x80 }
}

/// The sample of a µ-law byte.
#[inline]
pub const fn decode_ulaw(byte: u8) -> i16 {
    ULAW[byte as usize]
}

/// A-law of a sample.
#[inline]
pub const fn encode_alaw(sample: i16) -> u8 {
    let negative = sample < 0;
    let magnitude = ((if negative { !sample } else { sample }) >> 4) as u16;
    let code = if magnitude < 16 {
        magnitude
    } else {
        let segment = 12 - magnitude.leading_zeros() as u16;
        segment << 4 | (magnitude >> (segment - 1) & 0x0F)
    } as u8;
    // Every other bit is inverted (G.711 table 1a, note 2).
    (if negative { code } else { code | 0x80 }) ^ 0x55
}

/// The sample of an A-law byte.
#[inline]
pub const fn decode_alaw(byte: u8) -> i16 {
    ALAW[byte as usize]
}

const fn ulaw_value(byte: u8) -> i16 {
    let code = !byte;
    let (segment, step) = (code >> 4 & 7, (code & 0x0F) as i16);
    let magnitude = (((step << 1) + 33) << segment) - 33;
    (if code & 0x80 != 0 { -magnitude } else { magnitude }) << 2
}

const fn alaw_value(byte: u8) -> i16 {
    let code = byte ^ 0x55;
    let (segment, step) = (code >> 4 & 7, (code & 0x0F) as i16);
    let magnitude = match segment {
        0 => (step << 4) + 8,
        s => ((step << 4) + 0x108) << (s - 1),
    };
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}

static ULAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        table[n] = ulaw_value(n as u8);
        n += 1;
    }
    table
};

static ALAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        table[n] = alaw_value(n as u8);
        n += 1;
    }
    table
};

static ULAW_TO_ALAW: [u8; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        // Negative zero has no sample of its own: its sign is kept.
        table[n] = if n == 0x7F { 0x55 } else { encode_alaw(ulaw_value(n as u8)) };
        n += 1;
    }
    table
};

static ALAW_TO_ULAW: [u8; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        table[n] = encode_ulaw(alaw_value(n as u8));
        n += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_tables() {
        // G.711 tables 1a and 2a: character signal → decoder output value (13 and 14 bits).
        for (byte, value) in
            [(0x80, 8031), (0x8F, 4191), (0x9F, 2079), (0xFF, 0), (0xFE, 2), (0xEF, 33), (0x00, -8031)]
        {
            assert_eq!(decode_ulaw(byte), value * 4, "µ {byte:#x}");
        }
        for (byte, value) in [(0xAA, 4032), (0xA5, 2112), (0xD5, 1), (0x55, -1), (0xC5, 33), (0x2A, -4032)] {
            assert_eq!(decode_alaw(byte), value * 8, "A {byte:#x}");
        }
    }

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for byte in 0..=255u8 {
            assert_eq!(encode_alaw(decode_alaw(byte)), byte);
            // 7Fh is negative zero.
            let expected = if byte == 0x7F { 0xFF } else { byte };
            assert_eq!(encode_ulaw(decode_ulaw(byte)), expected);
        }
    }

    /// Output values lie in the middle of their decision interval: none is more than half a step away. A step is a
    /// sixteenth of the highest bit of the magnitude (of magnitude + 132 in µ-law).
    #[test]
    fn no_sample_moves_by_more_than_half_a_step() {
        let highest = |n: i32| 1 << (31 - n.leading_zeros());
        for s in i16::MIN..=i16::MAX {
            let mu = (decode_ulaw(encode_ulaw(s)) as i32 - s as i32).abs();
            let a = (decode_alaw(encode_alaw(s)) as i32 - s as i32).abs();
            let magnitude = (s as i32).abs();
            let beyond = (magnitude - 32635).max(0);
            // The codes see 14 and 13 bits of 16.
            assert!(mu <= highest(magnitude + 132) / 32 + 4 + beyond, "µ {s}: {mu}");
            assert!(a <= (highest(magnitude.max(256)) / 32).max(8) + 16, "A {s}: {a}");
        }
    }

    #[test]
    fn transcoding_is_decoding_and_encoding_and_keeps_signs() {
        let mut all: Vec<u8> = (0..=255).collect();
        transcode(Law::Mu, &mut all);
        for (mu, a) in all.iter().enumerate() {
            assert_eq!(*a & 0x80, mu as u8 & 0x80, "sign of {mu:#x}");
            let (before, after) = (decode_ulaw(mu as u8) as i32, decode_alaw(*a) as i32);
            assert!((before - after).abs() <= (before.abs() / 24).max(16), "{before} became {after}");
        }
        let mut silence = [SILENCE_ULAW, SILENCE_ALAW];
        transcode(Law::Mu, &mut silence[..1]);
        transcode(Law::A, &mut silence[1..]);
        assert_eq!(silence, [SILENCE_ALAW, 0xFE]);
    }

    #[test]
    fn slices_of_unequal_length_are_no_trap() {
        let mut out = [0u8; 3];
        assert_eq!(Law::A.encode(&[0; 5], &mut out), 3);
        let mut samples = [0i16; 5];
        assert_eq!(Law::Mu.decode(&out, &mut samples), 3);
    }
}
