//! Drafts, live: the page of the book is walked command by command, over the command line and over HTTP; what must not
//! become active is refused, and nothing changes.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use ringtrip_testkit::live::{Daemon, has, programs, wait};
use serde_json::{Value, json};

/// The exchange of the page.
const HOUSE: &str = r#"
region = "uk"
default_plan = "home"
script = "scripts/default.rhai"
[plans]
home = "(1xx|2xx|999S0<:@gw1>|112S0<:@gw1>|0xx.<:@gw1>)"
[extension.101]
line = "fxs1"
[extension.102]
line = "fxs2"
[extension.201]
password = "pw-201-phones"
[line.fxs1]
kind = "fxs"
port = "virtual:0"
[line.fxs2]
kind = "fxs"
port = "virtual:1"
[gateway.gw1]
server = "127.0.0.1:9"
user = "acct"
register = false
[gateway.gw2]
server = "127.0.0.2:9"
user = "acct"
register = false
[emergency]
providers = ["gw1"]
[sip]
listen = ["udp:127.0.0.1:SIP_PORT", "tcp:127.0.0.1:SIP_PORT"]
"#;

fn page() -> String {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/drafts.md");
    fs::read_to_string(book).expect("the page is there")
}

/// The fenced blocks with this information string.
fn blocks(info: &str) -> Vec<String> {
    let page = page();
    let mut out = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.strip_prefix("```") == Some(info) {
            out.push(lines.by_ref().take_while(|l| *l != "```").map(|l| format!("{l}\n")).collect());
        }
    }
    out
}

/// A folder with the files of the page.
fn files_of_page() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let script = blocks("rhai,default.rhai").pop().expect("the page has a script");
    fs::write(dir.path().join("default.rhai"), script).expect("the folder can be written");
    let prices = blocks("csv,gw2.csv").pop().expect("the page has a price list");
    fs::write(dir.path().join("gw2.csv"), prices).expect("the folder can be written");
    dir
}

fn shell(daemon: &Daemon, dir: &Path, line: &str) -> Output {
    let data = daemon.dir.path().join("data");
    let path = format!("{}:{}", programs().display(), std::env::var("PATH").unwrap_or_default());
    Command::new("sh")
        .args(["-c", line])
        .current_dir(dir)
        .env("PATH", path)
        .env("RINGTRIP_DATA", data)
        .env("URL", &daemon.url)
        .env("TOKEN", &daemon.token)
        .output()
        .expect("sh runs")
}

fn words(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// What would happen at this hour, by what is active.
fn verdict(daemon: &Daemon, hour: u8) -> String {
    let at = format!("2026-12-24T{hour:02}:00");
    let answer = daemon.post("/routes/explain", json!({ "number": "01480123456", "from": "101", "at": at }));
    answer["verdict"].as_str().unwrap_or_default().to_owned()
}

/// All that an activation may change.
fn state(daemon: &Daemon) -> (Value, Value) {
    (daemon.get("/config?secrets=true")["text"].clone(), daemon.get("/scripts/default.rhai")["text"].clone())
}

/// A telephone dials the provider once, so that there is a call to replay.
fn one_call(daemon: &Daemon) {
    daemon.sim("lift", json!({ "port": 0 }));
    daemon.line_is("fxs1", "dialling", Duration::from_secs(10));
    daemon.sim("press", json!({ "port": 0, "keys": "01480123456" }));
    wait("a closed record", Duration::from_secs(40), || {
        let page = daemon.get("/cdrs?limit=5&open=false");
        page["cdrs"].as_array()?.iter().find(|c| c["dialled"] == "01480123456").cloned()
    });
    daemon.sim("hangup", json!({ "port": 0 }));
}

#[test]
fn the_page_is_walked_over_the_command_line() {
    let daemon = Daemon::start(HOUSE);
    let before = state(&daemon);
    one_call(&daemon);
    let dir = files_of_page();
    let mut walked = 0;
    let mut explained = Vec::new();
    for line in blocks("console,walk").iter().flat_map(|b| b.lines()).filter_map(|l| l.strip_prefix("$ ")) {
        let out = shell(&daemon, dir.path(), line);
        let said = words(&out);
        // A question may be answered with no.
        let is_question = line.contains(" route explain ");
        assert!(out.status.success() || is_question && out.status.code() == Some(1), "{line}: {said}");
        if is_question {
            explained.push(out.status.success());
        }
        if line.contains("draft replay") {
            assert!(said.starts_with("1 calls: "), "{said}");
        }
        if line.contains("draft activate night") {
            assert_eq!(
                (verdict(&daemon, 2), verdict(&daemon, 14)),
                ("refuse".to_owned(), "stages".to_owned())
            );
            assert_ne!(state(&daemon), before);
        }
        if line.contains("rates list") {
            assert!(said.contains("gw2"), "{said}");
        }
        if line.contains("draft undo") {
            assert_eq!(verdict(&daemon, 2), "stages");
            assert_eq!(state(&daemon), before, "both are as they were");
            assert_eq!(daemon.get("/rates").to_string(), "[]", "no deck either");
        }
        walked += 1;
    }
    assert!(walked >= 15, "{walked} commands");
    // By the draft at night and by day, active at night, after its undoing, with a dead gateway, and 999.
    assert_eq!(explained, [false, true, false, true, true, true]);
}

#[test]
#[cfg_attr(not(has_curl), ignore = "needs curl")]
fn the_page_is_walked_over_http() {
    if !has("curl") {
        return;
    }
    let daemon = Daemon::start(HOUSE);
    let before = state(&daemon);
    let dir = files_of_page();
    let mut walked = 0;
    for line in blocks("sh,walk").iter().flat_map(|b| b.lines()) {
        let out = shell(&daemon, dir.path(), line);
        assert!(out.status.success(), "{line}: {}", words(&out));
        if line.contains("/activate") {
            assert_eq!(verdict(&daemon, 2), "refuse");
        }
        walked += 1;
    }
    assert_eq!(walked, 9);
    assert_eq!(verdict(&daemon, 2), "stages");
    assert_eq!(state(&daemon), before);
}

/// A draft of what is active with one text changed.
fn draft(daemon: &Daemon, name: &str, part: &str, text: &str) {
    daemon.post("/drafts", json!({ "name": name }));
    let (status, body) =
        daemon.request("PUT", &format!("/drafts/{name}/{part}"), &[("If-Match", "\"1\"")], text.as_bytes());
    assert_eq!(status, 200, "{body}");
}

#[test]
fn what_would_touch_an_emergency_call_is_refused_and_nothing_changes() {
    let daemon = Daemon::start(HOUSE);
    let before = state(&daemon);
    let document = before.0.as_str().expect("a text").to_owned();
    let script = |body: &str| format!("fn route(c) {{ {body} }}");
    let plan = |plan: &str| document.replace("(1xx|2xx|", &format!("({plan}1xx|2xx|"));
    let cases = [
        (
            "block",
            "scripts/default.rhai",
            script("if c.number == \"112\" { return block(\"no\"); } pass()"),
            "112",
        ),
        ("all", "scripts/default.rhai", script("block(\"no\")"), "999"),
        ("loop", "scripts/default.rhai", script("loop { }"), "fails"),
        ("bomb", "scripts/default.rhai", script("let s = \"x\"; loop { s += s; }"), "fails"),
        ("syntax", "scripts/default.rhai", "fn route(c) { let = 3; }".to_owned(), "default.rhai"),
        ("bar", "config", plan("112!|"), "bars 112"),
        ("rewrite", "config", document.replace("999S0<", "<999:0123>S0<"), "makes 0123 of 999"),
        ("pause", "config", plan("112P3|"), "delays 112"),
        ("longer", "config", plan("999xx|"), "delays 999"),
        ("shadowed", "config", plan("0123|0xx.<:@gw2>|"), "can never win"),
        ("toml", "config", "nonsense".to_owned(), "document"),
    ];
    for (name, part, text, words) in cases {
        draft(&daemon, name, part, &text);
        let (status, body) = daemon.request("POST", &format!("/drafts/{name}/activate"), &[], b"");
        assert_eq!(status, 422, "{name}: {body}");
        assert!(body.contains(words), "{name}: {body}");
        assert_eq!(state(&daemon), before, "{name}");
    }
    // The same at the other doors.
    for (what, text) in [("loop", script("loop { }")), ("block", script("block(\"no\")"))] {
        let (status, body) = daemon.send("PUT", "/scripts/default.rhai", "text/plain", text.as_bytes());
        assert_eq!(status, 422, "{what}: {body}");
    }
    let (status, body) = daemon.put_config(&plan("112!|"), "*");
    assert!(status == 422 && body.contains("bars 112") && body.contains("\"line\":6"), "{status} {body}");
    assert_eq!(state(&daemon), before);
    assert_eq!(
        daemon.post("/routes/explain", json!({ "number": "112", "from": "101" }))["verdict"],
        "emergency"
    );
}

#[test]
fn two_people_do_not_overwrite_each_other() {
    let daemon = Daemon::start(HOUSE);
    let pass = "fn route(c) { pass() } // changed";
    draft(&daemon, "one", "scripts/default.rhai", pass);
    draft(&daemon, "two", "scripts/default.rhai", pass);
    let put = |revision: &str| {
        let path = "/drafts/one/scripts/default.rhai";
        daemon.request("PUT", path, &[("If-Match", revision)], pass.as_bytes()).0
    };
    assert_eq!(put("\"1\""), 412);
    assert_eq!(put("\"2\""), 200);
    let activate = |name: &str| daemon.request("POST", &format!("/drafts/{name}/activate"), &[], b"");
    assert_eq!(activate("one").0, 200);
    let (status, body) = activate("two");
    assert!(status == 412 && body.contains("rebase"), "{status} {body}");
    daemon.post("/drafts/two/rebase", json!({}));
    assert_eq!(activate("two").0, 200);
    // The first cannot be taken back under the second.
    assert_eq!(daemon.request("POST", "/drafts/one/undo", &[], b"").0, 412);
    assert_eq!(daemon.request("POST", "/drafts/two/undo", &[], b"").0, 200);
}

#[test]
fn a_saved_script_is_in_force_and_a_broken_one_is_not() {
    let daemon = Daemon::start(HOUSE);
    let file: PathBuf = daemon.dir.path().join("data/scripts/default.rhai");
    let night = blocks("rhai,default.rhai").pop().expect("the page has a script");
    fs::write(&file, &night).expect("the file can be written");
    wait("the saved script", Duration::from_secs(20), || (verdict(&daemon, 2) == "refuse").then_some(()));
    fs::write(&file, "fn route(c) { let = 3; }").expect("the file can be written");
    wait("the refusal", Duration::from_secs(20), || daemon.log().contains("script.refused").then_some(()));
    assert_eq!(verdict(&daemon, 2), "refuse");
    assert_eq!(daemon.get("/scripts/default.rhai")["text"], night);
}

#[test]
fn drafts_and_their_canary_survive_a_kill() {
    let mut daemon = Daemon::start(HOUSE);
    draft(&daemon, "night", "scripts/default.rhai", "fn route(c) { pass() } // a draft");
    let canary = daemon.post("/drafts/night/canary", json!({ "extension": "201" }));
    assert_eq!(
        (canary["share"].as_str(), canary["returned"].is_null()),
        (Some("extension 201"), true),
        "{canary}"
    );
    daemon.kill_and_restart();
    let kept = daemon.get("/drafts/night");
    assert_eq!(kept["script_texts"]["default.rhai"], "fn route(c) { pass() } // a draft");
    let resumed = wait("the canary", Duration::from_secs(20), || {
        let (status, body) = daemon.try_get("/drafts/night/canary");
        (status == 200).then_some(body)
    });
    assert!(resumed.contains("extension 201"), "{resumed}");
    // A change beyond routes calls it back, and no start takes it up again.
    let text = daemon.get("/config?secrets=true")["text"].as_str().expect("a text").to_owned();
    let (status, said) = daemon.put_config(&text.replace("acct", "account"), "*");
    assert_eq!(status, 200, "{said}");
    let canary = wait("the call-back", Duration::from_secs(20), || {
        let canary = daemon.get("/drafts/night/canary");
        canary["returned"].is_string().then_some(canary)
    });
    assert!(canary["returned"].to_string().contains("providers changed"), "{canary}");
    wait("the canary to be forgotten", Duration::from_secs(20), || {
        daemon.get("/drafts/night")["canary"].is_null().then_some(())
    });
    daemon.kill_and_restart();
    assert_eq!(daemon.try_get("/drafts/night/canary").0, 404);
}

#[test]
fn a_draft_in_force_is_not_forgotten_by_mistake() {
    let daemon = Daemon::start(HOUSE);
    draft(&daemon, "one", "scripts/default.rhai", "fn route(c) { pass() } // changed");
    let ask = |method: &str, path: &str, body: &[u8]| daemon.request(method, path, &[], body);
    for days in ["0", "4294967295"] {
        let body = format!("{{\"days\":{days}}}");
        let headers = [("Content-Type", "application/json")];
        let (status, said) = daemon.request("POST", "/drafts/one/replay", &headers, body.as_bytes());
        assert!(status == 400 && said.contains("1 to 3650"), "{status} {said}");
    }
    assert_eq!(ask("POST", "/drafts/one/activate", b"").0, 200);
    let (status, said) = ask("DELETE", "/drafts/one", b"");
    assert!(status == 409 && said.contains("undo it first"), "{status} {said}");
    assert_eq!(ask("POST", "/drafts/one/undo", b"").0, 200);
    assert_eq!(ask("DELETE", "/drafts/one", b"").0, 204);
    // A password is a change, though nobody may read it; and a script that nothing asks decides nothing.
    let text = daemon.get("/config?secrets=true")["text"].as_str().expect("a text").to_owned();
    draft(&daemon, "two", "config", &text.replace("pw-201-phones", "pw-201-others"));
    let diff = daemon.get("/drafts/two/diff").to_string();
    assert!(diff.contains("a password differs") && !diff.contains("pw-201"), "{diff}");
    let (status, said) = daemon.request(
        "PUT",
        "/drafts/two/scripts/other.rhai",
        &[("If-Match", "*")],
        b"fn route(c) { pass() }",
    );
    assert_eq!(status, 200, "{said}");
    let checks = daemon.post("/drafts/two/check", json!({}));
    assert!(checks["ok"] == true && checks.to_string().contains("nothing asks this script"), "{checks}");
    let forced = |name: &str| ask("DELETE", &format!("/drafts/{name}?force=true"), b"").0;
    assert_eq!(ask("POST", "/drafts/two/activate", b"").0, 200);
    assert_eq!(forced("two"), 204);
}
