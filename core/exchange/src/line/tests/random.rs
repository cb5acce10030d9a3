//! Any sequence of inputs: no panic, and a line that is left alone comes to rest.

use proptest::prelude::*;

use super::*;
use crate::route::Target;
use ringtrip_config::{AnswerOn, CallerIdMethod, DialBy, Fxo, Fxs};

const VERBS: [&str; 61] = [
    "ready",
    "ready",
    "ready-fxs",
    "ready-fxo",
    "no-port",
    "measures",
    "current 25",
    "current 0.1",
    "refused off-hook",
    "refused on-hook",
    "refused ring",
    "refused measure",
    "lost",
    "lift",
    "hang-up",
    "trip",
    "flash",
    "pulse 1",
    "pulse 0",
    "rings",
    "rang",
    "reversed",
    "normal",
    "cpc",
    "battery-lost",
    "battery-ok",
    "parallel lifted",
    "parallel hung-up",
    "key 1",
    "key 0",
    "key 9",
    "key *",
    "key #",
    "sent",
    "caller-id-sent",
    "caller-id 555",
    "dial-tone",
    "hang-up-tone",
    "silence",
    "voice",
    "ringing",
    "progress",
    "answer",
    "answer port",
    "digit 5",
    "far-flash",
    "end normal",
    "end busy",
    "end congestion",
    "place 123 from 555 sip",
    "place 123 from 555 sip refused",
    "place 9,123 from 555 port",
    "place none from 1 sip",
    "place +44*x from private",
    "place 911 from 1 sip emergency",
    "place 911 from 1 sip emergency with-others",
    "place 911 from 1 emergency refused",
    "place 1 from 2 ring 2",
    "place 1 from 2 ring 5",
    "wait",
    "wait",
];

fn settings() -> impl Strategy<Value = Config> {
    let fxs = (0..4u8, any::<[bool; 4]>(), 0..3u64).prop_map(|(id, flags, delay)| {
        let region = if flags[0] { Region::Us } else { Region::Uk };
        let caller_id = [
            CallerIdMethod::Off,
            CallerIdMethod::Bellcore,
            CallerIdMethod::EtsiReversal,
            CallerIdMethod::Etsi,
        ];
        let set = Fxs {
            caller_id: caller_id[usize::from(id)],
            callee_on_hook_delay: Duration::from_secs(delay),
            cpc_duration: Duration::from_millis(if flags[1] { 500 } else { 0 }),
            reorder_delay: flags[2].then_some(Duration::from_secs(delay)),
            callee_polarity: if flags[3] { Polarity::Reverse } else { Polarity::Forward },
            ..Fxs::of(region)
        };
        config(region, "(1xx|0x.|S0<9:>|9,x.|P2<:100>|8!)", LineKind::Fxs(set))
    });
    let fxo = (0..4u8, any::<[bool; 6]>()).prop_map(|(on, flags)| {
        let region = if flags[0] { Region::Us } else { Region::Uk };
        let answer_on =
            [AnswerOn::Seize, AnswerOn::Dialed, AnswerOn::Polarity, AnswerOn::Voice][usize::from(on)];
        let target = Target::Extension("101".parse().expect("a name"));
        let rung = Fxo::of(region).ringing(vec![target]);
        let (ring_through, answer) = match (flags[5], rung.ring_through) {
            (true, Some(ring)) => (None, Some(ring.to)),
            (_, ring) => (ring, None),
        };
        let set = Fxo {
            ring_through,
            answer,
            answer_on,
            dial_by: if flags[1] { DialBy::Tone } else { DialBy::Pulse },
            wait_for_dial_tone: flags[2].then_some(Duration::from_secs(5)),
            detect_reversal: flags[3],
            max_call: flags[4].then_some(Duration::from_secs(3)),
            ..Fxo::of(region)
        };
        config(region, "(x.)", LineKind::Fxo(set))
    });
    prop_oneof![fxs, fxo]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn a_line_left_alone_comes_to_rest(
        config in settings(),
        script in proptest::collection::vec((0..VERBS.len(), 0..4000u64), 0..60),
    ) {
        let mut world = World::new(config);
        let mut happened = String::new();
        let mut at = world.start;
        for (verb, pause) in script {
            at += Duration::from_millis(pause);
            world.run_until(at, &mut happened);
            writeln!(happened, "{:.2} > {}", world.seconds(at), VERBS[verb]).unwrap();
            if VERBS[verb] != "wait" {
                let input = world.input(VERBS[verb]);
                let said = world.feed(at, input);
                writeln!(happened, "  < {}", said.join("; ")).unwrap();
            }
        }
        // The telephone is hung up, its call ended, and nothing rings, pulses or speaks any more.
        let lost = world.line.status(at).state == LineState::OutOfService;
        for verb in ["battery-ok", "parallel hung-up", "volts 48", "hang-up", "end normal", "volts 48"] {
            let input = world.input(verb);
            let said = world.feed(at, input);
            writeln!(happened, "{verb}: {}", said.join("; ")).unwrap();
        }
        // What rings in may still become a call that the exchange answers by itself; that ends too.
        for _ in 0..2 {
            if let Some(leg) = world.line.status(at).leg {
                let cmd = LegCmd::End(Cause::Normal);
                world.feed(at, LineInput::Leg { leg, cmd });
            }
            at += Duration::from_secs(3600);
            world.run_until(at, &mut happened);
        }
        let input = world.input("volts 48");
        world.feed(at, input);
        let state = world.line.status(at).state;
        prop_assert_eq!(state, if lost { LineState::OutOfService } else { LineState::Idle }, "{}", happened);
        prop_assert_eq!(world.line.deadline(), None, "{}", happened);
        prop_assert!(!world.lifted && !world.sounding, "{}", happened);
        prop_assert!(lost || (!world.ringing && !world.seized), "{}", happened);
        prop_assert_eq!(world.line.status(at).leg, None, "{}", happened);
    }
}
