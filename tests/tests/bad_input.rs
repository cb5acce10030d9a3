//! What people and programs get wrong: documents, plans, scripts, sounds, tokens, requests, a full disk. Each is
//! answered clearly, nothing is half-applied, and calls go on.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ringtrip_testkit::events::EventStream;
use ringtrip_testkit::live::{Daemon, filled, free_port, programs, wait};
use ringtrip_testkit::ua::{Canary, Ua};
use serde_json::{Value, json};

const HOUSE: &str = r#"region = "us"
default_plan = "home"
script = "policy.rhai"

[plans]
home = "(1xx|2xx)"

PHONES
"#;

fn problem(body: &str) -> Value {
    let problem: Value =
        serde_json::from_str(body).unwrap_or_else(|e| panic!("no problem+json ({e}): {body}"));
    assert!(problem["type"].as_str().is_some_and(|t| t.starts_with("urn:ringtrip:problem:")), "{body}");
    assert!(problem["detail"].as_str().is_some_and(|d| !d.is_empty()), "{body}");
    problem
}

fn cli(daemon: &Daemon, args: &[&str]) -> (i32, String) {
    let out = Command::new(programs().join("ringtrip"))
        .arg("--data")
        .arg(daemon.dir.path().join("data"))
        .args(args)
        .output()
        .expect("ringtrip runs");
    let said = [out.stdout, out.stderr].concat();
    (out.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn a_bad_document_is_refused_with_its_place_and_changes_nothing() {
    let daemon = Daemon::start(HOUSE);
    let canary = Canary::at_home(&daemon);
    let text = daemon.get("/config?secrets=true")["text"].as_str().expect("a document").to_owned();
    let line_of = |text: &str, part: &str| text.lines().position(|l| l.contains(part)).map_or(0, |n| n + 1);
    let cases = [
        ("syntax", text.replace("[extension.101]", "[extension.101"), "[extension.101"),
        ("unknown key", text.replace("line = \"fxs1\"", "lime = \"fxs1\""), "lime"),
        ("unknown section", format!("{text}\n[gatesway.gw1]\nserver = \"x\"\n"), "gatesway"),
        ("wrong type", text.replace("password = \"pw-203-phones\"", "password = 203"), "203\n"),
        ("no such line", text.replace("line = \"fxs1\"", "line = \"fxs9\""), "fxs9"),
        ("no such plan", text.replace("default_plan = \"home\"", "default_plan = \"hone\""), "hone"),
        ("bad plan", text.replace("(1xx|2xx)", "(1xx|2xx"), "2xx"),
        (
            "port twice",
            text.replace("[sip]", "[line.fxs2]\nkind = \"fxs\"\nport = \"virtual:0\"\n[sip]"),
            "fxs2",
        ),
    ];
    let before = (daemon.get("/config?secrets=true"), daemon.get("/config/versions"));
    let file = daemon.dir.path().join("draft.toml");
    for (what, draft, mark) in &cases {
        assert_ne!(draft, &text, "{what}: the case changes nothing");
        let line = line_of(draft, mark.trim_end());
        let (status, body) = daemon.put_config(draft, "*");
        assert_eq!(status, 422, "{what}: {body}");
        let faults = problem(&body)["faults"].clone();
        let faults = faults.as_array().unwrap_or_else(|| panic!("{what}: {body}"));
        assert!(!faults.is_empty(), "{what}: {body}");
        let near = |fault: &&Value| {
            let at = fault["line"].as_u64().unwrap_or(0);
            at.abs_diff(line as u64) <= 2
                && fault["column"].as_u64().unwrap_or(0) >= 1
                && fault["severity"] == "error"
        };
        assert!(faults.iter().any(|f| near(&f)), "{what}: line {line}: {body}");
        // The same by the command line, in a dry run and at the running exchange.
        fs::write(&file, draft).expect("a draft");
        let name = file.display().to_string();
        for args in [["config", "check", &name], ["config", "put", &name]] {
            let (code, said) = cli(&daemon, &args);
            assert_eq!(code, 1, "{what}: {args:?}: {said}");
            let line_said = |said: &str| said.trim().split(':').next().and_then(|n| n.parse::<usize>().ok());
            let mut places =
                said.lines().filter_map(|l| line_said(l.split("draft.toml:").last().unwrap_or(l)));
            assert!(places.any(|n| n.abs_diff(line) <= 2), "{what}: {args:?}: line {line}: {said}");
        }
        assert_eq!((daemon.get("/config?secrets=true"), daemon.get("/config/versions")), before, "{what}");
    }
    canary.sings("bad documents");
}

#[test]
fn two_who_change_the_same_version_are_told_and_undo_goes_back() {
    let daemon = Daemon::start(HOUSE);
    let canary = Canary::at_home(&daemon);
    let first = daemon.get("/config?secrets=true");
    let (text, version) =
        (first["text"].as_str().expect("text").to_owned(), first["version"].as_u64().expect("version"));
    let ann = text.replace("[extension.203]", "[extension.203]\nname = \"Ann\"");
    let ben = text.replace("[extension.203]", "[extension.203]\nname = \"Ben\"");
    assert_eq!(daemon.put_config(&ann, &format!("\"{version}\"")).0, 200);
    let (status, body) = daemon.put_config(&ben, &format!("\"{version}\""));
    assert_eq!(status, 412, "{body}");
    problem(&body);
    assert_eq!(daemon.send("PUT", "/config", "application/toml", ben.as_bytes()).0, 428, "without If-Match");
    assert_eq!(daemon.put_config(&ben, "\"nonsense\"").0, 412);
    assert_eq!(daemon.get("/extensions/203")["name"], "Ann", "the first change is active");
    daemon.post("/config/undo", json!({}));
    let back = daemon.get("/config?secrets=true");
    assert_eq!((&back["text"], &back["version"]), (&json!(text), &json!(version + 2)));
    assert_eq!(daemon.get("/extensions/203")["name"], "203", "its number is its name again");
    let (status, body) = daemon.send("POST", "/config/undo", "application/json", br#"{"version":99}"#);
    assert_eq!(status, 404, "{body}");
    canary.sings("changes and undo");
}

#[test]
fn bad_plans_scripts_and_sounds_are_refused_with_what_is_wrong() {
    let daemon = Daemon::start(HOUSE);
    let (status, body) =
        daemon.send("POST", "/dialplan/check", "application/json", br#"{"plan":"(1xx|[3-"}"#);
    assert!(status == 200 || status == 422, "{status} {body}");
    assert!(body.contains("\"at\"") || body.contains("\"column\""), "{body}");
    let (code, said) = cli(&daemon, &["dialplan", "check", "(1xx|[3-"]);
    assert!(
        code == 1 && said.contains('^') | said.contains("position") | said.contains(":"),
        "{code} {said}"
    );

    let put = |text: &[u8]| daemon.send("PUT", "/scripts/policy.rhai", "text/plain", text);
    assert_eq!(put(b"fn route(c) { pass() }").0, 204);
    let running = daemon.get("/scripts/policy.rhai");
    for (what, text) in [
        ("syntax", &b"fn route(c) {\n  let = 3;\n}"[..]),
        ("no route", b"let x = 1;"),
        ("not text", b"\xff\xfe\x00"),
        ("too long", &[b' '; 300 << 10]),
    ] {
        let (status, body) = put(text);
        assert!(matches!(status, 400 | 413 | 422), "{what}: {status} {body}");
        problem(&body);
        assert_eq!(daemon.get("/scripts/policy.rhai"), running, "{what}");
    }
    assert_eq!(daemon.send("PUT", "/scripts/..%2fpolicy.rhai", "text/plain", b"fn route(c) {}").0 / 100, 4);
    assert_eq!(daemon.send("PUT", "/scripts/other.rhai", "text/plain", b"fn route(c) {}").0, 404);

    daemon.sim("lift", json!({ "port": 0 }));
    for (what, sound) in [
        ("no WAV", &b"this is no sound at all, whatever its name says"[..]),
        ("cut short", b"RIFF\x24\x00\x00\x00WAVEfmt "),
        ("empty", b""),
        ("a lying length", b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff\x01\x00\x01\x00"),
    ] {
        let (status, body) = daemon.send("POST", "/sim/virtual/speak?port=0", "audio/wav", sound);
        assert!(matches!(status, 400 | 422), "{what}: {status} {body}");
        problem(&body);
    }
    for body in [r#"{"port":77}"#, r#"{"port":"x"}"#, r#"{"what":1}"#, "[1,2"] {
        let (status, body) = daemon.send("POST", "/sim/virtual/lift", "application/json", body.as_bytes());
        assert_eq!(status, 400, "{body}");
        problem(&body);
    }
    assert_eq!(daemon.send("POST", "/sim/nowhere/lift", "application/json", b"{}").0, 404);
    // The board lives, and the telephone is still lifted.
    daemon.line_is("fxs1", "dialling", Duration::from_secs(5));
}

/// Method, path, headers, body, and the answers that are right.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [u8], &'a [u16]);

#[test]
fn wrong_requests_get_the_answer_that_http_has_for_them() {
    let daemon = Daemon::start(HOUSE);
    let canary = Canary::at_home(&daemon);
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let big = vec![b'x'; 3 << 20];
    let json = ("Content-Type", "application/json");
    let cases: &[Case<'_>] = &[
        ("GET", "/lines", &[("Authorization", "Bearer wrong")], b"", &[401]),
        ("GET", "/lines", &[("Authorization", "Basic YWRtaW46YWRtaW4=")], b"", &[401]),
        ("GET", "/metrics", &[("Authorization", "Bearer ")], b"", &[401]),
        ("GET", "/lines", &[("Host", "evil.example")], b"", &[421]),
        ("GET", "/lines", &[("Origin", "http://evil.example")], b"", &[403]),
        ("GET", "/extensions/999", &[], b"", &[404]),
        ("GET", "/lines/fxs9", &[], b"", &[404]),
        ("GET", "/gateways/gw7", &[], b"", &[404]),
        ("GET", "/calls/0123456789abcdef", &[], b"", &[404]),
        ("GET", "/cdrs/nonsense", &[], b"", &[400]),
        ("GET", "/cdrs?limit=many", &[], b"", &[400]),
        ("GET", "/nothing/here", &[], b"", &[404]),
        ("DELETE", "/config", &[], b"", &[405]),
        ("PATCH", "/lines", &[], b"", &[405]),
        ("PUT", "/calls", &[json], b"{}", &[405]),
        ("POST", "/calls", &[json], b"{\"from\":\"999\",\"to\":\"202\"}", &[404]),
        ("POST", "/calls", &[json], b"{\"from\":\"203\"", &[400]),
        ("POST", "/calls", &[json], b"{\"from\":\"203\",\"to\":\"204\",\"more\":1}", &[400]),
        ("POST", "/calls", &[json], deep.as_bytes(), &[400, 413]),
        ("POST", "/calls", &[json], &big, &[413]),
        ("PUT", "/config", &[("If-Match", "*")], &big, &[413]),
        ("PUT", "/config", &[("If-Match", "*")], b"\xff\xfe", &[400]),
        ("POST", "/fault", &[json], b"{\"part\":\"moon\",\"kind\":\"panic\"}", &[400, 404]),
        ("GET", "/events?after=x", &[], b"", &[400]),
    ];
    for (method, path, headers, body, expected) in cases {
        let (status, text) = daemon.request(method, path, headers, body);
        assert!(expected.contains(&status), "{method} {path} {headers:?}: {status} {text}");
        problem(&text);
    }
    // Nobody without a token learns anything but that the exchange lives.
    let none = [("Authorization", "")];
    assert_eq!(daemon.request("GET", "/healthz", &none, b"").0, 200);
    assert_eq!(daemon.request("GET", "/api/v1/openapi.json", &none, b"").0, 401);
    canary.sings("wrong requests");
}

#[test]
fn a_slow_http_client_is_cut_off_and_delays_nobody() {
    let daemon = Daemon::start(HOUSE);
    let host = daemon.url.strip_prefix("http://").unwrap_or_default().trim_end_matches('/').to_owned();
    let mut slow: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(&host).expect("a connection");
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: loc").expect("the first octets");
            stream
        })
        .collect();
    let began = Instant::now();
    assert_eq!(daemon.try_get("/lines").0, 200);
    println!("an answer beside 100 slow clients took {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(2));
    let mut first = slow.swap_remove(0);
    first.set_read_timeout(Some(Duration::from_secs(25))).expect("a timeout");
    let mut said = Vec::new();
    let read = first.read_to_end(&mut said);
    assert!(read.is_ok(), "the slow client is still connected after {:?}: {read:?}", began.elapsed());
    let said = String::from_utf8_lossy(&said);
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
}

/// A full disk by fault injection: the store's own writes are refused.
#[test]
fn a_full_disk_refuses_changes_and_stops_no_call() {
    let daemon = Daemon::start(HOUSE);
    let fill = |kind: &str| {
        daemon.post("/fault", json!({ "part": "store", "kind": kind }));
    };
    full_disk(&daemon, &|| fill("disk-full"), &|| fill("none"));
}

/// The same on a real file system without room.
#[test]
fn a_disk_that_is_really_full_refuses_changes_and_stops_no_call() {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    let Some(_mount) = Mount::tmpfs(&data) else {
        println!("skipped: a small file system cannot be mounted here");
        return;
    };
    let sip = free_port();
    fs::write(dir.path().join("ringtrip.toml"), filled(HOUSE, sip)).expect("a document");
    let daemon = Daemon::start_in(dir, sip);
    let filler = data.join("filler");
    full_disk(&daemon, &|| fill_up(&filler), &|| fs::remove_file(&filler).expect("the filler can go"));
}

#[track_caller]
fn full_disk(daemon: &Daemon, fill: &dyn Fn(), empty: &dyn Fn()) {
    let events = EventStream::start(daemon);
    let canary = Canary::at_home(daemon);
    let (one, two) = (Ua::at_home(daemon, "203"), Ua::at_home(daemon, "204"));
    let text = daemon.get("/config?secrets=true")["text"].as_str().expect("a document").to_owned();
    let before = (daemon.get("/config?secrets=true"), daemon.get("/config/versions"));
    let changed = text.replace("[extension.203]", "[extension.203]\nname = \"Ann\"");
    // The last page of a real disk may hold a small document still; this one is larger than a page.
    let changed = format!("{changed}\n# {}\n", "a long remark ".repeat(1_000));

    fill();
    // Calls made now go through, and end; their records wait. On a real disk the last page holds a few more.
    let alarms = || events.count("alarm", &[("what", "store")]);
    for _ in 0..100 {
        let call = one.call("204");
        one.bye(&call);
        assert_eq!(one.ended(&call), 200);
        if alarms() > 0 {
            break;
        }
    }
    let alarm = events.next("alarm", &[("what", "store")]);
    assert!(alarm["data"]["text"].as_str().is_some_and(|t| t.contains("wait in memory")), "{alarm}");
    let (status, body) = wait("the refusal of a change", Duration::from_secs(5), || {
        let (status, body) = daemon.put_config(&changed, "*");
        (status != 200).then_some((status, body))
    });
    assert_eq!(status, 507, "{body}");
    problem(&body);
    let after = (daemon.get("/config?secrets=true"), daemon.get("/config/versions"));
    assert_eq!(after, before, "nothing is half-applied");
    assert_eq!(daemon.get("/extensions/203")["name"], "203", "and nothing is active that is not kept");
    let again = two.call("203");
    two.bye(&again);
    assert_eq!(two.ended(&again), 200);
    canary.sings("a full disk");

    empty();
    events.next("alarm", &[("what", "store")]);
    wait("the records that waited", Duration::from_secs(10), || {
        let page = daemon.get("/cdrs?open=false&limit=50");
        let of = |name: &str| {
            page["cdrs"].as_array().is_some_and(|c| c.iter().any(|c| c["source"]["name"] == name))
        };
        (of("203") && of("204")).then_some(())
    });
    assert_eq!(daemon.put_config(&changed, "*").0, 200);
    assert_eq!(daemon.get("/extensions/203")["name"], "Ann");
    canary.sings("a disk with room again");
}

/// Writes until nothing fits any more.
fn fill_up(path: &Path) {
    let mut file = fs::File::options().create(true).append(true).open(path).expect("a filler");
    for size in [64 << 10, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

/// A file system of a few megabytes.
struct Mount(PathBuf);

impl Mount {
    fn tmpfs(at: &Path) -> Option<Mount> {
        fs::create_dir_all(at).ok()?;
        let made = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m,mode=0700", "ringtrip-test"])
            .arg(at)
            .output()
            .is_ok_and(|out| out.status.success());
        made.then(|| Mount(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
        if let Some(dir) = self.0.parent() {
            let _ = fs::remove_dir_all(dir);
        }
    }
}
