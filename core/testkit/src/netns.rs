//! Networks for live tests: namespaces with a wire between them and routers that translate addresses, all of this machine.
//! Their names carry the process id, and they are removed when the test ends, however it ends.
#![allow(clippy::disallowed_methods)] // Live tests start programs and threads.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sched::{CloneFlags, setns};

use crate::live::must;

/// Some namespaces.
pub struct Networks {
    prefix: String,
    names: Vec<String>,
}

/// The namespace of the wire that all others are plugged into.
const WIRE: &str = "wire";

impl Networks {
    /// Namespaces of these names and a wire. `None`: this machine does not let us, and the test says so; where it must
    /// (`CI=true`) it fails.
    #[track_caller]
    pub fn new(names: &[&str]) -> Option<Networks> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        remove_orphans();
        let prefix = format!("rt{}.{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut networks = Networks { prefix, names: Vec::new() };
        for name in names.iter().chain(&[WIRE]) {
            let full = networks.full(name);
            let made = Command::new("ip").args(["netns", "add", &full]).output();
            let why = match made {
                Ok(done) if done.status.success() => None,
                Ok(done) => Some(String::from_utf8_lossy(&done.stderr).trim().to_owned()),
                Err(e) => Some(format!("ip (iproute2): {e}")),
            };
            if let Some(why) = why {
                return skipped(&format!("no network namespace can be made: {why}"));
            }
            networks.names.push(full);
            networks.run(name, "ip", &["link", "set", "lo", "up"]);
        }
        networks.run(WIRE, "ip", &["link", "add", "br0", "type", "bridge"]);
        networks.run(WIRE, "ip", &["link", "set", "br0", "up"]);
        Some(networks)
    }

    /// Plugs an interface with this address into the wire.
    #[track_caller]
    pub fn plug(&self, name: &str, interface: &str, address: &str) {
        let far = format!("w-{name}");
        let wire = self.full(WIRE);
        self.run(
            name,
            "ip",
            &["link", "add", interface, "type", "veth", "peer", "name", &far, "netns", &wire],
        );
        self.run(WIRE, "ip", &["link", "set", &far, "master", "br0", "up"]);
        self.run(name, "ip", &["addr", "add", address, "dev", interface]);
        self.run(name, "ip", &["link", "set", interface, "up"]);
    }

    /// A cable from one namespace to another, with an address at each end.
    #[track_caller]
    pub fn cable(&self, (a, if_a, addr_a): (&str, &str, &str), (b, if_b, addr_b): (&str, &str, &str)) {
        let other = self.full(b);
        self.run(a, "ip", &["link", "add", if_a, "type", "veth", "peer", "name", if_b, "netns", &other]);
        for (name, interface, address) in [(a, if_a, addr_a), (b, if_b, addr_b)] {
            self.run(name, "ip", &["addr", "add", address, "dev", interface]);
            self.run(name, "ip", &["link", "set", interface, "up"]);
        }
    }

    /// Makes a router of it: what leaves by this interface has the interface's address, with a port by chance.
    /// False: the kernel has no NAT, and the test says so.
    #[track_caller]
    pub fn translates(&self, name: &str, interface: &str) -> bool {
        self.run(name, "sysctl", &["-qw", "net.ipv4.ip_forward=1"]);
        let rules = format!(
            "table ip nat {{\nchain out {{ type nat hook postrouting priority 100;\noifname \"{interface}\" masquerade \
             fully-random;\n}}\n}}\n"
        );
        let done = self.command(name, "nft", &[&rules]).output();
        match done {
            Ok(done) if done.status.success() => true,
            Ok(done) => {
                let why = String::from_utf8_lossy(&done.stderr).into_owned();
                assert!(!why.contains("syntax error"), "{rules}: {why}");
                skipped::<()>(&format!("no NAT in this kernel: {why}")).is_some()
            }
            Err(e) => skipped::<()>(&format!("nft (nftables): {e}")).is_some(),
        }
    }

    /// Sends what comes to this port of the router on to a host behind it.
    #[track_caller]
    pub fn forwards(&self, name: &str, interface: &str, ports: &str, to: &str) {
        let rules = format!(
            "table ip nat {{\nchain in {{ type nat hook prerouting priority -100;\niifname \"{interface}\" udp dport \
             {ports} dnat to {to};\n}}\n}}\n"
        );
        self.run(name, "nft", &[&rules]);
    }

    /// Runs a program in a namespace; it must succeed.
    #[track_caller]
    pub fn run(&self, name: &str, program: &str, args: &[&str]) {
        let done = self.command(name, program, args).output().unwrap_or_else(|e| panic!("{program}: {e}"));
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{name}: {program} {}: {said}", args.join(" "));
    }

    fn full(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    fn command(&self, name: &str, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.full(name), program]).args(args);
        command
    }

    /// Does something in a namespace: sockets that are opened and programs that are started in there stay there.
    #[track_caller]
    pub fn within<T: Send>(&self, name: &str, what: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.full(name));
        std::thread::scope(|scope| {
            let done = scope.spawn(move || {
                let namespace = File::open(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
                setns(namespace, CloneFlags::CLONE_NEWNET).unwrap_or_else(|e| panic!("{path}: {e}"));
                what()
            });
            done.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

/// Takes away what a test that was killed has left.
fn remove_orphans() {
    let Ok(list) = Command::new("ip").args(["netns", "list"]).output() else { return };
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    for name in list.lines().filter_map(|line| line.split_whitespace().next()) {
        let pid = name.strip_prefix("rt").and_then(|rest| rest.split_once('.')).map(|(pid, _)| pid);
        let is_orphan = |pid: &str| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists();
        if pid.is_some_and(is_orphan) {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

#[track_caller]
fn skipped<T>(why: &str) -> Option<T> {
    assert!(!must(), "{why}, and nothing may be skipped here");
    println!("skipped: {why}");
    eprintln!("skipped: {why}");
    None
}
