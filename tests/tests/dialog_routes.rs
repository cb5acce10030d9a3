//! Where requests in a dialog go (RFC 3261 §12.2.1.1), on ladders: ACK, BYE, re-INVITE and all others follow the first
//! Record-Route, else the Contact, and only a phone behind NAT is reached by the flow that it came by.

use std::net::SocketAddr;

use ringtrip_config::Config;
use ringtrip_dialplan::Plan;
use ringtrip_testkit::{World, expect};

/// Where providers and proxies of these tests hear as well.
const BEHIND: &str = "192.0.2.134:5080";
const PROXY: &str = "192.0.2.135:5090";

fn to_provider(config: &mut Config) {
    let plan = Plan::parse("(xxxS0|9xx.<:@gw1>)").expect("a good plan");
    config.plans.insert("home".to_owned(), plan.into());
    config.gateways[0].register = false;
    config.gateways[0].options_interval = None;
    config.gateways[0].password = None;
}

fn world() -> World {
    with_phone(None)
}

/// 202 registers with this Contact.
fn with_phone(contact: Option<&str>) -> World {
    let mut world = World::with(1, to_provider);
    world.phone("202").shows = contact.map(str::to_owned);
    world.register(&["201", "202"]);
    world.start_gateways();
    world.phone("acme").lets_in();
    world.phone("acme").also = vec![at(BEHIND), at(PROXY)];
    world.write();
    world
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// Runs out every timer of SIP and looks that nothing is left.
#[track_caller]
fn clean(mut world: World) {
    world.run(80_000);
    assert_eq!(world.left_over(), Vec::<String>::new(), "{}", world.ladder());
}

/// The lines of the ladder on which the exchange sends this method in the dialog.
fn sent<'a>(world: &'a World, method: &str) -> Vec<&'a str> {
    let arrow = "exchange → ";
    let lines = world.ladder().lines().filter_map(|line| Some(line.split_once(arrow)?.1));
    lines.filter(|line| line.split("  ").nth(1).is_some_and(|m| m.starts_with(method))).collect()
}

/// 201 calls out, talks, holds, resumes and hangs up.
#[track_caller]
fn call_out(world: &mut World) {
    world.phone("201").dial("902079460123");
    world.run(5_000);
    assert!(world.phone("201").is_up() && world.phone("acme").is_up(), "{}", world.ladder());
    world.phone("201").hold(true);
    world.run(1_000);
    world.phone("201").hang_up();
    world.run(2_000);
    assert!(world.phone("acme").is_idle(), "{}", world.ladder());
}

#[test]
fn requests_follow_the_contact_of_the_200() {
    let mut world = world();
    world.phone("acme").shows = Some(format!("<sip:line7@{BEHIND}>"));
    call_out(&mut world);
    expect("dialog-contact", world.ladder());
    clean(world);
}

#[test]
fn requests_follow_the_record_route() {
    let mut world = world();
    world.phone("acme").shows = Some("<sip:line7@192.0.2.200:5099>".to_owned());
    world.phone("acme").record_route = Some(format!("<sip:192.0.2.199;lr>, <sip:{PROXY};lr>"));
    call_out(&mut world);
    expect("dialog-record-route", world.ladder());
    clean(world);
}

#[test]
fn a_strict_router_is_the_request_uri() {
    let mut world = world();
    world.phone("acme").shows = Some("<sip:line7@192.0.2.200:5099>".to_owned());
    world.phone("acme").record_route = Some(format!("<sip:{PROXY}>"));
    call_out(&mut world);
    expect("dialog-strict-route", world.ladder());
    clean(world);
}

#[test]
fn a_contact_with_a_name_is_resolved() {
    let mut world = world();
    world.hosts.push(("media7.provider.example".to_owned(), at(BEHIND)));
    world.phone("acme").shows = Some("<sip:line7@media7.provider.example>".to_owned());
    call_out(&mut world);
    expect("dialog-contact-name", world.ladder());
    clean(world);
}

#[test]
fn a_name_that_nobody_knows_leaves_the_flow() {
    let mut world = world();
    world.phone("acme").shows = Some("<sip:line7@nowhere.example>".to_owned());
    call_out(&mut world);
    assert_eq!(sent(&world, "BYE"), ["acme  BYE sip:line7@nowhere.example"]);
    clean(world);
}

#[test]
fn requests_to_a_caller_follow_its_contact() {
    let mut world = world();
    world.phone("acme").shows = Some(format!("<sip:line7@{BEHIND}>"));
    world.phone("acme").dial("acme");
    world.run(5_000);
    world.phone("201").hold(true);
    world.run(1_000);
    world.phone("201").hang_up();
    world.run(2_000);
    assert!(world.phone("acme").is_idle(), "{}", world.ladder());
    expect("dialog-contact-of-a-caller", world.ladder());
    clean(world);
}

#[test]
fn requests_to_a_caller_follow_the_record_route() {
    let mut world = world();
    world.phone("acme").shows = Some("<sip:line7@192.0.2.200:5099>".to_owned());
    world.phone("acme").record_route = Some(format!("<sip:{PROXY};lr>, <sip:192.0.2.199;lr>"));
    world.phone("acme").dial("acme");
    world.run(5_000);
    world.phone("201").hang_up();
    world.run(2_000);
    assert!(world.phone("acme").is_idle(), "{}", world.ladder());
    assert_eq!(sent(&world, "BYE"), [format!("acme@{PROXY}  BYE sip:line7@192.0.2.200:5099")]);
    clean(world);
}

#[test]
fn a_target_refresh_moves_the_dialog() {
    let mut world = world();
    world.phone("201").dial("902079460123");
    world.run(5_000);
    world.phone("acme").shows = Some(format!("<sip:line9@{BEHIND}>"));
    world.phone("acme").hold(true);
    world.run(1_000);
    world.phone("201").hang_up();
    world.run(2_000);
    assert_eq!(sent(&world, "BYE"), [format!("acme@{BEHIND}  BYE sip:line9@{BEHIND}")]);
    clean(world);
}

#[test]
fn the_answer_to_a_re_invite_moves_the_dialog() {
    let mut world = world();
    world.phone("201").dial("902079460123");
    world.run(5_000);
    world.phone("acme").shows = Some(format!("<sip:line9@{BEHIND}>"));
    world.phone("201").hold(true);
    world.run(1_000);
    assert_eq!(sent(&world, "ACK").last(), Some(&&*format!("acme@{BEHIND}  ACK sip:line9@{BEHIND}")));
    world.phone("201").hang_up();
    world.run(2_000);
    assert_eq!(sent(&world, "BYE"), [format!("acme@{BEHIND}  BYE sip:line9@{BEHIND}")]);
    clean(world);
}

#[test]
fn a_phone_behind_nat_is_reached_by_its_flow() {
    for contact in
        ["<sip:202@192.168.1.20:5060>", "<sip:202@198.51.100.7:5060>", "<sip:202@192.0.2.12:5060;ob>"]
    {
        let mut world = with_phone(Some(contact));
        world.phone("202").dial("201");
        world.run(4_000);
        assert!(world.phone("202").is_up(), "{contact}: {}", world.ladder());
        world.phone("201").hang_up();
        world.run(2_000);
        let to_202: Vec<_> = sent(&world, "BYE").into_iter().filter(|l| l.starts_with("202  ")).collect();
        assert_eq!(to_202.len(), 1, "{contact}: {}", world.ladder());
        world.phone("201").dial("202");
        world.run(4_000);
        assert!(world.phone("202").is_up(), "{contact}: {}", world.ladder());
        world.phone("201").hang_up();
        world.run(2_000);
        assert!(world.phone("202").is_idle(), "{contact}: {}", world.ladder());
        // Its way is kept open for ever.
        world.run(80_000);
        assert_eq!(world.calls(), 0, "{contact}: {}", world.ladder());
    }
}

#[test]
fn a_private_contact_seen_from_outside_leaves_the_flow() {
    let mut world = world();
    world.phone("acme").shows = Some("<sip:line7@10.0.0.7:5080>".to_owned());
    call_out(&mut world);
    assert_eq!(sent(&world, "BYE"), ["acme  BYE sip:line7@10.0.0.7:5080"]);
    clean(world);
}
