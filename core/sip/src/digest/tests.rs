use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::message::{Headers, Request};
use crate::name::Name;
use crate::nonce::Nonces;

const NONCE: &[u8] = b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
const CNONCE: &[u8] = b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

// Tests need some instant to count from; the machine itself never asks for one.
#[allow(clippy::disallowed_methods)]
fn start() -> Instant {
    Instant::now()
}

fn guard(t: Instant, algorithms: &[Algorithm]) -> Guard {
    Guard::new("ringtrip", algorithms, Nonces::new([9; 32], t, Duration::from_secs(300), 100))
}

fn client(password: &str) -> Client {
    Client::new(Credentials { user: "1\"01".into(), password: password.into(), realm: None })
}

/// What a 401 with these lines looks like.
fn unauthorized(lines: &[Bytes]) -> Headers {
    let mut headers = Headers::default();
    lines.iter().for_each(|line| headers.push(Name::WwwAuthenticate, line.clone()));
    headers
}

fn with(name: Name, value: impl Into<Bytes>) -> Headers {
    let mut headers = Headers::default();
    headers.push(name, value);
    headers
}

#[test]
fn worked_examples_of_the_rfcs() {
    let get = Method::Other(Bytes::from_static(b"GET"));
    let uri = b"/dir/index.html";
    let check = |algorithm: Algorithm, user: [&[u8]; 3], nonce, cnonce, want: &str| {
        let ha1 = algorithm.hash(&user);
        let qop = Some((&b"00000001"[..], cnonce, &b"auth"[..]));
        let got = response(algorithm, &ha1, nonce, qop, &get, uri);
        assert_eq!(std::str::from_utf8(got.as_bytes()), Ok(want), "{algorithm:?}");
    };
    // RFC 7616 §3.9.1.
    let mufasa: [&[u8]; 3] = [b"Mufasa", b"http-auth@example.org", b"Circle of Life"];
    check(Algorithm::Md5, mufasa, NONCE, CNONCE, "8ca523f5e9506fed4657c9700eebdbec");
    let sha256 = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
    check(Algorithm::Sha256, mufasa, NONCE, CNONCE, sha256);
    // The RFC works none for -sess; these were computed apart by its formula.
    check(Algorithm::Md5Sess, mufasa, NONCE, CNONCE, "e783283f46242139c486a698fec7211d");
    let session = "2fd51b3a77ad75bad6afad6003e818d767133c46d9e2749e7f5232ae1ea3efd7";
    check(Algorithm::Sha256Sess, mufasa, NONCE, CNONCE, session);
    // RFC 2617 §3.5.
    let mufasa: [&[u8]; 3] = [b"Mufasa", b"testrealm@host.com", b"Circle Of Life"];
    let nonce = b"dcd98b7102dd2f0e8b11d0f600bfb0c093";
    check(Algorithm::Md5, mufasa, nonce, b"0a4f113b", "6629fae49393a05397450978507c4ef1");
}

#[test]
fn a_client_and_a_guard_understand_each_other() {
    let t = start();
    let all = [Algorithm::Md5, Algorithm::Md5Sess, Algorithm::Sha256, Algorithm::Sha256Sess];
    for algorithm in all {
        let mut guard = guard(t, &[algorithm]);
        let secret = Secret::of_password("1\"01", "ringtrip", "se:cret");
        let mut client = client("se:cret");
        client.challenged(&unauthorized(&guard.challenge(t, false))).expect("a challenge we know");
        for round in 0..300 {
            let (name, value) =
                client.authorize(&Method::Register, b"sip:box", "c0ffee").expect("challenged");
            assert_eq!(name, Name::Authorization);
            let headers = with(name.clone(), value);
            let ask = (&Method::Register, &b"sip:box"[..], &headers);
            let verdict = guard.verify(t, ask, &name, |user| (user == "1\"01").then_some(&secret));
            assert_eq!(verdict, Verdict::Granted("1\"01".into()), "{algorithm:?}, round {round}");
            let again = guard.verify(t, ask, &name, |_| Some(&secret));
            assert_eq!(again, Verdict::Challenge { stale: true, tried: None }, "the same nc twice");
        }
    }
}

#[test]
fn the_strongest_challenge_is_answered() {
    let t = start();
    let mut guard = guard(t, &[Algorithm::Md5, Algorithm::Sha256]);
    let mut lines = guard.challenge(t, false);
    lines.insert(0, Bytes::from_static(b"NoOneKnowsThisScheme opaque-data=here"));
    lines.push(Bytes::from_static(b"Digest realm=\"ringtrip\", nonce=\"n\", algorithm=SHA-512-256"));
    let mut client = client("x");
    client.challenged(&unauthorized(&lines)).expect("one that we know");
    let (_, value) = client.authorize(&Method::Invite, b"sip:a@b", "c").expect("challenged");
    let text = String::from_utf8_lossy(&value);
    assert!(
        text.contains("algorithm=SHA-256,") && text.contains("nc=00000001") && text.contains("qop=auth,"),
        "{text}"
    );
    assert!(text.starts_with("Digest username=\"1\\\"01\", realm=\"ringtrip\""), "{text}");
}

#[test]
fn a_proxy_is_answered_in_its_own_header_with_its_opaque() {
    let mut client = client("x");
    let line = "Digest realm=\"p\",nonce=\"a\\\"b\",opaque=\"O\",stale=FALSE";
    client.challenged(&with(Name::ProxyAuthenticate, line)).expect("MD5 without qop");
    let (name, value) = client.authorize(&Method::Invite, b"sip:a@b", "c").expect("challenged");
    assert_eq!(name, Name::ProxyAuthorization);
    let text = String::from_utf8_lossy(&value);
    assert!(
        text.contains("nonce=\"a\\\"b\"") && text.ends_with("opaque=\"O\"") && !text.contains("nc="),
        "{text}"
    );
}

#[test]
fn a_server_that_refuses_for_ever_is_left_after_two_answers() {
    let challenge = |nonce: &str, stale: &str| {
        with(Name::WwwAuthenticate, format!("Digest realm=\"r\", nonce=\"{nonce}\", qop=\"auth\"{stale}"))
    };
    let mut c = client("x");
    assert_eq!(c.challenged(&challenge("a", "")), Ok(()));
    assert_eq!(
        c.challenged(&challenge("a", "")),
        Err(Unanswered::Refused),
        "the same nonce: the password is wrong"
    );
    let mut c = client("x");
    assert_eq!(c.challenged(&challenge("a", "")), Ok(()));
    assert_eq!(c.challenged(&challenge("b", ", stale=true")), Ok(()));
    assert_eq!(c.challenged(&challenge("c", ", stale=true")), Err(Unanswered::Refused));
    c.accepted();
    assert_eq!(c.challenged(&challenge("d", "")), Ok(()));
    let mut pinned =
        Client::new(Credentials { user: "u".into(), password: "p".into(), realm: Some("mine".into()) });
    assert_eq!(pinned.challenged(&challenge("a", "")), Err(Unanswered::Realm("r".into())));
    assert_eq!(
        pinned.authorize(&Method::Bye, b"sip:a@b", "c"),
        None,
        "a stranger's challenge learns nothing"
    );
}

#[test]
fn wrong_user_and_wrong_password_look_the_same() {
    let t = start();
    let mut guard = guard(t, &[Algorithm::Sha256, Algorithm::Md5]);
    let secret = Secret::of_password("1\"01", "ringtrip", "right");
    let mut verdict = |password: &str, known: bool| {
        let mut client = client(password);
        client.challenged(&unauthorized(&guard.challenge(t, false))).expect("a challenge we know");
        let (name, value) = client.authorize(&Method::Register, b"sip:box", "c").expect("challenged");
        let headers = with(name.clone(), value);
        guard.verify(t, (&Method::Register, b"sip:box", &headers), &name, |_| known.then_some(&secret))
    };
    let refused = Verdict::Challenge { stale: false, tried: Some("1\"01".into()) };
    assert_eq!(verdict("wrong", true), refused);
    assert_eq!(verdict("right", false), refused);
    assert_eq!(verdict("", false), refused, "the blank secret of nobody is never right");
    assert_eq!(verdict("right", true), Verdict::Granted("1\"01".into()));
    // And the challenges that follow differ in the nonce alone.
    let (a, b) = (guard.challenge(t, false), guard.challenge(t, false));
    assert_eq!(a.len(), 2);
    assert!(a.iter().zip(&b).all(|(a, b)| a.len() == b.len() && a != b));
}

#[test]
fn ha1_from_the_store_serves_its_own_algorithm_alone() {
    let t = start();
    let mut guard = guard(t, &[Algorithm::Md5, Algorithm::Sha256]);
    let ha1 = Algorithm::Md5.hash(&[b"1\"01", b"ringtrip", b"x"]);
    let secret = Secret::of_ha1(std::str::from_utf8(ha1.as_bytes()).expect("hex")).expect("32 digits");
    assert_eq!(Secret::of_ha1("abc"), None);
    for (algorithm, granted) in [(Algorithm::Md5, true), (Algorithm::Sha256, false)] {
        let line = guard
            .challenge(t, false)
            .into_iter()
            .find(|l| Challenge::read(l).unwrap().algorithm == algorithm);
        let mut client = client("x");
        client.challenged(&unauthorized(&[line.expect("offered")])).expect("a challenge we know");
        let (name, value) = client.authorize(&Method::Bye, b"sip:a@b", "c").expect("challenged");
        let headers = with(name.clone(), value);
        let verdict = guard.verify(t, (&Method::Bye, b"sip:a@b", &headers), &name, |_| Some(&secret));
        assert_eq!(matches!(verdict, Verdict::Granted(_)), granted, "{algorithm:?}");
    }
}

#[test]
fn old_nonces_are_stale_and_strange_credentials_are_challenged() {
    let t = start();
    let secret = Secret::of_password("1\"01", "ringtrip", "x");
    let mut guard = guard(t, &[Algorithm::Md5]);
    let mut client = client("x");
    client.challenged(&unauthorized(&guard.challenge(t, false))).expect("a challenge we know");
    let (name, value) = client.authorize(&Method::Bye, b"sip:a@b;x=1", "c").expect("challenged");
    let headers = with(name.clone(), value.clone());
    let later = t + Duration::from_secs(301);
    let stale = guard.verify(later, (&Method::Bye, b"sip:a@b;x=1", &headers), &name, |_| Some(&secret));
    assert_eq!(stale, Verdict::Challenge { stale: true, tried: None });
    assert!(guard.challenge(later, true)[0].ends_with(b"stale=true"));
    let tag = guard.verify(t, (&Method::Bye, b"sip:a@b:5060", &headers), &name, |_| Some(&secret));
    assert_eq!(tag, Verdict::Granted("1\"01".into()), "what is proven is the uri that was given");
    let mut overheard = |uri: &[u8]| {
        let (name, value) = client.authorize(&Method::Invite, b"sip:01480123456@b", "c").expect("challenged");
        guard.verify(t, (&Method::Invite, uri, &with(name.clone(), value)), &name, |_| Some(&secret))
    };
    let nothing_proven = Verdict::Challenge { stale: false, tried: None };
    for other in
        [&b"sip:0900123456@b"[..], b"sips:0900123456@other", b"tel:0900123456", b"sip:01480123456%39@b"]
    {
        assert_eq!(overheard(other), nothing_proven, "a proof is good for its own number");
    }
    for same in
        [&b"sip:01480123456@192.0.2.1:5060"[..], b"sip:0%31480123456;x=1@c;transport=udp", b"tel:01480123456"]
    {
        assert_eq!(overheard(same), Verdict::Granted("1\"01".into()));
    }

    let mut check = |line: &str, want: Verdict| {
        let headers = with(Name::Authorization, line.to_owned());
        let got =
            guard.verify(t, (&Method::Bye, b"sip:a@b", &headers), &Name::Authorization, |_| Some(&secret));
        assert_eq!(got, want, "{line}");
    };
    let nothing = Verdict::Challenge { stale: false, tried: None };
    check("NoOneKnowsThisScheme opaque-data=here", nothing.clone());
    check("Digest realm=\"elsewhere\", username=\"a\"", nothing.clone());
    check("Digest realm=\"ringtrip", nothing.clone());
    check("Digest", nothing.clone());
    check("Digest realm=\"ringtrip\"", nothing.clone());
    let full = "Digest realm=\"ringtrip\", username=\"a\", uri=\"sip:a@b\", nonce=\"n\", response=\"";
    check(&format!("{full}\""), nothing.clone());
    check(&format!("{full}zz\""), nothing.clone());
    let right = "0123456789abcdef0123456789abcdef\"";
    check(&format!("{full}{right}, algorithm=SHA-1"), nothing.clone());
    check(&format!("{full}{right}, qop=auth, nc=1x, cnonce=\"c\""), nothing.clone());
    check(&format!("{full}{right}, qop=auth, nc=+1, cnonce=\"c\""), nothing.clone());
    check(&format!("{full}{right}, qop=auth, nc=000000001, cnonce=\"c\""), nothing.clone());
    check(&format!("{full}{right}, qop=auth, nc=00000001"), nothing.clone());
    check(&format!("{full}{right}, qop=auth-int"), nothing.clone());
    check(&format!("{full}{right}, algorithm=SHA-256"), nothing);
    check(&format!("{full}{right}"), Verdict::Challenge { stale: false, tried: Some("a".into()) });
}

#[test]
fn credentials_that_phones_write_their_own_way_are_verified() {
    let t = start();
    let secret = Secret::of_password("205", "ringtrip", "five");
    let mut guard = guard(t, &[Algorithm::Md5]);
    let mut line = |uri: &str, form: fn(&str, &str, &str, &str) -> String| {
        let challenge = Challenge::read(&guard.challenge(t, false)[0]).expect("a challenge");
        let nonce = String::from_utf8_lossy(&challenge.nonce).into_owned();
        let ha1 = Algorithm::Md5.hash(&[b"205", b"ringtrip", b"five"]);
        let qop = Some((&b"00000001"[..], &b"c"[..], &b"auth"[..]));
        let bare = form(&nonce, uri, "", "").contains("no-qop");
        let hex = response(
            Algorithm::Md5,
            &ha1,
            nonce.as_bytes(),
            qop.filter(|_| !bare),
            &Method::Register,
            uri.as_bytes(),
        );
        let hex = String::from_utf8_lossy(hex.as_bytes()).into_owned();
        let headers = with(Name::Authorization, form(&nonce, uri, &hex, ""));
        let ask = (&Method::Register, &b"sip:127.0.0.21:25060;transport=UDP"[..], &headers);
        guard.verify(t, ask, &Name::Authorization, |user| (user == "205").then_some(&secret))
    };
    let usual = |nonce: &str, uri: &str, hex: &str, _: &str| {
        format!(
            "Digest username=\"205\", realm=\"ringtrip\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{hex}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\""
        )
    };
    let quoted = |nonce: &str, uri: &str, hex: &str, _: &str| {
        format!(
            "digest  qop=\"auth\" ,NC=\"00000001\",cnonce=c,algorithm=\"md5\" , uri = \"{uri}\",username=205,\
             realm=\"ringtrip\",nonce={nonce},response={hex},opaque=\"\","
        )
    };
    let old = |nonce: &str, uri: &str, hex: &str, _: &str| {
        format!(
            "Digest username=\"205\",realm=\"ringtrip\",nonce=\"{nonce}\",uri=\"{uri}\",response=\"{hex}\",x=no-qop"
        )
    };
    for form in [usual, quoted, old] {
        for uri in [
            "sip:127.0.0.21:25060;transport=UDP",
            "sip:127.0.0.21",
            "sip:pbx.example.com",
            "sip:127.0.0.21:5060",
            "sips:pbx.example.com",
            "",
        ] {
            assert_eq!(line(uri, form), Verdict::Granted("205".into()), "{uri}: {}", form("n", uri, "h", ""));
        }
    }
}

#[test]
fn of_several_lines_the_one_that_holds_counts() {
    let t = start();
    let secret = Secret::of_password("1\"01", "ringtrip", "x");
    let mut guard = guard(t, &[Algorithm::Sha256, Algorithm::Md5]);
    let mut client = client("x");
    client.challenged(&unauthorized(&guard.challenge(t, false))).expect("a challenge we know");
    let (name, value) = client.authorize(&Method::Invite, b"sip:a@b", "c").expect("challenged");
    let wrong = "Digest realm=\"ringtrip\", username=\"1\\\"01\", uri=\"sip:a@b\", nonce=\"n\", \
                 response=\"0123456789abcdef0123456789abcdef\"";
    let lines = [
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "Digest realm=\"elsewhere\", username=\"1\", uri=\"sip:a@b\", nonce=\"n\", response=\"00\"",
        "Digest realm=\"ringtrip\", username=\"1\", algorithm=SHA-512-256, uri=\"x\", nonce=\"n\", response=\"0\"",
        wrong,
    ];
    let mut headers = Headers::default();
    lines.into_iter().for_each(|line| headers.push(Name::Authorization, line));
    headers.push(name.clone(), value);
    assert!(guard.is_offered(&headers, &name));
    let ask = (&Method::Invite, &b"sip:a@b"[..], &headers);
    assert_eq!(guard.verify(t, ask, &name, |_| Some(&secret)), Verdict::Granted("1\"01".into()));
    let again = guard.verify(t, ask, &name, |_| Some(&secret));
    assert_eq!(again, Verdict::Challenge { stale: true, tried: None }, "the phone is told to try again");
    let stranger = with(Name::Authorization, lines[1]);
    assert!(!guard.is_offered(&stranger, &name), "credentials for another realm are none for us");
}

/// A request that was challenged by these lines, each a header and what stands in it.
fn challenge_of(lines: &[(Name, &str)]) -> Headers {
    let mut headers = Headers::default();
    lines.iter().for_each(|(name, line)| headers.push(name.clone(), line.to_string()));
    headers
}

/// What a request brings after these challenges: header, realm, nonce, count.
fn signed(client: &mut Client, method: Method, body: &'static [u8]) -> Vec<String> {
    let mut headers = Headers::default();
    headers.push(Name::Authorization, "what an earlier one had");
    let mut request = Request { method, uri: "sip:p".into(), headers, body: Bytes::from_static(body) };
    client.sign(&mut request, "c");
    let show = |(name, value): &(Name, Bytes)| {
        let p = Params::read(value).expect("Digest");
        let get = |name| String::from_utf8_lossy(p.get(name).unwrap_or_default()).into_owned();
        let header = if *name == Name::Authorization { "www" } else { "proxy" };
        format!("{header} {} {} {}", get("realm"), get("nonce"), get("nc"))
    };
    request.headers.iter().map(show).collect()
}

#[test]
fn a_proxy_and_the_server_behind_it_are_both_answered() {
    let mut c = client("x");
    let edge = |nonce: &str| format!("Digest realm=\"edge\", nonce=\"{nonce}\", qop=\"auth\"");
    let reg = |nonce: &str| format!("Digest realm=\"reg\", nonce=\"{nonce}\", qop=\"auth,auth-int\"");
    let proxy = |line: String| with(Name::ProxyAuthenticate, line);
    let www = |line: String| with(Name::WwwAuthenticate, line);
    assert_eq!(c.challenged(&proxy(edge("a1"))), Ok(()));
    assert_eq!(signed(&mut c, Method::Register, b""), ["proxy edge a1 00000001"]);
    assert_eq!(c.challenged(&www(reg("b2"))), Ok(()));
    assert_eq!(signed(&mut c, Method::Register, b""), ["proxy edge a1 00000002", "www reg b2 00000001"]);
    c.accepted();
    assert_eq!(signed(&mut c, Method::Register, b""), ["proxy edge a1 00000003", "www reg b2 00000002"]);
    // One of the two has a new nonce: the other's count goes on.
    assert_eq!(c.challenged(&www(reg("b3") + ", stale=true")), Ok(()));
    assert_eq!(signed(&mut c, Method::Bye, b""), ["proxy edge a1 00000004", "www reg b3 00000001"]);
    // Both in one answer, and two realms in one header.
    c.accepted();
    let both = challenge_of(&[
        (Name::ProxyAuthenticate, &edge("a9")),
        (Name::WwwAuthenticate, &reg("b9")),
        (Name::ProxyAuthenticate, "Digest realm=\"core\", nonce=\"c9\""),
        (Name::ProxyAuthenticate, "Bearer realm=\"x\""),
    ]);
    assert_eq!(c.challenged(&both), Ok(()));
    let all = ["proxy edge a9 00000001", "www reg b9 00000001", "proxy core c9 "];
    assert_eq!(signed(&mut c, Method::Invite, b"v=0"), all);
    // Nothing new: the password is wrong.
    assert_eq!(c.challenged(&both), Err(Unanswered::Refused));
}

#[test]
fn a_server_that_thinks_of_realms_is_left() {
    let mut c = client("x");
    let answered = (0..50)
        .take_while(|n| {
            let line = format!("Digest realm=\"r{n}\", nonce=\"n\", qop=\"auth\"");
            c.challenged(&with(Name::WwwAuthenticate, line)).is_ok()
        })
        .count();
    assert!(answered < 10, "{answered} challenges answered in a row");
}

#[test]
fn auth_int_protects_the_body_where_nothing_else_is_taken() {
    let mut c = client("x");
    let line = "Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"";
    assert_eq!(c.challenged(&with(Name::WwwAuthenticate, line)), Ok(()));
    let mut request = Request {
        method: Method::Invite,
        uri: "sip:p".into(),
        headers: Headers::default(),
        body: "v=0".into(),
    };
    c.sign(&mut request, "c0");
    let value = request.headers.get(&Name::Authorization).expect("signed").clone();
    let p = Params::read(&value).expect("Digest");
    assert_eq!(p.get("qop"), Some(&b"auth-int"[..]));
    let md5 = |parts: &[&[u8]]| Algorithm::Md5.hash(parts);
    let (ha1, body) = (md5(&[b"1\"01", b"r", b"x"]), md5(&[b"v=0"]));
    let ha2 = md5(&[b"INVITE", b"sip:p", body.as_bytes()]);
    let want = md5(&[ha1.as_bytes(), b"n", b"00000001", b"c0", b"auth-int", ha2.as_bytes()]);
    assert_eq!(p.get("response"), Some(want.as_bytes()));
}

proptest! {
    #[test]
    fn no_header_line_panics(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let t = start();
        let secret = Secret::of_password("a", "ringtrip", "x");
        let headers = with(Name::Authorization, [b"Digest realm=\"ringtrip\",", &line[..]].concat());
        let verdict = guard(t, &[Algorithm::Md5])
            .verify(t, (&Method::Bye, b"sip:a@b", &headers), &Name::Authorization, |_| Some(&secret));
        prop_assert!(!matches!(verdict, Verdict::Granted(_)));
        let _ = Challenge::read(&headers.get(&Name::Authorization).unwrap()[..]);
    }
}
