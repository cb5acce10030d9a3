//! The driver: real time for the machines. One pump is one frame, on a schedule that does not drift.
#![allow(clippy::disallowed_methods, reason = "this is the shell: it waits for the next frame")]

use std::ffi::CStr;
use std::time::Duration;

use ringtrip_driver::abi::{
    LineAudioCfgV1, LineDiagResultV1, LinePortCfgV1, LinePortStatusV1, cmd, diag, event,
};
use ringtrip_driver::{
    BoardInfo, Command, Driver, Event, Host, Level, PortCaps, PortEvent, PortKind, Refused,
};

use crate::config::Config;
use crate::sim::{Port, Ports};
use crate::{Block, STEP};

/// The open board.
pub struct VirtualBoard {
    host: Host,
    config: Config,
    ports: Ports,
    frame: Option<Frame>,
}

/// Running audio.
struct Frame {
    /// Samples of one port.
    samples: usize,
    ns: u64,
    /// When the next frame is due.
    due_ns: u64,
    sample: u64,
    xruns: u32,
    ready_told: bool,
    rx: Vec<i16>,
    tx: Vec<i16>,
    events: Vec<PortEvent>,
}

/// A board that was held up longer than this lets the time go instead of playing it all at once.
const MOST_LATE_NS: u64 = 50_000_000;

impl Driver for VirtualBoard {
    const ID: &'static CStr = c"virtual";
    const VERSION: &'static CStr = c"0.1";
    const LICENSE: &'static CStr = c"MIT OR Apache-2.0";

    fn probe(cfg_json: &str) -> Result<Vec<(String, String)>, Refused> {
        let config = Config::parse(cfg_json).map_err(|e| Refused::invalid(e.to_string()))?;
        Ok(vec![(config.serial, "Virtual board".into())])
    }

    fn open(host: Host, serial: &str, cfg_json: &str) -> Result<VirtualBoard, Refused> {
        let mut config = Config::parse(cfg_json).map_err(|e| Refused::invalid(e.to_string()))?;
        if !serial.is_empty() {
            config.serial = serial.to_owned();
        }
        let ports = Ports::new(&config).map_err(|e| Refused::invalid(e.to_string()))?;
        host.log(Level::Info, &format!("{} telephones, {} office lines", ports.fxs.len(), ports.fxo.len()));
        Ok(VirtualBoard { host, config, ports, frame: None })
    }

    fn info(&self) -> BoardInfo {
        BoardInfo {
            model: "Virtual board".into(),
            serial: self.config.serial.clone(),
            ports: self.ports.len() as u32,
            hardware_clock: false,
            frame_us: vec![5_000, 10_000],
        }
    }

    fn caps(&self, port: u32) -> Result<PortCaps, Refused> {
        let bits = |words: &[u32]| words.iter().fold(0u64, |all, w| all | 1 << w);
        match self.kind(port)? {
            PortKind::Fxs => Ok(PortCaps {
                kind: PortKind::Fxs,
                commands: bits(&[cmd::RING, cmd::RING_STOP, cmd::POLARITY, cmd::CPC, cmd::GAIN, cmd::OHT]),
                events: bits(&[
                    event::READY,
                    event::OFFHOOK,
                    event::ONHOOK,
                    event::FLASH,
                    event::PULSE_DIGIT,
                    event::RING_TRIP,
                    event::READING,
                    event::XRUN,
                ]),
            }),
            PortKind::Fxo => Ok(PortCaps {
                kind: PortKind::Fxo,
                commands: bits(&[cmd::HOOK, cmd::FLASH, cmd::PULSE, cmd::GAIN]),
                events: bits(&[
                    event::READY,
                    event::RING_BEGIN,
                    event::RING_END,
                    event::POLARITY,
                    event::CPC,
                    event::BATTERY_LOST,
                    event::BATTERY_OK,
                    event::EXT_PICKUP,
                    event::READING,
                    event::XRUN,
                ]),
            }),
        }
    }

    fn configure(&mut self, port: u32, cfg: &LinePortCfgV1) -> Result<(), Refused> {
        self.kind(port)?;
        match self.ports.port(port as usize) {
            Some(Port::Fxs(fxs)) => fxs.configure(cfg),
            Some(Port::Fxo(fxo)) => fxo.configure(cfg),
            None => Ok(()),
        }
    }

    fn command(&mut self, port: u32, cmd: Command) -> Result<(), Refused> {
        self.kind(port)?;
        match self.ports.port(port as usize) {
            Some(Port::Fxs(fxs)) => fxs.command(cmd),
            Some(Port::Fxo(fxo)) => fxo.command(cmd),
            None => Ok(()),
        }
    }

    fn audio_start(&mut self, cfg: &LineAudioCfgV1) -> Result<(), Refused> {
        if cfg.rate != 8000 || (cfg.frame_us != 5_000 && cfg.frame_us != 10_000) {
            return Err(Refused::invalid(format!(
                "{} µs frames at {} Hz are not possible: use 5000 or 10000 at 8000",
                cfg.frame_us, cfg.rate
            )));
        }
        let samples = cfg.frame_us as usize / 125;
        let len = samples * self.ports.len();
        let ns = u64::from(cfg.frame_us) * 1000;
        self.frame = Some(Frame {
            samples,
            ns,
            due_ns: self.host.now_ns() + ns,
            sample: 0,
            xruns: 0,
            ready_told: false,
            rx: vec![0; len],
            tx: vec![0; len],
            events: Vec::new(),
        });
        Ok(())
    }

    fn pump(&mut self, timeout: Duration) -> Result<(), Refused> {
        let Some(frame) = &mut self.frame else {
            std::thread::sleep(timeout.min(Duration::from_millis(10)));
            return Ok(());
        };
        let now = self.host.now_ns();
        if frame.due_ns > now {
            let wait = Duration::from_nanos(frame.due_ns - now);
            if wait > timeout {
                std::thread::sleep(timeout);
                return Ok(());
            }
            std::thread::sleep(wait);
        } else if now - frame.due_ns > MOST_LATE_NS {
            let lost = (now - frame.due_ns) / frame.ns;
            frame.due_ns += lost * frame.ns;
            frame.sample += lost * frame.samples as u64;
            frame.xruns = frame.xruns.saturating_add(lost as u32);
            let (mono_ns, sample) = (now, frame.sample);
            self.host.emit(&Event { port: 0, mono_ns, sample, kind: PortEvent::Xrun(lost as u32) });
        }
        // The frame carries the time that it was due: the jitter of this thread is not the board's.
        let mono_ns = frame.due_ns;
        frame.due_ns += frame.ns;
        if !frame.ready_told {
            frame.ready_told = true;
            for port in 0..self.ports.len() as u32 {
                let is_fxs = self.ports.is_fxs(port as usize) == Some(true);
                let kind = if is_fxs { PortKind::Fxs } else { PortKind::Fxo };
                self.host.emit(&Event { port, mono_ns, sample: 0, kind: PortEvent::Ready(kind) });
            }
        }
        frame.step(&mut self.ports, &self.host, mono_ns);
        self.host.frame(&frame.rx, &mut frame.tx, self.ports.len(), frame.sample, mono_ns)?;
        frame.sample += frame.samples as u64;
        Ok(())
    }

    fn status(&self, port: u32) -> Result<LinePortStatusV1, Refused> {
        self.kind(port)?;
        let n = port as usize;
        let mut s = LinePortStatusV1 {
            battery_volts: crate::fxs::BATTERY,
            celsius: 25.0,
            xruns: self.frame.as_ref().map_or(0, |f| f.xruns),
            ..LinePortStatusV1::default()
        };
        if let Some(p) = self.ports.telephone(n) {
            (s.volts, s.milliamps) = p.electrics();
            s.off_hook = p.off_hook().into();
            s.ringing = p.ringing().is_some().into();
            s.polarity = p.polarity().code();
        } else if let Some(p) = self.ports.line(n) {
            (s.volts, s.milliamps) = p.electrics();
            s.off_hook = p.off_hook().into();
            s.ringing = p.ringing().into();
            s.polarity = p.polarity().code();
            s.battery_volts = p.office.battery().abs();
        }
        Ok(s)
    }

    fn diag(&mut self, port: u32, test: u32) -> Result<Vec<LineDiagResultV1>, Refused> {
        let s = self.status(port)?;
        let (value, unit, low, high) = match test {
            diag::VOLTAGES => (s.volts.abs(), "V", 3.0, 56.0),
            diag::LOOP_CURRENT => (s.milliamps, "mA", 0.0, 60.0),
            _ => {
                return Err(Refused::unsupported(format!("the virtual board has no diagnostic test {test}")));
            }
        };
        let verdict = u32::from(!(low..=high).contains(&value));
        let mut r = LineDiagResultV1 { test, value, low, high, verdict, ..LineDiagResultV1::default() };
        ringtrip_driver::abi::put_text(&mut r.unit, unit);
        Ok(vec![r])
    }

    fn ask(&mut self, name: &str, request: &[u8]) -> Result<Vec<u8>, Refused> {
        if name != "sim" {
            return Err(Refused::unsupported(format!(
                "the virtual board can be asked \"sim\", not {name:?}"
            )));
        }
        self.ports.ask(request).map_err(Refused::invalid)
    }
}

impl VirtualBoard {
    fn kind(&self, port: u32) -> Result<PortKind, Refused> {
        match self.ports.is_fxs(port as usize) {
            Some(true) => Ok(PortKind::Fxs),
            Some(false) => Ok(PortKind::Fxo),
            None => Err(Refused::new(19, format!("there is no port {port}"))),
        }
    }
}

impl Frame {
    /// All machines through one frame, ms by ms. `tx` still holds what the frame before brought.
    fn step(&mut self, ports: &mut Ports, host: &Host, mono_ns: u64) {
        let count = ports.len();
        for ms in 0..self.samples / STEP {
            for port in 0..count {
                let at = |i: usize| (ms * STEP + i) * count + port;
                let mut tx: Block = [0; STEP];
                for (i, s) in tx.iter_mut().enumerate() {
                    *s = self.tx.get(at(i)).copied().unwrap_or(0);
                }
                let rx = ports.step(port, &tx, &mut self.events);
                for (i, s) in rx.iter().enumerate() {
                    if let Some(to) = self.rx.get_mut(at(i)) {
                        *to = *s;
                    }
                }
                let sample = self.sample + (ms * STEP) as u64;
                for kind in self.events.drain(..) {
                    host.emit(&Event { port: port as u32, mono_ns, sample, kind });
                }
            }
        }
    }
}
