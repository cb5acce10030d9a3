//! Drivers written in Rust, on a board thread of this process: what the safe wrapper promises.
#![allow(clippy::disallowed_methods, reason = "these drivers wait for real time")]

mod common;

use std::ffi::CStr;
use std::time::Duration;

use common::*;
use ringtrip_driver::abi::{LineAudioCfgV1, LineDriverV1, LinePortCfgV1, LinePortStatusV1};
use ringtrip_driver::{
    BoardInfo, Command, Driver, DriverTable, Event, Host, PortCaps, PortEvent as DriverEvent, Refused,
};
use ringtrip_linehost::{
    Gone, Notification, PortCmd, PortEvent, PortKind, Received, RxRing, Spec, TxRing, in_process,
};

/// One FXS port that panics when asked to.
struct Moody {
    host: Host,
    frame: usize,
    sample: u64,
    tired: bool,
}

impl Driver for Moody {
    const ID: &'static CStr = c"moody";
    const VERSION: &'static CStr = c"1";
    const LICENSE: &'static CStr = c"MIT OR Apache-2.0";

    fn probe(_: &str) -> Result<Vec<(String, String)>, Refused> {
        Ok(vec![("m0".into(), "Moody".into())])
    }
    fn open(host: Host, _: &str, cfg: &str) -> Result<Moody, Refused> {
        match cfg {
            "sick" => Err(Refused::invalid("not today")),
            "mad" => panic!("no board here"),
            _ => Ok(Moody { host, frame: 0, sample: 0, tired: false }),
        }
    }
    fn info(&self) -> BoardInfo {
        let (model, serial) = ("Moody".into(), "m0".into());
        BoardInfo { model, serial, ports: 1, hardware_clock: false, frame_us: vec![10_000] }
    }
    fn caps(&self, _: u32) -> Result<PortCaps, Refused> {
        Ok(PortCaps { kind: ringtrip_driver::PortKind::Fxs, commands: 0, events: 0 })
    }
    fn configure(&mut self, _: u32, _: &LinePortCfgV1) -> Result<(), Refused> {
        Ok(())
    }
    fn command(&mut self, port: u32, cmd: Command) -> Result<(), Refused> {
        match cmd {
            Command::RingStop => panic!("stop what?"),
            Command::Flash(ms) => {
                let seen = DriverEvent::Flash(ms);
                self.host.emit(&Event { port, mono_ns: self.host.now_ns(), sample: self.sample, kind: seen });
                Ok(())
            }
            other => Err(Refused::unsupported(format!("{other:?}"))),
        }
    }
    fn audio_start(&mut self, cfg: &LineAudioCfgV1) -> Result<(), Refused> {
        self.frame = cfg.frame_us as usize / 125;
        Ok(())
    }
    fn pump(&mut self, _: Duration) -> Result<(), Refused> {
        std::thread::sleep(Duration::from_millis(5));
        if self.tired {
            return Err(Refused::new(19, "the board was pulled out"));
        }
        let (rx, mut tx) = (vec![0; self.frame], vec![0; self.frame]);
        self.host.frame(&rx, &mut tx, 1, self.sample, self.host.now_ns())?;
        self.sample += self.frame as u64;
        Ok(())
    }
    fn status(&self, _: u32) -> Result<LinePortStatusV1, Refused> {
        Ok(LinePortStatusV1 { volts: f32::NAN, ..LinePortStatusV1::default() })
    }
    fn ask(&mut self, name: &str, request: &[u8]) -> Result<Vec<u8>, Refused> {
        match name {
            "echo" => Ok(request.to_vec()),
            "pull" => {
                self.tired = true;
                Ok(Vec::new())
            }
            "wrong frame" => {
                self.host.frame(&[0; 3], &mut [0; 3], 1, 0, 0)?;
                Ok(Vec::new())
            }
            _ => panic!("asked {name}"),
        }
    }
}

static MOODY: LineDriverV1 = DriverTable::<Moody>::TABLE;

fn spec(cfg: &str) -> Spec {
    Spec { cfg: cfg.into(), silence: Duration::from_secs(3), ..Spec::default() }
}

#[test]
fn a_panic_in_a_driver_is_an_error_number_and_the_board_goes_on() {
    let host = in_process(&spec(""), &MOODY).unwrap();
    let refused = ask(&host, "anything", b"").unwrap_err();
    assert_eq!(refused.errno, nix::errno::Errno::EIO as i32);
    host.command(0, PortCmd::RingStop).unwrap();
    let errno = until(&host, "a refusal", |message| match message {
        Received::Notification(Notification::Refused { errno, .. }) => Some(errno),
        _ => None,
    });
    assert_eq!(errno, nix::errno::Errno::EIO as i32);
    host.command(0, PortCmd::Flash { ms: 123 }).unwrap();
    until_event(&host, 0, &PortEvent::Flash { ms: 123 });
    // A frame of a wrong size is refused by the host, not believed.
    assert_eq!(ask(&host, "wrong frame", b"").unwrap_err().errno, nix::errno::Errno::EINVAL as i32);
    assert_eq!(host.info().ports[0].kind, PortKind::Fxs);
}

#[test]
fn long_answers_come_back_whole() {
    let host = in_process(&spec(""), &MOODY).unwrap();
    let blob: Vec<u8> = (0..3_000_000u32).map(|n| (n * 7) as u8).collect();
    assert_eq!(ask(&host, "echo", &blob).unwrap(), blob);
}

#[test]
fn a_reading_that_is_no_number_is_zero() {
    let host = in_process(&spec(""), &MOODY).unwrap();
    host.send(&ringtrip_linehost::ToBoard::Status { port: 0 }).unwrap();
    let volts = until(&host, "a status", |message| match message {
        Received::Notification(Notification::Status { status, .. }) => Some(status.volts),
        _ => None,
    });
    assert_eq!(volts, 0.0);
}

#[test]
fn a_board_that_is_pulled_out_ends_its_host() {
    let host = in_process(&spec(""), &MOODY).unwrap();
    ask(&host, "pull", b"").unwrap();
    assert!(matches!(until_gone(&host), Gone::Ended(_)));
}

#[test]
fn a_board_that_cannot_open_says_why() {
    for (cfg, why) in [("sick", "not today"), ("mad", "no board here")] {
        let Err(e) = in_process(&spec(cfg), &MOODY) else { panic!("{cfg} opened") };
        assert!(e.to_string().contains(why), "{cfg}: {e}");
    }
}

#[test]
fn hosts_and_rings_may_go_to_other_threads() {
    fn goes<T: Send>() {}
    fn shared<T: Sync>() {}
    goes::<ringtrip_linehost::Host>();
    shared::<ringtrip_linehost::Host>();
    goes::<(RxRing, TxRing)>();
}
