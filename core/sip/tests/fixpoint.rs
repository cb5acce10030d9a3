//! Whatever comes in, nothing panics; what is taken can be written and read again as the same; and reading costs in
//! proportion to what is read.

#[path = "torture/table.rs"]
#[allow(dead_code)]
mod table;

use std::time::Instant;

use bytes::Bytes;
use proptest::prelude::*;
use ringtrip_sip::address::{Contacts, NameAddr};
use ringtrip_sip::cseq::CSeq;
use ringtrip_sip::frame::{Frame, Framer};
use ringtrip_sip::lex::{self, Limits};
use ringtrip_sip::list;
use ringtrip_sip::message::Message;
use ringtrip_sip::name::Name;
use ringtrip_sip::params::Params;
use ringtrip_sip::screen::{self, Abilities};
use ringtrip_sip::uri::Uri;
use ringtrip_sip::via::Via;

/// Everything that reads octets, on these octets.
fn read_all(octets: &Bytes) {
    if let Ok(uri) = Uri::read(octets) {
        let again = Uri::read(&uri.write()).unwrap_or_else(|e| panic!("{uri}: {e}"));
        assert_eq!(uri, again, "{uri}");
        assert_eq!(uri.write(), again.write());
        if let Some(record) = uri.record() {
            assert_eq!(Uri::read(&record).expect("a record is a URI").record(), Some(record));
        }
    }
    if let Ok(address) = NameAddr::read(octets) {
        let again = NameAddr::read(&address.write()).unwrap_or_else(|e| panic!("{address:?}: {e}"));
        assert_eq!(address.uri, again.uri);
        assert_eq!(address.params, again.params);
        let _ = (address.tag(), address.q(), address.expires(), address.instance());
    }
    if let Ok(mut via) = Via::read(octets) {
        assert_eq!(Via::read(&via.write()), Ok(via.clone()));
        let _ = (via.received(), via.rport(), via.unique_branch(), via.reply_to());
        via.stamp(([192, 0, 2, 1], 5060).into());
        assert_eq!(via.received(), via.received().or(via.host.ip()).filter(|_| via.received().is_some()));
        assert!(Via::read(&via.write()).is_ok());
    }
    if let Ok(cseq) = CSeq::read(octets) {
        assert_eq!(CSeq::read(&cseq.write()), Ok(cseq));
    }
    if let Ok(params) = Params::read(octets) {
        assert_eq!(params.iter().count(), params.len());
    }
    let _ = list::split(octets).count();
}

/// Lexed, written, lexed: the same but for the spelling of names, folds and Content-Length.
fn fixpoint(octets: &[u8]) {
    let limits = Limits::default();
    let can = Abilities::default();
    match lex::message(Bytes::copy_from_slice(octets), &limits) {
        Err(broken) => {
            if let Some(answer) = broken.answer() {
                // What we send, everyone must be able to read.
                let again = lex::message(answer.write(), &limits).expect("our answer is a message");
                assert!(matches!(again.message, Message::Response(_)));
            }
        }
        Ok(parsed) => {
            assert!(parsed.used <= octets.len());
            let write = |m: &Message| match m {
                Message::Request(r) => r.write(),
                Message::Response(r) => r.write(),
            };
            let once = write(&parsed.message);
            let second = lex::message(once.clone(), &limits).expect("what is written can be read");
            assert_eq!(write(&second.message), once);
            if let Message::Request(request) = &parsed.message {
                if screen::request(request, &can).is_ok() {
                    let _ = screen::content(request, &can);
                }
                for (_, value) in request.headers.iter() {
                    read_all(value);
                }
                read_all(&request.uri);
                let _ = Contacts::read(&request.headers);
            }
        }
    }
}

/// Some instant to count from; no test looks at a clock after it.
#[allow(clippy::disallowed_methods)]
fn zero() -> Instant {
    Instant::now()
}

/// The frames that these pieces give.
fn frames(pieces: &[&[u8]]) -> Vec<Frame> {
    let now = zero();
    let mut framer = Framer::new(Limits::default());
    let mut out = Vec::new();
    for piece in pieces {
        framer.push(now, piece);
        out.extend(std::iter::from_fn(|| framer.next(now)));
    }
    out
}

/// One change of a message, at a place given as a share of its length.
#[derive(Debug, Clone)]
enum Change {
    Set(u16, u8),
    Insert(u16, Vec<u8>),
    Cut(u16, u8),
    Double(u16, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let odd = prop::sample::select(vec![
        &b"\r\n"[..],
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b"\r\n ",
        b"\"",
        b"\\",
        b"<",
        b">",
        b";",
        b",",
        b":",
        b"=",
        b"@",
        b"?",
        b"%",
        b"%00",
        b"%zz",
        b"[",
        b"]",
        b"::",
        b"*",
        b"\0",
        b"\xff",
        b"\xc3\xa9",
        b"/",
        b"sip:",
        b"0",
        b"99999999999999999999",
        b"-1",
        b"Content-Length: 3\r\n",
        b"l: 70000\r\n",
    ]);
    prop_oneof![
        (any::<u16>(), any::<u8>()).prop_map(|(at, b)| Change::Set(at, b)),
        (any::<u16>(), odd).prop_map(|(at, odd)| Change::Insert(at, odd.to_vec())),
        (any::<u16>(), any::<u8>()).prop_map(|(at, n)| Change::Cut(at, n)),
        (any::<u16>(), any::<u8>()).prop_map(|(at, n)| Change::Double(at, n)),
    ]
}

fn apply(octets: &mut Vec<u8>, change: &Change) {
    let place = |at: u16| usize::from(at) * octets.len() / 65_536;
    match change {
        Change::Set(at, b) => {
            let at = place(*at);
            if let Some(octet) = octets.get_mut(at) {
                *octet = *b;
            }
        }
        Change::Insert(at, odd) => {
            let at = place(*at);
            octets.splice(at..at, odd.iter().copied());
        }
        Change::Cut(at, n) => {
            let at = place(*at);
            let end = (at + usize::from(*n)).min(octets.len());
            octets.drain(at..end);
        }
        Change::Double(at, n) => {
            let at = place(*at);
            let end = (at + usize::from(*n)).min(octets.len());
            let piece = octets[at..end].to_vec();
            octets.splice(at..at, piece);
        }
    }
}

/// 2,000 cases each, or more if `PROPTEST_CASES` says so.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(2_000), failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_changed_message_never_panics_and_is_read_as_it_is_written(
        which in 0..table::CASES.len(),
        changes in prop::collection::vec(change(), 0..6),
    ) {
        let mut octets = table::CASES[which].message();
        for change in &changes {
            apply(&mut octets, change);
        }
        fixpoint(&octets);
    }

    #[test]
    fn a_changed_value_never_panics(
        value in prop::sample::select(vec![
            "\"Tess \\\" R\" <sip:t%41:pw@[2001:db8::1]:5060;lr;x=y?a=b&c=d>;tag=1;+sip.instance=\"<urn:uuid:1>\";q=0.5",
            "sip:tess@example.com:5060;transport=tcp;lr?Subject=a",
            "tel:+44-20-7946-0123;phone-context=example.com",
            "sip:tess@example.com;tag=1",
            "SIP / 2.0 / UDP [2001:db8::1] : 5060 ; rport ; received=[2001:db8::2];branch=z9hG4bK1 ;maddr=192.0.2.1",
            "4294967295 INVITE",
            ";a=\"b;c\";d;e=f",
            "<sip:a@b>, \"x, y\" <sip:c,d@e>;z, *",
        ]),
        changes in prop::collection::vec(change(), 0..5),
    ) {
        let mut octets = value.as_bytes().to_vec();
        for change in &changes {
            apply(&mut octets, change);
        }
        read_all(&octets.into());
    }

    #[test]
    fn any_octets_at_all_never_panic(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        fixpoint(&octets);
        read_all(&octets.into());
    }

    #[test]
    fn a_stream_gives_the_same_frames_however_it_is_split(
        which in prop::collection::vec(0..table::CASES.len(), 1..4),
        changes in prop::collection::vec(change(), 0..4),
        cuts in prop::collection::vec(any::<u16>(), 0..6),
    ) {
        let mut octets: Vec<u8> = which.iter().flat_map(|n| table::CASES[*n].message()).collect();
        for change in &changes {
            apply(&mut octets, change);
        }
        let mut places: Vec<usize> = cuts.iter().map(|at| usize::from(*at) * octets.len() / 65_536).collect();
        places.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for at in places {
            pieces.push(&octets[from..at]);
            from = at;
        }
        pieces.push(&octets[from..]);
        prop_assert_eq!(frames(&[&octets]), frames(&pieces));
    }
}

/// Every valid message of ours comes out as it went in, octet for octet, when its names are long and nothing is folded.
#[test]
fn a_plain_message_is_written_as_it_was_read() {
    for name in ["badbranch", "zeromf", "ipv4-mapped-ipv6", "mult-ip-in-header"] {
        let case = table::CASES.iter().find(|c| c.name == name).expect("a case");
        let text =
            String::from_utf8(case.message()).expect("text").replace("\r\nl: 0", "\r\nContent-Length: 0");
        let parsed = lex::message(Bytes::from(text.clone()), &Limits::default()).expect(name);
        let Message::Request(request) = parsed.message else { panic!("{name}: a response") };
        // Content-Length goes last; all else keeps its place.
        let (head, body) = text.split_once("\r\n\r\n").expect("an end");
        let lines: Vec<&str> = head.split("\r\n").filter(|l| !l.starts_with("Content-Length")).collect();
        let want = format!("{}\r\nContent-Length: {}\r\n\r\n{body}", lines.join("\r\n"), body.len());
        assert_eq!(request.write(), want.as_bytes(), "{name}");
        assert!(request.headers.get(&Name::Via).is_some());
    }
}
