//! The virtual board as the daemon has it: loaded by a real board process, heard through the rings.
#![allow(clippy::disallowed_methods, reason = "these tests start processes and measure time")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};
use ringtrip_linehost::{
    Gone, Host, Notification, PortCmd, PortEvent, PortKind, Received, Spec, in_process, spawn,
};
use serde_json::Value;

const CFG: &str = r#"{"fxs":2,"fxo":1,"office":{"subscribers":[{"number":"42","rings":0,"says":"echo"}]}}"#;

/// The program and the driver. The driver is this crate's own library, so cargo built it before this test. The program belongs
/// to another crate: a run of the whole workspace has built it, a run of this crate alone builds it here.
fn built() -> &'static (PathBuf, PathBuf) {
    static BUILT: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    BUILT.get_or_init(|| {
        // This test is <target>/<profile>/deps/live-…; programs lie one up.
        let exe = std::env::current_exe().unwrap();
        let deps = exe.parent().unwrap();
        let profile = deps.parent().unwrap();
        let program = profile.join("ringtrip-linehost");
        let driver = deps.join("libringtrip_driver_virtual.so");
        assert!(driver.exists(), "{} was not built", driver.display());
        if !fresh(&program, deps) {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--quiet", "-p", "ringtrip-linehost"]);
            cargo.arg("--target-dir").arg(profile.parent().unwrap());
            if profile.file_name().is_some_and(|p| p == "release") {
                cargo.arg("--release");
            }
            assert!(cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
        }
        (program, driver)
    })
}

/// Is the program at least as new as every build of its own library?
fn fresh(program: &Path, deps: &Path) -> bool {
    let time = |p: &Path| std::fs::metadata(p).and_then(|m| m.modified()).ok();
    let Some(built) = time(program) else { return false };
    let libraries = std::fs::read_dir(deps).unwrap().flatten().map(|e| e.path()).filter(|p| {
        let name = p.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with("libringtrip_linehost-") && name.ends_with(".rlib")
    });
    libraries.filter_map(|l| time(&l)).all(|library| library <= built)
}

fn spec() -> Spec {
    let (program, driver) = built();
    Spec {
        program: program.clone(),
        driver: driver.clone(),
        cfg: CFG.into(),
        // The machine may be busy.
        silence: Duration::from_secs(3),
        open_within: Duration::from_secs(20),
        ..Spec::default()
    }
}

fn until<T>(host: &Host, what: &str, mut pick: impl FnMut(Received) -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let Some(found) = host.recv_within(Duration::from_millis(200)).unwrap().and_then(&mut pick) {
            return found;
        }
    }
    panic!("no {what} within 10 s");
}

fn until_event(host: &Host, port: u16, wanted: PortEvent) {
    until(host, &format!("{wanted:?}"), |heard| {
        matches!(heard, Received::Notification(Notification::Event { port: p, event, .. }) if p == port && event == wanted)
            .then_some(())
    });
}

/// Asks; events that come before the answer are lost, so ask first and wait for events after.
fn sim(host: &Host, request: &str) -> Result<(Value, Vec<u8>), String> {
    let asked = host.ask("sim", request.as_bytes()).unwrap();
    let answer = until(host, "an answer", |heard| match heard {
        Received::Answer { id, result } if id == asked => Some(result),
        _ => None,
    });
    let bytes = answer.map_err(|e| e.to_string())?;
    let cut = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
    let json = serde_json::from_slice(&bytes[..cut]).unwrap();
    Ok((json, bytes.get(cut + 1..).unwrap_or_default().to_vec()))
}

/// Plays a tone to one port and listens to all, for so many frames.
fn play_and_hear(host: &Host, port: usize, hz: f32, frames: usize) -> Vec<Vec<i16>> {
    let (mut rx, mut tx) = host.take_rings().unwrap();
    let g = rx.geometry();
    let mut heard = vec![Vec::new(); g.ports];
    let mut frame = vec![0; g.frame_len()];
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut played = 0u32;
    let mut count = 0;
    while count < frames {
        assert!(Instant::now() < deadline, "only {count} frames came");
        poll(&mut [PollFd::new(host.wake_fd(), PollFlags::POLLIN)], 1000u16).unwrap();
        host.clear_wake();
        while let Some(stamp) = rx.pop(&mut frame) {
            count += 1;
            for one in frame.chunks(g.ports) {
                for (port, s) in one.iter().enumerate() {
                    heard[port].push(*s);
                }
            }
            let mut out = vec![0; g.frame_len()];
            for one in out.chunks_mut(g.ports) {
                one[port] = (8000.0 * (std::f32::consts::TAU * hz * played as f32 / 8000.0).sin()) as i16;
                played += 1;
            }
            tx.push(&out, stamp);
        }
        host.recv().unwrap();
    }
    heard
}

fn rms(samples: &[i16]) -> f64 {
    (samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len().max(1) as f64).sqrt()
}

#[test]
fn a_lifted_telephone_is_off_hook_for_the_daemon() {
    let host = spawn(&spec()).unwrap();
    let kinds: Vec<PortKind> = host.info().ports.iter().map(|p| p.kind).collect();
    assert_eq!(kinds, [PortKind::Fxs, PortKind::Fxs, PortKind::Fxo]);
    until_event(&host, 2, PortEvent::Ready { kind: PortKind::Fxo });
    let lifted = Instant::now();
    host.ask("sim", br#"{"do":"lift","port":1}"#).unwrap();
    until_event(&host, 1, PortEvent::OffHook);
    println!("off-hook was reported {:?} after the telephone was lifted", lifted.elapsed());
    let said = sim(&host, r#"{"do":"press","port":0,"keys":"1"}"#).unwrap_err();
    assert_eq!(said, "the telephone on port 0 is on its hook: lift it first");
}

#[test]
fn ringing_and_ring_trip_go_through() {
    let host = spawn(&spec()).unwrap();
    host.command(0, PortCmd::Ring { cadence: vec![(400, 200), (400, 2000)], hz: 25 }).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while sim(&host, r#"{"do":"state","port":0}"#).unwrap().0["bell"]["sounding"] != true {
        assert!(Instant::now() < deadline, "the bell is silent");
    }
    host.ask("sim", br#"{"do":"lift","port":0}"#).unwrap();
    until_event(&host, 0, PortEvent::RingTrip);
}

#[test]
fn sound_goes_to_the_telephone_and_back() {
    let host = spawn(&spec()).unwrap();
    sim(&host, r#"{"do":"lift","port":0}"#).unwrap();
    sim(&host, r#"{"do":"speak","port":0,"tone":{"hz":500,"ms":5000}}"#).unwrap();
    let heard = play_and_hear(&host, 0, 1000.0, 50);
    assert!(rms(&heard[0][1600..]) > 1000.0, "what the telephone says");
    assert_eq!(rms(&heard[1]), 0.0, "the other telephone is silent");
    let (json, wav) = sim(&host, r#"{"do":"listen","port":0,"max_ms":400}"#).unwrap();
    assert_eq!(json["rate"], 8000);
    let samples: Vec<i16> = wav[44..].chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    assert!(rms(&samples) > 1000.0, "what the telephone hears");
}

#[test]
fn pulses_reach_the_office_and_the_call_is_answered() {
    let host = spawn(&spec()).unwrap();
    host.command(2, PortCmd::OffHook).unwrap();
    let deadline = Instant::now() + Duration::from_secs(15);
    let office = |wanted: &str| {
        while sim(&host, r#"{"do":"state","port":2}"#).unwrap().0["office"] != wanted {
            assert!(Instant::now() < deadline, "the office is not {wanted}");
        }
    };
    office("dial-tone");
    host.command(2, PortCmd::Pulse { digits: "42".into() }).unwrap();
    office("talking");
    host.ask("sim", br#"{"do":"office.hangup","port":2,"how":"cpc"}"#).unwrap();
    until(&host, "CPC", |heard| {
        matches!(
            heard,
            Received::Notification(Notification::Event { port: 2, event: PortEvent::Cpc { .. }, .. })
        )
        .then_some(())
    });
}

#[test]
fn a_killed_board_is_back_within_a_second() {
    let host = spawn(&spec()).unwrap();
    until_event(&host, 2, PortEvent::Ready { kind: PortKind::Fxo });
    let pid = nix::unistd::Pid::from_raw(host.pid().unwrap() as i32);
    let killed = Instant::now();
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let gone = loop {
        match host.recv_within(Duration::from_millis(200)) {
            Err(gone) => break gone,
            Ok(_) => assert!(killed.elapsed() < Duration::from_secs(5), "the death was not seen"),
        }
    };
    assert!(matches!(gone, Gone::Ended(_)), "{gone}");
    drop(host);
    let host = spawn(&spec()).unwrap();
    until_event(&host, 2, PortEvent::Ready { kind: PortKind::Fxo });
    println!("all ports are back {:?} after the kill", killed.elapsed());
    assert!(killed.elapsed() < Duration::from_secs(1));
}

#[test]
fn the_frame_clock_does_not_drift() {
    let host = spawn(&spec()).unwrap();
    until_event(&host, 2, PortEvent::Ready { kind: PortKind::Fxo });
    let (mut rx, _tx) = host.take_rings().unwrap();
    let mut frame = vec![0; rx.geometry().frame_len()];
    let mut stamps = Vec::new();
    while stamps.len() < 100 {
        poll(&mut [PollFd::new(host.wake_fd(), PollFlags::POLLIN)], 1000u16).unwrap();
        host.clear_wake();
        while let Some(stamp) = rx.pop(&mut frame) {
            stamps.push(stamp);
        }
        host.recv().unwrap();
    }
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", host.pid().unwrap())).unwrap();
    let times = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
    let ticks: u64 = times.map(|t| t.parse::<u64>().unwrap()).sum();
    println!("an idle board of 3 ports used {} ms of CPU for its first {} ms", ticks * 10, stamps.len() * 10);
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid().unwrap())).unwrap();
    println!("{}", status.lines().find(|l| l.starts_with("VmRSS")).unwrap_or_default());
    let (first, last) = (stamps[0], stamps[stamps.len() - 1]);
    let (samples, ns) = (last.sample - first.sample, last.mono_ns - first.mono_ns);
    assert_eq!(ns, samples * 125_000, "sample counter and clock agree to the ns");
}

#[test]
fn bad_configuration_is_told_in_words() {
    let Err(e) = spawn(&Spec { cfg: r#"{"region":"mars"}"#.into(), ..spec() }) else {
        panic!("this started")
    };
    assert!(e.to_string().contains("\"mars\" is unknown"), "{e}");
}

#[test]
fn the_same_board_runs_in_process() {
    let spec = Spec { cfg: CFG.into(), silence: Duration::from_secs(3), ..Spec::default() };
    let host = in_process(&spec, &ringtrip_driver_virtual::LINE_DRIVER).unwrap();
    host.ask("sim", br#"{"do":"lift","port":0}"#).unwrap();
    until_event(&host, 0, PortEvent::OffHook);
}
