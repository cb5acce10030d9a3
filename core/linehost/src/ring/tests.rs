use proptest::prelude::*;

use super::*;

fn rings(geometry: Geometry) -> ((Reader, Writer), (Writer, Reader)) {
    let fd = create(geometry).unwrap();
    (daemon_ends(&fd, geometry).unwrap(), board_ends(&fd, geometry).unwrap())
}

const SMALL: Geometry = Geometry { ports: 3, samples: 5, slots: 4 };

#[test]
fn frames_arrive_whole_and_in_order() {
    let ((mut rx, _), (mut from_lines, _)) = rings(SMALL);
    let mut out = [0; 15];
    assert_eq!(rx.pop(&mut out), None);
    for n in 0..20i16 {
        let frame: Vec<i16> = (0..15).map(|i| n * 100 - i).collect();
        assert!(from_lines.push(&frame, Stamp { sample: n as u64 * 5, mono_ns: 7 }));
        assert_eq!(rx.pop(&mut out), Some(Stamp { sample: n as u64 * 5, mono_ns: 7 }));
        assert_eq!(out.to_vec(), frame);
    }
}

#[test]
fn a_full_ring_refuses_and_a_reader_may_skip() {
    let ((_, mut tx), (_, mut to_lines)) = rings(SMALL);
    for n in 0..4 {
        assert!(tx.push(&[n; 15], Stamp::default()));
    }
    assert!(!tx.push(&[9; 15], Stamp::default()));
    assert_eq!(to_lines.skip_to(1), 3);
    let mut out = [0; 15];
    assert!(to_lines.pop(&mut out).is_some());
    assert_eq!(out, [3; 15]);
}

#[test]
fn the_two_ways_do_not_meet() {
    let ((mut rx, mut tx), (mut from_lines, mut to_lines)) = rings(SMALL);
    let mut out = [0; 15];
    assert!(tx.push(&[1; 15], Stamp::default()));
    assert!(from_lines.push(&[2; 15], Stamp::default()));
    assert!(rx.pop(&mut out).is_some());
    assert_eq!(out, [2; 15]);
    assert!(to_lines.pop(&mut out).is_some());
    assert_eq!(out, [1; 15]);
}

#[test]
fn wrong_lengths_and_shapes_are_refused() {
    let ((mut rx, mut tx), _) = rings(SMALL);
    assert!(!tx.push(&[0; 14], Stamp::default()));
    assert_eq!(rx.pop(&mut [0; 16]), None);
    for bad in [(0, 80, 8), (257, 80, 8), (1, 0, 8), (1, 161, 8), (1, 80, 1), (1, 80, 1025)] {
        let (ports, samples, slots) = bad;
        assert!(create(Geometry { ports, samples, slots }).is_err(), "{bad:?}");
    }
    let fd = create(SMALL).unwrap();
    assert!(board_ends(&fd, Geometry { slots: 8, ..SMALL }).is_err());
}

#[test]
fn the_memory_cannot_be_made_smaller() {
    let fd = create(SMALL).unwrap();
    assert!(nix::unistd::ftruncate(&fd, 0).is_err());
}

proptest! {
    /// The other side writes what it likes over all of the memory; both ends go on without a panic.
    #[test]
    fn noise_in_the_memory_is_survived(noise in proptest::collection::vec((0usize..560, any::<u64>()), 1..200)) {
        let ((mut rx, mut tx), (from_lines, _)) = rings(SMALL);
        let map = from_lines.ring.map.clone();
        let mut out = [0; 15];
        for (word, value) in noise {
            map.word(word % map.words).store(value, Ordering::Relaxed);
            map.word([0, 8, 16, 24][word % 4]).store(value, Ordering::Relaxed);
            rx.pop(&mut out);
            rx.skip_to(1);
            tx.push(&out, Stamp::default());
            prop_assert!(rx.waiting() <= SMALL.slots);
            prop_assert!(tx.waiting() <= SMALL.slots);
        }
    }
}
