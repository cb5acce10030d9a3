//! Builds drivers and starts board processes for the tests.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ringtrip_linehost::{Gone, Host, Notification, PortEvent, Received, Spec, spawn};

/// Compiles an example driver in C into `dir`.
pub fn c_driver(dir: &Path, name: &str) -> PathBuf {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/driver");
    let so = dir.join(format!("lib{name}.so"));
    let built = Command::new("gcc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-I"])
        .arg(sdk.join("include"))
        .arg("-o")
        .arg(&so)
        .arg(sdk.join(format!("examples/{name}.c")))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    so
}

/// How to start a driver in the program that was built beside this test. The machine may be busy: the watchdog gets more time.
pub fn spec(driver: &Path) -> Spec {
    Spec {
        program: PathBuf::from(env!("CARGO_BIN_EXE_ringtrip-linehost")),
        driver: driver.to_owned(),
        silence: Duration::from_secs(2),
        open_within: Duration::from_secs(20),
        ..Spec::default()
    }
}

/// Starts it.
pub fn start(driver: &Path) -> Host {
    spawn(&spec(driver)).unwrap()
}

/// Reads until `pick` finds what it wants.
pub fn until<T>(host: &Host, what: &str, mut pick: impl FnMut(Received) -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        match host.recv_within(Duration::from_millis(200)) {
            Ok(Some(message)) => {
                if let Some(found) = pick(message) {
                    return found;
                }
            }
            Ok(None) => {}
            Err(gone) => panic!("waiting for {what}: {gone}"),
        }
    }
    panic!("no {what} within 10 s");
}

/// Reads until a port sees this.
pub fn until_event(host: &Host, port: u16, wanted: &PortEvent) {
    until(host, &format!("{wanted:?}"), |message| {
        matches!(message, Received::Notification(Notification::Event { port: p, event, .. }) if p == port && event == *wanted)
            .then_some(())
    });
}

/// Asks and waits for the answer.
pub fn ask(host: &Host, name: &str, request: &[u8]) -> Result<Vec<u8>, ringtrip_linehost::AskError> {
    let asked = host.ask(name, request).unwrap();
    until(host, "an answer", |message| match message {
        Received::Answer { id, result } if id == asked => Some(result),
        _ => None,
    })
}

/// Reads until the process is gone.
pub fn until_gone(host: &Host) -> Gone {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let Err(gone) = host.recv_within(Duration::from_millis(200)) {
            return gone;
        }
    }
    panic!("the process is still there after 10 s");
}
