//! Peers that do what the RFCs allow and few expect: they refuse a session refresh, ask for an offer, change their mind
//! between 183 and 200, send multipart bodies and names instead of addresses.

use std::time::Duration;

use ringtrip_config::{Config, Inbound, LineKind};
use ringtrip_dialplan::Plan;
use ringtrip_exchange::route::Target;
use ringtrip_media::sound::{Codec, CodecKind};
use ringtrip_model::board::BoardEvent;
use ringtrip_model::party::Cause;
use ringtrip_sip::message::Method;
use ringtrip_sip::name::Name;
use ringtrip_testkit::{PhoneBehaviour, World, expect};

#[track_caller]
fn clean(mut world: World) {
    world.run(80_000);
    assert_eq!(world.left_over(), Vec::<String>::new(), "{}", world.ladder());
}

fn cause(world: &World) -> Option<Cause> {
    world.cdrs.values().last().expect("a record").cause
}

/// How often the exchange sends this to somebody.
fn count(world: &World, to: &str, first: &str) -> usize {
    let start = format!("exchange → {to}  {first}");
    world.ladder().lines().filter(|line| line.contains(&start)).count()
}

fn world(change: impl FnOnce(&mut Config)) -> World {
    let mut world = World::with(1, |config| {
        let plan = Plan::parse("(xxxS0|9xx.<:@gw1>)").expect("a good plan");
        config.plans.insert("home".to_owned(), plan.into());
        let gateway = &mut config.gateways[0];
        (gateway.register, gateway.options_interval, gateway.password) = (false, None, None);
        change(config);
    });
    world.register(&["201", "202", "203"]);
    world.start_gateways();
    world.phone("acme").lets_in();
    world.write();
    world
}

/// 201 and 202 talk; the exchange refreshes each minute and a half.
fn talking(allows: &'static str) -> World {
    let mut world = world(|config| {
        config.sip.session_expires = Some(Duration::from_secs(180));
        config.sip.min_session_expires = Duration::from_secs(90);
    });
    world.phone("202").allows = allows;
    world.phone("201").dial("202");
    world.run(4_000);
    assert!(world.phone("202").is_up(), "{}", world.ladder());
    world
}

const UPDATES: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE";
const INVITES: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS";

fn refuse(method: Method, code: u16, lines: &[(Name, &str)]) -> (Method, u16, Vec<(Name, String)>) {
    (method, code, lines.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect())
}

#[test]
fn a_refresh_that_is_refused_is_tried_again() {
    let wait = || vec![(Name::RetryAfter, "7")];
    for (what, allows, refusals) in [
        ("491", INVITES, vec![refuse(Method::Invite, 491, &[])]),
        ("500", INVITES, vec![refuse(Method::Invite, 500, &wait())]),
        ("503", INVITES, vec![refuse(Method::Invite, 503, &wait())]),
        ("500 for UPDATE", UPDATES, vec![refuse(Method::Update, 500, &wait())]),
        ("491 twice", UPDATES, vec![refuse(Method::Update, 491, &[]), refuse(Method::Update, 491, &[])]),
        ("UPDATE refused", UPDATES, vec![refuse(Method::Update, 405, &[])]),
        ("UPDATE unknown", UPDATES, vec![refuse(Method::Update, 501, &[])]),
        ("422", UPDATES, vec![refuse(Method::Update, 422, &[(Name::MinSe, "300")])]),
        ("refused", INVITES, vec![refuse(Method::Invite, 488, &[])]),
        ("both refused", UPDATES, vec![refuse(Method::Update, 501, &[]), refuse(Method::Invite, 488, &[])]),
    ] {
        let mut world = talking(allows);
        world.phone("202").refuses = refusals;
        world.run(170_000);
        assert!(world.phone("202").refuses.is_empty(), "{what}: not tried again\n{}", world.ladder());
        assert!(world.phone("202").is_up() && world.phone("201").is_up(), "{what}\n{}", world.ladder());
        world.run(170_000);
        assert!(world.phone("202").is_up(), "{what}: the session goes on\n{}", world.ladder());
        world.phone("201").hang_up();
        world.run(1_000);
        assert_eq!(cause(&world), Some(Cause::Normal), "{what}");
        clean(world);
    }
}

#[test]
fn a_refresh_after_500_waits_as_long_as_it_was_told() {
    let mut world = talking(INVITES);
    world.phone("202").refuses = vec![refuse(Method::Invite, 500, &[(Name::RetryAfter, "7")])];
    world.run(100_000);
    world.phone("201").hang_up();
    world.run(1_000);
    expect("session-refresh-refused", world.ladder());
    clean(world);
}

#[test]
fn a_refresh_answered_481_ends_the_call_with_a_bye() {
    for code in [481, 408] {
        let mut world = talking(INVITES);
        world.phone("202").refuses = vec![refuse(Method::Invite, code, &[])];
        world.run(100_000);
        assert_eq!(count(&world, "202", "BYE"), 1, "{}", world.ladder());
        assert_eq!(count(&world, "201", "BYE"), 1, "{}", world.ladder());
        clean(world);
    }
}

#[test]
fn a_phone_that_asks_for_an_offer_gets_that_of_a_new_call() {
    let mut world = world(|_| {});
    world.phone("201").dial("202");
    world.run(4_000);
    world.phone("201").hold(true);
    world.run(1_000);
    world.phone("201").ask_offer();
    world.run(1_000);
    let diary = world.phone("201").diary.join(", ");
    assert!(diary.contains("is offered SendRecv 3 codecs"), "{diary}\n{}", world.ladder());
    let other = world.phone("202").diary.join(", ");
    assert!(other.ends_with("hears SendOnly, hears SendRecv"), "{other}\n{}", world.ladder());
    world.phone("201").hang_up();
    world.run(1_000);
    expect("offer-on-request", world.ladder());
    clean(world);
}

fn sdp(payload: &str, port: u16) -> String {
    format!(
        "v=0\r\no=- 4711 1 IN IP4 192.0.2.14\r\ns=-\r\nc=IN IP4 192.0.2.14\r\nt=0 0\r\nm=audio {port} RTP/AVP {payload} 101\r\n\
         a=rtpmap:101 telephone-event/8000\r\n"
    )
}

fn plain(text: String) -> Option<(String, String)> {
    Some(("application/sdp".to_owned(), text))
}

#[test]
fn another_codec_in_the_200_is_told_to_the_caller() {
    let mut world = world(|_| {});
    // What cannot be transcoded.
    let opus = Codec { kind: CodecKind::Opus, pt: 96, fmtp: None };
    world.phone("201").codecs(&[opus, Codec::PCMA]);
    world.phone("acme").early = plain(sdp("96", 40_000) + "a=rtpmap:96 opus/48000/2\r\n");
    world.phone("acme").says = plain(sdp("8", 40_010));
    world.phone("201").dial("902079460123");
    world.run(4_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    assert_eq!(count(&world, "201", "180"), 1, "the 180 after the 183: {}", world.ladder());
    assert_eq!(count(&world, "201", "INVITE"), 1, "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(1_000);
    expect("codec-of-183-and-200", world.ladder());
    clean(world);
}

#[test]
fn the_same_codec_in_the_200_needs_no_word() {
    for (early, late) in [("9", "9"), ("8", "0"), ("0", "8"), ("8", "8")] {
        let mut world = world(|_| {});
        world.phone("acme").early = plain(sdp(early, 40_000));
        world.phone("acme").says = plain(sdp(late, 40_010));
        world.phone("201").dial("902079460123");
        world.run(4_000);
        assert_eq!(count(&world, "201", "INVITE"), 0, "{early} {late}: {}", world.ladder());
        world.phone("201").hang_up();
        world.run(1_000);
        clean(world);
    }
}

#[test]
fn a_telephone_gets_ringback_unless_sound_comes() {
    let mut world = world(|config| {
        let plan = Plan::parse("(9xx.<:@gw1>)").expect("a good plan");
        config.plans.insert("jack".to_owned(), plan.into());
        for line in &mut config.lines {
            if let LineKind::Fxs(_) = &line.kind {
                line.plan = Some("jack".to_owned());
            }
        }
    });
    world.phone("acme").behaviour(PhoneBehaviour::Ring);
    world.phone("acme").early = plain(sdp("8", 40_000));
    world.board("fxs1", BoardEvent::OffHook);
    world.run(1_000);
    world.keys("fxs1", "902079460123#");
    world.run(6_000);
    assert!(world.ladder().contains("♪ ringback to"), "{}", world.ladder());
    world.board("fxs1", BoardEvent::OnHook);
    world.run(3_000);
    clean(world);
}

const MIXED: &str = "multipart/mixed;boundary=unique-boundary-1";

fn multipart(part: &str) -> String {
    let sdp = sdp("8", 40_000);
    format!(
        "--unique-boundary-1\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--unique-boundary-1\r\n{part}\r\n\
         --unique-boundary-1--\r\n"
    )
}

const LOCATION: &str =
    "Content-Type: application/pidf+xml\r\nContent-Disposition: render; handling=optional\r\n\r\n<presence/>";

#[test]
fn an_answer_among_other_parts_is_an_answer() {
    let mut world = world(|_| {});
    world.phone("acme").says = Some((MIXED.to_owned(), multipart(LOCATION)));
    world.phone("201").dial("902079460123");
    world.run(4_000);
    assert!(world.phone("201").is_up() && world.phone("acme").is_up(), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(1_000);
    assert_eq!(cause(&world), Some(Cause::Normal));
    clean(world);
}

/// An INVITE of the provider with this body.
fn invite(kind: &str, body: &str) -> String {
    format!(
        "INVITE sip:acme@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.14:5060;branch=z9hG4bKm1;rport\r\n\
         From: <sip:+441480200201@provider.example>;tag=m\r\nTo: <sip:acme@192.0.2.1>\r\nCall-ID: m1\r\nCSeq: 1 INVITE\r\n\
         Max-Forwards: 7\r\nContact: <sip:x@192.0.2.14>\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn an_offer_among_other_parts_rings_and_takes_one_hop() {
    let mut world = world(|_| {});
    world.inject("acme", &invite(MIXED, &multipart(LOCATION)));
    world.run(500);
    assert_eq!(count(&world, "201", "INVITE"), 1, "{}", world.ladder());
    let passed_on = world.last_to("201");
    assert!(passed_on.contains("Max-Forwards: 6\r\n"), "{passed_on}");
    world.hang_up_all();
    clean(world);
}

#[test]
fn a_part_that_is_required_and_unknown_is_refused() {
    let mut world = world(|_| {});
    let part = "Content-Type: application/x-secret\r\nContent-Disposition: signal;handling=required\r\n\r\nx";
    world.inject("acme", &invite(MIXED, &multipart(part)));
    world.run(100);
    let answer = world.last_to("acme");
    assert!(answer.starts_with("SIP/2.0 415"), "{answer}");
    assert!(answer.contains("Accept: application/sdp"), "{answer}");
    clean(world);
}

#[test]
fn a_name_in_sdp_is_resolved_and_never_means_hold() {
    let mut world = world(|_| {});
    world.hosts.push(("media.provider.example".to_owned(), "192.0.2.77:40000".parse().expect("an address")));
    let named = sdp("8", 40_000).replace("c=IN IP4 192.0.2.14", "c=IN IP4 media.provider.example");
    world.phone("acme").says = plain(named);
    world.phone("201").dial("902079460123");
    world.run(4_000);
    let ladder = world.ladder().to_owned();
    assert!(ladder.contains("↔ 192.0.2.77:40000 Pcma SendRecv"), "{ladder}");
    world.phone("201").hang_up();
    world.run(1_000);
    clean(world);
}

#[test]
fn a_name_in_sdp_that_nobody_knows_leaves_the_signalling_address() {
    let mut world = world(|_| {});
    let named = sdp("8", 40_000).replace("c=IN IP4 192.0.2.14", "c=IN IP4 nowhere.example");
    world.phone("acme").says = plain(named);
    world.phone("201").dial("902079460123");
    world.run(4_000);
    let ladder = world.ladder().to_owned();
    assert!(ladder.contains("↔ 192.0.2.14:40000 Pcma SendRecv"), "{ladder}");
    world.phone("201").hang_up();
    world.run(1_000);
    clean(world);
}

#[test]
fn phones_that_lose_the_race_are_told_that_another_has_answered() {
    let mut world = world(|config| {
        let ring = ["201", "202"].map(|id| Target::Extension(id.parse().expect("a name")));
        config.gateways[0].inbound = Inbound::Ring(ring.to_vec());
    });
    world.phone("201").behaviour(PhoneBehaviour::Ring);
    world.phone("acme").dial("acme");
    let mut cancel = String::new();
    for _ in 0..400 {
        world.run(10);
        let last = world.last_to("201");
        if last.starts_with("CANCEL") {
            cancel = last;
        }
    }
    assert!(cancel.contains("Reason: SIP;cause=200;text=\"Call completed elsewhere\""), "{cancel}");
    world.phone("acme").hang_up();
    world.run(1_000);
    clean(world);
}

#[test]
fn a_caller_who_gives_up_says_nothing_of_another() {
    let mut world = world(|_| {});
    world.phone("202").behaviour(PhoneBehaviour::Ring);
    world.phone("201").dial("202");
    world.run(2_000);
    world.phone("201").hang_up();
    let mut cancel = String::new();
    for _ in 0..50 {
        world.run(10);
        let last = world.last_to("202");
        if last.starts_with("CANCEL") {
            cancel = last;
        }
    }
    assert!(!cancel.is_empty() && !cancel.contains("Reason:"), "{cancel}");
    clean(world);
}
