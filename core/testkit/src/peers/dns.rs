//! A name server for a test: UDP on the loopback, a zone of SRV and A records that the test may change.
#![allow(clippy::disallowed_methods)] // Live tests have threads and sockets.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A name server; it stops when dropped.
pub struct NameServer {
    /// Where it listens.
    pub at: SocketAddr,
    zone: Arc<Mutex<Vec<Record>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A name and what is known of it.
#[derive(Debug, Clone)]
struct Record {
    name: String,
    data: Data,
}

#[derive(Debug, Clone)]
enum Data {
    A(Ipv4Addr),
    Srv { priority: u16, port: u16, target: String },
}

// RFC 1035 §3.2.2, RFC 2782.
const A: u16 = 1;
const SRV: u16 = 33;
/// Short, so that a changed zone is asked again soon.
const TTL: u32 = 1;

impl NameServer {
    /// Begins with an empty zone: every name is unknown.
    pub fn start() -> NameServer {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback has a free port");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout can be set");
        let at = socket.local_addr().expect("bound");
        let (zone, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (known, stopped) = (Arc::clone(&zone), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((n, from)) = socket.recv_from(&mut buffer) else { continue };
                let known = known.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(answer) = buffer.get(..n).and_then(|query| answer(query, &known)) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        NameServer { at, zone, stop, thread: Some(thread) }
    }

    /// `name` is served over UDP by these, the first by preference: each a host of its own below `name`.
    pub fn sip(&self, name: &str, servers: &[SocketAddr]) {
        for (n, server) in (1u16..).zip(servers) {
            let SocketAddr::V4(server) = server else { panic!("{server} has no A record") };
            let target = format!("s{n}.{name}");
            let data = Data::Srv { priority: 10 * n, port: server.port(), target: target.clone() };
            self.add(format!("_sip._udp.{name}"), data);
            self.add(target, Data::A(*server.ip()));
        }
    }

    fn add(&self, name: String, data: Data) {
        self.zone.lock().unwrap_or_else(PoisonError::into_inner).push(Record { name, data });
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The answer to a query (RFC 1035 §4.1); nothing to what is none.
fn answer(query: &[u8], zone: &[Record]) -> Option<Vec<u8>> {
    let (name, after) = name_at(query, 12)?;
    let kind = u16::from_be_bytes([*query.get(after)?, *query.get(after + 1)?]);
    let question = query.get(12..after + 4)?;
    let of_name: Vec<&Record> = zone.iter().filter(|r| r.name.eq_ignore_ascii_case(&name)).collect();
    let found: Vec<Vec<u8>> = of_name.iter().filter_map(|record| data(&record.data, kind)).collect();
    let mut out = query.get(..2)?.to_vec();
    // A response, authoritative, recursion desired and available; no error, or no such name.
    out.extend([0x85, if of_name.is_empty() { 0x83 } else { 0x80 }]);
    for count in [1, u16::try_from(found.len()).ok()?, 0, 0] {
        out.extend(count.to_be_bytes());
    }
    out.extend(question);
    for data in found {
        // The name of the question, in the short form (§4.1.4).
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend(1u16.to_be_bytes());
        out.extend(TTL.to_be_bytes());
        out.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        out.extend(data);
    }
    Some(out)
}

fn data(data: &Data, kind: u16) -> Option<Vec<u8>> {
    match data {
        Data::A(ip) if kind == A => Some(ip.octets().to_vec()),
        Data::Srv { priority, port, target } if kind == SRV => {
            let mut out = Vec::new();
            [*priority, 0, *port].iter().for_each(|n| out.extend(n.to_be_bytes()));
            for label in target.split('.') {
                out.push(u8::try_from(label.len()).ok()?);
                out.extend(label.as_bytes());
            }
            out.push(0);
            Some(out)
        }
        _ => None,
    }
}

/// The name that begins there, and where it ends.
fn name_at(query: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        let len = usize::from(*query.get(at)?);
        at += 1;
        if len == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + len)?).into_owned());
        at += len;
    }
}
