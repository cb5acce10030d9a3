use std::time::Duration;

use super::*;
use ringtrip_config::{Config, DemoSecrets, Gateway, PluginGateway, Region};
use ringtrip_exchange::route::{Keys, WallTime};
use ringtrip_model::ids::{CallId, GatewayId};
use ringtrip_model::party::Source;

fn id(name: &str) -> GatewayId {
    name.parse().expect("a name")
}

fn router() -> Router {
    let secrets = DemoSecrets { first: "a".to_owned(), second: "b".to_owned() };
    let mut config = Config::demo(Region::Uk, secrets);
    config.gateways.push(Gateway::new(id("gw1"), "sip.example.com".parse().expect("a host"), "me"));
    config.plugin_gateways.push(PluginGateway { id: id("gw3"), plugin: "card".to_owned() });
    config.plugin_gateways.push(PluginGateway { id: id("gw4"), plugin: "other".to_owned() });
    Router::new(Arc::new(config))
}

fn query() -> RouteQuery {
    RouteQuery {
        call: CallId(1),
        source: Source::Extension("101".parse().expect("a name")),
        caller: CallerId::default(),
        dialled: Digits::new("0033123456789"),
        planned: None,
        at: WallTime::default(),
        pin: None,
        entered: None,
        user: String::new(),
        asked: false,
    }
}

fn preparation(carrier: Carrier, number: &str) -> Preparation {
    Preparation {
        carrier,
        number: Digits::new(number),
        headers: Vec::new(),
        credentials: None,
        caller: None,
        after_answer: Vec::new(),
        because: String::new(),
        plugin: "card 1.0.0".to_owned(),
    }
}

fn prepared(preparation: Preparation) -> Result<Attempt, String> {
    let attempt = Attempt::new(Target::Gateway(id("gw3")), Digits::new("0033123456789"), CallerId::default());
    router().prepared(&query(), &attempt, preparation)
}

#[test]
fn a_card_goes_out_by_the_landline_and_is_still_the_card() {
    let keys = AfterAnswer::Keys(Keys("1234#".to_owned()));
    let after = vec![AfterAnswer::Pause(Duration::from_secs(3)), keys];
    let request = Preparation { after_answer: after.clone(), ..preparation(Carrier::Landline, "0800890011") };
    let made = prepared(request).expect("it is placed");
    assert_eq!((made.target, made.number.as_str()), (Target::Landline, "0800890011"));
    let how = made.prepared.expect("prepared");
    assert_eq!((how.gateway.clone(), &how.after_answer), (Some(id("gw3")), &after));
    assert!(!format!("{how:?}").contains("1234"), "a PIN is in no log");
}

#[test]
fn what_a_plugin_may_not_do() {
    let check = |preparation: Preparation, why: &str| {
        let refused = prepared(preparation).expect_err(why);
        assert!(refused.contains(why), "{refused:?} does not say {why:?}");
    };
    check(preparation(Carrier::Landline, "999"), "emergency");
    check(preparation(Carrier::Gateway("gw4".to_owned()), "1"), "no gateway");
    check(preparation(Carrier::Gateway("gw3".to_owned()), "1"), "no gateway");
    check(preparation(Carrier::Gateway("101".to_owned()), "1"), "no gateway");
    check(preparation(Carrier::Sip("not a host".to_owned()), "1"), "not a host");
    check(preparation(Carrier::Gateway("gw1".to_owned()), ""), "no number");
    let header = |name: &str, value: &str| Preparation {
        headers: vec![(name.to_owned(), value.to_owned())],
        ..preparation(Carrier::Gateway("gw1".to_owned()), "1")
    };
    check(header("From", "x"), "itself");
    check(header("f", "x"), "itself");
    check(header("X-A B", "x"), "invalid header name");
    check(header("X-A", "x\r\nVia: evil"), "control");
    let after = |part: AfterAnswer| Preparation {
        after_answer: vec![part],
        ..preparation(Carrier::Landline, "0800890011")
    };
    check(after(AfterAnswer::Pause(Duration::from_secs(31))), "too long");
    check(after(AfterAnswer::Keys(Keys("12x".to_owned()))), "invalid keys");
    check(after(AfterAnswer::Keys(Keys("1".repeat(65)))), "at most 64");
}

#[test]
fn a_provider_with_a_plugin_of_its_own_carries_its_own_calls() {
    let secrets = DemoSecrets { first: "a".to_owned(), second: "b".to_owned() };
    let mut config = Config::demo(Region::Uk, secrets);
    let mut gateway = Gateway::new(id("gw1"), "sip.example.com".parse().expect("a host"), "me");
    gateway.plugin = Some("numbers".to_owned());
    config.gateways.push(gateway);
    let attempt = Attempt::new(Target::Gateway(id("gw1")), Digits::new("1"), CallerId::default());
    let request = preparation(Carrier::Gateway("gw1".to_owned()), "0044");
    let made = Router::new(Arc::new(config)).prepared(&query(), &attempt, request).expect("it is placed");
    assert_eq!((made.target, made.number.as_str()), (Target::Gateway(id("gw1")), "0044"));
}
