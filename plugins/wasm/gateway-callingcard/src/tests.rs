use ringtrip_plugin::fake::Fake;
use ringtrip_plugin::{Call, Carrier, Prepared, Step};

use crate::{CallingCard, prices};

fn card() -> Fake {
    Fake::new().setting("access", "0800 123456").setting("pin", "4711")
}

fn call(number: &str, e164: Option<&str>) -> Call {
    Call {
        dialled: number.to_owned(),
        number: number.to_owned(),
        e164: e164.map(str::to_owned),
        outside: true,
        ..Call::default()
    }
}

fn abroad() -> Call {
    call("0033145678901", Some("+33145678901"))
}

fn prepared(card: &Fake) -> Prepared {
    card.prepare::<CallingCard>(&abroad()).unwrap_or_else(|e| panic!("{e}"))
}

fn keys(keys: &str) -> Step {
    Step::Keys(keys.to_owned())
}

fn pause(millis: u32) -> Step {
    Step::Pause(millis)
}

#[test]
fn the_access_number_is_called_and_the_rest_keyed_in() {
    let done = prepared(&card());
    assert_eq!((done.carrier, done.number.as_str()), (Carrier::Landline, "0800123456"));
    let steps = [pause(2_000), keys("4711"), pause(2_000), keys("0033145678901#")];
    assert_eq!(done.after_answer.as_slice(), steps);
    assert!(!done.because.contains("4711"), "the PIN is nobody's to read: {}", done.because);
}

#[test]
fn order_pauses_format_and_carrier_are_settings() {
    let steps = |fake: &Fake| prepared(fake).after_answer.as_slice().to_vec();
    let other = card().setting("sequence", "1 500ms {number} 3s {pin}#").setting("number", "011{e164}");
    assert_eq!(steps(&other), [keys("1"), pause(500), keys("01133145678901"), pause(3_000), keys("4711#")]);
    let as_dialled = card().setting("number", "{dialled}").setting("sequence", "{number}");
    assert_eq!(steps(&as_dialled), [keys("0033145678901")]);
    let no_pin = Fake::new().setting("access", "0800123456");
    assert_eq!(steps(&no_pin), [pause(4_000), keys("0033145678901#")]);
    let over = Fake::new().setting("access", "+49800123456").setting("carrier", "gw2");
    assert_eq!(prepared(&over).carrier, Carrier::Gateway("gw2".into()));
}

#[test]
fn what_cannot_be_placed_is_said() {
    #[track_caller]
    fn check(card: &Fake, call: &Call, words: &str) {
        let refused = card.prepare::<CallingCard>(call).expect_err(words);
        assert!(refused.contains(words), "{refused}");
    }
    check(&Fake::new(), &abroad(), "\"access\" is missing");
    check(&Fake::new().setting("access", "ring me"), &abroad(), "it is a number to dial");
    check(&Fake::new().setting("access", "+44800123"), &abroad(), "a landline cannot dial");
    check(&card(), &call("301", None), "301 is not known as an international number");
    check(&card().setting("number", "{dialled}"), &call("x", None), "invalid key 'x'");
    check(&card().setting("number", "{dialled}"), &call("", None), "there is no number");
    check(&card().setting("number", "0 1s {e164}"), &abroad(), "has a pause");
    check(&card().setting("number", "{country}"), &abroad(), "{country} stands for nothing");
    check(&card().setting("sequence", "2x {pin}"), &abroad(), "\"sequence\": invalid key 'x'");
    check(&card().setting("pin", "47x1"), &abroad(), "\"sequence\": invalid key 'x'");
}

#[test]
fn health_says_what_is_missing() {
    assert!(card().health::<CallingCard>().usable);
    let bare = Fake::new().health::<CallingCard>();
    assert!(!bare.usable && bare.why.contains("access"), "{bare:?}");
}

#[test]
fn prices_are_read_and_wrong_ones_named() {
    let text = "44 = 0.012 + 0.05 United Kingdom\n+4477=0,08; 33 = 0.02 France\nnonsense; 1 = -1; 49 = x\n;";
    let (good, wrong) = prices::read(text, "EUR");
    let rows: Vec<_> = good
        .iter()
        .map(|p| (p.prefix.as_str(), p.destination.as_str(), p.per_minute.micros, p.connection.micros))
        .collect();
    assert_eq!(
        rows,
        [("44", "United Kingdom", 12_000, 50_000), ("4477", "", 80_000, 0), ("33", "France", 20_000, 0)]
    );
    assert_eq!(wrong, ["nonsense", "1 = -1", "49 = x"]);
    let card = card().setting("prices", text).setting("currency", "GBP");
    assert_eq!(card.prices::<CallingCard>().len(), 3);
    assert_eq!(card.lines().len(), 3);
    assert_eq!(Fake::new().prices::<CallingCard>(), []);
}
