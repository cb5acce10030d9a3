//! A provider with two servers, found by SRV from a name server of ours: the first is dead, refuses, dies, or is slow.
//! The exchange ends up with the one that works, and nobody waits long.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ringtrip_testkit::live::{Daemon, wait};
use ringtrip_testkit::peers::{Message, NameServer, Peer, Talk, Ua, sdp};

const CONFIG: &str = r#"
region = "uk"
default_plan = "home"
[plans]
home = "(xxxS0|9xx.<:@gw1>)"
[extension.201]
password = "first-secret"
[gateway.gw1]
server = "provider.example"
user = "line7"
password = "provider-secret"
inbound = ["201"]
MORE
[sip]
listen = ["udp:127.0.0.1:SIP_PORT"]
name_servers = ["NAME_SERVER"]
"#;

/// No registration and no OPTIONS: only calls tell the exchange how the servers are.
const STILL: &str = "register = false\noptions_interval = \"off\"";
/// A slow machine is not a silent server: within so long the next server has heard of the call. The exchange itself is
/// asked for two seconds, which the simulator measures.
const SOON: Duration = Duration::from_secs(6);
const NUMBER: &str = "901480123456";

struct Testbed {
    daemon: Daemon,
    phone: Ua,
    first: Ua,
    second: Ua,
    _dns: NameServer,
}

impl Testbed {
    #[track_caller]
    fn new(more: &str) -> Testbed {
        let dns = NameServer::start();
        let (first, second) = (Peer::udp("127.0.0.2"), Peer::udp("127.0.0.3"));
        dns.sip("provider.example", &[first.at, second.at]);
        let config = CONFIG.replace("NAME_SERVER", &dns.at.to_string()).replace("MORE", more);
        let daemon = Daemon::start(&config);
        let exchange = ([127, 0, 0, 1], daemon.sip).into();
        let phone = Ua::new(Peer::udp("127.0.0.1"), exchange, "201", "first-secret");
        phone.register();
        let provider = |peer| Ua::new(peer, exchange, "provider", "");
        Testbed { phone, first: provider(first), second: provider(second), daemon, _dns: dns }
    }

    /// Dials; the INVITE as this server gets it, and how long that took.
    #[track_caller]
    fn dial(&self, server: &Ua) -> (Talk, Message, Duration) {
        let talk = self.phone.dial(NUMBER, "", &sdp(rtp(), "sendrecv", 1));
        let at = Instant::now();
        let invite = server.called();
        (talk, invite, at.elapsed())
    }

    /// The called server answers, both talk, the phone hangs up.
    #[track_caller]
    fn talk(&self, talk: &mut Talk, server: &Ua, invite: &Message) {
        let far = server.pick_up(invite, &sdp(rtp(), "sendrecv", 1));
        assert_eq!(self.phone.put_through(talk).status(), Some(200));
        self.phone.hang_up(talk);
        server.is_hung_up(&far);
        self.over();
    }

    #[track_caller]
    fn over(&self) {
        wait("an exchange without calls", Duration::from_secs(10), || {
            self.daemon.get("/calls").as_array().filter(|calls| calls.is_empty()).map(drop)
        });
    }

    /// Is gw1 registered at this server?
    fn registered_at(&self, server: &Ua) -> bool {
        let view = self.daemon.get("/gateways/gw1");
        view["registration"] == "registered" && view["address"] == server.peer.at.to_string()
    }

    #[track_caller]
    fn registers_at(&self, server: &Ua) {
        wait("a registration", Duration::from_secs(20), || {
            server.peer.seen();
            self.registered_at(server).then_some(())
        });
    }
}

/// From now on REGISTER and OPTIONS are granted.
fn grants(server: &Ua) {
    server.peer.answers.borrow_mut().extend(["REGISTER", "OPTIONS"]);
}

/// How many requests of this method came to a server?
fn count(server: &Ua, method: &str) -> usize {
    server.peer.seen().iter().filter(|m| m.asks(method)).count()
}

/// Nobody listens here: no test of signalling needs sound.
fn rtp() -> SocketAddr {
    ([127, 0, 0, 1], 9).into()
}

#[test]
fn a_gateway_leaves_a_dead_server_and_stays_with_the_next() {
    let testbed = Testbed::new("");
    let begin = Instant::now();
    grants(&testbed.second);
    testbed.registers_at(&testbed.second);
    println!("registered at the second server after {:?}", begin.elapsed());
    assert!(count(&testbed.first, "REGISTER") > 1, "the first server was asked in vain, and more than once");
    // Calls begin where it is registered.
    let (mut talk, invite, took) = testbed.dial(&testbed.second);
    println!("the second server was called after {took:?}");
    testbed.talk(&mut talk, &testbed.second, &invite);
    assert_eq!(count(&testbed.first, "INVITE"), 0);
    // What was sent to the first ends after 32 s (timer F). That is no news of the second.
    while begin.elapsed() < Duration::from_secs(36) {
        testbed.second.peer.seen();
        assert!(testbed.registered_at(&testbed.second), "{}", testbed.daemon.get("/gateways/gw1"));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_call_leaves_a_silent_server_and_the_next_begins_with_the_good_one() {
    let testbed = Testbed::new(STILL);
    let (mut talk, invite, took) = testbed.dial(&testbed.second);
    println!("the second server was called after {took:?}");
    assert!(took < SOON, "{took:?}");
    testbed.talk(&mut talk, &testbed.second, &invite);
    let before = count(&testbed.first, "INVITE");
    assert!(before > 1, "one lost packet is no failure: the INVITE is repeated before the server is left");
    let (mut talk, invite, _) = testbed.dial(&testbed.second);
    testbed.talk(&mut talk, &testbed.second, &invite);
    assert_eq!(count(&testbed.first, "INVITE"), before, "the second call did not try the silent server");
}

#[test]
fn a_server_that_is_late_is_told_so() {
    let testbed = Testbed::new(STILL);
    let (mut talk, invite, _) = testbed.dial(&testbed.second);
    let late = testbed.first.peer.expect("the first INVITE", |m| m.asks("INVITE"));
    assert_eq!(late.header("call-id"), invite.header("call-id"));
    // It rings at last, and is cancelled; it answers nevertheless, and is thanked and hung up on.
    testbed.first.peer.answer(&late, "180 Ringing", &testbed.first.peer.contact("p"), "");
    let cancel = testbed.first.peer.expect("a CANCEL", |m| m.asks("CANCEL"));
    assert_eq!(cancel.header("via"), late.header("via"));
    let far = testbed.first.pick_up(&late, &sdp(rtp(), "sendrecv", 1));
    testbed.first.is_hung_up(&far);
    // The call itself heard nothing of that.
    testbed.talk(&mut talk, &testbed.second, &invite);
}

#[test]
fn a_call_goes_on_when_a_server_says_503_and_ends_when_it_says_busy() {
    let testbed = Testbed::new(STILL);
    let (mut talk, invite, _) = testbed.dial(&testbed.first);
    testbed.first.peer.answer(&invite, "503 Service Unavailable", "Retry-After: 120\r\n", "");
    let ack = testbed.first.peer.expect("an ACK", |m| m.asks("ACK"));
    assert_eq!(ack.header("call-id"), invite.header("call-id"));
    let invite = testbed.second.called();
    testbed.talk(&mut talk, &testbed.second, &invite);
    let before = count(&testbed.first, "INVITE");
    // For two minutes the second is the first. Busy is the called party's word: no other server is asked.
    let (mut talk, invite, _) = testbed.dial(&testbed.second);
    testbed.second.peer.answer(&invite, "486 Busy Here", "", "");
    assert_eq!(testbed.phone.put_through(&mut talk).status(), Some(486));
    testbed.over();
    assert_eq!(count(&testbed.first, "INVITE"), before);
}

#[test]
fn the_last_server_is_waited_for_when_it_is_slow() {
    let testbed = Testbed::new(STILL);
    let mut talk = testbed.phone.dial(NUMBER, "", &sdp(rtp(), "sendrecv", 1));
    // Its fourth copy leaves 3.5 s after the first: the first server was left after less than half of that.
    let invites = || testbed.second.peer.seen().into_iter().filter(|m| m.asks("INVITE"));
    let fourth = wait("a fourth INVITE", Duration::from_secs(20), || invites().nth(3));
    let invite = testbed.second.called();
    assert_eq!(invite.header("via"), fourth.header("via"));
    testbed.talk(&mut talk, &testbed.second, &invite);
}

#[test]
fn a_server_that_dies_is_left_by_calls_and_by_the_registration() {
    let testbed = Testbed::new("options_interval = \"off\"");
    grants(&testbed.first);
    testbed.registers_at(&testbed.first);
    testbed.first.peer.answers.borrow_mut().clear();
    grants(&testbed.second);
    let registers = count(&testbed.first, "REGISTER");
    let (mut talk, invite, took) = testbed.dial(&testbed.second);
    println!("the second server was called after {took:?}");
    assert!(took < SOON, "{took:?}");
    testbed.talk(&mut talk, &testbed.second, &invite);
    // The call's bad luck made the gateway look: it does not wait for half of the registration's time.
    testbed.registers_at(&testbed.second);
    assert!(count(&testbed.first, "REGISTER") > registers);
}
