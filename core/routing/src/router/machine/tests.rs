use std::collections::BTreeMap;

use super::*;
use crate::router::policy::{PolicyItem, PolicyStage, PolicyTarget, PolicyVerdict};
use ringtrip_config::{DemoSecrets, Gateway};
use ringtrip_dialplan::Plan;
use ringtrip_exchange::route::WallTime;
use ringtrip_model::ids::CallId;

/// The plans of the article's examples 1 to 3.
const ONE: &str = include_str!("../../../../../scripts/plans/example-1.plan");
const TWO: &str = include_str!("../../../../../scripts/plans/example-2.plan");
const THREE: &str = include_str!("../../../../../scripts/plans/example-3.plan");

fn config(plan: &str) -> Config {
    let mut config = Config::demo(Region::Uk, DemoSecrets { first: String::new(), second: String::new() });
    config.plans = BTreeMap::from([("home".to_owned(), Arc::new(Plan::parse(plan.trim()).unwrap()))]);
    for id in ["gw1", "gw2"] {
        config.gateways.push(Gateway::new(id.parse().unwrap(), "sip.example.com".parse().unwrap(), "me"));
    }
    // The article's "default" is the VoIP provider of the line.
    config.default_route = PlanRoute::Gateway("gw2".parse().unwrap());
    config.gateways[0].inbound = Inbound::Ring(vec![Target::Extension("201".parse().unwrap())]);
    config.gateways[0].dids.push((Digits::new("5550"), Inbound::Number(Digits::new("202"))));
    config.gateways[1].inbound = Inbound::Dialled;
    config
}

fn query(source: Source, dialled: &str) -> RouteQuery {
    RouteQuery {
        call: CallId(1),
        source,
        caller: CallerId { number: "201".into(), name: "Ann".into(), private: false },
        dialled: Digits::new(dialled),
        planned: None,
        at: WallTime::default(),
        pin: None,
        entered: None,
        user: String::new(),
        asked: false,
    }
}

fn phone() -> Source {
    Source::Extension("201".parse().unwrap())
}

fn gateway(id: &str) -> Source {
    Source::Gateway(id.parse().unwrap())
}

fn line(id: &str) -> Source {
    Source::Line(id.parse().unwrap())
}

fn shown(plan: &RoutePlan) -> String {
    match &plan.verdict {
        Verdict::Refuse(cause) => format!("refuse {}", cause.word()),
        Verdict::Emergency(call) => format!("emergency {}", call.number()),
        Verdict::Ask(question) => format!("ask {:?}", question.wanted),
        Verdict::Stages(stages) => {
            let attempt = |a: &Attempt| match &a.target {
                Target::Landline => format!("gw0 {}", a.number),
                Target::Extension(id) => format!("ext {id}"),
                Target::Line(id) => format!("line {id} {}", a.number),
                Target::Gateway(id) => format!("{id} {}", a.number),
                Target::Uri(host) => format!("{} {}", host.host, a.number),
            };
            let stage = |s: &Stage| s.targets.iter().map(attempt).collect::<Vec<_>>().join("+");
            stages.iter().map(stage).collect::<Vec<_>>().join(" then ")
        }
    }
}

fn route(config: &Config, source: Source, dialled: &str) -> RoutePlan {
    match Router::new(Arc::new(config.clone())).before_policy(query(source, dialled)) {
        RouterStep::Done(plan) => *plan,
        RouterStep::AskPolicy(call) => panic!("no script is configured, yet it is asked: {call:?}"),
    }
}

#[track_caller]
fn check(config: &Config, source: Source, dialled: &str, wanted: &str) {
    let plan = route(config, source, dialled);
    assert_eq!(shown(&plan), wanted, "{dialled}: {:?}", plan.provenance);
    assert!(!plan.provenance.because.is_empty());
}

#[test]
fn example_1() {
    let config = config(ONE);
    for (dialled, wanted) in [
        ("*01288888888", "gw2 **473*01288888888"),
        ("00441480123123", "gw0 01480123123"),
        ("0033145678901", "gw0 18330033145678901"),
        ("0012125551234", "gw2 0012125551234"),
        ("01480123123", "gw0 01480123123"),
        ("1471", "gw0 1471"),
        ("#101480123123", "gw0 01480123123"),
        ("#2*01288888888", "gw2 *01288888888"),
        ("#201480123123", "gw2 01480123123"),
        ("#30145678901", "gw0 18330145678901"),
        ("#4123", "refuse unallocated"),
        ("*", "refuse unallocated"),
        ("999", "emergency 999"),
        ("112", "emergency 112"),
    ] {
        check(&config, phone(), dialled, wanted);
        check(&config, line("fxs1"), dialled, wanted);
    }
}

#[test]
fn example_2() {
    let config = config(TWO);
    for (dialled, wanted) in [
        ("234567", "gw0 234567"),
        ("18001234567", "gw0 18001234567"),
        ("08981234567", "refuse barred"),
        ("00441480123123", "gw2 00441480123123"),
        ("01480123123", "gw2 01480123123"),
        ("0033145678901", "gw1 0033145678901"),
        ("*01188888", "sipbroker.com *01188888"),
        ("999", "emergency 999"),
    ] {
        check(&config, phone(), dialled, wanted);
    }
}

#[test]
fn example_3() {
    let config = config(THREE);
    for (dialled, wanted) in [
        ("234567", "gw2 01480234567"),
        ("01480123123", "gw2 01480123123"),
        ("*013447200101010", "gw2 **473*013447200101010"),
        ("9", "refuse unallocated"),
        ("99", "gw2 99"),
        ("999", "emergency 999"),
    ] {
        check(&config, phone(), dialled, wanted);
    }
}

#[test]
fn numbers_without_a_rule() {
    let mut config = config("(xx.|<9:@gw0>)");
    check(&config, phone(), "202", "ext 202");
    check(&config, phone(), "555", "gw2 555");
    check(&config, phone(), "+33145678901", "gw2 0033145678901");
    check(&config, phone(), "+441480123123", "gw2 01480123123");
    config.default_route = PlanRoute::Default;
    check(&config, phone(), "555", "refuse unallocated");
    check(&config, phone(), "alice", "refuse unallocated");
}

#[test]
fn emergency_cannot_be_barred_rewritten_or_hidden() {
    let mut config = config("(999!|112!|<9:>xx.<:@gw1>|5xx.!)");
    config.default_route = PlanRoute::Default;
    check(&config, phone(), "999", "emergency 999");
    check(&config, phone(), "112", "emergency 112");
    check(&config, phone(), "9112", "emergency 112");
    check(&config, gateway("gw1"), "999", "ext 201");
    check(&config, gateway("gw2"), "999", "emergency 999");
    check(&config, phone(), "9113", "gw1 113");
}

#[test]
fn calls_from_outside_go_where_they_are_sent() {
    let config = config("(xx.)");
    check(&config, gateway("gw1"), "01480123123", "ext 201");
    check(&config, gateway("gw1"), "5550", "ext 202");
    check(&config, gateway("gw2"), "101", "ext 101");
    check(&config, gateway("gw2"), "555", "refuse unallocated");
    check(&config, gateway("gw9"), "101", "refuse unallocated");
    check(&config, line("fxo1"), "", "ext 101+ext 102");
}

#[test]
fn a_call_is_not_sent_back_where_it_came_from() {
    let mut config = config("(xx.<:@gw0>)");
    config.gateways[0].inbound = Inbound::Ring(vec![Target::Gateway("gw1".parse().unwrap())]);
    check(&config, gateway("gw1"), "5", "refuse barred");
    config = self::config("(xx.<:@gw0>)");
    config.lines[2].kind = match config.lines[2].kind.clone() {
        LineKind::Fxo(fxo) => LineKind::Fxo(fxo.ringing(vec![Target::Landline])),
        fxs => fxs,
    };
    check(&config, line("fxo1"), "", "refuse barred");
}

#[test]
fn the_landlines_own_plan_has_the_last_word() {
    let mut config = config("(<0:D2 >xx.<:@gw0>|<9:@gw0>|[*x][*x].<:@gw0>)");
    config.plans.insert("pstn".into(), Arc::new(Plan::parse("(xx.)").unwrap()));
    config.lines[2].plan = Some("pstn".into());
    check(&config, phone(), "123", "gw0 123");
    check(&config, phone(), "*123", "refuse invalid");
    check(&config, phone(), "0123", "gw0 ,,123");
    check(&config, phone(), "9", "gw0 ");
}

#[test]
fn callers_are_shown_as_configured() {
    let mut config = config("(2xx|xx.<:@gw1>)");
    let caller = |config: &Config, dialled: &str| match route(config, phone(), dialled).verdict {
        Verdict::Stages(stages) => stages[0].targets[0].caller.clone(),
        verdict => panic!("{verdict:?}"),
    };
    assert_eq!(caller(&config, "202").number, "201");
    assert_eq!(caller(&config, "5").number, "me");
    config.extensions[2].caller_id = Some("01480999999".into());
    config.extensions[2].withhold = true;
    assert_eq!((caller(&config, "5").number.as_str(), caller(&config, "5").private), ("01480999999", true));
    assert!(!caller(&config, "202").private);
}

/// Asks, answers with what the script says, and shows the plan and whether the script failed.
fn with_script(plan: &str, dialled: &str, answer: Result<PolicyAnswer, String>) -> (String, RoutePlan, bool) {
    let mut config = config(plan);
    config.script = Some("default.rhai".into());
    let router = Router::new(Arc::new(config));
    match router.before_policy(query(phone(), dialled)) {
        RouterStep::Done(plan) => (shown(&plan), *plan, false),
        RouterStep::AskPolicy(call) => {
            let (plan, event) = router.after_policy(*call, "default.rhai", answer);
            (shown(&plan), plan, matches!(event, Some(Event::ScriptFailed { .. })))
        }
    }
}

fn to(names: &[&str], number: Option<&str>) -> PolicyVerdict {
    let target = |name: &&str| PolicyTarget { name: name.to_string(), number: number.map(Digits::new) };
    let stage = |n| PolicyItem::Ring(PolicyStage { targets: vec![target(n)], timeout: None });
    PolicyVerdict::Stages(names.iter().map(stage).collect())
}

#[test]
fn scripts_decide_after_the_plan() {
    #[track_caller]
    fn check(dialled: &str, answer: PolicyAnswer, wanted: &str, failed: bool) {
        let (shown, plan, has_failed) = with_script("(0898xx.!|xx.<:@gw1>)", dialled, Ok(answer.clone()));
        assert_eq!((shown.as_str(), has_failed), (wanted, failed), "{answer:?}: {:?}", plan.provenance);
    }
    let say =
        |verdict| PolicyAnswer { verdict, decided_at: "default.rhai:7".into(), ..PolicyAnswer::default() };
    check("555", say(PolicyVerdict::Pass), "gw1 555", false);
    check("555", say(to(&["gw2", "gw0"], None)), "gw2 555 then gw0 555", false);
    check(
        "555",
        say(to(&["201", "fxs1", "sip.example.org:5080"], Some("7"))),
        "ext 201 then line fxs1 7 then sip.example.org:5080 7",
        false,
    );
    check(
        "555",
        say(PolicyVerdict::Refuse { cause: Cause::Barred, because: "no".into() }),
        "refuse barred",
        false,
    );
    // Rewritten and passed: the plan once more, with its bars.
    check(
        "555",
        PolicyAnswer { number: Some(Digits::new("444")), ..say(PolicyVerdict::Pass) },
        "gw1 444",
        false,
    );
    check(
        "555",
        PolicyAnswer { number: Some(Digits::new("089812")), ..say(PolicyVerdict::Pass) },
        "refuse barred",
        false,
    );
    // What does not exist leaves the plan's own route, and says so.
    check("555", say(to(&["gw7"], None)), "gw1 555", true);
    check("555", say(to(&[], None)), "gw1 555", true);
    // A bar holds, an emergency call is not offered, and none can be dressed up.
    check("08981234", say(to(&["gw2"], None)), "refuse barred", false);
    check(
        "999",
        say(PolicyVerdict::Refuse { cause: Cause::Barred, because: "no".into() }),
        "emergency 999",
        false,
    );
    check("555", say(to(&["gw2"], Some("999"))), "emergency 999", false);
    check(
        "555",
        PolicyAnswer { number: Some(Digits::new("112")), ..say(PolicyVerdict::Pass) },
        "emergency 112",
        false,
    );
}

#[test]
fn a_failed_script_leaves_the_plans_route() {
    let (shown, plan, failed) = with_script("(xx.<:@gw1>)", "555", Err("too slow".into()));
    assert_eq!((shown.as_str(), failed), ("gw1 555", true));
    assert!(plan.provenance.because.contains("script failed"));
}

#[test]
fn the_record_names_plan_and_script() {
    let answer = PolicyAnswer {
        verdict: to(&["gw2"], None),
        decided_at: "default.rhai:7".into(),
        ..PolicyAnswer::default()
    };
    let (_, plan, _) = with_script("(00xx.|xx.<:@gw1>)", "555", Ok(answer));
    assert_eq!(plan.provenance.alternative.as_deref(), Some("xx.<:@gw1>"));
    assert_eq!(plan.provenance.script.as_deref(), Some("default.rhai:7"));
}

#[test]
fn what_a_gateways_own_plan_makes_an_emergency_number_is_one() {
    let mut config = config("([12]0x|xx.<:@gw1>)");
    config.plans.insert("out".to_owned(), Arc::new(Plan::parse("(<9:>xx.|xx.)").unwrap()));
    config.gateways[0].outbound_plan = Some("out".to_owned());
    check(&config, phone(), "9112", "emergency 112");
    check(&config, phone(), "90123", "gw1 0123");
    // A script that sends it there meets the same.
    let policy = match Router::new(Arc::new(Config { script: Some("x".into()), ..config.clone() }))
        .before_policy(query(phone(), "201"))
    {
        RouterStep::AskPolicy(policy) => *policy,
        RouterStep::Done(plan) => panic!("the script is not asked: {plan:?}"),
    };
    let targets = vec![PolicyTarget { name: "gw1".into(), number: Some(Digits::new("9999")) }];
    let stage = PolicyItem::Ring(PolicyStage { targets, timeout: None });
    let answer = PolicyAnswer { verdict: PolicyVerdict::Stages(vec![stage]), ..PolicyAnswer::default() };
    let (plan, _) = Router::new(Arc::new(config)).after_policy(policy, "x", Ok(answer));
    assert_eq!(shown(&plan), "emergency 999");
}

#[test]
fn a_provider_is_not_called_without_a_number() {
    let mut config = config("([12]0x|S0<:@gw1>)");
    config.plans.insert("hot".to_owned(), Arc::new(Plan::parse("(<1:>x.<:@gw1>|<2:>x.<:@gw0>)").unwrap()));
    config.default_plan = "hot".to_owned();
    check(&config, phone(), "1", "refuse invalid");
    check(&config, phone(), "15", "gw1 5");
    check(&config, phone(), "2", "gw0 ");
}

#[test]
fn a_provider_does_not_call_for_help_and_another_exchange_of_the_house_does() {
    let mut config = config("(xxx)");
    let from = gateway("gw1");
    let plan = route(&config, from.clone(), "999");
    assert!(!matches!(plan.verdict, Verdict::Emergency(_)), "{plan:?}");
    let said = &plan.provenance.steps[0].said;
    assert!(said.contains("an inbound call from a provider") && said.contains("emergency = true"), "{said}");
    let id = "gw1".parse().expect("a name");
    let gateway = config.gateways.iter_mut().find(|g| g.id == id).expect("it is there");
    gateway.emergency = true;
    assert!(matches!(route(&config, from.clone(), "999").verdict, Verdict::Emergency(_)));
    // A caller who was asked for a number here chose this one.
    config.gateways.iter_mut().for_each(|g| g.emergency = false);
    let asked = RouteQuery { asked: true, ..query(from, "999") };
    let RouterStep::Done(plan) = Router::new(Arc::new(config)).before_policy(asked) else {
        panic!("it is decided")
    };
    assert!(matches!(plan.verdict, Verdict::Emergency(_)), "{plan:?}");
}
