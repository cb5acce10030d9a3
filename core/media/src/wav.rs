//! WAV files: read into 8 kHz mono whatever their rate, and written. Only bytes: files belong to the daemon.

use thiserror::Error;

use crate::g711::{decode_alaw, decode_ulaw};

/// Longest sound read: 30 minutes at 48 kHz stereo would be 345 MB; prompts and music on hold are far shorter.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Why bytes are no WAV that can be played.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WavError {
    /// Not RIFF/WAVE at all.
    #[error("not a WAV file: it does not begin with RIFF and WAVE")]
    NotWav,
    /// Larger than [`MAX_BYTES`].
    #[error("the WAV file is larger than 64 MiB")]
    TooLarge,
    /// A chunk is missing.
    #[error("the WAV file has no '{0}' chunk; it is cut short or damaged")]
    Missing(&'static str),
    /// A format that is not read.
    #[error(
        "WAV format {format} with {bits} bits is not read; save it as PCM with 16 or 8 bits, A-law or µ-law"
    )]
    Format {
        /// Format tag.
        format: u16,
        /// Bits a sample.
        bits: u16,
    },
    /// A sample rate that makes no sense.
    #[error("a rate of {0} samples a second is not read; use 4000 to 192000")]
    Rate(u32),
    /// No channel, or more than a telephone can make sense of.
    #[error("{0} channels are not read; use 1 to 8")]
    Channels(u16),
    /// There is no sound in it.
    #[error("the WAV file holds no samples")]
    Empty,
}

/// A sound as it was in the file, mixed down to one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wav {
    /// Samples a second.
    pub rate: u32,
    /// The samples.
    pub samples: Vec<i16>,
}

impl Wav {
    /// Reads a file. A data chunk whose length is wrong (recorders that were killed leave 0 or −1) is read to the end.
    ///
    /// # Errors
    /// It is not WAV, larger than 64 MiB, cut short, or in a format that is not read.
    pub fn parse(bytes: &[u8]) -> Result<Wav, WavError> {
        if bytes.len() > MAX_BYTES {
            return Err(WavError::TooLarge);
        }
        let riff = bytes.get(..4) == Some(b"RIFF") && bytes.get(8..12) == Some(b"WAVE");
        let mut rest = bytes.get(12..).filter(|_| riff).ok_or(WavError::NotWav)?;
        let mut format = None;
        while let Some((head, body)) = rest.split_first_chunk::<8>() {
            let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            match &head[..4] {
                b"fmt " => format = Some(Format::parse(body.get(..length).unwrap_or(body))?),
                b"data" => {
                    let format = format.ok_or(WavError::Missing("fmt"))?;
                    let data = match length {
                        0 => body,
                        n => body.get(..n).unwrap_or(body),
                    };
                    return format.decode(data);
                }
                _ => {}
            }
            // Chunks are padded to even length.
            rest = body.get(length.saturating_add(length & 1)..).unwrap_or_default();
        }
        Err(WavError::Missing(if format.is_some() { "data" } else { "fmt" }))
    }

    /// The sound at 8 kHz.
    pub fn at_8k(&self) -> Vec<i16> {
        resample(&self.samples, self.rate, 8000)
    }

    /// A file of 16-bit PCM.
    pub fn bytes(&self) -> Vec<u8> {
        write(&self.samples, self.rate)
    }
}

struct Format {
    tag: u16,
    channels: u16,
    rate: u32,
    bits: u16,
}

const PCM: u16 = 1;
const ALAW: u16 = 6;
const ULAW: u16 = 7;
const EXTENSIBLE: u16 = 0xFFFE;

impl Format {
    fn parse(b: &[u8]) -> Result<Format, WavError> {
        let word = |at: usize| b.get(at..at + 2).map(|w| u16::from_le_bytes([w[0], w[1]]));
        let missing = WavError::Missing("fmt");
        let (Some(mut tag), Some(channels), Some(low), Some(high), Some(bits)) =
            (word(0), word(2), word(4), word(6), word(14))
        else {
            return Err(missing);
        };
        if tag == EXTENSIBLE {
            // The real tag begins the sub-format.
            tag = word(24).ok_or(missing)?;
        }
        let rate = (high as u32) << 16 | low as u32;
        match (tag, bits) {
            (PCM, 8 | 16) | (ALAW | ULAW, 8) => {}
            _ => return Err(WavError::Format { format: tag, bits }),
        }
        if !(4000..=192_000).contains(&rate) {
            return Err(WavError::Rate(rate));
        }
        if !(1..=8).contains(&channels) {
            return Err(WavError::Channels(channels));
        }
        Ok(Format { tag, channels, rate, bits })
    }

    fn decode(&self, data: &[u8]) -> Result<Wav, WavError> {
        let width = self.bits as usize / 8;
        let one = |b: &[u8]| -> i32 {
            match (self.tag, b) {
                (ALAW, [b]) => decode_alaw(*b) as i32,
                (ULAW, [b]) => decode_ulaw(*b) as i32,
                (_, [b]) => (*b as i32 - 128) << 8,
                (_, [low, high]) => i16::from_le_bytes([*low, *high]) as i32,
                _ => 0,
            }
        };
        let frames = data.chunks_exact(width * self.channels as usize);
        let mono = |f: &[u8]| (f.chunks_exact(width).map(one).sum::<i32>() / self.channels as i32) as i16;
        let samples: Vec<i16> = frames.map(mono).collect();
        if samples.is_empty() {
            return Err(WavError::Empty);
        }
        Ok(Wav { rate: self.rate, samples })
    }
}

/// A WAV file of 16-bit mono PCM.
pub fn write(samples: &[i16], rate: u32) -> Vec<u8> {
    let length = samples.len() * 2;
    let mut out = Vec::with_capacity(44 + length);
    out.extend_from_slice(&header(length.min(u32::MAX as usize - 36) as u32, rate));
    samples.iter().for_each(|s| out.extend_from_slice(&s.to_le_bytes()));
    out
}

/// The 44 bytes before `data_bytes` of 16-bit mono PCM; for a stream without end give `u32::MAX - 36`.
pub fn header(data_bytes: u32, rate: u32) -> [u8; 44] {
    let mut h = *b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\0\0\0\0\0\0\0\0\x02\0\x10\0data\0\0\0\0";
    h[4..8].copy_from_slice(&data_bytes.saturating_add(36).to_le_bytes());
    h[24..28].copy_from_slice(&rate.to_le_bytes());
    h[28..32].copy_from_slice(&rate.wrapping_mul(2).to_le_bytes());
    h[40..44].copy_from_slice(&data_bytes.to_le_bytes());
    h
}

/// Zero crossings of the interpolating sinc on each side.
const LOBES: i64 = 16;

/// Changes the rate by a windowed sinc whose cut-off is that of the lower rate.
pub fn resample(samples: &[i16], from: u32, to: u32) -> Vec<i16> {
    if from == to || samples.is_empty() || from == 0 || to == 0 {
        return samples.to_vec();
    }
    let n = (samples.len() as u64 * to as u64 / from as u64) as usize;
    // The filter's cut-off as a part of the input rate's half, a little below the edge.
    let cut = (to as f64 / from as f64).min(1.0) * 0.95;
    let reach = (LOBES as f64 / cut).ceil() as i64;
    // Ratios like 44100:8000 repeat after few phases: a table of them saves the sines.
    let phases = to / gcd(from, to);
    let taps: Vec<Vec<f32>> = (0..phases.min(4096)).map(|p| kernel(p as u64, from, to, cut, reach)).collect();
    let mut out = Vec::with_capacity(n);
    for k in 0..n as u64 {
        let centre = (k * from as u64 / to as u64) as i64;
        let own;
        let row = match taps.get((k % phases as u64) as usize) {
            Some(row) => row,
            None => {
                own = kernel(k, from, to, cut, reach);
                &own
            }
        };
        let mut sum = 0.0;
        for (t, w) in row.iter().enumerate() {
            let at = centre + t as i64 - reach;
            if let Some(&s) = usize::try_from(at).ok().and_then(|at| samples.get(at)) {
                sum += s as f32 * w;
            }
        }
        out.push(sum.round() as i16);
    }
    out
}

/// Weights around the input sample before output sample `k`.
fn kernel(k: u64, from: u32, to: u32, cut: f64, reach: i64) -> Vec<f32> {
    let fraction = (k * from as u64 % to as u64) as f64 / to as f64;
    let weight = |t: i64| {
        let x = (t - reach) as f64 - fraction;
        let sinc = if x == 0.0 {
            1.0
        } else {
            (std::f64::consts::PI * x * cut).sin() / (std::f64::consts::PI * x * cut)
        };
        let edge = (x / (reach as f64 + 1.0)).clamp(-1.0, 1.0);
        sinc * cut * (0.5 + 0.5 * (std::f64::consts::PI * edge).cos())
    };
    let row: Vec<f64> = (0..=2 * reach + 1).map(weight).collect();
    // A constant stays what it was.
    let sum: f64 = row.iter().sum();
    row.iter().map(|w| (w / sum) as f32).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::goertzel::Goertzel;
    use crate::level;

    fn sine(hz: f32, rate: u32, n: usize) -> Vec<i16> {
        (0..n)
            .map(|t| (10_000.0 * (t as f32 * std::f32::consts::TAU * hz / rate as f32).sin()) as i16)
            .collect()
    }

    fn at(samples: &[i16], hz: f32) -> f32 {
        let mut g = Goertzel::new(hz);
        samples.iter().for_each(|&s| g.push(s as f32));
        level::dbm0(g.take(samples.len()))
    }

    #[test]
    fn what_is_written_is_read() {
        let wav = Wav { rate: 8000, samples: sine(440.0, 8000, 800) };
        assert_eq!(Wav::parse(&wav.bytes()), Ok(wav));
    }

    fn file(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut f = b"RIFF\0\0\0\0WAVEfmt \x12\0\0\0".to_vec();
        f.extend([tag.to_le_bytes(), channels.to_le_bytes()].concat());
        f.extend(rate.to_le_bytes());
        f.extend([0; 6]);
        f.extend([bits.to_le_bytes(), [0, 0]].concat());
        f.extend(b"LIST\x03\0\0\0abc\0data");
        f.extend((data.len() as u32).to_le_bytes());
        f.extend(data);
        f
    }

    #[test]
    fn formats() {
        let check = |what: &str, f: Vec<u8>, expected: &[i16]| {
            assert_eq!(Wav::parse(&f).map(|w| w.samples), Ok(expected.to_vec()), "{what}");
        };
        check("16 bits", file(1, 1, 8000, 16, &[1, 0, 0xFF, 0xFF]), &[1, -1]);
        check("stereo", file(1, 2, 8000, 16, &[100, 0, 200, 0]), &[150]);
        check("8 bits", file(1, 1, 8000, 8, &[128, 0, 255]), &[0, -32768, 32512]);
        check("A-law", file(6, 1, 8000, 8, &[0xD5]), &[8]);
        check("µ-law", file(7, 1, 8000, 8, &[0xFF, 0]), &[0, -32124]);
        let mut cut = file(1, 1, 8000, 16, &[1, 0, 2, 0]);
        let at = cut.len() - 8;
        cut[at..at + 4].fill(0xFF);
        check("a length that lies", cut, &[1, 2]);
    }

    #[test]
    fn errors_name_what_is_wrong() {
        let check = |f: &[u8], expected: WavError| assert_eq!(Wav::parse(f), Err(expected));
        check(b"", WavError::NotWav);
        check(b"ID3 not a wav at all", WavError::NotWav);
        check(b"RIFF\0\0\0\0WAVE", WavError::Missing("fmt"));
        check(&file(1, 1, 8000, 16, &[])[..38], WavError::Missing("data"));
        check(&file(1, 1, 8000, 24, &[0; 6]), WavError::Format { format: 1, bits: 24 });
        check(&file(3, 1, 8000, 32, &[0; 8]), WavError::Format { format: 3, bits: 32 });
        check(&file(1, 1, 100, 16, &[0; 8]), WavError::Rate(100));
        check(&file(1, 0, 8000, 16, &[0; 8]), WavError::Channels(0));
        check(&file(1, 1, 8000, 16, &[]), WavError::Empty);
    }

    #[test]
    fn rates_are_changed_without_images() {
        for rate in [11_025, 16_000, 22_050, 44_100, 48_000] {
            let wav = Wav { rate, samples: sine(1000.0, rate, rate as usize) };
            let out = wav.at_8k();
            assert!(out.len().abs_diff(8000) <= 1);
            let steady = &out[400..7600];
            assert!((at(steady, 1000.0) - level::of(&wav.samples)).abs() < 0.1, "{rate}");
            // 5 kHz would fold to 3 kHz.
            let high = Wav { rate, samples: sine(5000.0, rate, rate as usize) }.at_8k();
            assert!(level::of(&high[400..7600]) < -45.0, "{rate}: {}", level::of(&high[400..7600]));
        }
        let up = resample(&sine(1000.0, 8000, 8000), 8000, 22_050);
        assert!(up.len().abs_diff(22_050) <= 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = Wav::parse(&bytes);
            let _ = Wav::parse(&[b"RIFF\0\0\0\0WAVE", &bytes[..]].concat());
            let mut f = file(1, 1, 8000, 16, &[1; 64]);
            for (k, b) in bytes.chunks_exact(2).map(|c| (c[0], c[1])) {
                let n = 12 + k as usize % (f.len() - 12);
                f[n] = b;
            }
            let _ = Wav::parse(&f).map(|w| w.samples.len());
        }
    }
}
