//! Our exchange under measurement: a configuration for benchmarks, its start, and how long that takes.

use std::fmt::Write;
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use md5::{Digest, Md5};

use super::calls::USERS;
use super::procs::{Proc, answers_sip, free_port, wait_for};
use super::report::{Bound, Report, Row};
use crate::run::target;

/// Where calls come from: another address than the phones', for the exchange knows providers by their addresses.
pub const CALLERS: &str = "127.0.0.3";
/// Where calls go.
pub const CALLED: &str = "127.0.0.2";

/// A running exchange.
pub struct Exchange {
    /// The process.
    pub proc: Proc,
    /// Its SIP port on the loopback.
    pub sip_port: u16,
    /// Its HTTP port on the loopback.
    pub http_port: u16,
}

/// A configuration without boards. What `CALLERS` sends is dialled through the plan and goes to the provider on
/// `uas_port`; users `10000`… register from anywhere else.
pub fn bench_config(uas_port: u16) -> Result<String> {
    let mut text = format!(
        r#"region = "us"
default_plan = "all"
default_route = "gw1"

[plans]
all = "(xx.)"

[sip]
listen = ["udp:127.0.0.1:SIP_PORT"]
realm = "bench"
domain = "bench"
rtp_ports = "12000-31999"
algorithms = ["md5"]

[http]
listen = ["127.0.0.1:HTTP_PORT"]

[limits]
calls = 5000
calls_per_source = 5000

[gateway.gw1]
server = "{CALLED}:{uas_port}"
user = "bench"
register = false
options_interval = "off"

[gateway.gw2]
server = "{CALLERS}"
user = "bench"
register = false
options_interval = "off"
accept_from = ["{CALLERS}"]
inbound = {{ number = "12125550100" }}
"#
    );
    for n in 0..USERS {
        write!(text, "\n[extension.{}]\npassword = \"secret\"\n", 10_000 + n)?;
    }
    Ok(text)
}

/// Starts it on a fresh data folder and waits for its first answer.
pub fn start(dir: &Path, config: &str) -> Result<Exchange> {
    let _ = fs::remove_dir_all(dir.join("data"));
    let exchange = launch(dir, config)?;
    wait_for("the exchange's first answer", || answers_sip(exchange.sip_port))?;
    Ok(exchange)
}

/// Starts it on the data folder as it is, and waits for nothing.
pub fn launch(dir: &Path, config: &str) -> Result<Exchange> {
    let data = dir.join("data");
    fs::create_dir_all(&data)?;
    let (sip_port, http_port) = (free_port()?, free_port()?);
    let text = config.replace("SIP_PORT", &sip_port.to_string()).replace("HTTP_PORT", &http_port.to_string());
    let document = dir.join("ringtrip.toml");
    fs::write(&document, text)?;
    let mut command = Command::new(target().join("release/ringtrip"));
    command.arg("--data").arg(&data).arg("serve").arg("--config").arg(&document);
    command.arg("--drivers").arg(target().join("release"));
    command.env("RUST_LOG", "warn");
    let proc = Proc::start(command, &dir.join("ringtrip.log"))?;
    Ok(Exchange { proc, sip_port, http_port })
}

/// From start to the first accepted REGISTER, and memory at rest.
pub fn boot(report: &mut Report) -> Result<()> {
    let dir = std::env::temp_dir().join(format!("ringtrip-bench-boot-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir)?;
    let config = bench_config(free_port()?)?;
    let mut times = Vec::new();
    for _ in 0..9 {
        let begin = Instant::now();
        let exchange = launch(&dir, &config)?;
        register(exchange.sip_port)?;
        times.push(begin.elapsed());
    }
    // The first one made the data folder and hashed the first admin secret.
    let first = times.remove(0);
    times.sort();
    for (what, time) in [
        ("very first start to the first accepted REGISTER", first),
        ("start to the first accepted REGISTER", times[times.len() / 2]),
    ] {
        report.add(Row {
            what: what.into(),
            ours: time.as_secs_f64() * 1000.0,
            other: None,
            unit: "ms",
            bound: Some(Bound::Most(100.0)),
        });
    }
    let exchange = start(&dir, &config)?;
    std::thread::sleep(Duration::from_secs(2));
    report.add(Row {
        what: "memory at rest".into(),
        ours: exchange.proc.resident_kb() as f64 / 1024.0,
        other: None,
        unit: "MB",
        bound: Some(Bound::Most(40.0)),
    });
    Ok(())
}

/// Registers a user: asks until there is an answer, then proves its password.
fn register(port: u16) -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    // Connected, so that a port nobody listens on yet says so at once.
    socket.connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    let local = socket.local_addr()?;
    let ask = |cseq: u32, proof: &str| {
        format!(
            "REGISTER sip:bench SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKr{cseq};rport\r\n\
             From: <sip:10000@bench>;tag=r\r\nTo: <sip:10000@bench>\r\nCall-ID: boot-{}\r\n\
             CSeq: {cseq} REGISTER\r\nContact: <sip:10000@{local}>\r\nMax-Forwards: 70\r\n{proof}\
             Content-Length: 0\r\n\r\n",
            local.port()
        )
    };
    let mut buffer = [0; 4096];
    let mut answer = String::new();
    let mut exchange = |text: &str, answer: &mut String| {
        let _ = socket.send(text.as_bytes());
        let n = socket.recv(&mut buffer).unwrap_or(0);
        *answer = String::from_utf8_lossy(&buffer[..n]).into_owned();
    };
    wait_for("a challenge", || {
        exchange(&ask(1, ""), &mut answer);
        answer.starts_with("SIP/2.0 401")
    })?;
    let nonce =
        answer.split("nonce=\"").nth(1).and_then(|r| r.split('"').next()).context("no nonce")?.to_owned();
    let ha1 = md5("10000:bench:secret");
    let proven = md5(&format!("{ha1}:{nonce}:00000001:c0ffee:auth:{}", md5("REGISTER:sip:bench")));
    let proof = format!(
        "Authorization: Digest username=\"10000\", realm=\"bench\", nonce=\"{nonce}\", uri=\"sip:bench\", \
         qop=auth, nc=00000001, cnonce=\"c0ffee\", algorithm=MD5, response=\"{proven}\"\r\n"
    );
    wait_for("an accepted REGISTER", || {
        exchange(&ask(2, &proof), &mut answer);
        answer.starts_with("SIP/2.0 200")
    })
}

fn md5(text: &str) -> String {
    Md5::digest(text).iter().map(|b| format!("{b:02x}")).collect()
}
