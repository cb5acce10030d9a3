//! Real board processes with drivers in C: sound, questions, and every way to die.
#![allow(clippy::disallowed_methods, reason = "these tests start processes and measure time")]

mod common;

use std::time::{Duration, Instant};

use common::*;
use nix::poll::{PollFd, PollFlags, poll};
use ringtrip_linehost::{
    Gone, Host, Notification, PortCmd, PortEvent, PortKind, Received, SpawnError, Spec, spawn,
};

#[test]
fn a_board_opens_and_says_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let host = start(&c_driver(dir.path(), "loopback"));
    assert_eq!(host.info().driver, "loopback");
    assert_eq!(host.info().serial, "loop0");
    assert_eq!(host.info().ports.len(), 2);
    until_event(&host, 1, &PortEvent::Ready { kind: PortKind::Fxs });
    assert_eq!(ask(&host, "lift", b"1").unwrap(), b"ok");
    let refused = ask(&host, "sing", b"").unwrap_err();
    assert_eq!(refused.text, "ask me lift or hangup");
    host.command(0, PortCmd::Flash { ms: 100 }).unwrap();
    let errno = until(&host, "a refusal", |message| match message {
        Received::Notification(Notification::Refused { port: 0, errno, .. }) => Some(errno),
        _ => None,
    });
    assert_eq!(errno, nix::errno::Errno::EOPNOTSUPP as i32);
}

#[test]
fn hook_events_come_up_with_time_and_sample() {
    let dir = tempfile::tempdir().unwrap();
    let host = start(&c_driver(dir.path(), "loopback"));
    host.ask("lift", b"0").unwrap();
    let (mono_ns, sample) = until(&host, "off-hook", |message| match message {
        Received::Notification(Notification::Event {
            port: 0,
            event: PortEvent::OffHook,
            mono_ns,
            sample,
        }) => Some((mono_ns, sample)),
        _ => None,
    });
    assert!(mono_ns > 0 && sample.is_multiple_of(80));
    host.ask("hangup", b"0").unwrap();
    until_event(&host, 0, &PortEvent::OnHook);
}

/// Sends a different constant on each port and expects both back from the loopback, each on its own port.
fn loop_sound(host: &Host, rounds: usize) {
    let (mut rx, mut tx) = host.take_rings().unwrap();
    let len = rx.geometry().frame_len();
    let mut message = vec![0i16; len];
    let frame: Vec<i16> = (0..len).map(|i| if i % 2 == 0 { 1000 } else { -2000 }).collect();
    let mut good = 0;
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut last = None;
    while good < rounds {
        assert!(Instant::now() < deadline, "only {good} frames came back");
        let mut fds = [PollFd::new(host.wake_fd(), PollFlags::POLLIN)];
        poll(&mut fds, 1000u16).unwrap();
        host.clear_wake();
        while let Some(stamp) = rx.pop(&mut message) {
            if let Some(last) = last {
                assert_eq!(stamp.sample, last + 80, "frames come in order");
            }
            last = Some(stamp.sample);
            good += usize::from(message == frame);
            tx.push(&frame, stamp);
        }
        host.recv().unwrap();
    }
}

#[test]
fn sound_goes_round_trip_through_the_rings() {
    let dir = tempfile::tempdir().unwrap();
    let host = start(&c_driver(dir.path(), "loopback"));
    loop_sound(&host, 20);
}

#[test]
fn a_segfault_kills_the_board_process_only_and_the_board_is_back_within_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let crash = c_driver(dir.path(), "crash");
    let other = start(&c_driver(dir.path(), "loopback"));
    let host = start(&crash);
    until_event(&host, 0, &PortEvent::Ready { kind: PortKind::Fxs });
    host.ask("crash", b"").unwrap();
    let killed_at = Instant::now();
    let gone = until_gone(&host);
    let seen = killed_at.elapsed();
    assert!(matches!(&gone, Gone::Ended(how) if how.contains("signal: 11")), "{gone}");
    drop(host);
    let host = start(&crash);
    until_event(&host, 0, &PortEvent::Ready { kind: PortKind::Fxs });
    let back = killed_at.elapsed();
    println!("death seen after {seen:?}, first port ready again after {back:?}");
    assert!(back < Duration::from_secs(1), "restart took {back:?}");
    loop_sound(&host, 3);
    // The other board never noticed.
    assert_eq!(ask(&other, "lift", b"0").unwrap(), b"ok");
}

#[test]
fn a_killed_process_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let host = start(&c_driver(dir.path(), "loopback"));
    let pid = nix::unistd::Pid::from_raw(host.pid().unwrap() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let gone = until_gone(&host);
    assert!(matches!(&gone, Gone::Ended(how) if how.contains("signal: 9")), "{gone}");
    assert!(host.command(0, PortCmd::RingStop).is_err());
}

#[test]
fn a_driver_that_exits_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let host = start(&c_driver(dir.path(), "crash"));
    host.ask("exit", b"").unwrap();
    let gone = until_gone(&host);
    assert!(matches!(&gone, Gone::Ended(how) if how.contains('3')), "{gone}");
}

#[test]
fn a_driver_that_hangs_is_dropped_by_the_watchdog() {
    let dir = tempfile::tempdir().unwrap();
    let spec = Spec { silence: Duration::from_millis(500), ..spec(&c_driver(dir.path(), "crash")) };
    let host = spawn(&spec).unwrap();
    host.ask("hang", b"").unwrap();
    let asked = Instant::now();
    let gone = until_gone(&host);
    println!("hang seen after {:?}", asked.elapsed());
    assert!(matches!(gone, Gone::Silent(_)), "{gone}");
    assert!(asked.elapsed() < Duration::from_millis(1500));
}

#[test]
fn a_stopped_process_is_dropped_by_the_watchdog() {
    let dir = tempfile::tempdir().unwrap();
    let spec = Spec { silence: Duration::from_millis(500), ..spec(&c_driver(dir.path(), "loopback")) };
    let host = spawn(&spec).unwrap();
    let pid = nix::unistd::Pid::from_raw(host.pid().unwrap() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    assert!(matches!(until_gone(&host), Gone::Silent(_)));
}

#[test]
fn a_driver_that_reports_nonsense_is_heard_only_where_it_makes_sense() {
    let dir = tempfile::tempdir().unwrap();
    let host = start(&c_driver(dir.path(), "crash"));
    assert_eq!(ask(&host, "garbage", b"").unwrap(), b"done");
    assert_eq!(ask(&host, "lift", b"0").unwrap(), b"ok");
}

#[test]
fn long_questions_go_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let host = start(&c_driver(dir.path(), "loopback"));
    // The loopback answers one-byte requests only; this one arrives whole and is refused as too long for a port number.
    let refused = ask(&host, "lift", &vec![b'0'; 1_000_000]).unwrap_err();
    assert_eq!(refused.errno, nix::errno::Errno::ENODEV as i32);
}

#[test]
fn what_cannot_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let failed = |spec: &Spec| match spawn(spec) {
        Err(e) => e,
        Ok(_) => panic!("this started"),
    };
    let missing = failed(&spec(&dir.path().join("nowhere.so")));
    assert!(matches!(&missing, SpawnError::Failed(text) if text.contains("nowhere.so")), "{missing}");
    let not_a_driver = dir.path().join("text.so");
    std::fs::write(&not_a_driver, "not a shared object").unwrap();
    assert!(matches!(failed(&spec(&not_a_driver)), SpawnError::Failed(_)));
    let loopback = c_driver(dir.path(), "loopback");
    let program = Spec { program: dir.path().join("no-program"), ..spec(&loopback) };
    assert!(matches!(failed(&program), SpawnError::Program { .. }));
    let frame = Spec { frame_us: 20_000, ..spec(&loopback) };
    assert!(matches!(failed(&frame), SpawnError::Frame(20_000)));
    // A program that knows nothing of boards.
    let wrong = Spec { program: "/bin/true".into(), ..spec(&loopback) };
    assert!(matches!(failed(&wrong), SpawnError::Ended(_)));
    let deaf =
        Spec { program: "/bin/cat".into(), open_within: Duration::from_millis(300), ..spec(&loopback) };
    let deaf = failed(&deaf);
    assert!(matches!(deaf, SpawnError::Late(_) | SpawnError::Ended(_)), "{deaf}");
}

#[test]
fn a_board_process_ends_when_its_daemon_goes() {
    let dir = tempfile::tempdir().unwrap();
    let host = start(&c_driver(dir.path(), "loopback"));
    let pid = host.pid().unwrap();
    drop(host);
    assert!(!std::path::Path::new(&format!("/proc/{pid}/stat")).exists(), "process {pid} was left behind");
}
