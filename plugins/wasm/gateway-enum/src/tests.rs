use ringtrip_plugin::dns::{Failure, Naptr};
use ringtrip_plugin::fake::Fake;
use ringtrip_plugin::{Call, Carrier};

use crate::rule::Rule;
use crate::{Enum, uri};

const NAME: &str = "3.2.1.0.6.9.2.3.6.1.4.4.e164.arpa";

fn call(number: &str, e164: Option<&str>) -> Call {
    Call { dialled: number.into(), number: number.into(), e164: e164.map(str::to_owned), ..Call::default() }
}

fn record(order: u16, preference: u16, service: &str, regexp: &str) -> Naptr {
    Naptr {
        order,
        preference,
        flags: "u".into(),
        service: service.into(),
        regexp: regexp.into(),
        replacement: ".".into(),
    }
}

fn next(name: &str) -> Naptr {
    Naptr { replacement: name.into(), ..Naptr::default() }
}

fn dns(records: impl IntoIterator<Item = Naptr>) -> Fake {
    Fake::new().setting("zones", "e164.arpa").zone("e164.arpa").naptr(NAME, records)
}

/// The URI that a number is called by, or why there is none.
fn called(exchange: &Fake, call: &Call) -> Result<String, String> {
    match exchange.prepare::<Enum>(call)?.carrier {
        Carrier::Sip(uri) => Ok(uri),
        other => Err(format!("{other:?}")),
    }
}

#[track_caller]
fn check(exchange: &Fake, expected: Result<&str, &str>) {
    let out = called(exchange, &call("01632960123", Some("+441632960123")));
    match (out, expected) {
        (Ok(uri), Ok(expected)) => assert_eq!(uri, expected),
        (Err(why), Err(words)) => assert!(why.contains(words), "{why}"),
        (out, expected) => panic!("{out:?} instead of {expected:?}; {:?}", exchange.lines()),
    }
}

#[test]
fn a_number_becomes_a_sip_address() {
    check(&dns([record(100, 10, "E2U+sip", "!^.*$!sip:info@example.com!")]), Ok("sip:info@example.com"));
    check(
        &dns([record(1, 1, "E2U+sip", r"!^\+44(.*)$!sip:0\1@pbx.example.com:5080!")]),
        Ok("sip:01632960123@pbx.example.com:5080"),
    );
    check(&dns([record(1, 1, "sip+E2U", "!^.*$!SIP:info@example.com!i")]), Ok("sip:info@example.com"));
    check(&dns([record(1, 1, "e2u+voice:tel+sip", "!^.*$!sips:a@example.com!")]), Ok("sips:a@example.com"));
}

#[test]
fn the_order_of_the_records_counts_not_their_place() {
    let sip = |order, preference, user: &str| {
        record(order, preference, "E2U+sip", &format!("!^.*$!sip:{user}@example.com!"))
    };
    check(&dns([sip(2, 1, "c"), sip(1, 20, "b"), sip(1, 10, "a")]), Ok("sip:a@example.com"));
    let others = [
        record(1, 1, "E2U+email:mailto", "!^.*$!mailto:a@example.com!"),
        record(1, 2, "E2U+sip", "!^\\+1.*$!sip:america@example.com!"),
        record(1, 3, "E2U+sip", "broken"),
        record(1, 4, "E2U+sip", "!^.*$!tel:+441632!"),
        Naptr { flags: "s".into(), ..sip(1, 5, "flags") },
        sip(1, 9, "last"),
    ];
    check(&dns(others), Ok("sip:last@example.com"));
}

#[test]
fn a_record_may_point_on() {
    let end = [record(1, 1, "E2U+sip", r"!^\+(.*)$!sip:\1@example.com!")];
    let other = "moved.e164.arpa";
    check(&dns([next("moved.e164.arpa.")]).naptr(other, end.clone()), Ok("sip:441632960123@example.com"));
    check(&dns([next("elsewhere.example.com")]), Err("has no SIP address"));
    check(&dns([next(NAME)]), Err("has no SIP address"));
    // A chain without an end.
    let mut chain = dns([next("1.e164.arpa")]);
    for n in 1..20 {
        chain = chain.naptr(&format!("{n}.e164.arpa"), [next(&format!("{}.e164.arpa", n + 1))]);
    }
    chain = chain.naptr("20.e164.arpa", end);
    check(&chain, Err("has no SIP address"));
}

#[test]
fn what_dns_does_not_say_is_left_to_the_next_target() {
    check(&dns([]), Err("has no SIP address in e164.arpa"));
    check(&Fake::new().setting("zones", "e164.arpa").zone("e164.arpa"), Err("has no SIP address"));
    check(&Fake::new().setting("zones", "e164.arpa"), Err("is in no granted zone"));
    check(&Fake::new(), Err("no ENUM zone is set"));
    check(&dns([]).naptr_fails(NAME, Failure::TooLate), Err("time of the decision"));
    check(&dns([]).naptr_fails(NAME, Failure::Failed("SERVFAIL".into())), Err("SERVFAIL"));
    let out = called(&dns([]), &call("301", None));
    assert!(out.is_err_and(|why| why.contains("301 is not known")));
    let second = dns([]).setting("zones", "e164.arpa, enum.example.com").zone("enum.example.com").naptr(
        &NAME.replace("e164.arpa", "enum.example.com"),
        [record(1, 1, "E2U+sip", "!^.*$!sip:b@example.com!")],
    );
    check(&second, Ok("sip:b@example.com"));
}

#[test]
fn rules_are_those_of_sed() {
    #[track_caller]
    fn check(rule: &str, text: &str, expected: Result<&str, &str>) {
        match (Rule::parse(rule).and_then(|r| r.apply(text)), expected) {
            (Ok(made), Ok(expected)) => assert_eq!(made, expected, "{rule}"),
            (Err(why), Err(words)) => assert!(why.contains(words), "{rule}: {why}"),
            (out, expected) => panic!("{rule}: {out:?} instead of {expected:?}"),
        }
    }
    let number = "+441632960123";
    check("!^.*$!a!", number, Ok("a"));
    check(r"/^\+44(1632)(.*)$/\2-\1/", number, Ok("960123-1632"));
    check(r"!^\+(44)?!<\1>!", number, Ok("<44>1632960123"));
    check(r"!\+(1)?44!\1x!", number, Ok("x1632960123"));
    check(r"!^.*$!a\!b!", number, Ok("a!b"));
    check(r"|^.*$|a\|b\\c|", number, Ok(r"a|b\c"));
    check("!^[0-9+]{13}$!ok!", number, Ok("ok"));
    check("!^.[[:digit:]]+$!ok!", number, Ok("ok"));
    check("!abc!x!i", "xABCx", Ok("xxx"));
    check("!abc!x!", "xABCx", Err("does not match"));
    check("!^.*$!ä!", number, Ok("ä"));
    check("", number, Err("empty"));
    check("!a!b", number, Err("three delimiters"));
    check("!a!b!c!", number, Err("three delimiters"));
    check(r"!a!b!\", number, Err("three delimiters"));
    check("!a!b!g", number, Err("flags"));
    check("1a1b1", number, Err("no delimiter"));
    check("!(!b!", number, Err("no pattern"));
    check(r"!(.*)!\2!", number, Err("group"));
    check(&format!("!(.*)!{}!", r"\1".repeat(200)), number, Err("too long"));
    // A pattern that would take a backtracking engine for ever.
    check("!(a*)*(a*)*(a*)*(a*)*b!x!", &"a".repeat(200), Err("does not match"));
    check("!((((((a{100}){100}){100}){100}){100}){100})!x!", number, Err("no pattern"));
}

#[test]
fn addresses_are_checked() {
    #[track_caller]
    fn check(text: &str, good: bool) {
        assert_eq!(uri::checked(text).is_ok(), good, "{text}");
    }
    check("sip:a@example.com", true);
    check("sips:a@192.0.2.7:5061;transport=tls", true);
    check("sip:a@[2001:db8::1]:5060", true);
    check("sip:a@[2001:db8::1", false);
    check("sip:example.com", false);
    check("sip:@example.com", false);
    check("sip:a@", false);
    check("sip:a@example.com?Route=evil", false);
    check("sip:a@exa mple.com", false);
    check("sip:a@example.com\r\nVia: x", false);
    check("sip:a@-x.example.com", false);
    check("sip:a@example.com:0", false);
    check("sip:a@example.com:+5", false);
    check("mailto:a@example.com", false);
    check("sip", false);
    check("sip:ä@example.com", false);
    check(&format!("sip:{}@example.com", "a".repeat(300)), false);
}

#[test]
fn stars_call_peers() {
    let peers = Fake::new().setting("peers", "123 = sip.example.com, *1234 = voip.example.net:5080");
    #[track_caller]
    fn check(exchange: &Fake, number: &str, expected: Result<&str, &str>) {
        match (called(exchange, &call(number, None)), expected) {
            (Ok(uri), Ok(expected)) => assert_eq!(uri, expected),
            (Err(why), Err(words)) => assert!(why.contains(words), "{why}"),
            (out, expected) => panic!("{out:?} instead of {expected:?}"),
        }
    }
    check(&peers, "*1235551", Ok("sip:5551@sip.example.com"));
    check(&peers, "*12345551", Ok("sip:5551@voip.example.net:5080"));
    check(&peers, "*123*5#", Ok("sip:*5%23@sip.example.com"));
    check(&peers, "*123", Err("no number there"));
    check(&peers, "*9991", Err("no peer has a prefix"));
    check(&peers, "*123a", Err("invalid number"));
    check(&Fake::new(), "*1231", Err("no peer"));
    for wrong in ["123", "x = sip.example.com", "1 = not a host", "1 = a.example.com, *1 = b.example.com"] {
        check(&Fake::new().setting("peers", wrong), "*1231", Err("\"peers\""));
        assert!(!Fake::new().setting("peers", wrong).health::<Enum>().usable);
    }
    let cut = Call { dialled: "*1235551".into(), number: "1235551".into(), ..Call::default() };
    assert_eq!(called(&peers, &cut).as_deref(), Ok("sip:5551@sip.example.com"));
    // A star code before an ordinary number is not a peer.
    let code = Call { dialled: "*12300331".into(), number: "00331".into(), e164: Some("+331".into()), ..cut };
    assert!(called(&peers, &code).is_err_and(|why| why.contains("ENUM")));
    assert!(peers.health::<Enum>().usable);
    assert!(!Fake::new().health::<Enum>().usable);
}
