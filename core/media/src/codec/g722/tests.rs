use super::*;

/// Numbers that look random: the same everywhere.
fn numbers(seed: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(seed), |x| Some(x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223))).skip(1)
}

/// FNV-1a.
fn hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xCBF2_9CE4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3))
}

/// Noise from a quarter of full scale down to nothing, every step for a sixteenth of a second.
fn noise() -> Vec<i16> {
    numbers(1).take(16_000).enumerate().map(|(n, x)| ((x >> 16) as i16) >> (2 + n / 1000 % 6)).collect()
}

/// What spandsp 0.0.6 makes of the same, octet by octet. Where a sample is beyond 16 bits, spandsp wraps round and we
/// saturate; this noise never is.
#[test]
fn octets_and_samples_of_another_implementation() {
    let mut octets = vec![0; 8000];
    assert_eq!(Encoder::default().encode(&noise(), &mut octets), 8000);
    assert_eq!(
        octets[..16],
        [0x9B, 0x24, 0x84, 0x20, 0x84, 0x20, 0x8F, 0x09, 0xAE, 0x06, 0x3A, 0xBA, 0x1B, 0xB9, 0x9B, 0x14]
    );
    assert_eq!(hash(octets.iter().copied()), 0x0235_C495_2DF7_BD21);
    let mut samples = vec![0i16; 16_000];
    assert_eq!(Decoder::default().decode(&octets, &mut samples), 16_000);
    assert_eq!(hash(samples.iter().flat_map(|s| s.to_le_bytes())), 0xB976_9830_65D2_4B3A);
}

/// The loudest noise is encoded alike; octets that no encoder makes are decoded alike.
#[test]
fn extremes_are_those_of_another_implementation() {
    let loud: Vec<i16> =
        numbers(1).take(16_000).enumerate().map(|(n, x)| ((x >> 16) as i16) >> (n / 1000 % 8)).collect();
    let mut octets = vec![0; 8000];
    Encoder::default().encode(&loud, &mut octets);
    assert_eq!(hash(octets), 0x5491_EDE7_5CB2_DE89);
    // Any octet, then four of small steps: so no sample goes beyond 16 bits.
    let any = |(n, x): (usize, u32)| (x >> 24) as u8 | if n % 5 == 0 { 0 } else { 0x3C };
    let octets: Vec<u8> = numbers(7).take(8000).enumerate().map(any).collect();
    let mut samples = vec![0i16; 16_000];
    Decoder::default().decode(&octets, &mut samples);
    assert_eq!(hash(samples.iter().flat_map(|s| s.to_le_bytes())), 0x0DB5_0F79_20E0_1419);
}

#[test]
fn the_upper_band_is_there() {
    use crate::codec::measure::{level, signal_to_noise, tone};
    for hz in [300.0, 1000.0, 3000.0, 5000.0, 6500.0] {
        let sound = tone(hz, 8000.0, 16_000.0, 16_000);
        let (mut octets, mut heard) = (vec![0; 8000], vec![0i16; 16_000]);
        Encoder::default().encode(&sound, &mut octets);
        Decoder::default().decode(&octets, &mut heard);
        let db = 20.0 * (level(&heard[800..], hz, 16_000.0) / 8000.0).log10();
        let snr = signal_to_noise(&heard[800..], hz, 16_000.0);
        println!("{hz} Hz: {db:+.3} dB, S/N {snr:.1} dB");
        assert!(db.abs() < 0.5, "{hz} Hz: {db} dB");
        assert!(snr > if hz < 4000.0 { 30.0 } else { 12.0 }, "{hz} Hz: S/N {snr} dB");
    }
}
