//! Codecs against others: G.722 octet by octet against spandsp, and calls between phones that share no codec.
#![allow(clippy::disallowed_methods)] // Live tests start programs and wait.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use ringtrip_media::codec::g722;
use ringtrip_testkit::analog::AnalogPort;
use ringtrip_testkit::live::{Daemon, has, measured, wait};
use ringtrip_testkit::peers::{Account, Baresip};
use ringtrip_testkit::sound;

/// G.722 by spandsp.
const SPANDSP: &str = r#"
import ctypes, sys
spandsp = ctypes.CDLL("libspandsp.so.2")
data = sys.stdin.buffer.read()
if sys.argv[1] == "encode":
    spandsp.g722_encode_init.restype = ctypes.c_void_p
    state = ctypes.c_void_p(spandsp.g722_encode_init(None, 64000, 0))
    samples = (ctypes.c_int16 * (len(data) // 2)).from_buffer_copy(data)
    out = (ctypes.c_uint8 * (len(data) // 4 + 8))()
    n = spandsp.g722_encode(state, out, samples, len(samples))
    sys.stdout.buffer.write(bytes(out[:n]))
else:
    spandsp.g722_decode_init.restype = ctypes.c_void_p
    state = ctypes.c_void_p(spandsp.g722_decode_init(None, 64000, 0))
    coded = (ctypes.c_uint8 * len(data)).from_buffer_copy(data)
    out = (ctypes.c_int16 * (2 * len(data) + 8))()
    n = spandsp.g722_decode(state, out, coded, len(coded))
    sys.stdout.buffer.write(bytes(out)[: 2 * n])
"#;

fn spandsp(what: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("python3")
        .args(["-c", SPANDSP, what])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("it reads all");
    assert!(output.status.success());
    output.stdout
}

fn octets(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|s| s.to_le_bytes()).collect()
}

#[test]
#[cfg_attr(not(all(has_spandsp, has_python)), ignore = "needs libspandsp2 and python3")]
fn g722_is_that_of_spandsp() {
    measured(|| {
        let noise = |seed: u32, shift: u32| {
            let numbers =
                std::iter::successors(Some(seed), |x| Some(x.wrapping_mul(1_664_525).wrapping_add(1)));
            numbers.take(32_000).map(move |x| ((x >> 16) as i16) >> shift).collect::<Vec<_>>()
        };
        let tones = [300.0, 1000.0, 3400.0].map(|hz| sound::sine(hz, 2000, -3.0));
        let quiet = vec![0; 32_000];
        for (n, samples) in
            tones.into_iter().chain([noise(1, 0), noise(2, 4), noise(3, 9), quiet]).enumerate()
        {
            let mut ours = vec![0; samples.len() / 2];
            g722::Encoder::default().encode(&samples, &mut ours);
            assert!(ours == spandsp("encode", &octets(&samples)), "sound {n} is encoded otherwise");
            let mut heard = vec![0; samples.len()];
            g722::Decoder::default().decode(&ours, &mut heard);
            // Where sound is louder than samples can be, ours stays at the limit; spandsp's wraps.
            let theirs = spandsp("decode", &ours);
            let theirs = theirs.chunks_exact(2).map(|octets| i16::from_le_bytes([octets[0], octets[1]]));
            let differ: Vec<i16> =
                heard.iter().zip(theirs).filter(|(a, b)| *a != b).map(|(a, _)| *a).collect();
            let is_limit = |sample: &i16| matches!(*sample, i16::MIN | i16::MAX);
            assert!(differ.iter().all(is_limit), "sound {n} is decoded otherwise: {differ:?}");
        }
    });
}

const CONFIG: &str = r#"
region = "uk"
default_plan = "home"
[plans]
home = "(xxxS0)"
[extension.101]
line = "fxs1"
[extension.201]
password = "first-secret"
[extension.202]
password = "second-secret"
[line.fxs1]
kind = "fxs"
port = "virtual:0"
[sip]
realm = "ringtrip"
listen = ["udp:127.0.0.1:SIP_PORT"]
"#;

const G722_ALONE: &str = ";audio_codecs=G722/16000/1";
const G711_ALONE: &str = ";audio_codecs=PCMA/8000/1";

fn phone(daemon: &Daemon, user: &str, says: u16, more: &str) -> Baresip {
    let password = if user == "201" { "first-secret" } else { "second-secret" };
    let exchange = ([127, 0, 0, 1], daemon.sip).into();
    let phone = Baresip::start(&Account { user, password, exchange, says, by: "", more });
    wait(&format!("{user} is registered"), Duration::from_secs(15), || {
        let view = daemon.get(&format!("/extensions/{user}"));
        view["contacts"].as_array().filter(|c| !c.is_empty()).map(drop)
    });
    phone
}

/// The level of what a phone heard, in its best half second.
#[track_caller]
fn level(phone: &Baresip, hz: f64) -> f64 {
    phone.hears(hz);
    let heard = phone.heard();
    let levels = heard.chunks_exact(sound::RATE / 2).map(|half| sound::level_of(half, hz));
    levels.fold(f64::MIN, f64::max)
}

#[test]
#[cfg_attr(not(has_baresip), ignore = "needs baresip")]
fn a_phone_with_g722_alone_and_one_with_g711_alone_talk_both_ways() {
    measured(|| {
        if !has("baresip") {
            return;
        }
        let daemon = Daemon::start(CONFIG);
        // How loud each hears the other.
        let talk = |first: &str, second: &str| {
            let a = phone(&daemon, "201", 440, first);
            let b = phone(&daemon, "202", 1000, &format!("{second};answermode=auto"));
            a.command("dial", &format!("sip:202@127.0.0.1:{}", daemon.sip));
            let (at_a, at_b) = (level(&a, 1000.0), level(&b, 440.0));
            println!("{first} hears 1000 Hz at {at_a:.2} dBm0, {second} hears 440 Hz at {at_b:.2} dBm0");
            a.command("hangup", "");
            assert_eq!(daemon.last_cdr()["cause"], "normal");
            (at_a, at_b)
        };
        // Passed through: the phones resample what they say, and that changes its level a little.
        let wide = talk(G722_ALONE, G722_ALONE);
        let narrow = talk(G711_ALONE, G711_ALONE);
        for (heard, said) in [
            (talk(G722_ALONE, G711_ALONE), (narrow.0, wide.1)),
            (talk(G711_ALONE, G722_ALONE), (wide.0, narrow.1)),
        ] {
            assert!((heard.0 - said.0).abs() < 0.5, "{heard:?} dBm0 for {said:?}");
            assert!((heard.1 - said.1).abs() < 0.5, "{heard:?} dBm0 for {said:?}");
        }
    });
}

#[test]
#[cfg_attr(not(has_baresip), ignore = "needs baresip")]
fn a_phone_with_g722_alone_and_a_telephone_talk_both_ways() {
    measured(|| {
        if !has("baresip") {
            return;
        }
        let daemon = Daemon::start(CONFIG);
        let phone = phone(&daemon, "201", 700, G722_ALONE);
        let telephone = AnalogPort::telephone(&daemon, 0);
        phone.command("dial", &format!("sip:101@127.0.0.1:{}", daemon.sip));
        daemon.line_is("fxs1", "ringing", Duration::from_secs(15));
        telephone.lift();
        telephone.until_tone(&[700.0], Duration::from_secs(15));
        let heard = sound::level_of(&telephone.listen(1000), 700.0);
        telephone.speak(1300.0, 8000);
        let said = level(&phone, 1300.0);
        println!("the telephone hears 700 Hz at {heard:.2} dBm0, the phone hears 1300 Hz at {said:.2} dBm0");
        assert!((heard + 9.0).abs() < 4.0, "{heard} dBm0");
        assert!(said > -20.0, "{said} dBm0");
        telephone.hang_up();
        assert_eq!(daemon.last_cdr()["cause"], "normal");
    });
}
