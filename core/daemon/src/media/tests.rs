//! A worker as the exchange has it: commands in, packets out, on sockets of the loopback.
#![allow(clippy::disallowed_methods)] // Looks at the clock.

use std::net::UdpSocket;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ringtrip_media::engine::{BridgeId, Endpoint};
use ringtrip_media::session::MediaParameters;
use ringtrip_media::sound::{Codec, Direction, RtcpPort};
use ringtrip_media::telephone_event::Payload;
use ringtrip_media::transform::Protection;
use ringtrip_model::route::Keys;

use super::*;

/// A-law with RFC 4733 to a socket of ours.
fn parameters(phone: &UdpSocket) -> MediaParameters {
    let pcma = Codec::PCMA;
    MediaParameters {
        remote: phone.local_addr().expect("bound"),
        also: None,
        agreement: 0,
        unreachable: false,
        local: None,
        rtcp: RtcpPort::Next,
        protection: Protection::None,
        send: pcma.clone(),
        receive: vec![pcma],
        telephone_event: Some(101),
        telephone_event_in: Some(101),
        ptime: 20,
        direction: Direction::SendRecv,
        timeout: None,
    }
}

/// A worker with one call, whose first end talks to a socket of ours with RFC 4733.
struct Bench {
    media: super::Media,
    phone: UdpSocket,
    lease: Lease,
    said: mpsc::Receiver<MediaEvent>,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new(first_port: u16) -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        let (prompts, _) = Prompts::open(folder.path());
        let recorder =
            Recorder::start(folder.path().to_owned(), Box::new(|why| panic!("{why}"))).expect("a thread");
        let (say, said) = mpsc::channel();
        let tell = || -> Tell {
            let say = say.clone();
            Box::new(move |_, event| drop(say.send(event)))
        };
        let media = super::Media::start(1, tell, &prompts, &recorder).expect("a worker");
        let budget =
            crate::descriptors::Budget::of(4096, crate::descriptors::Wanted { calls: 100, boards: 0 });
        let lease = Pool::new((first_port, first_port + 99), &budget, 1)
            .0
            .lease(PreferredWorker::Any)
            .expect("free ports");
        let phone = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let bench = Bench { media, phone, lease, said, _folder: folder };
        bench.media.open(CALL, &bench.lease);
        let parameters = parameters(&bench.phone);
        let port = bench.port();
        bench.media.send(MediaCommand::SetParameters { port, parameters: Box::new(parameters) });
        bench
    }

    fn port(&self) -> u16 {
        self.lease.ports()[0]
    }

    /// Packets of events until there were none for so long, with their time.
    fn events(&self, quiet: Duration) -> Vec<(Instant, Payload)> {
        self.phone.set_read_timeout(Some(quiet)).expect("a time");
        let (mut all, mut buffer) = (Vec::new(), [0; 2048]);
        while let Ok(n) = self.phone.recv(&mut buffer) {
            if n == 16 && buffer[1] & 0x7F == 101 {
                all.push((Instant::now(), Payload::parse(&buffer[12..n]).expect("four octets")));
            }
        }
        all
    }
}

const CALL: CallId = CallId(7);
const OTHER: CallId = CallId(8);

#[test]
fn one_key_and_none_after_it_is_sent_at_once() {
    let bench = Bench::new(31_000);
    let endpoint = Endpoint::Rtp(bench.port());
    for key in ["5", "#"] {
        let asked = Instant::now();
        let keys = Keys(key.to_owned());
        bench.media.send(MediaCommand::SendDigits { endpoint: endpoint.clone(), keys, on: 100, off: 50 });
        let events = bench.events(Duration::from_millis(500));
        let (first, _) = events.first().unwrap_or_else(|| panic!("{key} was not sent"));
        let late = first.saturating_duration_since(asked);
        assert!(late < Duration::from_millis(50), "the first packet of {key} came after {late:?}");
        assert_eq!(events.iter().filter(|(_, p)| p.end).count(), 3, "{key}: {events:?}");
        assert_eq!(events.last().map(|(_, p)| p.duration), Some(800), "{key}: {events:?}");
        assert_eq!(bench.said.try_recv(), Ok(MediaEvent::DigitsSent { endpoint: endpoint.clone() }));
    }
}

/// What one socket sends to a port of ours comes to the other.
#[track_caller]
fn crosses(from: &UdpSocket, port: u16, to: &UdpSocket, by: u16) {
    to.set_read_timeout(Some(Duration::from_millis(20))).expect("a time");
    let mut packet = [0x55; 172];
    packet[..12].copy_from_slice(&[0x80, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    for n in 0u16..200 {
        packet[2..4].copy_from_slice(&n.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(n) * 160).to_be_bytes());
        from.send_to(&packet, ("127.0.0.1", port)).expect("the loopback carries it");
        let mut heard = [0; 2048];
        if let Ok((172, source)) = to.recv_from(&mut heard) {
            assert_eq!(source.port(), by, "it comes from the port that the peer knows");
            assert_eq!(heard[12..172], packet[12..172]);
            return;
        }
    }
    panic!("nothing crosses from {port} to {by}");
}

#[test]
fn a_call_that_another_worker_takes_part_in_goes_on_at_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let (prompts, _) = Prompts::open(folder.path());
    let recorder =
        Recorder::start(folder.path().to_owned(), Box::new(|why| panic!("{why}"))).expect("a thread");
    let (say, said) = mpsc::channel();
    let tell = || -> Tell {
        let say = say.clone();
        Box::new(move |call, event| drop(say.send((call, event))))
    };
    let media = super::Media::start(2, tell, &prompts, &recorder).expect("two workers");
    let budget = crate::descriptors::Budget::of(4096, crate::descriptors::Wanted { calls: 100, boards: 0 });
    let (pool, _) = Pool::new((31_200, 31_299), &budget, 2);
    let (second, first) = (pool.lease(PreferredWorker::Others), pool.lease(PreferredWorker::First));
    let (second, first) = (second.expect("free ports"), first.expect("free ports"));
    let [a, b] = second.ports();
    let [c, _] = first.ports();
    assert!(a > c, "the second worker has the upper half");
    let phones = [a, b, c].map(|_| UdpSocket::bind("127.0.0.1:0").expect("a free port"));
    let open = |call, lease: &Lease, ports: &[(u16, &UdpSocket)]| {
        media.open(call, lease);
        for (port, phone) in ports {
            media.send(MediaCommand::SetParameters { port: *port, parameters: Box::new(parameters(phone)) });
        }
    };
    let bridge = |call, ports: [u16; 2]| {
        let members = ports.map(Endpoint::Rtp).to_vec();
        media.send(MediaCommand::Bridge { bridge: BridgeId::Call(call), members });
    };
    open(CALL, &second, &[(a, &phones[0]), (b, &phones[1])]);
    open(OTHER, &first, &[(c, &phones[2])]);
    bridge(CALL, [a, b]);
    crosses(&phones[0], a, &phones[1], b);
    // The third phone takes the place of the second.
    media.send(MediaCommand::Assign { endpoint: Endpoint::Rtp(c), call: CALL });
    bridge(CALL, [a, c]);
    crosses(&phones[0], a, &phones[2], c);
    crosses(&phones[2], c, &phones[0], a);
    media.send(MediaCommand::Close { call: CALL });
    media.send(MediaCommand::Close { call: OTHER });
    let mut closed: Vec<Endpoint> = (0..3)
        .map(|_| match said.recv_timeout(Duration::from_secs(5)) {
            Ok((Some(CALL), MediaEvent::Stats { endpoint, .. })) => endpoint,
            other => panic!("{other:?} for statistics"),
        })
        .collect();
    closed.sort();
    assert_eq!(closed, [c, a, b].map(Endpoint::Rtp), "each says its statistics, wherever it was");
    // The ports are their worker's again.
    open(OTHER, &second, &[(a, &phones[0]), (b, &phones[1])]);
    bridge(OTHER, [a, b]);
    crosses(&phones[0], a, &phones[1], b);
}
