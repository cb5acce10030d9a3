//! The program `ringtrip`: the exchange and its command line in one.

use std::process::ExitCode;

fn main() -> ExitCode {
    ringtrip::cli::run(ringtrip::exchange::serve)
}
