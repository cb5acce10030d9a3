//! The C ABI, field by field as `include/ringtrip_driver.h` has it. A test compiles the header and compares every
//! size, offset and value with this file. The meaning of each field stands once, in the header.
#![allow(missing_docs, reason = "the header documents each field; two copies would drift")]

use std::ffi::{c_char, c_int, c_void};

pub const ABI_MAJOR: u32 = 1;
pub const ABI_MINOR: u32 = 0;
pub const MAX_CADENCE: usize = 16;
pub const MAX_DIGITS: usize = 64;

/// The symbol that a driver exports.
pub const ENTRY: &str = "line_driver_entry";
/// Its type.
pub type Entry = unsafe extern "C" fn(host_abi: u32) -> *const LineDriverV1;

/// A constant group with the C prefix of its names, listed for the header test.
macro_rules! constants {
    ($(#[$doc:meta])* $module:ident, $prefix:literal { $($name:ident = $value:expr),* $(,)? }) => {
        $(#[$doc])*
        pub mod $module {
            $(pub const $name: u32 = $value;)*
            /// Every word with its value.
            pub const ALL: &[(&str, u32)] = &[$((concat!($prefix, stringify!($name)), $name)),*];
        }
    };
}

constants!(
    /// What a port is.
    port, "LINE_PORT_" { FXS = 1, FXO = 2 });
constants!(
    /// Severity of a log line.
    log, "LINE_LOG_" { ERROR = 1, WARN = 2, INFO = 3, DEBUG = 4 });
constants!(
    /// Battery polarity.
    polarity, "LINE_POLARITY_" { FORWARD = 0, REVERSE = 1 });
constants!(
    /// Who makes the board's clock.
    clock, "LINE_CLOCK_" { HARDWARE = 1, SYSTEM = 2 });
constants!(
    /// Companding law on the board's bus.
    law, "LINE_LAW_" { LINEAR = 0, MU = 1, A = 2 });
constants!(
    /// Line feed states.
    feed, "LINE_FEED_" { OPEN = 0, FORWARD = 1, REVERSE = 2, OHT_FORWARD = 3, OHT_REVERSE = 4, TIP_OPEN = 5, RING_OPEN = 6 });
constants!(
/// What a port saw.
event, "LINE_EV_" {
    READY = 1, BOARD_GONE = 2, OFFHOOK = 3, ONHOOK = 4, FLASH = 5, PULSE_DIGIT = 6, RING_TRIP = 7, RING_BEGIN = 8,
    RING_END = 9, POLARITY = 10, CPC = 11, BATTERY_LOST = 12, BATTERY_OK = 13, EXT_PICKUP = 14, READING = 15,
    DTMF = 16, ALARM = 17, ALARM_CLEAR = 18, MWI_NEON = 19, METER = 20, XRUN = 21, HOOK_EDGE = 22,
});
constants!(
    /// Alarm bits.
    alarm, "LINE_ALARM_" { POWER = 1, THERMAL = 2, LINK = 4, CLOCK = 8, CALIBRATION = 16 });
constants!(
/// What a port should do.
cmd, "LINE_CMD_" {
    LINEFEED = 1, RING = 2, RING_STOP = 3, HOOK = 4, FLASH = 5, PULSE = 6, POLARITY = 7, CPC = 8, GAIN = 9,
    IMPEDANCE = 10, HYBRID = 11, ECHO = 12, OHT = 13, MWI = 14, METER = 15, POWER_DOWN = 16,
});
constants!(
/// Tests for `diag`.
diag, "LINE_DIAG_" {
    VOLTAGES = 1, LOOP_CURRENT = 2, RESISTANCE = 3, FOREIGN_EMF = 4, REN = 5, OFF_HOOK = 6, RINGING = 7,
    PCM_LOOP = 8, FXO_LINE = 9, HYBRID = 10,
});
constants!(
    /// Verdict of a diagnostic reading.
    verdict, "LINE_VERDICT_" { PASS = 0, FAIL = 1, UNKNOWN = 2 });

/// A board as the driver sees it; opaque to the host.
#[repr(C)]
pub struct LineBoard {
    _private: [u8; 0],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LineBoardIdV1 {
    pub struct_size: u32,
    pub reserved: u32,
    pub serial: [c_char; 64],
    pub model: [c_char; 64],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LineBoardInfoV1 {
    pub struct_size: u32,
    pub ports: u32,
    pub clock: u32,
    pub frame_us: [u32; 4],
    pub reserved: u32,
    pub model: [c_char; 64],
    pub serial: [c_char; 64],
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct LinePortCapsV1 {
    pub struct_size: u32,
    pub kind: u32,
    pub commands: u64,
    pub events: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct LinePortCfgV1 {
    pub struct_size: u32,
    pub country: [c_char; 4],
    pub impedance: u32,
    pub law: u32,
    pub rx_gain_db10: i32,
    pub tx_gain_db10: i32,
    pub loop_ma: u32,
    pub flash_min_ms: u32,
    pub flash_max_ms: u32,
    pub pulse_max_ms: u32,
    pub cpc_min_ms: u32,
    pub ring_min_ms: u32,
    pub ring_volts: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LineRingV1 {
    pub count: u32,
    pub hz: u32,
    pub repeat: u32,
    pub crest_x10: u32,
    pub cadence_ms: [u16; MAX_CADENCE],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LinePulseV1 {
    pub count: u32,
    pub make_ms: u16,
    pub break_ms: u16,
    pub gap_ms: u16,
    pub reserved: u16,
    pub digits: [c_char; MAX_DIGITS],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LineGainV1 {
    pub rx_db10: i32,
    pub tx_db10: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LineHybridV1 {
    pub acim: u32,
    pub coef: [u8; 8],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LineMwiV1 {
    pub kind: u32,
    pub count: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub union LineCmdU {
    pub value: u32,
    pub ring: LineRingV1,
    pub pulse: LinePulseV1,
    pub gain: LineGainV1,
    pub hybrid: LineHybridV1,
    pub mwi: LineMwiV1,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LineCmdV1 {
    pub struct_size: u32,
    pub kind: u32,
    pub u: LineCmdU,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LineReadingV1 {
    pub volts: f32,
    pub milliamps: f32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub union LineEventU {
    pub value: u32,
    pub reading: LineReadingV1,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct LineEventV1 {
    pub struct_size: u32,
    pub kind: u32,
    pub port: u32,
    pub reserved: u32,
    pub mono_ns: u64,
    pub sample: u64,
    pub u: LineEventU,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct LineAudioCfgV1 {
    pub struct_size: u32,
    pub rate: u32,
    pub frame_us: u32,
    pub ports: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct LinePortStatusV1 {
    pub struct_size: u32,
    pub off_hook: u32,
    pub ringing: u32,
    pub polarity: u32,
    pub volts: f32,
    pub milliamps: f32,
    pub battery_volts: f32,
    pub celsius: f32,
    pub alarms: u32,
    pub xruns: u32,
    pub clock_ppm: f32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct LineDiagResultV1 {
    pub struct_size: u32,
    pub test: u32,
    pub value: f32,
    pub low: f32,
    pub high: f32,
    pub verdict: u32,
    pub unit: [c_char; 8],
}

pub type ProbeCb = unsafe extern "C" fn(ctx: *mut c_void, found: *const LineBoardIdV1);
pub type DiagCb = unsafe extern "C" fn(ctx: *mut c_void, result: *const LineDiagResultV1);
pub type ReplyCb = unsafe extern "C" fn(ctx: *mut c_void, bytes: *const u8, len: u32);

#[repr(C)]
pub struct LineHostV1 {
    pub struct_size: u32,
    pub abi_major: u32,
    pub abi_minor: u32,
    pub reserved: u32,
    pub ctx: *mut c_void,
    pub log: Option<unsafe extern "C" fn(ctx: *mut c_void, level: u32, text: *const c_char, len: u32)>,
    pub now_ns: Option<unsafe extern "C" fn(ctx: *mut c_void) -> u64>,
    pub event: Option<unsafe extern "C" fn(ctx: *mut c_void, event: *const LineEventV1)>,
    pub frame: Option<
        unsafe extern "C" fn(
            ctx: *mut c_void,
            rx: *const i16,
            tx: *mut i16,
            samples: u32,
            sample: u64,
            mono_ns: u64,
        ) -> c_int,
    >,
}

/// The function table of a driver. Pointers are `Option` because a foreign driver may leave some out.
#[repr(C)]
pub struct LineDriverV1 {
    pub abi_major: u32,
    pub abi_minor: u32,
    pub struct_size: u32,
    pub reserved: u32,
    pub id: *const c_char,
    pub version: *const c_char,
    pub license: *const c_char,
    pub features: u64,
    pub probe: Option<
        unsafe extern "C" fn(
            host: *const LineHostV1,
            cfg_json: *const c_char,
            found: Option<ProbeCb>,
            ctx: *mut c_void,
        ) -> c_int,
    >,
    pub open: Option<
        unsafe extern "C" fn(
            host: *const LineHostV1,
            id: *const LineBoardIdV1,
            cfg_json: *const c_char,
            board: *mut *mut LineBoard,
        ) -> c_int,
    >,
    pub close: Option<unsafe extern "C" fn(board: *mut LineBoard)>,
    pub board_info: Option<unsafe extern "C" fn(board: *mut LineBoard, info: *mut LineBoardInfoV1) -> c_int>,
    pub port_caps:
        Option<unsafe extern "C" fn(board: *mut LineBoard, port: u32, caps: *mut LinePortCapsV1) -> c_int>,
    pub configure:
        Option<unsafe extern "C" fn(board: *mut LineBoard, port: u32, cfg: *const LinePortCfgV1) -> c_int>,
    pub line_cmd:
        Option<unsafe extern "C" fn(board: *mut LineBoard, port: u32, cmd: *const LineCmdV1) -> c_int>,
    pub audio_start: Option<unsafe extern "C" fn(board: *mut LineBoard, cfg: *const LineAudioCfgV1) -> c_int>,
    pub pump: Option<unsafe extern "C" fn(board: *mut LineBoard, timeout_us: u32) -> c_int>,
    pub diag: Option<
        unsafe extern "C" fn(
            board: *mut LineBoard,
            port: u32,
            test: u32,
            result: Option<DiagCb>,
            ctx: *mut c_void,
        ) -> c_int,
    >,
    pub get_status: Option<
        unsafe extern "C" fn(board: *mut LineBoard, port: u32, status: *mut LinePortStatusV1) -> c_int,
    >,
    pub ask: Option<
        unsafe extern "C" fn(
            board: *mut LineBoard,
            name: *const c_char,
            request: *const u8,
            len: u32,
            reply: Option<ReplyCb>,
            ctx: *mut c_void,
        ) -> c_int,
    >,
}

// SAFETY: the table is read-only, and its strings are static in a driver that is never unloaded.
unsafe impl Sync for LineDriverV1 {}

impl Default for LineBoardIdV1 {
    fn default() -> Self {
        Self { struct_size: size_of::<Self>() as u32, reserved: 0, serial: [0; 64], model: [0; 64] }
    }
}

impl Default for LineBoardInfoV1 {
    fn default() -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            ports: 0,
            clock: clock::SYSTEM,
            frame_us: [0; 4],
            reserved: 0,
            model: [0; 64],
            serial: [0; 64],
        }
    }
}

/// The text in a fixed field, up to the first NUL; bytes that are not UTF-8 are replaced.
pub fn text(field: &[c_char]) -> String {
    let bytes: Vec<u8> = field.iter().take_while(|c| **c != 0).map(|c| *c as u8).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Puts text into a fixed field, cut to leave a NUL at the end.
pub fn put_text(field: &mut [c_char], s: &str) {
    field.fill(0);
    let room = field.len().saturating_sub(1);
    for (to, from) in field.iter_mut().take(room).zip(s.bytes()) {
        *to = from as c_char;
    }
}
