//! What SIP asks of a long or careful call: reliable provisional answers, UPDATE, session timers, and IPv6.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use ringtrip_testkit::live::Daemon;
use ringtrip_testkit::peers::{Peer, Ua, sdp};

const CONFIG: &str = r#"
region = "uk"
default_plan = "home"
[plans]
home = "(xxxS0)"
[extension.201]
password = "first-secret"
[extension.202]
password = "second-secret"
[sip]
listen = ["udp:LOOPBACK:SIP_PORT", "tcp:LOOPBACK:SIP_PORT"]
"#;

struct Testbed {
    daemon: Daemon,
    first: Ua,
    second: Ua,
}

/// An exchange on this loopback address with two phones.
fn testbed(ip: &str) -> Testbed {
    let shown = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
    let daemon = Daemon::start(&CONFIG.replace("LOOPBACK", &shown));
    let exchange = SocketAddr::new(ip.parse().expect("an address"), daemon.sip);
    let first = Ua::new(Peer::udp(ip), exchange, "201", "first-secret");
    let second = Ua::new(Peer::udp(ip), exchange, "202", "second-secret");
    first.register();
    second.register();
    Testbed { daemon, first, second }
}

fn rtp() -> SocketAddr {
    ([127, 0, 0, 1], 9).into()
}

#[test]
fn a_caller_who_requires_it_gets_reliable_ringing() {
    let Testbed { daemon, first, second } = testbed("127.0.0.1");
    let mut talk = first.dial("202", "Require: 100rel\r\n", &sdp(rtp(), "sendrecv", 1));
    let invite = second.called();
    second.peer.answer(&invite, "180 Ringing", &second.peer.contact("202"), "");
    let ringing = first.rings(&talk);
    assert!(ringing.header("require").contains("100rel"), "{}", ringing.text);
    let rseq = ringing.header("rseq").to_owned();
    assert!(!rseq.is_empty(), "{}", ringing.text);
    talk.early(&ringing);
    let cseq = ringing.header("cseq").to_owned();
    first.within(&talk, "PRACK", &format!("RAck: {rseq} {cseq}\r\n"), "");
    assert_eq!(first.ended(&talk, "PRACK").status(), Some(200));
    let far = second.pick_up(&invite, &sdp(rtp(), "sendrecv", 1));
    // The INVITE's own number, which the PRACK has passed.
    let answer = first.peer.expect("the answer", |m| m.ends("INVITE") && m.status() == Some(200));
    assert_eq!(answer.header("cseq"), cseq);
    first.within(&talk, "ACK", "", "");
    first.hang_up(&talk);
    second.is_hung_up(&far);
    assert_eq!(daemon.last_cdr()["cause"], "normal");
}

#[test]
fn reliable_ringing_of_the_called_side_is_acknowledged() {
    let Testbed { daemon, first, second } = testbed("127.0.0.1");
    let mut talk = first.dial("202", "", &sdp(rtp(), "sendrecv", 1));
    let invite = second.called();
    assert!(invite.header("supported").contains("100rel"), "{}", invite.text);
    let more = format!("{}Require: 100rel\r\nRSeq: 7\r\n", second.peer.contact("202"));
    second.peer.answer(&invite, "183 Session Progress", &more, &sdp(rtp(), "sendrecv", 1));
    let prack = second.peer.expect("a PRACK", |m| m.asks("PRACK"));
    assert_eq!(prack.header("rack"), format!("7 {}", invite.header("cseq")));
    second.peer.answer(&prack, "200 OK", "", "");
    assert_eq!(first.rings(&talk).status(), Some(183));
    let far = second.pick_up(&invite, "");
    assert_eq!(first.put_through(&mut talk).status(), Some(200));
    first.hang_up(&talk);
    second.is_hung_up(&far);
    assert_eq!(daemon.last_cdr()["cause"], "normal");
}

#[test]
fn update_changes_a_call_that_stands() {
    let Testbed { daemon, first, second } = testbed("127.0.0.1");
    let mut talk = first.dial("202", "", &sdp(rtp(), "sendrecv", 1));
    let invite = second.called();
    let far = second.pick_up(&invite, &sdp(rtp(), "sendrecv", 1));
    assert_eq!(first.put_through(&mut talk).status(), Some(200));
    first.within(&talk, "UPDATE", "", &sdp(rtp(), "sendonly", 2));
    let answer = first.ended(&talk, "UPDATE");
    assert_eq!(answer.status(), Some(200), "{}", answer.text);
    assert!(answer.body.contains("a=recvonly"), "{}", answer.text);
    first.hang_up(&talk);
    second.is_hung_up(&far);
    assert_eq!(daemon.last_cdr()["cause"], "normal");
}

#[test]
fn a_session_is_refreshed_at_half_its_time() {
    let Testbed { daemon, first, second } = testbed("127.0.0.1");
    let more = "Supported: timer\r\nSession-Expires: 90;refresher=uas\r\n";
    let mut talk = first.dial("202", more, &sdp(rtp(), "sendrecv", 1));
    let invite = second.called();
    let far = second.pick_up(&invite, &sdp(rtp(), "sendrecv", 1));
    let answer = first.put_through(&mut talk);
    assert_eq!(answer.header("session-expires").replace(' ', ""), "90;refresher=uas", "{}", answer.text);
    let refresh = first.peer.within(Duration::from_secs(50), &|m: &ringtrip_testkit::peers::Message| {
        m.asks("INVITE") || m.asks("UPDATE")
    });
    let refresh = refresh.expect("a refresh within fifty seconds");
    assert!(refresh.header("session-expires").starts_with("90"), "{}", refresh.text);
    let more =
        format!("{}Require: timer\r\nSession-Expires: 90;refresher=uac\r\n", first.peer.contact("201"));
    let body = if refresh.body.is_empty() { String::new() } else { sdp(rtp(), "sendrecv", 1) };
    first.peer.answer(&refresh, "200 OK", &more, &body);
    assert_eq!(daemon.get("/calls").as_array().map(Vec::len), Some(1));
    second.hang_up(&far);
    first.is_hung_up(&talk);
    // One that is too short is refused with the shortest that is taken.
    let talk = first.dial("202", "Supported: timer\r\nSession-Expires: 30\r\n", &sdp(rtp(), "sendrecv", 1));
    let answer = first.ended(&talk, "INVITE");
    assert_eq!((answer.status(), answer.header("min-se")), (Some(422), "90"), "{}", answer.text);
}

#[test]
fn phones_call_over_ipv6() {
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return println!("skipped: this machine has no IPv6 loopback");
    }
    let Testbed { daemon, first, second } = testbed("::1");
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 9));
    let mut talk = first.dial("202", "", &sdp(v6, "sendrecv", 1));
    let invite = second.called();
    assert!(invite.body.contains("c=IN IP6 ::1"), "{}", invite.text);
    let far = second.pick_up(&invite, &sdp(v6, "sendrecv", 1));
    let answer = first.put_through(&mut talk);
    assert_eq!(answer.status(), Some(200), "{}", answer.text);
    assert!(answer.body.contains("c=IN IP6 ::1"), "{}", answer.text);
    first.hang_up(&talk);
    second.is_hung_up(&far);
    assert_eq!(daemon.last_cdr()["cause"], "normal");
}
