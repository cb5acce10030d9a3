//! kill -9 while records are written: nothing that was acknowledged may be lost. And the negative control: writing
//! without a flush must lose records, or this test could not see a loss.
#![allow(clippy::disallowed_methods)]

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ringtrip::store::crash_test::{Mode, missing};

/// Kills the writer `times` times, each after another while, and counts (lost, acknowledged) over all.
fn kill(dir: &Path, mode: Mode, times: u64) -> (u64, u64) {
    let (mut lost, mut all) = (0, 0);
    let mut said_before = String::new();
    for round in 1..=times {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringtrip"));
        command.arg("store-torture").arg(dir).args(["--seed", &round.to_string()]);
        if mode == Mode::Unflushed {
            command.arg("--unflushed");
        }
        let mut writer = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut pipe = writer.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut said = Vec::new();
            pipe.read_to_end(&mut said).unwrap();
            String::from_utf8_lossy(&said).into_owned()
        });
        // Some die while the store is still being opened, some in full swing.
        std::thread::sleep(Duration::from_millis(20 + (round * 7919) % 380));
        writer.kill().unwrap();
        writer.wait().unwrap();
        said_before += &reader.join().unwrap();
        let (lost_now, all_now) = missing(dir, mode, &said_before).unwrap();
        if mode == Mode::Durable {
            assert_eq!(lost_now, 0, "kill {round}: {lost_now} of {all_now} acknowledged records are lost");
        }
        (lost, all) = (lost.max(lost_now), all.max(all_now));
        if all > 50_000 {
            // Enough to look at again each time; older ones were found often enough.
            said_before.clear();
        }
    }
    (lost, all)
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let times = if std::env::var_os("RINGTRIP_LONG").is_some() { 200 } else { 15 };
    let (lost, all) = kill(dir.path(), Mode::Durable, times);
    assert_eq!(lost, 0);
    assert!(all > 100, "only {all} records were acknowledged: the test saw nothing");
    println!("{times} kills, {all} acknowledged, {lost} lost");
}

#[test]
fn writing_without_a_flush_is_seen_to_lose() {
    let dir = tempfile::tempdir().unwrap();
    let (lost, all) = kill(dir.path(), Mode::Unflushed, 5);
    assert!(lost > 0, "of {all} unflushed records none was lost: this test cannot see loss");
    println!("unflushed: {lost} of {all} lost");
}
