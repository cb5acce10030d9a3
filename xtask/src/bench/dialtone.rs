//! How long a person who lifts the handset hears nothing: from the lift to the first sample of dial tone in the
//! earpiece, counted in samples by the virtual board's own clock. It holds all that a real one would: the board sees the
//! loop closed (10 ms of debouncing), its process tells the exchange, the line decides, the tone comes back by the ring.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::procs::{Proc, free_port, wait_for};
use super::report::{Bound, Report, Row};
use crate::run::target;

/// Lifts in a row.
const LIFTS: usize = 30;

const CONFIG: &str = r#"region = "us"
default_plan = "home"
[plans]
home = "(1xx)"
[line.fxs1]
kind = "fxs"
port = "virtual:0"
[sip]
listen = ["udp:127.0.0.1:SIP_PORT"]
"#;

/// The median and the worst of many lifts.
pub fn dialtone(report: &mut Report) -> Result<()> {
    let dir = std::env::temp_dir().join(format!("ringtrip-bench-dialtone-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let measured = measure(&dir);
    let _ = fs::remove_dir_all(&dir);
    let mut all = measured?;
    all.sort_by(f64::total_cmp);
    for (what, ours, bound) in [
        ("off-hook to first dial-tone sample, median", all[all.len() / 2], Some(Bound::Most(30.0))),
        ("off-hook to first dial-tone sample, worst", all[all.len() - 1], None),
    ] {
        report.add(Row { what: what.into(), ours, other: None, unit: "ms", bound });
    }
    Ok(())
}

fn measure(dir: &Path) -> Result<Vec<f64>> {
    let config = dir.join("ringtrip.toml");
    fs::write(&config, CONFIG.replace("SIP_PORT", &free_port()?.to_string()))?;
    let programs = target().join("release");
    let mut command = Command::new(programs.join("ringtrip"));
    command.args(["serve", "--http", "127.0.0.1:0", "--data"]).arg(dir.join("data"));
    command.arg("--config").arg(&config).arg("--drivers").arg(&programs).env("RUST_LOG", "warn");
    let _exchange = Proc::start(command, &dir.join("log"))?;
    let door = dir.join("data/door.json");
    wait_for("the door of the exchange", || door.exists())?;
    let door: Value = serde_json::from_str(&fs::read_to_string(&door)?)?;
    let api = Api {
        host: door["url"].as_str().unwrap_or_default().trim_start_matches("http://").to_owned(),
        token: door["token"].as_str().unwrap_or_default().to_owned(),
    };
    wait_for("an idle line", || api.line().is_ok_and(|state| state == "idle"))?;
    (0..LIFTS).map(|_| api.lift()).collect()
}

/// The exchange's API, as far as it is needed here.
struct Api {
    host: String,
    token: String,
}

impl Api {
    /// Lifts, listens, hangs up; ms from the lift to the tone.
    fn lift(&self) -> Result<f64> {
        // Sound of the lift before may still be on its way.
        std::thread::sleep(Duration::from_millis(300));
        let heard = |verb: &str| -> Result<u64> {
            let state: Value = serde_json::from_slice(&self.sim(verb, "{\"port\":0}")?)?;
            state["heard"].as_u64().context("an answer without `heard`")
        };
        let from = heard("lift")?;
        wait_for("half a second of sound", || heard("state").is_ok_and(|now| now > from + 4000))?;
        let wav = self.ask("GET", &format!("/sim/virtual/listen?port=0&since={from}&max_ms=500"), "")?;
        self.sim("hangup", "{\"port\":0}")?;
        wait_for("an idle line", || self.line().is_ok_and(|state| state == "idle"))?;
        let samples = wav.get(44..).unwrap_or_default().chunks_exact(2);
        let mut samples = samples.map(|b| i16::from_le_bytes([b[0], b[1]]));
        let begin = samples.position(|s| s != 0).context("no dial tone within 500 ms")?;
        Ok(begin as f64 / 8.0)
    }

    fn line(&self) -> Result<String> {
        let line: Value = serde_json::from_slice(&self.ask("GET", "/lines/fxs1", "")?)?;
        Ok(line["state"].as_str().unwrap_or_default().to_owned())
    }

    fn sim(&self, verb: &str, body: &str) -> Result<Vec<u8>> {
        self.ask("POST", &format!("/sim/virtual/{verb}"), body)
    }

    /// One request on a connection of its own (HTTP/1.0, so the answer ends with it).
    fn ask(&self, method: &str, path: &str, body: &str) -> Result<Vec<u8>> {
        let mut stream = TcpStream::connect(&self.host)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(
            stream,
            "{method} /api/v1{path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            self.token,
            body.len()
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").context("an answer without a head")?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        if !head.split(' ').nth(1).is_some_and(|code| code.starts_with('2')) {
            bail!("{method} {path}: {}", head.lines().next().unwrap_or_default());
        }
        Ok(answer.split_off(end + 4))
    }
}
