//! The codec pair of an RTP session: what decodes its peer's packets and what encodes ours, at the rate that whoever is at
//! the other side works with. A codec is a variant of `Decoding` and of `Encoding`.

use crate::codec::g722;
use crate::g711::Law;
use crate::resample::{Downsampler, Upsampler};
use crate::sound::CodecKind;

/// Samples of the longest packet at 16 kHz: 120 ms.
pub const LONGEST: usize = 1920;

/// How many samples a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Rate {
    /// 8,000: a telephone.
    #[default]
    Narrow,
    /// 16,000.
    Wide,
}

/// Decodes the packets of one source, in order, at the rate that is wanted.
#[derive(Debug, Clone)]
pub struct Decoder {
    kind: CodecKind,
    codec: Decoding,
    convert: Convert,
}

/// Encodes sound of one rate into packets.
#[derive(Debug, Clone)]
pub struct Encoder {
    kind: CodecKind,
    codec: Encoding,
    convert: Convert,
}

/// The decoders there are.
#[derive(Debug, Clone)]
enum Decoding {
    G711(Law),
    G722(Box<g722::Decoder>),
}

/// The encoders there are.
#[derive(Debug, Clone)]
enum Encoding {
    G711(Law),
    G722(Box<g722::Encoder>),
}

/// Between the rate of a codec and that which is wanted.
#[derive(Debug, Clone)]
enum Convert {
    Same,
    Up(Box<Upsampler>),
    Down(Box<Downsampler>),
}

impl Convert {
    fn new(from: Rate, to: Rate) -> Convert {
        match (from, to) {
            (Rate::Narrow, Rate::Wide) => Convert::Up(Box::default()),
            (Rate::Wide, Rate::Narrow) => Convert::Down(Box::default()),
            _ => Convert::Same,
        }
    }

    fn push(&mut self, samples: &[i16], out: &mut [i16]) -> usize {
        match self {
            Convert::Same => {
                let n = samples.len().min(out.len());
                out[..n].copy_from_slice(&samples[..n]);
                n
            }
            Convert::Up(up) => up.push(samples, out),
            Convert::Down(down) => down.push(samples, out),
        }
    }
}

impl Decoding {
    fn new(kind: CodecKind) -> Option<Decoding> {
        match kind {
            CodecKind::Pcmu | CodecKind::Pcma => kind.law().map(Decoding::G711),
            CodecKind::G722 => Some(Decoding::G722(Box::default())),
            CodecKind::Opus => None,
        }
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        match self {
            Decoding::G711(law) => law.decode(payload, out),
            Decoding::G722(decoder) => decoder.decode(payload, out),
        }
    }
}

impl Encoding {
    fn new(kind: CodecKind) -> Option<Encoding> {
        match kind {
            CodecKind::Pcmu | CodecKind::Pcma => kind.law().map(Encoding::G711),
            CodecKind::G722 => Some(Encoding::G722(Box::default())),
            CodecKind::Opus => None,
        }
    }

    fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> usize {
        match self {
            Encoding::G711(law) => law.encode(samples, out),
            Encoding::G722(encoder) => encoder.encode(samples, out),
        }
    }
}

impl CodecKind {
    /// Samples a second of what is encoded.
    pub fn rate(self) -> Rate {
        match self {
            CodecKind::Pcmu | CodecKind::Pcma => Rate::Narrow,
            CodecKind::G722 | CodecKind::Opus => Rate::Wide,
        }
    }

    /// Can we decode and encode it? What we cannot is only passed on.
    pub fn can_be_coded(self) -> bool {
        Decoding::new(self).is_some() && Encoding::new(self).is_some()
    }
}

impl Decoder {
    /// A decoder at this rate; `None` for a codec that is only passed on.
    pub fn new(kind: CodecKind, rate: Rate) -> Option<Decoder> {
        let codec = Decoding::new(kind)?;
        Some(Decoder { kind, codec, convert: Convert::new(kind.rate(), rate) })
    }

    /// Its codec.
    pub fn kind(&self) -> CodecKind {
        self.kind
    }

    /// Decodes a payload; returns how many samples of `out` were written. A payload of more than 120 ms is cut.
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        if let Convert::Same = self.convert {
            return self.codec.decode(payload, out);
        }
        let mut samples = [0; LONGEST];
        let n = self.codec.decode(payload, &mut samples);
        self.convert.push(&samples[..n], out)
    }
}

impl Encoder {
    /// An encoder of sound of this rate; `None` for a codec that is only passed on.
    pub fn new(kind: CodecKind, rate: Rate) -> Option<Encoder> {
        let codec = Encoding::new(kind)?;
        Some(Encoder { kind, codec, convert: Convert::new(rate, kind.rate()) })
    }

    /// Its codec.
    pub fn kind(&self) -> CodecKind {
        self.kind
    }

    /// Encodes samples; returns how many octets of `out` were written. More than 120 ms are cut.
    pub fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> usize {
        if let Convert::Same = self.convert {
            return self.codec.encode(samples, out);
        }
        let mut converted = [0; LONGEST];
        let n = self.convert.push(samples, &mut converted);
        self.codec.encode(&converted[..n], out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goertzel::Goertzel;
    use crate::level;

    fn at(samples: &[i16], hz: f32) -> f32 {
        let mut goertzel = Goertzel::new(hz);
        samples.iter().for_each(|&s| goertzel.push(f32::from(s)));
        level::dbm0(goertzel.take(samples.len()))
    }

    #[test]
    fn a_tone_keeps_its_level_through_a_pair_at_either_rate() {
        for kind in
            [CodecKind::Pcmu, CodecKind::Pcma, CodecKind::G722].into_iter().filter(|kind| kind.can_be_coded())
        {
            for (rate, times) in [(Rate::Narrow, 1), (Rate::Wide, 2)] {
                let (mut encoder, mut decoder) = (
                    Encoder::new(kind, rate).expect("codes"),
                    Decoder::new(kind, Rate::Narrow).expect("codes"),
                );
                let per_second = (times * 8000) as f32;
                let tone = |t: usize| {
                    (8000.0 * (std::f32::consts::TAU * 1000.0 * t as f32 / per_second).sin()) as i16
                };
                let mut heard = Vec::new();
                for packet in 0..50 {
                    let n = times * 160;
                    let samples: Vec<i16> = (packet * n..(packet + 1) * n).map(tone).collect();
                    let (mut payload, mut out) = ([0; LONGEST], [0; LONGEST]);
                    let n = encoder.encode(&samples, &mut payload);
                    let n = decoder.decode(&payload[..n], &mut out);
                    heard.extend(&out[..n]);
                }
                assert_eq!(heard.len(), 8000);
                let expected = level::dbm0(8000.0 * 8000.0 / 2.0);
                let measured = at(&heard[800..7200], 1000.0);
                assert!(
                    (measured - expected).abs() < 0.3,
                    "{kind:?} at {rate:?}: {measured} for {expected} dBm0"
                );
            }
        }
    }
}
