//! Independent ears and mouths: DTMF of ours is decoded by multimon-ng, caller ID of ours by minimodem, and FSK of
//! minimodem by us. A test whose program is not installed says so and returns.

// Programs are started here: this is a test against the world, not a machine.
#![allow(clippy::disallowed_methods)]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use ringtrip_media::callerid::{self, Burst, BurstGen, Caller, FskReceiver, FskStandard, Received, When};
use ringtrip_media::dtmf::{DtmfDetector, DtmfGen, Heard, Sending};
use ringtrip_media::tone::Play;
use ringtrip_media::wav;

/// Runs a program; `None` when it is not installed.
fn run(program: &str, args: &[&str], folder: &Path) -> Option<Output> {
    match Command::new(program).args(args).current_dir(folder).stdin(Stdio::null()).output() {
        Ok(output) => Some(output),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            println!("{program} is not installed: nothing tested");
            None
        }
        Err(e) => panic!("{program}: {e}"),
    }
}

fn played(mut fill: impl FnMut(&mut [i16]) -> Play) -> Vec<i16> {
    let mut all = vec![0; 4000];
    let mut frame = [0; 160];
    while fill(&mut frame) == Play::Going {
        all.extend_from_slice(&frame);
    }
    all.extend_from_slice(&frame);
    all.resize(all.len() + 8000, 0);
    all
}

fn caller() -> Caller {
    let when = Some(When { month: 11, day: 22, hour: 14, minute: 5 });
    Caller { when, number: "01632960123".into(), name: "ADA LOVELACE".into(), private: false }
}

#[test]
fn multimon_ng_reads_our_dtmf() {
    let folder = tempfile::tempdir().expect("a folder");
    for (on, off, dbm0) in [(100, 100, -7.5), (60, 60, -7.5), (100, 60, -20.0)] {
        let mut generator = DtmfGen::new("0123456789*#ABCD", Sending { on, off, dbm0, twist_db: 2.0 });
        let audio = wav::resample(&played(|f| generator.fill(f)), 8000, 22_050);
        let raw: Vec<u8> = audio.iter().flat_map(|s| s.to_le_bytes()).collect();
        std::fs::write(folder.path().join("keys.raw"), raw).expect("written");
        let Some(output) = run("multimon-ng", &["-q", "-t", "raw", "-a", "DTMF", "keys.raw"], folder.path())
        else {
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let keys: String = text.lines().filter_map(|l| l.strip_prefix("DTMF: ")).collect();
        assert_eq!(keys, "0123456789*#ABCD", "{on}/{off} at {dbm0} dBm0: {text}");
    }
}

#[test]
fn minimodem_reads_our_caller_id() {
    let folder = tempfile::tempdir().expect("a folder");
    for (what, burst) in [
        ("MDMF", callerid::mdmf(FskStandard::Bell202, &caller())),
        ("SDMF", callerid::sdmf(FskStandard::Bell202, &caller())),
        ("MDMF at -30", Burst { dbm0: -30.0, ..callerid::mdmf(FskStandard::Bell202, &caller()) }),
    ] {
        let mut generator = BurstGen::new(&burst);
        // minimodem looks at blocks of its own rate; 48 kHz is what it was written for.
        let audio = wav::resample(&played(|f| generator.fill(f)), 8000, 48_000);
        std::fs::write(folder.path().join("cid.wav"), wav::write(&audio, 48_000)).expect("written");
        let Some(output) = run("minimodem", &["--rx", "callerid", "-f", "cid.wav"], folder.path()) else {
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("01632960123"), "{what}: {text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("11/22 14:05"), "{what}: {text}");
        if what.starts_with("MDMF") {
            assert!(text.contains("ADA LOVELACE"), "{what}: {text}");
        }
    }
}

#[test]
fn we_read_fsk_of_minimodem() {
    let folder = tempfile::tempdir().expect("a folder");
    // minimodem sends bytes with mark before them: a caller-ID burst without seizure.
    let message = callerid::mdmf(FskStandard::Bell202, &caller()).message;
    std::fs::write(folder.path().join("message"), &message).expect("written");
    for (mark, space) in [("1200", "2200"), ("1300", "2100")] {
        let line = format!("minimodem --tx 1200 -M {mark} -S {space} -R 8000 -f sent.wav < message");
        if run("minimodem", &["--version"], folder.path()).is_none() {
            return;
        }
        let Some(sent) = run("sh", &["-c", &line], folder.path()) else { return };
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
        let file = std::fs::read(folder.path().join("sent.wav")).expect("minimodem wrote it");
        let mut audio = wav::Wav::parse(&file).expect("a WAV file").at_8k();
        audio.resize(audio.len() + 1600, 0);
        let mut receiver = FskReceiver::new();
        let heard: Vec<Received> = audio.chunks(160).filter_map(|f| receiver.push(f)).collect();
        assert_eq!(heard, [Received::Caller(caller())], "mark {mark}");
    }
}

#[test]
fn we_read_dtmf_of_sox() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = [("1", 697, 1209), ("5", 770, 1336), ("9", 852, 1477), ("D", 941, 1633)];
    for (key, low, high) in keys {
        let (low, high) = (low.to_string(), high.to_string());
        let args = [
            "-n", "-r", "8000", "-b", "16", "-c", "1", "k.wav", "synth", "0.08", "sine", &low, "sine", &high,
        ];
        let more = ["remix", "-", "gain", "-6", "pad", "0.2", "0.3"];
        let Some(made) = run("sox", &[&args[..], &more[..]].concat(), folder.path()) else { return };
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let file = std::fs::read(folder.path().join("k.wav")).expect("sox wrote it");
        let (mut heard, mut d) = (String::new(), DtmfDetector::new());
        for frame in wav::Wav::parse(&file).expect("a WAV file").at_8k().chunks(160) {
            d.push(frame, |h| {
                if let Heard::Down { key, .. } = h {
                    heard.push(key)
                }
            });
        }
        assert_eq!(heard, key);
    }
}
