//! An exchange that lacks what a program needs: descriptors, memory, room on the disk. Whatever is short, calls for help
//! go through, with sound, and the exchange says what is wrong.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use ringtrip_tests::live::{Daemon, wait};
use ringtrip_tests::ua::{Stage, Ua, packet};
use socket2::{Domain, Socket, Type};

/// Phones, and a provider at 127.0.0.9 that takes calls for help.
const HOUSE: &str = r#"
region = "us"
default_plan = "home"
[plans]
home = "(1xx|2xx)"
PHONES
[emergency]
providers = ["gw1"]
[gateway.gw1]
server = "127.0.0.9:GW_PORT"
user = "acct"
register = false
options_interval = "off"
"#;

struct House {
    daemon: Daemon,
    provider: Ua,
}

impl House {
    /// Its shell does this first: `ulimit -n 256`.
    #[track_caller]
    fn under(before: &str) -> House {
        let provider = Ua::start_at(Ipv4Addr::new(127, 0, 0, 9).into(), 0, "acct", "");
        let config = HOUSE.replace("GW_PORT", &provider.addr().port().to_string());
        House { daemon: Daemon::start_under(&config, before), provider }
    }

    /// Calls for help; it is answered and both sides hear each other.
    #[track_caller]
    fn reaches_help(&self, phone: &Ua) {
        let call = phone.call("911");
        let there = wait("the call at the provider", Duration::from_secs(5), || self.provider.up().pop());
        let (one, two) = (phone.media_of(&call), self.provider.media_of(&there));
        let (one, two) = (one.expect("sound is offered"), two.expect("sound is offered"));
        for (from, to, mark) in [(&phone.rtp, one, 1), (&self.provider.rtp, two, 2)] {
            from.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
            let _ = from.send_to(&packet(mark, 0), to);
        }
        for (at, mark) in [(&self.provider.rtp, 1), (&phone.rtp, 2)] {
            let mut n = 0;
            wait("sound both ways", Duration::from_secs(5), || {
                n += 1;
                let _ = phone.rtp.send_to(&packet(1, n), one);
                let _ = self.provider.rtp.send_to(&packet(2, n), two);
                let mut buffer = [0; 2048];
                let heard = at.recv(&mut buffer).is_ok_and(|len| len == 172 && buffer[19] == mark);
                heard.then_some(())
            });
        }
        assert_eq!(phone.stage(&call), Some(Stage::Up));
        phone.bye(&call);
        assert_eq!(phone.ended(&call), 200);
    }
}

/// A connection from this address of the loopback, if it is taken.
fn connect_from(ip: Ipv4Addr, to: SocketAddr) -> Option<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
    socket.bind(&SocketAddr::new(IpAddr::V4(ip), 0).into()).ok()?;
    socket.connect_timeout(&to.into(), Duration::from_secs(2)).ok()?;
    Some(socket.into())
}

/// From 20 addresses 40 connections each that say nothing.
fn idle_connections(to: SocketAddr) -> Vec<TcpStream> {
    let from = (20..40).map(|last| Ipv4Addr::new(127, 0, 0, last));
    from.flat_map(|ip| (0..40).filter_map(move |_| connect_from(ip, to))).collect()
}

fn descriptors(hard: u32) {
    let house = House::under(&format!("ulimit -n {hard}"));
    let daemon = &house.daemon;
    let phone = Ua::at_home(daemon, "203");
    let system = daemon.get("/system");
    println!("{system}");
    assert_eq!(system["open_files_limit"], hard);
    let carried = system["calls_by_open_files"].as_u64().expect("a number");
    assert!((1..1000).contains(&carried), "{system}");
    assert!(daemon.log().contains("LimitNOFILE"), "the operator is told how to mend it: {}", daemon.log());
    let sip = (Ipv4Addr::LOCALHOST, daemon.sip).into();
    let http: SocketAddr = daemon.url.trim_start_matches("http://").parse().expect("an address");
    let mut held = idle_connections(sip);
    house.reaches_help(&phone);
    held.extend(idle_connections(http));
    println!("{} connections are held", held.len());
    house.reaches_help(&phone);
    // Calls beside, as many as it will have: some are refused, help is not.
    let other = Ua::at_home(daemon, "204");
    other.answers(false);
    let calls: Vec<String> = (0..40).map(|_| phone.invite("204")).collect();
    wait("an answer to each", Duration::from_secs(15), || {
        calls.iter().all(|call| phone.stage(call) != Some(Stage::Calling)).then_some(())
    });
    house.reaches_help(&phone);
    drop(held);
    let system = daemon.get("/system");
    println!("afterwards: {system}");
    assert!(!daemon.log().contains("os error 24"), "it ran out of descriptors: {}", daemon.log());
}

#[test]
fn idle_connections_leave_descriptors_for_emergency_calls() {
    descriptors(1024);
}

#[test]
fn a_quarter_of_the_usual_descriptors_carry_an_emergency_call() {
    descriptors(256);
}

#[test]
fn the_soft_limit_is_raised_to_the_hard_one() {
    let house = House::under("ulimit -n 9000 && ulimit -Sn 200");
    let system = house.daemon.get("/system");
    assert_eq!((&system["open_files_limit"], &system["calls_by_open_files"]), (&9000.into(), &1000.into()));
    assert!(!house.daemon.log().contains("LimitNOFILE"), "{}", house.daemon.log());
}
