use super::*;
use crate::tone::Play;

const WHEN: When = When { month: 11, day: 22, hour: 14, minute: 5 };

fn caller() -> Caller {
    Caller { when: Some(WHEN), number: "01632960123".into(), name: "Ada Lovelace".into(), private: false }
}

/// Silence, the burst, silence.
fn audio(burst: &Burst) -> Vec<i16> {
    let mut all = vec![0; 1600];
    let mut generator = BurstGen::new(burst);
    let mut frame = [0; 160];
    while generator.fill(&mut frame) == Play::Going {
        all.extend_from_slice(&frame);
    }
    all.extend_from_slice(&frame);
    all.extend_from_slice(&[0; 1600]);
    all
}

fn hear(audio: &[i16]) -> Vec<Received> {
    let mut receiver = FskReceiver::new();
    audio.chunks(160).filter_map(|f| receiver.push(f)).collect()
}

/// White noise of this level, from a seed.
fn add_noise(audio: &mut [i16], dbm0: f32, mut seed: u64) {
    let peak = crate::level::amplitude(dbm0) / 2f32.sqrt() * 3f32.sqrt();
    for s in audio {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let unit = (seed >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        *s = (*s as f32 + peak * unit).round() as i16;
    }
}

#[test]
fn messages_have_the_bytes_of_the_standard() {
    // GR-30: 80h, length, 01h 08h MMDDhhmm, 02h number, 07h name, checksum.
    let b = mdmf(FskStandard::Bell202, &caller());
    assert_eq!(&b.message[..12], b"\x80\x25\x01\x0811221405");
    assert_eq!(&b.message[12..25], b"\x02\x0b01632960123");
    assert_eq!(&b.message[25..39], b"\x07\x0cAda Lovelace");
    assert_eq!(b.message.iter().fold(0u8, |s, b| s.wrapping_add(*b)), 0);
    assert_eq!(parse(&b.message), Some(caller()));

    let s = sdmf(FskStandard::Bell202, &caller());
    assert_eq!(&s.message[..21], b"\x04\x131122140501632960123");
    let without_name = Caller { name: String::new(), ..caller() };
    assert_eq!(parse(&s.message), Some(without_name));
}

#[test]
fn a_withheld_number_is_not_sent() {
    let secret = Caller { private: true, ..caller() };
    for b in [mdmf(FskStandard::V23, &secret), sdmf(FskStandard::V23, &secret)] {
        assert!(!b.message.windows(5).any(|w| w == b"01632" || w == b"Lovel"), "{:x?}", b.message);
        let told = parse(&b.message).expect("parses");
        assert_eq!(told, Caller { when: Some(WHEN), private: true, ..Caller::default() });
    }
}

#[test]
fn an_unknown_number_is_unavailable_not_private() {
    let unknown = Caller::default();
    assert_eq!(parse(&mdmf(FskStandard::V23, &unknown).message), Some(unknown));
}

#[test]
fn names_become_what_telephones_show() {
    let b = mdmf(FskStandard::V23, &Caller { name: "Zoë\r\nŠimůnková 東".into(), ..caller() });
    assert_eq!(parse(&b.message).map(|c| c.name).as_deref(), Some("ZoeSimunkova ?"));
}

#[test]
fn what_is_sent_is_heard() {
    for standard in [FskStandard::Bell202, FskStandard::V23] {
        for dbm0 in [0.0, -13.5, -30.0, -38.0] {
            for burst in [mdmf(standard, &caller()), mdmf(standard, &caller()).off_hook()] {
                let burst = Burst { dbm0, ..burst };
                let heard = hear(&audio(&burst));
                assert_eq!(heard, [Received::Caller(caller())], "{standard:?} at {dbm0} dBm0");
            }
        }
    }
}

#[test]
fn noise_20_db_below_does_not_hurt() {
    for standard in [FskStandard::Bell202, FskStandard::V23] {
        for seed in 0..12 {
            let mut a = audio(&Burst { dbm0: -30.0, ..mdmf(standard, &caller()) });
            add_noise(&mut a, -48.0, seed);
            assert_eq!(hear(&a), [Received::Caller(caller())], "{standard:?}, seed {seed}");
        }
    }
}

#[test]
fn a_companded_line_does_not_hurt() {
    let mut a = audio(&mdmf(FskStandard::Bell202, &caller()));
    for s in &mut a {
        *s = crate::g711::decode_ulaw(crate::g711::encode_ulaw(*s));
    }
    assert_eq!(hear(&a), [Received::Caller(caller())]);
}

#[test]
fn a_damaged_message_is_never_taken() {
    let mut b = mdmf(FskStandard::Bell202, &caller());
    b.message[14] ^= 1;
    assert_eq!(hear(&audio(&b)), [Received::Damaged]);
    let mut cut = audio(&mdmf(FskStandard::Bell202, &caller()));
    let half = cut.len() * 3 / 4;
    cut[half..].fill(0);
    assert_eq!(hear(&cut), [Received::Damaged]);
}

#[test]
fn noise_and_tones_say_nothing() {
    let mut noise = vec![0i16; 80_000];
    add_noise(&mut noise, -20.0, 7);
    assert!(!hear(&noise).iter().any(|r| matches!(r, Received::Caller(_))));
    let mut tone = vec![0; 80_000];
    crate::tone::ToneGen::new(&"350@-13,440@-13;*(.3/.2/1+2)".parse().expect("script")).fill(&mut tone);
    assert_eq!(hear(&tone), []);
}

#[test]
fn two_messages_in_a_row() {
    let mut a = audio(&mdmf(FskStandard::Bell202, &caller()));
    a.extend(audio(&message_waiting(FskStandard::Bell202, true)));
    a.extend(audio(&message_waiting(FskStandard::V23, false)));
    let heard = hear(&a);
    let lamps = [Received::MessageWaiting(true), Received::MessageWaiting(false)];
    assert_eq!(heard[0], Received::Caller(caller()));
    assert_eq!(heard[1..], lamps);
}

#[test]
fn the_alerting_tone_goes_first_and_is_heard() {
    let burst = mdmf(FskStandard::V23, &caller()).after(Lead::Alert { ms: 100, gap_ms: 60 });
    let a = audio(&burst);
    let mut alert = AlertDetector::default();
    let ends: Vec<usize> =
        a.chunks(80).enumerate().filter(|(_, f)| alert.push(f)).map(|(n, _)| n * 10).collect();
    // 200 ms of silence, 100 ms of tone; told within 30 ms of its end.
    assert_eq!(ends.len(), 1);
    assert!((300..=330).contains(&ends[0]), "{ends:?}");
    assert_eq!(hear(&a), [Received::Caller(caller())]);
    let whole = a.len() as u32 / 8 - 400;
    assert!(whole.abs_diff(burst.ms()) <= 25, "{whole} against {}", burst.ms());
}

#[test]
fn speech_like_sound_is_no_alert() {
    let mut alert = AlertDetector::default();
    let mut noise = vec![0i16; 160_000];
    add_noise(&mut noise, -15.0, 3);
    assert!(!alert.push(&noise));
}

#[test]
fn names_of_the_world_are_shown_as_near_as_can_be() {
    for (name, shown) in [
        ("JOSÉ ÅNGSTRÖM", "JOSE ANGSTROM"),
        ("Groß Weiß", "Gross Weiss"),
        ("Łukasz Żółć", "Lukasz Zolc"),
        ("Ðórunn Þ.", "Dorunn Th."),
        ("Ștefan Țuțea", "Stefan Tutea"),
        ("Иван", "Ivan"),
        ("Ελένη", "Eleni"),
        ("O’Brien – Æon", "O'Brien - AEon"),
        ("Zoe\u{308}", "Zoe"),
        ("東京", "??"),
    ] {
        let caller = Caller { number: "101".into(), name: name.into(), ..Caller::default() };
        let read = parse(&mdmf(FskStandard::V23, &caller).message).expect("a message");
        assert_eq!(read.name, shown, "{name}");
    }
}

#[test]
fn accents_on_the_line_are_read() {
    let named = |name: &[u8]| {
        let mut data = Vec::new();
        parameter(&mut data, 0x02, b"101");
        parameter(&mut data, 0x07, name);
        parse(&Burst::new(FskStandard::V23, 0x80, &data).message).expect("a message").name
    };
    assert_eq!(named(b"JOS\xC9 M\xDCLLER"), "JOSÉ MÜLLER");
    assert_eq!(named("JOSÉ MÜLLER".as_bytes()), "JOSÉ MÜLLER");
    assert_eq!(named(b"ADA"), "ADA");
    // Even parity.
    let parity: Vec<u8> = b"ADA LOVELACE".iter().map(|b| b | ((b.count_ones() as u8 & 1) << 7)).collect();
    assert_eq!(named(&parity), "ADA LOVELACE");
}
