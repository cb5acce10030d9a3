//! The engine in virtual time: packets and frames in, packets and frames out.

use std::f32::consts::TAU;

use super::*;
use crate::g711::Law;
use crate::goertzel::Goertzel;
use crate::level;
use crate::rtp::{Header, Packet};
use crate::session::MediaParameters;
use crate::sound::{Codec, Direction, RtcpPort};
use crate::tone::Tone;
use crate::transform::Protection;
use ringtrip_model::route::Keys;

const CALL: CallId = CallId(7);
const OTHER: CallId = CallId(8);
const PORTS: [u16; 4] = [20_000, 20_002, 20_004, 20_006];
const TONES: [f32; 4] = [500.0, 800.0, 1100.0, 1700.0];
const AMPLITUDE: f32 = 4000.0;

/// An engine, phones that say a tone each, and a board with two telephones.
struct Bench {
    engine: Engine,
    out: Output,
    now: Instant,
    /// Milliseconds since the beginning.
    ms: u64,
    phones: Vec<Phone>,
    /// What the telephones of the board say and have heard.
    telephones: Vec<(f32, Vec<i16>)>,
    recordings: Vec<RecordingOutput>,
    events: Vec<(Option<CallId>, MediaEvent)>,
    /// Packets of these many ms are lost.
    loss: Option<u64>,
}

struct Phone {
    hz: f32,
    law: Law,
    sent: u32,
    heard: Vec<i16>,
    packets: Vec<Header>,
}

fn addr(phone: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 10 + phone as u8], 4000))
}

fn parameters(phone: usize, law: Law) -> MediaParameters {
    let codec = if law == Law::A { Codec::PCMA } else { Codec::PCMU };
    MediaParameters {
        remote: addr(phone),
        also: None,
        agreement: 0,
        unreachable: false,
        local: None,
        rtcp: RtcpPort::Next,
        protection: Protection::None,
        send: codec.clone(),
        receive: vec![codec],
        telephone_event: Some(101),
        telephone_event_in: Some(101),
        ptime: 20,
        direction: Direction::SendRecv,
        timeout: None,
    }
}

fn jack(port: u16) -> Endpoint {
    Endpoint::Port(PortRef { board: "virtual".parse().expect("a name"), port })
}

fn at(samples: &[i16], hz: f32) -> f32 {
    let mut goertzel = Goertzel::new(hz);
    samples.iter().for_each(|&s| goertzel.push(f32::from(s)));
    level::dbm0(goertzel.take(samples.len()))
}

fn tone(hz: f32, from: usize, n: usize) -> Vec<i16> {
    (from..from + n).map(|t| (AMPLITUDE * (TAU * hz * t as f32 / 8000.0).sin()) as i16).collect()
}

impl Bench {
    /// With so many phones, all ports of one call.
    fn new(laws: &[Law]) -> Bench {
        #[allow(clippy::disallowed_methods)] // The only Instant there is; time is then added to it.
        let now = Instant::now();
        let find = Box::new(|name: &str| -> Option<Arc<[i16]>> {
            (name == "hello").then(|| Arc::from([3000; 800].as_slice()))
        });
        let mut bench = Bench {
            engine: Engine::new(now, find),
            out: Output::default(),
            now,
            ms: 0,
            phones: Vec::new(),
            telephones: Vec::new(),
            recordings: Vec::new(),
            events: Vec::new(),
            loss: None,
        };
        let ports: Vec<(u16, u64)> =
            PORTS[..laws.len()].iter().map(|port| (*port, u64::from(*port) << 40)).collect();
        bench.engine.on(now, Input::Open { call: CALL, ports: &ports }, &mut bench.out);
        for (n, law) in laws.iter().enumerate() {
            let (heard, packets) = (Vec::new(), Vec::new());
            bench.phones.push(Phone { hz: TONES[n], law: *law, sent: 0, heard, packets });
            let parameters = Box::new(parameters(n, *law));
            bench.command(MediaCommand::SetParameters { port: PORTS[n], parameters });
        }
        bench
    }

    /// Two telephones on a board, which say a tone each.
    fn with_board(mut self) -> Bench {
        let board = "virtual".parse().expect("a name");
        let opened = Input::BoardOpened { number: 0, board, ports: 2, samples: 80 };
        self.engine.on(self.now, opened, &mut self.out);
        self.telephones = vec![(TONES[2], Vec::new()), (TONES[3], Vec::new())];
        self
    }

    fn command(&mut self, command: MediaCommand) {
        self.out.clear();
        self.engine.on(self.now, Input::Command(command), &mut self.out);
        self.perform(None);
    }

    fn bridge(&mut self, members: &[Endpoint]) {
        self.command(MediaCommand::Bridge { bridge: BridgeId::Call(CALL), members: members.to_vec() });
    }

    fn perform(&mut self, received: Option<&[u8]>) {
        for transmit in &self.out.transmits {
            let bytes = self.out.bytes(transmit, received.unwrap_or_default());
            let Some(n) = (0..self.phones.len()).find(|n| addr(*n) == transmit.to) else { continue };
            assert_eq!(transmit.port, PORTS[n], "from the port that the phone knows");
            let packet = Packet::parse(bytes).expect("RTP");
            let phone = &mut self.phones[n];
            phone.packets.push(packet.header);
            if packet.header.pt < 96 {
                let mut samples = [0; 1000];
                let n = phone.law.decode(packet.payload, &mut samples);
                phone.heard.extend(&samples[..n]);
            }
        }
        self.events.append(&mut self.out.events);
        self.recordings.append(&mut self.out.recordings);
    }

    /// Lets so much time pass: each phone sends a packet every 20 ms, the board a frame every 10 ms.
    fn run(&mut self, ms: u64) {
        let until = self.ms + ms;
        while self.ms < until {
            while let Some(at) = self.engine.deadline().filter(|at| *at <= self.now) {
                self.out.clear();
                self.engine.on(self.now.max(at), Input::Timeout, &mut self.out);
                self.perform(None);
            }
            for n in 0..self.phones.len() {
                // They do not all send at the same moment.
                if self.ms % 20 == 3 * n as u64 {
                    self.send(n);
                }
            }
            if self.ms % 10 == 5 && !self.telephones.is_empty() {
                self.frame();
            }
            self.ms += 1;
            self.now += Duration::from_millis(1);
        }
    }

    fn send(&mut self, n: usize) {
        let phone = &mut self.phones[n];
        let samples = tone(phone.hz, phone.sent as usize * 160, 160);
        let mut payload = [0; 160];
        phone.law.encode(&samples, &mut payload);
        let header = Header {
            pt: if phone.law == Law::A { 8 } else { 0 },
            seq: phone.sent as u16,
            timestamp: phone.sent * 160,
            ssrc: 100 + n as u32,
            marker: false,
        };
        phone.sent += 1;
        if self.loss.is_some_and(|every| u64::from(phone.sent) % every == 0) {
            return;
        }
        let mut buffer = [0; 256];
        let len = header.write(&payload, &mut buffer).expect("fits");
        self.packet(n, &mut buffer, len);
    }

    fn packet(&mut self, n: usize, buffer: &mut [u8], len: usize) {
        self.out.clear();
        let packet = Datagram { buffer: &mut *buffer, len };
        self.engine.on(self.now, Input::Packet { port: PORTS[n], from: addr(n), packet }, &mut self.out);
        self.perform(Some(buffer));
    }

    fn frame(&mut self) {
        let mut heard = [0; 160];
        for (n, (hz, recorded)) in self.telephones.iter().enumerate() {
            for (t, s) in tone(*hz, recorded.len(), 80).into_iter().enumerate() {
                heard[2 * t + n] = s;
            }
        }
        let mut spoken = [0; 160];
        self.out.clear();
        let input =
            Input::Frame { number: 0, late: Duration::ZERO, queued: 0, heard: &heard, spoken: &mut spoken };
        self.engine.on(self.now, input, &mut self.out);
        assert!(!self.out.leave_out);
        for (n, (_, recorded)) in self.telephones.iter_mut().enumerate() {
            recorded.extend(spoken.iter().skip(n).step_by(2));
        }
        self.perform(None);
    }

    /// Levels of all tones in the last half second that this phone heard, dBm0.
    fn phone_hears(&self, n: usize) -> [f32; 4] {
        let heard = &self.phones[n].heard;
        TONES.map(|hz| at(&heard[heard.len().saturating_sub(4000)..], hz))
    }

    fn telephone_hears(&self, n: usize) -> [f32; 4] {
        let heard = &self.telephones[n].1;
        TONES.map(|hz| at(&heard[heard.len().saturating_sub(4000)..], hz))
    }
}

fn full() -> f32 {
    level::dbm0(AMPLITUDE * AMPLITUDE / 2.0)
}

#[track_caller]
fn check(heard: [f32; 4], expected: [bool; 4]) {
    for (n, (level, expected)) in heard.iter().zip(expected).enumerate() {
        match expected {
            true => assert!((level - full()).abs() < 1.0, "tone {n} at {level}: {heard:?}"),
            false => assert!(*level < full() - 30.0, "tone {n} at {level}: {heard:?}"),
        }
    }
}

#[test]
fn two_phones_of_one_codec_are_relayed_in_place() {
    let mut bench = Bench::new(&[Law::A, Law::A]);
    bench.bridge(&[Endpoint::Rtp(PORTS[0]), Endpoint::Rtp(PORTS[1])]);
    let mut buffer = [0xA5; 256];
    let header = Header { pt: 8, seq: 77, timestamp: 9, ssrc: 5, marker: false };
    let len = header.write(&[0x55; 160], &mut buffer).expect("fits");
    let before = buffer;
    bench.out.clear();
    let packet = Datagram { buffer: &mut buffer, len };
    bench.engine.on(bench.now, Input::Packet { port: PORTS[0], from: addr(0), packet }, &mut bench.out);
    let expected = Transmit {
        port: PORTS[1],
        channel: Channel::Rtp,
        source: None,
        to: addr(1),
        data: TransmitData::Received(172),
    };
    assert_eq!(bench.out.transmits, [expected]);
    assert_eq!(buffer, before, "octet by octet as it came");
    assert_eq!(bench.engine.deadline(), Some(bench.now), "no ticks, only the round of reports");
    assert_eq!(bench.engine.mixers(), 0);
}

#[test]
fn a_call_that_is_recorded_records_both_and_no_other() {
    let mut bench = Bench::new(&[Law::A, Law::Mu]);
    let ends = [Endpoint::Rtp(PORTS[0]), Endpoint::Rtp(PORTS[1])];
    bench.bridge(&ends);
    let [a, b] = ends;
    bench.command(MediaCommand::Record { call: CALL, a, b, file: "seven.wav".to_owned() });
    bench.run(2_000);
    bench.command(MediaCommand::Close { call: CALL });
    let mut sides = [Vec::new(), Vec::new()];
    for recording in &bench.recordings {
        match recording {
            RecordingOutput::Begin { call, file } => assert_eq!((*call, file.as_str()), (CALL, "seven.wav")),
            RecordingOutput::Frame { samples, .. } => {
                for (n, s) in samples.iter().enumerate() {
                    sides[n % 2].push(*s);
                }
            }
            RecordingOutput::End { call } => assert_eq!(*call, CALL),
        }
    }
    assert_eq!(sides[0].len() / 160, 100, "all of it");
    for (n, side) in sides.iter().enumerate() {
        assert!((at(&side[4000..12_000], TONES[n]) - full()).abs() < 0.5);
        assert!(at(&side[4000..12_000], TONES[1 - n]) < full() - 40.0);
    }
    check(bench.phone_hears(0), [false, true, false, false]);
}

#[test]
fn three_phones_and_a_telephone_hear_one_another() {
    let mut bench = Bench::new(&[Law::A, Law::Mu, Law::A]).with_board();
    // The third phone has the tone of the first telephone, which is not in the bridge.
    let members = [Endpoint::Rtp(PORTS[0]), Endpoint::Rtp(PORTS[1]), Endpoint::Rtp(PORTS[2]), jack(1)];
    bench.bridge(&members);
    bench.run(2_000);
    assert_eq!(bench.engine.mixers(), 1);
    check(bench.phone_hears(0), [false, true, true, true]);
    check(bench.phone_hears(1), [true, false, true, true]);
    check(bench.phone_hears(2), [true, true, false, true]);
    check(bench.telephone_hears(1), [true, true, true, false]);
    check(bench.telephone_hears(0), [false; 4]);
    // One phone after the other leaves: what is left is relayed, or goes by the jitter buffer.
    bench.bridge(&members[1..]);
    bench.run(1_000);
    check(bench.phone_hears(1), [false, false, true, true]);
    bench.bridge(&[members[1].clone(), members[3].clone()]);
    bench.run(1_000);
    assert_eq!(bench.engine.mixers(), 0);
    check(bench.phone_hears(1), [false, false, false, true]);
    check(bench.telephone_hears(1), [false, true, false, false]);
    bench.bridge(&members[1..2]);
    bench.run(1_000);
    check(bench.telephone_hears(1), [false; 4]);
}

#[test]
fn phones_alone_are_mixed_by_ticks_even_with_loss() {
    let mut bench = Bench::new(&[Law::A, Law::A, Law::Mu]);
    bench.loss = Some(25);
    let members = PORTS[..3].iter().map(|port| Endpoint::Rtp(*port)).collect::<Vec<_>>();
    bench.bridge(&members);
    bench.run(3_000);
    check(bench.phone_hears(0), [false, true, true, false]);
    check(bench.phone_hears(2), [true, true, false, false]);
    // One stream, a packet every 20 ms.
    let packets = &bench.phones[0].packets;
    assert!((145..=151).contains(&packets.len()), "{} packets", packets.len());
    for pair in packets.windows(2) {
        assert_eq!((pair[1].ssrc, pair[1].seq), (pair[0].ssrc, pair[0].seq.wrapping_add(1)));
    }
}

#[test]
fn an_endpoint_is_in_one_bridge_and_keeps_its_stream_when_it_moves() {
    let mut bench = Bench::new(&[Law::A, Law::A, Law::A]);
    let [a, b, c] = [0, 1, 2].map(|n| Endpoint::Rtp(PORTS[n]));
    bench.bridge(&[a.clone(), b.clone()]);
    bench.run(1_000);
    check(bench.phone_hears(0), [false, true, false, false]);
    // The second is handed to another call, which talks to the third.
    bench.command(MediaCommand::Assign { endpoint: Endpoint::Rtp(PORTS[1]), call: OTHER });
    bench.command(MediaCommand::Bridge { bridge: BridgeId::Call(OTHER), members: vec![b, c] });
    bench.run(1_000);
    check(bench.phone_hears(1), [false, false, true, false]);
    check(bench.phone_hears(2), [false, true, false, false]);
    let (heard, sent) = (bench.phones[0].heard.len(), bench.phones[1].packets.clone());
    for pair in sent.windows(2) {
        assert_eq!((pair[1].ssrc, pair[1].seq), (pair[0].ssrc, pair[0].seq.wrapping_add(1)), "one stream");
    }
    // The first call ends; the endpoint that was handed over goes on.
    bench.command(MediaCommand::Close { call: CALL });
    let stats = |bench: &Bench, call: CallId| {
        let of = |(to, event): &&(Option<CallId>, MediaEvent)| {
            *to == Some(call) && matches!(event, MediaEvent::Stats { .. })
        };
        bench.events.iter().filter(of).count()
    };
    assert_eq!((stats(&bench, CALL), stats(&bench, OTHER)), (2, 0));
    assert!(bench.engine.has_port(PORTS[1]) && !bench.engine.has_port(PORTS[0]));
    bench.run(500);
    assert_eq!(bench.phones[0].heard.len(), heard, "nothing reaches the first any more");
    bench.command(MediaCommand::Close { call: OTHER });
    assert_eq!(stats(&bench, OTHER), 1);
    assert!(bench.engine.is_idle() && bench.engine.deadline().is_none());
}

#[test]
fn a_closed_endpoint_leaves_the_bridge_of_another_call() {
    let mut bench = Bench::new(&[Law::A, Law::A, Law::A]);
    let [a, b, c] = [0, 1, 2].map(|n| Endpoint::Rtp(PORTS[n]));
    bench.command(MediaCommand::Assign { endpoint: Endpoint::Rtp(PORTS[2]), call: OTHER });
    bench.bridge(&[a, b, c]);
    assert_eq!(bench.engine.mixers(), 1);
    bench.command(MediaCommand::Close { call: OTHER });
    assert_eq!(bench.engine.mixers(), 0, "two are left, and relayed");
    bench.run(1_000);
    check(bench.phone_hears(0), [false, true, false, false]);
}

#[test]
fn a_muted_member_hears_nothing_and_is_heard() {
    let mut bench = Bench::new(&[Law::A, Law::A, Law::A]);
    let members = [0, 1, 2].map(|n| Endpoint::Rtp(PORTS[n]));
    bench.bridge(&members);
    bench.command(MediaCommand::Mute { endpoint: members[0].clone(), on: true });
    bench.run(1_500);
    check(bench.phone_hears(0), [false; 4]);
    assert!(bench.phones[0].heard.len() > 11_000, "silence flows on");
    check(bench.phone_hears(1), [true, false, true, false]);
    bench.command(MediaCommand::Mute { endpoint: members[0].clone(), on: false });
    bench.run(1_000);
    check(bench.phone_hears(0), [false, true, true, false]);
}

#[test]
fn a_telephone_and_a_phone_talk_with_keys_as_events() {
    let mut bench = Bench::new(&[Law::A]).with_board();
    bench.bridge(&[Endpoint::Rtp(PORTS[0]), jack(0)]);
    bench.run(1_500);
    check(bench.phone_hears(0), [false, false, true, false]);
    check(bench.telephone_hears(0), [true, false, false, false]);
    let endpoint = Endpoint::Rtp(PORTS[0]);
    bench.command(MediaCommand::SendDigits {
        endpoint: endpoint.clone(),
        keys: Keys("5".to_owned()),
        on: 100,
        off: 50,
    });
    bench.run(500);
    let events = bench.phones[0].packets.iter().filter(|header| header.pt == 101).count();
    assert!((7..=9).contains(&events), "{events} packets of an event of 100 ms");
    assert!(bench.events.contains(&(Some(CALL), MediaEvent::DigitsSent { endpoint })));
}

#[test]
fn tones_and_announcements_end_and_are_told() {
    let mut bench = Bench::new(&[Law::A]);
    let endpoint = Endpoint::Rtp(PORTS[0]);
    let tone: Tone = "440@-16;0.3(0.3/0/1)".parse().expect("a tone");
    bench.command(MediaCommand::PlayTone { endpoint: endpoint.clone(), tone });
    bench.run(1_000);
    assert!(bench.events.contains(&(Some(CALL), MediaEvent::ToneEnded { endpoint: endpoint.clone() })));
    let loud = bench.phones[0].heard.iter().filter(|s| s.unsigned_abs() > 500).count();
    assert!((1_500..2_600).contains(&loud), "{loud} samples of 0.3 s");
    for (prompt, played) in [("hello", 800), ("no such", 0)] {
        bench.events.clear();
        let before = bench.phones[0].heard.len();
        let prompt = prompt.to_owned();
        bench.command(MediaCommand::PlayPrompt { call: CALL, endpoint: endpoint.clone(), prompt });
        bench.run(400);
        assert_eq!(bench.phones[0].heard.len() - before, played);
        assert_eq!(bench.events, [(Some(CALL), MediaEvent::Played { endpoint: endpoint.clone() })]);
    }
}

#[test]
fn a_board_that_goes_leaves_a_mixer_by_ticks() {
    let mut bench = Bench::new(&[Law::A, Law::A]).with_board();
    bench.bridge(&[Endpoint::Rtp(PORTS[0]), Endpoint::Rtp(PORTS[1]), jack(0)]);
    bench.run(1_000);
    check(bench.phone_hears(0), [false, true, true, false]);
    bench.telephones.clear();
    let board = "virtual".parse().expect("a name");
    bench.engine.on(bench.now, Input::BoardClosed { board }, &mut bench.out);
    bench.run(1_000);
    check(bench.phone_hears(0), [false, true, false, false]);
}

#[test]
fn an_endpoint_goes_to_another_engine_and_its_peer_notices_nothing() {
    let (mut one, mut two) = (Bench::new(&[Law::A, Law::A]), Bench::new(&[]));
    let members = [0, 1].map(|n| Endpoint::Rtp(PORTS[n]));
    one.bridge(&members);
    one.command(MediaCommand::Record {
        call: CALL,
        a: members[0].clone(),
        b: members[1].clone(),
        file: "a.wav".to_owned(),
    });
    one.run(1_000);
    // The bridge is there before its second member has come.
    let first = one.engine.give(one.now, PORTS[0]).expect("it has that port");
    assert_eq!(first.call(), CALL);
    assert!(one.engine.give(one.now, PORTS[0]).is_none(), "it is gone");
    two.engine.take(one.now, first);
    two.bridge(&members);
    let second = one.engine.give(one.now, PORTS[1]).expect("it has that port");
    two.engine.take(one.now, second);
    assert!(one.engine.is_idle(), "nothing is left behind");
    (two.now, two.ms, two.phones) = (one.now, one.ms, std::mem::take(&mut one.phones));
    two.run(1_000);
    check(two.phone_hears(0), [false, true, false, false]);
    check(two.phone_hears(1), [true, false, false, false]);
    for phone in &two.phones {
        assert!(phone.packets.len() >= 99, "{}", phone.packets.len());
        for pair in phone.packets.windows(2) {
            assert_eq!(
                (pair[1].ssrc, pair[1].seq),
                (pair[0].ssrc, pair[0].seq.wrapping_add(1)),
                "one stream"
            );
        }
    }
    two.command(MediaCommand::Close { call: CALL });
    let frames = |bench: &Bench| {
        bench.recordings.iter().filter(|output| matches!(output, RecordingOutput::Frame { .. })).count()
    };
    let (before, after) = (frames(&one), frames(&two));
    assert!((98..=102).contains(&(before + after)) && after > 40, "{before} and {after} frames of 20 ms");
    assert!(matches!(two.recordings.last(), Some(RecordingOutput::End { call: CALL })));
    assert!(two.engine.is_idle());
}
