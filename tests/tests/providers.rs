//! Providers as they are: several accounts at one address, numbers with parameters, proxies that ask beside registrars,
//! servers that answer no OPTIONS.

use std::time::Duration;

use ringtrip_config::{Config, Gateway, HostPort, Inbound, Password};
use ringtrip_dialplan::Plan;
use ringtrip_exchange::route::Target;
use ringtrip_model::party::{Cause, Digits};
use ringtrip_testkit::{PhoneBehaviour, World, expect};

fn ring(ext: &str) -> Inbound {
    Inbound::Ring(vec![Target::Extension(ext.parse().expect("a name"))])
}

/// A second account at the provider that `gw1` is at.
fn second_account(config: &mut Config, user: &str, inbound: &str) {
    let server = HostPort { host: "provider.example".to_owned(), port: None };
    let mut second = Gateway::new("gw2".parse().expect("a name"), server, user);
    second.password = Some(Password("sesame".to_owned()));
    second.inbound = ring(inbound);
    config.gateways.push(second);
}

/// An INVITE from the provider, as it stands on the wire.
fn invite(world: &mut World, uri: &str, to: &str, more: &str) {
    let n = world.delivered;
    let text = format!(
        "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.14:5060;branch=z9hG4bKw{n};rport\r\n\
         Max-Forwards: 70\r\nFrom: \"Ann\" <sip:+15550123456;verstat=TN-Validation-Passed@example.com>;tag=t{n}\r\n\
         To: <{to}>\r\nCall-ID: c{n}\r\nCSeq: 1 INVITE\r\nContact: <sip:gw@192.0.2.14>\r\n{more}\
         Content-Length: 0\r\n\r\n"
    );
    world.inject("acme", &text);
    world.run(100);
}

/// Which phone rings for such an INVITE; the call is over after this.
#[track_caller]
fn rings(world: &mut World, uri: &str, to: &str) -> String {
    for phone in ["201", "202", "203"] {
        world.phone(phone).behaviour(PhoneBehaviour::Busy);
        world.phone(phone).diary.clear();
    }
    world.write();
    invite(world, uri, to, "");
    let ladder = world.ladder().to_owned();
    let rung = ladder.lines().find_map(|l| {
        let (_, rest) = l.split_once("exchange → 20")?;
        rest.contains("INVITE").then(|| format!("20{}", &rest[..1]))
    });
    world.run(40_000);
    rung.unwrap_or_else(|| {
        let answer = ladder.lines().find(|l| l.contains("exchange → acme"));
        answer.map(|l| l.split_whitespace().nth(4).unwrap_or_default().to_owned()).unwrap_or_default()
    })
}

#[test]
fn calls_to_two_accounts_at_one_provider_are_told_apart() {
    let mut world = World::with(1, |config| {
        second_account(config, "beta", "202");
        config.gateways[0].dids.push((Digits::new("+441480123001"), ring("201")));
        config.gateways[1].dids.push((Digits::new("01480123002"), ring("203")));
    });
    world.phone("acme").lets_in();
    world.register(&["201", "202", "203"]);
    world.start_gateways();
    world.run(1_000);
    world.phone("201").behaviour(PhoneBehaviour::Busy);
    world.phone("202").behaviour(PhoneBehaviour::Busy);
    world.write();
    invite(&mut world, "sip:acme@192.0.2.1:5060", "sip:acme@provider.example", "");
    invite(&mut world, "sip:beta@192.0.2.1:5060", "sip:beta@provider.example", "");
    expect("two-accounts-at-one-provider", world.ladder());
    world.run(40_000);
    for (uri, to, phone) in [
        ("sip:acme@192.0.2.1", "sip:acme@provider.example", "201"),
        ("sip:beta;line=7@192.0.2.1;user=phone", "sip:x@provider.example", "202"),
        ("sip:%62eta@192.0.2.1", "sip:x@provider.example", "202"),
        // By number, in any form, whichever of the two it came for.
        ("sip:+441480123001@192.0.2.1;user=phone", "sip:+441480123001@provider.example", "201"),
        ("sip:+44-1480-123002@192.0.2.1", "sip:x@provider.example", "203"),
        ("sip:441480123002;npdi@192.0.2.1", "sip:x@provider.example", "203"),
        // The Request-URI says nothing, To does.
        ("sip:192.0.2.1", "sip:beta@provider.example", "202"),
        ("sip:s@192.0.2.1", "tel:+441480123002", "203"),
        // Nothing says more than the address.
        ("sip:somebody@192.0.2.1", "sip:somebody@provider.example", "201"),
    ] {
        assert_eq!(rings(&mut world, uri, to), phone, "{uri} {to}");
    }
}

#[test]
fn two_accounts_of_one_name_register_two_contacts() {
    let mut world = World::with(1, |config| {
        second_account(config, "acme", "202");
        config.gateways[1].domain = Some("tenant.example".to_owned());
    });
    world.phone("acme").lets_in();
    world.register(&["201", "202"]);
    world.write();
    world.start_gateways();
    world.run(1_000);
    assert!(world.last_to("acme").contains("acme"), "{}", world.ladder());
    assert_eq!(rings(&mut world, "sip:acme@192.0.2.1:5060", "sip:acme@provider.example"), "201");
    assert_eq!(rings(&mut world, "sip:acme-gw2@192.0.2.1:5060", "sip:acme@tenant.example"), "202");
}

#[test]
fn a_phone_beside_the_provider_is_a_phone() {
    let mut world = World::with(1, |_| {});
    world.phone("acme").lets_in();
    world.register(&["201"]);
    world.start_gateways();
    world.run(1_000);
    world.write();
    let register = |n: u8, more: &str| {
        format!(
            "REGISTER sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.14:5070;branch=z9hG4bKr{n};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:202@h>;tag=1\r\nTo: <sip:202@h>\r\nCall-ID: r\r\n\
             CSeq: {n} REGISTER\r\nContact: <sip:202@192.0.2.14:5070>\r\n{more}Content-Length: 0\r\n\r\n"
        )
    };
    world.inject("acme", &register(1, ""));
    world.run(100);
    assert!(world.last_to("acme").starts_with("SIP/2.0 401"), "{}", world.last_to("acme"));
    // Credentials for another realm on a provider's INVITE are none of ours.
    let foreign = "Authorization: Digest username=\"x\", realm=\"carrier.example\", nonce=\"n\", uri=\"sip:s\", \
                   response=\"0123456789abcdef0123456789abcdef\"\r\n";
    world.phone("201").behaviour(PhoneBehaviour::Busy);
    invite(&mut world, "sip:acme@192.0.2.1:5060", "sip:acme@provider.example", foreign);
    assert!(world.ladder().contains("exchange → 201  INVITE"), "{}", world.ladder());
}

#[test]
fn one_number_however_a_provider_writes_it() {
    let mut world = World::with(1, |config| {
        config.gateways[0].dids.push((Digits::new("+15550100001"), ring("202")));
        config.gateways[0].inbound = Inbound::Refuse;
    });
    world.register(&["201", "202"]);
    world.start_gateways();
    world.run(1_000);
    for user in [
        "sip:+15550100001@192.0.2.1:5060;user=phone",
        "sip:+15550100001;npdi;rn=+15550199999@192.0.2.1:5060;user=phone",
        "sip:+15550100001;phone-context=+1@192.0.2.1:5060;user=phone",
        "sip:5550100001;phone-context=+1@192.0.2.1:5060;user=phone",
        "sip:+1-555-010-0001@192.0.2.1:5060;user=phone",
        "sip:%2B1(555)010.0001;tgrp=a;trunk-context=b@192.0.2.1:5060",
        "sip:+15550100001;ext=7;isub=9@192.0.2.1",
        "tel:+1-555-010-0001;npdi;rn=+15550199999",
    ] {
        assert_eq!(rings(&mut world, user, "sip:x@provider.example"), "202", "{user}");
        let record = world.cdrs.values().last().expect("a record");
        assert_eq!(record.dialled.as_str(), "+15550100001", "{user}");
        assert_eq!(record.caller.number, "+15550123456", "{user}");
        assert_eq!(record.verstat.as_deref(), Some("TN-Validation-Passed"), "{user}");
        let diary = &world.phone("202").last_from;
        assert!(diary.is_empty() || !diary.contains(';'), "{diary}");
    }
}

/// Long numbers go to the provider.
fn to_provider(config: &mut Config) {
    let plan = Plan::parse("([12]0xS0|<9,:>xx.<:@gw1>)").expect("a plan");
    config.plans.insert("home".to_owned(), plan.into());
}

#[test]
fn a_proxy_and_a_registrar_that_both_ask_are_both_answered() {
    let mut world = World::with(1, to_provider);
    world.phone("acme").has_an_edge("acme", "sesame");
    world.register(&["201"]);
    world.write();
    world.start_gateways();
    world.run(1_000);
    assert_eq!(world.gateway("gw1").map(|g| g.status().registered), Some(Some(true)), "{}", world.ladder());
    world.phone("201").dial("902079460123");
    world.run(5_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    let both =
        |text: &str| text.contains("\r\nProxy-Authorization: ") && text.contains("\r\nAuthorization: ");
    let ack = world.last_to("acme");
    assert!(ack.starts_with("ACK ") && both(&ack), "{ack}");
    world.phone("201").hang_up();
    world.run(2_000);
    let bye = world.last_to("acme");
    assert!(bye.starts_with("BYE ") && both(&bye), "{bye}");
    expect("a-proxy-asks-before-the-provider", world.ladder());
}

#[test]
fn a_gateways_realm_is_the_only_one_that_learns_its_digest() {
    let mut world = World::with(1, |config| {
        to_provider(config);
        config.gateways[0].register = false;
        config.gateways[0].realm = Some("elsewhere.example".to_owned());
    });
    world.register(&["201"]);
    world.start_gateways();
    world.run(1_000);
    world.write();
    world.phone("201").dial("902079460123");
    world.run(5_000);
    assert!(!world.phone("201").is_up(), "{}", world.ladder());
    let invites = world.ladder().matches("exchange → acme  INVITE").count();
    assert_eq!(invites, 1, "the stranger's challenge is not answered:\n{}", world.ladder());
}

#[test]
fn a_provider_that_answers_no_options_takes_calls() {
    let mut world = World::with(1, |config| {
        to_provider(config);
        config.gateways[0].register = false;
    });
    world.phone("acme").deaf_to_options = true;
    world.register(&["201"]);
    world.start_gateways();
    world.run(300_000);
    world.write();
    world.phone("201").dial("902079460123");
    world.run(5_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    world.phone("201").hang_up();
    world.run(1_000);
}

#[test]
fn a_gateway_that_seems_dead_is_tried_when_nothing_else_is_left() {
    let mut world = World::with(1, |config| {
        to_provider(config);
        config.gateways[0].register = false;
    });
    world.register(&["201"]);
    world.start_gateways();
    world.run(1_000);
    world.phone("acme").behaviour(PhoneBehaviour::Dead);
    world.run(120_000);
    assert!(!world.gateway("gw1").expect("a gateway").status().up);
    // It stays dead: the caller hears so soon.
    world.write();
    world.phone("201").dial("902079460123");
    world.run(3_000);
    let refused = world.phone("201").diary.last().cloned().unwrap_or_default();
    assert!(refused.starts_with("refused"), "{refused}\n{}", world.ladder());
    assert_eq!(world.cdrs.values().last().and_then(|c| c.cause), Some(Cause::Failure));
    // It is back, and the first call is the proof.
    world.phone("acme").behaviour(PhoneBehaviour::Answer(Duration::from_secs(1)));
    world.phone("201").dial("902079460123");
    world.run(4_000);
    assert!(world.phone("201").is_up(), "{}", world.ladder());
    assert!(world.gateway("gw1").expect("a gateway").status().up);
    world.phone("201").hang_up();
    world.run(1_000);
    expect("a-gateway-that-seems-dead", world.ladder());
}

/// An exchange elsewhere at `spare`, known by its address alone, whose calls dial by the plan `branch`.
fn trunk(config: &mut Config) {
    let server = HostPort { host: "spare.example".to_owned(), port: None };
    let mut peer = Gateway::new("gw2".parse().expect("a name"), server, "");
    (peer.register, peer.options_interval) = (false, None);
    (peer.inbound, peer.inbound_plan) = (Inbound::Plan, Some("branch".to_owned()));
    peer.inbound_prefixes = Some(vec!["44".to_owned()]);
    config.gateways.push(peer);
    let plan = Plan::parse("([12]0xS0|0xx.<:@gw1>|09xx.!)").expect("a plan");
    config.plans.insert("branch".to_owned(), plan.into());
    // What it is sent to has no account of ours either.
    config.gateways[0].register = false;
    config.gateways[0].user = String::new();
    config.gateways[0].password = None;
}

/// An INVITE from the exchange elsewhere; what our provider gets of it.
fn transit(world: &mut World, number: &str, more: &str) -> String {
    let n = world.delivered;
    let text = format!(
        "INVITE sip:{number}@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.15:5060;branch=z9hG4bKt{n};rport\r\n\
         Max-Forwards: 20\r\nFrom: \"Bob\" <sip:+441480999888@branch.example>;tag=b{n}\r\nTo: <sip:{number}@h>\r\n\
         Call-ID: t{n}\r\nCSeq: 1 INVITE\r\nContact: <sip:b@192.0.2.15>\r\n{more}Content-Length: 0\r\n\r\n"
    );
    world.inject("spare", &text);
    world.run(100);
    world.last_to("acme")
}

#[test]
fn an_exchange_without_an_account_dials_with_its_rights() {
    let mut world = World::with(1, trunk);
    world.phone("acme").lets_in().behaviour(PhoneBehaviour::Busy);
    world.register(&["201"]);
    world.phone("201").behaviour(PhoneBehaviour::Busy);
    world.start_gateways();
    world.run(1_000);
    world.write();
    let diversion = "Diversion: <sip:+441480777000@branch.example>;reason=unconditional\r\n\
                     History-Info: <sip:+441480777000@branch.example>;index=1\r\n";
    let sent = transit(&mut world, "02079460123", diversion);
    assert!(sent.starts_with("INVITE sip:02079460123@") || sent.starts_with("ACK "), "{sent}");
    let invite = world.said_to("acme", "INVITE ");
    for header in
        ["\"Bob\" <sip:+441480999888@", "Diversion: <sip:+441480777000@", "History-Info: <sip:+441480777000@"]
    {
        assert!(invite.contains(header), "{header}\n{invite}");
    }
    world.run(40_000);
    let before = world.said_to("acme", "INVITE ");
    // Its plan bars these, its prefixes do not hold those; an extension rings.
    for (number, cause) in
        [("0900123456", Cause::Barred), ("0033123456789", Cause::Barred), ("201", Cause::Busy)]
    {
        transit(&mut world, number, "");
        world.run(40_000);
        assert_eq!(world.cdrs.values().last().and_then(|c| c.cause), Some(cause), "{number}");
    }
    assert_eq!(world.said_to("acme", "INVITE "), before, "nothing else went out");
    expect("a-trunk-dials-by-a-plan", world.ladder());
}

#[test]
fn the_codecs_of_a_gateway_are_obeyed_in_order() {
    use ringtrip_media::sound::CodecKind::{Pcma, Pcmu};
    let mut world = World::with(1, |config| {
        to_provider(config);
        config.gateways[0].codecs = vec![Pcma, Pcmu];
    });
    world.register(&["201"]);
    world.start_gateways();
    world.run(1_000);
    world.phone("201").dial("902079460123");
    world.run(100);
    // The phone offers G.722, PCMU and PCMA.
    let invite = world.said_to("acme", "INVITE ");
    let media = invite.lines().find(|l| l.starts_with("m=audio")).unwrap_or_default().to_owned();
    assert!(media.contains("RTP/AVP 8 0 ") && !media.contains(" 9"), "{media}");
    world.run(4_000);
    world.phone("201").hang_up();
    world.run(2_000);
    world.phone("acme").dial("acme");
    world.run(5_000);
    let answer = world.said_to("acme", "SIP/2.0 200 OK\r\nVia: ");
    let media = answer.lines().find(|l| l.starts_with("m=audio")).unwrap_or_default().to_owned();
    assert!(media.contains("RTP/AVP 8"), "the first of ours that it offers: {media}\n{answer}");
}
