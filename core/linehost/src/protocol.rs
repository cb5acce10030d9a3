//! The messages between the daemon and a board process: one closed enum each way, encoded as JSON followed by binary
//! data. What a line and its port say to each other is that of `ringtrip_model::board` ([`ToBoard::of_line`],
//! [`PortEvent::for_line`]); the types here are how it is written, and what else a driver tells of a port.

use std::time::Duration;

use ringtrip_driver::abi::{self, LinePortCfgV1, LinePortStatusV1};
use ringtrip_driver::{Command, PortEvent as DriverEvent};
use ringtrip_model::board::{BoardCmd, BoardEvent, CmdKind};
pub use ringtrip_model::board::{Polarity, PortKind};
use ringtrip_model::party::Key;
use serde::{Deserialize, Serialize};

/// How a port's kind is written.
#[derive(Serialize, Deserialize)]
#[serde(remote = "PortKind", rename_all = "lowercase")]
enum WrittenKind {
    Fxs,
    Fxo,
}

/// How a polarity is written.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Polarity", rename_all = "lowercase")]
enum WrittenPolarity {
    Forward,
    Reverse,
}

/// A message from the daemon to a board process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub enum ToBoard {
    /// First: which driver and board to open.
    Open {
        /// Path of the driver's shared object.
        driver: String,
        /// Serial number of the board; empty for the only or first one.
        board: String,
        /// The driver's own configuration, JSON.
        cfg: String,
    },
    /// Second, with the descriptors of the rings' memory and of the wake-up: audio begins.
    Start {
        /// Frame length, µs.
        frame_us: u32,
        /// Frames in each ring.
        slots: u32,
    },
    /// Configure a port.
    Configure {
        /// Which.
        port: u16,
        /// How.
        cfg: PortCfg,
    },
    /// Do something on a port.
    Cmd {
        /// Which.
        port: u16,
        /// What.
        cmd: PortCmd,
    },
    /// Report the electrical state of a port.
    Status {
        /// Which.
        port: u16,
    },
    /// Run a diagnostic test.
    Diag {
        /// Which port.
        port: u16,
        /// `LINE_DIAG_*`.
        test: u32,
    },
    /// A question to the driver itself; the request's bytes follow the JSON, in several packets when `more`.
    Ask {
        /// Comes back with the answer.
        id: u64,
        /// What is asked.
        name: String,
        /// Another packet of this question follows.
        more: bool,
    },
    /// Close the board and end.
    Stop,
}

/// A message from a board process to the daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub enum FromBoard {
    /// The board is open.
    Hello(BoardInfo),
    /// The board cannot be opened; the process ends.
    Failed {
        /// Why.
        text: String,
    },
    /// Answer to [`ToBoard::Ask`]; its bytes follow the JSON, in several packets when `more`.
    Answer {
        /// Of which question.
        id: u64,
        /// 0, or a positive errno; then the bytes say why.
        errno: i32,
        /// Another packet of this answer follows.
        more: bool,
    },
    /// Anything else.
    #[serde(rename = "news")]
    Notification(Notification),
}

/// An unsolicited message from a board process whose board is open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "kebab-case")]
pub enum Notification {
    /// A port saw something.
    Event {
        /// Which port.
        port: u16,
        /// `CLOCK_MONOTONIC`, ns.
        mono_ns: u64,
        /// Sample index since audio started.
        sample: u64,
        /// What.
        event: PortEvent,
    },
    /// Electrical state of a port.
    Status {
        /// Which.
        port: u16,
        /// How it is.
        status: PortStatus,
    },
    /// Result of a diagnostic test.
    Diag {
        /// Which port.
        port: u16,
        /// The readings.
        results: Vec<DiagResult>,
    },
    /// The board rejected a command.
    Refused {
        /// Which port.
        port: u16,
        /// What was asked of it.
        what: Asked,
        /// Positive errno.
        errno: i32,
    },
    /// A line for the log.
    Log {
        /// 1 error, 2 warning, 3 information, 4 debug.
        level: u8,
        /// The line.
        text: String,
    },
    /// Every 100 ms: the board thread is alive.
    Beat(Figures),
}

/// What was asked of a port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "asked", rename_all = "kebab-case")]
pub enum Asked {
    /// [`ToBoard::Configure`].
    Configure,
    /// [`ToBoard::Status`].
    Status,
    /// [`ToBoard::Diag`].
    Diag {
        /// Which test.
        test: u32,
    },
    /// [`ToBoard::Cmd`].
    Cmd {
        /// What it should do.
        cmd: PortCmd,
    },
}

/// What a board is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardInfo {
    /// The driver's name.
    pub driver: String,
    /// Its version.
    pub version: String,
    /// Model of the board.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Its ports, in order.
    pub ports: Vec<PortCaps>,
}

/// What a port can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortCaps {
    /// What it is.
    #[serde(with = "WrittenKind")]
    pub kind: PortKind,
    /// Bit `1 << LINE_CMD_*`.
    pub commands: u64,
    /// Bit `1 << LINE_EV_*`.
    pub events: u64,
}

impl PortCaps {
    /// Does the driver say that this port tells readings? Then loop current that it does not see is not there.
    pub fn tells_readings(&self) -> bool {
        self.events & 1 << abi::event::READING != 0
    }
}

/// How the audio of a board runs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Frames since the start.
    pub frames: u64,
    /// Frames that had nothing to play, since the daemon answered the first.
    pub tx_underruns: u64,
    /// Frames to play that came too late or too many and were left out.
    pub tx_dropped: u64,
    /// Heard frames that the daemon did not take in time.
    pub rx_overruns: u64,
    /// The board's clock against `CLOCK_MONOTONIC`, parts per million, smoothed.
    pub ppm: f32,
}

/// How a port shall behave; 0 means the driver's default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PortCfg {
    /// `us`, `uk`, …
    pub country: String,
    /// Impedance by number.
    pub impedance: u32,
    /// Gain towards the exchange, 0.1 dB.
    pub rx_gain_db10: i32,
    /// Gain towards the line, 0.1 dB.
    pub tx_gain_db10: i32,
    /// Loop current, mA.
    pub loop_ma: u32,
    /// Shortest hook flash, ms.
    pub flash_min_ms: u32,
    /// Longest hook flash, ms; a longer break is a hang-up.
    pub flash_max_ms: u32,
    /// Longest break that is a dial pulse, ms; 1 switches pulse dialling off.
    pub pulse_max_ms: u32,
    /// (FXO) Shortest battery removal that is a disconnect, ms.
    pub cpc_min_ms: u32,
    /// (FXO) Ring validation, ms.
    pub ring_min_ms: u32,
    /// (FXS) Ring voltage, V RMS.
    pub ring_volts: u32,
}

/// What a port should do (`ringtrip_model::board::BoardCmd`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum PortCmd {
    /// (FXS) Ring with this cadence, over and over.
    Ring {
        /// On and off times in ms, at most 8 pairs.
        cadence: Vec<(u16, u16)>,
        /// Frequency.
        hz: u8,
    },
    /// (FXS) Stop ringing.
    RingStop,
    /// (FXS) Battery polarity.
    Polarity {
        /// Which way.
        #[serde(with = "WrittenPolarity")]
        polarity: Polarity,
    },
    /// (FXS) No battery for this long.
    Cpc {
        /// 0–1000 ms.
        ms: u32,
    },
    /// (FXS) Audio to an on-hook telephone for this long.
    OnHookAudio {
        /// ms.
        ms: u32,
    },
    /// (FXO) Seize the line.
    OffHook,
    /// (FXO) Release the line.
    OnHook,
    /// (FXO) Break the loop for this long.
    Flash {
        /// ms.
        ms: u32,
    },
    /// (FXO) Dial by pulses.
    Pulse {
        /// `0`–`9`, at most 64.
        digits: String,
    },
    /// Gains, 0.1 dB.
    Gain {
        /// Towards the exchange.
        rx_db10: i32,
        /// Towards the line.
        tx_db10: i32,
    },
    /// (FXS) Message lamp.
    Mwi {
        /// Which kind of lamp.
        kind: u32,
        /// How many messages.
        count: u32,
    },
}

/// What a port saw (`ringtrip_model::board::BoardEvent`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "saw", rename_all = "kebab-case")]
pub enum PortEvent {
    /// Works (again).
    Ready {
        /// What it is.
        #[serde(with = "WrittenKind")]
        kind: PortKind,
    },
    /// The board went away.
    BoardGone,
    /// (FXS) Lifted.
    OffHook,
    /// (FXS) Hung up.
    OnHook,
    /// (FXS) Hook flash.
    Flash {
        /// How long the loop was open, ms.
        ms: u32,
    },
    /// (FXS) A pulse-dialled digit.
    PulseDigit {
        /// `0`–`9`.
        digit: char,
    },
    /// (FXS) Lifted while ringing; `OffHook` does not follow.
    RingTrip,
    /// (FXO) A ring burst began.
    RingBegin {
        /// Frequency, 0 when not measured.
        hz: u32,
    },
    /// (FXO) A ring burst ended.
    RingEnd {
        /// How long it was, ms.
        ms: u32,
    },
    /// (FXO) Polarity changed.
    Polarity {
        /// To what.
        #[serde(with = "WrittenPolarity")]
        polarity: Polarity,
    },
    /// (FXO) Battery removed while off-hook, for at least the configured time.
    Cpc {
        /// ms so far.
        ms: u32,
    },
    /// (FXO) No battery.
    BatteryLost,
    /// (FXO) Battery is back.
    BatteryOk,
    /// (FXO) Another telephone on the pair.
    ParallelPickup {
        /// Lifted, or hung up.
        up: bool,
    },
    /// Electrical readings.
    Reading {
        /// Tip to ring, signed.
        volts: f32,
        /// Loop current.
        milliamps: f32,
    },
    /// A key from a hardware detector.
    Dtmf {
        /// Which.
        key: char,
    },
    /// Alarms began.
    Alarm {
        /// `LINE_ALARM_*`.
        bits: u32,
    },
    /// Alarms ended.
    AlarmClear {
        /// `LINE_ALARM_*`.
        bits: u32,
    },
    /// (FXO) Neon message lamp.
    MwiNeon {
        /// Lit?
        on: bool,
    },
    /// (FXO) A metering pulse.
    Meter,
    /// The board lost frames.
    Xrun {
        /// How many.
        frames: u32,
    },
    /// Raw hook edge.
    HookEdge {
        /// Loop closed?
        closed: bool,
    },
}

/// Electrical state of a port.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct PortStatus {
    /// (FXS) The telephone is lifted; (FXO) we hold the line.
    pub off_hook: bool,
    /// Ringing voltage is on the pair.
    pub ringing: bool,
    /// Battery polarity.
    #[serde(with = "WrittenPolarity")]
    pub polarity: Polarity,
    /// Tip to ring, signed.
    pub volts: f32,
    /// Loop current.
    pub milliamps: f32,
    /// Battery.
    pub battery_volts: f32,
    /// Temperature of the line circuit.
    pub celsius: f32,
    /// `LINE_ALARM_*`.
    pub alarms: u32,
    /// Frames lost by the board.
    pub xruns: u32,
}

/// One reading of a diagnostic test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiagResult {
    /// `LINE_DIAG_*`.
    pub test: u32,
    /// The value.
    pub value: f32,
    /// Unit, such as `V`.
    pub unit: String,
    /// Least good value.
    pub low: f32,
    /// Greatest good value.
    pub high: f32,
    /// `LINE_VERDICT_*`.
    pub verdict: u32,
}

/// A polarity as the driver's type.
fn to_driver(polarity: Polarity) -> ringtrip_driver::Polarity {
    match polarity {
        Polarity::Forward => ringtrip_driver::Polarity::Forward,
        Polarity::Reverse => ringtrip_driver::Polarity::Reverse,
    }
}

fn polarity_of(driver: ringtrip_driver::Polarity) -> Polarity {
    match driver {
        ringtrip_driver::Polarity::Forward => Polarity::Forward,
        ringtrip_driver::Polarity::Reverse => Polarity::Reverse,
    }
}

/// What a port is, as the exchange calls it.
pub(crate) fn kind_of(driver: ringtrip_driver::PortKind) -> PortKind {
    match driver {
        ringtrip_driver::PortKind::Fxs => PortKind::Fxs,
        ringtrip_driver::PortKind::Fxo => PortKind::Fxo,
    }
}

impl Asked {
    /// What a refusal of it means to a line; `None`: nothing that it would notice.
    pub fn kind(&self) -> Option<CmdKind> {
        match self {
            Asked::Status => Some(CmdKind::Measure),
            Asked::Configure | Asked::Diag { .. } => None,
            Asked::Cmd { cmd } => Some(match cmd {
                PortCmd::Ring { .. } => CmdKind::Ring,
                PortCmd::OffHook => CmdKind::OffHook,
                PortCmd::OnHook => CmdKind::OnHook,
                PortCmd::Pulse { .. } => CmdKind::Pulse,
                _ => CmdKind::Other,
            }),
        }
    }
}

impl ToBoard {
    /// What a line wants of its port.
    pub fn of_line(port: u16, cmd: BoardCmd) -> ToBoard {
        let ms = |d: Duration| u32::try_from(d.as_millis()).unwrap_or(u32::MAX);
        let cmd = match cmd {
            BoardCmd::Measure => return ToBoard::Status { port },
            BoardCmd::Ring { cadence, hz } => PortCmd::Ring { cadence, hz },
            BoardCmd::RingStop => PortCmd::RingStop,
            BoardCmd::Polarity(polarity) => PortCmd::Polarity { polarity },
            BoardCmd::Cpc(d) => PortCmd::Cpc { ms: ms(d) },
            BoardCmd::OnHookAudio(d) => PortCmd::OnHookAudio { ms: ms(d) },
            BoardCmd::OffHook => PortCmd::OffHook,
            BoardCmd::OnHook => PortCmd::OnHook,
            BoardCmd::Flash(d) => PortCmd::Flash { ms: ms(d) },
            BoardCmd::Pulse(keys) => PortCmd::Pulse { digits: keys.iter().map(|k| k.as_char()).collect() },
        };
        ToBoard::Cmd { port, cmd }
    }
}

impl PortEvent {
    /// What the line at the port is told of it, if anything.
    pub fn for_line(&self) -> Option<BoardEvent> {
        Some(match *self {
            PortEvent::Ready { kind } => BoardEvent::Ready(kind),
            PortEvent::BoardGone => BoardEvent::Lost,
            PortEvent::OffHook => BoardEvent::OffHook,
            PortEvent::OnHook => BoardEvent::OnHook,
            PortEvent::Flash { .. } => BoardEvent::Flash,
            PortEvent::PulseDigit { digit } => BoardEvent::PulseDigit(Key::new(digit)?),
            PortEvent::RingTrip => BoardEvent::RingTrip,
            PortEvent::RingBegin { .. } => BoardEvent::RingBegin,
            PortEvent::RingEnd { .. } => BoardEvent::RingEnd,
            PortEvent::Polarity { polarity } => BoardEvent::Polarity(polarity),
            PortEvent::Cpc { .. } => BoardEvent::Cpc,
            PortEvent::BatteryLost => BoardEvent::BatteryLost,
            PortEvent::BatteryOk => BoardEvent::BatteryOk,
            PortEvent::ParallelPickup { up } => BoardEvent::ParallelPickup(up),
            PortEvent::Reading { volts, milliamps } => BoardEvent::Reading { volts, milliamps },
            PortEvent::Dtmf { .. }
            | PortEvent::Alarm { .. }
            | PortEvent::AlarmClear { .. }
            | PortEvent::MwiNeon { .. }
            | PortEvent::Meter
            | PortEvent::Xrun { .. }
            | PortEvent::HookEdge { .. } => return None,
        })
    }
}

impl PortCmd {
    /// The command as the driver's type.
    pub fn to_driver(&self) -> Command {
        match self {
            PortCmd::Ring { cadence, hz } => {
                let cadence_ms =
                    cadence.iter().take(abi::MAX_CADENCE / 2).flat_map(|(on, off)| [*on, *off]).collect();
                Command::Ring { cadence_ms, hz: (*hz).into(), repeat: 0 }
            }
            PortCmd::RingStop => Command::RingStop,
            PortCmd::Polarity { polarity } => Command::Polarity(to_driver(*polarity)),
            PortCmd::Cpc { ms } => Command::Cpc(*ms),
            PortCmd::OnHookAudio { ms } => Command::OnHookAudio(*ms),
            PortCmd::OffHook => Command::Hook(true),
            PortCmd::OnHook => Command::Hook(false),
            PortCmd::Flash { ms } => Command::Flash(*ms),
            PortCmd::Pulse { digits } => {
                Command::Pulse { digits: digits.clone(), make_ms: 0, break_ms: 0, gap_ms: 0 }
            }
            PortCmd::Gain { rx_db10, tx_db10 } => Command::Gain { rx_db10: *rx_db10, tx_db10: *tx_db10 },
            PortCmd::Mwi { kind, count } => Command::Mwi { kind: *kind, count: *count },
        }
    }
}

impl From<DriverEvent> for PortEvent {
    fn from(seen: DriverEvent) -> Self {
        match seen {
            DriverEvent::Ready(kind) => PortEvent::Ready { kind: kind_of(kind) },
            DriverEvent::BoardGone => PortEvent::BoardGone,
            DriverEvent::OffHook => PortEvent::OffHook,
            DriverEvent::OnHook => PortEvent::OnHook,
            DriverEvent::Flash(ms) => PortEvent::Flash { ms },
            DriverEvent::PulseDigit(digit) => PortEvent::PulseDigit { digit },
            DriverEvent::RingTrip => PortEvent::RingTrip,
            DriverEvent::RingBegin(hz) => PortEvent::RingBegin { hz },
            DriverEvent::RingEnd(ms) => PortEvent::RingEnd { ms },
            DriverEvent::Polarity(p) => PortEvent::Polarity { polarity: polarity_of(p) },
            DriverEvent::Cpc(ms) => PortEvent::Cpc { ms },
            DriverEvent::BatteryLost => PortEvent::BatteryLost,
            DriverEvent::BatteryOk => PortEvent::BatteryOk,
            DriverEvent::ExtPickup(up) => PortEvent::ParallelPickup { up },
            DriverEvent::Reading { volts, milliamps } => PortEvent::Reading { volts, milliamps },
            DriverEvent::Dtmf(key) => PortEvent::Dtmf { key },
            DriverEvent::Alarm(bits) => PortEvent::Alarm { bits },
            DriverEvent::AlarmClear(bits) => PortEvent::AlarmClear { bits },
            DriverEvent::MwiNeon(on) => PortEvent::MwiNeon { on },
            DriverEvent::Meter => PortEvent::Meter,
            DriverEvent::Xrun(frames) => PortEvent::Xrun { frames },
            DriverEvent::HookEdge(closed) => PortEvent::HookEdge { closed },
        }
    }
}

impl PortCfg {
    /// The configuration as the ABI carries it.
    pub fn to_abi(&self) -> LinePortCfgV1 {
        let mut cfg = LinePortCfgV1 {
            struct_size: size_of::<LinePortCfgV1>() as u32,
            impedance: self.impedance,
            rx_gain_db10: self.rx_gain_db10,
            tx_gain_db10: self.tx_gain_db10,
            loop_ma: self.loop_ma,
            flash_min_ms: self.flash_min_ms,
            flash_max_ms: self.flash_max_ms,
            pulse_max_ms: self.pulse_max_ms,
            cpc_min_ms: self.cpc_min_ms,
            ring_min_ms: self.ring_min_ms,
            ring_volts: self.ring_volts,
            ..LinePortCfgV1::default()
        };
        abi::put_text(&mut cfg.country, &self.country);
        cfg
    }
}

impl From<&LinePortStatusV1> for PortStatus {
    fn from(s: &LinePortStatusV1) -> Self {
        // JSON knows no NaN; a driver that cannot measure something may well answer one.
        let finite = |x: f32| if x.is_finite() { x } else { 0.0 };
        PortStatus {
            off_hook: s.off_hook != 0,
            ringing: s.ringing != 0,
            polarity: polarity_of(ringtrip_driver::Polarity::from_code(s.polarity)),
            volts: finite(s.volts),
            milliamps: finite(s.milliamps),
            battery_volts: finite(s.battery_volts),
            celsius: finite(s.celsius),
            alarms: s.alarms,
            xruns: s.xruns,
        }
    }
}
