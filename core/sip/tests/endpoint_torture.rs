//! The torture messages of RFC 4475 on the wire: what the endpoint answers by itself, and that it keeps nothing of those
//! that it refuses or drops. The byte-exact set is read from the folder that `RINGTRIP_CORPUS` names; without it the same
//! ground is covered by the messages written in `torture/` and in the endpoint's own tests.

use std::path::PathBuf;
use std::time::Instant;

use bytes::Bytes;
use ringtrip_sip::Message;
use ringtrip_sip::endpoint::{Endpoint, EndpointConfig, Flow, Held, Input, Output, Told, Transport};
use ringtrip_sip::lex::{self, Limits};

/// What comes of a message.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// Answered at the door with this code; nothing is held.
    Answered(u16),
    /// Handed to the exchange, which authenticates and judges further.
    Told,
    /// Not a word, and nothing is held.
    Dropped,
}
use Fate::*;

// A test needs some instant to count from.
#[allow(clippy::disallowed_methods)]
fn fate(bytes: Bytes) -> (Fate, Held) {
    let flow = Flow {
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().expect("an address"),
        remote: "192.0.2.9:40000".parse().expect("an address"),
        connection: 0,
    };
    let mut endpoint: Endpoint = Endpoint::new(EndpointConfig::default(), [5; 32]);
    let mut out = Vec::new();
    endpoint.on(Instant::now(), Input::Octets { flow, bytes }, &mut out);
    assert!(out.len() <= 1, "one word at most: {out:?}");
    let fate = match out.pop() {
        None => Dropped,
        Some(Output::Told(Told::Request { .. })) => Told,
        Some(Output::Told(told)) => panic!("{told:?}"),
        Some(Output::Transmit(transmit)) => {
            assert_eq!(transmit.flow, flow);
            let parsed = lex::message(transmit.bytes, &Limits::default()).expect("we send what we read");
            let Message::Response(response) = parsed.message else { panic!("{parsed:?}") };
            Answered(response.code)
        }
    };
    (fate, endpoint.held())
}

#[test]
#[allow(clippy::disallowed_methods)] // Reads the messages of a folder.
fn every_message_meets_its_fate() {
    let Some(corpus) = std::env::var_os("RINGTRIP_CORPUS").map(PathBuf::from) else {
        eprintln!("RINGTRIP_CORPUS is not set; only the messages of this repository were tried");
        return;
    };
    let folder = corpus.join("rfc4475");
    let told = [
        "wsinv", "esc01", "escnull", "longreq", "dblreq", "baddate", "invut", "regaut01", "cparam01",
        "cparam02", "regescrt", "sdp01",
    ];
    let answered = [
        ("intmeth", 501),
        ("esc02", 501),
        ("badinv01", 400),
        ("clerr", 400),
        ("ncl", 400),
        ("scalar02", 400),
        ("quotbal", 400),
        ("ltgtruri", 400),
        ("lwsruri", 400),
        ("lwsstart", 400),
        ("trws", 400),
        ("escruri", 400),
        ("regbadct", 400),
        ("badaspec", 400),
        ("baddn", 400),
        ("badvers", 505),
        ("mismatch01", 400),
        ("mismatch02", 501),
        ("badbranch", 400),
        ("insuf", 400),
        ("unkscm", 416),
        ("novelsc", 416),
        ("unksm2", 400),
        ("bext01", 420),
        ("multi01", 400),
        ("mcl01", 400),
        ("inv2543", 400),
        ("zeromf", 200),
        ("mpart01", 415),
        ("lwsdisp", 200),
        ("semiuri", 200),
        ("transports", 200),
    ];
    let dropped = ["unreason", "noreason", "scalarlg", "bigcode", "bcast"];
    let wanted = told.iter().map(|name| (*name, Told));
    let wanted = wanted.chain(answered.iter().map(|(name, code)| (*name, Answered(*code))));
    let wanted: Vec<(&str, Fate)> = wanted.chain(dropped.iter().map(|name| (*name, Dropped))).collect();
    assert_eq!(wanted.len(), 49, "all of them");
    let mut wrong = Vec::new();
    for (name, want) in wanted {
        let path = folder.join(format!("{name}.dat"));
        let octets = std::fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let (got, held) = fate(octets.into());
        if got != want || held.servers != usize::from(got == Told) {
            wrong.push(format!("{name}: {got:?} instead of {want:?}, {held:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_datagram_of_noise_is_dropped() {
    for noise in
        [&b"\r\n\r\n"[..], b"", b"\0", b"SIP/2.0 200 OK\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]
    {
        assert_eq!(
            fate(Bytes::copy_from_slice(noise)),
            (Dropped, Held { servers: 0, clients: 0 }),
            "{noise:?}"
        );
    }
}
