//! Sound that is queued to be said and sound that is remembered, and WAV files of both.

use std::collections::VecDeque;
use std::io::Cursor;

use crate::{Block, STEP};

/// Queued sound: said once, in order.
#[derive(Debug, Clone, Default)]
pub struct Speech {
    queue: VecDeque<i16>,
}

/// The last seconds of what was heard, with an offset that counts from the beginning, so that a listener can ask for what is new.
#[derive(Debug, Clone)]
pub struct Recording {
    kept: VecDeque<i16>,
    most: usize,
    /// Samples ever heard.
    total: u64,
}

/// Why a WAV file was refused.
#[derive(Debug, thiserror::Error)]
pub enum BadWav {
    /// Not a WAV file.
    #[error("the sound is not a WAV file that can be read: {0}")]
    Format(#[from] hound::Error),
    /// A kind that is not taken.
    #[error(
        "the WAV file has {channels} channels of {bits} bits at {rate} Hz: use 1 or 2 channels of 16-bit PCM at a multiple of 8000 Hz, up to 48000"
    )]
    Kind {
        /// Channels.
        channels: u16,
        /// Bits a sample.
        bits: u16,
        /// Samples a second.
        rate: u32,
    },
    /// Nothing in it.
    #[error("the WAV file holds no samples")]
    Empty,
    /// Too much.
    #[error("too much sound: at most {0} s may wait to be said")]
    Long(usize),
}

/// Longest queue: ten minutes.
const MOST_SPEECH: usize = 600 * 8000;

impl Speech {
    /// Appends sound.
    pub fn push(&mut self, samples: &[i16]) -> Result<(), BadWav> {
        if self.queue.len() + samples.len() > MOST_SPEECH {
            return Err(BadWav::Long(MOST_SPEECH / 8000));
        }
        self.queue.extend(samples);
        Ok(())
    }
    /// Forgets what was not said yet.
    pub fn clear(&mut self) {
        self.queue.clear();
    }
    /// How much waits, ms.
    pub fn left_ms(&self) -> u64 {
        (self.queue.len() / STEP) as u64
    }
    /// Adds the next sound to a block.
    pub fn mix(&mut self, out: &mut Block) {
        for s in out {
            let Some(next) = self.queue.pop_front() else { return };
            *s = s.saturating_add(next);
        }
    }
}

impl Recording {
    /// A memory of so many seconds.
    pub fn new(seconds: u32) -> Recording {
        Recording { kept: VecDeque::new(), most: seconds as usize * 8000, total: 0 }
    }
    /// Hears a block.
    pub fn push(&mut self, block: &[i16]) {
        self.kept.extend(block);
        let extra = self.kept.len().saturating_sub(self.most);
        self.kept.drain(..extra);
        self.total += block.len() as u64;
    }
    /// Samples ever heard: the offset of what comes next.
    pub fn total(&self) -> u64 {
        self.total
    }
    /// What was heard from this offset on, at most `most` samples; what is too old is left out. Answers the offset it really
    /// begins at.
    pub fn since(&self, offset: u64, most: usize) -> (u64, Vec<i16>) {
        let first = self.total - self.kept.len() as u64;
        let from = offset.clamp(first, self.total);
        let skip = (from - first) as usize;
        (from, self.kept.iter().skip(skip).take(most).copied().collect())
    }
}

/// Reads a WAV file to 8 kHz mono. Higher rates are averaged down.
pub fn read_wav(bytes: &[u8]) -> Result<Vec<i16>, BadWav> {
    let mut wav = hound::WavReader::new(Cursor::new(bytes))?;
    let spec = wav.spec();
    let rate_good = spec.sample_rate.is_multiple_of(8000) && (8000..=48_000).contains(&spec.sample_rate);
    let pcm16 = spec.bits_per_sample == 16 && spec.sample_format == hound::SampleFormat::Int;
    if !rate_good || !pcm16 || !(1..=2).contains(&spec.channels) {
        let (channels, bits, rate) = (spec.channels, spec.bits_per_sample, spec.sample_rate);
        return Err(BadWav::Kind { channels, bits, rate });
    }
    let all = wav.samples::<i16>().collect::<Result<Vec<i16>, _>>()?;
    let group = spec.channels as usize * (spec.sample_rate / 8000) as usize;
    let mean = |g: &[i16]| (g.iter().map(|s| i32::from(*s)).sum::<i32>() / g.len() as i32) as i16;
    let mono: Vec<i16> = all.chunks_exact(group).map(mean).collect();
    if mono.is_empty() {
        return Err(BadWav::Empty);
    }
    Ok(mono)
}

/// Writes 8 kHz mono 16-bit PCM.
pub fn write_wav(samples: &[i16]) -> Result<Vec<u8>, BadWav> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut wav = hound::WavWriter::new(&mut bytes, spec)?;
    for s in samples {
        wav.write_sample(*s)?;
    }
    wav.finalize()?;
    Ok(bytes.into_inner())
}

/// A steady sine.
pub fn sine(hz: f32, ms: u32, dbm0: f32) -> Vec<i16> {
    let amplitude = ringtrip_media::level::amplitude(dbm0);
    (0..ms as usize * STEP)
        .map(|n| (amplitude * (std::f32::consts::TAU * hz * n as f32 / 8000.0).sin()) as i16)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_counts_from_the_beginning() {
        let mut r = Recording::new(1);
        let all: Vec<i16> = (0..12_000).map(|n| n as i16).collect();
        r.push(&all);
        assert_eq!(r.total(), 12_000);
        assert_eq!(r.since(11_998, 10), (11_998, vec![11_998, 11_999]));
        assert_eq!(r.since(0, 1), (4_000, vec![4_000]));
        assert_eq!(r.since(99_999, 1), (12_000, vec![]));
    }

    #[test]
    fn wav_files_come_back() {
        let sound = sine(1000.0, 20, -10.0);
        assert_eq!(read_wav(&write_wav(&sound).unwrap()).unwrap(), sound);
    }

    #[test]
    fn bad_wav_files_are_named() {
        assert!(matches!(read_wav(b"RIFFnothing"), Err(BadWav::Format(_))));
        assert!(matches!(read_wav(&write_wav(&[]).unwrap()), Err(BadWav::Empty)));
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 11_025,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut odd = Cursor::new(Vec::new());
        hound::WavWriter::new(&mut odd, spec).unwrap().finalize().unwrap();
        assert!(matches!(read_wav(odd.get_ref()), Err(BadWav::Kind { rate: 11_025, .. })));
    }
}
