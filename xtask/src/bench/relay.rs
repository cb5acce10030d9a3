//! CPU a packet of the RTP relay, beside a bare relay with plain system calls and rtpengine in user space, at 100
//! and 400 calls of 50 packets a second each way.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::exchange;
use super::phones::{self, Ends};
use super::procs::{Proc, free_port, wait_for};
use super::report::{Bound, Report, Row};

/// How long packets flow while CPU is counted.
const FLOW: Duration = Duration::from_secs(10);
/// A packet of 20 ms G.711.
const PACKET: usize = 172;

/// Our relay beside the bare one and rtpengine.
pub fn relay(report: &mut Report) -> Result<()> {
    for calls in [100, 400] {
        let bare = bare_side(calls)?;
        let ours = our_side(calls)?;
        report.add(Row {
            what: format!("RTP relay, {calls} calls"),
            ours: ours.micros,
            other: Some(("bare".into(), bare.micros)),
            unit: "µs/pkt",
            bound: Some(Bound::Ratio(1.3)),
        });
        report.add(Row {
            what: format!("RTP relay, {calls} calls, lost"),
            ours: ours.lost_percent,
            other: None,
            unit: "%",
            bound: Some(Bound::Most(0.1)),
        });
        match rtpengine_side(calls) {
            Ok(peer) => report.add(Row {
                what: format!("RTP relay, {calls} calls"),
                ours: ours.micros,
                other: Some(("rtpengine".into(), peer.micros)),
                unit: "µs/pkt",
                bound: None,
            }),
            Err(e) => println!("rtpengine could not be measured: {e:#}"),
        }
    }
    Ok(())
}

struct Measured {
    micros: f64,
    lost_percent: f64,
}

/// Ends of many calls, each with two sockets and the relay's address for each.
struct Load {
    ends: Vec<Ends>,
}

fn our_side(calls: usize) -> Result<Measured> {
    let dir = std::env::temp_dir().join(format!("ringtrip-bench-relay-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let uas = free_port()?;
    let exchange = exchange::start(&dir, &exchange::bench_config(uas)?)?;
    let ends = phones::establish(exchange.sip_port, uas, calls)?;
    measure(&exchange.proc, Load { ends })
}

fn bare_side(calls: usize) -> Result<Measured> {
    let load = sockets(calls)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bench", "bare-relay"]);
    for (a, b) in &load {
        command.arg(a.local_addr()?.port().to_string()).arg(b.local_addr()?.port().to_string());
    }
    let log = std::env::temp_dir().join(format!("ringtrip-bare-{}", std::process::id()));
    let proc = Proc::start(command, &log)?;
    let mut ports = Vec::new();
    wait_for("the bare relay's ports", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        ports = text
            .lines()
            .next()
            .unwrap_or_default()
            .split(' ')
            .filter_map(|p| p.parse::<u16>().ok())
            .collect();
        ports.len() == calls * 2
    })?;
    let at = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let ends = load
        .into_iter()
        .zip(ports.chunks(2))
        .map(|((a, b), p)| Ends { a, b, a_to: at(p[0]), b_to: at(p[1]) })
        .collect();
    measure(&proc, Load { ends })
}

fn rtpengine_side(calls: usize) -> Result<Measured> {
    let ng = free_port()?;
    let mut command = Command::new("rtpengine");
    command.args(["--table=-1", "--interface=127.0.0.1", "--foreground", "--log-level=1", "--log-stderr"]);
    command.args(["--port-min=42000", "--port-max=45999", "--num-threads=2"]);
    command.arg(format!("--listen-ng=127.0.0.1:{ng}"));
    // Its own default would meet any other rtpengine on the machine.
    command.arg(format!("--listen-cli=127.0.0.1:{}", free_port()?));
    let log = std::env::temp_dir().join(format!("ringtrip-rtpengine-{}", std::process::id()));
    let proc = Proc::start(command, &log)?;
    let control = UdpSocket::bind("127.0.0.1:0")?;
    control.connect(("127.0.0.1", ng))?;
    control.set_read_timeout(Some(Duration::from_millis(500)))?;
    let ask = |text: String| -> Result<String> {
        for _ in 0..10 {
            control.send(text.as_bytes())?;
            let mut buffer = [0; 8192];
            match control.recv(&mut buffer) {
                Ok(n) => return Ok(String::from_utf8_lossy(&buffer[..n]).into_owned()),
                // Not up yet.
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
        bail!("rtpengine does not answer")
    };
    let mut ends = Vec::new();
    for (i, (a, b)) in sockets(calls)?.into_iter().enumerate() {
        let sdp = |port: u16| {
            format!(
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
            )
        };
        let word = |s: &str| format!("{}:{s}", s.len());
        let call = format!("call{i}");
        let tail = |from: &str, port: u16| {
            format!(
                "{}{}{}{}{}{}",
                word("call-id"),
                word(&call),
                word("from-tag"),
                word(from),
                word("sdp"),
                word(&sdp(port))
            )
        };
        let a_port = a.local_addr()?.port();
        let b_port = b.local_addr()?.port();
        let offered = ask(format!("o{i} d{}{}{}e", word("command"), word("offer"), tail("a", a_port)))?;
        let answered = ask(format!(
            "n{i} d{}{}{}{}{}e",
            word("command"),
            word("answer"),
            tail("a", b_port),
            word("to-tag"),
            word("b")
        ))?;
        // The offer's SDP tells where B sends, the answer's where A sends.
        ends.push(Ends { a, b, a_to: media(&answered)?, b_to: media(&offered)? });
    }
    measure(&proc, Load { ends })
}

fn media(answer: &str) -> Result<SocketAddr> {
    let port = answer.split("m=audio ").nth(1).and_then(|r| r.split(' ').next()).and_then(|p| p.parse().ok());
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port.with_context(|| format!("no port in {answer:?}"))?)))
}

fn sockets(calls: usize) -> Result<Vec<(UdpSocket, UdpSocket)>> {
    (0..calls).map(|_| Ok((UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?))).collect()
}

/// Sends 50 packets a second from each end and counts what comes out of the other.
fn measure(proc: &Proc, load: Load) -> Result<Measured> {
    let stop = AtomicBool::new(false);
    let came = AtomicU64::new(0);
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    for (i, ends) in load.ends.iter().enumerate() {
        for (side, socket) in [(0, &ends.a), (1, &ends.b)] {
            socket.set_nonblocking(true)?;
            epoll.add(socket.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, (i * 2 + side) as u64))?;
        }
    }
    let (sent, cpu) = std::thread::scope(|scope| -> Result<(u64, Duration)> {
        scope.spawn(|| receive(&epoll, &load, &came, &stop));
        let mut flow = Flow::default();
        // A second to learn addresses and warm up, not counted.
        flow.send_for(&load, Duration::from_secs(1));
        std::thread::sleep(Duration::from_millis(100));
        came.store(0, Ordering::Relaxed);
        flow.sent = 0;
        let before = proc.cpu();
        flow.send_for(&load, FLOW);
        std::thread::sleep(Duration::from_millis(200));
        let cpu = proc.cpu() - before;
        stop.store(true, Ordering::Relaxed);
        Ok((flow.sent, cpu))
    })?;
    let came = came.load(Ordering::Relaxed);
    if came * 10 < sent {
        bail!("only {came} of {sent} packets came through: there is no relay to measure");
    }
    Ok(Measured {
        micros: cpu.as_secs_f64() * 1e6 / came as f64,
        lost_percent: sent.saturating_sub(came) as f64 * 100.0 / sent as f64,
    })
}

#[derive(Default)]
struct Flow {
    seq: u16,
    sent: u64,
}

impl Flow {
    /// Spreads the packets of all calls over each 20 ms, as real phones would.
    fn send_for(&mut self, load: &Load, time: Duration) {
        let start = Instant::now();
        let mut packet = [0; PACKET];
        packet[0] = 0x80;
        let slices = 10;
        let share = load.ends.len().div_ceil(slices);
        for tick in 0.. {
            let at = Duration::from_millis(2) * tick;
            if at >= time {
                return;
            }
            if let Some(wait) = at.checked_sub(start.elapsed()) {
                std::thread::sleep(wait);
            }
            let slice = tick as usize % slices;
            if slice == 0 {
                self.seq = self.seq.wrapping_add(1);
            }
            packet[2..4].copy_from_slice(&self.seq.to_be_bytes());
            packet[4..8].copy_from_slice(&(u32::from(self.seq) * 160).to_be_bytes());
            for (i, ends) in load.ends.iter().enumerate().skip(slice * share).take(share) {
                for (side, socket, to) in [(0, &ends.a, ends.a_to), (1, &ends.b, ends.b_to)] {
                    packet[8..12].copy_from_slice(&((i * 2 + side) as u32 + 1).to_be_bytes());
                    if socket.send_to(&packet, to).is_ok() {
                        self.sent += 1;
                    }
                }
            }
        }
    }
}

fn receive(epoll: &Epoll, load: &Load, came: &AtomicU64, stop: &AtomicBool) {
    let mut events = vec![EpollEvent::empty(); load.ends.len() * 2];
    let mut buffer = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        // Looks every millisecond instead of being woken: a sender to a sleeping thread pays for its waking, and that
        // would be half of a relay's figure.
        std::thread::sleep(Duration::from_millis(1));
        let n = epoll.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
        for event in &events[..n] {
            let Some(ends) = load.ends.get(event.data() as usize / 2) else { continue };
            let socket = if event.data() % 2 == 0 { &ends.a } else { &ends.b };
            while let Ok(n) = socket.recv(&mut buffer) {
                if n >= PACKET {
                    came.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

/// `bench bare-relay A B A B …`: for each pair of ports two sockets, plain `recvfrom` and `sendto`, no thought. Prints
/// its own ports and runs until killed. The floor.
pub fn bare(args: &[String]) -> Result<()> {
    let peers: Vec<SocketAddr> = args
        .iter()
        .map(|p| Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, p.parse::<u16>()?))))
        .collect::<Result<_>>()?;
    let sockets: Vec<UdpSocket> =
        peers.iter().map(|_| UdpSocket::bind("127.0.0.1:0")).collect::<io::Result<_>>()?;
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    let mut ports = Vec::new();
    for (i, socket) in sockets.iter().enumerate() {
        socket.set_nonblocking(true)?;
        ports.push(socket.local_addr()?.port().to_string());
        epoll.add(socket.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, i as u64))?;
    }
    println!("{}", ports.join(" "));
    let mut events = [EpollEvent::empty(); 256];
    let mut buffer = [0; 2048];
    loop {
        let n = epoll.wait(&mut events, EpollTimeout::NONE)?;
        for event in &events[..n] {
            let i = event.data() as usize;
            if let Ok((n, _)) = sockets[i].recv_from(&mut buffer) {
                let other = i ^ 1;
                let _ = sockets[other].send_to(&buffer[..n], peers[other]);
            }
        }
    }
}
