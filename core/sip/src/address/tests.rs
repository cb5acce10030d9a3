use super::*;

fn read(text: &str) -> Result<NameAddr, BadAddress> {
    NameAddr::read(&Bytes::copy_from_slice(text.as_bytes()))
}

/// Display name, URI and parameters.
fn check(text: &str, display: Option<&str>, uri: &str, params: &str) {
    let got = read(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(got.display.as_deref().map(String::from_utf8_lossy).as_deref(), display, "{text}");
    assert_eq!(
        (got.uri.to_string(), &got.params.as_bytes()[..]),
        (uri.to_owned(), params.as_bytes()),
        "{text}"
    );
}

#[test]
fn names_uris_and_parameters_part_where_they_should() {
    check("<sip:a@b>", None, "sip:a@b", "");
    check("sip:a@b", None, "sip:a@b", "");
    check("sip:a@b;tag=1", None, "sip:a@b", ";tag=1");
    check("<sip:a@b;lr>;tag=1", None, "sip:a@b;lr", ";tag=1");
    check("Tess  Ring <sip:a@b> ; tag=1", Some("Tess  Ring"), "sip:a@b", "; tag=1");
    check("tess<sip:a@b>", Some("tess"), "sip:a@b", "");
    check("\"\" <sip:a@b>", Some(""), "sip:a@b", "");
    check("\"Bob <bob>, \\\"x\\\\\" <sip:a@b>", Some("Bob <bob>, \"x\\"), "sip:a@b", "");
    check("sip:a@b;+sip.instance=\"<urn:uuid:1>\"", None, "sip:a@b", ";+sip.instance=\"<urn:uuid:1>\"");
    check("tel:+4420;tag=1", None, "tel:+4420", ";tag=1");
    check("<tel:20;phone-context=x>;tag=1", None, "tel:20;phone-context=x", ";tag=1");
}

#[test]
fn what_is_no_address_says_why() {
    for (text, want) in [
        ("\"Tess <sip:a@b>", BadAddress::Open),
        ("<sip:a@b", BadAddress::Open),
        ("Ring, Tess <sip:a@b>", BadAddress::Display),
        ("\"Tess\" sip:a@b", BadAddress::Display),
        ("< sip:a@b >", BadAddress::Uri(BadUri::Scheme)),
        ("sip:a@b?x=y", BadAddress::Bare),
        ("sip:a,b@c", BadAddress::Bare),
        ("sip:a;b@c", BadAddress::Bare),
        ("<sip:a@b>;;", BadAddress::Params(BadParams::Empty)),
        ("<sip:a@b> tag=1", BadAddress::Params(BadParams::Name)),
        ("", BadAddress::Uri(BadUri::Scheme)),
    ] {
        assert_eq!(read(text).expect_err(text), want, "{text}");
    }
}

#[test]
fn parameters_that_telephones_send_are_read() {
    let phone = read("<sip:a@b>;q=0.7;expires=99999999999;+sip.instance=\"<urn:uuid:1>\";reg-id=1").unwrap();
    assert_eq!((phone.q(), phone.expires()), (Some(700), Some(u32::MAX)));
    assert_eq!(phone.instance().unwrap(), &b"<urn:uuid:1>"[..]);
    for (q, want) in [
        ("1", Some(1000)),
        ("1.000", Some(1000)),
        ("0", Some(0)),
        (".5", Some(500)),
        ("1.001", None),
        ("0.1234", None),
        ("x", None),
    ] {
        assert_eq!(read(&format!("<sip:a@b>;q={q}")).unwrap().q(), want, "{q}");
    }
    let mut from = read("\"T \\\"R\\\"\" <sip:a@b>").unwrap();
    assert_eq!(from.tag(), None);
    from.set_tag("x1");
    assert_eq!(from.write(), &b"\"T \\\"R\\\"\" <sip:a@b>;tag=x1"[..]);
}

#[test]
fn a_star_stands_alone() {
    let contacts = |lines: &[&'static str]| {
        let mut headers = Headers::default();
        lines.iter().for_each(|line| headers.push(Name::Contact, *line));
        match Contacts::read(&headers) {
            Ok(Contacts::All) => Ok(None),
            Ok(Contacts::Each(each)) => Ok(Some(each.len())),
            Err(e) => Err(e),
        }
    };
    assert_eq!(contacts(&["*"]), Ok(None));
    assert_eq!(contacts(&[]), Ok(Some(0)));
    assert_eq!(contacts(&["<sip:a@b>, sip:c@d", "sip:e@f"]), Ok(Some(3)));
    assert_eq!(contacts(&["*", "sip:e@f"]), Err(BadAddress::Star));
    assert_eq!(contacts(&["sip:e@f, *"]), Err(BadAddress::Star));
}
