//! Names that peers see: unguessable, from the seed alone, and never taken for those of somebody else (RFC 3261 §19.3).

use std::collections::BTreeSet;

use ringtrip_config::{Gateway, HostPort, Password};
use ringtrip_testkit::World;

/// Every tag, Call-ID, branch and cnonce that the exchange has made in three calls and a registration.
fn identifiers(seed: u64) -> BTreeSet<String> {
    let mut world = World::demo(seed);
    world.register(&["201", "202"]);
    world.start_gateways();
    for _ in 0..3 {
        world.phone("201").dial("202");
        world.run(4_000);
        world.phone("201").hang_up();
        world.run(1_000);
    }
    world.identifiers()
}

#[test]
fn they_follow_from_the_seed_and_from_nothing_else() {
    let (one, again, other) = (identifiers(1), identifiers(1), identifiers(2));
    assert!(one.len() >= 20, "{one:?}");
    assert_eq!(one, again);
    assert!(one.is_disjoint(&other), "{one:?}\n{other:?}");
}

/// `costarring` and `liquid` have the same 32-bit FNV-1a hash, which once named the owner of a request: one of the two never
/// heard the answer to its REGISTER.
#[test]
fn gateways_whose_names_collide_in_a_hash_both_hear_their_answers() {
    let mut world = World::with(1, |config| {
        config.gateways.clear();
        for (name, server) in [("costarring", "provider.example"), ("liquid", "spare.example")] {
            let server = HostPort { host: server.to_owned(), port: None };
            let mut gateway = Gateway::new(name.parse().expect("a name"), server, "acme");
            gateway.password = Some(Password("sesame".to_owned()));
            config.gateways.push(gateway);
        }
    });
    world.start_gateways();
    world.run(2_000);
    for name in ["costarring", "liquid"] {
        let gateway = world.gateway(name).expect("a gateway");
        assert_eq!(gateway.status().registered, Some(true), "{name}: {}", world.ladder());
    }
}
