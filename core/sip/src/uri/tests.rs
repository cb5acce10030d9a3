use super::*;

fn uri(text: &str) -> Uri {
    read(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn read(text: &str) -> Result<Uri, BadUri> {
    Uri::read(&Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn parts_come_out_and_go_in_again_as_they_were() {
    for text in [
        "sip:example.com",
        "sips:200@example.com:5061;transport=tcp;lr",
        "sip:john.doe@example.com",
        "sip:+442079460123;phone-context=example.com@example.com;user=phone",
        "sip:a:secret@example.com",
        "sip:[2001:db8::1]:5060;lr",
        "sip:a@[::ffff:192.0.2.1]?Replaces=x%40y%3Bto-tag%3D1&Subject=z",
        "sip:a@192.0.2.1;gr=urn:uuid:0-1;maddr=[2001:db8::2];x",
        "sip:*98#@example.com",
        "tel:+44-20-7946-0123;phone-context=example.com",
        "urn:service:sos.police",
        "http://www.example.com/x?y",
    ] {
        assert_eq!(uri(text).to_string(), text);
    }
    let full = uri("sip:j.d;a=b:pw@example.com:5070;transport=tcp?x=y");
    let sip = full.sip().unwrap();
    assert_eq!(sip.user.as_deref(), Some(&b"j.d;a=b"[..]));
    assert_eq!(sip.password.as_deref(), Some(&b"pw"[..]));
    assert_eq!((sip.host.to_string(), sip.port), ("example.com".into(), Some(5070)));
    assert_eq!(sip.param("TRANSPORT").unwrap(), &b"tcp"[..]);
    assert_eq!(sip.headers.as_deref(), Some(&b"x=y"[..]));
}

#[test]
fn what_is_no_uri_says_why() {
    for (text, want) in [
        ("example.com", BadUri::Scheme),
        ("<sip:a@b>", BadUri::Character),
        ("1x:a", BadUri::Scheme),
        ("sip:a b@c", BadUri::Character),
        (" sip:a@c", BadUri::Scheme),
        ("sip:a@c ", BadUri::Character),
        ("sip:a%4@c", BadUri::Escape),
        ("sip:a%zz@c", BadUri::Escape),
        ("sip:@c", BadUri::User),
        ("sip:a@b@c", BadUri::Host),
        ("sip:", BadUri::Host),
        ("sip:a@", BadUri::Host),
        ("sip:2001:db8::10", BadUri::Port),
        ("sip:[2001:db8::10", BadUri::Host),
        ("sip:[2001:zz::10]", BadUri::Host),
        ("sip:[2001:db8::10]x", BadUri::Host),
        ("sip:a@b:", BadUri::Port),
        ("sip:a@b:65536", BadUri::Port),
        ("sip:a@b:000080", BadUri::Port),
        ("sip:a@b;;c", BadUri::Params(BadParams::Empty)),
        ("tel:", BadUri::Number),
        ("tel:+", BadUri::Number),
        ("tel:call me", BadUri::Number),
        ("urn:", BadUri::Character),
    ] {
        // The scheme of `<sip:a@b>` is looked at first.
        let got = read(text).expect_err(text);
        let scheme = text.starts_with('<') && got == BadUri::Scheme;
        assert!(got == want || scheme, "{text}: {got:?}");
    }
}

/// The pairs of RFC 3261 §19.1.4, and more of their kind.
#[test]
fn equality_is_that_of_the_rfc() {
    for (a, b, same) in [
        ("sip:%61lice@atlanta.example;transport=TCP", "sip:alice@AtLanTa.example;Transport=tcp", true),
        ("sip:carol@chicago.example", "sip:carol@chicago.example;newparam=5", true),
        ("sip:carol@chicago.example", "sip:carol@chicago.example;security=on", true),
        (
            "sip:b.example;transport=tcp;method=REGISTER?to=sip:j%40b.example",
            "sip:b.example;method=REGISTER;transport=tcp?to=sip:j%40b.example",
            true,
        ),
        ("sip:a@b.example?subject=x&priority=urgent", "sip:a@b.example?priority=urgent&subject=x", true),
        ("SIP:ALICE@a.example", "sip:alice@a.example", false),
        ("sip:bob@b.example", "sip:bob@b.example:5060", false),
        ("sip:bob@b.example", "sip:bob@b.example;transport=udp", false),
        ("sip:bob@b.example", "sip:bob@b.example:6000;transport=tcp", false),
        ("sip:carol@c.example", "sip:carol@c.example?Subject=x", false),
        ("sip:bob@phone.example", "sip:bob@192.0.2.4", false),
        ("sip:a@b.example;security=on", "sip:a@b.example;security=off", false),
        ("sip:a@b.example", "sips:a@b.example", false),
        ("sip:a%00b@c.example", "sip:a@c.example", false),
        ("sip:%2541@c.example", "sip:A@c.example", false),
        ("sip:%2541@c.example", "sip:%41@c.example", false),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::0001]", true),
        ("sip:a@b.example;x=1;x=2", "sip:a@b.example;x=1;x=2", true),
        ("tel:+44-20", "tel:+4420", true),
        ("tel:20;phone-context=a", "tel:20", false),
        ("tel:20", "sip:20@a", false),
        ("URN:service:sos", "urn:service:sos", true),
    ] {
        assert_eq!(uri(a) == uri(b), same, "{a} {b}");
        assert_eq!(uri(b) == uri(a), same, "{b} {a}");
    }
}

#[test]
fn a_record_has_one_spelling() {
    let record = |text: &str| uri(text).record().map(|r| String::from_utf8(r.to_vec()).unwrap());
    assert_eq!(record("sip:%74ess@EXAMPLE.com;x=y?z=1").as_deref(), Some("sip:tess@example.com"));
    assert_eq!(record("sip:a%00%40@example.com:5070").as_deref(), Some("sip:a%00%40@example.com:5070"));
    assert_eq!(record("tel:20"), None);
}

#[test]
fn what_we_build_can_be_read() {
    let built = Uri::from(SipUri::new(std::net::Ipv6Addr::LOCALHOST).with_user("é @:#").with_port(5060));
    assert_eq!(built.to_string(), "sip:%C3%A9%20%40%3A%23@[::1]:5060");
    assert_eq!(uri(&built.to_string()).user().unwrap(), "é @:#".as_bytes());
}
