use super::*;

fn via(text: &str) -> Via {
    read(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn read(text: &str) -> Result<Via, BadVia> {
    Via::read(&Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn blanks_ipv6_and_odd_transports() {
    for (text, want) in [
        ("SIP/2.0/UDP h", "SIP/2.0/UDP h"),
        ("sip / 2.0 / TCP  h : 5060 ;branch=z9hG4bK1", "SIP/2.0/TCP h:5060;branch=z9hG4bK1"),
        ("SIP/2.0/PIGEON [2001:db8::1]:5070;rport", "SIP/2.0/PIGEON [2001:db8::1]:5070;rport"),
        ("SIP/2.0/UDP 192.0.2.1:5060", "SIP/2.0/UDP 192.0.2.1:5060"),
    ] {
        assert_eq!(via(text).write(), want.as_bytes(), "{text}");
    }
    for (text, want) in [
        ("", BadVia::Protocol),
        ("SIP/2.0/UDP", BadVia::Protocol),
        ("SIP/3.0/UDP h", BadVia::Protocol),
        ("HTTP/2.0/UDP h", BadVia::Protocol),
        ("SIP/2.0/UDP ;branch=1", BadVia::SentBy),
        ("SIP/2.0/UDP a b", BadVia::SentBy),
        ("SIP/2.0/UDP 2001:db8::1", BadVia::SentBy),
        ("SIP/2.0/UDP h:x", BadVia::SentBy),
        ("SIP/2.0/UDP h;;", BadVia::Params(BadParams::Empty)),
    ] {
        assert_eq!(read(text), Err(want), "{text}");
    }
}

/// RFC 3261 §18.2.1 and RFC 3581 §4: what we note, and where the answer then goes.
#[test]
fn a_request_is_answered_where_it_came_from() {
    let from: SocketAddr = "198.51.100.9:40000".parse().unwrap();
    for (text, noted, to) in [
        (
            "SIP/2.0/UDP 192.0.2.1:5070",
            "SIP/2.0/UDP 192.0.2.1:5070;received=198.51.100.9",
            "198.51.100.9:5070",
        ),
        ("SIP/2.0/UDP 198.51.100.9", "SIP/2.0/UDP 198.51.100.9", "198.51.100.9:5060"),
        (
            "SIP/2.0/UDP h;rport;branch=z",
            "SIP/2.0/UDP h;rport=40000;branch=z;received=198.51.100.9",
            "198.51.100.9:40000",
        ),
        ("SIP/2.0/UDP 198.51.100.9;received=203.0.113.1", "SIP/2.0/UDP 198.51.100.9", "198.51.100.9:5060"),
        ("SIP/2.0/TLS h", "SIP/2.0/TLS h;received=198.51.100.9", "198.51.100.9:5061"),
        (
            "SIP/2.0/UDP h;maddr=192.0.2.9",
            "SIP/2.0/UDP h;maddr=192.0.2.9;received=198.51.100.9",
            "192.0.2.9:5060",
        ),
    ] {
        let mut via = via(text);
        via.stamp(from);
        assert_eq!(via.write(), noted.as_bytes(), "{text}");
        assert_eq!(via.reply_to(), Some(to.parse().unwrap()), "{text}");
    }
    assert_eq!(via("SIP/2.0/UDP h").reply_to(), None);
    assert_eq!(
        via("SIP/2.0/UDP h;received=[2001:db8::1]").reply_to(),
        Some("[2001:db8::1]:5060".parse().unwrap())
    );
}

#[test]
fn the_top_value_is_replaced_and_the_others_stay() {
    let mut headers = Headers::default();
    headers.push(Name::Via, "SIP/2.0/UDP a;branch=z9hG4bKa, SIP/2.0/UDP b;branch=z9hG4bKb");
    let mut top = Via::top(&headers).unwrap();
    assert_eq!(top.unique_branch(), Some(&b"z9hG4bKa"[..]));
    top.stamp("192.0.2.1:5060".parse().unwrap());
    set_top(&mut headers, &top);
    assert_eq!(
        headers.text(&Name::Via),
        Some("SIP/2.0/UDP a;branch=z9hG4bKa;received=192.0.2.1, SIP/2.0/UDP b;branch=z9hG4bKb")
    );
}
