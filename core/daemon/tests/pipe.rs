//! The command line beside other programs.
#![allow(clippy::disallowed_methods)] // Runs the program.

use std::process::{Command, Stdio};

#[test]
fn a_reader_who_has_read_enough_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let out = Command::new(env!("CARGO_BIN_EXE_ringtrip"))
        .args(["dialplan", "try", "(xx.)", "12"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", out.status);
    assert_eq!(String::from_utf8_lossy(&out.stderr), "");
}
