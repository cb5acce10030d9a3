//! sipp with a scenario of `tests/scenarios/`.
#![allow(clippy::disallowed_methods)] // Live tests start programs.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::live::wait;

/// A sipp that runs; it is killed when dropped.
pub struct Sipp {
    /// Where it listens.
    pub at: SocketAddr,
    child: Child,
    dir: TempDir,
}

impl Sipp {
    /// Plays a scenario that waits for the exchange.
    pub fn wait_for(scenario: &str, at: SocketAddr, more: &[&str]) -> Sipp {
        Sipp::run(scenario, at, more, None)
    }

    /// Plays a scenario that begins by itself towards the exchange.
    pub fn call(scenario: &str, at: SocketAddr, exchange: SocketAddr, more: &[&str]) -> Sipp {
        Sipp::run(scenario, at, more, Some(exchange))
    }

    fn run(scenario: &str, at: SocketAddr, more: &[&str], exchange: Option<SocketAddr>) -> Sipp {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios").join(scenario);
        let out = fs::File::create(dir.path().join("screen")).expect("a file");
        let mut command = Command::new("sipp");
        command.arg("-sf").arg(file).args(["-i", &at.ip().to_string(), "-p", &at.port().to_string()]);
        command.args([
            "-m",
            "1",
            "-nostdin",
            "-trace_err",
            "-trace_msg",
            "-timeout",
            "50s",
            "-timeout_error",
        ]);
        command.args(more).args(exchange.map(|e| e.to_string())).current_dir(dir.path());
        command.stdin(Stdio::null()).stdout(out.try_clone().expect("a second handle")).stderr(out);
        let child = command.spawn().expect("sipp starts");
        Sipp { at, child, dir }
    }

    /// Waits for its end, which must be a success.
    #[track_caller]
    pub fn succeeds(&mut self) {
        let status =
            wait("the end of sipp", Duration::from_secs(55), || self.child.try_wait().ok().flatten());
        assert!(status.success(), "sipp: {status}\n{}", self.report());
    }

    /// What it wrote.
    pub fn report(&self) -> String {
        let files = fs::read_dir(self.dir.path()).into_iter().flatten().flatten();
        let texts = files.filter(|f| f.path().extension().is_some_and(|e| e == "log"));
        texts.filter_map(|f| fs::read_to_string(f.path()).ok()).collect()
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
