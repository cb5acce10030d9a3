//! Programs under measurement: started in a process group of their own, their CPU time and memory read from
//! `/proc`, stopped by their group when dropped.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A running program with all its children.
pub struct Proc {
    child: Child,
}

impl Proc {
    /// Starts it in its own process group; what it prints goes to this file.
    pub fn start(mut command: Command, log: &Path) -> Result<Proc> {
        let out = fs::File::create(log).with_context(|| log.display().to_string())?;
        let name = format!("{:?}", command.get_program());
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Proc { child })
    }

    /// CPU time of the whole group so far, user and system.
    pub fn cpu(&self) -> Duration {
        // Fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms on every Linux that we run on.
        let ticks: u64 = self.members().map(|stat| number(&stat, 14) + number(&stat, 15)).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Resident memory of the whole group, kB.
    pub fn resident_kb(&self) -> u64 {
        // Field 24, in pages of 4 kB.
        self.members().map(|stat| number(&stat, 24) * 4).sum()
    }

    /// Has it ended?
    pub fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    fn members(&self) -> impl Iterator<Item = String> {
        let group = u64::from(self.child.id());
        fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(move |entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            (number(&stat, 5) == group).then_some(stat)
        })
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-TERM", "--", &group]).stderr(Stdio::null()).status();
        let until = Instant::now() + Duration::from_secs(3);
        while !self.ended() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

/// Field `n` (from 1) of a `/proc/PID/stat` line; the name in field 2 may hold anything but the last `)`.
fn number(stat: &str, n: usize) -> u64 {
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    rest.split(' ').nth(n - 3).and_then(|f| f.parse().ok()).unwrap_or(0)
}

/// Waits until this holds; fails with `what` after ten seconds.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(10);
    while !holds() {
        if Instant::now() > until {
            bail!("{what} did not happen within 10 s");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Does a SIP server on this UDP port answer OPTIONS?
pub fn answers_sip(port: u16) -> bool {
    let Ok(socket) = std::net::UdpSocket::bind("127.0.0.1:0") else { return false };
    let Ok(local) = socket.local_addr() else { return false };
    let _ = socket.set_read_timeout(Some(Duration::from_millis(50)));
    let ask = format!(
        "OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{};rport\r\n\
         From: <sip:probe@127.0.0.1>;tag=probe\r\nTo: <sip:127.0.0.1:{port}>\r\nCall-ID: probe-{}\r\n\
         CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        local.port(),
        local.port()
    );
    // Connected, so that a port nobody listens on yet says so at once.
    if socket.connect(("127.0.0.1", port)).is_err() {
        return false;
    }
    let _ = socket.send(ask.as_bytes());
    socket.recv(&mut [0; 4096]).is_ok()
}

/// A port of the loopback that is free now, for UDP and TCP.
pub fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let port = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free")
}
