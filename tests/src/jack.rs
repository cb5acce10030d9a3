//! The two ends of the virtual board's wires, as a test holds them: a telephone's handset, and a line of the office.

use std::time::Duration;

use serde_json::{Value, json};

use crate::live::{Daemon, wait};
use crate::sound;

/// What runs at an end of a wire: a telephone (FXS port) or the office (FXO port).
#[derive(Clone, Copy)]
pub struct Jack<'a> {
    daemon: &'a Daemon,
    port: u16,
    /// `listen` of a telephone or `office.heard`.
    ear: &'static str,
}

impl<'a> Jack<'a> {
    /// The telephone on this port.
    pub fn telephone(daemon: &'a Daemon, port: u16) -> Jack<'a> {
        Jack { daemon, port, ear: "listen" }
    }

    /// The office's end of the line on this port.
    pub fn office(daemon: &'a Daemon, port: u16) -> Jack<'a> {
        Jack { daemon, port, ear: "office.heard" }
    }

    /// Does this verb with these fields; the port is added.
    #[track_caller]
    pub fn act(&self, verb: &str, mut fields: Value) -> Value {
        fields["port"] = self.port.into();
        self.daemon.sim(verb, fields)
    }

    /// Lifts the handset.
    #[track_caller]
    pub fn lift(&self) {
        self.act("lift", json!({}));
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
        let verb = if self.ear == "listen" { "speak" } else { "office.speak" };
        self.act(verb, json!({ "tone": { "hz": hz, "ms": ms, "dbm0": -16 } }));
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
        let (ear, port) = (self.ear, self.port);
        let wav = self.daemon.get_bytes(&format!("/sim/virtual/{ear}?port={port}&since={since}&max_ms={ms}"));
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
        let (ear, port) = (self.ear, self.port);
        let what = format!("{hz:?} Hz at port {port}");
        let until = std::time::Instant::now() + most;
        loop {
            let from = since + heard.len() as u64;
            let url = format!("/sim/virtual/{ear}?port={port}&since={from}&max_ms=20000");
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
