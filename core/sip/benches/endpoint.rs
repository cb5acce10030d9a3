//! What the endpoint costs: an INVITE until the exchange gets it, and a REGISTER with its digest until its 200.

use std::cell::RefCell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ringtrip_sip::digest::{Algorithm, Client, Credentials, Guard, Secret, Verdict};
use ringtrip_sip::endpoint::{Ask, Endpoint, EndpointConfig, Flow, Input, Output, Told, Transport};
use ringtrip_sip::message::Method;
use ringtrip_sip::name::Name;
use ringtrip_sip::nonce::Nonces;
use ringtrip_sip::registrar::{Registrar, Registration, Rules};
use ringtrip_sip::{Headers, build};

fn flow() -> Flow {
    Flow {
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().expect("an address"),
        remote: "192.0.2.9:5060".parse().expect("an address"),
        connection: 0,
    }
}

fn invite(n: u64) -> Bytes {
    let sdp = "v=0\r\no=- 3957 3957 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
               m=audio 49170 RTP/AVP 0 8 9 96 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
               a=rtpmap:9 G722/8000\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n\
               a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";
    format!(
        "INVITE sip:102@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK{n:016x};rport\r\n\
         Max-Forwards: 70\r\nFrom: \"Alice\" <sip:101@192.0.2.1>;tag={n:x}\r\nTo: <sip:102@192.0.2.1>\r\n\
         Call-ID: {n:032x}@192.0.2.9\r\nCSeq: 1 INVITE\r\nContact: <sip:101@192.0.2.9:5060;transport=udp>\r\n\
         Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY, MESSAGE\r\n\
         Supported: replaces, 100rel, timer, norefersub\r\nSession-Expires: 1800\r\nMin-SE: 90\r\n\
         User-Agent: A telephone of some make 1.2.3\r\nP-Asserted-Identity: \"Alice\" <sip:101@192.0.2.1>\r\n\
         Accept: application/sdp\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
    .into()
}

// A benchmark needs some instant to count from.
#[allow(clippy::disallowed_methods)]
fn start() -> Instant {
    Instant::now()
}

/// An endpoint that is made anew before it holds more transactions than a busy exchange would.
fn fresh() -> Endpoint {
    Endpoint::new(EndpointConfig::default(), [1; 32])
}

fn invites(c: &mut Criterion) {
    let now = start();
    let endpoint = RefCell::new(fresh());
    let mut out = Vec::with_capacity(8);
    let mut n = 0;
    let next = || {
        if endpoint.borrow().held().servers >= 10_000 {
            *endpoint.borrow_mut() = fresh();
        }
    };
    c.bench_function("INVITE in, told", |b| {
        b.iter_batched(
            || {
                next();
                n += 1;
                invite(n)
            },
            |bytes| {
                out.clear();
                endpoint.borrow_mut().on(now, Input::Octets { flow: flow(), bytes }, &mut out);
                assert!(matches!(out[0], Output::Told(Told::Request { .. })));
            },
            BatchSize::SmallInput,
        );
    });
    c.bench_function("INVITE in, told, 180 and 486 out, ACK in", |b| {
        b.iter_batched(
            || {
                next();
                n += 1;
                let invite = invite(n);
                let ack = String::from_utf8_lossy(&invite)
                    .replace("INVITE sip", "ACK sip")
                    .replace("1 INVITE", "1 ACK");
                (invite, Bytes::from(ack))
            },
            |(invite, ack)| {
                let mut endpoint = endpoint.borrow_mut();
                out.clear();
                endpoint.on(now, Input::Octets { flow: flow(), bytes: invite }, &mut out);
                let Some(Output::Told(Told::Request { tx, request, .. })) = out.pop() else {
                    panic!("not told")
                };
                for code in [180, 486] {
                    let response = build::tagged(&request, code, "us");
                    endpoint.on(now, Input::Ask(Ask::Respond { tx, response }), &mut out);
                }
                endpoint.on(now, Input::Octets { flow: flow(), bytes: ack }, &mut out);
                assert_eq!(out.len(), 2);
            },
            BatchSize::SmallInput,
        );
    });
}

fn registers(c: &mut Criterion) {
    let now = start();
    let mut guard = Guard::new(
        "ringtrip",
        &[Algorithm::Sha256, Algorithm::Md5],
        Nonces::new([1; 32], now, Duration::from_secs(3600), 1000),
    );
    let secret = Secret::of_password("101", "ringtrip", "secret");
    let mut client = Client::new(Credentials { user: "101".into(), password: "secret".into(), realm: None });
    let mut challenge = Headers::default();
    guard.challenge(now, false).into_iter().for_each(|line| challenge.push(Name::WwwAuthenticate, line));
    client.challenged(&challenge).expect("our own challenge");
    let mut registrar = Registrar::new(Rules::default());
    let endpoint = RefCell::new(fresh());
    let (mut out, mut changes, mut n) = (Vec::new(), Vec::new(), 0u32);
    let aor = Bytes::from_static(b"101");
    c.bench_function("REGISTER in, digest verified, 200 out", |b| {
        b.iter_batched(
            || {
                if endpoint.borrow().held().servers >= 10_000 {
                    *endpoint.borrow_mut() = fresh();
                }
                n += 1;
                let (_, line) =
                    client.authorize(&Method::Register, b"sip:192.0.2.1", "0a4f113b").expect("challenged");
                let line = String::from_utf8_lossy(&line).into_owned();
                let text = format!(
                    "REGISTER sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK{n:016x};rport\r\n\
                     Max-Forwards: 70\r\nFrom: <sip:101@192.0.2.1>;tag={n:x}\r\nTo: <sip:101@192.0.2.1>\r\n\
                     Call-ID: a@192.0.2.9\r\nCSeq: {n} REGISTER\r\nContact: <sip:101@192.0.2.9:5060>\r\n\
                     Authorization: {line}\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n"
                );
                Bytes::from(text)
            },
            |bytes| {
                let mut endpoint = endpoint.borrow_mut();
                out.clear();
                changes.clear();
                endpoint.on(now, Input::Octets { flow: flow(), bytes }, &mut out);
                let Some(Output::Told(Told::Request { tx, request, flow })) = out.pop() else { panic!("not told") };
                let ask = (&request.method, &request.uri[..], &request.headers);
                let verdict = guard.verify(now, ask, &Name::Authorization, |_| Some(&secret));
                assert!(matches!(verdict, Verdict::Granted(_)), "{verdict:?}");
                let ask = Registration { aor: &aor, request: &request, flow, symmetric: true, date: None };
                let response = registrar.register(now, ask, &mut changes);
                assert_eq!(response.code, 200);
                endpoint.on(now, Input::Ask(Ask::Respond { tx, response }), &mut out);
                black_box(&out);
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, invites, registers);
criterion_main!(benches);
