//! Keys between telephones or a landline and a SIP phone that speaks RFC 4733, as they go over the wire.
#![allow(clippy::disallowed_methods)] // Live tests look at the clock.

use std::time::{Duration, Instant};

use ringtrip_testkit::analog::AnalogPort;
use ringtrip_testkit::live::{Daemon, measured};
use ringtrip_testkit::peers::{Peer, Talk, Ua, sdp};
use ringtrip_testkit::rtp::{EventPacket, Fate, Rtp};
use ringtrip_testkit::sound;
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
settings = { fxs = 1, fxo = 1, office = { default = { does = "answer", says = "silence" } } }

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
    let hall = AnalogPort::telephone(exchange, 0);
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
    measured(|| {
        let exchange = exchange();
        let (phone, mut rtp) = (phone(&exchange), Rtp::open());
        let (talk, to) = telephone_calls(&exchange, &phone, &rtp);
        let hall = AnalogPort::telephone(&exchange, 0);
        one_key_alone(&mut rtp, to, || hall.press("5"));
        phone.hang_up(&talk);
    });
}

#[test]
#[allow(clippy::disallowed_methods)] // A key is pressed while sound runs.
fn one_key_from_the_landline_reaches_a_sip_phone() {
    measured(|| {
        let exchange = exchange();
        let (phone, mut rtp) = (phone(&exchange), Rtp::open());
        let office = AnalogPort::office(&exchange, FXO1);
        office.act("office.call", json!({ "number": "2025550123" }));
        let invite = phone.called();
        let talk = phone.pick_up(&invite, &sdp(rtp.at, "sendrecv", 1));
        exchange.line_is("fxo1", "talking", LONG);
        office.until("the answer", LONG, |state| (state["office"] == "talking").then_some(()));
        let to = invite.rtp().expect("where the sound goes");
        one_key_alone(&mut rtp, to, || office.says(&sound::keys("5", 100, 100)));
        phone.hang_up(&talk);
    });
}

/// Keys of these lengths, pressed one after the other, are sent as long as they were held, and in no more time.
#[test]
#[allow(clippy::disallowed_methods)] // Keys are pressed while sound runs.
fn keys_of_a_telephone_are_as_long_as_they_were_held() {
    measured(|| {
        let exchange = exchange();
        let (phone, mut rtp) = (phone(&exchange), Rtp::open());
        let (talk, to) = telephone_calls(&exchange, &phone, &rtp);
        let hall = AnalogPort::telephone(&exchange, 0);
        let mut held = |on: usize, off: usize, text: &str| {
            let samples = sound::keys(text, on, off);
            let ms = samples.len() / 8 + 1500;
            let heard = std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(Duration::from_millis(300));
                    hall.says(&samples);
                });
                rtp.talk(to, &silence(ms), |_| Fate::Arrives)
            });
            keys(&heard.events)
        };
        for ms in [50, 100, 250, 1000, 5000] {
            let sent = held(ms, 200, "7");
            let [(_, 7, reported)] = sent[..] else { panic!("{ms} ms: {sent:?}") };
            println!("a key of {ms} ms is reported as {reported} ms");
            assert!(reported.abs_diff(ms as u32) <= 30, "a key of {ms} ms is reported as {reported} ms");
        }
        // Sixteen keys in 1.6 s.
        let sent = held(50, 50, "1234567890123456");
        let reported: Vec<u8> = sent.iter().map(|k| k.1).collect();
        assert_eq!(reported, [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6]);
        let first = sent.first().map(|k| k.0).expect("sixteen");
        let took = sent.last().map(|k| k.0.saturating_duration_since(first)).expect("sixteen");
        println!("sixteen keys: the last begins {took:?} after the first");
        assert!(took < Duration::from_millis(1700), "the last of sixteen begins {took:?} after the first");
        phone.hang_up(&talk);
    });
}

/// Events of a SIP phone sound on the landline while they last.
#[test]
#[allow(clippy::disallowed_methods)] // Events are sent while sound runs.
fn keys_of_a_sip_phone_sound_as_long_as_they_were_held() {
    measured(|| {
        let exchange = exchange();
        let (phone, mut rtp) = (phone(&exchange), Rtp::open());
        let office = AnalogPort::office(&exchange, FXO1);
        office.act("office.call", json!({ "number": "2025550123" }));
        let invite = phone.called();
        let talk = phone.pick_up(&invite, &sdp(rtp.at, "sendrecv", 1));
        exchange.line_is("fxo1", "talking", LONG);
        let to = invite.rtp().expect("where the sound goes");
        rtp.talk(to, &silence(500), |_| Fate::Arrives);
        for ms in [60, 100, 400, 2000] {
            let since = office.now();
            rtp.press(to, 5, ms);
            let heard = office.hear(since, ms + 700);
            let on = sound::cadence(&[vec![0; 800], heard.clone(), vec![0; 800]].concat(), &[770.0, 1336.0]);
            let [is] = on.iter().copied().filter(|ms| *ms > 20).collect::<Vec<_>>()[..] else {
                panic!("a key of {ms} ms sounds {on:?}: {}", sound::describe(&heard))
            };
            println!("a key of {ms} ms sounds for {is} ms");
            assert!(is.abs_diff(ms) <= 40, "a key of {ms} ms sounds for {is} ms");
        }
        // Sixteen keys in 1.6 s play in 1.6 s.
        let since = office.now();
        for n in 0..16 {
            rtp.press(to, n % 10, 60);
            std::thread::sleep(Duration::from_millis(40));
        }
        let heard = office.hear(since, 3000);
        let loud: Vec<usize> =
            (0..heard.len() / 80).filter(|n| sound::level(&heard[n * 80..(n + 1) * 80]) > -25.0).collect();
        let took = (loud.last().unwrap_or(&0) - loud.first().unwrap_or(&0)) * 10;
        println!("sixteen keys sound within {took} ms");
        assert!((1300..2000).contains(&took), "{took} ms: {}", sound::describe(&heard));
        phone.hang_up(&talk);
    });
}

/// On a network that is good, sound from a SIP phone is heard within 40 ms, and from telephone to telephone within 15 ms
/// when this machine has time.
#[test]
#[allow(clippy::disallowed_methods)] // Looks at the clock.
fn sound_is_not_late() {
    measured(|| {
        let exchange = exchange();
        let (phone, mut rtp) = (phone(&exchange), Rtp::open());
        let (talk, to) = telephone_calls(&exchange, &phone, &rtp);
        let hall = AnalogPort::telephone(&exchange, 0);
        // The board's samples and our clock, compared when least is between them.
        let mut best = f64::MAX;
        let mut delays = Vec::new();
        for _ in 0..5 {
            let (asked, now) = (Instant::now(), hall.now());
            let took = asked.elapsed();
            if took.as_secs_f64() < best {
                best = took.as_secs_f64();
            }
            let (start, mut said) = (asked + took / 2, silence(1000));
            said.extend(sound::sine(1000.0, 500, -10.0));
            said.extend(silence(300));
            let began = Instant::now();
            rtp.talk(to, &said, |_| Fate::Arrives);
            let heard = hall.hear(now, 2500);
            let at = sound::tone_begins(&heard, &[1000.0], -20.0).expect("the tone");
            let sent = began.saturating_duration_since(start).as_secs_f64() + 1.0;
            delays.push(at as f64 / 8000.0 - sent);
        }
        delays.sort_by(f64::total_cmp);
        println!("from the wire to the telephone: {delays:.3?} s; the clocks are compared to {best:.3} s");
        assert!(delays[0] < 0.040 + best, "{delays:.3?}");
        phone.hang_up(&talk);
    });
}
