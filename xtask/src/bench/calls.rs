//! CPU a call and a registration, beside kamailio that merely proxies the same calls and keeps the same users.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::exchange::{self, CALLED, CALLERS, Exchange};
use super::procs::{Proc, answers_sip, free_port, wait_for};
use super::report::{Bound, Report, Row};
use crate::run::root;

/// Users of the registration benchmark.
pub const USERS: usize = 1000;

/// Basic calls at three rates, and from 10 to 1,000 at once.
pub fn calls(report: &mut Report) -> Result<()> {
    for rate in [50, 100, 400] {
        let total = rate * 20;
        let ours = one_side(Side::Ours, rate, total, 0)?;
        let peer = one_side(Side::Kamailio, rate, total, 0)?;
        report.add(Row {
            what: format!("call, INVITE to BYE, {rate}/s"),
            ours: ours.cpu_ms,
            other: Some(("kamailio".into(), peer.cpu_ms)),
            unit: "ms CPU",
            bound: Some(Bound::Ratio(1.0)),
        });
    }
    // Held calls: rate x hold = calls at once.
    let few = one_side(Side::Ours, 50, 1000, 200)?;
    let many = one_side(Side::Ours, 50, 1500, 20_000)?;
    report.add(Row {
        what: "call, 1,000 at once against 10".into(),
        ours: many.cpu_ms,
        other: Some(("at 10".into(), few.cpu_ms)),
        unit: "ms CPU",
        bound: Some(Bound::Ratio(1.1)),
    });
    report.add(Row {
        what: "memory a call, 1,000 at once".into(),
        ours: many.resident_kb_a_call,
        other: None,
        unit: "kB",
        bound: Some(Bound::Most(30.0)),
    });
    Ok(())
}

/// REGISTER with digest: CPU, and losses at 4,000/s.
pub fn register(report: &mut Report) -> Result<()> {
    let ours = registrations(Side::Ours, 1000, 20_000)?;
    let peer = registrations(Side::Kamailio, 1000, 20_000)?;
    for (who, failed) in [("we", ours.failed), ("kamailio", peer.failed)] {
        if failed > 200 {
            bail!("{who} failed {failed} of 20,000 registrations: the figure would mean nothing");
        }
    }
    report.add(Row {
        what: "REGISTER with digest, 1,000/s".into(),
        ours: ours.cpu_ms,
        other: Some(("kamailio".into(), peer.cpu_ms)),
        unit: "ms CPU",
        bound: Some(Bound::Ratio(1.0)),
    });
    let fast = registrations(Side::Ours, 4000, 80_000)?;
    report.add(Row {
        what: "REGISTER lost of 80,000 at 4,000/s".into(),
        ours: f64::from(fast.failed),
        other: None,
        unit: "lost",
        bound: Some(Bound::Most(0.0)),
    });
    Ok(())
}

struct Registrations {
    cpu_ms: f64,
    failed: u32,
}

fn registrations(side: Side, rate: u32, total: u32) -> Result<Registrations> {
    let dir = tempdir("register")?;
    let users = dir.join("users.csv");
    let mut list = String::from("SEQUENTIAL\n");
    for user in 10_000..10_000 + USERS {
        list.push_str(&format!("{user};[authentication username={user} password=secret]\n"));
    }
    fs::write(&users, list)?;
    let server = Server::start(side, &dir, free_port()?)?;
    let before = server.proc.cpu();
    let args = ["-sf", "xtask/bench/register.xml", "-i", "127.0.0.1", "-inf"];
    let failed = sipp(&args, Some(&users), server.port, rate, total, &dir)?;
    let cpu_ms = (server.proc.cpu() - before).as_secs_f64() * 1000.0 / f64::from(total);
    Ok(Registrations { cpu_ms, failed })
}

#[derive(Clone, Copy)]
enum Side {
    Ours,
    Kamailio,
}

struct Measured {
    cpu_ms: f64,
    resident_kb_a_call: f64,
}

struct Server {
    proc: Proc,
    port: u16,
}

impl Server {
    fn start(side: Side, dir: &Path, uas: u16) -> Result<Server> {
        let server = Server::launch(side, dir, uas)?;
        // What is left of the start after the first answer is no cost of a call.
        std::thread::sleep(Duration::from_secs(1));
        Ok(server)
    }

    fn launch(side: Side, dir: &Path, uas: u16) -> Result<Server> {
        match side {
            Side::Ours => {
                let Exchange { proc, sip_port, .. } = exchange::start(dir, &exchange::bench_config(uas)?)?;
                Ok(Server { proc, port: sip_port })
            }
            Side::Kamailio => {
                let port = free_port()?;
                let text = fs::read_to_string(root().join("xtask/bench/kamailio.cfg"))?;
                let config = dir.join("kamailio.cfg");
                fs::write(&config, text.replace("UAS", &format!("{CALLED}:{uas}")))?;
                let mut command = Command::new("kamailio");
                command.args(["-DD", "-E", "-m", "256", "-l"]).arg(format!("udp:127.0.0.1:{port}"));
                command.arg("-f").arg(&config).arg("-Y").arg(dir);
                let proc = Proc::start(command, &dir.join("kamailio.log"))?;
                wait_for("kamailio's first answer", || answers_sip(port))?;
                Ok(Server { proc, port })
            }
        }
    }
}

fn one_side(side: Side, rate: u32, total: u32, hold_ms: u32) -> Result<Measured> {
    let dir = tempdir("calls")?;
    let uas_port = free_port()?;
    let mut uas = Command::new("sipp");
    uas.args(["-sf", "xtask/bench/uas.xml", "-i", CALLED, "-nostdin", "-p"]).arg(uas_port.to_string());
    uas.current_dir(root());
    let _uas = Proc::start(uas, &dir.join("uas.log"))?;
    let server = Server::start(side, &dir, uas_port)?;
    let resident = server.proc.resident_kb();
    let before = server.proc.cpu();
    let hold = hold_ms.to_string();
    let most = std::cell::Cell::new(resident);
    let failed = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            sipp(
                &["-sf", "xtask/bench/uac.xml", "-i", CALLERS, "-d", &hold],
                None,
                server.port,
                rate,
                total,
                &dir,
            )
        });
        while !watch.is_finished() {
            most.set(most.get().max(server.proc.resident_kb()));
            std::thread::sleep(Duration::from_millis(200));
        }
        watch.join().map_err(|_| anyhow::anyhow!("the thread that watches sipp panicked"))?
    })?;
    if failed > total / 100 {
        bail!(
            "{failed} of {total} calls failed at {rate}/s: the figure would mean nothing; see {}",
            dir.display()
        );
    }
    let at_once = f64::from((rate * hold_ms / 1000).clamp(1, total));
    Ok(Measured {
        cpu_ms: (server.proc.cpu() - before).as_secs_f64() * 1000.0 / f64::from(total),
        resident_kb_a_call: (most.get() - resident) as f64 / at_once,
    })
}

/// Runs sipp as the caller; answers how many calls failed.
fn sipp(args: &[&str], users: Option<&Path>, port: u16, rate: u32, total: u32, dir: &Path) -> Result<u32> {
    let mut command = Command::new("sipp");
    command.args(args);
    if let Some(users) = users {
        command.arg(users);
    }
    let stat = dir.join("stat.csv");
    command
        .arg(format!("127.0.0.1:{port}"))
        .args(["-nostdin", "-l", "100000", "-timeout", "120s", "-trace_stat", "-stf"])
        .arg(&stat)
        .args(["-r", &rate.to_string(), "-m", &total.to_string()])
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status().context("cannot start sipp")?;
    let csv = fs::read_to_string(&stat)
        .with_context(|| format!("sipp wrote no figures after {:?}", start.elapsed()))?;
    let mut lines = csv.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split(';').collect();
    let last: Vec<&str> = lines.last().unwrap_or_default().split(';').collect();
    let field = |name: &str| -> Option<u32> { last.get(head.iter().position(|h| *h == name)?)?.parse().ok() };
    match (field("SuccessfulCall(C)"), field("FailedCall(C)")) {
        (Some(good), Some(_)) => Ok(total.saturating_sub(good)),
        _ => bail!("sipp ended with {status} and figures that cannot be read"),
    }
}

fn tempdir(name: &str) -> Result<PathBuf> {
    let dir = std::env::temp_dir().join(format!("ringtrip-bench-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir)?;
    Ok(dir)
}
