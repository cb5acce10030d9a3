use ringtrip_sip::Headers;
use ringtrip_sip::name::Name;

use super::codes::{cause, of_reason, q850, reason, refusal};
use super::owner_of_tag;
use ringtrip_model::ids::LegId;
use ringtrip_model::party::Cause;

#[test]
fn what_a_person_did_survives_the_way_through_sip() {
    for said in [
        Cause::Busy,
        Cause::Declined,
        Cause::Unallocated,
        Cause::Changed,
        Cause::Invalid,
        Cause::Incompatible,
        Cause::Congestion,
        Cause::Failure,
    ] {
        assert_eq!(cause(refusal(said), false), said, "{said:?}");
    }
    // One code for two causes: ringing tells them apart.
    assert_eq!(cause(refusal(Cause::NoAnswer), true), Cause::NoAnswer);
    assert_eq!(cause(refusal(Cause::Unregistered), false), Cause::Unregistered);
}

#[test]
fn codes_of_others() {
    let check = |code, rang, want| assert_eq!(cause(code, rang), want, "{code}");
    check(301, false, Cause::Changed);
    check(302, false, Cause::Changed);
    check(403, false, Cause::Barred);
    check(408, false, Cause::Failure);
    check(408, true, Cause::NoAnswer);
    check(600, true, Cause::Busy);
    check(604, false, Cause::Unallocated);
    check(606, false, Cause::Incompatible);
    check(500, false, Cause::Failure);
    check(699, false, Cause::Failure);
}

#[test]
fn reasons_are_read_where_they_say_more_than_goodbye() {
    let check = |value: &str, want| {
        let mut headers = Headers::default();
        headers.push(Name::Reason, value.to_owned());
        assert_eq!(of_reason(&headers), want, "{value}");
    };
    check("Q.850;cause=17;text=\"User busy\"", Some(Cause::Busy));
    check("q.850 ;cause=34", Some(Cause::Congestion));
    check("Q.850;cause=16", None);
    check("SIP;cause=486", None);
    check("Q.850;cause=999", None);
    check("Q.850;cause=", None);
    check("", None);
    check(&reason(Cause::Unallocated), Some(Cause::Unallocated));
    assert_eq!(q850(Cause::Preempted), 8);
}

#[test]
fn a_tag_names_its_leg_and_nothing_else_does() {
    let leg = LegId(0x0100_6553_f100_002a);
    assert_eq!(owner_of_tag(format!("{leg}-00ff").as_bytes()), Some(leg));
    for stranger in [
        "",
        "-",
        "abc",
        "01006553f100002a",
        "01006553f100002a-",
        "1006553f100002a-3",
        "+1006553f100002a-3",
        "x-3-y",
    ] {
        assert_eq!(owner_of_tag(stranger.as_bytes()), None, "{stranger}");
    }
    assert_eq!(owner_of_tag("ünïcödé-ünïcödé-3-x".as_bytes()), None);
}
