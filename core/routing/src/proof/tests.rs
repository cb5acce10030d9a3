use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::router::{NoPrices, Router};
use ringtrip_config::Country;
use ringtrip_config::{Config, Extension, ExtraNumber, Fxo, Gateway, Inbound, Line, LineKind, Region};
use ringtrip_dialplan::Plan;
use ringtrip_exchange::route::{PlanRoute, Target, WallTime};
use ringtrip_model::ids::PortRef;
use ringtrip_model::party::Digits;

use super::*;
use crate::plugins::NoPlugins;
use crate::script::{Limits, Script};

const NOW: WallTime = WallTime {
    unix_micros: 1_795_000_000_000_000,
    year: 2026,
    month: 11,
    day: 18,
    hour: 12,
    minute: 0,
    weekday: 3,
};

/// Two extensions, a landline, two providers, a British plan.
fn site() -> Config {
    let mut config = Config::default();
    config.emergency.country = Country::GB;
    for id in ["101", "201"] {
        config.extensions.push(Extension::new(id.parse().unwrap()));
    }
    config.lines.push(Line {
        id: "fxo1".parse().unwrap(),
        port: PortRef { board: "virtual".parse().unwrap(), port: 2 },
        plan: None,
        script: None,
        kind: LineKind::Fxo(Fxo::of(Region::Uk)),
    });
    for (id, server) in [("gw1", "sip.example.com"), ("gw2", "sip.example.net")] {
        let mut gateway = Gateway::new(id.parse().unwrap(), server.parse().unwrap(), "user");
        gateway.inbound = Inbound::Ring(vec![Target::Extension("101".parse().unwrap())]);
        config.gateways.push(gateway);
    }
    with_plan(&mut config, "([12]01S0|999S0<:@gw0>|112S0<:@gw0>|0xx.<:@gw1>)");
    config.default_route = PlanRoute::Landline;
    config
}

fn with_plan(config: &mut Config, plan: &str) {
    config.plans.insert("home".to_owned(), Arc::new(Plan::parse(plan).unwrap()));
}

#[allow(clippy::disallowed_methods)] // Scripts have a time limit.
fn engine(mut config: Config, script: &str) -> Engine {
    let mut scripts = BTreeMap::new();
    if !script.is_empty() {
        config.script = Some("test.rhai".to_owned());
        let start = Instant::now();
        let limits = Limits { operations: 20_000, time: Duration::from_millis(500) };
        let script = Script::compile("test.rhai", script, limits, BTreeMap::new(), move || start.elapsed());
        scripts.insert("test.rhai".to_owned(), Arc::new(script.unwrap()));
    }
    Engine::new(Router::new(Arc::new(config)), Arc::new(scripts), Arc::new(NoPlugins), Arc::new(NoPrices))
}

fn proof(config: Config, script: &str) -> Proof {
    let live = engine(site(), "");
    let engine = engine(config, script);
    let texts = [script.to_owned()];
    let known = Known { now: &NOW, texts: &texts, dialled: &[], seed: 7 };
    prove(&engine, ProofInput { known, live: Some(&live), most: 5_000, go_on: &|| true })
}

/// The rule that stops it, and words of the finding; `None`: it holds.
#[track_caller]
fn check(change: impl FnOnce(&mut Config), script: &str, stopped_by: Option<(Rule, &str)>) {
    let mut config = site();
    change(&mut config);
    let proof = proof(config, script);
    let stops: Vec<&Finding> = proof.findings.iter().filter(|f| f.stops).collect();
    match stopped_by {
        None => assert!(proof.holds(), "{stops:#?}"),
        Some((rule, words)) => {
            let found = stops.iter().any(|f| f.rule == rule && f.what.contains(words));
            assert!(found, "no {rule:?} with {words:?} in {stops:#?}");
        }
    }
}

#[test]
fn a_plain_house_holds() {
    check(|_| {}, "", None);
    check(|_| {}, "fn route(c) { pass() }", None);
    check(|_| {}, "fn route(c) { if c.number.starts_with(\"09\") { return block(\"dear\"); } pass() }", None);
}

#[test]
fn plans_that_touch_emergency_numbers_stop() {
    let plan = |text: &'static str| move |config: &mut Config| with_plan(config, text);
    check(plan("(112!|0xx.<:@gw1>)"), "", Some((Rule::Emergency, "bars 112")));
    check(plan("(<:0>xx.<:@gw1>)"), "", Some((Rule::Emergency, "makes 0999 of 999")));
    check(plan("(999P3<:@gw0>|0xx.<:@gw1>)"), "", Some((Rule::Emergency, "pause")));
    check(plan("(999xx<:@gw0>|0xx.<:@gw1>)"), "", Some((Rule::Emergency, "goes on")));
    // A plan that does not know them is no harm: they never come to it.
    check(plan("(0xx.<:@gw1>)"), "", None);
    check(plan("(xx.<:@gw1>)"), "", None);
}

#[test]
fn a_number_of_the_country_is_not_sent_elsewhere() {
    let extra = |dialled: &'static str, send: &'static str| {
        move |config: &mut Config| {
            let extra = ExtraNumber { dialled: Digits::new(dialled), send: Digits::new(send) };
            config.emergency.extra.push(extra);
        }
    };
    check(extra("112", "01480123456"), "", Some((Rule::Emergency, "sent as 01480123456")));
    check(extra("9999", "999"), "", None);
    let extension = |config: &mut Config| config.extensions.push(Extension::new("112".parse().unwrap()));
    check(extension, "", Some((Rule::Emergency, "cannot be an extension")));
}

#[test]
fn an_emergency_call_keeps_a_way_out() {
    let cut = |config: &mut Config| {
        config.lines.clear();
        config.gateways.clear();
        with_plan(config, "([12]01S0)");
    };
    check(cut, "", Some((Rule::Emergency, "cannot leave the exchange")));
}

#[test]
fn scripts_that_would_touch_emergency_numbers_stop() {
    let script = |body: &str| format!("fn route(c) {{ {body} }}");
    let stops = |body: &str, words: &str| check(|_| {}, &script(body), Some((Rule::Emergency, words)));
    stops("if c.number == \"112\" { return block(\"no\"); } pass()", "blocks it: no");
    stops("if c.number == \"999\" { rewrite(\"0123\"); } pass()", "makes 0123 of it");
    stops("if c.number == \"999\" { return to(\"101\"); } pass()", "rings extension 101");
    stops("if c.number == \"999\" && c.hour == 3 { return block(\"night\"); } pass()", "blocks it");
    check(|_| {}, &script("if c.outside { return to(\"gw1\"); } pass()"), None);
}

#[test]
fn a_script_that_fails_is_shown_with_a_small_call() {
    let mut config = site();
    with_plan(&mut config, "([12]01S0|0xx.<:@gw1>)");
    let looping =
        "fn route(c) {\n    if c.number.starts_with(\"08\") {\n        loop { }\n    }\n    pass()\n}";
    let proof = proof(config, looping);
    let finding = proof.findings.iter().find(|f| f.rule == Rule::Terminates).expect("it loops for ever");
    let example = finding.example.as_ref().expect("a call");
    assert_eq!(example.number.as_str(), "08", "{finding:#?}");
    // An endless loop is found by its line.
    assert!(finding.what.contains("test.rhai:3: it exceeded its limit of operations"), "{finding:#?}");
    assert!(finding.stops && matches!(&finding.place, Place::Script(name) if name.contains("test.rhai")));
}

#[test]
fn nobody_outside_calls_at_our_cost() {
    let ring = |target: Target| {
        move |config: &mut Config| {
            config.gateways[0].inbound = Inbound::Ring(vec![target]);
        }
    };
    check(ring(Target::Landline), "", Some((Rule::Toll, "without a PIN")));
    // A fixed number is a forward: said, but allowed.
    let forward =
        |config: &mut Config| config.gateways[0].inbound = Inbound::Number(Digits::new("01480123456"));
    let mut config = site();
    with_plan(&mut config, "([12]01S0|0xx.<:@gw2>)");
    forward(&mut config);
    let proof = proof(config, "");
    assert!(proof.holds(), "{:#?}", proof.findings);
    assert!(proof.findings.iter().any(|f| f.rule == Rule::Toll && !f.stops), "{:#?}", proof.findings);
    check(
        |_| {},
        "fn route(c) { if c.source == \"gateway\" { return to(\"gw2\", c.dialled); } pass() }",
        Some((Rule::Toll, "gw2")),
    );
}

#[test]
fn calls_that_go_in_a_circle_are_found() {
    let circle = |config: &mut Config| {
        let to = |id: &str| Inbound::Ring(vec![Target::Gateway(id.parse().unwrap())]);
        config.gateways[0].inbound = to("gw2");
        config.gateways[1].inbound = to("gw1");
    };
    check(circle, "", Some((Rule::Loops, "loops")));
    let own = |config: &mut Config| config.gateways[0].server = config.sip.domain.parse().unwrap();
    check(own, "", Some((Rule::Loops, "itself")));
}

#[test]
fn alternatives_that_never_win_stop() {
    let plan = |config: &mut Config| with_plan(config, "(0xx.<:@gw1>|0148xx.<:@gw0>)");
    check(plan, "", Some((Rule::Shadowed, "0148xx.<:@gw0> can never win")));
}

#[test]
fn a_guard_is_quick_and_finds_the_worst() {
    let mut config = site();
    for n in 300..400 {
        config.extensions.push(Extension::new(n.to_string().parse().unwrap()));
    }
    let engine = engine(config, "fn route(c) { loop { } }");
    let known = Known { now: &NOW, texts: &[], dialled: &[], seed: 7 };
    let proof = guard(&engine, ProofInput { known, live: None, most: 2_000, go_on: &|| true });
    assert!(!proof.holds());
    assert!(proof.findings.iter().any(|f| f.rule == Rule::Terminates), "{:#?}", proof.findings);
}
