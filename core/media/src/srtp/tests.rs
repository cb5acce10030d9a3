use aes::Aes128;
use aes::cipher::KeyInit;
use proptest::prelude::*;

use super::cipher::{derive, keystream};
use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| Some(c.to_digit(16)? as u8)).collect();
    digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect()
}

/// The master key and salt of RFC 3711 appendix B.3, which others use for whole packets too.
fn keys(suite: Suite) -> Keys {
    let master = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
    Keys { suite, master: master.try_into().expect("30 octets") }
}

fn packet(sequence: u16, payload: &[u8]) -> Vec<u8> {
    let header =
        crate::rtp::Header { pt: 8, seq: sequence, timestamp: 160, ssrc: 0xCAFE_BABE, marker: false };
    [&header.bytes()[..], payload].concat()
}

fn protect(sender: &mut Sender, packet: &[u8]) -> Vec<u8> {
    let mut buffer = [packet, &[0; RTP_OVERHEAD]].concat();
    let n = sender.protect(&mut buffer, packet.len()).expect("protected");
    buffer.truncate(n);
    buffer
}

fn unprotect(receiver: &mut Receiver, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut buffer = packet.to_vec();
    match receiver.unprotect(&mut buffer) {
        Ok(n) => {
            buffer.truncate(n);
            Ok(buffer)
        }
        Err(e) => {
            assert_eq!(buffer, packet, "a packet that is refused stays as it was");
            Err(e)
        }
    }
}

use Suite::{AesCm128HmacSha1_32 as Short32, AesCm128HmacSha1_80 as Long80};

#[test]
fn keystream_of_rfc3711_b2() {
    let key: [u8; 16] = hex("2B7E151628AED2A6ABF7158809CF4F3C").try_into().expect("16 octets");
    let iv: [u8; 16] = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000").try_into().expect("16 octets");
    let mut stream = vec![0; 16 * 0xFF02];
    keystream(&Aes128::new(&key.into()), iv, &mut stream);
    for (block, expected) in [
        (0, "E03EAD0935C95E80E166B16DD92B4EB4"),
        (1, "D23513162B02D0F72A43A2FE4A5F97AB"),
        (2, "41E95B3BB0A2E8DD477901E4FCA894C0"),
        (0xFEFF, "EC8CDF7398607CB0F2D21675EA9EA1E4"),
        (0xFF00, "362B7C3C6773516318A077D7FC5073AE"),
        (0xFF01, "6A2CC3787889374FBEB4C81B17BA6C44"),
    ] {
        assert_eq!(stream[16 * block..][..16], hex(expected), "block {block:#x}");
    }
}

#[test]
fn keys_of_rfc3711_b3() {
    let check = |label: u8, expected: &str| {
        let expected = hex(expected);
        let mut out = vec![0; expected.len()];
        derive(&keys(Long80), label, &mut out);
        assert_eq!(out, expected, "label {label}");
    };
    check(0, "C61E7A93744F39EE10734AFE3FF7A087");
    check(2, "30CBBC08863D8C85D49DB34A9AE1");
    check(
        1,
        "CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE E049646C43D9327AD175578EF7227098 \
         6371C10C9A369AC2F94A8C5FBCDDDC25 6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2",
    );
}

/// The packets that libsrtp tests itself with, made with the same keys.
#[test]
fn whole_packets_of_another_implementation() {
    let plain = hex("800F1234 DECAFBAD CAFEBABE ABABABAB ABABABAB ABABABAB ABABABAB");
    let protected =
        hex("800F1234 DECAFBAD CAFEBABE 4E55DC4C E79978D8 8CA4D215 949D2402 B78D6ACC 99EA179B 8DBB");
    assert_eq!(protect(&mut Sender::new(&keys(Long80)), &plain), protected);
    assert_eq!(unprotect(&mut Receiver::new(&keys(Long80)), &protected), Ok(plain));

    let plain = hex("81C8000B CAFEBABE ABABABAB ABABABAB ABABABAB ABABABAB");
    let protected =
        hex("81C8000B CAFEBABE 7128035B E487B9BD BEF89041 F977A5A8 80000001 993E08CD 54D6C123 0798");
    // Theirs begins at one.
    let mut sender = Sender::new(&keys(Long80));
    sender.next_rtcp = 1;
    let mut buffer = [&plain[..], &[0; RTCP_OVERHEAD]].concat();
    assert_eq!(sender.protect_rtcp(&mut buffer, plain.len()), Ok(protected.len()));
    assert_eq!(buffer, protected);
    let mut receiver = Receiver::new(&keys(Long80));
    assert_eq!(receiver.unprotect_rtcp(&mut buffer), Ok(plain.len()));
    assert_eq!(buffer[..plain.len()], plain);
    // RTCP is protected from replay too.
    assert_eq!(receiver.unprotect_rtcp(&mut protected.clone()), Err(SrtpError::Replayed));
}

#[test]
fn tags_have_the_length_of_their_suite() {
    let plain = packet(1, &[1; 160]);
    assert_eq!(protect(&mut Sender::new(&keys(Long80)), &plain).len(), plain.len() + 10);
    assert_eq!(protect(&mut Sender::new(&keys(Short32)), &plain).len(), plain.len() + 4);
    let mut sender = Sender::new(&keys(Short32));
    let mut rtcp = [0x81, 200, 0, 1, 1, 2, 3, 4].to_vec();
    rtcp.resize(8 + RTCP_OVERHEAD, 0);
    assert_eq!(sender.protect_rtcp(&mut rtcp, 8), Ok(8 + 14), "RTCP keeps 80 bits");
}

#[test]
fn a_replay_is_refused() {
    let mut sender = Sender::new(&keys(Long80));
    let mut receiver = Receiver::new(&keys(Long80));
    let protected: Vec<_> = (0..300).map(|n| protect(&mut sender, &packet(n, b"sound"))).collect();
    for n in [0, 2, 1, 250, 200] {
        assert_eq!(unprotect(&mut receiver, &protected[n]), Ok(packet(n as u16, b"sound")), "{n}");
        assert_eq!(unprotect(&mut receiver, &protected[n]), Err(SrtpError::Replayed), "{n} again");
    }
    assert_eq!(unprotect(&mut receiver, &protected[100]), Err(SrtpError::Replayed), "older than the window");
}

#[test]
fn a_number_is_never_protected_twice() {
    let mut sender = Sender::new(&keys(Long80));
    protect(&mut sender, &packet(7, b"one"));
    let mut again = [&packet(7, b"two")[..], &[0; RTP_OVERHEAD]].concat();
    let before = again.clone();
    assert_eq!(sender.protect(&mut again, before.len() - RTP_OVERHEAD), Err(SrtpError::Replayed));
    assert_eq!(again, before, "nothing of the keystream gets out");
}

#[test]
fn the_roll_over_counter_follows_the_stream() {
    for suite in [Long80, Short32] {
        let (mut sender, mut receiver) = (Sender::new(&keys(suite)), Receiver::new(&keys(suite)));
        // Three times around, one of seven lost, two in a hundred swapped.
        let mut waiting = None;
        for n in 65_000u32..65_000 + 3 * 65_536 {
            let plain = packet(n as u16, &n.to_be_bytes());
            let protected = protect(&mut sender, &plain);
            match n % 100 {
                17 => waiting = Some((plain, protected)),
                18 => {
                    assert_eq!(unprotect(&mut receiver, &protected), Ok(plain), "{n}");
                    if let Some((plain, protected)) = waiting.take() {
                        assert_eq!(unprotect(&mut receiver, &protected), Ok(plain), "before {n}");
                    }
                }
                _ if n % 7 == 0 => {}
                _ => assert_eq!(unprotect(&mut receiver, &protected), Ok(plain), "{n}"),
            }
        }
    }
}

#[test]
fn a_packet_of_before_the_roll_over_comes_late() {
    let (mut sender, mut receiver) = (Sender::new(&keys(Long80)), Receiver::new(&keys(Long80)));
    let numbers = [65_534, 65_535, 0, 1];
    let protected = numbers.map(|n| protect(&mut sender, &packet(n, b"x")));
    for n in [0, 2, 3, 1] {
        assert_eq!(unprotect(&mut receiver, &protected[n]), Ok(packet(numbers[n], b"x")), "{}", numbers[n]);
    }
}

#[test]
fn a_stream_is_joined_in_its_middle() {
    let mut sender = Sender::new(&keys(Long80));
    let mut joins = Vec::new();
    for n in (0..=17 * 65_536).step_by(20_000) {
        joins.push((n, packet(n as u16, b"x"), protect(&mut sender, &packet(n as u16, b"x"))));
    }
    let mut receiver = Receiver::new(&keys(Long80));
    for (n, plain, protected) in joins {
        let whole = if n < 16 * 65_536 { Ok(plain) } else { Err(SrtpError::Forged) };
        assert_eq!(unprotect(&mut Receiver::new(&keys(Long80)), &protected), whole, "{n}");
        assert!(unprotect(&mut receiver, &protected).is_ok(), "{n} of one that was there from the beginning");
    }
}

#[test]
fn other_keys_open_nothing() {
    let protected = protect(&mut Sender::new(&keys(Long80)), &packet(1, b"sound"));
    for octet in 0..KEY_AND_SALT {
        let mut other = keys(Long80);
        other.master[octet] ^= 1;
        assert_eq!(
            unprotect(&mut Receiver::new(&other), &protected),
            Err(SrtpError::Forged),
            "octet {octet}"
        );
    }
    assert!(unprotect(&mut Receiver::new(&keys(Short32)), &protected).is_err());
}

#[test]
fn what_is_changed_or_cut_is_refused_and_harms_nothing() {
    let (mut sender, mut receiver) = (Sender::new(&keys(Long80)), Receiver::new(&keys(Long80)));
    let plain = packet(1, b"sound");
    let protected = protect(&mut sender, &plain);
    for octet in 0..protected.len() {
        let mut changed = protected.clone();
        changed[octet] ^= 0x10;
        assert!(unprotect(&mut receiver, &changed).is_err(), "octet {octet}");
    }
    for len in 0..protected.len() {
        assert!(unprotect(&mut receiver, &protected[..len]).is_err(), "{len} octets");
    }
    assert_eq!(unprotect(&mut receiver, &protected), Ok(plain));
}

#[test]
fn sources_have_indexes_of_their_own_and_are_limited() {
    let of = |ssrc: u32| {
        let header = crate::rtp::Header { seq: 1, ssrc, ..Default::default() };
        [&header.bytes()[..], b"sound"].concat()
    };
    let (mut sender, mut receiver) = (Sender::new(&keys(Long80)), Receiver::new(&keys(Long80)));
    for ssrc in 0..16 {
        let protected = protect(&mut sender, &of(ssrc));
        assert_eq!(unprotect(&mut receiver, &protected), Ok(of(ssrc)));
    }
    let mut buffer = [&of(16)[..], &[0; RTP_OVERHEAD]].concat();
    assert_eq!(sender.protect(&mut buffer, 17), Err(SrtpError::TooManySources));
    // A receiver forgets the one that was silent longest: source 1, when 0 has spoken again.
    let mut others = Sender::new(&keys(Long80));
    let next = |ssrc: u32| {
        let mut packet = of(ssrc);
        packet[3] = 2;
        packet
    };
    let protected = protect(&mut others, &next(0));
    assert_eq!(unprotect(&mut receiver, &protected), Ok(next(0)));
    let protected = protect(&mut others, &of(99));
    assert_eq!(unprotect(&mut receiver, &protected), Ok(of(99)));
    let known: Vec<u32> = receiver.sources();
    assert!(!known.contains(&1) && known.contains(&0) && known.len() == 16, "{known:?}");
}

#[test]
fn keys_are_not_printed() {
    let text =
        format!("{:?} {:?} {:?}", keys(Long80), Sender::new(&keys(Long80)), Receiver::new(&keys(Short32)));
    assert_eq!(
        text,
        "Keys(AES_CM_128_HMAC_SHA1_80, ***) Sender(AES_CM_128_HMAC_SHA1_80, ***) Receiver(AES_CM_128_HMAC_SHA1_32, ***)"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for suite in [Long80, Short32] {
            let mut receiver = Receiver::new(&keys(suite));
            prop_assert!(receiver.unprotect(&mut bytes.clone()).is_err());
            prop_assert!(receiver.unprotect_rtcp(&mut bytes.clone()).is_err());
            // What is sent is never from the network, but cannot panic either.
            let mut sender = Sender::new(&keys(suite));
            let mut buffer = bytes.clone();
            let _ = sender.protect(&mut buffer, bytes.len() / 2);
            let _ = sender.protect_rtcp(&mut buffer, bytes.len());
        }
    }

    #[test]
    fn what_is_protected_is_read(payload in proptest::collection::vec(any::<u8>(), 0..400), sequence: u16,
                                 csrc in 0u8..16, words in 0u16..5, extension: bool) {
        let mut plain = packet(sequence, &[]);
        plain[0] |= csrc | u8::from(extension) << 4;
        plain.resize(12 + 4 * usize::from(csrc), 0x11);
        if extension {
            plain.extend([0xBE, 0xDE]);
            plain.extend(words.to_be_bytes());
            plain.resize(plain.len() + 4 * usize::from(words), 0x22);
        }
        plain.extend(payload);
        for suite in [Long80, Short32] {
            let protected = protect(&mut Sender::new(&keys(suite)), &plain);
            prop_assert_eq!(unprotect(&mut Receiver::new(&keys(suite)), &protected), Ok(plain.clone()));
        }
    }
}
