//! Rate decks and plugins in a draft: asked, compared and replayed before they are active, activated and taken back
//! together, or not at all.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::fs;
use std::time::Duration;

use ringtrip_testkit::live::{Daemon, wait};
use ringtrip_testkit::publisher::{Publisher, ready};
use serde_json::{Value, json};

/// Calls to the outside go by the cheaper provider.
const HOUSE: &str = r#"
region = "uk"
default_plan = "home"
script = "scripts/default.rhai"
[plans]
home = "(1xx|999S0<:@gw1>|112S0<:@gw1>|0xx.<:@gw1>)"
[extension.101]
line = "fxs1"
[line.fxs1]
kind = "fxs"
port = "virtual:0"
[gateway.gw1]
server = "127.0.0.1:9"
user = "acct"
register = false
options_interval = "off"
inbound = { number = "101" }
[gateway.gw2]
server = "127.0.0.2:9"
user = "acct"
register = false
options_interval = "off"
[emergency]
providers = ["gw1"]
[plugins]
trust = [TRUST]
[sip]
listen = ["udp:127.0.0.1:SIP_PORT", "tcp:127.0.0.1:SIP_PORT"]
"#;
const SCRIPT: &str = r#"
fn route(c) {
    if ["999", "112", "911"].contains(c.number) { return pass(); }
    if c.outside { cheapest(2) } else { pass() }
}
"#;
const NUMBER: &str = "01480123456";
const QUIET: &str = "policy-quiet-hours";

fn deck(per_minute: &str) -> String {
    format!("prefix,destination,rate\n44,United Kingdom,{per_minute}\n33,France,9.99\n")
}

/// The exchange with prices: gw1 is cheaper.
fn testbed(trust: &str) -> Daemon {
    let daemon = Daemon::start(&HOUSE.replace("TRUST", trust));
    let (status, said) =
        daemon.request("PUT", "/scripts/default.rhai", &[("If-Match", "*")], SCRIPT.as_bytes());
    assert!(status < 300, "{said}");
    for (gateway, price) in [("gw1", "0.02"), ("gw2", "0.05")] {
        let path = format!("/rates/import?gateway={gateway}&confirm=true");
        let (status, said) = daemon.send("POST", &path, "text/csv", deck(price).as_bytes());
        assert_eq!(status, 200, "{said}");
    }
    ready(&daemon);
    daemon
}

/// The provider that is tried first, by what is active or by a draft.
#[track_caller]
fn first(daemon: &Daemon, draft: Option<&str>) -> String {
    let answer = daemon.post("/routes/explain", json!({ "number": NUMBER, "from": "101", "draft": draft }));
    answer["stages"][0]["targets"][0]["target"].as_str().unwrap_or_else(|| panic!("{answer:#}")).to_owned()
}

/// Does a call from outside come in at two in the morning?
fn at_night(daemon: &Daemon, draft: Option<&str>) -> String {
    let ask = json!({ "number": "101", "from": "gw1", "at": "2026-12-24T02:00", "draft": draft });
    daemon.post("/routes/explain", ask)["verdict"].as_str().unwrap_or_default().to_owned()
}

/// Changes a part of a draft at the revision that it is at.
fn change(daemon: &Daemon, method: &str, path: &str, body: &[u8]) -> (u16, String) {
    let draft = path.split('/').nth(2).expect("a draft");
    let revision = format!("\"{}\"", daemon.get(&format!("/drafts/{draft}"))["revision"]);
    let kind = if method == "PATCH" { "application/json" } else { "application/octet-stream" };
    daemon.request(method, path, &[("If-Match", &revision), ("Content-Type", kind)], body)
}

#[track_caller]
fn changed(daemon: &Daemon, method: &str, path: &str, body: &[u8]) -> Value {
    let (status, said) = change(daemon, method, path, body);
    assert_eq!(status, 200, "{path}: {said}");
    serde_json::from_str(&said).expect("JSON")
}

fn act(daemon: &Daemon, draft: &str, what: &str) -> (u16, String) {
    daemon.request("POST", &format!("/drafts/{draft}/{what}"), &[], b"")
}

/// All that an activation may change, but for the number of the version.
fn state(daemon: &Daemon) -> [Value; 3] {
    let decks = daemon.get_bytes("/rates/decks/gw2");
    [
        daemon.get("/config?secrets=true")["text"].clone(),
        json!(String::from_utf8_lossy(&decks)),
        daemon.get("/plugins"),
    ]
}

/// A call to the provider that nobody answers in time, for the replay.
fn one_call(daemon: &Daemon) {
    daemon.sim("lift", json!({ "port": 0 }));
    daemon.line_is("fxs1", "dialling", Duration::from_secs(10));
    daemon.sim("press", json!({ "port": 0, "keys": NUMBER }));
    wait("the call", Duration::from_secs(30), || {
        daemon.get("/calls").as_array().filter(|calls| !calls.is_empty()).map(drop)
    });
    daemon.sim("hangup", json!({ "port": 0 }));
    wait("a closed record", Duration::from_secs(60), || {
        let page = daemon.get("/cdrs?limit=5&open=false");
        page["cdrs"].as_array()?.iter().find(|c| c["dialled"] == NUMBER).cloned()
    });
}

#[test]
#[cfg_attr(not(has_plugins), ignore = "needs the plugins (`cargo xtask plugins`)")]
fn a_deck_and_a_plugin_come_and_go_with_their_draft() {
    let Some(publisher) = Publisher::new(QUIET) else { return };
    let mut daemon = testbed(&format!("{:?}", publisher.key));
    one_call(&daemon);
    let before = state(&daemon);
    daemon.post("/drafts", json!({ "name": "spring", "note": "gw2 is cheaper now" }));
    let put = changed(&daemon, "PUT", "/drafts/spring/decks/gw2?gateway=gw2", deck("0.01").as_bytes());
    assert_eq!(
        (put["import"]["changed"]["count"].as_u64(), put["decks"][0].as_str()),
        (Some(1), Some("gw2"))
    );
    let package = publisher.pack(QUIET, "0.1.0");
    let put = changed(&daemon, "PUT", &format!("/drafts/spring/plugins/{QUIET}"), &package);
    assert_eq!(put["plugins"][0], QUIET);
    let settings = json!({ "settings": { "from": "01:00", "to": "03:00" } }).to_string();
    changed(&daemon, "PATCH", &format!("/drafts/spring/plugins/{QUIET}"), settings.as_bytes());

    // In a dry run it is so already; nothing is active.
    let paper = |daemon: &Daemon| [first(daemon, Some("spring")), at_night(daemon, Some("spring"))];
    let live = |daemon: &Daemon| [first(daemon, None), at_night(daemon, None)];
    assert_eq!(paper(&daemon), ["gw2", "refuse"]);
    assert_eq!(live(&daemon), ["gw1", "stages"]);
    assert_eq!(state(&daemon), before);

    let diff = daemon.get("/drafts/spring/diff");
    let part = |what: &str| {
        let all = diff.as_array().expect("a list");
        all.iter().find(|d| d["what"] == what).unwrap_or_else(|| panic!("{what}: {diff:#}")).to_string()
    };
    assert!(part("deck gw2").contains("1 changed") && part("deck gw2").contains("0.01"), "{diff:#}");
    let quiet = part(&format!("plugin {QUIET}"));
    assert!(quiet.contains("it is installed") && quiet.contains("from = 01:00"), "{diff:#}");

    let replayed = daemon.post("/drafts/spring/replay", json!({ "days": 1 }));
    assert_eq!(replayed["changed"], 1, "{replayed:#}");
    let call = &replayed["list"][0];
    let goes = |when: &str| call[when].as_str().unwrap_or_default().to_owned();
    assert!(goes("before").starts_with("gw1") && goes("after").starts_with("gw2"), "{replayed:#}");

    let (status, said) = act(&daemon, "spring", "activate");
    assert_eq!(status, 200, "{said}");
    assert!(said.contains("\"decks\":[\"gw2\"]") && said.contains(QUIET), "{said}");
    assert_eq!(live(&daemon), ["gw2", "refuse"]);
    assert_eq!(daemon.get("/plugins")[0]["state"], "running");

    // It is active after a restart too, and can still be taken back.
    daemon.kill_and_restart();
    ready(&daemon);
    assert_eq!(live(&daemon), ["gw2", "refuse"]);
    let (status, said) = act(&daemon, "spring", "undo");
    assert_eq!(status, 200, "{said}");
    assert_eq!(live(&daemon), ["gw1", "stages"]);
    assert_eq!(state(&daemon), before);
}

#[test]
#[cfg_attr(not(has_plugins), ignore = "needs the plugins (`cargo xtask plugins`)")]
fn what_a_draft_cannot_hold_changes_nothing() {
    let Some(publisher) = Publisher::new(QUIET) else { return };
    let daemon = testbed("");
    daemon.post("/drafts", json!({ "name": "d" }));
    let before = state(&daemon);
    let package = publisher.pack(QUIET, "0.1.0");
    let plugin = format!("/drafts/d/plugins/{QUIET}");
    let bad = b"prefix,destination,rate\n44,United Kingdom,cheap\n";
    for (method, path, body, status, word) in [
        ("PUT", "/drafts/d/decks/gw2", &bad[..], 422, "bad-rows"),
        ("PUT", "/drafts/d/decks/gw2", &b"hello"[..], 422, "no-price-list"),
        ("PUT", "/drafts/d/decks/..%2Fx", deck("1").as_bytes(), 400, "an escaped slash"),
        ("PUT", "/drafts/d/decks/-x", deck("1").as_bytes(), 400, "a deck's name"),
        ("PUT", "/drafts/d/decks/gw2?gateway=gw9", deck("1").as_bytes(), 404, "gw9"),
        ("DELETE", "/drafts/d/decks/none", b"", 404, "rate deck"),
        ("DELETE", "/drafts/d/decks/gw2?forget=true", b"", 404, "rate deck"),
        ("PUT", plugin.as_str(), &package[..], 403, "plugin-publisher-unknown"),
        ("PUT", plugin.as_str(), b"nonsense", 422, "plugin-broken"),
        ("PATCH", plugin.as_str(), b"{\"enabled\":true}", 404, "no plugin"),
        ("DELETE", plugin.as_str(), b"", 404, "no plugin"),
    ] {
        let (got, said) = change(&daemon, method, path, body);
        assert!(got == status && said.contains(word), "{method} {path}: {got} {said}");
        assert_eq!(daemon.get("/drafts/d")["revision"], 1, "{method} {path}");
    }
    let (status, said) = daemon.request("PUT", "/drafts/d/decks/gw2", &[], deck("1").as_bytes());
    assert!(status == 428 && said.contains("If-Match"), "{status} {said}");
    let (status, said) =
        daemon.request("PUT", "/drafts/d/decks/gw2", &[("If-Match", "\"7\"")], deck("1").as_bytes());
    assert!(status == 412 && said.contains("revision 1"), "{status} {said}");
    assert_eq!(state(&daemon), before);
}

#[test]
fn a_deck_that_somebody_else_changed_is_not_lost() {
    let daemon = testbed("");
    daemon.post("/drafts", json!({ "name": "d" }));
    changed(&daemon, "PUT", "/drafts/d/decks/gw2?gateway=gw2", deck("0.01").as_bytes());
    let import = |price: &str| {
        let (status, said) =
            daemon.send("POST", "/rates/import?gateway=gw2&confirm=true", "text/csv", deck(price).as_bytes());
        assert_eq!(status, 200, "{said}");
    };
    import("0.04");
    assert_eq!(daemon.get("/drafts/d")["stale"], true);
    let (status, said) = act(&daemon, "d", "activate");
    assert!(status == 412 && said.contains("rebase"), "{status} {said}");
    daemon.post("/drafts/d/rebase", json!({}));
    assert_eq!(act(&daemon, "d", "activate").0, 200);
    assert_eq!(first(&daemon, None), "gw2");
    import("0.03");
    let (status, said) = act(&daemon, "d", "undo");
    assert!(status == 412 && said.contains("deck gw2 was changed after"), "{status} {said}");
    import("0.01");
    assert_eq!(act(&daemon, "d", "undo").0, 200);
    assert_eq!(
        state(&daemon)[1].as_str().map(|csv| csv.contains("0.04")),
        Some(true),
        "{:?}",
        state(&daemon)
    );
}

#[test]
fn a_removed_deck_comes_back_with_an_undoing() {
    let daemon = testbed("");
    let before = state(&daemon);
    daemon.post("/drafts", json!({ "name": "d" }));
    changed(&daemon, "DELETE", "/drafts/d/decks/gw1", b"");
    assert_eq!(daemon.get("/drafts/d")["removes"][0], "deck gw1");
    assert_eq!(first(&daemon, Some("d")), "gw2", "gw1 has no price by the draft");
    // It is forgotten, and removed all the same at a second thought.
    let forgotten = changed(&daemon, "DELETE", "/drafts/d/decks/gw1?forget=true", b"");
    assert_eq!(
        (forgotten["removes"].to_string(), first(&daemon, Some("d"))),
        ("[]".to_owned(), "gw1".to_owned())
    );
    changed(&daemon, "DELETE", "/drafts/d/decks/gw1", b"");
    assert_eq!(act(&daemon, "d", "activate").0, 200);
    assert_eq!(daemon.try_get("/rates/decks/gw1").0, 404);
    assert_eq!(act(&daemon, "d", "undo").0, 200);
    assert_eq!((state(&daemon), first(&daemon, None)), (before, "gw1".to_owned()));
}

#[test]
#[cfg_attr(not(has_plugins), ignore = "needs the plugins (`cargo xtask plugins`)")]
fn where_the_disk_refuses_one_part_all_stays() {
    let Some(publisher) = Publisher::new(QUIET) else { return };
    let daemon = testbed(&format!("{:?}", publisher.key));
    let before = state(&daemon);
    daemon.post("/drafts", json!({ "name": "d" }));
    changed(&daemon, "PUT", "/drafts/d/decks/gw2?gateway=gw2", deck("0.01").as_bytes());
    changed(&daemon, "PUT", &format!("/drafts/d/plugins/{QUIET}"), &publisher.pack(QUIET, "0.1.0"));
    // Where the deck's file would be written, something else lies.
    let wall = daemon.dir.path().join("data/rates/.gw2.new");
    fs::create_dir_all(wall.join("x")).expect("a folder");
    let (status, said) = act(&daemon, "d", "activate");
    assert!(status == 500 && said.contains("cannot be written"), "{status} {said}");
    assert_eq!((state(&daemon), daemon.get("/drafts/d")["phase"].clone()), (before.clone(), json!("open")));
    // Where the scripts would be written: decks and plugins were exchanged already, and come back.
    fs::remove_dir_all(&wall).expect("removed");
    changed(&daemon, "PUT", "/drafts/d/scripts/default.rhai", b"fn route(c) { pass() } // other");
    let file = daemon.dir.path().join("data/scripts/default.rhai.new");
    let blocked = fs::create_dir_all(file.join("x")).is_ok();
    let (status, said) = act(&daemon, "d", "activate");
    assert!(blocked && status == 500, "{status} {said}");
    assert_eq!((state(&daemon), first(&daemon, None)), (before, "gw1".to_owned()));
    fs::remove_dir_all(&file).expect("removed");
    let (status, said) = act(&daemon, "d", "activate");
    assert_eq!(status, 200, "{said}");
    assert_eq!(daemon.get("/plugins")[0]["name"], QUIET);
}
