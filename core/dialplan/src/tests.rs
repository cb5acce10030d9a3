use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::slow;
use super::*;

/// Any instant will do: only differences count.
#[allow(clippy::disallowed_methods)]
fn origin() -> Instant {
    Instant::now()
}

fn plan(text: &str) -> Plan {
    Plan::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[track_caller]
fn check(text: &str, keys: &str, wanted: &str) {
    let keys = read_keys(keys).unwrap();
    let tried = try_keys(&Arc::new(plan(text)), &keys, &Dialling::default(), Timers::default(), origin());
    let got = match (tried.result, tried.number, tried.route) {
        ("SEND", Some(number), Some(route)) => {
            format!("{number} via {route} after {} {}", tried.t_after_last_key, tried.why)
        }
        (result, ..) => format!("{result} after {} {}", tried.t_after_last_key, tried.why),
    };
    assert_eq!(got, wanted, "plan {text}");
}

#[test]
fn pauses() {
    // A pause between keys: only a slow hand gets the second alternative.
    check("(12|1P2<:9>2)", "12", "12 via default after 0 unique");
    check("(123|1P2<:9>2)", "1{3}2", "192 via default after 3 timeout");
    // A thread that comes into a pause as another leaves it waits there in its own time.
    check("(x.P1 x.P1 )", "{1}0", "0 via default after 5 timeout");
    // A warm line in front of an extendable alternative is taken when its pause is over.
    check("(P3<:100>|xx.)", "", "100 via default after 3 pause elapsed");
    check("(P3<:100>|xx.)", "{1}44", "44 via default after 3 timeout");
    // A hot line beside other numbers acts at once.
    check("(P0<:100>|xx.)", "", "100 via default after 0 S0");
    // Two pauses in a row add up; a pause longer than dial tone is waited for.
    check("(P2P3<:100>|xx.)", "", "100 via default after 5 pause elapsed");
    check("(P20<:100>|xx.)", "", "100 via default after 20 pause elapsed");
    // An early bar cannot be dodged by a pause.
    check("(0P1!|0xx.)", "0{2}1", "BLOCKED after 1 pause elapsed");
}

#[test]
fn an_empty_number_goes_nowhere_unless_a_rule_routes_it() {
    // The vendors' off-hook timer: reorder when nobody has pressed a key.
    let vendors = "(P9|9,8<:1408>[2-9]xxxxxx|[1-8]xx)";
    check(vendors, "", "REJECT after 9 pause elapsed");
    check(vendors, "{2}123", "123 via default after 0 unique");
    check("(xx.|P5)", "", "REJECT after 5 pause elapsed");
    check("(S0)", "", "REJECT after 0 unique");
    check("(P0|xx.)", "", "REJECT after 0 S0");
    check("(x.S0)", "", "REJECT after 0 S0");
    check("(<9:>|xx.)", "9", "REJECT after 3 timeout");
    // The landline's own dial tone is a route for it.
    check("(P5<:@gw0>|xx.)", "", " via gw0 after 5 pause elapsed");
    check("(<9:@gw0>)", "9", " via gw0 after 0 unique");
    assert_eq!(plan(vendors).warnings(), []);
    let warned = |text: &str| plan(text).warnings().iter().map(|w| w.hint.clone()).collect::<Vec<_>>();
    assert!(warned("(x.S0)")[0].contains("xx."), "{:?}", warned("(x.S0)"));
    assert!(warned("(S0|xx.)").iter().any(|hint| hint.contains("P9")), "{:?}", warned("(S0|xx.)"));
}

#[test]
fn blanks_before_seconds_mean_nothing() {
    let shown = |text: &str| {
        let plan = plan(text);
        (plan.long, plan.short, plan.alternatives.iter().map(|a| a.tokens.clone()).collect::<Vec<_>>())
    };
    for (blanks, none) in [
        ("L: 20, S: 6, (xx.)", "L:20,S:6,(xx.)"),
        ("L :\t20 ,S : 6 ,( xx . )", "L:20,S:6,(xx.)"),
        ("(911S 0|xx.)", "(911S0|xx.)"),
        ("(P  5<:100>|xx.)", "(P5<:100>|xx.)"),
        ("(<0:D 2 >xx.<:@gw0>)", "(<0:D2 >xx.<:@gw0>)"),
        ("([2 - 9]xx)", "([2-9]xx)"),
        ("(1S 0 12)", "(1S0 12)"),
    ] {
        assert_eq!(shown(blanks), shown(none), "{blanks}");
    }
    // A blank behind a number ends it, and S alone is five seconds.
    check("(1S 0 2)", "12", "12 via default after 0 unique");
    check("(1xS )", "12", "12 via default after 0 unique");
    assert_eq!(plan("(12S |12x)").alternatives[0].tokens.last(), Some(&Token::Short(5)));
}

#[test]
fn a_route_may_name_a_sip_user() {
    check("(S0<:group@sip.example.com>)", "", "group via sip.example.com after 0 unique");
    check("(S0<:s>)", "", "s via default after 0 unique");
    check("(<#9:front.desk@192.0.2.7:5062>)", "#9", "front.desk via 192.0.2.7:5062 after 0 unique");
    check("(P3<:Reception_1@gw1>|xx.)", "", "Reception_1 via gw1 after 3 pause elapsed");
    check("(<0:user+tag@sip.example.com>)", "0", "user+tag via sip.example.com after 0 unique");
    // Keys stay keys, and D a pause.
    check("(<0:D2>xx.<:@gw0>)", "012", "{pause 2s}12 via gw0 after 3 timeout");
    for (text, why) in [
        ("(S0<:group@gw0>)", "the landline takes keys"),
        ("(<0:12x>)", "what is sent must be fixed"),
        ("(<0:+49>xx.)", "has no meaning"),
        ("(<0:a b@host>)", "has no meaning"),
    ] {
        let error = Plan::parse(text).unwrap_err();
        assert!(error.what.contains(why), "{text}: {error:?}");
    }
}

#[test]
fn repeats_are_greedy_and_may_be_skipped_in_any_number() {
    check("(x.<:*>x.S0)", "", "* via default after 0 S0");
    check("(1.2.3.4.5.6S1)", "6", "6 via default after 0 unique");
    check("(1.2.3.4.5.6S1)", "1356", "1356 via default after 0 unique");
    check("(<1:>1.<:*>1.#)", "1111#", "111*# via default after 0 unique");
    // More states than one word of bits holds, with a run of repeats over the border.
    let long = format!("({}9)", "1.".repeat(130));
    check(&long, "9", "9 via default after 0 unique");
    check(&long, "1119", "1119 via default after 0 unique");
    check(
        &format!("({}|77)", "1".repeat(100)),
        &"1".repeat(100),
        &format!("{} via default after 0 unique", "1".repeat(100)),
    );
}

#[test]
fn a_dialling_pause_is_written_as_commas() {
    let keys = |n: &str| Digits::new(n);
    let landline = plan("(<0:D2 >xx.<:@gw0>)");
    let Outcome::Send { number, .. } = landline.whole(&keys("0123"), &Dialling::default()) else { panic!() };
    assert_eq!(number.as_str(), ",,123");
    let elsewhere = plan("(<0:D2 >xx.)");
    let Outcome::Send { number, .. } = elsewhere.whole(&keys("0123"), &Dialling::default()) else { panic!() };
    assert_eq!(number.as_str(), "123");
    assert!(elsewhere.warnings().iter().any(|w| w.what.contains("D waits")));
}

#[test]
fn whole_numbers_are_not_cut() {
    #[track_caller]
    fn check(text: &str, number: &str, wanted: &str) {
        let got = match plan(text).whole(&Digits::new(number), &Dialling::default()) {
            Outcome::Send { number, route, .. } => format!("{number} {route:?}"),
            Outcome::Reject { why } => why.words().to_owned(),
            Outcome::Blocked { .. } => "blocked".to_owned(),
            Outcome::Vsc { code, .. } => format!("star {code}"),
        };
        assert_eq!(got, wanted, "{number} in {text}");
    }
    check("(234567S0<:@gw0>|xx.)", "2345678", "2345678 Default");
    check("(234567S0<:@gw0>|xx.)", "234567", "234567 Landline");
    check("(xx.)", "555#", "555 Default");
    check("(xx.#)", "555#", "555# Default");
    check("(xxxx)", "555", "whole number, incomplete");
    check("(xxxx)", "55555", "no candidate");
    check("(xx.)", "alice", "no candidate");
    check("(xx.)", "+44123", "no candidate");
    check("(0898!|xx.)", "08981234567", "blocked");
    check("(xx.|0898!)", "08981234567", "08981234567 Default");
    check("(xx.|0898xx.!)", "08981234567", "blocked");
    check("(P5<:100>|xx.)", "42", "42 Default");
    check("(xx.)", "", "whole number, incomplete");
    check("(xx.)", "#", "no candidate");
}

#[test]
fn mistakes_have_a_place_and_a_hint() {
    #[track_caller]
    fn check(text: &str, at: usize, what: &str, hint: &str) {
        let error = Plan::parse(text).expect_err(text);
        assert_eq!(error.at, at, "{text}: {error}");
        assert!(error.what.contains(what) && error.hint.contains(hint), "{text}: {error}");
    }
    check("", 1, "begins with '('", "write (");
    check("xx.", 1, "begins with '('", "write (");
    check("(xx.", 5, "no end", "write )");
    check("(xx.)x", 6, "after the end", "remove");
    check("(1|.5)", 4, "nothing to repeat", "xx.");
    check("(1..)", 4, "nothing to repeat", "xx.");
    check("(<1.:2>)", 4, "between < and :", "0044");
    check("(<12>)", 2, "no colon", "<dialled:sent>");
    check("(<12:3|4)", 2, "never closed", "write >");
    check("([12|4)", 2, "never closed", "write ]");
    check("([]x)", 2, "no key", "[2-9*]");
    check("([9-2]x)", 3, "backwards", "2-9");
    check("([^1]x)", 3, "not part", "list the keys");
    check("(1s0)", 3, "'s' has no meaning", "capital: S");
    check("(<:x>12)", 4, "must be fixed", "digits");
    check("(12@gw0)", 4, "'@' has no meaning", "<:@gw0>");
    check("(xx.<:@>)", 8, "not a host", "@gw0");
    check("(xx.<:@a.b;port=1>)", 8, "invalid route parameter", "uid");
    check("(xx.S9999)", 6, "too long", "blank ends");
    check("S4(xx.)", 2, "missing", "S:4");
    check("(+44xx.)", 2, "'+'", "00 or 011");
    check("(lt;0044:0>xx.)", 2, "'l'", "write (<0044:0>xx.)");
    check("(&lt;0044:0&gt;xx.<:@gw1&gt;)", 2, "'&'", "write (<0044:0>xx.<:@gw1>)");
    check(&format!("({})", "x".repeat(2048)), 2049, "2050 characters", "2048");
}

#[test]
fn oddities_are_warned_about() {
    #[track_caller]
    fn check(text: &str, what: &str) {
        let warnings = plan(text).warnings().to_vec();
        assert!(warnings.iter().any(|w| w.what.contains(what) && !w.hint.is_empty()), "{text}: {warnings:?}");
    }
    check("(*xx.<>|xx.)", "<> does nothing");
    check("(<*:**473*>xx|xxx.)", "exactly 2 digits");
    check("(0898!|xx.)", "bar nothing longer");
    check("(x.S0)", "number is empty");
    check("(1||2)", "empty alternative");
    check("(1471<:@gw0>|xx.)", "waits for the short timer");
    check("(xx.<:@gw1;nat>)", "takes no parameters");
    check("(S0<:100>)", "nobody can dial an emergency number");
    check("(P1<:@gw0>|xx.)", "nobody can dial an emergency number");
    check("(5x<:@sip.example.com;uid=me;pwd=hush|0xx.<:@gw1>)", "takes the alternatives behind it along");
    assert_eq!(plan("(P5<:100>|xx.)").warnings(), []);
    assert_eq!(plan("(999S0<:@gw0>|0898xx.!|xx.)").warnings(), []);
}

#[test]
fn a_password_is_in_no_record() {
    let plan = plan("(xx.<:@sip.example.com;uid=me;pwd=hush;nat>)");
    let outcome = plan.whole(&Digits::new("123"), &Dialling::default());
    assert!(!format!("{outcome:?}").contains("hush"));
    let planned = outcome.planned().unwrap();
    assert_eq!(planned.alternative, "xx.<:@sip.example.com;uid=me;pwd=***;nat>");
    let PlanRoute::Uri(to) = planned.route else { panic!() };
    assert_eq!((to.password.as_deref(), to.nat), (Some("hush"), true));
}

#[test]
fn a_full_matcher_refuses() {
    let plan = Arc::new(plan("(x.)"));
    let now = origin();
    let mut matcher = Matcher::new(plan, &Dialling::default(), Timers::default(), now);
    let one = Key::new('1').unwrap();
    for _ in 0..127 {
        assert_eq!(matcher.key(now, one), Step::Collecting { outside_tone: false });
    }
    assert_eq!(matcher.key(now, one), Step::Done(Outcome::Reject { why: Why::NoCandidate }));
    assert_eq!(matcher.deadline(), None);
    assert_eq!(matcher.key(now, one), Step::Done(Outcome::Reject { why: Why::NoCandidate }));
}

/// Texts of random plans: short, over few keys, so that alternatives meet often.
fn random_plan() -> impl Strategy<Value = String> {
    let element =
        prop_oneof!["[01*#]", Just("x".into()), Just("[0*]".into()), Just("x.".into()), Just("1.".into())];
    let piece = prop_oneof![
        8 => element,
        1 => prop_oneof![Just("<0:9>".to_owned()), Just("<:7>".into()), Just("<1:>".into()), Just("<01:5>".into())],
        1 => prop_oneof![Just("S0 ".to_owned()), Just("S2 ".into()), Just("L4 ".into()), Just("S5 ".into())],
        1 => prop_oneof![Just("P1 ".to_owned()), Just("P2 ".into()), Just("P0 ".into())],
        1 => prop_oneof![Just(",".to_owned()), Just("!".into())],
    ];
    let sequence = prop::collection::vec(piece, 0..6).prop_map(|p| p.concat());
    prop::collection::vec(sequence, 1..5).prop_map(|s| format!("({})", s.join("|")))
}

fn random_keys() -> impl Strategy<Value = Vec<Timed>> {
    let key = prop_oneof![4 => Just('0'), 4 => Just('1'), 1 => Just('*'), 1 => Just('#')];
    let wait = prop_oneof![5 => Just(500u64), 1 => Just(1500), 1 => Just(2700), 1 => Just(4300)];
    let timed = (wait, key).prop_map(|(ms, c)| Timed { after: Duration::from_millis(ms), key: Key::new(c) });
    prop::collection::vec(timed, 0..7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// The bit-parallel machine and one that tries all strings, written apart, agree on every plan and every hand.
    #[test]
    fn agrees_with_the_slow_matcher(
        text in random_plan(),
        keys in random_keys(),
        exact in any::<bool>(),
        as_dialled in any::<bool>(),
        stars in any::<bool>(),
    ) {
        let dialling = Dialling {
            bar: if exact { Bar::Exact } else { Bar::Prefix },
            incomplete: if as_dialled { Incomplete::AsDialled } else { Incomplete::Reject },
            star_codes: if stars { vec![Digits::new("*0"), Digits::new("#1"), Digits::new("*01")] } else { vec![] },
        };
        let plan = Arc::new(plan(&text).with_star_codes(&dialling.star_codes));
        let fast = try_keys(&plan, &keys, &dialling, Timers::default(), origin());
        let slow = slow::try_keys(&plan, &keys, &dialling);
        prop_assert_eq!(
            (fast.result, fast.number, fast.dialed, fast.alt, fast.why, fast.t_after_last_key),
            (slow.result, slow.number, slow.dialed, slow.alt, slow.why, slow.t_after_last_key)
        );
    }

    /// No text makes the reader panic, and what it accepts it can match.
    #[test]
    fn any_text_is_read_or_refused(text in "[(]?[0-9x.\\[\\]<>:@|,!SLPD# *-]{0,40}[)]?", number in "[0-9*#]{0,12}") {
        if let Ok(plan) = Plan::parse(&text) {
            plan.whole(&Digits::new(&number), &Dialling::default());
            if let Ok(keys) = read_keys(&number) {
                try_keys(&Arc::new(plan), &keys, &Dialling::default(), Timers::default(), origin());
            }
        }
    }
}
