use super::*;
use crate::level::amplitude;
use crate::tone::Play;

const ALL: &str = "1234567890*#ABCD";

fn sent(keys: &str, sending: Sending) -> Vec<i16> {
    let mut out = vec![0; 400];
    let mut generator = DtmfGen::new(keys, sending);
    let mut frame = [0; 160];
    loop {
        let play = generator.fill(&mut frame);
        out.extend_from_slice(&frame);
        if play == Play::Ended {
            out.extend_from_slice(&[0; 800]);
            return out;
        }
    }
}

fn heard(audio: &[i16]) -> Vec<Heard> {
    let mut all = Vec::new();
    let mut d = DtmfDetector::new();
    for chunk in audio.chunks(160) {
        d.push(chunk, |h| all.push(h));
    }
    all
}

fn keys(audio: &[i16]) -> String {
    heard(audio)
        .iter()
        .filter_map(|h| if let Heard::Down { key, .. } = h { Some(*key) } else { None })
        .collect()
}

/// Two sines with their own frequency, level and length.
fn pair(hz: (f32, f32), dbm0: (f32, f32), ms: usize, phase: f32) -> Vec<i16> {
    let mut out = vec![0i16; 1000];
    for n in 0..ms * 8 {
        let sine = |hz: f32, dbm0: f32| {
            amplitude(dbm0) * (std::f32::consts::TAU * hz * n as f32 / 8000.0 + phase).sin()
        };
        out.push((sine(hz.0, dbm0.0) + sine(hz.1, dbm0.1)).round() as i16);
    }
    out.extend_from_slice(&[0; 1000]);
    out
}

struct Noise(u64);

impl Noise {
    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
    fn add(&mut self, audio: &mut [i16], dbm0: f32) {
        let peak = amplitude(dbm0) * (3f32 / 2.0).sqrt();
        audio.iter_mut().for_each(|s| *s = (*s as f32 + peak * self.unit()) as i16);
    }
}

#[test]
fn what_is_sent_is_heard() {
    for (on, off) in [(100, 100), (50, 50), (45, 45), (40, 40), (300, 60)] {
        let s = Sending { on, off, ..Sending::default() };
        assert_eq!(keys(&sent(ALL, s)), ALL, "{on}/{off}");
        assert_eq!(keys(&sent("1122334455", s)), "1122334455", "{on}/{off}");
    }
}

#[test]
fn lengths_and_times_are_told() {
    for on in [50u16, 70, 100, 250, 1000] {
        let events = heard(&sent("5", Sending { on, ..Sending::default() }));
        let [Heard::Down { key: '5', at }, Heard::Up { key: '5', ms }] = events[..] else {
            panic!("{events:?}")
        };
        assert!(at.abs_diff(400) <= 48, "{at}");
        assert!(ms.abs_diff(on) <= 10, "{ms} of {on}");
    }
}

#[test]
fn pauses_are_sent() {
    let audio = sent("1,2p3x", Sending { on: 100, off: 100, ..Sending::default() });
    let at: Vec<u64> = heard(&audio)
        .iter()
        .filter_map(|h| if let Heard::Down { at, .. } = h { Some(at / 8) } else { None })
        .collect();
    assert_eq!(at.len(), 3);
    assert!((at[1] - at[0]).abs_diff(1200) <= 5 && (at[2] - at[1]).abs_diff(300) <= 5, "{at:?}");
}

#[test]
fn levels_sent_are_those_asked_for() {
    let audio = sent("7", Sending { on: 1000, ..Sending::default() });
    let steady = &audio[1600..8000];
    let at = |hz: f32| {
        let mut g = crate::goertzel::Goertzel::new(hz);
        steady.iter().for_each(|&s| g.push(s as f32));
        crate::level::dbm0(g.take(steady.len()))
    };
    assert!((at(1209.0) - at(852.0) - 2.0).abs() < 0.2);
    assert!((crate::level::of(steady) + 7.5).abs() < 0.1);
}

#[test]
fn every_level_and_twist_of_q24() {
    for key in ALL.chars() {
        let hz = frequencies(key).expect("a key");
        for low in [0.0, -3.0, -12.0, -20.0, -25.0f32] {
            for twist in [-8.0, -4.0, 0.0, 4.0f32] {
                let high = low + twist;
                if !(-25.0..=0.0).contains(&high) {
                    continue;
                }
                assert_eq!(
                    keys(&pair(hz, (low, high), 50, 0.3)),
                    key.to_string(),
                    "{key} at {low}, twist {twist}"
                );
            }
        }
        for (low, high) in [(-12.0, -2.0), (-2.0, -16.0), (-55.0, -55.0), (-10.0, -60.0), (-60.0, -10.0)] {
            assert_eq!(keys(&pair(hz, (low, high), 100, 0.3)), "", "{key} at {low} and {high}");
        }
    }
}

#[test]
fn frequencies_off_by_1_5_percent_are_taken_and_by_3_5_are_not() {
    for key in ALL.chars() {
        let (row, column) = frequencies(key).expect("a key");
        for phase in [0.0, 1.0, 2.5] {
            for (r, c) in [(1.5, 1.5), (-1.5, 1.5), (1.5, -1.5), (-1.5, -1.5), (1.0, 0.0)] {
                let hz = (row * (1.0 + r / 100.0), column * (1.0 + c / 100.0));
                assert_eq!(keys(&pair(hz, (-10.0, -8.0), 50, phase)), key.to_string(), "{key} {r} % {c} %");
            }
            for (r, c) in [(3.5, 0.0), (-3.5, 0.0), (0.0, 3.5), (0.0, -3.5), (3.5, 3.5), (-3.5, -3.5)] {
                let hz = (row * (1.0 + r / 100.0), column * (1.0 + c / 100.0));
                assert_eq!(keys(&pair(hz, (-10.0, -8.0), 100, phase)), "", "{key} {r} % {c} %");
            }
        }
    }
}

#[test]
fn forty_ms_are_a_key_and_twenty_three_are_not() {
    for key in ALL.chars() {
        let hz = frequencies(key).expect("a key");
        for shift in 0..10 {
            for (ms, expected) in [(40, key.to_string()), (23, String::new()), (15, String::new())] {
                let mut audio = vec![0; shift * 4];
                audio.extend(pair(hz, (-8.0, -6.0), ms, 0.1 * shift as f32));
                assert_eq!(keys(&audio), expected, "{key}, {ms} ms, shift {shift}");
            }
        }
    }
}

#[test]
fn a_drop_out_of_10_ms_does_not_make_two_keys() {
    for key in ALL.chars() {
        let hz = frequencies(key).expect("a key");
        for at in [30, 45, 60, 80] {
            let mut audio = pair(hz, (-8.0, -6.0), 120, 0.0);
            let at = 1000 + at * 8;
            audio[at..at + 79].fill(0);
            assert_eq!(keys(&audio), key.to_string(), "{key} broken at {at}");
        }
    }
}

#[test]
fn noise_15_db_below_does_not_hurt() {
    for seed in 0..8 {
        let mut audio = sent(ALL, Sending { on: 50, off: 50, dbm0: -17.0, twist_db: 2.0 });
        Noise(seed).add(&mut audio, -32.0);
        assert_eq!(keys(&audio), ALL, "seed {seed}");
    }
}

#[test]
fn companding_does_not_hurt() {
    let mut audio = sent(ALL, Sending { on: 50, off: 50, dbm0: -20.0, twist_db: 2.0 });
    for s in &mut audio {
        *s = crate::g711::decode_alaw(crate::g711::encode_alaw(*s));
    }
    assert_eq!(keys(&audio), ALL);
}

#[test]
fn noise_has_no_keys() {
    let mut audio = vec![0i16; 8000 * 60];
    Noise(99).add(&mut audio, -15.0);
    assert_eq!(keys(&audio), "");
}

/// Vowels: a pulse train at a gliding pitch through formant resonators, with pauses; and sung, steady ones, which are
/// the hardest. Ten minutes of it.
#[test]
fn speech_like_sound_has_no_keys() {
    let formants = [
        [(730.0, 90.0), (1090.0, 110.0), (2440.0, 170.0)],
        [(270.0, 60.0), (2290.0, 200.0), (3010.0, 300.0)],
        [(530.0, 70.0), (1840.0, 160.0), (2480.0, 250.0)],
        [(660.0, 80.0), (1720.0, 150.0), (2410.0, 250.0)],
        [(440.0, 70.0), (1020.0, 100.0), (2240.0, 200.0)],
        [(640.0, 80.0), (1190.0, 100.0), (2390.0, 200.0)],
        [(850.0, 80.0), (1220.0, 100.0), (2810.0, 200.0)],
        [(700.0, 80.0), (1340.0, 100.0), (2600.0, 200.0)],
    ];
    let mut noise = Noise(5);
    let mut d = DtmfDetector::new();
    let mut wrong = Vec::new();
    let mut state = [[0f32; 2]; 3];
    let mut phase = 0f32;
    for syllable in 0..3000 {
        let f = &formants[(noise.unit().abs() * 7.99) as usize];
        let sung = syllable % 3 == 0;
        let (mut pitch, glide) =
            (90.0 + 200.0 * noise.unit().abs(), if sung { 0.0 } else { noise.unit() * 0.01 });
        let mut frame = [0i16; 1600];
        for s in &mut frame {
            phase += pitch / 8000.0;
            pitch += glide;
            let mut x = 0.0;
            if phase >= 1.0 {
                phase -= 1.0;
                x = 1.0;
            }
            x += noise.unit() * 0.02;
            let mut sum = 0.0;
            for (st, (hz, width)) in state.iter_mut().zip(f) {
                let r = (-std::f32::consts::PI * width / 8000.0).exp();
                let y = x + 2.0 * r * (std::f32::consts::TAU * hz / 8000.0).cos() * st[0] - r * r * st[1];
                *st = [y, st[0]];
                sum += y;
            }
            *s = (sum * 2500.0) as i16;
        }
        if syllable % 5 == 4 {
            frame[800..].fill(0);
        }
        d.push(&frame, |h| {
            if matches!(h, Heard::Down { .. }) {
                wrong.push(h)
            }
        });
    }
    // Q.24 has no figure of its own; Bellcore's talk-off tapes allow about 30 in half an hour of the worst speech.
    assert!(wrong.len() <= 2, "{} {wrong:?}", wrong.len());
}

#[test]
fn dial_tone_under_the_keys_does_not_hide_them() {
    // A key breaks dial tone within a frame or two; the first 20 ms may overlap.
    let mut audio = sent("159D", Sending::default());
    let mut tone = vec![0; 520];
    crate::tone::ToneGen::new(&"350@-19,440@-19;*(*/0/1+2)".parse().expect("script")).fill(&mut tone);
    audio.iter_mut().zip(&tone).for_each(|(a, t)| *a = a.saturating_add(*t));
    assert_eq!(keys(&audio), "159D");
}

/// Sines that sound all the time, under whatever else there is.
fn under(audio: &mut [i16], sines: &[(f32, f32)]) {
    for (n, a) in audio.iter_mut().enumerate() {
        let sum: f32 = sines
            .iter()
            .map(|(hz, dbm0)| amplitude(*dbm0) * (std::f32::consts::TAU * hz * n as f32 / 8000.0).sin())
            .sum();
        *a = (f32::from(*a) + sum) as i16;
    }
}

/// Dial tones of the world and mains hum go on while keys are pressed: a receiver of the MT8870's class reads keys 22 dB
/// below.
#[test]
fn keys_over_dial_tone_and_hum() {
    let tones: [&[f32]; 7] = [
        &[350.0, 440.0],
        &[425.0],
        &[400.0, 450.0],
        &[400.0],
        &[420.0, 520.0],
        &[50.0, 100.0, 150.0, 250.0],
        &[60.0, 120.0, 180.0, 300.0, 420.0],
    ];
    for tone in tones {
        // Each of the key's tones, and each of those under them, dBm0.
        for (each, below) in
            [(-9.0, -13.0), (-13.0, -13.0), (-20.0, -13.0), (-25.0, -13.0), (-25.0, -6.0), (-25.0, -3.0)]
        {
            let whole = each + 10.0 * (1.0 + 10f32.powf(0.2)).log10();
            for (on, off) in [(100, 100), (50, 50)] {
                let mut audio = sent(ALL, Sending { on, off, dbm0: whole, twist_db: 2.0 });
                let sines: Vec<_> = tone.iter().map(|hz| (*hz, below)).collect();
                // 520 Hz is nobody's dial tone but the SPA3102's, and lies near the keys.
                let near = tone.contains(&520.0) && below > each + 8.0;
                if near
                    || sines.iter().map(|s| amplitude(s.1)).sum::<f32>() + 3.0 * amplitude(each) > 32_767.0
                {
                    continue;
                }
                under(&mut audio, &sines);
                assert_eq!(keys(&audio), ALL, "{on}/{off} at {each} dBm0 over {tone:?} of {below}");
            }
        }
    }
}

#[test]
fn dial_tone_and_hum_alone_have_no_keys() {
    for sines in
        [&[(350.0, -3.0), (440.0, -3.0)][..], &[(50.0, 0.0), (150.0, -6.0), (250.0, -9.0)], &[(425.0, 0.0)]]
    {
        let mut audio = vec![0; 8000 * 20];
        under(&mut audio, sines);
        Noise(3).add(&mut audio, -45.0);
        assert_eq!(keys(&audio), "", "{sines:?}");
    }
}

#[test]
fn short_tones_over_dial_tone_are_no_keys_either() {
    for key in ALL.chars() {
        let hz = frequencies(key).expect("a key");
        for (ms, expected) in [(42, key.to_string()), (23, String::new())] {
            let mut audio = pair(hz, (-10.0, -8.0), ms, 0.4);
            under(&mut audio, &[(350.0, -13.0), (440.0, -13.0)]);
            assert_eq!(keys(&audio), expected, "{key}, {ms} ms");
        }
    }
}
