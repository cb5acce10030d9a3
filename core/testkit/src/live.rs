//! A real daemon for tests: started on free loopback ports with its own data folder, spoken to over HTTP, stopped by
//! its pid. The programs are those that `cargo build --workspace` put beside the tests.
#![allow(clippy::disallowed_methods)] // Live tests start programs and look at the clock.

use std::cell::Cell;
use std::fs;
use std::net::UdpSocket;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A running exchange.
pub struct Daemon {
    /// Its folder; the configuration is `ringtrip.toml` in it, its log `log`.
    pub dir: TempDir,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// An administrator's token.
    pub token: String,
    /// The SIP port, UDP and TCP.
    pub sip: u16,
    child: Child,
    agent: ureq::Agent,
    /// What its shell does before it becomes the exchange.
    before: String,
}

/// Where the programs are.
pub fn programs() -> PathBuf {
    let exe = std::env::current_exe().expect("a test knows its own path");
    let dir = exe.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST").to_path_buf();
    assert!(
        dir.join("ringtrip").exists() && dir.join("libringtrip_driver_virtual.so").exists(),
        "{} has no ringtrip: run `cargo build --workspace` first",
        dir.display()
    );
    dir
}

/// Is this program installed? A test that needs one says so to its runner as well, which counts it as skipped where it is
/// missing (`cfg_attr(not(has_sipp), ignore = "…")`, see `tests/build.rs`). Where peers must be there (`CI=true` or
/// `RINGTRIP_PEERS=must`) it fails.
#[track_caller]
pub fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")])
        .any(|dir| dir.join(program).is_file());
    if !found {
        assert!(!must(), "{program} is not installed, and nothing may be skipped here");
        println!("skipped: {program} is not installed");
    }
    found
}

/// May no test be skipped because something is missing? So in CI.
pub fn must() -> bool {
    let is = |name: &str, value: &str| std::env::var_os(name).is_some_and(|v| v == value);
    is("CI", "true") || is("RINGTRIP_PEERS", "must")
}

/// A UDP port of the loopback that is free now, and its successor too.
pub fn free_port() -> u16 {
    for _ in 0..100 {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("the loopback has free ports");
        let port = socket.local_addr().expect("bound").port();
        let next = port.checked_add(1).is_some_and(|next| UdpSocket::bind(("127.0.0.1", next)).is_ok());
        if next && std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no pair of free ports on the loopback");
}

/// Waits until this gives something, at most so long; then fails with `what`.
#[track_caller]
pub fn wait<T>(what: &str, most: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + most;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "{what} did not happen within {most:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What many documents have: a telephone 101 on the first virtual port; phones, of which 201 and 202 are those of
/// [`crate::ua::Canary::at_home`] and all others are had by [`crate::ua::Ua::at_home`]; SIP on the loopback.
const PHONES: &str = r#"[extension.101]
line = "fxs1"
[extension.201]
password = "pw-201-phones"
[extension.202]
password = "pw-202-phones"
[extension.203]
password = "pw-203-phones"
[extension.204]
password = "pw-204-phones"
[line.fxs1]
kind = "fxs"
port = "virtual:0"
[sip]
listen = ["udp:127.0.0.1:SIP_PORT", "tcp:127.0.0.1:SIP_PORT"]
"#;

/// A document with the usual phones for `PHONES` and this port for `SIP_PORT`.
pub fn filled(config: &str, sip: u16) -> String {
    config.replace("PHONES\n", PHONES).replace("SIP_PORT", &sip.to_string())
}

impl Daemon {
    /// Starts with this document; what [`filled`] knows is filled in, HTTP takes a free port.
    #[track_caller]
    pub fn start(config: &str) -> Daemon {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let sip = free_port();
        fs::write(dir.path().join("ringtrip.toml"), filled(config, sip)).expect("the folder can be written");
        Daemon::start_in(dir, sip)
    }

    /// The same, but its shell does this first: `ulimit -n 256`.
    #[track_caller]
    pub fn start_under(config: &str, before: &str) -> Daemon {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let sip = free_port();
        fs::write(dir.path().join("ringtrip.toml"), filled(config, sip)).expect("the folder can be written");
        Daemon::begin(dir, sip, before)
    }

    /// Starts again in a folder that has been used before.
    #[track_caller]
    pub fn start_in(dir: TempDir, sip: u16) -> Daemon {
        Daemon::begin(dir, sip, "")
    }

    #[track_caller]
    fn begin(dir: TempDir, sip: u16, before: &str) -> Daemon {
        let child = Daemon::spawn(dir.path(), before);
        let mut daemon = Daemon {
            url: String::new(),
            token: String::new(),
            sip,
            child,
            agent: ureq::Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(Duration::from_secs(30)))
                .build()
                .into(),
            before: before.to_owned(),
            dir,
        };
        daemon.meet();
        daemon
    }

    fn spawn(dir: &Path, before: &str) -> Child {
        let programs = programs();
        let _ = fs::remove_file(dir.join("data/door.json"));
        let log = fs::File::options().create(true).append(true).open(dir.join("log")).expect("a log");
        let mut program = match before {
            "" => Command::new(programs.join("ringtrip")),
            before => {
                let mut shell = Command::new("/bin/bash");
                shell.args(["-c", &format!("{before} && exec \"$0\" \"$@\"")]).arg(programs.join("ringtrip"));
                shell
            }
        };
        program
            .args(["serve", "--developer", "--http", "127.0.0.1:0", "--data"])
            .arg(dir.join("data"))
            .arg("--config")
            .arg(dir.join("ringtrip.toml"))
            .arg("--drivers")
            .arg(&programs)
            .env("RUST_LOG", "info,ringtrip=debug")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("ringtrip starts")
    }

    #[track_caller]
    fn meet(&mut self) {
        let door = self.dir.path().join("data/door.json");
        let text = wait("the door of the exchange", Duration::from_secs(20), || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the exchange ended at once ({status}):\n{}", self.log());
            }
            fs::read_to_string(&door).ok()
        });
        let door: Value = serde_json::from_str(&text).expect("the door is JSON");
        self.url = door["url"].as_str().unwrap_or_default().to_owned();
        self.token = door["token"].as_str().unwrap_or_default().to_owned();
        wait("boards and lines", Duration::from_secs(20), || {
            let lines = self.get("/lines");
            let up = lines.as_array()?.iter().all(|line| line["state"] != "out-of-service");
            up.then_some(())
        });
    }

    /// Kills it with SIGKILL and starts it again in the same folder.
    #[track_caller]
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    /// Starts it again after it ended.
    #[track_caller]
    pub fn restart(&mut self) {
        self.child = Daemon::spawn(self.dir.path(), &self.before);
        self.meet();
    }

    /// Starts it again where the disk takes nothing, not even the new token for the command line: it is found by what it
    /// prints, and the token of before is good.
    #[track_caller]
    pub fn restart_without_disk(&mut self) {
        let greetings = |log: &str| log.matches("  Console  ").count();
        let before = greetings(&self.log());
        self.child = Daemon::spawn(self.dir.path(), &self.before);
        let log = wait("its greeting", Duration::from_secs(20), || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the exchange ended at once ({status}):\n{}", self.log());
            }
            Some(self.log()).filter(|log| greetings(log) > before && log.ends_with("\n"))
        });
        let line = log.lines().rfind(|line| line.starts_with("  Console  ")).unwrap_or_default();
        self.url = line.split_whitespace().nth(1).unwrap_or_default().trim_end_matches('/').to_owned();
        // A page may have been free, and the token is a new one then; else the one before stays good.
        let door = fs::read_to_string(self.dir.path().join("data/door.json")).unwrap_or_default();
        if let Some(token) =
            serde_json::from_str::<Value>(&door).ok().and_then(|d| Some(d["token"].as_str()?.to_owned()))
        {
            self.token = token;
        }
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// How it ended, if it did by itself.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// GET of the API: `/lines`, `/cdrs?limit=1`, …
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.try_get(path);
        assert!(status < 300, "GET {path}: {status} {body}");
        serde_json::from_str(&body).unwrap_or(Value::String(body))
    }

    /// GET with its status and text.
    #[track_caller]
    pub fn try_get(&self, path: &str) -> (u16, String) {
        let mut answer = self.ask(path).unwrap_or_else(|e| panic!("GET {path}: {e}\n{}", self.log()));
        let status = answer.status().as_u16();
        (status, answer.body_mut().read_to_string().unwrap_or_default())
    }

    /// GET of something that is not text: a WAV file.
    #[track_caller]
    pub fn get_bytes(&self, path: &str) -> Vec<u8> {
        let mut answer = self.ask(path).unwrap_or_else(|e| panic!("GET {path}: {e}"));
        answer.body_mut().read_to_vec().unwrap_or_default()
    }

    /// POST of JSON; fails unless it is granted.
    #[track_caller]
    pub fn post(&self, path: &str, body: Value) -> Value {
        let (status, text) = self.send("POST", path, "application/json", body.to_string().as_bytes());
        assert!(status < 300, "POST {path} {body}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Any request with a body; its status and text.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> (u16, String) {
        let request = match method {
            "PUT" => self.agent.put(self.address(path)),
            _ => self.agent.post(self.address(path)),
        };
        let request =
            request.header("Authorization", format!("Bearer {}", self.token)).header("Content-Type", kind);
        let mut answer =
            request.send(body).unwrap_or_else(|e| panic!("{method} {path}: {e}\n{}", self.log()));
        let status = answer.status().as_u16();
        (status, answer.body_mut().read_to_string().unwrap_or_default())
    }

    /// Replaces the configuration; `version` is what `If-Match` says: a version in quotes, or `*`.
    #[track_caller]
    pub fn put_config(&self, text: &str, version: &str) -> (u16, String) {
        self.request("PUT", "/config", &[("If-Match", version)], text.as_bytes())
    }

    /// Any request at all, with the administrator's token unless another `Authorization` is given.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
        let mut request = ureq::http::Request::builder().method(method).uri(self.address(path));
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
            request = request.header("Authorization", format!("Bearer {}", self.token));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).expect("a request");
        let mut answer =
            self.agent.run(request).unwrap_or_else(|e| panic!("{method} {path}: {e}\n{}", self.log()));
        let status = answer.status().as_u16();
        (status, answer.body_mut().read_to_string().unwrap_or_default())
    }

    /// Asks the virtual board: `lift`, `press`, `office.call`, …
    #[track_caller]
    pub fn sim(&self, verb: &str, body: Value) -> Value {
        self.post(&format!("/sim/virtual/{verb}"), body)
    }

    /// Waits until a line is in this state.
    #[track_caller]
    pub fn line_is(&self, line: &str, state: &str, most: Duration) {
        wait(&format!("{line} {state}"), most, || {
            (self.get(&format!("/lines/{line}"))["state"] == state).then_some(())
        });
    }

    /// The newest record that is closed.
    #[track_caller]
    pub fn last_cdr(&self) -> Value {
        wait("a closed record", Duration::from_secs(10), || {
            let page = self.get("/cdrs?limit=1");
            let cdr = page["cdrs"].get(0)?.clone();
            (!cdr["cause"].is_null() && !cdr["ended_after_us"].is_null()).then_some(cdr)
        })
    }

    fn ask(&self, path: &str) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        self.agent.get(self.address(path)).header("Authorization", format!("Bearer {}", self.token)).call()
    }

    fn address(&self, path: &str) -> String {
        if path.starts_with("/api") || path == "/healthz" || path == "/metrics" {
            format!("{}{path}", self.url)
        } else {
            format!("{}/api/v1{path}", self.url)
        }
    }

    /// Frames of sound that a board had to do without, or that were lost, since it was opened: holes in what was heard.
    fn holes(&self) -> Option<u64> {
        let metrics = self.ask("/metrics").ok()?.body_mut().read_to_string().ok()?;
        let counters = ["tx_underruns", "tx_dropped", "rx_overruns"];
        let of = |line: &str| {
            let line = line.strip_prefix("ringtrip_board_")?;
            counters
                .iter()
                .any(|name| line.starts_with(name))
                .then(|| line.rsplit(' ').next()?.parse::<f64>().ok())?
        };
        Some(metrics.lines().filter_map(of).sum::<f64>() as u64)
    }
}

thread_local! {
    /// Holes in the sound of the exchange that was stopped last by a failed test.
    static HOLES: Cell<u64> = const { Cell::new(0) };
}

/// Runs a test that measures sound, in an exchange of its own. Where it fails and the boards had to do without frames
/// meanwhile, this machine did not give the exchange its time, and nothing was measured: it runs again, three times in all.
/// A failure without a hole, and the third one, stand.
pub fn measured(test: impl Fn()) {
    for run in 1.. {
        HOLES.set(0);
        let Err(failure) = catch_unwind(AssertUnwindSafe(&test)) else { return };
        let holes = HOLES.get();
        if holes == 0 || run == 3 {
            resume_unwind(failure);
        }
        println!("run {run} does not count: the boards had to do without {holes} frames");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- log of the exchange ---\n{}", self.log());
            // Boards report ten times a second.
            std::thread::sleep(Duration::from_millis(250));
            let holes = self.holes().unwrap_or(0);
            println!("--- frames that the boards had to do without: {holes} ---");
            HOLES.set(holes);
        }
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_measured_without_holes_counts() {
        let run = |holes: &[u64]| {
            let runs = Cell::new(0);
            let ended = catch_unwind(AssertUnwindSafe(|| {
                measured(|| {
                    let holes = holes.get(runs.replace(runs.get() + 1)).copied();
                    HOLES.set(holes.unwrap_or(0));
                    assert_eq!(holes, None, "a failure");
                });
            }));
            (runs.get(), ended.is_ok())
        };
        assert_eq!(run(&[]), (1, true));
        assert_eq!(run(&[0]), (1, false), "a failure without a hole stands");
        assert_eq!(run(&[2]), (2, true));
        assert_eq!(run(&[2, 0]), (2, false));
        assert_eq!(run(&[2, 3, 1]), (3, false), "three times in all");
    }
}
