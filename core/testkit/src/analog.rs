//! The two ends of the virtual board's wires, as a test holds them: a telephone's handset, and a line of the office.
#![allow(clippy::disallowed_methods)] // Live tests start programs and look at the clock.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::live::{Daemon, wait};
use crate::sound;

/// What runs at an end of a wire: a telephone (FXS port) or the office (FXO port).
#[derive(Clone, Copy)]
pub struct AnalogPort<'a> {
    daemon: &'a Daemon,
    port: u16,
    /// `listen` of a telephone or `office.heard`.
    listen_verb: &'static str,
}

impl<'a> AnalogPort<'a> {
    /// The telephone on this port.
    pub fn telephone(daemon: &'a Daemon, port: u16) -> AnalogPort<'a> {
        AnalogPort { daemon, port, listen_verb: "listen" }
    }

    /// The office's end of the line on this port.
    pub fn office(daemon: &'a Daemon, port: u16) -> AnalogPort<'a> {
        AnalogPort { daemon, port, listen_verb: "office.heard" }
    }

    /// Does this verb with these fields; the port is added.
    #[track_caller]
    pub fn act(&self, verb: &str, mut fields: Value) -> Value {
        fields["port"] = self.port.into();
        self.daemon.sim(verb, fields)
    }

    /// Lifts the handset. Answers the number of the first sample that it hears lifted.
    #[track_caller]
    pub fn lift(&self) -> u64 {
        self.act("lift", json!({}))["heard"].as_u64().expect("the board says when")
    }

    /// Hangs up the handset.
    #[track_caller]
    pub fn hang_up(&self) {
        self.act("hangup", json!({}));
    }

    /// Presses keys.
    #[track_caller]
    pub fn press(&self, keys: &str) {
        self.act("press", json!({ "keys": keys }));
    }

    /// Says a tone of −16 dBm0.
    #[track_caller]
    pub fn speak(&self, hz: f64, ms: u32) {
        let verb = if self.listen_verb == "listen" { "speak" } else { "office.speak" };
        self.act(verb, json!({ "tone": { "hz": hz, "ms": ms, "dbm0": -16 } }));
    }

    /// Says these samples.
    #[track_caller]
    pub fn says(&self, samples: &[i16]) {
        let verb = if self.listen_verb == "listen" { "speak" } else { "office.speak" };
        let file = ringtrip_media::wav::write(samples, sound::RATE as u32);
        let path = format!("/sim/virtual/{verb}?port={}", self.port);
        let (status, text) = self.daemon.send("POST", &path, "audio/wav", &file);
        assert!(status < 300, "{status} {text}");
    }

    /// Its state.
    #[track_caller]
    pub fn state(&self) -> Value {
        self.act("state", json!({}))
    }

    /// The number of the sample that it will hear next.
    #[track_caller]
    pub fn now(&self) -> u64 {
        self.state()["heard"].as_u64().expect("a state says how much was heard")
    }

    /// What it heard from this sample on, so long; waits for it.
    #[track_caller]
    pub fn hear(&self, since: u64, ms: u32) -> Vec<i16> {
        let to = since + u64::from(ms) * 8;
        // On a busy machine the board's clock may stand still for a while and then catch up.
        wait(&format!("{ms} ms of sound"), Duration::from_millis(u64::from(ms) * 2 + 20_000), || {
            (self.now() >= to).then_some(())
        });
        let (verb, port) = (self.listen_verb, self.port);
        let wav =
            self.daemon.get_bytes(&format!("/sim/virtual/{verb}?port={port}&since={since}&max_ms={ms}"));
        sound::read_wav(&wav)
    }

    /// What it hears from now on, so long.
    #[track_caller]
    pub fn listen(&self, ms: u32) -> Vec<i16> {
        self.hear(self.now(), ms)
    }

    /// Waits until its state says this.
    #[track_caller]
    pub fn until<T>(&self, what: &str, most: Duration, mut look: impl FnMut(&Value) -> Option<T>) -> T {
        wait(what, most, || look(&self.state()))
    }

    /// Waits until these frequencies are heard for 100 ms, and answers the number of the first sample of that.
    #[track_caller]
    pub fn until_tone(&self, hz: &[f64], most: Duration) -> u64 {
        let since = self.now().saturating_sub(1600);
        let mut heard = Vec::new();
        let (verb, port) = (self.listen_verb, self.port);
        let what = format!("{hz:?} Hz at port {port}");
        let until = std::time::Instant::now() + most;
        loop {
            let from = since + heard.len() as u64;
            let url = format!("/sim/virtual/{verb}?port={port}&since={from}&max_ms=20000");
            let more = self.daemon.get_bytes(&url);
            heard.extend(sound::try_wav(&more));
            if let Some(at) = sound::tone_begins(&heard, hz, -40.0) {
                return since + at as u64;
            }
            let late = std::time::Instant::now() >= until;
            assert!(!late, "{what} was not heard within {most:?} but {}", sound::describe(&heard));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// 1000 Hz said at one end with −16 dBm0 is heard at the other: this loud, without holes, without jumps.
///
/// A machine that is busy and does not let us run first may hold up a frame now and then; what is wrong in the
/// exchange is wrong every time.
#[track_caller]
pub fn speaks_to(from: &AnalogPort<'_>, to: &AnalogPort<'_>, dbm0: f64) {
    let mut wrong = String::new();
    for _ in 0..3 {
        match whole_tone(from, to, dbm0) {
            Ok(()) => return,
            Err(why) => wrong = why,
        }
        println!("again, for {wrong}");
    }
    panic!("{wrong}");
}

fn whole_tone(from: &AnalogPort<'_>, to: &AnalogPort<'_>, dbm0: f64) -> Result<(), String> {
    let since = to.now();
    from.speak(1000.0, 3000);
    let heard = to.hear(since, 4000);
    let begin = sound::tone_begins(&heard, &[1000.0], dbm0 - 4.0)
        .ok_or_else(|| format!("no tone came over but {}", sound::describe(&heard)))?;
    let tone = &heard[begin + 80..(begin + 2950 * 8).min(heard.len())];
    let level = sound::level_of(tone, 1000.0);
    let gap = sound::longest_gap_ms(tone);
    let jumps = sound::jumps(tone, 1000.0, 0.2);
    if (level - dbm0).abs() > 1.0 {
        return Err(format!("the tone has {level:.1} dBm0, not {dbm0} ± 1"));
    }
    if gap > 5.0 || !jumps.is_empty() {
        return Err(format!("the tone has a hole of {gap:.1} ms and jumps at {jumps:?} of {}", tone.len()));
    }
    Ok(())
}

/// What minimodem reads in the sound that an on-hook telephone got.
pub fn minimodem(region: &str, sound: &[i16], dir: &Path) -> String {
    let file = dir.join("caller-id.wav");
    sound::write_wav(&file, sound, 48_000);
    let args: &[&str] = match region {
        // Bell 202 with its framing, decoded wholly.
        "us" => &["--rx", "callerid", "-f"],
        // V.23 as bare octets: the text of the message is among them.
        _ => &["--rx", "1200", "-M", "1300", "-S", "2100", "-8", "-q", "-f"],
    };
    let output = Command::new("minimodem").args(args).arg(&file).output().expect("minimodem runs");
    // Every octet of a message but its checksum has no eighth bit; V.23 idles and seizure are other octets.
    let text: String = output.stdout.iter().map(|b| char::from(b & 0x7f)).collect();
    // Numbers are printed with dashes.
    text.replace('-', "")
}

/// The keys that multimon-ng hears in a recording.
pub fn multimon(sound: &[i16], dir: &Path) -> String {
    let file = dir.join("keys.raw");
    sound::write_raw(&file, sound, 22_050);
    let output = Command::new("multimon-ng").args(["-q", "-t", "raw", "-a", "DTMF"]).arg(&file).output();
    let output = output.expect("multimon-ng runs");
    String::from_utf8_lossy(&output.stdout).lines().filter_map(|l| l.strip_prefix("DTMF: ")).collect()
}
