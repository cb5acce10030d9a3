use ringtrip_sip::message::{Headers, Method, Request};
use ringtrip_sip::screen::Abilities;

use super::*;
use ringtrip_config::Country;
use ringtrip_config::Extension;

/// What a phone of the house has dialled with an INVITE to this URI.
#[track_caller]
fn check(uri: &str, dialled: &str) {
    let mut config = Config::default();
    config.emergency.country = Country::GB;
    for id in ["201", "1-2"] {
        config.extensions.push(Extension::new(id.parse().unwrap()));
    }
    let mut headers = Headers::default();
    headers.push(Name::Via, "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1");
    headers.push(Name::From, "<sip:201@ringtrip.local>;tag=1");
    headers.push(Name::To, "<sip:201@ringtrip.local>");
    headers.push(Name::CallId, "c1");
    headers.push(Name::CSeq, "1 INVITE");
    headers.push(Name::Contact, "<sip:201@10.0.0.9>");
    let invite = Request { method: Method::Invite, uri: uri.to_owned().into(), headers, body: Bytes::new() };
    let invite = ValidRequest::read(invite, &Abilities::default()).expect("a valid INVITE");
    let phone = Source::Extension("201".parse().unwrap());
    assert_eq!(parties(&config, &phone, &invite).1.as_str(), dialled, "{uri}");
}

#[test]
fn an_emergency_button_is_an_emergency_number() {
    for (uri, dialled) in [
        ("urn:service:sos", "999"),
        ("urn:service:sos.fire", "999"),
        ("URN:service:SOS.police", "999"),
        ("urn:service:counseling", ""),
        ("sip:112@ringtrip.local", "112"),
        ("sip:112;phone-context=+44@ringtrip.local", "112"),
        ("tel:112;phone-context=+44", "112"),
        ("sip:1-1-2@ringtrip.local;user=phone", "112"),
        ("sip:%31%31%32@ringtrip.local", "112"),
        ("sip:+112@ringtrip.local", "112"),
        ("tel:+999", "999"),
        ("sip:+1122@ringtrip.local", "+1122"),
    ] {
        check(uri, dialled);
    }
}

#[test]
fn numbers_lose_what_is_for_the_eye_and_names_lose_nothing() {
    for (uri, dialled) in [
        ("sip:+44(1480)123-456@ringtrip.local", "+441480123456"),
        ("sip:01480.123.456@ringtrip.local", "01480123456"),
        ("sip:*72#@ringtrip.local", "*72#"),
        ("sip:202@ringtrip.local", "202"),
        ("sip:1-2@ringtrip.local", "1-2"),
        ("sip:front-door@ringtrip.local", "front-door"),
        ("sip:ann.smith;x=1@ringtrip.local", "ann.smith;x=1"),
        ("sip:-@ringtrip.local", "-"),
        ("sip:ringtrip.local", ""),
    ] {
        check(uri, dialled);
    }
}
