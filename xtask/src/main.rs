//! Developer commands: `up` builds and starts an exchange, `test` installs what the tests need and runs them all,
//! `bench` measures, `check` is what every commit must pass.
#![allow(clippy::disallowed_methods)] // A shell: it starts programs and looks at the clock.

mod bench;
mod dist;
mod plugins;
mod run;
mod test;
mod tools;
mod up;
mod wasmc;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask COMMAND

  up [--profile dev|release] [--http ADDR] [--sip ADDR] [--data DIR] [--once]
                 install what is missing, build everything, start the exchange with the virtual board
  test [--long]  install what the tests need and run all of them
  dist [--profile NAME]
                 make a folder in target/package that runs on other machines, and try it
  check          fmt, clippy, tidy: what every commit must pass
  bench [NAME]   measure, print ratios as a table and JSON
  console        build the web console
  plugins        build the Wasm plugins into target/plugins
  docs           build the book";

fn main() -> ExitCode {
    match command() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            // A sentence for the person who typed the command; a stack trace of this program would not help.
            eprintln!("cargo xtask: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or_default();
    match args.first().map(String::as_str) {
        Some("up") => up::up(rest),
        Some("test") => test::test(rest),
        Some("dist") => dist::dist(rest),
        Some("check") => test::check(),
        Some("bench") => bench::bench(rest),
        Some("plugins") => plugins::packages(),
        Some("console") => up::console(),
        Some("docs") => test::docs(),
        Some("help" | "--help" | "-h") => {
            println!("{HELP}");
            Ok(())
        }
        Some(other) => bail!("there is no command {other:?}\n\n{HELP}"),
        None => bail!("which command?\n\n{HELP}"),
    }
}
