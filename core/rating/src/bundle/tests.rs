use super::*;

const NOVEMBER: At = At::utc(1_763_000_000);
const DECEMBER: At = At::utc(1_765_000_000);

fn bundles(steps: Steps) -> Bundles {
    let prefixes = PrefixSet::parse(["44"]).expect("digits");
    let bundle = |name: &str, seconds| Bundle {
        name: name.into(),
        gateway: "gw1".into(),
        prefixes: prefixes.clone(),
        seconds,
        steps,
    };
    Bundles::new(vec![bundle("first", 600), bundle("second", 60)])
}

fn left(bundles: &Bundles, at: At) -> Option<(String, u32)> {
    bundles.left("gw1", Prefix::leading("447700"), at).map(|l| (l.bundle.to_string(), l.seconds))
}

fn is(name: &str, seconds: u32) -> Option<(String, u32)> {
    Some((name.to_owned(), seconds))
}

#[test]
fn minutes_are_used_up_and_come_back_with_the_month() {
    let mut b = bundles(Steps::SECOND);
    let number = Prefix::leading("447700");
    assert_eq!(left(&b, NOVEMBER), is("first", 600));
    assert_eq!(b.left("gw2", number, NOVEMBER), None);
    assert_eq!(b.left("gw1", Prefix::leading("4930"), NOVEMBER), None);
    assert_eq!(b.reserve(1, "gw1", number, NOVEMBER, 400), 400);
    assert_eq!(left(&b, NOVEMBER), is("first", 200));
    assert_eq!(b.reserve(2, "gw1", number, NOVEMBER, 400), 200);
    assert_eq!(left(&b, NOVEMBER), is("second", 60));
    assert_eq!(b.commit(1, 300), 300);
    assert_eq!(b.commit(2, 0), 0);
    assert_eq!(left(&b, NOVEMBER), is("first", 300));
    assert_eq!(b.reserve(3, "gw1", number, NOVEMBER, 9_999), 300);
    assert_eq!(b.commit(3, 5_000), 300);
    assert_eq!(left(&b, NOVEMBER), is("second", 60));
    assert_eq!(left(&b, DECEMBER), is("first", 600));
    assert_eq!(b.commit(99, 10), 0);
}

#[test]
fn minutes_are_counted_in_the_bundle_s_steps() {
    let mut b = bundles(Steps::MINUTE);
    b.reserve(1, "gw1", Prefix::leading("44"), NOVEMBER, 600);
    assert_eq!(b.commit(1, 61), 61);
    assert_eq!(left(&b, NOVEMBER), is("first", 480));
}

#[test]
fn what_is_used_survives_a_restart_and_a_change() {
    let mut b = bundles(Steps::SECOND);
    b.reserve(1, "gw1", Prefix::leading("44"), NOVEMBER, 600);
    b.commit(1, 500);
    let mut again = bundles(Steps::SECOND);
    let gone = BundleRow { bundle: "gone".into(), month: NOVEMBER.month(), used: 5 };
    again.restore(b.rows().chain([gone]));
    assert_eq!(left(&again, NOVEMBER), is("first", 100));
    assert_eq!(again.rows().count(), 1);
    let kept = again.bundles()[0].clone();
    again.set(vec![Bundle { seconds: 700, ..kept }]);
    assert_eq!(left(&again, NOVEMBER), is("first", 200));
}

#[test]
fn a_call_over_midnight_is_paid_by_the_month_it_began_in() {
    let mut b = bundles(Steps::SECOND);
    let number = Prefix::leading("44");
    b.reserve(1, "gw1", number, NOVEMBER, 100);
    b.reserve(2, "gw1", number, DECEMBER, 50);
    b.commit(2, 50);
    assert_eq!(b.commit(1, 100), 100);
    assert_eq!(left(&b, DECEMBER), is("first", 550));
}
