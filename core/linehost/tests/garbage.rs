//! A board process that speaks nonsense: the daemon's side says so and never panics.
#![allow(clippy::disallowed_methods, reason = "these tests start processes")]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, socketpair};
use proptest::prelude::*;
use ringtrip_linehost::protocol::{FromBoard, ToBoard};
use ringtrip_linehost::wire::{self, Joiner};
use ringtrip_linehost::{
    BoardInfo, Figures, Gone, Notification, PortCaps, PortEvent, PortKind, Received, SpawnError, Spec,
    attach, spawn,
};

/// A "board process" that is a shell script answering with these bytes.
fn answered_with(bytes: &[u8]) -> SpawnError {
    let dir = tempfile::tempdir().unwrap();
    let says = dir.path().join("bytes");
    std::fs::write(&says, bytes).unwrap();
    let program = dir.path().join("host");
    // One write to the socket on fd 0 is one packet.
    let script = format!(
        "#!/bin/sh\n/bin/dd if={} bs=200000 count=1 >&0 2>/dev/null\nexec /bin/sleep 2\n",
        says.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let spec = Spec { program, open_within: Duration::from_secs(10), ..Spec::default() };
    match spawn(&spec) {
        Err(e) => e,
        Ok(_) => panic!("this started"),
    }
}

#[test]
fn nonsense_before_hello_ends_the_process() {
    let cases: [(&str, Vec<u8>); 6] = [
        ("no length", vec![1, 2]),
        ("length past the end", vec![0xff, 0xff, 0xff, 0x7f, b'{']),
        ("not JSON", [&3u32.to_le_bytes()[..], &b"{{{"[..]].concat()),
        ("unknown word", [&15u32.to_le_bytes()[..], &br#"{"say":"hullo"}"#[..]].concat()),
        ("too long", vec![0; 140_000]),
        (
            "an event",
            wire::packet(&FromBoard::Notification(Notification::Log { level: 1, text: "early".into() }), &[]),
        ),
    ];
    for (name, bytes) in cases {
        let e = answered_with(&bytes);
        assert!(matches!(e, SpawnError::Ended(_)), "{name}: {e}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = wire::parse::<FromBoard>(&bytes);
        let _ = wire::parse::<ToBoard>(&bytes);
        let mut framed = (bytes.len() as u32).to_le_bytes().to_vec();
        framed.extend_from_slice(&bytes);
        let _ = wire::parse::<FromBoard>(&framed);
    }

    #[test]
    fn pieces_join_to_the_whole(len in 0usize..300_000) {
        let blob: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let mut joiner = Joiner::default();
        let mut whole = None;
        for packet in wire::pieces(&blob, |more| FromBoard::Answer { id: 1, errno: 0, more }) {
            prop_assert!(packet.len() <= wire::MAX_PACKET);
            let (msg, piece) = wire::parse::<FromBoard>(&packet).unwrap();
            let FromBoard::Answer { id, more, .. } = msg else { panic!("not an answer") };
            prop_assert!(whole.is_none());
            whole = joiner.take(id, piece, more).unwrap();
        }
        prop_assert_eq!(whole, Some(blob));
    }
}

#[test]
fn a_flood_of_pieces_is_refused() {
    let mut joiner = Joiner::default();
    assert!((0..1000).any(|id| joiner.take(id, b"x", true).is_err()));
    let mut joiner = Joiner::default();
    let piece = vec![0; 1 << 20];
    assert!((0..40).any(|_| joiner.take(1, &piece, true).is_err()));
}

/// A board of one port that opens well and then sends these packets. Answers what the daemon's side heard, and how it ended.
fn after_hello(packets: Vec<Vec<u8>>) -> (Vec<Received>, Gone) {
    use std::os::fd::AsFd;
    let (ours, theirs) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let board = std::thread::spawn(move || {
        let mut buf = vec![0; wire::MAX_PACKET];
        let caps = PortCaps { kind: PortKind::Fxs, commands: 0, events: 0 };
        let info = BoardInfo {
            driver: "bad".into(),
            version: "1".into(),
            model: "bad".into(),
            serial: "1".into(),
            ports: vec![caps],
        };
        let hello = wire::packet(&FromBoard::Hello(info), &[]);
        wire::receive(theirs.as_fd(), &mut buf, MsgFlags::empty()).unwrap();
        wire::send(theirs.as_fd(), &hello, &[], MsgFlags::empty()).unwrap();
        wire::receive(theirs.as_fd(), &mut buf, MsgFlags::empty()).unwrap();
        for packet in packets {
            // The daemon may have hung up already.
            let _ = wire::send(theirs.as_fd(), &packet, &[], MsgFlags::empty());
        }
    });
    let host = attach(&Spec { silence: Duration::from_secs(5), ..Spec::default() }, ours).unwrap();
    let mut message = Vec::new();
    let gone = loop {
        match host.recv_within(Duration::from_secs(10)) {
            Ok(Some(h)) => message.push(h),
            Ok(None) => panic!("neither a word nor an end"),
            Err(gone) => break gone,
        }
    };
    assert_eq!(host.recv().unwrap_err(), gone, "gone is for ever");
    board.join().unwrap();
    (message, gone)
}

#[test]
fn nonsense_after_hello_ends_the_board() {
    let event = |port| {
        wire::packet(
            &FromBoard::Notification(Notification::Event {
                port,
                mono_ns: 1,
                sample: 1,
                event: PortEvent::OffHook,
            }),
            &[],
        )
    };
    let (message, gone) = after_hello(vec![event(0), event(1), event(0)]);
    assert_eq!(message.len(), 1, "what came before counts");
    assert!(matches!(gone, Gone::Garbage(wire::BadPacket::Port(1))), "{gone}");
    let hello = FromBoard::Failed { text: "late".into() };
    assert!(matches!(after_hello(vec![wire::packet(&hello, &[])]).1, Gone::Garbage(_)));
    assert!(matches!(after_hello(vec![vec![0; 140_000]]).1, Gone::Garbage(wire::BadPacket::Long)));
    let endless = wire::packet(&FromBoard::Answer { id: 1, errno: 0, more: true }, &vec![0; wire::CHUNK]);
    assert!(matches!(after_hello(vec![endless; 300]).1, Gone::Garbage(wire::BadPacket::Flood)));
    let beat = wire::packet(&FromBoard::Notification(Notification::Beat(Figures::default())), &[]);
    let (message, gone) = after_hello(vec![beat; 3]);
    assert_eq!(message.len(), 3);
    assert!(matches!(gone, Gone::Ended(_)), "{gone}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_packets_are_survived(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..200), 0..8)) {
        let (message, _) = after_hello(packets);
        prop_assert!(message.len() <= 8);
    }
}
