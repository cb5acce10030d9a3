use super::*;

fn lex(text: &str) -> Result<Parsed, Broken> {
    message(Bytes::copy_from_slice(text.as_bytes()), &Limits::default())
}

const TOP: &str = "OPTIONS sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n";

/// What a request with these lines after its Via comes to: its body, or the flaw.
fn check(lines: &str, want: Result<&str, Flaw>) {
    let got = lex(&format!("{TOP}{lines}"));
    let got = match &got {
        Ok(Parsed { message: Message::Request(request), .. }) => {
            Ok(std::str::from_utf8(&request.body).unwrap())
        }
        Ok(other) => panic!("{lines:?}: {other:?}"),
        Err(broken) => Err(broken.flaw()),
    };
    assert_eq!(got, want, "{lines:?}");
}

#[test]
fn a_body_is_as_long_as_the_datagram_or_content_length_says() {
    check("\r\n", Ok(""));
    check("\r\nall that is left", Ok("all that is left"));
    check("Content-Length: 3\r\n\r\nall that is left", Ok("all"));
    check("l:3\r\n\r\nall", Ok("all"));
    check("Content-Length: 3\r\nl: 003\r\n\r\nall", Ok("all"));
    check("Content-Length: 4\r\n\r\nall", Err(Flaw::Short));
    check("Content-Length: 3\r\nl: 2\r\n\r\nall", Err(Flaw::Lengths));
    check("Content-Length: -1\r\n\r\nall", Err(Flaw::Length));
    check("Content-Length: +1\r\n\r\nall", Err(Flaw::Length));
    check("Content-Length:\r\n\r\nall", Err(Flaw::Length));
    check("Content-Length: 3, 3\r\n\r\nall", Err(Flaw::Length));
    check("Content-Length: 18446744073709551615\r\n\r\nall", Err(Flaw::Short));
    check("Content-Length: 18446744073709551616\r\n\r\nall", Err(Flaw::Length));
}

#[test]
fn lines_end_with_a_line_feed_and_nothing_else() {
    check("Subject: x\n\nbody", Ok("body"));
    check("Subject: x\r\n y\r\n\r\nbody", Ok("body"));
    check("Subject: x\ry: z\r\n\r\n", Err(Flaw::StrayReturn));
    check("Subject: x\r\r\n\r\n", Err(Flaw::StrayReturn));
    check("Subject: x\r\n", Err(Flaw::NoEnd));
    check("Subject: x", Err(Flaw::NoEnd));
    check("no colon\r\n\r\n", Err(Flaw::HeaderLine));
    check(": no name\r\n\r\n", Err(Flaw::HeaderLine));
    check("two words: x\r\n\r\n", Err(Flaw::HeaderLine));
}

#[test]
fn the_start_line_decides() {
    for (line, want) in [
        ("OPTIONS sip:a SIP/2.0", None),
        ("OPTIONS sip:a sip/2.0", None),
        ("OPTIONS sip:a SIP/2.00", Some(Flaw::Version)),
        ("OPTIONS sip:a SIP/3.0", Some(Flaw::Version)),
        ("OPTIONS sip:a HTTP/1.1", Some(Flaw::RequestLine)),
        ("OPTIONS sip:a", Some(Flaw::RequestLine)),
        ("OPTIONS", Some(Flaw::RequestLine)),
        ("OPTIONS  sip:a SIP/2.0", Some(Flaw::RequestLine)),
        ("OPT(IONS sip:a SIP/2.0", Some(Flaw::RequestLine)),
        ("OPTIONS\tsip:a SIP/2.0", Some(Flaw::RequestLine)),
        ("SIP/2.0 200 OK", None),
        ("SIP/2.0 200 ", None),
        ("SIP/2.0 200", None),
        ("SIP/2.0 99 Low", Some(Flaw::StatusLine)),
        ("SIP/2.0 700 High", Some(Flaw::StatusLine)),
        ("SIP/2.0 0200 Long", Some(Flaw::StatusLine)),
        ("SIP/2.0 2x0 Odd", Some(Flaw::StatusLine)),
        ("SIP/3.0 200 OK", Some(Flaw::Version)),
    ] {
        let got = lex(&format!("{line}\r\nVia: SIP/2.0/UDP h\r\n\r\n"));
        assert_eq!(got.as_ref().err().map(Broken::flaw), want, "{line}");
        let answered = got.err().is_some_and(|b| b.answer().is_some());
        assert_eq!(answered, want.is_some() && !line.starts_with("SIP/"), "{line}");
    }
}

#[test]
fn noise_and_acks_are_not_answered() {
    for text in
        ["", "\r\n\r\n", "\0\u{1}\u{2}", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS sip:a SIP/7.0\r\n\r\n"]
    {
        let broken = lex(text).unwrap_err();
        assert!(matches!(broken, Broken::Noise { .. }) && broken.answer().is_none(), "{text:?}");
    }
    let broken = lex("ACK sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nl: 9\r\n\r\n").unwrap_err();
    assert_eq!((broken.flaw(), broken.answer()), (Flaw::Short, None));
}

#[test]
fn limits_hold() {
    let limits = Limits { message: 600, head: 400, line: 100, headers: 5 };
    let flaw =
        |lines: String| message(Bytes::from(format!("{TOP}{lines}\r\n")), &limits).err().map(|b| b.flaw());
    assert_eq!(flaw("a: b\r\n".repeat(4)), None);
    assert_eq!(flaw("a: b\r\n".repeat(5)), Some(Flaw::TooMany));
    assert_eq!(flaw(format!("a: {}\r\n", "b".repeat(97))), None);
    assert_eq!(flaw(format!("a: {}\r\n", "b".repeat(98))), Some(Flaw::TooLong));
    assert_eq!(flaw(format!("a: {}\r\n", "\r\n b".repeat(60))), Some(Flaw::TooLong));
    assert_eq!(flaw(format!("a: {}\r\n", "b".repeat(400))), Some(Flaw::TooLarge));
    assert_eq!(flaw(format!("\r\n{}", "b".repeat(600))), Some(Flaw::TooLarge));
}

#[test]
fn names_and_values_are_slices_of_the_datagram_and_folds_are_single_blanks() {
    let raw = Bytes::from(format!("{TOP}X-Odd  :\t one  two \r\nSubject: a\r\n \t b\r\n\tc\r\n\r\n"));
    let Ok(Parsed { message: Message::Request(request), .. }) = message(raw.clone(), &Limits::default())
    else {
        panic!("a request")
    };
    let odd = request.headers.get(&Name::Other(Bytes::from_static(b"x-odd"))).unwrap();
    assert_eq!(odd, &b"one  two"[..]);
    assert!(raw.as_ptr_range().contains(&odd.as_ptr()));
    assert_eq!(request.headers.text(&Name::Subject), Some("a b c"));
}
