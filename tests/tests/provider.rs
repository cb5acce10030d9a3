//! Providers: registration, calls out and in, refusals, failover, keep-alives; played by sipp, which checks our digest
//! by its own means, and by a peer that says exactly what a test wants.

use std::net::SocketAddr;
use std::time::Duration;

use ringtrip_testkit::live::{Daemon, free_port, has, wait};
use ringtrip_testkit::peers::{Events, Message, Peer, Sipp, Talk, Ua, sdp};

const CONFIG: &str = r#"
region = "uk"
default_plan = "home"
[plans]
home = "(xxxS0|9xx.<:@gw1>|8xx.<:@127.0.0.3:AD_HOC>)"
[extension.201]
name = "Hall"
password = "first-secret"
caller_id = "01480200201"
[extension.202]
password = "second-secret"
[gateway.gw1]
server = "GATEWAY"
user = "line7"
password = "provider-secret"
inbound = "refuse"
MORE
[gateway.gw1.dids]
"441480000201" = ["201"]
[sip]
listen = ["udp:127.0.0.1:SIP_PORT", "tcp:127.0.0.1:SIP_PORT"]
SIP_MORE
"#;

/// An exchange with one provider and a phone at 201.
struct Testbed {
    daemon: Daemon,
    exchange: SocketAddr,
    events: Events,
    phone: Ua,
}

impl Testbed {
    #[track_caller]
    fn new(gateway: &str, more: &str) -> Testbed {
        Testbed::with(gateway, more, "", 5060)
    }
    #[track_caller]
    fn with(gateway: &str, more: &str, sip: &str, ad_hoc: u16) -> Testbed {
        let config = CONFIG.replace("GATEWAY", gateway).replace("SIP_MORE", sip).replace("MORE", more);
        let daemon = Daemon::start(&config.replace("AD_HOC", &ad_hoc.to_string()));
        let exchange = ([127, 0, 0, 1], daemon.sip).into();
        let events = Events::open(&daemon);
        let phone = Ua::new(Peer::udp("127.0.0.1"), exchange, "201", "first-secret");
        phone.register();
        Testbed { daemon, exchange, events, phone }
    }
    #[track_caller]
    fn is_up(&self) {
        wait("gw1 is up", Duration::from_secs(20), || {
            self.daemon.get("/gateways/gw1")["up"].as_bool().filter(|up| *up)
        });
    }
    /// The phone dials; the provider's INVITE.
    #[track_caller]
    fn dial(&self, provider: &Ua, number: &str, more: &str) -> (Talk, Message) {
        let talk = self.phone.dial(number, more, &sdp(rtp(), "sendrecv", 1));
        (talk, provider.called())
    }
    #[track_caller]
    fn ended(&self, cause: &str) {
        wait(&format!("a record of {cause}"), Duration::from_secs(15), || {
            (self.daemon.last_cdr()["cause"] == cause).then_some(())
        });
        wait("an exchange without calls", Duration::from_secs(10), || {
            self.daemon.get("/calls").as_array().filter(|calls| calls.is_empty()).map(drop)
        });
    }
}

/// Nobody listens here: no test of signalling needs sound.
fn rtp() -> SocketAddr {
    ([127, 0, 0, 1], 9).into()
}

/// A provider that takes every REGISTER and OPTIONS, at an address of its own: calls from there are its calls.
fn provider(peer: Peer, exchange: u16) -> Ua {
    peer.answers.borrow_mut().extend(["REGISTER", "OPTIONS"]);
    Ua::new(peer, ([127, 0, 0, 1], exchange).into(), "provider", "")
}

/// An exchange and its provider at 127.0.0.2.
#[track_caller]
fn both(more: &str) -> (Testbed, Ua) {
    let peer = Peer::udp("127.0.0.2");
    let testbed =
        Testbed::new(&peer.at.to_string(), &format!("register = false\noptions_interval = \"off\"\n{more}"));
    let provider = provider(peer, testbed.exchange.port());
    (testbed, provider)
}

#[test]
#[cfg_attr(not(has_sipp), ignore = "needs sipp")]
fn a_trunk_registers_with_digest_and_refreshes() {
    if !has("sipp") {
        return;
    }
    let at = SocketAddr::from(([127, 0, 0, 2], free_port()));
    // sipp verifies both answers with its own MD5, grants 4 s and wants to see the refresh.
    let mut sipp = Sipp::wait_for("registrar.xml", at, &[]);
    let testbed = Testbed::new(&at.to_string(), "options_interval = \"off\"");
    testbed.is_up();
    sipp.succeeds();
    let view = testbed.daemon.get("/gateways/gw1");
    assert_eq!(view["registration"], "registered", "{view}");
    testbed.events.expect("gateway.state", |e| e["up"] == true);
}

#[test]
#[cfg_attr(not(has_sipp), ignore = "needs sipp")]
fn a_call_out_is_challenged_proven_answered_and_hung_up() {
    if !has("sipp") {
        return;
    }
    let at = SocketAddr::from(([127, 0, 0, 2], free_port()));
    let mut sipp = Sipp::wait_for("called-with-401.xml", at, &[]);
    let testbed = Testbed::new(&at.to_string(), "register = false\noptions_interval = \"off\"");
    let mut talk = testbed.phone.dial("901480123456", "", &sdp(rtp(), "sendrecv", 1));
    let answer = testbed.phone.put_through(&mut talk);
    assert_eq!(answer.status(), Some(200), "{}\n{}", answer.text, sipp.report());
    testbed.phone.is_hung_up(&talk);
    sipp.succeeds();
    testbed.ended("normal");
    let cdr = testbed.daemon.last_cdr();
    assert_eq!((&cdr["target"], &cdr["sent"]), (&"gw1".into(), &"901480123456".into()), "{cdr}");
}

#[test]
fn a_proxy_of_the_provider_is_answered_in_its_own_header() {
    let (testbed, provider) = both("");
    let (mut talk, invite) = testbed.dial(&provider, "901480123456", "");
    assert_eq!(invite.header("proxy-authorization"), "");
    let challenge =
        "Proxy-Authenticate: Digest realm=\"provider.example\", nonce=\"77ab01\", qop=\"auth\"\r\n";
    provider.peer.answer(&invite, "407 Proxy Authentication Required", challenge, "");
    let proven = provider.called();
    let proof = proven.header("proxy-authorization");
    for part in
        ["username=\"line7\"", "realm=\"provider.example\"", "nonce=\"77ab01\"", "qop=auth", "nc=00000001"]
    {
        assert!(proof.contains(part), "{part}: {}", proven.text);
    }
    assert_eq!(proven.header("authorization"), "");
    assert_eq!(proven.header("call-id"), invite.header("call-id"));
    assert_ne!(proven.header("cseq"), invite.header("cseq"));
    // Wrong proof is not offered again and again: the same nonce refused is the end.
    provider.peer.answer(&proven, "407 Proxy Authentication Required", challenge, "");
    let answer = testbed.phone.put_through(&mut talk);
    assert!(answer.status().is_some_and(|s| s >= 400), "{}", answer.text);
    // Right proof is taken.
    let (mut talk, invite) = testbed.dial(&provider, "901480123456", "");
    provider.peer.answer(&invite, "407 Proxy Authentication Required", challenge, "");
    let proven = provider.called();
    let far = provider.pick_up(&proven, &sdp(rtp(), "sendrecv", 1));
    assert_eq!(testbed.phone.put_through(&mut talk).status(), Some(200));
    testbed.phone.hang_up(&talk);
    let bye = provider.is_hung_up(&far);
    assert!(bye.header("proxy-authorization").contains("nc=0000000"), "{}", bye.text);
    testbed.ended("normal");
}

#[test]
fn hold_and_resume_reach_the_provider() {
    let (testbed, provider) = both("");
    let (mut talk, invite) = testbed.dial(&provider, "901480123456", "");
    let far = provider.pick_up(&invite, &sdp(rtp(), "sendrecv", 1));
    assert_eq!(testbed.phone.put_through(&mut talk).status(), Some(200));
    for (version, way, answered) in [(2, "sendonly", "recvonly"), (3, "sendrecv", "sendrecv")] {
        testbed.phone.within(&talk, "INVITE", "", &sdp(rtp(), way, version));
        let again = provider.asked(&far, "INVITE", Duration::from_secs(15)).expect("a re-INVITE");
        assert!(again.body.contains(&format!("a={way}")), "{}", again.text);
        let more = provider.peer.contact("provider");
        provider.peer.answer(&again, "200 OK", &more, &sdp(rtp(), answered, version));
        provider.asked(&far, "ACK", Duration::from_secs(15)).expect("its ACK");
        let answer = testbed.phone.ended(&talk, "INVITE");
        assert_eq!(answer.status(), Some(200), "{}", answer.text);
        assert!(answer.body.contains(&format!("a={answered}")), "{}", answer.text);
        testbed.phone.within(&talk, "ACK", "", "");
    }
    testbed.phone.hang_up(&talk);
    provider.is_hung_up(&far);
    testbed.ended("normal");
}

#[test]
fn a_number_of_ours_rings_its_extension_and_another_is_refused() {
    let (testbed, provider) = both("");
    let to = format!("sip:441480000201@{}", testbed.exchange);
    let more = "P-Asserted-Identity: \"Bob\" <sip:01480555666@provider.example>\r\n";
    let mut talk = provider.ask("INVITE", &to, &to, more, &sdp(rtp(), "sendrecv", 1));
    let invite = testbed.phone.called();
    assert!(invite.header("from").contains("\"Bob\" <sip:01480555666@"), "{}", invite.text);
    let phone = testbed.phone.pick_up(&invite, &sdp(rtp(), "sendrecv", 1));
    assert_eq!(provider.put_through(&mut talk).status(), Some(200));
    testbed.phone.hang_up(&phone);
    provider.is_hung_up(&talk);
    testbed.ended("normal");
    // A provider may withhold its caller.
    let more = format!("{more}Privacy: id\r\n");
    let talk = provider.ask("INVITE", &to, &to, &more, &sdp(rtp(), "sendrecv", 1));
    let invite = testbed.phone.called();
    assert!(invite.header("from").contains("anonymous@anonymous.invalid"), "{}", invite.text);
    assert!(!invite.text.contains("01480555666"), "{}", invite.text);
    // A CANCEL may not leave before the phone has said something (RFC 3261 §9.1).
    testbed.phone.peer.answer(&invite, "180 Ringing", &testbed.phone.peer.contact("201"), "");
    provider.rings(&talk);
    provider.within(&talk, "CANCEL", "", "");
    let cancel = testbed.phone.peer.expect("a CANCEL", |m| m.asks("CANCEL"));
    testbed.phone.peer.answer(&cancel, "200 OK", "", "");
    testbed.phone.peer.answer(&invite, "487 Request Terminated", "", "");
    testbed.ended("cancelled");
    let other = format!("sip:441480999999@{}", testbed.exchange);
    let mut talk = provider.ask("INVITE", &other, &other, "", &sdp(rtp(), "sendrecv", 1));
    let answer = provider.put_through(&mut talk);
    assert!(matches!(answer.status(), Some(403 | 404)), "{}", answer.text);
}

#[test]
fn what_the_provider_refuses_is_what_the_caller_hears() {
    let (testbed, provider) = both("");
    for (status, heard, cause) in [
        ("486 Busy Here", 486, "busy"),
        ("404 Not Found", 404, "unallocated"),
        ("603 Decline", 603, "declined"),
        ("488 Not Acceptable Here", 488, "incompatible"),
    ] {
        let (mut talk, invite) = testbed.dial(&provider, "901480123456", "");
        provider.peer.answer(&invite, status, "", "");
        assert_eq!(testbed.phone.put_through(&mut talk).status(), Some(heard));
        testbed.ended(cause);
    }
}

#[test]
fn the_caller_is_asserted_to_a_trusted_provider_and_withheld_when_asked() {
    let (testbed, provider) = both("");
    let (talk, invite) = testbed.dial(&provider, "901480123456", "");
    assert!(invite.header("p-asserted-identity").contains("<sip:01480200201@"), "{}", invite.text);
    assert_eq!(invite.header("privacy"), "");
    provider.peer.answer(&invite, "180 Ringing", &provider.peer.contact("p"), "");
    testbed.phone.rings(&talk);
    // The caller gives up while it rings.
    testbed.phone.within(&talk, "CANCEL", "", "");
    assert_eq!(testbed.phone.ended(&talk, "CANCEL").status(), Some(200));
    let cancel = provider.peer.expect("a CANCEL", |m| m.asks("CANCEL"));
    provider.peer.answer(&cancel, "200 OK", "", "");
    provider.peer.answer(&invite, "487 Request Terminated", "", "");
    assert_eq!(testbed.phone.ended(&talk, "INVITE").status(), Some(487));
    testbed.ended("cancelled");
    let (mut talk, invite) = testbed.dial(&provider, "901480123456", "Privacy: id\r\n");
    assert!(invite.header("from").contains("anonymous@anonymous.invalid"), "{}", invite.text);
    assert_eq!(invite.header("privacy"), "id");
    // It learns who it is for the law's sake, and must not show it.
    assert!(invite.header("p-asserted-identity").contains("<sip:01480200201@"), "{}", invite.text);
    provider.peer.answer(&invite, "480 Temporarily Unavailable", "", "");
    assert_eq!(testbed.phone.put_through(&mut talk).status(), Some(480));
}

#[test]
fn an_untrusted_provider_learns_nothing_and_is_not_believed() {
    let (testbed, provider) = both("trusted = false");
    let (mut talk, invite) = testbed.dial(&provider, "901480123456", "Privacy: id\r\n");
    assert_eq!(invite.header("p-asserted-identity"), "");
    assert!(!invite.text.contains("201@"), "{}", invite.text);
    provider.peer.answer(&invite, "486 Busy Here", "", "");
    testbed.phone.put_through(&mut talk);
    let to = format!("sip:441480000201@{}", testbed.exchange);
    let lie = "P-Asserted-Identity: \"The Bank\" <sip:0800111@provider.example>\r\n";
    provider.ask("INVITE", &to, &to, lie, &sdp(rtp(), "sendrecv", 1));
    let invite = testbed.phone.called();
    assert!(!invite.text.contains("0800111"), "{}", invite.text);
    testbed.phone.peer.answer(&invite, "486 Busy Here", "", "");
}

#[test]
fn an_ad_hoc_host_of_the_plan_is_called() {
    let peer = Peer::udp("127.0.0.3");
    let testbed =
        Testbed::with("127.0.0.2:5099", "register = false\noptions_interval = \"off\"", "", peer.at.port());
    let host = provider(peer, testbed.exchange.port());
    let (mut talk, invite) = testbed.dial(&host, "8600", "");
    assert_eq!(invite.dialled(), "8600");
    let far = host.pick_up(&invite, &sdp(rtp(), "sendrecv", 1));
    assert_eq!(testbed.phone.put_through(&mut talk).status(), Some(200));
    testbed.phone.hang_up(&talk);
    host.is_hung_up(&far);
    testbed.ended("normal");
}

#[test]
fn options_tell_whether_a_provider_lives() {
    let peer = Peer::udp("127.0.0.2");
    let testbed = Testbed::new(&peer.at.to_string(), "register = false\noptions_interval = \"1s\"");
    for _ in 0..2 {
        let options = peer.expect("OPTIONS", |m| m.asks("OPTIONS"));
        peer.answer(&options, "200 OK", "", "");
        testbed.is_up();
    }
    testbed.events.expect("gateway.state", |e| e["up"] == true);
    // It says that it is out of service; then it comes back.
    let options = peer.expect("OPTIONS", |m| m.asks("OPTIONS"));
    peer.answer(&options, "503 Service Unavailable", "", "");
    testbed.events.expect("gateway.state", |e| e["up"] == false);
    let mut talk = testbed.phone.dial("901480123456", "", &sdp(rtp(), "sendrecv", 1));
    let answer = testbed.phone.put_through(&mut talk);
    assert!(answer.status().is_some_and(|s| s >= 500), "{}", answer.text);
    peer.answers.borrow_mut().push("OPTIONS");
    wait("gw1 is up again", Duration::from_secs(40), || {
        peer.seen();
        testbed.daemon.get("/gateways/gw1")["up"].as_bool().filter(|up| *up)
    });
}

#[test]
fn a_provider_over_tcp_registers_calls_and_is_called() {
    let peer = Peer::tcp("127.0.0.2");
    let testbed = Testbed::new(&peer.at.to_string(), "transport = \"tcp\"\noptions_interval = \"off\"");
    let register = peer.expect("REGISTER", |m| m.asks("REGISTER"));
    assert!(register.header("contact").contains(";transport=tcp"), "{}", register.text);
    assert!(register.header("via").starts_with("SIP/2.0/TCP"), "{}", register.text);
    let contact = format!("Contact: {};expires=60\r\n", register.header("contact"));
    peer.answer(&register, "200 OK", &contact, "");
    testbed.is_up();
    let provider = provider(peer, testbed.exchange.port());
    let (mut talk, invite) = testbed.dial(&provider, "901480123456", "");
    let far = provider.pick_up(&invite, &sdp(rtp(), "sendrecv", 1));
    assert_eq!(testbed.phone.put_through(&mut talk).status(), Some(200));
    testbed.phone.hang_up(&talk);
    provider.is_hung_up(&far);
    testbed.ended("normal");
    let to = format!("sip:441480000201@{}", testbed.exchange);
    let mut talk = provider.ask("INVITE", &to, &to, "", &sdp(rtp(), "sendrecv", 1));
    let invite = testbed.phone.called();
    let phone = testbed.phone.pick_up(&invite, &sdp(rtp(), "sendrecv", 1));
    assert_eq!(provider.put_through(&mut talk).status(), Some(200));
    provider.hang_up(&talk);
    testbed.phone.is_hung_up(&phone);
    testbed.ended("normal");
}
