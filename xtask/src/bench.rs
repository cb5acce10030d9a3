//! `cargo xtask bench`: micro-benchmarks by criterion and whole-program ratios against peers.

use anyhow::Result;

use crate::run::{cargo, run};
use crate::tools;

/// Runs the benchmarks whose name contains the argument, or all.
pub fn bench(args: &[String]) -> Result<()> {
    tools::need(tools::BENCH)?;
    let mut all = vec!["bench", "-p", "ringtrip-sip", "-p", "ringtrip-media", "-p", "ringtrip-switch", "--"];
    all.extend(args.iter().map(String::as_str));
    run(&cargo(), &all)
}
