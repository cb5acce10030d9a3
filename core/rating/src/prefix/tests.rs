use proptest::prelude::*;

use super::*;

#[test]
fn prefixes_are_digits() {
    for (text, expected) in [("", true), ("0", true), ("447", true), ("123456789012345", true)] {
        assert_eq!(
            text.parse::<Prefix>().map(|p| p.to_string()).ok().as_deref() == Some(text),
            expected,
            "{text}"
        );
    }
    for bad in ["+44", "44 7", "x", "1234567890123456", "４４"] {
        assert!(bad.parse::<Prefix>().is_err(), "{bad}");
    }
}

#[test]
fn country_codes_have_their_length() {
    for (number, digits) in [
        ("447700900123", 2),
        ("12025550100", 1),
        ("77012345678", 1),
        ("35312345", 3),
        ("8821", 3),
        ("2711", 2),
        ("971", 3),
    ] {
        assert_eq!(Prefix::leading(number).country_digits(), digits, "{number}");
    }
}

#[test]
fn sets_cover() {
    let set = PrefixSet::parse(["4490", "4498", "44901", "1900"]).expect("digits");
    assert_eq!(set.prefixes().len(), 3);
    for (number, covered) in
        [("4490123", true), ("449", false), ("449712", false), ("190055", true), ("", false)]
    {
        assert_eq!(set.covers(Prefix::leading(number)), covered, "{number}");
    }
    assert!(PrefixSet::parse([""]).is_ok_and(|all| all.covers(Prefix::leading("1"))));
}

proptest! {
    #[test]
    fn words_behave_as_texts(a in "[0-9]{0,15}", b in "[0-9]{0,15}", n in 0usize..17) {
        let (pa, pb) = (Prefix::leading(&a), Prefix::leading(&b));
        prop_assert_eq!(pa.to_string(), a.clone());
        prop_assert_eq!(pa.len(), a.len());
        prop_assert_eq!(pa.cmp(&pb), a.cmp(&b));
        prop_assert_eq!(pa.begins(pb), b.starts_with(&a));
        prop_assert_eq!(pa.first(n).to_string(), a[..n.min(a.len())].to_owned());
        let joined = format!("{a}{b}");
        prop_assert_eq!(pa.join(&b).map(|p| p.to_string()), (joined.len() <= MOST_DIGITS).then_some(joined));
    }

    #[test]
    fn a_set_is_as_its_list(list in prop::collection::vec("[0-2]{1,4}", 0..12), number in "[0-2]{0,6}") {
        let set = PrefixSet::parse(list.iter().map(String::as_str)).expect("digits");
        prop_assert_eq!(set.covers(Prefix::leading(&number)), list.iter().any(|p| number.starts_with(p.as_str())));
    }
}
