//! Numbered RTP packets, so that each one lost, late or foreign is known by its number.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// 50 numbered packets a second to one place, and a diary of those that came from there.
pub struct Stream {
    log: Arc<Mutex<Diary>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
pub(super) struct Diary {
    /// When each packet left.
    pub(super) sent: Vec<Instant>,
    /// Number and time of each packet that came, and from where.
    pub(super) heard: Vec<(u32, Instant)>,
    /// Packets that are not of the other side.
    pub(super) foreign: u64,
    /// How late the sending thread was woken at worst: what this machine's scheduler costs everybody.
    pub(super) noise: Duration,
}

/// Marks a payload as ours, and says which stream it is of.
const MARK: [u8; 4] = *b"RTRP";

impl Stream {
    /// Starts both ways at once. `own` marks what is sent, `theirs` what is expected.
    pub fn start(socket: &UdpSocket, to: SocketAddr, own: u32, theirs: u32) -> Stream {
        let log = Arc::new(Mutex::new(Diary::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let send = {
            let (socket, log, stop) = (socket.try_clone().expect("a clone"), log.clone(), stop.clone());
            std::thread::spawn(move || send(&socket, to, own, &log, &stop))
        };
        let hear = {
            let (socket, log, stop) = (socket.try_clone().expect("a clone"), log.clone(), stop.clone());
            std::thread::spawn(move || hear(&socket, theirs, &log, &stop))
        };
        Stream { log, stop, threads: vec![send, hear] }
    }

    pub(super) fn diary(&self) -> MutexGuard<'_, Diary> {
        self.log.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn send(socket: &UdpSocket, to: SocketAddr, own: u32, log: &Mutex<Diary>, stop: &AtomicBool) {
    let start = Instant::now();
    for n in 0u32.. {
        let due = start + Duration::from_millis(20) * n;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let packet = packet(own, n);
        let mut diary = log.lock().unwrap_or_else(|e| e.into_inner());
        diary.noise = diary.noise.max(Instant::now().saturating_duration_since(due));
        diary.sent.push(Instant::now());
        drop(diary);
        let _ = socket.send_to(&packet, to);
    }
}

/// PCMA of 20 ms whose first octets say which packet it is.
pub fn packet(own: u32, n: u32) -> [u8; 172] {
    let mut packet = [0xD5; 172];
    packet[0] = 0x80;
    packet[1] = 8;
    packet[2..4].copy_from_slice(&(n as u16).wrapping_add(1000).to_be_bytes());
    packet[4..8].copy_from_slice(&n.wrapping_mul(160).to_be_bytes());
    packet[8..12].copy_from_slice(&own.to_be_bytes());
    packet[12..16].copy_from_slice(&MARK);
    packet[16..20].copy_from_slice(&own.to_be_bytes());
    packet[20..24].copy_from_slice(&n.to_be_bytes());
    packet
}

fn hear(socket: &UdpSocket, theirs: u32, log: &Mutex<Diary>, stop: &AtomicBool) {
    let _ = socket.set_read_timeout(Some(Duration::from_millis(50)));
    let mut buffer = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        let Ok(n) = socket.recv(&mut buffer) else { continue };
        let now = Instant::now();
        let mut diary = log.lock().unwrap_or_else(|e| e.into_inner());
        let word =
            |at: usize| u32::from_be_bytes([buffer[at], buffer[at + 1], buffer[at + 2], buffer[at + 3]]);
        if n == 172 && buffer[12..16] == MARK && word(16) == theirs {
            diary.heard.push((word(20), now));
        } else {
            diary.foreign += 1;
        }
    }
}
