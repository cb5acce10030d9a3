//! RFC 4475 and RFC 5118 at the door: every case gets its verdict, as a datagram and as a stream that is split at every
//! octet. What the exchange behind the door answers is tested on the wire, from the same table.

#[path = "torture/table.rs"]
#[allow(dead_code)]
mod table;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringtrip_sip::frame::{Frame, Framer, PATIENCE};
use ringtrip_sip::lex::{self, Broken, Limits};
use ringtrip_sip::message::{Message, Response};
use ringtrip_sip::name::Name;
use ringtrip_sip::screen::{self, Abilities, Refusal};

use table::{CASES, Case, Door, Stream};

/// Some instant to count from; no test looks at a clock after it.
#[allow(clippy::disallowed_methods)]
fn zero() -> Instant {
    Instant::now()
}

/// The verdict, and the answer if there is one.
fn judge(lexed: Result<Message, Broken>) -> (Door, Option<Response>) {
    let request = match lexed {
        Ok(Message::Request(request)) => request,
        Ok(Message::Response(response)) => match screen::response(&response) {
            Ok(_) => return (Door::Passes, None),
            Err(_) => return (Door::Drops, None),
        },
        Err(broken) => {
            let answer = broken.answer();
            return (answer.as_ref().map_or(Door::Drops, |a| Door::Answers(a.code)), answer);
        }
    };
    let can = Abilities::default();
    let (make, refusal): (fn(u16) -> Door, Refusal) = match screen::request(&request, &can) {
        Err(refusal) => (Door::Answers, refusal),
        Ok(_) => match screen::content(&request, &can) {
            Err(refusal) => (Door::Content, refusal),
            Ok(()) => return (Door::Passes, None),
        },
    };
    let answer = refusal.answer(&request);
    (answer.as_ref().map_or(Door::Drops, |a| make(a.code)), answer)
}

fn datagram(octets: Vec<u8>) -> (Door, Option<Response>) {
    judge(lex::message(octets.into(), &Limits::default()).map(|parsed| parsed.message))
}

/// What a stream gives when its octets come in these pieces: the verdict on its first message, and how it ends.
fn stream(pieces: &[&[u8]]) -> (Option<Door>, Stream) {
    let start = zero();
    let mut framer = Framer::new(Limits::default());
    let mut first = None;
    for piece in pieces {
        framer.push(start, piece);
        while let Some(frame) = framer.next(start) {
            let door = match frame {
                Frame::Message(message) => judge(Ok(message)).0,
                Frame::Broken(broken) => judge(Err(broken)).0,
                Frame::Fatal(broken) => {
                    let door = judge(Err(broken)).0;
                    return (Some(*first.get_or_insert(door)), Stream::Closes);
                }
                Frame::Ping | Frame::Late => continue,
            };
            first.get_or_insert(door);
        }
    }
    let late = framer.expire(start + PATIENCE) == Some(Frame::Late);
    (first, if late { Stream::Waits } else { Stream::Open })
}

fn check(case: &Case, origin: &str, octets: &[u8]) {
    let what = format!("{} ({}, {origin})", case.name, case.section);
    let (door, answer) = datagram(octets.to_vec());
    assert_eq!(door, case.door, "{what}: {answer:?}");

    // The same octets as a stream, whole and cut in two at each place, and octet by octet.
    let (whole, end) = stream(&[octets]);
    if octets.windows(4).any(|w| w == b"\r\n\r\n") && case.name != "dblreq" {
        assert_eq!(end, case.stream, "{what}: how the stream ends");
        if case.stream != Stream::Waits {
            assert_eq!(whole, Some(case.door), "{what}: over a stream");
        }
    }
    for at in 0..=octets.len() {
        let (head, tail) = octets.split_at(at);
        assert_eq!(stream(&[head, tail]), (whole, end), "{what}: split at {at}");
    }
    let single: Vec<&[u8]> = octets.chunks(1).collect();
    assert_eq!(stream(&single), (whole, end), "{what}: octet by octet");
}

#[test]
fn every_case_of_our_own_gets_its_verdict_whole_and_split_at_every_octet() {
    assert_eq!(CASES.iter().filter(|c| c.section.starts_with("4475")).count(), 49);
    assert_eq!(CASES.iter().filter(|c| c.section.starts_with("5118")).count(), 12);
    for case in CASES {
        check(case, "own", &case.message());
    }
}

#[test]
#[allow(clippy::disallowed_methods)] // Reads the messages of a folder.
fn every_message_of_the_rfcs_gets_its_verdict_whole_and_split_at_every_octet() {
    let Some(folder) = std::env::var_os("RINGTRIP_CORPUS").map(PathBuf::from) else {
        println!("skipped: RINGTRIP_CORPUS does not name a folder with rfc4475/ and rfc5118/");
        return;
    };
    for case in CASES {
        let path = folder.join(case.corpus_file());
        let file = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        check(case, "RFC", &case.mended(file));
    }
}

fn own(name: &str) -> Vec<u8> {
    CASES.iter().find(|c| c.name == name).expect("a case of the table").message()
}

fn request(name: &str) -> ringtrip_sip::Request {
    match lex::message(own(name).into(), &Limits::default()).map(|p| p.message) {
        Ok(Message::Request(request)) => request,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn what_passes_means_what_the_rfc_says() {
    let can = Abilities::default();
    let uri = |name: &str| screen::request(&request(name), &can).expect(name).target;

    // A user may hold `;` and an escaped `@`, and is decoded once.
    assert_eq!(uri("semiuri").user().unwrap(), &b"200;x=y@example.net"[..]);
    assert_eq!(uri("esc01").user().unwrap(), &b"sips:tess@example.net"[..]);
    let contact =
        ringtrip_sip::address::NameAddr::read(request("esc01").headers.get(&Name::Contact).unwrap()).unwrap();
    let contact = contact.uri.sip().unwrap().clone();
    assert!(contact.is_loose());
    assert_eq!(contact.param("key").unwrap(), &b"val%41"[..]);
    assert_eq!(contact.user.as_deref(), Some(&b"t%65ss"[..]));

    // An escaped NUL ends nothing.
    let to = screen::request(&request("escnull"), &can).unwrap().head.to;
    assert_eq!(to.uri.user().unwrap(), &b"a-\0-b"[..]);

    // A port inside the brackets is part of the address.
    assert_eq!(uri("port-ambiguous").sip().unwrap().port, None);
    assert_eq!(uri("port-unambiguous").sip().unwrap().port, Some(5072));
    assert_eq!(uri("ipv6-bug-abnf-3-colons"), uri("ipv6-correct-abnf-2-colons"));

    // A parameter outside the brackets is the header's, inside it is the URI's.
    let first = |name: &str| {
        ringtrip_sip::address::NameAddr::list(&request(name).headers, &Name::Contact).unwrap().remove(0)
    };
    assert!(
        first("cparam01").params.has("noveltag") && first("cparam01").uri.sip().unwrap().params.is_empty()
    );
    assert!(
        !first("cparam02").params.has("noveltag")
            && first("cparam02").uri.sip().unwrap().params.has("noveltag")
    );
    assert_eq!(
        first("regescrt").uri.sip().unwrap().headers.as_deref(),
        Some(&b"Route=%3Csip:hop.example.com%3E"[..])
    );

    // Unfolded, unquoted, and every Via found, in lines of one and of two.
    let wsinv = request("wsinv");
    let passed = screen::request(&wsinv, &can).unwrap();
    assert_eq!(passed.head.from.display.as_deref(), Some(&b"Tess \\\""[..]));
    assert_eq!(passed.head.to.tag(), Some(&b"77aa"[..]));
    assert_eq!(passed.max_forwards, Some(70));
    assert_eq!(passed.head.cseq.number, 12);
    assert_eq!(passed.head.via.branch(), Some(&b"old5tyle"[..]));
    assert_eq!(passed.head.via.unique_branch(), None);
    let vias: Vec<Bytes> = wsinv.headers.all(&Name::Via).flat_map(ringtrip_sip::list::split).collect();
    assert_eq!(vias.len(), 3);
    assert_eq!(ringtrip_sip::via::Via::read(&vias[2]).unwrap().branch(), Some(&b"z9hG4bKownB"[..]));
    assert_eq!(wsinv.headers.get(&Name::Other(Bytes::from_static(b"oddvalue"))).unwrap(), &b";;,,;;,;"[..]);
    assert_eq!(first("wsinv").q(), Some(250));

    // The body is the octets, whatever they are.
    let parts = request("mpart01").body;
    assert_eq!(parts.iter().filter(|b| **b == 0).count(), 2);
    // What follows the body in a datagram is dropped.
    assert!(request("dblreq").body.is_empty());
    let parsed = lex::message(own("dblreq").into(), &Limits::default()).unwrap();
    assert!(parsed.used < own("dblreq").len());
}

#[test]
fn answers_carry_what_was_found_and_invent_nothing() {
    let answer = |name: &str| datagram(own(name)).1.expect(name);
    let names = |r: &Response| {
        r.headers.iter().map(|(n, _)| String::from_utf8_lossy(n.as_bytes()).into_owned()).collect::<Vec<_>>()
    };

    assert_eq!(names(&answer("insuf")), ["CSeq", "Via"]);
    assert_eq!(answer("bext01").headers.text(&Name::Unsupported), Some("telepathy, clairvoyance"));
    assert!(answer("invut").headers.text(&Name::Accept).unwrap().contains("application/sdp"));
    assert!(answer("esc02").headers.text(&Name::Allow).unwrap().contains("INVITE"));
    // Even a header that could not be read goes back as it came.
    assert_eq!(
        answer("badvers").headers.text(&Name::Via),
        Some("SIP/3.1/UDP edge.example.com;branch=z9hG4bKvers")
    );
    assert_eq!(answer("quotbal").headers.text(&Name::To), Some("\"Desk 200 <sip:200@example.com>"));
    assert_eq!(names(&answer("clerr")), ["To", "From", "Call-ID", "CSeq", "Via"]);
    assert_eq!(answer("ncl").reason, &b"Malformed Content-Length"[..]);
}

#[test]
fn rfc_2543_syntax_with_a_contact_is_taken() {
    let text = String::from_utf8(own("inv2543")).unwrap().replacen(
        "CSeq:",
        "Contact: <sip:tess@edge.example.com>\r\nCSeq:",
        1,
    );
    assert_eq!(datagram(text.into_bytes()).0, Door::Passes);
}

#[test]
fn a_message_cut_before_its_empty_line_is_refused() {
    let mut octets = own("baddn");
    octets.truncate(octets.len() - 2);
    assert_eq!(datagram(octets.clone()).0, Door::Answers(400));
    let (door, end) = stream(&[&octets]);
    assert_eq!((door, end), (None, Stream::Waits));
}

#[test]
fn a_body_that_never_comes_closes_the_stream_after_ten_seconds() {
    let start = zero();
    let mut framer = Framer::new(Limits::default());
    framer.push(start, &own("clerr"));
    assert_eq!(framer.next(start), None);
    assert_eq!(framer.deadline(), Some(start + Duration::from_secs(10)));
    assert_eq!(framer.expire(start + Duration::from_millis(9_999)), None);
    assert_eq!(framer.expire(start + Duration::from_secs(10)), Some(Frame::Late));
    framer.push(start, b"more");
    assert_eq!((framer.next(start), framer.deadline()), (None, None));
}
