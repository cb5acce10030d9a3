//! What costs time at every packet or frame.

// A bench reads the clock.
#![allow(clippy::disallowed_methods)]

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use ringtrip_media::callerid::FskReceiver;
use ringtrip_media::dtmf::DtmfDetector;
use ringtrip_media::g711::Law;
use ringtrip_media::jitter::JitterBuffer;
use ringtrip_media::rtp::Header;
use ringtrip_media::sdp::Sdp;
use ringtrip_media::session::{Datagram, MediaParameters, RtpSession, relay};
use ringtrip_media::sound::{Codec, Direction, RtcpPort};
use ringtrip_media::tone::{Tone, ToneGen};
use ringtrip_media::transform::Protection;

fn parameters(remote: SocketAddr, send: Codec) -> MediaParameters {
    MediaParameters {
        remote,
        also: None,
        agreement: 0,
        unreachable: false,
        local: None,
        rtcp: RtcpPort::Next,
        protection: Protection::None,
        ptime: 20,
        receive: vec![Codec::PCMA, Codec::PCMU],
        send,
        telephone_event: Some(101),
        telephone_event_in: Some(101),
        direction: Direction::SendRecv,
        timeout: None,
    }
}

fn packets(c: &mut Criterion) {
    let now = Instant::now();
    let from: SocketAddr = ([192, 0, 2, 1], 4000).into();
    for (name, send) in [("relay step, same codec", Codec::PCMA), ("relay step, A-law to µ-law", Codec::PCMU)]
    {
        let (mut a, mut b) = (RtpSession::new(now, 1 << 40), RtpSession::new(now, 2 << 40));
        a.set_parameters(now, parameters(from, Codec::PCMA));
        b.set_parameters(now, parameters(([198, 51, 100, 2], 6000).into(), send));
        let mut header = Header { pt: 8, ssrc: 7, ..Header::default() };
        let mut packet = [0xD5u8; 172];
        c.bench_function(name, |bench| {
            bench.iter(|| {
                header.seq = header.seq.wrapping_add(1);
                header.timestamp = header.timestamp.wrapping_add(160);
                packet[0] = 0x80;
                header.overwrite(&mut packet);
                let mut datagram = Datagram { buffer: &mut packet, len: 172 };
                black_box(relay(&mut a, &mut b, now, from, &mut datagram))
            })
        });
    }
    let mut buffer = JitterBuffer::new();
    let mut header = Header { pt: 8, ssrc: 7, ..Header::default() };
    let (samples, mut out) = ([100i16; 160], [0i16; 160]);
    c.bench_function("jitter buffer, push and pull a frame", |bench| {
        bench.iter(|| {
            header.seq = header.seq.wrapping_add(1);
            header.timestamp = header.timestamp.wrapping_add(160);
            buffer.push(&header, &samples);
            buffer.pull(black_box(&mut out));
        })
    });
}

fn frames(c: &mut Criterion) {
    let mut tone = ToneGen::new(&Tone::parse("697@-10,1209@-8;*(.1/.1/1+2)").expect("a tone"));
    let mut audio = vec![0i16; 160 * 50];
    tone.fill(&mut audio);
    let mut detector = DtmfDetector::new();
    let mut at = 0;
    c.bench_function("DTMF detection, a frame of 20 ms", |bench| {
        bench.iter(|| {
            at = (at + 160) % audio.len();
            detector.push(&audio[at..at + 160], |h| {
                black_box(h);
            });
        })
    });
    let mut fsk = FskReceiver::new();
    c.bench_function("caller-ID listening, a frame of 20 ms", |bench| {
        bench.iter(|| {
            at = (at + 160) % audio.len();
            black_box(fsk.push(&audio[at..at + 160]))
        })
    });
    let mut frame = [0i16; 160];
    c.bench_function("tone of two components, a frame of 20 ms", |bench| {
        bench.iter(|| tone.fill(black_box(&mut frame)))
    });
    let mut bytes = [0u8; 160];
    c.bench_function("G.711 encoding, a frame of 20 ms", |bench| {
        bench.iter(|| Law::A.encode(black_box(&audio[..160]), black_box(&mut bytes)))
    });
}

fn descriptions(c: &mut Criterion) {
    let body = b"v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n\
        m=audio 49170 RTP/AVP 9 8 0 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";
    c.bench_function("SDP parse", |bench| bench.iter(|| Sdp::parse(black_box(body)).map(|s| s.sound())));
}

criterion_group!(media, packets, frames, descriptions);
criterion_main!(media);
