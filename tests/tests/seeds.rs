//! Any seed of loss, reordering, hang-ups and dead parts ends with nothing left: no call, no leased port, no
//! transaction, no sound path, and every record closed.

use std::time::Duration;

use proptest::prelude::*;
use ringtrip_model::board::BoardEvent;
use ringtrip_testkit::{NetworkConditions, PhoneBehaviour, World};

/// Something that people, providers and mishaps do.
#[derive(Debug, Clone)]
enum Deed {
    Dial(usize, usize),
    HangUp(usize),
    Hold(usize, bool),
    Press(usize),
    Refer(usize, usize),
    Park(usize),
    ReferHeld(usize),
    PhoneBehaviour(usize, PhoneBehaviour),
    Lift(usize),
    Down(usize),
    Trip(usize),
    Keys(usize, usize),
    Cpc,
    Ring(bool),
    Wreck,
    Operator,
    Wait(u64),
}

const PHONES: [&str; 4] = ["201", "202", "203", "acme"];
const NUMBERS: [&str; 7] = ["201", "202", "101", "102", "999", "902079460123", "7777"];
const TELEPHONES: [&str; 2] = ["fxs1", "fxs2"];

fn deed() -> impl Strategy<Value = Deed> {
    let behaviour = prop_oneof![
        Just(PhoneBehaviour::Ring),
        Just(PhoneBehaviour::Busy),
        Just(PhoneBehaviour::Decline),
        Just(PhoneBehaviour::Dead),
        (0u64..5_000).prop_map(|ms| PhoneBehaviour::Answer(Duration::from_millis(ms))),
    ];
    prop_oneof![
        4 => (0..PHONES.len(), 0..NUMBERS.len()).prop_map(|(p, n)| Deed::Dial(p, n)),
        3 => (0..PHONES.len()).prop_map(Deed::HangUp),
        2 => (0..PHONES.len(), any::<bool>()).prop_map(|(p, h)| Deed::Hold(p, h)),
        1 => (0..PHONES.len()).prop_map(Deed::Press),
        2 => (0..PHONES.len(), 0..NUMBERS.len()).prop_map(|(p, n)| Deed::Refer(p, n)),
        1 => (0..PHONES.len()).prop_map(Deed::Park),
        2 => (0..PHONES.len()).prop_map(Deed::ReferHeld),
        2 => (0..PHONES.len(), behaviour).prop_map(|(p, m)| Deed::PhoneBehaviour(p, m)),
        2 => (0..2usize).prop_map(Deed::Lift),
        2 => (0..2usize).prop_map(Deed::Down),
        1 => (0..2usize).prop_map(Deed::Trip),
        2 => (0..2usize, 0..NUMBERS.len()).prop_map(|(t, n)| Deed::Keys(t, n)),
        1 => Just(Deed::Cpc),
        1 => any::<bool>().prop_map(Deed::Ring),
        1 => Just(Deed::Wreck),
        1 => Just(Deed::Operator),
        6 => (1u64..8_000).prop_map(Deed::Wait),
    ]
}

fn act(world: &mut World, deed: &Deed) {
    match deed {
        Deed::Dial(p, n) => {
            if world.phone(PHONES[*p]).is_idle() {
                world.phone(PHONES[*p]).dial(NUMBERS[*n]);
            }
        }
        Deed::HangUp(p) => world.phone(PHONES[*p]).hang_up(),
        Deed::Hold(p, hold) => world.phone(PHONES[*p]).hold(*hold),
        Deed::Refer(p, n) => world.phone(PHONES[*p]).refer(NUMBERS[*n]),
        Deed::Park(p) => world.phone(PHONES[*p]).park(),
        Deed::ReferHeld(p) => world.phone(PHONES[*p]).refer_held("201"),
        Deed::Press(p) => world.phone(PHONES[*p]).press('5'),
        Deed::PhoneBehaviour(p, behaviour) => {
            world.phone(PHONES[*p]).behaviour(*behaviour);
        }
        Deed::Lift(t) => world.board(TELEPHONES[*t], BoardEvent::OffHook),
        Deed::Down(t) => world.board(TELEPHONES[*t], BoardEvent::OnHook),
        Deed::Trip(t) => world.board(TELEPHONES[*t], BoardEvent::RingTrip),
        Deed::Keys(t, n) => world.keys(TELEPHONES[*t], NUMBERS[*n]),
        Deed::Cpc => world.board("fxo1", BoardEvent::Cpc),
        Deed::Ring(true) => world.board("fxo1", BoardEvent::RingBegin),
        Deed::Ring(false) => world.board("fxo1", BoardEvent::RingEnd),
        Deed::Wreck => world.panic_in_calls(),
        Deed::Operator => world.hang_up_all(),
        Deed::Wait(ms) => world.run(*ms),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_left_over(
        seed in any::<u64>(),
        loss in 0u8..=30,
        jitter in 0u64..80,
        deeds in prop::collection::vec(deed(), 1..40),
    ) {
        let mut world = World::demo(seed);
        world.register(&["201", "202", "203"]);
        world.start_gateways();
        world.run(1_000);
        world.write();
        world.network_conditions(NetworkConditions { loss, jitter: Duration::from_millis(jitter) });
        for deed in &deeds {
            act(&mut world, deed);
            world.run(7);
        }
        // Everybody goes home, and every timer of SIP and of the telephones runs out. The gateway's own requests are
        // no leftovers: at the end the network is fair and no probe is under way.
        for phone in PHONES {
            world.phone(phone).hang_up();
            world.phone(phone).park();
            world.phone(phone).hang_up();
        }
        world.run(40_000);
        world.hang_up_all();
        for telephone in TELEPHONES {
            world.board(telephone, BoardEvent::OnHook);
        }
        world.network_conditions(NetworkConditions::IDEAL);
        for phone in PHONES {
            world.phone(phone).behaviour(PhoneBehaviour::Busy);
        }
        world.run(120_000);
        world.hang_up_all();
        world.stop_gateways();
        world.run(120_000);
        prop_assert_eq!(world.left_over(), Vec::<String>::new(), "{}", world.ladder());
        for cdr in world.cdrs.values() {
            prop_assert!(cdr.cause.is_some(), "{:?} is still open\n{}", cdr, world.ladder());
        }
    }

    #[test]
    fn the_same_seed_says_the_same(seed in any::<u64>(), loss in 0u8..=30) {
        let tell = || {
            let mut world = World::demo(seed);
            world.register(&["201", "202"]);
            world.write();
            world.network_conditions(NetworkConditions { loss, jitter: Duration::from_millis(30) });
            world.phone("201").dial("202");
            world.run(20_000);
            world.ladder().to_owned()
        };
        prop_assert_eq!(tell(), tell());
    }
}

/// The negative control: a call that is dropped without a word leaves things behind, and the measure sees them.
#[test]
fn a_call_that_vanishes_is_seen() {
    let mut world = World::demo(1);
    world.register(&["201", "202"]);
    world.phone("201").dial("202");
    world.run(5_000);
    assert_eq!(world.calls(), 1);
    world.forget_calls();
    assert!(!world.left_over().is_empty());
}
