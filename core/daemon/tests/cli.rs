//! The command line as people and scripts see it: output and exit codes.
#![allow(clippy::disallowed_methods)]

use std::process::{Command, Output};

fn ringtrip(args: &[&str]) -> Output {
    let empty = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringtrip"));
    command
        .args(args)
        .env("RINGTRIP_DATA", empty.path())
        .env_remove("RINGTRIP_URL")
        .env_remove("RINGTRIP_TOKEN");
    command.output().unwrap()
}

/// Runs it and compares exit code and output; `expected` is standard output if that says anything, else the
/// beginning of standard error.
#[track_caller]
fn check(args: &[&str], code: i32, expected: &str) {
    let output = ringtrip(args);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}{err}");
    let right = if out.is_empty() { err.contains(expected) } else { out.contains(expected) };
    assert!(right, "{args:?}: expected {expected:?}\n{out}{err}");
}

/// A failed start prints a sentence; a stack trace is of no use to an operator.
#[test]
fn an_error_is_one_sentence_without_a_stack_trace() {
    #[track_caller]
    fn check(args: &[&str], expected: &str) {
        let data = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringtrip"));
        command.arg("--data").arg(data.path()).args(args).env("RUST_LOG", "off");
        command.env("RUST_BACKTRACE", "full").env("RUST_LIB_BACKTRACE", "1");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{args:?}");
        assert_eq!(said.lines().count(), 1, "{args:?}: {said}");
        assert!(said.starts_with("ringtrip: ") && said.contains(expected), "{args:?}: {said}");
    }
    check(&["serve", "--config", "/nowhere/ringtrip.toml"], "/nowhere/ringtrip.toml");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    check(&["serve", "--http", &address, "--sip", "127.0.0.1:0"], &format!("cannot listen on {address}"));
    check(&["serve", "--sip", &address, "--http", "127.0.0.1:0"], &format!("cannot listen on TCP {address}"));
    check(&["config", "show"], "no exchange");
}

#[test]
fn plans_are_tried() {
    check(
        &["dialplan", "try", "(xx.)", "123", "--json"],
        0,
        r#"{"result":"SEND","number":"123","route":"default","dialed":"123","alt":"xx.","why":"timeout","t_after_last_key":3.0}"#,
    );
    check(&["dialplan", "try", "(xx.)", "123"], 0, "SEND 123 to default (timeout, 3 s after the last key)");
    check(&["dialplan", "try", "(xx.)", "123", "--short", "1.5", "--json"], 0, r#""t_after_last_key":1.5"#);
    check(&["dialplan", "try", "(*xx|[3469]11)", "555", "--json"], 1, r#""result":"REJECT""#);
    check(&["dialplan", "try", "(xx.)", "*69", "--vsc", "--json"], 0, r#""result":"VSC""#);
    check(&["dialplan", "try", "(xx", "1"], 2, "the plan is broken at character");
    check(&["dialplan", "try", "(xx.)", "1x"], 2, "invalid key");
    check(&["dialplan", "try", "(xx.)", "1", "--long=-1"], 2, "invalid time -1 s");
    check(&["dialplan", "check", "(xx.)"], 0, "ok");
    check(&["dialplan", "check", "(xx", "--json"], 1, r#"{"ok":false,"faults":[{"error":true,"at":"#);
    check(&["dialplan"], 2, "");
}

#[test]
fn every_published_vector_is_answered_in_the_same_words() {
    let vectors = include_str!("../../dialplan/tests/dialplan_vectors.json");
    let vectors: Vec<serde_json::Value> = serde_json::from_str(vectors).unwrap();
    assert!(vectors.len() > 100);
    // A process each for a few; the words are the library's for all.
    for vector in vectors.iter().step_by(9) {
        let mut args = vec![
            "dialplan",
            "try",
            vector["plan"].as_str().unwrap(),
            vector["keys"].as_str().unwrap(),
            "--json",
        ];
        let options = &vector["options"];
        if options.get("vsc").is_some() {
            args.push("--vsc");
        }
        if options.get("bar_mode").is_some() {
            args.extend(["--bar", "exact"]);
        }
        if options.get("incomplete").is_some() {
            args.extend(["--incomplete", "as-dialed"]);
        }
        let answer: serde_json::Value = serde_json::from_slice(&ringtrip(&args).stdout).unwrap();
        assert_eq!(answer, vector["outcome"], "{args:?}");
    }
}

#[test]
fn documents_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("draft.toml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "region = \"us\"\n[extension.101]\nnmae = \"Ann\"\n").unwrap();
    check(
        &["config", "check", path],
        1,
        "draft.toml:3:1: error: extension.101.nmae: unknown setting \"nmae\"; did you mean \"name\"?",
    );
    check(&["config", "check", path, "--json"], 1, r#""line":3,"column":1,"#);
    std::fs::write(&file, "region = \"us\"\n[plans]\nhome = \"(xx.)\"\n").unwrap();
    check(&["config", "check", path], 0, "draft.toml: ok");
    check(&["config", "check", "/nowhere.toml"], 2, "/nowhere.toml: No such file");
    std::fs::write(&file, [0xff, 0xfe]).unwrap();
    check(&["config", "check", path], 1, "not UTF-8 text from octet 1");
}

#[test]
fn without_an_exchange_the_way_out_is_told() {
    for args in
        [&["call", "list"][..], &["cdr", "list", "--json"], &["config", "show"], &["token", "create", "x"]]
    {
        check(args, 1, "start it with `ringtrip serve`");
    }
    check(&["call", "originate", "101"], 2, "");
    check(&["nonsense"], 2, "");
    check(&["admin", "reset-secret"], 2, "holds no exchange's data");
}
