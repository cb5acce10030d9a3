use proptest::prelude::*;

use super::*;

const DAY: i64 = 86_400;

fn call(outcome: Outcome) -> FinishedCall {
    FinishedCall { outcome, post_dial_delay: Some(1_000), impairments: None }
}

fn number() -> Prefix {
    Prefix::leading("447700900123")
}

#[test]
fn sound_gets_worse_with_loss_and_delay() {
    for (loss, jitter, round_trip, from, until) in [
        (0.0, 0.0, 0.0, 4.38, 4.42),
        (0.0, 5.0, 100.0, 4.3, 4.4),
        (1.0, 5.0, 100.0, 4.2, 4.32),
        (5.0, 20.0, 200.0, 3.4, 4.0),
        (20.0, 50.0, 600.0, 1.0, 2.0),
        (100.0, 0.0, 0.0, 1.0, 1.8),
        (f32::NAN, f32::INFINITY, -1.0, 1.0, 1.0),
    ] {
        let mos = Impairments { loss, jitter, round_trip }.mos().0;
        assert!((from..=until).contains(&mos), "{loss} {jitter} {round_trip}: {mos}");
    }
}

#[test]
fn few_calls_do_not_decide_and_many_do() {
    let mut quality = Quality::new(QualitySettings::default());
    let at = At::utc(DAY);
    let begin = quality.figures("gw1", number(), at);
    assert_eq!(begin, QualitySettings::default().assumed);
    quality.feed("gw1", "447700900123", at, call(Outcome::Failed));
    let one = quality.figures("gw1", number(), at);
    assert!(one.answered > 0.8 && one.answered < begin.answered, "{one:?}");
    for _ in 0..200 {
        quality.feed("gw1", "447700900123", at, call(Outcome::Failed));
    }
    let many = quality.figures("gw1", number(), at);
    assert!(many.answered < 0.05, "{many:?}");
    assert!(many.score() < begin.score());
    // Another destination by the same gateway is suspected, another gateway is not.
    let other = quality.figures("gw1", Prefix::leading("4930"), at);
    assert!(other.answered < 0.2 && other.calls == 0.0, "{other:?}");
    assert_eq!(quality.figures("gw2", number(), at), begin);
}

#[test]
fn what_is_long_ago_fades() {
    let mut quality = Quality::new(QualitySettings::default());
    for _ in 0..100 {
        quality.feed("gw1", "447700900123", At::utc(0), call(Outcome::Failed));
    }
    let soon = quality.figures("gw1", number(), At::utc(60)).answered;
    let later = quality.figures("gw1", number(), At::utc(14 * DAY)).answered;
    assert!(soon < 0.1 && later > 0.85, "{soon} {later}");
    // A clock that steps back is no reason to forget.
    assert!(quality.figures("gw1", number(), At::utc(-DAY)).answered < 0.1);
}

#[test]
fn groups_are_bounded() {
    let settings = QualitySettings { digits: 6, ..QualitySettings::default() };
    let mut quality = Quality::new(settings);
    for n in 100_000..100_000 + MOST_GROUPS + 50 {
        quality.feed("gw1", &n.to_string(), At::utc(0), call(Outcome::Reached));
    }
    assert_eq!(quality.rows().count(), MOST_GROUPS + 1);
    quality.keep(|name| name != "gw1");
    assert_eq!(quality.rows().count(), 0);
}

#[test]
fn rows_that_cannot_be_are_left_out() {
    let row = |calls| QualityRow {
        gateway: "gw1".into(),
        group: Prefix::ALL,
        at: 0,
        calls,
        delays: [0.0; 2],
        sounds: [0.0; 2],
    };
    let quality = Quality::restored(
        QualitySettings::default(),
        [row([f32::NAN, 0.0]), row([1.0, 2.0]), row([-1.0, -1.0])],
    );
    assert_eq!(quality.rows().count(), 0);
}

proptest! {
    #[test]
    fn what_is_stored_comes_back(
        calls in prop::collection::vec(("gw[12]", "[0-9]{0,8}", 0i64..100_000, any::<bool>(), prop::option::of(any::<u32>())), 0..40)
    ) {
        let mut quality = Quality::new(QualitySettings::default());
        for (gateway, number, at, good, delay) in &calls {
            let outcome = if *good { Outcome::Reached } else { Outcome::Failed };
            let impairments = Some(Impairments { loss: 1.0, jitter: 2.0, round_trip: 30.0 });
            quality.feed(gateway, number, At::utc(*at), FinishedCall { outcome, post_dial_delay: *delay, impairments });
        }
        let again = Quality::restored(QualitySettings::default(), quality.rows());
        for (gateway, number, ..) in &calls {
            let n = Prefix::leading(number);
            let figures = quality.figures(gateway, n, At::utc(200_000));
            prop_assert_eq!(figures, again.figures(gateway, n, At::utc(200_000)));
            prop_assert!((0.0..=1.0).contains(&figures.score()));
        }
    }
}
