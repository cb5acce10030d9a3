//! What a route wants done beside placing a call: other ways after a failure, calls that a plugin prepared, questions to
//! the caller, announcements, recordings, money. In virtual time.

use std::sync::Arc;
use std::time::Duration;

use ringtrip_config::{Config, Gateway, HostPort, Inbound, Password, Pin, Rule};
use ringtrip_dialplan::Plan;
use ringtrip_exchange::cdr::Cdr;
use ringtrip_exchange::post::CallInput;
use ringtrip_exchange::prompt;
use ringtrip_exchange::route::{
    AfterAnswer, Credentials, Extras, Keys, Prelude, Prepared, Question, Quote, RoutePlan, Target, Verdict,
    Wanted,
};
use ringtrip_model::board::BoardEvent;
use ringtrip_model::event::Event;
use ringtrip_model::party::{Cause, Digits};
use ringtrip_rating::money::Money;
use ringtrip_rating::rate::{Steps, Tariff};
use ringtrip_routing::router::{
    PolicyAnswer, PolicyCall, PolicyItem, PolicyStage, PolicyTarget, PolicyVerdict,
};
use ringtrip_testkit::{PhoneBehaviour, World, expect};

type Answer = Result<PolicyAnswer, String>;

/// A world whose numbers with a 9 in front go to the provider, asked about with this script. `spare` is `gw2`.
fn world(script: fn(&PolicyCall) -> Answer, change: impl FnOnce(&mut Config)) -> World {
    let mut world = World::with(1, |config| {
        let plan = Plan::parse("([12]0xS0|<9,:>xx.<:@gw1>)").expect("a plan");
        config.plans.insert("home".to_owned(), plan.into());
        config.script = Some("test.rhai".to_owned());
        let server = HostPort { host: "spare.example".to_owned(), port: None };
        let mut spare = Gateway::new("gw2".parse().expect("a name"), server, "acme");
        spare.password = Some(Password("sesame".to_owned()));
        config.gateways.push(spare);
        config.gateways.iter_mut().for_each(|g| g.register = false);
        change(config);
    });
    world.script(script);
    world.register(&["201", "202"]);
    world.start_gateways();
    world.run(1_000);
    world.write();
    world
}

fn same(_: &mut Config) {}

fn stages(names: &[(&str, &str)]) -> PolicyVerdict {
    let one = |(name, number): &(&str, &str)| {
        let number = (!number.is_empty()).then(|| Digits::new(number));
        let targets = vec![PolicyTarget { name: (*name).to_owned(), number }];
        PolicyItem::Ring(PolicyStage { targets, timeout: Some(Duration::from_secs(20)) })
    };
    PolicyVerdict::Stages(names.iter().map(one).collect())
}

fn answer(verdict: PolicyVerdict) -> Answer {
    Ok(PolicyAnswer { verdict, ..PolicyAnswer::default() })
}

/// Both providers, one after the other.
fn both(_: &PolicyCall) -> Answer {
    answer(stages(&[("gw1", ""), ("gw2", "")]))
}

fn pass(_: &PolicyCall) -> Answer {
    answer(PolicyVerdict::Pass)
}

fn with_extras(extras: Extras) -> Answer {
    Ok(PolicyAnswer { extras, ..PolicyAnswer::default() })
}

fn cdr(world: &World) -> &Cdr {
    world.cdrs.values().last().expect("a record")
}

/// Runs out every timer of SIP and looks that nothing is left.
#[track_caller]
fn clean(mut world: World) {
    world.hang_up_all();
    world.run(80_000);
    assert_eq!(world.left_over(), Vec::<String>::new(), "{}", world.ladder());
}

/// `acme` refuses so; is `spare` called?
#[track_caller]
fn fails(behaviour: PhoneBehaviour, spare_is_called: bool, cause: Cause) {
    let mut world = world(both, same);
    world.phone("acme").behaviour(behaviour);
    world.phone("201").dial("902079460123");
    world.run(1_500);
    let called = world.phone("spare").diary.iter().any(|line| line.starts_with("called"));
    assert_eq!(called, spare_is_called, "{behaviour:?}:\n{}", world.ladder());
    if spare_is_called {
        world.run(3_000);
        assert!(world.phone("201").is_up(), "{}", world.ladder());
        world.phone("201").hang_up();
        world.run(1_000);
        assert_eq!(cdr(&world).target, "gw2");
    } else {
        assert_eq!(cdr(&world).cause, Some(cause));
    }
    clean(world);
}

#[test]
fn a_busy_party_is_not_called_by_another_way() {
    fails(PhoneBehaviour::Busy, false, Cause::Busy);
    fails(PhoneBehaviour::Decline, false, Cause::Declined);
    fails(PhoneBehaviour::Refuse(600), false, Cause::Busy);
    fails(PhoneBehaviour::Refuse(410), false, Cause::Changed);
}

#[test]
fn a_failed_provider_is_followed_by_the_next() {
    for code in [500, 502, 503, 404, 403, 480, 488] {
        fails(PhoneBehaviour::Refuse(code), true, Cause::Failure);
    }
}

#[test]
fn a_failed_provider_as_a_ladder() {
    let mut world = world(both, same);
    world.phone("acme").behaviour(PhoneBehaviour::Refuse(500));
    world.phone("201").dial("902079460123");
    world.run(4_000);
    world.phone("201").hang_up();
    world.run(2_000);
    expect("failover-to-the-next-gateway", world.ladder());
    clean(world);
}

#[test]
fn the_table_is_the_users() {
    let mut world = world(both, |config| {
        assert!(config.failover.set(Cause::Busy, Rule::Next));
        assert!(config.failover.set(Cause::Failure, Rule::Stop));
    });
    world.phone("acme").behaviour(PhoneBehaviour::Busy);
    world.phone("201").dial("902079460123");
    world.run(5_000);
    world.phone("201").hang_up();
    world.run(1_000);
    assert_eq!(cdr(&world).target, "gw2", "busy goes on here");
    world.phone("acme").behaviour(PhoneBehaviour::Refuse(500));
    world.phone("201").dial("902079460123");
    world.run(5_000);
    assert_eq!((cdr(&world).target.as_str(), cdr(&world).cause), ("gw1", Some(Cause::Failure)));
    clean(world);
}

#[test]
fn nobody_is_rung_twice_who_did_not_answer() {
    let mut world = world(both, same);
    world.phone("acme").behaviour(PhoneBehaviour::Ring);
    world.phone("201").dial("902079460123");
    world.run(25_000);
    assert_eq!(cdr(&world).cause, Some(Cause::NoAnswer));
    assert!(!world.ladder().contains("exchange → spare  INVITE"), "{}", world.ladder());
    clean(world);
}

#[test]
fn after_busy_outside_a_phone_inside_is_rung() {
    fn script(_: &PolicyCall) -> Answer {
        answer(stages(&[("gw1", ""), ("gw2", ""), ("202", "")]))
    }
    let mut world = world(script, same);
    world.phone("acme").behaviour(PhoneBehaviour::Busy);
    world.phone("201").dial("902079460123");
    world.run(5_000);
    assert!(world.phone("202").is_up(), "{}", world.ladder());
    assert!(!world.ladder().contains("exchange → spare  INVITE"), "{}", world.ladder());
    clean(world);
}

#[test]
fn after_a_busy_phone_inside_the_next_is_rung() {
    fn script(_: &PolicyCall) -> Answer {
        answer(stages(&[("202", ""), ("gw1", "")]))
    }
    let mut world = world(script, same);
    world.phone("202").behaviour(PhoneBehaviour::Busy);
    world.phone("201").dial("902079460123");
    world.run(5_000);
    assert!(world.phone("acme").is_up(), "{}", world.ladder());
    clean(world);
}

#[test]
fn another_number_is_another_party() {
    fn script(_: &PolicyCall) -> Answer {
        answer(stages(&[("gw1", "02079460123"), ("gw2", "00442079460123"), ("gw2", "07700900123")]))
    }
    let mut world = world(script, same);
    world.phone("acme").behaviour(PhoneBehaviour::Busy);
    world.phone("201").dial("902079460123");
    world.run(5_000);
    let invites = world.ladder().matches("exchange → spare  INVITE sip:00442079460123").count();
    assert_eq!(invites, 0, "the same party in another form:\n{}", world.ladder());
    world.phone("201").hang_up();
    world.run(1_000);
    assert_eq!(cdr(&world).sent.as_str(), "07700900123");
    clean(world);
}

fn card(plan: &mut RoutePlan) {
    let Verdict::Stages(stages) = &mut plan.verdict else { return };
    for attempt in stages.iter_mut().flat_map(|s| &mut s.targets) {
        let credentials = Credentials { user: "acme".to_owned(), password: "sesame".to_owned(), realm: None };
        attempt.number = Digits::new("08005550100");
        attempt.prepared = Some(Arc::new(Prepared {
            gateway: Some("gw3".parse().expect("a name")),
            plugin: "gateway-callingcard 1.0.0".to_owned(),
            headers: vec![("X-Card".to_owned(), "gold".to_owned())],
            credentials: Some(credentials),
            after_answer: vec![
                AfterAnswer::Pause(Duration::from_millis(2_300)),
                AfterAnswer::Keys(Keys("4711#".to_owned())),
                AfterAnswer::Pause(Duration::from_secs(1)),
                AfterAnswer::Keys(Keys("0033".to_owned())),
            ],
            because: "by card".to_owned(),
        }));
    }
}

fn no_secret(world: &World) {
    let published = format!("{:?} {:?}", world.events, world.cdrs);
    assert!(!published.contains("4711"), "{published}");
}

#[test]
fn a_prepared_call_by_a_provider() {
    let mut world = world(pass, |config| {
        // The plugin's own credentials stand in.
        config.gateways[0].password = None;
    });
    world.touch(card);
    world.phone("201").dial("900331234567");
    world.run(1_000);
    let invite = world.last_to("acme");
    assert!(invite.starts_with("INVITE") && invite.contains("X-Card: gold"), "{invite}");
    world.run(2_000);
    // What the caller presses meanwhile goes nowhere.
    world.phone("201").press('9');
    world.run(7_000);
    world.phone("201").press('5');
    world.run(1_000);
    world.phone("acme").hang_up();
    world.run(2_000);
    expect("prepared-by-provider", world.ladder());
    let keys: String =
        world.ladder().lines().filter_map(|l| l.split("♪ keys ").nth(1)?.chars().next()).collect();
    assert_eq!(keys, "4711#00335", "{}", world.ladder());
    let cdr = cdr(&world);
    assert_eq!((cdr.target.as_str(), cdr.carrier.as_str()), ("gw3", "gw1"));
    assert_eq!(cdr.sent.as_str(), "08005550100");
    no_secret(&world);
    clean(world);
}

#[test]
fn a_prepared_call_by_the_landline() {
    let mut world = world(pass, |config| {
        let plan = Plan::parse("([12]0xS0|<9,:>xx.<:@gw0>)").expect("a plan");
        config.plans.insert("home".to_owned(), plan.into());
    });
    world.touch(card);
    world.phone("201").dial("900331234567");
    world.run(14_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(3_000);
    expect("prepared-by-landline", world.ladder());
    assert!(world.ladder().contains("keys 08005550100 to"), "{}", world.ladder());
    assert!(world.ladder().contains("keys ,,ppp4711#,0033 to"), "{}", world.ladder());
    let cdr = cdr(&world);
    assert_eq!((cdr.target.as_str(), cdr.carrier.as_str()), ("gw3", "fxo1"));
    assert_eq!(cdr.sent.as_str(), "08005550100");
    no_secret(&world);
    clean(world);
}

#[test]
fn a_card_that_is_refused_on_the_landline_ends_the_call() {
    let mut world = world(pass, |config| {
        let plan = Plan::parse("([12]0xS0|<9,:>xx.<:@gw0>)").expect("a plan");
        config.plans.insert("home".to_owned(), plan.into());
    });
    world.touch(card);
    world.phone("201").dial("900331234567");
    world.run(6_000);
    world.board("fxo1", BoardEvent::Cpc);
    world.run(1_000);
    assert_eq!(world.phone("201").diary.last().map(String::as_str), Some("refused 480"));
    clean(world);
}

fn pin(config: &mut Config) {
    let code = Password("4711".to_owned());
    config.pins.push(Pin { name: "anna".to_owned(), code, plan: None, script: None });
    let (line, ring) = (&mut config.lines, vec![Target::Extension("202".parse().expect("a name"))]);
    for fxo in line.iter_mut().filter_map(|l| match &mut l.kind {
        ringtrip_config::LineKind::Fxo(fxo) => Some(fxo),
        ringtrip_config::LineKind::Fxs(_) => None,
    }) {
        fxo.ring_through = None;
        fxo.answer = Some(Inbound::Ring(ring.clone()));
        fxo.answer_delay = Duration::from_secs(2);
    }
}

fn question(wanted: Wanted, prompt: Option<&str>) -> Answer {
    answer(PolicyVerdict::Ask(Question { wanted, prompt: prompt.map(str::to_owned), tries: 3 }))
}

/// A PIN, then a number, then the plan.
fn pin_then_number(call: &PolicyCall) -> Answer {
    match (&call.query.pin, call.query.asked) {
        (None, _) => question(Wanted::Pin, Some(prompt::ENTER_PIN)),
        (Some(_), false) => question(Wanted::Number, None),
        (Some(_), true) => answer(PolicyVerdict::Pass),
    }
}

/// Rings in on the landline until the exchange answers.
fn ring_in(world: &mut World) {
    world.board("fxo1", BoardEvent::RingBegin);
    world.run(1_000);
    world.board("fxo1", BoardEvent::RingEnd);
    world.run(2_000);
}

#[test]
fn a_pin_and_a_number_from_the_landline() {
    let mut world = world(pin_then_number, pin);
    ring_in(&mut world);
    assert!(world.ladder().contains("♪ say enter-pin to virtual:"), "{}", world.ladder());
    world.run(3_000);
    world.keys("fxo1", "1234#");
    world.run(5_000);
    // A key during the question ends it.
    world.keys("fxo1", "4711#");
    world.run(1_000);
    world.keys("fxo1", "902079460123");
    world.run(8_000);
    assert!(world.phone("acme").is_up(), "{}", world.ladder());
    world.phone("acme").hang_up();
    world.run(2_000);
    expect("pin-from-landline", world.ladder());
    let cdr = cdr(&world);
    assert_eq!((cdr.pin.as_deref(), cdr.dialled.as_str()), (Some("anna"), "902079460123"));
    assert_eq!((cdr.target.as_str(), cdr.sent.as_str()), ("gw1", "02079460123"));
    no_secret(&world);
    clean(world);
}

#[test]
fn three_wrong_pins_are_enough() {
    let mut world = world(pin_then_number, pin);
    ring_in(&mut world);
    for wrong in ["1111#", "2222#", "471#", "4711#"] {
        world.keys("fxo1", wrong);
        world.run(5_000);
    }
    world.run(5_000);
    let failed: Vec<_> = world.events.iter().filter(|e| matches!(e, Event::AuthFailed { .. })).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(matches!(failed[0], Event::AuthFailed { what: "pin", from, .. } if from == "fxo1"), "{failed:?}");
    assert_eq!((cdr(&world).cause, cdr(&world).pin.as_deref()), (Some(Cause::Barred), None));
    assert_eq!(world.ladder().matches("♪ say wrong-pin").count(), 3, "{}", world.ladder());
    assert_eq!(world.calls(), 0, "{}", world.ladder());
    no_secret(&world);
    clean(world);
}

#[test]
fn who_enters_nothing_is_let_go() {
    let mut world = world(pin_then_number, pin);
    ring_in(&mut world);
    world.run(60_000);
    assert_eq!((world.calls(), cdr(&world).cause), (0, Some(Cause::Invalid)), "{}", world.ladder());
    clean(world);
}

#[test]
fn without_a_pin_a_caller_from_outside_reaches_extensions_alone() {
    fn script(call: &PolicyCall) -> Answer {
        if call.query.asked { answer(PolicyVerdict::Pass) } else { question(Wanted::Number, None) }
    }
    let mut world = world(script, pin);
    ring_in(&mut world);
    world.keys("fxo1", "902079460123#");
    world.run(4_000);
    assert!(world.ladder().contains("♪ say cannot-complete"), "{}", world.ladder());
    assert!(!world.ladder().contains("exchange → acme  INVITE"), "{}", world.ladder());
    world.keys("fxo1", "201#");
    world.run(4_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    clean(world);
}

#[test]
fn a_sip_phone_is_asked_and_answers_in_info() {
    let mut world = world(pin_then_number, pin);
    world.phone("201").dial("902079460123");
    world.run(3_000);
    assert!(world.phone("201").is_up(), "answered, so that its keys come:\n{}", world.ladder());
    for key in "4711#".chars() {
        world.phone("201").press(key);
        world.run(300);
    }
    for key in "202#".chars() {
        world.phone("201").press(key);
        world.run(300);
    }
    world.run(5_000);
    assert!(world.phone("202").is_up(), "{}", world.ladder());
    world.phone("202").hang_up();
    world.run(2_000);
    expect("pin-from-sip", world.ladder());
    assert_eq!(cdr(&world).pin.as_deref(), Some("anna"));
    no_secret(&world);
    clean(world);
}

#[test]
fn a_telephone_is_asked() {
    let mut world = world(pin_then_number, pin);
    world.board("fxs1", BoardEvent::OffHook);
    world.run(500);
    world.keys("fxs1", "201");
    world.run(4_000);
    world.keys("fxs1", "4711#");
    world.run(500);
    world.keys("fxs1", "201#");
    world.run(4_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    world.board("fxs1", BoardEvent::OnHook);
    world.run(1_000);
    assert_eq!(cdr(&world).cause, Some(Cause::Normal));
    clean(world);
}

#[test]
fn help_is_dialled_at_the_prompt() {
    let mut world = world(pin_then_number, pin);
    world.phone("201").dial("902079460123");
    world.run(3_000);
    for key in "4711#999".chars() {
        world.phone("201").press(key);
        world.run(300);
    }
    // No `#`, no pause.
    world.run(300);
    assert!(world.ladder().contains("fxo1 ◂ OffHook"), "{}", world.ladder());
    world.run(6_000);
    assert!(cdr(&world).emergency && world.ladder().contains("keys 999 to"), "{}", world.ladder());
    clean(world);
}

#[test]
fn a_wait_and_an_announcement_come_before_the_bell() {
    fn script(_: &PolicyCall) -> Answer {
        let before = vec![Prelude::Delay(Duration::from_secs(1)), Prelude::Play(prompt::CLOSED.to_owned())];
        with_extras(Extras { before, ..Extras::default() })
    }
    let mut world = world(script, same);
    world.phone("201").dial("202");
    world.run(8_000);
    assert!(world.phone("202").is_up(), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(2_000);
    expect("announcement", world.ladder());
    clean(world);
}

fn closed(_: &PolicyCall) -> Answer {
    let verdict = PolicyVerdict::Refuse { cause: Cause::Barred, because: "closed".to_owned() };
    let extras = Extras { say: Some(prompt::CLOSED.to_owned()), ..Extras::default() };
    Ok(PolicyAnswer { verdict, extras, ..PolicyAnswer::default() })
}

#[test]
fn a_refusal_says_why_to_a_sip_phone() {
    let mut world = world(closed, same);
    world.phone("201").dial("202");
    world.run(5_000);
    expect("refusal-with-reason", world.ladder());
    assert_eq!(world.phone("201").diary.last().map(String::as_str), Some("refused 403"));
    assert_eq!(cdr(&world).answered_after, None);
    clean(world);
}

#[test]
fn a_refusal_says_why_to_a_telephone_and_to_the_landline() {
    let mut world = world(closed, pin);
    world.board("fxs1", BoardEvent::OffHook);
    world.run(500);
    world.keys("fxs1", "201");
    world.run(1_000);
    assert!(world.ladder().contains("♪ say closed to virtual:0"), "{}", world.ladder());
    world.run(3_000);
    assert!(world.ladder().contains("line.state line=fxs1 state=reorder"), "{}", world.ladder());
    world.board("fxs1", BoardEvent::OnHook);
    ring_in(&mut world);
    assert!(world.ladder().contains("fxo1 ◂ OffHook"), "{}", world.ladder());
    world.run(3_000);
    assert!(world.ladder().contains("fxo1 ◂ OnHook"), "{}", world.ladder());
    clean(world);
}

#[test]
fn a_recording_begins_at_the_answer() {
    fn script(_: &PolicyCall) -> Answer {
        with_extras(Extras { record: true, ..Extras::default() })
    }
    let mut world = world(script, same);
    world.phone("201").dial("202");
    world.run(1_000);
    assert!(!world.ladder().contains("♪ record"), "{}", world.ladder());
    world.run(4_000);
    assert!(world.ladder().contains("♪ record 16384 and 16386 in "), "{}", world.ladder());
    assert!(!world.ladder().contains("G722"), "what is recorded is G.711:\n{}", world.ladder());
    world.phone("201").hang_up();
    world.run(1_000);
    let cdr = cdr(&world);
    assert_eq!(cdr.recording, Some(format!("{}.wav", cdr.call)));
    world.phone("201").dial("999");
    world.run(6_000);
    assert_eq!(world.ladder().matches("♪ record").count(), 1, "no call for help is recorded");
    clean(world);
}

fn priced(plan: &mut RoutePlan) {
    let Verdict::Stages(stages) = &mut plan.verdict else { return };
    let tariff =
        Tariff { connection: Money(50_000), steps: Steps::MINUTE, ..Tariff::per_minute(Money(100_000)) };
    for attempt in stages.iter_mut().flat_map(|s| &mut s.targets) {
        attempt.quote = Some(Arc::new(Quote {
            deck: "acme".to_owned(),
            prefix: "44".to_owned(),
            destination: "United Kingdom".to_owned(),
            currency: "EUR".to_owned(),
            per_minute: 100_000,
            estimate: 350_000,
            price: tariff.into(),
            why: "the cheapest".to_owned(),
        }));
    }
}

#[test]
fn a_call_costs_what_its_length_says() {
    let mut world = world(pass, same);
    world.touch(priced);
    world.phone("201").dial("902079460123");
    world.run(2_000 + 65_000);
    world.phone("201").hang_up();
    world.run(2_000);
    let cost = cdr(&world).cost.clone().expect("a cost");
    // Two minutes begun, and the connection.
    assert_eq!(
        (cost.micros, cost.currency.as_str(), cost.deck.as_str()),
        (250_000, "EUR", "acme"),
        "{cost:?}"
    );
    assert!(cost.rule.starts_with("44 United Kingdom: ") && cost.rule.contains("billed 60/60"), "{cost:?}");
    world.phone("acme").behaviour(PhoneBehaviour::Busy);
    world.phone("201").dial("902079460123");
    world.run(2_000);
    assert_eq!(cdr(&world).cost.as_ref().map(|c| c.micros), Some(0), "nobody answered");
    clean(world);
}

#[test]
fn a_money_limit_says_why_and_stops_no_call_for_help() {
    let mut world = world(pass, same);
    world.touch(priced);
    world.phone("201").dial("902079460123");
    world.run(10_000);
    world.tell_calls(|| CallInput::Say { prompt: prompt::LIMIT_NEAR.to_owned() });
    world.run(4_000);
    assert!(world.phone("201").is_up() && world.phone("acme").is_up(), "{}", world.ladder());
    world.tell_calls(|| CallInput::Hangup(Cause::Spent));
    world.run(500);
    assert!(world.phone("201").is_up(), "the caller hears why:\n{}", world.ladder());
    assert!(!world.phone("acme").is_up(), "nothing is spent meanwhile:\n{}", world.ladder());
    world.run(4_000);
    assert!(!world.phone("201").is_up(), "{}", world.ladder());
    expect("spent", world.ladder());
    assert_eq!(cdr(&world).cause, Some(Cause::Spent));
    world.phone("201").dial("999");
    world.run(8_000);
    world.tell_calls(|| CallInput::Hangup(Cause::Spent));
    world.run(8_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    clean(world);
}

#[test]
fn a_call_that_is_too_expensive_says_so() {
    fn broke(plan: &mut RoutePlan) {
        plan.verdict = Verdict::Refuse(Cause::Spent);
    }
    let mut world = world(pass, same);
    world.touch(broke);
    world.phone("201").dial("902079460123");
    world.run(4_000);
    assert!(world.ladder().contains("♪ say too-expensive to 16384"), "{}", world.ladder());
    assert_eq!(world.phone("201").diary.last().map(String::as_str), Some("refused 403"));
    clean(world);
}
