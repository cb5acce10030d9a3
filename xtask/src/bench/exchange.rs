//! Our exchange under measurement: a configuration for benchmarks, its start, and how long that takes.

use std::fmt::Write;
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::calls::USERS;
use super::procs::{Proc, answers_sip, free_port, wait_for};
use super::report::{Report, Row};
use crate::run::target;

/// A running exchange.
pub struct Exchange {
    /// The process.
    pub proc: Proc,
    /// Its SIP port on the loopback.
    pub sip_port: u16,
}

/// A configuration without boards: calls from anywhere on the loopback go to the provider on `uas_port`, and there are
/// users `10000`… to register. `SIP_PORT` and `HTTP_PORT` are filled in at start.
pub fn bench_config(uas_port: u16) -> Result<String> {
    let mut text = format!(
        r#"region = "us"
default_plan = "all"
http = ["127.0.0.1:HTTP_PORT"]

[plans]
all = "(xx.)"

[sip]
listen = ["udp:127.0.0.1:SIP_PORT"]
realm = "bench"
domain = "bench"
rtp_ports = [20000, 39999]
algorithms = ["md5"]

[limits]
calls = 5000
calls_per_source = 5000

[gateways.gw1]
server = "127.0.0.1:{uas_port}"
user = "bench"
register = false
options_interval = "0s"
inbound = "refuse"

[gateways.caller]
server = "127.0.0.2:5060"
user = "bench"
register = false
options_interval = "0s"
accept_from = ["127.0.0.1"]
inbound = {{ ring = ["gw1"] }}
"#
    );
    for n in 0..USERS {
        write!(text, "\n[extensions.{}]\npassword = \"secret\"\n", 10_000 + n)?;
    }
    Ok(text)
}

/// Starts it and waits for its first answer.
pub fn start(dir: &Path, config: &str) -> Result<Exchange> {
    let data = dir.join("data");
    let _ = fs::remove_dir_all(&data);
    fs::create_dir_all(&data)?;
    let (sip_port, http_port) = (free_port()?, free_port()?);
    let text = config.replace("SIP_PORT", &sip_port.to_string()).replace("HTTP_PORT", &http_port.to_string());
    fs::write(data.join("ringtrip.toml"), text)?;
    let mut command = Command::new(target().join("release/ringtrip"));
    command.arg("serve").arg("--data").arg(&data).arg("--drivers").arg(target().join("release"));
    command.env("RUST_LOG", "warn");
    let proc = Proc::start(command, &dir.join("ringtrip.log"))?;
    wait_for("the exchange's first answer", || answers_sip(sip_port))?;
    Ok(Exchange { proc, sip_port })
}

/// From start to the first accepted REGISTER, and memory at rest.
pub fn boot(report: &mut Report) -> Result<()> {
    let dir = std::env::temp_dir().join(format!("ringtrip-bench-boot-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let config = bench_config(free_port()?)?;
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let begin = Instant::now();
        let exchange = start(&dir, &config)?;
        challenged(exchange.sip_port)?;
        best = best.min(begin.elapsed());
    }
    report.add(Row {
        what: "start to the first REGISTER answered".into(),
        ours: best.as_secs_f64() * 1000.0,
        other: None,
        unit: "ms",
        bound: Some(100.0),
    });
    let exchange = start(&dir, &config)?;
    std::thread::sleep(Duration::from_secs(2));
    report.add(Row {
        what: "memory at rest".into(),
        ours: exchange.proc.resident_kb() as f64 / 1024.0,
        other: None,
        unit: "MB",
        bound: Some(40.0),
    });
    Ok(())
}

/// A REGISTER is answered with a challenge: registrar and nonces are at work.
fn challenged(port: u16) -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    let local = socket.local_addr()?;
    let ask = format!(
        "REGISTER sip:bench SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKr{};rport\r\nFrom: <sip:10000@bench>;tag=r\r\n\
         To: <sip:10000@bench>\r\nCall-ID: boot-{}\r\nCSeq: 1 REGISTER\r\nContact: <sip:10000@{local}>\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        local.port(),
        local.port()
    );
    wait_for("a challenge", || {
        let _ = socket.send_to(ask.as_bytes(), ("127.0.0.1", port));
        let mut buffer = [0; 4096];
        socket.recv(&mut buffer).is_ok_and(|n| buffer[..n].starts_with(b"SIP/2.0 401"))
    })
}
