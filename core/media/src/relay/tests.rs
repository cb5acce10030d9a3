use super::*;
use crate::rtp::stats::Receiver as Count;
use crate::sound::CodecKind;
use crate::telephone_event::{EventHeard, EventReceiver};

const A: &str = "192.0.2.1:4000";
const B: &str = "198.51.100.2:6000";

fn addr(s: &str) -> SocketAddr {
    s.parse().expect("address")
}

fn face(remote: &str, send: Codec) -> Face {
    Face {
        remote: addr(remote),
        also: None,
        agreement: 0,
        unreachable: false,
        remote_rtcp: None,
        receive: vec![send.clone()],
        send,
        telephone_event: Some(101),
        telephone_event_in: Some(101),
        direction: Direction::SendRecv,
        timeout: Some(Duration::from_secs(60)),
        pass_events: false,
    }
}

/// The clock of a test: a fixed moment plus milliseconds.
struct Clock(Instant);

impl Clock {
    fn at(&self, ms: u64) -> Instant {
        self.0 + Duration::from_millis(ms)
    }
}

#[allow(clippy::disallowed_methods)] // The only Instant there is; tests then add to it.
fn clock() -> Clock {
    Clock(Instant::now())
}

fn pair(c: &Clock, a: Face, b: Face) -> (RtpEnd, RtpEnd) {
    let (mut ea, mut eb) =
        (RtpEnd::new(c.at(0), 0x1111_2222_3333_4444), RtpEnd::new(c.at(0), 0x5555_6666_7777_8888));
    ea.set_face(c.at(0), a);
    eb.set_face(c.at(0), b);
    (ea, eb)
}

fn packet(pt: u8, seq: u16, ssrc: u32) -> Vec<u8> {
    let header = Header { pt, seq, timestamp: seq as u32 * 160, ssrc, marker: false };
    let mut out = vec![0; 172];
    header.write(&[0xD5; 160], &mut out).expect("fits");
    out
}

#[test]
fn a_packet_goes_on_as_it_came() {
    let c = clock();
    let (mut a, mut b) = pair(&c, face(A, Codec::PCMA), face(B, Codec::PCMA));
    for n in 0..50u16 {
        let mut p = packet(8, 65_520u16.wrapping_add(n), 77);
        let before = p.clone();
        let (_, step) = relay(&mut a, &mut b, c.at(n as u64 * 20), addr(A), &mut p);
        assert_eq!(step, Step::Send { to: addr(B), len: 172 });
        assert_eq!(p, before);
    }
    assert_eq!((a.figures().received, a.figures().lost, b.figures().sent), (50, 0, 50));
}

#[test]
fn payload_types_are_mapped_and_laws_translated() {
    let c = clock();
    let opus = |pt| Codec { kind: CodecKind::Opus, pt, fmtp: None };
    let check = |from: Codec, to: Codec, byte: u8, expected: Option<u8>| {
        let (mut a, mut b) = pair(&c, face(A, from.clone()), face(B, to.clone()));
        let mut p = packet(from.pt, 1, 7);
        p[12..].fill(byte);
        let (_, step) = relay(&mut a, &mut b, c.at(0), addr(A), &mut p);
        match expected {
            Some(e) => assert_eq!((p[1], &p[12..]), (to.pt, &[e; 160][..]), "{from:?} to {to:?}"),
            None => assert_eq!(step, Step::Nothing, "{from:?} to {to:?}"),
        }
    };
    check(Codec::PCMU, Codec::PCMA, 0xFF, Some(0xD5));
    check(Codec::PCMA, Codec::PCMU, 0xD5, Some(0xFE));
    check(opus(96), opus(111), 3, Some(3));
    check(opus(96), Codec::PCMU, 3, None);
}

/// A phone behind a router announces the address of its own network; its packets come from the router's.
#[test]
fn a_phone_behind_a_router_is_heard_and_answered_where_it_is() {
    let c = clock();
    let router = addr("203.0.113.9:31000");
    let inside = Face { also: Some(router.ip()), ..face("10.0.0.5:4000", Codec::PCMA) };
    let (mut a, mut b) = pair(&c, inside, face(B, Codec::PCMA));
    let stranger = addr("203.0.113.66:4000");
    assert_eq!(relay(&mut a, &mut b, c.at(0), stranger, &mut packet(8, 1, 77)).0, Verdict::Refused);
    assert_ne!(relay(&mut a, &mut b, c.at(1), router, &mut packet(8, 2, 77)).0, Verdict::Refused);
    assert_eq!(a.destination(), Some(router));
    // Another phone behind the same router does not take over.
    let other = addr("203.0.113.9:31002");
    assert_eq!(relay(&mut a, &mut b, c.at(2), other, &mut packet(8, 3, 77)).0, Verdict::Refused);
}

/// What a phone behind a router has said in its `agreement`th offer or answer.
fn behind(router: &str, sdp: &str, agreement: u32) -> Face {
    let also = Some(addr(router).ip());
    Face { also, agreement, unreachable: true, ..face(sdp, Codec::PCMA) }
}

/// Its router was started anew while it was on hold: the re-INVITE that resumes the call says the same, and its packets
/// come from another port.
#[test]
fn a_new_agreement_brings_the_sound_back_after_a_router_restart() {
    let c = clock();
    let (before, after) = ("203.0.113.9:31000", "203.0.113.9:47000");
    let (mut a, _) = pair(&c, behind(before, "10.0.0.5:4000", 1), face(B, Codec::PCMA));
    assert!(matches!(a.accept(c.at(0), addr(before), &packet(8, 1, 7)), Verdict::Audio { .. }));
    assert_eq!(a.accept(c.at(20), addr(after), &packet(8, 2, 7)), Verdict::Refused, "no agreement");
    // The same agreement told again changes nothing.
    a.set_face(c.at(30), behind(before, "10.0.0.5:4000", 1));
    assert_eq!(a.accept(c.at(40), addr(after), &packet(8, 2, 7)), Verdict::Refused);

    a.set_face(c.at(60_000), behind(before, "10.0.0.5:4000", 2));
    assert_eq!(a.destination(), Some(addr(before)), "the old port stays good until something comes");
    assert!(matches!(a.accept(c.at(60_010), addr(before), &packet(8, 3, 7)), Verdict::Audio { .. }));
    assert!(matches!(a.accept(c.at(60_020), addr(after), &packet(8, 4, 7)), Verdict::Audio { .. }));
    assert_eq!(a.destination(), Some(addr(after)));
    assert_eq!(a.accept(c.at(60_040), addr(before), &packet(8, 5, 7)), Verdict::Refused, "and then no more");
}

/// From the Wi-Fi to the mobile network: the re-INVITE comes from another address, its SDP names a private one there.
#[test]
fn a_roaming_phone_is_heard_where_its_request_came_from() {
    let c = clock();
    let (wifi, mobile) = ("203.0.113.9:31000", "198.51.100.77:5555");
    let (mut a, _) = pair(&c, behind(wifi, "192.168.1.5:4000", 1), face(B, Codec::PCMA));
    a.accept(c.at(0), addr(wifi), &packet(8, 1, 7));
    a.set_face(c.at(5_000), behind(mobile, "10.33.0.4:4002", 2));
    // Until it is heard: the address of its request with the port that it named.
    assert_eq!(a.destination(), Some(addr("198.51.100.77:4002")));
    assert!(matches!(a.accept(c.at(5_020), addr(mobile), &packet(8, 2, 7)), Verdict::Audio { .. }));
    assert_eq!(a.destination(), Some(addr(mobile)));
}

/// Packets that go on the old way beside a new agreement do not end the search at once, and do after a while.
#[test]
fn the_old_way_wins_only_if_it_lasts() {
    let c = clock();
    let (before, after) = ("203.0.113.9:31000", "203.0.113.9:47000");
    let again = |a: &mut RtpEnd| {
        a.set_face(c.at(1_000), behind(before, "10.0.0.5:4000", 2));
        for n in 0..300u16 {
            a.accept(c.at(1_000 + u64::from(n) * 20), addr(before), &packet(8, 100 + n, 7));
        }
    };
    let (mut a, _) = pair(&c, behind(before, "10.0.0.5:4000", 1), face(B, Codec::PCMA));
    a.accept(c.at(0), addr(before), &packet(8, 1, 7));
    again(&mut a);
    assert_eq!(a.accept(c.at(7_010), addr(after), &packet(8, 500, 7)), Verdict::Refused);
    assert_eq!(a.destination(), Some(addr(before)));
}

/// Its carrier's router sends sound from another address than signalling: nobody has named it.
#[test]
fn a_third_address_is_the_peer_s_only_where_none_that_was_named_can_be() {
    let c = clock();
    let (router, third) = ("203.0.113.9:5060", addr("203.0.113.77:9000"));
    let heard = |a: &mut RtpEnd, at: u64, seqs: &[u16]| {
        let mut last = Verdict::Refused;
        for (n, seq) in seqs.iter().enumerate() {
            last = a.accept(c.at(at + n as u64 * 20), third, &packet(8, *seq, 7));
        }
        last
    };
    let end = |face: Face| pair(&c, face, super::tests::face(B, Codec::PCMA)).0;

    let mut a = end(behind(router, "10.0.0.5:4000", 1));
    assert_eq!(heard(&mut a, 0, &[1, 2]), Verdict::Refused, "two packets are no stream");
    assert!(matches!(heard(&mut a, 40, &[3]), Verdict::Audio { .. }));
    assert_eq!(a.destination(), Some(third));

    let mut a = end(behind(router, "10.0.0.5:4000", 1));
    assert_eq!(heard(&mut a, 0, &[1, 5, 9, 3, 70]), Verdict::Refused, "guessed numbers are no stream");
    assert_eq!(heard(&mut a, 5_000, &[1, 2, 3, 4]), Verdict::Refused, "too late");

    let mut a = end(behind(router, "10.0.0.5:4000", 1));
    a.accept(c.at(0), addr("203.0.113.9:31000"), &packet(8, 1, 9));
    assert_eq!(heard(&mut a, 20, &[1, 2, 3, 4]), Verdict::Refused, "the named one has spoken");

    let mut a = end(Face { unreachable: false, ..behind(router, "198.51.100.5:4000", 1) });
    assert_eq!(heard(&mut a, 0, &[1, 2, 3, 4]), Verdict::Refused, "the announced one can be");
}

/// RFC 6263: on hold nothing is said, and routers forget.
#[test]
fn the_way_is_kept_open_while_nothing_is_sent() {
    let c = clock();
    let held = Face { direction: Direction::Inactive, ..behind("203.0.113.9:31000", "10.0.0.5:4000", 1) };
    let (mut a, mut b) = pair(&c, behind("203.0.113.9:31000", "10.0.0.5:4000", 0), face(B, Codec::PCMA));
    a.accept(c.at(0), addr("203.0.113.9:31000"), &packet(8, 1, 7));
    let mut out = [0; 200];
    relay(&mut b, &mut a, c.at(100), addr(B), &mut packet(8, 1, 9));
    assert_eq!(a.write_keep_alive(c.at(15_099), &mut out), Step::Nothing, "something was sent");
    a.set_face(c.at(1_000), held);
    let mut sent = Vec::new();
    for s in 1..=60 {
        let now = c.at(1_000 * s);
        if let Step::Send { to, len } = a.write_keep_alive(now, &mut out) {
            assert_eq!(
                (to, len),
                (addr("203.0.113.9:31000"), 12),
                "no payload, and where its sound came from"
            );
            let header = Packet::parse(&out[..len]).expect("RTP").header;
            assert!(header.pt >= 96 && header.pt != 101, "nobody plays it");
            sent.push(s);
        }
        assert!(a.deadline().is_some_and(|at| at <= c.at(1_000 * (s + 15))));
    }
    assert_eq!(sent, [16, 31, 46], "every 15 s after the agreement");
    assert_eq!(a.figures().sent, 1, "it is no sound");
    // When the sound goes on, the peer sees one stream.
    let (_, step) = relay(&mut b, &mut a, c.at(61_000), addr(B), &mut packet(8, 3000, 9));
    assert_eq!(step, Step::Nothing, "still held");
}

/// M1 and M2: nobody but the announced peer is heard or answered, before, during or after the first packet.
#[test]
fn strangers_neither_hear_nor_speak() {
    let c = clock();
    let (mut a, mut b) = pair(&c, face(A, Codec::PCMA), face(B, Codec::PCMA));
    let stranger = addr("203.0.113.66:4000");
    for n in 0..1000u16 {
        let (verdict, _) = relay(&mut a, &mut b, c.at(n as u64), stranger, &mut packet(8, n, 77));
        assert_eq!(verdict, Verdict::Refused);
        assert_eq!(a.destination(), Some(addr(A)));
        if n == 500 {
            relay(&mut a, &mut b, c.at(500), addr(A), &mut packet(8, 3, 77));
        }
    }
    assert_eq!((a.figures().received, a.figures().refused), (1, 1000));
    assert_eq!(b.figures().sent, 1);
}

#[test]
fn a_port_is_learned_once() {
    let c = clock();
    let (mut a, _) = pair(&c, face(A, Codec::PCMA), face(B, Codec::PCMA));
    let (moved, third) = (addr("192.0.2.1:51000"), addr("192.0.2.1:52000"));
    // Not RTP, and not an agreed codec: nothing is learned.
    assert_eq!(a.accept(c.at(0), third, &[0; 200]), Verdict::Refused);
    assert_eq!(a.accept(c.at(0), third, &packet(33, 0, 1)), Verdict::Refused);
    assert!(matches!(a.accept(c.at(0), moved, &packet(8, 1, 1)), Verdict::Audio { .. }));
    assert_eq!(a.destination(), Some(moved));
    assert_eq!(a.accept(c.at(20), third, &packet(8, 2, 1)), Verdict::Refused);
    assert!(matches!(a.accept(c.at(4900), moved, &packet(8, 2, 1)), Verdict::Audio { .. }));
    assert_eq!(
        a.accept(c.at(5000), addr(A), &packet(8, 2, 1)),
        Verdict::Refused,
        "too late for second thoughts"
    );
    // The same peer announced again keeps the port; another one is learned anew.
    a.set_face(c.at(6000), face(A, Codec::PCMA));
    assert_eq!(a.destination(), Some(moved));
    a.set_face(c.at(6000), face("192.0.2.9:7000", Codec::PCMA));
    assert_eq!(a.destination(), Some(addr("192.0.2.9:7000")));
    assert_eq!(a.accept(c.at(6020), moved, &packet(8, 3, 1)), Verdict::Refused);
}

#[test]
fn a_late_packet_of_an_earlier_call_does_not_take_the_port() {
    let c = clock();
    let (mut a, _) = pair(&c, face(A, Codec::PCMA), face(B, Codec::PCMA));
    a.accept(c.at(0), addr("192.0.2.1:9000"), &packet(8, 900, 5));
    assert!(matches!(a.accept(c.at(20), addr(A), &packet(8, 1, 1)), Verdict::Audio { .. }));
    assert_eq!(a.destination(), Some(addr(A)));
    assert_eq!(a.accept(c.at(40), addr("192.0.2.1:9000"), &packet(8, 901, 5)), Verdict::Refused);
}

#[test]
fn mapped_addresses_are_the_same_peer() {
    let c = clock();
    let (mut a, _) = pair(&c, face(A, Codec::PCMA), face(B, Codec::PCMA));
    let mapped = addr("[::ffff:192.0.2.1]:4000");
    assert!(matches!(a.accept(c.at(0), mapped, &packet(8, 1, 1)), Verdict::Audio { .. }));
}

/// The peer sees one stream: one source, no holes in its numbers, time that never goes back.
#[test]
fn own_packets_and_new_sources_join_without_a_seam() {
    let c = clock();
    let (mut a, mut b) = pair(&c, face(A, Codec::PCMA), face(B, Codec::PCMA));
    let (mut seen, mut now) = (Vec::new(), 0);
    let mut out = [0; 200];
    for round in 0..6u16 {
        for n in 0..20u16 {
            now += 20;
            let mut p = packet(8, round * 7919 + n, 100 + round as u32 / 2);
            if let (_, Step::Send { len, .. }) = relay(&mut a, &mut b, c.at(now), addr(A), &mut p) {
                seen.push(Packet::parse(&p[..len]).expect("RTP").header);
            }
        }
        b.hush(true);
        for n in 20..30u16 {
            now += 20;
            let mut p = packet(8, round * 7919 + n, 100 + round as u32 / 2);
            assert_eq!(relay(&mut a, &mut b, c.at(now), addr(A), &mut p).1, Step::Nothing);
            let Step::Send { len, .. } = b.write_audio(c.at(now), &[0xD5; 160], 160, &mut out) else {
                panic!()
            };
            seen.push(Packet::parse(&out[..len]).expect("RTP").header);
        }
        b.hush(false);
    }
    assert_eq!(seen.len(), 180);
    for w in seen.windows(2) {
        assert_eq!(w[1].ssrc, w[0].ssrc);
        assert_eq!(w[1].seq, w[0].seq.wrapping_add(1));
        let step = w[1].timestamp.wrapping_sub(w[0].timestamp);
        assert!((1..=320).contains(&step), "{step}");
    }
}

#[test]
fn events_are_told_not_passed_and_leave_no_hole() {
    let c = clock();
    let (mut a, mut b) = pair(&c, face(A, Codec::PCMA), face(B, Codec::PCMA));
    let mut count = Count::default();
    for n in 0..60u16 {
        let event = (20..30).contains(&n);
        let mut p = packet(if event { 101 } else { 8 }, n, 5);
        let (verdict, step) = relay(&mut a, &mut b, c.at(n as u64 * 20), addr(A), &mut p);
        assert_eq!(matches!(verdict, Verdict::Event { .. }), event);
        assert_eq!(step == Step::Nothing, event);
        if !event {
            count.packet(&Packet::parse(&p).expect("RTP").header, n as u32 * 160);
        }
    }
    assert_eq!((count.received(), count.lost()), (50, 0));
}

#[test]
fn events_pass_with_the_payload_type_of_the_peer() {
    let c = clock();
    let to = Face { telephone_event: Some(97), ..face(B, Codec::PCMA) };
    let (mut a, mut b) = pair(&c, Face { pass_events: true, ..face(A, Codec::PCMA) }, to);
    let mut p = packet(101, 9, 5);
    assert!(matches!(
        relay(&mut a, &mut b, c.at(0), addr(A), &mut p),
        (Verdict::Event { .. }, Step::Send { .. })
    ));
    assert_eq!(p[1], 97);
}

#[test]
fn our_own_event_is_heard_once() {
    let c = clock();
    let (mut a, mut b) = pair(&c, face(A, Codec::PCMA), face(B, Codec::PCMA));
    relay(&mut a, &mut b, c.at(0), addr(A), &mut packet(8, 1, 5));
    assert!(b.begin_event(c.at(20), 7, 100));
    let (mut r, mut heard, mut out, mut now) = (EventReceiver::default(), Vec::new(), [0; 64], 20);
    let mut stamps = Vec::new();
    while let Some(step) = b.write_event(c.at(now), &mut out) {
        let Step::Send { to, len } = step else { panic!("{step:?}") };
        assert_eq!(to, addr(B));
        let p = Packet::parse(&out[..len]).expect("RTP");
        stamps.push((p.header.timestamp, p.header.seq));
        r.packet(&p.header, p.payload, |h| heard.push(h));
        assert_eq!(
            relay(&mut a, &mut b, c.at(now), addr(A), &mut packet(8, 2 + (now / 20) as u16, 5)).1,
            Step::Nothing
        );
        now += 20;
    }
    assert_eq!(heard, [EventHeard::Down { event: 7 }, EventHeard::Up { event: 7, ms: 100 }]);
    assert!(stamps.windows(2).all(|w| w[0].0 == w[1].0 && w[1].1 == w[0].1 + 1), "{stamps:?}");
    let mut p = packet(8, 100, 5);
    relay(&mut a, &mut b, c.at(now), addr(A), &mut p);
    assert_eq!(Packet::parse(&p).expect("RTP").header.seq, stamps.last().expect("one").1 + 1);
    b.set_face(c.at(now), Face { telephone_event: None, ..face(B, Codec::PCMA) });
    assert!(!b.begin_event(c.at(now), 7, 100));
}

#[test]
fn directions_are_kept() {
    let c = clock();
    let check = |a_dir, b_dir, goes: bool| {
        let (a, b) = (face(A, Codec::PCMA), face(B, Codec::PCMA));
        let (mut a, mut b) = pair(&c, Face { direction: a_dir, ..a }, Face { direction: b_dir, ..b });
        let (_, step) = relay(&mut a, &mut b, c.at(0), addr(A), &mut packet(8, 1, 1));
        assert_eq!(step != Step::Nothing, goes, "{a_dir:?} to {b_dir:?}");
    };
    use Direction::*;
    check(SendRecv, SendRecv, true);
    check(RecvOnly, SendOnly, true);
    check(SendOnly, SendRecv, false);
    check(SendRecv, RecvOnly, false);
    check(SendRecv, Inactive, false);
}

/// A router was restarted: the same stream goes on from another port of the same address, and is followed when the old one
/// has been silent for some seconds. Nobody else is.
#[test]
fn a_stream_that_moves_to_another_port_is_followed() {
    let c = clock();
    let (mut a, _) = pair(&c, face(A, Codec::PCMA), face(B, Codec::PCMA));
    let moved = addr("192.0.2.1:52000");
    a.accept(c.at(0), addr(A), &packet(8, 1, 77));
    assert_eq!(a.accept(c.at(2_900), moved, &packet(8, 2, 77)), Verdict::Refused, "too soon");
    assert_eq!(a.accept(c.at(3_100), moved, &packet(8, 3, 78)), Verdict::Refused, "another stream");
    let elsewhere = addr("203.0.113.66:52000");
    assert_eq!(a.accept(c.at(3_100), elsewhere, &packet(8, 3, 77)), Verdict::Refused, "another address");
    assert!(matches!(a.accept(c.at(3_100), moved, &packet(8, 3, 77)), Verdict::Audio { .. }));
    assert_eq!(a.destination(), Some(moved));
    assert_eq!(a.accept(c.at(4_200), addr(A), &packet(8, 4, 77)), Verdict::Refused, "and held there");
}

/// M11: told after the time that was set, once, and not while the call is held. A peer that never sent RTCP may be muted.
#[test]
fn a_peer_without_rtcp_is_not_judged_by_its_silence() {
    let c = clock();
    let (mut a, _) = pair(&c, face(A, Codec::PCMA), face(B, Codec::PCMA));
    a.accept(c.at(0), addr(A), &packet(8, 1, 1));
    assert!(!a.stopped(c.at(900_000)), "it may be muted");
    let (mut b, _) = pair(&c, Face { timeout: None, ..face(A, Codec::PCMA) }, face(B, Codec::PCMA));
    sends_rtcp(&c, &mut b);
    assert!(!b.stopped(c.at(900_000)), "switched off");
}

/// The peer at A sends a report.
fn sends_rtcp(c: &Clock, end: &mut RtpEnd) {
    let (mut far, _) = pair(c, face(B, Codec::PCMA), face(A, Codec::PCMA));
    far.accept(c.at(0), addr(B), &packet(8, 1, 1));
    let mut out = [0; 256];
    let Step::Send { len, .. } = far.write_report(c.at(6_000), "far", &mut out) else { panic!("a report") };
    let mut from = addr(A);
    from.set_port(from.port() + 1);
    assert!(end.accept_rtcp(c.at(0), from, &out[..len]));
}

/// M11: told after 60 s, once, and not while the call is held.
#[test]
fn a_dead_peer_is_told() {
    let c = clock();
    let (mut a, _) = pair(&c, face(A, Codec::PCMA), face(B, Codec::PCMA));
    sends_rtcp(&c, &mut a);
    a.accept(c.at(10_000), addr(A), &packet(8, 1, 1));
    a.accept(c.at(50_000), addr("203.0.113.66:4000"), &packet(8, 1, 1));
    assert!(!a.stopped(c.at(69_999)));
    assert!(a.stopped(c.at(70_000)));
    assert!(!a.stopped(c.at(80_000)), "once");
    a.accept(c.at(90_000), addr(A), &packet(8, 2, 1));
    assert!(a.stopped(c.at(150_000)), "again after it had come back");
    a.set_face(c.at(150_000), Face { direction: Direction::SendOnly, ..face(A, Codec::PCMA) });
    assert!(!a.stopped(c.at(900_000)));
}

/// M3: reports count only from the peer; BYE and scraps change nothing.
#[test]
fn reports_give_figures() {
    let c = clock();
    let (mut a, mut b) = pair(&c, face(A, Codec::PCMA), face(B, Codec::PCMA));
    let (mut far, _) = pair(&c, face("198.51.100.9:3000", Codec::PCMA), face(B, Codec::PCMA));
    let mut out = [0; 256];
    for n in 0..250u16 {
        let mut p = packet(8, n, 5);
        relay(&mut b, &mut a, c.at(n as u64 * 20), addr(B), &mut p);
        if n % 5 != 2 {
            far.accept(c.at(n as u64 * 20 + 30), addr("198.51.100.9:3000"), &p);
        }
    }
    let Step::Send { to, len } = a.write_report(c.at(5000), "ringtrip", &mut out) else { panic!() };
    assert_eq!(to, addr("192.0.2.1:4001"));
    assert!(far.accept_rtcp(c.at(5040), addr("198.51.100.9:3001"), &out[..len]));
    let Step::Send { len, .. } = far.write_report(c.at(5540), "far", &mut out) else { panic!() };
    let stranger = addr("203.0.113.66:4001");
    assert!(!a.accept_rtcp(c.at(5580), stranger, &out[..len]));
    assert!(!a.accept_rtcp(c.at(5580), addr("192.0.2.1:4001"), &[0x80, 1, 0, 0]));
    assert_eq!(a.figures().round_trip_ms, None);
    assert!(a.accept_rtcp(c.at(5580), addr("192.0.2.1:4001"), &out[..len]));
    assert!(a.accept_rtcp(c.at(5580), addr("192.0.2.1:4001"), &[0x81, 203, 0, 1, 0, 0, 0, 5]));
    let f = a.figures();
    assert!((f.round_trip_ms.expect("measured") - 80.0).abs() < 0.5, "{f:?}");
    assert!((f.far_loss_percent.expect("reported") - 20.0).abs() < 0.5, "{f:?}");
    assert_eq!(a.write_report(c.at(5100), "ringtrip", &mut out), Step::Nothing, "not due");
    assert!(a.destination().is_some());
}

#[test]
fn jitter_is_in_milliseconds() {
    let c = clock();
    let (mut a, _) = pair(&c, face(A, Codec::PCMA), face(B, Codec::PCMA));
    for n in 0..2000u16 {
        a.accept(c.at(n as u64 * 20 + n as u64 % 2 * 10), addr(A), &packet(8, n, 1));
    }
    assert!((a.figures().jitter_ms - 10.0).abs() < 0.3, "{}", a.figures().jitter_ms);
}
