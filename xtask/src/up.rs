//! `cargo xtask up`: from a fresh clone to a running exchange.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::run::{cargo, root, run, target};
use crate::{plugins, tools};

/// Builds everything and starts the exchange with the virtual board.
pub fn up(args: &[String]) -> Result<()> {
    let opts = Opts::parse(args)?;
    tools::need(tools::BUILD)?;
    console()?;
    let mut build =
        vec!["build", "-p", "ringtrip", "-p", "ringtrip-linehost", "-p", "ringtrip-driver-virtual"];
    if opts.profile == "release" {
        build.push("--release");
    }
    run(&cargo(), &build)?;
    let dir = target().join(if opts.profile == "release" { "release" } else { "debug" });
    // Telephones ring without them.
    if let Err(why) = plugins::plugins().and_then(|()| plugins::pack(&dir.join("ringtrip"))) {
        println!("the Wasm plugins are left out: {why:#}");
    }
    let mut serve = Command::new(dir.join("ringtrip"));
    serve.arg("serve").arg("--data").arg(&opts.data).arg("--drivers").arg(&dir);
    if let Some(http) = &opts.http {
        serve.arg("--http").arg(http);
    }
    if let Some(sip) = &opts.sip {
        serve.arg("--sip").arg(sip);
    }
    if opts.once {
        serve.arg("--once");
    }
    let status = serve
        .current_dir(root())
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", dir.join("ringtrip").display()))?;
    if !status.success() {
        bail!("the exchange ended with {status}");
    }
    Ok(())
}

/// Builds the web console into `core/console/dist`.
pub fn console() -> Result<()> {
    if !root().join("core/console/package.json").exists() {
        return Ok(());
    }
    tools::need(tools::BUILD)?;
    let lock = root().join("core/console/package-lock.json");
    let stamp = root().join("core/console/node_modules/.package-lock.json");
    let fresh =
        match (lock.metadata().and_then(|m| m.modified()), stamp.metadata().and_then(|m| m.modified())) {
            (Ok(lock), Ok(stamp)) => stamp >= lock,
            _ => false,
        };
    if !fresh {
        run("npm", &["ci", "--no-audit", "--no-fund", "--prefix", "core/console"])?;
    }
    run("npm", &["run", "--silent", "build", "--prefix", "core/console"])
}

struct Opts {
    profile: String,
    http: Option<String>,
    sip: Option<String>,
    data: String,
    once: bool,
}

impl Opts {
    fn parse(args: &[String]) -> Result<Opts> {
        let mut opts =
            Opts { profile: "release".into(), http: None, sip: None, data: "var".into(), once: false };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().cloned().with_context(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--profile" => opts.profile = value()?,
                "--http" => opts.http = Some(value()?),
                "--sip" => opts.sip = Some(value()?),
                "--data" => opts.data = value()?,
                "--once" => opts.once = true,
                other => bail!("up does not know {other:?}"),
            }
        }
        if !matches!(opts.profile.as_str(), "dev" | "release") {
            bail!("--profile is dev or release, not {:?}", opts.profile);
        }
        Ok(opts)
    }
}
