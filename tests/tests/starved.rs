//! An exchange that lacks what a program needs: descriptors, memory, room on the disk. Whatever is short, calls for help
//! go through, with sound, and the exchange says what is wrong.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ringtrip_testkit::live::{Daemon, filled, free_port, wait};
use ringtrip_testkit::ua::{Stage, Ua, packet};
use socket2::{Domain, Socket, Type};

/// Phones, and a provider at 127.0.0.9 that takes calls for help.
const HOUSE: &str = r#"
region = "us"
default_plan = "home"
script = "scripts/default.rhai"
[plans]
home = "(1xx|2xx)"
PHONES
[emergency]
providers = ["gw1"]
[gateway.gw1]
server = "127.0.0.9:GW_PORT"
user = "acct"
register = false
options_interval = "off"
"#;

struct Testbed {
    daemon: Daemon,
    provider: Ua,
}

impl Testbed {
    /// Its shell does this first: `ulimit -n 256`.
    #[track_caller]
    fn under(before: &str) -> Testbed {
        let provider = Ua::start_at(Ipv4Addr::new(127, 0, 0, 9).into(), 0, "acct", "");
        let config = HOUSE.replace("GW_PORT", &provider.addr().port().to_string());
        Testbed { daemon: Daemon::start_under(&config, before), provider }
    }

    /// Calls for help; it is answered and both sides hear each other.
    #[track_caller]
    fn reaches_help(&self, phone: &Ua) {
        let call = phone.call("911");
        let there = wait("the call at the provider", Duration::from_secs(5), || self.provider.up().pop());
        let (one, two) = (phone.media_of(&call), self.provider.media_of(&there));
        let (one, two) = (one.expect("sound is offered"), two.expect("sound is offered"));
        for (from, to, mark) in [(&phone.rtp, one, 1), (&self.provider.rtp, two, 2)] {
            from.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
            let _ = from.send_to(&packet(mark, 0), to);
        }
        for (at, mark) in [(&self.provider.rtp, 1), (&phone.rtp, 2)] {
            let mut n = 0;
            wait("sound both ways", Duration::from_secs(5), || {
                n += 1;
                let _ = phone.rtp.send_to(&packet(1, n), one);
                let _ = self.provider.rtp.send_to(&packet(2, n), two);
                let mut buffer = [0; 2048];
                let heard = at.recv(&mut buffer).is_ok_and(|len| len == 172 && buffer[19] == mark);
                heard.then_some(())
            });
        }
        assert_eq!(phone.stage(&call), Some(Stage::Up));
        phone.bye(&call);
        assert_eq!(phone.ended(&call), 200);
    }
}

/// A connection from this address of the loopback, if it is taken.
fn connect_from(ip: Ipv4Addr, to: SocketAddr) -> Option<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
    socket.bind(&SocketAddr::new(IpAddr::V4(ip), 0).into()).ok()?;
    socket.connect_timeout(&to.into(), Duration::from_secs(2)).ok()?;
    Some(socket.into())
}

/// From 20 addresses 40 connections each that say nothing.
fn idle_connections(to: SocketAddr) -> Vec<TcpStream> {
    let from = (20..40).map(|last| Ipv4Addr::new(127, 0, 0, last));
    from.flat_map(|ip| (0..40).filter_map(move |_| connect_from(ip, to))).collect()
}

fn descriptors(hard: u32) {
    let testbed = Testbed::under(&format!("ulimit -n {hard}"));
    let daemon = &testbed.daemon;
    let phone = Ua::at_home(daemon, "203");
    let system = daemon.get("/system");
    println!("{system}");
    assert_eq!(system["open_files_limit"], hard);
    let carried = system["calls_by_open_files"].as_u64().expect("a number");
    assert!((1..1000).contains(&carried), "{system}");
    assert!(daemon.log().contains("LimitNOFILE"), "the operator learns how to correct it: {}", daemon.log());
    let sip = (Ipv4Addr::LOCALHOST, daemon.sip).into();
    let http: SocketAddr = daemon.url.trim_start_matches("http://").parse().expect("an address");
    let mut held = idle_connections(sip);
    testbed.reaches_help(&phone);
    held.extend(idle_connections(http));
    println!("{} connections are held", held.len());
    testbed.reaches_help(&phone);
    // Calls beside, as many as it will have: some are refused, help is not.
    let other = Ua::at_home(daemon, "204");
    other.answers(false);
    let calls: Vec<String> = (0..40).map(|_| phone.invite("204")).collect();
    wait("an answer to each", Duration::from_secs(15), || {
        calls.iter().all(|call| phone.stage(call) != Some(Stage::Calling)).then_some(())
    });
    testbed.reaches_help(&phone);
    drop(held);
    let system = daemon.get("/system");
    println!("afterwards: {system}");
    assert!(!daemon.log().contains("os error 24"), "it ran out of descriptors: {}", daemon.log());
}

#[test]
fn idle_connections_leave_descriptors_for_emergency_calls() {
    descriptors(1024);
}

#[test]
fn a_quarter_of_the_usual_descriptors_carry_an_emergency_call() {
    descriptors(256);
}

#[test]
fn the_soft_limit_is_raised_to_the_hard_one() {
    let testbed = Testbed::under("ulimit -n 9000 && ulimit -Sn 200");
    let system = testbed.daemon.get("/system");
    assert_eq!((&system["open_files_limit"], &system["calls_by_open_files"]), (&9000.into(), &1000.into()));
    assert!(!testbed.daemon.log().contains("LimitNOFILE"), "{}", testbed.daemon.log());
}

/// A small disk of its own in a folder.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where nobody may mount.
    fn mount(at: &Path) -> Option<SmallDisk> {
        std::fs::create_dir_all(at).ok()?;
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(at).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            println!("skipped: no disk can be mounted here");
            return None;
        }
        Some(SmallDisk(at.to_owned()))
    }

    fn remount(&self, how: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.0).status();
        assert!(done.is_ok_and(|status| status.success()), "remount,{how}");
    }

    fn fill(&self) {
        let path = self.0.join("filler");
        let mut file = std::fs::File::options().create(true).append(true).open(path).expect("a file");
        let block = [0x55; 4096];
        while file.write_all(&block).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join("filler")).expect("it is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// An exchange whose data lie on a small disk; started and killed there if `used`, else never started.
fn on_a_small_disk(used: bool) -> Option<(Testbed, SmallDisk)> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let disk = SmallDisk::mount(&dir.path().join("data"))?;
    let provider = Ua::start_at(Ipv4Addr::new(127, 0, 0, 9).into(), 0, "acct", "");
    let sip = free_port();
    let config = HOUSE.replace("GW_PORT", &provider.addr().port().to_string());
    std::fs::write(dir.path().join("ringtrip.toml"), filled(&config, sip))
        .expect("the folder can be written");
    if !used {
        disk.fill();
    }
    let mut daemon = Daemon::start_in(dir, sip);
    if used {
        daemon.kill();
    }
    Some((Testbed { daemon, provider }, disk))
}

/// On a disk that takes nothing it starts, takes calls, says what is wrong and refuses changes; with room again it writes
/// what waited.
fn without_disk(what: &str, break_it: impl Fn(&SmallDisk), mend_it: impl Fn(&SmallDisk)) {
    let Some((mut testbed, disk)) = on_a_small_disk(true) else { return };
    break_it(&disk);
    testbed.daemon.restart_without_disk();
    // The start may have given a page back.
    break_it(&disk);
    let daemon = &testbed.daemon;
    assert_eq!(daemon.try_get("/healthz").0, 200, "{what}");
    let (one, two) = (Ua::at_home(daemon, "203"), Ua::at_home(daemon, "204"));
    testbed.reaches_help(&one);
    // The last page of the journal may have room for the first records.
    let mut calls = 0;
    let system = wait("records that wait", Duration::from_secs(20), || {
        if calls < 20 {
            let call = one.call("204");
            two.bye(&two.up()[0]);
            assert_eq!(one.ended(&call), 200, "{what}");
            calls += 1;
        }
        Some(daemon.get("/system")).filter(|system| system["cdrs_waiting"].as_u64() >= Some(2))
    });
    assert_eq!(system["disk_refuses"], true, "{what}: {system}");
    assert!(daemon.log().contains("call records cannot be written"), "{what}: an alarm: {}", daemon.log());
    let text = std::fs::read_to_string(daemon.dir.path().join("ringtrip.toml")).expect("the document");
    // Larger than what pages that came free may hold.
    let padding = |sign: &str| format!("{sign} {}\n", "x".repeat(99)).repeat(300);
    let changed = format!("{text}\n[extension.206]\npassword = \"pw-206-phones\"\n{}", padding("#"));
    let script = format!("fn route(c) {{ pass() }}\n{}", padding("//"));
    for (method, path, body) in [("PUT", "/config", &*changed), ("PUT", "/scripts/default.rhai", &*script)] {
        break_it(&disk);
        let (status, answer) = daemon.request(method, path, &[("If-Match", "*")], body.as_bytes());
        assert_eq!(status, 507, "{what}: {method} {path}: {answer}");
        assert!(answer.contains("Nothing was changed"), "{what}: {answer}");
    }
    mend_it(&disk);
    wait("all is written", Duration::from_secs(15), || {
        let system = daemon.get("/system");
        (system["cdrs_waiting"] == 0 && system["disk_refuses"] == false).then_some(())
    });
    let page = daemon.get("/cdrs?limit=50");
    let helped = page["cdrs"].as_array().is_some_and(|all| all.iter().any(|cdr| cdr["emergency"] == true));
    assert!(helped, "{what}: the record of the emergency call: {page}");
    let (status, answer) = daemon.put_config(&changed, "*");
    assert_eq!(status, 200, "{what}: {answer}");
}

#[test]
fn a_full_disk_is_no_reason_not_to_start() {
    without_disk("full", SmallDisk::fill, SmallDisk::empty);
}

#[test]
fn a_read_only_disk_is_no_reason_not_to_start() {
    without_disk("read-only", |disk| disk.remount("ro"), |disk| disk.remount("rw"));
}

/// A journal that is gone is not taken for a first start: a new exchange would know no phone, no provider, no line.
#[test]
fn a_journal_that_is_gone_is_said_and_nothing_is_made_in_its_place() {
    let testbed = Testbed::under("true");
    let data = testbed.daemon.dir.path().join("data");
    let Testbed { mut daemon, .. } = testbed;
    daemon.kill();
    std::fs::remove_dir_all(data.join("journal")).expect("it is there");
    let program = ringtrip_testkit::live::programs().join("ringtrip");
    let port = free_port();
    let sip = format!("127.0.0.1:{port}");
    let ended = Command::new(program)
        .args(["serve", "--once", "--http", "127.0.0.1:0", "--sip", &sip, "--data"])
        .arg(&data)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success(), "{said}");
    assert!(said.contains("journal") && said.contains("backup") && said.contains("--config FILE"), "{said}");
    assert!(
        !data.join("journal/0000000000000001.journal").exists() || {
            let journal =
                std::fs::metadata(data.join("journal/0000000000000001.journal")).expect("it exists");
            journal.len() < 200
        }
    );
    // With the document named it begins anew, and says what is missing.
    daemon.restart();
    let phone = Ua::at_home(&daemon, "203");
    let call = phone.call("203");
    phone.bye(&call);
}
