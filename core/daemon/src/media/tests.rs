//! A worker as the exchange has it: commands in, packets out, on sockets of the loopback.
#![allow(clippy::disallowed_methods)] // Looks at the clock.

use std::net::UdpSocket;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ringtrip_media::engine::Endpoint;
use ringtrip_media::session::MediaParameters;
use ringtrip_media::sound::{Codec, Direction, RtcpPort};
use ringtrip_media::telephone_event::Payload;
use ringtrip_media::transform::Protection;
use ringtrip_model::route::Keys;

use super::*;

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
        let tell: Tell = Box::new(move |_, event| drop(say.send(event)));
        let media = super::Media::start(tell, prompts, recorder).expect("a worker");
        let budget =
            crate::descriptors::Budget::of(4096, crate::descriptors::Wanted { calls: 100, boards: 0 });
        let lease = Pool::new((first_port, first_port + 99), &budget).0.lease().expect("free ports");
        let phone = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let bench = Bench { media, phone, lease, said, _folder: folder };
        bench.media.open(CALL, &bench.lease);
        let pcma = Codec::PCMA;
        let parameters = MediaParameters {
            remote: bench.phone.local_addr().expect("bound"),
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
        };
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
