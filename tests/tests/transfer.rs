//! Calls that are handed on: REFER (RFC 3515, RFC 5589) and Replaces (RFC 3891), as whole calls in virtual time.

use ringtrip_exchange::cdr::Cdr;
use ringtrip_media::sound::Direction;
use ringtrip_model::board::BoardEvent;
use ringtrip_model::party::{Cause, EndedBy};
use ringtrip_testkit::{PhoneBehaviour, World, expect};

/// Runs out every timer of SIP and looks that nothing is left.
#[track_caller]
fn clean(mut world: World) {
    for phone in ["201", "202", "203"] {
        world.phone(phone).hang_up();
        world.phone(phone).park();
        world.phone(phone).hang_up();
    }
    world.run(110_000);
    assert_eq!(world.left_over(), Vec::<String>::new(), "{}", world.ladder());
    for cdr in world.cdrs.values() {
        assert!(cdr.cause.is_some() && cdr.parties.iter().all(|p| p.left.is_some()), "{cdr:?}");
    }
}

fn phones() -> World {
    let mut world = World::demo(1);
    world.register(&["201", "202", "203"]);
    world.write();
    world
}

/// 201 talks to 202.
fn talking() -> World {
    let mut world = phones();
    world.phone("201").dial("202");
    world.run(4_000);
    assert!(world.phone("201").is_up() && world.phone("202").is_up(), "{}", world.ladder());
    world
}

/// Who talked in the first call, and whether they still do.
fn parties(cdr: &Cdr) -> Vec<(&str, bool)> {
    cdr.parties.iter().map(|p| (p.name.as_str(), p.left.is_none())).collect()
}

fn first(world: &World) -> Cdr {
    world.records().into_iter().next().expect("a record")
}

fn second(world: &World) -> Cdr {
    world.records().into_iter().nth(1).expect("the second call")
}

/// Both sides of the sound path at these ports speak what passes from one to the other, both ways.
#[track_caller]
fn fits(world: &World, ports: [u16; 2]) {
    let [a, b] = ports.map(|port| world.faces.get(&port).expect("a side of the path").clone());
    assert_eq!((&a.send.kind, a.direction), (&b.send.kind, b.direction), "{}", world.ladder());
    assert_eq!(a.direction, Direction::SendRecv, "{}", world.ladder());
}

fn diary(world: &mut World, phone: &str) -> String {
    world.phone(phone).diary.join(", ")
}

#[test]
fn blind() {
    let mut world = talking();
    world.phone("201").refer("203");
    world.run(4_000);
    assert!(world.phone("202").is_up() && world.phone("203").is_up(), "{}", world.ladder());
    assert!(world.phone("201").is_idle(), "its leg was ended\n{}", world.ladder());
    fits(&world, [16_384, 16_386]);
    assert_eq!(parties(&first(&world)), [("201", false), ("202", true), ("203", true)]);
    assert_eq!(world.phone("203").last_from, "\"202\" <sip:202");
    let log = diary(&mut world, "201");
    assert!(log.contains("REFER 202, NOTIFY 100 Trying, NOTIFY 180 Ringing, NOTIFY 200 OK"), "{log}");
    assert!(world.said_to("203", "INVITE").contains("Referred-By: <sip:201@192.0.2.1>"));
    world.phone("203").hang_up();
    world.run(1_000);
    assert!(world.phone("202").is_idle(), "{}", world.ladder());
    expect("transfer-blind", world.ladder());
    let cdr = first(&world);
    assert_eq!(
        (cdr.cause, cdr.ended_by, cdr.target.as_str()),
        (Some(Cause::Normal), Some(EndedBy::Called), "202")
    );
    clean(world);
}

/// The called party hands the call on, and hangs up at once, as many phones do.
#[test]
fn blind_by_the_called_party_who_does_not_wait() {
    let mut world = talking();
    world.phone("202").refer("203");
    world.run(200);
    world.phone("202").hang_up();
    world.run(4_000);
    assert!(world.phone("201").is_up() && world.phone("203").is_up(), "{}", world.ladder());
    assert_eq!(parties(&first(&world)), [("201", true), ("202", false), ("203", true)]);
    world.phone("201").hang_up();
    world.run(1_000);
    assert_eq!(first(&world).ended_by, Some(EndedBy::Caller));
    clean(world);
}

#[test]
fn to_a_busy_target_the_call_comes_back() {
    let mut world = talking();
    world.phone("203").behaviour(PhoneBehaviour::Busy);
    world.phone("201").refer("203");
    world.run(3_000);
    assert!(world.phone("201").is_up() && world.phone("202").is_up(), "{}", world.ladder());
    let log = diary(&mut world, "201");
    assert!(log.contains("NOTIFY 486 Busy Here"), "{log}");
    fits(&world, [16_384, 16_386]);
    expect("transfer-busy", world.ladder());
    assert_eq!(parties(&first(&world)), [("201", true), ("202", true)]);
    // And again, to somebody who answers: NOTIFYs name the REFER now (RFC 3515 §2.4.6).
    world.phone("203").behaviour(PhoneBehaviour::Answer(std::time::Duration::from_millis(500)));
    world.phone("201").refer("203");
    world.run(3_000);
    assert!(
        world.said_to("201", "NOTIFY").contains("Event: refer;id="),
        "{}",
        world.said_to("201", "NOTIFY")
    );
    assert!(world.phone("202").is_up() && world.phone("203").is_up(), "{}", world.ladder());
    clean(world);
}

#[test]
fn to_nobody_while_the_transferor_is_gone() {
    let mut world = talking();
    world.phone("203").behaviour(PhoneBehaviour::Busy);
    world.phone("201").refer("203");
    world.phone("201").hang_up();
    world.run(3_000);
    assert!(world.phone("202").is_up(), "it hears busy tone\n{}", world.ladder());
    world.run(4_000);
    assert!(world.phone("202").is_idle(), "{}", world.ladder());
    assert_eq!(first(&world).cause, Some(Cause::Busy));
    clean(world);
}

#[test]
fn to_a_number_that_is_none() {
    let mut world = talking();
    world.phone("201").refer("7777");
    world.run(2_000);
    let log = diary(&mut world, "201");
    assert!(log.contains("NOTIFY 404 Not Found"), "{log}");
    assert!(world.phone("201").is_up() && world.phone("202").is_up(), "{}", world.ladder());
    clean(world);
}

#[test]
fn attended() {
    let mut world = talking();
    world.phone("201").hold(true);
    world.run(500);
    world.phone("201").park();
    world.phone("201").dial("203");
    world.run(4_000);
    assert!(world.phone("203").is_up(), "{}", world.ladder());
    world.phone("201").refer_held("203");
    world.run(2_000);
    assert!(world.phone("202").is_up() && world.phone("203").is_up(), "{}", world.ladder());
    assert!(world.phone("201").is_idle(), "both legs are ended\n{}", world.ladder());
    fits(&world, [16_384, 16_386]);
    let log = diary(&mut world, "201");
    assert!(log.contains("REFER 202, NOTIFY 100 Trying") && log.contains("NOTIFY 200 OK"), "{log}");
    expect("transfer-attended", world.ladder());
    assert_eq!(parties(&first(&world)), [("201", false), ("202", true), ("203", true)]);
    let second = second(&world);
    assert_eq!((second.cause, parties(&second)), (Some(Cause::Normal), vec![("201", false), ("203", false)]));
    assert_eq!(world.calls(), 1);
    // The leg that moved has kept its dialog: both sides can still end it.
    world.phone("203").hang_up();
    world.run(1_000);
    assert!(world.phone("202").is_idle(), "{}", world.ladder());
    clean(world);
}

/// Where the second call went outside, it is that one that stays: it counts what that costs.
#[test]
fn attended_to_somebody_outside() {
    let mut world = talking();
    world.phone("201").park();
    world.phone("201").dial("902079460123");
    world.run(10_000);
    world.phone("201").refer_held("902079460123");
    world.run(2_000);
    assert!(world.phone("202").is_up() && world.phone("201").is_idle(), "{}", world.ladder());
    assert_eq!(first(&world).cause, Some(Cause::Normal));
    assert_eq!(parties(&second(&world)), [("201", false), ("fxo1", true), ("202", true)]);
    world.board("fxo1", BoardEvent::Cpc);
    world.run(1_000);
    assert!(world.phone("202").is_idle(), "{}", world.ladder());
    clean(world);
}

#[test]
fn a_dialog_of_somebody_else_is_not_given() {
    let mut world = talking();
    let theirs = world.phone("202").replaces().expect("a dialog").replace(';', "%3B").replace('=', "%3D");
    world.phone("201").hang_up();
    world.run(1_000);
    world.phone("202").dial("203");
    world.run(4_000);
    let theirs_now = world.phone("202").replaces().expect("a dialog").replace(';', "%3B").replace('=', "%3D");
    world.phone("201").dial("101");
    world.run(2_000);
    world.board("fxs1", BoardEvent::RingTrip);
    world.run(1_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    for stolen in [theirs, theirs_now] {
        world.phone("201").refer_to(&format!("<sip:203@192.0.2.1?Replaces={stolen}>"));
        world.run(3_000);
        let log = diary(&mut world, "201");
        assert!(log.ends_with("NOTIFY 100 Trying, NOTIFY 404 Not Found"), "{log}");
    }
    assert!(world.phone("202").is_up() && world.phone("203").is_up(), "{}", world.ladder());
    world.board("fxs1", BoardEvent::OnHook);
    clean(world);
}

#[test]
fn a_provider_may_not_hand_calls_on() {
    let mut world = phones();
    world.start_gateways();
    world.run(1_000);
    world.phone("acme").dial("201");
    world.run(4_000);
    assert!(world.phone("acme").is_up(), "{}", world.ladder());
    world.phone("acme").refer("902079460123");
    world.run(1_000);
    assert!(diary(&mut world, "acme").ends_with("REFER 403"), "{}", world.ladder());
    assert!(world.phone("acme").is_up() && world.phone("201").is_up(), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(1_000);
    world.stop_gateways();
    clean(world);
}

#[test]
fn nobody_is_handed_away_who_called_for_help() {
    let mut world = phones();
    world.phone("201").dial("999");
    world.run(10_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    world.phone("201").refer("203");
    world.run(1_000);
    assert!(diary(&mut world, "201").ends_with("REFER 403"), "{}", world.ladder());
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    clean(world);
}

#[test]
fn refer_outside_of_a_dialog_is_refused() {
    let mut world = phones();
    world.inject(
        "201",
        "REFER sip:202@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.11:5060;branch=z9hG4bKr1\r\nMax-Forwards: 70\r\n\
         From: <sip:201@192.0.2.1>;tag=r\r\nTo: <sip:202@192.0.2.1>\r\nCall-ID: r1\r\nCSeq: 1 REFER\r\n\
         Contact: <sip:201@192.0.2.11>\r\nRefer-To: <sip:902079460123@192.0.2.1>\r\nContent-Length: 0\r\n\r\n",
    );
    world.run(1_000);
    assert!(world.last_to("201").starts_with("SIP/2.0 403 "), "{}", world.last_to("201"));
    assert_eq!(world.cdrs.len(), 0);
    clean(world);
}

#[test]
fn a_refer_that_names_nobody_or_two_is_refused() {
    let mut world = talking();
    for (to, code) in [
        ("<sip:203@192.0.2.1>, <sip:202@192.0.2.1>", "REFER 400"),
        ("<sip:203@192.0.2.1;method=BYE>", "REFER 403"),
        ("<sip:192.0.2.1>", "REFER 416"),
    ] {
        world.phone("201").refer_to(to);
        world.run(500);
        assert!(diary(&mut world, "201").ends_with(code), "{to}: {}", world.ladder());
    }
    clean(world);
}

/// The second phone of an extension takes the call that rings at the first.
#[test]
fn picked_up_by_another_phone_of_the_extension() {
    let mut world = phones();
    world.phone("203").belongs_to("202", "two");
    world.phone("202").behaviour(PhoneBehaviour::Ring);
    world.phone("201").dial("202");
    world.run(2_000);
    let replaces = world.phone("202").replaces().expect("an early dialog");
    world.phone("203").dial_replacing("202", &replaces);
    world.run(2_000);
    assert!(world.phone("201").is_up() && world.phone("203").is_up(), "{}", world.ladder());
    assert!(world.phone("202").is_idle(), "{}", world.ladder());
    expect("pick-up", world.ladder());
    assert_eq!(parties(&first(&world)), [("201", true), ("202", true)]);
    assert_eq!(world.cdrs.len(), 1);
    world.phone("203").hang_up();
    world.run(1_000);
    assert!(world.phone("201").is_idle(), "{}", world.ladder());
    clean(world);
}

/// Somebody walks from the desk to the sofa.
#[test]
fn taken_over_by_another_phone_of_the_extension() {
    let mut world = talking();
    world.phone("203").belongs_to("202", "two");
    let replaces = world.phone("202").replaces().expect("a dialog");
    world.phone("203").dial_replacing("202", &format!("{replaces};early-only"));
    world.run(1_000);
    assert!(diary(&mut world, "203").ends_with("refused 486"), "{}", world.ladder());
    world.phone("203").dial_replacing("202", &replaces);
    world.run(2_000);
    assert!(world.phone("201").is_up() && world.phone("203").is_up(), "{}", world.ladder());
    assert!(world.phone("202").is_idle(), "{}", world.ladder());
    assert_eq!(parties(&first(&world)), [("201", true), ("202", false), ("202", true)]);
    world.phone("201").hang_up();
    world.run(1_000);
    assert!(world.phone("203").is_idle(), "{}", world.ladder());
    clean(world);
}

#[test]
fn replaces_of_others_and_of_nothing_is_refused() {
    let mut world = talking();
    let replaces = world.phone("202").replaces().expect("a dialog");
    world.phone("203").dial_replacing("202", &replaces);
    world.run(1_000);
    assert!(diary(&mut world, "203").ends_with("refused 403"), "{}", world.ladder());
    world.phone("203").belongs_to("202", "two");
    for nothing in ["x;to-tag=1;from-tag=2", "x;to-tag=00000123456789ab-1;from-tag=2"] {
        world.phone("203").dial_replacing("202", nothing);
        world.run(1_000);
        assert!(diary(&mut world, "203").ends_with("refused 481"), "{}", world.ladder());
    }
    world.phone("203").dial_replacing("202", &replaces.replace("from-tag=", "from-tag=0"));
    world.run(1_000);
    assert!(diary(&mut world, "203").ends_with("refused 481"), "{}", world.ladder());
    world.phone("203").dial_replacing("202", "nonsense");
    world.run(1_000);
    assert!(diary(&mut world, "203").ends_with("refused 400"), "{}", world.ladder());
    assert!(world.phone("201").is_up() && world.phone("202").is_up(), "{}", world.ladder());
    clean(world);
}
