use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::router::{NoPrices, Router};
use ringtrip_config::{Config, Extension, Gateway};
use ringtrip_exchange::route::WallTime;
use ringtrip_model::party::Digits;

use super::*;
use crate::coverage::Probe;
use crate::plugins::NoPlugins;
use crate::script::{Limits, Script};

/// A decision by this script.
fn decided(body: &str) -> Decision {
    let mut config = Config::default();
    config.extensions.push(Extension::new("101".parse().unwrap()));
    config.gateways.push(Gateway::new("gw1".parse().unwrap(), "sip.example.com".parse().unwrap(), "me"));
    config.default_route = ringtrip_exchange::route::PlanRoute::Gateway("gw1".parse().unwrap());
    config.script = Some("test.rhai".to_owned());
    let text = format!("fn route(c) {{ {body} }}");
    let script =
        Script::compile("test.rhai", &text, Limits::default(), BTreeMap::new(), || Duration::ZERO).unwrap();
    let scripts = BTreeMap::from([("test.rhai".to_owned(), Arc::new(script))]);
    let router = Router::new(Arc::new(config));
    let engine = Engine::new(router, Arc::new(scripts), Arc::new(NoPlugins), Arc::new(NoPrices));
    let source = ringtrip_model::party::Source::Extension("101".parse().unwrap());
    let probe = Probe { source, number: Digits::new("0123456"), at: WallTime::default() };
    engine.decide(probe.query())
}

/// The last steps of it, as they stand in the record.
#[track_caller]
fn check(body: &str, expected: &[&str]) {
    let decision = decided(body);
    let steps: Vec<String> = decision
        .plan
        .provenance
        .steps
        .iter()
        .filter(|s| s.kind == StepKind::Stage)
        .map(|s| format!("{}: {}", s.subject, s.said))
        .collect();
    assert_eq!(steps, expected, "{:?}", decision.events);
}

#[test]
fn a_record_says_all_that_was_done_beside_the_call() {
    let stage = "1 gw1: 0123456 for 180 s";
    check("pass()", &[stage]);
    check(
        "delay(1.5); play(\"closed\"); pass()",
        &["first: waits 1.5 s", "first: closed is played to the caller", stage],
    );
    check("record(); to(\"gw1\")", &["the talk: is recorded", stage]);
    check("block(\"no\")", &["refused: barred"]);
    check("say(\"not-allowed\"); block(\"no\")", &["refused: barred; not-allowed is said to the caller"]);
    check("ask_pin(\"enter-pin\", 2)", &["the caller is asked: for a PIN with enter-pin, at most 2 times"]);
    check("ask_number()", &["the caller is asked: for a number, at most 3 times"]);
}

#[test]
fn a_reason_is_one_line() {
    assert_eq!(decided("block(\"a\\nb\\x1b[31m\")").plan.provenance.because, "a b [31m");
}
