use super::*;

/// Tells the supervisor of failures at these milliseconds and compares what it decides, in short words:
/// `20ms #2` is a restart after 20 ms as generation 2.
#[track_caller]
fn check(rule: Rule, exits: &[(u64, Ending)], expected: &[&str]) {
    let start = origin();
    let mut supervisor = Supervisor::new();
    let mut generation = supervisor.add(&part("line fxs1"), rule);
    let mut said = Vec::new();
    for (at, ending) in exits {
        let exit = Exit { part: part("line fxs1"), generation, ending: ending.clone() };
        let decision = supervisor.on(start + Duration::from_millis(*at), &exit);
        said.push(match &decision {
            Decision::Restart { after, generation } => format!("{}ms #{generation}", after.as_millis()),
            other => format!("{other:?}"),
        });
        if let Decision::Restart { generation: next, .. } = decision {
            generation = next;
        }
    }
    assert_eq!(said, expected);
}

fn part(name: &str) -> PartId {
    name.parse().expect("a part")
}

#[test]
fn parts_have_the_names_that_the_api_shows() {
    let names = [
        "line fxs1",
        "gateway gw1",
        "call 6b030ce800000001",
        "board virtual",
        "desk",
        "route",
        "media",
        "store",
    ];
    assert_eq!(names.map(|name| part(name).to_string()), names);
    for (name, why) in [("lines fxs1", BadPart::Kind), ("desk 1", BadPart::Kind), ("line a b", BadPart::Name)]
    {
        assert_eq!(name.parse::<PartId>(), Err(why), "{name}");
    }
}

/// Any moment will do: only differences count.
#[allow(clippy::disallowed_methods)]
fn origin() -> Instant {
    Instant::now()
}

fn panic() -> Ending {
    Ending::Failed("panic".into())
}

#[test]
fn a_part_that_comes_back_goes_on_counting() {
    let mut supervisor = Supervisor::new();
    assert_eq!(supervisor.add(&part("board virtual"), Rule::BOARD), 1);
    supervisor.remove(&part("board virtual"));
    assert_eq!(supervisor.generation(&part("board virtual")), None);
    assert_eq!(supervisor.add(&part("board virtual"), Rule::BOARD), 2);
    // An exit of before it was removed is old news.
    let exit = Exit { part: part("board virtual"), generation: 1, ending: panic() };
    assert_eq!(supervisor.on(origin(), &exit), Decision::Ignore);
    // Calls come and go, and nothing is remembered of them.
    supervisor.add(&part("call 7"), Rule::TEMPORARY);
    supervisor.remove(&part("call 7"));
    assert_eq!(supervisor.add(&part("call 7"), Rule::TEMPORARY), 1);
}

#[test]
fn a_failure_restarts_with_growing_waits() {
    check(
        Rule::PERMANENT,
        &[(0, panic()), (100, panic()), (200, panic()), (300, panic())],
        &["20ms #2", "40ms #3", "80ms #4", "160ms #5"],
    );
}

#[test]
fn too_many_failures_in_a_period_give_up_and_later_exits_are_ignored() {
    let exits: Vec<_> = (0..7).map(|i| (i * 100, panic())).collect();
    check(
        Rule::PERMANENT,
        &exits,
        &["20ms #2", "40ms #3", "80ms #4", "160ms #5", "320ms #6", "GiveUp", "Ignore"],
    );
}

#[test]
fn a_quiet_period_forgives() {
    check(
        Rule::PERMANENT,
        &[(0, panic()), (1, panic()), (10_001, panic()), (30_000, panic())],
        &["20ms #2", "40ms #3", "20ms #4", "20ms #5"],
    );
}

#[test]
fn waits_have_a_ceiling() {
    let exits: Vec<_> = (0..10).map(|i| (i * 1_000, panic())).collect();
    check(
        Rule::BOARD,
        &exits,
        &[
            "50ms #2",
            "100ms #3",
            "200ms #4",
            "400ms #5",
            "800ms #6",
            "1600ms #7",
            "3200ms #8",
            "5000ms #9",
            "5000ms #10",
            "5000ms #11",
        ],
    );
}

#[test]
fn a_call_is_never_resurrected() {
    check(Rule::TEMPORARY, &[(0, panic()), (1, panic())], &["Forget", "Ignore"]);
}

#[test]
fn a_transient_part_may_finish_but_not_fail() {
    let rule = Rule { policy: Policy::Transient, ..Rule::PERMANENT };
    check(rule, &[(0, panic()), (5, Ending::Finished)], &["20ms #2", "Forget"]);
}

#[test]
fn a_permanent_part_that_ends_is_started_again() {
    check(Rule::PERMANENT, &[(0, Ending::Finished)], &["20ms #2"]);
}

#[test]
fn an_exit_of_an_older_generation_is_old_news() {
    let mut supervisor = Supervisor::new();
    let first = supervisor.add(&part("gateway gw1"), Rule::PERMANENT);
    let second = supervisor.add(&part("gateway gw1"), Rule::PERMANENT);
    assert!(second > first);
    let old = Exit { part: part("gateway gw1"), generation: first, ending: panic() };
    assert_eq!(supervisor.on(origin(), &old), Decision::Ignore);
    assert_eq!(supervisor.generation(&part("gateway gw1")), Some(second));
}

#[test]
fn a_part_given_up_is_shown_with_its_reason_and_can_be_added_again() {
    let rule = Rule { intensity: 0, ..Rule::PERMANENT };
    let mut supervisor = Supervisor::new();
    let generation = supervisor.add(&part("route"), rule);
    let exit = Exit { part: part("route"), generation, ending: panic() };
    assert_eq!(supervisor.on(origin(), &exit), Decision::GiveUp);
    assert_eq!(supervisor.generation(&part("route")), None);
    assert_eq!(supervisor.rows()[0].given_up.as_deref(), Some("panic"));
    let again = supervisor.add(&part("route"), rule);
    assert_eq!(supervisor.generation(&part("route")), Some(again));
}
