//! A usual INVITE of a desk telephone, 1.1 kB with its SDP; and how many allocations it takes to read and route it.

/// The octets.
pub fn octets() -> Vec<u8> {
    let sdp = "v=0\r\no=- 1732286400 1732286400 IN IP4 192.0.2.77\r\ns=call\r\nc=IN IP4 192.0.2.77\r\nt=0 0\r\n\
               m=audio 40000 RTP/AVP 9 0 8 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
               a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=maxptime:60\r\na=sendrecv\r\n";
    let head = [
        "INVITE sip:+442079460123@pbx.example.com:5060;user=phone SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bK-524287-1---5b0c1a9f3e7d2c48;rport",
        "Max-Forwards: 70",
        "Contact: <sip:200@192.0.2.77:5060;transport=udp>;+sip.instance=\"<urn:uuid:6f2a1c9e-0d5b-4e57-9a66-00a0c91e6bf6>\"",
        "To: <sip:+442079460123@pbx.example.com;user=phone>",
        "From: \"Tess Ring\" <sip:200@pbx.example.com>;tag=7a3f9c21",
        "Call-ID: 84c1f0d2e5b64c7f9a21b3d4e5f60718@192.0.2.77",
        "CSeq: 2 INVITE",
        "Session-Expires: 1800;refresher=uac",
        "Min-SE: 90",
        "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, INFO, PRACK, UPDATE",
        "Supported: replaces, timer, 100rel, outbound",
        "Content-Type: application/sdp",
        "User-Agent: Desk Telephone 4.2.1",
        "Allow-Events: talk, hold, conference",
        "P-Preferred-Identity: \"Tess Ring\" <sip:200@pbx.example.com>",
    ];
    let length = format!("Content-Length: {}", sdp.len());
    format!("{}\r\n{length}\r\n\r\n{sdp}", head.join("\r\n")).into_bytes()
}

#[cfg(test)]
mod tests {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::cell::Cell;

    use bytes::Bytes;
    use ringtrip_sip::lex::{self, Limits};
    use ringtrip_sip::message::Message;
    use ringtrip_sip::screen::MandatoryHeaders;

    struct Counting;

    thread_local! {
        static COUNT: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    }

    // SAFETY: every call goes to the system's allocator as it came; the count beside it allocates nothing.
    #[allow(unsafe_code)]
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let _ = COUNT.try_with(|c| c.set((c.get().0 + 1, c.get().1 + layout.size())));
            unsafe { System.alloc(layout) }
        }
        unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
            unsafe { System.dealloc(at, layout) }
        }
        unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            let _ = COUNT.try_with(|c| c.set((c.get().0 + 1, c.get().1 + size)));
            unsafe { System.realloc(at, layout, size) }
        }
    }

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    /// How often and how much this thread allocates in `f`.
    fn cost<T>(f: impl FnOnce() -> T) -> (T, usize, usize) {
        let (times, octets) = COUNT.get();
        let out = f();
        let (times_after, octets_after) = COUNT.get();
        (out, times_after - times, octets_after - octets)
    }

    #[test]
    fn an_invite_is_lexed_and_routed_with_four_allocations_at_most() {
        let raw = Bytes::from(super::octets());
        assert!((1_050..1_250).contains(&raw.len()), "{} octets", raw.len());
        let (routed, times, _) = cost(|| {
            let message = lex::message(raw, &Limits::default()).expect("a message").message;
            let Message::Request(request) = &message else { panic!("a request") };
            let envelope = MandatoryHeaders::read(&request.headers).expect("an envelope");
            let key = (envelope.via.params.bytes("branch"), envelope.via.host.clone(), envelope.via.port);
            (message, envelope, key)
        });
        assert_eq!(routed.2.0.as_deref(), Some(&b"z9hG4bK-524287-1---5b0c1a9f3e7d2c48"[..]));
        assert!(times <= 4, "{times} allocations");
        println!("{times} allocations");
    }

    #[test]
    fn no_message_makes_us_hold_more_than_a_quarter_of_a_megabyte() {
        let top = "INVITE sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
                   To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n";
        for (what, bomb) in [
            ("one header", format!("X: {}\r\n", "y".repeat(64_000))),
            ("headers", "X: y\r\n".repeat(10_000)),
            ("Vias", "v: SIP/2.0/UDP h;branch=z9hG4bK1\r\n".repeat(1_000)),
            ("contacts in lines", "m: <sip:a@b>\r\n".repeat(1_000)),
            ("contacts in a line", format!("m: {}\r\n", ["<sip:a@b>"; 1_000].join(","))),
            ("folds", format!("X: y\r\n{}", " z\r\n".repeat(15_000))),
            ("no line end", "x".repeat(1 << 20)),
        ] {
            let raw = Bytes::from(format!("{top}{bomb}\r\n"));
            let can = ringtrip_sip::screen::Abilities::default();
            let ((), times, octets) = cost(|| {
                if let Ok(lex::Parsed { message: Message::Request(request), .. }) =
                    lex::message(raw, &Limits::default())
                {
                    let _ = ringtrip_sip::screen::request(&request, &can);
                }
            });
            assert!(octets <= 256 * 1024, "{what}: {octets} octets in {times} allocations");
        }
    }

    /// Four times the octets cost four times the memory, or less where a limit cuts in; never sixteen.
    #[test]
    fn traps_cost_in_proportion_to_their_length() {
        let top = "INVITE sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\
                   To: <sip:a@b>\r\n";
        let wide = Limits { message: 1 << 20, head: 1 << 20, line: 1 << 20, headers: 1 << 20 };
        let can = ringtrip_sip::screen::Abilities::default();
        for trap in [";", ",", "\"", "%", "<", "\\", ";a=b", "%41", "\r\n x", "a, ", "<sip:a@b>,", "\"\","] {
            for place in [
                "From: <sip:a@b>",
                "Contact: <sip:a@b>",
                "Require: ",
                "Route: ",
                "Record-Route: <sip:a@b;lr>",
                "X: ",
            ] {
                let run = |octets: usize| {
                    let raw =
                        Bytes::from(format!("{top}{place}{}\r\n\r\n", trap.repeat(octets / trap.len())));
                    let ((), times, octets) = cost(|| {
                        let parsed = lex::message(raw, &wide);
                        if let Ok(lex::Parsed { message: Message::Request(request), .. }) = parsed {
                            let _ = ringtrip_sip::screen::request(&request, &can);
                        }
                    });
                    (times, octets)
                };
                let (short, long) = (run(16_000), run(64_000));
                assert!(long.0 <= 4 * short.0 + 16, "{place}{trap:?}: {short:?} {long:?} allocations");
                assert!(long.1 <= 4 * short.1 + 4_400, "{place}{trap:?}: {short:?} {long:?} octets");
            }
        }
    }
}
