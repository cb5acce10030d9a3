//! A board in virtual time: ports stepped ms by ms, with what they said kept.
#![allow(dead_code, reason = "each test file uses its part")]

use ringtrip_driver::{Command, PortEvent};
use ringtrip_driver_virtual::config::Config;
use ringtrip_driver_virtual::sim::Ports;
use ringtrip_driver_virtual::{Block, STEP};
use serde_json::Value;

pub struct Bench {
    pub ports: Ports,
    pub now: u32,
    /// ms, port, what.
    pub seen: Vec<(u32, usize, PortEvent)>,
    /// Sound still to be sent to each port.
    pub tx: Vec<Vec<i16>>,
    /// Sound that came from each port.
    pub rx: Vec<Vec<i16>>,
}

pub fn bench(cfg: &str) -> Bench {
    let ports = Ports::new(&Config::parse(cfg).unwrap()).unwrap();
    let n = ports.len();
    Bench { ports, now: 0, seen: Vec::new(), tx: vec![Vec::new(); n], rx: vec![Vec::new(); n] }
}

impl Bench {
    pub fn run(&mut self, ms: u32) -> &mut Bench {
        for _ in 0..ms {
            self.now += 1;
            for port in 0..self.ports.len() {
                let mut tx: Block = [0; STEP];
                let n = self.tx[port].len().min(STEP);
                for (to, from) in tx.iter_mut().zip(self.tx[port].drain(..n)) {
                    *to = from;
                }
                let mut out = Vec::new();
                let rx = self.ports.step(port, &tx, &mut out);
                self.rx[port].extend(rx);
                self.seen.extend(out.into_iter().map(|s| (self.now, port, s)));
            }
        }
        self
    }

    pub fn sim(&mut self, request: &str) -> Value {
        let answer = self.ports.ask(request.as_bytes()).unwrap_or_else(|e| panic!("{request}: {e}"));
        let json = answer.split(|b| *b == b'\n').next().unwrap();
        serde_json::from_slice(json).unwrap()
    }

    pub fn refused(&mut self, request: &str) -> String {
        self.ports.ask(request.as_bytes()).expect_err(request)
    }

    pub fn cmd(&mut self, port: usize, cmd: Command) -> &mut Bench {
        let first = self.ports.fxs.len();
        match self.ports.fxs.get_mut(port) {
            Some(p) => p.command(cmd).unwrap(),
            None => self.ports.fxo[port - first].command(cmd).unwrap(),
        }
        self
    }

    /// What a port saw since the last time, without readings.
    pub fn take(&mut self, port: usize) -> Vec<PortEvent> {
        let all = std::mem::take(&mut self.seen);
        let (mine, rest) = all.into_iter().partition(|(_, p, _)| *p == port);
        self.seen = rest;
        let mine: Vec<(u32, usize, PortEvent)> = mine;
        mine.into_iter().map(|s| s.2).filter(|s| !matches!(s, PortEvent::Reading { .. })).collect()
    }

    /// Sound from a port since the last time.
    pub fn heard(&mut self, port: usize) -> Vec<i16> {
        std::mem::take(&mut self.rx[port])
    }
}

/// Level at one frequency, dBm0.
pub fn level_at(samples: &[i16], hz: f32) -> f32 {
    let w = std::f32::consts::TAU * hz / 8000.0;
    let (mut re, mut im) = (0.0f64, 0.0f64);
    for (n, s) in samples.iter().enumerate() {
        let (sin, cos) = (w * n as f32).sin_cos();
        re += f64::from(f32::from(*s) * cos);
        im += f64::from(f32::from(*s) * sin);
    }
    let amplitude = 2.0 * (re * re + im * im).sqrt() / samples.len().max(1) as f64;
    ringtrip_media::level::dbm0((amplitude * amplitude / 2.0) as f32)
}

/// The highest level at one frequency in any 50 ms: for tones that come and go.
pub fn peak_at(samples: &[i16], hz: f32) -> f32 {
    samples.chunks(400).map(|c| level_at(c, hz)).fold(-120.0, f32::max)
}
