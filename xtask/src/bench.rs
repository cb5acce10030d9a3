//! `cargo xtask bench`: ratios in one run, against a floor or a peer measured beside us.

mod calls;
mod dialtone;
mod exchange;
mod explain;
mod measured;
mod phones;
mod procs;
mod relay;
mod report;
mod routes;

use anyhow::{Result, bail};

use crate::run::{cargo, run};
use crate::tools;
use report::Report;

/// Runs the benchmarks named, or all: `micro`, `routes`, `boot`, `dialtone`, `calls`, `register`, `relay`.
pub fn bench(args: &[String]) -> Result<()> {
    const ALL: &[&str] = &["micro", "routes", "boot", "dialtone", "register", "calls", "relay"];
    if args.first().is_some_and(|a| a == "bare-relay") {
        return relay::bare(args.get(1..).unwrap_or_default());
    }
    if let Some(wrong) = args.iter().find(|a| !ALL.contains(&a.as_str())) {
        bail!("there is no benchmark {wrong:?}; there are {}", ALL.join(", "));
    }
    let wanted = |name: &str| args.is_empty() || args.iter().any(|a| a == name);
    // What routes cost is measured without a peer, and `cargo bench` builds the exchange beside the benches.
    if args.is_empty() || args.iter().any(|a| a != "routes") {
        tools::need(tools::BENCH)?;
        run(
            &cargo(),
            &[
                "build",
                "--release",
                "-p",
                "ringtrip",
                "-p",
                "ringtrip-linehost",
                "-p",
                "ringtrip-driver-virtual",
            ],
        )?;
    }
    let mut report = Report::default();
    if wanted("micro") {
        run(&cargo(), &["bench", "-p", "ringtrip-sip", "-p", "ringtrip-media", "-p", "ringtrip-dialplan"])?;
    }
    if wanted("routes") {
        routes::routes(&mut report)?;
    }
    if wanted("boot") {
        exchange::boot(&mut report)?;
    }
    if wanted("dialtone") {
        dialtone::dialtone(&mut report)?;
    }
    if wanted("register") {
        calls::register(&mut report)?;
    }
    if wanted("calls") {
        calls::calls(&mut report)?;
    }
    if wanted("relay") {
        relay::relay(&mut report)?;
    }
    report.close()
}
