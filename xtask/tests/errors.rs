//! What a developer reads when a command cannot be done.
#![allow(clippy::disallowed_methods)] // Runs the program.

use std::net::TcpListener;
use std::process::Command;

/// One sentence, and no stack trace, though the environment asks for them.
#[track_caller]
fn said(args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let out =
        command.args(args).env("RUST_BACKTRACE", "full").env("RUST_LIB_BACKTRACE", "1").output().unwrap();
    let (shown, said) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(!out.status.success() && shown.is_empty(), "{args:?}: {shown}");
    assert_eq!(said.lines().count(), 1, "{args:?}: {said}");
    assert!(!said.contains("backtrace") && said.starts_with("cargo xtask: "), "{args:?}: {said}");
    said.into_owned()
}

#[test]
fn an_error_is_one_sentence_without_a_stack_trace() {
    assert!(
        said(&["up", "--http", "nonsense", "--sip", "127.0.0.1:0"])
            .contains("invalid --http \"nonsense\": expected an address and a port")
    );
    assert!(said(&["up", "--data"]).contains("--data needs a value"));
    assert!(said(&["dist", "--profile", "fast"]).contains("dev, release or dist"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let http = said(&["up", "--http", &address, "--sip", "127.0.0.1:0"]);
    assert!(
        http.contains("HTTP cannot listen") && http.contains("cargo xtask up --http 127.0.0.1:8090"),
        "{http}"
    );
    let sip = said(&["up", "--sip", &address]);
    assert!(
        sip.contains("SIP cannot listen") && sip.contains("cargo xtask up --sip 127.0.0.1:5070"),
        "{sip}"
    );
}
