//! Keys between telephones or a landline and a SIP phone that speaks RFC 4733, as they go over the wire.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::time::{Duration, Instant};

use ringtrip_tests::jack::Jack;
use ringtrip_tests::live::Daemon;
use ringtrip_tests::peers::{Peer, Talk, Ua, sdp};
use ringtrip_tests::rtp::{EventPacket, Fate, Rtp};
use ringtrip_tests::sound;
use serde_json::json;

const LONG: Duration = Duration::from_secs(20);
/// The office's end of the landline.
const FXO1: u16 = 1;

/// A telephone, a SIP phone and a landline that rings it.
fn exchange() -> Daemon {
    Daemon::start(
        r#"
region = "us"
default_plan = "home"

[plans]
home = "(1xxS0|2xxS0)"

[extension.101]
line = "fxs1"
[extension.201]
password = "secret"

[line.fxs1]
kind = "fxs"
port = "virtual:0"
[line.fxo1]
kind = "fxo"
port = "virtual:1"
ring_through = ["201"]

[board.virtual]
settings = { fxs = 1, fxo = 1 }

[sip]
listen = ["udp:127.0.0.1:SIP_PORT"]
"#,
    )
}

fn phone(exchange: &Daemon) -> Ua {
    let server = ([127, 0, 0, 1], exchange.sip).into();
    let phone = Ua::new(Peer::udp("127.0.0.1"), server, "201", "secret");
    phone.register();
    phone
}

/// The telephone calls the SIP phone.
#[track_caller]
fn telephone_calls(exchange: &Daemon, phone: &Ua, rtp: &Rtp) -> (Talk, std::net::SocketAddr) {
    let hall = Jack::telephone(exchange, 0);
    hall.lift();
    hall.until_tone(&[350.0, 440.0], LONG);
    hall.press("201");
    let invite = phone.called();
    let talk = phone.pick_up(&invite, &sdp(rtp.at, "sendrecv", 1));
    exchange.line_is("fxs1", "talking", LONG);
    (talk, invite.rtp().expect("where the sound goes"))
}

fn silence(ms: usize) -> Vec<i16> {
    vec![0; ms * 8]
}

/// When the first packet of an event came, its key, and the duration that its end tells, ms.
fn keys(events: &[EventPacket]) -> Vec<(Instant, u8, u32)> {
    let mut all: Vec<(Instant, u8, u32)> = Vec::new();
    let mut current = None;
    for e in events {
        if current != Some(e.timestamp) {
            current = Some(e.timestamp);
            all.push((e.at, e.event, 0));
        }
        if let Some(last) = all.last_mut() {
            last.2 = last.2.max(u32::from(e.duration) / 8);
        }
    }
    all
}

/// One key, and none after it: the event begins soon and ends.
#[track_caller]
fn one_key_alone(rtp: &mut Rtp, to: std::net::SocketAddr, press: impl FnOnce() + Send) {
    let (heard, pressed) = std::thread::scope(|scope| {
        let pressed = scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            press();
            Instant::now()
        });
        let heard = rtp.talk(to, &silence(1500), |_| Fate::Arrives);
        (heard, pressed.join().expect("it was pressed"))
    });
    let keys = keys(&heard.events);
    let [(at, 5, ms)] = keys[..] else { panic!("one 5 was pressed, {keys:?} came: {:?}", heard.events) };
    assert!(heard.events.iter().filter(|e| e.end).count() == 3, "{:?}", heard.events);
    // 45 ms to know the key, 20 ms of the board's frames, 50 ms to send it; and what this machine adds.
    let late = at.saturating_duration_since(pressed);
    println!("the first packet came {late:?} after the key went down, the event lasts {ms} ms");
    assert!(late < Duration::from_millis(200), "{late:?}");
}

#[test]
#[allow(clippy::disallowed_methods)] // A key is pressed while sound runs.
fn one_key_of_a_telephone_reaches_a_sip_phone() {
    let exchange = exchange();
    let (phone, mut rtp) = (phone(&exchange), Rtp::open());
    let (talk, to) = telephone_calls(&exchange, &phone, &rtp);
    let hall = Jack::telephone(&exchange, 0);
    one_key_alone(&mut rtp, to, || hall.press("5"));
    phone.hang_up(&talk);
}

#[test]
#[allow(clippy::disallowed_methods)] // A key is pressed while sound runs.
fn one_key_from_the_landline_reaches_a_sip_phone() {
    let exchange = exchange();
    let (phone, mut rtp) = (phone(&exchange), Rtp::open());
    let office = Jack::office(&exchange, FXO1);
    office.act("office.call", json!({ "number": "2025550123" }));
    let invite = phone.called();
    let talk = phone.pick_up(&invite, &sdp(rtp.at, "sendrecv", 1));
    exchange.line_is("fxo1", "talking", LONG);
    let to = invite.rtp().expect("where the sound goes");
    one_key_alone(&mut rtp, to, || office.says(&sound::keys("5", 100, 100)));
    phone.hang_up(&talk);
}
