use crate::dns::{self, Naptr};
use crate::fake::Fake;
use crate::http::{self, Request, Response};
use crate::log::Level;
use crate::{
    Answer, Call, Carrier, Condition, E164, Gateway, Money, Policy, Step, Steps, Verdict, settings, store,
};

struct Nothing;
impl Policy for Nothing {}
impl Gateway for Nothing {}
crate::export_policy!(Nothing);
crate::export_gateway!(Nothing);

#[test]
fn what_is_not_written_has_a_default() {
    let exchange = Fake::new();
    assert_eq!(exchange.route::<Nothing>(&Call::default()).verdict, Verdict::Pass);
    assert!(exchange.prepare::<Nothing>(&Call::default()).is_err());
    assert_eq!(exchange.prices::<Nothing>(), []);
    assert_eq!(exchange.balance::<Nothing>(), Ok(None));
    assert_eq!(exchange.health::<Nothing>(), Condition::usable());
    assert_eq!(Carrier::default(), Carrier::Landline);
}

#[test]
fn international_numbers() {
    #[track_caller]
    fn check(text: &str, digits: Option<&str>) {
        assert_eq!(E164::parse(text).as_ref().map(E164::digits), digits, "{text}");
    }
    check("+441632960123", Some("441632960123"));
    check(" +44 (1632) 960-123", Some("441632960123"));
    check("441632960123", None);
    check("+0441632", None);
    check("+4", None);
    check("+1234567890123456", None);
    check("+44a", None);
    check("", None);
    let number = E164::parse("+441632960123").unwrap();
    assert_eq!(number.to_string(), "+441632960123");
    assert_eq!(number.after("00"), "00441632960123");
    assert_eq!(number.national("44", "0").as_deref(), Some("01632960123"));
    assert_eq!(number.national("49", "0"), None);
    assert_eq!(number.domain("e164.arpa."), "3.2.1.0.6.9.2.3.6.1.4.4.e164.arpa");
}

fn pause(millis: u32) -> Step {
    Step::Pause(millis)
}

fn keys(keys: &str) -> Step {
    Step::Keys(keys.to_owned())
}

#[test]
fn steps_join_and_split() {
    #[track_caller]
    fn check(steps: Steps, expected: &[Step]) {
        assert_eq!(steps.as_slice(), expected);
    }
    check(Steps::new().keys("12").keys("a#"), &[keys("12A#")]);
    check(Steps::new().pause(500).pause(500).keys("1"), &[pause(1_000), keys("1")]);
    check(Steps::new().pause(70_000), &[pause(30_000), pause(30_000), pause(10_000)]);
    check(Steps::new().pause(20_000).pause(20_000), &[pause(30_000), pause(10_000)]);
    check(Steps::new().pause(u32::MAX).pause(1).keys(""), Steps::new().pause(u32::MAX).pause(1).as_slice());
    check(Steps::new().keys(&"1".repeat(65)), &[keys(&"1".repeat(64)), keys("1")]);
    check(Steps::new().pause(0).keys("x y"), &[]);
    let steps = Steps::new().pause(70_000).keys(&"1".repeat(65));
    assert_eq!(steps.clone().into_iter().collect::<Steps>(), steps);
}

#[test]
fn sequences_are_read() {
    #[track_caller]
    fn check(text: &str, expected: Result<&[Step], &str>) {
        let value = |word: &str| match word {
            "pin" => Some("1234".to_owned()),
            "bad" => Some("12x".to_owned()),
            _ => None,
        };
        let read = Steps::read(text, value);
        let read = read.as_ref().map(Steps::as_slice).map_err(ToString::to_string);
        assert_eq!(read, expected.map_err(str::to_owned), "{text}");
    }
    check("", Ok(&[]));
    check("2s", Ok(&[pause(2_000)]));
    check("1.5s 300ms 0", Ok(&[pause(1_800), keys("0")]));
    check("{pin}#", Ok(&[keys("1234#")]));
    check("9{pin}{pin}# 1s *", Ok(&[keys("912341234#"), pause(1_000), keys("*")]));
    check("{pin", Err("{pin has no closing brace"));
    check("{name}", Err("{name} stands for nothing here"));
    check("{bad}", Err("invalid key 'x': expected 0 to 9, A to D, * or #, or a pause such as `1.5s`"));
    check("9999s", Err("invalid key 's': expected 0 to 9, A to D, * or #, or a pause such as `1.5s`"));
    check("nans", Err("invalid key 'n': expected 0 to 9, A to D, * or #, or a pause such as `1.5s`"));
}

#[test]
fn money_is_read() {
    #[track_caller]
    fn check(text: &str, micros: Option<i64>) {
        assert_eq!(Money::parse(text).map(|m| m.micros), micros, "{text}");
    }
    check("0.0125 EUR", Some(12_500));
    check("0,0125 EUR", Some(12_500));
    check("3 GBP", Some(3_000_000));
    check("-1.5 USD", Some(-1_500_000));
    check("0.0000001 EUR", None);
    check("1.2.3 EUR", None);
    check(".5 EUR", None);
    check("5", None);
    check("5 euro", None);
    check("99999999999999999999 EUR", None);
}

#[test]
fn the_fake_refuses_what_is_not_granted() {
    let exchange = Fake::new()
        .zone("e164.arpa")
        .naptr("1.e164.arpa", [Naptr { order: 1, ..Naptr::default() }])
        .naptr_fails("2.e164.arpa", dns::Failure::TooLate)
        .host("prices.example.com", |_| Ok(Response { status: 200, ..Response::default() }));
    exchange.within(|| {
        assert_eq!(dns::look_up_naptr("1.E164.arpa.").map(|r| r.len()), Ok(1));
        assert_eq!(dns::look_up_naptr("2.e164.arpa"), Err(dns::Failure::TooLate));
        assert_eq!(dns::look_up_naptr("3.e164.arpa"), Err(dns::Failure::None));
        assert!(matches!(dns::look_up_naptr("3.notarpa"), Err(dns::Failure::NotGranted(_))));
        assert!(matches!(dns::look_up_naptr("1.xe164.arpa"), Err(dns::Failure::NotGranted(_))));
        let ok = http::fetch(&Request::get("https://prices.example.com/today"));
        assert_eq!(ok.map(|r| r.status), Ok(200));
        let other = http::fetch(&Request::get("https://other.example.com/"));
        assert_eq!(other, Err(http::Failure::NotGranted("other.example.com".into())));
    });
}

#[test]
fn the_fake_keeps_the_limits_of_log_and_store() {
    let exchange = Fake::new().setting("list", " a, b\nc,, ").setting("blank", "  ").setting("n", "x");
    exchange.within(|| {
        for n in 0..100 {
            crate::info!("line {n} {}", "ä".repeat(1_000));
        }
        assert!(store::set("key", "value"));
        assert!(!store::set("", "value"));
        assert!(!store::set("key", &"x".repeat(4_097)));
        assert_eq!(settings::list("list"), ["a", "b", "c"]);
        assert_eq!(settings::text("blank"), None);
        assert_eq!(settings::need("blank"), Err("the setting \"blank\" is missing".into()));
        assert_eq!(settings::read::<u32>("n"), Err("the setting \"n\" cannot be \"x\"".into()));
        assert_eq!(settings::read::<u32>("none"), Ok(None));
    });
    assert_eq!(exchange.in_store("key").as_deref(), Some("value"));
    let lines = exchange.lines();
    assert_eq!(lines.len(), 32);
    assert!(lines.iter().all(|(level, line)| *level == Level::Info && line.len() <= 1_024));
    // Outside of a decision there is no exchange.
    assert_eq!(store::get("key"), None);
}

#[test]
fn a_panic_does_not_leak_one_exchange_into_the_next() {
    let exchange = Fake::new().setting("a", "1");
    let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        exchange.within(|| panic!("as a plugin would"));
    }));
    assert!(broken.is_err());
    assert_eq!(Answer::pass(), Answer::default());
    assert_eq!(settings::text("a"), None);
    assert_eq!(exchange.within(|| settings::text("a")).as_deref(), Some("1"));
}
