//! A name server for tests: answers SRV and A from a table, everything else with "no such name".

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// One answer: the name, and what it is.
#[derive(Debug, Clone)]
pub enum Fact {
    /// A service: name, priority, port, target.
    Srv(&'static str, u16, u16, &'static str),
    /// A host's address.
    A(&'static str, Ipv4Addr),
}

/// Stops when it is dropped.
pub struct NameServer {
    /// Where it listens.
    pub at: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl NameServer {
    /// Starts answering on a free port of the loopback.
    pub fn start(facts: Vec<Fact>) -> NameServer {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("the loopback has free ports");
        let at = socket.local_addr().expect("bound");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a time");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        std::thread::spawn(move || {
            let mut buffer = [0; 1_500];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((n, from)) = socket.recv_from(&mut buffer) else { continue };
                if let Some(answer) = answer(&buffer[..n], &facts) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        NameServer { at, stop }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// RFC 1035 §4: the question comes back with its answers.
fn answer(query: &[u8], facts: &[Fact]) -> Option<Vec<u8>> {
    let mut at = 12;
    let mut labels = Vec::new();
    while let Some(length) = query.get(at).map(|l| usize::from(*l)).filter(|l| *l > 0) {
        labels.push(String::from_utf8_lossy(query.get(at + 1..at + 1 + length)?).to_lowercase());
        at += 1 + length;
    }
    let name = labels.join(".");
    let kind = u16::from_be_bytes([*query.get(at + 1)?, *query.get(at + 2)?]);
    let question = query.get(12..at + 5)?;
    let records: Vec<Vec<u8>> = facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Srv(of, priority, port, target) if *of == name && kind == 33 => {
                let mut data = Vec::new();
                for number in [*priority, 10, *port] {
                    data.extend(number.to_be_bytes());
                }
                data.extend(written(target));
                Some(record(33, &data))
            }
            Fact::A(of, ip) if *of == name && kind == 1 => Some(record(1, &ip.octets())),
            _ => None,
        })
        .collect();
    let known = facts.iter().any(|f| matches!(f, Fact::Srv(of, ..) | Fact::A(of, _) if *of == name));
    let mut out = query.get(..2)?.to_vec();
    // An authoritative answer; "no such name" where the table says nothing.
    out.extend([
        0x85,
        if known { 0x80 } else { 0x83 },
        0,
        1,
        0,
        u8::try_from(records.len()).ok()?,
        0,
        0,
        0,
        0,
    ]);
    out.extend(question);
    out.extend(records.concat());
    Some(out)
}

fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    // The name is a pointer to the question's.
    let mut out = vec![0xc0, 12];
    out.extend(kind.to_be_bytes());
    out.extend([0, 1, 0, 0, 0, 60]);
    out.extend(u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
    out.extend(data);
    out
}

fn written(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.') {
        out.push(u8::try_from(label.len()).unwrap_or(0));
        out.extend(label.bytes());
    }
    out.push(0);
    out
}
