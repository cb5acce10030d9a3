//! `cargo xtask up`: from a fresh clone to a running exchange.
//!
//! What a telephone needs to ring is built first. The compiler of plugins and the example plugins, which take longer than
//! all of that, are built while the exchange runs already.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::run::{cargo, root, run, target};
use crate::{plugins, tools, wasmc};

/// Builds the exchange, starts it with the virtual board, and builds the rest beside it.
pub fn up(args: &[String]) -> Result<()> {
    let opts = Opts::parse(args)?;
    // Said now, and not after a build of a quarter of an hour.
    opts.check_ports()?;
    tools::need(tools::BUILD)?;
    console()?;
    let mut build =
        vec!["build", "-p", "ringtrip", "-p", "ringtrip-linehost", "-p", "ringtrip-driver-virtual"];
    if opts.profile == "release" {
        build.push("--release");
    }
    run(&cargo(), &build)?;
    let dir = target().join(if opts.profile == "release" { "release" } else { "debug" });
    // Installed plugins may have to be compiled anew by the exchange that was just built.
    if opts.folder().join("plugins/installed.toml").exists() {
        wasmc::build(&opts.profile)?;
    }
    let mut serve = Command::new(dir.join("ringtrip"));
    serve.arg("serve").arg("--data").arg(&opts.data).arg("--drivers").arg(&dir);
    if let Some(http) = &opts.http {
        serve.arg("--http").arg(http);
    }
    if let Some(sip) = &opts.sip {
        serve.arg("--sip").arg(sip);
    }
    let once = opts.once;
    if once {
        serve.arg("--once");
    }
    let mut exchange = serve
        .current_dir(root())
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", dir.join("ringtrip").display()))?;
    let rest = std::thread::spawn(move || build_rest(&opts.profile, &dir));
    let status = exchange.wait().context("cannot wait for the exchange")?;
    if once {
        // It shows that everything is there, and that includes the plugins.
        rest.join().map_err(|_| anyhow::anyhow!("the build of the plugins ended with a panic"))?;
    }
    if !status.success() {
        bail!("the exchange ended with {status}; what it says above tells why");
    }
    Ok(())
}

/// The compiler of plugins, and the example plugins. Telephones ring without them.
fn build_rest(profile: &str, dir: &Path) {
    let built = (|| {
        // Behind the exchange, which is running and has calls to carry.
        let build = wasmc::with_it("build", &["--profile", profile]);
        let build: Vec<&str> = build.iter().map(String::as_str).collect();
        run("nice", &[&[&cargo()[..]], &build[..]].concat())?;
        plugins::plugins()?;
        plugins::pack(&dir.join("ringtrip"))
    })();
    match built {
        Ok(()) => {
            println!("up: plugins can be installed; the examples are in {}", plugins::folder().display())
        }
        Err(why) => println!("up: the plugins are left out: {why:#}"),
    }
}

/// Where the exchange listens when neither an option nor a configuration says so.
const HTTP: &str = "127.0.0.1:8080";
const SIP: &str = "0.0.0.0:5060";

/// Can these be listened on?
fn check_port(what: &str, option: &str, text: &str, udp: bool) -> Result<()> {
    let address: SocketAddr = text.parse().with_context(|| {
        format!("invalid {option} {text:?}: expected an address and a port, as in 127.0.0.1:8080")
    })?;
    let taken = match TcpListener::bind(address) {
        Err(e) => Some(("TCP", e)),
        Ok(_) if udp => UdpSocket::bind(address).err().map(|e| ("UDP", e)),
        Ok(_) => None,
    };
    let Some((protocol, why)) = taken else { return Ok(()) };
    let hint = format!(
        "choose another one with {option}, as in `cargo xtask up {option} {}`",
        another(address, udp)
    );
    bail!("{what} cannot listen on {address} ({protocol}): {why}. Stop the program that uses it, or {hint}");
}

/// The same address with a port that is likely to be free.
fn another(address: SocketAddr, sip: bool) -> SocketAddr {
    SocketAddr::new(address.ip(), if sip { 5070 } else { 8090 })
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

    /// The data folder, as the exchange sees it.
    fn folder(&self) -> PathBuf {
        root().join(&self.data)
    }

    /// Ports that are known before anything is built: those of the options, and, where no configuration is kept yet, the
    /// usual ones.
    fn check_ports(&self) -> Result<()> {
        let first = !self.folder().join("journal").exists();
        let usual = |given: &Option<String>, usual: &str| given.clone().or(first.then(|| usual.to_owned()));
        if let Some(sip) = usual(&self.sip, SIP) {
            check_port("SIP", "--sip", &sip, true)?;
        }
        if let Some(http) = usual(&self.http, HTTP) {
            check_port("HTTP", "--http", &http, false)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(args: &[&str]) -> String {
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        up(&args).expect_err("refused before anything is built").to_string()
    }

    #[test]
    fn a_taken_port_is_said_before_anything_is_built() {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = tcp.local_addr().expect("bound").port();
        let said = refused(&["--http", &format!("127.0.0.1:{port}"), "--sip", "127.0.0.1:0"]);
        assert!(said.contains("HTTP cannot listen") && said.contains("--http 127.0.0.1:8090"), "{said}");
        let said = refused(&["--sip", &format!("127.0.0.1:{port}")]);
        assert!(
            said.contains("SIP cannot listen") && said.contains("(TCP)") && said.contains("--sip"),
            "{said}"
        );
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let port = udp.local_addr().expect("bound").port();
        let said = refused(&["--sip", &format!("127.0.0.1:{port}")]);
        assert!(said.contains("(UDP)"), "{said}");
        assert!(refused(&["--sip", "5061"]).contains("invalid --sip \"5061\""));
        assert!(refused(&["--profile", "fast"]).contains("--profile is dev or release"));
    }
}
