//! The HTTP API under attack: every operation that it has, asked by strangers in odd spellings; half-sent bodies and idle
//! connections; streams of tokens that are revoked. Beside each attack an honest user works on.
//!
//! A part of the spellings and a few hundred connections; with `RINGTRIP_LONG=1` all of them, and for longer.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use ringtrip_testkit::live::Daemon;
use serde_json::{Value, json};

/// Stands in the answers of many operations, so it must never reach a stranger.
const MARK: &str = "Attic-7731";

const CONFIG: &str = r#"
region = "uk"
default_plan = "home"
[plans]
home = "(xxxS0)"
[extension.201]
name = "Attic-7731"
password = "first-secret"
[sip]
listen = ["udp:127.0.0.1:SIP_PORT"]
"#;

fn is_long() -> bool {
    std::env::var_os("RINGTRIP_LONG").is_some()
}

fn address(daemon: &Daemon) -> SocketAddr {
    daemon.url.trim_start_matches("http://").parse().expect("an address")
}

fn connect(daemon: &Daemon) -> TcpStream {
    let stream = TcpStream::connect(address(daemon)).expect("the API listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream
}

/// Sends octets as they are; status and body of what comes back, 0 when the connection is closed without a word.
fn raw(daemon: &Daemon, octets: &[u8]) -> (u16, String) {
    let mut stream = connect(daemon);
    // A server that refuses early may close before all was written.
    let _ = stream.write_all(octets);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (status, body)
}

fn request(daemon: &Daemon, method: &str, target: &str, headers: &str) -> Vec<u8> {
    let host = address(daemon);
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n").into_bytes()
}

/// Each operation of the running exchange; a unit test holds its description against the router.
fn operations(daemon: &Daemon) -> Vec<(String, String)> {
    let described = daemon.get("/openapi.json");
    let mut all = Vec::new();
    for (path, methods) in described["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            let mut path = path.replace("{version}", "1").replace("{board}", "virtual");
            while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
                path.replace_range(from..=to, "201");
            }
            all.push((method.to_uppercase(), path));
        }
    }
    assert!(all.len() > 70, "{}", all.len());
    all
}

fn spellings(daemon: &Daemon, path: &str) -> Vec<String> {
    let host = address(daemon);
    let mut odd = vec![
        path.to_uppercase(),
        format!("{path}/"),
        format!("{path}/."),
        format!("{path}/.."),
        format!("{path};x"),
        format!("{path}%20"),
        format!("{path}%00"),
        format!("{path}?/../.."),
        format!("{path}#x"),
        format!("/{path}"),
        format!("\\{path}"),
        path.replace('/', "\\"),
        path.trim_start_matches('/').to_owned(),
        format!("/healthz/..{path}"),
        format!("/healthz/..;{path}"),
        format!("/healthz/..;x=1{path}"),
        format!("/healthz%2f..{path}"),
        format!("/index.html/%2e%2e{path}"),
        format!("http://{host}{path}"),
        format!("http://{host}/{path}"),
        format!("http://evil.example{path}"),
        format!("HTTP://{host}/%{:02x}{}", path.as_bytes()[1], &path[2..]),
        format!("//{host}{path}"),
        format!("*{path}"),
        format!("{path}\u{0}"),
        format!("/\u{fe}{path}"),
    ];
    for (at, letter) in path.char_indices().skip(1) {
        let (head, rest) = (&path[..at], &path[at + 1..]);
        match letter {
            '/' => odd.extend(
                ["//", "/./", "/%2e/", "%2f", "%2F", "%5c", "\\", "/;/", ";a=b/", "/x/../"]
                    .map(|between| format!("{head}{between}{rest}")),
            ),
            letter => odd.extend([
                format!("{head}%{:02x}{rest}", u32::from(letter)),
                format!("{head}%{:02X}{rest}", u32::from(letter)),
                format!("{head}%25{:02x}{rest}", u32::from(letter)),
                format!("{head}%u00{:02x}{rest}", u32::from(letter)),
                format!("{head}%c1%{:02x}{rest}", 0x80 | u32::from(letter) & 0x3f),
            ]),
        }
    }
    odd
}

#[test]
fn no_spelling_of_a_path_gets_a_stranger_in() {
    let daemon = Daemon::start(CONFIG);
    assert!(daemon.get("/extensions").to_string().contains(MARK));
    let strangers = ["", "Authorization: Bearer rt_00\r\n", "Cookie: ringtrip_session=rt_00\r\n"];
    let step = if is_long() { 1 } else { 17 };
    let mut asked = 0;
    for (n, (method, path)) in operations(&daemon).into_iter().enumerate() {
        let is_public = path == "/healthz" || path == "/api/v1/login";
        for stranger in strangers {
            let (status, body) = raw(&daemon, &request(&daemon, &method, &path, stranger));
            assert_eq!(status == 401, !is_public, "{method} {path}: {status} {body}");
        }
        let odd = spellings(&daemon, &path);
        // Another part of the spellings for each operation, so that all kinds are tried in a short run too.
        for spelling in odd.iter().skip(n % step).step_by(step) {
            let stranger = strangers[asked % strangers.len()];
            let (status, body) = raw(&daemon, &request(&daemon, &method, spelling, stranger));
            let same = spelling.starts_with(&path) && spelling.contains(['?', '#']);
            let plain = is_public && (same || spelling.starts_with("http://127.0.0.1"));
            assert!(plain || !(200..400).contains(&status), "{method} {spelling}: {status} {body}");
            assert!(!body.contains(MARK) && !body.contains("first-secret"), "{method} {spelling}: {body}");
            asked += 1;
        }
    }
    assert!(asked > 300, "{asked}");
    for target in ["*", "127.0.0.1:80", "/api/v1/cdrs HTTP/1.1 /healthz", "/healthz /api/v1/cdrs"] {
        for method in ["GET", "OPTIONS", "CONNECT", "PRI", "get", "HEAD"] {
            let (status, body) = raw(&daemon, &request(&daemon, method, target, ""));
            assert!(!(200..400).contains(&status), "{method} {target}: {status} {body}");
        }
    }
    assert_eq!(daemon.try_get("/state").0, 200);
}

#[test]
fn a_reader_changes_nothing_under_any_name() {
    let daemon = Daemon::start(CONFIG);
    let made = daemon.post("/tokens", json!({ "name": "wall", "scope": "read" }));
    let reader = format!("Authorization: Bearer {}\r\n", made["token"].as_str().expect("a token"));
    daemon.post("/drafts", json!({ "name": "check" }));
    let before = daemon.get("/drafts");
    for word in ["check", "replay", "validate", "explain", "logout"] {
        for path in [
            format!("/api/v1/drafts/check/decks/{word}"),
            format!("/api/v1/drafts/check/plugins/{word}"),
            format!("/api/v1/drafts/check/scripts/{word}"),
            format!("/api/v1/drafts/{word}"),
            format!("/api/v1/drafts/{word}/activate"),
            format!("/api/v1/drafts/{word}/canary"),
            format!("/api/v1/plugins/{word}"),
            format!("/api/v1/rates/decks/{word}"),
            format!("/api/v1/sim/virtual/{word}"),
        ] {
            for method in ["PUT", "POST", "PATCH", "DELETE"] {
                let headers = format!("{reader}If-Match: *\r\nContent-Length: 2\r\n");
                let mut octets = request(&daemon, method, &path, &headers);
                octets.extend_from_slice(b"{}");
                let (status, body) = raw(&daemon, &octets);
                assert!(matches!(status, 403..=405), "{method} {path}: {status} {body}");
            }
        }
    }
    assert_eq!(daemon.get("/drafts"), before);
}

/// What an honest user does, each within a few seconds, while `what` goes on.
#[track_caller]
fn works(daemon: &Daemon, what: &str) {
    let began = Instant::now();
    assert_eq!(daemon.try_get("/state").0, 200, "{what}");
    let (status, page) = raw(daemon, &request(daemon, "GET", "/", ""));
    assert!(status == 200 && page.to_lowercase().contains("<!doctype html>"), "{what}: {status}");
    let (status, _) = daemon.request("POST", "/login", &[("Authorization", "")], b"{\"secret\":\"guess\"}");
    assert!(matches!(status, 401 | 429), "{what}: {status}");
    assert!(began.elapsed() < Duration::from_secs(8), "{what}: {:?}", began.elapsed());
}

#[test]
fn half_sent_requests_hold_nobody_up() {
    let daemon = Daemon::start(CONFIG);
    let host = address(&daemon);
    let token = &daemon.token;
    // An identified listener that was there before keeps its connection.
    let mut listener = connect(&daemon);
    let listen =
        format!("GET /api/v1/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
    listener.write_all(listen.as_bytes()).expect("written");
    let mut first = [0; 512];
    assert!(listener.read(&mut first).expect("the stream begins") > 0);
    let half = [
        format!("POST /api/v1/login HTTP/1.1\r\nHost: {host}\r\nContent-Length: 900\r\n\r\n{{\"secret\""),
        format!(
            "POST /api/v1/login HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{{\"sec\r\n"
        ),
        format!("POST /api/v1/calls HTTP/1.1\r\nHost: {host}\r\nContent-Length: 900\r\n\r\n{{"),
        format!("GET /api/v1/state HTTP/1.1\r\nHost: {host}\r\nX-Slow: "),
        String::new(),
    ];
    let many = if is_long() { 800 } else { 400 };
    let mut slow: Vec<TcpStream> = Vec::new();
    for n in 0..many {
        let mut stream = connect(&daemon);
        let _ = stream.write_all(half[n % half.len()].as_bytes());
        slow.push(stream);
        if n % 100 == 99 {
            works(&daemon, &format!("{} half-sent requests", n + 1));
        }
    }
    // They go on, an octet now and then.
    let until = Instant::now() + Duration::from_secs(if is_long() { 60 } else { 13 });
    while Instant::now() < until {
        for stream in &mut slow {
            let _ = stream.write_all(b"x");
        }
        works(&daemon, "half-sent requests that go on");
        std::thread::sleep(Duration::from_millis(1500));
    }
    // By now every body was given up, with a word about it or without.
    let mut open = 0;
    for stream in &mut slow[..many / 2] {
        stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => open += 1,
            _ => {}
        }
    }
    assert_eq!(open, 0, "of {} half-sent requests so many are still open", many / 2);
    daemon.post("/tokens", json!({ "name": "x", "scope": "read" }));
    daemon.put_config(&ringtrip_testkit::live::filled(CONFIG, daemon.sip), "*");
    listener.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    assert!(listener.read(&mut first).expect("the listener is still connected") > 0);
}

#[test]
fn one_slow_body_is_told_so() {
    let daemon = Daemon::start(CONFIG);
    let headers = format!("Authorization: Bearer {}\r\nIf-Match: *\r\nContent-Length: 900\r\n", daemon.token);
    let mut octets = request(&daemon, "PUT", "/api/v1/config", &headers);
    octets.extend_from_slice(b"region = ");
    let began = Instant::now();
    let (status, body) = raw(&daemon, &octets);
    assert_eq!(status, 408, "{body}");
    assert!(body.contains("body-timeout"), "{body}");
    assert!((9..14).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[test]
fn a_revoked_tokens_stream_ends() {
    let daemon = Daemon::start(CONFIG);
    let made = daemon.post("/tokens", json!({ "name": "wall", "scope": "read" }));
    let (id, token) = (made["id"].as_str().expect("an id"), made["token"].as_str().expect("a token"));
    let mut stream = connect(&daemon);
    let headers = format!("Authorization: Bearer {token}\r\n");
    stream.write_all(&request(&daemon, "GET", "/api/v1/events", &headers)).expect("written");
    let mut octets = [0; 4096];
    assert!(stream.read(&mut octets).expect("the stream begins") > 0);
    assert_eq!(daemon.request("DELETE", &format!("/tokens/{id}"), &[], b"").0, 204);
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the stream ends");
    // One token that listens too often does not shut the others out.
    let greedy = daemon.post("/tokens", json!({ "name": "greedy", "scope": "read" }));
    let headers = format!("Authorization: Bearer {}\r\n", greedy["token"].as_str().expect("a token"));
    let streams: Vec<(u16, TcpStream)> = (0..60)
        .map(|_| {
            let mut stream = connect(&daemon);
            stream.write_all(&request(&daemon, "GET", "/api/v1/events", &headers)).expect("written");
            let n = stream.read(&mut octets).expect("an answer");
            let status = String::from_utf8_lossy(&octets[..n]).split(' ').nth(1).map(str::to_owned);
            (status.and_then(|s| s.parse().ok()).unwrap_or(0), stream)
        })
        .collect();
    let taken = streams.iter().filter(|(status, _)| *status == 200).count();
    assert_eq!(taken, 32);
    assert!(streams.iter().all(|(status, _)| matches!(status, 200 | 503)));
    let mut ours = connect(&daemon);
    let headers = format!("Authorization: Bearer {}\r\n", daemon.token);
    ours.write_all(&request(&daemon, "GET", "/api/v1/events", &headers)).expect("written");
    let n = ours.read(&mut octets).expect("an answer");
    assert!(String::from_utf8_lossy(&octets[..n]).contains(" 200 "));
}

fn open_to_others(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("the folder").flatten() {
        let (path, meta) = (entry.path(), entry.metadata().expect("its modes"));
        if meta.permissions().mode() & 0o077 != 0 {
            found.push(format!("{} {:o}", path.display(), meta.permissions().mode() & 0o777));
        }
        if meta.is_dir() {
            open_to_others(&path, found);
        }
    }
}

#[test]
fn nobody_else_on_the_machine_reads_the_data() {
    let mut daemon = Daemon::start(CONFIG);
    daemon.post("/tokens", json!({ "name": "x", "scope": "read" }));
    daemon.post("/drafts", json!({ "name": "night" }));
    let data = daemon.dir.path().join("data");
    let mut found = Vec::new();
    open_to_others(&data, &mut found);
    assert_eq!(found, Vec::<String>::new());
    // What an earlier version left open is closed at the next start.
    daemon.kill();
    let open = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
    };
    open(&data, 0o755);
    for entry in std::fs::read_dir(&data).expect("the folder").flatten() {
        open(&entry.path(), if entry.path().is_dir() { 0o755 } else { 0o644 });
    }
    daemon.restart();
    let mut found = Vec::new();
    open_to_others(daemon.dir.path().join("data").as_path(), &mut found);
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(std::fs::metadata(&data).expect("the folder").permissions().mode() & 0o777, 0o700);
}

#[test]
fn raw_samples_of_a_telephone_are_what_was_heard() {
    let daemon =
        Daemon::start(&CONFIG.replace("[sip]", "[line.fxs1]\nkind = \"fxs\"\nport = \"virtual:0\"\n[sip]"));
    daemon.sim("lift", json!({ "port": 0 }));
    std::thread::sleep(Duration::from_millis(700));
    let heard = daemon.get_bytes("/sim/virtual/listen?port=0&max_ms=400&format=raw");
    let samples: Vec<i16> = heard.chunks_exact(2).map(|c| i16::from_le_bytes([c[0], c[1]])).collect();
    // 8000 samples a second, and dial tone in them; a text in their place would be full of U+FFFD.
    assert!((800..=3200).contains(&samples.len()), "{}", samples.len());
    assert!(!heard.windows(3).any(|w| w == "\u{fffd}".as_bytes()), "the sound was taken for a text");
    let loudest = samples.iter().map(|s| i32::from(*s).abs()).max().unwrap_or(0);
    assert!((500..20_000).contains(&loudest), "{loudest}");
    let state: Value = daemon.get("/sim/virtual/state?port=0");
    assert!(state.is_object(), "{state}");
}
