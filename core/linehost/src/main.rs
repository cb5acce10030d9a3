//! `ringtrip-linehost`: the board process. Started by the daemon with the control socket as its standard input.
#![allow(clippy::disallowed_methods, reason = "this is a shell")]

use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::Signal;
use ringtrip_linehost::realtime;
use ringtrip_linehost::serve::{Ended, Source, serve, watch_daemon};

/// A board waits for its next frame every 10 ms; loading a driver and opening its hardware may take a while.
const LONGEST_SPIN: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    match run() {
        // The daemon ended or said stop: nothing is wrong.
        Ok(()) | Err(Ended::Daemon) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("ringtrip-linehost: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Ended> {
    let system = |what| move |errno| Ended::System { what, errno };
    ringtrip_linehost::signals::ignore().map_err(system("blocking signals"))?;
    // A board process without its daemon would hold the hardware against the next one.
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(system("prctl"))?;
    let io = |what| {
        move |e: std::io::Error| Ended::System {
            what,
            errno: nix::errno::Errno::from_raw(e.raw_os_error().unwrap_or(0)),
        }
    };
    let socket = std::io::stdin().as_fd().try_clone_to_owned().map_err(io("taking the control socket"))?;
    // A driver that reads its standard input must not read our packets.
    let null = std::fs::File::open("/dev/null").map_err(io("opening /dev/null"))?;
    nix::unistd::dup2_stdin(&null).map_err(system("dup2"))?;
    watch_daemon(&socket).map_err(io("starting the watch"))?;
    // Not every machine lets us; then sound runs as well as the load allows, and the daemon has said so.
    if realtime::first().is_ok() {
        realtime::spin_at_most(LONGEST_SPIN).map_err(io("limiting the time of a spin"))?;
    }
    serve(socket, Source::Load)
}
