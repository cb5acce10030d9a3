//! An ear: how loud one frequency is in a recording.

/// The samples of a WAV file of 16-bit PCM, from −1 to 1, and its rate. A recording that is still being written says
/// too little in its header; all that is there is taken.
pub fn samples(wav: &[u8]) -> (Vec<f32>, u32) {
    let rate = wav.get(24..28).and_then(|b| b.try_into().ok()).map_or(8000, u32::from_le_bytes);
    let at = wav.windows(4).position(|w| w == b"data").map_or(wav.len(), |at| at + 8);
    let data = wav.get(at..).unwrap_or_default();
    let samples = data.chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0);
    (samples.collect(), rate)
}

/// The share of the power of these samples that lies at this frequency (Goertzel): 1 for a pure tone, and its level
/// in dB below a full sine.
pub fn level(samples: &[f32], rate: u32, hz: f32) -> (f32, f32) {
    let count = samples.len().max(1) as f32;
    let turn = std::f32::consts::TAU * hz / rate as f32;
    let (mut real, mut imaginary, mut power) = (0f64, 0f64, 0f64);
    for (n, sample) in samples.iter().enumerate() {
        let (sin, cos) = (turn * n as f32).sin_cos();
        real += f64::from(sample * cos);
        imaginary += f64::from(sample * sin);
        power += f64::from(sample * sample);
    }
    let tone = 2.0 * (real * real + imaginary * imaginary) / f64::from(count) / f64::from(count);
    let whole = power / f64::from(count);
    let share = if whole > 0.0 { tone / whole } else { 0.0 };
    (share as f32, (10.0 * (2.0 * tone).max(1e-12).log10()) as f32)
}

/// A WAV file: 8 kHz, mono, 16 bits.
pub fn wav(samples: &[i16]) -> Vec<u8> {
    let bytes = samples.len() * 2;
    let word = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let mut out = b"RIFF".to_vec();
    out.extend(word(36 + bytes));
    out.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    out.extend(word(8_000));
    out.extend(word(16_000));
    out.extend(b"\x02\0\x10\0data");
    out.extend(word(bytes));
    out.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
    out
}

/// A tone of so many seconds, 12 dB below a full sine.
pub fn tone(hz: f32, seconds: u16) -> Vec<i16> {
    let turn = std::f32::consts::TAU * hz / 8_000.0;
    (0..u32::from(seconds) * 8_000).map(|n| ((turn * n as f32).sin() * 8_000.0) as i16).collect()
}
