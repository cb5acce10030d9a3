//! Threads that move sound: as many as `[media] workers` says.
#![allow(clippy::disallowed_methods)] // Reads what the kernel says of a process.

use std::fs;

use ringtrip_testkit::live::Daemon;

/// The threads that move sound, by name.
fn workers(daemon: &Daemon) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.pid())).expect("it runs");
    let names = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    let mut media: Vec<String> =
        names.map(|name| name.trim().to_owned()).filter(|name| name.starts_with("media")).collect();
    media.sort();
    media
}

#[test]
fn there_are_as_many_as_the_configuration_says() {
    let plans = "PHONES\n[plans]\nhome = \"(xxx)\"\n";
    let daemon = Daemon::start(&format!("{plans}[media]\nworkers = 3\n"));
    assert_eq!(workers(&daemon), ["media", "media-1", "media-2"]);
    drop(daemon);
    let daemon = Daemon::start(plans);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    assert_eq!(workers(&daemon).len(), cores.min(64), "one for each core");
}
