//! The exchange in networks that change: other addresses, routers that are started anew, phones that move.

use ringtrip_config::KeepAliveBy;
use ringtrip_model::board::BoardEvent;
use ringtrip_testkit::{World, expect};

fn phones(names: &[&str]) -> World {
    let mut world = World::demo(1);
    world.register(names);
    world
}

/// The address that an SDP body names.
fn sdp_address(message: &str) -> &str {
    message.lines().find_map(|line| line.strip_prefix("c=IN IP4 ")).unwrap_or_default().trim()
}

#[test]
fn a_new_address_is_registered_and_told_to_standing_calls_at_once() {
    let mut world = phones(&["201", "202"]);
    world.start_gateways();
    world.run(1_000);
    world.phone("201").dial("202");
    world.run(5_000);
    assert!(world.phone("201").is_up() && world.phone("202").is_up(), "{}", world.ladder());
    world.write();
    world.readdress("192.0.2.99:5060");
    world.run(2_000);
    for phone in ["201", "202"] {
        // The ACK is the last word; the offer was the one before.
        let sent = world.said_to(phone, "INVITE");
        assert_eq!(sdp_address(&sent), "192.0.2.99", "{sent}");
        assert!(sent.contains("@192.0.2.99:5060>"), "{sent}");
    }
    let sent = world.said_to("acme", "REGISTER");
    assert!(sent.contains("Contact: <sip:acme@192.0.2.99:5060>"), "{sent}");
    world.phone("201").hang_up();
    world.run(2_000);
    expect("own-address-changes", world.ladder());
    assert_eq!(world.calls(), 0, "the BYE came to the new address");
    assert!(world.phone("202").is_idle());
    // New calls, to phones that registered at the old address, name the new one as well.
    world.phone("201").dial("202");
    world.run(5_000);
    assert_eq!(sdp_address(&world.said_to("202", "INVITE")), "192.0.2.99");
    world.phone("202").hang_up();
    world.run(80_000);
    assert_eq!(world.left_over(), Vec::<String>::new(), "{}", world.ladder());
}

#[test]
fn an_address_that_stays_changes_nothing() {
    let mut world = phones(&["201", "202"]);
    world.start_gateways();
    world.run(1_000);
    world.phone("201").dial("202");
    world.run(5_000);
    world.write();
    world.readdress("192.0.2.1:5060");
    world.run(5_000);
    assert_eq!(world.ladder(), "");
}

#[test]
fn a_caller_that_waits_while_the_address_changes_is_answered_from_the_new_one() {
    let mut world = phones(&["201"]);
    world.phone("201").dial("101");
    world.run(2_000);
    world.readdress("192.0.2.99:5060");
    world.run(1_000);
    world.board("fxs1", BoardEvent::RingTrip);
    world.run(2_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    let sent = world.said_to("201", "SIP/2.0 200");
    assert_eq!(sdp_address(&sent), "192.0.2.99", "{sent}");
    assert!(sent.contains("@192.0.2.99:5060>"), "{sent}");
    world.phone("201").hang_up();
    world.run(80_000);
    assert_eq!(world.left_over(), Vec::<String>::new(), "{}", world.ladder());
}

#[test]
fn a_re_invite_is_learned_from_where_it_came() {
    let mut world = World::demo(1);
    world.phone("201").behind("203.0.113.9:31000");
    world.register(&["201", "202"]);
    world.phone("201").dial("202");
    world.run(5_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    let (port, first) =
        world.faces.first_key_value().map(|(port, face)| (*port, face.clone())).expect("sound");
    assert_eq!(first.also, Some([203, 0, 113, 9].into()));
    // It leaves the Wi-Fi: what it says is the same, and comes from elsewhere.
    world.phone("201").behind("198.51.100.77:5555");
    world.phone("201").hold(false);
    world.run(1_000);
    let second = &world.faces[&port];
    assert_eq!(second.also, Some([198, 51, 100, 77].into()));
    assert_ne!(second.agreement, first.agreement, "learning begins anew");
    world.phone("201").hang_up();
    world.run(80_000);
    assert_eq!(world.calls(), 0);
}

/// The times at which the exchange asked this phone something, and what.
fn asked(ladder: &str, phone: &str, method: &str) -> Vec<u64> {
    let line = format!("exchange → {phone}  {method}");
    let hits = ladder.lines().filter(|l| l.contains(&line));
    hits.filter_map(|l| l.split_whitespace().next()?.parse().ok()).collect()
}

#[test]
fn the_way_to_a_phone_behind_a_router_is_kept_open() {
    let mut world = World::demo(1);
    world.phone("201").behind("203.0.113.9:31000");
    world.register(&["201", "202"]);
    world.write();
    world.run(300_000);
    let times = asked(world.ladder(), "201", "OPTIONS");
    assert!(times.first().is_some_and(|at| *at <= 5_000), "its latency is known soon: {times:?}");
    let gaps: Vec<u64> = times.windows(2).map(|w| w[1] - w[0]).collect();
    assert!(gaps.len() >= 9 && gaps.iter().all(|gap| (25_000..=30_000).contains(gap)), "{gaps:?}");
    assert_eq!(asked(world.ladder(), "202", "OPTIONS"), [0u64; 0], "no router stands before it");
    assert_eq!(world.latency("201"), Some(std::time::Duration::from_millis(20)));
    assert_eq!(world.latency("202"), None);
    // Its registration ends, and with it the questions.
    world.run(4_000_000);
    let last = asked(world.ladder(), "201", "OPTIONS").last().copied();
    assert!(last.is_some_and(|at| at < 3_601_000), "{last:?}");
    assert_eq!(world.left_over(), Vec::<String>::new());
}

#[test]
fn a_phone_that_is_silent_to_options_is_asked_once_each_time() {
    let mut world = World::demo(1);
    world.phone("201").behind("203.0.113.9:31000");
    world.register(&["201"]);
    world.phone("201").behaviour(ringtrip_testkit::PhoneBehaviour::Dead);
    world.write();
    world.run(120_000);
    let times = asked(world.ladder(), "201", "OPTIONS");
    assert!((4..=5).contains(&times.len()), "no copies: {times:?}");
    assert_eq!(world.latency("201"), None);
}

#[test]
fn keep_alive_is_a_setting() {
    let with = |by, ms| {
        let mut world = World::with(1, |config| {
            config.sip.keep_alive = by;
            config.sip.keep_alive_interval = std::time::Duration::from_millis(ms);
        });
        world.phone("201").behind("203.0.113.9:31000");
        world.register(&["201"]);
        world.write();
        world.run(120_000);
        let sent = world.ladder().lines().filter(|l| l.contains("exchange → 201")).count();
        (sent, asked(world.ladder(), "201", "OPTIONS").len())
    };
    assert_eq!(with(KeepAliveBy::Nothing, 30_000), (0, 0));
    let (sent, asked) = with(KeepAliveBy::Crlf, 30_000);
    assert!((4..=5).contains(&sent) && asked == 0, "empty lines: {sent}");
    let (sent, asked) = with(KeepAliveBy::Options, 10_000);
    assert!(sent == asked && (12..=15).contains(&sent), "{sent}");
}

#[test]
fn two_homes_with_the_same_private_address_ring_both() {
    let mut world = World::demo(1);
    world.phone("203").behind("203.0.113.9:31000");
    world.phone("203").register();
    world.run(1_000);
    // The other home: the same extension, the same Contact, another router.
    world.phone("203").behind("198.51.100.7:5060");
    world.phone("203").restart();
    world.phone("203").register();
    world.register(&["201"]);
    world.write();
    world.phone("201").dial("203");
    world.run(100);
    let rung: Vec<&str> = world
        .ladder()
        .lines()
        .filter(|l| l.contains("INVITE sip:203@"))
        .filter_map(|l| l.split("→ ").nth(1))
        .collect();
    assert!(rung.iter().any(|l| l.starts_with("203.0.113.9:31000")), "{}", world.ladder());
    assert!(rung.iter().any(|l| l.starts_with("203  INVITE")), "{}", world.ladder());
}

#[test]
fn a_bye_takes_the_way_of_a_phone_that_registered_anew_in_the_call() {
    let mut world = World::demo(1);
    world.phone("201").behind("203.0.113.9:31000");
    world.register(&["201", "202"]);
    for caller in ["201", "202"] {
        let other = if caller == "201" { "202" } else { "201" };
        world.phone("201").behind("203.0.113.9:31000");
        world.register(&["201"]);
        world.phone(caller).dial(other);
        world.run(5_000);
        assert!(world.phone("201").is_up() && world.phone("202").is_up(), "{}", world.ladder());
        // Its router was restarted. Nothing reaches the old port any more.
        world.phone("201").behind("203.0.113.9:47000");
        world.register(&["201"]);
        world.phone("202").hang_up();
        world.run(2_000);
        assert!(world.phone("201").is_idle(), "called by {caller}: {}", world.ladder());
        world.run(80_000);
        assert_eq!(world.calls(), 0);
    }
}
