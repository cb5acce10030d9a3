use super::*;
use crate::rtp::stats::Receiver as Count;
use crate::telephone_event::{EventHeard, EventReceiver};

const A: &str = "192.0.2.1:4000";
const B: &str = "198.51.100.2:6000";

fn addr(s: &str) -> SocketAddr {
    s.parse().expect("address")
}

fn parameters(remote: &str, send: Codec) -> MediaParameters {
    MediaParameters {
        remote: addr(remote),
        also: None,
        agreement: 0,
        unreachable: false,
        local: None,
        rtcp: RtcpPort::Next,
        protection: Protection::None,
        ptime: 20,
        receive: vec![send.clone()],
        send,
        telephone_event: Some(101),
        telephone_event_in: Some(101),
        direction: Direction::SendRecv,
        timeout: Some(Duration::from_secs(60)),
    }
}

fn accept(session: &mut RtpSession, now: Instant, from: SocketAddr, packet: &[u8]) -> Classification {
    let mut buffer = packet.to_vec();
    let len = buffer.len();
    session.accept(now, from, &mut Datagram { buffer: &mut buffer, len })
}

fn accept_rtcp(session: &mut RtpSession, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
    let mut buffer = datagram.to_vec();
    let len = buffer.len();
    session.accept_rtcp(now, from, &mut Datagram { buffer: &mut buffer, len })
}

fn relay(
    from: &mut RtpSession,
    to: &mut RtpSession,
    now: Instant,
    source: SocketAddr,
    packet: &mut [u8],
) -> (Classification, Outgoing) {
    let len = packet.len();
    super::relay(from, to, now, source, &mut Datagram { buffer: packet, len })
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

fn pair(c: &Clock, a: MediaParameters, b: MediaParameters) -> (RtpSession, RtpSession) {
    let (mut ea, mut eb) =
        (RtpSession::new(c.at(0), 0x1111_2222_3333_4444), RtpSession::new(c.at(0), 0x5555_6666_7777_8888));
    ea.set_parameters(c.at(0), a);
    eb.set_parameters(c.at(0), b);
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
    let (mut a, mut b) = pair(&c, parameters(A, Codec::PCMA), parameters(B, Codec::PCMA));
    for n in 0..50u16 {
        let mut p = packet(8, 65_520u16.wrapping_add(n), 77);
        let before = p.clone();
        let (_, step) = relay(&mut a, &mut b, c.at(n as u64 * 20), addr(A), &mut p);
        assert_eq!(step, Outgoing::Send { to: addr(B), len: 172 });
        assert_eq!(p, before);
    }
    assert_eq!((a.stats().received, a.stats().lost, b.stats().sent), (50, 0, 50));
}

#[test]
fn payload_types_are_mapped_and_laws_translated() {
    let c = clock();
    let opus = |pt| Codec { kind: CodecKind::Opus, pt, fmtp: None };
    let check = |from: Codec, to: Codec, byte: u8, expected: Option<u8>| {
        let (mut a, mut b) = pair(&c, parameters(A, from.clone()), parameters(B, to.clone()));
        let mut p = packet(from.pt, 1, 7);
        p[12..].fill(byte);
        let (_, step) = relay(&mut a, &mut b, c.at(0), addr(A), &mut p);
        match expected {
            Some(e) => assert_eq!((p[1], &p[12..]), (to.pt, &[e; 160][..]), "{from:?} to {to:?}"),
            None => assert_eq!(step, Outgoing::Nothing, "{from:?} to {to:?}"),
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
    let inside = MediaParameters { also: Some(router.ip()), ..parameters("10.0.0.5:4000", Codec::PCMA) };
    let (mut a, mut b) = pair(&c, inside, parameters(B, Codec::PCMA));
    let stranger = addr("203.0.113.66:4000");
    assert_eq!(relay(&mut a, &mut b, c.at(0), stranger, &mut packet(8, 1, 77)).0, Classification::Refused);
    assert_ne!(relay(&mut a, &mut b, c.at(1), router, &mut packet(8, 2, 77)).0, Classification::Refused);
    assert_eq!(a.destination(), Some(router));
    // Another phone behind the same router does not take over.
    let other = addr("203.0.113.9:31002");
    assert_eq!(relay(&mut a, &mut b, c.at(2), other, &mut packet(8, 3, 77)).0, Classification::Refused);
}

/// What a phone behind a router has said in its `agreement`th offer or answer.
fn behind(router: &str, sdp: &str, agreement: u32) -> MediaParameters {
    let also = Some(addr(router).ip());
    MediaParameters { also, agreement, unreachable: true, ..parameters(sdp, Codec::PCMA) }
}

/// Its router was started anew while it was on hold: the re-INVITE that resumes the call says the same, and its packets
/// come from another port.
#[test]
fn a_new_agreement_brings_the_sound_back_after_a_router_restart() {
    let c = clock();
    let (before, after) = ("203.0.113.9:31000", "203.0.113.9:47000");
    let (mut a, _) = pair(&c, behind(before, "10.0.0.5:4000", 1), parameters(B, Codec::PCMA));
    assert!(matches!(accept(&mut a, c.at(0), addr(before), &packet(8, 1, 7)), Classification::Audio { .. }));
    assert_eq!(
        accept(&mut a, c.at(20), addr(after), &packet(8, 2, 7)),
        Classification::Refused,
        "no agreement"
    );
    // The same agreement told again changes nothing.
    a.set_parameters(c.at(30), behind(before, "10.0.0.5:4000", 1));
    assert_eq!(accept(&mut a, c.at(40), addr(after), &packet(8, 2, 7)), Classification::Refused);

    a.set_parameters(c.at(60_000), behind(before, "10.0.0.5:4000", 2));
    assert_eq!(a.destination(), Some(addr(before)), "the old port stays good until something comes");
    assert!(matches!(
        accept(&mut a, c.at(60_010), addr(before), &packet(8, 3, 7)),
        Classification::Audio { .. }
    ));
    assert!(matches!(
        accept(&mut a, c.at(60_020), addr(after), &packet(8, 4, 7)),
        Classification::Audio { .. }
    ));
    assert_eq!(a.destination(), Some(addr(after)));
    assert_eq!(
        accept(&mut a, c.at(60_040), addr(before), &packet(8, 5, 7)),
        Classification::Refused,
        "and then no more"
    );
}

/// From the Wi-Fi to the mobile network: the re-INVITE comes from another address, its SDP names a private one there.
#[test]
fn a_roaming_phone_is_heard_where_its_request_came_from() {
    let c = clock();
    let (wifi, mobile) = ("203.0.113.9:31000", "198.51.100.77:5555");
    let (mut a, _) = pair(&c, behind(wifi, "192.168.1.5:4000", 1), parameters(B, Codec::PCMA));
    accept(&mut a, c.at(0), addr(wifi), &packet(8, 1, 7));
    a.set_parameters(c.at(5_000), behind(mobile, "10.33.0.4:4002", 2));
    // Until it is heard: the address of its request with the port that it named.
    assert_eq!(a.destination(), Some(addr("198.51.100.77:4002")));
    assert!(matches!(
        accept(&mut a, c.at(5_020), addr(mobile), &packet(8, 2, 7)),
        Classification::Audio { .. }
    ));
    assert_eq!(a.destination(), Some(addr(mobile)));
}

/// Packets that go on the old way beside a new agreement do not end the search at once, and do after a while.
#[test]
fn the_old_way_wins_only_if_it_lasts() {
    let c = clock();
    let (before, after) = ("203.0.113.9:31000", "203.0.113.9:47000");
    let again = |a: &mut RtpSession| {
        a.set_parameters(c.at(1_000), behind(before, "10.0.0.5:4000", 2));
        for n in 0..300u16 {
            accept(a, c.at(1_000 + u64::from(n) * 20), addr(before), &packet(8, 100 + n, 7));
        }
    };
    let (mut a, _) = pair(&c, behind(before, "10.0.0.5:4000", 1), parameters(B, Codec::PCMA));
    accept(&mut a, c.at(0), addr(before), &packet(8, 1, 7));
    again(&mut a);
    assert_eq!(accept(&mut a, c.at(7_010), addr(after), &packet(8, 500, 7)), Classification::Refused);
    assert_eq!(a.destination(), Some(addr(before)));
}

/// Its carrier's router sends sound from another address than signalling: nobody has named it.
#[test]
fn a_third_address_is_the_peer_s_only_where_none_that_was_named_can_be() {
    let c = clock();
    let (router, third) = ("203.0.113.9:5060", addr("203.0.113.77:9000"));
    let heard = |a: &mut RtpSession, at: u64, seqs: &[u16]| {
        let mut last = Classification::Refused;
        for (n, seq) in seqs.iter().enumerate() {
            last = accept(a, c.at(at + n as u64 * 20), third, &packet(8, *seq, 7));
        }
        last
    };
    let end = |face: MediaParameters| pair(&c, face, parameters(B, Codec::PCMA)).0;

    let mut a = end(behind(router, "10.0.0.5:4000", 1));
    assert_eq!(heard(&mut a, 0, &[1, 2]), Classification::Refused, "two packets are no stream");
    assert!(matches!(heard(&mut a, 40, &[3]), Classification::Audio { .. }));
    assert_eq!(a.destination(), Some(third));

    let mut a = end(behind(router, "10.0.0.5:4000", 1));
    assert_eq!(heard(&mut a, 0, &[1, 5, 9, 3, 70]), Classification::Refused, "guessed numbers are no stream");
    assert_eq!(heard(&mut a, 5_000, &[1, 2, 3, 4]), Classification::Refused, "too late");

    let mut a = end(behind(router, "10.0.0.5:4000", 1));
    accept(&mut a, c.at(0), addr("203.0.113.9:31000"), &packet(8, 1, 9));
    assert_eq!(heard(&mut a, 20, &[1, 2, 3, 4]), Classification::Refused, "the named one has spoken");

    let mut a = end(MediaParameters { unreachable: false, ..behind(router, "198.51.100.5:4000", 1) });
    assert_eq!(heard(&mut a, 0, &[1, 2, 3, 4]), Classification::Refused, "the announced one can be");
}

/// RFC 6263: on hold nothing is said, and routers forget.
#[test]
fn the_way_is_kept_open_while_nothing_is_sent() {
    let c = clock();
    let held =
        MediaParameters { direction: Direction::Inactive, ..behind("203.0.113.9:31000", "10.0.0.5:4000", 1) };
    let (mut a, mut b) =
        pair(&c, behind("203.0.113.9:31000", "10.0.0.5:4000", 0), parameters(B, Codec::PCMA));
    accept(&mut a, c.at(0), addr("203.0.113.9:31000"), &packet(8, 1, 7));
    let mut out = [0; 200];
    relay(&mut b, &mut a, c.at(100), addr(B), &mut packet(8, 1, 9));
    assert_eq!(a.write_keep_alive(c.at(15_099), &mut out), Outgoing::Nothing, "something was sent");
    a.set_parameters(c.at(1_000), held);
    let mut sent = Vec::new();
    for s in 1..=60 {
        let now = c.at(1_000 * s);
        if let Outgoing::Send { to, len } = a.write_keep_alive(now, &mut out) {
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
    assert_eq!(a.stats().sent, 1, "it is no sound");
    // When the sound goes on, the peer sees one stream.
    let (_, step) = relay(&mut b, &mut a, c.at(61_000), addr(B), &mut packet(8, 3000, 9));
    assert_eq!(step, Outgoing::Nothing, "still held");
}

/// M1 and M2: nobody but the announced peer is heard or answered, before, during or after the first packet.
#[test]
fn strangers_neither_hear_nor_speak() {
    let c = clock();
    let (mut a, mut b) = pair(&c, parameters(A, Codec::PCMA), parameters(B, Codec::PCMA));
    let stranger = addr("203.0.113.66:4000");
    for n in 0..1000u16 {
        let (classified, _) = relay(&mut a, &mut b, c.at(n as u64), stranger, &mut packet(8, n, 77));
        assert_eq!(classified, Classification::Refused);
        assert_eq!(a.destination(), Some(addr(A)));
        if n == 500 {
            relay(&mut a, &mut b, c.at(500), addr(A), &mut packet(8, 3, 77));
        }
    }
    assert_eq!((a.stats().received, a.stats().refused), (1, 1000));
    assert_eq!(b.stats().sent, 1);
}

#[test]
fn a_port_is_learned_once() {
    let c = clock();
    let (mut a, _) = pair(&c, parameters(A, Codec::PCMA), parameters(B, Codec::PCMA));
    let (moved, third) = (addr("192.0.2.1:51000"), addr("192.0.2.1:52000"));
    // Not RTP, and not an agreed codec: nothing is learned.
    assert_eq!(accept(&mut a, c.at(0), third, &[0; 200]), Classification::Refused);
    assert_eq!(accept(&mut a, c.at(0), third, &packet(33, 0, 1)), Classification::Refused);
    assert!(matches!(accept(&mut a, c.at(0), moved, &packet(8, 1, 1)), Classification::Audio { .. }));
    assert_eq!(a.destination(), Some(moved));
    assert_eq!(accept(&mut a, c.at(20), third, &packet(8, 2, 1)), Classification::Refused);
    assert!(matches!(accept(&mut a, c.at(4900), moved, &packet(8, 2, 1)), Classification::Audio { .. }));
    assert_eq!(
        accept(&mut a, c.at(5000), addr(A), &packet(8, 2, 1)),
        Classification::Refused,
        "too late for second thoughts"
    );
    // The same peer announced again keeps the port; another one is learned anew.
    a.set_parameters(c.at(6000), parameters(A, Codec::PCMA));
    assert_eq!(a.destination(), Some(moved));
    a.set_parameters(c.at(6000), parameters("192.0.2.9:7000", Codec::PCMA));
    assert_eq!(a.destination(), Some(addr("192.0.2.9:7000")));
    assert_eq!(accept(&mut a, c.at(6020), moved, &packet(8, 3, 1)), Classification::Refused);
}

#[test]
fn a_late_packet_of_an_earlier_call_does_not_take_the_port() {
    let c = clock();
    let (mut a, _) = pair(&c, parameters(A, Codec::PCMA), parameters(B, Codec::PCMA));
    accept(&mut a, c.at(0), addr("192.0.2.1:9000"), &packet(8, 900, 5));
    assert!(matches!(accept(&mut a, c.at(20), addr(A), &packet(8, 1, 1)), Classification::Audio { .. }));
    assert_eq!(a.destination(), Some(addr(A)));
    assert_eq!(accept(&mut a, c.at(40), addr("192.0.2.1:9000"), &packet(8, 901, 5)), Classification::Refused);
}

#[test]
fn mapped_addresses_are_the_same_peer() {
    let c = clock();
    let (mut a, _) = pair(&c, parameters(A, Codec::PCMA), parameters(B, Codec::PCMA));
    let mapped = addr("[::ffff:192.0.2.1]:4000");
    assert!(matches!(accept(&mut a, c.at(0), mapped, &packet(8, 1, 1)), Classification::Audio { .. }));
}

/// The peer sees one stream: one source, no holes in its numbers, time that never goes back.
#[test]
fn own_packets_and_new_sources_join_without_a_seam() {
    let c = clock();
    let (mut a, mut b) = pair(&c, parameters(A, Codec::PCMA), parameters(B, Codec::PCMA));
    let (mut seen, mut now) = (Vec::new(), 0);
    let mut out = [0; 200];
    for round in 0..6u16 {
        for n in 0..20u16 {
            now += 20;
            let mut p = packet(8, round * 7919 + n, 100 + round as u32 / 2);
            if let (_, Outgoing::Send { len, .. }) = relay(&mut a, &mut b, c.at(now), addr(A), &mut p) {
                seen.push(Packet::parse(&p[..len]).expect("RTP").header);
            }
        }
        b.suppress(true);
        for n in 20..30u16 {
            now += 20;
            let mut p = packet(8, round * 7919 + n, 100 + round as u32 / 2);
            assert_eq!(relay(&mut a, &mut b, c.at(now), addr(A), &mut p).1, Outgoing::Nothing);
            let Outgoing::Send { len, .. } = b.write_audio(c.at(now), &[0xD5; 160], 160, &mut out) else {
                panic!()
            };
            seen.push(Packet::parse(&out[..len]).expect("RTP").header);
        }
        b.suppress(false);
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
    // The other side does not take events.
    let deaf = MediaParameters { telephone_event: None, ..parameters(B, Codec::PCMA) };
    let (mut a, mut b) = pair(&c, parameters(A, Codec::PCMA), deaf);
    let mut count = Count::default();
    for n in 0..60u16 {
        let event = (20..30).contains(&n);
        let mut p = packet(if event { 101 } else { 8 }, n, 5);
        let (classified, step) = relay(&mut a, &mut b, c.at(n as u64 * 20), addr(A), &mut p);
        assert_eq!(matches!(classified, Classification::Event { .. }), event);
        assert_eq!(step == Outgoing::Nothing, event);
        if !event {
            count.packet(&Packet::parse(&p).expect("RTP").header, n as u32 * 160);
        }
    }
    assert_eq!((count.received(), count.lost()), (50, 0));
}

#[test]
fn events_pass_with_the_payload_type_of_the_peer() {
    let c = clock();
    let to = MediaParameters { telephone_event: Some(97), ..parameters(B, Codec::PCMA) };
    let (mut a, mut b) = pair(&c, parameters(A, Codec::PCMA), to);
    let mut p = packet(101, 9, 5);
    assert!(matches!(
        relay(&mut a, &mut b, c.at(0), addr(A), &mut p),
        (Classification::Event { .. }, Outgoing::Send { .. })
    ));
    assert_eq!(p[1], 97);
}

#[test]
fn our_own_event_is_heard_once() {
    let c = clock();
    let (mut a, mut b) = pair(&c, parameters(A, Codec::PCMA), parameters(B, Codec::PCMA));
    relay(&mut a, &mut b, c.at(0), addr(A), &mut packet(8, 1, 5));
    assert!(b.begin_event(c.at(20), 7, 100));
    let (mut r, mut heard, mut out, mut now) = (EventReceiver::default(), Vec::new(), [0; 64], 20);
    let mut stamps = Vec::new();
    while let Some((step, _)) = b.write_event(c.at(now), &mut out) {
        let Outgoing::Send { to, len } = step else { panic!("{step:?}") };
        assert_eq!(to, addr(B));
        let p = Packet::parse(&out[..len]).expect("RTP");
        stamps.push((p.header.timestamp, p.header.seq));
        r.packet(&p.header, p.payload, |h| heard.push(h));
        assert_eq!(
            relay(&mut a, &mut b, c.at(now), addr(A), &mut packet(8, 2 + (now / 20) as u16, 5)).1,
            Outgoing::Nothing
        );
        now += 20;
    }
    assert_eq!(heard, [EventHeard::Down { event: 7 }, EventHeard::Up { event: 7, ms: 100 }]);
    assert!(stamps.windows(2).all(|w| w[0].0 == w[1].0 && w[1].1 == w[0].1 + 1), "{stamps:?}");
    let mut p = packet(8, 100, 5);
    relay(&mut a, &mut b, c.at(now), addr(A), &mut p);
    assert_eq!(Packet::parse(&p).expect("RTP").header.seq, stamps.last().expect("one").1 + 1);
    b.set_parameters(c.at(now), MediaParameters { telephone_event: None, ..parameters(B, Codec::PCMA) });
    assert!(!b.begin_event(c.at(now), 7, 100));
}

#[test]
fn directions_are_kept() {
    let c = clock();
    let check = |a_dir, b_dir, goes: bool| {
        let (a, b) = (parameters(A, Codec::PCMA), parameters(B, Codec::PCMA));
        let (mut a, mut b) =
            pair(&c, MediaParameters { direction: a_dir, ..a }, MediaParameters { direction: b_dir, ..b });
        let (_, step) = relay(&mut a, &mut b, c.at(0), addr(A), &mut packet(8, 1, 1));
        assert_eq!(step != Outgoing::Nothing, goes, "{a_dir:?} to {b_dir:?}");
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
    let (mut a, _) = pair(&c, parameters(A, Codec::PCMA), parameters(B, Codec::PCMA));
    let moved = addr("192.0.2.1:52000");
    accept(&mut a, c.at(0), addr(A), &packet(8, 1, 77));
    assert_eq!(accept(&mut a, c.at(2_900), moved, &packet(8, 2, 77)), Classification::Refused, "too soon");
    assert_eq!(
        accept(&mut a, c.at(3_100), moved, &packet(8, 3, 78)),
        Classification::Refused,
        "another stream"
    );
    let elsewhere = addr("203.0.113.66:52000");
    assert_eq!(
        accept(&mut a, c.at(3_100), elsewhere, &packet(8, 3, 77)),
        Classification::Refused,
        "another address"
    );
    assert!(matches!(accept(&mut a, c.at(3_100), moved, &packet(8, 3, 77)), Classification::Audio { .. }));
    assert_eq!(a.destination(), Some(moved));
    assert_eq!(
        accept(&mut a, c.at(4_200), addr(A), &packet(8, 4, 77)),
        Classification::Refused,
        "and held there"
    );
}

/// M11: told after the time that was set, once, and not while the call is held. A peer that never sent RTCP may be muted.
#[test]
fn a_peer_without_rtcp_is_not_judged_by_its_silence() {
    let c = clock();
    let (mut a, _) = pair(&c, parameters(A, Codec::PCMA), parameters(B, Codec::PCMA));
    accept(&mut a, c.at(0), addr(A), &packet(8, 1, 1));
    assert!(!a.stopped(c.at(900_000)), "it may be muted");
    let (mut b, _) =
        pair(&c, MediaParameters { timeout: None, ..parameters(A, Codec::PCMA) }, parameters(B, Codec::PCMA));
    sends_rtcp(&c, &mut b);
    assert!(!b.stopped(c.at(900_000)), "switched off");
}

/// The peer at A sends a report.
fn sends_rtcp(c: &Clock, end: &mut RtpSession) {
    let (mut far, _) = pair(c, parameters(B, Codec::PCMA), parameters(A, Codec::PCMA));
    accept(&mut far, c.at(0), addr(B), &packet(8, 1, 1));
    let mut out = [0; 256];
    let Outgoing::Send { len, .. } = far.write_report(c.at(6_000), "far", &mut out) else {
        panic!("a report")
    };
    let mut from = addr(A);
    from.set_port(from.port() + 1);
    assert!(accept_rtcp(end, c.at(0), from, &out[..len]));
}

/// M11: told after 60 s, once, and not while the call is held.
#[test]
fn a_dead_peer_is_told() {
    let c = clock();
    let (mut a, _) = pair(&c, parameters(A, Codec::PCMA), parameters(B, Codec::PCMA));
    sends_rtcp(&c, &mut a);
    accept(&mut a, c.at(10_000), addr(A), &packet(8, 1, 1));
    accept(&mut a, c.at(50_000), addr("203.0.113.66:4000"), &packet(8, 1, 1));
    assert!(!a.stopped(c.at(69_999)));
    assert!(a.stopped(c.at(70_000)));
    assert!(!a.stopped(c.at(80_000)), "once");
    accept(&mut a, c.at(90_000), addr(A), &packet(8, 2, 1));
    assert!(a.stopped(c.at(150_000)), "again after it had come back");
    a.set_parameters(
        c.at(150_000),
        MediaParameters { direction: Direction::SendOnly, ..parameters(A, Codec::PCMA) },
    );
    assert!(!a.stopped(c.at(900_000)));
}

/// M3: reports count only from the peer; BYE and scraps change nothing.
#[test]
fn reports_give_figures() {
    let c = clock();
    let (mut a, mut b) = pair(&c, parameters(A, Codec::PCMA), parameters(B, Codec::PCMA));
    let (mut far, _) = pair(&c, parameters("198.51.100.9:3000", Codec::PCMA), parameters(B, Codec::PCMA));
    let mut out = [0; 256];
    for n in 0..250u16 {
        let mut p = packet(8, n, 5);
        relay(&mut b, &mut a, c.at(n as u64 * 20), addr(B), &mut p);
        if n % 5 != 2 {
            accept(&mut far, c.at(n as u64 * 20 + 30), addr("198.51.100.9:3000"), &p);
        }
    }
    let Outgoing::Send { to, len } = a.write_report(c.at(5000), "ringtrip", &mut out) else { panic!() };
    assert_eq!(to, addr("192.0.2.1:4001"));
    assert!(accept_rtcp(&mut far, c.at(5040), addr("198.51.100.9:3001"), &out[..len]));
    let Outgoing::Send { len, .. } = far.write_report(c.at(5540), "far", &mut out) else { panic!() };
    let stranger = addr("203.0.113.66:4001");
    assert!(!accept_rtcp(&mut a, c.at(5580), stranger, &out[..len]));
    assert!(!accept_rtcp(&mut a, c.at(5580), addr("192.0.2.1:4001"), &[0x80, 1, 0, 0]));
    assert_eq!(a.stats().round_trip_ms, None);
    assert!(accept_rtcp(&mut a, c.at(5580), addr("192.0.2.1:4001"), &out[..len]));
    assert!(accept_rtcp(&mut a, c.at(5580), addr("192.0.2.1:4001"), &[0x81, 203, 0, 1, 0, 0, 0, 5]));
    let f = a.stats();
    assert!((f.round_trip_ms.expect("measured") - 80.0).abs() < 0.5, "{f:?}");
    assert!((f.far_loss_percent.expect("reported") - 20.0).abs() < 0.5, "{f:?}");
    assert_eq!(a.write_report(c.at(5100), "ringtrip", &mut out), Outgoing::Nothing, "not due");
    assert!(a.destination().is_some());
}

#[test]
fn jitter_is_in_milliseconds() {
    let c = clock();
    let (mut a, _) = pair(&c, parameters(A, Codec::PCMA), parameters(B, Codec::PCMA));
    for n in 0..2000u16 {
        accept(&mut a, c.at(n as u64 * 20 + n as u64 % 2 * 10), addr(A), &packet(8, n, 1));
    }
    assert!((a.stats().jitter_ms - 10.0).abs() < 0.3, "{}", a.stats().jitter_ms);
}

/// RFC 3605 and RFC 5761: reports go where the peer wants them, and are believed from there.
#[test]
fn reports_have_the_port_that_was_agreed_on() {
    let c = clock();
    let named = addr("192.0.2.9:7777");
    let check = |rtcp: RtcpPort, to: &str, shares: bool| {
        let (mut a, mut b) =
            pair(&c, MediaParameters { rtcp, ..parameters(A, Codec::PCMA) }, parameters(B, Codec::PCMA));
        relay(&mut b, &mut a, c.at(0), addr(B), &mut packet(8, 1, 9));
        let mut out = [0; 200];
        let Outgoing::Send { to: sent, .. } = a.write_report(c.at(5_000), "ringtrip", &mut out) else {
            panic!("{rtcp:?}: no report")
        };
        assert_eq!((sent, a.shares_port()), (addr(to), shares), "{rtcp:?}");
    };
    check(RtcpPort::Next, "192.0.2.1:4001", false);
    check(RtcpPort::Named(named), "192.0.2.9:7777", false);
    check(RtcpPort::Port(4567), "192.0.2.1:4567", false);
    check(RtcpPort::Shared, A, true);

    // A report of the peer, as it comes.
    let (mut far, mut near) = pair(&c, parameters(A, Codec::PCMA), parameters(B, Codec::PCMA));
    relay(&mut near, &mut far, c.at(0), addr(B), &mut packet(8, 1, 9));
    let mut report = [0; 200];
    let Outgoing::Send { len, .. } = far.write_report(c.at(5_000), "far", &mut report) else {
        panic!("a report")
    };
    let report = &report[..len];

    let shared =
        |rtcp| pair(&c, MediaParameters { rtcp, ..parameters(A, Codec::PCMA) }, parameters(B, Codec::PCMA)).0;
    let mut a = shared(RtcpPort::Shared);
    assert_eq!(accept(&mut a, c.at(10), addr(A), report), Classification::Report);
    assert_eq!(
        accept(&mut a, c.at(10), addr("203.0.113.66:4000"), report),
        Classification::Quiet,
        "a stranger's"
    );
    assert_eq!((a.stats().received, a.stats().refused), (0, 1), "reports are no packets of sound");
    let mut a = shared(RtcpPort::Next);
    assert_eq!(accept(&mut a, c.at(10), addr(A), report), Classification::Refused, "that was not agreed on");
    let mut a = shared(RtcpPort::Named(named));
    assert!(accept_rtcp(&mut a, c.at(10), named, report));
    assert!(!accept_rtcp(&mut a, c.at(10), addr("192.0.2.9:7778"), report));
}
