//! An INVITE of 1.1 kB with SDP: lexed, and lexed and routed (top Via, From, To, Call-ID, CSeq, and what names its
//! transaction), beside rsip's parser on the same octets. The goal is 2 µs routed.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use ringtrip_sip::lex::{self, Limits};
use ringtrip_sip::message::Message;
use ringtrip_sip::screen::{self, Abilities, MandatoryHeaders};

// The message that the allocation test counts; its tests are not run here.
#[allow(dead_code, unused_imports)]
#[path = "../tests/invite.rs"]
mod invite;

fn lexing(c: &mut Criterion) {
    let octets = invite::octets();
    let limits = Limits::default();
    let can = Abilities::default();
    let mut group = c.benchmark_group(format!("INVITE of {} octets", octets.len()));
    // Each turn takes octets that were just read: a copy and its allocation are in the figure.
    group.bench_function("copy only", |b| b.iter(|| black_box(Bytes::copy_from_slice(&octets))));
    group.bench_function("lex", |b| {
        b.iter(|| black_box(lex::message(Bytes::copy_from_slice(&octets), &limits)))
    });
    group.bench_function("lex and route", |b| {
        b.iter(|| black_box(route(Bytes::copy_from_slice(&octets), &limits)))
    });
    group.bench_function("lex, route and screen", |b| {
        b.iter(|| {
            let parsed = lex::message(Bytes::copy_from_slice(&octets), &limits).expect("a message");
            let Message::Request(request) = parsed.message else { panic!("a request") };
            black_box(screen::request(&request, &can).expect("passes"));
            black_box(request)
        });
    });
    group.bench_function("rsip parse", |b| b.iter(|| black_box(rsip::SipMessage::try_from(&octets[..]))));
    group.finish();
}

/// The message, its envelope, and its transaction's name.
fn route(
    octets: Bytes,
    limits: &Limits,
) -> (Message, MandatoryHeaders, (Bytes, ringtrip_sip::host::Host, Option<u16>)) {
    let message = lex::message(octets, limits).expect("a message").message;
    let Message::Request(request) = &message else { panic!("a request") };
    let envelope = MandatoryHeaders::read(&request.headers).expect("an envelope");
    let key = (
        envelope.via.params.bytes("branch").expect("a branch"),
        envelope.via.host.clone(),
        envelope.via.port,
    );
    (message, envelope, key)
}

criterion_group!(benches, lexing);
criterion_main!(benches);
