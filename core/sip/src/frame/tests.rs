use super::*;

/// Some instant to count from; no test looks at a clock after it.
#[allow(clippy::disallowed_methods)]
fn zero() -> Instant {
    Instant::now()
}

const TOP: &str = "OPTIONS sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\n";

/// The frames of a stream, in short.
fn frames(pieces: &[&[u8]]) -> Vec<String> {
    let now = zero();
    let mut framer = Framer::new(Limits::default());
    let mut out = Vec::new();
    for piece in pieces {
        framer.push(now, piece);
        while let Some(frame) = framer.next(now) {
            out.push(match frame {
                Frame::Message(Message::Request(r)) => format!("{}({})", r.method, r.body.len()),
                Frame::Message(Message::Response(r)) => r.code.to_string(),
                Frame::Broken(b) => format!("broken: {}", b.flaw()),
                Frame::Fatal(b) => {
                    format!("fatal: {}{}", b.flaw(), if b.answer().is_some() { "" } else { ", silent" })
                }
                Frame::Ping => "ping".into(),
                Frame::Late => "late".into(),
            });
        }
    }
    out
}

/// The same frames come out whole, cut at each place, and octet by octet.
fn check(stream: &str, want: &[&str]) {
    let octets = stream.as_bytes();
    assert_eq!(frames(&[octets]), want, "{stream:?}");
    for at in 0..=octets.len() {
        let (a, b) = octets.split_at(at);
        assert_eq!(frames(&[a, b]), want, "{stream:?} cut at {at}");
    }
    assert_eq!(frames(&octets.chunks(1).collect::<Vec<_>>()), want, "{stream:?} octet by octet");
}

#[test]
fn messages_keep_alives_and_bad_framing() {
    check(&format!("{TOP}l: 2\r\n\r\nhi"), &["OPTIONS(2)"]);
    check(&format!("{TOP}l: 2\r\n\r\nhi{TOP}l: 0\r\n\r\n"), &["OPTIONS(2)", "OPTIONS(0)"]);
    check(&format!("{TOP}\n"), &["OPTIONS(0)"]);
    check("\r\n\r\n\r\n\r\n", &["ping", "ping"]);
    check(&format!("\r\n{TOP}l: 0\r\n\r\n\r\n\r\n"), &["OPTIONS(0)", "ping"]);
    check(&format!("\r\n\r\n{TOP}l: 0\r\n\r\n\r\n{TOP}l: 0\r\n\r\n"), &["ping", "OPTIONS(0)", "OPTIONS(0)"]);
    check(
        "SIP/2.0 200 OK\r\nl: 0\r\n\r\nSIP/2.0 1 x\r\nl: 0\r\n\r\n\r\n\r\n",
        &["200", "broken: Malformed Status-Line", "ping"],
    );
    check(&format!("{TOP}l: -1\r\n\r\n{TOP}l: 0\r\n\r\n"), &["fatal: Malformed Content-Length"]);
    check(&format!("{TOP}l: 1\r\nl: 2\r\n\r\nhi"), &["fatal: Conflicting Content-Length"]);
    check(&format!("{TOP}c: text/plain\r\n\r\nhi"), &["fatal: Missing Content-Length"]);
    check(&format!("{TOP}Content-Length 2\r\n\r\nhi"), &["fatal: Malformed Header Line"]);
    check(
        &format!("{TOP}Content-Length 2\r\nl: 2\r\n\r\nhi\r\n\r\n"),
        &["broken: Malformed Header Line", "ping"],
    );
    check(&format!("{TOP}l: 70000\r\n\r\nhi"), &["fatal: Message Too Large"]);
    check(&format!("{TOP}a: b\rl: 5\r\n\r\nhi"), &["fatal: Stray Carriage Return"]);
    check("GET / HTTP/1.1\r\nHost: x\r\n\r\n", &["broken: Malformed Request-Line"]);
    check(&format!("{TOP}{}\r\n", "a: b\r\n".repeat(300)), &["fatal: Too Many Header Fields"]);
}

#[test]
fn headers_without_end_are_cut_off() {
    let flood = format!("{TOP}a: {}", "b".repeat(60_000));
    assert_eq!(frames(&[flood.as_bytes()]), ["fatal: Message Too Large"]);
    assert_eq!(frames(&flood.as_bytes().chunks(1_000).collect::<Vec<_>>()), ["fatal: Message Too Large"]);
    assert_eq!(frames(&["x".repeat(60_000).as_bytes()]), ["fatal: Message Too Large, silent"]);
}

#[test]
fn patience_counts_from_the_first_octet_of_each_message() {
    let zero = zero();
    let at = |s: u64| zero + Duration::from_secs(s);
    let mut framer = Framer::new(Limits::default());
    assert_eq!(framer.deadline(), None);
    framer.push(at(0), b"\r\n\r\n");
    assert_eq!((framer.next(at(0)), framer.deadline()), (Some(Frame::Ping), None));
    framer.push(at(1), TOP.as_bytes());
    assert_eq!((framer.next(at(1)), framer.deadline()), (None, Some(at(11))));
    framer.push(at(5), b"l: 0\r\n\r\nOPT");
    assert!(matches!(framer.next(at(5)), Some(Frame::Message(_))));
    assert_eq!((framer.next(at(5)), framer.deadline()), (None, Some(at(15))));
    assert_eq!(framer.expire(at(14)), None);
    assert_eq!(framer.expire(at(15)), Some(Frame::Late));
    assert_eq!((framer.deadline(), framer.held()), (None, 0));
}

/// Each octet is scanned once: after every push of a head without end, the scan resumes where it stopped.
#[test]
fn a_head_in_single_octets_is_scanned_once() {
    let now = zero();
    let mut framer = Framer::new(Limits::default());
    for n in 1..=20_000 {
        framer.push(now, b"x");
        assert_eq!(framer.next(now), None);
        assert!(matches!(framer.state, State::Head { scanned, .. } if scanned == n), "{n}");
    }
}
