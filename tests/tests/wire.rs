//! The SIP of one leg, message by message: a provider that sends what we write, and what it gets back.

use ringtrip_testkit::{PhoneBehaviour, World};

/// A provider (`acme`, admitted by its address) that calls extension 201.
struct Peer {
    world: World,
    cseq: u32,
    to: String,
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.14\r\ns=-\r\nc=IN IP4 192.0.2.14\r\nt=0 0\r\n\
                   m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";

impl Peer {
    fn new() -> Peer {
        let mut world = World::demo(1);
        world.register(&["201"]);
        world.start_gateways();
        world.run(1_000);
        world.write();
        Peer { world, cseq: 0, to: "<sip:acme@192.0.2.1>".to_owned() }
    }

    /// Sends a request and gives the last answer that came within a second.
    fn send(&mut self, method: &str, more: &str, body: &str) -> String {
        if method != "ACK" {
            self.cseq += 1;
        }
        self.send_as(method, self.cseq, more, body)
    }

    fn send_as(&mut self, method: &str, cseq: u32, more: &str, body: &str) -> String {
        let (to, length) = (&self.to, body.len());
        let text = format!(
            "{method} sip:acme@192.0.2.1:5060 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.14:5060;branch=z9hG4bK{method}{cseq};rport\r\n\
             From: <sip:bob@provider.example>;tag=peer\r\nTo: {to}\r\nCall-ID: c1\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:bob@192.0.2.14:5060>\r\nMax-Forwards: 70\r\n{more}Content-Length: {length}\r\n\r\n{body}"
        );
        self.world.inject("acme", &text);
        self.world.run(100);
        if method == "INVITE" && self.world.last_to("acme").starts_with("SIP/2.0 4") {
            // The ACK of a failure is of the INVITE's transaction.
            self.world.inject(
                "acme",
                &text.replace("CSeq: ", "CSeq:").replace(" INVITE\r\n", " ACK\r\n").replacen(
                    "INVITE sip",
                    "ACK sip",
                    1,
                ),
            );
        }
        self.world.run(900);
        let last = self.world.last_to("acme");
        if let Some(to) = header(&last, "To").filter(|to| to.contains(";tag=")) {
            self.to = to;
        }
        last
    }

    fn invite(&mut self, more: &str) -> String {
        self.send("INVITE", &format!("Content-Type: application/sdp\r\n{more}"), SDP)
    }

    /// Lets 201 answer, and acknowledges.
    fn talk(&mut self) {
        self.invite("");
        self.world.run(2_000);
        let answer = self.world.last_to("acme");
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
        self.send("ACK", "", "");
    }
}

fn header(message: &str, name: &str) -> Option<String> {
    let prefix = format!("{name}: ");
    message.lines().find_map(|l| l.strip_prefix(&prefix)).map(str::to_owned)
}

#[track_caller]
fn code(message: &str, want: u16) {
    assert!(message.starts_with(&format!("SIP/2.0 {want} ")), "{want} was expected, this came:\n{message}");
}

#[test]
fn requests_in_a_dialog_get_the_answers_of_their_rfcs() {
    let info = |kind: &str| format!("Content-Type: {kind}\r\n");
    let mut peer = Peer::new();
    peer.talk();
    code(&peer.send("OPTIONS", "", ""), 200);
    code(&peer.send("INFO", &info("application/dtmf-relay"), "Signal=5\r\nDuration=160\r\n"), 200);
    code(&peer.send("INFO", &info("application/dtmf"), "7"), 200);
    code(&peer.send("INFO", "Info-Package: foo\r\n", ""), 469);
    code(&peer.send("INFO", &info("text/plain"), "hello"), 415);
    code(&peer.send("UPDATE", "", ""), 200);
    code(&peer.send("UPDATE", &info("application/sdp"), SDP), 200);
    code(&peer.send("PRACK", "RAck: 1 1 INVITE\r\n", ""), 481);
    code(&peer.send("INVITE", &info("application/sdp"), "nonsense"), 488);
    code(&peer.send("INVITE", &info("application/sdp"), &SDP.replace("RTP/AVP 8 101", "RTP/AVP 3")), 488);
    code(&peer.send("UPDATE", "Session-Expires: 30\r\nSupported: timer\r\n", ""), 422);
    let old = peer.send_as("OPTIONS", 1, "", "");
    code(&old, 500);
    code(&peer.send("BYE", "", ""), 200);
    code(&peer.send("BYE", "", ""), 481);
    let keys = peer.world.ladder().matches("* call.digit").count();
    assert_eq!(keys, 2, "{}", peer.world.ladder());
}

#[test]
fn an_invite_that_cannot_be_served_is_refused() {
    let check = |more: &str, body: &str, want: u16| {
        let mut peer = Peer::new();
        code(&peer.send("INVITE", more, body), want);
        peer.send("ACK", "", "");
        peer.world.run(120_000);
        peer.world.stop_gateways();
        peer.world.run(120_000);
        assert_eq!(peer.world.left_over(), Vec::<String>::new());
    };
    let sdp = "Content-Type: application/sdp\r\n";
    check("Content-Type: text/plain\r\n", "hello", 415);
    check(sdp, "nonsense", 400);
    check(sdp, &SDP.replace("m=audio", "m=video"), 488);
    check(&format!("{sdp}Session-Expires: 30\r\nSupported: timer\r\n"), SDP, 422);
    check(&format!("{sdp}Require: teleport\r\n"), SDP, 420);
}

#[test]
fn an_offer_may_come_late() {
    let mut peer = Peer::new();
    peer.send("INVITE", "", "");
    peer.world.run(2_000);
    let answer = peer.world.last_to("acme");
    code(&answer, 200);
    assert!(answer.contains("m=audio"), "our offer is in the 200:\n{answer}");
    peer.send("ACK", "Content-Type: application/sdp\r\n", SDP);
    assert!(peer.world.phone("201").is_up());
    let ladder = peer.world.ladder().to_owned();
    assert!(ladder.contains("↔ 192.0.2.14:4000 Pcma SendRecv"), "{ladder}");
    code(&peer.send("BYE", "", ""), 200);
}

#[test]
fn an_ack_without_the_answer_ends_the_call() {
    let mut peer = Peer::new();
    peer.send("INVITE", "", "");
    peer.world.run(2_000);
    peer.send("ACK", "", "");
    assert!(peer.world.last_to("acme").starts_with("BYE "), "{}", peer.world.ladder());
    assert!(!peer.world.phone("201").is_up());
}

#[test]
fn provisional_answers_are_repeated_until_prack_and_hold_the_200_back() {
    let mut peer = Peer::new();
    let ringing = peer.invite("Require: 100rel\r\n");
    code(&ringing, 180);
    let rseq = header(&ringing, "RSeq").expect("a reliable answer has a number");
    assert_eq!(header(&ringing, "Require").as_deref(), Some("100rel"));
    let times = peer.world.ladder().matches("→ acme  180").count();
    assert!(times > 1, "repeated until acknowledged:\n{}", peer.world.ladder());
    peer.world.run(3_000);
    assert!(!peer.world.ladder().contains("→ acme  200 OK (INVITE)"), "{}", peer.world.ladder());
    code(&peer.send("PRACK", &format!("RAck: {rseq} 1 INVITE\r\n"), ""), 200);
    assert!(peer.world.ladder().contains("→ acme  200 OK (INVITE)"), "{}", peer.world.ladder());
    peer.send_as("ACK", 1, "", "");
    assert!(peer.world.phone("201").is_up());
    code(&peer.send("BYE", "", ""), 200);
}

#[test]
fn a_call_whose_ack_never_comes_is_ended() {
    let mut peer = Peer::new();
    peer.invite("");
    peer.world.run(60_000);
    assert!(!peer.world.phone("201").is_up(), "{}", peer.world.ladder());
}

#[test]
fn who_asks_for_a_short_session_and_vanishes_is_hung_up() {
    let mut peer = Peer::new();
    peer.invite("Session-Expires: 90;refresher=uac\r\nSupported: timer\r\n");
    peer.world.run(2_000);
    let answer = peer.world.last_to("acme");
    assert_eq!(header(&answer, "Session-Expires").as_deref(), Some("90;refresher=uac"), "{answer}");
    peer.send("ACK", "", "");
    peer.world.run(95_000);
    assert!(!peer.world.phone("201").is_up(), "{}", peer.world.ladder());
    assert!(peer.world.ladder().contains("cause=session-expired"), "{}", peer.world.ladder());
}

#[test]
fn a_withheld_number_is_not_shown_to_phones() {
    let mut peer = Peer::new();
    peer.invite("Privacy: id\r\nP-Asserted-Identity: <sip:02079460000@provider.example>\r\n");
    assert_eq!(peer.world.phone("201").diary, ["registered", "called by anonymous"]);
}

#[test]
fn a_trusted_providers_word_about_the_caller_is_believed() {
    let mut peer = Peer::new();
    peer.invite("P-Asserted-Identity: \"Jane\" <sip:02079460000@provider.example>\r\n");
    assert_eq!(peer.world.phone("201").diary, ["registered", "called by 02079460000"]);
}

#[test]
fn a_stranger_gets_a_challenge_and_a_dead_dialog_481() {
    let mut peer = Peer::new();
    peer.world.stop_gateways();
    let text = "INVITE sip:201@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.99:5060;branch=z9hG4bKx;rport\r\n\
                From: <sip:201@x>;tag=a\r\nTo: <sip:201@x>\r\nCall-ID: s\r\nCSeq: 1 INVITE\r\n\
                Contact: <sip:x@192.0.2.99>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
    peer.world.inject("203", text);
    peer.world.run(100);
    code(&peer.world.last_to("203"), 401);
    let bye = text
        .replace("INVITE", "BYE")
        .replace("To: <sip:201@x>", "To: <sip:201@x>;tag=0123456789abcdef-0-00ff");
    peer.world.inject("203", &bye.replace("z9hG4bKx", "z9hG4bKy"));
    peer.world.run(100);
    code(&peer.world.last_to("203"), 481);
}

#[test]
fn a_wrong_password_at_the_provider_is_said_in_words() {
    let mut world = World::demo(1);
    world.phone("acme").guards("acme", "another");
    world.start_gateways();
    world.run(2_000);
    let status = world.gateway("gw1").expect("a gateway").status();
    assert_eq!(status.registered, Some(false));
    assert!(status.last_error.is_some_and(|e| e.contains("password")));
}

#[test]
fn a_provider_that_is_silent_goes_down_and_comes_back() {
    let mut world = World::demo(1);
    world.phone("acme").behaviour(PhoneBehaviour::Dead);
    world.start_gateways();
    world.run(40_000);
    assert!(!world.gateway("gw1").expect("a gateway").status().up);
    world.phone("acme").behaviour(PhoneBehaviour::Ring);
    world.run(120_000);
    let status = world.gateway("gw1").expect("a gateway").status();
    assert_eq!((status.up, status.registered), (true, Some(true)));
    assert!(status.latency_ms.is_some_and(|ms| (ms - 20.0).abs() < 0.5), "{:?}", status.latency_ms);
}
