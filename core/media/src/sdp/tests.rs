use proptest::prelude::*;

use super::*;
use crate::sound::CodecKind::*;

const PHONE: &str = "v=0\r\no=alice 2890844526 2890844527 IN IP4 host.example\r\ns=é\r\nc=IN IP4 192.0.2.7\r\n\
    t=0 0\r\nm=audio 49170 RTP/AVP 9 8 0 18 96 101\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";

fn sdp(text: &str) -> Sdp {
    Sdp::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn kinds(sound: &Sound) -> Vec<(crate::sound::CodecKind, u8)> {
    sound.codecs.iter().map(|c| (c.kind, c.pt)).collect()
}

#[test]
fn a_telephones_offer() {
    let s = sdp(PHONE);
    assert_eq!(s.origin, Some((2890844526, 2890844527)));
    let (at, sound) = s.sound().expect("audio");
    assert_eq!((at, sound.addr), (0, Some("192.0.2.7:49170".parse().expect("address"))));
    assert_eq!(kinds(&sound), [(G722, 9), (Pcma, 8), (Pcmu, 0), (Opus, 96)]);
    assert_eq!(sound.codecs[3].fmtp.as_deref(), Some("useinbandfec=1"));
    assert_eq!(
        (sound.telephone_event, sound.ptime, sound.direction),
        (Some(101), Some(20), Direction::SendRecv)
    );
    assert_eq!(s.media[0].unknown().collect::<Vec<_>>(), ["G729"]);
}

#[test]
fn forms_in_the_field() {
    let check = |what: &str, body: &str, addr: Option<&str>, direction: Direction| {
        let (_, sound) = sdp(&format!("v=0\n{body}")).sound().unwrap_or_else(|| panic!("{what}"));
        assert_eq!(sound.addr, addr.map(|a| a.parse().expect("address")), "{what}");
        assert_eq!(sound.direction, direction, "{what}");
    };
    use Direction::*;
    check("line feeds only", "c=IN IP4 10.0.0.1\nm=audio 4000 RTP/AVP 0\n", Some("10.0.0.1:4000"), SendRecv);
    check(
        "c= in the section",
        "c=IN IP4 10.0.0.1\nm=audio 4 RTP/AVP 0\nc=IN IP4 10.0.0.2",
        Some("10.0.0.2:4"),
        SendRecv,
    );
    check("IPv6", "c=IN IP6 2001:db8::1\nm=audio 4000 RTP/AVP 8\n", Some("[2001:db8::1]:4000"), SendRecv);
    check("two ports", "c=IN IP4 10.0.0.1\nm=audio 4000/2 RTP/AVP 0", Some("10.0.0.1:4000"), SendRecv);
    check("old hold", "c=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 0", None, SendOnly);
    check("hold", "c=IN IP4 10.0.0.1\nm=audio 4000 RTP/AVP 0\na=sendonly", Some("10.0.0.1:4000"), SendOnly);
    check(
        "session's direction",
        "c=IN IP4 10.0.0.1\na=inactive\nm=audio 4 RTP/AVP 0",
        Some("10.0.0.1:4"),
        Inactive,
    );
    check(
        "section wins",
        "c=IN IP4 10.0.0.1\na=inactive\nm=audio 4 RTP/AVP 0\na=recvonly",
        Some("10.0.0.1:4"),
        RecvOnly,
    );
    check("a host name", "c=IN IP4 host.example\nm=audio 4000 RTP/AVP 0", None, SendRecv);
    check("nowhere by name", "c=IN IP6 x.invalid\nm=audio 4000 RTP/AVP 0", None, SendOnly);
    check("no host name", "c=IN IP4 10.0.0.256\nm=audio 4000 RTP/AVP 0", None, SendOnly);
    check("multicast", "c=IN IP4 224.2.1.1/127\nm=audio 4000 RTP/AVP 0", None, SendOnly);
}

/// RFC 3605 and RFC 5761.
#[test]
fn where_rtcp_is() {
    let check = |attributes: &str, rtcp: RtcpPort| {
        let s = sdp(&format!("v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n{attributes}\r\n"));
        assert_eq!(s.sound().map(|(_, sound)| sound.rtcp), Some(rtcp), "{attributes}");
    };
    check("a=ptime:20", RtcpPort::Next);
    check("a=rtcp:53020", RtcpPort::Port(53_020));
    check("a=rtcp:53020 IN IP4 10.0.0.1", RtcpPort::Port(53_020));
    check("a=rtcp:53020 IN IP4 192.0.2.7", RtcpPort::Named("192.0.2.7:53020".parse().expect("address")));
    check(
        "a=rtcp:53020 IN IP6 2001:db8::7",
        RtcpPort::Named("[2001:db8::7]:53020".parse().expect("address")),
    );
    check("a=rtcp:53020 IN IP4 224.0.0.7", RtcpPort::Port(53_020));
    check("a=rtcp:0\r\na=rtcp:", RtcpPort::Next);
    check("a=rtcp:70000", RtcpPort::Next);
    check("a=rtcp:4000\r\na=rtcp-mux", RtcpPort::Shared);
}

#[test]
fn what_is_no_usable_audio() {
    let check = |section: &str| {
        let s = sdp(&format!("v=0\r\nc=IN IP4 10.0.0.1\r\n{section}\r\n"));
        assert_eq!(s.sound(), None, "{section}");
    };
    check("m=audio 0 RTP/AVP 0");
    check("m=audio 4000 RTP/SAVP 0");
    check("m=video 4000 RTP/AVP 0");
    check("m=image 4000 udptl t38");
    check("m=audio 4000 RTP/AVP 18 4");
    check("m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 PCMU/16000");
    check("m=audio 4000 RTP/AVP");
    check("m=audio 70000 RTP/AVP 0");
    check("m=");
    check("a=ptime:20");
    assert_eq!(Sdp::parse(b""), Err(SdpError::NotSdp));
    assert_eq!(Sdp::parse(b"<xml/>"), Err(SdpError::NotSdp));
    assert_eq!(Sdp::parse(&vec![b'v'; MAX_LEN + 1]), Err(SdpError::TooLong));
    assert_eq!(
        Sdp::parse(format!("v=0\n{}", "m=audio 4 RTP/AVP 0\n".repeat(17)).as_bytes()),
        Err(SdpError::TooManyMedia)
    );
}

#[test]
fn the_first_usable_section_counts() {
    let s = sdp(
        "v=0\r\nc=IN IP4 10.0.0.1\r\nm=video 5000 RTP/AVP 96\r\nm=audio 0 RTP/AVP 0\r\nm=audio 4000 RTP/AVP 8\r\n",
    );
    let (at, sound) = s.sound().expect("audio");
    assert_eq!((at, kinds(&sound)), (2, vec![(Pcma, 8)]));
}

#[test]
fn an_offer_reads_back() {
    let sound = Sound {
        addr: Some("198.51.100.1:30000".parse().expect("address")),
        codecs: vec![
            Codec::PCMA,
            Codec { kind: Opus, pt: 111, fmtp: Some("useinbandfec=1".into()) },
            Codec::G722,
        ],
        telephone_event: Some(101),
        ptime: Some(30),
        direction: Direction::SendOnly,
        rtcp: RtcpPort::Shared,
    };
    let mut session = SdpSession::new(77);
    let text = session.offer("198.51.100.1:30000".parse().expect("address"), &sound);
    assert_eq!(sdp(&text).sound(), Some((0, sound.clone())));
    assert_eq!(sdp(&text).origin, Some((77, 77)));
    // The same again keeps the version; a change raises it.
    assert_eq!(session.offer("198.51.100.1:30000".parse().expect("address"), &sound), text);
    let resumed = Sound { direction: Direction::SendRecv, ..sound };
    let text = session.offer("[2001:db8::9]:30000".parse().expect("address"), &resumed);
    assert_eq!(sdp(&text).origin, Some((77, 78)));
    assert!(text.contains("c=IN IP6 2001:db8::9\r\n"), "{text}");
    assert!(text.lines().all(|l| l.len() > 2) && text.ends_with("\r\n"));
}

#[test]
fn an_answer_has_a_section_for_each_of_the_offers() {
    let offer = sdp(
        "v=0\r\nc=IN IP4 10.0.0.1\r\nm=video 5000 RTP/AVP 96 97\r\nm=audio 4000 RTP/AVP 8 0\r\nm=image 6 udptl t38\r\n",
    );
    let ours = Sound { codecs: vec![Codec::PCMU], ..Sound::default() };
    let local = "198.51.100.1:30000".parse().expect("address");
    let sections =
        |text: &str| text.lines().filter(|l| l.starts_with("m=")).map(String::from).collect::<Vec<_>>();
    let answer = SdpSession::new(1).answer(&offer, local, Some((1, &ours)));
    assert_eq!(
        sections(&answer),
        ["m=video 0 RTP/AVP 96 97", "m=audio 30000 RTP/AVP 0", "m=image 0 udptl t38"]
    );
    let none = SdpSession::new(1).answer(&offer, local, None);
    assert_eq!(sections(&none), ["m=video 0 RTP/AVP 96 97", "m=audio 0 RTP/AVP 8 0", "m=image 0 udptl t38"]);
}

const LINE: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR\r\n";

#[test]
fn which_audio_suits_a_policy() {
    use NoAudio::*;
    use SrtpPolicy::{Off, Offer, Require};
    // At which section, and whether with keys.
    let check = |sections: &str, expected: [Result<(usize, bool), NoAudio>; 3]| {
        let s = sdp(&format!("v=0\r\nc=IN IP4 10.0.0.1\r\n{sections}"));
        for (policy, expected) in [Off, Offer, Require].into_iter().zip(expected) {
            let found = s.audio(policy).map(|audio| (audio.at, audio.crypto.is_some()));
            assert_eq!(found, expected, "{policy:?}: {sections}");
        }
    };
    let avp = "m=audio 4000 RTP/AVP 8\r\n";
    let savp = "m=audio 4000 RTP/SAVP 8\r\n";
    let mki = LINE.replace("\r\n", "|2^20|1:4\r\n");
    check(avp, [Ok((0, false)), Ok((0, false)), Err(SrtpRequired)]);
    check(&format!("{savp}{LINE}"), [Err(SrtpOff), Ok((0, true)), Ok((0, true))]);
    // RFC 8643: whoever does not know of keys in a plain section passes them over.
    check(&format!("{avp}{LINE}"), [Ok((0, false)), Ok((0, true)), Ok((0, true))]);
    check(&format!("{avp}{savp}{LINE}"), [Ok((0, false)), Ok((1, true)), Ok((1, true))]);
    check(&format!("{savp}{LINE}{avp}"), [Ok((1, false)), Ok((0, true)), Ok((0, true))]);
    check(savp, [Err(SrtpOff), Err(NoKey(None)), Err(NoKey(None))]);
    let no_mki = NoKey(Some(CryptoError::Mki));
    check(&format!("{savp}{mki}"), [Err(SrtpOff), Err(no_mki), Err(no_mki)]);
    check(&format!("{avp}{mki}"), [Ok((0, false)), Ok((0, false)), Err(no_mki)]);
    check(&format!("{savp}{mki}{LINE}"), [Err(SrtpOff), Ok((0, true)), Ok((0, true))]);
    check("m=audio 4000 UDP/TLS/RTP/SAVP 8\r\n", [Err(NoCodec); 3]);
    check("m=audio 4000 RTP/SAVP 18\r\n", [Err(NoCodec); 3]);
}

#[test]
fn keys_are_written_as_they_are_read() {
    let crypto = sdes::Crypto::parse(LINE.trim_end().trim_start_matches("a=crypto:")).expect("read");
    let local = "10.0.0.1:4000".parse().expect("address");
    let sound = Sound { codecs: vec![Codec::PCMA], ..Sound::default() };
    for (security, profile) in [
        (Security::Plain, "RTP/AVP"),
        (Security::Opportunistic(vec![crypto.clone()]), "RTP/AVP"),
        (Security::Required(vec![crypto.clone()]), "RTP/SAVP"),
    ] {
        let mut session = SdpSession::new(1);
        session.secure(security.clone());
        let offer = session.offer(local, &sound);
        assert!(offer.contains(&format!("m=audio 4000 {profile} 8\r\n")), "{offer}");
        assert_eq!(offer.contains(LINE), security != Security::Plain, "{offer}");
        assert_eq!(sdp(&offer).media[0].crypto, security.lines());
        assert!(!format!("{session:?}").contains("PS1u"), "{session:?}");
        // An answer has the profile of its offer. The same keys keep the version, others raise it.
        let answer = session.answer(&sdp(&offer), local, Some((0, &sound)));
        assert_eq!(answer, offer);
        session.secure(Security::Plain);
        let changed = session.offer(local, &sound);
        assert_eq!(sdp(&changed).origin != sdp(&offer).origin, security != Security::Plain);
    }
}

#[test]
fn a_peers_parameters_cannot_write_lines_of_ours() {
    let codec = Codec { fmtp: Some("x\r\nc=IN IP4 6.6.6.6".into()), ..Codec::PCMU };
    let sound = Sound { codecs: vec![codec], ..Sound::default() };
    let text = SdpSession::new(1).offer("10.0.0.1:4000".parse().expect("address"), &sound);
    assert!(!text.contains("6.6.6.6"));
}

#[test]
fn limits_hold() {
    let many = format!(
        "v=0\nc=IN IP4 10.0.0.1\nm=audio 4 RTP/AVP {}\n{}a=sendonly\n",
        "0 ".repeat(500),
        "a=x\n".repeat(64)
    );
    let s = sdp(&many);
    assert!(s.media[0].formats.len() < 200);
    assert_eq!(s.media[0].direction, Direction::SendRecv, "the 65th attribute is not looked at");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Sdp::parse(&bytes).map(|s| s.sound());
        let mut sdp = b"v=0\r\n".to_vec();
        sdp.extend(&bytes);
        let read = Sdp::parse(&sdp).expect("begins like SDP");
        prop_assert!(read.media.len() <= MAX_MEDIA);
    }

    #[test]
    fn any_cut_and_change_is_read(at in 0usize..400, byte: u8, cut in 0usize..400) {
        let mut bytes = PHONE.as_bytes().to_vec();
        let n = at % bytes.len();
        bytes[n] = byte;
        bytes.truncate(cut.max(8));
        let answered = Sdp::parse(&bytes).map(|s| {
            let local = "198.51.100.1:30000".parse().expect("address");
            SdpSession::new(1).answer(&s, local, None)
        });
        if let Ok(answer) = answered {
            prop_assert!(Sdp::parse(answer.as_bytes()).is_ok());
        }
    }
}
